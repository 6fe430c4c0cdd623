//! Tries templates out against the limits of a text before they are planned.

use standin_core::Draw;
use standin_model::{Document, Member, Shape, Str, Timestamp};

use super::compile::Compiler;
use super::entity::{Entity, Frame, Noun, Scene};
use super::facts::{least, most};
use super::plan::TextNode;
use super::render::fit;
use super::template::{EXTREME_WORDS, Letters, Pen, Piece, Reading, read};
use crate::pattern::{self, Verdict};

/// The limits of a text.
pub(super) struct Limits {
    pub min: usize,
    pub max: usize,
    pub pattern: Option<Str>,
}

impl Compiler {
    /// The first template that the limits allow.
    pub(super) fn first_fit(
        &mut self,
        templates: &'static [Str],
        reading: &Reading<'_>,
        noun: u16,
        salt: u64,
        limits: &Limits,
    ) -> Option<TextNode> {
        let read = templates.iter().map(|template| read(template, reading));
        let pieces = read.into_iter().find(|pieces| self.fits(pieces, noun, salt, limits))?;
        Some(node(pieces, noun, salt, limits, false))
    }

    /// Pieces that have the form of what the pattern's generator makes; at worst the generator itself.
    pub(super) fn by_pattern(&self, noun: u16, salt: u64, limits: &Limits) -> Box<[Piece]> {
        let Some(pattern) = limits.pattern else { return self.by_length(noun, salt, limits) };
        let mut samples: Vec<String> =
            (0..6).filter_map(|seed| generated(limits, &mut Draw::from_seed(salt.wrapping_add(seed)))).collect();
        // Of an id or an ARN, the id; then those of one form, as far as lengths tell.
        if samples.iter().any(|sample| !sample.starts_with("arn:")) {
            samples.retain(|sample| !sample.starts_with("arn:"));
        }
        samples.truncate(3);
        let [first, rest @ ..] = samples.as_slice() else {
            return self.by_length(noun, salt, limits);
        };
        if let Some(pieces) = self.generalised(first, rest, noun, salt, limits) {
            return pieces;
        }
        Box::new([Piece::Pattern(pattern)])
    }

    /// A literal prefix and a run of one kind of characters, where samples suggest that and the pattern accepts it.
    pub(super) fn generalised(
        &self,
        first: &str,
        rest: &[String],
        noun: u16,
        salt: u64,
        limits: &Limits,
    ) -> Option<Box<[Piece]>> {
        let mut common = first.len();
        for other in rest {
            common = common.min(first.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count());
        }
        if !first.is_ascii() || common == first.len() {
            return None;
        }
        // A first letter may be held to more than the rest.
        let prefixes = [&first[..common], &first[..=common]];
        for (prefix, letters) in prefixes.iter().flat_map(|prefix| ALPHABETS.map(|letters| (*prefix, letters))) {
            let length = first.len() - prefix.len();
            for length in [17, 10, 12, 8, 32, length] {
                let prefix = Piece::Text(prefix.to_owned().into());
                let pieces = [prefix, Piece::Fill(letters, u16::try_from(length).ok()?)];
                if self.fits(&pieces, noun, salt, limits) {
                    return Some(Box::new(pieces));
                }
            }
        }
        None
    }

    pub(super) fn by_length(&self, noun: u16, salt: u64, limits: &Limits) -> Box<[Piece]> {
        let length = 8.max(limits.min).min(limits.max);
        for letters in [Letters::LowerAlnum, Letters::Digits, Letters::UpperAlnum] {
            let pieces = [Piece::Fill(letters, u16::try_from(length).unwrap_or(u16::MAX))];
            if self.fits(&pieces, noun, salt, limits) {
                return Box::new(pieces);
            }
        }
        Box::new([Piece::Fill(Letters::LowerAlnum, u16::try_from(length).unwrap_or(u16::MAX))])
    }

    /// Whether what these pieces make is within the limits: for calls that have nothing in common, with the longest and the
    /// shortest words, and with the letters that patterns are most likely to refuse.
    pub(super) fn fits(&self, pieces: &[Piece], noun: u16, salt: u64, limits: &Limits) -> bool {
        let noun = &self.nouns[usize::from(noun)].noun;
        TRIALS.iter().all(|trial| accepted(limits, &trial.write(noun, pieces, salt, limits)))
    }

    pub(super) fn sample(&self, pieces: &[Piece], noun: u16, salt: u64, limits: &Limits) -> String {
        let noun = &self.nouns[usize::from(noun)].noun;
        let text = TRIALS[0].write(noun, pieces, salt, limits);
        fit(&text, limits.min, limits.max, limits.pattern, &mut Draw::from_seed(salt))
    }
}

/// Kinds of letters to try, the most likely in an id first.
const ALPHABETS: [Letters; 6] =
    [Letters::Hex, Letters::LowerAlnum, Letters::Digits, Letters::UpperAlnum, Letters::Lower, Letters::Alnum];

pub(super) fn node(pieces: Box<[Piece]>, noun: u16, salt: u64, limits: &Limits, arn: bool) -> TextNode {
    let short = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    TextNode { pieces, noun, up: 0, salt, min: short(limits.min), max: short(limits.max), pattern: limits.pattern, arn }
}

pub(super) fn generated(limits: &Limits, draw: &mut Draw) -> Option<String> {
    let pattern = limits.pattern?;
    let most = limits.max.min(limits.min.max(64));
    pattern::generate(pattern, limits.min, most, draw)
        .or_else(|| pattern::generate(pattern, limits.min, limits.max.min(4096), draw))
}

pub(super) fn limits(shape: &Shape, member: Option<&Member>) -> Limits {
    // An empty label would not be found in a path, and an empty header is none.
    let floor = usize::from(member.is_none_or(|member| member.required || member.host_label));
    Limits {
        min: least(shape).max(floor.min(most(shape))),
        max: most(shape),
        pattern: shape.constraints.as_ref().and_then(|limits| limits.pattern),
    }
}

pub(super) fn accepted(limits: &Limits, text: &str) -> bool {
    let length = text.chars().count();
    (limits.min..=limits.max).contains(&length)
        && limits.pattern.is_none_or(|wanted| pattern::matches(wanted, text) != Verdict::No)
}

/// Calls for trying templates out.
const TRIALS: [Trial; 7] = [
    Trial { row: None, extreme: None, ..HERE },
    Trial { row: Some(EXTREME_WORDS[0]), extreme: Some(0), ..THERE },
    Trial { row: Some(EXTREME_WORDS[1]), extreme: Some(-1), ..HERE },
    Trial { row: None, extreme: Some(-2), ..THERE },
    Trial { row: None, extreme: Some(30), ..HERE },
    Trial { row: None, extreme: Some(20), ..HERE },
    Trial { row: None, extreme: None, ..THERE },
];

const HERE: Trial = Trial {
    account: "123456789012",
    region: "us-east-1",
    base_url: "http://localhost:4566",
    index: 0,
    row: None,
    extreme: None,
};
const THERE: Trial = Trial {
    account: "000000000000",
    region: "ap-southeast-2",
    base_url: "https://127.0.0.1:39999",
    index: 1,
    row: None,
    extreme: None,
};

struct Trial {
    account: &'static str,
    region: &'static str,
    base_url: &'static str,
    index: u32,
    row: Option<u64>,
    extreme: Option<isize>,
}

impl Trial {
    fn write(&self, noun: &Noun, pieces: &[Piece], salt: u64, limits: &Limits) -> String {
        let input = Document::Null;
        let scene = Scene {
            partition: "aws",
            account: self.account,
            region: self.region,
            base_url: self.base_url,
            origin: Timestamp::from_seconds(1_767_225_600),
            key: u64::from(self.index),
            input: &input,
        };
        let mut entity = noun.entity(&scene, &Frame { index: self.index, ..Frame::root(0) });
        if let Some(row) = self.row {
            entity = Entity { row, index: 0, place: 0, ..entity };
        }
        let lengths = (limits.min, limits.max);
        let extreme = self.extreme;
        let mut pen = Pen { scene: &scene, noun, entity: &entity, echo: false, echoed: false, salt, lengths, extreme };
        let mut out = String::new();
        pen.write(pieces, &mut out);
        out
    }
}
