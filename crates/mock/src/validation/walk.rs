//! The walk over a value and its shape.

use standin_model::{
    Bound, Constraints, Document, Fields, Kind, ListShape, Location, MapShape, Member, Protocol, Service, Shape,
    ShapeIx, Structure, nearest,
};

use super::violation::{Constraint, Number, Shown, Violation};
use crate::pattern::{self, Verdict};

/// Further violations are not told: nobody reads them, and a hostile list of a million items would make a message of
/// a hundred megabytes.
pub(super) const VIOLATIONS_MAX: usize = 100;
/// Decoders refuse deeper values long before.
const DEPTH_MAX: usize = 256;

/// Texts of more bytes that are too long are not held to their pattern as well.
const HUGE_BYTES: usize = 16 * 1024;

/// Shapes of texts that travel percent-encoded as a whole, which their pattern does not foresee: S3 takes `b%2Fk` for the
/// source of a copy.
const ENCODED_SHAPES: &[&str] = &["CopySource"];

/// What a walk looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// Missing members only.
    pub required_only: bool,
    /// Members that the structure does not have are violations, as they should be in what is answered; AWS ignores
    /// them in what is asked.
    pub unknown_members: bool,
}

/// Checks a value against every constraint of its shape; unknown members are ignored. Empty for a good value.
pub fn check_shape(service: &Service, shape: ShapeIx, value: &Document) -> Vec<Violation> {
    check_shape_with(service, shape, value, Options::default())
}

/// Checks a value against its shape. Empty for a good value.
pub fn check_shape_with(service: &Service, shape: ShapeIx, value: &Document, options: Options) -> Vec<Violation> {
    let mut walk = Walk { service, options, violations: Vec::new() };
    walk.value(shape, value, &Path::ROOT);
    walk.violations
}

/// Where the walk stands: a chain on the stack, written out only for a violation.
struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Step<'p>,
    depth: usize,
}

#[derive(Clone, Copy)]
pub(super) enum Step<'p> {
    Root,
    Member(&'p str),
    /// Counted from 0.
    Item(usize),
    Entry(&'p str),
}

impl<'p> Path<'p> {
    const ROOT: Path<'static> = Path { parent: None, step: Step::Root, depth: 0 };

    fn then(&'p self, step: Step<'p>) -> Path<'p> {
        Path { parent: Some(self), step, depth: self.depth + 1 }
    }

    fn write(&self, ec2: bool, out: &mut String) {
        if let Some(parent) = self.parent {
            parent.write(ec2, out);
        }
        self.step.write(ec2, out);
    }
}

impl Step<'_> {
    pub(super) fn write(self, ec2: bool, out: &mut String) {
        if !out.is_empty() {
            out.push('.');
        }
        match self {
            Self::Root => {}
            Self::Member(name) if ec2 => out.push_str(start_of(name)),
            Self::Member(name) => {
                let mut chars = start_of(name).chars();
                out.extend(chars.next().map(|first| first.to_ascii_lowercase()));
                out.push_str(chars.as_str());
            }
            Self::Item(at) => {
                out.push_str(&(at + 1).to_string());
                out.push_str(if ec2 { "" } else { ".member" });
            }
            Self::Entry(key) => {
                out.push_str(start_of(key));
                out.push_str(if ec2 { "" } else { ".member" });
            }
        }
    }
}

/// As much of a client's key as a path needs.
fn start_of(key: &str) -> &str {
    const KEY_BYTES_MAX: usize = 128;
    &key[..key.floor_char_boundary(KEY_BYTES_MAX)]
}

struct Walk<'s> {
    service: &'s Service,
    options: Options,
    violations: Vec<Violation>,
}

impl Walk<'_> {
    fn is_full(&self) -> bool {
        self.violations.len() >= VIOLATIONS_MAX
    }

    #[cold]
    fn report(&mut self, path: &Path<'_>, value: Shown, constraint: Constraint) {
        if self.is_full() {
            return;
        }
        let mut text = String::new();
        path.write(self.service.protocol() == Protocol::Ec2Query, &mut text);
        self.violations.push(Violation { path: text, value, constraint });
    }

    #[cold]
    fn report_value(&mut self, path: &Path<'_>, shape: ShapeIx, value: &Document, constraint: Constraint) {
        self.report(path, Shown::new(self.service, shape, value), constraint);
    }

    fn value(&mut self, ix: ShapeIx, value: &Document, path: &Path<'_>) {
        if self.is_full() || path.depth > DEPTH_MAX {
            return;
        }
        let shape = self.service.shape(ix);
        match (&shape.kind, value) {
            (Kind::Structure(structure), Document::Map(fields)) => self.structure(ix, structure, fields, path),
            (Kind::List(list), Document::List(items)) => self.list(ix, list, items, value, path),
            (Kind::Map(map), Document::Map(fields)) => self.map(ix, map, fields, value, path),
            _ => {}
        }
        if !self.options.required_only {
            each_broken(shape, value, |constraint| self.report_value(path, ix, value, constraint));
        }
    }

    fn structure(&mut self, ix: ShapeIx, structure: &Structure, fields: &Fields, path: &Path<'_>) {
        for member in &structure.members {
            if member.required
                && !member.idempotency_token
                && fields.get(member.name).is_none_or(Document::is_null)
                && !self.streams(member)
            {
                self.report(&path.then(Step::Member(member.name)), Shown::Null, Constraint::NotNull);
            }
        }
        let mut set = 0;
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            let Some(member) = structure.member(name) else {
                if self.options.unknown_members {
                    let near = nearest(name, structure.members.iter().map(|member| member.name), 1).first().copied();
                    self.report(&path.then(Step::Member(name)), Shown::Hidden, Constraint::Unknown(near));
                }
                continue;
            };
            set += 1;
            // JSON within a string: what the text says is as good as the text.
            if member.json_value && value.as_str().is_none() {
                continue;
            }
            let path = path.then(Step::Member(member.name));
            let before = self.violations.len();
            self.value(member.target, value, &path);
            let is_empty_label = member.location == Location::Uri && value.as_str().is_some_and(str::is_empty);
            if is_empty_label && self.violations.len() == before {
                self.report_value(&path, member.target, value, Constraint::MinLength(1));
            }
        }
        if structure.union && !structure.event_stream && set != 1 && !self.options.required_only {
            let members = structure.members.iter().map(|member| member.name).collect();
            let value = Document::Map(fields.clone());
            self.report_value(path, ix, &value, Constraint::Union(members));
        }
    }

    /// Whether a member comes as a body of its own rather than in the document.
    fn streams(&self, member: &Member) -> bool {
        member.streaming || self.service.target(member).is_streaming()
    }

    fn list(&mut self, ix: ShapeIx, list: &ListShape, items: &[Document], whole: &Document, path: &Path<'_>) {
        let target = self.service.target(&list.member);
        if list.sparse && items.iter().all(Document::is_null) {
            return;
        }
        if is_container(target) {
            for (at, item) in items.iter().enumerate().filter(|(_, item)| !item.is_null()) {
                if self.is_full() {
                    return;
                }
                self.contained(list.member.target, item, &path.then(Step::Item(at)));
            }
        }
        if !self.options.required_only && items.iter().any(|item| breaks(target, item, list.sparse)) {
            let some_null = !list.sparse && items.iter().any(Document::is_null);
            let constraints = Constraint::Items(constraints_of(target, items.iter(), some_null));
            self.report_item(ix, list.member.target, whole, path, constraints);
        }
    }

    fn map(&mut self, ix: ShapeIx, map: &MapShape, fields: &Fields, whole: &Document, path: &Path<'_>) {
        let (key, value) = (self.service.target(&map.key), self.service.target(&map.value));
        if is_container(value) {
            for (name, item) in fields.iter().filter(|(_, item)| !item.is_null()) {
                if self.is_full() {
                    return;
                }
                self.contained(map.value.target, item, &path.then(Step::Entry(name)));
            }
        }
        if self.options.required_only {
            return;
        }
        if fields.iter().any(|(name, _)| breaks_text(key, name)) {
            let constraints = Constraint::MapKeys(constraints_of(key, std::iter::empty(), false));
            self.report_item(ix, map.key.target, whole, path, constraints);
        }
        if fields.iter().any(|(_, item)| breaks(value, item, map.sparse)) {
            let some_null = !map.sparse && fields.iter().any(|(_, item)| item.is_null());
            let items = fields.iter().map(|(_, item)| item);
            let constraints = Constraint::MapValues(constraints_of(value, items, some_null));
            self.report_item(ix, map.value.target, whole, path, constraints);
        }
    }

    /// What an item holds. Its own length is told with its siblings', by the list or map around it.
    fn contained(&mut self, ix: ShapeIx, value: &Document, path: &Path<'_>) {
        if path.depth > DEPTH_MAX {
            return;
        }
        match (&self.service.shape(ix).kind, value) {
            (Kind::Structure(structure), Document::Map(fields)) => self.structure(ix, structure, fields, path),
            (Kind::List(list), Document::List(items)) => self.list(ix, list, items, value, path),
            (Kind::Map(map), Document::Map(fields)) => self.map(ix, map, fields, value, path),
            _ => {}
        }
    }

    #[cold]
    fn report_item(&mut self, ix: ShapeIx, item: ShapeIx, whole: &Document, path: &Path<'_>, constraint: Constraint) {
        let hidden = self.service.shape(item).sensitive;
        let value = if hidden { Shown::Hidden } else { Shown::new(self.service, ix, whole) };
        self.report(path, value, constraint);
    }
}

fn is_container(shape: &Shape) -> bool {
    matches!(shape.kind, Kind::Structure(_) | Kind::List(_) | Kind::Map(_))
}

/// Whether an item breaks a constraint of its own shape; what it holds does not count.
fn breaks(shape: &Shape, item: &Document, sparse: bool) -> bool {
    if item.is_null() {
        return !sparse;
    }
    let mut broken = false;
    each_broken(shape, item, |_| broken = true);
    broken
}

fn breaks_text(shape: &Shape, text: &str) -> bool {
    let mut broken = false;
    each_broken_in_text(shape, text, |_| broken = true);
    broken
}

/// Every constraint that items of a shape must satisfy, in AWS's order; what they are not of their own kind comes first.
fn constraints_of<'d>(shape: &Shape, items: impl Iterator<Item = &'d Document>, some_null: bool) -> Vec<Constraint> {
    let mut all = Vec::new();
    if items.filter(|item| !item.is_null()).any(|item| !is_of_kind(&shape.kind, item)) {
        all.push(Constraint::Kind(kind_name(&shape.kind)));
    }
    let constraints = shape.constraints.as_deref();
    if let Some(Constraints { min, max, pattern }) = constraints {
        let float = is_float(&shape.kind);
        let number = is_number(&shape.kind);
        all.extend(max.map(|bound| match number {
            true => Constraint::MaxValue(Number { bound, float }),
            false => Constraint::MaxLength(bound.as_i64()),
        }));
        all.extend(min.map(|bound| match number {
            true => Constraint::MinValue(Number { bound, float }),
            false => Constraint::MinLength(bound.as_i64()),
        }));
        all.extend(pattern.map(Constraint::Pattern));
    }
    if let Kind::String { enum_values } = &shape.kind
        && !enum_values.is_empty()
    {
        all.push(Constraint::Enum(enum_values.clone()));
    }
    if some_null {
        all.push(Constraint::NotNull);
    }
    all
}

/// Calls back for every constraint that the value itself breaks; not for what it holds.
fn each_broken(shape: &Shape, value: &Document, mut broken: impl FnMut(Constraint)) {
    let (min, max) = match shape.constraints.as_deref() {
        Some(constraints) => (constraints.min, constraints.max),
        None => (None, None),
    };
    let mut length = |length: usize| check_length(length, min, max, &mut broken);
    match (&shape.kind, value) {
        (Kind::String { .. }, Document::String(text)) => each_broken_in_text(shape, text, broken),
        (Kind::List(_), Document::List(items)) => length(items.len()),
        (Kind::Map(_), Document::Map(entries)) => length(entries.len()),
        (Kind::Blob { .. }, Document::Blob(bytes)) => length(bytes.len()),
        (kind, value) if !is_of_kind(kind, value) => broken(Constraint::Kind(kind_name(kind))),
        (kind, value) if is_number(kind) => {
            let float = is_float(kind);
            if let Some(bound) = min.filter(|min| is_below(value, *min)) {
                broken(Constraint::MinValue(Number { bound, float }));
            }
            if let Some(bound) = max.filter(|max| is_above(value, *max)) {
                broken(Constraint::MaxValue(Number { bound, float }));
            }
        }
        _ => {}
    }
}

fn each_broken_in_text(shape: &Shape, text: &str, mut broken: impl FnMut(Constraint)) {
    if let Kind::String { enum_values } = &shape.kind
        && !enum_values.is_empty()
    {
        if !enum_values.contains(&text) {
            broken(Constraint::Enum(enum_values.clone()));
        }
        return;
    }
    let Some(Constraints { min, max, pattern }) = shape.constraints.as_deref() else { return };
    // Characters are counted only where bytes do not tell.
    let bytes = text.len();
    let few = min.is_some_and(|min| (bytes as i64) < min.as_i64().saturating_mul(4));
    let many = max.is_some_and(|max| bytes as i64 > max.as_i64());
    if few || many {
        check_length(text.chars().count(), *min, *max, &mut broken);
    }
    // That a huge text is too long says enough.
    let is_huge = many && bytes > HUGE_BYTES;
    if let Some(pattern) = pattern.filter(|_| !is_huge && !ENCODED_SHAPES.contains(&shape.name))
        && pattern::matches(pattern, text) == Verdict::No
        && !max.is_some_and(|max| pattern::is_contradictory(pattern, usize::try_from(max.as_i64()).unwrap_or(0)))
    {
        broken(Constraint::Pattern(pattern));
    }
}

fn check_length(length: usize, min: Option<Bound>, max: Option<Bound>, broken: &mut impl FnMut(Constraint)) {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    if let Some(min) = min.map(Bound::as_i64).filter(|min| length < *min) {
        broken(Constraint::MinLength(min));
    }
    if let Some(max) = max.map(Bound::as_i64).filter(|max| length > *max) {
        broken(Constraint::MaxLength(max));
    }
}

fn is_below(value: &Document, min: Bound) -> bool {
    match (value, min) {
        (Document::Int(value), Bound::Int(min)) => *value < min,
        (value, min) => as_f64(value).is_some_and(|value| value < min.as_f64()),
    }
}

fn is_above(value: &Document, max: Bound) -> bool {
    match (value, max) {
        (Document::Int(value), Bound::Int(max)) => *value > max,
        (value, max) => as_f64(value).is_some_and(|value| value > max.as_f64()),
    }
}

fn as_f64(value: &Document) -> Option<f64> {
    match value {
        Document::Int(value) => Some(Bound::Int(*value).as_f64()),
        Document::Float(value) => Some(*value),
        Document::BigNumber(digits) => digits.parse().ok(),
        _ => None,
    }
}

fn is_number(kind: &Kind) -> bool {
    is_float(kind) || matches!(kind, Kind::Byte | Kind::Short | Kind::Integer | Kind::Long | Kind::BigInteger)
}

fn is_float(kind: &Kind) -> bool {
    matches!(kind, Kind::Float | Kind::Double | Kind::BigDecimal)
}

fn is_of_kind(kind: &Kind, value: &Document) -> bool {
    match (kind, value) {
        (Kind::Byte, Document::Int(value)) => i8::try_from(*value).is_ok(),
        (Kind::Short, Document::Int(value)) => i16::try_from(*value).is_ok(),
        (Kind::Integer, Document::Int(value)) => i32::try_from(*value).is_ok(),
        (Kind::Structure(structure), Document::List(_)) => structure.event_stream,
        (Kind::Structure(_) | Kind::Map(_), Document::Map(_))
        | (Kind::List(_), Document::List(_))
        | (Kind::String { .. }, Document::String(_))
        | (Kind::Blob { .. }, Document::Blob(_))
        | (Kind::Boolean, Document::Bool(_))
        | (Kind::Long, Document::Int(_))
        | (Kind::BigInteger, Document::Int(_) | Document::BigNumber(_))
        | (Kind::Float | Kind::Double, Document::Int(_) | Document::Float(_))
        | (Kind::BigDecimal, Document::Int(_) | Document::Float(_) | Document::BigNumber(_))
        | (Kind::Timestamp(_), Document::Timestamp(_))
        | (Kind::Document, _) => true,
        _ => false,
    }
}

/// With an article, for messages.
pub(super) fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Structure(structure) if structure.union => "a union",
        Kind::Structure(_) => "a structure",
        Kind::List(_) => "a list",
        Kind::Map(_) => "a map",
        Kind::String { .. } => "a string",
        Kind::Blob { .. } => "a blob",
        Kind::Boolean => "a boolean",
        Kind::Byte => "an integer of 8 bits",
        Kind::Short => "an integer of 16 bits",
        Kind::Integer => "an integer of 32 bits",
        Kind::Long => "an integer of 64 bits",
        Kind::BigInteger => "an integer",
        Kind::Float | Kind::Double | Kind::BigDecimal => "a number",
        Kind::Timestamp(_) => "a timestamp",
        Kind::Document => "a document",
    }
}
