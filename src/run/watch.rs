//! What the browser tells, as observations for the oracles, on the run's clock; what is worth keeping becomes an event.

mod exchanges;
mod traffic;

use super::Shared;
use super::host::Host;
use crate::browser::notice::Notice;
use crate::browser::probe::{self, Frame, What};
use crate::browser::session::Session;
use crate::event::{Event, Ids, Log, Now, Origin, random_hex, url_hash};
use crate::media::Watched;
use crate::oracle::Seen;
use crate::oracle::playback::Playback;
use crate::oracle::playback::counter::{Of, Reading};
use crate::traffic::{Owed, Places, Requests, Sockets};
use crate::unit::hundredths;
use exchanges::Exchanges;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

/// Frames kept of the present picture: what "new" is compared with.
const FRAMES: usize = 30;
/// An exception is told by BiDi and by the probe: the same text within this time is one, milliseconds.
const SAME_MS: f64 = 1000.0;
/// Dialogs of one step that are told one by one.
const QUESTIONS: u32 = 20;

/// Listens to one play's browser.
pub(super) struct Watch {
    notices: UnboundedReceiver<Notice>,
    log: Log,
    /// The ids of the present step.
    pub ids: Ids,
    /// The same, for who else asks.
    now: Now,
    /// The browsing context that is played in, and windows that the page opened besides.
    own: String,
    others: BTreeSet<String>,
    /// `performance.timeOrigin` of what is open in each context, and the run's clock at the browser's epoch zero.
    origins: BTreeMap<String, f64>,
    zero: f64,
    queue: VecDeque<(f64, Seen)>,
    /// A worker draws on a canvas of the page.
    pub in_worker: bool,
    /// The last frames of the present picture, oldest first.
    pub frames: VecDeque<(f64, Frame)>,
    /// The renderer that the page's own WebGL context told.
    pub renderer: Option<String>,
    /// The browser, or its tab, is gone.
    pub gone: Option<String>,
    /// WebGL contexts that were lost.
    pub contexts_lost: u32,
    /// The probe reported from the page.
    pub probed: bool,
    /// How the page's videos play.
    pub playback: Playback,
    host: Host,
    last_exception: (f64, String),
    /// The media element that the present step is about.
    pub media: Watched,
    /// When each step began.
    steps: Vec<(f64, String)>,
    /// Dialogs that the page opened in the present step, and the last of them.
    dialogs: u32,
    question: Option<String>,
    /// What page and server say to each other.
    sockets: Sockets,
    requests: Requests,
    /// What page and server have begun, and not ended.
    pub owed: Owed,
    /// What only the browser tells of.
    exchanges: Exchanges,
    /// What the page showed when the app fell back.
    fell_back: Option<String>,
    /// What the present step tries must fail.
    must_fail: bool,
}

impl Watch {
    /// `own` is the context that is played in; `proxied`: the play's proxy lies between.
    pub(super) fn new(
        notices: UnboundedReceiver<Notice>,
        own: &str,
        shared: &Shared<'_>,
        ids: Ids,
        places: &Places,
        proxied: bool,
    ) -> Self {
        let (log, now, declared) = (&shared.log, &shared.now, &shared.plan.app.traffic);
        now.set(&ids);
        Self {
            notices,
            log: log.clone(),
            ids,
            now: now.clone(),
            own: own.to_owned(),
            others: BTreeSet::new(),
            origins: BTreeMap::new(),
            // Until the clock is mapped: the browser is on this machine and its clock is ours.
            zero: log.at_epoch_ms(0.0),
            queue: VecDeque::new(),
            in_worker: false,
            frames: VecDeque::new(),
            renderer: None,
            gone: None,
            contexts_lost: 0,
            probed: false,
            playback: Playback::of(shared.plan.app.counter.clone()),
            host: shared.host.clone(),
            last_exception: (f64::NEG_INFINITY, String::new()),
            media: Watched::default(),
            steps: Vec::new(),
            dialogs: 0,
            question: None,
            sockets: Sockets::new(declared, places),
            requests: Requests::new(declared, places),
            owed: Owed::default(),
            exchanges: Exchanges::new(proxied.then_some(shared.plan.app.intercept.as_slice())),
            fell_back: None,
            must_fail: false,
        }
    }

    /// Writes an event of the present step.
    pub(super) fn write(&self, event: &str, source: Origin, t: f64, fields: Value) -> Event {
        self.log.write(event, source, t, &self.ids, fields)
    }

    /// A step begins, and whether what it tries must fail.
    pub(super) fn step(&mut self, name: &str, must_fail: bool) {
        // What is on its way belongs to the step before.
        self.catch_up();
        self.must_fail = must_fail;
        self.sockets.refusing(must_fail);
        self.requests.refusing(must_fail);
        self.ids.step = Some(name.to_owned());
        self.ids.span_id = Some(random_hex::<8>());
        self.media = Watched::default();
        (self.dialogs, self.question) = (0, None);
        self.steps.push((self.log.now_ms(), name.to_owned()));
        self.now.set(&self.ids);
    }

    /// Maps the browser's clock by the fastest of five round trips, and says how sure that is. Before the first page: an
    /// idle browser answers at once.
    pub(super) async fn map_clock(&mut self, session: &Session) {
        let now = "performance.timeOrigin + performance.now()";
        let mut best: Option<(f64, f64)> = None;
        for _ in 0..5 {
            let sent = self.log.now_ms();
            let Ok(page) = session.evaluate(now, false, Duration::from_secs(5)).await else { return };
            let back = self.log.now_ms();
            let Some(page) = page.as_f64() else { return };
            let (half, zero) = ((back - sent) / 2.0, (sent + back) / 2.0 - page);
            if best.is_none_or(|(h, _)| half < h) {
                best = Some((half, zero));
            }
        }
        if let Some((uncertainty, zero)) = best {
            let shift = zero - self.log.at_epoch_ms(0.0);
            // Where the wall clocks agree as well as the trip can tell, the trip would only add noise.
            if shift.abs() > uncertainty {
                self.zero = zero;
            }
            let fields = json!({ "uncertainty_ms": hundredths(uncertainty), "shift_ms": hundredths(shift) });
            self.write("clock_mapped", Origin::Monitor, self.log.now_ms(), fields);
        }
    }

    /// The run's clock at `performance.now()` of the page.
    pub(super) fn page_ms(&self, t: f64) -> f64 {
        self.ms_in(&self.own, t)
    }

    /// The same of the page in this context: a frame has a clock of its own.
    fn ms_in(&self, context: &str, t: f64) -> f64 {
        self.origins.get(context).map_or_else(|| self.log.now_ms(), |origin| self.zero + origin + t)
    }

    /// The next observation, or `None` at the deadline.
    pub(super) async fn next(&mut self, deadline: Instant) -> Option<(f64, Seen)> {
        loop {
            if let Some(seen) = self.queue.pop_front() {
                return Some(seen);
            }
            match timeout_at(deadline, self.notices.recv()).await {
                Ok(Some(notice)) => self.take(notice),
                Ok(None) => {
                    self.gone.get_or_insert_with(|| "the browser's socket closed".to_owned());
                    return None;
                }
                Err(_) => return None,
            }
            if self.gone.is_some() && self.queue.is_empty() {
                return None;
            }
        }
    }

    /// Takes in everything told so far, without waiting; observations stay queued.
    pub(super) fn catch_up(&mut self) {
        while let Ok(notice) = self.notices.try_recv() {
            self.take(notice);
        }
    }

    /// Forgets what was queued: it belongs to the step before.
    pub(super) fn forget(&mut self) {
        self.queue.clear();
    }

    fn take(&mut self, notice: Notice) {
        self.asked(&notice);
        self.exchanged(&notice);
        match notice {
            Notice::Probe { json, context } => {
                for message in probe::read(&json) {
                    self.message(&context, message);
                }
            }
            // The probe tells this one in full.
            Notice::Console { level, holds_error: true, .. }
                if self.probed && (level == "error" || level == "warn") => {}
            Notice::Console { level, text, at_epoch_ms, url, line, .. } => {
                let t = self.zero + at_epoch_ms;
                if let Some(event) = text.strip_prefix("[TEL] ") {
                    self.app_event(t, event);
                    return;
                }
                self.console(t, level, text, json!({ "url": url, "line": line }));
            }
            Notice::Exception { text, at_epoch_ms, url, line, .. } => {
                self.exception(self.zero + at_epoch_ms, text, url, line.map(|l| l as f64));
            }
            // A frame that cannot be had is no page that cannot.
            Notice::NavigationFailed { message, context, .. } if context == self.own => {
                let t = self.log.now_ms();
                self.queue.push_back((t, Seen::Unreachable(message)));
            }
            Notice::NavigationFailed { .. } => {}
            Notice::FetchError { url, error_text, at_epoch_ms, .. } => {
                let t = self.zero + at_epoch_ms;
                self.write("request_failed", Origin::Browser, t, json!({ "url": url, "error": error_text }));
            }
            Notice::Response { url, status, headers, mime, at_epoch_ms, .. } => {
                let media = mime.starts_with("video/") || mime.starts_with("audio/");
                if status >= 400 || media {
                    let mut fields: Map<String, Value> =
                        headers.into_iter().map(|(k, v)| (k.replace('-', "_"), json!(v))).collect();
                    fields.insert("url".to_owned(), json!(url));
                    fields.insert("status".to_owned(), json!(status));
                    let name = if media { "media_response" } else { "response_refused" };
                    self.write(name, Origin::Browser, self.zero + at_epoch_ms, Value::Object(fields));
                }
            }
            Notice::Auth { url, answered } => {
                self.write(
                    "auth_challenge",
                    Origin::Browser,
                    self.log.now_ms(),
                    json!({ "url": url, "answered": answered }),
                );
            }
            Notice::Prompt { kind, message, accepted } => {
                self.dialogs += 1;
                self.question = Some(format!("{kind} \"{message}\""));
                // A page that asks for ever would fill the disk with its questions.
                if self.dialogs > QUESTIONS {
                    return;
                }
                let fields = json!({ "kind": kind, "message": message, "accepted": accepted });
                self.write("prompt", Origin::Browser, self.log.now_ms(), fields);
            }
            Notice::Gone { what } => {
                self.gone.get_or_insert(what);
            }
            Notice::Request { .. } | Notice::Completed { .. } | Notice::Interactive { .. } | Notice::Load { .. } => {}
        }
    }

    fn console(&mut self, t: f64, level: String, text: String, mut fields: Value) {
        fields["text"] = json!(text);
        if self.must_fail {
            fields["must"] = json!("fail");
        }
        match level.as_str() {
            "error" => drop(self.write("console_error", Origin::Browser, t, fields)),
            "warn" => drop(self.write("console_warning", Origin::Browser, t, fields)),
            _ => {}
        }
        self.queue.push_back((t, Seen::Console(level, text)));
    }

    fn exception(&mut self, t: f64, text: String, url: Option<String>, line: Option<f64>) {
        let (last, ref same) = self.last_exception;
        // The probe adds "Uncaught" where BiDi does not, and the other way round.
        let bare = text.trim_start_matches("Uncaught ").trim_start_matches("Error: ").to_owned();
        if (t - last).abs() < SAME_MS && (same.contains(&bare) || bare.contains(same.as_str())) {
            return;
        }
        self.last_exception = (t, bare);
        let mut fields = json!({ "text": text, "url": url, "line": line });
        if self.must_fail {
            fields["must"] = json!("fail");
        }
        self.write("exception", Origin::Browser, t, fields);
        self.queue.push_back((t, Seen::Exception(text)));
    }

    /// The app's own telemetry: kept as it said it, under its own source.
    fn app_event(&self, t: f64, json: &str) {
        let Ok(Value::Object(mut said)) = serde_json::from_str(json) else {
            self.write("app_event_unreadable", Origin::Browser, t, json!({ "text": json }));
            return;
        };
        let name =
            said.remove("event").and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_else(|| "unnamed".to_owned());
        self.write(&name, Origin::App, t, json!({ "app": said, "via": "console" }));
    }

    fn message(&mut self, context: &str, message: probe::Message) {
        if let What::Hello { origin, top, .. } = message.what {
            self.origins.insert(context.to_owned(), origin);
            if top && context != self.own {
                self.others.insert(context.to_owned());
            } else if top {
                self.playback.left(self.log.now_ms());
                self.tell_playback();
                let left = self.sockets.left(self.log.now_ms());
                self.tell(left);
                self.probed = true;
                self.frames.clear();
                self.in_worker = false;
            }
            return;
        }
        // What another window shows is no picture of the page that is played.
        let is_said = matches!(message.what, What::Error { .. } | What::Console { .. } | What::ProbeError { .. });
        if self.others.contains(context) && !is_said {
            return;
        }
        let t = self.ms_in(context, message.t);
        let seen = match message.what {
            What::Input { .. } => {
                self.playback.input(t);
                Seen::Input
            }
            What::Frame(frame) => {
                if let Some(ids) = frame.ids.clone() {
                    self.say(ids);
                }
                if let (Some(number), Some(id), Some(clock)) = (frame.number, frame.vid, frame.vct) {
                    self.read(t, &Reading { of: Of::Drawn(id), number, clock: (clock, clock) });
                }
                self.frames.push_back((t, frame.clone()));
                if self.frames.len() > FRAMES {
                    self.frames.pop_front();
                }
                Seen::Frame(frame)
            }
            What::Gl(gl) => {
                self.gl_event(t, &gl);
                Seen::Gl(gl)
            }
            What::Texture { ev, error } if ev == "error" => {
                let why = error.unwrap_or_default();
                self.media.refused(&why);
                Seen::Texture(Err(why))
            }
            What::Texture { .. } => Seen::Texture(Ok(())),
            What::Video(video) => {
                self.playback.see(t, &video);
                self.tell_playback();
                self.media.see(&video);
                Seen::Video(video)
            }
            What::Audio(audio) => Seen::Audio(audio),
            What::Socket(socket) => {
                let told = self.sockets.take(t, socket);
                self.tell(told);
                return;
            }
            What::Error { ev, message, url, line } => {
                if ev == "resource" {
                    self.write("resource_error", Origin::Browser, t, json!({ "url": url, "text": message }));
                } else {
                    self.exception(t, message, url, line);
                }
                return;
            }
            What::Console { level, text } => {
                self.console(t, level, text, json!({}));
                return;
            }
            What::Mark { name, ms, mut detail } => {
                detail.extend(ms.map(|ms| ("duration_ms".to_owned(), json!(ms))));
                self.write(&name, Origin::App, t, json!({ "app": detail, "via": "mark" }));
                return;
            }
            What::ProbeError { place, message } => {
                tracing::warn!("the probe failed in {place}: {message}");
                self.write("probe_error", Origin::Browser, t, json!({ "where": place, "text": message }));
                return;
            }
            What::Hello { .. } | What::Other => return,
        };
        self.queue.push_back((t, seen));
    }

    /// No video is watched any more: what is known of them is told.
    pub(super) fn end_playback(&mut self) {
        self.playback.end(self.log.now_ms());
        self.tell_playback();
    }

    /// The number in a picture was read: whether it fits the video's clock.
    pub(super) fn read(&mut self, t: f64, reading: &Reading) -> bool {
        let fits = self.playback.read(t, reading);
        self.tell_playback();
        fits
    }

    /// The play is over: that is told, and what was not answered.
    pub(super) fn end(&mut self) {
        self.end_playback();
        let left = self.exchanges.play_over(self.log.now_ms());
        self.tell_over(left);
    }

    fn tell_playback(&mut self) {
        for told in self.playback.told() {
            let ids = Ids { media_url_hash: told.url.as_deref().map(url_hash), ..self.ids.clone() };
            let mut fields = told.fields;
            fields["url"] = json!(told.url);
            let lasted = |name: &str| fields[name].as_f64().unwrap_or(0.0);
            let busy = match told.event {
                "playback_stall" => self.host.busy(told.t, told.t + lasted("ms")),
                "playback_summary" => self.host.busy(told.t - lasted("watched_ms"), told.t),
                _ => None,
            };
            if let Some(busy) = busy {
                fields["busy_host"] = busy;
            }
            self.log.write(told.event, Origin::Monitor, told.t, &ids, fields);
        }
    }

    fn gl_event(&mut self, t: f64, gl: &probe::Gl) {
        let name = match gl.ev.as_str() {
            "context" => {
                self.renderer = gl.renderer.clone().or_else(|| self.renderer.take());
                return;
            }
            "compile_error" | "link_error" => "shader_error",
            "lost" => {
                self.contexts_lost += 1;
                "webgl_context_lost"
            }
            "restored" => "webgl_context_restored",
            "offscreen" => {
                self.in_worker = true;
                return;
            }
            _ => return,
        };
        self.write(name, Origin::Browser, t, json!({ "log": gl.log }));
    }

    /// The step that went on at this time.
    pub(super) fn step_at(&self, t: f64) -> Option<&str> {
        self.steps.iter().rev().find(|(began, _)| *began <= t).map(|(_, name)| name.as_str())
    }

    /// A step that failed while the page asked something: every dialog is answered at once, yet a page stands still behind it.
    pub(super) fn with_dialogs(&self, why: String) -> String {
        match (&self.question, self.dialogs) {
            (None, _) => why,
            (Some(question), 1) => format!("{why}; the page opened a dialog: {question}"),
            (Some(question), n) => format!("{why}; the page opened {n} dialogs, the last: {question}"),
        }
    }

    /// Frames before `t` showed the picture before: "new" is compared with the present one only.
    pub(super) fn picture_changed(&mut self, t: f64) {
        self.frames.retain(|(at, _)| *at >= t);
    }
}
