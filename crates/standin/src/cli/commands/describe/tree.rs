//! Members as an indented tree. Each structure is spelt out once; where it comes again, its name says so.

use std::collections::HashSet;
use std::fmt::Write as _;

use standin_model::{Constraints, Kind, Location, Member, Service, Shape, ShapeIx, Structure};

/// More enum values than this are counted, not listed; `--json` lists them.
const ENUM_VALUES_MAX: usize = 16;
/// Names are padded to one column, up to this width.
const NAME_COLUMN_MAX: usize = 36;

/// The members of an input or output, a line each, without a line end after the last.
pub(super) fn members(service: &Service, structure: &Structure) -> String {
    let mut tree = Tree { service, text: String::new(), shown: HashSet::new() };
    tree.structure(structure, 1);
    tree.text.truncate(tree.text.trim_end().len());
    tree.text
}

struct Tree<'s> {
    service: &'s Service,
    text: String,
    /// Structures that are spelt out already; what nests in itself ends here too.
    shown: HashSet<ShapeIx>,
}

impl Tree<'_> {
    fn structure(&mut self, structure: &Structure, depth: usize) {
        let longest = structure.members.iter().map(|member| member.name.len() + 1).max().unwrap_or(0);
        let payload = structure.payload_member().map(|member| member.name);
        for member in &structure.members {
            let name = format!("{}{}", member.name, if member.required { "*" } else { "" });
            self.line(&name, longest.min(NAME_COLUMN_MAX), member, payload == Some(member.name), depth);
        }
    }

    fn line(&mut self, name: &str, width: usize, member: &Member, is_payload: bool, depth: usize) {
        let shape = self.service.target(member);
        let _ = write!(self.text, "{:indent$}{name:width$}  {}", "", kind(self.service, shape), indent = depth * 2);
        for note in limits(shape).into_iter().chain(notes(member, shape, is_payload)) {
            let _ = write!(self.text, ", {note}");
        }
        if self.was_shown(member.target) {
            self.text.push_str(", as above");
        }
        self.text.push('\n');
        self.below(shape, member.target, depth + 1);
    }

    /// Whether this is a structure, or a list or map of one, whose members are spelt out already.
    fn was_shown(&self, ix: ShapeIx) -> bool {
        match &self.service.shape(ix).kind {
            Kind::Structure(structure) => !structure.members.is_empty() && self.shown.contains(&ix),
            Kind::List(list) => self.was_shown(list.member.target),
            Kind::Map(map) => self.was_shown(map.value.target),
            _ => false,
        }
    }

    /// What nests in a shape.
    fn below(&mut self, shape: &Shape, ix: ShapeIx, depth: usize) {
        match &shape.kind {
            Kind::Structure(structure) if self.shown.insert(ix) => self.structure(structure, depth),
            Kind::List(list) => self.item("each", &list.member, depth),
            Kind::Map(map) => {
                self.item("key", &map.key, depth);
                self.item("value", &map.value, depth);
            }
            _ => {}
        }
    }

    /// A list's item, a map's key or value: only where there is more to say than its kind, which the parent tells.
    fn item(&mut self, name: &str, member: &Member, depth: usize) {
        let shape = self.service.target(member);
        let is_plain = matches!(&shape.kind, Kind::String { enum_values } if enum_values.is_empty())
            || !matches!(shape.kind, Kind::String { .. } | Kind::Structure(_) | Kind::List(_) | Kind::Map(_));
        if is_plain && limits(shape).is_empty() {
            return;
        }
        match &shape.kind {
            Kind::Structure(_) => self.below(shape, member.target, depth),
            _ => self.line(name, name.len(), member, false, depth),
        }
    }
}

/// The kind, and what it holds: `list of string`, `map of string to structure Tag`.
fn kind(service: &Service, shape: &Shape) -> String {
    match &shape.kind {
        Kind::Structure(structure) if structure.event_stream => format!("event stream {}", shape.name),
        Kind::Structure(_) => format!("{} {}", shape.kind.name(), shape.name),
        Kind::List(list) => format!("list of {}", kind(service, service.target(&list.member))),
        Kind::Map(map) => format!(
            "map of {} to {}",
            kind(service, service.target(&map.key)),
            kind(service, service.target(&map.value))
        ),
        Kind::Blob { streaming: true, .. } => "blob, streaming".to_owned(),
        Kind::String { enum_values } if !enum_values.is_empty() => "string".to_owned(),
        other => other.name().to_owned(),
    }
}

/// What values of a shape must keep to.
fn limits(shape: &Shape) -> Vec<String> {
    let mut limits = Vec::new();
    if let Kind::String { enum_values } = &shape.kind
        && !enum_values.is_empty()
    {
        let listed = enum_values.iter().take(ENUM_VALUES_MAX).copied().collect::<Vec<_>>().join(" | ");
        let more = enum_values.len().saturating_sub(ENUM_VALUES_MAX);
        limits.push(match more {
            0 => format!("one of {listed}"),
            more => format!("one of {listed} and {more} more"),
        });
    }
    if let Some(constraints) = &shape.constraints {
        limits.extend(range(constraints, &shape.kind));
        limits.extend(constraints.pattern.map(|pattern| format!("pattern {pattern}")));
    }
    limits
}

fn range(constraints: &Constraints, kind: &Kind) -> Option<String> {
    let unit = match kind {
        Kind::String { .. } => " characters",
        Kind::Blob { .. } => " bytes",
        Kind::List(_) => " items",
        Kind::Map(_) => " entries",
        _ => "",
    };
    match (constraints.min, constraints.max) {
        (Some(min), Some(max)) if min == max => Some(format!("{min}{unit}")),
        (Some(min), Some(max)) => Some(format!("{min} to {max}{unit}")),
        (Some(min), None) => Some(format!("at least {min}{unit}")),
        (None, Some(max)) => Some(format!("at most {max}{unit}")),
        (None, None) => None,
    }
}

/// Where a member travels, and what else is special about it.
fn notes(member: &Member, shape: &Shape, is_payload: bool) -> Vec<String> {
    let wire = member.wire_name();
    let place = match member.location {
        _ if is_payload => Some("the whole body".to_owned()),
        Location::Body if wire != member.name && !wire.is_empty() => Some(format!("sent as {wire}")),
        Location::Body => None,
        Location::Uri => Some("in the path".to_owned()),
        Location::Query => Some(format!("in the query as {wire}")),
        Location::QueryParams => Some("query parameters".to_owned()),
        Location::Header => Some(format!("header {wire}")),
        Location::PrefixHeaders => Some(format!("headers {wire}*")),
        Location::StatusCode => Some("the status".to_owned()),
    };
    let flags = [
        (member.streaming && !shape.is_streaming(), "streaming"),
        (member.host_label, "in the host name"),
        (member.idempotency_token, "filled by clients with a fresh token"),
        (member.json_value, "JSON text on the wire"),
        (shape.sensitive, "sensitive"),
        (member.deprecated, "deprecated"),
    ];
    place.into_iter().chain(flags.into_iter().filter(|(is, _)| *is).map(|(_, note)| note.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use standin_model::Catalogue;

    use super::*;

    fn tree(service: &str, operation: &str, output: bool) -> String {
        let service = Catalogue::shared().newest(service).expect("served").open().expect("opens");
        let operation = service.operation(operation).expect("modelled");
        let shape = if output { operation.output } else { operation.input }.expect("present");
        members(service, service.structure(shape).expect("a structure"))
    }

    #[test]
    fn members_show_constraints_and_places() {
        let text = tree("mwaa", "CreateEnvironment", false);
        let line = |start: &str| text.lines().find(|line| line.trim_start().starts_with(start)).unwrap_or_default();
        assert!(line("Name*").contains("string, 1 to 80 characters, pattern "), "{text}");
        assert!(line("Name*").ends_with(", in the path"), "{text}");
        assert!(line("WebserverAccessMode").contains("one of PRIVATE_ONLY | PUBLIC_ONLY"), "{text}");
        assert!(text.contains("\n    SubnetIds  ") && text.contains("\n      each  string, "), "{text}");
    }

    #[test]
    fn recursive_shapes_end() {
        let text = tree("dynamodb", "PutItem", false);
        assert!(text.contains("structure AttributeValue, as above"), "{text}");
    }

    #[test]
    fn the_largest_inputs_stay_readable() {
        for (service, operation) in [("quicksight", "CreateDashboard"), ("ec2", "RunInstances")] {
            let lines = tree(service, operation, false).lines().count();
            assert!((50..20_000).contains(&lines), "{service} {operation}: {lines} lines");
        }
    }
}
