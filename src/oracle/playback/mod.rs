//! Did it play on? Every video of a play is watched from its first frame on: frames that come, the media's clock, and the
//! clock on the wall. What the browser says of it (`waiting`, `stalled`, `error`, `ended`, `readyState`) decides nothing;
//! whether it said anything is recorded.
//!
//! Figures in the terms of CTA-2066: *start-up time* (from the wish to play to the first frame), *rebuffering* (frames and
//! clock stand though it should play; here [`Kind::Rebuffering`]), *watched time* (playing and stalled, pauses and seeks
//! left out), *playing time* (watched less stalled), *dropped frames*.

pub mod counter;
mod interrupted;
mod led;
mod showing;
mod stall;
mod stuck;
mod unasked;

use crate::browser::probe::Video;
use crate::measure::{LONG_STALL_MS, STUTTERS};
use crate::unit::ms;
pub use counter::Counter;
use counter::{Of, Reading};
use interrupted::Interrupted;
use serde_json::Value;
use showing::Showing;
use std::collections::BTreeMap;
use std::time::Duration;
use unasked::Viewer;

/// Without a new frame for this long, a video that should play stands still, milliseconds.
pub const STALL_MS: f64 = 250.0;
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
/// What stands for half of the time does not play, whatever a profile of faults allows.
const HALF: f64 = 0.5;
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

/// How long a video may stand still.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allowed {
    /// At once, milliseconds.
    pub at_once: f64,
    /// In pieces: the share of the time watched that they may take together.
    pub in_pieces: f64,
}

impl Allowed {
    /// On a network that works (P1.19).
    pub const USUAL: Self = Self { at_once: LONG_STALL_MS, in_pieces: STUTTERS };

    /// Under faults, by what their profile says of one stall: where that is no longer than usual, nothing is.
    pub fn under_faults(recovers: Duration) -> Self {
        let at_once = ms(recovers);
        Self { at_once, in_pieces: if at_once > LONG_STALL_MS { HALF } else { STUTTERS } }
    }
}

/// What must not be.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// In words for 2 a.m.
    pub words: String,
    /// When it began, on the run's clock, and for how long it lasted, milliseconds, if it is one of those that may be short:
    /// frames that did not come.
    pub stood: Option<(f64, f64)>,
    /// The share of the time watched that many short ones took together.
    pub share: Option<f64>,
    /// The page itself did it: no failure of the video's, and so without a class.
    pub own: bool,
}

impl Wrong {
    fn new(words: String) -> Self {
        Self { words, stood: None, share: None, own: false }
    }

    fn of_page(words: String) -> Self {
        Self { own: true, ..Self::new(words) }
    }

    /// It is none of the short ones that are allowed.
    fn is_beyond(&self, allowed: Allowed) -> bool {
        self.stood.is_none_or(|(_, stood)| stood > allowed.at_once)
            && self.share.is_none_or(|share| share > allowed.in_pieces)
    }
}

/// Watches every video of a play.
#[derive(Default)]
pub struct Playback {
    showings: BTreeMap<u64, Showing>,
    interrupted: BTreeMap<u64, Interrupted>,
    /// Since when the picture stands before an element whose source was replaced before it showed a frame.
    waits: BTreeMap<u64, f64>,
    /// A video of this page had begun to show, and was taken away.
    begun: bool,
    viewer: Viewer,
    /// How far the viewer's word leads, seconds, until it did; back where that is negative.
    lead: Option<f64>,
    counter: Counter,
    told: Vec<Told>,
    wrongs: Vec<Wrong>,
}

impl Playback {
    /// Watches videos, those of a clip with a counter in its picture by that too.
    pub fn of(counter: Option<Counter>) -> Self {
        Self { counter: counter.unwrap_or_default(), ..Self::default() }
    }

    /// Takes what the probe told of a media element at `t` on the run's clock.
    pub fn see(&mut self, t: f64, video: &Video) {
        if video.audio {
            return;
        }
        let source = video.src.as_deref().unwrap_or_default();
        match video.ev.as_str() {
            "src" => self.close(video.id, t, REPLACED),
            // They come late after a new source, and at once after one was taken away.
            "abort" | "emptied" if self.showings.get(&video.id).is_some_and(|s| s.first.is_some()) => {
                return self.close(video.id, t, REPLACED);
            }
            "loadstart" if self.showings.get(&video.id).is_some_and(|s| s.first.is_some()) => {
                self.close(video.id, t, REPLACED);
            }
            _ => {}
        }
        if source.is_empty() {
            return;
        }
        let mut out = Out { told: &mut self.told, wrongs: &mut self.wrongs };
        let waits = &mut self.waits;
        let begins = || Showing { waits: waits.remove(&video.id), ..Showing::new(t, source) };
        let showing = self.showings.entry(video.id).or_insert_with(begins);
        if let Some(to) = video.to.filter(|_| showing.first.is_some())
            && let Some(on) = self.lead.take()
        {
            let (told, wrong) = showing.led(t, on, to);
            out.told.push(told);
            out.wrongs.extend(wrong);
        }
        showing.see(t, video, self.viewer, &mut out);
        showing.counts(t, self.counter.fps_of(&showing.url), &mut out);
        let over = self.interrupted.iter().find_map(|(id, i)| Some((*id, i.end(self.goes_on(*id, i)?)?)));
        if let Some((id, end)) = over
            && let Some(interrupted) = self.interrupted.remove(&id)
        {
            self.interruption(&interrupted, end, "resume");
        }
    }

    /// What a page may go on with: the element's next source, or another element, where this one has none any more.
    fn goes_on(&self, id: u64, interrupted: &Interrupted) -> Option<&Showing> {
        let others = || self.showings.values().filter(|other| interrupted.precedes(other));
        self.showings.get(&id).or_else(|| others().max_by(|one, other| one.ran.total_cmp(&other.ran)))
    }

    /// Takes the number of a picture that was read at `t`: whether it fits the clock of the video that it is of.
    pub fn read(&mut self, t: f64, reading: &Reading) -> bool {
        let mut out = Out { told: &mut self.told, wrongs: &mut self.wrongs };
        let showing = match &reading.of {
            Of::Drawn(id) => self.showings.get_mut(id),
            Of::Screen(url) => self.showings.values_mut().find(|showing| showing.url == *url),
        };
        let Some(showing) = showing else { return true };
        let Some(fps) = self.counter.fps_of(&showing.url) else { return true };
        showing.numbered(t, reading, fps, &mut out)
    }

    /// A trusted input reached the page: what it does next was asked for.
    pub fn input(&mut self, t: f64) {
        self.viewer.input = Some(t);
        self.waits.clear();
        self.showings.values_mut().for_each(|showing| showing.waits = None);
    }

    /// From `since` on the viewer only looks on; `None`: no more.
    pub fn looks_on(&mut self, since: Option<f64>) {
        self.viewer.since = since;
    }

    fn interruption(&mut self, interrupted: &Interrupted, t: f64, ended_by: &str) {
        let (told, wrong) = interrupted.told(t, ended_by);
        self.told.push(told);
        self.wrongs.push(wrong);
    }

    /// The page was left: its videos are no more.
    pub fn left(&mut self, t: f64) {
        self.close_all(t, "page left");
        self.begun = false;
        self.waits.clear();
    }

    /// The play is over.
    pub fn end(&mut self, t: f64) {
        self.close_all(t, "end of the play");
    }

    fn close_all(&mut self, t: f64, why: &'static str) {
        let ids: Vec<u64> = self.showings.keys().chain(self.interrupted.keys()).copied().collect();
        let stuck: Vec<(Told, Wrong)> = ids.iter().filter_map(|id| self.stuck(*id, t, why)).collect();
        for (told, wrong) in stuck {
            self.told.push(told);
            self.wrongs.push(wrong);
        }
        for id in ids {
            self.close(id, t, why);
        }
    }

    /// Whether another video of the page had begun before this one was given its source.
    fn follows(&self, id: u64, own: &Showing) -> bool {
        let earlier = |(other, showing): (&u64, &Showing)| *other != id && showing.first.is_some_and(|f| f < own.since);
        self.begun || self.showings.iter().any(earlier)
    }

    /// A picture that stands where no frame is due: the event and the words of it, by `t`.
    fn stuck(&self, id: u64, t: f64, by: &str) -> Option<(Told, Wrong)> {
        let own = self.showings.get(&id).filter(|_| !self.interrupted.contains_key(&id))?;
        let stuck =
            own.stuck(self.follows(id, own)).filter(|s| !self.showings.values().any(|other| s.is_behind(other)))?;
        let t = stuck.until(own, t);
        // A page may go on with another video.
        let next = self.showings.values().filter_map(|showing| showing.first).filter(|first| *first > stuck.since);
        let next = next.reduce(f64::min);
        Some(own.told_stuck(stuck, next.unwrap_or(t), by, next.is_some()))
    }

    fn close(&mut self, id: u64, t: f64, why: &'static str) {
        let never_began = self.showings.get(&id).is_some_and(|showing| showing.first.is_none());
        let waited = self.stuck(id, t, why).filter(|_| never_began && why == REPLACED);
        let waited = waited.filter(|(_, wrong)| wrong.stood.is_some_and(|(_, ms)| ms >= STALL_MS));
        match waited {
            // Another was asked for, in its place.
            Some((told, wrong)) if self.viewer.pressed(t) => {
                self.told.push(told);
                self.wrongs.push(wrong);
            }
            Some((told, _)) => drop(self.waits.insert(id, told.t)),
            None => {}
        }
        if let Some(mut showing) = self.showings.remove(&id) {
            self.begun |= showing.first.is_some();
            if why == REPLACED {
                match (self.interrupted.get_mut(&id), Interrupted::of(&showing)) {
                    (Some(interrupted), _) => interrupted.again(&showing),
                    // An end that was asked for is none of the page's.
                    (None, Some(broke_off)) if !self.viewer.pressed(t) => drop(self.interrupted.insert(id, broke_off)),
                    (None, _) => {}
                }
            }
            if self.interrupted.contains_key(&id) {
                showing.open = None; // it is one with what went before
            }
            showing.close(t, why, &mut Out { told: &mut self.told, wrongs: &mut self.wrongs });
        }
        if why != REPLACED
            && let Some(interrupted) = self.interrupted.remove(&id)
        {
            self.interruption(&interrupted, t, why);
        }
    }

    /// What is to be written since the last time it was asked.
    pub fn told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    /// For how long a video stands still by `t`, milliseconds; the longest.
    pub fn standing(&self, t: f64) -> Option<f64> {
        let stalls = self.showings.values().filter_map(Showing::standing);
        let stuck = self.showings.keys().filter_map(|id| self.stuck(*id, t, "")?.1.stood).map(|(_, ms)| ms);
        let interrupted = self.interrupted.iter().map(|(id, i)| i.standing(i.until(self.goes_on(*id, i), t)));
        stalls.chain(stuck.filter(|ms| *ms >= STALL_MS)).chain(interrupted).reduce(f64::max)
    }

    /// Whether [`Playback::verdict`] would say anything by `t`.
    pub fn is_wrong(&self, t: f64, allowed: Allowed) -> bool {
        self.wrongs.iter().any(|w| w.is_beyond(allowed)) || self.open(t).any(|w| w.is_beyond(allowed))
    }

    /// What is wrong, and not over by `t`.
    fn open(&self, t: f64) -> impl Iterator<Item = Wrong> {
        let open = move |s: &Showing| s.open_wrong().or_else(|| s.is_paused(t)).or_else(|| s.numbers.standing());
        let stands = self.showings.values().filter_map(open);
        let stuck = self.showings.keys().filter_map(move |id| Some(self.stuck(*id, t, "")?.1));
        let until = move |(id, i): (&u64, &Interrupted)| i.told(i.until(self.goes_on(*id, i), t), "").1;
        self.interrupted.iter().map(until).chain(stands).chain(stuck)
    }

    /// What was wrong by `t` since the last time it was asked; stalls only beyond what is allowed.
    pub fn verdict(&mut self, t: f64, allowed: Allowed) -> Option<Wrong> {
        let closed = std::mem::take(&mut self.wrongs);
        closed.into_iter().chain(self.open(t)).find(|w| w.is_beyond(allowed))
    }
}

/// Why a source was closed: another one took its place.
const REPLACED: &str = "replaced";

struct Out<'a> {
    told: &'a mut Vec<Told>,
    wrongs: &'a mut Vec<Wrong>,
}

/// `00:06.3`.
fn position(seconds: f64) -> String {
    let tenths = (seconds.max(0.0) * 10.0).round();
    format!("{:02}:{:04.1}", (tenths / 600.0).floor(), (tenths % 600.0) / 10.0)
}

#[cfg(test)]
mod tests;
