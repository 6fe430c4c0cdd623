//! What overlays say before the inference, by the names of operations and types.

use std::collections::{BTreeMap, HashMap};

use standin_model::Service;

use super::{KindSpec, Overlay, OverlayError, TypeSpec, VerbSpec, meant};
use crate::{TypeKind, Verb};

/// What an overlay says of one operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct OperationHint {
    /// Answered from the model alone.
    pub ignore: bool,
    pub of: Option<String>,
    pub verb: Option<Verb>,
}

/// All that overlays say of a service before the inference.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    /// By the operation's name.
    pub operations: HashMap<String, OperationHint>,
    pub types: BTreeMap<String, TypeSpec>,
}

impl Hints {
    /// # Errors
    /// When an overlay names an operation that the service does not have.
    pub(crate) fn of(service: &'static Service, overlays: &[Overlay]) -> Result<Self, OverlayError> {
        let mut hints = Self::default();
        for overlay in overlays.iter().filter(|overlay| overlay.spec.service == service.id) {
            for (name, spec) in &overlay.spec.operations {
                if service.operation(name).is_none() {
                    if overlay.lenient {
                        continue;
                    }
                    let known = meant(name, service.operations.iter().map(|operation| operation.name));
                    let message = format!("{} has no such operation{known}", service.id);
                    return Err(overlay.unknown(format!("operations.{name}"), message));
                }
                let hint = hints.operations.entry(name.clone()).or_default();
                hint.ignore = spec.ignore;
                hint.of = spec.of.clone().or(hint.of.take());
                hint.verb = spec.verb.map(verb).or(hint.verb.take());
            }
            for (name, spec) in &overlay.spec.types {
                let name = hints.called(name).to_owned();
                hints.types.entry(name).and_modify(|known| known.extend(spec)).or_insert_with(|| spec.clone());
            }
        }
        Ok(hints)
    }

    /// What the inference calls a type that an overlay may have given another name.
    pub(crate) fn called<'n>(&'n self, name: &'n str) -> &'n str {
        let renamed = self.types.iter().find(|(_, spec)| spec.rename.as_deref() == Some(name));
        renamed.map_or(name, |(called, _)| called)
    }

    /// Types that overlays give other names, with these.
    pub(crate) fn renamed(&self) -> BTreeMap<String, String> {
        let renamed = self.types.iter().filter_map(|(called, spec)| Some((called.clone(), spec.rename.clone()?)));
        renamed.collect()
    }
}

impl TypeSpec {
    /// Takes what a later overlay says.
    fn extend(&mut self, later: &Self) {
        self.ignore |= later.ignore;
        for (mine, theirs) in [
            (&mut self.merge, &later.merge),
            (&mut self.rename, &later.rename),
            (&mut self.parent, &later.parent),
            (&mut self.target, &later.target),
        ] {
            if theirs.is_some() {
                mine.clone_from(theirs);
            }
        }
        self.kind = later.kind.or(self.kind);
        self.named_by.extend(later.named_by.iter().cloned());
        if later.qualifiers.is_some() {
            self.qualifiers.clone_from(&later.qualifiers);
        }
        if later.counter.is_some() {
            self.counter.clone_from(&later.counter);
        }
    }
}

fn verb(spec: VerbSpec) -> Verb {
    match spec {
        VerbSpec::Create => Verb::Create,
        VerbSpec::Put => Verb::Put,
        VerbSpec::Read => Verb::Read,
        VerbSpec::List => Verb::List,
        VerbSpec::Update => Verb::Update,
        VerbSpec::Delete => Verb::Delete,
        VerbSpec::Tag => Verb::Tag,
        VerbSpec::Untag => Verb::Untag,
        VerbSpec::ListTags => Verb::ListTags,
        VerbSpec::Act => Verb::Act(None),
    }
}

pub(crate) fn kind(spec: KindSpec) -> TypeKind {
    match spec {
        KindSpec::Named => TypeKind::Named,
        KindSpec::Assigned => TypeKind::Assigned,
        KindSpec::Single => TypeKind::Single,
        KindSpec::Link => TypeKind::Link,
    }
}
