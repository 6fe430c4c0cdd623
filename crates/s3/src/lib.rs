//! Amazon S3: buckets and objects that are really there.
//!
//! [`Engine`] answers S3's operations; the wire layer has decoded them and will encode what it says. What is known of
//! buckets and objects is in rows of a [`standin_store::Store`], their bytes are in a [`BlobStore`]. Other engines use
//! [`ObjectStorage`] directly.
//!
//! # Invariants
//! - A body is never held as a whole: it goes through buffers of a fixed size, hashed on the way.
//! - An object is there with all its bytes, or not at all: the bytes are durable before a row refers to them, and every
//!   change of rows is one batch. What a crash leaves without a reference is removed at the next start.
//! - Names of buckets are unique per account, not across all accounts as in AWS, so that tests are isolated by account.

mod about;
mod acl;
mod api;
mod blob;
mod bucket;
mod checksum;
mod conditions;
mod copy;
mod engine;
mod error;
mod input;
mod list;
mod lock;
mod multipart;
mod object;
mod range;
mod read;
mod remove;
mod rows;
mod saved;
mod settings;
mod storage;
mod tags;
mod token;
mod uploads;
mod versions;
mod write;

pub use api::{ObjectInfo, OpenObject, body_of};
pub use blob::{BlobId, BlobStore, BlobWriter, Digest, Digested, FileBlobs, MemoryBlobs};
pub use engine::{Engine, SERVICE};
pub use storage::{Account, ObjectEvent, ObjectEventKind, ObjectStorage};
