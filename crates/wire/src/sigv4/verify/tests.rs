//! Signing and verifying against AWS's published suite (`get-vanilla` …) and against what botocore 1.44.5 signs for the
//! same keys and time.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

use super::super::{Keys, Signing, sign};
use super::*;
use crate::message::Request;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const KEYS: Keys<'_> = Keys { access_key: "AKIDEXAMPLE", secret_key: SECRET, session_token: None };
const TOKEN_KEYS: Keys<'_> = Keys { session_token: Some("to/k+en=="), ..KEYS };
/// 2015-08-30T12:36:00Z
const NOW: Timestamp = Timestamp { seconds: 1_440_938_160, nanos: 0 };

fn request(method: &str, host: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut map = HeaderMap::new();
    map.insert(header::HOST, HeaderValue::from_str(host).unwrap());
    for (name, value) in headers {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    Request {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        path: path.into(),
        query: query.into(),
        headers: map,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn received(request: &Request) -> Received<'_> {
    Received {
        method: request.method.as_str(),
        path: &request.path,
        query: &request.query,
        headers: &request.headers,
        authority: "",
    }
}

fn signed(mut request: Request, keys: Keys<'_>, service: &str) -> Request {
    let body = request.body.clone();
    let signing = Signing { keys, region: "us-east-1", service, time: NOW, payload: Payload::Bytes(&body) };
    sign(&mut request, &signing).unwrap();
    request
}

/// Signs, compares the signature with a known one, and verifies it.
fn check(request: Request, keys: Keys<'_>, service: &str, expect: &str) {
    let request = signed(request, keys, service);
    let authorization = request.headers[header::AUTHORIZATION].to_str().unwrap();
    assert_eq!(authorization.rsplit_once("Signature=").unwrap().1, expect, "{} {}", request.method, request.path);
    assert_eq!(verify(&received(&request), SECRET, Payload::Bytes(&request.body), NOW), Ok(()));
}

#[test]
fn published_suite() {
    let suite = |method, target, headers: &[(&str, &str)], body, expect| {
        check(request(method, "example.amazonaws.com", target, headers, body), KEYS, "service", expect);
    };
    suite("GET", "/", &[], "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    suite("POST", "/", &[], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
    suite(
        "GET",
        "/?Param2=value2&Param1=value1",
        &[],
        "",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    );
    suite(
        "GET",
        "/",
        &[("My-Header1", "value1"), ("My-Header2", "\"a   b   c\"")],
        "",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    );
    suite(
        "GET",
        "/",
        &[("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")],
        "",
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    );
    suite("GET", "/ሴ", &[], "", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
    suite("GET", "/?ሴ=bar", &[], "", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04");
    suite(
        "POST",
        "/",
        &[("Content-Type", "application/x-www-form-urlencoded")],
        "Param1=value1",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    );
}

#[test]
fn as_botocore_signs() {
    check(
        request(
            "POST",
            "dynamodb.us-east-1.amazonaws.com",
            "/",
            &[
                ("Content-Type", "application/x-amz-json-1.0"),
                ("X-Amz-Target", "DynamoDB_20120810.ListTables"),
                ("User-Agent", "x"),
            ],
            "{}",
        ),
        KEYS,
        "dynamodb",
        "75214f17608dbd636679e18f6f89744844ae96fcd228b8147167152488d817de",
    );
    check(
        request(
            "PUT",
            "airflow.us-east-1.amazonaws.com",
            "/environments/a%20b//c?z=1&a=%2Fx&a=b",
            &[("X-Amz-Meta", "  a   b ")],
            "{\"k\":1}",
        ),
        TOKEN_KEYS,
        "airflow",
        "21a1362de24a7972935bd29b55c388c328e68613b729fbd248c8ec2776475bb3",
    );
    check(
        request("GET", "b.s3.amazonaws.com", "/a%20b//c/../%C3%A9?list-type=2&prefix=a%2Fb%20c", &[], ""),
        TOKEN_KEYS,
        "s3",
        "b9b04e8cd4a0b83725bd84dcea87eaeda6ed65872317fbe50b5e134bb210634f",
    );
}

const PRESIGNED_S3: &str = "/a%20b//c?versionId=x%2By&X-Amz-Algorithm=AWS4-HMAC-SHA256\
    &X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20150830T123600Z\
    &X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=to%2Fk%2Ben%3D%3D\
    &X-Amz-Signature=a1c84d8da87941d9b619932208122b89e2cc049d1dbf52631615004ee9813e88";

const PRESIGNED_STS: &str = "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256\
    &X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date=20150830T123600Z\
    &X-Amz-Expires=60&X-Amz-SignedHeaders=host\
    &X-Amz-Signature=1d10ef2bc2bb1b02201752f1912e9eb7a5df0d0d7bd2cc98b1f5557b7a9254be";

#[test]
fn presigned_by_botocore() {
    let s3 = request("GET", "b.s3.amazonaws.com", PRESIGNED_S3, &[], "");
    assert_eq!(verify(&received(&s3), SECRET, Payload::Unsigned, NOW.plus_seconds(900)), Ok(()));
    assert!(matches!(
        verify(&received(&s3), SECRET, Payload::Unsigned, NOW.plus_seconds(901)),
        Err(Refusal::Expired { .. })
    ));
    assert!(matches!(
        verify(&received(&s3), SECRET, Payload::Unsigned, NOW.plus_seconds(-901)),
        Err(Refusal::Skewed { .. })
    ));
    let mut sts = request("GET", "sts.amazonaws.com", PRESIGNED_STS, &[], "");
    assert_eq!(verify(&received(&sts), SECRET, Payload::Bytes(b""), NOW), Ok(()));
    // HTTP/2 names the host in `:authority`.
    sts.headers.remove(header::HOST);
    let received = Received { authority: "sts.amazonaws.com", ..received(&sts) };
    assert_eq!(verify(&received, SECRET, Payload::Bytes(b""), NOW), Ok(()));
}

#[test]
fn unsigned_payload_is_announced() {
    let mut request = request("PUT", "h", "/k", &[], "body");
    let signing = Signing { keys: KEYS, region: "us-east-1", service: "polly", time: NOW, payload: Payload::Unsigned };
    sign(&mut request, &signing).unwrap();
    assert_eq!(request.headers["x-amz-content-sha256"], UNSIGNED_PAYLOAD);
    assert_eq!(verify(&received(&request), SECRET, Payload::Bytes(b"anything"), NOW), Ok(()));
}

#[test]
fn a_path_signed_without_normalising_is_accepted() {
    let mut request = signed(request("GET", "h", "/a//b", &[], ""), KEYS, "airflow");
    let canonical = Canonical {
        method: "GET",
        path: "/a//b",
        query: "",
        headers: &request.headers,
        host: "",
        payload_hash: &sha256_hex(b""),
        signed_headers: &["host", "x-amz-date"],
    };
    let to_sign = string_to_sign(
        "20150830T123600Z",
        "20150830/us-east-1/airflow/aws4_request",
        &canonical.bytes(PathStyle::TwiceRaw, None).unwrap(),
    );
    let mac = signature(SECRET, "20150830", "us-east-1", "airflow", &to_sign);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/airflow/aws4_request, SignedHeaders=host;x-amz-date, Signature={}",
        super::super::canonical::hex(&mac.finalize().into_bytes())
    );
    assert_ne!(request.headers[header::AUTHORIZATION], authorization.as_str());
    request.headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
    assert_eq!(verify(&received(&request), SECRET, Payload::Bytes(b""), NOW), Ok(()));
}

fn check_refusal(change: impl FnOnce(&mut Request), code: &str, reason: &str) {
    let request = request("POST", "h.amazonaws.com", "/p?q=1", &[("x-amz-target", "T")], "body");
    let mut request = signed(request, TOKEN_KEYS, "s3");
    change(&mut request);
    let refusal = verify(&received(&request), SECRET, Payload::Bytes(&request.body), NOW).unwrap_err();
    assert_eq!(refusal.code(), code, "{refusal}");
    assert!(refusal.to_string().contains(reason), "{refusal}");
}

#[test]
fn refusals_say_why() {
    let mismatch = "SignatureDoesNotMatch";
    let incomplete = "IncompleteSignatureException";
    check_refusal(|r| r.method = Method::PUT, mismatch, "string to sign");
    check_refusal(|r| r.path.push('x'), mismatch, "string to sign");
    check_refusal(|r| r.query.push('1'), mismatch, "string to sign");
    check_refusal(|r| set(r, "x-amz-target", "U"), mismatch, "AWS4-HMAC-SHA256\n20150830T123600Z\n");
    check_refusal(|r| r.body = Bytes::from_static(b"other"), "XAmzContentSHA256Mismatch", "SHA-256");
    check_refusal(|r| set(r, "x-amz-late", "1"), incomplete, "`x-amz-late` must be signed");
    check_refusal(|r| drop(r.headers.remove("x-amz-target")), incomplete, "`x-amz-target` is signed but missing");
    check_refusal(|r| drop(r.headers.remove("x-amz-date")), incomplete, "date");
    check_refusal(|r| set(r, "x-amz-date", "20150831T000000Z"), incomplete, "date");
    check_refusal(|r| drop(r.headers.remove(header::AUTHORIZATION)), "MissingAuthenticationTokenException", "signed");
    check_refusal(|r| set(r, "authorization", "Bearer x"), incomplete, "Authorization");
    check_refusal(|r| set(r, "authorization", "AWS a:b"), incomplete, "Version 2");
    check_refusal(
        |r| {
            let value = r.headers[header::AUTHORIZATION].to_str().unwrap().to_owned();
            set(r, "authorization", &value[..value.len() - 1]);
        },
        incomplete,
        "the signature",
    );
    check_refusal(
        |r| {
            let value = r.headers[header::AUTHORIZATION].to_str().unwrap().to_owned();
            set(r, "authorization", &value[..value.len() - 2]);
        },
        mismatch,
        "string to sign",
    );
    let late = signed(request("GET", "h", "/", &[], ""), KEYS, "iam");
    let refusal = verify(&received(&late), SECRET, Payload::Bytes(b""), NOW.plus_seconds(901)).unwrap_err();
    assert_eq!(refusal.code(), "RequestTimeTooSkewed");
}

fn set(request: &mut Request, name: &'static str, value: &str) {
    request.headers.insert(name, value.parse().unwrap());
}

#[test]
fn signing_needs_a_host_and_writable_keys() {
    let signing = Signing { keys: KEYS, region: "us-east-1", service: "iam", time: NOW, payload: Payload::Bytes(b"") };
    let mut bare = request("GET", "h", "/", &[], "");
    bare.headers.clear();
    assert_eq!(sign(&mut bare, &signing), Err(super::super::SignError::NoHost));
    let token = Signing { keys: Keys { session_token: Some("a\nb"), ..KEYS }, ..signing };
    let refused = sign(&mut request("GET", "h", "/", &[], ""), &token);
    assert_eq!(refused, Err(super::super::SignError::NotAHeader("x-amz-security-token")));
    assert!(!format!("{signing:?}").contains(SECRET), "secrets stay out of logs");
}

#[test]
fn presigned_urls_say_how_long_they_hold() {
    let check = |query: &str, expect: Option<Timestamp>| assert_eq!(presigned_until(query), expect, "{query}");
    check(PRESIGNED_S3.split_once('?').expect("a query").1, Some(NOW.plus_seconds(900)));
    check("AWSAccessKeyId=AKID&Expires=1&Signature=x", Some(Timestamp::from_seconds(1)));
    check("list-type=2", None);
    check("", None);
}
