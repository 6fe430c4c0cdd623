//! `requests`, `explain`, `coverage`: what a running server tells of itself.

use std::path::PathBuf;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::{Method, StatusCode};
use serde_json::Value;

use super::call::default_endpoint;
use crate::cli::Out;
use crate::client::{Endpoint, Introspection, IntrospectionError, Trust};
use crate::env;
use crate::error::{Attempt as _, CommandError};

const VERIFY: &str = "/_standin/requests/verify";

/// List the last requests of the running server
#[derive(Args, Debug)]
pub struct RequestsArgs {
    /// Only of this service, by its id
    #[arg(long, value_name = "ID")]
    service: Option<String>,

    /// Only of this operation
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,

    /// Only with this status, as in 200 or 4xx
    #[arg(long)]
    status: Option<String>,

    /// Only the last of them [default: 50; all in a script]
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,

    /// Print JSON, with inputs and outputs
    #[arg(long)]
    json: bool,

    /// Print a script that makes the requests again
    #[arg(long = "as", value_name = "LANGUAGE", conflicts_with = "json")]
    language: Option<ScriptLanguage>,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ScriptLanguage {
    /// Bash with the AWS CLI
    Cli,
    /// Python with boto3
    Boto3,
}

/// Check that the running server was called as expected; exit code 1 where it was not
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// Expectations, in YAML or JSON; `-` reads standard input
    ///
    /// docs/how-to/verify-calls.md tells the format.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Print a report as JUnit has it
    #[arg(long)]
    junit: bool,

    #[command(flatten)]
    server: ServerArgs,
}

/// Tell why the answer to a request was what it was
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The request's id, from its answer's x-amzn-RequestId or from standin requests
    #[arg(value_parser = request_id)]
    id: String,

    #[command(flatten)]
    server: ServerArgs,
}

/// List the operations that were used on the running server, and how true their answers were
#[derive(Args, Debug)]
pub struct CoverageArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args, Debug)]
pub(super) struct ServerArgs {
    /// Where the server is [default: http://127.0.0.1:4566]
    #[arg(long, value_name = "URL", env = env::AWS_ENDPOINT_URL)]
    endpoint: Option<Endpoint>,
}

impl RequestsArgs {
    pub(crate) fn run(self, out: &mut Out) -> Result<u8, CommandError> {
        const SHOWN: usize = 50;
        let limit = self.limit.unwrap_or(if self.language.is_some() { usize::MAX } else { SHOWN });
        let mut query = vec![format!("limit={limit}")];
        for (name, value) in [("service", self.service), ("operation", self.operation), ("status", self.status)] {
            query.extend(value.map(|value| format!("{name}={}", percent_encoded(&value))));
        }
        if let Some(language) = self.language {
            let name = if language == ScriptLanguage::Cli { "cli" } else { "boto3" };
            query.push(format!("as={name}"));
            let path = format!("/_standin/requests?{}", query.join("&"));
            let script = self.server.bytes(&Method::GET, &path, Bytes::new())?;
            write!(out, "{}", String::from_utf8_lossy(&script))?;
            return Ok(0);
        }
        let listed = self.server.ask(&format!("/_standin/requests?{}", query.join("&")))?;
        if self.json {
            out.json(&listed)?;
            return Ok(0);
        }
        let rows: Vec<[String; 7]> = entries(&listed, "requests").map(row).collect();
        out.table(["TIME", "STATUS", "SERVICE", "OPERATION", "FIDELITY", "MS", "REQUEST ID"], &rows)?;
        Ok(0)
    }
}

fn row(request: &Value) -> [String; 7] {
    let micros = request["durationMicros"].as_u64().unwrap_or_default();
    let error = request["error"]["code"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
    [
        text(&request["time"]),
        text(&request["status"]),
        text(&request["service"]),
        format!("{}{error}", text(&request["operation"])),
        text(&request["fidelity"]),
        format!("{}.{:03}", micros / 1000, micros % 1000),
        text(&request["id"]),
    ]
}

impl VerifyArgs {
    pub(crate) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let name = self.file.display();
        let content = match self.file.as_os_str() == "-" {
            true => std::io::read_to_string(std::io::stdin()),
            false => std::fs::read_to_string(&self.file),
        };
        let content = content.attempt(format_args!("cannot read {name}"))?;
        // YAML is a superset of JSON.
        let plan: Value = yaml_serde::from_str(&content).attempt(format_args!("{name} is not YAML"))?;
        let ask = |path: &str| {
            let endpoint = self.server.endpoint.clone().unwrap_or_else(default_endpoint);
            let mut server = Introspection::new(endpoint, Trust::default()).map_err(CommandError::failure)?;
            server.ask_any(&Method::POST, path, plan.to_string().into()).map_err(unanswered)
        };
        let (status, told) = ask(if self.junit { "/_standin/requests/verify?format=junit" } else { VERIFY })?;
        if !status.is_success() && status != StatusCode::CONFLICT {
            let told: Value = serde_json::from_slice(&told).unwrap_or_default();
            return Err(CommandError::failure(anyhow::anyhow!("{name}: {}", text(&told["error"]))));
        }
        if self.junit {
            write!(out, "{}", String::from_utf8_lossy(&told))?;
        } else {
            let told: Value = serde_json::from_slice(&told).attempt("what answers is no standin")?;
            out.json(&told)?;
        }
        Ok(u8::from(!status.is_success()))
    }
}

impl ExplainArgs {
    pub(crate) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let explained = self.server.ask(&format!("/_standin/explain/{}", self.id))?;
        out.json(&explained)?;
        Ok(0)
    }
}

impl CoverageArgs {
    pub(crate) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let coverage = self.server.ask("/_standin/coverage")?;
        if self.json {
            out.json(&coverage)?;
            return Ok(0);
        }
        let rows: Vec<[String; 6]> = entries(&coverage, "operations")
            .map(|used| {
                ["service", "operation", "synthesized", "stateful", "engine", "errors"]
                    .map(|column| text(&used[column]))
            })
            .collect();
        out.table(["SERVICE", "OPERATION", "SYNTHESIZED", "STATEFUL", "ENGINE", "ERRORS"], &rows)?;
        Ok(0)
    }
}

impl ServerArgs {
    /// What the server answers to `GET PATH`.
    pub(super) fn ask(&self, path: &str) -> Result<Value, CommandError> {
        self.exchange(&Method::GET, path, Bytes::new())
    }

    /// What the server answers to `POST PATH` with a JSON body.
    pub(super) fn tell(&self, path: &str, body: &Value) -> Result<Value, CommandError> {
        self.exchange(&Method::POST, path, body.to_string().into())
    }

    /// What the server answers to a request, as JSON.
    pub(super) fn exchange(&self, method: &Method, path: &str, body: Bytes) -> Result<Value, CommandError> {
        let endpoint = self.endpoint.clone().unwrap_or_else(default_endpoint);
        let answer = self.bytes(method, path, body)?;
        serde_json::from_slice(&answer).attempt(format_args!("what answers at {endpoint} is no standin"))
    }
}

impl ServerArgs {
    /// What the server answers to a request.
    pub(super) fn bytes(&self, method: &Method, path: &str, body: Bytes) -> Result<Bytes, CommandError> {
        let endpoint = self.endpoint.clone().unwrap_or_else(default_endpoint);
        let mut server = Introspection::new(endpoint, Trust::default()).map_err(CommandError::failure)?;
        server.ask(method, path, body).map_err(unanswered)
    }
}

/// The error of a server that did not do what it was asked for.
fn unanswered(error: IntrospectionError) -> CommandError {
    match error {
        IntrospectionError::Status { .. } => CommandError::failure(error),
        error => CommandError::failure(error).hint("`standin` starts a server; --endpoint names another"),
    }
}

pub(super) fn entries<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value[name].as_array().into_iter().flatten()
}

/// A cell: texts without quotes, nothing for null.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn request_id(text: &str) -> Result<String, String> {
    let is_id = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_id { Ok(text.to_owned()) } else { Err("a request id has letters, digits and dashes".to_owned()) }
}

pub(super) fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
