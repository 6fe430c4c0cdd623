//! Conditions in JSONPath: comparisons of what is at hand, joined by `&&` and `||`.

use std::cmp::Ordering;

use regex::Regex;

use crate::Value;

/// Deeper parentheses are refused.
const DEPTH_MAX: usize = 20;

#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Literal(Value),
    /// `@`, `@root`, `@property` and their like, and what is in them.
    Path(Start, Vec<String>),
    Not(Box<Condition>),
    Negative(Box<Condition>),
    Both(Box<Condition>, Operator, Box<Condition>),
    /// Whether a text matches a regular expression.
    Matches(Box<Condition>, Box<Regex>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Value,
    Name,
    Parent,
    ParentName,
    Root,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Same,
    NotSame,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// By how tightly they bind; longer ones before those that they start with.
const OPERATORS: [(&str, Operator, u8); 15] = [
    ("||", Operator::Or, 1),
    ("&&", Operator::And, 2),
    ("===", Operator::Same, 3),
    ("!==", Operator::NotSame, 3),
    ("==", Operator::Equal, 3),
    ("!=", Operator::NotEqual, 3),
    ("<=", Operator::LessOrEqual, 4),
    (">=", Operator::GreaterOrEqual, 4),
    ("<", Operator::Less, 4),
    (">", Operator::Greater, 4),
    ("+", Operator::Add, 5),
    ("-", Operator::Subtract, 5),
    ("*", Operator::Multiply, 6),
    ("/", Operator::Divide, 6),
    ("%", Operator::Remainder, 6),
];

/// What conditions can ask about.
pub(crate) struct Context {
    pub(crate) value: Value,
    pub(crate) name: Value,
    pub(crate) parent: Value,
    pub(crate) parent_name: Value,
    pub(crate) root: Value,
}

impl Condition {
    /// Reads a condition; `None` if it has more than conditions may.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { rest: text.trim(), depth: 0 };
        let condition = parser.joined(0)?;
        parser.rest.is_empty().then_some(condition)
    }

    /// How many parts it has.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Literal(_) => 1,
            Self::Path(_, names) => 1 + names.len(),
            Self::Not(inner) | Self::Negative(inner) | Self::Matches(inner, _) => 1 + inner.size(),
            Self::Both(left, _, right) => 1 + left.size() + right.size(),
        }
    }

    /// What it gives, or the message of a JavaScript error.
    pub(crate) fn value(&self, context: &Context) -> Result<Value, String> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Path(start, names) => {
                let mut value = match start {
                    Start::Value => context.value.clone(),
                    Start::Name => context.name.clone(),
                    Start::Parent => context.parent.clone(),
                    Start::ParentName => context.parent_name.clone(),
                    Start::Root => context.root.clone(),
                };
                for name in names {
                    if value.is_nullish() {
                        let what = if value.is_undefined() { "undefined" } else { "null" };
                        return Err(format!("Cannot read properties of {what} (reading '{name}')"));
                    }
                    value = value.get(name);
                }
                Ok(value)
            }
            Self::Not(inner) => Ok(Value::Bool(!inner.value(context)?.is_truthy())),
            Self::Negative(inner) => Ok(Value::Number(-inner.value(context)?.to_number())),
            Self::Matches(inner, pattern) => {
                let text = inner.value(context)?;
                let Some(text) = text.as_text() else {
                    let what = match text {
                        Value::Undefined => "undefined",
                        Value::Null => "null",
                        _ => return Err("match is not a function".to_owned()),
                    };
                    return Err(format!("Cannot read properties of {what} (reading 'match')"));
                };
                Ok(Value::Bool(pattern.is_match(text)))
            }
            Self::Both(left, operator, right) => {
                let left = left.value(context)?;
                match operator {
                    Operator::Or if left.is_truthy() => return Ok(left),
                    Operator::And if !left.is_truthy() => return Ok(left),
                    _ => {}
                }
                Ok(joined(*operator, &left, &right.value(context)?))
            }
        }
    }
}

fn joined(operator: Operator, left: &Value, right: &Value) -> Value {
    let numbers = (left.to_number(), right.to_number());
    Value::Bool(match operator {
        Operator::Or | Operator::And => return right.clone(),
        Operator::Equal => loosely_equal(left, right),
        Operator::NotEqual => !loosely_equal(left, right),
        Operator::Same => left.same(right),
        Operator::NotSame => !left.same(right),
        Operator::Less => compared(left, right) == Some(Ordering::Less),
        Operator::LessOrEqual => matches!(compared(left, right), Some(Ordering::Less | Ordering::Equal)),
        Operator::Greater => compared(left, right) == Some(Ordering::Greater),
        Operator::GreaterOrEqual => matches!(compared(left, right), Some(Ordering::Greater | Ordering::Equal)),
        Operator::Add => match (left.as_text(), right.as_text()) {
            (Some(left), Some(right)) => return format!("{left}{right}").into(),
            _ => return Value::Number(numbers.0 + numbers.1),
        },
        Operator::Subtract => return Value::Number(numbers.0 - numbers.1),
        Operator::Multiply => return Value::Number(numbers.0 * numbers.1),
        Operator::Divide => return Value::Number(numbers.0 / numbers.1),
        Operator::Remainder => return Value::Number(numbers.0 % numbers.1),
    })
}

fn compared(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.encode_utf16().cmp(right.encode_utf16())),
        _ => left.to_number().partial_cmp(&right.to_number()),
    }
}

/// What `a == b` gives.
fn loosely_equal(left: &Value, right: &Value) -> bool {
    if left.is_nullish() || right.is_nullish() {
        return left.is_nullish() && right.is_nullish();
    }
    let is_object = |value: &Value| matches!(value, Value::Object(_) | Value::List(_) | Value::Date(_));
    match (left, right) {
        (Value::Text(_), Value::Text(_)) => left.same(right),
        _ if is_object(left) && is_object(right) => left.same(right),
        _ => left.to_number() == right.to_number(),
    }
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn skip(&mut self, length: usize) {
        self.rest = self.rest[length..].trim_start();
    }

    fn take(&mut self, prefix: &str) -> bool {
        let found = self.rest.starts_with(prefix);
        if found {
            self.skip(prefix.len());
        }
        found
    }

    /// Operands joined by operators that bind more tightly than `above`.
    fn joined(&mut self, above: u8) -> Option<Condition> {
        let mut left = self.operand()?;
        while let Some((text, operator, tightness)) =
            OPERATORS.iter().find(|(text, ..)| self.rest.starts_with(text)).filter(|(.., tightness)| *tightness > above)
        {
            self.skip(text.len());
            let right = self.joined(*tightness)?;
            left = Condition::Both(Box::new(left), *operator, Box::new(right));
        }
        Some(left)
    }

    fn operand(&mut self) -> Option<Condition> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let found = self.operand_inner();
        self.depth -= 1;
        found
    }

    fn operand_inner(&mut self) -> Option<Condition> {
        if self.take("!") {
            return Some(Condition::Not(Box::new(self.operand()?)));
        }
        if self.take("-") {
            return Some(Condition::Negative(Box::new(self.operand()?)));
        }
        if self.take("(") {
            let inner = self.joined(0)?;
            return self.take(")").then_some(inner);
        }
        match self.rest.chars().next()? {
            quote @ ('\'' | '"') => {
                let end = self.rest[1..].find(quote)? + 1;
                let text = Value::text(&self.rest[1..end]);
                self.skip(end + 1);
                Some(Condition::Literal(text))
            }
            '0'..='9' | '.' => {
                let end = self.rest.find(|symbol: char| !symbol.is_ascii_digit() && symbol != '.');
                let (number, _) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                let value = number.parse().ok()?;
                self.skip(number.len());
                Some(Condition::Literal(Value::Number(value)))
            }
            '@' | '$' => self.path(),
            _ => {
                for (word, value) in [
                    ("true", Value::Bool(true)),
                    ("false", Value::Bool(false)),
                    ("null", Value::Null),
                    ("undefined", Value::Undefined),
                ] {
                    if self.take(word) {
                        return Some(Condition::Literal(value));
                    }
                }
                None
            }
        }
    }

    fn path(&mut self) -> Option<Condition> {
        let starts = [
            ("@parentProperty", Start::ParentName),
            ("@parent", Start::Parent),
            ("@property", Start::Name),
            ("@root", Start::Root),
            ("@", Start::Value),
            ("$", Start::Root),
        ];
        let (prefix, start) = *starts.iter().find(|(prefix, _)| self.rest.starts_with(prefix))?;
        self.rest = &self.rest[prefix.len()..];
        let mut names = Vec::new();
        loop {
            if let Some(after) = self.rest.strip_prefix(".match(") {
                let (pattern, length) = pattern(after)?;
                self.rest = &after[length..];
                self.skip(0);
                if !self.take(")") {
                    return None;
                }
                return Some(Condition::Matches(Box::new(Condition::Path(start, names)), Box::new(pattern)));
            }
            if let Some(after) = self.rest.strip_prefix('.') {
                let end = after.find(|symbol: char| !symbol.is_alphanumeric() && symbol != '_' && symbol != '$');
                let (name, after) = after.split_at(end.unwrap_or(after.len()));
                if name.is_empty() || after.starts_with('(') {
                    return None;
                }
                names.push(name.to_owned());
                self.rest = after;
            } else if let Some(after) = self.rest.strip_prefix('[') {
                let (inner, after) = after.split_once(']')?;
                let inner = inner.trim();
                names.push(inner.trim_matches(['\'', '"']).to_owned());
                self.rest = after;
            } else {
                break;
            }
        }
        self.skip(0);
        Some(Condition::Path(start, names))
    }
}

/// The regular expression at the start, between slashes with flags after, and its length.
fn pattern(text: &str) -> Option<(Regex, usize)> {
    let inner = text.strip_prefix('/')?;
    let bytes = inner.as_bytes();
    let end = (0..bytes.len()).find(|at| bytes[*at] == b'/' && (*at == 0 || bytes[at - 1] != b'\\'))?;
    let after = &inner[end + 1..];
    let flags = after.bytes().take_while(u8::is_ascii_lowercase).count();
    let insensitive = if after[..flags].contains('i') { "(?i)" } else { "" };
    let source = format!("{insensitive}{}", inner[..end].replace("\\/", "/"));
    let pattern = regex::RegexBuilder::new(&source).size_limit(1 << 20).build().ok()?;
    Some((pattern, 1 + end + 1 + flags))
}
