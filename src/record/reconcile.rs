//! What the app told of itself against what was seen from outside, in one play. Pure: the same events give the same
//! findings. Nothing of it is a sample or a verdict: it says how far the app's own telemetry can be relied on.

mod facts;
mod finding;

use crate::event::{Event, Origin};
use facts::{FACTS, FALLBACK, FIRST_FRAME, fact_of, family};
use finding::Findings;
pub use finding::{Finding, Kind, Reconciliation};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Told and seen further apart than this are not the same.
const APART_MS: f64 = 10_000.0;
/// Told by two ways within this time, without a word of whose it is, is the same.
const TOGETHER_MS: f64 = 1_000.0;
/// Told so much after it was seen is late.
const LATE_MS: f64 = 2_000.0;
/// A first frame told so much before it was seen was not looked at.
const EARLY_MS: f64 = 250.0;
/// A first frame that took no longer than its code, within this, was not looked at either.
const SAME_MS: f64 = 1.0;
/// What a limiter leaves out lies so close behind what it let through.
const LIMIT_MS: f64 = 2_500.0;
/// A stall that was shorter no app need tell of.
const STALL_MS: f64 = 1_000.0;
/// So many times the same warning within so long is an error of every tick, from which an app falls back.
const TICKS: usize = 10;
const TICKS_IN_MS: f64 = 2_000.0;
/// Events of either side that are kept of a play.
const MOST: usize = 10_000;

/// What was heard of a play so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ear {
    said: Vec<Said>,
    seen: Vec<Seen>,
    /// Batches that were refused: when, the status, how many events.
    refused: Vec<(f64, u64, Option<u64>)>,
    /// Warnings by text: when.
    warned: BTreeMap<String, Vec<f64>>,
}

/// Said by the app, by one way.
#[derive(Clone, Debug)]
struct Said {
    name: String,
    /// When it came, and when it was by its own account.
    t: f64,
    own: Option<f64>,
    way: String,
    app: Map<String, Value>,
}

/// Seen from outside.
#[derive(Clone, Debug)]
struct Seen {
    name: &'static str,
    t: f64,
    preset: Option<String>,
    fields: Map<String, Value>,
}

/// Told by the app, however many ways it came.
struct Told<'a> {
    said: &'a Said,
    ways: Vec<&'a str>,
    used: bool,
}

impl Said {
    /// Whether it says of which session of the app's it is.
    fn session(&self) -> bool {
        self.app.contains_key("session_id")
    }

    /// What makes it the same event, but for its time.
    fn identity(&self) -> String {
        let mut app = self.app.clone();
        app.remove("timestamp");
        format!("{} {}", self.name, Value::Object(app))
    }
}

impl<'a> Told<'a> {
    fn new(said: &'a Said) -> Self {
        Self { said, ways: vec![&said.way], used: false }
    }
    /// When it was: by its own account, where it has one.
    fn t(&self) -> f64 {
        self.said.own.unwrap_or(self.said.t)
    }
}

impl Ear {
    pub(crate) fn feed(&mut self, event: &Event) {
        if event.source == Origin::App {
            return self.hear(event);
        }
        match event.event.as_str() {
            "app_telemetry_sent" => {
                let status = event.number("status").unwrap_or(0.0) as u64;
                if status >= 400 {
                    self.refused.push((event.t_ms, status, event.number("events").map(|n| n as u64)));
                }
            }
            "console_warning" | "console_error" | "exception" => {
                let text = event.text("text").unwrap_or_default().to_owned();
                if self.warned.len() < 100 || self.warned.contains_key(&text) {
                    let times = self.warned.entry(text).or_default();
                    if times.len() < MOST {
                        times.push(event.t_ms);
                    }
                }
            }
            name => {
                // What ends with its page nobody is left to tell of.
                let ends = name == "socket_disconnect" && event.flag("clean");
                let short = name == "playback_stall" && event.number("ms").is_some_and(|ms| ms < STALL_MS);
                if let Some(fact) = FACTS.iter().find(|fact| fact.seen == name && !ends)
                    && self.seen.len() < MOST
                    && !short
                {
                    let preset = event.ids.preset_id.clone();
                    self.seen.push(Seen { name: fact.name, t: event.t_ms, preset, fields: event.fields.clone() });
                }
            }
        }
    }

    fn hear(&mut self, event: &Event) {
        if self.said.len() >= MOST {
            return;
        }
        let app = event.fields.get("app").and_then(Value::as_object).cloned().unwrap_or_default();
        // The run's clock at the wall clock's zero, as the event itself says.
        let epoch = |time: &str| time.parse::<jiff::Timestamp>().ok().map(|t| t.as_microsecond() as f64 / 1000.0);
        let zero = epoch(&event.timestamp).map(|wall| wall - event.t_ms);
        let own = text(&app, "timestamp").and_then(epoch).zip(zero).map(|(own, zero)| own - zero);
        let way = event.text("via").unwrap_or("console").to_owned();
        self.said.push(Said { name: event.event.clone(), t: event.t_ms, own, way, app });
    }

    /// Compares both.
    pub(crate) fn reconcile(&self) -> Reconciliation {
        let mut found = Findings::default();
        let mut told = self.merged(&mut found);
        let mut seen: Vec<Seen> = self.seen.clone();
        let known = |at: f64| self.seen.iter().any(|own| own.name == FALLBACK && (own.t - at).abs() < APART_MS);
        seen.extend(self.fallbacks().into_iter().filter(|warned| !known(warned.t)));
        let families: BTreeSet<&str> = told.iter().map(|told| family(&told.said.name)).collect();
        seen.retain(|seen| families.contains(family(seen.name)));
        seen.sort_by(|a, b| a.t.total_cmp(&b.t));
        let pairs = pair(&seen, &mut told);
        let matched = pairs.iter().flatten().count() as u64;
        for (seen, of) in seen.iter().zip(&pairs) {
            if let Some(of) = of {
                compare(seen, &told[*of], &mut found);
            }
        }
        for (seen, _) in seen.iter().zip(&pairs).filter(|(_, of)| of.is_none()) {
            untold(seen, &mut told, &mut found);
        }
        timed_by_code(&told, &mut found);
        for (t, status, events) in &self.refused {
            let events = events.map_or("events that cannot be read".to_owned(), |n| format!("{n} events"));
            found.add(Kind::Lost, "(batch)", *t, || format!("the server answered {status} to a batch of {events}"));
        }
        let mut ways = BTreeMap::new();
        for way in told.iter().flat_map(|told| &told.ways) {
            *ways.entry((*way).to_owned()).or_default() += 1;
        }
        Reconciliation { told: told.len() as u64, ways, seen: seen.len() as u64, matched, findings: found.sorted() }
    }

    /// Events by name, each counted once.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for told in self.merged(&mut Findings::default()) {
            *counts.entry(told.said.name.clone()).or_default() += 1;
        }
        counts
    }

    /// The same event by two ways is one: all its own fields are the same, or, if only its time differs, that is told.
    fn merged(&self, found: &mut Findings) -> Vec<Told<'_>> {
        let (mut named, mut nameless): (Vec<&Said>, Vec<&Said>) = self.said.iter().partition(|said| said.session());
        named.sort_by(|a, b| a.t.total_cmp(&b.t));
        nameless.sort_by(|a, b| a.t.total_cmp(&b.t));
        let mut told: Vec<Told<'_>> = Vec::new();
        let mut known: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for said in named {
            let places = known.entry(said.identity()).or_default();
            let stamped = |at: &usize| told[*at].said.app.get("timestamp") == said.app.get("timestamp");
            let new_way = |at: &usize| !told[*at].ways.contains(&said.way.as_str());
            let same = places.iter().copied().find(|at| stamped(at) && new_way(at));
            if same.is_none() && said.own.is_some() && places.iter().any(stamped) {
                found.add(Kind::Duplicate, &said.name, said.t, || format!("told twice by {}", said.way));
                continue;
            }
            let Some(at) = same.or_else(|| places.iter().copied().find(new_way)) else {
                places.push(told.len());
                told.push(Told::new(said));
                continue;
            };
            if let (None, Some(first), Some(again)) = (same, told[at].said.own, said.own) {
                let (one, apart) = (&told[at].said.way, (again - first).abs() / 1000.0);
                let says = || format!("told by {one}, and by {} with a time {apart:.1} s apart", said.way);
                found.add(Kind::Restamped, &said.name, said.t, says);
            }
            told[at].ways.push(&said.way);
        }
        // A mark says neither whose it is nor when: it is the one of its name that was made with it.
        for said in nameless {
            let t = said.own.unwrap_or(said.t);
            let apart = |told: &Told<'_>| (told.t() - t).abs();
            let new_way = |told: &Told<'_>| !told.ways.contains(&said.way.as_str());
            let alike =
                told.iter_mut().filter(|one| one.said.name == said.name && new_way(one) && apart(one) < TOGETHER_MS);
            match alike.min_by(|a, b| apart(a).total_cmp(&apart(b))) {
                Some(one) => one.ways.push(&said.way),
                None => told.push(Told::new(said)),
            }
        }
        told
    }

    /// Warnings that came with every tick: there the app had to fall back.
    fn fallbacks(&self) -> Vec<Seen> {
        let mut all = Vec::new();
        for (text, times) in &self.warned {
            let mut last = f64::NEG_INFINITY;
            for ticks in times.windows(TICKS) {
                if ticks[TICKS - 1] - ticks[0] <= TICKS_IN_MS && ticks[TICKS - 1] - last > APART_MS {
                    last = ticks[TICKS - 1];
                    let fields = [("text".to_owned(), Value::from(text.clone()))].into_iter().collect();
                    all.push(Seen { name: FALLBACK, t: last, preset: None, fields });
                }
            }
        }
        all
    }
}

/// Whether what was told can be what was seen, but for the name and the time.
fn same(seen: &Seen, told: &Told<'_>) -> bool {
    if let Some(key) = fact_of(seen.name).and_then(|fact| fact.key)
        && let (Some(one), Some(other)) = (text(&seen.fields, key), text(&told.said.app, key))
    {
        return one == other;
    }
    let presets = seen.preset.as_deref().zip(text(&told.said.app, "preset_id"));
    (told.t() - seen.t).abs() <= APART_MS && presets.is_none_or(|(one, other)| one == other)
}

fn text<'a>(fields: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    fields.get(key).and_then(Value::as_str)
}

/// Which of the told is which of the seen: the nearest first.
fn pair(seen: &[Seen], told: &mut [Told<'_>]) -> Vec<Option<usize>> {
    let mut near: Vec<(f64, usize, usize)> = Vec::new();
    for (s, one) in seen.iter().enumerate() {
        for (t, other) in told.iter().enumerate() {
            if one.name == other.said.name && same(one, other) {
                near.push(((other.t() - one.t).abs(), s, t));
            }
        }
    }
    near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut pairs = vec![None; seen.len()];
    for (_, s, t) in near {
        if pairs[s].is_none() && !told[t].used {
            pairs[s] = Some(t);
            told[t].used = true;
        }
    }
    pairs
}

/// Both are there: whether the time fits.
fn compare(seen: &Seen, told: &Told<'_>, found: &mut Findings) {
    let after = told.t() - seen.t;
    if after > LATE_MS {
        found.add(Kind::Late, seen.name, seen.t, || format!("told {:.1} s after it was seen", after / 1000.0));
    }
    if seen.name == FIRST_FRAME && -after > EARLY_MS {
        found.add(Kind::Early, seen.name, seen.t, || format!("told {:.0} ms before there was a frame", -after));
    }
}

/// First frames that all took just as long as the presets' code: that was measured, and no frame.
fn timed_by_code(told: &[Told<'_>], found: &mut Findings) {
    let took = |told: &Told<'_>| told.said.app.get("duration_ms").and_then(Value::as_f64);
    let preset = |told: &Told<'_>| told.said.app.get("preset_id").cloned();
    let mut both = 0;
    let mut same = Vec::new();
    for frame in told.iter().filter(|told| told.said.name == FIRST_FRAME) {
        let codes = told.iter().filter(|t| t.said.name == "hydra_preset_eval_success" && preset(t) == preset(frame));
        let code = codes.filter(|t| t.t() <= frame.t() + SAME_MS).max_by(|a, b| a.t().total_cmp(&b.t()));
        if let (Some(frame_ms), Some(code_ms)) = (took(frame), code.and_then(took)) {
            both += 1;
            same.extend(((frame_ms - code_ms).abs() <= SAME_MS).then_some((frame.t(), code_ms)));
        }
    }
    if both >= 2 && same.len() == both {
        for (t, ms) in same {
            found.add(Kind::Early, FIRST_FRAME, t, || {
                format!("told after {ms} ms, which is what the preset's code took")
            });
        }
    }
}

/// Seen and not told: something else was, or nothing.
fn untold(one: &Seen, told: &mut [Told<'_>], found: &mut Findings) {
    let opposite = fact_of(one.name).map_or(&[][..], |fact| fact.opposite);
    let other = told.iter_mut().find(|t| !t.used && opposite.contains(&t.said.name.as_str()) && same(one, t));
    if let Some(other) = other {
        other.used = true;
        let said = other.said.name.clone();
        let why = text(&one.fields, "reason").map_or(String::new(), |why| format!(" ({why})"));
        return found.add(Kind::Contradicting, one.name, one.t, || format!("the app said {said}; seen was this{why}"));
    }
    // A limiter lets none through sooner than it leaves one out.
    let mut times: Vec<f64> = told.iter().filter(|t| t.said.name == one.name).map(Told::t).collect();
    times.sort_by(f64::total_cmp);
    let gap = times.iter().map(|t| one.t - t).filter(|gap| *gap >= 0.0).fold(f64::INFINITY, f64::min);
    let tightest = times.windows(2).map(|two| two[1] - two[0]).fold(f64::INFINITY, f64::min);
    if gap < LIMIT_MS && gap <= tightest {
        let says = || format!("not told {:.1} s after the one before", gap / 1000.0);
        return found.add(Kind::RateLimited, one.name, one.t, says);
    }
    let never = !told.iter().any(|t| t.said.name == one.name);
    let ticks = text(&one.fields, "text").filter(|_| one.name == FALLBACK);
    found.add(Kind::Missing, one.name, one.t, || match (ticks, never) {
        (Some(text), _) => format!("an error in every tick, and no fallback told: {text}"),
        (None, true) => "the app never tells of it".to_owned(),
        (None, false) => "seen, and not told".to_owned(),
    });
}
