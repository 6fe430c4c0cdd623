//! Sets of characters, and the names that patterns have for them.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// A set of characters, quick to ask.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CharSet {
    ascii: [u64; 2],
    /// What lies beyond ASCII; sorted, first and last of each range.
    beyond: Box<[(u32, u32)]>,
}

impl CharSet {
    pub(super) fn contains(&self, c: impl Into<u32>) -> bool {
        let code = c.into();
        if code < 128 {
            return self.ascii[(code / 64) as usize] >> (code % 64) & 1 == 1;
        }
        let at = self.beyond.partition_point(|(_, last)| *last < code);
        self.beyond.get(at).is_some_and(|(first, _)| *first <= code)
    }

    pub(super) fn has_letters_or_digits(&self) -> bool {
        ('0'..='9').chain('A'..='Z').chain('a'..='z').any(|c| self.contains(c)) || !self.beyond.is_empty()
    }

    /// Any member, for sets that no friendlier character is in; `None` for the empty set.
    pub(super) fn any(&self) -> Option<char> {
        let ascii = (0..128).find(|code| self.contains(*code));
        ascii.or(self.beyond.first().map(|(first, _)| *first)).and_then(char::from_u32)
    }
}

impl From<&ClassUnicode> for CharSet {
    fn from(class: &ClassUnicode) -> Self {
        let mut ascii = [0; 2];
        let mut beyond = Vec::new();
        for range in class.ranges() {
            let (first, last) = (u32::from(range.start()), u32::from(range.end()));
            for code in first..=last.min(127) {
                ascii[(code / 64) as usize] |= 1 << (code % 64);
            }
            if last > 127 {
                beyond.push((first.max(128), last));
            }
        }
        Self { ascii, beyond: beyond.into() }
    }
}

pub(super) fn class(ranges: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(ranges.iter().map(|(first, last)| ClassUnicodeRange::new(*first, *last)))
}

pub(super) fn negated(mut class: ClassUnicode) -> ClassUnicode {
    class.negate();
    class
}

/// `\d`, `\w`, `\s` … as in Java: ASCII only. `None` for a letter that names no class.
pub(super) fn shorthand(letter: char) -> Option<ClassUnicode> {
    let found = match letter.to_ascii_lowercase() {
        'd' => class(&[('0', '9')]),
        'w' => class(&[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]),
        's' => class(&[('\t', '\r'), (' ', ' ')]),
        'h' => class(&[('\t', '\t'), (' ', ' '), ('\u{a0}', '\u{a0}')]),
        'v' => class(&[('\n', '\r'), ('\u{85}', '\u{85}'), ('\u{2028}', '\u{2029}')]),
        _ => return None,
    };
    Some(if letter.is_ascii_uppercase() { negated(found) } else { found })
}

/// The set behind `\p{name}`: Java's names first (of which the POSIX ones mean ASCII), then Unicode's.
pub(super) fn property(name: &str) -> Option<ClassUnicode> {
    if let Some(found) = posix(&name.to_ascii_lowercase()) {
        return Some(found);
    }
    match name {
        "all" | "Any" => return Some(class(&[('\0', char::MAX)])),
        "L1" => return Some(class(&[('\0', '\u{ff}')])),
        "LD" => {
            let mut letters = property("L")?;
            letters.union(&property("Nd")?);
            return Some(letters);
        }
        _ => {}
    }
    unicode(name)
        .or_else(|| unicode(name.strip_prefix("Is")?))
        .or_else(|| unicode(&format!("White_{}", name.strip_prefix("IsWhite")?)))
        .or_else(|| unicode(name.strip_prefix("java")?))
}

/// POSIX classes, as in `\p{Alnum}` and `[:alnum:]`; lower case.
pub(super) fn posix(name: &str) -> Option<ClassUnicode> {
    Some(match name {
        "lower" => class(&[('a', 'z')]),
        "upper" => class(&[('A', 'Z')]),
        "ascii" => class(&[('\0', '\u{7f}')]),
        "alpha" => class(&[('A', 'Z'), ('a', 'z')]),
        "digit" => class(&[('0', '9')]),
        "alnum" => class(&[('0', '9'), ('A', 'Z'), ('a', 'z')]),
        "punct" => class(&[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
        "graph" => class(&[('!', '~')]),
        "print" => class(&[(' ', '~')]),
        "blank" => class(&[('\t', '\t'), (' ', ' ')]),
        "cntrl" => class(&[('\0', '\u{1f}'), ('\u{7f}', '\u{7f}')]),
        "xdigit" => class(&[('0', '9'), ('A', 'F'), ('a', 'f')]),
        "space" => class(&[('\t', '\r'), (' ', ' ')]),
        "word" => class(&[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]),
        _ => return None,
    })
}

fn unicode(name: &str) -> Option<ClassUnicode> {
    let hir = regex_syntax::parse(&format!(r"\p{{{name}}}")).ok()?;
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        _ => None,
    }
}
