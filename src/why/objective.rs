//! From a breached objective to its cause, where no play failed: the slowest samples, the most frequent line, what grew.

use super::chain::{Window, chain, planted, seen, shown};
use super::clue::{Clue, Kind, clues, shorten, stall};
use super::usual::Usual;
use super::{Breach, Chain, is, own};
use crate::event::{Event, Origin};
use crate::record::{Ending, Record};
use crate::slo::{Judged, Judging, Objective, Verdict};
use crate::unit::show_ms;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An objective of the run, with its answer.
pub(super) struct Listed {
    objective: Objective,
    judged: Option<Judged>,
}

impl Listed {
    fn breach(&self) -> Breach {
        let o = &self.objective;
        let judged = self.judged.as_ref();
        Breach {
            id: o.id.clone(),
            name: o.name.clone(),
            target: o.target_text.clone(),
            value: judged.map_or(String::new(), |j| j.value.clone()),
            verdict: judged.map(|j| j.verdict),
        }
    }

    fn is_breached(&self) -> bool {
        self.judged.as_ref().is_some_and(|j| j.verdict == Verdict::Breached)
    }

    /// Whether these events by themselves count against it.
    fn fails(&self, events: &[&Event]) -> bool {
        Judging::new(&self.objective).is_some_and(|mut judging| {
            events.iter().for_each(|e| judging.feed(e));
            judging.saw_failure()
        })
    }
}

/// The objectives that the run recorded.
pub(super) fn listed(record: &Record, events: &[Event]) -> Vec<Listed> {
    let start = events.iter().find(|e| is(e, "run_start"));
    let all = start.and_then(|e| e.fields.get("objectives")).and_then(Value::as_array).cloned().unwrap_or_default();
    let read = |value: &Value| {
        let map: &Map<String, Value> = value.as_object()?;
        let text = |key: &str| map.get(key).and_then(Value::as_str);
        let (id, name) = (text("id")?.to_owned(), text("name")?.to_owned());
        let objective = Objective::new(id, name, text("measure")?, text("target")?, text("browser")).ok()?;
        let same = |j: &&Judged| (&j.id, &j.name) == (&objective.id, &objective.name);
        Some(Listed { judged: record.objectives.iter().find(same).cloned(), objective })
    };
    all.iter().filter_map(read).collect()
}

/// The objectives that a play counts against.
pub(super) fn against(events: &[&Event], objectives: &[Listed]) -> Vec<Breach> {
    let mut all: Vec<Breach> = objectives.iter().filter(|o| o.fails(events)).map(Listed::breach).collect();
    all.sort_by_key(|b| b.verdict != Some(Verdict::Breached));
    all
}

/// Chains of the breached objectives that no failed play explains. Where nothing else is wrong, those of what single plays
/// count against, however little that says of the whole.
pub(super) fn chains(
    record: &Record,
    events: &[Event],
    objectives: &[Listed],
    (usual, known): (&Usual, &[Chain]),
) -> Vec<Chain> {
    let explained = |o: &Listed| {
        let breach = o.breach();
        known.iter().any(|c| c.objectives.iter().any(|b| (&b.id, &b.name) == (&breach.id, &breach.name)))
    };
    let wanted = |o: &&Listed| if known.is_empty() { true } else { o.is_breached() && !explained(o) };
    let mut found: Vec<Chain> = Vec::new();
    for listed in objectives.iter().filter(wanted) {
        let mut worst: Option<(f64, Chain)> = None;
        let mut plays = 0;
        for (at, play) in record.plays.iter().enumerate() {
            let sample = matches!(play.ending, Ending::Passed | Ending::Failed) && !play.diagnoses && !play.faulted;
            let events = own(events, &play.session_id);
            if !sample || !listed.fails(&events) {
                continue;
            }
            plays += 1;
            let (how_bad, chain) = of_objective(record, at, listed, &events, usual);
            if worst.as_ref().is_none_or(|(worst, _)| how_bad > *worst) {
                worst = Some((how_bad, chain));
            }
        }
        let Some((_, mut chain)) = worst else { continue };
        chain.plays = plays;
        // Two objectives of one measure, say of each browser, have one cause.
        match found.iter_mut().find(|c| c.cause.seq == chain.cause.seq && c.cause.seq.is_some()) {
            Some(same) => same.objectives.append(&mut chain.objectives),
            None => found.push(chain),
        }
    }
    found.sort_by_key(|c| !c.objectives.iter().any(|o| o.verdict == Some(Verdict::Breached)));
    found
}

/// The chain of one play that counts against an objective, and how bad that is beside the others.
fn of_objective(record: &Record, at: usize, listed: &Listed, events: &[&Event], usual: &Usual) -> (f64, Chain) {
    let play = &record.plays[at];
    // Of a whole play whose steps held, what they bore may be why.
    let places = Usual::places(record);
    let (mut how_bad, mut step) = (0.0, None);
    let found = match listed.objective.measure {
        "first visualizer frame" | "first video frame" => {
            let what = if listed.objective.measure == "first video frame" { "first video frame" } else { "picture" };
            let shows = |e: &&&Event| is(e, "step_end") && e.text("expect").is_some_and(|x| x.contains(what));
            let by_ms = |a: &&&Event, b: &&&Event| {
                let ms = |e: &Event| e.number("ms").unwrap_or_default();
                ms(a).total_cmp(&ms(b))
            };
            match events.iter().filter(shows).max_by(by_ms) {
                Some(slowest) => {
                    how_bad = slowest.number("ms").unwrap_or_default();
                    step = Some(shown(play, at, slowest, events));
                    let mut found = clues(&Window::of_step(slowest, play, events), events, usual);
                    let says = format!("the slowest of the play took {}", show_ms(how_bad));
                    let mut clue = Clue::new(Kind::Seen, 10, says);
                    (clue.seq, clue.unexplained) = (Some(slowest.seq), true);
                    found.retain(|c| c.kind != Kind::Seen && c.weight > clue.weight);
                    found.push(clue);
                    found
                }
                None => clues(&Window::of_play(play, events), events, &places),
            }
        }
        "console errors" => {
            let (lines, most) = lines(events);
            how_bad = lines;
            most.into_iter().collect()
        }
        "memory growth" => {
            let samples = events.iter().filter(|e| is(e, "memory_sample") && e.number("switches") >= Some(10.0));
            let samples: Vec<&&Event> = samples.collect();
            let at = |e: &Event| (e.number("switches").unwrap_or_default(), e.number("pss_bytes").unwrap_or_default());
            let ends = samples.first().zip(samples.last()).map(|(a, b)| (at(a), at(b), b.seq));
            let words = |((n, from), (m, to), seq): ((f64, f64), (f64, f64), u64)| {
                how_bad = to - from;
                let (from, to, each) = (from / 1e6, to / 1e6, (to - from) / 1e6 / (m - n).max(1.0));
                let says = format!(
                    "memory grew from {from:.0} MB after {n} switches to {to:.0} MB after {m}: {each:.1} MB each"
                );
                Clue { seq: Some(seq), sure: true, ..Clue::new(Kind::Memory, 50, says) }
            };
            ends.map(words).into_iter().collect()
        }
        "long stalls" => {
            let ms = |e: &Event| e.number("ms").unwrap_or_default();
            let stalls = events.iter().filter(|e| is(e, "playback_stall"));
            let longest = stalls.max_by(|a, b| ms(a).total_cmp(&ms(b)));
            how_bad = longest.map_or(0.0, |e| ms(e));
            let around = longest.map(|e| {
                let mut window = Window::of_play(play, events);
                let start = e.number("start_ms").unwrap_or(e.t_ms);
                (window.from, window.to) = (start - ms(e), start + ms(e));
                (window.reason, window.class) = (None, None);
                window
            });
            let beside = around.map_or(Vec::new(), |window| clues(&window, events, &places));
            let beside = beside.into_iter().filter(|c| matches!(c.kind, Kind::Request | Kind::Rule));
            longest.map(|e| Clue { sure: true, ..stall(e) }).into_iter().chain(beside).collect()
        }
        _ => {
            let mut window = Window::of_play(play, events);
            window.reason = None;
            clues(&window, events, &places)
        }
    };
    let objectives = vec![listed.breach()];
    (how_bad, chain(found, Some(seen(record, at)), step, objectives, planted(events)))
}

/// How many lines were errors, and the most frequent of them.
fn lines(events: &[&Event]) -> (f64, Option<Clue>) {
    let mut lines: BTreeMap<String, (&Event, u64)> = BTreeMap::new();
    let is_line = |e: &&&Event| e.source != Origin::App && matches!(e.event.as_str(), "console_error" | "exception");
    for event in events.iter().filter(is_line) {
        lines.entry(super::bare(event.text("text").unwrap_or_default())).or_insert((event, 0)).1 += 1;
    }
    let all = lines.values().map(|(_, n)| *n as f64).sum();
    let most = lines.into_values().max_by(|(a, n), (b, m)| n.cmp(m).then(b.seq.cmp(&a.seq)));
    let clue = most.map(|(event, times)| {
        let (kind, what) = match event.event.as_str() {
            "exception" => (Kind::Exception, "uncaught exception"),
            _ => (Kind::Console, "console error"),
        };
        let says = format!("{what}: {}", shorten(event.text("text").unwrap_or_default()));
        Clue { seq: Some(event.seq), times, sure: true, ..Clue::new(kind, 50, says) }
    });
    (all, clue)
}
