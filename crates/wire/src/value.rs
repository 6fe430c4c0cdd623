//! Text forms of simple values, and what the formats share: timestamps in their three forms, numbers with their
//! nameless values, header lists, percent-encoding, the search for members.
//!
//! Which form a timestamp takes: the member's own, else the shape's, else the default of the place (HTTP date in
//! headers; date-time in labels, queries and XML; epoch seconds in JSON and CBOR). Readers take any form.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use standin_model::{Document, Fields, Key, Kind, Member, Service, Timestamp, TimestampFormat};

use crate::message::DecodeError;

/// Standard alphabet; padding is written, and forgiven where it is missing.
pub const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// How much of a wrong value an error message repeats, in characters.
const QUOTE_MAX: usize = 40;

/// The form of a timestamp member where the place's default is `default`.
pub fn timestamp_format(service: &Service, member: &Member, default: TimestampFormat) -> TimestampFormat {
    let of_shape = || match service.target(member).kind {
        Kind::Timestamp(format) => format,
        _ => None,
    };
    member.timestamp_format.or_else(of_shape).unwrap_or(default)
}

/// Reads a simple value from a header, label, query parameter, form field or XML leaf. Timestamps may have any form,
/// blobs are base64.
///
/// # Errors
/// When the text does not fit the kind, or the kind is not simple.
pub fn read_text(kind: &Kind, text: &str) -> Result<Document, DecodeError> {
    let misfit = || DecodeError::new(format!("`{}` is not {}", quoted(text), with_article(kind)));
    match kind {
        Kind::String { .. } => Ok(Document::String(Cow::Owned(text.to_owned()))),
        Kind::Boolean => read_bool(text.trim()).map(Document::Bool).ok_or_else(misfit),
        Kind::Byte | Kind::Short | Kind::Integer | Kind::Long | Kind::BigInteger => {
            read_int(kind, text.trim()).ok_or_else(misfit)
        }
        Kind::Float | Kind::Double | Kind::BigDecimal => read_float(kind, text.trim()).ok_or_else(misfit),
        Kind::Timestamp(_) => Timestamp::parse_any(text).map(Document::Timestamp).ok_or_else(misfit),
        Kind::Blob { .. } => read_base64(text).map(|bytes| Document::Blob(bytes.into())),
        Kind::Document => Ok(Document::String(Cow::Owned(text.to_owned()))),
        Kind::Structure(_) | Kind::List(_) | Kind::Map(_) => Err(misfit()),
    }
}

/// Appends the text form of a simple value; `false`, with nothing appended, where it does not fit the kind.
pub fn write_text(kind: &Kind, value: &Document, format: TimestampFormat, out: &mut String) -> bool {
    match (kind, value) {
        (Kind::Blob { .. }, Document::Blob(bytes)) => BASE64.encode_string(bytes, out),
        (Kind::Blob { .. }, Document::String(text)) => BASE64.encode_string(text.as_bytes(), out),
        (Kind::Timestamp(_), Document::Timestamp(stamp)) => write_timestamp(*stamp, format, out),
        (Kind::Timestamp(_), _) => match as_timestamp(value) {
            Some(stamp) => write_timestamp(stamp, format, out),
            None => return false,
        },
        (Kind::Boolean, Document::Bool(value)) => out.push_str(if *value { "true" } else { "false" }),
        (Kind::Boolean, Document::String(text)) => match read_bool(text) {
            Some(value) => out.push_str(if value { "true" } else { "false" }),
            None => return false,
        },
        (Kind::Float, Document::Float(value)) => write_f32(*value, out),
        (Kind::Double | Kind::BigDecimal | Kind::String { .. } | Kind::Document, Document::Float(value)) => {
            write_f64(*value, out);
        }
        (Kind::String { .. } | Kind::Document, Document::String(text)) => out.push_str(text),
        (Kind::String { .. } | Kind::Document, Document::Bool(value)) => {
            out.push_str(if *value { "true" } else { "false" });
        }
        (Kind::Byte | Kind::Short | Kind::Integer | Kind::Long | Kind::BigInteger, _) => match as_int(kind, value) {
            Some(Document::Int(int)) => push_display(out, int),
            Some(Document::BigNumber(digits)) => out.push_str(&digits),
            _ => return false,
        },
        (
            Kind::Float | Kind::Double | Kind::BigDecimal | Kind::String { .. } | Kind::Document,
            Document::Int(value),
        ) => push_display(out, value),
        (
            Kind::Float | Kind::Double | Kind::BigDecimal | Kind::String { .. } | Kind::Document,
            Document::BigNumber(digits),
        ) => out.push_str(digits),
        (Kind::Float | Kind::Double | Kind::BigDecimal, Document::String(text)) => match read_float(kind, text) {
            Some(value) => return write_text(kind, &value, format, out),
            None => return false,
        },
        _ => return false,
    }
    true
}

/// `true` and `false` in any case, and XML's `1` and `0`.
pub fn read_bool(text: &str) -> Option<bool> {
    if text == "1" || text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text == "0" || text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Reads a whole number within the kind's range. A fraction of zeros (`1.0`, `1e3`) is allowed.
pub fn read_int(kind: &Kind, text: &str) -> Option<Document> {
    if let Ok(int) = text.parse::<i64>() {
        return in_range(kind, int).then_some(Document::Int(int));
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let sign = if text.starts_with('-') { "-" } else { "" };
        let digits = digits.trim_start_matches('0');
        return matches!(kind, Kind::BigInteger).then(|| Document::BigNumber(format!("{sign}{digits}").into()));
    }
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let float = text.parse::<f64>().ok()?;
    // Beyond 2^53 a float no longer tells which whole number was meant.
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
    let int = (float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0).then_some(float as i64)?;
    in_range(kind, int).then_some(Document::Int(int))
}

/// Reads a number with `NaN`, `Infinity` and `-Infinity` (the one spelling of all AWS protocols).
pub fn read_float(kind: &Kind, text: &str) -> Option<Document> {
    match text {
        "NaN" => return Some(Document::Float(f64::NAN)),
        "Infinity" => return Some(Document::Float(f64::INFINITY)),
        "-Infinity" => return Some(Document::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    if !text.ends_with(|last: char| last.is_ascii_digit() || last == '.') {
        return None;
    }
    if matches!(kind, Kind::BigDecimal) {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        // 15 digits always survive an f64.
        if digits > 15 {
            text.parse::<f64>().ok()?;
            return Some(match text.parse::<i64>() {
                Ok(int) => Document::Int(int),
                Err(_) => Document::BigNumber(text.into()),
            });
        }
    }
    text.parse::<f64>().ok().map(Document::Float)
}

/// Decodes base64; white space inside is passed over, as XML and some SDKs wrap lines.
///
/// # Errors
/// When the text holds anything else.
pub fn read_base64(text: &str) -> Result<Vec<u8>, DecodeError> {
    let decoded = if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        BASE64.decode(text)
    } else {
        BASE64.decode(text)
    };
    decoded.map_err(|_| DecodeError::new(format!("`{}` is not base64", quoted(text))))
}

/// Whether a whole number fits the kind's bits. Other kinds hold any.
pub fn in_range(kind: &Kind, int: i64) -> bool {
    match kind {
        Kind::Byte => i8::try_from(int).is_ok(),
        Kind::Short => i16::try_from(int).is_ok(),
        Kind::Integer => i32::try_from(int).is_ok(),
        _ => true,
    }
}

/// A value as a whole number of the kind, where it means one.
pub(crate) fn as_int(kind: &Kind, value: &Document) -> Option<Document> {
    match value {
        Document::Int(int) => in_range(kind, *int).then_some(Document::Int(*int)),
        Document::Float(float) => read_int(kind, &format!("{float:?}")),
        Document::String(text) => read_int(kind, text),
        Document::BigNumber(digits) => read_int(kind, digits),
        _ => None,
    }
}

/// A value as a point in time, where it means one: numbers are epoch seconds.
pub(crate) fn as_timestamp(value: &Document) -> Option<Timestamp> {
    match value {
        Document::Timestamp(stamp) => Some(*stamp),
        Document::Int(seconds) => Some(Timestamp::from_seconds(*seconds)),
        Document::Float(seconds) => Timestamp::from_f64(*seconds),
        Document::String(text) => Timestamp::parse_any(text),
        _ => None,
    }
}

/// Appends a timestamp in the given form.
pub fn write_timestamp(stamp: Timestamp, format: TimestampFormat, out: &mut String) {
    match format {
        TimestampFormat::DateTime => out.push_str(&stamp.to_date_time()),
        TimestampFormat::HttpDate => out.push_str(&stamp.to_http_date()),
        TimestampFormat::EpochSeconds => {
            // `nanos` counts forward, also before 1970: -0.5 s is (-1, 500 ms).
            let millis = i128::from(stamp.seconds) * 1000 + i128::from(stamp.nanos / 1_000_000);
            let (whole, fraction) = (millis.abs() / 1000, millis.abs() % 1000);
            let sign = if millis < 0 { "-" } else { "" };
            push_display(out, format_args!("{sign}{whole}"));
            if fraction != 0 {
                push_display(out, format_args!(".{fraction:03}"));
                out.truncate(out.trim_end_matches('0').len());
            }
        }
    }
}

/// Appends a number with the shortest digits that read back the same, or its name.
pub fn write_f64(value: f64, out: &mut String) {
    match float_name(value) {
        Some(name) => out.push_str(name),
        None => push_display(out, format_args!("{value:?}")),
    }
}

/// Appends a number of 32 bits. Values beyond them are written as they are.
pub fn write_f32(value: f64, out: &mut String) {
    #[expect(clippy::cast_possible_truncation, reason = "precision beyond 32 bits is what is dropped here")]
    let narrow = value as f32;
    if narrow.is_finite() {
        push_display(out, format_args!("{narrow:?}"));
    } else {
        write_f64(value, out);
    }
}

/// The name of a value that has no digits.
pub fn float_name(value: f64) -> Option<&'static str> {
    if value.is_finite() {
        None
    } else if value.is_nan() {
        Some("NaN")
    } else if value > 0.0 {
        Some("Infinity")
    } else {
        Some("-Infinity")
    }
}

fn push_display(out: &mut String, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("writing to a String does not fail");
}

/// Splits a list in a header. Items may be quoted, with `\"` and `\\` inside; an HTTP date keeps its one comma. An empty
/// header is an empty list.
pub fn split_header_list(text: &str, http_dates: bool) -> Vec<Cow<'_, str>> {
    let mut items = Vec::new();
    let mut rest = text.trim();
    if rest.is_empty() {
        return items;
    }
    loop {
        let (item, after, end) = match rest.strip_prefix('"').and_then(unquote) {
            Some((item, after)) => (item, after, after.find(',')),
            None => {
                let mut end = rest.find(',');
                if http_dates && let Some(first) = end {
                    end = rest[first + 1..].find(',').map(|second| first + 1 + second);
                }
                (Cow::Borrowed(rest[..end.unwrap_or(rest.len())].trim()), rest, end)
            }
        };
        items.push(item);
        match end {
            Some(end) => rest = after[end + 1..].trim_start(),
            None => return items,
        }
    }
}

/// Reads up to the closing quote: the item, and what follows the quote. `None` where nothing closes it.
fn unquote(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut escaped: Option<String> = None;
    let mut from = 0;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let item = match escaped {
                    None => Cow::Borrowed(&text[..at]),
                    Some(mut item) => {
                        item.push_str(&text[from..at]);
                        Cow::Owned(item)
                    }
                };
                return Some((item, &text[at + 1..]));
            }
            b'\\' if matches!(bytes.get(at + 1), Some(b'"' | b'\\')) => {
                escaped.get_or_insert_default().push_str(&text[from..at]);
                from = at + 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
    None
}

/// Appends an item to a header list, quoted where it holds a comma or a quote.
pub fn push_header_item(item: &str, out: &mut String) {
    if !item.contains([',', '"']) {
        out.push_str(item);
        return;
    }
    out.push('"');
    for part in item.split_inclusive(['"', '\\']) {
        if let Some(special) = part.chars().next_back().filter(|last| matches!(last, '"' | '\\')) {
            out.push_str(&part[..part.len() - 1]);
            out.push('\\');
            out.push(special);
        } else {
            out.push_str(part);
        }
    }
    out.push('"');
}

/// Appends percent-encoded text: all but RFC 3986's unreserved characters, and `/` too where `keep_slash` says so.
pub fn percent_encode(text: &str, keep_slash: bool, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') || (keep_slash && byte == b'/') {
            out.push(byte as char);
        } else {
            out.push('%');
            out.push(DIGITS[usize::from(byte >> 4)] as char);
            out.push(DIGITS[usize::from(byte & 15)] as char);
        }
    }
}

/// Undoes percent-encoding in a path. A `%` without two hexadecimal digits stands for itself.
///
/// # Errors
/// When the bytes are not UTF-8.
pub fn percent_decode(text: &str) -> Result<Cow<'_, str>, DecodeError> {
    decode_bytes(text, false)
}

/// Undoes the encoding of query strings and forms, where `+` is a space.
///
/// # Errors
/// When the bytes are not UTF-8.
pub fn form_decode(text: &str) -> Result<Cow<'_, str>, DecodeError> {
    decode_bytes(text, true)
}

fn decode_bytes(text: &str, plus_is_space: bool) -> Result<Cow<'_, str>, DecodeError> {
    if !text.bytes().any(|byte| byte == b'%' || (plus_is_space && byte == b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    let digit = |byte: Option<&u8>| byte.and_then(|byte| (*byte as char).to_digit(16)).map(|digit| digit as u8);
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                if let (Some(high), Some(low)) = (digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
                    out.push(high << 4 | low);
                    at += 3;
                    continue;
                }
                out.push(b'%');
            }
            b'+' if plus_is_space => out.push(b' '),
            byte => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8(out)
        .map(Cow::Owned)
        .map_err(|_| DecodeError::new(format!("`{}` is not percent-encoded UTF-8", quoted(text))))
}

/// The pairs of a query string or form, still encoded. A key without `=` has an empty value.
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Finds members by name, fast where they come in the model's order, as most encoders write them.
pub(crate) struct MemberFinder<'s> {
    members: &'s [Member],
    next: usize,
}

impl<'s> MemberFinder<'s> {
    pub(crate) fn new(members: &'s [Member]) -> Self {
        Self { members, next: 0 }
    }

    /// The member whose name on the wire is `name`, else the one whose own name it is.
    pub(crate) fn by_wire_name(&mut self, name: &str) -> Option<&'s Member> {
        self.find(|member| member.wire_name() == name).or_else(|| self.find(|member| member.name == name))
    }

    /// The member of that name.
    pub(crate) fn by_name(&mut self, name: &str) -> Option<&'s Member> {
        self.find(|member| member.name == name)
    }

    fn find(&mut self, is: impl Fn(&Member) -> bool) -> Option<&'s Member> {
        let (before, after) = self.members.split_at(self.next);
        let at = match after.iter().position(&is) {
            Some(at) => self.next + at,
            None => before.iter().position(is)?,
        };
        self.next = at + 1;
        Some(&self.members[at])
    }
}

/// Collects the entries of a map as a client sends them: of entries with the same key the last one counts.
pub(crate) struct Entries(Fields);

/// Up to here a scan for a twin is cheaper than a set; beyond, scanning would be quadratic in what a client sends.
const SCAN_MAX: usize = 32;

impl Entries {
    pub(crate) fn new() -> Self {
        Self(Fields::new())
    }

    pub(crate) fn push(&mut self, key: impl Into<Key>, value: Document) {
        if self.0.len() < SCAN_MAX {
            self.0.insert(key, value);
        } else {
            self.0.push(key, value);
        }
    }

    pub(crate) fn finish(self) -> Fields {
        if self.0.len() <= SCAN_MAX {
            return self.0;
        }
        let mut seen = std::collections::HashSet::with_capacity(self.0.len());
        let twins = !self.0.iter().all(|(key, _)| seen.insert(key.as_ref()));
        if !twins {
            return self.0;
        }
        let mut last = std::collections::HashMap::with_capacity(self.0.len());
        for (at, (key, _)) in self.0.iter().enumerate() {
            last.insert(key.clone(), at);
        }
        self.0
            .into_iter()
            .enumerate()
            .filter(|(at, (key, _))| last.get(key) == Some(at))
            .map(|(_, entry)| entry)
            .collect()
    }
}

/// The start of a text, for an error message.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(QUOTE_MAX) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// `an integer`, `a string`: for error messages.
pub(crate) fn with_article(kind: &Kind) -> String {
    let name = kind.name();
    let article = if name.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: &Kind, value: impl Into<Document>, format: TimestampFormat) -> Option<String> {
        let mut out = String::new();
        write_text(kind, &value.into(), format, &mut out).then_some(out)
    }

    #[test]
    fn timestamps_take_three_forms() {
        let check = |millis: i64, format, expect: &str| {
            let mut out = String::new();
            write_timestamp(Timestamp::from_millis(millis), format, &mut out);
            assert_eq!(out, expect);
        };
        check(1_791_374_400_000, TimestampFormat::EpochSeconds, "1791374400");
        check(1_791_374_400_120, TimestampFormat::EpochSeconds, "1791374400.12");
        check(-500, TimestampFormat::EpochSeconds, "-0.5");
        check(-1_500, TimestampFormat::EpochSeconds, "-1.5");
        check(0, TimestampFormat::EpochSeconds, "0");
        check(1_791_374_400_000, TimestampFormat::DateTime, "2026-10-07T12:00:00Z");
        check(1_791_374_400_999, TimestampFormat::HttpDate, "Wed, 07 Oct 2026 12:00:00 GMT");
    }

    #[test]
    fn numbers_without_digits_have_names() {
        let check = |value: f64, expect: &str| {
            assert_eq!(text(&Kind::Double, value, TimestampFormat::DateTime).as_deref(), Some(expect));
            let back = read_text(&Kind::Double, expect).expect("a number");
            assert!(matches!(back, Document::Float(read) if read == value || read.is_nan() && value.is_nan()));
        };
        check(f64::NAN, "NaN");
        check(f64::INFINITY, "Infinity");
        check(f64::NEG_INFINITY, "-Infinity");
        check(1.0, "1.0");
        check(-2.5e-9, "-2.5e-9");
        for wrong in ["nan", "inf", "infinity", "+Infinity", "", "0x10", "1,5"] {
            assert!(read_text(&Kind::Double, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn whole_numbers_keep_to_their_bits() {
        let check = |kind: &Kind, input: &str, expect: Option<Document>| {
            assert_eq!(read_text(kind, input).ok(), expect, "{input}");
        };
        check(&Kind::Integer, "2147483647", Some(Document::Int(2_147_483_647)));
        check(&Kind::Integer, "2147483648", None);
        check(&Kind::Long, "9223372036854775807", Some(Document::Int(i64::MAX)));
        check(&Kind::Long, "9223372036854775808", None);
        check(&Kind::BigInteger, "9223372036854775808", Some(Document::BigNumber("9223372036854775808".into())));
        check(&Kind::Byte, "-128", Some(Document::Int(-128)));
        check(&Kind::Integer, "1e3", Some(Document::Int(1000)));
        check(&Kind::Integer, "1.5", None);
        check(&Kind::Integer, "NaN", None);
        check(&Kind::Boolean, "TRUE", Some(Document::Bool(true)));
        check(&Kind::Boolean, "yes", None);
        assert_eq!(text(&Kind::Integer, 1_i64 << 40, TimestampFormat::DateTime), None);
    }

    #[test]
    fn header_lists_split_at_the_right_commas() {
        let check = |input: &str, dates: bool, expect: &[&str]| {
            assert_eq!(split_header_list(input, dates), expect, "{input}");
        };
        check("", false, &[]);
        check("a,b , c", false, &["a", "b", "c"]);
        check(r#""b,c","\"def\"",a"#, false, &["b,c", "\"def\"", "a"]);
        check(r#""a\\b" , x"#, false, &["a\\b", "x"]);
        // A quote that nothing closes is a character like others.
        check(r#"","#, false, &["\"", ""]);
        check("\"\u{ff}, b,c", false, &["\"\u{ff}", "b", "c"]);
        check(r#""never closed, x"#, false, &["\"never closed", "x"]);
        check("a,,b", false, &["a", "", "b"]);
        check(
            "Mon, 16 Dec 2019 23:48:18 GMT, Tue, 17 Dec 2019 23:48:18 GMT",
            true,
            &["Mon, 16 Dec 2019 23:48:18 GMT", "Tue, 17 Dec 2019 23:48:18 GMT"],
        );
        let mut out = String::new();
        for item in ["plain", "with, comma", "a \"quote\"", "back\\slash, too"] {
            if !out.is_empty() {
                out.push(',');
            }
            push_header_item(item, &mut out);
        }
        assert_eq!(split_header_list(&out, false), ["plain", "with, comma", "a \"quote\"", "back\\slash, too"]);
    }

    #[test]
    fn percent_encoding_survives() {
        let check = |input: &str, keep_slash: bool, expect: &str| {
            let mut out = String::new();
            percent_encode(input, keep_slash, &mut out);
            assert_eq!(out, expect);
            assert_eq!(percent_decode(&out).expect("UTF-8"), input);
        };
        check("a b+c/ü~", false, "a%20b%2Bc%2F%C3%BC~");
        check("a/b", true, "a/b");
        assert_eq!(percent_decode("100%/%zz+").expect("UTF-8"), "100%/%zz+");
        assert_eq!(form_decode("a+b%2B").expect("UTF-8"), "a b+");
        assert!(percent_decode("%ff").is_err());
    }

    #[test]
    fn base64_is_read_leniently() {
        assert_eq!(read_base64("Zm9v\r\nYg==").expect("base64"), b"foob");
        assert_eq!(read_base64("Zg").expect("base64"), b"f");
        assert!(read_base64("$$$").is_err());
    }

    #[test]
    fn of_twins_the_last_counts() {
        for count in [2, 100] {
            let mut entries = Entries::new();
            for at in 0..count {
                entries.push(format!("k{at}"), Document::Int(at));
            }
            entries.push("k1".to_owned(), Document::Int(-1));
            let fields = entries.finish();
            assert_eq!(fields.len(), usize::try_from(count).expect("small"));
            assert_eq!(fields.get("k1"), Some(&Document::Int(-1)));
        }
    }
}
