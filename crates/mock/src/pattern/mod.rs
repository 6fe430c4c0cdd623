//! Modelled patterns: checking a text against one, and making a text that fits one.
//!
//! Patterns are written in a mix of Java's and ECMAScript's dialects, some with look-around, a few broken. They are read
//! tolerantly into a small tree ([`parse`]) that is walked over all positions of the text at once ([`search`]): no
//! automaton is built, so a count such as `{1,4096}` of a Unicode class costs nothing, and no text makes it backtrack.

mod charset;
mod generate;
mod parse;
mod positions;
mod programs;
mod search;

#[cfg(test)]
mod tests;

pub use generate::generate;

use programs::Program;

/// Whether a text fits a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Yes,
    No,
    /// The pattern is not one that can be checked, or the check would take too long; treat the text as good.
    Unknown,
}

/// Checks a text against a modelled pattern.
///
/// A pattern without anchors must fit the whole text: so do AWS's services check (Java's `matches`), and so does every
/// example that AWS gives; most of its models have no anchors. One with an anchor may match anywhere else (Smithy's
/// `pattern` trait).
///
/// Takes time in the order of the text's length for all but a few patterns, and gives up with [`Verdict::Unknown`]
/// before it takes noticeable time. Allocates only for long texts, texts beyond ASCII, and for patterns that were
/// not used lately.
pub fn matches(pattern: &str, text: &str) -> Verdict {
    programs::get(pattern).matches(text)
}

/// Whether no text of at most `max_chars` characters can fit the pattern: a few models contradict themselves so. Also
/// true for patterns that cannot be checked at all.
pub fn is_contradictory(pattern: &str, max_chars: usize) -> bool {
    programs::get(pattern).readings().iter().all(|reading| parse::reach(&reading.node).0 > max_chars)
}

impl Program {
    fn matches(&self, text: &str) -> Verdict {
        let mut verdict = Verdict::Unknown;
        for reading in self.readings() {
            verdict = search::found(&reading.node, text, reading.extent);
            if verdict == Verdict::Yes {
                break;
            }
        }
        verdict
    }
}
