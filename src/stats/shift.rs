//! Whether one lot of values is larger than another: Mann-Whitney, and by how much: Hodges-Lehmann with its interval.
//! Exact for up to [`EXACT`] values a side, ties included; by the normal distribution above. No distribution of the
//! values is assumed. What never came is infinite, and larger than all that did.

use super::special::normal_above;
use super::{ALPHA, Z, robust};

/// Values a side up to which nothing is approximated.
pub const EXACT: usize = 20;
/// Values a side that are compared, one with each: of more, so many are taken, evenly over the sorted ones.
const MOST: usize = 2000;

/// By how much `b` is larger than `a`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// Hodges-Lehmann: the median of all differences.
    pub by: f64,
    /// Its two-sided 95 % interval; infinite where so few values cannot bound it.
    pub interval: (f64, f64),
    /// Chance, two-sided, of such a difference or a greater one between lots that do not differ.
    pub p: f64,
}

/// Compares two lots; `None` where one is empty.
pub fn shift(a: &[f64], b: &[f64]) -> Option<Shift> {
    let (a, b) = (lot(a, MOST), lot(b, MOST));
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let (by, interval) = hodges_lehmann(&a, &b, cut(a.len(), b.len()));
    Some(Shift { by, interval, p: chance(&a, &b) })
}

/// The median of all differences, and the interval that is left of them with so many cut off at either end.
pub(super) fn hodges_lehmann(a: &[f64], b: &[f64], cut: usize) -> (f64, (f64, f64)) {
    // Two that never came do not differ.
    let difference = |x: f64, y: f64| if x == y { 0.0 } else { y - x };
    let mut differences: Vec<f64> = a.iter().flat_map(|x| b.iter().map(move |y| difference(*x, *y))).collect();
    differences.sort_by(f64::total_cmp);
    let (pairs, half) = (differences.len(), differences.len() / 2);
    let by = match pairs % 2 {
        // Of lots that never came by half on either side no middle can be said: they differ no more one way than the other.
        0 if differences[half - 1] == f64::NEG_INFINITY && differences[half] == f64::INFINITY => 0.0,
        0 if differences[half - 1] != differences[half] => 0.5 * (differences[half - 1] + differences[half]),
        _ => differences[half],
    };
    match cut {
        0 => (by, (f64::NEG_INFINITY, f64::INFINITY)),
        cut => (by, (differences[cut - 1], differences[pairs - cut])),
    }
}

/// Sorted; NaN is what never came; of more than `most` an even choice of so many. Their interval is that of so many, and wider
/// than all would have it.
pub(super) fn lot(values: &[f64], most: usize) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().map(|v| if v.is_nan() { f64::INFINITY } else { *v }).collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        n if n > most => (0..most).map(|i| sorted[(2 * i + 1) * n / (2 * most)]).collect(),
        _ => sorted,
    }
}

/// How many differences are cut off at either end of the two-sided 95 % interval.
pub(super) fn cut(n: usize, m: usize) -> usize {
    if n.max(m) <= EXACT {
        // Without ties the ranks are 1, 2, 3 ..., and U runs from 0 as their sum does from its least.
        let ways = rank_sums(&(1..=n + m).collect::<Vec<_>>(), m);
        let all: f64 = ways.iter().sum();
        let chances = ways.iter().skip(m * (m + 1) / 2).scan(0.0, |below, ways| {
            *below += ways / all;
            Some(*below)
        });
        return chances.take_while(|below| *below <= ALPHA / 2.0).count();
    }
    let (n, m) = (n as f64, m as f64);
    (n * m / 2.0 - Z * (n * m * (n + m + 1.0) / 12.0).sqrt()).floor().max(0.0) as usize
}

/// In how many ways `take` of these ranks have each sum.
pub(super) fn rank_sums(ranks: &[usize], take: usize) -> Vec<f64> {
    let mut ways = vec![vec![0.0; ranks.iter().sum::<usize>() + 1]; take + 1];
    ways[0][0] = 1.0;
    let mut most = 0;
    for (seen, rank) in ranks.iter().enumerate() {
        most += rank;
        for taken in (1..=take.min(seen + 1)).rev() {
            let (fewer, more) = ways.split_at_mut(taken);
            let with_it = more[0][*rank..=most].iter_mut();
            with_it.zip(&fewer[taken - 1]).for_each(|(ways, before)| *ways += before);
        }
    }
    ways.swap_remove(take)
}

/// Mann-Whitney's p, two-sided, given the ties there are.
fn chance(a: &[f64], b: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = a.iter().map(|v| (*v, false)).chain(b.iter().map(|v| (*v, true))).collect();
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    // Doubled ranks: those that tie share the middle of their places, which may be a half.
    let mut ranks = Vec::with_capacity(all.len());
    let mut ties = 0.0;
    for group in all.chunk_by(|x, y| x.0 == y.0) {
        let before = ranks.len();
        ranks.extend(std::iter::repeat_n(2 * before + group.len() + 1, group.len()));
        ties += (group.len() as f64).powi(3) - group.len() as f64;
    }
    let own: usize = ranks.iter().zip(&all).filter(|(_, (_, of_b))| *of_b).map(|(rank, _)| rank).sum();
    let (n, m) = (a.len() as f64, b.len() as f64);
    let total = n + m;
    let middle = m * (total + 1.0);
    let off = (own as f64 - middle).abs();
    if a.len().max(b.len()) <= EXACT {
        let ways = rank_sums(&ranks, b.len());
        let as_far: f64 =
            ways.iter().enumerate().filter(|(sum, _)| (*sum as f64 - middle).abs() >= off).map(|(_, w)| w).sum();
        return as_far / ways.iter().sum::<f64>();
    }
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    // Half a rank for continuity; all values alike have no variance, and no difference.
    let z = (off / 2.0 - 0.5).max(0.0) / variance.sqrt();
    if variance > 0.0 { (2.0 * normal_above(z)).min(1.0) } else { 1.0 }
}

/// The least relative change that so many values a side find nine times of ten at 1 %, by the noise they have.
pub fn detectable(a: &[f64], b: &[f64]) -> Option<f64> {
    /// Normal quantiles at 99 % and 90 %; and how many values Mann-Whitney wants where a t-test wants one.
    const REACH: f64 = 2.326_348 + 1.281_552;
    const COST: f64 = std::f64::consts::PI / 3.0;
    let noise = |values: &[f64]| {
        let logs: Vec<f64> = values.iter().filter(|v| **v > 0.0 && v.is_finite()).map(|v| v.ln()).collect();
        (logs.len() > 1).then(|| (robust(&logs).1, logs.len() as f64))
    };
    let ((own, n), (other, m)) = (noise(a)?, noise(b)?);
    Some((REACH * own.max(other) * (COST * (1.0 / n + 1.0 / m)).sqrt()).exp_m1())
}

/// Holm's correction, where several comparisons decide together: each chance as it counts among all.
pub fn holm(chances: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|x, y| chances[*x].total_cmp(&chances[*y]));
    let mut corrected = vec![1.0; chances.len()];
    let mut largest = 0.0_f64;
    for (before, at) in order.into_iter().enumerate() {
        largest = largest.max(((chances.len() - before) as f64 * chances[at]).min(1.0));
        corrected[at] = largest;
    }
    corrected
}
