//! `plugins.zip`: unpacked into the folder of plugins.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

use zip::ZipArchive;

/// More entries are refused: packages that are shipped along have tens of thousands.
const ENTRIES_MAX: usize = 100_000;
/// More bytes after decompression are refused.
const UNPACKED_BYTES_MAX: u64 = 1024 * 1024 * 1024;
const PATH_BYTES_MAX: usize = 1024;
/// What macOS adds to archives.
const IGNORED: &str = "__MACOSX";

/// Makes a folder hold what an archive does, and nothing else. An archive that is refused changes nothing.
///
/// # Errors
/// Why the archive is refused or the folder cannot be written, in words.
pub(in crate::local) fn replace(archive: Option<&Path>, folder: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    let new = folder.with_extension("new");
    let absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let remove = |folder: &Path| std::fs::remove_dir_all(folder).or_else(|e| if absent(&e) { Ok(()) } else { Err(e) });
    remove(&new).map_err(failed)?;
    std::fs::create_dir_all(&new).map_err(failed)?;
    if let Some(archive) = archive
        && let Err(reason) = unpack(archive, &new, UNPACKED_BYTES_MAX)
    {
        let _ = remove(&new);
        return Err(format!("plugins.zip: {reason}"));
    }
    remove(folder).map_err(failed)?;
    std::fs::rename(&new, folder).map_err(failed)
}

fn unpack(archive: &Path, folder: &Path, bytes_max: u64) -> Result<(), String> {
    let failed = |error: io::Error| error.to_string();
    let broken = |error: zip::result::ZipError| format!("it is not a ZIP archive that can be read: {error}");
    let mut archive = ZipArchive::new(File::open(archive).map_err(failed)?).map_err(broken)?;
    if archive.len() > ENTRIES_MAX {
        return Err(format!("it has more than {ENTRIES_MAX} entries"));
    }
    let mut left = bytes_max;
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).map_err(broken)?;
        let path = inside(&entry.name().map_err(broken)?)?;
        if path.starts_with(IGNORED) {
            continue;
        }
        let to = folder.join(&path);
        if entry.is_dir() {
            std::fs::create_dir_all(&to).map_err(failed)?;
            continue;
        }
        if entry.is_symlink() || !entry.is_file() {
            return Err(format!("{} is a link or a device; only files and folders can be in it", path.display()));
        }
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let runs = entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
        // Entries of one name: the last wins, as with others who unpack.
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(if runs { 0o755 } else { 0o644 })
            .open(&to)
            .map_err(failed)?;
        // Sizes in archives are claims.
        let copied = io::copy(&mut (&mut entry).take(left + 1), &mut file)
            .map_err(|error| format!("{} cannot be unpacked: {error}", path.display()))?;
        if copied > left {
            return Err(format!("it unpacks to more than {bytes_max} bytes"));
        }
        left -= copied;
    }
    Ok(())
}

/// The path of an entry below the folder.
fn inside(name: &str) -> Result<PathBuf, String> {
    if name.len() > PATH_BYTES_MAX {
        return Err(format!("the path of an entry is longer than {PATH_BYTES_MAX} bytes"));
    }
    let path = Path::new(name);
    // A leading `./` is what some tools write.
    let kept: PathBuf = path.components().filter(|part| !matches!(part, Component::CurDir)).collect();
    let plain = !name.contains(['\\', '\0']) && kept.components().all(|part| matches!(part, Component::Normal(_)));
    if plain { Ok(kept) } else { Err(format!("the path {name:?} leads out of the folder of plugins")) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::local::files::tests::folder;

    fn archive(at: &Path, entries: &[(&str, &str)]) -> PathBuf {
        let path = at.join("plugins.zip");
        let mut writer = ZipWriter::new(File::create(&path).expect("a file of our own"));
        for (name, content) in entries {
            match content.strip_prefix("-> ") {
                Some(to) => writer.add_symlink(*name, to, SimpleFileOptions::default()).expect("it fits"),
                None => {
                    writer.start_file(*name, SimpleFileOptions::default()).expect("it fits");
                    writer.write_all(content.as_bytes()).expect("it fits");
                }
            }
        }
        writer.finish().expect("it is whole");
        path
    }

    fn check(name: &str, entries: &[(&str, &str)], expect: Result<&[&str], &str>) {
        let at = folder(&format!("plugins-{name}"));
        let plugins = at.join("plugins");
        std::fs::create_dir_all(&plugins).expect("a folder of our own");
        std::fs::write(plugins.join("old.py"), "old").expect("it is ours");
        let done = replace(Some(&archive(&at, entries)), &plugins);
        match expect {
            Ok(files) => {
                done.expect("it is unpacked");
                files.iter().for_each(|file| assert!(plugins.join(file).is_file(), "{file}"));
                assert!(!plugins.join("old.py").exists(), "what was there is gone");
            }
            Err(part) => {
                let reason = done.expect_err("it is refused");
                assert!(reason.contains(part), "{reason}");
                assert!(plugins.join("old.py").exists(), "nothing has changed");
                assert!(!plugins.with_extension("new").exists(), "nothing is left");
            }
        }
        assert!(!at.join("evil.py").exists());
        std::fs::remove_dir_all(at).expect("it is ours");
    }

    #[test]
    fn archives_are_unpacked_whole_or_refused() {
        check("plain", &[("a.py", "x"), ("pkg/b/c.py", "y"), ("__MACOSX/._a.py", "z")], Ok(&["a.py", "pkg/b/c.py"]));
        check("dot", &[("./a.py", "x")], Ok(&["a.py"]));
        check("up", &[("a.py", "x"), ("../evil.py", "x")], Err("\"../evil.py\" leads out"));
        check("deep", &[("a/../../evil.py", "x")], Err("leads out"));
        check("root", &[("/tmp/standin-evil.py", "x")], Err("leads out"));
        check("windows", &[("..\\evil.py", "x")], Err("leads out"));
        check("link", &[("a", "-> /etc"), ("a/evil.py", "x")], Err("a is a link"));
    }

    #[test]
    fn bombs_are_refused() {
        let at = folder("plugins-bomb");
        let archive = archive(&at, &[("a.txt", &"0".repeat(4000)), ("b.txt", &"0".repeat(4000))]);
        let reason = unpack(&archive, &at.join("to"), 5000).expect_err("it is too much");
        assert!(reason.contains("more than 5000 bytes"), "{reason}");
        std::fs::remove_dir_all(at).expect("it is ours");
    }

    #[test]
    fn what_is_no_archive_is_told_and_what_is_removed_is_gone() {
        let at = folder("plugins-none");
        std::fs::write(at.join("plugins.zip"), "no archive").expect("it is ours");
        std::fs::create_dir_all(at.join("plugins/pkg")).expect("it is ours");
        let reason = replace(Some(&at.join("plugins.zip")), &at.join("plugins")).expect_err("it is none");
        assert!(reason.contains("not a ZIP archive"), "{reason}");
        replace(None, &at.join("plugins")).expect("nothing is in the way");
        assert_eq!(std::fs::read_dir(at.join("plugins")).expect("it is there").count(), 0);
        std::fs::remove_dir_all(at).expect("it is ours");
    }
}
