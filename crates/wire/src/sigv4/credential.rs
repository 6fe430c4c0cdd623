//! What a request says of itself: access key and credential scope.

use std::borrow::Cow;

use http::{HeaderMap, header};

/// How a request says it was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `AWS4-HMAC-SHA256`
    V4,
    /// `AWS4-ECDSA-P256-SHA256` (`SigV4A`): one signature for a set of regions, so the scope names none.
    V4a,
    /// `AWS4-X509-…-SHA256` (IAM Roles Anywhere): the access key is a certificate's serial number.
    V4X509,
    /// Signature Version 2 and older: an access key without a scope.
    V2,
}

/// The unverified identity and scope of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential<'a> {
    /// Never empty. Borrowed unless it was percent-encoded.
    pub access_key: Cow<'a, str>,
    /// `YYYYMMDD`, unchecked; `None` for V2.
    pub date: Option<&'a str>,
    /// `None` for `SigV4A` and V2.
    pub region: Option<&'a str>,
    /// The signing name; `None` for V2.
    pub service: Option<&'a str>,
    pub algorithm: Algorithm,
}

/// Reads the `Authorization` header, else the query parameters of a presigned URL. Looks at nothing else and checks
/// no signature; what is not understood gives `None`.
pub fn credential<'a>(headers: &'a HeaderMap, query: &'a str) -> Option<Credential<'a>> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(credential_of_header)
        .or_else(|| credential_of_query(query))
}

/// Reads the value of an `Authorization` header: versions 4 and 4A in any order of their parts, and `AWS KEY:SIGNATURE`.
pub fn credential_of_header(value: &str) -> Option<Credential<'_>> {
    let (scheme, rest) = value.trim_ascii().split_once(|c: char| c.is_ascii_whitespace())?;
    match algorithm(scheme)? {
        Algorithm::V2 => {
            let (access_key, _signature) = rest.trim_ascii().split_once(':')?;
            bare(Cow::Borrowed(access_key))
        }
        algorithm => {
            let mut parts = rest.split([',', ' ', '\t']);
            scope(parts.find_map(|part| part.strip_prefix("Credential="))?, algorithm)
        }
    }
}

/// Reads the parameters of a presigned URL (`X-Amz-Credential`, or `AWSAccessKeyId` of Version 2), percent-encoded as sent.
/// A form body of a Version 2 request has the same parameters.
pub fn credential_of_query(query: &str) -> Option<Credential<'_>> {
    // Most requests have no query or an ordinary one; the capital letters occur in hardly any.
    if query.len() < "AWSAccessKeyId=".len() {
        return None;
    }
    let mut given = None;
    let mut kind = Algorithm::V4;
    for pair in query.split('&') {
        let Some((key, value)) = pair.split_once('=') else { continue };
        if key.eq_ignore_ascii_case("x-amz-credential") {
            given = Some(value);
        } else if key.eq_ignore_ascii_case("x-amz-algorithm") {
            kind = algorithm(value)?;
        } else if key == "AWSAccessKeyId" {
            return bare(decode(value));
        }
    }
    scope(given?, kind)
}

fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "AWS4-HMAC-SHA256" => Some(Algorithm::V4),
        "AWS4-ECDSA-P256-SHA256" => Some(Algorithm::V4a),
        "AWS" => Some(Algorithm::V2),
        other if other.starts_with("AWS4-X509-") => Some(Algorithm::V4X509),
        _ => None,
    }
}

fn bare(access_key: Cow<'_, str>) -> Option<Credential<'_>> {
    let known = Credential { access_key, date: None, region: None, service: None, algorithm: Algorithm::V2 };
    (!known.access_key.is_empty()).then_some(known)
}

/// Takes `KEY/DATE/REGION/SERVICE/aws4_request` apart from its end (a key may hold a slash), slashes plain or encoded.
fn scope(text: &str, algorithm: Algorithm) -> Option<Credential<'_>> {
    let (rest, terminator) = cut(text)?;
    if terminator != "aws4_request" {
        return None;
    }
    let (rest, service) = cut(rest)?;
    let (rest, region) = match algorithm {
        Algorithm::V4a => (rest, ""),
        _ => cut(rest)?,
    };
    let (access_key, date) = cut(rest)?;
    let access_key = decode(access_key);
    if access_key.is_empty() || service.is_empty() {
        return None;
    }
    Some(Credential {
        access_key,
        date: Some(date),
        region: (!region.is_empty()).then_some(region),
        service: Some(service),
        algorithm,
    })
}

/// Splits at the last slash, written `/`, `%2F` or `%2f`.
fn cut(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    for at in (0..bytes.len()).rev() {
        match bytes[at] {
            b'/' => return Some((&text[..at], &text[at + 1..])),
            b'%' if bytes.get(at + 1) == Some(&b'2') && bytes.get(at + 2).is_some_and(|b| b | 0x20 == b'f') => {
                return Some((&text[..at], &text[at + 3..]));
            }
            _ => {}
        }
    }
    None
}

/// Undoes percent-encoding; what is not valid stays as it is.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    match String::from_utf8(super::canonical::percent_decode(text.as_bytes(), false)) {
        Ok(decoded) => Cow::Owned(decoded),
        Err(_) => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seen<'a> = Option<(Algorithm, &'a str, Option<&'a str>, Option<&'a str>, Option<&'a str>)>;

    fn seen<'a>(credential: &'a Option<Credential<'a>>) -> Seen<'a> {
        credential.as_ref().map(|c| (c.algorithm, c.access_key.as_ref(), c.date, c.region, c.service))
    }

    fn check_header(value: &str, expect: Seen<'_>) {
        assert_eq!(seen(&credential_of_header(value)), expect, "{value}");
    }

    fn check_query(query: &str, expect: Seen<'_>) {
        assert_eq!(seen(&credential_of_query(query)), expect, "{query}");
    }

    #[test]
    fn header_forms() {
        let iam = Some((Algorithm::V4, "AKIDEXAMPLE", Some("20150830"), Some("us-east-1"), Some("iam")));
        for value in [
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=ab",
            "AWS4-HMAC-SHA256 SignedHeaders=host,Signature=ab,Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request",
            "  AWS4-HMAC-SHA256\tCredential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request",
            "AWS4-HMAC-SHA256   ,, Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request ,",
        ] {
            check_header(value, iam);
        }
        check_header(
            "AWS4-HMAC-SHA256 Credential=a/b/c/20150830/eu-north-1/s3express/aws4_request, Signature=",
            Some((Algorithm::V4, "a/b/c", Some("20150830"), Some("eu-north-1"), Some("s3express"))),
        );
        check_header(
            "AWS4-ECDSA-P256-SHA256 Credential=AKID/20260101/s3/aws4_request, SignedHeaders=host, Signature=30",
            Some((Algorithm::V4a, "AKID", Some("20260101"), None, Some("s3"))),
        );
        check_header(
            "AWS4-X509-RSA-SHA256 Credential=1234/20260101/us-east-1/rolesanywhere/aws4_request, Signature=30",
            Some((Algorithm::V4X509, "1234", Some("20260101"), Some("us-east-1"), Some("rolesanywhere"))),
        );
        check_header("AWS AKID:c2ln", Some((Algorithm::V2, "AKID", None, None, None)));
    }

    #[test]
    fn query_forms() {
        let s3 = Some((Algorithm::V4, "AKID", Some("20260101"), Some("us-west-2"), Some("s3")));
        check_query(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20260101%2Fus-west-2%2Fs3%2Faws4_request&X-Amz-Date=d",
            s3,
        );
        check_query("a=b&X-Amz-Credential=AKID/20260101/us-west-2/s3/aws4_request", s3);
        check_query("x-amz-credential=AKID%2f20260101%2fus-west-2%2Fs3%2faws4_request", s3);
        check_query(
            "X-Amz-Credential=my%20key%2F20260101%2Fus-west-2%2Fs3%2Faws4_request",
            Some((Algorithm::V4, "my key", Some("20260101"), Some("us-west-2"), Some("s3"))),
        );
        check_query(
            "X-Amz-Credential=AKID%2F20260101%2Fs3%2Faws4_request&X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256",
            Some((Algorithm::V4a, "AKID", Some("20260101"), None, Some("s3"))),
        );
        check_query("AWSAccessKeyId=AKID&Expires=1&Signature=x", Some((Algorithm::V2, "AKID", None, None, None)));
    }

    #[test]
    fn garbage_is_no_credential() {
        for value in [
            "",
            "AWS",
            "AWS ",
            "AWS :",
            "AWS nocolon",
            "Basic dXNlcjpwYXNz",
            "Bearer token",
            "AWS4-HMAC-SHA256",
            "AWS4-HMAC-SHA256 Credential=",
            "AWS4-HMAC-SHA256 Credential=AKID",
            "AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/iam",
            "AWS4-HMAC-SHA256 Credential=/20150830/us-east-1/iam/aws4_request",
            "AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1//aws4_request",
            "AWS4-SOMETHING Credential=AKID/20150830/us-east-1/iam/aws4_request",
        ] {
            check_header(value, None);
        }
        for query in ["", "a=b", "X-Amz-Credential", "X-Amz-Credential=%", "X-Amz-Credential=%2F%2F%2F%2Faws4_request"]
        {
            check_query(query, None);
        }
    }
}
