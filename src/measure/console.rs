//! Console errors and uncaught exceptions over minutes of session.

use super::{Fold, Samples, lasted};
use crate::event::{Event, Origin};

#[derive(Default)]
pub(super) struct ConsoleErrors {
    count: u64,
    minutes: f64,
    lost: u64,
}

impl Fold for ConsoleErrors {
    fn feed(&mut self, event: &Event) {
        match event.event.as_str() {
            "console_error" | "exception" if event.source != Origin::App => self.count += 1,
            // Exposure is the time the page was up, not the time the browser took to start.
            "journey_end" if event.source != Origin::App => match lasted(event, "ms") {
                Some(ms) => self.minutes += ms / 60_000.0,
                None => self.lost += 1,
            },
            _ => {}
        }
    }

    fn samples(&self) -> Samples {
        Samples::Count { count: self.count, minutes: self.minutes, lost: self.lost }
    }
}
