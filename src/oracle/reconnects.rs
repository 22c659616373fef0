//! Does a video that the network interrupts say so, and play on as the app declares?
//!
//! The page is looked at several times a second: the words its player shows, the video's clock and its count of frames. A
//! picture stands when either of the two does. An outage that the buffer hid shows nothing about reconnecting, and that is
//! the outcome.

use super::{Before, Held, Oracle, Outcome, Player, Seen};
use crate::unit::{hundredths, ms, show_ms};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// A picture that stands longer than this stands.
const STANDS_MS: f64 = 500.0;
/// It may stand for so long before the page says so: 2 s, and what two looks at it may miss.
const SILENT_MS: f64 = 2500.0;
/// It plays again once it has for so long.
const PLAYS_MS: f64 = 1000.0;
/// What the page says may lag behind by so much.
const LAG_MS: f64 = 2000.0;
/// Looks closer together than this say nothing about whether the picture stands.
const LOOK_MS: f64 = 150.0;
/// Seconds that it may resume from elsewhere than where it stood.
const OFF_S: f64 = 1.0;
/// Seconds by which a live edge may be missed: players keep a distance to it.
const EDGE_S: f64 = 3.0;

/// What an app file declares of its player on a bad network.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconnect {
    /// CSS selector of what says how the player is.
    pub status: String,
    /// Words it shows, by state: one of [`Reconnect::STATES`].
    pub states: BTreeMap<&'static str, String>,
    /// Where it plays on.
    pub policy: Policy,
    /// How soon after the network is back.
    pub within: Duration,
}

impl Reconnect {
    /// The states an app file may give words for.
    pub const STATES: [&str; 4] = ["buffering", "retrying", "offline", "failed"];

    /// The declared state whose words the text holds, in any case.
    fn said(&self, text: &str) -> Option<&'static str> {
        let text = text.to_lowercase();
        self.states.iter().find(|(_, words)| text.contains(&words.to_lowercase())).map(|(state, _)| *state)
    }
}

/// Where a player plays on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Where it stood.
    #[default]
    Resume,
    /// Where it would be had nothing happened.
    Live,
}

impl Policy {
    /// All, for help texts.
    pub const ALL: [Policy; 2] = [Self::Resume, Self::Live];

    /// As app files write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::Live => "live",
        }
    }
}

/// The picture at a look.
#[derive(Clone, Copy)]
struct Look {
    t: f64,
    place: f64,
    frames: Option<f64>,
}

/// A picture that stands because of the outage.
struct Stood {
    from: f64,
    place: f64,
    /// Since when nothing was said.
    quiet: f64,
    /// What was said first, and when.
    said: Option<(f64, &'static str)>,
}

pub(super) struct Reconnects {
    declared: Option<Reconnect>,
    outage: Option<(f64, f64)>,
    held: Held,
    attached: bool,
    last: Option<Look>,
    /// The last look at which the picture had moved.
    moved: Option<Look>,
    /// The look before the picture began to move.
    runs: Option<Look>,
    text: Option<String>,
    stood: Option<Stood>,
}

impl Reconnects {
    pub(super) fn new(before: Before) -> Self {
        let outage = before.outages.iter().find(|(_, end)| *end > before.t).copied();
        Self {
            declared: before.reconnect,
            outage,
            held: Held::default(),
            attached: false,
            last: None,
            moved: None,
            runs: None,
            text: None,
            stood: None,
        }
    }

    fn at(&mut self, look: Look) {
        let Some(last) = self.last else {
            self.last = Some(look);
            return;
        };
        let (passed, step) = ((look.t - last.t) / 1000.0, look.place - last.place);
        let frames = look.frames.zip(last.frames).is_none_or(|(now, then)| now != then);
        // A longer step is a jump.
        if step > 0.02 && step <= 2.0 * passed + 0.5 && frames {
            self.runs.get_or_insert(last);
            self.moved = Some(look);
        } else if look.t - last.t < LOOK_MS {
            return;
        } else {
            self.runs = None;
        }
        self.last = Some(look);
    }

    fn said(&self) -> Option<&'static str> {
        self.declared.as_ref()?.said(self.text.as_deref()?)
    }

    /// What the page shows, for a reason.
    fn shows(&self) -> String {
        match self.text.as_deref() {
            None => "the page shows no player status".to_owned(),
            Some("") => "the page's player status is empty".to_owned(),
            Some(text) => format!("the page shows \"{}\"", super::first_line(text)),
        }
    }

    fn outcome(&self, t: f64, failed: Option<String>, resumed: Option<Look>) -> Outcome {
        let end = self.outage.map_or(t, |(_, end)| end);
        let round = super::new_picture::round;
        let stood = self.stood.as_ref();
        let took = resumed.map(|look| (look.t - end).max(0.0));
        let fields = json!({
            "stood_ms": stood.map(|s| hundredths(resumed.map_or(t, |look| look.t) - s.from)),
            "stood_at_s": stood.map(|s| s.place),
            "said": stood.and_then(|s| s.said).map(|(_, state)| state),
            "said_after_ms": stood.and_then(|s| Some(hundredths(s.said?.0 - s.from))),
            "resumed_at_s": resumed.map(|look| look.place),
            "ms": took.map(round),
            "reason": failed,
        });
        let ms = took.filter(|_| failed.is_none());
        Outcome { ms, failed, events: vec![("playback_reconnect", t, fields)], ..Outcome::default() }
    }

    fn fail(&self, t: f64, why: String) -> Option<Outcome> {
        Some(self.outcome(t, Some(self.held.explain(why)), None))
    }

    /// Failed for what did not come.
    fn late(&self, t: f64, why: String) -> Outcome {
        Outcome { late: true, ..self.outcome(t, Some(self.held.explain(why)), None) }
    }

    /// Nothing to judge: neither held nor failed.
    fn undecided(&self, t: f64, why: &str) -> Option<Outcome> {
        let event = ("playback_reconnect", t, json!({ "undecided": why }));
        Some(Outcome { events: vec![event], ..Outcome::default() })
    }

    fn judge(&mut self, t: f64) -> Option<Outcome> {
        let Some(declared) = self.declared.clone() else {
            return self.undecided(t, "the app file declares no [reconnect]");
        };
        let Some((begin, end)) = self.outage else {
            return self.undecided(t, "the network is never taken away: play it under a profile with an `outage`");
        };
        if t < begin {
            return None;
        }
        let limit = end + ms(declared.within);
        let Some(moved) = self.moved else {
            return (t > limit).then(|| self.late(t, format!("the video never played; {}", self.shows())));
        };
        if self.stood.is_none() {
            if t - moved.t > STANDS_MS {
                let from = moved.t.max(begin);
                self.stood = Some(Stood { from, place: moved.place, quiet: from, said: None });
            } else if t > end + PLAYS_MS {
                return self.undecided(t, "the outage never reached the picture: the buffer outlasted it");
            }
        }
        let said = self.said();
        let stands = t - moved.t > STANDS_MS;
        let stood = self.stood.as_mut()?;
        if let Some(state) = said {
            stood.quiet = t;
            stood.said.get_or_insert((t, state));
        }
        let (from, place, quiet) = (stood.from, stood.place, stood.quiet);
        if stands && t - quiet > SILENT_MS {
            let stood = show_ms(t - from);
            let why = format!("silent: the picture stood for {stood} and nothing said that it waits; {}", self.shows());
            return Some(self.late(t, why));
        }
        let runs = self.runs.filter(|runs| runs.t >= from && t - runs.t > PLAYS_MS);
        match runs {
            // What was still on its way played on for a moment.
            Some(_) if t < end => self.stood = None,
            Some(runs) => return self.resumed(t, runs, (from, place), &declared),
            None if t > limit && stands => {
                let (back, stood) = (show_ms(t - end), show_ms(t - from));
                let why = format!(
                    "never resumed: {back} after the network was back the picture still stands, for {stood}; {}",
                    self.shows()
                );
                return Some(self.late(t, why));
            }
            None => {}
        }
        None
    }

    fn resumed(&self, t: f64, runs: Look, (from, place): (f64, f64), declared: &Reconnect) -> Option<Outcome> {
        let (wanted, off) = match declared.policy {
            Policy::Resume => (place, OFF_S),
            Policy::Live => (place + (runs.t - from) / 1000.0, EDGE_S),
        };
        if (runs.place - wanted).abs() > off {
            let why = format!(
                "resumed elsewhere: at {:.1} s, where `{}` means {wanted:.1} s; it stood at {place:.1} s",
                runs.place,
                declared.policy.name()
            );
            return self.fail(t, why);
        }
        let end = self.outage.map_or(t, |(_, end)| end);
        let took = runs.t - end;
        if took > ms(declared.within) {
            let (took, within) = (show_ms(took), show_ms(ms(declared.within)));
            return self.fail(t, format!("resumed late: {took} after the network was back, {within} are declared"));
        }
        match self.said() {
            // It plays; the page may take a moment to say so.
            Some(_) if t - runs.t < PLAYS_MS + LAG_MS => None,
            Some(state) => {
                let why = format!("it plays again, and is still said to be {state}; {}", self.shows());
                self.fail(t, why)
            }
            None => Some(self.outcome(t, None, Some(runs))),
        }
    }
}

impl Oracle for Reconnects {
    fn see(&mut self, t: f64, seen: &Seen) -> Option<Outcome> {
        match seen {
            Seen::Player(Player { text, place, frames }) => {
                self.text.clone_from(text);
                self.attached |= place.is_some();
                if let Some(place) = *place {
                    self.at(Look { t, place, frames: *frames });
                }
                return self.judge(t);
            }
            // A video that is no part of the document is known from the probe alone.
            Seen::Video(video) if !self.attached && !video.audio => {
                if let Some(place) = video.ct {
                    self.at(Look { t, place, frames: None });
                }
            }
            other => self.held.see(other),
        }
        None
    }

    fn looks(&self) -> bool {
        true
    }

    fn give_up(&mut self, t: f64) -> Outcome {
        let why = match (&self.moved, &self.stood) {
            (None, _) => format!("the video never played; {}", self.shows()),
            (Some(_), None) => "the network was not back before time was up: give it a longer `give_up`".to_owned(),
            (Some(_), Some(stood)) => {
                format!("never resumed: the picture stood for {}; {}", show_ms(t - stood.from), self.shows())
            }
        };
        self.late(t, why)
    }
}

#[cfg(test)]
mod tests;
