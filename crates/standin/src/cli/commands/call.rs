use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use standin_mock::validation::input_from_json;
use standin_model::{Document, Kind, Member, Operation, Protocol, Service, ShapeIx};
use standin_wire::client::ServiceError;

use crate::cli::names::{self, kebab};
use crate::cli::output::to_stderr;
use crate::cli::{Models, Out};
use crate::client::{
    Call, CallError, Caller, ClientError, Connection, Credentials, Endpoint, Reply, Trust, all_pages,
    fill_idempotency_tokens,
};
use crate::config::DEFAULT_PORT;
use crate::env;
use crate::error::{Attempt as _, CommandError};

/// Call any operation of any service, as its model says
///
/// Signs with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or with dummy keys where they are not set.
/// Prints the output as JSON. An error of the service goes to standard error; the exit code is then 254.
#[derive(Args, Debug)]
pub struct CallArgs {
    /// The service, by id, SDK id, endpoint prefix or title
    service: String,

    /// The operation, as in ListTagsForResource or list-tags-for-resource
    operation: String,

    /// The input as JSON, @FILE to read it from a file, or - for standard input
    ///
    /// Blobs are base64, or text that is none; timestamps are date-times or epoch seconds.
    #[arg(long, short, value_name = "JSON", default_value = "{}", hide_default_value = true)]
    input: String,

    /// Send this file as the streaming member of the input, or - for standard input
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,

    /// Write the streaming member of the output to this file, instead of base64 in the JSON
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Where to send it [default: http://127.0.0.1:4566]
    #[arg(long, value_name = "URL", env = env::AWS_ENDPOINT_URL)]
    endpoint: Option<Endpoint>,

    /// The region to sign for [default: AWS_REGION, AWS_DEFAULT_REGION or us-east-1]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,

    /// Get all pages and print them as one
    #[arg(long)]
    all: bool,

    /// Speak this protocol instead of the one that the model prefers
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Option<WireProtocol>,

    /// Do not sign
    #[arg(long)]
    no_sign: bool,

    /// Print the status and headers of answers to standard error
    #[arg(long)]
    include: bool,

    /// Trust the certificates in this file only [default: AWS_CA_BUNDLE, else the system's]
    #[arg(long, value_name = "FILE", env = env::AWS_CA_BUNDLE)]
    ca: Option<PathBuf>,

    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,

    /// Of this API version [default: the newest]
    #[arg(long, value_name = "DATE")]
    api_version: Option<String>,

    #[command(flatten)]
    models: Models,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WireProtocol {
    #[value(name = "awsJson1_0")]
    AwsJson1_0,
    #[value(name = "awsJson1_1")]
    AwsJson1_1,
    #[value(name = "restJson1")]
    RestJson1,
    #[value(name = "restXml")]
    RestXml,
    #[value(name = "awsQuery")]
    AwsQuery,
    #[value(name = "ec2Query")]
    Ec2Query,
    #[value(name = "rpcv2Cbor")]
    RpcV2Cbor,
}

impl WireProtocol {
    fn protocol(self) -> Protocol {
        match self {
            Self::AwsJson1_0 => Protocol::AwsJson1_0,
            Self::AwsJson1_1 => Protocol::AwsJson1_1,
            Self::RestJson1 => Protocol::RestJson1,
            Self::RestXml => Protocol::RestXml,
            Self::AwsQuery => Protocol::AwsQuery,
            Self::Ec2Query => Protocol::Ec2Query,
            Self::RpcV2Cbor => Protocol::RpcV2Cbor,
        }
    }
}

impl CallArgs {
    pub(crate) fn run(self, out: &mut Out) -> Result<u8, CommandError> {
        let catalogue = self.models.catalogue()?;
        let entry = names::service(catalogue, &self.service, self.api_version.as_deref())?;
        let service = names::open(entry)?;
        let operation = names::operation(service, &self.operation)?;
        let protocol = self.protocol(service)?;
        if self.all && operation.paginator.is_none() {
            return Err(CommandError::usage(anyhow::anyhow!("{} has no pages to get all of", operation.name)));
        }
        let input = self.read_input(service, operation)?;
        let endpoint = self.endpoint.clone().unwrap_or_else(default_endpoint);
        let region = self.region.clone().unwrap_or_else(region_from_env);
        let credentials = (!self.no_sign).then(|| Credentials::from_env(&env::process));
        let call = Call { service, operation, protocol, region: &region, credentials: credentials.as_ref() };
        let trust = Trust::new(self.ca.clone());
        let connection = Connection::new(endpoint, trust, Duration::from_secs(self.timeout));
        let caller = Caller::new(call, connection, catalogue.partitions());

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.attempt("cannot start the runtime")?;
        let mut output = runtime.block_on(self.exchange(caller, operation, input))?;
        if let Some(file) = &self.output {
            take_stream(service, operation, &mut output, file)?;
        }
        out.json(&output.to_json())?;
        Ok(0)
    }

    fn protocol(&self, service: &Service) -> Result<Protocol, CommandError> {
        let Some(wanted) = self.protocol.map(WireProtocol::protocol) else { return Ok(service.protocol()) };
        if service.speaks(wanted) {
            return Ok(wanted);
        }
        let spoken: Vec<&str> = service.protocols.iter().map(|protocol| protocol.name()).collect();
        let error = CommandError::usage(anyhow::anyhow!("{} does not speak {wanted}", service.id));
        Err(error.hint(format!("it speaks {}", spoken.join(", "))))
    }

    fn read_input(&self, service: &Service, operation: &Operation) -> Result<Document, CommandError> {
        let text = match self.input.as_str() {
            "-" => read_stdin().attempt("cannot read standard input")?,
            given => match given.strip_prefix('@') {
                Some(file) => std::fs::read(file).attempt(format_args!("cannot read {file}"))?,
                None => given.as_bytes().to_vec(),
            },
        };
        let value: Value = serde_json::from_slice(&text)
            .map_err(|error| CommandError::usage(anyhow::Error::new(error).context("the input is no JSON")))?;
        let Some(ix) = operation.input else {
            return match value.as_object().is_some_and(serde_json::Map::is_empty) && self.body.is_none() {
                true => Ok(Document::map()),
                false => Err(CommandError::usage(anyhow::anyhow!("{} takes no input", operation.name))),
            };
        };
        let hint = || format!("`standin describe {} {}` shows the input", service.id, kebab(operation.name));
        let mut input = input_from_json(service, ix, &value).map_err(|violations| {
            let all: Vec<String> = violations.iter().map(|violation| format!("\n  {violation}")).collect();
            CommandError::usage(anyhow::anyhow!("the input does not fit the model{}", all.concat())).hint(hint())
        })?;
        if let Some(file) = &self.body {
            let Some(member) = streaming_member(service, Some(ix)) else {
                let error = anyhow::anyhow!("the input of {} has no streaming member", operation.name);
                return Err(CommandError::usage(error).hint(hint()));
            };
            let bytes = match file.as_os_str() == "-" {
                true => read_stdin().attempt("cannot read standard input")?,
                false => std::fs::read(file).attempt(format_args!("cannot read {}", file.display()))?,
            };
            if let Some(fields) = input.as_map_mut() {
                fields.insert(member.name, bytes::Bytes::from(bytes));
            }
        }
        fill_idempotency_tokens(service, operation, &mut input);
        Ok(input)
    }

    async fn exchange(
        &self,
        caller: Caller<'_>,
        operation: &Operation,
        input: Document,
    ) -> Result<Document, CommandError> {
        // Pages come one after the other over one connection; the mutex is never contended.
        let caller = tokio::sync::Mutex::new(caller);
        let one = async |input: Document| {
            let reply = caller.lock().await.call(&input).await.map_err(explain)?;
            if self.include {
                to_stderr(&head(&reply));
            }
            reply.outcome.map_err(|error| refused(operation, &error))
        };
        match &operation.paginator {
            Some(paginator) if self.all => all_pages(paginator, input, one, || explain(CallError::RepeatedToken)).await,
            _ => one(input).await,
        }
    }
}

/// Where requests go when nothing says so.
pub(super) fn default_endpoint() -> Endpoint {
    Endpoint { tls: false, host: "127.0.0.1".to_owned(), port: DEFAULT_PORT, prefix: String::new() }
}

/// The region of the environment, else the one that everybody starts with.
pub(super) fn region_from_env() -> String {
    env::text(&env::process, env::AWS_REGION)
        .or_else(|| env::text(&env::process, env::AWS_DEFAULT_REGION))
        .unwrap_or_else(|| "us-east-1".to_owned())
}

fn read_stdin() -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An error on the way to the service, with what to do about it.
pub(super) fn explain(error: CallError) -> CommandError {
    match &error {
        CallError::Encode { .. } => CommandError::usage(error),
        CallError::Client(ClientError::Connect { .. }) => CommandError::failure(error)
            .hint("start a server with `standin`, or name another with --endpoint or AWS_ENDPOINT_URL"),
        CallError::Client(ClientError::Tls { .. }) => {
            CommandError::failure(error).hint("`standin ca` prints the certificate for --ca")
        }
        _ => CommandError::failure(error),
    }
}

/// An error that the service answered with, in the words of the AWS CLI.
pub(super) fn refused(operation: &Operation, error: &ServiceError) -> CommandError {
    let mut message = format!(
        "An error occurred ({}) when calling the {} operation (status {}): {}",
        error.code, operation.name, error.status, error.message
    );
    let members: Vec<_> = error.members.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("message")).collect();
    if !members.is_empty() {
        let members: serde_json::Map<String, Value> =
            members.into_iter().map(|(name, value)| (name.to_string(), value.to_json())).collect();
        message.push_str(&format!("\n{:#}", Value::Object(members)));
    }
    CommandError::service(message)
}

fn head(reply: &Reply) -> String {
    let mut text = format!("{}\n", reply.status);
    for (name, value) in &reply.headers {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    text.push('\n');
    text
}

/// The member of an input or output whose bytes stream. Some models say so on the member, some on its shape.
pub(super) fn streaming_member(service: &Service, structure: Option<ShapeIx>) -> Option<&Member> {
    let member = service.structure(structure?)?.payload_member()?;
    let shape = service.target(member);
    (matches!(shape.kind, Kind::Blob { .. }) && (member.streaming || shape.is_streaming())).then_some(member)
}

/// Writes the streaming member to a file and leaves its length in its place.
fn take_stream(
    service: &Service,
    operation: &Operation,
    output: &mut Document,
    file: &std::path::Path,
) -> Result<(), CommandError> {
    let Some(member) = streaming_member(service, operation.output) else {
        let error = anyhow::anyhow!("the output of {} has no streaming member", operation.name);
        return Err(CommandError::usage(error));
    };
    let bytes = match output.as_map_mut().and_then(|fields| fields.remove(member.name)) {
        Some(Document::Blob(bytes)) => bytes,
        _ => bytes::Bytes::new(),
    };
    std::fs::write(file, &bytes).attempt(format_args!("cannot write {}", file.display()))?;
    if let Some(fields) = output.as_map_mut() {
        fields.push(member.name, Document::from_json(&json!({"file": file.to_string_lossy(), "bytes": bytes.len()})));
    }
    Ok(())
}
