//! A plan in words: what it plays, how often, and which of its objectives that feeds.

use super::Plan;
use crate::journey::Journey;
use crate::measure::Fed;
use crate::slo::Objective;
use crate::source::Problem;
use crate::unit::many;
use std::ops::Range;
use toml::Spanned;

impl Plan {
    /// What it plays, how often, and what must hold, a line each.
    pub fn words(&self) -> Vec<String> {
        let times = |journey: &Journey| u64::from(self.repeat.of(&journey.name));
        let all: u64 = self.journeys.iter().map(times).sum();
        let (browsers, profiles) = (self.browsers.len() as u64, self.profiles.len() as u64);
        let alike = self.journeys.first().map(times).filter(|n| self.journeys.iter().all(|own| times(own) == *n));
        let journeys = many(self.journeys.len() as u64, "journey", "journeys");
        let (in_browsers, under) = (many(browsers, "browser", "browsers"), many(profiles, "profile", "profiles"));
        let counted = match alike {
            Some(n) => format!("{journeys} x {in_browsers} x {under} x {n}"),
            None => format!("{journeys}, {all} times in all, x {in_browsers} x {under}"),
        };
        let plays = many(all * browsers * profiles, "play", "plays");
        let each = self.journeys.iter().map(|journey| match times(journey) {
            n if n == 1 || alike.is_some() => journey.name.clone(),
            n => format!("{} {n} times", journey.name),
        });
        let browsers: Vec<&str> = self.browsers.iter().map(|browser| browser.name()).collect();
        let profiles: Vec<&str> = self.profiles.iter().map(|profile| profile.name.as_str()).collect();
        let names = |fed: bool| {
            let own = self.objectives.iter().filter(|objective| !fed || self.feeds(objective));
            own.map(|objective| objective.name.as_str()).collect::<Vec<_>>()
        };
        let objectives = match names(false).as_slice() {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        let mut words = vec![
            format!("{counted} = {plays} of {}", self.app.name),
            format!("journeys: {}", each.collect::<Vec<_>>().join(", ")),
            format!("browsers: {}; profiles: {}", browsers.join(", "), profiles.join(", ")),
            format!("objectives: {objectives}; judged to {}", self.judge.name()),
        ];
        let unfed: Vec<&str> = names(false).into_iter().filter(|name| !names(true).contains(name)).collect();
        if !unfed.is_empty() {
            words.push(format!("none of its journeys feeds: {}", unfed.join(", ")));
        }
        words
    }

    /// Whether anything that it plays can be a sample of an objective.
    pub fn feeds(&self, objective: &Objective) -> bool {
        let fed = objective.measure().map_or(Fed::Always, |measure| measure.fed);
        let declared = match fed {
            Fed::ByDeclaring(_, what) => self.app.declares(what),
            _ => true,
        };
        declared
            && objective.browser.is_none_or(|browser| self.browsers.contains(&browser))
            && self.journeys.iter().any(|journey| journey.feeds(fed))
    }

    /// That nothing is to be judged: `at` is where the file says no objective. A profile that breaks something says itself
    /// what must hold.
    pub(super) fn unjudged(&self, at: Option<Range<usize>>) -> Option<Problem> {
        let judged = !self.objectives.is_empty() || self.profiles.iter().any(|profile| !profile.rules.is_empty());
        let help = "name some, such as objectives = [\"hydra.*\"]; `soundcheck check slo` tells those that ship";
        let what = "no objective: only what the steps expect is judged, and the answer is never *met*";
        (!judged).then(|| Problem { span: at, what: what.to_owned(), help: help.to_owned() })
    }

    /// Patterns whose objectives nothing that it plays feeds. Of one that is fed in part, the rest may well be meant for
    /// other plans.
    pub(super) fn unfed(&self, patterns: &[Spanned<String>]) -> Vec<Problem> {
        let unfed = |pattern: &Spanned<String>| {
            let named = || self.objectives.iter().filter(|objective| objective.is_named(pattern.get_ref()));
            let first = named().next().filter(|_| !named().any(|objective| self.feeds(objective)))?;
            let names: Vec<&str> = named().map(|objective| objective.name.as_str()).collect();
            let in_browser = first.browser.map_or(String::new(), |browser| format!(" in {}", browser.name()));
            let help = format!("{} is {}{in_browser}", first.name, fed_by(first, &Journey::shipped()));
            let what = format!("nothing that this plan plays feeds {}", names.join(", "));
            Some(Problem::at(pattern.span(), what, help))
        };
        patterns.iter().filter_map(unfed).collect()
    }
}

/// What feeds an objective, and which of these journeys do.
pub fn fed_by(objective: &Objective, journeys: &[Journey]) -> String {
    let fed = objective.measure().map_or(Fed::Always, |measure| measure.fed);
    let names: Vec<&str> = journeys.iter().filter(|j| j.feeds(fed)).map(|j| j.name.as_str()).collect();
    let names = names.join(", ");
    match fed {
        Fed::Always => "fed by every journey".to_owned(),
        Fed::ByDeclaring([], declared) => format!("fed by every journey, of an app whose file declares {declared}"),
        Fed::ByDeclaring(words, declared) => {
            let words = words.join("\" or \"");
            format!("fed by journeys that say \"{words}\", of an app whose file declares {declared}: {names}")
        }
        Fed::ByExpectingOrSaying(expected, words) => {
            let words = words.join("\" or \"");
            format!("fed by journeys that expect \"{expected}\", or say \"{words}\": {names}")
        }
        Fed::ByExpecting(expected, times) => {
            let times = if times > 1 { format!(" {times} times") } else { String::new() };
            let expected = expected.join("\" or \"");
            format!("fed by journeys that expect \"{expected}\"{times}: {names}")
        }
    }
}
