//! Finds the recorded call that a call is like.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use standin_core::{CallContext, OperationError};
use standin_mock::validation::input_from_json;
use standin_model::{Catalogue, Document, Operation, Service};

use super::{Pair, read, redact_input};

/// How like a recorded call has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Match {
    /// The same operation and input; tokens that make a call unique do not count, nor do secrets.
    #[default]
    Strict,
    /// The same operation, and of those that were recorded the one whose input is most like.
    Nearest,
}

/// A recording to answer from. What was asked several times is answered in that order; the last answer stays.
#[derive(Debug)]
pub struct Player {
    matching: Match,
    groups: Vec<Group>,
    /// By operation and input.
    by_input: HashMap<String, Vec<usize>>,
    /// By operation.
    by_operation: HashMap<String, Vec<usize>>,
}

/// The same call of the same caller, as often as it was made.
#[derive(Debug)]
struct Group {
    account: String,
    region: String,
    /// Every value of the input with its place.
    leaves: Vec<String>,
    pairs: Vec<(PathBuf, Pair)>,
    next: AtomicUsize,
}

/// A recorded answer.
#[derive(Debug)]
pub struct Replayed {
    pub answer: Result<Document, OperationError>,
    pub status: Option<u16>,
    /// The file with the streaming payload.
    pub payload: Option<PathBuf>,
    /// What it says in `standin explain`.
    pub told: String,
}

impl Player {
    /// Reads a recording.
    ///
    /// # Errors
    /// When it cannot be read, or a file is no recorded call.
    pub fn open(folder: &Path, matching: Match, catalogue: &'static Catalogue) -> io::Result<Self> {
        let mut player = Self { matching, groups: Vec::new(), by_input: HashMap::new(), by_operation: HashMap::new() };
        for (path, pair) in read(folder)? {
            let known = catalogue.find(&pair.service).and_then(|entry| entry.open().ok());
            let known = known.and_then(|service| Some((service, service.operation(&pair.operation)?)));
            let Some((service, operation)) = known else {
                let Pair { service, operation, .. } = &pair;
                let why = format!("{}: there is no operation {operation} of a service {service}", path.display());
                return Err(io::Error::other(why));
            };
            player.add(service, operation, path, pair);
        }
        Ok(player)
    }

    fn add(&mut self, service: &Service, operation: &Operation, path: PathBuf, pair: Pair) {
        let about = format!("{} {}", pair.service, pair.operation);
        let input = Input::of(service, operation, &pair.input, pair.body.as_deref());
        let key = format!("{about} {}", input.key());
        let same = self.by_input.entry(key).or_default();
        let groups = &mut self.groups;
        let at = same.iter().find(|at| groups[**at].region == pair.region && groups[**at].account == pair.account);
        match at {
            Some(at) => groups[*at].pairs.push((path, pair)),
            None => {
                same.push(groups.len());
                self.by_operation.entry(about).or_default().push(groups.len());
                let (account, region) = (pair.account.clone(), pair.region.clone());
                let pairs = vec![(path, pair)];
                groups.push(Group { account, region, leaves: input.leaves, pairs, next: AtomicUsize::new(0) });
            }
        }
    }

    /// Whether any call of an operation was recorded.
    pub fn knows(&self, service: &Service, operation: &Operation) -> bool {
        self.by_operation.contains_key(&format!("{} {}", service.id, operation.name))
    }

    /// The answer to a call. `body`: the SHA-256 of its streaming payload, as base64.
    pub fn answer(&self, context: &CallContext, input: &Document, body: Option<&str>) -> Option<Replayed> {
        let about = format!("{} {}", context.service.id, context.operation.name);
        let all = self.by_operation.get(&about)?;
        let input = redact_input(context.service, context.operation, input);
        let input = Input::of(context.service, context.operation, &input, body);
        let same = self.by_input.get(&format!("{about} {}", input.key()));
        let (group, how) = match (same, self.matching) {
            (Some(same), _) => (self.groups.get(*self.closest(same, context)?)?, "the same input"),
            (None, Match::Strict) => return None,
            (None, Match::Nearest) => {
                // Of those that are equally like, the one of this caller, then the first.
                let like = |at: &&usize| {
                    let group = &self.groups[**at];
                    (input.likeness(&group.leaves), group.fits(context), std::cmp::Reverse(**at))
                };
                (self.groups.get(*all.iter().max_by_key(like)?)?, "the nearest input")
            }
        };
        let turn = group.next.fetch_add(1, Ordering::Relaxed).min(group.pairs.len() - 1);
        let (path, pair) = &group.pairs[turn];
        Some(Replayed {
            answer: answer(context, pair),
            status: pair.status,
            payload: pair.payload.as_ref().map(|name| path.with_file_name(name)),
            told: format!("replayed from {}, which has {how}", path.display()),
        })
    }

    /// Of calls with the same input the one of this caller, else that of this region, else any.
    fn closest<'g>(&self, same: &'g [usize], context: &CallContext) -> Option<&'g usize> {
        same.iter().max_by_key(|at| (self.groups[**at].fits(context), std::cmp::Reverse(**at)))
    }

    /// Begins anew with the first answers.
    pub fn restart(&self) {
        self.groups.iter().for_each(|group| group.next.store(0, Ordering::Relaxed));
    }
}

impl Group {
    fn fits(&self, context: &CallContext) -> u8 {
        u8::from(*self.region == *context.region) * 2 + u8::from(*self.account == *context.account)
    }
}

/// What counts of an input.
struct Input {
    /// `PATH=VALUE`, sorted.
    leaves: Vec<String>,
}

impl Input {
    fn of(service: &Service, operation: &Operation, input: &Value, body: Option<&str>) -> Self {
        let mut leaves = Vec::new();
        let structure = operation.input.and_then(|shape| service.structure(shape));
        let is_token = |name: &str| {
            structure.and_then(|structure| structure.member(name)).is_some_and(|member| member.idempotency_token)
        };
        for (name, value) in input.as_object().into_iter().flatten() {
            if !is_token(name) {
                collect(value, name, &mut leaves);
            }
        }
        leaves.extend(body.map(|body| format!("body={body}")));
        leaves.sort_unstable();
        Self { leaves }
    }

    fn key(&self) -> String {
        self.leaves.join("\n")
    }

    /// How many values are the same, less how many differ.
    fn likeness(&self, other: &[String]) -> i64 {
        let same = self.leaves.iter().filter(|leaf| other.binary_search(leaf).is_ok()).count();
        let most = self.leaves.len().max(other.len());
        i64::try_from(2 * same).unwrap_or(i64::MAX) - i64::try_from(most).unwrap_or(i64::MAX)
    }
}

fn collect(value: &Value, path: &str, leaves: &mut Vec<String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(name, member)| collect(member, &format!("{path}.{name}"), leaves));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(at, item)| collect(item, &format!("{path}[{at}]"), leaves));
        }
        leaf => leaves.push(format!("{path}={leaf}")),
    }
}

fn answer(context: &CallContext, pair: &Pair) -> Result<Document, OperationError> {
    let (service, operation) = (context.service, context.operation);
    let read = |shape, value: &Value| match shape {
        Some(shape) => input_from_json(service, shape, value).unwrap_or_else(|_| Document::from_json(value)),
        None => Document::from_json(value),
    };
    match &pair.error {
        None => Ok(pair.output.as_ref().map_or_else(Document::map, |output| read(operation.output, output))),
        Some(recorded) => {
            let mut error = OperationError::new(recorded.code.clone(), recorded.message.clone());
            error.status = pair.status;
            let members = read(error.shape(service, Some(operation)), &recorded.members);
            error.members = members.as_map().cloned().unwrap_or_default();
            Err(error)
        }
    }
}
