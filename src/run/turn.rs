//! The plays of a plan, in their order.

use crate::browser::Kind;
use crate::journey::Journey;
use crate::plan::{Plan, Repeat};
use crate::profile::Profile;

/// One play to do.
pub(super) struct Turn<'a> {
    pub(super) journey: &'a Journey,
    pub(super) kind: Kind,
    pub(super) profile: &'a Profile,
    pub(super) number: u32,
    pub(super) attempt: u32,
    /// It only says whether the failure of an earlier attempt repeats.
    pub(super) diagnoses: bool,
}

/// Every play of the plan, in rounds: a round plays in every browser, under every profile, each journey whose turn it is.
pub(super) fn turns(plan: &Plan) -> Vec<Turn<'_>> {
    let times = |journey: &Journey| plan.repeat.of(&journey.name);
    let rounds = plan.journeys.iter().map(times).max().unwrap_or(0);
    let mut turns = Vec::new();
    for round in 1..=rounds {
        for kind in &plan.browsers {
            for profile in &plan.profiles {
                for journey in &plan.journeys {
                    let Some(number) = Repeat::nth(times(journey), round, rounds) else { continue };
                    turns.push(Turn { journey, kind: *kind, profile, number, attempt: 1, diagnoses: false });
                }
            }
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Overrides;
    use crate::secret::Secrets;
    use std::path::Path;

    #[test]
    fn plays_are_spread_over_the_rounds_in_one_browser_as_in_both() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/proof.toml");
        for browsers in [vec![Kind::Firefox], Kind::ALL.to_vec()] {
            let overrides = Overrides { browsers: browsers.clone(), ..Overrides::default() };
            let plan = Plan::read(&path, &overrides, &Secrets::default()).expect("it ships");
            let turns = turns(&plan);
            assert_eq!(turns.len(), 156 * browsers.len());
            assert!(plan.words()[0].ends_with(&format!(" = {} plays of stage", turns.len())), "{:?}", plan.words());
            for kind in browsers {
                let of = |journey: &str| -> Vec<u32> {
                    let own = turns.iter().filter(|turn| turn.kind == kind && turn.journey.name == journey);
                    own.map(|turn| turn.number).collect()
                };
                assert_eq!(of("preset-churn"), (1..=6).collect::<Vec<_>>());
                assert_eq!(of("video"), (1..=150).collect::<Vec<_>>());
            }
            // The first and the last quarter have as many of each, but for one.
            let churns = |part: &[Turn]| part.iter().filter(|turn| turn.journey.name == "preset-churn").count();
            let quarter = turns.len() / 4;
            assert!(churns(&turns[..quarter]).abs_diff(churns(&turns[turns.len() - quarter..])) <= 2);
        }
    }
}
