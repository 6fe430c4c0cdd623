//! Makes a text that fits a pattern: first what a person would type, then whatever fits.
//!
//! A pattern is unrolled into pieces, with its alternatives and counts drawn; then a length is chosen, the room is
//! shared out and filled. Look-around is not solved but tried: every text is checked before it is given out.

use std::ops::{Range, RangeInclusive};
use std::sync::LazyLock;

use standin_core::Draw;

use super::Verdict;
use super::charset::{self, CharSet};
use super::parse::{Assert, Node, reach};
use super::programs;
use super::search::{self, Extent};

/// Each attempt draws anew, and is less choosy about looks than the one before.
const ATTEMPTS: u32 = 64;
const PIECES_MAX: usize = 20_000;
/// Longer texts are not made; no model asks for longer ones at least.
const CHARS_MAX: usize = 200_000;
/// How long a run of characters is, on average, where the pattern leaves it open.
const RUN_CHARS: usize = 8;
/// Shorter texts look poor; they are made only where nothing longer may be.
const GOOD_CHARS: usize = 4;

/// By length, from three letters.
const WORDS: [&[&str]; 7] = [
    &["ash", "bay", "elm", "fox", "ivy", "oak", "sky", "web"],
    &["blue", "cove", "demo", "echo", "jade", "lake", "main", "nova"],
    &["alpha", "amber", "atlas", "cedar", "delta", "green", "maple", "river"],
    &["aurora", "beacon", "cobalt", "forest", "garden", "indigo", "silver", "summit"],
    &["archive", "billing", "catalog", "gateway", "invoice", "primary", "reports", "weather"],
    &["calendar", "customer", "database", "frontend", "fountain", "mountain", "platform", "shipping"],
    &["analytics", "inventory", "hydrology", "marketing", "pipelines", "reporting", "telemetry", "warehouse"],
];
const SHORTEST: usize = 3;
const LONGEST: usize = 9;

/// Makes a text of `min_chars` to `max_chars` characters that the pattern accepts; `None` where none was found, which
/// for AWS's models means that there is none. The same draws give the same text.
///
/// The whole text fits the pattern, also where the pattern has no anchors, wherever that is possible.
pub fn generate(pattern: &str, min_chars: usize, max_chars: usize, draw: &mut Draw) -> Option<String> {
    let program = programs::get(pattern);
    let readings = program.readings();
    if readings.is_empty() {
        return None;
    }
    let max_chars = max_chars.min(CHARS_MAX);
    (0..ATTEMPTS).find_map(|attempt| {
        // The likeliest reading has the first tries to itself.
        let reading = &readings[if attempt < 8 { 0 } else { attempt as usize % readings.len() }];
        let text = make(&reading.node, attempt, min_chars, max_chars, draw)?;
        let fits = search::found(&reading.node, &text, Extent::Whole) == Verdict::Yes
            || is_late(attempt) && program.matches(&text) == Verdict::Yes;
        fits.then_some(text)
    })
}

/// The first half of the attempts holds out for a text that fits as a whole and says something.
fn is_late(attempt: u32) -> bool {
    attempt >= ATTEMPTS / 2
}

/// What fills up a text of which the pattern asks for a part only.
static FILLING: LazyLock<CharSet> = LazyLock::new(|| CharSet::from(&charset::class(&[('0', '9'), ('a', 'z')])));

fn make(node: &Node, attempt: u32, min_chars: usize, max_chars: usize, draw: &mut Draw) -> Option<String> {
    let most = reach(node).1;
    let too_short = most < min_chars;
    if too_short && !is_late(attempt) {
        return None;
    }
    let wanted = if attempt < 4 { min_chars.max(GOOD_CHARS.min(max_chars).min(most)) } else { min_chars };
    let mut grow = 0;
    loop {
        let mut unroll =
            Unroll { pieces: Vec::new(), groups: Vec::new(), ended: false, attempt, grow, max_chars, draw: &mut *draw };
        unroll.node(node, true)?;
        let mut pieces = unroll.pieces;
        if too_short {
            let at = if attempt.is_multiple_of(2) { pieces.len() } else { 0 };
            pieces.insert(at, Piece::Run { set: &FILLING, min: 0, max: usize::MAX });
        }
        match share(&pieces, attempt, wanted, max_chars, draw) {
            Ok(lengths) => return render(&pieces, &lengths, attempt, draw),
            Err(Misfit::TooShort) if grow < CHARS_MAX => grow = (grow * 2).max(1),
            Err(_) => return None,
        }
    }
}

/// A pattern with its choices made.
enum Piece<'n> {
    Text(&'n [char]),
    Run {
        set: &'n CharSet,
        min: usize,
        max: usize,
    },
    /// What those pieces gave.
    Copy(Range<usize>),
}

struct Unroll<'n, 'd> {
    pieces: Vec<Piece<'n>>,
    /// Where the pieces of a numbered group stand.
    groups: Vec<(usize, Range<usize>)>,
    /// The end of the text was asserted: nothing more may come.
    ended: bool,
    attempt: u32,
    /// Repetitions of groups beyond the fewest.
    grow: usize,
    max_chars: usize,
    draw: &'d mut Draw,
}

impl<'n> Unroll<'n, '_> {
    /// `closing`: nothing that must be written comes after.
    fn node(&mut self, node: &'n Node, closing: bool) -> Option<()> {
        if self.pieces.len() > PIECES_MAX {
            return None;
        }
        match node {
            Node::Empty | Node::Look { .. } => {}
            Node::Literal(text) => self.pieces.push(Piece::Text(text)),
            Node::Class(set) => self.run(set, 1, 1),
            Node::Concat(parts) => {
                let last = parts.iter().rposition(|part| reach(part).1 > 0).unwrap_or(0);
                let mut parts = parts.iter().enumerate();
                while let Some((at, part)) = parts.next() {
                    self.node(part, closing && at >= last)?;
                    if let Node::Look { behind: false, negative: false, node } = part
                        && self.attempt % 4 == 3
                    {
                        // What must be seen ahead is written instead of what comes next, or of all that comes.
                        self.node(node, false)?;
                        let skipped = [1, usize::MAX][self.attempt as usize / 4 % 2];
                        parts.by_ref().take(skipped).for_each(drop);
                    }
                }
            }
            Node::Alternation(choices) => {
                let choice = self.choose(choices, closing)?;
                self.node(choice, closing)?;
            }
            Node::Repeat { node, min, max } => {
                let (min, max) = (*min as usize, max.map_or(usize::MAX, |max| max as usize));
                if let Node::Class(set) = &**node {
                    self.run(set, min, max);
                    return Some(());
                }
                let more = match self.attempt {
                    0..4 => self.grow,
                    _ => self.draw.below(self.grow as u64 + 2) as usize,
                };
                let times = min.saturating_add(more).min(max);
                for time in 1..=times {
                    self.node(node, closing && time == times)?;
                }
            }
            Node::Assert(Assert::Start) => {
                for piece in &mut self.pieces {
                    if let Piece::Run { min: 0, max, .. } = piece {
                        *max = 0;
                    }
                }
            }
            Node::Assert(Assert::LineStart) => {
                let inside = self.pieces.len() > 1;
                match self.pieces.last_mut() {
                    Some(last @ Piece::Run { .. }) if inside => *last = Piece::Text(&['\n']),
                    Some(Piece::Run { max, .. }) => *max = 0,
                    _ => {}
                }
            }
            Node::Assert(Assert::End) => self.ended = true,
            Node::Assert(_) => {}
            Node::Group(number, node) => {
                let start = self.pieces.len();
                self.node(node, closing)?;
                self.groups.push((*number, start..self.pieces.len()));
            }
            Node::BackReference(number, _) => {
                if let Some((_, range)) = self.groups.iter().rev().find(|(group, _)| group == number) {
                    self.pieces.push(Piece::Copy(range.clone()));
                }
            }
        }
        Some(())
    }

    fn run(&mut self, set: &'n CharSet, min: usize, max: usize) {
        let max = if self.ended { min } else { max };
        self.pieces.push(Piece::Run { set, min, max });
    }

    /// One of the choices that still fit; one that says something rather than nothing.
    fn choose(&mut self, choices: &'n [Node], closing: bool) -> Option<&'n Node> {
        let shortest = choices.iter().map(|choice| reach(choice).0).min()?;
        let fitting: Vec<&Node> = choices
            .iter()
            .filter(|choice| {
                let (min, max) = reach(choice);
                let says = max > 0 && !is_sign(choice) || self.attempt >= 4;
                let ends_too_early = !closing && matches!(choice, Node::Assert(Assert::End));
                let short_enough = min <= self.max_chars && (self.attempt % 8 != 7 || min == shortest);
                says && !ends_too_early && short_enough
            })
            .collect();
        let home = fitting.iter().find(|choice| self.attempt == 0 && is_literal(choice, "aws"));
        home.or_else(|| self.draw.pick(&fitting)).copied().or_else(|| choices.first())
    }
}

/// `*`, beside what may stand for it, is a wildcard.
fn is_sign(node: &Node) -> bool {
    is_literal(node, "*")
}

/// Of all partitions, `aws` looks least odd.
fn is_literal(node: &Node, text: &str) -> bool {
    matches!(node, Node::Literal(literal) if literal.iter().copied().eq(text.chars()))
}

enum Misfit {
    TooShort,
    TooLong,
}

/// How many characters each piece gets.
fn share(
    pieces: &[Piece<'_>],
    attempt: u32,
    min_chars: usize,
    max_chars: usize,
    draw: &mut Draw,
) -> Result<Vec<usize>, Misfit> {
    let bounds = |piece: &Piece<'_>| match piece {
        Piece::Text(text) => (text.len(), text.len()),
        Piece::Run { min, max, .. } => (*min, *max),
        Piece::Copy(_) => (0, 0),
    };
    let mut lengths: Vec<usize> = Vec::with_capacity(pieces.len());
    for (at, piece) in pieces.iter().enumerate() {
        let usual = draw.between(RUN_CHARS as i64 / 2, RUN_CHARS as i64 * 3 / 2) as usize;
        lengths.push(match piece {
            Piece::Run { set, min, max } if min < max => {
                let (before, after) = (at.checked_sub(1).map(|at| &pieces[at]), pieces.get(at + 1));
                let needless = match attempt {
                    0..8 => *max == 1 || !set.has_letters_or_digits() || is_suffix(before, after),
                    _ => attempt.is_multiple_of(4),
                };
                if needless { *min } else { usual.clamp(*min, *max) }
            }
            piece => bounds(piece).0,
        });
    }
    let total: usize = lengths.iter().sum();
    let start = draw.below(pieces.len() as u64) as usize;
    let order = || (start..pieces.len()).chain(0..start);
    let mut missing = min_chars.saturating_sub(total);
    for at in order() {
        let more = missing.min(bounds(&pieces[at]).1.saturating_sub(lengths[at]));
        lengths[at] += more;
        missing -= more;
    }
    let mut surplus = total.saturating_sub(max_chars);
    for at in order() {
        let less = surplus.min(lengths[at].saturating_sub(bounds(&pieces[at]).0));
        lengths[at] -= less;
        surplus -= less;
    }
    match (missing, surplus) {
        (0, 0) => Ok(lengths),
        (0, _) => Err(Misfit::TooLong),
        _ => Err(Misfit::TooShort),
    }
}

/// Whether what stands between is glued to a word that needs nothing more, as in `arn:aws[a-z-]*:`.
fn is_suffix(before: Option<&Piece<'_>>, after: Option<&Piece<'_>>) -> bool {
    let ends_word = |piece: &Piece<'_>| matches!(piece, Piece::Text([.., last]) if last.is_alphanumeric());
    before.is_some_and(ends_word) && !matches!(after, Some(Piece::Run { .. }))
}

fn render(pieces: &[Piece<'_>], lengths: &[usize], attempt: u32, draw: &mut Draw) -> Option<String> {
    let mut text: Vec<char> = Vec::with_capacity(lengths.iter().sum());
    // Where each piece begins in the text, for copies.
    let mut starts = Vec::with_capacity(pieces.len());
    let mut phrase = Vec::new().into_iter();
    for (at, piece) in pieces.iter().enumerate() {
        starts.push(text.len());
        match piece {
            Piece::Text(literal) => {
                text.extend_from_slice(literal);
                phrase = Vec::new().into_iter();
            }
            Piece::Copy(range) => {
                let end = starts.get(range.end).copied().unwrap_or(text.len());
                text.extend_from_within(starts[range.start]..end);
            }
            Piece::Run { set, min, .. } => {
                if phrase.len() == 0 {
                    phrase = write_phrase(&pieces[at..], &lengths[at..], draw).into_iter();
                }
                let look = Look::of(attempt, set, *min);
                let pool = look.pool(set);
                for _ in 0..lengths[at] {
                    let word = phrase.next().filter(|_| look == Look::Words);
                    let fitting = word.and_then(|c| [c, c.to_ascii_uppercase()].into_iter().find(|c| set.contains(*c)));
                    text.push(fitting.or_else(|| draw.pick(&pool).copied())?);
                }
            }
        }
    }
    Some(text.into_iter().collect())
}

/// Words for all runs that follow each other from the first piece on, as if they were one.
fn write_phrase(pieces: &[Piece<'_>], lengths: &[usize], draw: &mut Draw) -> Vec<char> {
    let runs = pieces.iter().zip(lengths).map_while(|(piece, length)| match piece {
        Piece::Run { set, .. } => Some((*set, *length)),
        _ => None,
    });
    let room: usize = runs.clone().map(|(_, length)| length).sum();
    let widest = runs.max_by_key(|(_, length)| *length);
    let separator = widest.and_then(|(set, _)| ['-', '_', ' ', '.'].into_iter().find(|c| set.contains(*c)));
    let mut phrase = Vec::with_capacity(room);
    let gap = separator.map_or(0, char::len_utf8);
    while phrase.len() < room {
        let left = room - phrase.len();
        // The last word fits exactly; one before it leaves room for another.
        let length = if left <= LONGEST {
            left
        } else {
            let longest = LONGEST.min(left - gap - SHORTEST) as i64;
            draw.between(SHORTEST as i64 + 1, longest) as usize
        };
        match length.checked_sub(SHORTEST).and_then(|at| draw.pick(WORDS.get(at)?)) {
            Some(word) => phrase.extend(word.chars()),
            None => phrase.extend("ab".chars().take(length)),
        }
        if phrase.len() < room {
            phrase.extend(separator);
        }
    }
    phrase
}

/// What a run of characters looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Words,
    /// An identifier: letters of one case, and digits.
    Random,
    /// Letters of both cases, and digits.
    Mixed,
    /// Anything that a keyboard has.
    Wide,
}

impl Look {
    fn of(attempt: u32, set: &CharSet, min: usize) -> Self {
        let spells = |mut letters: RangeInclusive<char>| letters.all(|c| set.contains(c));
        let words = min < RUN_CHARS && (spells('a'..='z') || spells('A'..='Z'));
        match attempt {
            0..8 if words => Self::Words,
            0..8 => Self::Random,
            _ => [Self::Words, Self::Mixed, Self::Wide][attempt as usize % 3],
        }
    }

    /// The characters to draw from; those of the set that look best. Empty for the empty set only.
    fn pool(self, set: &CharSet) -> Vec<char> {
        let of = |ranges: &[(char, char)]| -> Vec<char> {
            ranges.iter().flat_map(|(first, last)| *first..=*last).filter(|c| set.contains(*c)).collect()
        };
        let (lower, upper, digits) = (('a', 'z'), ('A', 'Z'), ('0', '9'));
        let choices: &[&[(char, char)]] = match self {
            Self::Words => &[&[lower], &[digits], &[upper]],
            Self::Random => &[&[lower, digits], &[upper, digits]],
            Self::Mixed => &[&[lower, upper, digits]],
            Self::Wide => &[],
        };
        let friendly = choices
            .iter()
            .map(|ranges| of(ranges))
            .find(|pool| pool.len() > 1 || pool.len() == 1 && self != Self::Random);
        let typed = || Some(of(&[('!', '~')])).filter(|pool| !pool.is_empty());
        let any = || of(&[(' ', ' ')]).first().copied().or(set.any()).into_iter().collect();
        friendly.or_else(typed).unwrap_or_else(any)
    }
}
