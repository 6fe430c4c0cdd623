//! Names with `*` and `?`, one or several.

use serde::{Deserialize, Serialize};

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
    let pattern: Vec<char> = pattern.chars().flat_map(char::to_lowercase).collect();
    let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    let (mut p, mut t) = (0, 0);
    // Where the last star was, and what it has swallowed so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some('?') => {
                p += 1;
                t += 1;
            }
            Some(c) if *c == text[t] => {
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
    pattern[p..].iter().all(|c| *c == '*')
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
        ] {
            assert_eq!(matches(pattern, text), expect, "{pattern} on {text}");
        }
    }

    #[test]
    fn many_stars_end_soon() {
        assert!(!matches(&"*a".repeat(60), &"a".repeat(59)));
    }
}
