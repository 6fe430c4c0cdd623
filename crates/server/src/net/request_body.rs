//! Bodies of requests, read within limits.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::EXPECT;
use http::{StatusCode, Version};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use standin_core::{BodySource, BoxFuture};
use tokio::time::{Instant, Sleep};

use super::Limits;

/// What is reserved for a body on the word of its `Content-Length` alone.
const RESERVED_BYTES_MAX: usize = 1024 * 1024;

/// The body of a request. Read it whole with [`buffered`](Self::buffered), or piece by piece: it is a [`BodySource`].
///
/// When it is dropped before its end, the rest is read and thrown away for a while ([`Limits`]), because most clients
/// write all of it before they read the answer, or (curl by HTTP/2) lose the answer when their stream is reset.
#[derive(Debug)]
pub struct RequestBody {
    from: From,
    limits: Arc<Limits>,
    /// The client waits for `100 Continue` before it sends; asking for the first piece makes hyper send that (not by
    /// HTTP/2, where clients give up waiting).
    awaits_continue: bool,
    patience: Patience,
}

#[derive(Debug)]
enum From {
    Memory(Bytes),
    Network(Incoming),
    Nothing,
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the request's body is longer than {limit_bytes} bytes")]
    TooLong { limit_bytes: usize },
    #[error("the client sent nothing of the request's body for {timeout_ms} ms")]
    Idle { timeout_ms: u64 },
    #[error("the request's body broke off")]
    Broken(#[source] hyper::Error),
}

impl BodyError {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Idle { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl std::convert::From<BodyError> for io::Error {
    fn from(error: BodyError) -> Self {
        let kind = match error {
            BodyError::TooLong { .. } => io::ErrorKind::FileTooLarge,
            BodyError::Idle { .. } => io::ErrorKind::TimedOut,
            BodyError::Broken(_) => io::ErrorKind::ConnectionAborted,
        };
        Self::new(kind, error)
    }
}

impl std::convert::From<Bytes> for RequestBody {
    /// A body that did not come over the network.
    fn from(bytes: Bytes) -> Self {
        Self {
            from: if bytes.is_empty() { From::Nothing } else { From::Memory(bytes) },
            limits: Arc::default(),
            awaits_continue: false,
            patience: Patience::default(),
        }
    }
}

impl RequestBody {
    pub(super) fn new(body: Incoming, head: &http::request::Parts, limits: Arc<Limits>) -> Self {
        let network = !body.is_end_stream();
        Self {
            awaits_continue: network
                && head.version < Version::HTTP_2
                && head.headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")),
            from: if network { From::Network(body) } else { From::Nothing },
            limits,
            patience: Patience::default(),
        }
    }

    /// The length in bytes as far as it is known.
    pub fn length(&self) -> Option<u64> {
        match &self.from {
            From::Memory(bytes) => Some(bytes.len() as u64),
            From::Network(body) => body.size_hint().exact(),
            From::Nothing => Some(0),
        }
    }

    /// Reads the whole body, up to [`Limits::body_buffered_bytes_max`].
    ///
    /// # Errors
    /// When it is longer (known at once where the client gave the length), pauses too long or breaks off.
    pub async fn buffered(self) -> Result<Bytes, BodyError> {
        let limit = self.limits.body_buffered_bytes_max;
        self.buffered_up_to(limit).await
    }

    /// Like [`buffered`](Self::buffered), with a limit of the caller's.
    ///
    /// # Errors
    /// As there.
    pub async fn buffered_up_to(mut self, limit_bytes: usize) -> Result<Bytes, BodyError> {
        let too_long = BodyError::TooLong { limit_bytes };
        let length = self.length();
        if length.is_some_and(|length| length > limit_bytes as u64) {
            return Err(too_long);
        }
        let Some(first) = self.next_piece().await.transpose()? else { return Ok(Bytes::new()) };
        if first.len() > limit_bytes {
            return Err(too_long);
        }
        // Most bodies come in one piece.
        if length == Some(first.len() as u64) {
            return Ok(first);
        }
        let Some(second) = self.next_piece().await.transpose()? else { return Ok(first) };
        let expected = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let mut whole = BytesMut::with_capacity(expected.min(RESERVED_BYTES_MAX).max(first.len() + second.len()));
        whole.extend_from_slice(&first);
        let mut next = Some(second);
        while let Some(piece) = next {
            if piece.len() > limit_bytes - whole.len() {
                return Err(too_long);
            }
            whole.extend_from_slice(&piece);
            next = self.next_piece().await.transpose()?;
        }
        Ok(whole.freeze())
    }

    /// The next piece, never empty; `None` at the end. After an error there is nothing more.
    pub async fn next_piece(&mut self) -> Option<Result<Bytes, BodyError>> {
        poll_fn(|cx| self.poll_piece(cx)).await
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            let body = match &mut self.from {
                From::Network(body) => body,
                From::Memory(_) | From::Nothing => {
                    let From::Memory(bytes) = std::mem::replace(&mut self.from, From::Nothing) else {
                        return Poll::Ready(None);
                    };
                    return Poll::Ready(Some(Ok(bytes)));
                }
            };
            self.awaits_continue = false;
            let frame = match Pin::new(body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(self.patience.poll(cx, self.limits.body_idle_timeout()));
                    self.from = From::Nothing;
                    return Poll::Ready(Some(Err(BodyError::Idle { timeout_ms: self.limits.body_idle_timeout_ms })));
                }
            };
            self.patience.frames += 1;
            match frame {
                // Trailers: those of aws-chunked are part of the data, others mean nothing here.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Poll::Ready(Some(Ok(data))),
                    _ => {}
                },
                Some(Err(error)) => {
                    self.from = From::Nothing;
                    return Poll::Ready(Some(Err(BodyError::Broken(error))));
                }
                None => {
                    self.from = From::Nothing;
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// The body as hyper gave it, to be passed on.
    pub(super) fn into_incoming(mut self) -> Option<Incoming> {
        match std::mem::replace(&mut self.from, From::Nothing) {
            From::Network(body) => Some(body),
            From::Memory(_) | From::Nothing => None,
        }
    }
}

impl BodySource for RequestBody {
    fn next(&mut self) -> BoxFuture<'_, Option<io::Result<Bytes>>> {
        Box::pin(async { self.next_piece().await.map(|piece| piece.map_err(io::Error::from)) })
    }

    fn length(&self) -> Option<u64> {
        self.length()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if self.awaits_continue {
            return;
        }
        let From::Network(body) = std::mem::replace(&mut self.from, From::Nothing) else { return };
        if body.is_end_stream() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(self.limits.body_discard_timeout(), discard(body)));
        }
    }
}

async fn discard(mut body: Incoming) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// Runs out when no frame comes for a time, or at most for twice that time.
///
/// Timers are costly beside everything else that a small body takes, so there is none for bodies that came together
/// with their headers, and one for all the frames of others.
#[derive(Debug, Default)]
struct Patience {
    frames: u64,
    /// The body was asked again before a timer was set. hyper has nothing ready when it is asked the first time.
    asked_twice: bool,
    timer: Option<Pin<Box<Sleep>>>,
    /// `frames` when the timer was set.
    frames_then: u64,
}

impl Patience {
    /// Called when the body has nothing ready.
    fn poll(&mut self, cx: &mut Context<'_>, limit: Duration) -> Poll<()> {
        if !self.asked_twice {
            self.asked_twice = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let timer = self.timer.get_or_insert_with(|| {
            self.frames_then = self.frames;
            Box::pin(tokio::time::sleep(limit))
        });
        loop {
            ready!(timer.as_mut().poll(cx));
            if self.frames_then == self.frames {
                return Poll::Ready(());
            }
            self.frames_then = self.frames;
            timer.as_mut().reset(Instant::now() + limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bodies_from_memory_obey_the_limit() {
        let body = || RequestBody::from(Bytes::from_static(b"12345"));
        assert_eq!(body().length(), Some(5));
        assert_eq!(body().buffered().await.expect("short"), "12345");
        assert_eq!(body().buffered_up_to(5).await.expect("short"), "12345");
        let error = body().buffered_up_to(4).await.expect_err("too long");
        assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(RequestBody::from(Bytes::new()).buffered().await.expect("empty"), "");
    }
}
