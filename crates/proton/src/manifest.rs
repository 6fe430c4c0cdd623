//! `manifest.yaml`: which engine makes infrastructure of which files.

use serde_json::{Map, Value};
use standin_model::nearest;

use crate::archive::Files;
use crate::finding::Finding;
use crate::yaml::{self, Node, Place};

/// The name of the file in every infrastructure folder.
pub const FILE: &str = "manifest.yaml";

/// How infrastructure is provisioned.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// One CloudFormation template with Jinja in it.
    CloudFormation { file: String },
    /// Terraform files as they are; sorted.
    Terraform { files: Vec<String> },
    /// Commands, run in a container with the inputs in a file.
    CodeBuild(Box<CodeBuild>),
}

impl Method {
    pub fn name(&self) -> &'static str {
        match self {
            Self::CloudFormation { .. } => "CloudFormation",
            Self::Terraform { .. } => "Terraform",
            Self::CodeBuild(_) => "CodeBuild",
        }
    }
}

/// The settings of a CodeBuild manifest. Texts may hold Jinja.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CodeBuild {
    pub image: Option<String>,
    /// CodeBuild's `runtime-versions`.
    pub runtimes: Map<String, Value>,
    pub variables: Vec<(String, String)>,
    /// Names of variables and `secret:key` references.
    pub secrets: Vec<(String, String)>,
    /// The inputs come as HCL instead of JSON.
    pub inputs_as_hcl: bool,
    /// Run before either of the others.
    pub install: Vec<String>,
    pub provision: Vec<String>,
    pub deprovision: Vec<String>,
    pub project_properties: Map<String, Value>,
}

/// Who the manifest belongs to: components know less than the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Template,
    Component,
}

/// Reads a manifest. `path` is what findings name; `files` are those of its folder, or `None` where nobody can tell.
pub fn read(
    text: &str,
    path: &str,
    owner: Owner,
    files: Option<&Files>,
    findings: &mut Vec<Finding>,
) -> Option<Method> {
    let mut reader = Reader { path, owner, findings };
    match yaml::parse(text) {
        Ok(root) => reader.manifest(&root, files),
        Err(error) => {
            reader.wrong(error.place, format!("not valid YAML: {}", error.message));
            None
        }
    }
}

struct Reader<'r> {
    path: &'r str,
    owner: Owner,
    findings: &'r mut Vec<Finding>,
}

impl Reader<'_> {
    fn wrong(&mut self, place: Place, message: impl Into<String>) {
        self.findings.push(Finding::error("manifest", self.path, place, message));
    }

    fn manifest(&mut self, root: &Node, files: Option<&Files>) -> Option<Method> {
        let Some(infrastructure) = root.get("infrastructure") else {
            self.wrong(root.place, "\"infrastructure\" is missing at the top of the file");
            return None;
        };
        let Some(templates) = infrastructure.get("templates").and_then(Node::items) else {
            self.wrong(infrastructure.place, "\"infrastructure.templates\" must be a list of one entry");
            return None;
        };
        let [template] = templates else {
            self.wrong(
                infrastructure.place,
                format!("\"infrastructure.templates\" has {} entries; it must have one", templates.len()),
            );
            return None;
        };
        let engine = template.get("rendering_engine");
        let language = template.get("template_language");
        let text = |node: Option<&Node>| node.and_then(Node::text).map(str::to_ascii_lowercase);
        match (text(engine).as_deref(), text(language).as_deref()) {
            (Some("jinja"), Some("cloudformation")) => {
                let file = self.file(template)?;
                if file == "*" {
                    self.wrong(
                        template.place,
                        "\"file\" must name the one CloudFormation template; \"*\" is for Terraform",
                    );
                    return None;
                }
                self.exists(template, &file, files);
                Some(Method::CloudFormation { file })
            }
            (Some("hcl"), Some("terraform")) => self.terraform(template, files),
            (Some("codebuild"), None) if self.owner == Owner::Template => self.codebuild(template),
            (Some("codebuild"), None) => {
                self.wrong(template.place, "components cannot be provisioned by CodeBuild; use jinja with cloudformation, or hcl with terraform");
                None
            }
            (Some("codebuild"), Some(_)) => {
                self.wrong(
                    place_of(language, template),
                    "\"template_language\" has no place beside the engine codebuild",
                );
                None
            }
            (None, _) => {
                self.wrong(template.place, "\"rendering_engine\" is missing; it is jinja, hcl or codebuild");
                None
            }
            (Some("jinja" | "hcl"), None) => {
                self.wrong(
                    template.place,
                    "\"template_language\" is missing; it is cloudformation with jinja and terraform with hcl",
                );
                None
            }
            (Some(engine_name @ ("jinja" | "hcl")), Some(language_name)) => {
                self.wrong(place_of(language, template),
                    format!("the engine {engine_name} does not render {language_name}; there are jinja with cloudformation and hcl with terraform"));
                None
            }
            (Some(unknown), _) => {
                let near = nearest(unknown, ["jinja", "hcl", "codebuild"], 1);
                let hint = near.first().map_or_else(String::new, |near| format!("; did you mean {near}?"));
                self.wrong(
                    place_of(engine, template),
                    format!("the rendering engine {unknown} does not exist; there are jinja, hcl and codebuild{hint}"),
                );
                None
            }
        }
    }

    fn file(&mut self, template: &Node) -> Option<String> {
        let file = template.get("file").and_then(Node::text).filter(|file| !file.is_empty());
        if file.is_none() {
            self.wrong(template.place, "\"file\" is missing; it names the template beside the manifest");
        }
        file.map(str::to_owned)
    }

    fn exists(&mut self, template: &Node, file: &str, files: Option<&Files>) {
        let Some(files) = files else { return };
        if files.get(file).is_none() {
            let near = nearest(file, files.iter().map(|(path, _)| path).filter(|path| *path != FILE), 1);
            let hint = near.first().map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
            let place = place_of(template.get("file"), template);
            self.wrong(place, format!("the file \"{file}\" is not in the bundle beside the manifest{hint}"));
        }
    }

    fn terraform(&mut self, template: &Node, files: Option<&Files>) -> Option<Method> {
        let file = self.file(template)?;
        if file != "*" {
            self.exists(template, &file, files);
            return Some(Method::Terraform { files: vec![file] });
        }
        if self.owner == Owner::Component {
            self.wrong(place_of(template.get("file"), template), "a component has one file, which \"file\" must name");
            return None;
        }
        let all: Vec<String> = files
            .into_iter()
            .flat_map(Files::iter)
            .map(|(path, _)| path)
            .filter(|path| has_ending(path, ".tf") && !path.contains('/'))
            .map(str::to_owned)
            .collect();
        if files.is_some() && all.is_empty() {
            self.wrong(place_of(template.get("file"), template), "there is no file ending in .tf beside the manifest");
        }
        Some(Method::Terraform { files: all })
    }

    fn codebuild(&mut self, template: &Node) -> Option<Method> {
        if let Some(file) = template.get("file") {
            self.wrong(
                file.place,
                "\"file\" has no place beside the engine codebuild; all files of the folder are there",
            );
        }
        let Some(settings) = template.get("settings").filter(|settings| settings.entries().is_some()) else {
            self.wrong(template.place, "\"settings\" is missing; it has the commands to provision and deprovision");
            return None;
        };
        let mut found = CodeBuild {
            image: settings.get("image").and_then(Node::text).map(str::to_owned),
            install: if settings.get("install").is_some() { self.commands(settings, "install") } else { Vec::new() },
            provision: self.commands(settings, "provision"),
            deprovision: self.commands(settings, "deprovision"),
            ..CodeBuild::default()
        };
        for (key, value) in settings.entries().unwrap_or_default() {
            match (key.text().unwrap_or_default(), value.to_json()) {
                ("image" | "install" | "provision" | "deprovision", _) => {}
                ("runtimes", Value::Object(runtimes)) => found.runtimes = runtimes,
                ("project_properties", Value::Object(properties)) => found.project_properties = properties,
                ("env", Value::Object(_)) => {
                    found.variables = pairs(value.get("variables"));
                    found.secrets = pairs(value.get("secrets_manager").or_else(|| value.get("secrets-manager")));
                }
                ("input_type", Value::String(kind)) if kind.eq_ignore_ascii_case("hcl") => found.inputs_as_hcl = true,
                ("input_type", Value::String(kind)) if kind.eq_ignore_ascii_case("json") => {}
                ("input_type", _) => self.wrong(value.place, "input_type must be JSON or HCL"),
                (known @ ("runtimes" | "project_properties" | "env"), _) => {
                    self.wrong(value.place, format!("{known} must be an object, not {}", value.what()));
                }
                (unknown, _) => {
                    let message = format!("settings.{unknown} means nothing");
                    self.findings.push(Finding::warning("manifest", self.path, key.place, message));
                }
            }
        }
        Some(Method::CodeBuild(Box::new(found)))
    }

    fn commands(&mut self, settings: &Node, name: &str) -> Vec<String> {
        let Some(node) = settings.get(name) else {
            self.wrong(settings.place, format!("settings.{name} is missing; it is a list of commands"));
            return Vec::new();
        };
        let commands = node.items().map(|items| items.iter().map(|item| item.text().map(str::to_owned)).collect());
        match commands {
            Some(Some(commands)) => commands,
            _ => {
                self.wrong(node.place, format!("settings.{name} must be a list of commands, each a string"));
                Vec::new()
            }
        }
    }
}

pub(crate) fn has_ending(path: &str, ending: &str) -> bool {
    path.len() > ending.len() && path.ends_with(ending)
}

fn place_of(node: Option<&Node>, otherwise: &Node) -> Place {
    node.map_or(otherwise.place, |node| node.place)
}

fn pairs(node: Option<&Node>) -> Vec<(String, String)> {
    let entries = node.and_then(Node::entries).unwrap_or_default();
    entries.iter().filter_map(|(key, value)| Some((key.text()?.to_owned(), value.text()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entry: &str, owner: Owner, expect: Result<&str, &str>) {
        let mut files = Files::default();
        for file in ["cloudformation.yaml", "main.tf", "outputs.tf", "manifest.yaml", "deep/other.tf"] {
            files.insert(file, "x").expect("a good path");
        }
        let text = format!("infrastructure:\n  templates:\n    - {{{entry}}}\n");
        let mut findings = Vec::new();
        let method = read(&text, FILE, owner, Some(&files), &mut findings);
        let found = match findings.first() {
            Some(finding) => Err(finding.to_string()),
            None => Ok(method.map_or("none", |method| method.name()).to_owned()),
        };
        assert_eq!(found, expect.map(str::to_owned).map_err(str::to_owned), "{entry}");
    }

    /// Checklist 30, 31, 136.
    #[test]
    fn engines_go_with_their_languages() {
        use Owner::{Component, Template};
        check(
            "file: cloudformation.yaml, rendering_engine: jinja, template_language: cloudformation",
            Template,
            Ok("CloudFormation"),
        );
        check("file: '*', rendering_engine: hcl, template_language: terraform", Template, Ok("Terraform"));
        check("file: main.tf, rendering_engine: hcl, template_language: terraform", Component, Ok("Terraform"));
        check("rendering_engine: codebuild, settings: {provision: [a], deprovision: [b]}", Template, Ok("CodeBuild"));
        check(
            "rendering_engine: codebuild, settings: {provision: [a], deprovision: [b]}",
            Component,
            Err(
                "manifest.yaml:3:7: components cannot be provisioned by CodeBuild; use jinja with cloudformation, or hcl with terraform",
            ),
        );
        check(
            "file: cloudformatoin.yaml, rendering_engine: jinja, template_language: cloudformation",
            Template,
            Err(
                "manifest.yaml:3:14: the file \"cloudformatoin.yaml\" is not in the bundle beside the manifest; did you mean \"cloudformation.yaml\"?",
            ),
        );
        check(
            "file: main.tf, rendering_engine: jinja, template_language: terraform",
            Template,
            Err(
                "manifest.yaml:3:67: the engine jinja does not render terraform; there are jinja with cloudformation and hcl with terraform",
            ),
        );
        check(
            "file: main.tf, rendering_engine: jinjaa, template_language: terraform",
            Template,
            Err(
                "manifest.yaml:3:41: the rendering engine jinjaa does not exist; there are jinja, hcl and codebuild; did you mean jinja?",
            ),
        );
        check(
            "rendering_engine: codebuild, settings: {provision: [a]}",
            Template,
            Err("manifest.yaml:3:47: settings.deprovision is missing; it is a list of commands"),
        );
        check(
            "rendering_engine: codebuild, settings: {install: [c], provision: [a], deprovision: [b]}",
            Template,
            Ok("CodeBuild"),
        );
        check(
            "rendering_engine: codebuild, settings: {install: c, provision: [a], deprovision: [b]}",
            Template,
            Err("manifest.yaml:3:57: settings.install must be a list of commands, each a string"),
        );
    }

    #[test]
    fn a_star_takes_the_terraform_files_beside_it() {
        let mut files = Files::default();
        for file in ["b.tf", "a.tf", "deep/other.tf", "README.md"] {
            files.insert(file, "x").expect("a good path");
        }
        let text = "infrastructure: {templates: [{file: '*', rendering_engine: hcl, template_language: terraform}]}";
        let method = read(text, FILE, Owner::Template, Some(&files), &mut Vec::new());
        assert_eq!(method, Some(Method::Terraform { files: vec!["a.tf".into(), "b.tf".into()] }));
    }
}
