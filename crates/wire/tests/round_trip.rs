//! Every operation of the catalogue, in every protocol of its service: an arbitrary input survives the way to the server,
//! an arbitrary output the way back, and so do the errors.

use std::collections::HashMap;
use std::sync::Mutex;

use standin_core::{Dice, Draw, OperationError};
use standin_model::{
    Catalogue, Document, Entry, Fields, Key, Kind, Location, Member, Operation, Protocol, Service, ShapeIx, Structure,
    Timestamp, TimestampFormat,
};
use standin_wire::{client, server, value};

const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000001";

/// About how many values a document holds; beyond, only what is required.
const BUDGET: u32 = 40;

/// Structures open at once; beyond, only what is required, and beyond twice that nothing.
const DEPTH: usize = 5;

/// Makes an arbitrary document of a shape that the protocol can carry without loss.
struct Maker<'s> {
    service: &'s Service,
    protocol: Protocol,
    draw: Draw,
    made: u32,
    depth: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Body,
    /// Labels and query parameters.
    Url,
    Header,
}

impl Place {
    fn of(location: Location) -> Self {
        match location {
            Location::Uri | Location::Query | Location::QueryParams => Self::Url,
            Location::Header | Location::PrefixHeaders => Self::Header,
            Location::Body | Location::StatusCode => Self::Body,
        }
    }
}

/// Members that hold what every message has: labels, the status, an event's payload, the type of the body and of the error.
fn is_always_there(member: &Member) -> bool {
    let name = member.wire_name().to_ascii_lowercase();
    matches!(member.location, Location::Uri | Location::StatusCode)
        || (member.location == Location::Header && ["content-type", "x-amzn-errortype"].contains(&name.as_str()))
}

impl Maker<'_> {
    fn is_xml_or_form(&self) -> bool {
        matches!(self.protocol, Protocol::RestXml | Protocol::AwsQuery | Protocol::Ec2Query)
    }

    fn top(&mut self, ix: ShapeIx) -> Document {
        let structure = self.service.structure(ix).expect("inputs and outputs are structures");
        self.structure(structure, self.protocol.is_rest()).unwrap_or_else(Document::map)
    }

    fn structure(&mut self, structure: &Structure, bound: bool) -> Option<Document> {
        if self.depth > 2 * DEPTH {
            return None;
        }
        self.depth += 1;
        let mut fields = Fields::new();
        let only = if structure.union && !structure.members.is_empty() {
            Some(self.draw.below(structure.members.len() as u64) as usize)
        } else {
            None
        };
        for (at, member) in structure.members.iter().enumerate() {
            // S3 has deprecated members that share an element with a newer one.
            let twin = |other: &Member| other.name != member.name && other.wire_name() == member.wire_name();
            if member.deprecated && structure.members.iter().any(twin) {
                continue;
            }
            let place = if bound { Place::of(member.location) } else { Place::Body };
            let tight = self.made > BUDGET || self.depth > DEPTH;
            let wanted = match only {
                Some(only) => only == at,
                None => {
                    let must = member.required || member.event_payload || (bound && is_always_there(member));
                    must || (!tight && self.draw.below(3) > 0)
                }
            };
            if !wanted {
                continue;
            }
            let value = if bound && member.location == Location::StatusCode {
                Some(Document::Int(207))
            } else if self.is_request_id(member, place) {
                Some(REQUEST_ID.into())
            } else if member.json_value {
                Some("{\"k\": [1, \"\u{e9}\"]}".into())
            } else {
                self.member(member, place)
            };
            if let Some(value) = value {
                fields.push(member.name, value);
            }
        }
        self.depth -= 1;
        (!fields.is_empty() || !self.is_xml_or_form()).then_some(Document::Map(fields))
    }

    /// Members that hold the request id get the answer's own, whatever a handler says.
    fn is_request_id(&self, member: &Member, place: Place) -> bool {
        let name = member.wire_name().to_ascii_lowercase();
        place == Place::Header && ["x-amzn-requestid", "x-amz-request-id", "x-amz-id-2"].contains(&name.as_str())
    }

    fn member(&mut self, member: &Member, place: Place) -> Option<Document> {
        self.made += 1;
        let service = self.service;
        match &service.shape(member.target).kind {
            Kind::Structure(structure) if structure.event_stream => {
                let one = self.structure(structure, false)?;
                let two = self.structure(structure, false)?;
                Some(Document::List(vec![one, two]))
            }
            Kind::Structure(structure) => self.structure(structure, false),
            Kind::List(list) => {
                if self.depth > 2 * DEPTH {
                    return None;
                }
                let least = u64::from(self.is_xml_or_form() || place != Place::Body);
                let mut items = Vec::new();
                for _ in 0..least + self.draw.below(3) {
                    items.extend(self.member(&list.member, place));
                    if list.sparse && !self.is_xml_or_form() && place == Place::Body {
                        items.push(Document::Null);
                    }
                }
                (items.len() as u64 >= least).then_some(Document::List(items))
            }
            Kind::Map(map) => {
                if self.depth > 2 * DEPTH {
                    return None;
                }
                let least = u64::from(self.is_xml_or_form() || place != Place::Body);
                let mut fields = Fields::new();
                for at in 0..least + self.draw.below(3) {
                    let key = match (place, &service.shape(map.key.target).kind) {
                        (Place::Header, _) => format!("x-key-{at}"),
                        (_, Kind::String { enum_values }) if !enum_values.is_empty() => {
                            enum_values[at as usize % enum_values.len()].to_owned()
                        }
                        _ => format!("key {at} <&>\u{e9}"),
                    };
                    if !fields.contains_key(&key)
                        && let Some(value) = self.member(&map.value, place)
                    {
                        fields.push(Key::Owned(key), value);
                    }
                }
                (fields.len() as u64 >= least).then_some(Document::Map(fields))
            }
            kind => Some(self.simple(member, kind, place)),
        }
    }

    fn simple(&mut self, member: &Member, kind: &Kind, place: Place) -> Document {
        let number = self.draw.next_u64();
        match kind {
            Kind::String { enum_values } if !enum_values.is_empty() => {
                (*self.draw.pick(enum_values).expect("not empty")).to_owned().into()
            }
            Kind::String { .. } if place == Place::Header => {
                ["plain", "with, comma", "a \"quoted\" one", "caf\u{e9}"][number as usize % 4].into()
            }
            Kind::String { .. } => {
                ["x", " two\twords ", "<&'\"> %41+/\\", "\u{fc}\u{1f600}\r\n."][number as usize % 4].into()
            }
            Kind::Blob { .. } => Document::Blob(number.to_le_bytes().to_vec().into()),
            Kind::Boolean => (number & 1 == 0).into(),
            Kind::Byte => i64::from(number as i8).into(),
            Kind::Short => i64::from(number as i16).into(),
            Kind::Integer => i64::from(number as i32).into(),
            Kind::Long | Kind::BigInteger => (number as i64).into(),
            Kind::Float => [0.5, -2.25e7, f64::NAN, f64::INFINITY, 1.1][number as usize % 5].into(),
            Kind::Double | Kind::BigDecimal => {
                [0.1, -2.5e-9, f64::NAN, f64::NEG_INFINITY, 1e21][number as usize % 5].into()
            }
            Kind::Timestamp(_) => {
                let default = match place {
                    Place::Header => TimestampFormat::HttpDate,
                    _ => TimestampFormat::DateTime,
                };
                let seconds = 1_600_000_000 + (number % 400_000_000) as i64;
                let is_coarse = value::timestamp_format(self.service, member, default) == TimestampFormat::HttpDate;
                let millis = if is_coarse { 0 } else { (number >> 32) as i64 % 1000 };
                Timestamp::from_millis(seconds * 1000 + millis).into()
            }
            Kind::Document => {
                let inner: Fields = [("n".into(), Document::Int(1)), ("t".into(), "x".into())].into_iter().collect();
                Document::List(vec![Document::Map(inner), Document::Null, 0.5.into(), true.into()])
            }
            Kind::Structure(_) | Kind::List(_) | Kind::Map(_) => unreachable!("not simple"),
        }
    }
}

fn made(service: &Service, operation: &Operation, protocol: Protocol, shape: Option<ShapeIx>) -> Document {
    let Some(shape) = shape else { return Document::map() };
    let mut key = Dice::new(1).key(service.id);
    let draw = key.text(service.version).text(operation.name).text(protocol.name()).number(shape.0.into()).draw();
    Maker { service, protocol, draw, made: 0, depth: 0 }.top(shape)
}

/// The order of members does not count, and NaN is NaN.
fn normal(value: &Document) -> String {
    fn sorted(value: &Document) -> Document {
        match value {
            Document::List(items) => Document::List(items.iter().map(sorted).collect()),
            Document::Map(fields) => {
                let mut entries: Vec<_> = fields.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
                entries.sort_by(|(a, _), (b, _)| a.cmp(b));
                Document::Map(entries.into_iter().filter(|(_, value)| !value.is_null()).collect())
            }
            other => other.clone(),
        }
    }
    format!("{:?}", sorted(value))
}

fn without(value: &Document, drop: impl Fn(&str) -> bool) -> Document {
    let fields = value.as_map().expect("a structure").clone();
    Document::Map(fields.into_iter().filter(|(name, _)| !drop(name)).collect())
}

/// Runs a check over every operation of every API version, in every protocol; reports what failed, by service.
fn sweep(check: impl Fn(&Service, &Operation, Protocol) -> Result<(), String> + Sync) -> usize {
    let catalogue = Catalogue::shared();
    let failures: Mutex<HashMap<String, Vec<String>>> = Mutex::default();
    let entries: Mutex<Vec<&'static Entry>> = Mutex::new(catalogue.entries().iter().collect());
    let count = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from).min(8) {
            scope.spawn(|| {
                loop {
                    let Some(entry) = entries.lock().expect("no panic inside").pop() else { return };
                    let service = entry.open().expect("readable");
                    for operation in &service.operations {
                        for protocol in &service.protocols {
                            *count.lock().expect("no panic inside") += 1;
                            if let Err(reason) = check(service, operation, *protocol) {
                                let line = format!("{} {protocol}: {reason}", operation.name);
                                failures
                                    .lock()
                                    .expect("no panic inside")
                                    .entry(format!("{} {}", service.id, service.version))
                                    .or_default()
                                    .push(line);
                            }
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic inside");
    let total: usize = failures.values().map(Vec::len).sum();
    let mut shown: Vec<String> =
        failures.into_iter().map(|(service, lines)| format!("{service} ({}): {}", lines.len(), lines[0])).collect();
    shown.sort();
    assert!(total == 0, "{total} operations failed; the first of each service:\n{}", shown.join("\n\n"));
    count.into_inner().expect("no panic inside")
}

#[test]
fn requests_survive() {
    let count = sweep(|service, operation, protocol| {
        let input = made(service, operation, protocol, operation.input);
        let request =
            client::encode_request(protocol, service, operation, &input).map_err(|e| format!("{e}: {input:?}"))?;
        let decoded = server::decode_request(protocol, service, operation, &request)
            .map_err(|error| format!("{error}: {request:?}"))?;
        let streams = server::streaming_input(service, operation).map(|member| member.name);
        let expect = normal(&without(&input, |name| Some(name) == streams));
        let found = normal(&decoded);
        if found == expect { Ok(()) } else { Err(format!("\nsent  {expect}\nfound {found}\n{request:?}")) }
    });
    assert!(count > 22_779, "{count}");
}

#[test]
fn answers_survive() {
    let count = sweep(|service, operation, protocol| {
        let output = made(service, operation, protocol, operation.output);
        let response = server::encode_response(protocol, service, operation, REQUEST_ID, &output);
        let decoded =
            client::decode_response(protocol, service, operation, response.status, &response.headers, &response.body)
                .map_err(|error| format!("{error}: {response:?}"))?
                .map_err(|error| format!("an error {error:?}: {response:?}"))?;
        // No body can come with these.
        let bodiless = operation.http.method == "HEAD" || [204, 205, 304].contains(&response.status.as_u16());
        let structure = operation.output.and_then(|shape| service.structure(shape));
        let expect = normal(&without(&output, |name| {
            let member = structure.and_then(|structure| structure.member(name));
            bodiless && member.is_some_and(|member| member.location == Location::Body)
        }));
        let mut decoded = decoded;
        let takes_all = |member: &&Member| {
            member.location == Location::PrefixHeaders && member.location_name.is_none_or(str::is_empty)
        };
        if let Some(member) = structure.and_then(|structure| structure.members.iter().find(takes_all))
            && let Some(Document::Map(headers)) = decoded.as_map_mut().and_then(|fields| fields.get_mut(member.name))
        {
            headers.remove("content-type");
            headers.remove("x-amzn-requestid");
        }
        let found = normal(&decoded);
        if found == expect { Ok(()) } else { Err(format!("\nsent  {expect}\nfound {found}\n{response:?}")) }
    });
    assert!(count > 22_779, "{count}");
}

#[test]
fn errors_survive() {
    let count = sweep(|service, operation, protocol| {
        for shape in &operation.errors {
            let members = made(service, operation, protocol, Some(*shape));
            let is_message =
                |name: &str| ["message", "errormessage", "code"].contains(&name.to_ascii_lowercase().as_str());
            let Document::Map(mut members) = without(&members, is_message) else { unreachable!("a structure") };
            let structure = service.structure(*shape).expect("errors are structures");
            for member in structure.members.iter().filter(|_| protocol.is_rest()) {
                if member.wire_name().eq_ignore_ascii_case("x-amzn-errortype") {
                    members.insert(member.name, service.shape(*shape).name);
                }
            }
            let mut error = OperationError::new(service.shape(*shape).name, "what <went> wrong");
            error.members = members.clone();
            let response = server::encode_error(protocol, Some(service), Some(operation), REQUEST_ID, &error);
            let decoded = client::decode_response(
                protocol,
                service,
                operation,
                response.status,
                &response.headers,
                &response.body,
            )
            .map_err(|error| error.to_string())?
            .expect_err("an error's status");
            if operation.http.method == "HEAD" {
                continue;
            }
            let names = [service.shape(*shape).name, OperationError::wire_code(service, *shape)];
            let known = names.contains(&decoded.code.as_str()) || service.id == "sqs";
            let expect = normal(&Document::Map(members));
            let found = normal(&Document::Map(decoded.members));
            if !known || decoded.message != "what <went> wrong" || found != expect {
                return Err(format!(
                    "{} {}\nsent  {expect}\nfound {found}\n{response:?}",
                    decoded.code, decoded.message
                ));
            }
            if decoded.request_id.as_deref() != Some(REQUEST_ID) {
                return Err(format!("no request id: {response:?}"));
            }
        }
        Ok(())
    });
    assert!(count > 22_779, "{count}");
}
