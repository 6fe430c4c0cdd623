//! What resources an answer speaks of, and which input members identify them.

use standin_model::{Kind, ShapeIx, Str};

use super::compile::{Compiler, Draft, Scope};
use super::entity::{Identity, Noun};
use super::facts::Verb;
use super::{inputs, tables, template};
use standin_model::words::{ends_in, hash, singular_of, split, squash};

impl Compiler {
    /// What the root's own `Name`, `Id` and `Arn` are of. In a list it is what the list is in: the bucket, not its objects.
    pub(super) fn root_noun(&mut self) -> u16 {
        let mut kebab = self.subject.clone();
        if self.verb == Verb::List {
            let parent = self.inputs.iter().find(|member| {
                member.depth() == 0 && member.required && inputs::is_text(self.service.shape(member.target))
            });
            if let Some(parent) = parent {
                let mut words = split(parent.path[0]);
                if words.len() > 1
                    && words.last().is_some_and(|last| matches!(last.as_str(), "name" | "id" | "arn" | "identifier"))
                {
                    words.pop();
                }
                kebab = words.join("-");
            }
        } else {
            // `GetSecretValue` is about the secret that its `SecretId` names.
            let words: Vec<&str> = self.subject.split('-').collect();
            let known = |noun: &str, own: bool| {
                let mut texts = self.inputs.iter().filter(|member| member.depth() == 0);
                texts.any(|member| inputs::identity(&member.name, noun, own).is_some())
            };
            if !known(&words.concat(), true) {
                let shorter = (1..words.len()).rev().find(|count| known(&words[..*count].concat(), false));
                kebab = shorter.map_or(kebab, |count| words[..count].join("-"));
            }
        }
        self.noun(&kebab, 0, true)
    }

    /// The noun of that name. `own`: it is what the operation is about.
    pub(super) fn noun(&mut self, kebab: &str, fan: u32, own: bool) -> u16 {
        let text = squash(kebab);
        if let Some(at) = self.nouns.iter().position(|draft| *draft.noun.text == *text && draft.fan == fan) {
            return u16::try_from(at).unwrap_or(0);
        }
        // What is asked about, or what it belongs to: `GetPipelineState` names a pipeline.
        let about = squash(&self.subject);
        let aspect = about.strip_prefix(&text).filter(|_| fan == 0 && self.verb != Verb::List && !text.is_empty());
        let own = own || aspect.is_some_and(|rest| rest.is_empty() || tables::ASPECTS.contains(&rest));
        let members = if fan == 0 { &self.inputs } else { &self.fans[fan as usize - 1] };
        let mut sources: Vec<_> = members
            .iter()
            .filter(|member| {
                let text = self.service.shape(member.target);
                member.depth() <= 1 && matches!(text.kind, Kind::String { .. })
            })
            .filter_map(|member| {
                let generic = own && (member.depth() == 0 || squash(member.path[member.path.len() - 2]) == text);
                let identity = inputs::identity(&member.name, &text, generic)?;
                Some((member.source(fan != 0), identity))
            })
            .collect();
        // Beside what its own item says, an answer to an item knows what the whole call is about.
        if fan != 0 && !about.ends_with(&text) && !text.ends_with(&about) {
            let root = self.inputs.iter().filter(|member| {
                member.depth() == 0 && matches!(self.service.shape(member.target).kind, Kind::String { .. })
            });
            sources.extend(
                root.filter_map(|member| Some((member.source(false), inputs::identity(&member.name, &text, false)?))),
            );
        }
        let fact = self.facts.nouns.get(text.as_str()).copied().unwrap_or_default();
        let reading = template::Reading { noun: kebab, member: kebab, service: self.service.signing_name };
        let name = tables_row(tables::NAMES, self.service.signing_name, kebab, false);
        let id = tables_row(tables::IDS, self.service.signing_name, kebab, false);
        let by_source = sources.iter().find_map(|(_, identity)| match identity {
            Identity::Name => Some(true),
            Identity::Id => Some(false),
            _ => None,
        });
        let hash = hash(&text);
        self.nouns.push(Draft {
            noun: Noun {
                text: text.into(),
                hash,
                named: fact.by_name.or(by_source).unwrap_or(id.is_none()),
                name: template::read(name.unwrap_or(tables::NAME_STYLES[0]), &reading),
                id: template::read(id.unwrap_or(tables::ID_STYLES[0]), &reading),
                sources: sources.into(),
            },
            kebab: kebab.to_owned(),
            fan,
            name_settled: false,
            id_settled: false,
        });
        u16::try_from(self.nouns.len() - 1).unwrap_or(0)
    }

    /// What a structure describes, by its shape's name, else by the member's.
    pub(super) fn noun_of_structure(&mut self, ix: ShapeIx, member: &str, scope: &Scope) -> u16 {
        let subject = squash(&self.subject);
        // `pipeline` in the answer to `GetPipeline` is that pipeline, whatever the shape is called.
        if scope.depth == 0 && scope.lists == 0 && squash(member) == subject {
            return scope.noun;
        }
        let mut words = self.telling_words(ix, self.service.shape(ix).name);
        if is_aside(&words) {
            let one = singular_of(member);
            let by_member = self.telling_words(ix, &one);
            if !is_aside(&by_member) {
                words = by_member;
            } else if scope.lists == 0 {
                return scope.noun;
            }
        }
        // `SecurityGroup` within the description of a `Group` that is one, and the like.
        let text = words.concat();
        let outer = &self.nouns[usize::from(scope.noun)];
        if *outer.noun.text == *text && outer.fan == scope.fan {
            return scope.noun;
        }
        if scope.fan == 0
            && scope.lists == 0
            && scope.depth == 0
            && (subject.ends_with(&text) || text.ends_with(&subject) || text.starts_with(&subject))
        {
            return scope.noun;
        }
        self.noun(&words.join("-"), scope.fan, scope.fan != 0)
    }

    /// The words of a structure's name without those that only say that it is a structure: `ServiceSummary` is about a
    /// service. A `PlaybackConfiguration` stays one, for its members call it so.
    fn telling_words(&self, ix: ShapeIx, name: &str) -> Vec<String> {
        let mut words = split(name);
        while words.len() > 1 && words.last().is_some_and(|last| tables::ASIDE.contains(&last.as_str())) {
            let text = words.concat();
            let own = self.facts.nouns.get(text.as_str()).is_some_and(|fact| fact.own);
            let members = self.service.structure(ix).map(|structure| &structure.members);
            if own && members.into_iter().flatten().any(|member| squash(member.name).starts_with(&text)) {
                break;
            }
            words.pop();
        }
        words
    }

    /// Whether the root has but one structure.
    pub(super) fn wraps_alone(&self, scope: &Scope) -> bool {
        if scope.depth != 0 {
            return false;
        }
        let Some(root) = self.stack.last().and_then(|root| self.service.structure(*root)) else { return false };
        root.members.iter().filter(|member| self.service.structure(member.target).is_some()).count() == 1
    }
}

fn is_aside(words: &[String]) -> bool {
    match words {
        [] => true,
        [one] => tables::ASIDE.contains(&one.as_str()),
        _ => false,
    }
}

/// What a table says of a noun: the longest ending wins, rows of the signing name before others. `own`: only those.
pub(super) fn tables_row(table: &[(&'static str, Str)], service: &str, kebab: &str, own: bool) -> Option<Str> {
    let words: Vec<String> = kebab.split('-').map(str::to_owned).collect();
    let mut best: Option<(usize, Str)> = None;
    for (row, template) in table {
        let (whose, ending) = row.split_once('/').map_or((None, *row), |(service, ending)| (Some(service), ending));
        let fits = whose.map_or(!own, |whose| whose == service) && ends_in(&words, ending);
        let weight = ending.len() + if whose.is_some() { 100 } else { 0 };
        if fits && best.is_none_or(|(top, _)| weight > top) {
            best = Some((weight, template));
        }
    }
    best.map(|(_, template)| template)
}
