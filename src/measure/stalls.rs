//! Stalls of more than three seconds over minutes watched (P1.19).

use super::{Fold, Samples};
use crate::event::{Event, Origin};

/// A stall longer than this counts, milliseconds.
const LONG_MS: f64 = 3000.0;

#[derive(Default)]
pub(super) struct LongStalls {
    count: u64,
    minutes: f64,
}

impl Fold for LongStalls {
    fn feed(&mut self, event: &Event) {
        if event.source != Origin::Monitor {
            return; // what the app says of itself is no sample
        }
        match event.event.as_str() {
            "playback_stall" if event.number("ms").is_some_and(|ms| ms > LONG_MS) => self.count += 1,
            "playback_summary" => self.minutes += event.number("watched_ms").unwrap_or(0.0).max(0.0) / 60_000.0,
            _ => {}
        }
    }

    fn samples(&self) -> Samples {
        Samples::Count { count: self.count, minutes: self.minutes }
    }
}
