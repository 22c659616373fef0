//! The record in a terminal: what a person reads after a run.

use crate::record::{Ending, Record};
use crate::unit::show_ms;
use std::fmt::Write as _;

/// The verdict, objective by objective, and why.
pub fn write(record: &Record) -> String {
    let mut out = String::new();
    let wide = record.objectives.iter().map(|o| o.name.len()).max().unwrap_or(0);
    let targets = record.objectives.iter().map(|o| o.target.len()).max().unwrap_or(0);
    // Writing to a string cannot fail.
    for o in &record.objectives {
        let needs = o.needs.as_ref().map_or(String::new(), |n| format!("; needs {n}"));
        let _ = writeln!(
            out,
            "  {:<5} {:<wide$}  {:<targets$}  {:<15}  {}{needs}",
            o.id,
            o.name,
            o.target,
            o.verdict.name(),
            o.value
        );
    }
    let count = |ending| record.attempts().filter(|p| p.ending == ending).count();
    let (judged, borne) = (record.attempts().count(), record.plays.iter().filter(|p| record.bears(p)).count());
    let _ = writeln!(
        out,
        "\n{}: {judged} played, {} passed, {} failed{}, {} broken{} in {}{}",
        record.verdict().name(),
        count(Ending::Passed),
        count(Ending::Failed),
        if borne > 0 { format!(" ({borne} quarantined)") } else { String::new() },
        count(Ending::Broken) + count(Ending::Unfinished),
        match count(Ending::Undecided) {
            0 => String::new(),
            n => format!(", {n} without enough data"),
        },
        show_ms(record.ms),
        match record.plays.len() - judged {
            0 => String::new(),
            n => format!("; {n} more to diagnose"),
        }
    );
    if let Some(cause) = record.first_cause() {
        let _ = writeln!(out, "first cause: {cause}");
        if let Some(class) = record.first_failed().and_then(|play| play.cause()) {
            let _ = writeln!(out, "{class}");
        }
    }
    for note in record.notes() {
        let _ = writeln!(out, "{note}");
    }
    if let Some(told) = &record.told {
        let _ = writeln!(out, "{}", told.words());
    }
    if !record.complete {
        let _ = writeln!(out, "the record has no end: the run was cut short");
    }
    if record.dropped > 0 {
        let _ = writeln!(out, "{} events could not be written: the record is not whole", record.dropped);
    }
    out
}
