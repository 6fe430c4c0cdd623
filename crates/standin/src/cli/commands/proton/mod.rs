//! `proton`: what authors of Proton templates do: checks and previews without a server, deployments with one.

mod abandon;
mod adopt;
mod check;
mod credential;
mod down;
mod files;
mod logs;
mod project;
mod status;
mod up;
mod workflow;

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};
use standin_proton::author::{self, Preview, StarterEngine, StarterKind};
use standin_proton::bundle::{self, Bundle, BundleKind, Reading};
use standin_proton::{Finding, finding, schema};

use crate::cli::{Out, output};
use crate::error::{Attempt as _, CommandError};
use files::{read_bundle, read_outputs, write};

/// Begin, check, render and deploy Proton template bundles
#[derive(Args, Debug)]
pub struct ProtonArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Register, publish and deploy the bundles of a folder on the running server, as far as they are not so already
    ///
    /// Prints the outputs. docs/how-to/write-proton-templates.md tells what folders and proton.toml look like.
    Up(up::UpArgs),
    /// Delete what up made of a folder
    Down(down::DownArgs),
    /// Show what is deployed on the running server, and what is behind its template
    Status(status::StatusArgs),
    /// Print the log of a deployment on the running server
    Logs(logs::LogsArgs),
    /// Let an environment be deleted whose environment account lets Proton in no more
    ///
    /// Once its account connection is gone, deployments to the environment fail, and so does its deletion, until another
    /// connection is attached. Where there will be none, this gives up what was made there: it stays where it is.
    Abandon(abandon::AbandonArgs),
    /// Take over environments, services and components whose stacks Proton made before its end
    ///
    /// Stacks are looked for where `provisioning.cloudformation` says, by Proton's names and tags. Nothing is done to them before
    /// the next deployment, which goes to the same stack. docs/how-to/move-from-aws-proton.md tells more. Ends with 1 if something
    /// cannot be adopted.
    Adopt(Box<adopt::AdoptArgs>),
    /// Keep what git and forges are given, for the running server
    Credential(credential::CredentialArgs),
    /// Write the files by which a repository plans what Proton proposes, applies what is merged, and tells Proton
    ///
    /// A script that also runs by hand, and a workflow of the forge that runs it.
    Workflow(workflow::WorkflowArgs),
    /// Check a bundle, as the registration of a template version does, and with a spec what comes of it
    ///
    /// With a spec, and for components, the templates are rendered, and what CloudFormation would refuse is told at the line
    /// of the template. Outputs that are not given are made up. Ends with 1 if there are errors.
    Validate {
        /// A folder, a .tar.gz, or - for one on standard input
        bundle: PathBuf,
        #[command(flatten)]
        kind: KindArgs,
        /// A spec to check against the schema, and to render the templates with
        #[arg(long, value_name = "FILE")]
        spec: Option<PathBuf>,
        #[command(flatten)]
        outputs: OutputArgs,
        /// Warnings count as errors
        #[arg(long)]
        strict: bool,
        /// Print JSON; the same as --format json
        #[arg(long, conflicts_with = "format")]
        json: bool,
        /// How findings are told
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Render the templates of a bundle with a spec
    Render {
        /// A folder, a .tar.gz, or - for one on standard input
        bundle: PathBuf,
        #[command(flatten)]
        kind: KindArgs,
        /// The inputs; components have none
        #[arg(long, value_name = "FILE")]
        spec: Option<PathBuf>,
        /// What the environment or the service is called
        #[arg(long, default_value = "example")]
        name: String,
        #[command(flatten)]
        outputs: OutputArgs,
        /// Write files to this folder instead of standard output
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Print JSON: paths and texts
        #[arg(long, conflicts_with = "out")]
        json: bool,
    },
    /// List the inputs that a template takes
    Schema {
        /// A folder, a .tar.gz, or - for one on standard input
        bundle: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Begin a bundle that validates and renders
    Init {
        /// What it is for
        kind: InitKind,
        /// Where to write it [default: a folder of the kind's name]
        dir: Option<PathBuf>,
        /// What provisions it; components know no codebuild
        #[arg(long, value_enum, default_value_t = InitEngine::Cloudformation)]
        engine: InitEngine,
    },
}

#[derive(Args, Debug)]
struct KindArgs {
    /// What the bundle is for [default: what it looks like]
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// The environment is not provisioned by Proton, or the service has no pipeline of Proton's
    #[arg(long, requires = "kind")]
    customer_managed: bool,
}

#[derive(Args, Debug)]
struct OutputArgs {
    /// Outputs of the environment that instances live in: an object in JSON or YAML
    #[arg(long, value_name = "FILE")]
    environment_outputs: Option<PathBuf>,
    /// Outputs of the instances that the pipeline deploys
    #[arg(long, value_name = "FILE")]
    instance_outputs: Option<PathBuf>,
    /// Outputs of a component that is attached to the instances
    #[arg(long, value_name = "FILE")]
    component_outputs: Option<PathBuf>,
}

impl OutputArgs {
    /// What is given in the place of what there is.
    fn fill(&self, mut with: Preview) -> Result<Preview, CommandError> {
        let outputs = |path: &Option<PathBuf>| path.as_deref().map(read_outputs).transpose();
        with.environment_outputs = outputs(&self.environment_outputs)?.unwrap_or(with.environment_outputs);
        with.instance_outputs = outputs(&self.instance_outputs)?.unwrap_or(with.instance_outputs);
        with.component_outputs = outputs(&self.component_outputs)?.or(with.component_outputs);
        Ok(with)
    }
}

impl KindArgs {
    fn bundle_kind(&self) -> Option<BundleKind> {
        let managed = !self.customer_managed;
        self.kind.map(|kind| match kind {
            Kind::Environment => BundleKind::Environment { provisioned: managed },
            Kind::Service => BundleKind::Service { pipeline: managed },
            Kind::Component => BundleKind::Component,
        })
    }
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Kind {
    Environment,
    Service,
    Component,
}

type InitKind = Kind;

#[derive(ValueEnum, Clone, Copy, Debug)]
enum InitEngine {
    Cloudformation,
    Terraform,
    Codebuild,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Json,
    /// For code scanning
    Sarif,
    /// Annotations of GitHub Actions
    Github,
}

impl ProtonArgs {
    pub(crate) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        match &self.what {
            What::Up(up) => up.run(out),
            What::Down(down) => down.run(),
            What::Status(status) => status.run(out),
            What::Logs(logs) => logs.run(out),
            What::Abandon(abandon) => abandon.run(out),
            What::Adopt(adopt) => adopt.run(out),
            What::Credential(credential) => credential.run(out),
            What::Workflow(workflow) => workflow.run(out),
            What::Validate { bundle, kind, spec, outputs, strict, json, format } => {
                let format = if *json { Format::Json } else { *format };
                validate(bundle, kind.bundle_kind(), spec.as_deref(), outputs, *strict, format, out)
            }
            What::Render { bundle, kind, spec, name, outputs, out: folder, json } => {
                let with = outputs.fill(Preview { name: name.clone(), ..Preview::default() })?;
                render(bundle, kind.bundle_kind(), spec.as_deref(), &with, folder.as_deref(), *json, out)
            }
            What::Schema { bundle, json } => show_schema(bundle, *json, out),
            What::Init { kind, dir, engine } => init(*kind, dir.as_deref(), *engine, out),
        }
    }
}

fn validate(
    path: &Path,
    kind: Option<BundleKind>,
    spec: Option<&Path>,
    outputs: &OutputArgs,
    strict: bool,
    format: Format,
    out: &mut Out,
) -> Result<u8, CommandError> {
    let reading = bundle::read(&read_bundle(path)?, kind);
    let mut findings = reading.findings.clone();
    let text = spec.map(read_spec).transpose()?;
    if let Some((spec, text)) = spec.zip(text.as_deref()) {
        findings.extend(spec_findings(&reading, spec, text));
    }
    if let Some(bundle) = &reading.bundle
        && (spec.is_some() || bundle.kind == BundleKind::Component)
        && !findings.iter().any(Finding::is_error)
    {
        let with = outputs.fill(author::made_up(bundle))?;
        let named = spec.map(|path| path.display().to_string());
        findings.extend(check::rendered(bundle, named.as_deref().zip(text.as_deref()), &with));
    }
    let (errors, warnings) = count(&findings);
    let folder = if path.is_dir() { path.join(&reading.root).display().to_string() } else { reading.root.clone() };
    match format {
        Format::Text => {
            for finding in &findings {
                writeln!(out, "{}: {finding}", finding.severity.name())?;
            }
            let what = reading.bundle.as_ref().map_or("bundle", |bundle| bundle.kind.name());
            writeln!(
                out,
                "{}: {what}, {} and {}",
                path.display(),
                counted(errors, "error"),
                counted(warnings, "warning")
            )?;
        }
        Format::Json => out.json(&json!({
            "kind": reading.bundle.as_ref().map(|bundle| bundle.kind.name()),
            "root": reading.root,
            "errors": errors,
            "warnings": warnings,
            "findings": findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
        }))?,
        // Paths from where the command runs, which is the root of the repository where CI does.
        Format::Sarif => out.json(&finding::to_sarif(&placed(findings, &folder, spec), env!("CARGO_PKG_VERSION")))?,
        Format::Github => {
            for finding in placed(findings, &folder, spec) {
                writeln!(out, "{}", finding.to_github())?;
            }
        }
    }
    Ok(u8::from(errors > 0 || (strict && warnings > 0)))
}

/// Findings under paths from here on; those of the spec have theirs already.
fn placed(findings: Vec<Finding>, folder: &str, spec: Option<&Path>) -> Vec<Finding> {
    let spec = spec.map(|spec| spec.display().to_string());
    let place = |finding: Finding| match &spec {
        Some(spec) if *spec == finding.file => finding,
        _ => finding.below(folder),
    };
    findings.into_iter().map(place).collect()
}

/// What is wrong with a spec, told under its own path.
fn spec_findings(reading: &Reading, path: &Path, text: &str) -> Vec<Finding> {
    let Some(Bundle { kind, schema: Some(schema), .. }) = &reading.bundle else { return Vec::new() };
    let file = path.display().to_string();
    let checked = match kind {
        BundleKind::Environment { .. } => standin_proton::spec::environment(text, schema, &file).map(drop),
        _ => standin_proton::spec::service(text, schema, &file).map(drop),
    };
    checked.err().unwrap_or_default()
}

fn count(findings: &[Finding]) -> (usize, usize) {
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    (errors, findings.len() - errors)
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn read_spec(path: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(path).attempt(format!("cannot read {}", path.display()))
}

/// The bundle, or an error after its findings were told.
fn sound(path: &Path, kind: Option<BundleKind>) -> Result<Bundle, CommandError> {
    bundle::read(&read_bundle(path)?, kind).into_result().map_err(|findings| {
        tell(&findings);
        CommandError::failure(anyhow!("{} is not a good bundle", path.display()))
    })
}

fn tell(findings: &[Finding]) {
    for finding in findings {
        output::to_stderr(&format!("{}: {finding}\n", finding.severity.name()));
    }
}

fn render(
    path: &Path,
    kind: Option<BundleKind>,
    spec: Option<&Path>,
    with: &Preview,
    folder: Option<&Path>,
    as_json: bool,
    out: &mut Out,
) -> Result<u8, CommandError> {
    let bundle = sound(path, kind)?;
    if spec.is_none() && bundle.schema.is_some() {
        return Err(CommandError::usage(anyhow!("the template takes inputs; name a spec with --spec"))
            .hint(format!("standin proton schema {} lists the inputs", path.display())));
    }
    let text = spec.map(read_spec).transpose()?;
    let named = spec.map(|path| path.display().to_string());
    let spec = named.as_deref().zip(text.as_deref());
    let files = author::preview(&bundle, spec, with).map_err(|findings| {
        tell(&findings);
        let is_output = findings.iter().any(|finding| finding.message.contains("environment.outputs"));
        let error = CommandError::failure(anyhow!("{} does not render with these inputs", path.display()));
        if is_output {
            error.hint("--environment-outputs names a file with the outputs of the environment")
        } else {
            error
        }
    })?;
    if let Some(folder) = folder {
        for path in write(folder, &files, true)? {
            writeln!(out, "{}", path.display())?;
        }
    } else if as_json {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let files: Map<String, Value> = files.iter().map(|(path, bytes)| (path.clone(), text(bytes).into())).collect();
        out.json(&Value::Object(files))?;
    } else if let [(_, only)] = files.as_slice() {
        out.bytes(only)?;
    } else {
        for (path, bytes) in &files {
            writeln!(out, "# {path}")?;
            out.bytes(bytes)?;
            writeln!(out)?;
        }
    }
    Ok(0)
}

fn show_schema(path: &Path, as_json: bool, out: &mut Out) -> Result<u8, CommandError> {
    let bundle = sound(path, None)?;
    let Some(schema) = &bundle.schema else {
        return Err(CommandError::usage(anyhow!("{} is a component, which takes no inputs", path.display())));
    };
    let fields = |found: Option<&schema::Type>| found.map(|found| schema::fields(schema, found));
    let main = if matches!(bundle.kind, BundleKind::Environment { .. }) { "environment" } else { "instance" };
    let parts = [(main, fields(schema.main_type())), ("pipeline", fields(schema.pipeline_type()))];
    let parts: Vec<_> = parts.into_iter().filter_map(|(name, fields)| Some((name, fields?))).collect();
    if as_json {
        let parts: Map<String, Value> = parts
            .into_iter()
            .map(|(name, fields)| (name.to_owned(), fields.iter().map(schema::Field::to_json).collect()))
            .collect();
        out.json(&Value::Object(parts))?;
        return Ok(0);
    }
    let mut rows = Vec::new();
    for (name, fields) in parts {
        for field in fields {
            let mut limits = field.limits.clone();
            if !field.values.is_empty() {
                limits.insert(0, field.values.iter().map(Value::to_string).collect::<Vec<_>>().join(" or "));
            }
            let default = field.default.map_or_else(
                || if field.required { "(required)".into() } else { String::new() },
                |value| value.to_string(),
            );
            rows.push([
                name.to_owned(),
                field.path,
                field.kind.to_owned(),
                default,
                limits.join(", "),
                field.description.or(field.title).unwrap_or_default(),
            ]);
        }
    }
    out.table(["OF", "INPUT", "TYPE", "DEFAULT", "ALLOWED", "WHAT"], &rows)?;
    Ok(0)
}

fn init(kind: Kind, folder: Option<&Path>, engine: InitEngine, out: &mut Out) -> Result<u8, CommandError> {
    let (of, name) = match kind {
        Kind::Environment => (StarterKind::Environment, "environment"),
        Kind::Service => (StarterKind::Service, "service"),
        Kind::Component => (StarterKind::Component, "component"),
    };
    let by = match engine {
        InitEngine::Cloudformation => StarterEngine::CloudFormation,
        InitEngine::Terraform => StarterEngine::Terraform,
        InitEngine::Codebuild => StarterEngine::CodeBuild,
    };
    let files = author::starter(of, by).ok_or_else(|| {
        CommandError::usage(anyhow!("Proton does not provision components by CodeBuild"))
            .hint("take --engine cloudformation or --engine terraform")
    })?;
    let folder = folder.unwrap_or_else(|| Path::new(name));
    let files: Vec<(String, Vec<u8>)> =
        files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
    for path in write(folder, &files, false)? {
        writeln!(out, "{}", path.display())?;
    }
    Ok(0)
}
