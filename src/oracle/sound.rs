//! Does the picture follow the sound?
//!
//! The microphone hears a known, irregular on-and-off; the page's own level is read beside every frame. The picture
//! follows if its brightness, contrast or motion goes with that level, at some lag within half a second.

use super::new_picture::{NewPicture, round};
use super::{Before, Oracle, Outcome, Seen};
use crate::browser::probe::Frame;
use serde_json::json;

/// Least correlation (Pearson) that counts as following. By the playbooks: of 1000 pictures that follow with noise all
/// pass, of 1200 that move by themselves 2 do.
const FOLLOWS: f64 = 0.75;
/// Half of the time may correlate by so much less.
const HALF: f64 = 0.15;
/// Watch for at least this long, milliseconds.
const WATCH_MS: f64 = 3000.0;
/// Times the sound must have switched on or off meanwhile.
const SWITCHES: usize = 5;
/// Time between two looks, milliseconds: every look is one more chance for an unrelated picture.
const LOOK_MS: f64 = 500.0;
/// A level (RMS, full scale 1) below this is silence.
const SILENCE: f64 = 0.003;
/// Longest lag, in samples (12 a second).
const LAGS: usize = 6;

/// What may go with the sound.
const FEATURES: [&str; 3] = ["brightness", "contrast", "motion"];

/// A frame as it matters here.
struct Heard {
    t: f64,
    level: f64,
    features: [f64; 3],
}

pub(super) struct FollowsSound {
    picture: NewPicture,
    shown: Option<Outcome>,
    heard: Vec<Heard>,
    last: Option<Frame>,
    looked: f64,
    context: Option<String>,
    refused: Option<String>,
    microphone: bool,
}

impl FollowsSound {
    pub(super) fn new(before: Before) -> Self {
        Self {
            picture: NewPicture::new(before),
            shown: None,
            heard: Vec::new(),
            last: None,
            looked: f64::NEG_INFINITY,
            context: None,
            refused: None,
            microphone: false,
        }
    }

    fn samples(&self) -> &[Heard] {
        let t0 = self.picture.t0();
        &self.heard[self.heard.partition_point(|h| h.t < t0)..]
    }

    fn switches(&self) -> usize {
        let levels = self.samples().iter().map(|h| h.level);
        let top = levels.clone().fold(0.0, f64::max);
        let on: Vec<bool> = levels.map(|l| l > top / 2.0 && l > SILENCE).collect();
        on.windows(2).filter(|w| w[0] != w[1]).count()
    }

    /// The best correlation of any feature of the picture with the level, at any lag, and the feature's name.
    fn best(&self) -> (f64, &'static str) {
        let samples = self.samples();
        let levels: Vec<f64> = samples.iter().map(|h| h.level).collect();
        let all = FEATURES.iter().enumerate().flat_map(|(f, name)| {
            let values: Vec<f64> = samples.iter().map(|h| h.features[f]).collect();
            let levels = &levels;
            (0..LAGS.min(levels.len())).map(move |lag| (follows(&levels[..levels.len() - lag], &values[lag..]), *name))
        });
        all.fold((0.0, FEATURES[0]), |a, b| if b.0 > a.0 { b } else { a })
    }
}

/// How well the values go with the levels, either way round: over all the time and, since a picture that moves by itself
/// may fall in step for a while, in each half of it, where a little less is enough.
fn follows(levels: &[f64], values: &[f64]) -> f64 {
    let half = levels.len() / 2;
    let whole = correlation(levels, values);
    let (early, late) = (correlation(&levels[..half], &values[..half]), correlation(&levels[half..], &values[half..]));
    let sign = whole.signum();
    whole.abs().min((early * sign).min(late * sign) + HALF).max(0.0)
}

fn spread(frame: &Frame, mean: f64) -> f64 {
    let squares = frame.luma.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>();
    (squares / frame.luma.len().max(1) as f64).sqrt()
}

/// Pearson's correlation; 0 where one side does not vary.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len()) as f64;
    if n < 3.0 {
        return 0.0;
    }
    let (ma, mb) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let cov: f64 = a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)).sum();
    let va: f64 = a.iter().map(|x| (x - ma).powi(2)).sum();
    let vb: f64 = b.iter().map(|y| (y - mb).powi(2)).sum();
    if va < 1e-12 || vb < 1e-6 { 0.0 } else { cov / (va * vb).sqrt() }
}

impl Oracle for FollowsSound {
    fn see(&mut self, t: f64, seen: &Seen) -> Option<Outcome> {
        match seen {
            Seen::Audio(audio) => match audio.ev.as_str() {
                "context" | "state" => self.context.clone_from(&audio.state),
                "gum" if audio.ok == Some(false) => {
                    self.refused = Some(audio.error.clone().unwrap_or_else(|| "refused".to_owned()));
                }
                "gum" => self.microphone = true,
                _ => {}
            },
            Seen::Frame(frame) => {
                if let Some(level) = frame.lvl {
                    let mean = frame.mean();
                    let motion = self.last.as_ref().map_or(0.0, |last| f64::from(frame.distance(last)));
                    self.heard.push(Heard { t, level, features: [mean, spread(frame, mean), motion] });
                    self.last = Some(frame.clone());
                }
            }
            _ => {}
        }
        // Fed to the end: what fails while it listens is held against the picture too.
        match self.picture.see(t, seen) {
            Some(failed) if failed.failed.is_some() => return Some(failed),
            Some(shown) => {
                self.shown.get_or_insert(shown);
            }
            None => {}
        }
        self.shown.as_ref()?;
        let first = self.samples().first()?.t;
        if t - first < WATCH_MS || t - self.looked < LOOK_MS || self.switches() < SWITCHES {
            return None;
        }
        self.looked = t;
        let (best, feature) = self.best();
        let shown = self.shown.as_ref().filter(|_| best >= FOLLOWS)?;
        let mut outcome = shown.clone();
        outcome.events.push((
            "sound_followed",
            t,
            json!({ "correlation": round(best * 100.0) / 100.0, "feature": feature }),
        ));
        Some(outcome)
    }

    fn give_up(&mut self, t: f64) -> Outcome {
        if self.shown.is_none() {
            let mut outcome = self.picture.give_up(t);
            if let (Some(why), Some(refused)) = (&mut outcome.failed, &self.refused) {
                why.push_str(&format!("; the microphone was refused: {refused}"));
            }
            return outcome;
        }
        let heard = self.samples().iter().map(|h| h.level).fold(0.0, f64::max);
        let why = if let Some(refused) = &self.refused {
            format!("the microphone was refused: {refused}")
        } else if self.context.as_deref().is_some_and(|s| s != "running") {
            format!("the AudioContext is {}: no sound reaches the page", self.context.as_deref().unwrap_or("gone"))
        } else if !self.microphone && self.samples().is_empty() {
            "the page never asked for the microphone".to_owned()
        } else if self.samples().is_empty() {
            "the page has the microphone but connects nothing to it".to_owned()
        } else if heard < SILENCE {
            "the device is silent: the page hears nothing".to_owned()
        } else {
            let (best, feature) = self.best();
            format!("the picture does not follow the sound: best correlation {best:.2} ({feature}), {FOLLOWS} needed")
        };
        let t0 = self.picture.t0();
        let events =
            vec![("hydra_preset_eval_start", t0, json!({})), ("hydra_preset_eval_error", t, json!({ "reason": why }))];
        Outcome { failed: Some(why), late: self.refused.is_none(), ms: None, events }
    }
}
