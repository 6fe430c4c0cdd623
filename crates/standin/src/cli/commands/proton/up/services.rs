//! Services: their instances come, go and change each by itself; the pipeline follows them.

use anyhow::anyhow;
use serde_json::{Value, json};

use super::{Up, Version, begun, is_busy, is_good, show, update, wait};
use crate::cli::commands::proton::project::{self, Project, Service};
use crate::cli::commands::remote::{list, text};
use crate::cli::paint::Tone;
use crate::error::CommandError;

impl Up {
    pub(super) fn service(&mut self, project: &Project, wanted: &Service) -> Result<(), CommandError> {
        let template = &project.templates[wanted.template];
        let version = self.recommended(template)?;
        let label = format!("service {}", wanted.name);
        let there = self.settled_service(&label, &wanted.name)?;
        let Some(there) = self.unless_stillborn(&label, there)? else {
            let mut input = json!({
                "name": wanted.name,
                "templateName": template.name,
                "templateMajorVersion": version.major,
                "templateMinorVersion": version.minor,
                "spec": wanted.spec,
            });
            if template.bundle.pipeline.is_some() {
                let repository = wanted.repository.clone().unwrap_or_else(|| format!("example/{}", wanted.name));
                input["repositoryId"] = json!(repository);
                input["branchName"] = json!(wanted.branch);
                input["repositoryConnectionArn"] =
                    json!(wanted.connection.clone().unwrap_or_else(|| self.connection()));
            }
            self.board.say(&label, Tone::Busy, &begun("creating", template.method()));
            self.remote.proton("CreateService", &input)?;
            self.did("service", &wanted.name, "created");
            return self.service_done(&label, &wanted.name);
        };
        let done = self.done.len();
        let new = project::spec_json(&wanted.spec);
        if let Some(spec) = merged(&project::spec_json(text(&there, "spec")), &new) {
            self.board.say(&label, Tone::Busy, "adding and removing instances");
            // What was written stays as it was written, where it says the same.
            let text = if spec == new { wanted.spec.clone() } else { format!("{spec:#}") };
            self.remote.proton("UpdateService", &json!({ "name": wanted.name, "spec": text }))?;
            self.did("service", &wanted.name, "updated");
            self.service_done(&label, &wanted.name)?;
        }
        let mut changed = false;
        for (name, environment) in wanted.instances() {
            changed |= self.instance(wanted, &name, &environment, &version)?;
        }
        let there = self.settled_service(&label, &wanted.name)?.unwrap_or_default();
        if !there["pipeline"].is_null() {
            let pipeline = &there["pipeline"];
            let spec = project::spec_json(text(pipeline, "spec"));
            let other = changed || spec["pipeline"] != new["pipeline"] || !is_good(pipeline);
            let label = format!("pipeline of {}", wanted.name);
            if let Some(mut change) = update(&Version::deployed(pipeline), &version, other) {
                change["serviceName"] = json!(wanted.name);
                change["spec"] = json!(wanted.spec);
                self.board.say(&label, Tone::Busy, "updating");
                self.remote.proton("UpdateServicePipeline", &change)?;
                self.did("pipeline", &wanted.name, "updated");
            } else {
                self.board.say(&label, Tone::Faint, "as it is");
            }
        }
        if self.done.len() > done {
            return self.service_done(&label, &wanted.name);
        }
        self.board.say(&label, Tone::Faint, "as it is");
        Ok(())
    }

    /// Deletes a service that failed when it was created, and of which nothing ever came: it never becomes active.
    fn unless_stillborn(&mut self, label: &str, there: Option<Value>) -> Result<Option<Value>, CommandError> {
        let Some(there) = there else { return Ok(None) };
        if !text(&there, "status").starts_with("CREATE_FAILED") {
            return Ok(Some(there));
        }
        let name = text(&there, "name").to_owned();
        let instances = self.remote.proton("ListServiceInstances", &json!({ "serviceName": name }))?;
        let came_up = |instance: &Value| !text(instance, "lastDeploymentSucceededAt").is_empty();
        if list(&instances, "serviceInstances").iter().any(came_up) {
            return Ok(Some(there));
        }
        self.board.say(label, Tone::Busy, "deleting what failed");
        self.remote.proton("DeleteService", &json!({ "name": name }))?;
        let left = self.settled_service(label, &name)?;
        match left.map(|left| text(&left, "statusMessage").to_owned()) {
            None => Ok(None),
            Some(message) => Err(CommandError::failure(anyhow!("{label} cannot be deleted: {message}"))),
        }
    }

    /// Updates an instance where that is needed. Whether its outputs are others now.
    pub(super) fn instance(
        &mut self,
        service: &Service,
        name: &str,
        environment: &str,
        version: &Version,
    ) -> Result<bool, CommandError> {
        let label = format!("instance {}/{name}", service.name);
        let there = self.settled_instance(&label, &service.name, name)?;
        let entry = |text: &str| entry(&project::spec_json(text), name);
        let environment = self.remote.proton("GetEnvironment", &json!({ "name": environment }))?;
        let used = self.environment_of(&there)?;
        let now = text(&environment["environment"], "lastSucceededDeploymentId");
        let other = entry(text(&there, "spec")) != entry(&service.spec)
            || !is_good(&there)
            || used.as_deref().is_some_and(|used| used != now);
        let Some(mut change) = update(&Version::deployed(&there), version, other) else {
            self.board.say(&label, Tone::Faint, "as it is");
            return Ok(false);
        };
        let before = self.instance_outputs(&service.name, name)?;
        change["name"] = json!(name);
        change["serviceName"] = json!(service.name);
        change["spec"] = json!(service.spec);
        self.board.say(&label, Tone::Busy, "updating");
        self.remote.proton("UpdateServiceInstance", &change)?;
        self.did("instance", &format!("{}/{name}", service.name), "updated");
        let there = self.settled_instance(&label, &service.name, name)?;
        self.judge(&label, &there)?;
        Ok(self.instance_outputs(&service.name, name)? != before)
    }

    /// The deployment of the environment whose outputs an instance was last deployed with.
    pub(super) fn environment_of(&mut self, instance: &Value) -> Result<Option<String>, CommandError> {
        let id = text(instance, "lastSucceededDeploymentId");
        if id.is_empty() {
            return Ok(None);
        }
        let found = self.remote.find("GetDeployment", &json!({ "id": id }))?.unwrap_or_default();
        let state = &found["deployment"]["targetState"]["serviceInstance"];
        Ok(state["lastSuccessfulEnvironmentDeploymentId"].as_str().map(str::to_owned))
    }

    pub(super) fn settled_instance(&mut self, label: &str, service: &str, name: &str) -> Result<Value, CommandError> {
        let named = json!({ "serviceName": service, "name": name });
        self.wait(label, |remote| {
            let found = remote.proton("GetServiceInstance", &named)?["serviceInstance"].clone();
            Ok((!is_busy(text(&found, "deploymentStatus"))).then_some(found))
        })
    }

    /// The service once nothing goes on in it; what goes on is shown.
    pub(super) fn settled_service(&mut self, label: &str, name: &str) -> Result<Option<Value>, CommandError> {
        let Self { remote, board, timeout, .. } = self;
        wait(remote, *timeout, label, |remote| {
            let Some(found) = remote.find("GetService", &json!({ "name": name }))? else { return Ok(Some(None)) };
            let (service, pipeline) = (&found["service"], &found["service"]["pipeline"]);
            if !is_busy(text(service, "status")) && !is_busy(text(pipeline, "deploymentStatus")) {
                return Ok(Some(Some(service.clone())));
            }
            // A service that is being deleted may be gone by now.
            let instances = remote.find("ListServiceInstances", &json!({ "serviceName": name }))?.unwrap_or_default();
            for instance in list(&instances, "serviceInstances") {
                show(board, &format!("instance {name}/{}", text(instance, "name")), instance);
            }
            if !pipeline.is_null() {
                show(board, &format!("pipeline of {name}"), pipeline);
            }
            Ok(None)
        })
    }

    pub(super) fn service_done(&mut self, label: &str, name: &str) -> Result<(), CommandError> {
        let there = self.settled_service(label, name)?.unwrap_or_default();
        let instances = self.remote.proton("ListServiceInstances", &json!({ "serviceName": name }))?;
        for instance in list(&instances, "serviceInstances") {
            self.judge(&format!("instance {name}/{}", text(instance, "name")), instance)?;
        }
        if !there["pipeline"].is_null() {
            self.judge(&format!("pipeline of {name}"), &there["pipeline"])?;
        }
        match text(&there, "status") {
            "ACTIVE" => self.board.say(label, Tone::Good, "active"),
            // A service that failed once, and whose parts have been deployed since, is as good as any.
            status => self.board.say(label, Tone::Busy, status),
        }
        Ok(())
    }
}

/// An instance's part of a spec.
fn entry(spec: &Value, name: &str) -> Option<Value> {
    list(spec, "instances").iter().find(|entry| text(entry, "name") == name).cloned()
}

/// The spec that adds and removes instances, and changes nothing else: `UpdateService` takes no other. Nothing where none
/// is to be added or removed.
fn merged(stored: &Value, new: &Value) -> Option<Value> {
    let (old, wanted) = (list(stored, "instances"), list(new, "instances"));
    let name = |entry: &Value| text(entry, "name").to_owned();
    let (mut before, mut after): (Vec<_>, Vec<_>) = (old.iter().map(name).collect(), wanted.iter().map(name).collect());
    before.sort();
    after.sort();
    if before == after {
        return None;
    }
    let mut spec = stored.clone();
    spec["instances"] =
        wanted.iter().map(|new| entry(stored, text(new, "name")).unwrap_or_else(|| new.clone())).collect();
    Some(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    pub(super) fn instances_come_and_go_without_edits() {
        let instance = |name: &str, size: u64| json!({ "name": name, "environment": "e", "spec": { "size": size } });
        let spec = |instances: &[Value]| json!({ "proton": "ServiceSpec", "instances": instances });
        let old = spec(&[instance("a", 1), instance("b", 1)]);
        assert_eq!(merged(&old, &spec(&[instance("b", 2), instance("a", 1)])), None);
        let merged = merged(&old, &spec(&[instance("b", 2), instance("c", 3)])).expect("a spec");
        assert_eq!(merged, spec(&[instance("b", 1), instance("c", 3)]));
    }
}
