//! The client's half of standin: HTTP to one server, calls of any operation, pages, and what other clients need.

mod caller;
mod credentials;
mod environment;
mod http;
mod pages;
mod server;
mod trust;

pub use caller::{Call, CallError, Caller, Credentials, DUMMY_KEY, Reply, fill_idempotency_tokens};
pub use credentials::CredentialChain;
pub use environment::{Access, CaFiles, Variable, bundle, client_variables};
pub use http::{ClientError, Connection, Endpoint};
pub use pages::all_pages;
pub use server::{Introspection, IntrospectionError};
pub use trust::{Trust, system_roots};
