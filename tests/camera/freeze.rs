//! Pictures that stood still, as the camera saw them, against the stalls that events tell.

use super::{Film, Zero};
use serde_json::Value;

/// A picture that stands for so long is a stall: the monitor's own threshold, and a viewer's.
pub const FREEZE_MS: f64 = 250.0;
/// How far the monitor's times may be off.
pub const AGREE_MS: f64 = 100.0;
/// On a hogged machine browsers show frames late that they count as shown, or count none that they show: what is shorter
/// than this, milliseconds, is the machine's doing there, and not judged.
const BUSY_MS: f64 = 1000.0;
/// Starved for longer than this, a camera may have missed a frame that makes two freezes of one.
const MISSED_MS: f64 = 100.0;

/// Whether a series says too little: a camera that could not judge more than a quarter of it proves nothing by the rest.
pub fn too_blind(unjudged: usize, of: usize) -> bool {
    unjudged * 4 > of
}

/// A time in which one picture stood.
#[derive(Clone, Copy, Debug)]
pub struct Freeze {
    /// When it came.
    pub start: f64,
    /// When the next came.
    pub end: f64,
    /// The camera looked often enough at both ends, and between.
    pub clear: bool,
}

impl Freeze {
    pub fn ms(&self) -> f64 {
        self.end - self.start
    }

    fn common(&self, start: f64, end: f64) -> f64 {
        self.end.min(end) - self.start.max(start)
    }
}

/// The freezes between the first frame that followed another and `until`, on the camera's clock; the one under way at
/// its end is left out. Also from when on.
pub fn freezes(film: &Film, from: f64, until: f64) -> (f64, Vec<Freeze>) {
    let mut numbers: Vec<_> = film.sights.iter().filter(|s| s.at > from && s.number.is_some()).collect();
    numbers.dedup_by_key(|s| s.number);
    let moved = numbers.get(1).map_or(f64::INFINITY, |s| s.at);
    let pairs = numbers.windows(2).skip(1).take_while(|pair| pair[1].at < until);
    let frozen = pairs.filter(|pair| pair[1].at - pair[0].at >= FREEZE_MS).map(|pair| {
        let (start, end) = (pair[0].at, pair[1].at);
        let starved = pair[0].starved() || pair[1].starved() || film.blind_for(start, end) >= MISSED_MS;
        Freeze { start, end, clear: !starved && (end - start >= BUSY_MS || !film.hogged()) }
    });
    (moved, frozen.collect())
}

/// What became of a freeze or a stall.
#[derive(Clone, Debug)]
pub enum Match {
    /// Both tell it: the monitor's start and end less the camera's, milliseconds.
    /// `single`: so many lone frames came in between, each of which stood for long itself.
    Pair { freeze: Freeze, single: usize, kind: String, start: f64, end: f64 },
    /// The monitor says that the page's thread was busy all the while: the machine's doing, and no stall.
    Busy { freeze: Freeze },
    /// The camera saw it, the monitor tells nothing of it.
    Missed { freeze: Freeze },
    /// The monitor tells it, the camera saw a moving picture. Starved, it proves nothing.
    False { start: f64, end: f64, clear: bool },
    /// Only one of both tells it, and it is within the tolerance of the threshold.
    Short { ms: f64 },
}

impl Match {
    /// Whether the camera could see it.
    pub fn judged(&self) -> bool {
        match self {
            Self::Pair { freeze, .. } | Self::Missed { freeze } => freeze.clear,
            Self::False { clear, .. } => *clear,
            Self::Busy { .. } | Self::Short { .. } => false,
        }
    }

    /// Nothing that either should have told as a stall.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Short { .. })
    }

    /// Whether camera and monitor agree.
    pub fn agrees(&self) -> bool {
        match self {
            Self::Pair { start, end, .. } => start.abs() <= AGREE_MS && end.abs() <= AGREE_MS,
            Self::Busy { .. } | Self::Short { .. } => true,
            Self::Missed { .. } | Self::False { .. } => false,
        }
    }
}

/// Puts the camera's freezes beside the `playback_stall` events of a run, from `moved` on to `until`.
pub fn matched(film: &Film, frozen: &[Freeze], events: &[Value], zero: Zero, moved: f64, until: f64) -> Vec<Match> {
    let span = |e: &Value| {
        let start = zero.at(e["start_ms"].as_f64().unwrap_or(f64::NAN));
        (start, e["end_ms"].as_f64().map_or_else(|| start + e["ms"].as_f64().unwrap_or(0.0), |end| zero.at(end)))
    };
    let named = |name: &'static str| events.iter().filter(move |e| e["event"] == name);
    let mut stalls: Vec<(f64, f64, String)> = named("playback_stall")
        .filter(|e| e["kind"] != "start")
        .map(|e| (span(e).0, span(e).1, e["kind"].as_str().unwrap_or_default().to_owned()))
        .filter(|(start, end, _)| *start > moved - AGREE_MS && *end < until)
        .collect();
    let busy: Vec<(f64, f64)> = named("playback_busy").map(span).collect();
    let mut all = Vec::new();
    let mut rest = frozen;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let mut freeze = first;
        let common = |s: &(f64, f64, String)| first.common(s.0, s.1);
        let best = (0..stalls.len()).max_by(|&a, &b| common(&stalls[a]).total_cmp(&common(&stalls[b])));
        all.push(match best.filter(|&n| common(&stalls[n]) > 0.0) {
            Some(n) => {
                let (start, end, kind) = stalls.remove(n);
                // To a viewer the film has not gone on with a frame that stands as well.
                let mut single = 0;
                while let Some((next, after)) = rest.split_first()
                    && next.start == freeze.end
                    && next.common(start, end) > next.ms() / 2.0
                {
                    freeze = Freeze { start: freeze.start, end: next.end, clear: freeze.clear && next.clear };
                    (rest, single) = (after, single + 1);
                }
                Match::Pair { freeze, single, kind, start: start - freeze.start, end: end - freeze.end }
            }
            None if busy.iter().any(|b| freeze.common(b.0, b.1) > freeze.ms() / 2.0) => Match::Busy { freeze },
            None if freeze.ms() < FREEZE_MS + AGREE_MS => Match::Short { ms: freeze.ms() },
            None => Match::Missed { freeze },
        });
    }
    all.extend(stalls.into_iter().map(|(start, end, _)| match end - start < FREEZE_MS + AGREE_MS {
        true => Match::Short { ms: end - start },
        false => {
            let clear = film.blind_for(start, end) < MISSED_MS && !(film.hogged() && end - start < BUSY_MS);
            Match::False { start, end, clear }
        }
    }));
    all
}

mod tests {
    use super::*;

    #[test]
    fn a_quarter_may_stay_unjudged_and_no_more() {
        assert!(!too_blind(0, 0) && !too_blind(0, 50) && !too_blind(12, 50) && !too_blind(5, 20));
        assert!(too_blind(13, 50) && too_blind(6, 20) && too_blind(1, 1));
    }

    #[test]
    fn what_the_camera_could_not_see_is_not_judged_and_is_no_agreement() {
        let freeze = |clear| Freeze { start: 0.0, end: 4000.0, clear };
        let pair =
            |clear, start| Match::Pair { freeze: freeze(clear), single: 0, kind: String::new(), start, end: 0.0 };
        assert!(pair(true, 99.0).judged() && pair(true, 99.0).agrees() && !pair(true, 101.0).agrees());
        assert!(!pair(false, 0.0).judged() && !pair(false, 0.0).is_none());
        assert!(Match::Missed { freeze: freeze(true) }.judged() && !Match::Missed { freeze: freeze(true) }.agrees());
    }
}
