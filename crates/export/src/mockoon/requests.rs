//! Which requests mean which operation, in Mockoon's terms: a route's method and endpoint, and rules.

use serde_json::{Value, json};
use standin_model::words::squash;
use standin_model::{Location, Operation, Protocol, Segment, Service, Str};

/// A condition on a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rule {
    target: Str,
    modifier: String,
    operator: Str,
    value: String,
    invert: bool,
}

impl Rule {
    pub(super) fn header(name: &str, value: &str) -> Self {
        Self::equals("header", name, value)
    }

    fn equals(target: Str, modifier: &str, value: &str) -> Self {
        Self { target, modifier: modifier.to_owned(), operator: "equals", value: value.to_owned(), invert: false }
    }

    /// Whatever its value: a query parameter may well be there with an empty one, which `null` takes for absent.
    fn has_parameter(name: &str) -> Self {
        let modifier = escaped(name);
        Self { target: "query", modifier, operator: "regex", value: ".*".to_owned(), invert: false }
    }

    fn has_header(name: &str) -> Self {
        let modifier = name.to_owned();
        Self { target: "header", modifier, operator: "null", value: String::new(), invert: true }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "target": self.target,
            "modifier": self.modifier,
            "value": self.value,
            "invert": self.invert,
            "operator": self.operator,
        })
    }
}

/// A name as Mockoon's paths into objects want it: dots would go a level down.
fn escaped(name: &str) -> String {
    name.replace('.', "\\.")
}

/// What of the requests that come to a route belongs to an operation.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) operation: &'static Operation,
    pub(super) protocol: Protocol,
    pub(super) method: Str,
    pub(super) endpoint: String,
    /// All must hold; none for what no other operation of the route claims.
    pub(super) rules: Vec<Rule>,
    /// How the segments of the path rank: literals before labels.
    ranks: Vec<u8>,
}

impl Claim {
    pub(super) fn is_at(&self, other: &Self) -> bool {
        self.method == other.method && self.endpoint == other.endpoint
    }
}

/// The claims of all operations, those of one route side by side, each route before those that would swallow its requests
/// and each claim before those that ask for less. And the operations that nothing tells apart from another.
pub(super) fn claims(service: &'static Service) -> (Vec<Claim>, Vec<String>) {
    let mut claims = Vec::new();
    for protocol in &service.protocols {
        for operation in &service.operations {
            claims.push(match protocol {
                Protocol::RestJson1 | Protocol::RestXml => by_path(service, operation, *protocol),
                _ => by_name(service, operation, *protocol),
            });
        }
    }
    name_labels_alike(&mut claims);
    claims.sort_by(|one, two| {
        let place = |claim: &Claim| (claim.ranks.clone(), claim.endpoint.clone(), claim.method);
        let rest = |claim: &Claim| (std::cmp::Reverse(claim.rules.len()), claim.operation.deprecated);
        place(one).cmp(&place(two)).then_with(|| rest(one).cmp(&rest(two)))
    });
    tell_apart(&claims)
}

/// Operations of RPC protocols share a path, but for those of CBOR.
fn by_name(service: &Service, operation: &'static Operation, protocol: Protocol) -> Claim {
    let target = service.target_prefix.unwrap_or_default();
    let (endpoint, rules) = match protocol {
        Protocol::RpcV2Cbor => (format!("service/{target}/operation/{}", operation.name), vec![]),
        Protocol::AwsQuery | Protocol::Ec2Query => {
            (String::new(), vec![Rule::equals("body", "Action", operation.name)])
        }
        _ => (String::new(), vec![Rule::header("X-Amz-Target", &format!("{target}.{}", operation.name))]),
    };
    Claim { operation, protocol, method: "post", endpoint, rules, ranks: Vec::new() }
}

fn by_path(service: &Service, operation: &'static Operation, protocol: Protocol) -> Claim {
    let uri = &operation.http.uri;
    let mut endpoint = Vec::new();
    let mut ranks = Vec::new();
    for segment in &uri.segments {
        let (text, rank) = match segment {
            Segment::Literal(text) => (literal(text), 0),
            Segment::Label(name) => (format!(":{}", label(name)), 1),
            Segment::Greedy(_) => ("*".to_owned(), 2),
        };
        endpoint.push(text);
        ranks.push(rank);
    }
    // A route without a slash at the end takes requests with one as well.
    while endpoint.last().is_some_and(String::is_empty) {
        endpoint.pop();
        ranks.pop();
    }
    // What goes on after a wildcard comes before what ends with it.
    ranks.push(3);
    let literals = uri.query.iter().filter(|(key, _)| *key != "x-id");
    let mut rules: Vec<Rule> = literals
        .map(|(key, value)| match value {
            Some(value) => Rule::equals("query", &escaped(key), value),
            None => Rule::has_parameter(key),
        })
        .collect();
    let input = operation.input.and_then(|ix| service.structure(ix));
    for member in input.into_iter().flat_map(|input| &input.members).filter(|member| member.required) {
        match member.location {
            Location::Query => rules.push(Rule::has_parameter(member.wire_name())),
            Location::Header => rules.push(Rule::has_header(member.wire_name())),
            _ => {}
        }
    }
    rules.sort();
    let method = METHODS.iter().find(|method| method.eq_ignore_ascii_case(operation.http.method));
    Claim { operation, protocol, method: method.copied().unwrap_or("post"), endpoint: endpoint.join("/"), rules, ranks }
}

/// Mockoon's names of those that models use.
const METHODS: [Str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

/// A literal segment in the syntax of Mockoon's paths. Labels within a segment (`{name}.json`) are parameters.
fn literal(text: &str) -> String {
    let mut written = String::new();
    let mut rest = text;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        written.push_str(&before.replace(':', "\\:"));
        written.push(':');
        written.push_str(&label(name));
        rest = after;
    }
    written.push_str(&rest.replace(':', "\\:"));
    written
}

/// A label's name as Mockoon takes it for a parameter: of letters, digits and underscores.
pub(super) fn label(name: &str) -> String {
    let name = name.trim_end_matches('+');
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

/// Two operations may call a label differently; they are the same route all the same, under the first one's name.
fn name_labels_alike(claims: &mut [Claim]) {
    let form = |endpoint: &str| -> String {
        let parts = endpoint.split('/').map(|part| if part.starts_with(':') { ":" } else { part });
        parts.collect::<Vec<_>>().join("/").to_lowercase()
    };
    let mut known: std::collections::HashMap<String, String> = std::collections::HashMap::new();
    for claim in claims {
        let first = known.entry(form(&claim.endpoint)).or_insert_with(|| claim.endpoint.clone());
        claim.endpoint.clone_from(first);
    }
}

/// Rules are needed only where several operations share a route. Those with the same rules are told apart by the `x-id`
/// that some clients send, as far as they have one.
fn tell_apart(claims: &[Claim]) -> (Vec<Claim>, Vec<String>) {
    let mut told: Vec<Claim> = Vec::with_capacity(claims.len());
    let mut unreachable = Vec::new();
    let mut rest = claims;
    while let Some(first) = rest.first() {
        let (group, others) = rest.split_at(rest.iter().take_while(|claim| claim.is_at(first)).count());
        rest = others;
        let start = told.len();
        for claim in group {
            let mut claim = claim.clone();
            if group.len() == 1 && claim.protocol.is_rest() {
                claim.rules.clear();
            }
            let literals = &claim.operation.http.uri.query;
            let own = literals.iter().find(|(key, _)| *key == "x-id").and_then(|(_, value)| *value);
            match told[start..].iter().position(|other| other.rules == claim.rules) {
                None => told.push(claim),
                Some(twin) => match own {
                    Some(own) => {
                        claim.rules.push(Rule::equals("query", "x-id", own));
                        told.insert(start + twin, claim);
                    }
                    None => unreachable.push(claim.operation.name.to_owned()),
                },
            }
        }
    }
    (told, unreachable)
}

/// Whether a member's name says that it identifies something, so that an answer may well repeat it.
pub(super) fn identifies(name: &str) -> bool {
    let plain = squash(name);
    ["name", "id", "arn", "identifier", "key", "bucket", "url"].iter().any(|end| plain.ends_with(end))
}
