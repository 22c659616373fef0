//! What the app said, by each way, and which of it is the same.

use super::finding::{Findings, Kind};
use crate::event::Event;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Told by two ways within this time, without a word of whose it is, is the same.
const TOGETHER_MS: f64 = 1_000.0;

/// Said by the app, by one way.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub name: String,
    /// The fact that it tells.
    pub fact: Option<&'static str>,
    /// When it came, and when it was by its own account, which is so coarse.
    pub t: f64,
    pub own: Option<f64>,
    pub grain: f64,
    pub way: String,
    pub app: Map<String, Value>,
}

/// Told by the app, however many ways it came.
pub(super) struct Told<'a> {
    pub said: &'a Said,
    pub ways: Vec<&'a str>,
    pub used: bool,
}

impl Said {
    /// What this event says; a time of the browser's clock is so much later on the run's.
    pub(super) fn new(event: &Event, fact: Option<&'static str>, way: String, shift: f64) -> Self {
        let app = event.fields.get("app").and_then(Value::as_object).cloned().unwrap_or_default();
        // The run's clock at the wall clock's zero, as the event itself says.
        let zero = wall(&event.timestamp).map(|wall| event.t_ms - wall);
        let (own, grain) = app.get("timestamp").and_then(epoch).unzip();
        let own = own.zip(zero).map(|(own, zero)| own + zero + shift);
        Self { name: event.event.clone(), fact, t: event.t_ms, own, grain: grain.unwrap_or(0.0), way, app }
    }

    /// Whether it says of which session of the app's it is.
    fn session(&self) -> bool {
        self.app.contains_key("session_id")
    }

    /// Whether its own time tells it from another of its kind.
    fn is_timed(&self) -> bool {
        self.own.is_some() && self.grain == 0.0
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
    pub(super) fn t(&self) -> f64 {
        self.said.own.unwrap_or(self.said.t)
    }
    /// Whether it tells this fact.
    pub(super) fn is(&self, fact: &str) -> bool {
        self.said.fact == Some(fact)
    }
}

/// A time by the wall clock, milliseconds since 1970.
fn wall(time: &str) -> Option<f64> {
    time.parse::<jiff::Timestamp>().ok().map(|t| t.as_microsecond() as f64 / 1000.0)
}

/// The same as an app writes it, in words or as a number of milliseconds or seconds; and how coarse that is.
fn epoch(time: &Value) -> Option<(f64, f64)> {
    // From 2001 on as seconds, from 1973 on as milliseconds: less is a time since the page began, more is finer.
    match time {
        Value::String(text) => wall(text).map(|ms| (ms, 0.0)),
        Value::Number(number) => match number.as_f64()? {
            n if (1e9..1e11).contains(&n) => Some((n * 1000.0, if n.fract() == 0.0 { 1000.0 } else { 0.0 })),
            n if (1e11..1e14).contains(&n) => Some((n, 0.0)),
            _ => None,
        },
        _ => None,
    }
}

/// The same event by two ways is one: all its own fields are the same, or, if only its time differs, that is told.
pub(super) fn merged<'a>(said: &'a [Said], found: &mut Findings) -> Vec<Told<'a>> {
    let (mut named, mut nameless): (Vec<&Said>, Vec<&Said>) = said.iter().partition(|said| said.session());
    named.sort_by(|a, b| a.t.total_cmp(&b.t));
    nameless.sort_by(|a, b| a.t.total_cmp(&b.t));
    let mut told: Vec<Told<'_>> = Vec::new();
    let mut known: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for said in named {
        let places = known.entry(said.identity()).or_default();
        let stamped = |at: &usize| told[*at].said.app.get("timestamp") == said.app.get("timestamp");
        let new_way = |at: &usize| !told[*at].ways.contains(&said.way.as_str());
        let same = places.iter().copied().find(|at| stamped(at) && new_way(at));
        if same.is_none() && said.is_timed() && places.iter().any(stamped) {
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
