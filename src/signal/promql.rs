//! Counters of the app's own media proxy in Prometheus, or in what speaks its query API (Thanos, Mimir, VictoriaMetrics):
//! `increase` sees to counters that begin anew. The days are asked for hour by hour, so that a day is as long as its time
//! zone makes it, and the window by itself.
//!
//! A counter without one sample in all the time asked about is not nought: a label that is written wrong has none either,
//! and of one that is made when it first counts the first increase is not seen (`increase` needs a sample before). An app
//! begins its counters at 0.

use super::exposition::is_name;
use super::span::{Span, Tally};
use super::{Abort, Get, Lacking, Told};
use crate::error::{Error, Result};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

const HOUR_MS: i64 = 3_600_000;

/// Where to ask, and for which counters.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promql {
    /// The server, as far as before `/api/v1`.
    pub url: Spanned<String>,
    /// What lets in, as `env:NAME`: whoever asks adds it.
    pub token: Option<Spanned<String>>,
    /// The counter of all responses of the media proxy.
    pub responses: Selector,
    /// Of those that were 413.
    pub too_large: Option<Selector>,
    /// Of streams it gave up on for an idle timeout.
    pub idle: Option<Selector>,
}

/// A counter: `name` or `name{label="value"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(String);

impl Selector {
    fn name(&self) -> &str {
        self.0.split('{').next().unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?.trim().to_owned();
        let selector = Self(text);
        let name = selector.name();
        let labels = &selector.0[name.len()..];
        match is_name(name) && (labels.is_empty() || labels.ends_with('}')) {
            true => Ok(selector),
            false => {
                let what = format!("`{}` is no counter: write name or name{{label=\"value\"}}", selector.0);
                Err(serde::de::Error::custom(what))
            }
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    #[serde(default)]
    error: String,
    data: Option<Data>,
    #[serde(default)]
    warnings: Vec<String>,
    /// As VictoriaMetrics says it.
    #[serde(default, rename = "isPartial")]
    partial: bool,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Series>,
}

/// Points of seconds since 1970 and a number in quotes.
#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    values: Vec<(f64, String)>,
    value: Option<(f64, String)>,
}

/// One counter's increases: in the window, and in hours by their middle, milliseconds since 1970.
#[derive(Default)]
struct Increases {
    now: Option<f64>,
    hours: Vec<(i64, f64)>,
    /// Hours of which the server gave no number.
    none: usize,
}

impl Promql {
    /// Asks it.
    pub fn ask(&self, span: &Span, get: Get<'_>) -> Result<Told> {
        let mut told = Told::default();
        let mut asking = Asking { url: self.url.get_ref().trim_end_matches('/'), span, get };
        let responses = asking.increases(&self.responses, &mut told)?;
        if responses.now.is_none() && responses.hours.is_empty() {
            return Err(asking
                .wrong(&format!("it has nothing of `{}` in all the time asked about", self.responses.0))
                .remedy("see what the app's counter is called"));
        }
        told.newest = asking.newest(&self.responses, &responses)?;
        for (abort, selector) in [(Abort::TooLarge, &self.too_large), (Abort::Idle, &self.idle)] {
            let Some(selector) = selector else { continue };
            let events = asking.increases(selector, &mut told)?;
            if events.now.is_none() && events.hours.is_empty() {
                if !asking.has(selector)? {
                    return Err(asking
                        .wrong(&format!("it knows no counter `{}`", selector.name()))
                        .remedy("see what the app's counter is called"));
                }
                told.lacks.push(Lacking::unseen(abort, &selector.0));
            }
            let mut tally = Tally::new(span);
            for (increases, times) in [(&events, (1.0, 0.0)), (&responses, (0.0, 1.0))] {
                let now = (span.until() - 1, increases.now.unwrap_or_default());
                for (ms, n) in increases.hours.iter().filter(|(middle, _)| *middle < span.from()).chain([&now]) {
                    tally.add(*ms, n * times.0, n * times.1);
                }
            }
            told.counts.push((abort, tally.counts(true, (span.earliest(), span.until()))));
        }
        Ok(told)
    }
}

struct Asking<'a> {
    url: &'a str,
    span: &'a Span,
    get: Get<'a>,
}

impl Asking<'_> {
    fn wrong(&self, what: &str) -> Error {
        Error::operator(format!("{}: {what}", crate::secret::Secrets::default().hide(self.url)))
    }

    fn increases(&mut self, selector: &Selector, told: &mut Told) -> Result<Increases> {
        let Selector(counter) = selector;
        let (from, until) = (self.span.from(), self.span.until());
        let window = ((until - from) / 1000).max(1);
        let now = self.instant(&format!("sum(increase({counter}[{window}s]))"), told)?;
        let mut found = Increases { now, ..Increases::default() };
        let mut before = i64::MIN;
        for (at, value) in self.range(&format!("sum(increase({counter}[1h]))"), told)? {
            if at <= before || at <= self.span.earliest() || at > from + HOUR_MS {
                return Err(self.wrong("its points are not those that were asked for, in the order of time"));
            }
            before = at;
            match number(&value) {
                Some(n) if n < 0.0 => {
                    return Err(self.wrong(&format!("`{counter}` increases by {n}: it is no counter")));
                }
                Some(n) => found.hours.push((at - HOUR_MS / 2, n)),
                None => found.none += 1,
            }
        }
        if found.none > 0 {
            told.notes.push(format!("{} hours of `{counter}` are no numbers and were left out", found.none));
        }
        Ok(found)
    }

    /// When the newest sample was, milliseconds since 1970.
    fn newest(&mut self, selector: &Selector, responses: &Increases) -> Result<Option<i64>> {
        let latest = self.instant(&format!("max(timestamp({}))", selector.0), &mut Told::default())?;
        let latest = latest.map(|seconds| (seconds * 1000.0) as i64).filter(|ms| *ms <= self.span.until());
        Ok(latest.or_else(|| responses.hours.last().map(|(middle, _)| middle + HOUR_MS / 2)))
    }

    /// Whether the server knows the counter's name, whatever its labels.
    fn has(&mut self, selector: &Selector) -> Result<bool> {
        let query = format!("count({})", selector.name());
        let now = self.instant(&query, &mut Told::default())?;
        Ok(now.is_some() || !self.range(&query, &mut Told::default())?.is_empty())
    }

    /// One number now.
    fn instant(&mut self, query: &str, told: &mut Told) -> Result<Option<f64>> {
        let time = seconds(self.span.until());
        let series = self.series("query", &[("query", query.to_owned()), ("time", time)], told)?;
        let Some((_, value)) = series.and_then(|s| s.value) else { return Ok(None) };
        match number(&value) {
            Some(n) if n < 0.0 => Err(self.wrong(&format!("`{query}` is {n}: that is no increase of a counter"))),
            Some(n) => Ok(Some(n)),
            None => Err(self.wrong(&format!("`{query}` is {value}: that is no number"))),
        }
    }

    /// A number for each hour from the baseline's begin to the window's: milliseconds since 1970 at its end.
    fn range(&mut self, query: &str, told: &mut Told) -> Result<Vec<(i64, String)>> {
        let (start, end) = (self.span.earliest() + HOUR_MS, self.span.from());
        if start > end {
            return Ok(Vec::new());
        }
        let asked = [
            ("query", query.to_owned()),
            ("start", seconds(start)),
            ("end", seconds(end)),
            ("step", "3600".to_owned()),
        ];
        let series = self.series("query_range", &asked, told)?;
        Ok(series.map(|s| s.values).unwrap_or_default().into_iter().map(|(t, v)| ((t * 1000.0) as i64, v)).collect())
    }

    /// The one series that a sum has, or none.
    fn series(&mut self, api: &str, asked: &[(&str, String)], told: &mut Told) -> Result<Option<Series>> {
        let mut url = url::Url::parse(&format!("{}/api/v1/{api}", self.url)).map_err(|e| self.wrong(&e.to_string()))?;
        url.query_pairs_mut().extend_pairs(asked);
        let body = (self.get)(url.as_str()).map_err(|why| self.wrong(&why))?;
        let answer: Answer = serde_json::from_str(&body)
            .map_err(|e| self.wrong(&format!("what it says is no answer of the query API: {e}")))?;
        let Some(data) = answer.data.filter(|_| answer.status == "success") else {
            return Err(self.wrong(&format!("it answered {}: {}", answer.status, answer.error)));
        };
        let partial = answer.partial.then(|| "the answer is partial".to_owned());
        for warning in answer.warnings.into_iter().chain(partial) {
            let what = self.wrong(&format!("it warns: {}", warning.escape_debug())).what().to_owned();
            if told.lacks.iter().all(|own| own.what != what) {
                told.lacks.push(Lacking { abort: None, what, todo: "see that the server answers in full" });
            }
        }
        let mut all = data.result.into_iter();
        let one = all.next();
        match all.next() {
            Some(_) => Err(self.wrong("it answered a sum with more than one series")),
            None => Ok(one),
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|n: &f64| n.is_finite())
}

/// As the API takes a moment.
fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}
