//! Python as far as it can be read without being run: logical lines of tokens.

/// What a source is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Name(String),
    /// The text between the quotes; of an f-string without the braces.
    Text(String),
    Number(String),
    /// One character, or `>>`, `<<`, `**`, `==`, `->` …
    Sign(&'static str),
}

impl Token {
    pub(super) fn is(&self, sign: &str) -> bool {
        matches!(self, Self::Sign(known) if *known == sign)
    }

    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A line as Python sees it: brackets and backslashes join lines of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// The width of the space before it.
    pub indent: usize,
    pub tokens: Vec<Token>,
}

/// Why a source is no Python.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// From 1.
    pub line: usize,
    pub message: &'static str,
}

/// Signs of more than one character, longest first, then single ones.
const SIGNS: &[&str] = &[
    "**=", "//=", ">>=", "<<=", "...", ">>", "<<", "**", "//", "==", "!=", "<=", ">=", "->", ":=", "+=", "-=", "*=",
    "/=", "%=", "|=", "&=", "^=", "@=", "(", ")", "[", "]", "{", "}", ",", ":", ".", ";", "@", "=", "+", "-", "*", "/",
    "%", "&", "|", "^", "~", "<", ">",
];
/// Brackets that are open at a time, at most.
const DEPTH_MAX: usize = 200;

/// Reads a source.
///
/// # Errors
/// Where a text or bracket is left open, or something stands there that Python has no use for.
pub(super) fn lines(source: &str) -> Result<Vec<Line>, SyntaxError> {
    Reader { rest: source.strip_prefix('\u{feff}').unwrap_or(source), line: 1, open: Vec::new() }.read()
}

struct Reader<'s> {
    rest: &'s str,
    line: usize,
    /// The brackets that are open, with their lines.
    open: Vec<(&'static str, usize)>,
}

impl Reader<'_> {
    fn fails<T>(&self, message: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError { line: self.line, message })
    }

    fn skip(&mut self, bytes: usize) {
        self.line += self.rest.as_bytes()[..bytes].iter().filter(|byte| **byte == b'\n').count();
        self.rest = &self.rest[bytes..];
    }

    fn read(mut self) -> Result<Vec<Line>, SyntaxError> {
        let mut lines = Vec::new();
        let mut line = Line::default();
        let mut begins = true;
        loop {
            if begins {
                line.indent = self.indent();
                begins = false;
            }
            let Some(char) = self.rest.chars().next() else { break };
            match char {
                '\n' | ';' if self.open.is_empty() => {
                    self.skip(1);
                    let indent = line.indent;
                    if !line.tokens.is_empty() {
                        lines.push(std::mem::take(&mut line));
                    }
                    begins = char == '\n';
                    line.indent = indent;
                }
                ' ' | '\t' | '\r' | '\n' | '\u{c}' => self.skip(1),
                '#' => self.skip(self.rest.find('\n').unwrap_or(self.rest.len())),
                '\\' => {
                    let after = self.rest[1..].trim_start_matches('\r');
                    if !after.starts_with('\n') {
                        return self.fails("unexpected character after line continuation character");
                    }
                    self.skip(self.rest.len() - after.len() + 1);
                }
                _ => {
                    let token = self.token(char)?;
                    line.tokens.push(token);
                }
            }
        }
        if let Some((bracket, at)) = self.open.pop() {
            let message = match bracket {
                "(" => "'(' was never closed",
                "[" => "'[' was never closed",
                _ => "'{' was never closed",
            };
            return Err(SyntaxError { line: at, message });
        }
        if !line.tokens.is_empty() {
            lines.push(line);
        }
        Ok(lines)
    }

    fn indent(&mut self) -> usize {
        let mut width = 0;
        let mut bytes = 0;
        for byte in self.rest.bytes() {
            match byte {
                b' ' => width += 1,
                b'\t' => width = (width / 8 + 1) * 8,
                _ => break,
            }
            bytes += 1;
        }
        self.skip(bytes);
        width
    }

    fn token(&mut self, first: char) -> Result<Token, SyntaxError> {
        if first == '"' || first == '\'' {
            return self.string("");
        }
        if first.is_alphabetic() || first == '_' {
            let end = self.rest.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(self.rest.len());
            let word = &self.rest[..end];
            let prefix = end <= 2 && word.chars().all(|char| "rRbBfFuU".contains(char));
            if prefix && self.rest[end..].starts_with(['"', '\'']) {
                let prefix = word.to_ascii_lowercase();
                self.skip(end);
                return self.string(&prefix);
            }
            let name = word.to_owned();
            self.skip(end);
            return Ok(Token::Name(name));
        }
        if first.is_ascii_digit() {
            let end = self.rest.find(|char: char| !char.is_ascii_alphanumeric() && char != '_' && char != '.');
            let number = self.rest[..end.unwrap_or(self.rest.len())].to_owned();
            self.skip(number.len());
            return Ok(Token::Number(number));
        }
        let Some(sign) = SIGNS.iter().find(|sign| self.rest.starts_with(**sign)) else {
            return self.fails("invalid syntax");
        };
        match *sign {
            "(" | "[" | "{" => {
                if self.open.len() == DEPTH_MAX {
                    return self.fails("too many nested parentheses");
                }
                self.open.push((sign, self.line));
            }
            ")" | "]" | "}" => match (self.open.pop(), *sign) {
                (Some(("(", _)), ")") | (Some(("[", _)), "]") | (Some(("{", _)), "}") => {}
                (Some(_), _) => return self.fails("closing parenthesis does not match the opening one"),
                (None, _) => return self.fails("unmatched closing parenthesis"),
            },
            _ => {}
        }
        self.skip(sign.len());
        Ok(Token::Sign(sign))
    }

    fn string(&mut self, prefix: &str) -> Result<Token, SyntaxError> {
        let quote = &self.rest[..1];
        let triple = self.rest.starts_with(&quote.repeat(3));
        let end = if triple { quote.repeat(3) } else { quote.to_owned() };
        let (raw, formatted) = (prefix.contains('r'), prefix.contains('f'));
        let body = &self.rest[end.len()..];
        let (mut text, mut chars) = (String::new(), body.char_indices());
        while let Some((at, char)) = chars.next() {
            if body[at..].starts_with(&end) {
                self.skip(end.len() + at + end.len());
                return Ok(Token::Text(text));
            }
            match char {
                '\n' if !triple => break,
                '\\' => match chars.next() {
                    Some((_, escaped)) if raw => text.extend(['\\', escaped]),
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, '\n')) => {}
                    Some((_, escaped @ ('\\' | '\'' | '"'))) => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                // What stands in the braces is not known.
                '{' | '}' if formatted => {}
                plain => text.push(plain),
            }
        }
        self.fails(if triple { "unterminated triple-quoted string literal" } else { "unterminated string literal" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expect: &[(usize, &str)]) {
        let shown = lines(source).expect("it is Python").into_iter().map(|line| {
            let tokens = line.tokens.into_iter().map(|token| match token {
                Token::Name(text) | Token::Number(text) => text,
                Token::Text(text) => format!("{text:?}"),
                Token::Sign(sign) => sign.to_owned(),
            });
            (line.indent, tokens.collect::<Vec<_>>().join(" "))
        });
        let expect: Vec<_> = expect.iter().map(|(indent, text)| (*indent, (*text).to_owned())).collect();
        assert_eq!(shown.collect::<Vec<_>>(), expect, "{source}");
    }

    #[test]
    fn lines_are_joined_and_split_as_in_python() {
        check("a = 1 # note\n\n  b(\n c,\n)\nx; y", &[(0, "a = 1"), (2, "b ( c , )"), (0, "x"), (0, "y")]);
        check("a \\\n  >> b", &[(0, "a >> b")]);
        check("\tf'''x\n{y}'''", &[(8, "\"x\\ny\"")]);
        check(r#"s = r"\d" 'it\'s' b"x""#, &[(0, r#"s = "\\d" "it's" "x""#)]);
        check("", &[]);
    }

    fn check_error(source: &str, line: usize) {
        assert_eq!(lines(source).map_err(|error| error.line), Err(line), "{source}");
    }

    #[test]
    fn what_is_left_open_is_told() {
        check_error("a\nb = (1,\nc", 2);
        check_error("x = 'abc\n", 1);
        check_error("\"\"\"abc\n", 1);
        check_error("a)", 1);
        check_error("(]", 1);
        check_error("a ? b", 1);
        check_error("\\ x", 1);
        check_error(&"(".repeat(1000), 1);
    }
}
