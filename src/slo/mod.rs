//! Floor 2, pure. Objective x samples = verdict, with its reason and what is still missing.

mod alert;
mod calendar;
mod file;
mod ledger;
mod openslo;
mod population;
mod prometheus;
mod streak;
mod target;

use crate::browser::Kind;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::measure::{self, Fold, MEASURES, Measure, Samples};
use crate::stats::{Burning, Spent, burning};
use crate::table::{Row, did_you_mean, find};
use crate::unit::{Days, many};
pub use alert::{Alert, Severity};
pub use calendar::Calendar;
pub use file::{Objectives, zone};
pub use ledger::{Burns, Daily, Given, Ledger, Standing, Stands};
pub use openslo::openslo;
pub use population::Population;
pub use prometheus::prometheus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
pub use streak::{Day, Mark, STREAK, Streak, Strip};
pub use target::Target;

/// The answer to an objective, and to a whole run. In order of weight: breached outranks broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verdict {
    /// Shown to hold.
    #[serde(rename = "met")]
    Met,
    /// Neither shown to hold nor to fail.
    #[serde(rename = "not enough data")]
    NotEnoughData,
    /// The environment, not the app.
    #[serde(rename = "broken")]
    Broken,
    /// Shown to fail.
    #[serde(rename = "breached")]
    Breached,
}

impl Verdict {
    /// As reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::NotEnoughData => "not enough data",
            Verdict::Broken => "broken",
            Verdict::Breached => "breached",
        }
    }
}

/// Where a file does not say.
const WINDOW: Days = Days(28);

/// One objective of `slo.toml`.
#[derive(Clone, Debug)]
pub struct Objective {
    /// Requirement it stands for.
    pub id: String,
    /// `pillar.name`.
    pub name: String,
    /// What is measured.
    pub measure: &'static str,
    /// What must hold, as the file says it.
    pub target_text: String,
    /// What must hold.
    pub target: Target,
    /// Only samples of this browser; `None`: of all.
    pub browser: Option<Kind>,
    /// Aimed at and shown, not demanded yet: it decides nothing.
    pub goal: bool,
    /// The days it is judged over, the last one included.
    pub window: Days,
    /// Samples (for a rate: minutes) that a day needs to count in a streak.
    pub day_min: u64,
    /// Whose samples count.
    pub population: Population,
}

impl Objective {
    /// One from its parts in text, as a run records them.
    pub fn new(id: String, name: String, measure: &str, target: &str, browser: Option<&str>) -> Result<Self> {
        let row = find(MEASURES, measure).ok_or_else(|| {
            let help = did_you_mean(measure, MEASURES.iter().map(Row::name));
            Error::author(format!("objective {name}: unknown measure `{measure}`")).remedy(help)
        })?;
        let parsed = Target::parse(target).map_err(|why| Error::author(format!("objective {name}: {why}")))?;
        Ok(Self {
            id,
            name,
            measure: row.name(),
            target_text: target.to_owned(),
            target: parsed,
            browser: browser.map(str::parse).transpose()?,
            goal: false,
            window: WINDOW,
            day_min: 1,
            population: Population::default(),
        })
    }

    /// What its name begins with: `hydra` of `hydra.preset_load`.
    pub fn pillar(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }

    /// The row of its measure.
    pub fn measure(&self) -> Option<&'static Measure> {
        find(MEASURES, self.measure)
    }

    /// Whether its budget burns so fast over an alert's long window and its short one; one that has no budget does not.
    pub fn burning(&self, alert: &Alert, long: &Spent, short: &Spent) -> Burning {
        let Some(budget) = self.target.budget() else { return Burning::No };
        burning(long, short, budget, alert.burn(self.window))
    }

    /// None yet, of the kind that it judges.
    pub fn no_samples(&self) -> Samples {
        self.measure().map_or(Samples::Values(Vec::new()), |m| (m.fold)().samples())
    }

    /// Whether a day with these samples counts in a streak.
    pub fn is_day(&self, samples: &Samples) -> bool {
        !samples.is_empty() && self.target.spent(samples).of.amount() >= self.day_min as f64
    }

    /// Its answer on these samples, and of how many sessions they are.
    pub fn judge(&self, samples: &Samples, sessions: u64) -> Judged {
        let (verdict, mut value, mut needs) = self.target.judge(samples);
        let unit = self.measure().map_or("", |m| m.unit);
        // The other values name theirs.
        if !samples.is_empty() && matches!(self.target, Target::Quantile(..) | Target::MaxBytes(_)) {
            value += &format!("; {}", many(samples.len(), "sample", "samples"));
        }
        // What one session gave may fail together: where samples are not sessions, their number stands beside.
        if sessions > 0 && sessions != samples.len() {
            value += &format!("; in {}", many(sessions, "session", "sessions"));
        }
        value += &measure::left_out(samples.lost());
        if self.goal {
            value += "; a goal, not demanded yet";
        }
        if samples.is_empty() {
            needs = Some(format!("a first {unit}"));
        }
        Judged {
            id: self.id.clone(),
            name: self.name.clone(),
            target: self.target_text.clone(),
            verdict,
            value,
            samples: samples.len(),
            unit,
            sessions,
            needs,
            goal: self.goal,
            quarantined: false,
        }
    }

    /// What it demands, and what proves that, in words.
    pub fn words(&self) -> [String; 2] {
        let browser = self.browser.map_or(String::new(), |b| format!(" in {}", b.name()));
        let goal = if self.goal { "; a goal: shown, not demanded" } else { "" };
        let (about, unit) = self.measure().map_or(("", ""), |m| (m.about(), m.unit));
        let of = self.population.words();
        [
            format!("{} {}{browser}: {} over {}: {about}{goal}", self.id, self.name, self.target_text, self.window),
            format!("{}; a sample is a {unit} {of}; a day counts from {}", self.target.proof(), self.day_min),
        ]
    }
}

/// Text as YAML quotes it, which is as JSON does.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// An objective, judged.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// Requirement.
    pub id: String,
    /// `pillar.name`.
    pub name: String,
    /// What must hold.
    pub target: String,
    /// The answer.
    pub verdict: Verdict,
    /// The value with its interval, for people.
    pub value: String,
    /// Samples, in their own unit.
    pub samples: u64,
    /// What one sample is.
    pub unit: &'static str,
    /// The sessions that gave them: those of one session may fail together.
    pub sessions: u64,
    /// What a proof still needs; `None`: nothing.
    pub needs: Option<String>,
    /// Shown only: whatever the answer, it decides nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub goal: bool,
    /// Breached only by failures that are borne: it decides nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub quarantined: bool,
}

impl Judged {
    /// Its answer stays; where it is another `without` the failures that are borne, that is said, and a breach decides
    /// nothing.
    pub fn bear(&mut self, without: Verdict) {
        if self.verdict == Verdict::Breached && without != Verdict::Breached {
            self.quarantined = true;
            self.value += &format!("; by quarantined plays alone: {} without them", without.name());
        }
    }
}

/// An objective with the folds that feed it.
pub struct Judging {
    objective: Objective,
    fold: fn() -> Box<dyn Fold>,
    /// What each session gives; and apart what was seen of it on a machine that others kept busy: no sample, but said.
    sessions: BTreeMap<String, [Box<dyn Fold>; 2]>,
}

impl Judging {
    /// Starts with no sample.
    pub fn new(objective: &Objective) -> Option<Self> {
        let measure = find(MEASURES, objective.measure)?;
        Some(Self { objective: objective.clone(), fold: measure.fold, sessions: BTreeMap::new() })
    }

    /// Takes an event, if it is of the population judged.
    pub fn feed(&mut self, event: &Event) {
        let wanted = self.objective.browser.map(Kind::name);
        if measure::in_vain(event) || wanted.is_some() && wanted != event.ids.browser.as_deref() {
            return;
        }
        let session = event.ids.session_id.as_deref().unwrap_or_default();
        if !self.sessions.contains_key(session) {
            self.sessions.insert(session.to_owned(), [(self.fold)(), (self.fold)()]);
        }
        if let Some(folds) = self.sessions.get_mut(session) {
            folds[usize::from(measure::busy(event))].feed(event);
        }
    }

    /// All samples, those left out apart, and how many sessions gave any that count.
    fn samples(&self) -> ([Samples; 2], u64) {
        let (mut all, mut sessions) = ([self.objective.no_samples(), self.objective.no_samples()], 0);
        for folds in self.sessions.values() {
            let given = [folds[0].samples(), folds[1].samples()];
            sessions += u64::from(!given[0].is_empty());
            for (all, given) in all.iter_mut().zip(given) {
                // Of one kind: one measure gave them.
                let _ = all.merge(given);
            }
        }
        (all, sessions)
    }

    /// The objective.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// Whether any sample fails the target by itself, however few there are: the alarm rang.
    pub fn saw_failure(&self) -> bool {
        self.objective.target.spent(&self.samples().0[0]).bad > 0
    }

    /// The objective's answer.
    pub fn judge(&self) -> Judged {
        let ([samples, left_out], sessions) = self.samples();
        let mut judged = self.objective.judge(&samples, sessions);
        if !left_out.is_empty() {
            judged.value += &format!("; {} left out: busy host", left_out.len());
        }
        judged
    }
}
