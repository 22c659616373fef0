//! What was played again only to diagnose: whether a failure repeats.

use super::{Ending, Play, Record};
use serde::Serialize;

/// How often a play failed, of all its attempts that came to an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Repeats {
    /// Attempts that failed, the first included.
    pub failed: u64,
    /// Attempts that came to an answer, the first included.
    pub of: u64,
}

impl Repeats {
    /// In words.
    pub fn words(&self) -> String {
        let Self { failed, of } = self;
        match (failed, of) {
            (_, 1) => "played again, and no attempt came to an answer".to_owned(),
            (failed, of) if failed == of => format!("failed {failed} of {of}: it repeats"),
            (failed, of) => format!("failed {failed} of {of}: intermittent"),
        }
    }
}

impl Record {
    /// Gives each failed play what diagnosing it came to.
    pub(super) fn diagnosed(&mut self) {
        let repeats = |play: &Play| {
            let again = || self.plays.iter().filter(|other| other.diagnoses && other.same(play));
            let ended = |ending| again().filter(|other| other.ending == ending).count() as u64;
            let (failed, passed) = (ended(Ending::Failed), ended(Ending::Passed));
            (again().next().is_some()).then_some(Repeats { failed: 1 + failed, of: 1 + failed + passed })
        };
        let failed = |play: &Play| play.ending == Ending::Failed && !play.diagnoses;
        let all: Vec<Option<Repeats>> =
            self.plays.iter().map(|play| Some(play).filter(|p| failed(p)).and_then(repeats)).collect();
        for (play, repeats) in self.plays.iter_mut().zip(all) {
            play.repeats = repeats;
        }
    }

    /// Lines about what was diagnosed, is borne, or is borne no longer.
    pub fn notes(&self) -> Vec<String> {
        let diagnosed = self.plays.iter().filter_map(|p| Some(format!("{}: {}", p.title(), p.repeats?.words())));
        let borne = self.plays.iter().filter(|p| self.bears(p));
        let borne = borne.filter_map(|p| Some(format!("{} failed, {}", p.title(), p.quarantine.as_ref()?.badge())));
        let expired = self.quarantine();
        diagnosed.chain(borne).chain(expired.iter().filter_map(crate::quarantine::Entry::expired)).collect()
    }
}
