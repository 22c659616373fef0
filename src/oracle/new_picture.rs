//! Did a preset switch put a new picture on the screen?
//!
//! Different pixels are not a new picture: the old preset moves too. The set of programs drawn must have changed since
//! the switch, or a video not drawn before must have reached a texture (two video presets share their programs); where
//! an app caches its programs and says that it shows another preset, the picture must *cut*: leave the envelope of the
//! frames before, by a step between neighbouring frames far larger than the old picture ever took.

use super::{Before, Declared, Held, Oracle, Outcome, Picture, Seen};
use crate::browser::probe::Frame;
use crate::unit::show_ms;
use serde_json::json;
use std::collections::BTreeSet;

/// Frames that must follow the first new one, so that failures of the same switch can still be held against it.
const SETTLE_FRAMES: usize = 3;
/// And the time they must span, milliseconds.
const SETTLE_MS: f64 = 80.0;
/// One that may stand still may be drawn once, and then is looked at for so long, milliseconds.
const SETTLE_STATIC_MS: f64 = 300.0;
/// A moving picture changes some cell by at least this (of 255).
const MOVES: u8 = 2;
/// A cut is at least this large (of 255), and this many times the old picture's largest step.
const CUT: u8 = 16;
const CUT_TIMES: u8 = 3;
/// Margin around the envelope, of 255.
const MARGIN: u8 = 6;

pub(super) struct NewPicture {
    before: Before,
    t0: Option<f64>,
    /// Everything read since the step began, in order.
    frames: Vec<(f64, Frame)>,
    /// What the app says it shows now, once it was asked.
    preset: Option<(Option<String>, Declared)>,
    held: Held,
    /// Programs linked since the step began.
    linked: usize,
    /// When a video that was not drawn before reached a texture.
    bound: Option<f64>,
}

/// How far the evidence goes.
enum Found<'a> {
    /// This frame is the first of the new picture.
    Shown(f64, &'a Frame),
    /// Something new is drawn, but not what was declared.
    Other(String),
    /// Nothing new.
    Nothing,
}

impl NewPicture {
    pub(super) fn new(before: Before) -> Self {
        Self { before, t0: None, frames: Vec::new(), preset: None, held: Held::default(), linked: 0, bound: None }
    }

    pub(super) fn t0(&self) -> f64 {
        self.t0.unwrap_or(self.before.t)
    }

    fn declared(&self) -> Declared {
        self.preset.as_ref().map(|(_, d)| d.clone()).unwrap_or_default()
    }

    /// Frames after t0; what was read before it belongs to the old picture.
    fn after(&self) -> &[(f64, Frame)] {
        let t0 = self.t0();
        &self.frames[self.frames.partition_point(|(t, _)| *t < t0)..]
    }

    fn old(&self) -> Vec<&Frame> {
        let t0 = self.t0();
        let old = self.before.frames.iter().chain(&self.frames).filter(|(t, _)| *t < t0).map(|(_, f)| f);
        let mut old: Vec<&Frame> = old.collect();
        old.drain(..old.len().saturating_sub(30));
        old
    }

    fn find(&self) -> Found<'_> {
        let declared = self.declared();
        let old = self.old();
        let known: BTreeSet<&str> = old.iter().flat_map(|f| f.programs.iter().map(String::as_str)).collect();
        let step = old.windows(2).filter(|w| w[0].n + 1 == w[1].n).map(|w| w[0].distance(w[1])).max().unwrap_or(0);
        // A picture that follows the sound flashes by itself: a cut counts only with the app's word for another preset.
        let renamed = self.preset.as_ref().is_some_and(|(now, _)| now.is_some() && *now != self.before.preset);
        // Nor is going dark a cut to another preset, unless that is what the preset declares.
        let dark = |f: &Frame| f.is_black() && declared.picture != Some(Picture::Black);
        let mut previous = old.last().copied();
        let mut other = None;
        for (t, frame) in self.after() {
            let changed = old.is_empty()
                || self.bound.is_some_and(|bound| *t >= bound)
                || frame.programs.iter().any(|p| !known.contains(p.as_str()))
                || renamed
                    && !dark(frame)
                    && previous.is_some_and(|p| p.n + 1 == frame.n && cuts(p, frame, step, &old));
            // Once cut, the picture stays cut: only the step into it is abrupt.
            let changed = changed || other.is_some();
            if changed {
                match self.belongs(frame, &declared) {
                    Ok(()) => return Found::Shown(*t, frame),
                    Err(why) => other = Some(why),
                }
            }
            previous = Some(frame);
        }
        other.map_or(Found::Nothing, Found::Other)
    }

    /// Whether a frame is what its preset declares.
    fn belongs(&self, frame: &Frame, declared: &Declared) -> Result<(), String> {
        if frame.is_black() && !matches!(declared.picture, Some(Picture::Black | Picture::Sound)) {
            return Err(match frame.nan.as_slice() {
                [] => "black".to_owned(),
                nan => {
                    let nan = nan.join(", ");
                    format!("black, poisoned by NaN in the uniform {nan} (a preset set speed to undefined?)")
                }
            });
        }
        let missing = declared.programs.iter().any(|p| !frame.programs.contains(p));
        if missing {
            let (wants, draws) = (declared.programs.join(" "), frame.programs.join(" "));
            return Err(format!("the wrong preset: it is drawn by {wants}, the screen by {draws}"));
        }
        match declared.picture {
            Some(Picture::Black) if !frame.is_dark() => Err("a picture, where black is declared".to_owned()),
            Some(Picture::Video) if frame.vtex <= self.before.frames.last().map_or(0, |(_, f)| f.vtex) => {
                Err("not drawn from a video's frames".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn moved(&self, since: f64, first: &Frame) -> bool {
        self.after().iter().any(|(t, f)| *t > since && f.distance(first) >= MOVES)
    }

    fn judge(&self, now: f64) -> Option<Outcome> {
        if let Some(why) = &self.held.fatal {
            return Some(self.failed(why.clone()));
        }
        if self.before.names_presets && self.preset.is_none() || self.t0.is_none() {
            return None;
        }
        let Found::Shown(t, first) = self.find() else { return None };
        let (last, _) = self.frames.last()?;
        let later = self.after().iter().filter(|(at, _)| *at > t).count();
        let must_move = matches!(self.declared().picture, Some(Picture::Moving | Picture::Video));
        let settled = match self.declared().picture {
            Some(Picture::Static) => now - t >= SETTLE_STATIC_MS,
            _ => later >= SETTLE_FRAMES && last - t >= SETTLE_MS && (!must_move || self.moved(t, first)),
        };
        settled.then(|| self.shown(t, first))
    }

    fn shown(&self, t: f64, first: &Frame) -> Outcome {
        let ms = (t - self.t0()).max(0.0);
        let picture = self.declared().picture.map(Picture::name);
        let fields = json!({ "ms": round(ms), "programs": first.programs, "picture": picture, "mean_luma": round(first.mean()) });
        Outcome {
            ms: Some(ms),
            events: vec![
                ("hydra_preset_eval_start", self.t0(), json!({})),
                ("first_visualizer_frame", t, fields),
                ("hydra_preset_eval_success", t, json!({ "ms": round(ms) })),
            ],
            ..Outcome::default()
        }
    }

    fn failed(&self, why: String) -> Outcome {
        Outcome {
            failed: Some(why.clone()),
            events: vec![
                ("hydra_preset_eval_start", self.t0(), json!({})),
                (
                    "hydra_preset_eval_error",
                    self.frames.last().map_or(self.t0(), |(t, _)| *t),
                    json!({ "reason": why }),
                ),
            ],
            ..Outcome::default()
        }
    }

    fn why_not(&self, t: f64) -> String {
        let waited = show_ms(t - self.t0());
        match self.find() {
            Found::Other(why) => format!("the picture is {why}"),
            Found::Shown(..) => match self.after().last() {
                Some((at, _)) if t - at > 1500.0 => {
                    format!("the new picture froze: nothing was drawn for the last {}", show_ms(t - at))
                }
                _ => format!("the new picture never moved in {waited}, where {} is declared", self.kind()),
            },
            Found::Nothing if self.after().is_empty() => {
                format!("nothing was drawn to the screen for {waited}: the render loop stands still")
            }
            Found::Nothing => {
                let linked = match self.linked {
                    0 => "no program was linked".to_owned(),
                    n => format!("{n} programs were linked but never drawn"),
                };
                let same = match &self.preset {
                    Some((now, _)) if *now == self.before.preset => match now {
                        Some(id) => format!(", the app still says `{id}`"),
                        None => String::new(),
                    },
                    Some((Some(id), _)) => format!(", though the app says `{id}`"),
                    _ => String::new(),
                };
                let hint = match self.before.names_presets {
                    false if self.linked == 0 => " (an app that never links anew must say its preset: [read] preset)",
                    _ => "",
                };
                let went_black =
                    self.frames.last().is_some_and(|(_, f)| f.is_black()) && !self.old().iter().all(|f| f.is_black());
                let what = if went_black { "the picture went black" } else { "the old picture stayed" };
                format!("{what} for {waited}: {linked} since the switch{same}{hint}")
            }
        }
    }

    fn kind(&self) -> &'static str {
        self.declared().picture.map_or("a picture", Picture::name)
    }
}

/// Whether `frame` is a cut from `previous`, seen against the old picture's largest step and envelope.
fn cuts(previous: &Frame, frame: &Frame, step: u8, old: &[&Frame]) -> bool {
    if frame.distance(previous) < CUT.max(step.saturating_mul(CUT_TIMES)) {
        return false;
    }
    let outside = frame.luma.iter().enumerate().filter(|(i, v)| {
        let cells = old.iter().filter_map(|f| f.luma.get(*i));
        let (low, high) = cells.fold((u8::MAX, u8::MIN), |(l, h), c| (l.min(*c), h.max(*c)));
        **v < low.saturating_sub(MARGIN) || **v > high.saturating_add(MARGIN)
    });
    outside.count() * 4 >= frame.luma.len()
}

/// Tenths are what the page's clock gives.
pub(super) fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

impl Oracle for NewPicture {
    fn see(&mut self, t: f64, seen: &Seen) -> Option<Outcome> {
        match seen {
            Seen::Input => self.t0 = self.t0.or(Some(t)),
            Seen::Acted => self.t0 = self.t0.or(Some(self.before.t)),
            Seen::Frame(frame) => self.frames.push((t, frame.clone())),
            Seen::Preset(id, declared) => self.preset = Some((id.clone(), declared.clone())),
            Seen::Gl(gl) if gl.ev == "program" => self.linked += 1,
            Seen::Texture(Ok(())) => self.bound = self.bound.or(Some(t)),
            other => self.held.see(other),
        }
        self.judge(t)
    }

    fn ticks(&self) -> bool {
        true
    }

    fn give_up(&mut self, t: f64) -> Outcome {
        if self.before.in_worker && self.frames.is_empty() && self.before.frames.is_empty() {
            let why = "the canvas is drawn by a worker, where no picture can be read";
            return Outcome::nothing_to_judge("picture_unseen", t, why);
        }
        let why = self.why_not(t);
        Outcome { late: true, ..self.failed(self.held.explain(why)) }
    }
}
