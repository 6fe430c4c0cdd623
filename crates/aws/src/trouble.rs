//! What goes wrong, and whether it goes away.

use std::fmt;

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It goes away by itself: no connection, a timeout, throttling, a fault of the service. The same call may be made again.
    Passing(String),
    /// The service, or the lack of credentials, refuses it: the same call would be refused again.
    Refused { code: String, message: String },
}

impl Trouble {
    pub fn refused(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Refused { code: code.into(), message: message.into() }
    }

    /// What the service calls the error; nothing where no service has answered.
    pub fn code(&self) -> &str {
        match self {
            Self::Passing(_) => "",
            Self::Refused { code, .. } => code,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passing(what) => f.write_str(what),
            Self::Refused { code, message } if message.is_empty() => f.write_str(code),
            Self::Refused { code, message } => write!(f, "{message} ({code})"),
        }
    }
}

impl std::error::Error for Trouble {}

/// Whether an error of that code and HTTP status goes away by itself.
#[cfg_attr(not(feature = "sdk"), expect(dead_code, reason = "errors are those of the SDK"))]
pub(crate) fn passes(code: &str, status: u16) -> bool {
    const PASSING: [&str; 12] = [
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "InternalError",
        "InternalFailure",
        "LimitExceededException.Throttling",
        "OperationInProgressException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
    ];
    // Sessions end while they are in use; the next call has a new one.
    const ENDED: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "RequestExpired"];
    status >= 500
        || status == 429
        || code.starts_with("Throttl")
        || code.starts_with("TooManyRequests")
        || PASSING.contains(&code)
        || ENDED.contains(&code)
}

#[cfg(feature = "sdk")]
mod of_the_sdk {
    use std::error::Error;

    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_runtime_api::client::result::SdkError;
    use aws_smithy_types::error::metadata::ProvideErrorMetadata;

    use super::{Trouble, passes};

    impl<E> From<SdkError<E, HttpResponse>> for Trouble
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        fn from(error: SdkError<E, HttpResponse>) -> Self {
            match &error {
                SdkError::ServiceError(context) => {
                    let code = context.err().code().unwrap_or("Unknown");
                    let message = context.err().message().unwrap_or_default();
                    if passes(code, context.raw().status().as_u16()) {
                        return Self::Passing(format!("{message} ({code})"));
                    }
                    Self::refused(code, message)
                }
                SdkError::ConstructionFailure(_) => Self::refused("ConstructionFailure", chain(&error)),
                // No usable endpoint, no permission to connect: told as what it is, and tried again.
                _ => Self::Passing(chain(&error)),
            }
        }
    }

    /// An error with what caused it, as one line.
    pub(crate) fn chain(error: &dyn Error) -> String {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let more = error.to_string();
            if !text.contains(&more) {
                text.push_str(": ");
                text.push_str(&more);
            }
            cause = error.source();
        }
        text
    }
}
#[cfg(feature = "sdk")]
pub(crate) use of_the_sdk::chain;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_stays() {
        let check = |code: &str, status: u16, expect: bool| assert_eq!(passes(code, status), expect, "{code} {status}");
        check("Throttling", 400, true);
        check("ThrottlingException", 400, true);
        check("TooManyRequestsException", 400, true);
        check("ExpiredToken", 403, true);
        check("Unknown", 503, true);
        check("Unknown", 429, true);
        check("ValidationError", 400, false);
        check("AccessDenied", 403, false);
        check("AlreadyExistsException", 400, false);
        check("InsufficientCapabilitiesException", 400, false);
    }

    #[test]
    fn trouble_is_told_with_its_code() {
        let check = |trouble: Trouble, expect: &str| assert_eq!(trouble.to_string(), expect);
        check(Trouble::Passing("no route".into()), "no route");
        check(Trouble::refused("AccessDenied", "not yours"), "not yours (AccessDenied)");
        check(Trouble::refused("AccessDenied", ""), "AccessDenied");
    }
}
