//! The errors of an operation, and what they mean to a client.

use standin_core::OperationError;
use standin_model::words::squash;
use standin_model::{Operation, Service, ShapeIx, Str};

/// What an error means, as far as its name and traits tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Throttling,
    NotFound,
    Conflict,
    AccessDenied,
    Limit,
    Timeout,
    Server,
    Validation,
    Other,
}

impl Meaning {
    pub fn name(self) -> Str {
        match self {
            Self::Throttling => "throttling",
            Self::NotFound => "not found",
            Self::Conflict => "conflict",
            Self::AccessDenied => "access denied",
            Self::Limit => "limit",
            Self::Timeout => "timeout",
            Self::Server => "server",
            Self::Validation => "validation",
            Self::Other => "other",
        }
    }

    fn of(name: &str, status: u16, throttling: bool) -> Self {
        let name = squash(name);
        let has = |marks: &[&str]| marks.iter().any(|mark| name.contains(mark));
        if throttling
            || has(&["throttl", "toomanyrequests", "slowdown", "requestlimit", "throughputexceeded", "bandwidthlimit"])
        {
            Self::Throttling
        } else if has(&["notfound", "nosuch", "doesnotexist", "notexist"]) || status == 404 {
            Self::NotFound
        } else if has(&["quota", "limitexceeded", "limitreached", "toomany"]) {
            Self::Limit
        } else if has(&["conflict", "alreadyexists", "inuse", "concurrentmod", "duplicate"]) || status == 409 {
            Self::Conflict
        } else if has(&["accessdenied", "unauthorized", "forbidden", "notauthorized", "expiredtoken"])
            || matches!(status, 401 | 403)
        {
            Self::AccessDenied
        } else if has(&["timeout", "timedout"]) {
            Self::Timeout
        } else if status >= 500 || has(&["internal", "serviceunavailable"]) {
            Self::Server
        } else if has(&["validation", "invalid", "malformed", "missing"]) {
            Self::Validation
        } else {
            Self::Other
        }
    }
}

/// An error that an operation can end in.
#[derive(Clone, Debug)]
pub struct ErrorInfo {
    /// The name of its shape.
    pub name: Str,
    /// What stands on the wire.
    pub code: Str,
    pub status: u16,
    /// Whether the model says that a retry may help.
    pub retryable: bool,
    pub meaning: Meaning,
}

/// All errors that the model lists for an operation, in its order.
pub fn catalogue(service: &'static Service, operation: &Operation) -> Vec<ErrorInfo> {
    operation.errors.iter().filter_map(|shape| info(service, *shape)).collect()
}

fn info(service: &'static Service, shape: ShapeIx) -> Option<ErrorInfo> {
    let traits = service.structure(shape)?.error.as_ref()?;
    let name = service.shape(shape).name;
    let status = traits.http_status();
    Some(ErrorInfo {
        name,
        code: OperationError::wire_code(service, shape),
        status,
        retryable: traits.retryable,
        meaning: Meaning::of(name, status, traits.throttling),
    })
}

/// An error that any service may answer with although its model does not list it.
#[derive(Clone, Copy, Debug)]
pub struct Generic {
    pub code: Str,
    pub status: u16,
    pub message: Str,
}

/// As the AWS general reference ("Common Errors") and the retry code of the SDKs know them.
const GENERIC: &[Generic] = &[
    Generic { code: "ThrottlingException", status: 400, message: "Rate exceeded" },
    Generic { code: "Throttling", status: 400, message: "Rate exceeded" },
    Generic { code: "ThrottledException", status: 400, message: "Rate exceeded" },
    Generic { code: "RequestThrottled", status: 400, message: "Rate exceeded" },
    Generic { code: "RequestThrottledException", status: 400, message: "Rate exceeded" },
    Generic { code: "TooManyRequestsException", status: 429, message: "Rate exceeded" },
    Generic { code: "RequestLimitExceeded", status: 503, message: "Request limit exceeded" },
    Generic { code: "SlowDown", status: 503, message: "Reduce the request rate" },
    Generic { code: "InternalFailure", status: 500, message: "An internal error has occurred" },
    Generic { code: "InternalServerError", status: 500, message: "An internal error has occurred" },
    Generic { code: "InternalError", status: 500, message: "An internal error has occurred" },
    Generic { code: "BadGateway", status: 502, message: "Bad gateway" },
    Generic { code: "ServiceUnavailable", status: 503, message: "The service is unavailable" },
    Generic { code: "GatewayTimeout", status: 504, message: "Gateway timeout" },
    Generic { code: "RequestTimeout", status: 400, message: "The request took too long" },
    Generic { code: "RequestTimeoutException", status: 400, message: "The request took too long" },
    Generic { code: "ExpiredToken", status: 400, message: "The security token in the request is expired" },
    Generic { code: "ExpiredTokenException", status: 403, message: "The security token in the request is expired" },
    Generic { code: "RequestExpired", status: 400, message: "The request is expired" },
    Generic {
        code: "RequestTimeTooSkewed",
        status: 403,
        message: "The request's time differs too much from the server's",
    },
    Generic { code: "InvalidSignatureException", status: 403, message: "The signature is expired or not yet current" },
    Generic { code: "SignatureDoesNotMatch", status: 403, message: "The signature does not match" },
    Generic {
        code: "UnrecognizedClientException",
        status: 403,
        message: "The security token in the request is invalid",
    },
    Generic { code: "InvalidClientTokenId", status: 403, message: "The access key id is unknown" },
    Generic { code: "AccessDenied", status: 403, message: "Access denied" },
    Generic { code: "AccessDeniedException", status: 403, message: "Access denied" },
    Generic { code: "OptInRequired", status: 403, message: "The account is not subscribed to the service" },
];

/// What AWS answers under a code that any service may use.
pub fn generic(code: &str) -> Option<&'static Generic> {
    GENERIC.iter().find(|generic| generic.code == code)
}

pub(crate) fn generic_codes() -> impl Iterator<Item = Str> {
    GENERIC.iter().map(|generic| generic.code)
}

/// Codes by which every SDK knows that it was throttled and should come again later (the SDK reference guide's "Retry
/// behavior").
const THROTTLING: &[Str] = &[
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "RequestThrottled",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
];

/// Whether SDKs take a code for throttling.
pub(crate) fn is_throttling(code: &str) -> bool {
    THROTTLING.contains(&code)
}

/// Names that stand for a kind of error, whatever each service calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `random`: any that the operation lists.
    Random,
    /// `throttling`: as the operation models it, else as its protocol's services say it.
    Throttling,
    /// `server`: an error of the 500 class.
    Server,
}

impl Kind {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "random" => Self::Random,
            "throttling" => Self::Throttling,
            "server" => Self::Server,
            _ => return None,
        })
    }
}
