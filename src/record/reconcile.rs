//! What the app told of itself against what was seen from outside, in one play: its events, and what its server says of the
//! parts of files that it sends. Pure: the same events give the same findings. Nothing of it is a sample or a verdict: it
//! says how far the app's own telemetry can be relied on.

mod batch;
mod facts;
mod finding;
mod said;

use crate::event::{Event, Origin};
use batch::Batches;
use facts::{APPLIED, FALLBACK, FIRST_FRAME, begins, fact_of, family, is_untrue, seen_by, told_as};
use finding::Findings;
pub use finding::{Finding, Kind, Reconciliation};
use said::{Said, Told, merged};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Told and seen further apart than this are not the same.
const APART_MS: f64 = 10_000.0;
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
/// Events of either side that are kept of a play, and of those that are not compared.
const MOST: usize = 10_000;
/// A batch may tell of something so long after it.
const BEHIND_MS: f64 = 60_000.0;

/// What was heard of a play so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ear {
    /// Of what is compared, and of all else.
    said: Vec<Said>,
    other: Vec<Said>,
    /// What was said and is not kept, by name and way: how often.
    more: BTreeMap<(String, String), u64>,
    seen: Vec<Seen>,
    /// When one of both sides that are compared was full.
    full: Option<f64>,
    /// Commands that this page sent.
    sent: BTreeSet<String>,
    /// What began that may fail, and when.
    begun: Vec<(String, f64)>,
    batches: Batches,
    /// What a server said of a part of a file that cannot be, by no fault of ours: when, and what.
    untrue: Vec<(f64, String)>,
    /// Warnings by text: when.
    warned: BTreeMap<String, Vec<f64>>,
    /// What is to be added to a time of the browser's clock.
    shift: f64,
}

/// Seen from outside.
#[derive(Clone, Debug)]
struct Seen {
    name: &'static str,
    /// Of a failure: when that began which failed.
    from: f64,
    t: f64,
    preset: Option<String>,
    fields: Map<String, Value>,
}

impl Ear {
    pub(crate) fn feed(&mut self, event: &Event) {
        if event.source == Origin::App {
            return self.hear(event);
        }
        match event.event.as_str() {
            "app_telemetry_sent" => self.batches.sent(event),
            "clock_mapped" => {
                let (shift, doubt) = (event.number("shift_ms"), event.number("uncertainty_ms").unwrap_or(0.0));
                // The run itself takes no smaller one.
                self.shift = shift.filter(|shift| shift.abs() > doubt).unwrap_or(0.0);
            }
            "media_violation" => {
                let rule = event.text("rule").unwrap_or_default();
                if is_untrue(rule) && !event.flag("ours") && self.untrue.len() < MOST {
                    let text = |key| event.text(key).unwrap_or_default();
                    self.untrue.push((event.t_ms, format!("{} ({})", text("says"), text("url"))));
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
            name => self.see(name, event),
        }
    }

    fn see(&mut self, name: &str, event: &Event) {
        if name == "queue_cmd_sent" {
            self.sent.extend(event.text("cmd_id").map(str::to_owned));
        }
        if begins(name) {
            self.begun.push((name.to_owned(), event.t_ms));
        }
        let Some(fact) = seen_by(name).filter(|_| self.full.is_none()) else { return };
        // What ends with its page nobody is left to tell of.
        let ends = name == "socket_disconnect" && event.flag("clean");
        let short = name == "playback_stall" && event.number("ms").is_some_and(|ms| ms < STALL_MS);
        if ends || short || is_strange(event) {
            return;
        }
        if self.seen.len() >= MOST {
            self.full = Some(event.t_ms);
            return;
        }
        let began = |(what, t): &&(String, f64)| fact.start == Some(what.as_str()) && *t <= event.t_ms;
        let from = self.begun.iter().rfind(began).map_or(event.t_ms, |(_, t)| *t);
        let preset = event.ids.preset_id.clone();
        self.seen.push(Seen { name: fact.name, from, t: event.t_ms, preset, fields: event.fields.clone() });
    }

    fn hear(&mut self, event: &Event) {
        if self.batches.repeats(event) {
            return;
        }
        let fact = told_as(&event.event).map(|fact| fact.name);
        let way = event.text("via").unwrap_or("console").to_owned();
        let full = match fact {
            Some(_) => self.full.is_some() || self.said.len() >= MOST,
            None => self.other.len() >= MOST,
        };
        if full {
            if fact.is_some() {
                self.full.get_or_insert(event.t_ms);
            }
            let key = (event.event.clone(), way);
            if self.more.len() < MOST || self.more.contains_key(&key) {
                *self.more.entry(key).or_default() += 1;
            }
            return;
        }
        let said = Said::new(event, fact, way, self.shift);
        let into = if fact.is_some() { &mut self.said } else { &mut self.other };
        into.push(said);
    }

    /// Compares both.
    pub(crate) fn reconcile(&self) -> Reconciliation {
        let mut found = Findings::default();
        let (mut told, other) = (merged(&self.said, &mut found), merged(&self.other, &mut found));
        // What was seen shortly before either side was full may have been told behind that.
        let until_ms = self.full.map(|full| (full - BEHIND_MS).max(0.0));
        let mut seen: Vec<Seen> = self.seen.clone();
        let known = |at: f64| self.seen.iter().any(|own| own.name == FALLBACK && (own.t - at).abs() < APART_MS);
        seen.extend(self.fallbacks().into_iter().filter(|warned| !known(warned.t)));
        let kept = told.iter().chain(&other).map(|told| told.said.name.as_str());
        let more = self.more.keys().map(|(name, _)| name.as_str());
        let families: BTreeSet<&str> = kept.chain(more).map(family).collect();
        // In a room others send commands as well: of theirs no app need tell.
        let own = |seen: &Seen| {
            let id = text(&seen.fields, "cmd_id").filter(|_| seen.name == APPLIED);
            id.is_none_or(|id| self.sent.contains(id))
        };
        let compared = |seen: &Seen| until_ms.is_none_or(|until| seen.t <= until) && own(seen);
        seen.retain(|seen| families.contains(family(seen.name)) && compared(seen));
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
        self.batches.lost(&mut found);
        for (t, says) in &self.untrue {
            found.add(Kind::Contradicting, "(range)", *t, || says.clone());
        }
        let mut ways: BTreeMap<String, u64> = BTreeMap::new();
        for way in told.iter().chain(&other).flat_map(|told| &told.ways) {
            *ways.entry((*way).to_owned()).or_default() += 1;
        }
        for ((_, way), times) in &self.more {
            *ways.entry(way.clone()).or_default() += times;
        }
        let told = (told.len() + other.len()) as u64 + self.unkept().values().sum::<u64>();
        let seen = seen.len() as u64;
        Reconciliation { told, ways, seen, matched, until_ms, findings: found.sorted() }
    }

    /// Events by name, each counted once.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = self.unkept();
        for said in [&self.said, &self.other] {
            for told in merged(said, &mut Findings::default()) {
                *counts.entry(told.said.name.clone()).or_default() += 1;
            }
        }
        counts
    }

    /// What was said and is not kept, by name: as often as by the way that told it most often.
    fn unkept(&self) -> BTreeMap<String, u64> {
        let mut all: BTreeMap<String, u64> = BTreeMap::new();
        for ((name, _), times) in &self.more {
            let known = all.entry(name.clone()).or_default();
            *known = (*known).max(*times);
        }
        all
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
                    all.push(Seen { name: FALLBACK, from: last, t: last, preset: None, fields });
                }
            }
        }
        all
    }
}

/// Whether it is about a socket that the app file does not declare: some script's, which its app knows nothing of.
fn is_strange(event: &Event) -> bool {
    let declared = event.fields.get("declared").and_then(Value::as_bool);
    let elsewhere = || event.text("socket").is_some_and(|socket| socket.contains("://"));
    event.event.starts_with("socket_") && !declared.unwrap_or_else(|| !elsewhere())
}

/// Whether what was told can be what was seen, but for the name and the time.
fn same(seen: &Seen, told: &Told<'_>) -> bool {
    if let Some(key) = fact_of(seen.name).and_then(|fact| fact.key)
        && let (Some(one), Some(other)) = (text(&seen.fields, key), text(&told.said.app, key))
    {
        return one == other;
    }
    let presets = seen.preset.as_deref().zip(text(&told.said.app, "preset_id"));
    let near = (seen.from..=seen.t).contains(&told.t()) || (told.t() - seen.t).abs() <= APART_MS;
    near && presets.is_none_or(|(one, other)| one == other)
}

fn text<'a>(fields: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    fields.get(key).and_then(Value::as_str)
}

/// Which of the told is which of the seen: the nearest first.
fn pair(seen: &[Seen], told: &mut [Told<'_>]) -> Vec<Option<usize>> {
    // By fact, and in the order of time.
    let mut all: BTreeMap<&str, Vec<(f64, usize)>> = BTreeMap::new();
    for (t, one) in told.iter().enumerate() {
        all.entry(one.said.fact.unwrap_or_default()).or_default().push((one.t(), t));
    }
    all.values_mut().for_each(|all| all.sort_by(|a, b| a.0.total_cmp(&b.0)));
    let mut near: Vec<(f64, usize, usize)> = Vec::new();
    for (s, one) in seen.iter().enumerate() {
        let all = all.get(one.name).map_or(&[][..], Vec::as_slice);
        // What has a key is known by it, whenever it was.
        let keyed = fact_of(one.name).is_some_and(|fact| fact.key.is_some());
        let first = if keyed { 0 } else { all.partition_point(|(at, _)| *at < one.from.min(one.t - APART_MS)) };
        let last = one.t + APART_MS;
        for (at, t) in all[first..].iter().take_while(|(at, _)| keyed || *at <= last) {
            if same(one, &told[*t]) {
                near.push(((at - one.t).abs(), s, *t));
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
    if seen.name == FIRST_FRAME && -after > EARLY_MS + told.said.grain {
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
    let (opposite, instead) = fact_of(one.name).map_or((&[][..], &[][..]), |fact| (fact.opposite, fact.instead));
    if told.iter().any(|t| instead.iter().any(|fact| t.is(fact)) && same(one, t)) {
        return;
    }
    let other = told.iter_mut().find(|t| !t.used && opposite.iter().any(|fact| t.is(fact)) && same(one, t));
    if let Some(other) = other {
        other.used = true;
        let said = other.said.name.clone();
        let why = text(&one.fields, "reason").map_or(String::new(), |why| format!(" ({why})"));
        return found.add(Kind::Contradicting, one.name, one.t, || format!("the app said {said}; seen was this{why}"));
    }
    // A limiter lets none through sooner than it leaves one out.
    let mut times: Vec<f64> = told.iter().filter(|t| t.is(one.name)).map(Told::t).collect();
    times.sort_by(f64::total_cmp);
    let gap = times.iter().map(|t| one.t - t).filter(|gap| *gap >= 0.0).fold(f64::INFINITY, f64::min);
    let tightest = times.windows(2).map(|two| two[1] - two[0]).fold(f64::INFINITY, f64::min);
    if gap < LIMIT_MS && gap <= tightest {
        let says = || format!("not told {:.1} s after the one before", gap / 1000.0);
        return found.add(Kind::RateLimited, one.name, one.t, says);
    }
    let never = !told.iter().any(|t| t.is(one.name));
    let ticks = text(&one.fields, "text").filter(|_| one.name == FALLBACK);
    found.add(Kind::Missing, one.name, one.t, || match (ticks, never) {
        (Some(text), _) => format!("an error in every tick, and no fallback told: {text}"),
        (None, true) => "the app never tells of it".to_owned(),
        (None, false) => "seen, and not told".to_owned(),
    });
}
