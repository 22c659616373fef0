//! A play's media, from its events: every exchange looked at, every rule it broke told once, every failure classed.

use super::Exchange;
use super::class::{Class, Classed, Element, Ending, Facts, Looked, classify};
use super::lint::{Found, Lint, Severity};
use crate::event::{Event, Origin, query_hash};
use crate::measure::{LONG_STALL_MS, STUTTERS};
use crate::table::Row;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};

/// Exchanges kept: the last ones decide, and a request storm makes thousands.
const KEPT: usize = 2048;

/// A rule that a URL's answers broke in a play.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Violation {
    /// The rule.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Who says so.
    pub rule_source: &'static str,
    /// What was seen first.
    pub says: String,
    /// In answer to which request; its number at the proxy.
    pub request: u64,
    /// Which way it went.
    pub leg: String,
    /// The URL without its query.
    pub url: String,
    /// How many of its answers broke it.
    pub times: u64,
    /// Each of them was made or changed by a fault of this monitor's.
    pub ours: bool,
}

/// The media of one play.
#[derive(Clone, Debug, Default)]
pub struct Story {
    lint: Lint,
    looked: VecDeque<Looked>,
    violations: Vec<Violation>,
    /// Requests whose answer could not be framed: number, path.
    unframed: BTreeMap<(u64, String), String>,
    codecs: Option<Map<String, Value>>,
    /// A fault of the link, or of a whole connection, was applied: what came late was made late.
    slowed: bool,
    failure: Option<Failure>,
    /// A video that played, and did not go on.
    stopped: Option<Failure>,
    /// When a page took a source away and gave its element another one.
    replaced: Vec<f64>,
    over: bool,
}

/// A video that failed.
#[derive(Clone, Debug)]
struct Failure {
    element: Element,
    ending: Ending,
    step: Option<String>,
    /// When it was declared, on the run's clock; how long was waited, milliseconds.
    at: f64,
    waited: f64,
    /// When it was given a source anew, after it broke off: what came later did not break it.
    again: Option<f64>,
    /// From when until when picture and clock stood, as they do for want of data.
    starved: Option<(f64, f64)>,
}

impl Story {
    /// The names of the events it reads.
    pub const READS: [&str; 12] = [
        "video_proxy_response",
        "upstream_violation",
        "fault_applied",
        "environment",
        "step_end",
        "playback_stall",
        "playback_summary",
        "playback_seek",
        "picture_number",
        "playback_few_pictures",
        "playback_end",
        "journey_end",
    ];

    /// Takes an event of the play, in the order written. What comes after the play's end is not of it.
    pub fn feed(&mut self, event: &Event) {
        // An app has events of the same names.
        if self.over || event.source == Origin::App {
            return;
        }
        match event.event.as_str() {
            "video_proxy_response" => {
                if let Some(x) = Exchange::read(event) {
                    self.exchange(x);
                }
            }
            "upstream_violation" => {
                let number = event.number("request").unwrap_or_default() as u64;
                let path = event.text("path").unwrap_or_default().to_owned();
                let what = event.text("what").unwrap_or_default().to_owned();
                self.unframed.insert((number, path), what);
            }
            "fault_applied" => self.slowed |= event.fields.get("request").is_some_and(Value::is_null),
            "environment" => self.codecs = event.fields.get("codecs").and_then(Value::as_object).cloned(),
            // A play ends with its first failed step.
            "step_end" if !event.flag("ok") => {
                let video = event.fields.get("video").cloned();
                self.failure = video.and_then(|v| serde_json::from_value(v).ok()).map(|element| Failure {
                    element,
                    ending: Ending::NeverStarted,
                    step: event.ids.step.clone(),
                    at: event.t_ms,
                    waited: event.number("step_ms").unwrap_or_default(),
                    again: None,
                    starved: None,
                });
            }
            // One that had not begun is the failed step's.
            "playback_stall" if event.text("kind") != Some("start") => {
                let long = event.number("ms").unwrap_or_default();
                // A long one is a failure, although the video went on.
                if !event.flag("recovered") || long > LONG_STALL_MS {
                    let at = event.number("end_ms").unwrap_or(event.t_ms);
                    let mut stopped = stopped(event, at, long, Ending::FrozeAt);
                    stopped.starved = (event.text("kind") == Some("rebuffering")).then_some((at - long, at));
                    let broke = event.number("start_ms").filter(|_| event.text("kind") == Some("interrupted"));
                    stopped.again = broke.and_then(|broke| self.replaced.iter().copied().find(|t| *t >= broke));
                    self.stopped = Some(stopped);
                }
            }
            "playback_summary" if self.stopped.is_none() => {
                let (stood, watched) = (event.number("stalled_ms"), event.number("watched_ms"));
                let (stood, watched) = (stood.unwrap_or_default(), watched.unwrap_or_default());
                if stood > LONG_STALL_MS && stood > STUTTERS * watched {
                    self.stopped = Some(stopped(event, event.t_ms, stood, Ending::FrozeAt));
                }
            }
            "playback_seek" if !event.flag("ok") => {
                self.stopped = Some(stopped(event, event.t_ms, 0.0, Ending::WentElsewhere));
            }
            "picture_number" if event.flag("elsewhere") => {
                self.stopped = Some(stopped(event, event.t_ms, 0.0, Ending::WentElsewhere));
            }
            "playback_few_pictures" => {
                let few = |_| {
                    let [has, declared] = ["fps", "declared_fps"].map(|field| event.number(field).unwrap_or_default());
                    Ending::TooFew(has, declared)
                };
                self.stopped = Some(stopped(event, event.t_ms, 0.0, few));
            }
            "playback_end" if event.flag("premature") => {
                self.stopped = Some(stopped(event, event.t_ms, 0.0, Ending::EndedEarlyAt));
            }
            "playback_end" if event.text("reason") == Some("replaced") => self.replaced.push(event.t_ms),
            "journey_end" => self.over = true,
            _ => {}
        }
    }

    fn exchange(&mut self, mut x: Exchange) {
        let path = url::Url::parse(&x.url).map_or(String::new(), |url| url.path().to_owned());
        x.unframed = x.unframed.or(self.unframed.remove(&(x.request, path)));
        let found = self.lint.feed(&x);
        for one in &found {
            let name = one.rule.name();
            let same = |v: &&mut Violation| v.rule == name && v.url == x.url && v.leg == x.leg;
            match self.violations.iter_mut().find(same) {
                Some(known) => {
                    known.times += 1;
                    known.ours &= x.ours;
                }
                None => self.violations.push(Violation {
                    rule: name,
                    severity: one.rule.severity,
                    rule_source: one.rule.source,
                    says: one.says.clone(),
                    request: x.request,
                    leg: x.leg.clone(),
                    url: x.url.clone(),
                    times: 1,
                    ours: x.ours,
                }),
            }
        }
        self.looked.push_back(Looked { x, found });
        if self.looked.len() > KEPT {
            self.looked.pop_front();
        }
    }

    /// Each rule broken so far, once for each URL and way.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Why the video of a play that failed did; `None` where no step failed that was about one, and none stopped.
    pub fn class(&self) -> Option<Classed> {
        // A step that gave no video a source may still have seen one stop.
        let failed = self.failure.as_ref().filter(|f| f.element.url.is_some());
        let mut failure = failed.or(self.stopped.as_ref()).or(self.failure.as_ref())?.clone();
        if let Some(stopped) = self.stopped.as_ref().filter(|s| s.element.url == failure.element.url) {
            (failure.ending, failure.starved) = (stopped.ending, stopped.starved);
        }
        let mut own = self.of(&failure);
        let Failure { element, ending, at, waited, again, starved, .. } = &failure;
        own.retain(|l| l.x.started() <= *at);
        own.sort_by(|a, b| a.x.started().total_cmp(&b.x.started()).then(a.x.request.cmp(&b.x.request)));
        let codecs = self.codecs.as_ref();
        let of = |own: &[&Looked], at: f64| {
            let (ending, waited, starved) = (*ending, *waited, *starved);
            classify(&Facts { exchanges: own, element, ending, codecs, at, waited, starved })
        };
        let mut classed = of(&own, *at);
        if let (Class::Silent, Some(again)) = (classed.class, again) {
            // Its last source had all it needs, and was too late: why the one before broke off is the question.
            let before = own.partition_point(|l| l.x.started() < *again);
            classed = of(&own[..before], *again);
        }
        classed.evidence.ours |= self.slowed;
        let decided = own.iter().find(|l| Some(l.x.request) == classed.evidence.request);
        if let Some(behind) = decided.and_then(|l| self.behind(&l.x)) {
            classed.evidence.says.push_str(&behind);
        }
        Some(classed)
    }

    /// What the app's own media proxy got meanwhile from where it fetches, if that was nothing good: the first of it.
    fn behind(&self, x: &Exchange) -> Option<String> {
        let meanwhile = |l: &&Looked| l.x.leg == "upstream" && (x.started()..=x.at).contains(&l.x.started());
        let behind =
            &self.looked.iter().filter(meanwhile).find(|l| l.x.went_wrong() || l.found.iter().any(Found::violates))?.x;
        let answer = behind.status.map_or("no answer".to_owned(), |status| status.to_string());
        Some(format!("; behind it, {} {}: {answer}, {}", behind.method, behind.url, behind.came()))
    }

    /// The exchanges of what the element plays, redirects followed. Of a source that is no address of
    /// the network's (a blob that scripts fill), those that started in the step, or were open when the waiting began.
    fn of(&self, failure: &Failure) -> Vec<&Looked> {
        let browser = || self.looked.iter().filter(|l| l.x.leg != "upstream");
        let Some(url) = failure.element.address() else {
            let step = failure.step.as_deref();
            let waiting = failure.at - failure.waited;
            let meant = |x: &Exchange| step.is_none() || x.step.as_deref() == step || x.at >= waiting;
            return browser().filter(|l| meant(&l.x)).collect();
        };
        // Of several files behind one path, its own, if the record shows which: a secret in a query is hidden.
        let query = failure.element.query().map(query_hash);
        let shown = browser().any(|l| l.x.url == url && l.x.query_hash == query);
        let own = |x: &Exchange| x.url == url && (!shown || x.query_hash == query);
        let location = |l: &Looked| l.x.location.clone();
        let mut found: Vec<String> = browser().filter(|l| own(&l.x)).filter_map(location).collect();
        let mut urls = Vec::new();
        while let Some(to) = found.pop() {
            if !urls.contains(&to) {
                found.extend(browser().filter(|l| l.x.url == to).filter_map(location));
                urls.push(to);
            }
        }
        browser().filter(|l| own(&l.x) || urls.contains(&l.x.url)).collect()
    }
}

/// A video as its playback was told to have stopped.
fn stopped(event: &Event, at: f64, waited: f64, ending: impl FnOnce(f64) -> Ending) -> Failure {
    let state = |key| event.number(key).map(|n| n as u8);
    let error = event.text("error").and_then(|text| text.strip_prefix("MediaError "));
    let (code, message) = error.map_or((None, ""), |text| {
        let (code, message) = text.split_once(' ').unwrap_or((text, ""));
        (code.parse().ok(), message)
    });
    let position = ["position_s", "landed_s", "picture_s"].into_iter().find_map(|field| event.number(field));
    let element = Element {
        url: event.text("url").map(str::to_owned),
        code,
        message: message.to_owned(),
        ready_state: state("ready_state"),
        network_state: state("network_state"),
        decoded: true,
        position,
        undrawable: None,
    };
    Failure {
        element,
        ending: ending(position.unwrap_or_default()),
        step: event.ids.step.clone(),
        at,
        waited,
        again: None,
        starved: None,
    }
}
