use standin_model::Timestamp;

use super::*;

/// One of each kind; `S` refers to itself.
const MODEL: &str = r#"{
  "metadata": {"endpointPrefix": "test", "protocol": "rest-json", "serviceId": "Test"},
  "operations": {"Op": {"name": "Op", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "S"}}},
  "shapes": {
    "S": {"type": "structure", "members": {
      "Text": {"shape": "Text", "locationName": "text"}, "Int": {"shape": "Int"}, "Long": {"shape": "Long"},
      "Big": {"shape": "Big"}, "Decimal": {"shape": "Decimal"}, "Float": {"shape": "Float"},
      "Double": {"shape": "Double"}, "Bool": {"shape": "Bool"}, "Blob": {"shape": "Blob"},
      "Time": {"shape": "Time"}, "Date": {"shape": "Time", "timestampFormat": "iso8601"},
      "Http": {"shape": "HttpTime"}, "List": {"shape": "List"}, "Sparse": {"shape": "SparseList"},
      "Map": {"shape": "Map"}, "SparseMap": {"shape": "SparseMap"}, "Any": {"shape": "Any"},
      "Json": {"shape": "Text", "jsonvalue": true}, "Nested": {"shape": "S"},
      "Header": {"shape": "Text", "location": "header", "locationName": "x-header"}}},
    "Text": {"type": "string"}, "Int": {"type": "integer"}, "Long": {"type": "long"}, "Big": {"type": "biginteger"},
    "Decimal": {"type": "bigdecimal"}, "Float": {"type": "float"}, "Double": {"type": "double"},
    "Bool": {"type": "boolean"}, "Blob": {"type": "blob"}, "Time": {"type": "timestamp"},
    "HttpTime": {"type": "timestamp", "timestampFormat": "rfc822"},
    "List": {"type": "list", "member": {"shape": "Int"}},
    "SparseList": {"type": "list", "member": {"shape": "Int"}, "sparse": true},
    "Map": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}},
    "SparseMap": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}, "sparse": true},
    "Any": {"type": "structure", "members": {}, "document": true}
  }}"#;

fn service() -> Service {
    standin_model::import::any(MODEL).expect("a model").remove(0)
}

fn read_s(text: &str) -> Result<Document, DecodeError> {
    let service = service();
    read(&service, service.shape_named("S").expect("there"), text.as_bytes())
}

fn member(text: &str) -> Result<Document, String> {
    let read = read_s(text).map_err(|error| error.to_string())?;
    let value = read.as_map().and_then(|fields| fields.iter().next()).map(|(_, value)| value.clone());
    Ok(value.unwrap_or_default())
}

fn written(fields: Fields) -> String {
    let service = service();
    let mut out = Vec::new();
    write(&service, service.shape_named("S").expect("there"), &Document::Map(fields), &mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}

#[test]
fn reads_each_kind() {
    let check = |text: &str, expect: Document| assert_eq!(member(text), Ok(expect), "{text}");
    check(r#"{"text":"a\n\"\\\/\u00e9\ud83d\ude00é"}"#, Document::from("a\n\"\\/é😀é"));
    check(r#"{"Text":"own name"}"#, Document::from("own name"));
    check(r#"{"text":"\ud83dx\udc00"}"#, Document::from("\u{FFFD}x\u{FFFD}"));
    check(r#"{"Int":-5}"#, Document::Int(-5));
    check(r#"{"Int":5.0}"#, Document::Int(5));
    check(r#"{"Long":9223372036854775807}"#, Document::Int(i64::MAX));
    check(r#"{"Big":123456789012345678901234567890}"#, Document::BigNumber("123456789012345678901234567890".into()));
    check(r#"{"Decimal":0.1234567890123456789}"#, Document::BigNumber("0.1234567890123456789".into()));
    check(r#"{"Double":-1.5e-3}"#, Document::Float(-0.0015));
    check(r#"{"Float":"-Infinity"}"#, Document::Float(f64::NEG_INFINITY));
    check(r#"{"Bool":false}"#, Document::Bool(false));
    check(r#"{"Blob":"Zm9v"}"#, Document::Blob("foo".into()));
    let noon = Document::Timestamp(Timestamp::from_seconds(1_791_374_400));
    for stamp in ["1791374400", "1791374400.0", "1.7913744e9", "\"2026-10-07T12:00:00Z\"", "\"1791374400\""] {
        check(&format!("{{\"Time\":{stamp}}}"), noon.clone());
    }
    check(r#"{"List":[1,null,2]}"#, Document::List(vec![1_i64.into(), 2_i64.into()]));
    check(r#"{"Sparse":[1,null]}"#, Document::List(vec![1_i64.into(), Document::Null]));
    check(r#"{"Map":{"a":"b","n":null}}"#, Document::Map([("a".into(), "b".into())].into_iter().collect()));
    check(r#"{"SparseMap":{"n":null}}"#, Document::Map([("n".into(), Document::Null)].into_iter().collect()));
    check(r#"{"Json":{"a": [1]}}"#, Document::from("{\"a\": [1]}"));
    check(r#"{"Any":{"a":[null,true,1,2.5,"x"]}}"#, {
        let items = vec![Document::Null, true.into(), 1_i64.into(), 2.5.into(), "x".into()];
        Document::Map([("a".into(), Document::List(items))].into_iter().collect())
    });
    check(r#"{"unknown":{"a":[{},[1,2e5,"\"]"],null]},"Int":7}"#, Document::Int(7));
    check(r#"{"Int":null}"#, Document::Null);
    for empty in ["", "  ", "{}", "null", "\u{FEFF}{}"] {
        assert_eq!(read_s(empty), Ok(Document::map()), "{empty:?}");
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let check = |text: &str, expect: &str| assert_eq!(member(text), Err(expect.to_owned()), "{text}");
    check(r#"{"text":5}"#, "Text: NUMBER_VALUE can not be converted to a String");
    check(r#"{"Int":"5"}"#, "Int: STRING_VALUE can not be converted to an Integer");
    check(r#"{"Int":2147483648}"#, "Int: `2147483648` is not an integer");
    check(r#"{"Int":1.5}"#, "Int: `1.5` is not an integer");
    check(r#"{"Bool":"true"}"#, "Bool: STRING_VALUE can not be converted to a Boolean");
    check(r#"{"Double":"1.5"}"#, "Double: STRING_VALUE can not be converted to a Double");
    check(r#"{"Double":NaN}"#, "Double: found 'N' at byte 10 of the JSON text, expected a value");
    check(r#"{"text":["a"]}"#, "Text: Start of list found where not expected");
    check(r#"{"List":{}}"#, "List: Start of structure or map found where not expected");
    check(r#"{"Nested":{"List":[1,"x"]}}"#, "Nested.List.member.2: STRING_VALUE can not be converted to an Integer");
    check(r#"{"Map":{"k":true}}"#, "Map.k: TRUE_VALUE can not be converted to a String");
    check(r#"{"Time":"noon"}"#, "Time: `noon` is not a timestamp");
    check(r#"{"Time":1e300}"#, "Time: `1e300` is not a timestamp");
    check(r#"{"Blob":"?"}"#, "Blob: `?` is not base64");
    check(r#"{"Nested":5}"#, "Nested: Expected null or a structure");
    check("[]", "Start of list found where not expected");
    check(r#"{"Int":1}x"#, "found 'x' at byte 9 of the JSON text, expected the end of the JSON text");
}

#[test]
fn refuses_what_is_not_json() {
    for text in [
        "{",
        "}",
        "{\"",
        "{\"a",
        "{\"Int\"",
        "{\"Int\":",
        "{\"Int\":1",
        "{\"Int\":1,",
        "{\"Int\":1,}",
        "{,}",
        "{\"Int\" 1}",
        "{\"List\":[1,]}",
        "{\"List\":[,1]}",
        "{\"List\":[1 2]}",
        "{\"List\":[1}",
        "{\"Int\":01}",
        "{\"Int\":-}",
        "{\"Int\":1.}",
        "{\"Int\":1e}",
        "{\"Int\":+1}",
        "{\"text\":\"\t\"}",
        "{\"text\":\"\\x\"}",
        "{\"text\":\"\\u12\"}",
        "{\"text\":\"a\\",
        "{\"u\":tru}",
        "{\"u\":nul",
        "{'a':1}",
        "<xml/>",
        "{\"u\":[}",
        "{\"u\":{]}",
        "{\"u\":-",
    ] {
        assert!(read_s(text).is_err(), "{text}");
    }
    let service = service();
    let shape = service.shape_named("S").expect("there");
    assert!(read(&service, shape, b"{\"text\":\"\xff\"}").is_err());
}

#[test]
fn depth_is_bounded() {
    for (open, close) in [("{\"Nested\":", "}"), ("{\"unknown\":", "}"), ("{\"Any\":", "}")] {
        let nested = |depth: usize| format!("{}{{}}{}", open.repeat(depth), close.repeat(depth));
        assert!(read_s(&nested(crate::DEPTH_MAX - 1)).is_ok(), "{open}");
        for depth in [crate::DEPTH_MAX, 10_000, 1_000_000] {
            let error = read_s(&nested(depth)).expect_err("too deep");
            assert_eq!(error.reason, "nested deeper than 128 levels");
        }
    }
    assert!(read_s(&format!("{{\"unknown\":{}", "[".repeat(10_000))).is_err());
}

#[test]
fn writes_each_kind() {
    let check = |name: &'static str, value: Document, expect: &str| {
        let mut fields = Fields::new();
        fields.push(name, value);
        assert_eq!(written(fields), expect);
    };
    check("Text", "a\u{1}\n\"\\é".into(), "{\"text\":\"a\\u0001\\n\\\"\\\\é\"}");
    check("Int", 5_i64.into(), r#"{"Int":5}"#);
    check("Int", (1_i64 << 40).into(), "{}");
    check("Int", "12".into(), r#"{"Int":12}"#);
    check("Text", 12_i64.into(), r#"{"text":"12"}"#);
    check(
        "Big",
        Document::BigNumber("123456789012345678901234567890".into()),
        r#"{"Big":123456789012345678901234567890}"#,
    );
    check("Float", 1.1.into(), r#"{"Float":1.1}"#);
    check("Double", f64::NAN.into(), r#"{"Double":"NaN"}"#);
    check("Double", 3_i64.into(), r#"{"Double":3}"#);
    check("Bool", true.into(), r#"{"Bool":true}"#);
    check("Blob", Document::Blob("fo".into()), r#"{"Blob":"Zm8="}"#);
    check("Time", Timestamp::from_millis(1_791_374_400_500).into(), r#"{"Time":1791374400.5}"#);
    check("Date", Timestamp::from_seconds(1_791_374_400).into(), r#"{"Date":"2026-10-07T12:00:00Z"}"#);
    check("Http", Timestamp::from_seconds(1_791_374_400).into(), r#"{"Http":"Wed, 07 Oct 2026 12:00:00 GMT"}"#);
    check("Sparse", Document::List(vec![Document::Null, 1_i64.into()]), r#"{"Sparse":[null,1]}"#);
    check("List", Document::List(vec![Document::Null, "x".into(), 1_i64.into()]), r#"{"List":[1]}"#);
    check("Unknown", 1_i64.into(), "{}");
    check("Json", "{\"a\":1}".into(), r#"{"Json":"{\"a\":1}"}"#);
    check("Json", Document::List(vec![1_i64.into()]), r#"{"Json":"[1]"}"#);
    check("Nested", Document::Null, "{}");
    check("Nested", Document::map(), r#"{"Nested":{}}"#);
    check("Any", Document::List(vec![Document::Null, f64::INFINITY.into()]), r#"{"Any":[null,"Infinity"]}"#);
}

#[test]
fn bodies_leave_out_what_is_bound_elsewhere() {
    let service = service();
    let shape = service.shape_named("S").expect("there");
    let mut fields = Fields::new();
    fields.push("Header", "h");
    fields.push("Int", 1_i64);
    let mut out = Vec::new();
    write_body(&service, shape, &Document::Map(fields), &mut out);
    assert_eq!(out, br#"{"Int":1}"#);
    let read = read_body(&service, shape, br#"{"x-header":"h","Int":1}"#).expect("JSON");
    assert_eq!(read.as_map().map(Fields::len), Some(1));
}
