//! What a check came to, as its own program wrote it. The form is told by the content, never by the name.

mod check_runs;
mod junit;
mod verdict;

use super::evidence::Found;
use crate::slo::Verdict;
use jiff::Timestamp;

/// What a check came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Met: it passed. Breached: it failed. Else it came to no answer.
    pub verdict: Verdict,
    /// What was seen.
    pub what: String,
    /// When, if it says so: the oldest part counts.
    pub at: Option<Timestamp>,
    /// A part of it tells no moment.
    pub undated: bool,
    /// A moment has no time zone, and is the earliest it can be.
    pub unsure: bool,
    /// What it says that it is of, each part.
    pub of: Vec<Of>,
    /// The plan of the run, where it is one.
    pub plan: Option<String>,
    /// Where it can be seen, if it says so.
    pub link: Option<String>,
}

/// What a result says that it is of.
#[derive(Clone, Debug, PartialEq)]
pub enum Of {
    /// A version of the app.
    Version(String),
    /// A commit.
    Commit(String),
}

impl Of {
    /// As it is shown.
    pub fn name(&self) -> &str {
        let (Of::Version(name) | Of::Commit(name)) = self;
        name
    }
}

/// Reads a result: JUnit, GitHub's check runs (those called `name`), or the `verdict.json` of a run of this app. An error
/// is the reason why it says nothing.
pub fn outcome(found: &Found, name: &str, app: &str) -> Result<Outcome, String> {
    let text = found.text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('<') {
        return junit::read(text).map_err(|why| format!("{}: {why}", found.link));
    }
    let value = found.json()?;
    let read = match () {
        () if value.get("check_runs").is_some() => {
            let read = value["check_runs"].as_array().map_or(0, Vec::len);
            check_runs::read(&value, name, found.goes_on(read))
        }
        () if value.get("verdict").is_some() => verdict::read(&value, app),
        () => Err("JSON that is neither GitHub's check runs nor the verdict.json of a run".to_owned()),
    };
    read.map_err(|why| format!("{}: {why}", found.link))
}
