//! Answers under way: headers, content types, and what of a body is sent at last, as Express does it.

use std::path::PathBuf;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, SET_COOKIE,
    TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::callbacks::Call;

/// Express makes bytes of longer texts before Node sees them.
const NODE_SHORT_TEXT: usize = 1000;

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Bytes(Bytes),
    /// A part of a file, from `start`, `length` bytes.
    File {
        path: PathBuf,
        start: u64,
        length: u64,
    },
}

impl Body {
    pub const EMPTY: Self = Self::Bytes(Bytes::new());

    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An answer that is being made.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Body,
    /// Requests that go out with it, or why one does not.
    pub calls: Vec<Result<Call, String>>,
}

impl Reply {
    pub fn new(headers: HeaderMap) -> Self {
        Self { status: 200, headers, body: Body::EMPTY, calls: Vec::new() }
    }

    /// Puts a header; cookies add up. One that HTTP does not allow is left out.
    pub fn set(&mut self, name: &str, value: &str) {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return };
        let value = if name == CONTENT_TYPE { with_charset_of_texts(value) } else { value.to_owned() };
        // One byte a character; what does not fit is not allowed.
        let bytes: Option<Vec<u8>> = value.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
        let Some(value) = bytes.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok()) else { return };
        if name == SET_COOKIE {
            self.headers.append(name, value);
        } else {
            self.headers.insert(name, value);
        }
    }

    fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Makes a text the body, in the character set of the content type, which becomes complete.
    ///
    /// # Errors
    /// When the content type is none; the message is what a client sees.
    pub fn send_text(&mut self, text: &str) -> Result<(), String> {
        let content_type =
            self.headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        match content_type {
            None => {
                self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
                self.write_headers_with(text);
                self.body = Body::Bytes(Bytes::copy_from_slice(text.as_bytes()));
            }
            Some(content_type) => match charset(&content_type) {
                Some(charset) => self.body = Body::Bytes(encoded(text, &charset)),
                None => {
                    let complete = with_utf8(&content_type)?;
                    let complete = HeaderValue::from_str(&complete).map_err(|_| "invalid media type".to_owned())?;
                    self.headers.insert(CONTENT_TYPE, complete);
                    self.write_headers_with(text);
                    self.body = Body::Bytes(Bytes::copy_from_slice(text.as_bytes()));
                }
            },
        }
        Ok(())
    }

    /// Node writes headers together with a short text, in its encoding: UTF-8 instead of Latin-1.
    fn write_headers_with(&mut self, text: &str) {
        if text.is_empty() || text.encode_utf16().count() >= NODE_SHORT_TEXT {
            return;
        }
        for value in self.headers.values_mut().filter(|value| !value.as_bytes().is_ascii()) {
            let text: String = value.as_bytes().iter().map(|&byte| char::from(byte)).collect();
            if let Ok(utf8) = HeaderValue::from_bytes(text.as_bytes()) {
                *value = utf8;
            }
        }
    }

    /// Makes a message the body. The status stays where none is given.
    pub fn send_error(&mut self, message: &str, status: Option<u16>) {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        self.status = status.unwrap_or(self.status);
        self.body = Body::Bytes(Bytes::copy_from_slice(message.as_bytes()));
    }

    pub fn send_json(&mut self, value: &serde_json::Value) {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        self.body = Body::Bytes(Bytes::from(value.to_string()));
    }

    /// Drops what the status, the method or the client's copy make needless, and counts the rest.
    pub fn finish(mut self, method: &Method, request: &HeaderMap) -> http::Response<Body> {
        let is_stream = matches!(self.body, Body::File { .. });
        if !is_stream && (200..300).contains(&self.status) && self.is_fresh(method, request) {
            self.status = 304;
        }
        match self.status {
            204 | 304 if !is_stream => {
                for name in [CONTENT_TYPE, CONTENT_LENGTH, TRANSFER_ENCODING] {
                    self.headers.remove(name);
                }
                self.body = Body::EMPTY;
            }
            205 if !is_stream => {
                self.headers.remove(TRANSFER_ENCODING);
                self.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
                self.body = Body::EMPTY;
            }
            _ => {
                self.headers.insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
                if method == Method::HEAD {
                    self.body = Body::EMPTY;
                }
            }
        }
        let mut response = http::Response::new(self.body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = self.headers;
        response
    }

    /// Whether the client has this answer already.
    fn is_fresh(&self, method: &Method, request: &HeaderMap) -> bool {
        if !(method == Method::GET || method == Method::HEAD) {
            return false;
        }
        let asked = |name: &HeaderName| request.get(name).and_then(|value| value.to_str().ok());
        let (none_match, modified_since) = (asked(&IF_NONE_MATCH), asked(&IF_MODIFIED_SINCE));
        if none_match.is_none() && modified_since.is_none() {
            return false;
        }
        let no_cache = |control: &str| control.split(',').any(|directive| directive.trim() == "no-cache");
        if asked(&CACHE_CONTROL).is_some_and(no_cache) {
            return false;
        }
        if let Some(tags) = none_match.filter(|tags| *tags != "*") {
            let Some(tag) = self.header(&ETAG) else { return false };
            let bare = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
            if !tags.split(',').any(|known| bare(known.trim()) == bare(tag)) {
                return false;
            }
        }
        let Some(since) = modified_since else { return true };
        let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp());
        match (self.header(&LAST_MODIFIED).and_then(date), date(since)) {
            (Some(modified), Some(since)) => modified <= since,
            _ => false,
        }
    }
}

/// The charset that a content type names.
fn charset(content_type: &str) -> Option<String> {
    let mut parts = content_type.split(';').skip(1);
    parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim_start();
        let value = value.strip_prefix('"').unwrap_or(value);
        let value = value.split('"').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().to_ascii_lowercase())
    })
}

/// Express names the charset of these when the header is set, not when the body is sent.
fn with_charset_of_texts(content_type: &str) -> String {
    let kind = content_type.split(';').next().unwrap_or_default();
    let is_text = ["text/", "application/javascript", "application/json"].iter().any(|start| kind.starts_with(start));
    let has_charset = content_type.split(';').skip(1).any(|parameter| {
        parameter.trim_start().strip_prefix("charset").is_some_and(|rest| rest.trim_start().starts_with('='))
    });
    if is_text && !has_charset { format!("{content_type}; charset=utf-8") } else { content_type.to_owned() }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+.^_`|~-".contains(&byte))
}

/// A content type in its normal form, with UTF-8 as its charset.
fn with_utf8(content_type: &str) -> Result<String, String> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let kind = kind.trim().to_ascii_lowercase();
    let (main, sub) = kind.split_once('/').unwrap_or_default();
    if !is_token(main) || !is_token(sub) {
        return Err("invalid media type".to_owned());
    }
    let mut named = vec![("charset".to_owned(), "utf-8".to_owned())];
    let mut rest = parameters;
    while !rest.is_empty() {
        let wrong = || "invalid parameter format".to_owned();
        let (name, value) = rest.split_once('=').ok_or_else(wrong)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim_start());
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => {
                let mut text = String::new();
                let mut characters = quoted.char_indices();
                let end = loop {
                    match characters.next().ok_or_else(wrong)? {
                        (at, '"') => break at + 1,
                        (_, '\\') => text.extend(characters.next().map(|(_, character)| character)),
                        (_, character) => text.push(character),
                    }
                };
                (text, &quoted[end..])
            }
            None => {
                let end = value.find(';').unwrap_or(value.len());
                (value[..end].trim_end().to_owned(), &value[end..])
            }
        };
        let after = after.trim_start();
        rest = match after.strip_prefix(';') {
            Some(rest) => rest,
            None if after.is_empty() => after,
            None => return Err(wrong()),
        };
        if !is_token(&name) {
            return Err(wrong());
        }
        named.push((name, value));
    }
    named.sort();
    let parameters = named
        .iter()
        .map(|(name, value)| if is_token(value) { format!("; {name}={value}") } else { format!("; {name}={value:?}") });
    Ok(kind + &parameters.collect::<String>())
}

/// A text in the bytes of a charset; unknown ones are UTF-8.
fn encoded(text: &str, charset: &str) -> Bytes {
    match charset {
        "iso-8859-1" | "latin1" | "binary" | "windows-1252" | "iso88591" | "iso_8859_1" | "iso_8859-1" | "ascii"
        | "us-ascii" => text.encode_utf16().map(|unit| unit.to_le_bytes()[0]).collect(),
        "utf-16le" | "utf16le" | "ucs-2" | "ucs2" | "utf-16" | "utf16" => {
            text.encode_utf16().flat_map(u16::to_le_bytes).collect()
        }
        _ => Bytes::copy_from_slice(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_get_a_charset() {
        // 78 to 81
        let check = |content_type: &str, expect: Result<&str, &str>| {
            let mut reply = Reply::new(HeaderMap::new());
            if !content_type.is_empty() {
                reply.set("content-type", content_type);
            }
            let sent = reply.send_text("ä");
            let told = sent.map(|()| reply.headers[CONTENT_TYPE].to_str().unwrap().to_owned());
            assert_eq!(told.as_deref().map_err(String::as_str), expect, "{content_type}");
        };
        check("", Ok("text/html; charset=utf-8"));
        check("application/json", Ok("application/json; charset=utf-8"));
        check("application/pdf", Ok("application/pdf; charset=utf-8"));
        check("*/*", Ok("*/*; charset=utf-8"));
        check("APPLICATION/JSON", Ok("application/json; charset=utf-8"));
        check("application/json;charset=UTF-8", Ok("application/json;charset=UTF-8"));
        check("image/png; b=2; a=\"1 2\"", Ok("image/png; a=\"1 2\"; b=2; charset=utf-8"));
        check("text/plain; a=b", Ok("text/plain; a=b; charset=utf-8"));
        check("nonsense", Err("invalid media type"));
        check("a/b; c", Err("invalid parameter format"));
    }

    #[test]
    fn bytes_follow_the_charset() {
        // 79
        let check = |charset: &str, expect: &[u8]| {
            let mut reply = Reply::new(HeaderMap::new());
            reply.set("content-type", &format!("text/plain; charset={charset}"));
            reply.send_text("ä€").unwrap();
            assert_eq!(reply.body, Body::Bytes(Bytes::copy_from_slice(expect)), "{charset}");
        };
        check("utf-8", "ä€".as_bytes());
        check("ISO-8859-1", &[0xe4, 0xac]);
        check("utf-16le", &[0xe4, 0, 0xac, 0x20]);
        check("\"utf-16\"", &[0xe4, 0, 0xac, 0x20]);
        check("nothing", "ä€".as_bytes());
    }

    #[test]
    fn statuses_without_bodies() {
        // 82, 85
        let check = |status: u16, expect: &[(&str, &str)]| {
            let mut reply = Reply::new(HeaderMap::new());
            reply.status = status;
            reply.set("content-length", "99");
            reply.send_text("abc").unwrap();
            let response = reply.finish(&Method::GET, &HeaderMap::new());
            let headers: Vec<_> =
                response.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
            assert_eq!(headers, expect, "{status}");
        };
        let html = ("content-type", "text/html; charset=utf-8");
        check(200, &[("content-length", "3"), html]);
        check(205, &[("content-length", "0"), html]);
        check(999, &[("content-length", "3"), html]);
        check(204, &[]);
        check(304, &[]);
    }

    #[test]
    fn copies_of_clients() {
        // 84
        let check = |asked: &[(&'static str, &str)], expect: u16| {
            let mut reply = Reply::new(HeaderMap::new());
            reply.set("etag", "W/\"1\"");
            reply.set("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT");
            reply.send_text("abc").unwrap();
            let mut request = HeaderMap::new();
            for (name, value) in asked {
                request.insert(*name, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(reply.finish(&Method::GET, &request).status(), expect, "{asked:?}");
        };
        check(&[], 200);
        check(&[("if-none-match", "\"0\", \"1\"")], 304);
        check(&[("if-none-match", "\"0\"")], 200);
        check(&[("if-none-match", "*")], 304);
        check(&[("if-none-match", "*"), ("cache-control", "no-cache")], 200);
        check(&[("if-modified-since", "Wed, 21 Oct 2015 07:28:00 GMT")], 304);
        check(&[("if-modified-since", "Wed, 21 Oct 2015 07:27:59 GMT")], 200);
        check(&[("if-modified-since", "soon")], 200);
    }
}
