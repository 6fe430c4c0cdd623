//! A set of positions in a text.

const INLINE_WORDS: usize = 4;
const BITS: usize = 64;

/// Positions from 0 to the length of a text, both included. Takes memory for the stretch between its first and its last
/// member only, and none on the heap where that is short.
#[derive(Clone)]
pub(super) struct Positions {
    /// The first word is for the positions from `64 * base` on.
    base: usize,
    words: Words,
}

#[derive(Clone)]
enum Words {
    Inline { words: [u64; INLINE_WORDS], count: usize },
    Heap(Vec<u64>),
}

impl Positions {
    pub(super) fn none() -> Self {
        Self { base: 0, words: Words::Inline { words: [0; INLINE_WORDS], count: 0 } }
    }

    pub(super) fn one(position: usize) -> Self {
        let mut set = Self::none();
        set.insert(position);
        set
    }

    /// `0 ..= last`.
    pub(super) fn up_to(last: usize) -> Self {
        let mut set = Self::none();
        set.insert_range(0, last);
        set
    }

    fn words(&self) -> &[u64] {
        match &self.words {
            Words::Inline { words, count } => &words[..*count],
            Words::Heap(words) => words,
        }
    }

    fn words_mut(&mut self) -> &mut [u64] {
        match &mut self.words {
            Words::Inline { words, count } => &mut words[..*count],
            Words::Heap(words) => words,
        }
    }

    fn word(&self, at: usize) -> u64 {
        at.checked_sub(self.base).and_then(|at| self.words().get(at)).copied().unwrap_or(0)
    }

    /// How many words a walk over this set looks at: the measure of what it costs.
    pub(super) fn span(&self) -> usize {
        self.words().len()
    }

    /// Makes room for the words from `low` up to, not including, `high`.
    fn cover(&mut self, low: usize, high: usize) {
        if self.span() == 0 {
            self.base = low;
        }
        let base = self.base.min(low);
        let before = self.base - base;
        let wanted = (self.base + self.span()).max(high) - base;
        self.base = base;
        match &mut self.words {
            Words::Inline { words, count } if wanted <= INLINE_WORDS => {
                words[..before + *count].rotate_right(before);
                *count = wanted;
            }
            Words::Inline { words, count } => {
                let mut heap = Vec::with_capacity(wanted * 2);
                heap.resize(before, 0);
                heap.extend_from_slice(&words[..*count]);
                heap.resize(wanted, 0);
                self.words = Words::Heap(heap);
            }
            Words::Heap(words) => {
                words.splice(..0, std::iter::repeat_n(0, before));
                words.resize(wanted, 0);
            }
        }
    }

    pub(super) fn insert(&mut self, position: usize) {
        self.insert_range(position, position);
    }

    /// Inserts `first ..= last`.
    pub(super) fn insert_range(&mut self, first: usize, last: usize) {
        if first > last {
            return;
        }
        let (low, high) = (first / BITS, last / BITS);
        if low < self.base || high >= self.base + self.span() {
            self.cover(low, high + 1);
        }
        let base = self.base;
        let words = &mut self.words_mut()[low - base..=high - base];
        let (from, to) = (u64::MAX << (first % BITS), u64::MAX >> (BITS - 1 - last % BITS));
        match words {
            [word] => *word |= from & to,
            [first, between @ .., last] => {
                *first |= from;
                between.fill(u64::MAX);
                *last |= to;
            }
            [] => {}
        }
    }

    pub(super) fn contains(&self, position: usize) -> bool {
        self.word(position / BITS) >> (position % BITS) & 1 == 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words().iter().all(|word| *word == 0)
    }

    pub(super) fn union(&mut self, other: &Self) {
        if other.span() == 0 {
            return;
        }
        self.cover(other.base, other.base + other.span());
        let offset = other.base - self.base;
        for (word, other) in self.words_mut()[offset..].iter_mut().zip(other.words()) {
            *word |= other;
        }
    }

    pub(super) fn subtract(&mut self, other: &Self) {
        let base = self.base;
        for (at, word) in self.words_mut().iter_mut().enumerate() {
            *word &= !other.word(base + at);
        }
        self.shrink();
    }

    /// Keeps the positions that `keep` accepts.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let base = self.base;
        for (at, word) in self.words_mut().iter_mut().enumerate() {
            let mut left = *word;
            while left != 0 {
                let bit = left.trailing_zeros() as usize;
                left &= left - 1;
                if !keep((base + at) * BITS + bit) {
                    *word &= !(1 << bit);
                }
            }
        }
        self.shrink();
    }

    /// Lets go of words without members at both ends.
    fn shrink(&mut self) {
        let words = self.words();
        let Some(first) = words.iter().position(|word| *word != 0) else {
            *self = Self::none();
            return;
        };
        let last = words.iter().rposition(|word| *word != 0).unwrap_or(first);
        self.base += first;
        match &mut self.words {
            Words::Inline { words, count } => {
                words.copy_within(first..=last, 0);
                *count = last - first + 1;
                words[*count..].fill(0);
            }
            Words::Heap(words) => {
                words.truncate(last + 1);
                words.drain(..first);
            }
        }
    }

    /// In ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words().iter().enumerate().flat_map(|(at, word)| {
            let (mut left, start) = (*word, (self.base + at) * BITS);
            std::iter::from_fn(move || {
                if left == 0 {
                    return None;
                }
                let bit = left.trailing_zeros() as usize;
                left &= left - 1;
                Some(start + bit)
            })
        })
    }
}

impl PartialEq for Positions {
    fn eq(&self, other: &Self) -> bool {
        let low = self.base.min(other.base);
        let high = (self.base + self.span()).max(other.base + other.span());
        (low..high).all(|at| self.word(at) == other.word(at))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(members: &BTreeSet<usize>) -> Positions {
        let mut set = Positions::none();
        members.iter().for_each(|member| set.insert(*member));
        set
    }

    proptest! {
        #[test]
        fn behaves_like_a_set(
            a in prop::collection::btree_set(0..2000_usize, 0..20),
            b in prop::collection::vec(0..600_usize, 0..20),
            first in 0..1000_usize,
            length in 0..500_usize,
        ) {
            let mut expected = a.clone();
            let mut positions = set(&a);
            // In any order, to the front as well.
            for member in &b {
                positions.insert(*member);
                expected.insert(*member);
            }
            positions.insert_range(first, first + length);
            expected.extend(first..=first + length);
            prop_assert!(positions.iter().eq(expected.iter().copied()));
            positions.subtract(&set(&a));
            expected.retain(|member| !a.contains(member));
            prop_assert!(positions.iter().eq(expected.iter().copied()));
            positions.retain(|member| member % 3 == 0);
            expected.retain(|member| member % 3 == 0);
            prop_assert!(positions == set(&expected));
            positions.union(&set(&a));
            expected.extend(&a);
            prop_assert!(positions.iter().eq(expected.iter().copied()));
            prop_assert!((0..2100).all(|member| positions.contains(member) == expected.contains(&member)));
            prop_assert_eq!(positions.is_empty(), expected.is_empty());
        }
    }

    #[test]
    fn takes_memory_for_its_stretch_only() {
        assert_eq!(Positions::one(1 << 40).span(), 1);
        assert_eq!(Positions::up_to(1000).span(), 16);
        assert!(Positions::one(5) != Positions::none());
    }
}
