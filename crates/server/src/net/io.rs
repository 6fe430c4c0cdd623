//! The byte streams below HTTP, counted so that the watchdog can see whether they move.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// What happens on a connection. Written by whoever does it, read by the watchdog now and then.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Reads that brought something.
    pub(super) reads: AtomicU64,
    pub(super) bytes_written: AtomicU64,
    /// The peer does not take what is to be written.
    pub(super) write_blocked: AtomicBool,
    /// Requests between their headers and the end of their answers.
    pub(super) requests_open: AtomicU32,
    pub(super) requests_done: AtomicU64,
    /// `reads` when the last request was done.
    pub(super) reads_when_done: AtomicU64,
    /// The connection is to end with a reset (RST) rather than an orderly end (FIN).
    pub(super) resets: AtomicBool,
}

/// Where bytes come from and go to: the socket itself, or the inside of a `CONNECT` tunnel.
pub(super) enum Link {
    Tcp(TcpStream),
    Tunnel(Box<TokioIo<Upgraded>>),
}

/// A link of which the first bytes were looked at.
pub(super) struct Raw {
    pub(super) seen: Bytes,
    pub(super) link: Link,
    pub(super) activity: Arc<Activity>,
}

/// What HTTP is spoken over.
pub(super) enum Wire {
    Plain(Raw),
    Secure(Box<TlsStream<Raw>>),
}

/// Calls a method of whichever stream is inside.
macro_rules! each {
    ($self:expr, $enum:ident :: { $($variant:ident),+ }, $stream:ident => $call:expr) => {
        match $self { $($enum::$variant($stream) => $call,)+ }
    };
}

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), Link::{ Tcp, Tunnel }, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), Link::{ Tcp, Tunnel }, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), Link::{ Tcp, Tunnel }, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, Link::{ Tcp, Tunnel }, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), Link::{ Tcp, Tunnel }, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), Link::{ Tcp, Tunnel }, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

impl Raw {
    fn wrote(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Pending => self.activity.write_blocked.store(true, Relaxed),
            Poll::Ready(Ok(bytes)) => {
                self.activity.write_blocked.store(false, Relaxed);
                self.activity.bytes_written.fetch_add(*bytes as u64, Relaxed);
            }
            Poll::Ready(Err(_)) => {}
        }
        polled
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A tunnel's inside cannot be reset: it just ends.
        if let Link::Tcp(stream) = &self.link
            && self.activity.resets.load(Relaxed)
            && let Err(error) = stream.set_zero_linger()
        {
            tracing::debug!(%error, "a connection ends in order instead of being reset");
        }
    }
}

impl AsyncRead for Raw {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.seen.has_remaining() {
            let bytes = this.seen.len().min(buf.remaining());
            buf.put_slice(&this.seen[..bytes]);
            this.seen.advance(bytes);
            if this.seen.is_empty() {
                this.seen = Bytes::new();
            }
            this.activity.reads.fetch_add(1, Relaxed);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.link).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.activity.reads.fetch_add(1, Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Raw {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.link).poll_write(cx, buf);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.link).poll_write_vectored(cx, bufs);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.link.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.link).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.activity.resets.load(Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.link).poll_shutdown(cx)
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), Wire::{ Plain, Secure }, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), Wire::{ Plain, Secure }, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), Wire::{ Plain, Secure }, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, Wire::{ Plain, Secure }, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), Wire::{ Plain, Secure }, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), Wire::{ Plain, Secure }, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
