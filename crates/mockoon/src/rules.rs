//! Rules: which response of a route answers a request.

use standin_template::{Request as _, Scope, Value, path_names};

use crate::environment::{Operator, Response, Rule, Target};
use crate::pattern::{Pattern, PatternError};
use crate::request::Incoming;
use crate::text::Text;
use crate::values;

/// The rules of one response.
#[derive(Debug)]
pub struct Rules {
    all: bool,
    rules: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    target: Target,
    operator: Operator,
    invert: bool,
    raw_modifier: String,
    modifier: Text,
    raw_value: String,
    value: Text,
    /// Where the value is no template.
    pattern: Option<Result<Pattern, PatternError>>,
}

/// What rules look at besides the request.
pub trait Surroundings {
    fn scope(&self) -> Scope<'_>;
    /// All buckets by id and by name.
    fn buckets(&self) -> Value;
    /// All global variables.
    fn globals(&self) -> Value;
}

impl Rules {
    pub fn new(response: &Response) -> Self {
        Self { all: response.all_rules, rules: response.rules.iter().map(Compiled::new).collect() }
    }

    /// Whether the response is chosen. Without rules it never is.
    ///
    /// # Errors
    /// When a regular expression is none.
    pub fn hold(&self, request: &Incoming<'_>, number: u64, around: &dyn Surroundings) -> Result<bool, PatternError> {
        for rule in &self.rules {
            if rule.holds(request, number, around)? != self.all {
                return Ok(!self.all);
            }
        }
        Ok(self.all && !self.rules.is_empty())
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl Compiled {
    fn new(rule: &Rule) -> Self {
        let value = Text::new(&rule.value);
        let is_pattern = matches!(rule.operator, Operator::Regex | Operator::RegexIgnoringCase);
        let pattern = value
            .plain()
            .filter(|_| is_pattern)
            .map(|text| Pattern::new(text, rule.operator == Operator::RegexIgnoringCase));
        Self {
            target: rule.target,
            operator: rule.operator,
            invert: rule.invert,
            raw_modifier: rule.modifier.clone(),
            modifier: Text::new(&rule.modifier),
            raw_value: rule.value.clone(),
            value,
            pattern,
        }
    }

    fn holds(&self, request: &Incoming<'_>, number: u64, around: &dyn Surroundings) -> Result<bool, PatternError> {
        // A text that fails as a template stands for itself.
        let render = |text: &Text, raw: &str| match text.plain() {
            Some(plain) => plain.as_ref().to_owned(),
            None => text
                .render(&mut around.scope().with_request(request))
                .map_or_else(|_| raw.to_owned(), |text| text.as_ref().to_owned()),
        };
        let modifier = render(&self.modifier, &self.raw_modifier);
        let target = self.target_value(request, &modifier, number, around);
        let holds = match self.operator {
            Operator::Null => target.is_nullish() || matches!(&target, Value::Text(text) if text.is_empty()),
            Operator::EmptyArray => matches!(&target, Value::List(list) if list.items().is_empty()),
            _ if target.is_undefined() => false,
            operator => {
                let target = if matches!(target, Value::Null) { Value::text("") } else { target };
                match operator {
                    Operator::ValidJsonSchema => self.is_valid(&target, around),
                    Operator::Regex | Operator::RegexIgnoringCase => {
                        let own;
                        let pattern = match &self.pattern {
                            Some(pattern) => pattern.as_ref().map_err(Clone::clone)?,
                            None => {
                                let value = render(&self.value, &self.raw_value);
                                own = Pattern::new(&value, operator == Operator::RegexIgnoringCase)?;
                                &own
                            }
                        };
                        match &target {
                            Value::List(list) => list.items().iter().any(|item| pattern.is_match(&values::text(item))),
                            other => pattern.is_match(&values::text(other)),
                        }
                    }
                    _ => {
                        let value = render(&self.value, &self.raw_value);
                        let needs_list = operator == Operator::ArrayIncludes && !self.raw_modifier.is_empty();
                        match &target {
                            Value::List(list) => list.items().iter().any(|item| values::text(item) == value),
                            other => !needs_list && values::text(other) == value,
                        }
                    }
                }
            }
        };
        Ok(holds != self.invert)
    }

    fn target_value(&self, request: &Incoming<'_>, modifier: &str, number: u64, around: &dyn Surroundings) -> Value {
        let found = |value: &Value| values::find(&mut around.scope(), value, modifier);
        match self.target {
            #[expect(clippy::cast_precision_loss, reason = "no server counts that far")]
            Target::RequestNumber => Value::Number(number as f64),
            Target::Cookie if modifier.is_empty() => Value::Undefined,
            Target::Cookie => request.cookies().get(modifier),
            Target::Path => Value::list(vec![Value::text(request.url()), Value::text(&*request.pattern)]),
            Target::Method => Value::text(request.method().to_ascii_lowercase()),
            Target::Header if modifier.is_empty() => Value::text(""),
            Target::Header => request.header_text(modifier).map_or(Value::Undefined, Value::from),
            Target::Templating => Value::text(modifier),
            Target::Body if modifier.is_empty() => match self.operator {
                _ if request.is_socket => Value::text(request.raw_body()),
                Operator::Equals | Operator::Regex | Operator::RegexIgnoringCase => Value::text(request.raw_body()),
                _ => request.rule_body(),
            },
            Target::Query if modifier.is_empty() => request.query().clone(),
            _ if modifier.is_empty() => Value::Undefined,
            Target::Body => found(&request.rule_body()),
            Target::Query => found(request.query()),
            Target::Params => found(request.params()),
            Target::GlobalVar => found(&around.globals()),
            Target::DataBucket => found(&around.buckets()),
        }
    }

    fn is_valid(&self, target: &Value, around: &dyn Surroundings) -> bool {
        let schema = values::at(&around.buckets(), &path_names(&self.raw_value));
        let json = |value: &Value| serde_json::from_str::<serde_json::Value>(&standin_template::to_json(value)?).ok();
        let (Some(schema), Some(instance)) = (json(&schema), json(target)) else { return false };
        let options = jsonschema::draft7::options().should_validate_formats(true);
        options.build(&schema).is_ok_and(|validator| validator.is_valid(&instance))
    }
}

/// A rule of a `#` endpoint, which `mockoon-cli` never reaches: what stands after the `#` tells requests apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discriminator {
    name: String,
    value: Option<String>,
}

impl Discriminator {
    /// Reads `X-Amz-Target=A.B`, `Action=Do&Version=1` or `tagKeys`.
    pub fn read(text: &str) -> Vec<Self> {
        let parts = text.split('&').filter(|part| !part.is_empty());
        parts
            .map(|part| match part.split_once('=') {
                Some((name, value)) if !value.is_empty() => {
                    Self { name: name.to_owned(), value: Some(value.to_owned()) }
                }
                Some((name, _)) => Self { name: name.to_owned(), value: None },
                None => Self { name: part.to_owned(), value: None },
            })
            .collect()
    }

    /// Whether a header, a member of the query or one of the form has that name, and that value if one is given.
    pub fn matches(&self, request: &Incoming<'_>) -> bool {
        let is_name = http::HeaderName::from_bytes(self.name.as_bytes()).is_ok();
        if is_name && let Some(header) = request.header_text(&self.name) {
            return self.value.as_ref().is_none_or(|value| *value == header);
        }
        // Placeholders in values stand for anything.
        let is_wanted = |found: &Value| match &self.value {
            Some(value) if !value.contains(['{', ':']) => match found {
                Value::List(list) => list.items().iter().any(|item| values::text(item) == *value),
                found => values::text(found) == *value,
            },
            _ => true,
        };
        let found = request.query().get(&self.name);
        if !found.is_undefined() {
            return is_wanted(&found);
        }
        let found = request.parsed().map(|body| body.get(&self.name)).unwrap_or_default();
        !found.is_undefined() && is_wanted(&found)
    }
}
