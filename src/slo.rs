//! Floor 2, pure. Objective x samples = verdict, with its reason and what is still missing.

use crate::browser::Kind;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::measure::{self, Fold, MEASURES, Measure, Samples};
use crate::source::{Problem, Source};
use crate::stats;
use crate::table::{Row, did_you_mean, find};
use crate::unit::{Time, ms, show_ms, show_percent};
use serde::{Deserialize, Serialize};
use toml::Spanned;

/// The answer to an objective, and to a whole run. In order of weight: breached outranks broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verdict {
    /// Shown to hold.
    #[serde(rename = "met")]
    Met,
    /// Neither shown to hold nor to fail.
    #[serde(rename = "not enough data")]
    NotEnoughData,
    /// The environment, not the app.
    #[serde(rename = "broken")]
    Broken,
    /// Shown to fail.
    #[serde(rename = "breached")]
    Breached,
}

impl Verdict {
    /// As reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::NotEnoughData => "not enough data",
            Verdict::Broken => "broken",
            Verdict::Breached => "breached",
        }
    }
}

/// What must hold of the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// At least this share of trials succeeds.
    Ratio(f64),
    /// This quantile is at most so many milliseconds.
    Quantile(f64, f64),
    /// At most so many events a minute.
    PerMinute(f64),
    /// No value above so many bytes.
    MaxBytes(f64),
}

/// One objective of `slo.toml`.
#[derive(Clone, Debug)]
pub struct Objective {
    /// Requirement it stands for.
    pub id: String,
    /// `pillar.name`.
    pub name: String,
    /// What is measured.
    pub measure: &'static str,
    /// What must hold, as the file says it.
    pub target_text: String,
    /// What must hold.
    pub target: Target,
    /// Only samples of this browser; `None`: of all.
    pub browser: Option<Kind>,
}

impl Objective {
    /// One from its parts in text, as a run records them.
    pub fn new(id: String, name: String, measure: &str, target: &str, browser: Option<&str>) -> Result<Self> {
        let row = find(MEASURES, measure).ok_or_else(|| {
            let help = did_you_mean(measure, MEASURES.iter().map(Row::name));
            Error::author(format!("objective {name}: unknown measure `{measure}`")).remedy(help)
        })?;
        let parsed = parse_target(target).map_err(|why| Error::author(format!("objective {name}: {why}")))?;
        Ok(Self {
            id,
            name,
            measure: row.name(),
            target_text: target.to_owned(),
            target: parsed,
            browser: browser.map(str::parse).transpose()?,
        })
    }
}

/// An objective, judged.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// Requirement.
    pub id: String,
    /// `pillar.name`.
    pub name: String,
    /// What must hold.
    pub target: String,
    /// The answer.
    pub verdict: Verdict,
    /// The value with its interval, for people.
    pub value: String,
    /// Samples, in their own unit.
    pub samples: u64,
    /// What one sample is.
    pub unit: &'static str,
    /// What a proof still needs; `None`: nothing.
    pub needs: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "every file opens with the question it answers; only people read it here")]
    question: String,
    objective: Vec<ObjectiveFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectiveFile {
    id: String,
    name: Spanned<String>,
    measure: Spanned<String>,
    target: Spanned<String>,
    browser: Option<Kind>,
}

/// The objectives of a file.
#[derive(Clone, Debug)]
pub struct Objectives(Vec<Objective>);

impl Objectives {
    /// Reads and checks an objectives file.
    pub fn read(source: &Source) -> Result<Self> {
        let file: File = source.parse()?;
        let mut problems = Vec::new();
        let mut objectives: Vec<Objective> = Vec::new();
        for o in file.objective {
            let row = find(MEASURES, o.measure.get_ref());
            if row.is_none() {
                let help = did_you_mean(o.measure.get_ref(), MEASURES.iter().map(Row::name));
                problems.push(Problem::at(
                    o.measure.span(),
                    format!("unknown measure `{}`", o.measure.get_ref()),
                    help,
                ));
            }
            let target = parse_target(o.target.get_ref()).map_err(|why| {
                let help = "write \"ratio >= 99.5 %\", \"p95 <= 2.0 s\", \"rate <= 0.1 /min\" or \"max <= 150 MB\"";
                problems.push(Problem::at(o.target.span(), why, help));
            });
            let (Some(row), Ok(target)) = (row, target) else { continue };
            let samples = (row.fold)().samples();
            if !fits(&samples, target) {
                let example = match samples {
                    Samples::Trials { .. } => "ratio >= 99.5 %",
                    Samples::Values(_) => "p95 <= 2.0 s",
                    Samples::Bytes(_) => "max <= 150 MB",
                    Samples::Count { .. } => "rate <= 0.1 /min",
                };
                let what = format!("`{}` cannot be judged by `{}`", row.name(), o.target.get_ref());
                problems.push(Problem::at(o.target.span(), what, format!("write for instance \"{example}\"")));
            }
            if objectives.iter().any(|seen| seen.name == *o.name.get_ref()) {
                problems.push(Problem::at(o.name.span(), "two objectives of one name", "rename one"));
            }
            objectives.push(Objective {
                id: o.id,
                name: o.name.into_inner(),
                measure: row.name(),
                target_text: o.target.into_inner(),
                target,
                browser: o.browser,
            });
        }
        if problems.is_empty() { Ok(Self(objectives)) } else { Err(source.error(&problems)) }
    }

    /// The objectives a plan names: `hydra.preset_load`, `video.*`, `*`. Problems are reported in the plan's file.
    pub fn choose(&self, plan: &Source, patterns: &[Spanned<String>]) -> Result<Vec<Objective>> {
        let matches = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        };
        let unmatched: Vec<Problem> = patterns
            .iter()
            .filter(|p| !self.0.iter().any(|o| matches(p.get_ref(), &o.name)))
            .map(|p| {
                let help = did_you_mean(p.get_ref(), self.0.iter().map(|o| o.name.as_str()));
                Problem::at(p.span(), format!("no objective matches `{}`", p.get_ref()), help)
            })
            .collect();
        if !unmatched.is_empty() {
            return Err(plan.error(&unmatched));
        }
        Ok(self.0.iter().filter(|o| patterns.iter().any(|p| matches(p.get_ref(), &o.name))).cloned().collect())
    }

    /// All of them.
    pub fn all(&self) -> &[Objective] {
        &self.0
    }
}

fn parse_target(text: &str) -> Result<Target, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [what, op, rest @ ..] = words.as_slice() else { return Err(format!("`{text}` is no target")) };
    let rest = rest.join(" ");
    let number = |unit: &str| {
        let digits = rest.strip_suffix(unit).ok_or(format!("`{rest}` is not in `{unit}`"))?.trim();
        digits.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0).ok_or(format!("`{digits}` is no number"))
    };
    match (*what, *op) {
        ("ratio", ">=") => match number("%")? {
            percent if (0.0..=100.0).contains(&percent) => Ok(Target::Ratio(percent / 100.0)),
            percent => Err(format!("{percent} % is out of bounds")),
        },
        ("rate", "<=") => Ok(Target::PerMinute(number("/min")?)),
        ("max", "<=") => Ok(Target::MaxBytes(number("MB")? * 1e6)),
        (p, "<=") if p.starts_with('p') => {
            let percent = p[1..].parse::<f64>().map_err(|_| format!("`{p}` is no percentile"))?;
            if !(percent > 0.0 && percent < 100.0) {
                return Err(format!("`{p}` is out of bounds"));
            }
            Ok(Target::Quantile(percent / 100.0, ms(Time::parse(&rest)?.0)))
        }
        _ => Err(format!("`{what} {op}` is not known")),
    }
}

fn fits(samples: &Samples, target: Target) -> bool {
    matches!(
        (samples, target),
        (Samples::Trials { .. }, Target::Ratio(_))
            | (Samples::Values(_), Target::Quantile(..))
            | (Samples::Bytes(_), Target::MaxBytes(_))
            | (Samples::Count { .. }, Target::PerMinute(_))
    )
}

/// An objective with the fold that feeds it.
pub struct Judging {
    objective: Objective,
    measure: &'static Measure,
    fold: Box<dyn Fold>,
    /// What was seen on a machine that others kept busy: no sample, but said.
    left_out: Box<dyn Fold>,
}

impl Judging {
    /// Starts with no sample.
    pub fn new(objective: &Objective) -> Option<Self> {
        let measure = find(MEASURES, objective.measure)?;
        Some(Self { objective: objective.clone(), measure, fold: (measure.fold)(), left_out: (measure.fold)() })
    }

    /// Takes an event, if it is of the population judged.
    pub fn feed(&mut self, event: &Event) {
        let wanted = self.objective.browser.map(Kind::name);
        if wanted.is_none() || wanted == event.ids.browser.as_deref() {
            let fold = if measure::busy(event) { &mut self.left_out } else { &mut self.fold };
            fold.feed(event);
        }
    }

    /// The objective.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// Whether any sample fails the target by itself, however few there are: the alarm rang.
    pub fn saw_failure(&self) -> bool {
        match (self.fold.samples(), self.objective.target) {
            (Samples::Trials { good, total }, Target::Ratio(_)) => good < total,
            (Samples::Values(values), Target::Quantile(_, most)) => values.iter().any(|v| *v > most),
            (Samples::Bytes(values), Target::MaxBytes(most)) => values.iter().any(|v| *v > most),
            (Samples::Count { count, .. }, Target::PerMinute(_)) => count > 0,
            _ => false,
        }
    }

    /// The objective's answer.
    pub fn judge(&self) -> Judged {
        let samples = self.fold.samples();
        let (verdict, mut value, mut needs) = judge(&samples, self.objective.target);
        let left_out = self.left_out.samples().len();
        if left_out > 0 {
            value = format!("{value}; {left_out} left out: busy host");
        }
        if samples.is_empty() {
            needs = Some(format!("a first {}", self.measure.unit));
        }
        Judged {
            id: self.objective.id.clone(),
            name: self.objective.name.clone(),
            target: self.objective.target_text.clone(),
            verdict,
            value,
            samples: samples.len(),
            unit: self.measure.unit,
            needs,
        }
    }
}

/// Exact one-sided bounds on both sides of the target: met above, breached below, not enough data between.
fn judge(samples: &Samples, target: Target) -> (Verdict, String, Option<String>) {
    if samples.is_empty() {
        return (Verdict::NotEnoughData, "no sample".to_owned(), Some("a first sample".to_owned()));
    }
    match (samples, target) {
        (Samples::Trials { good, total }, Target::Ratio(wanted)) => ratio(*good, *total, wanted),
        (Samples::Values(values), Target::Quantile(q, wanted)) => quantile(values, q, wanted),
        (Samples::Bytes(values), Target::MaxBytes(wanted)) => largest(values, wanted),
        (Samples::Count { count, minutes }, Target::PerMinute(wanted)) => rate(*count, *minutes, wanted),
        // Objectives::read refuses such a pair; a verdict on it would be a guess.
        _ => (Verdict::NotEnoughData, "the measure does not fit the target".to_owned(), None),
    }
}

fn ratio(good: u64, total: u64, wanted: f64) -> (Verdict, String, Option<String>) {
    let (low, high) = stats::wilson(good, total);
    let value = format!("{good} of {total} [{} .. {}]", show_percent(low), show_percent(high));
    if stats::ratio_lower(good, total) >= wanted {
        (Verdict::Met, value, None)
    } else if stats::ratio_upper(good, total) < wanted {
        (Verdict::Breached, value, None)
    } else {
        let needs = stats::clean_runs_needed(good, total, wanted).map(|n| format!("{n} more without a failure"));
        (Verdict::NotEnoughData, value, needs)
    }
}

/// One slow value proves nothing about a percentile: alone it could breach p95 in one run of twenty of an app that is
/// exactly as quick as it must be.
const SLOW_VALUES: usize = 2;

fn quantile(values: &[f64], q: f64, wanted: f64) -> (Verdict, String, Option<String>) {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = stats::quantile_bounds(&sorted, q);
    let show = |bound: Option<f64>| bound.map_or("not estimable".to_owned(), show_ms);
    let worst = sorted.last().copied().unwrap_or(f64::INFINITY);
    let estimate = match high {
        Some(high) => format!("p{} {} <= {}", q * 100.0, show(stats::quantile(&sorted, q)), show_ms(high)),
        None => format!(
            "p{} not estimable, median {}, worst {}",
            q * 100.0,
            show(stats::quantile(&sorted, 0.5)),
            show_ms(worst)
        ),
    };
    if high.is_some_and(|h| h <= wanted) {
        (Verdict::Met, estimate, None)
    } else if low.is_some_and(|l| l > wanted) && sorted.iter().filter(|v| **v > wanted).count() >= SLOW_VALUES {
        (Verdict::Breached, format!("{estimate}, at least {}", show(low)), None)
    } else {
        let more = stats::values_needed(q).saturating_sub(sorted.len() as u64).max(1);
        (Verdict::NotEnoughData, estimate, Some(format!("{more} more, all in time")))
    }
}

fn largest(values: &[f64], wanted: f64) -> (Verdict, String, Option<String>) {
    let worst = values.iter().copied().filter(|v| !v.is_nan()).fold(f64::NEG_INFINITY, f64::max);
    let value = format!("{:.0} MB", worst / 1e6);
    let verdict = match worst {
        _ if worst.is_infinite() => Verdict::NotEnoughData,
        _ if worst <= wanted => Verdict::Met,
        _ => Verdict::Breached,
    };
    (verdict, value, None)
}

fn rate(count: u64, minutes: f64, wanted: f64) -> (Verdict, String, Option<String>) {
    let (low, high) = stats::rate_bounds(count, minutes);
    let value = format!("{count} in {minutes:.1} min [{low:.2} .. {high:.2} /min]");
    if high <= wanted {
        (Verdict::Met, value, None)
    } else if low > wanted {
        (Verdict::Breached, value, None)
    } else {
        let more = stats::exposure_needed(count, minutes, wanted);
        (Verdict::NotEnoughData, value, Some(format!("{more:.1} more quiet minutes")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn targets_read_as_they_are_written() {
        assert_eq!(parse_target("ratio >= 99.5 %"), Ok(Target::Ratio(0.995)));
        assert_eq!(parse_target("p95 <= 2.0 s"), Ok(Target::Quantile(0.95, 2000.0)));
        assert_eq!(parse_target("rate <= 0.1 /min"), Ok(Target::PerMinute(0.1)));
        assert_eq!(parse_target("max <= 150 MB"), Ok(Target::MaxBytes(150e6)));
        for bad in
            ["", "ratio", "ratio >= 120 %", "p0 <= 2 s", "p100 <= 2 s", "ratio <= 3 %", "p95 <= 2", "max <= NaN MB"]
        {
            assert!(parse_target(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn no_sample_never_passes() {
        for (samples, target) in [
            (Samples::Trials { good: 0, total: 0 }, Target::Ratio(0.5)),
            (Samples::Values(vec![]), Target::Quantile(0.95, 1.0)),
            (Samples::Bytes(vec![f64::NAN]), Target::MaxBytes(1.0)),
            (Samples::Count { count: 0, minutes: 0.0 }, Target::PerMinute(1.0)),
        ] {
            assert_eq!(judge(&samples, target).0, Verdict::NotEnoughData, "{samples:?}");
        }
    }

    #[test]
    fn the_three_answers() {
        let trials = |good, total| judge(&Samples::Trials { good, total }, Target::Ratio(0.995)).0;
        assert_eq!(trials(598, 598), Verdict::Met);
        assert_eq!(trials(597, 597), Verdict::NotEnoughData);
        assert_eq!(trials(9, 10), Verdict::Breached);
        let never = |n| judge(&Samples::Values(vec![f64::INFINITY; n]), Target::Quantile(0.95, 2000.0)).0;
        // Two of two too slow: under a p95 that holds, one in 400. One alone proves nothing.
        assert_eq!((never(1), never(2)), (Verdict::NotEnoughData, Verdict::Breached));
        let never = Samples::Values([vec![1.0; 5], vec![f64::INFINITY; 5]].concat());
        assert_eq!(judge(&never, Target::Quantile(0.95, 2000.0)).0, Verdict::Breached);
        let quick = Samples::Values(vec![10.0; 59]);
        assert_eq!(judge(&quick, Target::Quantile(0.95, 2000.0)).0, Verdict::Met);
    }

    proptest! {
        #[test]
        fn more_failures_never_turn_a_breach_into_anything_better(good in 0_u64..300, bad in 0_u64..30, wanted in 0.5..0.999) {
            let verdict = |bad| judge(&Samples::Trials { good, total: good + bad }, Target::Ratio(wanted)).0;
            prop_assert!(verdict(bad + 1) >= verdict(bad) || verdict(bad) == Verdict::NotEnoughData);
            prop_assert!(verdict(bad) != Verdict::Met || bad == 0 || good > 0);
        }
    }
}
