//! Page tokens of services whose models allow no text in which a key could stand: a ticket of the modelled form, behind which
//! the key is kept for a while.

use std::time::Duration;

use standin_core::Draw;
use standin_mock::{pattern, validation};
use standin_model::Document;
use standin_store::tokens::{self, Token};
use standin_store::{Batch, StoreError};

use crate::handler::{Failed, Work};
use crate::page;
use crate::resolve::WITHIN;
use crate::transition::after;

/// How long a ticket is good: longer than any client takes from one page to the next.
const GOOD_FOR: Duration = Duration::from_secs(60 * 60);
/// Under what tickets are kept among the tokens. No operation is called so.
const TICKETS: &str = "page";
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
/// The length of a ticket where the model leaves it open.
const LENGTH_USUAL: i64 = 32;
const LENGTH_MOST: i64 = 256;

impl Work<'_> {
    /// The token of the page that begins after a key. `prefix`: where all keys of the list begin.
    pub(crate) async fn page_token(&self, question: u64, prefix: &str, key: &str) -> Result<String, Failed> {
        let rest = key.strip_prefix(prefix).unwrap_or(key);
        let token = page::token(self.context, question, rest);
        let service = self.context.service;
        let input = self.context.operation.input.and_then(|input| service.structure(input));
        let Some(member) = self.plan.token.and_then(|name| input?.member(name)) else { return Ok(token) };
        let fits =
            |token: &str| validation::check_shape(service, member.target, &Document::from(token.to_owned())).is_empty();
        if fits(&token) {
            return Ok(token);
        }
        let mut draw = Draw::from_seed(standin_model::words::mix(question, standin_model::words::hash(rest)));
        let shape = service.shape(member.target);
        let limits = shape.constraints.as_ref();
        let least = limits.and_then(|limits| limits.min).map_or(1, standin_model::Bound::as_i64);
        let most = limits.and_then(|limits| limits.max).map_or(LENGTH_MOST, standin_model::Bound::as_i64);
        let lengths = |bound: i64| usize::try_from(bound).unwrap_or(0);
        let wanted = lengths(least.max(LENGTH_USUAL.min(most)));
        let made = limits.and_then(|limits| limits.pattern).and_then(|pattern| {
            // As long as may be, so that no two are the same by chance.
            pattern::generate(pattern, wanted, lengths(most), &mut draw)
                .or_else(|| pattern::generate(pattern, lengths(least), lengths(most), &mut draw))
        });
        let open = limits.is_none_or(|limits| limits.pattern.is_none());
        let mut plain = || (0..wanted).filter_map(|_| draw.pick(LETTERS)).map(|byte| char::from(*byte)).collect();
        let made = made.or_else(|| open.then(&mut plain));
        let Some(ticket) = made.filter(|ticket| fits(ticket)) else { return Ok(token) };
        let (name, now) = (named(&ticket), self.context.now);
        let known = tokens::find(self.rows.store(), &self.space, &name, now.as_millis()).await?;
        let expires_ms = after(now, GOOD_FOR).as_millis();
        let kept = Token { fingerprint: String::new(), result: Document::from(token), expires_ms };
        let mut batch = Batch::default();
        batch.keep_token(&self.space, &name, &known, kept);
        match self.rows.commit(batch).await {
            // Who is faster keeps the same: a ticket tells of one page of one list.
            Ok(_) | Err(StoreError::Conflict) => Ok(ticket),
            Err(error) => Err(error.into()),
        }
    }

    /// The key after which a page begins; `None` where this operation gave no such token for this request.
    pub(crate) async fn page_start(&self, question: u64, prefix: &str, token: &str) -> Result<Option<String>, Failed> {
        let whole = |rest: String| format!("{prefix}{rest}");
        if let Some(rest) = page::after(self.context, question, token) {
            return Ok(Some(whole(rest)));
        }
        let now = self.context.now.as_millis();
        let known = tokens::find(self.rows.store(), &self.space, &named(token), now).await?;
        let kept = known.token.as_ref().and_then(|kept| kept.result.as_str());
        Ok(kept.and_then(|token| page::after(self.context, question, token)).map(whole))
    }
}

fn named(ticket: &str) -> String {
    format!("{TICKETS}{WITHIN}{ticket}")
}
