//! Whether events have become so many more that neither chance nor the unrest of the days before explains it.
//!
//! Given how many there were in all, those of now are binomial, with now's share of the exposure (the exact conditional
//! test of two Poisson rates; Przyborowski and Wilenski 1940). But such events come in bursts, and a test that takes each
//! for independent of all others would ring at every second one. So counts are divided by the dispersion of the
//! baseline's days first: a burst of ten counts as one event where the days show bursts of ten. Pearson's chi-square over
//! its degrees of freedom, corrected for sparse counts (Fletcher 2012), and of it the upper bound at 90 %, for a week of
//! days says little; never less than 1.

use super::special::{beta, gamma_upper};
use super::{ALPHA, falls_to};
use crate::unit::many;
use serde::Serialize;
use std::fmt;
use std::ops::RangeInclusive;

/// Days with exposure that a baseline needs: a week has all of its days.
pub const DAYS: usize = 7;
/// Responses that either side needs: if one in twenty were bad, so many would have shown one at 95 %.
pub const RESPONSES: u64 = 59;
/// Hours that either side needs where nobody counts responses.
pub const HOURS: f64 = 1.0;
/// Hours or responses that are an exposure at all: some milliseconds, and what can still be reckoned with.
const EXPOSURES: RangeInclusive<f64> = 1e-6..=1e30;
/// Fewer events are no spike, however rare they were.
pub const FEWEST: u64 = 5;
/// A spike is proved to be more than so many times as often.
pub const TIMES: f64 = 2.0;
/// Chance that the days are more restless than they are taken for.
pub(super) const CALM: f64 = 0.1;

/// Events over an exposure: of a window, or of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counted {
    /// Events.
    pub events: u64,
    /// Of how many responses, where they are counted: the honest exposure.
    pub of: Option<u64>,
    /// Over how many hours.
    pub hours: f64,
    /// The most of the events that one source (a play, say) gave; 0 where nobody knows.
    pub heaviest: u64,
    /// The plays that met the responses, each a session; 0 where nobody knows.
    pub plays: u64,
}

impl Counted {
    /// Both together; of sources that each is in one of them.
    pub fn and(self, more: Self) -> Self {
        Self {
            events: self.events.saturating_add(more.events),
            of: self.of.zip(more.of).map(|(a, b)| a.saturating_add(b)),
            hours: self.hours + more.hours,
            heaviest: self.heaviest.max(more.heaviest),
            plays: self.plays.saturating_add(more.plays),
        }
    }

    /// There can be no more events than responses, whoever says so.
    fn exposure(&self, by_responses: bool) -> f64 {
        match self.of.filter(|_| by_responses) {
            Some(of) => of.max(self.events) as f64,
            None => self.hours,
        }
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            Some(of) => write!(f, "{} of {of} responses", self.events)?,
            None => write!(f, "{} in {:.0} h", self.events, self.hours)?,
        }
        // What one play met may go wrong together: their number stands beside.
        match self.plays {
            0 => Ok(()),
            plays => write!(f, " in {}", many(plays, "play", "plays")),
        }
    }
}

/// Now against the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Now.
    pub now: Counted,
    /// The baseline's days together.
    pub before: Counted,
    /// How many days those are.
    pub days: usize,
    /// How many events a burst has, at most, by the baseline's days; at least 1.
    pub burst: f64,
    /// Lower bound, one-sided at 95 %, of how many times as often it is now.
    pub times: f64,
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { now, before, days, burst, times } = self;
        write!(f, "{now}, and {before} on {days} days before")?;
        if *times > 1.0 {
            write!(f, ": at least {times:.1} times as often")?;
        }
        // One says nothing that the counts do not.
        if *burst >= 2.0 {
            write!(f, " (they come in bursts of up to {burst:.0})")?;
        }
        Ok(())
    }
}

/// What cannot be said for want of data, and what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// So many days with responses before.
    Days(usize),
    /// So many responses before.
    ResponsesBefore(u64),
    /// So many responses now.
    Responses(u64),
    /// So many hours now.
    Hours(f64),
    /// So many of all events now came from one source: without it there is no spike.
    OneSource(u64, u64),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |more: bool| if more { "s" } else { "" };
        match self {
            Lack::Days(n) => write!(f, "the baseline needs {n} more day{} with responses", s(*n != 1)),
            Lack::ResponsesBefore(n) => write!(f, "the baseline needs {n} more response{}", s(*n != 1)),
            Lack::Responses(n) => write!(f, "the window needs {n} more response{}", s(*n != 1)),
            Lack::Hours(hours) => write!(f, "the window needs {:.0} more minutes", (hours * 60.0).ceil()),
            Lack::OneSource(n, all) => write!(f, "{n} of {all} are of one play: play again, to see whether it repeats"),
        }
    }
}

/// Whether there is a spike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Spike {
    /// None was found, and one could have been.
    No(Compared),
    /// There is one.
    Yes(Compared),
    /// Nobody can say.
    NotEnough(Lack),
}

/// Compares now with the days before. Only days with exposure are days: where nothing was asked, nothing was refused.
pub fn judge(now: &Counted, days: &[Counted]) -> Spike {
    let by_responses = days.iter().chain([now]).all(|c| c.of.is_some());
    let exposed = |c: &&Counted| EXPOSURES.contains(&c.exposure(by_responses));
    let days: Vec<Counted> = days.iter().filter(exposed).copied().collect();
    if days.len() < DAYS {
        return Spike::NotEnough(Lack::Days(DAYS - days.len()));
    }
    let before = days[1..].iter().fold(days[0], |sum, day| sum.and(*day));
    let short = |c: &Counted| if by_responses { RESPONSES.saturating_sub(c.exposure(true) as u64) } else { 0 };
    if short(&before) > 0 {
        return Spike::NotEnough(Lack::ResponsesBefore(short(&before)));
    }
    if !exposed(&now) {
        return Spike::NotEnough(if by_responses { Lack::Responses(RESPONSES) } else { Lack::Hours(HOURS) });
    }
    let spread: Vec<(f64, f64)> = days.iter().map(|d| (d.events as f64, d.exposure(by_responses))).collect();
    let burst = dispersion(&spread);
    let exposures = (now.exposure(by_responses), before.exposure(by_responses));
    let times = |events: u64| times_as_often(events as f64 / burst, before.events as f64 / burst, exposures);
    let spikes = |events: u64| events >= FEWEST && times(events) > TIMES;
    let compared = Compared { now: *now, before, days: days.len(), burst, times: times(now.events) };
    if spikes(now.events.saturating_sub(now.heaviest)) {
        return Spike::Yes(compared);
    }
    if spikes(now.events) {
        return Spike::NotEnough(Lack::OneSource(now.heaviest, now.events));
    }
    // That none was seen among a few says nothing.
    match (short(now), HOURS - now.hours) {
        (more @ 1.., _) => Spike::NotEnough(Lack::Responses(more)),
        (_, more) if !by_responses && more > 0.0 => Spike::NotEnough(Lack::Hours(more)),
        _ => Spike::No(compared),
    }
}

/// How many events a burst has, at most, by days of (events, exposure); at least 1.
pub(super) fn dispersion(days: &[(f64, f64)]) -> f64 {
    if days.len() < 2 { 1.0 } else { (unrest(days) / calm(days.len())).max(1.0) }
}

/// Pearson's chi-square of the days, corrected for sparse counts.
pub(super) fn unrest(days: &[(f64, f64)]) -> f64 {
    let (events, exposure) = days.iter().fold((0.0, 0.0), |(e, x), day| (e + day.0, x + day.1));
    if events == 0.0 {
        return 0.0;
    }
    let (mut chi_square, mut skew) = (0.0, 0.0);
    for (seen, of) in days {
        let expected = events * (of / exposure);
        chi_square += (seen - expected).powi(2) / expected;
        skew += (seen - expected) / expected / days.len() as f64;
    }
    chi_square / (1.0 + skew)
}

/// What it is below as seldom as [`CALM`], on so many days whose events know nothing of each other.
pub(super) fn calm(days: usize) -> f64 {
    let free = days as f64 - 1.0;
    falls_to(1.0 - CALM, (0.0, free), |x| gamma_upper(free / 2.0, x / 2.0))
}

/// Lower bound of the ratio of two rates; counts may be parts.
pub(super) fn times_as_often(now: f64, before: f64, (now_of, before_of): (f64, f64)) -> f64 {
    if now <= 0.0 {
        return 0.0;
    }
    let share = falls_to(1.0 - ALPHA, (0.0, 1.0), |share| 1.0 - as_many(now, before, share));
    share / (1.0 - share) * before_of / now_of
}

/// Chance that of all events as many are of now, or more, if this is its share of them.
pub(super) fn as_many(now: f64, before: f64, share: f64) -> f64 {
    beta(now, before + 1.0, share)
}
