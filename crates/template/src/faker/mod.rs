//! Made-up data by the names that faker has for it.
//!
//! Numbers, texts of random characters and dates draw as faker 9.9 does, so that the same seed gives the same values.
//! Words come from lists of our own.

mod choice;
mod code;
mod people;
mod places;
mod things;
mod web;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use jiff::tz::TimeZone;

use crate::{Random, Value, date};

/// Why there is no value.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No method has that name.
    Unknown,
    /// The method cannot do what its arguments say; Mockoon prints nothing then.
    Arguments,
}

type Made = Result<Value, Failure>;

/// Longer texts and lists are refused.
const LENGTH_MAX: f64 = 1_000_000.0;

/// What a method may look at.
pub(crate) struct Faker<'f> {
    pub(crate) random: &'f Random,
    /// Milliseconds since 1970.
    pub(crate) now: f64,
    pub(crate) zone: &'f TimeZone,
    pub(crate) args: Vec<Value>,
}

static WORDS: LazyLock<HashMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    let lines = include_str!("words.tsv").lines();
    lines.filter_map(|line| line.split_once('\t')).map(|(name, words)| (name, words.split('|').collect())).collect()
});

/// A whole number from `min` to `max`, both included, as faker draws it.
pub(crate) fn int(random: &Random, min: f64, max: f64) -> f64 {
    let (min, max) = (min.ceil(), max.floor());
    if min == max { min } else { (random.faker() * (max - min + 1.0) + min).floor() }
}

impl Faker<'_> {
    /// What a method gives.
    pub(crate) fn make(&self, name: &str) -> Made {
        let (module, method) = name.split_once('.').ok_or(Failure::Unknown)?;
        let made = match module {
            "number" | "string" | "datatype" | "date" | "helpers" | "color" | "git" | "database" => {
                self.code(module, method)
            }
            "person" | "company" | "phone" | "lorem" | "word" | "hacker" | "food" => self.people(module, method),
            "location" | "airline" | "vehicle" | "system" => self.places(module, method),
            "internet" | "image" => self.web(module, method),
            "finance" | "commerce" => self.things(module, method),
            _ => None,
        };
        if let Some(made) = made {
            return made;
        }
        if HIDDEN.contains(&name) {
            return Err(Failure::Unknown);
        }
        self.listed(name)
    }

    /// One of the words of a list, or one of its objects.
    fn listed(&self, name: &str) -> Made {
        let words = WORDS.get(name).ok_or(Failure::Unknown)?;
        let word = words[self.index(words.len())];
        Ok(match word.starts_with('{') {
            true => Value::from_json_text(word).unwrap_or_default(),
            false => Value::text(word),
        })
    }

    /// One of the words of a list.
    fn word(&self, name: &str) -> &'static str {
        WORDS.get(name).map_or("", |words| self.pick(words))
    }

    fn int(&self, min: f64, max: f64) -> f64 {
        int(self.random, min, max)
    }

    /// A place in a list of that length. No draw where there is no choice.
    fn index(&self, length: usize) -> usize {
        if length > 1 { self.int(0.0, length as f64 - 1.0) as usize } else { 0 }
    }

    fn pick<T: Copy>(&self, items: &[T]) -> T {
        items[self.index(items.len())]
    }

    fn chance(&self, probability: f64) -> bool {
        if probability <= 0.0 || probability >= 1.0 { probability >= 1.0 } else { self.random.faker() < probability }
    }

    /// Characters of a set.
    fn characters(&self, set: &str, count: usize) -> String {
        let set: Vec<char> = set.chars().collect();
        (0..count).map(|_| self.pick(&set)).collect()
    }

    fn digits(&self, count: usize) -> String {
        self.characters("0123456789", count)
    }

    fn hex(&self, count: usize) -> String {
        // faker picks from both cases and lowers what it picked.
        self.characters("0123456789abcdefABCDEF", count).to_lowercase()
    }

    /// Puts digits for `#` and capital letters for `?`.
    fn symbols(&self, format: &str) -> String {
        let letters: Vec<char> = ('A'..='Z').collect();
        let digit = || char::from_digit(self.int(0.0, 9.0) as u32, 10).unwrap_or('0');
        format
            .chars()
            .map(|symbol| match symbol {
                '#' => digit(),
                '?' => self.pick(&letters),
                '*' if self.chance(0.5) => self.pick(&letters),
                '*' => digit(),
                other => other,
            })
            .collect()
    }

    fn first(&self) -> &Value {
        self.args.first().unwrap_or(&Value::Undefined)
    }

    /// A named option, given in an object.
    fn option(&self, name: &str) -> Value {
        match self.first() {
            Value::Object(object) => object.get(name).cloned().unwrap_or_default(),
            _ => Value::Undefined,
        }
    }

    fn number_option(&self, name: &str, default: f64) -> f64 {
        match self.option(name) {
            Value::Undefined => default,
            value => value.to_number(),
        }
    }

    fn text_option(&self, name: &str) -> Option<Arc<str>> {
        self.option(name).as_text().cloned()
    }

    fn flag_option(&self, name: &str, default: bool) -> bool {
        match self.option(name) {
            Value::Undefined => default,
            value => value.is_truthy(),
        }
    }

    /// A number, or one from a range that an object gives.
    fn ranged(&self, value: &Value, default: f64) -> Result<usize, Failure> {
        let number = match value {
            Value::Undefined => default,
            Value::Object(range) => {
                let bound = |name: &str, default: f64| range.get(name).map_or(default, Value::to_number);
                let (min, max) = (bound("min", 0.0), bound("max", 9_007_199_254_740_991.0));
                if min > max || max.is_nan() || min.is_nan() {
                    return Err(Failure::Arguments);
                }
                self.int(min, max)
            }
            value => value.to_number(),
        };
        if number > LENGTH_MAX || number.is_nan() {
            return Err(Failure::Arguments);
        }
        Ok(number.max(0.0) as usize)
    }

    /// A length: the first argument itself, or its option.
    fn length(&self, default: f64) -> Result<usize, Failure> {
        match self.first() {
            Value::Object(_) => self.ranged(&self.option("length"), default),
            Value::Number(_) => self.ranged(self.first(), default),
            _ => self.ranged(&Value::Undefined, default),
        }
    }

    /// The instant that a date given as text, number or date means.
    fn instant(&self, value: &Value, default: f64) -> Result<f64, Failure> {
        let millis = match value {
            Value::Undefined => default,
            Value::Text(text) | Value::Safe(text) => date::parse::parse(text, self.zone),
            Value::Date(millis) | Value::Number(millis) => *millis,
            _ => f64::NAN,
        };
        if millis.is_nan() || millis.abs() > 8.64e15 { Err(Failure::Arguments) } else { Ok(millis) }
    }
}

/// Lists that only serve other methods.
const HIDDEN: &[&str] = &[
    "company.suffix",
    "finance.accountType",
    "internet.exampleProvider",
    "internet.freeProvider",
    "location.stateAbbreviation",
    "location.streetSuffix",
    "person.femaleName",
    "person.maleName",
    "person.prefixFemale",
    "person.prefixMale",
    "phone.format",
];
