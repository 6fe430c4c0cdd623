//! Template bundles: where what lies, and what is wrong with it.

use crate::archive::Files;
use crate::finding::Finding;
use crate::manifest::{self, Method, Owner};
use crate::render::jinja;
use crate::schema::{self, ENVIRONMENT_INPUT, Kind, PIPELINE_INPUT, SERVICE_INPUT, Schema};
use crate::yaml;

/// The limits that Proton documents, in bytes and files.
const MANIFEST_BYTES_MAX: usize = 50 * 1024;
const SCHEMA_BYTES_MAX: usize = 50 * 1024;
const FILE_BYTES_MAX: usize = 200 * 1024;
const TEMPLATE_FILES_MAX: usize = 10;

const ENVIRONMENT_FOLDER: &str = "infrastructure";
const INSTANCE_FOLDER: &str = "instance_infrastructure";
const PIPELINE_FOLDER: &str = "pipeline_infrastructure";
/// Who the service template works with, in bundles from repositories.
const REGISTRATION_FILE: &str = ".template-registration.yaml";
const COMPATIBLE_FILE: &str = ".compatible-envs";

/// What a bundle is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleKind {
    /// `provisioned`: standard; otherwise customer-managed, with a schema only.
    Environment { provisioned: bool },
    /// `pipeline`: whether the service has a pipeline.
    Service { pipeline: bool },
    /// A manifest and its file.
    Component,
}

impl BundleKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Environment { provisioned: true } => "environment",
            Self::Environment { provisioned: false } => "customer-managed environment",
            Self::Service { pipeline: true } => "service",
            Self::Service { pipeline: false } => "service without a pipeline",
            Self::Component => "component",
        }
    }
}

/// A folder with a manifest.
#[derive(Clone, Debug)]
pub struct Infrastructure {
    /// Empty for components.
    pub folder: String,
    pub method: Method,
    /// Those of the folder, the manifest among them.
    pub files: Files,
}

impl Infrastructure {
    /// The path of one of its files within the bundle.
    pub fn path(&self, file: &str) -> String {
        if self.folder.is_empty() { file.to_owned() } else { format!("{}/{file}", self.folder) }
    }
}

/// A bundle, read.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub kind: BundleKind,
    /// Components have none.
    pub schema: Option<Schema>,
    /// Of the environment, of service instances, or of the component.
    pub main: Option<Infrastructure>,
    pub pipeline: Option<Infrastructure>,
    /// `(environment template, major version)` of what `.template-registration.yaml` or `.compatible-envs` lists.
    pub compatible_environments: Vec<(String, String)>,
    /// `DIRECTLY_DEFINED`, where `.template-registration.yaml` says so.
    pub supported_component_sources: Vec<String>,
}

impl Bundle {
    /// Of all files that it keeps, together.
    pub fn bytes(&self) -> usize {
        self.main.iter().chain(&self.pipeline).map(|infrastructure| infrastructure.files.bytes()).sum()
    }
}

/// A bundle with everything that was found. It is usable if no finding is an error.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Nothing where there is too little to make anything of.
    pub bundle: Option<Bundle>,
    /// Paths are relative to the bundle's root, which is `root`.
    pub findings: Vec<Finding>,
    /// The folder of the archive that holds the bundle; empty if it is the archive itself.
    pub root: String,
}

impl Reading {
    /// The bundle, or what is wrong with it.
    ///
    /// # Errors
    /// The findings, at least one of which is an error.
    pub fn into_result(self) -> Result<Bundle, Vec<Finding>> {
        match self.bundle {
            Some(bundle) if !self.findings.iter().any(Finding::is_error) => Ok(bundle),
            _ => Err(self.findings),
        }
    }
}

/// Reads a bundle. Without a kind it is told from what there is.
pub fn read(files: &Files, kind: Option<BundleKind>) -> Reading {
    let root = root(files);
    let mut reader = Reader { files: files.below(&root), findings: Vec::new() };
    let kind = kind.or_else(|| reader.guess());
    let bundle = kind.and_then(|kind| reader.bundle(kind));
    let mut findings = reader.findings;
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Reading { bundle, findings, root }
}

/// The files of a bundle alone, from its root on: specs, texts and pictures beside them are not registered.
pub fn registered(files: &Files) -> Files {
    let mut found = files.below(&root(files));
    let folders = ["schema", ENVIRONMENT_FOLDER, INSTANCE_FOLDER, PIPELINE_FOLDER];
    found.retain(|path| {
        let top = path.split_once('/').map_or("", |(top, _)| top);
        folders.contains(&top) || path == REGISTRATION_FILE || path == COMPATIBLE_FILE
    });
    found
}

/// The shallowest folder that holds `schema/`, or else an infrastructure folder, or else a manifest.
fn root(files: &Files) -> String {
    let shallowest = |inside: &dyn Fn(&str) -> bool| {
        let folders = files.iter().flat_map(|(path, _)| {
            let cuts = path.match_indices('/').map(|(at, _)| &path[..at]);
            std::iter::once("").chain(cuts).collect::<Vec<_>>()
        });
        folders
            .filter(|folder| inside(folder))
            .min_by_key(|folder| (folder.matches('/').count() + usize::from(!folder.is_empty()), folder.to_string()))
            .map(str::to_owned)
    };
    let join = |folder: &str, name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let has = |names: &'static [&'static str]| {
        move |folder: &str| names.iter().any(|name| files.has_folder(&join(folder, name)))
    };
    shallowest(&has(&["schema"]))
        .or_else(|| shallowest(&has(&[ENVIRONMENT_FOLDER, INSTANCE_FOLDER, PIPELINE_FOLDER])))
        .or_else(|| shallowest(&|folder| files.get(&join(folder, manifest::FILE)).is_some()))
        .unwrap_or_default()
}

struct Reader {
    files: Files,
    findings: Vec<Finding>,
}

impl Reader {
    fn wrong(&mut self, rule: &'static str, file: &str, message: impl Into<String>) {
        self.findings.push(Finding::error(rule, file, (0, 0), message));
    }

    fn guess(&mut self) -> Option<BundleKind> {
        let has = |name: &str| self.files.has_folder(name);
        if has(INSTANCE_FOLDER) || has(PIPELINE_FOLDER) {
            return Some(BundleKind::Service { pipeline: has(PIPELINE_FOLDER) });
        }
        if has("schema") || has(ENVIRONMENT_FOLDER) {
            return Some(BundleKind::Environment { provisioned: has(ENVIRONMENT_FOLDER) });
        }
        if self.files.get(manifest::FILE).is_some() {
            return Some(BundleKind::Component);
        }
        self.wrong(
            "layout",
            "",
            "this is no bundle: it has neither schema/ nor infrastructure/, instance_infrastructure/ or manifest.yaml",
        );
        None
    }

    fn bundle(&mut self, kind: BundleKind) -> Option<Bundle> {
        let schema = match kind {
            BundleKind::Environment { provisioned } => {
                let schema = self.schema(
                    &[ENVIRONMENT_INPUT],
                    &[
                        (SERVICE_INPUT, "this is an environment template"),
                        (PIPELINE_INPUT, "this is an environment template"),
                    ],
                );
                if !provisioned && let Some(schema) = &schema {
                    self.outputs_only(schema);
                }
                schema
            }
            BundleKind::Service { pipeline: true } => {
                self.schema(&[SERVICE_INPUT, PIPELINE_INPUT], &[(ENVIRONMENT_INPUT, "this is a service template")])
            }
            BundleKind::Service { pipeline: false } => self.schema(
                &[SERVICE_INPUT],
                &[
                    (ENVIRONMENT_INPUT, "this is a service template"),
                    (PIPELINE_INPUT, "the service template has no pipeline"),
                ],
            ),
            BundleKind::Component => None,
        };
        let (main, pipeline) = match kind {
            BundleKind::Environment { provisioned: true } => {
                (self.infrastructure(ENVIRONMENT_FOLDER, Owner::Template), None)
            }
            BundleKind::Environment { provisioned: false } => {
                self.refuse(ENVIRONMENT_FOLDER, "a customer-managed environment template has a schema only");
                (None, None)
            }
            BundleKind::Service { pipeline: true } => (
                self.infrastructure(INSTANCE_FOLDER, Owner::Template),
                self.infrastructure(PIPELINE_FOLDER, Owner::Template),
            ),
            BundleKind::Service { pipeline: false } => {
                self.refuse(PIPELINE_FOLDER, "the service template has no pipeline of Proton's");
                (self.infrastructure(INSTANCE_FOLDER, Owner::Template), None)
            }
            BundleKind::Component => (self.infrastructure("", Owner::Component), None),
        };
        let (compatible_environments, supported_component_sources) = self.registration();
        let bundle = Bundle { kind, schema, main, pipeline, compatible_environments, supported_component_sources };
        self.templates(&bundle);
        Some(bundle)
    }

    /// A file as text, within its limit.
    fn text(&mut self, path: &str, bytes_max: usize, what: &str) -> Option<String> {
        let Some(bytes) = self.files.get(path) else {
            self.wrong("layout", path, format!("the bundle has no {what}"));
            return None;
        };
        let size = bytes.len();
        let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
        if size > bytes_max {
            self.wrong("size", path, format!("the {what} has {size} bytes; {bytes_max} are allowed"));
            return None;
        }
        if text.is_none() {
            self.wrong("text", path, format!("the {what} is not UTF-8 text"));
        }
        text
    }

    fn schema(&mut self, wanted: &[&str], refused: &[(&str, &str)]) -> Option<Schema> {
        let text = self.text(schema::FILE, SCHEMA_BYTES_MAX, "schema")?;
        schema::read(&text, wanted, refused, &mut self.findings)
    }

    /// The inputs of a customer-managed environment are its outputs, and outputs are strings.
    fn outputs_only(&mut self, schema: &Schema) {
        for (name, property) in schema.main_type().map_or(&[][..], |found| &found.properties) {
            let property = schema.resolved(property);
            if property.kind.is_some_and(|kind| kind != Kind::String) {
                let message = format!(
                    "\"{name}\" must be a string: the properties of a customer-managed environment are its outputs"
                );
                self.findings.push(Finding::error("customer-managed", schema::FILE, property.place, message));
            }
            if property.default.is_some() {
                let message = format!("\"{name}\" has a default, although outputs come from the environment's owner");
                self.findings.push(Finding::warning("customer-managed", schema::FILE, property.place, message));
            }
        }
    }

    fn refuse(&mut self, folder: &str, reason: &str) {
        if self.files.has_folder(folder) {
            self.wrong("layout", folder, format!("{folder}/ has no place here: {reason}"));
        }
    }

    fn infrastructure(&mut self, folder: &str, owner: Owner) -> Option<Infrastructure> {
        if !folder.is_empty() && !self.files.has_folder(folder) {
            self.wrong("layout", folder, format!("the bundle has no {folder}/"));
            return None;
        }
        let path = if folder.is_empty() { manifest::FILE.to_owned() } else { format!("{folder}/{}", manifest::FILE) };
        let text = self.text(&path, MANIFEST_BYTES_MAX, "manifest")?;
        let files = self.files.below(folder);
        let method = manifest::read(&text, &path, owner, Some(&files), &mut self.findings)?;
        Some(Infrastructure { folder: folder.to_owned(), method, files })
    }

    /// What `.template-registration.yaml` and the older `.compatible-envs` say.
    fn registration(&mut self) -> (Vec<(String, String)>, Vec<String>) {
        let text = |file: &str| self.files.get(file).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let (registration, compatible) = (text(REGISTRATION_FILE), text(COMPATIBLE_FILE));
        let mut environments = Vec::new();
        let mut sources = Vec::new();
        if let Some(text) = registration {
            match yaml::parse(&text) {
                Ok(root) => {
                    let list = |name: &str| root.get(name).and_then(yaml::Node::items).unwrap_or_default();
                    let items = list("compatible_environments");
                    if items.is_empty() {
                        self.findings.push(Finding::error(
                            "registration",
                            REGISTRATION_FILE,
                            root.place,
                            "compatible_environments is missing; it lists TEMPLATE:MAJOR",
                        ));
                    }
                    for item in items {
                        self.compatible(
                            REGISTRATION_FILE,
                            item.place,
                            item.text().unwrap_or_default(),
                            &mut environments,
                        );
                    }
                    for item in list("supported_component_sources") {
                        match item.text() {
                            Some("DIRECTLY_DEFINED") => sources.push("DIRECTLY_DEFINED".to_owned()),
                            _ => self.findings.push(Finding::error(
                                "registration",
                                REGISTRATION_FILE,
                                item.place,
                                "the only component source is DIRECTLY_DEFINED",
                            )),
                        }
                    }
                }
                Err(error) => self.findings.push(Finding::error(
                    "yaml",
                    REGISTRATION_FILE,
                    error.place,
                    format!("not valid YAML: {}", error.message),
                )),
            }
        } else if let Some(text) = compatible {
            for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                self.compatible(COMPATIBLE_FILE, (at + 1, 1), line.trim(), &mut environments);
            }
        }
        (environments, sources)
    }

    fn compatible(&mut self, file: &str, place: yaml::Place, text: &str, found: &mut Vec<(String, String)>) {
        match text.rsplit_once(':') {
            Some((name, major)) if !name.is_empty() && major.parse::<u32>().is_ok() => {
                found.push((name.trim().to_owned(), major.trim().to_owned()));
            }
            _ => self.findings.push(Finding::error(
                "registration",
                file,
                place,
                format!("\"{text}\" must be the name of an environment template and a major version: vpc-env:1"),
            )),
        }
    }

    /// The sizes, the number and the syntax of template files.
    fn templates(&mut self, bundle: &Bundle) {
        let mut count = 0;
        for infrastructure in bundle.main.iter().chain(&bundle.pipeline) {
            let listed: Vec<&String> = match &infrastructure.method {
                Method::CloudFormation { file } => vec![file],
                Method::Terraform { files } => files.iter().collect(),
                Method::CodeBuild(_) => Vec::new(),
            };
            for file in &listed {
                let path = infrastructure.path(file);
                if infrastructure.files.get(file).is_none() {
                    continue;
                }
                let Some(text) = self.text(&path, FILE_BYTES_MAX, "template file") else { continue };
                count += 1;
                if matches!(infrastructure.method, Method::CloudFormation { .. }) {
                    self.findings.extend(jinja::lint(&text, &path, infrastructure, bundle));
                }
            }
        }
        if count > TEMPLATE_FILES_MAX {
            self.wrong("size", "", format!("the bundle has {count} template files; {TEMPLATE_FILES_MAX} are allowed"));
        }
    }
}

#[cfg(test)]
mod tests;
