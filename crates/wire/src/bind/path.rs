//! URI patterns against paths.

use standin_model::{Segment, Str, Uri};

use crate::value;

/// The labels of a path that fits the pattern, still percent-encoded; `None` where it does not fit.
///
/// A slash at the end does not matter, and a label at the very end takes slashes too: clients send ARNs unencoded.
pub fn labels<'p>(uri: &Uri, path: &'p str) -> Option<Vec<(Str, &'p str)>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let segments = match &uri.segments[..] {
        [segments @ .., Segment::Literal("")] => segments,
        segments => segments,
    };
    let greedy_end = matches!(segments.last(), Some(Segment::Greedy(_)));
    let path = if greedy_end { path } else { path.strip_suffix('/').unwrap_or(path) };
    let mut rest = (!path.is_empty()).then_some(path);
    let mut found = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        let left = segments.len() - at - 1;
        let text = rest.take()?;
        let end = match segment {
            _ if left == 0 && !matches!(segment, Segment::Literal(_)) => text.len(),
            // Leaves one piece for every segment that follows.
            Segment::Greedy(_) => text.rmatch_indices('/').nth(left - 1)?.0,
            _ => text.find('/').unwrap_or(text.len()),
        };
        let (piece, after) = text.split_at(end);
        rest = after.strip_prefix('/');
        match segment {
            Segment::Literal(literal) => {
                if piece != *literal && value::percent_decode(piece).ok()? != *literal {
                    return None;
                }
            }
            Segment::Label(label) | Segment::Greedy(label) if !piece.is_empty() => found.push((*label, piece)),
            Segment::Label(_) | Segment::Greedy(_) => return None,
        }
    }
    rest.is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_paths() {
        let check = |pattern: &'static str, path: &str, expect: Option<&[(&'static str, &str)]>| {
            assert_eq!(labels(&Uri::parse(pattern), path).as_deref(), expect, "{pattern} {path}");
        };
        check("/", "/", Some(&[]));
        check("/", "", Some(&[]));
        check("/", "/a", None);
        check("/a/b", "/a/b", Some(&[]));
        check("/a/b", "/a/b/", Some(&[]));
        check("/a/b/", "/a/b", Some(&[]));
        check("/a:b", "/a%3Ab", Some(&[]));
        check("/a/b", "/a", None);
        check("/a/b", "/a/b/c", None);
        check("/x/{Name}", "/x/n%2Fm", Some(&[("Name", "n%2Fm")]));
        check("/x/{Name}", "/x/", None);
        check("/x/{Name}", "/x/arn:aws:a:b/c", Some(&[("Name", "arn:aws:a:b/c")]));
        check("/x/{Name}/y", "/x/n/y", Some(&[("Name", "n")]));
        check("/x/{Name}/y", "/x//y", None);
        check("/x/{Name}/{Other}", "/x/a/b", Some(&[("Name", "a"), ("Other", "b")]));
        check("/{Bucket}/{Key+}", "/b/a//c/", Some(&[("Bucket", "b"), ("Key", "a//c/")]));
        check("/{Bucket}/{Key+}", "/b/", None);
        check("/{Bucket}/{Key+}", "/b//k", Some(&[("Bucket", "b"), ("Key", "/k")]));
        check("/{Key+}/end/{Id}", "/a/b/end/7", Some(&[("Key", "a/b"), ("Id", "7")]));
        check("/{Key+}/end/{Id}", "/end/7", None);
        check("/{Bucket}", "/b/", Some(&[("Bucket", "b")]));
    }
}
