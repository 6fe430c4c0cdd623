//! Carries out what fault rules decide: waits, fails, breaks off.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use standin_core::{BodySource, BoxFuture, Call, OperationError, codes};
use standin_faults::{Faults, Network, Partial, Rule, Verdict};
use standin_mock::batch::{BatchShape, Taken};
use standin_model::{Document, Timestamp};

use crate::net::{Body, Cut};

/// In requests: a rule for this call alone. In answers: the rules that it suffers from.
pub(crate) const FAULT_HEADER: HeaderName = HeaderName::from_static("x-standin-fault");
/// A client that waits for an answer that never comes gives up long before.
const HANG_MAX: Duration = Duration::from_secs(3600);
/// Pieces per second of a slow body.
const PIECES_PER_SECOND: u64 = 10;
/// How many bytes more than come a wrong `content-length` promises.
const MISSING_BYTES: u64 = 64;

/// The rules that came with a request: one JSON object per header, with the outcome only or with a whole rule.
pub(crate) fn own_rules(headers: &HeaderMap) -> Result<Vec<Rule>, OperationError> {
    let mut rules = Vec::new();
    for value in headers.get_all(FAULT_HEADER) {
        let rule = serde_json::from_slice::<Rule>(value.as_bytes()).map_err(|error| {
            let text =
                format!("the header {FAULT_HEADER} is no fault rule such as {{\"error\": \"throttling\"}}: {error}");
            OperationError::new(codes::VALIDATION, text).with_status(400)
        })?;
        Faults::check_outcome(&rule).map_err(|refused| {
            OperationError::new(codes::VALIDATION, format!("the header {FAULT_HEADER}: {refused}")).with_status(400)
        })?;
        rules.push(Rule { id: FAULT_HEADER.as_str().to_owned(), ..rule });
    }
    Ok(rules)
}

/// When a request was signed, as its caller says; `None` of unsigned and presigned ones, which may wait.
pub(crate) fn signed_at(headers: &HeaderMap) -> Option<Timestamp> {
    headers.get(http::header::AUTHORIZATION)?;
    let date = headers.get("x-amz-date").or_else(|| headers.get(http::header::DATE))?;
    Timestamp::parse_any(date.to_str().ok()?)
}

/// What becomes of a call before any work is done.
pub(crate) enum Start {
    Work,
    Fail(OperationError),
}

/// Waits as long as the verdict says, but for what depends on the answer's size.
pub(crate) async fn start(verdict: &mut Verdict) -> Start {
    let waits: Duration = verdict
        .delays
        .iter_mut()
        .filter(|(delay, _)| !delay.needs_size())
        .map(|(delay, draw)| delay.draw(draw, 0))
        .sum();
    sleep(waits).await;
    if verdict.network == Some(Network::Hang) {
        sleep(HANG_MAX).await;
    }
    if matches!(verdict.network, Some(Network::Hang | Network::ResetBefore | Network::Refuse | Network::Tls)) {
        return Start::Fail(OperationError::new("ConnectionReset", "the connection ended before any work was done"));
    }
    verdict.error.take().map_or(Start::Work, Start::Fail)
}

/// Takes the items out of a batch that are to fail.
pub(crate) fn take_out(partial: &mut Partial, call: &mut Call) -> Option<TakenOut> {
    let shape = BatchShape::of(call.context.service, call.context.operation)?;
    let input = call.input.clone();
    let taken = shape.take(&mut call.input, partial.share, &mut partial.draw)?;
    Some(TakenOut { shape, input, taken })
}

/// Items that were taken out of a batch.
pub(crate) struct TakenOut {
    shape: BatchShape,
    /// With all items.
    input: Document,
    taken: Taken,
}

impl TakenOut {
    /// The output of no item, where none is left.
    pub(crate) fn nothing_left(&self) -> Option<Document> {
        self.taken.all.then(|| self.shape.nothing_done())
    }

    /// Says in an output which items failed, and gives the call its input back.
    pub(crate) fn tell(self, call: &mut Call, output: &mut Document, error: &OperationError) {
        self.shape.tell(output, &self.input, self.taken, error);
        call.input = self.input;
    }
}

/// Damages an answer as the verdict says.
pub(crate) async fn end(mut verdict: Verdict, mut response: http::Response<Body>, tell: bool) -> http::Response<Body> {
    if let Some(date) = verdict.clock.and_then(|clock| HeaderValue::from_str(&clock.to_http_date()).ok()) {
        response.headers_mut().insert(http::header::DATE, date);
    }
    if verdict.is_nothing() {
        return response;
    }
    if tell {
        let rules: Vec<&str> = verdict.hits.iter().map(|hit| &*hit.rule).collect();
        if let Ok(rules) = HeaderValue::from_str(&rules.join(", ")) {
            response.headers_mut().insert(FAULT_HEADER, rules);
        }
    }
    let bytes = http_body::Body::size_hint(response.body()).exact().unwrap_or(0);
    let waits = verdict.delays.iter_mut().filter(|(delay, _)| delay.needs_size());
    sleep(waits.map(|(delay, draw)| delay.draw(draw, bytes)).sum()).await;
    let mut damage = Damage { trickle: verdict.trickle, ..Damage::default() };
    match verdict.network {
        Some(Network::ResetBefore | Network::ResetAfter | Network::Hang | Network::Refuse | Network::Tls) => {
            return cut();
        }
        Some(Network::Truncate) => damage.end_after = Some(bytes / 2),
        Some(Network::WrongLength) => damage.claimed = Some(bytes + MISSING_BYTES),
        Some(Network::Malformed) => {
            // No protocol's document begins so.
            response.headers_mut().remove(CONTENT_LENGTH);
            *response.body_mut() = Body::from("\u{1}<<{{[broken on purpose");
            return response;
        }
        None if damage.trickle.is_none() => return response,
        None => {}
    }
    response.headers_mut().remove(CONTENT_LENGTH);
    response.map(|body| Body::source(Box::new(Damaged { body, damage, sent: 0, rest: Bytes::new() })))
}

/// The end of the connection instead of an answer.
fn cut() -> http::Response<Body> {
    let mut response = http::Response::new(Body::empty());
    response.extensions_mut().insert(Cut);
    response
}

async fn sleep(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

#[derive(Default)]
struct Damage {
    /// Bytes per second.
    trickle: Option<u64>,
    /// The connection breaks after so many bytes.
    end_after: Option<u64>,
    /// What `content-length` says.
    claimed: Option<u64>,
}

/// A body that comes slowly, or not whole.
struct Damaged {
    body: Body,
    damage: Damage,
    sent: u64,
    /// Of the piece that came last.
    rest: Bytes,
}

impl BodySource for Damaged {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Bytes, io::Error>>> {
        Box::pin(async move {
            let broken = || Some(Err(io::Error::other("a fault rule breaks the body off")));
            while self.rest.is_empty() {
                match self.body.next_piece().await {
                    Some(Ok(piece)) => self.rest = piece,
                    Some(Err(error)) => return Some(Err(error)),
                    None if self.damage.claimed.is_some() || self.damage.end_after.is_some() => return broken(),
                    None => return None,
                }
            }
            let mut most = self.rest.len();
            if let Some(rate) = self.damage.trickle {
                let piece = (rate / PIECES_PER_SECOND).max(1);
                most = most.min(usize::try_from(piece).unwrap_or(usize::MAX));
                #[expect(clippy::cast_precision_loss, reason = "a piece is small")]
                sleep(Duration::try_from_secs_f64(most as f64 / rate as f64).unwrap_or_default()).await;
            }
            if let Some(end) = self.damage.end_after {
                let left = end.saturating_sub(self.sent);
                if left == 0 {
                    return broken();
                }
                most = most.min(usize::try_from(left).unwrap_or(usize::MAX));
            }
            self.sent += most as u64;
            Some(Ok(self.rest.split_to(most)))
        })
    }

    fn length(&self) -> Option<u64> {
        match (self.damage.claimed, self.damage.end_after) {
            (Some(claimed), _) => Some(claimed),
            // Cut in the middle of a body whose length nobody promised.
            (None, Some(_)) => None,
            (None, None) => http_body::Body::size_hint(&self.body).exact(),
        }
    }
}
