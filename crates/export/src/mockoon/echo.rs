//! Answers that repeat what the request named: the name of the environment that was asked for.

use standin_model::{Document, Kind, Location, Member, Protocol, Segment, Service};

use super::requests::{Claim, identifies, label};
use super::vary::Marks;

/// Shorter values may stand in an answer for another reason.
const SHORTEST: usize = 4;

/// Marks the identifiers of an input, so that what the answer repeats of them becomes a template.
pub(super) fn mark(service: &'static Service, claim: &Claim, input: &Document, marks: &mut Marks) {
    let structure = claim.operation.input.and_then(|ix| service.structure(ix));
    let members = structure.into_iter().flat_map(|structure| &structure.members);
    for member in members.filter(|member| member.required && identifies(member.name)) {
        let shape = service.target(member);
        let Kind::String { enum_values } = &shape.kind else { continue };
        let Some(value) = input.get(member.name).and_then(Document::as_str) else { continue };
        let is_plain = value.chars().all(|letter| letter.is_ascii_alphanumeric() || ":/_-.@".contains(letter));
        let fits = enum_values.is_empty() && value.len() >= SHORTEST && is_plain;
        if let Some(template) = template(claim, member, value).filter(|_| fits) {
            marks.repeat(value, template, member, shape);
        }
    }
}

/// Reads a member off the request; the value of the example stands in where it is not there.
fn template(claim: &Claim, member: &Member, value: &str) -> Option<String> {
    let wire = member.wire_name();
    match (claim.protocol, member.location) {
        (_, Location::Uri) => {
            let name = claim.parameter(wire)?;
            Some(format!("{{{{urlParam '{name}'}}}}"))
        }
        (_, Location::Query) => Some(format!("{{{{queryParam '{wire}' '{value}'}}}}")),
        // Mockoon parses no body of this type, but it has a parser for whoever asks.
        (Protocol::AwsJson1_0 | Protocol::AwsJson1_1, Location::Body) => {
            Some(format!("{{{{objectPath (jsonParse (body)) '{wire}' '{value}'}}}}"))
        }
        (Protocol::RestJson1, Location::Body) => Some(format!("{{{{body '{wire}' '{value}'}}}}")),
        (Protocol::AwsQuery, Location::Body) => Some(format!("{{{{body '{wire}' '{value}'}}}}")),
        (Protocol::Ec2Query, Location::Body) => Some(format!("{{{{body '{}' '{value}'}}}}", form_name(member))),
        _ => None,
    }
}

/// What EC2's forms call a member.
fn form_name(member: &Member) -> String {
    match (member.query_name, member.location_name) {
        (Some(name), _) => name.to_owned(),
        (None, Some(name)) => name[..1].to_uppercase() + &name[1..],
        (None, None) => member.name.to_owned(),
    }
}

impl Claim {
    /// What the route calls a label of the operation's path: the first operation of a route names them all.
    fn parameter(&self, wire: &str) -> Option<String> {
        let at = self
            .operation
            .http
            .uri
            .segments
            .iter()
            .position(|segment| matches!(segment, Segment::Label(name) if *name == wire))?;
        let parts: Vec<&str> = self.endpoint.split('/').collect();
        parts.get(at)?.strip_prefix(':').filter(|name| **name == *label(name)).map(str::to_owned)
    }
}
