//! Sweeps over all models.

use std::collections::HashMap;

use standin_core::Draw;
use standin_model::{Bound, Fields, Kind, Member, Shape, ShapeIx, Str, Structure};

use super::*;
use crate::pattern;

/// Builds a valid value of a shape, with every member that does not lead back to where it came from.
struct Sampler<'s> {
    service: &'s Service,
    stack: Vec<ShapeIx>,
    depth_max: usize,
    /// By shape and seed.
    texts: HashMap<(Str, u64), Option<String>>,
}

impl Sampler<'_> {
    /// `None` for a shape that no finite value fits, or that only contradictory constraints describe.
    fn sample(&mut self, ix: ShapeIx) -> Option<Document> {
        if self.stack.contains(&ix) || self.stack.len() > self.depth_max {
            return None;
        }
        self.stack.push(ix);
        let value = self.of_shape(self.service.shape(ix));
        self.stack.pop();
        value
    }

    fn of_shape(&mut self, shape: &Shape) -> Option<Document> {
        let bound = |bound: Option<Bound>| bound.map(|bound| usize::try_from(bound.as_i64()).unwrap_or(0));
        let constraints = shape.constraints.as_deref();
        let (min, max) = constraints.map_or((None, None), |constraints| (constraints.min, constraints.max));
        let fewest = bound(min).unwrap_or(0);
        Some(match &shape.kind {
            Kind::Structure(structure) => {
                let mut fields = Fields::new();
                for member in &structure.members {
                    match self.sample(member.target) {
                        Some(value) if !structure.union || fields.is_empty() => fields.push(member.name, value),
                        None if member.required => return None,
                        _ => {}
                    }
                }
                if structure.union && fields.is_empty() {
                    return None;
                }
                Document::Map(fields)
            }
            Kind::List(list) => match self.sample(list.member.target) {
                Some(item) => Document::List(vec![item; fewest.max(1).min(bound(max).unwrap_or(usize::MAX))]),
                None if fewest == 0 => Document::List(Vec::new()),
                None => return None,
            },
            Kind::Map(map) => {
                let mut fields = Fields::new();
                for seed in 0..100 * fewest as u64 {
                    if let (Some(key), Some(value)) =
                        (self.text(self.service.target(&map.key), seed), self.sample(map.value.target))
                    {
                        fields.insert(key, value);
                    }
                    if fields.len() == fewest {
                        break;
                    }
                }
                if fields.len() < fewest {
                    return None;
                }
                Document::Map(fields)
            }
            Kind::String { .. } => self.text(shape, 1)?.into(),
            Kind::Blob { .. } => Document::Blob(vec![b'x'; fewest].into()),
            Kind::Boolean => Document::Bool(true),
            Kind::Float | Kind::Double | Kind::BigDecimal => Document::Float(min.or(max).map_or(1.0, Bound::as_f64)),
            kind if kind_is_whole(kind) => Document::Int(min.or(max).map_or(1, Bound::as_i64)),
            Kind::Timestamp(_) => Document::Timestamp(standin_model::Timestamp::default()),
            _ => Document::from("any"),
        })
    }

    fn text(&mut self, shape: &Shape, seed: u64) -> Option<String> {
        if let Some(text) = self.texts.get(&(shape.name, seed)) {
            return text.clone();
        }
        let text = Self::new_text(shape, seed);
        self.texts.insert((shape.name, seed), text.clone());
        text
    }

    fn new_text(shape: &Shape, seed: u64) -> Option<String> {
        let Kind::String { enum_values } = &shape.kind else { return None };
        if !enum_values.is_empty() {
            return Some(enum_values[seed as usize % enum_values.len()].to_owned());
        }
        let constraints = shape.constraints.as_deref();
        let bound = |bound: Option<Bound>| bound.and_then(|bound| usize::try_from(bound.as_i64()).ok());
        let min = constraints.and_then(|constraints| bound(constraints.min)).unwrap_or(0);
        let max = constraints.and_then(|constraints| bound(constraints.max)).unwrap_or(usize::MAX);
        let pattern = constraints.and_then(|constraints| constraints.pattern).unwrap_or(r"[a-z]+");
        let text = pattern::generate(pattern, min.max(1).min(max), max, &mut Draw::from_seed(seed));
        text.or_else(|| pattern::is_contradictory(pattern, max).then(|| "x".repeat(min)))
    }
}

fn kind_is_whole(kind: &Kind) -> bool {
    matches!(kind, Kind::Byte | Kind::Short | Kind::Integer | Kind::Long | Kind::BigInteger)
}

fn sampler(service: &Service, depth_max: usize) -> Sampler<'_> {
    Sampler { service, stack: Vec::new(), depth_max, texts: HashMap::new() }
}

/// Values of a member, each of which breaks one constraint, which the message must name.
fn breaking(sampler: &mut Sampler<'_>, member: &Member) -> Vec<(Document, String)> {
    let service = sampler.service;
    let target = service.target(member);
    let mut wrong = Vec::new();
    let constraints = target.constraints.as_deref();
    let (min, max) = constraints.map_or((None, None), |constraints| (constraints.min, constraints.max));
    match &target.kind {
        Kind::String { enum_values } if !enum_values.is_empty() => {
            wrong.push((Document::from("no such value"), "Member must satisfy enum value set: [".to_owned()));
        }
        Kind::String { .. } => {
            if let Some(min) = min.map(Bound::as_i64).filter(|min| *min > 0) {
                let text = "x".repeat(usize::try_from(min - 1).expect("small"));
                wrong.push((text.into(), format!("Member must have length greater than or equal to {min}")));
            }
            if let Some(max) = max.map(Bound::as_i64).filter(|max| *max < 3000) {
                let text = "x".repeat(usize::try_from(max + 1).unwrap_or(0));
                wrong.push((text.into(), format!("Member must have length less than or equal to {max}")));
            }
            // The sources of S3's copies may be percent-encoded, so they are not held to their pattern.
            let pattern = constraints.and_then(|constraints| constraints.pattern);
            if let Some(pattern) = pattern.filter(|_| target.name != "CopySource") {
                let most = max.map_or(usize::MAX, |max| usize::try_from(max.as_i64()).unwrap_or(0));
                // A text that the pattern does not accept; patterns that accept all of these forbid nothing worth a test.
                let odd = ["\u{1}", "\u{7}\n", " ", "a b", "~~~~", "é\u{1f600}", "", "-"].into_iter();
                let odd = odd
                    .map(str::to_owned)
                    .chain(std::iter::once("\u{1}".repeat(20)))
                    .find(|text| pattern::matches(pattern, text) == pattern::Verdict::No);
                if let Some(text) = odd.filter(|_| !pattern::is_contradictory(pattern, most)) {
                    wrong.push((text.into(), format!("Member must satisfy regular expression pattern: {pattern}")));
                }
            }
        }
        Kind::Blob { streaming: false, .. } => {
            if let Some(min) = min.map(Bound::as_i64).filter(|min| *min > 0) {
                wrong.push((Document::Blob(Default::default()), format!("greater than or equal to {min}")));
            }
        }
        Kind::List(list) => {
            if let Some(min) = min.map(Bound::as_i64).filter(|min| *min > 0) {
                wrong.push((Document::List(Vec::new()), format!("greater than or equal to {min}")));
            }
            if let Some(max) = max.map(Bound::as_i64).filter(|max| *max < 20) {
                let item = sampler.sample(list.member.target).unwrap_or(Document::Bool(true));
                let items = vec![item; usize::try_from(max + 1).unwrap_or(0)];
                wrong.push((Document::List(items), format!("less than or equal to {max}")));
            }
            if matches!(service.target(&list.member).kind, Kind::String { .. }) {
                for (item, _) in breaking(sampler, &list.member) {
                    wrong.push((Document::List(vec![item]), "Member must satisfy constraint: [".to_owned()));
                }
            }
        }
        kind => {
            let float = matches!(kind, Kind::Float | Kind::Double | Kind::BigDecimal);
            let number = |bound: Bound, by: i64| match float {
                true => Document::Float(bound.as_f64() + by as f64),
                false => Document::Int(bound.as_i64().saturating_add(by)),
            };
            if float || kind_is_whole(kind) {
                let inside =
                    |bound: &Bound| bound.as_i64() > i64::from(i32::MIN) && bound.as_i64() < i64::from(i32::MAX);
                if let Some(min) = min.filter(inside) {
                    wrong.push((number(min, -1), "Member must have value greater than or equal to ".to_owned()));
                }
                if let Some(max) = max.filter(inside) {
                    wrong.push((number(max, 1), "Member must have value less than or equal to ".to_owned()));
                }
            }
        }
    }
    wrong
}

#[test]
fn every_constraint_of_every_structure_is_told() {
    let (mut structures, mut told) = (0, 0);
    for entry in Catalogue::shared().services() {
        let service = entry.open().expect("opens");
        let mut sampler = sampler(service, 3);
        for (at, shape) in service.shapes.iter().enumerate() {
            let Kind::Structure(structure) = &shape.kind else { continue };
            let ix = ShapeIx(u32::try_from(at).expect("small"));
            let Some(good) = sampler.sample(ix) else { continue };
            let id = format!("{}.{}", service.id, shape.name);
            structures += 1;
            assert_eq!(check_shape(service, ix, &good), [], "{id}: {good:?}");
            for member in &structure.members {
                for (wrong, expected) in breaking(&mut sampler, member) {
                    let mut fields = Fields::new();
                    fields.push(member.name, wrong);
                    check_one(service, ix, &Document::Map(fields), member, &expected, &id);
                    told += 1;
                }
            }
            missing_members_are_told(service, ix, structure, &id);
        }
    }
    assert!(structures > 50_000, "{structures}");
    assert!(told > 100_000, "{told}");
}

fn check_one(service: &Service, ix: ShapeIx, value: &Document, member: &Member, expected: &str, id: &str) {
    let told = check_shape(service, ix, value);
    let name = member.name.to_ascii_lowercase();
    let found = told.iter().any(|violation| {
        violation.path.to_ascii_lowercase() == name && violation.constraint.to_string().contains(expected)
    });
    assert!(found, "{id}: {value:?} should be told {expected} at {}; told {told:?}", member.name);
}

fn missing_members_are_told(service: &Service, ix: ShapeIx, structure: &Structure, id: &str) {
    let missing = check_shape(service, ix, &Document::map());
    for member in structure.members.iter().filter(|member| member.required) {
        let told = missing.iter().any(|violation| {
            violation.path.eq_ignore_ascii_case(member.name) && violation.constraint == Constraint::NotNull
        });
        let given_otherwise = member.idempotency_token || member.streaming || service.target(member).is_streaming();
        assert_eq!(told, !given_otherwise, "{id}.{}", member.name);
    }
}

#[test]
fn every_operation_takes_a_good_input_and_refuses_an_empty_one() {
    let (mut taken, mut refused) = (0, 0);
    for entry in Catalogue::shared().entries() {
        let service = entry.open().expect("opens");
        let mut sampler = sampler(service, 8);
        for operation in &service.operations {
            let Some(input) = operation.input else { continue };
            let id = format!("{}.{}", service.id, operation.name);
            let Some(good) = sampler.sample(input) else { continue };
            if let Err(error) = validate(service, operation, &good, Strictness::Strict) {
                panic!("{id}: {error}\n{good:?}");
            }
            taken += 1;
            let Err(error) = validate(service, operation, &Document::map(), Strictness::Strict) else { continue };
            refused += 1;
            assert!(!error.message.is_empty() && error.status == Some(400), "{id}: {error}");
            // What the error's own shape asks for is there, but for the message, which is put in on the wire.
            if let Some(shape) = error.shape(service, Some(operation)) {
                let mut members = error.members.clone();
                let structure = service.structure(shape).expect("errors are structures");
                for member in structure.members.iter().filter(|member| member.name.eq_ignore_ascii_case("message")) {
                    members.push(member.name, "x");
                }
                let told = check_shape(service, shape, &Document::Map(members));
                assert!(told.iter().all(|violation| !violation.constraint.is_missing()), "{id}: {told:?}");
            }
        }
    }
    assert!(taken > 20_000, "{taken}");
    assert!(refused > 10_000, "{refused}");
}

/// AWS's own examples, as far as they are what their shapes say.
#[test]
fn modelled_examples_are_read_and_good() {
    let (mut good, mut unread, mut broken) = (0, Vec::new(), Vec::new());
    for entry in Catalogue::shared().services() {
        let service = entry.open().expect("opens");
        let examples = entry.examples().expect("read");
        for operation in &service.operations {
            let shapes = [operation.input, operation.output];
            for example in examples.of(operation.name) {
                for (shape, value) in shapes.into_iter().zip([&example.input, &example.output]) {
                    let Some(shape) = shape else { continue };
                    let id = format!("{}.{}", service.id, operation.name);
                    match input_from_json(service, shape, value) {
                        Ok(document) if check_shape(service, shape, &document).is_empty() => good += 1,
                        Ok(_) => broken.push(id),
                        Err(_) => unread.push(id),
                    }
                }
            }
        }
    }
    assert!(good > 1000, "{good}");
    // Typing errors in the examples: dates that are none, values where structures stand, names that have changed.
    assert!(unread.len() <= 8, "{unread:?}");
    assert!(broken.len() <= 20, "{broken:?}");
}
