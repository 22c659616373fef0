//! P1: every objective, by plays of this version alone. What is too little data is judged as the file says: to prove it is
//! NO-GO, to refute it decides nothing. Nothing else is ever relaxed.

use super::super::context::show_refused;
use super::super::{Context, Demand, Line};
use super::{at_most, fresh, without};
use crate::error::Error;
use crate::plan::Judge;
use crate::slo::{Stands, Verdict};
use crate::source::Problem;
use crate::unit::Time;
use jiff::Timestamp;
use serde::Deserialize;

/// The table: how old an objective's newest sample may be.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standings {
    fresh: Option<Time>,
}

impl Demand for Standings {
    fn check(&self, _app: &str, _problems: &mut Vec<Problem>) {}

    fn words(&self) -> Vec<String> {
        vec![format!("every objective is met by plays of this version, its newest sample {}", at_most(self.fresh))]
    }

    fn judge(&self, asked: &mut Context) -> Vec<Line> {
        let whole = |error: &Error| vec![without(Line::of("P1", "objectives"), error)];
        let (standing, refused) = match asked.standing().and_then(|standing| Ok((standing, asked.refused()?))) {
            Ok(found) => found,
            Err(e) => return whole(&e),
        };
        let version = asked.version().cloned().unwrap_or_default();
        let refused = show_refused(&refused, &version);
        let mut lines: Vec<Line> =
            standing.objectives.iter().map(|stands| self.line(stands, refused.as_deref(), asked)).collect();
        if standing.objectives.iter().all(|stands| stands.judged.goal) {
            lines.push(
                Line::of("P1", "objectives").lacks("none is demanded", "objectives in slo.toml that are no goals"),
            );
        }
        lines
    }
}

impl Standings {
    fn line(&self, stands: &Stands, refused: Option<&str>, asked: &Context) -> Line {
        let judged = &stands.judged;
        let mut line = Line::of(&judged.id, &judged.name);
        let needs = judged.needs.as_ref().map(|needs| format!("needs {needs}"));
        line = match judged.verdict {
            Verdict::Met if judged.samples > 0 => line.says(Verdict::Met, &judged.value),
            Verdict::Met | Verdict::NotEnoughData => {
                let refused = refused.filter(|_| judged.samples == 0).map_or(String::new(), |text| format!("; {text}"));
                line.lacks(format!("{}{refused}", judged.value), needs.unwrap_or_else(|| "a first sample".to_owned()))
            }
            answer => line.says(answer, &judged.value).todo(format!("{} again", judged.target)),
        };
        // What is too old is not too little.
        let relaxed = asked.judge() == Judge::Refute && line.answer == Verdict::NotEnoughData;
        line.evidence = format!("{} over {} d: {}", judged.target, stands.window, line.evidence);
        let limit = fresh(self.fresh);
        line = match stands.newest.and_then(|at| Timestamp::from_millisecond(at).ok()) {
            None => Line { fresh_s: Some(limit.as_secs()), ..line },
            newest => line.dated(newest, limit, asked.until()),
        };
        Line { demanded: !judged.goal && !relaxed, ..line }
    }
}
