//! Operations that change stacks.

use indexmap::IndexMap;
use standin_core::OperationError;
use standin_model::{Document, Fields};
use standin_store::{Batch, IndexEntry, Space};

use super::record::{self, Before, ParameterValue, Stack, StackResource};
use super::run::Run;
use super::templates::{arguments, check_capabilities, kept};
use super::{Failure, Stacks, changes, deploy, environment, invalid, place_of, stored};
use crate::evaluate::Evaluator;
use crate::resources::Place;

/// Tags of a stack, at most. Source: "CloudFormation quotas".
const TAGS_MAX: usize = 50;

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
        let name = text(input, "StackName").unwrap_or_default();
        let token = text(input, "ClientRequestToken");
        if let Some((stack, _)) = self.find(space, &name).await? {
            if token.is_some() && stack.token == token {
                return Ok(stack_id(&stack.id));
            }
            return Err(OperationError::new("AlreadyExistsException", format!("Stack [{name}] already exists")));
        }
        if input.get("DisableRollback").is_some() && input.get("OnFailure").is_some() {
            return Err(invalid("You cannot specify both DisableRollback and OnFailure"));
        }
        let mut stack = Self::new_stack(&place, &name, input)?;
        let body = self.needed_body(&place, input).await?;
        let prepared = self.prepared(&place, &stack, &body, &arguments(input), &IndexMap::new()).await?;
        check_capabilities(&body, &prepared, &stack.capabilities, false)?;
        stack.parameters = kept(&prepared);
        stack.description.clone_from(&prepared.template.description);
        let place = place_of(place, &stack);
        self.check_plan(space, &place, &stack, &prepared, &IndexMap::new()).await?;
        let id = stack.id.clone();
        let goal = self.goal(space, &place, &stack, prepared).await?;
        let mut run = Run::new(&*self.store, &*self.resources, place, stack, None, IndexMap::new());
        run.stack_status("CREATE_IN_PROGRESS", Some("User Initiated"));
        let mut batch = Batch::default();
        keep_template(&mut batch, space, &run.stack.uuid, &body, &goal.prepared.processed);
        let names = record::names(space);
        let mut row = Fields::new();
        row.push("uuid", run.stack.uuid.clone());
        let none: Vec<IndexEntry> = Vec::new();
        batch.check(&names, name.as_str(), None).put(&names, name.as_str(), Document::Map(row), none);
        match run.flush(Some(batch)).await {
            Err(standin_store::StoreError::Conflict) => {
                return Err(OperationError::new("AlreadyExistsException", format!("Stack [{name}] already exists")));
            }
            other => other.map_err(stored)?,
        }
        deploy::create(&mut run, &goal).await.map_err(stored)?;
        Ok(stack_id(&id))
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
        let exports = self.exports(space).await.map_err(stored)?;
        let environment = environment(place, stack);
        let lookup = |name: &str| exports.get(name).cloned();
        Ok(changes::plan(current, prepared, &environment, &lookup, &*self.resources)?)
    }

    pub(crate) async fn update_stack(&self, space: &Space, place: Place, input: &Document) -> Result<Fields, Failure> {
        let name = text(input, "StackName").unwrap_or_default();
        let Some((stack, version)) = self.find(space, &name).await?.filter(|(stack, _)| stack.deleted_ms.is_none())
        else {
            return Err(invalid(format!("Stack [{name}] does not exist")));
        };
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
        next.token = text(input, "ClientRequestToken");
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
        self.start_update(space, place, &stack, next, version, &body, prepared, current, Batch::default()).await
    }

    /// Carries an update out, if it changes anything. The batch is written as it begins.
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
    ) -> Result<Fields, Failure> {
        let planned = self.check_plan(space, &place, &next, &prepared, &current).await?;
        let goal = self.goal(space, &place, &next, prepared).await?;
        // A parameter that nothing uses counts as a change, too.
        let same_settings = next.tags == stack.tags
            && next.notification_arns == stack.notification_arns
            && kept(&goal.prepared) == stack.parameters;
        if planned.is_empty() && same_settings && self.same_outputs(&goal, stack, &current) {
            return Err(invalid("No updates are to be performed."));
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
        let mut run = Run::new(&*self.store, &*self.resources, place, next, Some(version), current);
        run.stack_status("UPDATE_IN_PROGRESS", Some("User Initiated"));
        if let Some(row) = old_body {
            let none: Vec<IndexEntry> = Vec::new();
            batch.put(&record::templates(space), record::template_before(&stack.uuid), row.body, none);
        }
        keep_template(&mut batch, space, &stack.uuid, body, &goal.prepared.processed);
        run.flush(Some(batch)).await.map_err(stored)?;
        deploy::update(&mut run, &goal).await.map_err(stored)?;
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
        let name = text(input, "StackName").unwrap_or_default();
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
        if stack.status.ends_with("_IN_PROGRESS") && stack.status != "REVIEW_IN_PROGRESS" {
            return Err(invalid(format!("Stack:{} is in {} state and can not be deleted.", stack.id, stack.status)));
        }
        let retained = texts(input, "RetainResources");
        if !retained.is_empty() && stack.status != "DELETE_FAILED" {
            return Err(invalid(format!(
                "Invalid operation on stack [{}]. Specify RetainResources only for a stack in DELETE_FAILED state",
                stack.id
            )));
        }
        stack.retained = retained;
        stack.token = text(input, "ClientRequestToken");
        let place = place_of(place, &stack);
        let known = self.resources_of(space, &stack.uuid).await.map_err(stored)?;
        let mut run = Run::new(&*self.store, &*self.resources, place, stack, Some(version), known);
        run.stack_status("DELETE_IN_PROGRESS", Some("User Initiated"));
        run.flush(None).await.map_err(stored)?;
        deploy::delete(&mut run).await.map_err(stored)?;
        Ok(Fields::new())
    }

    /// Takes a failed operation back, where the caller did not want that to happen at once.
    pub(crate) async fn rollback_stack(
        &self,
        space: &Space,
        place: Place,
        input: &Document,
    ) -> Result<Fields, Failure> {
        let name = text(input, "StackName").unwrap_or_default();
        let (stack, version) = self.need(space, &name).await?;
        let id = stack.id.clone();
        let status = stack.status.clone();
        let place = place_of(place, &stack);
        let known = self.resources_of(space, &stack.uuid).await.map_err(stored)?;
        let mut run = Run::new(&*self.store, &*self.resources, place, stack, Some(version), known);
        match status.as_str() {
            "CREATE_FAILED" | "ROLLBACK_FAILED" => {
                run.stack_status("ROLLBACK_IN_PROGRESS", Some("User Initiated"));
                run.flush(None).await.map_err(stored)?;
                deploy::roll_back(&mut run).await.map_err(stored)?;
            }
            "UPDATE_FAILED" | "UPDATE_ROLLBACK_FAILED" => {
                run.stack_status("UPDATE_ROLLBACK_IN_PROGRESS", Some("User Initiated"));
                run.flush(None).await.map_err(stored)?;
                deploy::take_back(&mut run).await.map_err(stored)?;
            }
            _ => return Err(invalid(format!("Stack:{id} is in {status} state and can not be rolled back."))),
        }
        Ok(stack_id(&id))
    }

    /// Changes a stack's row alone.
    pub(crate) async fn change_stack(
        &self,
        space: &Space,
        name: &str,
        change: impl Fn(&mut Stack),
    ) -> Result<Stack, Failure> {
        let (mut stack, version) = self.need(space, name).await?;
        change(&mut stack);
        let mut batch = Batch::default();
        let table = record::stacks(space);
        batch.check(&table, stack.uuid.as_str(), Some(version));
        let body = record::body(&stack).map_err(stored)?;
        batch.put(&table, stack.uuid.as_str(), body, record::stack_index(&stack));
        self.store.commit(batch).await.map_err(stored)?;
        Ok(stack)
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
