//! From a line of what was rendered back to the line of the template that it came of.

/// Lines around one that tell repeated ones apart.
const AROUND: usize = 4;
/// Longer templates are not compared: each line is looked at for each.
const LINES_MAX: usize = 20_000;

/// The line of the template, counted from 1, that a line of the rendered text came of; nothing where none fits.
pub fn source_line(template: &str, rendered: &str, line: usize) -> Option<usize> {
    let from: Vec<&str> = template.lines().take(LINES_MAX).collect();
    let to: Vec<&str> = rendered.lines().take(LINES_MAX).collect();
    let at = line.checked_sub(1).filter(|at| *at < to.len())?;
    let patterns: Vec<Vec<&str>> = from.iter().map(|line| literals(line)).collect();
    let fits = |from: Option<usize>, to_at: Option<usize>| {
        let found = from.and_then(|from| patterns.get(from)).zip(to_at.and_then(|at| to.get(at)));
        found.is_some_and(|(pattern, line)| matches(pattern, line))
    };
    let score = |candidate: usize| {
        let near = (1..=AROUND).flat_map(|by| {
            [fits(candidate.checked_sub(by), at.checked_sub(by)), fits(candidate.checked_add(by), at.checked_add(by))]
        });
        // What is written out tells more than what is only filled in.
        let written: usize = patterns[candidate].iter().map(|text| text.trim().len()).sum();
        (near.filter(|fits| *fits).count(), written)
    };
    let candidates = (0..from.len()).filter(|candidate| {
        let is_filled = patterns[*candidate].iter().all(|text| text.trim().is_empty());
        !is_filled && fits(Some(*candidate), Some(at))
    });
    candidates.max_by_key(|candidate| (score(*candidate), std::cmp::Reverse(*candidate))).map(|found| found + 1)
}

/// What stands outside of Jinja's tags: the text before, between and after them.
fn literals(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(open) = rest.find("{{").into_iter().chain(rest.find("{%")).chain(rest.find("{#")).min() {
        let close = match rest.as_bytes().get(open + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            _ => "#}",
        };
        found.push(&rest[..open]);
        rest = rest[open..].find(close).map_or("", |end| &rest[open + end + 2..]);
    }
    found.push(rest);
    found
}

/// Whether a line begins with the first text, ends with the last, and has the others between in their order.
fn matches(pattern: &[&str], line: &str) -> bool {
    let [first, middle @ .., last] = pattern else { return pattern.first().is_some_and(|only| only == &line) };
    let Some(mut rest) = line.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    middle.iter().all(|text| match rest.find(text) {
        Some(at) => {
            rest = &rest[at + text.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_again() {
        let template = "Resources:\n{%- for name in names %}\n  {{ name }}Queue:\n    Type: AWS::SQS::Queue\n{%- endfor %}\n  Bucket:\n    Type: AWS::S3::Bucket\n    Name: \"a-{{ x }}-b-{{ y }}\"\n  Other:\n    Type: AWS::S3::Bucket\n";
        let rendered = "Resources:\n  AQueue:\n    Type: AWS::SQS::Queue\n  BQueue:\n    Type: AWS::SQS::Queue\n  Bucket:\n    Type: AWS::S3::Bucket\n    Name: \"a-1-b-2\"\n  Other:\n    Type: AWS::S3::Bucket\n";
        let check = |line: usize, expect: Option<usize>| {
            assert_eq!(source_line(template, rendered, line), expect, "{line}");
        };
        check(1, Some(1));
        check(2, Some(3));
        check(4, Some(3));
        check(5, Some(4));
        check(6, Some(6));
        check(7, Some(7));
        check(8, Some(8));
        check(10, Some(10));
        check(0, None);
        check(11, None);
        assert_eq!(source_line("{{ all }}", "A: 1", 1), None);
        assert_eq!(source_line("{{ open", "x", 1), None);
    }
}
