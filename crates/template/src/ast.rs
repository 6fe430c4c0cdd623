//! What a template is made of once it is read.

use std::sync::Arc;

use crate::Value;
use crate::helpers::Helper;

#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) body: Vec<Node>,
    pub(crate) params: Vec<Box<str>>,
    /// It only holds the block of an `else if`.
    pub(crate) chained: bool,
}

#[derive(Debug)]
pub(crate) enum Node {
    Content(Content),
    Comment(Strip),
    Mustache { call: Call, escaped: bool, strip: Strip },
    Block(Box<Block>),
    Partial(Box<Partial>),
    Decorator { name: Box<str>, strip: Strip },
}

/// Text; `from..to` is what is left of it after white space was taken away.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) text: Box<str>,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) left_stripped: bool,
    pub(crate) right_stripped: bool,
}

/// Whether tildes take away the white space before and after.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Strip {
    pub(crate) open: bool,
    pub(crate) close: bool,
}

#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) call: Call,
    /// `{{#*inline}}` and its like.
    pub(crate) decorator: bool,
    pub(crate) program: Option<Arc<Program>>,
    pub(crate) inverse: Option<Arc<Program>>,
    pub(crate) open: Strip,
    pub(crate) middle: Option<Strip>,
    pub(crate) close: Strip,
}

#[derive(Debug)]
pub(crate) struct Partial {
    /// The callee is the name.
    pub(crate) name: Expression,
    pub(crate) params: Vec<Expression>,
    pub(crate) hash: Vec<(Arc<str>, Expression)>,
    pub(crate) fallback: Option<Arc<Program>>,
    pub(crate) open: Strip,
    pub(crate) close: Strip,
    /// White space that stands before every line of a partial that stands alone.
    pub(crate) indent: Box<str>,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) callee: Path,
    pub(crate) params: Vec<Expression>,
    pub(crate) hash: Vec<(Arc<str>, Expression)>,
    pub(crate) line: usize,
}

#[derive(Debug)]
pub(crate) enum Expression {
    Literal(Value),
    Path(Path),
    Call(Box<Call>),
}

#[derive(Debug)]
pub(crate) struct Path {
    /// Starts with `@`.
    pub(crate) data: bool,
    /// Starts with `this`, `.` or `..`, so that it names neither a helper nor a block parameter.
    pub(crate) scoped: bool,
    pub(crate) depth: usize,
    pub(crate) parts: Vec<Arc<str>>,
    pub(crate) original: Box<str>,
    /// The helper of that name.
    pub(crate) helper: Option<Helper>,
}

impl Path {
    /// The name, if it may be that of a helper.
    pub(crate) fn simple(&self) -> Option<&Arc<str>> {
        match self.parts.as_slice() {
            [name] if !self.scoped && !self.data && self.depth == 0 => Some(name),
            _ => None,
        }
    }
}
