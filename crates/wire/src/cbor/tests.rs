use standin_model::Timestamp;

use super::*;

const MODEL: &str = r#"{
  "metadata": {"endpointPrefix": "test", "protocol": "smithy-rpc-v2-cbor", "serviceId": "Test", "targetPrefix": "Test"},
  "operations": {"Op": {"name": "Op", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "S"}}},
  "shapes": {
    "S": {"type": "structure", "members": {
      "Text": {"shape": "Text"}, "Int": {"shape": "Int"}, "Long": {"shape": "Long"}, "Big": {"shape": "Big"},
      "Decimal": {"shape": "Decimal"}, "Float": {"shape": "Float"}, "Double": {"shape": "Double"},
      "Bool": {"shape": "Bool"}, "Blob": {"shape": "Blob"}, "Time": {"shape": "Time"}, "List": {"shape": "List"},
      "Sparse": {"shape": "SparseList"}, "Map": {"shape": "Map"}, "Any": {"shape": "Any"}, "Nested": {"shape": "S"}}},
    "Text": {"type": "string"}, "Int": {"type": "integer"}, "Long": {"type": "long"}, "Big": {"type": "biginteger"},
    "Decimal": {"type": "bigdecimal"}, "Float": {"type": "float"}, "Double": {"type": "double"},
    "Bool": {"type": "boolean"}, "Blob": {"type": "blob"},
    "Time": {"type": "timestamp", "timestampFormat": "iso8601"},
    "List": {"type": "list", "member": {"shape": "Int"}},
    "SparseList": {"type": "list", "member": {"shape": "Int"}, "sparse": true},
    "Map": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}},
    "Any": {"type": "structure", "members": {}, "document": true}
  }}"#;

fn service() -> Service {
    standin_model::import::any(MODEL).expect("a model").remove(0)
}

/// Bytes from text: hexadecimal digits, and texts in quotes standing for their own bytes.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, part) in text.split('\'').enumerate() {
        if at % 2 == 1 {
            out.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u8> = part.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        for pair in digits.chunks(2) {
            out.push(u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal"));
        }
    }
    out
}

fn read_s(bytes: &[u8]) -> Result<Document, DecodeError> {
    let service = service();
    read(&service, service.shape_named("S").expect("there"), bytes)
}

fn member(text: &str) -> Result<Document, String> {
    let read = read_s(&bytes(text)).map_err(|error| error.to_string())?;
    let value = read.as_map().and_then(|fields| fields.iter().next()).map(|(_, value)| value.clone());
    Ok(value.unwrap_or_default())
}

fn written(name: &'static str, value: Document) -> Vec<u8> {
    let service = service();
    let mut fields = Fields::new();
    fields.push(name, value);
    let mut out = Vec::new();
    write(&service, service.shape_named("S").expect("there"), &Document::Map(fields), &mut out);
    out
}

#[test]
fn reads_each_form() {
    let check = |text: &str, expect: Document| assert_eq!(member(text), Ok(expect), "{text}");
    check("a1 64'Text' 62'hi'", "hi".into());
    check("bf 7f 62'Te' 62'xt' ff 7f 61'h' 61'i' ff ff", "hi".into());
    check("a1 63'Int' 38 63", (-100_i64).into());
    check("a1 63'Int' f9 4500", 5_i64.into());
    check("a1 64'Long' 1b 7fffffffffffffff", i64::MAX.into());
    check("a1 63'Big' 1b ffffffffffffffff", Document::BigNumber("18446744073709551615".into()));
    check("a1 63'Big' c2 49 010000000000000000", Document::BigNumber("18446744073709551616".into()));
    check("a1 63'Big' c3 49 010000000000000000", Document::BigNumber("-18446744073709551617".into()));
    check("a1 67'Decimal' c4 82 21 19 6ab3", Document::BigNumber("27315e-2".into()));
    check("a1 66'Double' f9 3e00", 1.5.into());
    check("a1 66'Double' f9 7c00", f64::INFINITY.into());
    check("a1 65'Float' fa 3f8ccccd", 1.1.into());
    check("a1 66'Double' fb 3ff199999999999a", 1.1.into());
    check("a1 66'Double' 05", Document::Int(5));
    check("a1 64'Bool' f5", true.into());
    check("a1 64'Blob' 43 010203", Document::Blob(vec![1, 2, 3].into()));
    check("a1 64'Blob' 5f 41 01 42 0203 ff", Document::Blob(vec![1, 2, 3].into()));
    let stamp = Document::Timestamp(Timestamp::from_seconds(1_000_000_000));
    check("a1 64'Time' c1 1a 3b9aca00", stamp.clone());
    check("a1 64'Time' c1 fb 41cdcd6500000000", stamp.clone());
    check("a1 64'Time' 1a 3b9aca00", stamp);
    check("a1 64'List' 9f 01 f6 02 ff", Document::List(vec![1_i64.into(), 2_i64.into()]));
    check("a1 66'Sparse' 82 01 f7", Document::List(vec![1_i64.into(), Document::Null]));
    check("a1 63'Map' bf 61'a' 61'b' 61'n' f6 ff", Document::Map([("a".into(), "b".into())].into_iter().collect()));
    check("a2 67'unknown' a1 01 9f d8 20 f4 5f ff f8 ff ff 63'Int' 07", 7_i64.into());
    check("a1 63'Int' f6", Document::Null);
    for empty in ["", "a0", "bfff", "f6"] {
        assert_eq!(read_s(&bytes(empty)), Ok(Document::map()), "{empty}");
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let check = |text: &str, expect: &str| assert_eq!(member(text), Err(expect.to_owned()), "{text}");
    check("a1 64'Text' 05", "Text: found CBOR u8, expected a text string");
    check("a1 63'Int' 1a 80000000", "Int: a number that is not an integer");
    check("a1 63'Int' f9 3e00", "Int: a number that is not an integer");
    check("a1 66'Nested' a1 64'List' 82 01 61'x'", "Nested.List.member.2: found CBOR string, expected a number");
    check("a1 64'Blob' 61'x'", "Blob: found CBOR string, expected a byte string");
    check("a1 64'Time' c1 f9 7e00", "Time: a timestamp out of range");
    check("80", "found CBOR array, expected a map");
    check("a0 00", "1 bytes follow the CBOR data");
    check("a1 01 02", "found CBOR u8, expected a text string");
    check("a1 63'Big' c2 59 0100 00", "Big: the CBOR data ends too early");
}

#[test]
fn refuses_what_is_not_cbor() {
    for text in [
        "a1",
        "bf",
        "a1 64'Text'",
        "a1 64'Text' 65'hi'",
        "a1 64'Text' 62 ffff",
        "a1 63'Int' 1c",
        "ff",
        "a1 61'u' ff",
        "fc",
        "bb ffffffffffffffff",
        "a1 64'List' 9b ffffffffffffffff",
        "a1 64'Text' 7b ffffffffffffffff 'x'",
        "a1 64'Blob' 5b 7fffffffffffffff 00",
        "a1 64'Text' 7f 41 00 ff",
        "bf 61'a' ff",
        "a1 61'u' c1",
        "c1",
        "1f",
    ] {
        assert!(read_s(&bytes(text)).is_err(), "{text}");
    }
    // Every truncation of a good text fails, and none panics.
    let whole = bytes("a3 64'Text' 62'hi' 64'List' 9f 01 02 ff 64'Time' c1 fb 41cdcd6500000000");
    assert!(read_s(&whole).is_ok());
    for end in 1..whole.len() {
        assert!(read_s(&whole[..end]).is_err(), "{end}");
    }
}

#[test]
fn depth_is_bounded() {
    for open in ["a1 66'Nested'", "bf 66'Nested'", "a1 61'u' ", "a1 63'Any'"] {
        let error = read_s(&bytes(open).repeat(10_000)).expect_err("too deep");
        assert_eq!(error.reason, "nested deeper than 128 levels", "{open}");
    }
    for open in ["81", "9f", "c1"] {
        let data = [bytes("a1 61'u'"), bytes(open).repeat(100_000)].concat();
        assert!(read_s(&data).is_err(), "{open}");
    }
}

#[test]
fn writes_each_form() {
    let check = |name: &'static str, value: Document, expect: &str| {
        assert_eq!(written(name, value.clone()), bytes(expect), "{value:?}");
    };
    check("Text", "hi".into(), "a1 64'Text' 62'hi'");
    check("Int", (-100_i64).into(), "a1 63'Int' 38 63");
    check("Int", (1_i64 << 40).into(), "a0");
    check("Long", i64::MIN.into(), "a1 64'Long' 3b 7fffffffffffffff");
    check("Big", Document::BigNumber("18446744073709551616".into()), "a1 63'Big' c2 49 010000000000000000");
    check("Big", Document::BigNumber("-18446744073709551617".into()), "a1 63'Big' c3 49 010000000000000000");
    check("Decimal", Document::BigNumber("273.15".into()), "a1 67'Decimal' c4 82 21 19 6ab3");
    check("Decimal", Document::BigNumber("27315e-2".into()), "a1 67'Decimal' c4 82 21 19 6ab3");
    check("Float", 1.1.into(), "a1 65'Float' fa 3f8ccccd");
    check("Double", 5_i64.into(), "a1 66'Double' fb 4014000000000000");
    check("Double", f64::NEG_INFINITY.into(), "a1 66'Double' f9 fc00");
    check("Double", "1.5".into(), "a1 66'Double' fb 3ff8000000000000");
    check("Blob", Document::Blob("x".into()), "a1 64'Blob' 41'x'");
    check("Time", Timestamp::from_seconds(1_000_000_000).into(), "a1 64'Time' c1 1a 3b9aca00");
    check("Time", Timestamp::from_millis(1_500).into(), "a1 64'Time' c1 fb 3ff8000000000000");
    check("List", Document::List(vec![1_i64.into(), Document::Null, "x".into()]), "a1 64'List' 81 01");
    check("Sparse", Document::List(vec![1_i64.into(), Document::Null]), "a1 66'Sparse' 82 01 f6");
    check("Nested", Document::Null, "a0");
    check("Unknown", 1_i64.into(), "a0");
    check("Any", Document::List(vec![Document::Null, true.into()]), "a1 63'Any' 82 f6 f5");
}
