//! Calls besides the one that makes a resource, as the table of types lists them: policies put into a role, rules into a
//! security group, and resources that are nothing but such a call.

use serde_json::{Map, Value};
use standin_core::Dice;
use standin_model::{Document, Operation, Service};

use crate::evaluate::Made;
use crate::input;
use crate::kinds::{ResourceKind, Step};
use crate::parameters::scalar_text;
use crate::resources::Place;
use crate::services::{NAME, ServiceResources, exists, missing, reason};

/// A call that a resource with these properties needs.
#[derive(Clone, Debug)]
pub(crate) struct Due<'k> {
    step: &'k Step,
    input: Value,
    undo_input: Value,
}

impl PartialEq for Due<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.step.call == other.step.call && self.input == other.input
    }
}

/// What templates of inputs refer to.
struct Words<'w> {
    properties: &'w Value,
    item: Option<&'w Value>,
    made: &'w Made,
}

impl Words<'_> {
    /// What a word between braces stands for.
    fn find(&self, word: &str) -> Option<Value> {
        let kept = |name: &str| self.made.attributes.get(name).cloned();
        let reference = || Value::from(self.made.reference.as_str());
        match word {
            "ref" => Some(reference()),
            "name" => Some(kept(NAME).unwrap_or_else(reference)),
            "id" => Some(kept("-id").unwrap_or_else(reference)),
            "arn" => Some(kept("-arn").unwrap_or_else(reference)),
            "props" => Some(self.properties.clone()),
            "item" => self.item.cloned(),
            "tags" => own_tags(self.properties),
            "secret" => {
                self.properties.get("GenerateSecretString").map(|wanted| generated(wanted, &self.made.reference))
            }
            _ => match word.split_once(':') {
                Some(("prop", name)) => self.properties.get(name).cloned(),
                Some(("item", name)) => self.item.and_then(|item| item.get(name)).cloned(),
                _ => None,
            },
        }
    }

    /// A template filled in; nothing where all that it refers to is absent.
    fn fill(&self, template: &Value) -> Option<Value> {
        match template {
            Value::String(text) => {
                let word = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
                match word.filter(|word| !word.contains('{')) {
                    Some(word) => self.find(word),
                    None => Some(self.text(text)),
                }
            }
            Value::Array(items) => {
                let items: Vec<Value> = items.iter().filter_map(|item| self.fill(item)).collect();
                (!items.is_empty()).then_some(Value::Array(items))
            }
            Value::Object(map) => {
                let filled = map.iter().filter_map(|(name, value)| Some((name.clone(), self.fill(value)?)));
                let filled: Map<String, Value> = filled.collect();
                (!filled.is_empty()).then_some(Value::Object(filled))
            }
            other => Some(other.clone()),
        }
    }

    fn text(&self, template: &str) -> Value {
        let mut out = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let Some((word, after)) = after.split_once('}') else { break };
            out.push_str(&self.find(word).as_ref().and_then(scalar_text).unwrap_or_default());
            rest = after;
        }
        out.push_str(rest);
        Value::from(out)
    }

    fn input(&self, step: &Step, template: &Value) -> Value {
        let base = if step.fill { self.item.unwrap_or(self.properties).clone() } else { Value::Object(Map::new()) };
        let mut map = base.as_object().cloned().unwrap_or_default();
        if let Some(Value::Object(own)) = self.fill(template) {
            map.extend(own);
        }
        Value::Object(map)
    }
}

/// Tags that are not AWS's own, where there are any.
fn own_tags(properties: &Value) -> Option<Value> {
    let is_own = |tag: &&Value| tag.get("Key").and_then(Value::as_str).is_some_and(|key| !key.starts_with("aws:"));
    let own: Vec<Value> = properties.get("Tags")?.as_array()?.iter().filter(is_own).cloned().collect();
    (!own.is_empty()).then_some(Value::Array(own))
}

/// A secret as `GenerateSecretString` wants it: a password, or a JSON object with one. The same for the same resource.
fn generated(wanted: &Value, reference: &str) -> Value {
    const LENGTH: usize = 32;
    const LENGTH_MAX: usize = 4096;
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    const PUNCTUATION: &str = "!#$%&()*+,-./:;<=>?@[]^_{|}~";
    let flag = |name: &str| wanted.get(name).and_then(scalar_text).is_some_and(|text| text == "true");
    let left_out = wanted.get("ExcludeCharacters").and_then(Value::as_str).unwrap_or_default();
    let kinds = [
        ("ExcludeLowercase", char::is_ascii_lowercase as fn(&char) -> bool),
        ("ExcludeUppercase", char::is_ascii_uppercase),
        ("ExcludeNumbers", char::is_ascii_digit),
        ("ExcludePunctuation", char::is_ascii_punctuation),
    ];
    let excluded =
        |letter: &char| left_out.contains(*letter) || kinds.iter().any(|(name, is)| is(letter) && flag(name));
    let letters: Vec<char> = LETTERS.chars().chain(PUNCTUATION.chars()).filter(|letter| !excluded(letter)).collect();
    let length = wanted.get("PasswordLength").and_then(scalar_text).and_then(|text| text.parse().ok());
    let length: usize = length.unwrap_or(LENGTH).min(LENGTH_MAX);
    let mut key = Dice::new(0).key("generated secret");
    key.text(reference);
    let mut draw = key.draw();
    let count = letters.len() as u64;
    let drawn = (0..length).filter_map(|_| letters.get(usize::try_from(draw.below(count.max(1))).ok()?));
    let password: String = drawn.collect();
    let text = |name: &str| wanted.get(name).and_then(Value::as_str);
    let Some(key) = text("GenerateStringKey") else { return Value::from(password) };
    let around = text("SecretStringTemplate").and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
    let mut map = around.unwrap_or_default();
    map.insert(key.to_owned(), Value::from(password));
    Value::from(Value::Object(map).to_string())
}

/// The calls that a resource with these properties needs, in the order of the table.
pub(crate) fn due<'k>(kind: &'k ResourceKind, properties: &Value, made: &Made) -> Vec<Due<'k>> {
    let mut all = Vec::new();
    for step in &kind.special.steps {
        let there = |name: &String| match name.as_str() {
            "Tags" => own_tags(properties).is_some(),
            name => properties.get(name).is_some(),
        };
        if !step.when.as_ref().is_none_or(there) {
            continue;
        }
        let mut one = |item: Option<&Value>| {
            let words = Words { properties, item, made };
            let undo = step.undo_input.as_ref().unwrap_or(&step.input);
            all.push(Due { step, input: words.input(step, &step.input), undo_input: words.input(step, undo) });
        };
        match step.each.as_ref().map(|name| properties.get(name)) {
            None => one(None),
            Some(Some(Value::Array(items))) => items.iter().for_each(|item| one(Some(item))),
            Some(Some(item)) => one(Some(item)),
            Some(None) => {}
        }
    }
    all
}

/// Those that are not among others.
pub(crate) fn without<'k>(due: Vec<Due<'k>>, others: &[Due<'_>]) -> Vec<Due<'k>> {
    due.into_iter().filter(|one| !others.contains(one)).collect()
}

impl ServiceResources {
    /// Makes calls; what the last of them says that `Ref` tells.
    pub(crate) async fn take_steps(
        &self,
        place: &Place,
        kind: &ResourceKind,
        due: &[Due<'_>],
        salt: u64,
    ) -> Result<Option<String>, String> {
        let mut reference = None;
        let Some(service) = kind.service else { return Ok(reference) };
        for (at, one) in due.iter().enumerate() {
            let Some(operation) = service.operation(&one.step.call) else { continue };
            let salt = standin_model::words::mix(salt, at as u64);
            match self.call(place, service, operation, filled(service, operation, &one.input), salt).await {
                Ok(output) => {
                    let told = one.step.reference.as_ref().and_then(|member| output.get(member));
                    reference = told.and_then(Document::as_str).map(str::to_owned).or(reference);
                }
                // Called before a crash, or by the template twice.
                Err(error) if exists(&error) => {}
                Err(error) => return Err(reason(service, &error)),
            }
        }
        Ok(reference)
    }

    /// Undoes calls, the last first, but for those that are still wanted.
    pub(crate) async fn undo_steps(
        &self,
        place: &Place,
        kind: &ResourceKind,
        taken: &[Due<'_>],
        wanted: &[Due<'_>],
        salt: u64,
    ) -> Result<(), String> {
        let Some(service) = kind.service else { return Ok(()) };
        for one in taken.iter().rev().filter(|one| !wanted.contains(one)) {
            let undo = one.step.undo.as_ref().and_then(|name| service.operation(name));
            let Some(operation) = undo else { continue };
            match self.call(place, service, operation, filled(service, operation, &one.undo_input), salt).await {
                Ok(_) => {}
                Err(error) if missing(&error) => {}
                Err(error) => return Err(reason(service, &error)),
            }
        }
        Ok(())
    }
}

fn filled(service: &'static Service, operation: &'static Operation, input: &Value) -> standin_model::Fields {
    operation.input.map(|shape| input::fill(service, shape, input, "").fields).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn templates_are_filled_in() {
        let made = Made { reference: "r".to_owned(), attributes: Map::from_iter([("-id".to_owned(), json!("i"))]) };
        let properties = json!({"A": {"b": 1}, "List": [1]});
        let item = json!({"Port": 80});
        let words = Words { properties: &properties, item: Some(&item), made: &made };
        let check = |template: Value, expect: Option<Value>| assert_eq!(words.fill(&template), expect, "{template}");
        check(json!("{prop:A}"), Some(json!({"b": 1})));
        check(json!("{prop:B}"), None);
        check(json!("{ref}/{id}/{name}"), Some(json!("r/i/r")));
        check(json!({"P": ["{item:Port}"], "R": [{"C": "{item:Cidr}"}]}), Some(json!({"P": [80]})));
        check(json!("UPSERT"), Some(json!("UPSERT")));
        check(json!("{secret}"), None);
    }

    #[test]
    fn secrets_are_generated() {
        let wanted = json!({"PasswordLength": 12, "ExcludePunctuation": true, "ExcludeCharacters": "aA0", "ExcludeUppercase": true});
        let password = generated(&wanted, "r");
        let text = password.as_str().unwrap();
        assert_eq!(text.len(), 12);
        assert!(text.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit()), "{text}");
        assert!(!text.contains(['a', '0']), "{text}");
        assert_ne!(password, generated(&wanted, "s"));
        let wanted = json!({"GenerateStringKey": "password", "SecretStringTemplate": "{\"user\": \"u\"}"});
        let secret: Value = serde_json::from_str(generated(&wanted, "r").as_str().unwrap()).unwrap();
        assert_eq!((secret["user"].as_str(), secret["password"].as_str().map(str::len)), (Some("u"), Some(32)));
    }
}
