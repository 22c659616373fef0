//! Measures of which every sample is one event.

use super::{Fold, NO_TIME, Samples, time};
use crate::event::{Event, Origin};

struct Trials {
    good: &'static str,
    bad: &'static str,
    count: (u64, u64),
}

/// Each `good` event is a success, each `bad` one a failure.
pub(super) fn trials(good: &'static str, bad: &'static str) -> Box<dyn Fold> {
    Box::new(Trials { good, bad, count: (0, 0) })
}

impl Fold for Trials {
    fn feed(&mut self, event: &Event) {
        if event.source == Origin::App {
            return; // what the app says of itself is no sample
        }
        let good = event.event == self.good;
        if good || event.event == self.bad {
            self.count.0 += u64::from(good);
            self.count.1 += 1;
        }
    }

    fn samples(&self) -> Samples {
        Samples::Trials { good: self.count.0, total: self.count.1 }
    }
}

struct Flagged {
    event: &'static str,
    good: fn(&Event) -> Option<bool>,
    count: (u64, u64),
}

/// Each such event is a trial, of which it says itself whether it went well; `None`: it is no trial.
pub(super) fn flagged(event: &'static str, good: fn(&Event) -> Option<bool>) -> Box<dyn Fold> {
    Box::new(Flagged { event, good, count: (0, 0) })
}

impl Fold for Flagged {
    fn feed(&mut self, event: &Event) {
        if event.source == Origin::App || event.event != self.event {
            return; // what the app says of itself is no sample
        }
        if let Some(good) = (self.good)(event) {
            self.count.0 += u64::from(good);
            self.count.1 += 1;
        }
    }

    fn samples(&self) -> Samples {
        Samples::Trials { good: self.count.0, total: self.count.1 }
    }
}

/// An answer of the app's own media proxy (`app_proxy`), and whether it is another than 413. One of our making is none
/// of the app's, and where nothing was answered there is no status.
pub(super) fn not_413(event: &Event) -> Option<bool> {
    let status = event.number("status")?;
    (event.flag("app_proxy") && !event.flag("ours")).then_some(status != 413.0)
}

struct Values {
    shown: &'static str,
    never: &'static str,
    ms: Vec<f64>,
}

/// Each `shown` event's `ms` is a value, each `never` event an infinite one. What was shown and tells no time is kept as
/// that.
pub(super) fn values(shown: &'static str, never: &'static str) -> Box<dyn Fold> {
    Box::new(Values { shown, never, ms: Vec::new() })
}

impl Fold for Values {
    fn feed(&mut self, event: &Event) {
        if event.source == Origin::App {
            return;
        }
        if event.event == self.shown {
            self.ms.push(time(event, "ms").unwrap_or(NO_TIME));
        } else if event.event == self.never {
            self.ms.push(f64::INFINITY);
        }
    }

    fn samples(&self) -> Samples {
        Samples::Values(self.ms.clone())
    }
}

/// A session is a journey's play; it crashed if something of the browser was lost before its end.
#[derive(Default)]
pub(super) struct CrashFree {
    crashed: std::collections::BTreeSet<String>,
    good: u64,
    total: u64,
}

impl Fold for CrashFree {
    fn feed(&mut self, event: &Event) {
        if event.source == Origin::App {
            return; // what the app says of itself is no sample
        }
        let session = event.ids.session_id.clone().unwrap_or_default();
        match event.event.as_str() {
            "browser_crash" | "webgl_context_lost" => {
                self.crashed.insert(session);
            }
            "journey_end" => {
                self.total += 1;
                self.good += u64::from(!self.crashed.contains(&session));
            }
            _ => {}
        }
    }

    fn samples(&self) -> Samples {
        Samples::Trials { good: self.good, total: self.total }
    }
}
