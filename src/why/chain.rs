//! From a play to its cause.

use super::clue::{Clue, Kind, clues};
use super::objective::{Listed, against};
use super::usual::Usual;
use super::{Chain, Seen, Shown, is, play_anchor, step_anchor};
use crate::event::Event;
use crate::media::class::{Class, Evidence};
use crate::record::{Ending, Play, Record};
use crate::unit::many;
use serde_json::Value;
use std::collections::BTreeMap;

/// A page's clock is mapped to the run's with this much doubt, milliseconds.
const SLACK_MS: f64 = 50.0;
/// A clue that weighs less is not shown beside the cause.
const WORTH: u32 = 20;
/// Shown beside the cause, at most.
const BESIDE: usize = 2;

/// The part of a play that is looked into: the step that failed, or all of it.
pub(super) struct Window<'a> {
    pub from: f64,
    pub to: f64,
    span: Option<&'a str>,
    /// The play's.
    pub session: Option<&'a str>,
    /// Where it is a step: its end, by its `seq`.
    pub end: Option<u64>,
    pub expect: Option<&'a str>,
    pub reason: Option<&'a str>,
    /// The play is under faults of this monitor's.
    pub faulted: bool,
    /// It was about a video.
    pub video: bool,
    pub media_url: Option<&'a str>,
    pub class: Option<Class>,
    pub evidence: Option<&'a Evidence>,
}

impl<'a> Window<'a> {
    /// The step that this `step_end` ends.
    pub(super) fn of_step(end: &'a Event, play: &'a Play, events: &[&'a Event]) -> Self {
        let began = |e: &&&&Event| is(e, "step_start") && e.ids.step == end.ids.step && e.seq < end.seq;
        let start = events.iter().filter(|e| e.t_ms <= end.t_ms).rev().find(|e| began(&e));
        let video = end.fields.get("video");
        Self {
            from: start.map_or(end.t_ms - end.number("step_ms").unwrap_or_default(), |s| s.t_ms),
            to: end.t_ms,
            span: end.ids.span_id.as_deref(),
            session: Some(&play.session_id),
            end: Some(end.seq),
            expect: end.text("expect"),
            reason: end.text("reason"),
            faulted: play.faulted,
            video: video.is_some() || play.class.is_some(),
            media_url: video.and_then(|v| v["url"].as_str()),
            class: play.class,
            evidence: play.evidence.as_ref(),
        }
    }

    /// The whole play.
    pub(super) fn of_play(play: &'a Play, events: &[&Event]) -> Self {
        Self {
            from: events.first().map_or(0.0, |e| e.t_ms),
            to: events.last().map_or(0.0, |e| e.t_ms),
            span: None,
            session: Some(&play.session_id),
            end: None,
            expect: None,
            reason: play.reason.as_deref().map(|reason| bare(play, reason).1),
            faulted: play.faulted,
            video: play.class.is_some(),
            media_url: None,
            class: play.class,
            evidence: play.evidence.as_ref(),
        }
    }

    /// Whether it was told of this part, or during it.
    pub(super) fn holds(&self, event: &Event) -> bool {
        let own = self.span.is_some() && event.ids.span_id.as_deref() == self.span;
        own || (self.from - SLACK_MS..=self.to + SLACK_MS).contains(&event.t_ms)
    }

    /// Whether a request belongs to it: it started in it, whenever it ended.
    pub(super) fn holds_request(&self, event: &Event, started: f64) -> bool {
        let own = self.span.is_some() && event.ids.span_id.as_deref() == self.span;
        own || (self.from - SLACK_MS..=self.to).contains(&started)
    }
}

/// The chain of a play that did not end well.
pub(super) fn of_play(record: &Record, at: usize, events: &[&Event], objectives: &[Listed], usual: &Usual) -> Chain {
    let play = &record.plays[at];
    let ends = || events.iter().filter(|e| is(e, "step_end"));
    let failed = ends().find(|e| !e.flag("ok"));
    let (window, step) = match failed {
        Some(end) => (Window::of_step(end, play, events), Some(shown(play, at, end, events))),
        None => {
            // What went wrong after a step had held is told with that step's name.
            let window = Window::of_play(play, events);
            let named = play.reason.as_deref().and_then(|reason| bare(play, reason).0);
            let end = ends().rfind(|e| named.is_some() && e.ids.step.as_deref() == named);
            let got = window.reason.unwrap_or_default().to_owned();
            (window, end.map(|end| Shown { got, ms: None, ..shown(play, at, end, events) }))
        }
    };
    let mut found = clues(&window, events, usual);
    if play.ending == Ending::Unfinished {
        let seq = events.last().map(|e| e.seq);
        let cut = Clue::new(Kind::Seen, 100, "its end is not in the record".to_owned());
        found.insert(0, Clue { seq, sure: true, ..cut });
    }
    // What is no sample counts against nothing.
    let counts = play.ending == Ending::Failed && !play.faulted;
    let objectives = if counts { against(events, objectives) } else { Vec::new() };
    chain(found, Some(seen(record, at)), step, objectives, planted(events))
}

/// A reason without the step's name that it begins with, and that name.
fn bare<'a>(play: &'a Play, reason: &'a str) -> (Option<&'a str>, &'a str) {
    let after = |name: &'a str| Some((Some(name), reason.strip_prefix(name)?.strip_prefix(": ")?));
    play.steps.iter().rev().find_map(|step| after(&step.name)).unwrap_or((None, reason))
}

/// The chain of these clues, the first of which is the cause.
pub(super) fn chain(
    clues: Vec<Clue>,
    play: Option<Seen>,
    step: Option<Shown>,
    objectives: Vec<super::Breach>,
    planted: Vec<String>,
) -> Chain {
    let mut clues = clues.into_iter();
    let cause =
        clues.next().unwrap_or_else(|| Clue::new(Kind::Seen, 0, "nothing in the record explains it".to_owned()));
    let other = |c: &Clue| {
        c.weight >= WORTH && c.kind != Kind::Seen && (c.url.is_none() || c.url != cause.url) && c.key() != cause.key()
    };
    let also = clues.filter(other).take(BESIDE).collect();
    Chain { objectives, play, plays: 1, step, cause, also, planted }
}

/// A play as an answer names it.
pub(super) fn seen(record: &Record, at: usize) -> Seen {
    let play = &record.plays[at];
    Seen {
        title: play.title(),
        ending: play.ending,
        session_id: play.session_id.clone(),
        quarantined: record.bears(play),
        anchor: play_anchor(at + 1),
    }
}

/// The step that this `step_end` ends, as an answer shows it.
pub(super) fn shown(play: &Play, at: usize, end: &Event, events: &[&Event]) -> Shown {
    let before = events.iter().filter(|e| is(e, "step_end") && e.seq < end.seq).count();
    let step = play.steps.get(before);
    let got = match (end.text("reason"), end.number("ms")) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some(_)) if end.flag("slow") => "it came, and later than wanted".to_owned(),
        (None, _) => "it came".to_owned(),
    };
    Shown {
        name: end.ids.step.clone().unwrap_or_default(),
        expected: end.text("expect").map(str::to_owned),
        got,
        // What came, and did not stay, is told by how long all of it took.
        ms: end.number("ms").filter(|_| end.flag("ok")).or(end.number("step_ms")),
        seq: end.seq,
        screenshot: step.and_then(|s| s.screenshot.clone()),
        anchor: step_anchor(at + 1, before + 1),
    }
}

/// What this monitor's own faults did, each once.
pub(super) fn planted(events: &[&Event]) -> Vec<String> {
    let mut faults: BTreeMap<&str, (&Event, u64)> = BTreeMap::new();
    for event in events.iter().filter(|e| is(e, "fault_applied")) {
        faults.entry(event.text("fault").unwrap_or_default()).or_insert((event, 0)).1 += 1;
    }
    let mut first: Vec<(&str, (&Event, u64))> = faults.into_iter().collect();
    first.sort_by_key(|(_, (event, _))| event.seq);
    let words = |(id, (event, times)): (&str, (&Event, u64))| {
        let kind = event.text("kind").unwrap_or_default();
        let kind = if kind == id { String::new() } else { format!(" ({kind})") };
        let to = match (event.text("method"), event.text("path")) {
            (Some(method), Some(path)) => format!(", first to {method} {path}"),
            _ => String::new(),
        };
        format!("fault {id}{kind}, applied {}{to}", many(times, "time", "times"))
    };
    first.into_iter().map(words).collect()
}

/// Where no play and no objective says why: the run itself may.
pub(super) fn of_nothing(record: &Record, events: &[Event]) -> Option<Chain> {
    let end = events.iter().rfind(|e| is(e, "run_end"));
    let reason = end.and_then(|e| e.fields.get("reason")).and_then(Value::as_str);
    let says = match reason {
        Some(reason) => reason.to_owned(),
        None if record.dropped > 0 => format!("{} events could not be written", record.dropped),
        None if !record.complete => "the record has no end: the run was cut short".to_owned(),
        None if record.plays.is_empty() => "nothing was played".to_owned(),
        None => return None,
    };
    let mut clue = Clue::new(Kind::Seen, 77, says);
    (clue.seq, clue.sure) = (end.map(|e| e.seq), true);
    Some(chain(vec![clue], None, None, Vec::new(), Vec::new()))
}
