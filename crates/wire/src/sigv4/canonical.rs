//! The canonical request, the string to sign and the key: what both sides compute.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::{Digest, Sha256};
use standin_model::Timestamp;

pub(super) type HmacSha256 = Hmac<Sha256>;

/// The hash of no bytes, spelled out as it is in most signatures.
pub(super) const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    if bytes.is_empty() { EMPTY_SHA256.to_owned() } else { hex(&Sha256::digest(bytes)) }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

/// `20150830T123600Z`
pub(super) fn compact_date(time: Timestamp) -> String {
    let whole = Timestamp::from_seconds(time.seconds).to_date_time();
    whole.chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

/// Undoes `%XX`, and `+` where `plus_is_space`; anything else stays.
pub(super) fn percent_decode(text: &[u8], plus_is_space: bool) -> Vec<u8> {
    let nibble = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match (byte, nibble(at + 1), nibble(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high << 4 | low).expect("two nibbles make a byte"));
                at += 3;
                continue;
            }
            (b'+', ..) if plus_is_space => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    out
}

/// Encodes all but `A-Z a-z 0-9 - . _ ~` (and `/` where told), as SigV4 wants it.
fn percent_encode(bytes: &[u8], keep_slash: bool, out: &mut String) {
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b'/' if keep_slash => out.push('/'),
            _ => write!(out, "%{byte:02X}").expect("writing to a string does not fail"),
        }
    }
}

/// How a path enters the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathStyle {
    /// S3: encoded once, never normalised.
    Once,
    /// S3, for clients that sign what they send although it could be encoded further.
    AsSent,
    /// All others: dot segments and doubled slashes resolved, then what was sent is encoded again.
    Twice,
    /// As `Twice` without resolving anything; some SDKs leave that out.
    TwiceRaw,
}

impl PathStyle {
    /// What else a signer of this style may have done.
    pub(super) fn alternative(self) -> Self {
        match self {
            Self::Once | Self::AsSent => Self::AsSent,
            Self::Twice | Self::TwiceRaw => Self::TwiceRaw,
        }
    }

    pub(super) fn of_service(service: &str) -> Self {
        match service {
            "s3" | "s3express" | "s3-object-lambda" | "s3-outposts" => Self::Once,
            _ => Self::Twice,
        }
    }
}

pub(super) fn canonical_path(path: &str, style: PathStyle) -> String {
    let mut out = String::with_capacity(path.len() + 16);
    match style {
        PathStyle::Once => percent_encode(&percent_decode(path.as_bytes(), false), true, &mut out),
        PathStyle::AsSent => out.push_str(path),
        PathStyle::Twice => percent_encode(normalised(path).as_bytes(), true, &mut out),
        PathStyle::TwiceRaw => percent_encode(path.as_bytes(), true, &mut out),
    }
    if out.is_empty() {
        out.push('/');
    }
    out
}

/// RFC 3986's dot segments removed, and empty segments with them.
fn normalised(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    if kept.is_empty() {
        return "/".to_owned();
    }
    let slash = if path.ends_with('/') { "/" } else { "" };
    format!("/{}{slash}", kept.join("/"))
}

/// Sorted, re-encoded pairs; `without` names a parameter to leave out (the signature of a presigned URL).
pub(super) fn canonical_query(query: &str, without: Option<&str>) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let again = |text: &str| {
                let mut out = String::with_capacity(text.len());
                percent_encode(&percent_decode(text.as_bytes(), true), false, &mut out);
                out
            };
            (again(key), again(value))
        })
        .filter(|(key, _)| without.is_none_or(|without| !key.eq_ignore_ascii_case(without)))
        .collect();
    pairs.sort_unstable();
    let mut out = String::with_capacity(query.len() + 16);
    for (key, value) in &pairs {
        let separator = if out.is_empty() { "" } else { "&" };
        write!(out, "{separator}{key}={value}").expect("writing to a string does not fail");
    }
    out
}

/// One line of canonical headers: values trimmed, inner spaces collapsed, repeated headers joined by commas.
/// `host` stands in for a missing `Host` header (HTTP/2 has `:authority` instead).
fn canonical_header(name: &str, headers: &HeaderMap, host: &str, out: &mut Vec<u8>) -> bool {
    let before = out.len();
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    let mut found = false;
    for value in headers.get_all(name) {
        if found {
            out.push(b',');
        }
        found = true;
        let words = value.as_bytes().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        for (at, word) in words.enumerate() {
            if at > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(word);
        }
    }
    if !found && name == "host" {
        out.extend_from_slice(host.as_bytes());
        found = true;
    }
    if found {
        out.push(b'\n');
    } else {
        out.truncate(before);
    }
    found
}

/// What a signature covers of a request.
pub(super) struct Canonical<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub host: &'a str,
    pub payload_hash: &'a str,
    /// Lower case, sorted.
    pub signed_headers: &'a [&'a str],
}

impl Canonical<'_> {
    /// The canonical request's bytes.
    ///
    /// # Errors
    /// The name of a signed header that the request does not have.
    pub(super) fn bytes(&self, style: PathStyle, without_parameter: Option<&str>) -> Result<Vec<u8>, String> {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(self.method.as_bytes());
        out.push(b'\n');
        out.extend_from_slice(canonical_path(self.path, style).as_bytes());
        out.push(b'\n');
        out.extend_from_slice(canonical_query(self.query, without_parameter).as_bytes());
        out.push(b'\n');
        for name in self.signed_headers {
            if !canonical_header(name, self.headers, self.host, &mut out) {
                return Err((*name).to_owned());
            }
        }
        out.push(b'\n');
        out.extend_from_slice(self.signed_headers.join(";").as_bytes());
        out.push(b'\n');
        out.extend_from_slice(self.payload_hash.as_bytes());
        Ok(out)
    }
}

/// `date` is compact and whole, `scope` is `YYYYMMDD/REGION/SERVICE/aws4_request`.
pub(super) fn string_to_sign(date: &str, scope: &str, canonical_request: &[u8]) -> String {
    format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical_request)))
}

fn keyed(key: &[u8]) -> HmacSha256 {
    HmacSha256::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let mut mac = keyed(key);
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// The signature, not yet finished: the signer takes it as hex, the verifier compares it in constant time.
pub(super) fn signature(secret: &str, day: &str, region: &str, service: &str, string_to_sign: &str) -> HmacSha256 {
    let day_key = hmac(format!("AWS4{secret}").as_bytes(), day);
    let service_key = hmac(&hmac(&day_key, region), service);
    let mut mac = keyed(&hmac(&service_key, "aws4_request"));
    mac.update(string_to_sign.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, once, twice) in [
            ("", "/", "/"),
            ("/", "/", "/"),
            ("//", "//", "/"),
            ("/a//b/", "/a//b/", "/a/b/"),
            ("/a/./b/../c", "/a/./b/../c", "/a/c"),
            ("/..", "/..", "/"),
            ("/a%20b", "/a%20b", "/a%2520b"),
            ("/a b+c", "/a%20b%2Bc", "/a%20b%2Bc"),
            ("/~user/%e1%88%b4", "/~user/%E1%88%B4", "/~user/%25e1%2588%25b4"),
            ("/100%", "/100%25", "/100%25"),
        ] {
            assert_eq!(canonical_path(path, PathStyle::Once), once, "{path}");
            assert_eq!(canonical_path(path, PathStyle::Twice), twice, "{path}");
        }
        assert_eq!(canonical_path("/a//./b", PathStyle::TwiceRaw), "/a//./b");
    }

    #[test]
    fn queries() {
        for (query, expect) in [
            ("", ""),
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&a=1&a", "a=&a=1&a=2"),
            ("&&list-type=2&prefix=a/b%20c+d", "list-type=2&prefix=a%2Fb%20c%20d"),
            ("x-amz-signature=1&a=%zz", "a=%25zz"),
        ] {
            assert_eq!(canonical_query(query, Some("X-Amz-Signature")), expect, "{query}");
        }
    }

    #[test]
    fn hex_there_and_back() {
        assert_eq!(unhex("00ff7A"), Some(vec![0, 255, 122]));
        assert_eq!(hex(&[0, 255, 122]), "00ff7a");
        for bad in ["0", "0g", "é"] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
        assert_eq!(sha256_hex(b""), hex(&Sha256::digest(b"")));
        assert_eq!(compact_date(Timestamp { seconds: 1_440_938_160, nanos: 5 }), "20150830T123600Z");
    }
}
