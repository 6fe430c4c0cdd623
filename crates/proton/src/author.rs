//! What authors of templates do without any service: check a bundle, render it with made-up surroundings, begin a new one.

use serde_json::{Map, Value, json};

use crate::archive::Files;
use crate::bundle::{Bundle, BundleKind};
use crate::finding::Finding;
use crate::render::inputs::{DeployedInstance, Outputs, Surroundings};
use crate::render::{
    self, Build, ComponentInputs, EnvironmentInputs, Identity, InstanceInputs, PipelineInputs, Rendered, ServiceInputs,
    Target,
};
use crate::spec;

/// What a bundle is rendered with when nothing is deployed.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Of the environment, the service or the component.
    pub name: String,
    pub account_id: String,
    pub region: String,
    /// Of the environment that instances and components live in.
    pub environment_outputs: Outputs,
    /// Of every instance, for the pipeline.
    pub instance_outputs: Outputs,
    /// Of the component that is attached to every instance.
    pub component_outputs: Option<Outputs>,
}

impl Default for Preview {
    fn default() -> Self {
        Self {
            name: "example".into(),
            account_id: "123456789012".into(),
            region: "us-east-1".into(),
            environment_outputs: Outputs::new(),
            instance_outputs: Outputs::new(),
            component_outputs: None,
        }
    }
}

/// Renders all that a bundle makes: files by path, with a folder for each instance and the pipeline of a service.
///
/// # Errors
/// What is wrong with the spec or the templates. `spec_file` is what findings call the spec.
pub fn preview(
    bundle: &Bundle,
    spec: Option<(&str, &str)>,
    with: &Preview,
) -> Result<Vec<(String, Vec<u8>)>, Vec<Finding>> {
    let mut made = Made { with, files: Vec::new() };
    let schema = bundle.schema.as_ref();
    match (bundle.kind, schema, spec) {
        (BundleKind::Component, ..) => made.component(bundle)?,
        (_, Some(schema), Some((file, text))) => match bundle.kind {
            BundleKind::Environment { .. } => made.environment(bundle, spec::environment(text, schema, file)?)?,
            _ => made.service(bundle, &spec::service(text, schema, file)?)?,
        },
        (_, None, _) => return Err(vec![Finding::error("schema-layout", "", (0, 0), "the bundle has no schema")]),
        (.., None) => return Err(vec![Finding::error("spec-layout", "", (0, 0), "a spec is needed, with the inputs")]),
    }
    Ok(made.files)
}

/// Outputs that nobody has deployed: one for each name that the templates of a bundle use, in the form that the name tells.
pub fn made_up(bundle: &Bundle) -> Preview {
    let mut with = Preview::default();
    for infrastructure in [&bundle.main, &bundle.pipeline].into_iter().flatten() {
        for (_, content) in infrastructure.files.iter() {
            let text = String::from_utf8_lossy(content);
            for (at, _) in text.match_indices("outputs") {
                let Some(name) = output_name(&text[at + "outputs".len()..]) else { continue };
                let of = text[..at].trim_end_matches('.');
                let outputs = if of.ends_with("environment") {
                    &mut with.environment_outputs
                } else if of.ends_with("default") {
                    continue;
                } else {
                    &mut with.instance_outputs
                };
                let account = "123456789012";
                let value = match name.to_lowercase() {
                    lower if lower.contains("arn") => format!("arn:aws:iam::{account}:policy/example"),
                    _ => "example".to_owned(),
                };
                outputs.insert(name.to_owned(), value.into());
            }
        }
    }
    with
}

/// The name after `outputs`: `.Name` or `["Name"]`.
fn output_name(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix('.').or_else(|| rest.strip_prefix("[\"")).or_else(|| rest.strip_prefix("['"))?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    Some(&rest[..end]).filter(|name| !name.is_empty())
}

struct Made<'w> {
    with: &'w Preview,
    files: Vec<(String, Vec<u8>)>,
}

impl Made<'_> {
    fn arn(&self, resource: &str) -> String {
        format!("arn:aws:proton:{}:{}:{resource}", self.with.region, self.with.account_id)
    }

    fn tags(&self, of: &[(&str, &str)]) -> Vec<(String, String)> {
        let account = ("proton:account".to_owned(), self.with.account_id.clone());
        let others = of.iter().map(|(name, resource)| (format!("proton:{name}"), self.arn(resource)));
        std::iter::once(account).chain(others).collect()
    }

    fn surroundings(&self, name: &str) -> Surroundings {
        Surroundings {
            name: name.to_owned(),
            account_id: self.with.account_id.clone(),
            outputs: self.with.environment_outputs.clone(),
        }
    }

    fn environment(&mut self, bundle: &Bundle, spec: spec::EnvironmentSpec) -> Result<(), Vec<Finding>> {
        let name = &self.with.name;
        let resource = format!("environment/{name}");
        let Some(main) = &bundle.main else {
            let text = format!("{:#}\n", Value::Object(spec.inputs));
            self.files.push(("outputs.json".into(), text.into_bytes()));
            return Ok(());
        };
        let environment =
            EnvironmentInputs { name: name.clone(), account_id: self.with.account_id.clone(), inputs: spec.inputs };
        let tags = self.tags(&[("environment", &resource)]);
        let identity = Identity { arn: &self.arn(&resource), tags: &tags, metadata: None };
        let rendered = render::render(main, &Target::Environment(&environment), &identity)?;
        self.keep("", main, rendered)
    }

    fn service(&mut self, bundle: &Bundle, spec: &spec::ServiceSpec) -> Result<(), Vec<Finding>> {
        let name = &self.with.name;
        let service = ServiceInputs {
            name: name.clone(),
            ..if bundle.pipeline.is_some() {
                ServiceInputs {
                    branch_name: "main".into(),
                    repository_id: format!("example/{name}"),
                    repository_connection_arn: self
                        .arn("connection/example")
                        .replace(":proton:", ":codestar-connections:"),
                    ..ServiceInputs::default()
                }
            } else {
                ServiceInputs::default()
            }
        };
        for instance in &spec.instances {
            let inputs = InstanceInputs {
                environment: self.surroundings(&instance.environment),
                service: service.clone(),
                name: instance.name.clone(),
                inputs: instance.inputs.clone(),
                component: self.with.component_outputs.clone().map(|outputs| ("example".into(), outputs)),
            };
            let resource = format!("service/{name}/service-instance/{}", instance.name);
            let tags = self.tags(&[
                ("environment", &format!("environment/{}", instance.environment)),
                ("service", &format!("service/{name}")),
                ("service-instance", &resource),
            ]);
            let identity = Identity { arn: &self.arn(&resource), tags: &tags, metadata: None };
            if let Some(main) = &bundle.main {
                let rendered = render::render(main, &Target::Instance(&inputs), &identity)?;
                self.keep(&format!("{}/", instance.name), main, rendered)?;
            }
        }
        if let (Some(pipeline), Some(inputs)) = (&bundle.pipeline, &spec.pipeline) {
            let instances = spec.instances.iter().map(|instance| DeployedInstance {
                name: instance.name.clone(),
                inputs: instance.inputs.clone(),
                outputs: self.with.instance_outputs.clone(),
                environment: self.surroundings(&instance.environment),
            });
            let inputs = PipelineInputs { service, inputs: inputs.clone(), instances: instances.collect() };
            let resource = format!("service/{name}/pipeline");
            let tags = self.tags(&[("service", &format!("service/{name}"))]);
            let identity = Identity { arn: &self.arn(&resource), tags: &tags, metadata: None };
            let rendered = render::render(pipeline, &Target::Pipeline(&inputs), &identity)?;
            self.keep("pipeline/", pipeline, rendered)?;
        }
        Ok(())
    }

    fn component(&mut self, bundle: &Bundle) -> Result<(), Vec<Finding>> {
        let name = &self.with.name;
        let Some(main) = &bundle.main else { return Ok(()) };
        let inputs = ComponentInputs { environment: self.surroundings("example"), name: name.clone(), attached: None };
        let resource = format!("component/{name}");
        let tags = self.tags(&[("environment", "environment/example"), ("component", &resource)]);
        let identity = Identity { arn: &self.arn(&resource), tags: &tags, metadata: None };
        let rendered = render::render(main, &Target::Component(&inputs), &identity)?;
        self.keep("", main, rendered)
    }

    /// Keeps what was rendered as files below a folder.
    fn keep(&mut self, folder: &str, of: &crate::Infrastructure, rendered: Rendered) -> Result<(), Vec<Finding>> {
        match rendered {
            Rendered::CloudFormation { template } => {
                let file = match &of.method {
                    crate::manifest::Method::CloudFormation { file } => file,
                    _ => "cloudformation.yaml",
                };
                self.files.push((format!("{folder}{file}"), template.into_bytes()));
            }
            Rendered::Terraform { files } => {
                self.files.extend(files.into_iter().map(|(path, text)| (format!("{folder}{path}"), text.into_bytes())));
            }
            Rendered::CodeBuild(build) => {
                let spec = format!("{:#}\n", buildspec(&build).map_err(|finding| vec![finding])?);
                self.files.push((format!("{folder}buildspec.json"), spec.into_bytes()));
                let files = build.files.iter().filter(|(path, _)| *path != crate::manifest::FILE);
                self.files.extend(files.map(|(path, bytes)| (format!("{folder}{path}"), bytes.to_vec())));
            }
        }
        Ok(())
    }
}

/// A build in the form of CodeBuild's own buildspec, the commands to deprovision among it.
fn buildspec(build: &Build) -> Result<Value, Finding> {
    let commands = |commands: &Result<Vec<String>, Box<Finding>>| commands.clone().map_err(|finding| *finding);
    let (provision, deprovision) = (commands(&build.provision)?, commands(&build.deprovision)?);
    let variables: Map<String, Value> =
        build.variables.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let mut spec = json!({
        "version": "0.2",
        "env": { "variables": variables },
        "phases": { "install": { "runtime-versions": build.runtimes }, "build": { "commands": provision } },
        "deprovision": deprovision,
    });
    if !build.install.is_empty() {
        spec["phases"]["install"]["commands"] = json!(build.install);
    }
    if !build.secrets.is_empty() {
        let secrets: Map<String, Value> =
            build.secrets.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        spec["env"]["secrets-manager"] = Value::Object(secrets);
    }
    if let Some(image) = &build.image {
        spec["image"] = json!(image);
    }
    if !build.project_properties.is_empty() {
        spec["project_properties"] = json!(build.project_properties);
    }
    Ok(spec)
}

/// What a starter bundle is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StarterKind {
    Environment,
    Service,
    Component,
}

/// How what a starter bundle describes is provisioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StarterEngine {
    CloudFormation,
    Terraform,
    CodeBuild,
}

macro_rules! starter {
    ($folder:literal: $($file:literal),*) => {
        &[$(($file, include_str!(concat!("../starters/", $folder, "/", $file)))),*]
    };
}

/// The files of a bundle to begin with, which validates and renders, with its spec; nothing for components by CodeBuild,
/// which do not exist.
pub fn starter(kind: StarterKind, engine: StarterEngine) -> Option<&'static [(&'static str, &'static str)]> {
    use StarterEngine::{CloudFormation, CodeBuild, Terraform};
    use StarterKind::{Component, Environment, Service};
    Some(match (kind, engine) {
        (Environment, CloudFormation) => starter!("environment-cloudformation": "spec.yaml", "schema/schema.yaml",
            "infrastructure/manifest.yaml", "infrastructure/cloudformation.yaml"),
        (Environment, Terraform) => starter!("environment-terraform": "spec.yaml", "schema/schema.yaml",
            "infrastructure/manifest.yaml", "infrastructure/main.tf", "infrastructure/outputs.tf"),
        (Environment, CodeBuild) => starter!("environment-codebuild": "spec.yaml", "schema/schema.yaml",
            "infrastructure/manifest.yaml", "infrastructure/provision.sh", "infrastructure/remove.sh"),
        (Service, CloudFormation) => starter!("service-cloudformation": "spec.yaml", "schema/schema.yaml",
            "instance_infrastructure/manifest.yaml", "instance_infrastructure/cloudformation.yaml",
            "pipeline_infrastructure/manifest.yaml", "pipeline_infrastructure/cloudformation.yaml"),
        (Service, Terraform) => starter!("service-terraform": "spec.yaml", ".compatible-envs", "schema/schema.yaml",
            "instance_infrastructure/manifest.yaml", "instance_infrastructure/main.tf",
            "pipeline_infrastructure/manifest.yaml", "pipeline_infrastructure/main.tf"),
        (Service, CodeBuild) => starter!("service-codebuild": "spec.yaml", "schema/schema.yaml",
            "instance_infrastructure/manifest.yaml", "instance_infrastructure/provision.sh", "instance_infrastructure/remove.sh",
            "pipeline_infrastructure/manifest.yaml", "pipeline_infrastructure/provision.sh", "pipeline_infrastructure/remove.sh"),
        (Component, CloudFormation) => starter!("component-cloudformation": "manifest.yaml", "cloudformation.yaml"),
        (Component, Terraform) => starter!("component-terraform": "manifest.yaml", "main.tf"),
        (Component, CodeBuild) => return None,
    })
}

/// A starter as the files of a bundle.
pub fn starter_files(files: &[(&str, &str)]) -> Files {
    let mut found = Files::default();
    for (path, text) in files {
        found.insert(path, *text).expect("the paths of starters are written above");
    }
    found
}
