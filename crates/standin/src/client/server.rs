//! What a running server tells of itself, under `/_standin/`.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use tokio::runtime::Runtime;

use super::{ClientError, Connection, Endpoint, Trust};

/// A local server answers at once, or it is none.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum IntrospectionError {
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{endpoint}{path} answers with status {status}: {text}")]
    Status { endpoint: Endpoint, path: String, status: StatusCode, text: String },
}

/// Asks one server, and waits for each answer.
pub struct Introspection {
    runtime: Runtime,
    connection: Connection,
}

impl Introspection {
    /// # Errors
    /// When no runtime can be started.
    pub fn new(endpoint: Endpoint, trust: Trust) -> Result<Self, IntrospectionError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(IntrospectionError::Runtime)?;
        Ok(Self { runtime, connection: Connection::new(endpoint, trust, TIMEOUT) })
    }

    /// Sends `GET PATH` and gives the body of a success.
    ///
    /// # Errors
    /// When nothing answers, or with another status than 200.
    pub fn get(&mut self, path: &str) -> Result<Bytes, IntrospectionError> {
        self.ask(&Method::GET, path, Bytes::new())
    }

    /// Sends a request and gives the body of a success.
    ///
    /// # Errors
    /// When nothing answers, or with a status that is no success.
    pub fn ask(&mut self, method: &Method, path: &str, body: Bytes) -> Result<Bytes, IntrospectionError> {
        let (status, body) = self.ask_any(method, path, body)?;
        if status.is_success() {
            return Ok(body);
        }
        let endpoint = self.connection.endpoint().clone();
        let text: String = String::from_utf8_lossy(&body).chars().take(500).collect();
        Err(IntrospectionError::Status { endpoint, path: path.to_owned(), status, text })
    }

    /// Sends a request and gives status and body of whatever is answered.
    ///
    /// # Errors
    /// When nothing answers.
    pub fn ask_any(
        &mut self,
        method: &Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), IntrospectionError> {
        let endpoint = self.connection.endpoint().clone();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.clone();
        // A path that is no URI cannot be one that the server knows.
        *request.uri_mut() =
            format!("{}{path}", endpoint.prefix).parse().unwrap_or_else(|_| Uri::from_static("/_standin/"));
        let response = self.runtime.block_on(self.connection.send(request))?;
        Ok((response.status(), response.into_body()))
    }

    /// Whether a standin answers there.
    pub fn is_standin(&mut self) -> bool {
        self.get("/_standin/health").is_ok()
    }

    /// The certificate of the server's own CA, as PEM.
    ///
    /// # Errors
    /// As [`Introspection::get`].
    pub fn ca(&mut self) -> Result<String, IntrospectionError> {
        Ok(String::from_utf8_lossy(&self.get("/_standin/ca")?).into_owned())
    }
}
