//! `har/<play>.har`: what each play asked for, as HTTP Archive 1.2, for a browser's network panel and whatever else reads it.
//!
//! Folded from the events alone, so that an old record has one too. An event is told when its exchange is over: when it
//! began is that minus how long it took. Bodies, cookies and queries are in no event, so they are in no archive.

use crate::event::Event;
use crate::record::{Play, Record};
use crate::secret::Secrets;
use crate::unit::thousandths;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Entries of one archive: a network panel does not open more in reasonable time.
const MOST: usize = 20_000;

/// The archives of a record, fed with its events one by one.
pub struct Archives<'r> {
    record: &'r Record,
    plays: BTreeMap<&'r str, Archive<'r>>,
    secrets: Secrets,
}

/// One play's.
struct Archive<'r> {
    play: &'r Play,
    pages: Vec<Value>,
    /// With the moment it began, on the run's clock.
    entries: Vec<(f64, Value)>,
    /// By the browser alone, where no proxy told of the same URL.
    browser: Vec<(f64, String, Value)>,
    left_out: u64,
}

impl<'r> Archives<'r> {
    /// Of this record, still empty.
    pub fn new(record: &'r Record) -> Self {
        let archive = |play| Archive { play, pages: Vec::new(), entries: Vec::new(), browser: Vec::new(), left_out: 0 };
        let plays = record.plays.iter().map(|p| (p.session_id.as_str(), archive(p))).collect();
        Self { record, plays, secrets: Secrets::default() }
    }

    /// Takes an event.
    pub fn feed(&mut self, event: &Event) {
        let Some(archive) = event.ids.session_id.as_deref().and_then(|s| self.plays.get_mut(s)) else { return };
        if archive.entries.len() + archive.browser.len() >= MOST {
            archive.left_out += 1;
            return;
        }
        match event.event.as_str() {
            "step_start" => archive.pages.push(json!({
                "startedDateTime": event.timestamp,
                "id": page_id(event),
                "title": event.ids.step.as_deref().unwrap_or_default(),
                "pageTimings": { "onContentLoad": -1, "onLoad": -1 },
            })),
            // A page that loaded did so in its step.
            "page_load" => {
                if let (Some(page), Some(ms)) = (archive.pages.last_mut(), event.number("ms")) {
                    page["pageTimings"]["onLoad"] = json!(ms);
                }
            }
            "proxy_response" | "video_proxy_response" => {
                let started = event.t_ms - event.number("ms").unwrap_or_default();
                let entry = proxied(event, archive.play, &self.secrets);
                archive.entries.push((started, entry));
            }
            "media_response" | "response_refused" | "request_failed" => {
                let url = event.text("url").map(|url| self.secrets.hide(url)).unwrap_or_default();
                let bare = url.split(['?', '#']).next().unwrap_or_default().to_owned();
                archive.browser.push((event.t_ms, bare, told(event, &url)));
            }
            _ => {}
        }
    }

    /// Each play's file, by its name in the record's folder.
    pub fn files(self) -> Vec<(String, String)> {
        let record = self.record;
        self.plays.into_values().map(|archive| archive.file(record)).collect()
    }
}

impl Archive<'_> {
    fn file(self, record: &Record) -> (String, String) {
        let play = self.play;
        let proxied: Vec<&str> = self.entries.iter().filter_map(|(_, e)| e["request"]["url"].as_str()).collect();
        let others: Vec<(f64, Value)> = self
            .browser
            .into_iter()
            .filter(|(_, bare, _)| !proxied.contains(&bare.as_str()))
            .map(|(t, _, entry)| (t, entry))
            .collect();
        let only = match (proxied.is_empty(), others.is_empty()) {
            (true, false) => "; no proxy carried it: only what the browser told of media and of failures is here",
            (false, false) => "; beside what the proxy carried, what only the browser told",
            _ => "",
        };
        let mut entries: Vec<(f64, Value)> = self.entries.into_iter().chain(others).collect();
        entries.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let known = |id: &Value| self.pages.iter().any(|p| p["id"] == *id);
        for (_, entry) in &mut entries {
            // A step whose begin is not in the record is no page.
            if let Some(entry) = entry.as_object_mut().filter(|e| !e.get("pageref").is_some_and(known)) {
                entry.remove("pageref");
            }
        }
        let left_out = match self.left_out {
            0 => String::new(),
            n => format!("; {n} later events are left out"),
        };
        let (name, version) = browser(play);
        let entries: Vec<Value> = entries.into_iter().map(|(_, entry)| entry).collect();
        let comment = format!("{}: run {}{only}{left_out}", play.title(), record.run_id);
        let log = json!({ "log": {
            "version": "1.2",
            "creator": { "name": "Soundcheck", "version": env!("CARGO_PKG_VERSION") },
            "browser": { "name": name, "version": version },
            "pages": self.pages,
            "entries": entries,
            "comment": comment,
        }});
        let slug = |text: &str| -> String {
            text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect()
        };
        let (journey, profile) = (slug(&play.journey), slug(&play.profile));
        let file = format!("har/{}-{journey}-{profile}-{}-{}.har", slug(&play.browser), play.number, play.attempt);
        (file, format!("{log:#}\n"))
    }
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

/// What only the browser told of a request: when its answer came, and no more.
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

/// So many milliseconds before a time.
fn earlier(timestamp: &str, ms: f64) -> String {
    let Ok(time) = timestamp.parse::<Timestamp>() else { return timestamp.to_owned() };
    let began = time - SignedDuration::from_micros((ms * 1000.0) as i64);
    format!("{began:.3}")
}
