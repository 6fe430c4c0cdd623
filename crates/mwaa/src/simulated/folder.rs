//! The DAGs of an environment, as their files in S3 tell them now.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use standin_core::{Arn, OperationError, Place};

use super::dags::{self, Dag};
use crate::neighbours::{Neighbours, Object};
use crate::runtime::Target;

/// The longest file that is read, in bytes.
const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Files of which the facts are remembered. What is more is read anew.
const REMEMBERED_MAX: usize = 10_000;

/// All that a folder of DAGs says.
#[derive(Debug, Default)]
pub(super) struct Folder {
    /// Sorted by id.
    pub dags: Vec<Arc<Dag>>,
    pub broken: Vec<Broken>,
}

/// A file that cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub file: String,
    /// As Airflow shows it.
    pub trace: String,
}

impl Folder {
    pub(super) fn dag(&self, id: &str) -> Option<&Arc<Dag>> {
        self.dags.iter().find(|dag| dag.id == id)
    }
}

type Facts = Result<Vec<Arc<Dag>>, String>;

/// Reads folders of DAGs. A file is read again only when it has changed.
pub(super) struct Folders {
    neighbours: Neighbours,
    /// By account, bucket and key, with the tag of the content that was read.
    files: Mutex<HashMap<String, (String, Arc<Facts>)>>,
}

impl Folders {
    pub(super) fn new(neighbours: Neighbours) -> Self {
        Self { neighbours, files: Mutex::default() }
    }

    /// The folder of an environment; empty where its bucket is gone.
    ///
    /// # Errors
    /// Where S3 fails.
    pub(super) async fn read(&self, target: &Target) -> Result<Folder, OperationError> {
        let place = Place {
            partition: target.partition.clone(),
            account: target.account.clone(),
            region: target.region.clone(),
            access_key: None,
            now: target.now,
        };
        let arn = target.environment.source_bucket_arn.as_deref().unwrap_or_default();
        let bucket = Arn::parse(arn).map_or("", |arn| arn.resource);
        let path = target.environment.dag_s3_path.as_deref().unwrap_or_default().trim_matches('/');
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let objects = self.neighbours.list(&place, bucket, &prefix).await?;
        let ignored = self.ignored(&place, bucket, &objects, &prefix).await?;
        let mut folder = Folder::default();
        let mut ids = HashSet::new();
        for object in &objects {
            let file = &object.key[prefix.len().min(object.key.len())..];
            if !file.ends_with(".py") || ignored.iter().any(|part| file.contains(part.as_str())) {
                continue;
            }
            let facts = self.facts(&place, bucket, object, file).await?;
            match &*facts {
                // The first file that has an id keeps it.
                Ok(dags) => folder.dags.extend(dags.iter().filter(|dag| ids.insert(dag.id.clone())).cloned()),
                Err(trace) => folder.broken.push(Broken { file: file.to_owned(), trace: trace.clone() }),
            }
        }
        folder.dags.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(folder)
    }

    async fn facts(
        &self,
        place: &Place,
        bucket: &str,
        object: &Object,
        file: &str,
    ) -> Result<Arc<Facts>, OperationError> {
        let key = format!("{}/{bucket}/{file}/{}", place.account, object.key);
        let known = |files: &HashMap<String, (String, Arc<Facts>)>| {
            files.get(&key).filter(|(etag, _)| *etag == object.etag).map(|(_, facts)| facts.clone())
        };
        if let Some(facts) = known(&self.files.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(facts);
        }
        let bytes = self.neighbours.read(place, bucket, &object.key, FILE_BYTES_MAX).await?;
        let facts: Facts = match String::from_utf8(bytes) {
            // As Airflow itself does: a file that names neither is no file of DAGs.
            Ok(source) if !mentions(&source, "dag") || !mentions(&source, "airflow") => Ok(Vec::new()),
            Ok(source) => dags::read(&source, file)
                .map(|dags| dags.into_iter().map(Arc::new).collect())
                .map_err(|error| trace(file, error.line, error.message)),
            Err(_) => Err(trace(file, 1, "(unicode error) 'utf-8' codec can't decode the file")),
        };
        let facts = Arc::new(facts);
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() >= REMEMBERED_MAX {
            files.clear();
        }
        files.insert(key, (object.etag.clone(), facts.clone()));
        Ok(facts)
    }

    /// What `.airflowignore` of the folder leaves out, as far as its lines are plain texts.
    async fn ignored(
        &self,
        place: &Place,
        bucket: &str,
        objects: &[Object],
        prefix: &str,
    ) -> Result<Vec<String>, OperationError> {
        let key = format!("{prefix}.airflowignore");
        if !objects.iter().any(|object| object.key == key) {
            return Ok(Vec::new());
        }
        let bytes = self.neighbours.read(place, bucket, &key, FILE_BYTES_MAX).await?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim().trim_matches('*'));
        Ok(lines.filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }
}

fn mentions(source: &str, word: &str) -> bool {
    source.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

fn trace(file: &str, line: usize, message: &str) -> String {
    format!("Traceback (most recent call last):\n  File \"{}\", line {line}\nSyntaxError: {message}\n", location(file))
}

/// Where a file of DAGs lies on MWAA's machines.
pub(super) fn location(file: &str) -> String {
    format!("/usr/local/airflow/dags/{file}")
}
