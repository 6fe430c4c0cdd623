//! What a service's model tells of its resources: which types there are, how each is identified, what lies in what, and
//! what every operation does to them.
//!
//! [`infer`] works it out from names, shapes, bindings and waiters alone. Where that goes wrong, an overlay, a short TOML
//! file per service, says better.
//!
//! # Invariants
//! - The same model and overlay give the same lifecycle, and every decision says why.
//! - Nothing here stores, answers or knows of requests.

mod infer;
mod overlay;
mod types;

pub use infer::{infer, infer_with};
pub use overlay::{Overlay, OverlayError};
pub use types::{
    Binding, Codes, Form, Identity, Lifecycle, Part, Path, ResourceType, Role, Status, Step, TypeIx, TypeKind, Verb,
    View, written,
};
