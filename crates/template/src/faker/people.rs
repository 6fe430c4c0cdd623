//! Names, companies, telephones, and words.

use super::{Failure, Faker, Made};
use crate::Value;

impl Faker<'_> {
    pub(super) fn first_name(&self) -> String {
        let sex = self.text_option("sex").or_else(|| self.first().as_text().cloned());
        self.first_name_of(sex.as_deref())
    }

    fn first_name_of(&self, sex: Option<&str>) -> String {
        let female = match sex {
            Some("female") => true,
            Some("male") => false,
            _ => self.chance(0.5),
        };
        self.word(if female { "person.femaleName" } else { "person.maleName" }).to_owned()
    }

    fn title(&self, sex: Option<&str>) -> &'static str {
        match sex {
            Some("female") => self.word("person.prefixFemale"),
            Some("male") => self.word("person.prefixMale"),
            _ if self.chance(0.5) => self.word("person.prefixFemale"),
            _ => self.word("person.prefixMale"),
        }
    }

    pub(super) fn company(&self) -> String {
        let name = || self.word("person.lastName");
        match self.index(3) {
            0 => format!("{} {}", name(), self.word("company.suffix")),
            1 => format!("{} - {}", name(), name()),
            _ => format!("{}, {} and {}", name(), name(), name()),
        }
    }

    pub(super) fn people(&self, module: &str, method: &str) -> Option<Made> {
        let sex = self.text_option("sex").or_else(|| self.first().as_text().cloned());
        let made: Value = match (module, method) {
            ("person", "firstName") => self.first_name().into(),
            ("person", "fullName") => {
                let first = self.text_option("firstName");
                let first = first.map_or_else(|| self.first_name_of(sex.as_deref()), |name| name.as_ref().to_owned());
                let last = self.text_option("lastName").unwrap_or_else(|| self.word("person.lastName").into());
                match self.index(10) {
                    0 => format!("{} {first} {last}", self.title(sex.as_deref())),
                    1 => format!("{first} {last} {}", self.word("person.suffix")),
                    _ => format!("{first} {last}"),
                }
                .into()
            }
            ("person", "prefix") => self.title(sex.as_deref()).into(),
            ("person", "sexType") => self.word("person.sex").into(),
            ("person", "jobTitle") => format!(
                "{} {} {}",
                self.word("person.jobDescriptor"),
                self.word("person.jobArea"),
                self.word("person.jobType")
            )
            .into(),
            ("person", "bio") => {
                format!("{} {}, {}", self.word("word.noun"), self.word("word.noun"), self.word("internet.emoji")).into()
            }
            ("company", "name") => self.company().into(),
            ("company", "catchPhrase") => format!(
                "{} {} {}",
                self.word("company.catchPhraseAdjective"),
                self.word("company.catchPhraseDescriptor"),
                self.word("company.catchPhraseNoun")
            )
            .into(),
            ("company", "buzzPhrase") => format!(
                "{} {} {}",
                self.word("company.buzzVerb"),
                self.word("company.buzzAdjective"),
                self.word("company.buzzNoun")
            )
            .into(),
            ("phone", "number") => self.telephone().into(),
            ("phone", "imei") => self.card_number("##-######-######-L").into(),
            ("hacker", "phrase") => format!(
                "If we {} the {}, we can get to the {} {} through the {} {} {}!",
                self.word("hacker.verb"),
                self.word("hacker.noun"),
                self.word("hacker.abbreviation"),
                self.word("hacker.noun"),
                self.word("hacker.adjective"),
                self.word("hacker.abbreviation"),
                self.word("hacker.noun"),
            )
            .into(),
            ("food", "description") => format!(
                "A {} plate of {} with {} and {}, seasoned with {}.",
                self.word("food.adjective"),
                self.word("food.meat"),
                self.word("food.vegetable"),
                self.word("food.fruit"),
                self.word("food.spice"),
            )
            .into(),
            ("lorem", _) => return self.lorem(method),
            ("word", _) => return self.words_of(method),
            _ => return None,
        };
        Some(Ok(made))
    }

    fn telephone(&self) -> String {
        let format = match self.text_option("style").as_deref() {
            Some("international") => "+1##########",
            Some("national") => "(###) ###-####",
            _ => self.word("phone.format"),
        };
        // Codes of areas and offices begin with two or more.
        let mut after_digit = format.starts_with('+');
        let mut out = String::new();
        for symbol in format.chars() {
            match symbol {
                '#' if !after_digit => out.push(self.pick(&['2', '3', '4', '5', '6', '7', '8', '9'])),
                '#' => out.push_str(&self.digits(1)),
                other => out.push(other),
            }
            after_digit = symbol == '#' || (after_digit && symbol.is_ascii_digit());
        }
        out
    }

    /// A word of a list, of the length that was asked for where there is one.
    fn sized_word(&self, list: &str) -> Result<String, Failure> {
        let length = match self.first() {
            Value::Object(_) => self.option("length"),
            value => value.clone(),
        };
        let Some(words) = super::WORDS.get(list) else { return Err(Failure::Unknown) };
        let fits = |word: &&str| match &length {
            Value::Number(length) => word.len() as f64 == *length,
            Value::Object(range) => {
                let bound = |name: &str, default: f64| range.get(name).map_or(default, Value::to_number);
                (bound("min", 0.0)..=bound("max", f64::INFINITY)).contains(&(word.len() as f64))
            }
            _ => true,
        };
        let fitting: Vec<&str> = words.iter().copied().filter(fits).collect();
        Ok(self.pick(if fitting.is_empty() { words } else { &fitting }).to_owned())
    }

    fn words_of(&self, method: &str) -> Option<Made> {
        const KINDS: [&str; 7] = ["adjective", "adverb", "conjunction", "interjection", "noun", "preposition", "verb"];
        if KINDS.contains(&method) {
            return Some(self.sized_word(&format!("word.{method}")).map(Value::from));
        }
        let sample = || self.sized_word(&format!("word.{}", self.pick(&KINDS)));
        match method {
            "sample" => Some(sample().map(Value::from)),
            "words" => {
                let count = match self.first() {
                    Value::Object(_) => self.ranged(&self.option("count"), 3.0),
                    value => self.ranged(value, 3.0),
                };
                let count = match count {
                    Ok(_) if self.args.is_empty() => self.int(1.0, 3.0) as usize,
                    Ok(count) => count,
                    Err(failure) => return Some(Err(failure)),
                };
                let words: Vec<&str> = (0..count).map(|_| self.word(&format!("word.{}", self.pick(&KINDS)))).collect();
                Some(Ok(words.join(" ").into()))
            }
            _ => None,
        }
    }

    fn lorem_words(&self, count: usize) -> String {
        (0..count).map(|_| self.word("lorem.word")).collect::<Vec<_>>().join(" ")
    }

    /// A sentence of that many words.
    pub(crate) fn sentence(&self, count: usize) -> String {
        let words = self.lorem_words(count);
        let (first, rest) = words.split_at(words.chars().next().map_or(0, char::len_utf8));
        format!("{}{rest}.", first.to_uppercase())
    }

    fn sentences(&self, count: usize, separator: &str) -> String {
        let sentence = |_| self.sentence(self.int(3.0, 10.0) as usize);
        (0..count).map(sentence).collect::<Vec<_>>().join(separator)
    }

    fn lorem(&self, method: &str) -> Option<Made> {
        let separator = self.args.get(1).and_then(Value::as_text);
        let count = |default: f64| match self.first() {
            Value::Undefined => Ok(default as usize),
            value => self.ranged(value, default).map(|count| count.min(10_000)),
        };
        let between = |min: f64, max: f64| match self.first() {
            Value::Undefined => Ok(self.int(min, max) as usize),
            value => self.ranged(value, min).map(|count| count.min(10_000)),
        };
        let paragraphs = |count: usize, separator: &str| {
            (0..count).map(|_| self.sentences(3, " ")).collect::<Vec<_>>().join(separator)
        };
        Some(match method {
            "word" => self.sized_word("lorem.word").map(Value::from),
            "words" => count(3.0).map(|count| self.lorem_words(count).into()),
            "sentence" => between(3.0, 10.0).map(|count| self.sentence(count).into()),
            "slug" => count(3.0).map(|count| self.lorem_words(count).replace(' ', "-").into()),
            "sentences" => {
                between(2.0, 6.0).map(|count| self.sentences(count, separator.map_or(" ", |text| text)).into())
            }
            "paragraph" => count(3.0).map(|count| self.sentences(count, " ").into()),
            "paragraphs" => count(3.0).map(|count| paragraphs(count, separator.map_or("\n", |text| text)).into()),
            "lines" => between(1.0, 5.0).map(|count| self.sentences(count, "\n").into()),
            "text" => Ok(match self.index(4) {
                0 => self.sentence(self.int(3.0, 10.0) as usize),
                1 => self.sentences(self.int(2.0, 6.0) as usize, " "),
                2 => self.sentences(3, " "),
                _ => self.sentences(self.int(1.0, 5.0) as usize, "\n"),
            }
            .into()),
            _ => return None,
        })
    }
}
