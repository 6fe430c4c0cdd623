//! Lists of objects, of versions and of uploads: keys in the order of their bytes, grouped by a delimiter. A page costs
//! the same at any depth: a group is not walked but jumped over.

use std::collections::VecDeque;

use standin_core::OperationError;
use standin_model::{Document, Fields};
use standin_store::{Row, Scan, Table};

use crate::error::{Fail, invalid_argument};
use crate::input::{Input, Put as _, number};
use crate::object::Object;
use crate::rows::{self, Of};
use crate::storage::Account;
use crate::{acl, token};

/// Keys on a page, also the most.
pub(crate) const PAGE_MAX: usize = 1000;
/// Rows read at once at first: enough where groups follow upon groups.
const ROWS_MIN: usize = 16;

/// Reads rows of a table in order, some at a time.
pub(crate) struct Cursor<'c> {
    account: &'c Account,
    table: Table,
    /// Escaped.
    prefix: String,
    rows: VecDeque<Row>,
    after: Option<String>,
    /// Rows to read next time.
    batch: usize,
    over: bool,
}

impl<'c> Cursor<'c> {
    /// Over the rows of keys with a prefix, after a row.
    pub(crate) fn new(account: &'c Account, table: Table, prefix: &str, after: Option<String>) -> Self {
        let prefix = rows::escape(prefix).into_owned();
        Self { account, table, prefix, rows: VecDeque::new(), after, batch: ROWS_MIN, over: false }
    }

    /// The next row, left in its place.
    pub(crate) async fn peek(&mut self) -> Result<Option<&Row>, Fail> {
        while self.rows.is_empty() && !self.over {
            let scan = Scan { prefix: &self.prefix, after: self.after.as_deref(), limit: self.batch };
            let page = self.account.store().scan(&self.table, scan).await?;
            self.over = page.len() < self.batch;
            self.batch = (2 * self.batch).min(PAGE_MAX + 1);
            if let Some(last) = page.last() {
                self.after = Some(last.key.to_string());
            }
            self.rows = page.into();
        }
        Ok(self.rows.front())
    }

    pub(crate) fn take(&mut self) -> Option<Row> {
        self.rows.pop_front()
    }

    /// Jumps over all rows that begin with a text.
    pub(crate) fn skip(&mut self, group: &str) {
        while self.rows.front().is_some_and(|row| row.key.starts_with(group)) {
            self.rows.pop_front();
        }
        if self.rows.is_empty() && !self.over {
            // Behind nearly everything that begins so; the rest is skipped row by row.
            self.after = Some(format!("{group}{}", "\u{10ffff}".repeat(4)));
            self.batch = ROWS_MIN;
        }
    }
}

/// What a list is asked for, whatever it lists.
pub(crate) struct Asked<'i> {
    pub(crate) prefix: &'i str,
    pub(crate) delimiter: Option<&'i str>,
    pub(crate) max: usize,
}

impl<'i> Asked<'i> {
    /// # Errors
    /// `InvalidArgument` for a number of items that is none.
    pub(crate) fn of(input: Input<'i>, max_member: &'static str) -> Result<Self, OperationError> {
        let max = match input.int(max_member) {
            None => PAGE_MAX,
            Some(max @ 0..=0x7fff_ffff) => (max as usize).min(PAGE_MAX),
            Some(max) => {
                let message = "Argument maxKeys must be an integer between 0 and 2147483647";
                return Err(invalid_argument("max-keys", max.to_string(), message));
            }
        };
        let delimiter = input.text("Delimiter").filter(|delimiter| !delimiter.is_empty());
        Ok(Self { prefix: input.text("Prefix").unwrap_or_default(), delimiter, max })
    }

    /// The group that a key falls into.
    pub(crate) fn group<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let rest = key.get(self.prefix.len()..)?;
        let end = self.prefix.len() + rest.find(delimiter)? + delimiter.len();
        key.get(..end)
    }

    /// Where to go on after a marker that may name a group: all of the group is over.
    pub(crate) fn after(&self, marker: &str) -> String {
        match self.group(marker) {
            Some(group) if group == marker && marker.starts_with(self.prefix) => {
                format!("{}{}", rows::escape(marker), "\u{10ffff}".repeat(4))
            }
            _ => rows::escape(marker).into_owned(),
        }
    }
}

/// A page of a list of objects.
struct Page {
    objects: Vec<(String, Object)>,
    groups: Vec<String>,
    /// The last key or group, where there is more.
    next: Option<String>,
}

impl Account {
    async fn page(&self, bucket: &str, asked: &Asked<'_>, marker: Option<&str>) -> Result<Page, Fail> {
        let mut page = Page { objects: Vec::new(), groups: Vec::new(), next: None };
        let after = marker.filter(|marker| !marker.is_empty()).map(|marker| asked.after(marker));
        let mut cursor = Cursor::new(self, self.table(Of::Objects, bucket), asked.prefix, after);
        let mut last = None;
        while let Some(row) = cursor.peek().await? {
            let key = rows::unescape(&row.key);
            let group = asked.group(&key).map(str::to_owned);
            if group.is_some() && group.as_deref() == marker {
                cursor.skip(&rows::escape(&group.unwrap_or_default()));
                continue;
            }
            if page.objects.len() + page.groups.len() >= asked.max {
                page.next = last;
                break;
            }
            match group {
                Some(group) => {
                    cursor.skip(&rows::escape(&group));
                    last = Some(group.clone());
                    page.groups.push(group);
                }
                None => {
                    if let Some(row) = cursor.take() {
                        page.objects.push((key.clone(), Object::from_document(&row.body)));
                    }
                    last = Some(key);
                }
            }
        }
        Ok(page)
    }

    pub(crate) async fn list_objects(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let asked = Asked::of(input, "MaxKeys")?;
        let marker = input.text("Marker").unwrap_or_default();
        let page = self.page(&bucket.name, &asked, Some(marker)).await?;
        let mut output = Fields::new();
        output.push("IsTruncated", page.next.is_some());
        output.push("Marker", marker.to_owned());
        // Without a delimiter clients go on after the last key.
        output.put("NextMarker", page.next.clone().filter(|_| asked.delimiter.is_some()));
        self.add_page(page, &asked, &bucket.name, input, true, &mut output);
        Ok(output)
    }

    pub(crate) async fn list_objects_v2(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let asked = Asked::of(input, "MaxKeys")?;
        let binding = [&*bucket.name, asked.prefix, asked.delimiter.unwrap_or_default()];
        let token = input.text("ContinuationToken").map(|text| token::read(&binding, text)).transpose()?;
        let start = token.as_deref().or(input.text("StartAfter"));
        let page = self.page(&bucket.name, &asked, start).await?;
        let mut output = Fields::new();
        output.push("IsTruncated", page.next.is_some());
        output.push("KeyCount", number(page.objects.len() + page.groups.len()));
        output.put("ContinuationToken", input.text("ContinuationToken").map(str::to_owned));
        output.put("NextContinuationToken", page.next.as_deref().map(|next| token::write(&binding, next)));
        output.put("StartAfter", input.text("StartAfter").map(str::to_owned));
        self.add_page(page, &asked, &bucket.name, input, input.flag("FetchOwner"), &mut output);
        Ok(output)
    }

    fn add_page(
        &self,
        page: Page,
        asked: &Asked<'_>,
        bucket: &str,
        input: Input<'_>,
        owner: bool,
        output: &mut Fields,
    ) {
        output.push("Name", bucket.to_owned());
        output.push("Prefix", asked.prefix.to_owned());
        output.put("Delimiter", asked.delimiter.map(str::to_owned));
        output.push("MaxKeys", number(asked.max));
        output.put("EncodingType", input.text("EncodingType").map(str::to_owned));
        let objects: Vec<Document> = page
            .objects
            .into_iter()
            .map(|(key, object)| {
                let mut item = describe(key, &object);
                item.put("Owner", owner.then(|| acl::owner(&self.account)));
                Document::Map(item)
            })
            .collect();
        if !objects.is_empty() {
            output.push("Contents", objects);
        }
        add_groups(page.groups, output);
    }

    pub(crate) async fn list_versions(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let asked = Asked::of(input, "MaxKeys")?;
        let (key_marker, version_marker) = (input.text("KeyMarker"), input.text("VersionIdMarker"));
        if version_marker.is_some() && key_marker.is_none_or(str::is_empty) {
            let message = "A version-id marker cannot be specified without a key marker.";
            return Err(invalid_argument("version-id-marker", version_marker.unwrap_or_default(), message));
        }
        let page = self.version_page(&bucket.name, &asked, key_marker, version_marker).await?;
        let mut output = Fields::new();
        output.push("IsTruncated", page.next.is_some());
        output.push("KeyMarker", key_marker.unwrap_or_default().to_owned());
        output.push("VersionIdMarker", version_marker.unwrap_or_default().to_owned());
        if let Some((key, version)) = page.next {
            output.push("NextKeyMarker", key);
            output.put("NextVersionIdMarker", version);
        }
        output.push("Name", bucket.name);
        output.push("Prefix", asked.prefix.to_owned());
        output.put("Delimiter", asked.delimiter.map(str::to_owned));
        output.push("MaxKeys", number(asked.max));
        output.put("EncodingType", input.text("EncodingType").map(str::to_owned));
        let (mut versions, mut markers) = (Vec::new(), Vec::new());
        for (key, object, latest) in page.versions {
            let version = object.version_name().to_owned();
            let mut item = if object.marker { marker_item(key, &object) } else { describe(key, &object) };
            item.push("VersionId", version);
            item.push("IsLatest", latest);
            item.push("Owner", acl::owner(&self.account));
            if object.marker { markers.push(Document::Map(item)) } else { versions.push(Document::Map(item)) }
        }
        for (name, items) in [("Versions", versions), ("DeleteMarkers", markers)] {
            if !items.is_empty() {
                output.push(name, items);
            }
        }
        add_groups(page.groups, &mut output);
        Ok(output)
    }

    /// Merges what is current and what is not: keys in order, the newest version of each first.
    async fn version_page(
        &self,
        bucket: &str,
        asked: &Asked<'_>,
        key_marker: Option<&str>,
        version_marker: Option<&str>,
    ) -> Result<VersionPage, Fail> {
        let mut page = VersionPage::default();
        let marker = key_marker.filter(|marker| !marker.is_empty());
        let after = marker.map(|marker| asked.after(marker));
        let current = self.table(Of::Objects, bucket);
        let older = self.table(Of::Versions, bucket);
        // In `versions` the rows of a key are the key and hexadecimal digits: all of them are over, or those up to a version.
        let after_older = match (marker, version_marker) {
            (Some(key), Some(version)) => Some(self.row_of_version(bucket, key, version).await?),
            (Some(key), None) if asked.group(key) != Some(key) => Some(format!("{}g", rows::row_prefix(key))),
            _ => after.clone(),
        };
        let mut current = Cursor::new(self, current, asked.prefix, after);
        let mut older = Cursor::new(self, older, asked.prefix, after_older);
        let mut last: Option<(String, Option<String>)> = None;
        // The key whose newest version is behind us.
        let mut seen = version_marker.and(marker).map(|key| rows::escape(key).into_owned());
        loop {
            let newest = current.peek().await?.map(|row| row.key.to_string());
            let next = older.peek().await?.map(|row| rows::split_row(&row.key).0.to_owned());
            let (escaped, is_newest) = match (newest, next) {
                (Some(newest), Some(next)) if newest <= next => (newest, true),
                (Some(newest), None) => (newest, true),
                (_, Some(next)) => (next, false),
                (None, None) => break,
            };
            let key = rows::unescape(&escaped);
            let group = asked.group(&key).map(str::to_owned);
            if let Some(group) = &group
                && marker == Some(group)
            {
                current.skip(&rows::escape(group));
                older.skip(&rows::escape(group));
                continue;
            }
            if page.versions.len() + page.groups.len() >= asked.max {
                page.next = last;
                break;
            }
            if let Some(group) = group {
                current.skip(&rows::escape(&group));
                older.skip(&rows::escape(&group));
                last = Some((group.clone(), None));
                page.groups.push(group);
                continue;
            }
            let row = if is_newest { current.take() } else { older.take() };
            let Some(row) = row else { break };
            let object = Object::from_document(&row.body);
            let latest = seen.as_deref() != Some(&*escaped);
            seen = Some(escaped);
            last = Some((key.clone(), Some(object.version_name().to_owned())));
            page.versions.push((key, object, latest));
        }
        Ok(page)
    }

    /// The row in `versions` after which the versions older than one begin.
    async fn row_of_version(&self, bucket: &str, key: &str, version: &str) -> Result<String, Fail> {
        let wanted = (version != "null").then_some(version);
        let entry = rows::version_entry(key, wanted);
        let found = self.store().find(&self.table(Of::Versions, bucket), rows::VERSION_INDEX, &entry, None, 1).await?;
        if let Some(row) = found.first() {
            return Ok(row.key.to_string());
        }
        let current = self.current(bucket, key).await?.filter(|stored| stored.object.version.as_deref() == wanted);
        match current {
            // Right before all older ones.
            Some(_) => Ok(rows::row_prefix(key)),
            None => {
                let message = "Invalid version id specified";
                Err(invalid_argument("version-id-marker", version, message).into())
            }
        }
    }
}

#[derive(Default)]
struct VersionPage {
    /// Key, version, and whether it is the newest.
    versions: Vec<(String, Object, bool)>,
    groups: Vec<String>,
    /// Where the next page begins: after this version of this key, or after this group.
    next: Option<(String, Option<String>)>,
}

pub(crate) fn add_groups(groups: Vec<String>, output: &mut Fields) {
    let items =
        groups.into_iter().map(|group| Document::Map(Fields::from_iter([("Prefix".into(), Document::from(group))])));
    let items: Vec<Document> = items.collect();
    if !items.is_empty() {
        output.push("CommonPrefixes", items);
    }
}

/// An object as lists tell it.
fn describe(key: String, object: &Object) -> Fields {
    let mut item = Fields::new();
    item.push("Key", key);
    item.push("LastModified", object.modified);
    item.push("ETag", object.quoted_etag());
    if !object.checksums.digests.is_empty() {
        item.push("ChecksumAlgorithm", object.checksums.names());
        item.push("ChecksumType", object.checksums.kind());
    }
    item.push("Size", number(object.size));
    item.push("StorageClass", object.storage_class());
    item
}

fn marker_item(key: String, object: &Object) -> Fields {
    let mut item = Fields::new();
    item.push("Key", key);
    item.push("LastModified", object.modified);
    item
}
