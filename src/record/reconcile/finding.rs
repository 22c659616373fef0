//! What does not fit between both, as reports show it.

use serde::Serialize;
use std::collections::BTreeMap;

/// What is wrong with what the app told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The app said the opposite of what was seen; or its server, of a part of a file, what it cannot be.
    Contradicting,
    /// Seen, and not told.
    Missing,
    /// Not told where it came shortly after another of its kind: as a limiter leaves out.
    RateLimited,
    /// A batch of events that the server did not take, and that did not come again.
    Lost,
    /// A first frame told before there was one.
    Early,
    /// Told more than 2 s after it was seen.
    Late,
    /// Told twice in the same way.
    Duplicate,
    /// Its time was replaced on the way: by two ways, two times.
    Restamped,
}

impl Kind {
    /// Every one of them.
    pub const ALL: [Kind; 8] = [
        Kind::Contradicting,
        Kind::Missing,
        Kind::RateLimited,
        Kind::Lost,
        Kind::Early,
        Kind::Late,
        Kind::Duplicate,
        Kind::Restamped,
    ];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Contradicting => "contradicting",
            Kind::Missing => "missing",
            Kind::RateLimited => "rate limited",
            Kind::Lost => "batch lost",
            Kind::Early => "early",
            Kind::Late => "late",
            Kind::Duplicate => "duplicate",
            Kind::Restamped => "other time",
        }
    }
}

/// One finding, of one event's name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub kind: Kind,
    /// The event.
    pub event: String,
    /// How often.
    pub times: u64,
    /// When first, on the run's clock.
    pub t_ms: f64,
    /// The first of them in words.
    pub says: String,
}

impl Finding {
    /// What is wrong with which event: `missing socket_reconnect`.
    pub fn title(&self) -> String {
        format!("{} {}", self.kind.name(), self.event)
    }
}

/// What the app told of itself in a play, compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Reconciliation {
    /// Events that the app told, each once however many ways it came.
    pub told: u64,
    /// By which ways: `console`, `mark`, `beacon`, and how many.
    pub ways: BTreeMap<String, u64>,
    /// What was seen from outside of the kinds that the app tells of.
    pub seen: u64,
    /// How much of that the app told.
    pub matched: u64,
    /// Until when both were compared, on the run's clock; `None`: to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<f64>,
    /// What does not fit, the gravest first.
    pub findings: Vec<Finding>,
}

impl Reconciliation {
    /// The app told nothing.
    pub fn is_silent(&self) -> bool {
        self.told == 0 && self.findings.is_empty()
    }
}

/// Findings, by kind and event.
#[derive(Default)]
pub(super) struct Findings(BTreeMap<(Kind, String), Finding>);

impl Findings {
    /// One more of this kind and event; the first says what.
    pub(super) fn add(&mut self, kind: Kind, event: &str, t_ms: f64, says: impl FnOnce() -> String) {
        let key = (kind, event.to_owned());
        self.0.entry(key).and_modify(|known| known.times += 1).or_insert_with(|| Finding {
            kind,
            event: event.to_owned(),
            times: 1,
            t_ms,
            says: says(),
        });
    }

    /// The gravest first.
    pub(super) fn sorted(self) -> Vec<Finding> {
        self.0.into_values().collect()
    }
}
