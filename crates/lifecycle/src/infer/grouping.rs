//! Which types there are, and which operations are about them.

use std::collections::BTreeMap;

use standin_model::Kind;

use super::members::{Sure, Words, tells};
use super::names::Stem;
use super::{Claim, Draft, TypeDraft};
use crate::Verb;

/// Words after a type's name that still mean the type as a whole, or a part of its description.
const ASPECTS: &[&str] = &[
    "attribute",
    "detail",
    "configuration",
    "config",
    "info",
    "information",
    "status",
    "state",
    "setting",
    "metadata",
    "summary",
    "description",
    "data",
    "property",
    "health",
    "option",
    "result",
    "progress",
    "code",
    "content",
    "url",
    "uri",
    "version",
    "policy",
    "capacity",
    "type",
    "protection",
    "limit",
    "name",
    "class",
    "schedule",
    "preference",
    "parameter",
];

/// Operations on a noun, by stem.
#[derive(Default)]
pub(super) struct Noun {
    pub words: Words,
    pub written: String,
    pub stems: Vec<(Stem, usize)>,
}

impl Noun {
    pub(super) fn has(&self, stems: &[Stem]) -> bool {
        self.stems.iter().any(|(stem, _)| stems.contains(stem))
    }
}

impl Draft {
    /// Finds types and gives operations to them by their names.
    pub(super) fn group(&mut self) {
        let mut nouns: BTreeMap<String, Noun> = BTreeMap::new();
        for (at, op) in self.operations.iter().enumerate() {
            // What is purchased is not the offering.
            let offer = op.name.noun.last().is_some_and(|last| last == "offering");
            if op.tagging || op.tie || op.name.noun.is_empty() || op.name.stem == Stem::Other || offer {
                continue;
            }
            // What an overlay places is no evidence of a type by its name.
            let hint = self.hints.operations.get(op.operation.name);
            if hint.is_some_and(|hint| hint.ignore || hint.of.is_some()) {
                continue;
            }
            let noun = nouns.entry(op.name.key()).or_default();
            let maker = matches!(op.name.stem, Stem::Create | Stem::Put | Stem::Start);
            if noun.words.is_empty() || maker {
                noun.words.clone_from(&op.name.noun);
                noun.written.clone_from(&op.name.written);
            }
            noun.stems.push((op.name.stem, at));
        }
        self.found_types(&nouns);
        self.place_types();
        self.made_otherwise(&nouns);
        for at in 0..self.operations.len() {
            let op = &self.operations[at];
            if op.claim.is_none() && !op.tagging && !op.tie && !op.placed {
                self.operations[at].claim = self.claim(at, &nouns);
            }
        }
        self.ties();
        self.place_rest();
    }

    /// Types and operations that overlays speak of, before anything else is told of them.
    fn place_types(&mut self) {
        let hints = std::mem::take(&mut self.hints);
        for at in 0..self.operations.len() {
            let Some(hint) = hints.operations.get(self.operations[at].operation.name) else { continue };
            self.operations[at].placed = hint.ignore || hint.of.is_some();
            if hint.ignore {
                self.operations[at].tagging = true;
                continue;
            }
            let Some(name) = &hint.of else { continue };
            let words: Words = standin_model::words::split(name).into();
            let of = self
                .types
                .iter()
                .position(|draft| draft.called == *name)
                .unwrap_or_else(|| self.add_type(TypeDraft::new(&words, name)));
            let by_stem = match self.operations[at].name.stem {
                Stem::Create | Stem::Start => Verb::Create,
                Stem::Put => Verb::Put,
                Stem::Read => Verb::Read,
                Stem::List => Verb::List,
                Stem::Update => Verb::Update,
                Stem::Delete | Stem::Detach => Verb::Delete,
                Stem::Attach | Stem::Act | Stem::Other => Verb::Act(None),
            };
            let verb = hint.verb.clone().unwrap_or(by_stem);
            let op = &mut self.operations[at];
            if !matches!(verb, Verb::Tag | Verb::Untag | Verb::ListTags) {
                op.tagging = false;
                op.claim = Some(Claim::new(of, verb, "an overlay says so".to_owned()));
            }
        }
        self.hints = hints;
    }

    /// What overlays say of types and verbs, when all types are known.
    fn place_rest(&mut self) {
        let hints = std::mem::take(&mut self.hints);
        for op in &mut self.operations {
            let hint = hints.operations.get(op.operation.name);
            if let (Some(verb), Some(claim)) = (hint.and_then(|hint| hint.verb.clone()), &mut op.claim) {
                claim.verb = verb;
            }
        }
        for (name, spec) in &hints.types {
            let Some(ix) = self.types.iter().position(|draft| draft.called == *name) else { continue };
            let other = |name: &Option<String>| {
                let name = name.as_ref().filter(|name| !name.is_empty())?;
                self.types.iter().position(|draft| draft.called == *name)
            };
            let (merged, parent, target) = (other(&spec.merge), other(&spec.parent), other(&spec.target));
            for op in &mut self.operations {
                if op.claim.as_ref().is_some_and(|claim| claim.of == ix) {
                    match (&mut op.claim, merged) {
                        (Some(claim), Some(other)) => claim.of = other,
                        (claim, None) if spec.ignore => *claim = None,
                        _ => {}
                    }
                }
            }
            if spec.ignore || merged.is_some() {
                self.types[ix].ignored = true;
                self.by_text.retain(|_, known| *known != ix);
                self.by_ending.values_mut().for_each(|all| all.retain(|known| *known != ix));
            }
            if let Some(other) = merged {
                self.by_text.insert(self.types[ix].noun.text.clone(), other);
            }
            let draft = &mut self.types[ix];
            if let Some(written) = &spec.rename {
                draft.written.clone_from(written);
            }
            draft.parent = parent.or(draft.parent);
            draft.target = target.or(draft.target);
            draft.link |= matches!(spec.kind, Some(crate::overlay::KindSpec::Link));
        }
        self.hints = hints;
    }

    fn found_types(&mut self, nouns: &BTreeMap<String, Noun>) {
        let makers = [Stem::Create, Stem::Put, Stem::Start];
        let views = [Stem::Read, Stem::List];
        // A noun that is only shown goes to the one made noun that ends in it.
        let shown_as = |key: &str| -> Option<&str> {
            let noun = &nouns[key];
            if noun.has(&makers) || !noun.has(&views) {
                return None;
            }
            let mut longer = nouns.iter().filter(|(_, other)| {
                other.has(&[Stem::Create, Stem::Put])
                    && !other.has(&views)
                    && other.words.len() > noun.words.len()
                    && other.words.ends_with(&noun.words)
            });
            let found = longer.next()?;
            longer.next().is_none().then_some(found.0.as_str())
        };
        let mut shown: BTreeMap<&str, &str> = BTreeMap::new();
        for key in nouns.keys() {
            if let Some(other) = shown_as(key) {
                shown.insert(other, key);
            }
        }
        for (key, noun) in nouns {
            let made = noun.has(&[Stem::Create, Stem::Put]) || noun.has(&[Stem::Start]);
            let alias = shown.get(key.as_str());
            let aspect = || {
                nouns.iter().any(|(_, other)| {
                    other.has(&views)
                        && other.words.len() == noun.words.len() + 1
                        && other.words.starts_with(&noun.words)
                        && other.words.last().is_some_and(|last| ASPECTS.contains(&last.as_str()))
                        && !other.has(&makers)
                })
            };
            let single = !made
                && noun.has(&[Stem::Update])
                && nouns[key].stems.iter().any(|(stem, _)| *stem == Stem::Read)
                && !self.is_list_of_many(noun);
            let within = || made && noun.has(&[Stem::Delete]) && self.is_listed(&noun.words);
            let viable = made && (noun.has(&views) || alias.is_some() || aspect()) || single || within();
            if !viable {
                continue;
            }
            let mut draft = TypeDraft::new(&noun.words, &noun.written);
            let what = if single { "changed and read" } else { "made and shown" };
            draft.why.push(format!("{} is {what}", noun.written));
            if let Some(alias) = alias {
                draft.why.push(format!("shown as {}", nouns[*alias].written));
            }
            self.add_type(draft);
        }
    }

    /// Whether some structure has a list of structures about the noun.
    fn is_listed(&self, noun: &Words) -> bool {
        self.service.shapes.iter().any(|shape| {
            let Kind::Structure(structure) = &shape.kind else { return false };
            structure.members.iter().any(|member| {
                let Kind::List(list) = &self.service.shape(member.target).kind else { return false };
                let item = self.service.shape(list.member.target);
                matches!(item.kind, Kind::Structure(_))
                    && self.about_noun(member.name, noun).max(self.about_noun(item.name, noun)) == Some(Sure::Exact)
            })
        })
    }

    /// Whether what reads the noun needs an identifier of which nothing here makes one, or shows many.
    fn is_list_of_many(&self, noun: &Noun) -> bool {
        let mut reads = noun.stems.iter().filter(|(stem, _)| *stem == Stem::Read).map(|(_, at)| &self.operations[*at]);
        noun.has(&[Stem::List])
            || reads.any(|op| {
                let named = op.givens.iter().any(|given| {
                    given.required && !given.listed && tells(&given.core, given.role, &noun.words).is_some()
                });
                let output = op.operation.output.and_then(|root| self.service.structure(root));
                let many = output.into_iter().flat_map(|root| &root.members).any(|member| {
                    let list = matches!(self.service.shape(member.target).kind, Kind::List(_) | Kind::Map(_));
                    list && self.about_noun(member.name, &noun.words).is_some()
                });
                let attributes = noun.words.last().is_some_and(|last| last == "attribute");
                named || (op.name.plural && (many || attributes))
            })
    }

    fn claim(&self, at: usize, nouns: &BTreeMap<String, Noun>) -> Option<Claim> {
        let op = &self.operations[at];
        let name = &op.name;
        if name.noun.is_empty() || name.stem == Stem::Other {
            return None;
        }
        let exact = self.named(&name.noun);
        let (of, rest) = match exact {
            Some(of) => (of, &[][..]),
            None => self.nearest(&name.noun, name.stem)?,
        };
        let strongly_made = || {
            let noun = nouns.get(&self.types[of].noun.text);
            let mut makers = noun.into_iter().flat_map(|noun| &noun.stems).filter(|(stem, _)| *stem == Stem::Create);
            makers.any(|(_, at)| MAKES.contains(&self.operations[*at].name.verb.as_str()))
        };
        let made_by = |stem: Stem| nouns.get(&self.types[of].noun.text).is_some_and(|noun| noun.has(&[stem]));
        let verb = match name.stem {
            _ if !rest.is_empty() => match name.stem {
                Stem::Read => Verb::Read,
                Stem::List => Verb::List,
                Stem::Delete => Verb::Delete,
                Stem::Update | Stem::Put => Verb::Update,
                _ => return None,
            },
            // What is restored by its own identifier was there before.
            Stem::Create if matches!(name.verb.as_str(), "restore" | "replicate") && self.names_id(op, of) => {
                Verb::Act(None)
            }
            // `StartContactEvaluation` makes it, `SubmitContactEvaluation` moves it on.
            Stem::Create if moves_on(&name.verb) && self.names_own(op, of) && made_by(Stem::Start) => Verb::Act(None),
            Stem::Create => Verb::Create,
            Stem::Put if made_by(Stem::Create) => Verb::Update,
            Stem::Put => Verb::Put,
            // `StartInstances`
            Stem::Start if self.names_id(op, of) && name.tail.is_empty() => Verb::Act(None),
            Stem::Start if name.verb != "run" && (strongly_made() || made_by(Stem::Put)) => Verb::Act(None),
            Stem::Start => Verb::Create,
            Stem::Read => Verb::Read,
            Stem::List => Verb::List,
            Stem::Update => Verb::Update,
            Stem::Delete => Verb::Delete,
            // What enabling makes, disabling deletes.
            Stem::Act
                if matches!(name.verb.as_str(), "disable" | "deactivate")
                    && !made_by(Stem::Create)
                    && !made_by(Stem::Put)
                    && made_by(Stem::Start)
                    && !made_by(Stem::Delete) =>
            {
                Verb::Delete
            }
            Stem::Act => Verb::Act(None),
            Stem::Attach | Stem::Detach | Stem::Other => return None,
        };
        let mut claim = Claim::new(of, verb, format!("{} {}", name.verb, name.noun.join(" ")));
        claim.inexact = exact.is_none();
        if !rest.is_empty() {
            claim.why.push(format!("{} of {}", rest.join(" "), self.types[of].written));
        }
        Some(claim)
    }

    /// Whether an operation must be told which resource of the type it is about.
    pub(super) fn names_own(&self, op: &super::Op, ix: usize) -> bool {
        op.givens.iter().any(|given| {
            let told = tells(&given.core, given.role, &self.types[ix].noun);
            !given.inner
                && !given.list
                && (given.required || given.label)
                && matches!(told, Some(Sure::Exact | Sure::Ending))
        })
    }

    /// Whether an operation must be told the id, which no client chooses, of a resource of the type, or is told no other.
    fn names_id(&self, op: &super::Op, ix: usize) -> bool {
        let id = |given: &super::members::Given| {
            let exact = tells(&given.core, given.role, &self.types[ix].noun) == Some(Sure::Exact);
            exact && !given.inner && (given.required || given.label) && given.role == Some(crate::Part::Id)
        };
        op.givens.iter().any(id)
    }

    /// The type that a noun is an ending of, or an aspect of, and what is left of the noun then.
    fn nearest<'n>(&self, noun: &'n Words, stem: Stem) -> Option<(usize, &'n [String])> {
        let mut longer = self.ending(noun);
        if let Some(at) = longer.next()
            && longer.next().is_none()
        {
            return Some((at, &[]));
        }
        let (at, draft) = self
            .types
            .iter()
            .enumerate()
            .filter(|(_, draft)| noun.starts_with(&draft.noun))
            .max_by_key(|(_, draft)| draft.noun.len())?;
        let rest = &noun[draft.noun.len()..];
        let all = |known: &[&str]| rest.iter().all(|word| known.contains(&word.as_str()));
        let fits = match stem {
            Stem::Read | Stem::Update | Stem::Put => all(ASPECTS),
            Stem::List => all(&["metadata", "summary", "detail", "info", "description"]),
            // `DeleteTrainedModelOutput`, where nothing else deletes the model.
            Stem::Delete => {
                let deleted = |op: &super::Op| op.name.stem == Stem::Delete && op.name.noun == draft.noun;
                all(&["data", "output"]) && !self.operations.iter().any(deleted)
            }
            _ => false,
        };
        fits.then_some((at, rest))
    }
}

pub(super) fn is_about_tags(noun: &[String]) -> bool {
    noun.iter().any(|word| matches!(word.as_str(), "tag" | "tags" | "tagging" | "untag"))
}

/// Verbs that always make something.
const MAKES: [&str; 6] = ["create", "put", "register", "allocate", "define", "add"];

/// Verbs that make something, or move on what somebody else has started.
fn moves_on(verb: &str) -> bool {
    matches!(verb, "submit" | "publish" | "issue" | "schedule" | "post" | "claim")
}
