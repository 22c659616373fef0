//! A run's answer, and what it comes from.

use super::{Ending, Play, Record};
use crate::quarantine::Entry;
use crate::slo::{Judged, Verdict};
use crate::table::Row as _;
use serde_json::Value;

impl Record {
    /// The plays that are judged: not those that diagnose another.
    pub fn attempts(&self) -> impl Iterator<Item = &Play> {
        self.plays.iter().filter(|p| !p.diagnoses)
    }

    /// The plays that are no attempt replaced by a later one.
    pub fn final_plays(&self) -> impl Iterator<Item = &Play> {
        self.attempts().filter(|p| !self.attempts().any(|q| q.same(p) && q.attempt > p.attempt))
    }

    /// The objectives that decide: not those only aimed at, nor those breached by failures that are borne.
    fn demanded(&self) -> impl Iterator<Item = &Judged> {
        self.objectives.iter().filter(|o| !o.goal && !o.quarantined)
    }

    fn proves(&self) -> bool {
        self.about.get("judge").and_then(Value::as_str) == Some("prove")
    }

    /// Whether a play failed, and its quarantine bears with that. A plan that is judged to prove bears with nothing.
    pub fn bears(&self, play: &Play) -> bool {
        play.ending == Ending::Failed && play.quarantine.is_some() && !play.diagnoses && !self.proves()
    }

    /// The quarantine as it stood when the run began.
    pub fn quarantine(&self) -> Vec<Entry> {
        self.about.get("quarantine").and_then(|q| serde_json::from_value(q.clone()).ok()).unwrap_or_default()
    }

    /// The whole run's answer. Breached outranks broken; without any sample there is not enough data. A failure that is
    /// borne is not enough data: nothing that failed is met.
    pub fn verdict(&self) -> Verdict {
        let failed = self.attempts().any(|p| p.ending == Ending::Failed && !self.bears(p));
        let broken = self.final_plays().any(|p| matches!(p.ending, Ending::Broken | Ending::Unfinished));
        if failed || self.demanded().any(|o| o.verdict == Verdict::Breached) {
            Verdict::Breached
        } else if broken || self.dropped > 0 || !self.complete {
            Verdict::Broken
        } else if self.plays.is_empty()
            || self.attempts().any(|p| p.ending == Ending::Undecided || self.bears(p))
            // Nothing was to be judged: no objective, and no profile that says what must hold.
            || self.objectives.is_empty() && !self.plays.iter().any(|p| p.faulted)
            || self.plays.iter().any(|p| !p.faulted)
                && self.demanded().any(|o| o.verdict == Verdict::NotEnoughData)
        {
            Verdict::NotEnoughData
        } else {
            Verdict::Met
        }
    }

    /// The exit code the verdict means under the run's judge: 0 satisfied, 1 not, 3 broken.
    pub fn exit_code(&self) -> u8 {
        let no_sample = !self.attempts().any(|p| p.ending == Ending::Passed);
        match self.verdict() {
            Verdict::Met => 0,
            Verdict::NotEnoughData => u8::from(self.proves() || no_sample),
            Verdict::Breached => 1,
            Verdict::Broken => 3,
        }
    }

    /// The play that the run's answer comes from, where it is no good one.
    pub fn first_failed(&self) -> Option<&Play> {
        let of = |ending| self.attempts().find(|p| p.ending == ending && !self.bears(p));
        of(Ending::Failed).or_else(|| of(Ending::Broken)).or_else(|| of(Ending::Undecided))
    }

    /// The first failure in words, with where it happened.
    pub fn first_cause(&self) -> Option<String> {
        let play = self.first_failed()?;
        let reason = play.reason.as_deref().unwrap_or("no reason recorded");
        let who = format!("{} in {}", play.journey, play.browser);
        let class = play.class.as_ref().map_or(String::new(), |class| format!(" (class: {})", class.name()));
        let Some(step) = play.steps.iter().find(|s| !s.ok).map(|s| s.name.as_str()) else {
            return Some(format!("{who}: {reason}{class}"));
        };
        // A failed step's reason begins with its name, also within what a profile wanted of it: once is enough.
        let bare = format!(": {reason}").replacen(&format!(": {step}: "), ": ", 1);
        Some(format!("{who}, step \"{step}\"{bare}{class}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Step;

    #[test]
    fn the_first_cause_names_its_step_once() {
        let cause = |reason: &str, steps: &[&str]| {
            let step = |name: &&str| Step { name: (*name).to_owned(), ..Step::default() };
            let play = Play {
                journey: "presets".to_owned(),
                browser: "firefox".to_owned(),
                ending: Ending::Failed,
                reason: Some(reason.to_owned()),
                steps: steps.iter().map(step).collect(),
                ..Play::default()
            };
            Record { plays: vec![play], ..Record::default() }.first_cause().expect("a cause")
        };
        let step = "presets in firefox, step \"next preset 3\": ";
        let wanted = "it must play under this profile, and failed: ";
        for (reason, said) in [
            ("next preset 3: no picture".to_owned(), "no picture".to_owned()),
            (format!("{wanted}next preset 3: no picture"), format!("{wanted}no picture")),
            ("no picture after next preset 3: black".to_owned(), "no picture after next preset 3: black".to_owned()),
        ] {
            assert_eq!(cause(&reason, &["next preset 3"]), format!("{step}{said}"));
        }
        assert_eq!(cause("late", &[]), "presets in firefox: late");
    }
}
