//! Floor 1, pure. Intervals that hold: exact one-sided Clopper-Pearson bounds for gates, Wilson for display, exact
//! Poisson (Garwood) bounds for rates, order statistics for percentiles, and how many runs a proof still needs.
//!
//! Every bound is one-sided at [`CONFIDENCE`] unless it says otherwise, and conservative: it covers at least that often.

/// Confidence of every one-sided bound.
pub const CONFIDENCE: f64 = 0.95;

const ALPHA: f64 = 1.0 - CONFIDENCE;
/// The normal quantile at 97.5 %: two-sided 95 %, for display only.
const Z: f64 = 1.959_963_984_540_054;

/// Natural logarithm of the gamma function for `x > 0` (Lanczos, g = 7, n = 9: error below 1e-13).
fn ln_gamma(x: f64) -> f64 {
    const C: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let t = x + 7.5;
    let sum = C.iter().enumerate().skip(1).fold(C[0], |sum, (i, c)| sum + c / (x + i as f64));
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// P(X = k) of a binomial.
fn binomial_pmf(k: u64, n: u64, p: f64) -> f64 {
    if p <= 0.0 || p >= 1.0 {
        return f64::from((p <= 0.0 && k == 0) || (p >= 1.0 && k == n));
    }
    let (k, n) = (k as f64, n as f64);
    let ways = ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0);
    (ways + k * p.ln() + (n - k) * (-p).ln_1p()).exp()
}

/// P(X <= k) of a binomial, summed from the shorter tail.
pub fn binomial_cdf(k: u64, n: u64, p: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    let sum = |range: std::ops::RangeInclusive<u64>| range.map(|i| binomial_pmf(i, n, p)).sum::<f64>().min(1.0);
    if k < n / 2 { sum(0..=k) } else { 1.0 - sum(k + 1..=n) }
}

/// P(X <= k) of a Poisson with mean `mean`.
pub fn poisson_cdf(k: u64, mean: f64) -> f64 {
    if mean <= 0.0 {
        return 1.0;
    }
    (0..=k).map(|i| (i as f64 * mean.ln() - mean - ln_gamma(i as f64 + 1.0)).exp()).sum::<f64>().min(1.0)
}

/// Where a function that falls from above `level` to below it crosses it, by bisection.
fn falls_to(level: f64, (mut low, mut high): (f64, f64), f: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if f(middle) > level { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Exact lower bound of a success ratio after `good` of `total`.
pub fn ratio_lower(good: u64, total: u64) -> f64 {
    if good == 0 {
        return 0.0;
    }
    // P(X >= good | p) = ALPHA, that is P(X <= good - 1 | p) = 1 - ALPHA, which falls as p grows.
    falls_to(1.0 - ALPHA, (0.0, 1.0), |p| binomial_cdf(good - 1, total, p))
}

/// Exact upper bound of a success ratio after `good` of `total`.
pub fn ratio_upper(good: u64, total: u64) -> f64 {
    if good >= total {
        return 1.0;
    }
    falls_to(ALPHA, (0.0, 1.0), |p| binomial_cdf(good, total, p))
}

/// Wilson's two-sided 95 % interval, for display.
pub fn wilson(good: u64, total: u64) -> (f64, f64) {
    if total == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (total as f64, good as f64 / total as f64);
    let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// Further clean runs until `ratio_lower` reaches `target`, if no failure comes; `None` for a target of 1 or more.
pub fn clean_runs_needed(good: u64, total: u64, target: f64) -> Option<u64> {
    if target >= 1.0 {
        return None;
    }
    let proved = |more: u64| ratio_lower(good + more, total + more) >= target;
    let mut high = 1;
    while !proved(high) {
        high *= 2;
        if high > 1 << 40 {
            return None;
        }
    }
    let mut low = 0;
    while low < high {
        let middle = (low + high) / 2;
        if proved(middle) { high = middle } else { low = middle + 1 }
    }
    Some(low)
}

/// Exact (Garwood) bounds of a rate, per unit of exposure, after `count` events: lower, upper, each one-sided.
pub fn rate_bounds(count: u64, exposure: f64) -> (f64, f64) {
    if exposure <= 0.0 {
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

/// One-sided bounds of the `q`-quantile of sorted `values`, by order statistics alone: lower, upper. `None` where so
/// few values cannot bound it ("not estimable").
pub fn quantile_bounds(sorted: &[f64], q: f64) -> (Option<f64>, Option<f64>) {
    let n = sorted.len() as u64;
    // P(x(l) <= quantile) = P(Bin(n, q) >= l): the largest rank that still holds at CONFIDENCE.
    let lower = (1..=n).rev().find(|l| 1.0 - binomial_cdf(l - 1, n, q) >= CONFIDENCE);
    // P(x(u) >= quantile) = P(Bin(n, q) <= u - 1): the smallest such rank.
    let upper = (1..=n).find(|u| binomial_cdf(u - 1, n, q) >= CONFIDENCE);
    let at = |rank: u64| sorted[rank as usize - 1];
    (lower.map(at), upper.map(at))
}

/// Nearest-rank quantile of sorted values.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let rank = (q * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

/// Fewest values whose maximum bounds the `q`-quantile from above: 59 for 0.95.
pub fn values_needed(q: f64) -> u64 {
    (ALPHA.ln() / q.ln()).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use statrs::distribution::{Beta, ContinuousCDF, Gamma};

    #[test]
    fn the_published_table_of_runs_needed_comes_out() {
        // Exact binomial, 95 %, for 0..=5 failures allowed.
        for (target, runs) in [
            (0.99, [299, 473, 628, 773, 913, 1049]),
            (0.995, [598, 947, 1258, 1549, 1829, 2100]),
            (0.999, [2995, 4742, 6294, 7752, 9151, 10511]),
            (0.9999, [29956, 47437, 62956, 77535, 91533, 105_128]),
        ] {
            for (failures, wanted) in (0..).zip(runs) {
                let more = clean_runs_needed(0, failures, target).expect("a reachable target");
                assert_eq!(more + failures, wanted, "{target} with {failures} failures");
            }
        }
    }

    #[test]
    fn ratio_bounds_agree_with_statrs() {
        for (good, total) in [(1, 1), (9, 10), (97, 100), (995, 1000), (0, 7), (1000, 1000)] {
            let lower = match good {
                0 => 0.0,
                g => Beta::new(g as f64, (total - g) as f64 + 1.0).expect("valid").inverse_cdf(ALPHA),
            };
            let upper = match total - good {
                0 => 1.0,
                bad => Beta::new(good as f64 + 1.0, bad as f64).expect("valid").inverse_cdf(1.0 - ALPHA),
            };
            assert!((ratio_lower(good, total) - lower).abs() < 1e-6, "{good}/{total}");
            assert!((ratio_upper(good, total) - upper).abs() < 1e-6, "{good}/{total}");
        }
    }

    #[test]
    fn rate_bounds_agree_with_statrs() {
        for count in [0_u64, 1, 5, 40] {
            let quantile = |shape: f64, p| Gamma::new(shape, 1.0).expect("valid").inverse_cdf(p);
            let (lower, upper) = rate_bounds(count, 1.0);
            assert!((upper - quantile(count as f64 + 1.0, 1.0 - ALPHA)).abs() < 1e-6);
            if count > 0 {
                assert!((lower - quantile(count as f64, ALPHA)).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn thirty_quiet_minutes_prove_a_tenth_of_an_error_a_minute() {
        assert!((exposure_needed(0, 0.0, 0.1) - 29.957).abs() < 0.001);
        assert!(rate_bounds(0, 29.9).1 > 0.1 && rate_bounds(0, 30.0).1 < 0.1);
    }

    #[test]
    fn a_percentile_needs_enough_values() {
        for (q, needed) in [(0.5, 5), (0.75, 11), (0.9, 29), (0.95, 59), (0.99, 299)] {
            assert_eq!(values_needed(q), needed);
            let values: Vec<f64> = (1..=needed).map(|v| v as f64).collect();
            assert_eq!(quantile_bounds(&values, q).1, Some(needed as f64));
            assert_eq!(quantile_bounds(&values[1..], q).1, None);
        }
        assert_eq!(quantile(&[], 0.95), None);
    }

    #[test]
    fn wilson_gives_the_published_values() {
        let (low, high) = wilson(97, 100);
        assert!((low - 0.9155).abs() < 1e-4 && (high - 0.9897).abs() < 1e-4);
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn bounds_hold_the_estimate_and_tighten_with_runs(total in 1_u64..400, share in 0.0..=1.0) {
            let good = (total as f64 * share) as u64;
            let p = good as f64 / total as f64;
            let (low, high) = (ratio_lower(good, total), ratio_upper(good, total));
            prop_assert!((0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high));
            prop_assert!(low <= p + 1e-9 && p <= high + 1e-9);
            prop_assert!(ratio_lower(good + 1, total + 1) >= low - 1e-12, "a success never lowers the bound");
            prop_assert!(ratio_lower(good, total + 1) <= low + 1e-12, "a failure never raises it");
        }

        #[test]
        fn a_rate_is_inside_its_bounds(count in 0_u64..500, exposure in 0.01..1e4) {
            let (low, high) = rate_bounds(count, exposure);
            let rate = count as f64 / exposure;
            prop_assert!(low <= rate && rate <= high && high.is_finite());
        }
    }
}
