//! Growth of memory over a session's first 100 preset switches: a session with fewer is no sample.

use super::{Fold, Samples};
use crate::event::Event;
use std::collections::BTreeMap;

/// Switches the objective speaks of (P1.5).
const SWITCHES: f64 = 100.0;
/// The first switches fill caches, start media and compile shaders: the baseline is what is used after them.
const WARM_UP: f64 = 10.0;

#[derive(Default)]
pub(super) struct MemoryGrowth {
    sessions: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Fold for MemoryGrowth {
    fn feed(&mut self, event: &Event) {
        if event.event != "memory_sample" {
            return;
        }
        if let Some(switches) = event.number("switches") {
            let session = event.ids.session_id.clone().unwrap_or_default();
            let bytes = event.number("pss_bytes").filter(|bytes| *bytes >= 0.0).unwrap_or(f64::NAN);
            self.sessions.entry(session).or_default().push((switches, bytes));
        }
    }

    fn samples(&self) -> Samples {
        let growth = self.sessions.values().filter_map(|samples| {
            // A size that was not told is taken only where there is no other.
            let before = |any| samples.iter().rfind(|(n, size)| *n <= WARM_UP && (any || size.is_finite()));
            let after = |any| samples.iter().find(|(n, size)| *n >= SWITCHES && (any || size.is_finite()));
            let (from, base) = before(false).or_else(|| before(true))?;
            let (to, end) = after(false).or_else(|| after(true))?;
            // Scaled from the 90 switches seen after warm-up to the 100 of the objective.
            let grown = (end - base) * SWITCHES / (to - from);
            Some(if grown.is_finite() { grown.max(0.0) } else { f64::INFINITY })
        });
        Samples::Bytes(growth.collect())
    }
}
