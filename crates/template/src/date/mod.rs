//! Dates as JavaScript computes with them: milliseconds since 1970, read and set in a zone.

pub(crate) mod format;
pub(crate) mod parse;

use jiff::civil;
use jiff::tz::TimeZone;

use crate::print::timestamp;

/// The parts of a date in a zone. Parts may lie beyond their range; they carry over when the date is made again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    pub(crate) year: f64,
    /// From 0.
    pub(crate) month: f64,
    pub(crate) day: f64,
    pub(crate) hour: f64,
    pub(crate) minute: f64,
    pub(crate) second: f64,
    pub(crate) milli: f64,
}

impl Parts {
    pub(crate) fn date(year: f64, month: f64, day: f64) -> Self {
        Self { year, month, day, hour: 0.0, minute: 0.0, second: 0.0, milli: 0.0 }
    }

    /// The parts of a valid date.
    pub(crate) fn of(millis: f64, zone: &TimeZone) -> Option<Self> {
        let zoned = timestamp(millis)?.to_zoned(zone.clone());
        Some(Self {
            year: f64::from(zoned.year()),
            month: f64::from(zoned.month() - 1),
            day: f64::from(zoned.day()),
            hour: f64::from(zoned.hour()),
            minute: f64::from(zoned.minute()),
            second: f64::from(zoned.second()),
            milli: f64::from(zoned.millisecond()),
        })
    }

    /// Milliseconds since 1970 if the zone were UTC; NaN if there is no such date.
    pub(crate) fn utc(self) -> f64 {
        let months = self.year * 12.0 + self.month;
        let (year, month) = ((months / 12.0).floor(), months.rem_euclid(12.0));
        if !(-271_821.0..=275_760.0).contains(&year) {
            return f64::NAN;
        }
        let days = days_before(year as i64, month as i64 + 1) as f64 + self.day - 1.0;
        let seconds = (self.hour * 60.0 + self.minute) * 60.0 + self.second;
        let millis = days * 86_400_000.0 + seconds * 1_000.0 + self.milli;
        if millis.abs() > 8.64e15 { f64::NAN } else { millis }
    }

    /// Milliseconds since 1970 in a zone; NaN if there is no such date.
    pub(crate) fn local(self, zone: &TimeZone) -> f64 {
        let millis = self.utc();
        let Some(civil) = timestamp(millis).map(|at| at.to_zoned(TimeZone::UTC).datetime()) else { return f64::NAN };
        let at = zone.to_ambiguous_timestamp(civil).compatible();
        at.map_or(f64::NAN, |at| at.as_millisecond() as f64)
    }
}

/// Days from 1970 to the first of a month of the proleptic Gregorian calendar; months count from 1.
fn days_before(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The calendar day of a date in a zone.
pub(crate) fn day_of(millis: f64, zone: &TimeZone) -> Option<civil::Date> {
    Some(timestamp(millis)?.to_zoned(zone.clone()).date())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_carry_over() {
        let cases: &[(f64, f64, f64, f64)] = &[
            (1970.0, 0.0, 1.0, 0.0),
            (2026.0, 1.0, 31.0, 1_772_496_000_000.0),
            (2026.0, 13.0, 1.0, 1_801_440_000_000.0),
            (2026.0, 0.0, 0.0, 1_767_139_200_000.0),
            (2024.0, 1.0, 29.0, 1_709_164_800_000.0),
            (-1.0, 0.0, 1.0, -62_198_755_200_000.0),
        ];
        for (year, month, day, expect) in cases {
            assert_eq!(Parts::date(*year, *month, *day).utc(), *expect, "{year} {month} {day}");
        }
        assert!(Parts::date(1e9, 0.0, 1.0).utc().is_nan());
        assert!(Parts::date(f64::NAN, 0.0, 1.0).utc().is_nan());
    }
}
