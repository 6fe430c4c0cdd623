//! Conditional requests. Source: "Conditional requests", S3 User Guide; RFC 9110, section 13.

use standin_core::OperationError;
use standin_model::Timestamp;

use crate::error::{no_such_key, precondition_failed};
use crate::input::Input;
use crate::object::Object;

/// Conditions of a read, or on the source of a copy.
#[derive(Clone, Copy, Default)]
pub(crate) struct ReadConditions<'i> {
    if_match: Option<&'i str>,
    if_none_match: Option<&'i str>,
    if_modified_since: Option<Timestamp>,
    if_unmodified_since: Option<Timestamp>,
}

/// What conditions say of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go,
    NotModified,
    Failed(&'static str),
}

impl<'i> ReadConditions<'i> {
    pub(crate) fn of(input: Input<'i>) -> Self {
        Self {
            if_match: input.text("IfMatch"),
            if_none_match: input.text("IfNoneMatch"),
            if_modified_since: input.time("IfModifiedSince"),
            if_unmodified_since: input.time("IfUnmodifiedSince"),
        }
    }

    pub(crate) fn of_copy_source(input: Input<'i>) -> Self {
        Self {
            if_match: input.text("CopySourceIfMatch"),
            if_none_match: input.text("CopySourceIfNoneMatch"),
            if_modified_since: input.time("CopySourceIfModifiedSince"),
            if_unmodified_since: input.time("CopySourceIfUnmodifiedSince"),
        }
    }

    pub(crate) fn verdict(self, object: &Object, now: Timestamp) -> Verdict {
        // Headers carry whole seconds.
        let modified = object.modified.seconds;
        if let Some(tags) = self.if_match {
            if !matches(tags, &object.etag) {
                return Verdict::Failed("If-Match");
            }
        } else if self.if_unmodified_since.is_some_and(|since| modified > since.seconds) {
            return Verdict::Failed("If-Unmodified-Since");
        }
        if let Some(tags) = self.if_none_match {
            if matches(tags, &object.etag) {
                return Verdict::NotModified;
            }
        } else if self.if_modified_since.is_some_and(|since| modified <= since.seconds && since <= now) {
            return Verdict::NotModified;
        }
        Verdict::Go
    }

    /// For a read: the answer where it does not go on.
    ///
    /// # Errors
    /// Status 304 or 412.
    pub(crate) fn check(self, object: &Object, now: Timestamp) -> Result<(), OperationError> {
        match self.verdict(object, now) {
            Verdict::Go => Ok(()),
            Verdict::Failed(condition) => Err(precondition_failed(condition)),
            Verdict::NotModified => Err(OperationError::new("NotModified", "")
                .with_status(304)
                .with_header("etag", object.quoted_etag())
                .with_header("last-modified", object.modified.to_http_date())),
        }
    }

    /// For the source of a copy.
    ///
    /// # Errors
    /// Status 412 for whatever does not hold.
    pub(crate) fn check_source(self, object: &Object, now: Timestamp) -> Result<(), OperationError> {
        match self.verdict(object, now) {
            Verdict::Go => Ok(()),
            Verdict::Failed("If-Match") => Err(precondition_failed("x-amz-copy-source-If-Match")),
            Verdict::Failed(_) => Err(precondition_failed("x-amz-copy-source-If-Unmodified-Since")),
            Verdict::NotModified if self.if_none_match.is_some() => {
                Err(precondition_failed("x-amz-copy-source-If-None-Match"))
            }
            Verdict::NotModified => Err(precondition_failed("x-amz-copy-source-If-Modified-Since")),
        }
    }
}

/// Conditions on what a write takes the place of.
#[derive(Clone, Copy, Default)]
pub(crate) struct WriteConditions<'i> {
    pub(crate) if_match: Option<&'i str>,
    pub(crate) if_none_match: Option<&'i str>,
}

impl<'i> WriteConditions<'i> {
    pub(crate) fn of(input: Input<'i>) -> Self {
        Self { if_match: input.text("IfMatch"), if_none_match: input.text("IfNoneMatch") }
    }

    /// # Errors
    /// `PreconditionFailed`; `NoSuchKey` where an object must match and there is none.
    pub(crate) fn check(self, key: &str, current: Option<&Object>) -> Result<(), OperationError> {
        if let Some(tags) = self.if_match {
            let object = current.ok_or_else(|| no_such_key(key))?;
            if !matches(tags, &object.etag) {
                return Err(precondition_failed("If-Match"));
            }
        }
        if let (Some(tags), Some(object)) = (self.if_none_match, current)
            && matches(tags, &object.etag)
        {
            return Err(precondition_failed("If-None-Match"));
        }
        Ok(())
    }
}

/// Whether one of a list of entity tags is that of the object.
pub(crate) fn matches(tags: &str, etag: &str) -> bool {
    tags.split(',').map(str::trim).any(|tag| tag == "*" || bare(tag) == etag)
}

/// An entity tag without quotes. Some clients leave them out.
pub(crate) fn bare(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1000;

    fn check(conditions: ReadConditions<'_>, expect: Verdict) {
        let object = Object { etag: "e".into(), modified: Timestamp::from_seconds(100), ..Object::default() };
        assert_eq!(conditions.verdict(&object, Timestamp::from_seconds(NOW)), expect);
    }

    #[test]
    fn entity_tags_go_before_dates() {
        let none = ReadConditions::default();
        let (early, late) = (Some(Timestamp::from_seconds(50)), Some(Timestamp::from_seconds(150)));
        check(none, Verdict::Go);
        check(ReadConditions { if_match: Some("\"e\""), if_unmodified_since: early, ..none }, Verdict::Go);
        check(ReadConditions { if_match: Some("\"x\", \"e\""), ..none }, Verdict::Go);
        check(ReadConditions { if_match: Some("x"), ..none }, Verdict::Failed("If-Match"));
        check(ReadConditions { if_unmodified_since: early, ..none }, Verdict::Failed("If-Unmodified-Since"));
        check(ReadConditions { if_unmodified_since: late, ..none }, Verdict::Go);
        check(ReadConditions { if_none_match: Some("*"), ..none }, Verdict::NotModified);
        check(ReadConditions { if_none_match: Some("x"), if_modified_since: late, ..none }, Verdict::Go);
        check(ReadConditions { if_modified_since: late, ..none }, Verdict::NotModified);
        check(ReadConditions { if_modified_since: early, ..none }, Verdict::Go);
        let future = Some(Timestamp::from_seconds(NOW + 1));
        check(ReadConditions { if_modified_since: future, ..none }, Verdict::Go);
    }

    #[test]
    fn writes_look_at_what_is_there() {
        let object = Object { etag: "e".into(), ..Object::default() };
        let check = |if_match, if_none_match, there: bool, expect: Option<&str>| {
            let outcome = WriteConditions { if_match, if_none_match }.check("k", there.then_some(&object));
            assert_eq!(outcome.err().map(|error| error.code).as_deref(), expect);
        };
        check(None, None, true, None);
        check(None, Some("*"), false, None);
        check(None, Some("*"), true, Some("PreconditionFailed"));
        check(Some("\"e\""), None, true, None);
        check(Some("\"x\""), None, true, Some("PreconditionFailed"));
        check(Some("\"e\""), None, false, Some("NoSuchKey"));
    }
}
