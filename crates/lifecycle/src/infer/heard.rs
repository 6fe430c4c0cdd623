//! Whether what overlays say of types was heard: names that fit nothing are faults of the overlay.

use super::Draft;
use crate::{Overlay, OverlayError, overlay};

impl Draft {
    /// Checks what an overlay says of types before the inference; what it says besides is checked as it is applied.
    ///
    /// # Errors
    /// When it names types or members that have no part in what was inferred.
    pub(super) fn heard(&self, overlay: &Overlay) -> Result<(), OverlayError> {
        for (name, spec) in &overlay.spec.types {
            let key = |rest: &str| format!("types.{name}.{rest}");
            let draft = &self.types[self.called(overlay, &format!("types.{name}"), name)?];
            for (rest, other) in [("merge", &spec.merge), ("parent", &spec.parent), ("target", &spec.target)] {
                let Some(other) = other.as_deref().filter(|other| !other.is_empty()) else { continue };
                let ix = self.called(overlay, &key(rest), other)?;
                if self.types[ix].ignored {
                    return Err(overlay.unknown(key(rest), format!("{other} is ignored or merged itself")));
                }
            }
            if draft.ignored {
                continue;
            }
            for member in &spec.named_by {
                let known = || self.operations.iter().flat_map(|op| op.givens.iter().map(|given| given.name));
                if !known().any(|known| known == member) {
                    let known = overlay::meant(member, known());
                    let message = format!("no input of {} has a member {member}{known}", self.service.id);
                    return Err(overlay.unknown(key("named-by"), message));
                }
            }
            let qualifiers = spec.qualifiers.iter().flatten();
            let unheard = qualifiers.filter(|member| !draft.qualifiers.iter().any(|known| known == member));
            let counter = spec.counter.iter().map(|counter| &counter.member);
            let uncounted = counter.filter(|member| draft.counter.is_none_or(|known| known != member.as_str()));
            let mut unheard =
                unheard.map(|member| ("qualifiers", member)).chain(uncounted.map(|member| ("counter", member)));
            if let Some((rest, member)) = unheard.next() {
                let operations = self
                    .operations
                    .iter()
                    .filter(|op| op.claim.as_ref().is_some_and(|claim| self.types[claim.of].called == draft.called));
                let known = operations.flat_map(|op| op.givens.iter().map(|given| given.name));
                let known = overlay::meant(member, known);
                let message = format!("no input of an operation on {name} has a member {member}{known}");
                return Err(overlay.unknown(key(rest), message));
            }
        }
        Ok(())
    }

    /// The type that overlays call so.
    fn called(&self, overlay: &Overlay, key: &str, name: &str) -> Result<usize, OverlayError> {
        let called = self.hints.called(name);
        self.types.iter().position(|draft| draft.called == called).ok_or_else(|| {
            let known = overlay::meant(name, self.types.iter().map(|draft| draft.called.as_str()));
            overlay.unknown(key, format!("{} has no type {name}{known}", self.service.id))
        })
    }
}
