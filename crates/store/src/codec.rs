//! Documents as JSON text, without loss: what backends keep and what saved files hold.
//!
//! | document | JSON |
//! | --- | --- |
//! | null, booleans, strings, lists, maps | the same; entries keep their order |
//! | whole numbers | numbers without fraction and exponent |
//! | other numbers | numbers with either: `1.0`, `5e-324` |
//! | NaN, infinities | `{"$float":"NaN"}`, `{"$float":"Infinity"}`, `{"$float":"-Infinity"}` |
//! | numbers that neither `i64` nor `f64` holds | `{"$number":"18446744073709551616"}` |
//! | blobs | `{"$blob":"AAECAw=="}`: base64 with padding |
//! | timestamps | `{"$time":"2026-10-07T12:00:00.5Z"}`; beyond the year 9999 `{"$time":"@SECONDS.NANOSECONDS"}` |
//! | names in maps that begin with `$` | one more `$`: `{"$$ref":…}` |

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use standin_model::{Document, Fields, Key, Timestamp};

/// How deeply documents may be nested: more than any client can send, and little enough for every stack.
pub const DEPTH_MAX: usize = 256;

/// Writes a document as one line of JSON.
///
/// # Errors
/// Where it is nested more deeply than [`DEPTH_MAX`].
pub fn encode(document: &Document) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Encoded { document, depth: 0 })
}

/// Reads what [`encode`] wrote, or a person.
///
/// # Errors
/// Where the text is not JSON, is nested more deeply than [`DEPTH_MAX`], or has an unknown `$` name.
pub fn decode(text: &str) -> Result<Document, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    // The seed counts itself: serde_json's own limit is below that of the wire.
    json.disable_recursion_limit();
    let document = Decoded { depth: 0 }.deserialize(&mut json)?;
    json.end()?;
    Ok(document)
}

/// A document on its way out. Also for use within a larger value that serde writes.
pub(crate) struct Encoded<'d> {
    pub(crate) document: &'d Document,
    pub(crate) depth: usize,
}

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.depth > DEPTH_MAX {
            return Err(S::Error::custom(format_args!("nested more deeply than {DEPTH_MAX} levels")));
        }
        let depth = self.depth + 1;
        match self.document {
            Document::Null => to.serialize_unit(),
            Document::Bool(value) => to.serialize_bool(*value),
            Document::Int(value) => to.serialize_i64(*value),
            Document::Float(value) if value.is_finite() => to.serialize_f64(*value),
            Document::Float(value) if value.is_nan() => special(to, "$float", "NaN"),
            Document::Float(value) => special(to, "$float", if *value > 0.0 { "Infinity" } else { "-Infinity" }),
            Document::BigNumber(digits) => special(to, "$number", digits),
            Document::String(text) => to.serialize_str(text),
            Document::Blob(bytes) => special(to, "$blob", &STANDARD.encode(bytes)),
            Document::Timestamp(stamp) => special(to, "$time", &time_text(*stamp)),
            Document::List(items) => {
                let mut list = to.serialize_seq(Some(items.len()))?;
                for document in items {
                    list.serialize_element(&Encoded { document, depth })?;
                }
                list.end()
            }
            Document::Map(fields) => {
                let mut map = to.serialize_map(Some(fields.len()))?;
                for (key, document) in fields.iter() {
                    if key.starts_with('$') {
                        map.serialize_key(&format_args!("${key}"))?;
                    } else {
                        map.serialize_key(&**key)?;
                    }
                    map.serialize_value(&Encoded { document, depth })?;
                }
                map.end()
            }
        }
    }
}

fn special<S: Serializer>(to: S, name: &'static str, text: &str) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(1))?;
    map.serialize_entry(name, text)?;
    map.end()
}

fn time_text(stamp: Timestamp) -> String {
    let text = stamp.to_date_time();
    if Timestamp::parse_date_time(&text) == Some(stamp) {
        return text;
    }
    format!("@{}.{:09}", stamp.seconds, stamp.nanos)
}

fn time_from(text: &str) -> Option<Timestamp> {
    let Some(numbers) = text.strip_prefix('@') else { return Timestamp::parse_date_time(text) };
    let (seconds, nanos) = numbers.split_once('.')?;
    let nanos: u32 = nanos.parse().ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Timestamp { seconds: seconds.parse().ok()?, nanos })
}

/// A document on its way in.
#[derive(Clone, Copy)]
pub(crate) struct Decoded {
    pub(crate) depth: usize,
}

impl<'de> DeserializeSeed<'de> for Decoded {
    type Value = Document;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Document, D::Error> {
        if self.depth > DEPTH_MAX {
            return Err(D::Error::custom(format_args!("nested more deeply than {DEPTH_MAX} levels")));
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Decoded {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Document, E> {
        Ok(Document::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Document, E> {
        Ok(Document::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Document, E> {
        Ok(Document::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Document, E> {
        Ok(i64::try_from(value).map_or_else(|_| Document::BigNumber(value.to_string().into()), Document::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Document, E> {
        Ok(Document::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Document, E> {
        Ok(Document::from(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Document, E> {
        Ok(Document::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Document, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self { depth: self.depth + 1 })? {
            list.push(item);
        }
        Ok(Document::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Document, A::Error> {
        let mut fields = Fields::new();
        while let Some(key) = entries.next_key::<String>()? {
            let key = match key.strip_prefix('$') {
                Some(escaped) if escaped.starts_with('$') => escaped.to_owned(),
                Some(name) => return single(name, &fields, &mut entries),
                None => key,
            };
            fields.push(Key::Owned(key), entries.next_value_seed(Self { depth: self.depth + 1 })?);
        }
        Ok(Document::Map(fields))
    }
}

/// What an object with one `$` name stands for.
fn single<'de, A: MapAccess<'de>>(name: &str, before: &Fields, entries: &mut A) -> Result<Document, A::Error> {
    let text: String = entries.next_value()?;
    if !before.is_empty() || entries.next_key::<String>()?.is_some() {
        return Err(A::Error::custom(format_args!("\"${name}\" stands alone; as a member's name it is \"$${name}\"")));
    }
    let document = match name {
        "float" => match text.as_str() {
            "NaN" => Some(Document::Float(f64::NAN)),
            "Infinity" => Some(Document::Float(f64::INFINITY)),
            "-Infinity" => Some(Document::Float(f64::NEG_INFINITY)),
            _ => None,
        },
        "number" => Some(Document::BigNumber(text.as_str().into())),
        "blob" => STANDARD.decode(&text).ok().map(|bytes| Document::Blob(bytes.into())),
        "time" => time_from(&text).map(Document::Timestamp),
        _ => {
            let words = format_args!("nothing is written as \"${name}\"; as a member's name it is \"$${name}\"");
            return Err(A::Error::custom(words));
        }
    };
    document.ok_or_else(|| A::Error::custom(format_args!("\"${name}\" of {text:?}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(document: &Document, text: &str) {
        assert_eq!(encode(document).unwrap(), text);
        assert_eq!(decode(text).unwrap(), *document);
    }

    fn map<const N: usize>(entries: [(&'static str, Document); N]) -> Document {
        Document::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    #[test]
    fn every_kind() {
        check(&Document::Null, "null");
        check(&Document::Int(i64::MIN), "-9223372036854775808");
        check(&Document::Float(1.0), "1.0");
        check(&Document::Float(0.1 + 0.2), "0.30000000000000004");
        check(&Document::Float(f64::NEG_INFINITY), r#"{"$float":"-Infinity"}"#);
        check(&Document::BigNumber("18446744073709551616".into()), r#"{"$number":"18446744073709551616"}"#);
        check(&Document::Blob(vec![0, 255].into()), r#"{"$blob":"AP8="}"#);
        let stamp = Timestamp { seconds: 1_791_374_400, nanos: 500_000_000 };
        check(&Document::Timestamp(stamp), r#"{"$time":"2026-10-07T12:00:00.5Z"}"#);
        let far = Timestamp { seconds: i64::MAX, nanos: 1 };
        check(&Document::Timestamp(far), r#"{"$time":"@9223372036854775807.000000001"}"#);
        check(&map([("b", true.into()), ("a", "\0\"".into())]), r#"{"b":true,"a":"\u0000\""}"#);
        check(&map([("$blob", "x".into()), ("$$", 1i64.into())]), r#"{"$$blob":"x","$$$":1}"#);
        check(&Document::List(vec![map([]), Document::List(vec![])]), "[{},[]]");
        assert!(matches!(decode(r#"{"$float":"NaN"}"#), Ok(Document::Float(nan)) if nan.is_nan()));
    }

    #[test]
    fn says_what_is_wrong() {
        let check = |text: &str, expect: &str| {
            let error = decode(text).unwrap_err().to_string();
            assert!(error.contains(expect), "{text}: {error}");
        };
        check(r#"{"$blob":"?"}"#, r#""$blob" of "?""#);
        check(r#"{"$time":"yesterday"}"#, r#""$time" of "yesterday""#);
        check(r#"{"$new":"x"}"#, r#"nothing is written as "$new""#);
        check(r#"{"a":1,"$blob":""}"#, r#""$blob" stands alone"#);
        check(r#"{"$blob":"","a":1}"#, r#""$blob" stands alone"#);
        check("{", "EOF");
        check("1 2", "trailing");
        check(&"[".repeat(100_000), "nested more deeply");
        let deep = (0..=DEPTH_MAX).fold(Document::Null, |inner, _| Document::List(vec![inner]));
        assert!(encode(&deep).unwrap_err().to_string().contains("nested more deeply"));
    }

    fn documents() -> impl Strategy<Value = Document> {
        let name = prop_oneof!["[$a-c]{0,3}", any::<String>()];
        let leaf = prop_oneof![
            Just(Document::Null),
            any::<bool>().prop_map(Document::from),
            any::<i64>().prop_map(Document::from),
            any::<f64>().prop_filter("NaN is not equal to itself", |value| !value.is_nan()).prop_map(Document::from),
            any::<String>().prop_map(Document::from),
            "[0-9]{20,40}".prop_map(|digits: String| Document::BigNumber(digits.into())),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Document::Blob(bytes.into())),
            (any::<i64>(), 0..1_000_000_000u32)
                .prop_map(|(seconds, nanos)| Document::Timestamp(Timestamp { seconds, nanos })),
            (-9_000_000_000..9_000_000_000i64, 0..1_000_000_000u32)
                .prop_map(|(seconds, nanos)| Document::Timestamp(Timestamp { seconds, nanos })),
        ];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            let entry = (name.clone().prop_map(Key::Owned), inner.clone());
            prop_oneof![
                proptest::collection::vec(inner, 0..5).prop_map(Document::List),
                proptest::collection::vec(entry, 0..5).prop_map(|entries| Document::Map(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_is_lost(document in documents()) {
            let text = encode(&document).unwrap();
            prop_assert!(!text.contains('\n'));
            prop_assert_eq!(decode(&text).unwrap(), document);
        }

        #[test]
        fn no_text_makes_it_panic(text in r#"[\[\]{}",:$a-b0-9.e\\-]{0,40}"#) {
            let _ = decode(&text);
        }
    }
}
