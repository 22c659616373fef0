//! What every line is judged with: what is asked about, the history, the attestations, and what reads an address.

use super::attestation::Attestations;
use super::evidence::named;
use super::file::Release;
use super::http::{Answer, Http};
use crate::error::{Error, Result};
use crate::history::{Address, Asked, Filter, History};
use crate::plan::Judge;
use crate::secret::Secrets;
use crate::slo::{Calendar, Ledger, Standing, zone};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Question {
    /// The version that is judged, instead of the file's.
    pub version: Option<String>,
    /// The moment, and whose days.
    pub calendar: Calendar,
    /// Where the history is.
    pub history: Address,
}

/// What a line is judged with.
pub struct Context<'a> {
    release: &'a Release,
    question: &'a Question,
    version: Result<String, String>,
    commit: Result<String, String>,
    secrets: Secrets,
    history: Option<Result<History>>,
    standing: Option<Result<Standing>>,
    http: Option<Http>,
}

impl<'a> Context<'a> {
    pub(super) fn new(release: &'a Release, question: &'a Question) -> Self {
        let said = |own: Option<&String>, none: &str| own.map_or_else(|| Err(none.to_owned()), |text| named(text));
        let version = said(
            question.version.as_ref().or(release.version.as_ref()),
            "no version is named: give --app-version, or `version` in the file",
        )
        .and_then(|version| match version.trim() {
            "" => Err("the version is empty".to_owned()),
            version => Ok(version.to_owned()),
        });
        let commit = said(release.commit.as_ref(), "no commit is named: give `commit` in the file");
        let secrets = Secrets::default();
        Self { release, question, version, commit, secrets, history: None, standing: None, http: None }
    }

    /// The app that is judged.
    pub fn app(&self) -> &'a str {
        &self.release.app
    }

    /// The environment whose plays the objectives are judged by.
    pub fn environment(&self) -> &'a str {
        &self.release.environment
    }

    /// The version that is judged, or why there is none.
    pub fn version(&self) -> Result<&String, String> {
        self.version.as_ref().map_err(String::clone)
    }

    /// The same for who can say nothing without.
    pub fn known_version(&self) -> Result<String> {
        self.version().cloned().map_err(|why| Error::author(why).remedy("name the version"))
    }

    /// The commit it was made from, or why there is none.
    pub fn commit(&self) -> Result<&String, String> {
        self.commit.as_ref().map_err(String::clone)
    }

    /// The moment that is asked about.
    pub fn until(&self) -> Timestamp {
        self.question.calendar.until()
    }

    /// Whose days.
    pub fn calendar(&self) -> &'a Calendar {
        &self.question.calendar
    }

    /// Their time zone.
    pub fn zone(&self) -> TimeZone {
        zone(self.calendar().zone()).unwrap_or(TimeZone::UTC)
    }

    /// How sure the objectives must be.
    pub fn judge(&self) -> Judge {
        self.release.judge
    }

    /// What people attest.
    pub fn attestations(&self) -> &'a Attestations {
        &self.release.attestations
    }

    /// What nobody may see.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// A path of the release file.
    pub fn beside(&self, path: &str) -> PathBuf {
        self.release.folder.join(path)
    }

    /// What an address answers.
    pub fn get(&mut self, url: &str, token: Option<&str>) -> Result<Answer, String> {
        if self.http.is_none() {
            self.http = Some(Http::new().map_err(|e| e.what().to_owned())?);
        }
        self.http.as_ref().map_or_else(|| Err("no HTTP client".to_owned()), |http| http.get(url, token))
    }

    /// The history; opened when the first line asks for it.
    pub fn history(&mut self) -> Result<&mut History> {
        let address = &self.question.history;
        self.history.get_or_insert_with(|| History::open(address)).as_mut().map_err(|e| e.clone())
    }

    /// Where the objectives stand, by plays of this version alone. The samples are read once.
    pub fn standing(&mut self) -> Result<Standing> {
        if self.standing.is_none() {
            let asked = Asked {
                app: Some(self.app().to_owned()),
                environment: Some(self.environment().to_owned()),
                version: Some(self.known_version()?),
            };
            let (release, calendar) = (self.release, self.calendar());
            let standings = self.history().and_then(|h| h.standings(&release.objectives, &asked, calendar));
            let own = |s: &Standing| s.app == release.app && s.environment == release.environment;
            let one = standings.and_then(|all| {
                all.into_iter().find(own).ok_or_else(|| Error::us("the history gave no standing of what was asked"))
            });
            self.standing = Some(one);
        }
        self.standing.clone().unwrap_or_else(|| Err(Error::us("no standing")))
    }

    /// Runs of this app in this environment that are no evidence, because they are of another version: how many of each.
    pub fn refused(&mut self) -> Result<BTreeMap<String, usize>> {
        let own = self.known_version()?;
        let filter = Filter {
            app: Some(self.app().to_owned()),
            environment: Some(self.environment().to_owned()),
            since: Some(Ledger::since(&self.release.objectives, self.calendar())),
            until: Some(self.until().as_millisecond()),
            ..Filter::default()
        };
        let mut refused = BTreeMap::new();
        for run in self.history()?.runs(&filter)?.into_iter().filter(|run| run.app_version != own) {
            *refused.entry(run.app_version).or_default() += 1;
        }
        Ok(refused)
    }
}

/// `3 runs without a version, 12 runs of 1.4.1 refused; this is 1.4.2`.
pub fn show_refused(refused: &BTreeMap<String, usize>, version: &str) -> Option<String> {
    let many = |n: &usize| if *n == 1 { "1 run".to_owned() } else { format!("{n} runs") };
    let of = |(version, n): (&String, &usize)| match version.as_str() {
        "" => format!("{} without a version", many(n)),
        version => format!("{} of {version}", many(n)),
    };
    let all: Vec<String> = refused.iter().map(of).collect();
    (!all.is_empty()).then(|| format!("{} refused; this is {version}", all.join(", ")))
}
