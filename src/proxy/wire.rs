//! Streams as two halves, whatever they are made of, and the buffer that is read into.

use super::lock;
use super::shaped::{ShapedIn, ShapedOut};
use bytes::BufMut;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::TlsStream;

/// The half that is read from.
#[derive(Default)]
pub(super) enum In {
    /// A socket.
    Tcp(OwnedReadHalf),
    /// A socket behind a link.
    Shaped(Box<ShapedIn>),
    /// What is within TLS.
    Tls(Arc<Mutex<TlsStream<Both>>>),
    /// One end of a pipe within this process.
    Pipe(ReadHalf<DuplexStream>),
    /// It was closed here.
    #[default]
    Gone,
}

/// The half that is written to.
#[derive(Default)]
pub(super) enum Out {
    /// A socket.
    Tcp(OwnedWriteHalf),
    /// A socket behind a link.
    Shaped(Box<ShapedOut>),
    /// What is within TLS.
    Tls(Arc<Mutex<TlsStream<Both>>>),
    /// One end of a pipe within this process.
    Pipe(WriteHalf<DuplexStream>),
    /// It was closed here.
    #[default]
    Gone,
}

/// Halves of a socket. Small writes leave at once: both legs carry other people's timing.
pub(super) fn tcp(socket: TcpStream) -> (In, Out) {
    // A socket that is gone already says so at the first read.
    let _ = socket.set_nodelay(true);
    let (input, output) = socket.into_split();
    (In::Tcp(input), Out::Tcp(output))
}

/// Both halves of a stream, and what was read of it already: what TLS is spoken over.
pub(super) struct Both {
    ahead: Vec<u8>,
    input: In,
    output: Out,
}

impl Both {
    pub(super) fn new(ahead: &[u8], input: In, output: Out) -> Self {
        Self { ahead: ahead.to_vec(), input, output }
    }
}

/// Halves of what is within TLS.
pub(super) fn tls(stream: TlsStream<Both>) -> (In, Out) {
    let stream = Arc::new(Mutex::new(stream));
    (In::Tls(stream.clone()), Out::Tls(stream))
}

/// Halves of one end of a pipe.
pub(super) fn pipe(end: DuplexStream) -> (In, Out) {
    let (input, output) = tokio::io::split(end);
    (In::Pipe(input), Out::Pipe(output))
}

/// Ends a stream so that the other side sees a reset.
pub(super) fn reset(input: In, output: Out) {
    match output {
        Out::Tcp(half) => {
            // Fails on a socket that is gone: then there is nobody to tell.
            let _ = half.as_ref().set_zero_linger();
            // Dropped as it is, it would send a FIN first.
            half.forget();
        }
        Out::Shaped(half) => half.reset(),
        Out::Tls(stream) => {
            let mut stream = lock(&stream);
            let both = stream.get_mut().0;
            reset(std::mem::take(&mut both.input), std::mem::take(&mut both.output));
        }
        Out::Pipe(_) | Out::Gone => {}
    }
    drop(input);
}

impl AsyncRead for In {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            In::Tcp(half) => Pin::new(half).poll_read(cx, buf),
            In::Shaped(half) => Pin::new(half.as_mut()).poll_read(cx, buf),
            In::Tls(stream) => match Pin::new(&mut *lock(stream)).poll_read(cx, buf) {
                // An end without TLS's own good-bye: an end all the same.
                Poll::Ready(Err(e)) if e.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
                read => read,
            },
            In::Pipe(half) => Pin::new(half).poll_read(cx, buf),
            In::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Out {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Out::Tcp(half) => Pin::new(half).poll_write(cx, buf),
            Out::Shaped(half) => Pin::new(half.as_mut()).poll_write(cx, buf),
            Out::Tls(stream) => Pin::new(&mut *lock(stream)).poll_write(cx, buf),
            Out::Pipe(half) => Pin::new(half).poll_write(cx, buf),
            Out::Gone => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Out::Tcp(half) => Pin::new(half).poll_write_vectored(cx, bufs),
            other => {
                let first = bufs.iter().find(|b| !b.is_empty()).map_or(&[][..], |b| b);
                Pin::new(other).poll_write(cx, first)
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Out::Tcp(_) | Out::Shaped(_) | Out::Gone => Poll::Ready(Ok(())),
            Out::Tls(stream) => Pin::new(&mut *lock(stream)).poll_flush(cx),
            Out::Pipe(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Out::Tcp(half) => Pin::new(half).poll_shutdown(cx),
            Out::Shaped(half) => Pin::new(half.as_mut()).poll_shutdown(cx),
            Out::Tls(stream) => Pin::new(&mut *lock(stream)).poll_shutdown(cx),
            Out::Pipe(half) => Pin::new(half).poll_shutdown(cx),
            Out::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncRead for Both {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() {
            return Pin::new(&mut this.input).poll_read(cx, buf);
        }
        let n = this.ahead.len().min(buf.remaining());
        buf.put_slice(&this.ahead[..n]);
        this.ahead.drain(..n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Both {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().output).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().output).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().output).poll_shutdown(cx)
    }
}

impl Out {
    /// Writes all of it, and leaves nothing behind in a layer between.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await?;
        self.flush().await
    }

    /// Waits until all has left that was sent, but not for long: a reader that does not read may never take it. Behind a link: until all has left, however long that takes.
    pub(super) async fn arrived(&self) {
        poll_fn(|cx| self.poll_left(cx)).await;
        for wait in [1, 2, 4, 8, 16, 32, 64, 128] {
            if self.is_sent() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }

    pub(super) fn poll_left(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Out::Shaped(half) => half.poll_left(cx),
            Out::Tls(stream) => lock(stream).get_ref().0.output.poll_left(cx),
            Out::Tcp(_) | Out::Pipe(_) | Out::Gone => Poll::Ready(()),
        }
    }

    /// Whether the kernel has sent all that it was given.
    fn is_sent(&self) -> bool {
        match self {
            Out::Tcp(half) => is_sent(half.as_ref()).unwrap_or(true),
            Out::Tls(stream) => lock(stream).get_ref().0.output.is_sent(),
            Out::Shaped(_) | Out::Pipe(_) | Out::Gone => true,
        }
    }

    /// Writes both, in one system call where they fit.
    pub(super) async fn send_both(&mut self, mut one: &[u8], mut two: &[u8]) -> io::Result<()> {
        while !one.is_empty() && !two.is_empty() {
            let n = self.write_vectored(&[IoSlice::new(one), IoSlice::new(two)]).await?;
            if n == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            let of_one = n.min(one.len());
            (one, two) = (&one[of_one..], &two[n - of_one..]);
        }
        for rest in [one, two] {
            if !rest.is_empty() {
                self.write_all(rest).await?;
            }
        }
        self.flush().await
    }
}

/// Whether a socket has nothing left that was not sent: only then is it ready to write, with this mark (tcp(7)).
fn is_sent(socket: &TcpStream) -> io::Result<bool> {
    socket2::SockRef::from(socket).set_tcp_notsent_lowat(1)?;
    let mut asked = [PollFd::new(socket, PollFlags::OUT)];
    poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    Ok(!asked[0].revents().is_empty())
}

/// What was read and not yet used.
pub(super) struct Buf {
    bytes: Vec<u8>,
    from: usize,
    most: usize,
}

impl Buf {
    /// Holds at most so many octets; takes memory at its first use.
    pub(super) fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), from: 0, most }
    }

    /// What is there.
    pub(super) fn data(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    /// The first so many were used.
    pub(super) fn eat(&mut self, n: usize) {
        self.from += n;
        if self.from >= self.bytes.len() {
            self.bytes.clear();
            self.from = 0;
        }
    }

    /// Whether no more fits.
    pub(super) fn full(&self) -> bool {
        self.data().len() >= self.most
    }

    /// Makes it hold up to so many octets.
    pub(super) fn grow(&mut self, most: usize) {
        self.most = self.most.max(most);
    }

    /// Gives its memory back: nothing is read for a long time.
    pub(super) fn shrink(&mut self) {
        self.bytes.drain(..self.from);
        self.from = 0;
        self.bytes.shrink_to_fit();
    }

    /// Reads more: how many octets, 0 at the stream's end. Only when it is not [full](Buf::full).
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>, input: &mut In) -> Poll<io::Result<usize>> {
        if self.from > 0 && self.bytes.len() >= self.most {
            self.bytes.drain(..self.from);
            self.from = 0;
        }
        let room = self.most.saturating_sub(self.bytes.len());
        if self.bytes.capacity() < self.most && self.bytes.capacity() - self.bytes.len() < room {
            self.bytes.reserve_exact(room);
        }
        let mut space = (&mut self.bytes).limit(room);
        pin!(input.read_buf(&mut space)).poll(cx)
    }

    /// Reads more, as [`Buf::poll_fill`] does.
    pub(super) async fn fill(&mut self, input: &mut In) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx, input)).await
    }
}
