//! `slo.toml`: the objectives, and when their budgets burn too fast.

use super::alert::{ALERTS, Alert};
use super::{Objective, Population, Target, WINDOW};
use crate::browser::Kind;
use crate::error::{Error, Result};
use crate::fault::rule::glob;
use crate::measure::MEASURES;
use crate::source::{Problem, Source, names};
use crate::table::{Row, did_you_mean, find};
use crate::unit::Days;
use jiff::tz::TimeZone;
use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    question: String,
    time_zone: Option<Spanned<String>>,
    #[serde(default)]
    alert: Vec<Spanned<Alert>>,
    objective: Vec<ObjectiveFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectiveFile {
    id: String,
    name: Spanned<String>,
    measure: Spanned<String>,
    target: Spanned<String>,
    browser: Option<Kind>,
    #[serde(default)]
    goal: bool,
    window: Option<Days>,
    day_min: Option<Spanned<u64>>,
    population: Option<Spanned<Population>>,
}

/// The objectives of a file.
#[derive(Clone, Debug)]
pub struct Objectives {
    /// What the file answers.
    pub question: String,
    /// Whose calendar days are meant; UTC where the file does not say.
    pub time_zone: TimeZone,
    /// When a budget burns too fast.
    pub alerts: Vec<Alert>,
    /// What may be wrong with it, and may not.
    pub notes: Vec<String>,
    all: Vec<Objective>,
}

impl Objectives {
    /// Reads and checks an objectives file.
    pub fn read(source: &Source) -> Result<Self> {
        let file: File = source.parse()?;
        let mut problems = Vec::new();
        let mut all: Vec<Objective> = Vec::new();
        let mut notes = Vec::new();
        for o in file.objective {
            notes.extend(o.unknown_profile(source).map(|problem| source.note(&problem)));
            if let Some(objective) = o.check(&all, &mut problems) {
                all.push(objective);
            }
        }
        if all.is_empty() && problems.is_empty() {
            let help = "add an [[objective]] with `id`, `name`, `measure` and `target`; `ci/slo.toml` shows how";
            problems.push(Problem::whole("objectives without an objective", help));
        }
        let longest = all.iter().map(|o| o.window.duration()).min().unwrap_or(WINDOW.duration());
        for alert in &file.alert {
            if alert.get_ref().long() > longest {
                let help = "take a shorter `within`, or give the objectives a longer `window`";
                problems.push(Problem::at(alert.span(), "an alert looks further back than an objective", help));
            }
        }
        let zone = file.time_zone.map_or(Ok(TimeZone::UTC), |name| {
            zone(name.get_ref())
                .map_err(|e| problems.push(Problem::at(name.span(), e.what(), e.fix().unwrap_or_default())))
        });
        if !problems.is_empty() {
            return Err(source.error(&problems));
        }
        let own: Vec<Alert> = file.alert.into_iter().map(Spanned::into_inner).collect();
        let alerts = if own.is_empty() { ALERTS.to_vec() } else { own };
        let time_zone = zone.unwrap_or(TimeZone::UTC);
        Ok(Self { question: file.question, time_zone, alerts, notes, all })
    }

    /// The objectives a plan names: `hydra.preset_load`, `video.*`, `*`. Problems are reported in the plan's file.
    pub fn choose(&self, plan: &Source, patterns: &[Spanned<String>]) -> Result<Vec<Objective>> {
        let unmatched = patterns.iter().filter(|p| !self.all.iter().any(|o| o.is_named(p.get_ref())));
        let unmatched: Vec<Problem> = unmatched
            .map(|p| {
                let help = did_you_mean(p.get_ref(), self.all.iter().map(|o| o.name.as_str()));
                Problem::at(p.span(), format!("no objective matches `{}`", p.get_ref()), help)
            })
            .collect();
        if !unmatched.is_empty() {
            return Err(plan.error(&unmatched));
        }
        Ok(self.all.iter().filter(|o| patterns.iter().any(|p| o.is_named(p.get_ref()))).cloned().collect())
    }

    /// All of them.
    pub fn all(&self) -> &[Objective] {
        &self.all
    }
}

/// The time zone of this name.
pub fn zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).map_err(|_| {
        Error::author(format!("no time zone is called `{name}`")).remedy("write UTC, or a name such as Europe/Berlin")
    })
}

impl ObjectiveFile {
    /// A profile of its population that neither ships nor lies beside the file: no play may ever be under it.
    fn unknown_profile(&self, source: &Source) -> Option<Problem> {
        let population = self.population.as_ref()?;
        let profile = population.get_ref().profile.as_ref()?;
        let shipped = names("proxies");
        if shipped.iter().any(|name| glob(profile, name)) || source.beside(profile, "proxies").is_ok() {
            return None;
        }
        let near = did_you_mean(profile, shipped.iter().map(String::as_str));
        let near = if near.ends_with('?') { near + " " } else { String::new() };
        let what = format!("no profile `{profile}` ships, or lies beside this file");
        let help =
            format!("{near}Only plays under a profile of that name are samples: a plan may name one by its path");
        Some(Problem::at(population.span(), what, help))
    }

    fn check(self, before: &[Objective], problems: &mut Vec<Problem>) -> Option<Objective> {
        let name = self.name.get_ref();
        let row = find(MEASURES, self.measure.get_ref());
        if row.is_none() {
            let help = did_you_mean(self.measure.get_ref(), MEASURES.iter().map(Row::name));
            let what = format!("unknown measure `{}`", self.measure.get_ref());
            problems.push(Problem::at(self.measure.span(), what, help));
        }
        let target = Target::parse(self.target.get_ref())
            .map_err(|why| problems.push(Problem::at(self.target.span(), why, Target::FORMS)));
        let (Some(row), Ok(target)) = (row, target) else { return None };
        let samples = (row.fold)().samples();
        if !target.fits(&samples) {
            let help = format!("write for instance \"{}\"", Target::example(&samples));
            let what = format!("`{}` cannot be judged by `{}`", row.name(), self.target.get_ref());
            problems.push(Problem::at(self.target.span(), what, help));
        }
        if before.iter().any(|seen| seen.name == *name) {
            problems.push(Problem::at(self.name.span(), "two objectives of one name", "rename one"));
        }
        if !name.split_once('.').is_some_and(|(pillar, rest)| !pillar.is_empty() && !rest.is_empty()) {
            let help = "write `pillar.name`, such as `hydra.preset_load`";
            problems.push(Problem::at(self.name.span(), format!("`{name}` names no pillar"), help));
        }
        if let Some(none) = self.day_min.as_ref().filter(|n| *n.get_ref() == 0) {
            let help = "write 1 or more: a day without a sample is a gap, never met";
            problems.push(Problem::at(none.span(), "a day cannot do without a sample", help));
        }
        Some(Objective {
            id: self.id,
            name: self.name.into_inner(),
            measure: row.name(),
            target_text: self.target.into_inner(),
            target,
            browser: self.browser,
            goal: self.goal,
            window: self.window.unwrap_or(WINDOW),
            day_min: self.day_min.map_or(1, Spanned::into_inner),
            population: self.population.map(Spanned::into_inner).unwrap_or_default(),
        })
    }
}
