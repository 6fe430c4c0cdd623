//! What `[proton]` says of provisioning: who does it, where repositories are, and how much jobs may take.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use standin_core::parse_duration;
use standin_model::nearest;
use standin_server::ProvisioningConfig;
use standin_server::provisioning::{BuildsBy, Isolation, RepositoryConfig, StacksBy, TerraformBy, TerraformConfig};

use super::{ProtonSetting, aws};
use crate::error::CommandError;

/// The forges that standin speaks to; `plain` is git alone.
const FORGES: [&str; 6] = ["github", "gitlab", "bitbucket", "gitea", "forgejo", "plain"];
/// How git is spoken to repositories.
const SCHEMES: [&str; 4] = ["https", "ssh", "file", "http"];
/// Jobs with less do not even start a shell.
const MEMORY_MIN: u64 = 16 << 20;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProvisioningSettings {
    /// `standin`, `aws`, or `http://HOST:PORT` of something that speaks CloudFormation's API.
    pub cloudformation: Option<String>,
    /// `local`, `docker`, `kubernetes` or `aws`.
    pub codebuild: Option<String>,
    /// `pull-request` or `local`.
    pub terraform: Option<String>,
}

/// Where a repository is: its URL, or a table that says more.
#[derive(Clone, Debug, PartialEq)]
pub struct RepositorySetting(RepositoryTable);

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RepositoryTable {
    url: String,
    forge: Option<String>,
    api: Option<String>,
    credential: Option<String>,
}

impl<'d> Deserialize<'d> for RepositorySetting {
    /// Not untagged: what is wrong with a table is told.
    fn deserialize<D: Deserializer<'d>>(from: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(from)? {
            toml::Value::String(url) => Ok(Self(RepositoryTable { url, ..RepositoryTable::default() })),
            toml::Value::Table(table) => {
                RepositoryTable::deserialize(table).map(Self).map_err(|error| D::Error::custom(error.message()))
            }
            _ => Err(D::Error::custom("a repository is a URL, or a table with `url`, `forge`, `api` and `credential`")),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GitSettings {
    /// Of repositories without an entry of their own, with `{owner}` and `{name}`.
    pub base: Option<String>,
    /// Of the repositories below `base`.
    pub forge: Option<String>,
    pub api: Option<String>,
    pub credential: Option<String>,
    pub poll: Option<String>,
    pub publish: Option<bool>,
    pub webhook_secret: Option<String>,
}

/// Terraform on this machine.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TerraformSettings {
    pub binary: Option<PathBuf>,
    pub cli_config: Option<PathBuf>,
    pub aws: Option<bool>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    pub lock_timeout: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PullSettings {
    pub merge_completes: Option<bool>,
    pub workflows: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JobSettings {
    pub timeout: Option<String>,
    pub memory: Option<Size>,
    pub processes: Option<u64>,
    pub output: Option<Size>,
    pub allow: Option<bool>,
    /// `none`, `bubblewrap` or `namespaces`.
    pub isolation: Option<String>,
    pub image: Option<String>,
    pub kubeconfig: Option<PathBuf>,
    pub namespace: Option<String>,
    /// `http://HOST:PORT` of this server, as pods see it.
    pub endpoint: Option<String>,
}

/// Bytes: a number, or a text such as `512MB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(u64);

impl<'d> Deserialize<'d> for Size {
    fn deserialize<D: Deserializer<'d>>(from: D) -> Result<Self, D::Error> {
        let read = match toml::Value::deserialize(from)? {
            toml::Value::Integer(number) => u64::try_from(number).ok(),
            toml::Value::String(text) => size(&text),
            _ => None,
        };
        read.map(Self)
            .ok_or_else(|| D::Error::custom("a size is a number of bytes, or a text such as \"512MB\" or \"2GB\""))
    }
}

/// Reads `512MB`: units are of 1024.
fn size(text: &str) -> Option<u64> {
    const UNITS: [(&str, u32); 4] = [("kb", 10), ("mb", 20), ("gb", 30), ("tb", 40)];
    let lower = text.trim().to_ascii_lowercase().replace("ib", "b");
    let (digits, shift) =
        UNITS.iter().find_map(|(unit, shift)| Some((lower.strip_suffix(unit)?, *shift))).unwrap_or((&lower, 0));
    let number: u64 = digits.trim().replace('_', "").parse().ok()?;
    number.checked_mul(1 << shift)
}

/// What all settings together make of provisioning; the last word counts, repositories come together.
///
/// # Errors
/// Where a value is none of those that there are. The message names the key.
pub fn provisioning(settings: &[ProtonSetting]) -> Result<ProvisioningConfig, CommandError> {
    let mut config = ProvisioningConfig::default();
    for setting in settings {
        add(&mut config, setting).map_err(|why| CommandError::usage(anyhow::anyhow!("proton.{why}")))?;
    }
    aws::check(&config).map_err(|why| CommandError::usage(anyhow::anyhow!("proton.{why}")))?;
    Ok(config)
}

fn add(config: &mut ProvisioningConfig, setting: &ProtonSetting) -> Result<(), String> {
    let ProtonSetting { provisioning, terraform, repositories, git, pulls, jobs, aws: of_aws, .. } = setting;
    if let Some(text) = &provisioning.cloudformation {
        config.cloudformation = match text.as_str() {
            "standin" => StacksBy::Standin,
            "aws" => StacksBy::Aws,
            url => StacksBy::Endpoint(endpoint(url).ok_or_else(|| {
                format!("provisioning.cloudformation: {url:?} is none of standin, aws and http://HOST:PORT")
            })?),
        };
    }
    let builds = [
        ("local", BuildsBy::Local),
        ("docker", BuildsBy::Docker),
        ("kubernetes", BuildsBy::Kubernetes),
        ("aws", BuildsBy::Aws),
    ];
    choose(&mut config.codebuild, "provisioning.codebuild", provisioning.codebuild.as_deref(), &builds)?;
    let applies = [("pull-request", TerraformBy::PullRequest), ("local", TerraformBy::Local)];
    choose(&mut config.terraform, "provisioning.terraform", provisioning.terraform.as_deref(), &applies)?;
    here(&mut config.terraform_here, terraform)?;
    for (name, RepositorySetting(table)) in repositories {
        let told = |why: String| format!("repositories.{name:?}: {why}");
        config.repositories.insert(name.clone(), repository(name, table).map_err(told)?);
    }
    if let Some(base) = &git.base {
        if !base.contains("{name}") {
            return Err(format!("git.base: {:?} has no {{name}}, which every repository needs", shown(base)));
        }
        let example = base.replace("{owner}", "owner").replace("{name}", "name");
        check_url(&example).map_err(|why| format!("git.base: {why}"))?;
        config.git.base = Some(base.clone());
    }
    if let Some(name) = &git.forge {
        config.git.forge = Some(forge(name).map_err(|why| format!("git.forge: {why}"))?);
    }
    if let Some(api) = &git.api {
        config.git.api = Some(api_url(api).map_err(|why| format!("git.api: {why}"))?);
    }
    if let Some(name) = &git.credential {
        config.git.credential = Some(credential(name).map_err(|why| format!("git.credential: {why}"))?);
    }
    if let Some(text) = &git.poll {
        config.git.poll = duration("git.poll", text)?;
    }
    config.git.publish = git.publish.unwrap_or(config.git.publish);
    if let Some(secret) = &git.webhook_secret {
        if secret.is_empty() {
            return Err(
                "git.webhook-secret: it is empty, so anybody could sign; leave it out to take no webhooks".into()
            );
        }
        config.git.webhook_secret = Some(secret.clone());
    }
    config.pulls.merge_completes = pulls.merge_completes.unwrap_or(config.pulls.merge_completes);
    config.pulls.workflows = pulls.workflows.unwrap_or(config.pulls.workflows);
    if let Some(text) = &jobs.timeout {
        config.jobs.timeout = duration("jobs.timeout", text)?;
    }
    if let Some(Size(bytes)) = jobs.memory {
        if bytes < MEMORY_MIN {
            return Err(format!("jobs.memory: {bytes} bytes are too few for a shell; 16MB is the least"));
        }
        config.jobs.memory = bytes;
    }
    if let Some(Size(bytes)) = jobs.output {
        config.jobs.output = bytes;
    }
    match jobs.processes {
        Some(0) => return Err("jobs.processes: a shell is one process".to_owned()),
        Some(count) => config.jobs.processes = count,
        None => {}
    }
    config.jobs.allow = jobs.allow.unwrap_or(config.jobs.allow);
    match jobs.isolation.as_deref() {
        None => {}
        Some("none") => config.jobs.isolation = Isolation::None,
        Some("bubblewrap") => config.jobs.isolation = Isolation::Bubblewrap,
        Some("namespaces") => config.jobs.isolation = Isolation::Namespaces,
        Some(other) => return Err(format!("jobs.isolation: {other} is none of none, bubblewrap and namespaces")),
    }
    if let Some(image) = &jobs.image {
        config.jobs.image = Some(image.clone());
    }
    let cluster = &mut config.jobs.kubernetes;
    cluster.kubeconfig = jobs.kubeconfig.clone().or_else(|| cluster.kubeconfig.take());
    cluster.namespace = jobs.namespace.clone().unwrap_or_else(|| std::mem::take(&mut cluster.namespace));
    cluster.endpoint = jobs.endpoint.clone().or_else(|| cluster.endpoint.take());
    aws::add(config, of_aws)
}

fn here(config: &mut TerraformConfig, said: &TerraformSettings) -> Result<(), String> {
    // Jobs run in folders of their own.
    let absolute = |key: &str, path: &Path| {
        std::path::absolute(path).map_err(|error| format!("terraform.{key}: {}: {error}", path.display()))
    };
    if let Some(binary) = &said.binary {
        let named = binary.components().count() == 1;
        config.binary = Some(if named { binary.clone() } else { absolute("binary", binary)? });
    }
    if let Some(path) = &said.cli_config {
        config.cli_config = Some(absolute("cli-config", path)?);
    }
    config.aws = said.aws.unwrap_or(config.aws);
    for (name, value) in &said.env {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) || !name.chars().all(fits) {
            return Err(format!("terraform.env: {name:?} is not the name of a variable"));
        }
        config.variables.insert(name.clone(), value.clone());
    }
    if let Some(text) = &said.lock_timeout {
        config.lock_timeout = duration("terraform.lock-timeout", text)?;
    }
    Ok(())
}

/// The one of a few names that is said, if any.
fn choose<T: Copy>(into: &mut T, key: &str, said: Option<&str>, all: &[(&str, T)]) -> Result<(), String> {
    let Some(said) = said else { return Ok(()) };
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let (_, found) = all.iter().find(|(name, _)| *name == said).ok_or_else(|| unknown(key, said, &names))?;
    *into = *found;
    Ok(())
}

fn unknown(key: &str, said: &str, names: &[&str]) -> String {
    let near = nearest(said, names.iter().copied(), 1);
    let hint = near.first().map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    format!("{key}: {said:?} is none of {}{hint}", names.join(", "))
}

fn duration(key: &str, text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err(format!("{key}: {text:?} is no time at all")),
        Ok(duration) => Ok(duration),
        Err(why) => Err(format!("{key}: {why}")),
    }
}

/// `http://HOST:PORT`, without anything behind.
pub(super) fn endpoint(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let authority = uri.authority()?.as_str();
    let plain = matches!(uri.scheme_str(), Some("http" | "https")) && matches!(uri.path(), "" | "/");
    (plain && uri.query().is_none() && !authority.contains('@')).then(|| text.trim_end_matches('/').to_owned())
}

fn repository(name: &str, table: &RepositoryTable) -> Result<RepositoryConfig, String> {
    let part = |part: &str| {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
        !part.is_empty() && !matches!(part, "." | "..") && part.chars().all(fits)
    };
    if !name.contains('/') || !name.split('/').all(part) {
        return Err("the name is not of the form owner/name".to_owned());
    }
    check_url(&table.url)?;
    Ok(RepositoryConfig {
        url: table.url.clone(),
        forge: table.forge.as_deref().map(forge).transpose()?,
        api: table.api.as_deref().map(api_url).transpose()?,
        credential: table.credential.as_deref().map(credential).transpose()?,
    })
}

fn forge(name: &str) -> Result<String, String> {
    match name {
        // The same API.
        "forgejo" => Ok("gitea".to_owned()),
        name if FORGES.contains(&name) => Ok(name.to_owned()),
        name => Err(unknown("forge", name, &FORGES)),
    }
}

fn api_url(text: &str) -> Result<String, String> {
    let uri = text.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    let authority = uri.as_ref().and_then(Uri::authority);
    match authority {
        Some(authority) if authority.as_str().contains('@') => Err(secret_in_url()),
        Some(_) => Ok(text.trim_end_matches('/').to_owned()),
        None => Err(format!("api: {text:?} is no URL that begins with https:// or http://")),
    }
}

fn credential(name: &str) -> Result<String, String> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    if name.is_empty() || !name.chars().all(fits) {
        // Not the text itself: it may be the secret.
        return Err(
            "`credential` is the name of one that `standin proton credential set NAME` keeps, not the secret".into()
        );
    }
    Ok(name.to_owned())
}

fn secret_in_url() -> String {
    "the URL holds a password or token; keep it by `standin proton credential set NAME` and name that as `credential`"
        .to_owned()
}

/// A URL without what may be secret.
fn shown(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => url.to_owned(),
    }
}

/// What git can fetch from, and nothing that it would take for an option or run as a program.
fn check_url(url: &str) -> Result<(), String> {
    if url.is_empty() || url.starts_with('-') || url.chars().any(|letter| letter.is_control() || letter == ' ') {
        return Err(format!("{:?} is no URL of a git repository", shown(url)));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        let is_path = url.starts_with('/') || Path::new(url).is_absolute();
        // As in git@github.com:owner/name.git
        let is_scp = url.split_once(':').is_some_and(|(host, path)| {
            !path.is_empty() && !path.starts_with(':') && !host.is_empty() && !host.contains('/') && host.contains('.')
        });
        return if is_path || is_scp {
            Ok(())
        } else {
            Err(format!(
                "{:?} is neither a URL such as https://…, ssh://… or file:///…, nor an absolute path",
                shown(url)
            ))
        };
    };
    if !SCHEMES.contains(&scheme) {
        return Err(format!("{:?} begins with none of https://, ssh://, file:// and http://", shown(url)));
    }
    if scheme == "file" && !rest.starts_with('/') {
        return Err(format!("{url:?} has no absolute path: file:// is followed by /"));
    }
    let host = rest.split('/').next().unwrap_or_default();
    let user = host.rsplit_once('@').map(|(user, _)| user);
    let has_secret = match scheme {
        // A user alone is no secret of SSH.
        "ssh" => user.is_some_and(|user| user.contains(':')),
        _ => user.is_some(),
    };
    match (scheme, host) {
        _ if has_secret => Err(secret_in_url()),
        ("file", _) => Ok(()),
        (_, "") => Err(format!("{url:?} names no host")),
        (_, host) if host.starts_with('-') || host.contains("@-") => Err(format!("{url:?} names no host")),
        _ => Ok(()),
    }
}

/// The tables by name, as the file has them.
pub type Repositories = BTreeMap<String, RepositorySetting>;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<ProvisioningConfig, String> {
        let settings: Vec<ProtonSetting> = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        provisioning(&settings).map_err(|error| format!("{:#}", error.error))
    }

    #[test]
    fn lines_and_tables_say_the_same() {
        let table = read(&[r#"
            [provisioning]
            cloudformation = "http://127.0.0.1:5000/"
            codebuild = "docker"
            terraform = "local"
            [repositories]
            "a/b" = "file:///srv/git/b.git"
            "a/c" = { url = "https://git.example/a/c.git", forge = "forgejo", api = "https://git.example/api/v1", credential = "mine" }
            [git]
            base = "file:///srv/git/{owner}/{name}.git"
            poll = "5s"
            publish = true
            [pulls]
            merge-completes = true
            workflows = true
            [jobs]
            timeout = "10m"
            memory = "2GB"
            output = 1_000_000
            allow = true
        "#])
        .expect("valid");
        let lines = read(&[
            "provisioning.cloudformation=\"http://127.0.0.1:5000\"",
            "provisioning.codebuild=\"aws\"",
            "provisioning.codebuild=\"docker\"",
            "provisioning.terraform=\"local\"",
            "repositories.\"a/b\"=\"file:///srv/git/b.git\"",
            "repositories.\"a/c\"={url=\"https://git.example/a/c.git\",forge=\"gitea\",api=\"https://git.example/api/v1/\",credential=\"mine\"}",
            "git.base=\"file:///srv/git/{owner}/{name}.git\"\ngit.poll=\"5s\"\ngit.publish=true",
            "pulls={merge-completes=true,workflows=true}",
            "jobs.timeout=\"600s\"",
            "jobs={memory=2147483648,output=\"1000000\",allow=true}",
        ])
        .expect("valid");
        assert_eq!(table, lines);
        assert_eq!(table.cloudformation, StacksBy::Endpoint("http://127.0.0.1:5000".to_owned()));
        assert_eq!((table.codebuild, table.terraform), (BuildsBy::Docker, TerraformBy::Local));
        assert_eq!(table.repositories["a/c"].forge.as_deref(), Some("gitea"));
        assert_eq!((table.git.poll, table.git.publish), (Duration::from_secs(5), true));
        assert_eq!((table.jobs.memory, table.jobs.output, table.jobs.allow), (2 << 30, 1_000_000, true));
        assert_eq!(read(&[]).expect("nothing"), ProvisioningConfig::default());
    }

    #[test]
    fn repositories_are_where_git_can_fetch_from() {
        let check = |url: &str, expect: Option<&str>| {
            let line = format!("repositories.\"a/b\"={}", serde_json::Value::from(url));
            match (read(&[&line]), expect) {
                (Ok(_), None) => {}
                (Err(error), Some(part)) => assert!(error.contains(part) && !error.contains("hunter2"), "{error}"),
                (read, expect) => panic!("{url}: {read:?} is not {expect:?}"),
            }
        };
        for url in [
            "https://github.com/a/b.git",
            "http://127.0.0.1:3000/a/b",
            "ssh://git@github.com/a/b.git",
            "git@github.com:a/b.git",
            "file:///srv/git/b.git",
            "/srv/git/b.git",
        ] {
            check(url, None);
        }
        check("https://me:hunter2@github.com/a/b", Some("credential set"));
        check("https://hunter2@github.com/a/b", Some("credential set"));
        check("ssh://git:hunter2@h/a/b", Some("credential set"));
        check("ftp://me:hunter2@h/a", Some("begins with none"));
        check("ext::sh -c x", Some("no URL"));
        check("ext::touch", Some("neither"));
        check("--upload-pack=x", Some("no URL"));
        check("ssh://-oProxyCommand=x/a", Some("no host"));
        check("https:///a", Some("no host"));
        check("file://srv/git", Some("absolute"));
        check("srv/git", Some("neither"));
        check("", Some("no URL"));
        check("a\nb", Some("no URL"));
    }

    #[test]
    fn mistakes_are_told() {
        let check = |text: &str, expect: &str| {
            let error = read(&[text]).expect_err(text);
            assert!(error.contains(expect) && !error.contains("hunter2"), "{error}");
        };
        check("provisioning.cloudformation=\"amazon\"", "none of standin, aws and http://HOST:PORT");
        check("provisioning.cloudformation=\"http://h:1/path\"", "proton.provisioning.cloudformation");
        check("provisioning.codebuild=\"dcker\"", "did you mean docker?");
        check("provisioning.terraform=\"prs\"", "none of pull-request, local");
        check("provisioning.pulumi=\"local\"", "unknown field");
        check("repositories.b=\"/b\"", "owner/name");
        check("repositories.\"../b\"=\"/b\"", "owner/name");
        check("repositories.\"a/b\"=1", "a URL, or a table");
        check("repositories.\"a/b\"={url=\"/b\",forg=\"x\"}", "unknown field `forg`");
        check("repositories.\"a/b\"={forge=\"plain\"}", "missing field `url`");
        check("repositories.\"a/b\"={url=\"/b\",forge=\"githob\"}", "did you mean github?");
        check("repositories.\"a/b\"={url=\"/b\",api=\"api\"}", "api: \"api\" is no URL");
        check("repositories.\"a/b\"={url=\"/b\",api=\"https://x:hunter2@h\"}", "credential set");
        check("repositories.\"a/b\"={url=\"/b\",credential=\"hunter2 is secret\"}", "is the name of one");
        check("git.base=\"file:///srv/git\"", "{name}");
        check("git.base=\"https://x:hunter2@h/{owner}/{name}\"", "git.base: the URL holds");
        check("git.poll=\"0\"", "no time at all");
        check("git.poll=\"soon\"", "git.poll: \"soon\" is no duration");
        check("git.publish=\"yes\"", "expected a boolean");
        check("git.webhook-secret=\"\"", "anybody could sign");
        check("jobs.timeout=\"1 day\"", "jobs.timeout");
        check("jobs.memory=\"lots\"", "a size is");
        check("jobs.memory=-1", "a size is");
        check("jobs.memory=\"1MB\"", "16MB is the least");
        check("jobs.processes=0", "a shell is one process");
        check("jobs.isolation=\"walls\"", "none of none, bubblewrap and namespaces");
        check("jobs.timeout=5", "expected a string");
    }

    #[test]
    fn sizes_have_units() {
        let check = |text: &str, expect: Option<u64>| assert_eq!(size(text), expect, "{text}");
        check("0", Some(0));
        check("1_000", Some(1000));
        check("1KB", Some(1024));
        check("3 MiB", Some(3 << 20));
        check("2gb", Some(2 << 30));
        check("99999999999TB", None);
        check("1.5GB", None);
        check("GB", None);
    }
}
