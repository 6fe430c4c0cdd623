//! Names with `*` and `?`, one or several.

use serde::{Deserialize, Serialize};

use crate::check::{Refused, refuse};

/// Patterns of one list, and bytes of one pattern; ARNs have at most 2,048.
const PATTERNS_MAX: usize = 1000;
const PATTERN_BYTES_MAX: usize = 2048;

/// Matches where one of the patterns does. Without patterns it matches everything. Case does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Globs {
    #[default]
    Any,
    One(String),
    Several(Vec<String>),
}

impl Globs {
    pub fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }

    pub fn patterns(&self) -> &[String] {
        match self {
            Self::Any => &[],
            Self::One(pattern) => std::slice::from_ref(pattern),
            Self::Several(patterns) => patterns,
        }
    }

    /// Whether the patterns are few and short enough to be matched with every call.
    ///
    /// # Errors
    /// Where they are not.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        let patterns = self.patterns();
        if patterns.len() > PATTERNS_MAX || patterns.iter().any(|pattern| pattern.len() > PATTERN_BYTES_MAX) {
            return refuse(format!("at most {PATTERNS_MAX} patterns of {PATTERN_BYTES_MAX} bytes each"));
        }
        Ok(())
    }

    pub fn matches(&self, text: &str) -> bool {
        self.is_any() || self.patterns().iter().any(|pattern| matches(pattern, text))
    }
}

impl From<&str> for Globs {
    fn from(pattern: &str) -> Self {
        Self::One(pattern.to_owned())
    }
}

/// Whether a pattern with `*` (any characters) and `?` (one) covers the whole text. Takes time in proportion to both.
fn matches(pattern: &str, text: &str) -> bool {
    if pattern.is_ascii() && text.is_ascii() {
        // Nearly always: nothing has to be copied.
        return covers(pattern.as_bytes(), text.as_bytes(), &b'*', &b'?', u8::eq_ignore_ascii_case);
    }
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<char>>();
    covers(&lower(pattern), &lower(text), &'*', &'?', char::eq)
}

fn covers<T: PartialEq>(pattern: &[T], text: &[T], any: &T, one: &T, same: impl Fn(&T, &T) -> bool) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last star was, and what it has swallowed so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(c) if c == any => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if c == one || same(c, &text[t]) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, swallowed)) => {
                    star = Some((at, swallowed + 1));
                    p = at + 1;
                    t = swallowed + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| c == any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, expect) in [
            ("*", "", true),
            ("Get*", "GetItem", true),
            ("get*", "GetItem", true),
            ("Get*", "PutItem", false),
            ("*Item", "PutItem", true),
            ("*t*e*", "PutItem", true),
            ("?utItem", "PutItem", true),
            ("?utItem", "utItem", false),
            ("PutItem", "PutItems", false),
            ("a*b*c", "aXbXbXc", true),
            ("", "", true),
            ("", "a", false),
            ("Ärger*", "äRGER im Verzug", true),
            ("?rger", "ärger", true),
        ] {
            assert_eq!(matches(pattern, text), expect, "{pattern} on {text}");
        }
    }

    #[test]
    fn many_stars_end_soon() {
        assert!(!matches(&"*a".repeat(60), &"a".repeat(59)));
    }
}
