//! Stacks that are resources of others.

use serde_json::{Map, Value};
use standin_model::{Document, Fields};

use super::record::{self, STACK_TYPE, Stack, StackResource};
use super::run::Run;
use super::work::Linger;
use super::write::is_settled;
use super::{Failure, NO_UPDATES, Stacks};
use crate::evaluate::Made;
use crate::parameters::scalar_text;
use crate::resources::Place;

/// Stacks within stacks, at most.
const DEPTH_MAX: u32 = 8;
/// Stacks below one, at most: a template that nests itself ends.
const BELOW_MAX: usize = 500;

/// Whose resource a stack is.
#[derive(Clone, Debug)]
pub(crate) struct Lineage {
    pub(crate) parent_id: String,
    pub(crate) root_id: String,
    pub(crate) depth: u32,
}

/// Where a nested stack stands.
pub(crate) enum Child {
    /// Something goes on; its row has this version.
    Busy {
        uuid: String,
        version: u64,
    },
    There(Made),
    Gone,
}

/// What the stack around a nested one sees of it.
fn made(stack: &Stack) -> Made {
    let outputs = stack.outputs.iter().map(|output| (output.key.clone(), Value::from(output.value.as_str())));
    let outputs = Value::Object(outputs.collect());
    Made { reference: stack.id.clone(), attributes: Map::from_iter([("Outputs".to_owned(), outputs)]) }
}

/// The properties of a nested stack as the input of an operation.
fn input(name: &str, properties: &Value) -> Result<Document, String> {
    let text = |value: &Value| match value {
        Value::Array(items) => items.iter().map(scalar_text).collect::<Option<Vec<_>>>().map(|items| items.join(",")),
        value => scalar_text(value),
    };
    let mut input = Fields::new();
    input.push("StackName", name.to_owned());
    let url = properties.get("TemplateURL").and_then(Value::as_str);
    input.push("TemplateURL", url.ok_or("the property TemplateURL is required")?.to_owned());
    let parameters = properties.get("Parameters").and_then(Value::as_object);
    let mut list = Vec::new();
    for (key, value) in parameters.into_iter().flatten() {
        let mut one = Fields::new();
        one.push("ParameterKey", key.clone());
        let value = text(value).ok_or_else(|| format!("the value of the parameter {key} is no string"))?;
        one.push("ParameterValue", value);
        list.push(Document::Map(one));
    }
    input.push("Parameters", list);
    for name in ["Tags", "NotificationARNs"] {
        if let Some(value) = properties.get(name) {
            input.push(name, Document::from_json(value));
        }
    }
    if let Some(minutes) = properties.get("TimeoutInMinutes").and_then(scalar_text).and_then(|text| text.parse().ok()) {
        input.push("TimeoutInMinutes", Document::Int(minutes));
    }
    // Whoever made the stack around it has acknowledged all of it.
    let all = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];
    input.push("Capabilities", all.map(Document::from).to_vec());
    Ok(Document::Map(input))
}

impl Run<'_> {
    fn child_name(&self, resource: &StackResource) -> String {
        let mut key = self.place.dice.key("nested stack");
        key.text(&self.stack.id).text(&resource.logical_id).number(resource.generation);
        let letters = crate::services::uuid(&mut key.draw()).replace('-', "").to_uppercase();
        let room = |text: &str, most: usize| text.chars().take(most).collect::<String>();
        format!("{}-{}-{}", room(&self.stack.name, 60), room(&resource.logical_id, 50), room(&letters, 12))
    }

    /// Where the place of the operations on nested stacks is.
    fn outside(&self) -> Place {
        Place { stack_name: String::new(), stack_id: String::new(), ..self.place.clone() }
    }

    async fn found(&self, reference: &str) -> Result<Option<(Stack, u64)>, String> {
        let found = self.stacks.find(&self.space(), reference).await.map_err(|error| error.message)?;
        Ok(found.filter(|(stack, _)| stack.deleted_ms.is_none()))
    }

    pub(crate) async fn create_child(&self, resource: &StackResource) -> Result<Made, String> {
        let name = self.child_name(resource);
        // Made before a crash: the name tells.
        if let Some((stack, _)) = self.found(&name).await?
            && stack.parent_id.as_deref() == Some(self.stack.id.as_str())
        {
            return Ok(made(&stack));
        }
        let lineage = Lineage {
            parent_id: self.stack.id.clone(),
            root_id: self.stack.root_id.clone().unwrap_or_else(|| self.stack.id.clone()),
            depth: self.stack.depth + 1,
        };
        let told = |error: Failure| error.message;
        self.stacks.check_nesting(&self.place, &lineage).await.map_err(told)?;
        let mut input = input(&name, &resource.properties)?;
        self.inherit(&mut input);
        let stack = self.stacks.create(&self.space(), self.outside(), &input, Some(lineage), Linger::No).await;
        stack.map(|stack| made(&stack)).map_err(told)
    }

    /// Gives a nested stack the tags of the one around it.
    fn inherit(&self, input: &mut Document) {
        let Document::Map(fields) = input else { return };
        let own = fields.get("Tags").and_then(Document::as_list).unwrap_or_default().to_vec();
        let named = |tag: &Document, key: &str| tag.get("Key").and_then(Document::as_str) == Some(key);
        let more = self.stack.tags.iter().filter(|(key, _)| !own.iter().any(|tag| named(tag, key)));
        let mut all: Vec<Document> = more
            .map(|(key, value)| {
                let mut tag = Fields::new();
                tag.push("Key", key.clone());
                tag.push("Value", value.clone());
                Document::Map(tag)
            })
            .collect();
        all.splice(0..0, own);
        fields.insert("Tags", all);
    }

    pub(crate) async fn update_child(&self, resource: &StackResource) -> Result<Made, String> {
        let Some((stack, _)) = self.found(&resource.reference).await? else {
            return Err(format!("Stack with id {} does not exist", resource.reference));
        };
        let told = |error: Failure| error.message;
        let taken_back = self.stack.status == "UPDATE_ROLLBACK_IN_PROGRESS";
        match stack.status.as_str() {
            // It has gone back by itself, or does.
            "UPDATE_ROLLBACK_COMPLETE" | "UPDATE_ROLLBACK_IN_PROGRESS" if taken_back => return Ok(made(&stack)),
            "UPDATE_IN_PROGRESS" if taken_back => {
                self.stacks.cancel_update(&self.space(), self.outside(), &stack.id).await.map_err(told)?;
                return Ok(made(&stack));
            }
            _ if stack.is_under_way() => return Ok(made(&stack)),
            _ => {}
        }
        let mut input = input(&stack.id, &resource.properties)?;
        self.inherit(&mut input);
        match self.stacks.update(&self.space(), self.outside(), &input, Linger::No).await {
            Ok(_) => Ok(made(&stack)),
            Err(error) if error.message == NO_UPDATES => Ok(made(&stack)),
            Err(error) => Err(error.message),
        }
    }

    /// Whether a resource is a nested stack whose update was refused, or has gone back by itself: there is nothing to take back.
    pub(crate) async fn is_idle_child(&self, resource: &StackResource) -> bool {
        let failed = resource.kind == STACK_TYPE && resource.status == "UPDATE_FAILED";
        failed && matches!(self.found(&resource.reference).await, Ok(Some((stack, _))) if !stack.is_under_way())
    }

    pub(crate) async fn delete_child(&self, resource: &StackResource) -> Result<(), String> {
        let Some((stack, _)) = self.found(&resource.reference).await? else { return Ok(()) };
        if stack.status == "DELETE_IN_PROGRESS" {
            return Ok(());
        }
        let mut input = Fields::new();
        input.push("StackName", stack.id.clone());
        let deleted = self.stacks.delete(&self.space(), self.outside(), &Document::Map(input), Linger::No).await;
        deleted.map(drop).map_err(|error| error.message)
    }

    /// What has become of the operation on a nested stack that the status of the resource tells of.
    pub(crate) async fn child(&self, resource: &StackResource) -> Result<Child, String> {
        let deletes = resource.status == "DELETE_IN_PROGRESS";
        let Some((stack, version)) = self.found(&resource.reference).await? else {
            return match deletes {
                true => Ok(Child::Gone),
                false => Err(format!("Stack with id {} does not exist", resource.reference)),
            };
        };
        if stack.is_under_way() {
            return Ok(Child::Busy { uuid: stack.uuid, version });
        }
        let taken_back = self.stack.status == "UPDATE_ROLLBACK_IN_PROGRESS" && is_settled(&stack.status);
        let done = matches!(stack.status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE");
        if !deletes && (done || taken_back) {
            return Ok(Child::There(made(&stack)));
        }
        let verb = match resource.status.as_str() {
            "DELETE_IN_PROGRESS" => "deleted",
            "UPDATE_IN_PROGRESS" => "updated",
            _ => "created",
        };
        Err(format!(
            "Embedded stack {} was not successfully {verb}: {}",
            stack.id,
            self.stacks.why(&self.space(), &stack).await
        ))
    }
}

impl Stacks {
    /// Why a stack is in the state that it is in: the reason of the newest event of the stack that has one.
    async fn why(&self, space: &standin_store::Space, stack: &Stack) -> String {
        if let Some(reason) = &stack.reason {
            return reason.clone();
        }
        let prefix = format!("{}/", stack.uuid);
        let scan = standin_store::Scan { prefix: &prefix, after: None, limit: 100 };
        let table = record::events(space);
        let rows = self.store.scan(&table, scan).await.unwrap_or_default();
        let told =
            rows.iter().filter_map(|row| record::read::<record::StackEvent>(&table, row).ok()).find_map(|event| {
                let failed = event.logical_id == stack.name && event.status.contains("ROLLBACK_IN_PROGRESS");
                event.reason.filter(|_| failed)
            });
        told.unwrap_or_else(|| stack.status.clone())
    }

    async fn check_nesting(&self, place: &Place, lineage: &Lineage) -> Result<(), Failure> {
        if lineage.depth > DEPTH_MAX {
            return Err(super::invalid(format!("stacks lie at most {DEPTH_MAX} deep in each other")));
        }
        let table = record::stacks(&record::space(&place.account, &place.region));
        let below = self.store.find(&table, "root", &lineage.root_id, None, BELOW_MAX).await.map_err(super::stored)?;
        if below.len() >= BELOW_MAX {
            return Err(super::invalid(format!("a stack has at most {BELOW_MAX} others nested in it")));
        }
        Ok(())
    }
}
