//! The Resource Groups Tagging API: what is tagged, in all services of an account and region.
//!
//! Nothing is kept for it: rows of tagged resources have an entry by ARN and one by each tag, and every answer is read off
//! these, a page at a time.

use std::collections::BTreeSet;

use standin_core::{Arn, OperationError};
use standin_model::{Document, Fields, Key, Operation, Service};
use standin_store::{Batch, Range, StoreError, Table};

use crate::everywhere::Everywhere;
use crate::handler::Failed;
use crate::page;
use crate::record::{Identity, Record};
use crate::resolve::{BY_TAG, TAGGED, WITHIN, index, tag_entry};
use crate::tags;

const SERVICE: &str = "resourcegroupstaggingapi";
const OPERATIONS: &[&str] = &["GetResources", "GetTagKeys", "GetTagValues", "TagResources", "UntagResources"];
const INVALID: &str = "InvalidParameterException";
/// Resources on a page where the caller does not say how many, and at most.
const PAGE_USUAL: usize = 50;
const PAGE_MAX: i64 = 100;
/// Tags on a page, and keys or values of tags.
const TAGS_PAGE_MAX: i64 = 500;
const KEYS_PAGE: usize = 100;
/// Rows that one call looks at; after these a page ends, full or not.
const ROWS_MAX: usize = 5000;
/// After every other entry of an index.
const END: &str = "\u{10ffff}";

/// Whether an operation is answered here.
pub(crate) fn answers(service: &Service, operation: &Operation) -> bool {
    service.id == SERVICE && OPERATIONS.contains(&operation.name)
}

/// A region that shows what services without regions keep, by partition.
fn home(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "cn-northwest-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => "us-east-1",
    }
}

fn invalid(message: impl Into<String>) -> Failed {
    OperationError::new(INVALID, message).with_status(400).into()
}

/// What is asked for of the tagged resources.
#[derive(Debug)]
struct Wanted<'i> {
    /// A key and the values that it may have, all if there are none. All must hold.
    tags: Vec<(&'i str, Vec<&'i str>)>,
    /// `ec2` or `ec2:instance`; one must hold.
    kinds: Vec<&'i str>,
}

impl<'i> Wanted<'i> {
    fn of(input: &'i Document) -> Result<Self, Failed> {
        let mut tags = Vec::new();
        for filter in list(input, "TagFilters") {
            let Some(key) = filter.get("Key").and_then(Document::as_str) else {
                return Err(invalid("A tag filter needs a Key"));
            };
            tags.push((key, texts(filter, "Values")));
        }
        Ok(Self { tags, kinds: texts(input, "ResourceTypeFilters") })
    }

    fn passes(&self, record: &Record, arn: &str) -> bool {
        let Some(own) = record.tags() else { return false };
        let tagged = self.tags.iter().all(|(key, values)| {
            let value = own.get(key).and_then(Document::as_str);
            value.is_some_and(|value| values.is_empty() || values.contains(&value))
        });
        tagged && self.is_of_kind(arn)
    }

    fn is_of_kind(&self, arn: &str) -> bool {
        let Some(arn) = Arn::parse(arn) else { return false };
        self.kinds.is_empty() || self.kinds.iter().any(|kind| is_kind(&arn, kind))
    }

    /// Whether what a table holds can be of a kind that is asked for: all of it is of one service.
    fn is_of_service(&self, arn: &str) -> bool {
        let service = Arn::parse(arn).map(|arn| arn.service).unwrap_or_default();
        self.kinds.is_empty() || self.kinds.iter().any(|kind| kind.split(':').next() == Some(service))
    }

    /// A tag that all must have.
    fn tag(&self) -> Option<String> {
        self.tags.iter().find_map(|(key, values)| match values[..] {
            [value] => Some(tag_entry(key, value)),
            _ => None,
        })
    }
}

/// Whether an ARN is of `service` or `service:type`.
fn is_kind(arn: &Arn<'_>, kind: &str) -> bool {
    let Some((service, kind)) = kind.split_once(':') else { return kind == arn.service };
    let kind = kind.trim_start_matches('/');
    let rest = arn.resource.trim_start_matches('/').strip_prefix(kind);
    let typed = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':']));
    // A bucket's ARN is its name.
    service == arn.service && (typed || !arn.resource.contains(['/', ':']))
}

fn list<'i>(input: &'i Document, name: &str) -> &'i [Document] {
    input.get(name).and_then(Document::as_list).unwrap_or_default()
}

fn texts<'i>(input: &'i Document, name: &str) -> Vec<&'i str> {
    list(input, name).iter().filter_map(Document::as_str).collect()
}

/// Where a page begins: in the table of that place, after that row.
struct Place {
    table: String,
    after: String,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (table, after) = text.split_once(WITHIN)?;
        Some(Self { table: table.to_owned(), after: after.to_owned() })
    }

    fn write(table: &Table, after: &str) -> String {
        format!("{table}{WITHIN}{after}")
    }
}

/// Resources on their way into an answer.
#[derive(Debug, Default)]
struct Found {
    shown: Vec<Document>,
    tags: usize,
}

impl Everywhere<'_> {
    /// Carries out one of the operations.
    pub(crate) async fn answer(&self, input: &Document) -> Result<Document, Failed> {
        match self.context.operation.name {
            "GetResources" => self.resources(input).await,
            "GetTagKeys" => self.words(input, "TagKeys", None).await,
            "GetTagValues" => {
                let key = input.get("Key").and_then(Document::as_str).unwrap_or_default();
                self.words(input, "TagValues", Some(key)).await
            }
            "TagResources" => {
                let given = input.get("Tags").map(tags::read).unwrap_or_default();
                if given.iter().any(|(key, _)| key.starts_with("aws:")) {
                    return Err(invalid("Tag keys that begin with aws: are reserved"));
                }
                self.change(input, &given, &[]).await
            }
            _ => self.change(input, &Fields::new(), &texts(input, "TagKeys")).await,
        }
    }

    /// The tables whose resources a call from this region sees.
    async fn seen(&self) -> Result<Vec<Table>, StoreError> {
        let mut tables = self.tables().await?;
        let at_home = &*self.context.region == home(self.context.partition);
        tables.retain(|table| at_home || !table.space.region.is_empty());
        tables.sort_by_cached_key(ToString::to_string);
        Ok(tables)
    }

    /// What the page token says; `None` for the first page.
    fn begin(&self, input: &Document, question: u64) -> Result<Option<String>, Failed> {
        match input.get("PaginationToken").and_then(Document::as_str) {
            None | Some("") => Ok(None),
            Some(token) => match page::after(self.context, question, token) {
                Some(place) => Ok(Some(place)),
                None => Err(invalid("The PaginationToken is not one of this request")),
            },
        }
    }

    async fn resources(&self, input: &Document) -> Result<Document, Failed> {
        let wanted = Wanted::of(input)?;
        let details = matches!(input.get("IncludeComplianceDetails"), Some(Document::Bool(true)));
        let only_bad = matches!(input.get("ExcludeCompliantResources"), Some(Document::Bool(true)));
        if only_bad && !details {
            return Err(invalid("ExcludeCompliantResources needs IncludeComplianceDetails"));
        }
        let paging = ["PaginationToken", "ResourcesPerPage", "TagsPerPage"];
        let arns = texts(input, "ResourceARNList");
        if !arns.is_empty() && paging.iter().any(|name| input.get(name).is_some_and(|value| value.as_str() != Some("")))
        {
            return Err(invalid("ResourceARNList cannot be given together with parameters for pages"));
        }
        let mut found = Found::default();
        let mut next = None;
        // No tag policy holds anybody here: all comply.
        if only_bad {
        } else if arns.is_empty() {
            let question = page::question(self.context, input, &paging);
            next = self.page(input, &wanted, details, question, &mut found).await?;
        } else {
            let tables = self.seen().await?;
            let arns: BTreeSet<&str> = arns.into_iter().collect();
            for arn in arns {
                if let Some((_, record)) = self.by_arn(&tables, arn).await?
                    && wanted.passes(&record, arn)
                {
                    found.take(&record, details);
                }
            }
        }
        let mut fields = Fields::with_capacity(2);
        fields.push("PaginationToken", next.unwrap_or_default());
        fields.push("ResourceTagMappingList", found.shown);
        Ok(Document::Map(fields))
    }

    /// Fills one page; the token of the next one.
    async fn page(
        &self,
        input: &Document,
        wanted: &Wanted<'_>,
        details: bool,
        question: u64,
        found: &mut Found,
    ) -> Result<Option<String>, Failed> {
        let limit = match input.get("ResourcesPerPage").and_then(Document::as_i64) {
            None => PAGE_USUAL,
            Some(limit @ 1..=PAGE_MAX) => usize::try_from(limit).unwrap_or(PAGE_USUAL),
            Some(_) => return Err(invalid(format!("ResourcesPerPage must be from 1 to {PAGE_MAX}"))),
        };
        let tags_max = match input.get("TagsPerPage").and_then(Document::as_i64) {
            None => usize::MAX,
            Some(limit @ 1..=TAGS_PAGE_MAX) => usize::try_from(limit).unwrap_or(usize::MAX),
            Some(_) => return Err(invalid(format!("TagsPerPage must be from 1 to {TAGS_PAGE_MAX}"))),
        };
        let begin = self.begin(input, question)?.and_then(|text| Place::parse(&text));
        let tag = wanted.tag();
        let mut looked = 0;
        for table in self.seen().await? {
            let name = table.to_string();
            let mut after = match &begin {
                Some(begin) if name < begin.table => continue,
                Some(begin) if name == begin.table => Some(begin.after.clone()),
                _ => None,
            };
            if !self.can_hold(&table, wanted).await? {
                continue;
            }
            loop {
                let stride = (limit - found.shown.len() + 1).min(ROWS_MAX);
                let rows = match &tag {
                    Some(tag) => self.store.find(&table, BY_TAG, tag, after.as_deref(), stride).await?,
                    None => {
                        // Right after the last ARN.
                        let from = after.as_ref().map(|arn| format!("{arn}\u{1}")).unwrap_or_default();
                        let range = Range { index: TAGGED, from: &from, to: END, limit: stride };
                        self.store.range(&table, range).await?
                    }
                };
                let last = rows.len() < stride;
                for row in rows {
                    let place = if tag.is_some() { row.key.to_string() } else { arn_of(&row.body).to_owned() };
                    let record = Record::from(row);
                    let arn = record.identity().arn().unwrap_or_default();
                    let passes = !record.is_gone(self.context.now) && wanted.passes(&record, arn);
                    let count = record.tags().map_or(0, Fields::len);
                    let full = found.shown.len() == limit || (found.tags > 0 && found.tags + count > tags_max);
                    if looked == ROWS_MAX || (passes && full) {
                        let place = Place::write(&table, after.as_deref().unwrap_or_default());
                        return Ok(Some(page::token(self.context, question, &place)));
                    }
                    looked += 1;
                    if passes {
                        found.take(&record, details);
                    }
                    after = Some(place);
                }
                if last {
                    break;
                }
            }
        }
        Ok(None)
    }

    /// Whether anything in a table may be asked for: two entries tell.
    async fn can_hold(&self, table: &Table, wanted: &Wanted<'_>) -> Result<bool, StoreError> {
        let any = Range { index: TAGGED, from: "", to: END, limit: 1 };
        let rows = self.store.range(table, any).await?;
        let Some(first) = rows.first() else { return Ok(false) };
        if !wanted.is_of_service(arn_of(&first.body)) {
            return Ok(false);
        }
        for (key, _) in &wanted.tags {
            let (from, to) = (tag_entry(key, ""), tag_entry(key, END));
            let range = Range { index: BY_TAG, from: &from, to: &to, limit: 1 };
            if self.store.range(table, range).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The keys of all tags, or the values of one. From each table no more than a page, by leaps from one to the next: how
    /// many resources have the same does not matter.
    async fn words(&self, input: &Document, shown: &'static str, key: Option<&str>) -> Result<Document, Failed> {
        let question = page::question(self.context, input, &["PaginationToken"]);
        let begin = self.begin(input, question)?;
        let prefix = key.map(|key| tag_entry(key, "")).unwrap_or_default();
        let to = format!("{prefix}{END}");
        let mut words: BTreeSet<String> = BTreeSet::new();
        for table in self.seen().await? {
            let mut from = match (&begin, key) {
                (Some(last), Some(_)) => format!("{prefix}{last}\u{1}"),
                (Some(last), None) => past(last),
                (None, _) => prefix.clone(),
            };
            for _ in 0..=KEYS_PAGE {
                let range = Range { index: BY_TAG, from: &from, to: &to, limit: 1 };
                let rows = self.store.range(&table, range).await?;
                let entries = rows.iter().flat_map(|row| row.index.iter());
                let entries = entries.filter(|entry| entry.index == BY_TAG).map(|entry| &*entry.value);
                let Some(entry) = entries.filter(|value| *value >= from.as_str()).min() else { break };
                let word = if key.is_some() {
                    entry[prefix.len()..].to_owned()
                } else {
                    entry.split(WITHIN).next().unwrap_or_default().to_owned()
                };
                from = if key.is_some() { format!("{entry}\u{1}") } else { past(&word) };
                words.insert(word);
            }
        }
        let more = words.len() > KEYS_PAGE;
        let words: Vec<String> = words.into_iter().take(KEYS_PAGE).collect();
        let next = words.last().filter(|_| more).map(|last| page::token(self.context, question, last));
        let mut fields = Fields::with_capacity(2);
        fields.push("PaginationToken", next.unwrap_or_default());
        fields.push(shown, words.into_iter().map(Document::from).collect::<Vec<_>>());
        Ok(Document::Map(fields))
    }

    /// Gives resources tags and takes tags away; those that are not there are told in the answer.
    async fn change(&self, input: &Document, given: &Fields, gone: &[&str]) -> Result<Document, Failed> {
        let tables = self.tables().await?;
        let mut failed = Fields::new();
        let mut batch = Batch::default();
        let arns: BTreeSet<&str> = texts(input, "ResourceARNList").into_iter().collect();
        for arn in arns {
            let Some((table, record)) = self.by_arn(&tables, arn).await? else {
                let mut told = Fields::with_capacity(3);
                told.push("StatusCode", 400_i64);
                told.push("ErrorCode", INVALID);
                told.push("ErrorMessage", format!("{arn} does not exist"));
                failed.push(Key::Owned(arn.to_owned()), told);
                continue;
            };
            let mut all = record.tags().cloned().unwrap_or_default();
            for (key, value) in given.iter() {
                all.insert(key.clone(), value.clone());
            }
            for key in gone {
                all.remove(key);
            }
            let body = std::sync::Arc::new(record.with_tags(all));
            batch.check(&table, record.key.clone(), Some(record.version));
            batch.put(&table, record.key.clone(), body.clone(), index(Identity(&body)));
        }
        if !batch.is_empty() {
            self.store.commit(batch).await?;
        }
        let mut fields = Fields::with_capacity(1);
        fields.push("FailedResourcesMap", failed);
        Ok(Document::Map(fields))
    }
}

impl Found {
    fn take(&mut self, record: &Record, details: bool) {
        let mut fields = Fields::with_capacity(3);
        fields.push("ResourceARN", record.identity().arn().unwrap_or_default().to_owned());
        let mut pairs: Vec<_> = record.tags().into_iter().flat_map(Fields::iter).collect();
        pairs.sort_by(|a, b| a.0.cmp(b.0));
        self.tags += pairs.len();
        let pairs = pairs.into_iter().map(|(key, value)| {
            let mut pair = Fields::with_capacity(2);
            pair.push("Key", Document::String(key.clone()));
            pair.push("Value", value.clone());
            Document::Map(pair)
        });
        fields.push("Tags", pairs.collect::<Vec<_>>());
        if details {
            let mut told = Fields::with_capacity(1);
            told.push("ComplianceStatus", true);
            fields.push("ComplianceDetails", told);
        }
        self.shown.push(Document::Map(fields));
    }
}

fn arn_of(body: &Document) -> &str {
    Identity(body).arn().unwrap_or_default()
}

/// After all entries of a key: what follows the separator.
fn past(key: &str) -> String {
    format!("{key}\u{20}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_service_and_type() {
        let check = |arn: &str, kind: &str, expect: bool| {
            assert_eq!(is_kind(&Arn::parse(arn).unwrap(), kind), expect, "{arn} {kind}");
        };
        let instance = "arn:aws:ec2:eu-west-1:111122223333:instance/i-1";
        check(instance, "ec2", true);
        check(instance, "ec2:instance", true);
        check(instance, "ec2:inst", false);
        check(instance, "ec2:vpc", false);
        check(instance, "s3", false);
        check("arn:aws:apigateway:eu-west-1::/restapis/a1", "apigateway:restapis", true);
        check("arn:aws:lambda:eu-west-1:111122223333:function:f", "lambda:function", true);
        check("arn:aws:s3:::nests", "s3:bucket", true);
    }

    #[test]
    fn leaps_pass_all_values_of_a_key() {
        assert!(tag_entry("team", END) < past("team"));
        assert!(past("team") <= tag_entry("team ", ""));
        assert!(past("team") < tag_entry("teams", ""));
    }
}
