//! Batches that an app sent its events in: what became of each, and whether what was not taken came again.

use super::finding::{Findings, Kind};
use crate::event::Event;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// A batch that was not taken, as far as is known.
#[derive(Clone, Debug)]
struct Batch {
    t: f64,
    status: Option<u64>,
    /// Why it got no answer.
    why: String,
    /// How many events; `None`: nobody can read them.
    events: Option<u64>,
    octets: Option<f64>,
    /// The page or the play ended before there was an answer: it may have been taken.
    left: bool,
    /// How many of them came again.
    again: u64,
}

/// The batches of a play.
#[derive(Clone, Debug, Default)]
pub(super) struct Batches {
    /// Those that were not taken, and their places by the request's number.
    refused: Vec<Batch>,
    numbers: BTreeMap<u64, usize>,
    /// Their events that did not come again yet, by what they say: the places of their batches.
    waiting: HashMap<u64, Vec<usize>>,
}

impl Batches {
    /// A batch was sent; its events come after it.
    pub(super) fn sent(&mut self, event: &Event) {
        let status = event.number("status").map(|n| n as u64);
        let ended = event.text("ended");
        let (events, octets) = (event.number("events").map(|n| n as u64), event.number("octets"));
        if status.is_some_and(|status| status < 400) {
            // Of what cannot be read the length says whether it is the same.
            let same = |b: &&mut Batch| events.is_none() && b.events.is_none() && b.octets == octets && b.again == 0;
            if let Some(batch) = self.refused.iter_mut().find(same) {
                batch.again = 1;
            }
            return;
        }
        let why = match (event.text("error"), ended) {
            (Some(why), _) => why,
            (None, Some("refused")) => "it was not let through",
            (None, Some("fault")) => "a planted fault ended it",
            (None, _) => "the connection was closed",
        };
        let left = status.is_none() && matches!(ended, None | Some("play_over" | "client_gone"));
        if let Some(number) = event.number("request") {
            self.numbers.insert(number as u64, self.refused.len());
        }
        self.refused.push(Batch { t: event.t_ms, status, why: why.to_owned(), events, octets, left, again: 0 });
    }

    /// Whether this event of the app's only repeats one of a batch that was not taken.
    pub(super) fn repeats(&mut self, event: &Event) -> bool {
        let Some(number) = event.number("request") else { return false };
        let own = self.numbers.get(&(number as u64)).copied();
        if own.is_none() && self.waiting.is_empty() {
            return false;
        }
        let said = event.fields.get("app").map(Value::to_string).unwrap_or_default();
        let mut key = DefaultHasher::new();
        (&event.event, said).hash(&mut key);
        let key = key.finish();
        let waiting = self.waiting.entry(key).or_default();
        let earlier = waiting.iter().position(|at| Some(*at) != own).map(|at| waiting.remove(at));
        waiting.extend(own);
        if waiting.is_empty() {
            self.waiting.remove(&key);
        }
        if let Some(at) = earlier {
            self.refused[at].again += 1;
        }
        earlier.is_some()
    }

    /// What never came again.
    pub(super) fn lost(&self, found: &mut Findings) {
        for batch in self.refused.iter().filter(|b| b.is_lost()) {
            found.add(Kind::Lost, "(batch)", batch.t, || batch.says());
        }
    }
}

impl Batch {
    fn is_lost(&self) -> bool {
        let came_again = self.again > 0 && self.events.is_none_or(|events| self.again >= events);
        !self.left && !came_again
    }

    fn says(&self) -> String {
        let events = match (self.events, self.again) {
            (None, _) => "events that cannot be read".to_owned(),
            (Some(events), 0) => format!("{events} events"),
            (Some(events), again) => format!("{events} events, {} of which never came again", events - again),
        };
        match self.status {
            Some(status) => format!("the server answered {status} to a batch of {events}"),
            None => format!("nobody answered a batch of {events}: {}", self.why),
        }
    }
}
