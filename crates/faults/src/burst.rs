//! Faults that come in bursts: by calls or by time.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use standin_core::parse_duration;

/// `10/100`: ten calls out of every hundred that match. `30s/5m`: the first thirty seconds of every five minutes of the
/// virtual clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Burst {
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Calls { on: u64, of: u64 },
    Time { on: Duration, of: Duration },
}

impl Burst {
    /// Whether the fault is on at the n-th matching call, at a time in milliseconds since 1970.
    pub fn is_on(&self, number: u64, now_ms: i64) -> bool {
        match self.kind {
            Kind::Calls { on, of } => (number - 1) % of < on,
            Kind::Time { on, of } => {
                let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
                now_ms.rem_euclid(millis(of)) < millis(on)
            }
        }
    }
}

impl FromStr for Burst {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no burst such as 10/100 (calls) or 30s/5m (time)");
        let (on, of) = text.split_once('/').ok_or_else(wrong)?;
        let (on, of) = (on.trim(), of.trim());
        let kind = match (on.parse::<u64>(), of.parse::<u64>()) {
            (Ok(on), Ok(of)) if 0 < on && on <= of => Kind::Calls { on, of },
            (Ok(_), Ok(_)) => return Err(wrong()),
            _ => {
                let (on, of) = (parse_duration(on)?, parse_duration(of)?);
                if on.as_millis() == 0 || on > of {
                    return Err(wrong());
                }
                Kind::Time { on, of }
            }
        };
        Ok(Self { text: text.to_owned(), kind })
    }
}

impl TryFrom<String> for Burst {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Burst> for String {
    fn from(burst: Burst) -> Self {
        burst.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_calls_and_by_time() {
        let calls: Burst = "2/5".parse().unwrap();
        let on: Vec<bool> = (1..=7).map(|number| calls.is_on(number, 0)).collect();
        assert_eq!(on, [true, true, false, false, false, true, true]);
        let time: Burst = "30s/5m".parse().unwrap();
        assert!(time.is_on(1, 29_999) && !time.is_on(1, 30_000) && time.is_on(1, 300_000));
        for wrong in ["", "3", "5/2", "0/2", "0/0", "5m/30s", "0/5m", "a/b"] {
            assert!(wrong.parse::<Burst>().is_err(), "{wrong}");
        }
    }
}
