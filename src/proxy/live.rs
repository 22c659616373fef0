//! What the data path sees, for people who look on: the last requests, while they go on and after they ended. Nothing
//! is kept until somebody looks ([`Live::watch`]), and then never more than [`KEPT`].

mod kept;

pub use kept::{Kept, Part};

use crate::unit::ms;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Requests kept, at most.
pub const KEPT: usize = 500;

/// One request, as far as it is known yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Entry {
    /// Its number, as in the events.
    pub request: u64,
    /// Its connection's number.
    pub connection: u64,
    /// When its head was read: milliseconds since the proxy's start.
    pub at_ms: f64,
    /// `GET`, `CONNECT` ...
    pub method: String,
    /// Host, with its port where the URL has one.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// Its `Range` field.
    pub range: Option<String>,
    /// The status that was sent to the client.
    pub status: Option<u16>,
    /// The `Content-Range` that was sent.
    pub content_range: Option<String>,
    /// The `Content-Length` that was sent, as it was written.
    pub content_length: Option<String>,
    /// The `Content-Type` that was sent.
    pub content_type: Option<String>,
    /// Octets of the body that the head sent promises.
    pub promised: Option<u64>,
    /// Octets of the body sent to the client so far.
    pub sent: u64,
    /// From the request's head read to the response's head sent, milliseconds.
    pub ttfb_ms: Option<f64>,
    /// From the request's head read to the end, milliseconds.
    pub total_ms: Option<f64>,
    /// Rules that were applied, in that order.
    pub faults: Vec<String>,
    /// How it ended, in a word or a few; `None` while it goes on.
    pub ended: Option<String>,
}

/// The last requests. Clones look at the same.
#[derive(Clone, Debug)]
pub struct Live(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    start: Instant,
    watched: AtomicBool,
    /// Counts changes: what is newer than a reader's last number is news to it.
    version: AtomicU64,
    /// By number.
    slots: Mutex<VecDeque<Arc<Slot>>>,
}

#[derive(Debug, Default)]
struct Slot {
    number: u64,
    sent: AtomicU64,
    kept: Mutex<Kept>,
}

/// A request under way, in the hands of the data path. Dropped before [`Seen::end`], it ends as `dropped`.
#[derive(Debug, Default)]
pub struct Seen(Option<(Arc<Inner>, Arc<Slot>, Instant)>);

/// What changed since a reader's last look.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct News {
    /// To ask with next time.
    pub version: u64,
    /// Milliseconds since the proxy's start, now.
    pub now_ms: f64,
    /// Requests that are new, changed or under way; by number.
    pub requests: Vec<Entry>,
    /// Numbers of all that are kept.
    pub kept: Vec<u64>,
}

impl Default for Live {
    fn default() -> Self {
        Self(Arc::new(Inner {
            start: Instant::now(),
            watched: AtomicBool::new(false),
            version: AtomicU64::new(0),
            slots: Mutex::default(),
        }))
    }
}

impl Live {
    /// From here on requests are kept.
    pub fn watch(&self) {
        self.0.watched.store(true, Ordering::Relaxed);
    }

    /// A request's head was read at `now`. `fill` is called only if somebody looks on; its number must be new.
    pub fn begin(&self, request: u64, connection: u64, now: Instant, fill: impl FnOnce(&mut Kept)) -> Seen {
        if !self.0.watched.load(Ordering::Relaxed) {
            return Seen(None);
        }
        let mut slots = lock(&self.0.slots);
        let mut slot = if slots.len() >= KEPT { leave(&mut slots) } else { Arc::default() };
        // Nobody else has it, but for a reader that looks just now.
        if Arc::get_mut(&mut slot).is_none() {
            slot = Arc::default();
        }
        if let Some(new) = Arc::get_mut(&mut slot) {
            (new.number, *new.sent.get_mut()) = (request, 0);
            let kept = new.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
            kept.restart(connection, now.saturating_duration_since(self.0.start));
            fill(kept);
            kept.version = self.0.next();
        }
        // Two threads may come in another order than that of their numbers.
        let place = slots.iter().rposition(|s| s.number < request).map_or(0, |last| last + 1);
        slots.insert(place, slot.clone());
        Seen(Some((self.0.clone(), slot, now)))
    }

    /// What is news to a reader whose last version was this; 0 for all that is kept.
    pub fn since(&self, version: u64) -> News {
        let next = self.0.version.load(Ordering::Acquire);
        let slots: Vec<Arc<Slot>> = lock(&self.0.slots).iter().cloned().collect();
        let mut news = News { version: next, now_ms: ms(self.0.start.elapsed()), ..News::default() };
        for slot in slots {
            let kept = lock(&slot.kept);
            news.kept.push(slot.number);
            if kept.version > version || kept.ended.is_none() {
                news.requests.push(kept.entry(slot.number, slot.sent.load(Ordering::Relaxed)));
            }
        }
        news
    }
}

/// Takes one out. What still goes on is what people look for: it leaves last.
fn leave(slots: &mut VecDeque<Arc<Slot>>) -> Arc<Slot> {
    let ended = slots.iter().position(|s| lock(&s.kept).ended.is_some());
    slots.remove(ended.unwrap_or(0)).unwrap_or_default()
}

impl Inner {
    fn next(&self) -> u64 {
        self.version.fetch_add(1, Ordering::AcqRel) + 1
    }
}

impl Seen {
    /// The response's head was sent, so long after the request's was read.
    pub fn head(&self, after: Duration, change: impl FnOnce(&mut Kept)) {
        let Some((live, slot, _)) = &self.0 else { return };
        let mut kept = lock(&slot.kept);
        kept.head = Some(after);
        change(&mut kept);
        kept.version = live.next();
    }

    /// So many more octets of the body were sent. No lock: cheap enough for every piece.
    pub fn sent(&self, octets: u64) {
        if let Some((_, slot, _)) = &self.0 {
            slot.sent.fetch_add(octets, Ordering::Relaxed);
        }
    }

    /// A rule was applied to it.
    pub fn fault(&self, rule: &str) {
        let Some((live, slot, _)) = &self.0 else { return };
        let mut kept = lock(&slot.kept);
        kept.fault(rule);
        kept.version = live.next();
    }

    /// It is over after so long: `how` in a word or a few, such as `whole`, `cut`, `reset`, `client left`.
    pub fn end(mut self, after: Duration, how: &'static str) {
        self.finish(Some(after), how);
    }

    fn finish(&mut self, after: Option<Duration>, how: &'static str) {
        let Some((live, slot, began)) = self.0.take() else { return };
        let mut kept = lock(&slot.kept);
        kept.total = Some(after.unwrap_or_else(|| began.elapsed()));
        kept.ended = Some(how);
        kept.version = live.next();
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.finish(None, "dropped");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::kept::TEXT;
    use super::*;

    fn live() -> Live {
        let live = Live::default();
        live.watch();
        live
    }

    fn begin(live: &Live, number: u64) -> Seen {
        live.begin(number, 1, Instant::now(), |_| {})
    }

    const SOON: Duration = Duration::from_millis(1);

    #[test]
    fn nothing_is_kept_until_somebody_looks() {
        let live = Live::default();
        live.begin(1, 1, Instant::now(), |_| panic!("not called")).end(SOON, "whole");
        assert_eq!(live.since(0).kept, [0u64; 0]);
    }

    #[test]
    fn a_reader_gets_what_changed_since_its_last_look() {
        let live = live();
        let one = live.begin(1, 1, Instant::now(), |e| e.set(Part::Path, Some("/a")));
        let two = begin(&live, 2);
        two.end(SOON, "whole");
        let first = live.since(0);
        assert_eq!((first.kept.as_slice(), first.requests.len()), ([1, 2].as_slice(), 2));
        assert_eq!((first.requests[0].path.as_str(), &first.requests[0].ended), ("/a", &None));
        // Under way: told again, with what was sent meanwhile. Ended and told: not again.
        one.sent(5);
        one.sent(7);
        let second = live.since(first.version);
        assert_eq!(second.requests.iter().map(|e| (e.request, e.sent)).collect::<Vec<_>>(), [(1, 12)]);
        one.fault("cut");
        one.head(SOON, |e| e.answer(206, None));
        one.end(SOON, "cut");
        let third = live.since(second.version);
        let last = &third.requests[0];
        assert_eq!((last.status, last.faults.as_slice(), last.sent), (Some(206), ["cut".to_owned()].as_slice(), 12));
        assert!(last.ended.as_deref() == Some("cut") && last.ttfb_ms.is_some() && last.total_ms >= last.ttfb_ms);
        let fourth = live.since(third.version);
        assert_eq!((fourth.requests.len(), fourth.kept.len()), (0, 2));
    }

    #[test]
    fn the_oldest_that_ended_leaves_first_and_never_more_are_kept() {
        let live = live();
        let stalled = begin(&live, 1);
        for n in 2..=KEPT as u64 + 10 {
            begin(&live, n).end(SOON, "whole");
        }
        let kept = live.since(0).kept;
        assert_eq!((kept.len(), kept[0], kept[1]), (KEPT, 1, 12));
        drop(stalled);
        assert_eq!(live.since(0).requests[0].ended.as_deref(), Some("dropped"));
        let many: Vec<Seen> = (1000..1000 + KEPT as u64 + 3).map(|n| begin(&live, n)).collect();
        assert_eq!(live.since(0).kept[0], 1003, "with none ended, the oldest");
        drop(many);
    }

    #[test]
    fn long_texts_are_clipped() {
        let live = live();
        let seen = live.begin(1, 1, Instant::now(), |e| e.set(Part::Path, Some(&"é".repeat(300_000))));
        seen.head(SOON, |e| e.set(Part::ContentType, Some(&"x".repeat(10_000))));
        (0..1000).for_each(|_| seen.fault("f"));
        let entry = &live.since(0).requests[0];
        assert_eq!(entry.path.chars().count(), TEXT + 1);
        assert_eq!(entry.content_type.as_ref().map(String::len), Some(TEXT + "…".len()));
        assert_eq!(entry.faults.len(), 20);
    }
    #[test]
    fn what_left_gives_its_place_and_nothing_else_to_what_comes() {
        let live = live();
        for n in 1..=KEPT as u64 {
            let seen = live.begin(n, 7, Instant::now(), |e| {
                e.set(Part::Path, Some("/long/before"));
                e.set(Part::Range, Some("bytes=0-"));
            });
            seen.head(SOON, |e| e.answer(206, Some(5)));
            seen.sent(5);
            seen.fault("f");
            seen.end(SOON, "whole");
        }
        let new = live.begin(1000, 8, Instant::now(), |e| e.set(Part::Path, Some("/b")));
        let wanted = Entry { request: 1000, connection: 8, path: "/b".into(), ..Entry::default() };
        let last = live.since(0).requests.pop().map(|e| Entry { at_ms: 0.0, ..e });
        assert_eq!(last, Some(wanted));
        drop(new);
    }

    #[test]
    fn requests_are_kept_by_their_numbers_whoever_comes_first() {
        let live = live();
        let seen = [3, 1, 4, 2].map(|n| begin(&live, n));
        assert_eq!(live.since(0).kept, [1, 2, 3, 4]);
        drop(seen);
    }
}
