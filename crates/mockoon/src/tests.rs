//! Whole environments, asked without sockets.

use std::net::IpAddr;
use std::path::PathBuf;

use bytes::Bytes;
use serde_json::{Value, json};
use standin_core::Clock;
use standin_template::Random;

use super::*;

mod outgoing;

fn server_with(environment: &Value, options: Options) -> Server {
    let mut environment = environment.clone();
    environment["lastMigration"] = json!(33);
    let environment = Environment::load(environment.to_string().as_bytes(), false).unwrap();
    Server::new(environment, options, Clock::real(), Random::seeded(1))
}

fn server(environment: &Value) -> Server {
    server_with(environment, Options { admin_token: "secret".to_owned(), ..Options::default() })
}

/// Sends `METHOD /path`, then headers, an empty line and the body, in the lines of a text.
fn ask(server: &Server, request: &str) -> Answer {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let mut lines = head.lines();
    let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
    let mut builder = http::Request::builder().method(method).uri(path).header("host", "localhost:3000");
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        builder = builder.header(name, value);
    }
    let request = builder.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    match server.react(request, IpAddr::from([127, 0, 0, 1])) {
        Reaction::Answer(answer) => answer,
        other => panic!("no answer but {other:?}"),
    }
}

fn body(answer: &Answer) -> String {
    match answer.response.body() {
        Body::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Body::File { path, start, length } => {
            let bytes = std::fs::read(path).unwrap();
            let (start, length) = (usize::try_from(*start).unwrap(), usize::try_from(*length).unwrap());
            String::from_utf8_lossy(&bytes[start..start + length]).into_owned()
        }
    }
}

/// Status and body.
fn told(server: &Server, request: &str) -> String {
    let answer = ask(server, request);
    format!("{} {}", answer.response.status().as_u16(), body(&answer))
}

fn header(answer: &Answer, name: &str) -> String {
    let values: Vec<_> =
        answer.response.headers().get_all(name).iter().map(|value| value.to_str().unwrap_or("?")).collect();
    values.join(" | ")
}

fn route(method: &str, endpoint: &str, responses: impl Into<Value>) -> Value {
    let responses: Value = responses.into();
    json!({ "method": method, "endpoint": endpoint, "responses": responses })
}

fn one(method: &str, endpoint: &str, body: &str) -> Value {
    route(method, endpoint, json!([{ "body": body }]))
}

#[test]
fn routes_are_tried_in_order() {
    let server = server(&json!({ "endpointPrefix": "api", "routes": [
        one("get", "users/:id", "{{urlParam 'id'}}"),
        one("get", "users/special", "never"),
        one("post", "users/:id", "posted"),
        one("all", "any/*", "{{{stringify (urlParam 'wildcard0')}}}"),
        one("get", "bad/:a:b", "never"),
        one("get", "hash#x=1", "never"),
        one("propfind", "dav", "dav"),
        one("get", "", "root"),
        route("get", "none", json!([])),
        one("get", "none", "next"),
        one("get", "", "other root"),
    ] }));
    let check = |request: &str, expect: &str| assert_eq!(told(&server, request), expect, "{request}");
    check("GET /api/users/a%2Fb", "200 a/b");
    // 24
    check("GET /api/users/special", "200 special");
    check("POST /api/users/1", "200 posted");
    // 18, 19
    check("GET //API//Users/1", "200 1");
    // 35, 37
    check("OPTIONS /api/any/a", "200 [\n  \"a\"\n]");
    check("PROPFIND /api/dav", "200 dav");
    // 43, 50
    check("GET /api/", "200 root");
    assert_eq!(ask(&server, "GET /api").response.status(), 404);
    check("GET /api/none", "200 next");
    // 33, 34, 36
    for request in ["GET /api/bad/1", "GET /api/hash", "GET /api/hash%23x=1", "HEAD /api/users/1", "PUT /api/users/1"] {
        assert_eq!(ask(&server, request).response.status(), 404, "{request}");
    }
    let notes: Vec<_> = server.notes().iter().map(ToString::to_string).collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].starts_with("GET /bad/:a:b: Invalid route path: Missing text before \"b\" param"), "{notes:?}");
    assert!(notes[1].starts_with("GET /hash#x=1: an endpoint with a #"), "{notes:?}");
}

#[test]
fn what_is_not_there_is_told_as_express_does() {
    // 40 to 42
    let server = server(&json!({ "headers": [{ "key": "X-Env", "value": "1" }] }));
    let answer = ask(&server, "GET //a'b&c?d=e");
    assert_eq!(answer.response.status(), 404);
    assert_eq!(
        body(&answer),
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n<body>\n\
         <pre>Cannot GET //a&#39;b&amp;c</pre>\n</body>\n</html>\n"
    );
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", "default-src 'none'"),
        ("x-content-type-options", "nosniff"),
        ("x-env", "1"),
    ] {
        assert_eq!(header(&answer, name), value);
    }
    assert_eq!(body(&ask(&server, "HEAD /x")), "");
}

#[test]
fn bad_escapes_are_refused_before_any_route() {
    // 22, 23
    let server = server(&json!({ "routes": [one("all", "*", "x")] }));
    let answer = ask(&server, "GET /x%zz");
    assert_eq!(answer.response.status(), 500);
    assert_eq!(body(&answer), "Failed to decode param '/x%zz'");
    assert_eq!(header(&answer, "content-type"), "text/plain; charset=utf-8");
}

#[test]
fn endpoints_with_a_hash_match_on_request() {
    let environment = json!({ "routes": [
        one("post", "#X-Amz-Target=Svc.Get", "get"),
        one("post", "#X-Amz-Target=Svc.Put", "put"),
        one("delete", "tags/:arn#tagKeys", "untag {{urlParam 'arn'}}"),
        one("get", "#Action=List&Version=1", "list"),
        one("post", "/#Action=Make", "make"),
    ] });
    let server = server_with(&environment, Options { match_hash: true, ..Options::default() });
    let check = |request: &str, expect: &str| assert_eq!(told(&server, request), expect, "{request}");
    check("POST /\nx-amz-target: Svc.Put", "200 put");
    check("POST /\nX-Amz-Target: Svc.Get", "200 get");
    check("DELETE /tags/a?tagKeys=b", "200 untag a");
    check("GET /?Version=1&Action=List", "200 list");
    check("POST /\ncontent-type: application/x-www-form-urlencoded\n\nAction=Make", "200 make");
    assert_eq!(ask(&server, "DELETE /tags/a").response.status(), 404);
    assert_eq!(ask(&server, "POST /\nx-amz-target: Svc.Other").response.status(), 404);
}

#[test]
fn modes_choose_responses() {
    let responses = json!([{ "body": "a" }, { "body": "b", "default": true }]);
    let with_mode = |endpoint: &str, mode: &str| {
        let mut route = route("get", endpoint, responses.clone());
        route["responseMode"] = json!(mode);
        route
    };
    let rule = |value: &str| json!([{ "target": "query", "modifier": "q", "value": value, "operator": "equals" }]);
    let mut fallback = route("get", "chain", json!([{ "body": "first", "rules": rule("1") }]));
    fallback["responseMode"] = json!("FALLBACK");
    let mut disabled =
        route("get", "disabled", json!([{ "body": "no", "rules": rule("1") }, { "body": "yes", "default": true }]));
    disabled["responseMode"] = json!("DISABLE_RULES");
    let server = server(&json!({ "routes": [
        with_mode("sequential", "SEQUENTIAL"),
        with_mode("random", "RANDOM"),
        route("get", "default", responses.clone()),
        route("get", "no-default", json!([{ "body": "a" }, { "body": "b" }])),
        fallback,
        one("get", "chain", "second"),
        disabled,
        route("get", "counted", json!([
            { "body": "second", "rules": [{ "target": "request_number", "value": "2", "operator": "equals" }] },
            { "body": "else", "default": true },
        ])),
    ] }));
    let check = |request: &str, expect: &str| assert_eq!(told(&server, request), expect, "{request}");
    // 44 to 51
    check("GET /default", "200 b");
    check("GET /no-default", "200 a");
    for expect in ["200 a", "200 b", "200 a"] {
        check("GET /sequential", expect);
    }
    let drawn: std::collections::BTreeSet<_> = (0..64).map(|_| told(&server, "GET /random")).collect();
    assert_eq!(drawn.len(), 2);
    check("GET /chain?q=1", "200 first");
    check("GET /chain?q=2", "200 second");
    check("GET /disabled?q=1", "200 yes");
    check("GET /counted", "200 else");
    check("GET /counted", "200 second");
    check("GET /counted", "200 else");
}

/// A rule, a request, and whether it holds.
fn check_rule(rule: impl Into<Value>, request: &str, expect: bool) {
    let rule: Value = rule.into();
    let environment = json!({
        "data": [
            { "id": "abcd", "name": "my bucket", "value": "{\"a\": {\"b\": \"x\"}}" },
            { "id": "sch1", "name": "schema", "value": "{\"type\": \"object\", \"required\": [\"a\"], \"properties\": {\"a\": {\"type\": \"string\", \"format\": \"email\"}}}" },
        ],
        "routes": [route("all", "r/:p", json!([
            { "body": "no", "default": true },
            { "body": "yes", "rules": [rule] },
        ]))],
    });
    let found = told(&server(&environment), request);
    assert_eq!(found, if expect { "200 yes" } else { "200 no" }, "{rule} {request}");
}

#[test]
fn rules_compare_targets() {
    let rule = |target: &str, modifier: &str, operator: &str, value: &str| json!({ "target": target, "modifier": modifier, "operator": operator, "value": value });
    let json_body = |body: &str| format!("POST /r/1\ncontent-type: application/json\n\n{body}");
    // 53 to 58
    check_rule(rule("query", "q", "null", ""), "GET /r/1", true);
    check_rule(rule("query", "q", "null", ""), "GET /r/1?q=", true);
    check_rule(rule("query", "q", "null", ""), "GET /r/1?q=1", false);
    let mut inverted = rule("query", "q", "equals", "1");
    inverted["invert"] = json!(true);
    check_rule(inverted, "GET /r/1", true);
    check_rule(rule("body", "a", "empty_array", ""), &json_body("{\"a\":[]}"), true);
    check_rule(rule("body", "a", "empty_array", ""), &json_body("{\"a\":[1]}"), false);
    check_rule(rule("body", "a", "array_includes", "1"), &json_body("{\"a\":[1,2]}"), true);
    check_rule(rule("body", "a", "array_includes", "1"), &json_body("{\"a\":1}"), false);
    check_rule(rule("body", "a", "equals", "true"), &json_body("{\"a\":[true]}"), true);
    check_rule(rule("body", "a", "equals", "[object Object]"), &json_body("{\"a\":{}}"), true);
    check_rule(rule("body", "a", "equals", ""), &json_body("{\"a\":null}"), true);
    check_rule(rule("body", "", "valid_json_schema", "schema"), &json_body("{\"a\":\"x@example.com\"}"), true);
    check_rule(rule("body", "", "valid_json_schema", "sch1"), &json_body("{\"a\":\"x\"}"), false);
    check_rule(rule("body", "", "valid_json_schema", "none"), &json_body("{}"), false);
    check_rule(rule("query", "q", "regex", "^b"), "GET /r/1?q=a&q=bc", true);
    check_rule(rule("query", "q", "regex", "^B"), "GET /r/1?q=bc", false);
    check_rule(rule("query", "q", "regex_i", "^B"), "GET /r/1?q=bc", true);
    // 60 to 62
    check_rule(rule("body", "a.0.b", "equals", "1"), &json_body("{\"a\":[{\"b\":1}]}"), true);
    check_rule(rule("body", "a\\.b", "equals", "1"), &json_body("{\"a.b\":1}"), true);
    check_rule(rule("body", "", "equals", "raw"), "POST /r/1\n\nraw", true);
    check_rule(
        rule("body", "a", "equals", "1"),
        "POST /r/1\ncontent-type: application/x-www-form-urlencoded\n\na=1",
        true,
    );
    check_rule(rule("body", "a.b._text", "equals", "1"), "POST /r/1\ncontent-type: text/xml\n\n<a><b>1</b></a>", true);
    check_rule(rule("body", "a", "equals", "1"), "POST /r/1\ncontent-type: Application/JSON\n\n{\"a\":1}", false);
    // 63 to 66
    check_rule(rule("query", "a.b", "equals", "1"), "GET /r/1?a[b]=1", true);
    check_rule(rule("cookie", "c", "equals", "x y"), "GET /r/1\ncookie: c=x%20y", true);
    check_rule(rule("path", "", "equals", "/r/1?x=y"), "GET //r//1?x=y", true);
    check_rule(rule("path", "", "equals", "*"), "GET /r/1", true);
    check_rule(rule("method", "", "equals", "put"), "PUT /r/1", true);
    check_rule(rule("method", "", "equals", "PUT"), "PUT /r/1", false);
    check_rule(rule("header", "X-A", "equals", "1"), "GET /r/1\nx-a: 1", true);
    check_rule(rule("params", "p", "equals", "1"), "GET /r/1", true);
    // 68 to 70
    check_rule(rule("data_bucket", "my bucket.a.b", "equals", "x"), "GET /r/1", true);
    check_rule(rule("data_bucket", "abcd.a.b", "equals", "x"), "GET /r/1", true);
    check_rule(rule("templating", "{{urlParam 'p'}}", "equals", "1"), "GET /r/1", true);
    check_rule(rule("query", "q", "equals", "{{urlParam 'p'}}"), "GET /r/7?q=7", true);
    check_rule(rule("query", "q", "equals", "{{#if}"), "GET /r/1?q={{%23if}", true);
}

#[test]
fn rules_are_joined() {
    // 52
    let rule = |name: &str| json!({ "target": "query", "modifier": name, "operator": "equals", "value": "1" });
    let response =
        |operator: &str| json!({ "body": operator, "rulesOperator": operator, "rules": [rule("a"), rule("b")] });
    let server = server(&json!({ "routes": [
        route("get", "and", json!([{ "body": "no", "default": true }, response("AND")])),
        route("get", "or", json!([{ "body": "no", "default": true }, response("OR")])),
    ] }));
    let check = |request: &str, expect: &str| assert_eq!(told(&server, request), expect, "{request}");
    check("GET /and?a=1", "200 no");
    check("GET /and?a=1&b=1", "200 AND");
    check("GET /or?b=1", "200 OR");
    check("GET /or", "200 no");
}

#[test]
fn wrong_patterns_answer_500() {
    // 59
    let rule = json!({ "target": "query", "modifier": "q", "operator": "regex", "value": "(" });
    let server = server(&json!({ "routes": [route("get", "r", json!([{ "body": "x", "rules": [rule] }]))] }));
    assert_eq!(told(&server, "GET /r?q=1"), "500 Invalid regular expression: /(/: Unterminated group");
    assert_eq!(told(&server, "GET /r"), "200 x");
}

#[test]
fn latencies_add_up() {
    // 71, 72
    let server = server(&json!({ "latency": 10, "routes": [route("get", "r", json!([{ "latency": 5 }]))] }));
    assert_eq!(ask(&server, "GET /r").latency.as_millis(), 15);
    assert_eq!(ask(&server, "GET /x").latency.as_millis(), 10);
    assert_eq!(ask(&server, "GET /mockoon-admin").latency.as_millis(), 0);
}

#[test]
fn headers_of_environment_and_response() {
    // 73 to 77, 87
    let headers = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect::<Vec<_>>()
    };
    let server = server(&json!({
        "headers": headers(&[("X-A", "env"), ("Set-Cookie", "e=1"), ("X-Param", "{{urlParam 'p'}}!")]),
        "routes": [route("get", "r/:p", json!([{
            "disableTemplating": true,
            "body": "{{x}}",
            "headers": headers(&[
                ("x-a", "own"),
                ("Set-Cookie", "r=1"),
                ("X-B", "{{urlParam 'p'}}"),
                ("X-C", "{{#if}"),
                ("X D", "1"),
                ("X-E", "a\nb"),
                ("X-F", ""),
                ("Content-Length", "999"),
            ]),
        }]))],
    }));
    let answer = ask(&server, "GET /r/v");
    assert_eq!(body(&answer), "{{x}}");
    for (name, value) in [
        ("x-a", "own"),
        ("set-cookie", "e=1 | r=1"),
        ("x-b", "v"),
        ("x-c", "-- Header parsing error, see logs for more details --"),
        ("x-e", ""),
        ("x-f", ""),
        ("x-param", "!"),
        ("content-length", "5"),
    ] {
        assert_eq!(header(&answer, name), value, "{name}");
    }
}

#[test]
fn content_types_that_are_none() {
    // 80, 83
    let header = json!([{ "key": "Content-Type", "value": "nonsense" }]);
    let server = server(&json!({ "routes": [
        route("get", "r", json!([{ "statusCode": 499, "body": "x", "headers": header }])),
        route("get", "t", json!([{ "statusCode": 499, "body": "{{method}}", "headers": header }])),
    ] }));
    assert_eq!(told(&server, "GET /r"), "499 Error while serving the content: invalid media type");
    assert_eq!(told(&server, "GET /t"), "499 Error while serving the content: invalid media type");
}

#[test]
fn templates_that_fail_are_told() {
    // 86
    let server = server(&json!({ "routes": [one("get", "r", "{{#if}"), one("get", "s", "{{status 418}}tea")] }));
    let answer = ask(&server, "GET /r");
    assert_eq!(answer.response.status(), 200);
    assert!(body(&answer).starts_with("Error while serving the content: Parse error on line 1:"), "{}", body(&answer));
    assert_eq!(header(&answer, "content-type"), "text/plain; charset=utf-8");
    assert_eq!(told(&server, "GET /s"), "418 tea");
}

#[test]
fn bodies_from_files() {
    // 88 to 92
    let folder = std::env::temp_dir().join(format!("standin-mockoon-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    for (name, content) in
        [("a.json", "{\"m\":\"{{method}}\"}"), ("b.bin", "0123456789"), ("sub/c.txt", "c"), ("d.txt", "d")]
    {
        std::fs::write(folder.join(name), content).unwrap();
    }
    let file = |path: &str, more: Value| {
        let mut response =
            json!({ "bodyType": "FILE", "filePath": path, "sendFileAsBody": true, "body": "inline {{method}}" });
        for (name, value) in more.as_object().unwrap() {
            response[name] = value.clone();
        }
        json!([response])
    };
    let environment = json!({ "routes": [
        route("get", "json", file("./a.json", json!({}))),
        route("get", "raw", file("a.json", json!({ "disableTemplating": true }))),
        route("get", "bin", file("b.bin", json!({ "sendFileAsBody": false }))),
        route("get", "sub/:f", file("sub/{{urlParam 'f'}}", json!({}))),
        route("get", "missing", file("none.txt", json!({ "statusCode": 201 }))),
        route("get", "fallback", file("none.txt", json!({ "fallbackTo404": true }))),
        route("get", "inline", file("", json!({}))),
    ] });
    let server = server_with(&environment, Options { folder: folder.clone(), ..Options::default() });
    let check = |request: &str, expect: &str| assert_eq!(told(&server, request), expect, "{request}");
    check("GET /json", "200 {\"m\":\"GET\"}");
    check("GET /raw", "200 {\"m\":\"{{method}}\"}");
    check("GET /bin", "200 0123456789");
    check("GET /bin\nrange: bytes=2-4", "206 234");
    check("GET /bin\nrange: bytes=20-", "416 Requested range not satisfiable");
    check("GET /bin\nrange: bytes", "400 Malformed range header");
    check("GET /sub/c.txt", "200 c");
    assert!(
        told(&server, "GET /sub/..%2Fd.txt")
            .starts_with("200 Error while serving the content: Access to relative path")
    );
    assert!(
        told(&server, "GET /missing")
            .starts_with("201 Error while serving the file content: ENOENT: no such file or directory, open '")
    );
    check("GET /fallback", "404 inline GET");
    check("GET /inline", "200 inline GET");
    let answer = ask(&server, "GET /bin\nrange: bytes=2-4");
    assert_eq!(header(&answer, "content-range"), "bytes 2-4/10");
    assert_eq!(header(&answer, "content-disposition"), "attachment; filename=\"b.bin\"");
    assert_eq!(header(&answer, "content-length"), "3");
    std::fs::remove_dir_all(PathBuf::from(&folder)).unwrap();
}

#[test]
fn buckets_are_bodies() {
    // 93, 94
    let bucket = |id: &str| json!([{ "bodyType": "DATABUCKET", "databucketID": id, "body": "in {{method}}" }]);
    let server = server(&json!({
        "data": [
            { "id": "obj1", "name": "one", "value": "{\"a\": {{add 1 2}}, \"b\": [1.0]}" },
            { "id": "txt1", "name": "two", "value": "text {{dataRaw 'one' 'a'}}" },
            { "id": "req1", "name": "three", "value": "\"{{method}}\"" },
            { "id": "emp1", "name": "four", "value": "" },
            { "id": "fls1", "name": "five", "value": "false" },
        ],
        "routes": [
            route("get", "obj", bucket("obj1")),
            route("get", "txt", bucket("txt1")),
            route("all", "req", bucket("req1")),
            route("get", "emp", bucket("emp1")),
            route("get", "fls", bucket("fls1")),
            route("get", "none", bucket("none")),
            route("get", "inline", bucket("")),
        ],
    }));
    let check = |request: &str, expect: &str| assert_eq!(told(&server, request), expect, "{request}");
    check("GET /obj", "200 {\"a\":3,\"b\":[1]}");
    check("GET /txt", "200 text 3");
    // 114
    check("POST /req", "200 POST");
    check("GET /req", "200 POST");
    check("GET /emp", "200 ");
    check("GET /fls", "200 false");
    check("GET /none", "200 in {{method}}");
    check("GET /inline", "200 in GET");
}

fn crud(value: &str, key: &str) -> Server {
    let response = json!({ "bodyType": "DATABUCKET", "databucketID": "b001", "crudKey": key, "default": true });
    server(&json!({
        "data": [{ "id": "b001", "name": "items", "value": value }],
        "routes": [{ "type": "crud", "method": "", "endpoint": "items", "responses": [response] }],
    }))
}

#[test]
fn crud_lists_items() {
    // 95 to 99
    let server = crud(
        "[{\"id\":1,\"n\":\"Bob\",\"d\":{\"x\":true}},{\"id\":2,\"n\":\"ann\"},{\"id\":10,\"n\":\"Cid\",\"d\":{\"x\":5}}]",
        "id",
    );
    let ids = |query: &str| {
        let answer = ask(&server, &format!("GET /items{query}"));
        let items: Value = serde_json::from_str(&body(&answer)).unwrap();
        let ids: Vec<_> = items.as_array().unwrap().iter().map(|item| item["id"].to_string()).collect();
        format!("{} {}/{}", ids.join(","), header(&answer, "x-filtered-count"), header(&answer, "x-total-count"))
    };
    let check = |query: &str, expect: &str| assert_eq!(ids(query), expect, "{query}");
    check("", "1,2,10 3/3");
    check("?search=AN", "2 1/3");
    check("?search=true", " 0/3");
    check("?id_eq=10.0", "10 1/3");
    check("?n_ne=Bob", "2,10 2/3");
    check("?id_gt=2", "10 1/3");
    check("?id_gte=2&id_lt=10", "2 1/3");
    check("?id_lte=1", "1 1/3");
    check("?n_like=%5Eb", "1 1/3");
    check("?n_start=c", "10 1/3");
    check("?n_end=N", "2 1/3");
    check("?d.x_eq=5", "10 1/3");
    check("?sort=n", "2,1,10 3/3");
    check("?sort=n&order=desc", "10,1,2 3/3");
    check("?limit=2", "1,2 3/3");
    check("?limit=2&page=2", "10 3/3");
    check("?limit=0", "1,2,10 3/3");
    check("?page=9", " 3/3");
    assert_eq!(ask(&server, "GET /items?n_like=(").response.status(), 500);
    assert_eq!(header(&ask(&server, "GET /items"), "content-type"), "application/json; charset=utf-8");
    assert_eq!(ask(&server, "HEAD /items").response.status(), 404);
    assert_eq!(ask(&server, "OPTIONS /items").response.status(), 200);
}

#[test]
fn crud_changes_items() {
    // 100 to 105
    let json = "content-type: application/json";
    let server = crud("[{\"id\":1,\"a\":1}]", "id");
    let check = |request: &str, expect: &str| assert_eq!(told(&server, request), expect, "{request}");
    check(&format!("POST /items\n{json}\n\n{{\"a\":2}}"), "201 {\"a\":2,\"id\":2}");
    check(&format!("POST /items\n{json}\n\n{{\"id\":\"x\"}}"), "201 {\"id\":\"x\"}");
    check("GET /items/2", "200 {\"a\":2,\"id\":2}");
    check("GET /items/3", "404 {}");
    check(&format!("PUT /items/x\n{json}\n\n{{\"b\":1}}"), "200 {\"b\":1,\"id\":\"x\"}");
    check(&format!("PATCH /items/1\n{json}\n\n{{\"b\":2}}"), "200 {\"id\":1,\"a\":1,\"b\":2}");
    check("DELETE /items/2", "200 {}");
    check("DELETE /items/2", "404 {}");
    check("GET /items", "200 [{\"id\":1,\"a\":1,\"b\":2},{\"b\":1,\"id\":\"x\"}]");
    check(&format!("PATCH /items\n{json}\n\n[3]"), "200 [{\"id\":1,\"a\":1,\"b\":2},{\"b\":1,\"id\":\"x\"},3]");
    check(
        &format!("PATCH /items\n{json}\n\n{{\"k\":1}}"),
        "200 {\"0\":{\"id\":1,\"a\":1,\"b\":2},\"1\":{\"b\":1,\"id\":\"x\"},\"2\":3,\"k\":1}",
    );
    check(&format!("PUT /items\n{json}\n\n[\"a\",\"b\"]"), "200 [\"a\",\"b\"]");
    check("GET /items/1", "200 b");
    check("GET /items/x", "200 a");
    check("DELETE /items", "200 {}");
    check("GET /items", "200 ");
    check(&format!("POST /items\n{json}\n\n{{\"z\":1}}"), "201 {\"z\":1}");
    check("GET /items", "200 {\"z\":1}");
}

#[test]
fn crud_makes_identifiers() {
    // 100, 101
    let json = "content-type: application/json";
    let made = |server: &Server, path: &str| {
        let made: Value = serde_json::from_str(&body(&ask(server, &format!("POST /items\n{json}\n\n{{}}")))).unwrap();
        made.pointer(path).cloned().unwrap_or_default()
    };
    assert_eq!(made(&crud("[{\"id\": {{add 40 2}} }]", "id"), "/id"), json!(42));
    assert_eq!(made(&crud("[{\"d\":{\"id\":7}}]", "d.id"), "/d/id"), json!(8));
    assert_eq!(made(&crud("[]", "id"), "/id").as_str().map(str::len), Some(36));
}

#[test]
fn preflights_and_cors() {
    // 121, 122
    let header_list =
        json!([{ "key": "Access-Control-Allow-Origin", "value": "here" }, { "key": "Set-Cookie", "value": "a=1" }]);
    let with_cors =
        |cors: bool| server(&json!({ "cors": cors, "headers": header_list, "routes": [one("get", "r", "x")] }));
    let answer = ask(&with_cors(true), "OPTIONS /anywhere");
    assert_eq!(answer.response.status(), 200);
    assert_eq!(header(&answer, "access-control-allow-origin"), "here");
    assert_eq!(header(&answer, "access-control-allow-methods"), "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS");
    assert_eq!(header(&answer, "set-cookie"), "a=1 | a=1");
    assert_eq!(header(&answer, "content-length"), "0");
    assert_eq!(ask(&with_cors(false), "OPTIONS /anywhere").response.status(), 404);
}

#[test]
fn the_admin_api() {
    // 126, 127
    let server = server(&json!({
        "data": [{ "id": "b001", "name": "Items", "value": "[1]" }],
        "routes": [
            one("get", "set", "{{setGlobalVar 'v' 'x'}}{{setData 'push' 'Items' '' 2}}"),
            one("get", "look", "{{getGlobalVar 'v'}} {{data 'Items'}}"),
        ],
    }));
    let admin = |request: &str| told(&server, &request.replacen('\n', "\nauthorization: Bearer secret\n", 1));
    let check = |request: &str, expect: &str| assert_eq!(admin(request), expect, "{request}");
    assert_eq!(told(&server, "GET /mockoon-adminx"), "401 {\"message\":\"Unauthorized\"}");
    assert_eq!(told(&server, "OPTIONS /mockoon-admin"), "403 ");
    assert_eq!(told(&server, "GET /set"), "200 ");
    assert_eq!(told(&server, "GET /look"), "200 x [1,2]");
    check("GET /mockoon-admin/global-vars/v\n", "200 {\"key\":\"v\",\"value\":\"x\"}");
    check("GET /mockoon-admin/global-vars/w\n", "404 {\"message\":\"Global variable not found\"}");
    check(
        "PATCH /mockoon-admin/global-vars\ncontent-type: application/json\n\n{\"key\":\"k\",\"value\":5}",
        "200 {\"message\":\"Global variable 'k' has been set to '5'\"}",
    );
    check("POST /mockoon-admin/global-vars\n", "400 {\"message\":\"Invalid request\"}");
    check(
        "GET /mockoon-admin/data-buckets\n",
        "200 [{\"id\":\"b001\",\"name\":\"Items\",\"parsed\":true,\"validJson\":true}]",
    );
    assert!(admin("GET /mockoon-admin/data-buckets/items\n").contains("\"value\":[1,2]"));
    assert!(admin("GET /mockoon-admin/logs?limit=1\n").contains("\"urlPath\":\"/set\""));
    check("PURGE /mockoon-admin/state\n", "200 {\"response\":\"Server has been reset to its initial state\"}");
    assert_eq!(told(&server, "GET /look"), "200  [1]");
    check(
        "POST /mockoon-admin/env-vars\ncontent-type: application/json\n\n{\"key\":\"A\",\"value\":\"1\"}",
        "200 {\"message\":\"Environment variable 'MOCKOON_A' has been set to '1'\"}",
    );
    check("GET /mockoon-admin/env-vars/A\n", "200 {\"key\":\"MOCKOON_A\",\"value\":\"1\"}");
    assert!(admin("GET /mockoon-admin/none\n").starts_with("404 <!DOCTYPE html>"));
}

#[test]
fn bodies_have_a_limit() {
    let environment = json!({ "routes": [one("post", "r", "x")] });
    let server = server_with(&environment, Options { request_bytes_max: 3, ..Options::default() });
    assert_eq!(told(&server, "POST /r\n\nabc"), "200 x");
    assert_eq!(told(&server, "POST /r\n\nabcd"), "413 Payload too large");
}
