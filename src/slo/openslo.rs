//! OpenSLO v1 documents: a service for each pillar, an SLO for each objective.

use super::{Objective, Objectives, Target, quoted};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The objectives as OpenSLO, one YAML stream.
pub fn openslo(objectives: &Objectives) -> String {
    let mut out = "# Made by `soundcheck slo --export openslo`.\n".to_owned();
    let pillars: BTreeSet<&str> = objectives.all().iter().map(Objective::pillar).collect();
    for pillar in pillars {
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "---\napiVersion: openslo/v1\nkind: Service\nmetadata:\n  name: {}\nspec:\n  description: {}\n",
            dns(pillar),
            quoted(&objectives.question)
        );
    }
    for objective in objectives.all() {
        document(&mut out, objective);
    }
    out
}

fn document(out: &mut String, objective: &Objective) {
    let Objective { id, name, target_text, window, .. } = objective;
    let (measure, service) = (objective.measure, dns(objective.pillar()));
    let [words, _] = objective.words();
    let _ = write!(
        out,
        "---\napiVersion: openslo/v1\nkind: SLO\nmetadata:\n  name: {}\n  displayName: {}\n  annotations:\n    \
         soundcheck/id: {}\n    soundcheck/target: {}\nspec:\n  description: {}\n  service: {service}\n  \
         budgetingMethod: Occurrences\n  timeWindow:\n    - duration: {}d\n      isRolling: true\n  indicator:\n    \
         metadata:\n      name: {}\n    spec:\n",
        dns(name),
        quoted(name),
        quoted(id),
        quoted(target_text),
        quoted(&words),
        window.0,
        dns(&format!("{name}-{measure}")),
    );
    let source = |indent: &str, query: &str| {
        format!(
            "{indent}metricSource:\n{indent}  type: Prometheus\n{indent}  spec:\n{indent}    query: {}\n",
            quoted(query)
        )
    };
    let counter = |counter: &str| format!("soundcheck_{counter}_total{{objective={}}}", quoted(name));
    let (bad, total) = (counter("bad_samples"), counter("samples"));
    let ratio = |target: f64| {
        format!(
            "      ratioMetric:\n        counter: true\n        bad:\n{}        total:\n{}  objectives:\n    - target: {}\n",
            source("          ", &bad),
            source("          ", &total),
            (target * 1e6).round() / 1e6,
        )
    };
    *out += &match objective.target {
        Target::Ratio(target) | Target::Quantile(target, _) => ratio(target),
        // OpenSLO wants a target below 1; the annotation has the true one.
        Target::NoneIn(trials) => ratio(1.0 - 1.0 / trials.max(2) as f64),
        Target::MaxBytes(_) => ratio(0.999_999),
        Target::PerMinute(rate) => {
            let query = format!("sum(rate({bad}[1h])) / sum(rate({total}[1h]))");
            // Each hour may be above the rate by chance: nineteen of twenty must not.
            format!(
                "      thresholdMetric:\n{}  objectives:\n    - op: lte\n      value: {rate}\n      target: 0.95\n",
                source("        ", &query)
            )
        }
    };
}

/// A name as RFC 1123 has them: `hydra.preset_load` is `hydra-preset-load`.
fn dns(name: &str) -> String {
    let kept = name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    kept.trim_matches('-').chars().take(63).collect()
}
