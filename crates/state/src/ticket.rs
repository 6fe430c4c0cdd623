//! Page tokens of services whose models allow no text in which a key could stand: a ticket of the modelled form, behind which
//! the key is kept.

use standin_core::Draw;
use standin_mock::{pattern, validation};
use standin_model::{Document, Fields};
use standin_store::Batch;

use crate::handler::{Failed, Work};
use crate::page;

/// The table of keys behind tickets.
const TICKETS: &str = "@pages";
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
        let mut fields = Fields::with_capacity(1);
        fields.push("token", token);
        let mut batch = Batch::default();
        batch.put(&self.space.table(TICKETS), ticket.as_str(), Document::Map(fields), Vec::new());
        self.resources.store.commit(batch).await?;
        Ok(ticket)
    }

    /// The key after which a page begins; `None` where this operation gave no such token for this request.
    pub(crate) async fn page_start(&self, question: u64, prefix: &str, token: &str) -> Result<Option<String>, Failed> {
        let whole = |rest: String| format!("{prefix}{rest}");
        if let Some(rest) = page::after(self.context, question, token) {
            return Ok(Some(whole(rest)));
        }
        let Some(row) = self.resources.store.get(&self.space.table(TICKETS), token).await? else { return Ok(None) };
        let kept = row.body.get("token").and_then(Document::as_str);
        Ok(kept.and_then(|token| page::after(self.context, question, token)).map(whole))
    }
}
