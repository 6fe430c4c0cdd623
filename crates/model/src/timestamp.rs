//! A point in time as models mean it.

use std::fmt;

/// Seconds and nanoseconds since 1970-01-01T00:00:00Z. `nanos` counts forward, also before 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp {
    pub seconds: i64,
    /// 0 ..= 999,999,999
    pub nanos: u32,
}

impl Timestamp {
    pub fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// From fractional epoch seconds. Rounded to milliseconds, which is what AWS keeps. NaN and infinities give `None`.
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() || value.abs() > 1e15 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
        let millis = (value * 1000.0).round() as i64;
        Some(Self::from_millis(millis))
    }

    pub fn from_millis(millis: i64) -> Self {
        let nanos = millis.rem_euclid(1000) * 1_000_000;
        Self { seconds: millis.div_euclid(1000), nanos: u32::try_from(nanos).expect("below 10^9") }
    }

    pub fn as_millis(self) -> i64 {
        self.seconds.saturating_mul(1000).saturating_add(i64::from(self.nanos / 1_000_000))
    }

    #[expect(clippy::cast_precision_loss, reason = "epoch seconds fit in 53 bits for thousands of years")]
    pub fn as_f64(self) -> f64 {
        self.seconds as f64 + f64::from(self.nanos) / 1e9
    }

    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self { seconds: self.seconds.saturating_add(seconds), nanos: self.nanos }
    }

    fn jiff(self) -> jiff::Timestamp {
        let nanos = i32::try_from(self.nanos).unwrap_or(0);
        jiff::Timestamp::new(self.seconds, nanos).unwrap_or(if self.seconds < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }

    /// `2026-10-07T12:00:00Z`, with a fraction only where there is one (Smithy `date-time`).
    pub fn to_date_time(self) -> String {
        self.jiff().to_string()
    }

    /// `Wed, 07 Oct 2026 12:00:00 GMT` (Smithy `http-date`, IMF-fixdate).
    pub fn to_http_date(self) -> String {
        self.jiff().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// Reads RFC 3339 with any offset, and the forms without offset or time that AWS services tolerate (taken as UTC).
    pub fn parse_date_time(text: &str) -> Option<Self> {
        if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
            return Some(Self::from_jiff(stamp));
        }
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        Some(Self::from_jiff(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()))
    }

    /// Reads an HTTP date (IMF-fixdate, with optional fraction of a second as Smithy allows).
    pub fn parse_http_date(text: &str) -> Option<Self> {
        let stamp = jiff::fmt::strtime::parse("%a, %d %b %Y %H:%M:%S%.f %Z", text)
            .or_else(|_| jiff::fmt::strtime::parse("%a, %d %b %Y %H:%M:%S%.f GMT", text))
            .ok()?;
        let civil = stamp.to_datetime().ok()?;
        Some(Self::from_jiff(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()))
    }

    /// Reads any of the three formats.
    pub fn parse_any(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(number) = text.parse::<f64>() {
            return Self::from_f64(number);
        }
        Self::parse_date_time(text).or_else(|| Self::parse_http_date(text))
    }

    fn from_jiff(stamp: jiff::Timestamp) -> Self {
        let nanos = stamp.as_nanosecond();
        let seconds = nanos.div_euclid(1_000_000_000);
        Self {
            seconds: i64::try_from(seconds).expect("jiff's range fits"),
            nanos: u32::try_from(nanos.rem_euclid(1_000_000_000)).expect("below 10^9"),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_date_time())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_and_reads_back() {
        let stamp = Timestamp { seconds: 1_791_374_400, nanos: 0 };
        assert_eq!(stamp.to_date_time(), "2026-10-07T12:00:00Z");
        assert_eq!(stamp.to_http_date(), "Wed, 07 Oct 2026 12:00:00 GMT");
        for text in [
            "2026-10-07T12:00:00Z",
            "2026-10-07T14:00:00+02:00",
            "2026-10-07T12:00:00",
            "1791374400",
            "Wed, 07 Oct 2026 12:00:00 GMT",
        ] {
            assert_eq!(Timestamp::parse_any(text), Some(stamp), "{text}");
        }
        assert_eq!(Timestamp::parse_any("Wed, 07 Oct 2026 12:00:00.500 GMT").map(|t| t.nanos), Some(500_000_000));
        assert_eq!(Timestamp::parse_any("yesterday"), None);
        assert_eq!(Timestamp::from_f64(f64::NAN), None);
        assert_eq!(Timestamp::from_millis(-1).as_millis(), -1);
    }
}
