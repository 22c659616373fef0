//! Floor 3, pure. Why a run went wrong: the shortest chain from a breached objective, or a play that failed, to its cause,
//! folded from the record's events alone. A planted fault is named as such where the record holds it, and the cause is
//! found without it.

mod chain;
mod clue;
mod objective;
mod request;
#[cfg(test)]
mod tests;
mod usual;

pub use clue::{Clue, Kind};

use crate::event::{Event, Origin};
use crate::record::{Ending, Record};
use crate::slo::Verdict;
use serde::Serialize;
use usual::Usual;

/// Why a run went wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The run.
    pub run_id: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// It ended by itself.
    pub complete: bool,
    /// From what failed to its cause, the most important first; empty: nothing went wrong.
    pub chains: Vec<Chain>,
}

/// From what went wrong to its cause.
#[derive(Clone, Debug, Serialize)]
pub struct Chain {
    /// The objectives that it counts against.
    pub objectives: Vec<Breach>,
    /// The first play that went wrong like this.
    pub play: Option<Seen>,
    /// How many plays did.
    pub plays: u64,
    /// The step in which it showed.
    pub step: Option<Shown>,
    /// What it comes from.
    pub cause: Clue,
    /// What else the record holds against the same step, the likeliest first.
    pub also: Vec<Clue>,
    /// What this monitor's own faults did in the play before.
    pub planted: Vec<String>,
}

/// An objective that a play counts against.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Breach {
    /// Its requirement.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What must hold.
    pub target: String,
    /// What was measured in the whole run, and the answer.
    pub value: String,
    /// The whole run's answer to it.
    pub verdict: Option<Verdict>,
}

/// A play, as an answer names it.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// Its title: journey, browser, profile, number.
    pub title: String,
    /// How it ended.
    pub ending: Ending,
    /// Its session in the events.
    pub session_id: String,
    /// A quarantine bears with it.
    pub quarantined: bool,
    /// Where `report.html` shows it.
    pub anchor: String,
}

/// A step, as an answer shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Its words.
    pub name: String,
    /// What was expected.
    pub expected: Option<String>,
    /// What came instead.
    pub got: String,
    /// How long it took, or was waited for, milliseconds.
    pub ms: Option<f64>,
    /// The line of `events.jsonl` that ends it, by its `seq`.
    pub seq: u64,
    /// The picture at its end.
    pub screenshot: Option<String>,
    /// Where `report.html` shows it.
    pub anchor: String,
}

/// Where `report.html` shows a play: its place in the record, from 1.
pub fn play_anchor(play: usize) -> String {
    format!("play-{play}")
}

/// Where `report.html` shows a step: its play's place in the record and its own in the play, from 1.
pub fn step_anchor(play: usize, step: usize) -> String {
    format!("play-{play}-step-{step}")
}

impl Answer {
    /// Reads a record with the events that it is folded from.
    pub fn of(record: &Record, events: &[Event]) -> Self {
        let objectives = objective::listed(record, events);
        let usual = Usual::of(record, events);
        let mut chains: Vec<Chain> = Vec::new();
        for (at, play) in record.plays.iter().enumerate() {
            let replaced = !record.final_plays().any(|p| p.session_id == play.session_id);
            let bad = match play.ending {
                Ending::Failed => !play.diagnoses,
                Ending::Broken | Ending::Undecided | Ending::Unfinished => !play.diagnoses && !replaced,
                Ending::Passed => false,
            };
            if bad {
                let own = own(events, &play.session_id);
                add(&mut chains, chain::of_play(record, at, &own, &objectives, &usual));
            }
        }
        chains.extend(objective::chains(record, events, &objectives, (&usual, &chains)));
        if chains.is_empty() {
            chains.extend(chain::of_nothing(record, events));
        }
        // What is borne decides nothing; what is broken says nothing about the app. The order of the record stays within.
        chains.sort_by_key(|c| match &c.play {
            Some(play) if play.quarantined => 3,
            Some(play) if play.ending == Ending::Undecided => 2,
            Some(play) if matches!(play.ending, Ending::Broken | Ending::Unfinished) => 1,
            _ => 0,
        });
        Self { run_id: record.run_id.clone(), verdict: record.verdict(), complete: record.complete, chains }
    }

    /// The cause that it names first.
    pub fn cause(&self) -> Option<&Clue> {
        self.chains.first().map(|c| &c.cause)
    }
}

/// Whether it is this event of ours: an app may call its own as it likes.
fn is(event: &Event, name: &str) -> bool {
    event.source != Origin::App && event.event == name
}

/// The events of one play, in the order of the clock.
fn own<'e>(events: &'e [Event], session: &str) -> Vec<&'e Event> {
    let mut own: Vec<&Event> = events.iter().filter(|e| e.ids.session_id.as_deref() == Some(session)).collect();
    own.sort_by(|a, b| a.t_ms.total_cmp(&b.t_ms).then(a.seq.cmp(&b.seq)));
    own
}

/// Adds a chain, or counts it where one of the same cause is there.
fn add(chains: &mut Vec<Chain>, chain: Chain) {
    let key = |c: &Chain| {
        let borne = c.play.as_ref().map(|p| (p.quarantined, p.ending == Ending::Failed));
        (borne, c.cause.kind, c.cause.key(), c.cause.how.clone(), c.step.as_ref().map(|s| bare(&s.name)))
    };
    match chains.iter_mut().find(|known| key(known) == key(&chain)) {
        Some(known) => {
            known.plays += chain.plays;
            let news = chain.objectives.into_iter().filter(|o| !known.objectives.contains(o)).collect::<Vec<_>>();
            known.objectives.extend(news);
        }
        None => chains.push(chain),
    }
}

/// Without numbers, which differ from play to play.
fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}
