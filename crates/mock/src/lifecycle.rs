//! What synthesis knows of statuses, for those who keep resources.

use standin_model::{Service, ShapeIx, Str, WaiterState};

use crate::synthesis::settled;

pub use settled::rank;

/// A value that a waiter waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    pub value: Str,
    /// Of a waiter for the end of a resource.
    pub deleting: bool,
    /// Of a waiter for what comes of a create, of all creates alike.
    pub created: bool,
    /// Of a waiter for what comes of an update.
    pub updated: bool,
}

/// The values of a member that success acceptors of waiters ask for.
pub fn awaited(service: &'static Service, structure: ShapeIx, member: &str) -> Vec<Awaited> {
    let mut out = Vec::new();
    for waiter in &service.waiters {
        let Some(root) = service.operation(waiter.operation).and_then(|operation| operation.output) else { continue };
        // `NodeRegistered` ends nothing: case counts.
        let name = waiter.name;
        let deleting = ["Delet", "Terminat", "NotExist", "Deregist", "Inactive"].iter().any(|mark| name.contains(mark));
        let created = name.ends_with("Created") || name.ends_with("CreateComplete");
        let updated = name.ends_with("Updated") || name.ends_with("UpdateComplete");
        for acceptor in &waiter.acceptors {
            if acceptor.state != WaiterState::Success || !acceptor.matcher.starts_with("path") {
                continue;
            }
            let steps = settled::walk(service, root, acceptor.argument);
            let at = steps.and_then(|steps| steps.last().copied());
            if at
                == Some((structure, service.structure(structure).and_then(|s| s.member(member)).map_or("", |m| m.name)))
            {
                out.push(Awaited { value: acceptor.expected.trim_matches('"'), deleting, created, updated });
            }
        }
    }
    out
}
