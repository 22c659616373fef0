//! Does an app put another picture in the place of a preset that fails? Seen on the screen, where other programs draw
//! something after the failure than drew before it, or in what the page shows, as `[read] fallback` of the app file says.

use super::{Before, Held, Oracle, Outcome, Seen};
use crate::browser::probe::Frame;
use crate::unit::show_ms;
use serde_json::json;
use std::collections::BTreeSet;

pub(super) struct FallsBack {
    before: Before,
    input: Option<f64>,
    held: Held,
    /// When it failed.
    failed: Option<f64>,
    /// Programs that drew up to the failure.
    known: BTreeSet<String>,
}

impl FallsBack {
    pub(super) fn new(before: Before) -> Self {
        let known = before.frames.iter().flat_map(|(_, frame)| frame.programs.iter().cloned()).collect();
        Self { before, input: None, held: Held::default(), failed: None, known }
    }

    fn why(&self) -> String {
        self.held.fatal.clone().or_else(|| self.held.clue.clone()).unwrap_or_default()
    }

    /// It fell back at `t`, as the picture says or the page.
    fn fell(&self, failed: f64, t: f64, picture: bool) -> Outcome {
        let must = "fail";
        let mut events = vec![
            ("hydra_preset_eval_start", self.input.unwrap_or(self.before.t), json!({ "must": must })),
            ("hydra_preset_eval_error", failed, json!({ "reason": self.why(), "must": must })),
        ];
        if picture {
            events.push(("hydra_fallback_applied", t, json!({ "reason": self.why(), "by": "picture" })));
        }
        Outcome { ms: Some((t - failed).max(0.0)), events, ..Outcome::default() }
    }

    fn frame(&mut self, t: f64, frame: &Frame) -> Option<Outcome> {
        let other = frame.programs.iter().any(|program| !self.known.contains(program));
        match self.failed {
            Some(failed) if t > failed && other && !frame.is_black() => Some(self.fell(failed, t, true)),
            Some(_) => None,
            None => {
                self.known.extend(frame.programs.iter().cloned());
                None
            }
        }
    }
}

impl Oracle for FallsBack {
    fn see(&mut self, t: f64, seen: &Seen) -> Option<Outcome> {
        match seen {
            Seen::Input => drop(self.input.get_or_insert(t)),
            Seen::Frame(frame) => return self.frame(t, frame),
            Seen::Told(told) if told.event == "hydra_fallback_applied" => {
                return Some(self.fell(self.failed.unwrap_or(told.t), told.t, false));
            }
            other => {
                self.held.see(other);
                if self.held.fatal.is_some() || self.held.clue.is_some() {
                    self.failed.get_or_insert(t);
                }
            }
        }
        None
    }

    fn give_up(&mut self, t: f64) -> Outcome {
        let Some(failed) = self.failed else {
            return Outcome::nothing_to_judge(
                "fallback_awaited",
                t,
                "the preset did not fail: nothing to fall back from",
            );
        };
        let why = format!("{}; and nothing took its place in {}", self.why(), show_ms(t - failed));
        let events = self.fell(failed, t, false).events;
        Outcome { failed: Some(why), late: true, events, ..Outcome::default() }
    }
}
