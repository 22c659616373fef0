//! The app's own media proxy, as a process: what it counts and what it logs of an upstream that falls silent, and what
//! the signals make of it. Loopback only, no browser.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use soundcheck::signal::{Abort, Log, Span};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The stage, ended with the test.
struct Stage(Child);

impl Drop for Stage {
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
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").expect("asked");
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
        .map(Stage)
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
