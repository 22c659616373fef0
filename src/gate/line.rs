//! Pure. A line of the answer: what is demanded, whether it is shown to hold, by which evidence, how old that is and may be.

use crate::slo::Verdict;
use jiff::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// Clocks of two machines differ: what is dated later than this, seconds, is not believed.
pub(super) const AHEAD: i64 = 300;

/// A line.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The requirement it stands for: `P5.1`.
    pub id: String,
    /// What is demanded, in a word or two.
    pub name: String,
    /// Whether it is shown to hold. Broken: what holds the evidence could not be reached.
    pub answer: Verdict,
    /// Whether the answer GO needs it. What is not demanded is shown, and decides nothing.
    pub demanded: bool,
    /// What was seen.
    pub evidence: String,
    /// Where that can be seen: an address or a path.
    pub link: Option<String>,
    /// When it was seen.
    pub at: Option<Timestamp>,
    /// How old it is, seconds.
    pub age_s: Option<i64>,
    /// How old it may be, seconds.
    pub fresh_s: Option<u64>,
    /// Through which day it holds, where a person says so.
    pub expires: Option<String>,
    /// Who attests it; `None`: it was measured, or nobody does.
    pub by: Option<String>,
    /// What to do, where it is not shown to hold.
    pub missing: Option<String>,
}

impl Line {
    /// One that nothing is known of yet.
    pub fn of(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            answer: Verdict::NotEnoughData,
            demanded: true,
            evidence: String::new(),
            link: None,
            at: None,
            age_s: None,
            fresh_s: None,
            expires: None,
            by: None,
            missing: None,
        }
    }

    /// With this answer and its evidence.
    pub fn says(mut self, answer: Verdict, evidence: impl Into<String>) -> Self {
        self.answer = answer;
        self.evidence = evidence.into();
        self
    }

    /// Not enough data, why, and what to do.
    pub fn lacks(self, why: impl Into<String>, todo: impl Into<String>) -> Self {
        self.says(Verdict::NotEnoughData, why).todo(todo)
    }

    /// What to do.
    pub fn todo(mut self, todo: impl Into<String>) -> Self {
        self.missing = Some(todo.into());
        self
    }

    /// Where the evidence can be seen.
    pub fn link(mut self, link: Option<String>) -> Self {
        self.link = link;
        self
    }

    /// Holds the evidence against its limit: what is too old, is dated in the future, or tells no date shows nothing. A
    /// breach stays one: nothing shows that it was mended.
    pub fn dated(mut self, at: Option<Timestamp>, fresh: Duration, until: Timestamp) -> Self {
        self.fresh_s = Some(fresh.as_secs());
        self.at = at;
        self.age_s = at.map(|at| until.as_second() - at.as_second());
        let limit = show_age(fresh.as_secs() as i64);
        let (why, todo) = match self.age_s {
            None => ("it does not say when that was".to_owned(), "give evidence that is dated".to_owned()),
            Some(age) if age < -AHEAD => {
                (format!("dated {} later than is asked about", show_age(-age)), "set the clocks right".to_owned())
            }
            // The clocks differ by so little that it was just now.
            Some(age) if age <= 0 => {
                self.age_s = Some(0);
                return self;
            }
            Some(age) if age as u64 > fresh.as_secs() => (
                format!("stale: {} old, at most {limit}", show_age(age)),
                format!("newer evidence, at most {limit} old"),
            ),
            Some(_) => return self,
        };
        if self.answer == Verdict::Met {
            let seen = std::mem::take(&mut self.evidence);
            self = self.lacks(format!("{why}; {seen}"), todo);
        }
        self
    }

    /// Whether it stands in nobody's way.
    pub fn holds(&self) -> bool {
        !self.demanded || self.answer == Verdict::Met
    }
}

/// A time for people, to its first unit: `45 s`, `12 min`, `26 h`, `3 d`.
pub fn show_age(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_348_800, 0);
    const DAY: Duration = Duration::from_secs(86_400);

    fn aged(seconds: i64, answer: Verdict) -> Line {
        let at = Timestamp::from_second(NOW.as_second() - seconds).expect("a moment");
        Line::of("P5.1", "test").says(answer, "seen").dated(Some(at), DAY, NOW)
    }

    #[test]
    fn evidence_holds_up_to_its_limit_and_not_a_second_longer() {
        for (age, holds) in
            [(0, true), (86_400, true), (86_401, false), (-300, true), (-301, false), (i64::from(i32::MAX), false)]
        {
            assert_eq!(aged(age, Verdict::Met).holds(), holds, "{age}");
        }
        assert_eq!(aged(90_000, Verdict::Met).evidence, "stale: 25 h old, at most 24 h; seen");
        assert_eq!(aged(-3600, Verdict::Met).evidence, "dated 60 min later than is asked about; seen");
        assert_eq!(aged(90_000, Verdict::Breached).answer, Verdict::Breached);
        let undated = Line::of("P5.1", "test").says(Verdict::Met, "seen").dated(None, DAY, NOW);
        assert_eq!(undated.evidence, "it does not say when that was; seen");
        assert!(!undated.holds());
    }

    #[test]
    fn ages_are_told_in_their_first_unit() {
        let told = [0, 119, 120, 7199, 7200, 172_799, 172_800].map(show_age);
        assert_eq!(told, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"]);
    }
}
