use serde_json::{Value, json};
use standin_model::{Catalogue, Protocol};

use super::*;

fn service(id: &str) -> &'static Service {
    Catalogue::embedded().newest(id).expect("served").open().expect("readable")
}

/// A service of one structure `S` with the given members over a few simple shapes.
fn with_members(members: &Value) -> Service {
    let model = json!({
        "metadata": {"apiVersion": "2020-01-01", "endpointPrefix": "test", "serviceId": "Test", "protocol": "rest-xml"},
        "operations": {},
        "shapes": {
            "S": {"type": "structure", "members": members},
            "Text": {"type": "string"},
            "Number": {"type": "integer"},
            "Double": {"type": "double"},
            "Blob": {"type": "blob"},
            "Time": {"type": "timestamp"},
            "Flag": {"type": "boolean"},
            "Texts": {"type": "list", "member": {"shape": "Text"}},
            "Flat": {"type": "list", "member": {"shape": "Text"}, "flattened": true},
            "FlatNamed": {"type": "list", "member": {"shape": "Text", "locationName": "Item"}, "flattened": true},
            "Named": {"type": "list", "member": {"shape": "Text", "locationName": "Item"}},
            "Map": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Number"}},
            "FlatMap": {"type": "map", "key": {"shape": "Text", "locationName": "K"},
                "value": {"shape": "Texts", "locationName": "V"}, "flattened": true},
            "Spaced": {"type": "list", "member": {"shape": "Text"}, "xmlNamespace": {"prefix": "p", "uri": "urn:list"}},
        },
    });
    standin_model::import::botocore::service(&standin_model::import::botocore::Files {
        service: &model,
        ..Default::default()
    })
    .expect("a model")
}

fn read(members: &Value, xml: &str) -> Result<Value, String> {
    let service = with_members(members);
    let shape = service.shape_named("S").expect("there");
    read_body(&service, shape, xml.as_bytes()).map(|value| value.to_json()).map_err(|error| error.to_string())
}

#[test]
fn reads_what_the_shape_says() {
    let check = |members: Value, xml: &str, expect: Value| {
        assert_eq!(read(&members, xml).as_ref(), Ok(&expect), "{xml}");
    };
    let text = || json!({"A": {"shape": "Text"}});
    check(text(), "<S><A>x</A></S>", json!({"A": "x"}));
    check(text(), "<Any xmlns='urn:x'><A>x</A><B><A>y</A></B></Any>", json!({"A": "x"}));
    check(text(), "<n:S xmlns:n='urn:x'>\n <n:A>x</n:A>\n</n:S>\n", json!({"A": "x"}));
    check(text(), "\u{feff}<?xml version='1.0'?>\n<!-- c --><S><A/></S><!-- c -->", json!({"A": ""}));
    check(text(), "<S><A> \t </A></S>", json!({"A": " \t "}));
    check(
        text(),
        "<S><A>a&lt;&amp;&#x41;&#66;<![CDATA[<&]]>\r\nb&#xD;<!-- c -->d</A></S>",
        json!({"A": "a<&AB<&\nb\rd"}),
    );
    check(text(), "<S><A>a<B>skipped</B>b</A></S>", json!({"A": "ab"}));
    check(text(), "", json!({}));
    check(text(), "<S/>", json!({}));
    let numbers = json!({"I": {"shape": "Number"}, "D": {"shape": "Double"}, "F": {"shape": "Flag"}});
    check(
        numbers.clone(),
        "<S><I> 5 </I><D>-Infinity</D><F>true</F></S>",
        json!({"I": 5, "D": "-Infinity", "F": true}),
    );
    check(
        json!({"B": {"shape": "Blob"}, "T": {"shape": "Time"}}),
        "<S><B>Zm9v\n</B><T>2026-10-07T12:00:00.5Z</T></S>",
        json!({"B": "Zm9v", "T": "2026-10-07T12:00:00.5Z"}),
    );
    // Lists and maps.
    check(json!({"L": {"shape": "Texts"}}), "<S><L><member>a</member><x>b</x></L></S>", json!({"L": ["a", "b"]}));
    check(json!({"L": {"shape": "Texts"}}), "<S><L/></S>", json!({"L": []}));
    check(json!({"L": {"shape": "Flat"}}), "<S><L>a</L><X/><L>b</L></S>", json!({"L": ["a", "b"]}));
    check(json!({"L": {"shape": "FlatNamed"}}), "<S><Item>a</Item><L>b</L></S>", json!({"L": ["a", "b"]}));
    check(
        json!({"L": {"shape": "FlatNamed", "locationName": "M"}}),
        "<S><M>a</M><Item>b</Item><L>c</L></S>",
        json!({"L": ["a", "b", "c"]}),
    );
    check(
        json!({"M": {"shape": "Map"}}),
        "<S><M><entry><value>1</value><key>a</key></entry><entry><key>b</key><value>2</value></entry></M></S>",
        json!({"M": {"a": 1, "b": 2}}),
    );
    check(
        json!({"M": {"shape": "FlatMap"}}),
        "<S><M><K>a</K><V><member>x</member></V></M><M><K>b</K><V/></M><M><K>a</K><V/></M></S>",
        json!({"M": {"a": [], "b": []}}),
    );
    // Attributes, whatever their prefix; members elsewhere in the message are not elements.
    check(
        json!({"T": {"shape": "Text", "locationName": "xsi:type", "xmlAttribute": true}, "H": {"shape": "Text", "location": "header"}}),
        "<S xmlns:i='urn:type' i:type='a&amp;b'><H>x</H></S>",
        json!({"T": "a&b"}),
    );
}

#[test]
fn refuses_what_is_not_xml() {
    let check = |xml: &str, expect: &str| {
        let error = read(&json!({"A": {"shape": "Text"}, "I": {"shape": "Number"}}), xml).expect_err(xml);
        assert!(error.contains(expect), "{xml}: {error}");
    };
    check("<S><A>x</A>", "ends inside");
    check("<S><A>x</S>", "not well-formed");
    check("<S><A", "not well-formed");
    check("{\"A\": 1}", "before the first element");
    check("<S/><S/>", "follows the root");
    check("<S><A>&nbsp;</A></S>", "entity");
    check("<!DOCTYPE S [<!ENTITY a 'b'>]><S><A>&a;</A></S>", "document type");
    check("<S><I>x</I></S>", "I: `x` is not an integer");
    check("<S><I></I></S>", "I: `` is not an integer");
    let not_utf8 = read_body(&with_members(&json!({})), ShapeIx(0), b"<S>\xff</S>").expect_err("not UTF-8");
    assert!(not_utf8.reason.contains("UTF-8"));
}

#[test]
fn depth_is_bounded() {
    // Unknown elements are skipped at any depth.
    let deep = format!("<S>{}{}</S>", "<x>".repeat(100_000), "</x>".repeat(100_000));
    assert_eq!(read(&json!({"A": {"shape": "Text"}}), &deep), Ok(json!({})));
    let nested = format!("<S>{}{}</S>", "<S>".repeat(10_000), "</S>".repeat(10_000));
    let error = read(&json!({"S": {"shape": "S"}}), &nested).expect_err("too deep");
    assert!(error.contains("nested deeper"), "{error}");
}

fn written(members: &Value, value: &Document) -> String {
    let service = with_members(members);
    let shape = service.shape_named("S").expect("there");
    let mut out = Vec::new();
    write_body(&service, shape, "Root", Some("urn:x"), value, &mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("a declaration").to_owned()
}

#[test]
fn writes_what_the_shape_says() {
    let check = |members: Value, value: Value, expect: &str| {
        assert_eq!(
            written(&members, &Document::from_json(&value)),
            expect.replace("<Root", "<Root xmlns=\"urn:x\""),
            "{value}"
        );
    };
    let text = || json!({"A": {"shape": "Text"}});
    check(text(), json!({"A": "x"}), "<Root><A>x</A></Root>");
    check(text(), json!({"A": ""}), "<Root><A/></Root>");
    check(text(), json!({"A": null, "Unknown": 1}), "<Root/>");
    check(text(), json!({"A": ["misfit"]}), "<Root/>");
    check(
        text(),
        json!({"A": "<&>\"'\r\n\t \u{1}\u{ffff}é"}),
        "<Root><A>&lt;&amp;&gt;\"'&#xD;\n\t \u{fffd}\u{fffd}é</A></Root>",
    );
    check(json!({"D": {"shape": "Double"}}), json!({"D": 1}), "<Root><D>1</D></Root>");
    check(
        json!({"L": {"shape": "Texts"}}),
        json!({"L": ["a", "b"]}),
        "<Root><L><member>a</member><member>b</member></L></Root>",
    );
    check(
        json!({"L": {"shape": "Named", "locationName": "N"}}),
        json!({"L": ["a"]}),
        "<Root><N><Item>a</Item></N></Root>",
    );
    check(json!({"L": {"shape": "Texts"}}), json!({"L": []}), "<Root><L/></Root>");
    check(
        json!({"L": {"shape": "Texts", "flattened": true}}),
        json!({"L": ["a", "b"]}),
        "<Root><L>a</L><L>b</L></Root>",
    );
    check(json!({"L": {"shape": "FlatNamed"}}), json!({"L": ["a"]}), "<Root><Item>a</Item></Root>");
    check(json!({"L": {"shape": "FlatNamed", "locationName": "M"}}), json!({"L": ["a"]}), "<Root><M>a</M></Root>");
    check(
        json!({"M": {"shape": "Map"}}),
        json!({"M": {"a": 1}}),
        "<Root><M><entry><key>a</key><value>1</value></entry></M></Root>",
    );
    check(
        json!({"M": {"shape": "FlatMap"}}),
        json!({"M": {"a": ["x"]}}),
        "<Root><M><K>a</K><V><member>x</member></V></M></Root>",
    );
    check(
        json!({"L": {"shape": "Spaced"}}),
        json!({"L": ["a"]}),
        "<Root><L xmlns:p=\"urn:list\"><member>a</member></L></Root>",
    );
    check(
        json!({"A": {"shape": "Text", "xmlNamespace": {"uri": "urn:y"}}, "H": {"shape": "Text", "location": "header"}}),
        json!({"H": "no", "A": "x"}),
        "<Root><A xmlns=\"urn:y\">x</A></Root>",
    );
    check(
        json!({"T": {"shape": "Text", "locationName": "a:type", "xmlAttribute": true}, "A": {"shape": "Text"}}),
        json!({"A": "x", "T": "<\"\n"}),
        "<Root a:type=\"&lt;&quot;&#xA;\"><A>x</A></Root>",
    );
}

#[test]
fn s3_answers_as_s3_does() {
    let s3 = service("s3");
    let check = |shape: &str, value: Value, expect: &str| {
        let shape = s3.shape_named(shape).expect("modelled");
        let value = Document::from_json(&value);
        let mut out = Vec::new();
        write_body(s3, shape, "Ignored", namespace(s3).as_deref(), &value, &mut out);
        let text = String::from_utf8(out).expect("UTF-8");
        let expect = expect.replace("<<", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<");
        assert_eq!(text.replace(" xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"", ""), expect);
        assert_eq!(read_body(s3, shape, text.as_bytes()), Ok(value));
    };
    check(
        "GetBucketLocationOutput",
        json!({"LocationConstraint": "eu-west-1"}),
        "<<LocationConstraint>eu-west-1</LocationConstraint>",
    );
    check("GetBucketLocationOutput", json!({}), "<<LocationConstraint/>");
    check(
        "ListObjectsV2Output",
        json!({"Prefix": "a b/", "Contents": [{"Key": "a b/ü+\r", "Size": 1}], "EncodingType": "url"}),
        "<<ListBucketResult><Prefix>a%20b/</Prefix><Contents><Key>a%20b/%C3%BC%2B%0D</Key><Size>1</Size></Contents><EncodingType>url</EncodingType></ListBucketResult>",
    );
    check(
        "ListObjectsV2Output",
        json!({"CommonPrefixes": [{"Prefix": "a%20b/"}], "KeyCount": 1}),
        "<<ListBucketResult><CommonPrefixes><Prefix>a%20b/</Prefix></CommonPrefixes><KeyCount>1</KeyCount></ListBucketResult>",
    );
    check("ListPartsOutput", json!({"UploadId": "u"}), "<<ListPartsResult><UploadId>u</UploadId></ListPartsResult>");
    for entry in Catalogue::embedded().versions("s3") {
        let s3 = entry.open().expect("readable");
        for (shape, _) in s3::ROOTS {
            assert!(s3.shape_named(shape).is_some(), "{shape} is not modelled");
        }
    }
    assert!(s3::ROOTS.is_sorted(), "binary search needs the order");
}

#[test]
fn errors_have_the_envelope_of_their_protocol() {
    let check = |protocol, service: Option<&Service>, code: &str, message: &str, members: Value, expect: &str| {
        let shape = service.and_then(|service| service.shape_named(code));
        let Document::Map(members) = Document::from_json(&members) else { panic!("members are an object") };
        let bytes = write_error(protocol, service, shape, code, message, false, &members, "id-1");
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert_eq!(text.replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", ""), expect);
        let Some(service) = service else { return };
        let back = read_error(protocol, service, &service.operations[0], text.as_bytes()).expect("an envelope");
        let of_model: standin_model::Fields = if shape.is_some() { members } else { standin_model::Fields::new() };
        assert_eq!(back, (code.to_owned(), message.to_owned(), of_model, Some("id-1".to_owned())));
    };
    check(
        Protocol::AwsQuery,
        Some(service("iam")),
        "NoSuchEntity",
        "no <user>",
        json!({}),
        "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type>\
         <Code>NoSuchEntity</Code><Message>no &lt;user&gt;</Message></Error><RequestId>id-1</RequestId></ErrorResponse>",
    );
    check(
        Protocol::RestXml,
        Some(service("route53")),
        "InvalidChangeBatch",
        "",
        json!({"messages": ["a", "b"]}),
        "<ErrorResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Error><Type>Sender</Type>\
         <Code>InvalidChangeBatch</Code><messages><Message>a</Message><Message>b</Message></messages></Error>\
         <RequestId>id-1</RequestId></ErrorResponse>",
    );
    check(
        Protocol::RestXml,
        Some(service("s3")),
        "InvalidObjectState",
        "m",
        json!({"StorageClass": "GLACIER"}),
        "<Error><Code>InvalidObjectState</Code><Message>m</Message><StorageClass>GLACIER</StorageClass>\
         <RequestId>id-1</RequestId><HostId>id-1</HostId></Error>",
    );
    check(
        Protocol::RestXml,
        Some(service("s3")),
        "MethodNotAllowed",
        "m",
        json!({"Method": "PUT", "Allowed": 2, "No name": "x", "Nested": {}}),
        "<Error><Code>MethodNotAllowed</Code><Message>m</Message><Method>PUT</Method><Allowed>2</Allowed>\
         <RequestId>id-1</RequestId><HostId>id-1</HostId></Error>",
    );
    check(
        Protocol::Ec2Query,
        Some(service("ec2")),
        "InvalidVpcID.NotFound",
        "m",
        json!({}),
        "<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>m</Message></Error></Errors>\
         <RequestID>id-1</RequestID></Response>",
    );
    check(
        Protocol::RestXml,
        None,
        "UnknownOperationException",
        "m",
        json!({}),
        "<ErrorResponse><Error><Type>Sender</Type><Code>UnknownOperationException</Code><Message>m</Message></Error>\
         <RequestId>id-1</RequestId></ErrorResponse>",
    );
}

#[test]
fn only_envelopes_are_errors() {
    let check = |bytes: &str, expect: Option<(&str, Option<&str>)>| {
        let iam = service("iam");
        let read = read_error(Protocol::AwsQuery, iam, &iam.operations[0], bytes.as_bytes());
        let read = read.as_ref().map(|(code, _, _, id)| (code.as_str(), id.as_deref()));
        assert_eq!(read, expect, "{bytes}");
    };
    check("", None);
    check("<html><body>Bad Gateway</body></html>", None);
    check("<html><br>", None);
    check("<ErrorResponse><Error><Message>m</Message></Error></ErrorResponse>", None);
    check("<Error><Code> A </Code><Resource><Code>B</Code></Resource></Error>", Some(("A", None)));
    check(
        "<Response><Errors><Error><Code>A</Code></Error><Error><Code>B</Code></Error></Errors><RequestID>r</RequestID></Response>",
        Some(("A", Some("r"))),
    );
}

#[test]
fn cut_off_documents_are_refused_wherever_the_cut_is() {
    let s3 = service("s3");
    let shape = s3.shape_named("AccessControlPolicy").expect("modelled");
    let whole = "<AccessControlPolicy xmlns=\"urn:s3\"><Owner><ID>é&amp;</ID></Owner><AccessControlList><Grant>\
        <Grantee xmlns:xsi=\"urn:xsi\" xsi:type=\"Group\"><URI><![CDATA[u]]></URI></Grantee></Grant></AccessControlList>\
        </AccessControlPolicy>";
    assert!(read_body(s3, shape, whole.as_bytes()).is_ok());
    for length in 1..whole.len() {
        assert!(read_body(s3, shape, &whole.as_bytes()[..length]).is_err(), "{}", &whole[..length]);
    }
}

proptest::proptest! {
    /// Nothing that looks like XML makes a reader panic.
    #[test]
    fn any_input_ends_in_a_value_or_an_error(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "<", ">", "/>", "</", "<Owner>", "</Owner>", "<Grant>", "<Grantee xsi:type='a'", "<Error>", "<Code>", "<Errors>",
                "Code", "x", " ", "\n", "&", "&#x", "&#0;", "amp;", ";", "\"", "'", "=", "<!--", "-->", "<![CDATA[", "]]>",
                "<?", "?>", "<!DOCTYPE", "[", "]", ":", "é", "\u{0}",
            ]),
            0..40,
        )
    ) {
        let text = parts.concat();
        let s3 = service("s3");
        let shape = s3.shape_named("AccessControlPolicy").expect("modelled");
        let _ = read_body(s3, shape, text.as_bytes());
        let _ = read_error(Protocol::RestXml, s3, &s3.operations[0], text.as_bytes());
    }
}
