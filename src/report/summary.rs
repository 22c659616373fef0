//! Markdown for a pull request.

use crate::record::{Ending, Record};
use crate::slo::Verdict;
use crate::unit::show_ms;
use std::fmt::Write as _;

pub(super) fn write(record: &Record) -> String {
    let mut out = String::new();
    let about = |key: &str| record.about.get(key).and_then(|v| v.as_str()).unwrap_or("");
    let verdict = record.verdict();
    let sign = if record.exit_code() == 0 { "✅" } else { "❌" };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "## {sign} Soundcheck `{}`: {}\n", cell(about("plan")), verdict.name());
    let _ = writeln!(out, "{} ({}, {})\n", cell(about("question")), cell(about("app")), cell(about("base")));
    if let Some(cause) = record.first_cause() {
        let _ = writeln!(out, "> **First cause:** {}\n", cell(&cause));
    }
    for note in record.notes() {
        let _ = writeln!(out, "> {}\n", cell(&note));
    }
    if let Some(told) = &record.told {
        let _ = writeln!(out, "> {}\n", cell(&told.words()));
    }
    for missing in record.sent.iter().flat_map(|sent| sent.missing()) {
        let _ = writeln!(out, "> {}\n", cell(&missing));
    }
    if record.dropped > 0 {
        let _ = writeln!(out, "> **Not whole:** {} events could not be written.\n", record.dropped);
    }
    if !record.complete {
        let _ = writeln!(out, "> **Cut short:** the record has no end.\n");
    }
    let _ = writeln!(out, "| objective | target | verdict | measured | still needed |\n|---|---|---|---|---|");
    for o in &record.objectives {
        let needs = o.needs.as_deref().unwrap_or("");
        let _ = writeln!(
            out,
            "| {} `{}` | {} | {} | {} | {} |",
            cell(&o.id),
            cell(&o.name),
            cell(&o.target),
            mark(o.verdict),
            cell(&o.value),
            cell(needs)
        );
    }
    let _ = writeln!(out, "\n| play | ending | time | renderer |\n|---|---|---|---|");
    for play in &record.plays {
        let ending = match (&play.ending, &play.reason) {
            (Ending::Passed, None) => "passed".to_owned(),
            (Ending::Passed, Some(as_planned)) => format!("passed: {}", cell(as_planned)),
            (Ending::Undecided, why) => format!("not enough data: {}", cell(why.as_deref().unwrap_or(""))),
            (Ending::Unfinished, _) => "**unfinished**".to_owned(),
            (ending, reason) => {
                format!("**{}**: {}", format!("{ending:?}").to_lowercase(), cell(reason.as_deref().unwrap_or("")))
            }
        };
        let badge = match &play.quarantine {
            Some(entry) => format!("; **{}**", cell(&entry.badge())),
            None => String::new(),
        };
        let repeats = play.repeats.map_or(String::new(), |repeats| format!("; {}", repeats.words()));
        let cause = play.cause().map_or(String::new(), |cause| format!("; {}", cell(&cause)));
        let renderer = play.environment.get("renderer").and_then(|r| r.as_str()).unwrap_or("");
        let _ = writeln!(
            out,
            "| {} | {ending}{repeats}{badge}{cause} | {} | {} |",
            cell(&play.title()),
            show_ms(play.ms),
            cell(renderer)
        );
    }
    out
}

fn mark(verdict: Verdict) -> String {
    let bold = matches!(verdict, Verdict::Breached | Verdict::Broken);
    if bold { format!("**{}**", verdict.name()) } else { verdict.name().to_owned() }
}

/// Text that cannot end its table cell, open a tag or start a mention.
pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "&#124;").replace('<', "&lt;").replace('@', "&#64;").replace(['\n', '\r'], " ")
}
