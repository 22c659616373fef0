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
    let _ = writeln!(out, "## {sign} Soundcheck `{}`: {}\n", about("plan"), verdict.name());
    let _ = writeln!(out, "{} ({}, {})\n", about("question"), about("app"), about("base"));
    if let Some(cause) = record.first_cause() {
        let _ = writeln!(out, "> **First cause:** {}\n", cell(&cause));
    }
    let _ = writeln!(out, "| objective | target | verdict | measured | still needed |\n|---|---|---|---|---|");
    for o in &record.objectives {
        let needs = o.needs.as_deref().unwrap_or("");
        let _ = writeln!(
            out,
            "| {} `{}` | {} | {} | {} | {} |",
            o.id,
            o.name,
            o.target,
            mark(o.verdict),
            cell(&o.value),
            cell(needs)
        );
    }
    let _ = writeln!(out, "\n| play | ending | time | renderer |\n|---|---|---|---|");
    for play in &record.plays {
        let ending = match (&play.ending, &play.reason) {
            (Ending::Passed, _) => "passed".to_owned(),
            (ending, reason) => {
                format!("**{}**: {}", format!("{ending:?}").to_lowercase(), cell(reason.as_deref().unwrap_or("")))
            }
        };
        let renderer = play.environment.get("renderer").and_then(|r| r.as_str()).unwrap_or("");
        let _ = writeln!(out, "| {} | {ending} | {} | {} |", play.title(), show_ms(play.ms), cell(renderer));
    }
    out
}

fn mark(verdict: Verdict) -> String {
    let bold = matches!(verdict, Verdict::Breached | Verdict::Broken);
    if bold { format!("**{}**", verdict.name()) } else { verdict.name().to_owned() }
}

/// Text that cannot end its table cell, open a tag or start a mention.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('@', "&#64;").replace(['\n', '\r'], " ")
}
