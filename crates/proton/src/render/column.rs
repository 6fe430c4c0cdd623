//! Values of several lines that stay in the column where they begin.
//!
//! A filter cannot know where its value will stand, so it marks the beginning and the line breaks; once all is rendered,
//! every further line of the value is indented to the column of its first.

/// The marks are noncharacters of Unicode, which no YAML text may hold.
const BEGIN: char = '\u{10FFFE}';
const BREAK: char = '\u{10FFFF}';

/// The lines of a value, marked.
pub fn block(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!("{BEGIN}{}", lines.join(&BREAK.to_string())) }
}

/// Whether lines end here, in a text with marks.
pub fn is_line_break(char: char) -> bool {
    char == '\n' || char == BREAK
}

/// A text without marks.
pub fn aligned(text: &str) -> String {
    if !text.contains([BEGIN, BREAK]) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let (mut column, mut indent) = (0, 0);
    for char in text.chars() {
        match char {
            BEGIN => indent = column,
            BREAK => {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent));
                column = indent;
            }
            char => {
                out.push(char);
                column = if char == '\n' { 0 } else { column + 1 };
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checklist 124.
    #[test]
    fn further_lines_stand_below_the_first() {
        let value = block(&["a".into(), "b".into(), "c".into()]);
        assert_eq!(aligned(&format!("x:\n    {value}\ny: {value}")), "x:\n    a\n    b\n    c\ny: a\n   b\n   c");
        assert_eq!(aligned(&block(&[])), "");
    }
}
