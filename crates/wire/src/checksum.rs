//! Checksums of bodies: the ten algorithms of S3's flexible checksums, and `Content-MD5`.
//!
//! Digests travel as base64 of their bytes, numbers in big-endian order (XXH's canonical form). Facts: "Checking object
//! integrity" (S3 User Guide), the `aws.protocols#httpChecksum` trait, and awscrt's output for the test vectors.

mod crc;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;
use sha2::Digest as _;
use standin_core::{OperationError, codes};

use crc::Crc;

/// A checksum algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
    Sha512,
    Md5,
    XxHash64,
    XxHash3,
    XxHash128,
}

impl Algorithm {
    pub const ALL: [Self; 10] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::Md5,
        Self::XxHash64,
        Self::XxHash3,
        Self::XxHash128,
    ];

    /// The value of `x-amz-sdk-checksum-algorithm` and of members named `ChecksumAlgorithm`.
    pub fn name(self) -> &'static str {
        self.names().0
    }

    /// The header, or trailer, that carries the digest.
    pub fn header_name(self) -> &'static str {
        self.names().1
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Crc32 => ("CRC32", "x-amz-checksum-crc32"),
            Self::Crc32c => ("CRC32C", "x-amz-checksum-crc32c"),
            Self::Crc64Nvme => ("CRC64NVME", "x-amz-checksum-crc64nvme"),
            Self::Sha1 => ("SHA1", "x-amz-checksum-sha1"),
            Self::Sha256 => ("SHA256", "x-amz-checksum-sha256"),
            Self::Sha512 => ("SHA512", "x-amz-checksum-sha512"),
            Self::Md5 => ("MD5", "x-amz-checksum-md5"),
            Self::XxHash64 => ("XXHASH64", "x-amz-checksum-xxhash64"),
            Self::XxHash3 => ("XXHASH3", "x-amz-checksum-xxhash3"),
            Self::XxHash128 => ("XXHASH128", "x-amz-checksum-xxhash128"),
        }
    }

    /// The algorithm of that name, in either case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The algorithm whose digest travels in that header.
    pub fn of_header(name: &str) -> Option<Self> {
        Self::parse(name.get(..15).filter(|prefix| prefix.eq_ignore_ascii_case("x-amz-checksum-")).and(name.get(15..))?)
    }

    /// The length of a digest in bytes.
    pub fn digest_bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme | Self::XxHash64 | Self::XxHash3 => 8,
            Self::Md5 | Self::XxHash128 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The digest of bytes that are all there, as base64.
    pub fn of(self, bytes: &[u8]) -> String {
        let mut checksum = Checksum::new(self);
        checksum.update(bytes);
        checksum.finish()
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A running checksum.
#[derive(Clone)]
pub struct Checksum {
    algorithm: Algorithm,
    state: State,
}

#[derive(Clone)]
enum State {
    Crc32(crc32fast::Hasher),
    Crc(Crc),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha512(Box<sha2::Sha512>),
    Md5(md5::Md5),
    XxHash64(twox_hash::XxHash64),
    XxHash3(Box<twox_hash::XxHash3_64>),
    XxHash128(Box<twox_hash::XxHash3_128>),
}

impl Checksum {
    pub fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Crc32 => State::Crc32(crc32fast::Hasher::new()),
            Algorithm::Crc32c => State::Crc(Crc::crc32c()),
            Algorithm::Crc64Nvme => State::Crc(Crc::crc64_nvme()),
            Algorithm::Sha1 => State::Sha1(sha1::Sha1::new()),
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Box::default()),
            Algorithm::Md5 => State::Md5(md5::Md5::new()),
            Algorithm::XxHash64 => State::XxHash64(twox_hash::XxHash64::with_seed(0)),
            Algorithm::XxHash3 => State::XxHash3(Box::new(twox_hash::XxHash3_64::new())),
            Algorithm::XxHash128 => State::XxHash128(Box::new(twox_hash::XxHash3_128::new())),
        };
        Self { algorithm, state }
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub fn update(&mut self, bytes: &[u8]) {
        use std::hash::Hasher as _;
        match &mut self.state {
            State::Crc32(state) => state.update(bytes),
            State::Crc(state) => state.update(bytes),
            State::Sha1(state) => state.update(bytes),
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
            State::Md5(state) => state.update(bytes),
            State::XxHash64(state) => state.write(bytes),
            State::XxHash3(state) => state.write(bytes),
            State::XxHash128(state) => state.write(bytes),
        }
    }

    /// The digest as base64, as headers carry it.
    pub fn finish(self) -> String {
        use std::hash::Hasher as _;
        match self.state {
            State::Crc32(state) => BASE64.encode(state.finalize().to_be_bytes()),
            // A CRC-32 sits in the low half.
            State::Crc(state) => BASE64.encode(&state.finish().to_be_bytes()[8 - self.algorithm.digest_bytes()..]),
            State::Sha1(state) => BASE64.encode(state.finalize()),
            State::Sha256(state) => BASE64.encode(state.finalize()),
            State::Sha512(state) => BASE64.encode(state.finalize()),
            State::Md5(state) => BASE64.encode(state.finalize()),
            State::XxHash64(state) => BASE64.encode(state.finish().to_be_bytes()),
            State::XxHash3(state) => BASE64.encode(state.finish().to_be_bytes()),
            State::XxHash128(state) => BASE64.encode(state.finish_128().to_be_bytes()),
        }
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checksum").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Why a body is not the one that its sender described.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    #[error("the value of `{header}` is no digest of that algorithm")]
    Malformed { header: String },
    #[error("`{header}` says {expected}, but the body gives {actual}")]
    Mismatch { header: String, expected: String, actual: String },
    #[error("the trailer `{header}` was announced but did not come")]
    TrailerMissing { header: String },
}

impl From<ChecksumError> for OperationError {
    /// S3's codes; other services word this differently and model none of it.
    fn from(error: ChecksumError) -> Self {
        let code = match &error {
            ChecksumError::Malformed { header } if header == CONTENT_MD5 => "InvalidDigest",
            ChecksumError::Malformed { .. } => "InvalidRequest",
            ChecksumError::Mismatch { .. } => codes::BAD_DIGEST,
            ChecksumError::TrailerMissing { .. } => "MalformedTrailerError",
        };
        Self::new(code, error.to_string()).with_status(400)
    }
}

const CONTENT_MD5: &str = "content-md5";
/// Names the trailers to come.
const TRAILER: &str = "x-amz-trailer";

/// Checks a body, as it comes, against the checksums that its headers and trailers give.
#[derive(Debug, Default)]
pub struct Verifier {
    running: Vec<Checksum>,
    expected: Vec<Expected>,
}

#[derive(Debug)]
struct Expected {
    algorithm: Algorithm,
    header: &'static str,
    /// `None` until the trailer comes.
    digest: Option<String>,
}

impl Verifier {
    /// Takes `Content-MD5`, and with `flexible` also `x-amz-checksum-…` and those announced in `x-amz-trailer`.
    ///
    /// `flexible` is for operations whose model has `httpChecksum`: elsewhere such a header may describe something other
    /// than the body (`CompleteMultipartUpload` sends the finished object's).
    ///
    /// # Errors
    /// When a value is no digest of its algorithm.
    pub fn new(headers: &HeaderMap, flexible: bool) -> Result<Self, ChecksumError> {
        let mut verifier = Self::default();
        if let Some(value) = headers.get(CONTENT_MD5) {
            verifier.expect(Algorithm::Md5, CONTENT_MD5, Some(value.as_bytes()))?;
        }
        if !flexible {
            return Ok(verifier);
        }
        for (name, value) in headers {
            if let Some(algorithm) = Algorithm::of_header(name.as_str()) {
                verifier.expect(algorithm, algorithm.header_name(), Some(value.as_bytes()))?;
            }
        }
        let announced = headers.get_all(TRAILER).into_iter().filter_map(|value| value.to_str().ok());
        for algorithm in
            announced.flat_map(|names| names.split(',')).filter_map(|n| Algorithm::of_header(n.trim_ascii()))
        {
            verifier.expect(algorithm, algorithm.header_name(), None)?;
        }
        Ok(verifier)
    }

    fn expect(
        &mut self,
        algorithm: Algorithm,
        header: &'static str,
        digest: Option<&[u8]>,
    ) -> Result<(), ChecksumError> {
        let digest = digest.map(|digest| well_formed(algorithm, header, digest)).transpose()?;
        if !self.running.iter().any(|checksum| checksum.algorithm == algorithm) {
            self.running.push(Checksum::new(algorithm));
        }
        self.expected.push(Expected { algorithm, header, digest });
        Ok(())
    }

    /// Whether there is nothing to check, so that [`Verifier::update`] costs nothing.
    pub fn is_idle(&self) -> bool {
        self.expected.is_empty()
    }

    pub fn update(&mut self, bytes: &[u8]) {
        for checksum in &mut self.running {
            checksum.update(bytes);
        }
    }

    /// Compares; `trailers` is empty where the body has none. What was found to hold, but for `Content-MD5`: the
    /// algorithms' names and the digests.
    ///
    /// # Errors
    /// On the first checksum that differs, or a trailer that is missing or malformed.
    pub fn finish(self, trailers: &HeaderMap) -> Result<Vec<(&'static str, String)>, ChecksumError> {
        let digests: Vec<(Algorithm, String)> =
            self.running.into_iter().map(|checksum| (checksum.algorithm, checksum.finish())).collect();
        let mut verified = Vec::new();
        for Expected { algorithm, header, digest } in self.expected {
            let expected = match (digest, trailers.get(header)) {
                (Some(digest), _) => digest,
                (None, Some(trailer)) => well_formed(algorithm, header, trailer.as_bytes())?,
                (None, None) => return Err(ChecksumError::TrailerMissing { header: header.into() }),
            };
            let actual = digests.iter().find(|(running, _)| *running == algorithm);
            let actual = &actual.expect("every expectation has its running checksum").1;
            if *actual != expected {
                return Err(ChecksumError::Mismatch { header: header.into(), expected, actual: actual.clone() });
            }
            if header != CONTENT_MD5 {
                verified.push((algorithm.name(), expected));
            }
        }
        Ok(verified)
    }
}

/// Checks a body that is all there, its trailers added to the headers. See [`Verifier::new`] for `flexible`.
///
/// # Errors
/// As [`Verifier`].
pub fn verify(headers: &HeaderMap, body: &[u8], flexible: bool) -> Result<(), ChecksumError> {
    let mut verifier = Verifier::new(headers, flexible)?;
    verifier.update(body);
    verifier.finish(headers).map(drop)
}

fn well_formed(algorithm: Algorithm, header: &str, digest: &[u8]) -> Result<String, ChecksumError> {
    let digest = digest.trim_ascii();
    let bytes = BASE64.decode(digest).ok().filter(|bytes| bytes.len() == algorithm.digest_bytes());
    match (bytes, std::str::from_utf8(digest)) {
        (Some(_), Ok(digest)) => Ok(digest.to_owned()),
        _ => Err(ChecksumError::Malformed { header: header.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn long() -> Vec<u8> {
        (0..5000u32).map(|i| u8::try_from(i % 251).unwrap()).collect()
    }

    /// From awscrt and Python's hashlib.
    #[test]
    fn known_digests() {
        use Algorithm::*;
        let vectors = [
            (Crc32, "AAAAAA==", "y/Q5Jg==", "wWB0CA=="),
            (Crc32c, "AAAAAA==", "4waSgw==", "g/aOOg=="),
            (Crc64Nvme, "AAAAAAAAAAA=", "rosUhgp5mIg=", "wQDBNQH1lXo="),
            (XxHash64, "70bbN1HY6Zk=", "jLhB20DmroM=", "poM9ZI/WozI="),
            (XxHash3, "LQaABTjTlMI=", "ctyxi2ehff8=", "tBhQD8QjIO4="),
            (XxHash128, "maoG0wFHmNhgAcMkRo1Jfw==", "MxGUd+3l3NXpcWQnaB1YYA==", "uS7ALDnTPOe0GFAPxCMg7g=="),
            (Md5, "1B2M2Y8AsgTpgAmY7PhCfg==", "JfnnlDI7RTiF9RgfG2JNCw==", "BGsyOeqt4wkgBp8XFRjZVg=="),
            (Sha1, "2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "98O8HYCOBHMq32eZZczDTKeuNEE=", "5pN6oBa8Bu2oHTsif//egl2IHOU="),
            (
                Sha256,
                "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
                "advuiTkJ+hfRvjl+DAdpEzb+QgScKdQDRn09Sh/DtaE=",
            ),
            (
                Sha512,
                "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
                "2eZ2LdHI6vbWGzxhkvxAjU1tXxF20MKRabwk5xw/J0rSf81YEbMT1oH35V7ALXPUmclUVba1u1A6z1dPuo/+hQ==",
                "97hGS+jCP2M812GmUCgBp9d/WanrBSPlC+xrNmaHJYp8jl+LFXjlYHaxM6XqHw3Tz0Odl+vKTzNYGL4BSghchg==",
            ),
        ];
        for (algorithm, empty, digits, bytes) in vectors {
            assert_eq!(algorithm.of(b""), empty, "{algorithm}");
            assert_eq!(algorithm.of(b"123456789"), digits, "{algorithm}");
            assert_eq!(algorithm.of(&long()), bytes, "{algorithm}");
            let mut pieces = Checksum::new(algorithm);
            for piece in long().chunks(7) {
                pieces.update(piece);
            }
            assert_eq!(pieces.finish(), bytes, "{algorithm} in pieces");
        }
    }

    #[test]
    fn names_there_and_back() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(&algorithm.name().to_lowercase()), Some(algorithm));
            assert_eq!(Algorithm::of_header(algorithm.header_name()), Some(algorithm));
            assert_eq!(BASE64.decode(algorithm.of(b"x")).unwrap().len(), algorithm.digest_bytes());
        }
        for name in ["", "x-amz-checksum-", "x-amz-checksum-type", "x-amz-checksum-mode", "content-md5", "ééééééééé"]
        {
            assert_eq!(Algorithm::of_header(name), None, "{name}");
        }
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn check(pairs: &[(&str, &str)], trailers: &[(&str, &str)], flexible: bool, expect: Option<&str>) {
        let outcome = Verifier::new(&headers(pairs), flexible).and_then(|mut verifier| {
            verifier.update(b"1234");
            verifier.update(b"56789");
            verifier.finish(&headers(trailers))
        });
        let code = outcome.map_err(|error| OperationError::from(error).code).err();
        assert_eq!(code.as_deref(), expect, "{pairs:?} {trailers:?}");
    }

    #[test]
    fn bodies_against_headers_and_trailers() {
        let md5 = ("Content-MD5", "JfnnlDI7RTiF9RgfG2JNCw==");
        let crc = ("x-amz-checksum-crc32", "y/Q5Jg==");
        let announced = ("x-amz-trailer", "x-amz-checksum-crc32c, x-amz-checksum-crc32");
        check(&[], &[], true, None);
        check(&[md5, crc, ("x-amz-checksum-md5", md5.1)], &[], true, None);
        check(&[("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")], &[], false, Some("BadDigest"));
        check(&[("content-md5", "y/Q5Jg==")], &[], false, Some("InvalidDigest"));
        check(&[("x-amz-checksum-crc32", "AAAAAA==")], &[], true, Some("BadDigest"));
        check(&[("x-amz-checksum-crc32", "AAAAAA==")], &[], false, None);
        check(&[("x-amz-checksum-sha1", "y/Q5Jg==")], &[], true, Some("InvalidRequest"));
        check(&[("x-amz-checksum-sha1", "?")], &[], true, Some("InvalidRequest"));
        check(&[announced], &[crc, ("x-amz-checksum-crc32c", "4waSgw==")], true, None);
        check(&[announced], &[crc], true, Some("MalformedTrailerError"));
        check(&[announced], &[crc, ("x-amz-checksum-crc32c", "AAAAAA==")], true, Some("BadDigest"));
        check(&[announced], &[crc, ("x-amz-checksum-crc32c", "x")], true, Some("InvalidRequest"));
        assert_eq!(verify(&headers(&[md5, crc]), b"123456789", true), Ok(()));
    }
}
