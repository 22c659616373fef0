//! JUnit: a suite for each browser, a case for each play, one more suite for the objectives. What could not be run is
//! an *error*, what ran and missed is a *failure*, and too little data is *skipped* with its reason, never a pass. A play
//! that diagnoses another is no case of its own: it is a rerun within it. A failure that is borne is *skipped* too, of the
//! type `quarantined`.

use crate::record::{Ending, Play, Record};
use crate::slo::Verdict;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) fn write(record: &Record) -> String {
    let mut report = Report::new(record.about.get("plan").and_then(|p| p.as_str()).unwrap_or("soundcheck"));
    report.set_time(duration(record.ms));
    let mut browsers: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for play in record.attempts() {
        let suite = browsers.entry(&play.browser).or_insert_with(|| TestSuite::new(play.browser.clone()));
        suite.add_test_case(case(record, play));
    }
    report.add_test_suites(browsers.into_values());
    let mut objectives = TestSuite::new("objectives");
    for o in &record.objectives {
        let status = match o.verdict {
            Verdict::Met => TestCaseStatus::success(),
            Verdict::NotEnoughData => {
                let needs = o.needs.as_ref().map_or(String::new(), |n| format!(", needs {n}"));
                skipped(&format!("{}{needs}", o.value))
            }
            Verdict::Breached if o.goal => skipped(&o.value),
            Verdict::Breached if o.quarantined => quarantined(&o.value),
            Verdict::Breached => non_success(NonSuccessKind::Failure, &o.value),
            Verdict::Broken => non_success(NonSuccessKind::Error, &o.value),
        };
        let mut case = TestCase::new(format!("{} {} {}", o.id, o.name, o.target), status);
        case.set_classname("objectives");
        objectives.add_test_case(case);
    }
    report.add_test_suite(objectives);
    // Strings in memory: only an invalid duration could fail, and those are bounded below.
    report.to_string().unwrap_or_default()
}

fn case(record: &Record, play: &Play) -> TestCase {
    let reason = play.reason.as_deref().unwrap_or("no reason recorded");
    let cause = play.cause().map_or(String::new(), |cause| format!(" ({cause})"));
    let repeats = play.repeats.map_or(String::new(), |repeats| format!("; {}", repeats.words()));
    let reason = &format!("{reason}{cause}{repeats}");
    let status = match play.ending {
        Ending::Passed => TestCaseStatus::success(),
        Ending::Failed if record.bears(play) => {
            let badge = play.quarantine.as_ref().map(|entry| entry.badge()).unwrap_or_default();
            quarantined(&format!("failed, {badge}; {reason}"))
        }
        Ending::Failed => {
            let mut failure = non_success(NonSuccessKind::Failure, reason);
            let again = record.plays.iter().filter(|p| p.diagnoses && p.same(play) && p.ending == Ending::Failed);
            failure.add_reruns(again.map(|again| {
                let mut rerun = TestRerun::new(NonSuccessKind::Failure);
                rerun.set_message(again.reason.clone().unwrap_or_default()).set_time(duration(again.ms));
                rerun
            }));
            failure
        }
        Ending::Broken => non_success(NonSuccessKind::Error, reason),
        Ending::Undecided => skipped(reason),
        Ending::Unfinished => non_success(NonSuccessKind::Error, "the play did not finish"),
    };
    let mut case = TestCase::new(play.title(), status);
    case.set_classname(format!("{}.{}", play.browser, play.journey)).set_time(duration(play.ms));
    let mut steps: Vec<String> = play
        .steps
        .iter()
        .map(|s| {
            let ms = s.ms.map_or(String::new(), |ms| format!(" {ms:.0} ms"));
            let reason = s.reason.as_ref().map_or(String::new(), |r| format!(": {r}"));
            format!("{} {}{ms}{reason}", if s.ok { "ok  " } else { "FAIL" }, s.name)
        })
        .collect();
    steps.extend(play.cause());
    case.set_system_out(steps.join("\n"));
    case
}

/// A failure that is borne: no pass, and it fails no build. As JUnit writers write what is expected to fail.
fn quarantined(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_type("quarantined").set_message(why);
    status
}

fn skipped(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(format!("not enough data: {why}"));
    status
}

fn non_success(kind: NonSuccessKind, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message);
    status
}

fn duration(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}
