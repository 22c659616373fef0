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
    let count = |ending| record.plays.iter().filter(|p| p.ending == ending).count();
    let _ = writeln!(
        out,
        "\n{}: {} played, {} passed, {} failed, {} broken{} in {}",
        record.verdict().name(),
        record.plays.len(),
        count(Ending::Passed),
        count(Ending::Failed),
        count(Ending::Broken) + count(Ending::Unfinished),
        match count(Ending::Undecided) {
            0 => String::new(),
            n => format!(", {n} without enough data"),
        },
        show_ms(record.ms)
    );
    if let Some(cause) = record.first_cause() {
        let _ = writeln!(out, "first cause: {cause}");
        if let Some(class) = record.first_failed().and_then(|play| play.cause()) {
            let _ = writeln!(out, "{class}");
        }
    }
    if !record.complete {
        let _ = writeln!(out, "the record has no end: the run was cut short");
    }
    if record.dropped > 0 {
        let _ = writeln!(out, "{} events could not be written: the record is not whole", record.dropped);
    }
    out
}
