//! A small memory of answers that depend on the request alone.
//!
//! Synthesised answers are a pure function of what was asked (see `docs/adr/0002`), so one that was asked for before
//! need not be made again: pollers, waiters and set-up code ask the same over and over. Only what is made
//! from the model alone is kept, never an error, a canned or a stateful answer.

use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;
use standin_core::Dice;
use standin_model::{Document, Location, Protocol};
use standin_wire::Response;

use crate::identify::Identity;

/// Each slot holds one answer; a newer one with the same slot replaces it.
const SLOTS: usize = 512;
/// Longer requests and answers are not kept: with all slots full the memory stays below 8 MiB.
const KEPT_BYTES_MAX: usize = 8 * 1024;

/// What identifies a request that can be answered from memory. 128 bits, so that no two requests are taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoKey(u64, u64);

/// An answer as it was sent, but for the request id.
#[derive(Debug)]
pub(crate) struct Kept {
    key: MemoKey,
    pub(crate) input: Arc<Document>,
    pub(crate) response: Response,
}

#[derive(Debug)]
pub(crate) struct Memo(Box<[Mutex<Option<Arc<Kept>>>]>);

impl Default for Memo {
    fn default() -> Self {
        Self(std::iter::repeat_with(Mutex::default).take(SLOTS).collect())
    }
}

impl Memo {
    pub(crate) fn get(&self, key: MemoKey) -> Option<Arc<Kept>> {
        let slot = self.slot(key).lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref().filter(|kept| kept.key == key).cloned()
    }

    /// Keeps an answer, unless it is too long.
    pub(crate) fn put(&self, key: MemoKey, input: Arc<Document>, response: &Response) {
        if response.body.len() > KEPT_BYTES_MAX {
            return;
        }
        let kept = Arc::new(Kept { key, input, response: response.clone() });
        let old = self.slot(key).lock().unwrap_or_else(PoisonError::into_inner).replace(kept);
        // Freed outside the lock.
        drop(old);
    }

    pub(crate) fn clear(&self) {
        for slot in &self.0 {
            slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }

    fn slot(&self, key: MemoKey) -> &Mutex<Option<Arc<Kept>>> {
        &self.0[key.0 as usize % SLOTS]
    }
}

/// The key of a request, `None` where answers cannot be kept: where the body carries the request id (XML), where a
/// map of headers is input, and for long requests.
pub(crate) fn key(dice: Dice, parts: &Parts, identity: &Identity, base_url: &str, body: &[u8]) -> Option<MemoKey> {
    let json_or_cbor = matches!(
        identity.protocol,
        Protocol::AwsJson1_0 | Protocol::AwsJson1_1 | Protocol::RestJson1 | Protocol::RpcV2Cbor
    );
    if !json_or_cbor || body.len() > KEPT_BYTES_MAX || identity.form_is_query {
        return None;
    }
    let input = identity.operation.input.and_then(|shape| identity.service.structure(shape));
    let members = || input.into_iter().flat_map(|input| &input.members);
    if members().any(|member| member.location == Location::PrefixHeaders) {
        return None;
    }
    let scope = &identity.scope;
    let half = |purpose: &str| {
        let mut key = dice.key(purpose);
        key.text(parts.method.as_str())
            .text(identity.path.as_deref().unwrap_or(parts.uri.path()))
            .text(parts.uri.query().unwrap_or_default())
            .number(std::ptr::from_ref(identity.operation).addr() as u64)
            .number(identity.protocol as u64)
            .text(&scope.account)
            .text(&scope.region)
            .text(scope.access_key.as_deref().unwrap_or_default())
            .text(base_url)
            .bytes(body);
        for member in members().filter(|member| member.location == Location::Header) {
            for value in parts.headers.get_all(member.wire_name()) {
                key.text(member.name).bytes(value.as_bytes());
            }
        }
        key.finish()
    };
    Some(MemoKey(half("memo"), half("memo, second half")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};

    fn response(length: usize) -> Response {
        Response { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::from(vec![b'x'; length]) }
    }

    #[test]
    fn keeps_short_answers_by_their_whole_key() {
        let memo = Memo::default();
        let input = Arc::new(Document::map());
        memo.put(MemoKey(1, 2), input.clone(), &response(3));
        assert_eq!(memo.get(MemoKey(1, 2)).expect("kept").response.body, "xxx");
        assert!(memo.get(MemoKey(1, 3)).is_none());
        memo.put(MemoKey(1 + SLOTS as u64, 2), input.clone(), &response(1));
        assert!(memo.get(MemoKey(1, 2)).is_none(), "replaced by a newer one of its slot");
        memo.put(MemoKey(5, 5), input, &response(KEPT_BYTES_MAX + 1));
        assert!(memo.get(MemoKey(5, 5)).is_none());
        memo.clear();
        assert!(memo.get(MemoKey(1 + SLOTS as u64, 2)).is_none());
    }
}
