//! Access key ids that name an account.
//!
//! Twelve digits are the account itself. The ids that standin issues carry it in their letters, in the place where those of
//! AWS have it: the 40 bits after the first of the base-32 letters behind the prefix. Their prefixes are none of AWS's, so
//! that nobody takes a real key for one of these, or one of these for real.

use crate::Draw;

/// Of keys that do not expire, as AWS's `AKIA`.
pub const LONG_TERM: &str = "LKIA";
/// Of keys that come with a session token, as AWS's `ASIA`.
pub const TEMPORARY: &str = "LSIA";

/// Base-32 letters behind a prefix: 80 bits.
const LETTERS: usize = 16;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Drawn bits behind the account.
const REST_BITS: u32 = 39;

/// Makes the id of a key that belongs to an account. An account that is no number of twelve digits counts as 0.
pub fn issue(prefix: &str, account: &str, draw: &mut Draw) -> String {
    let account: u128 = if is_account(account) { account.parse().unwrap_or(0) } else { 0 };
    let bits = account << REST_BITS | u128::from(draw.next_u64() & ((1 << REST_BITS) - 1));
    let letter = |at: usize| char::from(ALPHABET[(bits >> (5 * (LETTERS - 1 - at)) & 31) as usize]);
    prefix.chars().chain((0..LETTERS).map(letter)).collect()
}

/// The account that an access key id names; `None` for ids that others made.
pub fn account_of(key: &str) -> Option<String> {
    if is_account(key) {
        return Some(key.to_owned());
    }
    let letters = key.strip_prefix(LONG_TERM).or_else(|| key.strip_prefix(TEMPORARY))?;
    if letters.len() != LETTERS {
        return None;
    }
    let mut bits: u128 = 0;
    for letter in letters.bytes() {
        bits = bits << 5 | ALPHABET.iter().position(|known| *known == letter)? as u128;
    }
    let account = bits >> REST_BITS;
    (account < 1_000_000_000_000).then(|| format!("{account:012}"))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_their_account() {
        let mut draw = Draw::from_seed(7);
        for account in ["000000000000", "123456789012", "999999999999"] {
            let key = issue(TEMPORARY, account, &mut draw);
            assert_eq!((key.len(), account_of(&key).as_deref()), (20, Some(account)), "{key}");
            assert_ne!(issue(TEMPORARY, account, &mut draw), key);
        }
        assert_eq!(account_of("123456789012").as_deref(), Some("123456789012"));
        for key in
            ["AKIAIOSFODNN7EXAMPLE", "LSIA", "LSIA0000000000000000", "LKIA7777777777777777", "12345678901", "test"]
        {
            assert_eq!(account_of(key), None, "{key}");
        }
    }
}
