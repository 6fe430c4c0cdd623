//! Route paths: the syntax that environments write (Express 4 and path-to-regexp 8), compiled once.
//!
//! A path is a sequence of literal text and captures. A capture takes what a regular expression of JavaScript would
//! have taken: greedily, giving back one character at a time. What follows from one place in the text with one place
//! in the path is found out once, so that no request makes matching slow.

use std::sync::Arc;

/// More combinations of optional groups than this are refused, as path-to-regexp does.
const COMBINATIONS_MAX: usize = 256;

/// Groups in groups beyond this are refused: nobody writes them, and the stack is finite.
const NESTING_MAX: usize = 64;

/// A group in parentheses is not longer.
const GROUP_MAX: usize = 1000;

/// Why a path cannot be compiled, in the words that Mockoon logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid route path: {0}")]
pub struct PathError(String);

/// A compiled path.
#[derive(Clone, Debug)]
pub struct Path {
    /// Optional groups make several sequences of one path; the first that matches counts.
    sequences: Vec<Vec<Part>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Capture(Capture),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Capture {
    name: Arc<str>,
    /// Captures segments, as an array.
    is_wildcard: bool,
    /// Tried in this order.
    choices: Vec<Choice>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    /// One or more characters, at none of which one of these texts begins.
    Until(Vec<String>),
    Exactly(String),
}

/// What a capture took, percent-decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Captured {
    One(String),
    Segments(Vec<String>),
}

/// Names and values, in the order of the path.
pub type Captures = Vec<(Arc<str>, Captured)>;

/// The full path of an endpoint as Mockoon shows it: prefix and endpoint with one leading slash, spaces encoded,
/// repeated slashes collapsed.
pub fn full_path(prefix: &str, endpoint: &str) -> String {
    collapse_slashes(&format!("/{prefix}/{}", endpoint.replace(' ', "%20")))
}

pub fn collapse_slashes(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '/' || !collapsed.ends_with('/') {
            collapsed.push(character);
        }
    }
    collapsed
}

impl Path {
    /// Compiles a full path in the syntax of environments, the old one included.
    ///
    /// # Errors
    /// When the path has no meaning: parameters without text between them, stray brackets, unnamed parameters.
    pub fn compile(full_path: &str) -> Result<Self, PathError> {
        Self::compile_modern(&modernised(full_path))
    }

    /// The path with `/:id` behind it, as the routes of single items have it.
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn compile_item(full_path: &str) -> Result<Self, PathError> {
        Self::compile_modern(&collapse_slashes(&format!("{}/:id", modernised(full_path))))
    }

    fn compile_modern(source: &str) -> Result<Self, PathError> {
        let characters: Vec<char> = source.chars().collect();
        let mut parser = Parser { characters: &characters, at: 0, source };
        let tokens = parser.tokens(None, 0)?;
        let mut flat = Vec::new();
        flatten(&tokens, &mut Vec::new(), &mut flat, source)?;
        let sequences = flat.iter().map(|sequence| parts(sequence, source)).collect::<Result<_, _>>()?;
        Ok(Self { sequences })
    }

    /// Matches a path of a request (still encoded, without the query). `None` when it does not match. A capture that
    /// cannot be decoded counts as it stands: the request was refused before.
    pub fn matches(&self, path: &str) -> Option<Captures> {
        self.sequences.iter().find_map(|parts| matches_sequence(parts, path))
    }

    /// The text that every match begins with.
    pub fn prefix(&self) -> &str {
        let starts = self.sequences.iter().map(|sequence| match sequence.first() {
            Some(Part::Text(text)) => text.as_str(),
            _ => "",
        });
        starts
            .reduce(|a, b| {
                let mut length = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
                while !a.is_char_boundary(length) {
                    length -= 1;
                }
                &a[..length]
            })
            .unwrap_or_default()
    }
}

/// Whether `text` begins with `start`, upper and lower case being one.
pub fn starts_with_ignoring_case(text: &str, start: &str) -> bool {
    text.len() >= start.len() && text.as_bytes()[..start.len()].eq_ignore_ascii_case(start.as_bytes())
}

/// Decodes `%XX`; `None` when an escape is no escape or the bytes are not UTF-8.
pub fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
            decoded.push(u8::try_from(digit(at + 1)? * 16 + digit(at + 2)?).ok()?);
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(decoded).ok()
}

fn matches_sequence(parts: &[Part], path: &str) -> Option<Captures> {
    let mut matcher = Matcher { parts, path, taken: Vec::new(), dead: Vec::new() };
    if !matcher.from(0, 0) {
        return None;
    }
    let names = parts.iter().filter_map(|part| match part {
        Part::Capture(capture) => Some(capture),
        Part::Text(_) => None,
    });
    // Filled from the back.
    let taken = matcher.taken.into_iter().rev();
    Some(
        names
            .zip(taken)
            .map(|(capture, (start, end))| (Arc::clone(&capture.name), capture.value(&path[start..end])))
            .collect(),
    )
}

impl Capture {
    fn value(&self, raw: &str) -> Captured {
        let decoded = |raw: &str| decode(raw).unwrap_or_else(|| raw.to_owned());
        if self.is_wildcard {
            Captured::Segments(raw.split('/').map(decoded).collect())
        } else {
            Captured::One(decoded(raw))
        }
    }
}

struct Matcher<'p> {
    parts: &'p [Part],
    path: &'p str,
    /// Where each capture starts and ends, the last one first.
    taken: Vec<(usize, usize)>,
    /// One bit per part and position: nothing matches from there. Empty until something did not match.
    dead: Vec<u64>,
}

impl Matcher<'_> {
    /// Whether the parts from `part` match the path from `at` to its end.
    fn from(&mut self, part: usize, at: usize) -> bool {
        match self.parts.get(part) {
            None => at == self.path.len() || &self.path[at..] == "/",
            Some(Part::Text(text)) => {
                starts_with_ignoring_case(&self.path[at..], text) && self.from(part + 1, at + text.len())
            }
            Some(Part::Capture(capture)) => {
                let place = part * (self.path.len() + 1) + at;
                let (word, bit) = (place / 64, 1 << (place % 64));
                if self.dead.get(word).is_some_and(|word| word & bit != 0) {
                    return false;
                }
                if self.capture(capture, part, at) {
                    return true;
                }
                if self.dead.is_empty() {
                    self.dead = vec![0; self.parts.len() * (self.path.len() + 1) / 64 + 1];
                }
                self.dead[word] |= bit;
                false
            }
        }
    }

    fn capture(&mut self, capture: &Capture, part: usize, at: usize) -> bool {
        for choice in &capture.choices {
            match choice {
                Choice::Exactly(text) => {
                    let end = at + text.len();
                    if starts_with_ignoring_case(&self.path[at..], text) && self.from(part + 1, end) {
                        self.taken.push((at, end));
                        return true;
                    }
                }
                Choice::Until(stops) => {
                    let rest = &self.path[at..];
                    let stop = |place: usize| stops.iter().any(|stop| starts_with_ignoring_case(&rest[place..], stop));
                    let length = (0..rest.len()).find(|&place| stop(place)).unwrap_or(rest.len());
                    for end in (at + 1..=at + length).rev() {
                        if self.from(part + 1, end) {
                            self.taken.push((at, end));
                            return true;
                        }
                    }
                }
            }
        }
        false
    }
}

#[derive(Clone, Debug)]
enum Token {
    Text(String),
    Parameter(String),
    Wildcard(String),
    Group(Vec<Token>),
}

struct Parser<'s> {
    characters: &'s [char],
    at: usize,
    source: &'s str,
}

impl Parser<'_> {
    fn error<T>(&self, message: &str) -> Result<T, PathError> {
        Err(PathError(format!("{message}: {}", self.source)))
    }

    fn next(&mut self) -> Option<char> {
        let character = self.characters.get(self.at).copied();
        self.at += usize::from(character.is_some());
        character
    }

    fn tokens(&mut self, end: Option<char>, depth: usize) -> Result<Vec<Token>, PathError> {
        let mut tokens = Vec::new();
        let mut text = String::new();
        if depth > NESTING_MAX {
            return self.error("Too many groups in groups");
        }
        while let Some(character) = self.next() {
            if Some(character) == end {
                flush(&mut text, &mut tokens);
                return Ok(tokens);
            }
            match character {
                '\\' => match self.next() {
                    Some(escaped) => text.push(escaped),
                    None => return self.error(&format!("Unexpected end after \\ at index {}", self.at)),
                },
                ':' | '*' => {
                    let name = self.name()?;
                    flush(&mut text, &mut tokens);
                    tokens.push(if character == ':' { Token::Parameter(name) } else { Token::Wildcard(name) });
                }
                '{' => {
                    flush(&mut text, &mut tokens);
                    tokens.push(Token::Group(self.tokens(Some('}'), depth + 1)?));
                }
                '}' | '(' | ')' | '[' | ']' | '+' | '?' | '!' => {
                    return self.error(&format!("Unexpected {character} at index {}", self.at - 1));
                }
                other => text.push(other),
            }
        }
        if let Some(end) = end {
            return self.error(&format!("Unexpected end at index {}, expected {end}", self.at));
        }
        flush(&mut text, &mut tokens);
        Ok(tokens)
    }

    fn name(&mut self) -> Result<String, PathError> {
        let mut name = String::new();
        let starts = |character: &char| *character == '$' || *character == '_' || character.is_alphabetic();
        let continues = |character: &char| {
            *character == '$'
                || *character == '_'
                || character.is_alphanumeric()
                || matches!(character, '\u{200c}' | '\u{200d}')
        };
        if self.characters.get(self.at).is_some_and(starts) {
            while let Some(character) = self.characters.get(self.at).filter(|character| continues(character)) {
                name.push(*character);
                self.at += 1;
            }
        } else if self.characters.get(self.at) == Some(&'"') {
            let start = self.at;
            self.at += 1;
            loop {
                match self.next() {
                    None => return self.error(&format!("Unterminated quote at index {start}")),
                    Some('"') => break,
                    Some('\\') => name.extend(self.next()),
                    Some(character) => name.push(character),
                }
            }
        }
        if name.is_empty() { self.error(&format!("Missing parameter name at index {}", self.at)) } else { Ok(name) }
    }
}

fn flush(text: &mut String, tokens: &mut Vec<Token>) {
    if !text.is_empty() {
        tokens.push(Token::Text(std::mem::take(text)));
    }
}

/// Lists every sequence that the optional groups allow: with a group first, without it last.
fn flatten<'t>(
    tokens: &'t [Token],
    before: &mut Vec<&'t Token>,
    out: &mut Vec<Vec<&'t Token>>,
    source: &str,
) -> Result<(), PathError> {
    fn walk<'t>(
        pending: &mut Vec<&'t [Token]>,
        before: &mut Vec<&'t Token>,
        out: &mut Vec<Vec<&'t Token>>,
        source: &str,
    ) -> Result<(), PathError> {
        let Some(tokens) = pending.pop() else {
            if out.len() >= COMBINATIONS_MAX {
                return Err(PathError(format!("Too many path combinations: {source}")));
            }
            out.push(before.clone());
            return Ok(());
        };
        let length = before.len();
        let done = match tokens.split_first() {
            None => walk(pending, before, out, source),
            Some((Token::Group(inner), rest)) => {
                pending.push(rest);
                pending.push(inner);
                walk(pending, before, out, source)?;
                // The walk gives back what it took.
                pending.pop();
                before.truncate(length);
                let done = walk(pending, before, out, source);
                pending.pop();
                done
            }
            Some((token, rest)) => {
                pending.push(rest);
                before.push(token);
                let done = walk(pending, before, out, source);
                pending.pop();
                done
            }
        };
        before.truncate(length);
        pending.push(tokens);
        done
    }
    walk(&mut vec![tokens], before, out, source)
}

/// Gives every capture the texts at which it ends.
fn parts(tokens: &[&Token], source: &str) -> Result<Vec<Part>, PathError> {
    #[derive(PartialEq)]
    enum Kind {
        Parameter,
        Wildcard,
    }
    let mut parts: Vec<Part> = Vec::new();
    let mut since_capture = String::new();
    let mut since_wildcard = String::new();
    let mut previous: Option<Kind> = None;
    let (mut parameter_in_segment, mut wildcard_in_segment) = (false, false);
    for (index, token) in tokens.iter().enumerate() {
        let rest = &tokens[index + 1..];
        let (name, is_wildcard) = match token {
            Token::Text(text) => {
                since_capture.push_str(text);
                if previous == Some(Kind::Wildcard) {
                    since_wildcard.push_str(text);
                }
                if text.contains('/') {
                    (parameter_in_segment, wildcard_in_segment) = (false, false);
                }
                // One text, so that a path without captures is one literal.
                match parts.last_mut() {
                    Some(Part::Text(before)) => before.push_str(text),
                    _ => parts.push(Part::Text(text.clone())),
                }
                continue;
            }
            Token::Parameter(name) => (name, false),
            Token::Wildcard(name) => (name, true),
            Token::Group(_) => continue,
        };
        if previous.is_some() && since_capture.is_empty() {
            let kind = if is_wildcard { "wildcard" } else { "param" };
            return Err(PathError(format!("Missing text before \"{name}\" {kind}: {source}")));
        }
        let until = |stops: &[&str]| {
            Choice::Until(stops.iter().filter(|stop| !stop.is_empty()).map(|stop| (*stop).to_owned()).collect())
        };
        let choices = if is_wildcard {
            let choices = if wildcard_in_segment {
                vec![until(&[&since_capture])]
            } else if since_wildcard.is_empty() {
                vec![until(&[])]
            } else {
                vec![until(&[&since_wildcard]), until(&["/"])]
            };
            since_wildcard.clear();
            wildcard_in_segment = true;
            previous = Some(Kind::Wildcard);
            choices
        } else {
            let choices = if wildcard_in_segment {
                vec![until(&["/", &since_capture])]
            } else if wildcard_later_in_segment(rest) {
                vec![until(&["/", &text_ahead(rest)])]
            } else if parameter_in_segment {
                vec![until(&["/", &since_capture]), Choice::Exactly(since_capture.clone())]
            } else {
                vec![until(&["/"])]
            };
            parameter_in_segment = true;
            previous = Some(Kind::Parameter);
            choices
        };
        since_capture.clear();
        parts.push(Part::Capture(Capture { name: Arc::from(name.as_str()), is_wildcard, choices }));
    }
    Ok(parts)
}

fn wildcard_later_in_segment(tokens: &[&Token]) -> bool {
    for token in tokens {
        match token {
            Token::Wildcard(_) => return true,
            Token::Text(text) if text.contains('/') => return false,
            _ => {}
        }
    }
    false
}

fn text_ahead(tokens: &[&Token]) -> String {
    let texts = tokens.iter().map_while(|token| match token {
        Token::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// Rewrites what Express 4 understood into what path-to-regexp 8 does, one pass per form, in Mockoon's order: a later
/// pass sees what an earlier one wrote.
fn modernised(path: &str) -> String {
    let mut path: Vec<char> = path.chars().collect();
    path = name_stars(&path);
    path = brace_groups(&path, true);
    path = brace_groups(&path, false);
    path = rewrite_parameters(&path, '?');
    path = rewrite_parameters(&path, '+');
    path = rewrite_parameters(&path, '*');
    path = rewrite_letters(&path, '?');
    rewrite_letters(&path, '+').into_iter().collect()
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// `/*` becomes `/*wildcard0`, unless it has a name.
fn name_stars(path: &[char]) -> Vec<char> {
    let mut out = Vec::with_capacity(path.len());
    let mut count = 0;
    for (at, &character) in path.iter().enumerate() {
        out.push(character);
        let at_start = at == 0 || path[at - 1] == '/';
        let is_named = path.get(at + 1).is_some_and(|&next| is_word(next) || next == '"');
        if character == '*' && at_start && !is_named {
            out.extend(format!("wildcard{count}").chars());
            count += 1;
        }
    }
    out
}

/// `(x)?` and `(x)` become `{x}`.
fn brace_groups(path: &[char], with_question_mark: bool) -> Vec<char> {
    let mut out = Vec::with_capacity(path.len());
    let mut at = 0;
    while at < path.len() {
        let opens = path[at] == '(' && (at == 0 || path[at - 1] != '\\');
        let length = opens.then(|| path[at + 1..].iter().take(GROUP_MAX).position(|&next| next == ')')).flatten();
        if let Some(close) = length.filter(|&length| length > 0).map(|length| at + 1 + length)
            && (!with_question_mark || path.get(close + 1) == Some(&'?'))
        {
            out.push('{');
            out.extend(&path[at + 1..close]);
            out.push('}');
            at = close + 1 + usize::from(with_question_mark);
        } else {
            out.push(path[at]);
            at += 1;
        }
    }
    out
}

/// `/:p?` becomes `{/:p}`, `:p+` becomes `*p`, `/:p*` becomes `{/*p}`.
fn rewrite_parameters(path: &[char], suffix: char) -> Vec<char> {
    let mut out = Vec::with_capacity(path.len());
    let mut at = 0;
    while at < path.len() {
        let separator = match suffix {
            '?' => matches!(path[at], '/' | '.' | '~' | '-').then_some(path[at]),
            '*' => (path[at] == '/').then_some('/'),
            _ => None,
        };
        let colon = at + usize::from(suffix != '+');
        let starts = path.get(colon) == Some(&':') && (suffix == '+' || separator.is_some());
        let name = &path[(colon + 1).min(path.len())..];
        let is_start = |character: &char| character.is_ascii_alphabetic() || matches!(character, '_' | '$');
        let length = name.iter().take_while(|&&character| is_word(character) || character == '$').count();
        if starts && name.first().is_some_and(is_start) && name.get(length) == Some(&suffix) {
            let name = &name[..length];
            match separator {
                Some(separator) => {
                    out.extend(['{', separator, if suffix == '?' { ':' } else { '*' }]);
                    out.extend(name);
                    out.push('}');
                }
                None => {
                    out.push('*');
                    out.extend(name);
                }
            }
            at = colon + 1 + length + 1;
        } else {
            out.push(path[at]);
            at += 1;
        }
    }
    out
}

/// `b?` becomes `{b}`, `b+` becomes `b{b}`.
fn rewrite_letters(path: &[char], suffix: char) -> Vec<char> {
    let mut out = Vec::with_capacity(path.len());
    let mut at = 0;
    while at < path.len() {
        let character = path[at];
        let is_escaped = at > 0 && path[at - 1] == '\\';
        if character.is_ascii_alphanumeric() && !is_escaped && path.get(at + 1) == Some(&suffix) {
            if suffix == '+' {
                out.push(character);
            }
            out.extend(['{', character, '}']);
            at += 2;
        } else {
            out.push(character);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(captured: &Captured) -> String {
        match captured {
            Captured::One(text) => text.clone(),
            Captured::Segments(segments) => format!("[{}]", segments.join(",")),
        }
    }

    fn check(path: &str, request: &str, expect: Option<&[(&str, &str)]>) {
        let compiled = Path::compile(path).unwrap();
        let found = compiled
            .matches(request)
            .map(|captures| captures.iter().map(|(name, value)| (name.to_string(), text(value))).collect::<Vec<_>>());
        let expect = expect.map(|expect| {
            expect.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        });
        assert_eq!(found, expect, "{path} and {request}");
        if found.is_some() {
            assert!(
                starts_with_ignoring_case(request, compiled.prefix()),
                "{path} has the prefix {}",
                compiled.prefix()
            );
        }
    }

    #[test]
    fn literal_paths() {
        // 14 to 19, 43
        assert_eq!(full_path("", ""), "/");
        assert_eq!(full_path("api/v1", "/users"), "/api/v1/users");
        assert_eq!(full_path("api", "a b//c"), "/api/a%20b/c");
        check("/users", "/users", Some(&[]));
        check("/users", "/USERS/", Some(&[]));
        check("/users", "/users//", None);
        check("/users/", "/users", None);
        check("/users/", "/users/", Some(&[]));
        check("/", "/", Some(&[]));
        check("/api/v1/", "/api/v1", None);
        check("/a&b=c;d,e@f$g~h'i.j", "/a&b=c;d,e@f$g~h'i.j", Some(&[]));
    }

    #[test]
    fn parameters() {
        // 20, 21, 24
        check("/users/:id", "/users/a%20b", Some(&[("id", "a b")]));
        check("/users/:id", "/users/a%2Fb", Some(&[("id", "a/b")]));
        check("/users/:id", "/users/", None);
        check("/users/:id", "/users/1/2", None);
        check("/:from-:to", "/a-b-c", Some(&[("from", "a-b"), ("to", "c")]));
        check("/:name.:ext", "/a.tar.gz", Some(&[("name", "a.tar"), ("ext", "gz")]));
        check("/v1:batch", "/v1x", Some(&[("batch", "x")]));
        check("/v1\\:batch", "/v1:batch", Some(&[]));
        check("/:ä", "/x", Some(&[("ä", "x")]));
        check("/:\"a b\"", "/x", Some(&[("a b", "x")]));
    }

    #[test]
    fn wildcards() {
        // 25, 26, 28
        check("/files/*", "/files/a/b", Some(&[("wildcard0", "[a,b]")]));
        check("/files/*", "/files", None);
        check("/files/*", "/files/", None);
        check("/*/x/*", "/a/b/x/c", Some(&[("wildcard0", "[a,b]"), ("wildcard1", "[c]")]));
        check("/star*mid", "/starabc/d", Some(&[("mid", "[abc,d]")]));
        check("/x/:p+", "/x/a/b", Some(&[("p", "[a,b]")]));
        check("/x/:p*", "/x", Some(&[]));
        check("/x/:p*", "/x/a/b", Some(&[("p", "[a,b]")]));
    }

    #[test]
    fn optional_parts() {
        // 27, 29 to 31
        check("/a/:p?", "/a", Some(&[]));
        check("/a/:p?", "/a/b", Some(&[("p", "b")]));
        check("/f/:file.:ext?", "/f/x", Some(&[("file", "x")]));
        check("/f/:file.:ext?", "/f/x.y", Some(&[("file", "x"), ("ext", "y")]));
        check("/ab(cd)?e", "/abe", Some(&[]));
        check("/ab(cd)e", "/abcde", Some(&[]));
        check("/tags/{resource-arn}", "/tags/resource-arn", Some(&[]));
        check("/tags/{resource-arn}", "/tags/", Some(&[]));
        check("/tags/{resource-arn}", "/tags/x", None);
        check("/fax/history?date=:d", "/fax/historydate=v", Some(&[("d", "v")]));
        check("/ab?cd", "/acd", Some(&[]));
        check("/ab+cd", "/abbcd", Some(&[]));
        check("/ab+cd", "/abbbcd", None);
        check("/a{/b{/c}}", "/a/b", Some(&[]));
        check("/a{/b}{/c}", "/a/c", Some(&[]));
    }

    #[test]
    fn invalid_paths() {
        // 32, 33
        for (path, message) in [
            ("/v1/:name:cancel", "Missing text before \"cancel\" param"),
            ("/a/:id/:", "Missing parameter name at index 8"),
            ("/a!", "Unexpected ! at index 2"),
            ("/a[b]", "Unexpected [ at index 2"),
            ("/a/?", "Unexpected ? at index 3"),
            ("/a/+", "Unexpected + at index 3"),
            ("/a{b", "Unexpected end at index 4, expected }"),
            ("/a\\", "Unexpected end after \\ at index 3"),
        ] {
            let error = Path::compile(path).unwrap_err();
            assert_eq!(error.to_string(), format!("Invalid route path: {message}: {}", modernised(path)));
        }
        let many = "/{a}".repeat(9);
        assert!(Path::compile(&many).unwrap_err().to_string().contains("Too many path combinations"));
        assert!(Path::compile(&"{".repeat(100_000)).is_err());
    }

    #[test]
    fn hostile_requests_are_quick() {
        let path = Path::compile("/:a-:b-:c-:d-:e-:f/x").unwrap();
        let request = format!("/{}", "-".repeat(4_000));
        assert_eq!(path.matches(&request), None);
    }

    #[test]
    fn decoding() {
        // 22
        assert_eq!(decode("%C3%A4").as_deref(), Some("ä"));
        assert_eq!(decode("%zz"), None);
        assert_eq!(decode("%C3"), None);
        assert_eq!(decode("%"), None);
    }
}
