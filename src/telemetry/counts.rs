//! What became of everything that was to leave: sent, dropped before it was, or refused.

use crate::event::Event;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// The three kinds of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    pub(super) const ALL: [Signal; 3] = [Signal::Traces, Signal::Metrics, Signal::Logs];

    /// As OTLP's paths have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Signal::Traces => "traces",
            Signal::Metrics => "metrics",
            Signal::Logs => "logs",
        }
    }

    /// As the environment's variables have it.
    pub(super) fn upper(self) -> &'static str {
        match self {
            Signal::Traces => "TRACES",
            Signal::Metrics => "METRICS",
            Signal::Logs => "LOGS",
        }
    }

    /// What is counted of it.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Signal::Traces => "spans",
            Signal::Metrics => "exports of metrics",
            Signal::Logs => "log records",
        }
    }
}

/// Counts of one signal.
#[derive(Default)]
pub(super) struct Counts {
    /// All there was of it.
    made: AtomicU64,
    /// Taken by the receiver.
    exported: AtomicU64,
    /// Refused by the receiver, or never taken by it in time.
    failed: AtomicU64,
    /// Found no room.
    lost: AtomicU64,
    /// The last reason.
    why: Mutex<Option<String>>,
}

impl Counts {
    /// So many were made, and so many of them found no room.
    pub(super) fn came(&self, many: usize, lost: usize) {
        self.made.fetch_add(many as u64, Relaxed);
        self.lost.fetch_add(lost as u64, Relaxed);
    }

    /// Found no room, so far.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Exported, failed, and lost for want of room, so far.
    pub(super) fn so_far(&self) -> [(&'static str, u64); 3] {
        [("exported", &self.exported), ("failed", &self.failed), ("dropped", &self.lost)]
            .map(|(outcome, count)| (outcome, count.load(Relaxed)))
    }

    /// What an export of so many came to: how many of them were refused, and why; or why none arrived.
    pub(super) fn went(&self, many: usize, how: Result<Option<(u64, String)>, String>) {
        let many = many as u64;
        let (failed, why) = match how {
            Ok(None) => (0, None),
            Ok(Some((refused, why))) => (refused.min(many), Some(why)),
            Err(why) => (many, Some(why)),
        };
        self.exported.fetch_add(many - failed, Relaxed);
        self.failed.fetch_add(failed, Relaxed);
        if why.is_some() {
            *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
        }
    }

    /// Neither taken nor refused: it found no room, or was still under way at the end.
    pub(super) fn dropped(&self) -> u64 {
        let gone = self.exported.load(Relaxed) + self.failed.load(Relaxed);
        self.made.load(Relaxed).saturating_sub(gone)
    }

    /// As it stands.
    pub(super) fn tally(&self, signal: Signal) -> Tally {
        Tally {
            signal,
            exported: self.exported.load(Relaxed),
            dropped: self.dropped(),
            failed: self.failed.load(Relaxed),
            why: self.why.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// What became of one signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) signal: Signal,
    pub(super) exported: u64,
    pub(super) dropped: u64,
    pub(super) failed: u64,
    pub(super) why: Option<String>,
}

/// What became of everything: what a run says of its export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub(super) tallies: Vec<Tally>,
    /// Events that came faster than they could be looked at: they are in the record, and nowhere else.
    pub(super) unseen: u64,
}

impl Sent {
    /// What an event says of it.
    pub fn of(event: &Event) -> Self {
        let tally = |signal: &Signal| {
            let of = event.fields.get(signal.name())?;
            let count = |name: &str| of[name].as_u64().unwrap_or(0);
            Some(Tally {
                signal: *signal,
                exported: count("exported"),
                dropped: count("dropped"),
                failed: count("failed"),
                why: of["reason"].as_str().map(str::to_owned),
            })
        };
        let unseen = event.number("unseen_events").unwrap_or(0.0) as u64;
        Self { tallies: Signal::ALL.iter().filter_map(tally).collect(), unseen }
    }

    /// Nothing was to leave.
    pub fn is_empty(&self) -> bool {
        self.tallies.is_empty() && self.unseen == 0
    }

    /// As the fields of an event.
    pub fn fields(&self) -> Value {
        let mut fields = json!({ "unseen_events": self.unseen });
        for Tally { signal, exported, dropped, failed, why } in &self.tallies {
            fields[signal.name()] =
                json!({ "exported": exported, "dropped": dropped, "failed": failed, "reason": why });
        }
        fields
    }

    /// What is missing at the receiver, in words: a line each; none, if it has everything.
    pub fn missing(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.unseen > 0 {
            said.push(format!("telemetry: {} events came too fast to be exported; the record has them", self.unseen));
        }
        for Tally { signal, exported, dropped, failed, why } in &self.tallies {
            let lost = dropped + failed;
            if lost > 0 {
                let why = why.as_ref().map_or(String::new(), |why| format!(": {why}"));
                let (all, unit) = (lost + exported, signal.unit());
                said.push(format!(
                    "telemetry: {lost} of {all} {unit} did not arrive ({dropped} dropped, {failed} refused or failed){why}"
                ));
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_taken_nor_refused_was_dropped() {
        let counts = Counts::default();
        counts.came(10, 3);
        counts.went(6, Ok(Some((1, "too old".to_owned()))));
        counts.went(1, Err("503".to_owned()));
        let sent = Sent { tallies: vec![counts.tally(Signal::Logs)], unseen: 1 };
        let wanted = json!({
            "unseen_events": 1, "logs": { "exported": 5, "dropped": 3, "failed": 2, "reason": "503" },
        });
        assert_eq!(sent.fields(), wanted);
        let Value::Object(fields) = wanted else { panic!("an object") };
        let event = Event {
            v: 1,
            event: "telemetry_export".into(),
            source: crate::event::Origin::Monitor,
            timestamp: String::new(),
            t_ms: 0.0,
            seq: 0,
            ids: Default::default(),
            fields,
        };
        assert_eq!(Sent::of(&event), sent, "a record that is read again says the same");
        assert_eq!(
            sent.missing(),
            [
                "telemetry: 1 events came too fast to be exported; the record has them",
                "telemetry: 5 of 10 log records did not arrive (3 dropped, 2 refused or failed): 503",
            ]
        );
    }

    #[test]
    fn nothing_is_said_where_everything_arrived() {
        let counts = Counts::default();
        counts.came(2, 0);
        counts.went(2, Ok(None));
        assert_eq!(Sent { tallies: vec![counts.tally(Signal::Traces)], unseen: 0 }.missing(), Vec::<String>::new());
    }
}
