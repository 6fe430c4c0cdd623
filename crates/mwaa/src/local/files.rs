//! The files of an environment besides its DAGs: `plugins.zip`, `requirements.txt`, the startup script.
//!
//! They are those of the last update: what was brought once is kept under its entity tag, so that a restart and a rollback find it, also
//! where the bucket has no versions.

pub(super) mod plugins;
pub(super) mod requirements;
pub(super) mod script;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use sha2::{Digest as _, Sha256};
use standin_core::{Arn, Place};
use tokio::process::Command;

use crate::neighbours::Neighbours;
use crate::runtime::Target;

/// Where they are kept, in the environment's folder.
const KEPT: &str = "files";
/// The largest `plugins.zip`, in bytes.
const PLUGINS_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The largest `requirements.txt` or startup script, in bytes.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What the files of an environment are, on this machine.
#[derive(Debug, Default)]
pub(super) struct Brought {
    pub plugins: Option<PathBuf>,
    pub requirements: Option<PathBuf>,
    pub startup_script: Option<PathBuf>,
}

/// Brings the files of an environment, as it says, into its folder; what it had before stays until [`tidy`].
///
/// # Errors
/// Where one is not there any more or cannot be written, in words.
pub(super) async fn bring(
    neighbours: &Neighbours,
    place: &Place,
    target: &Target,
    folder: &Path,
) -> Result<Brought, String> {
    let (environment, contents) = (&target.environment, &target.contents);
    let arn = environment.source_bucket_arn.as_deref().unwrap_or_default();
    let bucket = Arn::parse(arn).map_or("", |arn| arn.resource);
    let kept = folder.join(KEPT);
    tokio::fs::create_dir_all(&kept).await.map_err(|error| format!("{}: {error}", kept.display()))?;
    let mut brought = Brought::default();
    for (name, bytes_max, path, version, tag, to) in [
        (
            "plugins.zip",
            PLUGINS_BYTES_MAX,
            &environment.plugins_s3_path,
            &environment.plugins_s3_object_version,
            &contents.plugins,
            &mut brought.plugins,
        ),
        (
            "requirements.txt",
            TEXT_BYTES_MAX,
            &environment.requirements_s3_path,
            &environment.requirements_s3_object_version,
            &contents.requirements,
            &mut brought.requirements,
        ),
        (
            "startup.sh",
            TEXT_BYTES_MAX,
            &environment.startup_script_s3_path,
            &environment.startup_script_s3_object_version,
            &contents.startup_script,
            &mut brought.startup_script,
        ),
    ] {
        let Some(path) = path else { continue };
        let file = kept.join(format!("{}-{name}", digest(&[tag.as_deref().unwrap_or_default(), path])));
        if !file.exists() {
            let bytes = neighbours
                .read_whole(place, (bucket, path, version.as_deref()), bytes_max)
                .await
                .map_err(|error| format!("s3://{bucket}/{path}: {}", error.message))?;
            let failed = |error: io::Error| format!("{}: {error}", file.display());
            let half = kept.join("half");
            tokio::fs::write(&half, bytes).await.map_err(failed)?;
            tokio::fs::rename(&half, &file).await.map_err(failed)?;
        }
        *to = Some(file);
    }
    Ok(brought)
}

/// Removes what was kept of other contents than those that Airflow came up with.
pub(super) async fn tidy(folder: &Path, brought: &Brought) -> io::Result<()> {
    let used = [&brought.plugins, &brought.requirements, &brought.startup_script];
    let mut files = tokio::fs::read_dir(folder.join(KEPT)).await?;
    while let Some(file) = files.next_entry().await? {
        let path = file.path();
        if !used.iter().any(|used| used.as_ref() == Some(&path)) && file.file_type().await?.is_file() {
            tokio::fs::remove_file(path).await?;
        }
    }
    Ok(())
}

/// A short name for texts that are the same.
pub(super) fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// A log of an environment, to append to.
pub(super) fn log(folder: &Path, name: &str) -> io::Result<std::fs::File> {
    let folder = folder.join("logs");
    std::fs::create_dir_all(&folder)?;
    std::fs::OpenOptions::new().create(true).append(true).open(folder.join(name))
}

/// A process group that ends with its owner, unless it is let go.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // One that is gone is what was wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// How a program ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Well,
    /// With this status, in words.
    Badly(String),
    /// It took too long, and was killed with all that it has started.
    Late,
}

/// Runs a program to its end, its output into a log. What it leaves running in the background is left alone where it ends in time.
async fn attend(mut command: Command, log: &std::fs::File, limit: Duration) -> io::Result<Ended> {
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?).process_group(0).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    match tokio::time::timeout(limit, child.wait()).await {
        Ok(status) => {
            group.0 = None;
            let status = status?;
            Ok(if status.success() { Ended::Well } else { Ended::Badly(status.to_string()) })
        }
        Err(_) => Ok(Ended::Late),
    }
}

/// Variables by name.
pub(super) type Variables = BTreeMap<String, String>;

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("standin-mwaa-files-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder of our own");
        folder
    }

    #[test]
    fn digests_tell_texts_apart() {
        assert_eq!(digest(&["a", "b"]), digest(&["a", "b"]));
        assert_ne!(digest(&["ab", ""]), digest(&["a", "b"]));
        assert_eq!(digest(&[]).len(), 24);
    }

    #[tokio::test]
    async fn what_takes_too_long_is_ended_with_its_children() {
        let folder = folder("late");
        let log = log(&folder, "log").expect("a log");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 1000 & echo $! > child; wait"]).current_dir(&folder);
        let ended = attend(command, &log, Duration::from_millis(300)).await.expect("it starts");
        assert_eq!(ended, Ended::Late);
        let child = std::fs::read_to_string(folder.join("child")).expect("it was started");
        let stat = || std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
        while stat().rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')) {
            tokio::task::yield_now().await;
        }
        std::fs::remove_dir_all(folder).expect("it is ours");
    }
}
