use serde_json::{Value, json};

use super::*;

fn load(value: &Value) -> Environment {
    Environment::load(value.to_string().as_bytes(), false).unwrap()
}

const UUID: &str = "b62b7ad6-44b0-4a37-a9f0-5a4fd7c5b5a4";

#[test]
fn the_version_decides_whether_a_file_loads() {
    // 1, 2, 13
    let check = |value: Value, expect: &str| {
        let loaded = Environment::load(value.to_string().as_bytes(), false);
        let told = loaded.map_or_else(|error| error.to_string(), |environment| environment.name);
        assert!(told.starts_with(expect), "{told}");
    };
    check(json!({ "lastMigration": 29, "name": "old", "routes": [], "folders": [] }), "old");
    check(json!({ "lastMigration": 33, "name": "new" }), "new");
    check(json!({ "lastMigration": 34 }), "the environment was written by a newer Mockoon");
    check(json!({ "name": "x" }), "\"x\" is not a Mockoon environment");
    check(json!({ "openapi": "3.0.0" }), "the OpenAPI document cannot be converted: it has no paths");
    assert!(matches!(Environment::load(b"{", false), Err(LoadError::Json(_))));
    assert_eq!(Environment::load(b"{\"name\":\"x\"}", true).unwrap().name, "x");
}

#[test]
fn the_oldest_files_are_migrated() {
    // 3, 6
    let environment = load(&json!({
        "lastMigration": 0,
        "name": "zero",
        "routes": [{
            "method": "post",
            "endpoint": "a",
            "statusCode": "201",
            "latency": 5,
            "body": "hi",
            "contentType": "text/plain",
            "customHeaders": [{ "key": "X-A", "value": "1" }],
            "file": { "path": "./f.txt" },
        }],
    }));
    assert!(environment.cors);
    assert_eq!(environment.hostname, "");
    assert_eq!(environment.root_children, [Child::Route(environment.routes[0].uuid.clone())]);
    let response = &environment.routes[0].responses[0];
    assert_eq!((response.status, response.latency, &*response.body), (201, 5, "hi"));
    assert_eq!((response.body_type, response.file_path.as_str()), (BodyType::File, "./f.txt"));
    assert!(response.is_default);
    let headers: Vec<_> = response.headers.iter().map(|header| (header.key.as_str(), header.value.as_str())).collect();
    assert_eq!(headers, [("Content-Type", "text/plain"), ("X-A", "1")]);
}

#[test]
fn old_settings_become_new_ones() {
    // 4, 5, 8
    let environment = load(&json!({
        "lastMigration": 12,
        "https": true,
        "routes": [
            { "uuid": UUID, "enabled": false, "sequentialResponse": true, "randomResponse": true, "responses": [
                { "rules": [{ "target": "header", "isRegex": true }, { "target": "body", "isRegex": false }] },
                { "rules": [] },
            ] },
            { "randomResponse": true, "responses": [] },
        ],
    }));
    assert!(environment.tls.enabled);
    let [first, second] = environment.routes.as_slice() else { panic!("two routes") };
    assert_eq!((first.mode, second.mode), (Mode::Sequential, Mode::Random));
    let operators: Vec<_> = first.responses[0].rules.iter().map(|rule| rule.operator).collect();
    assert_eq!(operators, [Operator::Regex, Operator::Equals]);
    assert!(first.responses[0].is_default && !first.responses[1].is_default);
    // A disabled route is served: the CLI does not know the old switch.
    assert_eq!(environment.routes_in_order(&[RouteKind::Http], &[]).len(), 2);
}

#[test]
fn faker_methods_are_renamed() {
    // 7
    let check = |old: &str, expect: &str| {
        let environment = load(&json!({
            "lastMigration": 28,
            "folders": [],
            "routes": [{ "responses": [{ "body": old }] }],
            "data": [{ "value": old }],
        }));
        assert_eq!(&*environment.routes[0].responses[0].body, expect);
        assert_eq!(environment.data[0].value, expect);
    };
    check("{{faker 'name.firstName'}} name.firstName", "{{faker 'person.firstName'}} name.firstName");
    check("{{faker 'datatype.number'}}", "{{faker 'number.int' max=99999}}");
    check(
        "{{ faker \"address.city\" }} and {{{faker 'datatype.uuid'}}}",
        "{{ faker \"location.city\" }} and {{{faker 'string.uuid'}}}",
    );
    check("{{faker 'mersenne.rand'}}!", "!");
    // The shorter name comes first.
    check("{{faker 'address.cityPrefix'}}", "{{faker 'location.cityPrefix'}}");
    check("{{faker 'person.firstName'}}", "{{faker 'person.firstName'}}");
}

#[test]
fn wrong_fields_take_their_defaults() {
    // 9, 11
    let environment = load(&json!({
        "lastMigration": 33,
        "port": 70_000,
        "cors": "yes",
        "latency": -1,
        "surprise": 1,
        "headers": [{ "key": 1 }, "x", { "key": "X-A", "value": "1" }],
        "rootChildren": [{ "type": "nothing", "uuid": UUID }],
        "routes": [
            { "uuid": "not one", "method": "fetch", "responses": [
                { "statusCode": "abc", "crudKey": "", "callbacks": [1] },
                { "statusCode": "404" },
                { "statusCode": 1_000 },
            ] },
            "route",
        ],
    }));
    assert_eq!((environment.port, environment.cors, environment.latency), (3_000, true, 0));
    assert_eq!(environment.headers.iter().map(|header| header.key.as_str()).collect::<Vec<_>>(), ["", "", "X-A"]);
    let route = &environment.routes[0];
    assert_eq!((route.method.as_str(), route.uuid.len()), ("get", 36));
    assert_eq!(route.responses.iter().map(|response| response.status).collect::<Vec<_>>(), [200, 404, 200]);
    assert_eq!(route.responses[0].crud_key, "id");
    assert_eq!(&*route.responses[0].body, "{}");
    assert!(route.responses[0].callbacks.is_empty());
    assert_eq!(environment.routes.len(), 2);
    assert_eq!(environment.root_children.len(), 2);
}

#[test]
fn references_are_mended() {
    // 10, 38
    let uuid = |n: u8| format!("{n:08}-44b0-4a37-a9f0-5a4fd7c5b5a4");
    let route = |n: u8| json!({ "uuid": uuid(n), "endpoint": n.to_string() });
    let child = |kind: &str, n: u8| json!({ "type": kind, "uuid": uuid(n) });
    let environment = load(&json!({
        "lastMigration": 33,
        "routes": [route(1), route(2), route(3), route(4)],
        "folders": [
            { "uuid": uuid(10), "name": "a", "children": [child("route", 3), child("folder", 11), child("route", 99)] },
            { "uuid": uuid(11), "name": "b", "children": [child("route", 3), child("route", 2)] },
            { "uuid": uuid(12), "name": "c", "children": [] },
        ],
        "rootChildren": [child("route", 4), child("folder", 10), child("route", 4), child("route", 2)],
    }));
    let root: Vec<_> = environment.root_children.iter().map(|child| child.uuid()[6..8].to_owned()).collect();
    assert_eq!(root, ["04", "10", "12", "01"]);
    let order = |disabled: &[&str]| {
        let disabled: Vec<String> = disabled.iter().map(|&word| word.to_owned()).collect();
        let order = environment.routes_in_order(&[RouteKind::Http], &disabled);
        order.iter().map(|&index| environment.routes[index].endpoint.clone()).collect::<Vec<_>>()
    };
    assert_eq!(order(&[]), ["4", "3", "2", "1"]);
    // 39
    assert_eq!(order(&["3"]), ["4", "2", "1"]);
    assert_eq!(order(&[&uuid(4)]), ["3", "2", "1"]);
    assert_eq!(order(&["b"]), ["4", "3", "1"]);
    assert_eq!(order(&["a"]), ["4", "1"]);
    assert!(order(&["*"]).is_empty());
}

#[test]
fn folders_in_circles_end() {
    let child = json!({ "type": "folder", "uuid": UUID });
    let environment = load(&json!({
        "lastMigration": 33,
        "folders": [{ "uuid": UUID, "children": [child] }],
        "rootChildren": [child],
    }));
    assert!(environment.routes_in_order(&[RouteKind::Http], &[]).is_empty());
}
