//! A profile as somebody wrote it, and its faults as the API tells them.

use crate::error::Result;
use crate::fault::FAULTS;
use crate::proxy::{Armed, Standing};
use crate::table::{Row as _, find};
use serde::Serialize;
use serde_json::{Value, json};

/// A profile as somebody wrote it, read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// How it is called.
    pub name: String,
    /// The question it answers.
    pub question: String,
    /// Its text.
    pub toml: String,
    /// Its faults, and the seed.
    pub armed: Armed,
    /// Each of those faults in words, in the same order.
    pub says: Vec<String>,
}

/// Reads a profile's text. What is wrong with it is an author's error, with line and caret. Profiles live on a floor
/// above, so whoever starts the control says how they are read.
pub type Read = Box<dyn Fn(&str) -> Result<Loaded> + Send + Sync>;

impl Loaded {
    /// What an event tells of it.
    pub fn event(&self) -> Value {
        let faults: Vec<&str> = self.armed.rules.iter().map(|r| r.id.as_str()).collect();
        json!({ "profile": self.name, "question": self.question, "seed": self.armed.seed, "faults": faults })
    }

    /// Its faults as they stand.
    pub fn told(&self, standing: Vec<Standing>) -> Vec<Told> {
        let says = |id: &str| self.armed.rules.iter().zip(&self.says).find(|(r, _)| r.id == id).map(|(_, s)| s.clone());
        standing
            .into_iter()
            .map(|Standing { rule, armed, waiting, tally }| Told {
                kind: rule.kind,
                about: find(FAULTS, rule.kind).map_or("", |k| k.about()),
                says: says(&rule.id).unwrap_or_default(),
                probability: rule.probability,
                times: rule.times,
                fires: rule.fault.link().is_none(),
                armed,
                waiting,
                requests: tally.requests,
                matched: tally.matched,
                applied: tally.applied,
                id: rule.id,
            })
            .collect()
    }
}

/// A fault as the API tells it, and the line that `soundcheck proxy --json` begins with.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// Its name within the profile.
    pub id: String,
    /// Its kind, a row of [`FAULTS`].
    #[serde(rename = "do")]
    pub kind: &'static str,
    /// What that kind does.
    pub about: &'static str,
    /// The fault in words: its keys, and for which exchanges.
    pub says: String,
    /// How likely on each of those, 0 to 1.
    pub probability: f64,
    /// At most so often.
    pub times: Option<u64>,
    /// Whether it can be fired by hand: faults of the link are armed only.
    pub fires: bool,
    /// Whether it is armed.
    pub armed: bool,
    /// Firings by hand that wait for their request.
    pub waiting: u64,
    /// Requests that came while it was armed.
    pub requests: u64,
    /// Those it matched.
    pub matched: u64,
    /// Times it was applied.
    pub applied: u64,
}
