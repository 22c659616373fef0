//! Stalls of more than three seconds over minutes watched (P1.19).

use super::{Fold, Samples, lasted, time};
use crate::event::{Event, Origin};

/// A stall longer than this counts, milliseconds (P1.19).
pub const LONG_STALL_MS: f64 = 3000.0;

/// A video that stands for more than this share of the time watched, in however short pieces, does not play on.
pub const STUTTERS: f64 = 0.1;

#[derive(Default)]
pub(super) struct LongStalls {
    count: u64,
    minutes: f64,
    lost: u64,
}

impl Fold for LongStalls {
    fn feed(&mut self, event: &Event) {
        if event.source != Origin::Monitor {
            return; // what the app says of itself is no sample
        }
        match event.event.as_str() {
            "playback_stall" => match time(event, "ms") {
                Some(ms) => self.count += u64::from(ms > LONG_STALL_MS),
                None => self.lost += 1,
            },
            "playback_summary" => match lasted(event, "watched_ms") {
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
        let count = |minutes, lost| Samples::Count { count: 2, minutes, lost };
        assert_eq!(fold.samples(), count(0.0, 0));
        assert!(!fold.samples().is_empty(), "it stood still, however short that was watched");
        fold.feed(&event("playback_summary", Origin::Monitor, &json!({ "watched_ms": 90_000.0 })));
        fold.feed(&event("playback_summary", Origin::Monitor, &json!({ "watched_ms": 30_000.0 })));
        assert_eq!(fold.samples(), count(2.0, 0));
        // No longer than the run itself so far: a clock that jumped.
        fold.feed(&event("playback_summary", Origin::Monitor, &json!({ "watched_ms": 1e15 })));
        assert_eq!(fold.samples(), count(12.0, 0));
        // How long it stood, or was watched, nobody knows.
        for ms in [json!(null), json!(-1.0), json!("long")] {
            fold.feed(&event("playback_stall", Origin::Monitor, &json!({ "ms": ms })));
            fold.feed(&event("playback_summary", Origin::Monitor, &json!({ "watched_ms": ms })));
        }
        assert_eq!(fold.samples(), count(12.0, 6));
        assert!(LongStalls::default().samples().is_empty());
    }
}
