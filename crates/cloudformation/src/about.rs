//! What is known of a resource while it is made: who it is, and what `Ref` and `Fn::GetAtt` answer.

use serde_json::{Map, Value};
use standin_core::Draw;
use standin_lifecycle::{Part, TypeKind};
use standin_model::words::squash;
use standin_model::{Document, Fields, Operation};

use crate::evaluate::Made;
use crate::kinds::{MadeBy, ResourceKind};
use crate::parameters::scalar_text;
use crate::resources::{Place, Wanted};
use crate::services::{NAME, hex, name_around, uuid};

/// What is known of a resource that is being made.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) name: String,
    /// Nobody but the stack chose the name.
    pub(crate) generated: bool,
    pub(crate) id: Option<String>,
    pub(crate) arn: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) attributes: Map<String, Value>,
}

impl About {
    pub(crate) fn of(made: &Made) -> Self {
        let text = |name: &str| made.attributes.get(name).and_then(Value::as_str).map(str::to_owned);
        let is_arn = made.reference.starts_with("arn:");
        Self {
            name: text(NAME).unwrap_or_else(|| made.reference.clone()),
            generated: false,
            id: text("-id").or_else(|| Some(made.reference.clone())),
            arn: text("-arn").or_else(|| is_arn.then(|| made.reference.clone())),
            url: text("-url"),
            reference: Some(made.reference.clone()),
            attributes: made.attributes.clone(),
        }
    }

    fn part(&self, member: &str, part: Part) -> Option<String> {
        let plain = squash(member);
        match part {
            _ if plain.ends_with("url") => self.url.clone().or_else(|| self.reference.clone()),
            Part::Arn => self.arn.clone(),
            Part::Id => self.id.clone().or_else(|| Some(self.name.clone())),
            Part::Name => Some(self.name.clone()),
            Part::Any if plain.ends_with("arn") => self.arn.clone(),
            Part::Any if plain.ends_with("id") => self.id.clone().or_else(|| Some(self.name.clone())),
            Part::Any => Some(self.name.clone()).filter(|name| !name.is_empty()).or_else(|| self.reference.clone()),
            Part::Qualifier => None,
        }
    }

    /// An input that names the resource; nothing where that is not known how.
    pub(crate) fn input(&self, names: &[(&'static str, Part)]) -> Option<Fields> {
        let mut input = Fields::new();
        for (member, part) in names {
            if let Some(text) = self.part(member, *part).filter(|text| !text.is_empty()) {
                input.insert(*member, text);
            }
        }
        (!input.is_empty()).then_some(input)
    }

    /// The input that reads the resource.
    pub(crate) fn read_input(
        &self,
        kind: &ResourceKind,
        by: &MadeBy,
        read: &Operation,
        properties: &Value,
    ) -> Option<Fields> {
        let mut input = self.input(&by.names(read)).unwrap_or_default();
        name_around(by, read, properties, &mut input);
        if input.is_empty() {
            return None;
        }
        for (name, value) in kind.special.read.as_object().into_iter().flatten() {
            input.push(name.clone(), Document::from_json(value));
        }
        Some(input)
    }

    pub(crate) fn made(mut self, place: &Place, kind: &ResourceKind, wanted: &Wanted<'_>, salt: u64) -> Made {
        let special = &kind.special;
        let words = |about: &Self, template: &str, reference: &str| {
            filled_template(template, place, wanted.properties, about, reference, salt)
        };
        let plain = |text: Option<&String>| text.filter(|text| !text.is_empty()).cloned();
        let lifecycle_kind = kind.made_by.as_ref().and_then(|by| Some(by.lifecycle.resource(by.ix?).kind));
        let generated = || words(&self, "{stack}-{hex17}", "");
        let reference = match special.reference.as_deref() {
            Some("name") => self.name.clone(),
            Some("id") => plain(self.id.as_ref()).unwrap_or_else(generated),
            Some("arn") => plain(self.arn.as_ref()).or(self.id.clone()).unwrap_or_else(generated),
            Some("url") => plain(self.url.as_ref()).unwrap_or_else(|| self.name.clone()),
            Some("eip") => self.address().unwrap_or_else(generated),
            Some(template) => words(&self, template, ""),
            None => match lifecycle_kind {
                Some(TypeKind::Named) => self.name.clone(),
                Some(TypeKind::Assigned) => {
                    plain(self.id.as_ref()).or_else(|| plain(self.arn.as_ref())).unwrap_or_else(generated)
                }
                _ => generated(),
            },
        };
        for (name, template) in &special.attributes {
            let value = words(&self, template, &reference);
            self.attributes.insert(name.clone(), Value::from(value));
        }
        if let Some(arn) = &self.arn {
            self.attributes.entry("Arn").or_insert_with(|| Value::from(arn.as_str()));
        }
        let kept = [
            (NAME, Some(&self.name)),
            ("-id", self.id.as_ref()),
            ("-arn", self.arn.as_ref()),
            ("-url", self.url.as_ref()),
        ];
        for (name, text) in kept {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                self.attributes.insert(name.to_owned(), Value::from(text.as_str()));
            }
        }
        Made { reference, attributes: self.attributes }
    }

    fn address(&self) -> Option<String> {
        self.attributes.get("PublicIp").and_then(Value::as_str).map(str::to_owned)
    }
}

fn filled_template(
    template: &str,
    place: &Place,
    properties: &Value,
    about: &About,
    reference: &str,
    salt: u64,
) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        if let Some(after) = rest[open..].strip_prefix("{{}}") {
            out.push_str("{}");
            rest = after;
            continue;
        }
        let Some(close) = rest[open..].find('}').map(|close| open + close) else { break };
        let word = &rest[open + 1..close];
        let mut draw = Draw::from_seed(standin_model::words::mix(salt, word.len() as u64));
        match word {
            "ref" => out.push_str(reference),
            "name" => out.push_str(&about.name),
            "id" => out.push_str(about.id.as_deref().unwrap_or(&about.name)),
            "arn" => out.push_str(about.arn.as_deref().unwrap_or_default()),
            "partition" => out.push_str(&place.partition),
            "region" => out.push_str(&place.region),
            "account" => out.push_str(&place.account),
            "stack" => out.push_str(&place.stack_name),
            "suffix" => out.push_str(if place.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" }),
            "hex8" => out.push_str(&hex(&mut draw, 8)),
            "hex17" => out.push_str(&hex(&mut draw, 17)),
            "HEX14" => out.push_str(&hex(&mut draw, 14).to_uppercase()),
            "uuid" => out.push_str(&uuid(&mut draw)),
            _ => {
                let property = word.strip_prefix("prop:").unwrap_or(word);
                let given = properties.get(property).and_then(scalar_text);
                let known = || about.attributes.get(property).and_then(scalar_text);
                out.push_str(&given.or_else(known).unwrap_or_default());
            }
        }
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    out
}
