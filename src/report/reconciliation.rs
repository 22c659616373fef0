//! What the app told of itself against what was seen from outside, play by play.

use super::cell;
use crate::record::Record;
use crate::unit::show_ms;
use std::fmt::Write as _;

pub(super) fn write(record: &Record) -> String {
    let mut out = "## The app's own telemetry\n\n".to_owned();
    out.push_str("What the app told of itself against what was seen from outside. None of it counts as a sample.\n");
    for play in &record.plays {
        let known = &play.reconciliation;
        // Writing to a string cannot fail.
        let _ = writeln!(out, "\n### {}\n", cell(&play.title()));
        if known.told == 0 {
            out.push_str("The app tells nothing.\n");
        } else {
            let ways: Vec<String> = known.ways.iter().map(|(way, n)| format!("{n} by {}", cell(way))).collect();
            let _ = writeln!(
                out,
                "Told: {} ({}). Seen of what it tells of: {}, of them told: {}.",
                known.told,
                ways.join(", "),
                known.seen,
                known.matched
            );
        }
        if known.is_silent() {
            continue;
        }
        if let Some(until) = known.until_ms {
            let _ = writeln!(out, "Compared until {}: there was more than is kept.", show_ms(until));
        }
        if known.findings.is_empty() {
            out.push_str("\nNothing contradicts.\n");
            continue;
        }
        out.push_str("\n| finding | event | times | first | what |\n|---|---|---|---|---|\n");
        for finding in &known.findings {
            let _ = writeln!(
                out,
                "| {} | `{}` | {} | {} | {} |",
                finding.kind.name(),
                cell(&finding.event),
                finding.times,
                show_ms(finding.t_ms),
                cell(&finding.says)
            );
        }
    }
    out
}
