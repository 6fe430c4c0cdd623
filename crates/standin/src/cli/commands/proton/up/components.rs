//! Components, attached to instances or alone in environments.

use serde_json::{Map, Value, json};

use super::{Up, is_busy, is_good};
use crate::cli::commands::proton::project::{Component, Project};
use crate::cli::commands::remote::text;
use crate::cli::paint::Tone;
use crate::error::CommandError;

impl Up {
    pub(super) fn component(&mut self, project: &Project, wanted: &Component) -> Result<(), CommandError> {
        let label = format!("component {}", wanted.name);
        let attached = wanted.attached.as_ref();
        let mut place = Map::new();
        match (attached, &wanted.environment) {
            (Some((service, instance)), _) => {
                place.insert("serviceName".to_owned(), json!(service));
                place.insert("serviceInstanceName".to_owned(), json!(instance));
            }
            (None, Some(environment)) => {
                place.insert("environmentName".to_owned(), json!(environment));
            }
            (None, None) => {}
        }
        let there = self.settled_component(&label, &wanted.name)?;
        let changed = match there {
            None => {
                let mut input = Value::Object(place);
                input["name"] = json!(wanted.name);
                input["manifest"] = json!(wanted.manifest);
                input["templateFile"] = json!(wanted.file);
                self.board.say(&label, Tone::Busy, "creating");
                self.remote.proton("CreateComponent", &input)?;
                self.did("component", &wanted.name, "created");
                true
            }
            Some(there) => {
                let deployed = self
                    .remote
                    .find("GetDeployment", &json!({ "id": text(&there, "lastSucceededDeploymentId") }))
                    .unwrap_or_default();
                let deployed = deployed.unwrap_or_default();
                let file = &deployed["deployment"]["targetState"]["component"]["templateFile"];
                let at = (text(&there, "serviceName"), text(&there, "serviceInstanceName"));
                let wanted_at = attached.map_or(("", ""), |(service, instance)| (service, instance));
                let mut change =
                    json!({ "name": wanted.name, "deploymentType": "CURRENT_VERSION", "templateFile": wanted.file });
                if at != wanted_at && !at.0.is_empty() {
                    // From one instance to another it goes by way of none.
                    let mut detach = change.clone();
                    detach["serviceName"] = json!("");
                    detach["serviceInstanceName"] = json!("");
                    self.board.say(&label, Tone::Busy, "detaching");
                    self.remote.proton("UpdateComponent", &detach)?;
                    self.settled_component(&label, &wanted.name)?;
                }
                let moved = at != wanted_at;
                if moved && attached.is_some() {
                    for (name, value) in place {
                        change[name.as_str()] = value;
                    }
                }
                let changed = file.as_str() != Some(wanted.file.as_str()) || !is_good(&there) || moved;
                if changed {
                    self.board.say(&label, Tone::Busy, "updating");
                    self.remote.proton("UpdateComponent", &change)?;
                    self.did("component", &wanted.name, "updated");
                } else {
                    self.board.say(&label, Tone::Faint, "as it is");
                }
                changed
            }
        };
        if !changed {
            return Ok(());
        }
        let there = self.settled_component(&label, &wanted.name)?.unwrap_or_default();
        self.judge(&label, &there)?;
        // The instance sees the outputs when it is deployed the next time: now.
        if let Some((service, instance)) = attached {
            let label = format!("instance {service}/{instance}");
            self.board.say(&label, Tone::Busy, "updating");
            let mut change = json!({ "name": instance, "serviceName": service, "deploymentType": "CURRENT_VERSION" });
            if let Some(own) = project.services.iter().find(|own| own.name == *service) {
                change["spec"] = json!(own.spec);
            }
            self.remote.proton("UpdateServiceInstance", &change)?;
            let there = self.settled_instance(&label, service, instance)?;
            self.judge(&label, &there)?;
        }
        Ok(())
    }

    pub(super) fn settled_component(&mut self, label: &str, name: &str) -> Result<Option<Value>, CommandError> {
        let named = json!({ "name": name });
        self.wait(label, |remote| {
            let found = remote.find("GetComponent", &named)?.map(|found| found["component"].clone());
            Ok((!found.as_ref().is_some_and(|found| is_busy(text(found, "deploymentStatus")))).then_some(found))
        })
    }
}
