//! The one source of chance. A draw depends on the seed and on what it is for, never on what was drawn before, so
//! concurrent requests do not disturb each other.

use std::hash::Hasher as _;

use twox_hash::XxHash64;

/// The seeded generator of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dice {
    seed: u64,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    pub fn seed(self) -> u64 {
        self.seed
    }

    /// Starts a key: feed it what the draw is for, then call [`Hasher::draw`].
    pub fn key(self, purpose: &str) -> Hasher {
        let mut hasher = Hasher(XxHash64::with_seed(self.seed));
        hasher.text(purpose);
        hasher
    }
}

/// Collects what a draw is for. Stable across platforms and releases of standin.
#[derive(Clone)]
pub struct Hasher(XxHash64);

impl Hasher {
    /// Texts are delimited: `"ab", "c"` differs from `"a", "bc"`.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.write(bytes);
        self.number(bytes.len() as u64)
    }

    pub fn number(&mut self, number: u64) -> &mut Self {
        self.0.write(&number.to_le_bytes());
        self
    }

    pub fn finish(&self) -> u64 {
        self.0.finish()
    }

    pub fn draw(&self) -> Draw {
        Draw(self.finish())
    }
}

/// A stream of numbers for one purpose (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    pub fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // Multiply and shift: a bias of at most 2^-64 × bound, which nobody sees.
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        if low >= high {
            return low;
        }
        let span = high.wrapping_sub(low) as u64;
        match span.checked_add(1) {
            Some(span) => low.wrapping_add(self.below(span) as i64),
            None => self.next_u64() as i64,
        }
    }

    /// From 0 up to, not including, 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of the items; `None` of none.
    pub fn pick<'t, T>(&mut self, items: &'t [T]) -> Option<&'t T> {
        items.get(self.below(items.len() as u64) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_key_same_draw() {
        let dice = Dice::new(7);
        let draw = |a: &str, b: &str| dice.key("test").text(a).text(b).draw().next_u64();
        assert_eq!(draw("ab", "c"), draw("ab", "c"));
        assert_ne!(draw("ab", "c"), draw("a", "bc"));
        assert_ne!(draw("a", "b"), Dice::new(8).key("test").text("a").text("b").draw().next_u64());
    }

    #[test]
    fn draws_stay_in_bounds() {
        let mut draw = Draw::from_seed(1);
        for _ in 0..1000 {
            assert!(draw.below(3) < 3);
            assert!((-2..=2).contains(&draw.between(-2, 2)));
            assert!((0.0..1.0).contains(&draw.unit()));
        }
        assert_eq!(draw.below(0), 0);
        draw.between(i64::MIN, i64::MAX);
        assert_eq!(draw.pick::<u8>(&[]), None);
    }
}
