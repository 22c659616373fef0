//! A play in real browsers, told to a real receiver: one trace crosses the runner, the browser, the proxy, the app and the
//! app's own media proxy, and its ids are those of the record.

mod common;
mod receiver;

use common::{BROWSERS, SOUNDCHECK, STAGE};
use receiver::{Mood, Receiver, hex, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

const CLIENT: i32 = 3;
const SERVER: i32 = 2;

#[test]
fn one_trace_crosses_runner_browser_proxy_app_and_media_proxy_in_both_browsers() {
    assert!(Path::new(STAGE).exists());
    let receiver = Receiver::http(Mood::Good);
    let dir = tempfile::tempdir().expect("a folder");
    let (out, prom) = (dir.path().join("run"), dir.path().join("run.prom"));
    let done = Command::new(SOUNDCHECK)
        .args([
            "run",
            "smoke",
            "--journey",
            "video",
            "--app",
            "stage-proxied",
            "--history",
            "none",
            "--log-json",
            "-v",
            "--out",
        ])
        .arg(&out)
        .arg("--textfile")
        .arg(&prom)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url)
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=very-secret-key")
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .env("OTEL_SERVICE_NAME", "nightly")
        .env("OTEL_RESOURCE_ATTRIBUTES", "team=players")
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&done.stdout));
    assert!(!said.contains("did not arrive"), "{said}");
    let events = std::fs::read_to_string(out.join("events.jsonl")).expect("events");
    let events: Vec<Value> = events.lines().map(|l| serde_json::from_str(l).expect("an event")).collect();
    let spans = receiver.spans();
    let of = |service: &str| {
        let own = spans.iter().filter(|(r, _)| text(&r.attributes, "service.name").as_deref() == Some(service));
        own.map(|(_, span)| (hex(&span.span_id), span)).collect::<BTreeMap<_, _>>()
    };
    let (runner, stage) = (of("nightly"), of("soundcheck-stage"));
    assert!(spans.iter().all(|(r, _)| text(&r.attributes, "team").as_deref() == Some("players")));
    let id = |event: &Value, field: &str| event[field].as_str().map(str::to_owned);

    let mut seen = BTreeSet::new();
    for browser in BROWSERS {
        let own: Vec<&Value> = events.iter().filter(|e| e["browser"] == browser).collect();
        let start = own.iter().find(|e| e["event"] == "journey_start").expect("a play");
        let (trace, root) = (id(start, "trace_id").expect("a trace"), id(start, "span_id").expect("a root"));
        assert_eq!(hex(&runner[&root].trace_id), trace);
        assert!(runner[&root].parent_span_id.is_empty(), "the play is the root");
        seen.insert(root.clone());
        let mut steps = BTreeSet::new();
        for step in own.iter().filter(|e| e["event"] == "step_end") {
            let span = id(step, "span_id").expect("a step");
            assert_eq!(hex(&runner[&span].parent_span_id), root);
            steps.insert(span);
        }
        assert!(steps.len() >= 2, "{browser}: {steps:?}");
        let (mut within, mut upstream) = (0, 0);
        let told = |e: &Value| e["event"] == "proxy_response" || e["event"] == "video_proxy_response";
        // What the browser asks for on its own behalf is in the record, and in no trace.
        for request in own.iter().filter(|e| told(e) && e["background"] != true) {
            let span = runner[&id(request, "request_span_id").expect("a span")];
            assert_eq!((span.kind, hex(&span.trace_id)), (CLIENT, trace.clone()));
            let parent = hex(&span.parent_span_id);
            match request["leg"].as_str() {
                // The media proxy's own span is between.
                Some("upstream") => {
                    let client = stage.get(&parent).unwrap_or_else(|| panic!("{request}"));
                    assert_eq!((client.kind, hex(&client.trace_id)), (CLIENT, trace.clone()));
                    assert_eq!(stage[&hex(&client.parent_span_id)].kind, SERVER);
                    upstream += 1;
                }
                // Before the first step it belongs to the play.
                _ => assert!(steps.contains(&parent) || parent == root, "{request}"),
            }
            within += u32::from(steps.contains(&parent));
            seen.insert(hex(&span.span_id));
        }
        assert!(within >= 5, "{browser}: {within} requests below a step");
        assert!(upstream >= 1, "{browser}: the app's media proxy fetched nothing in the trace");
        seen.extend(steps);
        let served = stage.values().filter(|s| s.kind == SERVER && hex(&s.trace_id) == trace).collect::<Vec<_>>();
        assert!(served.len() >= 5, "{browser}: {} requests served in the trace", served.len());
        for span in served {
            let parent = hex(&span.parent_span_id);
            assert!(runner.get(&parent).or(stage.get(&parent)).is_some_and(|p| p.kind == CLIENT), "{span:#?}");
            assert_eq!(text(&span.attributes, "session.id"), id(start, "session_id"), "baggage arrived");
        }
    }
    assert_eq!(runner.len(), seen.len(), "no span without an event");

    // Every event is a log record; only what is told of the export itself comes too late for it.
    let logs = receiver.logs();
    let told: Vec<&Value> = events.iter().filter(|e| e["event"] != "telemetry_export").collect();
    assert_eq!(logs.len(), told.len());
    for (log, event) in logs.iter().zip(told) {
        assert_eq!(text(&log.attributes, "synthetic.seq"), event["seq"].as_u64().map(|n| n.to_string()));
        assert_eq!(hex(&log.trace_id), event["trace_id"].as_str().unwrap_or_default());
        assert_eq!(hex(&log.span_id), event["span_id"].as_str().unwrap_or_default());
    }
    let metrics: BTreeSet<String> = receiver.metrics().into_iter().map(|m| m.name).collect();
    for name in ["media.playback.startup.duration", "http.client.request.duration", "synthetic.plays"] {
        assert!(metrics.contains(name), "{name} in {metrics:?}");
    }
    assert!(receiver.got(|got| got.headers.iter().any(|h| h.get("x-key").is_some_and(|k| k == "very-secret-key"))));
    assert!(receiver.got(|got| got.headers.iter().all(|h| h["content-encoding"] == "gzip")));

    let last = events.last().expect("events");
    assert_eq!((&last["event"], &last["logs"]["failed"]), (&"telemetry_export".into(), &0.into()));
    let verdict: Value = serde_json::from_slice(&std::fs::read(out.join("verdict.json")).expect("it")).expect("JSON");
    assert_eq!(verdict["telemetry"]["traces"]["dropped"], 0);
    let prom = std::fs::read_to_string(&prom).expect("a textfile");
    assert!(prom.contains("media_playback_startup_duration_seconds_count{"), "{prom}");
    // Diagnostics are JSON, a line each, and apart from the rest that is said.
    let json = said.lines().filter(|l| l.starts_with('{'));
    let json: Vec<Value> = json.map(|l| serde_json::from_str(l).expect("an object a line")).collect();
    assert!(json.len() > 10 && json.iter().all(|line| line["level"].is_string()), "{said}");
}
