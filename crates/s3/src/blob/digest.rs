//! What is computed of bytes on their way in.

use standin_wire::checksum::{Algorithm, Checksum};

use crate::checksum::hex_of_base64;

/// Counts and hashes bytes.
#[derive(Clone, Debug)]
pub struct Digest {
    size: u64,
    md5: Checksum,
    others: Vec<Checksum>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digested {
    /// In bytes.
    pub size: u64,
    /// In hexadecimal digits: the ETag of an object that came in one piece.
    pub md5: String,
    /// By algorithm, as base64.
    pub checksums: Vec<(&'static str, String)>,
}

impl Digest {
    pub fn new(algorithms: &[Algorithm]) -> Self {
        let others = algorithms.iter().map(|algorithm| Checksum::new(*algorithm)).collect();
        Self { size: 0, md5: Checksum::new(Algorithm::Md5), others }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.md5.update(bytes);
        for checksum in &mut self.others {
            checksum.update(bytes);
        }
    }

    pub fn finish(self) -> Digested {
        let checksums = self.others.into_iter().map(|checksum| (checksum.algorithm().name(), checksum.finish()));
        Digested { size: self.size, checksums: checksums.collect(), md5: hex_of_base64(&self.md5.finish()) }
    }
}
