//! What is kept of a stack.
//!
//! All rows of an account and region are in one space: `stacks` by the stack's UUID, `names` of those that live, and per stack
//! `templates`, `resources`, `events` (the newest first) and `changesets`; `exports` by name.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use standin_model::{Document, Timestamp};
use standin_store::{IndexEntry, Row, Space, StoreError, Table};

use crate::evaluate::Made;
use crate::template::Policy;

pub const SERVICE: &str = "cloudformation";
/// The type that events and resources of a stack itself have.
pub(crate) const STACK_TYPE: &str = "AWS::CloudFormation::Stack";

/// A stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stack {
    pub uuid: String,
    pub id: String,
    pub name: String,
    pub status: String,
    pub reason: Option<String>,
    pub created_ms: i64,
    pub updated_ms: Option<i64>,
    pub deleted_ms: Option<i64>,
    pub description: Option<String>,
    pub parameters: IndexMap<String, ParameterValue>,
    pub capabilities: Vec<String>,
    pub tags: IndexMap<String, String>,
    pub outputs: Vec<StackOutput>,
    /// Names of exports of other stacks that this one uses.
    pub imports: Vec<String>,
    pub notification_arns: Vec<String>,
    pub role_arn: Option<String>,
    pub timeout_minutes: Option<i64>,
    pub disable_rollback: bool,
    /// What becomes of a stack whose creation fails: `ROLLBACK`, `DELETE` or `DO_NOTHING`.
    pub on_failure: Option<String>,
    pub termination_protection: bool,
    pub policy: Option<String>,
    pub change_set_id: Option<String>,
    /// Counts events, and with them rows.
    pub sequence: u64,
    /// What an update goes back to where it fails.
    pub before: Option<Box<Before>>,
    /// Of what an operation under way was asked with.
    pub token: Option<String>,
    /// Logical ids that a deletion keeps.
    pub retained: Vec<String>,
    /// The stack whose resource this one is.
    pub parent_id: Option<String>,
    /// The one at the top, where this one is nested.
    pub root_id: Option<String>,
    /// How many stacks it lies in.
    pub depth: u32,
    /// Of the newest event: times only rise.
    pub last_event_ms: i64,
    /// Logical ids that a rollback that goes on leaves as they are.
    pub skipped: Vec<String>,
    pub drift: Option<Checked>,
}

/// What was seen when it was last looked whether something is as its stack made it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checked {
    pub status: String,
    pub at_ms: i64,
    /// In the members of `PropertyDifference`.
    pub differences: Vec<Value>,
}

impl Stack {
    /// Whether an operation goes on.
    pub(crate) fn is_under_way(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS") && self.status != "REVIEW_IN_PROGRESS"
    }
}

/// What a stack was like before the update that is under way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Before {
    pub parameters: IndexMap<String, ParameterValue>,
    pub tags: IndexMap<String, String>,
    pub capabilities: Vec<String>,
    pub description: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ParameterValue {
    pub value: String,
    pub resolved: Option<String>,
    pub no_echo: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StackOutput {
    pub key: String,
    pub value: String,
    pub description: Option<String>,
    pub export: Option<String>,
}

/// A resource of a stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StackResource {
    pub logical_id: String,
    pub kind: String,
    /// What `Ref` answers, which is also the physical id; empty until it is made.
    pub reference: String,
    pub attributes: Map<String, Value>,
    pub properties: Value,
    pub metadata: Option<Value>,
    pub status: String,
    pub reason: Option<String>,
    pub updated_ms: i64,
    /// Grows with every replacement.
    pub generation: u64,
    /// In the order of making; deletion goes backwards.
    pub position: u32,
    pub deletion_policy: String,
    pub update_replace_policy: String,
    /// Made by the update under way.
    pub fresh: bool,
    /// The template does not have it any more; it goes when the update is through.
    pub obsolete: bool,
    /// What it was before the update under way changed it.
    pub before: Option<Box<Self>>,
    /// What the update that is being taken back had put in its place.
    pub replacement: Option<Box<Self>>,
    /// When what its service does with it is over; [`UNTIL_ITS_END`] where a nested stack tells.
    pub until_ms: Option<i64>,
    pub drift: Option<Checked>,
}

/// Until the operation on a nested stack ends.
pub(crate) const UNTIL_ITS_END: i64 = i64::MAX;

impl StackResource {
    pub(crate) fn made(&self) -> Made {
        Made { reference: self.reference.clone(), attributes: self.attributes.clone() }
    }

    pub(crate) fn take(&mut self, made: Made) {
        self.reference = made.reference;
        self.attributes = made.attributes;
    }

    /// Whether there is something to refer to.
    pub(crate) fn is_there(&self) -> bool {
        !self.reference.is_empty()
    }

    /// Whether its policy keeps it from deletion. `created_now`: what deletes it is the failure of the operation that made it.
    pub(crate) fn is_kept(&self, created_now: bool) -> bool {
        match Policy::parse(&self.deletion_policy).unwrap_or_default() {
            Policy::Retain => true,
            Policy::RetainExceptOnCreate => !created_now,
            _ => false,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StackEvent {
    pub id: String,
    pub logical_id: String,
    pub physical_id: String,
    pub kind: String,
    pub status: String,
    pub reason: Option<String>,
    pub at_ms: i64,
    pub properties: Option<String>,
    pub token: Option<String>,
}

/// What a stack would become.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangeSet {
    pub id: String,
    pub name: String,
    pub stack_uuid: String,
    pub stack_id: String,
    pub stack_name: String,
    /// `CREATE`, `UPDATE` or `IMPORT`.
    pub kind: String,
    pub status: String,
    pub reason: Option<String>,
    pub execution: String,
    pub created_ms: i64,
    pub description: Option<String>,
    pub template: String,
    pub parameters: IndexMap<String, ParameterValue>,
    pub tags: IndexMap<String, String>,
    pub capabilities: Vec<String>,
    pub notification_arns: Vec<String>,
    pub role_arn: Option<String>,
    pub on_failure: Option<String>,
    pub changes: Vec<Value>,
}

pub(crate) fn space(account: &str, region: &str) -> Space {
    Space::new(account, region, SERVICE)
}

/// A record as the body of a row.
pub(crate) fn body(record: &impl Serialize) -> Result<Document, StoreError> {
    let json = serde_json::to_value(record).map_err(|error| StoreError::Damaged { what: error.to_string() })?;
    Ok(Document::from_json(&json))
}

/// A record from the body of a row.
pub(crate) fn read<T: for<'de> Deserialize<'de>>(table: &Table, row: &Row) -> Result<T, StoreError> {
    serde_json::from_value(row.body.to_json())
        .map_err(|error| StoreError::Damaged { what: format!("row {} of {table}: {error}", row.key) })
}

pub(crate) fn stacks(space: &Space) -> Table {
    space.table("stacks")
}

pub(crate) fn names(space: &Space) -> Table {
    space.table("names")
}

pub(crate) fn templates(space: &Space) -> Table {
    space.table("templates")
}

/// The row of the template that a failed update goes back to.
pub(crate) fn template_before(uuid: &str) -> String {
    format!("{uuid}/before")
}

pub(crate) fn resources(space: &Space) -> Table {
    space.table("resources")
}

pub(crate) fn events(space: &Space) -> Table {
    space.table("events")
}

pub(crate) fn change_sets(space: &Space) -> Table {
    space.table("changesets")
}

pub(crate) fn exports(space: &Space) -> Table {
    space.table("exports")
}

/// Looks for drift, by their ids.
pub(crate) fn drifts(space: &Space) -> Table {
    space.table("drifts")
}

/// The row of an event: the newest come first.
pub(crate) fn event_key(uuid: &str, sequence: u64) -> String {
    format!("{uuid}/{:016x}", u64::MAX - sequence)
}

/// Entries by which stacks are found.
pub(crate) fn stack_index(stack: &Stack) -> Vec<IndexEntry> {
    let mut index = vec![IndexEntry::new("name", stack.name.as_str())];
    if stack.is_under_way() {
        index.push(IndexEntry::new("state", "busy"));
    }
    if stack.deleted_ms.is_none() {
        index.extend(stack.imports.iter().map(|export| IndexEntry::new("import", export.as_str())));
        index.extend(stack.root_id.iter().map(|root| IndexEntry::new("root", root.as_str())));
    }
    index
}

pub(crate) fn time(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}
