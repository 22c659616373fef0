//! Stalls: frames that do not come though they should, told apart from a busy machine, a loop's new begin and a start.

use super::showing::Showing;
use super::{HINT_MS, Kind, Out, STALL_MS, STALLED_BEFORE_MS, WRAP_MS, Wrong, position};
use crate::browser::probe::Video;
use crate::unit::hundredths;
use serde_json::json;

/// A stall under way.
#[derive(Clone, Debug)]
pub(super) struct Stall {
    pub(super) start: f64,
    /// Up to when it is known to last.
    pub(super) end: f64,
    /// The frame that stands, seconds of the media.
    pub(super) position: f64,
    /// By how much the clock ran on, milliseconds.
    pub(super) clock_ms: f64,
    /// Buffered ahead of the clock when it began, seconds.
    pub(super) ahead: f64,
    pub(super) ready: u8,
    pub(super) network: u8,
    pub(super) audible: bool,
    pub(super) late: f64,
}

impl Showing {
    /// Frames that do not come.
    pub(super) fn gap(&mut self, t: f64, clock: f64, v: &Video, due: bool, out: &mut Out<'_>) {
        let (gap, late) = match v.gap.filter(|_| due) {
            Some(gap) => {
                let gap = gap.min(t - self.idle).max(0.0);
                (gap, v.late.unwrap_or(0.0).clamp(0.0, gap))
            }
            None => return self.over(t, v.ev.as_str(), out),
        };
        if v.ev == "resume" && gap >= STALL_MS && gap - late < STALL_MS {
            self.busy_ms += gap;
            let fields = json!({ "start_ms": hundredths(t - gap), "ms": hundredths(gap), "late_ms": hundredths(late) });
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
    pub(super) fn over(&mut self, t: f64, by: &str, out: &mut Out<'_>) {
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
            "start_ms": hundredths(stall.start), "end_ms": hundredths(stall.end), "ms": hundredths(ms), "kind": kind.name(),
            "position_s": hundredths(stall.position), "clock_ms": hundredths(stall.clock_ms), "buffered_ahead_s": hundredths(stall.ahead),
            "ready_state": stall.ready, "network_state": stall.network, "audible": stall.audible,
            "waiting": self.said_waiting(stall.start, stall.end), "stalled": self.said_stalled(stall.start, stall.end),
            "error": self.error, "late_ms": hundredths(stall.late), "recovered": !open, "ended_by": by,
        });
        self.tell(out, "playback_stall", stall.start, fields);
        out.wrongs.push(self.wrong(&stall, !open));
    }

    pub(super) fn standing(&self) -> Option<f64> {
        let stall = self.open.as_ref()?;
        let ms = stall.end - stall.start;
        (ms - stall.late >= STALL_MS).then_some(ms)
    }

    pub(super) fn open_wrong(&self) -> Option<Wrong> {
        self.standing()?;
        self.open.as_ref().map(|stall| self.wrong(stall, false))
    }

    fn wrong(&self, stall: &Stall, recovered: bool) -> Wrong {
        Wrong { words: self.words(stall, recovered), stood: Some((stall.start, stall.end - stall.start)) }
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

    pub(super) fn browser_told(&self, start: f64, end: f64) -> String {
        let said = [
            self.said_waiting(start, end).then(|| "waiting".to_owned()),
            self.said_stalled(start, end).then(|| "stalled".to_owned()),
            self.error.clone(),
        ];
        let said: Vec<String> = said.into_iter().flatten().collect();
        format!("the browser told {}", if said.is_empty() { "nothing".to_owned() } else { said.join(", ") })
    }
}
