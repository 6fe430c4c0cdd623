//! What can be known of this machine before an environment is made: which versions can run, and whether requirements fit one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::install::{Installer, find};
use super::locks::Recipe;
use crate::runtime::Progress;

/// Written last into an installation.
const MARKER: &str = "installed";

/// A version of Airflow that can be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installable {
    pub version: &'static str,
    /// The oldest and the newest minor version of Python 3 that it runs on.
    pub pythons: (u32, u32),
}

/// Every version that can be installed, oldest first.
pub fn installable() -> Vec<Installable> {
    Recipe::all().map(|recipe| Installable { version: recipe.version, pythons: recipe.pythons }).collect()
}

/// Whether a folder of installations has a version.
pub fn is_installed(installations: &Path, version: &str) -> bool {
    let Ok(folders) = std::fs::read_dir(installations) else { return false };
    folders.flatten().any(|folder| {
        let name = folder.file_name();
        let of_version =
            name.to_str().and_then(|name| name.strip_prefix(version)).is_some_and(|rest| rest.starts_with('-'));
        of_version && folder.path().join(MARKER).exists()
    })
}

/// What came of trying a `requirements.txt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    pub fits: bool,
    /// What the installer said.
    pub said: String,
    /// Lines of constraints that were left out: those of the version apply.
    pub left_out: Vec<String>,
    /// What would be installed beside Airflow, as `name==version`.
    pub packages: Vec<String>,
}

/// Installs a `requirements.txt` for a version, under the constraints of what the version is installed with, into `folder`, which is
/// the caller's to remove. The version itself is installed first where it is missing.
///
/// # Errors
/// Where it cannot be tried, in words.
pub async fn requirements(
    installations: &Path,
    search: OsString,
    version: &str,
    file: &Path,
    folder: &Path,
) -> Result<Trial, String> {
    let installer = Installer::new(installations.to_owned(), search);
    let installed = loop {
        match installer.ensure(version) {
            Progress::Failed { message, .. } => return Err(message),
            Progress::Working { again_after_ms } => {
                tokio::time::sleep(Duration::from_millis(again_after_ms.unsigned_abs())).await;
            }
            Progress::Done => match installer.find(version) {
                Some(installed) => break installed,
                None => return Err(format!("Airflow {version} is not there")),
            },
        }
    };
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let (kept, left_out) = without_constraints(&text);
    let asked = folder.join("requirements.txt");
    std::fs::write(&asked, kept).map_err(|error| format!("{}: {error}", asked.display()))?;
    let uv = installed.uv.clone().unwrap_or_else(|| installations.join("tools/bin/uv"));
    let output = Command::new(&uv)
        .args(["pip", "install", "--target"])
        .arg(folder.join("site"))
        .arg("--python")
        .arg(installed.bin.join("python"))
        .arg("--constraint")
        .arg(&installed.lock)
        .arg("--requirement")
        .arg(&asked)
        // Files that it names lie beside it.
        .current_dir(file.parent().filter(|parent| parent.is_dir()).unwrap_or(Path::new(".")))
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("{}: {error}", uv.display()))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let packages = said.lines().filter_map(|line| line.trim().strip_prefix("+ ")).map(str::to_owned).collect();
    Ok(Trial { fits: output.status.success(), said, left_out, packages })
}

/// A `requirements.txt` without its constraints, and these.
fn without_constraints(text: &str) -> (String, Vec<String>) {
    let is_constraint = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("--constraint") || line.starts_with("-c ")
    };
    let left_out: Vec<String> = text.lines().filter(is_constraint).map(str::to_owned).collect();
    let kept: Vec<&str> = text.lines().filter(|line| !is_constraint(line)).collect();
    (format!("{}\n", kept.join("\n")), left_out)
}

/// Where programs named `python3.…` are, by their minor version; the same program counts once.
pub fn pythons(search: &OsString) -> Vec<(u32, PathBuf)> {
    let newest = Recipe::all().map(|recipe| recipe.pythons.1).max().unwrap_or_default();
    (0..=newest).filter_map(|minor| Some((minor, find(search, &format!("python3.{minor}"))?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_left_out() {
        let (kept, left_out) =
            without_constraints("--constraint \"https://x/y.txt\"\npandas\n-c a.txt\n# -c is said here\n");
        assert_eq!(kept, "pandas\n# -c is said here\n");
        assert_eq!(left_out, ["--constraint \"https://x/y.txt\"", "-c a.txt"]);
    }

    #[test]
    fn an_installation_is_there_once_it_is_whole() {
        let folder = std::env::temp_dir().join(format!("standin-mwaa-{}-trial", std::process::id()));
        std::fs::create_dir_all(folder.join("2.10.3-python3.11")).expect("writable");
        assert!(!is_installed(&folder, "2.10.3"));
        std::fs::write(folder.join("2.10.3-python3.11").join(MARKER), "").expect("writable");
        assert!(is_installed(&folder, "2.10.3") && !is_installed(&folder, "2.10.1") && !is_installed(&folder, "2.10"));
        std::fs::remove_dir_all(folder).expect("ours");
    }

    #[test]
    fn the_newest_default_can_be_installed() {
        assert!(installable().iter().any(|one| one.version == crate::versions::DEFAULT_VERSION));
    }
}
