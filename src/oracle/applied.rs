//! Is every command that a step sends acknowledged, and applied once?

use super::{Before, Held, Oracle, Outcome, Seen};
use crate::traffic::Told;
use crate::unit::show_ms;
use std::collections::BTreeMap;

/// A second application comes within so long, or is left to the objective.
const SETTLE_MS: f64 = 500.0;

/// What is known of a command.
#[derive(Default)]
struct Command {
    kind: String,
    acked: bool,
    /// How often it was applied, by the socket that told it.
    applied: BTreeMap<String, u32>,
    /// When all of it was known.
    done: Option<f64>,
}

pub(super) struct Applied {
    before: Before,
    held: Held,
    input: Option<f64>,
    sent: Option<f64>,
    commands: BTreeMap<String, Command>,
    /// Commands without an id, and messages that were left out: nothing of them can be followed.
    lost_sight: Option<&'static str>,
}

impl Applied {
    pub(super) fn new(before: Before) -> Self {
        let held = Held::default();
        Self { before, held, input: None, sent: None, commands: BTreeMap::new(), lost_sight: None }
    }

    fn t0(&self) -> f64 {
        self.input.or(self.sent).unwrap_or(self.before.t)
    }

    fn failed(&self, why: String, late: bool) -> Outcome {
        Outcome { failed: Some(self.held.explain(why)), late, ..Outcome::default() }
    }

    fn told(&mut self, told: &Told) -> Option<Outcome> {
        let id = told.text("cmd_id").to_owned();
        if told.event == "socket_capped" {
            self.lost_sight = Some("the socket said more than is followed");
        }
        if told.event == "queue_cmd_sent" && self.before.is_in_it(told.t) {
            self.sent.get_or_insert(told.t);
            match id.is_empty() {
                true => self.lost_sight = Some("a command without an id cannot be followed"),
                false => self.commands.entry(id.clone()).or_default().kind = told.text("cmd_type").to_owned(),
            }
        }
        let needs_ack = self.before.socket.as_ref().is_some_and(|s| !s.ack.is_empty());
        let command = self.commands.get_mut(&id)?;
        match told.event {
            "queue_cmd_ack" => command.acked = true,
            "queue_cmd_rejected" => {
                let why = told.text("reason");
                let why = if why.is_empty() { String::new() } else { format!(": {}", super::first_line(why)) };
                let why = format!("{} was rejected{why}", command.kind);
                return Some(self.failed(why, false));
            }
            "queue_cmd_applied" => {
                let times = command.applied.entry(told.text("socket").to_owned()).or_default();
                *times += 1;
                if *times > 1 {
                    let why = format!("{} was applied twice ({id})", command.kind);
                    return Some(self.failed(why, false));
                }
            }
            _ => {}
        }
        if !command.applied.is_empty() && (command.acked || !needs_ack) {
            command.done.get_or_insert(told.t);
        }
        None
    }
}

impl Oracle for Applied {
    fn see(&mut self, t: f64, seen: &Seen) -> Option<Outcome> {
        match seen {
            Seen::Input => drop(self.input.get_or_insert(t)),
            Seen::Told(told) => {
                if let Some(outcome) = self.told(told) {
                    return Some(outcome);
                }
            }
            other => self.held.see(other),
        }
        let done: Option<Vec<f64>> = self.commands.values().map(|c| c.done).collect();
        let last = done?.into_iter().reduce(f64::max)?;
        (self.lost_sight.is_none() && t - last >= SETTLE_MS)
            .then(|| Outcome { ms: Some((last - self.t0()).max(0.0)), ..Outcome::default() })
    }

    fn ticks(&self) -> bool {
        true
    }

    fn give_up(&mut self, t: f64) -> Outcome {
        let waited = show_ms(t - self.t0());
        if let Some(why) = self.lost_sight {
            return Outcome::nothing_to_judge("commands_followed", t, why);
        }
        let waiting: Vec<String> = self
            .commands
            .iter()
            .filter(|(_, c)| c.done.is_none())
            .map(|(id, c)| match (c.acked, c.applied.is_empty()) {
                (true, true) => format!("{} was acknowledged, and never applied ({id})", c.kind),
                (false, false) => format!("{} was applied, and never acknowledged ({id})", c.kind),
                _ => format!("{} was sent, and neither acknowledged nor applied ({id})", c.kind),
            })
            .collect();
        let why = match waiting.first() {
            None if self.commands.is_empty() => format!("no command was sent in {waited}"),
            None => "the commands did not come to an end: give it a longer `give_up`".to_owned(),
            Some(first) if waiting.len() > 1 => format!("in {waited} {first}, and {} more", waiting.len() - 1),
            Some(first) => format!("in {waited} {first}"),
        };
        self.failed(why, true)
    }
}
