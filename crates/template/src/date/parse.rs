//! Texts that `new Date(text)` understands.

use jiff::tz::TimeZone;

use super::Parts;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Milliseconds since 1970, or NaN. Forms of ISO 8601 first; then the looser ones that browsers share.
pub(crate) fn parse(text: &str, zone: &TimeZone) -> f64 {
    let text = text.trim();
    iso(text, zone).or_else(|| loose(text, zone)).unwrap_or(f64::NAN)
}

/// Takes that many digits.
fn digits(text: &mut &str, count: usize) -> Option<f64> {
    let (taken, rest) = text.split_at_checked(count)?;
    *text = rest;
    taken.bytes().all(|byte| byte.is_ascii_digit()).then(|| taken.parse().ok())?
}

fn take(text: &mut &str, prefix: char) -> bool {
    match text.strip_prefix(prefix) {
        Some(rest) => {
            *text = rest;
            true
        }
        None => false,
    }
}

fn iso(text: &str, zone: &TimeZone) -> Option<f64> {
    let mut rest = text;
    let year = if take(&mut rest, '+') {
        digits(&mut rest, 6)?
    } else if take(&mut rest, '-') {
        -digits(&mut rest, 6)?
    } else {
        digits(&mut rest, 4)?
    };
    let mut parts = Parts::date(year, 0.0, 1.0);
    if take(&mut rest, '-') {
        parts.month = digits(&mut rest, 2)? - 1.0;
        if take(&mut rest, '-') {
            parts.day = digits(&mut rest, 2)?;
        }
    }
    if !(0.0..12.0).contains(&parts.month) || !(1.0..32.0).contains(&parts.day) {
        return Some(f64::NAN);
    }
    if rest.is_empty() {
        return Some(parts.utc());
    }
    if !take(&mut rest, 'T') && !take(&mut rest, 't') && !take(&mut rest, ' ') {
        return None;
    }
    parts.hour = digits(&mut rest, 2)?;
    if !take(&mut rest, ':') {
        return None;
    }
    parts.minute = digits(&mut rest, 2)?;
    if take(&mut rest, ':') {
        parts.second = digits(&mut rest, 2)?;
        if take(&mut rest, '.') || take(&mut rest, ',') {
            let length = rest.bytes().take_while(u8::is_ascii_digit).count();
            let fraction: f64 = format!("0.{}", &rest[..length]).parse().ok()?;
            if length == 0 {
                return None;
            }
            parts.milli = (fraction * 1_000.0 + 1e-9).floor();
            rest = &rest[length..];
        }
    }
    let midnight = parts.hour == 24.0 && parts.minute == 0.0 && parts.second == 0.0 && parts.milli == 0.0;
    if (parts.hour > 23.0 && !midnight) || parts.minute > 59.0 || parts.second > 59.0 {
        return Some(f64::NAN);
    }
    match offset(rest.trim_start())? {
        Some(minutes) => Some(parts.utc() - minutes * 60_000.0),
        None => Some(parts.local(zone)),
    }
}

/// Minutes that a zone is ahead, or none where the text does not name one.
fn offset(text: &str) -> Option<Option<f64>> {
    let mut rest = text;
    if rest.is_empty() {
        return Some(None);
    }
    if rest.eq_ignore_ascii_case("z") || rest.eq_ignore_ascii_case("utc") || rest.eq_ignore_ascii_case("gmt") {
        return Some(Some(0.0));
    }
    let sign = if take(&mut rest, '+') {
        1.0
    } else if take(&mut rest, '-') {
        -1.0
    } else {
        return None;
    };
    let hours = digits(&mut rest, 2)?;
    take(&mut rest, ':');
    let minutes = if rest.is_empty() { 0.0 } else { digits(&mut rest, 2)? };
    (rest.is_empty() && hours < 24.0 && minutes < 60.0).then_some(Some(sign * (hours * 60.0 + minutes)))
}

/// Words and numbers in any order: `Sun Nov 22 2026 01:23:45 GMT+0000 (…)`, `22 Nov 2026`, `11/22/2026 1:05 PM`.
fn loose(text: &str, zone: &TimeZone) -> Option<f64> {
    let text = text.split('(').next().unwrap_or_default();
    let mut numbers = Vec::new();
    let (mut month, mut time, mut minutes, mut afternoon) = (None, None, None, None);
    for word in
        text.split(|character: char| character.is_whitespace() || character == ',').filter(|word| !word.is_empty())
    {
        let lower = word.to_ascii_lowercase();
        if lower.contains(':') && lower.as_bytes()[0].is_ascii_digit() {
            let (clock, rest) = lower.split_at(lower.find(['z', '+', '-', 'a', 'p']).unwrap_or(lower.len()));
            let fields: Option<Vec<f64>> = clock.split(':').map(|field| field.parse().ok()).collect();
            time = Some(fields?);
            match rest {
                "" => {}
                "am" | "pm" => afternoon = Some(rest == "pm"),
                _ => minutes = offset(rest)?,
            }
        } else if let Some(rest) = lower.strip_prefix("gmt").or_else(|| lower.strip_prefix("utc")) {
            minutes = Some(if rest.is_empty() { 0.0 } else { offset(rest)?? });
        } else if lower == "z" || (lower.starts_with(['+', '-']) && time.is_some()) {
            minutes = offset(&lower)?;
        } else if lower == "am" || lower == "pm" {
            afternoon = Some(lower == "pm");
        } else if lower.as_bytes()[0].is_ascii_alphabetic() {
            let found = lower.get(..3).and_then(|start| MONTHS.iter().position(|name| *name == start));
            let is_day = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"].iter().any(|day| lower.starts_with(day));
            match found {
                Some(found) => month = Some(found as f64),
                None if is_day => {}
                None => return None,
            }
        } else {
            for field in lower.split(['/', '-']) {
                if !field.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                numbers.push(field.parse::<f64>().ok()?);
            }
        }
    }
    let (year, month, day) = match (month, numbers.as_slice()) {
        (Some(month), [day, year]) if *day <= 31.0 => (*year, month, *day),
        (Some(month), [year, day]) => (*year, month, *day),
        (Some(month), [year]) if *year > 31.0 => (*year, month, 1.0),
        (Some(month), [day]) => (2001.0, month, *day),
        (None, [year, month, day]) if *year > 31.0 => (*year, month - 1.0, *day),
        (None, [month, day, year]) => (*year, month - 1.0, *day),
        (None, [month]) if *month <= 12.0 => (2001.0, month - 1.0, 1.0),
        (None, [month, day]) => (2001.0, month - 1.0, *day),
        _ => return None,
    };
    if !(0.0..12.0).contains(&month) || !(1.0..32.0).contains(&day) {
        return None;
    }
    let year = if year < 50.0 {
        year + 2000.0
    } else if year < 100.0 {
        year + 1900.0
    } else {
        year
    };
    let mut parts = Parts::date(year, month, day);
    let fields = time.unwrap_or_default();
    parts.hour = fields.first().copied().unwrap_or(0.0);
    parts.minute = fields.get(1).copied().unwrap_or(0.0);
    let seconds = fields.get(2).copied().unwrap_or(0.0);
    parts.second = seconds.trunc();
    parts.milli = (seconds.fract() * 1_000.0).round();
    if parts.hour > 24.0 || parts.minute > 59.0 || parts.second > 59.0 {
        return None;
    }
    if let Some(afternoon) = afternoon {
        parts.hour = parts.hour % 12.0 + if afternoon { 12.0 } else { 0.0 };
    }
    Some(match minutes {
        Some(minutes) => parts.utc() - minutes * 60_000.0,
        None => parts.local(zone),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_javascript_reads() {
        let cases: &[(&str, f64)] = &[
            ("2026", 1_767_225_600_000.0),
            ("2026-11", 1_793_491_200_000.0),
            ("2026-11-22", 1_795_305_600_000.0),
            ("2026-11-22T01:23:45.678Z", 1_795_310_625_678.0),
            ("2026-11-22T01:23:45.678+00:00", 1_795_310_625_678.0),
            ("2026-11-22T02:23+01:00", 1_795_310_580_000.0),
            ("2026-11-22 01:23:45", 1_795_310_625_000.0),
            ("Sun Nov 22 2026 01:23:45 GMT+0000 (Coordinated Universal Time)", 1_795_310_625_000.0),
            ("Sun, 22 Nov 2026 01:23:45 GMT", 1_795_310_625_000.0),
            ("11/22/2026", 1_795_305_600_000.0),
            ("2026/11/22", 1_795_305_600_000.0),
            ("November 22, 2026 1:23 PM", 1_795_353_780_000.0),
            ("2026-1-5", 1_767_571_200_000.0),
            ("2026-11-22T24:00", 1_795_392_000_000.0),
        ];
        for (text, expect) in cases {
            assert_eq!(parse(text, &TimeZone::UTC), *expect, "{text}");
        }
        for text in ["", "abc", "2026-13-01", "2026-11-22T25:00", "2026-11-22Tx", "1:2", "é", "nov", "T", "2026-11-é"]
        {
            assert!(parse(text, &TimeZone::UTC).is_nan(), "{text}");
        }
    }
}
