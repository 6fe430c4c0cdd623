//! Finds the name that was perhaps meant.

/// Longer names are not compared: the work grows with the square.
const CHARS_MAX: usize = 64;

/// The candidate nearest to a name: equal but for case, else within a third of its characters (two, where that is less).
pub(crate) fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    if name.len() > CHARS_MAX {
        return None;
    }
    let limit = if name.len() < 4 { 1 } else { (name.len() / 3).max(2) };
    candidates
        .filter(|candidate| candidate.len() <= CHARS_MAX)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many characters must be put in, taken out or changed; letters of either case are the same.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in b.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let names = ["Name", "DagS3Path", "ExecutionRoleArn"];
        let check = |name, expected| assert_eq!(nearest(name, names.into_iter()), expected, "{name}");
        check("name", Some("Name"));
        check("DagS3path", Some("DagS3Path"));
        check("ExecutionRoleARN", Some("ExecutionRoleArn"));
        check("ExecutionRole", Some("ExecutionRoleArn"));
        check("Nmae", Some("Name"));
        check("Subnets", None);
        check("", None);
    }
}
