//! The time that is asked about: a window, and the calendar days before it.

use super::Counts;
use crate::slo::Calendar;
use crate::stats::Counted;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::time::Duration;

const HOUR_MS: f64 = 3_600_000.0;

/// A window, and the days that it is judged against.
#[derive(Clone, Debug)]
pub struct Span {
    calendar: Calendar,
    from: i64,
    /// The baseline's days, oldest first, each with when it begins and ends, milliseconds since 1970.
    days: Vec<(Date, i64, i64)>,
}

/// Where a moment falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into the window.
    Now,
    /// Into a day of the baseline: its number.
    Day(usize),
    /// Before the end, but into neither.
    Elsewhere,
    /// At the end or later: a clock that is wrong.
    Later,
}

impl Span {
    /// The `window` before `until`, and the last `days` calendar days of the zone that were over when it began. Where
    /// what is judged was first seen at `since`, its window begins no earlier, and the baseline ends before: it must not
    /// be judged against itself.
    pub fn new(zone: TimeZone, until: Timestamp, window: Duration, days: usize, since: Option<i64>) -> Self {
        let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        let from = until.as_millisecond().saturating_sub(window).max(since.unwrap_or(i64::MIN));
        let over = from.min(since.unwrap_or(i64::MAX));
        let before = Timestamp::from_millisecond(over).unwrap_or(until);
        let calendar = Calendar::new(zone.clone(), until);
        let earlier = Calendar::new(zone, before);
        let mut own = earlier.days(days + 1);
        if earlier.is_over() {
            own.remove(0)
        } else {
            own.pop().unwrap_or_default()
        };
        let bounds = |day: Date| (day, earlier.starts(day), day.tomorrow().map_or(over, |next| earlier.starts(next)));
        Self { calendar, from, days: own.into_iter().map(bounds).collect() }
    }

    /// Where a moment falls, milliseconds since 1970.
    pub fn place(&self, ms: i64) -> Place {
        if ms >= self.until() {
            return Place::Later;
        }
        if ms >= self.from {
            return Place::Now;
        }
        let at = self.days.partition_point(|(_, _, ends)| *ends <= ms);
        match self.days.get(at) {
            Some((_, starts, _)) if *starts <= ms => Place::Day(at),
            _ => Place::Elsewhere,
        }
    }

    /// When the window begins, milliseconds since 1970.
    pub fn from(&self) -> i64 {
        self.from
    }

    /// When it ends: the moment up to which all is asked.
    pub fn until(&self) -> i64 {
        self.calendar.until().as_millisecond()
    }

    /// When the first of the baseline's days begins.
    pub fn earliest(&self) -> i64 {
        self.days.first().map_or(self.from, |(_, starts, _)| *starts)
    }

    /// How long the window is.
    pub fn window_hours(&self) -> f64 {
        (self.until() - self.from) as f64 / HOUR_MS
    }

    /// The baseline's days, oldest first.
    pub fn days(&self) -> impl Iterator<Item = Date> + '_ {
        self.days.iter().map(|(day, ..)| *day)
    }

    /// Hours of the window and of each day within what a source covers.
    fn hours(&self, (from, until): (i64, i64)) -> impl Iterator<Item = f64> + '_ {
        let within = move |begins: i64, ends: i64| (ends.min(until) - begins.max(from)).max(0) as f64 / HOUR_MS;
        std::iter::once(within(self.from, self.until())).chain(self.days.iter().map(move |(_, b, e)| within(*b, *e)))
    }
}

/// The hours in which a source said anything at all, counted from the window's begin.
pub(crate) struct Heard<'s> {
    span: &'s Span,
    hours: BTreeSet<i64>,
}

impl<'s> Heard<'s> {
    pub fn new(span: &'s Span) -> Self {
        Self { span, hours: BTreeSet::new() }
    }

    pub fn add(&mut self, ms: i64) {
        if (self.span.earliest()..self.span.until()).contains(&ms) {
            self.hours.insert((ms - self.span.from).div_euclid(HOUR_MS as i64));
        }
    }

    /// How many hours of the window were seen. An hour of silence is one in which nothing happened; a silence longer than
    /// any before the window is a part that is missing. Hours are whole ones: one more of silence is still the same.
    pub fn covers(&self) -> f64 {
        let window = self.span.window_hours();
        let end = (window.ceil() as i64).max(0);
        let silences = |from: i64, to: i64| {
            let edges = std::iter::once(from - 1).chain(self.hours.range(from..to).copied());
            let next = self.hours.range(from..to).copied().chain([to]);
            edges.zip(next).map(|(before, after)| after - before - 1).collect::<Vec<_>>()
        };
        let first = self.hours.first().copied().unwrap_or_default().min(0);
        let usual = silences(first, 0).into_iter().max().unwrap_or_default() + 1;
        let missing: i64 = silences(0, end).into_iter().filter(|hours| *hours > usual).sum();
        (window - missing as f64).max(0.0)
    }
}

/// Events and responses as they come, each with its moment.
pub(crate) struct Tally<'s> {
    span: &'s Span,
    /// Events and responses: of the window, then of each day. What a server extrapolates is no whole number.
    counted: Vec<(f64, f64)>,
}

impl<'s> Tally<'s> {
    pub fn new(span: &'s Span) -> Self {
        Self { span, counted: vec![(0.0, 0.0); span.days.len() + 1] }
    }

    fn at(&mut self, ms: i64) -> Option<&mut (f64, f64)> {
        match self.span.place(ms) {
            Place::Now => self.counted.first_mut(),
            Place::Day(n) => self.counted.get_mut(n + 1),
            Place::Elsewhere | Place::Later => None,
        }
    }

    pub fn add(&mut self, ms: i64, events: f64, responses: f64) {
        if let Some(counted) = self.at(ms) {
            counted.0 += events;
            counted.1 += responses;
        }
    }

    /// What it came to. A day without exposure is no day: one without a response, or where nobody counts them (`of`), one
    /// that the source does not cover.
    pub fn counts(&self, of: bool, covers: (i64, i64)) -> Counts {
        let one = |((events, responses), hours): (&(f64, f64), f64)| Counted {
            events: events.round() as u64,
            of: of.then_some(responses.round() as u64),
            hours,
            ..Counted::default()
        };
        let mut all = self.counted.iter().zip(self.span.hours(covers)).map(one);
        let now = all.next().unwrap_or_default();
        let exposed = |c: &Counted| c.of.map_or(c.hours > 0.0, |of| of > 0);
        Counts { now, days: self.span.days().zip(all).filter(|(_, c)| exposed(c)).collect() }
    }
}
