//! P6.4: all objectives on each of the last seven calendar days. Demanded however the file judges: a gap never yields GO.

use super::super::context::show_refused;
use super::super::{Context, Demand, Line};
use super::{at_most, fresh, without};
use crate::slo::{Mark, STREAK, Streak, Verdict};
use crate::source::Problem;
use crate::unit::{Time, many};
use jiff::Timestamp;
use serde::Deserialize;

/// The table: how old the newest sample may be.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seven {
    fresh: Option<Time>,
}

impl Demand for Seven {
    fn check(&self, _app: &str, _problems: &mut Vec<Problem>) {}

    fn words(&self) -> Vec<String> {
        vec![format!(
            "each of the last {STREAK} days is met by plays of this version, the newest {}",
            at_most(self.fresh)
        )]
    }

    fn judge(&self, asked: &mut Context) -> Vec<Line> {
        let line = Line::of("P6.4", format!("{STREAK} days met"));
        let (standing, refused) = match asked.standing().and_then(|standing| Ok((standing, asked.refused()?))) {
            Ok(found) => found,
            Err(e) => return vec![without(line, &e)],
        };
        let streak = &standing.streak;
        let version = asked.version().cloned().unwrap_or_default();
        let mut what = vec![format!("{} of {STREAK} days met", streak.met)];
        what.extend(show_refused(&refused, &version));
        let line = line.says(answer(streak), what.join("; "));
        let line = if line.holds() { line } else { line.todo(todo(streak)) };
        let newest = standing.objectives.iter().filter_map(|stands| stands.newest).max();
        let limit = fresh(self.fresh);
        vec![match newest.and_then(|at| Timestamp::from_millisecond(at).ok()) {
            None => Line { fresh_s: Some(limit.as_secs()), ..line },
            newest => line.dated(newest, limit, asked.until()),
        }]
    }
}

/// The days that a streak would be made of, and today.
fn last(streak: &Streak) -> impl DoubleEndedIterator<Item = &crate::slo::Day> {
    let shown = STREAK + usize::from(!streak.over);
    streak.days[streak.days.len().saturating_sub(shown)..].iter()
}

fn answer(streak: &Streak) -> Verdict {
    match () {
        () if streak.holds() => Verdict::Met,
        () if last(streak).any(|day| day.mark == Mark::Breached) => Verdict::Breached,
        () => Verdict::NotEnoughData,
    }
}

/// What broke it, the newest day first, and how long it will take.
fn todo(streak: &Streak) -> String {
    let today = (!streak.over).then(|| streak.days.last()).flatten().filter(|day| day.mark != Mark::Breached);
    let bad = last(streak).rev().filter(|day| Some(day.day) != today.map(|day| day.day));
    let bad: Vec<&crate::slo::Day> = bad.filter(|day| day.mark != Mark::Met).collect();
    let Some(day) = bad.first() else { return more_days(streak) };
    let mark = if day.mark == Mark::Breached { "breached" } else { "a gap" };
    let why = day.why.first().map_or(String::new(), |why| format!(" ({why})"));
    let more = if bad.len() > 1 { format!(" and {} days before it", bad.len() - 1) } else { String::new() };
    format!("{} met; {} is {mark}{why}{more}", more_days(streak), day.day)
}

fn more_days(streak: &Streak) -> String {
    many((STREAK - streak.met.min(STREAK)) as u64, "more day", "more days")
}
