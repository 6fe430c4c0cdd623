//! Calls that are passed on and written down, and calls that are answered from what was written down.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use standin_core::{Answer, BodySource, BoxFuture, Call, Clock, Fidelity, OperationError, codes};
use standin_faults::Globs;
use standin_model::{Catalogue, Document};
use standin_script::recording::{Match, Pair, Player, Recorder, redact_output};
use standin_wire::checksum::{Algorithm, Checksum};
use standin_wire::server::streaming_output;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::net::Limits;
use crate::pass::{Failed, PassOn, Upstream};
use crate::payload;

const PIECE_BYTES: usize = 64 * 1024;

/// Where calls are recorded.
#[derive(Debug)]
pub struct RecordConfig {
    pub folder: PathBuf,
    pub upstream: Upstream,
    /// Catalogue ids of the services that are passed on; all without it.
    pub services: Globs,
}

/// Where recorded calls are found.
#[derive(Debug)]
pub struct ReplayConfig {
    pub folder: PathBuf,
    pub matching: Match,
}

/// Records, replays, or both: then what was not recorded yet is.
#[derive(Debug)]
pub(crate) struct Tape {
    record: Option<(Recorder, PassOn, Globs)>,
    player: Option<Player>,
}

impl Tape {
    /// `None` where nothing is recorded or replayed.
    ///
    /// # Errors
    /// The folder that cannot be used, and why.
    pub(crate) fn open(
        record: Option<RecordConfig>,
        replay: Option<ReplayConfig>,
        catalogue: &'static Catalogue,
    ) -> Result<Option<Self>, (PathBuf, io::Error)> {
        let player = match replay {
            Some(ReplayConfig { folder, matching }) => {
                Some(Player::open(&folder, matching, catalogue).map_err(|error| (folder, error))?)
            }
            None => None,
        };
        let record = match record {
            Some(RecordConfig { folder, upstream, services }) => {
                let recorder = Recorder::open(folder.clone()).map_err(|error| (folder, error))?;
                Some((recorder, PassOn::new(upstream), services))
            }
            None => None,
        };
        let is_used = record.is_some() || player.is_some();
        Ok(is_used.then_some(Self { record, player }))
    }

    /// Whether an operation's answers may come from elsewhere: then they must not be remembered.
    pub(crate) fn concerns(&self, service: &str) -> bool {
        self.player.is_some() || self.record.as_ref().is_some_and(|(_, _, services)| services.matches(service))
    }

    /// Begins anew with the first of recorded answers.
    pub(crate) fn restart(&self) {
        self.player.iter().for_each(Player::restart);
    }

    /// The recorded answer, or that of the service elsewhere; `None` where the call is for us.
    pub(crate) async fn answer(&self, call: &mut Call, limits: &Limits) -> Option<Result<Answer, OperationError>> {
        if let Some(player) = &self.player {
            match replay(player, call, limits).await {
                Ok(None) => {}
                Ok(Some(answer)) => return Some(Ok(answer)),
                Err(error) => return Some(Err(error)),
            }
        }
        let (recorder, upstream, services) = self.record.as_ref()?;
        if !services.matches(call.context.service.id) {
            return None;
        }
        Some(record(recorder, upstream, call).await)
    }
}

async fn replay(player: &Player, call: &mut Call, limits: &Limits) -> Result<Option<Answer>, OperationError> {
    let (service, operation) = (call.context.service, call.context.operation);
    if !player.knows(service, operation) {
        return Ok(None);
    }
    let mut digest = None;
    let mut rest = None;
    if let Some(mut body) = call.body.take() {
        let most = limits.body_buffered_bytes_max;
        let (mut sum, mut kept, mut length) = (Checksum::new(Algorithm::Sha256), BytesMut::new(), 0_usize);
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(payload::broken)?;
            sum.update(&piece);
            length = length.saturating_add(piece.len());
            if length <= most {
                kept.extend_from_slice(&piece);
            }
        }
        digest = (length > 0).then(|| sum.finish());
        rest = Some((length <= most).then(|| kept.freeze()));
    }
    let Some(found) = player.answer(&call.context, &call.input, digest.as_deref()) else {
        // Whoever answers instead wants it.
        call.body = match rest {
            None => None,
            Some(Some(bytes)) => Some(Box::new(Whole(Some(bytes)))),
            Some(None) => {
                let text =
                    "the payload is not in the recording, and too long to be handed on (body_buffered_bytes_max)";
                return Err(OperationError::new(codes::REQUEST_TOO_LARGE, text).with_status(413));
            }
        };
        return Ok(None);
    };
    let mut answer = Answer::new(found.answer?, Fidelity::Engine);
    answer.status = found.status;
    answer.trace.push(found.told.into());
    if let Some(path) = found.payload {
        let failed = |error: io::Error| OperationError::internal(format!("{}: {error}", path.display()));
        let file = tokio::fs::File::open(&path).await.map_err(failed)?;
        let left = file.metadata().await.map_err(failed)?.len();
        answer.body = Some(Box::new(FromFile { file, left }));
    }
    Ok(Some(answer))
}

async fn record(recorder: &Recorder, upstream: &PassOn, call: &mut Call) -> Result<Answer, OperationError> {
    let number = recorder.number();
    let mut pair = Pair::of(&call.context, &call.input, Clock::real().now().to_date_time());
    let digest = Arc::new(Mutex::new(None));
    if let Some(inner) = call.body.take() {
        let sum = Some(Checksum::new(Algorithm::Sha256));
        let left = inner.length();
        call.body = Some(Box::new(Summed { inner, left, sum, is_empty: true, digest: Arc::clone(&digest) }));
    }
    let answered = upstream.pass(call).await;
    pair.body = digest.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (service, operation) = (call.context.service, call.context.operation);
    match answered {
        Ok(mut answer) => {
            pair.status = answer.status;
            let mut output = answer.output.clone();
            if let (Some(member), Document::Map(fields)) = (streaming_output(service, operation), &mut output)
                && answer.body.is_some()
            {
                fields.remove(member.name);
            }
            pair.output = Some(redact_output(service, operation, &output));
            match answer.body.take() {
                None => written(recorder.write(&pair, number))?,
                Some(inner) => answer.body = Some(Box::new(Taped::begin(recorder, pair, number, inner).await?)),
            }
            Ok(answer)
        }
        Err(Failed::Refused(error)) => {
            pair.set_error(&call.context, &error);
            written(recorder.write(&pair, number))?;
            Err(error)
        }
        // Nothing that a service said.
        Err(Failed::Broken(error)) => Err(error),
    }
}

fn written(result: io::Result<()>) -> Result<(), OperationError> {
    result.map_err(|error| OperationError::internal(format!("the recording cannot be written: {error}")))
}

/// Bytes that are all there.
struct Whole(Option<Bytes>);

impl BodySource for Whole {
    fn next(&mut self) -> BoxFuture<'_, Option<io::Result<Bytes>>> {
        Box::pin(std::future::ready(self.0.take().map(Ok)))
    }

    fn length(&self) -> Option<u64> {
        self.0.as_ref().map(|bytes| bytes.len() as u64)
    }
}

/// A recorded payload.
struct FromFile {
    file: tokio::fs::File,
    left: u64,
}

impl BodySource for FromFile {
    fn next(&mut self) -> BoxFuture<'_, Option<io::Result<Bytes>>> {
        Box::pin(async move {
            let mut piece = vec![0; PIECE_BYTES];
            match self.file.read(&mut piece).await {
                Ok(0) => None,
                Ok(count) => {
                    piece.truncate(count);
                    self.left = self.left.saturating_sub(count as u64);
                    Some(Ok(piece.into()))
                }
                Err(error) => Some(Err(error)),
            }
        })
    }

    fn length(&self) -> Option<u64> {
        Some(self.left)
    }
}

/// Whether nothing comes behind a piece. Who knows the length of a body does not ask for more than that.
fn is_last(piece: Option<&io::Result<Bytes>>, left: &mut Option<u64>) -> bool {
    match (piece, left) {
        (None, _) => true,
        (Some(Ok(piece)), Some(left)) => {
            *left = left.saturating_sub(piece.len() as u64);
            *left == 0
        }
        _ => false,
    }
}

/// A payload on its way to the service, summed up as it goes.
struct Summed {
    inner: Box<dyn BodySource>,
    left: Option<u64>,
    sum: Option<Checksum>,
    /// Nobody asks for the pieces of an empty payload, so it has no digest either.
    is_empty: bool,
    digest: Arc<Mutex<Option<String>>>,
}

impl BodySource for Summed {
    fn next(&mut self) -> BoxFuture<'_, Option<io::Result<Bytes>>> {
        Box::pin(async move {
            let piece = self.inner.next().await;
            if let (Some(Ok(piece)), Some(sum)) = (&piece, &mut self.sum) {
                sum.update(piece);
                self.is_empty &= piece.is_empty();
            }
            if is_last(piece.as_ref(), &mut self.left)
                && let Some(sum) = self.sum.take().filter(|_| !self.is_empty)
            {
                *self.digest.lock().unwrap_or_else(PoisonError::into_inner) = Some(sum.finish());
            }
            piece
        })
    }

    fn length(&self) -> Option<u64> {
        self.inner.length()
    }
}

/// A payload on its way to the client, written down as it goes. What is not read to its end is not recorded.
struct Taped {
    inner: Box<dyn BodySource>,
    left: Option<u64>,
    file: tokio::fs::File,
    part: PathBuf,
    /// Where it is put once it is whole, and the call that it belongs to; taken when that is done.
    whole: Option<(PathBuf, Pair, u64)>,
    recorder: Recorder,
}

impl Taped {
    async fn begin(
        recorder: &Recorder,
        mut pair: Pair,
        number: u64,
        inner: Box<dyn BodySource>,
    ) -> Result<Self, OperationError> {
        let failed = |error: io::Error| OperationError::internal(format!("the recording cannot be written: {error}"));
        let (part, whole) = recorder.payload(&pair, number).map_err(failed)?;
        let file = tokio::fs::File::create(&part).await.map_err(failed)?;
        pair.payload = whole.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let left = inner.length();
        let whole = Some((whole, pair, number));
        let mut taped = Self { inner, left, file, part, whole, recorder: recorder.clone() };
        if left == Some(0) {
            taped.finish().await.map_err(failed)?;
        }
        Ok(taped)
    }

    async fn finish(&mut self) -> io::Result<()> {
        let Some((whole, pair, number)) = self.whole.take() else { return Ok(()) };
        self.file.flush().await?;
        tokio::fs::rename(&self.part, whole).await?;
        self.recorder.write(&pair, number)
    }
}

impl BodySource for Taped {
    fn next(&mut self) -> BoxFuture<'_, Option<io::Result<Bytes>>> {
        Box::pin(async move {
            let piece = self.inner.next().await;
            let mut kept = match &piece {
                Some(Ok(piece)) => self.file.write_all(piece).await,
                Some(Err(_)) | None => Ok(()),
            };
            // It is there before the client has all of it.
            if kept.is_ok() && is_last(piece.as_ref(), &mut self.left) {
                kept = self.finish().await;
            }
            match kept {
                Ok(()) => piece,
                Err(error) => {
                    tracing::error!(%error, "the recording cannot be written");
                    Some(Err(error))
                }
            }
        })
    }

    fn length(&self) -> Option<u64> {
        self.inner.length()
    }
}

impl Drop for Taped {
    fn drop(&mut self) {
        if self.whole.is_some() {
            // Left behind, it would be cleared away by the next recording.
            let _ = std::fs::remove_file(&self.part);
        }
    }
}
