//! Operations that change stacks.

use indexmap::IndexMap;
use standin_core::OperationError;
use standin_model::{Document, Fields};
use standin_store::{Batch, IndexEntry, Space, StoreError};

use super::nested::Lineage;
use super::record::{self, Before, ParameterValue, Stack, StackResource};
use super::run::Run;
use super::templates::{arguments, check_capabilities, kept};
use super::work::Linger;
use super::{Failure, NO_UPDATES, Stacks, changes, deploy, environment, invalid, place_of, stored};
use crate::evaluate::Evaluator;
use crate::resources::Place;

/// Tags of a stack, at most. Source: "CloudFormation quotas".
const TAGS_MAX: usize = 50;
/// How often a change is tried that is decided by a row which the stack's worker writes, too.
const TRIES_MAX: usize = 100;

pub(crate) fn text(input: &Document, name: &str) -> Option<String> {
    input.get(name).and_then(Document::as_str).map(str::to_owned)
}

pub(crate) fn texts(input: &Document, name: &str) -> Vec<String> {
    let items = input.get(name).and_then(Document::as_list).unwrap_or_default();
    items.iter().filter_map(Document::as_str).map(str::to_owned).collect()
}

pub(crate) fn flag(input: &Document, name: &str) -> bool {
    input.get(name).and_then(Document::as_bool).unwrap_or(false)
}

pub(crate) fn tags(input: &Document) -> Result<Option<IndexMap<String, String>>, Failure> {
    let Some(list) = input.get("Tags").and_then(Document::as_list) else { return Ok(None) };
    if list.len() > TAGS_MAX {
        return Err(invalid(format!("a stack has at most {TAGS_MAX} tags")));
    }
    let pair = |tag: &Document| Some((text(tag, "Key")?, text(tag, "Value").unwrap_or_default()));
    Ok(Some(list.iter().filter_map(pair).collect()))
}

fn check_name(name: &str) -> Result<(), Failure> {
    let good = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= 128
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if good {
        return Ok(());
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: Member must satisfy regular \
         expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
    )))
}

/// Puts the text of a stack's template into a batch.
pub(crate) fn keep_template(batch: &mut Batch, space: &Space, uuid: &str, body: &str, processed: &serde_json::Value) {
    let mut row = Fields::new();
    row.push("body", body.to_owned());
    row.push("processed", processed.to_string());
    let none: Vec<IndexEntry> = Vec::new();
    batch.put(&record::templates(space), uuid, Document::Map(row), none);
}

pub(crate) fn stack_id(id: &str) -> Fields {
    let mut output = Fields::new();
    output.push("StackId", id.to_owned());
    output
}

pub(crate) fn is_settled(status: &str) -> bool {
    matches!(
        status,
        "CREATE_COMPLETE"
            | "UPDATE_COMPLETE"
            | "UPDATE_ROLLBACK_COMPLETE"
            | "IMPORT_COMPLETE"
            | "IMPORT_ROLLBACK_COMPLETE"
            | "CREATE_FAILED"
            | "UPDATE_FAILED"
    )
}

impl Stacks {
    /// The record of a new stack with what a request says of it.
    pub(crate) fn new_stack(place: &Place, name: &str, input: &Document) -> Result<Stack, Failure> {
        check_name(name)?;
        let mut key = place.dice.key("stack id");
        key.text(&place.account).text(&place.region).text(name).number(place.now.as_millis().cast_unsigned());
        let uuid = crate::services::uuid(&mut key.draw());
        let Place { partition, region, account, .. } = place;
        Ok(Stack {
            id: format!("arn:{partition}:cloudformation:{region}:{account}:stack/{name}/{uuid}"),
            uuid,
            name: name.to_owned(),
            created_ms: place.now.as_millis(),
            capabilities: texts(input, "Capabilities"),
            tags: tags(input)?.unwrap_or_default(),
            notification_arns: texts(input, "NotificationARNs"),
            role_arn: text(input, "RoleARN"),
            timeout_minutes: input.get("TimeoutInMinutes").and_then(Document::as_i64),
            disable_rollback: flag(input, "DisableRollback"),
            on_failure: text(input, "OnFailure"),
            termination_protection: flag(input, "EnableTerminationProtection"),
            policy: text(input, "StackPolicyBody"),
            token: text(input, "ClientRequestToken"),
            ..Stack::default()
        })
    }

    pub(crate) async fn create_stack(&self, space: &Space, place: Place, input: &Document) -> Result<Fields, Failure> {
        self.create(space, place, input, None, Linger::Yes).await.map(|stack| stack_id(&stack.id))
    }

    /// Begins to make a stack.
    pub(crate) async fn create(
        &self,
        space: &Space,
        place: Place,
        input: &Document,
        lineage: Option<Lineage>,
        linger: Linger,
    ) -> Result<Stack, Failure> {
        let name = text(input, "StackName").unwrap_or_default();
        let token = text(input, "ClientRequestToken");
        let exists = || OperationError::new("AlreadyExistsException", format!("Stack [{name}] already exists"));
        if let Some((stack, _)) = self.find(space, &name).await? {
            if token.is_some() && stack.token == token {
                return Ok(stack);
            }
            return Err(exists());
        }
        if input.get("DisableRollback").is_some() && input.get("OnFailure").is_some() {
            return Err(invalid("You cannot specify both DisableRollback and OnFailure"));
        }
        let mut stack = Self::new_stack(&place, &name, input)?;
        if let Some(lineage) = lineage {
            stack.parent_id = Some(lineage.parent_id);
            stack.root_id = Some(lineage.root_id);
            stack.depth = lineage.depth;
        }
        let body = self.needed_body(&place, input).await?;
        let prepared = self.prepared(&place, &stack, &body, &arguments(input), &IndexMap::new()).await?;
        check_capabilities(&body, &prepared, &stack.capabilities, false)?;
        stack.parameters = kept(&prepared);
        stack.description.clone_from(&prepared.template.description);
        let place = place_of(place, &stack);
        self.check_plan(space, &place, &stack, &prepared, &IndexMap::new()).await?;
        let mut run = Run::new(self, place, stack, None, IndexMap::new());
        run.stack_status("CREATE_IN_PROGRESS", Some("User Initiated"));
        let mut batch = Batch::default();
        keep_template(&mut batch, space, &run.stack.uuid, &body, &prepared.processed);
        let names = record::names(space);
        let mut row = Fields::new();
        row.push("uuid", run.stack.uuid.clone());
        let none: Vec<IndexEntry> = Vec::new();
        batch.check(&names, name.as_str(), None).put(&names, name.as_str(), Document::Map(row), none);
        match self.begin(&mut run, batch, linger).await {
            Err(StoreError::Conflict) => Err(exists()),
            other => other.map(|()| run.stack).map_err(stored),
        }
    }

    /// Works a template out as far as that goes before anything is made. Answers the changes.
    pub(crate) async fn check_plan(
        &self,
        space: &Space,
        place: &Place,
        stack: &Stack,
        prepared: &crate::transform::Prepared,
        current: &IndexMap<String, StackResource>,
    ) -> Result<Vec<serde_json::Value>, Failure> {
        let exports = self.exports_for(space, prepared).await?;
        let environment = environment(place, stack);
        let lookup = |name: &str| exports.get(name).cloned();
        Ok(changes::plan(current, prepared, &environment, &lookup, &*self.resources)?)
    }

    pub(crate) async fn update_stack(&self, space: &Space, place: Place, input: &Document) -> Result<Fields, Failure> {
        self.update(space, place, input, Linger::Yes).await
    }

    /// Begins to change a stack.
    pub(crate) async fn update(
        &self,
        space: &Space,
        place: Place,
        input: &Document,
        linger: Linger,
    ) -> Result<Fields, Failure> {
        let name = text(input, "StackName").unwrap_or_default();
        let Some((stack, version)) = self.find(space, &name).await?.filter(|(stack, _)| stack.deleted_ms.is_none())
        else {
            return Err(invalid(format!("Stack [{name}] does not exist")));
        };
        let token = text(input, "ClientRequestToken");
        if token.is_some() && stack.token == token && stack.status.starts_with("UPDATE_") {
            // A retry of what has begun already.
            return Ok(stack_id(&stack.id));
        }
        if !is_settled(&stack.status) {
            return Err(invalid(format!("Stack:{} is in {} state and can not be updated.", stack.id, stack.status)));
        }
        let previous = flag(input, "UsePreviousTemplate");
        let body = match self.body_of(&place, input).await? {
            Some(_) if previous => {
                return Err(invalid("You cannot specify both usePreviousTemplate and Template Body/Template URL."));
            }
            Some(body) => body,
            None if previous => self.template_of(space, &stack.uuid).await.map_err(stored)?,
            None => return Err(invalid("Either Template URL or Template Body must be specified.")),
        };
        let place = place_of(place, &stack);
        let mut next = stack.clone();
        next.token = token;
        if input.get("Capabilities").is_some() {
            next.capabilities = texts(input, "Capabilities");
        }
        if let Some(tags) = tags(input)? {
            next.tags = tags;
        }
        if input.get("NotificationARNs").is_some() {
            next.notification_arns = texts(input, "NotificationARNs");
        }
        next.role_arn = text(input, "RoleARN").or(next.role_arn);
        next.disable_rollback = flag(input, "DisableRollback");
        if let Some(policy) = text(input, "StackPolicyBody") {
            next.policy = Some(policy);
        }
        let prepared = self.prepared(&place, &next, &body, &arguments(input), &stack.parameters).await?;
        check_capabilities(&body, &prepared, &texts(input, "Capabilities"), false)?;
        let current = self.resources_of(space, &stack.uuid).await.map_err(stored)?;
        let batch = Batch::default();
        self.start_update(space, place, &stack, next, version, &body, prepared, current, batch, linger).await
    }

    /// Begins an update, if it changes anything. The batch is written as it does.
    #[expect(clippy::too_many_arguments, reason = "what both callers have worked out")]
    pub(crate) async fn start_update(
        &self,
        space: &Space,
        place: Place,
        stack: &Stack,
        mut next: Stack,
        version: u64,
        body: &str,
        prepared: crate::transform::Prepared,
        current: IndexMap<String, StackResource>,
        mut batch: Batch,
        linger: Linger,
    ) -> Result<Fields, Failure> {
        let planned = self.check_plan(space, &place, &next, &prepared, &current).await?;
        let goal = self.goal(space, &place, &next, prepared).await?;
        // A parameter that nothing uses counts as a change, too.
        let same_settings = next.tags == stack.tags
            && next.notification_arns == stack.notification_arns
            && kept(&goal.prepared) == stack.parameters;
        if planned.is_empty() && same_settings && self.same_outputs(&goal, stack, &current) {
            return Err(invalid(NO_UPDATES));
        }
        next.parameters = kept(&goal.prepared);
        next.description.clone_from(&goal.prepared.template.description);
        next.updated_ms = Some(place.now.as_millis());
        next.before = Some(Box::new(Before {
            parameters: stack.parameters.clone(),
            tags: stack.tags.clone(),
            capabilities: stack.capabilities.clone(),
            description: stack.description.clone(),
        }));
        let old_body = self.store.get(&record::templates(space), &stack.uuid).await.map_err(stored)?;
        let mut run = Run::new(self, place, next, Some(version), current);
        run.stack_status("UPDATE_IN_PROGRESS", Some("User Initiated"));
        if let Some(row) = old_body {
            let none: Vec<IndexEntry> = Vec::new();
            batch.put(&record::templates(space), record::template_before(&stack.uuid), row.body, none);
        }
        keep_template(&mut batch, space, &stack.uuid, body, &goal.prepared.processed);
        self.drop_change_sets(space, &stack.uuid, &mut batch).await?;
        self.begin(&mut run, batch, linger).await.map_err(stored)?;
        Ok(stack_id(&stack.id))
    }

    fn same_outputs(&self, goal: &deploy::Goal, stack: &Stack, current: &IndexMap<String, StackResource>) -> bool {
        let exports = |name: &str| goal.exports.get(name).cloned();
        let attributes =
            |kind: &str, made: &crate::evaluate::Made, name: &str| self.resources.attribute(kind, made, name);
        let template = &goal.prepared.template;
        let Ok(evaluator) = Evaluator::new(template, &goal.prepared.references, &goal.environment, &exports) else {
            return false;
        };
        let evaluator = evaluator.with_attributes(&attributes);
        let made = current.iter().map(|(name, resource)| (name.clone(), resource.made())).collect();
        let active: Vec<_> =
            template.outputs.iter().filter(|(_, output)| evaluator.holds(output.condition.as_deref())).collect();
        active.len() == stack.outputs.len()
            && active.iter().all(|(key, output)| {
                let known = stack.outputs.iter().find(|known| known.key == **key);
                let text = |value: &serde_json::Value| match evaluator.value(value, &made) {
                    Ok(serde_json::Value::Array(items)) => {
                        let items: Option<Vec<String>> = items.iter().map(crate::parameters::scalar_text).collect();
                        items.map(|items| items.join(","))
                    }
                    Ok(value) => crate::parameters::scalar_text(&value),
                    Err(_) => None,
                };
                known.is_some_and(|known| {
                    known.description == output.description
                        && text(&output.value).as_ref() == Some(&known.value)
                        && output.export.as_ref().and_then(text) == known.export
                })
            })
    }

    pub(crate) async fn delete_stack(&self, space: &Space, place: Place, input: &Document) -> Result<Fields, Failure> {
        self.delete(space, place, input, Linger::Yes).await
    }

    /// Begins to delete a stack.
    pub(crate) async fn delete(
        &self,
        space: &Space,
        place: Place,
        input: &Document,
        linger: Linger,
    ) -> Result<Fields, Failure> {
        let name = text(input, "StackName").unwrap_or_default();
        for _ in 0..TRIES_MAX {
            let Some((mut stack, version)) = self.find(space, &name).await? else { return Ok(Fields::new()) };
            if stack.deleted_ms.is_some() {
                return Ok(Fields::new());
            }
            if stack.termination_protection {
                return Err(invalid(format!(
                    "Stack [{}] cannot be deleted while TerminationProtection is enabled",
                    stack.name
                )));
            }
            let stops = matches!(stack.status.as_str(), "CREATE_IN_PROGRESS" | "ROLLBACK_IN_PROGRESS");
            if stack.status == "DELETE_IN_PROGRESS" {
                return Ok(Fields::new());
            }
            if stack.is_under_way() && !stops {
                return Err(invalid(format!(
                    "Stack [{}] cannot be deleted while in status {}",
                    stack.id, stack.status
                )));
            }
            let retained = texts(input, "RetainResources");
            let forced = text(input, "DeletionMode").as_deref() == Some("FORCE_DELETE_STACK");
            if (!retained.is_empty() || forced) && stack.status != "DELETE_FAILED" {
                return Err(invalid(format!(
                    "Invalid operation on stack [{}]. Specify RetainResources only for a stack in DELETE_FAILED state",
                    stack.id
                )));
            }
            let known = self.resources_of(space, &stack.uuid).await.map_err(stored)?;
            if let Some(unknown) = retained.iter().find(|name| !known.contains_key(*name)) {
                return Err(invalid(format!(
                    "The following resource(s) to be retained do not exist in the stack: [{unknown}]"
                )));
            }
            stack.retained = match forced {
                // What failed is what cannot be deleted.
                true => known
                    .values()
                    .filter(|resource| resource.status == "DELETE_FAILED")
                    .map(|resource| resource.logical_id.clone())
                    .collect(),
                false => retained,
            };
            stack.token = text(input, "ClientRequestToken");
            if let Some(role) = text(input, "RoleARN") {
                stack.role_arn = Some(role);
            }
            let place = place_of(place.clone(), &stack);
            let mut run = Run::new(self, place, stack, Some(version), known);
            run.stack_status("DELETE_IN_PROGRESS", Some("User Initiated"));
            match self.begin(&mut run, Batch::default(), linger).await {
                Err(StoreError::Conflict) => tokio::task::yield_now().await,
                other => return other.map(|()| Fields::new()).map_err(stored),
            }
        }
        Err(stored(StoreError::Conflict))
    }

    /// Stops an update; what it has done so far is taken back.
    pub(crate) async fn cancel_update(&self, space: &Space, place: Place, name: &str) -> Result<Fields, Failure> {
        for _ in 0..TRIES_MAX {
            let (stack, version) = self.need(space, name).await?;
            if stack.status != "UPDATE_IN_PROGRESS" {
                return Err(invalid("CancelUpdateStack cannot be called from current stack status"));
            }
            let place = place_of(place.clone(), &stack);
            let mut run = Run::new(self, place, stack, Some(version), IndexMap::new());
            run.stack_status("UPDATE_ROLLBACK_IN_PROGRESS", Some("User Initiated"));
            match self.begin(&mut run, Batch::default(), Linger::Yes).await {
                Err(StoreError::Conflict) => tokio::task::yield_now().await,
                other => return other.map(|()| Fields::new()).map_err(stored),
            }
        }
        Err(stored(StoreError::Conflict))
    }

    /// Takes a failed operation back, where the caller did not want that to happen at once.
    pub(crate) async fn rollback_stack(
        &self,
        space: &Space,
        place: Place,
        input: &Document,
    ) -> Result<Fields, Failure> {
        let name = text(input, "StackName").unwrap_or_default();
        let (mut stack, version) = self.need(space, &name).await?;
        let id = stack.id.clone();
        let next = match stack.status.as_str() {
            "CREATE_FAILED" | "ROLLBACK_FAILED" => "ROLLBACK_IN_PROGRESS",
            "UPDATE_FAILED" => "UPDATE_ROLLBACK_IN_PROGRESS",
            status => return Err(invalid(format!("Stack:{id} is in {status} state and can not be rolled back."))),
        };
        stack.token = text(input, "ClientRequestToken");
        stack.role_arn = text(input, "RoleARN").or(stack.role_arn);
        let place = place_of(place, &stack);
        let mut run = Run::new(self, place, stack, Some(version), IndexMap::new());
        run.stack_status(next, Some("User Initiated"));
        self.begin(&mut run, Batch::default(), Linger::Yes).await.map_err(stored)?;
        Ok(stack_id(&id))
    }

    /// Goes on with a rollback of an update that failed.
    pub(crate) async fn continue_rollback(
        &self,
        space: &Space,
        place: Place,
        input: &Document,
    ) -> Result<Fields, Failure> {
        let name = text(input, "StackName").unwrap_or_default();
        let (mut stack, version) = self.need(space, &name).await?;
        if stack.status != "UPDATE_ROLLBACK_FAILED" {
            return Err(invalid(format!(
                "Stack:{} is in {} state and can not continue rollback",
                stack.id, stack.status
            )));
        }
        let known = self.resources_of(space, &stack.uuid).await.map_err(stored)?;
        let skipped = texts(input, "ResourcesToSkip");
        let failed = |name: &String| known.get(name).is_some_and(|resource| resource.status == "UPDATE_FAILED");
        if let Some(wrong) = skipped.iter().find(|name| !failed(name)) {
            return Err(invalid(format!(
                "ResourcesToSkip may only name resources in state UPDATE_FAILED because the rollback failed; {wrong} is not"
            )));
        }
        stack.skipped = skipped;
        stack.token = text(input, "ClientRequestToken");
        stack.role_arn = text(input, "RoleARN").or(stack.role_arn);
        let place = place_of(place, &stack);
        let mut run = Run::new(self, place, stack, Some(version), known);
        run.stack_status("UPDATE_ROLLBACK_IN_PROGRESS", Some("User Initiated"));
        self.begin(&mut run, Batch::default(), Linger::Yes).await.map_err(stored)?;
        Ok(Fields::new())
    }

    /// Changes a stack's row alone.
    pub(crate) async fn change_stack(
        &self,
        space: &Space,
        name: &str,
        change: impl Fn(&mut Stack),
    ) -> Result<Stack, Failure> {
        for _ in 0..TRIES_MAX {
            let (mut stack, version) = self.need(space, name).await?;
            change(&mut stack);
            let mut batch = Batch::default();
            let table = record::stacks(space);
            batch.check(&table, stack.uuid.as_str(), Some(version));
            let body = record::body(&stack).map_err(stored)?;
            batch.put(&table, stack.uuid.as_str(), body, record::stack_index(&stack));
            match self.store.commit(batch).await {
                Err(StoreError::Conflict) => tokio::task::yield_now().await,
                other => return other.map(|_| stack).map_err(stored),
            }
        }
        Err(stored(StoreError::Conflict))
    }
}

/// The values of parameters as they are shown.
pub(crate) fn shown(parameters: &IndexMap<String, ParameterValue>) -> Vec<Document> {
    let one = |(name, value): (&String, &ParameterValue)| {
        let mut fields = Fields::new();
        fields.push("ParameterKey", name.clone());
        let text = if value.no_echo { crate::parameters::HIDDEN.to_owned() } else { value.value.clone() };
        fields.push("ParameterValue", text);
        if let Some(resolved) = &value.resolved {
            fields.push("ResolvedValue", resolved.clone());
        }
        Document::Map(fields)
    };
    parameters.iter().map(one).collect()
}
