//! What a run tells others, against real receivers: it arrives whole, and a receiver that is dead, slow or refuses costs
//! nothing but what is counted.

mod receiver;

use receiver::{Mood, Receiver, hex, text};
use serde_json::{Value, json};
use soundcheck::event::{Event, Ids, Log, Origin, Thousandths};
use soundcheck::secret::Secrets;
use soundcheck::telemetry::{About, Ask, Sent, Telemetry};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A run's log, with what it tells.
struct Run {
    dir: tempfile::TempDir,
    log: Log,
    telemetry: Telemetry,
}

impl Run {
    /// Starts one with these variables.
    fn start(ask: &Ask, set: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let env = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let about = About {
            run_id: "r1".into(),
            plan: "smoke".into(),
            app: "stage".into(),
            environment: "staging".into(),
            ci: None,
        };
        let (mut telemetry, tap) =
            Telemetry::start(ask, &about, &env).expect("starts").expect("something is asked for");
        let log = Log::tapped(&dir.path().join("events.jsonl"), "r1", &Secrets::default(), Some(tap)).expect("opens");
        telemetry.listens_to(&log);
        assert_eq!(telemetry.notes().iter().filter(|n| !n.starts_with("metrics to scrape")).count(), 0);
        Self { dir, log, telemetry }
    }

    fn to(receiver: &Receiver, more: &[(&str, &str)]) -> Self {
        let to = [("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url.as_str())];
        Self::start(&Ask::default(), &[&to, more].concat())
    }

    fn ids(&self, span: &str) -> Ids {
        Ids {
            trace_id: Some("0af7651916cd43dd8448eb211c80319c".into()),
            span_id: Some(span.into()),
            session_id: Some("s1".into()),
            browser: Some("firefox".into()),
            journey: Some("presets".into()),
            step: (span != ROOT).then(|| "next preset".into()),
            ..Ids::default()
        }
    }

    /// Plays: so many requests within one step.
    fn play(&self, requests: u64) {
        let write = |event: &str, span: &str, fields: Value| {
            self.log.write(event, Origin::Monitor, self.log.now_ms(), &self.ids(span), fields);
        };
        write("journey_start", ROOT, json!({ "profile": "clean", "number": 1, "attempt": 1 }));
        write("step_start", STEP, json!({}));
        let ids = Arc::new(self.ids(STEP));
        for n in 0..requests {
            self.request(n, &ids);
        }
        write("first_visualizer_frame", STEP, json!({ "ms": 420.0 }));
        write("step_end", STEP, json!({ "ok": true, "ms": 420.0, "step_ms": 500.0 }));
        write("journey_end", ROOT, json!({ "ending": "passed", "ms": 900.0, "start_up_ms": 100.0 }));
    }

    fn request(&self, n: u64, ids: &Arc<Ids>) {
        let span = format!("{:016x}", n + 1000);
        self.log.tell("proxy_response", Origin::Proxy, Instant::now(), ids, None, |to| {
            to.put("request", n)
                .put("connection", 7_u64)
                .put("method", "GET")
                .put("url", "http://127.0.0.1:4700/assets/app.js")
                .put("host", "127.0.0.1:4700")
                .put("status", 200_u16)
                .put("range", None::<&str>)
                .put("content_type", "text/javascript")
                .put("bytes_promised", 4711_u64)
                .put("bytes_sent", 4711_u64)
                .put("bytes_received", 4711_u64)
                .put("ended", "whole")
                .put("ttfb_ms", Thousandths(1.25))
                .put("ms", Thousandths(2.5))
                .put("reused", true)
                .put("request_span_id", span.as_str());
        });
    }

    fn events(&self) -> Vec<Event> {
        self.log.sync().expect("syncs");
        let events = soundcheck::event::read(&self.dir.path().join("events.jsonl")).expect("opens");
        events.map(|event| event.expect("reads")).collect()
    }

    fn finish(self) -> (Sent, Duration) {
        let start = Instant::now();
        let (sent, textfile) = self.telemetry.finish(&[("hydra.preset_load".into(), "met")], 0);
        textfile.expect("written");
        (sent, start.elapsed())
    }
}

const ROOT: &str = "00000000000000a1";
const STEP: &str = "00000000000000b1";
const QUICK: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "50");

/// A number of what was sent of a signal.
fn count(sent: &Sent, signal: &str, of: &str) -> u64 {
    sent.fields()[signal][of].as_u64().expect("a count")
}

fn all_arrives(receiver: &Receiver, more: &[(&str, &str)]) {
    let run = Run::to(receiver, more);
    run.play(20);
    let events = run.events();
    let (sent, _) = run.finish();
    assert_eq!(sent.missing(), Vec::<String>::new());
    assert_eq!(count(&sent, "traces", "exported"), 22);
    assert_eq!(count(&sent, "logs", "exported"), 25);

    let spans = receiver.spans();
    assert_eq!(spans.len(), 22, "a play, a step, and 20 requests");
    for (resource, span) in &spans {
        assert_eq!(text(&resource.attributes, "service.name").as_deref(), Some("soundcheck"));
        assert_eq!(text(&resource.attributes, "synthetic.run.id").as_deref(), Some("r1"));
        assert_eq!(hex(&span.trace_id), "0af7651916cd43dd8448eb211c80319c");
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    }
    let named = |name: &str| spans.iter().filter(|(_, s)| s.name == name).map(|(_, s)| s).collect::<Vec<_>>();
    assert_eq!(hex(&named("presets")[0].span_id), ROOT);
    assert_eq!(hex(&named("next preset")[0].parent_span_id), ROOT);
    assert_eq!(named("GET").len(), 20);
    assert!(named("GET").iter().all(|s| hex(&s.parent_span_id) == STEP));

    let logs = receiver.logs();
    assert_eq!(logs.len(), events.len(), "every event is a log record");
    for (log, event) in logs.iter().zip(&events) {
        assert_eq!(text(&log.attributes, "synthetic.event").as_deref(), Some(event.event.as_str()));
        assert!(!log.event_name.is_empty());
        assert_eq!(Some(hex(&log.trace_id)), event.ids.trace_id);
        assert_eq!(Some(hex(&log.span_id)), event.ids.span_id);
    }
    let metrics = receiver.metrics();
    for name in [
        "hydra.preset.first_frame.duration",
        "http.client.request.duration",
        "synthetic.plays",
        "synthetic.objective.verdict",
    ] {
        assert!(metrics.iter().any(|m| m.name == name), "{name} in {metrics:#?}");
    }
    assert_eq!(text(&receiver.resource_of_metrics().attributes, "synthetic.run.id").as_deref(), Some("r1"));
}

#[test]
fn traces_metrics_and_logs_arrive_over_http() {
    all_arrives(&Receiver::http(Mood::Good), &[]);
}

#[test]
fn traces_metrics_and_logs_arrive_over_grpc() {
    all_arrives(&Receiver::grpc(Mood::Good), &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
}

#[test]
fn grpc_with_tls_tells_only_whom_the_machine_trusts() {
    // Whom a process trusts is said in its environment: this test starts itself to export, and to say what came of it.
    const URL: &str = "SOUNDCHECK_TEST_RECEIVER";
    if let Ok(url) = std::env::var(URL) {
        let to = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
        let run = Run::start(&Ask::default(), &to);
        run.play(1);
        println!("missing: {:?}", run.finish().0.missing());
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let [own, other] =
        [(); 2].map(|()| rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate"));
    let receiver = Receiver::grpc_with_tls(Mood::Good, &own.cert.pem(), &own.signing_key.serialize_pem());
    let export = |trusted: &str| {
        let file = dir.path().join("trusted.pem");
        std::fs::write(&file, trusted).expect("written");
        let done = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "grpc_with_tls_tells_only_whom_the_machine_trusts", "--nocapture"])
            .env(URL, &receiver.url)
            .env("SSL_CERT_FILE", file)
            .output()
            .expect("runs");
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    let said = export(&own.cert.pem());
    assert!(said.contains("missing: []"), "{said}");
    assert_eq!(receiver.spans().len(), 3, "a play, a step, a request");
    let said = export(&other.cert.pem());
    assert!(said.contains("3 of 3 spans did not arrive") && said.contains("certificate"), "{said}");
    assert_eq!(receiver.spans().len(), 3, "who is not trusted is told nothing");
}

#[test]
fn it_is_told_while_the_run_goes_on_not_only_at_its_end() {
    let receiver = Receiver::http(Mood::Good);
    let run = Run::to(&receiver, &[QUICK, ("OTEL_METRIC_EXPORT_INTERVAL", "50")]);
    run.play(1);
    let deadline = Instant::now() + Duration::from_secs(20);
    while receiver.spans().len() < 3 || receiver.metrics().is_empty() {
        assert!(Instant::now() < deadline, "nothing came while the run went on");
        std::thread::sleep(Duration::from_millis(10));
    }
    run.finish();
}

#[test]
fn nothing_is_started_unless_it_is_asked_for() {
    let started = Telemetry::start(&Ask::default(), &About::default(), &|_| None).expect("no error");
    assert!(started.is_none());
}

/// A receiver in such a mood: what comes of a play.
fn in_a_mood(receiver: &Receiver, protocol: &str) -> (Sent, Duration) {
    let run = Run::to(receiver, &[QUICK, ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)]);
    let start = Instant::now();
    run.play(2000);
    run.log.sync().expect("syncs");
    assert!(start.elapsed() < Duration::from_secs(5), "the play was held up for {:?}", start.elapsed());
    let (sent, took) = run.finish();
    assert!(took < Duration::from_secs(5), "the run's end was held up for {took:?}");
    for (signal, made) in [("traces", 2002), ("logs", 2005)] {
        let [exported, dropped, failed] = ["exported", "dropped", "failed"].map(|of| count(&sent, signal, of));
        assert_eq!(exported + dropped + failed, made, "{signal}: nothing is lost without being counted: {sent:?}");
        assert_eq!(exported, 0, "{signal}");
    }
    assert!(!sent.missing().is_empty());
    (sent, took)
}

#[test]
fn a_dead_receiver_costs_nothing_and_is_said() {
    for protocol in ["http/protobuf", "grpc"] {
        let mut receiver = Receiver::http(Mood::Good);
        // A port that nobody listens at.
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        receiver.url = format!("http://{}", free.local_addr().expect("an address"));
        drop(free);
        let (sent, _) = in_a_mood(&receiver, protocol);
        assert!(count(&sent, "traces", "failed") > 0, "{protocol}: {sent:?}");
        assert!(sent.missing().iter().any(|line| line.contains("spans did not arrive")), "{:?}", sent.missing());
    }
}

#[test]
fn a_receiver_that_refuses_costs_nothing_and_is_said() {
    let (sent, _) = in_a_mood(&Receiver::http(Mood::Refuses), "http/protobuf");
    assert!(sent.fields()["logs"]["reason"].as_str().is_some_and(|why| why.contains("503")), "{sent:?}");
    let (sent, _) = in_a_mood(&Receiver::grpc(Mood::Refuses), "grpc");
    assert!(count(&sent, "logs", "failed") > 0, "{sent:?}");
}

#[test]
fn a_slow_receiver_is_waited_for_three_seconds_at_the_end_and_no_longer() {
    for (receiver, protocol) in [
        (Receiver::http(Mood::Slow(Duration::from_secs(60))), "http/protobuf"),
        (Receiver::grpc(Mood::Slow(Duration::from_secs(60))), "grpc"),
    ] {
        let (sent, took) = in_a_mood(&receiver, protocol);
        assert!(took >= Duration::from_millis(2900), "{protocol}: {took:?}");
        assert!(count(&sent, "traces", "dropped") > 0, "{protocol}: {sent:?}");
    }
}

#[test]
fn what_finds_no_room_is_dropped_and_counted() {
    let receiver = Receiver::http(Mood::Slow(Duration::from_millis(300)));
    let run = Run::to(&receiver, &[QUICK, ("OTEL_BSP_MAX_QUEUE_SIZE", "10"), ("OTEL_BLRP_MAX_QUEUE_SIZE", "10")]);
    run.play(3000);
    run.log.sync().expect("syncs");
    let (sent, _) = run.finish();
    let dropped = count(&sent, "traces", "dropped");
    assert!(dropped > 2000, "{sent:?}");
    assert_eq!(receiver.spans().len() as u64, count(&sent, "traces", "exported"));
    assert!(sent.missing()[0].contains(&format!("{dropped} dropped")), "{:?}", sent.missing());
}

#[test]
fn what_a_receiver_refuses_of_a_batch_is_counted_and_said() {
    for (receiver, protocol) in [(Receiver::http(Mood::Picks), "http/protobuf"), (Receiver::grpc(Mood::Picks), "grpc")]
    {
        let run = Run::to(&receiver, &[("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)]);
        run.play(1);
        run.log.sync().expect("syncs");
        let (sent, _) = run.finish();
        let batches = receiver.got(|got| got.traces.len()) as u64;
        assert_eq!(count(&sent, "traces", "failed"), batches, "{protocol}: {sent:?}");
        assert_eq!(count(&sent, "traces", "exported"), 3 - batches, "{protocol}: {sent:?}");
        assert!(sent.missing()[0].ends_with("one of them I do not like"), "{:?}", sent.missing());
    }
}

#[test]
fn an_interrupted_run_is_told_as_far_as_it_came() {
    let receiver = Receiver::http(Mood::Good);
    let run = Run::to(&receiver, &[]);
    for (event, span) in [("journey_start", ROOT), ("step_start", STEP)] {
        run.log.write(event, Origin::Monitor, run.log.now_ms(), &run.ids(span), json!({ "profile": "clean" }));
    }
    drop(run.telemetry);
    let spans = receiver.spans();
    let names: Vec<&str> = spans.iter().map(|(_, span)| span.name.as_str()).collect();
    assert_eq!(names, ["next preset", "presets"]);
    for (_, span) in &spans {
        assert_eq!(span.status.as_ref().map(|status| status.code), Some(2), "it has no good end: {span:?}");
    }
    assert_eq!(receiver.logs().len(), 2);
}

#[test]
fn each_signal_can_be_switched_off() {
    let receiver = Receiver::http(Mood::Good);
    let run = Run::to(&receiver, &[("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none")]);
    run.play(3);
    let (sent, _) = run.finish();
    assert_eq!(sent.fields().as_object().expect("fields").keys().collect::<Vec<_>>(), ["unseen_events", "logs"]);
    assert_eq!((receiver.spans().len(), receiver.logs().len()), (0, 8));
}

/// What `promtool check metrics` says of it.
fn promtool(text: &str) -> String {
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed: ci/setup");
    tool.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let done = tool.wait_with_output().expect("it ends");
    let said = [done.stdout, done.stderr].concat();
    format!("{:?} {}", done.status.code(), String::from_utf8_lossy(&said)).trim().to_owned()
}

fn get(url: &str) -> (String, String) {
    use std::io::Read as _;
    let host = url.trim_start_matches("http://").split('/').next().expect("a host");
    let mut socket = std::net::TcpStream::connect(host).expect("it listens");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

#[test]
fn a_scrape_and_a_textfile_are_clean_by_promtool() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("soundcheck.prom");
    let loopback = "127.0.0.1:0".parse().expect("an address");
    let run = Run::start(&Ask { metrics: Some(loopback), textfile: Some(file.clone()) }, &[]);
    let note = run.telemetry.notes()[0].clone();
    let url = note.strip_prefix("metrics to scrape: ").expect("its address");
    run.play(5);
    run.log.sync().expect("syncs");
    let deadline = Instant::now() + Duration::from_secs(20);
    let (head, scraped) = loop {
        let (head, text) = get(url);
        if text.contains("synthetic_plays_total{") {
            break (head, text);
        }
        assert!(Instant::now() < deadline, "{text}");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    assert!(!file.exists(), "a textfile is for the end");
    run.finish();
    let text = std::fs::read_to_string(&file).expect("written");
    for (what, text) in [("scrape", &scraped), ("textfile", &text)] {
        assert_eq!(promtool(text), "Some(0)", "{what}:\n{text}");
        assert!(text.contains("hydra_preset_first_frame_duration_seconds_bucket{"), "{what}");
        // Files of several runs may lie side by side: each line says whose it is.
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(
                line.contains("test_suite_name=\"smoke\"") && line.contains("synthetic_app=\"stage\""),
                "{what}: {line}"
            );
        }
    }
    let whose = "deployment_environment_name=\"staging\",synthetic_app=\"stage\",test_suite_name=\"smoke\"";
    assert!(text.contains(&format!("synthetic_run_exit_code{{{whose}}} 0\n")), "{text}");
    assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 1, "nothing else is left beside it");
    assert!(std::net::TcpStream::connect(url.trim_start_matches("http://").trim_end_matches("/metrics")).is_err());
}

#[test]
fn a_textfile_that_cannot_be_written_is_said_before_anything_is_played() {
    let ask = Ask { metrics: None, textfile: Some("/nowhere/x.prom".into()) };
    let refused = Telemetry::start(&ask, &About::default(), &|_| None).err().expect("no such folder");
    assert!(refused.to_string().contains("/nowhere/x.prom"), "{refused}");
    assert_eq!(refused.whose(), soundcheck::error::Whose::Operator);
}

#[test]
fn promtool_would_notice_what_is_not_clean() {
    assert_ne!(promtool("# TYPE requests counter\nrequests 1\n"), "Some(0)");
}

/// Octets a second of so many events: told to a log, and the same written as they are.
fn speeds(lines: u64, told: &Run, raw: &Path) -> (f64, f64) {
    let path = told.dir.path().join("events.jsonl");
    let before = path.metadata().expect("the log").len();
    let ids = Arc::new(told.ids(STEP));
    let start = Instant::now();
    for n in 0..lines {
        // No more than fits the log's own queue waits for the disk.
        if n % 10_000 == 9_999 {
            told.log.sync().expect("syncs");
        }
        told.request(n, &ids);
    }
    told.log.sync().expect("syncs");
    let log = start.elapsed().as_secs_f64();
    let mut text = std::fs::File::open(&path).expect("events");
    std::io::Seek::seek(&mut text, std::io::SeekFrom::Start(before)).expect("so far");
    let mut new = Vec::new();
    std::io::Read::read_to_end(&mut text, &mut new).expect("the rest");
    let start = Instant::now();
    let mut file = std::fs::File::create(raw).expect("a file");
    for (n, line) in new.split_inclusive(|octet| *octet == b'\n').enumerate() {
        file.write_all(line).expect("written");
        if n % 10_000 == 9_999 {
            file.sync_data().expect("syncs");
        }
    }
    file.sync_data().expect("syncs");
    let octets = new.len() as f64;
    (octets / log, octets / start.elapsed().as_secs_f64())
}

/// Resident memory, MB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).expect("a number") / 1024.0
}

#[test]
fn the_event_path_with_export_on_keeps_half_the_speed_of_a_raw_writer_and_its_memory() {
    let lines = std::env::var("SOUNDCHECK_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let receiver = Receiver::http(Mood::Refuses);
    let raw = tempfile::tempdir().expect("a folder");
    let run = Run::to(&receiver, &[]);
    // The best of a few: the machine may be busy with other things.
    let (mut best, mut memory) = (0.0_f64, Vec::new());
    for _ in 0..6 {
        let (log, raw) = speeds(lines, &run, &raw.path().join("raw"));
        best = best.max(log / raw);
        memory.push(resident());
        let (log_mb, raw_mb) = (log / 1e6, raw / 1e6);
        println!("events {log_mb:.0} MB/s, raw {raw_mb:.0} MB/s: {:.2}; {:.0} MB resident", log / raw, resident());
    }
    assert_eq!(run.log.dropped(), 0, "the record is whole");
    // What is not optimised has a speed of its own: ci/verify telemetry measures.
    if !cfg!(debug_assertions) {
        assert!(best >= 0.5, "{best:.2} of a raw writer's speed");
    }
    let grown = memory[5] - memory[2];
    assert!(grown < 32.0, "it grew by {grown:.0} MB: {memory:?}");
    let (sent, took) = run.finish();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let [dropped, failed] = ["dropped", "failed"].map(|of| count(&sent, "logs", of));
    let unseen = sent.fields()["unseen_events"].as_u64().expect("a count");
    assert!(dropped + failed + unseen >= lines * 6, "{sent:?}");
}
