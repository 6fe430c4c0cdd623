//! A rule, as people write it.

use serde::{Deserialize, Serialize};
use standin_core::Twist;
use standin_model::Operation;

use crate::delay::Delay;
use crate::matcher::Matcher;
use crate::rate::Rate;
use crate::skew::Skew;

/// Which calls, when, how often, and what goes wrong with them. In TOML, JSON and on the command line alike; whatever is
/// left out does not restrict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Rule {
    /// Unique among the rules; made up where it is missing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Off rules stay in the list and do nothing.
    pub enabled: bool,

    #[serde(flatten)]
    pub matcher: Matcher,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What goes wrong. Several things may: the call waits, then it is limited, refused or its connection broken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Outcome {
    /// The name of an error that the operation can return, `random` for any of them, or a generic one of AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The HTTP status of an error that nobody models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Also errors that the operation cannot return.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Delay>,
    /// The body comes at so many bytes per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trickle: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Reads see what was created, changed or deleted only after this time: eventual consistency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<Delay>,
    /// The share of a batch's items that fail, with the error where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial: Option<f64>,
    /// By how much the clock of the server is wrong: what is signed by another time is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skew: Option<Skew>,
    /// Where the transition that the call begins ends.
    #[serde(skip_serializing_if = "Option::is_none", with = "twist")]
    pub transition: Option<Twist>,
    /// The work is done twice before the answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub twice: bool,
}

/// Which calls, by what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    Read,
    Write,
    /// Those that may be repeated without harm: reads, and writes that the model marks so or that carry a client token.
    Idempotent,
}

/// How a connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// The connection is reset at its first byte, before anybody can know what call it was to carry.
    Refuse,
    /// The TLS handshake fails.
    Tls,
    /// The connection ends before anything is done.
    ResetBefore,
    /// All is done, and the connection ends without an answer: the acknowledgement is lost.
    ResetAfter,
    /// No answer, until the client gives up. Nothing is done.
    Hang,
    /// Half of the body, then the end of the connection.
    Truncate,
    /// `content-length` says more than comes.
    WrongLength,
    /// A body that is no document of the protocol.
    Malformed,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            id: String::new(),
            description: String::new(),
            enabled: true,
            matcher: Matcher::default(),
            outcome: Outcome::default(),
        }
    }
}

impl Network {
    /// Whether it is about connections rather than calls.
    pub fn is_before_calls(self) -> bool {
        matches!(self, Self::Refuse | Self::Tls)
    }
}

impl Outcome {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Whether only a batch can suffer from it.
    pub(crate) fn is_partial_only(&self) -> bool {
        self.partial.is_some() && self.latency.is_none() && self.network.is_none() && self.trickle.is_none()
    }
}

impl Class {
    /// Whether an operation is of this class. Where the model does not say what reads, its name does.
    pub fn holds(self, operation: &Operation, has_client_token: bool) -> bool {
        const READS: [&str; 12] = [
            "Get", "List", "Describe", "BatchGet", "Search", "Query", "Scan", "Head", "Lookup", "Check", "Preview",
            "Select",
        ];
        let reads = operation.readonly
            || operation.http.method == "GET"
            || operation.http.method == "HEAD"
            || READS.iter().any(|verb| operation.name.strip_prefix(verb).is_some_and(starts_word));
        match self {
            Self::Read => reads,
            Self::Write => !reads,
            Self::Idempotent => reads || operation.idempotent || has_client_token,
        }
    }
}

/// Whether a new word begins here, so that the one before has ended.
fn starts_word(rest: &str) -> bool {
    rest.chars().next().is_none_or(|c| !c.is_lowercase())
}

/// `failed` and `stuck`.
mod twist {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
    use standin_core::Twist;

    pub(super) fn serialize<S: Serializer>(twist: &Option<Twist>, serializer: S) -> Result<S::Ok, S::Error> {
        twist.map(|twist| if twist == Twist::Failed { "failed" } else { "stuck" }).serialize(serializer)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Option<Twist>, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "failed" => Ok(Some(Twist::Failed)),
            "stuck" => Ok(Some(Twist::Stuck)),
            other => Err(serde::de::Error::custom(format!("{other:?} is neither `failed` nor `stuck`"))),
        }
    }
}
