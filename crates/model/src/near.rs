//! Near misses: what a person may have meant by a name that does not exist.

/// Longer texts are no misspelt names; the comparison is quadratic.
const NAME_CHARS_MAX: usize = 80;

/// The candidates that `wanted` may have meant, best first, at most `most`.
///
/// Case, spaces, dashes and underscores do not count. A candidate is near when few letters differ, or when one name
/// contains the other.
pub fn nearest<'c>(wanted: &str, candidates: impl IntoIterator<Item = &'c str>, most: usize) -> Vec<&'c str> {
    let wanted = letters(wanted);
    if wanted.is_empty() || wanted.len() > NAME_CHARS_MAX {
        return Vec::new();
    }
    let mut found: Vec<(usize, usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let name = letters(candidate);
            let differs_at = name.iter().zip(&wanted).take_while(|(a, b)| a == b).count();
            Some((score(&wanted, &name)?, usize::MAX - differs_at, candidate))
        })
        .collect();
    found.sort_unstable();
    found.dedup_by_key(|(_, _, name)| *name);
    found.into_iter().take(most).map(|(_, _, name)| name).collect()
}

/// The candidate that `wanted` is a slip of the pen for: one letter differs, or two of eight and more. Neither the name itself
/// nor names that only begin alike are.
pub fn misspelt<'c>(wanted: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted = letters(wanted);
    if wanted.len() > NAME_CHARS_MAX {
        return None;
    }
    let allowed = if wanted.len() < 8 { 1 } else { 2 };
    let near = candidates.into_iter().filter_map(|candidate| {
        let name = letters(candidate);
        let fits = name.len() >= 4 && name.len().abs_diff(wanted.len()) <= allowed;
        let letters = fits.then(|| distance(&wanted, &name)).filter(|letters| (1..=allowed).contains(letters))?;
        Some((letters, candidate))
    });
    near.min().map(|(_, candidate)| candidate)
}

fn letters(name: &str) -> Vec<u8> {
    name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase()).collect()
}

/// Lower is nearer; `None` is not near at all.
fn score(wanted: &[u8], candidate: &[u8]) -> Option<usize> {
    if candidate.len() > NAME_CHARS_MAX {
        return None;
    }
    let allowed = (wanted.len() / 4).max(1);
    let by_letters = if wanted.len().abs_diff(candidate.len()) <= allowed {
        Some(distance(wanted, candidate)).filter(|letters| *letters <= allowed).map(|letters| 2 * letters)
    } else {
        None
    };
    let shorter = wanted.len().min(candidate.len());
    let by_part = (shorter >= 3 && (contains(candidate, wanted) || contains(wanted, candidate)))
        .then(|| 3 + wanted.len().abs_diff(candidate.len()) / 2);
    by_letters.into_iter().chain(by_part).min()
}

fn contains(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

/// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &to) in b.iter().enumerate() {
            let mut cost = (last[j] + usize::from(from != to)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from == b[j - 1] && a[i - 1] == to {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen() {
        let names = ["LogGroup", "Role", "Vpc", "RolePolicy", "VpcEndpointServicePermissions"];
        let check = |wanted: &str, expect: Option<&str>| assert_eq!(misspelt(wanted, names), expect, "{wanted}");
        check("LogGruop", Some("LogGroup"));
        check("LogGroups", Some("LogGroup"));
        check("LogGroup", None);
        check("Roel", Some("Role"));
        check("Rule", Some("Role"));
        check("ServiceLinkedRole", None);
        check("VPCEndpointServicePermissions", None);
        check("Vpn", None);
        check("UserPolicy", None);
    }

    #[test]
    fn counts_letters_and_swaps() {
        for (a, b, expect) in [("", "abc", 3), ("proton", "proton", 0), ("porton", "proton", 1), ("mwa", "mwaa", 1)] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), expect, "{a} {b}");
        }
    }

    #[test]
    fn finds_what_was_meant() {
        let names = ["ListEnvironments", "ListTagsForResource", "GetEnvironment", "CreateEnvironment"];
        assert_eq!(nearest("list-enviroments", names, 3), ["ListEnvironments"]);
        assert_eq!(nearest("environment", names, 2), ["GetEnvironment", "ListEnvironments"]);
        assert_eq!(nearest("mwa", ["mpa", "mwaa"], 2), ["mwaa", "mpa"]);
        assert!(nearest("zzz", names, 3).is_empty());
        assert!(nearest("", names, 3).is_empty());
        assert!(nearest(&"x".repeat(100_000), names, 3).is_empty());
    }
}
