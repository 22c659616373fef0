//! Plays in real browsers, told to a real receiver: one trace crosses the runner, the browser, the proxy, the app and the app's
//! own media proxy; spans nest; and all ids are those of the record.

mod common;
mod receiver;

use common::{BROWSERS, SOUNDCHECK, STAGE};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use receiver::{Mood, Receiver, hex, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

const CLIENT: i32 = 3;
const SERVER: i32 = 2;
/// A request may begin so much before its step does, nanoseconds: who is told of a step and who asks are two.
const SLACK: u64 = 50_000_000;

/// A smoke that was told.
struct Told {
    dir: tempfile::TempDir,
    receiver: Receiver,
    /// What it said on stderr.
    said: String,
    events: Vec<Value>,
    spans: Vec<(Resource, Span)>,
}

impl Told {
    /// Runs it, with these arguments and variables besides.
    fn smoke(receiver: Receiver, args: &[&str], env: &[(&str, &str)]) -> Self {
        assert!(Path::new(STAGE).exists());
        let dir = tempfile::tempdir().expect("a folder");
        let out = dir.path().join("run");
        let done = Command::new(SOUNDCHECK)
            .args(["run", "smoke", "--history", "none", "--log-json", "-v", "--out"])
            .arg(&out)
            .arg("--textfile")
            .arg(dir.path().join("run.prom"))
            .args(args)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url)
            .env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=very-secret-key")
            .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
            .env("OTEL_SERVICE_NAME", "nightly")
            .env("OTEL_RESOURCE_ATTRIBUTES", "team=players")
            .envs(env.iter().copied())
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&done.stdout));
        assert!(!said.contains("did not arrive"), "{said}");
        let events = std::fs::read_to_string(out.join("events.jsonl")).expect("events");
        let events = events.lines().map(|l| serde_json::from_str(l).expect("an event")).collect();
        let spans = receiver.spans();
        Self { dir, receiver, said, events, spans }
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    /// The spans of a service, by their ids.
    fn of(&self, service: &str) -> BTreeMap<String, &Span> {
        let name = |resource: &Resource| text(&resource.attributes, "service.name");
        let own = self.spans.iter().filter(|(resource, _)| name(resource).as_deref() == Some(service));
        own.map(|(_, span)| (hex(&span.span_id), span)).collect()
    }

    /// The events of a play, given its first.
    fn play<'a>(&'a self, start: &'a Value) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(|e| e["session_id"] == start["session_id"] && e["source"] != "app")
    }

    /// Demands that the spans nest as the events say, and that there is none without one. Gives the plays that passed, each
    /// with how many requests the app's media proxy made in it.
    fn nests(&self) -> Vec<(&Value, usize)> {
        let (runner, stage) = (self.of("nightly"), self.of("soundcheck-stage"));
        let team = |resource: &Resource| text(&resource.attributes, "team");
        assert!(self.spans.iter().all(|(resource, _)| team(resource).as_deref() == Some("players")));
        let (mut seen, mut passed) = (BTreeSet::new(), Vec::new());
        for start in self.events.iter().filter(|e| e["event"] == "journey_start") {
            let title = format!("{} in {}", start["journey"], start["browser"]);
            let (trace, root) = (id(start, "trace_id"), id(start, "span_id"));
            let span = |id: &str| *runner.get(id).unwrap_or_else(|| panic!("{title}: no span {id}"));
            assert_eq!(hex(&span(&root).trace_id), trace);
            assert!(span(&root).parent_span_id.is_empty(), "{title}: the play is the root");
            let mut steps = BTreeSet::new();
            for step in self.play(start).filter(|e| e["event"] == "step_end") {
                let (id, play) = (id(step, "span_id"), span(&root));
                let own = span(&id);
                assert_eq!(hex(&own.parent_span_id), root, "{title}: {step}");
                let within = own.start_time_unix_nano >= play.start_time_unix_nano
                    && own.end_time_unix_nano <= play.end_time_unix_nano;
                assert!(within, "{title}: a step lies within its play: {own:?} {play:?}");
                steps.insert(id);
            }
            let (mut below, mut upstream) = (0, 0);
            let is_request = |e: &Value| e["event"] == "proxy_response" || e["event"] == "video_proxy_response";
            // What the browser asks for on its own behalf is in the record, and in no trace.
            for request in self.play(start).filter(|e| is_request(e) && e["background"] != true) {
                let own = span(&id(request, "request_span_id"));
                assert_eq!((own.kind, hex(&own.trace_id)), (CLIENT, trace.clone()), "{title}: {request}");
                let parent = hex(&own.parent_span_id);
                match request["leg"].as_str() {
                    // The media proxy's own span is between.
                    Some("upstream") => {
                        let client = stage.get(&parent).unwrap_or_else(|| panic!("{title}: {request}"));
                        assert_eq!((client.kind, hex(&client.trace_id)), (CLIENT, trace.clone()));
                        assert_eq!(stage[&hex(&client.parent_span_id)].kind, SERVER);
                        upstream += 1;
                    }
                    _ if steps.contains(&parent) => {
                        let begun = own.start_time_unix_nano + SLACK >= span(&parent).start_time_unix_nano;
                        assert!(begun, "{title}: it began in its step: {request}");
                        below += 1;
                    }
                    // Before the first step it belongs to the play.
                    _ => assert_eq!(parent, root, "{title}: {request}"),
                }
                seen.insert(hex(&own.span_id));
            }
            seen.insert(root.clone());
            seen.extend(steps.iter().cloned());
            let served = stage.values().filter(|s| s.kind == SERVER && hex(&s.trace_id) == trace).collect::<Vec<_>>();
            for span in &served {
                let parent = hex(&span.parent_span_id);
                assert!(runner.get(&parent).or(stage.get(&parent)).is_some_and(|p| p.kind == CLIENT), "{span:#?}");
                let session = start["session_id"].as_str().map(str::to_owned);
                assert_eq!(text(&span.attributes, "session.id"), session, "{title}: baggage arrived");
            }
            if self.play(start).any(|e| e["event"] == "journey_end" && e["ending"] == "passed") {
                assert!(steps.len() >= 2 && below >= 5, "{title}: {} steps, {below} requests below them", steps.len());
                assert!(served.len() >= 5, "{title}: {} requests served in the trace", served.len());
                passed.push((start, upstream));
            }
        }
        assert_eq!(runner.len(), seen.len(), "no span without an event");
        passed
    }

    /// Demands that every event is a log record; only what is told of the export itself comes too late for it.
    fn logs(&self) {
        let logs = self.receiver.logs();
        let told: Vec<&Value> = self.events.iter().filter(|e| e["event"] != "telemetry_export").collect();
        assert_eq!(logs.len(), told.len());
        for (log, event) in logs.iter().zip(told) {
            assert_eq!(text(&log.attributes, "synthetic.seq"), event["seq"].as_u64().map(|n| n.to_string()));
            assert_eq!(hex(&log.trace_id), event["trace_id"].as_str().unwrap_or_default());
            assert_eq!(hex(&log.span_id), event["span_id"].as_str().unwrap_or_default());
        }
        let last = self.events.last().expect("events");
        assert_eq!((&last["event"], &last["logs"]["failed"]), (&"telemetry_export".into(), &0.into()));
        assert!(
            self.receiver.got(|got| got.headers.iter().any(|h| h.get("x-key").is_some_and(|k| k == "very-secret-key")))
        );
    }

    /// Demands metrics of these names.
    fn metrics(&self, names: &[&str]) {
        let metrics: BTreeSet<String> = self.receiver.metrics().into_iter().map(|m| m.name).collect();
        for name in names {
            assert!(metrics.contains(*name), "{name} in {metrics:?}");
        }
    }
}

fn id(event: &Value, field: &str) -> String {
    event[field].as_str().unwrap_or_else(|| panic!("{field} in {event}")).to_owned()
}

#[test]
fn one_trace_crosses_runner_browser_proxy_app_and_media_proxy_in_both_browsers() {
    let told = Told::smoke(Receiver::http(Mood::Good), &["--journey", "video", "--app", "stage-proxied"], &[]);
    let passed = told.nests();
    let browsers: BTreeSet<&str> = passed.iter().filter_map(|(start, _)| start["browser"].as_str()).collect();
    assert_eq!(browsers, BTreeSet::from(BROWSERS));
    for (start, upstream) in passed {
        assert!(upstream >= 1, "{}: the app's media proxy fetched nothing in the trace", start["browser"]);
    }
    told.logs();
    told.metrics(&["media.playback.startup.duration", "http.client.request.duration", "synthetic.plays"]);
    assert!(told.receiver.got(|got| got.headers.iter().all(|h| h["content-encoding"] == "gzip")));
    let verdict = std::fs::read(told.out().join("verdict.json")).expect("a verdict");
    let verdict: Value = serde_json::from_slice(&verdict).expect("JSON");
    assert_eq!(verdict["telemetry"]["traces"]["dropped"], 0);
    let prom = std::fs::read_to_string(told.dir.path().join("run.prom")).expect("a textfile");
    assert!(prom.contains("media_playback_startup_duration_seconds_count{"), "{prom}");
    // Diagnostics are JSON, a line each, and apart from the rest that is said.
    let json = told.said.lines().filter(|l| l.starts_with('{'));
    let json: Vec<Value> = json.map(|l| serde_json::from_str(l).expect("an object a line")).collect();
    assert!(json.len() > 10 && json.iter().all(|line| line["level"].is_string()), "{}", told.said);
}

/// Every journey of the smoke: by gRPC in one browser; by HTTP and by gRPC in both with `SOUNDCHECK_OTLP=all` (`ci/verify otlp`).
#[test]
fn a_whole_smoke_arrives_as_traces_metrics_and_logs() {
    let all = std::env::var("SOUNDCHECK_OTLP").is_ok_and(|which| which == "all");
    let protocols: &[&str] = if all { &["http/protobuf", "grpc"] } else { &["grpc"] };
    let browsers: &[&str] = if all { &BROWSERS } else { &["firefox"] };
    let only: Vec<&str> = browsers.iter().flat_map(|browser| ["--browser", *browser]).collect();
    for protocol in protocols {
        let receiver = if *protocol == "grpc" { Receiver::grpc(Mood::Good) } else { Receiver::http(Mood::Good) };
        let told = Told::smoke(receiver, &only, &[("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)]);
        let passed: BTreeSet<(String, String)> =
            told.nests().iter().map(|(start, _)| (id(start, "journey"), id(start, "browser"))).collect();
        let journeys = ["player", "presets", "video"];
        assert_eq!(passed.len(), journeys.len() * browsers.len(), "{protocol}: {passed:?}");
        assert!(passed.iter().all(|(journey, _)| journeys.contains(&journey.as_str())), "{protocol}: {passed:?}");
        told.logs();
        told.metrics(&[
            "hydra.preset.first_frame.duration",
            "media.playback.startup.duration",
            "http.client.request.duration",
            "synthetic.plays",
            "synthetic.objective.verdict",
        ]);
        let (spans, logs) = (told.spans.len(), told.receiver.logs().len());
        println!("{protocol}: {} plays, {spans} spans, {logs} log records", passed.len());
    }
}
