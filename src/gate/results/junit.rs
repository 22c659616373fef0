//! JUnit, as test runners write it. Every case counts, however deep; each suite's own counts are held against its cases:
//! what was cut off passes nothing, and what is not understood is refused.

use super::{Of, Outcome};
use crate::slo::Verdict;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, offset};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// What is said of something else.
pub(super) const NONE: &str = "it is HTML or XML, and no JUnit";

/// A suite that is still open, or the report around all.
#[derive(Default)]
struct Suite {
    /// By its own counts.
    tests: u64,
    wrong: u64,
    /// The cases in it and in its suites.
    holds: u64,
    failed: u64,
    /// It or what is around it tells a moment.
    dated: bool,
}

/// What the cases came to.
#[derive(Default)]
struct Told {
    open: Vec<Suite>,
    whole: bool,
    passed: u64,
    failed: u64,
    skipped: u64,
    quarantined: u64,
    cases: u64,
    /// The most tests that any suite says and lacks.
    lacks: Option<(u64, u64)>,
    at: Option<Timestamp>,
    newest: Option<Timestamp>,
    unsure: bool,
    undated: bool,
    of: Vec<Of>,
}

/// How a case ended: the worst of what it says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Case {
    Passed,
    Skipped,
    Quarantined,
    Failed,
}

pub(super) fn read(text: &str) -> Result<Outcome, String> {
    let broken = |e: &dyn std::fmt::Display| format!("no whole JUnit: {e}");
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let (mut told, mut case) = (Told::default(), None);
    loop {
        match reader.read_event().map_err(|e| broken(&e))? {
            Event::Start(tag) => {
                let name = lower(tag.local_name().as_ref());
                if told.whole {
                    return Err(broken(&format!("<{name}> after its end")));
                }
                match (name.as_str(), told.open.len(), &mut case) {
                    ("testsuites", 0, _) | ("testsuite", _, None) => told.begin(&tag)?,
                    (_, 0, _) => return Err(NONE.to_owned()),
                    ("testcase", _, None) => case = Some(status(&tag)?),
                    ("properties", ..) => {}
                    ("property", ..) => told.of.extend(property(&tag)?),
                    ("failure" | "error" | "rerunfailure" | "rerunerror", _, own) => {
                        match own {
                            Some(own) => *own = Case::Failed,
                            // Its setup or teardown.
                            None => told.fail(),
                        }
                        reader.read_to_end(tag.name()).map_err(|e| broken(&e))?;
                    }
                    ("skipped" | "disabled", _, Some(own)) => {
                        let borne = attribute(&tag, "type")?.is_some_and(|kind| kind == "quarantined");
                        *own = (*own).max(if borne { Case::Quarantined } else { Case::Skipped });
                        reader.read_to_end(tag.name()).map_err(|e| broken(&e))?;
                    }
                    ("system-out" | "system-err" | "flakyfailure" | "flakyerror", ..) => {
                        reader.read_to_end(tag.name()).map_err(|e| broken(&e))?;
                    }
                    _ => return Err(format!("a JUnit with <{name}> where nothing is known of it")),
                }
            }
            Event::End(tag) => match lower(tag.local_name().as_ref()).as_str() {
                "testsuite" | "testsuites" => told.end(),
                "testcase" => told.count(case.take()),
                _ => {}
            },
            Event::Text(text) if told.open.is_empty() && !text.iter().all(u8::is_ascii_whitespace) => {
                return Err(broken(&"text around it"));
            }
            Event::Eof if told.whole => break,
            Event::Eof => return Err(broken(&"it ends too early")),
            _ => {}
        }
    }
    Ok(told.outcome())
}

impl Told {
    fn begin(&mut self, tag: &BytesStart) -> Result<(), String> {
        let count = |name: &str| match attribute(tag, name)? {
            None => Ok(0),
            Some(text) => text.trim().parse::<u64>().map_err(|_| format!("no count of {name} is `{text}`")),
        };
        let around = self.open.last().is_some_and(|suite| suite.dated);
        let own = attribute(tag, "timestamp")?;
        if let Some(text) = &own {
            let (at, sure) = moment(text)?;
            self.unsure |= !sure;
            self.at = Some(self.at.map_or(at, |old| old.min(at)));
            self.newest = self.newest.max(Some(at));
        }
        let wrong = count("failures")?.saturating_add(count("errors")?);
        self.open.push(Suite { tests: count("tests")?, wrong, dated: around || own.is_some(), ..Suite::default() });
        Ok(())
    }

    fn fail(&mut self) {
        self.failed = self.failed.saturating_add(1);
        self.open.iter_mut().for_each(|suite| suite.failed = suite.failed.saturating_add(1));
    }

    fn count(&mut self, case: Option<Case>) {
        self.cases += 1;
        self.open.iter_mut().for_each(|suite| suite.holds += 1);
        self.undated |= !self.open.last().is_some_and(|suite| suite.dated);
        match case {
            Some(Case::Passed) => self.passed += 1,
            Some(Case::Skipped) => self.skipped += 1,
            Some(Case::Quarantined) => self.quarantined += 1,
            Some(Case::Failed) | None => self.fail(),
        }
    }

    fn end(&mut self) {
        let Some(suite) = self.open.pop() else { return };
        // What it counts and does not show failed as well.
        let hidden = suite.wrong.saturating_sub(suite.failed);
        self.failed = self.failed.saturating_add(hidden);
        for around in &mut self.open {
            around.failed = around.failed.saturating_add(hidden);
        }
        if suite.tests > suite.holds {
            self.lacks = self.lacks.max(Some((suite.tests, suite.holds)));
        }
        self.whole = self.open.is_empty();
    }

    fn outcome(self) -> Outcome {
        let said = self.lacks.map_or(self.cases, |(tests, _)| tests.max(self.cases));
        let (verdict, mut what) = match (self.lacks, self.passed) {
            _ if self.failed > 0 => {
                (Verdict::Breached, format!("{} of {} tests failed", self.failed, said.max(self.failed)))
            }
            _ if self.quarantined > 0 => (Verdict::Breached, format!("{} tests passed", self.passed)),
            (Some((said, holds)), _) => (Verdict::NotEnoughData, format!("it says {said} tests and holds {holds}")),
            (None, 0) => (Verdict::NotEnoughData, "no test passed in it".to_owned()),
            // Most of it was not tried: of what it stands for it shows too little.
            (None, passed) if passed <= self.skipped => {
                (Verdict::NotEnoughData, format!("no more than {passed} tests passed"))
            }
            (None, passed) => (Verdict::Met, format!("{passed} tests passed")),
        };
        if self.quarantined > 0 {
            what += &format!(", {} failed in quarantine", self.quarantined);
        }
        if self.skipped > 0 {
            what += &format!(", {} skipped", self.skipped);
        }
        let undated = self.undated || self.at.is_none();
        let (at, newest, unsure, of) = (self.at, self.newest, self.unsure, self.of);
        Outcome { verdict, what, at, newest, undated, unsure, of, plan: None, link: None }
    }
}

fn lower(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

fn attribute(tag: &BytesStart, name: &str) -> Result<Option<String>, String> {
    let mut own = None;
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|e| format!("no whole JUnit: {e}"))?;
        if lower(attribute.key.as_ref()) == name {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            own = Some(value.map_err(|e| format!("no whole JUnit: {e}"))?.into_owned());
        }
    }
    Ok(own)
}

/// What a case's own attributes say of it, as Google Test's and CTest's do.
fn status(tag: &BytesStart) -> Result<Case, String> {
    let mut worst = Case::Passed;
    for name in ["status", "result"] {
        let Some(said) = attribute(tag, name)? else { continue };
        worst = worst.max(match said.to_ascii_lowercase().as_str() {
            "" | "passed" | "pass" | "ok" | "success" | "successful" | "run" | "completed" => Case::Passed,
            "skipped" | "skip" | "notrun" | "suppressed" | "disabled" | "pending" | "ignored" | "todo" => Case::Skipped,
            "failed" | "fail" | "failure" | "error" | "broken" | "timedout" => Case::Failed,
            _ => return Err(format!("a JUnit with a case whose {name} is `{said}`, which is not known")),
        });
    }
    Ok(worst)
}

fn property(tag: &BytesStart) -> Result<Option<Of>, String> {
    let name = attribute(tag, "name")?.unwrap_or_default();
    let value = || attribute(tag, "value")?.ok_or_else(|| format!("the property {name} has no value"));
    Ok(match name.as_str() {
        "version" | "app_version" => Some(Of::Version(value()?)),
        "commit" => Some(Of::Commit(value()?)),
        _ => None,
    })
}

/// A moment, and whether it is sure. JUnit's first schema has no time zone: without one it is the earliest it can be, so
/// that nothing passes as younger than it is.
fn moment(text: &str) -> Result<(Timestamp, bool), String> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok((at, true));
    }
    let civil = text.parse::<DateTime>().ok();
    let earliest = civil.and_then(|civil| civil.to_zoned(TimeZone::fixed(offset(14))).ok());
    earliest.map(|at| (at.timestamp(), false)).ok_or_else(|| format!("no moment is `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Outcome, String> {
        read(text)
    }

    #[test]
    fn a_report_passes_where_a_test_passed_and_none_failed() {
        let case = "<testcase name=\"a\"/>";
        let failed = "<testcase name=\"b\"><failure message=\"no\"/></testcase>";
        let skipped = "<testcase name=\"c\"><skipped/></testcase>";
        for (cases, verdict, what) in [
            (format!("{case}{case}{skipped}"), Verdict::Met, "2 tests passed, 1 skipped"),
            (format!("{case}{failed}"), Verdict::Breached, "1 of 2 tests failed"),
            (skipped.to_owned(), Verdict::NotEnoughData, "no test passed in it, 1 skipped"),
            (String::new(), Verdict::NotEnoughData, "no test passed in it"),
        ] {
            let suite = format!("<testsuite name=\"s\" timestamp=\"2026-11-22T10:00:00\">{cases}</testsuite>");
            for text in [suite.clone(), format!("<?xml version=\"1.0\"?>\n<testsuites>{suite}</testsuites>")] {
                let outcome = of(&text).expect("reads");
                assert_eq!((outcome.verdict, outcome.what.as_str()), (verdict, what));
                assert_eq!(outcome.at.map(|at| at.to_string()).as_deref(), Some("2026-11-21T20:00:00Z"));
                assert!(outcome.unsure && !outcome.undated);
            }
        }
    }

    #[test]
    fn its_own_counts_are_believed_where_they_are_worse() {
        let cut = of("<testsuite name=\"s\" tests=\"30\"><testcase name=\"a\"/></testsuite>").expect("reads");
        assert_eq!((cut.verdict, cut.what.as_str()), (Verdict::NotEnoughData, "it says 30 tests and holds 1"));
        let lost = of("<testsuite name=\"s\" failures=\"2\"><testcase name=\"a\"/></testsuite>").expect("reads");
        assert_eq!(lost.verdict, Verdict::Breached);
    }

    #[test]
    fn what_is_no_whole_report_is_none() {
        for text in [
            "<html><body>ok</body></html>",
            "<testsuites",
            "<testsuites><testsuite name=\"s\"><testcase name=\"a\"/>",
            "<",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn it_may_say_what_it_is_of() {
        let with = |name: &str| {
            let text = format!(
                "<testsuite name=\"s\"><properties><property name=\"{name}\" value=\"7\"/></properties></testsuite>"
            );
            of(&text).expect("reads").of
        };
        assert_eq!(with("app_version"), [Of::Version("7".to_owned())]);
        assert_eq!(with("commit"), [Of::Commit("7".to_owned())]);
        assert_eq!(with("other"), []);
    }

    #[test]
    fn a_failure_counts_wherever_it_stands() {
        let ok = "<testcase name=\"a\"/>";
        for inner in [
            "<testsuite name=\"i\"><testcase name=\"b\"><failure/></testcase></testsuite>",
            "<error message=\"setup\"/>",
            "<testcase name=\"c\"><FAILURE/></testcase>",
            "<testcase name=\"c\" status=\"failed\"/>",
            "<testcase name=\"c\"><skipped type=\"quarantined\"/></testcase>",
            "<testsuite name=\"i\" failures=\"18446744073709551615\" errors=\"1\"/>",
            "<testsuite name=\"i\" failures=\"18446744073709551615\"/><testcase name=\"c\"><failure/></testcase>",
        ] {
            let text = format!("<testsuites><testsuite name=\"s\">{inner}{ok}</testsuite></testsuites>");
            assert_eq!(of(&text).expect("reads").verdict, Verdict::Breached, "{inner}");
        }
        let many = "<testsuite name=\"s\" tests=\"18446744073709551615\"><testcase name=\"a\"/></testsuite>";
        let cut = of(&format!("<testsuites>{many}{many}</testsuites>")).expect("reads");
        assert_eq!(cut.verdict, Verdict::NotEnoughData);
    }

    #[test]
    fn what_was_mostly_skipped_shows_too_little() {
        let skipped = "<testcase name=\"b\"><skipped/></testcase>".repeat(99);
        let done = of(&format!("<testsuite name=\"s\"><testcase name=\"a\"/>{skipped}</testsuite>")).expect("reads");
        let (verdict, what) = (done.verdict, done.what);
        assert_eq!((verdict, what.as_str()), (Verdict::NotEnoughData, "no more than 1 tests passed, 99 skipped"));
    }

    #[test]
    fn what_is_around_it_or_unknown_in_it_is_refused() {
        let report = "<testsuites><testsuite name=\"s\"><testcase name=\"a\"/></testsuite></testsuites>";
        assert_eq!(of(report).expect("reads").verdict, Verdict::Met);
        for text in [
            format!("{report}{report}"),
            format!("{report} and more"),
            format!("<html><body>{report}</body></html>"),
            report.replace("\"a\"", "\"a\" status=\"perhaps\""),
            report.replace("<testcase", "<verdict/><testcase"),
            report.replace("\"s\"", "\"s\" timestamp=\"yesterday\""),
            report.replace("\"s\"", "\"s\" tests=\"-1\""),
        ] {
            assert!(of(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_part_says_what_it_is_of_and_when() {
        let own = |version: &str| {
            format!("<properties><property name=\"version\" value=\"{version}\"/></properties><testcase name=\"a\"/>")
        };
        let text = format!(
            "<testsuites><testsuite name=\"s\" timestamp=\"2026-11-22T10:00:00Z\">{}</testsuite>\
             <testsuite name=\"t\">{}</testsuite></testsuites>",
            own("1.4.2"),
            own("1.4.1")
        );
        let done = of(&text).expect("reads");
        assert_eq!(done.of, ["1.4.2", "1.4.1"].map(|version| Of::Version(version.to_owned())));
        assert!(done.undated && !done.unsure);
        let dated = of(&text.replace("\"t\"", "\"t\" timestamp=\"2026-11-24T10:00:00Z\"")).expect("reads");
        let [at, newest] = [dated.at, dated.newest].map(|at| at.map(|at| at.to_string()));
        assert_eq!((at.as_deref(), newest.as_deref()), (Some("2026-11-22T10:00:00Z"), Some("2026-11-24T10:00:00Z")));
    }
}
