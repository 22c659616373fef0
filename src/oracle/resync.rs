//! Does a socket that was cut off, or is new, come back and bring the state as the server has it?

use super::{Before, Held, Oracle, Outcome, Seen};
use crate::traffic::Told;
use crate::unit::{hundredths, show_ms};
use serde_json::json;
use std::collections::BTreeMap;

/// A socket in this step.
#[derive(Clone, Copy, Default)]
struct Link {
    cut: Option<f64>,
    /// Since when it is there, or there again.
    back: Option<f64>,
}

pub(super) struct Resync {
    before: Before,
    held: Held,
    links: BTreeMap<String, Link>,
    /// Attempts to come back that failed.
    failed: u32,
}

impl Resync {
    pub(super) fn new(before: Before) -> Self {
        Self { before, held: Held::default(), links: BTreeMap::new(), failed: 0 }
    }

    fn outcome(&self, t: f64, link: Link, failed: Option<String>) -> Outcome {
        let ms = link.back.map(|back| (t - back).max(0.0)).filter(|_| failed.is_none());
        let down = link.cut.zip(link.back).map(|(cut, back)| hundredths((back - cut).max(0.0)));
        let fields =
            json!({ "down_ms": down, "ms": ms.map(hundredths), "attempts_failed": self.failed, "reason": failed });
        Outcome { ms, failed, events: vec![("socket_recovery", t, fields)], ..Outcome::default() }
    }

    fn told(&mut self, told: &Told) -> Option<Outcome> {
        if !self.before.is_in_it(told.t) {
            return None;
        }
        let followed = told.fields["followed"].as_bool() == Some(true);
        let link = self.links.entry(told.text("socket").to_owned()).or_default();
        match told.event {
            "socket_disconnect" if followed => *link = Link { cut: Some(told.t), back: None },
            "socket_connect" | "socket_reconnect" if followed => link.back = Some(told.t),
            "socket_failed" => self.failed += 1,
            "socket_resync" if link.back.is_some() => {
                let link = *link;
                return Some(self.outcome(told.t, link, None));
            }
            _ => {}
        }
        None
    }
}

impl Oracle for Resync {
    fn see(&mut self, _: f64, seen: &Seen) -> Option<Outcome> {
        match seen {
            Seen::Told(told) => return self.told(told),
            other => self.held.see(other),
        }
        None
    }

    fn give_up(&mut self, t: f64) -> Outcome {
        let waited = show_ms(t - self.before.t);
        let tried = match self.failed {
            0 => String::new(),
            n => format!("; {n} attempts to connect failed"),
        };
        let links = || self.links.values().filter(|link| link.cut.is_some() || link.back.is_some());
        let (link, why) = match links().find(|link| link.back.is_some()).or_else(|| links().next()) {
            None if self.failed == 0 => {
                let why =
                    "no socket was cut off or connected: does the step, or its profile, take the connection away?";
                return Outcome::nothing_to_judge("socket_recovery", t, why);
            }
            None => (Link::default(), format!("the socket did not connect in {waited}{tried}")),
            Some(link) => match (link.cut, link.back) {
                (cut, Some(back)) => {
                    let (was, since) = (if cut.is_some() { "came back" } else { "connected" }, show_ms(t - back));
                    (*link, format!("the socket {was}, and brought no state in {since}"))
                }
                (Some(cut), None) => {
                    (*link, format!("the socket was cut off, and did not come back in {}{tried}", show_ms(t - cut)))
                }
                (None, None) => (*link, format!("the socket did not connect in {waited}{tried}")),
            },
        };
        Outcome { late: true, ..self.outcome(t, link, Some(self.held.explain(why))) }
    }
}
