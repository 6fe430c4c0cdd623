//! Whether a rule makes sense: checked against the model and prepared when it is set, not when it is used.

use http::{HeaderName, StatusCode};
use serde_json::{Map, Value};
use standin_core::OperationError;
use standin_faults::{Matching, generic};
use standin_mock::validation::{Constraint, input_from_json};
use standin_model::{Catalogue, Kind, Operation, Service, ShapeIx, Str, Timestamp, nearest};

use crate::answer::{Node, Prepared, Wants};
use crate::patch;
use crate::rule::{AnswerRule, Language, Rule, known};
use crate::text::{Text, mentions};

/// What a rule comes to.
#[derive(Debug)]
pub(crate) struct Checked {
    pub matching: Matching,
    pub steps: Vec<CheckedStep>,
}

/// One of its answers.
#[derive(Debug)]
pub(crate) struct CheckedStep {
    pub prepared: Prepared,
    /// How often it is given before the next one.
    pub times: u64,
    /// It is made from what standin itself answers.
    pub needs_real: bool,
}

/// The one operation that a rule is about.
type One = (&'static Service, &'static Operation);

/// Checks a rule. Its times count from `now`.
///
/// # Errors
/// Says which member is wrong, and what is expected there.
pub(crate) fn check(catalogue: &'static Catalogue, rule: &Rule, now: Timestamp) -> Result<Checked, String> {
    let mut matching = Matching::new(catalogue, &rule.matcher, now).map_err(|refused| refused.0)?;
    let about = About::new(catalogue, rule, &matching)?;
    if let (Some((service, operation)), Some(wanted)) = (about.one, &rule.matcher.input)
        && let Some(shape) = operation.input
        && let Ok(input) = input_from_json(service, shape, wanted)
    {
        // Read as the operation reads it, so that blobs and timestamps compare; else it stays plain JSON.
        matching.set_input(input);
    }
    if rule.scenario.is_none() && (rule.required_state.is_some() || rule.new_state.is_some()) {
        return Err("`required-state` and `new-state` are of a `scenario`: give its name".into());
    }
    let mut steps = Vec::new();
    if rule.answer != AnswerRule::default() {
        steps.push(about.step(&rule.answer, 1)?);
    }
    for (at, step) in rule.sequence.iter().enumerate() {
        if step.times == 0 {
            return Err(format!("sequence[{at}].times: an answer is given once at least"));
        }
        steps.push(about.step(&step.answer, step.times).map_err(|why| format!("sequence[{at}].{why}"))?);
    }
    if steps.is_empty() {
        return Err("give an `output`, a `merge`, an `error`, a `raw` answer or a `sequence` of them".into());
    }
    Ok(Checked { matching, steps })
}

/// What a rule is about.
struct About {
    language: Language,
    /// Those whose names match, of the newest models; none where the rule is for all services.
    operations: Vec<One>,
    one: Option<One>,
}

impl About {
    fn new(catalogue: &'static Catalogue, rule: &Rule, matching: &Matching) -> Result<Self, String> {
        let mut operations = Vec::new();
        let mut ids: Vec<Str> = matching.services().unwrap_or_default().to_vec();
        ids.dedup();
        for id in ids {
            let Some(entry) = catalogue.newest(id) else { continue };
            let service = entry.open().map_err(|error| error.to_string())?;
            let named = service.operations.iter().filter(|found| rule.matcher.operation.matches(found.name));
            operations.extend(named.map(|operation| (service, operation)));
        }
        let one = match operations[..] {
            [one] => Some(one),
            _ => None,
        };
        Ok(Self { language: rule.templates, operations, one })
    }

    fn step(&self, answer: &AnswerRule, times: u64) -> Result<CheckedStep, String> {
        let AnswerRule { output, merge, error, raw } = answer;
        let given = [output, merge, error, raw].into_iter().flatten();
        let needs_real = merge.is_some() || given.clone().any(|value| looks_at_answer(value, self.language));
        let prepared = match (output, merge, error, raw) {
            (Some(output), None, None, None) => self.output(output)?,
            (None, Some(change), None, None) => {
                let (service, operation) = self.one("merge")?;
                Prepared::Merge(self.node(Some(service), operation.output, change, &mut "merge".to_owned())?)
            }
            (None, None, Some(error), None) => self.error(error)?,
            (None, None, None, Some(raw)) => self.raw(raw)?,
            _ if given.count() == 0 => return Err("an answer is one of `output`, `merge`, `error` and `raw`".into()),
            _ => return Err("an answer is only one of `output`, `merge`, `error` and `raw`".into()),
        };
        Ok(CheckedStep { prepared, times, needs_real })
    }

    fn one(&self, member: &str) -> Result<One, String> {
        self.one.ok_or_else(|| format!("`{member}` needs one service and one operation by name, not several"))
    }

    fn output(&self, output: &Value) -> Result<Prepared, String> {
        let (service, operation) = self.one("output")?;
        let node = self.node(Some(service), operation.output, output, &mut "output".to_owned())?;
        Ok(match (&node, operation.output) {
            (Node::Fixed(value), Some(shape)) => Prepared::Fixed(patch::read(service, shape, value)?),
            _ => Prepared::Output(node),
        })
    }

    fn error(&self, error: &Value) -> Result<Prepared, String> {
        const MEMBERS: &[&str] = &["code", "message", "members", "status"];
        let nothing = Value::String(String::new());
        let (code, members) = match error {
            Value::String(code) => (code.as_str(), &Map::new()),
            Value::Object(members) => {
                known(members, MEMBERS).map_err(|why| format!("error has {why}"))?;
                let code = members.get("code").and_then(Value::as_str);
                (code.ok_or("error.code: expected the name of an error")?, members)
            }
            _ => return Err("error: expected the name of an error, or {code, message, members, status}".into()),
        };
        let status = match members.get("status") {
            None => None,
            Some(value) => {
                let status = value.as_u64().and_then(|status| u16::try_from(status).ok());
                let status = status.filter(|status| (400..=599).contains(status));
                Some(status.ok_or("error.status: expected an HTTP status from 400 to 599")?)
            }
        };
        let asked = OperationError::new(code.to_owned(), "");
        let listed = self
            .operations
            .iter()
            .find_map(|(service, operation)| Some((*service, asked.shape(service, Some(operation))?)));
        if listed.is_none() && status.is_none() && generic(code).is_none() {
            let all = self.operations.iter().flat_map(|(service, operation)| {
                operation.errors.iter().map(|shape| OperationError::wire_code(service, *shape))
            });
            let mut all: Vec<Str> = all.collect();
            all.sort_unstable();
            all.dedup();
            return Err(format!(
                "error.code: the model has no error `{code}` here; it has: {}. Give a `status` to answer with it all the same",
                all.join(", ")
            ));
        }
        let message = members.get("message").unwrap_or(&nothing);
        if !message.is_string() {
            return Err("error.message: expected a text".into());
        }
        let nothing = Value::Object(Map::new());
        let further = members.get("members").unwrap_or(&nothing);
        // S3's errors carry members that no shape lists.
        let shaped = listed.filter(|(service, shape)| {
            service.structure(*shape).is_some_and(|structure| !structure.members.is_empty())
        });
        let (service, shape) = shaped.unzip();
        Ok(Prepared::Error {
            code: code.to_owned(),
            message: self.node(None, None, message, &mut "error.message".to_owned())?,
            members: self.node(service, shape, further, &mut "error.members".to_owned())?,
            status,
        })
    }

    fn raw(&self, raw: &Value) -> Result<Prepared, String> {
        const MEMBERS: &[&str] = &["status", "headers", "body"];
        let members = raw.as_object().ok_or("raw: expected {status, headers, body}")?;
        known(members, MEMBERS).map_err(|why| format!("raw has {why}"))?;
        let status = members.get("status").unwrap_or(&Value::Null);
        let code = status.as_u64().and_then(|status| u16::try_from(status).ok());
        let code = code.and_then(|status| StatusCode::from_u16(status).ok());
        let status = code.ok_or_else(|| format!("raw.status: {status} is no HTTP status"))?;
        let given = match members.get("headers") {
            None => Map::new(),
            Some(headers) => headers.as_object().ok_or("raw.headers: expected an object")?.clone(),
        };
        let mut headers = Vec::with_capacity(given.len());
        for (name, value) in &given {
            let parsed: HeaderName = name.parse().map_err(|_| format!("raw.headers: `{name}` is no header name"))?;
            let text = value.as_str().ok_or_else(|| format!("raw.headers.{name}: expected a text"))?;
            http::HeaderValue::from_str(text)
                .map_err(|_| format!("raw.headers: the value of header {name} is not valid"))?;
            headers.push((parsed, self.node(None, None, value, &mut format!("raw.headers.{name}"))?));
        }
        let nothing = Value::String(String::new());
        let body = members.get("body").unwrap_or(&nothing);
        Ok(Prepared::Raw { status, headers, body: self.node(None, None, body, &mut "raw.body".to_owned())? })
    }

    /// Prepares a value of a shape; without a shape anything goes. `path`: of the value, for messages.
    fn node(
        &self,
        service: Option<&Service>,
        shape: Option<ShapeIx>,
        value: &Value,
        path: &mut String,
    ) -> Result<Node, String> {
        let kind = service.zip(shape).map(|(service, shape)| &service.shape(shape).kind);
        if let Value::String(text) = value {
            let parsed = Text::parse(text, self.language).map_err(|why| format!("{path}: {why}"))?;
            if let Some(text) = parsed {
                return Ok(Node::Text { text, wants: wants(kind) });
            }
        }
        let at = path.len();
        match (kind, value) {
            (_, Value::Null) => {}
            (Some(Kind::Structure(structure)), Value::Object(members)) if !structure.event_stream => {
                let mut nodes = Vec::with_capacity(members.len());
                for (name, value) in members {
                    let Some(member) = structure.member(name) else {
                        let names = || structure.members.iter().map(|member| member.name);
                        let near = nearest(name, names(), 1);
                        let hint = match near.first() {
                            Some(near) => format!("did you mean {near}?"),
                            None => format!("it has {}", names().collect::<Vec<_>>().join(", ")),
                        };
                        let of = service.zip(shape).map(|(service, shape)| service.shape(shape).name);
                        return Err(format!("{path}: {} has no member `{name}`; {hint}", of.unwrap_or_default()));
                    };
                    path.push('.');
                    path.push_str(name);
                    let target = (!member.json_value).then_some(member.target);
                    nodes.push((name.clone(), self.node(service, target, value, path)?));
                    path.truncate(at);
                }
                return Ok(gather(value, nodes));
            }
            (None, Value::Object(members)) => {
                let nodes = members.iter().map(|(name, value)| {
                    Ok((name.clone(), self.node(None, None, value, &mut format!("{path}.{name}"))?))
                });
                return Ok(gather(value, nodes.collect::<Result<_, String>>()?));
            }
            (Some(Kind::Map(map)), Value::Object(members)) => {
                let nodes = members.iter().map(|(name, value)| {
                    let mut path = format!("{path}.{name}");
                    Ok((name.clone(), self.node(service, Some(map.value.target), value, &mut path)?))
                });
                return Ok(gather(value, nodes.collect::<Result<_, String>>()?));
            }
            (None | Some(Kind::List(_)), Value::Array(items)) => {
                let target = match kind {
                    Some(Kind::List(list)) => Some(list.member.target),
                    _ => None,
                };
                let nodes = items.iter().enumerate().map(|(number, item)| {
                    self.node(service.filter(|_| target.is_some()), target, item, &mut format!("{path}[{number}]"))
                });
                let nodes: Vec<Node> = nodes.collect::<Result<_, String>>()?;
                let fixed = nodes.iter().all(Node::is_fixed);
                return Ok(if fixed { Node::Fixed(value.clone()) } else { Node::List(nodes) });
            }
            _ => {
                if let Some((service, shape)) = service.zip(shape)
                    && let Err(violations) = input_from_json(service, shape, value)
                {
                    let why = violations.first().map(|violation| match &violation.constraint {
                        Constraint::Kind(kind) if violation.path.is_empty() => format!("expected {kind}, got {value}"),
                        _ => violation.to_string(),
                    });
                    return Err(format!("{path}: {}", why.unwrap_or_default()));
                }
            }
        }
        Ok(Node::Fixed(value.clone()))
    }
}

fn gather(value: &Value, nodes: Vec<(String, Node)>) -> Node {
    if nodes.iter().all(|(_, node)| node.is_fixed()) { Node::Fixed(value.clone()) } else { Node::Map(nodes) }
}

fn wants(kind: Option<&Kind>) -> Wants {
    match kind {
        None | Some(Kind::Document | Kind::Timestamp(_)) => Wants::Any,
        Some(Kind::String { .. } | Kind::Blob { .. }) => Wants::Text,
        Some(_) => Wants::Parsed,
    }
}

/// Whether a template in a value looks at what standin itself answers.
fn looks_at_answer(value: &Value, language: Language) -> bool {
    match value {
        Value::String(text) => language != Language::Off && (mentions(text, "answer") || mentions(text, "error")),
        Value::Array(items) => items.iter().any(|item| looks_at_answer(item, language)),
        Value::Object(members) => members.values().any(|member| looks_at_answer(member, language)),
        _ => false,
    }
}
