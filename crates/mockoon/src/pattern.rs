//! Regular expressions of JavaScript.

use fancy_regex::Regex;

/// Why a pattern is none, in the words of V8.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid regular expression: /{pattern}/{flags}: {reason}")]
pub struct PatternError {
    pattern: String,
    flags: &'static str,
    reason: &'static str,
}

/// A compiled pattern; it matches anywhere in a text.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// # Errors
    /// When the pattern is none.
    pub fn new(pattern: &str, ignore_case: bool) -> Result<Self, PatternError> {
        let translated = translated(pattern);
        let flags = if ignore_case { "(?i)" } else { "" };
        match Regex::new(&format!("{flags}(?:{translated})")) {
            Ok(regex) => Ok(Self(regex)),
            Err(_) => Err(PatternError {
                pattern: if pattern.is_empty() { "(?:)".to_owned() } else { pattern.replace('/', "\\/") },
                flags: if ignore_case { "i" } else { "" },
                reason: reason(pattern),
            }),
        }
    }

    /// A pattern that takes too long does not match.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text).unwrap_or(false)
    }
}

/// Writes what Rust reads otherwise: brackets in classes, empty classes, lone braces, and the classes that mean ASCII.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let characters: Vec<char> = pattern.chars().collect();
    let mut in_class = false;
    let mut at = 0;
    while at < characters.len() {
        let character = characters[at];
        let next = characters.get(at + 1).copied();
        match character {
            '\\' => {
                at += 1;
                match next {
                    Some('d') => out.push_str(if in_class { "0-9" } else { "[0-9]" }),
                    Some('D') if !in_class => out.push_str("[^0-9]"),
                    Some('w') => out.push_str(if in_class { "0-9A-Za-z_" } else { "[0-9A-Za-z_]" }),
                    Some('W') if !in_class => out.push_str("[^0-9A-Za-z_]"),
                    Some('b') if !in_class => out.push_str("(?-u:\\b)"),
                    Some('b') => out.push_str("\\x08"),
                    Some('0') => out.push_str("\\x00"),
                    // An escaped letter without a meaning is that letter.
                    Some(
                        letter @ ('a' | 'e' | 'g' | 'h' | 'i' | 'j' | 'l' | 'm' | 'o' | 'q' | 'y' | 'z' | 'A' | 'C'
                        | 'E' | 'F' | 'G' | 'H' | 'I' | 'J' | 'K' | 'L' | 'M' | 'N' | 'O' | 'Q' | 'R' | 'T'
                        | 'U' | 'V' | 'X' | 'Y' | 'Z'),
                    ) => {
                        out.push(letter);
                    }
                    Some(other) => {
                        out.push('\\');
                        out.push(other);
                    }
                    None => out.push('\\'),
                }
            }
            '[' if in_class => out.push_str("\\["),
            '[' => match (next, characters.get(at + 2)) {
                (Some('^'), Some(']')) => {
                    out.push_str("[\\s\\S]");
                    at += 2;
                }
                (Some(']'), _) => {
                    out.push_str("[^\\s\\S]");
                    at += 1;
                }
                _ => {
                    in_class = true;
                    out.push('[');
                    if next == Some('^') {
                        out.push('^');
                        at += 1;
                    }
                }
            },
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            ']' => out.push_str("\\]"),
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(character);
            }
            '{' if !in_class && !is_quantifier(&characters[at..]) => out.push_str("\\{"),
            '}' if !in_class && !closes_quantifier(&characters[..at]) => out.push_str("\\}"),
            other => out.push(other),
        }
        at += 1;
    }
    out
}

/// `{1}`, `{1,}` or `{1,2}`.
fn is_quantifier(characters: &[char]) -> bool {
    let end = characters.iter().position(|&character| character == '}');
    end.is_some_and(|end| {
        let text: String = characters[1..end].iter().collect();
        let (low, high) = text.split_once(',').unwrap_or((&text, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        !low.is_empty() && is_number(low) && is_number(high)
    })
}

fn closes_quantifier(before: &[char]) -> bool {
    let start = before.iter().rposition(|&character| character == '{');
    start.is_some_and(|start| {
        let mut whole = before[start..].to_vec();
        whole.push('}');
        is_quantifier(&whole)
    })
}

/// What V8 says of the commonest mistakes.
fn reason(pattern: &str) -> &'static str {
    let mut depth = 0;
    let mut in_class = false;
    let mut repeatable = false;
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.next().is_none() => return "\\ at end of pattern",
            ']' => in_class = false,
            '[' => in_class = true,
            _ if in_class => {}
            '(' => depth += 1,
            ')' if depth == 0 => return "Unmatched ')'",
            ')' => depth -= 1,
            '*' | '+' | '?' if !repeatable => return "Nothing to repeat",
            _ => {}
        }
        repeatable = !matches!(character, '(' | '|' | '*' | '+' | '^');
    }
    match (in_class, depth) {
        (true, _) => "Unterminated character class",
        (_, 0) => "Invalid group",
        _ => "Unterminated group",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_javascript() {
        let check = |pattern: &str, text: &str, expect: bool| {
            assert_eq!(Pattern::new(pattern, false).unwrap().is_match(text), expect, "{pattern} and {text}");
        };
        check("b+", "abc", true);
        check("^b", "abc", false);
        check("^(?!x).*$", "abc", true);
        check("(a)\\1", "aa", true);
        check("\\d", "٣", false);
        check("[[]", "[", true);
        check("[^]", "\n", true);
        check("a{", "a{", true);
        check("a{2}", "aa", true);
        check("{x}", "{x}", true);
        check("\\/a\\-b", "/a-b", true);
        check("[\\w-]+@", "a-b@", true);
        check("", "", true);
        assert!(Pattern::new("ABC", true).unwrap().is_match("abc"));
    }

    #[test]
    fn wrong_patterns_are_told_in_the_words_of_v8() {
        // 59
        let check = |pattern: &str, reason: &str| {
            let error = Pattern::new(pattern, false).unwrap_err();
            assert_eq!(error.to_string(), format!("Invalid regular expression: /{pattern}/: {reason}"));
        };
        check("(", "Unterminated group");
        check("[a", "Unterminated character class");
        check("*a", "Nothing to repeat");
        check("a)", "Unmatched ')'");
        check("a\\", "\\ at end of pattern");
    }
}
