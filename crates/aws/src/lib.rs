//! AWS itself, through its official SDK: who is called as whom, and clients of CloudFormation and CodeBuild.
//!
//! # Invariants
//! - Nothing of Proton is known here: what is asked for is a role in a region, and a name for the session.
//! - Credentials are those of the SDK's own chain (environment, profile, SSO, container, instance), with which roles are
//!   assumed. They are never shown: neither in messages nor in debug output.
//! - Endpoints come from the settings alone. What the environment names for all clients may be this very server.
//! - Whatever goes wrong is a [`Trouble`] that says whether to try again.
//!
//! Without the feature `sdk` there are the settings and nothing else, so that configurations read the same in every build.

mod settings;
mod trouble;

#[cfg(feature = "sdk")]
mod clients;
#[cfg(feature = "sdk")]
mod credentials;
#[cfg(feature = "sdk")]
mod objects;

pub use settings::{Settings, Whose};
pub use trouble::Trouble;

#[cfg(feature = "sdk")]
pub use aws_sdk_cloudformation as cloudformation;
#[cfg(feature = "sdk")]
pub use aws_sdk_codebuild as codebuild;
#[cfg(feature = "sdk")]
pub use clients::Aws;
