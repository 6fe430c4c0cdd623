//! JSON's grammar (RFC 8259), token by token over borrowed text.

use std::borrow::Cow;

use crate::message::DecodeError;
use crate::{DEPTH_MAX, count_value};

pub(super) struct Lexer<'b> {
    text: &'b str,
    bytes: &'b [u8],
    at: usize,
    depth: usize,
    /// Members and items so far.
    values: usize,
    /// Right after an opening bracket: no comma is due.
    fresh: bool,
}

impl<'b> Lexer<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Result<Self, DecodeError> {
        // Some JSON writers put a byte order mark first; AWS forgives it.
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes)
            .map_err(|error| DecodeError::new(format!("not UTF-8 from byte {} on", error.valid_up_to())))?;
        Ok(Self { text, bytes, at: 0, depth: 0, values: 0, fresh: false })
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// The first byte of the next token.
    pub(super) fn peek(&mut self) -> Result<u8, DecodeError> {
        self.space();
        self.bytes.get(self.at).copied().ok_or_else(|| DecodeError::new("the JSON text ends too early"))
    }

    pub(super) fn is_at_end(&mut self) -> bool {
        self.space();
        self.at == self.bytes.len()
    }

    /// Expects nothing more.
    pub(super) fn end(&mut self) -> Result<(), DecodeError> {
        if self.is_at_end() { Ok(()) } else { Err(self.syntax("the end of the JSON text")) }
    }

    /// The error for a byte that cannot stand where it does.
    pub(super) fn syntax(&self, expected: &str) -> DecodeError {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => {
                DecodeError::new(format!("found {found:?} at byte {} of the JSON text, expected {expected}", self.at))
            }
            None => DecodeError::new("the JSON text ends too early"),
        }
    }

    /// Steps over an opening bracket that [`Lexer::peek`] has seen.
    pub(super) fn open(&mut self) -> Result<(), DecodeError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(DecodeError::new(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.at += 1;
        self.fresh = true;
        Ok(())
    }

    fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
        self.fresh = false;
    }

    /// Steps to the next key of an object and over its colon; `None` after the closing brace.
    pub(super) fn key(&mut self) -> Result<Option<Cow<'b, str>>, DecodeError> {
        match self.peek()? {
            b'}' => {
                self.close();
                return Ok(None);
            }
            b',' if !self.fresh => {
                self.at += 1;
                self.space();
            }
            _ if self.fresh => {}
            _ => return Err(self.syntax("`,` or `}`")),
        }
        self.fresh = false;
        count_value(&mut self.values)?;
        if self.peek()? != b'"' {
            return Err(self.syntax("a member's name"));
        }
        let key = self.string()?;
        if self.peek()? != b':' {
            return Err(self.syntax("`:`"));
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Steps to the next item of an array; `false` after the closing bracket.
    pub(super) fn item(&mut self) -> Result<bool, DecodeError> {
        match self.peek()? {
            b']' if self.fresh => {
                self.close();
                Ok(false)
            }
            _ if self.fresh => {
                self.fresh = false;
                count_value(&mut self.values)?;
                Ok(true)
            }
            b']' => {
                self.close();
                Ok(false)
            }
            b',' => {
                self.at += 1;
                if self.peek()? == b']' {
                    return Err(self.syntax("a value"));
                }
                count_value(&mut self.values)?;
                Ok(true)
            }
            _ => Err(self.syntax("`,` or `]`")),
        }
    }

    /// Steps over `null`, if that is what comes.
    pub(super) fn null(&mut self) -> Result<bool, DecodeError> {
        if self.peek()? != b'n' {
            return Ok(false);
        }
        self.word("null")?;
        Ok(true)
    }

    pub(super) fn boolean(&mut self) -> Result<bool, DecodeError> {
        let value = self.peek()? == b't';
        self.word(if value { "true" } else { "false" })?;
        Ok(value)
    }

    fn word(&mut self, word: &str) -> Result<(), DecodeError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.syntax("a value"));
        }
        self.at += word.len();
        self.fresh = false;
        Ok(())
    }

    /// A number's text.
    pub(super) fn number(&mut self) -> Result<&'b str, DecodeError> {
        let start = self.at;
        let length = number_length(&self.bytes[start..]);
        if length == 0 {
            return Err(self.syntax("a value"));
        }
        self.at += length;
        Ok(&self.text[start..self.at])
    }

    /// A string without its quotes; borrowed where nothing in it is escaped.
    pub(super) fn string(&mut self) -> Result<Cow<'b, str>, DecodeError> {
        let start = self.at + 1;
        self.at = start;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    let text = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(Cow::Borrowed(text));
                }
                Some(b'\\') => break,
                Some(0..0x20) => return Err(self.syntax("no bare control character in a string")),
                Some(_) => self.at += 1,
                None => return Err(DecodeError::new("the JSON text ends within a string")),
            }
        }
        let mut out = String::with_capacity(self.at - start + 16);
        out.push_str(&self.text[start..self.at]);
        loop {
            let from = self.at;
            while let Some(0x20..=0x21 | 0x23..=0x5B | 0x5D..) = self.bytes.get(self.at) {
                self.at += 1;
            }
            out.push_str(&self.text[from..self.at]);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(out));
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) => return Err(self.syntax("no bare control character in a string")),
                None => return Err(DecodeError::new("the JSON text ends within a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, DecodeError> {
        let Some(byte) = self.bytes.get(self.at).copied() else {
            return Err(DecodeError::new("the JSON text ends within a string"));
        };
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte as char,
            b'b' => '\u{8}',
            b'f' => '\u{C}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                let first = self.hex()?;
                if !(0xD800..0xDC00).contains(&first) {
                    // A lone low surrogate has no character; Java's decoder, which AWS uses, replaces it.
                    return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                if !self.bytes[self.at..].starts_with(b"\\u") {
                    return Ok(char::REPLACEMENT_CHARACTER);
                }
                let before = self.at;
                self.at += 2;
                let second = self.hex()?;
                if !(0xDC00..0xE000).contains(&second) {
                    self.at = before;
                    return Ok(char::REPLACEMENT_CHARACTER);
                }
                let joined = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            _ => return Err(self.syntax("an escape")),
        };
        self.at += 1;
        Ok(plain)
    }

    fn hex(&mut self) -> Result<u32, DecodeError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.bytes.get(self.at).and_then(|byte| (*byte as char).to_digit(16));
            code = code << 4 | digit.ok_or_else(|| self.syntax("a hexadecimal digit"))?;
            self.at += 1;
        }
        Ok(code)
    }

    /// Steps over one value of any kind.
    pub(super) fn skip(&mut self) -> Result<(), DecodeError> {
        match self.peek()? {
            b'{' => {
                self.open()?;
                while self.key()?.is_some() {
                    self.skip()?;
                }
                Ok(())
            }
            b'[' => {
                self.open()?;
                while self.item()? {
                    self.skip()?;
                }
                Ok(())
            }
            b'"' => self.string().map(drop),
            b't' | b'f' => self.boolean().map(drop),
            b'n' => self.word("null"),
            _ => self.number().map(drop),
        }
    }

    /// The text of one value of any kind.
    pub(super) fn raw(&mut self) -> Result<&'b str, DecodeError> {
        self.space();
        let start = self.at;
        self.skip()?;
        Ok(&self.text[start..self.at])
    }
}

/// The length of the JSON number at the start of the bytes; 0 where there is none.
pub(super) fn number_length(bytes: &[u8]) -> usize {
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && bytes[at] == b'0') {
        return 0;
    }
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return 0;
        }
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits((at + 1 + sign).min(bytes.len()));
        if exponent == 0 {
            return 0;
        }
        at += 1 + sign + exponent;
    }
    at
}
