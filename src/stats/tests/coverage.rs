//! Every interval covers what it says at least as often as it says, by simulation; the alarms ring as often as theirs.

use super::*;
use crate::fault::seed::Dice;

const RUNS: u32 = 100_000;

fn normal(dice: &mut Dice) -> f64 {
    (-2.0 * (1.0 - dice.unit()).ln()).sqrt() * (std::f64::consts::TAU * dice.unit()).cos()
}

/// How many of so many happen, each with this chance.
fn happen(dice: &mut Dice, n: u64, p: f64) -> u64 {
    (0..n).filter(|_| dice.unit() < p).count() as u64
}

/// The share of `RUNS` simulations in which it holds, against what it must be: three deviations of chance less.
fn covers(what: &str, nominal: f64, mut holds: impl FnMut() -> bool) {
    let held = (0..RUNS).filter(|_| holds()).count() as f64 / f64::from(RUNS);
    let chance = 3.0 * (nominal * (1.0 - nominal) / f64::from(RUNS)).sqrt();
    assert!(held >= nominal - chance, "{what} covers {held}, not {nominal}");
}

#[test]
fn ratios() {
    let mut dice = Dice::new(1);
    for (n, p) in [(20, 0.9), (60, 0.97), (60, 0.5)] {
        let bounds: Vec<(f64, f64)> = (0..=n).map(|good| (ratio_lower(good, n), ratio_upper(good, n))).collect();
        covers(&format!("the lower bound of {n} at {p}"), CONFIDENCE, || {
            bounds[happen(&mut dice, n, p) as usize].0 <= p
        });
        covers(&format!("the upper bound of {n} at {p}"), CONFIDENCE, || {
            bounds[happen(&mut dice, n, p) as usize].1 >= p
        });
    }
}

#[test]
fn rates() {
    let mut dice = Dice::new(2);
    for (rate, minutes) in [(0.1, 30.0), (0.5, 40.0), (2.0, 1.5)] {
        // A Poisson count by the waits between events.
        let mut count = || {
            let (mut time, mut count) = (-(1.0 - dice.unit()).ln() / rate, 0);
            while time < minutes {
                time -= (1.0 - dice.unit()).ln() / rate;
                count += 1;
            }
            count as usize
        };
        let bounds: Vec<(f64, f64)> = (0..100).map(|count| rate_bounds(count, minutes)).collect();
        covers(&format!("the lower bound of {rate}"), CONFIDENCE, || bounds[count()].0 <= rate);
        covers(&format!("the upper bound of {rate}"), CONFIDENCE, || bounds[count()].1 >= rate);
    }
}

#[test]
fn percentiles() {
    let mut dice = Dice::new(3);
    for (n, q) in [(20_usize, 0.5), (59, 0.95), (40, 0.9)] {
        // Of uniform values the quantile is `q` itself, and the value of a rank bounds it or does not.
        let (lower, upper) = quantile::ranks_at(ALPHA, n as u64, q);
        let mut below = || happen(&mut dice, n as u64, q);
        covers(&format!("the lower bound of p{q} of {n}"), CONFIDENCE, || lower.is_none_or(|l| below() >= l));
        covers(&format!("the upper bound of p{q} of {n}"), CONFIDENCE, || upper.is_none_or(|u| below() < u));
    }
}

#[test]
fn shifts_between_two_lots() {
    let mut dice = Dice::new(4);
    for (n, m) in [(8, 8), (5, 12)] {
        // Values with a long tail, as times have it.
        let mut lot = |n: usize, by: f64| (0..n).map(|_| normal(&mut dice).exp() + by).collect::<Vec<_>>();
        let cut = shift::cut(n, m);
        covers(&format!("the interval of {n} against {m}"), CONFIDENCE, || {
            let (_, (low, high)) = shift::hodges_lehmann(&lot(n, 0.0), &lot(m, 0.7), cut);
            low <= 0.7 && 0.7 <= high
        });
    }
}

#[test]
fn lots_that_do_not_differ() {
    let mut dice = Dice::new(6);
    for (n, m, runs) in [(8, 8, 2000), (25, 30, 1000)] {
        // Whole numbers, so that many tie.
        let mut lot = |n: usize| (0..n).map(|_| (normal(&mut dice) * 3.0).round()).collect::<Vec<_>>();
        let alarms = (0..runs).filter(|_| shift(&lot(n), &lot(m)).expect("two lots").p <= ALPHA).count();
        let most = 0.05 + 3.0 * (0.05 * 0.95 / f64::from(runs)).sqrt();
        assert!(alarms as f64 / f64::from(runs) <= most, "{n} against {m}: {alarms} of {runs}");
    }
}

/// Average lengths of a run to the alarm, as the reference has them (k = 0.5): without a shift, and with one.
#[test]
fn drifts() {
    let mut dice = Dice::new(5);
    for (level, by, runs, wanted) in
        [(4.0, 0.0, 3000, 338.0), (4.0, 1.0, 20_000, 8.1), (5.0, 1.0, 20_000, 10.7), (5.0, 2.0, 20_000, 3.9)]
    {
        let steps: usize = (0..runs)
            .map(|_| drift::alarm(std::iter::repeat_with(|| normal(&mut dice) + by), level).expect("it rings").1 + 1)
            .sum();
        let length = steps as f64 / f64::from(runs);
        assert!((length / wanted - 1.0).abs() < 0.06, "level {level}, shift {by}: {length}, not {wanted}");
    }
}
