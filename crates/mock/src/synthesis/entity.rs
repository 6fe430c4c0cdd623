//! Who is spoken of: the resource that a name, id or ARN belongs to, found in the input or made up.

use standin_core::{Arn, CallContext};
use standin_model::{Document, Str, Timestamp};

use super::template::Piece;
use super::time::TimeRole;
use standin_model::words::{hash, mix};

/// What an answer depends on beyond its shape.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub partition: &'a str,
    pub account: &'a str,
    pub region: &'a str,
    pub base_url: &'a str,
    pub origin: Timestamp,
    /// Stands for seed, account, region and service.
    pub key: u64,
    pub input: &'a Document,
}

impl<'a> Scene<'a> {
    pub(super) fn of(context: &'a CallContext, input: &'a Document) -> Self {
        Self {
            partition: context.partition,
            account: &context.account,
            region: &context.region,
            base_url: &context.base_url,
            origin: context.origin,
            key: context.key("synthesis").finish(),
            input,
        }
    }
}

/// Where in the input something stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    /// From the item of an input list that the output's item answers, instead of from the input's root.
    pub item: bool,
    pub path: Box<[Str]>,
}

impl Source {
    pub(super) fn find<'d>(&self, scene: &Scene<'d>, frame: &Frame<'_, 'd>) -> Option<&'d Document> {
        let mut at = if self.item { frame.item? } else { scene.input };
        for name in &self.path {
            at = at.get(name)?;
        }
        (!at.is_null()).then_some(at)
    }
}

/// What part of its identity an input member tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    Name,
    Id,
    /// Name or id; the client decides.
    Either,
    Arn,
}

/// A kind of resource that an output speaks of.
#[derive(Debug, Clone)]
pub(super) struct Noun {
    /// Squashed.
    pub text: Box<str>,
    /// Stands for the text.
    pub hash: u64,
    /// Whether the name, and not an id, ends its ARN.
    pub named: bool,
    pub name: Box<[Piece]>,
    pub id: Box<[Piece]>,
    /// Input members that identify it.
    pub sources: Box<[(Source, Identity)]>,
}

/// One level of an answer: the root, or an item of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'f, 'd> {
    pub seed: u64,
    pub index: u32,
    /// The input's item that this level answers.
    pub item: Option<&'d Document>,
    /// The level around.
    pub up: Option<&'f Frame<'f, 'd>>,
}

impl<'d> Frame<'_, 'd> {
    pub(super) fn root(seed: u64) -> Self {
        Self { seed, index: 0, item: None, up: None }
    }

    /// The level of one item of a list of this level.
    pub(super) fn item<'n>(&'n self, list: u64, index: u32, item: Option<&'d Document>) -> Frame<'n, 'd> {
        Frame {
            seed: mix(mix(self.seed, u64::from(self.index)), list),
            index,
            item: item.or(self.item),
            up: Some(self),
        }
    }

    /// The level so many levels up.
    pub(super) fn above(&self, levels: u8) -> &Self {
        let mut at = self;
        for _ in 0..levels {
            match at.up {
                Some(up) => at = up,
                None => break,
            }
        }
        at
    }
}

/// One resource.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entity<'d> {
    /// The same for all resources of one list.
    pub row: u64,
    /// The place in its list, of one that the input does not name.
    pub index: u32,
    /// The place in the list that is being made.
    pub place: u32,
    pub seed: u64,
    /// For times, which all resources of one level share.
    pub moment: u64,
    pub name: Option<&'d str>,
    pub id: Option<&'d str>,
    pub arn: Option<&'d str>,
}

impl Entity<'_> {
    pub(super) fn time(&self, scene: &Scene<'_>, role: TimeRole) -> Timestamp {
        role.at(scene.origin, self.moment)
    }
}

impl Noun {
    /// The resource of this kind on one level of the answer.
    pub(super) fn entity<'d>(&self, scene: &Scene<'d>, frame: &Frame<'_, 'd>) -> Entity<'d> {
        let mut entity = Entity {
            row: 0,
            index: frame.index,
            place: frame.index,
            seed: 0,
            moment: moment(scene, frame),
            name: None,
            id: None,
            arn: None,
        };
        for (source, identity) in &self.sources {
            let Some(text) = source.find(scene, frame).and_then(Document::as_str) else { continue };
            if text.is_empty() {
                continue;
            }
            if text.starts_with("arn:") {
                entity.arn = entity.arn.or(Some(text));
                continue;
            }
            match identity {
                Identity::Name => entity.name = entity.name.or(Some(text)),
                Identity::Id => entity.id = entity.id.or(Some(text)),
                Identity::Either => {
                    entity.name = entity.name.or(Some(text));
                    entity.id = entity.id.or(Some(text));
                }
                Identity::Arn => {}
            }
        }
        if let Some(tail) = entity.arn.and_then(|arn| tail(arn, &self.text)) {
            if self.named {
                entity.name = entity.name.or(Some(tail));
            } else {
                entity.id = entity.id.or(Some(tail));
            }
        }
        let kind = mix(scene.key, self.hash);
        let known = if self.named { entity.name.or(entity.id) } else { entity.id.or(entity.name) };
        if let Some(known) = known.or(entity.arn) {
            entity.row = mix(kind, hash(known));
            entity.index = 0;
        } else {
            entity.row = mix(kind, frame.seed);
        }
        entity.seed = mix(entity.row, u64::from(entity.index));
        entity
    }
}

/// What tells the times of one level from those of others.
pub(super) fn moment(scene: &Scene<'_>, frame: &Frame<'_, '_>) -> u64 {
    mix(mix(scene.key, frame.seed), u64::from(frame.index))
}

/// The part of an ARN that names the resource: what follows the kind of resource, else the last part.
fn tail<'t>(arn: &'t str, noun: &str) -> Option<&'t str> {
    let resource = Arn::parse(arn)?.resource;
    let mut parts = resource.split(['/', ':']);
    let mut last = "";
    while let Some(part) = parts.next() {
        let plain = part.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_lowercase());
        if !noun.is_empty()
            && plain.eq(noun.bytes())
            && let Some(next) = parts.next()
        {
            return Some(next);
        }
        last = part;
    }
    (!last.is_empty()).then_some(last)
}

/// A number that stands for a value, without the members named in `skip` at its root.
pub(super) fn fingerprint(document: &Document, skip: &[Str]) -> u64 {
    match document {
        Document::Null => 1,
        Document::Bool(value) => 2 + u64::from(*value),
        Document::Int(value) => mix(4, value.cast_unsigned()),
        Document::Float(value) => mix(5, value.to_bits()),
        Document::BigNumber(digits) => mix(6, hash(digits)),
        Document::String(text) => mix(7, hash(text)),
        Document::Blob(bytes) => {
            // The length and the first bytes tell blobs apart well enough.
            bytes.iter().take(256).fold(mix(8, bytes.len() as u64), |sum, byte| mix(sum, u64::from(*byte)))
        }
        Document::Timestamp(at) => mix(9, at.seconds.cast_unsigned()),
        Document::List(items) => items.iter().fold(10, |sum, item| mix(sum, fingerprint(item, &[]))),
        // Maps come in any order from some clients.
        Document::Map(fields) => fields
            .iter()
            .filter(|(key, _)| !skip.iter().any(|name| name == key))
            .fold(11, |sum, (key, value)| sum.wrapping_add(mix(hash(key), fingerprint(value, &[])))),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::template::Pen;
    use super::*;

    pub(in super::super) fn with_pen<T>(use_pen: impl FnOnce(&mut Pen<'_>) -> T) -> T {
        let input = Document::map();
        let scene = Scene {
            partition: "aws",
            account: "111122223333",
            region: "eu-central-1",
            base_url: "http://localhost:4566",
            origin: Timestamp::from_seconds(1_767_225_600),
            key: 7,
            input: &input,
        };
        let noun = noun(&[]);
        let entity = noun.entity(&scene, &Frame::root(0));
        use_pen(&mut Pen {
            scene: &scene,
            noun: &noun,
            entity: &entity,
            echo: true,
            echoed: false,
            salt: 1,
            lengths: (1, 100),
            extreme: None,
        })
    }

    fn noun(sources: &[(Source, Identity)]) -> Noun {
        Noun {
            text: "environment".into(),
            hash: hash("environment"),
            named: true,
            name: Box::default(),
            id: Box::default(),
            sources: sources.into(),
        }
    }

    #[test]
    fn an_arn_tells_the_name() {
        let check = |arn: &str, noun: &str, expect: &str| assert_eq!(tail(arn, noun), Some(expect), "{arn}");
        check("arn:aws:airflow:us-east-1:1:environment/demo", "environment", "demo");
        check("arn:aws:lambda:us-east-1:1:function:demo:prod", "function", "demo");
        check("arn:aws:dynamodb:us-east-1:1:table/t/index/i", "table", "t");
        check("arn:aws:dynamodb:us-east-1:1:table/t/index/i", "index", "i");
        check("arn:aws:sns:us-east-1:1:topic-name", "topic", "topic-name");
        check("arn:aws:ec2:us-east-1:1:security-group/sg-1", "securitygroup", "sg-1");
    }

    #[test]
    fn the_same_name_is_the_same_resource() {
        let source = |name: Str| Source { item: false, path: Box::new([name]) };
        let noun = noun(&[(source("Name"), Identity::Name), (source("Arn"), Identity::Arn)]);
        let seed = |input: serde_json::Value| {
            let input = Document::from_json(&input);
            let scene = Scene {
                partition: "aws",
                account: "1",
                region: "r",
                base_url: "",
                origin: Timestamp::default(),
                key: 7,
                input: &input,
            };
            noun.entity(&scene, &Frame { index: 1, ..Frame::root(3) }).seed
        };
        let by_name = seed(serde_json::json!({"Name": "demo"}));
        assert_eq!(by_name, seed(serde_json::json!({"Arn": "arn:aws:airflow:us-east-1:1:environment/demo"})));
        assert_ne!(by_name, seed(serde_json::json!({"Name": "other"})));
    }
}
