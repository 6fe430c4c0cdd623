//! Makes the answer to one call from its plan.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use sha2::Sha256;
use standin_core::Draw;
use standin_model::{Document, Fields, Key, Service};

use super::echo;
use super::entity::{Frame, Scene, fingerprint, moment};
use super::plan::{Derived, ListNode, MapNode, Node, Plan, Slot, TextNode, TimeUnit};
use super::template::Pen;
use crate::pattern::{self, Verdict};
use standin_model::words::mix;

/// Lists that answer an input's list item by item have at most so many items.
const FAN_MAX: usize = 1000;

/// Draws beyond the wanted number of keys of a map.
const KEY_ATTEMPTS: u32 = 8;

pub(super) struct Renderer<'r> {
    pub service: &'static Service,
    pub plan: &'r Plan,
    pub scene: &'r Scene<'r>,
    /// Whether members that only echo are made up as well.
    pub loose: bool,
}

impl<'r> Renderer<'r> {
    pub(super) fn root(&self) -> Fields {
        let mut frame = Frame::root(0);
        let subject = self.plan.nouns[usize::from(self.plan.subject)].entity(self.scene, &frame);
        if subject.name.or(subject.id).or(subject.arn).is_some() {
            frame.seed = subject.row;
        } else if self.plan.fresh {
            frame.seed = fingerprint(self.scene.input, &self.plan.skip);
        }
        self.structure(&self.plan.root, &frame)
    }

    fn structure(&self, slots: &[Slot], frame: &Frame<'_, 'r>) -> Fields {
        let mut fields = Fields::with_capacity(slots.len());
        let mut derived = false;
        for slot in slots {
            if let Some(echo) = &slot.echo
                && let Some(value) = echo.source.find(self.scene, frame)
                && echo::conforms(self.service, echo.target, value, echo.trusted)
            {
                fields.push(slot.name, value.clone());
                continue;
            }
            if let Some(only) = &slot.only
                && !self.loose
                && only.find(self.scene, frame).is_none()
            {
                continue;
            }
            derived |= matches!(slot.node, Node::Derived(_));
            fields.push(slot.name, self.node(&slot.node, frame));
        }
        if derived {
            for slot in slots {
                if let Node::Derived(what) = &slot.node
                    && fields.get(slot.name).is_some_and(Document::is_null)
                {
                    match self.derive(what, &fields, frame) {
                        Some(value) => {
                            fields.insert(slot.name, value);
                        }
                        None => {
                            fields.remove(slot.name);
                        }
                    }
                }
            }
        }
        fields
    }

    fn node(&self, node: &Node, frame: &Frame<'_, 'r>) -> Document {
        match node {
            Node::Structure(slots) => Document::Map(self.structure(slots, frame)),
            Node::List(list) => self.list(list, frame),
            Node::Map(map) => self.map(map, frame),
            Node::Text(text) => Document::from(self.text(text, frame)),
            Node::Fixed(text) => Document::from(*text),
            Node::Sample(text) => Document::from(text.to_string()),
            Node::Each(values) => Document::from(values[frame.index as usize % values.len()]),
            Node::Region(values) => {
                let here = values.iter().find(|value| **value == self.scene.region);
                Document::from(here.or(values.first()).copied().unwrap_or_default())
            }
            Node::Bool(value) => Document::Bool(*value),
            Node::Int(value) => Document::Int(*value),
            Node::Between(low, high, salt) => Document::Int(self.draw(frame, *salt).between(*low, *high)),
            Node::Place => Document::Int(i64::from(frame.index)),
            Node::Float(value) => Document::Float(*value),
            Node::FloatBetween(low, high, salt) => {
                let unit = self.draw(frame, *salt).unit();
                // Two decimals read like a measurement; inside of the bounds they stay inside.
                let value = low + (high - low) * unit;
                Document::Float(((value * 100.0).round() / 100.0).clamp(*low, *high))
            }
            Node::Time(role) => Document::Timestamp(role.at(self.scene.origin, moment(self.scene, frame))),
            Node::Moment(role, unit) => {
                let at = role.at(self.scene.origin, moment(self.scene, frame));
                match unit {
                    TimeUnit::Seconds => Document::Int(at.seconds),
                    TimeUnit::Millis => Document::Int(at.as_millis()),
                    TimeUnit::FloatSeconds => Document::Float(at.as_f64()),
                }
            }
            Node::Blob(bytes) => Document::Blob(Bytes::copy_from_slice(bytes)),
            Node::Json => Document::Map(Fields::from_iter([(Key::Borrowed("name"), Document::from("value"))])),
            Node::EmptyList => Document::List(Vec::new()),
            Node::EmptyMap => Document::map(),
            Node::Derived(_) => Document::Null,
            Node::Events(events) => Document::List(
                events
                    .iter()
                    .map(|event| {
                        let value = self.node(&event.node, frame);
                        Document::Map(Fields::from_iter([(Key::Borrowed(event.name), value)]))
                    })
                    .collect(),
            ),
        }
    }

    fn draw(&self, frame: &Frame<'_, '_>, salt: u32) -> Draw {
        Draw::from_seed(mix(moment(self.scene, frame), u64::from(salt)))
    }

    fn list(&self, list: &ListNode, frame: &Frame<'_, 'r>) -> Document {
        if let Some(asked) = list.fan.as_ref().and_then(|fan| fan.find(self.scene, frame)).and_then(Document::as_list)
            && !asked.is_empty()
            && asked.len() >= list.min as usize
        {
            let count = asked.len().min(list.max as usize).min(FAN_MAX);
            let items = asked[..count].iter().zip(0..);
            return Document::List(
                items.map(|(item, at)| self.node(&list.item, &frame.item(list.salt, at, Some(item)))).collect(),
            );
        }
        let mut count = list.usual;
        if let Some(noun) = list.single {
            let one = self.plan.nouns[usize::from(noun)].entity(self.scene, &Frame { item: None, ..*frame });
            if one.name.or(one.id).or(one.arn).is_some() {
                count = 1;
            }
        }
        if let Some(limit) = list.limit.as_ref().and_then(|limit| limit.find(self.scene, frame)) {
            let limit =
                limit.as_i64().or_else(|| limit.as_str().and_then(|text| text.parse().ok())).unwrap_or(i64::MAX);
            count = count.min(u32::try_from(limit.max(0)).unwrap_or(u32::MAX));
        }
        let count = count.max(list.min).min(list.max);
        let mut items: Vec<Document> =
            (0..count).map(|at| self.node(&list.item, &frame.item(list.salt, at, None))).collect();
        // Twins, where nothing in an item tells it from others: one says as much.
        while items.len() > list.min.max(1) as usize && items.last() == items.get(items.len() - 2) {
            items.pop();
        }
        Document::List(items)
    }

    fn map(&self, map: &MapNode, frame: &Frame<'_, 'r>) -> Document {
        let mut fields = Fields::with_capacity(map.count as usize);
        // Keys may repeat; a few more draws find others where there are any.
        for at in 0..map.count.saturating_add(KEY_ATTEMPTS) {
            if fields.len() >= map.count as usize {
                break;
            }
            let frame = frame.item(map.salt, at, None);
            let Document::String(key) = self.node(&map.key, &frame) else { break };
            if fields.contains_key(&key) {
                continue;
            }
            fields.push(key, self.node(&map.value, &frame));
        }
        Document::Map(fields)
    }

    fn derive(&self, what: &Derived, fields: &Fields, frame: &Frame<'_, 'r>) -> Option<Document> {
        let bytes_of = |value: &Document| match value {
            Document::Blob(bytes) => Some(bytes.to_vec()),
            Document::String(text) => Some(text.as_bytes().to_vec()),
            _ => None,
        };
        match what {
            Derived::Count(sibling) => {
                let count = match fields.get(sibling) {
                    Some(Document::List(items)) => items.len(),
                    Some(Document::Map(entries)) => entries.len(),
                    _ => 0,
                };
                Some(Document::Int(i64::try_from(count).unwrap_or(i64::MAX)))
            }
            Derived::Length(sibling) => {
                let length = fields.get(sibling).and_then(bytes_of)?.len();
                Some(Document::Int(i64::try_from(length).unwrap_or(i64::MAX)))
            }
            Derived::Md5(sibling) => {
                let digest = Md5::digest(fields.get(sibling).and_then(bytes_of)?);
                Some(Document::from(hex(&digest)))
            }
            Derived::Md5Of(source) => {
                let digest = Md5::digest(source.find(self.scene, frame).and_then(bytes_of)?);
                Some(Document::from(hex(&digest)))
            }
            Derived::Sha256(sibling) => {
                let digest = Sha256::digest(fields.get(sibling).and_then(bytes_of)?);
                Some(Document::from(STANDARD.encode(digest)))
            }
        }
    }

    fn text(&self, node: &TextNode, frame: &Frame<'_, 'r>) -> String {
        let noun = &self.plan.nouns[usize::from(node.noun)];
        let mut entity = noun.entity(self.scene, frame.above(node.up));
        entity.place = frame.index;
        if node.arn
            && let Some(arn) = entity.arn
            && within(node, arn)
            && accepted(node, arn)
        {
            return arn.to_owned();
        }
        let mut pen = Pen {
            scene: self.scene,
            noun,
            entity: &entity,
            echo: true,
            echoed: false,
            salt: node.salt,
            lengths: (node.min as usize, node.max as usize),
            extreme: None,
        };
        let mut text = String::with_capacity(32);
        pen.write(&node.pieces, &mut text);
        // What is made was checked when it was planned; what came from the client was not.
        if within(node, &text) && (!pen.echoed || accepted(node, &text)) {
            return text;
        }
        if pen.echoed {
            pen.echo = false;
            text.clear();
            pen.write(&node.pieces, &mut text);
            if within(node, &text) {
                return text;
            }
        }
        fit(
            &text,
            node.min as usize,
            node.max as usize,
            node.pattern,
            &mut Draw::from_seed(mix(entity.seed, node.salt)),
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn within(node: &TextNode, text: &str) -> bool {
    // Bytes are never fewer than characters.
    let bytes = text.len();
    let chars = || if text.is_ascii() { bytes } else { text.chars().count() };
    (bytes <= node.max as usize || chars() <= node.max as usize) && (node.min == 0 || chars() >= node.min as usize)
}

fn accepted(node: &TextNode, text: &str) -> bool {
    node.pattern.is_none_or(|wanted| pattern::matches(wanted, text) != Verdict::No)
}

/// A text of the right length and pattern, as a last resort: one made from the pattern, else the text cut or stretched.
pub(super) fn fit(text: &str, min: usize, max: usize, pattern: Option<&str>, draw: &mut Draw) -> String {
    if let Some(made) = pattern.and_then(|pattern| pattern::generate(pattern, min, max.min(min.max(256)), draw)) {
        return made;
    }
    let mut out: String = text.chars().take(max).collect();
    let length = out.chars().count();
    out.extend(std::iter::repeat_n('x', min.saturating_sub(length)));
    out
}
