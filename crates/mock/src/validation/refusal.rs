//! The error that refuses an input: which code, which words, which members.

use standin_core::{OperationError, codes};
use standin_model::{Document, Fields, Kind, Member, Operation, Protocol, Service, ShapeIx, Str, Structure};

use super::violation::{Constraint, Shown, Violation};

/// What AWS's services call an input that breaks a constraint; of those that an operation models, the first counts.
const MODELLED: &[Str] = &[
    "ValidationException",
    "ValidationError",
    "InvalidParameterValueException",
    "InvalidParameterException",
    "InvalidInputException",
    "InvalidRequestException",
    "BadRequestException",
    "InvalidArgumentException",
    "InvalidArgument",
    "InvalidInput",
    "InvalidParameterValue",
    "InvalidParameter",
    "InvalidParametersException",
    "InvalidParameterValuesException",
    "WAFInvalidParameterException",
    "WAFBadRequestException",
    "IllegalArgumentException",
    "ArgumentException",
    "BadRequest",
    "BadRequestError",
    "CloudHsmInvalidRequestException",
    "InvalidGatewayRequestException",
    "InterconnectValidationException",
    "InvalidParameterCombinationException",
];

/// The same where members are missing and nothing else is wrong.
const MODELLED_FOR_MISSING: &[Str] =
    &["MissingParameterException", "MissingRequiredParameterException", "MissingParameterValueException"];

/// Services in front of which AWS's framework refuses, with its own code, although their operations model another.
const REFUSED_BY_FRAMEWORK: &[Str] = &["glue", "kinesis", "lambda"];

/// Builds the error for a list of violations, which is not empty.
pub(super) fn refuse(service: &Service, operation: &Operation, violations: &[Violation]) -> OperationError {
    let only_missing = violations.iter().all(|violation| violation.constraint.is_missing());
    let protocol = service.protocol();
    if protocol == Protocol::Ec2Query {
        return refuse_ec2(violations, only_missing);
    }
    let code = match protocol {
        // Query services answer `ValidationError` also where their operations model something like it (IAM).
        Protocol::AwsQuery => "ValidationError",
        _ if REFUSED_BY_FRAMEWORK.contains(&service.id) => codes::VALIDATION,
        _ => match modelled(service, operation, only_missing) {
            Some(code) => code,
            None if protocol == Protocol::RestXml && only_missing => "InvalidRequest",
            None if protocol == Protocol::RestXml => "InvalidArgument",
            None => codes::VALIDATION,
        },
    };
    let mut error = OperationError::new(code, message(violations)).with_status(400);
    if let Some(structure) = error.shape(service, Some(operation)).and_then(|shape| service.structure(shape)) {
        error.members = members(service, structure, violations);
    }
    error
}

fn message(violations: &[Violation]) -> String {
    let plural = if violations.len() == 1 { "" } else { "s" };
    let listed: Vec<String> = violations.iter().map(ToString::to_string).collect();
    format!("{} validation error{plural} detected: {}", violations.len(), listed.join("; "))
}

fn modelled(service: &Service, operation: &Operation, only_missing: bool) -> Option<Str> {
    let models = |name: &Str| operation.errors.iter().any(|ix| service.shape(*ix).name == *name);
    let missing = if only_missing { MODELLED_FOR_MISSING } else { &[] };
    missing.iter().chain(MODELLED).copied().find(models)
}

/// EC2 names one parameter, in words of its own.
fn refuse_ec2(violations: &[Violation], only_missing: bool) -> OperationError {
    let told = violations.iter().find(|violation| !violation.constraint.is_missing() || only_missing);
    let Some(Violation { path, value, constraint }) = told else {
        return OperationError::new("InvalidParameterValue", "").with_status(400);
    };
    let error = match (constraint, value) {
        (Constraint::NotNull, _) => {
            OperationError::new("MissingParameter", format!("The request must contain the parameter {path}"))
        }
        (_, Shown::Text(text)) => OperationError::new(
            "InvalidParameterValue",
            format!("Value ({text}) for parameter {path} is invalid. {constraint}"),
        ),
        _ => OperationError::new("InvalidParameterValue", format!("The parameter {path} is invalid. {constraint}")),
    };
    error.with_status(400)
}

/// The members of the error beside its message: the reason and the list of members that were wrong, where the error has
/// such, and whatever else it requires.
fn members(service: &Service, structure: &Structure, violations: &[Violation]) -> Fields {
    let mut fields = Fields::new();
    for member in structure.members.iter().filter(|member| !member.name.eq_ignore_ascii_case("message")) {
        let value = match (&service.target(member).kind, member.name.to_ascii_lowercase().as_str()) {
            (Kind::String { enum_values }, "reason") if !enum_values.is_empty() => reason(enum_values, violations),
            (Kind::List(list), "fieldlist" | "fields") => broken_fields(service, list.member.target, violations),
            _ if member.required => filling(service, member, violations),
            _ => None,
        };
        if let Some(value) = value {
            fields.push(member.name, value);
        }
    }
    fields
}

/// Of the modelled reasons, the one that says that a member is wrong.
fn reason(values: &[Str], violations: &[Violation]) -> Option<Document> {
    let plain = |value: &Str| value.replace('_', "").to_ascii_lowercase();
    let missing = violations.iter().all(|violation| violation.constraint.is_missing()).then_some("missing");
    let wanted = missing.into_iter().chain(["fieldvalidationfailed", "requestvalidationfailed", "other"]);
    let found = wanted.map(|wanted| values.iter().find(|value| plain(value) == wanted)).find_map(|found| found);
    found.or(values.first()).map(|value| Document::from(*value))
}

/// A list of `{name, message}`, under whichever names the model has for the two.
fn broken_fields(service: &Service, item: ShapeIx, violations: &[Violation]) -> Option<Document> {
    let structure = service.structure(item)?;
    let items = violations.iter().map(|violation| {
        let mut fields = Fields::new();
        for member in &structure.members {
            let value = match (&service.target(member).kind, member.name.to_ascii_lowercase().as_str()) {
                (Kind::String { enum_values }, "reason") if !enum_values.is_empty() => {
                    reason(enum_values, std::slice::from_ref(violation))
                }
                (Kind::String { .. }, "name" | "path" | "field" | "fieldname") => Some(violation.path.clone().into()),
                (Kind::String { .. }, _) if member.required => Some(violation.to_string().into()),
                (Kind::String { .. }, "message" | "description" | "reason") => Some(violation.to_string().into()),
                _ if member.required => filling(service, member, std::slice::from_ref(violation)),
                _ => None,
            };
            if let Some(value) = value {
                fields.push(member.name, value);
            }
        }
        Document::Map(fields)
    });
    Some(Document::List(items.collect()))
}

/// Something for a member that must be there.
fn filling(service: &Service, member: &Member, violations: &[Violation]) -> Option<Document> {
    Some(match &service.target(member).kind {
        Kind::String { enum_values } => match enum_values.first() {
            Some(value) => Document::from(*value),
            None if member.name.to_ascii_lowercase().ends_with("code") => Document::from(codes::VALIDATION),
            None => message(violations).into(),
        },
        Kind::Boolean => Document::Bool(false),
        Kind::Byte | Kind::Short | Kind::Integer | Kind::Long | Kind::BigInteger => Document::Int(0),
        Kind::Float | Kind::Double | Kind::BigDecimal => Document::Float(0.0),
        Kind::List(_) => Document::List(Vec::new()),
        Kind::Map(_) | Kind::Structure(_) => Document::map(),
        Kind::Blob { .. } | Kind::Timestamp(_) | Kind::Document => return None,
    })
}
