//! One play: a browser of its own, one journey, always torn down. A failing journey is data; only *broken* is the
//! environment's.

use super::ids::readers;
use super::open::open;
use super::watch::{Watch, round};
use super::{Shared, Turn, shot};
use crate::app::App;
use crate::browser::driver::Driver;
use crate::browser::leash::{self, Leash, Life, memory_pss};
use crate::browser::probe::{self, Frame};
use crate::browser::session::Session;
use crate::error::{Error, Result};
use crate::event::{Ids, Origin, random_hex, url_hash};
use crate::journey::Step;
use crate::oracle::{Before, Declared, EXPECTATIONS, Expectation, Oracle, Outcome, Seen};
use crate::record::Ending;
use crate::step::{Failed, Hand};
use crate::table::find;
use crate::unit::ms;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long one action of a word may take.
const ACTION: Duration = Duration::from_secs(30);
/// A trusted action whose input the page's probe has not seen after this long had no page to see it (a frame).
const INPUT: Duration = Duration::from_millis(500);
/// A page whose frames have not told its ids for this long is asked for them.
const ASK: Duration = Duration::from_millis(500);
/// Frames of the old picture that must be known before a switch, and how long they are waited for.
const OLD_FRAMES: usize = 3;
const OLD_WAIT: Duration = Duration::from_millis(400);
/// Memory is sampled every so many switches: a sample costs 50 ms of CPU.
const MEMORY_EVERY: u32 = 10;
/// A step done more often than this has a picture of every tenth time only, and of a failure.
const PICTURE_ALL: u32 = 20;
const SHORT: Duration = Duration::from_secs(5);

/// How a play came out.
pub(super) struct Ended {
    pub ending: Ending,
    pub reason: Option<String>,
    pub ms: f64,
}

/// Why a play stopped before its last step.
enum Stop {
    Failed(String),
    Gone(String),
    Broken(String),
}

impl From<Error> for Stop {
    fn from(e: Error) -> Self {
        Stop::Broken(e.to_string())
    }
}

impl From<Failed> for Stop {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::App(why) => Stop::Failed(why),
            Failed::Gone(why) => Stop::Gone(why),
            Failed::Broken(why) => Stop::Broken(why),
        }
    }
}

pub(super) async fn play(shared: &Shared<'_>, turn: &Turn<'_>) -> Ended {
    let ids = Ids {
        trace_id: Some(random_hex::<16>()),
        session_id: Some(random_hex::<8>()),
        browser: Some(turn.kind.name().to_owned()),
        journey: Some(turn.journey.name.clone()),
        ..Ids::default()
    };
    let start = shared.log.now_ms();
    let fields = json!({ "profile": turn.profile.name, "number": turn.number, "attempt": turn.attempt });
    shared.log.write("journey_start", Origin::Monitor, start, &ids, fields);
    let mut up = None;
    let label = turn.kind.name();
    let done = match Leash::start(&shared.settings.exe, label).await {
        Ok(leash) => {
            let done = with_leash(shared, turn, &leash, ids.clone(), &mut up).await;
            // All of it dies here, at once: a browser that hangs cannot hold up the next play.
            let ended = leash.end().await;
            done.and(ended.map_err(Stop::from))
        }
        Err(e) => Err(e.into()),
    };
    let (ending, reason) = match done {
        Ok(()) => (Ending::Passed, None),
        Err(Stop::Failed(why) | Stop::Gone(why)) => (Ending::Failed, Some(why)),
        Err(Stop::Broken(why)) => (Ending::Broken, Some(why)),
    };
    let now = shared.log.now_ms();
    // The session's length is exposure of the app: it begins when the browser is up.
    let ms = up.map_or(0.0, |up| now - up);
    let fields =
        json!({ "ending": ending, "reason": reason, "ms": round(ms), "start_up_ms": up.map(|up| round(up - start)) });
    shared.log.write("journey_end", Origin::Monitor, now, &ids, fields);
    Ended { ending, reason, ms }
}

async fn with_leash(
    shared: &Shared<'_>,
    turn: &Turn<'_>,
    leash: &Leash,
    ids: Ids,
    up: &mut Option<f64>,
) -> Result<(), Stop> {
    let (driver, session, watch) = open(shared, turn, leash, ids).await?;
    *up = Some(shared.log.now_ms());
    let mut stage = OnStage {
        shared,
        app: &shared.plan.app,
        turn,
        session: &session,
        watch,
        leash,
        driver: driver.as_ref().map(|d| d.pid),
        switches: 0,
        opened: false,
        shots: 0,
        pictures: JoinSet::new(),
    };
    let mut done = stage.steps().await;
    if let Err(Stop::Gone(why)) = &done {
        done = Err(stage.gone(why, driver.as_ref()).await);
    }
    stage.watch.catch_up();
    done = done.and(stage.finish_pictures().await);
    match shared.settings.webdriver.is_some() {
        true => session.close_remote(SHORT).await?,
        false => session.close(),
    }
    done
}

/// A play with its browser up.
struct OnStage<'a> {
    shared: &'a Shared<'a>,
    app: &'a App,
    turn: &'a Turn<'a>,
    session: &'a Session,
    watch: Watch,
    leash: &'a Leash,
    driver: Option<u32>,
    switches: u32,
    /// A page of the app is open: ids can be read, pictures taken.
    opened: bool,
    shots: u32,
    /// Screenshots being written.
    pictures: JoinSet<Result<(), String>>,
}

impl OnStage<'_> {
    async fn steps(&mut self) -> Result<(), Stop> {
        self.watch.map_clock(self.session).await;
        for step in &self.turn.journey.steps {
            for n in 1..=step.times {
                self.step(step, n).await?;
            }
        }
        if !self.switches.is_multiple_of(MEMORY_EVERY) || self.switches == 0 {
            self.memory().await;
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step, n: u32) -> Result<(), Stop> {
        let name = if step.times > 1 { format!("{} {n}", step.word) } else { step.word.clone() };
        self.watch.ids.step = Some(name.clone());
        self.watch.ids.span_id = Some(random_hex::<8>());
        self.shared.progress.step_starts(&name);
        let start = self.shared.log.now_ms();
        let expectation = step.expect.and_then(|name| find(EXPECTATIONS, name));
        self.watch.write("step_start", Origin::Monitor, start, json!({ "expect": step.expect }));

        let first_page = !self.opened;
        let done = match expectation {
            Some(expectation) => self.expect(step, expectation).await,
            None => self.act(step).await.map(|()| Outcome::default()),
        };
        let outcome = match done {
            Ok(outcome) => outcome,
            // What the app did not let the viewer do is a failed step; the rest ends the play otherwise.
            Err(Stop::Failed(why)) => self.not_done(expectation, start, why),
            Err(stop) => {
                let why = match &stop {
                    Stop::Gone(why) | Stop::Broken(why) | Stop::Failed(why) => why,
                };
                self.end_step(step, false, None, Some(why), start);
                return Err(stop);
            }
        };
        for (event, t, fields) in &outcome.events {
            self.event(event, *t, fields.clone());
        }
        let shown = outcome.events.iter().find(|(name, ..)| name.ends_with("_visualizer_frame"));
        if let Some((_, t, _)) = shown {
            self.watch.picture_changed(*t);
        }
        if outcome.failed.is_none()
            && let Some(stay) = step.stay
        {
            self.stay(stay).await?;
        }
        self.end_step(step, outcome.failed.is_none(), outcome.ms, outcome.failed.as_deref(), start);
        // A long series is pictured now and then: a hundred captures would be a good part of the memory it is to measure.
        let long = step.times > PICTURE_ALL;
        if outcome.failed.is_some() || !long || n.is_multiple_of(MEMORY_EVERY) {
            self.screenshot(&name).await;
        }
        if step.expect == Some("new picture") {
            self.switches += 1;
            if self.switches.is_multiple_of(MEMORY_EVERY) {
                self.memory().await;
            }
        } else if first_page && self.opened {
            self.memory().await;
        }
        match outcome.failed {
            Some(why) if expectation.is_some_and(|e| e.listens) && self.driver.is_none() => Err(Stop::Broken(format!(
                "{name}: {why} (the other machine's microphone does not hear the known sound)"
            ))),
            Some(why) => Err(Stop::Failed(format!("{name}: {why}"))),
            None => Ok(()),
        }
    }

    /// A word that could not be done, as the outcome of what it should have led to: a dead button is a failed load.
    fn not_done(&self, expectation: Option<&'static Expectation>, start: f64, why: String) -> Outcome {
        let mut oracle = expectation.map(|e| (e.oracle)(Before { t: start, ..Before::default() }));
        let mut outcome = oracle.as_mut().map(|o| o.give_up(self.shared.log.now_ms())).unwrap_or_default();
        for (_, _, fields) in &mut outcome.events {
            if fields.get("reason").is_some() {
                fields["reason"] = json!(why);
            }
        }
        outcome.failed = Some(why);
        outcome
    }

    fn event(&mut self, event: &str, t: f64, fields: Value) {
        if let Some(url) = fields.get("url").and_then(Value::as_str) {
            self.watch.ids.media_url_hash = Some(url_hash(url));
        }
        self.watch.write(event, Origin::Monitor, t, fields);
    }

    fn end_step(&self, step: &Step, ok: bool, took: Option<f64>, reason: Option<&str>, start: f64) {
        let now = self.shared.log.now_ms();
        let slow = took.zip(step.within).is_some_and(|(took, within)| took > ms(within));
        let fields = json!({
            "expect": step.expect,
            "ok": ok,
            "ms": took.map(round),
            "slow": slow,
            "reason": reason,
            "step_ms": round(now - start),
        });
        self.watch.write("step_end", Origin::Monitor, now, fields);
    }

    /// Does a word's actions, one after the other.
    async fn act(&mut self, step: &Step) -> Result<(), Stop> {
        let actions = self.app.words.get(&step.word).map(Vec::as_slice).unwrap_or_default();
        for action in actions {
            if let Some(why) = &self.watch.gone {
                return Err(Stop::Gone(why.clone()));
            }
            let hand = Hand { session: self.session, base: &self.shared.base, limit: ACTION };
            action.run(&hand).await?;
            if action.verb == "open" {
                self.arrived().await?;
            }
        }
        Ok(())
    }

    /// A page came: its ids, and on the first one what the browser can do.
    async fn arrived(&mut self) -> Result<(), Stop> {
        self.watch.catch_up();
        if !self.opened {
            self.opened = true;
            self.environment().await?;
        }
        self.read_ids().await;
        Ok(())
    }

    async fn environment(&mut self) -> Result<(), Stop> {
        let facts = self.session.facts();
        let script = format!("{}?.facts({})", probe::HANDLE, self.watch.renderer.is_none());
        let page = self.session.evaluate(&script, false, SHORT).await.map_err(Failed::from)?;
        let page: Value = serde_json::from_str(page.as_str().unwrap_or("{}")).unwrap_or_default();
        let renderer = self.watch.renderer.clone().or_else(|| page["renderer"].as_str().map(str::to_owned));
        let window = format!("{} x {}", page["innerWidth"], page["innerHeight"]);
        let fields = json!({
            "browser_version": format!("{} {}", facts.browser, facts.browser_version),
            "driver_version": facts.driver_version,
            "renderer": renderer.clone(),
            "codecs": page["codecs"],
            "window": window,
            "display": self.shared.display,
            "headed": self.shared.settings.headed,
            "app_version": self.shared.version,
            "profile": self.turn.profile.name,
        });
        let t = self.shared.log.now_ms();
        self.watch.write("environment", Origin::Monitor, t, fields);
        if self.app.canvas.is_some() && renderer.is_none() {
            return Err(Stop::Broken("the browser has no WebGL: run `soundcheck doctor`".to_owned()));
        }
        Ok(())
    }

    /// Reads the app's ids from the page; what cannot be read is null.
    async fn read_ids(&mut self) {
        let script = format!("JSON.stringify({})", readers(&self.app.read));
        let Ok(found) = self.session.evaluate(&script, false, SHORT).await else { return };
        self.watch.say(serde_json::from_str(found.as_str().unwrap_or_default()).unwrap_or_default());
    }

    fn declared(&self) -> Declared {
        let preset = self.watch.ids.preset_id.as_ref();
        preset.and_then(|id| self.app.presets.get(id)).cloned().unwrap_or_default()
    }

    /// Has the probe read a few frames of the old picture, and the frames after the input, one after the other. Without
    /// an input to come, the frames from now on are those.
    async fn arm(&mut self, expectation: &Expectation, trusted: bool) -> f64 {
        let before = if trusted { 4 } else { 60 };
        let sound = expectation.listens;
        let ids = readers(&self.app.read);
        let script = format!("{}?.arm('s', {{ before: {before}, sound: {sound}, ids: () => {ids} }})", probe::HANDLE);
        match self.session.evaluate(&script, false, SHORT).await.ok().and_then(|v| v.as_f64()) {
            Some(t) => self.watch.page_ms(t),
            None => self.shared.log.now_ms(),
        }
    }

    /// Does a word and waits for what must come of it.
    async fn expect(&mut self, step: &Step, expectation: &'static Expectation) -> Result<Outcome, Stop> {
        let actions = self.app.words.get(&step.word).map(Vec::as_slice).unwrap_or_default();
        let opens = actions.iter().any(|a| a.verb == "open");
        let trusted = actions.iter().any(|a| a.is_trusted());
        self.watch.catch_up();
        self.watch.forget();
        let mut t = self.shared.log.now_ms();
        if self.opened && !opens {
            t = self.arm(expectation, trusted).await;
            self.old_frames().await;
        }
        let before = Before {
            t,
            frames: self.watch.frames.iter().cloned().collect(),
            preset: self.watch.ids.preset_id.clone(),
            names_presets: self.app.read.preset.is_some(),
            has_canvas: self.app.canvas.is_some(),
        };
        self.watch.forget();
        let mut oracle = (expectation.oracle)(before);
        let give_up = Instant::now() + step.give_up.unwrap_or(expectation.give_up);
        self.act(step).await?;
        let mut acted = (!trusted).then_some(Instant::now());
        if acted.is_some() {
            oracle.see(self.shared.log.now_ms(), &Seen::Acted);
        }
        if opens {
            self.watch.catch_up();
            for seen in self.loaded().await? {
                if let Some(outcome) = oracle.see(self.shared.log.now_ms(), &seen) {
                    return Ok(outcome);
                }
            }
        }
        let input_by = Instant::now() + INPUT;
        // The page's ids come with its frames. A page that draws nothing is asked, now and again.
        let mut ask = Instant::now() + ASK;
        let mut said = None;
        loop {
            if Instant::now() >= ask {
                ask = Instant::now() + ASK;
                self.read_ids().await;
                let outcome = self.tell_preset(&mut said, oracle.as_mut());
                if let Some(outcome) = outcome {
                    return Ok(outcome);
                }
            }
            if acted.is_none() && Instant::now() >= input_by {
                acted = Some(Instant::now());
                oracle.see(self.shared.log.now_ms(), &Seen::Acted);
            }
            let next = if acted.is_none() { ask.min(input_by) } else { ask };
            if let Some((t, seen)) = self.watch.next(next.min(give_up)).await {
                if let Seen::Frame(Frame { ids: Some(_), .. }) = &seen {
                    ask = Instant::now() + ASK;
                    if let Some(outcome) = self.tell_preset(&mut said, oracle.as_mut()) {
                        return Ok(outcome);
                    }
                }
                if let Some(outcome) = oracle.see(t, &seen) {
                    return Ok(outcome);
                }
            }
            if let Some(why) = &self.watch.gone {
                return Err(Stop::Gone(why.clone()));
            }
            if Instant::now() >= give_up {
                return Ok(oracle.give_up(self.shared.log.now_ms()));
            }
        }
    }

    /// Tells the oracle which preset the app says it shows, if that is news.
    fn tell_preset(&self, said: &mut Option<Option<String>>, oracle: &mut dyn Oracle) -> Option<Outcome> {
        let now = self.watch.ids.preset_id.clone();
        if said.as_ref() == Some(&now) {
            return None;
        }
        *said = Some(now.clone());
        oracle.see(self.shared.log.now_ms(), &Seen::Preset(now, self.declared()))
    }

    /// A few frames of the old picture must be known before a switch; a page that draws nothing gives none.
    async fn old_frames(&mut self) {
        if self.app.canvas.is_none() && self.watch.renderer.is_none() {
            return; // nothing draws here
        }
        let deadline = Instant::now() + OLD_WAIT;
        while self.watch.frames.len() < OLD_FRAMES && self.watch.next(deadline).await.is_some() {}
    }

    /// The document's status and whether the app's canvas is in it.
    async fn loaded(&mut self) -> Result<Vec<Seen>, Stop> {
        let canvas = self
            .app
            .canvas
            .as_ref()
            .map_or("true".to_owned(), |css| format!("!!document.querySelector({})", Value::from(css.as_str())));
        let script =
            format!("JSON.stringify([performance.getEntriesByType('navigation')[0]?.responseStatus ?? 0, {canvas}])");
        let found = self.session.evaluate(&script, false, SHORT).await.map_err(Failed::from)?;
        let (status, canvas): (u16, bool) =
            serde_json::from_str(found.as_str().unwrap_or_default()).unwrap_or_default();
        Ok(vec![Seen::Document(status), Seen::Loaded(canvas)])
    }

    /// Stays on the page; only a lost browser ends it early.
    async fn stay(&mut self, stay: Duration) -> Result<(), Stop> {
        let deadline = Instant::now() + stay;
        while self.watch.next(deadline).await.is_some() {}
        match &self.watch.gone {
            Some(why) => Err(Stop::Gone(why.clone())),
            None => Ok(()),
        }
    }

    async fn screenshot(&mut self, step: &str) {
        if !self.opened {
            return;
        }
        self.shots += 1;
        let slug: String = step.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let turn = self.turn;
        let file = format!(
            "screenshots/{}-{}-{}-{}-{}-{:03}-{slug}.png",
            turn.kind.name(),
            turn.journey.name,
            turn.profile.name.replace('/', "-"),
            turn.number,
            turn.attempt,
            self.shots
        );
        let path = self.shared.settings.out.join(&file);
        // No frame need be read any more; the capture needs the page's thread.
        let disarm = format!("{}?.disarm()", probe::HANDLE);
        let (_, taken) =
            tokio::join!(self.session.evaluate(&disarm, false, SHORT), shot::take(self.session, &self.app.mask, &path));
        match taken {
            Ok(rest) => {
                self.watch.write("screenshot", Origin::Monitor, self.shared.log.now_ms(), json!({ "file": file }));
                self.pictures.spawn_blocking(rest);
            }
            Err(why) => tracing::warn!("no screenshot after {step}: {why}"),
        }
    }

    /// Waits for the pictures still being written.
    async fn finish_pictures(&mut self) -> Result<(), Stop> {
        while let Some(done) = self.pictures.join_next().await {
            done.map_err(|e| e.to_string())
                .flatten()
                .map_err(|why| Stop::Broken(format!("a screenshot could not be written: {why}")))?;
        }
        Ok(())
    }

    /// Memory of the browser's processes (PSS, shared pages counted once), and the page's heap where there is one.
    async fn memory(&self) {
        if self.driver.is_none() {
            return; // on another machine: there is no way to see it
        }
        if let Err(why) = self.session.release_memory(SHORT).await {
            tracing::warn!("memory is sampled with the browser's caches in it: {why}");
        }
        let own: BTreeSet<u32> = self.driver.into_iter().collect();
        let pids: Vec<u32> = self.leash.pids().into_iter().filter(|p| !own.contains(p)).collect();
        let pss = tokio::task::spawn_blocking(move || memory_pss(&pids)).await;
        let heap = self.session.evaluate("performance.memory?.usedJSHeapSize ?? null", false, SHORT).await;
        if let Ok(Ok(bytes)) = pss {
            let heap = heap.ok().and_then(|v| v.as_f64());
            let fields = json!({ "pss_bytes": bytes, "heap_bytes": heap, "switches": self.switches });
            self.watch.write("memory_sample", Origin::Monitor, self.shared.log.now_ms(), fields);
        }
    }

    /// The browser or its tab is gone: the app's crash, unless the driver went first or was taken from outside.
    async fn gone(&self, why: &str, driver: Option<&Driver>) -> Stop {
        if let Some(driver) = driver
            && let Ok(Life::Ended(how)) = self.leash.alive(driver.pid).await
        {
            return Stop::Broken(format!("the driver ended ({how}): {}", leash::tail(&driver.log, 3)));
        }
        let t = self.shared.log.now_ms();
        self.watch.write("browser_crash", Origin::Monitor, t, json!({ "reason": why }));
        Stop::Failed(format!("the browser or its tab crashed: {why}"))
    }
}
