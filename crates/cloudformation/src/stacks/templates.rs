//! Templates of requests: where they come from, and what can be said of them before a stack is made.

use std::collections::HashMap;

use indexmap::IndexMap;
use serde_json::Value;
use standin_model::{Document, Fields};
use standin_store::Space;

use super::deploy::Goal;
use super::record::{ParameterValue, Stack};
use super::{Failure, Stacks, environment, given, invalid, stored};
use crate::evaluate::Environment;
use crate::include::{INCLUDE, included, locations};
use crate::parameters::{Argument, ParameterType};
use crate::references::{Reference, visit};
use crate::resources::Place;
use crate::source::{self, BODY_BYTES_MAX, BYTES_MAX};
use crate::template::{Template, transform_names};
use crate::transform::{self, Prepared, prepare};

/// Resource types whose creation asks for `CAPABILITY_IAM`, and the property by which it asks for `CAPABILITY_NAMED_IAM`.
/// Source: "Acknowledging IAM resources in CloudFormation templates".
const IAM: &[(&str, &str)] = &[
    ("AWS::IAM::AccessKey", ""),
    ("AWS::IAM::Group", "GroupName"),
    ("AWS::IAM::InstanceProfile", "InstanceProfileName"),
    ("AWS::IAM::ManagedPolicy", "ManagedPolicyName"),
    ("AWS::IAM::Policy", ""),
    ("AWS::IAM::Role", "RoleName"),
    ("AWS::IAM::User", "UserName"),
    ("AWS::IAM::UserToGroupAddition", ""),
];

/// Pieces within pieces of templates, at most.
const INCLUDES_MAX: usize = 4;

/// What the caller says of parameters.
pub(crate) fn arguments(input: &Document) -> IndexMap<String, Argument> {
    let list = input.get("Parameters").and_then(Document::as_list).unwrap_or_default();
    let mut arguments = IndexMap::new();
    for one in list {
        let Some(key) = one.get("ParameterKey").and_then(Document::as_str) else { continue };
        let previous = one.get("UsePreviousValue").and_then(Document::as_bool) == Some(true);
        let argument = match one.get("ParameterValue").and_then(Document::as_str) {
            _ if previous => Argument::Previous,
            Some(value) => Argument::Value(value.to_owned()),
            None => Argument::Value(String::new()),
        };
        arguments.insert(key.to_owned(), argument);
    }
    arguments
}

/// What is kept of the values of parameters.
pub(crate) fn kept(prepared: &Prepared) -> IndexMap<String, ParameterValue> {
    let one = |(name, given): (&String, &crate::parameters::Given)| {
        let no_echo = prepared.template.parameters.get(name).is_some_and(|parameter| parameter.no_echo);
        (name.clone(), ParameterValue { value: given.text.clone(), resolved: given.resolved.clone(), no_echo })
    };
    prepared.values.iter().map(one).collect()
}

impl Stacks {
    /// The text of the template that a request carries or names; nothing where it does neither.
    pub(crate) async fn body_of(&self, place: &Place, input: &Document) -> Result<Option<String>, Failure> {
        let text = |name: &str| input.get(name).and_then(Document::as_str).filter(|text| !text.is_empty());
        match (text("TemplateBody"), text("TemplateURL")) {
            (Some(_), Some(_)) => Err(invalid("Specify exactly one of 'TemplateBody' or 'TemplateUrl'")),
            (Some(body), None) if body.len() > BODY_BYTES_MAX => Err(invalid(format!(
                "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length \
                 less than or equal to {BODY_BYTES_MAX}"
            ))),
            (Some(body), None) => Ok(Some(body.to_owned())),
            (None, Some(url)) => {
                let (bucket, key) = object_of(url)
                    .ok_or_else(|| invalid("TemplateURL must be a supported URL: that of an object in S3"))?;
                let read = self.resources.read_object(place, &bucket, &key, BYTES_MAX).await;
                read.map(Some).map_err(|why| invalid(format!("S3 error: {why} ({bucket}/{key})")))
            }
            (None, None) => Ok(None),
        }
    }

    /// Prepares a template for a stack.
    pub(crate) async fn prepared(
        &self,
        place: &Place,
        stack: &Stack,
        body: &str,
        arguments: &IndexMap<String, Argument>,
        previous: &IndexMap<String, ParameterValue>,
    ) -> Result<Prepared, Failure> {
        let mut source = source::parse(body)?;
        let mut found = HashMap::new();
        for (name, parameter) in Template::read_parameters(&source)? {
            if !matches!(parameter.kind, ParameterType::SsmValue { .. }) {
                continue;
            }
            let asked = match arguments.get(&name) {
                Some(Argument::Value(value)) => Some(value.clone()),
                Some(Argument::Previous) => previous.get(&name).map(|value| value.value.clone()),
                None => parameter.default,
            };
            if let Some(asked) = asked
                && let Some(value) = self.resources.read_parameter(place, &asked).await
            {
                found.insert(asked, value);
            }
        }
        let lookup = |name: &str| found.get(name).cloned();
        let environment = environment(place, stack);
        if body.contains(INCLUDE) {
            let declared = Template::read_parameters(&source)?;
            let values = crate::parameters::resolve(&declared, arguments, &given(previous), &lookup)?;
            let known = crate::parameters::references(&declared, &values);
            source = self.with_pieces(place, source, &known, &environment).await?;
        }
        let prepared = prepare(&source, arguments, &given(previous), &environment, &lookup)?;
        let unknown: Vec<&str> =
            prepared.template.types().into_iter().filter(|kind| !self.resources.knows(kind)).collect();
        if !unknown.is_empty() {
            return Err(invalid(format!(
                "Template format error: Unrecognized resource types: [{}]",
                unknown.join(", ")
            )));
        }
        Ok(prepared)
    }

    /// A template with the pieces that it includes, and those that they include.
    async fn with_pieces(
        &self,
        place: &Place,
        mut source: Value,
        parameters: &IndexMap<String, Value>,
        environment: &Environment,
    ) -> Result<Value, Failure> {
        let mut bytes = 0;
        for _ in 0..INCLUDES_MAX {
            let mut pieces = IndexMap::new();
            let locations = locations(&source, parameters, environment)?;
            if locations.is_empty() {
                return Ok(source);
            }
            for location in locations {
                if pieces.contains_key(&location) {
                    continue;
                }
                let failed = |why: &str| invalid(format!("Transform AWS::Include failed with: {why} ({location})"));
                let of_s3 = location.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
                let (bucket, key) = of_s3
                    .map(|(bucket, key)| (bucket.to_owned(), key.to_owned()))
                    .or_else(|| object_of(&location))
                    .ok_or_else(|| failed("the location is no URL of an object in S3"))?;
                let text = self.resources.read_object(place, &bucket, &key, BYTES_MAX).await;
                let text = text.map_err(|why| failed(&why))?;
                bytes += text.len();
                if bytes > BYTES_MAX {
                    return Err(failed("the pieces are too long together"));
                }
                pieces.insert(location, source::parse(&text)?);
            }
            source = included(&source, &pieces, parameters, environment)?;
        }
        Err(invalid(format!(
            "Transform AWS::Include failed with: pieces lie more than {INCLUDES_MAX} deep in each other"
        )))
    }

    /// What a stack's record says that it is to become.
    pub(crate) async fn goal_of(
        &self,
        space: &Space,
        place: &Place,
        stack: &Stack,
        body: &str,
    ) -> Result<Goal, Failure> {
        let arguments: IndexMap<String, Argument> =
            stack.parameters.keys().map(|name| (name.clone(), Argument::Previous)).collect();
        let prepared = self.prepared(place, stack, body, &arguments, &stack.parameters).await?;
        self.goal(space, place, stack, prepared).await
    }

    pub(crate) async fn goal(
        &self,
        space: &Space,
        place: &Place,
        stack: &Stack,
        prepared: Prepared,
    ) -> Result<Goal, Failure> {
        let exports = self.exports_for(space, &prepared).await?;
        Ok(Goal { prepared, environment: environment(place, stack), exports })
    }

    /// The exports that a template may import: none of the account's where it imports nothing.
    pub(crate) async fn exports_for(
        &self,
        space: &Space,
        prepared: &Prepared,
    ) -> Result<HashMap<String, String>, Failure> {
        let mut imports = false;
        visit(&prepared.processed, None, &mut |reference| {
            imports |= reference == Reference::Function("Fn::ImportValue");
        });
        if imports { self.exports(space).await.map_err(stored) } else { Ok(HashMap::new()) }
    }

    pub(crate) async fn validate_template(&self, place: &Place, input: &Document) -> Result<Fields, Failure> {
        let source = source::parse(&self.needed_body(place, input).await?)?;
        let declared = Template::read_parameters(&source)?;
        let mut output = Fields::new();
        let parameters = declared.iter().map(|(name, parameter)| {
            let mut one = Fields::new();
            one.push("ParameterKey", name.clone());
            if let Some(default) = &parameter.default {
                one.push("DefaultValue", default.clone());
            }
            one.push("NoEcho", parameter.no_echo);
            if let Some(description) = &parameter.description {
                one.push("Description", description.clone());
            }
            Document::Map(one)
        });
        output.push("Parameters", parameters.collect::<Vec<_>>());
        self.describe(&source, &mut output)?;
        Ok(output)
    }

    pub(crate) async fn needed_body(&self, place: &Place, input: &Document) -> Result<String, Failure> {
        let body = self.body_of(place, input).await?;
        body.ok_or_else(|| invalid("Either Template URL or Template Body must be specified."))
    }

    pub(crate) async fn template_summary(
        &self,
        space: &Space,
        place: &Place,
        input: &Document,
    ) -> Result<Fields, Failure> {
        let body = match input.get("StackName").and_then(Document::as_str) {
            Some(name) => {
                let (stack, _) = self.need(space, name).await?;
                self.template_of(space, &stack.uuid).await.map_err(stored)?
            }
            None => self.needed_body(place, input).await?,
        };
        let source = source::parse(&body)?;
        let declared = Template::read_parameters(&source)?;
        let mut output = Fields::new();
        let parameters = declared.iter().map(|(name, parameter)| {
            let mut one = Fields::new();
            one.push("ParameterKey", name.clone());
            if let Some(default) = &parameter.default {
                one.push("DefaultValue", default.clone());
            }
            one.push("ParameterType", parameter.type_name.clone());
            one.push("NoEcho", parameter.no_echo);
            if let Some(description) = &parameter.description {
                one.push("Description", description.clone());
            }
            let mut constraints = Fields::new();
            if !parameter.allowed_values.is_empty() {
                let values = parameter.allowed_values.iter().map(|value| Document::from(value.clone()));
                constraints.push("AllowedValues", values.collect::<Vec<_>>());
            }
            one.push("ParameterConstraints", constraints);
            Document::Map(one)
        });
        output.push("Parameters", parameters.collect::<Vec<_>>());
        let resources = source.get("Resources").and_then(Value::as_object);
        let mut types: Vec<&str> = Vec::new();
        for resource in resources.into_iter().flat_map(serde_json::Map::values) {
            if let Some(kind) = resource.get("Type").and_then(Value::as_str)
                && !types.contains(&kind)
            {
                types.push(kind);
            }
        }
        output.push("ResourceTypes", types.into_iter().map(|kind| Document::from(kind.to_owned())).collect::<Vec<_>>());
        output.push("Version", "2010-09-09");
        if let Some(metadata) = source.get("Metadata") {
            output.push("Metadata", metadata.to_string());
        }
        self.describe(&source, &mut output)?;
        Ok(output)
    }

    /// Adds what both of the above tell: the description, capabilities and transforms. Templates without transforms are checked.
    fn describe(&self, source: &Value, output: &mut Fields) -> Result<(), Failure> {
        let transforms = transform_names(source);
        if transforms.is_empty() {
            let template = Template::read(source)?;
            crate::check::check(&template)?;
            let unknown: Vec<&str> = template.types().into_iter().filter(|kind| !self.resources.knows(kind)).collect();
            if !unknown.is_empty() {
                return Err(invalid(format!(
                    "Template format error: Unrecognized resource types: [{}]",
                    unknown.join(", ")
                )));
            }
        }
        if let Some(description) = source.get("Description").and_then(Value::as_str) {
            output.push("Description", description.to_owned());
        }
        let (needed, types) = needed(source);
        if !needed.is_empty() {
            let reason = format!("The following resource(s) require capabilities: [{}]", types.join(", "));
            output.push("Capabilities", needed.into_iter().map(Document::from).collect::<Vec<_>>());
            output.push("CapabilitiesReason", reason);
        }
        if !transforms.is_empty() {
            let names = transforms.into_iter().map(|name| Document::from(name.to_owned()));
            output.push("DeclaredTransforms", names.collect::<Vec<_>>());
        }
        Ok(())
    }
}

/// The capability that a template needs for what it makes in IAM, and because of which types.
fn needed(template: &Value) -> (Vec<&'static str>, Vec<String>) {
    let mut types: Vec<String> = Vec::new();
    let mut named = false;
    for resource in template.get("Resources").and_then(Value::as_object).into_iter().flat_map(serde_json::Map::values) {
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
        if let Some((_, name)) = IAM.iter().find(|(known, _)| *known == kind) {
            named |= resource.get("Properties").is_some_and(|properties| properties.get(name).is_some());
            if !types.iter().any(|known| known == kind) {
                types.push(kind.to_owned());
            }
        }
    }
    let capability = (!types.is_empty()).then_some(if named { "CAPABILITY_NAMED_IAM" } else { "CAPABILITY_IAM" });
    (capability.into_iter().collect(), types)
}

/// Checks that the caller has acknowledged what a template does. A change set expands transforms without being told so.
pub(crate) fn check_capabilities(
    body: &str,
    prepared: &Prepared,
    capabilities: &[String],
    change_set: bool,
) -> Result<(), Failure> {
    let has = |name: &str| capabilities.iter().any(|given| given == name);
    let insufficient = |name: &str| {
        standin_core::OperationError::new(
            "InsufficientCapabilitiesException",
            format!("Requires capabilities : [{name}]"),
        )
    };
    let source = source::parse(body)?;
    let expands = transform_names(&source).into_iter().any(|name| name == transform::SERVERLESS);
    if expands && !change_set && !has("CAPABILITY_AUTO_EXPAND") {
        return Err(insufficient("CAPABILITY_AUTO_EXPAND"));
    }
    match needed(&prepared.processed).0.first() {
        Some(&"CAPABILITY_NAMED_IAM") if !has("CAPABILITY_NAMED_IAM") => Err(insufficient("CAPABILITY_NAMED_IAM")),
        Some(&"CAPABILITY_IAM") if !has("CAPABILITY_IAM") && !has("CAPABILITY_NAMED_IAM") => {
            Err(insufficient("CAPABILITY_IAM"))
        }
        _ => Ok(()),
    }
}

/// Bucket and key of a URL of an object, in either style, of AWS or of a server on one's own machine.
fn object_of(url: &str) -> Option<(String, String)> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, path) = rest.split_once('/')?;
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    let virtual_host = host.split_once(".s3.").or_else(|| host.split_once(".s3-")).map(|(bucket, _)| bucket);
    let (bucket, key) = match virtual_host {
        Some(bucket) => (bucket, path),
        None => path.split_once('/')?,
    };
    (!bucket.is_empty() && !key.is_empty()).then(|| (bucket.to_owned(), decoded(key)))
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_objects() {
        let check = |url: &str, expect: Option<(&str, &str)>| {
            let found = object_of(url);
            assert_eq!(found.as_ref().map(|(bucket, key)| (bucket.as_str(), key.as_str())), expect, "{url}");
        };
        check("https://s3.eu-west-1.amazonaws.com/b/a/t.yaml", Some(("b", "a/t.yaml")));
        check("https://b.s3.eu-west-1.amazonaws.com/a/t%20x.yaml?versionId=1", Some(("b", "a/t x.yaml")));
        check("https://b.s3-eu-west-1.amazonaws.com/t", Some(("b", "t")));
        check("http://localhost:4566/b/t", Some(("b", "t")));
        check("https://example.com/", None);
    }
}
