//! Change sets: what an update would do, kept until somebody wants it done.

use indexmap::IndexMap;
use serde_json::Value;
use standin_core::OperationError;
use standin_model::{Document, Fields};
use standin_store::{Batch, IndexEntry, Scan, Space};

use super::record::{self, ChangeSet, time};
use super::run::Run;
use super::templates::{arguments, check_capabilities, kept};
use super::work::Linger;
use super::write::{flag, is_settled, keep_template, shown, tags, text, texts};
use super::{Failure, Stacks, invalid, place_of, stored};
use crate::parameters::Argument;
use crate::resources::Place;

/// Change sets that are looked at in one go.
const PAGE: usize = 100;
/// Why a change set without changes fails; the AWS CLI looks for these words.
const NO_CHANGES: &str =
    "The submitted information didn't contain changes. Submit different information to create a change set.";

fn not_found(name: &str) -> Failure {
    OperationError::new("ChangeSetNotFoundException", format!("ChangeSet [{name}] does not exist"))
}

fn key(set: &ChangeSet) -> String {
    format!("{}/{}", set.stack_uuid, set.name)
}

impl Stacks {
    /// A change set by its ARN, or by its name and its stack.
    pub(crate) async fn need_change_set(
        &self,
        space: &Space,
        name: &str,
        stack: Option<&str>,
    ) -> Result<(ChangeSet, u64), Failure> {
        let table = record::change_sets(space);
        let row = if name.starts_with("arn:") {
            self.store.find(&table, "id", name, None, 1).await.map_err(stored)?.into_iter().next()
        } else {
            let stack = stack
                .ok_or_else(|| invalid("StackName must be specified if ChangeSetName is not specified as an ARN."))?;
            let (stack, _) = self.need(space, stack).await?;
            self.store.get(&table, &format!("{}/{name}", stack.uuid)).await.map_err(stored)?
        };
        let row = row.ok_or_else(|| not_found(name))?;
        Ok((record::read(&table, &row).map_err(stored)?, row.version))
    }

    pub(crate) async fn create_change_set(
        &self,
        space: &Space,
        place: Place,
        input: &Document,
    ) -> Result<Fields, Failure> {
        let stack_name = text(input, "StackName").unwrap_or_default();
        let name = text(input, "ChangeSetName").unwrap_or_default();
        let asked = text(input, "ChangeSetType").unwrap_or_else(|| "UPDATE".to_owned());
        if asked == "IMPORT" {
            return Err(invalid("Resources are not imported into stacks here; create them by the stack's template"));
        }
        let found = self.find(space, &stack_name).await?.filter(|(stack, _)| stack.deleted_ms.is_none());
        let (stack, version) = match (asked.as_str(), found) {
            ("CREATE", Some((stack, version))) if stack.status == "REVIEW_IN_PROGRESS" => (stack, Some(version)),
            ("CREATE", Some((stack, _))) => {
                return Err(invalid(format!(
                    "Stack [{}] already exists and cannot be created again with the changeSet [{name}].",
                    stack.name
                )));
            }
            ("CREATE", None) => (Self::new_stack(&place, &stack_name, input)?, None),
            (_, Some((stack, version))) => {
                if !is_settled(&stack.status) {
                    return Err(invalid(format!(
                        "Stack:{} is in {} state and can not be updated.",
                        stack.id, stack.status
                    )));
                }
                (stack, Some(version))
            }
            (_, None) => return Err(invalid(format!("Stack [{stack_name}] does not exist"))),
        };
        let creates = stack.status.is_empty() || stack.status == "REVIEW_IN_PROGRESS";
        let table = record::change_sets(space);
        let place = place_of(place, &stack);
        let previous = flag(input, "UsePreviousTemplate");
        let body = match self.body_of(&place, input).await? {
            Some(body) => body,
            None if previous && !creates => self.template_of(space, &stack.uuid).await.map_err(stored)?,
            None => return Err(invalid("Either Template URL or Template Body must be specified.")),
        };
        let prepared = self.prepared(&place, &stack, &body, &arguments(input), &stack.parameters).await?;
        let capabilities = texts(input, "Capabilities");
        check_capabilities(&body, &prepared, &capabilities, true)?;
        let current =
            if creates { IndexMap::new() } else { self.resources_of(space, &stack.uuid).await.map_err(stored)? };
        let mut next = stack.clone();
        if let Some(tags) = tags(input)? {
            next.tags = tags;
        }
        let changes = self.check_plan(space, &place, &next, &prepared, &current).await?;
        let goal_outputs = prepared.template.outputs.len();
        let mut draw = place
            .dice
            .key("change set")
            .text(&stack.id)
            .text(&name)
            .number(place.now.as_millis().cast_unsigned())
            .draw();
        let Place { partition, region, account, .. } = &place;
        let mut set = ChangeSet {
            id: format!(
                "arn:{partition}:cloudformation:{region}:{account}:changeSet/{name}/{}",
                crate::services::uuid(&mut draw)
            ),
            name,
            stack_uuid: stack.uuid.clone(),
            stack_id: stack.id.clone(),
            stack_name: stack.name.clone(),
            kind: if creates { "CREATE".to_owned() } else { "UPDATE".to_owned() },
            status: "CREATE_COMPLETE".to_owned(),
            reason: None,
            execution: "AVAILABLE".to_owned(),
            created_ms: place.now.as_millis(),
            description: text(input, "Description"),
            template: body,
            parameters: kept(&prepared),
            tags: next.tags.clone(),
            capabilities,
            notification_arns: texts(input, "NotificationARNs"),
            role_arn: text(input, "RoleARN"),
            on_failure: text(input, "OnStackFailure"),
            changes,
        };
        let parameters_same = set.parameters == stack.parameters || current.is_empty();
        let unchanged = !creates
            && set.changes.is_empty()
            && next.tags == stack.tags
            && goal_outputs == stack.outputs.len()
            && parameters_same;
        if unchanged {
            "FAILED".clone_into(&mut set.status);
            "UNAVAILABLE".clone_into(&mut set.execution);
            set.reason = Some(NO_CHANGES.to_owned());
        }
        let key = key(&set);
        if self.store.get(&table, &key).await.map_err(stored)?.is_some() {
            return Err(OperationError::new(
                "AlreadyExistsException",
                format!("ChangeSet {} cannot be created due to a mismatch with existing attribute Status", set.name),
            ));
        }
        let mut batch = Batch::default();
        let index = vec![IndexEntry::new("id", set.id.as_str())];
        batch.check(&table, key.as_str(), None);
        batch.put(&table, key, record::body(&set).map_err(stored)?, index);
        if version.is_none() {
            let names = record::names(space);
            let mut row = Fields::new();
            row.push("uuid", stack.uuid.clone());
            let none: Vec<IndexEntry> = Vec::new();
            batch.check(&names, stack.name.as_str(), None);
            batch.put(&names, stack.name.as_str(), Document::Map(row), none);
            let mut run = Run::new(self, place, stack, None, IndexMap::new());
            run.stack.change_set_id = Some(set.id.clone());
            run.stack_status("REVIEW_IN_PROGRESS", Some("User Initiated"));
            run.flush(Some(batch)).await.map_err(stored)?;
        } else {
            self.store.commit(batch).await.map_err(stored)?;
        }
        let mut output = Fields::new();
        output.push("Id", set.id);
        output.push("StackId", set.stack_id);
        Ok(output)
    }

    pub(crate) async fn describe_change_set(&self, space: &Space, input: &Document) -> Result<Fields, Failure> {
        let name = text(input, "ChangeSetName").unwrap_or_default();
        let (set, _) = self.need_change_set(space, &name, text(input, "StackName").as_deref()).await?;
        let mut output = Fields::new();
        output.push("ChangeSetName", set.name.clone());
        output.push("ChangeSetId", set.id.clone());
        output.push("StackId", set.stack_id.clone());
        output.push("StackName", set.stack_name.clone());
        if let Some(description) = &set.description {
            output.push("Description", description.clone());
        }
        output.push("Parameters", shown(&set.parameters));
        output.push("CreationTime", time(set.created_ms));
        output.push("ExecutionStatus", set.execution.clone());
        output.push("Status", set.status.clone());
        if let Some(reason) = &set.reason {
            output.push("StatusReason", reason.clone());
        }
        output.push("NotificationARNs", set.notification_arns.iter().cloned().map(Document::from).collect::<Vec<_>>());
        output.push("Capabilities", set.capabilities.iter().cloned().map(Document::from).collect::<Vec<_>>());
        let pair = |(key, value): (&String, &String)| {
            let mut one = Fields::new();
            one.push("Key", key.clone());
            one.push("Value", value.clone());
            Document::Map(one)
        };
        output.push("Tags", set.tags.iter().map(pair).collect::<Vec<_>>());
        let change = |change: &Value| {
            let mut one = Fields::new();
            one.push("Type", "Resource");
            one.push("ResourceChange", Document::from_json(change));
            Document::Map(one)
        };
        output.push("Changes", set.changes.iter().map(change).collect::<Vec<_>>());
        output.push("IncludeNestedStacks", false);
        Ok(output)
    }

    pub(crate) async fn list_change_sets(&self, space: &Space, input: &Document) -> Result<Fields, Failure> {
        let (_, rows, next) = self.page_of::<ChangeSet>(space, &record::change_sets(space), input).await?;
        let mut list = Vec::with_capacity(rows.len());
        for set in rows {
            let mut one = Fields::new();
            one.push("StackId", set.stack_id);
            one.push("StackName", set.stack_name);
            one.push("ChangeSetId", set.id);
            one.push("ChangeSetName", set.name);
            one.push("ExecutionStatus", set.execution);
            one.push("Status", set.status);
            if let Some(reason) = set.reason {
                one.push("StatusReason", reason);
            }
            one.push("CreationTime", time(set.created_ms));
            if let Some(description) = set.description {
                one.push("Description", description);
            }
            list.push(Document::Map(one));
        }
        let mut output = Fields::new();
        output.push("Summaries", list);
        if let Some(next) = next {
            output.push("NextToken", next);
        }
        Ok(output)
    }

    /// Deletes the change sets of a stack: once it changes, none of them tells any more what would happen.
    pub(crate) async fn drop_change_sets(&self, space: &Space, uuid: &str, batch: &mut Batch) -> Result<(), Failure> {
        let table = record::change_sets(space);
        let prefix = format!("{uuid}/");
        let mut after: Option<String> = None;
        loop {
            let scan = Scan { prefix: &prefix, after: after.as_deref(), limit: PAGE };
            let rows = self.store.scan(&table, scan).await.map_err(stored)?;
            for row in &rows {
                batch.delete(&table, row.key.clone());
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE => after = Some(last.key.to_string()),
                _ => return Ok(()),
            }
        }
    }

    pub(crate) async fn delete_change_set(&self, space: &Space, input: &Document) -> Result<Fields, Failure> {
        let name = text(input, "ChangeSetName").unwrap_or_default();
        match self.need_change_set(space, &name, text(input, "StackName").as_deref()).await {
            Ok((set, version)) => {
                let mut batch = Batch::default();
                let table = record::change_sets(space);
                batch.check(&table, key(&set), Some(version)).delete(&table, key(&set));
                self.store.commit(batch).await.map_err(stored)?;
                Ok(Fields::new())
            }
            Err(error) if error.code == "ChangeSetNotFoundException" => Ok(Fields::new()),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn execute_change_set(
        &self,
        space: &Space,
        place: Place,
        input: &Document,
    ) -> Result<Fields, Failure> {
        let name = text(input, "ChangeSetName").unwrap_or_default();
        let (set, set_version) = self.need_change_set(space, &name, text(input, "StackName").as_deref()).await?;
        if set.execution != "AVAILABLE" {
            return Err(OperationError::new(
                "InvalidChangeSetStatus",
                format!("ChangeSet [{}] cannot be executed in its current status of [{}]", set.id, set.status),
            ));
        }
        let (stack, version) = self.need(space, &set.stack_id).await?;
        let place = place_of(place, &stack);
        let mut next = stack.clone();
        next.change_set_id = Some(set.id.clone());
        next.token = text(input, "ClientRequestToken");
        next.tags.clone_from(&set.tags);
        next.capabilities.clone_from(&set.capabilities);
        next.disable_rollback = flag(input, "DisableRollback");
        if set.on_failure.is_some() {
            next.on_failure.clone_from(&set.on_failure);
        }
        let arguments: IndexMap<String, Argument> =
            set.parameters.iter().map(|(name, value)| (name.clone(), Argument::Value(value.value.clone()))).collect();
        let prepared = self.prepared(&place, &next, &set.template, &arguments, &stack.parameters).await?;
        next.role_arn = set.role_arn.clone().or(next.role_arn);
        if !set.notification_arns.is_empty() {
            next.notification_arns.clone_from(&set.notification_arns);
        }
        let mut batch = Batch::default();
        batch.check(&record::change_sets(space), key(&set), Some(set_version));
        if set.kind == "CREATE" {
            if stack.status != "REVIEW_IN_PROGRESS" {
                return Err(invalid(format!(
                    "Stack:{} is in {} state and can not be created.",
                    stack.id, stack.status
                )));
            }
            next.parameters = kept(&prepared);
            next.description.clone_from(&prepared.template.description);
            let processed = prepared.processed;
            let mut run = Run::new(self, place, next, Some(version), IndexMap::new());
            run.stack_status("CREATE_IN_PROGRESS", Some("User Initiated"));
            keep_template(&mut batch, space, &stack.uuid, &set.template, &processed);
            self.drop_change_sets(space, &stack.uuid, &mut batch).await?;
            self.begin(&mut run, batch, Linger::Yes).await.map_err(stored)?;
        } else {
            if !is_settled(&stack.status) {
                return Err(invalid(format!(
                    "Stack:{} is in {} state and can not be updated.",
                    stack.id, stack.status
                )));
            }
            let current = self.resources_of(space, &stack.uuid).await.map_err(stored)?;
            let body = &set.template;
            self.start_update(space, place, &stack, next, version, body, prepared, current, batch, Linger::Yes).await?;
        }
        Ok(Fields::new())
    }
}
