//! What an update would do: the changes of a change set.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::record::{STACK_TYPE, StackResource};
use crate::error::TemplateError;
use crate::evaluate::{Environment, Evaluator, Made, UNKNOWN};
use crate::references::order;
use crate::resources::{Replacement, Resources, changed_properties};
use crate::transform::Prepared;

/// The changes from the resources of a stack to a template, each in the members of `ResourceChange`. Additions and
/// modifications come in the order in which they would be made, then removals.
///
/// # Errors
/// Where the template cannot be worked out.
pub(crate) fn plan(
    current: &IndexMap<String, StackResource>,
    prepared: &Prepared,
    environment: &Environment,
    exports: &dyn Fn(&str) -> Option<String>,
    resources: &dyn Resources,
) -> Result<Vec<Value>, TemplateError> {
    let attributes = |kind: &str, made: &Made, name: &str| resources.attribute(kind, made, name);
    let template = &prepared.template;
    let evaluator =
        Evaluator::new(template, &prepared.references, environment, exports)?.planning().with_attributes(&attributes);
    evaluator.check_rules()?;
    let active = |name: &str| {
        let condition = template.resources.get(name).and_then(|resource| resource.condition.as_deref());
        evaluator.holds(condition)
    };
    let order = order(template, Some(&evaluator.conditions), &active)?;
    // What is replaced is not known any more to those that refer to it.
    let mut made: IndexMap<String, Made> = current
        .iter()
        .filter(|(_, resource)| resource.is_there())
        .map(|(name, resource)| (name.clone(), resource.made()))
        .collect();
    let mut changes = Vec::new();
    for name in &order {
        let Some(resource) = template.resources.get(name) else { continue };
        let Some(known) = current.get(name).filter(|known| known.is_there()) else {
            // Work it out all the same: what is wrong shows before anything is made.
            evaluator.value(&resource.properties, &made)?;
            changes.push(change("Add", name, "", &resource.kind, None, &[]));
            continue;
        };
        let properties = evaluator.value(&resource.properties, &made)?;
        let changed = changed_properties(&known.properties, &properties);
        let mut details = Vec::new();
        let mut worst = if known.kind == resource.kind { Replacement::Never } else { Replacement::Always };
        for property in &changed {
            let replacement = resources.replacement(&resource.kind, property);
            let unknown = properties.get(property).is_some_and(|value| value.to_string().contains(UNKNOWN));
            let effective = match replacement {
                Replacement::Always if unknown => Replacement::Conditionally,
                other => other,
            };
            worst = worst.max(effective);
            let recreation = match replacement {
                Replacement::Never => "Never",
                Replacement::Conditionally => "Conditionally",
                Replacement::Always => "Always",
            };
            details.push(json!({
                "Target": {"Attribute": "Properties", "Name": property, "RequiresRecreation": recreation},
                "Evaluation": if unknown { "Dynamic" } else { "Static" },
                "ChangeSource": if unknown { "ResourceReference" } else { "DirectModification" },
            }));
        }
        if known.metadata != resource.metadata {
            details.push(json!({
                "Target": {"Attribute": "Metadata", "RequiresRecreation": "Never"},
                "Evaluation": "Static",
                "ChangeSource": "DirectModification",
            }));
        }
        if known.deletion_policy != resource.deletion_policy.name() {
            details.push(json!({
                "Target": {"Attribute": "DeletionPolicy", "RequiresRecreation": "Never"},
                "Evaluation": "Static",
                "ChangeSource": "DirectModification",
            }));
        }
        if resource.kind == STACK_TYPE && details.is_empty() {
            // What its template has become, only the nested stack itself can tell.
            details.push(json!({
                "Target": {"Attribute": "Properties", "Name": "TemplateURL", "RequiresRecreation": "Never"},
                "Evaluation": "Dynamic",
                "ChangeSource": "Automatic",
            }));
        }
        if details.is_empty() && worst == Replacement::Never {
            continue;
        }
        if worst != Replacement::Never {
            made.shift_remove(name);
        }
        changes.push(change("Modify", name, &known.reference, &resource.kind, Some(worst), &details));
    }
    let mut removed: Vec<&StackResource> =
        current.values().filter(|known| !order.contains(&known.logical_id)).collect();
    removed.sort_by_key(|known| std::cmp::Reverse(known.position));
    for known in removed {
        changes.push(change("Remove", &known.logical_id, &known.reference, &known.kind, None, &[]));
    }
    Ok(changes)
}

fn change(
    action: &str,
    name: &str,
    physical: &str,
    kind: &str,
    replacement: Option<Replacement>,
    details: &[Value],
) -> Value {
    let mut change =
        json!({"Action": action, "LogicalResourceId": name, "ResourceType": kind, "Scope": [], "Details": details});
    if !physical.is_empty() {
        change["PhysicalResourceId"] = json!(physical);
    }
    if let Some(replacement) = replacement {
        change["Replacement"] = json!(match replacement {
            Replacement::Never => "False",
            Replacement::Conditionally => "Conditional",
            Replacement::Always => "True",
        });
        let mut scope: Vec<&Value> = details.iter().filter_map(|detail| detail["Target"].get("Attribute")).collect();
        scope.dedup();
        change["Scope"] = json!(scope);
    }
    change
}
