//! Settings of SDKs for retries, as environment variables.

/// A named setting.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    pub name: &'static str,
    pub about: &'static str,
    /// Variables of the command; `None` takes one away.
    pub variables: &'static [(&'static str, Option<&'static str>)],
}

impl Retries {
    pub fn find(name: &str) -> Option<&'static Self> {
        RETRIES.iter().find(|retries| retries.name == name)
    }
}

/// All settings. Source: "Retry behavior" in the reference guide of AWS SDKs and tools.
pub fn retries() -> &'static [Retries] {
    RETRIES
}

const MODE: &str = "AWS_RETRY_MODE";
const MAX: &str = "AWS_MAX_ATTEMPTS";
/// Read by SDK releases of May to November 2026, and by those that have not changed their default yet.
const NEW: &str = "AWS_NEW_RETRIES_2026";

const RETRIES: &[Retries] = &[
    Retries { name: "as-is", about: "what the command itself sets", variables: &[] },
    Retries {
        name: "legacy",
        about: "the mode of each SDK's own",
        variables: &[(MODE, Some("legacy")), (MAX, None), (NEW, None)],
    },
    Retries {
        name: "standard",
        about: "the mode that all SDKs share",
        variables: &[(MODE, Some("standard")), (MAX, None)],
    },
    Retries {
        name: "adaptive",
        about: "standard, and the client slows down when throttled",
        variables: &[(MODE, Some("adaptive")), (MAX, None)],
    },
    Retries {
        name: "2026",
        about: "the defaults since November 2026, in SDKs that must be asked for them",
        variables: &[(MODE, None), (MAX, None), (NEW, Some("true"))],
    },
    Retries {
        name: "before-2026",
        about: "the defaults before, in SDKs that must be asked for the new ones",
        variables: &[(MODE, None), (MAX, None), (NEW, Some("false"))],
    },
    Retries { name: "one-attempt", about: "no retries", variables: &[(MAX, Some("1")), (NEW, None)] },
];
