//! What a page does to a video that nobody asked for, while its viewer only looks on: it pauses it, sends it to its end, or
//! plays it at another speed.

use super::showing::Showing;
use super::{MISSING_S, Out, Wrong, position};
use crate::browser::probe::Video;
use crate::measure::LONG_STALL_MS;

/// After a trusted input a page does what it was asked to, for so long.
const ASKED_MS: f64 = 1000.0;
/// A speed off by more is no catching up with a live edge any more.
const SPEED: (f64, f64) = (0.8, 1.25);
/// A seek leads to an end within so long.
const SEEK_TO_END_MS: f64 = 2000.0;

/// What the viewer does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Viewer {
    /// Since when nothing but looking on is done; `None`: a step is done.
    pub since: Option<f64>,
    /// The last trusted input.
    pub input: Option<f64>,
}

impl Viewer {
    fn asked(self, t: f64) -> bool {
        self.since.is_none_or(|since| t < since) || self.pressed(t)
    }

    /// A trusted input came just before `t`.
    pub(super) fn pressed(self, t: f64) -> bool {
        self.input.is_some_and(|input| t - input < ASKED_MS)
    }
}

/// What a page did unasked to one source.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unasked {
    /// When it was paused, and where.
    paused: Option<(f64, f64)>,
    /// When a seek began, and from where.
    sought: Option<(f64, f64)>,
    /// Since when it has another speed.
    off_speed: Option<f64>,
    speed_told: bool,
}

impl Showing {
    /// Only a video that the document shows: what is drawn to a canvas may well be put aside with its preset.
    pub(super) fn unasked(&mut self, t: f64, clock: f64, v: &Video, viewer: Viewer, out: &mut Out<'_>) {
        if !v.attached || self.error.is_some() {
            self.own = Unasked::default();
            return;
        }
        match (v.ev.as_str(), v.to) {
            ("pause", None) if !v.ended && self.started && !viewer.asked(t) => self.own.paused = Some((t, clock)),
            _ if !v.paused => {
                let paused = self.own.paused.take();
                out.wrongs.extend(paused.and_then(|(from, at)| paused_wrong(from, at, t)));
            }
            _ => {}
        }
        if let (Some(_), None, false) = (v.to, self.own.sought, viewer.asked(t)) {
            self.own.sought = Some((t, self.clock));
        }
        if let Some((at, from)) = self.own.sought {
            let short = self.duration - from - (t - at).max(0.0) / 1000.0;
            if v.ended && !self.ended && t - at < SEEK_TO_END_MS && short > MISSING_S {
                let (from, end) = (position(from), position(self.duration));
                let words = format!(
                    "the page itself sent the video from {from} to its end at {end}: {short:.1} s were never played"
                );
                out.wrongs.push(Wrong::of_page(words));
            }
            if t - at >= SEEK_TO_END_MS {
                self.own.sought = None;
            }
        }
        let rate = v.rate.unwrap_or(1.0);
        if v.paused || v.ended || viewer.asked(t) || (SPEED.0..=SPEED.1).contains(&rate) {
            self.own.off_speed = None;
        } else if t - *self.own.off_speed.get_or_insert(t) > LONG_STALL_MS && !self.own.speed_told {
            self.own.speed_told = true;
            let words = format!("the video plays at {rate} times its speed, which nobody asked for");
            out.wrongs.push(Wrong::of_page(words));
        }
    }

    /// It is paused, and nobody asked for it.
    pub(super) fn is_paused(&self, t: f64) -> Option<Wrong> {
        let (from, at) = self.own.paused?;
        paused_wrong(from, at, t)
    }
}

fn paused_wrong(from: f64, at: f64, t: f64) -> Option<Wrong> {
    let ms = t - from;
    let words =
        || format!("the page paused the video at {} for {:.1} s, which nobody asked for", position(at), ms / 1000.0);
    (ms > LONG_STALL_MS).then(|| Wrong::of_page(words()))
}
