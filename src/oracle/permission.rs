//! Is a role let, or refused, what it must be? Judged by the server's answer to what the step asks of it, a command or a
//! request: a control that the page hides protects nothing.

use super::{Before, Held, Oracle, Outcome, Seen};
use crate::traffic::Told;
use crate::unit::show_ms;
use serde_json::json;
use std::collections::BTreeMap;

/// What was refused may be done all the same: for so long that is waited for.
const SETTLE_MS: f64 = 500.0;

/// What a role must meet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Must {
    BeAllowed,
    BeRefused,
}

/// Something that was asked of the server.
#[derive(Default)]
struct Try {
    what: String,
    /// When it was answered, whether it was let, and in which words.
    answer: Option<(f64, bool, String)>,
}

pub(super) struct Permission {
    must: Must,
    before: Before,
    held: Held,
    tries: BTreeMap<String, Try>,
}

impl Permission {
    pub(super) fn new(before: Before, must: Must) -> Self {
        Self { must, before, held: Held::default(), tries: BTreeMap::new() }
    }

    fn told(&mut self, told: &Told) {
        if !self.before.is_in_it(told.t) {
            return;
        }
        if told.event == "guarded_response" {
            let status = told.fields["status"].as_u64();
            let answer = match status {
                Some(200..400) => Some(true),
                Some(400..500) => Some(false),
                // It says nothing of what may be.
                _ => None,
            };
            let words = status.map_or_else(|| told.text("error").to_owned(), |status| format!("answered {status}"));
            let path = told.text("path").to_owned();
            let own = self.tries.entry(path.clone()).or_default();
            (own.what, own.answer) = (path, answer.map(|let_in| (told.t, let_in, words)));
            return;
        }
        let id = told.text("cmd_id").to_owned();
        if told.event == "queue_cmd_sent" && !id.is_empty() {
            self.tries.entry(id.clone()).or_default().what = told.text("cmd_type").to_owned();
        }
        let Some(own) = self.tries.get_mut(&id) else { return };
        let words = match told.event {
            "queue_cmd_ack" => "acknowledged".to_owned(),
            "queue_cmd_applied" => "applied".to_owned(),
            "queue_cmd_rejected" => format!("rejected: {}", super::first_line(told.text("reason"))),
            _ => return,
        };
        let was_let = told.event != "queue_cmd_rejected";
        // What is done counts, whatever else was said.
        if own.answer.is_none() || was_let && told.event == "queue_cmd_applied" {
            own.answer = Some((told.t, was_let, words));
        }
    }

    fn checked(&self, t: f64, ok: bool, what: &str, words: &str) -> Outcome {
        let wanted = match self.must {
            Must::BeAllowed => "allowed",
            Must::BeRefused => "refused",
        };
        let failed = (!ok).then(|| self.held.explain(format!("{what} must be {wanted}, and was {words}")));
        let fields = json!({ "ok": ok, "wanted": wanted, "what": what, "answer": words });
        Outcome { failed, events: vec![("permission_check", t, fields)], ..Outcome::default() }
    }
}

impl Oracle for Permission {
    fn see(&mut self, t: f64, seen: &Seen) -> Option<Outcome> {
        match seen {
            Seen::Told(told) => self.told(told),
            other => self.held.see(other),
        }
        let wanted = self.must == Must::BeAllowed;
        let answers = || self.tries.values().filter_map(|own| Some((own, own.answer.as_ref()?)));
        if let Some((own, (at, _, words))) = answers().find(|(_, (_, was_let, _))| *was_let != wanted) {
            return Some(self.checked(*at, false, &own.what, words));
        }
        let (own, (at, _, words)) = answers().max_by(|a, b| a.1.0.total_cmp(&b.1.0))?;
        let all = answers().count() == self.tries.len();
        (all && (wanted || t - at >= SETTLE_MS)).then(|| self.checked(*at, true, &own.what, words))
    }

    fn ticks(&self) -> bool {
        true
    }

    fn give_up(&mut self, t: f64) -> Outcome {
        let Some(own) = self.tries.values().find(|own| own.answer.is_none()) else {
            let why = "nothing was asked of the server: the step must send a command, or one of the declared requests";
            return Outcome::nothing_to_judge("permission_tried", t, why);
        };
        let why = format!("{} was neither let nor refused in {}", own.what, show_ms(t - self.before.t));
        Outcome { failed: Some(self.held.explain(why)), late: true, ..Outcome::default() }
    }
}
