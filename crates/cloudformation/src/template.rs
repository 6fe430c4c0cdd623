//! A template with its sections told apart.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::error::TemplateError;
use crate::parameters::Parameter;

/// Resources in a template, at most. Source of this and the others: "CloudFormation quotas".
pub const RESOURCES_MAX: usize = 500;
pub const PARAMETERS_MAX: usize = 200;
pub const OUTPUTS_MAX: usize = 200;
pub const MAPPINGS_MAX: usize = 200;
/// Bytes of a description, at most.
const DESCRIPTION_MAX: usize = 1024;

const SECTIONS: &[&str] = &[
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Hooks",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
];

/// What a template says, transforms done or not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    pub description: Option<String>,
    pub metadata: Option<Value>,
    pub parameters: IndexMap<String, Parameter>,
    pub rules: IndexMap<String, Rule>,
    /// By map, then top-level key, then second-level key.
    pub mappings: Map<String, Value>,
    pub conditions: IndexMap<String, Value>,
    pub transforms: Vec<Value>,
    pub resources: IndexMap<String, Resource>,
    pub outputs: IndexMap<String, Output>,
}

/// What must hold of the parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// When it is looked at; always where this is absent.
    pub condition: Option<Value>,
    /// What must be true, and what is said where it is not.
    pub assertions: Vec<(Value, Option<String>)>,
}

/// A resource as its template declares it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// `AWS::S3::Bucket`, `Custom::Thing`.
    pub kind: String,
    pub properties: Value,
    pub depends_on: Vec<String>,
    pub condition: Option<String>,
    pub metadata: Option<Value>,
    pub deletion_policy: Policy,
    pub update_replace_policy: Policy,
    pub creation_policy: Option<Value>,
    pub update_policy: Option<Value>,
}

/// What becomes of a resource that the stack no longer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Policy {
    #[default]
    Delete,
    Retain,
    /// Kept, unless its creation failed.
    RetainExceptOnCreate,
    /// Deleted; a copy of its data stays.
    Snapshot,
}

impl Policy {
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Delete, Self::Retain, Self::RetainExceptOnCreate, Self::Snapshot]
            .into_iter()
            .find(|policy| policy.name() == text)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Delete => "Delete",
            Self::Retain => "Retain",
            Self::RetainExceptOnCreate => "RetainExceptOnCreate",
            Self::Snapshot => "Snapshot",
        }
    }

    pub fn keeps(self) -> bool {
        matches!(self, Self::Retain | Self::RetainExceptOnCreate)
    }
}

/// What a stack tells others.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub description: Option<String>,
    pub value: Value,
    pub condition: Option<String>,
    /// The name under which other stacks import it.
    pub export: Option<Value>,
}

impl Template {
    /// Tells the sections of a template apart. What lies in values is not looked at: see [`crate::check`].
    ///
    /// # Errors
    /// For sections, attributes and types that CloudFormation does not know, and beyond its quotas.
    pub fn read(value: &Value) -> Result<Self, TemplateError> {
        let root = value.as_object().ok_or_else(|| TemplateError::format("the template is not an object"))?;
        let unknown: Vec<&str> = root.keys().map(String::as_str).filter(|key| !SECTIONS.contains(key)).collect();
        if !unknown.is_empty() {
            let names = unknown.join(", ");
            return Err(
                TemplateError::new(format!("Invalid template property or properties [{names}]")).at([unknown[0]])
            );
        }
        if let Some(version) = root.get("AWSTemplateFormatVersion").filter(|version| *version != "2010-09-09") {
            return Err(TemplateError::format(format_args!(
                "unsupported value {version} for AWSTemplateFormatVersion; the only one is 2010-09-09"
            ))
            .at(["AWSTemplateFormatVersion"]));
        }
        let mut template = Self { metadata: root.get("Metadata").cloned(), ..Self::default() };
        if let Some(description) = root.get("Description") {
            let text = description.as_str().filter(|text| text.len() <= DESCRIPTION_MAX);
            template.description = Some(
                text.ok_or_else(|| {
                    TemplateError::format(format_args!(
                        "'Description' must be a string of at most {DESCRIPTION_MAX} bytes"
                    ))
                    .at(["Description"])
                })?
                .to_owned(),
            );
        }
        template.transforms = match root.get("Transform") {
            None => Vec::new(),
            Some(Value::Array(list)) => list.clone(),
            Some(one) => vec![one.clone()],
        };
        for (name, declared) in section(root, "Parameters", PARAMETERS_MAX)? {
            let parameter = Parameter::read(name, declared).map_err(|error| error.at(["Parameters", name]))?;
            template.parameters.insert(name.clone(), parameter);
        }
        for (name, rule) in section(root, "Rules", PARAMETERS_MAX)? {
            template.rules.insert(name.clone(), read_rule(name, rule)?);
        }
        for (name, map) in section(root, "Mappings", MAPPINGS_MAX)? {
            check_mapping(name, map)?;
            template.mappings.insert(name.clone(), map.clone());
        }
        for (name, condition) in section(root, "Conditions", usize::MAX)? {
            template.conditions.insert(name.clone(), condition.clone());
        }
        if root.get("Resources").and_then(Value::as_object).is_none_or(Map::is_empty) {
            return Err(TemplateError::format("At least one Resources member must be defined."));
        }
        for (name, resource) in section(root, "Resources", RESOURCES_MAX)? {
            let read = Resource::read(name, resource).map_err(|error| error.at(["Resources", name]))?;
            template.resources.insert(name.clone(), read);
        }
        for (name, output) in section(root, "Outputs", OUTPUTS_MAX)? {
            let read = Output::read(name, output).map_err(|error| error.at(["Outputs", name]))?;
            template.outputs.insert(name.clone(), read);
        }
        Ok(template)
    }

    /// Reads only the parameters: what transforms need to know beforehand.
    pub fn read_parameters(value: &Value) -> Result<IndexMap<String, Parameter>, TemplateError> {
        let empty = Map::new();
        let root = value.as_object().unwrap_or(&empty);
        section(root, "Parameters", PARAMETERS_MAX)?
            .into_iter()
            .map(|(name, declared)| {
                let parameter = Parameter::read(name, declared).map_err(|error| error.at(["Parameters", name]))?;
                Ok((name.clone(), parameter))
            })
            .collect()
    }

    /// The names of the resource types, each once, in the order in which they come.
    pub fn types(&self) -> Vec<&str> {
        let mut types: Vec<&str> = Vec::new();
        for resource in self.resources.values() {
            if !types.contains(&resource.kind.as_str()) {
                types.push(&resource.kind);
            }
        }
        types
    }
}

/// The names of the transforms that a template asks for.
pub fn transform_names(value: &Value) -> Vec<&str> {
    let name = |transform: &'_ Value| -> Option<usize> { transform.as_str().map(str::len) };
    let list: Vec<&Value> = match value.get("Transform") {
        None => Vec::new(),
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one) => vec![one],
    };
    list.into_iter()
        .filter_map(|one| if name(one).is_some() { one.as_str() } else { one.get("Name").and_then(Value::as_str) })
        .collect()
}

fn section<'v>(
    root: &'v Map<String, Value>,
    name: &str,
    most: usize,
) -> Result<Vec<(&'v String, &'v Value)>, TemplateError> {
    let Some(value) = root.get(name) else { return Ok(Vec::new()) };
    let entries = value.as_object().ok_or_else(|| {
        TemplateError::format(format_args!("[/{name}] the section {name} must be an object")).at([name])
    })?;
    if entries.len() > most {
        return Err(TemplateError::format(format_args!(
            "Number of {}, {}, is greater than maximum allowed, {most}",
            name.to_lowercase(),
            entries.len()
        ))
        .at([name]));
    }
    Ok(entries.iter().collect())
}

fn alphanumeric(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl Resource {
    fn read(name: &str, value: &Value) -> Result<Self, TemplateError> {
        if !alphanumeric(name) {
            return Err(TemplateError::format(format_args!("Resource name {name} is non alphanumeric.")));
        }
        let map = value.as_object().ok_or_else(|| {
            TemplateError::format(format_args!("[/Resources/{name}] resource definition is malformed"))
        })?;
        let kind = map.get("Type").and_then(Value::as_str).ok_or_else(|| {
            TemplateError::format(format_args!(
                "[/Resources/{name}] Every Resources object must contain a Type member."
            ))
        })?;
        const KNOWN: &[&str] = &[
            "Type",
            "Properties",
            "DependsOn",
            "Condition",
            "Metadata",
            "DeletionPolicy",
            "UpdateReplacePolicy",
            "CreationPolicy",
            "UpdatePolicy",
        ];
        if let Some(unknown) = map.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(TemplateError::format(format_args!(
                "[/Resources/{name}] Encountered unsupported property {unknown}"
            )));
        }
        let properties = match map.get("Properties") {
            None => Value::Object(Map::new()),
            Some(properties @ Value::Object(_)) => properties.clone(),
            Some(_) => {
                return Err(TemplateError::format(format_args!("[/Resources/{name}/Properties] must be an object")));
            }
        };
        let depends_on = match map.get("DependsOn") {
            None => Vec::new(),
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(list)) if list.iter().all(Value::is_string) => {
                list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(_) => {
                return Err(TemplateError::format(format_args!(
                    "[/Resources/{name}/DependsOn] must be a string or a list of strings"
                )));
            }
        };
        let condition = match map.get("Condition") {
            None => None,
            Some(Value::String(condition)) => Some(condition.clone()),
            Some(_) => {
                return Err(TemplateError::format(format_args!("[/Resources/{name}/Condition] must be a string")));
            }
        };
        let policy = |key: &str| match map.get(key) {
            None => Ok(Policy::default()),
            Some(given) => given
                .as_str()
                .and_then(Policy::parse)
                .ok_or_else(|| TemplateError::template(format_args!("Unrecognized {key} {given} for resource {name}"))),
        };
        let update_replace_policy = policy("UpdateReplacePolicy")?;
        if update_replace_policy == Policy::RetainExceptOnCreate {
            return Err(TemplateError::template(format_args!(
                "Unrecognized UpdateReplacePolicy RetainExceptOnCreate for resource {name}"
            )));
        }
        Ok(Self {
            kind: kind.to_owned(),
            properties,
            depends_on,
            condition,
            metadata: map.get("Metadata").cloned(),
            deletion_policy: policy("DeletionPolicy")?,
            update_replace_policy,
            creation_policy: map.get("CreationPolicy").cloned(),
            update_policy: map.get("UpdatePolicy").cloned(),
        })
    }
}

impl Output {
    fn read(name: &str, value: &Value) -> Result<Self, TemplateError> {
        if !alphanumeric(name) {
            return Err(TemplateError::format(format_args!("Output name {name} is non alphanumeric.")));
        }
        let map = value
            .as_object()
            .ok_or_else(|| TemplateError::format(format_args!("[/Outputs/{name}] output definition is malformed")))?;
        let given = map.get("Value").ok_or_else(|| {
            TemplateError::format(format_args!("[/Outputs/{name}] Every Outputs member must contain a Value object"))
        })?;
        if let Some(unknown) =
            map.keys().find(|key| !["Description", "Value", "Condition", "Export"].contains(&key.as_str()))
        {
            return Err(TemplateError::format(format_args!(
                "[/Outputs/{name}] Encountered unsupported property {unknown}"
            )));
        }
        let export = match map.get("Export") {
            None => None,
            Some(export) => Some(
                export
                    .get("Name")
                    .cloned()
                    .ok_or_else(|| TemplateError::format(format_args!("[/Outputs/{name}/Export] must have a Name")))?,
            ),
        };
        Ok(Self {
            description: map.get("Description").and_then(Value::as_str).map(str::to_owned),
            value: given.clone(),
            condition: map.get("Condition").and_then(Value::as_str).map(str::to_owned),
            export,
        })
    }
}

fn read_rule(name: &str, value: &Value) -> Result<Rule, TemplateError> {
    let wrong =
        || TemplateError::format(format_args!("[/Rules/{name}] must have a list of Assertions")).at(["Rules", name]);
    let assertions = value.get("Assertions").and_then(Value::as_array).ok_or_else(wrong)?;
    let assertions = assertions.iter().map(|one| {
        let assert = one.get("Assert").cloned().ok_or_else(wrong)?;
        Ok((assert, one.get("AssertDescription").and_then(Value::as_str).map(str::to_owned)))
    });
    Ok(Rule { condition: value.get("RuleCondition").cloned(), assertions: assertions.collect::<Result<_, _>>()? })
}

fn check_mapping(name: &str, map: &Value) -> Result<(), TemplateError> {
    let wrong = |what: &str| TemplateError::format(format_args!("[/Mappings/{name}] {what}")).at(["Mappings", name]);
    let top = map.as_object().ok_or_else(|| wrong("every Mappings member must be a map"))?;
    // With Fn::ForEach or Fn::Transform in it, its form is known only once they are done.
    for (key, inner) in top.iter().filter(|(key, _)| !key.starts_with("Fn::")) {
        let inner = inner.as_object().ok_or_else(|| wrong(&format!("the member {key} must be a map")))?;
        for (second, value) in inner {
            let plain = match value {
                Value::Array(items) => items.iter().all(|item| !item.is_object() && !item.is_array()),
                Value::Object(_) => second.starts_with("Fn::"),
                _ => true,
            };
            if !plain {
                return Err(wrong(&format!("the value of {key}, {second} must be a string or a list of strings")));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
    fn check(template: Value, message: &str) {
        let error = Template::read(&template).expect_err(message);
        assert!(error.message.contains(message), "{}", error.message);
    }

    #[test]
    fn sections_are_known() {
        check(json!({"Resourcen": {}}), "Invalid template property or properties [Resourcen]");
        check(json!({"Resources": {}}), "At least one Resources member must be defined.");
        check(json!({"Resources": {"A": {}}}), "[/Resources/A] Every Resources object must contain a Type member.");
        check(json!({"Resources": {"A-b": {"Type": "T"}}}), "Resource name A-b is non alphanumeric.");
        check(json!({"Resources": {"A": {"Type": "T", "Props": {}}}}), "unsupported property Props");
        check(json!({"Resources": {"A": {"Type": "T", "DeletionPolicy": "Keep"}}}), "Unrecognized DeletionPolicy");
        check(json!({"Resources": {"A": {"Type": "T"}}, "Outputs": {"O": {}}}), "must contain a Value");
        check(json!({"AWSTemplateFormatVersion": "2011", "Resources": {"A": {"Type": "T"}}}), "unsupported value");
        check(json!({"Resources": {"A": {"Type": "T"}}, "Mappings": {"M": {"a": {"b": {"c": 1}}}}}), "[/Mappings/M]");
        let many: Map<String, Value> = (0..501).map(|at| (format!("R{at}"), json!({"Type": "T"}))).collect();
        check(json!({"Resources": many}), "Number of resources, 501, is greater than maximum allowed, 500");
    }

    #[test]
    fn resources_are_read() {
        let template = Template::read(&json!({
            "Description": "d",
            "Transform": "AWS::LanguageExtensions",
            "Resources": {"A": {"Type": "T", "DependsOn": "B", "DeletionPolicy": "Retain"}, "B": {"Type": "T"}},
            "Outputs": {"O": {"Value": "v", "Export": {"Name": "n"}}},
        }))
        .unwrap();
        let a = &template.resources["A"];
        assert_eq!((a.depends_on.as_slice(), a.deletion_policy), (&["B".to_owned()][..], Policy::Retain));
        assert_eq!(template.outputs["O"].export, Some(json!("n")));
        assert_eq!((template.types(), template.transforms.len()), (vec!["T"], 1));
    }
}
