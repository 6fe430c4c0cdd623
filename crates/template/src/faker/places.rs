//! Places, and what moves or is stored there.

use super::{Faker, Made};
use crate::{Value, number};

impl Faker<'_> {
    pub(super) fn places(&self, module: &str, method: &str) -> Option<Made> {
        match module {
            "location" => self.location(method),
            "airline" => self.airline(method),
            "vehicle" => self.vehicle(method),
            "system" => self.system(method),
            _ => None,
        }
    }

    /// A number without a zero in front.
    fn whole_digits(&self, count: usize) -> String {
        self.characters("123456789", count.min(1)) + &self.digits(count.saturating_sub(1))
    }

    fn street(&self) -> String {
        let name = if self.chance(0.5) { self.word("person.lastName").to_owned() } else { self.first_name() };
        format!("{name} {}", self.word("location.streetSuffix"))
    }

    fn secondary(&self) -> String {
        let kind = self.pick(&["Apt.", "Suite"]);
        format!("{kind} {}", self.whole_digits(3))
    }

    fn location(&self, method: &str) -> Option<Made> {
        let abbreviated = self.flag_option("abbreviated", false);
        let given = self.first().as_text().cloned();
        let coordinate = |limit: f64| {
            let (min, max) = (self.number_option("min", -limit), self.number_option("max", limit));
            self.rounded(min, max, self.number_option("precision", 4.0).clamp(0.0, 15.0) as usize).map(Value::Number)
        };
        let direction =
            |words: &[&str], short: &[&str]| Value::text(self.pick(if abbreviated { short } else { words }));
        const CARDINAL: [&str; 4] = ["North", "East", "South", "West"];
        const ORDINAL: [&str; 4] = ["Northeast", "Northwest", "Southeast", "Southwest"];
        Some(Ok(match method {
            "zipCode" => {
                let format = given.or_else(|| self.text_option("format"));
                let format = format.unwrap_or_else(|| self.pick(&["#####", "#####-####"]).into());
                self.symbols(&format).into()
            }
            "buildingNumber" => self.whole_digits(self.int(3.0, 5.0) as usize).into(),
            "street" => self.street().into(),
            "streetAddress" => {
                let full = match self.first() {
                    Value::Bool(full) => *full,
                    _ => self.flag_option("useFullAddress", false),
                };
                let address = format!("{} {}", self.whole_digits(self.int(3.0, 5.0) as usize), self.street());
                if full { format!("{address} {}", self.secondary()).into() } else { address.into() }
            }
            "secondaryAddress" => self.secondary().into(),
            "state" if abbreviated => self.word("location.stateAbbreviation").into(),
            "countryCode" => {
                let variant = given.or_else(|| self.text_option("variant"));
                match variant.as_deref() {
                    Some("alpha-3") => self.pick(&[
                        "ARG", "AUS", "AUT", "BRA", "CAN", "CHE", "CHN", "DEU", "ESP", "FRA", "GBR", "IND", "ITA",
                        "JPN", "KEN", "MEX", "NLD", "NOR", "NZL", "POL", "SWE", "USA", "ZAF",
                    ]),
                    Some("numeric") => self.pick(&[
                        "032", "036", "040", "076", "124", "156", "250", "276", "356", "380", "392", "404", "484",
                        "528", "554", "578", "616", "710", "724", "752", "756", "826", "840",
                    ]),
                    _ => self.word("location.countryCode"),
                }
                .into()
            }
            "direction" => direction(&[CARDINAL, ORDINAL].concat(), &["N", "E", "S", "W", "NE", "NW", "SE", "SW"]),
            "cardinalDirection" => direction(&CARDINAL, &["N", "E", "S", "W"]),
            "ordinalDirection" => direction(&ORDINAL, &["NE", "NW", "SE", "SW"]),
            "timeZone" => self.word("date.timeZone").into(),
            "latitude" => return Some(coordinate(90.0)),
            "longitude" => return Some(coordinate(180.0)),
            "nearbyGPSCoordinate" => {
                let origin = match self.option("origin") {
                    Value::List(list) if list.items().len() == 2 => {
                        (list.items()[0].to_number(), list.items()[1].to_number())
                    }
                    _ => {
                        let latitude = self.rounded(-90.0, 90.0, 4).unwrap_or(0.0);
                        (latitude, self.rounded(-180.0, 180.0, 4).unwrap_or(0.0))
                    }
                };
                // A degree is some 111 kilometres.
                let radius = self.number_option("radius", 10.0) / 111.0;
                let moved = |from: f64| (from + (self.random.faker() - 0.5) * radius).mul_add(1e4, 0.0).round() / 1e4;
                Value::list(vec![Value::Number(moved(origin.0)), Value::Number(moved(origin.1))])
            }
            _ => return None,
        }))
    }

    fn airline(&self, method: &str) -> Option<Made> {
        Some(Ok(match method {
            "recordLocator" => return Some(self.letters(false, "upper", "IO", 6)),
            "flightNumber" => {
                let length = match self.option("length") {
                    Value::Undefined => self.int(1.0, 4.0) as usize,
                    length => match self.ranged(&length, 4.0) {
                        Ok(length) => length.min(4),
                        Err(failure) => return Some(Err(failure)),
                    },
                };
                let digits = self.whole_digits(length);
                if self.flag_option("addLeadingZeros", false) { format!("{digits:0>4}").into() } else { digits.into() }
            }
            "seat" => {
                let (rows, seats) = match self.text_option("aircraftType").as_deref() {
                    Some("regional") => (20.0, &['A', 'B', 'C', 'D'][..]),
                    Some("widebody") => (60.0, &['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J', 'K'][..]),
                    _ => (35.0, &['A', 'B', 'C', 'D', 'E', 'F'][..]),
                };
                format!("{}{}", number::print(self.int(1.0, rows)), self.pick(seats)).into()
            }
            _ => return None,
        }))
    }

    fn vehicle(&self, method: &str) -> Option<Made> {
        const CONFUSING: &str = "oiqOIQ";
        let upper = |digits: bool, exclude: &str, count: usize| match self.letters(digits, "upper", exclude, count) {
            Ok(Value::Text(text)) => text.as_ref().to_owned(),
            _ => String::new(),
        };
        Some(Ok(match method {
            "vehicle" => format!("{} {}", self.word("vehicle.manufacturer"), self.word("vehicle.model")).into(),
            "vin" => {
                let head = upper(true, CONFUSING, 10) + &upper(false, CONFUSING, 1) + &upper(true, CONFUSING, 1);
                (head + &self.digits(5)).into()
            }
            "vrm" => {
                let area = upper(false, "", 2);
                let age = self.digits(2);
                format!("{area}{age}{}", upper(false, "", 3)).into()
            }
            "color" => self.word("color.human").into(),
            _ => return None,
        }))
    }

    fn file_stem(&self) -> String {
        let count = self.int(1.0, 3.0) as usize;
        (0..count).map(|_| self.word("word.noun")).collect::<Vec<_>>().join("_")
    }

    fn system(&self, method: &str) -> Option<Made> {
        let small = |max: f64| number::print(self.int(0.0, max));
        let given = self.first().as_text().cloned();
        Some(Ok(match method {
            "fileName" => {
                let stem = self.file_stem();
                let count = match self.ranged(&self.option("extensionCount"), 1.0) {
                    Ok(count) => count.min(100),
                    Err(failure) => return Some(Err(failure)),
                };
                (0..count).fold(stem, |name, _| format!("{name}.{}", self.word("system.fileExt"))).into()
            }
            "commonFileName" => {
                let stem = self.file_stem();
                let extension = given.unwrap_or_else(|| self.word("system.commonFileExt").into());
                format!("{stem}.{extension}").into()
            }
            "filePath" => {
                format!("{}/{}.{}", self.word("system.directoryPath"), self.file_stem(), self.word("system.fileExt"))
                    .into()
            }
            "semver" => {
                let (major, minor) = (small(9.0), small(20.0));
                format!("{major}.{minor}.{}", small(20.0)).into()
            }
            "networkInterface" => {
                let kind = self.pick(&["en", "wl", "ww"]);
                match self.index(4) {
                    0 => format!("{kind}o{}", self.digits(1)),
                    1 => format!("{kind}s{}", self.digits(1)),
                    2 => format!("{kind}x{}", self.hex(12)),
                    _ => format!("{kind}p{}s{}", self.digits(1), self.digits(1)),
                }
                .into()
            }
            "cron" => {
                let field = |min: f64, max: f64| {
                    if self.chance(0.5) { number::print(self.int(min, max)) } else { "*".to_owned() }
                };
                let (minute, hour, day) = (field(0.0, 59.0), field(0.0, 23.0), field(1.0, 31.0));
                let (month, weekday) = (field(1.0, 12.0), field(0.0, 6.0));
                format!("{minute} {hour} {day} {month} {weekday}").into()
            }
            _ => return None,
        }))
    }
}
