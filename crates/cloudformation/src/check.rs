//! What is wrong with a template before any value is known.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::error::TemplateError;
use crate::references::{Reference, order, visit};
use crate::template::Template;

/// The pseudo parameters. Source: "Pseudo parameters reference".
pub const PSEUDO: &[&str] = &[
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

const FUNCTIONS: &[&str] = &[
    "Ref",
    "Fn::And",
    "Fn::Base64",
    "Fn::Cidr",
    "Fn::Equals",
    "Fn::FindInMap",
    "Fn::GetAZs",
    "Fn::GetAtt",
    "Fn::If",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Not",
    "Fn::Or",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
    "Fn::Transform",
];
/// Those that rules know besides.
const OF_RULES: &[&str] =
    &["Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn", "Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll"];
/// Those that come with the transform `AWS::LanguageExtensions`.
const EXTENSIONS: &[&str] = &["Fn::Length", "Fn::ToJsonString"];
pub const LANGUAGE_EXTENSIONS: &str = "AWS::LanguageExtensions";

/// Checks that every name in a template means something and that no resources wait for each other.
///
/// # Errors
/// The first thing wrong, in the order conditions, resources, outputs.
pub fn check(template: &Template) -> Result<(), TemplateError> {
    for (name, condition) in &template.conditions {
        check_names(template, condition, Place::Conditions).map_err(|error| error.at(["Conditions", name]))?;
    }
    check_circles_of_conditions(template)?;
    for (name, rule) in &template.rules {
        let values = rule.condition.iter().chain(rule.assertions.iter().map(|(assert, _)| assert));
        for value in values {
            check_names(template, value, Place::Rules).map_err(|error| error.at(["Rules", name]))?;
        }
    }
    for (name, resource) in &template.resources {
        let told = |error: TemplateError| error.at(["Resources", name]);
        let values = [
            Some(&resource.properties),
            resource.metadata.as_ref(),
            resource.creation_policy.as_ref(),
            resource.update_policy.as_ref(),
        ];
        for value in values.into_iter().flatten() {
            check_names(template, value, Place::Resources).map_err(told)?;
        }
        check_condition(template, resource.condition.as_deref(), "Resources").map_err(told)?;
        let missing: Vec<&str> = resource
            .depends_on
            .iter()
            .map(String::as_str)
            .filter(|other| !template.resources.contains_key(*other))
            .collect();
        if !missing.is_empty() {
            return Err(told(unresolved(&missing, "Resources")));
        }
        if resource.depends_on.contains(name) {
            return Err(told(TemplateError::new(format!("Circular dependency between resources: [{name}]"))));
        }
    }
    for (name, output) in &template.outputs {
        let told = |error: TemplateError| error.at(["Outputs", name]);
        for value in [Some(&output.value), output.export.as_ref()].into_iter().flatten() {
            check_names(template, value, Place::Outputs).map_err(told)?;
        }
        check_condition(template, output.condition.as_deref(), "Outputs").map_err(told)?;
    }
    order(template, None, &|_| true).map(drop)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Conditions,
    Rules,
    Resources,
    Outputs,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Conditions => "Conditions",
            Self::Rules => "Rules",
            Self::Resources => "Resources",
            Self::Outputs => "Outputs",
        }
    }
}

fn unresolved(names: &[&str], block: &str) -> TemplateError {
    TemplateError::format(format_args!(
        "Unresolved resource dependencies [{}] in the {block} block of the template",
        names.join(", ")
    ))
}

fn check_names(template: &Template, value: &Value, place: Place) -> Result<(), TemplateError> {
    let extended = template.transforms.iter().any(|name| name == LANGUAGE_EXTENSIONS);
    let mut missing: BTreeSet<&str> = BTreeSet::new();
    let mut found: Option<TemplateError> = None;
    visit(value, None, &mut |reference| {
        let error = match reference {
            Reference::Name(name) if template.parameters.contains_key(name) || PSEUDO.contains(&name) => None,
            Reference::Name(name) if template.resources.contains_key(name) => {
                matches!(place, Place::Conditions | Place::Rules).then(|| {
                    TemplateError::template(format_args!(
                        "Unresolved dependencies [{name}]. Cannot reference resources in the {} block of the template",
                        place.name()
                    ))
                })
            }
            Reference::Name(name) => {
                missing.insert(name);
                None
            }
            Reference::Attribute(name, _) if matches!(place, Place::Conditions | Place::Rules) => {
                Some(TemplateError::template(format_args!(
                    "Cannot use Fn::GetAtt of {name} in the {} block of the template",
                    place.name()
                )))
            }
            Reference::Attribute(name, _) => (!template.resources.contains_key(name)).then(|| {
                TemplateError::template(format_args!("instance of Fn::GetAtt references undefined resource {name}"))
            }),
            Reference::Nested(_) if matches!(place, Place::Resources | Place::Outputs) => None,
            Reference::Condition(name) | Reference::Nested(name) => {
                let fits = template.conditions.contains_key(name);
                (!fits).then(|| {
                    TemplateError::format(format_args!(
                        "Unresolved condition dependency {name} in the {} block of the template",
                        place.name()
                    ))
                })
            }
            Reference::Function(name) => {
                let known = FUNCTIONS.contains(&name)
                    || OF_RULES.contains(&name) && place == Place::Rules
                    || EXTENSIONS.contains(&name) && extended;
                (!known).then(|| {
                    let hint = if EXTENSIONS.contains(&name) || name.starts_with("Fn::ForEach::") {
                        format!("; it comes with Transform: {LANGUAGE_EXTENSIONS}")
                    } else {
                        String::new()
                    };
                    TemplateError::template(format_args!(
                        "Unrecognized function {name} in the {} block{hint}",
                        place.name()
                    ))
                })
            }
        };
        if found.is_none() {
            found = error;
        }
    });
    if let Some(error) = found {
        return Err(error);
    }
    if !missing.is_empty() {
        return Err(unresolved(&missing.into_iter().collect::<Vec<_>>(), place.name()));
    }
    Ok(())
}

fn check_condition(template: &Template, name: Option<&str>, block: &str) -> Result<(), TemplateError> {
    match name {
        Some(name) if !template.conditions.contains_key(name) => Err(TemplateError::format(format_args!(
            "Unresolved condition dependency {name} in the {block} block of the template"
        ))),
        _ => Ok(()),
    }
}

fn check_circles_of_conditions(template: &Template) -> Result<(), TemplateError> {
    // Conditions without those that are settled: what is left in the end waits for itself.
    let mut waiting: Vec<(&str, BTreeSet<&str>)> = Vec::new();
    for (name, condition) in &template.conditions {
        let mut needs = BTreeSet::new();
        visit(condition, None, &mut |reference| {
            if let Reference::Condition(other) | Reference::Nested(other) = reference {
                needs.insert(other);
            }
        });
        waiting.push((name, needs));
    }
    loop {
        let settled: BTreeSet<&str> =
            waiting.iter().filter(|(_, needs)| needs.is_empty()).map(|(name, _)| *name).collect();
        if settled.is_empty() {
            break;
        }
        waiting.retain(|(name, _)| !settled.contains(name));
        waiting.iter_mut().for_each(|(_, needs)| needs.retain(|need| !settled.contains(need)));
    }
    match waiting.first() {
        None => Ok(()),
        Some((first, _)) => {
            let names: Vec<&str> = waiting.iter().map(|(name, _)| *name).collect();
            let error =
                TemplateError::template(format_args!("Circular dependency between conditions: [{}]", names.join(", ")));
            Err(error.at(["Conditions", first]))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(template: &Value) -> Result<(), TemplateError> {
        Template::read(template).and_then(|template| check(&template))
    }

    #[test]
    fn names_mean_something() {
        let check = |template: Value, message: &str, path: &[&str]| {
            let error = checked(&template).expect_err(message);
            assert!(error.message.contains(message), "{}", error.message);
            assert_eq!(error.path, path);
        };
        let with = |properties: Value| json!({"Resources": {"A": {"Type": "T", "Properties": properties}}});
        check(
            with(json!({"x": {"Ref": "B"}})),
            "Unresolved resource dependencies [B] in the Resources block",
            &["Resources", "A"],
        );
        check(with(json!({"x": {"Fn::GetAtt": ["B", "Arn"]}})), "references undefined resource B", &["Resources", "A"]);
        check(with(json!({"x": {"Fn::Sub": "${B.Arn}"}})), "references undefined resource B", &["Resources", "A"]);
        check(with(json!({"x": {"Fn::Sub": ["${B}${C}", {"B": 1}]}})), "dependencies [C]", &["Resources", "A"]);
        check(with(json!({"x": {"Fn::If": ["No", 1, 2]}})), "Unresolved condition dependency No", &["Resources", "A"]);
        check(
            with(json!({"x": {"Fn::Length": [1]}})),
            "comes with Transform: AWS::LanguageExtensions",
            &["Resources", "A"],
        );
        check(with(json!({"x": {"Fn::Nope": [1]}})), "Unrecognized function Fn::Nope", &["Resources", "A"]);
        check(
            json!({"Resources": {"A": {"Type": "T"}}, "Conditions": {"C": {"Fn::Equals": [{"Ref": "A"}, 1]}}}),
            "Cannot reference resources in the Conditions block",
            &["Conditions", "C"],
        );
        check(
            json!({"Resources": {"A": {"Type": "T"}}, "Conditions": {"C": {"Condition": "D"}, "D": {"Fn::Not": [{"Condition": "C"}]}}}),
            "Circular dependency between conditions: [C, D]",
            &["Conditions", "C"],
        );
        check(
            json!({"Resources": {"A": {"Type": "T"}}, "Outputs": {"O": {"Value": {"Ref": "B"}}}}),
            "dependencies [B] in the Outputs block",
            &["Outputs", "O"],
        );
        check(json!({"Resources": {"A": {"Type": "T", "DependsOn": "B"}}}), "dependencies [B]", &["Resources", "A"]);
        check(
            json!({"Resources": {"A": {"Type": "T", "Condition": "C"}}}),
            "condition dependency C",
            &["Resources", "A"],
        );
    }

    #[test]
    fn good_templates_pass() {
        checked(&json!({
            "Transform": "AWS::LanguageExtensions",
            "Parameters": {"P": {"Type": "String"}},
            "Conditions": {"C": {"Fn::And": [{"Condition": "D"}, {"Condition": "D"}]}, "D": {"Fn::Equals": [{"Ref": "P"}, ""]}},
            "Resources": {
                "A": {"Type": "T", "Condition": "C", "Properties": {"n": {"Fn::Length": [1]}, "s": {"Fn::Sub": "${AWS::Region}${B}${!no}"}}},
                "B": {"Type": "T", "Properties": {"Policy": {"Condition": {"StringEquals": {}}}}},
            },
        }))
        .unwrap();
    }
}
