//! Numbers as JavaScript reads and prints them.

use std::fmt::Write as _;

/// Prints a number the way `String(number)` does in JavaScript (ECMA-262, Number::toString).
pub(crate) fn print(number: f64) -> String {
    let mut text = String::new();
    print_into(number, &mut text);
    text
}

/// Appends what [`print`] gives.
pub(crate) fn print_into(number: f64, out: &mut String) {
    if number.is_nan() {
        return out.push_str("NaN");
    }
    if number.is_infinite() {
        return out.push_str(if number > 0.0 { "Infinity" } else { "-Infinity" });
    }
    if number.fract() == 0.0 && number.abs() < 1e15 {
        // Negative zero prints as zero.
        let _ = write!(out, "{}", number as i64);
        return;
    }
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if number < 0.0 {
        out.push('-');
    }
    if count <= point && point <= 21 {
        out.push_str(&digits);
        out.extend(std::iter::repeat_n('0', usize::try_from(point - count).unwrap_or(0)));
    } else if 0 < point && point <= 21 {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        let _ = write!(out, "{whole}.{fraction}");
    } else if -6 < point && point <= 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', usize::try_from(-point).unwrap_or(0)));
        out.push_str(&digits);
    } else {
        let (first, rest) = digits.split_at(1);
        out.push_str(first);
        if !rest.is_empty() {
            let _ = write!(out, ".{rest}");
        }
        let _ = write!(out, "e{}{}", if point > 0 { '+' } else { '-' }, (point - 1).abs());
    }
}

/// What `Number(text)` gives: NaN unless the whole text is a number; nothing but white space is 0.
pub(crate) fn parse(text: &str) -> f64 {
    let text = text.trim_matches(is_space);
    for (prefix, radix) in [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return whole(digits, radix)
                .filter(|(_, length)| *length == digits.len())
                .map_or(f64::NAN, |(value, _)| value);
        }
    }
    match text {
        "" => 0.0,
        "Infinity" | "+Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) => {
            text.parse().unwrap_or(f64::NAN)
        }
        _ => f64::NAN,
    }
}

/// What `parseInt(text, 10)` gives: the leading digits, or NaN.
pub(crate) fn parse_whole(text: &str) -> f64 {
    let text = text.trim_start_matches(is_space);
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1.0, &text[1..]),
        Some(b'+') => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    whole(digits, 10).map_or(f64::NAN, |(value, _)| sign * value)
}

fn whole(text: &str, radix: u32) -> Option<(f64, usize)> {
    let length = text.find(|character: char| !character.is_digit(radix)).unwrap_or(text.len());
    let digits = &text[..length];
    if radix == 10 {
        return digits.parse().ok().map(|value| (value, length));
    }
    let add = |sum: f64, digit: u32| sum * f64::from(radix) + f64::from(digit);
    (length > 0).then(|| (digits.chars().filter_map(|digit| digit.to_digit(radix)).fold(0.0, add), length))
}

/// White space in the sense of JavaScript's `trim`.
pub(crate) fn is_space(character: char) -> bool {
    character == '\u{feff}' || (character.is_whitespace() && character != '\u{85}')
}

/// What `number.toFixed(digits)` gives; halves of the exact binary value round away from zero.
pub(crate) fn fixed(number: f64, digits: usize) -> String {
    if !number.is_finite() || number.abs() >= 1e21 {
        return print(number);
    }
    // Rust rounds exact ties to even and JavaScript takes the larger; only these differ.
    let exact = format!("{:.1100}", number.abs());
    let point = exact.find('.').unwrap_or(exact.len());
    let cut = point + 1 + digits;
    let tie = exact.get(cut..).is_some_and(|rest| rest.starts_with('5') && rest[1..].bytes().all(|byte| byte == b'0'));
    let text = if tie {
        let mut digits_of: Vec<u8> = exact.as_bytes()[..cut].to_vec();
        let mut carry = true;
        for digit in digits_of.iter_mut().rev().filter(|byte| **byte != b'.') {
            if *digit == b'9' {
                *digit = b'0';
            } else {
                *digit += 1;
                carry = false;
                break;
            }
        }
        let mut text = String::from_utf8(digits_of).unwrap_or_default();
        if carry {
            text.insert(0, '1');
        }
        text.trim_end_matches('.').to_owned()
    } else {
        format!("{:.digits$}", number.abs())
    };
    if number < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_javascript_does() {
        let cases: &[(f64, &str)] = &[
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e-7, "1e-7"),
            (0.000001, "0.000001"),
            (1.5e-9, "1.5e-9"),
            (1e21, "1e+21"),
            (1e20, "100000000000000000000"),
            (123456789012345680000.0, "123456789012345680000"),
            (9007199254740991.0, "9007199254740991"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (number, expect) in cases {
            assert_eq!(print(*number), *expect);
        }
    }

    #[test]
    fn reads_as_javascript_does() {
        let cases: &[(&str, f64)] =
            &[("", 0.0), ("  12 ", 12.0), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0), ("0x1f", 31.0), ("-0", 0.0)];
        for (text, expect) in cases {
            assert_eq!(parse(text), *expect, "{text}");
        }
        for text in ["abc", "1px", "1 2", "0x", "--1", "inf", "nan", "1_0", "0xg"] {
            assert!(parse(text).is_nan(), "{text}");
        }
        assert_eq!(parse_whole(" 12px"), 12.0);
        assert_eq!(parse_whole("-3.9"), -3.0);
        assert!(parse_whole("px").is_nan());
    }

    #[test]
    fn fixes_digits() {
        let cases: &[(f64, usize, &str)] = &[
            (1.005, 2, "1.00"),
            (2.5, 0, "3"),
            (-2.5, 0, "-3"),
            (0.5, 0, "1"),
            (9.5, 0, "10"),
            (1.45, 1, "1.4"),
            (10.0, 2, "10.00"),
            (1e21, 2, "1e+21"),
        ];
        for (number, digits, expect) in cases {
            assert_eq!(fixed(*number, *digits), *expect);
        }
    }
}
