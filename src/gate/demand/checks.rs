//! P5.1: the required checks passed, of this very version.

use super::super::evidence::{self, Found};
use super::super::results::{Of, Outcome, outcome};
use super::super::{Context, Demand, Line};
use super::{at_most, fresh};
use crate::source::Problem;
use crate::unit::Time;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// Demanded whether the file names them or not.
const REQUIRED: [&str; 3] = ["typecheck", "test", "smoke"];
/// So many digits of a commit tell it from every other.
const SHORTEST: usize = 7;

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
    fresh: Option<Time>,
}

impl Demand for Checks {
    fn check(&self, _app: &str, problems: &mut Vec<Problem>) {
        self.0.values().for_each(|check| evidence::check(&check.from, check.token.as_ref(), problems));
    }

    fn words(&self) -> Vec<String> {
        let told = |name: &&str| match self.0.get(*name) {
            Some(check) => format!("{name} passed, by {}, {}", check.from.get_ref(), at_most(check.fresh)),
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
        let zone = asked.zone();
        let done = match outcome(&found, check.name.as_deref().unwrap_or(name), asked.app(), &zone) {
            Ok(done) => done,
            Err(why) => return line.lacks(why, format!("a result of {name} that can be read")),
        };
        let line = line.link(done.link.clone().or(Some(found.link.clone())));
        if let Err(why) = own_version(&found, &done, asked) {
            return line.lacks(format!("{why}; {}", done.what), format!("run {name} on what is released"));
        }
        // When it was read says nothing of when it ran; when a file was written does.
        let at = done.at.or_else(|| (!found.live).then_some(found.at));
        let by_file = if done.at.is_none() && !found.live { ", dated by the file's own time" } else { "" };
        let line = line.says(done.verdict, format!("{}{by_file}", done.what));
        let line = if line.holds() { line } else { line.todo(format!("{name} passed, on what is released")) };
        line.dated(at, fresh(check.fresh), asked.until())
    }
}

/// Whether a result is of what is released.
fn own_version(found: &Found, done: &Outcome, asked: &Context) -> Result<(), String> {
    let version = asked.version()?;
    let fits = match &done.of {
        None if found.named => return Ok(()),
        None => {
            return Err(
                "it does not say of which version it is, and its address holds no {version} or {commit}".to_owned()
            );
        }
        Some(Of::Version(own)) => own == version,
        Some(Of::Commit(own)) => [asked.commit().ok(), Some(version)]
            .into_iter()
            .flatten()
            .any(|wanted| own == wanted || (wanted.len() >= SHORTEST && own.starts_with(wanted.as_str()))),
    };
    let own = done.of.as_ref().map_or("", Of::name);
    let this = match (&done.of, asked.commit()) {
        (Some(Of::Commit(_)), Ok(commit)) => commit,
        _ => version,
    };
    if fits { Ok(()) } else { Err(format!("refused: of {own}; this is {this}")) }
}
