//! Folders as ZIP archives. Nothing is compressed and no time is told, so that the same files make the same bytes.

use std::fs;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use standin_wire::checksum::Algorithm;

use super::project::files;

/// Signatures and versions. Source: PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16.
const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// 2.0, made on Unix.
const VERSION: u16 = 20;
const MADE_BY: u16 = 3 << 8 | VERSION;
/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;
/// 1980-01-01, the first day that there is.
const DATE: u16 = 1 << 5 | 1;
/// A plain file that everybody may read.
const MODE: u32 = 0o100_644 << 16;

/// All files below a folder.
///
/// # Errors
/// Where one cannot be read, or they are too much for the format (4 GiB, 65,535 files).
pub fn folder(folder: &Path) -> io::Result<Vec<u8>> {
    let mut archive = Archive::default();
    for file in files(folder)? {
        let name = file.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
        archive.add(&name, &fs::read(folder.join(&file))?)?;
    }
    archive.end()
}

#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    central: Vec<u8>,
    files: u16,
}

impl Archive {
    fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let too_much = || io::Error::other("these are too many or too long files for a ZIP archive");
        let size = u32::try_from(bytes.len()).map_err(|_| too_much())?;
        let at = u32::try_from(self.bytes.len()).map_err(|_| too_much())?;
        let name_bytes = u16::try_from(name.len()).map_err(|_| too_much())?;
        self.files = self.files.checked_add(1).ok_or_else(too_much)?;
        let sum = crc32(bytes);
        let facts = |out: &mut Vec<u8>| {
            short(out, &[VERSION, FLAGS, 0, 0, DATE]);
            out.extend(&sum);
            long(out, &[size, size]);
            short(out, &[name_bytes, 0]);
        };
        long(&mut self.bytes, &[LOCAL]);
        facts(&mut self.bytes);
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(bytes);
        long(&mut self.central, &[CENTRAL]);
        short(&mut self.central, &[MADE_BY]);
        facts(&mut self.central);
        short(&mut self.central, &[0, 0, 0]);
        long(&mut self.central, &[MODE, at]);
        self.central.extend(name.as_bytes());
        Ok(())
    }

    fn end(mut self) -> io::Result<Vec<u8>> {
        let size = u32::try_from(self.central.len()).map_err(io::Error::other)?;
        let at = u32::try_from(self.bytes.len()).map_err(io::Error::other)?;
        self.bytes.extend(self.central);
        long(&mut self.bytes, &[END]);
        short(&mut self.bytes, &[0, 0, self.files, self.files]);
        long(&mut self.bytes, &[size, at]);
        short(&mut self.bytes, &[0]);
        Ok(self.bytes)
    }
}

fn short(out: &mut Vec<u8>, numbers: &[u16]) {
    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
}

fn long(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
}

/// In the order of the format, which is the other way round than that of checksums in headers.
fn crc32(bytes: &[u8]) -> Vec<u8> {
    let mut sum = STANDARD.decode(Algorithm::Crc32.of(bytes)).unwrap_or_default();
    sum.reverse();
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_as_the_format_has_them() {
        let mut archive = Archive::default();
        archive.add("a.py", b"hi").expect("small");
        let bytes = archive.end().expect("small");
        let expect = [
            // The file: its header, name and bytes. The sum is that of `printf hi | gzip -c | tail -c 8 | xxd`.
            "504b0304140000080000000021 00ac2a93d80200000002000000040000 00612e70796869",
            // The same in the list at the end.
            "504b010214031400000800000000 2100ac2a93d802000000020000000400000000000000000000 00a4810000 0000612e7079",
            "504b050600000000010001003200000024000000 0000",
        ];
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expect.concat().replace(' ', ""));
    }
}
