//! Identifiers for what a file leaves nameless.

use standin_core::{Dice, Draw};

/// Makes UUIDs. The same file gets the same ones again.
#[derive(Debug)]
pub struct Ids(Draw);

impl Ids {
    pub fn new(file: &[u8]) -> Self {
        let mut key = Dice::new(0).key("mockoon-ids");
        Self(key.bytes(file).draw())
    }

    pub fn drawing(draw: Draw) -> Self {
        Self(draw)
    }

    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.0.next_u64(), self.0.next_u64());
        let bits = ((u128::from(high) << 64) | u128::from(low)) & !((0xf << 76) | (0x3 << 62)) | (4 << 76) | (2 << 62);
        let hex = format!("{bits:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// The short form that buckets and callbacks have.
    pub fn short(&mut self) -> String {
        const LETTERS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        (0..4).filter_map(|_| self.0.pick(LETTERS)).map(|&letter| char::from(letter)).collect()
    }
}
