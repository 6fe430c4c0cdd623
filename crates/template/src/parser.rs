//! Reads templates; refuses what handlebars.js refuses, in its words.

use std::sync::Arc;

use crate::TemplateError;
use crate::Value;
use crate::ast::{Block, Call, Content, Expression, Node, Partial, Path, Program, Strip};
use crate::lexer::{Kind, Lexer, Token, Unrecognized};

/// Blocks and expressions nest no deeper, so that reading and rendering need little stack.
const DEPTH_MAX: usize = 100;

/// What starts a value.
const VALUES: &[Kind] = &[Kind::Id, Kind::String, Kind::Number, Kind::Boolean, Kind::Undefined, Kind::Null, Kind::Data];

/// What follows a value somewhere in the grammar. Its tables share these states, so messages list them all.
const AFTER_VALUE: &[Kind] = &[
    Kind::CloseRawBlock,
    Kind::Close,
    Kind::CloseUnescaped,
    Kind::OpenSexpr,
    Kind::CloseSexpr,
    Kind::Id,
    Kind::OpenBlockParams,
    Kind::String,
    Kind::Number,
    Kind::Boolean,
    Kind::Undefined,
    Kind::Null,
    Kind::Data,
];

/// What follows named arguments somewhere in the grammar.
const AFTER_HASH: &[Kind] =
    &[Kind::CloseRawBlock, Kind::Close, Kind::CloseUnescaped, Kind::CloseSexpr, Kind::Id, Kind::OpenBlockParams];

const STATEMENTS: &[Kind] = &[
    Kind::Comment,
    Kind::Content,
    Kind::OpenRawBlock,
    Kind::OpenBlock,
    Kind::OpenInverse,
    Kind::Open,
    Kind::OpenUnescaped,
    Kind::OpenPartial,
    Kind::OpenPartialBlock,
];

pub(crate) fn parse(source: &str) -> Result<Program, TemplateError> {
    let mut parser = Parser { source, lexer: Lexer::new(source), token: None, shifted_line: 1, depth: 0 };
    let mut program = parser.program(&[Kind::Eof])?;
    crate::whitespace::control(&mut program, true);
    Ok(program)
}

struct Parser<'s> {
    source: &'s str,
    lexer: Lexer<'s>,
    token: Option<Token<'s>>,
    /// Where the last token that was accepted ends: the line that messages name.
    shifted_line: usize,
    depth: usize,
}

/// A name with its place, before it is known what it names.
struct Name {
    expression: Expression,
    line: usize,
    line_start: usize,
    start: usize,
    original: Box<str>,
}

#[derive(Default)]
struct Arguments {
    params: Vec<Expression>,
    hash: Vec<(Arc<str>, Expression)>,
    block_params: Vec<Box<str>>,
}

/// Opening part of a block.
struct Opening {
    name: Name,
    arguments: Arguments,
    strip: Strip,
    decorator: bool,
}

/// `else`, with what follows it.
struct Inverse {
    program: Program,
    strip: Strip,
    chained: bool,
}

type Parsed<T> = Result<T, TemplateError>;

impl<'s> Parser<'s> {
    fn peek(&mut self) -> Parsed<Token<'s>> {
        if let Some(token) = self.token {
            return Ok(token);
        }
        let token = self.lexer.next().map_err(|Unrecognized { at, line }| {
            // A raw block that is not closed ends without a token that has a name.
            if at == self.source.len() {
                let expected = names(&[Kind::Content, Kind::EndRawBlock]);
                let excerpt = excerpt(self.source, at, at);
                let line = self.shifted_line;
                return TemplateError::new(format!(
                    "Parse error on line {line}:\n{excerpt}\nExpecting {expected}, got '1'"
                ));
            }
            // The start of a comment that does not end counts as read, but for its last character.
            let rest = &self.source[at..];
            let opening = ["{{!--", "{{~!--"].into_iter().find(|opening| rest.starts_with(opening));
            let past = opening.map(|opening| &opening[..opening.len() - 1]).unwrap_or_default();
            let excerpt = excerpt_after(&format!("{}{past}", &self.source[..at]), rest, 0);
            TemplateError::new(format!("Lexical error on line {line}. Unrecognized text.\n{excerpt}"))
        })?;
        self.token = Some(token);
        Ok(token)
    }

    fn next(&mut self) -> Parsed<Token<'s>> {
        let token = self.peek()?;
        self.token = None;
        self.shifted_line = token.end_line;
        Ok(token)
    }

    fn expect(&mut self, kind: Kind) -> Parsed<Token<'s>> {
        let token = self.peek()?;
        if token.kind == kind { self.next() } else { Err(self.unexpected(token, &[kind])) }
    }

    fn unexpected(&self, token: Token<'_>, expected: &[Kind]) -> TemplateError {
        let mut expected = expected.to_vec();
        expected.sort_by_key(|kind| order(*kind));
        let excerpt = excerpt(self.source, token.start, token.end);
        let (line, expected, got) = (self.shifted_line, names(&expected), token.kind.name());
        TemplateError::new(format!("Parse error on line {line}:\n{excerpt}\nExpecting {expected}, got '{got}'"))
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(TemplateError::new(format!("Blocks and expressions nest deeper than {DEPTH_MAX}")));
        }
        Ok(())
    }

    /// Statements up to a token that may end them, which is left.
    fn program(&mut self, enders: &[Kind]) -> Parsed<Program> {
        self.deeper()?;
        let mut body = Vec::new();
        loop {
            let token = self.peek()?;
            match token.kind {
                Kind::Content => {
                    self.next()?;
                    body.push(content(token.text));
                }
                Kind::Comment => {
                    self.next()?;
                    body.push(Node::Comment(strip(token.text, token.text)));
                }
                Kind::Open => body.push(self.mustache(Kind::Close)?),
                Kind::OpenUnescaped => body.push(self.mustache(Kind::CloseUnescaped)?),
                Kind::OpenBlock => body.push(self.block()?),
                Kind::OpenInverse => body.push(self.inverted_block()?),
                Kind::OpenRawBlock => body.push(self.raw_block()?),
                Kind::OpenPartial => body.push(self.partial()?),
                Kind::OpenPartialBlock => body.push(self.partial_block()?),
                kind if enders.contains(&kind) => break,
                _ if body.is_empty() => return Err(self.unexpected(token, &[enders, STATEMENTS].concat())),
                _ => return Err(self.unexpected(token, enders)),
            }
        }
        self.depth -= 1;
        Ok(Program { body, ..Program::default() })
    }

    fn mustache(&mut self, close: Kind) -> Parsed<Node> {
        let open = self.next()?;
        let name = self.name(VALUES, false)?;
        let arguments = self.arguments(close, false)?;
        let closing = self.next()?;
        let strip = strip(open.text, closing.text);
        if open.text.ends_with('*') {
            return Ok(Node::Decorator { name: name.original, strip });
        }
        let escaped = !open.text.ends_with('&') && close == Kind::Close;
        Ok(Node::Mustache { call: call(name, arguments, open.line), escaped, strip })
    }

    fn opening(&mut self) -> Parsed<Opening> {
        let open = self.next()?;
        let name = self.name(VALUES, false)?;
        let arguments = self.arguments(Kind::Close, true)?;
        let closing = self.next()?;
        Ok(Opening { name, arguments, strip: strip(open.text, closing.text), decorator: open.text.ends_with('*') })
    }

    fn block(&mut self) -> Parsed<Node> {
        let line = self.peek()?.line;
        let mut opening = self.opening()?;
        let mut program = self.program(&[Kind::OpenInverseChain, Kind::Inverse, Kind::OpenEndblock])?;
        program.params = std::mem::take(&mut opening.arguments.block_params);
        let inverse = self.inverse_chain()?;
        let close = self.close(&opening.name)?;
        if opening.decorator && inverse.is_some() {
            return Err(TemplateError::new("Unexpected inverse block on decorator"));
        }
        let (middle, inverse) = finish_chain(inverse, close);
        Ok(Node::Block(Box::new(Block {
            decorator: opening.decorator,
            call: call(opening.name, opening.arguments, line),
            program: Some(Arc::new(program)),
            inverse: inverse.map(Arc::new),
            open: opening.strip,
            middle,
            close,
        })))
    }

    fn inverted_block(&mut self) -> Parsed<Node> {
        let line = self.peek()?.line;
        let mut opening = self.opening()?;
        let mut inverse = self.program(&[Kind::Inverse, Kind::OpenEndblock])?;
        inverse.params = std::mem::take(&mut opening.arguments.block_params);
        let otherwise = if self.peek()?.kind == Kind::Inverse { Some(self.inverse()?) } else { None };
        let close = self.close(&opening.name)?;
        let (middle, program) = finish_chain(otherwise, close);
        Ok(Node::Block(Box::new(Block {
            decorator: false,
            call: call(opening.name, opening.arguments, line),
            program: program.map(Arc::new),
            inverse: Some(Arc::new(inverse)),
            open: opening.strip,
            middle,
            close,
        })))
    }

    fn inverse(&mut self) -> Parsed<Inverse> {
        let token = self.next()?;
        let program = self.program(&[Kind::OpenEndblock])?;
        Ok(Inverse { program, strip: strip(token.text, token.text), chained: false })
    }

    fn inverse_chain(&mut self) -> Parsed<Option<Inverse>> {
        match self.peek()?.kind {
            Kind::Inverse => return self.inverse().map(Some),
            Kind::OpenInverseChain => {}
            _ => return Ok(None),
        }
        self.deeper()?;
        let line = self.peek()?.line;
        let mut opening = self.opening()?;
        let mut program = self.program(&[Kind::OpenInverseChain, Kind::Inverse, Kind::OpenEndblock])?;
        program.params = std::mem::take(&mut opening.arguments.block_params);
        let inverse = self.inverse_chain()?;
        // Where there is one, the strip of the next part closes this one; the last takes that of the closing tag.
        let close = inverse.as_ref().map(|inverse| inverse.strip).unwrap_or_default();
        let (middle, inverse) = finish_chain(inverse, close);
        let block = Block {
            decorator: false,
            call: call(opening.name, opening.arguments, line),
            program: Some(Arc::new(program)),
            inverse: inverse.map(Arc::new),
            open: opening.strip,
            middle,
            close,
        };
        self.depth -= 1;
        let program = Program { body: vec![Node::Block(Box::new(block))], chained: true, ..Program::default() };
        Ok(Some(Inverse { program, strip: opening.strip, chained: true }))
    }

    fn close(&mut self, opening: &Name) -> Parsed<Strip> {
        let open = self.expect(Kind::OpenEndblock)?;
        let name = self.name(VALUES, false)?;
        let close = self.expect(Kind::Close)?;
        self.same_name(opening, &name.original)?;
        Ok(strip(open.text, close.text))
    }

    fn raw_block(&mut self) -> Parsed<Node> {
        let line = self.next()?.line;
        let name = self.name(VALUES, false)?;
        let arguments = self.arguments(Kind::CloseRawBlock, false)?;
        self.next()?;
        let mut body = Vec::new();
        let end = loop {
            let token = self.peek()?;
            match token.kind {
                Kind::Content => body.push(content(self.next()?.text)),
                Kind::EndRawBlock => break self.next()?,
                _ => return Err(self.unexpected(token, &[Kind::Content, Kind::EndRawBlock])),
            }
        };
        self.same_name(&name, end.text)?;
        Ok(Node::Block(Box::new(Block {
            decorator: false,
            call: call(name, arguments, line),
            program: Some(Arc::new(Program { body, ..Program::default() })),
            inverse: None,
            open: Strip::default(),
            middle: None,
            close: Strip::default(),
        })))
    }

    fn partial(&mut self) -> Parsed<Node> {
        let open = self.next()?;
        let name = self.name(VALUES, true)?;
        let arguments = self.arguments(Kind::Close, false)?;
        let closing = self.next()?;
        let strip = strip(open.text, closing.text);
        Ok(partial(name, arguments, None, strip, strip))
    }

    fn partial_block(&mut self) -> Parsed<Node> {
        let open = self.next()?;
        let name = self.name(VALUES, true)?;
        let arguments = self.arguments(Kind::Close, false)?;
        let closing = self.next()?;
        let program = self.program(&[Kind::OpenEndblock])?;
        let close = self.close(&name)?;
        Ok(partial(name, arguments, Some(Arc::new(program)), strip(open.text, closing.text), close))
    }

    /// Arguments up to the closing token, which is left.
    fn arguments(&mut self, close: Kind, takes_block_params: bool) -> Parsed<Arguments> {
        let mut arguments = Arguments::default();
        let mut ends = vec![close];
        if takes_block_params {
            ends.push(Kind::OpenBlockParams);
        }
        loop {
            let token = self.peek()?;
            match token.kind {
                Kind::Id if !arguments.hash.is_empty() => {
                    let key = self.next()?;
                    self.expect(Kind::Equals)?;
                    let value = self.hash_value()?;
                    arguments.hash.push((unbracketed(key.text).0.into(), value));
                }
                Kind::Id => {
                    let id = self.next()?;
                    if self.peek()?.kind == Kind::Equals {
                        self.next()?;
                        let value = self.hash_value()?;
                        arguments.hash.push((unbracketed(id.text).0.into(), value));
                    } else {
                        let name = self.path(false, id, true)?;
                        arguments.params.push(name.expression);
                    }
                }
                Kind::OpenSexpr if arguments.hash.is_empty() => {
                    let value = self.subexpression()?;
                    arguments.params.push(value);
                    self.after_value(AFTER_VALUE)?;
                }
                kind if VALUES.contains(&kind) && arguments.hash.is_empty() => {
                    let name = self.name(VALUES, false)?;
                    arguments.params.push(name.expression);
                }
                kind if kind == close => return Ok(arguments),
                Kind::OpenBlockParams if takes_block_params => {
                    arguments.block_params = self.block_params(close)?;
                    return Ok(arguments);
                }
                _ => {
                    if arguments.hash.is_empty() {
                        ends.push(Kind::OpenSexpr);
                        ends.extend_from_slice(VALUES);
                    } else {
                        self.after_value(AFTER_HASH)?;
                    }
                    return Err(self.unexpected(token, &ends));
                }
            }
        }
    }

    fn hash_value(&mut self) -> Parsed<Expression> {
        if self.peek()?.kind == Kind::OpenSexpr {
            let value = self.subexpression()?;
            self.after_value(AFTER_VALUE)?;
            return Ok(value);
        }
        let token = self.peek()?;
        if !VALUES.contains(&token.kind) {
            return Err(self.unexpected(token, &[&[Kind::OpenSexpr], VALUES].concat()));
        }
        Ok(self.name(VALUES, false)?.expression)
    }

    fn block_params(&mut self, close: Kind) -> Parsed<Vec<Box<str>>> {
        self.next()?;
        let mut names = vec![unbracketed(self.expect(Kind::Id)?.text).0.into()];
        loop {
            let token = self.peek()?;
            match token.kind {
                Kind::Id => names.push(unbracketed(self.next()?.text).0.into()),
                Kind::CloseBlockParams => {
                    self.next()?;
                    let token = self.peek()?;
                    return if token.kind == close { Ok(names) } else { Err(self.unexpected(token, &[close])) };
                }
                _ => return Err(self.unexpected(token, &[Kind::Id, Kind::CloseBlockParams])),
            }
        }
    }

    fn subexpression(&mut self) -> Parsed<Expression> {
        self.deeper()?;
        let open = self.next()?;
        let name = self.name(VALUES, false)?;
        let arguments = self.arguments(Kind::CloseSexpr, false)?;
        self.next()?;
        self.depth -= 1;
        Ok(Expression::Call(Box::new(call(name, arguments, open.line))))
    }

    /// A path or a literal; for partials also an expression.
    fn name(&mut self, expected: &[Kind], takes_expression: bool) -> Parsed<Name> {
        let token = self.peek()?;
        let literal = |value, original: String| Name {
            expression: Expression::Literal(value),
            line: token.line,
            line_start: token.line_start,
            start: token.start,
            original: original.into(),
        };
        let name = match token.kind {
            Kind::Id => {
                let id = self.next()?;
                return self.path(false, id, false);
            }
            Kind::Data => {
                self.next()?;
                let id = self.expect(Kind::Id)?;
                let mut name = self.path(true, id, false)?;
                (name.line, name.line_start, name.start) = (token.line, token.line_start, token.start);
                return Ok(name);
            }
            Kind::OpenSexpr if takes_expression => Name {
                expression: self.subexpression()?,
                line: token.line,
                line_start: token.line_start,
                start: token.start,
                original: "undefined".into(),
            },
            Kind::String => {
                let quote = &token.text[..1];
                let text = token.text[1..token.text.len() - 1].replace(&format!("\\{quote}"), quote);
                literal(Value::text(text.as_str()), text)
            }
            Kind::Number => {
                let number = crate::number::parse(token.text);
                literal(Value::Number(number), crate::number::print(number))
            }
            Kind::Boolean => literal(Value::Bool(token.text == "true"), token.text.to_owned()),
            Kind::Undefined => literal(Value::Undefined, "undefined".to_owned()),
            Kind::Null => literal(Value::Null, "null".to_owned()),
            _ if takes_expression => return Err(self.unexpected(token, &[&[Kind::OpenSexpr], expected].concat())),
            _ => return Err(self.unexpected(token, expected)),
        };
        if token.kind != Kind::OpenSexpr {
            self.next()?;
        }
        self.after_value(AFTER_VALUE)?;
        Ok(name)
    }

    fn after_value(&mut self, allowed: &[Kind]) -> Parsed<()> {
        let token = self.peek()?;
        if allowed.contains(&token.kind) { Ok(()) } else { Err(self.unexpected(token, allowed)) }
    }

    /// From 0, in UTF-16 units.
    fn column(&self, line_start: usize, start: usize) -> usize {
        self.source[line_start..start].encode_utf16().count()
    }

    fn same_name(&self, opening: &Name, close: &str) -> Parsed<()> {
        if *opening.original == *close {
            return Ok(());
        }
        let Name { original, line, .. } = opening;
        let column = self.column(opening.line_start, opening.start);
        Err(TemplateError::new(format!("{original} doesn't match {close} - {line}:{column}")))
    }

    /// The rest of a path whose first part was read.
    fn path(&mut self, data: bool, first: Token<'s>, may_be_key: bool) -> Parsed<Name> {
        let mut path =
            Path { data, scoped: false, depth: 0, parts: Vec::new(), original: Box::default(), helper: None };
        let mut original = if data { "@".to_owned() } else { String::new() };
        let mut part = first;
        let mut is_first = true;
        loop {
            let (text, literal) = unbracketed(part.text);
            original.push_str(&text);
            if !literal && matches!(&*text, ".." | "." | "this") {
                if !path.parts.is_empty() {
                    let (line, column) = (first.line, self.column(first.line_start, first.start) - usize::from(data));
                    return Err(TemplateError::new(format!("Invalid path: {original} - {line}:{column}")));
                }
                path.scoped |= is_first;
                path.depth += usize::from(text == "..");
            } else {
                path.parts.push(text.into());
            }
            let token = self.peek()?;
            if token.kind != Kind::Sep {
                if !AFTER_VALUE.contains(&token.kind) {
                    let mut expected = [AFTER_VALUE, &[Kind::Sep]].concat();
                    if may_be_key && is_first {
                        expected.push(Kind::Equals);
                    }
                    return Err(self.unexpected(token, &expected));
                }
                break;
            }
            original.push_str(self.next()?.text);
            part = self.expect(Kind::Id)?;
            is_first = false;
        }
        path.original = original.clone().into();
        Ok(Name {
            expression: Expression::Path(path),
            line: first.line,
            line_start: first.line_start,
            start: first.start,
            original: original.into(),
        })
    }
}

fn content(text: &str) -> Node {
    Node::Content(Content { text: text.into(), from: 0, to: text.len(), left_stripped: false, right_stripped: false })
}

fn strip(open: &str, close: &str) -> Strip {
    Strip {
        open: open.as_bytes().get(2) == Some(&b'~'),
        close: close.len() >= 3 && close.as_bytes()[close.len() - 3] == b'~',
    }
}

/// A literal in the place of a callee is the name of one.
fn call(name: Name, arguments: Arguments, line: usize) -> Call {
    let mut callee = match name.expression {
        Expression::Path(path) => path,
        _ => Path {
            data: false,
            scoped: false,
            depth: 0,
            parts: vec![(&*name.original).into()],
            original: name.original,
            helper: None,
        },
    };
    callee.helper = callee.simple().and_then(|name| crate::helpers::find(name));
    Call { callee, params: arguments.params, hash: arguments.hash, line }
}

fn partial(name: Name, arguments: Arguments, fallback: Option<Arc<Program>>, open: Strip, close: Strip) -> Node {
    Node::Partial(Box::new(Partial {
        name: match name.expression {
            expression @ Expression::Call(_) => expression,
            _ => Expression::Literal(Value::text(&*name.original)),
        },
        params: arguments.params,
        hash: arguments.hash,
        fallback,
        open,
        close,
        indent: Box::default(),
    }))
}

/// Gives the strip of the closing tag to the last block of a chain.
fn finish_chain(inverse: Option<Inverse>, close: Strip) -> (Option<Strip>, Option<Program>) {
    let Some(Inverse { mut program, strip, chained }) = inverse else { return (None, None) };
    if chained && let Some(Node::Block(block)) = program.body.first_mut() {
        block.close = close;
    }
    (Some(strip), Some(program))
}

/// The name in an identifier, and whether it stood in brackets.
fn unbracketed(text: &str) -> (String, bool) {
    let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
        return (text.to_owned(), false);
    };
    let mut name = String::with_capacity(inner.len());
    let mut rest = inner.chars().peekable();
    while let Some(character) = rest.next() {
        match (character, rest.peek()) {
            ('\\', Some('\\' | ']')) => name.extend(rest.next()),
            _ => name.push(character),
        }
    }
    (name, true)
}

/// The place of a token in the table of handlebars.js, by which messages list them.
fn order(kind: Kind) -> usize {
    const ORDER: &[Kind] = &[
        Kind::Eof,
        Kind::Comment,
        Kind::Content,
        Kind::EndRawBlock,
        Kind::OpenRawBlock,
        Kind::CloseRawBlock,
        Kind::OpenBlock,
        Kind::Close,
        Kind::OpenInverse,
        Kind::OpenInverseChain,
        Kind::Inverse,
        Kind::OpenEndblock,
        Kind::Open,
        Kind::OpenUnescaped,
        Kind::CloseUnescaped,
        Kind::OpenPartial,
        Kind::OpenPartialBlock,
        Kind::OpenSexpr,
        Kind::CloseSexpr,
        Kind::Id,
        Kind::Equals,
        Kind::OpenBlockParams,
        Kind::CloseBlockParams,
        Kind::String,
    ];
    ORDER.iter().position(|known| *known == kind).unwrap_or(ORDER.len() + kind as usize)
}

fn names(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| format!("'{}'", kind.name())).collect::<Vec<_>>().join(", ")
}

/// Twenty characters before and after a token, and a caret under its start.
fn excerpt(source: &str, start: usize, end: usize) -> String {
    excerpt_after(&source[..start], &source[start..], end - start)
}

/// Twenty characters of what was read and of what follows, which starts with a token of that length.
fn excerpt_after(before: &str, after: &str, length: usize) -> String {
    let from = before.char_indices().rev().nth(19).map_or(0, |(at, _)| at);
    let dots = if from > 0 { "..." } else { "" };
    let past = format!("{dots}{}", before[from..].replace('\n', ""));
    let long = after[..length].chars().nth(20).is_some();
    let upcoming: String = after.chars().take(20).collect();
    let line = format!("{past}{}{}", upcoming, if long { "..." } else { "" }).replace('\n', "");
    format!("{line}\n{}^", "-".repeat(past.chars().count()))
}
