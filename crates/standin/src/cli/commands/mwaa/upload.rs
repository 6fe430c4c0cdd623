//! The files of a folder in a bucket: what is there is what lies in the folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use standin_wire::checksum::Algorithm;

use super::project::{Plugins, Project, files};
use super::zip;
use crate::cli::commands::remote::{Remote, list, text};
use crate::error::{Attempt as _, CommandError};

/// Where the DAGs lie in the bucket.
pub const DAGS: &str = "dags";
/// What environments are made with, beside the DAGs: each a member of their description, and a key.
pub const FILES: &[(&str, &str)] =
    &[("Requirements", "requirements.txt"), ("Plugins", "plugins.zip"), ("StartupScript", "startup.sh")];
/// Longer files are not uploaded: a request holds one as a whole.
const FILE_BYTES_MAX: u64 = 512 << 20;

/// A bucket as it was left.
pub struct Bucket {
    pub name: String,
    /// MD5 in hex, by key.
    known: BTreeMap<String, String>,
}

/// What an upload has done.
#[derive(Debug, Default)]
pub struct Uploaded {
    pub changed: Vec<String>,
    pub removed: Vec<String>,
}

impl Bucket {
    /// Makes sure of a bucket that keeps versions, and learns what is in it.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn open(remote: &mut Remote, name: String) -> Result<Self, CommandError> {
        let named = json!({ "Bucket": name });
        if remote.attempt("s3", "HeadBucket", &named)?.is_err() {
            remote.create_bucket(&name)?;
        }
        let versions = json!({ "Bucket": name, "VersioningConfiguration": { "Status": "Enabled" } });
        remote.call("s3", "PutBucketVersioning", &versions)?;
        let found = remote.call("s3", "ListObjectsV2", &named)?;
        let entry =
            |object: &serde_json::Value| (text(object, "Key").to_owned(), text(object, "ETag").replace('"', ""));
        let known = list(&found, "Contents").iter().map(entry).collect();
        Ok(Self { name, known })
    }

    /// Brings the bucket to what the folder has.
    ///
    /// # Errors
    /// When a file cannot be read, or the server refuses.
    pub fn upload(&mut self, remote: &mut Remote, project: &Project) -> Result<Uploaded, CommandError> {
        let mut uploaded = Uploaded::default();
        let mut there: Vec<String> = Vec::new();
        let dags = project.dags();
        for file in files(&dags).attempt(format_args!("cannot read {}", dags.display()))? {
            let key = format!("{DAGS}/{}", file.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/"));
            let path = dags.join(&file);
            match read(&path) {
                Ok(bytes) => self.put(remote, &key, bytes, &mut uploaded)?,
                // An editor replaces it just now: the next look sees what it has become.
                Err(_) if !path.exists() => continue,
                Err(error) => return Err(error),
            }
            there.push(key);
        }
        let mut one = |key: &str, bytes: Option<Vec<u8>>| {
            if let Some(bytes) = bytes {
                self.put(remote, key, bytes, &mut uploaded)?;
                there.push(key.to_owned());
            }
            Ok::<_, CommandError>(())
        };
        one("requirements.txt", project.requirements.as_deref().map(read).transpose()?)?;
        one("startup.sh", project.startup.as_deref().map(read).transpose()?)?;
        let plugins = match &project.plugins {
            Some(Plugins::Archive(file)) => Some(read(file)?),
            Some(Plugins::Folder(folder)) => {
                Some(zip::folder(folder).attempt(format_args!("cannot pack {}", folder.display()))?)
            }
            None => None,
        };
        one("plugins.zip", plugins)?;
        let ours = |key: &str| key.starts_with("dags/") || FILES.iter().any(|(_, file)| *file == key);
        let gone: Vec<String> = self.known.keys().filter(|key| ours(key) && !there.contains(key)).cloned().collect();
        for key in gone {
            remote.call("s3", "DeleteObject", &json!({ "Bucket": self.name, "Key": key }))?;
            self.known.remove(&key);
            uploaded.removed.push(key);
        }
        Ok(uploaded)
    }

    fn put(
        &mut self,
        remote: &mut Remote,
        key: &str,
        bytes: Vec<u8>,
        uploaded: &mut Uploaded,
    ) -> Result<(), CommandError> {
        let tag = md5(&bytes);
        if self.known.get(key) != Some(&tag) {
            remote.put_object(&self.name, key, bytes)?;
            self.known.insert(key.to_owned(), tag);
            uploaded.changed.push(key.to_owned());
        }
        Ok(())
    }

    /// The version of a file that environments are made with; nothing where it is not there.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn version(&self, remote: &mut Remote, key: &str) -> Result<Option<String>, CommandError> {
        if !self.known.contains_key(key) {
            return Ok(None);
        }
        let found = remote.call("s3", "HeadObject", &json!({ "Bucket": self.name, "Key": key }))?;
        Ok(Some(text(&found, "VersionId").to_owned()))
    }
}

impl Uploaded {
    /// `2 files, 1 gone`.
    pub fn told(&self) -> String {
        let few = |keys: &[String]| match keys {
            [one] => one.clone(),
            _ => format!("{} files", keys.len()),
        };
        match (&self.changed[..], &self.removed[..]) {
            ([], []) => "nothing new".to_owned(),
            (changed, []) => few(changed),
            ([], removed) => format!("{} gone", few(removed)),
            (changed, removed) => format!("{}, {} gone", few(changed), few(removed)),
        }
    }

    pub fn is_nothing(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    let doing = format!("cannot read {}", path.display());
    let bytes = fs::metadata(path).attempt(&doing)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(CommandError::usage(anyhow!("{} has {bytes} bytes; {FILE_BYTES_MAX} is the most", path.display())));
    }
    fs::read(path).attempt(doing)
}

/// As S3's tags have it.
fn md5(bytes: &[u8]) -> String {
    let digest = STANDARD.decode(Algorithm::Md5.of(bytes)).unwrap_or_default();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_written_as_tags() {
        assert_eq!(md5(b""), "d41d8cd98f00b204e9800998ecf8427e");
    }

    #[test]
    fn one_file_is_told_by_name() {
        let check = |changed: &[&str], removed: &[&str], expect: &str| {
            let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
            assert_eq!(Uploaded { changed: owned(changed), removed: owned(removed) }.told(), expect);
        };
        check(&[], &[], "nothing new");
        check(&["dags/a.py"], &[], "dags/a.py");
        check(&["a", "b"], &["c"], "2 files, c gone");
        check(&[], &["a", "b"], "2 files gone");
    }
}
