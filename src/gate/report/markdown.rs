//! Markdown: a table of the lines, and the sign-off block.

use super::super::{Gate, Line, show_age};
use crate::report::cell;
use crate::slo::Verdict;
use std::fmt::Write as _;

pub(super) fn write(gate: &Gate) -> String {
    let sign = if gate.go() { "✅" } else { "❌" };
    let version = gate.version.as_deref().unwrap_or("(no version)");
    let mut out = format!("## {sign} {}: {} {}\n\n", gate.answer(), cell(&gate.app), cell(version));
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{} Asked about {} until {}, judged to {}: {}.\n",
        cell(&gate.question),
        cell(&gate.environment),
        gate.until,
        gate.judge.name(),
        gate.why()
    );
    let _ = writeln!(
        out,
        "| line | answer | evidence | age | at most | attested by | to do |\n|---|---|---|---|---|---|---|"
    );
    for line in &gate.lines {
        let _ = writeln!(out, "{}", row(line));
    }
    let _ = writeln!(out, "\n### Sign-off\n\n| role | decision | who | date | evidence |\n|---|---|---|---|---|");
    for signed in &gate.sign_off {
        let text = |own: &Option<String>| cell(own.as_deref().unwrap_or(""));
        let why = signed.why.as_ref().map_or(String::new(), |why| format!(" ({})", cell(why)));
        let _ = writeln!(
            out,
            "| {} | **{}**{why} | {} | {} | {} |",
            signed.role,
            signed.decision.name(),
            text(&signed.by),
            text(&signed.date),
            text(&signed.link)
        );
    }
    out
}

fn row(line: &Line) -> String {
    let answer = match line.answer {
        Verdict::Met => "met".to_owned(),
        _ if !line.demanded => format!("{}, not demanded", line.answer.name()),
        answer => format!("**{}**", answer.name()),
    };
    let link = line.link.as_ref().map_or(String::new(), |link| format!(" ({})", cell(link)));
    let age = line.age_s.map_or(String::new(), show_age);
    let limit = match (line.fresh_s, &line.expires) {
        (_, Some(day)) => format!("through {day}"),
        (Some(fresh), None) => show_age(fresh as i64),
        (None, None) => String::new(),
    };
    format!(
        "| {} {} | {answer} | {}{link} | {age} | {limit} | {} | {} |",
        cell(&line.id),
        cell(&line.name),
        cell(&line.evidence),
        cell(line.by.as_deref().unwrap_or("")),
        cell(line.missing.as_deref().unwrap_or(""))
    )
}
