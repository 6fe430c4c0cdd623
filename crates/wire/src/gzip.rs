//! Compressed request bodies (`requestCompression`: gzip is the only encoding that models name).

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use standin_core::{OperationError, codes};

/// What is wrong with a compressed body.
#[derive(Debug, thiserror::Error)]
pub enum GzipError {
    #[error("the body is not gzip")]
    Damaged(#[source] io::Error),
    #[error("the body is larger than {bytes_max} bytes once decompressed")]
    TooLarge { bytes_max: usize },
}

impl From<GzipError> for OperationError {
    fn from(error: GzipError) -> Self {
        let (code, status) = match &error {
            GzipError::Damaged(_) => (codes::SERIALIZATION, 400),
            GzipError::TooLarge { .. } => (codes::REQUEST_TOO_LARGE, 413),
        };
        Self::new(code, error.to_string()).with_status(status).with_source(error)
    }
}

/// Decompresses a body as it comes, up to a limit.
#[derive(Debug)]
pub struct Decoder {
    inner: MultiGzDecoder<Sink>,
    any: bool,
}

/// Holds what is decompressed and not yet taken; refuses more than the limit.
#[derive(Debug)]
struct Sink {
    ready: Vec<u8>,
    left: usize,
    bytes_max: usize,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len()).ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.ready.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Decoder {
    /// `bytes_max`: the most that all of the body may hold once decompressed.
    pub fn new(bytes_max: usize) -> Self {
        Self { inner: MultiGzDecoder::new(Sink { ready: Vec::new(), left: bytes_max, bytes_max }), any: false }
    }

    /// Takes compressed bytes, gives what they hold; empty where more is needed first.
    ///
    /// # Errors
    /// When the bytes are not gzip, or hold too much.
    pub fn push(&mut self, compressed: &[u8]) -> Result<Bytes, GzipError> {
        self.any |= !compressed.is_empty();
        self.inner.write_all(compressed).and_then(|()| self.inner.flush()).map_err(|error| self.told(error))?;
        Ok(std::mem::take(&mut self.inner.get_mut().ready).into())
    }

    /// Ends the body; gives what is left of it.
    ///
    /// # Errors
    /// When it ends too early, or its checksum is wrong.
    pub fn finish(mut self) -> Result<Bytes, GzipError> {
        if self.any {
            self.inner.try_finish().map_err(|error| self.told(error))?;
        }
        Ok(std::mem::take(&mut self.inner.get_mut().ready).into())
    }

    fn told(&self, error: io::Error) -> GzipError {
        if error.kind() == io::ErrorKind::FileTooLarge {
            return GzipError::TooLarge { bytes_max: self.inner.get_ref().bytes_max };
        }
        GzipError::Damaged(error)
    }
}

/// Decompresses a body that is all there. An empty body stays empty.
///
/// # Errors
/// As [`Decoder`].
pub fn decode(compressed: &[u8], bytes_max: usize) -> Result<Bytes, GzipError> {
    let mut decoder = Decoder::new(bytes_max);
    let most = decoder.push(compressed)?;
    let rest = decoder.finish()?;
    Ok(if rest.is_empty() { most } else { [most, rest].concat().into() })
}

/// Compresses a body, as clients do for operations with `requestCompression`.
pub fn encode(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("writing to a vector does not fail")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_in_pieces() {
        let body: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        let packed = encode(&body);
        assert_eq!(decode(&packed, body.len()).unwrap(), body);
        for step in [1, 100, 4096] {
            let mut decoder = Decoder::new(body.len());
            let mut out = Vec::new();
            for piece in packed.chunks(step) {
                out.extend_from_slice(&decoder.push(piece).unwrap());
            }
            out.extend_from_slice(&decoder.finish().unwrap());
            assert!(out == body, "in pieces of {step}");
        }
        assert_eq!(decode(b"", 0).unwrap(), "");
        assert_eq!(decode(&encode(b""), 0).unwrap(), "");
        let members = [encode(b"one"), encode(b"two")].concat();
        assert_eq!(decode(&members, 6).unwrap(), "onetwo");
    }

    #[test]
    fn bombs_and_damage_are_refused() {
        let bomb = encode(&vec![0; 10 << 20]);
        assert!(bomb.len() < 20 << 10);
        assert!(matches!(decode(&bomb, 1 << 20), Err(GzipError::TooLarge { bytes_max: 1_048_576 })));
        let good = encode(b"hello hello hello");
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for bad in
            [b"plain text".as_slice(), &good[..good.len() - 1], &good[..5], &flipped, &[&good[..], b"junk"].concat()]
        {
            assert!(matches!(decode(bad, 1000), Err(GzipError::Damaged(_))), "{bad:?}");
        }
        let error = OperationError::from(decode(&bomb, 10).unwrap_err());
        assert_eq!((error.code.as_ref(), error.status), (codes::REQUEST_TOO_LARGE, Some(413)));
    }
}
