//! Choices from what the caller gives, and texts by patterns.

use super::code::{DIGITS, LOWER, UPPER};
use super::{Failure, Faker, LENGTH_MAX, Made};
use crate::{Value, number};

impl Faker<'_> {
    pub(super) fn helpers(&self, method: &str) -> Option<Made> {
        let second = self.args.get(1).cloned().unwrap_or_default();
        let items = || match self.first() {
            Value::List(list) => Ok(list.items().to_vec()),
            Value::Text(text) => Ok(text.chars().map(|letter| Value::text(letter.to_string())).collect()),
            _ => Err(Failure::Arguments),
        };
        let text = |default: &str| self.first().as_text().map_or(default.to_owned(), |text| text.as_ref().to_owned());
        let entry = || match self.first() {
            Value::Object(object) if !object.is_empty() => {
                let entries = object.entries();
                let (name, value) = entries[self.index(entries.len())];
                Ok((Value::Text(name.clone()), value.clone()))
            }
            _ => Err(Failure::Arguments),
        };
        Some(match method {
            "arrayElement" => items().and_then(|items| match items.as_slice() {
                [] => Err(Failure::Arguments),
                items => Ok(items[self.index(items.len())].clone()),
            }),
            "arrayElements" => items().and_then(|items| {
                if items.is_empty() {
                    return Ok(Value::list(items));
                }
                let count = match second {
                    Value::Undefined => self.int(1.0, items.len() as f64) as usize,
                    range => self.ranged(&range, 1.0)?,
                };
                if count >= items.len() {
                    return Ok(Value::list(self.shuffled(items)));
                }
                let mut items = items;
                let kept = items.len() - count;
                for last in (kept..items.len()).rev() {
                    items.swap(self.int(0.0, last as f64) as usize, last);
                }
                Ok(Value::list(items.split_off(kept)))
            }),
            "shuffle" => items().map(|items| Value::list(self.shuffled(items))),
            "uniqueArray" => items().and_then(|items| {
                let mut kept: Vec<Value> = Vec::new();
                for item in items.into_iter().take(10_000) {
                    if !kept.iter().any(|known| known.same(&item)) {
                        kept.push(item);
                    }
                }
                let count = self.ranged(&second, 0.0)?;
                let mut kept = self.shuffled(kept);
                kept.truncate(count);
                Ok(Value::list(kept))
            }),
            "weightedArrayElement" => items().and_then(|items| {
                let weights: Vec<f64> = items.iter().map(|item| item.get("weight").to_number()).collect();
                if items.is_empty() || weights.iter().any(|weight| weight.is_nan() || *weight <= 0.0) {
                    return Err(Failure::Arguments);
                }
                let mut left = self.random.faker() * weights.iter().sum::<f64>();
                let found = weights.iter().position(|weight| {
                    left -= weight;
                    left < 0.0
                });
                Ok(items[found.unwrap_or(items.len() - 1)].get("value"))
            }),
            "objectKey" => entry().map(|(name, _)| name),
            "objectValue" | "enumValue" => entry().map(|(_, value)| value),
            "objectEntry" => entry().map(|(name, value)| Value::list(vec![name, value])),
            "rangeToNumber" => match self.first() {
                Value::Number(number) => Ok(Value::Number(*number)),
                _ => self
                    .whole(self.number_option("min", 0.0), self.number_option("max", 9_007_199_254_740_991.0), 1.0)
                    .map(Value::Number),
            },
            "slugify" => Ok(super::web::slug(&text("")).into()),
            "replaceSymbols" => Ok(self.symbols(&text("")).into()),
            "replaceCreditCardSymbols" => Ok(self.card_number(&text("6453-####-####-####-###L")).into()),
            "fromRegExp" => self.matching(&text("")),
            "fake" => self.fake(&text("")),
            "mustache" => {
                let mut out = text("");
                if let Value::Object(values) = &second {
                    for (name, value) in values.entries() {
                        if let Some(value) = value.as_text() {
                            out = out.replace(&format!("{{{{{name}}}}}"), value);
                        }
                        if out.len() as f64 > LENGTH_MAX {
                            return Some(Err(Failure::Arguments));
                        }
                    }
                }
                Ok(out.into())
            }
            "maybe" | "multiple" => Err(Failure::Arguments),
            _ => return None,
        })
    }

    fn shuffled(&self, mut items: Vec<Value>) -> Vec<Value> {
        for at in (1..items.len()).rev() {
            items.swap(at, self.int(0.0, at as f64) as usize);
        }
        items
    }

    /// A text with the names of methods in double braces.
    fn fake(&self, pattern: &str) -> Made {
        let mut out = String::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else { break };
            out.push_str(before);
            let inner = Faker { args: Vec::new(), random: self.random, now: self.now, zone: self.zone };
            let name = name.split('(').next().unwrap_or_default().trim();
            if name == "helpers.fake" {
                return Err(Failure::Arguments);
            }
            let made = inner.make(name).map_err(|_| Failure::Arguments)?;
            let printer = crate::print::Printer { zone: self.zone, limit: LENGTH_MAX as usize };
            printer.text(&made, &mut out).map_err(|_| Failure::Arguments)?;
            rest = after;
        }
        out.push_str(rest);
        Ok(out.into())
    }

    /// A text that a simple regular expression matches: characters, classes in brackets, `.`, and how often.
    fn matching(&self, pattern: &str) -> Made {
        let symbols: Vec<char> = pattern.trim_start_matches('/').trim_end_matches('/').chars().collect();
        let mut out = String::new();
        let mut at = 0;
        while at < symbols.len() {
            let set: Vec<char> = match symbols[at] {
                '[' => {
                    let Some(end) = symbols[at..].iter().position(|symbol| *symbol == ']').map(|end| at + end) else {
                        return Err(Failure::Arguments);
                    };
                    let set = class(&symbols[at + 1..end])?;
                    at = end + 1;
                    set
                }
                '.' => {
                    at += 1;
                    [DIGITS, LOWER, UPPER].concat().chars().collect()
                }
                symbol => {
                    at += 1;
                    vec![symbol]
                }
            };
            let count = match symbols.get(at) {
                Some('?') => self.int(0.0, 1.0),
                Some('*') => self.int(0.0, 10.0),
                Some('+') => self.int(1.0, 10.0),
                Some('{') => {
                    let Some(end) = symbols[at..].iter().position(|symbol| *symbol == '}').map(|end| at + end) else {
                        return Err(Failure::Arguments);
                    };
                    let range: String = symbols[at + 1..end].iter().collect();
                    at = end;
                    let (min, max) = range.split_once(',').unwrap_or((&range, &range));
                    let (min, max) = (number::parse(min), number::parse(max));
                    if min.is_nan() || max.is_nan() || min > max || max > LENGTH_MAX {
                        return Err(Failure::Arguments);
                    }
                    self.int(min, max)
                }
                _ => {
                    at -= 1;
                    1.0
                }
            };
            at += 1;
            if set.is_empty() || out.len() as f64 + count > LENGTH_MAX {
                return Err(Failure::Arguments);
            }
            out.extend((0..count as usize).map(|_| self.pick(&set)));
        }
        Ok(out.into())
    }

    /// Fills `#` with digits and `L` with the digit that makes the sum of Luhn right. `[4-6]` is one digit of a range.
    pub(super) fn card_number(&self, format: &str) -> String {
        let mut filled = String::new();
        let mut rest = format.chars();
        while let Some(symbol) = rest.next() {
            match symbol {
                '[' => {
                    let range: String = rest.by_ref().take_while(|symbol| *symbol != ']').collect();
                    let (min, max) = range.split_once('-').unwrap_or((&range, &range));
                    let (min, max) = (number::parse(min), number::parse(max));
                    if min <= max {
                        filled.push_str(&number::print(self.int(min, max)));
                    }
                }
                '#' => filled.push_str(&number::print(self.int(0.0, 9.0))),
                other => filled.push(other),
            }
        }
        let sum: u32 = filled
            .chars()
            .filter(|symbol| symbol.is_ascii_digit() || *symbol == 'L')
            .rev()
            .enumerate()
            .map(|(place, symbol)| {
                let digit = symbol.to_digit(10).unwrap_or(0);
                let doubled = if place % 2 == 1 { digit * 2 } else { digit };
                if doubled > 9 { doubled - 9 } else { doubled }
            })
            .fold(0, |sum, digit| (sum + digit) % 10);
        filled.replace('L', &((10 - sum) % 10).to_string())
    }
}

/// The characters of a class, of digits and letters where it is negated.
fn class(symbols: &[char]) -> Result<Vec<char>, Failure> {
    let (negated, symbols) = match symbols.split_first() {
        Some(('^', rest)) => (true, rest),
        _ => (false, symbols),
    };
    let mut set = Vec::new();
    let mut at = 0;
    while at < symbols.len() {
        match symbols.get(at..at + 3) {
            Some([from, '-', to]) => {
                if from > to || u32::from(*to) - u32::from(*from) > 1_000 {
                    return Err(Failure::Arguments);
                }
                set.extend(*from..=*to);
                at += 3;
            }
            _ => {
                set.push(symbols[at]);
                at += 1;
            }
        }
    }
    if negated {
        return Ok([DIGITS, UPPER, LOWER].concat().chars().filter(|symbol| !set.contains(symbol)).collect());
    }
    Ok(set)
}
