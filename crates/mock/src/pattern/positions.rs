//! A set of positions in a text.

/// Texts of fewer characters need no allocation.
const INLINE_WORDS: usize = 4;
const BITS: usize = 64;

/// Positions from 0 to the length of a text, both included.
#[derive(Clone)]
pub(super) struct Positions {
    words: Words,
    /// All words outside of `low..high` are zero.
    low: usize,
    high: usize,
}

#[derive(Clone)]
enum Words {
    Inline([u64; INLINE_WORDS]),
    Heap(Box<[u64]>),
}

impl Positions {
    /// No positions of a text of that length.
    pub(super) fn none(length: usize) -> Self {
        let count = length / BITS + 1;
        let words = if count <= INLINE_WORDS {
            Words::Inline([0; INLINE_WORDS])
        } else {
            Words::Heap(vec![0; count].into_boxed_slice())
        };
        Self { words, low: 0, high: 0 }
    }

    pub(super) fn one(length: usize, position: usize) -> Self {
        let mut set = Self::none(length);
        set.insert(position);
        set
    }

    pub(super) fn all(length: usize) -> Self {
        let mut set = Self::none(length);
        set.insert_range(0, length);
        set
    }

    fn words(&self) -> &[u64] {
        match &self.words {
            Words::Inline(words) => words,
            Words::Heap(words) => words,
        }
    }

    fn words_mut(&mut self) -> &mut [u64] {
        match &mut self.words {
            Words::Inline(words) => words,
            Words::Heap(words) => words,
        }
    }

    /// How many words a walk over this set looks at: the measure of what it costs.
    pub(super) fn span(&self) -> usize {
        self.high - self.low
    }

    fn cover(&mut self, low: usize, high: usize) {
        if self.low == self.high {
            (self.low, self.high) = (low, high);
        } else {
            (self.low, self.high) = (self.low.min(low), self.high.max(high));
        }
    }

    pub(super) fn insert(&mut self, position: usize) {
        let word = position / BITS;
        self.words_mut()[word] |= 1 << (position % BITS);
        self.cover(word, word + 1);
    }

    /// Inserts `first ..= last`.
    pub(super) fn insert_range(&mut self, first: usize, last: usize) {
        if first > last {
            return;
        }
        let (low, high) = (first / BITS, last / BITS);
        for word in low..=high {
            let from = if word == low { first % BITS } else { 0 };
            let to = if word == high { last % BITS } else { BITS - 1 };
            self.words_mut()[word] |= (u64::MAX >> (BITS - 1 - to)) & (u64::MAX << from);
        }
        self.cover(low, high + 1);
    }

    pub(super) fn contains(&self, position: usize) -> bool {
        self.words()[position / BITS] >> (position % BITS) & 1 == 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words()[self.low..self.high].iter().all(|word| *word == 0)
    }

    pub(super) fn union(&mut self, other: &Self) {
        if other.span() == 0 {
            return;
        }
        for word in other.low..other.high {
            self.words_mut()[word] |= other.words()[word];
        }
        self.cover(other.low, other.high);
    }

    pub(super) fn subtract(&mut self, other: &Self) {
        for word in self.low.max(other.low)..self.high.min(other.high) {
            self.words_mut()[word] &= !other.words()[word];
        }
        self.shrink();
    }

    /// Keeps the positions that `keep` accepts.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        for word in self.low..self.high {
            let mut left = self.words()[word];
            while left != 0 {
                let bit = left.trailing_zeros() as usize;
                left &= left - 1;
                if !keep(word * BITS + bit) {
                    self.words_mut()[word] &= !(1 << bit);
                }
            }
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.low < self.high && self.words()[self.low] == 0 {
            self.low += 1;
        }
        while self.low < self.high && self.words()[self.high - 1] == 0 {
            self.high -= 1;
        }
    }

    /// In ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (self.low..self.high).flat_map(|word| {
            let mut left = self.words()[word];
            std::iter::from_fn(move || {
                if left == 0 {
                    return None;
                }
                let bit = left.trailing_zeros() as usize;
                left &= left - 1;
                Some(word * BITS + bit)
            })
        })
    }
}

impl PartialEq for Positions {
    /// Of sets over the same text.
    fn eq(&self, other: &Self) -> bool {
        self.words() == other.words()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_put_in() {
        for length in [10, 255, 256, 1000] {
            let mut set = Positions::none(length);
            assert!(set.is_empty());
            set.insert_range(3, 9);
            set.insert(length);
            assert_eq!(set.iter().collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8, 9, length]);
            let mut even = Positions::all(length);
            even.retain(|position| position % 2 == 0);
            assert_eq!(even.iter().count(), length / 2 + 1);
            set.subtract(&even);
            assert!(set.contains(3) && !set.contains(4));
            set.union(&Positions::one(length, 4));
            assert!(set.contains(4));
        }
    }
}
