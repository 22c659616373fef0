//! The steps of a play: each done, waited for, pictured and told.

use super::super::shot;
use super::present::{Present, Wait, not_done};
use super::{OnStage, SHORT, Stop};
use crate::browser::leash::memory_pss;
use crate::browser::probe;
use crate::event::{Origin, url_hash};
use crate::journey::{ACTIONS, Step};
use crate::oracle::screen::{self, Screen};
use crate::oracle::{Declared, EXPECTATIONS, Outcome, Picture, Seen};
use crate::step::{Failed, Hand};
use crate::table::find;
use crate::unit::{hundredths, ms};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Memory is sampled every so many switches: a sample costs 50 ms of CPU.
const MEMORY_EVERY: u32 = 10;
/// How often it is looked whether a video still plays, while nothing is told.
const LOOK: Duration = Duration::from_millis(250);
/// What explains a failure may come after it: the page and the probe tell over ways of their own.
const ON_ITS_WAY: Duration = Duration::from_millis(200);
/// A page that draws does so within this time, on a machine as slow as they are.
const DRAWS: Duration = Duration::from_secs(2);
/// A step done more often than this has a picture of every tenth time only, and of a failure.
const PICTURE_ALL: u32 = 20;

impl<'a> OnStage<'a> {
    pub(super) async fn steps(&mut self) -> Result<(), Stop> {
        self.watch.map_clock(self.session).await;
        for step in &self.turn.journey.steps {
            for n in 1..=step.times {
                self.step(step, n).await?;
            }
        }
        self.plays_on().await?;
        if !self.switches.is_multiple_of(MEMORY_EVERY) || self.switches == 0 {
            self.memory().await;
        }
        Ok(())
    }

    async fn step(&mut self, step: &'a Step, n: u32) -> Result<(), Stop> {
        let name = step.name(n);
        let expectation = step.expect.and_then(|name| find(EXPECTATIONS, name));
        self.watch.step(&name, expectation.is_some_and(|e| e.must_fail));
        self.shared.progress.step_starts(&name);
        let start = self.shared.log.now_ms();
        self.present = Some(Present { step, start, expectation, wait: Wait::NotYet, told: None });
        self.watch.playback.leads(self.app.seeks.get(&step.word).copied());
        self.watch.write("step_start", Origin::Monitor, start, json!({ "expect": step.expect }));

        let first_page = !self.opened;
        let done = match expectation {
            Some(expectation) => self.expect(step, expectation).await,
            None => self.just_act(step).await.map(|()| Outcome::default()),
        };
        let mut outcome = match done {
            Ok(outcome) => outcome,
            // What the app did not let the viewer do is a failed step; the rest ends the play otherwise.
            Err(Stop::Failed(why)) => not_done(expectation, start, self.shared.log.now_ms(), why),
            Err(stop) => {
                let why = match &stop {
                    Stop::Gone(why) | Stop::Broken(why) | Stop::Failed(why) => why,
                };
                let video = self.media(step);
                self.end_step(step, video, None, Some(why), start);
                return Err(stop);
            }
        };
        self.waits(Wait::Over);
        if let Some(why) = outcome.undecided() {
            self.undecided.get_or_insert_with(|| format!("{name}: {why}"));
        }
        let mut busy = self.shared.host.busy(start, self.shared.log.now_ms());
        // What was waited for while others held the machine is no sample, neither quick nor slow nor missing.
        let no_sample = busy.as_ref().filter(|_| outcome.failed.is_none() || outcome.late);
        self.came(&outcome, no_sample);
        match (outcome.ms, no_sample) {
            (Some(ms), Some(busy)) if self.slow.as_ref().is_none_or(|(slow, _)| ms > *slow) => {
                self.slow = Some((ms, busy.clone()));
            }
            (Some(ms), None) => self.slowest = Some(self.slowest.map_or(ms, |slowest| slowest.max(ms))),
            _ => {}
        }
        let shown = outcome.events.iter().find(|(name, ..)| name.ends_with("_visualizer_frame"));
        if let Some((_, t, _)) = shown {
            self.watch.picture_changed(*t);
        }
        if outcome.failed.is_none()
            && let Some(stay) = step.stay
            && let Some(wrong) = self.stay(stay, step.expect).await?
        {
            (outcome.failed, outcome.late) = (Some(wrong.words), wrong.missed.is_some());
            busy = wrong.missed.and_then(|(from, to)| self.shared.host.busy(from, to));
        }
        if outcome.failed.is_none() {
            self.led().await;
        }
        let mut own = false;
        if outcome.failed.is_none()
            && let Some(wrong) = self.playback()
        {
            own = wrong.own;
            (outcome.failed, outcome.late) = (Some(wrong.words), wrong.stood.is_some());
            busy = wrong.stood.and_then(|(from, ms)| self.shared.host.busy(from, from + ms));
        }
        self.late = busy.filter(|_| outcome.failed.is_some() && outcome.late);
        if outcome.failed.is_some() {
            tokio::time::sleep(ON_ITS_WAY).await;
        }
        self.watch.catch_up();
        outcome.failed = outcome.failed.map(|why| self.watch.with_dialogs(why));
        let video = self.media(step).filter(|_| outcome.failed.is_some() && !own);
        self.end_step(step, video, outcome.ms, outcome.failed.as_deref(), start);
        // A long series is pictured now and then: a hundred captures would be a good part of the memory it is to measure.
        let long = step.times > PICTURE_ALL;
        if outcome.failed.is_some() || !long || n.is_multiple_of(MEMORY_EVERY) {
            self.screenshot(&name, outcome.failed.is_none()).await;
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

    /// The journey's budget of this length is over: the step that goes on is the one that failed. Says why.
    pub(super) fn cut_short(&mut self, budget: Duration) -> String {
        let now = self.shared.log.now_ms();
        let over = format!("it was still going on when the journey's budget of {budget:?} was over");
        let Some(mut present) = self.present.take() else {
            self.late = self.shared.host.busy(self.armed, now);
            return self.watch.with_dialogs(over);
        };
        match present.told.take() {
            // It had failed before, and only its picture was not taken yet.
            Some(Err(why)) => return why,
            // What comes after a step is no step of its own.
            Some(Ok(())) => {
                self.late = self.shared.host.busy(present.start, now);
                return self.watch.with_dialogs(over);
            }
            None => {}
        }
        // What is lost did not come late, and is no sample of what was waited for.
        let outcome = match self.watch.gone {
            Some(_) => Outcome::default(),
            None => present.given_up(now, &over),
        };
        self.late = self.shared.host.busy(present.start, now).filter(|_| outcome.late);
        let no_sample = self.late.clone();
        self.came(&outcome, no_sample.as_ref());
        let why = match outcome.failed {
            Some(why) if why != over => format!("{over}: {why}"),
            _ => over,
        };
        let why = self.watch.with_dialogs(why);
        let video = self.media(present.step);
        self.end_step(present.step, video, None, Some(&why), present.start);
        why
    }

    /// How far the present step's expectation has come.
    pub(super) fn waits(&mut self, wait: Wait) {
        if let Some(present) = &mut self.present {
            present.wait = wait;
        }
    }

    /// Tells what came of an expectation; on a machine that others keep busy it is no sample.
    fn came(&mut self, outcome: &Outcome, no_sample: Option<&Value>) {
        for (event, t, fields) in &outcome.events {
            let mut fields = fields.clone();
            if let Some(busy) = no_sample {
                fields["busy_host"] = busy.clone();
            }
            self.event(event, *t, fields);
        }
    }

    fn event(&mut self, event: &str, t: f64, fields: Value) {
        if let Some(url) = fields.get("url").and_then(Value::as_str) {
            self.watch.ids.media_url_hash = Some(url_hash(url));
        }
        match event {
            // Its class is known when all its requests are: at the play's end.
            "video_init_error" => self.held = Some((t, self.watch.ids.clone(), fields)),
            _ => drop(self.watch.write(event, Origin::Monitor, t, fields)),
        }
    }

    /// Well, unless there is a `reason`; with the video that this was about.
    fn end_step(&mut self, step: &Step, video: Option<Value>, took: Option<f64>, reason: Option<&str>, start: f64) {
        let now = self.shared.log.now_ms();
        let slow = took.zip(step.within).is_some_and(|(took, within)| took > ms(within));
        let mut fields = json!({
            "expect": step.expect,
            "ok": reason.is_none(),
            "ms": took.map(hundredths),
            "slow": slow,
            "reason": reason,
            "step_ms": hundredths(now - start),
        });
        if let Some(video) = video {
            fields["video"] = video;
        }
        self.watch.write("step_end", Origin::Monitor, now, fields);
        if let Some(present) = &mut self.present {
            present.told = Some(reason.map_or(Ok(()), |why| Err(why.to_owned())));
        }
    }

    /// The element that a failed step was about, as it is now: what its class is found from. A picture that fails beside
    /// a video that plays is none of the video's.
    fn media(&self, step: &Step) -> Option<Value> {
        let element = self.watch.media.element();
        match step.expect {
            Some("first video frame") => Some(json!(element.cloned().unwrap_or_default())),
            _ => element.filter(|e| !e.decoded || e.code.is_some() || e.undrawable.is_some()).map(|e| json!(e)),
        }
    }

    /// Does a word's actions, one after the other.
    pub(super) async fn act(&mut self, step: &Step) -> Result<(), Stop> {
        let actions = self.app.words.get(&step.word).map(Vec::as_slice).unwrap_or_default();
        let deadline = Instant::now() + step.give_up.map_or(ACTIONS, |most| most.min(ACTIONS));
        self.leaves = None;
        for (n, action) in actions.iter().enumerate() {
            if let Some(why) = &self.watch.gone {
                return Err(Stop::Gone(why.clone()));
            }
            if self.opened && n + 1 == actions.len() && action.is_trusted() && step.expect == Some("the page") {
                self.leaves = self.loaded(deadline).await?;
            }
            let hand = Hand {
                session: self.session,
                base: &self.shared.base,
                limit: deadline.saturating_duration_since(Instant::now()),
            };
            action.run(&hand).await?;
            if action.verb == "open" {
                self.arrived(deadline).await?;
            }
        }
        Ok(())
    }

    /// Does a word of which nothing is expected; it may lead to another room, or to another viewer.
    async fn just_act(&mut self, step: &Step) -> Result<(), Stop> {
        self.act(step).await?;
        if self.opened {
            self.read_ids().await;
        }
        Ok(())
    }

    /// A page came: its ids, and on the first one what the browser can do, which a busy page says late.
    async fn arrived(&mut self, by: Instant) -> Result<(), Stop> {
        self.watch.catch_up();
        if !self.opened {
            self.opened = true;
            self.environment(by.saturating_duration_since(Instant::now())).await?;
        }
        self.read_ids().await;
        Ok(())
    }

    async fn environment(&mut self, limit: Duration) -> Result<(), Stop> {
        let facts = self.session.facts();
        let script = format!("{}?.facts({})", probe::HANDLE, self.watch.renderer.is_none());
        let page = self.session.evaluate(&script, false, limit).await.map_err(Failed::from)?;
        // Firefox says that a navigation went well that was a download: the tab is where it was, without the probe.
        let Some(page) = page.as_str() else {
            return Err(Stop::Failed("no page came: the address leads to a download, or nowhere".to_owned()));
        };
        let page: Value = serde_json::from_str(page).unwrap_or_default();
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

    /// Stays on the page and looks on: what is wrong with the visualizer's picture meanwhile. A lost browser ends it early, and
    /// so does a video that fails.
    async fn stay(&mut self, stay: Duration, expect: Option<&'static str>) -> Result<Option<screen::Wrong>, Stop> {
        let deadline = Instant::now() + stay;
        let video = expect == Some("first video frame");
        let before = self.watch.frames.back().map(|(_, frame)| frame.clone());
        let declared = |stage: &Self| {
            let declared = stage.declared();
            Declared { picture: declared.picture.or(video.then_some(Picture::Video)), ..declared }
        };
        let mut screen = Screen::new(self.shared.log.now_ms(), before);
        screen.declare(self.shared.log.now_ms(), declared(self));
        let mut shown = Some(self.watch.ids.preset_id.clone());
        self.watch.playback.looks_on(Some(self.shared.log.now_ms()));
        // What is wrong with a video ends it: waiting longer would show no more.
        while Instant::now() < deadline && self.watch.gone.is_none() && !self.is_wrong() {
            let Some((t, seen)) = self.watch.next(deadline.min(Instant::now() + LOOK)).await else { continue };
            let preset = self.watch.ids.preset_id.clone();
            if shown.as_ref() != Some(&preset) {
                screen.declare(t, declared(self));
                shown = Some(preset);
            }
            screen.see(t, &seen);
        }
        self.goes_on().await?;
        self.watch.playback.looks_on(None);
        // Where no canvas is the app's, what draws is none of our business; nor is the picture behind a fault of our making.
        let judged = self.app.canvas.is_some() && self.turn.profile.rules.is_empty();
        if judged && screen.silent(self.shared.log.now_ms()).is_some() {
            self.draws(&mut screen).await;
        }
        Ok(screen.wrong(self.shared.log.now_ms()).filter(|_| judged))
    }

    /// Whether a page of which nothing was read for long still draws.
    async fn draws(&mut self, screen: &mut Screen) {
        // What a worker draws is not read.
        if self.watch.in_worker || screen.is_blank() && !self.shows_canvas().await {
            return screen.put_away();
        }
        self.watch.catch_up();
        let arm = format!("{}?.arm('s', {{ before: 1 }})", probe::HANDLE);
        if self.session.evaluate(&arm, false, SHORT).await.is_err() {
            return; // it does not even answer
        }
        let deadline = Instant::now() + DRAWS;
        while let Some((t, seen)) = self.watch.next(deadline).await {
            screen.see(t, &seen);
            if matches!(seen, Seen::Frame(_)) {
                return;
            }
        }
    }

    /// Takes a picture of the page; after what went well it is looked whether the video's own is on it.
    async fn screenshot(&mut self, step: &str, well: bool) {
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
        let video = if well { self.on_screen().await } else { None };
        // No frame need be read any more; the capture needs the page's thread.
        let disarm = format!("{}?.disarm()", probe::HANDLE);
        let (_, taken) =
            tokio::join!(self.session.evaluate(&disarm, false, SHORT), shot::take(self.session, &self.app.mask));
        match taken {
            Ok(shot) => {
                self.watch.write("screenshot", Origin::Monitor, self.shared.log.now_ms(), json!({ "file": file }));
                if let Some(video) = video {
                    self.read_screen(&shot, video).await;
                }
                self.pictures.spawn_blocking(move || shot.write(&path));
            }
            Err(why) => tracing::warn!("no screenshot after {step}: {why}"),
        }
    }

    /// Waits for the pictures still being written.
    pub(super) async fn finish_pictures(&mut self) -> Result<(), Stop> {
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
}
