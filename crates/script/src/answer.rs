//! What a rule answers: prepared when it is set, filled in for each call.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use standin_core::{CallContext, OperationError};
use standin_faults::generic;
use standin_model::Document;
use standin_wire::Response;

use crate::patch;
use crate::text::{Sight, Text};

/// What standin itself says to a call, where it was asked.
pub type Real<'r> = Option<Result<&'r Document, &'r OperationError>>;

/// What a call is answered.
#[derive(Debug)]
pub enum Scripted {
    Output(Document),
    Error(OperationError),
    Raw(Response),
}

/// A value with templates in it.
#[derive(Debug)]
pub(crate) enum Node {
    Fixed(Value),
    Text { text: Text, wants: Wants },
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

/// What a template stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    Text,
    /// A number, a boolean, a list or a structure: a text is read as JSON.
    Parsed,
    /// Whatever it makes.
    Any,
}

/// A prepared answer.
#[derive(Debug)]
pub(crate) enum Prepared {
    Fixed(Document),
    Output(Node),
    Merge(Node),
    Error { code: String, message: Node, members: Node, status: Option<u16> },
    Raw { status: StatusCode, headers: Vec<(HeaderName, Node)>, body: Node },
}

impl Node {
    pub(crate) fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed(_))
    }

    /// The value, its templates filled in. `None` where a template says nothing: the member is left out.
    ///
    /// # Errors
    /// The path of the template that failed, and why.
    fn fill(&self, sight: &Sight<'_>, path: &mut String) -> Result<Option<Value>, String> {
        let at = path.len();
        match self {
            Self::Fixed(value) => Ok(Some(value.clone())),
            Self::Text { text, wants } => {
                let value = text.value(sight).map_err(|why| format!("the template at `{path}` failed: {why}"))?;
                Ok(match (value, wants) {
                    (Value::Null, _) => None,
                    (Value::String(text), Wants::Parsed) => {
                        Some(serde_json::from_str(&text).unwrap_or(Value::String(text)))
                    }
                    (value @ Value::String(_), _) | (value, Wants::Parsed | Wants::Any) => Some(value),
                    (other, Wants::Text) => Some(Value::String(other.to_string())),
                })
            }
            Self::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for (number, item) in items.iter().enumerate() {
                    path.push_str(&format!("[{number}]"));
                    list.extend(item.fill(sight, path)?);
                    path.truncate(at);
                }
                Ok(Some(Value::Array(list)))
            }
            Self::Map(members) => {
                let mut map = Map::with_capacity(members.len());
                for (name, member) in members {
                    path.push_str(if at == 0 { "" } else { "." });
                    path.push_str(name);
                    if let Some(value) = member.fill(sight, path)? {
                        map.insert(name.clone(), value);
                    }
                    path.truncate(at);
                }
                Ok(Some(Value::Object(map)))
            }
        }
    }

    fn text(&self, sight: &Sight<'_>, name: &str) -> Result<String, String> {
        match self.fill(sight, &mut name.to_owned())? {
            Some(Value::String(text)) => Ok(text),
            Some(other) => Ok(other.to_string()),
            None => Ok(String::new()),
        }
    }
}

impl Prepared {
    /// The answer to a call; `None` for the real one.
    ///
    /// # Errors
    /// A template failed, or made something that does not fit the model.
    pub(crate) fn make(
        &self,
        context: &CallContext,
        real: Real<'_>,
        sight: &Sight<'_>,
    ) -> Result<Option<Scripted>, String> {
        let (service, shape) = (context.service, context.operation.output);
        let misfit = |why: String| format!("what it makes does not fit {}: {why}", context.operation.name);
        Ok(Some(match self {
            Self::Fixed(output) => Scripted::Output(output.clone()),
            Self::Output(node) => {
                let value = node.fill(sight, &mut String::new())?.unwrap_or_else(|| json!({}));
                let output = shape.map(|shape| patch::read(service, shape, &value));
                Scripted::Output(output.transpose().map_err(misfit)?.unwrap_or_else(Document::map))
            }
            Self::Merge(node) => {
                let Some(Ok(real)) = real else { return Ok(None) };
                let change = node.fill(sight, &mut String::new())?.unwrap_or_else(|| json!({}));
                let mut output = real.clone();
                if let Some(shape) = shape {
                    patch::merge(service, shape, &mut output, &change).map_err(misfit)?;
                }
                Scripted::Output(output)
            }
            Self::Error { code, message, members, status } => {
                let mut error = OperationError::new(code.clone(), message.text(sight, "error.message")?);
                let is_listed = error.shape(service, Some(context.operation)).is_some();
                let general = generic(code).filter(|_| !is_listed);
                if error.message.is_empty() {
                    error.message = general.map_or("", |general| general.message).to_owned();
                }
                error.status = status.or(general.map(|general| general.status));
                let members = members.fill(sight, &mut "error.members".to_owned())?.unwrap_or_else(|| json!({}));
                error.members = Document::from_json(&members).as_map().cloned().unwrap_or_default();
                Scripted::Error(error)
            }
            Self::Raw { status, headers, body } => {
                let mut made = HeaderMap::with_capacity(headers.len());
                for (name, value) in headers {
                    let value = HeaderValue::from_str(&value.text(sight, name.as_str())?);
                    made.append(name, value.map_err(|_| format!("the value of header {name} is not valid"))?);
                }
                let body = Bytes::from(body.text(sight, "raw.body")?);
                Scripted::Raw(Response { status: *status, headers: made, body })
            }
        }))
    }
}

/// What templates see of a call.
pub(crate) fn seen(context: &CallContext, input: &Document, real: Real<'_>, turn: u64, state: Option<&str>) -> Value {
    let now = context.now;
    let mut seen = json!({
        "input": input.to_json(),
        "service": context.service.id,
        "operation": context.operation.name,
        "account": &*context.account,
        "region": &*context.region,
        "partition": context.partition,
        "accessKey": context.access_key.as_deref(),
        "requestId": &*context.request_id,
        "baseUrl": &*context.base_url,
        "requestTime": now.to_date_time(),
        "requestEpoch": now.as_millis().div_euclid(1000),
        "turn": turn,
    });
    if let Some(state) = state {
        seen["state"] = state.into();
    }
    match real {
        Some(Ok(output)) => seen["answer"] = output.to_json(),
        Some(Err(error)) => seen["error"] = json!({"code": error.code, "message": error.message}),
        None => {}
    }
    seen
}
