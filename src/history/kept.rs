//! What is kept of a run: its plays, and what each gave every measure. All of it comes from the record's events, so an
//! old record, or one whose run was killed, is taken in like any other.

use crate::error::{Error, Result};
use crate::event::{self, Origin};
use crate::measure::{self, Samples};
use crate::record::{self, Ending, Record};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Run {
    /// The run's own id: a record that is taken in twice is known by it.
    pub run_id: String,
    /// When it began, milliseconds since 1970, by the clock of its machine.
    pub started: i64,
    /// How long it took, milliseconds.
    pub ms: f64,
    /// The app file's name.
    pub app: String,
    /// The address visited.
    pub base: String,
    /// The app's environment.
    pub environment: String,
    /// The version the app told; empty: none.
    pub app_version: String,
    /// The plan's name.
    pub plan: String,
    /// `refute` or `prove`.
    pub judge: String,
    /// What the run was judged when it ended.
    pub verdict: String,
    /// The CI's number for it; empty: none.
    pub ci: String,
    /// The version of Soundcheck.
    pub soundcheck: String,
    /// Where the record lay.
    pub folder: String,
    /// It ended by itself.
    pub complete: bool,
    /// Its plays, in order, retries too.
    #[serde(skip)]
    pub plays: Vec<Play>,
}

/// A play.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Play {
    /// The browser session.
    pub session: String,
    /// The journey.
    pub journey: String,
    /// The browser.
    pub browser: String,
    /// The browser's own name and version.
    pub browser_version: String,
    /// The network profile.
    pub profile: String,
    /// The profile plans faults.
    pub faulted: bool,
    /// The renderer's class: see [`renderer_class`].
    pub renderer: String,
    /// 1 for the first play of this kind in the run.
    pub number: u64,
    /// More than 1: a retry.
    pub attempt: u64,
    /// How it ended.
    pub ending: Ending,
    /// Why not well.
    pub reason: String,
    /// Why its video failed.
    pub class: String,
    /// When it began, milliseconds since 1970.
    pub started: i64,
    /// How long it took, milliseconds.
    pub ms: f64,
    /// Others kept the machine busy for a part of it.
    pub busy: bool,
    /// Its samples are the app's: neither broken, unfinished, under faults nor to diagnose, and no second attempt at what
    /// gave samples. Those of a failure that is borne are.
    pub counts: bool,
    /// It only says whether the failure of another repeats.
    pub diagnoses: bool,
    /// A quarantine was in force for it.
    pub quarantined: bool,
    /// What it gave each measure; also where that does not count.
    #[serde(skip)]
    pub samples: Vec<(String, Samples)>,
}

impl Run {
    /// Reads a run's folder. A torn last line is left out, as everywhere.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("events.jsonl");
        let name = path.display().to_string();
        let record = Record::fold(|| Ok(Box::new(event::read(&path)?)), None);
        // Among many it must be told which; what is said of a line names it already.
        let named = |e: Error| if e.what().contains(&name) { e } else { e.during(&name) };
        Self::of(&record.map_err(named)?, folder)
    }

    /// The same where the record is folded already.
    pub fn of(record: &Record, folder: &Path) -> Result<Self> {
        let path = folder.join("events.jsonl");
        let moment = |text: &str| text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond);
        let started = moment(&record.started).ok_or_else(|| {
            Error::author(format!("{}: the run does not say when it began", path.display()))
                .remedy("give a record whose run_start has a timestamp")
        })?;
        let mut begun = Vec::new();
        let mut events: BTreeMap<String, Vec<event::Event>> = BTreeMap::new();
        for event in event::read(&path)? {
            let event = event?;
            if event.event == "journey_start" && event.source != Origin::App {
                begun.push(moment(&event.timestamp).unwrap_or(started));
            }
            if let Some(session) = event.ids.session_id.clone() {
                events.entry(session).or_default().push(event);
            }
        }
        let (mut plays, mut sampled) = (Vec::new(), BTreeSet::new());
        for (play, begun) in record.plays.iter().zip(begun) {
            let mut own = events.remove(&play.session_id).unwrap_or_default();
            own.sort_by(|a, b| a.t_ms.total_cmp(&b.t_ms).then(a.seq.cmp(&b.seq)));
            own.dedup(); // as when the run was judged
            let mut kept = Play::of(play, begun, &own);
            kept.counts = kept.counts && sampled.insert((&play.journey, &play.browser, &play.profile, play.number));
            plays.push(kept);
        }
        let about = |key: &str| record.about.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        Ok(Self {
            started,
            ms: record.ms,
            app: about("app"),
            base: about("base"),
            environment: about("environment"),
            app_version: about("version"),
            plan: about("plan"),
            judge: about("judge"),
            verdict: record.verdict().name().to_owned(),
            ci: about("ci"),
            soundcheck: about("soundcheck"),
            folder: folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).display().to_string(),
            complete: record.complete,
            plays,
            run_id: record.run_id.clone(),
        })
    }
}

impl Play {
    /// Under faults, and it came to an answer: a sample of how the app takes them.
    pub fn is_faulted_sample(&self) -> bool {
        self.faulted && !self.diagnoses && matches!(self.ending, Ending::Passed | Ending::Failed)
    }

    fn of(play: &record::Play, started: i64, events: &[event::Event]) -> Self {
        let environment = |key: &str| play.environment.get(key).and_then(|v| v.as_str()).unwrap_or_default();
        Self {
            session: play.session_id.clone(),
            journey: play.journey.clone(),
            browser: play.browser.clone(),
            browser_version: environment("browser_version").to_owned(),
            profile: play.profile.clone(),
            faulted: play.faulted,
            renderer: renderer_class(environment("renderer")).to_owned(),
            number: play.number,
            attempt: play.attempt,
            ending: play.ending,
            reason: play.reason.clone().unwrap_or_default(),
            class: play.class.map(|class| class.to_string()).unwrap_or_default(),
            started,
            ms: play.ms,
            busy: events.iter().any(measure::busy),
            counts: !play.faulted && !play.diagnoses && !matches!(play.ending, Ending::Broken | Ending::Unfinished),
            diagnoses: play.diagnoses,
            quarantined: play.quarantine.is_some(),
            samples: measure::of_play(events).into_iter().map(|(name, s)| (name.to_owned(), s)).collect(),
        }
    }
}

/// What draws, as far as times may be compared: `llvmpipe`, `swiftshader` or `gpu`; empty where nothing is known.
pub fn renderer_class(renderer: &str) -> &'static str {
    let renderer = renderer.to_lowercase();
    match ["llvmpipe", "swiftshader"].into_iter().find(|software| renderer.contains(software)) {
        Some(software) => software,
        None if renderer.is_empty() => "",
        None => "gpu",
    }
}
