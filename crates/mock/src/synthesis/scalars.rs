//! Numbers, booleans, times and bytes; and members that are worked out from their siblings.

use serde_json::Value;
use standin_model::{Bound, Constraints, Kind, Location, Member, Shape, Structure};

use super::compile::{Compiler, Mode};
use super::facts::{least, most};
use super::plan::{Derived, Node, Slot, TimeUnit};
use super::time::TimeRole;
use super::{examples, tables};
use standin_model::words::{ends_in, hash, singular_of, split, squash};

/// Blobs that a model wants longer are as long as it wants, up to here.
const BLOB_MAX: usize = 1 << 20;

/// What a blob holds: JSON, because some clients read it as such, and text for the rest.
const CONTENT: &[u8] = b"{\"message\":\"This content was made up by standin.\"}";

const _: () = assert!(CONTENT.len() == 50, "the table of numbers has the same length");

/// Plans a value that is neither text nor made of others.
pub(super) fn plan(
    compiler: &Compiler,
    shape: &Shape,
    name: &str,
    member: Option<&Member>,
    example: Option<&'static Value>,
) -> Node {
    let limits = shape.constraints.as_deref();
    let is_more = super::pagination::is_more(name);
    match &shape.kind {
        Kind::Boolean => Node::Bool(examples::boolean(example).filter(|_| !is_more).unwrap_or_else(|| truth(name))),
        Kind::Byte | Kind::Short | Kind::Integer | Kind::Long | Kind::BigInteger => {
            whole(compiler, &shape.kind, limits, name, member, examples::number(example))
        }
        Kind::Float | Kind::Double | Kind::BigDecimal => fraction(limits, name, examples::number(example)),
        Kind::Timestamp(_) => Node::Time(TimeRole::of(name)),
        Kind::Blob { .. } => {
            let (min, max) = (least(shape).min(BLOB_MAX), most(shape));
            let mut bytes: Vec<u8> = CONTENT.iter().copied().take(max).collect();
            if bytes.len() < min {
                bytes.resize(min, b' ');
            }
            Node::Blob(bytes.into())
        }
        _ => Node::Json,
    }
}

fn truth(name: &str) -> bool {
    let name = squash(name);
    let has = |marks: &[&str]| marks.iter().any(|mark| name.contains(mark));
    !super::pagination::is_more(&name) && !has(tables::FALSE_MARKS) && has(tables::TRUE_MARKS)
}

fn whole(
    compiler: &Compiler,
    kind: &Kind,
    limits: Option<&Constraints>,
    name: &str,
    member: Option<&Member>,
    example: Option<f64>,
) -> Node {
    let bounds = match kind {
        Kind::Byte => (i64::from(i8::MIN), i64::from(i8::MAX)),
        Kind::Short => (i64::from(i16::MIN), i64::from(i16::MAX)),
        Kind::Integer => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let low = limits.and_then(|limits| limits.min).map_or(bounds.0, Bound::as_i64).max(bounds.0);
    let high = limits.and_then(|limits| limits.max).map_or(bounds.1, Bound::as_i64).min(bounds.1);
    if member.is_some_and(|member| member.location == Location::StatusCode) {
        return Node::Int(compiler.operation.map_or(200, |operation| i64::from(operation.http.status)));
    }
    // The time in milliseconds of this century must be within the range.
    if matches!(kind, Kind::Long)
        && low <= 1_000_000_000
        && high >= 4_000_000_000_000
        && let Some(role) = TimeRole::of_scalar(name)
    {
        let name = squash(name);
        let seconds = name.contains("second") || name.contains("epoch");
        return Node::Moment(role, if seconds { TimeUnit::Seconds } else { TimeUnit::Millis });
    }
    if matches!(kind, Kind::Integer) && limits.is_none() && TimeRole::of_scalar(name).is_some() {
        return Node::Moment(TimeRole::of(name), TimeUnit::Seconds);
    }
    let words = split(name);
    if low <= 0
        && high >= 1000
        && compiler.mode == Mode::Output
        && matches!(words.last().map(String::as_str), Some("index"))
    {
        return Node::Place;
    }
    let example = example.filter(|_| !matches!(words.last().map(String::as_str), Some("count")));
    let (from, to) = example.map_or_else(|| usual(name, compiler.mode), |number| (number, number));
    #[expect(clippy::cast_possible_truncation, reason = "the table's numbers are small")]
    let (from, to) = (from.ceil() as i64, to.ceil() as i64);
    // What the range leaves of the usual numbers; one end of it where that is nothing.
    let (from, to) = (from.clamp(low, high.max(low)), to.clamp(low, high.max(low)));
    if from == to { Node::Int(from) } else { Node::Between(from, to, short_salt(name)) }
}

fn fraction(limits: Option<&Constraints>, name: &str, example: Option<f64>) -> Node {
    let low = limits.and_then(|limits| limits.min).map_or(f64::MIN, Bound::as_f64);
    let high = limits.and_then(|limits| limits.max).map_or(f64::MAX, Bound::as_f64).max(low);
    if limits.is_none()
        && let Some(role) = TimeRole::of_scalar(name)
    {
        return Node::Moment(role, TimeUnit::FloatSeconds);
    }
    let (from, to) = example.map_or_else(|| usual(name, Mode::Output), |number| (number, number));
    let (from, to) = (from.clamp(low, high), to.clamp(low, high));
    if (to - from).abs() < 1e-9 { Node::Float(from) } else { Node::FloatBetween(from, to, short_salt(name)) }
}

#[expect(clippy::cast_possible_truncation, reason = "a hash, of which any part is as good")]
fn short_salt(name: &str) -> u32 {
    hash(name) as u32
}

/// The usual numbers for a member of that name.
fn usual(name: &str, mode: Mode) -> (f64, f64) {
    let words = split(name);
    let name = squash(name);
    let failed = [
        "error",
        "fail",
        "unprocessed",
        "rejected",
        "invalid",
        "skipped",
        "unhealthy",
        "pending",
        "deleted",
        "warning",
        "cancelled",
    ];
    if matches!(mode, Mode::Output) && failed.iter().any(|mark| name.contains(mark)) {
        return (0.0, 0.0);
    }
    match told(&words) {
        Some(told) => told,
        // What is least is no more than what is most.
        None if name.starts_with("min") => (1.0, 1.0),
        None if name.starts_with("max") => (10.0, 10.0),
        None => (1.0, 5.0),
    }
}

/// What the table says of a number of that name.
pub(super) fn told(words: &[String]) -> Option<(f64, f64)> {
    tables::NUMBERS
        .iter()
        .filter(|(row, _, _)| ends_in(words, row))
        .max_by_key(|(row, _, _)| row.len())
        .map(|(_, from, to)| (*from, *to))
}

/// Ties members to their siblings: counts to lists, lengths and digests to contents.
pub(super) fn derive(compiler: &Compiler, structure: &Structure, slots: &mut [Slot]) {
    let lists: Vec<(&'static str, String)> = slots
        .iter()
        .filter(|slot| matches!(slot.node, Node::List(_) | Node::Map(_)))
        .map(|slot| (slot.name, squash(slot.name)))
        .collect();
    let bytes = slots.iter().find(|slot| matches!(slot.node, Node::Blob(_))).map(|slot| slot.name);
    let streams = structure.payload_member().filter(|payload| Some(payload.name) == bytes).is_some();
    let names: Vec<(&'static str, String)> = slots.iter().map(|slot| (slot.name, squash(slot.name))).collect();
    for slot in slots.iter_mut() {
        let name = squash(slot.name);
        let number = matches!(slot.node, Node::Int(_) | Node::Between(..) | Node::Place);
        let sized =
            matches!(name.as_str(), "contentlength" | "datalength" | "size" | "totalsize" | "blobsize" | "filesize");
        if number && let Some(list) = counted(&name, &lists) {
            slot.node = Node::Derived(Box::new(Derived::Count(list)));
        } else if number
            && sized
            && streams
            && let Some(bytes) = bytes
        {
            slot.node = Node::Derived(Box::new(Derived::Length(bytes)));
        } else if let Some(of) = name.strip_prefix("md5of") {
            let sibling = names.iter().find(|(_, other)| other == of).map(|(name, _)| *name);
            if let Some(sibling) = sibling {
                slot.node = Node::Derived(Box::new(Derived::Md5(sibling)));
            } else if let Some(source) = compiler.input_named(of) {
                slot.node = Node::Derived(Box::new(Derived::Md5Of(source)));
            }
        } else if name == "checksum"
            && streams
            && let Some(bytes) = bytes
        {
            slot.node = Node::Derived(Box::new(Derived::Sha256(bytes)));
        }
    }
}

/// The list that a number counts.
fn counted(name: &str, lists: &[(&'static str, String)]) -> Option<&'static str> {
    let named = lists.iter().find(|(_, list)| {
        let one = singular_of(list);
        [
            format!("{one}count"),
            format!("{list}count"),
            format!("numberof{list}"),
            format!("num{list}"),
            format!("total{list}"),
            format!("total{list}count"),
            format!("total{one}count"),
        ]
        .contains(&name.to_owned())
    });
    if let Some((list, _)) = named {
        return Some(list);
    }
    const PLAIN: [&str; 16] = [
        "count",
        "quantity",
        "total",
        "totalcount",
        "totalresults",
        "keycount",
        "numresults",
        "resultcount",
        "itemcount",
        "totalresultscount",
        "numberofresults",
        "returnedcount",
        "totalitems",
        "approximatetotalcount",
        "totalrecords",
        "numresultsavailable",
    ];
    if !PLAIN.contains(&name) {
        return None;
    }
    match lists {
        [(only, _)] => Some(only),
        _ => lists.iter().find(|(_, list)| list == "items").or(lists.first()).map(|(list, _)| *list),
    }
}
