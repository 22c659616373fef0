//! Pure. Seven days running on which every objective held. A day is *met* when nothing was breached over its own window
//! ending that day and every objective has its `day_min` samples of the day; else it is *breached*, or a *gap*. A gap is
//! never met.

use super::calendar::before;
use super::{Calendar, Daily, Objective, Verdict};
use jiff::civil::Date;
use serde::Serialize;
use std::cmp::Reverse;

/// Days that a streak needs.
pub const STREAK: usize = 7;
/// Days that are shown.
const SHOWN: usize = 14;

/// What a day was. In order of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// Nothing breached, and samples enough.
    Met,
    /// Too few samples.
    Gap,
    /// An objective was breached over its window.
    Breached,
}

impl Mark {
    /// In a strip of days.
    pub fn sign(self) -> char {
        match self {
            Mark::Met => '■',
            Mark::Gap => '·',
            Mark::Breached => '✗',
        }
    }
}

/// A day, over all pillars.
#[derive(Clone, Debug, Serialize)]
pub struct Day {
    /// In the calendar.
    pub day: Date,
    /// What it was.
    pub mark: Mark,
    /// Why it is not met, an objective each: what breached comes first.
    pub why: Vec<String>,
}

/// The days of a pillar, oldest first.
#[derive(Clone, Debug, Serialize)]
pub struct Strip {
    /// The pillar.
    pub pillar: String,
    /// As many as the streak shows.
    pub days: Vec<Mark>,
}

/// The last days, and how many of them running are met.
#[derive(Clone, Debug, Serialize)]
pub struct Streak {
    /// How many of the last seven days running, back from the last that is over; 0 too where today is breached already.
    pub met: usize,
    /// The last day shown is over. One that is not can break the streak, and adds nothing to it.
    pub over: bool,
    /// Oldest first.
    pub days: Vec<Day>,
    /// Each pillar's.
    pub pillars: Vec<Strip>,
}

impl Streak {
    pub(super) fn of(accounts: &[(&Objective, &Daily)], calendar: &Calendar) -> Self {
        let demanded = || accounts.iter().filter(|(objective, _)| !objective.goal);
        let mut pillars: Vec<Strip> = Vec::new();
        for (objective, _) in demanded() {
            if !pillars.iter().any(|strip| strip.pillar == objective.pillar()) {
                pillars.push(Strip { pillar: objective.pillar().to_owned(), days: Vec::new() });
            }
        }
        let mut days = Vec::new();
        for day in calendar.days(SHOWN) {
            pillars.iter_mut().for_each(|strip| strip.days.push(Mark::Met));
            let mut why = Vec::new();
            for (objective, own) in demanded() {
                let (mark, reason) = judge(objective, own, day);
                why.extend(reason.map(|reason| (mark, reason)));
                let strip = pillars.iter_mut().find(|strip| strip.pillar == objective.pillar());
                if let Some(last) = strip.and_then(|strip| strip.days.last_mut()) {
                    *last = mark.max(*last);
                }
            }
            // Where nothing is demanded, nothing is met.
            let mark = pillars.iter().filter_map(|strip| strip.days.last().copied()).max().unwrap_or(Mark::Gap);
            why.sort_by_key(|(mark, _)| Reverse(*mark));
            days.push(Day { day, mark, why: why.into_iter().map(|(_, reason)| reason).collect() });
        }
        let over = calendar.is_over();
        Self { met: met(&days, over), over, days, pillars }
    }

    /// The last seven days that are over are all met, and today is not breached yet.
    pub fn holds(&self) -> bool {
        self.met == STREAK
    }
}

/// What one objective says of a day, and why that is not met.
fn judge(objective: &Objective, days: &Daily, day: Date) -> (Mark, Option<String>) {
    let Objective { name, window, day_min, .. } = objective;
    let all = super::ledger::over_window(objective, days, day);
    let judged = objective.judge(&all.samples, all.sessions);
    if judged.verdict == Verdict::Breached {
        return (Mark::Breached, Some(format!("{name} breached over {window}: {}", judged.value)));
    }
    let none = objective.no_samples();
    let samples = days.get(&day).map_or(&none, |given| &given.samples);
    if objective.is_day(samples) {
        return (Mark::Met, None);
    }
    let had = objective.target.spent(samples).of.amount();
    (Mark::Gap, Some(format!("{name} {} of {day_min}", (had * 10.0).floor() / 10.0)))
}

fn met(days: &[Day], over: bool) -> usize {
    let days = match days.split_last() {
        Some((today, _)) if !over && today.mark == Mark::Breached => return 0,
        Some((_, before)) if !over => before,
        _ => days,
    };
    days.iter().rev().take(STREAK).take_while(|day| day.mark == Mark::Met).count()
}

/// The first day that a streak looks at: that of the longest window before the first day shown.
pub(super) fn first_day(objectives: &[Objective], calendar: &Calendar) -> Date {
    let longest = objectives.iter().map(|o| usize::from(o.window.0)).max().unwrap_or(1);
    before(calendar.last(), SHOWN - 1 + longest - 1)
}

#[cfg(test)]
mod tests;
