//! Did the video start, and did its frame reach the visualizer?
//!
//! First decoded frame: the first frame callback (`requestVideoFrameCallback`), its fallback named. No event is
//! trusted to say so: Hydra's videos are never in the document and their errors are swallowed.

use super::new_picture::{NewPicture, round};
use super::{Before, Declared, Held, Oracle, Outcome, Picture, Seen};
use crate::browser::probe::Video;
use crate::unit::show_ms;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// After an error a frame may still come (Firefox reports some errors before the data it has); not for longer than this.
const AFTER_ERROR_MS: f64 = 5000.0;

pub(super) struct FirstVideoFrame {
    picture: Option<NewPicture>,
    before: Before,
    t0: Option<f64>,
    held: Held,
    start: Option<(f64, Video)>,
    bound: Option<f64>,
    /// The first frame of one that plays: its first, be it that it was paused yet.
    frame: Option<(f64, Video)>,
    /// The first frames of those that are paused.
    stills: Vec<(f64, Video)>,
    /// Elements that were given a source, or asked to play, since the step began.
    given: BTreeSet<u64>,
    /// Why the browser does not let one play, until it is asked again: muted, say, it may.
    rejected: Option<(u64, String)>,
    error: Option<(f64, String)>,
    last: Option<Video>,
    shown: Option<Outcome>,
    /// Nothing draws here: what is decoded is what the viewer sees.
    plain: bool,
}

impl FirstVideoFrame {
    pub(super) fn new(before: Before) -> Self {
        // A video preset declares itself; where the app names no presets, the step does.
        let picture = before.has_canvas.then(|| NewPicture::new(Before { names_presets: true, ..before.clone() }));
        Self {
            picture,
            plain: before.plain,
            before,
            t0: None,
            held: Held::default(),
            start: None,
            bound: None,
            frame: None,
            stills: Vec::new(),
            given: BTreeSet::new(),
            rejected: None,
            error: None,
            last: None,
            shown: None,
        }
    }

    fn t0(&self) -> f64 {
        self.t0.unwrap_or(self.before.t)
    }

    fn video(&mut self, t: f64, video: &Video) {
        // A video of an earlier preset may play on; only what was given a source since the step began counts.
        let own = self.start.as_ref().is_none_or(|(_, started)| started.id == video.id);
        if !video.audio && matches!(video.ev.as_str(), "src" | "loadstart" | "play") {
            self.given.insert(video.id);
        }
        let frame = video.ev == "frame" && self.given.contains(&video.id);
        if video.audio || (!own && video.ev != "src" && !frame) {
            return;
        }
        if matches!(video.ev.as_str(), "play" | "playing") && self.rejected.as_ref().is_some_and(|r| r.0 == video.id) {
            self.rejected = None;
        }
        match video.ev.as_str() {
            // One that has its source already is asked to play.
            "src" | "loadstart" | "play" if self.start.is_none() => self.start = Some((t, video.clone())),
            "loadeddata" => self.bound = self.bound.or(Some(t)),
            // What is loaded ahead shows its first picture, and nobody may ever make it play.
            "frame" if video.paused => self.stills.push((t, video.clone())),
            "frame" if self.frame.is_none() => {
                let still = self.stills.iter().find(|(_, still)| still.id == video.id);
                self.frame = Some(still.cloned().unwrap_or_else(|| (t, video.clone())));
            }
            "play_rejected" if self.given.contains(&video.id) => {
                let why = video.error.as_ref().map_or("", |e| e.message.as_str());
                // One that is given another source meanwhile is asked to play again.
                let rejected = Some((video.id, format!("the browser did not let it play: {why}")));
                self.rejected = rejected.filter(|_| !why.starts_with("AbortError"));
            }
            "error" => {
                let (code, words) = video.error.as_ref().map_or((0, String::new()), |e| (e.code, e.message.clone()));
                let name = match code {
                    1 => "aborted",
                    2 => "network",
                    3 => "decode",
                    4 => "source not supported",
                    _ => "unknown",
                };
                self.error.get_or_insert((t, format!("MediaError {code} ({name}) {words}").trim().to_owned()));
            }
            _ => {}
        }
        self.last = Some(video.clone());
    }

    fn url(&self) -> Value {
        self.start.as_ref().and_then(|(_, v)| v.src.clone()).map_or(Value::Null, |src| json!(src))
    }

    fn events(&self, failed: Option<(f64, &str)>) -> Vec<(&'static str, f64, Value)> {
        let since = |t: f64| round(t - self.t0());
        let mut events =
            vec![("video_init_start", self.start.as_ref().map_or(self.t0(), |s| s.0), json!({ "url": self.url() }))];
        if let Some(t) = self.bound {
            events.push(("video_init_bound", t, json!({ "ms": since(t), "url": self.url() })));
        }
        match (failed, &self.frame) {
            (Some((t, why)), _) => {
                events.push(("video_init_error", t, json!({ "reason": why, "url": self.url() })));
            }
            (None, Some((t, video))) => {
                let fields =
                    json!({ "ms": since(*t), "by": video.by, "url": self.url(), "width": video.w, "height": video.h });
                events.push(("video_init_frame_ready", *t, fields));
            }
            (None, None) => {}
        }
        events
    }

    fn failed(&self, t: f64, why: String, late: bool) -> Outcome {
        Outcome { events: self.events(Some((t, &why))), failed: Some(why), late, ms: None }
    }

    fn judge(&self) -> Option<Outcome> {
        let (decoded, _) = self.frame.as_ref()?;
        let mut events = self.events(None);
        if self.picture.is_some() && !self.plain {
            // A video is judged as a video: its picture is no sample of how quick presets are.
            let shown = self.shown.as_ref()?.events.iter().find(|(name, ..)| *name == "first_visualizer_frame")?;
            events.push(("video_visualizer_frame", shown.1, shown.2.clone()));
        }
        Some(Outcome { ms: Some(decoded - self.t0()), events, ..Outcome::default() })
    }
}

impl Oracle for FirstVideoFrame {
    fn see(&mut self, t: f64, seen: &Seen) -> Option<Outcome> {
        match seen {
            Seen::Loaded(canvas) => self.plain = !canvas,
            Seen::Frame(_) => self.plain = false,
            _ => {}
        }
        match seen {
            Seen::Input => self.t0 = self.t0.or(Some(t)),
            Seen::Acted => self.t0 = self.t0.or(Some(self.before.t)),
            Seen::Video(video) => self.video(t, video),
            Seen::Texture(Ok(())) => self.bound = self.bound.or(Some(t)),
            other => self.held.see(other),
        }
        if let (Some(picture), None) = (&mut self.picture, &self.shown) {
            let as_video = match seen {
                Seen::Preset(id, declared) => {
                    Seen::Preset(id.clone(), Declared { picture: Some(Picture::Video), ..declared.clone() })
                }
                other => other.clone(),
            };
            match picture.see(t, &as_video) {
                Some(outcome) if outcome.failed.is_some() => {
                    return Some(self.failed(t, outcome.failed.unwrap_or_default(), outcome.late));
                }
                shown => self.shown = shown,
            }
        }
        let hopeless = self.frame.is_none() && self.error.as_ref().is_some_and(|(at, _)| t - at > AFTER_ERROR_MS);
        if hopeless { Some(self.give_up(t)) } else { self.judge() }
    }

    fn give_up(&mut self, t: f64) -> Outcome {
        let waited = show_ms(t - self.t0());
        let state = self.last.as_ref().map_or(String::new(), |v| {
            format!(" (readyState {}, networkState {})", v.rs.unwrap_or(0), v.ns.unwrap_or(0))
        });
        let why = match (&self.frame, &self.error, &self.start, &mut self.picture) {
            (Some(_), _, _, Some(picture)) if !self.plain => {
                let outcome = picture.give_up(t);
                if outcome.undecided().is_some() {
                    return outcome;
                }
                let why = outcome.failed.unwrap_or_default();
                format!("the video decodes, but its picture never reached the visualizer: {why}")
            }
            (_, Some((_, why)), ..) => why.clone(),
            (None, None, ..) if self.rejected.is_some() => {
                self.rejected.as_ref().map_or(String::new(), |(_, why)| why.clone())
            }
            (None, None, ..) if !self.stills.is_empty() => {
                format!("its first picture was there, and it stayed paused for {waited}: nothing made it play")
            }
            (_, _, Some(_), _) => format!("silent: no frame and no error in {waited}{state}"),
            (_, _, None, _) => format!("no video was given a source in {waited}"),
        };
        self.failed(t, self.held.explain(why), self.error.is_none())
    }
}
