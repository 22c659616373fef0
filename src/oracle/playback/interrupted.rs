//! An interruption: a source that broke off is replaced by another, by a player that tries again, say. To the viewer the
//! picture stands until one of them plays on.

use super::showing::Showing;
use super::{Told, Wrong, position};
use crate::unit::hundredths;
use serde_json::json;

/// A source of which so much is played plays on, seconds. After an error an element goes on to say that it plays.
const PLAYS_S: f64 = 1.0;

/// A picture that stands from one source to the next.
#[derive(Clone, Debug)]
pub(super) struct Interrupted {
    since: f64,
    position: f64,
    error: Option<String>,
    url: String,
    /// How many sources broke off.
    sources: u32,
}

impl Interrupted {
    /// Of a source that is taken away, if it had broken off.
    pub(super) fn of(showing: &Showing) -> Option<Self> {
        let (since, position) = showing.broke_off()?;
        Some(Self { since, position, error: showing.error.clone(), url: showing.url.clone(), sources: 1 })
    }

    /// One more source that broke off before it played on.
    pub(super) fn again(&mut self, showing: &Showing) {
        self.sources += 1;
        self.error = showing.error.clone().or(self.error.take());
    }

    /// Whether another element began to play after this picture stood.
    pub(super) fn precedes(&self, other: &Showing) -> bool {
        other.started && other.first.is_some_and(|first| first > self.since)
    }

    /// Its end, if the source that followed plays on.
    pub(super) fn end(&self, showing: &Showing) -> Option<f64> {
        showing.first.filter(|_| showing.ran >= PLAYS_S)
    }

    /// Up to when it is known to last by `t`: one that shows frames by now may well play on.
    pub(super) fn until(&self, showing: Option<&Showing>, t: f64) -> f64 {
        let shows = showing.filter(|showing| showing.broke_off().is_none()).and_then(|showing| showing.first);
        shows.map_or(t, |first| first.min(t))
    }

    pub(super) fn standing(&self, t: f64) -> f64 {
        (t - self.since).max(0.0)
    }

    /// The event and the words of it, when it is over at `t`, or is not yet.
    pub(super) fn told(&self, t: f64, ended_by: &str) -> (Told, Wrong) {
        let ms = self.standing(t);
        let recovered = ended_by == "resume";
        let fields = json!({
            "start_ms": hundredths(self.since), "end_ms": hundredths(t), "ms": hundredths(ms), "kind": "interrupted",
            "position_s": hundredths(self.position), "sources": self.sources + 1, "error": self.error,
            "recovered": recovered, "ended_by": ended_by,
        });
        let told = Told { event: "playback_stall", t: self.since, url: Some(self.url.clone()), fields };
        let never = if recovered { "" } else { " and did not go on" };
        let tried = match self.sources {
            1 => "its source was tried again".to_owned(),
            n => format!("its source was tried again {n} times"),
        };
        let why = self.error.as_deref().unwrap_or("no error");
        let words = format!(
            "the video broke off at {} and stood for {:.1} s{never}: {tried} ({why})",
            position(self.position),
            ms / 1000.0
        );
        (told, Wrong { stood: Some((self.since, ms)), ..Wrong::new(words) })
    }
}
