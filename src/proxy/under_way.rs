//! What is on its way to a client behind a link, and the task that sends it when it is due.

use super::lock;
use super::shape::Lane;
use super::wire::{self, Out};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until};

/// Timers fire at a whole millisecond and are waited for in whole milliseconds: about this late, on average. What is due
/// so soon is due now, so that on average nothing is late.
const TICK: Duration = Duration::from_millis(1);

/// Whether it is time.
pub(super) fn is_due(at: Instant, now: Instant) -> bool {
    at <= now + TICK
}

/// A timer that is set only when it is needed.
#[derive(Default)]
pub(super) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Wakes the task then; ready if that is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let at = at.checked_sub(TICK).unwrap_or(at);
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }
}

/// What is on its way to the client.
#[derive(Default)]
pub(super) struct UnderWay {
    pub pieces: VecDeque<(Instant, Piece)>,
    pub octets: usize,
    /// The one who sends it, the one who waits for room, and the one who reads from the client.
    pub sender: Option<Waker>,
    pub writer: Option<Waker>,
    pub reader: Option<Waker>,
    /// Nothing more is put in.
    pub closed: bool,
    /// Nothing arrives any more, in either direction.
    pub lost: bool,
    /// The socket broke.
    pub broken: Option<io::ErrorKind>,
}

#[derive(Debug)]
pub(super) enum Piece {
    Octets(Vec<u8>),
    Fin,
    Reset,
}

/// Wakes a task once.
pub(super) fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// The task that sends what is due. Dropping it ends it.
pub(super) struct Sender(JoinHandle<()>);

impl Sender {
    /// Starts to send what is put under way.
    pub(super) fn start(under_way: Arc<Mutex<UnderWay>>, out: Out, watch: Lane) -> Self {
        Self(tokio::spawn(send(under_way, out, watch)))
    }

    /// Waits until all that was sent has left.
    pub(super) async fn finish(mut self) {
        // Fails if it was ended: then nothing is left to wait for.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends what is due, until the end.
async fn send(under_way: Arc<Mutex<UnderWay>>, mut out: Out, mut watch: Lane) {
    let mut timer = Timer::default();
    let mut due = Vec::new();
    loop {
        let next = std::future::poll_fn(|cx| {
            loop {
                let now = Instant::now();
                let mut held = lock(&under_way);
                // What is due at once leaves at once.
                while let Some((at, Piece::Octets(octets))) = held.pieces.front()
                    && is_due(*at, now)
                {
                    due.extend_from_slice(octets);
                    held.pieces.pop_front();
                }
                if !due.is_empty() {
                    return Poll::Ready(Some(Piece::Octets(std::mem::take(&mut due))));
                }
                let first = held.pieces.front().map(|(at, _)| *at);
                if first.is_some_and(|at| is_due(at, now)) {
                    return Poll::Ready(held.pieces.pop_front().map(|(_, piece)| piece));
                }
                if first.is_none() && held.closed {
                    return Poll::Ready(None);
                }
                held.sender = Some(cx.waker().clone());
                drop(held);
                if watch.is_refused(now) {
                    return Poll::Ready(Some(Piece::Reset));
                }
                let Some(at) = [first, watch.next_change(now)].into_iter().flatten().min() else {
                    return Poll::Pending;
                };
                ready!(timer.poll(cx, at));
            }
        });
        let sent = match next.await {
            None => return,
            Some(Piece::Octets(octets)) => {
                let sent = out.send(&octets).await;
                let mut held = lock(&under_way);
                held.octets -= octets.len();
                sent.inspect_err(|e| held.broken = Some(e.kind()))
            }
            Some(Piece::Fin) => out.shutdown().await,
            Some(Piece::Reset) => {
                out.arrived().await;
                let mut held = lock(&under_way);
                held.broken = Some(io::ErrorKind::ConnectionReset);
                wake(&mut held.writer);
                wake(&mut held.reader);
                drop(held);
                return wire::reset(wire::In::Gone, out);
            }
        };
        wake(&mut lock(&under_way).writer);
        if sent.is_err() {
            return;
        }
    }
}
