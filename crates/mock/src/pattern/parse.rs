//! Reads a modelled pattern into a tree. Java's dialect is meant (AWS's services are mostly Java), ECMAScript's is
//! understood, and what is an error in both is read as its author must have meant it.

use std::sync::Arc;

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use super::charset::{self, CharSet};

/// Groups nested deeper make a pattern unknown.
const DEPTH_MAX: usize = 64;
/// A repetition counted higher is taken as unbounded.
const COUNT_MAX: u32 = 10_000_000;

#[derive(Debug)]
pub(super) enum Node {
    Empty,
    Literal(Box<[char]>),
    Class(Arc<CharSet>),
    Concat(Box<[Node]>),
    Alternation(Box<[Node]>),
    Repeat {
        node: Box<Node>,
        min: u32,
        /// `None`: without end.
        max: Option<u32>,
    },
    Look {
        behind: bool,
        negative: bool,
        node: Box<Node>,
    },
    Assert(Assert),
    /// A group that a back-reference names.
    Group(usize, Arc<Node>),
    /// Checked as if it were the group's pattern anew, which accepts more than it should; made right by the generator.
    BackReference(usize, Arc<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assert {
    Start,
    End,
    LineStart,
    LineEnd,
    WordBoundary,
    NotWordBoundary,
}

/// Reads a pattern. Most have one reading; where the author may have meant another than what stands there, that one
/// comes first, and a text is good if it fits either. None for a pattern that cannot be understood, or that nothing can
/// ever fit.
pub(super) fn readings(pattern: &str) -> Vec<Node> {
    let meant = [undoubled(pattern).as_deref().and_then(parse), undelimited(pattern).and_then(parse)];
    meant.into_iter().flatten().chain(parse(pattern)).filter(|node| !is_dead(node)).collect()
}

/// Some models escape their backslashes twice: `\\d{12}` for `\\d{12}`.
fn undoubled(pattern: &str) -> Option<String> {
    let doubled = pattern
        .match_indices(r"\\")
        .any(|(at, _)| pattern[at + 2..].starts_with(['d', 'w', 's', 'S', 'p', '.', '-', '+']));
    doubled.then(|| pattern.replace(r"\\", r"\"))
}

/// Some models keep ECMAScript's delimiters: `/^…$/`.
fn undelimited(pattern: &str) -> Option<&str> {
    pattern.strip_prefix('/')?.strip_suffix('/')
}

/// Whether something must come before the start of the text, or after its end.
fn is_dead(node: &Node) -> bool {
    match node {
        Node::Concat(parts) => {
            let first = parts.iter().position(|part| reach(part).0 > 0).unwrap_or(parts.len());
            let last = parts.iter().rposition(|part| reach(part).0 > 0).unwrap_or(0);
            parts[first..].iter().any(|part| matches!(part, Node::Assert(Assert::Start)))
                || parts[..last].iter().any(|part| matches!(part, Node::Assert(Assert::End)))
                || parts.iter().any(is_dead)
        }
        Node::Alternation(choices) => choices.iter().all(is_dead),
        Node::Group(_, node) => is_dead(node),
        Node::Repeat { node, min, .. } => *min > 0 && is_dead(node),
        _ => false,
    }
}

/// Whether the pattern itself says where in the text it stands; what look-around says does not count.
pub(super) fn has_anchors(node: &Node) -> bool {
    match node {
        Node::Assert(assert) => !matches!(assert, Assert::WordBoundary | Assert::NotWordBoundary),
        Node::Concat(nodes) | Node::Alternation(nodes) => nodes.iter().any(has_anchors),
        Node::Repeat { node, .. } => has_anchors(node),
        Node::Group(_, node) => has_anchors(node),
        _ => false,
    }
}

/// The fewest and the most characters that a node takes; the most saturates.
pub(super) fn reach(node: &Node) -> (usize, usize) {
    match node {
        Node::Empty | Node::Look { .. } | Node::Assert(_) => (0, 0),
        Node::Literal(text) => (text.len(), text.len()),
        Node::Class(_) => (1, 1),
        Node::Concat(parts) => parts.iter().map(reach).fold((0, 0), |(min, max), (part_min, part_max)| {
            (min.saturating_add(part_min), max.saturating_add(part_max))
        }),
        Node::Alternation(choices) => choices
            .iter()
            .map(reach)
            .reduce(|(min, max), (choice_min, choice_max)| (min.min(choice_min), max.max(choice_max)))
            .unwrap_or_default(),
        Node::Repeat { node, min, max } => {
            let (fewest, most) = reach(node);
            let times = max.map_or(usize::MAX, |max| max as usize);
            (fewest.saturating_mul(*min as usize), most.saturating_mul(times))
        }
        Node::Group(_, node) | Node::BackReference(_, node) => reach(node),
    }
}

fn parse(pattern: &str) -> Option<Node> {
    // In Java a bracket within a class opens another class; where that makes no sense, it is a bracket.
    parse_with(pattern, true).or_else(|| parse_with(pattern, false))
}

fn parse_with(pattern: &str, nested_classes: bool) -> Option<Node> {
    let mut parser = Parser {
        nested_classes,
        chars: pattern.chars().collect(),
        at: 0,
        depth: 0,
        flags: Flags::default(),
        groups: vec![None],
        back_references: 0,
        keep_groups: has_back_reference(pattern),
        sets: Vec::new(),
    };
    let node = parser.alternation()?;
    (parser.at == parser.chars.len()).then_some(node)
}

fn has_back_reference(pattern: &str) -> bool {
    pattern.as_bytes().windows(2).any(|pair| pair[0] == b'\\' && (b'1'..=b'9').contains(&pair[1]))
}

#[derive(Clone, Copy, Default)]
struct Flags {
    ignore_case: bool,
    dot_all: bool,
    multi_line: bool,
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    depth: usize,
    flags: Flags,
    /// By number from 1; `None` while open.
    groups: Vec<Option<Arc<Node>>>,
    back_references: usize,
    keep_groups: bool,
    nested_classes: bool,
    /// Every set of the pattern once: some repeat a large one many times.
    sets: Vec<Arc<CharSet>>,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.looking_at(text);
        if found {
            self.at += text.chars().count();
        }
        found
    }

    fn looking_at(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(i, c)| self.chars.get(self.at + i) == Some(&c))
    }

    fn set(&mut self, class: &ClassUnicode) -> Node {
        let set = CharSet::from(class);
        if let Some(known) = self.sets.iter().find(|known| ***known == set) {
            return Node::Class(Arc::clone(known));
        }
        let set = Arc::new(set);
        self.sets.push(Arc::clone(&set));
        Node::Class(set)
    }

    fn alternation(&mut self) -> Option<Node> {
        let flags = self.flags;
        let mut choices = vec![self.concat()?];
        while self.eat("|") {
            choices.push(self.concat()?);
        }
        self.flags = flags;
        Some(if choices.len() == 1 { choices.pop()? } else { Node::Alternation(choices.into()) })
    }

    fn concat(&mut self) -> Option<Node> {
        let mut parts: Vec<Node> = Vec::new();
        let mut literal: Vec<char> = Vec::new();
        while let Some(c) = self.peek() {
            if c == '|' || (c == ')' && self.depth > 0) {
                break;
            }
            let mut atom = self.atom()?;
            let mut repeated = false;
            while let Some((min, max)) = self.quantifier() {
                atom = repeat(atom, min, max);
                repeated = true;
            }
            match atom {
                Node::Literal(text) if !repeated => literal.extend(text),
                Node::Empty => {}
                atom => {
                    if !literal.is_empty() {
                        parts.push(Node::Literal(std::mem::take(&mut literal).into()));
                    }
                    parts.push(atom);
                }
            }
        }
        if !literal.is_empty() {
            parts.push(Node::Literal(literal.into()));
        }
        Some(match parts.len() {
            0 => Node::Empty,
            1 => parts.pop()?,
            _ => Node::Concat(parts.into()),
        })
    }

    fn atom(&mut self) -> Option<Node> {
        let c = self.next()?;
        Some(match c {
            '(' => return self.group(),
            '[' => {
                let class = self.class()?;
                self.set(&class)
            }
            '.' => {
                let class = if self.flags.dot_all {
                    charset::class(&[('\0', char::MAX)])
                } else {
                    // Java's line terminators.
                    charset::negated(charset::class(&[
                        ('\n', '\n'),
                        ('\r', '\r'),
                        ('\u{85}', '\u{85}'),
                        ('\u{2028}', '\u{2029}'),
                    ]))
                };
                self.set(&class)
            }
            '^' => Node::Assert(if self.flags.multi_line { Assert::LineStart } else { Assert::Start }),
            '$' => Node::Assert(if self.flags.multi_line { Assert::LineEnd } else { Assert::End }),
            '\\' => return self.escape(),
            // A repetition of nothing, a closing bracket or parenthesis that none opened: the character itself.
            c => return Some(self.literal(c)),
        })
    }

    fn literal(&mut self, c: char) -> Node {
        if self.flags.ignore_case {
            let mut class = charset::class(&[(c, c)]);
            if class.try_case_fold_simple().is_ok() && class.ranges().len() > 1 {
                return self.set(&class);
            }
        }
        Node::Literal(Box::new([c]))
    }

    fn group(&mut self) -> Option<Node> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let outer = self.flags;
        let before = self.back_references;
        let mut number = None;
        let mut look = None;
        if self.eat("?") {
            if self.eat("=") {
                look = Some((false, false));
            } else if self.eat("!") {
                look = Some((false, true));
            } else if self.eat("<=") {
                look = Some((true, false));
            } else if self.eat("<!") {
                look = Some((true, true));
            } else if self.eat("P<") || self.eat("<") {
                while self.next()? != '>' {}
                number = Some(self.open_group());
            } else if !self.eat(">") && !self.flag_letters()? {
                // `(?i)` alone: holds to the end of the group around it.
                self.depth -= 1;
                return Some(Node::Empty);
            }
        } else {
            number = Some(self.open_group());
        }
        let node = self.alternation()?;
        if !self.eat(")") {
            return None;
        }
        self.flags = outer;
        self.depth -= 1;
        Some(match (look, number) {
            // What a back-reference forbids cannot be told by accepting more; the rest of the pattern still counts.
            (Some((_, true)), _) if self.back_references > before => Node::Empty,
            (Some((behind, negative)), _) => Node::Look { behind, negative, node: Box::new(node) },
            (None, Some(number)) if self.keep_groups => {
                let node = Arc::new(node);
                self.groups[number] = Some(Arc::clone(&node));
                Node::Group(number, node)
            }
            _ => node,
        })
    }

    fn open_group(&mut self) -> usize {
        self.groups.push(None);
        self.groups.len() - 1
    }

    /// Reads `ims-x` up to `:` (true) or `)` (false).
    fn flag_letters(&mut self) -> Option<bool> {
        let mut on = true;
        loop {
            match self.next()? {
                '-' => on = false,
                'i' => self.flags.ignore_case = on,
                's' => self.flags.dot_all = on,
                'm' => self.flags.multi_line = on,
                'u' | 'U' | 'd' => {}
                ':' => return Some(true),
                ')' => return Some(false),
                _ => return None,
            }
        }
    }

    /// A quantifier, where one stands here. Whether it is greedy, lazy or possessive does not change what fits, or
    /// (possessive) only ever for less.
    fn quantifier(&mut self) -> Option<(u32, Option<u32>)> {
        let start = self.at;
        let bounds = match self.next()? {
            '*' => (0, None),
            '+' => (1, None),
            '?' => (0, Some(1)),
            '{' => {
                let min = self.number();
                let comma = self.eat(",");
                let max = if comma { self.number() } else { min };
                if (min.is_none() && max.is_none()) || !self.eat("}") {
                    self.at = start;
                    return None;
                }
                (min.unwrap_or(0), max.filter(|max| *max < COUNT_MAX))
            }
            _ => {
                self.at = start;
                return None;
            }
        };
        let _ = self.eat("?") || self.eat("+");
        Some(bounds)
    }

    fn number(&mut self) -> Option<u32> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        let digits: String = self.chars[start..self.at].iter().collect();
        if digits.is_empty() { None } else { Some(digits.parse().unwrap_or(COUNT_MAX)) }
    }

    fn escape(&mut self) -> Option<Node> {
        let c = self.next()?;
        Some(match c {
            'A' => Node::Assert(Assert::Start),
            'z' | 'Z' => Node::Assert(Assert::End),
            'b' => Node::Assert(Assert::WordBoundary),
            'B' => Node::Assert(Assert::NotWordBoundary),
            '1'..='9' => {
                self.at -= 1;
                return Some(self.back_reference());
            }
            'Q' => {
                let mut literal = Vec::new();
                while self.peek().is_some() && !self.eat(r"\E") {
                    literal.extend(self.next());
                }
                Node::Literal(literal.into())
            }
            c => match self.class_escape(c)? {
                Item::Class(class) => self.set(&class),
                Item::Char(c) => self.literal(c),
                Item::Surrogate => return None,
            },
        })
    }

    /// As many digits as name a group that exists; a group that is still open or missing matches nothing, emptily.
    fn back_reference(&mut self) -> Node {
        let mut number = 0;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            let longer = number * 10 + digit as usize;
            if number > 0 && longer >= self.groups.len() {
                break;
            }
            number = longer;
            self.at += 1;
        }
        self.back_references += 1;
        match self.groups.get(number) {
            Some(Some(node)) => Node::BackReference(number, Arc::clone(node)),
            _ => Node::Empty,
        }
    }

    /// What stands after a backslash and means the same inside and outside of a class.
    fn class_escape(&mut self, c: char) -> Option<Item> {
        if let Some(class) = charset::shorthand(c) {
            return Some(Item::Class(class));
        }
        Some(match c {
            'p' | 'P' => {
                let name: String = if self.eat("{") {
                    let start = self.at;
                    while self.next()? != '}' {}
                    self.chars[start..self.at - 1].iter().collect()
                } else {
                    self.next()?.into()
                };
                let (name, inverse) = name.strip_prefix('^').map_or((name.as_str(), false), |rest| (rest, true));
                let class = charset::property(name)?;
                Item::Class(if (c == 'P') == inverse { class } else { charset::negated(class) })
            }
            'n' => Item::Char('\n'),
            'r' => Item::Char('\r'),
            't' => Item::Char('\t'),
            'f' => Item::Char('\u{c}'),
            'a' => Item::Char('\u{7}'),
            'e' => Item::Char('\u{1b}'),
            '0' => {
                let mut code = 0;
                for _ in 0..3 {
                    let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else { break };
                    code = code * 8 + digit;
                    self.at += 1;
                }
                Item::Char(char::from_u32(code)?)
            }
            'c' => Item::Char(char::from_u32(u32::from(self.next()?.to_ascii_uppercase()) ^ 64)?),
            'x' => Item::from_code(self.hex(2)?)?,
            'u' => Item::from_code(self.hex(4)?)?,
            c => Item::Char(c),
        })
    }

    fn hex(&mut self, digits: usize) -> Option<u32> {
        let text: String = if self.eat("{") {
            let start = self.at;
            while self.next()? != '}' {}
            self.chars[start..self.at - 1].iter().collect()
        } else {
            let text = self.chars.get(self.at..self.at + digits)?.iter().collect();
            self.at += digits;
            text
        };
        u32::from_str_radix(&text, 16).ok()
    }

    /// A class, after its opening bracket.
    fn class(&mut self) -> Option<ClassUnicode> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let negative = self.eat("^");
        let start = self.at;
        let mut class = ClassUnicode::empty();
        let mut intersections: Vec<ClassUnicode> = Vec::new();
        let mut surrogates = false;
        loop {
            let c = self.next()?;
            // A bracket that closes nothing stands for itself, as in Java, unless it is the last one.
            if c == ']' && (self.at > start + 1 || !self.chars[self.at..].contains(&']')) {
                break;
            }
            if c == '&' && self.eat("&") {
                intersections.push(std::mem::replace(&mut class, ClassUnicode::empty()));
                continue;
            }
            if c == '['
                && let Some(nested) = self.nested_class()
            {
                class.union(&nested);
                continue;
            }
            match self.item(c)? {
                Item::Class(found) => class.union(&found),
                Item::Char(low) => {
                    let high = self.range_end(low).unwrap_or(low);
                    class.push(ClassUnicodeRange::new(low, high));
                }
                Item::Surrogate => {
                    surrogates = true;
                    let _ = self.looking_at(r"-\u") && self.eat("-");
                }
            }
        }
        for other in intersections {
            class.intersect(&other);
        }
        if surrogates {
            // UTF-16 halves stand for everything that takes two of them; some models have them in the wrong order.
            class.push(ClassUnicodeRange::new('\u{10000}', char::MAX));
        }
        if self.flags.ignore_case {
            class.try_case_fold_simple().ok()?;
        }
        self.depth -= 1;
        Some(if negative { charset::negated(class) } else { class })
    }

    /// `[:alnum:]`, or a class within a class; `None`, with nothing read, where the bracket stands for itself.
    fn nested_class(&mut self) -> Option<ClassUnicode> {
        let (start, depth) = (self.at, self.depth);
        if self.eat(":") {
            let rest: String = self.chars[self.at..].iter().take(12).collect();
            if let Some(class) = rest.split_once(":]").and_then(|(name, _)| charset::posix(name)) {
                self.at += rest.find(":]").unwrap_or(0) + 2;
                return Some(class);
            }
            self.at = start;
        }
        let nested = if self.nested_classes { self.class() } else { None };
        if nested.is_none() {
            (self.at, self.depth) = (start, depth);
        }
        nested
    }

    fn item(&mut self, c: char) -> Option<Item> {
        if c != '\\' {
            return Some(Item::Char(c));
        }
        match self.next()? {
            'b' => Some(Item::Char('\u{8}')),
            c => self.class_escape(c),
        }
    }

    /// The end of the range that begins with `low`, where there is a range; a reversed one is three characters.
    fn range_end(&mut self, low: char) -> Option<char> {
        let start = self.at;
        let end = self.eat("-").then(|| self.next()).flatten().filter(|c| *c != ']' && *c != '[');
        let high = match end.and_then(|c| self.item(c)) {
            Some(Item::Char(high)) if high >= low => Some(high),
            Some(Item::Surrogate) => Some(char::MAX),
            _ => None,
        };
        if high.is_none() {
            self.at = start;
        }
        high
    }
}

enum Item {
    Char(char),
    Class(ClassUnicode),
    /// Half of a character, in UTF-16.
    Surrogate,
}

impl Item {
    fn from_code(code: u32) -> Option<Self> {
        if (0xd800..0xe000).contains(&code) { Some(Self::Surrogate) } else { char::from_u32(code).map(Self::Char) }
    }
}

fn repeat(node: Node, min: u32, max: Option<u32>) -> Node {
    match (min, max) {
        (1, Some(1)) => node,
        // A reversed count is an error everywhere; what is meant is one of the two.
        (min, Some(max)) if max < min => Node::Repeat { node: Box::new(node), min: max, max: Some(min) },
        _ => Node::Repeat { node: Box::new(node), min, max },
    }
}
