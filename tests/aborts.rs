//! The app's own media proxy, as a process: what it counts and what it logs of an upstream that falls silent, and what
//! the signals make of it; and a real Prometheus with a fortnight in it. Loopback only, no browser.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use soundcheck::signal::{Abort, Log, Promql, Span};
use soundcheck::stats::spike::{self, Spike};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A process, ended with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}

/// An HTTP proxy that passes nothing on: it begins a video, and falls silent within it.
fn falls_silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for socket in listener.incoming() {
            let mut socket = socket.expect("a connection");
            let mut request = [0; 4096];
            let n = socket.read(&mut request).expect("a request");
            let long = String::from_utf8_lossy(&request[..n]).contains("long");
            let length = if long { 600_000_000 } else { 1000 };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: {length}\r\n\r\nbegins");
            socket.write_all(head.as_bytes()).expect("sent");
            kept.push(socket);
        }
    });
    format!("http://{address}")
}

fn get(authority: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(authority).expect("connects");
    // HTTP/1.0 knows no chunks.
    write!(socket, "GET {path} HTTP/1.0\r\nHost: {authority}\r\n\r\n").expect("asked");
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer); // one that breaks off may be reset
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn the_stage_counts_and_logs_what_its_proxy_gives_up_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let (script, log) = (dir.path().join("hydra-synth.js"), dir.path().join("proxy.log"));
    std::fs::write(&script, "").expect("written");
    let mut stage = Command::new(env!("CARGO_BIN_EXE_soundcheck-stage"))
        .args(["--log-json", "--proxy-idle", "300", "--fetch-through", &falls_silent(), "--hydra"])
        .arg(&script)
        .env_remove("RUST_LOG")
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).expect("made"))
        .spawn()
        .map(Ended)
        .expect("the stage starts");
    let mut line = String::new();
    BufReader::new(stage.0.stdout.take().expect("piped")).read_line(&mut line).expect("it says where it is");
    let authority = line.trim().rsplit('/').next().expect("an address").to_owned();
    let config = get(&authority, "/api/config");
    let second = config.split('"').find(|part| part.starts_with("http://127.0.0.1:")).expect("the second origin");
    for clip in ["a", "b", "long"] {
        get(&authority, &format!("/api/video-proxy?url={second}/media/{clip}.mp4"));
    }

    let metrics = get(&authority, "/metrics");
    for wanted in [
        "stage_video_proxy_responses_total{status=\"200\"} 2",
        "stage_video_proxy_responses_total{status=\"413\"} 1",
        "stage_video_proxy_aborts_total{reason=\"idle_timeout\"} 2",
        "stage_video_proxy_aborts_total{reason=\"upstream_cut\"} 0",
    ] {
        assert!(metrics.contains(wanted), "{wanted} is not in {metrics}");
    }

    let body = metrics.split_once("\r\n\r\n").expect("a head").1;
    let mut lint = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn().expect("promtool");
    lint.stdin.take().expect("piped").write_all(body.as_bytes()).expect("written");
    assert!(lint.wait().expect("it ends").success());

    let until = Timestamp::now() + 1.second();
    let span = Span::new(TimeZone::UTC, until, Duration::from_secs(3600), 7, None);
    let files = [log.display().to_string()];
    let settings = format!("files = {files:?}\nresponse = \"video_proxy_response\"\nidle = \"idle_timeout\"");
    let told =
        toml::from_str::<Log>(&settings).expect("settings").ask(&span, &mut |_| Err(String::new())).expect("reads");
    let counts = |abort| &told.counts.iter().find(|(own, _)| *own == abort).expect("counted").1.now;
    assert_eq!((counts(Abort::TooLarge).events, counts(Abort::TooLarge).of), (1, Some(3)), "{told:?}");
    assert_eq!((counts(Abort::Idle).events, counts(Abort::Idle).of), (2, Some(3)), "{told:?}");
    assert!(told.newest.is_some_and(|ms| until.as_millisecond() - ms < 60_000));
}

/// A fortnight of counters, a sample each ten minutes: an abort every four hours; in the last day every half hour. Four
/// days before its end the app began anew.
fn fortnight(until: Timestamp) -> String {
    let (mut text, mut responses, mut aborts) = (String::new(), 0, 0);
    let mut series = [String::new(), String::new(), String::new()];
    let begins = until.as_second() - 16 * 86_400;
    for n in 0..=16 * 144 {
        let at = begins + n * 600;
        if n == 12 * 144 {
            (responses, aborts) = (0, 0);
        }
        responses += 10;
        aborts += i64::from(n % if n > 15 * 144 { 3 } else { 24 } == 0);
        for (series, (name, value)) in series.iter_mut().zip([
            ("responses_total{status=\"206\"}", responses),
            ("responses_total{status=\"413\"}", 0),
            ("aborts_total", aborts),
        ]) {
            writeln!(series, "{name} {value} {at}").expect("a string takes all");
        }
    }
    text += &format!("# TYPE responses counter\n{}{}# TYPE aborts counter\n{}# EOF\n", series[0], series[1], series[2]);
    text
}

#[test]
fn a_real_prometheus_tells_a_spike_and_what_it_does_not_know() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = |name: &str| dir.path().join(name);
    let until = Timestamp::from_second(Timestamp::now().as_second() / 3600 * 3600 - 3 * 3600).expect("a moment");
    std::fs::write(file("fortnight.om"), fortnight(until)).expect("written");
    std::fs::write(file("prometheus.yml"), "").expect("written");
    let filled = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"])
        .args([file("fortnight.om"), file("data")])
        .output()
        .expect("promtool is missing: ci/setup installs it (Debian's prometheus)");
    assert!(filled.status.success(), "{}", String::from_utf8_lossy(&filled.stderr));

    let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port();
    let authority = format!("127.0.0.1:{port}");
    let _server = Command::new("prometheus")
        .arg(format!("--config.file={}", file("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", file("data").display()))
        .args([&format!("--web.listen-address={authority}"), "--storage.tsdb.retention.time=1y", "--log.level=error"])
        .spawn()
        .map(Ended)
        .expect("prometheus is missing: ci/setup installs it");
    let ready = |_: &u32| {
        std::thread::sleep(Duration::from_millis(100));
        TcpStream::connect(&authority).is_ok() && get(&authority, "/-/ready").contains(" 200 ")
    };
    assert!((0..600).any(|n| ready(&n)), "it never was ready");

    let span = Span::new(TimeZone::UTC, until, Duration::from_secs(86_400), 14, None);
    let ask = |counters: &str| {
        let promql: Promql = toml::from_str(&format!("url = \"http://{authority}\"\n{counters}")).expect("settings");
        promql.ask(&span, &mut |url| {
            let answer = get(&authority, url.split_once(&authority).expect("of this server").1);
            Ok(answer.split_once("\r\n\r\n").expect("a head").1.to_owned())
        })
    };
    let counters = "responses = \"responses_total\"\ntoo_large = 'responses_total{status=\"413\"}'\n";
    let told = ask(&format!("{counters}idle = \"aborts_total\"")).expect("it answers");
    let judged = told.counts.iter().map(|(abort, counts)| {
        let days: Vec<_> = counts.days.iter().map(|(_, day)| *day).collect();
        assert!(days.len() == 14 && days.iter().all(|d| d.of.is_some_and(|of| of.abs_diff(1440) < 30)), "{days:?}");
        (*abort, spike::judge(&counts.now, &days))
    });
    let judged: Vec<_> = judged.collect();
    let [(Abort::TooLarge, Spike::No(none)), (Abort::Idle, Spike::Yes(spike))] = judged.as_slice() else {
        panic!("{judged:?}")
    };
    assert_eq!((none.now.events, none.before.events), (0, 0));
    assert!((45..=52).contains(&spike.now.events) && (80..=105).contains(&spike.before.events), "{spike:?}");
    assert_eq!(told.newest, Some(until.as_millisecond()));
    assert!(told.notes.is_empty(), "{:?}", told.notes);

    let unknown = ask(&format!("{counters}idle = \"abort_total\"")).expect_err("a name with a slip");
    assert_eq!(unknown.what(), format!("http://{authority}: it knows no counter `abort_total`"));
    let born = ask("responses = \"responses_total\"\ntoo_large = 'responses_total{status=\"414\"}'").expect("nought");
    assert!(born.counts[0].1.days.iter().all(|(_, day)| day.events == 0) && born.counts[0].1.days.len() == 14);
    assert!(ask("responses = \"requests_total\"").expect_err("nothing").what().contains("it has nothing of"));
}
