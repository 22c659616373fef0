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
        if let (Some(switches), Some(bytes)) = (event.number("switches"), event.number("pss_bytes")) {
            let session = event.ids.session_id.clone().unwrap_or_default();
            self.sessions.entry(session).or_default().push((switches, bytes));
        }
    }

    fn samples(&self) -> Samples {
        let growth = self.sessions.values().filter_map(|samples| {
            let (from, base) = samples.iter().rfind(|(n, _)| *n <= WARM_UP)?;
            let (to, end) = samples.iter().find(|(n, _)| *n >= SWITCHES)?;
            // Scaled from the 90 switches seen after warm-up to the 100 of the objective.
            Some((end - base).max(0.0) * SWITCHES / (to - from))
        });
        Samples::Bytes(growth.collect())
    }
}
