//! The runs of a history, in a terminal: a line a run, how many were flaky, and each measure by day.

use super::sparkline::sparkline;
use crate::history::{Drifted, Overview, Trend};
use crate::unit::{many, show_ms, show_percent};
use jiff::Timestamp;
use jiff::civil::Date;
use std::fmt::Write as _;

/// The runs, oldest first, and what they come to.
pub fn write(overview: &Overview) -> String {
    let rows: Vec<[String; 6]> = overview
        .runs
        .iter()
        .map(|listed| {
            let run = &listed.run;
            let begun = Timestamp::from_millisecond(run.started).unwrap_or_default();
            let retries = match listed.retries {
                0 => String::new(),
                n => format!(", {}", many(n, "retry", "retries")),
            };
            let more = |n: u64, what: &str| if n > 0 { format!(", {n} {what}") } else { String::new() };
            let (flaky, again) = (more(listed.flaky, "flaky"), more(listed.diagnoses, "to diagnose"));
            let borne = more(listed.quarantined, "quarantined");
            let cut = if run.complete { "" } else { ", cut short" };
            [
                begun.strftime("%Y-%m-%d %H:%MZ").to_string(),
                run.plan.clone(),
                format!("{} {}", run.app, run.app_version).trim().to_owned(),
                run.verdict.clone(),
                format!(
                    "{} of {} passed{retries}{again}{flaky}{borne}{cut}",
                    listed.passed,
                    many(listed.plays, "play", "plays")
                ),
                run.run_id.clone(),
            ]
        })
        .collect();
    let mut wide = [0; 6];
    for row in &rows {
        wide.iter_mut().zip(row).for_each(|(wide, cell)| *wide = (*wide).max(cell.chars().count()));
    }
    let mut out = String::new();
    // Writing to a string cannot fail.
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(wide).map(|(cell, wide)| format!("{cell:<wide$}")).collect();
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
    let _ = writeln!(
        out,
        "{}{}; {} of {} first attempts flaky [{} .. {}]; {}",
        if rows.is_empty() { "" } else { "\n" },
        many(rows.len() as u64, "run", "runs"),
        overview.flaky,
        overview.first_attempts,
        show_percent(overview.flake_rate.0),
        show_percent(overview.flake_rate.1),
        many(overview.retries, "retry", "retries")
    );
    out + &trends(&overview.trends)
}

/// So many days fit a line.
const DAYS: usize = 60;

fn trends(trends: &[Trend]) -> String {
    let all = || trends.iter().flat_map(|t| t.days.keys().copied());
    let (Some(first), Some(last)) = (all().min(), all().max()) else { return String::new() };
    let mut days: Vec<Date> = first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last).collect();
    days.drain(..days.len().saturating_sub(DAYS));
    let mut out = format!("\nby day (UTC), {} .. {last}\n", days[0]);
    let wide = trends.iter().map(|t| t.measure.len()).max().unwrap_or(0);
    for trend in trends {
        let show = |value: f64| match trend.value {
            "share" => show_percent(value),
            "p95 ms" => show_ms(value),
            "most bytes" => format!("{:.0} MB", value / 1e6),
            _ => format!("{value:.2} /min"),
        };
        let values: Vec<Option<f64>> = days.iter().map(|day| trend.days.get(day).map(|(value, _)| *value)).collect();
        let known = || values.iter().flatten().copied();
        let Some(latest) = known().last() else { continue };
        let (least, most) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
        let _ = writeln!(
            out,
            "  {:<wide$}  {}  {} .. {}, last {}",
            trend.measure,
            sparkline(&values),
            show(least),
            show(most),
            show(latest)
        );
        for Drifted { browser, since, times } in &trend.drifts {
            let _ = writeln!(out, "  {:<wide$}  in {browser} {times:.2} times as much since {since}", "");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Listed, Run};

    #[test]
    fn a_line_a_run_and_what_they_come_to() {
        let run = |run_id: &str, plan: &str, complete| Run {
            run_id: run_id.to_owned(),
            started: 1_795_348_800_000,
            plan: plan.to_owned(),
            app: "stage".to_owned(),
            verdict: "met".to_owned(),
            complete,
            ..Run::default()
        };
        let versioned = Run { app_version: "2.1".to_owned(), ..run("a2", "nightly", false) };
        let runs = vec![
            Listed { run: run("a1", "smoke", true), plays: 1, passed: 1, ..Listed::default() },
            Listed { run: versioned, plays: 8, passed: 6, retries: 1, flaky: 2, diagnoses: 3, quarantined: 1 },
        ];
        let (first_attempts, flaky, retries) = (8, 2, 1);
        let overview =
            Overview { runs, first_attempts, flaky, flake_rate: (0.07, 0.59), retries, ..Overview::default() };
        let wanted = "\
2026-11-22 12:00Z  smoke    stage      met  1 of 1 play passed                                                              a1
2026-11-22 12:00Z  nightly  stage 2.1  met  6 of 8 plays passed, 1 retry, 3 to diagnose, 2 flaky, 1 quarantined, cut short  a2

2 runs; 2 of 8 first attempts flaky [7 % .. 59 %]; 1 retry
";
        assert_eq!(write(&overview), wanted);
    }

    #[test]
    fn a_measure_is_a_line_of_at_most_sixty_days() {
        let trend = |measure: &str, value, days: &[(i8, i8, f64)]| Trend {
            measure: measure.to_owned(),
            value,
            days: days.iter().map(|(month, day, v)| (jiff::civil::date(2026, *month, *day), (*v, 1))).collect(),
            drifts: Vec::new(),
        };
        let grown = Drifted { browser: "firefox".to_owned(), since: jiff::civil::date(2026, 11, 29), times: 1.5 };
        let all = [
            trend("preset load", "share", &[(11, 27, 0.5), (11, 30, 1.0)]),
            trend("video", "p95 ms", &[(11, 28, 900.0), (11, 29, f64::INFINITY)]),
            Trend { drifts: vec![grown], ..trend("memory", "most bytes", &[(11, 29, 2e7)]) },
            trend("stalls", "per minute", &[(11, 29, 0.25)]),
        ];
        let wanted = "
by day (UTC), 2026-11-27 .. 2026-11-30
  preset load  ▁··█  50 % .. 100 %, last 100 %
  video        ·▄█·  900 ms .. never, last never
  memory       ··▄·  20 MB .. 20 MB, last 20 MB
               in firefox 1.50 times as much since 2026-11-29
  stalls       ··▄·  0.25 /min .. 0.25 /min, last 0.25 /min
";
        assert_eq!(trends(&all), wanted);
        let long =
            trends(&[trend("old", "share", &[(9, 1, 1.0)]), trend("new", "share", &[(9, 2, 0.0), (10, 31, 1.0)])]);
        let line = format!("  new  ▁{}█  0 % .. 100 %, last 100 %\n", "·".repeat(58));
        assert_eq!(long, format!("\nby day (UTC), 2026-09-02 .. 2026-10-31\n{line}"), "what is older has no line");
        assert_eq!(trends(&[]), "");
    }
}
