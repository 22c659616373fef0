//! How often a plan plays each of its journeys: `repeat = 5` for all, or a table `[repeat]` with a line for some.

use crate::source::Problem;
use crate::table::did_you_mean;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

/// More than this is a mistake.
const MOST: i64 = 1_000_000;

/// Plays of each journey, in each browser and under each profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Of a journey that is not named.
    usual: u32,
    named: BTreeMap<String, u32>,
}

impl Repeat {
    /// Everything so often.
    pub fn every(times: u32) -> Self {
        Self { usual: times, named: BTreeMap::new() }
    }

    /// Plays of this journey.
    pub fn of(&self, journey: &str) -> u32 {
        self.named.get(journey).copied().unwrap_or(self.usual)
    }

    /// Whether a journey that is played `times` times in all is played in this round of `rounds`, from 1, and then which
    /// of its plays that is. They are spread over all rounds: a machine that gets slower meets every journey alike.
    pub fn nth(times: u32, round: u32, rounds: u32) -> Option<u32> {
        let until = |round: u32| (u64::from(round) * u64::from(times) / u64::from(rounds.max(1))) as u32;
        let nth = until(round);
        (nth > until(round.saturating_sub(1))).then_some(nth)
    }
}

/// As files write it.
impl Serialize for Repeat {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.named.is_empty() {
            true => self.usual.serialize(to),
            false => self.named.serialize(to),
        }
    }
}

/// What a file says.
pub(super) enum File {
    Every(i64),
    Named(Vec<(Spanned<String>, Spanned<i64>)>),
}

impl File {
    /// `planned` are the plan's journeys, by name.
    pub(super) fn check(said: Option<Spanned<Self>>, planned: &[&str], problems: &mut Vec<Problem>) -> Repeat {
        let mut repeat = Repeat::every(1);
        let Some((span, said)) = said.map(|said| (said.span(), said.into_inner())) else { return repeat };
        let named = match said {
            File::Every(times) => {
                if !(1..=MOST).contains(&times) {
                    problems.push(Problem::at(span, "`repeat` is out of bounds", format!("write 1 to {MOST}")));
                }
                return Repeat::every(times.clamp(1, MOST) as u32);
            }
            File::Named(named) => named,
        };
        for (journey, times) in named {
            if !planned.contains(&journey.get_ref().as_str()) {
                let what = format!("`{}` is no journey of this plan", journey.get_ref());
                problems.push(Problem::at(journey.span(), what, did_you_mean(journey.get_ref(), planned.to_vec())));
            }
            if !(1..=MOST).contains(times.get_ref()) {
                let what = format!("how often `{}` is played is out of bounds", journey.get_ref());
                let help = format!("write 1 to {MOST}; to leave it out, take it from `journeys`");
                problems.push(Problem::at(times.span(), what, help));
            }
            repeat.named.insert(journey.into_inner(), times.into_inner().clamp(1, MOST) as u32);
        }
        repeat
    }
}

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = File;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a whole number, or a table of journeys with a number for each")
            }
            fn visit_i64<E>(self, times: i64) -> Result<File, E> {
                Ok(File::Every(times))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<File, A::Error> {
                let mut named = Vec::new();
                while let Some(line) = map.next_entry()? {
                    named.push(line);
                }
                Ok(File::Named(named))
            }
        }
        from.deserialize_any(Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plays_are_spread_over_all_rounds_and_none_is_lost() {
        for (times, rounds) in [(6, 150), (1, 4), (4, 4), (3, 7), (150, 150)] {
            let played: Vec<(u32, u32)> =
                (1..=rounds).filter_map(|round| Some((round, Repeat::nth(times, round, rounds)?))).collect();
            let numbers: Vec<u32> = played.iter().map(|(_, nth)| *nth).collect();
            assert_eq!(numbers, (1..=times).collect::<Vec<_>>(), "{times} in {rounds}");
            let gaps: Vec<u32> = played.windows(2).map(|two| two[1].0 - two[0].0).collect();
            let (least, most) = (gaps.iter().min(), gaps.iter().max());
            assert!(most.zip(least).is_none_or(|(most, least)| most - least <= 1), "{times} in {rounds}: {gaps:?}");
        }
    }
}
