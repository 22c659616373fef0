//! Floor 2, pure. Two lots of samples, measure by measure: whether B differs from A, and by how much.

use crate::measure::{MEASURES, Samples, times};
use crate::stats::{
    CONFIDENCE, EXACT, detectable, events_that_differ, failures_that_differ, holm, quantile, rate_bounds, rates_differ,
    shares_differ, shift, wilson,
};
use crate::table::Row as _;
use serde::Serialize;
use std::collections::BTreeMap;

/// What each measure was given.
pub type Lot = BTreeMap<String, Samples>;

/// One lot, by one measure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// Samples; for a rate minutes.
    pub of: f64,
    /// The share, the rate a minute, or the median in milliseconds or bytes; `None`: infinite, most never came.
    pub value: f64,
    /// Of a share or a rate: two-sided 95 % or 90 %.
    pub interval: Option<(f64, f64)>,
    /// Measurements without a usable time, which are none of them.
    #[serde(skip_serializing_if = "is_none")]
    pub lost: u64,
}

fn is_none(lost: &u64) -> bool {
    *lost == 0
}

/// A measure of both lots.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The measure.
    pub measure: &'static str,
    /// What its values are: `share`, `per minute`, `ms` or `bytes`.
    pub value: &'static str,
    /// The first lot.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// By how much B is larger: Hodges-Lehmann where values are compared, else the difference of both.
    pub shift: f64,
    /// Hodges-Lehmann's two-sided 95 % interval.
    pub interval: Option<(f64, f64)>,
    /// Chance, two-sided, of such a difference between lots that do not differ, corrected (Holm) for all measures.
    pub p: f64,
    /// It is claimed.
    pub differs: bool,
    /// The least that would be: a part of A's values (nine times of ten at 1 %); or the share or the rate of B from which on
    /// this measure alone would show it. `None`: nothing would.
    pub detectable: Option<f64>,
}

/// Compares what both lots have, in the order of the measures.
pub fn compare(a: &Lot, b: &Lot) -> Vec<Compared> {
    let both = MEASURES.iter().filter_map(|m| of_measure(m.name(), a.get(m.name())?, b.get(m.name())?));
    let mut all: Vec<Compared> = both.collect();
    let chances: Vec<f64> = all.iter().map(|c| c.p).collect();
    for (compared, p) in all.iter_mut().zip(holm(&chances)) {
        (compared.p, compared.differs) = (p, p < 1.0 - CONFIDENCE);
    }
    all
}

fn of_measure(measure: &'static str, a: &Samples, b: &Samples) -> Option<Compared> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let of = |value, (a, b): (Side, Side), p, detectable| Compared {
        measure,
        value,
        shift: b.value - a.value,
        interval: None,
        p,
        differs: false,
        detectable,
        a,
        b,
    };
    match (a, b) {
        (Samples::Trials { good: good_a, total: n }, Samples::Trials { good: good_b, total: m }) => {
            let side = |good: u64, total: u64| Side {
                of: total as f64,
                value: good as f64 / total as f64,
                interval: Some(wilson(good, total)),
                lost: 0,
            };
            let (bad_a, bad_b) = (n.saturating_sub(*good_a), m.saturating_sub(*good_b));
            let least = failures_that_differ((bad_a, *n), *m).map(|bad| 1.0 - bad as f64 / *m as f64);
            let p = shares_differ((bad_a, *n), (bad_b, *m));
            Some(of("share", (side(n - bad_a, *n), side(m - bad_b, *m)), p, least))
        }
        (Samples::Count { count: x, minutes: n, .. }, Samples::Count { count: y, minutes: m, .. }) => {
            let side = |samples: &Samples, count: u64, minutes: f64| Side {
                of: minutes,
                value: count as f64 / minutes,
                interval: Some(rate_bounds(count, minutes)),
                lost: samples.lost(),
            };
            let least = events_that_differ((*x, *n), *m).map(|count| count as f64 / m);
            Some(of("per minute", (side(a, *x, *n), side(b, *y, *m)), rates_differ((*x, *n), (*y, *m)), least))
        }
        (Samples::Values(x), Samples::Values(y)) => {
            let mut compared = values(of, "ms", &times(x), &times(y))?;
            (compared.a.lost, compared.b.lost) = (a.lost(), b.lost());
            Some(compared)
        }
        (Samples::Bytes(x), Samples::Bytes(y)) => values(of, "bytes", x, y),
        // One of them is of an older Soundcheck.
        _ => None,
    }
}

fn values(
    of: impl Fn(&'static str, (Side, Side), f64, Option<f64>) -> Compared,
    unit: &'static str,
    a: &[f64],
    b: &[f64],
) -> Option<Compared> {
    let side = |values: &[f64]| {
        let value = quantile(&mut values.to_vec(), 0.5)?;
        Some(Side { of: values.len() as f64, value, interval: None, lost: 0 })
    };
    let found = shift(a, b)?;
    // Of so few that not even lots wholly apart differ nothing can be detected.
    let few = a.len().max(b.len()) <= EXACT;
    let apart = |from: usize, n: usize| (from..from + n).map(|v| v as f64).collect::<Vec<_>>();
    let lost = few && shift(&apart(0, a.len()), &apart(a.len(), b.len()))?.p >= 1.0 - CONFIDENCE;
    let least = detectable(a, b).filter(|_| !lost);
    let compared = of(unit, (side(a)?, side(b)?), found.p, least);
    Some(Compared { shift: found.by, interval: Some(found.interval), ..compared })
}

#[cfg(test)]
mod tests;
