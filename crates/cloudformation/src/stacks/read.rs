//! Operations that show stacks.

use serde::de::DeserializeOwned;
use standin_model::{Document, Fields, Str};
use standin_store::{Scan, Space, Table};

use super::record::{self, Stack, StackEvent, StackResource, time};
use super::write::{shown, text, texts};
use super::{Failure, Stacks, drift, invalid, stored};

/// Items on a page.
const PAGE: usize = 100;
/// Rows that are looked at in one go where most may not be wanted.
const CHUNK: usize = 500;

/// Appends what is there.
fn put(fields: &mut Fields, name: Str, value: Option<impl Into<Document>>) {
    if let Some(value) = value {
        fields.push(name, value);
    }
}

fn list(texts: &[String]) -> Document {
    Document::List(texts.iter().map(|text| Document::from(text.clone())).collect())
}

fn describe(stack: &Stack) -> Document {
    let mut out = Fields::new();
    out.push("StackId", stack.id.clone());
    out.push("StackName", stack.name.clone());
    put(&mut out, "ChangeSetId", stack.change_set_id.clone());
    put(&mut out, "Description", stack.description.clone());
    out.push("Parameters", shown(&stack.parameters));
    out.push("CreationTime", time(stack.created_ms));
    put(&mut out, "DeletionTime", stack.deleted_ms.map(time));
    put(&mut out, "LastUpdatedTime", stack.updated_ms.map(time));
    out.push("RollbackConfiguration", Fields::new());
    out.push("StackStatus", stack.status.clone());
    put(&mut out, "StackStatusReason", stack.reason.clone());
    out.push("DisableRollback", stack.disable_rollback);
    out.push("NotificationARNs", list(&stack.notification_arns));
    put(&mut out, "TimeoutInMinutes", stack.timeout_minutes);
    out.push("Capabilities", list(&stack.capabilities));
    let outputs = stack.outputs.iter().map(|output| {
        let mut one = Fields::new();
        one.push("OutputKey", output.key.clone());
        one.push("OutputValue", output.value.clone());
        put(&mut one, "Description", output.description.clone());
        put(&mut one, "ExportName", output.export.clone());
        Document::Map(one)
    });
    out.push("Outputs", outputs.collect::<Vec<_>>());
    put(&mut out, "RoleARN", stack.role_arn.clone());
    out.push("Tags", tags(stack));
    out.push("EnableTerminationProtection", stack.termination_protection);
    put(&mut out, "ParentId", stack.parent_id.clone());
    put(&mut out, "RootId", stack.root_id.clone());
    out.push("DriftInformation", drift::shown("StackDriftStatus", stack.drift.as_ref()));
    Document::Map(out)
}

fn tags(stack: &Stack) -> Vec<Document> {
    let pair = |(key, value): (&String, &String)| {
        let mut one = Fields::new();
        one.push("Key", key.clone());
        one.push("Value", value.clone());
        Document::Map(one)
    };
    stack.tags.iter().map(pair).collect()
}

fn summary(stack: &Stack) -> Document {
    let mut out = Fields::new();
    out.push("StackId", stack.id.clone());
    out.push("StackName", stack.name.clone());
    put(&mut out, "TemplateDescription", stack.description.clone());
    out.push("CreationTime", time(stack.created_ms));
    put(&mut out, "LastUpdatedTime", stack.updated_ms.map(time));
    put(&mut out, "DeletionTime", stack.deleted_ms.map(time));
    out.push("StackStatus", stack.status.clone());
    put(&mut out, "StackStatusReason", stack.reason.clone());
    put(&mut out, "ParentId", stack.parent_id.clone());
    put(&mut out, "RootId", stack.root_id.clone());
    out.push("DriftInformation", drift::shown("StackDriftStatus", stack.drift.as_ref()));
    Document::Map(out)
}

fn resource(stack: Option<&Stack>, resource: &StackResource, stamp: Str, detailed: bool) -> Document {
    let mut out = Fields::new();
    if let Some(stack) = stack {
        out.push("StackName", stack.name.clone());
        out.push("StackId", stack.id.clone());
    }
    out.push("LogicalResourceId", resource.logical_id.clone());
    put(&mut out, "PhysicalResourceId", Some(resource.reference.clone()).filter(|id| !id.is_empty()));
    out.push("ResourceType", resource.kind.clone());
    out.push(stamp, time(resource.updated_ms));
    out.push("ResourceStatus", resource.status.clone());
    put(&mut out, "ResourceStatusReason", resource.reason.clone());
    if detailed {
        put(&mut out, "Metadata", resource.metadata.as_ref().map(ToString::to_string));
    }
    out.push("DriftInformation", drift::shown("StackResourceDriftStatus", resource.drift.as_ref()));
    Document::Map(out)
}

impl Stacks {
    /// A page of stacks, by UUID; `wanted` picks.
    async fn page(
        &self,
        space: &Space,
        input: &Document,
        wanted: impl Fn(&Stack) -> bool,
    ) -> Result<(Vec<Stack>, Option<String>), Failure> {
        let table = record::stacks(space);
        let mut after = text(input, "NextToken");
        let mut found = Vec::new();
        loop {
            let scan = Scan { prefix: "", after: after.as_deref(), limit: CHUNK };
            let rows = self.store.scan(&table, scan).await.map_err(stored)?;
            for row in &rows {
                let stack: Stack = record::read(&table, row).map_err(stored)?;
                if wanted(&stack) {
                    if found.len() == PAGE {
                        return Ok((found, after));
                    }
                    found.push(stack);
                }
                after = Some(row.key.to_string());
            }
            if rows.len() < CHUNK {
                return Ok((found, None));
            }
        }
    }

    pub(crate) async fn describe_stacks(&self, space: &Space, input: &Document) -> Result<Fields, Failure> {
        let mut output = Fields::new();
        match text(input, "StackName") {
            Some(name) => {
                let (stack, _) = self.need(space, &name).await?;
                output.push("Stacks", vec![describe(&stack)]);
            }
            None => {
                let (mut stacks, next) = self.page(space, input, |stack| stack.deleted_ms.is_none()).await?;
                stacks.sort_by_key(|stack| std::cmp::Reverse(stack.created_ms));
                output.push("Stacks", stacks.iter().map(describe).collect::<Vec<_>>());
                put(&mut output, "NextToken", next);
            }
        }
        Ok(output)
    }

    pub(crate) async fn list_stacks(&self, space: &Space, input: &Document) -> Result<Fields, Failure> {
        let filter = texts(input, "StackStatusFilter");
        let wanted = |stack: &Stack| filter.is_empty() || filter.contains(&stack.status);
        let (mut stacks, next) = self.page(space, input, wanted).await?;
        stacks.sort_by_key(|stack| std::cmp::Reverse(stack.created_ms));
        let mut output = Fields::new();
        output.push("StackSummaries", stacks.iter().map(summary).collect::<Vec<_>>());
        put(&mut output, "NextToken", next);
        Ok(output)
    }

    /// A page of the rows of the stack that a call names, and the token of the next.
    pub(crate) async fn page_of<T: DeserializeOwned>(
        &self,
        space: &Space,
        table: &Table,
        input: &Document,
    ) -> Result<(Stack, Vec<T>, Option<String>), Failure> {
        let (stack, _) = self.need(space, &text(input, "StackName").unwrap_or_default()).await?;
        let prefix = format!("{}/", stack.uuid);
        let token = text(input, "NextToken");
        let scan = Scan { prefix: &prefix, after: token.as_deref(), limit: PAGE };
        let rows = self.store.scan(table, scan).await.map_err(stored)?;
        let read = rows.iter().map(|row| record::read(table, row)).collect::<Result<_, _>>().map_err(stored)?;
        Ok((stack, read, last_key(&rows, PAGE)))
    }

    pub(crate) async fn describe_events(&self, space: &Space, input: &Document) -> Result<Fields, Failure> {
        let (stack, rows, next) = self.page_of::<StackEvent>(space, &record::events(space), input).await?;
        let mut events = Vec::with_capacity(rows.len());
        for event in rows {
            let mut out = Fields::new();
            out.push("StackId", stack.id.clone());
            out.push("EventId", event.id);
            out.push("StackName", stack.name.clone());
            out.push("LogicalResourceId", event.logical_id);
            out.push("PhysicalResourceId", event.physical_id);
            out.push("ResourceType", event.kind);
            out.push("Timestamp", time(event.at_ms));
            out.push("ResourceStatus", event.status);
            put(&mut out, "ResourceStatusReason", event.reason);
            put(&mut out, "ResourceProperties", event.properties);
            put(&mut out, "ClientRequestToken", event.token);
            events.push(Document::Map(out));
        }
        let mut output = Fields::new();
        output.push("StackEvents", events);
        put(&mut output, "NextToken", next);
        Ok(output)
    }

    pub(crate) async fn list_resources(&self, space: &Space, input: &Document) -> Result<Fields, Failure> {
        let (_, rows, next) = self.page_of::<StackResource>(space, &record::resources(space), input).await?;
        let mut list = Vec::with_capacity(rows.len());
        for one in rows {
            list.push(resource(None, &one, "LastUpdatedTimestamp", false));
        }
        let mut output = Fields::new();
        output.push("StackResourceSummaries", list);
        put(&mut output, "NextToken", next);
        Ok(output)
    }

    pub(crate) async fn describe_resource(&self, space: &Space, input: &Document) -> Result<Fields, Failure> {
        let (stack, _) = self.need(space, &text(input, "StackName").unwrap_or_default()).await?;
        let name = text(input, "LogicalResourceId").unwrap_or_default();
        let known = self.resources_of(space, &stack.uuid).await.map_err(stored)?;
        let one = known
            .get(&name)
            .ok_or_else(|| invalid(format!("Resource {name} does not exist for stack {}", stack.name)))?;
        let mut output = Fields::new();
        output.push("StackResourceDetail", resource(Some(&stack), one, "LastUpdatedTimestamp", true));
        Ok(output)
    }

    pub(crate) async fn describe_resources(&self, space: &Space, input: &Document) -> Result<Fields, Failure> {
        let physical = text(input, "PhysicalResourceId");
        let logical = text(input, "LogicalResourceId");
        let stack = match (text(input, "StackName"), &physical) {
            (Some(name), None) => self.need(space, &name).await?.0,
            (None, Some(physical)) => self.owner(space, physical).await?,
            _ => return Err(invalid("One and only one of StackName and PhysicalResourceId must be specified")),
        };
        let known = self.resources_of(space, &stack.uuid).await.map_err(stored)?;
        let wanted = known.values().filter(|one| logical.as_ref().is_none_or(|name| *name == one.logical_id));
        let list: Vec<Document> = wanted.map(|one| resource(Some(&stack), one, "Timestamp", false)).collect();
        let mut output = Fields::new();
        output.push("StackResources", list);
        Ok(output)
    }

    /// The stack that a resource belongs to.
    async fn owner(&self, space: &Space, physical: &str) -> Result<Stack, Failure> {
        let table = record::resources(space);
        let rows = self.store.find(&table, "physical", physical, None, 1).await.map_err(stored)?;
        let uuid = rows.first().and_then(|row| row.key.split('/').next());
        if let Some(uuid) = uuid {
            let table = record::stacks(space);
            if let Some(row) = self.store.get(&table, uuid).await.map_err(stored)? {
                return record::read(&table, &row).map_err(stored);
            }
        }
        Err(invalid(format!("Stack for {physical} does not exist")))
    }

    pub(crate) async fn get_template(&self, space: &Space, input: &Document) -> Result<Fields, Failure> {
        let mut output = Fields::new();
        let processed = text(input, "TemplateStage").as_deref() == Some("Processed");
        if let Some(set) = text(input, "ChangeSetName") {
            let (set, _) = self.need_change_set(space, &set, text(input, "StackName").as_deref()).await?;
            output.push("TemplateBody", set.template);
        } else {
            let (stack, _) = self.need(space, &text(input, "StackName").unwrap_or_default()).await?;
            let row = self.store.get(&record::templates(space), &stack.uuid).await.map_err(stored)?;
            let body = row.and_then(|row| text(&row.body, if processed { "processed" } else { "body" }));
            output.push("TemplateBody", body.unwrap_or_default());
        }
        output.push("StagesAvailable", vec![Document::from("Original"), Document::from("Processed")]);
        Ok(output)
    }

    pub(crate) async fn list_exports(&self, space: &Space, input: &Document) -> Result<Fields, Failure> {
        let table = record::exports(space);
        let token = text(input, "NextToken");
        let scan = Scan { prefix: "", after: token.as_deref(), limit: PAGE };
        let rows = self.store.scan(&table, scan).await.map_err(stored)?;
        let exports = rows.iter().map(|row| {
            let mut out = Fields::new();
            put(&mut out, "ExportingStackId", text(&row.body, "stack"));
            out.push("Name", row.key.to_string());
            put(&mut out, "Value", text(&row.body, "value"));
            Document::Map(out)
        });
        let mut output = Fields::new();
        output.push("Exports", exports.collect::<Vec<_>>());
        put(&mut output, "NextToken", last_key(&rows, PAGE));
        Ok(output)
    }

    pub(crate) async fn list_imports(&self, space: &Space, input: &Document) -> Result<Fields, Failure> {
        let export = text(input, "ExportName").unwrap_or_default();
        let wanted = |stack: &Stack| stack.deleted_ms.is_none() && stack.imports.contains(&export);
        let (stacks, next) = self.page(space, input, wanted).await?;
        if stacks.is_empty() {
            return Err(invalid(format!("Export '{export}' is not imported by any stack.")));
        }
        let mut output = Fields::new();
        output.push("Imports", stacks.into_iter().map(|stack| Document::from(stack.name)).collect::<Vec<_>>());
        put(&mut output, "NextToken", next);
        Ok(output)
    }

    pub(crate) async fn stack_policy(&self, space: &Space, input: &Document) -> Result<Fields, Failure> {
        let (stack, _) = self.need(space, &text(input, "StackName").unwrap_or_default()).await?;
        let mut output = Fields::new();
        put(&mut output, "StackPolicyBody", stack.policy);
        Ok(output)
    }
}

/// The key that the next page begins after, where this one is full.
pub(crate) fn last_key(rows: &[standin_store::Row], limit: usize) -> Option<String> {
    rows.last().filter(|_| rows.len() == limit).map(|row| row.key.to_string())
}
