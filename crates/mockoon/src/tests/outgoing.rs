//! What environments send besides answers: passed requests, callbacks, messages, events.

use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderValue, StatusCode};

use super::*;

fn react(server: &Server, method: &str, path: &str) -> Reaction {
    let request = http::Request::builder().method(method).uri(path).header("host", "localhost").body(Bytes::new());
    server.react(request.unwrap(), IpAddr::from([127, 0, 0, 1]))
}

#[test]
fn what_no_route_answers_is_passed_on() {
    // 123
    let server = server(&json!({
        "routes": [one("get", "own", "own")],
        "endpointPrefix": "api",
        "cors": true,
        "headers": [{ "key": "X-Env", "value": "e" }, { "key": "X-Both", "value": "env" }],
        "proxyMode": true,
        "proxyHost": "http://upstream:81/base/",
        "proxyRemovePrefix": true,
        "proxyReqHeaders": [{ "key": "X-Asked", "value": "{{method}}" }],
        "proxyResHeaders": [{ "key": "X-Back", "value": "b" }],
    }));
    let check = |method: &str, path: &str, expect: Option<&str>| {
        let passed = match react(&server, method, path) {
            Reaction::Forward(forward) => Some(forward.request.uri().to_string()),
            _ => None,
        };
        assert_eq!(passed.as_deref(), expect, "{method} {path}");
    };
    check("GET", "/api/own", None);
    check("OPTIONS", "/any", None);
    check("GET", "/api//a?x=1", Some("/base/a?x=1"));
    check("GET", "/apix", Some("/base/x"));
    check("GET", "/api", Some("/base/"));
    check("POST", "/other", Some("/base/other"));

    let Reaction::Forward(forward) = react(&server, "DELETE", "/x") else { panic!("not passed on") };
    assert_eq!(forward.host, "http://upstream:81");
    assert_eq!(forward.request.headers()["x-asked"], "DELETE");
    assert!(!forward.request.headers().contains_key("host"));
    let mut upstream = HeaderMap::new();
    for (name, value) in [
        ("x-both", "theirs"),
        ("transfer-encoding", "chunked"),
        ("set-cookie", "a=1; Domain=x.y; Secure"),
        ("set-cookie", "b=2; secure; Path=/"),
    ] {
        upstream.append(name, HeaderValue::from_static(value));
    }
    let response = forward.answered(StatusCode::ACCEPTED, &upstream);
    let headers: Vec<_> =
        response.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    assert_eq!(response.status(), 202);
    for expect in ["x-env: e", "x-both: theirs", "x-back: b", "set-cookie: a=1", "set-cookie: b=2; Path=/"] {
        assert!(headers.iter().any(|header| header == expect), "{expect}: {headers:?}");
    }
    assert_eq!(headers.len(), 5);
    let failed = forward.failed("http://upstream:81/base/", "Error: no");
    assert_eq!(failed.status(), 504);
    let Body::Bytes(body) = failed.body() else { panic!("no bytes") };
    assert_eq!(&body[..], b"An error occurred while trying to proxy to http://upstream:81/base/ /x: Error: no");
}

#[test]
fn responses_call_back() {
    // 124
    let callback = |uuid: u8, more: Value| {
        let mut callback =
            json!({ "uuid": UUIDS[usize::from(uuid)], "id": "abcd", "name": format!("c{uuid}"), "method": "post" });
        callback.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        callback
    };
    const UUIDS: [&str; 2] = ["00000001-0000-4000-8000-000000000000", "00000002-0000-4000-8000-000000000000"];
    let response = json!([{ "body": "done", "callbacks": UUIDS.map(|uuid| json!({ "uuid": uuid, "latency": 5 })) }]);
    let server = server_with(
        &json!({
            "endpointPrefix": "p",
            "routes": [route("get", "a/:id", response)],
            "callbacks": [
                callback(0, json!({ "uri": "http://x/{{urlParam 'id'}}", "body": "{{method}}" })),
                callback(1, json!({ "uri": "/own", "method": "get", "body": "dropped", "headers": [{ "key": "X-A", "value": "1" }] })),
            ],
        }),
        Options { callback_depth_max: 2, ..Options::default() },
    );
    let calls = |depth: &str| ask(&server, &format!("GET /p/a/7\nx-mockoon-callback-depth: {depth}")).calls;
    let [Ok(first), Ok(second)] = &calls("1")[..] else { panic!("two calls") };
    assert_eq!((first.url.as_str(), &first.body[..], first.latency.as_millis()), ("http://x/7", &b"GET"[..], 5));
    assert_eq!(first.headers["x-mockoon-callback-depth"], "2");
    assert_eq!(first.headers["content-type"], "text/plain;charset=UTF-8");
    assert_eq!((second.url.as_str(), &second.body[..]), ("/p/own", &b""[..]));
    assert_eq!(second.headers["x-a"], "1");
    let [Err(message)] = &calls("2")[..] else { panic!("too deep") };
    assert!(message.contains("Max callback depth reached (2)"), "{message}");
    assert_eq!(calls("x").len(), 2);
}

#[test]
fn sockets_converse_and_push() {
    // 125
    let socket = |endpoint: &str, mode: Value, responses: Value| {
        let mut route = route("get", endpoint, responses);
        route["type"] = "ws".into();
        route["responseMode"] = mode;
        route
    };
    let mut pushing = socket("push", json!("SEQUENTIAL"), json!([{ "body": "a" }, { "body": "b" }]));
    pushing["streamingMode"] = "UNICAST".into();
    let rule = json!({ "target": "body", "modifier": "", "value": "hi", "operator": "equals" });
    let server = Arc::new(server(&json!({
        "routes": [
            socket("echo/:id", json!(null), json!([
                { "body": "{{urlParam 'id'}} {{body}} {{body 'a'}}", "latency": 7, "default": true },
                { "body": "ho", "rules": [rule] },
            ])),
            socket("none", json!(null), json!([{ "body": "" }])),
            pushing,
        ],
    })));
    let open = |path: &str| {
        let (parts, ()) = http::Request::get(path).header("host", "localhost").body(()).unwrap().into_parts();
        server.socket(parts, IpAddr::from([127, 0, 0, 1]))
    };
    assert!(server.has_sockets() && open("/other").is_none());
    let mut echo = open("/echo/1").unwrap();
    let push = echo.message("{\"a\":2}").unwrap();
    assert_eq!((&*push.text, push.latency.as_millis()), ("1 {\"a\":2} {\"a\":2}", 7));
    assert_eq!(&*echo.message("hi").unwrap().text, "ho");
    assert!(open("/none").unwrap().message("x").is_none());
    let mut pushing = open("/push").unwrap();
    assert_eq!(pushing.streaming().map(|(_, interval)| interval.as_millis()), Some(10));
    let texts: Vec<_> = (0..3).map(|_| pushing.push().unwrap().text.to_string()).collect();
    assert_eq!(texts, ["a", "b", "a"]);
}

#[test]
fn listeners_are_told() {
    let bucket = json!({ "uuid": "00000003-0000-4000-8000-000000000000", "id": "abcd", "name": "b", "value": "[]" });
    let environment = json!({ "routes": [one("get", "a", "a")], "data": [bucket] });
    let server = server(&environment);
    ask(&server, "GET /a");
    assert!(matches!(react(&server, "GET", "/mockoon-admin/events?token=wrong"), Reaction::Answer(_)));
    let Reaction::Events(events) = react(&server, "GET", "/mockoon-admin/events?token=secret&maxlogs=5") else {
        panic!("no events")
    };
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = {
        let told = Arc::clone(&told);
        Box::new(move |event: &str| {
            let event: Value = serde_json::from_str(event).unwrap();
            told.lock().unwrap().push(event["event"].as_str().unwrap().to_owned());
            told.lock().unwrap().len() < 4
        })
    };
    events.listen(listener);
    ask(&server, "GET /a");
    server.state.reset_buckets();
    // Has gone away.
    ask(&server, "GET /a");
    let (bucket, transaction) = ("data-bucket-processed", "transaction-complete");
    assert_eq!(*told.lock().unwrap(), [bucket, transaction, transaction, bucket]);
}

#[test]
fn another_environment_takes_the_place() {
    let bucket = |value: &str, uuid: u8| json!({ "uuid": format!("0000000{uuid}-0000-4000-8000-000000000000"), "id": format!("buc{uuid}"), "name": format!("b{uuid}"), "value": value });
    let mut sequential = route("get", "seq", json!([{ "body": "1" }, { "body": "2 {{data 'b1'}} {{data 'b2'}}" }]));
    sequential["responseMode"] = "SEQUENTIAL".into();
    sequential["uuid"] = "0000000a-0000-4000-8000-000000000000".into();
    let change = one("get", "set", "{{setData 'set' 'b1' '' 'set'}}{{setData 'set' 'b2' '' 'set'}}");
    let environment = |second: &str| {
        let uuid = sequential["uuid"].clone();
        json!({
            "routes": [sequential, change], "data": [bucket("\"x\"", 1), bucket(second, 2)],
            "rootChildren": [{ "type": "route", "uuid": uuid }],
        })
    };
    let server = server(&environment("\"y\""));
    assert_eq!(told(&server, "GET /seq"), "200 1");
    ask(&server, "GET /set");
    let put = format!(
        "PUT /mockoon-admin/environment\nauthorization: Bearer secret\ncontent-type: application/json\n\n{}",
        environment("\"z\"")
    );
    let replacement = ask(&server, &put).replacement.unwrap();
    // It goes on where the other was; what changed of the buckets is anew.
    assert_eq!(told(&replacement, "GET /seq"), "200 2 set z");
}
