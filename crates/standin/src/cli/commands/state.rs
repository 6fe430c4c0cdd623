//! `state`: save, load, reset, compare, commit and branch what a running server holds.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};
use standin_store::Selector;
use standin_store::diff;

use super::introspect::{ServerArgs, entries, percent_encoded, text};
use crate::cli::Out;
use crate::error::{Attempt as _, CommandError};

/// Save, load, reset, compare and branch the state of the running server
#[derive(Args, Debug)]
pub struct StateArgs {
    #[command(subcommand)]
    command: StateCommand,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand, Debug)]
enum StateCommand {
    /// Write the state to a file of JSON lines
    Save {
        /// The file, or - for standard output
        file: PathBuf,
        #[command(flatten)]
        picked: Picked,
        /// Leave out the bytes of S3 objects
        #[arg(long)]
        no_bytes: bool,
    },
    /// Put a saved state into the place of the server's
    Load {
        /// The file, or - for standard input
        file: PathBuf,
        /// Keep what the file does not hold
        #[arg(long)]
        merge: bool,
    },
    /// Forget everything, or what is picked
    Reset {
        #[command(flatten)]
        picked: Picked,
        /// Only what has this tag, with what lies in it
        #[arg(long, value_name = "KEY[=VALUE]")]
        tag: Option<String>,
    },
    /// Show what has changed: from one saved file to another, or from a commit or branch to another or to now
    Diff {
        /// A saved file, or a commit or branch of the server [default: the last commit]
        from: Option<String>,
        /// The same [default: what the server holds now]
        to: Option<String>,
    },
    /// Keep the state as it is now, to come back to
    Commit {
        /// What it is
        #[arg(long, short)]
        message: String,
    },
    /// List the commits that the current state, or a branch, comes from
    Log {
        /// A branch or commit
        name: Option<String>,
    },
    /// List branches, or make one
    Branch {
        /// The new branch
        name: Option<String>,
        /// A branch or commit to begin at [default: the current commit]
        #[arg(long, requires = "name")]
        at: Option<String>,
        /// Remove the branch instead
        #[arg(long, requires = "name", conflicts_with = "at")]
        delete: bool,
    },
    /// Put the state of a branch or commit into the place of the server's
    Checkout {
        /// A branch or commit; the beginning of its name will do
        name: String,
    },
}

#[derive(Args, Debug)]
struct Picked {
    /// Only of this account
    #[arg(long, value_name = "12-DIGITS")]
    account: Option<String>,

    /// Only of this region
    #[arg(long, value_name = "REGION")]
    region: Option<String>,

    /// Only of this service
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
}

impl Picked {
    fn query(&self) -> Vec<(&'static str, &str)> {
        let parts = [("account", &self.account), ("region", &self.region), ("service", &self.service)];
        parts.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}

fn address(path: &str, query: &[(&str, &str)]) -> String {
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

impl StateArgs {
    pub(crate) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        match &self.command {
            StateCommand::Save { file, picked, no_bytes } => self.save(file, picked, *no_bytes, out),
            StateCommand::Load { file, merge } => self.load(file, *merge, out),
            StateCommand::Reset { picked, tag } => self.reset(picked, tag.as_deref(), out),
            StateCommand::Diff { from, to } => self.diff(from.as_deref(), to.as_deref(), out),
            StateCommand::Commit { message } => {
                let commit = self.server.tell("/_standin/state/commit", &json!({ "message": message }))?;
                writeln!(out, "{}", text(&commit["id"]))?;
                Ok(0)
            }
            StateCommand::Log { name } => self.log(name.as_deref(), out),
            StateCommand::Branch { name, at, delete } => self.branch(name.as_deref(), at.as_deref(), *delete, out),
            StateCommand::Checkout { name } => {
                let commit = self.server.tell("/_standin/state/checkout", &json!({ "name": name }))?;
                writeln!(out, "{} {}", short(&commit["id"]), text(&commit["message"]))?;
                Ok(0)
            }
        }
    }

    fn save(&self, file: &Path, picked: &Picked, no_bytes: bool, out: &mut Out) -> Result<u8, CommandError> {
        let mut query = picked.query();
        if no_bytes {
            query.push(("bytes", "false"));
        }
        let saved = self.server.bytes(&Method::GET, &address("/_standin/state", &query), Bytes::new())?;
        if file.as_os_str() == "-" {
            out.bytes(&saved)?;
            return Ok(0);
        }
        // Beside it first: a file that is there is replaced by a whole one or not at all.
        let beside = PathBuf::from(format!("{}.new", file.display()));
        let written = std::fs::write(&beside, &saved).and_then(|()| std::fs::rename(&beside, file));
        written.attempt(format_args!("cannot write {}", file.display()))?;
        Ok(0)
    }

    fn load(&self, file: &Path, merge: bool, out: &mut Out) -> Result<u8, CommandError> {
        let mut saved = Vec::new();
        if file.as_os_str() == "-" {
            std::io::stdin().lock().read_to_end(&mut saved).attempt("cannot read standard input")?;
        } else {
            saved = std::fs::read(file).attempt(format_args!("cannot read {}", file.display()))?;
        }
        let mode = if merge { "merge" } else { "replace" };
        let path = address("/_standin/state", &[("mode", mode)]);
        let loaded = self.server.exchange(&Method::PUT, &path, saved.into())?;
        writeln!(out, "{} rows", text(&loaded["rows"]))?;
        Ok(0)
    }

    fn reset(&self, picked: &Picked, tag: Option<&str>, out: &mut Out) -> Result<u8, CommandError> {
        let mut query = picked.query();
        query.extend(tag.map(|tag| ("tag", tag)));
        let answer = self.server.bytes(&Method::DELETE, &address("/_standin/state", &query), Bytes::new())?;
        if let Ok(Value::Object(told)) = serde_json::from_slice(&answer) {
            writeln!(out, "{} resources", told.get("resources").map(text).unwrap_or_default())?;
        }
        Ok(0)
    }

    fn diff(&self, from: Option<&str>, to: Option<&str>, out: &mut Out) -> Result<u8, CommandError> {
        let lines: Vec<String> = match (from, to) {
            (Some(from), Some(to)) if Path::new(from).is_file() && Path::new(to).is_file() => {
                compare(Path::new(from), Path::new(to))?
            }
            _ => {
                let mut query: Vec<(&str, &str)> = Vec::new();
                query.extend(from.map(|name| ("from", name)));
                query.extend(to.map(|name| ("to", name)));
                let told = self.server.ask(&address("/_standin/state/diff", &query))?;
                entries(&told, "changes").map(|change| text(&change["text"])).collect()
            }
        };
        for line in &lines {
            writeln!(out, "{line}")?;
        }
        // As the diffs of others: whether there is a difference can be asked for.
        Ok(u8::from(!lines.is_empty()))
    }

    fn log(&self, name: Option<&str>, out: &mut Out) -> Result<u8, CommandError> {
        let query: Vec<(&str, &str)> = name.map(|name| ("name", name)).into_iter().collect();
        let told = self.server.ask(&address("/_standin/state/log", &query))?;
        let rows: Vec<[String; 3]> = entries(&told, "commits")
            .map(|commit| [short(&commit["id"]), text(&commit["time"]), text(&commit["message"])])
            .collect();
        out.table(["COMMIT", "TIME", "MESSAGE"], &rows)?;
        Ok(0)
    }

    fn branch(&self, name: Option<&str>, at: Option<&str>, delete: bool, out: &mut Out) -> Result<u8, CommandError> {
        let path = "/_standin/state/branches";
        match name {
            Some(name) if delete => {
                self.server.bytes(&Method::DELETE, &address(path, &[("name", name)]), Bytes::new())?;
            }
            Some(name) => {
                self.server.tell(path, &json!({ "name": name, "at": at }))?;
            }
            None => {
                for branch in entries(&self.server.ask(path)?, "branches") {
                    let mark = if branch["current"] == json!(true) { '*' } else { ' ' };
                    let commit = if branch["commit"].is_null() { String::new() } else { short(&branch["commit"]) };
                    let line = format!("{mark} {} {commit}", text(&branch["name"]));
                    writeln!(out, "{}", line.trim_end())?;
                }
            }
        }
        Ok(0)
    }
}

fn short(id: &Value) -> String {
    text(id).chars().take(12).collect()
}

/// What differs between two saved files.
fn compare(from: &Path, to: &Path) -> Result<Vec<String>, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().attempt("cannot start the runtime")?;
    runtime.block_on(async {
        let (mut before, mut after) = (view(from).await?, view(to).await?);
        let changes = diff::diff(&mut *before, &mut *after, &Selector::all()).await.map_err(CommandError::failure)?;
        Ok(changes.iter().map(ToString::to_string).collect())
    })
}

async fn view(path: &Path) -> Result<Box<dyn standin_store::View>, CommandError> {
    let file = File::open(path).attempt(format_args!("cannot read {}", path.display()))?;
    let mut rows = Rows { inner: BufReader::new(file), line: Vec::new(), at: 0 };
    diff::file(&mut rows).await.attempt(format_args!("cannot read {}", path.display()))
}

/// A saved file without the bytes of objects: rows tell which bytes they are of.
struct Rows<R> {
    inner: R,
    line: Vec<u8>,
    at: usize,
}

impl<R: BufRead> Read for Rows<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Rows<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.at == self.line.len() {
            self.line.clear();
            self.at = 0;
            self.inner.read_until(b'\n', &mut self.line)?;
            if self.line.starts_with(standin_server::SAVED_BYTES_LINE) {
                // An empty line, so that lines are counted alike.
                self.line = b"\n".to_vec();
            }
        }
        Ok(&self.line[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}
