//! Bodies on their way to a client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncSeekExt as _, ReadBuf};
use tokio::sync::mpsc;

/// What is read of a file at once.
const PIECE: usize = 64 << 10;

/// What of another server's answer is kept for the log.
const SEEN_MAX: usize = 64 << 10;

/// Is told the first bytes of a body when it came to its end, or the client went away.
pub type Seen = Box<dyn FnOnce(Bytes) + Send + Sync>;

/// Bytes at once, or pieces of a file, of another server's answer, or of a feed.
pub enum Sent {
    Bytes(Option<Bytes>),
    File { file: tokio::fs::File, left: u64 },
    Passed(Passed),
    Events(mpsc::Receiver<Bytes>),
}

/// What another server sends.
pub struct Passed {
    body: hyper::body::Incoming,
    first: BytesMut,
    seen: Option<Seen>,
}

impl Passed {
    pub fn new(body: hyper::body::Incoming, seen: Seen) -> Self {
        Self { body, first: BytesMut::new(), seen: Some(seen) }
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        if let Some(seen) = self.seen.take() {
            seen(std::mem::take(&mut self.first).freeze());
        }
    }
}

impl Sent {
    pub async fn of(body: standin_mockoon::Body) -> Self {
        match body {
            standin_mockoon::Body::Bytes(bytes) => Self::Bytes(Some(bytes).filter(|bytes| !bytes.is_empty())),
            standin_mockoon::Body::File { path, start, length } => {
                let opened = async {
                    let mut file = tokio::fs::File::open(path).await?;
                    file.seek(std::io::SeekFrom::Start(start)).await?;
                    std::io::Result::Ok(file)
                };
                match opened.await {
                    Ok(file) => Self::File { file, left: length },
                    // It was there a moment ago; the client sees that the body is cut.
                    Err(_) => Self::Bytes(None),
                }
            }
        }
    }

    pub fn text(text: &'static str) -> Self {
        Self::Bytes(Some(Bytes::from_static(text.as_bytes())))
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match &mut *self {
            Self::Bytes(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::File { left: 0, .. } => Poll::Ready(None),
            Self::File { file, left } => {
                let mut piece = BytesMut::zeroed(usize::try_from(*left).unwrap_or(PIECE).min(PIECE));
                let mut buffer = ReadBuf::new(&mut piece);
                ready!(Pin::new(file).poll_read(context, &mut buffer))?;
                let read = buffer.filled().len();
                if read == 0 {
                    return Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into())));
                }
                *left -= read as u64;
                piece.truncate(read);
                Poll::Ready(Some(Ok(Frame::data(piece.freeze()))))
            }
            Self::Passed(passed) => {
                let frame = ready!(Pin::new(&mut passed.body).poll_frame(context));
                if let Some(Ok(frame)) = &frame
                    && let Some(data) = frame.data_ref()
                {
                    let room = SEEN_MAX.saturating_sub(passed.first.len()).min(data.len());
                    passed.first.extend_from_slice(&data[..room]);
                }
                Poll::Ready(frame.map(|frame| frame.map_err(std::io::Error::other)))
            }
            Self::Events(events) => events.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_none(),
            Self::File { left, .. } => *left == 0,
            Self::Passed(passed) => passed.body.is_end_stream(),
            Self::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Bytes(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::File { left, .. } => SizeHint::with_exact(*left),
            Self::Passed(passed) => passed.body.size_hint(),
            Self::Events(_) => SizeHint::default(),
        }
    }
}
