//! A picture that stands where no frame is due by the element's own word: within a seek that never lands, after a fatal
//! error that the page answers with a pause, before the first frame of what was put in another video's place.

use super::showing::Showing;
use super::{Kind, Told, Wrong, position};
use crate::browser::probe::Video;
use crate::unit::hundredths;
use serde_json::json;

/// What holds a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Holds {
    /// It was sent to this second of the media.
    Seek(f64),
    Error,
    Start,
}

/// A picture that stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stuck {
    holds: Holds,
    pub(super) since: f64,
    pub(super) position: f64,
}

/// What an element said last of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    ready: u8,
    network: u8,
    paused: bool,
    /// When it was last seen paused.
    held: f64,
}

impl State {
    pub(super) fn is_paused(self) -> bool {
        self.paused
    }

    pub(super) fn see(&mut self, t: f64, v: &Video) {
        let held = if v.paused { t } else { self.held };
        *self = Self { ready: v.rs.unwrap_or(0), network: v.ns.unwrap_or(0), paused: v.paused, held };
    }
}

impl Stuck {
    /// Whether another video that plays is what the viewer sees meanwhile.
    pub(super) fn is_behind(&self, other: &Showing) -> bool {
        self.holds == Holds::Start && other.due && other.open.is_none()
    }

    /// Up to when it is known to last by `t`: one that plays, or would, is told of each second.
    pub(super) fn until(&self, own: &Showing, t: f64) -> f64 {
        /// One that is not heard of for so long is no more.
        const TOLD_MS: f64 = 1500.0;
        if self.holds == Holds::Error { t } else { t.min(own.last + TOLD_MS) }
    }
}

impl Showing {
    /// Since when its picture stands so. `follows`: another video of the page had begun before it.
    pub(super) fn stuck(&self, follows: bool) -> Option<Stuck> {
        let of = |holds, since: f64, position| Some(Stuck { holds, since: since.max(self.since), position });
        if self.first.is_none() {
            // One whose clock runs has no picture to wait for, or is told as such.
            let begins = follows && !self.state.paused && self.clock <= 0.0 && !self.url.starts_with("srcobject:");
            let since = self.waits.unwrap_or(self.since.max(self.state.held));
            return begins.then_some(Stuck { holds: Holds::Start, since, position: 0.0 });
        }
        if self.ended {
            return None;
        }
        match (self.failed, self.seek) {
            // While frames are due its stall says so.
            (Some((at, place)), _) if self.failed_due && !self.due => of(Holds::Error, at, place),
            // A seek that is done with has frames again, whatever was said of it.
            (_, Some((begun, to))) if !self.due && !self.state.paused => {
                of(Holds::Seek(to), begun.max(self.state.held), self.clock)
            }
            _ => None,
        }
    }

    /// The event and the words of it: it lasts up to `t`, ended by `by`; `recovered` where another video goes on from there.
    pub(super) fn told_stuck(&self, stuck: Stuck, t: f64, by: &str, recovered: bool) -> (Told, Wrong) {
        let Stuck { holds, since, position: at } = stuck;
        let ms = (t - since).max(0.0);
        let kind = if holds == Holds::Error { "interrupted" } else { Kind::Rebuffering.name() };
        let fields = json!({
            "start_ms": hundredths(since), "end_ms": hundredths(t), "ms": hundredths(ms), "kind": kind,
            "position_s": hundredths(at), "ready_state": self.state.ready, "network_state": self.state.network,
            "error": self.error, "recovered": recovered, "ended_by": by,
        });
        let url = Some(self.url.clone()).filter(|url| !url.is_empty());
        let told = Told { event: "playback_stall", t: since, url, fields };
        let never = if recovered { "" } else { " and did not go on" };
        let stood = format!("stood for {:.1} s{never} ({})", ms / 1000.0, self.browser_told(since, t));
        let words = match holds {
            Holds::Seek(to) => format!("the video was sent to {}, never came there, and {stood}", position(to)),
            Holds::Error => format!("the video broke off at {} and {stood}", position(at)),
            Holds::Start => format!("the video that came next never showed a frame: the picture {stood}"),
        };
        (told, Wrong { stood: Some((since, ms)), ..Wrong::new(words) })
    }
}
