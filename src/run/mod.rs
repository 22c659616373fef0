//! Floor 4. A run: starts the app, plays every play of a plan, always tears down, and leaves a record.

pub mod breach;
pub mod examine;
mod host;
mod ids;
mod launch;
mod net;
mod open;
mod play;
mod shot;
mod turn;
mod watch;

use crate::browser::Kind;
use crate::browser::display::Display;
use crate::browser::leash::{self, Leash};
use crate::browser::sound::PulseAudio;
use crate::error::{Error, Operator, Result};
use crate::event::{Ids, Log, Now, Origin, random_hex};
use crate::plan::Plan;
use crate::proxy::Proxy;
use crate::quarantine::{Entry, today};
use crate::record::{Ending, Record, same_place};
use crate::report::REPORTS;
use crate::report::har::Archives;
use crate::secret::Secrets;
use crate::table::Row;
use crate::telemetry::{self, Telemetry};
use base64::Engine as _;
use host::Host;
use jiff::civil::Date;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use turn::{Turn, turns};

pub use launch::Launched;

/// How a run is carried out: what the command line says, and no file does.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The `soundcheck` binary itself: its hidden `leash` command holds the processes.
    pub exe: PathBuf,
    /// The run's folder.
    pub out: PathBuf,
    /// Browsers open on the user's own display.
    pub headed: bool,
    /// A WebDriver or Selenium Grid elsewhere; nothing is started here.
    pub webdriver: Option<String>,
    /// The browser to use instead of the installed one.
    pub browser_binary: Option<PathBuf>,
    /// The driver to use instead of the installed one.
    pub driver: Option<PathBuf>,
    /// Attempts after a broken one.
    pub retries: u32,
    /// How often what failed is played again, only to say whether it repeats: the first failure of each journey, browser
    /// and profile.
    pub diagnose: u32,
    /// Who is told of a breach.
    pub on_breach: Option<breach::Tell>,
    /// Processes below this one that are none of the run's: load from outside.
    pub strangers: Vec<u32>,
    /// What others are told of the run while it goes on; `None`: nothing, whatever the environment asks for.
    pub telemetry: Option<telemetry::Ask>,
}

/// What a run tells while it goes on.
pub trait Progress: Send + Sync {
    /// A play begins: its number, of how many, and its words.
    fn play_starts(&self, number: usize, of: usize, title: &str);
    /// A step begins.
    fn step_starts(&self, step: &str);
    /// A play ended.
    fn play_ends(&self, title: &str, ending: Ending, ms: f64, reason: Option<&str>);
    /// A word about the run itself.
    fn note(&self, text: &str);
}

/// What all plays of a run share.
struct Shared<'a> {
    plan: &'a Plan,
    settings: &'a Settings,
    log: Log,
    progress: &'a dyn Progress,
    base: String,
    version: Option<String>,
    display: Option<String>,
    /// The display that this run started, and what holds it.
    own_display: Option<(&'a Leash, Display)>,
    pulse: Option<String>,
    /// What goes on, for the proxies' events.
    now: Now,
    host: Host,
    /// The day of the run, UTC: what is quarantined then is so to its end.
    today: Date,
    /// What an app with `{proxy}` in its `launch` fetches through.
    upstream: Option<Proxy>,
}

/// Plays a plan. The record is on disk when this returns, also after an error of the environment.
pub async fn run(plan: &Plan, settings: &Settings, secrets: &Secrets, progress: &dyn Progress) -> Result<Record> {
    let shots = settings.out.join("screenshots");
    std::fs::create_dir_all(&shots).operator(format!("making {}", shots.display()))?;
    let events = settings.out.join("events.jsonl");
    if events.exists() {
        return Err(Error::author(format!("{} holds a run already", settings.out.display()))
            .remedy("give another --out, or none: each run gets its own folder"));
    }
    let swept = leash::sweep();
    if swept > 0 {
        progress.note(&format!("removed {swept} folders that a killed run left behind"));
    }
    let run_id = random_hex::<8>();
    let (mut telemetry, tap) = tell(plan, settings, &run_id, secrets)?.unzip();
    let log = Log::tapped(&events, &run_id, secrets, tap)?;
    if let Some(telemetry) = &mut telemetry {
        telemetry.listens_to(&log);
        telemetry.notes().iter().for_each(|note| progress.note(note));
    }
    let today = today();
    log.write("run_start", Origin::Monitor, log.now_ms(), &Ids::default(), about(plan, settings, today));
    plan.quarantine.on(today).entries.iter().filter_map(Entry::expired).for_each(|over| progress.note(&over));

    let leash = Leash::start(&settings.exe, "run").await?;
    let done = everything(plan, settings, progress, (&log, today), &leash).await;
    let ended = leash.end().await;
    let problem = done.err().or(ended.err());
    let reason = problem.as_ref().map(|e| e.what().to_owned());
    let fields = json!({ "dropped": log.dropped(), "reason": reason });
    log.write("run_end", Origin::Monitor, log.now_ms(), &Ids::default(), fields);
    log.sync()?;
    let mut record = fold(&settings.out)?;
    if let Some(telemetry) = telemetry {
        told(telemetry, &mut record, (&log, secrets), progress)?;
    }
    write(&record, &settings.out)?;
    match problem {
        // Nothing was played: the error is the answer. Otherwise the record says what was.
        Some(error) if record.plays.is_empty() => Err(error),
        _ => breach::told(record, settings, &log, secrets, progress).await,
    }
}

/// Starts telling others, where somebody asked for it.
fn tell(
    plan: &Plan,
    settings: &Settings,
    run_id: &str,
    secrets: &Secrets,
) -> Result<Option<(Telemetry, crate::event::Tap)>> {
    let Some(ask) = &settings.telemetry else { return Ok(None) };
    let env = |name: &str| std::env::var(name).ok();
    telemetry::hide(&env, secrets);
    let about = telemetry::About {
        run_id: run_id.to_owned(),
        plan: plan.name.clone(),
        app: plan.app.name.clone(),
        environment: plan.app.environment.clone(),
        ci: std::env::var("GITHUB_RUN_ID").ok(),
    };
    Telemetry::start(ask, &about, &env)
}

/// Tells how the run was judged, waits a little for what is on its way, and says what did not arrive: on stderr, and in
/// the record.
fn told(
    telemetry: Telemetry,
    record: &mut Record,
    (log, secrets): (&Log, &Secrets),
    progress: &dyn Progress,
) -> Result<()> {
    let verdicts: Vec<_> = record.objectives.iter().map(|o| (o.name.clone(), o.verdict.name())).collect();
    let (sent, textfile) = telemetry.finish(&verdicts, record.exit_code());
    let said = sent.missing().into_iter().chain(textfile.err().map(|e| e.to_string()));
    said.for_each(|line| progress.note(&secrets.hide(&line)));
    if sent.is_empty() {
        return Ok(());
    }
    let event = log.write("telemetry_export", Origin::Monitor, log.now_ms(), &Ids::default(), sent.fields());
    record.feed(&event);
    log.sync()
}

fn about(plan: &Plan, settings: &Settings, today: Date) -> Value {
    let objectives: Vec<Value> = plan
        .objectives
        .iter()
        .map(|o| {
            let browser = o.browser.map(Kind::name);
            let (target, goal) = (&o.target_text, o.goal);
            json!({
                "id": o.id, "name": o.name, "measure": o.measure, "target": target, "browser": browser, "goal": goal,
            })
        })
        .collect();
    let hosts = plan.app.hosts.iter().chain(plan.app.map.keys());
    json!({
        "plan": plan.name,
        "question": plan.question,
        "app": plan.app.name,
        "base": plan.app.base,
        // What is the app's: of all else that fails beside it, it is seldom the cause.
        "hosts": hosts.collect::<Vec<_>>(),
        "telemetry_path": plan.app.telemetry.path,
        "environment": plan.app.environment,
        "judge": plan.judge,
        "browsers": plan.browsers.iter().map(|k| k.name()).collect::<Vec<_>>(),
        "profiles": plan.profiles.iter().map(|p| &p.name).collect::<Vec<_>>(),
        // No profile's name is a field's: one that tells of a token would have its seed hidden.
        "seeds": plan.profiles.iter().map(|p| json!({ "profile": p.name, "seed": p.seed })).collect::<Vec<_>>(),
        "journeys": plan.journeys.iter().map(|j| &j.name).collect::<Vec<_>>(),
        "repeat": plan.repeat,
        "sound": plan.sound,
        // These hosts speak HTTP/1.1 to the browser, whatever they speak without us.
        "intercept": plan.app.intercept,
        "insecure_certificates": plan.app.access.insecure_certificates,
        "webdriver": settings.webdriver,
        "soundcheck": env!("CARGO_PKG_VERSION"),
        "ci": std::env::var("GITHUB_RUN_ID").ok(),
        "quarantine": plan.quarantine.on(today).entries,
        "objectives": objectives,
    })
}

/// Folds the events of a run's folder and writes its reports.
pub fn write_reports(out: &Path) -> Result<Record> {
    let record = fold(out)?;
    write(&record, out)?;
    Ok(record)
}

fn write(record: &Record, out: &Path) -> Result<()> {
    for report in REPORTS {
        let path = out.join(report.name());
        let mut text = (report.write)(record);
        if report.name().ends_with(".html") {
            text = with_pictures(text, record, out);
        }
        std::fs::write(&path, text)
            .operator(format!("writing {}", path.display()))
            .map_err(|e| e.remedy("free space on the disk, then: soundcheck judge <the run's folder>"))?;
    }
    write_archives(record, out)
}

/// Writes each play's network archive, one after the other.
fn write_archives(record: &Record, out: &Path) -> Result<()> {
    let write = |(name, archive): (String, Value)| {
        let path = out.join(name);
        let doing = format!("writing {}", path.display());
        let written = std::fs::create_dir_all(path.parent().unwrap_or(out)).and_then(|()| {
            let mut file = BufWriter::new(File::create(&path)?);
            serde_json::to_writer_pretty(&mut file, &archive)?;
            file.write_all(b"\n")?;
            file.flush()
        });
        written
            .operator(doing)
            .map_err(|e| e.remedy("free space on the disk, then: soundcheck judge <the run's folder>"))
    };
    let mut archives = Archives::new(record);
    for event in crate::event::read(&out.join("events.jsonl"))? {
        archives.feed(&event?).map_or(Ok(()), write)?;
    }
    archives.rest().try_for_each(write)
}

/// Puts the picture each play ended on into the page itself, so that the one file still shows what happened when it is
/// sent around alone. The others stay links: hundreds of them would make it too large to send.
fn with_pictures(mut html: String, record: &Record, out: &Path) -> String {
    const MOST: usize = 60;
    let last = record.plays.iter().filter_map(|p| p.steps.iter().rev().find_map(|s| s.screenshot.as_ref()));
    for file in last.take(MOST) {
        if let Ok(png) = std::fs::read(out.join(file)) {
            let data = base64::engine::general_purpose::STANDARD.encode(png);
            html = html.replace(&format!("src=\"{file}\""), &format!("src=\"data:image/png;base64,{data}\""));
        }
    }
    html
}

/// Folds the events of a run's folder.
pub fn fold(out: &Path) -> Result<Record> {
    let events = out.join("events.jsonl");
    Record::fold(|| Ok(Box::new(crate::event::read(&events)?)), None)
}

async fn everything(
    plan: &Plan,
    settings: &Settings,
    progress: &dyn Progress,
    (log, today): (&Log, Date),
    leash: &Leash,
) -> Result<()> {
    let local = settings.webdriver.is_none();
    let wants_sound = local && plan.browsers.contains(&Kind::Firefox);
    for profile in &plan.profiles {
        net::playable(profile, !local)?;
    }
    let now = Now::default();
    let upstream = match plan.app.launch.iter().any(|a| a.contains("{proxy}")) {
        true => Some(net::upstream(&plan.app.hosts, log, &now).await?),
        false => None,
    };
    let through = upstream.as_ref().map(net::url);
    let (launched, display, pulse) = tokio::join!(
        launch::launch(&plan.app, leash, &settings.exe, through.as_deref()),
        async {
            match local && !settings.headed {
                true => Display::start(leash).await.map(Some),
                false => Ok(None),
            }
        },
        async {
            match wants_sound {
                true => PulseAudio::start(leash, plan.sound).await.map(Some),
                false => Ok(None),
            }
        },
    );
    let launched = launched?;
    // Chromium can do without a display, on a slower renderer; Firefox without one has no WebGL at all.
    let display = match display {
        Err(e) if plan.browsers.contains(&Kind::Firefox) => return Err(e),
        Err(e) => {
            progress.note(&format!("no virtual display, so Chromium draws with SwiftShader, about half as fast: {e}"));
            None
        }
        Ok(display) => display,
    };
    let pulse = pulse?;
    let own_display = std::env::var("DISPLAY").ok().filter(|_| settings.headed);
    let fields = json!({ "base": launched.base, "version": launched.version });
    log.write("app_ready", Origin::Monitor, log.now_ms(), &Ids::default(), fields);
    let shared = Shared {
        plan,
        settings,
        log: log.clone(),
        progress,
        base: launched.base.clone(),
        version: launched.version.clone(),
        display: display.as_ref().map(|d| d.name().to_owned()).or(own_display),
        own_display: display.map(|d| (leash, d)),
        pulse: pulse.as_ref().map(|p| p.server().to_owned()),
        now,
        // A browser on another machine is held up by what runs there.
        host: if local { Host::watch(log, &settings.strangers) } else { Host::default() },
        upstream,
        today,
    };
    let turns = turns(plan);
    let mut diagnosed = BTreeSet::new();
    for (n, turn) in turns.iter().enumerate() {
        let of = (n + 1, turns.len());
        let failed = play_with_retries(&shared, turn, of).await?;
        // Once of each kind: the next failures of a night's hundred plays say how often by themselves.
        if let Some(last) = failed
            && settings.diagnose > 0
            && diagnosed.insert((&turn.journey.name, turn.kind, &turn.profile.name))
        {
            for attempt in last + 1..=last + settings.diagnose {
                one(&shared, &Turn { attempt, diagnoses: true, ..*turn }, of).await?;
            }
        }
    }
    Ok(())
}

/// Plays it, and again while it is broken. The attempt that failed, if that is how it ended.
async fn play_with_retries(shared: &Shared<'_>, turn: &Turn<'_>, of: (usize, usize)) -> Result<Option<u32>> {
    let mut lost_before: Option<String> = None;
    for attempt in 1..=shared.settings.retries + 1 {
        let ended = one(shared, &Turn { attempt, ..*turn }, of).await?;
        // Only a broken play is replaced by another: what failed is data, and stays. What is lost at the same step again is
        // the app's, whatever came from outside: the record says so.
        let again = ended.lost.as_ref().zip(lost_before.as_ref()).is_some_and(|(now, before)| same_place(now, before));
        if ended.ending == Ending::Failed || again {
            return Ok(Some(attempt));
        }
        if ended.ending != Ending::Broken {
            return Ok(None);
        }
        lost_before = ended.lost;
    }
    Ok(None)
}

/// Plays one attempt.
async fn one(shared: &Shared<'_>, turn: &Turn<'_>, (number, of): (usize, usize)) -> Result<play::Ended> {
    let again = if turn.diagnoses { ", again to diagnose" } else { "" };
    let title = format!("{} in {} on {}{again}", turn.journey.name, turn.kind, turn.profile.name);
    shared.progress.play_starts(number, of, &title);
    let ended = play::play(shared, turn).await;
    let badge = shared.borne(turn).filter(|_| ended.ending == Ending::Failed).map(Entry::badge);
    let said: Vec<&str> = ended.reason.as_deref().into_iter().chain(badge.as_deref()).collect();
    let said = Some(shared.log.secrets().hide(&said.join("\n"))).filter(|said| !said.is_empty());
    shared.progress.play_ends(&title, ended.ending, ended.ms, said.as_deref());
    if shared.log.dropped() > 0 {
        return Err(Error::operator("events could not be written").remedy("free space on the disk"));
    }
    Ok(ended)
}

impl Shared<'_> {
    /// What bears with a failure of this play.
    fn borne(&self, turn: &Turn<'_>) -> Option<&Entry> {
        let plan = self.plan;
        plan.quarantine.bears(&plan.app.name, &turn.journey.name, turn.kind, &turn.profile.name, self.today)
    }
}
