//! Every metric that events feed: a row each.

use super::http;
use super::names::{self, text};
use crate::event::Event;
use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute as known;

/// Seconds to a first frame: fine around 2 s and 3 s, which are promised.
const FRAMES: &[f64] = &[0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 20.0, 45.0];
/// Seconds a picture stands: fine around 3 s, past which a stall counts.
const STALLS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0];
/// Seconds of a request, as the conventions advise.
const REQUESTS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Seconds of a play.
const PLAYS: &[f64] = &[1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 7200.0];
/// A metric, and what feeds it.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) about: &'static str,
    pub(super) kind: Kind,
    /// The value of an event, and its attributes besides the play's own.
    pub(super) of: fn(&Event) -> Option<Point>,
}

/// What it is.
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram(&'static [f64]),
}

/// A value, and its attributes.
pub(super) type Point = (f64, Vec<KeyValue>);

/// Every metric that events feed.
pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "hydra.preset.first_frame.duration",
        unit: "s",
        about: "From the viewer's input to the first frame of a new preset",
        kind: Kind::Histogram(FRAMES),
        of: |e| timed(e, "first_visualizer_frame"),
    },
    Metric {
        name: "hydra.preset.loads",
        unit: "{load}",
        about: "Preset switches, by whether the declared picture came; those that had to fail are left out",
        kind: Kind::Counter,
        of: |e| outcome(e, "hydra_preset_eval_success", "hydra_preset_eval_error"),
    },
    Metric {
        name: "media.playback.startup.duration",
        unit: "s",
        about: "From the viewer's input to the first decoded frame of a video (CTA-2066 initialStartupTime)",
        kind: Kind::Histogram(FRAMES),
        of: |e| timed(e, "video_init_frame_ready"),
    },
    Metric {
        name: "media.playback.starts",
        unit: "{start}",
        about: "Videos that were to start, by whether a decoded frame came, with the class of failure",
        kind: Kind::Counter,
        of: |e| outcome(e, "video_init_frame_ready", "video_init_error"),
    },
    Metric {
        name: "media.playback.stall.duration",
        unit: "s",
        about: "How long pictures stood still (CTA-2066 playbackStallDuration)",
        kind: Kind::Histogram(STALLS),
        of: |e| Some((timed(e, "playback_stall")?.0, labelled(e, &[("kind", "media.playback.stall.kind")]))),
    },
    Metric {
        name: "media.playback.watched.time",
        unit: "s",
        about: "Time watched (CTA-2066 watchedTime): pauses and seeks are no watching",
        kind: Kind::Counter,
        of: |e| {
            (e.event == "playback_summary").then(|| e.number("watched_ms")).flatten().map(|ms| (ms / 1000.0, vec![]))
        },
    },
    Metric {
        name: "http.client.request.duration",
        unit: "s",
        about: "Requests of the browser, and of the app's own media proxy, as the proxies between saw them",
        kind: Kind::Histogram(REQUESTS),
        of: request,
    },
    Metric {
        name: "fault.injections",
        unit: "{fault}",
        about: "Faults that were carried out",
        kind: Kind::Counter,
        of: |e| once(e, &["fault_applied"], &[("kind", "fault.kind"), ("leg", "fault.leg")]),
    },
    Metric {
        name: "browser.console.errors",
        unit: "{error}",
        about: "Console errors and uncaught exceptions",
        kind: Kind::Counter,
        of: |e| once(e, &["console_error", "exception"], &[]),
    },
    Metric {
        name: "browser.crashes",
        unit: "{crash}",
        about: "Tabs and browsers that were lost",
        kind: Kind::Counter,
        of: |e| once(e, &["browser_crash"], &[]),
    },
    Metric {
        name: "browser.memory.usage",
        unit: "By",
        about: "Proportional set size of the browser's processes, as last sampled",
        kind: Kind::Gauge,
        of: |e| (e.event == "memory_sample").then(|| e.number("pss_bytes")).flatten().map(|bytes| (bytes, vec![])),
    },
    Metric {
        name: "synthetic.plays",
        unit: "{play}",
        about: "Plays, by how they ended",
        kind: Kind::Counter,
        of: |e| once(e, &["journey_end"], &[("ending", names::ENDING), ("class", known::ERROR_TYPE)]),
    },
    Metric {
        name: "synthetic.play.duration",
        unit: "s",
        about: "How long plays took from the browser being up",
        kind: Kind::Histogram(PLAYS),
        of: |e| Some((timed(e, "journey_end")?.0, labelled(e, &[("ending", names::ENDING)]))),
    },
    Metric {
        name: "synthetic.steps",
        unit: "{step}",
        about: "Steps of journeys, by whether what they expect came",
        kind: Kind::Counter,
        of: |e| {
            let ok = if e.flag("ok") { "success" } else { "failure" };
            (e.event == "step_end").then(|| (1.0, vec![text(names::OUTCOME, ok)]))
        },
    },
    Metric {
        name: "synthetic.events",
        unit: "{event}",
        about: "Events, by who saw them",
        kind: Kind::Counter,
        of: |e| Some((1.0, vec![text(names::SOURCE, e.source.name())])),
    },
];

/// An event's `ms` in seconds.
fn timed(event: &Event, name: &str) -> Option<Point> {
    let ms = event.number("ms").filter(|_| event.event == name)?;
    Some((ms / 1000.0, Vec::new()))
}

fn once(event: &Event, any: &[&str], fields: &[(&str, &'static str)]) -> Option<Point> {
    any.contains(&event.event.as_str()).then(|| (1.0, labelled(event, fields)))
}

fn outcome(event: &Event, good: &str, bad: &str) -> Option<Point> {
    let outcome = match event.event.as_str() {
        name if name == good => "success",
        name if name == bad => "failure",
        _ => return None,
    };
    let mut attributes = labelled(event, &[("class", known::ERROR_TYPE)]);
    attributes.push(text(names::OUTCOME, outcome));
    Some((1.0, attributes))
}

/// A request that a proxy saw. A tunnel is none: it lasts as long as all that goes through it.
fn request(event: &Event) -> Option<Point> {
    let (method, _) = http::method(event);
    if !http::is_request(event) || method == "CONNECT" {
        return None;
    }
    let mut attributes = labelled(event, &[("leg", "synthetic.proxy.leg")]);
    attributes.push(text(known::HTTP_REQUEST_METHOD, method));
    attributes.extend(http::server(event));
    let status = http::status(event);
    attributes.extend(status.map(|status| KeyValue::new(known::HTTP_RESPONSE_STATUS_CODE, status)));
    attributes.extend(http::error(event).map(|error| text(known::ERROR_TYPE, error)));
    // A socket's request is over with its answer, whatever is said after.
    let answered = event.number("ttfb_ms").filter(|_| status == Some(101));
    Some((answered.or_else(|| event.number("ms"))? / 1000.0, attributes))
}

fn labelled(event: &Event, fields: &[(&str, &'static str)]) -> Vec<KeyValue> {
    fields.iter().filter_map(|(field, name)| Some(text(name, event.text(field)?.to_owned()))).collect()
}
