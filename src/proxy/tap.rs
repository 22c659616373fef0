//! What goes to the client where something is to be done about it: no further than the next step, at a pace.

use super::plan::Planned;
use super::told::Told;
use super::wire::Out;
use crate::fault::seed::Draw;
use crate::fault::{Action, Cut, Point};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Timers come that late, and later on a busy machine.
const LATE: Duration = Duration::from_millis(20);

/// What both directions of an exchange tell each other.
#[derive(Default)]
pub(super) struct Flags(AtomicU8);

impl Flags {
    /// The request was sent to its end.
    pub(super) const SENT: u8 = 1;
    /// The client closed its half.
    pub(super) const HALF: u8 = 2;
    /// The client reset the connection.
    pub(super) const GONE: u8 = 4;
    /// The request's body broke its framing.
    pub(super) const MALFORMED: u8 = 8;
    /// The client said more after its request.
    pub(super) const AHEAD: u8 = 32;
    /// A fault holds the response: a client that closes its half now has given up.
    pub(super) const HELD: u8 = 16;

    pub(super) fn set(&self, flag: u8) {
        self.0.fetch_or(flag, Relaxed);
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.0.load(Relaxed) & flag != 0
    }

    /// Whether nobody waits for the response any more.
    pub(super) fn given_up(&self) -> bool {
        self.has(Self::GONE) || (self.has(Self::HELD) && self.has(Self::HALF))
    }

    /// Holds the response for so long.
    pub(super) async fn hold(&self, until: Instant) {
        self.set(Self::HELD);
        sleep_until(until).await;
        self.0.fetch_and(!Self::HELD, Relaxed);
    }
}

/// What a client's connection has carried, and what is to be done with it as a whole.
#[derive(Default)]
pub(super) struct Carried {
    /// Octets sent to the client, heads included.
    pub sent: u64,
    /// Steps at so many octets, or at its end; the earliest first.
    pub steps: Vec<Planned>,
}

impl Carried {
    pub(super) fn add(&mut self, steps: Vec<Planned>) {
        if steps.is_empty() {
            return;
        }
        self.steps.extend(steps);
        self.steps.sort_by_key(|p| p.at);
    }

    /// Octets until the next step, if there is one.
    fn room(&self) -> Option<u64> {
        match self.steps.first()?.at {
            Point::Sent(n) => Some(n.saturating_sub(self.sent)),
            _ => None,
        }
    }
}

/// Why no more is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The client does not read any more.
    Gone,
    /// A fault ends it.
    Cut(Cut),
}

/// So many octets at once, then a pause.
#[derive(Clone, Copy)]
struct Pace {
    bytes: u64,
    variation: u64,
    every: Duration,
    draw: Draw,
    /// Pieces so far.
    number: u64,
    /// When the next piece may leave.
    due: Instant,
}

/// The way to the client.
pub(super) struct Tap<'a> {
    pub out: &'a mut Out,
    pub told: &'a mut Told,
    pub flags: &'a Flags,
    pub carried: &'a mut Carried,
    pace: Option<Pace>,
    /// Chunks are put together here.
    chunk: Vec<u8>,
}

impl<'a> Tap<'a> {
    pub(super) fn new(out: &'a mut Out, told: &'a mut Told, flags: &'a Flags, carried: &'a mut Carried) -> Self {
        Self { out, told, flags, carried, pace: None, chunk: Vec::new() }
    }

    /// Holds everything for so long.
    pub(super) async fn wait(&mut self, time: Duration) {
        self.flags.hold(Instant::now() + time).await;
    }

    /// A pace from here on, or none.
    pub(super) fn pace(&mut self, bytes: u64, variation: u64, every: Duration, draw: Draw) {
        let paced = bytes < u64::MAX && !every.is_zero();
        self.pace = paced.then(|| Pace { bytes, variation, every, draw, number: 0, due: Instant::now() });
    }

    /// Sends octets as they are, at once.
    pub(super) async fn put(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        loop {
            let n = self.carried.room().map_or(bytes.len(), |room| room.min(bytes.len() as u64) as usize);
            self.out.send(&bytes[..n]).await.map_err(|_| Stop::Gone)?;
            self.carried.sent += n as u64;
            bytes = &bytes[n..];
            if self.carried.room() != Some(0) {
                return Ok(());
            }
            let step = self.carried.steps.remove(0);
            self.told.applied(&step);
            match step.action {
                Action::Wait(time) => self.wait(time).await,
                Action::Cut(cut) => return Err(Stop::Cut(cut)),
                Action::Pace { bytes, variation, every } => self.pace(bytes, variation, every, step.by.draw),
                Action::Raw(raw) => {
                    self.out.send(&raw).await.map_err(|_| Stop::Gone)?;
                    self.carried.sent += raw.len() as u64;
                }
                _ => {}
            }
        }
    }

    /// Sends octets at the present pace; `count` if they are the body's.
    pub(super) async fn send(&mut self, mut bytes: &[u8], chunked: bool, count: bool) -> Result<(), Stop> {
        while !bytes.is_empty() {
            let n = self.turn().await.min(bytes.len() as u64) as usize;
            let (now, later) = bytes.split_at(n);
            if chunked {
                let mut chunk = std::mem::take(&mut self.chunk);
                chunk.clear();
                chunk.extend_from_slice(format!("{n:x}\r\n").as_bytes());
                chunk.extend_from_slice(now);
                chunk.extend_from_slice(b"\r\n");
                let put = self.put(&chunk).await;
                self.chunk = chunk;
                put?;
            } else {
                self.put(now).await?;
            }
            if count {
                self.told.passes(now, false);
                self.told.sent(n as u64);
            }
            bytes = later;
        }
        Ok(())
    }

    /// Waits for the next piece's turn: how long it may be.
    async fn turn(&mut self) -> u64 {
        let Some(pace) = &mut self.pace else { return u64::MAX };
        let now = Instant::now();
        let due = pace.due.max(now);
        // What is late stays due, so that the rate is kept; but not what a slow client held up.
        let late = now - pace.due.min(now) > (pace.every * 4).max(LATE);
        pace.due = if late { now } else { pace.due } + pace.every;
        let spread = pace.variation.saturating_mul(2).saturating_add(1);
        let bytes = (pace.bytes - pace.variation.min(pace.bytes)).saturating_add(pace.draw.bits(pace.number) % spread);
        pace.number += 1;
        if due > now {
            self.flags.hold(due).await;
        }
        bytes.max(1)
    }
}
