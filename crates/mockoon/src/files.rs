//! Bodies from files: where a path may lead, types by extension, ranges.

use std::path::{Component, Path, PathBuf};

/// The type of a file by its extension.
pub fn content_type(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    let mut lines = include_str!("file_types.txt").lines();
    lines.find_map(|line| line.split_once(' ').filter(|(known, _)| *known == extension).map(|(_, kind)| kind))
}

/// Whether files of that kind are templates.
pub fn is_template(path: &Path) -> bool {
    const KINDS: &[&str] = &[
        "application/json",
        "text/html",
        "text/css",
        "text/csv",
        "application/javascript",
        "application/typescript",
        "text/plain",
        "application/xhtml+xml",
        "application/xml",
        "text/x-handlebars-template",
    ];
    content_type(path).is_some_and(|kind| KINDS.contains(&kind))
        || path.extension().is_some_and(|extension| extension == "handlebars")
}

/// A path of an environment with forward slashes.
pub fn normalised(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut characters = path.chars().peekable();
    while let Some(character) = characters.next() {
        // A backslash before a dot escapes a member of a template's path.
        out.push(if character == '\\' && characters.peek() != Some(&'.') { '/' } else { character });
    }
    out
}

/// Whether a path holds a template.
pub fn has_template(path: &str) -> bool {
    path.find("{{").is_some_and(|start| path[start..].contains("}}") && !path[start..].starts_with("{{}}"))
}

/// The absolute path of `path`, seen from `folder`, without dots.
pub fn resolved(folder: &Path, path: &str) -> PathBuf {
    let mut out = PathBuf::new();
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()).join(path);
    for component in whole.components() {
        match component {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

/// Where a templated path leads: `rendered` must stay in the folder that stands before its first template, or in the
/// environment's folder.
///
/// # Errors
/// When it leads elsewhere; the message is what a client sees.
pub fn guarded(folder: &Path, source: &str, rendered: &str) -> Result<PathBuf, String> {
    let is_absolute = Path::new(rendered).is_absolute();
    let target = resolved(folder, rendered);
    let start = &source[..source.find(['{', '}']).unwrap_or(source.len())];
    let base = match start.rfind('/') {
        Some(end) => Some(resolved(folder, &start[..=end])),
        None => (!is_absolute).then(|| resolved(folder, "")),
    };
    match base {
        Some(base) if base.parent().is_some() => {
            if target.starts_with(&base) {
                Ok(target)
            } else if is_absolute {
                Err(format!(
                    "Access to absolute path outside of the original static base directory ({})",
                    target.display()
                ))
            } else {
                Err(format!("Access to relative path outside of the allowed base directory ({})", target.display()))
            }
        }
        _ => Err(format!("Templated file path requires a non-root base directory ({})", target.display())),
    }
}

/// What a `Range` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    Malformed,
    Unsatisfiable,
    /// The first and the last byte.
    Part(u64, u64),
}

/// Reads a `Range` header for a file of that size; the unit does not matter, and only the first range counts.
pub fn range(size: u64, header: &str) -> Range {
    let Some((_, ranges)) = header.split_once('=') else { return Range::Malformed };
    for range in ranges.split(',') {
        let mut ends = range.trim().splitn(2, '-');
        let (start, end) = (ends.next().unwrap_or_default(), ends.next().unwrap_or_default());
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let found = match (number(start), number(end)) {
            (None, Some(length)) if start.trim().is_empty() => size.checked_sub(length).zip(size.checked_sub(1)),
            (Some(start), None) if end.trim().is_empty() => size.checked_sub(1).map(|end| (start, end)),
            (Some(start), Some(end)) => size.checked_sub(1).map(|last| (start, end.min(last))),
            _ => None,
        };
        if let Some((start, end)) = found.filter(|(start, end)| start <= end) {
            return Range::Part(start, end);
        }
    }
    Range::Unsatisfiable
}

/// An error of the file system in the words of Node.
pub fn node_error(error: &std::io::Error, call: &str, path: &Path) -> String {
    let (code, meaning) = match error.kind() {
        std::io::ErrorKind::NotFound => ("ENOENT", "no such file or directory"),
        std::io::ErrorKind::PermissionDenied => ("EACCES", "permission denied"),
        std::io::ErrorKind::NotADirectory => ("ENOTDIR", "not a directory"),
        std::io::ErrorKind::IsADirectory => return "EISDIR: illegal operation on a directory, read".to_owned(),
        _ => ("EIO", "i/o error"),
    };
    format!("{code}: {meaning}, {call} '{}'", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_files() {
        // 88, 89
        let check = |path: &str, kind: Option<&str>, template: bool| {
            assert_eq!((content_type(Path::new(path)), is_template(Path::new(path))), (kind, template), "{path}");
        };
        check("a/b.JSON", Some("application/json"), true);
        check("b.svg", Some("image/svg+xml"), false);
        check("b.handlebars", None, true);
        check("b", None, false);
    }

    #[test]
    fn templated_paths_stay_in_their_folder() {
        // 92
        let check = |source: &str, rendered: &str, expect: Result<&str, &str>| {
            let found = guarded(Path::new("/env/dir"), source, rendered);
            match expect {
                Ok(path) => assert_eq!(found.as_deref(), Ok(Path::new(path)), "{source}"),
                Err(message) => assert!(found.unwrap_err().starts_with(message), "{source}"),
            }
        };
        check("files/{{x}}", "files/a.txt", Ok("/env/dir/files/a.txt"));
        check("files/{{x}}", "files/../a.txt", Err("Access to relative path"));
        check("{{x}}", "sub/a.txt", Ok("/env/dir/sub/a.txt"));
        check("{{x}}", "../a.txt", Err("Access to relative path"));
        check("/data/{{x}}", "/data/a", Ok("/data/a"));
        check("/data/{{x}}", "/etc/passwd", Err("Access to absolute path"));
        check("/{{x}}", "/etc/passwd", Err("Templated file path requires"));
        check("{{x}}", "/etc/passwd", Err("Templated file path requires"));
        assert_eq!(normalised("a\\b\\.c"), "a/b\\.c");
        assert_eq!(resolved(Path::new("/env"), "./a/../b"), Path::new("/env/b"));
    }

    #[test]
    fn ranges_of_bytes() {
        // 90
        let check = |header: &str, expect: Range| assert_eq!(range(10, header), expect, "{header}");
        check("bytes=0-4", Range::Part(0, 4));
        check("bytes=5-", Range::Part(5, 9));
        check("bytes=-3", Range::Part(7, 9));
        check("bytes=8-99", Range::Part(8, 9));
        check("items=20-,1-2", Range::Part(1, 2));
        check("bytes=20-", Range::Unsatisfiable);
        check("bytes=x-y", Range::Unsatisfiable);
        check("bytes", Range::Malformed);
    }
}
