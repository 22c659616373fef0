//! Requests for the same URL, far too often: a player that asks again and again without end. Told once, then held to a
//! rate that costs nobody anything.

use super::lock;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// URLs watched, at most; those not asked for lately leave.
const KEPT: usize = 4096;
const WINDOW: Duration = Duration::from_secs(1);
/// How often they are let go, at most: looking at all of them takes a while.
const SWEEP: Duration = Duration::from_millis(100);

/// How often each URL was asked for lately.
pub(super) struct Storms {
    most: u32,
    urls: Mutex<Urls>,
}

struct Urls {
    of: HashMap<u64, Url>,
    /// When those not asked for lately were let go.
    swept: Instant,
}

#[derive(Clone, Copy)]
struct Url {
    /// The present window's begin, and requests in it.
    since: Instant,
    count: u32,
    /// When the next may pass, once it is a storm.
    next: Option<Instant>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storm {
    No,
    /// It passes then.
    Held(Instant),
    /// The same; and it is the first of a storm.
    Begins(Instant),
}

impl Storms {
    /// More than so many a second are a storm.
    pub(super) fn new(most: u32) -> Self {
        let urls = Urls { of: HashMap::new(), swept: Instant::now() };
        Self { most: most.max(1), urls: Mutex::new(urls) }
    }

    /// Requests a second.
    pub(super) fn most(&self) -> u32 {
        self.most
    }

    /// Counts a request for the URL of this key.
    pub(super) fn count(&self, key: u64, now: Instant) -> Storm {
        let mut urls = lock(&self.urls);
        if urls.of.len() >= KEPT && !urls.of.contains_key(&key) {
            if now.saturating_duration_since(urls.swept) >= SWEEP {
                urls.swept = now;
                urls.of.retain(|_, u| now.saturating_duration_since(u.next.unwrap_or(u.since)) < WINDOW);
            }
            if urls.of.len() >= KEPT {
                return Storm::No;
            }
        }
        let url = urls.of.entry(key).or_insert(Url { since: now, count: 0, next: None });
        let pause = WINDOW / self.most;
        if let Some(next) = &mut url.next {
            let at = now.max(*next);
            *next = at + pause;
            return Storm::Held(at);
        }
        if now.saturating_duration_since(url.since) >= WINDOW {
            (url.since, url.count) = (now, 0);
        }
        url.count += 1;
        if url.count <= self.most {
            return Storm::No;
        }
        // Those that passed in this window used up its share.
        let at = url.since + WINDOW;
        url.next = Some(at + pause);
        Storm::Begins(at)
    }

    /// Who was held went away: the next takes its place, else one that gives up and asks again would wait ever longer.
    pub(super) fn give_back(&self, key: u64) {
        let pause = WINDOW / self.most;
        if let Some(next) = lock(&self.urls).of.get_mut(&key).and_then(|url| url.next.as_mut()) {
            *next -= pause;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_begins_once_and_is_held_to_its_rate() {
        let storms = Storms::new(50);
        let start = Instant::now();
        let mut now = start;
        for _ in 0..50 {
            assert_eq!(storms.count(1, now), Storm::No);
            now += Duration::from_millis(3);
        }
        assert_eq!(storms.count(1, now), Storm::Begins(start + WINDOW));
        for n in 1..100 {
            assert_eq!(storms.count(1, now), Storm::Held(start + WINDOW + Duration::from_millis(20) * n));
        }
        assert_eq!(storms.count(2, now), Storm::No);
        // Of those that gave up the places are free.
        (0..99).for_each(|_| storms.give_back(1));
        assert_eq!(storms.count(1, now), Storm::Held(start + WINDOW + Duration::from_millis(20)));
    }

    #[test]
    fn what_comes_at_a_players_pace_is_none() {
        let storms = Storms::new(50);
        let mut now = Instant::now();
        for _ in 0..1000 {
            assert_eq!(storms.count(1, now), Storm::No);
            now += Duration::from_millis(21);
        }
    }

    #[test]
    fn a_page_that_makes_up_urls_costs_no_memory_without_end() {
        let storms = Storms::new(50);
        let mut now = Instant::now();
        for key in 0..100_000 {
            storms.count(key, now);
            now += Duration::from_micros(10);
        }
        assert!(lock(&storms.urls).of.len() <= KEPT);
    }
}
