//! JUnit, as test runners write it. Its own counts are held against its cases: what was cut off passes nothing.

use super::{Of, Outcome};
use crate::slo::Verdict;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use quick_junit::{Report, TestCaseStatus};

pub(super) fn read(text: &str, zone: &TimeZone) -> Result<Outcome, String> {
    let start = text.find("<testsuite").ok_or("it is HTML or XML, and no JUnit")?;
    let body = zoned(&text[start..], zone);
    // Some write one suite and nothing around it.
    let whole = if body.starts_with("<testsuites") { body } else { format!("<testsuites>{body}</testsuites>") };
    let report = Report::deserialize_from_str(&whole).map_err(|e| format!("no whole JUnit: {e}"))?;
    let (mut passed, mut failed, mut skipped, mut cases) = (0, 0, 0, 0);
    for case in report.test_suites.iter().flat_map(|suite| &suite.test_cases) {
        cases += 1;
        match case.status {
            TestCaseStatus::Success { .. } => passed += 1,
            TestCaseStatus::NonSuccess { .. } => failed += 1,
            TestCaseStatus::Skipped { .. } => skipped += 1,
        }
    }
    let suites = || report.test_suites.iter();
    let said = report.tests.max(suites().map(|s| s.tests).sum());
    let wrong = (report.failures + report.errors).max(suites().map(|s| s.failures + s.errors).sum());
    let (verdict, mut what) = match () {
        () if failed.max(wrong) > 0 => {
            (Verdict::Breached, format!("{} of {} tests failed", failed.max(wrong), said.max(cases)))
        }
        () if said > cases => (Verdict::NotEnoughData, format!("it says {said} tests and holds {cases}")),
        () if passed == 0 => (Verdict::NotEnoughData, "no test passed in it".to_owned()),
        () => (Verdict::Met, format!("{passed} tests passed")),
    };
    if skipped > 0 {
        what += &format!(", {skipped} skipped");
    }
    let moments = report.timestamp.iter().chain(suites().filter_map(|s| s.timestamp.as_ref()));
    let at = moments.filter_map(|at| Timestamp::from_millisecond(at.timestamp_millis()).ok()).min();
    let mut properties = suites().flat_map(|suite| &suite.properties);
    let of = properties.find_map(|property| match property.name.as_str() {
        "version" | "app_version" => Some(Of::Version(property.value.to_string())),
        "commit" => Some(Of::Commit(property.value.to_string())),
        _ => None,
    });
    Ok(Outcome { verdict, what, at, of, link: None })
}

/// A timestamp without a time zone is of the release's: JUnit's first schema has none.
fn zoned(text: &str, zone: &TimeZone) -> String {
    const KEY: &str = "timestamp=\"";
    let mut parts = text.split(KEY);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (value, rest) = part.split_once('"').unwrap_or((part, ""));
        let moment = value.parse::<Timestamp>().is_err().then(|| value.parse::<DateTime>().ok()).flatten();
        let own = moment.and_then(|civil| Some(civil.to_zoned(zone.clone()).ok()?.timestamp().to_string()));
        out += &format!("{KEY}{}\"{rest}", own.as_deref().unwrap_or(value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Outcome, String> {
        read(text, &TimeZone::UTC)
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
                assert_eq!(outcome.at.map(|at| at.to_string()).as_deref(), Some("2026-11-22T10:00:00Z"));
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
        assert_eq!(with("app_version"), Some(Of::Version("7".to_owned())));
        assert_eq!(with("commit"), Some(Of::Commit("7".to_owned())));
        assert_eq!(with("other"), None);
    }
}
