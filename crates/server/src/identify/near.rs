//! Near misses: what somebody may have meant.

/// The most alike of `names`, best first; nothing that is far off.
pub(crate) fn near<'n>(wanted: &str, names: impl Iterator<Item = &'n str>, most: usize) -> Vec<&'n str> {
    const LENGTH_MAX: usize = 64;
    if wanted.is_empty() || wanted.len() > LENGTH_MAX {
        return Vec::new();
    }
    let wanted: Vec<u8> = wanted.bytes().map(|b| b.to_ascii_lowercase()).collect();
    let limit = (wanted.len() / 4).clamp(1, 5);
    let mut scored: Vec<(usize, &str)> = names
        .filter(|name| name.len().abs_diff(wanted.len()) <= limit)
        .filter_map(|name| {
            let lower: Vec<u8> = name.bytes().map(|b| b.to_ascii_lowercase()).collect();
            let distance = distance(&wanted, &lower);
            (distance <= limit).then_some((distance, name))
        })
        .collect();
    scored.sort_unstable();
    scored.dedup();
    scored.into_iter().take(most).map(|(_, name)| name).collect()
}

/// Levenshtein distance, in one row.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn finds_what_was_meant() {
        let names = ["ListEnvironments", "GetEnvironment", "DeleteEnvironment"];
        assert_eq!(near("ListEnviroments", names.into_iter(), 3), ["ListEnvironments"]);
        assert_eq!(near("getenvironment", names.into_iter(), 1), ["GetEnvironment"]);
        assert!(near("Xyz", names.into_iter(), 3).is_empty());
        assert!(near("", names.into_iter(), 3).is_empty());
    }
}
