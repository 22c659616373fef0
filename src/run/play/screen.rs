//! What of a video is on the screen: where an app file declares that its clips carry their number in the picture, the
//! pictures that are taken after each step are read for it. Nothing is asked of the page but where its video is.

use super::super::shot::{self, Shot};
use super::{OnStage, SHORT};
use crate::oracle::playback::counter::{CONFIRM_MS, Of, Reading};
use serde::Deserialize;
use std::time::Duration;

/// Somewhat longer than two readings must lie apart.
const AGAIN: Duration = Duration::from_millis(CONFIRM_MS as u64 + 50);

/// The largest video of the document while it plays: when, what, where it is in the media, and left, middle and width of
/// the row of blocks in its picture, in pixels of the screen. Not one that is cut to its box: nobody knows where.
const FIND: &str = "(() => { const size = (e) => e.clientWidth * e.clientHeight;\
    const [v] = [...document.querySelectorAll('video')].sort((a, b) => size(b) - size(a));\
    if (!v || v.paused || v.ended || v.seeking || v.readyState < 2 || !size(v)) return null;\
    const fit = getComputedStyle(v).objectFit; const r = v.getBoundingClientRect(); const d = devicePixelRatio;\
    if (fit !== 'contain' && fit !== 'fill') return null;\
    const by = Math.min(v.clientWidth / v.videoWidth, v.clientHeight / v.videoHeight);\
    const [w, h] = fit === 'fill' ? [v.clientWidth, v.clientHeight] : [v.videoWidth * by, v.videoHeight * by];\
    const left = r.left + v.clientLeft + (v.clientWidth - w) / 2;\
    const top = r.top + v.clientTop + (v.clientHeight - h) / 2;\
    const block = (v.videoWidth / 20) * (h / v.videoHeight);\
    return JSON.stringify({ t: performance.now(), url: v.currentSrc || v.src, clock: v.currentTime,\
    row: [left * d, (top + block / 2) * d, w * d] }); })()";

/// See [`FIND`].
#[derive(Deserialize)]
pub(super) struct OnScreen {
    t: f64,
    url: String,
    clock: f64,
    row: [f64; 3],
}

impl OnStage<'_> {
    /// The video that plays on the screen, where its picture may carry its number.
    pub(super) async fn on_screen(&self) -> Option<OnScreen> {
        self.app.counter.as_ref()?;
        let found = self.session.evaluate(FIND, false, SHORT).await.ok()?;
        serde_json::from_str(found.as_str()?).ok()
    }

    /// Reads the number in a picture of the screen; in another one too, where it does not fit the video's clock.
    pub(super) async fn read_screen(&mut self, shot: &Shot, before: OnScreen) {
        if self.fits(shot, before).await != Some(false) {
            return;
        }
        tokio::time::sleep(AGAIN).await;
        let Some(before) = self.on_screen().await else { return };
        if let Ok(again) = shot::take(self.session, &[]).await {
            self.fits(&again, before).await;
        }
    }

    /// Whether the number in the picture fits the clock of the video that is there; `None`: there is none.
    async fn fits(&mut self, shot: &Shot, before: OnScreen) -> Option<bool> {
        let after = self.on_screen().await.filter(|after| after.url == before.url)?;
        let (shot, row) = (shot.clone(), before.row);
        let number = tokio::task::spawn_blocking(move || shot.number(row)).await.ok()??;
        self.watch.catch_up();
        let reading = Reading { of: Of::Screen(before.url), number, clock: (before.clock, after.clock) };
        Some(self.watch.read(self.watch.page_ms(after.t), &reading))
    }
}
