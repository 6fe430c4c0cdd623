//! Checksums of objects that came in parts.
//!
//! A composite checksum is the checksum of the parts' digests, with `-N` behind it; a full-object one is that of all the
//! bytes, which for CRCs follows from those of the parts. Facts: "Checking object integrity" in the S3 User Guide.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use standin_wire::checksum::{Algorithm, Checksum};

/// The members of shapes that carry a digest are named after the algorithm.
pub(crate) fn member(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Crc32 => "ChecksumCRC32",
        Algorithm::Crc32c => "ChecksumCRC32C",
        Algorithm::Crc64Nvme => "ChecksumCRC64NVME",
        Algorithm::Sha1 => "ChecksumSHA1",
        Algorithm::Sha256 => "ChecksumSHA256",
        Algorithm::Sha512 => "ChecksumSHA512",
        Algorithm::Md5 => "ChecksumMD5",
        Algorithm::XxHash64 => "ChecksumXXHASH64",
        Algorithm::XxHash3 => "ChecksumXXHASH3",
        Algorithm::XxHash128 => "ChecksumXXHASH128",
    }
}

/// Whether the checksum of a whole follows from those of its parts.
pub(crate) fn combines(algorithm: Algorithm) -> bool {
    polynomial(algorithm).is_some()
}

/// The reflected polynomial of a CRC.
fn polynomial(algorithm: Algorithm) -> Option<u64> {
    match algorithm {
        Algorithm::Crc32 => Some(0xedb8_8320),
        Algorithm::Crc32c => Some(0x82f6_3b78),
        Algorithm::Crc64Nvme => Some(0x9a6c_9329_ac4b_c9b5),
        _ => None,
    }
}

pub(crate) fn hex_of_base64(digest: &str) -> String {
    hex(&BASE64.decode(digest).unwrap_or_default())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The ETag of an object that came in parts: the MD5 of the parts' MD5s and their number.
pub(crate) fn etag_of_parts<'p>(md5s: impl Iterator<Item = &'p str>) -> String {
    let mut whole = Checksum::new(Algorithm::Md5);
    let mut count = 0;
    for md5 in md5s {
        whole.update(&unhex(md5));
        count += 1;
    }
    format!("{}-{count}", hex_of_base64(&whole.finish()))
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or_default() as u8;
    text.as_bytes().as_chunks::<2>().0.iter().map(|[high, low]| digit(*high) << 4 | digit(*low)).collect()
}

/// The checksum of the parts' checksums.
pub(crate) fn composite<'p>(algorithm: Algorithm, parts: impl Iterator<Item = &'p str>) -> String {
    let mut whole = Checksum::new(algorithm);
    let mut count = 0;
    for digest in parts {
        whole.update(&BASE64.decode(digest).unwrap_or_default());
        count += 1;
    }
    format!("{}-{count}", whole.finish())
}

/// The CRC of all bytes from the CRCs of the parts and their lengths; `None` where the algorithm is no CRC.
pub(crate) fn of_whole<'p>(algorithm: Algorithm, parts: impl Iterator<Item = (&'p str, u64)>) -> Option<String> {
    let polynomial = polynomial(algorithm)?;
    let width = algorithm.digest_bytes();
    let whole = parts.fold(0, |whole, (digest, bytes)| {
        let part = BASE64.decode(digest).unwrap_or_default().iter().fold(0u64, |crc, byte| crc << 8 | u64::from(*byte));
        shifted(whole, bytes, polynomial, 8 * width as u32) ^ part
    });
    Some(BASE64.encode(&whole.to_be_bytes()[8 - width..]))
}

/// What a CRC becomes when so many zero bytes follow: a multiplication by x^(8·bytes) modulo the polynomial.
/// The inversions before and after cancel each other out.
fn shifted(crc: u64, bytes: u64, polynomial: u64, width: u32) -> u64 {
    // Reflected: the highest bit is x^0.
    let one = 1u64 << (width - 1);
    let mut power = one >> 1;
    let mut factor = one;
    // 8 bits a byte: three squarings before the first bit of the count.
    for _ in 0..3 {
        power = multiply(power, power, polynomial, one);
    }
    let mut left = bytes;
    while left > 0 {
        if left & 1 == 1 {
            factor = multiply(factor, power, polynomial, one);
        }
        power = multiply(power, power, polynomial, one);
        left >>= 1;
    }
    multiply(crc, factor, polynomial, one)
}

/// The product of two reflected polynomials modulo a third.
fn multiply(left: u64, mut right: u64, polynomial: u64, one: u64) -> u64 {
    let mut product = 0;
    let mut bit = one;
    while bit > 0 {
        if left & bit != 0 {
            product ^= right;
        }
        right = (right >> 1) ^ if right & 1 == 1 { polynomial } else { 0 };
        bit >>= 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crcs_of_parts_make_that_of_the_whole() {
        let bytes: Vec<u8> = (0..100_000u32).map(|at| (at * 7 % 251) as u8).collect();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            for cuts in [vec![0], vec![1], vec![50_000], vec![3, 4, 99_999], vec![100_000]] {
                let mut parts = Vec::new();
                let mut start = 0;
                for end in cuts.into_iter().chain([bytes.len()]) {
                    parts.push((algorithm.of(&bytes[start..end]), (end - start) as u64));
                    start = end;
                }
                let whole = of_whole(algorithm, parts.iter().map(|(digest, size)| (digest.as_str(), *size)));
                assert_eq!(whole, Some(algorithm.of(&bytes)), "{algorithm} {parts:?}");
            }
        }
        assert_eq!(of_whole(Algorithm::Sha256, std::iter::empty()), None);
    }

    #[test]
    fn etags_and_composites_count_their_parts() {
        // From Python: hashlib.md5(bytes.fromhex(md5(b"a")) + bytes.fromhex(md5(b"b"))).
        let parts = ["0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"];
        assert_eq!(etag_of_parts(parts.into_iter()), "96e024ba2074fe77e8e965ba43a704be-2");
        let parts = [Algorithm::Sha256.of(b"a"), Algorithm::Sha256.of(b"b")];
        let whole = composite(Algorithm::Sha256, parts.iter().map(String::as_str));
        assert_eq!(whole, "5aAf7hTg7VxIcU8iGA8lrYNltT+XefedxKPX6Tlj+Uo=-2");
    }
}
