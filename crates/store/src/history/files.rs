//! Commits as files.
//!
//! `rows/AB/CDEF…` holds some rows of a table as lines of JSON, `tables/AB/CDEF…` the names of the files that make a
//! table: both are named by the SHA-256 of what they hold and never change. `commits/ID.json` names the tables of a
//! commit; `refs.json` says what branches point at. A file is written beside its place and moved there.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{CommitInfo, PAGE, Refs, hex};
use crate::dump::{Body, whole};
use crate::memory::Rows;
use crate::{IndexEntry, Row, SharedRows, Space, StoreError, Table, View, plan};

/// Rows of one file on average: a power of two.
const FILE_ROWS: u64 = 128;
/// A file does not grow beyond this, but for its last row.
const FILE_BYTES_MAX: usize = 1 << 20;

#[derive(Clone, Debug)]
pub(super) struct Files {
    directory: PathBuf,
}

/// A table on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    /// The hash of its list of files.
    pub(super) name: String,
}

pub(super) type StoredTables = BTreeMap<Table, Stored>;

#[derive(Serialize, Deserialize)]
struct CommitFile {
    #[serde(flatten)]
    info: CommitInfo,
    tables: Vec<TableFile>,
}

#[derive(Serialize, Deserialize)]
struct TableFile {
    account: String,
    region: String,
    service: String,
    table: String,
    content: String,
}

/// A row of a file: `["KEY",[["INDEX","VALUE"]],BODY]`, where the index may be null.
#[derive(Deserialize)]
struct FileRow(String, Option<Vec<[String; 2]>>, Body);

pub(super) fn line(table: &Table, row: &Row) -> Result<String, StoreError> {
    let body = plan::text(table, &row.key, &row.body)?;
    let key = serde_json::to_string(&*row.key).expect("text is JSON");
    let entries = plan::entries_text(&row.index);
    Ok(format!("[{key},{},{body}]\n", entries.as_deref().unwrap_or("null")))
}

impl Files {
    pub(super) fn open(directory: &Path) -> Result<Self, StoreError> {
        let files = Self { directory: directory.to_owned() };
        for folder in ["rows", "tables", "commits"] {
            let path = directory.join(folder);
            std::fs::create_dir_all(&path).map_err(|error| failed("making", &path, error))?;
        }
        Ok(files)
    }

    pub(super) fn refs(&self) -> Result<Option<Refs>, StoreError> {
        let path = self.directory.join("refs.json");
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(parse(&path, &bytes)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("reading", &path, error)),
        }
    }

    pub(super) fn write_refs(&self, refs: &Refs) -> Result<(), StoreError> {
        write(&self.directory.join("refs.json"), &serde_json::to_vec_pretty(refs).expect("strings are JSON"))
    }

    pub(super) fn commits(&self) -> Result<Vec<(CommitInfo, StoredTables)>, StoreError> {
        let folder = self.directory.join("commits");
        let mut commits = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(|error| failed("reading", &folder, error))? {
            let path = entry.map_err(|error| failed("reading", &folder, error))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let bytes = std::fs::read(&path).map_err(|error| failed("reading", &path, error))?;
            let file: CommitFile = parse(&path, &bytes)?;
            let id = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let tables = file.tables.into_iter().map(|file| {
                let table = Space::new(&file.account, &file.region, &file.service).table(file.table);
                (table, Stored { name: file.content })
            });
            commits.push((CommitInfo { id, ..file.info }, tables.collect()));
        }
        Ok(commits)
    }

    pub(super) fn write_commit<'t>(
        &self,
        info: &CommitInfo,
        tables: impl Iterator<Item = (&'t Table, &'t Stored)>,
    ) -> Result<(), StoreError> {
        let tables = tables.map(|(table, stored)| TableFile {
            account: table.space.account.to_string(),
            region: table.space.region.to_string(),
            service: table.space.service.to_string(),
            table: table.name.to_string(),
            content: stored.name.clone(),
        });
        let file = CommitFile { info: info.clone(), tables: tables.collect() };
        let path = self.directory.join("commits").join(format!("{}.json", info.id));
        write(&path, &serde_json::to_vec_pretty(&file).expect("strings are JSON"))
    }

    /// Writes the rows of a table, as far as they are not there yet.
    pub(super) async fn write_table(&self, view: &mut dyn View, table: &Table) -> Result<Stored, StoreError> {
        let (mut text, mut list) = (String::new(), String::new());
        let mut after: Option<Arc<str>> = None;
        loop {
            let rows = view.page(table, after.as_deref(), PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key.clone());
            for row in &rows {
                text.push_str(&line(table, row)?);
                // Where a file ends depends on the key alone, so a new row changes one file and no other.
                let hash = Sha256::digest(row.key.as_bytes());
                let ends = u64::from(hash[0]).is_multiple_of(FILE_ROWS);
                if ends || text.len() > FILE_BYTES_MAX {
                    list.push_str(&self.write_named("rows", &std::mem::take(&mut text))?);
                    list.push('\n');
                }
            }
        }
        if !text.is_empty() {
            list.push_str(&self.write_named("rows", &text)?);
            list.push('\n');
        }
        Ok(Stored { name: self.write_named("tables", &list)? })
    }

    pub(super) fn read_table(&self, stored: &Stored) -> Result<SharedRows, StoreError> {
        let mut rows = Rows::copied();
        for name in self.read_named("tables", &stored.name)?.lines() {
            for line in self.read_named("rows", name)?.lines() {
                let damaged = |error: serde_json::Error| StoreError::damaged(format!("rows/{name}: {error}"));
                let FileRow(key, index, body) = whole(line).map_err(damaged)?;
                let index = index.unwrap_or_default().into_iter();
                let index = index.map(|[index, value]| IndexEntry::new(index, value)).collect();
                rows.put(Row { key: key.into(), version: 0, body: Arc::new(body.0), index }, 0);
            }
        }
        Ok(SharedRows(rows))
    }

    fn path_of(&self, folder: &str, name: &str) -> PathBuf {
        let (start, rest) = name.split_at_checked(2).unwrap_or(("", name));
        self.directory.join(folder).join(start).join(rest)
    }

    fn write_named(&self, folder: &str, text: &str) -> Result<String, StoreError> {
        let name = hex(&Sha256::digest(text));
        let path = self.path_of(folder, &name);
        if !path.exists() {
            let folder = path.parent().unwrap_or(&self.directory);
            std::fs::create_dir_all(folder).map_err(|error| failed("making", folder, error))?;
            write(&path, text.as_bytes())?;
        }
        Ok(name)
    }

    fn read_named(&self, folder: &str, name: &str) -> Result<String, StoreError> {
        let path = self.path_of(folder, name);
        let text = std::fs::read_to_string(&path).map_err(|error| failed("reading", &path, error))?;
        if hex(&Sha256::digest(&text)) != name {
            return Err(StoreError::damaged(format!("{} is not what was written there", path.display())));
        }
        Ok(text)
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let beside = path.with_extension("new");
    let done = std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, path));
    done.map_err(|error| failed("writing", path, error))
}

fn parse<'t, T: Deserialize<'t>>(path: &Path, bytes: &'t [u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::damaged(format!("{}: {error}", path.display())))
}

fn failed(doing: &str, path: &Path, error: std::io::Error) -> StoreError {
    StoreError::backend(format!("{doing} {}", path.display()), error)
}
