//! Stalls of more than three seconds over minutes watched (P1.19).

use super::{Fold, Samples, lasted};
use crate::event::{Event, Origin};

/// A stall longer than this counts, milliseconds (P1.19).
pub const LONG_STALL_MS: f64 = 3000.0;

/// A video that stands for more than this share of the time watched, in however short pieces, does not play on.
pub const STUTTERS: f64 = 0.1;

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
            "playback_stall" if event.number("ms").is_some_and(|ms| ms > LONG_STALL_MS) => self.count += 1,
            "playback_summary" => self.minutes += lasted(event, "watched_ms") / 60_000.0,
            _ => {}
        }
    }

    fn samples(&self) -> Samples {
        Samples::Count { count: self.count, minutes: self.minutes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Ids;
    use serde_json::json;

    fn event(name: &str, source: Origin, fields: &serde_json::Value) -> Event {
        Event {
            v: 1,
            event: name.to_owned(),
            source,
            timestamp: String::new(),
            t_ms: 600_000.0,
            seq: 0,
            ids: Ids::default(),
            fields: fields.as_object().cloned().unwrap_or_default(),
        }
    }

    #[test]
    fn long_stalls_are_counted_over_time_watched() {
        let mut fold = LongStalls::default();
        for ms in [400.0, 3000.0, 3001.0, 9000.0] {
            fold.feed(&event("playback_stall", Origin::Monitor, &json!({ "ms": ms })));
        }
        fold.feed(&event("playback_stall", Origin::App, &json!({ "ms": 9000.0 })));
        assert_eq!(fold.samples(), Samples::Count { count: 2, minutes: 0.0 });
        assert!(!fold.samples().is_empty(), "it stood still, however short that was watched");
        fold.feed(&event("playback_summary", Origin::Monitor, &json!({ "watched_ms": 90_000.0 })));
        fold.feed(&event("playback_summary", Origin::Monitor, &json!({ "watched_ms": 30_000.0 })));
        assert_eq!(fold.samples(), Samples::Count { count: 2, minutes: 2.0 });
        // No longer than the run itself so far: a clock that jumped.
        fold.feed(&event("playback_summary", Origin::Monitor, &json!({ "watched_ms": 1e15 })));
        assert_eq!(fold.samples(), Samples::Count { count: 2, minutes: 12.0 });
        assert!(LongStalls::default().samples().is_empty());
    }
}
