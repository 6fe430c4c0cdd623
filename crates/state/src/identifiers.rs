//! The identifiers of new resources: such as every request, structure and tagging operation accepts.

use standin_core::{Arn, Draw};
use standin_lifecycle::{Binding, Part, TypeKind, Verb};
use standin_mock::{pattern, synthesis, validation};
use standin_model::{Document, Fields, Kind, ShapeIx};

use crate::arns;
use crate::make::{Draft, Making, rename, renamed, scalar};
use crate::record::Record;
use crate::resolve::values;

/// Members whose patterns are tried.
const SHAPES_MAX: usize = 6;
/// Forms of ARNs that are tried.
const ARN_FORMS_MAX: usize = 4;
/// The length of an identifier where the model leaves it open.
const LENGTH_MAX: usize = 128;

impl Making<'_> {
    /// Whether a text can name the resource in every request that names it so.
    fn fits(&self, part: Part, text: &str) -> bool {
        let service = self.schema.service;
        let wanted = |(of, shape): &&(Part, ShapeIx)| {
            let shape = service.shape(*shape);
            // What takes a name or ARN takes the ARN only where its pattern speaks of ARNs.
            let pattern = shape.constraints.as_ref().and_then(|limits| limits.pattern);
            let any = *of == Part::Any && pattern.is_some_and(|pattern| part != Part::Arn || pattern.contains("arn"));
            matches!(shape.kind, Kind::String { .. }) && (*of == part || any)
        };
        self.accepted(self.schema.ty(self.ix).named_by.iter().filter(wanted).map(|(_, shape)| *shape), text)
    }

    /// Whether a text can name the resource wherever something names or shows it.
    fn suits(&self, part: Part, text: &str) -> bool {
        let ty = self.schema.ty(self.ix);
        let wanted = |(of, shape): &&(Part, ShapeIx)| *of == part || (*of == Part::Any && self.takes(part, *shape));
        self.fits(part, text)
            && self.accepted(ty.also_named_by.iter().filter(wanted).map(|(_, shape)| *shape), text)
            && (part != Part::Arn || self.can_be_tagged(text))
    }

    /// Whether a member that takes any identifier takes this part of the identity.
    fn takes(&self, part: Part, shape: ShapeIx) -> bool {
        let limits = self.schema.service.shape(shape).constraints.as_ref();
        match part {
            Part::Arn => limits.and_then(|limits| limits.pattern).is_some_and(|pattern| pattern.contains("arn:")),
            Part::Id => self.schema.lifecycle.resource(self.ix).kind == TypeKind::Assigned,
            _ => false,
        }
    }

    /// An identifier that suits everything, made by the pattern of a member that names the resource.
    fn drawn(&self, part: Part) -> Option<String> {
        /// How often each pattern is tried: of a name or ARN, each is either.
        const TRIES: u64 = 8;
        let ty = self.schema.ty(self.ix);
        let tagged = ty.tagged_by.iter().filter(|_| part == Part::Arn).map(|shape| (Part::Arn, *shape));
        let wanted = ty.also_named_by.iter().chain(&ty.named_by).copied().chain(tagged);
        let wanted = wanted.filter(|(of, shape)| *of == part || (*of == Part::Any && self.takes(part, *shape)));
        wanted.take(SHAPES_MAX).find_map(|(_, shape)| {
            let limits = self.schema.service.shape(shape).constraints.as_ref()?;
            let bound = |bound: Option<standin_model::Bound>, usual: usize| {
                bound.map_or(usual, |bound| usize::try_from(bound.as_i64()).unwrap_or(usual))
            };
            (0..TRIES).find_map(|turn| {
                let salt = standin_model::words::mix(self.salt, turn);
                let mut draw = Draw::from_seed(standin_model::words::mix(self.context.key("drawn").finish(), salt));
                let (min, max) = (bound(limits.min, 1), bound(limits.max, LENGTH_MAX));
                let text = pattern::generate(limits.pattern?, min, max, &mut draw)?;
                let here = || Some(self.here(&text)).filter(|text| self.suits(part, text));
                here().or_else(|| Some(self.at_home(&text)).filter(|text| self.suits(part, text)))
            })
        })
    }

    /// A number that counts up, as the service writes it: `3`, `v3`.
    pub(crate) fn numbered(&self, number: i64) -> String {
        if let Some(form) = &self.schema.lifecycle.resource(self.ix).counter_form {
            return form.replace("{n}", &number.to_string());
        }
        let (plain, with_letter) = (number.to_string(), format!("v{number}"));
        if !self.fits(Part::Id, &plain) && self.fits(Part::Id, &with_letter) { with_letter } else { plain }
    }

    /// Whether the structures that show the resource can show such an identifier.
    fn shows(&self, part: Part, text: &str) -> bool {
        let known = &self.schema.lifecycle.resource(self.ix).identity;
        let Some(member) = (if part == Part::Arn { known.arn } else { known.id }) else { return true };
        let shapes = self.schema.ty(self.ix).shapes.iter().filter_map(|shape| self.schema.service.structure(*shape));
        self.accepted(shapes.filter_map(|shape| Some(shape.member(member)?.target)), text)
    }

    /// Whether tagging operations accept an ARN.
    fn can_be_tagged(&self, arn: &str) -> bool {
        self.accepted(self.schema.ty(self.ix).tagged_by.iter().copied(), arn)
    }

    /// Whether a text satisfies all of some shapes.
    fn accepted(&self, mut shapes: impl Iterator<Item = ShapeIx>, text: &str) -> bool {
        let value = Document::from(text.to_owned());
        shapes.all(|shape| validation::check_shape(self.schema.service, shape, &value).is_empty())
    }

    /// The first of two that fits, else the first.
    pub(crate) fn better(&self, part: Part, first: Option<String>, second: Option<String>) -> Option<String> {
        match (first, second) {
            (Some(first), Some(second)) if !self.fits(part, &first) && self.fits(part, &second) => Some(second),
            (first, second) => first.or(second),
        }
    }

    /// An identifier as requests want it, read off the example of one.
    fn example(&self, part: Part) -> Option<String> {
        self.example_of(part, part).or_else(|| self.example_of(part, Part::Any).filter(|text| self.shows(part, text)))
    }

    /// An identifier as requests want it in members that tell `bound`.
    fn example_of(&self, part: Part, bound: Part) -> Option<String> {
        /// How many examples are looked at: of a name or ARN, each is either.
        const TRIES: u64 = 8;
        let fits = |binding: &&Binding| binding.of == self.ix && binding.part == bound;
        let (operation, role) = self.schema.operations_on(self.ix).find(|(_, role)| {
            matches!(role.verb, Verb::Read | Verb::Delete | Verb::Update | Verb::Act(_) | Verb::List)
                && role.bindings.iter().any(|one| fits(&one))
        })?;
        let binding = role.bindings.iter().find(fits)?;
        (0..TRIES).find_map(|turn| {
            let salt = standin_model::words::mix(self.salt, turn);
            let mut draw = Draw::from_seed(standin_model::words::mix(self.context.key("identifier").finish(), salt));
            let input = synthesis::example_input(self.schema.service, operation, synthesis::Fill::All, &mut draw);
            let text = values(&input, &binding.path).into_iter().next()?.into_owned();
            if bound == Part::Any && (part == Part::Arn) != text.starts_with("arn:") {
                return None;
            }
            let here = self.at_home(&text);
            Some(if self.fits(part, &here) { here } else { text })
        })
    }

    /// An ARN of the call's partition, region and account, also where it has none.
    fn here(&self, text: &str) -> String {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", _, service, _, _, resource] = parts[..] else { return text.to_owned() };
        let context = self.context;
        format!("arn:{}:{service}:{}:{}:{resource}", context.partition, context.region, context.account)
    }

    /// An ARN with the call's partition, region and account.
    fn at_home(&self, text: &str) -> String {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", _, service, region, account, resource] = parts[..] else { return text.to_owned() };
        let or = |spelled: &str, own: &str| if spelled.is_empty() { String::new() } else { own.to_owned() };
        let context = self.context;
        let (region, account) = (or(region, &context.region), or(account, &context.account));
        format!("arn:{}:{service}:{region}:{account}:{resource}", context.partition)
    }

    /// Whether the request gives an ARN that is not one of those that the resource lies in.
    fn is_asked(&self, arn: Option<&str>, parents: &[Option<Record>]) -> bool {
        let mut fields = self.input.as_map().into_iter().flat_map(Fields::iter);
        arn.is_some()
            && fields.any(|(_, value)| value.as_str() == arn)
            && !parents.iter().flatten().any(|parent| parent.identity().arn() == arn)
    }

    /// The ARN in the service's own form, where that is known and requests accept it.
    fn own_arn(
        &self,
        draft: &Draft,
        data: &Fields,
        parents: &[Option<Record>],
        good: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let service = self.schema.service;
        let ty = self.schema.ty(self.ix);
        if synthesis::knows_arn(service.signing_name, &ty.noun.text) {
            return None;
        }
        let shown = draft.arn.as_deref().and_then(Arn::parse).map(|arn| arn.service).unwrap_or_default();
        let services = [service.signing_name, shown, service.endpoint_prefix];
        let line = self.schema.lifecycle.lineage(self.ix);
        let drawn = || {
            let seed = standin_model::words::mix(self.context.key("own").finish(), self.salt);
            crate::forms::fill("{uuid}", self.context, draft, data, None, &mut Draw::from_seed(seed))
        };
        let own = |place: &str, last: bool| {
            let (name, id) = (draft.name.as_deref(), draft.id.as_deref());
            let text = if place.ends_with("name") { name.or(id) } else { id.or(name) };
            match text {
                Some(text) => Some(text.to_owned()).filter(|text| !text.starts_with("arn:")),
                // It is known by its ARN only, which callers may have chosen.
                None if !last || self.is_asked(draft.arn.as_deref(), parents) => None,
                None => drawn(),
            }
        };
        arns::forms(&services, &ty.noun).into_iter().take(ARN_FORMS_MAX).find_map(|form| {
            let arn =
                form.fill(self.context.partition, &self.context.region, &self.context.account, |place, last| {
                    if let Some(name) = place.strip_suffix("withpath") {
                        let path = data.get("path").and_then(Document::as_str).unwrap_or("/").trim_start_matches('/');
                        return own(name, last).map(|name| format!("{path}{name}"));
                    }
                    let around = line[..line.len() - 1].iter().rev().zip(parents.iter().rev());
                    let mut around = around.filter_map(|(ix, parent)| {
                        let part = self.schema.ty(*ix).part(place, false)?;
                        let text = parent.as_ref()?.identity().part(part)?;
                        Some(tail(text).to_owned())
                    });
                    if !last && let Some(text) = around.next() {
                        return Some(text);
                    }
                    if let Some(text) = draft.made.get(place).and_then(scalar) {
                        return Some(text);
                    }
                    if !last
                        && matches!(place, "name" | "id" | "resourceid")
                        && let Some(parent) = parents.iter().flatten().next_back()
                    {
                        return parent.identity().part(Part::Any).map(|text| tail(text).to_owned());
                    }
                    if last || ty.noun.part(place).is_some() || matches!(place, "id" | "name" | "resourceid") {
                        return own(place, last);
                    }
                    data.get(place).and_then(Document::as_str).map(|text| tail(text).to_owned())
                })?;
            good(&arn).then_some(arn)
        })
    }

    /// Gives the draft an id and ARN that requests can carry, and with `attempt` ones that were not tried before.
    pub(crate) fn settle(
        &self,
        draft: &mut Draft,
        data: &Fields,
        parents: &[Option<Record>],
        counted: bool,
        attempt: u32,
    ) {
        let mut renames: Vec<(String, String)> = Vec::new();
        // What callers may name and did not, the service names.
        let resource = self.schema.lifecycle.resource(self.ix);
        let unnamed = match resource.identity.primary {
            Some(part @ Part::Id) if draft.id.is_none() => Some(part),
            Some(part @ Part::Name) if draft.name.is_none() => Some(part),
            Some(part) if draft.name.is_none() && draft.id.is_none() && draft.arn.is_none() => Some(part),
            _ => None,
        };
        if let Some(part) =
            unnamed.filter(|_| !counted && matches!(resource.kind, TypeKind::Named | TypeKind::Assigned))
            && let Some(text) = self.example(part)
        {
            draft.take(if part == Part::Any { Part::Id } else { part }, &text);
        }
        if !counted {
            self.settle_part(Part::Id, draft, attempt, &mut renames);
        }
        let own = self.own_arn(draft, data, parents, |arn| self.suits(Part::Arn, arn)).or_else(|| {
            let other = draft.arn.as_deref().is_some_and(|arn| self.suits(Part::Arn, arn));
            if other || self.drawn(Part::Arn).is_some() {
                return None;
            }
            self.own_arn(draft, data, parents, |arn| self.fits(Part::Arn, arn) && self.can_be_tagged(arn))
        });
        match own {
            Some(arn) => {
                if let Some(old) = draft.arn.replace(arn.clone()).filter(|old| *old != arn) {
                    renames.push((old, arn));
                }
            }
            None => self.settle_part(Part::Arn, draft, attempt, &mut renames),
        }
        if !renames.is_empty() {
            draft.made.iter_mut().for_each(|(_, value)| rename(value, &renames));
        }
    }

    fn settle_part(&self, part: Part, draft: &mut Draft, attempt: u32, renames: &mut Vec<(String, String)>) {
        let slot = if part == Part::Id { &mut draft.id } else { &mut draft.arn };
        let Some(old) = slot.clone() else { return };
        let mut new = renamed(&old, renames);
        if !self.suits(part, &new) {
            let better = self.drawn(part).or_else(|| if self.fits(part, &new) { None } else { self.example(part) });
            new = better.unwrap_or(new);
        }
        if attempt > 0 && new == old {
            let other = varied(&old, self.salt);
            new = if self.fits(part, &other) { other } else { self.example(part).unwrap_or(other) };
        }
        if new != old {
            *slot = Some(new.clone());
            if old.len() > 3 {
                renames.push((old, new));
            }
        }
    }
}

/// Of an ARN, what it ends in; another text as it is.
fn tail(text: &str) -> &str {
    if text.starts_with("arn:") { text.rsplit(['/', ':']).next().unwrap_or(text) } else { text }
}

/// A text of the same form whose last part is another.
fn varied(text: &str, salt: u64) -> String {
    let from = text.rfind(['/', ':']).map_or(0, |at| at + 1);
    // Words before the drawn characters stay: `vpc-`, `subnet-`.
    let from = from + text[from..].rfind('-').filter(|at| text.len() - from - at > 4).map_or(0, |at| at + 1);
    let mut state = standin_model::words::mix(salt, standin_model::words::hash(text));
    let turn = |c: char| {
        state = standin_model::words::mix(state, 1);
        let pick = |letters: &[u8]| char::from(letters[(state % letters.len() as u64) as usize]);
        match c {
            '0'..='9' => pick(b"0123456789"),
            'a'..='f' => pick(b"abcdef"),
            'g'..='z' => pick(b"ghijklmnopqrstuvwxyz"),
            'A'..='F' => pick(b"ABCDEF"),
            'G'..='Z' => pick(b"GHIJKLMNOPQRSTUVWXYZ"),
            other => other,
        }
    };
    let tail: String = text[from..].chars().map(turn).collect();
    format!("{}{tail}", &text[..from])
}
