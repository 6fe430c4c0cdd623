//! The `aws-chunked` content coding: a body in chunks of announced size, then trailers.
//!
//! ```text
//! 4;chunk-signature=…␍␊        a size in hex; the signature where chunks are signed
//! data␍␊
//! 0;chunk-signature=…␍␊
//! x-amz-checksum-crc32:…␍␊     trailers, where announced
//! x-amz-trailer-signature:…␍␊
//! ␍␊
//! ```
//!
//! Facts: "Signature calculations for the Authorization header: transferring a payload in multiple chunks" and "…
//! including trailing headers" (S3 API Reference). Signatures of chunks are passed over, not checked.

use std::fmt::Write as _;

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use standin_core::OperationError;

/// The longest chunk header or trailer line. A signature takes 80 bytes, an ECDSA signature 160, a digest 90.
const LINE_BYTES_MAX: usize = 4096;
/// More trailers than any client sends: a checksum and a signature.
const TRAILERS_MAX: usize = 16;
/// The greatest size that a chunk may announce: AWS's greatest object in a single request, 5 GiB.
const CHUNK_BYTES_MAX: u64 = 5 << 30;

const DECODED_LENGTH: &str = "x-amz-decoded-content-length";
const CODING: &str = "aws-chunked";

/// What is wrong with a chunked body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkedError {
    #[error("`{0}` is no chunk header")]
    Header(String),
    #[error("a chunk of {0} bytes is larger than {CHUNK_BYTES_MAX}")]
    ChunkTooLarge(u64),
    #[error("a line of the framing is longer than {LINE_BYTES_MAX} bytes")]
    LineTooLong,
    #[error("a chunk does not end where its header says")]
    ChunkEnd,
    #[error("`{0}` is no trailer")]
    Trailer(String),
    #[error("there are more than {TRAILERS_MAX} trailers")]
    TooManyTrailers,
    #[error("there are bytes after the last chunk")]
    AfterEnd,
    #[error("the body ends before its last chunk")]
    Cut,
    #[error("{DECODED_LENGTH} is no number")]
    BadLength,
    #[error("{DECODED_LENGTH} says {expected} bytes, but the chunks hold {}{actual}", if actual > expected { "at least " } else { "" })]
    Length { expected: u64, actual: u64 },
}

impl From<ChunkedError> for OperationError {
    /// S3's codes: nobody else uses the coding.
    fn from(error: ChunkedError) -> Self {
        let (code, status) = match &error {
            ChunkedError::BadLength => ("InvalidArgument", 400),
            ChunkedError::Cut | ChunkedError::Length { .. } => ("IncompleteBody", 400),
            ChunkedError::Trailer(_) | ChunkedError::TooManyTrailers => ("MalformedTrailerError", 400),
            ChunkedError::ChunkTooLarge(_) => ("EntityTooLarge", 400),
            _ => ("InvalidChunkSizeError", 400),
        };
        Self::new(code, error.to_string()).with_status(status)
    }
}

/// Whether a request's body is in this coding: by `Content-Encoding`, or by a payload hash of `STREAMING-…-PAYLOAD…`
/// (some SDKs send only that).
pub fn is_chunked(headers: &HeaderMap) -> bool {
    let streaming = headers
        .get("x-amz-content-sha256")
        .is_some_and(|hash| hash.as_bytes().starts_with(b"STREAMING-") && !hash.as_bytes().ends_with(b"-EVENTS"));
    streaming || encodings(headers).any(|coding| coding.eq_ignore_ascii_case(CODING))
}

/// The `Content-Encoding` of what a chunked body holds (`gzip` of `gzip,aws-chunked`); `None` where nothing is left.
pub fn inner_encoding(headers: &HeaderMap) -> Option<String> {
    let inner: Vec<&str> = encodings(headers).filter(|coding| !coding.eq_ignore_ascii_case(CODING)).collect();
    (!inner.is_empty()).then(|| inner.join(","))
}

fn encodings(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::CONTENT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|list| list.split(',')).map(str::trim_ascii).filter(|coding| !coding.is_empty())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    ChunkHeader,
    /// That many bytes of the chunk are to come.
    Data(u64),
    /// The line end after a chunk's data.
    DataEnd,
    Trailers,
    End,
}

/// Decodes a chunked body as it comes. Holds at most one line of framing; data is handed through uncopied.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    line: Vec<u8>,
    expected: Option<u64>,
    decoded: u64,
    trailers: HeaderMap,
    trailer_count: usize,
}

impl Decoder {
    /// For a body of that many bytes once decoded, where that is known.
    pub fn new(decoded_length: Option<u64>) -> Self {
        Self {
            state: State::ChunkHeader,
            line: Vec::new(),
            expected: decoded_length,
            decoded: 0,
            trailers: HeaderMap::new(),
            trailer_count: 0,
        }
    }

    /// For a request's body, of whose headers [`is_chunked`] is true.
    ///
    /// # Errors
    /// When `x-amz-decoded-content-length` is no number. It may be missing: botocore leaves it out for bodies of unknown
    /// length, and the last chunk ends them.
    pub fn of_headers(headers: &HeaderMap) -> Result<Self, ChunkedError> {
        let length = headers.get(DECODED_LENGTH).map(|value| {
            value.to_str().ok().and_then(|text| text.trim_ascii().parse().ok()).ok_or(ChunkedError::BadLength)
        });
        Ok(Self::new(length.transpose()?))
    }

    /// Takes bytes off `input` up to and including the next piece of data, and returns that; `None` when all of `input`
    /// is taken. Call it until it gives `None`.
    ///
    /// # Errors
    /// When the framing is broken. The decoder must not be used after that.
    pub fn next(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, ChunkedError> {
        while !input.is_empty() {
            match self.state {
                State::Data(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let piece = input.split_to(take);
                    let left = left - take as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Ok(Some(piece));
                }
                State::End => self.after_end(input)?,
                State::ChunkHeader | State::DataEnd | State::Trailers => {
                    if !self.take_line(input)? {
                        return Ok(None);
                    }
                    let line = std::mem::take(&mut self.line);
                    self.line_ends(line.strip_suffix(b"\r").unwrap_or(&line))?;
                    // Its capacity serves the next line.
                    self.line = line;
                    self.line.clear();
                }
            }
        }
        Ok(None)
    }

    /// Moves bytes into `line` up to a line feed, which is dropped. False where the input ends first.
    fn take_line(&mut self, input: &mut Bytes) -> Result<bool, ChunkedError> {
        let feed = input.iter().take(LINE_BYTES_MAX + 1).position(|byte| *byte == b'\n');
        let take = feed.unwrap_or(input.len());
        if self.line.len() + take > LINE_BYTES_MAX {
            return Err(ChunkedError::LineTooLong);
        }
        self.line.extend_from_slice(&input[..take]);
        input.advance(take + usize::from(feed.is_some()));
        Ok(feed.is_some())
    }

    fn line_ends(&mut self, line: &[u8]) -> Result<(), ChunkedError> {
        match self.state {
            State::ChunkHeader => self.chunk_starts(line),
            State::DataEnd if line.is_empty() => {
                self.state = State::ChunkHeader;
                Ok(())
            }
            State::DataEnd => Err(ChunkedError::ChunkEnd),
            _ if line.is_empty() => {
                self.state = State::End;
                Ok(())
            }
            _ => self.trailer(line),
        }
    }

    fn chunk_starts(&mut self, line: &[u8]) -> Result<(), ChunkedError> {
        let size = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        // A leading sign would be fine for from_str_radix.
        let size = std::str::from_utf8(size)
            .ok()
            .filter(|size| size.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|size| u64::from_str_radix(size, 16).ok())
            .ok_or_else(|| ChunkedError::Header(shown(line)))?;
        if size > CHUNK_BYTES_MAX {
            return Err(ChunkedError::ChunkTooLarge(size));
        }
        // Chunks that together exceed u64 would take longer than the universe to come.
        self.decoded = self.decoded.saturating_add(size);
        if let Some(expected) = self.expected.filter(|expected| self.decoded > *expected) {
            return Err(ChunkedError::Length { expected, actual: self.decoded });
        }
        self.state = if size == 0 { State::Trailers } else { State::Data(size) };
        Ok(())
    }

    fn trailer(&mut self, line: &[u8]) -> Result<(), ChunkedError> {
        self.trailer_count += 1;
        if self.trailer_count > TRAILERS_MAX {
            return Err(ChunkedError::TooManyTrailers);
        }
        let broken = || ChunkedError::Trailer(shown(line));
        let colon = line.iter().position(|byte| *byte == b':').ok_or_else(broken)?;
        let name = HeaderName::from_bytes(line[..colon].trim_ascii()).map_err(|_| broken())?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).map_err(|_| broken())?;
        self.trailers.append(name, value);
        Ok(())
    }

    /// Further line ends are harmless. Signed trailers come after an empty line from clients that follow the examples
    /// of the S3 documentation, where the trailer's own line feed and its CRLF are two.
    fn after_end(&mut self, input: &mut Bytes) -> Result<(), ChunkedError> {
        match input[0] {
            b'\r' | b'\n' => input.advance(1),
            b'x' | b'X' if !self.trailers.is_empty() => self.state = State::Trailers,
            _ => return Err(ChunkedError::AfterEnd),
        }
        Ok(())
    }

    /// Ends the body; gives the trailers, signatures included.
    ///
    /// # Errors
    /// When the last chunk has not come, or the length is not the announced one.
    pub fn finish(self) -> Result<HeaderMap, ChunkedError> {
        // Old SDKs leave out the last empty line.
        let ended = self.state == State::End || (self.state == State::Trailers && self.line.is_empty());
        match self.expected {
            _ if !ended => Err(ChunkedError::Cut),
            Some(expected) if expected != self.decoded => Err(ChunkedError::Length { expected, actual: self.decoded }),
            _ => Ok(self.trailers),
        }
    }
}

/// The start of a line, fit for a message.
fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(&line[..line.len().min(40)]).escape_debug().collect()
}

/// Decodes a body that is all there.
///
/// # Errors
/// As [`Decoder`].
pub fn decode(headers: &HeaderMap, body: Bytes) -> Result<(Bytes, HeaderMap), ChunkedError> {
    let mut decoder = Decoder::of_headers(headers)?;
    let mut input = body;
    // Most bodies are a single chunk, which needs no copy.
    let mut whole = decoder.next(&mut input)?.unwrap_or_default();
    let mut copied = Vec::new();
    while let Some(piece) = decoder.next(&mut input)? {
        if copied.is_empty() {
            copied.reserve(whole.len() + piece.len() + input.len());
            copied.extend_from_slice(&whole);
        }
        copied.extend_from_slice(&piece);
    }
    if !copied.is_empty() {
        whole = copied.into();
    }
    Ok((whole, decoder.finish()?))
}

/// Encodes a body in unsigned chunks of `chunk_bytes` (at least 1), with trailers (`STREAMING-UNSIGNED-PAYLOAD-TRAILER`).
pub fn encode(body: &[u8], chunk_bytes: usize, trailers: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 64);
    for chunk in body.chunks(chunk_bytes.max(1)) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    let mut end = String::from("0\r\n");
    for (name, value) in trailers {
        write!(end, "{name}:{value}\r\n").expect("writing to a string does not fail");
    }
    out.extend_from_slice(end.as_bytes());
    out.extend_from_slice(b"\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    type Trailers<'a> = &'a [(&'static str, &'static str)];

    fn headers(pairs: Trailers<'_>) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    /// Decodes in pieces of `step` bytes.
    fn decoded(body: &[u8], length: Option<u64>, step: usize) -> Result<(Vec<u8>, HeaderMap), ChunkedError> {
        let mut decoder = Decoder::new(length);
        let mut out = Vec::new();
        for piece in body.chunks(step) {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(data) = decoder.next(&mut piece)? {
                out.extend_from_slice(&data);
            }
            assert!(piece.is_empty());
        }
        Ok((out, decoder.finish()?))
    }

    fn check(body: &str, length: Option<u64>, expect: Result<(&str, Trailers<'_>), ChunkedError>) {
        let expect = expect.map(|(text, trailers)| (text.as_bytes().to_vec(), headers(trailers)));
        for step in [1, 2, 3, 7, 1000] {
            assert_eq!(decoded(body.as_bytes(), length, step), expect, "{body:?} by {step}");
        }
    }

    #[test]
    fn forms_that_clients_send() {
        let crc = ("x-amz-checksum-crc32", "y/Q5Jg==");
        let signature = ("x-amz-trailer-signature", "abc");
        check("0\r\n\r\n", Some(0), Ok(("", &[])));
        check("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", Some(13), Ok(("abc0123456789", &[])));
        check("3\r\nabc\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n", None, Ok(("abc", &[crc])));
        check("3;chunk-signature=ab\r\nabc\r\n0;chunk-signature=cd\r\n\r\n", Some(3), Ok(("abc", &[])));
        check(
            "3;chunk-signature=ab\r\na\r\n\r\n0;chunk-signature=cd\r\nx-amz-checksum-crc32:y/Q5Jg==\r\nx-amz-trailer-signature:abc\r\n\r\n",
            Some(3),
            Ok(("a\r\n", &[crc, signature])),
        );
        check(
            "1\r\na\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\n\r\nx-amz-trailer-signature:abc\r\n\r\n",
            Some(1),
            Ok(("a", &[crc, signature])),
        );
        check("1\r\na\r\n0\r\n", Some(1), Ok(("a", &[])));
        check("1\r\na\r\n0\r\n\r\n\r\n", Some(1), Ok(("a", &[])));
    }

    #[test]
    fn broken_framing_is_told() {
        check("", None, Err(ChunkedError::Cut));
        check("3\r\nab", None, Err(ChunkedError::Cut));
        check("3\r\nabc\r\n", None, Err(ChunkedError::Cut));
        check("0\r\nx-a:b", None, Err(ChunkedError::Cut));
        check("3\r\nabcd\r\n0\r\n\r\n", None, Err(ChunkedError::ChunkEnd));
        check("5\r\nabc\r\n0\r\n\r\n", None, Err(ChunkedError::ChunkEnd));
        check("\r\n", None, Err(ChunkedError::Header(String::new())));
        check("+3\r\nabc\r\n", None, Err(ChunkedError::Header("+3".into())));
        check("xyz\r\n", None, Err(ChunkedError::Header("xyz".into())));
        check("ffffffffffffffffff\r\n", None, Err(ChunkedError::Header("ffffffffffffffffff".into())));
        check("ffffffffffffffff\r\n", None, Err(ChunkedError::ChunkTooLarge(u64::MAX)));
        check("0\r\nnonsense\r\n\r\n", None, Err(ChunkedError::Trailer("nonsense".into())));
        check("0\r\n\r\nmore", None, Err(ChunkedError::AfterEnd));
        check("3\r\nabc\r\n0\r\n\r\n", Some(4), Err(ChunkedError::Length { expected: 4, actual: 3 }));
        check("3\r\nabc\r\n0\r\n\r\n", Some(2), Err(ChunkedError::Length { expected: 2, actual: 3 }));
        check(&format!("0\r\n{}\r\n", "a:b\r\n".repeat(17)), None, Err(ChunkedError::TooManyTrailers));
        let endless = format!("3;{}", "x".repeat(LINE_BYTES_MAX));
        check(&endless, None, Err(ChunkedError::LineTooLong));
        assert_eq!(
            ChunkedError::Length { expected: 2, actual: 3 }.to_string(),
            "x-amz-decoded-content-length says 2 bytes, but the chunks hold at least 3"
        );
    }

    #[test]
    fn encoded_is_decoded() {
        for length in [0, 1, 4, 5, 100] {
            let body = vec![b'\n'; length];
            for chunk in [0, 1, 5, 1000] {
                let coded = encode(&body, chunk, &[("x-amz-checksum-sha1", "v")]);
                let headers = headers(&[("content-encoding", "aws-chunked")]);
                let (decoded, trailers) = decode(&headers, coded.into()).unwrap();
                assert_eq!(decoded, body);
                assert_eq!(trailers["x-amz-checksum-sha1"], "v");
            }
        }
    }

    #[test]
    fn detection() {
        let hash = |value| headers(&[("x-amz-content-sha256", value)]);
        for value in ["STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"] {
            assert!(is_chunked(&hash(value)), "{value}");
        }
        for value in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-EVENTS"] {
            assert!(!is_chunked(&hash(value)), "{value}");
        }
        let both = headers(&[("content-encoding", "gzip, AWS-chunked")]);
        assert!(is_chunked(&both));
        assert_eq!(inner_encoding(&both).as_deref(), Some("gzip"));
        assert_eq!(inner_encoding(&headers(&[("content-encoding", "aws-chunked")])), None);
        assert!(Decoder::of_headers(&headers(&[(DECODED_LENGTH, "12x")])).is_err());
    }
}
