//! Floor 1, pure. Numbers that hold: exact one-sided Clopper-Pearson bounds for gates, Wilson for display, exact
//! Poisson (Garwood) bounds for rates, order statistics for percentiles, how many runs a proof still needs; when a
//! budget burns too fast, when a measure drifts, whether one lot of values is larger than another, and whether events
//! spike.
//!
//! Every bound is one-sided at [`CONFIDENCE`] unless it says otherwise, and conservative: it covers at least that often.
//! Wilson's alone does so on the average only, which is why it is shown and decides nothing.

mod burn;
mod drift;
mod exact;
mod quantile;
mod rate;
mod ratio;
mod shift;
mod special;
pub mod spike;
#[cfg(test)]
mod tests;

pub use burn::{Burning, Exposure, Spent, burning};
pub use drift::{BASELINE, Drift, drift};
pub use exact::{events_that_differ, failures_that_differ, rates_differ, shares_differ};
pub use quantile::{quantile, quantile_bounds, values_needed};
pub use rate::{exposure_needed, rate_bounds};
pub use ratio::{clean_runs_needed, ratio_lower, ratio_upper, wilson};
pub use shift::{EXACT, Shift, detectable, holm, shift};
pub use special::{binomial_cdf, poisson_cdf};
pub use spike::Counted;

/// Confidence of every one-sided bound.
pub const CONFIDENCE: f64 = 0.95;

const ALPHA: f64 = 1.0 - CONFIDENCE;
/// The normal quantile at 97.5 %: two-sided 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// Where a function that falls from above `level` to below it crosses it, by bisection.
fn falls_to(level: f64, (mut low, mut high): (f64, f64), f: impl Fn(f64) -> f64) -> f64 {
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if f(middle) > level { low = middle } else { high = middle }
    }
}

/// The smallest of `range` from which on `holds` does; `None`: nowhere in it.
fn first(range: std::ops::RangeInclusive<u64>, holds: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, end) = range.into_inner();
    let mut high = end.checked_add(1)?;
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    (low <= end).then_some(low)
}

/// The middle of values that need no order; halfway between the two where they are even in number.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len() / 2, sorted.len() % 2) {
        (0, 0) => f64::NAN,
        (half, 0) => 0.5 * (sorted[half - 1] + sorted[half]),
        (half, _) => sorted[half],
    }
}

/// Median, and a standard deviation that outliers cannot move: 1.4826 times the median distance from it.
fn robust(values: &[f64]) -> (f64, f64) {
    let middle = median(values);
    let distances: Vec<f64> = values.iter().map(|v| (v - middle).abs()).collect();
    (middle, 1.4826 * median(&distances))
}
