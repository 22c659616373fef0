//! `har/<play>.har`: what each play asked for, as HTTP Archive 1.2, for a browser's network panel and whatever else reads it.
//!
//! Folded from the events alone, so that an old record has one too. An event is told when its exchange is over: when it
//! began is that minus how long it took. Bodies, cookies and queries are in no event, so they are in no archive.
//!
//! What the proxy carried it tells; what it only tunnelled, or where there is none, the browser does (`browser_response`).
//! A tunnel itself is no request of the page's.

use crate::event::{Event, Origin};
use crate::record::{Play, Record};
use crate::secret::Secrets;
use crate::unit::{many, thousandths};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Entries of one archive: a network panel does not open more in reasonable time.
const MOST: usize = 20_000;

/// The archives of a record, fed with its events one by one. Each is given when its play's last event came: no more is held
/// than of the plays under way.
pub struct Archives<'r> {
    record: &'r Record,
    plays: BTreeMap<&'r str, Archive<'r>>,
    secrets: Secrets,
}

/// One play's.
struct Archive<'r> {
    play: &'r Play,
    /// Events of its session so far.
    fed: u64,
    pages: Vec<Value>,
    /// With the moment it began, on the run's clock.
    entries: Vec<(f64, Value)>,
    /// URLs that are told whole: by the proxy, or by the browser in this entry, the last.
    told: HashMap<String, Option<usize>>,
    /// Entries that the browser told whole.
    by_browser: usize,
    /// By the browser alone, in a word, where nobody told of the same URL.
    browser: Vec<(f64, String, Value)>,
    tunnels: u64,
    /// There were more that the browser would have told.
    capped: bool,
    left_out: u64,
}

impl<'r> Archives<'r> {
    /// Of this record, still empty.
    pub fn new(record: &'r Record) -> Self {
        let plays = record.plays.iter().map(|p| (p.session_id.as_str(), Archive::new(p))).collect();
        Self { record, plays, secrets: Secrets::default() }
    }

    /// Takes an event, in the order of the record. The archive that is whole with it, by its name in the record's folder.
    pub fn feed(&mut self, event: &Event) -> Option<(String, Value)> {
        let session = event.ids.session_id.as_deref()?;
        let archive = self.plays.get_mut(session)?;
        archive.fed += 1;
        // An app may call its own events as it likes.
        if event.source != Origin::App {
            archive.feed(event, &self.secrets);
        }
        let whole = self.record.lines.get(session) == Some(&archive.fed);
        whole.then(|| self.plays.remove(session)).flatten().map(|archive| archive.file(self.record))
    }

    /// Those of plays of which not every event came, one after the other.
    pub fn rest(self) -> impl Iterator<Item = (String, Value)> {
        let record = self.record;
        self.plays.into_values().map(move |archive| archive.file(record))
    }
}

impl<'r> Archive<'r> {
    fn new(play: &'r Play) -> Self {
        Self {
            play,
            fed: 0,
            pages: Vec::new(),
            entries: Vec::new(),
            told: HashMap::new(),
            by_browser: 0,
            browser: Vec::new(),
            tunnels: 0,
            capped: false,
            left_out: 0,
        }
    }

    fn feed(&mut self, event: &Event, secrets: &Secrets) {
        let url = || event.text("url").map(|url| secrets.hide(url)).unwrap_or_default();
        let started = event.t_ms - event.number("ms").unwrap_or_default();
        match event.event.as_str() {
            "step_start" => self.pages.push(json!({
                "startedDateTime": event.timestamp,
                "id": page_id(event),
                "title": event.ids.step.as_deref().unwrap_or_default(),
                "pageTimings": { "onContentLoad": -1, "onLoad": -1 },
            })),
            // A page that loaded did so in its step.
            "page_load" => {
                if let (Some(page), Some(ms)) = (self.pages.last_mut(), event.number("ms")) {
                    page["pageTimings"]["onLoad"] = json!(ms);
                }
            }
            "proxy_response" | "video_proxy_response" if event.text("method") == Some("CONNECT") => self.tunnels += 1,
            "proxy_response" | "video_proxy_response" if self.has_room() => {
                self.told.insert(url(), None);
                self.entries.push((started, proxied(event, self.play, secrets)));
            }
            "browser_response" if self.has_room() => {
                let url = url();
                let entry = answered(event, &url, secrets);
                self.told.insert(url, Some(self.entries.len()));
                self.entries.push((started, entry));
                self.by_browser += 1;
            }
            "browser_responses_capped" => self.capped = true,
            // Chromium says that an answer is over before its body is, and then that it broke off.
            "request_failed" if self.broke_off(&bare(&url()), event) => {}
            "media_response" | "response_refused" | "request_failed" if self.has_room() => {
                let url = url();
                self.browser.push((event.t_ms, bare(&url), told(event, &url)));
            }
            _ => {}
        }
    }

    /// Whether there is room for one more, which otherwise is counted.
    fn has_room(&mut self) -> bool {
        let room = self.entries.len() + self.browser.len() < MOST;
        self.left_out += u64::from(!room);
        room
    }

    /// Whether a failure is of the exchange that the browser told last of this URL. Where some were not told, nobody knows.
    fn broke_off(&mut self, url: &str, event: &Event) -> bool {
        let Some(Some(at)) = self.told.get(url).filter(|_| !self.capped) else { return false };
        if let Some((_, Value::Object(entry))) = self.entries.get_mut(*at) {
            entry.entry("_error").or_insert_with(|| json!(event.text("error")));
        }
        true
    }

    fn file(self, record: &Record) -> (String, Value) {
        let (play, mut entries) = (self.play, self.entries);
        let (proxied, by_browser) = (entries.len() - self.by_browser, self.by_browser);
        let others = self.browser.into_iter().filter(|(_, bare, _)| !self.told.contains_key(bare));
        entries.extend(others.map(|(t, _, entry)| (t, entry)));
        let only = match (proxied, by_browser, entries.len() - proxied - by_browser) {
            (0, 0, 1..) => "; no proxy carried it: only what the browser told of media and of failures is here",
            (0, 1.., _) => "; no proxy carried it: all is as the browser told it",
            (1.., 0, 0) | (0, 0, 0) => "",
            _ => "; beside what the proxy carried, what only the browser told",
        };
        // By the time that is written: what begins within the same millisecond may be told a millisecond apart.
        entries.sort_by(|(a, one), (b, other)| began(one).cmp(began(other)).then(a.total_cmp(b)));
        let known: HashSet<&str> = self.pages.iter().filter_map(|page| page["id"].as_str()).collect();
        for (_, entry) in &mut entries {
            // A step whose begin is not in the record is no page.
            let is_page = |id: &Value| id.as_str().is_some_and(|id| known.contains(id));
            if let Some(entry) = entry.as_object_mut().filter(|e| !e.get("pageref").is_some_and(is_page)) {
                entry.remove("pageref");
            }
        }
        let tunnels = match self.tunnels {
            0 => String::new(),
            n => format!("; {} (CONNECT) left out: no request of the page", many(n, "tunnel", "tunnels")),
        };
        let capped = if self.capped { "; the browser asked for more than it told" } else { "" };
        let left_out = match self.left_out {
            0 => String::new(),
            n => format!("; {n} later events are left out"),
        };
        let (name, version) = browser(play);
        let comment = format!("{}: run {}{only}{tunnels}{capped}{left_out}", play.title(), record.run_id);
        let mut archive = json!({ "log": {
            "version": "1.2",
            "creator": { "name": "Soundcheck", "version": env!("CARGO_PKG_VERSION") },
            "browser": { "name": name, "version": version },
            "pages": [],
            "entries": [],
            "comment": comment,
        }});
        archive["log"]["entries"] = entries.into_iter().map(|(_, entry)| entry).collect();
        archive["log"]["pages"] = self.pages.into();
        let slug = |text: &str| -> String {
            text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect()
        };
        let (journey, profile) = (slug(&play.journey), slug(&play.profile));
        let file = format!("har/{}-{journey}-{profile}-{}-{}.har", slug(&play.browser), play.number, play.attempt);
        (file, archive)
    }
}

/// A URL without query and fragment.
fn bare(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// The browser's name and version, as its environment tells them.
fn browser(play: &Play) -> (String, String) {
    let told = play.environment.get("browser_version").and_then(Value::as_str).unwrap_or_default();
    let (name, version) = told.rsplit_once(' ').unwrap_or((play.browser.as_str(), told));
    (name.to_owned(), version.to_owned())
}

/// The page of an event is its step; each time it is done has a span of its own.
fn page_id(event: &Event) -> String {
    let ids = &event.ids;
    ids.span_id.as_ref().or(ids.step.as_ref()).map_or("start".to_owned(), |id| format!("step-{id}"))
}

/// An exchange that the proxy carried.
fn proxied(event: &Event, play: &Play, secrets: &Secrets) -> Value {
    let text = |key| event.text(key).unwrap_or_default();
    let ms = event.number("ms").unwrap_or_default();
    let first = event.number("ttfb_ms").unwrap_or(ms).min(ms);
    let connect = event.number("connect_ms").map(|c| c.min(first));
    let wait = first - connect.unwrap_or_default();
    let header = |names: &[(&str, &str)]| -> Vec<Value> {
        let of = |(name, key): &(&str, &str)| Some(json!({ "name": name, "value": secrets.hide(event.text(key)?) }));
        names.iter().filter_map(of).collect()
    };
    let whole = |key| event.number(key).unwrap_or_default() as u64;
    let sent = whole("bytes_sent");
    let class = play.class.filter(|_| {
        let decided = play.evidence.as_ref().and_then(|e| e.request);
        decided.is_some() && decided.map(|n| n as f64) == event.number("request") && text("leg") != "upstream"
    });
    let mut entry = json!({
        "pageref": page_id(event),
        "startedDateTime": earlier(&event.timestamp, ms),
        "time": thousandths(ms),
        "request": {
            "method": text("method"),
            "url": secrets.hide(text("url")),
            // What is carried is HTTP/1.1 on both sides.
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": header(&[("Host", "host"), ("Range", "range"), ("Origin", "origin")]),
            "queryString": [],
            "headersSize": -1,
            "bodySize": -1,
        },
        "response": {
            "status": whole("status"),
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": header(&[
                ("Content-Type", "content_type"),
                ("Content-Length", "content_length"),
                ("Content-Range", "content_range"),
                ("Content-Encoding", "content_encoding"),
                ("Accept-Ranges", "accept_ranges"),
                ("ETag", "etag"),
                ("Last-Modified", "last_modified"),
                ("Access-Control-Allow-Origin", "acao"),
                ("Location", "location"),
            ]),
            "content": { "size": sent, "mimeType": text("content_type") },
            "redirectURL": secrets.hide(text("location")),
            "headersSize": -1,
            "bodySize": sent,
        },
        "cache": {},
        "timings": {
            "blocked": -1,
            "dns": -1,
            "connect": connect.map_or(json!(-1), |c| json!(thousandths(c))),
            "send": 0,
            "wait": thousandths(wait),
            "receive": thousandths(ms - first),
            "ssl": -1,
        },
        "connection": whole("connection").to_string(),
    });
    let kept = ["request", "request_span_id", "faults", "ended", "error", "leg", "bytes_promised", "bytes_received"];
    let mut own = custom(event, &kept);
    own.extend(class.map(|class| ("_media_class".to_owned(), json!(class))));
    extend(&mut entry, own);
    entry
}

/// An exchange that the browser told: its octets are those of the wire, heads and compression included.
fn answered(event: &Event, url: &str, secrets: &Secrets) -> Value {
    let text = |key| event.text(key).unwrap_or_default();
    let ms = event.number("ms").unwrap_or_default();
    let first = event.number("ttfb_ms").unwrap_or(ms).min(ms);
    let whole = |key| event.number(key).map(|n| n as u64);
    let header = |(name, key): &(&str, &str)| {
        let value = event.fields.get(*key).filter(|v| !v.is_null())?;
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some(json!({ "name": name, "value": secrets.hide(&value) }))
    };
    let names = [("Content-Type", "content_type"), ("Content-Length", "content_length"), ("Location", "location")];
    let headers: Vec<Value> = names.iter().filter_map(header).collect();
    let body = whole("content_length");
    let mut entry = json!({
        "pageref": page_id(event),
        "startedDateTime": earlier(&event.timestamp, ms),
        "time": thousandths(ms),
        "request": {
            "method": text("method"), "url": url, "httpVersion": "", "cookies": [], "headers": [], "queryString": [],
            "headersSize": -1, "bodySize": -1,
        },
        "response": {
            "status": whole("status").unwrap_or_default(), "statusText": "", "httpVersion": "", "cookies": [],
            "headers": headers,
            "content": { "size": body.or(whole("bytes")).unwrap_or_default(), "mimeType": text("content_type") },
            "redirectURL": secrets.hide(text("location")),
            "headersSize": -1, "bodySize": body.map_or(json!(-1), |n| json!(n)),
        },
        "cache": {},
        "timings": {
            "blocked": -1, "dns": -1, "connect": -1, "send": 0, "wait": thousandths(first),
            "receive": thousandths(ms - first), "ssl": -1,
        },
    });
    let mut own = custom(event, &["error", "ended", "from_cache"]);
    own.extend(whole("bytes").map(|bytes| ("_transferSize".to_owned(), json!(bytes))));
    extend(&mut entry, own);
    entry
}

/// What the browser told of a request in a word: when its answer came, and no more.
fn told(event: &Event, url: &str) -> Value {
    let text = |key| event.text(key).unwrap_or_default();
    let names = [
        ("Content-Type", "content_type"),
        ("Content-Length", "content_length"),
        ("Content-Range", "content_range"),
        ("Accept-Ranges", "accept_ranges"),
    ];
    let headers: Vec<Value> =
        names.iter().filter_map(|(name, key)| Some(json!({ "name": name, "value": event.text(key)? }))).collect();
    let mut entry = json!({
        "pageref": page_id(event),
        "startedDateTime": event.timestamp,
        "time": 0,
        "request": {
            "method": "GET", "url": url, "httpVersion": "", "cookies": [], "headers": [], "queryString": query(url),
            "headersSize": -1, "bodySize": -1,
        },
        "response": {
            "status": event.number("status").unwrap_or_default() as u64, "statusText": "", "httpVersion": "", "cookies": [],
            "headers": headers, "content": { "size": 0, "mimeType": text("content_type") }, "redirectURL": "",
            "headersSize": -1, "bodySize": -1,
        },
        "cache": {},
        "timings": { "blocked": -1, "dns": -1, "connect": -1, "send": 0, "wait": 0, "receive": 0, "ssl": -1 },
    });
    extend(&mut entry, custom(event, &["error"]));
    entry
}

/// The query of a URL whose secrets are hidden.
fn query(url: &str) -> Vec<Value> {
    let Ok(url) = url::Url::parse(url) else { return Vec::new() };
    url.query_pairs().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

/// Fields of our own, as HAR names them, and the event's line.
fn custom(event: &Event, keys: &[&str]) -> Map<String, Value> {
    let mut own: Map<String, Value> = keys
        .iter()
        .filter_map(|key| Some((format!("_{key}"), event.fields.get(*key).filter(|v| !v.is_null())?.clone())))
        .collect();
    own.insert("_seq".to_owned(), json!(event.seq));
    own
}

fn extend(entry: &mut Value, own: Map<String, Value>) {
    if let Some(entry) = entry.as_object_mut() {
        entry.extend(own);
    }
}

/// When an entry began, as it is written.
fn began(entry: &Value) -> &str {
    entry["startedDateTime"].as_str().unwrap_or_default()
}

/// So many milliseconds before a time.
fn earlier(timestamp: &str, ms: f64) -> String {
    let Ok(time) = timestamp.parse::<Timestamp>() else { return timestamp.to_owned() };
    let began = time - SignedDuration::from_micros((ms * 1000.0) as i64);
    format!("{began:.3}")
}
