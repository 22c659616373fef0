//! Drift: a CUSUM (Page) over the logarithms of a measure, against a baseline that outliers cannot move. It hears a
//! shift of one standard deviation in eleven values, and rings falsely in one of a thousand where the baseline is known
//! exactly: one taken of thirty values errs more often, so a drift is a reason to look, and no verdict.

use super::robust;

/// Values the baseline is taken of.
pub const BASELINE: usize = 30;
/// Half of the shift looked for, in standard deviations.
const SLACK: f64 = 0.5;
/// The sum at which it is no chance any more. No single value adds more than this either: one that never came is not
/// yet a drift.
pub(super) const ALARM: f64 = 5.0;
/// A measure that never varies would call any change a drift: 1 % is none.
const LEAST_SIGMA: f64 = 0.01;

/// Values have grown, and stayed so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// The first value of the run that raised the alarm.
    pub since: usize,
    /// The value that did.
    pub noticed: usize,
    /// The median from `since` on, over that of the baseline.
    pub times: f64,
}

/// Whether values in the order of their time have grown since the first [`BASELINE`] of them; `None`: they have not, or
/// there are too few to say so. What must not fall is given as its reciprocal.
pub fn drift(values: &[f64]) -> Option<Drift> {
    let logs: Vec<f64> =
        values.iter().map(|v| if v.is_nan() { f64::INFINITY } else { v.max(f64::MIN_POSITIVE).ln() }).collect();
    let (before, after) = logs.split_at_checked(BASELINE)?;
    let (middle, sigma) = robust(before);
    if !(middle.is_finite() && sigma.is_finite()) {
        return None;
    }
    let sigma = sigma.max(LEAST_SIGMA);
    let (since, noticed) = alarm(after.iter().map(|log| (log - middle) / sigma), ALARM)?;
    Some(Drift {
        since: BASELINE + since,
        noticed: BASELINE + noticed,
        times: (super::median(&after[since..]) - middle).exp(),
    })
}

/// Where the sum began to rise and where it passed `level`.
pub(super) fn alarm(deviations: impl Iterator<Item = f64>, level: f64) -> Option<(usize, usize)> {
    let (mut sum, mut since) = (0.0_f64, 0);
    for (n, z) in deviations.enumerate() {
        sum = (sum + z.min(ALARM) - SLACK).max(0.0);
        if sum == 0.0 {
            since = n + 1;
        }
        if sum > level {
            return Some((since, n));
        }
    }
    None
}
