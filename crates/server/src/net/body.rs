//! Bodies of responses.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use standin_core::{BodySource, BoxFuture};
use tokio::sync::mpsc;

/// The body of a response: nothing, a whole, or pieces that are made while the client takes them.
///
/// An error in the midst cuts the connection (HTTP/2: the stream), so that the client does not take a part for the whole.
#[derive(Default)]
pub struct Body(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Whole(Bytes),
    Source {
        step: Step,
        /// Bytes still to come, where the source knows.
        left: Option<u64>,
    },
    Channel(mpsc::Receiver<Bytes>),
    Passed(hyper::body::Incoming),
}

type Piece = Option<io::Result<Bytes>>;

/// A source is lent to the future that asks it for the next piece.
enum Step {
    Resting(Box<dyn BodySource>),
    Asking(BoxFuture<'static, (Box<dyn BodySource>, Piece)>),
    Over,
}

impl Body {
    pub fn empty() -> Self {
        Self::default()
    }

    /// Pieces from a source. With a length known, `Content-Length` is sent.
    pub fn source(source: Box<dyn BodySource>) -> Self {
        let left = source.length();
        Self(Kind::Source { step: Step::Resting(source), left })
    }

    /// The next piece, for whoever reads a body instead of sending it.
    pub async fn next_piece(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            let frame = std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut *self), cx)).await?;
            match frame.map(Frame::into_data) {
                Ok(Ok(piece)) => return Some(Ok(piece)),
                // Trailers.
                Ok(Err(_)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Pieces from tasks, as for server-sent events; the body ends when the last sender is gone. At most `capacity`
    /// pieces wait for the client; `capacity` must not be 0.
    pub fn channel(capacity: usize) -> (BodySender, Self) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        (BodySender(sender), Self(Kind::Channel(receiver)))
    }

    /// The answer of another server, passed on.
    pub(super) fn passed(body: hyper::body::Incoming) -> Self {
        Self(Kind::Passed(body))
    }

    /// The bytes, where they are all there.
    pub fn whole(&self) -> Option<Bytes> {
        match &self.0 {
            Kind::Empty => Some(Bytes::new()),
            Kind::Whole(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(if bytes.is_empty() { Kind::Empty } else { Kind::Whole(bytes) })
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.0 {
            Kind::Empty => "Body::Empty",
            Kind::Whole(_) => "Body::Whole",
            Kind::Source { .. } => "Body::Source",
            Kind::Channel(_) => "Body::Channel",
            Kind::Passed(_) => "Body::Passed",
        })
    }
}

/// Feeds a [`Body::channel`].
#[derive(Clone, Debug)]
pub struct BodySender(mpsc::Sender<Bytes>);

impl BodySender {
    /// Waits until there is room. `false` when the client is gone.
    pub async fn send(&self, piece: Bytes) -> bool {
        self.0.send(piece).await.is_ok()
    }

    /// `false` when the client is gone or does not keep up; the piece is lost then.
    pub fn try_send(&self, piece: Bytes) -> bool {
        self.0.try_send(piece).is_ok()
    }

    /// Completes when the client is gone.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match &mut self.0 {
            Kind::Empty => None,
            Kind::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Kind::Empty;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            Kind::Source { step, left } => {
                let piece = ready!(step.poll(cx));
                if let (Some(left), Some(Ok(bytes))) = (left, &piece) {
                    *left = left.saturating_sub(bytes.len() as u64);
                }
                piece
            }
            Kind::Channel(receiver) => ready!(receiver.poll_recv(cx)).map(Ok),
            Kind::Passed(body) => {
                return Pin::new(body).poll_frame(cx).map_err(io::Error::other);
            }
        };
        if piece.is_none() {
            self.0 = Kind::Empty;
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Passed(body) => http_body::Body::is_end_stream(body),
            _ => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Source { left: Some(left), .. } => SizeHint::with_exact(*left),
            Kind::Source { left: None, .. } | Kind::Channel(_) => SizeHint::default(),
            Kind::Passed(body) => http_body::Body::size_hint(body),
        }
    }
}

impl Step {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        if matches!(self, Self::Resting(_)) {
            let Self::Resting(mut source) = std::mem::replace(self, Self::Over) else { unreachable!("matched above") };
            *self = Self::Asking(Box::pin(async move {
                let piece = source.next().await;
                (source, piece)
            }));
        }
        let Self::Asking(asking) = self else { return Poll::Ready(None) };
        // hyper polls bodies in the connection's task: a panic there would take the other streams with it.
        let polled = catch_unwind(AssertUnwindSafe(|| asking.as_mut().poll(cx)));
        let (source, piece) = match polled {
            Ok(polled) => ready!(polled),
            Err(_) => {
                *self = Self::Over;
                return Poll::Ready(Some(Err(io::Error::other("a panic while the body was made"))));
            }
        };
        *self = if matches!(piece, Some(Ok(_))) { Self::Resting(source) } else { Self::Over };
        Poll::Ready(piece)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use http_body::Body as _;
    use http_body_util::BodyExt;

    /// Hands out what it was given; panics where it was given nothing.
    pub(crate) struct Script {
        pub(crate) pieces: std::vec::IntoIter<Option<io::Result<Bytes>>>,
        pub(crate) length: Option<u64>,
    }

    impl BodySource for Script {
        fn next(&mut self) -> BoxFuture<'_, Piece> {
            Box::pin(async { self.pieces.next().map(|piece| piece.expect("scripted panic")) })
        }

        fn length(&self) -> Option<u64> {
            self.length
        }
    }

    fn scripted(pieces: Vec<Option<io::Result<Bytes>>>, length: Option<u64>) -> Body {
        Body::source(Box::new(Script { pieces: pieces.into_iter(), length }))
    }

    fn piece(text: &'static str) -> Option<io::Result<Bytes>> {
        Some(Ok(Bytes::from_static(text.as_bytes())))
    }

    #[tokio::test]
    async fn a_source_is_read_to_its_end_and_counts_down() {
        let mut body = scripted(vec![piece("ab"), piece("cde")], Some(5));
        assert_eq!(body.size_hint().exact(), Some(5));
        let first = body.frame().await.expect("a frame").expect("no error").into_data().expect("data");
        assert_eq!((&*first, body.size_hint().exact()), (&b"ab"[..], Some(3)));
        assert_eq!(body.collect().await.expect("no error").to_bytes(), "cde");
    }

    #[tokio::test]
    async fn errors_and_panics_of_a_source_end_the_body() {
        let mut body = scripted(vec![piece("ab"), Some(Err(io::Error::other("gone"))), piece("never")], None);
        assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
        assert!(body.frame().await.is_some_and(|frame| frame.is_err()));
        assert!(body.frame().await.is_none());
        let mut body = scripted(vec![None, piece("never")], None);
        assert!(body.frame().await.is_some_and(|frame| frame.is_err()));
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_channel_ends_with_its_last_sender() {
        let (sender, body) = Body::channel(2);
        assert!(sender.try_send(Bytes::from_static(b"a")));
        assert!(sender.send(Bytes::from_static(b"b")).await);
        assert!(!sender.try_send(Bytes::from_static(b"full")));
        let also = sender.clone();
        drop(sender);
        drop(also);
        assert_eq!(body.collect().await.expect("no error").to_bytes(), "ab");
    }
}
