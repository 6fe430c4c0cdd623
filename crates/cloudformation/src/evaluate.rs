//! Values of a template with their functions worked out.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use base64::Engine as _;
use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::cidr;
use crate::error::TemplateError;
use crate::parameters::scalar_text;
use crate::references::{Part, Reference, function, parts, visit};
use crate::template::Template;

/// Bytes that the values of one template may come to. A template of 1 MB with a long text in every place stays far below.
const OUTPUT_BYTES_MAX: usize = 64 << 20;
/// Functions within functions, at most.
const DEPTH_MAX: usize = 128;
/// Stands for what is known only once a resource is made; the words are those of CloudFormation's change sets.
pub const UNKNOWN: &str = "{{changeSet:KNOWN_AFTER_APPLY}}";

/// What pseudo parameters tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    pub account: String,
    pub region: String,
    pub partition: String,
    pub stack_name: String,
    pub stack_id: String,
    pub notification_arns: Vec<String>,
}

impl Environment {
    fn url_suffix(&self) -> &'static str {
        match self.partition.as_str() {
            "aws-cn" => "amazonaws.com.cn",
            _ => "amazonaws.com",
        }
    }

    /// The zones of a region. Every region has at least these three.
    fn zones(region: &str) -> Vec<Value> {
        ["a", "b", "c"].iter().map(|zone| Value::from(format!("{region}{zone}"))).collect()
    }
}

/// A resource that is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Made {
    /// What `Ref` answers.
    pub reference: String,
    /// What `Fn::GetAtt` answers, by attribute, with dots for what lies in structures.
    pub attributes: Map<String, Value>,
}

/// Works values out.
pub struct Evaluator<'t> {
    template: &'t Template,
    parameters: &'t IndexMap<String, Value>,
    environment: &'t Environment,
    /// By name, all of the template's.
    pub conditions: IndexMap<String, bool>,
    exports: &'t dyn Fn(&str) -> Option<String>,
    /// Whether what no resource tells yet is [`UNKNOWN`] rather than an error.
    planning: bool,
    /// Makes up attributes that a resource was not made with: of its type, and a name.
    attributes: Option<&'t MakeAttribute<'t>>,
    spent: Cell<usize>,
    depth: Cell<usize>,
    imported: RefCell<BTreeSet<String>>,
}

type Evaluated = Result<Value, TemplateError>;
/// Makes up an attribute: of a resource type, a resource, and the attribute's name.
pub type MakeAttribute<'t> = dyn Fn(&str, &Made, &str) -> Option<Value> + 't;

impl<'t> Evaluator<'t> {
    /// Works the conditions out first.
    ///
    /// # Errors
    /// Where a condition is malformed.
    pub fn new(
        template: &'t Template,
        parameters: &'t IndexMap<String, Value>,
        environment: &'t Environment,
        exports: &'t dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, TemplateError> {
        let mut evaluator = Self::with_conditions(template, parameters, environment, exports, IndexMap::new());
        for name in template.conditions.keys() {
            evaluator.settle(name)?;
        }
        Ok(evaluator)
    }

    /// With conditions that another worked out of the same template and parameters.
    pub fn with_conditions(
        template: &'t Template,
        parameters: &'t IndexMap<String, Value>,
        environment: &'t Environment,
        exports: &'t dyn Fn(&str) -> Option<String>,
        conditions: IndexMap<String, bool>,
    ) -> Self {
        Self {
            template,
            parameters,
            environment,
            conditions,
            exports,
            planning: false,
            attributes: None,
            spent: Cell::new(0),
            depth: Cell::new(0),
            imported: RefCell::default(),
        }
    }

    /// Lets what is not made yet be [`UNKNOWN`].
    #[must_use]
    pub fn planning(mut self) -> Self {
        self.planning = true;
        self
    }

    /// Asks for attributes that a resource was not made with: by its type, what it is, and the attribute's name.
    #[must_use]
    pub fn with_attributes(mut self, attributes: &'t MakeAttribute<'t>) -> Self {
        self.attributes = Some(attributes);
        self
    }

    /// The exports that were imported so far.
    pub fn imported(&self) -> BTreeSet<String> {
        self.imported.borrow().clone()
    }

    pub fn environment(&self) -> &Environment {
        self.environment
    }

    /// Whether a condition holds; what has none always does.
    pub fn holds(&self, condition: Option<&str>) -> bool {
        condition.is_none_or(|name| self.conditions.get(name).copied().unwrap_or(false))
    }

    /// Checks the template's rules.
    ///
    /// # Errors
    /// With the descriptions of all assertions that do not hold.
    pub fn check_rules(&self) -> Result<(), TemplateError> {
        let made = IndexMap::new();
        let mut told = Vec::new();
        for (name, rule) in &self.template.rules {
            if let Some(condition) = &rule.condition
                && !self.test(condition, &made)?
            {
                continue;
            }
            for (assertion, description) in &rule.assertions {
                if !self.test(assertion, &made)? {
                    told.push(description.clone().unwrap_or_else(|| format!("the rule {name} does not hold")));
                }
            }
        }
        if told.is_empty() {
            return Ok(());
        }
        Err(TemplateError::new(format!("Template validation error: {}", told.join("; "))))
    }

    /// A value with its functions worked out. Entries that come to `AWS::NoValue` are left out; where the value itself does,
    /// it is null.
    ///
    /// # Errors
    /// For functions with wrong arguments, and beyond the bounds of depth and size.
    pub fn value(&self, value: &Value, made: &IndexMap<String, Made>) -> Evaluated {
        let depth = self.depth.get();
        if depth > DEPTH_MAX {
            return Err(TemplateError::template(format_args!("values lie deeper than {DEPTH_MAX} in each other")));
        }
        self.depth.set(depth + 1);
        let result = self.value_inside(value, made);
        self.depth.set(depth);
        result
    }

    fn value_inside(&self, value: &Value, made: &IndexMap<String, Made>) -> Evaluated {
        match value {
            Value::String(text) => {
                self.spend(text.len())?;
                Ok(value.clone())
            }
            Value::Array(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    let item = self.value(item, made)?;
                    if !item.is_null() {
                        list.push(item);
                    }
                }
                self.spend(list.len() * 8)?;
                Ok(Value::Array(list))
            }
            Value::Object(map) => {
                if let Some((key, argument)) = function(value) {
                    return self.call(key, argument, made);
                }
                let mut out = Map::new();
                for (key, value) in map {
                    self.spend(key.len() + 8)?;
                    let value = self.value(value, made)?;
                    if !value.is_null() {
                        out.insert(key.clone(), value);
                    }
                }
                Ok(Value::Object(out))
            }
            other => Ok(other.clone()),
        }
    }

    fn spend(&self, bytes: usize) -> Result<(), TemplateError> {
        let spent = self.spent.get().saturating_add(bytes);
        self.spent.set(spent);
        if spent > OUTPUT_BYTES_MAX {
            return Err(TemplateError::template(format_args!("its values come to more than {OUTPUT_BYTES_MAX} bytes")));
        }
        Ok(())
    }

    fn call(&self, name: &str, argument: &Value, made: &IndexMap<String, Made>) -> Evaluated {
        let result = match name {
            "Ref" => self.reference(argument.as_str().ok_or_else(|| arguments(name, "a name"))?, made)?,
            "Fn::GetAtt" => self.get_att(argument, made)?,
            "Fn::Sub" => self.sub(argument, made)?,
            "Fn::Join" => self.join(argument, made)?,
            "Fn::Select" => self.select(argument, made)?,
            "Fn::Split" => {
                let [separator, text] = self.pair(name, argument, made)?;
                let separator = text_of(name, &separator)?;
                let text = text_of(name, &text)?;
                if separator.is_empty() {
                    return Err(arguments(name, "a separator that is not empty, and a string"));
                }
                if self.planning && text.contains(UNKNOWN) {
                    return Ok(Value::from(UNKNOWN));
                }
                Value::Array(text.split(&separator).map(Value::from).collect())
            }
            "Fn::FindInMap" => self.find_in_map(argument, made)?,
            "Fn::If" => match argument.as_array().map(Vec::as_slice) {
                Some([Value::String(condition), yes, no]) => {
                    let holds = self.conditions.get(condition).ok_or_else(|| {
                        TemplateError::template(format_args!(
                            "Fn::If names the condition {condition}, which there is none of"
                        ))
                    })?;
                    self.value(if *holds { yes } else { no }, made)?
                }
                _ => return Err(arguments(name, "the name of a condition and two values")),
            },
            "Fn::Base64" => {
                let text = text_of(name, &self.value(argument, made)?)?;
                if text.contains(UNKNOWN) {
                    Value::from(UNKNOWN)
                } else {
                    Value::from(base64::engine::general_purpose::STANDARD.encode(text))
                }
            }
            "Fn::GetAZs" => {
                let region = text_of(name, &self.value(argument, made)?)?;
                let region = if region.is_empty() { &self.environment.region } else { &region };
                Value::Array(Environment::zones(region))
            }
            "Fn::Cidr" => {
                let list = self.list(name, argument, made)?;
                let (block, count) = match list.as_slice() {
                    [block, count] | [block, count, _] => (text_of(name, block)?, number_of(count)),
                    _ => return Err(arguments(name, "a block, a count and the bits of each")),
                };
                if block.contains(UNKNOWN) {
                    let count = usize::try_from(count.unwrap_or(0).clamp(0, 256)).unwrap_or(0);
                    return Ok(Value::Array(vec![Value::from(UNKNOWN); count]));
                }
                let bits = list.get(2).map(number_of);
                let blocks = match (count, bits) {
                    (Some(count), None) => cidr::divide(&block, count, None),
                    (Some(count), Some(Some(bits))) => cidr::divide(&block, count, Some(bits)),
                    _ => return Err(arguments(name, "a block, a count and the bits of each")),
                };
                Value::Array(blocks.map_err(|why| TemplateError::template(format_args!("Fn::Cidr: {why}")))?)
            }
            "Fn::ImportValue" => {
                let export = text_of(name, &self.value(argument, made)?)?;
                let found = (self.exports)(&export);
                self.imported.borrow_mut().insert(export.clone());
                match found {
                    Some(value) => Value::from(value),
                    None if self.planning && export.contains(UNKNOWN) => Value::from(UNKNOWN),
                    None => return Err(TemplateError::new(format!("No export named {export} found."))),
                }
            }
            "Fn::Length" => match self.value(argument, made)? {
                Value::Array(items) => Value::from(items.len()),
                Value::String(text) if text == UNKNOWN => Value::from(text),
                _ => return Err(arguments(name, "a list")),
            },
            "Fn::ToJsonString" => {
                let value = self.value(argument, made)?;
                if !value.is_array() && !value.is_object() {
                    return Err(arguments(name, "an object or a list"));
                }
                Value::from(value.to_string())
            }
            "Fn::And"
            | "Fn::Or"
            | "Fn::Not"
            | "Fn::Equals"
            | "Fn::Contains"
            | "Fn::EachMemberIn"
            | "Fn::EachMemberEquals" => {
                let whole = Value::Object(Map::from_iter([(name.to_owned(), argument.clone())]));
                Value::Bool(self.test(&whole, made)?)
            }
            _ => {
                return Err(TemplateError::template(format_args!("{name} cannot be worked out here")));
            }
        };
        if let Value::String(text) = &result {
            self.spend(text.len())?;
        }
        Ok(result)
    }

    fn reference(&self, name: &str, made: &IndexMap<String, Made>) -> Evaluated {
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        let environment = self.environment;
        Ok(match name {
            "AWS::AccountId" => Value::from(environment.account.as_str()),
            "AWS::Region" => Value::from(environment.region.as_str()),
            "AWS::Partition" => Value::from(environment.partition.as_str()),
            "AWS::URLSuffix" => Value::from(environment.url_suffix()),
            "AWS::StackName" => Value::from(environment.stack_name.as_str()),
            "AWS::StackId" => Value::from(environment.stack_id.as_str()),
            "AWS::NotificationARNs" => Value::from(environment.notification_arns.clone()),
            "AWS::NoValue" => Value::Null,
            _ => match made.get(name) {
                Some(resource) => Value::from(resource.reference.as_str()),
                None if self.planning && self.is_active(name) => Value::from(UNKNOWN),
                None => return Err(self.unresolved(name)),
            },
        })
    }

    fn is_active(&self, name: &str) -> bool {
        self.template.resources.get(name).is_some_and(|resource| self.holds(resource.condition.as_deref()))
    }

    fn unresolved(&self, name: &str) -> TemplateError {
        TemplateError::format(format_args!(
            "Unresolved resource dependencies [{name}] in the Resources block of the template"
        ))
    }

    fn get_att(&self, argument: &Value, made: &IndexMap<String, Made>) -> Evaluated {
        let (name, attribute) = match argument {
            Value::String(text) => match text.split_once('.') {
                Some((name, attribute)) => (name.to_owned(), attribute.to_owned()),
                None => return Err(arguments("Fn::GetAtt", "a resource and an attribute")),
            },
            Value::Array(items) => match items.as_slice() {
                [Value::String(name), attribute] => {
                    (name.clone(), text_of("Fn::GetAtt", &self.value(attribute, made)?)?)
                }
                [Value::String(name), rest @ ..] if rest.iter().all(Value::is_string) && !rest.is_empty() => {
                    let parts: Vec<&str> = rest.iter().filter_map(Value::as_str).collect();
                    (name.clone(), parts.join("."))
                }
                _ => return Err(arguments("Fn::GetAtt", "a resource and an attribute")),
            },
            _ => return Err(arguments("Fn::GetAtt", "a resource and an attribute")),
        };
        self.attribute(&name, &attribute, made)
    }

    fn attribute(&self, name: &str, attribute: &str, made: &IndexMap<String, Made>) -> Evaluated {
        let Some(resource) = made.get(name) else {
            if self.planning && self.is_active(name) {
                return Ok(Value::from(UNKNOWN));
            }
            return Err(self.unresolved(name));
        };
        if let Some(value) = resource.attributes.get(attribute) {
            return Ok(value.clone());
        }
        // `Outputs.Name`, `Endpoint.Address`: with dots where the attribute is a structure.
        let mut steps = attribute.split('.');
        let mut found = steps.next().and_then(|step| resource.attributes.get(step));
        for step in steps {
            found = found.and_then(|value| value.get(step));
        }
        if let Some(value) = found {
            return Ok(value.clone());
        }
        let kind = self.template.resources.get(name).map_or("", |resource| resource.kind.as_str());
        if let Some(value) = self.attributes.and_then(|attributes| attributes(kind, resource, attribute)) {
            return Ok(value);
        }
        if self.planning {
            return Ok(Value::from(UNKNOWN));
        }
        Err(TemplateError::template(format_args!(
            "resource {name} does not support attribute type {attribute} in Fn::GetAtt{}",
            if kind.is_empty() { String::new() } else { format!(" ({kind})") }
        )))
    }

    fn sub(&self, argument: &Value, made: &IndexMap<String, Made>) -> Evaluated {
        let (text, own) = match argument {
            Value::String(text) => (text, None),
            Value::Array(items) => match items.as_slice() {
                [Value::String(text)] => (text, None),
                [Value::String(text), Value::Object(own)] => (text, Some(own)),
                _ => return Err(arguments("Fn::Sub", "a string, or a string and a map")),
            },
            _ => return Err(arguments("Fn::Sub", "a string, or a string and a map")),
        };
        let mut out = String::with_capacity(text.len());
        for part in parts(text) {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Literal(name) => {
                    out.push_str("${");
                    out.push_str(name);
                    out.push('}');
                }
                Part::Variable(name) => {
                    let value = match own.and_then(|own| own.get(name)) {
                        Some(value) => self.value(value, made)?,
                        None => match name.split_once('.') {
                            Some((resource, attribute)) => self.attribute(resource, attribute, made)?,
                            None => self.reference(name, made)?,
                        },
                    };
                    match value {
                        Value::Array(items) => {
                            let texts: Option<Vec<String>> = items.iter().map(scalar_text).collect();
                            out.push_str(&texts.ok_or_else(|| not_text("Fn::Sub", name))?.join(","));
                        }
                        Value::Null => {}
                        value => out.push_str(&scalar_text(&value).ok_or_else(|| not_text("Fn::Sub", name))?),
                    }
                }
            }
            if out.len() > OUTPUT_BYTES_MAX {
                return Err(TemplateError::template("a text of Fn::Sub is too long"));
            }
        }
        Ok(Value::String(out))
    }

    fn join(&self, argument: &Value, made: &IndexMap<String, Made>) -> Evaluated {
        let [separator, list] = self.pair("Fn::Join", argument, made)?;
        let separator = text_of("Fn::Join", &separator)?;
        let items = match list {
            Value::Array(items) => items,
            Value::String(text) if self.planning && text.contains(UNKNOWN) => vec![Value::String(text)],
            _ => return Err(arguments("Fn::Join", "a separator and a list of strings")),
        };
        let mut out = String::new();
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push_str(&separator);
            }
            out.push_str(&scalar_text(item).ok_or_else(|| arguments("Fn::Join", "a separator and a list of strings"))?);
            if out.len() > OUTPUT_BYTES_MAX {
                return Err(TemplateError::template("a text of Fn::Join is too long"));
            }
        }
        Ok(Value::String(out))
    }

    fn select(&self, argument: &Value, made: &IndexMap<String, Made>) -> Evaluated {
        let [index, list] = self.pair("Fn::Select", argument, made)?;
        let at = number_of(&index).ok_or_else(|| arguments("Fn::Select", "a number and a list"))?;
        match list {
            Value::Array(items) => {
                let chosen = usize::try_from(at).ok().and_then(|at| items.get(at).cloned());
                let unknown = || {
                    self.planning && items.iter().any(|item| item.as_str().is_some_and(|text| text.contains(UNKNOWN)))
                };
                match chosen {
                    Some(item) => Ok(item),
                    None if unknown() => Ok(Value::from(UNKNOWN)),
                    None => Err(TemplateError::template(format_args!(
                        "Fn::Select cannot select nonexistent value at index {at}"
                    ))),
                }
            }
            Value::String(text) if self.planning && text.contains(UNKNOWN) => Ok(Value::String(text)),
            _ => Err(arguments("Fn::Select", "a number and a list")),
        }
    }

    fn find_in_map(&self, argument: &Value, made: &IndexMap<String, Made>) -> Evaluated {
        const NAME: &str = "Fn::FindInMap";
        let items = argument.as_array().filter(|items| matches!(items.len(), 3 | 4));
        let items = items.ok_or_else(|| arguments(NAME, "a map, a top-level key and a second-level key"))?;
        let mut keys = Vec::with_capacity(3);
        for item in &items[..3] {
            keys.push(text_of(NAME, &self.value(item, made)?)?);
        }
        let found = self.template.mappings.get(&keys[0]).and_then(|map| map.get(&keys[1])?.get(&keys[2]));
        match (found, items.get(3)) {
            (Some(value), _) => Ok(value.clone()),
            (None, Some(options)) if options.get("DefaultValue").is_some() => {
                self.value(&options["DefaultValue"], made)
            }
            _ => Err(TemplateError::template(format_args!(
                "Unable to get mapping for {}::{}::{}",
                keys[0], keys[1], keys[2]
            ))),
        }
    }

    fn list(&self, name: &str, argument: &Value, made: &IndexMap<String, Made>) -> Result<Vec<Value>, TemplateError> {
        match self.value(argument, made)? {
            Value::Array(items) => Ok(items),
            _ => Err(arguments(name, "a list")),
        }
    }

    /// Two arguments, worked out. Unlike in [`Self::list`], one may come to nothing.
    fn pair(&self, name: &str, argument: &Value, made: &IndexMap<String, Made>) -> Result<[Value; 2], TemplateError> {
        match argument.as_array().map(Vec::as_slice) {
            Some([first, second]) => Ok([self.value(first, made)?, self.value(second, made)?]),
            _ => Err(arguments(name, "two arguments")),
        }
    }

    fn settle(&mut self, name: &str) -> Result<bool, TemplateError> {
        if let Some(known) = self.conditions.get(name) {
            return Ok(*known);
        }
        let template = self.template;
        let condition = template.conditions.get(name).ok_or_else(|| {
            TemplateError::format(format_args!(
                "Unresolved condition dependency {name} in the Conditions block of the template"
            ))
        })?;
        let mut needed = Vec::new();
        visit(condition, None, &mut |reference| {
            if let Reference::Condition(other) | Reference::Nested(other) = reference {
                needed.push(other);
            }
        });
        let depth = self.depth.get();
        if depth > DEPTH_MAX {
            return Err(TemplateError::template(format_args!("conditions need each other deeper than {DEPTH_MAX}")));
        }
        self.depth.set(depth + 1);
        for other in needed {
            self.settle(other)?;
        }
        self.depth.set(depth);
        let holds = self.test(condition, &IndexMap::new()).map_err(|error| error.at(["Conditions", name]))?;
        self.conditions.insert(name.to_owned(), holds);
        Ok(holds)
    }

    /// Whether a condition holds.
    fn test(&self, condition: &Value, made: &IndexMap<String, Made>) -> Result<bool, TemplateError> {
        let depth = self.depth.get();
        if depth > DEPTH_MAX {
            return Err(TemplateError::template(format_args!("conditions lie deeper than {DEPTH_MAX} in each other")));
        }
        self.depth.set(depth + 1);
        let result = self.test_inside(condition, made);
        self.depth.set(depth);
        result
    }

    fn test_inside(&self, condition: &Value, made: &IndexMap<String, Made>) -> Result<bool, TemplateError> {
        let wrong = || TemplateError::template("a condition must be Fn::And, Fn::Or, Fn::Not, Fn::Equals or Condition");
        if let Some(Value::String(name)) = condition.get("Condition") {
            return self.conditions.get(name).copied().ok_or_else(wrong);
        }
        let Some((name, argument)) = function(condition) else {
            return match scalar_text(condition).as_deref() {
                Some("true") => Ok(true),
                Some("false") => Ok(false),
                _ => Err(wrong()),
            };
        };
        let many = |least: usize| {
            let items = argument.as_array().filter(|items| (least..=10).contains(&items.len()));
            items.ok_or_else(|| arguments(name, "2 to 10 conditions"))
        };
        Ok(match name {
            "Fn::And" => {
                let mut all = true;
                for item in many(2)? {
                    all &= self.test(item, made)?;
                }
                all
            }
            "Fn::Or" => {
                let mut any = false;
                for item in many(2)? {
                    any |= self.test(item, made)?;
                }
                any
            }
            "Fn::Not" => match argument.as_array().map(Vec::as_slice) {
                Some([one]) => !self.test(one, made)?,
                _ => return Err(arguments(name, "one condition in a list")),
            },
            "Fn::Equals" => {
                let [left, right] = self.pair(name, argument, made)?;
                same(&left, &right)
            }
            "Fn::Contains" => {
                let [list, wanted] = self.pair(name, argument, made)?;
                list.as_array().is_some_and(|items| items.iter().any(|item| same(item, &wanted)))
            }
            "Fn::EachMemberIn" => {
                let [list, within] = self.pair(name, argument, made)?;
                let within = within.as_array().cloned().unwrap_or_default();
                list.as_array()
                    .is_some_and(|items| items.iter().all(|item| within.iter().any(|other| same(item, other))))
            }
            "Fn::EachMemberEquals" => {
                let [list, wanted] = self.pair(name, argument, made)?;
                list.as_array().is_some_and(|items| items.iter().all(|item| same(item, &wanted)))
            }
            _ => match self.value(condition, made)? {
                Value::Bool(holds) => holds,
                Value::String(text) if text == "true" || text == "false" => text == "true",
                _ => return Err(wrong()),
            },
        })
    }
}

/// Equal as texts: `1` is `"1"`.
fn same(left: &Value, right: &Value) -> bool {
    match (scalar_text(left), scalar_text(right)) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

fn arguments(name: &str, expected: &str) -> TemplateError {
    TemplateError::template(format_args!("{name} object requires {expected}"))
}

fn not_text(name: &str, variable: &str) -> TemplateError {
    TemplateError::template(format_args!("{name}: the value of {variable} is no string"))
}

fn text_of(name: &str, value: &Value) -> Result<String, TemplateError> {
    scalar_text(value).ok_or_else(|| arguments(name, "strings as arguments"))
}

fn number_of(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
