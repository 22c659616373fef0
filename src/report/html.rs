//! `report.html`: one file, readable from a disk without a network. Pictures are linked, beside it in `screenshots/`.

use crate::record::{Ending, Play, Record};
use crate::slo::Verdict;
use crate::unit::show_ms;
use crate::why;
use askama::Template;
use serde_json::{Map, Value};

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    record: &'a Record,
    verdict: &'static str,
    tone: &'static str,
    cause: Option<String>,
    took: String,
    shift: String,
}

impl Page<'_> {
    fn about(&self, key: &str) -> &str {
        self.record.about.get(key).and_then(|v| v.as_str()).unwrap_or("")
    }

    fn tone_of(&self, verdict: &Verdict) -> &'static str {
        tone(*verdict)
    }

    fn ending(&self, play: &Play) -> (&'static str, &'static str) {
        match play.ending {
            Ending::Passed => ("passed", "good"),
            Ending::Failed => ("failed", "bad"),
            Ending::Broken => ("broken", "odd"),
            Ending::Undecided => ("not enough data", "open"),
            Ending::Unfinished => ("unfinished", "odd"),
        }
    }

    fn play_anchor(&self, play: &usize) -> String {
        why::play_anchor(*play)
    }

    fn step_anchor(&self, play: &usize, step: &usize) -> String {
        why::step_anchor(*play, *step)
    }

    fn environment(&self, play: &Play, key: &str) -> String {
        self.field(&play.environment, key)
    }

    fn field(&self, of: &Map<String, Value>, key: &str) -> String {
        match of.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        }
    }

    fn ms(&self, ms: &f64) -> String {
        show_ms(*ms)
    }

    fn megabytes(&self, play: &Play) -> String {
        match play.memory.as_slice() {
            [] => "not measured".to_owned(),
            [only] => format!("{:.0} MB", only / 1e6),
            [first, .., last] => format!("{:.0} MB to {:.0} MB", first / 1e6, last / 1e6),
        }
    }

    /// Width of a step's bar, per cent of two seconds: the objective for a first frame.
    fn bar(&self, ms: &f64) -> u32 {
        (ms / 20.0).clamp(1.0, 100.0) as u32
    }
}

fn tone(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "good",
        Verdict::NotEnoughData => "open",
        Verdict::Broken => "odd",
        Verdict::Breached => "bad",
    }
}

pub(super) fn write(record: &Record) -> String {
    let verdict = record.verdict();
    let page = Page {
        record,
        verdict: verdict.name(),
        tone: tone(verdict),
        cause: record.first_cause(),
        took: show_ms(record.ms),
        shift: match record.exit_code() {
            0 if record.plays.iter().any(|p| record.bears(p)) => {
                "What failed is quarantined. It counts against the objectives.".to_owned()
            }
            0 if verdict == Verdict::NotEnoughData => "Nothing failed. What is not proved is listed below.".to_owned(),
            0 if record.plays.iter().all(|p| p.faulted) => "What the profiles say must hold did.".to_owned(),
            0 => "Every objective is proved.".to_owned(),
            3 => "The environment failed, not the app. Nothing here counts against it.".to_owned(),
            _ => String::new(),
        },
    };
    // Its values are strings and numbers: only an error in the template itself could fail, and a test renders it.
    page.render().unwrap_or_default()
}
