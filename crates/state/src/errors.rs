//! The errors that an operation models for what does not exist, exists already, or is in use.

use standin_core::{CallContext, OperationError, codes};
use standin_lifecycle::Codes;
use standin_mock::synthesis;
use standin_model::words::squash;
use standin_model::{Document, ShapeIx, Str, WaiterState};

use crate::handler::{Failed, Work};

/// What is wrong with the resource that a call names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NotFound,
    Exists,
    /// It cannot go while something lies in it.
    InUse,
    /// A retry with the same token asks for something else.
    OtherParameters,
    BadToken,
}

impl Fault {
    /// Marks in the names of error shapes, the best first.
    fn marks(self) -> &'static [&'static str] {
        match self {
            Self::NotFound => &[
                "notfound",
                "nosuch",
                "doesnotexist",
                "notexist",
                "nonexist",
                "unknown",
                "notfoundfault",
                "missing",
                "nosuchentity",
                "invalidarn",
                "resourcenotfound",
            ],
            Self::Exists => &[
                "alreadyexist",
                "exists",
                "duplicate",
                "inuse",
                "conflict",
                "alreadycreated",
                "notunique",
                "nametaken",
                "alreadyassociated",
            ],
            Self::InUse => &[
                "inuse",
                "notempty",
                "contains",
                "deleteconflict",
                "dependency",
                "haschild",
                "isassociated",
                "stillin",
            ],
            Self::OtherParameters => &[
                "idempotentparametermismatch",
                "idempotencyparametermismatch",
                "idempotencyexception",
                "idempotencyconflict",
                "parametermismatch",
                "incompatibleparameter",
                "tokenalreadyexists",
                "clienttokenconflict",
                "invalidclienttoken",
                "conflict",
            ],
            Self::BadToken => &[
                "invalidnexttoken",
                "invalidpagination",
                "nexttoken",
                "invalidtoken",
                "invalidcontinuation",
                "invalidmarker",
            ],
        }
    }

    /// What is said of the resource.
    pub(crate) fn phrase(self) -> &'static str {
        match self {
            Self::NotFound => "does not exist",
            Self::Exists => "already exists",
            Self::InUse => "is still in use",
            Self::OtherParameters => "was asked for with other parameters under the same token",
            Self::BadToken => "is no page token of this request",
        }
    }

    fn fallback(self) -> (&'static str, u16) {
        match self {
            Self::NotFound => ("ResourceNotFoundException", 404),
            Self::Exists | Self::InUse | Self::OtherParameters => ("ConflictException", 409),
            Self::BadToken => (codes::VALIDATION, 400),
        }
    }
}

/// The error shape among an operation's own that tells of the fault; `noun`: what kind of resource, squashed.
pub(crate) fn modelled(context: &CallContext, fault: Fault, noun: &str) -> Option<ShapeIx> {
    let service = context.service;
    let names: Vec<(ShapeIx, String)> =
        context.operation.errors.iter().map(|shape| (*shape, squash(service.shape(*shape).name))).collect();
    // Of several, the one that names the resource.
    let mut all: Vec<&(ShapeIx, String)> = Vec::new();
    for mark in fault.marks() {
        all.extend(names.iter().filter(|(_, name)| name.contains(mark) && !foreign(fault, name)));
    }
    if all.is_empty() && fault == Fault::NotFound {
        // None says so by its name, but one by its status.
        let status = |shape: &ShapeIx| service.structure(*shape).and_then(|shape| shape.error.as_ref()?.status);
        return names.iter().map(|(shape, _)| *shape).find(|shape| status(shape) == Some(404));
    }
    let own = all.iter().find(|(_, name)| !noun.is_empty() && name.contains(noun));
    let general = || all.iter().find(|(_, name)| name.contains("resource") || name.contains("entity"));
    own.copied().or_else(|| general().copied()).or_else(|| all.first().copied()).map(|(shape, _)| *shape)
}

/// The code that the service's waiters know for what a read does not find, where the operation models none: waiters for the
/// end of a resource succeed with it, those for its beginning go on waiting.
pub(crate) fn awaited(context: &CallContext) -> Option<Str> {
    let waiters = context.service.waiters.iter().filter(|waiter| waiter.operation == context.operation.name);
    let mut codes = waiters.flat_map(|waiter| {
        let ends = ["Delet", "Terminat", "NotExist"].iter().any(|mark| waiter.name.contains(mark));
        waiter.acceptors.iter().filter(move |acceptor| {
            let code = squash(acceptor.expected);
            let tells = Fault::NotFound.marks().iter().any(|mark| code.contains(mark));
            acceptor.matcher == "error"
                && match acceptor.state {
                    WaiterState::Success => ends,
                    WaiterState::Retry => tells,
                    WaiterState::Failure => false,
                }
        })
    });
    codes.next().map(|acceptor| acceptor.expected.trim_matches('"')).filter(|code| *code != "true" && !code.is_empty())
}

/// Names that have a mark by chance.
fn foreign(fault: Fault, name: &str) -> bool {
    match fault {
        Fault::NotFound => {
            name.contains("unknownoperation") || name.contains("missingrequired") || name.starts_with("kms")
        }
        Fault::Exists => name.contains("limit"),
        _ => false,
    }
}

/// The error for a fault, with the members that its shape wants. `told`: the shape, where the lifecycle knows it.
pub(crate) fn error(
    context: &CallContext,
    fault: Fault,
    told: Option<ShapeIx>,
    noun: &str,
    kind: &str,
    identifier: &str,
) -> OperationError {
    let service = context.service;
    let message = match fault {
        Fault::NotFound => format!("{kind} {identifier} does not exist"),
        Fault::Exists => format!("{kind} {identifier} already exists"),
        Fault::InUse => format!("{kind} {identifier} is still in use"),
        Fault::OtherParameters => {
            "the idempotency token was used before with other parameters (IdempotentParameterMismatch)".to_owned()
        }
        Fault::BadToken => "the page token is not one that this operation gave for this request".to_owned(),
    };
    let service_wide = || {
        let mut errors = service.shapes.iter().enumerate().filter(
            |(_, shape)| matches!(&shape.kind, standin_model::Kind::Structure(structure) if structure.error.is_some()),
        );
        let (fallback, _) = fault.fallback();
        errors.find(|(_, shape)| shape.name == fallback).map(|(at, _)| ShapeIx(u32::try_from(at).unwrap_or(u32::MAX)))
    };
    let validation = || {
        let mut errors = context.operation.errors.iter().copied();
        errors.find(|shape| {
            let name = squash(service.shape(*shape).name);
            fault == Fault::BadToken
                && ["validation", "invalidparameter", "badrequest", "invalidrequest", "invalidinput", "invalidargument"]
                    .iter()
                    .any(|mark| name.contains(mark))
        })
    };
    let shape = told.or_else(|| modelled(context, fault, noun)).or_else(validation);
    if let (None, Fault::NotFound, Some(code)) = (shape, fault, awaited(context)) {
        return OperationError::new(code, message).with_status(400);
    }
    let shape = shape.or_else(service_wide);
    let Some(shape) = shape else {
        let (code, status) = fault.fallback();
        return OperationError::new(code, message).with_status(status);
    };
    let mut error = OperationError::new(service.shape(shape).name, message);
    error.members = synthesis::synthesize_error(context, service, Some(context.operation), shape);
    for name in ["message", "Message", "errorMessage"] {
        error.members.remove(name);
    }
    for (name, value) in error.members.iter_mut() {
        match squash(name).as_str() {
            "resourceid" | "resourcename" | "resourcearn" | "resource" => *value = Document::from(identifier.to_owned()),
            "resourcetype" if service.structure(shape).and_then(|s| s.member(name)).is_some_and(|member| {
                matches!(&service.target(member).kind, standin_model::Kind::String { enum_values } if enum_values.is_empty())
            }) => *value = Document::from(kind.to_owned()),
            _ => {}
        }
    }
    error
}

impl Work<'_> {
    pub(crate) fn fault(&self, fault: Fault, identifier: &str) -> Failed {
        let resource = self.schema.lifecycle.resource(self.role.resource);
        let kind = &resource.name;
        if let Some(code) = self.code(fault).filter(|code| !code.is_empty()) {
            let status = if fault == Fault::NotFound { 404 } else { 400 };
            if let Some((code, message)) = code.split_once(": ") {
                return OperationError::new(code.to_owned(), message).with_status(status).into();
            }
            return OperationError::new(code, format!("{kind} {identifier}: {}", fault.phrase()))
                .with_status(status)
                .into();
        }
        error(self.context, fault, self.known_error(fault), &squash(kind), kind, identifier).into()
    }

    /// The code for a fault that the model does not list.
    pub(crate) fn code(&self, fault: Fault) -> Option<String> {
        let of = |codes: &Codes| match fault {
            Fault::NotFound => codes.missing.clone(),
            Fault::Exists => codes.conflict.clone(),
            Fault::InUse => codes.busy.clone(),
            _ => None,
        };
        of(&self.role.codes).or_else(|| of(&self.schema.lifecycle.resource(self.role.resource).codes))
    }

    /// The error that the lifecycle knows for a fault.
    pub(crate) fn known_error(&self, fault: Fault) -> Option<ShapeIx> {
        match fault {
            Fault::NotFound => self.role.missing,
            Fault::Exists => self.role.conflict,
            Fault::InUse => self.role.busy,
            _ => None,
        }
    }

    /// Whether an overlay says that such a thing is no error.
    pub(crate) fn is_no_fault(&self, fault: Fault) -> bool {
        self.code(fault).is_some_and(|code| code.is_empty())
    }

    pub(crate) fn models(&self, fault: Fault) -> bool {
        if self.is_no_fault(fault) {
            return false;
        }
        self.known_error(fault).is_some()
            || self.code(fault).is_some()
            || modelled(self.context, fault, &self.schema.ty(self.role.resource).noun.text).is_some()
            || (fault == Fault::NotFound && awaited(self.context).is_some())
    }
}
