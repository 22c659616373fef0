//! Prometheus rules: a budget that burns too fast over a long window and over a short one. They read two counters, by
//! `objective`, that begin at 0: `soundcheck_samples_total` (for a rate: minutes) and `soundcheck_bad_samples_total`.
//! The guard against few samples is a second failure: PromQL has no binomial test.

use super::{Alert, Objective, Objectives, Target, quoted};
use crate::unit::show_percent;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

/// The recording and alerting rules of these objectives, as a rule file. A goal alerts nobody.
pub fn prometheus(objectives: &Objectives) -> String {
    let windows: BTreeSet<Duration> = objectives.alerts.iter().flat_map(|a| [a.short(), a.long()]).collect();
    let mut out = "# Made by `soundcheck slo --export prometheus`.\n\
        # Counters read, by `objective`, both from 0: soundcheck_samples_total (for a rate: minutes),\n\
        # soundcheck_bad_samples_total.\n\
        groups:\n  - name: soundcheck\n    rules:\n"
        .to_owned();
    for window in windows.into_iter().map(promql) {
        let sum = |counter| format!("sum by (objective) (increase(soundcheck_{counter}_total[{window}]))");
        let expr = format!("{} / {}", sum("bad_samples"), sum("samples"));
        rule(&mut out, "record", &format!("objective:soundcheck_bad:share{window}"), &expr);
    }
    out += "  - name: soundcheck-alerts\n    rules:\n";
    for objective in objectives.all().iter().filter(|o| !o.goal) {
        match objective.target.budget() {
            Some(budget) => {
                for alert in &objectives.alerts {
                    burns(&mut out, objective, alert, budget);
                }
            }
            None => {
                let window = promql(objectives.alerts.iter().map(Alert::long).min().unwrap_or_default());
                rule(&mut out, "alert", "SoundcheckIncident", &format!("{} > 0", bad(objective, &window)));
                let summary = format!("one is too many: {}", objective.target_text);
                labels(&mut out, objective, ("page", &window), &summary);
            }
        }
    }
    out
}

fn burns(out: &mut String, objective: &Objective, alert: &Alert, budget: f64) {
    let (long, short) = (promql(alert.long()), promql(alert.short()));
    let most = alert.burn(objective.window) * budget;
    if most >= 1.0 && !matches!(objective.target, Target::PerMinute(_)) {
        return; // more than all cannot fail
    }
    let name = quoted(&objective.name);
    let fast = |window: &str| format!("objective:soundcheck_bad:share{window}{{objective={name}}} > {most:.6}");
    let expr = format!("{} and {} and {} > 1.5", fast(&long), fast(&short), bad(objective, &long));
    rule(out, "alert", "SoundcheckBudgetBurns", &expr);
    let share = show_percent(alert.budget.0);
    let summary = format!("{share} of the budget of {} within {long}: {}", objective.window, objective.target_text);
    labels(out, objective, (alert.severity.name(), &long), &summary);
}

/// Failures within a window.
fn bad(objective: &Objective, window: &str) -> String {
    let name = quoted(&objective.name);
    format!("sum by (objective) (increase(soundcheck_bad_samples_total{{objective={name}}}[{window}]))")
}

fn rule(out: &mut String, kind: &str, name: &str, expr: &str) {
    // Writing to a string cannot fail. A folded block needs no escapes.
    let _ = writeln!(out, "      - {kind}: {name}\n        expr: >-\n          {expr}");
}

fn labels(out: &mut String, objective: &Objective, (severity, within): (&str, &str), summary: &str) {
    let Objective { id, name, .. } = objective;
    let said = [objective.pillar(), name, &format!("{id} {name}: {summary}")].map(quoted);
    let [pillar, objective, summary] = said;
    let _ = writeln!(
        out,
        "        labels:\n          severity: {severity}\n          within: {within}\n          pillar: {pillar}\n          \
         objective: {objective}\n        annotations:\n          summary: {summary}"
    );
}

/// A duration as PromQL writes it.
fn promql(duration: Duration) -> String {
    match duration.as_secs().max(1) {
        s if s % 3600 == 0 => format!("{}h", s / 3600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}
