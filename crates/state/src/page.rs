//! Page tokens: opaque, checked, and as good at the millionth item as at the first.

use std::fmt::Write as _;

use standin_core::{CallContext, Hasher};
use standin_model::Document;

const CHECK_BYTES: usize = 8;

/// The token of the page that begins after a key. Hexadecimal digits, a multiple of four: what every model's pattern for
/// tokens accepts.
pub(crate) fn token(context: &CallContext, question: u64, key: &str) -> String {
    let mut token = format!("{:016x}", check(context, question, key).swap_bytes());
    for byte in key.bytes() {
        let _ = write!(token, "{byte:02x}");
    }
    if key.len() % 2 == 1 {
        token.push_str("00");
    }
    token
}

/// The key that a token holds; `None` where it was not given by this operation for this request.
pub(crate) fn after(context: &CallContext, question: u64, token: &str) -> Option<String> {
    let digits = token.as_bytes();
    if !digits.len().is_multiple_of(4) {
        return None;
    }
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Option<Vec<u8>> = pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
    let bytes = bytes?;
    let (sum, key) = bytes.split_at_checked(CHECK_BYTES)?;
    let key = std::str::from_utf8(key.strip_suffix(b"\0").unwrap_or(key)).ok()?;
    (sum == check(context, question, key).to_le_bytes()).then(|| key.to_owned())
}

/// What is asked, but for where the page begins and how long it is.
pub(crate) fn question(context: &CallContext, input: &Document, paging: &[&str]) -> u64 {
    let mut key = context.key("question");
    key.text(context.operation.name);
    for (name, value) in input.as_map().into_iter().flat_map(standin_model::Fields::iter) {
        if !paging.contains(&&**name) {
            key.text(name);
            feed(&mut key, value);
        }
    }
    key.finish()
}

fn check(context: &CallContext, question: u64, key: &str) -> u64 {
    let mut hasher = context.key("page");
    hasher.number(question).text(key);
    hasher.finish()
}

/// Feeds a value, so that equal values give equal sums.
pub(crate) fn feed(key: &mut Hasher, value: &Document) {
    match value {
        Document::Null => {
            key.number(0);
        }
        Document::Bool(flag) => {
            key.number(1 + u64::from(*flag));
        }
        Document::Int(number) => {
            key.number(3).bytes(&number.to_le_bytes());
        }
        Document::Float(number) => {
            key.number(4).bytes(&number.to_bits().to_le_bytes());
        }
        Document::BigNumber(digits) => {
            key.number(5).text(digits);
        }
        Document::String(text) => {
            key.number(6).text(text);
        }
        Document::Blob(bytes) => {
            key.number(7).bytes(bytes);
        }
        Document::Timestamp(at) => {
            key.number(8).bytes(&at.as_millis().to_le_bytes());
        }
        Document::List(items) => {
            key.number(9).number(items.len() as u64);
            items.iter().for_each(|item| feed(key, item));
        }
        Document::Map(fields) => {
            key.number(10).number(fields.len() as u64);
            // The order of members says nothing.
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(b.0));
            for (name, value) in sorted {
                key.text(name);
                feed(key, value);
            }
        }
    }
}
