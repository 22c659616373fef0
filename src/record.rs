//! Floor 3, pure. A record: one run's events folded into what reports show. Reading the same events again gives the
//! same record, so a run can be judged again without a browser.

mod again;
mod in_order;
mod reconcile;
mod stall;
mod told;
mod verdict;

use crate::error::{Error, Result};
use crate::event::{Event, Origin};
use crate::measure::is_read;
use crate::media::class::{Class, Evidence};
use crate::media::{Story, Violation};
use crate::quarantine::Entry;
use crate::slo::{Judged, Judging, Objective};
use crate::telemetry::Sent;
pub use again::Repeats;
use in_order::InOrder;
pub use reconcile::{Finding, Kind, Reconciliation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
pub use stall::{Cause, Stall};
use std::collections::{BTreeMap, BTreeSet};
pub use told::Told;

/// A run, folded.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Record {
    /// The run.
    pub run_id: String,
    /// What `run_start` said: plan, question, app, base, environment, judge, version.
    pub about: Map<String, Value>,
    /// When it began, RFC 3339.
    pub started: String,
    /// How long it took, milliseconds.
    pub ms: f64,
    /// Every play, in order, retries too.
    pub plays: Vec<Play>,
    /// Every objective of the plan.
    pub objectives: Vec<Judged>,
    /// Events that did not fit the queue.
    pub dropped: u64,
    /// It ended by itself.
    pub complete: bool,
    /// What became of its telemetry, where it was exported.
    #[serde(skip)]
    pub sent: Option<Sent>,
    /// Whether its breach was told to whom `--on-breach` names.
    pub told: Option<Told>,
    /// How many events each session has: whoever reads them again knows when it has all of a play.
    #[serde(skip)]
    pub(crate) lines: BTreeMap<String, u64>,
}

/// How a play ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Every expectation held; under a fault profile: what the profile says must hold did.
    Passed,
    /// An expectation failed: data about the app. Under a fault profile: what the profile says must hold did not.
    Failed,
    /// The environment failed: no sample.
    Broken,
    /// Under a fault profile: the planned fault never came about, so nothing is known of how the app takes it.
    Undecided,
    /// Its end is not in the record.
    #[default]
    Unfinished,
}

impl Ending {
    const ALL: [(Ending, &str); 5] = [
        (Ending::Passed, "passed"),
        (Ending::Failed, "failed"),
        (Ending::Broken, "broken"),
        (Ending::Undecided, "undecided"),
        (Ending::Unfinished, "unfinished"),
    ];

    /// As records write it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(ending, _)| *ending == self).map_or("", |(_, name)| name)
    }

    /// The ending of this name; of no known one: unfinished.
    pub fn named(name: &str) -> Self {
        Self::ALL.iter().find(|(_, known)| *known == name).map_or(Ending::Unfinished, |(ending, _)| *ending)
    }
}

/// One play: one journey, one browser, one profile, one attempt.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Play {
    /// The browser session.
    pub session_id: String,
    /// The journey.
    pub journey: String,
    /// The browser.
    pub browser: String,
    /// The network profile.
    pub profile: String,
    /// The profile plans faults: the play is judged by what the profile says must hold, and is no sample of the app's
    /// own objectives.
    pub faulted: bool,
    /// What each planned fault came to.
    pub faults: Vec<Map<String, Value>>,
    /// 1 for the first play of this kind, and so on.
    pub number: u64,
    /// 1, and more where the attempt before was broken, or this one diagnoses it.
    pub attempt: u64,
    /// It only says whether the failure of an earlier attempt repeats: no sample, and no part of the verdict.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub diagnoses: bool,
    /// Where it failed and was diagnosed: what that came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Repeats>,
    /// Its failure is known, and borne until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Entry>,
    /// How it ended.
    pub ending: Ending,
    /// Why not well.
    pub reason: Option<String>,
    /// Why its video failed, where a step failed that was about one.
    pub class: Option<Class>,
    /// What the class stands on.
    pub evidence: Option<Evidence>,
    /// What the answers to its requests for media broke: each rule once for each URL.
    pub violations: Vec<Violation>,
    /// The step in which its page, its browser or a WebGL context was lost.
    #[serde(skip)]
    pub lost: Option<String>,
    /// Milliseconds of the session.
    pub ms: f64,
    /// Renderer, versions, codecs.
    pub environment: Map<String, Value>,
    /// Its steps in order, each time they were done.
    pub steps: Vec<Step>,
    /// Pictures that stood still.
    pub stalls: Vec<Stall>,
    /// Console errors and uncaught exceptions.
    pub console: Vec<String>,
    /// First and last memory sample, bytes.
    pub memory: Vec<f64>,
    /// What the app said of itself: event name and how often, each once however many ways it came.
    pub app_events: BTreeMap<String, u64>,
    /// That, against what was seen from outside.
    #[serde(skip_serializing_if = "Reconciliation::is_silent")]
    pub reconciliation: Reconciliation,
    #[serde(skip)]
    pub(crate) ear: reconcile::Ear,
    #[serde(skip)]
    pub(crate) story: Story,
    #[serde(skip)]
    pub(crate) applied: stall::Applied,
}

/// One step, done once.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Step {
    /// Its words.
    pub name: String,
    /// What was expected.
    pub expect: Option<String>,
    /// It held.
    pub ok: bool,
    /// Milliseconds to what was expected.
    pub ms: Option<f64>,
    /// Slower than the step's `within`.
    pub slow: bool,
    /// The preset shown.
    pub preset: Option<String>,
    /// Why it did not hold.
    pub reason: Option<String>,
    /// The picture at its end, relative to the record's folder.
    pub screenshot: Option<String>,
}

impl Record {
    /// Folds a run's events. `objectives` replaces the ones the run recorded.
    pub fn fold(
        events: impl Fn() -> Result<Box<dyn Iterator<Item = Result<Event>>>>,
        objectives: Option<&[Objective]>,
    ) -> Result<Self> {
        let mut record = Record::default();
        let mut recorded: Vec<Objective> = Vec::new();
        for event in events()? {
            let event = event?;
            // An app may call its own events as it likes.
            if event.event == "run_start" && event.source != Origin::App {
                if !record.run_id.is_empty() {
                    return Err(Error::author("the record holds two runs, or one twice")
                        .remedy("give each run its own folder, with each of its events once"));
                }
                recorded = objectives_of(&event)?;
            }
            record.feed(&event);
        }
        for play in &mut record.plays {
            let ear = std::mem::take(&mut play.ear);
            (play.app_events, play.reconciliation) = (ear.counts(), ear.reconcile());
        }
        record.lost_again();
        record.diagnosed();
        if record.run_id.is_empty() {
            return Err(Error::author("the record holds no event").remedy("give the folder of a run"));
        }
        // A broken attempt is no sample, nor is one cut short, nor what the app did under faults of our making, nor one
        // that diagnoses another: whatever they saw is left out of every measure.
        let no_sample = |p: &&Play| p.faulted || p.diagnoses || matches!(p.ending, Ending::Broken | Ending::Unfinished);
        let sessions = |of: &dyn Fn(&&Play) -> bool| -> BTreeSet<&str> {
            record.plays.iter().filter(of).map(|p| p.session_id.as_str()).collect()
        };
        let (broken, borne) = (sessions(&no_sample), sessions(&|p| record.bears(p)));
        let judging = || objectives.unwrap_or(&recorded).iter().filter_map(Judging::new).collect::<Vec<_>>();
        // With every sample, and without those of the failures that are borne.
        let (mut judging, mut without) = (judging(), if borne.is_empty() { Vec::new() } else { judging() });
        let mut judge = |events: Vec<Event>| {
            for event in &events {
                judging.iter_mut().for_each(|j| j.feed(event));
                if event.ids.session_id.as_deref().is_some_and(|s| !borne.contains(s)) {
                    without.iter_mut().for_each(|j| j.feed(event));
                }
            }
        };
        let mut plays = InOrder::new(&record.lines);
        for event in events()? {
            let event = event?;
            if let Some(session) = event.ids.session_id.clone().filter(|s| !broken.contains(s.as_str())) {
                let wanted = is_read(&event);
                judge(plays.take(&session, event, wanted));
            }
        }
        plays.rest().for_each(judge);
        let mut judged: Vec<Judged> = judging.iter().map(Judging::judge).collect();
        for (judged, without) in judged.iter_mut().zip(&without) {
            judged.bear(without.judge().verdict);
        }
        record.objectives = judged;
        if !record.plays.is_empty() && record.plays.iter().all(|p| p.faulted) {
            // Nothing of this run could be a sample of them: what the profiles say must hold is the whole answer.
            record.objectives.clear();
        }
        Ok(record)
    }

    /// Takes an event of the run, in the order they were written.
    pub fn feed(&mut self, event: &Event) {
        if let Some(session) = &event.ids.session_id {
            match self.lines.get_mut(session) {
                Some(lines) => *lines += 1,
                None => drop(self.lines.insert(session.clone(), 1)),
            }
        }
        // What is told when all is played makes the run no longer.
        if !self.complete {
            self.ms = self.ms.max(event.t_ms);
        }
        // What the app says of itself is its play's, also where it is called as one of these.
        let name = if event.source == Origin::App { "" } else { event.event.as_str() };
        match name {
            "run_start" => {
                self.run_id.clone_from(&event.ids.run_id);
                self.started.clone_from(&event.timestamp);
                self.about = event.fields.clone();
                self.about.remove("objectives");
            }
            // The address with the port the run chose, and the version the app told.
            "app_ready" => self.about.extend(event.fields.clone()),
            "run_end" => {
                self.complete = true;
                self.dropped = event.number("dropped").unwrap_or(0.0) as u64;
            }
            "telemetry_export" => self.sent = Some(Sent::of(event)),
            "breach_told" => self.told = Some(Told::of(event)),
            "journey_start" => self.plays.push(Play {
                session_id: event.ids.session_id.clone().unwrap_or_default(),
                journey: event.ids.journey.clone().unwrap_or_default(),
                browser: event.ids.browser.clone().unwrap_or_default(),
                profile: event.text("profile").unwrap_or_default().to_owned(),
                faulted: event.flag("faulted"),
                number: event.number("number").unwrap_or(1.0) as u64,
                attempt: event.number("attempt").unwrap_or(1.0) as u64,
                diagnoses: event.flag("diagnoses"),
                quarantine: event.fields.get("quarantine").and_then(|q| serde_json::from_value(q.clone()).ok()),
                ..Play::default()
            }),
            _ => {
                let session = event.ids.session_id.as_deref();
                if let Some(play) = self.plays.iter_mut().rfind(|p| Some(p.session_id.as_str()) == session) {
                    play.feed(event);
                }
            }
        }
    }

    /// What was lost from outside is no sample; lost at the same step again, it is the app's, whatever came from outside:
    /// an app that takes all memory is killed from outside each time.
    fn lost_again(&mut self) {
        for at in 1..self.plays.len() {
            let (before, play) = self.plays.split_at_mut(at);
            let play = &mut play[0];
            let Some(step) = play.lost.clone().filter(|_| play.ending == Ending::Broken) else { continue };
            let mut earlier = before.iter().filter(|p| p.same(play) && p.attempt < play.attempt);
            if earlier.any(|p| p.lost.as_ref().is_some_and(|before| same_place(before, &step))) {
                play.ending = Ending::Failed;
                let why = play.reason.take().unwrap_or_default();
                play.reason = Some(format!("lost twice at the same step, {step}: {why}"));
            }
        }
    }
}

/// Whether two steps are the same, or do the same about as often: an app that leaks until the kernel ends its page is lost at
/// about the same switch, and seldom at exactly the same one.
pub(crate) fn same_place(one: &str, other: &str) -> bool {
    /// By this share of the later one's number the earlier may differ.
    const ABOUT: f64 = 0.1;
    let nth = |step: &str| {
        let (words, nth) = step.rsplit_once(' ')?;
        Some((words.to_owned(), nth.parse::<u32>().ok()?))
    };
    match (nth(one), nth(other)) {
        (Some((words, n)), Some((same, m))) => words == same && f64::from(n.abs_diff(m)) <= ABOUT * f64::from(n.max(m)),
        _ => one == other,
    }
}

fn objectives_of(event: &Event) -> Result<Vec<Objective>> {
    let listed = event.fields.get("objectives").cloned().unwrap_or(Value::Array(Vec::new()));
    let listed: Vec<Map<String, Value>> = serde_json::from_value(listed).unwrap_or_default();
    let text = |map: &Map<String, Value>, key| map.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    listed
        .iter()
        .map(|o| {
            let browser = o.get("browser").and_then(Value::as_str);
            let (measure, target) = (text(o, "measure"), text(o, "target"));
            let read = Objective::new(text(o, "id"), text(o, "name"), &measure, &target, browser)?;
            Ok(Objective { goal: o.get("goal").and_then(Value::as_bool).unwrap_or(false), ..read })
        })
        .collect()
}

impl Play {
    /// Whether both are attempts at the same play.
    pub(crate) fn same(&self, other: &Play) -> bool {
        (&self.journey, &self.browser, &self.profile, self.number)
            == (&other.journey, &other.browser, &other.profile, other.number)
    }

    fn feed(&mut self, event: &Event) {
        self.ear.feed(event);
        if event.source == Origin::App {
            return;
        }
        self.story.feed(event);
        match event.event.as_str() {
            "environment" => self.environment = event.fields.clone(),
            "fault_applied" => self.applied.feed(event),
            "playback_stall" => self.stalls.push(self.applied.stall(event)),
            "console_error" | "exception" => self.console.extend(event.text("text").map(str::to_owned)),
            "memory_sample" => self.memory.extend(event.number("pss_bytes")),
            "step_end" => self.steps.push(Step {
                name: event.ids.step.clone().unwrap_or_default(),
                expect: event.text("expect").map(str::to_owned),
                ok: event.flag("ok"),
                ms: event.number("ms"),
                slow: event.flag("slow"),
                preset: event.ids.preset_id.clone(),
                reason: event.text("reason").map(str::to_owned),
                screenshot: None,
            }),
            "loss_examined" if event.text("lost").is_some() => {
                self.lost = event.text("at_step").map(str::to_owned);
            }
            "screenshot" => {
                if let Some(step) = self.steps.last_mut() {
                    step.screenshot = event.text("file").map(str::to_owned);
                }
            }
            "fault_tally" => {
                let faults = event.fields.get("faults").cloned().unwrap_or_default();
                self.faults = serde_json::from_value(faults).unwrap_or_default();
            }
            "journey_end" => {
                self.violations = self.story.violations().to_vec();
                // Under faults a play may pass because its video failed: only its end tells that it did.
                let failed = event.fields.contains_key("class") || event.text("ending") == Some("failed");
                let classed = self.story.class().filter(|_| failed);
                (self.class, self.evidence) = classed.map(|c| (c.class, c.evidence)).unzip();
                // Thousands of exchanges have said what they had to.
                self.story = Story::default();
                self.ms = event.number("ms").unwrap_or(0.0);
                self.reason = event.text("reason").map(str::to_owned);
                self.ending = match event.text("ending") {
                    Some("passed") => Ending::Passed,
                    Some("failed") => Ending::Failed,
                    Some("undecided") => Ending::Undecided,
                    _ => Ending::Broken,
                };
            }
            _ => {}
        }
    }

    /// Its class, with what it stands on.
    pub fn cause(&self) -> Option<String> {
        let says = self.evidence.as_ref().map_or("", |e| e.says.as_str());
        self.class.map(|class| format!("class: {class}: {says}"))
    }

    /// One line that names it.
    pub fn title(&self) -> String {
        let retry = match self.attempt {
            1 => String::new(),
            n if self.diagnoses => format!(", attempt {n}, to diagnose"),
            n => format!(", attempt {n}"),
        };
        format!("{} in {} on {} #{}{retry}", self.journey, self.browser, self.profile, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_at_about_the_same_place_again_it_is_the_apps() {
        let ends = |lost: [&str; 2]| {
            let attempt = |(at_step, attempt): (&str, u64)| Play {
                attempt,
                ending: Ending::Broken,
                lost: Some(at_step.to_owned()),
                ..Play::default()
            };
            let mut record = Record { plays: lost.into_iter().zip(1..).map(attempt).collect(), ..Record::default() };
            record.lost_again();
            record.plays.iter().map(|p| p.ending).collect::<Vec<_>>()
        };
        for lost in [["next preset 61", "next preset 63"], ["next preset 9", "next preset 9"], ["log in", "log in"]] {
            assert_eq!(ends(lost), [Ending::Broken, Ending::Failed], "{lost:?}");
        }
        for lost in
            [["next preset 2", "next preset 5"], ["next preset 2", "last preset 2"], ["log in", "log in wrongly"]]
        {
            assert_eq!(ends(lost), [Ending::Broken, Ending::Broken], "{lost:?}");
        }
    }
}
