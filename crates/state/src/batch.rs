//! Operations whose input is a list of requests, each carried out by itself: `PutTargets`, `ChangeResourceRecordSets`, or an
//! operation that changes one resource and is told of several (`TerminateInstances`).
//!
//! Most items succeed or fail by themselves; those of an operation that its overlay calls atomic do so together.
//!
//! Of each item stays an answer as if it had been asked for alone; these are put together. What an item fails with goes into
//! the output's list of failures, where there is one, and else fails the call.

use std::sync::{Arc, Mutex, PoisonError};

use standin_core::OperationError;
use standin_lifecycle::{Part, Path, Role, Step, Verb};
use standin_mock::batch::{Failure, failures, tells_failures};
use standin_model::words::squash;
use standin_model::{Document, Key, Kind, Member};
use standin_store::{Batch, StoreError};

use crate::cascade::PAGE;
use crate::handler::{ATTEMPTS_MAX, Failed, Work};
use crate::rows::Staged;

/// The action that takes away what is not in the list.
const REPLACE: &str = "replace";

impl Work<'_> {
    /// The list whose items are each a request: that of a batch, or the identifiers of what is changed.
    pub(crate) fn requests(&self) -> Option<Vec<Step>> {
        if matches!(self.role.verb, Verb::Read | Verb::List | Verb::ListTags) {
            return None;
        }
        if let Some(path) = self.role.batch.as_ref().filter(|path| !path.is_empty()) {
            return Some(path.to_vec());
        }
        if !matches!(self.role.verb, Verb::Delete | Verb::Act(_) | Verb::Update) {
            return None;
        }
        let mut own =
            self.role.bindings.iter().filter(|one| one.of == self.role.resource && one.part != Part::Qualifier);
        let first = own.next()?;
        let end = first.path.iter().position(|step| *step == Step::Items)?;
        own.next().is_none().then(|| first.path[..end].to_vec())
    }

    /// Carries out the requests in a list of the input one by one.
    pub(crate) async fn each(&self, list: &[Step]) -> Result<Document, Failed> {
        let items = at(self.input, list).and_then(Document::as_list).unwrap_or_default();
        if items.is_empty() {
            return self.once().await;
        }
        if !self.role.atomic {
            return self.carry_out(list, items).await;
        }
        let staged = Mutex::new(Staged::default());
        let work = Work { rows: self.rows.staged(&staged), space: self.space.clone(), ..*self };
        let output = work.carry_out(list, items).await?;
        let staged = staged.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.rows.commit(staged.into_batch()).await?;
        Ok(output)
    }

    async fn carry_out(&self, list: &[Step], items: &[Document]) -> Result<Document, Failed> {
        if self.replaces() {
            self.make_room(items).await?;
        }
        let mut output = None;
        let mut failures = Vec::new();
        for item in items {
            let input = with(self.input, list, &Document::List(vec![item.clone()]));
            let role = self.role_of(item)?;
            let mut outcome = Err(Failed::Store(StoreError::Conflict));
            let mut attempts = 0;
            while let Err(Failed::Store(StoreError::Conflict)) = outcome
                && attempts < ATTEMPTS_MAX
            {
                attempts += 1;
                let salt = self.resources.next_salt();
                let item = item.as_map().is_some().then_some(item);
                let role = role.as_ref().unwrap_or(self.role);
                let work = Work { input: &input, item, role, salt, space: self.space.clone(), ..*self };
                outcome = work.once().await;
            }
            match outcome {
                Ok(answer) => match &mut output {
                    None => output = Some(answer),
                    Some(output) => join(output, answer),
                },
                Err(Failed::Operation(error)) if !self.role.atomic && self.failures().is_some() => {
                    failures.push((item, error));
                }
                Err(failed) => return Err(failed),
            }
        }
        let mut output = output.unwrap_or_else(Document::map);
        self.tell(&mut output, &failures);
        Ok(output)
    }

    /// Whether the items take the place of all that are there.
    fn replaces(&self) -> bool {
        let action = self.role.action.as_ref().and_then(|action| at(self.input, action)).and_then(Document::as_str);
        action.is_some_and(|action| squash(action) == REPLACE)
    }

    /// Deletes what is not among the items that replace all.
    async fn make_room(&self, items: &[Document]) -> Result<(), Failed> {
        let ix = self.role.resource;
        let lineage = self.lineage().await?;
        let table = self.table(ix);
        let mut after: Option<Arc<str>> = None;
        loop {
            let page = self.scan(ix, &lineage.around, after.as_deref(), PAGE).await?;
            after = page.last().map(|row| row.key.clone());
            let last = page.len() < PAGE;
            let mut batch = Batch::default();
            for row in page {
                let identity = row.identity();
                let name = identity.part(Part::Any);
                if !items.iter().any(|item| item.as_str().is_some_and(|item| Some(item) == name)) {
                    batch.check(&table, row.key.clone(), Some(row.version)).delete(&table, row.key);
                }
            }
            if !batch.is_empty() {
                self.rows.commit(batch).await?;
            }
            if last {
                return Ok(());
            }
        }
    }

    /// What an item that says itself what is to be done (`CREATE`, `UPSERT`, `DELETE`) makes of the operation.
    fn role_of(&self, item: &Document) -> Result<Option<Role>, Failed> {
        let (Some(action), Some(batch)) = (&self.role.action, &self.role.batch) else { return Ok(None) };
        let told = match rest(action, batch) {
            Some(path) => at(item, path),
            None => at(self.input, action),
        };
        let verb = match squash(told.and_then(Document::as_str).unwrap_or_default()).as_str() {
            "create" | "add" | "insert" => Verb::Create,
            "upsert" | "put" | "set" | REPLACE => Verb::Put,
            "delete" | "remove" => Verb::Delete,
            _ => return Err(Failed::Unknown),
        };
        Ok(Some(Role { verb, ..self.role.clone() }))
    }

    /// The list of the output that tells what failed.
    fn failures(&self) -> Option<&'static Member> {
        let service = self.schema.service;
        failures(service, self.context.operation.output.and_then(|output| service.structure(output))?)
    }

    /// Says in an output which items failed.
    fn tell(&self, output: &mut Document, failed: &[(&Document, Box<OperationError>)]) {
        let service = self.schema.service;
        let Some(structure) = self.context.operation.output.and_then(|output| service.structure(output)) else {
            return;
        };
        let Document::Map(fields) = output else { return };
        for member in structure.members.iter().filter(|member| tells_failures(member.name)) {
            match &service.target(member).kind {
                Kind::List(list) if !failed.is_empty() || member.required || fields.contains_key(member.name) => {
                    let told = failed.iter().map(|(item, error)| {
                        Failure { service, input: self.input, item, error }.document(list.member.target)
                    });
                    fields.insert(member.name, Document::List(told.collect()));
                }
                Kind::Integer | Kind::Long => {
                    fields.insert(member.name, i64::try_from(failed.len()).unwrap_or(i64::MAX));
                }
                _ => {}
            }
        }
    }
}

/// A path from the resource's own structure on: of a batch, from the item.
pub(crate) fn own_path<'p>(path: &'p [Step], role: &Role) -> &'p [Step] {
    role.batch.as_ref().and_then(|batch| rest(path, batch)).unwrap_or(path)
}

/// What is left of a path within another one's items.
fn rest<'p>(path: &'p [Step], batch: &Path) -> Option<&'p [Step]> {
    path.strip_prefix(&**batch)?.strip_prefix(&[Step::Items])
}

/// The value at a way through structures.
fn at<'d>(input: &'d Document, path: &[Step]) -> Option<&'d Document> {
    path.iter().try_fold(input, |at, step| match step {
        Step::Member(name) => at.get(name),
        _ => None,
    })
}

/// A document with another value in one place.
fn with(input: &Document, path: &[Step], value: &Document) -> Document {
    let ([Step::Member(name), inner @ ..], Document::Map(fields)) = (path, input) else { return value.clone() };
    let entries = fields.iter().map(|(key, old)| {
        let new = if key == name { with(old, inner, value) } else { old.clone() };
        (Key::clone(key), new)
    });
    Document::Map(entries.collect())
}

/// Adds an answer to another one: lists grow, the rest stays as the first said.
fn join(output: &mut Document, answer: Document) {
    match (output, answer) {
        (Document::List(output), Document::List(answer)) => output.extend(answer),
        (Document::Map(output), Document::Map(answer)) => {
            for (name, value) in answer {
                match output.get_mut(&name) {
                    Some(old) => join(old, value),
                    None => output.push(name, value),
                }
            }
        }
        _ => {}
    }
}
