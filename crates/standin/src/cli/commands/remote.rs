//! A server that is worked with: calls of operations, one after the other over one connection.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use standin_mock::validation::input_from_json;
use standin_model::{Catalogue, Document};
use standin_wire::client::ServiceError;
use tokio::runtime::Runtime;

use crate::cli::commands::call::{default_endpoint, explain, refused, region_from_env};
use crate::cli::names;
use crate::client::{
    Call, CallError, Caller, Connection, Credentials, Endpoint, Trust, all_pages, fill_idempotency_tokens,
};
use crate::env;
use crate::error::{Attempt as _, CommandError, Kind};

const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Args, Clone, Debug)]
pub struct RemoteArgs {
    /// Where the server is [default: http://127.0.0.1:4566]
    #[arg(long, value_name = "URL", env = env::AWS_ENDPOINT_URL)]
    endpoint: Option<Endpoint>,

    /// The region to work in [default: AWS_REGION, AWS_DEFAULT_REGION or us-east-1]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,

    /// Trust the certificates in this file only [default: AWS_CA_BUNDLE, else the system's]
    #[arg(long, value_name = "FILE", env = env::AWS_CA_BUNDLE)]
    ca: Option<PathBuf>,
}

/// See the module. The account is that of the keys in the environment.
pub struct Remote {
    runtime: Runtime,
    connection: Option<Connection>,
    endpoint: Endpoint,
    trust: Trust,
    credentials: Credentials,
    pub region: String,
}

impl RemoteArgs {
    /// # Errors
    /// When no runtime can be started.
    pub fn remote(&self) -> Result<Remote, CommandError> {
        let endpoint = self.endpoint.clone().unwrap_or_else(default_endpoint);
        Remote::new(endpoint, Trust::new(self.ca.clone()), self.region.clone().unwrap_or_else(region_from_env))
    }
}

/// An answer, or what the service refuses.
type Outcome = Result<Document, ServiceError>;

impl Remote {
    /// # Errors
    /// When no runtime can be started.
    pub fn new(endpoint: Endpoint, trust: Trust, region: String) -> Result<Self, CommandError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self {
            runtime: runtime.attempt("cannot start the runtime")?,
            connection: None,
            endpoint,
            trust,
            credentials: Credentials::from_env(&env::process),
            region,
        })
    }

    /// An operation of Proton; lists give all their pages.
    ///
    /// # Errors
    /// When there is no answer, or the service refuses.
    pub fn proton(&mut self, operation: &str, input: &Value) -> Result<Value, CommandError> {
        self.call("proton", operation, input)
    }

    /// An operation of Proton that reads something; nothing where that is not there.
    ///
    /// # Errors
    /// As [`Remote::proton`].
    pub fn find(&mut self, operation: &str, input: &Value) -> Result<Option<Value>, CommandError> {
        match self.ask("proton", operation, input, None)? {
            Ok(output) => Ok(Some(output.to_json())),
            Err(error) if error.code == "ResourceNotFoundException" => Ok(None),
            Err(error) => Err(failed("proton", operation, &error)),
        }
    }

    /// Any operation.
    ///
    /// # Errors
    /// As [`Remote::proton`].
    pub fn call(&mut self, service: &str, operation: &str, input: &Value) -> Result<Value, CommandError> {
        let output = self.ask(service, operation, input, None)?.map_err(|error| failed(service, operation, &error))?;
        Ok(output.to_json())
    }

    /// Any operation; the code and the message of what the service refuses.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn attempt(
        &mut self,
        service: &str,
        operation: &str,
        input: &Value,
    ) -> Result<Result<Value, ServiceError>, CommandError> {
        Ok(self.ask(service, operation, input, None)?.map(|output| output.to_json()))
    }

    /// Makes a bucket in the region that is worked in.
    ///
    /// # Errors
    /// As [`Remote::proton`].
    pub fn create_bucket(&mut self, bucket: &str) -> Result<(), CommandError> {
        let mut create = serde_json::json!({ "Bucket": bucket });
        if self.region != "us-east-1" {
            create["CreateBucketConfiguration"] = serde_json::json!({ "LocationConstraint": self.region });
        }
        self.call("s3", "CreateBucket", &create).map(drop)
    }

    /// Puts an object, into a bucket that is made where it is missing.
    ///
    /// # Errors
    /// As [`Remote::proton`].
    pub fn put_object(&mut self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), CommandError> {
        let put = serde_json::json!({ "Bucket": bucket, "Key": key });
        let bytes = bytes::Bytes::from(bytes);
        match self.ask("s3", "PutObject", &put, Some(bytes.clone()))? {
            Err(error) if error.code == "NoSuchBucket" => {}
            outcome => return outcome.map(drop).map_err(|error| failed("s3", "PutObject", &error)),
        }
        self.create_bucket(bucket)?;
        let outcome = self.ask("s3", "PutObject", &put, Some(bytes))?;
        outcome.map(drop).map_err(|error| failed("s3", "PutObject", &error))
    }

    /// The number of the account that is worked in.
    ///
    /// # Errors
    /// As [`Remote::proton`].
    pub fn account(&mut self) -> Result<String, CommandError> {
        let identity = self.call("sts", "GetCallerIdentity", &serde_json::json!({}))?;
        Ok(text(&identity, "Account").to_owned())
    }

    fn ask(
        &mut self,
        service: &str,
        operation: &str,
        input: &Value,
        body: Option<bytes::Bytes>,
    ) -> Result<Outcome, CommandError> {
        let catalogue = Catalogue::shared();
        let service = names::open(names::service(catalogue, service, None)?)?;
        let operation = names::operation(service, operation)?;
        let mut document = match operation.input {
            None => Document::map(),
            Some(shape) => input_from_json(service, shape, input).map_err(|violations| {
                let all: Vec<String> = violations.iter().map(ToString::to_string).collect();
                CommandError::failure(anyhow::anyhow!(
                    "{} cannot be called with what is given: {}",
                    operation.name,
                    all.join("; ")
                ))
            })?,
        };
        if let Some((body, fields)) = body.zip(document.as_map_mut()) {
            fields.insert("Body", body);
        }
        fill_idempotency_tokens(service, operation, &mut document);
        let call = Call {
            service,
            operation,
            protocol: service.protocol(),
            region: &self.region,
            credentials: Some(&self.credentials),
        };
        let connection = self
            .connection
            .take()
            .unwrap_or_else(|| Connection::new(self.endpoint.clone(), self.trust.clone(), TIMEOUT));
        let caller = tokio::sync::Mutex::new(Caller::new(call, connection, catalogue.partitions()));
        let one = async |input: Document| {
            let reply = caller.lock().await.call(&input).await.map_err(Refused::Call)?;
            reply.outcome.map_err(Refused::Service)
        };
        let answer = self.runtime.block_on(async {
            match &operation.paginator {
                Some(paginator) => {
                    all_pages(paginator, document, one, || Refused::Call(CallError::RepeatedToken)).await
                }
                None => one(document).await,
            }
        });
        self.connection = Some(caller.into_inner().into_connection());
        match answer {
            Ok(output) => Ok(Ok(output)),
            Err(Refused::Service(error)) => Ok(Err(error)),
            Err(Refused::Call(error)) => Err(explain(error)),
        }
    }
}

enum Refused {
    Call(CallError),
    Service(ServiceError),
}

/// What the service refuses, as a failure of the command that needed it.
fn failed(service: &str, operation: &str, error: &ServiceError) -> CommandError {
    let known = Catalogue::shared().find(service).and_then(|entry| entry.open().ok());
    match known.and_then(|service| service.operation(operation)) {
        Some(operation) => CommandError { kind: Kind::Failure, ..refused(operation, error) },
        None => CommandError::failure(anyhow::anyhow!("{operation}: {}", error.message)),
    }
}

/// A text of an answer; empty where it has none.
pub fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// A list of an answer.
pub fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}
