//! JUnit: a case for each line. Whatever makes it NO-GO fails, for too little data too: CI shows a skipped case green.

use super::super::{Decision, Gate, Line};
use crate::slo::Verdict;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

pub(super) fn write(gate: &Gate) -> String {
    let mut report = Report::new("soundcheck gate");
    let mut suite = TestSuite::new("gate");
    for line in &gate.lines {
        let mut case = TestCase::new(format!("{} {}", line.id, line.name), status(line));
        case.set_classname("gate").set_system_out(line.evidence.as_str());
        suite.add_test_case(case);
    }
    for signed in &gate.sign_off {
        let why = signed.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
        let status = match signed.decision {
            Decision::Pass => TestCaseStatus::success(),
            decision => non_success(NonSuccessKind::Failure, &format!("{}{why}", decision.name())),
        };
        let mut case = TestCase::new(format!("D9 sign-off {}", signed.role), status);
        case.set_classname("gate");
        suite.add_test_case(case);
    }
    report.add_test_suite(suite);
    // Strings in memory, and no duration: it cannot fail.
    report.to_string().unwrap_or_default()
}

fn status(line: &Line) -> TestCaseStatus {
    let todo = line.missing.as_ref().map_or(String::new(), |todo| format!("; to do: {todo}"));
    let said = format!("{}: {}{todo}", line.answer.name(), line.evidence);
    match line.answer {
        Verdict::Met => TestCaseStatus::success(),
        _ if !line.demanded => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("not demanded; {said}"));
            status
        }
        Verdict::Broken => non_success(NonSuccessKind::Error, &said),
        Verdict::Breached | Verdict::NotEnoughData => non_success(NonSuccessKind::Failure, &said),
    }
}

fn non_success(kind: NonSuccessKind, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message);
    status
}
