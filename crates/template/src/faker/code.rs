//! Numbers, characters, dates, colors and what else machines make.

use super::{Failure, Faker, Made};
use crate::date::Parts;
use crate::{Value, number};

pub(super) const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
pub(super) const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
pub(super) const DIGITS: &str = "0123456789";
const DAY: f64 = 86_400_000.0;

impl Faker<'_> {
    pub(super) fn code(&self, module: &str, method: &str) -> Option<Made> {
        match module {
            "number" => self.number(method),
            "string" => self.string(method),
            "datatype" => (method == "boolean").then(|| {
                let given = match self.first() {
                    Value::Number(probability) => *probability,
                    _ => self.number_option("probability", 0.5),
                };
                Ok(Value::Bool(self.chance(given)))
            }),
            "date" => self.date(method),
            "color" => self.color(method),
            "git" => self.git(method),
            "database" => (method == "mongodbObjectId").then(|| Ok(self.hex(24).into())),
            "helpers" => self.helpers(method),
            _ => None,
        }
    }

    fn number(&self, method: &str) -> Option<Made> {
        let in_base = |max: f64, print: fn(u64) -> String| {
            let value = self.whole(self.number_option("min", 0.0), self.max(max), 1.0)?;
            Ok(print(value.abs() as u64).into())
        };
        Some(match method {
            "int" => {
                let step = self.number_option("multipleOf", 1.0);
                if step.fract() != 0.0 || step <= 0.0 || step.is_nan() {
                    return Some(Err(Failure::Arguments));
                }
                self.whole(self.number_option("min", 0.0), self.max(9_007_199_254_740_991.0), step).map(Value::Number)
            }
            "float" => self.float(),
            "binary" => in_base(1.0, |value| format!("{value:b}")),
            "octal" => in_base(7.0, |value| format!("{value:o}")),
            "hex" => in_base(15.0, |value| format!("{value:x}")),
            "bigInt" => {
                self.whole(self.number_option("min", 0.0), self.max(999_999_999_999_999.0), 1.0).map(Value::Number)
            }
            "romanNumeral" => {
                let (min, max) = (self.number_option("min", 1.0), self.max(3_999.0));
                if min < 1.0 || max > 3_999.0 {
                    return Some(Err(Failure::Arguments));
                }
                self.whole(min, max, 1.0).map(|value| roman(value as u32).into())
            }
            _ => return None,
        })
    }

    /// The first argument, or the option of that name.
    fn max(&self, default: f64) -> f64 {
        match self.first() {
            Value::Number(max) => *max,
            _ => self.number_option("max", default),
        }
    }

    pub(super) fn whole(&self, min: f64, max: f64, step: f64) -> Result<f64, Failure> {
        let (low, high) = ((min / step).ceil(), (max / step).floor());
        if low == high {
            return Ok(low * step);
        }
        if high < low || low.is_nan() || high.is_nan() {
            return Err(Failure::Arguments);
        }
        Ok((self.random.faker() * (high - low + 1.0) + low).floor() * step)
    }

    fn float(&self) -> Made {
        let (min, max) = (self.number_option("min", 0.0), self.max(1.0));
        let digits = self.option("fractionDigits");
        let step = match (self.option("multipleOf"), &digits) {
            (Value::Undefined, Value::Undefined) => None,
            (Value::Undefined, digits) => Some(10_f64.powf(-digits.to_number())),
            (step, Value::Undefined) => Some(step.to_number()),
            _ => return Err(Failure::Arguments),
        };
        if max < min || digits.to_number() < 0.0 || step.is_some_and(|step| step <= 0.0 || step.is_nan()) {
            return Err(Failure::Arguments);
        }
        let Some(step) = step else { return Ok(Value::Number(self.random.faker() * (max - min) + min)) };
        Ok(Value::Number(self.stepped(min, max, step)?))
    }

    fn stepped(&self, min: f64, max: f64, step: f64) -> Result<f64, Failure> {
        let power = step.log10();
        let factor = if step < 1.0 && power.fract() == 0.0 { 10_f64.powf(-power) } else { 1.0 / step };
        Ok(self.whole(min * factor, max * factor, 1.0)? / factor)
    }

    /// A number with that many digits after the point.
    pub(super) fn rounded(&self, min: f64, max: f64, digits: usize) -> Result<f64, Failure> {
        self.stepped(min, max, 10_f64.powi(-i32::try_from(digits).unwrap_or(0)))
    }

    /// Characters of a set, less those that the caller excludes.
    pub(super) fn letters(&self, with_digits: bool, casing: &str, exclude: &str, count: usize) -> Made {
        let sets = match casing {
            "upper" => vec![UPPER],
            "lower" => vec![LOWER],
            _ => vec![LOWER, UPPER],
        };
        let digits = if with_digits { DIGITS } else { "" };
        let set: String =
            std::iter::once(digits).chain(sets).flat_map(str::chars).filter(|kept| !exclude.contains(*kept)).collect();
        if set.is_empty() && count > 0 {
            return Err(Failure::Arguments);
        }
        Ok(self.characters(&set, count).into())
    }

    fn excluded(&self) -> String {
        match self.option("exclude") {
            Value::List(list) => list.items().iter().filter_map(Value::as_text).map(|text| &**text).collect(),
            value => value.as_text().map_or(String::new(), |text| text.as_ref().to_owned()),
        }
    }

    fn string(&self, method: &str) -> Option<Made> {
        let casing = self.text_option("casing").unwrap_or_else(|| "mixed".into());
        let prefixed = |prefix: &str, set: &str| {
            let prefix = self.text_option("prefix").map_or(prefix.to_owned(), |prefix| prefix.as_ref().to_owned());
            Ok((prefix + &self.characters(set, self.ranged(&self.option("length"), 1.0)?)).into())
        };
        let made = match method {
            "alpha" | "alphanumeric" => self
                .length(1.0)
                .and_then(|count| self.letters(method == "alphanumeric", &casing, &self.excluded(), count)),
            "binary" => prefixed("0b", "01"),
            "octal" => prefixed("0o", "01234567"),
            "hexadecimal" => prefixed("0x", "0123456789abcdefABCDEF").map(|made| match (&*casing, made.as_text()) {
                ("lower", Some(text)) => text.to_lowercase().into(),
                ("upper", Some(text)) => text.to_uppercase().replacen("0X", "0x", 1).into(),
                _ => made,
            }),
            "numeric" => self.numeric(),
            "sample" => self
                .ranged(self.first(), 10.0)
                .map(|count| (0..count).map(|_| self.int(33.0, 125.0) as u8 as char).collect::<String>().into()),
            "symbol" => self
                .ranged(self.first(), 1.0)
                .map(|count| self.characters("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", count).into()),
            "fromCharacters" => {
                let set: String = match self.first() {
                    Value::List(list) => list.items().iter().filter_map(Value::as_text).map(|text| &**text).collect(),
                    value => value.as_text().map_or(String::new(), |text| text.as_ref().to_owned()),
                };
                let count = self.ranged(self.args.get(1).unwrap_or(&Value::Undefined), 1.0);
                match count {
                    Ok(count) if count > 0 && set.is_empty() => Err(Failure::Arguments),
                    count => count.map(|count| self.characters(&set, count).into()),
                }
            }
            "uuid" => Ok(self.uuid().into()),
            "nanoid" => self.ranged(self.first(), 21.0).map(|count| {
                let one = || {
                    // Two of 64 draws are no letter or digit.
                    let set = if self.random.faker() * 64.0 < 62.0 {
                        [DIGITS, LOWER, UPPER].concat()
                    } else {
                        "_-".to_owned()
                    };
                    self.characters(&set, 1)
                };
                (0..count).map(|_| one()).collect::<String>().into()
            }),
            "ulid" => self.instant(&self.option("refDate"), self.now).map(|millis| self.ulid(millis).into()),
            _ => return None,
        };
        Some(made)
    }

    fn numeric(&self) -> Made {
        let count = self.length(1.0)?;
        let excluded = self.excluded();
        let set: String = DIGITS.chars().filter(|digit| !excluded.contains(*digit)).collect();
        let leading = self.flag_option("allowLeadingZeros", true);
        if set.is_empty() || (set == "0" && !leading) {
            return Err(Failure::Arguments);
        }
        if leading || excluded.contains('0') || count == 0 {
            return Ok(self.characters(&set, count).into());
        }
        Ok((self.characters(&set.replace('0', ""), 1) + &self.characters(&set, count - 1)).into())
    }

    pub(super) fn uuid(&self) -> String {
        // The variant is drawn after all other digits.
        let digits: Vec<char> = (0..30).filter_map(|_| char::from_digit(self.int(0.0, 15.0) as u32, 16)).collect();
        let variant = char::from_digit(self.int(8.0, 11.0) as u32, 16).unwrap_or('8');
        let mut digits = digits.into_iter();
        let digit = |symbol| match symbol {
            'x' => digits.next().unwrap_or('0'),
            'y' => variant,
            other => other,
        };
        "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx".chars().map(digit).collect()
    }

    fn ulid(&self, millis: f64) -> String {
        const SET: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let symbols: Vec<char> = SET.chars().collect();
        let mut time = millis.max(0.0) as u64;
        let mut head = ['0'; 10];
        for symbol in head.iter_mut().rev() {
            *symbol = symbols[(time % 32) as usize];
            time /= 32;
        }
        head.iter().collect::<String>() + &self.characters(SET, 16)
    }

    fn date(&self, method: &str) -> Option<Made> {
        let reference = self.instant(&self.option("refDate"), self.now);
        let reference = match reference {
            Ok(millis) => millis,
            Err(failure) => return Some(Err(failure)),
        };
        let span = |option: &str, unit: f64| {
            let count = self.number_option(option, 1.0);
            if count <= 0.0 || count.is_nan() { Err(Failure::Arguments) } else { Ok(count * unit) }
        };
        Some(match method {
            "anytime" => self.between(reference - 365.0 * DAY, reference + 365.0 * DAY),
            "past" => span("years", 365.0 * DAY).and_then(|ago| self.between(reference - ago, reference - 1_000.0)),
            "future" => span("years", 365.0 * DAY).and_then(|in_| self.between(reference + 1_000.0, reference + in_)),
            "recent" => span("days", DAY).and_then(|ago| self.between(reference - ago, reference - 1_000.0)),
            "soon" => span("days", DAY).and_then(|in_| self.between(reference + 1_000.0, reference + in_)),
            "between" => self.bounds().and_then(|(from, to)| self.between(from, to)),
            "betweens" => self.betweens(),
            "birthdate" => self.birthdate(reference),
            "month" => Ok(self.calendar_word(&[
                "April",
                "August",
                "December",
                "February",
                "January",
                "July",
                "June",
                "March",
                "May",
                "November",
                "October",
                "September",
            ])),
            "weekday" => {
                Ok(self.calendar_word(&["Friday", "Monday", "Saturday", "Sunday", "Thursday", "Tuesday", "Wednesday"]))
            }
            _ => return None,
        })
    }

    fn calendar_word(&self, words: &[&str]) -> Value {
        let word = self.pick(words);
        Value::text(if self.flag_option("abbreviated", false) { &word[..3] } else { word })
    }

    fn between(&self, from: f64, to: f64) -> Made {
        self.whole(from, to, 1.0).map(Value::Date)
    }

    fn bounds(&self) -> Result<(f64, f64), Failure> {
        let (from, to) = (self.option("from"), self.option("to"));
        if from.is_nullish() || to.is_nullish() {
            return Err(Failure::Arguments);
        }
        Ok((self.instant(&from, f64::NAN)?, self.instant(&to, f64::NAN)?))
    }

    fn betweens(&self) -> Made {
        let (from, to) = self.bounds()?;
        let count = self.ranged(&self.option("count"), 3.0)?;
        let mut dates = (0..count).map(|_| self.whole(from, to, 1.0)).collect::<Result<Vec<f64>, Failure>>()?;
        dates.sort_by(f64::total_cmp);
        Ok(Value::list(dates.into_iter().map(Value::Date).collect()))
    }

    fn birthdate(&self, reference: f64) -> Made {
        let (min, max) = (self.number_option("min", 18.0), self.number_option("max", 80.0));
        let in_year = |change: &dyn Fn(f64) -> f64| {
            let utc = jiff::tz::TimeZone::UTC;
            Parts::of(reference, &utc).map_or(f64::NAN, |parts| Parts { year: change(parts.year), ..parts }.utc())
        };
        if self.text_option("mode").is_some_and(|mode| &*mode == "year") {
            return self.between(Parts::date(min, 0.0, 2.0).utc(), Parts::date(max, 11.0, 30.0).utc());
        }
        self.between(in_year(&|year| year - max - 1.0) + DAY, in_year(&|year| year - min))
    }

    fn color(&self, method: &str) -> Option<Made> {
        let fraction = |min: f64, max: f64, digits: usize| self.rounded(min, max, digits).unwrap_or(min);
        let numbers = |numbers: Vec<f64>| Ok(Value::list(numbers.into_iter().map(Value::Number).collect()));
        let css = self.text_option("format").is_some_and(|format| &*format == "css");
        let percent = |share: f64| number::print((share * 100.0).round());
        Some(match method {
            "rgb" => {
                let alpha = self.flag_option("includeAlpha", false);
                let format = self.text_option("format").unwrap_or_else(|| "hex".into());
                if &*format == "hex" {
                    let prefix = self.text_option("prefix").unwrap_or_else(|| "#".into());
                    let digits = self.characters("0123456789abcdefABCDEF", if alpha { 8 } else { 6 });
                    let digits = match self.text_option("casing").as_deref() {
                        Some("upper") => digits.to_uppercase(),
                        Some("mixed") => digits,
                        _ => digits.to_lowercase(),
                    };
                    return Some(Ok(format!("{prefix}{digits}").into()));
                }
                let mut parts: Vec<f64> = (0..3).map(|_| self.int(0.0, 255.0)).collect();
                if alpha {
                    parts.push(fraction(0.0, 1.0, 2));
                }
                if css {
                    let parts: Vec<String> = parts.into_iter().map(number::print).collect();
                    Ok(format!("rgb{}({})", if alpha { "a" } else { "" }, parts.join(", ")).into())
                } else {
                    numbers(parts)
                }
            }
            "cmyk" => {
                let parts: Vec<f64> = (0..4).map(|_| fraction(0.0, 1.0, 2)).collect();
                if css {
                    let parts: Vec<String> = parts.into_iter().map(|part| percent(part) + "%").collect();
                    Ok(format!("cmyk({})", parts.join(", ")).into())
                } else {
                    numbers(parts)
                }
            }
            "hsl" | "hwb" => {
                let mut parts = vec![self.int(0.0, 360.0), fraction(0.0, 1.0, 2), fraction(0.0, 1.0, 2)];
                if method == "hsl" && self.flag_option("includeAlpha", false) {
                    parts.push(fraction(0.0, 1.0, 2));
                }
                if css {
                    let degrees = if method == "hsl" { "deg" } else { "" };
                    let alpha = parts.get(3).map_or(String::new(), |alpha| format!(" / {}", percent(*alpha)));
                    let (hue, second, third) = (number::print(parts[0]), percent(parts[1]), percent(parts[2]));
                    Ok(format!("{method}({hue}{degrees} {second}% {third}%{alpha})").into())
                } else {
                    numbers(parts)
                }
            }
            "lab" => {
                let light = fraction(0.0, 1.0, 6);
                numbers(vec![light, fraction(-100.0, 100.0, 4), fraction(-100.0, 100.0, 4)])
            }
            "lch" => {
                let light = fraction(0.0, 1.0, 6);
                numbers(vec![light, fraction(0.0, 230.0, 1), fraction(0.0, 230.0, 1)])
            }
            "colorByCSSColorSpace" => numbers((0..3).map(|_| fraction(0.0, 1.0, 4)).collect()),
            _ => return None,
        })
    }

    fn git(&self, method: &str) -> Option<Made> {
        Some(Ok(match method {
            "commitSha" => {
                return Some(self.ranged(&self.option("length"), 40.0).map(|count| self.hex(count).into()));
            }
            "branch" => {
                let noun = self.word("hacker.noun").replace(' ', "-");
                format!("{noun}-{}", self.word("hacker.verb").replace(' ', "-")).into()
            }
            "commitMessage" => {
                format!("{} {} {}", self.word("hacker.verb"), self.word("hacker.adjective"), self.word("hacker.noun"))
                    .into()
            }
            "commitDate" => {
                let millis = self.whole(self.now - DAY, self.now - 1_000.0, 1.0).unwrap_or(self.now);
                let hours = self.int(-11.0, 12.0) as i64;
                let text = crate::date::format::format(millis, "EEE MMM d HH:mm:ss yyyy", &jiff::tz::TimeZone::UTC);
                let sign = if hours < 0 { '-' } else { '+' };
                format!("{} {sign}{:02}00", text.unwrap_or_default(), hours.abs()).into()
            }
            "commitEntry" => {
                let (first, last) = (self.first_name(), self.word("person.lastName"));
                format!(
                    "commit {}\r\nAuthor: {first} {last} <{}>\r\nDate: {}\r\n\r\n    {} {} {}\r\n",
                    self.hex(40),
                    self.email_of(&first, last),
                    crate::print::iso(self.now).unwrap_or_default(),
                    self.word("hacker.verb"),
                    self.word("hacker.adjective"),
                    self.word("hacker.noun"),
                )
                .into()
            }
            _ => return None,
        }))
    }
}

fn roman(number: u32) -> String {
    const SYMBOLS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut left = number;
    let mut out = String::new();
    for (value, symbol) in SYMBOLS {
        while left >= value {
            out.push_str(symbol);
            left -= value;
        }
    }
    out
}
