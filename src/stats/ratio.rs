//! Bounds of a success ratio.

use super::special::binomial_cdf;
use super::{ALPHA, Z, falls_to, first};

/// Exact lower bound of a success ratio after `good` of `total`.
pub fn ratio_lower(good: u64, total: u64) -> f64 {
    lower_at(ALPHA, good, total)
}

/// Exact upper bound of a success ratio after `good` of `total`.
pub fn ratio_upper(good: u64, total: u64) -> f64 {
    upper_at(ALPHA, good, total)
}

pub(super) fn lower_at(alpha: f64, good: u64, total: u64) -> f64 {
    match good.min(total) {
        0 => 0.0,
        all if all == total => alpha.powf(1.0 / total as f64),
        // P(X >= good | p) = alpha, that is P(X <= good - 1 | p) = 1 - alpha, which falls as p grows.
        good => falls_to(1.0 - alpha, (0.0, 1.0), |p| binomial_cdf(good - 1, total, p)),
    }
}

pub(super) fn upper_at(alpha: f64, good: u64, total: u64) -> f64 {
    1.0 - lower_at(alpha, total.saturating_sub(good), total)
}

/// Wilson's two-sided 95 % interval, for display: no verdict comes of it. How often it covers goes up and down with the share
/// itself: over all shares alike 95 %, at some near 0 and 1 no more than 83 %. The exact bounds beside it never less.
pub fn wilson(good: u64, total: u64) -> (f64, f64) {
    if total == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (total as f64, good.min(total) as f64 / total as f64);
    let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// Further clean runs until `ratio_lower` reaches `target`, if no failure comes; `None` where that many are not to be
/// had: for a target of 1, say.
pub fn clean_runs_needed(good: u64, total: u64, target: f64) -> Option<u64> {
    runs_needed_at(ALPHA, good, total, target)
}

/// More than anyone will play.
const MOST_RUNS: u64 = 1 << 40;

pub(super) fn runs_needed_at(alpha: f64, good: u64, total: u64, target: f64) -> Option<u64> {
    if target >= 1.0 || total > MOST_RUNS {
        return None;
    }
    let bad = total.saturating_sub(good);
    // The bound reaches the target where so few failures, at the target itself, are no more likely than alpha.
    let proved = |total: u64| total > bad && (target <= 0.0 || binomial_cdf(bad, total, 1.0 - target) <= alpha);
    Some(first(total..=MOST_RUNS, proved)? - total)
}
