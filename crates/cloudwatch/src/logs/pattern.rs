//! Filter patterns: which messages are shown.
//!
//! Facts: "Filter pattern syntax" of the CloudWatch Logs user guide.

use regex::{Regex, RegexBuilder};
use serde_json::Value;

/// Compiled regular expressions may take so many bytes.
const REGEX_BYTES_MAX: usize = 256 << 10;
/// Conditions within each other.
const DEPTH_MAX: usize = 16;

/// A filter pattern.
#[derive(Debug)]
pub(super) enum Pattern {
    /// Everything.
    All,
    Terms(Terms),
    /// `{ … }`: of messages that are JSON.
    Json(Condition),
    /// `[ … ]`: of words.
    Words(Words),
}

/// Terms of which a message has all that are needed, none that are unwanted, and, where there are only optional ones, one of these.
#[derive(Debug, Default)]
pub(super) struct Terms {
    needed: Vec<Term>,
    optional: Vec<Term>,
    unwanted: Vec<Term>,
}

#[derive(Debug)]
enum Term {
    Text(String),
    Regex(Box<Regex>),
}

#[derive(Debug)]
pub(super) enum Condition {
    And(Vec<Self>),
    Or(Vec<Self>),
    Is { path: Vec<Step>, test: Test },
}

/// A step into a JSON value.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Member(String),
    At(usize),
    /// `[*]`: any item.
    Any,
}

#[derive(Debug)]
pub(super) enum Test {
    Equal(Wanted),
    Different(Wanted),
    /// Less, or less and equal.
    Below(f64, bool),
    Above(f64, bool),
    Null,
    True,
    False,
    Exists,
    Missing,
}

#[derive(Debug)]
pub(super) enum Wanted {
    /// With `*` for anything.
    Text(String),
    Number(f64),
    Regex(Box<Regex>),
}

/// Tests of the words of a message, one after the other; `...` stands for any number of them.
#[derive(Debug)]
pub(super) struct Words {
    before: Vec<Option<Test>>,
    /// What comes behind `...`, where there is one.
    after: Option<Vec<Option<Test>>>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What cannot be read, in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::All);
        }
        if let Some(inner) = text.strip_prefix('{') {
            let inner = inner.strip_suffix('}').ok_or("a pattern that begins with { ends with }")?;
            let mut parser = Parser { rest: inner };
            let condition = parser.either(0)?;
            return if parser.rest.trim().is_empty() {
                Ok(Self::Json(condition))
            } else {
                Err(format!("nothing is expected at `{}`", parser.rest.trim()))
            };
        }
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or("a pattern that begins with [ ends with ]")?;
            return Words::parse(inner).map(Self::Words);
        }
        Terms::parse(text).map(Self::Terms)
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        match self {
            Self::All => true,
            Self::Terms(terms) => terms.matches(message),
            Self::Json(condition) => {
                message.trim_start().starts_with('{')
                    && serde_json::from_str(message).is_ok_and(|value| condition.holds(&value))
            }
            Self::Words(words) => words.matches(message),
        }
    }
}

impl Terms {
    fn parse(text: &str) -> Result<Self, String> {
        let (mut terms, mut rest) = (Self::default(), text);
        while !rest.is_empty() {
            let (list, behind) = match rest.as_bytes()[0] {
                b'?' => (&mut terms.optional, &rest[1..]),
                b'-' => (&mut terms.unwanted, &rest[1..]),
                _ => (&mut terms.needed, rest),
            };
            let (term, behind) = if let Some(quoted) = behind.strip_prefix('"') {
                let (text, behind) = quoted_text(quoted)?;
                (Term::Text(text), behind)
            } else if let Some((expression, behind)) = behind.strip_prefix('%').and_then(|rest| rest.split_once('%')) {
                (Term::Regex(Box::new(regex(expression)?)), behind)
            } else {
                let end = behind.find(char::is_whitespace).unwrap_or(behind.len());
                (Term::Text(behind[..end].to_owned()), &behind[end..])
            };
            list.push(term);
            rest = behind.trim_start();
        }
        Ok(terms)
    }

    fn matches(&self, message: &str) -> bool {
        let has = |term: &Term| match term {
            Term::Text(text) => message.contains(text),
            Term::Regex(regex) => regex.is_match(message),
        };
        // Optional terms count only where there are no others.
        let optional = self.optional.is_empty() || !self.needed.is_empty() || self.optional.iter().any(has);
        self.needed.iter().all(has) && optional && !self.unwanted.iter().any(has)
    }
}

impl Condition {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::And(all) => all.iter().all(|one| one.holds(value)),
            Self::Or(any) => any.iter().any(|one| one.holds(value)),
            Self::Is { path, test } => {
                let found = reach(value, path);
                match test {
                    Test::Missing => found.is_empty(),
                    Test::Exists => !found.is_empty(),
                    test => found.into_iter().any(|value| test.holds(value)),
                }
            }
        }
    }
}

/// The values that a path leads to.
fn reach<'v>(value: &'v Value, path: &[Step]) -> Vec<&'v Value> {
    let mut found = vec![value];
    for step in path {
        found = found
            .into_iter()
            .flat_map(|value| match step {
                Step::Member(name) => value.get(name).into_iter().collect::<Vec<_>>(),
                Step::At(at) => value.get(at).into_iter().collect(),
                Step::Any => value.as_array().into_iter().flatten().collect(),
            })
            .collect();
    }
    found
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        let number = || value.as_f64().or_else(|| value.as_str()?.parse().ok());
        match self {
            Self::Equal(wanted) => wanted.is(value),
            Self::Different(wanted) => !wanted.is(value),
            Self::Below(limit, equal) => number().is_some_and(|number| number < *limit || *equal && number == *limit),
            Self::Above(limit, equal) => number().is_some_and(|number| number > *limit || *equal && number == *limit),
            Self::Null => value.is_null(),
            Self::True => value == &Value::Bool(true),
            Self::False => value == &Value::Bool(false),
            Self::Exists => true,
            Self::Missing => false,
        }
    }
}

impl Wanted {
    fn is(&self, value: &Value) -> bool {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match self {
            Self::Text(wanted) => wildcard(wanted, &text(value)),
            Self::Number(wanted) => {
                value.as_f64().or_else(|| value.as_str()?.parse().ok()).is_some_and(|number: f64| number == *wanted)
            }
            Self::Regex(regex) => regex.is_match(&text(value)),
        }
    }
}

/// Whether a text is as wanted, with `*` for anything.
fn wildcard(wanted: &str, text: &str) -> bool {
    let mut parts = wanted.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

impl Words {
    fn parse(inner: &str) -> Result<Self, String> {
        let mut words = Self { before: Vec::new(), after: None };
        for part in inner.split(',') {
            let part = part.trim();
            if part == "..." {
                if words.after.replace(Vec::new()).is_some() {
                    return Err("a pattern of words has `...` once".to_owned());
                }
                continue;
            }
            let at = part.find(['=', '!', '<', '>']).unwrap_or(part.len());
            let test = if at == part.len() {
                None
            } else {
                let mut parser = Parser { rest: &part[at..] };
                let test = parser.test()?;
                if !parser.rest.trim().is_empty() {
                    return Err(format!("`{part}` compares one word with one value"));
                }
                Some(test)
            };
            words.after.as_mut().unwrap_or(&mut words.before).push(test);
        }
        Ok(words)
    }

    fn matches(&self, message: &str) -> bool {
        let words = split(message);
        let hold = |tests: &[Option<Test>], words: &[&str]| {
            tests
                .iter()
                .zip(words)
                .all(|(test, word)| test.as_ref().is_none_or(|test| test.holds(&Value::String((*word).to_owned()))))
        };
        match &self.after {
            None => words.len() == self.before.len() && hold(&self.before, &words),
            Some(after) => {
                words.len() >= self.before.len() + after.len()
                    && hold(&self.before, &words)
                    && hold(after, &words[words.len() - after.len()..])
            }
        }
    }
}

/// The words of a message: between blanks, or within quotes or brackets.
fn split(message: &str) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), message.trim_start());
    while !rest.is_empty() {
        let close = match rest.as_bytes()[0] {
            b'"' => Some('"'),
            b'[' => Some(']'),
            _ => None,
        };
        let end = close.and_then(|close| rest[1..].find(close)).map(|at| (1, 1 + at, 2 + at));
        let (from, to, behind) = end.unwrap_or_else(|| {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            (0, end, end)
        });
        words.push(&rest[from..to]);
        rest = rest[behind..].trim_start();
    }
    words
}

/// What is left of a condition.
struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn takes(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        self.rest = rest;
        true
    }

    fn either(&mut self, depth: usize) -> Result<Condition, String> {
        let mut any = vec![self.both(depth)?];
        while self.takes("||") {
            any.push(self.both(depth)?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Condition::Or(any) })
    }

    fn both(&mut self, depth: usize) -> Result<Condition, String> {
        let mut all = vec![self.one(depth)?];
        while self.takes("&&") {
            all.push(self.one(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Condition::And(all) })
    }

    fn one(&mut self, depth: usize) -> Result<Condition, String> {
        if depth > DEPTH_MAX {
            return Err(format!("conditions are nested more than {DEPTH_MAX} times"));
        }
        if self.takes("(") {
            let inner = self.either(depth + 1)?;
            return if self.takes(")") { Ok(inner) } else { Err("a ) is missing".to_owned()) };
        }
        if !self.takes("$") {
            return Err(format!("a condition begins with $., not with `{}`", self.rest.trim()));
        }
        let path = self.path()?;
        Ok(Condition::Is { path, test: self.test()? })
    }

    fn path(&mut self) -> Result<Vec<Step>, String> {
        let mut path = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix('.') {
                let end = rest.find(|c: char| c.is_whitespace() || ".[=!<>()&|".contains(c)).unwrap_or(rest.len());
                if end == 0 {
                    return Err("a name is missing behind a point".to_owned());
                }
                path.push(Step::Member(rest[..end].to_owned()));
                self.rest = &rest[end..];
            } else if let Some(rest) = self.rest.strip_prefix('[') {
                let (inner, rest) = rest.split_once(']').ok_or("a ] is missing")?;
                path.push(match inner.trim() {
                    "*" => Step::Any,
                    inner => match inner.strip_prefix(['\'', '"']) {
                        Some(name) => Step::Member(name.trim_end_matches(['\'', '"']).to_owned()),
                        None => Step::At(inner.parse().map_err(|_| format!("`[{inner}]` is no place in a list"))?),
                    },
                });
                self.rest = rest;
            } else {
                return Ok(path);
            }
        }
    }

    fn test(&mut self) -> Result<Test, String> {
        for (words, test) in [
            (["NOT", "EXISTS"], Test::Missing),
            (["IS", "NULL"], Test::Null),
            (["IS", "TRUE"], Test::True),
            (["IS", "FALSE"], Test::False),
        ] {
            let before = self.rest;
            if self.takes(words[0]) && self.takes(words[1]) {
                return Ok(test);
            }
            self.rest = before;
        }
        if self.takes("EXISTS") {
            return Ok(Test::Exists);
        }
        let limit = |wanted: Wanted| match wanted {
            Wanted::Number(number) => Ok(number),
            _ => Err("only numbers are compared by < and >".to_owned()),
        };
        if self.takes("!=") {
            return self.wanted().map(Test::Different);
        } else if self.takes("<=") {
            return Ok(Test::Below(limit(self.wanted()?)?, true));
        } else if self.takes(">=") {
            return Ok(Test::Above(limit(self.wanted()?)?, true));
        } else if self.takes("<") {
            return Ok(Test::Below(limit(self.wanted()?)?, false));
        } else if self.takes(">") {
            return Ok(Test::Above(limit(self.wanted()?)?, false));
        } else if self.takes("=") {
            return self.wanted().map(Test::Equal);
        }
        Err(format!("a comparison is missing at `{}`", self.rest.trim()))
    }

    fn wanted(&mut self) -> Result<Wanted, String> {
        self.rest = self.rest.trim_start();
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let (text, rest) = quoted_text(quoted)?;
            self.rest = rest;
            return Ok(Wanted::Text(text));
        }
        if let Some((expression, rest)) = self.rest.strip_prefix('%').and_then(|rest| rest.split_once('%')) {
            self.rest = rest;
            return Ok(Wanted::Regex(Box::new(regex(expression)?)));
        }
        let end = self.rest.find(|c: char| c.is_whitespace() || "()&|".contains(c)).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        if text.is_empty() {
            return Err("a value is missing behind a comparison".to_owned());
        }
        self.rest = rest;
        Ok(text.parse().map_or_else(|_| Wanted::Text(text.to_owned()), Wanted::Number))
    }
}

/// The text up to a quote, and what is behind it. `\"` and `\\` stand for themselves.
fn quoted_text(rest: &str) -> Result<(String, &str), String> {
    let (mut text, mut escaped) = (String::new(), false);
    for (at, c) in rest.char_indices() {
        match c {
            '"' if !escaped => return Ok((text, &rest[at + 1..])),
            '\\' if !escaped => escaped = true,
            c => {
                if escaped && c != '"' && c != '\\' {
                    text.push('\\');
                }
                text.push(c);
                escaped = false;
            }
        }
    }
    Err("a closing quote is missing".to_owned())
}

fn regex(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|error| format!("the regular expression `{text}` cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, shown: &[&str], hidden: &[&str]) {
        let parsed = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        for message in shown {
            assert!(parsed.matches(message), "{pattern} shows {message}");
        }
        for message in hidden {
            assert!(!parsed.matches(message), "{pattern} hides {message}");
        }
    }

    #[test]
    fn terms() {
        check("", &["anything", ""], &[]);
        check("ERROR", &["an ERROR"], &["an error"]);
        check("ERROR late", &["late ERROR"], &["ERROR", "late"]);
        check(r#""two words" one"#, &["one and two words"], &["two one words"]);
        check("?ERROR ?WARN", &["WARN", "ERROR"], &["INFO"]);
        check("ERROR -late", &["ERROR soon"], &["ERROR late"]);
        check(r#""a \"quoted\" word""#, &[r#"has a "quoted" word"#], &["a quoted word"]);
        check("%[Ee]rror [0-9]+%", &["Error 7"], &["Error x"]);
    }

    #[test]
    fn conditions_of_json() {
        let event = r#"{"level": "error", "code": 42, "who": {"name": "heron", "tags": ["a", "b"]}, "none": null, "yes": true, "a-b": 1}"#;
        for pattern in [
            r#"{ $.level = "error" }"#,
            "{ $.level = err* }",
            "{$.code>=42}",
            "{ $.code = 42 && $.who.name = \"h*n\" }",
            "{ $.code < 3 || ($.who.tags[1] = b && $.yes IS TRUE) }",
            "{ $.who.tags[*] = a }",
            "{ $.none IS NULL }",
            "{ $.nothing NOT EXISTS }",
            "{ $.code != 41 }",
            "{ $.level = %^er+or$% }",
            "{ $['a-b'] = 1 }",
        ] {
            check(pattern, &[event], &["no JSON", "{", "[]"]);
        }
        check("{ $.level EXISTS }", &[event], &["{}"]);
        check("{ $.code > 42 }", &[], &[event]);
        check("{ $.who = heron }", &[], &[event]);
    }

    #[test]
    fn words() {
        let line = r#"127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /a HTTP/1.0" 404 1534"#;
        check("[ip, id, user, time, request, status=4*, size > 1000]", &[line], &["127.0.0.1"]);
        check("[ip, ..., status=404, size]", &[line], &["a 404"]);
        check("[ip, ..., status=500, size]", &[], &[line]);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for pattern in [
            "{ $.a = 1",
            "{ a = 1 }",
            "{ $.a }",
            "{ $.a = }",
            "{ $.a > x }",
            "{ $.a = 1 $.b = 2 }",
            "{ $. = 1 }",
            "{ $.a[x] = 1 }",
            "[a, ..., b, ...]",
            "\"open",
            "%(%",
            &format!("{{ {}$.a = 1{} }}", "(".repeat(100), ")".repeat(100)),
        ] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
