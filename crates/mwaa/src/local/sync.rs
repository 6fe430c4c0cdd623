//! Folders of S3 as folders of files.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};

use standin_core::Place;

use crate::neighbours::Neighbours;

/// The longest file that is brought, in bytes.
const FILE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Keeps a folder like the objects below a prefix.
pub(super) struct Sync {
    bucket: String,
    /// With the slash at its end.
    prefix: String,
    folder: PathBuf,
    /// The tags of what was brought, by the path of the file.
    known: BTreeMap<PathBuf, String>,
}

impl Sync {
    pub(super) fn new(bucket: &str, path: &str, folder: PathBuf) -> Self {
        let path = path.trim_matches('/');
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        Self { bucket: bucket.to_owned(), prefix, folder, known: BTreeMap::new() }
    }

    /// What the keys of its objects begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Brings what is new or has changed, and removes what is gone. How many files changed.
    pub(super) async fn run(&mut self, neighbours: &Neighbours, place: &Place) -> io::Result<usize> {
        let objects = neighbours.list(place, &self.bucket, &self.prefix).await.map_err(io::Error::other)?;
        let (mut changed, mut there) = (0, BTreeSet::new());
        for object in objects {
            let Some(file) = inside(&object.key[self.prefix.len().min(object.key.len())..]) else { continue };
            there.insert(file.clone());
            let path = self.folder.join(&file);
            if self.known.get(&file) == Some(&object.etag) && path.exists() {
                continue;
            }
            let bytes =
                neighbours.read(place, &self.bucket, &object.key, FILE_BYTES_MAX).await.map_err(io::Error::other)?;
            if let Some(parent) = path.parent() {
                tokio::fs::create_dir_all(parent).await?;
            }
            // Airflow must never read half a file.
            let new = path.with_file_name(format!(".standin-{changed}"));
            tokio::fs::write(&new, bytes).await?;
            tokio::fs::rename(new, &path).await?;
            self.known.insert(file, object.etag);
            changed += 1;
        }
        for file in files(&self.folder)? {
            let Ok(inner) = file.strip_prefix(&self.folder) else { continue };
            let compiled = inner.components().any(|part| part.as_os_str() == "__pycache__");
            if !there.contains(inner) && !compiled {
                tokio::fs::remove_file(&file).await?;
                self.known.remove(inner);
                changed += 1;
            }
        }
        Ok(changed)
    }
}

/// The path of a key within a folder; nothing for keys that would lead out of it, and for those of folders.
fn inside(key: &str) -> Option<PathBuf> {
    let path = Path::new(key);
    let plain = !key.is_empty()
        && !key.ends_with('/')
        && !key.contains(['\0', '\\'])
        && path.components().all(|part| matches!(part, Component::Normal(_)));
    plain.then(|| path.to_owned())
}

/// All files below a folder; links are not followed.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() { left.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_in_the_folder() {
        for (key, fits) in [
            ("a.py", true),
            ("sub/a.py", true),
            (".airflowignore", true),
            ("../a.py", false),
            ("sub/../../a.py", false),
            ("/etc/passwd", false),
            ("sub/", false),
            ("", false),
            ("a\\..\\b", false),
            ("./a.py", false),
        ] {
            assert_eq!(inside(key).is_some(), fits, "{key}");
        }
    }
}
