//! P5.1: the required checks passed, of this very version.

use super::super::evidence::{self, Found};
use super::super::results::{Outcome, outcome};
use super::super::{Context, Demand, Line, show_age};
use super::{at_most, fresh};
use crate::slo::Verdict;
use crate::source::Problem;
use crate::unit::Time;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// Demanded whether the file names them or not.
const REQUIRED: [&str; 3] = ["typecheck", "test", "smoke"];

/// The table: where each check's result is.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Checks(BTreeMap<String, Check>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    from: Spanned<String>,
    token: Option<Spanned<String>>,
    /// As GitHub calls it.
    name: Option<String>,
    /// The plan of the run, where it is one.
    plan: Option<String>,
    fresh: Option<Time>,
}

impl Demand for Checks {
    fn check(&self, _app: &str, problems: &mut Vec<Problem>) {
        self.0.values().for_each(|check| evidence::check(&check.from, check.token.as_ref(), problems));
    }

    fn words(&self) -> Vec<String> {
        let told = |name: &&str| match self.0.get(*name) {
            Some(check) => {
                let plan = check.plan.as_ref().map(|plan| format!(", of the plan {plan}")).unwrap_or_default();
                format!("{name} passed, by {}{plan}, {}", check.from.get_ref(), at_most(check.fresh))
            }
            None => format!("{name} passed: no source is named, so it is never met"),
        };
        self.names().iter().map(told).collect()
    }

    fn judge(&self, asked: &mut Context) -> Vec<Line> {
        self.names().into_iter().map(|name| self.line(name, asked)).collect()
    }
}

impl Checks {
    fn names(&self) -> Vec<&str> {
        let more = self.0.keys().map(String::as_str).filter(|name| !REQUIRED.contains(name));
        REQUIRED.into_iter().chain(more).collect()
    }

    fn line(&self, name: &str, asked: &mut Context) -> Line {
        let line = Line::of("P5.1", name);
        let Some(check) = self.0.get(name) else {
            return line.lacks("the file names no source of it", format!("[checks.{name}] with from = \"...\""));
        };
        let found = match evidence::read(asked, &check.from, check.token.as_ref()) {
            Ok(found) => found,
            Err(why) => return line.lacks(why, format!("a result of {name} that can be read")),
        };
        let line = line.link(Some(found.link.clone()));
        let done = match outcome(&found, check.name.as_deref().unwrap_or(name), asked.app()) {
            Ok(done) => done,
            Err(why) => return line.lacks(why, format!("a result of {name} that can be read")),
        };
        let line = line.link(done.link.clone().or(Some(found.link.clone())));
        if let Err(why) = own_version(&found, &done, asked) {
            return line.lacks(format!("{why}; {}", done.what), format!("run {name} on what is released"));
        }
        if let Some(plan) = check.plan.as_ref().filter(|plan| done.plan.as_ref() != Some(*plan)) {
            return line
                .lacks(format!("no run of the plan {plan}; {}", done.what), format!("a run of the plan {plan}"));
        }
        // When it was read says nothing of when it ran; when a file was written does, and nothing in it is younger.
        let at = match (found.live, done.undated || done.unsure) {
            (_, false) => done.at,
            (false, true) => Some(done.at.map_or(found.at, |at| at.min(found.at))),
            (true, true) => done.at.filter(|_| !done.undated),
        };
        if let Some(why) = from_the_future(&found, &done, asked).filter(|_| done.verdict == Verdict::Met) {
            let line = line.lacks(format!("{why}; {}", done.what), "set the clocks right");
            return line.dated(at, fresh(check.fresh), asked.until());
        }
        let by_file = if at != done.at { ", dated by the file's own time" } else { "" };
        let by_file = if found.live { "" } else { by_file };
        let line = line.says(done.verdict, format!("{}{by_file}", done.what));
        let line = if line.holds() { line } else { line.todo(format!("{name} passed, on what is released")) };
        line.dated(at, fresh(check.fresh), asked.until())
    }
}

/// Whether a result is of what is released: every part that says so, or else its address.
fn own_version(found: &Found, done: &Outcome, asked: &Context) -> Result<(), String> {
    if done.of.is_empty() && !found.named {
        asked.version()?;
        return Err("it does not say of which version it is, and its address holds no {version} or {commit}".to_owned());
    }
    done.is_of(asked)
}

/// Why its date cannot be: later than is asked about; or, where it has no zone, even in the easternmost one later than its
/// file was written.
fn from_the_future(found: &Found, done: &Outcome, asked: &Context) -> Option<String> {
    let asked_about = done.later_than(asked.until()).map(|later| (later, "is asked about"));
    let written = || done.later_than(found.at).filter(|_| done.unsure).map(|later| (later, "its file was written"));
    asked_about.or_else(written).map(|(later, than)| format!("dated {} later than {than}", show_age(later)))
}
