//! A server whose clock is wrong.

use std::fmt;

use serde::{Deserialize, Serialize};
use standin_core::{OperationError, parse_duration};
use standin_model::{Protocol, Service, Timestamp};

/// How far a caller's date may be off: S3 grants a quarter of an hour, other services five minutes (the SDKs' own bound
/// for correcting themselves is the latter).
const S3_TOLERANCE_MS: i64 = 15 * 60_000;
const TOLERANCE_MS: i64 = 5 * 60_000;

/// By how much the server's clock is ahead: `10m`, or behind: `-10m`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Skew {
    text: String,
    millis: i64,
}

impl Skew {
    /// The time that the server believes it is.
    pub fn shifted(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_millis(now.as_millis().saturating_add(self.millis))
    }

    /// What a service says to a request that was signed at a time that it takes for wrong.
    pub fn judge(&self, service: &Service, signed: Timestamp, now: Timestamp) -> Option<OperationError> {
        let here = self.shifted(now);
        let tolerance = if service.id == "s3" { S3_TOLERANCE_MS } else { TOLERANCE_MS };
        let off = signed.as_millis().saturating_sub(here.as_millis());
        if off.saturating_abs() <= tolerance {
            return None;
        }
        let (signed, there) = (compact(signed), compact(here));
        let dates = if off < 0 {
            format!("Signature expired: {signed} is now earlier than the earliest time accepted at {there}")
        } else {
            format!("Signature not yet current: {signed} is still later than the latest time accepted at {there}")
        };
        let query = matches!(service.protocols[..], [Protocol::AwsQuery, ..]);
        Some(match service.id {
            "s3" => {
                let text = "The difference between the request time and the server's time is too large";
                let error = OperationError::new("RequestTimeTooSkewed", text).with_status(403);
                error.with_member("RequestTime", signed).with_member("ServerTime", here.to_date_time())
            }
            "ec2" => OperationError::new("RequestExpired", dates).with_status(400),
            _ if query => OperationError::new("SignatureDoesNotMatch", dates).with_status(403),
            _ => OperationError::new("InvalidSignatureException", dates).with_status(403),
        })
    }
}

/// `20260101T000000Z`.
fn compact(time: Timestamp) -> String {
    let text = Timestamp::from_seconds(time.as_millis().div_euclid(1000)).to_date_time();
    text.chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Skew {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (sign, size) = match text.strip_prefix('-') {
            Some(size) => (-1, size),
            None => (1, text.strip_prefix('+').unwrap_or(&text)),
        };
        let millis = i64::try_from(parse_duration(size)?.as_millis()).map_err(|_| format!("{text:?} is too long"))?;
        Ok(Self { millis: sign * millis, text })
    }
}

impl From<Skew> for String {
    fn from(skew: Skew) -> Self {
        skew.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use standin_model::Catalogue;

    #[track_caller]
    fn check(service: &str, skew: &str, signed: &str, expect: Option<&str>) {
        let service = Catalogue::shared().find(service).unwrap().open().unwrap();
        let at = |text: &str| Timestamp::parse_date_time(text).unwrap();
        let error = Skew::try_from(skew.to_owned()).unwrap().judge(service, at(signed), at("2026-01-01T00:00:00Z"));
        assert_eq!(error.as_ref().map(|error| &*error.code), expect, "{} {skew} {signed}", service.id);
    }

    #[test]
    fn dates_too_far_off_are_refused_as_the_service_says_it() {
        check("s3", "10m", "2026-01-01T00:00:00Z", None);
        check("s3", "20m", "2026-01-01T00:00:00Z", Some("RequestTimeTooSkewed"));
        check("s3", "20m", "2026-01-01T00:20:00Z", None);
        check("dynamodb", "10m", "2026-01-01T00:00:00Z", Some("InvalidSignatureException"));
        check("dynamodb", "-10m", "2026-01-01T00:00:00Z", Some("InvalidSignatureException"));
        check("dynamodb", "10m", "2026-01-01T00:06:00Z", None);
        check("sts", "1h", "2026-01-01T00:00:00Z", Some("SignatureDoesNotMatch"));
        check("ec2", "1h", "2026-01-01T00:00:00Z", Some("RequestExpired"));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for wrong in ["", "-", "soon", "--1m", "99999999999999d"] {
            assert!(Skew::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
