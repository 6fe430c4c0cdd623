//! Recorded calls: what some other server answered, in a file per call, for answers without it.

mod player;
mod redact;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use standin_core::{CallContext, OperationError};
use standin_model::Document;

pub use player::{Match, Player, Replayed};
pub use redact::{REDACTED, redact_error, redact_input, redact_output};

/// More files than a recording has.
const FILES_MAX: usize = 200_000;
const FILE_BYTES_MAX: u64 = 64 << 20;

/// One call and its answer, without secrets. Values are plain JSON by member names, as the model has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pair {
    pub service: String,
    pub operation: String,
    pub account: String,
    pub region: String,
    /// When it was recorded.
    pub time: String,
    pub input: Value,
    /// The SHA-256 of the streaming payload that was sent, as base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The HTTP status, where it is not the operation's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// The file beside this one with the streaming payload that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RecordedError>,
}

/// An error that was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RecordedError {
    pub code: String,
    #[serde(default)]
    pub message: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub members: Value,
}

impl Pair {
    /// A call without its answer.
    pub fn of(context: &CallContext, input: &Document, time: String) -> Self {
        Self {
            service: context.service.id.to_owned(),
            operation: context.operation.name.to_owned(),
            account: context.account.to_string(),
            region: context.region.to_string(),
            time,
            input: redact_input(context.service, context.operation, input),
            body: None,
            status: None,
            output: None,
            payload: None,
            error: None,
        }
    }

    pub fn set_error(&mut self, context: &CallContext, error: &OperationError) {
        self.status = error.status;
        self.error = Some(RecordedError {
            code: error.code.to_string(),
            message: redact::scrubbed(&error.message).into_owned(),
            members: redact_error(context.service, context.operation, error),
        });
    }
}

/// Writes calls into a folder, each as `SERVICE/OPERATION-NUMBER.yaml`. Several may write at once. A file is there as a whole or
/// not at all, whenever the process ends.
#[derive(Clone, Debug)]
pub struct Recorder {
    folder: PathBuf,
    next: Arc<AtomicU64>,
}

impl Recorder {
    /// Goes on where an earlier recording in the folder ended, and clears away what was left half-written.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let mut last = 0;
        for path in files(&folder)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with('.') && name.ends_with(".part") {
                std::fs::remove_file(&path)?;
            }
            let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            let number = stem.rsplit_once('-').and_then(|(_, digits)| digits.parse().ok());
            last = last.max(number.unwrap_or(0));
        }
        Ok(Self { folder, next: Arc::new(AtomicU64::new(last + 1)) })
    }

    /// A number for a call that begins.
    pub fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Where the payload of a call's answer is written, and where it is put once it is whole. Makes the folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn payload(&self, pair: &Pair, number: u64) -> io::Result<(PathBuf, PathBuf)> {
        let folder = self.folder.join(&pair.service);
        std::fs::create_dir_all(&folder)?;
        let name = format!("{}-{number:06}.body", pair.operation);
        Ok((folder.join(format!(".{name}.part")), folder.join(name)))
    }

    /// Writes a call and its answer.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, pair: &Pair, number: u64) -> io::Result<()> {
        let folder = self.folder.join(&pair.service);
        std::fs::create_dir_all(&folder)?;
        let name = format!("{}-{number:06}.yaml", pair.operation);
        let text = yaml_serde::to_string(pair).map_err(io::Error::other)?;
        let part = folder.join(format!(".{name}.part"));
        std::fs::write(&part, text)?;
        std::fs::rename(part, folder.join(name))
    }
}

/// Reads a recording, in the order in which it was made.
///
/// # Errors
/// When the folder cannot be read, or a file is no recorded call: its name comes first.
pub fn read(folder: &Path) -> io::Result<Vec<(PathBuf, Pair)>> {
    let mut found = Vec::new();
    for path in files(folder)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(stem) = name.strip_suffix(".yaml").filter(|name| !name.starts_with('.')) else { continue };
        let number: u64 = stem.rsplit_once('-').and_then(|(_, digits)| digits.parse().ok()).unwrap_or(u64::MAX);
        let named = |why: String| io::Error::other(format!("{}: {why}", path.display()));
        if std::fs::metadata(&path)?.len() > FILE_BYTES_MAX {
            return Err(named(format!("longer than {FILE_BYTES_MAX} bytes")));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| named(error.to_string()))?;
        let pair: Pair = yaml_serde::from_str(&text).map_err(|error| named(error.to_string()))?;
        // It must lie beside: what is named elsewhere is not part of the recording.
        if pair.payload.as_ref().is_some_and(|payload| payload.contains(['/', '\\'])) {
            return Err(named("the payload is the name of a file in the same folder".to_owned()));
        }
        found.push((number, path, pair));
    }
    found.sort_by(|(a, a_path, _), (b, b_path, _)| (a, a_path).cmp(&(b, b_path)));
    Ok(found.into_iter().map(|(_, path, pair)| (path, pair)).collect())
}

/// The files of all services.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let service = entry?.path();
        if !service.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(service)? {
            let path = entry?.path();
            if path.is_file() {
                if found.len() >= FILES_MAX {
                    return Err(io::Error::other(format!("more than {FILES_MAX} files")));
                }
                found.push(path);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
