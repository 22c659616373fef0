//! Floor 3, pure. Reports: a record in, text out. Each is a leaf and a row. What a history, its objectives or a comparison
//! say in a terminal is a leaf too.

use crate::record::Record;
use crate::table::Row;

pub mod compared;
pub mod har;
mod html;
mod json;
mod junit;
pub mod overview;
mod reconciliation;
mod sparkline;
pub mod standing;
mod summary;
pub mod text;
pub mod why;

pub(crate) use summary::cell;

/// A report that a run leaves in its folder.
pub struct Report {
    name: &'static str,
    about: &'static str,
    /// Writes it.
    pub write: fn(&Record) -> String,
}

impl Row for Report {
    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        self.about
    }
}

/// Every report; the name is its file's.
pub const REPORTS: &[Report] = &[
    Report { name: "report.html", about: "the record for people: one file, no network", write: html::write },
    Report {
        name: "junit.xml",
        about: "for CI: a play is a test case; breached is a failure, broken is an error",
        write: junit::write,
    },
    Report {
        name: "reconciliation.md",
        about: "what the app told of itself against what was seen from outside",
        write: reconciliation::write,
    },
    Report { name: "summary.md", about: "for a pull request: a GitHub step summary", write: summary::write },
    Report { name: "verdict.json", about: "for programs: the verdict and all it stands on", write: json::write },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quarantine::{Entry, today};
    use crate::record::{Cause, Ending, Finding, Kind, Play, Reconciliation, Repeats, Stall, Step, Told};
    use crate::slo::{Judged, Verdict};
    use proptest::prelude::*;

    /// A record that says `text` wherever text may stand.
    fn saying(text: &str, number: f64) -> Record {
        let said = || text.to_owned();
        let step = Step {
            name: said(),
            expect: Some(said()),
            ms: Some(number),
            preset: Some(said()),
            reason: Some(said()),
            screenshot: Some(said()),
            ..Step::default()
        };
        let play = |ending| Play {
            session_id: said(),
            journey: said(),
            browser: said(),
            profile: said(),
            ending,
            reason: Some(said()),
            ms: number,
            environment: [(said(), text.into()), ("renderer".to_owned(), text.into())].into_iter().collect(),
            steps: vec![step.clone()],
            stalls: vec![Stall {
                kind: said(),
                told: vec![said()],
                ms: number,
                causes: vec![Cause { fault: said(), kind: said(), before_ms: number, wait_ms: Some(number) }],
                ..Stall::default()
            }],
            console: vec![said()],
            memory: vec![number],
            app_events: [(said(), 1)].into(),
            reconciliation: Reconciliation {
                told: 1,
                ways: [(said(), 1)].into(),
                findings: vec![Finding { kind: Kind::Missing, event: said(), times: 1, t_ms: number, says: said() }],
                ..Reconciliation::default()
            },
            repeats: Some(Repeats { failed: 1, of: 3 }),
            quarantine: Some(Entry {
                journey: said(),
                browser: None,
                profile: Some(said()),
                app: Some(said()),
                reason: said(),
                owner: said(),
                link: said(),
                since: today(),
                until: today(),
                expired_days: 0,
            }),
            ..Play::default()
        };
        let judged = |verdict| Judged {
            id: said(),
            name: said(),
            target: said(),
            verdict,
            value: said(),
            samples: 1,
            unit: "play",
            sessions: 1,
            needs: Some(said()),
            goal: false,
            quarantined: false,
        };
        Record {
            run_id: said(),
            about: ["plan", "question", "app", "base", "judge"]
                .map(|k| (k.to_owned(), text.into()))
                .into_iter()
                .collect(),
            started: said(),
            ms: number,
            plays: [Ending::Passed, Ending::Failed, Ending::Broken, Ending::Unfinished].map(play).into(),
            objectives: [Verdict::Met, Verdict::NotEnoughData, Verdict::Broken, Verdict::Breached].map(judged).into(),
            told: Some(Told { to: said(), problem: Some(said()) }),
            ..Record::default()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_text_and_number_gives_every_report(text in any::<String>(), number in any::<f64>()) {
            let record = saying(&text, number);
            for report in REPORTS {
                prop_assert!(!(report.write)(&record).is_empty(), "{} is empty", report.name);
            }
            prop_assert!(!text::write(&record).is_empty());
        }

        #[test]
        fn no_text_opens_a_tag_or_a_cell(text in "[<>|&\"'\\\\\n a-z/!-]{0,24}") {
            let (plain, said) = (saying("x", 1.0), saying(&text, 1.0));
            let count = |record: &Record, name: &str, what: char| {
                let report = REPORTS.iter().find(|r| r.name == name).expect("a report");
                (report.write)(record).matches(what).count()
            };
            // The file name of a picture makes no tag either.
            for (report, what) in [("report.html", '<'), ("junit.xml", '<'), ("summary.md", '|'), ("summary.md", '<'), ("reconciliation.md", '|'), ("reconciliation.md", '<')] {
                let (wanted, got) = (count(&plain, report, what), count(&said, report, what));
                // Only a target's own `<=` and the cases of an empty text may take some away.
                prop_assert!(got <= wanted, "{report} has {got} of `{what}`, not {wanted}");
            }
        }
    }
}
