//! What a run bears: requests that go wrong in the same way where a step held, those of the app's own telemetry, and those
//! to hosts that are not the app's. They fail beside what failed, and are not why, unless something names them.

use super::chain::Window;
use super::is;
use super::request::{LASTING, Request};
use crate::event::{Event, Origin};
use crate::oracle::EXPECTATIONS;
use crate::record::{Ending, Record};
use crate::table::find;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use url::Url;

/// What is borne weighs no more: less than a symptom, so that where there is nothing else, nothing explains it.
const LOW: u32 = 8;
/// What weighs no more is told, and never sure.
const CHANCE: u32 = 40;
/// What lasts so many times as long as was borne is another story.
const LONGER: f64 = 1.5;

/// Something that went wrong with a request, as the proxy or the browser tells it.
pub(super) struct Incident<'e> {
    /// The request's; where nobody tells it, the event's name.
    method: &'e str,
    /// Host and path.
    place: String,
    /// The host, without its port.
    host: String,
    /// What went wrong, in a word; `None`: nothing, or that it did not end.
    outcome: Option<String>,
    /// How long it was waited for, milliseconds.
    waited: f64,
    /// Its number at the proxy, where the browser asked.
    number: Option<u64>,
    /// The app's own server asked.
    upstream: bool,
    ours: bool,
    media: bool,
}

impl<'e> Incident<'e> {
    /// None where the event tells of no request.
    pub(super) fn read(event: &'e Event) -> Option<Self> {
        if let Some(request) = Request::read(event) {
            let upstream = event.text("leg") == Some("upstream");
            return Some(Self {
                method: event.text("method").unwrap_or("GET"),
                place: place(request.url()),
                host: host(request.url()),
                outcome: request.outcome(),
                waited: request.waited(),
                number: request.number().filter(|_| !upstream),
                upstream,
                ours: request.ours(),
                media: request.is_media(),
            });
        }
        let text = |key| event.text(key).unwrap_or_default();
        let outcome = match event.event.as_str() {
            _ if event.source == Origin::App => return None,
            "request_failed" => text("error").to_owned(),
            "response_refused" => format!("status {}", event.number("status").unwrap_or_default()),
            "upstream_violation" => text("what").to_owned(),
            "resource_error" => text("text").to_owned(),
            "auth_challenge" | "request_storm" => String::new(),
            _ => return None,
        };
        let url = event.text("url").map_or_else(|| format!("http://{}{}", text("host"), text("path")), str::to_owned);
        Some(Self {
            method: &event.event,
            place: place(&url),
            host: host(&url),
            outcome: Some(outcome),
            waited: 0.0,
            number: None,
            upstream: false,
            ours: false,
            media: false,
        })
    }

    /// How it went wrong, in words that two of the same have in common: of these only a status is told by its number.
    pub(super) fn how(&self) -> String {
        match self.outcome.as_deref() {
            Some(status) if status.starts_with("status ") => status.to_owned(),
            Some(words) => super::bare(words),
            None => LASTING.to_owned(),
        }
    }
}

/// What errors name, in a part of a play.
pub(super) struct Errors<'e> {
    /// Their own words.
    said: Vec<&'e str>,
    /// Scripts and styles that did not load.
    unloaded: Vec<String>,
}

impl<'e> Errors<'e> {
    pub(super) fn of(window: &Window, events: &[&'e Event]) -> Self {
        let within = || events.iter().copied().filter(move |e| e.source != Origin::App && window.holds(e));
        let line = |e: &&Event| matches!(e.event.as_str(), "exception" | "console_error");
        let code = |e: &&Event| {
            let tag = |text: &str| ["<script>", "<link>"].iter().any(|tag| text.starts_with(tag));
            e.event == "resource_error" && e.text("text").is_some_and(tag)
        };
        Self {
            said: within().filter(line).filter_map(|e| e.text("text")).collect(),
            unloaded: within().filter(code).filter_map(|e| e.text("url").map(place)).collect(),
        }
    }

    fn name(&self, incident: &Incident) -> bool {
        self.said.iter().any(|text| text.contains(&incident.host)) || self.unloaded.contains(&incident.place)
    }
}

/// Where the same was borne.
struct Held<'e> {
    /// The play.
    session: Option<&'e str>,
    /// The step's end, by its `seq`.
    end: u64,
    waited: f64,
}

/// What a run bears.
pub(super) struct Usual<'e> {
    /// By method, place and outcome.
    held: BTreeMap<(&'e str, String, String), Vec<Held<'e>>>,
    /// `None`: the record does not say which hosts are the app's.
    own: Option<Own>,
    /// Where the app tells of itself.
    telemetry: Option<String>,
}

impl<'e> Usual<'e> {
    pub(super) fn of(record: &Record, events: &'e [Event]) -> Self {
        Self { held: held(record, events), ..Self::places(record) }
    }

    /// Without what steps bore: where none failed, what they bore may be why.
    pub(super) fn places(record: &Record) -> Self {
        let text = |key: &str| record.about.get(key).and_then(Value::as_str);
        let list = |key: &str| record.about.get(key).and_then(Value::as_array);
        let base = text("base").unwrap_or_default();
        let own = list("hosts").map(|hosts| {
            let more = hosts.iter().chain(list("intercept").into_iter().flatten());
            Own::new(base, more.filter_map(Value::as_str))
        });
        let telemetry = text("telemetry_path").map(|path| place(&format!("{base}{path}")));
        Self { held: BTreeMap::new(), own, telemetry }
    }

    /// What an incident of this weight weighs.
    pub(super) fn weigh(&self, weight: u32, incident: &Incident, window: &Window, errors: &Errors) -> u32 {
        let reason = window.reason.unwrap_or_default();
        let decided = incident.number.is_some() && incident.number == window.evidence.and_then(|e| e.request);
        // How the app takes what we do to it is the question then.
        let ours = incident.ours && window.faulted;
        if decided || ours || reason.contains(&incident.place) {
            return weight;
        }
        if self.is_telemetry(incident) || self.bears(incident, window) {
            return weight.min(LOW);
        }
        let elsewhere = self.own.as_ref().is_some_and(|own| !incident.upstream && !own.holds(&incident.host));
        if !elsewhere || reason.contains(&incident.host) || is_asked_for(incident, window) {
            return weight;
        }
        weight.min(if errors.name(incident) { CHANCE } else { LOW })
    }

    fn is_telemetry(&self, incident: &Incident) -> bool {
        let below = |own: &String| incident.place.strip_prefix(own).is_some_and(|r| r.is_empty() || r.starts_with('/'));
        self.telemetry.as_ref().is_some_and(below)
    }

    /// Whether the same happened where a step held: another one than this, or in another play.
    fn bears(&self, incident: &Incident, window: &Window) -> bool {
        let outcome = incident.outcome.clone().unwrap_or_else(|| LASTING.to_owned());
        let lasting = outcome == LASTING;
        let other = |held: &Held| match window.end {
            Some(end) => held.end != end,
            None => held.session != window.session,
        };
        let as_long = |held: &Held| !lasting || incident.waited <= held.waited * LONGER;
        let known = self.held.get(&(incident.method, incident.place.clone(), outcome));
        known.is_some_and(|all| all.iter().any(|held| other(held) && as_long(held)))
    }
}

/// Whether it is what the step was about, wherever it is served from: its video, or the page that answered.
fn is_asked_for(incident: &Incident, window: &Window) -> bool {
    let video = window.video || window.expect == Some("first video frame");
    let status = incident.outcome.as_ref().and_then(|outcome| outcome.strip_prefix("status "));
    let page = |status: &str| window.reason.is_some_and(|r| r.contains(&format!("the page answered {status}")));
    incident.media && video || status.is_some_and(page)
}

/// What went wrong in steps that held.
fn held<'e>(record: &Record, events: &'e [Event]) -> BTreeMap<(&'e str, String, String), Vec<Held<'e>>> {
    let ends = || events.iter().filter(|e| is(e, "step_end"));
    let session = |e: &'e Event| e.ids.session_id.as_deref();
    let failed: BTreeSet<&str> = ends().filter(|e| !e.flag("ok")).filter_map(session).collect();
    // Where a play failed and none of its steps did, one that held may have been where it broke.
    let plays = record.plays.iter().filter(|p| match p.ending {
        Ending::Passed => true,
        Ending::Failed => failed.contains(p.session_id.as_str()),
        _ => false,
    });
    let faulted: BTreeMap<&str, bool> = plays.map(|p| (p.session_id.as_str(), p.faulted)).collect();
    let mut spans: BTreeMap<&str, (u64, bool)> = BTreeMap::new();
    for end in ends().filter(|e| e.flag("ok") && !e.flag("slow")) {
        // What must be refused there need not be elsewhere.
        let must_fail = end.text("expect").and_then(|name| find(EXPECTATIONS, name)).is_some_and(|e| e.must_fail);
        let known = session(end).and_then(|session| faulted.get(session)).filter(|_| !must_fail);
        if let (Some(span), Some(faulted)) = (end.ids.span_id.as_deref(), known) {
            spans.insert(span, (end.seq, *faulted));
        }
    }
    let mut held: BTreeMap<(&str, String, String), Vec<Held>> = BTreeMap::new();
    for event in events {
        let span = event.ids.span_id.as_deref().and_then(|span| spans.get(span));
        let (Some((end, faulted)), Some(incident)) = (span, Incident::read(event)) else { continue };
        let Some(outcome) = incident.outcome else { continue };
        // Of what went wrong under our faults only the server's own answers are the app's.
        let own = incident.number.is_some() && outcome.starts_with("status ");
        if !incident.ours && (own || !faulted) {
            let known = held.entry((incident.method, incident.place, outcome)).or_default();
            known.push(Held { session: session(event), end: *end, waited: incident.waited });
        }
    }
    held
}

/// The app's own hosts, by name: a port says which of its servers it is.
struct Own {
    /// A name, or `*.name`.
    names: Vec<String>,
    /// What the app's own name ends with.
    site: Option<String>,
}

impl Own {
    /// Those of an app at this base, with these further ones: `name`, `name:port`, `name:*` or `*.name`.
    fn new<'a>(base: &str, more: impl Iterator<Item = &'a str>) -> Self {
        let name =
            |host: &str| host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']).to_owned();
        let own = host(base);
        // `api.example.org` is of the same house as `app.example.org`.
        let site = own.split_once('.').map(|(_, site)| site).filter(|site| site.contains('.'));
        let site = Some(site.unwrap_or(&own).to_owned()).filter(|site| !site.is_empty());
        Self { names: more.map(name).chain([own]).collect(), site }
    }

    fn holds(&self, host: &str) -> bool {
        // Nobody meets a stranger by a bare address or a single word.
        let near = !host.contains('.') || host.parse::<IpAddr>().is_ok();
        let named = |own: &String| own.strip_prefix("*.").map_or(own == host, |site| is_below(host, site));
        near || self.names.iter().any(named)
            || self.site.as_ref().is_some_and(|site| host == site || is_below(host, site))
    }
}

fn is_below(host: &str, site: &str) -> bool {
    host.strip_suffix(site).is_some_and(|rest| rest.ends_with('.'))
}

/// A URL's host and path.
fn place(url: &str) -> String {
    let Ok(read) = Url::parse(url) else { return url.split(['?', '#']).next().unwrap_or_default().to_owned() };
    let port = read.port().map_or(String::new(), |port| format!(":{port}"));
    format!("{}{port}{}", read.host_str().unwrap_or_default(), read.path())
}

/// A URL's host, without its port.
fn host(url: &str) -> String {
    let read = Url::parse(url).ok();
    read.as_ref().and_then(Url::host_str).unwrap_or_default().trim_matches(['[', ']']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_apps_hosts_are_those_it_names_and_those_of_its_own_house() {
        let own = Own::new("https://app.example.org/x", ["cdn.example.net:443", "*.media.test", "h:*"].into_iter());
        for (host, wanted) in [
            ("app.example.org", true),
            ("api.example.org", true),
            ("example.org", true),
            ("badexample.org", false),
            ("cdn.example.net", true),
            ("www.cdn.example.net", false),
            ("a.media.test", true),
            ("media.test", false),
            ("h", true),
            ("127.0.0.1", true),
            ("::1", true),
            ("www.google-analytics.com", false),
        ] {
            assert_eq!(own.holds(host), wanted, "{host}");
        }
        let short = Own::new("https://example.org", std::iter::empty());
        assert!(short.holds("api.example.org") && !short.holds("other.org"));
    }

    #[test]
    fn a_place_is_a_url_without_its_scheme_query_and_usual_port() {
        assert_eq!(place("https://h.test:443/a?b#c"), "h.test/a");
        assert_eq!(place("http://h.test:4700"), "h.test:4700/");
        assert_eq!((host("http://[::1]:4700/a"), host("no url")), ("::1".to_owned(), String::new()));
    }
}
