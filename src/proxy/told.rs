//! What is told of an exchange: one event when it is over, one for each rule that was applied, and the live list.

use super::Shared;
use super::armed::Rules;
use super::asked::{Asked, Whose};
use super::kind;
use super::live::{Part, Seen};
use super::lock;
use super::plan::Planned;
use super::said::Said;
use crate::event::{Fields, Ids, Origin, Parts, Texts, Thousandths, Word, query_hash, random_hex, url_hash};
use crate::fault::head::{Body, Head};
use crate::fault::{Action, Cut, Point, Resource};
use crate::media::container::Container;
use crate::unit::{ms, thousandths};
use serde_json::json;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// An exchange under way. It is told when it is dropped, so that none is lost when the play ends within it.
pub(super) struct Told {
    shared: Arc<Shared>,
    pub asked: Asked,
    whose: Whose,
    number: u64,
    started: Instant,
    /// What went on when it started.
    ids: Arc<Ids>,
    /// Of the request, within a play's trace.
    span: Option<String>,
    /// Of who asks, where the request says that it is of the play's trace.
    parent: Option<String>,
    /// What the request says itself, where it is of another trace.
    of_another: Option<String>,
    background: bool,
    left_out: bool,
    live: Seen,
    response: Option<Answered>,
    /// Octets of the body sent to the client, and received from the server.
    pub sent: u64,
    pub received: u64,
    /// When the last of them was sent.
    last: Option<Instant>,
    /// How long it took to connect, if that was for this request; whether the connection was there before.
    pub connect: Option<Duration>,
    pub reused: bool,
    /// It was served from a full copy.
    pub cached: bool,
    faults: Vec<String>,
    /// How it ended; the play's end if nobody says.
    pub ended: &'static str,
    /// What the client's connection met, where it was cut within: `close`, `reset` or `silence`.
    pub cut: Option<&'static str>,
    /// The file that is sent, if it is media from its first octet on.
    container: Option<Box<Container>>,
    /// Why nobody can tell where the body that was sent ends.
    pub unframed: Option<&'static str>,
    /// Why there was no response.
    pub error: Option<String>,
    /// What the app says of itself in the request: read while the body passes, and told however that ends.
    pub said: Option<Arc<Mutex<Said>>>,
}

/// The response's head as it was sent, and how long that took.
struct Answered {
    status: u16,
    promised: Option<u64>,
    head: Head,
    after: Duration,
}

impl Told {
    pub(super) fn new(shared: &Arc<Shared>, asked: Asked, whose: Whose) -> Self {
        let number = shared.requests.fetch_add(1, Relaxed) + 1;
        if let (Some(log), Some(value)) = (&shared.log, asked.head.get("authorization")) {
            log.secrets().learn_authorization(&asked.to.name, value);
        }
        let started = Instant::now();
        let ids = shared.now.share();
        let live = shared.live.begin(number, whose.connection, started, |kept| {
            kept.set(Part::Method, Some(&asked.method));
            kept.set(Part::Host, Some(&asked.to.name));
            kept.set(Part::Path, Some(&asked.target));
            kept.set(Part::Range, asked.head.get("range"));
        });
        Self {
            background: kind::is_background(&asked.to.host) && !shared.reached.names(&asked.to),
            shared: shared.clone(),
            span: ids.trace_id.is_some().then(random_hex::<8>),
            ids,
            asked,
            whose,
            number,
            started,
            parent: None,
            of_another: None,
            left_out: false,
            live,
            response: None,
            sent: 0,
            received: 0,
            last: None,
            connect: None,
            reused: false,
            cached: false,
            faults: Vec::new(),
            ended: "play_over",
            cut: None,
            container: None,
            unframed: None,
            error: None,
            said: None,
        }
    }

    /// Keeps a copy of the request's body, where the app sends its own telemetry.
    pub(super) fn listen(&mut self, body: Body) {
        let Some(own) = &self.shared.telemetry else { return };
        if self.asked.method == "POST" && is_below(&self.asked.bare_url(), own) {
            self.said = Some(Arc::new(Mutex::new(Said::new(body))));
        }
    }

    /// The app's own events, as it said them, and what became of them.
    fn tell_said(&mut self, after: Duration) {
        let (Some(said), Some(log)) = (self.said.take(), &self.shared.log) else { return };
        let t = log.now_ms() - ms(after);
        let said = lock(&said);
        let events = said.events();
        let fields = json!({
            "request": self.number, "status": self.response.as_ref().map(|r| r.status), "octets": said.len(),
            "events": events.as_ref().map(Vec::len), "ended": self.ended, "error": self.error,
        });
        log.write("app_telemetry_sent", Origin::Proxy, t, &self.ids, fields);
        for mut event in events.into_iter().flatten() {
            let name = event.remove("event").and_then(|name| name.as_str().map(str::to_owned));
            let fields = json!({ "app": event, "via": "beacon", "request": self.number });
            log.write(&name.unwrap_or_else(|| "unnamed".to_owned()), Origin::App, t, &self.ids, fields);
        }
    }

    /// The words of the step it started in.
    pub(super) fn step(&self) -> Option<&str> {
        self.ids.step.as_deref()
    }

    /// Whether a browser asks for it on its own behalf: no fault is for it.
    pub(super) fn background(&self) -> bool {
        self.background
    }

    /// Adds `traceparent` and `baggage` to the request, where its host is one to be traced.
    pub(super) fn trace(&mut self, edited: &mut Option<Head>) {
        let (to, to_edit) = (&self.asked.to, &self.asked.head);
        let said = to_edit.get("traceparent");
        if let (Some(trace), Some(said)) = (&self.ids.trace_id, said) {
            self.parent = parent(said, trace).map(str::to_owned);
            let of_another = Some(said.trim()).filter(|said| self.parent.is_none() && is_context(said));
            self.of_another = of_another.map(str::to_owned);
        }
        let with_port =
            |h: &str| h.strip_prefix(to.host.as_str()).is_some_and(|p| p == ":*" || p == format!(":{}", to.port));
        if !self.shared.trace.iter().any(|h| h == "*" || *h == to.host || with_port(h)) {
            return;
        }
        let head = edited.get_or_insert_with(|| to_edit.clone());
        if let (Some(trace), Some(span), None) = (&self.ids.trace_id, &self.span, said) {
            head.add("traceparent", &format!("00-{trace}-{span}-01"));
        }
        let session = self.ids.session_id.as_deref().unwrap_or_default();
        let run = self.shared.log.as_ref().map_or(self.ids.run_id.as_str(), |l| l.run_id());
        head.add("baggage", &format!("soundcheck.run_id={run},soundcheck.session_id={session}"));
    }

    /// The response's head was sent to the client, as it is here.
    pub(super) fn answered(&mut self, head: Head) {
        if let Some(log) = &self.shared.log {
            let host = &self.asked.to.name;
            head.all("set-cookie").for_each(|cookie| log.secrets().learn_cookie(host, &cookie));
        }
        let answered = Answered {
            status: head.status().map_or(0, |(status, _)| status),
            promised: head.content_length().ok().flatten(),
            head,
            after: self.started.elapsed(),
        };
        self.live.head(answered.after, |kept| {
            kept.answer(answered.status, answered.promised);
            kept.set(Part::ContentRange, answered.head.get("content-range"));
            kept.set(Part::ContentLength, answered.head.get("content-length"));
            kept.set(Part::ContentType, answered.head.get("content-type"));
        });
        let first = match answered.status {
            200 => true,
            206 => answered.head.get("content-range").is_some_and(|range| range.trim_start().starts_with("bytes 0-")),
            _ => false,
        };
        let coded = answered.head.get("content-encoding").is_some();
        self.container = (first && !coded && self.asked.resource == Resource::Media).then(Box::default);
        self.response = Some(answered);
    }

    /// These octets of the body are sent; with framing among them they are no part of a file.
    pub(super) fn passes(&mut self, octets: &[u8], framed: bool) {
        match &mut self.container {
            Some(container) if !framed => container.feed(octets),
            _ => self.container = None,
        }
    }

    /// So many octets of the body were sent to the client.
    pub(super) fn sent(&mut self, octets: u64) {
        self.sent += octets;
        self.last = Some(Instant::now());
        self.live.sent(octets);
    }

    /// An action of a rule is carried out; the first of each is its application.
    pub(super) fn applied(&mut self, step: &Planned) {
        if matches!(step.action, Action::Prepare(_)) || !step.by.apply() {
            return;
        }
        let rule = step.by.rule();
        self.live.fault(&rule.id);
        self.faults.push(rule.id.clone());
        tell_applied(&self.shared, &self.ids, step, self.whose.connection, Some((self.number, &self.asked)));
    }

    /// The response cannot be framed, or breaks its framing.
    pub(super) fn violation(&self, what: &str) {
        let Some(log) = &self.shared.log else { return };
        let asked = &self.asked;
        let fields = json!({
            "what": what, "request": self.number, "connection": self.whose.connection,
            "method": asked.method, "host": asked.to.name, "path": asked.path(),
        });
        log.write("upstream_violation", Origin::Proxy, log.now_ms(), &self.ids, fields);
    }

    /// The target may not be reached.
    pub(super) fn refused(&mut self, why: &str) {
        self.ended = "refused";
        let Some(log) = &self.shared.log else { return };
        let asked = &self.asked;
        let fields = json!({
            "request": self.number, "connection": self.whose.connection,
            "method": asked.method, "host": asked.to.name, "path": asked.path(), "why": why,
        });
        log.write("proxy_refused", Origin::Proxy, log.now_ms(), &self.ids, fields);
    }

    /// It is not told of: what is in it is told by itself.
    pub(super) fn leave_out(mut self) {
        self.left_out = true;
    }

    /// Somebody asks for this URL far too often.
    pub(super) fn storm(&self, per_second: u32) {
        let Some(log) = &self.shared.log else { return };
        let asked = &self.asked;
        let fields = json!({
            "host": asked.to.name, "path": asked.path(), "method": asked.method, "per_second": per_second,
        });
        log.write("request_storm", Origin::Proxy, log.now_ms(), &self.ids, fields);
    }

    fn is_media(&self) -> bool {
        let typed = self.response.as_ref().and_then(|r| r.head.get("content-type"));
        matches!(self.asked.resource, Resource::Media | Resource::Manifest | Resource::Segment)
            || self.asked.range.is_some()
            || typed.is_some_and(kind::is_media_type)
    }

    /// How long the server said nothing before it broke off within a response, or the client gave up; that ended so
    /// long after the request's beginning. What the client would not take meanwhile is no silence.
    fn silence(&self, ended: Duration) -> Option<Duration> {
        let waited = match self.ended {
            "upstream_cut" => true,
            "client_gone" => self.received == self.sent,
            _ => false,
        };
        let response = self.response.as_ref().filter(|_| waited)?;
        let heard = self.last.map_or(response.after, |last| last.saturating_duration_since(self.started));
        Some(ended.saturating_sub(heard))
    }

    fn app_proxy(&self) -> bool {
        let own = self.shared.media_proxy.as_ref();
        own.is_some_and(|own| is_below(&self.asked.bare_url(), own))
    }

    fn tell(&mut self) {
        let now = Instant::now();
        let after = now.saturating_duration_since(self.started);
        std::mem::take(&mut self.live).end(after, self.ended);
        if self.said.is_some() {
            self.tell_said(after);
        }
        let Some(log) = &self.shared.log else { return };
        let hash = (self.app_proxy() || self.is_media()).then(|| url_hash(&self.asked.bare_url()));
        let name = if hash.is_some() { "video_proxy_response" } else { "proxy_response" };
        log.tell(name, Origin::Proxy, now.into_std(), &self.ids, hash.as_deref(), |to| {
            self.fields(after, to);
            if hash.is_some() {
                self.media_fields(after, to);
            }
        });
    }

    /// The fields of `video_proxy_response` and `proxy_response`; those at the end only where there is something to say.
    fn fields(&self, after: Duration, to: &mut Fields) {
        let asked = &self.asked;
        let response = self.response.as_ref();
        let field = |name| response.and_then(|r| r.head.get(name));
        let time = |time| Thousandths(ms(time));
        to.put("request", self.number)
            .put("connection", self.whose.connection)
            .put("method", asked.method.as_ref())
            .put("url", Parts([asked.to.scheme(), "://", &asked.to.name, asked.path()]))
            .put("host", asked.to.name.as_str())
            .put("status", response.map(|r| r.status))
            .put("range", asked.head.get("range"))
            .put("content_range", field("content-range"))
            .put("content_length", field("content-length"))
            .put("content_type", field("content-type"))
            .put("accept_ranges", field("accept-ranges"))
            .put("etag", field("etag"))
            .put("acao", field("access-control-allow-origin"))
            .put("bytes_promised", response.and_then(|r| r.promised))
            .put("bytes_sent", self.sent)
            .put("bytes_received", self.received)
            .put("ended", self.ended)
            .put("ttfb_ms", response.map(|r| time(r.after)))
            .put("ms", time(after))
            .put("connect_ms", self.connect.map(time))
            .put("reused", self.reused)
            .put("faults", Texts(&self.faults))
            .put("leg", Word(self.shared.leg));
        let query = (asked.path < asked.target.len()).then(|| query_hash(&asked.target[asked.path + 1..]));
        to.put_some("query_hash", query.as_deref())
            .put_some("request_span_id", self.span.as_deref())
            .put_some("parent_span_id", self.parent.as_deref())
            .put_some("traceparent", self.of_another.as_deref())
            .put_some("error", self.error.as_deref())
            .put_true("cached", self.cached)
            .put_true("background", self.background);
    }

    /// What is told of media besides: what [`crate::media`] judges a response by.
    fn media_fields(&self, after: Duration, to: &mut Fields) {
        let asked = &self.asked;
        let field = |name| self.response.as_ref().and_then(|r| r.head.get(name));
        // Without the query.
        let location = field("location").and_then(|to| bare(&asked.bare_url(), to));
        to.put("resource", Word(asked.resource))
            // Who asked, where the request says so: one that came in CORS mode from elsewhere does.
            .put_some("origin", asked.head.get("origin"))
            // A 200 is a right answer to a later range, if the file is another by now.
            .put_true("if_range", asked.head.get("if-range").is_some())
            // A 304 is a right answer to a client that has a copy.
            .put_true("conditional", ["if-none-match", "if-modified-since"].iter().any(|f| asked.head.get(f).is_some()))
            .put_some("content_encoding", field("content-encoding"))
            .put_some("last_modified", field("last-modified"))
            .put_some("location", location.as_deref())
            // How long the file says of itself that it is.
            .put_some("file_bytes", self.container.as_ref().and_then(|c| c.octets()))
            // It is an answer of the app's own media proxy.
            .put_true("app_proxy", self.app_proxy())
            // How long the server had said nothing when it broke off, or the client gave up.
            .put_some("silent_ms", self.silence(after).map(|time| Thousandths(ms(time))))
            .put_some("cut", self.cut)
            .put_some("unframed", self.unframed)
            // This proxy made the response, or changed it: nobody else is to blame for it.
            .put_true("ours", !self.faults.is_empty() || self.cached);
    }
}

/// Whether a URL without query is this one, or below it.
fn is_below(url: &str, own: &str) -> bool {
    url.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The span that a `traceparent` names, if it is of this trace.
fn parent<'a>(said: &'a str, trace: &str) -> Option<&'a str> {
    let (of, span) = said.trim().strip_prefix("00-")?.split_at_checked(32)?;
    let span = span.strip_prefix('-')?.get(..16)?;
    (of == trace && span.bytes().all(|b| b.is_ascii_hexdigit())).then_some(span)
}

/// Whether it is a `traceparent` as W3C Trace Context has it, of the only version there is.
fn is_context(said: &str) -> bool {
    let mut parts = said.split('-');
    let mut is = |length: usize| {
        parts.next().is_some_and(|part| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    said.starts_with("00-") && is(2) && is(32) && is(16) && is(2) && parts.next().is_none()
}

/// Where a `Location` leads from here, without query and fragment.
fn bare(from: &str, location: &str) -> Option<String> {
    let mut to = url::Url::parse(from).ok()?.join(location).ok()?;
    to.set_query(None);
    to.set_fragment(None);
    Some(to.into())
}

impl Drop for Told {
    fn drop(&mut self) {
        if !self.left_out {
            self.tell();
        }
    }
}

/// A step that concerns a connection as a whole is carried out; the first of each rule is told.
pub(super) fn applied_to(shared: &Shared, connection: u64, step: &Planned) {
    if step.by.apply() {
        tell_applied(shared, &shared.now.share(), step, connection, None);
    }
}

/// A part of the link did something to a connection that it had not done to it before.
pub(super) fn applied_link(shared: &Shared, connection: u64, rules: &Rules, id: &str, way: &str) {
    let (Some(log), Some(rule)) = (&shared.log, rules.rule(id)) else { return };
    let fields = json!({
        "fault": id, "kind": rule.kind, "leg": rule.leg, "request": null, "method": null, "host": null, "path": null,
        "at": "link", "offset": null, "action": way, "connection": connection,
    });
    log.write("fault_applied", Origin::Proxy, log.now_ms(), &shared.now.share(), fields);
}

/// A rule's first action is carried out, on a request or on a connection as a whole.
fn tell_applied(shared: &Shared, ids: &Ids, step: &Planned, connection: u64, asked: Option<(u64, &Asked)>) {
    let Some(log) = &shared.log else { return };
    let rule = step.by.rule();
    let (place, offset) = place(step.at);
    let fields = json!({
        "fault": rule.id, "kind": rule.kind, "leg": rule.leg,
        "request": asked.map(|(number, _)| number),
        "method": asked.map(|(_, a)| a.method.as_ref()),
        "host": asked.map(|(_, a)| a.to.name.as_str()),
        "path": asked.map(|(_, a)| a.path()),
        "at": place, "offset": offset, "action": named(&step.action), "connection": connection,
        "wait_ms": match &step.action {
            Action::Wait(time) => Some(round(*time)),
            _ => None,
        },
    });
    log.write("fault_applied", Origin::Proxy, log.now_ms(), ids, fields);
}

fn place(at: Point) -> (&'static str, Option<u64>) {
    match at {
        Point::Accept => ("accept", None),
        Point::Request => ("request", None),
        Point::Head => ("head", None),
        Point::Body(n) => ("body", Some(n)),
        Point::Message(n) => ("message", Some(n)),
        Point::End => ("end", None),
        Point::Sent(n) => ("sent", Some(n)),
        Point::Close => ("close", None),
    }
}

fn named(action: &Action) -> &'static str {
    match action {
        Action::Wait(_) => "wait",
        Action::Answer(_) => "answer",
        Action::Cache => "cache",
        Action::Edit(_) | Action::Prepare(_) => "edit",
        Action::Frame(_) => "frame",
        Action::Pace { .. } => "pace",
        Action::Insert(_) => "insert",
        Action::Skip(_) => "skip",
        Action::Mangle { .. } => "mangle",
        Action::Gzip => "gzip",
        Action::Raw(_) => "raw",
        Action::Cut(Cut::Fin) => "close",
        Action::Cut(Cut::Rst) => "reset",
        Action::Cut(Cut::Silence) => "silence",
    }
}

/// Milliseconds to the thousandth.
fn round(time: Duration) -> f64 {
    thousandths(ms(time))
}
