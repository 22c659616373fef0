//! The published tables, statrs as an oracle, and properties.

mod coverage;
mod published;
mod spike;

use super::*;
use proptest::prelude::*;
use statrs::distribution::{Beta, Binomial, ContinuousCDF, DiscreteCDF, Gamma, Normal, Poisson};

#[test]
fn distributions_agree_with_statrs() {
    for n in [1_u64, 2, 7, 60, 1000] {
        for p in [1e-6, 0.01, 0.5, 0.95, 0.9999] {
            let oracle = Binomial::new(p, n).expect("valid");
            for k in [0, n / 100, n / 2, n - n / 50, n.saturating_sub(1), n] {
                let (own, other) = (binomial_cdf(k, n, p), oracle.cdf(k));
                assert!((own - other).abs() < 1e-8, "P(X <= {k}) of {n}, {p}: {own}, {other}");
            }
        }
    }
    // Beyond, statrs is off by a thousandth; P(X <= n / 2) at a half is a half and half of P(X = n / 2).
    let at_the_middle = 0.5 + 0.5 / (std::f64::consts::PI * 500_000.0).sqrt();
    assert!((binomial_cdf(500_000, 1_000_000, 0.5) - at_the_middle).abs() < 1e-9);
    for mean in [0.01, 1.0, 30.0, 4000.0] {
        let oracle = Poisson::new(mean).expect("valid");
        for k in [0_u64, 1, 30, 3900, 4100] {
            assert!((poisson_cdf(k, mean) - oracle.cdf(k)).abs() < 1e-9, "P(X <= {k}), mean {mean}");
        }
    }
    let normal = Normal::standard();
    for z in [-3.0, -0.1, 0.0, 1.0, 1.959_963_984_540_054, 6.0] {
        assert!((special::normal_above(z) - normal.sf(z)).abs() < 1e-10, "{z}");
    }
}

#[test]
fn ratio_bounds_agree_with_statrs() {
    for (good, total) in [(1, 1), (9, 10), (97, 100), (995, 1000), (0, 7), (1000, 1000), (999_000, 1_000_000)] {
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
    for count in [0_u64, 1, 5, 40, 10_000] {
        let quantile = |shape: f64, p| Gamma::new(shape, 1.0).expect("valid").inverse_cdf(p);
        let (lower, upper) = rate_bounds(count, 1.0);
        assert!((upper - quantile(count as f64 + 1.0, 1.0 - ALPHA)).abs() < 1e-4 * upper);
        if count > 0 {
            assert!((lower - quantile(count as f64, ALPHA)).abs() < 1e-4 * lower);
        }
    }
}

#[test]
fn two_shares_and_two_rates_are_compared_exactly() {
    // Fisher's own: three of four cups told right by chance is 17 in 35, two-sided.
    for ((a, b), p) in [(((1, 4), (3, 4)), 34.0 / 70.0), (((0, 4), (4, 4)), 2.0 / 70.0), (((0, 9), (0, 3)), 1.0)] {
        assert!((shares_differ(a, b) - p).abs() < 1e-9, "{a:?} {b:?}: {}", shares_differ(a, b));
    }
    for ((bad_a, n), (bad_b, m)) in [((3_u64, 40_u64), (9, 50)), ((0, 100), (6, 100)), ((70, 100), (20, 60))] {
        let oracle = statrs::distribution::Hypergeometric::new(n + m, bad_a + bad_b, n).expect("valid");
        use statrs::distribution::Discrete as _;
        let own = oracle.pmf(bad_a) * (1.0 + 1e-7);
        let all: f64 = (0..=n.min(bad_a + bad_b)).map(|k| oracle.pmf(k)).filter(|p| *p <= own).sum();
        assert!((shares_differ((bad_a, n), (bad_b, m)) - all).abs() < 1e-7, "{bad_a}/{n} {bad_b}/{m}");
    }
    // None and six in the same time: twice one in 64.
    assert!((rates_differ((0, 10.0), (6, 10.0)) - 2.0 / 64.0).abs() < 1e-12);
    assert!(rates_differ((3, 10.0), (3, 10.0)) == 1.0 && rates_differ((0, 10.0), (0, 30.0)) == 1.0);
    assert!(rates_differ((3, 0.0), (3, f64::NAN)) == 1.0);
    assert_eq!((failures_that_differ((0, 100), 100), failures_that_differ((0, 2), 2)), (Some(6), None));
    assert_eq!(events_that_differ((0, 10.0), 10.0), Some(6));
}

#[test]
fn a_million_samples_are_bounded_in_a_moment() {
    let began = std::time::Instant::now();
    let mut values: Vec<f64> = (0..1_000_000).map(f64::from).collect();
    let (lower, upper) = quantile_bounds(&mut values, 0.95);
    assert!(lower.is_some_and(|l| l < 950_000.0) && upper.is_some_and(|u| u > 950_000.0));
    assert!(ratio_lower(500_000, 1_000_000) < 0.5 && ratio_upper(500_000, 1_000_000) > 0.5);
    assert!(rate_bounds(1_000_000, 1e6).1 > 1.0);
    assert_eq!(clean_runs_needed(999_000, 1_000_000, 0.9).map(|n| n < 10), Some(true));
    assert!(began.elapsed().as_secs_f64() < 2.0, "{:?}", began.elapsed());
}

#[test]
fn a_budget_burns_only_where_chance_cannot() {
    let spent = |bad, n| Spent { bad, of: Exposure::Trials(n) };
    // The reference's own: one bad of twelve probes.
    for (budget, burn) in [(0.01, 8.3), (0.005, 16.7), (0.001, 83.3)] {
        assert!((spent(1, 12).burn(budget).expect("a burn") - burn).abs() < 0.05);
        assert_ne!(burning(&spent(1, 12), &spent(1, 1), budget, 1.0), Burning::Yes, "one is no burning");
    }
    assert_eq!(burning(&spent(1, 12), &spent(1, 1), 0.001, 14.4), Burning::TooFew);
    assert_eq!(burning(&spent(2, 12), &spent(1, 1), 0.001, 14.4), Burning::Yes);
    assert_eq!(burning(&spent(2, 12), &spent(0, 1), 0.001, 14.4), Burning::No, "it has stopped");
    assert_eq!(burning(&spent(2, 12), &spent(0, 0), 0.001, 14.4), Burning::No, "nothing was seen of late");
    assert_eq!(burning(&spent(2, 20), &spent(1, 1), 0.05, 1.0), Burning::TooFew, "chance: two of twenty at 5 %");
    let minutes = |bad, minutes| Spent { bad, of: Exposure::Minutes(minutes) };
    assert_eq!(burning(&minutes(20, 60.0), &minutes(3, 5.0), 0.1, 2.0), Burning::Yes);
    assert_eq!(burning(&minutes(2, 4.0), &minutes(2, 4.0), 0.1, 2.0), Burning::TooFew);
    for odd in [0.0, f64::NAN, f64::INFINITY, -1.0] {
        assert_eq!(burning(&minutes(9, odd), &minutes(9, odd), 0.1, 2.0), Burning::No, "{odd}");
    }
}

#[test]
fn a_drift_is_heard_and_noise_is_not() {
    let base: Vec<f64> = (0..BASELINE).map(|n| 100.0 + (n % 7) as f64).collect();
    let after = |value: f64, n: usize| [base.clone(), vec![value; n]].concat();
    assert_eq!(drift(&after(103.0, 100)), None);
    let drifted = drift(&after(120.0, 10)).expect("a drift");
    assert_eq!(drifted.since, BASELINE);
    assert!(drifted.noticed < BASELINE + 5 && (drifted.times - 120.0 / 103.0).abs() < 0.01, "{drifted:?}");
    // One that never came is no drift; two are.
    assert_eq!(drift(&[after(f64::INFINITY, 1), vec![100.0; 20]].concat()), None);
    assert_eq!(drift(&after(f64::INFINITY, 2)).map(|d| d.noticed), Some(BASELINE + 1));
    assert_eq!(drift(&[5.0; BASELINE]), None);
    assert_eq!(drift(&[5.0; BASELINE + 9]), None, "what never varies");
    assert_eq!(drift(&base[1..]), None, "too few");
    assert_eq!(drift(&[f64::INFINITY; 60]), None);
    assert_eq!(drift(&[f64::NAN; 60]), None);
    assert_eq!(drift(&[]), None);
}

#[test]
fn one_lot_against_another() {
    // Hollander and Wolfe, example 4.1 (permeability of membranes): W = 30 and p = 0.2544, two-sided.
    let term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
    let early = [1.15, 0.88, 0.90, 0.74, 1.21];
    let found = shift(&early, &term).expect("two lots");
    assert!((found.p - 0.2544).abs() < 5e-5, "{found:?}");
    // R: wilcox.test(term, early, conf.int = TRUE): 0.305, -0.15 .. 0.76.
    assert!((found.by - 0.305).abs() < 1e-9, "{found:?}");
    assert!((found.interval.0 + 0.15).abs() < 1e-9 && (found.interval.1 - 0.76).abs() < 1e-9, "{found:?}");

    let never = [f64::INFINITY; 6];
    let all_fail = shift(&[1.0; 6], &never).expect("two lots");
    assert_eq!((all_fail.by, all_fail.p < 0.01), (f64::INFINITY, true));
    let both = shift(&never, &never).expect("two lots");
    assert_eq!((both.by, both.p), (0.0, 1.0));
    assert_eq!(shift(&[1.0], &[2.0]).map(|s| s.interval), Some((f64::NEG_INFINITY, f64::INFINITY)));
    assert_eq!(shift(&[], &[1.0]), None);
    let same = shift(&[3.0; 50], &[3.0; 50]).expect("two lots");
    assert_eq!((same.by, same.interval, same.p), (0.0, (0.0, 0.0), 1.0));
}

#[test]
fn several_comparisons_count_among_all() {
    let corrected = holm(&[0.01, 0.04, 0.03, 0.005]);
    for (own, wanted) in corrected.iter().zip([0.03, 0.06, 0.06, 0.02]) {
        assert!((own - wanted).abs() < 1e-12, "{corrected:?}");
    }
    assert_eq!(holm(&[]), [] as [f64; 0]);
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
    fn the_runs_needed_are_just_enough(total in 0_u64..2000, bad in 0_u64..20, target in 0.5..0.9999) {
        let good = total.saturating_sub(bad);
        let more = clean_runs_needed(good, total, target).expect("a reachable target");
        let lower = |more: u64| ratio_lower(good + more, total + more);
        prop_assert!(lower(more) >= target - 1e-9);
        prop_assert!(more == 0 || lower(more - 1) <= target + 1e-9);
    }

    #[test]
    fn a_rate_is_inside_its_bounds(count in 0_u64..500, exposure in 0.01..1e4) {
        let (low, high) = rate_bounds(count, exposure);
        let rate = count as f64 / exposure;
        prop_assert!(low <= rate && rate <= high && high.is_finite());
    }

    #[test]
    fn quantile_bounds_hold_the_quantile(mut values in proptest::collection::vec(0.0..1e6, 1..200), q in 0.01..0.99) {
        let (low, high) = quantile_bounds(&mut values, q);
        let middle = quantile(&mut values, q).expect("a value");
        prop_assert!(low.is_none_or(|l| l <= middle) && high.is_none_or(|h| middle <= h));
        // Whatever order they are in: as many are no larger than the rank says, and no fewer.
        values.sort_by(f64::total_cmp);
        let (lower, upper) = quantile::ranks_at(ALPHA, values.len() as u64, q);
        prop_assert_eq!(low, lower.map(|rank| values[rank as usize - 1]));
        prop_assert_eq!(high, upper.map(|rank| values[rank as usize - 1]));
    }

    #[test]
    fn turned_round_a_shift_is_its_opposite(
        a in proptest::collection::vec(0_i32..30, 1..30), b in proptest::collection::vec(0_i32..30, 1..30),
    ) {
        let lot = |values: &[i32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let (a, b) = (lot(&a), lot(&b));
        let (there, back) = (shift(&a, &b).expect("two lots"), shift(&b, &a).expect("two lots"));
        prop_assert_eq!(there.by, -back.by);
        prop_assert_eq!(there.interval, (-back.interval.1, -back.interval.0));
        prop_assert!((there.p - back.p).abs() < 1e-12 && (0.0..=1.0).contains(&there.p));
        prop_assert!(there.interval.0 <= there.by && there.by <= there.interval.1);
    }

    #[test]
    fn no_number_crashes(a in proptest::collection::vec(any::<f64>(), 0..60), b in proptest::collection::vec(any::<f64>(), 0..60)) {
        if let Some(found) = shift(&a, &b) {
            prop_assert!((0.0..=1.0).contains(&found.p) && !found.by.is_nan());
        }
        let _ = (drift(&a), detectable(&a, &b), holm(&a));
    }
}
