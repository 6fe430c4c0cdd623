//! `proton credential`: what git and forges are given. Secrets come from standard input or a file, and are not shown again.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::cli::Out;
use crate::cli::commands::introspect::{ServerArgs, entries, percent_encoded, text};
use crate::error::{Attempt as _, CommandError};

const AT: &str = "/_standin/proton/credentials";
/// More than any credential has.
const SECRET_BYTES_MAX: u64 = 64 << 10;

#[derive(Args, Debug)]
pub struct CredentialArgs {
    #[command(subcommand)]
    what: What,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Keep a token, a user with a password or token, or a private key
    ///
    /// It is sealed in the state of the server, and named as `credential` in its configuration.
    Set {
        /// How the configuration names it
        name: String,
        /// Who signs in by it
        #[arg(long, value_name = "USER", conflicts_with = "app")]
        user: Option<String>,
        /// The id of a GitHub app; the file is its private key
        #[arg(long, value_name = "ID", requires = "file")]
        app: Option<String>,
        /// Read it from standard input
        #[arg(long, required_unless_present = "file", conflicts_with = "file")]
        token_stdin: bool,
        /// Read it from this file
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// List what there is, without the secrets
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget one
    Delete {
        /// How the configuration names it
        name: String,
    },
    /// Seal all by a new key
    ///
    /// The server draws it, or it is the first of those in STANDIN_SECRET_KEY.
    Rekey,
}

impl CredentialArgs {
    pub(super) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        match &self.what {
            What::Set { name, user, app, file, .. } => {
                let body = json!({"user": user, "app": app, "secret": secret(file.as_deref())?});
                let kept = self.server.exchange(&Method::PUT, &path(name), body.to_string().into())?;
                let what = if kept["replaced"] == Value::Bool(true) { "replaced" } else { "kept" };
                writeln!(out, "{what} {name} ({})", text(&kept["kind"]))?;
            }
            What::List { json } => {
                let listed = self.server.ask(AT)?;
                if *json {
                    out.json(&listed)?;
                    return Ok(0);
                }
                let readable = |row: &Value| match &row["readable"] {
                    Value::Bool(true) => "yes".to_owned(),
                    _ => format!("no: needs key {}", text(&row["key"])),
                };
                let rows: Vec<[String; 5]> = entries(&listed, "credentials")
                    .map(|row| {
                        [text(&row["name"]), text(&row["kind"]), text(&row["user"]), text(&row["setAt"]), readable(row)]
                    })
                    .collect();
                out.table(["NAME", "KIND", "USER", "SET", "READABLE"], &rows)?;
            }
            What::Delete { name } => {
                self.server.bytes(&Method::DELETE, &path(name), bytes::Bytes::new())?;
                writeln!(out, "deleted {name}")?;
            }
            What::Rekey => {
                let done = self.server.tell(&format!("{AT}/rekey"), &json!({}))?;
                writeln!(out, "key {}: {} sealed", text(&done["key"]), text(&done["sealed"]))?;
                let left: Vec<String> = entries(&done, "left").map(text).collect();
                if !left.is_empty() {
                    return Err(CommandError::failure(anyhow::anyhow!(
                        "no key of this server opens {}",
                        left.join(", ")
                    ))
                    .hint("set them anew, or give the server their key too, by STANDIN_SECRET_KEY"));
                }
            }
        }
        Ok(0)
    }
}

fn path(name: &str) -> String {
    format!("{AT}/{}", percent_encoded(name))
}

/// What stands in a file, or comes by standard input.
fn secret(file: Option<&Path>) -> Result<String, CommandError> {
    let mut text = String::new();
    let read = |from: &mut dyn std::io::Read, text: &mut String| from.take(SECRET_BYTES_MAX).read_to_string(text);
    match file {
        Some(path) => std::fs::File::open(path)
            .and_then(|mut file| read(&mut file, &mut text))
            .attempt(format_args!("cannot read {}", path.display()))?,
        None => read(&mut std::io::stdin().lock(), &mut text).attempt("cannot read standard input")?,
    };
    Ok(text)
}
