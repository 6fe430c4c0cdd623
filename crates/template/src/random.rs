//! Chance in templates: the generator of faker, and one for what Mockoon does not seed.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

/// A source of chance that renderings share.
#[derive(Debug)]
pub struct Random {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// A Mersenne twister, as faker has it, so that the same seed draws the same numbers; none if nothing was seeded.
    twister: Option<Box<Twister>>,
    plain: u64,
}

impl Default for Random {
    fn default() -> Self {
        Self::unseeded()
    }
}

impl Random {
    /// Draws other numbers in every process.
    pub fn unseeded() -> Self {
        let plain = RandomState::new().hash_one("standin-template");
        Self { state: Mutex::new(State { twister: None, plain }) }
    }

    /// Draws the same numbers as faker does with that seed.
    pub fn seeded(seed: u64) -> Self {
        let state = State { twister: Some(Box::new(Twister::new(seed as u32))), plain: seed };
        Self { state: Mutex::new(state) }
    }

    /// Draws the same numbers for the same key, at little cost; for one rendering among many.
    pub fn keyed(key: u64) -> Self {
        Self { state: Mutex::new(State { twister: None, plain: key }) }
    }

    /// In `0..1`, for what faker draws.
    pub(crate) fn faker(&self) -> f64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut state.twister {
            Some(twister) => twister.real(),
            None => plain(&mut state.plain),
        }
    }

    /// In `0..1`, for what Mockoon draws with `Math.random`.
    pub(crate) fn other(&self) -> f64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        plain(&mut state.plain)
    }
}

/// SplitMix64.
fn plain(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^= word >> 31;
    (word >> 11) as f64 / (1_u64 << 53) as f64
}

/// MT19937, with 53 bits a draw.
#[derive(Debug)]
struct Twister {
    words: [u32; 624],
    next: usize,
}

impl Twister {
    fn new(seed: u32) -> Self {
        let mut words = [seed; 624];
        for at in 1..words.len() {
            let before = words[at - 1] ^ (words[at - 1] >> 30);
            words[at] = before.wrapping_mul(1_812_433_253).wrapping_add(at as u32);
        }
        Self { words, next: 624 }
    }

    fn word(&mut self) -> u32 {
        if self.next >= self.words.len() {
            for at in 0..self.words.len() {
                let joined = (self.words[at] & 0x8000_0000) | (self.words[(at + 1) % 624] & 0x7fff_ffff);
                let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
                self.words[at] = self.words[(at + 397) % 624] ^ (joined >> 1) ^ odd;
            }
            self.next = 0;
        }
        let mut word = self.words[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn real(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twister_draws_the_reference_numbers() {
        let mut twister = Twister::new(5489);
        assert_eq!(twister.word(), 3_499_211_612);
        for _ in 1..9_999 {
            twister.word();
        }
        assert_eq!(twister.word(), 4_123_659_995);
    }

    #[test]
    fn a_seed_repeats_and_draws_stay_below_one() {
        let (a, b) = (Random::seeded(7), Random::seeded(7));
        for _ in 0..2_000 {
            let draw = a.faker();
            assert!((0.0..1.0).contains(&draw));
            assert_eq!(draw, b.faker());
            assert!((0.0..1.0).contains(&a.other()));
        }
        assert_ne!(Random::unseeded().other(), Random::unseeded().other());
    }
}
