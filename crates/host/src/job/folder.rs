//! The folder of a job: what its server writes, what its shepherd writes, and who was first.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::processes::Identity;
use super::{AskedBy, End, JobError, Limits, Spec, session};

/// The folder of bundle and commands.
pub(super) const WORK: &str = "work";
pub(super) const HOME: &str = "home";
pub(super) const TEMPORARY: &str = "tmp";
/// What the shepherd runs, within which limits.
const TASK: &str = "task.json";
/// What commands see; secrets are among it, so it goes as soon as it is read.
const VARIABLES: &str = "variables.json";
/// A link whose target tells which process watches the job. Links are made whole or not at all, by one only.
const WATCHED_BY: &str = "watched-by";
pub(super) const OUTPUT: &str = "output";
/// That the job is to end.
const STOP: &str = "stop";
const END: &str = "end.json";

/// What a shepherd runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Task {
    /// The program and its arguments.
    pub program: Vec<String>,
    pub commands: Vec<String>,
    pub collect: Vec<String>,
    pub limits: Limits,
    pub asked_by: AskedBy,
    /// Whether the memory of its processes is the job's.
    pub weighs_memory: bool,
    /// Run whenever the job has ended, however it did.
    pub afterwards: Vec<Afterwards>,
    /// The server without which the job ends.
    pub server: Option<String>,
}

/// A program that does away with what a job may have left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Afterwards {
    /// The program and its arguments.
    pub program: Vec<String>,
    /// All that it sees.
    pub variables: Vec<(String, String)>,
}

/// What only the shepherd of a job may know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Secret {
    pub variables: Vec<(String, String)>,
    pub hidden: Vec<String>,
}

/// The folder of one job.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub path: PathBuf,
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> JobError {
    let path = path.display().to_string();
    move |source| JobError::File { path, source }
}

/// Whether a text can be the id of a job.
pub(super) fn is_id(id: &str) -> bool {
    (1..=100).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Makes a folder, and those above it, for its user only.
pub(super) fn make(path: &Path) -> Result<(), JobError> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed(path))
}

/// Writes a file for its user only; all of it or nothing.
fn write(path: &Path, bytes: &[u8]) -> Result<(), JobError> {
    let draft = path.with_extension("draft");
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&draft, path));
    written.map_err(failed(path))
}

/// A path in a folder, where it does not lead out of it.
pub(super) fn inside(folder: &Path, path: &str) -> Option<PathBuf> {
    let relative = Path::new(path);
    let stays = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    (stays && !path.is_empty() && !path.contains('\0')).then(|| folder.join(relative))
}

impl Folder {
    pub(super) fn of(jobs: &Path, id: &str) -> Result<Self, JobError> {
        if !is_id(id) {
            return Err(JobError::Refused(format!("{id:?} cannot be the id of a job")));
        }
        Ok(Self { path: jobs.join(id) })
    }

    pub(super) fn exists(&self) -> bool {
        self.path.is_dir()
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes the folder with all that a shepherd needs. It is there as a whole, or not at all; where somebody was faster, theirs stays.
    pub(super) fn prepare(&self, spec: &Spec, task: &Task, secret: &Secret) -> Result<(), JobError> {
        self.make_whole(|draft| {
            let work = draft.join(WORK);
            for folder in [WORK, HOME, TEMPORARY] {
                make(&draft.join(folder))?;
            }
            for file in &spec.files {
                let path = inside(&work, &file.path)
                    .ok_or_else(|| JobError::Refused(format!("{:?} is no path of a file", file.path)))?;
                if let Some(folder) = path.parent() {
                    make(folder)?;
                }
                std::fs::write(&path, &file.bytes).map_err(failed(&path))?;
                if file.bytes.starts_with(b"#!") {
                    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                    std::fs::set_permissions(&path, mode).map_err(failed(&path))?;
                }
            }
            for (name, text) in session::files(&self.path.to_string_lossy(), &spec.commands) {
                write(&draft.join(name), text.as_bytes())?;
            }
            write(&draft.join(TASK), &serde_json::to_vec(task).unwrap_or_default())?;
            write(&draft.join(VARIABLES), &serde_json::to_vec(secret).unwrap_or_default())
        })
    }

    /// Makes the folder of a job that will not start any more.
    pub(super) fn prevent(&self, end: &End) -> Result<(), JobError> {
        self.make_whole(|draft| write(&draft.join(END), &serde_json::to_vec(end).unwrap_or_default()))
    }

    fn make_whole(&self, fill: impl FnOnce(&Path) -> Result<(), JobError>) -> Result<(), JobError> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        // A name that no job has. Threads of one process come one after the other.
        let draft = self.path.with_file_name(format!(".{name}.{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&draft);
        make(&draft)?;
        let made = fill(&draft).and_then(|()| match std::fs::rename(&draft, &self.path) {
            Err(_) if self.exists() => Ok(()),
            renamed => renamed.map_err(failed(&self.path)),
        });
        let _ = std::fs::remove_dir_all(&draft);
        made
    }

    /// Makes the caller the one who watches the job; false where somebody else is.
    pub(super) fn claim(&self, who: &str) -> Result<bool, JobError> {
        let path = self.join(WATCHED_BY);
        match std::os::unix::fs::symlink(who, &path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(failed(&path)(error)),
        }
    }

    /// Who watches the job, where somebody does or did.
    pub(super) fn watched_by(&self) -> Option<String> {
        Some(std::fs::read_link(self.join(WATCHED_BY)).ok()?.to_string_lossy().into_owned())
    }

    pub(super) fn watcher(&self) -> Option<Identity> {
        Identity::parse(&self.watched_by()?)
    }

    pub(super) fn task(&self) -> Option<Task> {
        self.read(TASK)
    }

    /// What only the shepherd may know; nobody after it.
    pub(super) fn take_secret(&self) -> Option<Secret> {
        let secret = self.read(VARIABLES);
        let _ = std::fs::remove_file(self.join(VARIABLES));
        secret
    }

    pub(super) fn end(&self) -> Option<End> {
        self.read(END)
    }

    /// When the end of the job was told, where it was.
    pub(super) fn ended_at_ms(&self) -> Option<i64> {
        let told = std::fs::metadata(self.join(END)).ok()?.modified().ok()?;
        let since = told.duration_since(std::time::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_millis()).ok()
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&std::fs::read(self.join(name)).ok()?).ok()
    }

    /// Tells how the job ended.
    pub(super) fn conclude(&self, end: &End) -> Result<(), JobError> {
        write(&self.join(END), &serde_json::to_vec(end).unwrap_or_default())
    }

    pub(super) fn ask_to_stop(&self) -> Result<(), JobError> {
        write(&self.join(STOP), b"")
    }

    pub(super) fn is_to_stop(&self) -> bool {
        self.join(STOP).exists()
    }

    /// The command that is under way, or was the last one.
    pub(super) fn command(&self, commands: &[String]) -> Option<(usize, String)> {
        let number: usize = std::fs::read_to_string(self.join(session::AT)).ok()?.trim().parse().ok()?;
        Some((number, commands.get(number.checked_sub(1)?)?.clone()))
    }

    /// Takes away all but how the job ended and what it wrote.
    pub(super) fn clear(&self) {
        for name in [WORK, HOME, TEMPORARY] {
            let _ = std::fs::remove_dir_all(self.join(name));
        }
        let _ = std::fs::remove_file(self.join(VARIABLES));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expect: Option<&str>) {
        assert_eq!(inside(Path::new("/w"), path).as_deref(), expect.map(Path::new), "{path:?}");
    }

    #[test]
    fn files_stay_in_their_folder() {
        check("a/b.txt", Some("/w/a/b.txt"));
        check("./a", Some("/w/./a"));
        for path in ["", "/etc/passwd", "../a", "a/../../b", "a\0b"] {
            check(path, None);
        }
    }

    #[test]
    fn ids_are_names_of_folders() {
        assert!(is_id("0b9f-plan_1") && !is_id("") && !is_id("..") && !is_id("a/b") && !is_id(&"a".repeat(101)));
    }
}
