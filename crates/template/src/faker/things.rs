//! Money and goods.

use super::{Failure, Faker, Made};
use crate::{Value, number};

impl Faker<'_> {
    pub(super) fn things(&self, module: &str, method: &str) -> Option<Made> {
        if module == "finance" { self.finance(method) } else { self.commerce(method) }
    }

    /// A number with that many decimals, after a symbol.
    fn amount(&self, min: f64, max: f64) -> Result<(String, f64, usize), Failure> {
        let digits = self.number_option("dec", 2.0);
        if !(0.0..=15.0).contains(&digits) {
            return Err(Failure::Arguments);
        }
        let symbol = self.text_option("symbol").map_or(String::new(), |symbol| symbol.as_ref().to_owned());
        let (min, max) = (self.number_option("min", min), self.number_option("max", max));
        if max < min {
            return Err(Failure::Arguments);
        }
        Ok((symbol, self.rounded(min, max, digits as usize)?, digits as usize))
    }

    fn finance(&self, method: &str) -> Option<Made> {
        let of_currency = |member: &str| self.listed("finance.currency").map(|currency| currency.get(member));
        Some(match method {
            "accountNumber" => self.length(8.0).map(|count| self.digits(count).into()),
            "accountName" => Ok(format!("{} Account", self.word("finance.accountType")).into()),
            "routingNumber" => {
                let digits = self.digits(8);
                let weights = [3, 7, 1, 3, 7, 1, 3, 7];
                let sum: u32 =
                    digits.chars().zip(weights).filter_map(|(digit, weight)| Some(digit.to_digit(10)? * weight)).sum();
                Ok(format!("{digits}{}", (10 - sum % 10) % 10).into())
            }
            "maskedNumber" => self.length(4.0).map(|count| format!("(...{})", self.digits(count)).into()),
            "amount" => self
                .amount(0.0, 1_000.0)
                .map(|(symbol, amount, digits)| format!("{symbol}{}", number::fixed(amount, digits)).into()),
            "currencyCode" => of_currency("code"),
            "currencyName" => of_currency("name"),
            "currencySymbol" => of_currency("symbol"),
            "currencyNumericCode" => of_currency("numericCode"),
            "bitcoinAddress" | "litecoinAddress" => {
                let count = self.int(25.0, 33.0) as usize;
                let start = if method == "bitcoinAddress" {
                    self.pick(&["1", "3", "bc1"])
                } else {
                    self.pick(&["L", "M", "3"])
                };
                let set = "123456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ";
                Ok(format!("{start}{}", self.characters(set, count)).into())
            }
            "ethereumAddress" => Ok(format!("0x{}", self.hex(40)).into()),
            "creditCardNumber" => {
                let issuer = self.first().as_text().cloned().or_else(|| self.text_option("issuer"));
                let format = match issuer.as_deref() {
                    Some(format) if format.contains('#') => format.to_owned(),
                    Some("american_express") => "34##-######-####L".to_owned(),
                    Some("mastercard") => "5[1-5]##-####-####-###L".to_owned(),
                    Some("discover") => "6011-####-####-###L".to_owned(),
                    Some("visa") => "4###-####-####-###L".to_owned(),
                    _ => {
                        self.pick(&["4###-####-####-###L", "5[1-5]##-####-####-###L", "6011-####-####-###L"]).to_owned()
                    }
                };
                Ok(self.card_number(&format).into())
            }
            "creditCardCVV" => Ok(self.digits(3).into()),
            "pin" => match self.length(4.0) {
                Ok(0) => Err(Failure::Arguments),
                count => count.map(|count| self.digits(count).into()),
            },
            "iban" => {
                let country = self.text_option("countryCode");
                let known =
                    [("AT", 16), ("BE", 12), ("CH", 17), ("DE", 18), ("DK", 14), ("ES", 20), ("FI", 14), ("PT", 21)];
                let (country, count) = match country.as_deref() {
                    None => self.pick(&known),
                    Some(country) => match known.iter().find(|(code, _)| *code == country) {
                        Some(found) => *found,
                        None => return Some(Err(Failure::Arguments)),
                    },
                };
                Ok(iban(country, &self.digits(count)).into())
            }
            "bic" => {
                let bank = self.characters("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 4);
                let country = self.word("location.countryCode");
                let place = self.characters("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 2);
                let branch = if self.chance(0.5) {
                    self.characters("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 3)
                } else {
                    String::new()
                };
                Ok(format!("{bank}{country}{place}{branch}").into())
            }
            "transactionDescription" => {
                let amount = number::fixed(self.rounded(0.0, 1_000.0, 2).unwrap_or(0.0), 2);
                let code = match of_currency("code") {
                    Ok(Value::Text(code)) => code,
                    _ => "USD".into(),
                };
                let kind = self.word("finance.transactionType");
                Ok(format!("{kind} of {code} {amount} at {}, card ending in ****{}", self.company(), self.digits(4))
                    .into())
            }
            _ => return None,
        })
    }

    fn commerce(&self, method: &str) -> Option<Made> {
        Some(match method {
            "productName" => Ok(format!(
                "{} {} {}",
                self.word("commerce.productAdjective"),
                self.word("commerce.productMaterial"),
                self.word("commerce.product")
            )
            .into()),
            "productDescription" => Ok(format!(
                "{} {} made of {}, with {} details",
                self.word("commerce.productAdjective"),
                self.word("commerce.product"),
                self.word("commerce.productMaterial").to_lowercase(),
                self.word("color.human"),
            )
            .into()),
            "price" => self.price(),
            "isbn" => {
                let group = self.pick(&["0", "1"]);
                let digits = format!("978{group}{}", self.digits(8));
                let sum: u32 = digits
                    .chars()
                    .enumerate()
                    .filter_map(|(place, digit)| Some(digit.to_digit(10)? * if place % 2 == 0 { 1 } else { 3 }))
                    .sum();
                let check = (10 - sum % 10) % 10;
                Ok(format!("978-{group}-{}-{}-{check}", &digits[4..8], &digits[8..12]).into())
            }
            _ => return None,
        })
    }

    /// Prices mostly end in nine or five.
    fn price(&self) -> Made {
        let (symbol, amount, digits) = self.amount(1.0, 1_000.0)?;
        let (min, max) = (self.number_option("min", 1.0), self.number_option("max", 1_000.0));
        if digits == 0 || min == max {
            return Ok(format!("{symbol}{}", number::fixed(amount, digits)).into());
        }
        let last = self.int(0.0, 9.0);
        let drawn = self.random.faker() * 10.0;
        let last = match drawn {
            _ if drawn < 5.0 => 9.0,
            _ if drawn < 8.0 => 5.0,
            _ if drawn < 9.0 => 0.0,
            _ => last,
        };
        let scale = 10_f64.powi(i32::try_from(digits).unwrap_or(0));
        let ending = (amount * scale) % 10.0;
        let price = amount - ending / scale + last / scale;
        let price = if (min..=max).contains(&price) { price } else { amount };
        Ok(format!("{symbol}{}", number::fixed(price, digits)).into())
    }
}

/// An account number with the digits that prove it.
fn iban(country: &str, account: &str) -> String {
    let moved = format!("{account}{country}00");
    let rest = moved.chars().filter_map(|symbol| symbol.to_digit(36)).fold(0, |rest, digit| {
        let shift = if digit > 9 { 100 } else { 10 };
        (rest * shift + digit) % 97
    });
    format!("{country}{:02}{account}", 98 - rest)
}
