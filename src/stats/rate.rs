//! Bounds of a rate: events over exposure.

use super::special::poisson_cdf;
use super::{ALPHA, falls_to};

/// Exact (Garwood) bounds of a rate, per unit of exposure, after `count` events: lower, upper, each one-sided. Of no
/// exposure, or none that can be, nothing is known.
pub fn rate_bounds(count: u64, exposure: f64) -> (f64, f64) {
    if !(exposure > 0.0 && exposure.is_finite()) {
        return (0.0, f64::INFINITY);
    }
    let top = (count as f64 + 10.0) * 4.0;
    let lower = match count {
        0 => 0.0,
        k => falls_to(1.0 - ALPHA, (0.0, top), |mean| poisson_cdf(k - 1, mean)),
    };
    let upper = falls_to(ALPHA, (0.0, top), |mean| poisson_cdf(count, mean));
    (lower / exposure, upper / exposure)
}

/// Exposure without a further event until the upper bound of the rate falls to `target`: 30 for 0 events and 0.1.
pub fn exposure_needed(count: u64, exposure: f64, target: f64) -> f64 {
    (rate_bounds(count, 1.0).1 / target - exposure).max(0.0)
}
