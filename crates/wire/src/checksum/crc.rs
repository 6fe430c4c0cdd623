//! Reflected CRCs of up to 64 bits, eight bytes at a time ("slicing by eight"). A CRC-32 uses the low half of the
//! register, so both polynomials share the code.

/// `TABLE[k][b]`: the remainder of byte `b` followed by `k` zero bytes.
type Table = [[u64; 256]; 8];

/// Castagnoli's polynomial 0x1EDC6F41, reflected.
static CRC32C: Table = table(0x82f6_3b78);
/// The NVM Express polynomial 0xAD93D23594C93659, reflected.
static CRC64_NVME: Table = table(0x9a6c_9329_ac4b_c9b5);

const fn table(polynomial: u64) -> Table {
    let mut table = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            remainder = (remainder >> 1) ^ if remainder & 1 == 1 { polynomial } else { 0 };
            bit += 1;
        }
        table[0][byte] = remainder;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before: u64 = table[zeros - 1][byte];
            table[zeros][byte] = (before >> 8) ^ table[0][(before & 0xff) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    table
}

/// A running CRC that starts and ends inverted.
#[derive(Clone)]
pub(super) struct Crc {
    table: &'static Table,
    register: u64,
    mask: u64,
}

impl Crc {
    pub(super) fn crc32c() -> Self {
        Self { table: &CRC32C, register: 0xffff_ffff, mask: 0xffff_ffff }
    }

    pub(super) fn crc64_nvme() -> Self {
        Self { table: &CRC64_NVME, register: u64::MAX, mask: u64::MAX }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let table = self.table;
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            let word = (self.register ^ u64::from_le_bytes(*word)).to_le_bytes();
            self.register = word
                .iter()
                .zip(table.iter().rev())
                .fold(0, |register, (byte, remainders)| register ^ remainders[usize::from(*byte)]);
        }
        for byte in rest {
            let [low, ..] = self.register.to_le_bytes();
            self.register = (self.register >> 8) ^ table[0][usize::from(low ^ byte)];
        }
    }

    pub(super) fn finish(&self) -> u64 {
        self.register ^ self.mask
    }
}
