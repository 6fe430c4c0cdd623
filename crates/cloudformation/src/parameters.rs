//! Parameters: what a template declares, and the values that a stack has for them.

use indexmap::IndexMap;
use regex::Regex;
use serde_json::Value;

use crate::error::TemplateError;

/// Bytes of a value, at most. Source: "CloudFormation quotas".
const VALUE_MAX: usize = 4096;
/// What a hidden value is shown as.
pub const HIDDEN: &str = "****";

/// The resource-specific types, besides their lists. Source: "CloudFormation-supplied parameter types".
const SPECIFIC: &[&str] = &[
    "AWS::EC2::AvailabilityZone::Name",
    "AWS::EC2::Image::Id",
    "AWS::EC2::Instance::Id",
    "AWS::EC2::KeyPair::KeyName",
    "AWS::EC2::SecurityGroup::GroupName",
    "AWS::EC2::SecurityGroup::Id",
    "AWS::EC2::Subnet::Id",
    "AWS::EC2::VPC::Id",
    "AWS::EC2::Volume::Id",
    "AWS::Route53::HostedZone::Id",
];

/// A parameter as its template declares it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub kind: ParameterType,
    /// As the template writes the type.
    pub type_name: String,
    pub default: Option<String>,
    pub allowed_values: Vec<String>,
    pub allowed_pattern: Option<String>,
    pub constraint_description: Option<String>,
    pub description: Option<String>,
    pub min_length: Option<usize>,
    pub max_length: Option<usize>,
    pub min_value: Option<f64>,
    pub max_value: Option<f64>,
    pub no_echo: bool,
}

/// What values of a parameter are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterType {
    String,
    Number,
    NumberList,
    /// `CommaDelimitedList`, and `List<String>` and lists of the resource-specific types alike.
    TextList,
    /// Something that exists: `AWS::EC2::VPC::Id`. A string to us.
    Specific,
    /// `AWS::SSM::Parameter::Name`: the name itself.
    SsmName,
    /// `AWS::SSM::Parameter::Value<…>`: the name of a parameter of the Systems Manager, whose value is taken; a list of them
    /// where this says so.
    SsmValue {
        list: bool,
    },
}

impl ParameterType {
    fn parse(text: &str) -> Option<Self> {
        let inner = |text: &str, outer: &str| {
            let rest = text.strip_prefix(outer)?.strip_prefix('<')?.strip_suffix('>')?;
            Some(rest.trim().to_owned())
        };
        Some(match text {
            "String" => Self::String,
            "Number" => Self::Number,
            "List<Number>" => Self::NumberList,
            "CommaDelimitedList" | "List<String>" => Self::TextList,
            "AWS::SSM::Parameter::Name" => Self::SsmName,
            _ if SPECIFIC.contains(&text) => Self::Specific,
            _ => {
                if let Some(of) = inner(text, "List") {
                    SPECIFIC.contains(&of.as_str()).then_some(Self::TextList)?
                } else {
                    let of = inner(text, "AWS::SSM::Parameter::Value")?;
                    let list = of == "CommaDelimitedList" || of.starts_with("List<");
                    let known = of == "String" || list || SPECIFIC.contains(&of.as_str());
                    known.then_some(Self::SsmValue { list })?
                }
            }
        })
    }

    pub fn is_list(&self) -> bool {
        matches!(self, Self::NumberList | Self::TextList | Self::SsmValue { list: true })
    }
}

impl Parameter {
    pub(crate) fn read(name: &str, value: &Value) -> Result<Self, TemplateError> {
        let wrong = |what: String| TemplateError::format(format_args!("[/Parameters/{name}] {what}"));
        if name.is_empty() || name.len() > 255 || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(TemplateError::format(format_args!("Parameter name {name} is non alphanumeric.")));
        }
        let map = value.as_object().ok_or_else(|| wrong("every parameter must be an object".to_owned()))?;
        let type_name = map
            .get("Type")
            .and_then(Value::as_str)
            .ok_or_else(|| wrong("Every Parameters object must contain a Type member.".to_owned()))?;
        let kind = ParameterType::parse(type_name)
            .ok_or_else(|| TemplateError::format(format_args!("Unrecognized parameter type: {type_name}")))?;
        const KNOWN: &[&str] = &[
            "Type",
            "Default",
            "AllowedValues",
            "AllowedPattern",
            "ConstraintDescription",
            "Description",
            "MinLength",
            "MaxLength",
            "MinValue",
            "MaxValue",
            "NoEcho",
        ];
        if let Some(unknown) = map.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(wrong(format!("Encountered unsupported property {unknown}")));
        }
        let scalar = |key: &str| match map.get(key) {
            None => Ok(None),
            Some(value) => {
                scalar_text(value).map(Some).ok_or_else(|| wrong(format!("the member {key} must be a string")))
            }
        };
        let number = |key: &str| match scalar(key)? {
            None => Ok(None),
            Some(text) => {
                text.trim().parse::<f64>().map(Some).map_err(|_| wrong(format!("the member {key} must be a number")))
            }
        };
        let length = |key: &str| {
            number(key).map(|number| {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
                number.map(|number| number as usize)
            })
        };
        let default = match map.get("Default") {
            Some(Value::Array(items)) if kind.is_list() => {
                let texts: Option<Vec<String>> = items.iter().map(scalar_text).collect();
                Some(texts.ok_or_else(|| wrong("the member Default must be a string".to_owned()))?.join(","))
            }
            _ => scalar("Default")?,
        };
        let allowed_values = match map.get("AllowedValues") {
            None => Vec::new(),
            Some(Value::Array(list)) => {
                let texts: Option<Vec<String>> = list.iter().map(scalar_text).collect();
                texts.ok_or_else(|| wrong("AllowedValues must be strings".to_owned()))?
            }
            Some(_) => return Err(wrong("the member AllowedValues must be a list".to_owned())),
        };
        let parameter = Self {
            kind,
            type_name: type_name.to_owned(),
            default,
            allowed_values,
            allowed_pattern: scalar("AllowedPattern")?,
            constraint_description: scalar("ConstraintDescription")?,
            description: scalar("Description")?,
            min_length: length("MinLength")?,
            max_length: length("MaxLength")?,
            min_value: number("MinValue")?,
            max_value: number("MaxValue")?,
            no_echo: matches!(map.get("NoEcho"), Some(value) if scalar_text(value).is_some_and(|text| text == "true")),
        };
        if let Some(pattern) = &parameter.allowed_pattern {
            whole(pattern).map_err(|_| wrong(format!("the AllowedPattern {pattern:?} is no regular expression")))?;
        }
        if let Some(default) = &parameter.default
            && !matches!(parameter.kind, ParameterType::SsmValue { .. })
        {
            parameter.check(name, default)?;
        }
        Ok(parameter)
    }

    /// Checks a value as given against what the template asks of it.
    fn check(&self, name: &str, given: &str) -> Result<(), TemplateError> {
        let told = |what: &str| {
            let what = self.constraint_description.as_deref().map_or_else(|| what.to_owned(), str::to_owned);
            TemplateError::new(format!("Parameter '{name}' {}", prefixed(&what)))
        };
        if given.len() > VALUE_MAX {
            return Err(TemplateError::new(format!("Parameter '{name}' must be at most {VALUE_MAX} bytes long")));
        }
        let items: Vec<&str> =
            if self.kind.is_list() { given.split(',').map(str::trim).collect() } else { vec![given] };
        for item in items {
            if matches!(self.kind, ParameterType::Number | ParameterType::NumberList) {
                let number: f64 = item
                    .trim()
                    .parse()
                    .map_err(|_| TemplateError::new(format!("Parameter '{name}' must be a number")))?;
                if self.min_value.is_some_and(|least| number < least) {
                    return Err(told(&format!(
                        "must be a number not less than {}",
                        self.min_value.unwrap_or_default()
                    )));
                }
                if self.max_value.is_some_and(|most| number > most) {
                    return Err(told(&format!(
                        "must be a number not greater than {}",
                        self.max_value.unwrap_or_default()
                    )));
                }
            } else {
                let length = item.chars().count();
                if self.min_length.is_some_and(|least| length < least) {
                    return Err(told(&format!(
                        "must contain at least {} characters",
                        self.min_length.unwrap_or_default()
                    )));
                }
                if self.max_length.is_some_and(|most| length > most) {
                    return Err(told(&format!(
                        "must contain at most {} characters",
                        self.max_length.unwrap_or_default()
                    )));
                }
            }
            if !self.allowed_values.is_empty() && !self.allowed_values.iter().any(|allowed| allowed == item) {
                return Err(told(&format!("must be one of AllowedValues: [{}]", self.allowed_values.join(", "))));
            }
            if let Some(pattern) = &self.allowed_pattern
                && !whole(pattern).is_ok_and(|pattern| pattern.is_match(item))
            {
                return Err(told(&format!("must match pattern {pattern}")));
            }
        }
        Ok(())
    }

    /// The value that `Ref` has: a string, or a list of strings.
    fn value(&self, given: &str) -> Value {
        if self.kind.is_list() {
            if given.is_empty() {
                return Value::Array(Vec::new());
            }
            return Value::Array(given.split(',').map(|item| Value::from(item.trim())).collect());
        }
        Value::from(given)
    }
}

/// What a constraint's own words are put after.
fn prefixed(what: &str) -> String {
    if what.starts_with("must ") { what.to_owned() } else { format!("failed to satisfy constraint: {what}") }
}

fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(1 << 20).build()
}

/// A string, number or boolean as CloudFormation writes it.
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// The value of one parameter of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// As the caller gave it; of an SSM type the name.
    pub text: String,
    /// Of an SSM type: what was found under the name.
    pub resolved: Option<String>,
}

/// What a caller says of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    Value(String),
    /// The stack's value stays.
    Previous,
}

/// Finds values for all parameters.
///
/// `lookup` finds parameters of the Systems Manager by name.
///
/// # Errors
/// For parameters that the template does not declare, that have no value, or whose value it does not allow.
pub fn resolve(
    declared: &IndexMap<String, Parameter>,
    arguments: &IndexMap<String, Argument>,
    previous: &IndexMap<String, Given>,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<IndexMap<String, Given>, TemplateError> {
    let unknown: Vec<&str> =
        arguments.keys().filter(|name| !declared.contains_key(*name)).map(String::as_str).collect();
    if !unknown.is_empty() {
        return Err(TemplateError::new(format!("Parameters: [{}] do not exist in the template", unknown.join(", "))));
    }
    let mut values = IndexMap::new();
    let mut missing = Vec::new();
    for (name, parameter) in declared {
        let text = match arguments.get(name) {
            Some(Argument::Value(text)) => Some(text),
            Some(Argument::Previous) => {
                let kept = previous.get(name).map(|given| &given.text);
                if kept.is_none() {
                    return Err(TemplateError::new(format!(
                        "Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a parameter \
                         key not in the previous template"
                    )));
                }
                kept
            }
            None => parameter.default.as_ref(),
        };
        let Some(text) = text else {
            missing.push(name.as_str());
            continue;
        };
        let resolved = match parameter.kind {
            ParameterType::SsmValue { .. } => Some(lookup(text).ok_or_else(|| {
                TemplateError::new(format!(
                    "Unable to fetch parameters [{text}] from parameter store for this account."
                ))
            })?),
            _ => None,
        };
        parameter.check(name, resolved.as_deref().unwrap_or(text))?;
        values.insert(name.clone(), Given { text: text.clone(), resolved });
    }
    if !missing.is_empty() {
        return Err(TemplateError::new(format!("Parameters: [{}] must have values", missing.join(", "))));
    }
    Ok(values)
}

/// What `Ref` has for each parameter.
pub fn references(declared: &IndexMap<String, Parameter>, values: &IndexMap<String, Given>) -> IndexMap<String, Value> {
    let value = |(name, given): (&String, &Given)| {
        let parameter = declared.get(name)?;
        Some((name.clone(), parameter.value(given.resolved.as_ref().unwrap_or(&given.text))))
    };
    values.iter().filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
    fn run(declared: Value, arguments: &[(&str, &str)]) -> Result<IndexMap<String, Value>, TemplateError> {
        let declared: IndexMap<String, Parameter> =
            IndexMap::from([("P".to_owned(), Parameter::read("P", &declared)?)]);
        let arguments =
            arguments.iter().map(|(name, value)| ((*name).to_owned(), Argument::Value((*value).to_owned()))).collect();
        let lookup = |name: &str| (name == "/ami").then(|| "ami-1".to_owned());
        let values = resolve(&declared, &arguments, &IndexMap::new(), &lookup)?;
        Ok(references(&declared, &values))
    }

    #[test]
    fn values_take_their_types() {
        let check = |declared: Value, given: &str, expect: Value| {
            assert_eq!(run(declared, &[("P", given)]).unwrap()["P"], expect);
        };
        check(json!({"Type": "String"}), "a", json!("a"));
        check(json!({"Type": "Number"}), "1.5", json!("1.5"));
        check(json!({"Type": "CommaDelimitedList"}), "a, b", json!(["a", "b"]));
        check(json!({"Type": "List<Number>"}), "1,2", json!(["1", "2"]));
        check(json!({"Type": "List<AWS::EC2::Subnet::Id>"}), "s-1", json!(["s-1"]));
        check(json!({"Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"}), "/ami", json!("ami-1"));
        check(json!({"Type": "AWS::SSM::Parameter::Value<List<String>>"}), "/ami", json!(["ami-1"]));
        assert_eq!(run(json!({"Type": "Number", "Default": 3}), &[]).unwrap()["P"], json!("3"));
        assert_eq!(run(json!({"Type": "CommaDelimitedList", "Default": ""}), &[]).unwrap()["P"], json!([]));
    }

    #[test]
    fn constraints_hold() {
        let check = |declared: Value, given: &str, message: &str| {
            let error = run(declared, &[("P", given)]).expect_err(message);
            assert!(error.message.contains(message), "{}", error.message);
        };
        check(json!({"Type": "String", "AllowedValues": ["a", "b"]}), "c", "must be one of AllowedValues: [a, b]");
        check(json!({"Type": "String", "AllowedPattern": "[a-z]+"}), "ab1", "must match pattern [a-z]+");
        check(json!({"Type": "String", "AllowedPattern": "x", "ConstraintDescription": "only x"}), "y", "only x");
        check(json!({"Type": "String", "MinLength": "3"}), "ab", "at least 3");
        check(json!({"Type": "String", "MaxLength": 3}), "abcd", "at most 3");
        check(json!({"Type": "Number"}), "x", "must be a number");
        check(json!({"Type": "Number", "MinValue": 2}), "1", "not less than 2");
        check(json!({"Type": "Number", "MaxValue": 2}), "3", "not greater than 2");
        check(json!({"Type": "List<Number>"}), "1,x", "must be a number");
        check(json!({"Type": "AWS::SSM::Parameter::Value<String>"}), "/none", "[/none] from parameter store");
        check(json!({"Type": "Strung"}), "", "Unrecognized parameter type: Strung");
        check(json!({"Type": "String", "Default": "d", "AllowedValues": ["a"]}), "a", "must be one of");
        check(json!({"Type": "String"}), &"x".repeat(5000), "4096");
        let error = run(json!({"Type": "String"}), &[]).unwrap_err();
        assert_eq!(error.message, "Parameters: [P] must have values");
        let error = run(json!({"Type": "String"}), &[("P", "a"), ("Q", "b")]).unwrap_err();
        assert_eq!(error.message, "Parameters: [Q] do not exist in the template");
    }
}
