//! Which stored resource a call names.

use std::borrow::Cow;

use standin_lifecycle::{Binding, Part, Path, Step, TypeIx, TypeKind, Verb};
use standin_model::words::squash;
use standin_model::{Document, Str};
use standin_store::{IndexEntry, Scan, Table};

use crate::errors::{Fault, error};
use crate::handler::{Failed, Work};
use crate::record::{Identity, Record};
use crate::schema::last_member;

/// Between the key of a resource and those of what lies in it.
pub(crate) const WITHIN: char = '\u{1f}';
/// Between the parts of a key of several.
pub(crate) const PARTS: char = '\u{1e}';
/// The key of what there is one of.
const ONLY: &str = "=";
/// Names need not be unique; so many of one name are looked at.
const NAMESAKES_MAX: usize = 64;

pub(crate) const BY_NAME: &str = "n";
pub(crate) const BY_ID: &str = "i";
pub(crate) const BY_ARN: &str = "a";
/// What has tags, by ARN.
pub(crate) const TAGGED: &str = "t";
/// What has tags, by each of them.
pub(crate) const BY_TAG: &str = "g";

/// What a resource lies in, as a call names it.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    /// Where the keys of its siblings begin, as far as the call says: up to the first of all it lies in that is not named.
    pub around: String,
    /// Whether that is all: whether everything that it lies in is named.
    pub whole: bool,
    /// One for each type that it lies in, the nearest last; `None` where the call does not say.
    pub parents: Vec<Option<Record>>,
}

impl Lineage {
    /// Where the keys of its siblings begin; `None` where the call does not say what it lies in.
    pub(crate) fn prefix(&self) -> Option<&str> {
        self.whole.then_some(self.around.as_str())
    }

    /// The identities of all that it lies in, outermost first; empty ones of what is not known.
    pub(crate) fn identities(&self) -> Vec<Document> {
        let of = |parent: &Option<Record>| parent.as_ref().map(|parent| parent.identity().to_document());
        self.parents.iter().map(|parent| of(parent).unwrap_or_else(Document::map)).collect()
    }
}

impl Work<'_> {
    pub(crate) fn table(&self, ix: TypeIx) -> Table {
        Table { space: self.space.clone(), name: self.schema.ty(ix).table.clone() }
    }

    /// What the call's resource lies in.
    ///
    /// # Errors
    /// The operation's not-found error where it names something that does not exist.
    pub(crate) async fn lineage(&self) -> Result<Lineage, Failed> {
        let line = self.schema.lifecycle.lineage(self.role.resource);
        let mut lineage = Lineage { around: String::new(), whole: true, parents: Vec::with_capacity(line.len() - 1) };
        for ix in &line[..line.len() - 1] {
            let bound = self.bound(*ix);
            let Some((part, value)) = bound.first() else {
                lineage.whole = false;
                lineage.parents.push(None);
                continue;
            };
            let found = match self.find(*ix, lineage.prefix(), *part, value).await? {
                None => self.implied(*ix, &lineage, value).await?,
                found => found,
            };
            match found {
                // The account's own catalog or registry, which nobody makes.
                None if **value == *self.context.account => lineage.parents.push(None),
                Some(record) => {
                    if lineage.parents.iter().any(Option::is_none) {
                        lineage.parents = self.ancestors(&record, *ix).await?;
                    }
                    lineage.around = format!("{}{WITHIN}", record.key);
                    lineage.whole = true;
                    lineage.parents.push(Some(record));
                }
                None if self.schema.ty(*ix).made_by_callers && !self.is_no_fault(Fault::NotFound) => {
                    let resource = self.schema.lifecycle.resource(*ix);
                    let modelled = self.role.missing_parents.iter().find(|(of, _)| of == ix).map(|(_, shape)| *shape);
                    let told = modelled.or(self.role.missing);
                    let noun = squash(&resource.name);
                    return Err(error(self.context, Fault::NotFound, told, &noun, &resource.name, value).into());
                }
                None => {
                    if lineage.whole {
                        lineage.around.push_str(value);
                        lineage.around.push(WITHIN);
                    }
                    lineage.parents.push(None);
                }
            }
        }
        Ok(lineage)
    }

    /// The resources around one that was found by itself: their keys begin its own.
    async fn ancestors(&self, record: &Record, ix: TypeIx) -> Result<Vec<Option<Record>>, Failed> {
        let line = self.schema.lifecycle.lineage(ix);
        let mut found = Vec::with_capacity(line.len());
        let mut ends = record.key.match_indices(WITHIN).map(|(at, _)| at);
        for ix in &line[..line.len() - 1] {
            let row = match ends.next() {
                Some(end) => self.rows.get(&self.table(*ix), &record.key[..end]).await?,
                None => None,
            };
            found.push(row.map(Record::from));
        }
        Ok(found)
    }

    /// What the input says to identify a resource of a type, required members first.
    pub(crate) fn bound(&self, ix: TypeIx) -> Vec<(Part, Cow<'_, str>)> {
        let named = self.bindings(ix).filter(|(_, part, _)| *part != Part::Qualifier);
        let mut found: Vec<_> = named.map(|(_, part, value)| (part, value)).collect();
        // An update that gives an id and a name gives a new name.
        found.sort_by_key(|(part, _)| matches!(part, Part::Name));
        found
    }

    pub(crate) fn bindings(&self, ix: TypeIx) -> impl Iterator<Item = (&Binding, Part, Cow<'_, str>)> {
        self.role.bindings.iter().filter(move |binding| binding.of == ix).flat_map(move |binding| {
            let mut values = values(self.input, &binding.path);
            if values.is_empty() {
                values.extend(binding.default.as_deref().map(Cow::Borrowed));
            }
            values.into_iter().map(move |value| (binding, binding.part, value))
        })
    }

    /// The key of a resource by an identifier that the service made.
    pub(crate) fn assigned_key(&self, prefix: &str, own: &str) -> String {
        let qualifiers = self.qualifiers(self.role.resource);
        self.qualified_key(prefix, own, qualifiers.iter().map(|text| &**text))
    }

    pub(crate) fn qualified_key<'q>(
        &self,
        prefix: &str,
        own: &str,
        qualifiers: impl IntoIterator<Item = &'q str>,
    ) -> String {
        let mut key = [prefix, own].concat();
        for qualifier in qualifiers {
            key.push(PARTS);
            key.push_str(qualifier);
        }
        key
    }

    /// What else than its name or id belongs to a resource's key, in the order of the members' names.
    pub(crate) fn qualifiers(&self, ix: TypeIx) -> Vec<Cow<'_, str>> {
        let mut found: Vec<(&str, Cow<'_, str>)> = self
            .bindings(ix)
            .filter(|(_, part, _)| *part == Part::Qualifier)
            .filter_map(|(binding, _, value)| Some((last_member(&binding.path)?, value)))
            .collect();
        found.sort();
        found.into_iter().map(|(_, value)| value).collect()
    }

    /// The key that a call gives to a resource whose identifier the client chooses; `None` where it gives none.
    pub(crate) fn chosen_key(&self, ix: TypeIx, prefix: &str) -> Option<String> {
        let kind = self.schema.lifecycle.resource(ix).kind;
        if kind == TypeKind::Single {
            return Some(format!("{prefix}{ONLY}"));
        }
        let mut own: Vec<(Option<&str>, Cow<'_, str>)> = self
            .bindings(ix)
            .filter(|(_, part, _)| *part != Part::Qualifier)
            .map(|(binding, _, value)| (last_member(&binding.path), value))
            .collect();
        let qualifiers = self.qualifiers(ix);
        // Qualifiers alone are a key where nothing else identifies such a resource.
        let by_qualifiers = self.schema.ty(ix).by_qualifiers;
        if by_qualifiers {
            own.clear();
        }
        if own.is_empty() && (qualifiers.is_empty() || !by_qualifiers) {
            return None;
        }
        if kind == TypeKind::Link {
            own.sort();
        } else {
            own.truncate(1);
        }
        let texts: Vec<&str> =
            own.iter().map(|(_, value)| &**value).chain(qualifiers.iter().map(|text| &**text)).collect();
        Some(format!("{prefix}{}", texts.join(&PARTS.to_string())))
    }

    /// The resource that the call names, among those in `lineage`.
    pub(crate) async fn named(&self, lineage: &Lineage) -> Result<Option<Record>, Failed> {
        let ix = self.role.resource;
        let kind = self.schema.lifecycle.resource(ix).kind;
        let qualified = self.bindings(ix).any(|(_, part, _)| part == Part::Qualifier);
        if let Some(prefix) = lineage.prefix()
            && (qualified || matches!(kind, TypeKind::Single | TypeKind::Link))
            && let Some(key) = self.chosen_key(ix, prefix)
        {
            let found = self.get(ix, &key).await?;
            if found.is_some() || matches!(kind, TypeKind::Single | TypeKind::Link) {
                return Ok(found);
            }
        }
        // Of what nobody says what it lies in, there is one, too.
        if kind == TypeKind::Single && lineage.around.is_empty() && lineage.prefix().is_none() {
            return self.get(ix, ONLY).await;
        }
        let bound = self.bound(ix);
        if let (true, Some(prefix)) = (bound.is_empty(), lineage.prefix()) {
            return self.unnamed(prefix).await;
        }
        let qualifiers = self.qualifiers(ix);
        for (part, value) in bound {
            if let Some(found) = self.find(ix, lineage.prefix(), part, &value).await?
                && is_so_qualified(&found, &qualifiers)
            {
                return Ok(Some(found));
            }
            if self.schema.lifecycle.resource(ix).implicit
                && let Some(found) = self.implied(ix, lineage, &value).await?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The resource that a call means which may name one but does not: the only one there is.
    async fn unnamed(&self, prefix: &str) -> Result<Option<Record>, Failed> {
        let ix = self.role.resource;
        let assigned = self.schema.lifecycle.resource(ix).kind == TypeKind::Assigned;
        if !matches!(self.role.verb, Verb::Read | Verb::Update) && (assigned || self.role.verb != Verb::Delete) {
            return Ok(None);
        }
        let qualifiers = self.qualifiers(ix);
        let tail: String = qualifiers.iter().map(|text| format!("{PARTS}{text}")).collect();
        let mut found = self.scan(ix, prefix, None, NAMESAKES_MAX).await?;
        found.retain(|record| {
            let own = &record.key[prefix.len()..];
            !own.contains(WITHIN) && own.ends_with(&tail) && self.sees(record)
        });
        // Of several, none is meant rather than another.
        Ok(if found.len() == 1 { found.pop() } else { None })
    }

    pub(crate) async fn get(&self, ix: TypeIx, key: &str) -> Result<Option<Record>, Failed> {
        let row = self.rows.get(&self.table(ix), key).await?;
        Ok(row.map(Record::from).filter(|record| self.sees(record)))
    }

    /// The resource of a type that a text names: by key, id, name or ARN.
    pub(crate) async fn find(
        &self,
        ix: TypeIx,
        prefix: Option<&str>,
        part: Part,
        text: &str,
    ) -> Result<Option<Record>, Failed> {
        if self.schema.lifecycle.resource(ix).kind == TypeKind::Single
            && let Some(prefix) = prefix
        {
            return self.get(ix, &[prefix, ONLY].concat()).await;
        }
        if let Some(prefix) = prefix
            && let Some(found) = self.get(ix, &[prefix, text].concat()).await?
        {
            return Ok(Some(found));
        }
        let indexes: &[&str] = match part {
            _ if text.starts_with("arn:") => &[BY_ARN, BY_ID, BY_NAME],
            Part::Name => &[BY_NAME, BY_ID],
            Part::Id => &[BY_ID, BY_NAME, BY_ARN],
            Part::Arn => &[BY_ARN, BY_ID, BY_NAME],
            Part::Any | Part::Qualifier => &[BY_ID, BY_NAME, BY_ARN],
        };
        let table = self.table(ix);
        for index in indexes {
            let rows = self.rows.find(&table, index, text, None, NAMESAKES_MAX).await?;
            let mut records = rows.into_iter().map(Record::from).filter(|record| self.sees(record));
            let inside = |record: &Record| prefix.is_none_or(|prefix| record.key.starts_with(prefix));
            if let Some(found) = records.find(inside) {
                return Ok(Some(found));
            }
        }
        if text.starts_with("arn:") {
            return self.by_tail(ix, prefix, text).await;
        }
        Ok(None)
    }

    /// The resource whose name or id ends an ARN that a client put together, perhaps without account.
    async fn by_tail(&self, ix: TypeIx, prefix: Option<&str>, arn: &str) -> Result<Option<Record>, Failed> {
        let Some(resource) = arn.splitn(6, ':').nth(5) else { return Ok(None) };
        let mut tails = vec![resource];
        tails
            .extend(resource.char_indices().filter(|(_, c)| matches!(c, '/' | ':')).map(|(at, _)| &resource[at + 1..]));
        let table = self.table(ix);
        for tail in tails.into_iter().filter(|tail| !tail.is_empty()) {
            if let Some(prefix) = prefix
                && let Some(found) = self.get(ix, &format!("{prefix}{tail}")).await?
            {
                return Ok(Some(found));
            }
            for index in [BY_ID, BY_NAME] {
                let rows = self.rows.find(&table, index, tail, None, 2).await?;
                // Two of that name: which one is meant, the ARN does not tell.
                if let [row] = &rows[..] {
                    let record = Record::from(row.clone());
                    // An ARN of its own says better.
                    let other = record.identity().arn().is_some_and(|own| !same_resource(own, arn));
                    if !other && self.sees(&record) {
                        return Ok(Some(record));
                    }
                }
            }
        }
        Ok(None)
    }

    pub(crate) fn missing(&self, kind: &str, identifier: &str) -> standin_core::OperationError {
        error(self.context, Fault::NotFound, self.role.missing, &squash(kind), kind, identifier)
    }

    /// The error of a call whose resource does not exist.
    pub(crate) fn not_found(&self) -> Failed {
        let value = self.bound(self.role.resource).first().map(|(_, value)| value.clone().into_owned());
        self.fault(Fault::NotFound, &value.unwrap_or_default())
    }

    /// One page of the resources in a prefix.
    pub(crate) async fn scan(
        &self,
        ix: TypeIx,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, Failed> {
        let rows = self.rows.scan(&self.table(ix), Scan { prefix, after, limit }).await?;
        Ok(rows.into_iter().map(Record::from).collect())
    }
}

/// Whether a resource has the qualifiers that a call says; one whose key has none at all may have any.
fn is_so_qualified(record: &Record, said: &[Cow<'_, str>]) -> bool {
    let own = record.key.rsplit(WITHIN).next().unwrap_or_default();
    let mut parts = own.split(PARTS).skip(1).peekable();
    parts.peek().is_none() || said.iter().all(|said| parts.any(|part| part == said))
}

/// Whether two ARNs are of the same resource: one may lack the account or region.
fn same_resource(a: &str, b: &str) -> bool {
    let (a, b): (Vec<&str>, Vec<&str>) = (a.splitn(6, ':').collect(), b.splitn(6, ':').collect());
    a.len() == 6
        && b.len() == 6
        && a.iter()
            .zip(&b)
            .enumerate()
            .all(|(at, (a, b))| a == b || (matches!(at, 1 | 3 | 4) && (a.is_empty() || b.is_empty())))
}

/// How a row is found.
pub(crate) fn index(identity: Identity<'_>) -> Vec<IndexEntry> {
    let entry = |index: Str, text: Option<&str>| text.map(|text| IndexEntry::new(index, text));
    // Clients cut the path off `/hostedzone/Z1`.
    let tail = identity.id().filter(|id| id.starts_with('/')).and_then(|id| id.rsplit('/').next());
    let own = [entry(BY_NAME, identity.name()), entry(BY_ID, identity.id()), entry(BY_ID, tail)];
    let mut entries: Vec<IndexEntry> = own.into_iter().chain([entry(BY_ARN, identity.arn())]).flatten().collect();
    if let (Some(arn), Some(tags)) = (identity.arn(), identity.tags()) {
        entries.push(IndexEntry::new(TAGGED, arn));
        let each = tags.iter().map(|(key, value)| tag_entry(key, value.as_str().unwrap_or_default()));
        entries.extend(each.map(|value| IndexEntry::new(BY_TAG, value)));
    }
    entries
}

/// A tag as [`BY_TAG`] has it: by key, then by value.
pub(crate) fn tag_entry(key: &str, value: &str) -> String {
    format!("{key}{WITHIN}{value}")
}

/// The texts at a place in the input.
pub(crate) fn values<'d>(input: &'d Document, path: &Path) -> Vec<Cow<'d, str>> {
    let mut at = vec![input];
    for step in path {
        at = at
            .into_iter()
            .flat_map(|value| -> Vec<&Document> {
                match (step, value) {
                    (Step::Member(name), value) => value.get(name).into_iter().collect(),
                    (Step::Items, Document::List(items)) => items.iter().collect(),
                    (Step::Values, Document::Map(fields)) => fields.iter().map(|(_, value)| value).collect(),
                    _ => Vec::new(),
                }
            })
            .collect();
    }
    at.into_iter()
        .filter_map(|value| match value {
            Document::String(text) if !text.is_empty() => Some(Cow::Borrowed(&**text)),
            Document::Int(number) => Some(Cow::Owned(number.to_string())),
            _ => None,
        })
        .collect()
}
