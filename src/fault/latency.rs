//! `latency`: everything takes longer to arrive.

use super::Fault;
use super::link::{Part, Spread};
use crate::unit::{Share, Time};
use serde::Deserialize;
use std::time::Duration;

/// Delay of the link: half of the round trip each way.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    rtt: Time,
    jitter: Option<Time>,
    spread: Option<Spread>,
    correlation: Option<Share>,
}

impl Fault for Latency {
    fn check(&self) -> Result<(), String> {
        match self.jitter {
            None if self.spread.is_some() || self.correlation.is_some() => {
                Err("`spread` and `correlation` are those of the jitter: give `jitter` too".to_owned())
            }
            Some(jitter) if self.spread.unwrap_or_default() == Spread::Uniform && jitter.0 > self.rtt.0 => {
                Err("`jitter` is more than `rtt`: nothing arrives before it was sent".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn link(&self) -> Option<Part> {
        Some(Part::Latency {
            rtt: self.rtt.0,
            jitter: self.jitter.map_or(Duration::ZERO, |t| t.0),
            spread: self.spread.unwrap_or_default(),
            correlation: self.correlation.map_or(0.0, |s| s.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, refused};
    use super::*;

    #[test]
    fn a_bare_round_trip_does_not_jitter() {
        let ms = Duration::from_millis;
        let (spread, correlation) = (Spread::Uniform, 0.0);
        let bare = Part::Latency { rtt: ms(150), jitter: ms(0), spread, correlation };
        assert_eq!(fault("latency", "rtt = \"150 ms\"").link(), Some(bare));
        let keys = "rtt = \"20 ms\"\njitter = \"100 ms\"\nspread = \"pareto\"\ncorrelation = \"75 %\"";
        let full = Part::Latency { rtt: ms(20), jitter: ms(100), spread: Spread::Pareto, correlation: 0.75 };
        assert_eq!(fault("latency", keys).link(), Some(full));
    }

    #[test]
    fn jitter_that_makes_no_sense_is_refused() {
        assert!(refused("latency", "rtt = \"20 ms\"\njitter = \"21 ms\"").contains("more than `rtt`"));
        assert!(refused("latency", "rtt = \"20 ms\"\ncorrelation = \"5 %\"").contains("give `jitter`"));
        assert!(refused("latency", "rtt = \"20 ms\"\njitter = \"1 ms\"\nspread = \"wide\"").contains("wide"));
        assert!(refused("latency", "").contains("rtt"));
    }
}
