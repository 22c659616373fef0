//! The answer in a terminal.

use super::super::{Gate, Line, show_age};
use std::fmt::Write as _;

/// The answer, every line, the sign-off, and the answer again: the last line is what is on the screen.
pub fn write(gate: &Gate) -> String {
    let version = gate.version.as_deref().unwrap_or("(no version)");
    let mut out = format!(
        "{}\n{} {version} in {}, until {}, judged to {}\n\n",
        gate.question,
        gate.app,
        gate.environment,
        gate.until,
        gate.judge.name()
    );
    let wide = gate.lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
    for line in &gate.lines {
        let answer = if line.demanded { line.answer.name().to_owned() } else { format!("({})", line.answer.name()) };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {answer:<18} {:<5}  {:<wide$}  {}", line.id, line.name, line.evidence);
        for said in told(line) {
            let _ = writeln!(out, "  {:28}{:wide$}{said}", "", "");
        }
    }
    let _ = writeln!(out, "\nsign-off");
    for signed in &gate.sign_off {
        let parts = [&signed.by, &signed.date, &signed.link, &signed.why];
        let said: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        let _ = writeln!(out, "  {:<18} {:<11}  {}", signed.decision.name(), signed.role, said.join(", "));
    }
    let _ = writeln!(out, "\n{}: {}", gate.answer(), gate.why());
    out
}

/// The lines below a line: its age and where it is, and what to do.
fn told(line: &Line) -> Vec<String> {
    let mut parts: Vec<String> = line.by.iter().map(|name| format!("by {name}")).collect();
    match (line.age_s, line.fresh_s, &line.expires) {
        (Some(age), _, Some(day)) => parts.push(format!("{} old, through {day}", show_age(age))),
        (Some(age), Some(fresh), None) => {
            parts.push(format!("{} old, at most {}", show_age(age), show_age(fresh as i64)))
        }
        (None, Some(fresh), None) => parts.push(format!("at most {} old", show_age(fresh as i64))),
        _ => {}
    }
    parts.extend(line.link.clone());
    let mut told = vec![parts.join("; ")];
    told.extend(
        line.missing.as_ref().filter(|_| line.demanded || line.expires.is_none()).map(|todo| format!("to do: {todo}")),
    );
    told.retain(|text| !text.is_empty());
    told
}
