//! Values that were given in one shape, told in another.

use standin_model::words::squash;
use standin_model::{Document, Fields, Kind, Service, ShapeIx, Timestamp};

/// Deeper values are cut: the model has no such depth, but free-form input may.
const DEPTH_MAX: usize = 64;

/// A value as a shape wants it: members that the shape does not have are left out, others are found by name.
/// `None` where it cannot stand there at all.
pub(crate) fn fit(service: &Service, shape: ShapeIx, value: &Document) -> Option<Document> {
    walk(service, shape, value, 0)
}

fn walk(service: &Service, shape: ShapeIx, value: &Document, depth: usize) -> Option<Document> {
    if depth > DEPTH_MAX {
        return None;
    }
    let fitted = match (&service.shape(shape).kind, value) {
        (_, Document::Null) => return None,
        (Kind::Structure(structure), Document::Map(fields)) => {
            let mut out = Fields::with_capacity(fields.len().min(structure.members.len()));
            for member in &structure.members {
                let exact = fields.get(member.name);
                let found = exact.or_else(|| {
                    let name = squash(member.name);
                    fields.iter().find(|(key, _)| squash(key) == name).map(|(_, value)| value)
                });
                if let Some(value) = found.and_then(|value| walk(service, member.target, value, depth + 1)) {
                    out.push(member.name, value);
                }
            }
            if out.is_empty() && !fields.is_empty() {
                return None;
            }
            Document::Map(out)
        }
        // A bare identifier, where a structure around it is shown: `SubnetIds` as `Subnets[].SubnetIdentifier`.
        (Kind::Structure(structure), Document::String(_)) => {
            let mut texts = structure.members.iter().filter(|member| {
                let name = squash(member.name);
                matches!(service.target(member).kind, Kind::String { .. })
                    && ["id", "identifier", "name", "arn"].iter().any(|end| name.ends_with(end))
            });
            let only = || match &*structure.members {
                [only] if matches!(service.target(only).kind, Kind::String { .. }) => Some(only),
                _ => None,
            };
            let member = texts.next().or_else(only)?;
            let mut out = Fields::with_capacity(1);
            out.push(member.name, value.clone());
            Document::Map(out)
        }
        (Kind::List(list), Document::List(items)) => {
            let items: Vec<_> =
                items.iter().filter_map(|item| walk(service, list.member.target, item, depth + 1)).collect();
            Document::List(items)
        }
        (Kind::Map(map), Document::Map(fields)) => {
            let entries = fields.iter();
            let entries = entries
                .filter_map(|(key, item)| Some((key.clone(), walk(service, map.value.target, item, depth + 1)?)));
            Document::Map(entries.collect())
        }
        (Kind::String { enum_values }, Document::String(text)) => {
            if !enum_values.is_empty() && !enum_values.iter().any(|known| known == text) {
                let same = enum_values.iter().find(|known| known.eq_ignore_ascii_case(text))?;
                return Some(Document::from(*same));
            }
            value.clone()
        }
        (Kind::String { .. }, Document::Int(number)) => Document::from(number.to_string()),
        (Kind::String { .. }, Document::Bool(flag)) => Document::from(flag.to_string()),
        (Kind::String { .. }, Document::Timestamp(at)) => Document::from(at.to_date_time()),
        (Kind::Boolean, Document::Bool(_))
        | (Kind::Timestamp(_), Document::Timestamp(_))
        | (Kind::Blob { .. }, Document::Blob(_))
        | (Kind::Document, _) => value.clone(),
        (Kind::Boolean, Document::String(text)) => Document::Bool(text.parse().ok()?),
        (Kind::Timestamp(_), Document::Int(seconds)) => Document::Timestamp(Timestamp::from_seconds(*seconds)),
        (Kind::Timestamp(_), Document::String(text)) => Document::Timestamp(Timestamp::parse_any(text)?),
        (
            Kind::Byte | Kind::Short | Kind::Integer | Kind::Long | Kind::BigInteger,
            Document::Int(_) | Document::BigNumber(_),
        ) => value.clone(),
        (Kind::Byte | Kind::Short | Kind::Integer | Kind::Long | Kind::BigInteger, Document::String(text)) => {
            Document::Int(text.parse().ok()?)
        }
        #[expect(clippy::cast_possible_truncation, reason = "the model wants a whole number")]
        (Kind::Byte | Kind::Short | Kind::Integer | Kind::Long, Document::Float(number)) => {
            Document::Int(*number as i64)
        }
        (Kind::Long | Kind::Integer, Document::Timestamp(at)) => Document::Int(at.seconds),
        (Kind::Float | Kind::Double | Kind::BigDecimal, Document::Float(_) | Document::BigNumber(_)) => value.clone(),
        #[expect(clippy::cast_precision_loss, reason = "the model wants a fraction")]
        (Kind::Float | Kind::Double | Kind::BigDecimal, Document::Int(number)) => Document::Float(*number as f64),
        (Kind::Blob { .. }, Document::String(text)) => Document::Blob(text.as_bytes().to_vec().into()),
        (Kind::String { .. }, Document::Blob(bytes)) => Document::from(std::str::from_utf8(bytes).ok()?.to_owned()),
        _ => return None,
    };
    Some(fitted)
}

/// Whether a value says nothing: what an update sets to clear a member.
pub(crate) fn is_empty(value: &Document) -> bool {
    match value {
        Document::Null => true,
        Document::String(text) => text.is_empty(),
        Document::List(items) => items.is_empty(),
        Document::Map(fields) => fields.is_empty(),
        _ => false,
    }
}
