//! Patterns that were read already. Bounded: a server that has been asked everything keeps no more than the last few
//! hundred, and reading one again takes microseconds.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::parse::{self, Node};
use super::search::Extent;

const SHELVES: usize = 64;
const PER_SHELF: usize = 8;

/// One thing that a pattern may mean.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) node: Node,
    /// How much of the text it speaks of.
    pub(super) extent: Extent,
}

impl Reading {
    fn new(node: Node) -> Self {
        // A pattern for one or two characters is meant to be found somewhere, as is one that says where.
        let is_part = parse::has_anchors(&node) || parse::reach(&node).1 <= 2 && !matches!(node, Node::Literal(_));
        Self { node, extent: if is_part { Extent::Anywhere } else { Extent::Whole } }
    }
}

/// A pattern, read.
#[derive(Debug)]
pub(crate) struct Program {
    pattern: Box<str>,
    readings: Box<[Reading]>,
}

impl Program {
    pub(super) fn new(pattern: &str) -> Self {
        Self { pattern: pattern.into(), readings: parse::readings(pattern).into_iter().map(Reading::new).collect() }
    }

    /// What the pattern may mean, the likeliest first; none for a pattern that cannot be checked.
    pub(super) fn readings(&self) -> &[Reading] {
        &self.readings
    }
}

/// The most lately used first.
type Shelf = Mutex<Vec<Arc<Program>>>;

static SHELVED: LazyLock<[Shelf; SHELVES]> = LazyLock::new(|| std::array::from_fn(|_| Shelf::default()));

/// The program of a pattern. The lock of one shelf is held for a few comparisons.
pub(crate) fn get(pattern: &str) -> Arc<Program> {
    // Patterns of a model do not move, so where one stands tells it from others; its text decides.
    let spread = (pattern.as_ptr() as usize ^ pattern.len() << 3).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as usize);
    let shelf = &SHELVED[(spread >> (usize::BITS - 6)) % SHELVES];
    let lock = || shelf.lock().unwrap_or_else(PoisonError::into_inner);
    {
        let mut programs = lock();
        if let Some(at) = programs.iter().position(|program| *program.pattern == *pattern) {
            programs[..=at].rotate_right(1);
            return Arc::clone(&programs[0]);
        }
    }
    let program = Arc::new(Program::new(pattern));
    let mut programs = lock();
    programs.truncate(PER_SHELF - 1);
    programs.insert(0, Arc::clone(&program));
    program
}
