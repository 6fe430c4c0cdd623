//! The schema of environments, read forgivingly: what is missing or wrong takes its default, what is unknown is left.

use serde_json::{Map, Value};

use super::{
    BodyType, Bucket, Callback, CallbackCall, Child, Environment, Folder, Header, Mode, Operator, Response, Route,
    RouteKind, Rule, Streaming, Target, Tls,
};
use crate::ids::Ids;

const METHODS: &[&str] = &[
    "get",
    "post",
    "put",
    "patch",
    "delete",
    "head",
    "options",
    "propfind",
    "proppatch",
    "move",
    "copy",
    "mkcol",
    "lock",
    "unlock",
];

/// Whether a route may have this method: one of HTTP's or WebDAV's, or any.
pub(crate) fn is_route_method(method: &str) -> bool {
    method == "all" || METHODS.contains(&method)
}

pub(super) fn environment(value: &Value, ids: &mut Ids) -> Environment {
    let fields = Fields::of(value);
    Environment {
        uuid: fields.uuid(ids),
        name: fields.text_or("name", "New environment"),
        endpoint_prefix: fields.text("endpointPrefix"),
        latency: fields.number("latency", 0.0, f64::MAX, 0.0) as u64,
        port: fields.number("port", 0.0, 65_535.0, 3_000.0) as u16,
        hostname: fields.text("hostname"),
        folders: fields.list("folders", |value| Some(folder(value, ids))),
        root_children: fields.list("rootChildren", |value| child(value, ids)),
        routes: fields.list("routes", |value| Some(route(value, ids))),
        proxy_mode: fields.flag("proxyMode", false),
        proxy_host: fields.text("proxyHost"),
        proxy_remove_prefix: fields.flag("proxyRemovePrefix", false),
        tls: tls(&fields.object("tlsOptions")),
        cors: fields.flag("cors", true),
        headers: fields.headers("headers"),
        proxy_request_headers: fields.headers("proxyReqHeaders"),
        proxy_response_headers: fields.headers("proxyResHeaders"),
        data: fields.list("data", |value| bucket(value, ids)),
        callbacks: fields.list("callbacks", |value| callback(value, ids)),
        external_references: Vec::new(),
    }
}

fn folder(value: &Value, ids: &mut Ids) -> Folder {
    let fields = Fields::of(value);
    Folder {
        uuid: fields.uuid(ids),
        name: fields.text_or("name", "New folder"),
        children: fields.list("children", |value| child(value, ids)),
    }
}

/// `None` for what is neither a route nor a folder.
fn child(value: &Value, ids: &mut Ids) -> Option<Child> {
    let kind = value.get("type")?.as_str()?;
    let uuid = Fields::of(value).uuid(ids);
    match kind {
        "route" => Some(Child::Route(uuid)),
        "folder" => Some(Child::Folder(uuid)),
        _ => None,
    }
}

fn tls(fields: &Fields<'_>) -> Tls {
    Tls {
        enabled: fields.flag("enabled", false),
        is_pfx: fields.choice("type", &[("CERT", false), ("PFX", true)]).unwrap_or(false),
        pfx_path: fields.text("pfxPath"),
        cert_path: fields.text("certPath"),
        key_path: fields.text("keyPath"),
        ca_path: fields.text("caPath"),
        passphrase: fields.text("passphrase"),
    }
}

fn bucket(value: &Value, ids: &mut Ids) -> Option<Bucket> {
    let fields = Fields::of(value);
    fields.0?;
    Some(Bucket {
        uuid: fields.uuid(ids),
        id: fields.known_text("id").unwrap_or_else(|| ids.short()),
        name: fields.text_or("name", "New data"),
        value: fields.text_or("value", "[\n]"),
    })
}

fn route(value: &Value, ids: &mut Ids) -> Route {
    let fields = Fields::of(value);
    let method = fields.known_text("method").filter(|method| method.is_empty() || is_route_method(method));
    Route {
        uuid: fields.uuid(ids),
        kind: fields
            .choice("type", &[("http", RouteKind::Http), ("crud", RouteKind::Crud), ("ws", RouteKind::WebSocket)])
            .unwrap_or(RouteKind::Http),
        method: method.unwrap_or_else(|| "get".to_owned()),
        endpoint: fields.text("endpoint"),
        responses: fields.list("responses", |value| Some(response(value, ids))),
        mode: fields
            .choice(
                "responseMode",
                &[
                    ("RANDOM", Mode::Random),
                    ("SEQUENTIAL", Mode::Sequential),
                    ("DISABLE_RULES", Mode::DisableRules),
                    ("FALLBACK", Mode::Fallback),
                ],
            )
            .unwrap_or(Mode::Rules),
        streaming: fields
            .choice("streamingMode", &[("UNICAST", Streaming::Unicast), ("BROADCAST", Streaming::Broadcast)]),
        streaming_interval: fields.number("streamingInterval", 0.0, f64::MAX, 0.0) as u64,
    }
}

const BODY_TYPES: &[(&str, BodyType)] =
    &[("INLINE", BodyType::Inline), ("FILE", BodyType::File), ("DATABUCKET", BodyType::Bucket)];

fn response(value: &Value, ids: &mut Ids) -> Response {
    let fields = Fields::of(value);
    Response {
        uuid: fields.uuid(ids),
        body: fields.text_or("body", "{}").into(),
        latency: fields.number("latency", 0.0, f64::MAX, 0.0) as u64,
        status: fields.number("statusCode", 100.0, 999.0, 200.0) as u16,
        label: fields.text("label"),
        headers: fields.headers("headers"),
        body_type: fields.choice("bodyType", BODY_TYPES).unwrap_or(BodyType::Inline),
        file_path: fields.text("filePath"),
        bucket_id: fields.text("databucketID"),
        send_file_as_body: fields.flag("sendFileAsBody", false),
        rules: fields.list("rules", |value| Some(rule(value))),
        all_rules: fields.choice("rulesOperator", &[("OR", false), ("AND", true)]).unwrap_or(false),
        disable_templating: fields.flag("disableTemplating", false),
        fallback_to_404: fields.flag("fallbackTo404", false),
        is_default: fields.flag("default", false),
        crud_key: fields.known_text("crudKey").filter(|key| !key.is_empty()).unwrap_or_else(|| "id".to_owned()),
        callbacks: fields.list("callbacks", |value| {
            let call = Fields::of(value);
            call.0?;
            let latency = call.number("latency", f64::MIN, f64::MAX, 0.0).max(0.0) as u64;
            Some(CallbackCall { uuid: call.uuid(ids), latency })
        }),
    }
}

fn rule(value: &Value) -> Rule {
    let fields = Fields::of(value);
    Rule {
        target: fields
            .choice(
                "target",
                &[
                    ("body", Target::Body),
                    ("query", Target::Query),
                    ("header", Target::Header),
                    ("cookie", Target::Cookie),
                    ("params", Target::Params),
                    ("path", Target::Path),
                    ("method", Target::Method),
                    ("request_number", Target::RequestNumber),
                    ("global_var", Target::GlobalVar),
                    ("data_bucket", Target::DataBucket),
                    ("templating", Target::Templating),
                ],
            )
            .unwrap_or(Target::Body),
        modifier: fields.text("modifier"),
        value: fields.text("value"),
        invert: fields.flag("invert", false),
        operator: fields
            .choice(
                "operator",
                &[
                    ("equals", Operator::Equals),
                    ("regex", Operator::Regex),
                    ("regex_i", Operator::RegexIgnoringCase),
                    ("null", Operator::Null),
                    ("empty_array", Operator::EmptyArray),
                    ("array_includes", Operator::ArrayIncludes),
                    ("valid_json_schema", Operator::ValidJsonSchema),
                ],
            )
            .unwrap_or(Operator::Equals),
    }
}

fn callback(value: &Value, ids: &mut Ids) -> Option<Callback> {
    let fields = Fields::of(value);
    fields.0?;
    let method = fields.known_text("method").filter(|method| METHODS.contains(&method.as_str()));
    Some(Callback {
        uuid: fields.uuid(ids),
        id: fields.known_text("id").unwrap_or_else(|| ids.short()),
        name: fields.known_text("name").filter(|name| !name.is_empty()).unwrap_or_else(|| "Callback".to_owned()),
        method: method.unwrap_or_else(|| "post".to_owned()),
        uri: fields.text("uri"),
        headers: fields.headers("headers"),
        body: fields.text("body"),
        body_type: fields.choice("bodyType", BODY_TYPES).unwrap_or(BodyType::Inline),
        file_path: fields.text("filePath"),
        send_file_as_body: fields.flag("sendFileAsBody", true),
        bucket_id: fields.text("databucketID"),
    })
}

/// The members of an object; none of what is no object.
struct Fields<'v>(Option<&'v Map<String, Value>>);

impl<'v> Fields<'v> {
    fn of(value: &'v Value) -> Self {
        Self(value.as_object())
    }

    fn get(&self, name: &str) -> Option<&'v Value> {
        self.0?.get(name)
    }

    fn object(&self, name: &str) -> Fields<'v> {
        Fields(self.get(name).and_then(Value::as_object))
    }

    fn known_text(&self, name: &str) -> Option<String> {
        Some(self.get(name)?.as_str()?.to_owned())
    }

    fn text_or(&self, name: &str, default: &str) -> String {
        self.known_text(name).unwrap_or_else(|| default.to_owned())
    }

    fn text(&self, name: &str) -> String {
        self.text_or(name, "")
    }

    /// Only `true` and `false` count.
    fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(default)
    }

    /// Texts that are numbers count.
    fn number(&self, name: &str, low: f64, high: f64, default: f64) -> f64 {
        let number = match self.get(name) {
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|number| (low..=high).contains(number)).unwrap_or(default)
    }

    fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.get(name)?.as_str()?;
        choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value)
    }

    fn list<T>(&self, name: &str, item: impl FnMut(&'v Value) -> Option<T>) -> Vec<T> {
        self.get(name).and_then(Value::as_array).map_or_else(Vec::new, |items| items.iter().filter_map(item).collect())
    }

    fn headers(&self, name: &str) -> Vec<Header> {
        self.list(name, |value| {
            let header = Fields::of(value);
            Some(Header { key: header.text("key"), value: header.text("value") })
        })
    }

    /// A new one where there is none that is one.
    fn uuid(&self, ids: &mut Ids) -> String {
        let is_uuid = |text: &String| {
            let hex = text.chars().filter(char::is_ascii_hexdigit).count();
            hex == 32 && text.chars().all(|character| character.is_ascii_hexdigit() || "-:{}[]()".contains(character))
        };
        self.known_text("uuid").filter(is_uuid).unwrap_or_else(|| ids.uuid())
    }
}
