//! What the record holds against a step: each event that may be the cause, with how likely it is.
//!
//! A clue weighs by what it is and by what the step was about: a shader that did not compile explains a missing picture and
//! no missing page. What the failed expectation itself names outranks all that only came at the same time, and what the run
//! bears elsewhere (`usual`) weighs next to nothing.

use super::chain::Window;
use super::is;
use super::request::{LONG_MS, Request};
use super::usual::{Errors, Incident, Usual};
use crate::event::{Event, Origin};
use crate::media::class::{Class, Evidence};
use crate::table::Row as _;
use crate::unit::{many, show_ms};
use serde::Serialize;
use serde_json::Value;

/// What a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The page, the browser or a WebGL context was lost.
    Lost,
    /// The media failed, by its class.
    Media,
    /// A request failed, was refused, or was slow.
    Request,
    /// An answer broke a rule.
    Rule,
    /// A shader or a program failed.
    Shader,
    /// Nothing caught it.
    Exception,
    /// A line of the console.
    Console,
    /// The page asked.
    Dialog,
    /// The picture stood.
    Stall,
    /// The app said so itself.
    App,
    /// Memory grew.
    Memory,
    /// What the monitor saw and heard, where nothing else in the record explains it better.
    Seen,
}

/// A cause, or what may have been one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Clue {
    /// What it is.
    pub kind: Kind,
    /// In a sentence: it names the request or the line.
    pub says: String,
    /// The line of `events.jsonl` that says it first, by its `seq`.
    pub seq: Option<u64>,
    /// The request's number at the proxy.
    pub request: Option<u64>,
    /// The request's URL.
    pub url: Option<String>,
    /// How often.
    pub times: u64,
    /// A fault of this monitor's made it.
    pub ours: bool,
    /// Nothing in the record explains what was seen.
    pub unexplained: bool,
    /// It explains what was seen; without, it only came at the same time.
    pub sure: bool,
    /// How the request went wrong, where it is about one: two ways at one URL are two causes.
    #[serde(skip)]
    pub(super) how: String,
    #[serde(skip)]
    pub(super) weight: u32,
}

/// What weighs as much explains what was seen.
const SURE: u32 = 45;

impl Clue {
    pub(super) fn new(kind: Kind, weight: u32, says: String) -> Self {
        Self {
            kind,
            says,
            seq: None,
            request: None,
            url: None,
            times: 1,
            ours: false,
            unexplained: false,
            sure: false,
            how: String::new(),
            weight,
        }
    }

    fn at(self, event: &Event) -> Self {
        Self { seq: Some(event.seq), ..self }
    }

    /// What two of the same have in common.
    pub(super) fn key(&self) -> String {
        let url = self.url.as_deref().map(|url| url.split_once("://").map_or(url, |(_, rest)| rest));
        // Ports differ from run to run, never within one.
        url.map_or_else(|| super::bare(&self.says), str::to_owned)
    }
}

/// What a step was about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Page,
    Picture,
    Video,
    Other,
}

/// What a reason begins with that tells a symptom, and no cause.
const SYMPTOMS: [&str; 26] = [
    "the old picture stayed",
    "the picture went black",
    "the picture is ",
    "the picture was black",
    "the picture stood",
    "the new picture",
    "the page loaded without",
    "the page did not finish",
    "the page answered",
    "the page could not be had",
    "the navigation failed",
    "the video decodes",
    "the video never played",
    "the video broke off",
    "the video stood still",
    "the video was sent to",
    "premature end",
    "no video was given a source",
    "no visible element matches",
    "no element matches",
    "no page came",
    "not done in",
    "it was still going on",
    "silent: no frame",
    "MediaError",
    "no picture",
];

/// Dialogs of one step that hold a page up.
const MANY_DIALOGS: usize = 5;

/// Everything that the record holds against a window of a play, the likeliest first; never empty.
pub(super) fn clues(window: &Window, events: &[&Event], usual: &Usual) -> Vec<Clue> {
    let about = match window.expect {
        Some("the page") => About::Page,
        Some("new picture" | "picture follows the sound") => About::Picture,
        Some("first video frame") => About::Video,
        _ if window.video => About::Video,
        _ => About::Other,
    };
    let mut found: Vec<Clue> = Vec::new();
    let mut dialogs: Vec<&Event> = Vec::new();
    let errors = Errors::of(window, events);
    for event in events {
        if is(event, "prompt") && window.holds(event) {
            dialogs.push(event);
        }
        if let Some(mut clue) = requested(window, about, event).or_else(|| told(window, about, event)) {
            if named(&clue, event, window.reason) {
                clue.weight += 40;
            }
            if let Some(incident) = Incident::read(event) {
                clue.weight = usual.weigh(clue.weight, &incident, window, &errors);
                clue.how = incident.how();
            }
            match found.iter_mut().find(|known| (known.kind, &known.says) == (clue.kind, &clue.says)) {
                Some(known) => known.times += 1,
                None => found.push(clue),
            }
        }
    }
    if let Some(first) = dialogs.first() {
        let says = format!(
            "the page opened {}: {} \"{}\"",
            many(dialogs.len() as u64, "dialog", "dialogs"),
            first.text("kind").unwrap_or_default(),
            first.text("message").unwrap_or_default()
        );
        let weight = if dialogs.len() >= MANY_DIALOGS { 78 } else { 15 };
        found.push(Clue::new(Kind::Dialog, weight, says).at(first));
    }
    found.extend(media(window, events).map(|media| explains(media, &found)));
    found.extend(window.reason.map(seen));
    if found.is_empty() {
        found.push(seen("no reason recorded"));
    }
    // A browser says of a request what the proxy says in full.
    let full: Vec<String> = found.iter().filter(|c| c.request.is_some()).filter_map(|c| c.url.clone()).collect();
    let bare = |url: &str| url.split(['?', '#']).next().unwrap_or_default().to_owned();
    found.retain(|c| {
        c.kind != Kind::Request || c.request.is_some() || c.url.as_ref().is_none_or(|url| !full.contains(&bare(url)))
    });
    found.iter_mut().for_each(|c| c.sure = c.weight >= SURE && !c.unexplained);
    found.sort_by(|a, b| b.weight.cmp(&a.weight).then(a.seq.cmp(&b.seq)));
    found
}

/// The expectation's own words. Where they tell a symptom, anything else explains more.
fn seen(reason: &str) -> Clue {
    let symptom = SYMPTOMS.iter().any(|s| reason.starts_with(s));
    let mut clue = Clue::new(Kind::Seen, if symptom { 10 } else { 77 }, reason.to_owned());
    clue.unexplained = symptom;
    clue
}

/// Whether the failed expectation's own words name it.
fn named(clue: &Clue, event: &Event, reason: Option<&str>) -> bool {
    let Some(reason) = reason else { return false };
    let said = match clue.kind {
        Kind::Shader => event.text("log"),
        Kind::Exception | Kind::Console => event.text("text"),
        _ => None,
    };
    let line = said.and_then(|s| s.lines().map(str::trim).find(|l| !l.is_empty())).unwrap_or_default();
    let line: String = line.trim_start_matches("Uncaught ").trim_start_matches("Error: ").chars().take(40).collect();
    line.len() > 5 && reason.contains(&line)
}

/// A request of the window's that went wrong or was slow.
fn requested(window: &Window, about: About, event: &Event) -> Option<Clue> {
    let request = Request::read(event)?;
    if !window.holds_request(event, request.started) {
        return None;
    }
    let wrong = request.wrong();
    // A page that has not ended when its step has failed is why, however soon that was.
    let least = if about == About::Page { 0.0 } else { LONG_MS };
    let open = request.open(window.to, least).filter(|_| wrong.is_none());
    let slow = || request.slow(window.to - window.from);
    let weight = match (about, request.is_media()) {
        (About::Page, _) if open.is_some() => 79,
        (About::Other, _) if open.is_some() => 30,
        _ if open.is_some() => 8,
        _ if wrong.is_none() => 50,
        _ if request.url().ends_with("/favicon.ico") => 3,
        // How the app takes what we do to it is the question then.
        _ if request.ours() && window.faulted => 65,
        (About::Page, _) => 80,
        (About::Picture, _) => 40,
        (About::Video, true) => 72,
        (About::Video, false) => 55,
        (About::Other, _) => 70,
    };
    let says = wrong.or(open).or_else(slow)?;
    Some(Clue {
        request: request.number(),
        url: Some(request.url().to_owned()),
        ours: request.ours(),
        ..Clue::new(Kind::Request, weight, format!("{} {says}", request.name())).at(event)
    })
}

/// Everything else that was told.
fn told(window: &Window, about: About, event: &Event) -> Option<Clue> {
    let text = |key| event.text(key).unwrap_or_default();
    let within = window.holds(event);
    // An error before the step may be why it failed; rarely is.
    let early = event.t_ms < window.from;
    let pick = |page, picture, other| match about {
        About::Page => page,
        About::Picture => picture,
        About::Video | About::Other => other,
    };
    let line = |kind, what: &str, weight: u32| {
        let says = format!("{what}: {}", shorten(text("text")));
        Some(Clue::new(kind, if within { weight } else { weight / 3 }, says).at(event))
    };
    if event.source == Origin::App {
        return said_by_app(event).filter(|_| within);
    }
    match event.event.as_str() {
        "loss_examined" if event.text("lost").is_some() => Some(Clue::new(Kind::Lost, 100, lost(event)).at(event)),
        "browser_crash" => {
            Some(Clue::new(Kind::Lost, 95, format!("the browser or its tab was lost: {}", text("reason"))).at(event))
        }
        "webgl_context_lost" => Some(Clue::new(Kind::Lost, 90, "the WebGL context was lost".to_owned()).at(event)),
        "shader_error" if within || early => {
            let says = format!("a shader did not compile: {}", shorten(text("log")));
            let weight = pick(50, 85, 50);
            Some(Clue::new(Kind::Shader, if within { weight } else { weight / 3 }, says).at(event))
        }
        "exception" if within || early => line(Kind::Exception, "uncaught exception", pick(55, 75, 60)),
        "console_error" if within || early => line(Kind::Console, "console error", pick(45, 65, 50)),
        "console_warning" if within => line(Kind::Console, "console warning", 14),
        "request_failed" if within && !text("url").contains("/.soundcheck/") => {
            // A page that is left, or a video that has enough, breaks its own requests off.
            let named = window.reason.is_some_and(|reason| reason.contains(text("error")));
            let own = !named && ["ABORTED", "NS_BINDING"].iter().any(|word| text("error").contains(word));
            let says = format!("{} failed: {}", text("url"), text("error"));
            let clue = Clue::new(Kind::Request, if own { 4 } else { pick(75, 38, 55) }, says).at(event);
            Some(Clue { url: Some(text("url").to_owned()), ..clue })
        }
        "response_refused" if within => {
            let status = event.number("status").unwrap_or_default();
            let says = format!("{} was answered with {status}", text("url"));
            let favicon = text("url").ends_with("/favicon.ico");
            let clue = Clue::new(Kind::Request, if favicon { 3 } else { pick(78, 38, 55) }, says).at(event);
            Some(Clue { url: Some(text("url").to_owned()), ..clue })
        }
        "auth_challenge" if within && !event.flag("answered") => {
            let says = format!("{} asked for a name and a password", text("url"));
            let clue = Clue::new(Kind::Request, pick(82, 38, 60), says).at(event);
            Some(Clue { url: Some(text("url").to_owned()), ..clue })
        }
        "resource_error" if within => {
            let says = format!("{} could not be loaded", text("url"));
            Some(Clue { url: event.text("url").map(str::to_owned), ..Clue::new(Kind::Request, 30, says).at(event) })
        }
        "upstream_violation" if within => {
            let says = format!("{} {}{}: {}", text("method"), text("host"), text("path"), text("what"));
            let request = event.number("request").map(|n| n as u64);
            Some(Clue { request, ..Clue::new(Kind::Rule, pick(81, 41, 73), says).at(event) })
        }
        "request_storm" if within => {
            let says = format!("{} {}{} was asked for again and again", text("method"), text("host"), text("path"));
            Some(Clue::new(Kind::Request, 60, says).at(event))
        }
        // Told when all requests are: after the step.
        "media_violation" if text("severity") == "violation" && about == About::Video => {
            let says = format!("the answer of {} broke the rule {}: {}", text("url"), text("rule"), text("says"));
            let request = event.number("request").map(|n| n as u64);
            Some(Clue {
                request,
                url: Some(text("url").to_owned()),
                ours: event.flag("ours"),
                how: text("rule").to_owned(),
                ..Clue::new(Kind::Rule, 42, says).at(event)
            })
        }
        "playback_stall" if within => {
            let clue = stall(event);
            // Where the step failed by it, it is no bystander.
            let failed_by = window.reason.is_some_and(|reason| reason.starts_with("the picture stood"));
            Some(Clue { weight: if failed_by { SURE + 1 } else { clue.weight }, ..clue })
        }
        _ => None,
    }
}

/// What was looked into when a page or a context was lost, and what that came to.
fn lost(event: &Event) -> String {
    let what = event.text("lost").unwrap_or_default();
    let ended = ["page_process", "gpu_process", "browser_process"]
        .iter()
        .filter_map(|key| Some(format!("{}: {}", key.replace('_', " "), event.text(key)?)));
    let said: Vec<String> = match event.text("outside") {
        Some(outside) => vec![outside.to_owned()],
        None => std::iter::once("no cause from outside".to_owned()).chain(ended).collect(),
    };
    format!("the {what} was lost: {}", said.join(", "))
}

/// A picture that stood, with the request for its media.
pub(super) fn stall(event: &Event) -> Clue {
    let text = |key| event.text(key).unwrap_or_default();
    let said: Vec<&str> = ["waiting", "stalled"].into_iter().filter(|word| event.flag(word)).collect();
    let said = if said.is_empty() { "nothing".to_owned() } else { said.join(", ") };
    let at = event.number("position_s").map_or(String::new(), |s| format!(" at {s:.1} s of the media"));
    let error = event.text("error").map_or(String::new(), |e| format!(", {e}"));
    let says = format!(
        "the picture of {} stood for {}{at}; the browser told {said}{error}",
        text("url"),
        show_ms(event.number("ms").unwrap_or_default())
    );
    Clue { url: event.text("url").map(str::to_owned), ..Clue::new(Kind::Stall, 35, says).at(event) }
}

/// What the page said of a video's failure, once the failure's own evidence quotes it, is its echo.
fn explains(media: Clue, found: &[Clue]) -> Clue {
    let quoted = |c: &&Clue| {
        let said = c.says.split_once(": ").map_or("", |(_, said)| said);
        matches!(c.kind, Kind::Exception | Kind::Console) && said.len() > 5 && media.says.contains(said)
    };
    let echo = found.iter().filter(quoted).map(|c| c.weight + 1).max().filter(|_| !media.unexplained);
    Clue { weight: media.weight.max(echo.unwrap_or_default()), ..media }
}

/// What the app itself calls an error.
fn said_by_app(event: &Event) -> Option<Clue> {
    const BAD: [&str; 5] = ["error", "fail", "reject", "denied", "fallback"];
    BAD.iter().any(|word| event.event.contains(word)).then(|| {
        let said = event.fields.get("app").map_or(String::new(), Value::to_string);
        let says = format!("the app itself said {}: {}", event.event, shorten(&said));
        Clue::new(Kind::App, 25, says).at(event)
    })
}

/// Why the media failed, by its class: the request that decided, and what came of it.
fn media(window: &Window, events: &[&Event]) -> Option<Clue> {
    let class = window.class?;
    let none = Evidence::default();
    let evidence = window.evidence.unwrap_or(&none);
    let decided = evidence.request.and_then(|number| {
        let of = |e: &&&Event| is(e, "video_proxy_response") && e.text("leg") != Some("upstream");
        events.iter().filter(of).rfind(|e| e.number("request") == Some(number as f64))
    });
    let weight = match (class, decided) {
        // It says that nothing is known: what was seen says more.
        (Class::Silent, _) => 9,
        _ if evidence.ours && window.faulted => 66,
        (_, Some(_)) => 90,
        (_, None) => 60,
    };
    let url = decided.and_then(|e| e.text("url")).or(window.media_url);
    let status = evidence.status.map_or(String::new(), |s| format!(" was answered with {s}"));
    let range = decided.and_then(|e| e.text("range")).map_or(String::new(), |range| format!(" ({range})"));
    let what = match (decided, url) {
        (Some(e), Some(url)) => format!("{} {url}{range}{status}: ", e.text("method").unwrap_or("GET")),
        (None, Some(url)) => format!("{url}: "),
        _ => String::new(),
    };
    let clue = Clue::new(Kind::Media, weight, format!("{what}{} ({})", evidence.says, class.name()));
    Some(Clue {
        seq: decided.map(|e| e.seq),
        request: evidence.request.filter(|_| decided.is_some()),
        url: url.map(str::to_owned),
        ours: evidence.ours,
        unexplained: class == Class::Silent,
        how: format!("{}{status}", class.name()),
        ..clue
    })
}

/// The first line, and of that no more than a terminal shows.
pub(super) fn shorten(text: &str) -> String {
    const MOST: usize = 160;
    let line = text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
    match line.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}...", &line[..cut]),
        None => line.to_owned(),
    }
}
