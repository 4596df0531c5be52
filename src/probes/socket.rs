//! What hyper needs of a socket and of a clock, on async-io: its own thread drives it, whatever happens to other executors.

use std::{
    future::Future,
    io,
    net::TcpStream,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use async_io::{Async, Timer};
use futures_lite::{AsyncRead, AsyncWrite, ready};
use hyper::rt::{self, ReadBufCursor};

use super::Client;

/// How long a client may take to accept what was written: an answer, or a piece of one that goes on.
const SEND_LIMIT: Duration = Duration::from_secs(10);

/// The number of bytes that are read at once. A usual request is shorter.
const PIECE: usize = 2048;

/// A connection, which fails if its client does not take an answer in time. How long a client may take to send the head of a
/// request is a setting of hyper's.
pub(super) struct Socket {
    stream: Async<TcpStream>,
    /// The end of the time for what is written and not flushed yet.
    limit: Option<Timer>,
    client: Rc<Client>,
}

impl Socket {
    pub(super) fn new(stream: Async<TcpStream>, client: Rc<Client>) -> Self {
        Self { stream, limit: None, client }
    }

    fn check_limit(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let limit = self.limit.get_or_insert_with(|| Timer::after(SEND_LIMIT));
        Pin::new(limit).poll(cx).map(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl rt::Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // Read into a buffer of our own, because writing into that one needs unsafe code.
        let mut piece = [0; PIECE];
        let length = piece.len().min(buffer.remaining());
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece[..length]))?;
        buffer.put_slice(&piece[..read]);
        Poll::Ready(Ok(()))
    }
}

impl rt::Write for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.client.is_taking.set(true);
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            // The limit is for the whole answer: a client that takes a byte now and then does not extend it.
            Poll::Pending => self.check_limit(cx),
            Poll::Ready(Ok(written)) if written < bytes.len() => {
                if let Poll::Ready(late) = self.check_limit(cx) {
                    return Poll::Ready(late);
                }
                Poll::Ready(Ok(written))
            }
            written => written,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.limit = None;
        self.client.is_taking.set(false);
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// The clock of async-io, for hyper.
#[derive(Debug)]
pub(super) struct Clock;

struct Sleep(Timer);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

impl rt::Sleep for Sleep {}

impl rt::Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep(Timer::after(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep(Timer::at(deadline)))
    }
}
