//! The journal as code: the requests of a run as a script that makes them again.
//!
//! What an answer brought about (ids, URLs, ARNs, tokens) is taken from the answer of the new run where a later request hands it
//! on, so that a script works against any server, not only against one that makes the same ids.

mod boto3;
mod cli;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;
use standin_model::{Catalogue, Operation, Service};
use standin_wire::server::{streaming_input, streaming_output};

use crate::journal::{Outcome, Record};

/// Shorter texts of answers are taken for chance where a request has them too.
const HANDED_ON_CHARS_MIN: usize = 8;

/// A language of scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Boto3,
    Cli,
}

impl Language {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "boto3" => Some(Self::Boto3),
            "cli" => Some(Self::Cli),
            _ => None,
        }
    }
}

/// A request of a script.
struct Step<'r> {
    service: &'static Service,
    operation: &'static Operation,
    record: &'r Record,
    input: Value,
    /// Whether the input as the journal has it is not whole.
    is_cut: bool,
    /// Values that later requests take from its answer, in the order of their first use.
    gives: Vec<Path>,
}

/// Where a value stands in an answer.
type Path = Vec<Part>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Member(String),
    Item(usize),
}

/// A run.
struct Run<'r> {
    steps: Vec<Step<'r>>,
    /// Values that come from an answer: the step, and which of those that it gives.
    handed_on: HashMap<String, (usize, usize)>,
    /// Requests that no operation could be found for.
    skipped: usize,
}

/// A script of these requests, the oldest first. `endpoint`: where they go unless `AWS_ENDPOINT_URL` says otherwise.
pub(crate) fn write(
    catalogue: &'static Catalogue,
    records: &[Arc<Record>],
    language: Language,
    endpoint: &str,
) -> String {
    let run = Run::of(catalogue, records);
    match language {
        Language::Boto3 => boto3::write(&run, endpoint),
        Language::Cli => cli::write(&run, endpoint),
    }
}

impl<'r> Run<'r> {
    fn of(catalogue: &'static Catalogue, records: &'r [Arc<Record>]) -> Self {
        let mut run = Self { steps: Vec::new(), handed_on: HashMap::new(), skipped: 0 };
        // What requests said themselves is written as they said it.
        let mut said = HashSet::new();
        let mut answered: HashMap<String, (usize, Path)> = HashMap::new();
        for record in records {
            let service = record.service.and_then(|id| catalogue.newest(id)).and_then(|entry| entry.open().ok());
            let operation = service.zip(record.operation).and_then(|(service, name)| service.operation(name));
            let (Some(service), Some(operation)) = (service, operation) else {
                run.skipped += 1;
                continue;
            };
            said.insert(record.scope.region.to_string());
            said.insert(record.scope.account.to_string());
            let input = record.input.to_json();
            let mut texts = Vec::new();
            leaves(&input, &mut Vec::new(), &mut |text, _| texts.push(text.to_owned()));
            let mut is_cut = false;
            for text in texts {
                is_cut |= text.ends_with(" bytes)") && text.contains("… (");
                if !said.contains(&text)
                    && let Some((step, path)) = answered.get(&text)
                {
                    let gives = &mut run.steps[*step].gives;
                    let place = gives.iter().position(|known| known == path).unwrap_or_else(|| {
                        gives.push(path.clone());
                        gives.len() - 1
                    });
                    run.handed_on.insert(text, (*step, place));
                } else {
                    said.insert(text);
                }
            }
            let at = run.steps.len();
            if let Some(output) = record.output() {
                leaves(&output.to_json(), &mut Vec::new(), &mut |text, path| {
                    if text.chars().count() >= HANDED_ON_CHARS_MIN && !said.contains(text) {
                        answered.entry(text.to_owned()).or_insert_with(|| (at, path.to_vec()));
                    }
                });
            }
            run.steps.push(Step { service, operation, record, input, is_cut, gives: Vec::new() });
        }
        run
    }
}

impl Step<'_> {
    /// The code of the error that it ended in.
    fn error(&self) -> Option<&str> {
        match &self.record.outcome {
            Outcome::Error { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The member that holds the body, which the journal does not keep.
    fn body(&self) -> Option<&'static str> {
        streaming_input(self.service, self.operation).map(|member| member.name)
    }

    fn answers_with_stream(&self) -> Option<&'static str> {
        streaming_output(self.service, self.operation).map(|member| member.name)
    }

    /// Who made it: the access key where it names an account, else the account.
    fn caller(&self) -> &str {
        let scope = &self.record.scope;
        let key = scope.access_key.as_deref().unwrap_or_default();
        if key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit()) { key } else { &scope.account }
    }
}

/// All texts of a value, each with its place.
fn leaves(value: &Value, path: &mut Path, found: &mut dyn FnMut(&str, &[Part])) {
    match value {
        Value::String(text) => found(text, path),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                path.push(Part::Item(at));
                leaves(item, path, found);
                path.pop();
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                path.push(Part::Member(name.clone()));
                leaves(member, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

/// An operation's name in the way of botocore: `get_item`, `get-item`. Capitals in a row are one word, and a plural `s` behind
/// them belongs to it.
fn words(name: &str, separator: char) -> String {
    let chars: Vec<char> = name.chars().collect();
    let plural = chars.len() > 2
        && chars.ends_with(&['s'])
        && chars[..chars.len() - 1].iter().rev().take_while(|c| c.is_ascii_uppercase()).count() >= 2;
    let run = chars[..chars.len().saturating_sub(1)].iter().rev().take_while(|c| c.is_ascii_uppercase()).count();
    let tail = if plural { chars.len() - 1 - run } else { chars.len() };
    let mut out = String::with_capacity(name.len() + 8);
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| chars[at]);
        let begins = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                let next_is_small = chars.get(at + 1).is_some_and(char::is_ascii_lowercase);
                before.is_ascii_lowercase() || before.is_ascii_digit() || (next_is_small && at < tail)
            });
        if (at == tail && at > 0) || (begins && at < tail) {
            out.push(separator);
        }
        out.push(c.to_ascii_lowercase());
    }
    // The few that botocore names by hand.
    const BY_HAND: [(&str, &str); 7] = [
        ("cachedi/scsi", "cached/iscsi"),
        ("hi/ts/for", "hits/for"),
        ("o/auth2", "oauth2"),
        ("o/tel/enrichment", "otel/enrichment"),
        ("parti/ql", "partiql"),
        ("storedi/scsi", "stored/iscsi"),
        ("whats/app", "whatsapp"),
    ];
    let joined = |text: &str| text.replace('/', separator.encode_utf8(&mut [0; 4]));
    BY_HAND.iter().fold(out, |out, (from, to)| out.replace(&joined(from), &joined(to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_named_as_in_botocore() {
        for (name, expect) in [
            ("GetItem", "get_item"),
            ("ListHITs", "list_hits"),
            ("DescribeDBInstances", "describe_db_instances"),
            ("CreateVpc", "create_vpc"),
            ("GetMFADevice", "get_mfa_device"),
            ("PutBucketACL", "put_bucket_acl"),
            ("ListObjectsV2", "list_objects_v2"),
            ("CreateDBInstanceReadReplica", "create_db_instance_read_replica"),
            ("DescribeVpcIPs", "describe_vpc_ips"),
            ("GetEC2InstanceRecommendations", "get_ec2_instance_recommendations"),
            ("ExecutePartiQLStatement", "execute_partiql_statement"),
            ("ListHITsForQualificationType", "list_hits_for_qualification_type"),
            ("CreateOAuth2Token", "create_oauth2_token"),
            ("DescribeStorediSCSIVolumes", "describe_stored_iscsi_volumes"),
        ] {
            assert_eq!(words(name, '_'), expect);
        }
        assert_eq!(words("GetItem", '-'), "get-item");
        assert_eq!(words("ExecutePartiQLStatement", '-'), "execute-partiql-statement");
    }
}
