//! When a budget burns so fast that somebody must be told: over a long window and over a twelfth of it, so that the
//! alarm stops soon after the burning does (SRE Workbook, chapter 5).

use crate::unit::{Days, Share, Time, ms};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Who must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody, now.
    Page,
    /// Somebody, in working hours.
    Ticket,
}

impl Severity {
    /// As files and rules write it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Page => "page",
            Severity::Ticket => "ticket",
        }
    }
}

/// So much of the budget gone within so long.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// Who must be told.
    pub severity: Severity,
    /// The share of the whole window's budget.
    pub budget: Share,
    /// The long window.
    pub within: Time,
}

/// Where a file does not say: the workbook's own.
pub(super) const ALERTS: [Alert; 3] =
    [of(Severity::Page, 0.02, 1), of(Severity::Page, 0.05, 6), of(Severity::Ticket, 0.1, 72)];

const fn of(severity: Severity, budget: f64, hours: u64) -> Alert {
    Alert { severity, budget: Share(budget), within: Time(Duration::from_secs(hours * 3600)) }
}

impl Alert {
    /// The long window.
    pub fn long(&self) -> Duration {
        self.within.0
    }

    /// The short window: it must burn there too.
    pub fn short(&self) -> Duration {
        self.within.0 / 12
    }

    /// How many times faster than the budget allows: 14.4 for 2 % of thirty days within an hour.
    pub fn burn(&self, window: Days) -> f64 {
        self.budget.0 * ms(window.duration()) / ms(self.within.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workbooks_table_comes_out() {
        let burns = ALERTS.map(|alert| alert.burn(Days(30)));
        for (burn, wanted) in burns.into_iter().zip([14.4, 6.0, 1.0]) {
            assert!((burn - wanted).abs() < 1e-9, "{burn}");
        }
        let short = ALERTS.map(|alert| alert.short().as_secs() / 60);
        assert_eq!(short, [5, 30, 360]);
    }
}
