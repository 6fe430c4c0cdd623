//! The packed form of a service: a string table, then every item as varints and table indexes.
//!
//! The form is private to one build of standin: packer and reader are compiled from the same source, and the
//! catalogue's header carries [`FORMAT`].

use std::collections::HashMap;

use crate::ir::*;

/// Grows with every change to the packed form.
pub(crate) const FORMAT: u32 = 1;

#[derive(Debug, thiserror::Error)]
#[error("the packed model ends early or holds an unknown code at byte {at}")]
pub struct CodecError {
    at: usize,
}

#[derive(Default)]
pub(crate) struct Writer {
    strings: Vec<Str>,
    by_text: HashMap<Str, u64>,
    body: Vec<u8>,
}

impl Writer {
    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.body.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.body.push(value as u8);
    }

    fn text(&mut self, text: Str) {
        let next = self.strings.len() as u64;
        let at = *self.by_text.entry(text).or_insert(next);
        if at == next {
            self.strings.push(text);
        }
        self.varint(at);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let mut out = Self::default();
        out.varint(self.strings.len() as u64);
        for text in &self.strings {
            out.varint(text.len() as u64);
        }
        for text in &self.strings {
            out.body.extend_from_slice(text.as_bytes());
        }
        out.body.extend_from_slice(&self.body);
        out.body
    }
}

pub(crate) struct Reader {
    bytes: &'static [u8],
    at: usize,
    strings: Vec<Str>,
}

type Result<T, E = CodecError> = std::result::Result<T, E>;

impl Reader {
    pub(crate) fn new(bytes: &'static [u8]) -> Result<Self> {
        let mut reader = Self { bytes, at: 0, strings: Vec::new() };
        let count = reader.length()?;
        let lengths = (0..count).map(|_| reader.length()).collect::<Result<Vec<_>>>()?;
        let mut strings = Vec::with_capacity(count);
        for length in lengths {
            let end = reader.at + length;
            let slice = bytes.get(reader.at..end).ok_or(CodecError { at: reader.at })?;
            strings.push(std::str::from_utf8(slice).map_err(|_| CodecError { at: reader.at })?);
            reader.at = end;
        }
        reader.strings = strings;
        Ok(reader)
    }

    fn fail<T>(&self) -> Result<T> {
        Err(CodecError { at: self.at })
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.at).ok_or(CodecError { at: self.at })?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        self.fail()
    }

    /// A count or length. Bounded by the bytes that are left, so that a damaged file cannot ask for memory.
    fn length(&mut self) -> Result<usize> {
        let value = self.varint()?;
        match usize::try_from(value) {
            Ok(length) if length <= self.bytes.len() => Ok(length),
            _ => self.fail(),
        }
    }

    fn text(&mut self) -> Result<Str> {
        let at = self.varint()?;
        usize::try_from(at).ok().and_then(|at| self.strings.get(at).copied()).ok_or(CodecError { at: self.at })
    }
}

pub(crate) trait Pack: Sized {
    fn write(&self, to: &mut Writer);
    fn read(from: &mut Reader) -> Result<Self>;
}

impl Pack for Str {
    fn write(&self, to: &mut Writer) {
        to.text(self);
    }
    fn read(from: &mut Reader) -> Result<Self> {
        from.text()
    }
}

impl Pack for bool {
    fn write(&self, to: &mut Writer) {
        to.body.push(u8::from(*self));
    }
    fn read(from: &mut Reader) -> Result<Self> {
        Ok(from.byte()? != 0)
    }
}

macro_rules! pack_uint {
    ($($type:ty),*) => {$(
        impl Pack for $type {
            fn write(&self, to: &mut Writer) {
                to.varint(u64::from(*self));
            }
            fn read(from: &mut Reader) -> Result<Self> {
                Self::try_from(from.varint()?).map_err(|_| CodecError { at: from.at })
            }
        }
    )*};
}
pack_uint!(u16, u32, u64);

impl<T: Pack> Pack for Option<T> {
    fn write(&self, to: &mut Writer) {
        self.is_some().write(to);
        if let Some(value) = self {
            value.write(to);
        }
    }
    fn read(from: &mut Reader) -> Result<Self> {
        Ok(if bool::read(from)? { Some(T::read(from)?) } else { None })
    }
}

impl<T: Pack> Pack for Box<T> {
    fn write(&self, to: &mut Writer) {
        T::write(self, to);
    }
    fn read(from: &mut Reader) -> Result<Self> {
        T::read(from).map(Box::new)
    }
}

impl<T: Pack> Pack for Box<[T]> {
    fn write(&self, to: &mut Writer) {
        to.varint(self.len() as u64);
        for item in self {
            item.write(to);
        }
    }
    fn read(from: &mut Reader) -> Result<Self> {
        let length = from.length()?;
        (0..length).map(|_| T::read(from)).collect()
    }
}

impl<A: Pack, B: Pack> Pack for (A, B) {
    fn write(&self, to: &mut Writer) {
        self.0.write(to);
        self.1.write(to);
    }
    fn read(from: &mut Reader) -> Result<Self> {
        Ok((A::read(from)?, B::read(from)?))
    }
}

macro_rules! pack_struct {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl Pack for $type {
            fn write(&self, to: &mut Writer) {
                $(self.$field.write(to);)*
            }
            fn read(from: &mut Reader) -> std::result::Result<Self, CodecError> {
                Ok(Self { $($field: Pack::read(from)?),* })
            }
        }
    };
}
pub(crate) use pack_struct;

/// Enums without data: their code, and back by looking through all.
macro_rules! pack_enum {
    ($type:ident: $($variant:ident),*) => {
        impl Pack for $type {
            fn write(&self, to: &mut Writer) {
                to.body.push(*self as u8);
            }
            fn read(from: &mut Reader) -> Result<Self> {
                let code = from.byte()?;
                [$(Self::$variant),*].into_iter().find(|value| *value as u8 == code).ok_or(CodecError { at: from.at })
            }
        }
    };
}

pack_enum!(Protocol: AwsJson1_0, AwsJson1_1, RestJson1, RestXml, AwsQuery, Ec2Query, RpcV2Cbor);
pack_enum!(Location: Body, Uri, Query, QueryParams, Header, PrefixHeaders, StatusCode);
pack_enum!(TimestampFormat: DateTime, EpochSeconds, HttpDate);
pack_enum!(WaiterState: Success, Failure, Retry);

impl Pack for ShapeIx {
    fn write(&self, to: &mut Writer) {
        self.0.write(to);
    }
    fn read(from: &mut Reader) -> Result<Self> {
        u32::read(from).map(ShapeIx)
    }
}

impl Pack for Bound {
    fn write(&self, to: &mut Writer) {
        match self {
            Self::Int(value) => {
                to.body.push(0);
                to.varint((value << 1 ^ value >> 63) as u64);
            }
            Self::Float(value) => {
                to.body.push(1);
                to.body.extend_from_slice(&value.to_le_bytes());
            }
        }
    }
    fn read(from: &mut Reader) -> Result<Self> {
        match from.byte()? {
            0 => {
                let zigzag = from.varint()?;
                Ok(Self::Int((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)))
            }
            1 => {
                let mut bytes = [0; 8];
                for byte in &mut bytes {
                    *byte = from.byte()?;
                }
                Ok(Self::Float(f64::from_le_bytes(bytes)))
            }
            _ => from.fail(),
        }
    }
}

impl Pack for Uri {
    fn write(&self, to: &mut Writer) {
        self.text.write(to);
    }
    fn read(from: &mut Reader) -> Result<Self> {
        from.text().map(Self::parse)
    }
}

impl Pack for Kind {
    fn write(&self, to: &mut Writer) {
        match self {
            Self::Structure(structure) => {
                to.body.push(0);
                structure.write(to);
            }
            Self::List(list) => {
                to.body.push(1);
                list.write(to);
            }
            Self::Map(map) => {
                to.body.push(2);
                map.write(to);
            }
            Self::String { enum_values } => {
                to.body.push(3);
                enum_values.write(to);
            }
            Self::Blob { streaming, requires_length } => {
                to.body.push(4);
                streaming.write(to);
                requires_length.write(to);
            }
            Self::Timestamp(format) => {
                to.body.push(5);
                format.write(to);
            }
            plain => {
                let code = PLAIN_KINDS.iter().position(|kind| kind == plain).expect("all other kinds are in the table");
                to.body.push(PLAIN_BASE + code as u8);
            }
        }
    }
    fn read(from: &mut Reader) -> Result<Self> {
        Ok(match from.byte()? {
            0 => Self::Structure(Pack::read(from)?),
            1 => Self::List(Pack::read(from)?),
            2 => Self::Map(Pack::read(from)?),
            3 => Self::String { enum_values: Pack::read(from)? },
            4 => Self::Blob { streaming: Pack::read(from)?, requires_length: Pack::read(from)? },
            5 => Self::Timestamp(Pack::read(from)?),
            code => match PLAIN_KINDS.get(usize::from(code.wrapping_sub(PLAIN_BASE))) {
                Some(_) => plain_kind(code - PLAIN_BASE),
                None => return from.fail(),
            },
        })
    }
}

const PLAIN_BASE: u8 = 16;
const PLAIN_KINDS: [Kind; 10] = [
    Kind::Boolean,
    Kind::Byte,
    Kind::Short,
    Kind::Integer,
    Kind::Long,
    Kind::BigInteger,
    Kind::Float,
    Kind::Double,
    Kind::BigDecimal,
    Kind::Document,
];

fn plain_kind(code: u8) -> Kind {
    let [a, b, c, d, e, f, g, h, i, j] = PLAIN_KINDS;
    match code {
        0 => a,
        1 => b,
        2 => c,
        3 => d,
        4 => e,
        5 => f,
        6 => g,
        7 => h,
        8 => i,
        _ => j,
    }
}

pack_struct!(Service {
    id,
    version,
    sdk_id,
    title,
    endpoint_prefix,
    signing_name,
    global_endpoint,
    protocols,
    target_prefix,
    xml_namespace,
    query_compatible,
    auth,
    retired,
    operations,
    shapes,
    waiters,
});
pack_struct!(Operation {
    name,
    http,
    input,
    output,
    errors,
    result_wrapper,
    input_root,
    input_namespace,
    output_root,
    host_prefix,
    auth,
    idempotent,
    readonly,
    deprecated,
    checksum_required,
    endpoint_operation,
    http_checksum,
    request_compression,
    paginator,
});
pack_struct!(Http { method, uri, status });
pack_struct!(HttpChecksum {
    request_required,
    request_algorithm_member,
    request_validation_mode_member,
    response_algorithms,
});
pack_struct!(Paginator { input_token, output_token, limit_key, more_results, result_key });
pack_struct!(Waiter { name, operation, delay_seconds, max_attempts, acceptors });
pack_struct!(Acceptor { state, matcher, argument, expected });
pack_struct!(Shape { name, kind, sensitive, wrapper, location_name, xml_namespace, constraints });
pack_struct!(XmlNamespace { prefix, uri });
pack_struct!(Structure { members, payload, union, error, event_stream, event });
pack_struct!(ErrorTrait { code, status, fault, sender_fault, retryable, throttling });
pack_struct!(Member {
    name,
    target,
    required,
    location,
    location_name,
    query_name,
    flattened,
    xml_attribute,
    xml_namespace,
    timestamp_format,
    idempotency_token,
    json_value,
    host_label,
    streaming,
    event_payload,
    event_header,
    deprecated,
});
pack_struct!(ListShape { member, flattened, sparse });
pack_struct!(MapShape { key, value, flattened, sparse });
pack_struct!(Constraints { min, max, pattern });
