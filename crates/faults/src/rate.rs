//! Rate limits, as AWS throttles: a bucket of tokens that fills steadily.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use standin_core::CallContext;

/// Buckets of one rule at most; beyond, the limit starts anew for everybody.
const BUCKETS_MAX: usize = 10_000;

/// `100/s`, `100/s burst 200`, `5/m per operation`: calls per second, minute or hour by the virtual clock; how many may
/// come at once (as many as come in a second, where not said, and at least one); counted per account and operation, where
/// not said, or `per account`, `per operation`, `per key` (access key) or `in all`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    text: String,
    per_second: f64,
    burst: f64,
    scope: Scope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    AccountAndOperation,
    Account,
    Operation,
    Key,
    All,
}

/// The buckets of a rule.
#[derive(Debug, Default)]
pub struct Buckets(Mutex<HashMap<String, Bucket>>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at_ms: i64,
}

impl Buckets {
    /// Takes a token; `false` where there is none.
    pub fn take(&self, rate: &Rate, context: &CallContext) -> bool {
        let key = match rate.scope {
            Scope::AccountAndOperation => {
                format!("{}/{}/{}", context.account, context.service.id, context.operation.name)
            }
            Scope::Account => context.account.to_string(),
            Scope::Operation => format!("{}/{}", context.service.id, context.operation.name),
            Scope::Key => context.access_key.as_deref().unwrap_or_default().to_owned(),
            Scope::All => String::new(),
        };
        let now = context.now.as_millis();
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&key) {
            buckets.clear();
        }
        let bucket = buckets.entry(key).or_insert(Bucket { tokens: rate.burst, at_ms: now });
        #[expect(clippy::cast_precision_loss, reason = "times between two calls are short")]
        let passed = now.saturating_sub(bucket.at_ms).max(0) as f64 / 1000.0;
        bucket.tokens = (bucket.tokens + passed * rate.per_second).min(rate.burst);
        bucket.at_ms = now;
        let enough = bucket.tokens >= 1.0;
        if enough {
            bucket.tokens -= 1.0;
        }
        enough
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no rate such as 100/s, 100/s burst 200 or 5/m per account");
        let mut words = text.split_whitespace();
        let (count, unit) = words.next().and_then(|word| word.split_once('/')).ok_or_else(wrong)?;
        let count: f64 = count.parse().map_err(|_| wrong())?;
        let seconds = match unit {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        let per_second = count / seconds;
        let (mut burst, mut scope) = (per_second.max(1.0), Scope::AccountAndOperation);
        while let Some(word) = words.next() {
            match (word, words.next()) {
                ("burst", Some(size)) => burst = size.parse().map_err(|_| wrong())?,
                ("per", Some("account")) => scope = Scope::Account,
                ("per", Some("operation")) => scope = Scope::Operation,
                ("per", Some("key")) => scope = Scope::Key,
                ("in", Some("all")) => scope = Scope::All,
                _ => return Err(wrong()),
            }
        }
        if !(per_second.is_finite() && per_second >= 0.0 && burst.is_finite() && burst >= 1.0) {
            return Err(wrong());
        }
        Ok(Self { text: text.to_owned(), per_second, burst, scope })
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.text
    }
}
