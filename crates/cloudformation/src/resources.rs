//! Where resources are made.

use indexmap::IndexMap;
use serde_json::{Map, Value};
use standin_core::{BoxFuture, Dice};
use standin_model::Timestamp;

use crate::evaluate::Made;

/// For whom and when something is made.
#[derive(Clone, Debug)]
pub struct Place {
    pub partition: String,
    pub account: String,
    pub region: String,
    pub stack_name: String,
    pub stack_id: String,
    /// Scheme, host and port by which the caller reached standin.
    pub base_url: String,
    /// Of the stack; its resources get them, too.
    pub tags: IndexMap<String, String>,
    pub now: Timestamp,
    pub dice: Dice,
}

/// A resource to be made, changed or deleted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'w> {
    /// `AWS::S3::Bucket`.
    pub kind: &'w str,
    /// Its name in the template.
    pub logical_id: &'w str,
    /// With all functions worked out.
    pub properties: &'w Value,
    /// Tells this resource apart from the one before it that it replaces.
    pub generation: u64,
}

/// What an update does to a resource, as far as its type and properties tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Replacement {
    Never,
    Conditionally,
    Always,
}

/// What has become of a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Drift {
    /// Nobody can tell.
    NotChecked,
    Deleted,
    /// It is there, with these differences.
    Checked(Vec<Difference>),
}

/// A property that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub property: String,
    pub expected: String,
    pub actual: String,
}

/// Makes resources. A failure is told in the words of a stack event's reason.
pub trait Resources: Send + Sync {
    /// Whether resources of that type can be made at all.
    fn knows(&self, kind: &str) -> bool;

    /// What a change of a property of a type does.
    fn replacement(&self, kind: &str, property: &str) -> Replacement;

    /// Looks what has become of one.
    fn drift<'a>(&'a self, place: &'a Place, wanted: Wanted<'a>, made: &'a Made) -> BoxFuture<'a, Drift>;

    /// Whether resources of that type have tags.
    fn takes_tags(&self, kind: &str) -> bool;

    /// Makes one. Asked again for the same resource of the same stack after a crash, it finds the one that it made.
    fn create<'a>(&'a self, place: &'a Place, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Made, String>>;

    /// Changes one in place.
    fn update<'a>(
        &'a self,
        place: &'a Place,
        wanted: Wanted<'a>,
        made: &'a Made,
        before: &'a Value,
    ) -> BoxFuture<'a, Result<Made, String>>;

    /// Deletes one. One that is not there any more is no failure.
    fn delete<'a>(&'a self, place: &'a Place, wanted: Wanted<'a>, made: &'a Made) -> BoxFuture<'a, Result<(), String>>;

    /// How long what is made, changed or deleted takes until it is there, or gone; in milliseconds.
    fn takes_ms(&self, kind: &str) -> i64;

    /// What a dynamic reference stands for: the text between `{{resolve:` and `}}`.
    fn resolve<'a>(&'a self, place: &'a Place, reference: &'a str) -> BoxFuture<'a, Result<String, String>>;

    /// The value of a parameter of the Systems Manager.
    fn read_parameter<'a>(&'a self, place: &'a Place, name: &'a str) -> BoxFuture<'a, Option<String>>;

    /// The text of an object in S3, of so many bytes at most.
    fn read_object<'a>(
        &'a self,
        place: &'a Place,
        bucket: &'a str,
        key: &'a str,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<String, String>>;

    /// Makes up an attribute that a resource was not made with; nothing where its type has none of that name.
    fn attribute(&self, kind: &str, made: &Made, name: &str) -> Option<Value>;
}

/// Properties of both that differ, by their top-level names.
pub fn changed_properties(before: &Value, after: &Value) -> Vec<String> {
    let none = Map::new();
    let (before, after) = (before.as_object().unwrap_or(&none), after.as_object().unwrap_or(&none));
    let mut changed: Vec<String> =
        after.iter().filter(|(name, value)| before.get(*name) != Some(value)).map(|(name, _)| name.clone()).collect();
    changed.extend(before.keys().filter(|name| !after.contains_key(*name)).cloned());
    changed
}
