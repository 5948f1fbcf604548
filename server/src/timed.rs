//! A connection whose other end must take what is written: one that takes nothing for so long is
//! given up, with whatever was being sent.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A connection that ends when a write waits too long.
pub(crate) struct Timed<S> {
    stream: S,
    longest: Duration,
    waiting: Waiting,
}

/// A write that the other end does not take, and when it is given up.
struct Waiting {
    timer: Pin<Box<Sleep>>,
    running: bool,
}

impl<S> Timed<S> {
    /// Gives every write `longest` to take at least one byte. Called within a runtime.
    pub(crate) fn new(stream: S, longest: Duration) -> Self {
        Self { stream, longest, waiting: Waiting { timer: Box::pin(sleep(longest)), running: false } }
    }
}

impl Waiting {
    /// The outcome of a write, or its end where it has waited for too long.
    fn limit<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        longest: Duration,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.running = false;
            return written;
        }
        if !self.running {
            self.timer.as_mut().reset(Instant::now() + longest);
            self.running = true;
        }
        ready!(self.timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the other end takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        let longest = self.longest;
        self.waiting.limit(written, longest, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        let longest = self.longest;
        self.waiting.limit(written, longest, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn a_write_that_nobody_takes_ends() {
        let (near, mut far) = duplex(4);
        let mut timed = Timed::new(near, Duration::from_millis(50));
        timed.write_all(b"abcd").await.unwrap();
        assert_eq!(timed.write_all(b"e").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        // What is taken in the end goes on: the time begins anew with each byte.
        let mut taken_bytes = [0; 4];
        far.read_exact(&mut taken_bytes).await.unwrap();
        timed.write_all(b"fghi").await.unwrap();
        assert_eq!(&taken_bytes, b"abcd");
    }
}
