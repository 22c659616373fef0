//! One source of one element, from when it was given to when it was taken away: what it showed, and what it did not.

use super::counter::Numbers;
use super::stall::Stall;
use super::stuck::State;
use super::unasked::{Unasked, Viewer};
use super::{ELSEWHERE_S, HINT_MS, MISSING_S, NO_PICTURE_S, Out, STALL_MS, Told, Wrong, position};
use crate::browser::probe::Video;
use crate::unit::hundredths;
use serde_json::{Value, json};

/// Figures of a source that count up from some number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    base: Option<f64>,
    now: f64,
}

impl Count {
    fn see(&mut self, n: Option<f64>) {
        if let Some(n) = n {
            // A counter that fell began anew.
            let base = self.base.get_or_insert(n);
            *base = base.min(n);
            self.now = n;
        }
    }

    pub(super) fn get(self) -> f64 {
        self.now - self.base.unwrap_or(self.now)
    }
}

/// One source of one element, from when it was given to when it was taken away.
#[derive(Default)]
pub(super) struct Showing {
    pub(super) url: String,
    /// When the source was given, or play was asked for.
    pub(super) since: f64,
    /// Since when the picture stood before it, where sources before it showed none.
    pub(super) waits: Option<f64>,
    /// The first frame.
    pub(super) first: Option<f64>,
    /// `playback_start` was told.
    pub(super) started: bool,
    /// The clock has begun to run.
    pub(super) moved: bool,
    /// The last message: when, the clock, its rate, and whether it should play.
    pub(super) last: f64,
    pub(super) clock: f64,
    pub(super) rate: f64,
    pub(super) due: bool,
    /// Until when it should not.
    pub(super) idle: f64,
    /// The longest duration it ever claimed: browsers shorten it to what came.
    pub(super) duration: f64,
    /// Where it was before its clock jumped.
    pub(super) jump: Option<(f64, f64)>,
    /// When the loop last began anew.
    pub(super) wrapped: Option<f64>,
    pub(super) loops: u32,
    /// Seconds that its clock jumped over.
    pub(super) skipped: f64,
    pub(super) ended: bool,
    /// When the clock was first seen running without a picture, and where.
    pub(super) blind: Option<(f64, f64)>,
    pub(super) blind_told: bool,
    pub(super) open: Option<Stall>,
    pub(super) seek: Option<(f64, f64)>,
    /// A seek said to have ended: when, when begun, where it wanted to be.
    pub(super) landing: Option<(f64, f64, f64)>,
    pub(super) waiting: Option<f64>,
    pub(super) stalled: Option<f64>,
    pub(super) error: Option<String>,
    /// Seconds of the media that went by while frames were due.
    pub(super) ran: f64,
    /// When the error came, and where; whether frames were due then.
    pub(super) failed: Option<(f64, f64)>,
    pub(super) failed_due: bool,
    pub(super) state: State,
    pub(super) own: Unasked,
    pub(super) watched: f64,
    pub(super) standing: f64,
    pub(super) start_ms: f64,
    pub(super) freeze_ms: f64,
    pub(super) busy_ms: f64,
    pub(super) longest: f64,
    pub(super) stalls: u32,
    pub(super) freezes: u32,
    pub(super) frames: Count,
    pub(super) dropped: Count,
    pub(super) repeated: Count,
    /// Frames that its decoder took of the media, shown or not.
    pub(super) decoded: Count,
    pub(super) looping: bool,
    pub(super) numbers: Numbers,
}

impl Showing {
    pub(super) fn new(t: f64, url: &str) -> Self {
        Self { url: url.to_owned(), since: t, last: t, rate: 1.0, ..Self::default() }
    }

    pub(super) fn tell(&self, out: &mut Out<'_>, event: &'static str, t: f64, fields: Value) {
        let url = Some(self.url.clone()).filter(|u| !u.is_empty());
        out.told.push(Told { event, t, url, fields });
    }

    pub(super) fn see(&mut self, t: f64, v: &Video, viewer: Viewer, out: &mut Out<'_>) {
        if let Some(src) = v.src.as_ref().filter(|s| !s.is_empty()) {
            self.url.clone_from(src);
        }
        let dt = (t - self.last).max(0.0);
        if self.due {
            self.watched += dt;
        }
        self.duration = v.dur.filter(|d| d.is_finite()).unwrap_or(0.0).max(self.duration);
        self.events(t, v);
        // Without metadata it is the clock of nothing.
        let clock = v.ct.filter(|_| v.rs != Some(0)).unwrap_or(self.clock);
        self.clock_moved(t, dt, clock, v, out);
        self.seeks(t, clock, v, out);
        if v.ev == "frame" {
            // One that was shown before the wish to play is no start.
            self.first = self.first.filter(|first| self.started || *first >= self.since).or(Some(t));
        }
        if self.first.is_some() {
            self.frames.see(v.frames);
            self.dropped.see(v.dropped);
            self.repeated.see(v.repeated);
            self.decoded.see(v.decoded);
        } else {
            self.blind(t, clock, v, out);
        }
        let rate = v.rate.unwrap_or(1.0);
        let sought = v.seeking && v.to.is_some();
        let none = self.first.is_none() || v.paused || v.ended || sought || rate == 0.0;
        let due = !none && v.gap.is_some();
        if due && !self.started && self.first.is_some_and(|first| first >= self.since) {
            self.started = true;
            let at = self.first.unwrap_or(t);
            let fields = json!({ "ms": hundredths((at - self.since).max(0.0)), "duration_s": self.known_duration() });
            self.tell(out, "playback_start", at, fields);
        }
        if self.due && clock > self.clock {
            let ran = (clock - self.clock).min(dt / 1000.0 * self.rate.abs() + 0.25);
            self.ran += ran;
            // Over a picture that stands no frames go by, whatever the clock does.
            self.numbers.ran += if self.open.is_none() && v.gap.is_some_and(|gap| gap < HINT_MS) { ran } else { 0.0 };
        }
        self.unasked(t, clock, v, viewer, out);
        self.gap(t, clock, v, due, out);
        if !due {
            self.idle = t;
            self.numbers.rest();
        }
        self.looping = v.looping;
        self.state.see(t, v);
        (self.last, self.clock, self.rate, self.due) = (t.max(self.last), clock, rate, due);
        if v.ended && !self.ended {
            self.tell_end(t, "ended", out);
        }
        self.ended = v.ended;
    }

    /// What the browser says, kept for the record.
    fn events(&mut self, t: f64, v: &Video) {
        match v.ev.as_str() {
            // With `autoplay` the wish to play came with the source.
            "play" if !self.started && !v.auto => {
                // One that was held back came by the page's own leave.
                let held = self.state.is_paused() && t - self.since >= STALL_MS;
                self.waits = self.waits.filter(|_| !held);
                self.since = t;
            }
            // What it was sent to was another source's.
            "loadstart" | "emptied" => self.seek = None,
            "waiting" => self.waiting = Some(t),
            "stalled" => self.stalled = Some(t),
            "error" => {
                let (code, words) = v.error.as_ref().map_or((0, ""), |e| (e.code, e.message.as_str()));
                self.error = Some(format!("MediaError {code} {words}").trim().to_owned());
                self.failed = self.failed.or(Some((t, v.ct.unwrap_or(self.clock))));
                self.failed_due |= self.due;
            }
            _ => {}
        }
    }

    /// Jumps, and the loop that begins anew: an end that came too soon shows in both.
    fn clock_moved(&mut self, t: f64, dt: f64, clock: f64, v: &Video, out: &mut Out<'_>) {
        if v.to.is_some() || self.seek.is_some() || self.first.is_none() || v.ct.is_none() {
            self.jump = None;
            return;
        }
        let ran = if self.due { dt / 1000.0 * self.rate } else { 0.0 };
        if v.ended && !self.ended {
            let short = self.missing(t, ran, 0.0);
            if short > MISSING_S {
                self.too_soon(t, short, "ended", out);
            }
        } else if clock > self.clock + ran + ELSEWHERE_S {
            self.jump = Some((self.last, self.clock));
            self.skipped += clock - self.clock - ran;
        } else if clock < self.clock - 0.25 && v.looping && !v.paused && !self.ended {
            let short = self.missing(t, ran, clock);
            self.wrapped = Some(t);
            self.loops += 1;
            if short > MISSING_S {
                self.too_soon(t, short, "began anew", out);
            }
            self.jump = None;
        }
    }

    /// Seconds of the film that nobody can have seen, if it has ended by now, or begun anew and come to `again`.
    fn missing(&self, t: f64, ran: f64, again: f64) -> f64 {
        const JUST: f64 = 1500.0;
        let (ran, from) = match self.jump {
            Some((at, from)) if t - at < JUST => ((t - at) / 1000.0 * self.rate, from),
            _ => (ran, self.clock),
        };
        self.duration - from + again - ran
    }

    fn too_soon(&mut self, t: f64, short: f64, how: &str, out: &mut Out<'_>) {
        let at = (self.duration - short).max(0.0);
        let words = format!(
            "premature end: the video {how} at {} of {}, the last {short:.1} s were never played ({})",
            position(at),
            position(self.duration),
            self.browser_told(0.0, t),
        );
        let fields = json!({
            "reason": if self.wrapped == Some(t) { "looped" } else { "ended" }, "premature": true,
            "position_s": hundredths(at), "duration_s": self.known_duration(), "missing_s": hundredths(short),
            "error": self.error,
        });
        self.tell(out, "playback_end", t, fields);
        out.wrongs.push(Wrong::new(words));
    }

    fn tell_end(&mut self, t: f64, reason: &str, out: &mut Out<'_>) {
        let told = out.told.iter().rev().find(|e| e.event == "playback_end");
        if told.is_some_and(|e| (e.t - t).abs() < 1.0) {
            return; // as premature
        }
        let fields = json!({
            "reason": reason, "premature": false, "position_s": hundredths(self.clock),
            "duration_s": self.known_duration(), "error": self.error,
        });
        self.tell(out, "playback_end", t, fields);
    }

    fn seeks(&mut self, t: f64, clock: f64, v: &Video, out: &mut Out<'_>) {
        if let Some(to) = v.to {
            // One that is led on to quite another place is a seek anew.
            let begun = self.seek.filter(|(_, before)| (to - before).abs() <= ELSEWHERE_S).map_or(t, |(at, _)| at);
            self.seek = Some((begun, to));
        }
        if v.ev == "seeked"
            && let Some((begun, to)) = self.seek.take()
        {
            let end = if self.duration > 0.0 { self.duration } else { f64::INFINITY };
            self.landing = Some((t, begun, to.clamp(0.0, end)));
        }
        let Some((landed, begun, want)) = self.landing else { return };
        // A browser that cannot get there may say so, and be elsewhere a moment later.
        let ran = (t - landed).max(0.0) / 1000.0 * self.rate;
        let off = if clock < want { want - clock } else { (clock - want - ran).max(0.0) };
        let wrong = off > ELSEWHERE_S && !(v.looping && self.duration > 0.0 && want + ran > self.duration);
        if wrong || t - landed > 300.0 {
            self.landing = None;
            self.tell_seek(landed, begun, want, Some(clock).filter(|_| wrong), v, out);
        }
    }

    fn tell_seek(&self, t: f64, begun: f64, want: f64, wrong: Option<f64>, v: &Video, out: &mut Out<'_>) {
        let ms = hundredths(t - begun);
        let fields = json!({
            "wanted_s": hundredths(want), "landed_s": hundredths(wrong.unwrap_or(want)), "ms": ms, "ok": wrong.is_none(),
            "ready_state": v.rs, "error": self.error,
        });
        self.tell(out, "playback_seek", t, fields);
        if let Some(clock) = wrong {
            let told = self.browser_told(begun, t);
            let words = format!(
                "the video was sent to {} and went to {} ({told}): without ranges a browser cannot seek",
                position(want),
                position(clock)
            );
            out.wrongs.push(Wrong::new(words));
        }
    }

    /// No frame ever came, though the clock runs.
    fn blind(&mut self, t: f64, clock: f64, v: &Video, out: &mut Out<'_>) {
        if v.paused || v.ended || v.seeking || clock <= 0.0 {
            self.blind = None;
            return;
        }
        let (_, from) = *self.blind.get_or_insert((t, clock));
        let ran = clock - from;
        let film = v.w.is_some_and(|w| w > 0.0) || is_film(&self.url);
        if !film || ran < NO_PICTURE_S || self.blind_told {
            return;
        }
        self.blind_told = true;
        let what = if v.audible { "sound without a picture" } else { "a running clock without a picture" };
        let words = format!(
            "the video gave {what} for {ran:.1} s: not one frame came (readyState {}; {})",
            v.rs.unwrap_or(0),
            self.browser_told(self.since, t)
        );
        let start = t - ran * 1000.0;
        let fields = json!({
            "start_ms": hundredths(start), "ms": hundredths(ran * 1000.0), "audible": v.audible, "ready_state": v.rs,
            "error": self.error,
        });
        self.tell(out, "playback_no_picture", start, fields);
        out.wrongs.push(Wrong::new(words));
    }

    /// Since when its picture stands, and where, if it broke off: by an error, by octets that do not come, or within a seek.
    pub(super) fn broke_off(&self) -> Option<(f64, f64)> {
        self.first?;
        let long = |since: &f64| self.last - since >= STALL_MS;
        let stuck = || self.stuck(false).map(|stuck| (stuck.since, stuck.position)).filter(|(since, _)| long(since));
        let stall = self.standing().and(self.open.as_ref()).map(|stall| (stall.start, stall.position));
        stall.or(self.failed.filter(|_| !self.ended)).or_else(stuck)
    }

    /// For how long its picture moved, milliseconds.
    pub(super) fn played_ms(&self) -> f64 {
        (self.watched - self.standing - self.start_ms).max(0.0)
    }

    fn known_duration(&self) -> Option<f64> {
        (self.duration > 0.0).then(|| hundredths(self.duration))
    }

    pub(super) fn close(&mut self, t: f64, why: &'static str, out: &mut Out<'_>) {
        if self.due {
            // What was not told any more is not known for long.
            self.watched += (t - self.last).clamp(0.0, 1500.0);
        }
        if let Some(stall) = &self.open {
            let end = t.min(stall.end + 1500.0);
            self.over(end, why, out);
        }
        if let Some((landed, begun, want)) = self.landing.take() {
            self.tell_seek(landed, begun, want, None, &Video::default(), out);
        }
        out.wrongs.extend(self.numbers.standing());
        if self.first.is_none() {
            return;
        }
        if !self.ended {
            self.tell_end(t, why, out);
        }
        let fields = json!({
            "start_up_ms": self.first.filter(|f| *f >= self.since).map(|f| hundredths(f - self.since)),
            "watched_ms": hundredths(self.watched),
            "playing_ms": hundredths(self.played_ms()),
            "stalled_ms": hundredths(self.standing),
            "start_stalled_ms": hundredths(self.start_ms),
            "frozen_ms": hundredths(self.freeze_ms),
            "busy_ms": hundredths(self.busy_ms),
            "stalls": self.stalls,
            "freezes": self.freezes,
            "longest_stall_ms": hundredths(self.longest),
            "frames": self.frames.get(),
            "dropped": self.dropped.get(),
            "repeated": self.repeated.get(),
            "loops": self.loops,
            "skipped_s": hundredths(self.skipped),
            "decoded": self.decoded.get(),
            "numbers_read": self.numbers.read,
            "numbers_skipped": self.numbers.skipped,
            "numbers_repeated": self.numbers.repeated,
            "error": self.error,
        });
        self.tell(out, "playback_summary", t, fields);
    }
}

/// A name that films have: such a thing has a picture, though the browser shows none.
fn is_film(url: &str) -> bool {
    const ENDINGS: [&str; 6] = [".mp4", ".m4v", ".webm", ".mkv", ".mov", ".ogv"];
    let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    ENDINGS.iter().any(|e| path.ends_with(e))
}
