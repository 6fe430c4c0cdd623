//! Whole numbers beyond 64 bits: base 256 to decimal digits and back.

/// Numbers beyond this are refused: conversion takes quadratic time. 1024 bits are more than any API asks for.
pub(super) const BYTES_MAX: usize = 128;

/// The digits of a big-endian number; of `-1 - number` where `negative` (as CBOR's tag 3 counts).
pub(super) fn to_digits(bytes: &[u8], negative: bool) -> String {
    // Groups of nine decimal digits, lowest first.
    let mut groups: Vec<u32> = vec![0];
    let mut add = |carry: u32, times: u32| {
        let mut carry = u64::from(carry);
        for group in &mut groups {
            let sum = u64::from(*group) * u64::from(times) + carry;
            *group = (sum % 1_000_000_000) as u32;
            carry = sum / 1_000_000_000;
        }
        if carry > 0 {
            groups.push(carry as u32);
        }
    };
    for byte in bytes {
        add(u32::from(*byte), 256);
    }
    if negative {
        add(1, 1);
    }
    let mut digits = String::from(if negative { "-" } else { "" });
    let mut groups = groups.iter().rev();
    digits.push_str(&groups.next().map_or_else(String::new, u32::to_string));
    for group in groups {
        digits.push_str(&format!("{group:09}"));
    }
    digits
}

/// The big-endian bytes of an unsigned number, less `minus`. `None` where the text holds anything but digits, or too many.
pub(super) fn from_digits(digits: &str, minus: u8) -> Option<Vec<u8>> {
    // A byte holds more than two digits.
    if digits.is_empty() || digits.len() > BYTES_MAX * 2 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut bytes: Vec<u8> = Vec::new();
    for digit in digits.bytes() {
        let mut carry = u32::from(digit - b'0');
        for byte in &mut bytes {
            let sum = u32::from(*byte) * 10 + carry;
            *byte = (sum & 255) as u8;
            carry = sum >> 8;
        }
        if carry > 0 {
            bytes.push(carry as u8);
        }
    }
    let mut borrow = minus;
    for byte in &mut bytes {
        let (less, under) = byte.overflowing_sub(borrow);
        *byte = less;
        borrow = u8::from(under);
    }
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes.reverse();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_bytes() {
        let check = |bytes: &[u8], digits: &str| {
            assert_eq!(to_digits(bytes, false), digits);
            assert_eq!(from_digits(digits, 0).as_deref(), Some(bytes));
        };
        check(&[1, 0, 0, 0, 0, 0, 0, 0, 0], "18446744073709551616");
        check(&[255], "255");
        check(&[0x3B, 0x9A, 0xCA, 0x00], "1000000000");
        assert_eq!(to_digits(&[1, 0, 0, 0, 0, 0, 0, 0, 0], true), "-18446744073709551617");
        assert_eq!(from_digits("18446744073709551617", 1).as_deref(), Some(&[1, 0, 0, 0, 0, 0, 0, 0, 0][..]));
        assert_eq!(to_digits(&[255; BYTES_MAX], false).len(), 309);
        assert_eq!(from_digits("1x", 0), None);
    }
}
