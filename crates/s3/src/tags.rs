//! Tags: in bodies, and in headers as a query string.

use standin_core::OperationError;
use standin_model::{Document, Fields};
use standin_wire::value;

use crate::error::{invalid_argument, refused};
use crate::input::Input;

pub(crate) const BUCKET_TAGS_MAX: usize = 50;
pub(crate) const OBJECT_TAGS_MAX: usize = 10;

/// Checks a list of `Tag`. Source: "Categorizing your storage using tags", S3 User Guide.
///
/// # Errors
/// `InvalidTag` or `BadRequest`.
pub(crate) fn check(tags: &[Document], max: usize) -> Result<(), OperationError> {
    if tags.len() > max {
        let message = format!("Object tags cannot be greater than {max}");
        return Err(refused("BadRequest", 400, message));
    }
    for (at, tag) in tags.iter().enumerate() {
        let (key, value) = (Input::new(tag).name("Key"), Input::new(tag).name("Value"));
        let wrong = |message: &str| refused("InvalidTag", 400, message).with_member("TagKey", key.to_owned());
        if key.is_empty() || key.chars().count() > 128 {
            return Err(wrong("The TagKey you have provided is invalid"));
        }
        if value.chars().count() > 256 {
            return Err(wrong("The TagValue you have provided is invalid"));
        }
        if key.starts_with("aws:") {
            return Err(wrong("System tags cannot be added/updated by requester"));
        }
        if tags[..at].iter().any(|other| Input::new(other).name("Key") == key) {
            return Err(wrong("Cannot provide multiple Tags with the same key"));
        }
    }
    Ok(())
}

/// Reads the tags of an object from a header: `a=1&b=2`.
///
/// # Errors
/// `InvalidArgument` where that is no query string, or as [`check`].
pub(crate) fn of_header(text: &str) -> Result<Vec<Document>, OperationError> {
    let refuse = || {
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without \
                       tag name duplicates.";
        invalid_argument("x-amz-tagging", text, message)
    };
    let mut tags = Vec::new();
    for (key, value) in value::pairs(text) {
        let (Ok(key), Ok(value)) = (value::form_decode(key), value::form_decode(value)) else { return Err(refuse()) };
        let mut tag = Fields::new();
        tag.push("Key", key.into_owned());
        tag.push("Value", value.into_owned());
        tags.push(Document::Map(tag));
    }
    check(&tags, OBJECT_TAGS_MAX)?;
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_hold_a_query_string() {
        let tags = of_header("a=1&b%20c=d%26e&f=").expect("well formed");
        let pairs: Vec<_> =
            tags.iter().map(|tag| (Input::new(tag).name("Key"), Input::new(tag).name("Value"))).collect();
        assert_eq!(pairs, [("a", "1"), ("b c", "d&e"), ("f", "")]);
        for (text, expect) in
            [("a=1&a=2", "InvalidTag"), ("aws:a=1", "InvalidTag"), ("=1", "InvalidTag"), ("a=%ff", "InvalidArgument")]
        {
            assert_eq!(of_header(text).expect_err("refused").code, expect, "{text}");
        }
        let many: Vec<String> = (0..11).map(|at| format!("k{at}=v")).collect();
        assert_eq!(of_header(&many.join("&")).expect_err("too many").code, "BadRequest");
    }
}
