//! What a whole service tells about its shapes and resources. Worked out once per service.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use standin_model::{Bound, Kind, Service, Shape, ShapeIx};

use super::settled::Awaited;
use standin_model::words::{singular_of, split, squash};

/// What an operation does, as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Create,
    Update,
    Delete,
    List,
    Read,
    Other,
}

/// The verb of an operation and the words of what it acts on.
pub(super) fn verb_and_noun(operation: &str) -> (Verb, Vec<String>) {
    let mut words = split(operation);
    if words.len() > 2 && matches!(words[0].as_str(), "batch" | "admin" | "bulk") {
        words.remove(0);
    }
    let verb = match words.first().map_or("", String::as_str) {
        "create" | "put" | "register" | "run" | "start" | "request" | "allocate" | "import" | "add" | "publish"
        | "send" | "submit" | "define" | "provision" | "build" | "enable" | "generate" | "issue" | "copy" | "clone"
        | "launch" | "open" | "upload" | "purchase" | "restore" | "invoke" | "attach" | "associate" => Verb::Create,
        "update" | "modify" | "set" | "change" | "edit" | "reset" | "upgrade" | "rotate" => Verb::Update,
        "delete" | "remove" | "terminate" | "deregister" | "destroy" | "cancel" => Verb::Delete,
        "list" | "search" | "scan" | "query" => Verb::List,
        "get" | "describe" | "head" | "lookup" | "view" | "check" | "retrieve" | "fetch" | "read" | "select" => {
            Verb::Read
        }
        _ => Verb::Other,
    };
    if words.len() > 1 {
        words.remove(0);
    }
    // `ListTagsForResource` is about tags.
    if let Some(at) =
        words.iter().position(|w| matches!(w.as_str(), "for" | "by" | "in" | "from" | "to" | "with" | "of"))
        && at > 0
    {
        words.truncate(at);
    }
    // API generations: `ListObjectsV2`.
    if words.len() > 1 && words.last().is_some_and(|w| w.len() == 2 && w.starts_with('v')) {
        words.pop();
    }
    if let Some(last) = words.last_mut() {
        *last = singular_of(last);
    }
    (verb, words)
}

/// How a service treats one kind of resource.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NounFact {
    /// Whether clients look it up by name; `None` where no operation tells.
    pub by_name: Option<bool>,
    /// Whether some operation makes, reads or deletes it.
    pub own: bool,
}

/// What is known of one service.
#[derive(Debug)]
pub(super) struct Facts {
    /// By shape: how deep a value at least is. 255: no finite value.
    pub heights: Box<[u8]>,
    pub awaited: Awaited,
    /// By squashed noun.
    pub nouns: HashMap<Box<str>, NounFact>,
    /// Nouns and input members, both squashed, by which a client chooses an identifier on create.
    pub chosen: Vec<(Box<str>, Box<str>)>,
}

const INFINITE: u8 = u8::MAX;

/// Verbs of operations on a service's own resources; `Associate` and the like are about those of others as well.
const OWNING: [&str; 8] = ["Create", "Get", "Describe", "Delete", "Update", "Register", "Import", "Modify"];

impl Facts {
    /// The facts of a service, from a cache of this process: services live as long as it does.
    pub(super) fn of(service: &'static Service) -> Arc<Self> {
        static CACHE: LazyLock<RwLock<HashMap<usize, Arc<Facts>>>> = LazyLock::new(RwLock::default);
        let key = std::ptr::from_ref(service).addr();
        if let Some(facts) = CACHE.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Arc::clone(facts);
        }
        let facts = Arc::new(Self::read(service));
        Arc::clone(CACHE.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(facts))
    }

    fn read(service: &'static Service) -> Self {
        let mut nouns: HashMap<Box<str>, NounFact> = HashMap::new();
        let mut chosen: Vec<(Box<str>, Box<str>)> = Vec::new();
        for operation in &service.operations {
            let (verb, words) = verb_and_noun(operation.name);
            if matches!(verb, Verb::Other | Verb::List) {
                continue;
            }
            let noun: Box<str> = words.concat().into();
            let required = operation.input.and_then(|input| service.structure(input)).into_iter();
            let required = required.flat_map(|input| input.members.iter().filter(|member| member.required));
            let fact = nouns.entry(noun.clone()).or_default();
            fact.own |= OWNING.iter().any(|verb| operation.name.starts_with(verb));
            for member in required {
                let name = squash(member.name);
                let names_it = name.starts_with(&*noun) || matches!(name.as_str(), "name" | "id" | "identifier");
                if !names_it {
                    continue;
                }
                if verb == Verb::Create {
                    if operation.name.starts_with("Create") && !name.ends_with("name") {
                        chosen.push((noun.clone(), name.into()));
                    }
                } else if name.ends_with("name") {
                    fact.by_name = Some(true);
                } else if name.ends_with("id") && fact.by_name.is_none() {
                    fact.by_name = Some(false);
                }
            }
        }
        Self { heights: heights(service), awaited: Awaited::read(service), nouns, chosen }
    }

    pub(super) fn height(&self, shape: ShapeIx) -> u8 {
        self.heights[shape.0 as usize]
    }
}

/// The least depth of a value of every shape, found by going over all shapes until nothing gets lower.
fn heights(service: &Service) -> Box<[u8]> {
    let mut heights = vec![INFINITE; service.shapes.len()];
    loop {
        let mut changed = false;
        for (at, shape) in service.shapes.iter().enumerate() {
            let height = height(shape, &heights);
            if height < heights[at] {
                heights[at] = height;
                changed = true;
            }
        }
        if !changed {
            return heights.into_boxed_slice();
        }
    }
}

fn height(shape: &Shape, heights: &[u8]) -> u8 {
    let of = |ix: ShapeIx| heights[ix.0 as usize];
    let below = |inner: u8| if inner == INFINITE { INFINITE } else { inner.saturating_add(1).min(INFINITE - 1) };
    match &shape.kind {
        Kind::Structure(structure) if structure.event_stream => 0,
        Kind::Structure(structure) if structure.union => {
            below(structure.members.iter().map(|member| of(member.target)).min().unwrap_or(0))
        }
        Kind::Structure(structure) => {
            below(structure.members.iter().filter(|m| m.required).map(|m| of(m.target)).max().unwrap_or(0))
        }
        Kind::List(list) if least(shape) > 0 => below(of(list.member.target)),
        Kind::Map(map) if least(shape) > 0 => below(of(map.value.target)),
        _ => 0,
    }
}

/// The least length that a shape allows.
pub(super) fn least(shape: &Shape) -> usize {
    let min = shape.constraints.as_ref().and_then(|limits| limits.min).map_or(0, Bound::as_i64);
    usize::try_from(min).unwrap_or(0)
}

/// The greatest length that a shape allows.
pub(super) fn most(shape: &Shape) -> usize {
    let max = shape.constraints.as_ref().and_then(|limits| limits.max).map_or(i64::MAX, Bound::as_i64);
    usize::try_from(max).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_tell_verb_and_noun() {
        let check = |name: &str, verb, noun: &str| assert_eq!(verb_and_noun(name), (verb, split(noun)), "{name}");
        check("CreateEnvironment", Verb::Create, "Environment");
        check("ListTagsForResource", Verb::List, "Tag");
        check("DescribeDBInstances", Verb::Read, "DBInstance");
        check("ListObjectsV2", Verb::List, "Object");
        check("BatchGetProjects", Verb::Read, "Project");
        check("Search", Verb::List, "search");
    }

    #[test]
    fn every_output_of_the_catalogue_is_finite() {
        for entry in standin_model::Catalogue::shared().services() {
            let service = entry.open().expect("opens");
            let heights = heights(service);
            for operation in &service.operations {
                for shape in [operation.input, operation.output].into_iter().flatten() {
                    assert_ne!(heights[shape.0 as usize], INFINITE, "{}.{}", service.id, operation.name);
                }
            }
        }
    }
}
