//! Modelled patterns: checking a text against one, and making a text that fits one.

use regex_syntax::hir::{Class, Hir, HirKind};
use standin_core::Draw;

/// Whether a text fits a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Yes,
    No,
    /// The pattern is not one that can be checked; treat the text as good.
    Unknown,
}

/// Checks a text against a modelled pattern. Without anchors a match anywhere counts.
pub fn matches(pattern: &str, text: &str) -> Verdict {
    match fancy_regex::Regex::new(pattern).map(|regex| regex.is_match(text)) {
        Ok(Ok(true)) => Verdict::Yes,
        Ok(Ok(false)) => Verdict::No,
        _ => Verdict::Unknown,
    }
}

/// Makes a text of `min_chars` to `max_chars` characters that the pattern accepts; `None` where none was found.
/// The same draws give the same text.
pub fn generate(pattern: &str, min_chars: usize, max_chars: usize, draw: &mut Draw) -> Option<String> {
    let hir = regex_syntax::parse(pattern).ok()?;
    (0..ATTEMPTS).find_map(|attempt| {
        let mut text = String::new();
        let extra = if attempt == 0 { 0 } else { min_chars / attempt };
        write(&hir, extra, draw, &mut text);
        let length = text.chars().count();
        let fits = (min_chars..=max_chars).contains(&length) && matches(pattern, &text) != Verdict::No;
        fits.then_some(text)
    })
}

const ATTEMPTS: usize = 16;

fn write(hir: &Hir, extra: usize, draw: &mut Draw, out: &mut String) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(Class::Unicode(class)) => {
            let friendly = ('a'..='z')
                .chain('0'..='9')
                .filter(|c| class.ranges().iter().any(|range| (range.start()..=range.end()).contains(c)));
            let friendly: Vec<char> = friendly.collect();
            let first = class.ranges().first().map(regex_syntax::hir::ClassUnicodeRange::start);
            out.extend(draw.pick(&friendly).copied().or(first));
        }
        HirKind::Class(Class::Bytes(_)) => {}
        HirKind::Capture(capture) => write(&capture.sub, extra, draw, out),
        HirKind::Repetition(repetition) => {
            let low = repetition.min as usize;
            let high = repetition.max.map_or(usize::MAX, |max| max as usize).min(low.saturating_add(extra.max(8)));
            let wanted = if extra > 0 { high } else { low + draw.below((high - low + 1) as u64) as usize };
            for _ in 0..wanted.min(4096) {
                write(&repetition.sub, 0, draw, out);
            }
        }
        HirKind::Concat(parts) => parts.iter().for_each(|part| write(part, extra, draw, out)),
        HirKind::Alternation(choices) => {
            if let Some(choice) = draw.pick(choices) {
                write(choice, extra, draw, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_texts_that_fit() {
        for pattern in ["^[a-z]{3,5}$", "arn:aws:iam::\\d{12}:role/[\\w+=,.@-]+", "(ON|OFF)"] {
            let text = generate(pattern, 1, 100, &mut Draw::from_seed(1)).expect("satisfiable");
            assert_eq!(matches(pattern, &text), Verdict::Yes, "{text}");
        }
        assert_eq!(matches("^[a-z]+$", "A"), Verdict::No);
    }
}
