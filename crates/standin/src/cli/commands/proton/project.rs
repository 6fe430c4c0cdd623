//! A folder of bundles, and what is made of them: told by `proton.toml`, else by the folder itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use standin_proton::bundle::{self, Bundle, BundleKind};
use standin_proton::manifest::Method;
use standin_proton::{Files, Finding, yaml};

use super::files::read_bundle;
use crate::error::{Attempt as _, CommandError};

pub const MANIFEST: &str = "proton.toml";
const SPECS: &[&str] = &["spec.yaml", "spec.yml", "spec/spec.yaml"];

/// `proton.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Manifest {
    bucket: Option<String>,
    /// Of Proton, of CodeBuild, of components and of pipelines.
    role: Option<String>,
    /// Where pipelines by Terraform are committed.
    pipeline_repository: Option<Repository>,
    #[serde(default)]
    environments: BTreeMap<String, EnvironmentEntry>,
    #[serde(default)]
    services: BTreeMap<String, ServiceEntry>,
    #[serde(default)]
    components: BTreeMap<String, ComponentEntry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct EnvironmentEntry {
    bundle: PathBuf,
    template: Option<String>,
    spec: Option<PathBuf>,
    role: Option<String>,
    repository: Option<Repository>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ServiceEntry {
    bundle: PathBuf,
    template: Option<String>,
    spec: Option<PathBuf>,
    /// `template:major`.
    #[serde(default)]
    compatible: Vec<String>,
    repository: Option<String>,
    branch: Option<String>,
    connection: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ComponentEntry {
    bundle: PathBuf,
    environment: Option<String>,
    service: Option<String>,
    instance: Option<String>,
}

/// A repository that Proton commits to.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Repository {
    #[serde(default = "github")]
    pub provider: String,
    pub name: String,
    #[serde(default = "main_branch")]
    pub branch: String,
    pub connection: Option<String>,
}

fn github() -> String {
    "GITHUB".to_owned()
}

fn main_branch() -> String {
    "main".to_owned()
}

/// A template, with the bundle that it should have.
#[derive(Debug)]
pub struct Template {
    pub name: String,
    pub bundle: Bundle,
    /// What is registered.
    pub files: Files,
    /// Tells bundles apart.
    pub digest: String,
}

impl Template {
    pub fn is_service(&self) -> bool {
        matches!(self.bundle.kind, BundleKind::Service { .. })
    }

    /// How operations call the kind.
    pub fn kind(&self) -> &'static str {
        if self.is_service() { "Service" } else { "Environment" }
    }

    pub fn method(&self) -> Option<&Method> {
        self.bundle.main.as_ref().map(|main| &main.method)
    }
}

#[derive(Debug)]
pub struct Environment {
    pub name: String,
    /// An index.
    pub template: usize,
    pub spec: String,
    pub role: Option<String>,
    pub repository: Option<Repository>,
}

#[derive(Debug)]
pub struct Service {
    pub name: String,
    /// An index.
    pub template: usize,
    pub spec: String,
    /// `(environment template, major version)`, as far as it was written down.
    pub compatible: Vec<(String, String)>,
    pub repository: Option<String>,
    pub branch: String,
    pub connection: Option<String>,
}

impl Service {
    /// Names and environments of the instances in its spec.
    pub fn instances(&self) -> Vec<(String, String)> {
        instances(&spec_json(&self.spec))
    }
}

#[derive(Debug)]
pub struct Component {
    pub name: String,
    pub manifest: String,
    pub file: String,
    /// Service and instance.
    pub attached: Option<(String, String)>,
    pub environment: Option<String>,
}

/// Everything in a folder.
#[derive(Debug, Default)]
pub struct Project {
    pub bucket: Option<String>,
    pub role: Option<String>,
    pub pipeline_repository: Option<Repository>,
    pub templates: Vec<Template>,
    pub environments: Vec<Environment>,
    pub services: Vec<Service>,
    pub components: Vec<Component>,
    /// What is wrong with bundles and specs, under paths from where the command runs.
    pub findings: Vec<Finding>,
}

/// Reads a folder.
///
/// # Errors
/// Where there is nothing in it, or files cannot be read. What is wrong with bundles is in [`Project::findings`].
pub fn read(folder: &Path) -> Result<Project, CommandError> {
    let file = folder.join(MANIFEST);
    let manifest = if file.exists() {
        let text = fs::read_to_string(&file).attempt(format!("cannot read {}", file.display()))?;
        toml::from_str(&text).map_err(|error| {
            CommandError::usage(anyhow!("{} is not right: {error}", file.display()))
                .hint("docs/how-to/write-proton-templates.md tells what can be in it")
        })?
    } else {
        found(folder)?
    };
    let mut reader = Reader { folder, project: Project::default() };
    reader.read(manifest)?;
    Ok(reader.project)
}

struct Reader<'f> {
    folder: &'f Path,
    project: Project,
}

impl Reader<'_> {
    fn read(&mut self, manifest: Manifest) -> Result<(), CommandError> {
        self.project.bucket = manifest.bucket;
        self.project.role = manifest.role;
        self.project.pipeline_repository = manifest.pipeline_repository;
        for (name, entry) in manifest.environments {
            check_name(&name)?;
            let Some(template) = self.template(&entry.bundle, entry.template)? else { continue };
            let spec = self.spec(&entry.bundle, entry.spec.as_deref(), template, &name)?;
            let EnvironmentEntry { role, repository, .. } = entry;
            self.project.environments.push(Environment { name, template, spec, role, repository });
        }
        for (name, entry) in manifest.services {
            check_name(&name)?;
            let Some(template) = self.template(&entry.bundle, entry.template)? else { continue };
            let spec = self.spec(&entry.bundle, entry.spec.as_deref(), template, &name)?;
            let mut compatible = self.project.templates[template].bundle.compatible_environments.clone();
            for text in &entry.compatible {
                let (name, major) = text.split_once(':').unwrap_or((text, "1"));
                compatible.push((name.to_owned(), major.to_owned()));
            }
            self.project.services.push(Service {
                name,
                template,
                spec,
                compatible,
                repository: entry.repository,
                branch: entry.branch.unwrap_or_else(main_branch),
                connection: entry.connection,
            });
        }
        for (name, entry) in manifest.components {
            check_name(&name)?;
            self.component(name, entry)?;
        }
        Ok(())
    }

    /// Reads a bundle, and gives the index of its template; nothing where it is not good.
    fn template(&mut self, path: &Path, name: Option<String>) -> Result<Option<usize>, CommandError> {
        let folder = self.folder.join(path);
        let name = name.map_or_else(|| folder_name(&folder), Ok)?;
        check_name(&name)?;
        let all = read_bundle(&folder)?;
        let reading = bundle::read(&all, None);
        self.tell(&folder.join(&reading.root), &reading.findings);
        let Ok(bundle) = reading.into_result() else { return Ok(None) };
        if bundle.kind == BundleKind::Component {
            let error = anyhow!("{} is a component, which has no template", folder.display());
            return Err(CommandError::usage(error).hint("list it below [components]"));
        }
        let files = bundle::registered(&all);
        let template = Template { digest: digest(&files), name, bundle, files };
        let templates = &mut self.project.templates;
        let known = templates
            .iter()
            .position(|known| known.name == template.name && known.is_service() == template.is_service());
        if let Some(at) = known {
            if templates[at].digest != template.digest {
                return Err(CommandError::usage(anyhow!("two bundles are for the template {}", template.name)));
            }
            return Ok(Some(at));
        }
        templates.push(template);
        Ok(Some(templates.len() - 1))
    }

    fn spec(
        &mut self,
        bundle: &Path,
        given: Option<&Path>,
        template: usize,
        name: &str,
    ) -> Result<String, CommandError> {
        let folder = self.folder.join(bundle);
        let near = || SPECS.iter().map(|spec| folder.join(spec)).find(|path| path.exists());
        let Some(path) = given.map(|path| self.folder.join(path)).or_else(near) else {
            return Err(CommandError::usage(anyhow!("there is no spec for {name} in {}", folder.display())).hint(
                format!(
                    "write {}; `standin proton schema {}` lists the inputs",
                    folder.join(SPECS[0]).display(),
                    folder.display()
                ),
            ));
        };
        let text = fs::read_to_string(&path).attempt(format!("cannot read {}", path.display()))?;
        let Bundle { kind, schema: Some(schema), .. } = &self.project.templates[template].bundle else {
            return Ok(text);
        };
        let file = path.display().to_string();
        let checked = match kind {
            BundleKind::Environment { .. } => standin_proton::spec::environment(&text, schema, &file).map(drop),
            _ => standin_proton::spec::service(&text, schema, &file).map(drop),
        };
        self.project.findings.extend(checked.err().unwrap_or_default());
        Ok(text)
    }

    fn component(&mut self, name: String, entry: ComponentEntry) -> Result<(), CommandError> {
        let folder = self.folder.join(&entry.bundle);
        let all = read_bundle(&folder)?;
        let reading = bundle::read(&all, Some(BundleKind::Component));
        let files = all.below(&reading.root);
        self.tell(&folder.join(&reading.root), &reading.findings);
        let Ok(bundle) = reading.into_result() else { return Ok(()) };
        let file = match bundle.main.as_ref().map(|main| &main.method) {
            Some(Method::CloudFormation { file }) => file.clone(),
            Some(Method::Terraform { files }) => files.first().cloned().unwrap_or_default(),
            _ => String::new(),
        };
        let text = |path: &str| String::from_utf8_lossy(files.get(path).unwrap_or_default()).into_owned();
        let attached = match (entry.service, entry.instance) {
            (Some(service), Some(instance)) => Some((service, instance)),
            (None, None) => None,
            _ => {
                let error = anyhow!("the component {name} needs both a service and an instance, or neither");
                return Err(CommandError::usage(error));
            }
        };
        self.project.components.push(Component {
            manifest: text(standin_proton::manifest::FILE),
            file: text(&file),
            name,
            attached,
            environment: entry.environment,
        });
        Ok(())
    }

    fn tell(&mut self, folder: &Path, findings: &[Finding]) {
        let place =
            |finding: &Finding| Finding { file: folder.join(&finding.file).display().to_string(), ..finding.clone() };
        self.project.findings.extend(findings.iter().map(place));
    }
}

/// What a folder without a manifest holds: a bundle, or bundles side by side, each called as its folder.
fn found(folder: &Path) -> Result<Manifest, CommandError> {
    let mut bundles = Vec::new();
    if is_bundle(folder) {
        bundles.push(PathBuf::new());
    } else {
        for entry in fs::read_dir(folder).attempt(format!("cannot read {}", folder.display()))? {
            let path = entry.attempt(format!("cannot read {}", folder.display()))?.path();
            let nested = || {
                let inner = fs::read_dir(&path).into_iter().flatten().flatten();
                inner.map(|inner| inner.path()).any(|inner| inner.join("schema").is_dir())
            };
            if path.is_dir() && (is_bundle(&path) || nested()) {
                bundles.extend(path.file_name().map(PathBuf::from));
            }
        }
        bundles.sort();
    }
    let mut manifest = Manifest::default();
    let mut components = Vec::new();
    for path in bundles {
        let full = folder.join(&path);
        let name = folder_name(&full)?;
        let reading = bundle::read(&read_bundle(&full)?, None);
        match reading.bundle.as_ref().map(|bundle| bundle.kind) {
            Some(BundleKind::Service { .. }) => {
                manifest.services.insert(name, ServiceEntry { bundle: path, ..ServiceEntry::default() });
            }
            Some(BundleKind::Component) => components.push((name, path)),
            // What is too broken to tell is told with its findings.
            _ => {
                manifest.environments.insert(name, EnvironmentEntry { bundle: path, ..EnvironmentEntry::default() });
            }
        }
    }
    if manifest.environments.is_empty() && manifest.services.is_empty() && components.is_empty() {
        return Err(CommandError::usage(anyhow!("there is no bundle in {}", folder.display()))
            .hint("`standin proton init environment` begins one"));
    }
    let specs = manifest.services.values().filter_map(|entry| {
        let path = SPECS.iter().map(|spec| folder.join(&entry.bundle).join(spec)).find(|path| path.exists())?;
        Some(spec_json(&fs::read_to_string(path).ok()?))
    });
    let specs: Vec<Value> = specs.collect();
    // The only environment is called as the services call it.
    let mut called: Vec<String> = specs.iter().flat_map(instances).map(|(_, environment)| environment).collect();
    called.sort();
    called.dedup();
    if let ([called], Some((name, _))) = (called.as_slice(), manifest.environments.first_key_value())
        && manifest.environments.len() == 1
    {
        let folder_name = name.clone();
        if let Some(entry) = manifest.environments.remove(&folder_name) {
            let entry = EnvironmentEntry { template: Some(folder_name), ..entry };
            manifest.environments.insert(called.clone(), entry);
        }
    }
    // A component goes to the first instance there is, else to the environment.
    let only = |names: Vec<String>| if names.len() == 1 { names.into_iter().next() } else { None };
    let service = only(manifest.services.keys().cloned().collect());
    let instance = specs.first().map(instances).and_then(|found| found.into_iter().next()).map(|(name, _)| name);
    let attached = service.zip(instance).filter(|_| components.len() == 1);
    for (name, path) in components {
        let mut entry = ComponentEntry { bundle: path, ..ComponentEntry::default() };
        match &attached {
            Some((service, instance)) => {
                (entry.service, entry.instance) = (Some(service.clone()), Some(instance.clone()));
            }
            None => {
                let names =
                    if called.is_empty() { manifest.environments.keys().cloned().collect() } else { called.clone() };
                entry.environment = only(names);
                if entry.environment.is_none() {
                    return Err(CommandError::usage(anyhow!("it is not clear where the component {name} goes")).hint(
                        format!(
                            "say so in {}: [components.{name}] with an environment, or a service and an instance",
                            folder.join(MANIFEST).display()
                        ),
                    ));
                }
            }
        }
        manifest.components.insert(name, entry);
    }
    Ok(manifest)
}

fn is_bundle(folder: &Path) -> bool {
    folder.join("schema").is_dir() || folder.join(standin_proton::manifest::FILE).is_file()
}

fn folder_name(path: &Path) -> Result<String, CommandError> {
    let full = path.canonicalize().attempt(format!("cannot find {}", path.display()))?;
    Ok(full.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default())
}

/// Names of resources begin with a letter or a digit. Source: the shape `ResourceName`.
fn check_name(name: &str) -> Result<(), CommandError> {
    let plain = |c: char| c.is_ascii_alphanumeric();
    let fits = name.starts_with(plain) && name.len() <= 100 && name.chars().all(|c| plain(c) || "-_".contains(c));
    if fits {
        return Ok(());
    }
    Err(CommandError::usage(anyhow!("Proton takes no {name:?} for a name: letters, digits, - and _, at most 100"))
        .hint(format!("give it another in {MANIFEST}, or rename the folder")))
}

/// A spec as JSON; null where it is no YAML.
pub fn spec_json(text: &str) -> Value {
    yaml::parse(text).map_or(Value::Null, |node| node.to_json())
}

/// Names and environments of the instances of a spec.
pub fn instances(spec: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = spec["instances"].as_array().map_or(&[][..], Vec::as_slice);
    items.iter().map(|item| (text(&item["name"]), text(&item["environment"]))).collect()
}

fn digest(files: &Files) -> String {
    let mut hash = Sha256::new();
    for (path, content) in files.iter() {
        hash.update((path.len() as u64).to_be_bytes());
        hash.update(path);
        hash.update((content.len() as u64).to_be_bytes());
        hash.update(content);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use standin_proton::author::{StarterEngine, StarterKind, starter};

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("standin-project-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).expect("a folder");
            Self(path)
        }

        fn starter(&self, name: &str, kind: StarterKind) {
            for (path, text) in starter(kind, StarterEngine::CloudFormation).expect("a starter") {
                self.write(&format!("{name}/{path}"), text);
            }
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_folder_of_bundles_needs_no_manifest() {
        let folder = Folder::new("plain");
        folder.starter("network", StarterKind::Environment);
        folder.starter("web", StarterKind::Service);
        folder.starter("table", StarterKind::Component);
        folder.write("notes/readme.md", "not a bundle");
        let project = read(&folder.0).expect("a project");
        assert_eq!(project.findings, []);
        let [environment] = project.environments.as_slice() else { panic!("{:?}", project.environments) };
        assert_eq!(environment.name, "my-environment", "as the services call it");
        assert_eq!(project.templates[environment.template].name, "network");
        let [service] = project.services.as_slice() else { panic!("{:?}", project.services) };
        assert_eq!(service.instances()[0], ("dev".to_owned(), "my-environment".to_owned()));
        let [component] = project.components.as_slice() else { panic!("{:?}", project.components) };
        assert_eq!(component.attached, Some(("web".to_owned(), "dev".to_owned())));
    }

    #[test]
    fn only_what_is_registered_makes_another_bundle() {
        let folder = Folder::new("digest");
        folder.starter("network", StarterKind::Environment);
        let digest = || read(&folder.0).expect("a project").templates[0].digest.clone();
        let first = digest();
        folder.write("network/README.md", "read me");
        folder.write("network/spec.yaml", "proton: EnvironmentSpec\nspec: {vpc_cidr: 10.9.0.0/16}\n");
        assert_eq!(digest(), first);
        folder.write("network/infrastructure/notes.txt", "more");
        assert_ne!(digest(), first);
    }

    #[test]
    fn a_manifest_says_more() {
        let folder = Folder::new("manifest");
        folder.starter("bundles/network", StarterKind::Environment);
        folder.write("beta.yaml", "proton: EnvironmentSpec\nspec: {vpc_cidr: 10.9.0.0/16}\n");
        folder.write(
            MANIFEST,
            "[environments.alpha]\nbundle = \"bundles/network\"\n[environments.beta]\nbundle = \"bundles/network\"\nspec = \"beta.yaml\"\n",
        );
        let project = read(&folder.0).expect("a project");
        assert_eq!(project.environments.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["alpha", "beta"]);
        assert_eq!(project.templates.len(), 1);
        folder.write(MANIFEST, "[environments.alpha]\nbundel = \"x\"\n");
        let error = read(&folder.0).expect_err("a wrong key").report();
        assert!(error.contains("unknown field `bundel`"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_path() {
        let folder = Folder::new("wrong");
        folder.starter("network", StarterKind::Environment);
        folder.write("network/spec.yaml", "proton: EnvironmentSpec\nspec: {vpc_cidr: 7}\n");
        let project = read(&folder.0).expect("a project");
        let told: Vec<String> = project.findings.iter().map(ToString::to_string).collect();
        assert!(told[0].contains("network/spec.yaml:2:"), "{told:?}");
        let empty = Folder::new("empty");
        assert!(read(&empty.0).is_err());
    }
}
