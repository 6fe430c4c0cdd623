//! What is found on the internet.

use base64::Engine as _;

use super::{Failure, Faker, Made};
use crate::{Value, number};

/// A text for addresses: hyphens for blanks, and nothing but letters, digits, `_`, `.` and `-`.
pub(super) fn slug(text: &str) -> String {
    let kept = |symbol: char| match symbol {
        ' ' => Some('-'),
        _ => (symbol.is_ascii_alphanumeric() || matches!(symbol, '_' | '.' | '-')).then_some(symbol),
    };
    text.chars().filter_map(kept).collect()
}

impl Faker<'_> {
    fn user_of(&self, first: &str, last: &str) -> String {
        let between = self.pick(&['.', '_']);
        let number = number::print(self.int(0.0, 99.0));
        let name = match self.index(3) {
            0 => format!("{first}{between}{last}{number}"),
            1 => format!("{first}{between}{last}"),
            _ => format!("{first}{number}"),
        };
        name.replace(['\'', ' '], "")
    }

    pub(super) fn email_of(&self, first: &str, last: &str) -> String {
        let provider = self.word("internet.freeProvider");
        format!("{}@{provider}", slug(&self.user_of(first, last)))
    }

    fn named(&self) -> (String, String) {
        let given = |name: &str| self.text_option(name).map(|text| text.as_ref().to_owned());
        let first = given("firstName").unwrap_or_else(|| self.first_name());
        let last = given("lastName").unwrap_or_else(|| self.word("person.lastName").to_owned());
        (first, last)
    }

    fn domain(&self) -> String {
        format!("{}-{}.{}", self.word("word.adjective"), self.word("word.noun"), self.word("internet.domainSuffix"))
    }

    fn ipv4(&self) -> String {
        let address = self.int(0.0, 4_294_967_295.0) as u32;
        std::net::Ipv4Addr::from(address).to_string()
    }

    fn ipv6(&self) -> String {
        (0..8).map(|_| self.hex(4)).collect::<Vec<_>>().join(":")
    }

    pub(super) fn web(&self, module: &str, method: &str) -> Option<Made> {
        if module == "image" { self.image(method) } else { self.internet(method) }
    }

    fn internet(&self, method: &str) -> Option<Made> {
        Some(Ok(match method {
            "email" | "exampleEmail" => {
                let provider = match (method, self.text_option("provider")) {
                    ("email", Some(provider)) => provider.as_ref().to_owned(),
                    ("email", None) => self.word("internet.freeProvider").to_owned(),
                    _ => self.word("internet.exampleProvider").to_owned(),
                };
                let (first, last) = self.named();
                let mut user = slug(&self.user_of(&first, &last));
                user.truncate(50);
                format!("{user}@{provider}").into()
            }
            "userName" | "username" | "displayName" => {
                let (first, last) = self.named();
                self.user_of(&first, &last).into()
            }
            "httpStatusCode" => Value::Number(number::parse(self.word("internet.httpStatusCode"))),
            "url" => {
                let slash =
                    if self.flag_option("appendSlash", self.args.is_empty() && self.chance(0.5)) { "/" } else { "" };
                let protocol = self.text_option("protocol").unwrap_or_else(|| "https".into());
                format!("{protocol}://{}{slash}", self.domain()).into()
            }
            "domainName" => self.domain().into(),
            "domainWord" => format!("{}-{}", self.word("word.adjective"), self.word("word.noun")).into(),
            "ip" => if self.chance(0.5) { self.ipv4() } else { self.ipv6() }.into(),
            "ipv4" => self.ipv4().into(),
            "ipv6" => self.ipv6().into(),
            "port" => Value::Number(self.int(0.0, 65_535.0)),
            "mac" => {
                let given = self.first().as_text().cloned().or_else(|| self.text_option("separator"));
                let separator = given.filter(|text| matches!(&**text, ":" | "-" | "")).unwrap_or_else(|| ":".into());
                let pair = |_| {
                    let high = self.int(0.0, 15.0) as u8;
                    format!("{high:x}{:x}", self.int(0.0, 15.0) as u8)
                };
                (0..6).map(pair).collect::<Vec<_>>().join(&separator).into()
            }
            "password" => {
                let length = match self.ranged(&self.option("length"), 15.0) {
                    Ok(length) => length.min(10_000),
                    Err(failure) => return Some(Err(failure)),
                };
                let mut password = self.text_option("prefix").map_or(String::new(), |text| text.as_ref().to_owned());
                while password.len() < length {
                    let symbol = self.int(33.0, 127.0) as u8 as char;
                    if symbol.is_ascii_alphanumeric() || symbol == '_' {
                        password.push(symbol);
                    }
                }
                password.into()
            }
            "userAgent" => {
                let major = number::print(self.int(100.0, 140.0));
                let system = self.pick(&[
                    "Windows NT 10.0; Win64; x64",
                    "Macintosh; Intel Mac OS X 10_15_7",
                    "X11; Linux x86_64",
                ]);
                if self.chance(0.5) {
                    format!("Mozilla/5.0 ({system}; rv:{major}.0) Gecko/20100101 Firefox/{major}.0").into()
                } else {
                    format!(
                        "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.0.0 Safari/537.36"
                    )
                    .into()
                }
            }
            "color" => format!("#{}", self.hex(6)).into(),
            "jwt" => self.token().into(),
            _ => return None,
        }))
    }

    /// A token that looks signed.
    fn token(&self) -> String {
        let coded = |text: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let algorithm = self.word("internet.jwtAlgorithm");
        let issued = (self.now / 1_000.0) as i64 - self.int(1.0, 86_400.0) as i64;
        let header = format!("{{\"alg\":\"{algorithm}\",\"typ\":\"JWT\"}}");
        let payload = format!(
            "{{\"iat\":{issued},\"exp\":{},\"nbf\":{issued},\"sub\":\"{}\",\"jti\":\"{}\"}}",
            issued + 172_800,
            self.uuid(),
            self.uuid()
        );
        let signature = match self.letters(true, "mixed", "", 64) {
            Ok(Value::Text(text)) => text.as_ref().to_owned(),
            _ => String::new(),
        };
        format!("{}.{}.{signature}", coded(header), coded(payload))
    }

    fn image(&self, method: &str) -> Option<Made> {
        let size = |name: &str| match self.option(name) {
            Value::Undefined => Ok(number::print(self.int(1.0, 3_999.0))),
            value => match value.to_number() {
                number if number.is_finite() => Ok(number::print(number)),
                _ => Err(Failure::Arguments),
            },
        };
        let sized = |make: &dyn Fn(String, String) -> String| {
            let width = size("width")?;
            Ok(make(width, size("height")?).into())
        };
        let flickr = |width: String, height: String| {
            let category = self.text_option("category").map_or(String::new(), |name| format!("/{name}"));
            let lock = number::print(self.int(0.0, 9_007_199_254_740_991.0));
            format!("https://loremflickr.com/{width}/{height}{category}?lock={lock}")
        };
        let picsum = |width: String, height: String| {
            let seed = match self.letters(true, "mixed", "", self.int(5.0, 10.0) as usize) {
                Ok(Value::Text(text)) => text.as_ref().to_owned(),
                _ => String::new(),
            };
            format!("https://picsum.photos/seed/{seed}/{width}/{height}")
        };
        Some(match method {
            "avatarGitHub" => {
                Ok(format!("https://avatars.githubusercontent.com/u/{}", number::print(self.int(0.0, 1e8))).into())
            }
            "avatar" | "personPortrait" | "avatarLegacy" => {
                let sex = self.word("person.sex");
                let number = number::print(self.int(0.0, 99.0));
                let folder = "https://cdn.jsdelivr.net/gh/faker-js/assets-person-portrait";
                Ok(format!("{folder}/{sex}/512/{number}.jpg").into())
            }
            "url" => {
                let use_flickr = self.chance(0.5);
                sized(&|width, height| if use_flickr { flickr(width, height) } else { picsum(width, height) })
            }
            "urlLoremFlickr" => sized(&flickr),
            "urlPicsumPhotos" => sized(&picsum),
            "urlPlaceholder" => sized(&|width, height| format!("https://via.placeholder.com/{width}x{height}")),
            "dataUri" => sized(&|width, height| {
                let color = self.hex(6);
                let image = format!(
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\"><rect width=\"100%\" \
                     height=\"100%\" fill=\"#{color}\"/></svg>"
                );
                let coded = base64::engine::general_purpose::STANDARD.encode(image);
                format!("data:image/svg+xml;base64,{coded}")
            }),
            _ => return None,
        })
    }
}
