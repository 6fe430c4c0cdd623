//! Operations that are told of many things at once and say of each that failed: `SendMessageBatch`, `BatchWriteItem`,
//! `PutRecords`, `DeleteObjects`.
//!
//! Where failures stand is read off the model: a list or map of the output called after them (`Failed`, `Errors`,
//! `UnprocessedItems`), or a list with a result per item, each with room for an error's code (`Records[].ErrorCode`).

use standin_core::{Draw, OperationError};
use standin_model::words::{singular_of, squash};
use standin_model::{Document, Fields, Key, Kind, Member, Operation, Service, ShapeIx, Str, Structure};

/// Which items an operation is told of, and where it says that some failed.
#[derive(Clone, Copy, Debug)]
pub struct BatchShape {
    service: &'static Service,
    output: &'static Structure,
    /// Names on the way to the list (or map) of items; the second is `None` where that is a member of the input itself.
    items: (Str, Option<Str>),
    told: Told,
}

#[derive(Clone, Copy, Debug)]
enum Told {
    /// In a list or map of failures only.
    Apart(&'static Member),
    /// In the form of the input, so that it can be sent again as it is (DynamoDB).
    Again(&'static Member),
    /// Among the results of all items, in the order of the input.
    InOrder(&'static Member),
}

/// Items that were taken out of an input.
#[derive(Clone, Debug)]
pub struct Taken {
    /// With their places in the list.
    items: Vec<(usize, Document)>,
    /// The same in the form of the input.
    again: Document,
    /// Whether nothing is left to do.
    pub all: bool,
}

impl BatchShape {
    /// `None` where an operation has no items, or no place to say that some failed.
    pub fn of(service: &'static Service, operation: &Operation) -> Option<Self> {
        let input = service.structure(operation.input?)?;
        let output = service.structure(operation.output?)?;
        if let Some(member) = failures(service, output) {
            let same = input.members.iter().find(|other| other.target == member.target);
            if let Some(same) = same {
                return Some(Self { service, output, items: (same.name, None), told: Told::Again(member) });
            }
            let items = items(service, operation, input)?;
            return Some(Self { service, output, items, told: Told::Apart(member) });
        }
        let (member, items) = output.members.iter().find_map(|member| {
            let Kind::List(list) = &service.target(member).kind else { return None };
            let codes = service.structure(list.member.target)?.members.iter();
            let mut codes = codes.filter(|member| squash(member.name) == "errorcode");
            codes.next()?;
            Some((member, items(service, operation, input)?))
        })?;
        Some(Self { service, output, items, told: Told::InOrder(member) })
    }

    /// Takes each item out of an input with a probability. `None` where it hits none.
    pub fn take(&self, input: &mut Document, share: f64, draw: &mut Draw) -> Option<Taken> {
        let mut at = input.as_map_mut()?.get_mut(self.items.0)?;
        if let Some(inner) = self.items.1 {
            at = at.as_map_mut()?.get_mut(inner)?;
        }
        let mut items = Vec::new();
        let mut number = 0;
        let (again, kept) = split(std::mem::take(at), &mut |item| {
            let hit = draw.unit() < share;
            if hit {
                items.push((number, item.clone()));
            }
            number += 1;
            hit
        });
        *at = kept.unwrap_or_else(|| again.as_ref().map_or(Document::Null, emptied));
        let all = items.len() == number;
        Some(Taken { items, again: again?, all })
    }

    /// An output of no item at all.
    pub fn nothing_done(&self) -> Document {
        let required = self.output.members.iter().filter(|member| member.required);
        let fields = required.filter_map(|member| {
            let empty = match self.service.target(member).kind {
                Kind::List(_) => Document::List(Vec::new()),
                Kind::Map(_) => Document::map(),
                Kind::Integer | Kind::Long => Document::Int(0),
                _ => return None,
            };
            Some((Key::from(member.name), empty))
        });
        Document::Map(fields.collect())
    }

    /// Says in the output of the rest which items failed, and with what.
    pub fn tell(&self, output: &mut Document, input: &Document, taken: Taken, error: &OperationError) {
        let service = self.service;
        let Some(fields) = output.as_map_mut() else { return };
        let count = i64::try_from(taken.items.len()).unwrap_or(i64::MAX);
        match self.told {
            Told::Again(member) => {
                fields.insert(member.name, taken.again);
            }
            Told::Apart(member) => {
                let told = match &service.target(member).kind {
                    Kind::List(list) => {
                        let told = taken.items.iter().map(|(_, item)| {
                            let failed = Failure { service, input, item, error };
                            failed.document(list.member.target)
                        });
                        Document::List(told.collect())
                    }
                    Kind::Map(map) => {
                        let told = taken.items.iter().filter_map(|(_, item)| {
                            let key = Key::from(item.as_str()?.to_owned());
                            Some((key, Failure { service, input, item, error }.document(map.value.target)))
                        });
                        Document::Map(told.collect())
                    }
                    _ => return,
                };
                fields.insert(member.name, told);
            }
            Told::InOrder(member) => {
                let Kind::List(list) = &service.target(member).kind else { return };
                let mut results = match fields.remove(member.name) {
                    Some(Document::List(results)) => results,
                    _ => Vec::new(),
                };
                for (at, item) in &taken.items {
                    let failed = Failure { service, input, item, error }.document(list.member.target);
                    results.insert((*at).min(results.len()), failed);
                }
                fields.insert(member.name, Document::List(results));
            }
        }
        for member in self.output.members.iter().filter(|member| tells_failures(member.name)) {
            if matches!(service.target(member).kind, Kind::Integer | Kind::Long) {
                fields.insert(member.name, count);
            }
        }
    }
}

/// Whether a member of an output is called after what failed.
pub fn tells_failures(member: &str) -> bool {
    let name = squash(member);
    ["fail", "unprocessed", "unsuccessful", "error"].iter().any(|mark| name.starts_with(mark))
}

/// The list or map of an output that tells what failed.
pub fn failures(service: &'static Service, output: &'static Structure) -> Option<&'static Member> {
    output.members.iter().find(|member| {
        tells_failures(member.name) && matches!(service.target(member).kind, Kind::List(_) | Kind::Map(_))
    })
}

/// The input's list of items: the one that is required, also within a structure, or the one that the operation is named
/// after.
fn items(service: &'static Service, operation: &Operation, input: &'static Structure) -> Option<(Str, Option<Str>)> {
    let is_list = |member: &&Member| matches!(service.target(member).kind, Kind::List(_));
    if let Some(member) = input.members.iter().filter(is_list).find(|member| member.required) {
        return Some((member.name, None));
    }
    let nested = input.members.iter().filter(|member| member.required).find_map(|member| {
        let inner = service.structure(member.target)?.members.iter().filter(is_list).find(|inner| inner.required)?;
        Some((member.name, Some(inner.name)))
    });
    let name = squash(operation.name);
    nested.or_else(|| {
        let mut lists = input.members.iter().filter(is_list);
        let named = lists.find(|member| name.contains(&squash(&singular_of(member.name))))?;
        Some((named.name, None))
    })
}

/// Splits what holds items into what is taken and what stays: the items of a list, of the lists in a map, and of the lists
/// in a map's structures. What is neither is an item itself.
fn split(value: Document, takes: &mut impl FnMut(&Document) -> bool) -> (Option<Document>, Option<Document>) {
    match value {
        Document::List(items) => {
            let (taken, kept): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| takes(item));
            let list = |items: Vec<Document>| (!items.is_empty()).then_some(Document::List(items));
            (list(taken), list(kept))
        }
        Document::Map(entries) => {
            let (mut taken, mut kept) = (Fields::new(), Fields::new());
            for (key, value) in entries {
                let (out, stays) = match value {
                    Document::Map(fields) if fields.iter().any(|(_, value)| value.as_list().is_some()) => {
                        split_fields(fields, takes)
                    }
                    value @ Document::List(_) => split(value, takes),
                    value if takes(&value) => (Some(value), None),
                    value => (None, Some(value)),
                };
                taken.extend(out.map(|out| (key.clone(), out)));
                kept.extend(stays.map(|stays| (key, stays)));
            }
            let map = |entries: Fields| (!entries.is_empty()).then_some(Document::Map(entries));
            (map(taken), map(kept))
        }
        other => (None, Some(other)),
    }
}

/// A structure around one list, as in `BatchGetItem`: what else it says goes with both parts.
fn split_fields(fields: Fields, takes: &mut impl FnMut(&Document) -> bool) -> (Option<Document>, Option<Document>) {
    let (mut taken, mut kept) = (Fields::new(), Fields::new());
    let (mut some_taken, mut some_kept, mut seen) = (false, false, false);
    for (key, value) in fields {
        if value.as_list().is_some_and(|items| items.iter().all(|item| item.as_map().is_some())) && !seen {
            seen = true;
            let (out, stays) = split(value, takes);
            (some_taken, some_kept) = (out.is_some(), stays.is_some());
            taken.extend(out.map(|out| (key.clone(), out)));
            kept.extend(stays.map(|stays| (key, stays)));
        } else {
            taken.push(key.clone(), value.clone());
            kept.push(key, value);
        }
    }
    (some_taken.then_some(Document::Map(taken)), (some_kept || !some_taken).then_some(Document::Map(kept)))
}

fn emptied(value: &Document) -> Document {
    match value {
        Document::List(_) => Document::List(Vec::new()),
        _ => Document::map(),
    }
}

/// An item of an input that failed.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    pub service: &'static Service,
    pub input: &'a Document,
    pub item: &'a Document,
    pub error: &'a OperationError,
}

impl Failure<'_> {
    /// What the item and the call around it said, and the error, in a shape for failures.
    pub fn document(&self, shape: ShapeIx) -> Document {
        let Self { service, input, item, error } = *self;
        let Some(structure) = service.structure(shape) else { return item.clone() };
        let mut fields = Fields::new();
        for member in &structure.members {
            let name = squash(member.name);
            let kind = &service.target(member).kind;
            if matches!(kind, Kind::Structure(_)) && name.contains("error") {
                fields.push(member.name, self.document(member.target));
            } else if name.ends_with("code") || name == "error" {
                fields.push(member.name, code(kind, &error.code));
            } else if name.ends_with("message") || name.ends_with("reason") {
                fields.push(member.name, error.message.clone());
            } else if let Some(value) = item.get(member.name).or_else(|| same_kind(input.get(member.name), kind)) {
                fields.push(member.name, value.clone());
            } else if item.as_str().is_some()
                && (name.ends_with("id") || name.ends_with("arn") || name.ends_with("name"))
            {
                fields.push(member.name, item.clone());
            } else if let Kind::Structure(inner) = kind
                && let Some(fields_of_item) = item.as_map()
                && !fields_of_item.is_empty()
                && fields_of_item.iter().all(|(key, _)| inner.members.iter().any(|member| member.name == key))
            {
                // The item as it was sent.
                fields.push(member.name, item.clone());
            } else if member.required && matches!(kind, Kind::Boolean) {
                fields.push(member.name, false);
            }
        }
        Document::Map(fields)
    }
}

/// What the call says as a whole of all its items, such as their table; not the list of the items.
fn same_kind<'d>(value: Option<&'d Document>, kind: &Kind) -> Option<&'d Document> {
    value.filter(|value| value.as_str().is_some() && matches!(kind, Kind::String { .. }))
}

/// A code that the member can have.
fn code(kind: &Kind, code: &str) -> Document {
    match kind {
        Kind::String { enum_values } if !enum_values.is_empty() && !enum_values.contains(&code) => {
            let like = |value: &&Str| {
                ["throttl", "internal", "service", "server"].iter().any(|mark| squash(value).contains(mark))
            };
            enum_values.iter().find(like).or(enum_values.last()).map_or(Document::Null, |value| Document::from(*value))
        }
        Kind::Integer | Kind::Long => Document::Int(500),
        _ => Document::from(code.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use standin_model::Catalogue;

    fn batch(service: &str, operation: &str) -> (BatchShape, &'static Service) {
        let service = Catalogue::shared().find(service).unwrap().open().unwrap();
        let operation = service.operation(operation).unwrap();
        (BatchShape::of(service, operation).unwrap_or_else(|| panic!("{} has items", operation.name)), service)
    }

    /// All items fail, or those that a fixed seed draws.
    #[track_caller]
    fn check(
        (service, operation): (&str, &str),
        share: f64,
        input: &Value,
        output: &Value,
        left: &Value,
        expect: &Value,
    ) {
        let (batch, _) = batch(service, operation);
        let mut input = Document::from_json(input);
        let whole = input.clone();
        let taken = batch.take(&mut input, share, &mut Draw::from_seed(1)).unwrap();
        assert_eq!(input.to_json(), *left, "what is left to do");
        let mut output = if taken.all { batch.nothing_done() } else { Document::from_json(output) };
        batch.tell(&mut output, &whole, taken, &OperationError::new("Busy", "later"));
        assert_eq!(output.to_json(), *expect);
    }

    #[test]
    fn failures_stand_where_the_service_says_them() {
        check(
            ("sqs", "SendMessageBatch"),
            1.0,
            &json!({"QueueUrl": "q", "Entries": [{"Id": "a", "MessageBody": "x"}]}),
            &json!({}),
            &json!({"QueueUrl": "q", "Entries": []}),
            &json!({"Successful": [], "Failed": [{"Id": "a", "SenderFault": false, "Code": "Busy", "Message": "later"}]}),
        );
        check(
            ("glue", "BatchDeleteTable"),
            1.0,
            &json!({"DatabaseName": "d", "TablesToDelete": ["t"]}),
            &json!({}),
            &json!({"DatabaseName": "d", "TablesToDelete": []}),
            &json!({"Errors": [{"TableName": "t", "ErrorDetail": {"ErrorCode": "Busy", "ErrorMessage": "later"}}]}),
        );
        check(
            ("s3", "DeleteObjects"),
            1.0,
            &json!({"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}]}}),
            &json!({}),
            &json!({"Bucket": "b", "Delete": {"Objects": []}}),
            &json!({"Errors": [{"Key": "k", "Code": "Busy", "Message": "later"}]}),
        );
        check(
            ("resourcegroupstaggingapi", "TagResources"),
            1.0,
            &json!({"ResourceARNList": ["arn:a"], "Tags": {"x": "y"}}),
            &json!({}),
            &json!({"ResourceARNList": [], "Tags": {"x": "y"}}),
            &json!({"FailedResourcesMap": {"arn:a": {"StatusCode": 500, "ErrorCode": "InternalServiceException", "ErrorMessage": "later"}}}),
        );
    }

    #[test]
    fn results_keep_the_order_of_the_input() {
        check(
            ("kinesis", "PutRecords"),
            0.6,
            &json!({"Records": [{"PartitionKey": "a"}, {"PartitionKey": "b"}, {"PartitionKey": "c"}]}),
            &json!({"Records": [{"ShardId": "s"}, {"ShardId": "t"}]}),
            &json!({"Records": [{"PartitionKey": "b"}, {"PartitionKey": "c"}]}),
            &json!({
                "Records": [{"ErrorCode": "Busy", "ErrorMessage": "later"}, {"ShardId": "s"}, {"ShardId": "t"}],
                "FailedRecordCount": 1,
            }),
        );
    }

    #[test]
    fn dynamodb_gives_back_what_it_did_not_do() {
        let put = |n: u32| json!({"PutRequest": {"Item": {"id": {"N": n.to_string()}}}});
        check(
            ("dynamodb", "BatchWriteItem"),
            1.0,
            &json!({"RequestItems": {"t": [put(1), put(2)]}}),
            &json!({}),
            &json!({"RequestItems": {}}),
            &json!({"UnprocessedItems": {"t": [put(1), put(2)]}}),
        );
        let key = |n: u32| json!({"id": {"N": n.to_string()}});
        check(
            ("dynamodb", "BatchGetItem"),
            0.6,
            &json!({"RequestItems": {"t": {"Keys": [key(1), key(2)], "ConsistentRead": true}}}),
            &json!({"Responses": {"t": []}}),
            &json!({"RequestItems": {"t": {"Keys": [key(2)], "ConsistentRead": true}}}),
            &json!({
                "Responses": {"t": []},
                "UnprocessedKeys": {"t": {"Keys": [key(1)], "ConsistentRead": true}},
            }),
        );
    }

    #[test]
    fn an_operation_without_items_has_no_batch() {
        for (service, operation) in [("ecs", "RunTask"), ("s3", "PutObject"), ("sqs", "ListQueues")] {
            let service = Catalogue::shared().find(service).unwrap().open().unwrap();
            assert!(BatchShape::of(service, service.operation(operation).unwrap()).is_none(), "{operation}");
        }
    }
}
