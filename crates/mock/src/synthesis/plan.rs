//! What is known of an answer before the call comes.

use standin_model::{ShapeIx, Str};

use super::entity::{Noun, Source};
use super::template::Piece;
use super::time::TimeRole;

/// How to make the value of one structure: an output, an input or an error.
#[derive(Debug)]
pub(super) struct Plan {
    pub root: Box<[Slot]>,
    pub nouns: Box<[Noun]>,
    /// The noun of the root.
    pub subject: u16,
    /// Input members that say nothing about what is asked: idempotency tokens.
    pub skip: Box<[Str]>,
    /// Whether the answer depends on the whole input where no identity is in it.
    pub fresh: bool,
    /// Nodes, for the bound of the cache.
    pub size: usize,
}

/// A member of a structure.
#[derive(Debug)]
pub(super) struct Slot {
    pub name: Str,
    pub node: Node,
    /// The member of the input that means the same.
    pub echo: Option<Box<Echo>>,
    /// Left out where the input does not have this.
    pub only: Option<Box<Source>>,
}

#[derive(Debug)]
pub(super) struct Echo {
    pub source: Source,
    /// The shape that the echoed value must fit.
    pub target: ShapeIx,
    /// Whether the input has that very shape, so that patterns have been checked.
    pub trusted: bool,
}

#[derive(Debug)]
pub(super) enum Node {
    Structure(Box<[Slot]>),
    List(Box<ListNode>),
    Map(Box<MapNode>),
    Text(Box<TextNode>),
    Fixed(Str),
    /// Made once, because it does not tell resources apart.
    Sample(Box<str>),
    /// By place in the list.
    Each(Box<[Str]>),
    /// The region of the call where it is one of these, else the first.
    Region(&'static [Str]),
    Bool(bool),
    Int(i64),
    /// A whole number between two; the last tells members apart.
    Between(i64, i64, u32),
    /// The place in the list.
    Place,
    Float(f64),
    FloatBetween(f64, f64, u32),
    Time(TimeRole),
    /// A point in time as a number.
    Moment(TimeRole, TimeUnit),
    Blob(Box<[u8]>),
    /// Any JSON-like value.
    Json,
    EmptyList,
    EmptyMap,
    /// Worked out from another member once that is made.
    Derived(Box<Derived>),
    /// One map per event.
    Events(Box<[Slot]>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeUnit {
    Seconds,
    Millis,
    FloatSeconds,
}

#[derive(Debug)]
pub(super) struct ListNode {
    pub item: Node,
    /// Items where nothing tells how many.
    pub usual: u32,
    pub min: u32,
    pub max: u32,
    /// The input member that bounds a page.
    pub limit: Option<Source>,
    /// The noun of the items: where the input names one such resource, the list has just that one.
    pub single: Option<u16>,
    /// The input's list whose items these answer, one by one.
    pub fan: Option<Source>,
    pub salt: u64,
}

#[derive(Debug)]
pub(super) struct MapNode {
    pub key: Node,
    pub value: Node,
    pub count: u32,
    pub salt: u64,
}

#[derive(Debug)]
pub(super) struct TextNode {
    pub pieces: Box<[Piece]>,
    pub noun: u16,
    /// The resource is that of so many levels up.
    pub up: u8,
    pub salt: u64,
    pub min: u32,
    pub max: u32,
    pub pattern: Option<Str>,
    /// Whether it is the ARN of the noun, so that an ARN from the input can stand here as it is.
    pub arn: bool,
}

#[derive(Debug)]
pub(super) enum Derived {
    /// The items of a sibling.
    Count(Str),
    /// The bytes of a sibling.
    Length(Str),
    /// The MD5 of a sibling, or of an input member, in hexadecimal.
    Md5(Str),
    Md5Of(Source),
    /// The SHA-256 of a sibling, in base64.
    Sha256(Str),
}

impl Node {
    /// Nodes of a value made from this, with `times` for what lists hold.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Structure(slots) | Self::Events(slots) => {
                1 + slots.iter().map(|slot| 1 + slot.node.size()).sum::<usize>()
            }
            Self::List(list) => 2 + list.item.size(),
            Self::Map(map) => 2 + map.key.size() + map.value.size(),
            Self::Text(text) => 3 + text.pieces.len(),
            _ => 1,
        }
    }
}
