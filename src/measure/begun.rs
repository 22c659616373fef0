//! What is begun must end well: a start that no end follows before its session is over has failed.

use super::{Fold, Samples};
use crate::event::{Event, Origin};
use std::collections::BTreeMap;

struct Begun {
    start: &'static str,
    good: &'static str,
    bad: &'static str,
    /// Starts without an end, by session.
    open: BTreeMap<String, u64>,
    count: (u64, u64),
}

/// Trials that begin with `start` and end with `good` or `bad`.
pub(super) fn begun(start: &'static str, good: &'static str, bad: &'static str) -> Box<dyn Fold> {
    Box::new(Begun { start, good, bad, open: BTreeMap::new(), count: (0, 0) })
}

impl Fold for Begun {
    fn feed(&mut self, event: &Event) {
        if event.source == Origin::App {
            return; // what the app says of itself is no sample
        }
        let session = event.ids.session_id.as_deref().unwrap_or_default();
        let name = event.event.as_str();
        if name == self.start {
            *self.open.entry(session.to_owned()).or_default() += 1;
        } else if name == self.good || name == self.bad {
            if let Some(open) = self.open.get_mut(session) {
                *open = open.saturating_sub(1);
            }
            self.count.0 += u64::from(name == self.good);
            self.count.1 += 1;
        } else if name == "journey_end" {
            let open = self.open.remove(session).unwrap_or(0);
            // Of a play that busy processors spoilt it is not known what would have come.
            self.count.1 += if event.fields.contains_key("busy") { 0 } else { open };
        }
    }

    fn samples(&self) -> Samples {
        Samples::Trials { good: self.count.0, total: self.count.1 }
    }
}
