//! Commands of the queue, followed by `cmd_id` from `queue_cmd_sent` and `queue_cmd_ack` to `queue_cmd_applied` or
//! `queue_cmd_rejected`, within one session. One without an id cannot be followed and is no sample.

use super::{Fold, Samples};
use crate::event::{Event, Origin};
use std::collections::BTreeMap;

/// What a session saw of one command.
#[derive(Default)]
struct Command {
    /// Sent from here, or acknowledged here: this session waits for it.
    awaited: bool,
    rejected: bool,
    /// How often it was applied, by who saw it and on which socket: what a page hears twice is done once.
    applied: BTreeMap<(&'static str, String), u64>,
}

/// What a session saw.
#[derive(Default)]
struct Session {
    commands: BTreeMap<String, Command>,
    /// Messages were left out: what was not seen of a command may have come.
    capped: bool,
}

impl Command {
    fn applied(&self) -> u64 {
        self.applied.values().copied().max().unwrap_or(0)
    }

    /// Whether all was seen that will be.
    fn is_answered(&self) -> bool {
        self.applied() > 0 || self.rejected
    }
}

/// Whether a command went well; `None`: the question does not arise.
type Ask = fn(&Command) -> Option<bool>;

struct Commands {
    ask: Ask,
    /// Sessions under way.
    open: BTreeMap<String, Session>,
    count: (u64, u64),
}

fn commands(ask: Ask) -> Box<dyn Fold> {
    Box::new(Commands { ask, open: BTreeMap::new(), count: (0, 0) })
}

/// Of the commands a session sent: those that were applied, and not rejected.
pub(super) fn applied() -> Box<dyn Fold> {
    commands(|c| (c.awaited || c.rejected).then(|| c.applied() > 0 && !c.rejected))
}

/// Of the commands applied: those that were applied once.
pub(super) fn once() -> Box<dyn Fold> {
    commands(|c| (c.applied() > 0).then(|| c.applied() == 1))
}

/// Of the commands a session sent: those it heard of again, be it that they were rejected.
pub(super) fn kept() -> Box<dyn Fold> {
    commands(|c| c.awaited.then(|| c.applied() > 0 || c.rejected))
}

impl Fold for Commands {
    fn feed(&mut self, event: &Event) {
        if event.source == Origin::App {
            return; // what the app says of itself is no sample
        }
        let session = event.ids.session_id.as_deref().unwrap_or_default();
        if event.event == "journey_end" {
            let Session { commands, capped } = self.open.remove(session).unwrap_or_default();
            // Of a play that busy processors spoilt it is not known what would have come.
            let partly = capped || event.fields.contains_key("busy");
            let known = commands.values().filter(|command| !partly || command.is_answered());
            for answer in known.filter_map(self.ask) {
                self.count.0 += u64::from(answer);
                self.count.1 += 1;
            }
            return;
        }
        if event.event == "socket_capped" {
            self.open.entry(session.to_owned()).or_default().capped = true;
        }
        let Some(step) = event.event.strip_prefix("queue_cmd_") else { return };
        let Some(id) = event.text("cmd_id") else { return };
        let session = self.open.entry(session.to_owned()).or_default();
        let command = session.commands.entry(id.to_owned()).or_default();
        match step {
            "sent" | "ack" => command.awaited = true,
            "rejected" => command.rejected = true,
            "applied" => {
                let by = (event.source.name(), event.text("socket").unwrap_or_default().to_owned());
                *command.applied.entry(by).or_default() += 1;
            }
            _ => {}
        }
    }

    fn samples(&self) -> Samples {
        Samples::Trials { good: self.count.0, total: self.count.1 }
    }
}
