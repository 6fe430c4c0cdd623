//! One operation on the store: what it read is checked when all that it wrote is committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use standin_core::{Dice, OperationError};
use standin_model::{Document, Timestamp};
use standin_store::jobs::NewJob;
use standin_store::{Batch, Scan, Space, StoreError, tokens};

use super::errors::{not_found, validation};
use super::index::Part;
use super::kept::{Kept, Resource};
use super::{Engine, QUEUE};

/// Claims after which a job is left alone: only where its owners die with it. The worker gives up far earlier.
const ATTEMPTS_MAX: u32 = 1000;
/// The table of what is used, for those who may not take it away.
const USES: &str = "uses";
/// Rows that are read in one go.
const PAGE: usize = 256;

/// Where and when an operation happens.
#[derive(Clone, Debug)]
pub struct Scope {
    pub partition: String,
    /// 12 digits.
    pub account: String,
    pub region: String,
    pub now: Timestamp,
    pub dice: Dice,
    /// What makes its draws its own: the id of the request or the key of the job.
    pub nonce: String,
}

/// An operation under way. Nothing is visible to others before [`Tx::commit`].
pub struct Tx<'e> {
    pub engine: &'e Engine,
    pub scope: Scope,
    pub batch: Batch,
    /// What this operation has written, by table and key; nothing where it deleted.
    written: BTreeMap<(&'static str, String), Option<Arc<Document>>>,
    /// The versions that it decided by.
    seen: BTreeMap<(&'static str, String), Option<u64>>,
    /// The operation and its input, which tokens of pages are for.
    asked: Option<(&'e str, &'e Document)>,
    draws: u64,
}

impl<'e> Tx<'e> {
    pub fn new(engine: &'e Engine, scope: Scope) -> Self {
        Self {
            engine,
            scope,
            batch: Batch::default(),
            written: BTreeMap::new(),
            seen: BTreeMap::new(),
            asked: None,
            draws: 0,
        }
    }

    /// The same for an operation of the API.
    pub fn asked(mut self, operation: &'e str, input: &'e Document) -> Self {
        self.asked = Some((operation, input));
        self
    }

    pub fn now(&self) -> Timestamp {
        self.scope.now
    }

    pub fn space(&self) -> Space {
        Space::new(&self.scope.account, &self.scope.region, super::SERVICE)
    }

    pub fn arn(&self, resource: &str) -> String {
        let Scope { partition, account, region, .. } = &self.scope;
        format!("arn:{partition}:proton:{region}:{account}:{resource}")
    }

    /// A new id in the form of a UUID.
    pub fn id(&mut self) -> String {
        self.draws += 1;
        self.drawn_id("proton-id", self.draws)
    }

    /// The id of that number of those that this operation draws for a purpose.
    pub(super) fn drawn_id(&self, purpose: &str, number: u64) -> String {
        let mut key = self.scope.dice.key(purpose);
        // Request ids come again after a restart; the time does not, unless it stands still.
        let now = self.now().as_millis().cast_unsigned();
        key.text(&self.scope.nonce).text(&self.scope.account).number(now).number(self.engine.run);
        let mut draw = key.number(number).draw();
        let (high, low) = (draw.next_u64(), draw.next_u64());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }

    /// The row of a key, as this operation left it.
    pub async fn find<T: Resource>(&mut self, key: &str) -> Result<Option<Kept<T>>, OperationError> {
        let at = (T::TABLE, key.to_owned());
        if let Some(body) = self.written.get(&at) {
            return body.as_deref().map(read).transpose();
        }
        let table = self.space().table(T::TABLE);
        let row = self.engine.store.get(&table, key).await.map_err(OperationError::internal)?;
        self.seen.entry(at).or_insert(row.as_ref().map(|row| row.version));
        row.map(|row| read(&row.body)).transpose()
    }

    /// The row of a key.
    ///
    /// # Errors
    /// `ResourceNotFoundException` where there is none.
    pub async fn get<T: Resource>(&mut self, key: &str) -> Result<Kept<T>, OperationError> {
        self.find(key).await?.ok_or_else(|| not_found(T::WHAT, key))
    }

    pub fn put<T: Resource>(&mut self, kept: &Kept<T>) {
        let (key, body) = (kept.value.key(), Arc::new(kept.body()));
        let table = self.space().table(T::TABLE);
        self.batch.put(&table, key.as_str(), body.clone(), kept.index());
        self.written.insert((T::TABLE, key), Some(body));
    }

    pub fn delete<T: Resource>(&mut self, key: &str) {
        let table = self.space().table(T::TABLE);
        self.batch.delete(&table, key);
        self.written.insert((T::TABLE, key.to_owned()), None);
    }

    /// Tells those who [`Tx::watch`] something that it is used from now on. Who uses it does not wait for other users.
    pub fn uses(&mut self, what: &str) {
        let table = self.space().table(USES);
        self.batch.put(&table, what, Document::map(), []);
    }

    /// Decides by who uses something: anew where somebody begins to while this goes on.
    pub async fn watch(&mut self, what: &str) -> Result<(), OperationError> {
        let table = self.space().table(USES);
        let row = self.engine.store.get(&table, what).await.map_err(OperationError::internal)?;
        self.seen.entry((USES, what.to_owned())).or_insert(row.map(|row| row.version));
        Ok(())
    }

    /// All rows whose keys begin so, as this operation left them. It decides by all that it found.
    pub async fn all<T: Resource>(&mut self, prefix: &str) -> Result<Vec<Kept<T>>, OperationError> {
        let table = self.space().table(T::TABLE);
        let mut found: BTreeMap<String, Arc<Document>> = BTreeMap::new();
        let mut after: Option<Arc<str>> = None;
        loop {
            let scan = Scan { prefix, after: after.as_deref(), limit: PAGE };
            let rows = self.engine.store.scan(&table, scan).await.map_err(OperationError::internal)?;
            after = rows.last().map(|row| row.key.clone());
            let count = rows.len();
            for row in rows {
                self.seen.entry((T::TABLE, row.key.to_string())).or_insert(Some(row.version));
                found.insert(row.key.to_string(), row.body);
            }
            if count < PAGE {
                break;
            }
        }
        for ((_, key), body) in
            self.written.iter().filter(|((table, key), _)| *table == T::TABLE && key.starts_with(prefix))
        {
            match body {
                Some(body) => found.insert(key.clone(), body.clone()),
                None => found.remove(key),
            };
        }
        found.values().map(|body| read(body)).collect()
    }

    /// How many rows there are.
    pub async fn count<T: Resource>(&self, prefix: &str) -> Result<u64, OperationError> {
        self.engine.store.count(&self.space().table(T::TABLE), prefix).await.map_err(OperationError::internal)
    }

    /// A page of the resources that a filter lets through, newest first, and the token of the next.
    pub async fn page<T: Resource>(
        &self,
        page: Page<'_>,
        keep: impl Fn(&Kept<T>) -> bool + Send,
    ) -> Result<(Vec<Kept<T>>, Option<String>), OperationError> {
        self.page_of(&Part::all(), page, keep).await
    }

    /// What this operation has written of a table and not taken away.
    pub(super) fn written_rows<T: Resource>(&self) -> Vec<Arc<Document>> {
        let of_table = self.written.iter().filter(|((table, _), _)| *table == T::TABLE);
        of_table.filter_map(|(_, body)| body.clone()).collect()
    }

    /// All rows of a table as they are in the store, for those who look and decide nothing.
    pub async fn bodies<T: Resource>(&self) -> Result<Vec<Arc<Document>>, OperationError> {
        let table = self.space().table(T::TABLE);
        let mut found: Vec<Arc<Document>> = Vec::new();
        let mut after: Option<Arc<str>> = None;
        loop {
            let scan = Scan { prefix: "", after: after.as_deref(), limit: PAGE };
            let rows = self.engine.store.scan(&table, scan).await.map_err(OperationError::internal)?;
            after = rows.last().map(|row| row.key.clone());
            let count = rows.len();
            found.extend(rows.into_iter().map(|row| row.body));
            if count < PAGE {
                return Ok(found);
            }
        }
    }

    /// The version of a row that this operation has read, and not written.
    pub(super) fn seen_version<T: Resource>(&self, key: &str) -> Option<u64> {
        let at = (T::TABLE, key.to_owned());
        self.seen.get(&at).copied().flatten().filter(|_| !self.written.contains_key(&at))
    }

    /// The token that goes on from a place of the list that is asked for.
    pub fn token(&self, place: &str) -> String {
        encode(&format!("{:016x}/{place}", self.seal(place)))
    }

    /// The place that a token goes on from.
    ///
    /// # Errors
    /// `ValidationException` where it is not one of this list with these filters.
    pub fn place(&self, token: &str) -> Result<String, OperationError> {
        let sealed = decode(token).and_then(|text| {
            let (seal, place) = text.split_once('/')?;
            (format!("{:016x}", self.seal(place)) == seal).then(|| place.to_owned())
        });
        sealed.ok_or_else(|| validation("Invalid nextToken: it was not returned by this operation with these filters"))
    }

    /// What only this list with these filters has at a place.
    fn seal(&self, place: &str) -> u64 {
        let mut key = self.scope.dice.key("proton-page");
        key.text(place).text(&self.scope.account).text(&self.scope.region);
        if let Some((operation, input)) = self.asked {
            let mut filters = input.clone();
            if let Some(fields) = filters.as_map_mut() {
                fields.remove("nextToken");
                fields.remove("maxResults");
            }
            key.text(operation).text(&fingerprint(&filters));
        }
        key.draw().next_u64()
    }

    /// Of a job that is [enqueued](Self::enqueue), in its queue.
    pub fn job_key(&self, kind: &str, key: &str) -> String {
        format!("{}/{kind}/{key}", self.space())
    }

    /// Lets a worker do something when it is due.
    pub fn enqueue(&mut self, kind: &str, key: &str, payload: &str, after_ms: i64) {
        let Scope { partition, .. } = &self.scope;
        let mut fields = standin_model::Fields::new();
        fields.push("partition", partition.clone());
        fields.push("id", payload.to_owned());
        let space = self.space();
        self.batch.enqueue(NewJob {
            queue: QUEUE.into(),
            key: self.job_key(kind, key).into(),
            kind: kind.into(),
            space,
            payload: Document::Map(fields),
            run_at_ms: self.scope.now.as_millis() + after_ms,
            attempts_max: ATTEMPTS_MAX,
        });
    }

    /// Makes all that was written visible.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where something that was read has changed.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        for ((table, key), version) in std::mem::take(&mut self.seen) {
            let table = self.space().table(table);
            self.batch.check(&table, key, version);
        }
        let tells = !self.batch.events.is_empty();
        self.engine.store.commit(self.batch).await?;
        if tells {
            self.engine.told();
        }
        Ok(())
    }

    /// What was made under a client token before, with the same input; the key of the resource.
    ///
    /// # Errors
    /// `ValidationException` where the token was used with another input.
    pub async fn replayed(
        &self,
        token: Option<&String>,
        operation: &str,
        input: &Document,
    ) -> Result<Replay, OperationError> {
        let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(Replay::default()) };
        let name = format!("{operation}/{token}");
        let now_ms = self.scope.now.as_millis();
        let known =
            tokens::find(&*self.engine.store, &self.space(), &name, now_ms).await.map_err(OperationError::internal)?;
        let fingerprint = fingerprint(input);
        let key = match &known.token {
            Some(used) if used.fingerprint != fingerprint => return Err(mismatch()),
            Some(used) => used.result.as_str().map(str::to_owned),
            None => None,
        };
        Ok(Replay { key, pending: Some((name, known, fingerprint)) })
    }

    /// Remembers what was made under a token.
    pub fn remember(&mut self, replay: &Replay, key: &str) {
        if let Some((name, known, fingerprint)) = &replay.pending {
            let expires_ms = self.scope.now.as_millis() + TOKEN_MS;
            let token =
                tokens::Token { fingerprint: fingerprint.clone(), result: Document::from(key.to_owned()), expires_ms };
            let space = self.space();
            self.batch.keep_token(&space, name, known, token);
        }
    }
}

/// The first value after another. No key has such a character.
pub(super) fn past(value: &str) -> String {
    format!("{value}\u{1}")
}

/// How long client tokens are remembered: eight hours.
const TOKEN_MS: i64 = 8 * 60 * 60 * 1000;

/// What is known of a client token.
#[derive(Default)]
pub struct Replay {
    /// Of the resource that was made under it.
    pub key: Option<String>,
    pending: Option<(String, tokens::KnownToken, String)>,
}

pub fn mismatch() -> OperationError {
    validation(
        "Idempotent parameter mismatch (IdempotentParameterMismatch): the same request was made with other parameters",
    )
}

/// The input as a text that is the same for the same parameters; the token does not count.
pub fn fingerprint(input: &Document) -> String {
    let mut input = input.clone();
    if let Some(fields) = input.as_map_mut() {
        fields.remove("clientToken");
    }
    in_order(input.to_json()).to_string()
}

/// The same value whatever order its members came in.
fn in_order(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(fields) => {
            let sorted: BTreeMap<String, serde_json::Value> =
                fields.into_iter().map(|(name, value)| (name, in_order(value))).collect();
            sorted.into_iter().collect()
        }
        serde_json::Value::Array(items) => items.into_iter().map(in_order).collect(),
        other => other,
    }
}

pub(super) fn read<T: Resource>(body: &Document) -> Result<Kept<T>, OperationError> {
    Kept::read(body).ok_or_else(|| OperationError::internal(format!("a row of {} cannot be read", T::TABLE)))
}

/// What of a list is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page<'p> {
    pub token: Option<&'p String>,
    pub most: Option<i64>,
}

impl Page<'_> {
    pub fn size(&self) -> usize {
        self.most.and_then(|most| usize::try_from(most).ok()).unwrap_or(100).clamp(1, 100)
    }
}

/// A token of the alphabet that Proton's tokens have.
fn encode(place: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in place.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// What a token was made of; nothing where no token looks so.
fn decode(token: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let digits: Vec<u8> = token.trim_end_matches('=').bytes().collect();
    for chunk in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in chunk {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        bits <<= 6 * (4 - chunk.len());
        let whole = bits.to_be_bytes();
        bytes.extend_from_slice(&whole[1..chunk.len()]);
    }
    String::from_utf8(bytes).ok()
}
