//! What must hold, as `slo.toml` says it, and the answer samples give: met, breached, or not enough data. A measurement
//! without a usable time is held against *met* as if it had gone wrong, and shows no breach: it was the instrument's.

use super::Verdict;
use crate::measure::{Samples, times};
use crate::stats::{self, Exposure, Spent};
use crate::unit::{Time, ms, show_ms, show_percent};

/// What must hold of the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// At least this share of trials succeeds.
    Ratio(f64),
    /// None fails, shown by no fewer trials than these.
    NoneIn(u64),
    /// This quantile is at most so many milliseconds.
    Quantile(f64, f64),
    /// At most so many events a minute.
    PerMinute(f64),
    /// No value above so many bytes.
    MaxBytes(f64),
}

impl Target {
    /// Every form, for help.
    pub(super) const FORMS: &str = "write \"ratio >= 99.5 %\", \"none in >= 1000\", \"p95 <= 2.0 s\", \
        \"rate <= 0.1 /min\" or \"max <= 150 MB\"";

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        if let ["none", "in", ">=", trials] = words.as_slice() {
            let trials = trials.parse().ok().filter(|n| *n > 0);
            return trials.map(Target::NoneIn).ok_or("`none in` wants a whole number, more than 0".to_owned());
        }
        let [what, op, rest @ ..] = words.as_slice() else { return Err(format!("`{text}` is no target")) };
        let rest = rest.join(" ");
        let number = |unit: &str| {
            let digits = rest.strip_suffix(unit).ok_or(format!("`{rest}` is not in `{unit}`"))?.trim();
            digits.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0).ok_or(format!("`{digits}` is no number"))
        };
        match (*what, *op) {
            ("ratio", ">=") => match number("%")? {
                0.0 => Err("0 % demands nothing: whatever fails meets it".to_owned()),
                percent if (0.0..100.0).contains(&percent) => Ok(Target::Ratio(percent / 100.0)),
                100.0 => Err("no number of samples proves 100 %: `none in >= 1000` says what is meant".to_owned()),
                percent => Err(format!("{percent} % is out of bounds")),
            },
            ("rate", "<=") => match number("/min")? {
                0.0 => Err("no time proves a rate of 0".to_owned()),
                rate => Ok(Target::PerMinute(rate)),
            },
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

    /// Whether such samples can be judged by it.
    pub(super) fn fits(self, samples: &Samples) -> bool {
        matches!(
            (samples, self),
            (Samples::Trials { .. }, Target::Ratio(_) | Target::NoneIn(_))
                | (Samples::Values(_), Target::Quantile(..))
                | (Samples::Bytes(_), Target::MaxBytes(_))
                | (Samples::Count { .. }, Target::PerMinute(_))
        )
    }

    /// A target that would fit such samples.
    pub(super) fn example(samples: &Samples) -> &'static str {
        match samples {
            Samples::Trials { .. } => "ratio >= 99.5 %",
            Samples::Values(_) => "p95 <= 2.0 s",
            Samples::Bytes(_) => "max <= 150 MB",
            Samples::Count { .. } => "rate <= 0.1 /min",
        }
    }

    /// What proves it from nothing, in words.
    pub fn proof(self) -> String {
        match self {
            Target::Ratio(wanted) => match stats::clean_runs_needed(0, 0, wanted) {
                Some(n) => format!("needs {n} clean"),
                None => "cannot be proved".to_owned(),
            },
            Target::NoneIn(trials) => {
                let shown = 1.0 - stats::ratio_lower(trials, trials);
                format!("needs {trials} clean, which show at most {:.2} %; one that is not breaches it", shown * 100.0)
            }
            Target::Quantile(q, _) => format!("needs {} values, all in time", stats::values_needed(q)),
            Target::PerMinute(rate) => {
                format!("needs {:.0} quiet minutes", stats::exposure_needed(0, 0.0, rate).ceil())
            }
            Target::MaxBytes(_) => "needs 1; each is judged by itself".to_owned(),
        }
    }

    /// The share of samples (for a rate: events a minute) that may go wrong; `None`: one is too many, there is no
    /// budget to burn.
    pub fn budget(self) -> Option<f64> {
        match self {
            Target::Ratio(wanted) => Some(1.0 - wanted),
            Target::Quantile(q, _) => Some(1.0 - q),
            Target::PerMinute(rate) => Some(rate),
            Target::NoneIn(_) | Target::MaxBytes(_) => None,
        }
    }

    /// How many samples go wrong by this target, and of how many.
    pub fn spent(self, samples: &Samples) -> Spent {
        let (bad, of) = match (samples, self) {
            (Samples::Trials { good, total }, _) => (total.saturating_sub(*good), Exposure::Trials(*total)),
            (Samples::Values(values), Target::Quantile(_, most)) => {
                (values.iter().filter(|v| **v > most).count() as u64, Exposure::Trials(samples.len()))
            }
            (Samples::Bytes(values), Target::MaxBytes(most)) => {
                let sizes = values.iter().map(|v| if is_size(*v) { *v } else { f64::INFINITY });
                (sizes.filter(|v| *v > most).count() as u64, Exposure::Trials(samples.len()))
            }
            (Samples::Count { count, minutes, .. }, _) => (*count, Exposure::Minutes(*minutes)),
            _ => (0, Exposure::Trials(0)),
        };
        Spent { bad, of }
    }

    /// Exact one-sided bounds on both sides of the target: met above, breached below, not enough data between. The
    /// answer, the value for people, and what a proof still needs.
    pub fn judge(self, samples: &Samples) -> (Verdict, String, Option<String>) {
        if samples.is_empty() {
            return (Verdict::NotEnoughData, "no sample".to_owned(), Some("a first sample".to_owned()));
        }
        match (samples, self) {
            (Samples::Trials { good, total }, Target::Ratio(wanted)) => ratio(*good, *total, wanted),
            (Samples::Trials { good, total }, Target::NoneIn(trials)) => none(*good, *total, trials),
            (Samples::Values(values), Target::Quantile(q, wanted)) => quantile(values, q, wanted),
            (Samples::Bytes(values), Target::MaxBytes(wanted)) => largest(values, wanted),
            (Samples::Count { count, minutes, lost }, Target::PerMinute(wanted)) => {
                rate(*count, *minutes, *lost, wanted)
            }
            // Objectives::read refuses such a pair; a verdict on it would be a guess.
            _ => (Verdict::NotEnoughData, "the measure does not fit the target".to_owned(), None),
        }
    }
}

fn ratio(good: u64, total: u64, wanted: f64) -> (Verdict, String, Option<String>) {
    let good = good.min(total);
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

fn none(good: u64, total: u64, trials: u64) -> (Verdict, String, Option<String>) {
    let bad = total.saturating_sub(good);
    let value = format!("{bad} in {total}");
    match trials.saturating_sub(total) {
        _ if bad > 0 => (Verdict::Breached, value, None),
        0 => (Verdict::Met, value, None),
        more => (Verdict::NotEnoughData, value, Some(format!("{more} more without a failure"))),
    }
}

/// Whether it is a size: also the infinite one of what could not be told.
fn is_size(bytes: f64) -> bool {
    bytes >= 0.0
}

/// One slow value proves nothing about a percentile: alone it could breach p95 in one run of twenty of an app that is
/// exactly as quick as it must be.
const SLOW_VALUES: usize = 2;

fn quantile(values: &[f64], q: f64, wanted: f64) -> (Verdict, String, Option<String>) {
    let mut times = times(values);
    let (low, high) = stats::quantile_bounds(&mut times, q);
    let quick = times.iter().filter(|v| **v <= wanted).count();
    let show = |bound: Option<f64>| bound.map_or("not estimable".to_owned(), show_ms);
    let estimate = match high {
        Some(high) => format!("p{} {} <= {}", q * 100.0, show(stats::quantile(&mut times, q)), show_ms(high)),
        None => {
            let worst = times.iter().copied().reduce(f64::max).unwrap_or(f64::INFINITY);
            let median = show(stats::quantile(&mut times, 0.5));
            format!("p{} not estimable, median {median}, worst {}", q * 100.0, show_ms(worst))
        }
    };
    // Its upper bound is in time where so many successes would show a ratio of `q`: of all, as if those without a usable
    // time had never come.
    let more = || stats::clean_runs_needed(quick as u64, values.len() as u64, q);
    let whole = times.len() == values.len();
    if high.is_some_and(|h| h <= wanted) && (whole || more() == Some(0)) {
        (Verdict::Met, estimate, None)
    } else if low.is_some_and(|l| l > wanted) && times.len() - quick >= SLOW_VALUES {
        (Verdict::Breached, format!("{estimate}, at least {}", show(low)), None)
    } else {
        (Verdict::NotEnoughData, estimate, more().map(|more| format!("{} more, all in time", more.max(1))))
    }
}

fn largest(values: &[f64], wanted: f64) -> (Verdict, String, Option<String>) {
    // One of no size hides no breach of another.
    let known = values.iter().copied().filter(|v| is_size(*v) && v.is_finite());
    let (sizes, worst) = known.fold((0, 0.0), |(n, worst), v| (n + 1, f64::max(worst, v)));
    let unknown = values.len() - sizes;
    let value = match unknown {
        0 => format!("{:.0} MB", worst / 1e6),
        _ => format!("{:.0} MB, and {unknown} of no size", worst / 1e6),
    };
    let verdict = match unknown {
        _ if worst > wanted => Verdict::Breached,
        0 => Verdict::Met,
        _ => Verdict::NotEnoughData,
    };
    (verdict, value, None)
}

fn rate(count: u64, minutes: f64, lost: u64, wanted: f64) -> (Verdict, String, Option<String>) {
    let (low, high) = stats::rate_bounds(count, minutes);
    let value = format!("{count} in {minutes:.1} min [{low:.2} .. {high:.2} /min]");
    let worst_case = count.saturating_add(lost);
    if high <= wanted && (lost == 0 || stats::rate_bounds(worst_case, minutes).1 <= wanted) {
        (Verdict::Met, value, None)
    } else if low > wanted {
        (Verdict::Breached, value, None)
    } else {
        // Up to the tenth that is shown: less would not prove it.
        let more = (stats::exposure_needed(worst_case, minutes, wanted) * 10.0).ceil() / 10.0;
        (Verdict::NotEnoughData, value, Some(format!("{more:.1} more quiet minutes")))
    }
}

#[cfg(test)]
mod tests;
