//! What is folded from hand-made events.

mod requests;
mod samples;

use super::fold::PIECE;
use super::meters::{Meters, Reader, meters};
use super::prometheus;
use super::spans::Spans;
use super::when::When;
use super::*;
use crate::event::{Event, Ids, Origin};
use opentelemetry::logs::{AnyValue, Severity};
use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::trace::SpanData;
use serde_json::{Value, json};
use std::time::{Duration, UNIX_EPOCH};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const ROOT: &str = "00000000000000a1";
const STEP: &str = "00000000000000b1";

fn event(name: &str, t_ms: f64, span: &str, fields: Value) -> Event {
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    let text = |text: &str| Some(text.to_owned());
    Event {
        v: 1,
        event: name.to_owned(),
        source: Origin::Monitor,
        timestamp: "2026-01-01T00:00:00.000Z".to_owned(),
        t_ms,
        seq: t_ms as u64,
        ids: Ids {
            run_id: "r1".into(),
            trace_id: text(TRACE),
            span_id: text(span),
            session_id: text("s1"),
            browser: text("firefox"),
            journey: text("presets"),
            step: (span == STEP).then(|| "next preset 3".to_owned()),
            ..Ids::default()
        },
        fields,
    }
}

fn request(fields: Value) -> Event {
    let mut all = json!({
        "method": "GET", "url": "http://127.0.0.1:4700/a.mp4", "host": "127.0.0.1:4700", "status": 206, "ms": 40.0,
        "bytes_sent": 9, "ended": "whole", "leg": "browser", "range": "bytes=0-", "request_span_id": "00000000000000c1",
        "faults": [],
    });
    all.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    Event { source: Origin::Proxy, ..event("video_proxy_response", 1500.0, STEP, all) }
}

fn play() -> Vec<Event> {
    vec![
        event("journey_start", 0.0, ROOT, json!({ "profile": "clean", "faulted": false, "number": 1, "attempt": 2 })),
        event("step_start", 1000.0, STEP, json!({})),
        event("first_visualizer_frame", 1400.0, STEP, json!({ "ms": 400.0 })),
        request(json!({})),
        event("step_end", 2000.0, STEP, json!({ "ok": true, "slow": true, "ms": 400.0, "step_ms": 1000.0 })),
        event("journey_end", 3000.0, ROOT, json!({ "ending": "passed", "ms": 2500.0, "start_up_ms": 500.0 })),
    ]
}

fn folded(events: &[Event]) -> Vec<SpanData> {
    let mut spans = Spans::new(InstrumentationScope::default(), "smoke".into());
    let (mut when, mut out) = (When::default(), Vec::new());
    // The clock is learnt from an event at zero.
    when.learn(&event("run_start", 0.0, ROOT, json!({})));
    events.iter().for_each(|event| spans.feed(event, &when, &mut out));
    spans.end(&when, &mut out);
    out
}

fn attribute(span: &SpanData, name: &str) -> Option<String> {
    span.attributes.iter().find(|a| a.key.as_str() == name).map(|a| a.value.as_str().into_owned())
}

fn span(id: &str) -> SpanId {
    SpanId::from_hex(id).expect("an id")
}

#[test]
fn a_play_is_a_trace_and_its_spans_nest() {
    let spans = folded(&play());
    let [request, step, journey] = spans.as_slice() else { panic!("{spans:#?}") };
    assert!(spans.iter().all(|s| s.span_context.trace_id().to_string() == TRACE));
    let at = |s: &SpanData| {
        let ms = |t: std::time::SystemTime| t.duration_since(UNIX_EPOCH).expect("later").as_millis() % 100_000;
        (ms(s.start_time), ms(s.end_time))
    };
    let base = at(journey).0;
    let since = |s: &SpanData| (at(s).0 - base, at(s).1 - base);
    assert_eq!(
        (journey.name.as_ref(), journey.span_context.span_id(), since(journey)),
        ("presets", span(ROOT), (0, 3000))
    );
    assert_eq!(
        (step.name.as_ref(), step.span_context.span_id(), since(step)),
        ("next preset", span(STEP), (1000, 2000))
    );
    assert_eq!((request.name.as_ref(), since(request)), ("GET", (1460, 1500)));
    assert_eq!(request.span_kind, SpanKind::Client);
    assert_eq!(request.span_context.span_id(), span("00000000000000c1"));
    assert_eq!(request.parent_span_id, step.span_context.span_id());
    assert_eq!(step.parent_span_id, journey.span_context.span_id());
    assert_eq!(journey.parent_span_id, SpanId::INVALID);
    for (of, name, value) in [
        (journey, "test.case.result.status", "pass"),
        (journey, "test.suite.name", "smoke"),
        (journey, "synthetic.profile", "clean"),
        (journey, "synthetic.play.attempt", "2"),
        (step, "synthetic.step", "next preset 3"),
        (step, "synthetic.step.slow", "true"),
        (request, "http.request.method", "GET"),
        (request, "http.response.status_code", "206"),
        (request, "url.full", "http://127.0.0.1:4700/a.mp4"),
        (request, "server.address", "127.0.0.1"),
        (request, "server.port", "4700"),
        (request, "session.id", "s1"),
    ] {
        assert_eq!(attribute(of, name).as_deref(), Some(value), "{name}");
    }
    assert!(spans.iter().all(|s| s.status == Status::Unset));
}

#[test]
fn what_failed_says_why_and_a_broken_play_is_no_failed_test() {
    let mut events = play();
    events[3] = request(json!({ "status": 503 }));
    events[4] = event("step_end", 2000.0, STEP, json!({ "ok": false, "reason": "black" }));
    events[5] = event("journey_end", 3000.0, ROOT, json!({ "ending": "broken", "reason": "no WebGL" }));
    let spans = folded(&events);
    assert_eq!(spans[0].status, Status::error(""), "its code says it");
    assert_eq!(attribute(&spans[0], "error.type").as_deref(), Some("503"));
    assert_eq!(spans[1].status, Status::error("black"));
    assert_eq!(spans[2].status, Status::error("no WebGL"));
    assert_eq!(attribute(&spans[2], "test.case.result.status"), None);
}

#[test]
fn a_request_without_an_answer_and_one_cut_short_are_errors() {
    let error = |fields| attribute(&folded(&[request(fields)])[0], "error.type");
    assert_eq!(error(json!({ "status": null, "ended": "connect_failed" })).as_deref(), Some("connect_failed"));
    assert_eq!(error(json!({ "ended": "upstream_cut" })).as_deref(), Some("upstream_cut"));
    assert_eq!(error(json!({ "ended": "client_closed" })), None, "a player may well seek away");
}

#[test]
fn a_request_of_the_apps_own_proxy_hangs_below_the_apps_span() {
    let spans = folded(&[request(json!({ "leg": "upstream", "parent_span_id": "00000000000000d1" }))]);
    assert_eq!(spans[0].parent_span_id, span("00000000000000d1"));
}

#[test]
fn what_never_ended_ends_with_the_run_as_unfinished() {
    let spans = folded(&play()[..4]);
    let [_, step, journey] = spans.as_slice() else { panic!("{spans:#?}") };
    assert_eq!(step.status, Status::error("the play ended within it"));
    assert_eq!(journey.status, Status::error("unfinished"));
    assert_eq!(step.parent_span_id, journey.span_context.span_id());
    assert_eq!(journey.end_time, step.end_time, "as far as it was heard of");
}

#[test]
fn an_end_without_its_beginning_still_gives_a_span_of_the_right_length() {
    let spans = folded(&[play().remove(4), play().remove(5)]);
    let took = |s: &SpanData| s.end_time.duration_since(s.start_time).expect("later");
    assert_eq!(took(&spans[0]), Duration::from_secs(1));
    assert_eq!(took(&spans[1]), Duration::from_secs(3));
}

#[test]
fn spans_without_an_id_are_not_made_up() {
    let mut bare = play();
    for event in &mut bare {
        event.ids.trace_id = None;
    }
    assert_eq!(folded(&bare), []);
    assert_eq!(folded(&[request(json!({ "request_span_id": null }))]), []);
    assert_eq!(folded(&[request(json!({ "request_span_id": "not hex" }))]), []);
}

#[test]
fn every_event_is_a_log_record_with_its_trace_and_its_fields() {
    let mut logs = Logs::new(InstrumentationScope::default());
    let mut when = When::default();
    let mut shown = event("first_visualizer_frame", 0.0, STEP, json!({ "ms": 400.5, "programs": ["a"], "none": null }));
    shown.ids.preset_id = Some("drift".into());
    when.learn(&shown);
    let record = logs.record(&shown, &when);
    assert_eq!(record.event_name(), Some("hydra.preset.first_frame"));
    assert_eq!(record.severity_number(), Some(Severity::Info));
    let context = record.trace_context().expect("a trace");
    assert_eq!((context.trace_id.to_string().as_str(), context.span_id), (TRACE, span(STEP)));
    let value = |name: &str| record.attributes_iter().find(|(key, _)| key.as_str() == name).map(|(_, v)| v.clone());
    assert_eq!(value("synthetic.ms"), Some(AnyValue::Double(400.5)));
    assert_eq!(value("synthetic.preset_id"), Some("drift".into()));
    assert_eq!(value("session.id"), Some("s1".into()));
    assert_eq!(value("synthetic.event"), Some("first_visualizer_frame".into()));
    assert!(matches!(value("synthetic.programs"), Some(AnyValue::ListAny(items)) if items.len() == 1));
    assert_eq!(value("synthetic.none"), None);
    let thrown = logs.record(&event("exception", 1.0, STEP, json!({ "text": "x is not defined" })), &when);
    assert_eq!((thrown.event_name(), thrown.severity_number()), (Some("exception"), Some(Severity::Error)));
    assert!(thrown.attributes_iter().any(|(key, _)| key.as_str() == "exception.message"));
}

fn metered(events: &[Event]) -> (Meters, Reader) {
    metered_as(Resource::builder_empty().build(), events)
}

fn metered_as(resource: Resource, events: &[Event]) -> (Meters, Reader) {
    let scope = InstrumentationScope::default();
    let counts = Arc::new(Counts::default());
    counts.came(3, 2);
    let counts = vec![(Signal::Logs, counts)];
    let (mut meters, _, reader) = meters(resource, scope, Temporality::Delta, counts, Arc::default());
    events.iter().for_each(|event| meters.feed(event));
    (meters, reader)
}

#[test]
fn metrics_count_and_time_what_the_events_say() {
    let mut events = play();
    events.push(Event { source: Origin::App, ..event("first_visualizer_frame", 9.0, STEP, json!({ "ms": 1.0 })) });
    events.push(event("first_visualizer_frame", 9.0, STEP, json!({ "ms": 9999.0, "busy_host": { "share": 0.9 } })));
    events.push(event("playback_stall", 9.0, STEP, json!({ "ms": 3500.0, "kind": "freeze" })));
    events.push(event("memory_sample", 9.0, STEP, json!({ "pss_bytes": 1e6 })));
    let (meters, reader) = metered(&events);
    meters.judged(&[("hydra.preset_load".into(), "met")], 0, 1.5e9);
    let text = prometheus::write(&reader.read());
    let own = "synthetic_browser=\"firefox\",synthetic_journey_id=\"presets\",synthetic_profile=\"clean\"";
    for line in [
        format!("hydra_preset_first_frame_duration_seconds_count{{{own}}} 1"),
        format!("hydra_preset_first_frame_duration_seconds_sum{{{own}}} 0.4"),
        format!("hydra_preset_first_frame_duration_seconds_bucket{{{own},le=\"0.25\"}} 0"),
        format!("hydra_preset_first_frame_duration_seconds_bucket{{{own},le=\"0.5\"}} 1"),
        format!("hydra_preset_first_frame_duration_seconds_bucket{{{own},le=\"+Inf\"}} 1"),
        format!("media_playback_stall_duration_seconds_sum{{media_playback_stall_kind=\"freeze\",{own}}} 3.5"),
        format!("browser_memory_usage_bytes{{{own}}} 1000000"),
        format!("synthetic_plays_total{{{},synthetic_ending=\"passed\",{}}} 1", &own[..27], &own[28..]),
        format!("synthetic_steps_total{{outcome=\"success\",{own}}} 1"),
        "synthetic_objective_verdict{synthetic_objective_id=\"hydra.preset_load\",synthetic_verdict=\"met\"} 1"
            .to_owned(),
        "synthetic_run_end_time_seconds 1500000000".to_owned(),
        "synthetic_telemetry_items_total{outcome=\"dropped\",synthetic_signal=\"logs\"} 2".to_owned(),
        "target_info 1".to_owned(),
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in:\n{text}");
    }
    let request = text.lines().find(|l| l.starts_with("http_client_request_duration_seconds_sum")).expect("a request");
    assert!(request.ends_with(" 0.04") && request.contains("http_response_status_code=\"206\""), "{request}");
    let app = text.lines().find(|l| l.starts_with("synthetic_events_total") && l.contains("source=\"app\""));
    assert!(app.is_some_and(|l| l.ends_with(" 1")), "{text}");
}

#[test]
fn a_tap_hands_over_whole_lines_and_counts_what_has_no_room() {
    let (input, looked) = (Arc::new(Queue::new(3 * PIECE)), Arc::<Counts>::default());
    let mut tap = tap(input.clone(), looked.clone());
    let line = format!("{}\n", "x".repeat(999));
    let text = line.repeat(1000);
    tap(text.as_bytes(), 1000);
    let mut seen = 0;
    input.close();
    while let Some(pieces) = input.take(1, Duration::ZERO) {
        for piece in pieces {
            assert!(piece.len() <= PIECE + line.len() && piece.ends_with(b"x\n") && piece.starts_with(b"x"));
            seen += piece.len() / line.len();
        }
    }
    assert!(seen >= 250, "{seen}");
    assert_eq!(looked.lost() + seen as u64, 1000);
    assert_eq!(looked.dropped(), 1000, "none was looked at");
}
