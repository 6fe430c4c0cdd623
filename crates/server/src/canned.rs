//! Canned answers: what `PUT /_standin/responses` sets. Checked against the model when set, not when used.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use standin_core::{CallContext, OperationError};
use standin_mock::validation::input_from_json;
use standin_model::{Catalogue, Document, Operation, Service, Str, nearest};
use standin_wire::Response;

/// One rule as people write it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    service: String,
    /// `*` for every operation of the service; errors and raw answers only.
    operation: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// A subset of the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input: Option<Value>,
    #[serde(flatten)]
    answer: AnswerRule,
    /// Answers in order; the last one stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sequence: Vec<AnswerRule>,
    /// How often the rule answers; for good without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct AnswerRule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<ErrorRule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raw: Option<RawRule>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorRule {
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    members: Option<Value>,
    /// For codes that the model does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
}

/// A checked rule.
#[derive(Debug)]
struct Canned {
    rule: Rule,
    service: Str,
    /// `None` for every operation.
    operation: Option<Str>,
    input: Option<Document>,
    answers: Vec<CannedAnswer>,
    used: AtomicU64,
}

#[derive(Debug)]
enum CannedAnswer {
    Output(Document),
    Error { code: String, message: String, members: Document, status: Option<u16> },
    Raw(Response),
}

/// What a rule answers.
pub(crate) enum Hit {
    Output(Document),
    Error(OperationError),
    Raw(Response),
}

/// All rules of a server. Nothing to look at costs one atomic load.
#[derive(Debug, Default)]
pub(crate) struct Responses(ArcSwapOption<Vec<Canned>>);

impl Responses {
    /// Replaces all rules by a JSON list.
    ///
    /// # Errors
    /// The position of the first rule that is no good, and why.
    pub(crate) fn set(&self, catalogue: &'static Catalogue, list: &Value) -> Result<usize, String> {
        let list = list.as_array().ok_or("expected a JSON list of rules")?;
        let mut rules = Vec::with_capacity(list.len());
        for (at, value) in list.iter().enumerate() {
            let rule = Rule::deserialize(value).map_err(|error| format!("rule {at}: {error}"))?;
            rules.push(check(catalogue, rule).map_err(|error| format!("rule {at}: {error}"))?);
        }
        let count = rules.len();
        self.0.store((count > 0).then(|| Arc::new(rules)));
        Ok(count)
    }

    pub(crate) fn clear(&self) {
        self.0.store(None);
    }

    pub(crate) fn to_json(&self) -> Value {
        let rules = self.0.load();
        let list = rules.iter().flat_map(|rules| rules.iter()).map(|canned| {
            let mut value = serde_json::to_value(&canned.rule).unwrap_or_default();
            value["used"] = canned.used.load(Ordering::Relaxed).into();
            value
        });
        Value::Array(list.collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.load().is_none()
    }

    /// The answer of the first rule that fits.
    pub(crate) fn find(&self, context: &CallContext, input: &Document) -> Option<Hit> {
        let rules = self.0.load();
        let rules = rules.as_ref()?;
        rules.iter().filter(|canned| canned.fits(context, input)).find_map(Canned::take)
    }
}

impl Canned {
    fn fits(&self, context: &CallContext, input: &Document) -> bool {
        let same = |wanted: &Option<String>, have: &str| wanted.as_deref().is_none_or(|wanted| wanted == have);
        self.service == context.service.id
            && self.operation.is_none_or(|operation| operation == context.operation.name)
            && same(&self.rule.account, &context.account)
            && same(&self.rule.region, &context.region)
            && self.input.as_ref().is_none_or(|subset| input.contains(subset))
    }

    /// The next answer, unless the rule is used up.
    fn take(&self) -> Option<Hit> {
        let times = self.rule.times.unwrap_or(u64::MAX);
        let turn =
            self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| (used < times).then_some(used + 1));
        let turn = usize::try_from(turn.ok()?).unwrap_or(usize::MAX);
        Some(match &self.answers[turn.min(self.answers.len() - 1)] {
            CannedAnswer::Output(output) => Hit::Output(output.clone()),
            CannedAnswer::Raw(response) => Hit::Raw(response.clone()),
            CannedAnswer::Error { code, message, members, status } => {
                let mut error = OperationError::new(code.clone(), message.clone());
                error.status = *status;
                error.members = members.as_map().cloned().unwrap_or_default();
                Hit::Error(error)
            }
        })
    }
}

fn check(catalogue: &'static Catalogue, rule: Rule) -> Result<Canned, String> {
    let entry = catalogue.find(&rule.service).ok_or_else(|| {
        let hints = nearest(&rule.service, catalogue.services().map(|entry| entry.id), 3);
        did_you_mean(format!("no service `{}`", rule.service), &hints)
    })?;
    let service = entry.open().map_err(|error| error.to_string())?;
    let operation = match rule.operation.as_str() {
        "*" => None,
        name => Some(service.operation(name).ok_or_else(|| {
            let hints = nearest(name, service.operations.iter().map(|operation| operation.name), 3);
            did_you_mean(format!("{} has no operation `{name}`", service.title), &hints)
        })?),
    };
    let input = match (&rule.input, operation) {
        (None, _) => None,
        // Read as the operation reads it where that works, so that blobs and timestamps compare; else as plain JSON.
        (Some(value), Some(operation)) => {
            let shaped = operation.input.and_then(|shape| input_from_json(service, shape, value).ok());
            Some(shaped.unwrap_or_else(|| Document::from_json(value)))
        }
        (Some(value), None) => Some(Document::from_json(value)),
    };
    let mut answers = Vec::new();
    let given = |answer: &AnswerRule| answer.output.is_some() || answer.error.is_some() || answer.raw.is_some();
    let own = given(&rule.answer).then_some(&rule.answer);
    for answer in own.into_iter().chain(&rule.sequence) {
        answers.push(check_answer(service, operation, answer)?);
    }
    if answers.is_empty() {
        return Err("give an `output`, an `error`, a `raw` answer or a `sequence` of them".into());
    }
    Ok(Canned {
        service: service.id,
        operation: operation.map(|o| o.name),
        input,
        answers,
        used: AtomicU64::new(0),
        rule,
    })
}

fn check_answer(
    service: &'static Service,
    operation: Option<&Operation>,
    answer: &AnswerRule,
) -> Result<CannedAnswer, String> {
    match (&answer.output, &answer.error, &answer.raw) {
        (Some(output), None, None) => {
            let operation = operation.ok_or("an `output` needs one operation, not `*`")?;
            match operation.output {
                None => Ok(CannedAnswer::Output(Document::map())),
                Some(shape) => {
                    input_from_json(service, shape, output).map(CannedAnswer::Output).map_err(|violations| {
                        let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
                        format!("the output does not fit {}: {}", operation.name, list.join("; "))
                    })
                }
            }
        }
        (None, Some(error), None) => check_error(service, operation, error),
        (None, None, Some(raw)) => check_raw(raw).map(CannedAnswer::Raw),
        (None, None, None) => Err("an answer is one of `output`, `error` and `raw`".into()),
        _ => Err("an answer is only one of `output`, `error` and `raw`".into()),
    }
}

fn check_error(
    service: &'static Service,
    operation: Option<&Operation>,
    error: &ErrorRule,
) -> Result<CannedAnswer, String> {
    let known = OperationError::new(error.code.clone(), "").shape(service, operation);
    if known.is_none() && error.status.is_none() {
        let listed: Vec<Str> = match operation {
            Some(operation) => {
                operation.errors.iter().map(|shape| OperationError::wire_code(service, *shape)).collect()
            }
            None => Vec::new(),
        };
        return Err(format!(
            "the model has no error `{}` here; it has: {}. Give a `status` to answer with it all the same",
            error.code,
            listed.join(", ")
        ));
    }
    let members = match (&error.members, known) {
        (None, _) => Document::map(),
        // Required members may be left out: `message` is given beside them.
        (Some(value), _) => Document::from_json(value),
    };
    Ok(CannedAnswer::Error { code: error.code.clone(), message: error.message.clone(), members, status: error.status })
}

fn check_raw(raw: &RawRule) -> Result<Response, String> {
    let status = StatusCode::from_u16(raw.status).map_err(|_| format!("{} is no HTTP status", raw.status))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &raw.headers {
        let name: HeaderName = name.parse().map_err(|_| format!("`{name}` is no header name"))?;
        let value: HeaderValue = value.parse().map_err(|_| format!("the value of header {name} is not valid"))?;
        headers.append(name, value);
    }
    Ok(Response { status, headers, body: Bytes::from(raw.body.clone()) })
}

fn did_you_mean(text: String, hints: &[&str]) -> String {
    if hints.is_empty() { text } else { format!("{text}; did you mean {}?", hints.join(", ")) }
}
