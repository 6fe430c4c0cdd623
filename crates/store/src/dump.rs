//! Saved state: a text file of one JSON object per line, for people, tools and version control.
//!
//! The first line says what it is: `{"format":"standin-state","version":1}`. Every other line is a row, sorted by
//! account, region, service, table and key:
//!
//! ```json
//! {"account":"123456789012","region":"eu-central-1","service":"sqs","table":"queue","key":"q","index":[["name","q"]],"body":{"QueueName":"q"}}
//! ```
//!
//! `index` may be missing. `body` is as [`crate::codec`] writes it. Jobs are rows of the account `-`; events are not saved.
//! The same file can be loaded into every backend. Rows may be edited, added and removed, and come in any order.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufRead, Write};
use std::sync::Arc;

use serde::de::DeserializeSeed as _;
use serde::{Deserialize, Deserializer, Serialize};
use standin_model::Document;

use crate::codec::{Decoded, Encoded};
use crate::{IndexEntry, LoadMode, Loader, Row, Selector, Space, Store, StoreError, Table, View};

const FORMAT: &str = "standin-state";
const VERSION: u64 = 1;
/// Rows that are read at once.
const PAGE: usize = 500;
/// Longer lines are not read: whoever sends one has not saved it.
const LINE_BYTES_MAX: usize = 256 << 20;

/// Why a file was not loaded. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("line {line}: {what}")]
    Line { line: u64, what: String },
    #[error("it ends in line {line}, before the header")]
    Empty { line: u64 },
    #[error("it cannot be read")]
    Read(#[source] std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a file was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    #[error("it cannot be written")]
    Write(#[source] std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u64,
}

#[derive(Serialize)]
struct RowOut<'r> {
    account: &'r str,
    region: &'r str,
    service: &'r str,
    table: &'r str,
    key: &'r str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    index: Vec<[&'r str; 2]>,
    body: Encoded<'r>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowIn {
    account: String,
    region: String,
    service: String,
    table: String,
    key: String,
    #[serde(default)]
    index: Vec<[String; 2]>,
    body: Body,
}

pub(crate) struct Body(pub(crate) Document);

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Decoded { depth: 0 }.deserialize(from).map(Self)
    }
}

/// A save in progress: text to be written, piece by piece.
pub struct Save {
    view: Box<dyn View>,
    /// Still to be saved, the next one last.
    tables: Vec<Table>,
    after: Option<Arc<str>>,
    begun: bool,
    rows: u64,
}

impl Save {
    /// Begins to save the spaces that a selector picks, as they are now.
    pub async fn begin(store: &dyn Store, picked: &Selector) -> Result<Self, StoreError> {
        Self::of(store.view().await?, picked).await
    }

    /// Begins to save what a view shows.
    pub async fn of(mut view: Box<dyn View>, picked: &Selector) -> Result<Self, StoreError> {
        let mut tables = view.tables(picked).await?;
        tables.reverse();
        Ok(Self { view, tables, after: None, begun: false, rows: 0 })
    }

    /// The next lines; nothing at the end.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        if !self.begun {
            self.begun = true;
            return Ok(Some(format!("{{\"format\":\"{FORMAT}\",\"version\":{VERSION}}}\n")));
        }
        while let Some(table) = self.tables.last() {
            let rows = self.view.page(table, self.after.as_deref(), PAGE).await?;
            let Some(last) = rows.last() else {
                self.tables.pop();
                self.after = None;
                continue;
            };
            self.after = Some(last.key.clone());
            self.rows += rows.len() as u64;
            let mut text = String::new();
            for row in &rows {
                text.push_str(&line(table, row)?);
                text.push('\n');
            }
            return Ok(Some(text));
        }
        Ok(None)
    }

    /// How many rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes everything; how many rows.
    pub async fn write_to(mut self, out: &mut (dyn Write + Send)) -> Result<u64, SaveError> {
        while let Some(text) = self.next().await? {
            out.write_all(text.as_bytes()).map_err(SaveError::Write)?;
        }
        out.flush().map_err(SaveError::Write)?;
        Ok(self.rows)
    }
}

fn line(table: &Table, row: &Row) -> Result<String, StoreError> {
    let Space { account, region, service } = &table.space;
    let index = row.index.iter().map(|entry| [&*entry.index, &*entry.value]).collect();
    let body = Encoded { document: &row.body, depth: 0 };
    let out = RowOut { account, region, service, table: &table.name, key: &row.key, index, body };
    serde_json::to_string(&out).map_err(|error| StoreError::Refused {
        table: table.to_string(),
        key: row.key.to_string(),
        why: error.to_string(),
    })
}

/// Reads a line that holds a document. Its own limit counts, not serde_json's.
pub(crate) fn whole<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    json.disable_recursion_limit();
    let value = T::deserialize(&mut json)?;
    json.end()?;
    Ok(value)
}

/// A load in progress. Nothing is visible before [`finish`](Self::finish); dropped before, it leaves no trace.
pub struct Load {
    loader: Box<dyn Loader>,
    /// The start of a line whose end has not come yet.
    rest: Vec<u8>,
    line: u64,
    rows: u64,
    has_header: bool,
    /// Hashes of tables and keys, to find those that come twice.
    seen: HashSet<u64>,
}

impl Load {
    pub async fn begin(store: Arc<dyn Store>, mode: LoadMode) -> Result<Self, StoreError> {
        let loader = store.load(mode).await?;
        Ok(Self { loader, rest: Vec::new(), line: 0, rows: 0, has_header: false, seen: HashSet::new() })
    }

    /// Takes the next bytes of the file, cut anywhere.
    ///
    /// # Errors
    /// [`LoadError::Line`] for the first line that is not what it should be.
    pub async fn push(&mut self, mut bytes: &[u8]) -> Result<(), LoadError> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            if self.rest.is_empty() {
                self.take(&bytes[..end]).await?;
            } else {
                let mut line = std::mem::take(&mut self.rest);
                line.extend_from_slice(&bytes[..end]);
                self.take(&line).await?;
            }
            bytes = &bytes[end + 1..];
        }
        if self.rest.len() + bytes.len() > LINE_BYTES_MAX {
            let what = format!("it is longer than {LINE_BYTES_MAX} bytes");
            return Err(LoadError::Line { line: self.line + 1, what });
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        self.line += 1;
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if bytes.is_empty() {
            return Ok(());
        }
        let line = self.line;
        let wrong = |what: String| LoadError::Line { line, what };
        if !self.has_header {
            let header: Header = serde_json::from_slice(bytes).map_err(|_| {
                wrong(format!("this is no saved state: it does not begin with {{\"format\":\"{FORMAT}\""))
            })?;
            if header.format != FORMAT {
                return Err(wrong(format!("the format is {}, not {FORMAT}", header.format)));
            }
            if header.version != VERSION {
                return Err(wrong(format!("version {} of the format; this standin reads {VERSION}", header.version)));
            }
            self.has_header = true;
            return Ok(());
        }
        let text = std::str::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
        let row: RowIn = whole(text).map_err(|error| {
            // serde_json counts lines too, and there is only one.
            wrong(error.to_string().replace(" at line 1 column ", " at column "))
        })?;
        let table = Space::new(&row.account, &row.region, &row.service).table(row.table);
        let mut hasher = DefaultHasher::new();
        (&table, &row.key).hash(&mut hasher);
        if !self.seen.insert(hasher.finish()) {
            return Err(wrong(format!("row {} of {table} comes twice", row.key)));
        }
        let index = row.index.into_iter().map(|[index, value]| IndexEntry::new(index, value)).collect();
        self.rows += 1;
        Ok(self.loader.put(&table, row.key.into(), Arc::new(row.body.0), index).await?)
    }

    /// Makes it so; how many rows were loaded.
    pub async fn finish(mut self) -> Result<u64, LoadError> {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            self.take(&rest).await?;
        }
        if !self.has_header {
            return Err(LoadError::Empty { line: self.line });
        }
        self.loader.finish().await?;
        Ok(self.rows)
    }

    /// Reads everything, and makes it so; how many rows were loaded.
    pub async fn read_from(mut self, input: &mut (dyn BufRead + Send)) -> Result<u64, LoadError> {
        loop {
            let bytes = input.fill_buf().map_err(LoadError::Read)?;
            if bytes.is_empty() {
                return self.finish().await;
            }
            let count = bytes.len();
            self.push(bytes).await?;
            input.consume(count);
        }
    }
}

/// Copies the spaces that a selector picks from one store into another, in whose place they come; how many rows.
pub async fn copy(from: &dyn Store, to: Arc<dyn Store>, picked: &Selector) -> Result<u64, StoreError> {
    let mut view = from.view().await?;
    let mut loader = to.load(LoadMode::Replace { picked: picked.clone(), keep: Vec::new() }).await?;
    let mut rows = 0;
    for table in view.tables(picked).await? {
        rows += copy_table(&mut *view, &table, &mut *loader).await?;
    }
    loader.finish().await?;
    Ok(rows)
}

pub(crate) async fn copy_table(view: &mut dyn View, table: &Table, loader: &mut dyn Loader) -> Result<u64, StoreError> {
    let mut after: Option<Arc<str>> = None;
    let mut count = 0;
    loop {
        let rows = view.page(table, after.as_deref(), PAGE).await?;
        let Some(last) = rows.last() else { return Ok(count) };
        after = Some(last.key.clone());
        count += rows.len() as u64;
        for row in rows {
            loader.put(table, row.key, row.body, row.index).await?;
        }
    }
}
