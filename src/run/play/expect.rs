//! Waiting for what a step expects: what the browser tells goes to the step's oracle until it has an answer.

use super::super::ids::readers;
use super::super::net::outages;
use super::present::{Kept, Wait};
use super::{OnStage, SHORT, Stop};
use crate::browser::action::ActionError;
use crate::browser::probe::{self, Frame};
use crate::journey::Step;
use crate::oracle::{Before, Declared, Expectation, Oracle, Outcome, Player, Seen};
use crate::step::Failed;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// A trusted action whose input the page's probe has not seen after this long had no page to see it (a frame).
const INPUT: Duration = Duration::from_millis(500);
/// A page whose frames have not told its ids for this long is asked for them.
const ASK: Duration = Duration::from_millis(500);
/// How often the app's player is looked at, where that is asked for.
const LOOK: Duration = Duration::from_millis(250);
/// How often a page is asked whether it has loaded.
const LOAD: Duration = Duration::from_millis(100);
/// Frames of the old picture that must be known before a switch, and how long they are waited for.
const OLD_FRAMES: usize = 3;
const OLD_WAIT: Duration = Duration::from_millis(400);

impl OnStage<'_> {
    /// Reads the app's ids from the page; what cannot be read is null.
    pub(super) async fn read_ids(&mut self) {
        let script = format!("JSON.stringify({})", readers(&self.app.read));
        let Ok(found) = self.session.evaluate(&script, false, SHORT).await else { return };
        self.watch.say(serde_json::from_str(found.as_str().unwrap_or_default()).unwrap_or_default());
    }

    pub(super) fn declared(&self) -> Declared {
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
    pub(super) async fn expect(&mut self, step: &Step, expectation: &'static Expectation) -> Result<Outcome, Stop> {
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
        let plain = self.opened && !opens && !self.has_canvas().await;
        let before = Before {
            t,
            frames: self.watch.frames.iter().cloned().collect(),
            preset: self.watch.ids.preset_id.clone(),
            names_presets: self.app.read.preset.is_some(),
            has_canvas: self.app.canvas.is_some(),
            in_worker: self.watch.in_worker,
            plain,
            reconnect: self.app.reconnect.clone(),
            outages: outages(self.turn.profile, self.armed, t),
            socket: self.app.traffic.socket.clone(),
        };
        self.watch.forget();
        let mut oracle = Kept::new((expectation.oracle)(before));
        self.waits(Wait::On(oracle.clone()));
        let give_up = Instant::now() + step.give_up.unwrap_or(expectation.give_up);
        self.act(step).await?;
        let mut acted = (!trusted).then_some(Instant::now());
        if acted.is_some() {
            oracle.see(self.shared.log.now_ms(), &Seen::Acted);
        }
        let mut load = (opens || oracle.loads()).then(Instant::now);
        self.watch.catch_up();
        let input_by = Instant::now() + INPUT;
        // The page's ids come with its frames. A page that draws nothing is asked, now and again.
        let mut ask = Instant::now() + ASK;
        let mut said = None;
        let mut look = oracle.looks().then(Instant::now);
        loop {
            if load.is_some_and(|load| Instant::now() >= load) {
                load = Some(Instant::now() + LOAD);
                // A click may lead to another document, or have the canvas made in this one.
                let leaves = self.leaves.as_ref();
                let is_next =
                    |page: &Loaded| leaves.is_none_or(|left| page.origin != left.origin || page.canvas && !left.canvas);
                if let Some(page) = self.loaded(give_up).await?.filter(is_next) {
                    load = load.filter(|_| oracle.loads() && !page.canvas);
                    for seen in [Seen::Document(page.status), Seen::Loaded(page.canvas)] {
                        if let Some(outcome) = oracle.see(self.shared.log.now_ms(), &seen) {
                            return Ok(outcome);
                        }
                    }
                }
            }
            if look.is_some_and(|look| Instant::now() >= look) {
                look = Some(Instant::now() + LOOK);
                if let Some((t, player)) = self.player().await
                    && let Some(outcome) = oracle.see(t, &Seen::Player(player))
                {
                    return Ok(outcome);
                }
            }
            if Instant::now() >= ask {
                ask = Instant::now() + ASK;
                self.read_ids().await;
                let user = Seen::User(self.watch.ids.user_id.clone());
                let outcome = self.tell_preset(&mut said, &mut oracle);
                let outcome = outcome.or_else(|| oracle.see(self.shared.log.now_ms(), &user));
                if let Some(outcome) = outcome {
                    return Ok(outcome);
                }
            }
            if acted.is_none() && Instant::now() >= input_by {
                acted = Some(Instant::now());
                oracle.see(self.shared.log.now_ms(), &Seen::Acted);
            }
            let next = if acted.is_none() { ask.min(input_by) } else { ask };
            let next = [look, load].into_iter().flatten().fold(next, Instant::min);
            if let Some((t, seen)) = self.watch.next(next.min(give_up)).await {
                if let Seen::Frame(Frame { ids: Some(_), .. }) = &seen {
                    ask = Instant::now() + ASK;
                    if let Some(outcome) = self.tell_preset(&mut said, &mut oracle) {
                        return Ok(outcome);
                    }
                }
                if let Some(outcome) = oracle.see(t, &seen) {
                    return Ok(outcome);
                }
            } else if oracle.ticks()
                && let Some(outcome) = oracle.see(self.shared.log.now_ms(), &Seen::Tick)
            {
                return Ok(outcome);
            }
            if let Some(why) = &self.watch.gone {
                return Err(Stop::Gone(why.clone()));
            }
            if Instant::now() >= give_up {
                return Ok(oracle.give_up(self.shared.log.now_ms()));
            }
        }
    }

    /// Looks at the app's player: what its status shows, and the largest video in the document.
    async fn player(&self) -> Option<(f64, Player)> {
        let status = self.app.reconnect.as_ref().map_or("", |reconnect| reconnect.status.as_str());
        let script = format!(
            "(() => {{ const box = (e) => {{ const r = e.getBoundingClientRect(); return r.width * r.height; }};\
             const status = {css} ? document.querySelector({css}) : null;\
             const seen = status && box(status) > 0 && getComputedStyle(status).visibility === 'visible';\
             const [video] = [...document.querySelectorAll('video')].sort((a, b) => box(b) - box(a));\
             return JSON.stringify([performance.now(), seen ? status.innerText.trim() : null,\
             video ? video.currentTime : null, video ? video.getVideoPlaybackQuality().totalVideoFrames : null]); }})()",
            css = Value::from(status)
        );
        let found = self.session.evaluate(&script, false, SHORT).await.ok()?;
        let (t, text, place, frames) = serde_json::from_str::<(f64, _, _, _)>(found.as_str()?).ok()?;
        Some((self.watch.page_ms(t), Player { text, place, frames }))
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

    /// A script: whether the app's canvas is in the document; without one in the app file nothing is missing.
    fn canvas(&self) -> String {
        let css = self.app.canvas.as_ref();
        css.map_or("true".to_owned(), |css| format!("!!document.querySelector({})", Value::from(css.as_str())))
    }

    /// Whether the app's canvas is in the document; a page that does not answer is taken for one that has it.
    async fn has_canvas(&self) -> bool {
        let found = self.session.evaluate(&self.canvas(), false, SHORT).await;
        !found.is_ok_and(|has| has.as_bool() == Some(false))
    }

    /// Whether the app's canvas is in the document, and not hidden; a page that does not answer has not put it away.
    pub(super) async fn shows_canvas(&self) -> bool {
        let css = self.app.canvas.as_ref().map(|css| Value::from(css.as_str())).unwrap_or_default();
        let script = format!(
            "(() => {{ const canvas = document.querySelector({css}); return !!canvas && (canvas.checkVisibility?.({{ visibilityProperty: true, opacityProperty: true }}) ?? true); }})()"
        );
        let found = self.session.evaluate(&script, false, SHORT).await;
        !found.is_ok_and(|shows| shows.as_bool() == Some(false))
    }

    /// What the document says of itself; `None`: it is busy, or is being left.
    pub(super) async fn loaded(&self, by: Instant) -> Result<Option<Loaded>, Stop> {
        let canvas = self.canvas();
        let status = "performance.getEntriesByType('navigation')[0]?.responseStatus ?? 0";
        let script =
            format!("JSON.stringify({{ status: {status}, canvas: {canvas}, origin: performance.timeOrigin }})");
        match self.session.evaluate(&script, false, SHORT.min(by.saturating_duration_since(Instant::now()))).await {
            Ok(found) => Ok(serde_json::from_str(found.as_str().unwrap_or_default()).ok()),
            Err(ActionError::Left | ActionError::Timeout(_)) => Ok(None),
            Err(e) => Err(Failed::from(e).into()),
        }
    }
}

/// A document.
#[derive(Deserialize)]
pub(super) struct Loaded {
    /// Its answer's status; 0 where the browser does not say.
    status: u16,
    /// The app's canvas is in it.
    canvas: bool,
    /// `performance.timeOrigin`: no other document has it.
    origin: f64,
}
