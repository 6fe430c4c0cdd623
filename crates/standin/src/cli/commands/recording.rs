//! `recording`: what to do with recorded calls.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use standin_model::Catalogue;
use standin_script::recording::{self, Pair, REDACTED};
use standin_wire::server::streaming_output;

use crate::cli::Out;
use crate::error::{Attempt as _, CommandError};

/// List recorded calls, or make response rules of them
#[derive(Args, Debug)]
pub struct RecordingArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// List the calls of a recording
    List {
        /// The folder of `--record`
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Write a recording as files of response rules, which people can change
    Export {
        /// The folder of `--record`
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Where to write them
        #[arg(long, value_name = "DIR", default_value = "responses")]
        out: PathBuf,
    },
}

impl RecordingArgs {
    pub(crate) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        match &self.what {
            What::List { folder } => {
                let row = |(path, pair): &(PathBuf, Pair)| {
                    let error = pair.error.as_ref().map(|error| format!(" {}", error.code)).unwrap_or_default();
                    let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                    let operation = format!("{}{error}", pair.operation);
                    [pair.time.clone(), pair.service.clone(), operation, pair.region.clone(), file.to_owned()]
                };
                let rows: Vec<[String; 5]> = read(folder)?.iter().map(row).collect();
                out.table(["TIME", "SERVICE", "OPERATION", "REGION", "FILE"], &rows)?;
            }
            What::Export { folder, out: target } => {
                let count = export(folder, target)?;
                writeln!(out, "{count} rules in {}", target.display())?;
            }
        }
        Ok(0)
    }
}

fn read(folder: &Path) -> Result<Vec<(PathBuf, Pair)>, CommandError> {
    recording::read(folder).attempt(format_args!("cannot read the recording in {}", folder.display()))
}

/// Calls with the same input are one rule, whose answers come one after another.
fn export(folder: &Path, target: &Path) -> Result<usize, CommandError> {
    let mut rules: Vec<(Value, Pair, Vec<Value>)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (path, pair) in read(folder)? {
        let input = wanted(&pair);
        let answer = answer(&path, &pair)?;
        let key = format!("{} {} {} {} {input}", pair.service, pair.operation, pair.account, pair.region);
        match known.get(&key) {
            Some(at) => rules[*at].2.push(answer),
            None => {
                known.insert(key, rules.len());
                rules.push((input, pair, vec![answer]));
            }
        }
    }
    // Rules are asked in the order of their files: those that want more of the input come first.
    rules.sort_by_key(|(input, ..)| std::cmp::Reverse(leaves(input)));
    for (at, (input, pair, answers)) in rules.iter().enumerate() {
        let mut rule = json!({"account": pair.account, "region": pair.region, "templates": "off"});
        if input.as_object().is_some_and(|input| !input.is_empty()) {
            rule["input"] = input.clone();
        }
        match &answers[..] {
            [one] => {
                if let (Value::Object(rule), Value::Object(one)) = (&mut rule, one) {
                    rule.extend(one.clone());
                }
            }
            several => rule["sequence"] = several.to_vec().into(),
        }
        let folder = target.join(&pair.service);
        std::fs::create_dir_all(&folder).attempt(format_args!("cannot make {}", folder.display()))?;
        let file = folder.join(format!("{}-{:04}.yaml", pair.operation, at + 1));
        let text = yaml_serde::to_string(&rule).attempt("cannot write YAML")?;
        std::fs::write(&file, text).attempt(format_args!("cannot write {}", file.display()))?;
    }
    Ok(rules.len())
}

/// What a call must have to be answered so: the input without secrets and without what makes it unique.
fn wanted(pair: &Pair) -> Value {
    let service = Catalogue::shared().find(&pair.service).and_then(|entry| entry.open().ok());
    let operation = service.and_then(|service| service.operation(&pair.operation));
    let shape = service.zip(operation).and_then(|(service, operation)| service.structure(operation.input?));
    let is_token =
        |name: &str| shape.and_then(|shape| shape.member(name)).is_some_and(|member| member.idempotency_token);
    let mut input = without_secrets(&pair.input).unwrap_or_else(|| Value::Object(Map::new()));
    if let Value::Object(members) = &mut input {
        members.retain(|name, _| !is_token(name));
    }
    input
}

fn without_secrets(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if text == REDACTED => None,
        Value::Object(members) => {
            let kept = members.iter().filter_map(|(name, member)| Some((name.clone(), without_secrets(member)?)));
            Some(Value::Object(kept.collect()))
        }
        other => Some(other.clone()),
    }
}

fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.values().map(leaves).sum(),
        Value::Array(items) => items.iter().map(leaves).sum(),
        _ => 1,
    }
}

fn answer(path: &Path, pair: &Pair) -> Result<Value, CommandError> {
    if let Some(error) = &pair.error {
        let mut told = json!({"code": error.code, "message": error.message});
        if !error.members.is_null() {
            told["members"] = error.members.clone();
        }
        if let Some(status) = pair.status {
            told["status"] = status.into();
        }
        return Ok(json!({ "error": told }));
    }
    let mut output = pair.output.clone().unwrap_or_else(|| json!({}));
    let service = Catalogue::shared().find(&pair.service).and_then(|entry| entry.open().ok());
    let payload = service.and_then(|service| streaming_output(service, service.operation(&pair.operation)?));
    if let (Some(name), Some(member)) = (&pair.payload, payload) {
        let path = path.with_file_name(name);
        let bytes = std::fs::read(&path).attempt(format_args!("cannot read {}", path.display()))?;
        output[member.name] = match String::from_utf8(bytes) {
            Ok(text) => json!({ "text": text }),
            Err(other) => json!({"base64": standin_model::Document::Blob(other.into_bytes().into()).to_json()}),
        };
    }
    Ok(json!({ "output": output }))
}
