//! What elements and form keys are called.

use standin_model::{Kind, Location, MapShape, Member, Service, Shape, Str};

/// Where names come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Names {
    /// From the model.
    Modelled,
    /// From SQS's days as a query service. Its model became a JSON one and lost them; clients of before 2024 keep to them.
    Sqs,
}

impl Names {
    pub(crate) fn of(service: &Service) -> Self {
        if service.id == "sqs" { Self::Sqs } else { Self::Modelled }
    }

    /// The name of a member's element. For flattened lists the member's own `locationName` wins over the item's.
    pub(crate) fn element(self, service: &Service, member: &Member) -> Str {
        if let Some(name) = member.location_name {
            return name;
        }
        if self == Self::Sqs {
            return sqs_name(service, member);
        }
        flattened_item(service, member).and_then(|item| item.location_name).unwrap_or(member.name)
    }

    /// The names of a map entry's key and value.
    pub(crate) fn entry(self, shape: &Shape, map: &MapShape) -> (Str, Str) {
        let (key, value) = match self {
            Self::Modelled => ("key", "value"),
            Self::Sqs if shape.name == "TagMap" => ("Key", "Value"),
            Self::Sqs => ("Name", "Value"),
        };
        (map.key.location_name.unwrap_or(key), map.value.location_name.unwrap_or(value))
    }

    /// Finds the member of an element, fast where elements come in the model's order. A flattened list or map also answers to
    /// the name of its items and to its own. Where a deprecated member has a twin of the same name, the twin is meant
    /// (`Event` and `Events` in S3's notifications).
    pub(crate) fn find<'s>(
        self,
        service: &'s Service,
        members: &'s [Member],
        cursor: &mut usize,
        name: &str,
    ) -> Option<&'s Member> {
        let is = |member: &Member| in_body(member) && self.element(service, member) == name;
        let is_current = |member: &Member| !member.deprecated && is(member);
        let is_loosely = |member: &Member| {
            in_body(member)
                && flattened_item(service, member)
                    .is_some_and(|item| member.name == name || item.location_name == Some(name))
        };
        let from = (*cursor).min(members.len());
        let (before, after) = members.split_at(from);
        let at = after
            .iter()
            .position(is_current)
            .map(|at| from + at)
            .or_else(|| before.iter().position(is_current))
            .or_else(|| members.iter().position(is))
            .or_else(|| members.iter().position(is_loosely))?;
        // A flattened list comes back to the same member.
        *cursor = at;
        Some(&members[at])
    }
}

/// Whether a member is an element of the body.
pub(crate) fn in_body(member: &Member) -> bool {
    member.location == Location::Body && !member.xml_attribute && !member.event_header
}

/// Whether a member's list or map has no element of its own.
pub(crate) fn is_flattened(member: &Member, target: &Shape) -> bool {
    match &target.kind {
        Kind::List(list) => list.flattened || member.flattened,
        Kind::Map(map) => map.flattened || member.flattened,
        _ => false,
    }
}

/// The item of a member that is a flattened list.
fn flattened_item<'s>(service: &'s Service, member: &Member) -> Option<&'s Member> {
    match &service.target(member).kind {
        Kind::List(list) if list.flattened || member.flattened => Some(&list.member),
        _ => None,
    }
}

/// Lists of structures are called as their items' shape, the others by a singular.
/// Source: the `xmlName` traits of SQS's Smithy model. Deviation: there the system attributes of ReceiveMessage share
/// `AttributeName` with its other attributes; a client sees no difference, a document keeps both.
fn sqs_name(service: &Service, member: &Member) -> Str {
    if let Kind::List(list) = &service.target(member).kind
        && let Kind::Structure(_) = service.target(&list.member).kind
    {
        return service.target(&list.member).name;
    }
    match member.name {
        "AWSAccountIds" => "AWSAccountId",
        "Actions" => "ActionName",
        "AttributeNames" => "AttributeName",
        "Attributes" => "Attribute",
        "BinaryListValues" => "BinaryListValue",
        "MessageAttributeNames" => "MessageAttributeName",
        "MessageAttributes" => "MessageAttribute",
        "MessageSystemAttributeNames" => "MessageSystemAttributeName",
        "MessageSystemAttributes" => "MessageSystemAttribute",
        "QueueUrls" | "queueUrls" => "QueueUrl",
        "StringListValues" => "StringListValue",
        "TagKeys" => "TagKey",
        "Tags" | "tags" => "Tag",
        name => name,
    }
}
