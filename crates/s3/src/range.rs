//! Byte ranges. Source: RFC 9110, section 14; S3 answers one range at a time.

use std::ops::Range;

use standin_core::OperationError;

use crate::error::{invalid_argument, refused};

/// The part of an object that a `Range` header means; `None` for all of it: where the header is none that is understood
/// it does not count.
///
/// # Errors
/// `InvalidRange` where the range lies behind the object's end.
pub(crate) fn of_header(text: &str, size: u64) -> Result<Option<Range<u64>>, OperationError> {
    let Some((first, last)) = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Ok(None);
    };
    let digits = |text: &str| text.trim().bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return Ok(None);
    }
    let number = |text: &str| text.trim().parse::<u64>().unwrap_or(u64::MAX);
    let range = match (first.trim().is_empty(), last.trim().is_empty()) {
        (true, true) => return Ok(None),
        (true, false) => size.saturating_sub(number(last))..size,
        (false, true) => number(first)..size,
        (false, false) if number(last) < number(first) => return Ok(None),
        (false, false) => number(first)..number(last).saturating_add(1).min(size),
    };
    if range.start >= size {
        let error = refused("InvalidRange", 416, "The requested range is not satisfiable");
        return Err(error
            .with_member("RangeRequested", text.to_owned())
            .with_member("ActualObjectSize", size.to_string())
            .with_header("content-range", format!("bytes */{size}")));
    }
    Ok(Some(range))
}

/// The part of a source that a copy means: both ends must be there and within.
///
/// # Errors
/// `InvalidArgument` or `InvalidRange`.
pub(crate) fn of_copy_source(text: &str, size: u64) -> Result<Range<u64>, OperationError> {
    let ends = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let ends = ends.and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)));
    match ends {
        Some((first, last)) if first <= last && last < size => Ok(first..last + 1),
        Some((first, last)) if first <= last => {
            let message = format!("Range specified is not valid for source object of size: {size}");
            Err(refused("InvalidArgument", 400, message))
        }
        _ => {
            let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last \
                           are the zero-based offsets of the first and last bytes to copy";
            Err(invalid_argument("x-amz-copy-source-range", text, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let check = |text: &str, size, expect: Option<Option<Range<u64>>>| {
            assert_eq!(of_header(text, size).ok(), expect, "{text} of {size}");
        };
        check("bytes=0-9", 100, Some(Some(0..10)));
        check("bytes=90-200", 100, Some(Some(90..100)));
        check("bytes=90-", 100, Some(Some(90..100)));
        check("bytes=-10", 100, Some(Some(90..100)));
        check("bytes=-200", 100, Some(Some(0..100)));
        check("bytes=100-", 100, None);
        check("bytes=-0", 100, None);
        check("bytes=0-0", 0, None);
        check("bytes=99999999999999999999999-", 100, None);
        for ignored in ["", "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4"] {
            check(ignored, 100, Some(None));
        }
    }

    #[test]
    fn sources_of_copies() {
        let check =
            |text: &str, expect: Option<Range<u64>>| assert_eq!(of_copy_source(text, 10).ok(), expect, "{text}");
        check("bytes=0-9", Some(0..10));
        check("bytes=3-3", Some(3..4));
        check("bytes=0-10", None);
        check("bytes=5-", None);
        check("bytes=5-4", None);
        check("0-4", None);
    }
}
