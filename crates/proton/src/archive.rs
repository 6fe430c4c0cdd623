//! The files of a bundle: from a gzipped tar in memory, or given one by one. Nothing ever touches a disk.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// A bigger archive is refused, as Proton documents.
pub const ARCHIVE_BYTES_MAX: usize = 5 * 1024 * 1024;
/// More bytes after decompression are refused: far above what the limits of single files let through, far below a bomb.
pub const UNPACKED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// More entries are refused.
const ENTRIES_MAX: usize = 10_000;
const PATH_BYTES_MAX: usize = 1024;

/// Files by path: `/` between folders, neither `.` nor `..` in it, no `/` at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<String, Vec<u8>>);

/// Why an archive or a path is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("the bundle has {0} bytes; {ARCHIVE_BYTES_MAX} are allowed")]
    TooBig(usize),
    #[error("the bundle is not a gzipped tar archive: {0}")]
    Broken(#[source] io::Error),
    #[error("the bundle unpacks to more than {UNPACKED_BYTES_MAX} bytes")]
    Bomb,
    #[error("the bundle has more than {ENTRIES_MAX} entries")]
    TooMany,
    #[error("the path \"{0}\" leads out of the bundle")]
    Escape(String),
    #[error("\"{0}\" is a link or a device; only files and folders can be in a bundle")]
    NoFile(String),
    #[error("the path of an entry is longer than {PATH_BYTES_MAX} bytes or not UTF-8")]
    Path,
}

impl Files {
    /// Unpacks a `.tar.gz`.
    ///
    /// # Errors
    /// [`ArchiveError`]; nothing of a bad archive is kept.
    pub fn from_tar_gz(bytes: &[u8]) -> Result<Self, ArchiveError> {
        if bytes.len() > ARCHIVE_BYTES_MAX {
            return Err(ArchiveError::TooBig(bytes.len()));
        }
        let mut files = Self::default();
        let mut archive = tar::Archive::new(Bounded { inner: GzDecoder::new(bytes), left: UNPACKED_BYTES_MAX });
        for (count, entry) in archive.entries().map_err(broken)?.enumerate() {
            let mut entry = entry.map_err(broken)?;
            if count >= ENTRIES_MAX {
                return Err(ArchiveError::TooMany);
            }
            let path = std::str::from_utf8(&entry.path_bytes()).map_err(|_| ArchiveError::Path)?.to_owned();
            let kind = entry.header().entry_type();
            if kind.is_pax_global_extensions() {
                continue;
            }
            let path = relative(&path)?;
            if kind.is_dir() {
                continue;
            }
            if !kind.is_file() {
                return Err(ArchiveError::NoFile(path));
            }
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(broken)?;
            files.0.insert(path, content);
        }
        // The checksum stands at the very end.
        io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(broken)?;
        Ok(files)
    }

    /// Packs a `.tar.gz`; the same files give the same bytes. Scripts may be run.
    ///
    /// # Errors
    /// [`ArchiveError::Path`] for a path too long for an archive.
    pub fn to_tar_gz(&self) -> Result<Vec<u8>, ArchiveError> {
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        for (path, content) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(if content.starts_with(b"#!") { 0o755 } else { 0o644 });
            archive.append_data(&mut header, path, content.as_slice()).map_err(|_| ArchiveError::Path)?;
        }
        archive.into_inner().and_then(GzEncoder::finish).map_err(|_| ArchiveError::Path)
    }

    /// Keeps the files whose path fits.
    pub fn retain(&mut self, fits: impl Fn(&str) -> bool) {
        self.0.retain(|path, _| fits(path));
    }

    /// Adds a file.
    ///
    /// # Errors
    /// [`ArchiveError::Escape`] and [`ArchiveError::Path`].
    pub fn insert(&mut self, path: &str, content: impl Into<Vec<u8>>) -> Result<(), ArchiveError> {
        self.0.insert(relative(path)?, content.into());
        Ok(())
    }

    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path).map(Vec::as_slice)
    }

    /// Sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(path, content)| (path.as_str(), content.as_slice()))
    }

    /// Of all files together.
    pub fn bytes(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those below a folder, with paths from there on. Without a folder: all.
    pub fn below(&self, folder: &str) -> Self {
        if folder.is_empty() {
            return self.clone();
        }
        let inside = |(path, content): (&String, &Vec<u8>)| {
            let rest = path.strip_prefix(folder)?.strip_prefix('/')?;
            Some((rest.to_owned(), content.clone()))
        };
        Self(self.0.iter().filter_map(inside).collect())
    }

    /// Whether there is a file below that folder.
    pub fn has_folder(&self, folder: &str) -> bool {
        self.0.keys().any(|path| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    }
}

/// A path as it is kept.
fn relative(path: &str) -> Result<String, ArchiveError> {
    if path.len() > PATH_BYTES_MAX {
        return Err(ArchiveError::Path);
    }
    if path.starts_with('/') || path.contains(['\\', '\0']) {
        return Err(ArchiveError::Escape(path.to_owned()));
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(ArchiveError::Escape(path.to_owned())),
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

fn broken(error: io::Error) -> ArchiveError {
    if is_overflow(&error) { ArchiveError::Bomb } else { ArchiveError::Broken(error) }
}

fn is_overflow(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Overflow>()).is_some()
}

/// Ends with an error once so many bytes were read.
struct Bounded<R> {
    inner: R,
    left: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("too many bytes")]
struct Overflow;

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other(Overflow))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn tar_gz(fill: impl FnOnce(&mut tar::Builder<GzEncoder<Vec<u8>>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        fill(&mut builder);
        builder.into_inner().and_then(GzEncoder::finish).expect("an archive in memory")
    }

    /// An entry whose name is written as it is, however bad.
    fn add(builder: &mut tar::Builder<GzEncoder<Vec<u8>>>, name: &str, kind: tar::EntryType, content: &[u8]) {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().expect("a GNU header").name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_entry_type(kind);
        header.set_cksum();
        builder.append(&header, content).expect("in memory");
    }

    fn check(name: &str, kind: tar::EntryType, expect: Result<&str, &str>) {
        let found = Files::from_tar_gz(&tar_gz(|builder| add(builder, name, kind, b"x")));
        let found = found.map(|files| files.iter().map(|(path, _)| path.to_owned()).collect::<Vec<_>>().join(" "));
        assert_eq!(
            found.map_err(|error| error.to_string()),
            expect.map(str::to_owned).map_err(str::to_owned),
            "{name}"
        );
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        let mut files = Files::default();
        files.insert("schema/schema.yaml", "a").expect("a path");
        files.insert(&format!("infrastructure/{}.yaml", "long".repeat(40)), "b").expect("a path");
        let packed = files.to_tar_gz().expect("an archive");
        assert_eq!(Files::from_tar_gz(&packed).expect("an archive"), files);
        assert_eq!(files.to_tar_gz().expect("an archive"), packed);
        files.retain(|path| path.starts_with("schema/"));
        assert_eq!(files.iter().count(), 1);
    }

    #[test]
    fn only_files_within_the_bundle_come_out() {
        use tar::EntryType;
        check("a/b.yaml", EntryType::Regular, Ok("a/b.yaml"));
        check("./a//b.yaml", EntryType::Regular, Ok("a/b.yaml"));
        check("a/../../etc/x", EntryType::Regular, Err("the path \"a/../../etc/x\" leads out of the bundle"));
        check("/etc/x", EntryType::Regular, Err("the path \"/etc/x\" leads out of the bundle"));
        check("a", EntryType::Symlink, Err("\"a\" is a link or a device; only files and folders can be in a bundle"));
        check("a", EntryType::Link, Err("\"a\" is a link or a device; only files and folders can be in a bundle"));
        check("a", EntryType::Fifo, Err("\"a\" is a link or a device; only files and folders can be in a bundle"));
        check("a/", EntryType::Directory, Ok(""));
    }

    /// Checklist 27.
    #[test]
    fn broken_archives_and_bombs_are_refused() {
        assert!(matches!(Files::from_tar_gz(b"not gzip"), Err(ArchiveError::Broken(_))));
        let whole = tar_gz(|builder| add(builder, "a", tar::EntryType::Regular, &[7; 100_000]));
        assert!(matches!(Files::from_tar_gz(&whole[..whole.len() / 2]), Err(ArchiveError::Broken(_))));
        let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
        let mut header = tar::Header::new_gnu();
        header.set_size(80 << 20);
        header.set_cksum();
        bomb.write_all(header.as_bytes()).expect("in memory");
        for _ in 0..80 {
            bomb.write_all(&[0; 1 << 20]).expect("in memory");
        }
        let bomb = bomb.finish().expect("in memory");
        assert!(matches!(Files::from_tar_gz(&bomb), Err(ArchiveError::Bomb)));
        let many = tar_gz(|builder| {
            (0..=ENTRIES_MAX).for_each(|n| add(builder, &n.to_string(), tar::EntryType::Regular, b""));
        });
        assert!(matches!(Files::from_tar_gz(&many), Err(ArchiveError::TooMany)));
    }

    /// Checklist 38.
    #[test]
    fn more_than_5_mb_are_refused() {
        let error = Files::from_tar_gz(&vec![0; ARCHIVE_BYTES_MAX + 1]).expect_err("too big");
        assert_eq!(error.to_string(), "the bundle has 5242881 bytes; 5242880 are allowed");
    }
}
