//! What is configured of provisioning.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::secrets::KeySource;

/// Whether AWS's SDK is built in.
pub const HAS_AWS: bool = cfg!(feature = "aws");

/// Everything of the configuration's table `proton` that is about provisioning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProvisioningConfig {
    pub cloudformation: StacksBy,
    pub codebuild: BuildsBy,
    pub terraform: TerraformBy,
    pub terraform_here: TerraformConfig,
    /// Where linked repositories are, by `owner/name`.
    pub repositories: BTreeMap<String, RepositoryConfig>,
    pub git: GitConfig,
    pub pulls: PullsConfig,
    pub jobs: JobsConfig,
    /// What credentials are sealed by.
    pub keys: KeySource,
    /// How AWS is reached, where it provisions.
    pub aws: standin_aws::Settings,
}

impl ProvisioningConfig {
    /// Whether any repository has a place.
    pub fn names_repositories(&self) -> bool {
        self.git.base.is_some() || !self.repositories.is_empty()
    }
}

/// Who makes stacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StacksBy {
    /// standin's own CloudFormation.
    #[default]
    Standin,
    Aws,
    /// Something that speaks CloudFormation's API: scheme, host and port.
    Endpoint(String),
}

/// Who runs the commands of templates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BuildsBy {
    /// Processes of this machine.
    #[default]
    Local,
    Docker,
    Kubernetes,
    Aws,
}

/// Who applies the Terraform of templates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TerraformBy {
    /// Whoever merges the pull request.
    #[default]
    PullRequest,
    /// Terraform on this machine; standin keeps its state.
    Local,
}

/// Terraform on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerraformConfig {
    /// A path, or a name that is looked for; without it, `terraform` or `tofu`.
    pub binary: Option<PathBuf>,
    /// Terraform's own configuration, as `TF_CLI_CONFIG_FILE` names it: mirrors of providers, credentials of registries.
    pub cli_config: Option<PathBuf>,
    /// Whether it provisions on AWS; else what it calls of AWS is standin itself.
    pub aws: bool,
    /// More variables for it; they win over standin's own.
    pub variables: BTreeMap<String, String>,
    /// How long it waits for the lock of a state.
    pub lock_timeout: Duration,
}

impl Default for TerraformConfig {
    fn default() -> Self {
        let lock_timeout = Duration::from_secs(5 * 60);
        Self { binary: None, cli_config: None, aws: false, variables: BTreeMap::new(), lock_timeout }
    }
}

/// Where a linked repository is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryConfig {
    /// `file:///…`, `https://…`, `ssh://…` or a path.
    pub url: String,
    /// `github`, `gitlab`, `bitbucket`, `gitea`, or `plain`; without it, by the host of the URL.
    pub forge: Option<String>,
    /// Of the forge's API, where it is not the usual one of the host.
    pub api: Option<String>,
    /// The name of what standin signs in with.
    pub credential: Option<String>,
}

/// Git repositories in general.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitConfig {
    /// The URL of repositories that have no entry of their own, with `{owner}` and `{name}` in it.
    pub base: Option<String>,
    /// As [`RepositoryConfig`] has them, of the repositories below `base`.
    pub forge: Option<String>,
    pub api: Option<String>,
    pub credential: Option<String>,
    /// How often synced branches and proposed ones are looked at.
    pub poll: Duration,
    /// Whether template sync publishes what it registers.
    pub publish: bool,
    /// What forges sign their webhooks with.
    pub webhook_secret: Option<String>,
    /// What else of the surroundings git is to know: proxies, certificates, the agent of SSH.
    pub environment: Vec<(String, String)>,
}

impl Default for GitConfig {
    fn default() -> Self {
        Self {
            base: None,
            forge: None,
            api: None,
            credential: None,
            poll: Duration::from_secs(30),
            publish: false,
            webhook_secret: None,
            environment: Vec::new(),
        }
    }
}

/// Pull requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PullsConfig {
    /// Whether a deployment has succeeded when its pull request is merged. Else whoever applies it says so.
    pub merge_completes: bool,
    /// Whether the first pull request of a repository brings the workflow files that plan, apply and notify.
    pub workflows: bool,
}

/// Limits of jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobsConfig {
    pub timeout: Duration,
    /// Of all processes of a job together, in bytes.
    pub memory: u64,
    pub processes: u64,
    /// Of the log of one job, in bytes.
    pub output: u64,
    /// Whether jobs run although the server listens beyond this machine.
    pub allow: bool,
    pub isolation: Isolation,
    /// Of containers, where a template names none.
    pub image: Option<String>,
    pub kubernetes: ClusterConfig,
    /// What Docker's program is to know of the surroundings: `HOME`, `DOCKER_HOST` …
    pub docker: BTreeMap<String, String>,
}

/// The cluster of jobs that are run by Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// The file that says where it is; nothing where standin itself runs in it.
    pub kubeconfig: Option<PathBuf>,
    pub namespace: String,
    /// Where pods find standin.
    pub endpoint: Option<String>,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self { kubeconfig: None, namespace: "default".to_owned(), endpoint: None }
    }
}

/// What keeps jobs that are processes of this machine from the rest of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Nothing but limits.
    #[default]
    None,
    /// Bubblewrap: what is not the job's can only be read, and other processes are not seen.
    Bubblewrap,
    /// Namespaces by `unshare`: other processes are not seen.
    Namespaces,
}

impl Default for JobsConfig {
    fn default() -> Self {
        Self {
            // An hour is what CodeBuild gives a build.
            timeout: Duration::from_secs(60 * 60),
            memory: 4 << 30,
            processes: 1024,
            output: 16 << 20,
            allow: false,
            isolation: Isolation::None,
            image: None,
            kubernetes: ClusterConfig::default(),
            docker: BTreeMap::new(),
        }
    }
}
