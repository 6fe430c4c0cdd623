//! How buckets and objects lie in the store.
//!
//! All rows of an account are in one space without a region. `buckets` has a row per bucket; per bucket there are tables
//! of their own, so that nothing of one bucket slows down another:
//!
//! | table | key | holds |
//! | --- | --- | --- |
//! | `objects/B` | key | the newest version of each object, unless that is a delete marker |
//! | `versions/B` | key, then the newest first | older versions, and all delete markers |
//! | `manifests/B` | name | the parts of an object that came in parts |
//! | `uploads/B` | key, then id | multipart uploads under way |
//! | `parts/B` | upload id, then number | their parts |
//! | `settings/B` | name | policy, tags, and so on |
//!
//! Keys are escaped so that their order and prefixes stay and no NUL is among them: U+0001 begins an escape, U+0001
//! twice ends a key.

use std::borrow::Cow;

use standin_store::{Space, Table};

pub(crate) const SERVICE: &str = "s3";
const BUCKETS: &str = "buckets";
const END: &str = "\u{1}\u{1}";

pub(crate) fn space(account: &str) -> Space {
    Space::new(account, "", SERVICE)
}

/// What a bucket has a table for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Objects,
    Versions,
    Manifests,
    Uploads,
    Parts,
    Settings,
}

impl Of {
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Objects => "objects/",
            Self::Versions => "versions/",
            Self::Manifests => "manifests/",
            Self::Uploads => "uploads/",
            Self::Parts => "parts/",
            Self::Settings => "settings/",
        }
    }
}

pub(crate) fn buckets(space: &Space) -> Table {
    space.table(BUCKETS)
}

pub(crate) fn is_buckets(table: &Table) -> bool {
    &*table.name == BUCKETS
}

pub(crate) fn table(space: &Space, of: Of, bucket: &str) -> Table {
    space.table(format!("{}{bucket}", of.prefix()))
}

/// A key as rows have it.
pub(crate) fn escape(key: &str) -> Cow<'_, str> {
    if !key.contains(['\0', '\u{1}']) {
        return Cow::Borrowed(key);
    }
    Cow::Owned(key.replace('\u{1}', "\u{1}\u{3}").replace('\0', "\u{1}\u{2}"))
}

pub(crate) fn unescape(row: &str) -> String {
    if !row.contains('\u{1}') {
        return row.to_owned();
    }
    row.replace("\u{1}\u{2}", "\0").replace("\u{1}\u{3}", "\u{1}")
}

/// What the rows of all versions or uploads of a key begin with.
pub(crate) fn row_prefix(key: &str) -> String {
    format!("{}{END}", escape(key))
}

/// The row of one version; numbers grow, and the newest comes first.
pub(crate) fn version_row(key: &str, number: u64) -> String {
    format!("{}{:016x}", row_prefix(key), u64::MAX - number)
}

pub(crate) fn upload_row(key: &str, upload: &str) -> String {
    format!("{}{upload}", row_prefix(key))
}

/// The key in the row of a version or upload, escaped, and what follows it.
pub(crate) fn split_row(row: &str) -> (&str, &str) {
    row.split_once(END).unwrap_or((row, ""))
}

pub(crate) fn part_row(upload: &str, number: u32) -> String {
    format!("{upload}/{number:05}")
}

/// What [`crate::Account`] finds a version by.
pub(crate) const VERSION_INDEX: &str = "version";

pub(crate) fn version_entry(key: &str, version: Option<&str>) -> String {
    format!("{} {}", version.unwrap_or("null"), escape(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping_keeps_order_and_prefixes() {
        let keys =
            ["", "\0", "\0a", "\u{1}", "\u{1}\u{1}", "\u{2}", "a", "a\0", "a\u{1}", "a\u{1}b", "a\u{2}", "a/", "b"];
        for pair in keys.windows(2) {
            assert!(pair[0] < pair[1]);
            assert!(escape(pair[0]) < escape(pair[1]), "{pair:?}");
            assert!(version_row(pair[0], 1) < version_row(pair[1], 9), "{pair:?}");
        }
        for key in keys {
            assert_eq!(unescape(&escape(key)), key);
            assert!(!escape(key).contains('\0'));
            let row = version_row(key, 5);
            assert_eq!(split_row(&row).0, escape(key));
        }
        assert!(version_row("a", 2) < version_row("a", 1));
    }
}
