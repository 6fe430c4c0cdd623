//! Shapes to CBOR.

use standin_model::{Document, Fields, Kind, ListShape, MapShape, Service, ShapeIx, Structure, TimestampFormat};

use super::big;
use super::items::{TAG_BIG_NEGATIVE, TAG_BIG_POSITIVE, TAG_DECIMAL, TAG_EPOCH};
use crate::value::{self, MemberFinder};

const UNSIGNED: u8 = 0 << 5;
const NEGATIVE: u8 = 1 << 5;
const BYTES: u8 = 2 << 5;
const TEXT: u8 = 3 << 5;
const LIST: u8 = 4 << 5;
const MAP: u8 = 5 << 5;
const TAG: u8 = 6 << 5;
const FALSE: u8 = 0xF4;
const TRUE: u8 = 0xF5;
const NULL: u8 = 0xF6;
const FLOAT_16: u8 = 0xF9;
const FLOAT_32: u8 = 0xFA;
const FLOAT_64: u8 = 0xFB;

/// Appends a value as a shape. What does not fit its shape is left out, null members too; a root that does not fit
/// becomes an empty map.
pub fn write(service: &Service, shape: ShapeIx, value: &Document, out: &mut Vec<u8>) {
    let mut writer = Writer { service, out };
    if !writer.value(shape, value) {
        head(MAP, 0, out);
    }
}

/// The body of an error: its type and its members. Members that the shape does not know are written as they are.
pub(crate) fn write_error(error_type: &str, modelled: Option<(&Service, ShapeIx)>, members: &Fields) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    let promised = members.len() + 1;
    head(MAP, promised as u64, &mut out);
    write_text("__type", &mut out);
    write_text(error_type, &mut out);
    let modelled = modelled.and_then(|(service, shape)| Some((service, service.structure(shape)?)));
    let mut count = 1;
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        let member = modelled.and_then(|(service, structure)| Some((service, structure.member(name)?)));
        let before = out.len();
        write_text(member.map_or(name, |(_, member)| member.wire_name()), &mut out);
        let fits = match member {
            Some((service, member)) => Writer { service, out: &mut out }.value(member.target, value),
            None => {
                write_document(value, &mut out);
                true
            }
        };
        if fits {
            count += 1;
        } else {
            out.truncate(before);
        }
    }
    settle(MAP, 0, promised, count, &mut out);
    out
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    head(TEXT, text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Appends an item's head in its shortest form.
fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    if let Ok(argument) = u8::try_from(argument) {
        if argument < 24 {
            out.push(major | argument);
        } else {
            out.extend_from_slice(&[major | 24, argument]);
        }
    } else if let Ok(argument) = u16::try_from(argument) {
        out.push(major | 25);
        out.extend_from_slice(&argument.to_be_bytes());
    } else if let Ok(argument) = u32::try_from(argument) {
        out.push(major | 26);
        out.extend_from_slice(&argument.to_be_bytes());
    } else {
        out.push(major | 27);
        out.extend_from_slice(&argument.to_be_bytes());
    }
}

fn write_int(int: i64, out: &mut Vec<u8>) {
    match u64::try_from(int) {
        Ok(int) => head(UNSIGNED, int, out),
        // -1 - int, which is what `!` gives in two's complement.
        Err(_) => head(NEGATIVE, (!int).unsigned_abs(), out),
    }
}

fn write_blob(bytes: &[u8], out: &mut Vec<u8>) {
    head(BYTES, bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Values without digits as half floats, which every reader must understand (and as botocore sends them).
fn write_float(value: f64, narrow: bool, out: &mut Vec<u8>) {
    #[expect(clippy::cast_possible_truncation, reason = "precision beyond 32 bits is what is dropped here")]
    let small = value as f32;
    if value.is_nan() {
        out.extend_from_slice(&[FLOAT_16, 0x7E, 0]);
    } else if value.is_infinite() {
        out.extend_from_slice(&[FLOAT_16, if value > 0.0 { 0x7C } else { 0xFC }, 0]);
    } else if narrow && small.is_finite() {
        out.push(FLOAT_32);
        out.extend_from_slice(&small.to_be_bytes());
    } else {
        out.push(FLOAT_64);
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Whole digits beyond 64 bits with tag 2 or 3, others as a decimal fraction (tag 4); `false` where they are no number.
fn write_big(digits: &str, out: &mut Vec<u8>) -> bool {
    if let Ok(int) = digits.parse::<i64>() {
        write_int(int, out);
        return true;
    }
    let (unsigned, negative) = match digits.strip_prefix('-') {
        Some(unsigned) => (unsigned, true),
        None => (digits, false),
    };
    if let Some(bytes) = big::from_digits(unsigned, u8::from(negative)) {
        let tag = if negative { TAG_BIG_NEGATIVE } else { TAG_BIG_POSITIVE };
        head(TAG, tag.as_u64(), out);
        write_blob(&bytes, out);
        return true;
    }
    let (number, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let exponent =
        exponent.parse::<i64>().ok().and_then(|exponent| exponent.checked_sub_unsigned(fraction.len() as u64));
    let (Some(exponent), mantissa) = (exponent, format!("{whole}{fraction}")) else { return false };
    let unsigned = mantissa.strip_prefix('-').unwrap_or(&mantissa);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let before = out.len();
    head(TAG, TAG_DECIMAL.as_u64(), out);
    head(LIST, 2, out);
    write_int(exponent, out);
    if unsigned.len() <= big::BYTES_MAX * 2 && write_big(&mantissa, out) {
        return true;
    }
    out.truncate(before);
    false
}

struct Writer<'s, 'o> {
    service: &'s Service,
    out: &'o mut Vec<u8>,
}

impl Writer<'_, '_> {
    /// Writes a value, or returns `false` with nothing written where it does not fit.
    fn value(&mut self, shape: ShapeIx, value: &Document) -> bool {
        let service = self.service;
        let kind = &service.shape(shape).kind;
        match (kind, value) {
            (Kind::Structure(structure), Document::Map(fields)) => self.structure(structure, fields),
            (Kind::List(list), Document::List(items)) => self.list(list, items),
            (Kind::Map(map), Document::Map(fields)) => self.map(map, fields),
            (Kind::Document, _) => write_document(value, self.out),
            (Kind::String { .. }, Document::String(text)) => write_text(text, self.out),
            (Kind::Boolean, Document::Bool(value)) => self.out.push(if *value { TRUE } else { FALSE }),
            (Kind::Blob { .. }, Document::Blob(bytes)) => write_blob(bytes, self.out),
            (Kind::Blob { .. }, Document::String(text)) => write_blob(text.as_bytes(), self.out),
            (Kind::Timestamp(_), _) => {
                let Some(stamp) = value::as_timestamp(value) else { return false };
                head(TAG, TAG_EPOCH.as_u64(), self.out);
                match stamp.nanos / 1_000_000 {
                    0 => write_int(stamp.seconds, self.out),
                    #[expect(clippy::cast_precision_loss, reason = "milliseconds fit in 53 bits for 285,000 years")]
                    _ => write_float(stamp.as_millis() as f64 / 1000.0, false, self.out),
                }
            }
            (Kind::Byte | Kind::Short | Kind::Integer | Kind::Long | Kind::BigInteger, _) => {
                match value::as_int(kind, value) {
                    Some(Document::Int(int)) => write_int(int, self.out),
                    Some(Document::BigNumber(digits)) => return write_big(&digits, self.out),
                    _ => return false,
                }
            }
            (Kind::Float | Kind::Double | Kind::BigDecimal, Document::Float(float)) => {
                write_float(*float, matches!(kind, Kind::Float), self.out);
            }
            #[expect(clippy::cast_precision_loss, reason = "the member is a float")]
            (Kind::Float | Kind::Double, Document::Int(int)) => {
                write_float(*int as f64, matches!(kind, Kind::Float), self.out);
            }
            (Kind::BigDecimal, Document::Int(int)) => write_int(*int, self.out),
            (Kind::BigDecimal, Document::BigNumber(digits)) => return write_big(digits, self.out),
            (Kind::Float | Kind::Double, Document::BigNumber(digits)) => match digits.parse() {
                Ok(float) => write_float(float, matches!(kind, Kind::Float), self.out),
                Err(_) => return false,
            },
            _ => return self.converted(kind, value),
        }
        true
    }

    /// Values of another kind that mean one of this kind all the same.
    fn converted(&mut self, kind: &Kind, value: &Document) -> bool {
        let mut text = String::new();
        if !value::write_text(kind, value, TimestampFormat::DateTime, &mut text) {
            return false;
        }
        match (kind, value::read_float(kind, &text)) {
            (Kind::String { .. }, _) => write_text(&text, self.out),
            (Kind::Boolean, _) => self.out.push(if text == "true" { TRUE } else { FALSE }),
            (_, Some(Document::Float(float))) => write_float(float, matches!(kind, Kind::Float), self.out),
            _ => return false,
        }
        true
    }

    fn structure(&mut self, structure: &Structure, fields: &Fields) {
        let mut finder = MemberFinder::new(&structure.members);
        let start = self.out.len();
        head(MAP, fields.len() as u64, self.out);
        let mut count = 0;
        for (name, value) in fields.iter() {
            if value.is_null() {
                continue;
            }
            let Some(member) = finder.by_name(name) else { continue };
            let before = self.out.len();
            write_text(member.wire_name(), self.out);
            if self.value(member.target, value) {
                count += 1;
            } else {
                self.out.truncate(before);
            }
        }
        settle(MAP, start, fields.len(), count, self.out);
    }

    fn list(&mut self, list: &ListShape, items: &[Document]) {
        let start = self.out.len();
        head(LIST, items.len() as u64, self.out);
        let mut count = 0;
        for item in items {
            if item.is_null() && list.sparse {
                self.out.push(NULL);
                count += 1;
            } else if self.value(list.member.target, item) {
                count += 1;
            }
        }
        settle(LIST, start, items.len(), count, self.out);
    }

    fn map(&mut self, map: &MapShape, fields: &Fields) {
        let start = self.out.len();
        head(MAP, fields.len() as u64, self.out);
        let mut count = 0;
        for (key, value) in fields.iter() {
            let before = self.out.len();
            write_text(key, self.out);
            if value.is_null() && map.sparse {
                self.out.push(NULL);
                count += 1;
            } else if self.value(map.value.target, value) {
                count += 1;
            } else {
                self.out.truncate(before);
            }
        }
        settle(MAP, start, fields.len(), count, self.out);
    }
}

/// Puts the true count where fewer entries than promised were written.
fn settle(major: u8, start: usize, promised: usize, count: usize, out: &mut Vec<u8>) {
    if count == promised {
        return;
    }
    let (mut old, mut new) = (Vec::new(), Vec::new());
    head(major, promised as u64, &mut old);
    head(major, count as u64, &mut new);
    out.splice(start..start + old.len(), new);
}

fn write_document(value: &Document, out: &mut Vec<u8>) {
    match value {
        Document::Null => out.push(NULL),
        Document::Bool(value) => out.push(if *value { TRUE } else { FALSE }),
        Document::Int(int) => write_int(*int, out),
        Document::Float(float) => write_float(*float, false, out),
        Document::BigNumber(digits) => {
            if !write_big(digits, out) {
                write_text(digits, out);
            }
        }
        Document::String(text) => write_text(text, out),
        Document::Blob(bytes) => write_blob(bytes, out),
        Document::Timestamp(stamp) => {
            head(TAG, TAG_EPOCH.as_u64(), out);
            write_float(stamp.as_f64(), false, out);
        }
        Document::List(items) => {
            head(LIST, items.len() as u64, out);
            items.iter().for_each(|item| write_document(item, out));
        }
        Document::Map(fields) => {
            head(MAP, fields.len() as u64, out);
            for (key, value) in fields.iter() {
                write_text(key, out);
                write_document(value, out);
            }
        }
    }
}
