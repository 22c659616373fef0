//! Percentiles, by order statistics alone: no distribution is assumed.

use super::special::binomial_cdf;
use super::{ALPHA, first};

/// Ranks, from 1, whose values bound the `q`-quantile of `n` values, each one-sided at `1 - alpha`. `None` where so few
/// cannot bound it.
pub(super) fn ranks_at(alpha: f64, n: u64, q: f64) -> (Option<u64>, Option<u64>) {
    // P(x(l) > quantile) = P(Bin(n, q) <= l - 1): the largest rank for which that is unlikely.
    let likely = first(1..=n, |l| binomial_cdf(l - 1, n, q) > alpha).unwrap_or(n + 1);
    // P(x(u) >= quantile) = P(Bin(n, q) <= u - 1): the smallest rank for which that is all but sure.
    let upper = first(1..=n, |u| binomial_cdf(u - 1, n, q) >= 1.0 - alpha);
    ((likely > 1).then(|| likely - 1), upper)
}

/// The value of a rank, from 1. A million values are not sorted for one of them: they are only put into another order.
fn at(values: &mut [f64], rank: u64) -> Option<f64> {
    let at = usize::try_from(rank).ok()?.checked_sub(1).filter(|at| *at < values.len())?;
    Some(*values.select_nth_unstable_by(at, f64::total_cmp).1)
}

/// One-sided bounds of the `q`-quantile of values, in whatever order they are and then will be: lower, upper. `None` where
/// so few values cannot bound it ("not estimable").
pub fn quantile_bounds(values: &mut [f64], q: f64) -> (Option<f64>, Option<f64>) {
    let (lower, upper) = ranks_at(ALPHA, values.len() as u64, q);
    (lower.and_then(|rank| at(values, rank)), upper.and_then(|rank| at(values, rank)))
}

/// Nearest-rank quantile of values, in whatever order they are and then will be.
pub fn quantile(values: &mut [f64], q: f64) -> Option<f64> {
    at(values, (q * values.len() as f64).ceil().max(1.0) as u64)
}

/// Fewest values whose maximum bounds the `q`-quantile from above: 59 for 0.95.
pub fn values_needed(q: f64) -> u64 {
    (ALPHA.ln() / q.ln()).ceil() as u64
}
