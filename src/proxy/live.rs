//! What the data path sees, for people who look on: the last requests, while they go on and after they ended. Nothing
//! is kept until somebody looks ([`Live::watch`]), and then never more than [`KEPT`].

use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Requests kept, at most.
pub const KEPT: usize = 500;
/// Characters of a text kept, at most: a target may be 256 KiB long.
const TEXT: usize = 300;

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
    slots: Mutex<BTreeMap<u64, Arc<Slot>>>,
}

#[derive(Debug)]
struct Slot {
    sent: AtomicU64,
    entry: Mutex<(u64, Entry)>,
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

    /// A request's head was read. `fill` is called only if somebody looks on; its number must be new.
    pub fn begin(&self, request: u64, fill: impl FnOnce(&mut Entry)) -> Seen {
        if !self.0.watched.load(Ordering::Relaxed) {
            return Seen(None);
        }
        let now = Instant::now();
        let at_ms = crate::unit::ms(now - self.0.start);
        let mut entry = Entry { request, at_ms, ..Entry::default() };
        fill(&mut entry);
        clip(&mut entry);
        let slot = Arc::new(Slot { sent: AtomicU64::new(0), entry: Mutex::new((self.0.next(), entry)) });
        let mut slots = lock(&self.0.slots);
        if slots.len() >= KEPT {
            // What still goes on is what people look for: it leaves last.
            let ended = slots.iter().find(|(_, s)| lock(&s.entry).1.ended.is_some()).map(|(n, _)| *n);
            if let Some(number) = ended.or_else(|| slots.keys().next().copied()) {
                slots.remove(&number);
            }
        }
        slots.insert(request, slot.clone());
        Seen(Some((self.0.clone(), slot, now)))
    }

    /// What is news to a reader whose last version was this; 0 for all that is kept.
    pub fn since(&self, version: u64) -> News {
        let next = self.0.version.load(Ordering::Acquire);
        let slots: Vec<Arc<Slot>> = lock(&self.0.slots).values().cloned().collect();
        let mut news = News { version: next, now_ms: crate::unit::ms(self.0.start.elapsed()), ..News::default() };
        for slot in slots {
            let held = lock(&slot.entry);
            let (changed, entry) = &*held;
            news.kept.push(entry.request);
            if *changed > version || entry.ended.is_none() {
                news.requests.push(Entry { sent: slot.sent.load(Ordering::Relaxed), ..entry.clone() });
            }
        }
        news
    }
}

impl Inner {
    fn next(&self) -> u64 {
        self.version.fetch_add(1, Ordering::AcqRel) + 1
    }
}

impl Seen {
    /// More is known of it.
    pub fn update(&self, change: impl FnOnce(&mut Entry)) {
        if let Some((live, slot, _)) = &self.0 {
            let mut held = lock(&slot.entry);
            change(&mut held.1);
            clip(&mut held.1);
            held.0 = live.next();
        }
    }

    /// The response's head was sent: sets `ttfb_ms` besides what `change` does.
    pub fn head(&self, change: impl FnOnce(&mut Entry)) {
        let Some((.., began)) = &self.0 else { return };
        let ms = crate::unit::ms(began.elapsed());
        self.update(|e| {
            e.ttfb_ms = Some(ms);
            change(e);
        });
    }

    /// So many more octets of the body were sent. No lock: cheap enough for every piece.
    pub fn sent(&self, octets: u64) {
        if let Some((_, slot, _)) = &self.0 {
            slot.sent.fetch_add(octets, Ordering::Relaxed);
        }
    }

    /// A rule was applied to it.
    pub fn fault(&self, rule: &str) {
        self.update(|e| e.faults.push(rule.to_owned()));
    }

    /// It is over: `how` in a word or a few, such as `whole`, `cut`, `reset`, `client left`.
    pub fn end(mut self, how: &str) {
        self.finish(how);
    }

    fn finish(&mut self, how: &str) {
        let Some((live, slot, began)) = self.0.take() else { return };
        let mut held = lock(&slot.entry);
        held.1.total_ms = Some(crate::unit::ms(began.elapsed()));
        held.1.ended = Some(how.to_owned());
        held.0 = live.next();
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.finish("dropped");
    }
}

/// Nobody can make the ring hold more than so much for each request.
fn clip(entry: &mut Entry) {
    let Entry { method, host, path, range, content_range, content_length, content_type, faults, .. } = entry;
    let optional = [range, content_range, content_length, content_type].into_iter().flatten();
    for text in [method, host, path].into_iter().chain(optional) {
        if text.len() > TEXT
            && let Some((at, _)) = text.char_indices().nth(TEXT)
        {
            text.truncate(at);
            text.push('…');
        }
    }
    // A rule may be applied often, by pieces of a long body: the first times tell.
    faults.truncate(20);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> Live {
        let live = Live::default();
        live.watch();
        live
    }

    #[test]
    fn nothing_is_kept_until_somebody_looks() {
        let live = Live::default();
        live.begin(1, |_| panic!("not called")).end("whole");
        assert_eq!(live.since(0).kept, [0u64; 0]);
    }

    #[test]
    fn a_reader_gets_what_changed_since_its_last_look() {
        let live = live();
        let one = live.begin(1, |e| e.path = "/a".into());
        let two = live.begin(2, |_| {});
        two.end("whole");
        let first = live.since(0);
        assert_eq!((first.kept.as_slice(), first.requests.len()), ([1, 2].as_slice(), 2));
        assert_eq!((first.requests[0].path.as_str(), &first.requests[0].ended), ("/a", &None));
        // Under way: told again, with what was sent meanwhile. Ended and told: not again.
        one.sent(5);
        one.sent(7);
        let second = live.since(first.version);
        assert_eq!(second.requests.iter().map(|e| (e.request, e.sent)).collect::<Vec<_>>(), [(1, 12)]);
        one.fault("cut");
        one.head(|e| e.status = Some(206));
        one.end("cut");
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
        let stalled = live.begin(1, |_| {});
        for n in 2..=KEPT as u64 + 10 {
            live.begin(n, |_| {}).end("whole");
        }
        let kept = live.since(0).kept;
        assert_eq!((kept.len(), kept[0], kept[1]), (KEPT, 1, 12));
        drop(stalled);
        assert_eq!(live.since(0).requests[0].ended.as_deref(), Some("dropped"));
        let many: Vec<Seen> = (1000..1000 + KEPT as u64 + 3).map(|n| live.begin(n, |_| {})).collect();
        assert_eq!(live.since(0).kept[0], 1003, "with none ended, the oldest");
        drop(many);
    }

    #[test]
    fn long_texts_are_clipped() {
        let live = live();
        let seen = live.begin(1, |e| e.path = "é".repeat(300_000));
        seen.update(|e| e.content_type = Some("x".repeat(10_000)));
        (0..1000).for_each(|_| seen.fault("f"));
        let entry = &live.since(0).requests[0];
        assert_eq!(entry.path.chars().count(), TEXT + 1);
        assert_eq!(entry.content_type.as_ref().map(String::len), Some(TEXT + "…".len()));
        assert_eq!(entry.faults.len(), 20);
    }
}
