//! Writes dates by the tokens of date-fns, in its English of the United States.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Parts, day_of};
use crate::RenderError;
use crate::print::timestamp;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A date as a format says.
///
/// # Errors
///
/// The date is not valid, or the format has a letter that is neither a token nor quoted.
pub(crate) fn format(millis: f64, format: &str, zone: &TimeZone) -> Result<String, RenderError> {
    let parts = Parts::of(millis, zone).ok_or_else(|| RenderError::new("Invalid time value"))?;
    if format.is_empty() {
        return Err(RenderError::new("Cannot read properties of null (reading 'map')"));
    }
    let at = timestamp(millis).ok_or_else(|| RenderError::new("Invalid time value"))?;
    let day = day_of(millis, zone).ok_or_else(|| RenderError::new("Invalid time value"))?;
    let moment = Moment { millis, parts, day, offset: zone.to_offset(at).seconds() / 60 };
    let format = expanded(format);
    let mut out = String::new();
    let mut rest = format.as_str();
    while let Some(first) = rest.chars().next() {
        let (token, after) = rest.split_at(token_length(rest, first));
        rest = after;
        match first {
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => {}
            '\'' if token == "''" || token.len() == 1 => out.push('\''),
            '\'' => out.push_str(&unquoted(token)),
            _ if first.is_ascii_alphabetic() => match moment.token(token) {
                Some(text) => out.push_str(&text),
                None => {
                    return Err(RenderError::new(format!(
                        "Format string contains an unescaped latin alphabet character `{first}`"
                    )));
                }
            },
            _ => out.push_str(token),
        }
    }
    Ok(out)
}

/// The length of the token at the start: an ordinal, a run of one character, or a quoted text.
fn token_length(text: &str, first: char) -> usize {
    let bytes = text.as_bytes();
    match first {
        '\'' => quoted_length(text),
        _ if "yYQqMLwIdDecihHKkms".contains(first) && bytes.get(1) == Some(&b'o') => 2,
        _ if first.is_ascii_alphanumeric() || first == '_' => {
            bytes.iter().take_while(|byte| **byte == first as u8).count()
        }
        _ => first.len_utf8(),
    }
}

/// The length of a text in single quotes, in which two of them stand for one; it may miss the last.
fn quoted_length(text: &str) -> usize {
    if text.starts_with("''") {
        return 2;
    }
    let mut at = 1;
    while let Some(found) = text[at..].find('\'') {
        at += found + 1;
        if !text[at..].starts_with('\'') {
            return at;
        }
        at += 1;
    }
    text.len()
}

fn unquoted(token: &str) -> String {
    let inner = &token[1..];
    inner.strip_suffix('\'').unwrap_or(inner).replace("''", "'")
}

/// Puts what `P` and `p` stand for in their place.
fn expanded(format: &str) -> String {
    let mut out = String::with_capacity(format.len());
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        match first {
            'P' => {
                let date = rest.bytes().take_while(|byte| *byte == b'P').count();
                let time = rest[date..].bytes().take_while(|byte| *byte == b'p').count();
                out.push_str(long_date(date));
                if time > 0 {
                    out.push_str(if date <= 2 { ", " } else { " 'at' " });
                    out.push_str(long_time(time));
                }
                rest = &rest[date + time..];
            }
            'p' => {
                let time = rest.bytes().take_while(|byte| *byte == b'p').count();
                out.push_str(long_time(time));
                rest = &rest[time..];
            }
            '\'' => {
                let (quoted, after) = rest.split_at(quoted_length(rest));
                out.push_str(quoted);
                rest = after;
            }
            _ => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

fn long_date(letters: usize) -> &'static str {
    match letters {
        1 => "MM/dd/yyyy",
        2 => "MMM d, yyyy",
        3 => "MMMM do, yyyy",
        _ => "EEEE, MMMM do, yyyy",
    }
}

fn long_time(letters: usize) -> &'static str {
    match letters {
        1 => "h:mm a",
        2 => "h:mm:ss a",
        3 => "h:mm:ss a z",
        _ => "h:mm:ss a zzzz",
    }
}

struct Moment {
    millis: f64,
    parts: Parts,
    day: Date,
    /// Minutes ahead of UTC.
    offset: i32,
}

fn padded(number: i64, length: usize) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{:0>length$}", number.abs())
}

fn ordinal(number: i64) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

impl Moment {
    /// What a token stands for; `None` if it is none.
    fn token(&self, token: &str) -> Option<String> {
        let Parts { year, month, hour, .. } = self.parts;
        let (year, month, hour) = (year as i64, month as usize, hour as i64);
        let shown_year = |year: i64| if year > 0 { year } else { 1 - year };
        let weekday = self.day.weekday().to_sunday_zero_offset() as usize;
        let length = token.len();
        Some(match token.as_bytes()[0] {
            b'G' => {
                let names = if year > 0 { ["AD", "Anno Domini", "A"] } else { ["BC", "Before Christ", "B"] };
                match length {
                    1..=3 => names[0],
                    5 => names[2],
                    _ => names[1],
                }
                .to_owned()
            }
            b'y' if token == "yy" => padded(shown_year(year) % 100, 2),
            b'y' => numbered(shown_year(year), token),
            b'Y' if token == "YY" => padded(shown_year(self.week_year()) % 100, 2),
            b'Y' => numbered(shown_year(self.week_year()), token),
            b'R' => padded(i64::from(self.day.iso_week_date().year()), length),
            b'u' => padded(year, length),
            b'Q' | b'q' => {
                let quarter = month as i64 / 3 + 1;
                match length {
                    1 | 2 => numbered(quarter, token),
                    3 => format!("Q{quarter}"),
                    5 => quarter.to_string(),
                    _ => format!("{} quarter", ordinal(quarter)),
                }
            }
            b'M' | b'L' => match length {
                1 | 2 => numbered(month as i64 + 1, token),
                3 => MONTHS[month][..3].to_owned(),
                5 => MONTHS[month][..1].to_owned(),
                _ => MONTHS[month].to_owned(),
            },
            b'w' => numbered(self.week(), token),
            b'I' => numbered(i64::from(self.day.iso_week_date().week()), token),
            b'd' => numbered(self.parts.day as i64, token),
            b'D' => numbered(i64::from(self.day.day_of_year()), token),
            b'E' => match length {
                1..=3 => DAYS[weekday][..3].to_owned(),
                _ => day_name(weekday, length),
            },
            b'e' | b'c' if length <= 2 => numbered(weekday as i64 + 1, token),
            b'i' if length <= 2 => numbered(if weekday == 0 { 7 } else { weekday as i64 }, token),
            b'e' | b'c' | b'i' => match length {
                3 => DAYS[weekday][..3].to_owned(),
                _ => day_name(weekday, length),
            },
            b'a' => self.period(if hour >= 12 { "pm" } else { "am" }, length),
            b'b' => {
                let period = match hour {
                    12 => "noon",
                    0 => "midnight",
                    13.. => "pm",
                    _ => "am",
                };
                self.period(period, length)
            }
            b'B' => match hour {
                17.. => "in the evening",
                12.. => "in the afternoon",
                4.. => "in the morning",
                _ => "at night",
            }
            .to_owned(),
            b'h' => numbered(if hour % 12 == 0 { 12 } else { hour % 12 }, token),
            b'H' => numbered(hour, token),
            b'K' => numbered(hour % 12, token),
            b'k' => numbered(if hour == 0 { 24 } else { hour }, token),
            b'm' => numbered(self.parts.minute as i64, token),
            b's' => numbered(self.parts.second as i64, token),
            b'S' => {
                let digits = format!("{:03}", self.parts.milli as i64);
                if length <= 3 { digits[..length].to_owned() } else { format!("{digits:0<length$}") }
            }
            b'X' if self.offset == 0 => "Z".to_owned(),
            b'X' | b'x' => match length {
                1 if self.offset % 60 == 0 => self.zone("")[..3].to_owned(),
                1 | 2 | 4 => self.zone(""),
                _ => self.zone(":"),
            },
            b'O' | b'z' => match length {
                1..=3 => {
                    let sign = if self.offset < 0 { '-' } else { '+' };
                    let (hours, minutes) = (self.offset.abs() / 60, self.offset.abs() % 60);
                    if minutes == 0 { format!("GMT{sign}{hours}") } else { format!("GMT{sign}{hours}:{minutes:02}") }
                }
                _ => format!("GMT{}", self.zone(":")),
            },
            b't' => padded((self.millis / 1_000.0).trunc() as i64, length),
            b'T' => padded(self.millis as i64, length),
            _ => return None,
        })
    }

    fn zone(&self, delimiter: &str) -> String {
        let sign = if self.offset < 0 { '-' } else { '+' };
        format!("{sign}{:02}{delimiter}{:02}", self.offset.abs() / 60, self.offset.abs() % 60)
    }

    fn period(&self, period: &str, length: usize) -> String {
        match (period, length) {
            ("am" | "pm", 1 | 2) => period.to_uppercase(),
            ("am" | "pm", 3) => period.to_owned(),
            ("am" | "pm", 5) => period[..1].to_owned(),
            ("am", _) => "a.m.".to_owned(),
            ("pm", _) => "p.m.".to_owned(),
            ("midnight", 5) => "mi".to_owned(),
            ("noon", 5) => "n".to_owned(),
            _ => period.to_owned(),
        }
    }

    /// Days since 1970 of the Sunday on or before a day.
    fn sunday(days: i64) -> i64 {
        // 1970-01-01 was a Thursday.
        days - (days + 4).rem_euclid(7)
    }

    fn days(&self) -> i64 {
        (Parts::date(self.parts.year, self.parts.month, self.parts.day).utc() / 86_400_000.0) as i64
    }

    /// The year whose first week, the one with January 1st, is the last to have begun.
    fn week_year(&self) -> i64 {
        let year = self.parts.year as i64;
        if self.days() >= Self::first_week(year + 1) { year + 1 } else { year }
    }

    fn first_week(year: i64) -> i64 {
        Self::sunday((Parts::date(year as f64, 0.0, 1.0).utc() / 86_400_000.0) as i64)
    }

    fn week(&self) -> i64 {
        (Self::sunday(self.days()) - Self::first_week(self.week_year())) / 7 + 1
    }
}

fn day_name(weekday: usize, length: usize) -> String {
    match length {
        5 => &DAYS[weekday][..1],
        6 => &DAYS[weekday][..2],
        _ => DAYS[weekday],
    }
    .to_owned()
}

/// A number with as many digits as the token has letters, or as an ordinal.
fn numbered(number: i64, token: &str) -> String {
    if token.ends_with('o') { ordinal(number) } else { padded(number, token.len()) }
}
