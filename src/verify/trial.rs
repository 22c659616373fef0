//! One trial: a run of its own, and what came of it as a line of the record.

use super::outside::Struck;
use super::{Case, Catalogue, Rings, Trial};
use crate::browser::Kind;
use crate::browser::leash::{Leash, Program};
use crate::error::{Error, Operator, Result};
use crate::event::Event;
use crate::plan::{Judge, Plan, Repeat};
use crate::record::{Ending, Finding};
use crate::run::{Settings, run};
use crate::secret::Secrets;
use crate::slo::{Judging, Objective, Verdict};
use crate::unit::ms;
use crate::why::Answer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What rings where a failure is no sample of any objective: the expectation of a step itself.
pub const PLAY: &str = "the play";

/// The requirement that a lost page or context breaches.
pub const CRASH_FREE: &str = "P1.3";

/// What came of a trial: a line of the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// What it is a trial of: program, case and objectives, hashed. A line that does not say is of another program.
    #[serde(default)]
    pub of: String,
    /// Its seed.
    pub seed: u64,
    /// Its browser.
    pub browser: String,
    /// Its case.
    pub case: String,
    /// Its number.
    pub number: u32,
    /// The app it was played on.
    pub app: String,
    /// How the play ended.
    pub ending: Ending,
    /// Requirements whose objectives saw a failure, and [`PLAY`] if an expectation of the journey failed.
    pub rang: Vec<String>,
    /// The run's verdict is that something is breached.
    pub breached: bool,
    /// The failure class it got.
    pub class: Option<String>,
    /// From the first sign of the fault to its notice, milliseconds: from the first fault applied, or from the begin of the
    /// step that failed.
    pub notice_ms: Option<f64>,
    /// Why the play did not end well.
    pub reason: Option<String>,
    /// What `soundcheck why` names as the cause.
    #[serde(default)]
    pub why: Option<String>,
    /// What is wrong with what the app told, as the reconciliation found it.
    #[serde(default)]
    pub found: Vec<String>,
    /// How long the play took, milliseconds.
    pub ms: f64,
    /// How long the longest of its attempts took, milliseconds.
    #[serde(default)]
    pub longest_ms: f64,
    /// The run's folder.
    pub folder: PathBuf,
}

/// A play that still goes on when its budget is over is ended; so much later it is over, milliseconds.
const PAST_MS: f64 = 5000.0;

impl Done {
    /// Its name in the record.
    pub fn key(&self) -> String {
        format!("{} {} {} {}", self.seed, self.browser, self.case, self.number)
    }

    /// Whether anything can be said of it: a broken play is none, nor is one whose fault never came.
    pub fn counts(&self, case: &Case) -> bool {
        // A broken play is an answer where one must come of it, and a wrong one where the app's own loss is planted.
        let answers = case.loses() && self.ending == Ending::Broken;
        matches!(self.ending, Ending::Passed | Ending::Failed) || answers || self.is_busy(case)
    }

    /// A play whose faults met no request proves nothing, however it came out: what it failed for is something else.
    pub(super) fn unless_unplanted(&mut self, case: &Case, faults: &[Map<String, Value>]) {
        let applied = |fault: &Map<String, Value>| fault.get("applied").and_then(Value::as_u64).is_some_and(|n| n > 0);
        let planted = case.profile.rules.is_empty() || faults.iter().any(applied);
        if planted || case.outside.is_some() || self.ending == Ending::Broken {
            return;
        }
        let went = self.reason.as_deref().unwrap_or("the play passed");
        self.reason = Some(format!("nothing was planted: none of the faults was applied; {went}"));
        self.ending = Ending::Undecided;
    }

    /// By how much an attempt at it ran past its budget and what ending it may take, milliseconds, if one did.
    pub fn overran(&self, case: &Case) -> Option<f64> {
        let past = self.ms.max(self.longest_ms) - ms(case.journey.budget());
        (past > PAST_MS).then_some(past)
    }

    /// Whether it rightly says that the host was busy: the case keeps it so, and nothing may ring.
    pub fn is_busy(&self, case: &Case) -> bool {
        let said = self.ending == Ending::Undecided && self.reason.as_ref().is_some_and(|r| r.starts_with("busy host"));
        said && case.hogs > 0 && case.rings == Rings::Nothing
    }

    /// Whether it was noticed by what must ring. One slow value that the journey waited for rings as well: the play passes,
    /// and its objective has seen it.
    pub fn noticed(&self, rings: &Rings) -> bool {
        match rings {
            Rings::Nothing => false,
            Rings::Broken(cause) => {
                let told = |cause: &String| self.reason.as_ref().is_some_and(|reason| reason.contains(cause));
                self.ending == Ending::Broken && !self.breached && cause.as_ref().is_none_or(told)
            }
            Rings::Objective(id, _) => self.ending != Ending::Broken && self.rang.contains(id),
        }
    }

    /// Whether anything rang: what is enough to notice a defect by is a false alarm where there is none.
    pub fn alarmed(&self) -> bool {
        !self.rang.is_empty() || self.ending == Ending::Failed || self.breached
    }

    /// Whether the reconciliation found what the case says, where it says anything: all of it, or nothing.
    pub fn reconciled(&self, case: &Case) -> Option<bool> {
        let wanted = case.finds.as_ref()?;
        Some(match wanted.as_slice() {
            [] => self.found.is_empty(),
            wanted => wanted.iter().all(|one| self.found.contains(one)),
        })
    }

    /// Whether its class is the wrong one.
    pub fn wrong_class(&self, rings: &Rings) -> bool {
        matches!(rings, Rings::Objective(..)) && self.wanted_class(rings) != self.class.as_deref()
    }

    /// The class that it must get, if any.
    pub fn wanted_class<'r>(&self, rings: &'r Rings) -> Option<&'r str> {
        let Rings::Objective(_, classes) = rings else { return None };
        classes[usize::from(self.browser == Kind::Firefox.name())].as_deref()
    }
}

/// Where and how trials are played.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The folder of the record and of all runs.
    pub out: PathBuf,
    /// How a run is carried out; its `out` is replaced by each trial's own.
    pub run: Settings,
    /// The program that plays: see [`program`].
    pub program: String,
}

impl Setting {
    fn path(&self) -> PathBuf {
        self.out.join("trials.jsonl")
    }
}

/// What tells this program from every other build of it: its version, and the octets of its file.
pub fn program(exe: &Path) -> Result<String> {
    let octets = std::fs::read(exe).operator(format!("reading {}", exe.display()))?;
    Ok(short_hash(&[env!("CARGO_PKG_VERSION").as_bytes(), &octets]))
}

/// What a trial of this case is a trial of: the program, the case as it was checked, and what may ring. A proof goes on
/// only with trials of the same: others say nothing of what is there now.
pub(super) fn of(program: &str, catalogue: &Catalogue, case: &Case) -> String {
    let (case, objectives) = (format!("{case:?}"), format!("{:?}", catalogue.objectives));
    short_hash(&[program.as_bytes(), case.as_bytes(), objectives.as_bytes()])
}

fn short_hash(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // Where a part ends is hashed too: what moves from one to the next is a change.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(8).map(|octet| format!("{octet:02x}")).collect()
}

/// What a record holds.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Trials of this program and catalogue.
    pub trials: Vec<Done>,
    /// How many more there are, of another.
    pub left_out: usize,
}

/// What the record holds already. A torn last line is left out: its trial is played again. So is one of another program
/// or catalogue, but those are counted.
pub fn record(setting: &Setting, catalogue: &Catalogue) -> Result<Held> {
    let wanted: BTreeMap<&str, String> =
        catalogue.cases.iter().map(|case| (case.id.as_str(), of(&setting.program, catalogue, case))).collect();
    let all = lines(setting)?;
    let (trials, others): (Vec<Done>, Vec<Done>) =
        all.into_iter().partition(|done| wanted.get(done.case.as_str()) == Some(&done.of));
    Ok(Held { trials, left_out: others.len() })
}

fn lines(setting: &Setting) -> Result<Vec<Done>> {
    let path = setting.path();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::operator(format!("{}: {e}", path.display()))),
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let read = |(n, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| {
            Error::author(format!("{}: line {}: {e}", path.display(), n + 1))
                .remedy("give another --out, or remove the line: its trial is then played again")
        })
    };
    whole.lines().enumerate().map(read).collect()
}

/// Plays a trial and writes what came of it to the record.
pub async fn trial(catalogue: &Catalogue, trial: &Trial<'_>, setting: &Setting, secrets: &Secrets) -> Result<Done> {
    let case = trial.case;
    if let Some(outside) = case.outside {
        outside.may_be()?;
    }
    let mut app = catalogue.apps[trial.app].clone();
    app.launch.extend(case.launch.iter().cloned());
    let mut profile = case.profile.clone();
    profile.seed = trial.seed;
    let name = app.name.clone();
    let plan = Plan {
        name: case.id.clone(),
        question: case.about.clone().unwrap_or_else(|| catalogue.question.clone()),
        app,
        journeys: vec![case.journey.clone()],
        browsers: vec![trial.browser],
        profiles: vec![profile],
        objectives: catalogue.objectives.clone(),
        judge: Judge::Refute,
        repeat: Repeat::every(1),
        quarantine: Default::default(),
        sound: Default::default(),
        notes: Vec::new(),
    };
    let folder = setting.out.join(trial.key().replace(' ', "-"));
    // What an earlier proof left when it was stopped within this trial.
    if folder.exists() {
        std::fs::remove_dir_all(&folder).operator(format!("removing {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).operator(format!("making {}", folder.display()))?;
    let leash = Leash::start(&setting.run.exe, "hogs").await?;
    let strangers = hogs(&leash, case.hogs).await?;
    let mut settings = Settings { out: folder.clone(), strangers, ..setting.run.clone() };
    if case.outside.is_some() {
        // What a retry makes of it says nothing about the play that was struck.
        settings.retries = u32::from(case.again);
    }
    let played = run(&plan, &settings, secrets, &Struck::new(trial)).await;
    leash.end().await?;
    let record = played?;
    let Some(play) = record.final_plays().last() else {
        return Err(Error::operator(format!("{}: nothing was played", trial.key())));
    };
    let events: Vec<Event> = crate::event::read(&folder.join("events.jsonl"))?.collect::<Result<_>>()?;
    let own: Vec<&Event> =
        events.iter().filter(|e| e.ids.session_id.as_deref() == Some(play.session_id.as_str())).collect();
    let mut done = Done {
        of: of(&setting.program, catalogue, case),
        seed: trial.seed,
        browser: trial.browser.name().to_owned(),
        case: case.id.clone(),
        number: trial.number,
        app: name,
        ending: play.ending,
        rang: rang(&catalogue.objectives, &own, play.ending),
        breached: record.verdict() == Verdict::Breached,
        class: class(&own),
        notice_ms: notice_ms(&own),
        reason: play.reason.clone(),
        why: Answer::of(&record, &events).cause().map(|c| c.says.clone()),
        found: play.reconciliation.findings.iter().map(Finding::title).collect(),
        ms: play.ms,
        longest_ms: record.plays.iter().map(|attempt| attempt.ms).fold(0.0, f64::max),
        folder,
    };
    done.unless_unplanted(case, &play.faults);
    // What should have rung was measured, and left out: nothing is proved either way.
    let left_out = own.iter().any(|e| e.fields.contains_key("busy_host"));
    if done.ending == Ending::Passed && left_out && case.rings != Rings::Nothing && !done.noticed(&case.rings) {
        (done.ending, done.reason) = (Ending::Undecided, Some("busy host: what was measured is no sample".to_owned()));
    }
    let mut line = serde_json::to_string(&done).unwrap_or_default();
    line.push('\n');
    let path = setting.path();
    let mut file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(&path)
        .operator(format!("writing {}", path.display()))?;
    file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).operator(format!("writing {}", path.display()))?;
    Ok(done)
}

/// Requirements of the objectives that saw a failure in these events, whatever a verdict on so few would be.
fn rang(objectives: &[Objective], events: &[&Event], ending: Ending) -> Vec<String> {
    let mut rang: Vec<String> = objectives
        .iter()
        .filter_map(Judging::new)
        .filter_map(|mut judging| {
            events.iter().for_each(|e| judging.feed(e));
            judging.saw_failure().then(|| judging.objective().id.clone())
        })
        .collect();
    rang.dedup();
    if ending == Ending::Broken {
        rang.clear(); // no sample of anything
    }
    rang.extend((ending == Ending::Failed).then(|| PLAY.to_owned()));
    rang
}

fn class(events: &[&Event]) -> Option<String> {
    events.iter().rev().find_map(|e| e.text("class")).map(str::to_owned)
}

fn notice_ms(events: &[&Event]) -> Option<f64> {
    let failed = events.iter().find(|e| e.event == "step_end" && e.fields.get("ok").is_some_and(|ok| ok == false))?;
    let began = |e: &&&Event| e.event == "step_start" && e.ids.step == failed.ids.step;
    let planted = events.iter().find(|e| e.event == "fault_applied");
    let from = planted.or_else(|| events.iter().rfind(began))?.t_ms;
    Some((failed.t_ms - from).max(0.0).round())
}

/// Starts processes that keep the processors busy until the leash ends.
async fn hogs(leash: &Leash, count: u32) -> Result<Vec<u32>> {
    let mut pids = Vec::new();
    for n in 0..count {
        let argv = ["sh", "-c", "while :; do :; done"].map(str::to_owned).to_vec();
        pids.push(
            leash.spawn(Program { argv, log: leash.dir().join(format!("hog-{n}.log")), ..Program::default() }).await?,
        );
    }
    Ok(pids)
}
