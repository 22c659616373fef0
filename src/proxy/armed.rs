//! The rules that are armed, what they count, and which of them fire.

use super::authority::Authority;
use super::{Armed, Standing, Tally, lock};
use crate::fault::head::Head;
use crate::fault::rule::{Now, Rule, Scope};
use crate::fault::seed::Draw;
use crate::fault::{Range, Request, Resource, Response, Step};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// Counts kept, at most: a page that makes up URLs costs so much memory and no more.
const KEPT: usize = 1 << 18;

/// A request, kept for as long as its exchange goes on.
pub(super) struct Asked {
    pub method: String,
    pub to: Arc<Authority>,
    /// Path and query.
    pub target: String,
    /// How much of the target is the path.
    pub path: usize,
    pub resource: Resource,
    pub range: Option<Range>,
    pub head: Head,
    /// Of HTTP/1.x.
    pub minor: u8,
}

impl Asked {
    /// The path without the query.
    pub(super) fn path(&self) -> &str {
        &self.target[..self.path]
    }

    /// The URL without the query.
    pub(super) fn bare_url(&self) -> String {
        format!("{}://{}{}", self.to.scheme(), self.to.name, self.path())
    }

    fn request(&self, nth: u64) -> Request<'_> {
        Request {
            method: &self.method,
            host: &self.to.name,
            path: self.path(),
            target: &self.target,
            resource: self.resource,
            range: self.range,
            nth,
            head: &self.head,
        }
    }
}

/// Whose request, or connection, it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose {
    pub connection: u64,
    pub client: IpAddr,
}

impl Whose {
    fn key(self, scope: Scope, rest: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        match scope {
            Scope::Connection => (1, self.connection).hash(&mut hasher),
            Scope::Client => (2, self.client).hash(&mut hasher),
            Scope::Link => 3.hash(&mut hasher),
        }
        rest.hash(&mut hasher);
        hasher.finish()
    }
}

/// What is armed at a time.
pub(super) struct Rules {
    kept: Vec<Kept>,
    seed: u64,
    journey: String,
    /// Scopes that a rule counts by.
    scopes: Vec<Scope>,
    counts: Mutex<Counts>,
}

struct Kept {
    rule: Rule,
    /// It is a fault of connections as a whole.
    whole: bool,
    /// It is a part of the link.
    link: bool,
    armed: AtomicBool,
    waiting: AtomicU64,
    requests: AtomicU64,
    matched: AtomicU64,
    applied: AtomicU64,
}

struct Counts {
    start: Instant,
    /// Requests of the same method and URL.
    nth: HashMap<u64, u64>,
    /// Firings of a rule for the same method and URL.
    fired: HashMap<u64, u64>,
    /// Connections.
    accepted: HashMap<u64, u64>,
}

impl Counts {
    fn new() -> Self {
        Self { start: Instant::now(), nth: HashMap::new(), fired: HashMap::new(), accepted: HashMap::new() }
    }
}

/// One more of a kind: its number, from 1.
fn next(counts: &mut HashMap<u64, u64>, key: u64) -> u64 {
    if counts.len() >= KEPT && !counts.contains_key(&key) {
        return 1;
    }
    let count = counts.entry(key).or_default();
    *count += 1;
    *count
}

/// A rule that fires on a request, or on a connection. Not applied in the end, it may fire again elsewhere.
pub(super) struct Fired {
    rules: Arc<Rules>,
    index: usize,
    pub draw: Draw,
    nth: u64,
    applied: bool,
    /// The count that it took one of.
    key: Option<u64>,
}

impl Rules {
    pub(super) fn new(armed: Armed) -> Self {
        let of_link = Draw::of_link(armed.seed, "");
        let kept: Vec<Kept> = armed
            .rules
            .into_iter()
            .map(|rule| Kept {
                whole: !rule.when.wants_a_request() && !rule.fault.accept(&of_link).is_empty(),
                link: rule.fault.link().is_some(),
                rule,
                armed: AtomicBool::new(true),
                waiting: AtomicU64::new(0),
                requests: AtomicU64::new(0),
                matched: AtomicU64::new(0),
                applied: AtomicU64::new(0),
            })
            .collect();
        let mut scopes: Vec<Scope> = Vec::new();
        for kept in &kept {
            if !scopes.contains(&kept.rule.scope) {
                scopes.push(kept.rule.scope);
            }
        }
        Self { kept, seed: armed.seed, journey: armed.journey, scopes, counts: Mutex::new(Counts::new()) }
    }

    /// Which rules fire on a request.
    pub(super) fn fire(self: &Arc<Self>, asked: &Asked, whose: Whose, step: Option<&str>) -> Vec<Fired> {
        let mut fired = Vec::new();
        if self.kept.is_empty() {
            return fired;
        }
        let same = (&asked.method, &asked.to.name, &asked.target);
        let mut counts = lock(&self.counts);
        let now = Now { since: counts.start.elapsed(), step };
        let nth: Vec<u64> = self.scopes.iter().map(|s| next(&mut counts.nth, whose.key(*s, same))).collect();
        let url = format!("{}://{}{}", asked.to.scheme(), asked.to.name, asked.target);
        let start = asked.range.and_then(Range::start).unwrap_or(0);
        for (index, kept) in self.kept.iter().enumerate() {
            let rule = &kept.rule;
            let armed = kept.armed.load(Relaxed);
            if armed {
                kept.requests.fetch_add(1, Relaxed);
            }
            if kept.whole || kept.link {
                continue;
            }
            let of_scope = self.scopes.iter().position(|s| *s == rule.scope).unwrap_or(0);
            let request = asked.request(nth[of_scope]);
            let asked_for = rule.when.is_for(&request) && kept.take_waiting();
            if !asked_for && !(armed && rule.when.fits(&request, &now)) {
                continue;
            }
            kept.matched.fetch_add(1, Relaxed);
            let draw = Draw::new(self.seed, &rule.id, &self.journey, &asked.method, &url, start, request.nth);
            let key = whose.key(rule.scope, (index, same));
            let taken = asked_for || (draw.unit(0) < rule.probability && self.take(&mut counts, rule, key));
            if taken {
                let key = (!asked_for && rule.times.is_some()).then_some(key);
                fired.push(Fired { rules: self.clone(), index, draw, nth: request.nth, applied: false, key });
            }
        }
        fired
    }

    /// Which rules fire on a connection as a whole, and what they do.
    pub(super) fn accept(self: &Arc<Self>, whose: Whose, step: Option<&str>) -> Vec<(Fired, Vec<Step>)> {
        let mut fired = Vec::new();
        if !self.kept.iter().any(|k| k.whole) {
            return fired;
        }
        let nobody = Head::default();
        let mut counts = lock(&self.counts);
        let now = Now { since: counts.start.elapsed(), step };
        for (index, kept) in self.kept.iter().enumerate().filter(|(_, k)| k.whole) {
            let rule = &kept.rule;
            let nth = next(&mut counts.accepted, whose.key(rule.scope, index));
            let request = Request {
                method: "",
                host: "",
                path: "",
                target: "",
                resource: Resource::Api,
                range: None,
                nth,
                head: &nobody,
            };
            let asked_for = kept.take_waiting();
            if !asked_for && !(kept.armed.load(Relaxed) && rule.when.fits(&request, &now)) {
                continue;
            }
            kept.matched.fetch_add(1, Relaxed);
            let draw = Draw::new(self.seed, &rule.id, &self.journey, "", "", 0, nth);
            let key = whose.key(rule.scope, index);
            if asked_for || (draw.unit(0) < rule.probability && self.take(&mut counts, rule, key)) {
                let key = (!asked_for && rule.times.is_some()).then_some(key);
                let steps = rule.fault.accept(&draw);
                fired.push((Fired { rules: self.clone(), index, draw, nth, applied: false, key }, steps));
            }
        }
        fired
    }

    fn take(&self, counts: &mut Counts, rule: &Rule, key: u64) -> bool {
        let Some(times) = rule.times else { return true };
        if counts.fired.get(&key).copied().unwrap_or(0) >= times {
            return false;
        }
        next(&mut counts.fired, key);
        true
    }

    /// Since the rules were armed.
    pub(super) fn since(&self) -> Duration {
        lock(&self.counts).start.elapsed()
    }

    pub(super) fn tally(&self) -> Vec<Tally> {
        self.kept.iter().map(Kept::tally).collect()
    }

    pub(super) fn standing(&self) -> Vec<Standing> {
        let standing = |k: &Kept| Standing {
            rule: k.rule.clone(),
            armed: k.armed.load(Relaxed),
            waiting: k.waiting.load(Relaxed),
            tally: k.tally(),
        };
        self.kept.iter().map(standing).collect()
    }

    pub(super) fn set_armed(&self, id: &str, armed: bool) -> bool {
        self.of(id).map(|k| k.armed.store(armed, Relaxed)).is_some()
    }

    pub(super) fn ask_for(&self, id: &str) -> bool {
        self.of(id).map(|k| k.waiting.fetch_add(1, Relaxed)).is_some()
    }

    pub(super) fn reset(&self) {
        let mut counts = lock(&self.counts);
        *counts = Counts::new();
        for kept in &self.kept {
            [&kept.waiting, &kept.requests, &kept.matched, &kept.applied].map(|n| n.store(0, Relaxed));
        }
    }

    fn of(&self, id: &str) -> Option<&Kept> {
        self.kept.iter().find(|k| k.rule.id == id)
    }
}

impl Kept {
    fn tally(&self) -> Tally {
        Tally {
            id: self.rule.id.clone(),
            requests: self.requests.load(Relaxed),
            matched: self.matched.load(Relaxed),
            applied: self.applied.load(Relaxed),
        }
    }

    fn take_waiting(&self) -> bool {
        self.waiting.load(Relaxed) > 0 && self.waiting.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1)).is_ok()
    }
}

impl Fired {
    /// The rule.
    pub(super) fn rule(&self) -> &Rule {
        &self.rules.kept[self.index].rule
    }

    /// What it does about the request.
    pub(super) fn request(&self, asked: &Asked) -> Vec<Step> {
        self.rule().fault.request(&asked.request(self.nth), &self.draw)
    }

    /// What it does about the response.
    pub(super) fn response(&self, asked: &Asked, response: &Response) -> Vec<Step> {
        self.rule().fault.response(&asked.request(self.nth), response, &self.draw)
    }

    /// Its first action is carried out: true once.
    pub(super) fn apply(&mut self) -> bool {
        let first = !self.applied;
        if first {
            self.applied = true;
            self.rules.kept[self.index].applied.fetch_add(1, Relaxed);
        }
        first
    }
}

impl Drop for Fired {
    fn drop(&mut self) {
        if let Some(key) = self.key.filter(|_| !self.applied) {
            if let Some(count) = lock(&self.rules.counts).fired.get_mut(&key) {
                *count = count.saturating_sub(1);
            }
        }
    }
}
