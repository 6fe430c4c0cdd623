//! Terraform: the files of the template, the declarations of its variables and their values.

use serde_json::{Map, Value, json};

use super::{Identity, Target};

/// Tells which deployment wrote a folder.
pub const METADATA_FILE: &str = ".proton/deployment-metadata.json";
const VALUES_FILE: &str = "proton.auto.tfvars.json";
const MANAGED: &str = "/*\nThis file is managed by AWS Proton.";
const ORPHANED: &str =
    "/*\nThis file is no longer managed by AWS Proton. The associated resource has been deleted in Proton.\n*/\n\n";

/// What `.proton/deployment-metadata.json` tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct Metadata<'m> {
    pub deployment_id: &'m str,
    /// Without a version.
    pub template_arn: &'m str,
    pub major: &'m str,
    pub minor: &'m str,
    /// Of instances and components.
    pub environment_arn: Option<&'m str>,
}

/// The files for the folder of a resource, by path. `sources` are those of the template.
pub fn render(sources: &[(&str, &str)], target: &Target<'_>, identity: &Identity<'_>) -> Vec<(String, String)> {
    let header = header(identity.arn);
    let mut files: Vec<(String, String)> =
        sources.iter().map(|(path, text)| ((*path).to_owned(), format!("{header}{text}"))).collect();
    files.push((format!("proton.{}.variables.tf", target.kind()), format!("{header}{}", variables(target))));
    files.push((VALUES_FILE.to_owned(), values(target, identity)));
    if let Some(metadata) = &identity.metadata {
        files.push((METADATA_FILE.to_owned(), metadata_file(target, identity, metadata)));
    }
    files
}

/// The files of a resource that is gone: the same, told to be nobody's any more.
pub fn deleted(files: &[(String, String)], arn: &str) -> Vec<(String, String)> {
    let (managed, orphaned) = (header(arn), ORPHANED);
    let change = |(path, text): &(String, String)| {
        let text = if path == METADATA_FILE {
            // It may come from a repository that anybody writes to.
            let metadata = serde_json::from_str(text).ok().filter(Value::is_object);
            let mut metadata = metadata.unwrap_or_else(|| json!({}));
            metadata["deploymentId"] = json!("<proton-resource-deleted>");
            metadata["isResourceDeleted"] = json!(true);
            format!("{metadata:#}\n")
        } else {
            text.strip_prefix(&managed).map_or_else(|| text.clone(), |rest| format!("{orphaned}{rest}"))
        };
        (path.clone(), text)
    };
    files.iter().map(change).collect()
}

/// Whether a file of a folder came from a template, for a resource that there is or that there was.
pub fn is_generated(path: &str, text: &str) -> bool {
    path == METADATA_FILE || path == VALUES_FILE || text.starts_with(MANAGED) || text.starts_with(ORPHANED)
}

/// The comment at the top of every file; automation of Proton's users looks for it.
fn header(arn: &str) -> String {
    format!(
        "{MANAGED} Any changes made directly to this file will be overwritten the next time AWS \
         Proton performs an update.\n\nTo manage this resource, see AWS Proton Resource: {arn}\n\nIf the resource is no longer \
         accessible within AWS Proton, it may have been deleted and may require manual cleanup.\n*/\n\n"
    )
}

/// The values of the variables.
fn values(target: &Target<'_>, identity: &Identity<'_>) -> String {
    let mut document = target.document();
    let tags: Map<String, Value> = identity.tags.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    document.insert("proton_tags".into(), Value::Object(tags));
    document.insert("//".into(), json!(identity.arn));
    format!("{:#}\n", Value::Object(document))
}

fn metadata_file(target: &Target<'_>, identity: &Identity<'_>, metadata: &Metadata<'_>) -> String {
    let mut resource = json!({ "arn": identity.arn });
    let block = if matches!(target, Target::Component(_)) {
        "componentMetadata"
    } else {
        resource["templateArn"] = json!(metadata.template_arn);
        resource["templateMajorVersion"] = json!(metadata.major);
        resource["templateMinorVersion"] = json!(metadata.minor);
        "resourceMetadata"
    };
    if let Some(arn) = metadata.environment_arn {
        resource["environmentArn"] = json!(arn);
    }
    let document = json!({ "deploymentId": metadata.deployment_id, "isResourceDeleted": false, block: resource });
    format!("{document:#}\n")
}

/// A type constraint.
enum Constraint {
    Plain(&'static str),
    Object(Vec<(&'static str, Constraint)>),
    List(Box<Constraint>),
}

fn variables(target: &Target<'_>) -> String {
    use Constraint::{List, Object, Plain};
    let surroundings =
        || Object(vec![("account_id", Plain("string")), ("name", Plain("string")), ("outputs", Plain("map(string)"))]);
    let service = || {
        Object(vec![
            ("name", Plain("string")),
            ("branch_name", Plain("string")),
            ("repository_connection_arn", Plain("string")),
            ("repository_id", Plain("string")),
        ])
    };
    // Name, type, whether there is a default of null.
    let declared = match target {
        Target::Environment(_) => {
            vec![("environment", Object(vec![("inputs", Plain("any")), ("name", Plain("string"))]), true)]
        }
        Target::Instance(_) => vec![
            ("environment", surroundings(), false),
            ("service", service(), false),
            (
                "service_instance",
                Object(vec![("name", Plain("string")), ("inputs", Plain("any")), ("components", Plain("map(any)"))]),
                true,
            ),
        ],
        Target::Pipeline(_) => {
            let instance = Object(vec![
                ("name", Plain("string")),
                ("inputs", Plain("any")),
                ("outputs", Plain("map(string)")),
                ("environment", surroundings()),
            ]);
            vec![
                ("pipeline", Object(vec![("inputs", Plain("any"))]), true),
                ("service", service(), true),
                ("service_instances", List(Box::new(instance)), false),
            ]
        }
        Target::Component(component) => {
            let mut declared = vec![
                ("environment", surroundings(), false),
                ("component", Object(vec![("name", Plain("string"))]), true),
            ];
            if component.attached.is_some() {
                declared.push(("service", service(), true));
                declared.push((
                    "service_instance",
                    Object(vec![("name", Plain("string")), ("inputs", Plain("any"))]),
                    true,
                ));
            }
            declared
        }
    };
    let tags = ("proton_tags", Plain("map(string)"), true);
    let mut text = String::new();
    for (name, constraint, nullable) in declared.into_iter().chain([tags]) {
        text += &format!("variable \"{name}\" {{\n  type = {}\n", written(&constraint, 1));
        if nullable {
            text += "  default = null\n";
        }
        text += "}\n\n";
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn written(constraint: &Constraint, level: usize) -> String {
    match constraint {
        Constraint::Plain(text) => (*text).to_owned(),
        Constraint::List(of) => format!("list({})", written(of, level)),
        Constraint::Object(attributes) => {
            let width = attributes.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
            let indent = "  ".repeat(level + 1);
            let lines: String = attributes
                .iter()
                .map(|(name, of)| format!("{indent}{name:width$} = {}\n", written(of, level + 1)))
                .collect();
            format!("object({{\n{lines}{}}})", "  ".repeat(level))
        }
    }
}

/// Values as assignments of HCL, one a line.
pub fn to_hcl(document: &Map<String, Value>) -> String {
    document.iter().map(|(name, value)| format!("{name} = {}\n", expression(value, 0))).collect()
}

fn expression(value: &Value, level: usize) -> String {
    let (outer, inner) = ("  ".repeat(level), "  ".repeat(level + 1));
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Array(items) => {
            let lines: String = items.iter().map(|item| format!("{inner}{},\n", expression(item, level + 1))).collect();
            format!("[\n{lines}{outer}]")
        }
        Value::Object(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Object(entries) => {
            let lines: String = entries
                .iter()
                .map(|(name, value)| format!("{inner}{} = {}\n", quoted(name), expression(value, level + 1)))
                .collect();
            format!("{{\n{lines}{outer}}}")
        }
        plain => plain.to_string(),
    }
}

/// A string of HCL: as in JSON, with no interpolation in it.
fn quoted(text: &str) -> String {
    Value::from(text.replace("${", "$${").replace("%{", "%%{")).to_string()
}
