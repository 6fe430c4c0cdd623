//! Drift: whether the resources of a stack still are as it made them.

use serde_json::{Value, json};
use standin_model::{Document, Fields, Str};
use standin_store::{IndexEntry, Space};

use super::record::{self, Checked, STACK_TYPE, Stack, StackResource, time};
use super::run::Run;
use super::write::{text, texts};
use super::{Failure, Stacks, invalid, place_of, stored};
use crate::resources::{Difference, Drift, Place, Wanted};

const NOT_CHECKED: &str = "NOT_CHECKED";

/// What is shown of the last look at a stack or a resource.
pub(crate) fn shown(status: Str, checked: Option<&Checked>) -> Document {
    let mut fields = Fields::new();
    fields.push(status, checked.map_or(NOT_CHECKED, |checked| checked.status.as_str()).to_owned());
    if let Some(checked) = checked {
        fields.push("LastCheckTimestamp", time(checked.at_ms));
    }
    Document::Map(fields)
}

fn difference(difference: &Difference) -> Value {
    json!({
        "PropertyPath": format!("/{}", difference.property),
        "ExpectedValue": difference.expected,
        "ActualValue": difference.actual,
        "DifferenceType": "NOT_EQUAL",
    })
}

fn describe(stack: &Stack, resource: &StackResource, checked: &Checked) -> Document {
    let mut out = Fields::new();
    out.push("StackId", stack.id.clone());
    out.push("LogicalResourceId", resource.logical_id.clone());
    out.push("PhysicalResourceId", resource.reference.clone());
    out.push("ResourceType", resource.kind.clone());
    if checked.status != NOT_CHECKED {
        out.push("ExpectedProperties", resource.properties.to_string());
        if checked.status != "DELETED" {
            let mut actual = resource.properties.clone();
            for difference in &checked.differences {
                let name = difference["PropertyPath"].as_str().unwrap_or_default().trim_start_matches('/');
                actual[name] = difference["ActualValue"].clone();
            }
            out.push("ActualProperties", actual.to_string());
        }
    }
    let differences: Vec<Document> = checked.differences.iter().map(Document::from_json).collect();
    out.push("PropertyDifferences", differences);
    out.push("StackResourceDriftStatus", checked.status.clone());
    out.push("Timestamp", time(checked.at_ms));
    Document::Map(out)
}

impl Stacks {
    /// Looks at the resources of a stack that pass, and keeps what was seen.
    async fn look_at(
        &self,
        space: &Space,
        place: Place,
        name: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(Stack, Vec<StackResource>), Failure> {
        let (stack, version) = self.need(space, name).await?;
        if stack.is_under_way() || stack.deleted_ms.is_some() {
            return Err(invalid(format!(
                "Drift detection cannot be performed on stack [{}] while in status {}",
                stack.id, stack.status
            )));
        }
        let place = place_of(place, &stack);
        let known = self.resources_of(space, &stack.uuid).await.map_err(stored)?;
        let names: Vec<String> = known
            .values()
            .filter(|one| one.is_there() && wanted(&one.logical_id))
            .map(|one| one.logical_id.clone())
            .collect();
        let mut run = Run::new(self, place, stack, Some(version), known);
        let at_ms = run.tick();
        for name in &names {
            let Some(resource) = run.resources.get(name).cloned() else { continue };
            let of = Wanted {
                kind: &resource.kind,
                logical_id: name,
                properties: &resource.properties,
                generation: resource.generation,
            };
            let drift = match resource.kind.as_str() {
                STACK_TYPE => Drift::NotChecked,
                _ => self.resources.drift(&run.place, of, &resource.made()).await,
            };
            let (status, differences) = match drift {
                Drift::NotChecked => (NOT_CHECKED, Vec::new()),
                Drift::Deleted => ("DELETED", Vec::new()),
                Drift::Checked(differences) if differences.is_empty() => ("IN_SYNC", Vec::new()),
                Drift::Checked(differences) => ("MODIFIED", differences.iter().map(difference).collect()),
            };
            if let Some(resource) = run.resources.get_mut(name) {
                resource.drift = Some(Checked { status: status.to_owned(), at_ms, differences });
                run.touch(name);
            }
        }
        let drifted = |one: &&StackResource| {
            one.drift.as_ref().is_some_and(|checked| matches!(checked.status.as_str(), "DELETED" | "MODIFIED"))
        };
        let status = if run.resources.values().any(|one| drifted(&one)) { "DRIFTED" } else { "IN_SYNC" };
        run.stack.drift = Some(Checked { status: status.to_owned(), at_ms, differences: Vec::new() });
        run.flush(None).await.map_err(stored)?;
        let seen = names.iter().filter_map(|name| run.resources.get(name).cloned()).collect();
        Ok((run.stack, seen))
    }

    pub(crate) async fn detect_drift(&self, space: &Space, place: Place, input: &Document) -> Result<Fields, Failure> {
        let only = texts(input, "LogicalResourceIds");
        let wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
        let name = text(input, "StackName").unwrap_or_default();
        let mut key = place.dice.key("drift detection");
        key.text(&name).number(place.now.as_millis().cast_unsigned());
        let id = crate::services::uuid(&mut key.draw());
        let (stack, seen) = self.look_at(space, place, &name, wanted).await?;
        let checked = stack.drift.clone().unwrap_or_default();
        let drifted = seen.iter().filter_map(|one| one.drift.as_ref());
        let drifted = drifted.filter(|checked| matches!(checked.status.as_str(), "DELETED" | "MODIFIED")).count();
        let mut row = Fields::new();
        row.push("stack", stack.id);
        row.push("status", checked.status);
        row.push("drifted", Document::Int(i64::try_from(drifted).unwrap_or(i64::MAX)));
        row.push("atMs", checked.at_ms);
        let none: Vec<IndexEntry> = Vec::new();
        let mut batch = standin_store::Batch::default();
        batch.put(&record::drifts(space), id.as_str(), Document::Map(row), none);
        self.store.commit(batch).await.map_err(stored)?;
        let mut output = Fields::new();
        output.push("StackDriftDetectionId", id);
        Ok(output)
    }

    pub(crate) async fn detect_resource_drift(
        &self,
        space: &Space,
        place: Place,
        input: &Document,
    ) -> Result<Fields, Failure> {
        let name = text(input, "StackName").unwrap_or_default();
        let logical = text(input, "LogicalResourceId").unwrap_or_default();
        let (stack, seen) = self.look_at(space, place, &name, |one| one == logical).await?;
        let found = seen.first().and_then(|one| Some((one, one.drift.as_ref()?)));
        let (resource, checked) =
            found.ok_or_else(|| invalid(format!("Resource {logical} does not exist for stack {}", stack.name)))?;
        let mut output = Fields::new();
        output.push("StackResourceDrift", describe(&stack, resource, checked));
        Ok(output)
    }

    pub(crate) async fn drift_status(&self, space: &Space, input: &Document) -> Result<Fields, Failure> {
        let id = text(input, "StackDriftDetectionId").unwrap_or_default();
        let row = self.store.get(&record::drifts(space), &id).await.map_err(stored)?;
        let row = row.ok_or_else(|| invalid(format!("Drift detection with id {id} does not exist")))?;
        let mut output = Fields::new();
        output.push("StackId", text(&row.body, "stack").unwrap_or_default());
        output.push("StackDriftDetectionId", id);
        output.push("StackDriftStatus", text(&row.body, "status").unwrap_or_default());
        output.push("DetectionStatus", "DETECTION_COMPLETE");
        output.push("DriftedStackResourceCount", row.body.get("drifted").cloned().unwrap_or_default());
        let at_ms = row.body.get("atMs").and_then(Document::as_i64).unwrap_or_default();
        output.push("Timestamp", time(at_ms));
        Ok(output)
    }

    pub(crate) async fn resource_drifts(&self, space: &Space, input: &Document) -> Result<Fields, Failure> {
        let (stack, _) = self.need(space, &text(input, "StackName").unwrap_or_default()).await?;
        let filter = texts(input, "StackResourceDriftStatusFilters");
        let known = self.resources_of(space, &stack.uuid).await.map_err(stored)?;
        // Those that were never looked at are not told of.
        let checked = known.values().filter_map(|one| Some((one, one.drift.as_ref()?)));
        let wanted = checked.filter(|(_, checked)| filter.is_empty() || filter.contains(&checked.status));
        let list: Vec<Document> = wanted.map(|(one, checked)| describe(&stack, one, checked)).collect();
        let mut output = Fields::new();
        output.push("StackResourceDrifts", list);
        Ok(output)
    }
}
