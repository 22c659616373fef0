//! The rules that are armed, what they count, and which of them fire.

use super::asked::{Asked, Whose};
use super::plan::Planned;
use super::shape::{self, Shape};
use super::{Armed, Standing, Tally, lock};
use crate::fault::head::Head;
use crate::fault::rule::{Now, Rule, Scope};
use crate::fault::seed::Draw;
use crate::fault::{Range, Request, Resource, Response, Step};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// Counts kept, at most: a page that makes up URLs costs so much memory and no more.
const KEPT: usize = 1 << 18;

/// What is armed at a time.
pub(super) struct Rules {
    pub kept: Vec<Kept>,
    pub seed: u64,
    journey: String,
    /// Scopes that a rule counts by.
    scopes: Vec<Scope>,
    pub counts: Mutex<Counts>,
    /// The links of each scope.
    pub shapes: Mutex<HashMap<u64, Arc<Mutex<Shape>>>>,
    /// Counts what was armed, disarmed and asked for by hand.
    pub switched: AtomicU64,
    /// Whether a part of the link holds at times only.
    pub windows: bool,
}

pub(super) struct Kept {
    pub rule: Rule,
    /// It is a fault of connections as a whole.
    whole: bool,
    /// It is a part of the link.
    pub link: bool,
    pub armed: AtomicBool,
    waiting: AtomicU64,
    requests: AtomicU64,
    matched: AtomicU64,
    pub applied: AtomicU64,
    /// Connections that a part of the link did something to.
    reached: Mutex<HashSet<u64>>,
}

pub(super) struct Counts {
    pub start: Instant,
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
    /// What is drawn for an octet of the file, whichever request asks for it.
    pub file: Draw,
    nth: u64,
    applied: AtomicBool,
    /// What it took one of.
    took: Took,
}

/// What a rule that fires takes one of.
#[derive(Clone, Copy)]
enum Took {
    Nothing,
    /// Its `times`, by their key.
    Times(u64),
    /// What people asked for by hand.
    Asked,
}

impl Took {
    fn of(asked_for: bool, rule: &Rule, key: u64) -> Self {
        match asked_for {
            true => Took::Asked,
            false => rule.times.map_or(Took::Nothing, |_| Took::Times(key)),
        }
    }
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
                armed: AtomicBool::new(rule.armed),
                rule,
                waiting: AtomicU64::new(0),
                requests: AtomicU64::new(0),
                matched: AtomicU64::new(0),
                applied: AtomicU64::new(0),
                reached: Mutex::default(),
            })
            .collect();
        let mut scopes: Vec<Scope> = Vec::new();
        for kept in &kept {
            if !scopes.contains(&kept.rule.scope) {
                scopes.push(kept.rule.scope);
            }
        }
        let windowed = |k: &Kept| {
            let when = &k.rule.when;
            k.link && (when.after.is_some() || when.until.is_some() || when.step.is_some())
        };
        Self {
            windows: kept.iter().any(windowed),
            kept,
            seed: armed.seed,
            journey: armed.journey,
            scopes,
            counts: Mutex::new(Counts::new()),
            shapes: Mutex::default(),
            switched: AtomicU64::new(0),
        }
    }

    /// Which rules fire on a request.
    pub(super) fn fire(self: &Arc<Self>, asked: &Asked, whose: Whose, step: Option<&str>) -> Vec<Arc<Fired>> {
        let mut fired = Vec::new();
        if self.kept.is_empty() {
            return fired;
        }
        let same = (&asked.method, &asked.to.name, &asked.target);
        let mut counts = lock(&self.counts);
        let now = Now { since: counts.start.elapsed(), step };
        let start = asked.range.and_then(Range::start).unwrap_or(0);
        let nth: Vec<u64> = self.scopes.iter().map(|s| next(&mut counts.nth, whose.key(*s, same))).collect();
        // A draw's own ordinal: requests for several parts of a file come at once, in any order. It is the link's whatever
        // the scope, else each connection's first would draw the same.
        let ordinal = next(&mut counts.nth, whose.key(Scope::Link, (same, start)));
        // Without the port: an app that is launched has another one in each run, and a seed decides the same in all of them.
        let url = format!("{}://{}{}", asked.to.scheme(), asked.to.host, asked.target);
        for (index, kept) in self.kept.iter().enumerate() {
            let rule = &kept.rule;
            let armed = kept.armed.load(Relaxed);
            if armed {
                kept.requests.fetch_add(1, Relaxed);
            }
            if kept.link && armed && shape::window_fits(&rule.when, now.since, step) {
                kept.matched.fetch_add(1, Relaxed);
            }
            if kept.whole || kept.link {
                continue;
            }
            let of_scope = self.scopes.iter().position(|s| *s == rule.scope).unwrap_or(0);
            let request = asked.request(nth[of_scope]);
            let asked_for = rule.when.is_for(&request) && kept.take_waiting();
            let fits = armed && rule.when.fits(&request, &now);
            if !asked_for && !fits {
                continue;
            }
            kept.matched.fetch_add(1, Relaxed);
            let of =
                |start, ordinal| Draw::new(self.seed, &rule.id, &self.journey, &asked.method, &url, start, ordinal);
            let draw = of(start, ordinal);
            let key = whose.key(rule.scope, (index, same));
            let taken = asked_for || (draw.unit(0) < rule.probability && self.take(&mut counts, rule, key));
            if taken {
                let (rules, applied, file) = (self.clone(), AtomicBool::new(false), of(0, 0));
                let took = Took::of(asked_for, rule, key);
                fired.push(Arc::new(Fired { rules, index, draw, file, nth: request.nth, applied, took }));
            }
        }
        fired
    }

    /// Whether there are faults of connections as a whole.
    pub(super) fn any_whole(&self) -> bool {
        self.kept.iter().any(|k| k.whole)
    }

    /// Which rules fire on a connection as a whole, and what they do.
    pub(super) fn accept(self: &Arc<Self>, whose: Whose, step: Option<&str>) -> Vec<Planned> {
        let mut fired = Vec::new();
        let nobody = Head::default();
        let mut counts = lock(&self.counts);
        let now = Now { since: counts.start.elapsed(), step };
        for (index, kept) in self.kept.iter().enumerate().filter(|(_, k)| k.whole) {
            let rule = &kept.rule;
            let nth = next(&mut counts.accepted, whose.key(rule.scope, index));
            let ordinal = next(&mut counts.accepted, whose.key(Scope::Link, (index, "ordinal")));
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
            let fits = kept.armed.load(Relaxed) && rule.when.fits(&request, &now);
            if !asked_for && !fits {
                continue;
            }
            kept.matched.fetch_add(1, Relaxed);
            let draw = Draw::new(self.seed, &rule.id, &self.journey, "", "", 0, ordinal);
            let key = whose.key(rule.scope, index);
            if asked_for || (draw.unit(0) < rule.probability && self.take(&mut counts, rule, key)) {
                let (rules, applied) = (self.clone(), AtomicBool::new(false));
                let took = Took::of(asked_for, rule, key);
                let by = Arc::new(Fired { rules, index, draw, file: draw, nth, applied, took });
                let steps = rule.fault.accept(&draw);
                fired.extend(steps.into_iter().map(|step| Planned {
                    by: by.clone(),
                    at: step.at,
                    action: step.action,
                }));
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

    /// When the rules' clock started.
    pub(super) fn start(&self) -> Instant {
        lock(&self.counts).start
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
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
        let known = self.of(id).map(|k| k.armed.store(armed, Relaxed)).is_some();
        self.switched.fetch_add(1, Relaxed);
        known
    }

    pub(super) fn ask_for(&self, id: &str) -> bool {
        let known = self.of(id).map(|k| k.waiting.fetch_add(1, Relaxed)).is_some();
        self.switched.fetch_add(1, Relaxed);
        known
    }

    pub(super) fn reset(&self) {
        let mut counts = lock(&self.counts);
        *counts = Counts::new();
        lock(&self.shapes).clear();
        for kept in &self.kept {
            for count in [&kept.waiting, &kept.requests, &kept.matched, &kept.applied] {
                count.store(0, Relaxed);
            }
            lock(&kept.reached).clear();
        }
    }

    pub(super) fn of(&self, id: &str) -> Option<&Kept> {
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

    /// Whether a part of the link did nothing to this connection before.
    pub(super) fn reached(&self, connection: u64) -> bool {
        let mut reached = lock(&self.reached);
        reached.len() >= KEPT || reached.insert(connection)
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
    pub(super) fn apply(&self) -> bool {
        let first = !self.applied.swap(true, Relaxed);
        if first {
            self.rules.kept[self.index].applied.fetch_add(1, Relaxed);
        }
        first
    }
}

impl Drop for Fired {
    /// What did nothing gives back what it took.
    fn drop(&mut self) {
        if self.applied.load(Relaxed) {
            return;
        }
        match self.took {
            Took::Nothing => {}
            Took::Times(key) => {
                if let Some(count) = lock(&self.rules.counts).fired.get_mut(&key) {
                    *count = count.saturating_sub(1);
                }
            }
            Took::Asked => {
                self.rules.kept[self.index].waiting.fetch_add(1, Relaxed);
            }
        }
    }
}
