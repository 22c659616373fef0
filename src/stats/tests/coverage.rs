//! Every interval covers what it says at least as often as it says, by simulation; the alarms ring as often as theirs.

use super::*;
use crate::fault::seed::Dice;
use crate::stats::spike;

const RUNS: u32 = 100_000;

fn normal(dice: &mut Dice) -> f64 {
    (-2.0 * (1.0 - dice.unit()).ln()).sqrt() * (std::f64::consts::TAU * dice.unit()).cos()
}

/// How many of so many happen, each with this chance.
fn happen(dice: &mut Dice, n: u64, p: f64) -> u64 {
    (0..n).filter(|_| dice.unit() < p).count() as u64
}

/// A Poisson count, by the waits between events.
fn poisson(dice: &mut Dice, mean: f64) -> u64 {
    let (mut time, mut count) = (-(1.0 - dice.unit()).ln(), 0);
    while time < mean {
        time -= (1.0 - dice.unit()).ln();
        count += 1;
    }
    count
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

/// What is shown beside the exact bounds: over all shares alike it covers what it says, and at its worst, where one success is
/// just too many, far less.
#[test]
fn wilsons() {
    let mut dice = Dice::new(7);
    for n in [10, 20, 60, 300] {
        let bounds: Vec<(f64, f64)> = (0..=n).map(|good| wilson(good, n)).collect();
        let mut holds = |p: f64| {
            let (low, high) = bounds[happen(&mut dice, n, p) as usize];
            low <= p && p <= high
        };
        let worst = bounds[1].0 - 1e-9;
        let mut shares = Dice::new(n);
        covers(&format!("Wilson's of {n}, over all shares"), CONFIDENCE, || holds(shares.unit()));
        covers(&format!("Wilson's of {n} at {worst}"), 0.83, || holds(worst));
        let held = (0..RUNS).filter(|_| holds(worst)).count() as f64 / f64::from(RUNS);
        assert!(held < 0.85, "Wilson's of {n} at {worst} covers {held}: its description is too modest");
    }
}

#[test]
fn rates() {
    let mut dice = Dice::new(2);
    for (rate, minutes) in [(0.1, 30.0), (0.5, 40.0), (2.0, 1.5)] {
        let mut count = || poisson(&mut dice, rate * minutes) as usize;
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

/// Whether the interval that is left with so many differences cut off at either end holds this one.
fn within(a: &[f64], b: &[f64], cut: usize, by: f64) -> bool {
    let (mut below, mut up_to) = (0, 0);
    for x in a {
        for y in b {
            below += usize::from(y - x < by);
            up_to += usize::from(y - x <= by);
        }
    }
    cut == 0 || up_to >= cut && below <= a.len() * b.len() - cut
}

/// Beyond [`EXACT`] the cut is that of a normal distribution; beyond so many as are compared each with each, of a choice.
#[test]
fn shifts_between_two_larger_lots() {
    let mut dice = Dice::new(9);
    for (n, m, most) in [(21, 21, 99), (25, 30, 99), (60, 3, 99), (40, 60, 99), (70, 50, 25), (31, 22, 30)] {
        let mut lot = |n: usize, by: f64| (0..n).map(|_| normal(&mut dice).exp() + by).collect::<Vec<_>>();
        let cut = shift::cut(n.min(most), m.min(most));
        let mut checked = 0;
        covers(&format!("the interval of {n} against {m}, at most {most}"), CONFIDENCE, || {
            let (a, b) = (lot(n, 0.0), lot(m, 0.7));
            let (a, b) = if most < n.max(m) { (shift::lot(&a, most), shift::lot(&b, most)) } else { (a, b) };
            let held = within(&a, &b, cut, 0.7);
            if checked < 100 {
                checked += 1;
                let (_, (low, high)) = shift::hodges_lehmann(&a, &b, cut);
                assert_eq!(held, low <= 0.7 && 0.7 <= high);
            }
            held
        });
    }
    // And exactly: so few sums of ranks are as low or lower.
    for (n, m) in (2..=21).map(|m| (21, m)).chain([(25, 30), (60, 2), (60, 3), (40, 60)]) {
        let ways = shift::rank_sums(&(1..=n + m).collect::<Vec<_>>(), m);
        let below: f64 = ways.iter().skip(m * (m + 1) / 2).take(shift::cut(n, m)).sum();
        assert!(below / ways.iter().sum::<f64>() <= ALPHA / 2.0, "{n} against {m}");
    }
}

/// Days of which some are busier than others, with bursts of so many events, and now: by how many times it is more often, and
/// how large a burst is.
#[test]
fn spikes() {
    let mut dice = Dice::new(8);
    for (days, mean, burst, times) in [
        (7, 0.3, 1, 1.0),
        (7, 5.0, 1, 2.0),
        (14, 1.0, 1, 2.0),
        (14, 20.0, 1, 1.0),
        (28, 1.0, 1, 5.0),
        (7, 4.0, 3, 2.0),
        (14, 4.0, 5, 1.0),
        (14, 4.0, 5, 2.0),
        (28, 2.0, 10, 2.0),
    ] {
        let calm = spike::calm(days);
        let exposures: Vec<f64> = [1.0, 0.5, 2.0].into_iter().cycle().take(days).collect();
        let all: f64 = exposures.iter().sum();
        let mut seen = |of: f64| (poisson(&mut dice, mean * of) * burst) as f64;
        let what = format!("{days} days of {mean} bursts of {burst}, now {times} times as often");
        let (mut checked, mut bounded) = (0, 0);
        covers(&format!("the bound of how often, {what}"), CONFIDENCE, || {
            let before: Vec<(f64, f64)> = exposures.iter().map(|of| (seen(*of), *of)).collect();
            let dispersed = (spike::unrest(&before) / calm).max(1.0);
            bounded += u32::from(dispersed >= burst as f64);
            let events = before.iter().map(|day| day.0).sum::<f64>() / dispersed;
            let now = seen(times) / dispersed;
            let held = now == 0.0 || spike::as_many(now, events, times / (times + all)) >= ALPHA;
            if checked < 100 {
                checked += 1;
                assert_eq!(dispersed, spike::dispersion(&before));
                assert_eq!(held, spike::times_as_often(now, events, (1.0, all)) <= times, "{what}");
            }
            held
        });
        let bounded = f64::from(bounded) / f64::from(RUNS);
        assert!(bounded >= 1.0 - spike::CALM - 0.003, "the bound of a burst covers {bounded}, {what}");
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
