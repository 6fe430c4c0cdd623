//! Request bodies between the network and the decoder: content codings undone, checksums verified.

use std::io;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderName};
use standin_core::{BodySource, BoxFuture, OperationError, codes};
use standin_model::{Location, Operation, Service};
use standin_wire::checksum::{self, Verifier};
use standin_wire::chunked::{self, Decoder};
use standin_wire::gzip;

use crate::net::{BodyError, Limits, RequestBody};

const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");

/// What an operation's model says of its bodies.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    /// Checksum headers describe the body.
    flexible_checksums: bool,
    /// `Content-Encoding` describes the body rather than an object that is stored with it.
    content_encoding: bool,
}

impl Expected {
    /// For forms, which are read before their operation is known.
    pub(crate) const FORM: Self = Self { flexible_checksums: false, content_encoding: true };

    pub(crate) fn by(service: &Service, operation: &Operation) -> Self {
        let input = operation.input.and_then(|shape| service.structure(shape));
        let stored = input.is_some_and(|input| {
            let is = |name: &str| name.eq_ignore_ascii_case(CONTENT_ENCODING.as_str());
            input.members.iter().any(|member| member.location == Location::Header && is(member.wire_name()))
        });
        Self { flexible_checksums: operation.http_checksum.is_some(), content_encoding: !stored }
    }
}

/// Reads a whole body and undoes its codings.
///
/// # Errors
/// When it is too long, breaks off, or is not what its headers say.
pub(crate) async fn collect(
    body: RequestBody,
    headers: &HeaderMap,
    expected: Expected,
    limits: &Limits,
) -> Result<Bytes, OperationError> {
    let mut bytes = body.buffered().await.map_err(|error| unreadable(&error))?;
    if chunked::is_chunked(headers) {
        let (plain, trailers) = chunked::decode(headers, bytes)?;
        let mut verifier = Verifier::new(headers, expected.flexible_checksums)?;
        verifier.update(&plain);
        verifier.finish(&trailers)?;
        bytes = plain;
    } else {
        checksum::verify(headers, &bytes, expected.flexible_checksums)?;
    }
    if expected.content_encoding && is_gzip(headers) {
        bytes = gzip::decode(&bytes, limits.body_decompressed_bytes_max)?;
    }
    Ok(bytes)
}

fn is_gzip(headers: &HeaderMap) -> bool {
    let encodings = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    encodings.flat_map(|value| value.split(',')).any(|encoding| encoding.trim().eq_ignore_ascii_case("gzip"))
}

/// A body to be read piece by piece, its framing undone and its checksums verified on the way.
///
/// # Errors
/// When its headers contradict themselves.
pub(crate) fn stream(
    body: RequestBody,
    headers: &HeaderMap,
    expected: Expected,
) -> Result<Box<dyn BodySource>, OperationError> {
    let decoder = if chunked::is_chunked(headers) { Some(Decoder::of_headers(headers)?) } else { None };
    let verifier = Verifier::new(headers, expected.flexible_checksums)?;
    let left = if decoder.is_some() { decoded_length(headers) } else { body.length() };
    if decoder.is_none() && verifier.is_idle() {
        return Ok(Box::new(body));
    }
    Ok(Box::new(Decoded { body, decoder, verifier: Some(verifier), verified: Vec::new(), pending: Bytes::new(), left }))
}

/// The length of a body without its framing.
fn decoded_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(DECODED_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

struct Decoded {
    body: RequestBody,
    decoder: Option<Decoder>,
    /// Taken at the end.
    verifier: Option<Verifier>,
    verified: Vec<(&'static str, String)>,
    /// Read, but not yet decoded.
    pending: Bytes,
    /// Bytes still to come, as far as it is known.
    left: Option<u64>,
}

impl Decoded {
    async fn next_piece(&mut self) -> Result<Option<Bytes>, OperationError> {
        loop {
            if let Some(decoder) = &mut self.decoder
                && let Some(piece) = decoder.next(&mut self.pending)?
            {
                return Ok(Some(self.checked(piece)));
            }
            match self.body.next_piece().await {
                Some(Ok(piece)) if self.decoder.is_some() => self.pending = piece,
                Some(Ok(piece)) => return Ok(Some(self.checked(piece))),
                Some(Err(error)) => return Err(unreadable(&error)),
                None => {
                    let trailers = self.decoder.take().map(Decoder::finish).transpose()?.unwrap_or_default();
                    if let Some(verifier) = self.verifier.take() {
                        self.verified = verifier.finish(&trailers)?;
                    }
                    return Ok(None);
                }
            }
        }
    }

    fn checked(&mut self, piece: Bytes) -> Bytes {
        self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
        if let Some(verifier) = &mut self.verifier {
            verifier.update(&piece);
        }
        piece
    }
}

impl BodySource for Decoded {
    fn next(&mut self) -> BoxFuture<'_, Option<io::Result<Bytes>>> {
        Box::pin(async { self.next_piece().await.map_err(io::Error::other).transpose() })
    }

    fn length(&self) -> Option<u64> {
        self.left
    }

    fn verified_checksums(&self) -> &[(&'static str, String)] {
        &self.verified
    }
}

/// Reads a stream to its end for the sake of its checksums.
///
/// # Errors
/// When it breaks off, or is not what its headers say.
pub(crate) async fn consume(stream: &mut Option<Box<dyn BodySource>>) -> Result<(), OperationError> {
    if let Some(mut stream) = stream.take() {
        while let Some(piece) = stream.next().await {
            piece.map_err(broken)?;
        }
    }
    Ok(())
}

/// Reads a whole stream into memory.
///
/// # Errors
/// When it breaks off, is not what its headers say, or is longer than a whole body may be.
pub(crate) async fn gather(stream: &mut Option<Box<dyn BodySource>>, limits: &Limits) -> Result<Bytes, OperationError> {
    let mut whole = BytesMut::new();
    if let Some(mut stream) = stream.take() {
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(broken)?;
            if whole.len() + piece.len() > limits.body_buffered_bytes_max {
                let text = format!("the payload is longer than {} bytes", limits.body_buffered_bytes_max);
                return Err(OperationError::new(codes::REQUEST_TOO_LARGE, text).with_status(413));
            }
            whole.extend_from_slice(&piece);
        }
    }
    Ok(whole.freeze())
}

/// What was wrong with a stream: our own error if one is inside, else that of the network.
pub(crate) fn broken(error: io::Error) -> OperationError {
    match error.downcast::<OperationError>() {
        Ok(own) => own,
        Err(error) => match error.downcast::<BodyError>() {
            Ok(error) => unreadable(&error),
            Err(error) => OperationError::new(codes::SERIALIZATION, error.to_string()).with_status(400),
        },
    }
}

fn unreadable(error: &BodyError) -> OperationError {
    let code = match error {
        BodyError::TooLong { .. } => codes::REQUEST_TOO_LARGE,
        BodyError::Idle { .. } => codes::REQUEST_TIMEOUT,
        BodyError::Broken(_) => codes::SERIALIZATION,
    };
    OperationError::new(code, error.to_string()).with_status(error.status().as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use standin_model::Catalogue;

    fn expected(operation: &str) -> Expected {
        let s3 = Catalogue::shared().newest("s3").expect("served").open().expect("opens");
        Expected::by(s3, s3.operation(operation).expect("modelled"))
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_str(text).expect("a header");
        pairs.iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect()
    }

    async fn read(body: &[u8], pairs: &[(&'static str, &str)]) -> Result<Vec<u8>, String> {
        let body = RequestBody::from(Bytes::copy_from_slice(body));
        let mut stream = stream(body, &headers(pairs), expected("PutObject")).map_err(|error| error.to_string())?;
        let mut whole = Vec::new();
        while let Some(piece) = stream.next().await {
            whole.extend_from_slice(&piece.map_err(|error| broken(error).code.into_owned())?);
        }
        Ok(whole)
    }

    #[tokio::test]
    async fn streams_are_unframed_and_verified() {
        let crc = checksum::Algorithm::of_header("x-amz-checksum-crc32").expect("known").of(b"hello");
        assert_eq!(read(b"hello", &[("x-amz-checksum-crc32", &crc)]).await.as_deref(), Ok(&b"hello"[..]));
        assert!(read(b"hellO", &[("x-amz-checksum-crc32", &crc)]).await.is_err());
        let framed = chunked::encode(b"hello", 2, &[("x-amz-checksum-crc32", &crc)]);
        let chunked = [("content-encoding", "aws-chunked"), ("x-amz-trailer", "x-amz-checksum-crc32")];
        assert_eq!(read(&framed, &chunked).await.as_deref(), Ok(&b"hello"[..]));
        assert!(read(&framed[..framed.len() - 12], &chunked).await.is_err());
    }

    #[tokio::test]
    async fn gzip_is_undone_only_where_it_describes_the_body() {
        assert!(!expected("PutObject").content_encoding);
        assert!(expected("DeleteObjects").content_encoding);
        let gzip = [("content-encoding", "gzip")];
        let body = || RequestBody::from(Bytes::from_static(b"not gzip"));
        let limits = Limits::default();
        assert!(collect(body(), &headers(&gzip), Expected::FORM, &limits).await.is_err());
        assert!(collect(body(), &headers(&gzip), expected("PutObject"), &limits).await.is_ok());
    }
}
