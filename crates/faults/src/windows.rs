//! Times at which a rule acts: from one to another, or every day between two hours.

use standin_model::Timestamp;

use crate::check::{Refused, refuse};

const DAY_MS: i64 = 86_400_000;

/// A window of time, by the virtual clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// Milliseconds since 1970, without the end.
    Once { from: i64, until: i64 },
    /// Milliseconds since midnight UTC. Where the end is before the beginning, it lasts past midnight.
    Daily { from: i64, until: i64 },
}

impl Window {
    /// Reads `2026-01-01T08:00:00Z..2026-01-01T09:00:00Z`, `+10m..+20m` (counted from `now`) and `09:00..17:30` (every day,
    /// UTC).
    ///
    /// # Errors
    /// Where the text is none of these.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, Refused> {
        let wrong = || {
            Refused(format!(
                "{text:?} is no window such as 2026-01-01T08:00:00Z..2026-01-01T09:00:00Z, +10m..+20m or 09:00..17:30"
            ))
        };
        let (from, until) = text.split_once("..").ok_or_else(wrong)?;
        let (from, until) = (from.trim(), until.trim());
        if let (Some(from), Some(until)) = (of_day(from), of_day(until)) {
            return if from == until { Err(wrong()) } else { Ok(Self::Daily { from, until }) };
        }
        let (from, until) = (time(from, now)?, time(until, now)?);
        if from >= until {
            return refuse(format!("the window {text:?} ends before it begins"));
        }
        Ok(Self::Once { from, until })
    }

    pub fn is_open(self, now_ms: i64) -> bool {
        match self {
            Self::Once { from, until } => (from..until).contains(&now_ms),
            Self::Daily { from, until } => {
                let now = now_ms.rem_euclid(DAY_MS);
                if from < until { (from..until).contains(&now) } else { now >= from || now < until }
            }
        }
    }
}

/// `09:30` as milliseconds since midnight.
fn of_day(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 24 && minutes < 60 && hours * 60 + minutes <= 24 * 60).then_some((hours * 60 + minutes) * 60_000)
}

/// `2026-01-01T00:00:00Z`, or `+10m` from now, in milliseconds since 1970.
pub(crate) fn time(text: &str, now: Timestamp) -> Result<i64, Refused> {
    if let Some(duration) = text.strip_prefix('+') {
        let duration = standin_core::parse_duration(duration).map_err(Refused)?;
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        return Ok(now.as_millis().saturating_add(millis));
    }
    match Timestamp::parse_date_time(text) {
        Some(time) => Ok(time.as_millis()),
        None => refuse(format!("{text:?} is no time such as 2026-01-01T00:00:00Z or +10m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, open: &[&str], closed: &[&str]) {
        let at = |time: &str| Timestamp::parse_date_time(time).unwrap();
        let window = Window::parse(text, at("2026-01-01T00:00:00Z")).unwrap();
        open.iter().for_each(|time| assert!(window.is_open(at(time).as_millis()), "{text} at {time}"));
        closed.iter().for_each(|time| assert!(!window.is_open(at(time).as_millis()), "{text} at {time}"));
    }

    #[test]
    fn windows_are_open_in_between() {
        check("+10m..+20m", &["2026-01-01T00:10:00Z"], &["2026-01-01T00:09:59Z", "2026-01-01T00:20:00Z"]);
        check("2026-01-02T00:00:00Z..+2d", &["2026-01-02T23:59:59Z"], &["2026-01-01T23:59:59Z"]);
        check("09:00..17:30", &["2026-03-04T09:00:00Z", "1969-01-01T17:29:59Z"], &["2026-03-04T17:30:00Z"]);
        check("22:00..02:00", &["2026-03-04T23:00:00Z", "2026-03-04T01:00:00Z"], &["2026-03-04T12:00:00Z"]);
        check("18:00..24:00", &["2026-03-04T23:59:59Z"], &["2026-03-04T00:00:00Z"]);
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for wrong in ["", "09:00", "09:00..09:00", "+20m..+10m", "25:00..26:00", "9:00..10:00", "a..b", "+1m..10:00"] {
            assert!(Window::parse(wrong, Timestamp::from_millis(0)).is_err(), "{wrong}");
        }
    }
}
