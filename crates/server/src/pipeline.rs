//! The way of a request: guard, identify, read, decode, validate, answer, encode, record.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
use standin_core::{Answer, BodySource, Call, CallContext, Fidelity, OperationError, Stopwatch, Trace, codes};
use standin_faults::{Opening, Verdict};
use standin_mock::validation;
use standin_model::{Document, Kind};
use standin_script::{Hit, Scripted};
use standin_wire::sigv4::presigned_until;
use standin_wire::{Request, Response, server};

use crate::admin;
use crate::app::App;
use crate::identify::{Identity, Unidentified};
use crate::journal::{Attempt, LONG_BODY_BYTES, Outcome, Record, kept_message, shorten};
use crate::leaks::{self, LeakAttempt};
use crate::live;
use crate::memo::{self, Kept, MemoKey};
use crate::metrics::Observation;
use crate::mishap::{self, Start};
use crate::mwaa;
use crate::net::{Arrival, Authority, Body, Front, Limits, Peer, RequestBody};
use crate::payload::{self, Expected};

const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-amzn-requestid");
const FIDELITY_HEADER: HeaderName = HeaderName::from_static("x-standin-fidelity");
/// How much of a path and query the journal keeps.
const TARGET_KEPT_BYTES: usize = 2048;

type HttpRequest = http::Request<RequestBody>;
type HttpResponse = http::Response<Body>;

/// The front of the server, as the listener calls it.
pub(crate) struct Pipeline(pub(crate) Arc<App>);

impl Front for Pipeline {
    async fn serve(&self, request: HttpRequest, peer: Peer) -> HttpResponse {
        let app = &self.0;
        if leaks::is_leak(app, &peer) {
            return leaks::refuse(app, request, &peer).await;
        }
        if mwaa::claims(&peer.authority) {
            return mwaa::serve(app, request, &peer).await;
        }
        if admin::claims(&request) { admin::serve(app, request).await } else { serve_aws(app, request, &peer).await }
    }

    fn tunnelled(&self, target: &Authority, remote: SocketAddr) {
        if let Some(watch) = &self.0.leaks {
            watch.tried(LeakAttempt { host: &target.host, service: None, operation: None, remote });
        }
    }

    fn admits(&self, arrival: Arrival<'_>) -> bool {
        let app = &self.0;
        if !app.faults.any() {
            return true;
        }
        let now = app.clock.now();
        let rule = match arrival {
            // Who wants to switch the fault off must get through.
            Arrival::Begun(first) if admin::claims_first(first) => None,
            Arrival::Begun(_) => app.faults.judge_connection(Opening::Begun, app.dice, now),
            Arrival::Handshake(name) => {
                let (services, region) = app.index.of_host(name.unwrap_or_default());
                app.faults.judge_connection(Opening::Handshake { services: &services, region }, app.dice, now)
            }
        };
        if let Some(rule) = &rule {
            tracing::debug!(rule, "a connection is broken by a fault rule");
        }
        rule.is_none()
    }
}

/// What is known of a request while it is answered; becomes its record.
struct Progress {
    stopwatch: Stopwatch,
    ordinal: u64,
    body_bytes: u64,
    /// Under which the answer is remembered, if it depends on the request alone.
    memo_key: Option<MemoKey>,
    attempt: Option<Attempt>,
}

async fn serve_aws(app: &Arc<App>, request: HttpRequest, peer: &Peer) -> HttpResponse {
    let (mut parts, body) = request.into_parts();
    let mut progress = Progress {
        stopwatch: Stopwatch::start(),
        ordinal: app.next_ordinal(),
        body_bytes: 0,
        memo_key: None,
        attempt: Attempt::of(&parts.headers),
    };

    // The operation stands in the body of forms only; whatever else can be identified before the body is read.
    let mut form = None;
    let mut body = Some(body);
    if is_form(&parts.headers)
        && let Some(body) = body.take()
    {
        match payload::collect(body, &parts.headers, Expected::FORM, &app.limits).await {
            Ok(bytes) => form = Some(bytes),
            Err(error) => {
                let unidentified = match app.index.identify(&parts, None, &app.defaults) {
                    Ok(Identity { protocol, service, scope, .. }) => {
                        Unidentified { protocol, service: Some(service), scope, error }
                    }
                    Err(miss) => Unidentified { error, ..*miss },
                };
                return refuse(app, &parts, unidentified, &progress);
            }
        }
    }
    let mut identity = match app.index.identify(&parts, form.as_deref(), &app.defaults) {
        Ok(identity) => identity,
        Err(miss) => {
            return refuse(app, &parts, *miss, &progress);
        }
    };
    app.note_access_key(identity.scope.access_key.as_deref());
    if !app.serves(identity.service.id) {
        let text = format!("{} is not among the services that this server was told to serve", identity.service.title);
        let error = OperationError::new(codes::NOT_IMPLEMENTED, text).with_status(501);
        let Identity { protocol, service, scope, .. } = identity;
        return refuse(app, &parts, Unidentified { protocol, service: Some(service), scope, error }, &progress);
    }

    if let Some(error) = expired(app, &parts) {
        let Identity { protocol, service, scope, .. } = identity;
        return refuse(app, &parts, Unidentified { protocol, service: Some(service), scope, error }, &progress);
    }

    let expected = Expected::by(identity.service, identity.operation);
    let streaming = server::streaming_input(identity.service, identity.operation);
    let mut stream = None;
    let bytes = match (form.clone(), body) {
        (Some(form), _) => Ok(form),
        (None, None) => Ok(Bytes::new()),
        (None, Some(body)) if streaming.is_some() => payload::stream(body, &parts.headers, expected).map(|source| {
            stream = Some(source);
            Bytes::new()
        }),
        (None, Some(body)) => payload::collect(body, &parts.headers, expected, &app.limits).await,
    };
    progress.body_bytes = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);

    let own = mishap::own_rules(&parts.headers);
    // Only rules ask when a call was signed.
    let ruled = app.faults.any() || own.as_ref().is_ok_and(|own| !own.is_empty());
    let signed = ruled.then(|| mishap::signed_at(&parts.headers)).flatten();
    let memo_key = match &bytes {
        Ok(bytes) if stream.is_none() && may_remember(app, &parts, &identity, bytes.len()) => {
            memo::key(app.dice, &parts, &identity, &peer.authority.base_url, bytes)
        }
        _ => None,
    };
    // By the input of the same request before, so that it counts once.
    let mut judged = None;
    if let (Some(key), Ok(bytes)) = (memo_key, &bytes)
        && let Some(kept) = app.memo.get(key)
    {
        let context = context(app, &parts, peer, &identity, bytes, progress.ordinal);
        let verdict = app.faults.judge(&context, &kept.input, &[], signed);
        if verdict.changes_nothing() {
            return repeat(app, &parts, identity, context, &kept, &progress);
        }
        judged = Some(verdict);
    }

    let asked = identity.operation;
    let hashed = bytes.as_ref().map_or_else(|_| Bytes::new(), Bytes::clone);
    let (input, verdict) = match bytes {
        Ok(bytes) => understand(app, &mut parts, &mut identity, form.as_deref(), bytes),
        Err(error) => (Document::map(), Err(error)),
    };
    let context = context(app, &parts, peer, &identity, &hashed, progress.ordinal);
    drop(hashed);
    let mut call = Call { context, input, body: stream };
    let (mut faults, verdict) = match own {
        Ok(own) => {
            let judge = || app.faults.judge(&call.context, &call.input, &own, signed);
            (judged.unwrap_or_else(judge), verdict)
        }
        Err(error) => (Verdict::default(), Err(error)),
    };
    call.context.mishap = faults.mishap().map(Arc::new);
    let answer = match verdict {
        Ok(()) => match mishap::start(&mut faults).await {
            Start::Work => work(app, &identity, &mut call, &mut faults).await,
            Start::Fail(error) => read_rest(&mut call).await.and(Err(error)),
        },
        Err(error) => Err(error),
    };
    // What turned out to be a sibling's request is identified anew each time, and what went wrong is nobody else's answer.
    progress.memo_key = memo_key.filter(|_| std::ptr::eq(asked, identity.operation) && faults.changes_nothing());
    let response = finish(app, &parts, identity, call, answer, &progress, &faults);
    mishap::end(faults, response, app.fidelity_header).await
}

/// Why a presigned URL is not good any more. The virtual clock decides, so that a test need not wait.
fn expired(app: &App, parts: &Parts) -> Option<OperationError> {
    let now = app.clock.now();
    let until = presigned_until(parts.uri.query()?).filter(|until| *until < now)?;
    let error = OperationError::new("AccessDenied", "Request has expired").with_status(403);
    Some(error.with_member("Expires", until.to_date_time()).with_member("ServerTime", now.to_date_time()))
}

/// Whether an answer depends on the request alone.
fn may_remember(app: &App, parts: &Parts, identity: &Identity, body_bytes: usize) -> bool {
    let (service, operation) = (identity.service.id, identity.operation.name);
    app.strict.is_none()
        && !app.responses.concern(identity.service, identity.operation)
        && app.tape.as_ref().is_none_or(|tape| !tape.concerns(service))
        // Of long inputs not all is kept by which a rule may choose.
        && (body_bytes <= LONG_BODY_BYTES || !app.faults.any())
        && !parts.headers.contains_key(mishap::FAULT_HEADER)
        && app.registry.find_by_name(service, operation).fidelity(identity.service, identity.operation)
            == Fidelity::Synthesized
}

enum Answered {
    Answer(Answer),
    Raw(Response, Trace),
    /// An error that a rule asks for.
    Error(OperationError, Trace),
}

/// Decodes the input and checks it. Where it does not fit the model and the request may as well be another service's,
/// it is taken for that one whose model it fits. Beside an error stands as much of the input as was understood.
fn understand(
    app: &App,
    parts: &mut Parts,
    identity: &mut Identity,
    form: Option<&[u8]>,
    bytes: Bytes,
) -> (Document, Result<(), OperationError>) {
    let mut request = Request {
        method: parts.method.clone(),
        path: identity.path.clone().unwrap_or_else(|| parts.uri.path().to_owned()),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        // Nobody looks at them after this but the search for siblings.
        headers: std::mem::take(&mut parts.headers),
        body: bytes,
    };
    if identity.form_is_query {
        request.method = Method::GET;
        request.query = String::from_utf8_lossy(&request.body).into_owned();
        request.body = Bytes::new();
    }
    let read = |protocol, service, operation, request: &Request| match server::decode_request(
        protocol, service, operation, request,
    ) {
        Ok(input) => {
            let verdict = validation::validate(service, operation, &input, app.validation);
            (input, verdict)
        }
        Err(error) => (Document::map(), Err(error.into())),
    };
    let first = read(identity.protocol, identity.service, identity.operation, &request);
    if first.1.is_ok() || server::streaming_input(identity.service, identity.operation).is_some() {
        return first;
    }
    parts.headers = std::mem::take(&mut request.headers);
    let siblings = app.index.siblings(parts, form, identity);
    request.headers = std::mem::take(&mut parts.headers);
    for sibling in siblings {
        if server::streaming_input(sibling.service, sibling.operation).is_some() {
            continue;
        }
        let second = read(sibling.protocol, sibling.service, sibling.operation, &request);
        if second.1.is_ok() {
            identity.become_sibling(&sibling);
            return second;
        }
    }
    first
}

/// Does what a call asks for. Where a fault rule says so, the request comes twice, as over a network that repeats it; the
/// client gets the first answer.
async fn work(
    app: &Arc<App>,
    identity: &Identity,
    call: &mut Call,
    faults: &mut Verdict,
) -> Result<Answered, OperationError> {
    if let Some(mut partial) = faults.partial.take()
        && let Some(taken) = mishap::take_out(&mut partial, call)
    {
        let mut answered = match taken.nothing_left() {
            Some(output) => Ok(Answered::Answer(Answer::new(output, Fidelity::Synthesized))),
            None => Box::pin(work(app, identity, call, faults)).await,
        };
        if let Ok(Answered::Answer(answer)) = &mut answered {
            taken.tell(call, &mut answer.output, &partial.error);
        }
        return answered;
    }
    let again = (faults.twice && call.body.is_none()).then(|| Call {
        context: call.context.clone(),
        input: call.input.clone(),
        body: None,
    });
    let first = answer(app, identity, call).await;
    if let Some(mut again) = again
        && let Err(error) = answer(app, identity, &mut again).await
    {
        tracing::debug!(%error, "the second of two equal requests failed");
    }
    first
}

async fn answer(app: &Arc<App>, identity: &Identity, call: &mut Call) -> Result<Answered, OperationError> {
    match app.responses.find(&call.context, &call.input) {
        Some(hit) => script(app, identity, call, hit).await,
        None => real(app, identity, call).await.map(Answered::Answer),
    }
}

/// Answers by a rule that somebody wrote, carrying the call out where the rule looks at what comes of it.
async fn script(
    app: &Arc<App>,
    identity: &Identity,
    call: &mut Call,
    mut hit: Hit,
) -> Result<Answered, OperationError> {
    let mut done = None;
    if hit.needs_real() {
        done = Some(real(app, identity, call).await);
    } else {
        read_rest(call).await?;
    }
    let seen = done.as_ref().map(|done| done.as_ref().map(|answer| &answer.output));
    let told = hit.told();
    let scripted = hit.answer(&call.context, &call.input, seen, &app.clock)?;
    match (scripted, done) {
        (Some(Scripted::Output(output)), done) => {
            let mut answer = match done {
                Some(Ok(answer)) => answer,
                _ => Answer::new(Document::map(), Fidelity::Synthesized),
            };
            // A payload that the rule gives takes the place of the one that would have come.
            let payload = server::streaming_output(identity.service, identity.operation);
            if payload.is_some_and(|member| output.get(member.name).is_some()) {
                answer.body = None;
            }
            answer.output = output;
            answer.trace.push(told.into());
            Ok(Answered::Answer(answer))
        }
        (Some(Scripted::Error(error)), _) => Ok(Answered::Error(error, vec![told.into()])),
        (Some(Scripted::Raw(response)), _) => Ok(Answered::Raw(response, vec![told.into()])),
        (None, Some(done)) => done.map(Answered::Answer),
        (None, None) => Ok(Answered::Answer(Answer::new(Document::map(), Fidelity::Synthesized))),
    }
}

/// What standin itself answers.
async fn real(app: &Arc<App>, identity: &Identity, call: &mut Call) -> Result<Answer, OperationError> {
    let (service, operation) = (identity.service, identity.operation);
    if let Some(tape) = &app.tape
        && let Some(answer) = tape.answer(call, &app.limits).await
    {
        return answer;
    }
    let handler = app.registry.find(&call.context);
    let fidelity = handler.fidelity(service, operation);
    if let Some(least) = app.strict
        && fidelity < least
    {
        return Err(OperationError::new(
            codes::NOT_IMPLEMENTED,
            format!(
                "{} of {} is answered at fidelity `{}` only, and this server was started with --strict {}",
                operation.name,
                service.title,
                fidelity.name(),
                least.name()
            ),
        )
        .with_status(501));
    }
    if fidelity == Fidelity::Synthesized {
        read_rest(call).await?;
    } else if fidelity == Fidelity::Stateful {
        take_body(call, &app.limits).await?;
    }
    handler.handle(call).await
}

/// Reads a streaming payload into the input: what the stateful handler stores is bounded by the limit of whole bodies.
async fn take_body(call: &mut Call, limits: &Limits) -> Result<(), OperationError> {
    let member = server::streaming_input(call.context.service, call.context.operation);
    let Some(member) = member.filter(|member| matches!(call.context.service.target(member).kind, Kind::Blob { .. }))
    else {
        return read_rest(call).await;
    };
    let bytes = payload::gather(&mut call.body, limits).await?;
    if let Document::Map(fields) = &mut call.input {
        fields.insert(member.name, bytes);
    }
    Ok(())
}

/// Reads a streaming input that no handler wants: its checksums must hold and the connection stays usable.
async fn read_rest(call: &mut Call) -> Result<(), OperationError> {
    let context = &call.context;
    let member = server::streaming_input(context.service, context.operation);
    let events = member.is_some_and(|member| matches!(context.service.target(member).kind, Kind::Structure(_)));
    if !events {
        return payload::consume(&mut call.body).await;
    }
    // A client of a two-way stream may wait for the answer's head before it ends its own side.
    let mut body = call.body.take();
    tokio::spawn(async move {
        if let Err(error) = payload::consume(&mut body).await {
            tracing::debug!(%error, "an event stream broke off");
        }
    });
    Ok(())
}

fn context(app: &App, parts: &Parts, peer: &Peer, identity: &Identity, body: &[u8], ordinal: u64) -> CallContext {
    const HASHED_BYTES_MAX: usize = 64 * 1024;
    let scope = &identity.scope;
    let mut key = app.dice.key("request id");
    key.text(parts.method.as_str())
        .text(parts.uri.path())
        .text(parts.uri.query().unwrap_or_default())
        .text(&scope.account)
        .text(&scope.region)
        .text(identity.service.id)
        .text(identity.operation.name)
        .number(body.len() as u64)
        .bytes(&body[..body.len().min(HASHED_BYTES_MAX)]);
    CallContext {
        request_id: app.request_id(&key),
        ordinal,
        service: identity.service,
        operation: identity.operation,
        protocol: identity.protocol,
        partition: scope.partition,
        account: scope.account.clone(),
        region: scope.region.clone(),
        access_key: scope.access_key.clone(),
        base_url: peer.authority.base_url.clone(),
        now: app.clock.now(),
        origin: app.clock.origin(),
        dice: app.dice,
        mishap: None,
    }
}

/// Encodes what came of a call, and writes it down.
fn finish(
    app: &App,
    parts: &Parts,
    identity: Identity,
    call: Call,
    answered: Result<Answered, OperationError>,
    progress: &Progress,
    faults: &Verdict,
) -> HttpResponse {
    let Call { context, mut input, body: unread } = call;
    drop(unread);
    let (service, operation, protocol) = (identity.service, identity.operation, identity.protocol);
    if progress.body_bytes > LONG_BODY_BYTES as u64 {
        shorten(&mut input);
    }
    let input = Arc::new(input);
    let (answered, why) = match answered {
        Ok(Answered::Error(error, why)) => (Err(error), why),
        other => (other, Trace::new()),
    };
    let (mut response, body, outcome, fidelity, trace) = match answered {
        Ok(Answered::Answer(Answer { mut output, body, events, status, headers, fidelity, trace })) => {
            let mut response = server::encode_response(protocol, service, operation, &context.request_id, &output);
            if let Some(status) = status.and_then(|status| StatusCode::from_u16(status).ok()) {
                response.status = status;
            }
            for (name, value) in headers {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    response.headers.insert(HeaderName::from_static(name), value);
                }
            }
            if let Some(key) = progress.memo_key
                && body.is_none()
                && fidelity == Fidelity::Synthesized
            {
                app.memo.put(key, input.clone(), &response);
            }
            let outcome = if response.body.len() > LONG_BODY_BYTES {
                shorten(&mut output);
                Outcome::Output(output)
            } else {
                Outcome::Encoded { response: response.clone(), operation, service }
            };
            let body = match events {
                Some(events) => Some(live::body(service, operation, protocol, response.body.clone(), events)),
                None => body,
            };
            (response, body, outcome, Some(fidelity), trace)
        }
        Ok(Answered::Raw(response, trace)) => (response, None, Outcome::Raw, None, trace),
        Ok(Answered::Error(error, _)) | Err(error) => {
            if let Some(source) = &error.source {
                tracing::error!(request = &*context.request_id, error = %source, "an operation failed inside standin");
            }
            let response = server::encode_error(protocol, Some(service), Some(operation), &context.request_id, &error);
            let outcome = Outcome::Error { code: error.code.as_ref().into(), message: kept_message(error.message) };
            (response, None, outcome, None, why)
        }
    };
    if app.fidelity_header {
        let level = fidelity.unwrap_or_else(|| app.registry.find(&context).fidelity(service, operation));
        response.headers.insert(FIDELITY_HEADER, HeaderValue::from_static(level.name()));
    }
    let told = Told { input, outcome, fidelity, trace, faults: faults.hits.clone() };
    write_down(app, parts, identity, context, told, response.status.as_u16(), progress);
    to_http(app, parts, response, body)
}

/// Answers a request that was answered before.
fn repeat(
    app: &App,
    parts: &Parts,
    identity: Identity,
    context: CallContext,
    kept: &Kept,
    progress: &Progress,
) -> HttpResponse {
    let (service, operation) = (identity.service, identity.operation);
    let mut response = kept.response.clone();
    if let Ok(id) = HeaderValue::from_str(&context.request_id) {
        response.headers.insert(REQUEST_ID_HEADER, id);
    }
    let outcome = Outcome::Encoded { response: response.clone(), operation, service };
    if app.fidelity_header {
        response.headers.insert(FIDELITY_HEADER, HeaderValue::from_static(Fidelity::Synthesized.name()));
    }
    let trace = vec![Cow::Borrowed("asked before: the answer was remembered, as it depends on the request alone")];
    let told =
        Told { input: kept.input.clone(), outcome, fidelity: Some(Fidelity::Synthesized), trace, faults: Vec::new() };
    write_down(app, parts, identity, context, told, response.status.as_u16(), progress);
    to_http(app, parts, response, None)
}

/// What a record tells of an answer.
struct Told {
    input: Arc<Document>,
    outcome: Outcome,
    fidelity: Option<Fidelity>,
    trace: Trace,
    faults: Vec<standin_faults::Hit>,
}

/// Writes an answered call into the journal, the coverage and the metrics.
fn write_down(
    app: &App,
    parts: &Parts,
    identity: Identity,
    context: CallContext,
    told: Told,
    status: u16,
    progress: &Progress,
) {
    let (service, operation) = (identity.service, identity.operation);
    let Told { input, outcome, fidelity, trace, faults } = told;
    let duration = progress.stopwatch.elapsed();
    tracing::debug!(
        request = &*context.request_id,
        service = service.id,
        operation = operation.name,
        status,
        micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
        "answered"
    );
    app.coverage.count(service.id, operation, fidelity);
    app.metrics.observe(&Observation {
        service: service.id,
        operation: operation.name,
        status,
        fidelity,
        duration,
        request_body_bytes: progress.body_bytes,
    });
    app.journal.push(Record {
        id: context.request_id,
        ordinal: context.ordinal,
        time: context.now,
        scope: identity.scope,
        service: Some(service.id),
        operation: Some(operation.name),
        protocol: identity.protocol,
        service_by: Some(identity.service_by),
        operation_by: Some(identity.operation_by),
        method: parts.method.as_str().into(),
        target: target(parts),
        input,
        status,
        outcome,
        fidelity,
        trace,
        attempt: progress.attempt.clone(),
        faults,
        duration,
    });
}

/// Answers a request that could not be identified, or not be read.
fn refuse(app: &App, parts: &Parts, miss: Unidentified, progress: &Progress) -> HttpResponse {
    let mut key = app.dice.key("request id of nobody");
    key.text(parts.method.as_str()).text(parts.uri.path()).text(parts.uri.query().unwrap_or_default());
    let id = app.request_id(&key);
    let response = server::encode_error(miss.protocol, miss.service, None, &id, &miss.error);
    let status = response.status.as_u16();
    tracing::info!(request = &*id, status, error = %miss.error, "refused");
    let duration = progress.stopwatch.elapsed();
    let service = miss.service.map(|service| service.id);
    app.metrics.observe(&Observation {
        service: service.unwrap_or_default(),
        operation: "",
        status,
        fidelity: None,
        duration,
        request_body_bytes: progress.body_bytes,
    });
    app.journal.push(Record {
        id,
        ordinal: progress.ordinal,
        time: app.clock.now(),
        scope: miss.scope,
        service,
        operation: None,
        protocol: miss.protocol,
        service_by: None,
        operation_by: None,
        method: parts.method.as_str().into(),
        target: target(parts),
        input: Arc::new(Document::Null),
        status,
        outcome: Outcome::Error { code: miss.error.code.as_ref().into(), message: kept_message(miss.error.message) },
        fidelity: None,
        trace: Trace::new(),
        attempt: progress.attempt.clone(),
        faults: Vec::new(),
        duration,
    });
    to_http(app, parts, response, None)
}

/// Path and query for the journal, without what grants access: signatures and tokens of presigned URLs.
fn target(parts: &Parts) -> Box<str> {
    let path = parts.uri.path();
    let Some(query) = parts.uri.query() else {
        return path[..path.floor_char_boundary(TARGET_KEPT_BYTES)].into();
    };
    let secret = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
        matches!(&*name, "x-amz-signature" | "x-amz-security-token" | "signature" | "x-amz-credential")
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !secret(pair)).collect();
    let mut text = if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
    text.truncate(text.floor_char_boundary(TARGET_KEPT_BYTES));
    text.into()
}

fn to_http(app: &App, parts: &Parts, response: Response, body: Option<Box<dyn BodySource>>) -> HttpResponse {
    let body = match body {
        Some(source) => Body::source(source),
        None => Body::from(response.body),
    };
    let mut http = http::Response::new(body);
    *http.status_mut() = response.status;
    *http.headers_mut() = response.headers;
    // An output may have a member for it, which need not be true. Only an answer without a body tells of another's.
    if parts.method != Method::HEAD {
        http.headers_mut().remove(http::header::CONTENT_LENGTH);
    }
    // hyper dates answers by the system's clock; a virtual clock must show here too, since clients correct their skew by it.
    if app.clock.is_virtual()
        && let Ok(date) = HeaderValue::from_str(&app.clock.now().to_http_date())
    {
        http.headers_mut().insert(http::header::DATE, date);
    }
    http
}

pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.starts_with("application/x-www-form-urlencoded") && !headers.contains_key("x-amz-target")
}
