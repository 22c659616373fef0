//! Floor 3. A profile: what the network does while a journey is played, and what must hold under it.

mod expect;
mod fault;
mod matching;
mod words;

pub use expect::{Expect, Facts, Outcome};

use crate::browser::Kind;
use crate::error::Result;
use crate::fault::rule::{Rule, glob};
use crate::journey::Journey;
use crate::source::{Problem, Source, names};
use crate::table::did_you_mean;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;

/// A network profile, checked.
#[derive(Clone, Debug)]
pub struct Profile {
    /// How plans, events and reports call it: the path below `proxies/` without its ending, such as `chrome/3g`; of a
    /// file elsewhere the stem.
    pub name: String,
    /// The question it answers.
    pub question: String,
    /// Who published its figures, or how they were derived.
    pub source: Option<String>,
    /// The seed of every decision of its faults.
    pub seed: u64,
    /// Its faults, in the file's order. None: the network as it is.
    pub rules: Vec<Rule>,
    /// What must hold under it, in the file's order. None of a profile with faults: `soundcheck proxy` plays it, no run.
    pub expect: Vec<Expect>,
    /// Each fault in words, in the same order.
    pub says: Vec<String>,
    /// The steps that its faults name, and where, for problems found later (a step that no journey of a plan has).
    steps: Vec<(String, Range<usize>)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    question: String,
    source: Option<String>,
    seed: Option<Spanned<i64>>,
    #[serde(default)]
    fault: Vec<fault::FaultFile>,
    #[serde(default)]
    expect: Vec<expect::ExpectFile>,
}

/// The `[[fault]]` tables of another kind of file.
#[derive(Default, Deserialize)]
pub struct Faults(Vec<fault::FaultFile>);

/// The seed of a profile that names none.
const SEED: u64 = 1;

impl Profile {
    /// Reads and checks a profile file.
    pub fn read(source: &Source) -> Result<Self> {
        let file: File = source.parse()?;
        let mut problems = Vec::new();
        let seed = file.seed.map_or(SEED, |seed| {
            u64::try_from(*seed.get_ref()).unwrap_or_else(|_| {
                problems.push(Problem::at(seed.span(), "a seed below zero", "write 0, 1, 2 ..."));
                SEED
            })
        });
        let (rules, says) = made(&file.fault, source, &mut problems);
        let name = name(&source.path);
        // Published profiles lie in folders of their own. They slow an app down; they do not break it.
        let published = name.contains('/');
        let expect = match (file.fault.is_empty(), file.expect.is_empty()) {
            (false, true) if published => vec![Expect::plays()],
            (false, false) => expect::check(&file.expect, &mut problems),
            (true, false) => {
                let help = "remove [[expect]], or add a [[fault]]: without one the plan's objectives judge";
                problems.push(Problem::at(file.expect[0].span(), "an expectation without a fault", help));
                Vec::new()
            }
            (_, true) => Vec::new(),
        };
        if !problems.is_empty() {
            return Err(source.error(&problems));
        }
        let steps = file.fault.iter().filter_map(|f| f.step()).map(|s| (s.get_ref().clone(), s.span())).collect();
        Ok(Self { name, question: file.question, source: file.source, seed, rules, expect, says, steps })
    }

    /// Faults that another kind of file plants. The app must play on: that is how it is seen whether they are noticed.
    pub fn planted(
        name: String,
        question: String,
        faults: &Faults,
        source: &Source,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let (rules, says) = made(&faults.0, source, problems);
        // What recovers does so within 6 s where the fault itself is over; the rest need not be waited for.
        let plays = Expect { recovers: Some(Duration::from_secs(6)), ..Expect::plays() };
        let expect = if rules.is_empty() { Vec::new() } else { vec![plays] };
        Self { name, question, source: None, seed: SEED, rules, expect, says, steps: Vec::new() }
    }

    /// As a run plays it: it must say what holds, and what nobody arms is not planned.
    pub fn for_plays(mut self, source: &Source) -> Result<Self> {
        let (rules, says) = self.rules.into_iter().zip(self.says).filter(|(rule, _)| rule.armed).unzip();
        (self.rules, self.says) = (rules, says);
        if self.rules.is_empty() || !self.expect.is_empty() {
            return Ok(self);
        }
        let what = "nothing says what must hold under these faults: only `soundcheck proxy` can play it";
        let help = "add [[expect]] with `outcome = \"plays\"`, or \"fails\" and a `reason`";
        Err(source.error(&[Problem::whole(what, help)]))
    }

    /// What must hold of a play of this journey in this browser: the first expectation that is for it.
    pub fn expected(&self, journey: &str, browser: Kind) -> Option<&Expect> {
        self.expect.iter().find(|e| e.is_for(journey, browser))
    }

    /// What it does and what must hold under it, a line each, for people.
    pub fn words(&self) -> Vec<String> {
        // Journeys that one [[expect]] names are one line.
        let told: Vec<Expect> =
            self.expect.chunk_by(|a, b| a.span == b.span && a.journey.is_some()).map(joined).collect();
        let expect = told.iter().enumerate().map(|(n, e)| words::expect(e, &told[..n]));
        let unjudged = !self.rules.is_empty() && self.expect.is_empty();
        let proxy_only = unjudged.then(|| "expects: nothing, so it is for `soundcheck proxy` only".to_owned());
        self.says.iter().cloned().chain(expect).chain(proxy_only).collect()
    }

    /// Expectations of journeys that are none of `own`, lie not beside `from` and do not ship. A slip of the pen there
    /// fits no play, and nothing else would say so.
    pub fn unknown_journeys(&self, own: &[&str], from: &Source, place: &str) -> Vec<Problem> {
        let shipped = names("journeys");
        let known: Vec<&str> = own.iter().copied().chain(shipped.iter().map(String::as_str)).collect();
        let named = self.expect.iter().filter_map(|expect| Some((expect.journey.as_ref()?, &expect.span)));
        named
            .filter(|(journey, _)| !known.iter().any(|k| glob(journey, k)) && from.beside(journey, "journeys").is_err())
            .map(|(journey, span)| {
                let help = did_you_mean(journey, known.iter().copied());
                Problem::at(span.clone(), format!("no journey `{journey}` {place}, or among the shipped"), help)
            })
            .collect()
    }

    /// Steps that its faults name and none of these journeys has: such a fault never comes about.
    pub fn unknown_steps(&self, journeys: &[Journey]) -> Vec<Problem> {
        let all = || journeys.iter().flat_map(|journey| &journey.steps);
        let is_one = |named: &str| all().any(|step| (1..=step.times).any(|nth| glob(named, &step.name(nth))));
        // What is done several times is called by its number each time.
        let known = all().map(|step| if step.times > 1 { format!("{} *", step.word) } else { step.word.clone() });
        let known: BTreeSet<String> = known.collect();
        let unknown = self.steps.iter().filter(|(named, _)| !is_one(named));
        unknown
            .map(|(named, span)| {
                let help = did_you_mean(named, known.iter().map(String::as_str));
                Problem::at(span.clone(), format!("no journey of the plan has the step `{named}`"), help)
            })
            .collect()
    }
}

/// The rules that faults make, and each in words.
fn made(faults: &[fault::FaultFile], source: &Source, problems: &mut Vec<Problem>) -> (Vec<Rule>, Vec<String>) {
    let mut ids: Vec<&str> = Vec::new();
    for fault in faults {
        if ids.contains(&fault.id()) {
            let what = format!("two faults called `{}`", fault.id());
            let help = "give each an `id` of its own: events tell them apart by it";
            problems.push(Problem::at(fault.span(), what, help));
        }
        ids.push(fault.id());
    }
    faults.iter().filter_map(|f| f.rule(source, problems)).unzip()
}

fn name(path: &Path) -> String {
    let bare = path.with_extension("");
    let parts: Vec<_> = bare.iter().map(|p| p.to_string_lossy()).collect();
    let below = parts.iter().rposition(|p| p == "proxies").map_or(parts.len().saturating_sub(1), |n| n + 1);
    parts[below..].join("/")
}

/// Expectations of one table, as one of all their journeys.
fn joined(alike: &[Expect]) -> Expect {
    let names: Vec<&str> = alike.iter().filter_map(|e| e.journey.as_deref()).collect();
    Expect { journey: (!names.is_empty()).then(|| names.join(", ")), ..alike[0].clone() }
}

#[cfg(test)]
mod tests;
