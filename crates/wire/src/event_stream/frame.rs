//! Frames: `application/vnd.amazon.eventstream`, bytes only.
//!
//! ```text
//! total length u32 │ headers length u32 │ CRC-32 of these 8 │ headers │ payload │ CRC-32 of all before
//! ```
//!
//! All numbers are big-endian. A header is a name (length u8), a type (u8) and a value. Facts: "Amazon event stream
//! specification" (Smithy), and botocore's `eventstream.py` for the limits.

use bytes::{Buf, BytesMut};
use standin_model::Timestamp;

use crate::message::DecodeError;

/// The largest payload, in bytes; clients refuse more.
pub const PAYLOAD_BYTES_MAX: usize = 24 << 20;
/// The largest header block, in bytes; clients refuse more.
pub const HEADERS_BYTES_MAX: usize = 128 << 10;
/// The longest string or byte array in a header: 2^15 - 1.
const VALUE_BYTES_MAX: usize = 0x7fff;

const PRELUDE_BYTES: usize = 12;
/// Prelude and final checksum.
const OVERHEAD_BYTES: usize = PRELUDE_BYTES + 4;

/// The value of a header.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Bool(bool),
    Byte(i8),
    Short(i16),
    Int(i32),
    Long(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    /// Milliseconds on the wire.
    Timestamp(Timestamp),
    Uuid([u8; 16]),
}

impl<'a> Value<'a> {
    pub fn as_str(&self) -> Option<&'a str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Frame<'a> {
    pub headers: Vec<(&'a str, Value<'a>)>,
    pub payload: &'a [u8],
}

/// What is wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the frame's checksum is wrong")]
    Checksum,
    #[error("the checksum of the frame's prelude is wrong")]
    PreludeChecksum,
    #[error("a frame of {total} bytes cannot hold {headers} bytes of headers")]
    Lengths { total: usize, headers: usize },
    #[error("{0} bytes of payload are more than {PAYLOAD_BYTES_MAX}")]
    PayloadTooLarge(usize),
    #[error("{0} bytes of headers are more than {HEADERS_BYTES_MAX}")]
    HeadersTooLarge(usize),
    #[error("the frame's headers are malformed: {0}")]
    Header(&'static str),
    #[error("the stream ends within a frame")]
    Cut,
}

impl From<FrameError> for DecodeError {
    fn from(error: FrameError) -> Self {
        Self::new(error.to_string())
    }
}

impl<'a> Frame<'a> {
    /// The header of that name.
    pub fn header(&self, name: &str) -> Option<Value<'a>> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The header of that name, if it is text.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.header(name)?.as_str()
    }

    /// Appends the frame's bytes.
    ///
    /// # Errors
    /// When a part is larger than the format allows; nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), FrameError> {
        if self.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(FrameError::PayloadTooLarge(self.payload.len()));
        }
        let start = out.len();
        out.resize(start + PRELUDE_BYTES, 0);
        let written = self.headers.iter().try_for_each(|(name, value)| write_header(name, value, out));
        let headers = out.len() - start - PRELUDE_BYTES;
        let fits = if headers > HEADERS_BYTES_MAX { Err(FrameError::HeadersTooLarge(headers)) } else { Ok(()) };
        if let Err(error) = written.and(fits) {
            out.truncate(start);
            return Err(error);
        }
        out.extend_from_slice(self.payload);
        let total = out.len() - start + 4;
        let word = |number: usize| u32::try_from(number).expect("the limits are far below 4 GiB").to_be_bytes();
        out[start..start + 4].copy_from_slice(&word(total));
        out[start + 4..start + 8].copy_from_slice(&word(headers));
        let prelude = crc32fast::hash(&out[start..start + 8]);
        out[start + 8..start + 12].copy_from_slice(&prelude.to_be_bytes());
        let all = crc32fast::hash(&out[start..]);
        out.extend_from_slice(&all.to_be_bytes());
        Ok(())
    }

    /// The frame at the start of `bytes`, and what follows it; `None` where it is not all there yet.
    ///
    /// # Errors
    /// When it is damaged, or larger than the format allows: told as soon as its prelude is there.
    pub fn read(bytes: &'a [u8]) -> Result<Option<(Self, &'a [u8])>, FrameError> {
        let Some(total) = frame_length(bytes)? else { return Ok(None) };
        let Some((frame, rest)) = bytes.split_at_checked(total) else { return Ok(None) };
        let (covered, checksum) = frame.split_at(total - 4);
        if crc32fast::hash(covered).to_be_bytes() != checksum {
            return Err(FrameError::Checksum);
        }
        let headers = be_u32(&covered[4..8]) as usize;
        let (headers, payload) = covered[PRELUDE_BYTES..].split_at(headers);
        Ok(Some((Frame { headers: read_headers(headers)?, payload }, rest)))
    }
}

fn be_u32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// The length of the frame that begins here, prelude checked; `None` where the prelude is not all there.
fn frame_length(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    let Some(prelude) = bytes.first_chunk::<PRELUDE_BYTES>() else { return Ok(None) };
    if crc32fast::hash(&prelude[..8]).to_be_bytes() != prelude[8..] {
        return Err(FrameError::PreludeChecksum);
    }
    let total = be_u32(&prelude[..4]) as usize;
    let headers = be_u32(&prelude[4..8]) as usize;
    if headers > HEADERS_BYTES_MAX {
        return Err(FrameError::HeadersTooLarge(headers));
    }
    match total.checked_sub(OVERHEAD_BYTES + headers) {
        None => Err(FrameError::Lengths { total, headers }),
        Some(payload) if payload > PAYLOAD_BYTES_MAX => Err(FrameError::PayloadTooLarge(payload)),
        Some(_) => Ok(Some(total)),
    }
}

fn write_header(name: &str, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let length = u8::try_from(name.len()).map_err(|_| FrameError::Header("a name is longer than 255 bytes"))?;
    out.push(length);
    out.extend_from_slice(name.as_bytes());
    let sized = |kind: u8, bytes: &[u8], out: &mut Vec<u8>| {
        let length = u16::try_from(bytes.len())
            .ok()
            .filter(|length| usize::from(*length) <= VALUE_BYTES_MAX)
            .ok_or(FrameError::Header("a value is longer than 32767 bytes"))?;
        out.push(kind);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(bytes);
        Ok(())
    };
    match value {
        Value::Bool(true) => out.push(0),
        Value::Bool(false) => out.push(1),
        Value::Byte(number) => out.extend_from_slice(&[&[2], &number.to_be_bytes()[..]].concat()),
        Value::Short(number) => out.extend_from_slice(&[&[3], &number.to_be_bytes()[..]].concat()),
        Value::Int(number) => out.extend_from_slice(&[&[4], &number.to_be_bytes()[..]].concat()),
        Value::Long(number) => out.extend_from_slice(&[&[5], &number.to_be_bytes()[..]].concat()),
        Value::Bytes(bytes) => sized(6, bytes, out)?,
        Value::Text(text) => sized(7, text.as_bytes(), out)?,
        Value::Timestamp(stamp) => out.extend_from_slice(&[&[8], &stamp.as_millis().to_be_bytes()[..]].concat()),
        Value::Uuid(uuid) => out.extend_from_slice(&[&[9], &uuid[..]].concat()),
    }
    Ok(())
}

fn read_headers(mut bytes: &[u8]) -> Result<Vec<(&str, Value<'_>)>, FrameError> {
    let mut headers: Vec<(&str, Value<'_>)> = Vec::new();
    // Beyond this many a frame is no client's, and looking for twins by scanning would take long.
    const HEADERS_MAX: usize = 256;
    while let Some((length, rest)) = bytes.split_first() {
        let (name, rest) = text(rest, usize::from(*length))?;
        let (value, rest) = read_value(rest)?;
        if name.is_empty() {
            return Err(FrameError::Header("a name is empty"));
        }
        if headers.iter().any(|(known, _)| *known == name) {
            return Err(FrameError::Header("a name occurs twice"));
        }
        if headers.len() == HEADERS_MAX {
            return Err(FrameError::Header("there are more than 256"));
        }
        headers.push((name, value));
        bytes = rest;
    }
    Ok(headers)
}

fn read_value(bytes: &[u8]) -> Result<(Value<'_>, &[u8]), FrameError> {
    let (kind, rest) = bytes.split_first().ok_or(FrameError::Header("a value is missing"))?;
    Ok(match kind {
        0 => (Value::Bool(true), rest),
        1 => (Value::Bool(false), rest),
        2 => number(rest, |bytes| Value::Byte(i8::from_be_bytes(bytes)))?,
        3 => number(rest, |bytes| Value::Short(i16::from_be_bytes(bytes)))?,
        4 => number(rest, |bytes| Value::Int(i32::from_be_bytes(bytes)))?,
        5 => number(rest, |bytes| Value::Long(i64::from_be_bytes(bytes)))?,
        6 | 7 => {
            let (length, rest) = number(rest, u16::from_be_bytes)?;
            if *kind == 7 {
                let (text, rest) = text(rest, usize::from(length))?;
                (Value::Text(text), rest)
            } else {
                let (bytes, rest) = take(rest, usize::from(length))?;
                (Value::Bytes(bytes), rest)
            }
        }
        8 => number(rest, |bytes| Value::Timestamp(Timestamp::from_millis(i64::from_be_bytes(bytes))))?,
        9 => number(rest, Value::Uuid)?,
        _ => return Err(FrameError::Header("a value has an unknown type")),
    })
}

fn take(bytes: &[u8], length: usize) -> Result<(&[u8], &[u8]), FrameError> {
    bytes.split_at_checked(length).ok_or(FrameError::Header("one ends too early"))
}

fn text(bytes: &[u8], length: usize) -> Result<(&str, &[u8]), FrameError> {
    let (text, rest) = take(bytes, length)?;
    Ok((std::str::from_utf8(text).map_err(|_| FrameError::Header("text is not UTF-8"))?, rest))
}

fn number<const N: usize, T>(bytes: &[u8], make: impl FnOnce([u8; N]) -> T) -> Result<(T, &[u8]), FrameError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(FrameError::Header("one ends too early"))?;
    Ok((make(*number), rest))
}

/// Cuts frames from bytes as they come. Holds one frame and what was pushed after it.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: BytesMut,
    /// The length of the frame that was given out last and still stands at the buffer's start.
    given: usize,
}

impl FrameDecoder {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.drop_given();
        self.buffer.extend_from_slice(bytes);
    }

    fn drop_given(&mut self) {
        self.buffer.advance(self.given);
        self.given = 0;
    }

    /// The next frame; `None` where more bytes are needed.
    ///
    /// # Errors
    /// As [`Frame::read`]. There is no way to find the next frame after that.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        self.drop_given();
        let Some((frame, rest)) = Frame::read(&self.buffer)? else { return Ok(None) };
        self.given = self.buffer.len() - rest.len();
        Ok(Some(frame))
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// When a frame has only come in part.
    pub fn finish(mut self) -> Result<(), FrameError> {
        self.drop_given();
        if self.buffer.is_empty() { Ok(()) } else { Err(FrameError::Cut) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(frame: &Frame<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        frame.write(&mut out).unwrap();
        out
    }

    fn every_type() -> Frame<'static> {
        Frame {
            headers: vec![
                ("t", Value::Bool(true)),
                ("f", Value::Bool(false)),
                ("b", Value::Byte(-1)),
                ("s", Value::Short(-2)),
                ("i", Value::Int(40_972)),
                ("l", Value::Long(i64::MIN)),
                ("a", Value::Bytes(&[0, 255])),
                (":event-type", Value::Text("Records")),
                ("d", Value::Timestamp(Timestamp::from_millis(1_791_374_400_123))),
                ("u", Value::Uuid([7; 16])),
            ],
            payload: b"{}",
        }
    }

    /// Of the format's published test vectors.
    #[test]
    fn known_frames() {
        let empty = b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2H\xeb}\x98\xc8\xff";
        assert_eq!(bytes(&Frame::default()), empty);
        let int = Frame { headers: vec![("event-type", Value::Int(40_972))], payload: b"{'foo':'bar'}" };
        let known = b"\x00\x00\x00\x2d\x00\x00\x00\x10\x41\xc4\x24\xb8\x0aevent-type\x04\x00\x00\xa0\x0c\
            {'foo':'bar'}\x36\xf4\x80\xa0";
        assert_eq!(bytes(&int), known);
    }

    #[test]
    fn every_type_in_any_pieces() {
        let frame = every_type();
        let twice = [bytes(&frame), bytes(&frame)].concat();
        for step in [1, 5, 1000] {
            let mut decoder = FrameDecoder::new();
            let mut seen = 0;
            for piece in twice.chunks(step) {
                decoder.push(piece);
                while let Some(read) = decoder.next_frame().unwrap() {
                    assert_eq!(read, frame);
                    seen += 1;
                }
            }
            assert_eq!(seen, 2);
            decoder.finish().unwrap();
        }
        let mut decoder = FrameDecoder::new();
        decoder.push(&twice[..twice.len() - 1]);
        assert!(decoder.next_frame().unwrap().is_some());
        assert!(decoder.next_frame().unwrap().is_none());
        assert_eq!(decoder.finish(), Err(FrameError::Cut));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = bytes(&every_type());
        for at in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert!(Frame::read(&bad).is_err(), "bit {at}");
        }
    }

    /// A frame with right checksums around whatever lengths and headers.
    fn forged(total: u32, headers_length: u32, headers: &[u8]) -> Vec<u8> {
        let mut out = [total.to_be_bytes(), headers_length.to_be_bytes()].concat();
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        out.extend_from_slice(headers);
        let checksum = crc32fast::hash(&out);
        out.extend_from_slice(&checksum.to_be_bytes());
        out
    }

    #[test]
    fn limits_are_told_from_the_prelude() {
        let check = |total, headers, expect| assert_eq!(Frame::read(&forged(total, headers, b"")), Err(expect));
        check(15, 0, FrameError::Lengths { total: 15, headers: 0 });
        check(16, 1, FrameError::Lengths { total: 16, headers: 1 });
        check(u32::MAX, 0, FrameError::PayloadTooLarge(u32::MAX as usize - 16));
        check(1 << 20, (128 << 10) + 1, FrameError::HeadersTooLarge((128 << 10) + 1));
        assert_eq!(Frame::read(&forged(24 << 20, 0, b"")), Ok(None), "not all there yet");
    }

    #[test]
    fn malformed_headers_are_told() {
        let check = |headers: &[u8], expect: &str| {
            let length = u32::try_from(headers.len()).unwrap();
            let error = Frame::read(&forged(length + 16, length, headers)).unwrap_err();
            assert!(error.to_string().contains(expect), "{error} for {headers:?}");
        };
        check(b"\x05ab", "ends too early");
        check(b"\x01a", "value is missing");
        check(b"\x01a\x0a", "unknown type");
        check(b"\x01a\x04\0\0", "ends too early");
        check(b"\x01a\x07\0\x05ab", "ends too early");
        check(b"\x01a\x07\0\x01\xff", "not UTF-8");
        check(b"\0\0", "empty");
        check(b"\x01a\0\x01a\0", "twice");
        let many: String = (0..=256).map(|n| format!("\x03{n:03}\0")).collect();
        check(many.as_bytes(), "more than 256");
    }

    #[test]
    fn what_is_too_large_is_not_written() {
        let mut out = vec![1];
        let long = "x".repeat(VALUE_BYTES_MAX + 1);
        let huge = vec![0; PAYLOAD_BYTES_MAX + 1];
        let many: Vec<String> = (0..5).map(|n| n.to_string()).collect();
        let most = &long[1..];
        for frame in [
            Frame { headers: vec![("a", Value::Text(&long))], payload: b"" },
            Frame { headers: vec![(&long[..256], Value::Bool(true))], payload: b"" },
            Frame { headers: many.iter().map(|name| (name.as_str(), Value::Text(most))).collect(), payload: b"" },
            Frame { headers: Vec::new(), payload: &huge },
        ] {
            assert!(frame.write(&mut out).is_err());
            assert_eq!(out, [1]);
        }
    }
}
