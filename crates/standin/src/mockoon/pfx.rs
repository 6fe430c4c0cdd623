//! PKCS#12 files (RFC 7292): a private key and its certificates behind a passphrase, as far as OpenSSL 3 and Windows write
//! them.

use aes::cipher::{BlockCipherDecrypt, BlockModeDecrypt as _, BlockSizeUser, KeyInit, KeyIvInit as _};
use anyhow::{Context as _, Result, anyhow, ensure};
use hmac::Hmac;
use sha1::{Digest as _, Sha1};
use sha2::{Sha256, Sha384, Sha512};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// More would keep a start waiting for minutes.
const ITERATIONS_MAX: usize = 10_000_000;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
/// `[0]`, with something in it, and without.
const EXPLICIT: u8 = 0xa0;
const IMPLICIT: u8 = 0x80;

// Object identifiers, encoded.
const DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
const ENCRYPTED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06";
const KEY_BAG: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x01";
const SHROUDED_KEY_BAG: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02";
const CERTIFICATE_BAG: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x03";
const LOCAL_KEY_ID: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x15";
const PBES2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d";
const PBKDF2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c";
const SHA1_TRIPLE_DES: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03";
const TRIPLE_DES: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x03\x07";
const HMAC_SHA1: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x02\x07";
const HMAC_SHA256: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x02\x09";
const HMAC_SHA384: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x02\x0a";
const HMAC_SHA512: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x02\x0b";
const AES_128: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x01\x02";
const AES_192: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x01\x16";
const AES_256: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x01\x2a";

/// The certificates, that of the key first, and the key.
///
/// # Errors
/// When it is no such file, is encrypted as nobody does any more, or the passphrase is another.
pub fn identity(bytes: &[u8], passphrase: &str) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let mut found = Found::default();
    let mut file = Der(bytes).sequence()?;
    file.take(INTEGER)?;
    let safes = file.sequence()?.content(DATA)?.take(OCTETS)?;
    let mut safes = Der(safes).sequence()?;
    while !safes.0.is_empty() {
        let mut safe = safes.sequence()?;
        let kind = safe.take(OBJECT_ID)?;
        let mut content = Der(safe.take(EXPLICIT)?);
        if kind == DATA {
            found.bags(content.take(OCTETS)?, passphrase)?;
        } else if kind == ENCRYPTED_DATA {
            let mut data = content.sequence()?;
            data.take(INTEGER)?;
            let mut data = data.sequence()?;
            data.take(OBJECT_ID)?;
            let algorithm = data.sequence()?;
            found.bags(&decrypted(algorithm, data.take(IMPLICIT)?, passphrase)?, passphrase)?;
        }
    }
    let key = found.key.context("there is no private key in it")?;
    ensure!(!found.certificates.is_empty(), "there is no certificate in it");
    found.certificates.sort_by_key(|(is_of_key, _)| !is_of_key);
    let certificates = found.certificates.into_iter().map(|(_, certificate)| certificate.into());
    Ok((certificates.collect(), PrivatePkcs8KeyDer::from(key).into()))
}

#[derive(Default)]
struct Found {
    key: Option<Vec<u8>>,
    /// With whether they say that they belong to the key.
    certificates: Vec<(bool, Vec<u8>)>,
}

impl Found {
    fn bags(&mut self, bytes: &[u8], passphrase: &str) -> Result<()> {
        let mut bags = Der(bytes).sequence()?;
        while !bags.0.is_empty() {
            let mut bag = bags.sequence()?;
            let kind = bag.take(OBJECT_ID)?;
            let value = bag.take(EXPLICIT)?;
            if kind == KEY_BAG {
                self.key = Some(value.to_owned());
            } else if kind == SHROUDED_KEY_BAG {
                let mut shrouded = Der(value).sequence()?;
                let algorithm = shrouded.sequence()?;
                self.key = Some(decrypted(algorithm, shrouded.take(OCTETS)?, passphrase)?);
            } else if kind == CERTIFICATE_BAG {
                let mut certificate = Der(value).sequence()?;
                certificate.take(OBJECT_ID)?;
                let certificate = Der(certificate.take(EXPLICIT)?).take(OCTETS)?;
                let is_of_key = bag.0.windows(LOCAL_KEY_ID.len()).any(|window| window == LOCAL_KEY_ID);
                self.certificates.push((is_of_key, certificate.to_owned()));
            }
        }
        Ok(())
    }
}

/// Reads values one after the other.
#[derive(Clone, Copy)]
struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    /// The content of the next value, which has to be of that kind.
    fn take(&mut self, kind: u8) -> Result<&'d [u8]> {
        let wrong = || anyhow!("it is no PKCS#12 file in DER");
        let (&[tag, first], rest) = self.0.split_first_chunk::<2>().ok_or_else(wrong)?;
        let (length, rest) = match usize::from(first) {
            short @ ..0x80 => (short, rest),
            long => {
                let count = long - 0x80;
                ensure!((1..=4).contains(&count) && rest.len() >= count, wrong());
                let (digits, rest) = rest.split_at(count);
                (digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit)), rest)
            }
        };
        ensure!(tag == kind && rest.len() >= length, wrong());
        let (content, rest) = rest.split_at(length);
        self.0 = rest;
        Ok(content)
    }

    fn sequence(&mut self) -> Result<Self> {
        self.take(SEQUENCE).map(Self)
    }

    /// What is in a `ContentInfo` of that kind.
    fn content(mut self, kind: &[u8]) -> Result<Self> {
        ensure!(self.take(OBJECT_ID)? == kind, "it is signed with a certificate, which nobody does");
        self.take(EXPLICIT).map(Self)
    }

    fn number(&mut self) -> Result<usize> {
        let digits = self.take(INTEGER)?;
        let number = digits
            .iter()
            .try_fold(0_usize, |number, &digit| number.checked_mul(256).map(|number| number + usize::from(digit)));
        number.filter(|number| *number <= ITERATIONS_MAX).context("its key is derived in too many rounds")
    }
}

fn decrypted(mut algorithm: Der<'_>, data: &[u8], passphrase: &str) -> Result<Vec<u8>> {
    let kind = algorithm.take(OBJECT_ID)?;
    let mut parameters = algorithm.sequence()?;
    if kind == SHA1_TRIPLE_DES {
        let (salt, rounds) = (parameters.take(OCTETS)?, parameters.number()?);
        // Two bytes a character, and two more.
        let password: Vec<u8> = passphrase.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
        let key = derived_of_old(1, &password, salt, rounds, 24);
        let vector = derived_of_old(2, &password, salt, rounds, 8);
        return unchained::<des::TdesEde3>(&key, &vector, data);
    }
    ensure!(
        kind == PBES2,
        "it is encrypted as only old programs do; openssl pkcs12 -legacy -in FILE -nodes reads it, and openssl pkcs12 -export \
         writes it anew"
    );
    let mut derivation = parameters.sequence()?;
    ensure!(derivation.take(OBJECT_ID)? == PBKDF2, "its key is derived in an unknown way");
    let mut derivation = derivation.sequence()?;
    let (salt, rounds) = (derivation.take(OCTETS)?, derivation.number()?);
    if derivation.0.first() == Some(&INTEGER) {
        derivation.take(INTEGER)?;
    }
    let function = if derivation.0.is_empty() { HMAC_SHA1 } else { derivation.sequence()?.take(OBJECT_ID)? };
    let mut cipher = parameters.sequence()?;
    let (cipher, vector) = (cipher.take(OBJECT_ID)?, cipher.take(OCTETS)?);
    let key = |length: usize| match function {
        HMAC_SHA1 => Ok(derived::<Hmac<Sha1>>(passphrase, salt, rounds, length)),
        HMAC_SHA256 => Ok(derived::<Hmac<Sha256>>(passphrase, salt, rounds, length)),
        HMAC_SHA384 => Ok(derived::<Hmac<Sha384>>(passphrase, salt, rounds, length)),
        HMAC_SHA512 => Ok(derived::<Hmac<Sha512>>(passphrase, salt, rounds, length)),
        _ => Err(anyhow!("its key is derived with an unknown function")),
    };
    match cipher {
        AES_128 => unchained::<aes::Aes128>(&key(16)?, vector, data),
        AES_192 => unchained::<aes::Aes192>(&key(24)?, vector, data),
        AES_256 => unchained::<aes::Aes256>(&key(32)?, vector, data),
        TRIPLE_DES => unchained::<des::TdesEde3>(&key(24)?, vector, data),
        _ => Err(anyhow!("it is encrypted with an unknown cipher")),
    }
}

/// Undoes a block cipher in CBC mode with the padding of PKCS#7.
fn unchained<C: BlockCipherDecrypt + BlockSizeUser + KeyInit>(
    key: &[u8],
    vector: &[u8],
    data: &[u8],
) -> Result<Vec<u8>> {
    let block = C::block_size();
    ensure!(vector.len() == block && !data.is_empty() && data.len().is_multiple_of(block), "what is encrypted is cut");
    let mut mode =
        cbc::Decryptor::<C>::new_from_slices(key, vector).map_err(|_| anyhow!("its key has a wrong length"))?;
    let mut plain = data.to_owned();
    for chunk in plain.chunks_exact_mut(block) {
        let chunk = chunk.try_into().map_err(|_| anyhow!("what is encrypted is cut"))?;
        mode.decrypt_block(chunk);
    }
    let padding = usize::from(plain.last().copied().unwrap_or(0));
    let is_padded = (1..=block).contains(&padding)
        && plain[plain.len() - padding..].iter().all(|&byte| usize::from(byte) == padding);
    ensure!(is_padded, "the passphrase is not the right one");
    plain.truncate(plain.len() - padding);
    Ok(plain)
}

/// PBKDF2 of RFC 8018.
fn derived<M: hmac::Mac + KeyInit + Clone>(passphrase: &str, salt: &[u8], rounds: usize, length: usize) -> Vec<u8> {
    let Ok(keyed) = <M as KeyInit>::new_from_slice(passphrase.as_bytes()) else { return Vec::new() };
    let mut key = Vec::new();
    let mut index = 1_u32;
    while key.len() < length {
        let first = keyed.clone().chain_update(salt).chain_update(index.to_be_bytes()).finalize().into_bytes();
        let (mut last, mut block) = (first.clone(), first);
        for _ in 1..rounds {
            last = keyed.clone().chain_update(&last).finalize().into_bytes();
            block.iter_mut().zip(&last).for_each(|(sum, byte)| *sum ^= byte);
        }
        key.extend_from_slice(&block);
        index += 1;
    }
    key.truncate(length);
    key
}

/// What PKCS#12 had before PBKDF2 (RFC 7292, appendix B.2), with SHA-1.
fn derived_of_old(purpose: u8, password: &[u8], salt: &[u8], rounds: usize, length: usize) -> Vec<u8> {
    const BLOCK: usize = 64;
    let filled =
        |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().cycle().take(bytes.len().div_ceil(BLOCK) * BLOCK).collect() };
    let mut input = [filled(salt), filled(password)].concat();
    let mut key = Vec::new();
    while key.len() < length {
        let mut block = Sha1::new().chain_update([purpose; BLOCK]).chain_update(&input).finalize();
        for _ in 1..rounds {
            block = Sha1::digest(block);
        }
        key.extend_from_slice(&block);
        let added: Vec<u8> = block.iter().copied().cycle().take(BLOCK).collect();
        for chunk in input.chunks_exact_mut(BLOCK) {
            let mut carry = 1_u16;
            for (byte, add) in chunk.iter_mut().zip(&added).rev() {
                let sum = u16::from(*byte) + u16::from(*add) + carry;
                [_, *byte] = sum.to_be_bytes();
                carry = sum >> 8;
            }
        }
    }
    key.truncate(length);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_derivation() {
        // RFC 6070
        let key = derived::<Hmac<Sha1>>("password", b"salt", 2, 20);
        assert_eq!(key[..4], [0xea, 0x6c, 0x01, 0x4d]);
        // As OpenSSL derives it.
        assert_eq!(derived::<Hmac<Sha256>>("password", b"salt", 1, 32)[..4], [0x12, 0x0f, 0xb6, 0xcf]);
    }

    #[test]
    fn files_of_openssl() {
        let check = |file: &[u8]| {
            let (certificates, key) = identity(file, "secret").expect("the passphrase is right");
            assert_eq!(certificates.len(), 1);
            assert!(matches!(key, PrivateKeyDer::Pkcs8(_)));
            assert!(identity(file, "wrong").is_err());
            assert!(identity(&file[..file.len() / 2], "secret").is_err());
        };
        check(include_bytes!("testdata/modern.pfx"));
        check(include_bytes!("testdata/triple-des.pfx"));
        assert!(identity(b"", "").is_err());
        assert!(identity(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], "").is_err());
    }
}
