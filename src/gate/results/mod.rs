//! What a check came to, as its own program wrote it. The form is told by the content, never by the name.

mod check_runs;
mod junit;
mod verdict;

use super::context::Context;
use super::evidence::Found;
use super::line::AHEAD;
use crate::slo::Verdict;
use jiff::Timestamp;

/// So many digits of a commit tell it from every other.
const SHORTEST: usize = 7;

/// What a check came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Met: it passed. Breached: it failed. Else it came to no answer.
    pub verdict: Verdict,
    /// What was seen.
    pub what: String,
    /// When, if it says so: the oldest part counts.
    pub at: Option<Timestamp>,
    /// When its youngest part was.
    pub newest: Option<Timestamp>,
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

impl Outcome {
    /// Whether it is of what is released: every part that says of what it is. An error is the reason.
    pub fn is_of(&self, asked: &Context) -> Result<(), String> {
        let version = asked.version()?;
        for own in &self.of {
            let (fits, this) = match (own, asked.commit()) {
                (Of::Version(own), _) => (own == version, version),
                (Of::Commit(own), Ok(commit)) => (same(own, commit) || same(own, version), commit),
                (Of::Commit(own), Err(_)) => (same(own, version), version),
            };
            if !fits {
                return Err(format!("refused: of {}; this is {this}", own.name()));
            }
        }
        Ok(())
    }

    /// By how many seconds a part of it is later than this moment, as far as nobody's clock explains it.
    pub fn later_than(&self, moment: Timestamp) -> Option<i64> {
        let seconds = self.newest?.as_second() - moment.as_second();
        (seconds > AHEAD).then_some(seconds)
    }
}

/// Whether a whole commit is the one that is wanted, which may be shortened. A version is no shortened commit.
fn same(own: &str, wanted: &str) -> bool {
    let short = wanted.len() >= SHORTEST && wanted.bytes().all(|digit| digit.is_ascii_hexdigit());
    own == wanted || (short && own.bytes().all(|digit| digit.is_ascii_hexdigit()) && own.starts_with(wanted))
}

/// Reads evidence of any kind: a JUnit, or the `verdict.json` of a run. `None`: it is neither, and nothing is known of it.
pub fn recognised(text: &str, app: &str) -> Option<Result<Outcome, String>> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('<') {
        let suites = text.to_ascii_lowercase().contains("<testsuite");
        return suites.then(|| junit::read(text)).filter(|read| !matches!(read, Err(why) if why == junit::NONE));
    }
    let value = serde_json::from_str::<serde_json::Value>(text).ok()?;
    (value.get("format").is_some() && value.get("verdict").is_some()).then(|| verdict::read(&value, app))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_commit_may_be_shortened() {
        assert!(same("0123456789abcdef", "0123456"));
        assert!(same("1.4.2", "1.4.2"));
        for (own, wanted) in [("2026.11.22", "2026.11.2"), ("0123456789", "012345"), ("0123456-dirty", "0123456")] {
            assert!(!same(own, wanted), "{own} {wanted}");
        }
    }

    #[test]
    fn what_is_no_report_is_not_judged() {
        let suite = "<testsuites><testsuite name=\"s\"><testcase name=\"a\"/></testsuite></testsuites>";
        for text in [
            "# The drill of 2026-11-19\nIt took four minutes.",
            "<!-- a note -->\nIt took four minutes.",
            "<!doctype html><p>It took four minutes.",
            "<html><body>&lt;testsuite&gt;</body></html>",
            "{\"minutes\": 4}",
            "[4]",
            "{\"minutes\":",
            "",
            &format!("<html><body>{suite}</body></html>"),
        ] {
            assert_eq!(recognised(text, "player"), None, "{text}");
        }
        let met = |text: &str| recognised(text, "player").map(|read| read.map(|done| done.verdict));
        assert_eq!(met(&format!("\u{feff} <?xml version=\"1.0\"?>\n{suite}")), Some(Ok(Verdict::Met)));
        assert!(matches!(met(&suite[..50]), Some(Err(_))), "one that was cut");
        assert!(matches!(met("{\"format\": 1, \"verdict\": \"met\"}"), Some(Err(_))), "a run of nobody's");
    }
}
