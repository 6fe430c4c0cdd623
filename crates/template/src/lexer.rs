//! Cuts a template into the tokens of Handlebars 4.7.

use crate::number::is_space;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Eof,
    Comment,
    Content,
    EndRawBlock,
    OpenRawBlock,
    CloseRawBlock,
    OpenBlock,
    Close,
    OpenInverse,
    OpenInverseChain,
    Inverse,
    OpenEndblock,
    Open,
    OpenUnescaped,
    CloseUnescaped,
    OpenPartial,
    OpenPartialBlock,
    OpenSexpr,
    CloseSexpr,
    Id,
    Equals,
    OpenBlockParams,
    CloseBlockParams,
    String,
    Number,
    Boolean,
    Undefined,
    Null,
    Data,
    Sep,
    Invalid,
}

impl Kind {
    /// The name in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Eof => "EOF",
            Self::Comment => "COMMENT",
            Self::Content => "CONTENT",
            Self::EndRawBlock => "END_RAW_BLOCK",
            Self::OpenRawBlock => "OPEN_RAW_BLOCK",
            Self::CloseRawBlock => "CLOSE_RAW_BLOCK",
            Self::OpenBlock => "OPEN_BLOCK",
            Self::Close => "CLOSE",
            Self::OpenInverse => "OPEN_INVERSE",
            Self::OpenInverseChain => "OPEN_INVERSE_CHAIN",
            Self::Inverse => "INVERSE",
            Self::OpenEndblock => "OPEN_ENDBLOCK",
            Self::Open => "OPEN",
            Self::OpenUnescaped => "OPEN_UNESCAPED",
            Self::CloseUnescaped => "CLOSE_UNESCAPED",
            Self::OpenPartial => "OPEN_PARTIAL",
            Self::OpenPartialBlock => "OPEN_PARTIAL_BLOCK",
            Self::OpenSexpr => "OPEN_SEXPR",
            Self::CloseSexpr => "CLOSE_SEXPR",
            Self::Id => "ID",
            Self::Equals => "EQUALS",
            Self::OpenBlockParams => "OPEN_BLOCK_PARAMS",
            Self::CloseBlockParams => "CLOSE_BLOCK_PARAMS",
            Self::String => "STRING",
            Self::Number => "NUMBER",
            Self::Boolean => "BOOLEAN",
            Self::Undefined => "UNDEFINED",
            Self::Null => "NULL",
            Self::Data => "DATA",
            Self::Sep => "SEP",
            Self::Invalid => "INVALID",
        }
    }
}

/// A token; `start..end` is what of the source it covers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'s> {
    pub(crate) kind: Kind,
    /// Covered text, without what only escapes it.
    pub(crate) text: &'s str,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// From 1; where it starts.
    pub(crate) line: usize,
    /// Where its line starts.
    pub(crate) line_start: usize,
    /// From 1; where it ends.
    pub(crate) end_line: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Initial,
    Mustache,
    Escaped,
    Comment,
}

pub(crate) struct Lexer<'s> {
    source: &'s str,
    at: usize,
    line: usize,
    line_start: usize,
    state: State,
    /// Raw blocks that are open.
    raw: usize,
    /// Where the next NUL is, which no rule takes.
    nul: usize,
}

/// Nothing matches at this offset.
pub(crate) struct Unrecognized {
    pub(crate) at: usize,
    pub(crate) line: usize,
}

impl<'s> Lexer<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Self {
            source,
            at: 0,
            line: 1,
            line_start: 0,
            state: State::Initial,
            raw: 0,
            nul: source.find('\0').unwrap_or(source.len()),
        }
    }

    pub(crate) fn next(&mut self) -> Result<Token<'s>, Unrecognized> {
        loop {
            let rest = &self.source[self.at..];
            if self.raw > 0 && self.state == State::Initial {
                return self.raw(rest);
            }
            match self.state {
                State::Initial => {
                    if rest.is_empty() {
                        return Ok(self.take(Kind::Eof, 0));
                    }
                    if let Some(token) = self.content(rest)? {
                        return Ok(token);
                    }
                }
                State::Escaped => {
                    self.state = State::Initial;
                    return Ok(self.take(Kind::Content, escaped_length(rest)));
                }
                State::Comment => {
                    let length = comment_length(rest).ok_or(Unrecognized { at: self.at, line: self.line })?;
                    self.state = State::Initial;
                    return Ok(self.take(Kind::Comment, length));
                }
                State::Mustache => {
                    let spaces = rest.len() - rest.trim_start_matches(is_space).len();
                    if spaces > 0 {
                        self.take(Kind::Content, spaces);
                        continue;
                    }
                    if let Some(token) = self.mustache(rest) {
                        return Ok(token);
                    }
                }
            }
        }
    }

    fn take(&mut self, kind: Kind, length: usize) -> Token<'s> {
        let (start, end, line) = (self.at, self.at + length, self.line);
        let text = &self.source[start..end];
        let line_start = self.line_start;
        let bytes = text.as_bytes();
        for (index, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(index + 1) != Some(&b'\n')) {
                self.line += 1;
                self.line_start = start + index + 1;
            }
        }
        self.at = end;
        Token { kind, text, start, end, line, line_start, end_line: self.line }
    }

    /// Text up to the next mustache, and what the backslashes before it mean.
    fn content(&mut self, rest: &'s str) -> Result<Option<Token<'s>>, Unrecognized> {
        if self.nul < self.at {
            self.nul = rest.find('\0').map_or(self.source.len(), |nul| self.at + nul);
        }
        let nul = self.nul - self.at;
        let Some(open) = rest.find("{{").filter(|open| *open <= nul) else {
            if nul == 0 {
                return Err(Unrecognized { at: self.at, line: self.line });
            }
            return Ok(Some(self.take(Kind::Content, nul)));
        };
        let before = &rest[..open];
        let escapes = if before.ends_with("\\\\") {
            self.state = State::Mustache;
            1
        } else if before.ends_with('\\') {
            self.state = State::Escaped;
            1
        } else {
            self.state = State::Mustache;
            0
        };
        let mut token = self.take(Kind::Content, open);
        token.text = &before[..open - escapes];
        Ok((!token.text.is_empty()).then_some(token))
    }

    fn raw(&mut self, rest: &'s str) -> Result<Token<'s>, Unrecognized> {
        if rest.starts_with("{{{{") && rest.len() > 4 && !rest.starts_with("{{{{/") {
            self.raw += 1;
            return Ok(self.take(Kind::Content, 4));
        }
        if let Some(name) = rest.strip_prefix("{{{{/") {
            let length = name.find(|character| !is_id(character)).unwrap_or(name.len());
            if length > 0 && name[length..].starts_with("}}}}") {
                self.raw -= 1;
                let mut token = self.take(if self.raw > 0 { Kind::Content } else { Kind::EndRawBlock }, length + 9);
                if self.raw == 0 {
                    token.text = &name[..length];
                }
                return Ok(token);
            }
        }
        let first = rest.chars().next().map_or(1, char::len_utf8);
        match rest.get(first..).and_then(|rest| rest.find("{{{{")).map(|found| found + first) {
            Some(length) if !rest[..length].contains('\0') => Ok(self.take(Kind::Content, length)),
            _ => Err(Unrecognized { at: self.at, line: self.line }),
        }
    }

    /// A token between braces; `None` if only the state changes.
    fn mustache(&mut self, rest: &'s str) -> Option<Token<'s>> {
        if rest.starts_with("{{") {
            return self.opening(rest);
        }
        if rest.starts_with("}}}}") {
            self.state = State::Initial;
            self.raw += 1;
            return Some(self.take(Kind::CloseRawBlock, 4));
        }
        let closing =
            [("}}}", Kind::CloseUnescaped), ("}~}}", Kind::CloseUnescaped), ("}}", Kind::Close), ("~}}", Kind::Close)];
        if let Some((text, kind)) = closing.into_iter().find(|(text, _)| rest.starts_with(text)) {
            self.state = State::Initial;
            return Some(self.take(kind, text.len()));
        }
        let (kind, length) = inner(rest);
        Some(self.take(kind, length))
    }

    fn opening(&mut self, rest: &'s str) -> Option<Token<'s>> {
        if rest.starts_with("{{{{") {
            return Some(self.take(Kind::OpenRawBlock, 4));
        }
        let strip = if rest.as_bytes().get(2) == Some(&b'~') { 3 } else { 2 };
        let after = &rest[strip..];
        let length_of = |tail: &str| rest.len() - tail.len();
        for (prefix, kind) in [
            (">", Kind::OpenPartial),
            ("#>", Kind::OpenPartialBlock),
            ("#*", Kind::OpenBlock),
            ("#", Kind::OpenBlock),
            ("/", Kind::OpenEndblock),
        ] {
            if after.starts_with(prefix) {
                return Some(self.take(kind, strip + prefix.len()));
            }
        }
        if let Some(tail) = after.strip_prefix('^') {
            if let Some(tail) = closed(tail) {
                self.state = State::Initial;
                return Some(self.take(Kind::Inverse, length_of(tail)));
            }
            return Some(self.take(Kind::OpenInverse, strip + 1));
        }
        if let Some(tail) = after.trim_start_matches(is_space).strip_prefix("else") {
            if let Some(tail) = closed(tail) {
                self.state = State::Initial;
                return Some(self.take(Kind::Inverse, length_of(tail)));
            }
            if !tail.starts_with(|character: char| character.is_ascii_alphanumeric() || character == '_') {
                return Some(self.take(Kind::OpenInverseChain, length_of(tail)));
            }
        }
        if after.starts_with('{') {
            return Some(self.take(Kind::OpenUnescaped, strip + 1));
        }
        if after.starts_with('&') {
            return Some(self.take(Kind::Open, strip + 1));
        }
        if after.starts_with("!--") {
            self.state = State::Comment;
            return None;
        }
        if after.starts_with('!')
            && let Some(end) = after.find("}}")
        {
            self.state = State::Initial;
            return Some(self.take(Kind::Comment, strip + end + 2));
        }
        let star = usize::from(after.starts_with('*'));
        Some(self.take(Kind::Open, strip + star))
    }
}

/// What follows `\s*~?}}`.
fn closed(text: &str) -> Option<&str> {
    let text = text.trim_start_matches(is_space);
    text.strip_prefix('~').unwrap_or(text).strip_prefix("}}")
}

/// Escaped text: at least two characters, up to the next mustache, escaped or not.
fn escaped_length(rest: &str) -> usize {
    let from = rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at);
    let Some(open) = rest[from..].find("{{").map(|open| open + from) else { return rest.len() };
    let backslashes = rest[from..open].bytes().rev().take(2).take_while(|byte| *byte == b'\\').count();
    open - backslashes
}

fn comment_length(rest: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = rest[from..].find("--") {
        let after = from + found + 2;
        let tail = rest[after..].strip_prefix('~').unwrap_or(&rest[after..]);
        if tail.starts_with("}}") {
            return Some(rest.len() - tail.len() + 2);
        }
        from += found + 1;
    }
    None
}

fn is_id(character: char) -> bool {
    !is_space(character)
        && !matches!(character,
            '!' | '"' | '#' | '%'..=',' | '.' | '/' | ';'..='>' | '@' | '['..='^' | '`' | '{'..='~')
}

fn ends_word(rest: &str) -> bool {
    rest.starts_with(|character| matches!(character, '=' | '~' | '}' | '/' | '.' | ')' | '|') || is_space(character))
}

fn ends_literal(rest: &str) -> bool {
    rest.starts_with(|character| matches!(character, '~' | '}' | ')') || is_space(character))
}

/// The token at the start of a text that is not white space nor braces, and its length.
fn inner(rest: &str) -> (Kind, usize) {
    let Some(first) = rest.chars().next() else { return (Kind::Eof, 0) };
    match first {
        '(' => return (Kind::OpenSexpr, 1),
        ')' => return (Kind::CloseSexpr, 1),
        '=' => return (Kind::Equals, 1),
        '.' if rest.starts_with("..") => return (Kind::Id, 2),
        '.' if ends_word(&rest[1..]) => return (Kind::Id, 1),
        '.' | '/' => return (Kind::Sep, 1),
        '@' => return (Kind::Data, 1),
        '|' => return (Kind::CloseBlockParams, 1),
        '"' | '\'' => {
            if let Some(length) = quoted_length(rest, first) {
                return (Kind::String, length);
            }
        }
        '[' => {
            if let Some(length) = quoted_length(rest, ']') {
                return (Kind::Id, length);
            }
        }
        _ => {}
    }
    for (word, kind) in
        [("true", Kind::Boolean), ("false", Kind::Boolean), ("undefined", Kind::Undefined), ("null", Kind::Null)]
    {
        if rest.strip_prefix(word).is_some_and(ends_literal) {
            return (kind, word.len());
        }
    }
    if let Some(length) = number_length(rest) {
        return (Kind::Number, length);
    }
    if let Some(tail) = rest.strip_prefix("as") {
        let trimmed = tail.trim_start_matches(is_space);
        if trimmed.len() < tail.len() && trimmed.starts_with('|') {
            return (Kind::OpenBlockParams, rest.len() - trimmed.len() + 1);
        }
    }
    let length = rest.find(|character| !is_id(character)).unwrap_or(rest.len());
    if length > 0 && ends_word(&rest[length..]) {
        return (Kind::Id, length);
    }
    (Kind::Invalid, first.len_utf8())
}

/// Up to the closing character; one after a backslash does not close unless nothing else does.
fn quoted_length(rest: &str, close: char) -> Option<usize> {
    let mut escaped = None;
    let bytes = rest.as_bytes();
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        if *byte == close as u8 {
            if bytes[at - 1] == b'\\' && at > 1 {
                escaped = Some(at + 1);
            } else {
                return Some(at + 1);
            }
        }
    }
    escaped
}

fn number_length(rest: &str) -> Option<usize> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let sign = usize::from(rest.starts_with('-'));
    let whole = digits(&rest[sign..]);
    if whole == 0 {
        return None;
    }
    let end = sign + whole;
    if let Some(tail) = rest[end..].strip_prefix('.') {
        let fraction = digits(tail);
        if fraction > 0 && ends_literal(&tail[fraction..]) {
            return Some(end + 1 + fraction);
        }
    }
    ends_literal(&rest[end..]).then_some(end)
}
