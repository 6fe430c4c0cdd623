//! Texts with places to fill: `arn:{partition}:iam::{account}:role/{name}`.
//!
//! | place | becomes |
//! |---|---|
//! | `{partition}` `{region}` `{account}` | those of the call |
//! | `{zone}` | an availability zone's id, `use1-az1` |
//! | `{base}` `{host}` | the URL by which the caller reached standin; its host |
//! | `{name}` `{id}` `{self}` | the name, id, or whichever of both is the primary one, of the resource that the text belongs to |
//! | `{word}` `{Word}` `{WORD}` | a word of business (`orders`) |
//! | `{noun}` `{_noun}` `{Noun}` `{noun-}` | what the resource is: `security-group`, `security_group`, `SecurityGroup`, `security group` |
//! | `{input:Member}` `{tail:Member}` | what the input says there, or the last part of the ARN there |
//! | `{service}` | the signing name |
//! | `{member}` | the member's own words, `security-group` |
//! | `{hex:N}` `{lower:N}` `{upper:N}` `{alnum:N}` `{letters:N}` `{digits:N}` `{base64:N}` `{url64:N}` | N drawn characters |
//! | `{uuid}` | a version 4 UUID |
//! | `{key:PREFIX}` | an access key id of the call's account |
//! | `{n:A-B}` | a number |
//! | `{each:a\|b}` | one by the place in its list |
//! | `{time:ROLE}` `{date:ROLE}` `{seconds:ROLE}` | a timestamp as text |
//! | `{policy}` | a policy as JSON text |

use std::borrow::Cow;
use std::fmt::Write as _;

use standin_core::{Draw, access_key};
use standin_model::{Str, Timestamp};

use super::entity::{Entity, Noun, Scene};
use super::time::TimeRole;
use crate::pattern;
use standin_model::words::mix;

/// One stretch of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Text(Cow<'static, str>),
    Partition,
    Region,
    Account,
    Zone,
    Base,
    Host,
    Name,
    Id,
    Own,
    Word(Case),
    Fill(Letters, u16),
    Uuid,
    AccessKey(Str),
    Number(u32, u32),
    Each(Str),
    Time(TimeRole, TimeForm),
    /// A text of the input; of an ARN, only its last part.
    Input(Str),
    Tail(Str),
    /// Whatever the pattern accepts, within the text's length.
    Pattern(Str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Lower,
    Title,
    Upper,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Letters {
    Hex,
    LowerAlnum,
    UpperAlnum,
    Alnum,
    Lower,
    Digits,
    Base64,
    Url64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeForm {
    DateTime,
    Date,
    Seconds,
}

impl Letters {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Hex => b"0123456789abcdef",
            Self::LowerAlnum => b"abcdefghijklmnopqrstuvwxyz0123456789",
            // Base 32, as in AWS's own unique ids.
            Self::UpperAlnum => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
            Self::Alnum => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            Self::Lower => b"abcdefghijklmnopqrstuvwxyz",
            Self::Digits => b"0123456789",
            Self::Base64 => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
            Self::Url64 => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "hex" => Self::Hex,
            "lower" => Self::LowerAlnum,
            "upper" => Self::UpperAlnum,
            "alnum" => Self::Alnum,
            "letters" => Self::Lower,
            "digits" => Self::Digits,
            "base64" => Self::Base64,
            "url64" => Self::Url64,
            _ => return None,
        })
    }
}

/// Places of the longest and the shortest of [`WORDS`].
pub(super) const EXTREME_WORDS: [u64; 2] = [10, 3];

/// What things are named after.
pub(super) const WORDS: [&str; 32] = [
    "orders",
    "billing",
    "search",
    "media",
    "payments",
    "catalog",
    "shipping",
    "reports",
    "analytics",
    "identity",
    "inventory",
    "pricing",
    "checkout",
    "metrics",
    "archive",
    "staging",
    "events",
    "support",
    "mobile",
    "portal",
    "backup",
    "gateway",
    "ledger",
    "research",
    "profile",
    "sales",
    "audit",
    "content",
    "delivery",
    "quality",
    "fleet",
    "insight",
];

/// What a template is read for.
pub(super) struct Reading<'a> {
    /// Kebab words of the resource.
    pub noun: &'a str,
    /// Kebab words of the member.
    pub member: &'a str,
    /// The signing name.
    pub service: Str,
}

/// Reads a template; unknown places stay as they are, so that a table's mistake is seen.
pub(super) fn read(template: Str, reading: &Reading<'_>) -> Box<[Piece]> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut rest = template;
    let mut from = 0;
    while let Some(open) = rest[from..].find('{').map(|at| at + from) {
        // A brace of JSON is no place.
        let begins = rest[open + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let Some(close) = rest[open..].find('}').map(|at| at + open).filter(|_| begins) else {
            from = open + 1;
            continue;
        };
        push(&mut pieces, Cow::Borrowed(&rest[..open]));
        match place(&rest[open + 1..close], reading) {
            Ok(piece) => pieces.push(piece),
            Err(text) => push(&mut pieces, text),
        }
        rest = &rest[close + 1..];
        from = 0;
    }
    push(&mut pieces, Cow::Borrowed(rest));
    pieces.into_boxed_slice()
}

/// Adds a literal; joins it to a literal before.
pub(super) fn push(pieces: &mut Vec<Piece>, text: Cow<'static, str>) {
    if text.is_empty() {
        return;
    }
    if let Some(Piece::Text(before)) = pieces.last_mut() {
        before.to_mut().push_str(&text);
    } else {
        pieces.push(Piece::Text(text));
    }
}

/// A place's piece, or the text that it is already known to become.
fn place(name: Str, reading: &Reading<'_>) -> Result<Piece, Cow<'static, str>> {
    let (kind, argument) = name.split_once(':').unwrap_or((name, ""));
    Ok(match kind {
        "partition" => Piece::Partition,
        "region" => Piece::Region,
        "account" => Piece::Account,
        "zone" => Piece::Zone,
        "base" => Piece::Base,
        "host" => Piece::Host,
        "name" => Piece::Name,
        "id" => Piece::Id,
        "self" => Piece::Own,
        "word" => Piece::Word(Case::Lower),
        "Word" => Piece::Word(Case::Title),
        "WORD" => Piece::Word(Case::Upper),
        "input" => Piece::Input(argument),
        "tail" => Piece::Tail(argument),
        "uuid" => Piece::Uuid,
        "key" => Piece::AccessKey(argument),
        "each" => Piece::Each(argument),
        "n" => {
            let (low, high) = argument.split_once('-').unwrap_or((argument, argument));
            Piece::Number(low.parse().unwrap_or(0), high.parse().unwrap_or(9))
        }
        "time" => Piece::Time(TimeRole::named(argument), TimeForm::DateTime),
        "date" => Piece::Time(TimeRole::named(argument), TimeForm::Date),
        "seconds" => Piece::Time(TimeRole::named(argument), TimeForm::Seconds),
        "noun" => return Err(reading.noun.to_owned().into()),
        "_noun" => return Err(reading.noun.replace('-', "_").into()),
        "noun-" => return Err(reading.noun.replace('-', " ").into()),
        "Noun" => return Err(pascal(reading.noun).into()),
        "member" => return Err(reading.member.to_owned().into()),
        "service" => return Err(reading.service.into()),
        "policy" => return Err(POLICY.into()),
        _ => match Letters::parse(kind) {
            Some(letters) => Piece::Fill(letters, argument.parse().unwrap_or(8)),
            None => return Err(format!("{{{name}}}").into()),
        },
    })
}

/// Allows nobody in particular anything in particular, so it needs neither account nor ARN.
const POLICY: &str =
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}]}";

/// `security-group` → `SecurityGroup`.
pub(super) fn pascal(kebab: &str) -> String {
    let mut out = String::with_capacity(kebab.len());
    for word in kebab.split('-') {
        title(&mut out, word);
    }
    out
}

fn title(out: &mut String, word: &str) {
    let mut chars = word.chars();
    out.extend(chars.next().map(|c| c.to_ascii_uppercase()));
    out.push_str(chars.as_str());
}

/// Writes pieces.
pub(super) struct Pen<'p> {
    pub scene: &'p Scene<'p>,
    pub noun: &'p Noun,
    pub entity: &'p Entity<'p>,
    /// Whether names and ids of the input may be used.
    pub echo: bool,
    /// Set when one was.
    pub echoed: bool,
    pub salt: u64,
    /// The lengths allowed; for [`Piece::Pattern`] alone.
    pub lengths: (usize, usize),
    /// For trying templates out: takes this letter of every alphabet, counted from its end where negative.
    pub extreme: Option<isize>,
}

impl Pen<'_> {
    pub(super) fn write(&mut self, pieces: &[Piece], out: &mut String) {
        let mut draw = Draw::from_seed(mix(mix(self.entity.seed, self.salt), u64::from(self.entity.place)));
        self.write_with(pieces, &mut draw, out, 0);
    }

    fn write_with(&mut self, pieces: &[Piece], draw: &mut Draw, out: &mut String, depth: u8) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Partition => out.push_str(self.scene.partition),
                Piece::Region => out.push_str(self.scene.region),
                Piece::Account => out.push_str(self.scene.account),
                Piece::Zone => zone(self.scene.region, out),
                Piece::Base => out.push_str(self.scene.base_url),
                Piece::Host => {
                    let url = self.scene.base_url;
                    out.push_str(url.split_once("://").map_or(url, |(_, host)| host));
                }
                Piece::Name | Piece::Id | Piece::Own => self.own(piece, out, depth),
                Piece::Word(case) => self.word(*case, depth, out),
                Piece::Fill(letters, count) => fill(*letters, usize::from(*count), self.extreme, draw, out),
                Piece::AccessKey(prefix) => out.push_str(&access_key::issue(prefix, self.scene.account, draw)),
                Piece::Uuid => uuid(self.extreme, draw, out),
                Piece::Number(low, high) => {
                    let number = draw.between(i64::from(*low), i64::from(*high));
                    let _ = write!(out, "{number}");
                }
                Piece::Each(choices) => {
                    let count = choices.split('|').count();
                    out.push_str(choices.split('|').nth(self.entity.place as usize % count).unwrap_or_default());
                }
                Piece::Time(role, form) => {
                    let at = self.entity.time(self.scene, *role);
                    time_text(at, *form, out);
                }
                Piece::Input(member) | Piece::Tail(member) => {
                    match self.scene.input.get(member).and_then(|text| text.as_str()).filter(|_| self.echo) {
                        Some(text) => {
                            self.echoed = true;
                            let tail = text.rsplit([':', '/']).next().unwrap_or(text);
                            out.push_str(if matches!(piece, Piece::Tail(_)) { tail } else { text });
                        }
                        None => self.word(Case::Lower, depth, out),
                    }
                }
                Piece::Pattern(text) => {
                    let (min, max) = self.lengths;
                    if let Some(made) = pattern::generate(text, min, max, draw) {
                        out.push_str(&made);
                    }
                }
            }
        }
    }

    /// The resource's name or id: as the client calls it, or made.
    fn own(&mut self, piece: &Piece, out: &mut String, depth: u8) {
        let by_name = match piece {
            Piece::Name => true,
            Piece::Id => false,
            _ => self.noun.named,
        };
        if self.echo {
            let known = if by_name { self.entity.name } else { self.entity.id };
            if let Some(known) = known {
                self.echoed = true;
                out.push_str(known);
                return;
            }
        }
        // A name made of names would not end.
        if depth > 1 {
            self.word(Case::Lower, depth, out);
            return;
        }
        let (pieces, salt) = if by_name { (&self.noun.name, NAME_SALT) } else { (&self.noun.id, ID_SALT) };
        let mut draw = Draw::from_seed(mix(self.entity.seed, salt));
        self.write_with(pieces, &mut draw, out, depth + 1);
    }

    /// A resource's own name has the same word wherever it stands.
    fn word(&self, case: Case, depth: u8, out: &mut String) {
        let place = if depth > 0 { self.entity.index } else { self.entity.place };
        let at = self.entity.row.wrapping_add(u64::from(place)) % WORDS.len() as u64;
        let word = WORDS[at as usize];
        match case {
            Case::Lower => out.push_str(word),
            Case::Title => title(out, word),
            Case::Upper => out.push_str(&word.to_ascii_uppercase()),
        }
    }
}

/// A resource's name and id do not depend on which member they stand in.
pub(super) const NAME_SALT: u64 = standin_model::words::hash("name");
pub(super) const ID_SALT: u64 = standin_model::words::hash("id");

fn fill(letters: Letters, count: usize, extreme: Option<isize>, draw: &mut Draw, out: &mut String) {
    let alphabet = letters.bytes();
    out.reserve(count);
    for at in 0..count {
        let mut letter = match extreme {
            None => alphabet[draw.below(alphabet.len() as u64) as usize],
            Some(place) => {
                let length = isize::try_from(alphabet.len()).unwrap_or(1);
                alphabet[usize::try_from(place.rem_euclid(length)).unwrap_or(0)]
            }
        };
        // A leading zero is lost where a text is read as a number, and names begin with a letter.
        if at == 0 && letters == Letters::Digits && letter == b'0' {
            letter = b'1';
        }
        out.push(char::from(letter));
    }
}

fn uuid(extreme: Option<isize>, draw: &mut Draw, out: &mut String) {
    let (high, low) = match extreme {
        Some(0) => (0, 0),
        Some(_) => (u64::MAX, u64::MAX),
        None => (draw.next_u64(), draw.next_u64()),
    };
    let _ = write!(
        out,
        "{:08x}-{:04x}-4{:03x}-{:x}{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        8 + (low >> 60 & 3),
        low >> 48 & 0xfff,
        low & 0xffff_ffff_ffff
    );
}

/// `us-east-1` → `use1-az1`.
fn zone(region: &str, out: &mut String) {
    let mut parts = region.split('-');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        out.extend(part.chars().next());
    }
    out.push_str("-az1");
}

pub(super) fn time_text(at: Timestamp, form: TimeForm, out: &mut String) {
    match form {
        TimeForm::DateTime => out.push_str(&at.to_date_time()),
        TimeForm::Date => out.push_str(at.to_date_time().split('T').next().unwrap_or_default()),
        TimeForm::Seconds => {
            let _ = write!(out, "{}", at.seconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entity::tests::with_pen;
    use super::*;

    fn render(template: Str) -> String {
        let pieces = read(template, &Reading { noun: "security-group", member: "group", service: "ec2" });
        with_pen(|pen| {
            let mut out = String::new();
            pen.write(&pieces, &mut out);
            out
        })
    }

    #[test]
    fn the_extreme_words_are_so() {
        let [longest, shortest] = EXTREME_WORDS.map(|at| WORDS[at as usize].len());
        assert!(WORDS.iter().all(|word| (shortest..=longest).contains(&word.len())));
    }

    #[test]
    fn places_are_filled() {
        let check = |template: Str, expect: &str| assert_eq!(render(template), expect);
        check(
            "arn:{partition}:{service}:{region}:{account}:{noun}/x",
            "arn:aws:ec2:eu-central-1:111122223333:security-group/x",
        );
        check("{Noun} {_noun} {noun-}", "SecurityGroup security_group security group");
        check("{zone}", "euc1-az1");
        check("{each:a|b}", "a");
        check("{unknown}", "{unknown}");
        assert_eq!(render("{hex:17}").len(), 17);
        assert_eq!(render("{uuid}").len(), 36);
        assert_eq!(render("{uuid}"), render("{uuid}"));
    }
}
