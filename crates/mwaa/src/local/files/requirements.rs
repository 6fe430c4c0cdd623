//! `requirements.txt`: installed into a folder of its own beside the shared installation of Airflow, which never changes.
//!
//! What is asked for is resolved under the constraints of the installation, what the installation has anyway is left out, and the rest is
//! installed once for each version, Python and text: environments that ask for the same share it.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Ended, Variables, attend, digest, log};
use crate::local::install::Installed;
use crate::local::leftovers::MARK;

/// The output of installations, among the environment's logs.
pub(in crate::local) const LOG: &str = "requirements_install.log";
/// How long an installation may take: nine minutes on MWAA.
const LIMIT: Duration = Duration::from_secs(9 * 60);
/// How long a file of constraints may take to come.
const FETCH_LIMIT: Duration = Duration::from_secs(15);
/// The folder that an environment uses, by its name: a line in this file.
const USED: &str = "site";
/// Written last: what has it is whole.
const WHOLE: &str = ".standin-whole";
/// What MWAA's folders are called in files that are made for it.
const MWAA_HOME: &str = "/usr/local/airflow/";

/// Fetches a file of constraints, with the proxies and certificates that Python knows of.
const FETCH: &str = r#"
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=10) as answer, open(sys.argv[2], "wb") as file:
    file.write(answer.read(4 << 20))
"#;

/// The folders with what users require, shared by environments.
#[derive(Debug)]
pub(in crate::local) struct Sites {
    folder: PathBuf,
    /// Held while a folder is chosen or folders are removed.
    choice: Mutex<()>,
}

/// What is to be installed, and for whom.
pub(in crate::local) struct Wanted<'a> {
    pub requirements: &'a Path,
    /// Of the environment.
    pub folder: &'a Path,
    pub installed: &'a Installed,
    /// What the startup script exported, and where AWS is.
    pub variables: &'a Variables,
    /// Changes with the plugins, whose wheels may be asked for.
    pub plugins: &'a str,
}

impl Sites {
    pub(in crate::local) fn new(folder: PathBuf) -> Self {
        Self { folder, choice: Mutex::default() }
    }

    /// Makes sure of a folder with what is wanted. Nothing where it cannot be installed: why is in the log, and Airflow starts without, as
    /// on MWAA.
    ///
    /// # Errors
    /// Where the log cannot be written.
    pub(in crate::local) async fn ensure(&self, wanted: &Wanted<'_>) -> io::Result<Option<PathBuf>> {
        let out = log(wanted.folder, LOG)?;
        match self.install(wanted, &out).await {
            Ok(site) => Ok(Some(site)),
            Err(reason) => {
                tracing::warn!(reason, folder = %wanted.folder.display(), "requirements could not be installed");
                writeln!(&out, "standin: {reason}; Airflow starts without what requirements.txt asks for")?;
                Ok(None)
            }
        }
    }

    async fn install(&self, wanted: &Wanted<'_>, mut out: &std::fs::File) -> Result<PathBuf, String> {
        let failed = |error: io::Error| format!("requirements.txt: {error}");
        let until = Instant::now() + LIMIT;
        let uv =
            wanted.installed.uv.as_deref().ok_or("requirements.txt needs uv, which is not there and cannot be got")?;
        let text = tokio::fs::read(wanted.requirements).await.map_err(failed)?;
        let text = String::from_utf8(text).map_err(|_| "requirements.txt is not UTF-8")?;
        let lock = tokio::fs::read_to_string(&wanted.installed.lock).await.map_err(failed)?;
        let work = wanted.folder.join("files/work");
        let _ = tokio::fs::remove_dir_all(&work).await;
        tokio::fs::create_dir_all(&work).await.map_err(failed)?;
        let Rewritten { text: rewritten, constraints, constrained } = rewrite(&text, wanted.folder);
        let mut own = Vec::new();
        for (at, place) in constraints.iter().enumerate() {
            let file = work.join(format!("constraints-{at}.txt"));
            match self.fetch(wanted, place, &file).await {
                Ok(()) => own.push(file),
                Err(reason) => {
                    writeln!(out, "standin: warning: the constraints {place} are left out: {reason}")
                        .map_err(failed)?;
                }
            }
        }
        let bounds = work.join("bounds.txt");
        // Who brings constraints is bound by these instead, but for Airflow itself.
        let bound =
            if own.is_empty() && (!constrained || !constraints.is_empty()) { lock.clone() } else { core_of(&lock) };
        tokio::fs::write(&bounds, &bound).await.map_err(failed)?;
        let mut parts = vec![lock, bound, text];
        for file in &own {
            parts.push(tokio::fs::read_to_string(file).await.map_err(failed)?);
        }
        if rewritten != parts[2] {
            parts.push(wanted.plugins.to_owned());
        }
        parts.extend(
            wanted
                .variables
                .iter()
                .filter(|(name, _)| is_of_installers(name))
                .map(|(name, value)| format!("{name}={value}")),
        );
        let key = digest(&parts.iter().map(String::as_str).collect::<Vec<_>>());
        let name = format!("{}-{key}", wanted.installed.name);
        let site = self.folder.join(&name);
        {
            let _choice = self.choice.lock().await;
            tokio::fs::write(wanted.folder.join(USED), &name).await.map_err(failed)?;
            if site.join(WHOLE).exists() {
                writeln!(out, "standin: what requirements.txt asks for is installed already").map_err(failed)?;
                return Ok(site);
            }
        }
        let (asked, resolved) = (work.join("requirements.txt"), work.join("resolved.txt"));
        tokio::fs::write(&asked, rewritten).await.map_err(failed)?;
        let python = path(&wanted.installed.bin.join("python"));
        let mut arguments = ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--emit-index-url"]
            .map(str::to_owned)
            .to_vec();
        arguments
            .extend(["--emit-find-links", "--python", &python, "--output-file", &path(&resolved)].map(str::to_owned));
        for file in std::iter::once(&bounds).chain(&own) {
            arguments.extend(["--constraint".to_owned(), path(file)]);
        }
        arguments.push(path(&asked));
        self.uv((uv, wanted), &arguments, out, until).await?;
        let resolved = tokio::fs::read_to_string(&resolved).await.map_err(failed)?;
        let lock = &parts[0];
        let missing = work.join("missing.txt");
        tokio::fs::write(&missing, without(&resolved, lock)).await.map_err(failed)?;
        let new =
            self.folder.join(format!(".{name}-{}", wanted.folder.file_name().unwrap_or_default().to_string_lossy()));
        let _ = tokio::fs::remove_dir_all(&new).await;
        tokio::fs::create_dir_all(&new).await.map_err(failed)?;
        let arguments = [
            "pip",
            "install",
            "--no-deps",
            "--python",
            &python,
            "--target",
            &path(&new),
            "--requirement",
            &path(&missing),
        ];
        self.uv((uv, wanted), &arguments.map(str::to_owned), out, until).await?;
        tokio::fs::write(new.join(WHOLE), "").await.map_err(failed)?;
        if let Err(error) = tokio::fs::rename(&new, &site).await {
            // Another environment was faster.
            let _ = tokio::fs::remove_dir_all(&new).await;
            if !site.join(WHOLE).exists() {
                return Err(failed(error));
            }
        }
        let _ = tokio::fs::remove_dir_all(&work).await;
        writeln!(out, "standin: what requirements.txt asks for is installed").map_err(failed)?;
        Ok(site)
    }

    async fn fetch(&self, wanted: &Wanted<'_>, place: &str, file: &Path) -> Result<(), String> {
        if !place.contains("://") {
            let from = wanted.folder.join(place);
            return tokio::fs::copy(&from, file).await.map(drop).map_err(|error| error.to_string());
        }
        let mut command = Command::new(wanted.installed.bin.join("python"));
        command.args(["-I", "-c", FETCH, place]).arg(file).stdin(std::process::Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(FETCH_LIMIT, command.output()).await;
        let output = output.map_err(|_| "it did not come in time")?.map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(said.trim().lines().last().unwrap_or("it cannot be fetched").to_owned())
    }

    async fn uv(
        &self,
        (uv, wanted): (&Path, &Wanted<'_>),
        arguments: &[String],
        out: &std::fs::File,
        until: Instant,
    ) -> Result<(), String> {
        let mut command = Command::new(uv);
        // Its cache and its certificates are those of the installation of Airflow.
        command
            .args(arguments)
            .envs(wanted.variables.iter().filter(|(name, _)| name.as_str() != "PATH"))
            .envs(named_for_uv(wanted.variables))
            .env(MARK, wanted.folder.join("requirements"))
            .env("NO_COLOR", "1")
            .current_dir(wanted.folder);
        let left = until.saturating_duration_since(Instant::now());
        match attend(command, out, left).await.map_err(|error| format!("uv: {error}"))? {
            Ended::Well => Ok(()),
            Ended::Badly(status) => Err(format!("`uv {}` failed ({status})", arguments[..2].join(" "))),
            Ended::Late => {
                Err(format!("the installation took longer than {} minutes and was ended", LIMIT.as_secs() / 60))
            }
        }
    }

    /// Removes the folders that no environment uses any more.
    pub(in crate::local) async fn tidy(&self, environments: &Path) -> io::Result<()> {
        let _choice = self.choice.lock().await;
        let mut used = HashSet::new();
        for environment in folders(environments).await? {
            used.extend(tokio::fs::read_to_string(environment.join(USED)).await.ok());
        }
        for site in folders(&self.folder).await? {
            let name = site.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Those with a dot are being made.
            if !name.starts_with('.') && !used.contains(&name) {
                tokio::fs::remove_dir_all(site).await?;
            }
        }
        Ok(())
    }
}

async fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut entries = match tokio::fs::read_dir(folder).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    while let Some(entry) = entries.next_entry().await? {
        found.push(entry.path());
    }
    Ok(found)
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Whether a variable changes where packages come from.
fn is_of_installers(name: &str) -> bool {
    ["PIP_", "UV_"].iter().any(|prefix| name.starts_with(prefix))
}

/// What pip's variables are called for uv.
fn named_for_uv(variables: &Variables) -> impl Iterator<Item = (&'static str, &String)> {
    [
        ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
        ("PIP_EXTRA_INDEX_URL", "UV_INDEX"),
        ("PIP_FIND_LINKS", "UV_FIND_LINKS"),
        ("PIP_TRUSTED_HOST", "UV_INSECURE_HOST"),
    ]
    .into_iter()
    .filter_map(|(pip, uv)| Some((uv, variables.get(pip)?)))
}

/// A `requirements.txt` as it can be installed here.
#[derive(Debug, PartialEq, Eq)]
struct Rewritten {
    text: String,
    /// Where the files of constraints are that it names.
    constraints: Vec<String>,
    /// Whether it speaks of constraints, if only in a comment: MWAA adds none of its own then.
    constrained: bool,
}

/// Takes the constraints out of a `requirements.txt`, and names the environment's own folders in place of MWAA's.
fn rewrite(text: &str, folder: &Path) -> Rewritten {
    let home = format!("{}/", folder.display());
    let (mut kept, mut constraints, mut constrained) = (String::new(), Vec::new(), false);
    for line in text.lines() {
        let bare = line.trim_start_matches(['#', ' ', '\t']);
        let named = constraint(bare);
        constrained |= named.is_some();
        match named.filter(|_| !line.trim_start().starts_with('#')) {
            Some(place) => constraints.push(place.replace(MWAA_HOME, &home)),
            None => {
                kept.push_str(&line.replace(MWAA_HOME, &home));
                kept.push('\n');
            }
        }
    }
    Rewritten { text: kept, constraints, constrained }
}

/// The file that a line names as constraints.
fn constraint(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("--constraint").or_else(|| line.strip_prefix("-c"))?;
    let place = rest.strip_prefix('=').or_else(|| rest.strip_prefix([' ', '\t']))?.trim_start();
    let place = place.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
    Some(place).filter(|place| !place.is_empty())
}

/// The pins of Airflow itself: nothing that users require may change them.
fn core_of(lock: &str) -> String {
    const CORE: [&str; 3] = ["apache-airflow==", "apache-airflow-core==", "apache-airflow-task-sdk=="];
    lock.lines().filter(|line| CORE.iter().any(|name| line.starts_with(name))).map(|line| format!("{line}\n")).collect()
}

/// The resolved packages that the installation does not have as they are.
fn without(resolved: &str, lock: &str) -> String {
    let pins = |line: &str| line.split([';', ' ']).next().unwrap_or_default().to_ascii_lowercase();
    let there: BTreeSet<String> = lock.lines().map(pins).collect();
    resolved
        .lines()
        .filter(|line| !there.contains(&pins(line)) || line.contains(" @ "))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_line(line: &str, expect: Option<&str>) {
        assert_eq!(constraint(line), expect, "{line}");
    }

    #[test]
    fn constraints_are_found() {
        let url = "https://raw.githubusercontent.com/apache/airflow/constraints-2.10.3/constraints-3.11.txt";
        check_line(&format!("--constraint \"{url}\""), Some(url));
        check_line(&format!("--constraint={url}"), Some(url));
        check_line(&format!("-c {url} # as on MWAA"), Some(url));
        check_line("-c", None);
        check_line("-cfile", None);
        check_line("--constraints-of-mine x", None);
        check_line("requests", None);
    }

    fn check_rewrite(text: &str, expect: &str, constraints: &[&str], constrained: bool) {
        let constraints = constraints.iter().map(|place| (*place).to_owned()).collect();
        let expect = Rewritten { text: expect.to_owned(), constraints, constrained };
        assert_eq!(rewrite(text, Path::new("/e")), expect, "{text}");
    }

    #[test]
    fn files_made_for_mwaa_are_rewritten() {
        check_rewrite("requests==2.1\n", "requests==2.1\n", &[], false);
        check_rewrite("--constraint https://x/c.txt\r\na\r\n", "a\n", &["https://x/c.txt"], true);
        check_rewrite("# -c c.txt\na", "# -c c.txt\na\n", &[], true);
        check_rewrite(
            "-c /usr/local/airflow/dags/c.txt\n--find-links /usr/local/airflow/plugins\n--no-index\nmine",
            "--find-links /e/plugins\n--no-index\nmine\n",
            &["/e/dags/c.txt"],
            true,
        );
    }

    #[test]
    fn what_is_installed_anyway_is_left_out() {
        let lock = "apache-airflow==3.0.6\nPyYAML==6.0.2\nsix==1.17.0\n";
        let resolved = "--index-url https://x/simple\npyyaml==6.0.2\nsix==1.17.0 ; python_version < '4'\nsix-more==1\nidna==3.10\nsix @ file:///x.whl\n";
        let missing = "--index-url https://x/simple\nsix-more==1\nidna==3.10\nsix @ file:///x.whl\n";
        assert_eq!(without(resolved, lock), missing);
        assert_eq!(core_of(lock), "apache-airflow==3.0.6\n");
    }

    #[tokio::test]
    async fn what_nobody_uses_is_removed() {
        let at = crate::local::files::tests::folder("sites");
        let sites = Sites::new(at.join("sites"));
        for name in ["sites/used", "sites/left", "sites/.made", "environments/1"] {
            std::fs::create_dir_all(at.join(name)).expect("a folder of our own");
        }
        std::fs::write(at.join("environments/1").join(USED), "used").expect("it is ours");
        sites.tidy(&at.join("environments")).await.expect("it can be tidied");
        let mut left: Vec<_> = folders(&at.join("sites")).await.expect("it is there");
        left.sort();
        assert_eq!(left, [at.join("sites/.made"), at.join("sites/used")]);
        std::fs::remove_dir_all(at).expect("it is ours");
    }
}
