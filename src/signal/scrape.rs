//! Counters as the app's own `/metrics` says them. They only ever grow, so one reading says nothing: what happened is
//! between two. Readings are kept, and each stretch between two of them counts as a part of the day it ended on; one that
//! reaches into the window from before counts as neither. A counter that has fallen began anew. Only what one process
//! says makes sense so: behind a balancer of loads, ask a Prometheus.

use super::exposition::{Matcher, is_name, matchers, read};
use super::span::{Place, Span};
use super::{Abort, Counts, Get, Lacking, Told};
use crate::error::{Error, Result};
use crate::stats::Counted;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use toml::Spanned;

const HOUR_MS: f64 = 3_600_000.0;

/// Where to ask, and for which counters.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scrape {
    /// Where the metrics are.
    pub url: Spanned<String>,
    /// What lets in, as `env:NAME`: whoever asks adds it.
    pub token: Option<Spanned<String>>,
    /// The counter of all responses of the media proxy.
    pub responses: Counter,
    /// Of those that were 413.
    pub too_large: Option<Counter>,
    /// Of streams it gave up on for an idle timeout.
    pub idle: Option<Counter>,
}

/// A counter: `name` or `name{label="value"}`, summed over the other labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    text: String,
    name: String,
    matchers: Vec<Matcher>,
}

impl<'de> Deserialize<'de> for Counter {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?.trim().to_owned();
        let (name, labels) = text.split_once('{').map_or((text.as_str(), Some("}")), |(name, rest)| (name, Some(rest)));
        let labels = labels.and_then(matchers).filter(|(_, rest)| rest.is_empty() && is_name(name));
        match labels {
            Some((matchers, _)) => Ok(Self { name: name.to_owned(), matchers, text }),
            None => {
                let what = format!("`{text}` is no counter: write name or name{{label=\"value\"}}");
                Err(serde::de::Error::custom(what))
            }
        }
    }
}

/// A counter as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Which.
    pub signal: String,
    /// When, milliseconds since 1970.
    pub at: i64,
    /// How far it had counted.
    pub value: f64,
}

impl Scrape {
    /// What its counters are now; `at` is now, milliseconds since 1970.
    pub fn read(&self, at: i64, get: Get<'_>) -> Result<Vec<Reading>> {
        let url = self.url.get_ref();
        let wrong = |what: String| {
            let shown = crate::secret::Secrets::default().hide(url);
            Error::operator(format!("{shown}: {what}")).remedy("see what its metrics are called")
        };
        let samples = read(&get(url).map_err(wrong)?).map_err(wrong)?;
        let counters = [Some(&self.responses), self.too_large.as_ref(), self.idle.as_ref()];
        let reading = |counter: &Counter| {
            let named: Vec<_> = samples.iter().filter(|s| s.name == counter.name).collect();
            if named.is_empty() {
                return Err(wrong(format!("it has no counter `{}`", counter.name)));
            }
            let own: Vec<_> = named.into_iter().filter(|s| counter.matchers.iter().all(|m| m.takes(s))).collect();
            // Of labels that are not there nothing is known, not nought: what is told of them lacks it.
            if own.is_empty() {
                return Ok(None);
            }
            let mut value = 0.0;
            for sample in own {
                if !(sample.value >= 0.0 && sample.value.is_finite()) {
                    return Err(wrong(format!("`{}` is {}: it is no counter", counter.name, sample.value)));
                }
                value += sample.value;
            }
            Ok(Some(Reading { signal: self.signal(counter), at, value }))
        };
        counters.into_iter().flatten().filter_map(|counter| reading(counter).transpose()).collect()
    }

    /// What its counters are called where readings are kept.
    pub fn signals(&self) -> Vec<String> {
        let counters = [Some(&self.responses), self.too_large.as_ref(), self.idle.as_ref()];
        counters.into_iter().flatten().map(|counter| self.signal(counter)).collect()
    }

    fn signal(&self, counter: &Counter) -> String {
        format!("{} {}", self.url.get_ref().split(['?', '#']).next().unwrap_or_default(), counter.text)
    }

    /// What readings come to, of whatever order.
    pub fn told(&self, span: &Span, readings: &[Reading]) -> Told {
        let of = |counter: &Counter| {
            let signal = self.signal(counter);
            let own = readings.iter().filter(|r| r.signal == signal && span.place(r.at) != Place::Later);
            own.map(|r| (r.at, r.value)).collect::<BTreeMap<i64, f64>>()
        };
        let responses = of(&self.responses);
        let mut told = Told { newest: responses.keys().next_back().copied(), ..Told::default() };
        if responses.len() < 2 {
            told.notes.push("a counter tells what happened between two readings: the first is kept now".to_owned());
        }
        for (abort, counter) in [(Abort::TooLarge, &self.too_large), (Abort::Idle, &self.idle)] {
            let Some(counter) = counter else { continue };
            let events = of(counter);
            if events.keys().next_back() < responses.keys().next_back() {
                told.lacks.push(Lacking::unseen(abort, &counter.text));
            }
            let counts = counts(span, &responses, &events);
            told.covers = Some(told.covers.map_or(counts.now.hours, |least: f64| least.min(counts.now.hours)));
            told.counts.push((abort, counts));
        }
        told
    }
}

/// Stretches between two moments at which both were read.
fn counts(span: &Span, responses: &BTreeMap<i64, f64>, events: &BTreeMap<i64, f64>) -> Counts {
    let both: Vec<_> = responses.iter().filter_map(|(at, of)| Some((*at, *events.get(at)?, *of))).collect();
    let mut now = Counted { of: Some(0), ..Counted::default() };
    let mut days: BTreeMap<Date, Counted> = BTreeMap::new();
    for pair in both.windows(2) {
        let ((from, events, of), (until, more, of_more)) = (pair[0], pair[1]);
        // What it counted before it began anew, nobody knows.
        let grown = |from: f64, to: f64| if to < from { to } else { to - from }.round() as u64;
        let own = Counted {
            events: grown(events, more),
            of: Some(grown(of, of_more)),
            hours: (until - from) as f64 / HOUR_MS,
            ..Counted::default()
        };
        match (span.place(from), span.place(until)) {
            (Place::Now, Place::Now) => now = now.and(own),
            (_, Place::Day(n)) if own.of > Some(0) => {
                if let Some(day) = span.days().nth(n) {
                    let all = days.entry(day).or_insert(Counted { of: Some(0), ..Counted::default() });
                    *all = all.and(own);
                }
            }
            _ => {}
        }
    }
    Counts { now, days: days.into_iter().collect() }
}
