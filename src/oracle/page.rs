//! Did the page come?

use super::{Before, Held, Oracle, Outcome, Seen};
use crate::unit::show_ms;
use serde_json::json;

pub(super) struct Page {
    before: Before,
    held: Held,
    refused: Option<String>,
    loaded: Option<(f64, bool)>,
}

impl Page {
    pub(super) fn new(before: Before) -> Self {
        Self { before, held: Held::default(), refused: None, loaded: None }
    }
}

impl Oracle for Page {
    fn see(&mut self, t: f64, seen: &Seen) -> Option<Outcome> {
        match seen {
            Seen::Document(status) if *status >= 400 => self.refused = Some(format!("the page answered {status}")),
            Seen::Unreachable(why) => {
                self.refused = Some(format!("the page could not be had: {why} (is the app up at this address?)"))
            }
            Seen::Loaded(canvas) => self.loaded = Some((t, *canvas)),
            other => self.held.see(other),
        }
        if let Some(why) = &self.refused {
            return Some(Outcome { failed: Some(why.clone()), ..Outcome::default() });
        }
        let (at, true) = self.loaded? else { return None };
        let ms = at - self.before.t;
        let event = ("page_load", at, json!({ "ms": super::new_picture::round(ms) }));
        Some(Outcome { ms: Some(ms), events: vec![event], ..Outcome::default() })
    }

    fn loads(&self) -> bool {
        true
    }

    fn give_up(&mut self, t: f64) -> Outcome {
        let waited = show_ms(t - self.before.t);
        let why = match self.loaded {
            Some(_) => format!("the page loaded without the app's canvas, waited {waited}"),
            None => format!("the page did not finish loading in {waited}"),
        };
        Outcome { failed: Some(self.held.explain(why)), late: true, ..Outcome::default() }
    }
}
