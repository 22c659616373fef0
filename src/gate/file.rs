//! `release.toml`: what is released, and where each line's evidence is. Each kind of line reads its own table.

use super::attestation::{Attestations, ROLES};
use super::{Demand, KINDS, Kind};
use crate::error::Result;
use crate::plan::Judge;
use crate::slo::{Objectives, zone};
use crate::source::{Problem, Source};
use crate::table::{Row, did_you_mean};
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

const KEYS: [&str; 9] =
    ["question", "app", "environment", "version", "commit", "judge", "slo", "time_zone", "attestations"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    question: String,
    app: Spanned<String>,
    environment: Spanned<String>,
    version: Option<String>,
    commit: Option<String>,
    judge: Judge,
    slo: Option<Spanned<String>>,
    time_zone: Option<Spanned<String>>,
    attestations: Option<Spanned<String>>,
}

/// A release file, checked.
#[derive(Debug)]
pub struct Release {
    /// What it answers.
    pub question: String,
    /// The app, as the history calls it.
    pub app: String,
    /// The environment whose plays the objectives are judged by.
    pub environment: String,
    /// The version, or the variable that holds it.
    pub version: Option<String>,
    /// The commit, or the variable that holds it.
    pub commit: Option<String>,
    /// How sure the objectives must be.
    pub judge: Judge,
    /// What must hold of the app.
    pub objectives: Objectives,
    /// Whose calendar days are meant.
    pub time_zone: TimeZone,
    /// What people attest.
    pub attestations: Attestations,
    /// Where its paths begin.
    pub folder: PathBuf,
    /// What is demanded, kind by kind, in the order of [`KINDS`].
    pub demands: Vec<Box<dyn Demand>>,
}

impl Release {
    /// Whether a file with these keys is one. A plan's `objectives` are a list.
    pub fn is(keys: &toml::Table) -> bool {
        let has = |kind: &Kind| keys.get(kind.name()).is_some_and(toml::Value::is_table);
        keys.contains_key("attestations") || KINDS.iter().any(has)
    }

    /// Reads and checks a file and what it names. Nothing is asked of the network, and no variable is read.
    pub fn read(source: &Source) -> Result<Self> {
        let wrong = |e: &toml::de::Error| source.error(&[source.problem(e, &reads)]);
        let mut tables = DeTable::parse(&source.text).map_err(|e| wrong(&e))?;
        let known = || KEYS.into_iter().chain(KINDS.iter().map(Row::name));
        let unknown = tables.get_ref().keys().filter(|key| !known().any(|name| name == key.get_ref().as_ref()));
        let mut problems: Vec<Problem> = unknown
            .map(|key| {
                Problem::at(
                    key.span(),
                    format!("unknown key `{}`", key.get_ref()),
                    did_you_mean(key.get_ref(), known()),
                )
            })
            .collect();
        if !problems.is_empty() {
            return Err(source.error(&problems));
        }
        let mut demands = Vec::new();
        for kind in KINDS {
            match (kind.read)(tables.get_mut().remove(kind.name())) {
                Ok(demand) => demands.push(demand),
                Err(e) => problems.push(source.problem(&e, &reads)),
            }
        }
        let head = Head::deserialize(Deserializer::from(tables)).map_err(|e| wrong(&e))?;
        for (name, key) in [(&head.app, "app"), (&head.environment, "environment")] {
            if name.get_ref().trim().is_empty() {
                problems.push(Problem::at(name.span(), format!("`{key}` is empty"), "name it as the history does"));
            }
        }
        demands.iter().for_each(|demand| demand.check(head.app.get_ref(), &mut problems));
        let time_zone = head.time_zone.as_ref().map(|name| {
            zone(name.get_ref()).map_err(|e| {
                problems.push(Problem::at(name.span(), e.what(), e.fix().unwrap_or_default()));
            })
        });
        let attestations = head.attestations.as_ref().and_then(|name| {
            let opened = source.beside(name.get_ref(), "ci");
            let no_file = |_| {
                let what = format!("attestations `{}`: no such file", name.get_ref());
                problems.push(Problem::at(name.span(), what, "write a path relative to this file"));
            };
            opened.map_err(no_file).ok()
        });
        let slo = match &head.slo {
            None => source.beside("slo", "ci").map(Some)?,
            Some(name) => source.named(name, "ci", "slo").map_err(|problem| problems.push(problem)).ok(),
        };
        let (Some(slo), []) = (slo, problems.as_slice()) else { return Err(source.error(&problems)) };
        let objectives = Objectives::read(&slo)?;
        let attestations = attestations.map(|file| Attestations::read(&file, &attested())).transpose()?;
        Ok(Self {
            question: head.question,
            app: head.app.into_inner(),
            environment: head.environment.into_inner(),
            version: head.version,
            commit: head.commit,
            judge: head.judge,
            time_zone: time_zone.and_then(Result::ok).unwrap_or_else(|| objectives.time_zone.clone()),
            objectives,
            attestations: attestations.unwrap_or_default(),
            folder: source.path.parent().unwrap_or(Path::new("")).to_owned(),
            demands,
        })
    }

    /// The file in words, line by line.
    pub fn words(&self) -> Vec<String> {
        let version = self.version.as_deref().map_or("that --app-version names".to_owned(), |v| format!("`{v}`"));
        let mut words = vec![format!(
            "the version {version} of {} in {}, judged to {}",
            self.app,
            self.environment,
            self.judge.name()
        )];
        for (kind, demand) in KINDS.iter().zip(&self.demands) {
            words.extend(demand.words().into_iter().map(|word| format!("{}: {word}", kind.name())));
        }
        words
    }
}

/// Whether a text has a release's shape.
fn reads(text: &str) -> Result<(), toml::de::Error> {
    let mut tables = DeTable::parse(text)?;
    for kind in KINDS {
        (kind.read)(tables.get_mut().remove(kind.name()))?;
    }
    Head::deserialize(Deserializer::from(tables)).map(drop)
}

/// Every line that a person may attest.
pub fn attested() -> Vec<String> {
    let lines = KINDS.iter().flat_map(|kind| kind.attested).map(|line| (*line).to_owned());
    lines.chain(ROLES.iter().map(|role| format!("sign-off {role}"))).collect()
}
