//! Pictures that stood still, as reports show them: how long, what the browser told of it, and what the network did before.
//! That is a cause and never a length: buffers hide short gaps, and a browser may wait for longer than the gap was.

use crate::event::Event;
use crate::unit::show_ms;
use serde::Serialize;
use std::collections::BTreeMap;

/// A picture that stood still though it should have moved.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stall {
    /// Since when, milliseconds on the run's clock.
    pub start_ms: f64,
    /// For how long, milliseconds.
    pub ms: f64,
    /// `start`, `rebuffering` or `freeze`.
    pub kind: String,
    /// The frame that stood, seconds of the media.
    pub position_s: Option<f64>,
    /// A frame came after it.
    pub recovered: bool,
    /// What the browser told of it: `waiting`, `stalled`, an error.
    pub told: Vec<String>,
    /// What faults of our making did before its end, the last of each.
    pub causes: Vec<Cause>,
}

/// What a planned fault did before or during a stall.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cause {
    /// The fault's id in its profile.
    pub fault: String,
    /// Its kind.
    pub kind: String,
    /// How long before the stall's start, milliseconds; less than 0 during it.
    pub before_ms: f64,
    /// For how long it held the octets back, milliseconds, where it says.
    pub wait_ms: Option<f64>,
}

impl Cause {
    /// Such as `gap of 3.50 s, 800 ms before`.
    pub fn words(&self) -> String {
        let of = self.wait_ms.map_or(String::new(), |ms| format!(" of {}", show_ms(ms)));
        let name = if self.fault == self.kind { String::new() } else { format!(" ({})", self.fault) };
        match self.before_ms {
            before if before >= 0.0 => format!("{}{name}{of}, {} before", self.kind, show_ms(before)),
            during => format!("{}{name}{of}, {} into it", self.kind, show_ms(-during)),
        }
    }
}

/// What faults did so far in a play: the last of each, by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Applied(BTreeMap<String, (f64, Cause)>);

impl Applied {
    /// Keeps a `fault_applied`.
    pub(super) fn feed(&mut self, event: &Event) {
        let text = |key| event.text(key).unwrap_or_default().to_owned();
        let cause =
            Cause { fault: text("fault"), kind: text("kind"), before_ms: 0.0, wait_ms: event.number("wait_ms") };
        self.0.insert(cause.fault.clone(), (event.t_ms, cause));
    }

    /// The stall of a `playback_stall`, with what came before its end, the nearest first.
    pub(super) fn stall(&self, event: &Event) -> Stall {
        let start_ms = event.number("start_ms").unwrap_or(event.t_ms);
        let ms = event.number("ms").unwrap_or(0.0);
        let until = start_ms + ms;
        let before = self.0.values().filter(|(t, _)| *t <= until);
        let mut causes: Vec<Cause> =
            before.map(|(t, cause)| Cause { before_ms: start_ms - t, ..cause.clone() }).collect();
        causes.sort_by(|a, b| a.before_ms.total_cmp(&b.before_ms));
        let said = ["waiting", "stalled"].into_iter().filter(|word| event.flag(word)).map(str::to_owned);
        Stall {
            start_ms,
            ms,
            kind: event.text("kind").unwrap_or_default().to_owned(),
            position_s: event.number("position_s"),
            recovered: event.flag("recovered"),
            told: said.chain(event.text("error").map(str::to_owned)).collect(),
            causes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(name: &str, t: f64, fields: serde_json::Value) -> Event {
        let mut whole = json!({
            "v": 1, "event": name, "source": "proxy", "timestamp": "2026-01-01T00:00:00.000Z", "t_ms": t, "seq": 0,
            "run_id": "r",
        });
        whole.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        serde_json::from_value(whole).expect("an event")
    }

    #[test]
    fn the_network_stands_beside_a_stall_and_what_came_after_does_not() {
        let mut applied = Applied::default();
        for (id, t) in [("slow", 100.0), ("slow", 200.0), ("pause", 1000.0), ("late", 9000.0)] {
            let kind = if id == "slow" { "bandwidth" } else { "gap" };
            let wait = (kind == "gap").then_some(3500.0);
            applied.feed(&event("fault_applied", t, json!({ "fault": id, "kind": kind, "wait_ms": wait })));
        }
        let fields =
            json!({ "start_ms": 1800.0, "ms": 4000.0, "kind": "rebuffering", "waiting": true, "recovered": true });
        let stall = applied.stall(&event("playback_stall", 1800.0, fields));
        let words: Vec<String> = stall.causes.iter().map(Cause::words).collect();
        assert_eq!(words, ["gap (pause) of 3.50 s, 800 ms before", "bandwidth (slow), 1.60 s before"]);
        assert_eq!((stall.told, stall.recovered), (vec!["waiting".to_owned()], true));
    }

    #[test]
    fn a_fault_within_it_is_told_as_such() {
        let cause = Cause { fault: "gap".into(), kind: "gap".into(), before_ms: -250.0, wait_ms: None };
        assert_eq!(cause.words(), "gap, 250 ms into it");
    }
}
