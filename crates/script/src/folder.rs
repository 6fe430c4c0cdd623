//! Rules in the files of a folder: `SERVICE/OPERATION*.yaml`, or `.json`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde_json::Value;
use standin_model::{Catalogue, Timestamp, nearest};

use crate::responses::{Origin, Responses};
use crate::rule::Rule;

/// More files than people write.
const FILES_MAX: usize = 10_000;
/// How deep folders are looked into.
const DEPTH_MAX: usize = 4;
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A folder of rules, and what was last seen in it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    seen: Mutex<Option<Seen>>,
}

/// Every file with its time of change and its length.
type Seen = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

impl Folder {
    pub fn new(path: PathBuf) -> Self {
        Self { path, seen: Mutex::default() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the files if any has changed since the last time, and puts their rules in the place of those from before. Whether
    /// it did.
    ///
    /// # Errors
    /// One text per file that is no good; the rules from before stay. Files are read again only after another change.
    pub fn load(
        &self,
        responses: &Responses,
        catalogue: &'static Catalogue,
        now: Timestamp,
    ) -> Result<bool, Vec<String>> {
        let files = scan(&self.path).map_err(|error| vec![format!("cannot read {}: {error}", self.path.display())]);
        let files = match files {
            Ok(files) => files,
            Err(problems) => {
                responses.set_problems(problems.clone());
                return Err(problems);
            }
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_ref() == Some(&files) {
            return Ok(false);
        }
        let (mut rules, mut problems) = (Vec::new(), Vec::new());
        for path in files.keys() {
            match read(&self.path, path, catalogue) {
                Ok(more) => rules.extend(more),
                Err(why) => problems.push(why),
            }
        }
        *seen = Some(files);
        if problems.is_empty() {
            // Each for itself first, so that all problems are told and not only the first one.
            let alone = Responses::default();
            for rule in &rules {
                if let Err(why) = alone.set(catalogue, Origin::Files, vec![rule.clone()], now) {
                    let why = why.split_once(": ").map_or(why.as_str(), |(_, why)| why);
                    problems.push(format!("{}: {why}", rule.id));
                }
            }
        }
        if problems.is_empty()
            && let Err(why) = responses.set(catalogue, Origin::Files, rules, now)
        {
            problems.push(why);
        }
        responses.set_problems(problems.clone());
        if problems.is_empty() { Ok(true) } else { Err(problems) }
    }
}

/// All files of rules below a folder.
fn scan(folder: &Path) -> io::Result<Seen> {
    let mut found = Seen::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            let name = entry.file_name();
            if name.to_string_lossy().starts_with('.') {
                continue;
            }
            let about = std::fs::metadata(&path)?;
            if about.is_dir() && depth < DEPTH_MAX {
                folders.push((path, depth + 1));
            } else if about.is_file() && is_rules(&path) {
                if found.len() >= FILES_MAX {
                    return Err(io::Error::other(format!("more than {FILES_MAX} files")));
                }
                found.insert(path, (about.modified().ok(), about.len()));
            }
        }
    }
    Ok(found)
}

fn is_rules(path: &Path) -> bool {
    path.extension().and_then(|end| end.to_str()).is_some_and(|end| matches!(end, "yaml" | "yml" | "json"))
}

/// The rules of a file. Its folder names the service and its name begins with the operation, where the rules do not say them.
fn read(folder: &Path, path: &Path, catalogue: &'static Catalogue) -> Result<Vec<Rule>, String> {
    let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/");
    let about = std::fs::metadata(path).map_err(|error| format!("{name}: {error}"))?;
    if about.len() > FILE_BYTES_MAX {
        return Err(format!("{name}: longer than {FILE_BYTES_MAX} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    parse(&name, &text, catalogue)
}

/// The rules in the text of a file of that name, which is `SERVICE/OPERATION….yaml`.
///
/// # Errors
/// Says what is wrong, behind the file's name.
pub fn parse(name: &str, text: &str, catalogue: &'static Catalogue) -> Result<Vec<Rule>, String> {
    // YAML is a superset of JSON.
    let value: Value = yaml_serde::from_str(text).map_err(|error| format!("{name}: {error}"))?;
    let list = match value {
        Value::Array(list) => list,
        Value::Null => Vec::new(),
        one => vec![one],
    };
    let mut rules = Vec::with_capacity(list.len());
    for (at, value) in list.iter().enumerate() {
        let place = if list.len() == 1 { name.to_owned() } else { format!("{name}: rule {at}") };
        let mut rule = Rule::read(value).map_err(|why| format!("{place}: {why}"))?;
        complete(&mut rule, name, catalogue).map_err(|why| format!("{place}: {why}"))?;
        if rule.id.is_empty() {
            rule.id = if list.len() == 1 { name.to_owned() } else { format!("{name}#{at}") };
        }
        rules.push(rule);
    }
    Ok(rules)
}

/// Fills in what the name of the file says.
fn complete(rule: &mut Rule, name: &str, catalogue: &'static Catalogue) -> Result<(), String> {
    let mut parts = name.rsplit('/');
    let (file, folder) = (parts.next().unwrap_or_default(), parts.next());
    if rule.matcher.service.is_any() {
        let Some(folder) = folder else {
            return Err("no `service`, and the file lies in no folder that names one".into());
        };
        rule.matcher.service = folder.into();
    }
    if !rule.matcher.operation.is_any() {
        return Ok(());
    }
    let entries = rule.matcher.entries(catalogue).map_err(|refused| refused.0)?.unwrap_or_default();
    let Some(entry) = entries.first().and_then(|entry| catalogue.newest(entry.id)) else {
        return Err("no `operation`".into());
    };
    let service = entry.open().map_err(|error| error.to_string())?;
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_lowercase());
    let names = || service.operations.iter().map(|operation| operation.name);
    let named =
        names().filter(|operation| stem.strip_prefix(operation).is_some_and(ends)).max_by_key(|name| name.len());
    match named {
        Some(operation) => {
            rule.matcher.operation = operation.into();
            Ok(())
        }
        None => {
            let word = stem.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            let near = nearest(word, names(), 3);
            let hint = if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(", ")) };
            Err(format!("the file's name does not begin with an operation of {}{hint}", service.id))
        }
    }
}
