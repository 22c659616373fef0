//! A socket behind a link: what is read has arrived, what is written is on its way.

use super::asked::Whose;
use super::shape::{Becomes, Lane, May};
use super::under_way::{Piece, Sender, Timer, UnderWay, is_due, wake};
use super::wire::{self, Out};
use super::{Shared, lock};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::Instant;

/// Octets read from the client at once, at most.
const PIECE: usize = 4 * 1024;
/// What comes from the client.
pub(super) struct ShapedIn {
    socket: OwnedReadHalf,
    lane: Lane,
    /// What has not arrived yet, or was not read: when it arrives, and how much of it was read.
    under_way: VecDeque<(Instant, Vec<u8>, usize)>,
    octets: usize,
    /// When the connection stands: nothing is read before.
    stands: Option<Instant>,
    /// The client's end arrives then.
    end: Option<Instant>,
    /// The other direction.
    down: Arc<Mutex<UnderWay>>,
    timer: Timer,
}

impl ShapedIn {
    /// Takes in what the socket has, as far as the link has room; when to look again, if that is a matter of time.
    fn take_in(&mut self, cx: &mut Context<'_>) -> io::Result<Option<Instant>> {
        let window = self.lane.window();
        let mut lost = {
            let mut down = lock(&self.down);
            if down.broken.is_some() {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            down.reader = Some(cx.waker().clone());
            down.lost
        };
        let mut space = [0; PIECE];
        if let Some(stands) = self.stands.filter(|at| !is_due(*at, Instant::now())) {
            // A CONNECT's own round trip stands for the set-up: the client makes its tunnel with it.
            const CONNECT: &[u8] = b"CONNECT ";
            match self.socket.poll_peek(cx, &mut ReadBuf::new(&mut space[..CONNECT.len()])) {
                Poll::Ready(Ok(n)) if n == CONNECT.len() && space.starts_with(CONNECT) => {}
                Poll::Ready(Ok(_)) | Poll::Pending => return Ok(Some(stands)),
                Poll::Ready(Err(e)) => return Err(e),
            }
        }
        self.stands = None;
        while self.end.is_none() && self.octets < window {
            let now = Instant::now();
            let room = match self.lane.may(now) {
                May::Send(n) => n.min(PIECE).min(window - self.octets),
                May::AskAt(at) if !lost => return Ok(Some(at)),
                May::AskAt(_) => PIECE,
            };
            let mut read = ReadBuf::new(&mut space[..room]);
            match Pin::new(&mut self.socket).poll_read(cx, &mut read) {
                Poll::Pending => return Ok(None),
                Poll::Ready(read) => read?,
            }
            let piece = read.filled();
            let n = piece.len();
            if lost {
                // Its end is all that is still of interest.
                match n {
                    0 => return Err(io::ErrorKind::ConnectionReset.into()),
                    _ => continue,
                }
            }
            let at = match self.lane.send(now, n) {
                Becomes::Arrives(at) => at,
                Becomes::Lost => {
                    lost = true;
                    lock(&self.down).lost = true;
                    self.under_way.clear();
                    self.octets = 0;
                    continue;
                }
                Becomes::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
            };
            if n == 0 {
                self.end = Some(at);
            } else {
                self.octets += n;
                self.under_way.push_back((at, piece.to_vec(), 0));
            }
        }
        Ok(None)
    }
}

impl AsyncRead for ShapedIn {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let again = this.take_in(cx)?;
            let now = Instant::now();
            let before = buf.filled().len();
            while let Some((at, piece, from)) = this.under_way.front_mut() {
                if !is_due(*at, now) || buf.remaining() == 0 {
                    break;
                }
                let n = buf.remaining().min(piece.len() - *from);
                buf.put_slice(&piece[*from..*from + n]);
                *from += n;
                this.octets -= n;
                if *from == piece.len() {
                    this.under_way.pop_front();
                }
            }
            if buf.filled().len() > before || (this.under_way.is_empty() && this.end.is_some_and(|at| at <= now)) {
                return Poll::Ready(Ok(()));
            }
            let arrives = this.under_way.front().map(|(at, ..)| *at).or(this.end);
            let Some(next) = [again, arrives].into_iter().flatten().min() else { return Poll::Pending };
            ready!(this.timer.poll(cx, next));
        }
    }
}

/// What goes to the client.
pub(super) struct ShapedOut {
    under_way: Arc<Mutex<UnderWay>>,
    lane: Lane,
    timer: Timer,
}

impl ShapedOut {
    fn push(&mut self, at: Instant, piece: Piece) {
        let mut held = lock(&self.under_way);
        if let Piece::Octets(octets) = &piece {
            held.octets += octets.len();
        }
        held.pieces.push_back((at, piece));
        wake(&mut held.sender);
    }

    /// Sends an end of either kind, behind what was sent before.
    fn end(&mut self, piece: Piece) {
        if !lock(&self.under_way).lost
            && let Becomes::Arrives(at) = self.lane.send(Instant::now(), 0)
        {
            self.push(at, piece);
        }
    }

    /// A reset, behind what was sent before.
    pub(super) fn reset(mut self) {
        self.end(Piece::Reset);
    }

    /// Whether nothing is on its way any more.
    pub(super) fn poll_left(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut held = lock(&self.under_way);
        if held.pieces.is_empty() || held.broken.is_some() || held.lost {
            return Poll::Ready(());
        }
        held.writer = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for ShapedOut {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let window = this.lane.window();
        loop {
            let mut held = lock(&this.under_way);
            if held.lost {
                // Whoever reads from the client sees it leave.
                return Poll::Pending;
            }
            if let Some(broken) = held.broken {
                return Poll::Ready(Err(broken.into()));
            }
            if held.octets >= window {
                held.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let room = window - held.octets;
            drop(held);
            let now = Instant::now();
            match this.lane.may(now) {
                May::AskAt(at) => ready!(this.timer.poll(cx, at)),
                May::Send(n) => {
                    let n = n.min(room).min(buf.len());
                    match this.lane.send(now, n) {
                        Becomes::Arrives(at) => {
                            this.push(at, Piece::Octets(buf[..n].to_vec()));
                            return Poll::Ready(Ok(n));
                        }
                        Becomes::Lost => {
                            let mut held = lock(&this.under_way);
                            held.lost = true;
                            wake(&mut held.reader);
                        }
                        Becomes::Reset => {
                            lock(&this.under_way).pieces.clear();
                            this.push(now, Piece::Reset);
                            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                        }
                    }
                }
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().end(Piece::Fin);
        Poll::Ready(Ok(()))
    }
}

impl Drop for ShapedOut {
    fn drop(&mut self) {
        let mut held = lock(&self.under_way);
        held.closed = true;
        wake(&mut held.sender);
    }
}

/// Puts a link before a socket, one that was just accepted (`fresh`) or one in use. `None` if the connection cannot be
/// set up now: it is reset.
pub(super) fn shaped(
    shared: &Arc<Shared>,
    whose: Whose,
    fresh: bool,
    input: OwnedReadHalf,
    output: Out,
) -> Option<(ShapedIn, ShapedOut, Sender)> {
    let mut lane = Lane::new(shared, whose, true);
    let now = Instant::now();
    let (stands, lost) = match if fresh { lane.connect(now) } else { Becomes::Arrives(now) } {
        Becomes::Arrives(at) => (Some(at), false),
        Becomes::Lost => (None, true),
        Becomes::Reset => {
            wire::reset(wire::In::Tcp(input), output);
            return None;
        }
    };
    let down = Arc::new(Mutex::new(UnderWay { lost, ..UnderWay::default() }));
    let input = ShapedIn {
        socket: input,
        lane,
        under_way: VecDeque::new(),
        octets: 0,
        stands,
        end: None,
        down: down.clone(),
        timer: Timer::default(),
    };
    let lane = Lane::new(shared, whose, false);
    let sender = Sender::start(down.clone(), output, Lane::new(shared, whose, false));
    Some((input, ShapedOut { under_way: down, lane, timer: Timer::default() }, sender))
}
