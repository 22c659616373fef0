//! When the link is down: several outages, each perhaps again and again.

use super::{Outage, OutageMode, Part};
use std::time::Duration;

/// Later than all that happens: 136 years. What would arrive then never does.
pub(super) const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);
/// Outages in a row that a search goes through before it says [`FOREVER`]: those that cover one another's gaps never
/// end.
pub(super) const HOPS: u32 = 10_000;

impl Outage {
    /// The outage that time `t` lies in: its begin and end. One that lasts until its next begin never ends.
    pub fn around(&self, t: Duration) -> Option<(Duration, Duration)> {
        let since = t.checked_sub(self.at)?;
        let into = match self.every {
            Some(every) if every <= self.lasts => return Some((self.at, FOREVER)),
            Some(every) => Duration::from_nanos(nanos(since) % nanos(every)),
            None => since,
        };
        (into < self.lasts).then(|| (t - into, t - into + self.lasts))
    }

    /// The outage of time `t`, else the next one: its begin and end.
    fn next(&self, t: Duration) -> Option<(Duration, Duration)> {
        if let Some(now) = self.around(t) {
            return Some(now);
        }
        let begin = match t.checked_sub(self.at) {
            None => self.at,
            Some(since) => {
                let every = nanos(self.every?);
                self.at + Duration::from_nanos((nanos(since) / every + 1) * every)
            }
        };
        // By itself again: at the first begin it may be one that never ends.
        self.around(begin)
    }
}

fn nanos(t: Duration) -> u64 {
    t.as_nanos() as u64
}

/// A time the link is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Down {
    /// The number of the rule.
    pub rule: usize,
    pub mode: OutageMode,
    pub begin: Duration,
    pub end: Duration,
}

/// The outages of a link, each with the number of its rule.
#[derive(Clone, Debug)]
pub(super) struct Outages(Vec<(usize, Outage)>);

impl Outages {
    /// Those of these parts whose mode is wanted.
    pub fn new(parts: &[(String, Part)], wanted: impl Fn(OutageMode) -> bool) -> Self {
        let outages = parts.iter().enumerate().filter_map(|(rule, (_, part))| match part {
            Part::Outage(outage) if wanted(outage.mode) && !outage.lasts.is_zero() => Some((rule, outage.clone())),
            _ => None,
        });
        Self(outages.collect())
    }

    /// The outage of this rule.
    pub fn get(&self, rule: usize) -> Option<&Outage> {
        self.0.iter().find(|(r, _)| *r == rule).map(|(_, outage)| outage)
    }

    /// The outage of `from`, else the next one; of one that began before, only the rest.
    pub fn next(&self, from: Duration) -> Option<Down> {
        let next = |(rule, outage): &(usize, Outage)| {
            let (begin, end) = outage.next(from)?;
            Some(Down { rule: *rule, mode: outage.mode, begin: begin.max(from), end })
        };
        self.0.iter().filter_map(next).min_by_key(|down| down.begin)
    }

    /// The outage of time `t`: the hardest, where several overlap.
    pub fn at(&self, t: Duration) -> Option<Down> {
        let around = |(rule, outage): &(usize, Outage)| {
            let (begin, end) = outage.around(t)?;
            Some(Down { rule: *rule, mode: outage.mode, begin, end })
        };
        self.0.iter().filter_map(around).max_by_key(|down| match down.mode {
            OutageMode::Hold => 0,
            OutageMode::Blackhole => 1,
            OutageMode::Refuse => 2,
        })
    }

    /// `t`, or the first time after it that lies in no outage.
    pub fn clear(&self, mut t: Duration) -> Duration {
        for _ in 0..HOPS {
            match self.next(t) {
                Some(down) if down.begin == t && down.end < FOREVER => t = down.end,
                Some(down) if down.begin == t => return FOREVER,
                _ => return t,
            }
        }
        FOREVER
    }

    /// The first begin or end after `t`.
    pub fn next_change(&self, t: Duration) -> Option<Duration> {
        let next = |(_, outage): &(usize, Outage)| {
            let (begin, end) = outage.next(t)?;
            [begin, end].into_iter().find(|change| *change > t && *change < FOREVER)
        };
        self.0.iter().filter_map(next).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn outages(list: &[(u64, u64, Option<u64>)]) -> Outages {
        let part = |(at, lasts, every): &(u64, u64, Option<u64>)| {
            let (at, lasts, every) = (s(*at), s(*lasts), every.map(s));
            (String::new(), Part::Outage(Outage { at, lasts, every, mode: OutageMode::Hold }))
        };
        Outages::new(&list.iter().map(part).collect::<Vec<_>>(), |_| true)
    }

    #[test]
    fn an_outage_comes_again_and_its_end_is_not_in_it() {
        let o = outages(&[(10, 4, Some(60))]);
        let spans = |t| o.next(s(t)).map(|d| (d.begin.as_secs(), d.end.as_secs()));
        assert_eq!(spans(0), Some((10, 14)));
        assert_eq!(spans(12), Some((12, 14)), "the rest of it");
        assert_eq!(spans(14), Some((70, 74)));
        assert_eq!(spans(3670), Some((3670, 3674)), "an hour later");
        assert_eq!(o.clear(s(9)), s(9));
        assert_eq!(o.clear(s(10)), s(14));
    }

    #[test]
    fn a_single_outage_does_not_come_again() {
        let o = outages(&[(15, 11, None)]);
        assert_eq!(o.next(s(26)), None);
        assert_eq!([s(0), s(15), s(26)].map(|t| o.next_change(t)), [Some(s(15)), Some(s(26)), None]);
    }

    #[test]
    fn overlapping_outages_are_one_long_one() {
        assert_eq!(outages(&[(10, 4, None), (13, 5, None), (18, 1, None)]).clear(s(11)), s(19));
    }

    #[test]
    fn outages_without_gaps_never_end() {
        assert_eq!(outages(&[(10, 60, Some(60))]).clear(s(10)), FOREVER);
        assert_eq!(outages(&[(10, 60, Some(60))]).next(s(0)).map(|d| d.end), Some(FOREVER));
        assert_eq!(outages(&[(0, 30, Some(60)), (30, 30, Some(60))]).clear(s(10)), FOREVER);
        assert_eq!(outages(&[(0, 0, Some(1))]).clear(s(10)), s(10), "one of no length is none");
    }
}
