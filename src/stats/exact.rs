//! Whether two shares differ, and whether two rates do: exact, whatever the counts.

use super::special::{binomial_cdf, ln_gamma};
use super::{ALPHA, first};

/// Fisher's p, two-sided: the chance of tables no likelier than this one, if both lots fail alike.
pub fn shares_differ((bad_a, total_a): (u64, u64), (bad_b, total_b): (u64, u64)) -> f64 {
    let bad = bad_a + bad_b;
    let ln_ways = |n: u64, k: u64| {
        let ln_factorial = |n: u64| ln_gamma(n as f64 + 1.0);
        ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
    };
    let all = ln_ways(total_a + total_b, bad);
    let chance = |a: u64| (ln_ways(total_a, a) + ln_ways(total_b, bad - a) - all).exp();
    // As likely, but for the last digits.
    let observed = chance(bad_a) * (1.0 + 1e-7);
    let tables = bad.saturating_sub(total_b)..=bad.min(total_a);
    tables.map(chance).filter(|chance| *chance <= observed).sum::<f64>().min(1.0)
}

/// The chance, two-sided, that so many of all events are of one lot, if both have one rate.
pub fn rates_differ((count_a, exposure_a): (u64, f64), (count_b, exposure_b): (u64, f64)) -> f64 {
    let share = exposure_a / (exposure_a + exposure_b);
    if !(share > 0.0 && share < 1.0) {
        return 1.0;
    }
    let all = count_a + count_b;
    let at_most = binomial_cdf(count_a, all, share);
    let at_least = if count_a == 0 { 1.0 } else { 1.0 - binomial_cdf(count_a - 1, all, share) };
    (2.0 * at_most.min(at_least)).min(1.0)
}

/// The fewest failures of `total_b` that differ from so many of the first lot; `None`: not even all would.
pub fn failures_that_differ((bad_a, total_a): (u64, u64), total_b: u64) -> Option<u64> {
    let alike = (bad_a as f64 / total_a as f64 * total_b as f64).ceil() as u64;
    first(alike..=total_b, |bad_b| shares_differ((bad_a, total_a), (bad_b, total_b)) < ALPHA)
}

/// The fewest events in the second exposure that differ from so many in the first; `None`: no number would.
pub fn events_that_differ((count_a, exposure_a): (u64, f64), exposure_b: f64) -> Option<u64> {
    let alike = (count_a as f64 / exposure_a * exposure_b).ceil() as u64;
    first(alike..=alike + (1 << 20), |b| rates_differ((count_a, exposure_a), (b, exposure_b)) < ALPHA)
}
