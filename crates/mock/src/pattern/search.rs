//! Walks a pattern over a text, for all positions at once.
//!
//! Every step maps the set of positions at which a part of the pattern may begin to the set at which it may end. There is
//! no backtracking; what a few patterns with nested repetitions may still cost is bounded by a budget.

use super::Verdict;
use super::parse::{Assert, Node};
use super::positions::Positions;

/// Longer texts are not checked; few shapes allow them, and none of those has a pattern that says much.
const BYTES_MAX: usize = 1 << 18;
/// Steps that a check may take in any case, and in addition for each character.
const BUDGET_BASE: usize = 500_000;
const BUDGET_PER_CHAR: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Anywhere,
    /// From the start of the text to its end.
    Whole,
}

/// Whether the pattern is found in the text.
pub(super) fn found(node: &Node, text: &str, extent: Extent) -> Verdict {
    if text.len() > BYTES_MAX {
        return Verdict::Unknown;
    }
    let found = if text.is_ascii() {
        Search::new(text.as_bytes()).found(node, extent)
    } else {
        let chars: Vec<char> = text.chars().collect();
        Search::new(chars.as_slice()).found(node, extent)
    };
    match found {
        Ok(true) => Verdict::Yes,
        Ok(false) => Verdict::No,
        Err(OutOfBudget) => Verdict::Unknown,
    }
}

struct OutOfBudget;

struct Search<'t, C> {
    text: &'t [C],
    budget: usize,
}

impl<'t, C: Copy + Into<u32>> Search<'t, C> {
    fn new(text: &'t [C]) -> Self {
        Self { text, budget: BUDGET_BASE + BUDGET_PER_CHAR * text.len() }
    }

    fn found(&mut self, node: &Node, extent: Extent) -> Result<bool, OutOfBudget> {
        let length = self.text.len();
        match extent {
            Extent::Anywhere => Ok(!self.ends(node, &Positions::up_to(length))?.is_empty()),
            Extent::Whole => Ok(self.ends(node, &Positions::one(0))?.contains(length)),
        }
    }

    fn spend(&mut self, steps: usize) -> Result<(), OutOfBudget> {
        self.budget = self.budget.checked_sub(steps).ok_or(OutOfBudget)?;
        Ok(())
    }

    /// Where the node may end when it begins at one of `from`.
    fn ends(&mut self, node: &Node, from: &Positions) -> Result<Positions, OutOfBudget> {
        self.spend(1 + from.span())?;
        let length = self.text.len();
        match node {
            Node::Empty => Ok(from.clone()),
            Node::Literal(literal) => {
                let mut ends = Positions::none();
                for start in from.iter() {
                    let end = start + literal.len();
                    let here = self.text.get(start..end);
                    if here.is_some_and(|here| here.iter().zip(literal).all(|(c, l)| (*c).into() == u32::from(*l))) {
                        ends.insert(end);
                    }
                }
                Ok(ends)
            }
            Node::Class(set) => {
                let mut ends = Positions::none();
                for start in from.iter() {
                    if self.text.get(start).is_some_and(|c| set.contains(*c)) {
                        ends.insert(start + 1);
                    }
                }
                Ok(ends)
            }
            Node::Concat(parts) => {
                let Some((first, rest)) = parts.split_first() else { return Ok(from.clone()) };
                let mut at = self.ends(first, from)?;
                for part in rest {
                    if at.is_empty() {
                        break;
                    }
                    at = self.ends(part, &at)?;
                }
                Ok(at)
            }
            Node::Alternation(choices) => {
                let mut ends = Positions::none();
                for choice in choices {
                    ends.union(&self.ends(choice, from)?);
                }
                Ok(ends)
            }
            Node::Repeat { node, min, max } => match &**node {
                Node::Class(set) => {
                    let (min, max) = (*min as usize, max.map_or(usize::MAX, |max| max as usize));
                    self.run(|c| set.contains(c), min, max, from)
                }
                node => self.repeat(node, *min, *max, from),
            },
            Node::Look { behind: false, negative, node } => {
                let mut kept = from.clone();
                for start in from.iter() {
                    let seen = !self.ends(node, &Positions::one(start))?.is_empty();
                    if seen == *negative {
                        kept.subtract(&Positions::one(start));
                    }
                }
                Ok(kept)
            }
            Node::Look { behind: true, negative, node } => {
                let seen = self.ends(node, &Positions::up_to(length))?;
                let mut kept = from.clone();
                kept.retain(|position| seen.contains(position) != *negative);
                Ok(kept)
            }
            Node::Assert(assert) => {
                let mut kept = from.clone();
                match assert {
                    // Far more often than not the whole text is asked about: no walk over it.
                    Assert::Start if from.contains(0) => return Ok(Positions::one(0)),
                    Assert::End if from.contains(length) => return Ok(Positions::one(length)),
                    Assert::Start | Assert::End => return Ok(Positions::none()),
                    _ => kept.retain(|position| self.holds(*assert, position)),
                }
                Ok(kept)
            }
            Node::Group(_, node) | Node::BackReference(_, node) => self.ends(node, from),
        }
    }

    /// A repeated class: the common case, in one pass over the text.
    fn run(
        &mut self,
        member: impl Fn(C) -> bool,
        min: usize,
        max: usize,
        from: &Positions,
    ) -> Result<Positions, OutOfBudget> {
        let length = self.text.len();
        let mut ends = Positions::none();
        // `scanned` characters are looked at; those from `start` on, while `open`, are members up to there.
        let (mut scanned, mut open, mut filled) = (0, false, 0);
        for start in from.iter() {
            if start >= scanned {
                if !(start == scanned && open) {
                    scanned = start;
                }
                open = true;
            }
            let wanted = start.saturating_add(max).min(length);
            let before = scanned;
            if open && scanned < wanted {
                match self.text[scanned..wanted].iter().position(|c| !member(*c)) {
                    Some(members) => (scanned, open) = (scanned + members, false),
                    None => scanned = wanted,
                }
            }
            self.spend(scanned - before)?;
            let (first, last) = (start.saturating_add(min), wanted.min(scanned));
            if first <= last {
                ends.insert_range(first.max(filled).min(last), last);
                filled = last;
            }
        }
        Ok(ends)
    }

    fn repeat(&mut self, node: &Node, min: u32, max: Option<u32>, from: &Positions) -> Result<Positions, OutOfBudget> {
        let mut at = from.clone();
        for _ in 0..min {
            let next = self.ends(node, &at)?;
            // Nothing more happens: it cannot go on, or goes on without moving.
            if next.is_empty() || next == at {
                at = next;
                break;
            }
            at = next;
        }
        let mut ends = at.clone();
        let mut more = max.map_or(u32::MAX, |max| max - min);
        // A position that was reached with fewer repetitions has nothing to gain from being reached again.
        while more > 0 && !at.is_empty() {
            at = self.ends(node, &at)?;
            at.subtract(&ends);
            ends.union(&at);
            more -= 1;
        }
        Ok(ends)
    }

    fn holds(&self, assert: Assert, position: usize) -> bool {
        let is = |at: Option<usize>, what: fn(u32) -> bool| {
            at.and_then(|at| self.text.get(at)).is_some_and(|c| what((*c).into()))
        };
        let word = |code: u32| char::from_u32(code).is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let line_end = |code: u32| code == u32::from('\n') || code == u32::from('\r');
        let before = position.checked_sub(1);
        match assert {
            Assert::Start => position == 0,
            Assert::End => position == self.text.len(),
            Assert::LineStart => position == 0 || is(before, line_end),
            Assert::LineEnd => position == self.text.len() || is(Some(position), line_end),
            Assert::WordBoundary => is(before, word) != is(Some(position), word),
            Assert::NotWordBoundary => is(before, word) == is(Some(position), word),
        }
    }
}
