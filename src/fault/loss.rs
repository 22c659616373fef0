//! `loss`: segments are lost in runs, as on radio links (Gilbert 1960, Elliott 1963). It is modelled: a TCP proxy
//! cannot lose a browser's packets, only do what their loss does.

use super::Fault;
use super::link::{GilbertElliott, Part};
use crate::unit::Share;
use serde::Deserialize;

/// The chain's four chances, by the names of `netem gemodel`; `good` and `bad` are chances of loss, so netem's `1-k`
/// and `1-h`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    p: Share,
    r: Share,
    #[serde(default = "never")]
    good: Share,
    #[serde(default = "always")]
    bad: Share,
}

fn never() -> Share {
    Share(0.0)
}

fn always() -> Share {
    Share(1.0)
}

impl Loss {
    fn chain(&self) -> GilbertElliott {
        GilbertElliott { p: self.p.0, r: self.r.0, good: self.good.0, bad: self.bad.0 }
    }
}

impl Fault for Loss {
    fn check(&self) -> Result<(), String> {
        if self.r.0 <= 0.0 {
            return Err(
                "`r` is the chance to turn good again: with none, the link never does; use an outage".to_owned()
            );
        }
        match self.chain().loss() {
            loss if loss <= 0.0 => Err("no segment is ever lost with these chances".to_owned()),
            loss if loss > 0.5 => Err(format!(
                "{:.0} % of all segments lost is no link any more: at most 50 %, or use an outage",
                loss * 100.0
            )),
            _ => Ok(()),
        }
    }

    fn link(&self) -> Option<Part> {
        Some(Part::Loss(self.chain()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, refused};
    use super::*;

    #[test]
    fn the_bad_state_loses_all_and_the_good_one_nothing_unless_told() {
        let part = fault("loss", "p = \"2.5 %\"\nr = \"50 %\"").link();
        assert_eq!(part, Some(Part::Loss(GilbertElliott { p: 0.025, r: 0.5, good: 0.0, bad: 1.0 })));
        // Loss of single segments, independent of each other.
        let part = fault("loss", "p = 0\nr = 1\ngood = \"1 %\"").link();
        assert_eq!(part, Some(Part::Loss(GilbertElliott { p: 0.0, r: 1.0, good: 0.01, bad: 1.0 })));
    }

    #[test]
    fn no_loss_and_nothing_but_loss_are_refused() {
        assert!(refused("loss", "p = 0\nr = 1").contains("ever lost"));
        assert!(refused("loss", "p = 1\nr = \"10 %\"").contains("at most 50 %"));
        assert!(refused("loss", "p = 1\nr = 0").contains("use an outage"));
        assert!(refused("loss", "p = \"5 %\"").contains("`r`"));
    }
}
