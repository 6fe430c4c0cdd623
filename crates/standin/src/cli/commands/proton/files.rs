//! Bundles and specs, from and to files.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde_json::{Map, Value};
use standin_proton::archive::ARCHIVE_BYTES_MAX;
use standin_proton::{Files, yaml};

use crate::error::{Attempt as _, CommandError};

/// Folders that are never part of a bundle, whatever packs it.
const SKIPPED: &[&str] = &[".git", ".terraform", "node_modules"];
/// More in a folder is hardly a bundle.
const FOLDER_BYTES_MAX: u64 = 64 << 20;

/// A bundle from a folder, from an archive, or from standard input (`-`).
///
/// # Errors
/// Where it cannot be read, or is no archive.
pub fn read_bundle(path: &Path) -> Result<Files, CommandError> {
    if path.is_dir() {
        let mut folder = Folder { root: path, files: Files::default(), bytes: 0 };
        folder.read(path)?;
        return Ok(folder.files);
    }
    let archive = if path == Path::new("-") {
        let mut bytes = Vec::new();
        let most = ARCHIVE_BYTES_MAX as u64 + 1;
        std::io::stdin().take(most).read_to_end(&mut bytes).attempt("cannot read the bundle from standard input")?;
        bytes
    } else {
        fs::read(path).attempt(format!("cannot read {}", path.display()))?
    };
    Files::from_tar_gz(&archive).map_err(|error| {
        CommandError::usage(anyhow::Error::new(error).context(format!("cannot read the bundle {}", path.display())))
            .hint("a bundle is a folder, or a .tar.gz of one")
    })
}

struct Folder<'r> {
    root: &'r Path,
    files: Files,
    bytes: u64,
}

impl Folder<'_> {
    fn read(&mut self, below: &Path) -> Result<(), CommandError> {
        let cannot = |path: &Path| format!("cannot read {}", path.display());
        for entry in fs::read_dir(below).attempt(cannot(below))? {
            let entry = entry.attempt(cannot(below))?;
            let (path, kind) = (entry.path(), entry.file_type().attempt(cannot(below))?);
            if kind.is_dir() {
                if !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                    self.read(&path)?;
                }
                continue;
            }
            if !kind.is_file() {
                return Err(CommandError::usage(anyhow!("{} is neither a file nor a folder", path.display()))
                    .hint("Proton does not take links in bundles"));
            }
            self.bytes += entry.metadata().attempt(cannot(&path))?.len();
            if self.bytes > FOLDER_BYTES_MAX {
                return Err(CommandError::usage(anyhow!(
                    "{} holds more than 64 MB; is it a bundle?",
                    self.root.display()
                )));
            }
            let name = path.strip_prefix(self.root).ok().and_then(Path::to_str);
            let name = name.ok_or_else(|| CommandError::usage(anyhow!("the name {} is not UTF-8", path.display())))?;
            self.files
                .insert(&name.replace(std::path::MAIN_SEPARATOR, "/"), fs::read(&path).attempt(cannot(&path))?)
                .map_err(CommandError::usage)?;
        }
        Ok(())
    }
}

/// Names and strings from a file of JSON or YAML.
///
/// # Errors
/// Where it cannot be read, or holds something else.
pub fn read_outputs(path: &Path) -> Result<Map<String, Value>, CommandError> {
    let text = fs::read_to_string(path).attempt(format!("cannot read {}", path.display()))?;
    let node = yaml::parse(&text).map_err(|error| {
        CommandError::usage(anyhow!("{}:{}:{}: {error}", path.display(), error.place.0, error.place.1))
    })?;
    if node.is_null() {
        return Ok(Map::new());
    }
    let entries = node.entries().ok_or_else(|| {
        CommandError::usage(anyhow!("{} must hold an object of names and values, not {}", path.display(), node.what()))
    })?;
    // Outputs are strings, whatever they look like.
    let text = |value: &yaml::Node| value.text().map_or_else(|| value.to_json().to_string(), str::to_owned);
    Ok(entries.iter().map(|(name, value)| (name.text().unwrap_or_default().to_owned(), text(value).into())).collect())
}

/// Writes files below a folder, which is made; what is there already stays, unless it may be overwritten.
///
/// # Errors
/// Where a file exists, or cannot be written.
pub fn write(folder: &Path, files: &[(String, Vec<u8>)], overwrite: bool) -> Result<Vec<PathBuf>, CommandError> {
    let paths: Vec<PathBuf> = files.iter().map(|(path, _)| folder.join(path)).collect();
    if !overwrite && let Some(there) = paths.iter().find(|path| path.exists()) {
        return Err(CommandError::usage(anyhow!("{} exists already", there.display())).hint("name another folder"));
    }
    for (path, (name, bytes)) in paths.iter().zip(files) {
        let doing = format!("cannot write {}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).attempt(&doing)?;
        }
        fs::write(path, bytes).attempt(&doing)?;
        make_runnable(path, name).attempt(&doing)?;
    }
    Ok(paths)
}

/// Scripts are there to be run.
#[cfg(unix)]
fn make_runnable(path: &Path, name: &str) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if Path::new(name).extension().is_some_and(|ending| ending == "sh") {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_runnable(_: &Path, _: &str) -> std::io::Result<()> {
    Ok(())
}
