//! Did it play on? Every video of a play is watched from its first frame on: frames that come, the media's clock, and the
//! clock on the wall. What the browser says of it (`waiting`, `stalled`, `error`, `ended`, `readyState`) decides nothing;
//! whether it said anything is recorded.
//!
//! Figures in the terms of CTA-2066: *start-up time* (from the wish to play to the first frame), *rebuffering* (frames and
//! clock stand though it should play; here [`Kind::Rebuffering`]), *watched time* (playing and stalled, pauses and seeks
//! left out), *playing time* (watched less stalled), *dropped frames*.

use crate::browser::probe::Video;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Without a new frame for this long, a video that should play stands still, milliseconds.
pub const STALL_MS: f64 = 250.0;
/// A stall longer than this is what P1.19 counts, and fails a play on a network that works.
pub const LONG_STALL_MS: f64 = 3000.0;
/// From this long on something is kept in mind: the browser may tell its end late.
const HINT_MS: f64 = 200.0;
/// A loop starts anew in less than this, milliseconds.
const WRAP_MS: f64 = 1000.0;
/// The clock may be wrong by so much without being elsewhere, seconds.
const ELSEWHERE_S: f64 = 1.0;
/// So much of a film may be missing at its end, seconds: clocks are told once a second.
const MISSING_S: f64 = 1.0;
/// A clock that runs for so long without any picture, seconds.
const NO_PICTURE_S: f64 = 3.0;
/// How long after bytes stopped coming a browser's `stalled` belongs to the stall it led to.
const STALLED_BEFORE_MS: f64 = 15_000.0;

/// How a picture stood still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// After the first frame, before the clock had begun to run: part of the start-up.
    Start,
    /// Picture and clock stood: the player waited for data.
    Rebuffering,
    /// The picture stood while the clock ran on.
    Freeze,
}

impl Kind {
    /// As events write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Rebuffering => "rebuffering",
            Self::Freeze => "freeze",
        }
    }
}

/// Something to write: name, when on the run's clock, of which URL, fields.
#[derive(Clone, Debug)]
pub struct Told {
    /// The event's name.
    pub event: &'static str,
    /// When.
    pub t: f64,
    /// The media.
    pub url: Option<String>,
    /// Its fields.
    pub fields: Value,
}

/// What must not be, with the time it took, if it is one of those that may be short.
#[derive(Clone, Debug)]
struct Wrong {
    ms: f64,
    words: String,
}

/// Watches every video of a play.
#[derive(Default)]
pub struct Playback {
    showings: BTreeMap<u64, Showing>,
    told: Vec<Told>,
    wrongs: Vec<Wrong>,
}

impl Playback {
    /// Takes what the probe told of a media element at `t` on the run's clock.
    pub fn see(&mut self, t: f64, video: &Video) {
        if video.audio {
            return;
        }
        let source = video.src.as_deref().unwrap_or_default();
        match video.ev.as_str() {
            "src" => self.close(video.id, t, "replaced"),
            // It comes late after a new source, and at once after one was taken away.
            "emptied" if self.showings.get(&video.id).is_some_and(|s| s.first.is_some()) => {
                return self.close(video.id, t, "replaced");
            }
            "loadstart" if self.showings.get(&video.id).is_some_and(|s| s.first.is_some()) => {
                self.close(video.id, t, "replaced");
            }
            _ => {}
        }
        if source.is_empty() {
            return;
        }
        let mut out = Out { told: &mut self.told, wrongs: &mut self.wrongs };
        let showing = self.showings.entry(video.id).or_insert_with(|| Showing::new(t, source));
        showing.see(t, video, &mut out);
    }

    /// The page was left: its videos are no more.
    pub fn left(&mut self, t: f64) {
        self.close_all(t, "page left");
    }

    /// The play is over.
    pub fn end(&mut self, t: f64) {
        self.close_all(t, "end of the play");
    }

    fn close_all(&mut self, t: f64, why: &'static str) {
        let ids: Vec<u64> = self.showings.keys().copied().collect();
        for id in ids {
            self.close(id, t, why);
        }
    }

    fn close(&mut self, id: u64, t: f64, why: &'static str) {
        if let Some(mut showing) = self.showings.remove(&id) {
            showing.close(t, why, &mut Out { told: &mut self.told, wrongs: &mut self.wrongs });
        }
    }

    /// What is to be written since the last time it was asked.
    pub fn told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    /// For how long a video stands still by now, milliseconds; the longest.
    pub fn standing(&self) -> Option<f64> {
        self.showings.values().filter_map(Showing::standing).reduce(f64::max)
    }

    /// What was wrong since the last time it was asked, in words for 2 a.m.; stalls only if longer than `allowed`
    /// milliseconds.
    pub fn verdict(&mut self, allowed: f64) -> Option<String> {
        let closed = std::mem::take(&mut self.wrongs).into_iter().find(|w| w.ms > allowed).map(|w| w.words);
        closed.or_else(|| {
            self.showings.values().find(|s| s.standing().is_some_and(|ms| ms > allowed)).and_then(Showing::open_words)
        })
    }
}

struct Out<'a> {
    told: &'a mut Vec<Told>,
    wrongs: &'a mut Vec<Wrong>,
}

/// A stall under way.
#[derive(Clone, Debug)]
struct Stall {
    start: f64,
    /// Up to when it is known to last.
    end: f64,
    /// The frame that stands, seconds of the media.
    position: f64,
    /// By how much the clock ran on, milliseconds.
    clock_ms: f64,
    /// Buffered ahead of the clock when it began, seconds.
    ahead: f64,
    ready: u8,
    network: u8,
    audible: bool,
    late: f64,
}

/// Figures of a source that count up from some number.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
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

    fn get(self) -> f64 {
        self.now - self.base.unwrap_or(self.now)
    }
}

/// One source of one element, from when it was given to when it was taken away.
#[derive(Default)]
struct Showing {
    url: String,
    /// When the source was given, or play was asked for.
    since: f64,
    /// The first frame.
    first: Option<f64>,
    /// `playback_start` was told.
    started: bool,
    /// The clock has begun to run.
    moved: bool,
    /// The last message: when, the clock, its rate, and whether it should play.
    last: f64,
    clock: f64,
    rate: f64,
    due: bool,
    /// Until when it should not.
    idle: f64,
    /// The longest duration it ever claimed: browsers shorten it to what came.
    duration: f64,
    /// Where it was before its clock jumped.
    jump: Option<(f64, f64)>,
    /// When the loop last began anew.
    wrapped: Option<f64>,
    loops: u32,
    /// Seconds that its clock jumped over.
    skipped: f64,
    ended: bool,
    /// When the clock was first seen running without a picture, and where.
    blind: Option<(f64, f64)>,
    blind_told: bool,
    open: Option<Stall>,
    seek: Option<(f64, f64)>,
    /// A seek said to have ended: when, when begun, where it wanted to be.
    landing: Option<(f64, f64, f64)>,
    waiting: Option<f64>,
    stalled: Option<f64>,
    error: Option<String>,
    watched: f64,
    standing: f64,
    start_ms: f64,
    freeze_ms: f64,
    busy_ms: f64,
    longest: f64,
    stalls: u32,
    freezes: u32,
    frames: Count,
    dropped: Count,
    repeated: Count,
}

impl Showing {
    fn new(t: f64, url: &str) -> Self {
        Self { url: url.to_owned(), since: t, last: t, rate: 1.0, ..Self::default() }
    }

    fn tell(&self, out: &mut Out<'_>, event: &'static str, t: f64, fields: Value) {
        let url = Some(self.url.clone()).filter(|u| !u.is_empty());
        out.told.push(Told { event, t, url, fields });
    }

    fn see(&mut self, t: f64, v: &Video, out: &mut Out<'_>) {
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
            self.first = self.first.or(Some(t));
        }
        if self.first.is_some() {
            self.frames.see(v.frames);
            self.dropped.see(v.dropped);
            self.repeated.see(v.repeated);
        } else {
            self.blind(t, clock, v, out);
        }
        let rate = v.rate.unwrap_or(1.0);
        let sought = v.seeking && v.to.is_some();
        let none = self.first.is_none() || v.paused || v.ended || sought || rate == 0.0;
        let due = !none && v.gap.is_some();
        if due && !self.started {
            self.started = true;
            let ms = (self.first.unwrap_or(t) - self.since).max(0.0);
            let fields = json!({ "ms": round(ms), "duration_s": self.known_duration() });
            self.tell(out, "playback_start", self.first.unwrap_or(t), fields);
        }
        self.gap(t, clock, v, due, out);
        if !due {
            self.idle = t;
        }
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
            "play" if self.first.is_none() && !v.auto => self.since = t,
            "waiting" => self.waiting = Some(t),
            "stalled" => self.stalled = Some(t),
            "error" => {
                let (code, words) = v.error.as_ref().map_or((0, ""), |e| (e.code, e.message.as_str()));
                self.error = Some(format!("MediaError {code} {words}").trim().to_owned());
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
            "position_s": round(at), "duration_s": self.known_duration(), "missing_s": round(short),
            "error": self.error,
        });
        self.tell(out, "playback_end", t, fields);
        out.wrongs.push(Wrong { ms: f64::INFINITY, words });
    }

    fn tell_end(&mut self, t: f64, reason: &str, out: &mut Out<'_>) {
        let told = out.told.iter().rev().find(|e| e.event == "playback_end");
        if told.is_some_and(|e| (e.t - t).abs() < 1.0) {
            return; // as premature
        }
        let fields = json!({
            "reason": reason, "premature": false, "position_s": round(self.clock),
            "duration_s": self.known_duration(), "error": self.error,
        });
        self.tell(out, "playback_end", t, fields);
    }

    fn seeks(&mut self, t: f64, clock: f64, v: &Video, out: &mut Out<'_>) {
        if let Some(to) = v.to {
            let begun = self.seek.map_or(t, |(at, _)| at);
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
        let ms = round(t - begun);
        let fields = json!({
            "wanted_s": round(want), "landed_s": round(wrong.unwrap_or(want)), "ms": ms, "ok": wrong.is_none(),
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
            out.wrongs.push(Wrong { ms: f64::INFINITY, words });
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
            "start_ms": round(start), "ms": round(ran * 1000.0), "audible": v.audible, "ready_state": v.rs,
            "error": self.error,
        });
        self.tell(out, "playback_no_picture", start, fields);
        out.wrongs.push(Wrong { ms: f64::INFINITY, words });
    }

    /// Frames that do not come.
    fn gap(&mut self, t: f64, clock: f64, v: &Video, due: bool, out: &mut Out<'_>) {
        let (gap, late) = match v.gap.filter(|_| due) {
            Some(gap) => {
                let gap = gap.min(t - self.idle).max(0.0);
                (gap, v.late.unwrap_or(0.0).clamp(0.0, gap))
            }
            None => return self.over(t, v.ev.as_str(), out),
        };
        if v.ev == "resume" && gap >= STALL_MS && gap - late < STALL_MS {
            self.busy_ms += gap;
            let fields = json!({ "start_ms": round(t - gap), "ms": round(gap), "late_ms": round(late) });
            self.tell(out, "playback_busy", t - gap, fields);
            self.open = None;
        }
        if self.open.as_ref().is_some_and(|s| t - gap > s.start + HINT_MS) {
            // Frames came meanwhile; their first was not told.
            let end = self.open.as_ref().map_or(t, |s| s.end.max(t - gap));
            self.over(end, "resume", out);
        }
        if gap - late >= HINT_MS {
            self.stands(t, gap, late, clock, v);
        }
        if v.ev == "resume" {
            self.over(t, "resume", out);
            self.moved = true;
        } else if gap < HINT_MS && self.first.is_some_and(|f| t - f > gap + 100.0) {
            self.moved = true;
        }
    }

    fn stands(&mut self, t: f64, gap: f64, late: f64, clock: f64, v: &Video) {
        let shown = v.mt.unwrap_or(clock);
        let mut ran = clock - shown;
        if ran < -0.25 && v.looping {
            ran += self.duration;
        }
        let stall = self.open.get_or_insert_with(|| Stall {
            start: t - gap,
            end: t,
            position: shown,
            clock_ms: 0.0,
            ahead: v.buf.map_or(0.0, |end| (end - clock).max(0.0)),
            ready: 0,
            network: 0,
            audible: false,
            late: 0.0,
        });
        (stall.end, stall.late) = (t, late);
        stall.clock_ms = stall.clock_ms.max(ran * 1000.0);
        // How it was while it stood, not what made it go on.
        if v.ev != "resume" {
            (stall.ready, stall.network) = (v.rs.unwrap_or(0), v.ns.unwrap_or(0));
            stall.audible = v.audible;
        }
    }

    fn kind(&self, stall: &Stall) -> Kind {
        let half = (stall.end - stall.start) / 2.0 * self.rate.abs();
        if stall.clock_ms > STALL_MS && stall.clock_ms > half {
            Kind::Freeze
        } else if self.moved {
            Kind::Rebuffering
        } else {
            Kind::Start
        }
    }

    /// A stall is over at `t`, if there is one: a frame came, or none should any more.
    fn over(&mut self, t: f64, by: &str, out: &mut Out<'_>) {
        let Some(mut stall) = self.open.take() else { return };
        stall.end = t.max(stall.start);
        let ms = stall.end - stall.start;
        let looped = self.wrapped.is_some_and(|at| at >= stall.start - HINT_MS) && ms < WRAP_MS;
        if ms - stall.late < STALL_MS || looped {
            return;
        }
        let kind = self.kind(&stall);
        match kind {
            Kind::Start => self.start_ms += ms,
            Kind::Rebuffering | Kind::Freeze => {
                self.stalls += 1;
                self.standing += ms;
                self.longest = self.longest.max(ms);
            }
        }
        if kind == Kind::Freeze {
            self.freezes += 1;
            self.freeze_ms += ms;
        }
        let open = by != "resume";
        let fields = json!({
            "start_ms": round(stall.start), "end_ms": round(stall.end), "ms": round(ms), "kind": kind.name(),
            "position_s": round(stall.position), "clock_ms": round(stall.clock_ms), "buffered_ahead_s": round(stall.ahead),
            "ready_state": stall.ready, "network_state": stall.network, "audible": stall.audible,
            "waiting": self.said_waiting(stall.start, stall.end), "stalled": self.said_stalled(stall.start, stall.end),
            "error": self.error, "late_ms": round(stall.late), "recovered": !open, "ended_by": by,
        });
        self.tell(out, "playback_stall", stall.start, fields);
        let words = self.words(&stall, !open);
        out.wrongs.push(Wrong { ms, words });
    }

    fn standing(&self) -> Option<f64> {
        let stall = self.open.as_ref()?;
        let ms = stall.end - stall.start;
        (ms - stall.late >= STALL_MS).then_some(ms)
    }

    fn open_words(&self) -> Option<String> {
        self.open.as_ref().map(|stall| self.words(stall, false))
    }

    fn words(&self, stall: &Stall, recovered: bool) -> String {
        let ms = stall.end - stall.start;
        let what = match self.kind(stall) {
            Kind::Start => "the video showed its first frame and stood still",
            Kind::Rebuffering => "the video stood still",
            Kind::Freeze if stall.audible => "the picture stood still while clock and sound ran on",
            Kind::Freeze => "the picture stood still while the clock ran on",
        };
        let never = match (recovered, &self.error) {
            (true, _) => "",
            (false, Some(_)) => " and did not go on",
            (false, None) => " and did not go on, silent: no error",
        };
        format!(
            "{what} for {:.1} s at {}{never} (readyState {}, {:.1} s buffered; {})",
            ms / 1000.0,
            position(stall.position),
            stall.ready,
            stall.ahead,
            self.browser_told(stall.start, stall.end)
        )
    }

    fn said_waiting(&self, start: f64, end: f64) -> bool {
        self.waiting.is_some_and(|at| at >= start - 1000.0 && at <= end)
    }

    fn said_stalled(&self, start: f64, end: f64) -> bool {
        self.stalled.is_some_and(|at| at >= start - STALLED_BEFORE_MS && at <= end)
    }

    fn browser_told(&self, start: f64, end: f64) -> String {
        let said = [
            self.said_waiting(start, end).then(|| "waiting".to_owned()),
            self.said_stalled(start, end).then(|| "stalled".to_owned()),
            self.error.clone(),
        ];
        let said: Vec<String> = said.into_iter().flatten().collect();
        format!("the browser told {}", if said.is_empty() { "nothing".to_owned() } else { said.join(", ") })
    }

    fn known_duration(&self) -> Option<f64> {
        (self.duration > 0.0).then(|| round(self.duration))
    }

    fn close(&mut self, t: f64, why: &'static str, out: &mut Out<'_>) {
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
        if self.first.is_none() {
            return;
        }
        if !self.ended {
            self.tell_end(t, why, out);
        }
        let fields = json!({
            "start_up_ms": self.first.map(|f| round((f - self.since).max(0.0))),
            "watched_ms": round(self.watched),
            "playing_ms": round((self.watched - self.standing - self.start_ms).max(0.0)),
            "stalled_ms": round(self.standing),
            "start_stalled_ms": round(self.start_ms),
            "frozen_ms": round(self.freeze_ms),
            "busy_ms": round(self.busy_ms),
            "stalls": self.stalls,
            "freezes": self.freezes,
            "longest_stall_ms": round(self.longest),
            "frames": self.frames.get(),
            "dropped": self.dropped.get(),
            "repeated": self.repeated.get(),
            "loops": self.loops,
            "skipped_s": round(self.skipped),
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

/// `00:06.3`.
fn position(seconds: f64) -> String {
    let tenths = (seconds.max(0.0) * 10.0).round();
    format!("{:02}:{:04.1}", (tenths / 600.0).floor(), (tenths % 600.0) / 10.0)
}

fn round(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests;
