//! From the text of a template to what can be made: parameters are given values, then transforms are done, then the outcome
//! is checked.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::check::{LANGUAGE_EXTENSIONS, check};
use crate::error::TemplateError;
use crate::evaluate::{Environment, Evaluator};
use crate::loops;
use crate::parameters::{Argument, Given, references, resolve};
use crate::sam;
use crate::template::{Template, transform_names};

/// The transform of the AWS Serverless Application Model.
pub const SERVERLESS: &str = "AWS::Serverless-2016-10-31";

/// A template with values for its parameters and its transforms done.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub template: Template,
    /// The template after all transforms.
    pub processed: Value,
    pub values: IndexMap<String, Given>,
    /// What `Ref` has for each parameter.
    pub references: IndexMap<String, Value>,
}

/// Prepares a template, as [`crate::source::parse`] gives it. `lookup` finds parameters of the Systems Manager by name.
///
/// # Errors
/// For whatever is wrong with the template or the values of its parameters.
pub fn prepare(
    source: &Value,
    arguments: &IndexMap<String, Argument>,
    previous: &IndexMap<String, Given>,
    environment: &Environment,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Prepared, TemplateError> {
    let declared = Template::read_parameters(source)?;
    let values = resolve(&declared, arguments, previous, lookup)?;
    let known = references(&declared, &values);
    let processed = transformed(source, &known, environment)?;
    let template = Template::read(&processed)?;
    check(&template)?;
    Ok(Prepared { template, processed, values, references: known })
}

/// Does the transforms of a template, in the order of their names.
///
/// # Errors
/// For transforms that are not known, and those that fail.
pub fn transformed(
    source: &Value,
    parameters: &IndexMap<String, Value>,
    environment: &Environment,
) -> Result<Value, TemplateError> {
    let mut value = source.clone();
    let names: Vec<String> = transform_names(source).into_iter().map(str::to_owned).collect();
    for name in &names {
        value = match name.as_str() {
            LANGUAGE_EXTENSIONS => extended(&value, parameters, environment)?,
            SERVERLESS => sam::expand(value, parameters, environment)?,
            _ => {
                return Err(TemplateError::new(format!("No transform named {}::{name} found.", environment.account))
                    .at(["Transform"]));
            }
        };
    }
    Ok(value)
}

fn extended(
    value: &Value,
    parameters: &IndexMap<String, Value>,
    environment: &Environment,
) -> Result<Value, TemplateError> {
    let mappings = value.get("Mappings").and_then(Value::as_object).cloned().unwrap_or_default();
    let bare = Template { mappings, ..Template::default() };
    let none = |_: &str| None;
    let evaluator = Evaluator::new(&bare, parameters, environment, &none)?;
    let mut value = loops::unroll(value, &evaluator)?;
    let resources = value.get_mut("Resources").and_then(Value::as_object_mut);
    for resource in resources.into_iter().flat_map(Map::values_mut) {
        for key in ["DeletionPolicy", "UpdateReplacePolicy"] {
            if let Some(policy) = resource.get_mut(key).filter(|policy| policy.is_object()) {
                *policy = evaluator.value(policy, &IndexMap::new())?;
            }
        }
    }
    Ok(value)
}
