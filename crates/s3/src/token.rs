//! Continuation tokens: opaque, and good only for the listing that they came from.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use standin_core::{Dice, OperationError};

use crate::error::invalid_argument;

const MARK_BYTES: usize = 8;

/// A token for the place after `last`. `binding` names the listing: a token does not fit another.
pub(crate) fn write(binding: &[&str], last: &str) -> String {
    let mut bytes = mark(binding, last.as_bytes()).to_vec();
    bytes.extend_from_slice(last.as_bytes());
    BASE64.encode(bytes)
}

/// The place that a token stands for.
///
/// # Errors
/// `InvalidArgument` where it is no token of this listing.
pub(crate) fn read(binding: &[&str], token: &str) -> Result<String, OperationError> {
    let place = || {
        let bytes = BASE64.decode(token).ok()?;
        let (found, last) = bytes.split_at_checked(MARK_BYTES)?;
        let last = String::from_utf8(last.to_vec()).ok()?;
        (found == mark(binding, last.as_bytes())).then_some(last)
    };
    let refused = || {
        let message = "The continuation token provided is incorrect";
        invalid_argument("continuation-token", token.to_owned(), message)
    };
    place().ok_or_else(refused)
}

/// Keeps tokens from being guessed by accident; it is no secret.
fn mark(binding: &[&str], last: &[u8]) -> [u8; MARK_BYTES] {
    let mut key = Dice::new(0).key("continuation token");
    for part in binding {
        key.text(part);
    }
    key.bytes(last);
    key.finish().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_fit_their_own_listing_only() {
        let token = write(&["bucket", "prefix/"], "prefix/é");
        assert_eq!(read(&["bucket", "prefix/"], &token).as_deref().ok(), Some("prefix/é"));
        for (binding, token) in [(["bucket", ""], &*token), (["bucket", "prefix/"], "abc"), (["bucket", "prefix/"], "")]
        {
            assert_eq!(read(&binding, token).expect_err("refused").code, "InvalidArgument");
        }
    }
}
