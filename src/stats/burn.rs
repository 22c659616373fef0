//! How fast a budget burns, and whether that is more than chance. One failure among a dozen probes burns a budget of
//! 0.1 % eighty times too fast and says nothing: so few must be improbable besides.

use super::special::{binomial_cdf, poisson_cdf};
use serde::Serialize;

/// What samples were taken of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Exposure {
    /// So many trials; a budget is the share of them that may fail.
    Trials(u64),
    /// So many minutes; a budget is the failures a minute may have.
    Minutes(f64),
}

impl Exposure {
    /// As a number.
    pub fn amount(self) -> f64 {
        match self {
            Exposure::Trials(n) => n as f64,
            Exposure::Minutes(minutes) => minutes,
        }
    }
}

/// What of a budget is gone in a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spent {
    /// Failures.
    pub bad: u64,
    /// Of how much.
    pub of: Exposure,
}

impl Spent {
    /// Both together, of one kind.
    pub fn and(self, more: Self) -> Self {
        let of = match (self.of, more.of) {
            (Exposure::Minutes(a), b) => Exposure::Minutes(a + b.amount()),
            (Exposure::Trials(a), Exposure::Trials(b)) => Exposure::Trials(a.saturating_add(b)),
            (Exposure::Trials(_), minutes) => minutes,
        };
        Self { bad: self.bad.saturating_add(more.bad), of }
    }

    /// How many times faster than `budget` allows; `None`: nothing was seen.
    pub fn burn(&self, budget: f64) -> Option<f64> {
        let of = self.of.amount();
        (of > 0.0 && of.is_finite() && budget > 0.0).then(|| self.bad as f64 / of / budget)
    }

    /// Chance of so many failures or more in an app that spends its budget exactly.
    fn chance(&self, budget: f64) -> f64 {
        match (self.bad, self.of) {
            (0, _) => 1.0,
            (bad, Exposure::Trials(n)) => 1.0 - binomial_cdf(bad - 1, n, budget),
            (bad, Exposure::Minutes(minutes)) => 1.0 - poisson_cdf(bad - 1, minutes * budget),
        }
    }
}

/// Whether a budget burns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Burning {
    /// Not so fast in both windows, or nothing was seen.
    No,
    /// So fast, but of so few samples that chance alone may do it.
    #[serde(rename = "too few")]
    TooFew,
    /// So fast.
    Yes,
}

/// One failure is no burning, whatever its chance.
const FEWEST: u64 = 2;
/// Chance may do what is more likely than this.
const CHANCE: f64 = 0.01;

/// Whether the budget burns more than `threshold` times too fast, over the long window and over the short one.
pub fn burning(long: &Spent, short: &Spent, budget: f64, threshold: f64) -> Burning {
    let fast = |spent: &Spent| spent.burn(budget).is_some_and(|burn| burn > threshold);
    if !fast(long) || !fast(short) {
        Burning::No
    } else if long.bad < FEWEST || long.chance(budget) >= CHANCE {
        Burning::TooFew
    } else {
        Burning::Yes
    }
}
