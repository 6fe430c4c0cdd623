//! CodeBuild: commands to run beside the files of the template, with the inputs in a file.

use serde_json::{Map, Value};

use super::{Identity, Target, jinja, terraform};
use crate::archive::Files;
use crate::finding::Finding;
use crate::manifest::CodeBuild;

/// What runs. All commands see the same files and variables.
#[derive(Clone, Debug, PartialEq)]
pub struct Build {
    pub image: Option<String>,
    pub runtimes: Map<String, Value>,
    pub variables: Vec<(String, String)>,
    /// Names of variables, and `secret:key` references.
    pub secrets: Vec<(String, String)>,
    /// Run before either of the others.
    pub install: Vec<String>,
    /// Or why they cannot be rendered, which does not matter on deletion.
    pub provision: Result<Vec<String>, Box<Finding>>,
    /// Or why they cannot be rendered, which only matters on deletion.
    pub deprovision: Result<Vec<String>, Box<Finding>>,
    pub project_properties: Map<String, Value>,
    /// Those of the bundle and the inputs.
    pub files: Files,
}

/// Renders a build. Inputs are written both to the file that Proton really made and to the one that its guide names once.
///
/// # Errors
/// What of the commands or the settings cannot be rendered.
pub fn render(
    settings: &CodeBuild,
    path: &str,
    files: &Files,
    target: &Target<'_>,
    identity: &Identity<'_>,
) -> Result<Build, Vec<Finding>> {
    let namespaces = target.namespaces();
    let commands = |commands: &[String]| -> Result<Vec<String>, Finding> {
        commands.iter().map(|command| jinja::render_short(command, path, &namespaces)).collect()
    };
    let one = |finding: Finding| vec![finding];
    let mut files = files.clone();
    let document = target.document();
    let inputs = if settings.inputs_as_hcl {
        vec![("proton.auto.tfvars", terraform::to_hcl(&document))]
    } else {
        let text = format!("{:#}\n", Value::Object(document));
        vec![("proton-inputs.json", text.clone()), ("proton-input.json", text)]
    };
    for (name, text) in inputs {
        files.insert(name, text).map_err(|error| one(Finding::error("codebuild", path, (0, 0), error.to_string())))?;
    }
    let mut variables = vec![("RESOURCE_ARN".to_owned(), identity.arn.to_owned())];
    for (name, value) in &settings.variables {
        variables.push((name.clone(), jinja::render_short(value, path, &namespaces).map_err(one)?));
    }
    let properties = rendered(&Value::Object(settings.project_properties.clone()), path, &namespaces).map_err(one)?;
    Ok(Build {
        image: settings.image.clone(),
        runtimes: settings.runtimes.clone(),
        variables,
        secrets: settings.secrets.clone(),
        install: commands(&settings.install).map_err(one)?,
        provision: commands(&settings.provision).map_err(Box::new),
        deprovision: commands(&settings.deprovision).map_err(Box::new),
        project_properties: match properties {
            Value::Object(properties) => properties,
            _ => Map::new(),
        },
        files,
    })
}

/// A value with all its texts rendered.
fn rendered(value: &Value, path: &str, namespaces: &Map<String, Value>) -> Result<Value, Finding> {
    Ok(match value {
        Value::String(text) => Value::String(jinja::render_short(text, path, namespaces)?),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| rendered(item, path, namespaces)).collect::<Result<_, _>>()?)
        }
        Value::Object(entries) => Value::Object(
            entries
                .iter()
                .map(|(name, value)| Ok((name.clone(), rendered(value, path, namespaces)?)))
                .collect::<Result<_, _>>()?,
        ),
        plain => plain.clone(),
    })
}
