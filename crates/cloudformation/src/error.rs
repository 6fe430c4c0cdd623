//! What is wrong with a template, and where.

use std::fmt;

/// A template that cannot be used, or what it says that cannot be done.
///
/// The API answers with the message under the code `ValidationError`; people with a file also want the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// Begins in lower or upper case as CloudFormation begins it, and is whole without the path.
    pub message: String,
    /// The keys from the template's root to the place, where it is known.
    pub path: Vec<String>,
    /// Line and column, counted from 1, where the reader of JSON or YAML gave them.
    pub position: Option<(usize, usize)>,
}

impl TemplateError {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), path: Vec::new(), position: None }
    }

    /// A template of the wrong form.
    pub fn format(message: impl fmt::Display) -> Self {
        Self::new(format!("Template format error: {message}"))
    }

    /// A template that says something impossible.
    pub fn template(message: impl fmt::Display) -> Self {
        Self::new(format!("Template error: {message}"))
    }

    #[must_use]
    pub fn at<S: Into<String>>(mut self, path: impl IntoIterator<Item = S>) -> Self {
        if self.path.is_empty() {
            self.path = path.into_iter().map(Into::into).collect();
        }
        self
    }

    #[must_use]
    pub fn with_position(mut self, line: usize, column: usize) -> Self {
        self.position = Some((line, column));
        self
    }

    /// The line that this is about: what the reader gave, else where the keys of the path stand in the text.
    pub fn line(&self, text: &str) -> Option<usize> {
        self.position.map(|(line, _)| line).or_else(|| line_of(text, &self.path))
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TemplateError {}

/// The line, counted from 1, of the last key of a path: each key is sought below the line of the one before and, in block
/// YAML, further in. As far as the keys are found; nothing where not even the first is.
pub fn line_of(text: &str, path: &[String]) -> Option<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found: Option<(usize, usize)> = None;
    for key in path {
        let from = found.map_or(0, |(line, _)| line + 1);
        let inside = |indent: usize| found.is_none_or(|(_, outer)| indent > outer);
        let mut next = None;
        for (at, line) in lines.iter().enumerate().skip(from) {
            let trimmed = line.trim_start();
            let indent = line.len() - trimmed.len();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            if !inside(indent) && !trimmed.starts_with(['}', ']', '-']) {
                break;
            }
            if is_key(trimmed, key) {
                next = Some((at, indent));
                break;
            }
        }
        match next {
            Some(place) => found = Some(place),
            None => break,
        }
    }
    found.map(|(line, _)| line + 1)
}

fn is_key(line: &str, key: &str) -> bool {
    let line = line.strip_prefix("- ").unwrap_or(line);
    let rest = match line.chars().next() {
        Some(quote @ ('"' | '\'')) => line[1..].strip_prefix(key).and_then(|rest| rest.strip_prefix(quote)),
        _ => line.strip_prefix(key),
    };
    rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_paths() {
        let yaml = "Parameters:\n  Name:\n    Type: String\nResources:\n  # Name:\n  Name:\n    Type: T\n    Properties:\n      Type: 1\n  Other:\n    Properties: {}\n";
        let json = "{\n  \"Resources\": {\n    \"A\": {\n      \"Type\": \"T\"\n    }\n  }\n}";
        let check = |text: &str, path: &[&str], expect: Option<usize>| {
            let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
            assert_eq!(line_of(text, &path), expect, "{path:?}");
        };
        check(yaml, &["Resources", "Name", "Properties", "Type"], Some(9));
        check(yaml, &["Resources", "Other"], Some(10));
        check(yaml, &["Resources", "Name", "Absent"], Some(6));
        check(yaml, &["Nothing"], None);
        check(json, &["Resources", "A", "Type"], Some(4));
        check(yaml, &[], None);
    }
}
