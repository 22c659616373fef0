//! Where a viewer's word leads a video: a button that says ten seconds on, and leads elsewhere or nowhere. No browser can
//! know: it goes where the page sends it.

use super::showing::Showing;
use super::{ELSEWHERE_S, Playback, Told, Wrong, position};
use crate::unit::hundredths;
use serde_json::json;

impl Playback {
    /// What the viewer does from now on leads so many seconds on, or back where that is negative; `None`: nowhere.
    pub fn leads(&mut self, on: Option<f64>) {
        self.lead = on;
    }

    /// Whether it has not led anywhere yet.
    pub fn is_to_lead(&self) -> bool {
        self.lead.is_some()
    }

    /// It led nowhere, if it has not by now.
    pub fn led_nowhere(&mut self) {
        let Some(on) = self.lead.take() else { return };
        let words = format!("the viewer asked for {}, and no video was sent anywhere", way(on));
        self.wrongs.push(Wrong::of_page(words));
    }
}

impl Showing {
    /// The page sends it `to` a second of the media, where the viewer asked for `on` seconds further on.
    pub(super) fn led(&self, t: f64, on: f64, to: f64) -> (Told, Option<Wrong>) {
        let ran = if self.due { (t - self.last).max(0.0) / 1000.0 * self.rate } else { 0.0 };
        let from = self.clock + ran;
        let end = if self.duration > 0.0 { self.duration } else { f64::INFINITY };
        let wanted = (from + on).clamp(0.0, end);
        let ok = (to.min(end) - wanted).abs() <= ELSEWHERE_S;
        let fields = json!({
            "asked_s": on, "from_s": hundredths(from), "wanted_s": hundredths(wanted), "led_s": hundredths(to), "ok": ok,
        });
        let words = || {
            format!(
                "the viewer asked for {}, from {} to {}, and the page sent the video to {}",
                way(on),
                position(from),
                position(wanted),
                position(to)
            )
        };
        let url = Some(self.url.clone()).filter(|url| !url.is_empty());
        (Told { event: "playback_led", t, url, fields }, (!ok).then(|| Wrong::of_page(words())))
    }
}

/// What a viewer asked for, in words.
fn way(on: f64) -> String {
    if on < 0.0 { format!("{} s back", -on) } else { format!("{on} s further on") }
}
