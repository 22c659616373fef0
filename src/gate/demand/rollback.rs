//! P5.5: the way back is documented, and it is tested. Two lines: one says nothing of the other.

use super::super::{Context, Demand, Line};
use crate::source::Problem;
use serde::Deserialize;

/// The first.
pub const DOCUMENTED: &str = "rollback documented";
/// The second.
pub const TESTED: &str = "rollback tested";

/// The table: it has no keys, people attest both.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {}

impl Demand for Rollback {
    fn check(&self, _app: &str, _problems: &mut Vec<Problem>) {}

    fn words(&self) -> Vec<String> {
        [DOCUMENTED, TESTED].map(|name| format!("{name}, attested")).into()
    }

    fn judge(&self, asked: &mut Context) -> Vec<Line> {
        [DOCUMENTED, TESTED].map(|name| asked.attestations().line("P5.5", name, asked)).into()
    }
}
