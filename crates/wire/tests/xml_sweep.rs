//! Every operation of the catalogue that speaks XML or forms: what is written reads back the same.

use standin_core::OperationError;
use standin_model::{
    Catalogue, Document, Fields, Key, Kind, Location, Member, Operation, Protocol, Service, ShapeIx, Timestamp,
};
use standin_wire::{query, xml};

/// Makes a document of a shape with every member in it; recursive shapes end after one round.
struct Maker<'s> {
    service: &'s Service,
    open: Vec<ShapeIx>,
    /// Forms cannot say that a structure is there but empty.
    form: bool,
    count: i64,
}

impl Maker<'_> {
    fn make(&mut self, ix: ShapeIx) -> Option<Document> {
        if self.open.contains(&ix) {
            return None;
        }
        let shape = self.service.shape(ix);
        self.count += 1;
        let count = self.count;
        match &shape.kind {
            Kind::Structure(structure) => {
                self.open.push(ix);
                let mut fields = Fields::new();
                for member in &structure.members {
                    // S3 has deprecated members that share an element with a newer one.
                    let twin = |other: &Member| other.name != member.name && other.wire_name() == member.wire_name();
                    if member.location == Location::Body
                        && !(member.deprecated && structure.members.iter().any(twin))
                        && let Some(value) = self.make(member.target)
                    {
                        fields.push(member.name, value);
                    }
                }
                self.open.pop();
                (!fields.is_empty() || !self.form).then_some(Document::Map(fields))
            }
            Kind::List(list) => {
                self.open.push(ix);
                let first = self.make(list.member.target);
                let second = self.make(list.member.target);
                self.open.pop();
                Some(Document::List(vec![first?, second?]))
            }
            Kind::Map(map) => {
                self.open.push(ix);
                let first = self.make(map.value.target);
                let second = self.make(map.value.target);
                self.open.pop();
                let mut fields = Fields::new();
                fields.push(Key::Owned(format!("key {count} <&>\r\n")), first?);
                fields.push(Key::Owned(format!("\u{e9}{count}")), second?);
                Some(Document::Map(fields))
            }
            Kind::String { enum_values } if enum_values.is_empty() => {
                Some(Document::from(format!(" text.{count} <&'\"> %41+\r\n\u{fc}\u{1f600} ")))
            }
            Kind::String { enum_values } => Some(Document::from(enum_values[0].to_owned())),
            Kind::Blob { .. } => {
                Some(Document::Blob(vec![0, 255, u8::try_from(count % 256).expect("below 256")].into()))
            }
            Kind::Boolean => Some(Document::Bool(count % 2 == 0)),
            Kind::Byte | Kind::Short | Kind::Integer | Kind::Long | Kind::BigInteger => {
                Some(Document::Int(count % 100 - 50))
            }
            Kind::Float | Kind::Double | Kind::BigDecimal => Some(Document::Float(0.5)),
            Kind::Timestamp(_) => Some(Document::Timestamp(Timestamp::from_seconds(1_791_374_400 + count))),
            Kind::Document => None,
        }
    }
}

fn made(service: &Service, shape: ShapeIx, form: bool) -> Document {
    Maker { service, open: Vec::new(), form, count: 0 }.make(shape).unwrap_or_else(Document::map)
}

/// Runs over the operations of every API version that speaks `protocol`; says how many there were.
fn sweep(protocol: Protocol, mut check: impl FnMut(&Service, &Operation)) -> usize {
    let mut count = 0;
    for entry in Catalogue::embedded().entries().iter().filter(|entry| entry.protocols.contains(&protocol)) {
        let service = entry.open().expect("readable");
        for operation in &service.operations {
            check(service, operation);
            count += 1;
        }
    }
    count
}

/// The shape that an XML body holds: the payload's where there is one and it is a structure.
fn body_shape(service: &Service, shape: ShapeIx) -> Option<ShapeIx> {
    match service.structure(shape)?.payload_member() {
        Some(member) => {
            service.structure(member.target).is_some_and(|structure| !structure.event_stream).then_some(member.target)
        }
        None => Some(shape),
    }
}

/// The order of members does not count: attributes are read first, forms in the order of their keys.
fn assert_same(service: &Service, operation: &Operation, bytes: &[u8], back: Document, sent: Document) {
    assert_eq!(sorted(back), sorted(sent), "{} {} {}: {}", service.id, service.version, operation.name, text(bytes));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(4000)]).into_owned()
}

#[test]
fn rest_xml_bodies_read_back() {
    let mut bodies = 0;
    let operations = sweep(Protocol::RestXml, |service, operation| {
        for shape in [operation.input, operation.output].into_iter().flatten() {
            let Some(shape) = body_shape(service, shape) else { continue };
            let sent = made(service, shape, false);
            let mut bytes = Vec::new();
            xml::write_body(service, shape, "Root", xml::namespace(service).as_deref(), &sent, &mut bytes);
            let back = xml::read_body(service, shape, &bytes).unwrap_or_else(|error| {
                panic!("{} {} {error}: {}", service.id, operation.name, text(&bytes));
            });
            bodies += usize::from(sent != Document::map());
            assert_same(service, operation, &bytes, back, sent);
        }
    });
    assert!(operations > 900, "{operations}");
    assert!(bodies > 1000, "{bodies}");
}

#[test]
fn query_results_read_back() {
    for (protocol, at_least) in [(Protocol::AwsQuery, 1300), (Protocol::Ec2Query, 2000)] {
        let operations = sweep(protocol, |service, operation| {
            let sent = operation.output.map_or_else(Document::map, |shape| made(service, shape, false));
            let bytes = query::write_result(protocol, service, operation, "id-1", &sent);
            let back = query::read_result(protocol, service, operation, &bytes).unwrap_or_else(|error| {
                panic!("{} {} {error}: {}", service.id, operation.name, text(&bytes));
            });
            assert_same(service, operation, &bytes, back, sent);
        });
        assert!(operations >= at_least, "{protocol} {operations}");
    }
}

#[test]
fn forms_read_back() {
    for protocol in [Protocol::AwsQuery, Protocol::Ec2Query] {
        sweep(protocol, |service, operation| {
            let sent = operation.input.map_or_else(Document::map, |shape| made(service, shape, true));
            let bytes = query::write_form(protocol, service, operation, &sent).expect("fits its shape");
            let back = query::read_form(protocol, service, operation, &bytes).unwrap_or_else(|error| {
                panic!("{} {} {error}: {}", service.id, operation.name, text(&bytes));
            });
            assert_same(service, operation, &bytes, back, sent);
        });
    }
}

#[test]
fn errors_read_back() {
    for protocol in [Protocol::AwsQuery, Protocol::Ec2Query, Protocol::RestXml] {
        sweep(protocol, |service, operation| {
            for shape in &operation.errors {
                let code = OperationError::wire_code(service, *shape);
                let Document::Map(members) = made(service, *shape, false) else { panic!("an error is a structure") };
                let of_envelope = |name: &str| name.eq_ignore_ascii_case("message") || name == "Code";
                let members: Fields = members.into_iter().filter(|(name, _)| !of_envelope(name)).collect();
                let bytes =
                    xml::write_error(protocol, Some(service), Some(*shape), code, "<broken>", true, &members, "id-1");
                let back = xml::read_error(protocol, service, operation, &bytes).expect("an envelope");
                let expect = (code.to_owned(), "<broken>".to_owned(), members, Some("id-1".to_owned()));
                assert_eq!(back, expect, "{} {} {code}: {}", service.id, operation.name, text(&bytes));
            }
        });
    }
}

fn sorted(value: Document) -> Document {
    match value {
        Document::List(items) => Document::List(items.into_iter().map(sorted).collect()),
        Document::Map(fields) => {
            let mut entries: Vec<_> = fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Document::Map(entries.into_iter().collect())
        }
        other => other,
    }
}
