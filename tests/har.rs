//! Network archives: what `judge` writes for each play is HAR 1.2, as network panels read it, and holds no secret.

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Judges hand-made events in a folder of their own; the archives by name.
fn archives(events: &str) -> Vec<(String, Value)> {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("events.jsonl"), events).expect("written");
    let done = Command::new(env!("CARGO_BIN_EXE_soundcheck"))
        .args(["judge", "--reseal"])
        .arg(dir.path())
        .env_remove("RUST_LOG")
        .output()
        .expect("soundcheck starts");
    assert!(done.status.code().is_some_and(|c| c < 4 && c != 2), "{}", String::from_utf8_lossy(&done.stderr));
    let mut all: Vec<(String, Value)> = std::fs::read_dir(dir.path().join("har"))
        .expect("archives")
        .map(|e| {
            let path = e.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("reads");
            (path.file_name().expect("a name").display().to_string(), serde_json::from_str(&text).expect("JSON"))
        })
        .collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

/// What the format demands of a value: its field's name, and whether it fits.
type Rule = (&'static str, fn(&Value) -> bool);

fn text(value: &Value) -> bool {
    value.is_string()
}

fn number(value: &Value) -> bool {
    value.is_number()
}

fn list(value: &Value) -> bool {
    value.is_array()
}

fn object(value: &Value) -> bool {
    value.is_object()
}

/// ISO 8601 with a zone.
fn time(value: &Value) -> bool {
    value.as_str().is_some_and(|t| t.parse::<jiff::Timestamp>().is_ok())
}

/// -1 where unknown.
fn span(value: &Value) -> bool {
    value.as_f64().is_some_and(|ms| ms >= 0.0 || ms == -1.0)
}

fn named(value: &Value) -> bool {
    value.as_array().is_some_and(|all| all.iter().all(|one| one["name"].is_string() && one["value"].is_string()))
}

const LOG: &[Rule] = &[("version", |v| v == "1.2"), ("creator", object), ("pages", list), ("entries", list)];
const PAGE: &[Rule] = &[("startedDateTime", time), ("id", text), ("title", text), ("pageTimings", object)];
const ENTRY: &[Rule] = &[
    ("startedDateTime", time),
    ("time", |v| v.as_f64().is_some_and(|ms| ms >= 0.0)),
    ("request", object),
    ("response", object),
    ("cache", object),
    ("timings", object),
];
const REQUEST: &[Rule] = &[
    ("method", text),
    ("url", |v| v.as_str().is_some_and(|u| url::Url::parse(u).is_ok())),
    ("httpVersion", text),
    ("cookies", |v| v == &json!([])),
    ("headers", named),
    ("queryString", named),
    ("headersSize", number),
    ("bodySize", number),
];
const RESPONSE: &[Rule] = &[
    ("status", Value::is_u64),
    ("statusText", text),
    ("httpVersion", text),
    ("cookies", |v| v == &json!([])),
    ("headers", named),
    ("content", |v| v["size"].is_u64() && v["mimeType"].is_string()),
    ("redirectURL", text),
    ("headersSize", number),
    ("bodySize", number),
];
const TIMINGS: &[Rule] = &[("send", span), ("wait", span), ("receive", span), ("connect", span), ("ssl", span)];

fn check(at: &str, value: &Value, rules: &[Rule]) {
    for (name, fits) in rules {
        assert!(fits(&value[name]), "{at}.{name}: {}", value[name]);
    }
}

/// Demands what HAR 1.2 does.
fn is_archive(name: &str, archive: &Value) {
    let log = &archive["log"];
    check(name, log, LOG);
    check("creator", &log["creator"], &[("name", text), ("version", text)]);
    check("browser", &log["browser"], &[("name", text), ("version", text)]);
    let pages = log["pages"].as_array().expect("pages");
    pages.iter().for_each(|page| check("page", page, PAGE));
    let mut before = String::new();
    for entry in log["entries"].as_array().expect("entries") {
        check("entry", entry, ENTRY);
        check("request", &entry["request"], REQUEST);
        check("response", &entry["response"], RESPONSE);
        check("timings", &entry["timings"], TIMINGS);
        if let Some(page) = entry.get("pageref") {
            assert!(pages.iter().any(|p| p["id"] == *page), "{name}: no page {page}");
        }
        let parts = ["blocked", "dns", "connect", "send", "wait", "receive"];
        let known = parts.iter().filter_map(|p| entry["timings"][p].as_f64()).filter(|ms| *ms >= 0.0);
        let (sum, whole) = (known.sum::<f64>(), entry["time"].as_f64().expect("a time"));
        assert!((sum - whole).abs() < 0.01, "{name}: {sum} of {whole} ms: {entry:#}");
        let began = entry["startedDateTime"].as_str().expect("a time").to_owned();
        assert!(before <= began, "{name}: {began} after {before}");
        before = began;
    }
}

#[test]
fn every_play_of_every_record_has_an_archive_that_keeps_to_the_format() {
    let records = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records");
    for folder in std::fs::read_dir(records).expect("records").map(|e| e.expect("an entry").path()) {
        let events = std::fs::read_to_string(folder.join("events.jsonl")).expect("events");
        let plays = events.matches("\"event\": \"journey_start\"").count();
        if plays == 0 {
            continue;
        }
        let all = archives(&events);
        assert_eq!(all.len(), plays, "{}", folder.display());
        all.iter().for_each(|(name, archive)| is_archive(name, archive));
    }
}

/// Events of one play: hand-made, with what comes before and after.
fn play(events: &[Value]) -> String {
    let ids = json!({ "session_id": "s1", "browser": "firefox", "journey": "video", "step": "start", "span_id": "a1" });
    let before = [
        json!({ "event": "run_start", "source": "monitor", "t_ms": 0.0, "judge": "refute", "objectives": [] }),
        json!({ "event": "journey_start", "source": "monitor", "t_ms": 1.0, "profile": "bad/wifi", "number": 1, "attempt": 2 }),
        json!({ "event": "step_start", "source": "monitor", "t_ms": 2.0, "expect": "first video frame" }),
    ];
    let after = [
        json!({ "event": "journey_end", "source": "monitor", "t_ms": 9000.0, "ending": "passed", "ms": 9.0 }),
        json!({ "event": "run_end", "source": "monitor", "t_ms": 9001.0, "dropped": 0 }),
    ];
    let mut lines = String::new();
    for (seq, own) in before.iter().chain(events).chain(&after).enumerate() {
        let mut event = json!({ "v": 1, "timestamp": "2026-01-01T00:00:10.000Z", "seq": seq, "run_id": "r" });
        for more in [&ids, own] {
            event.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        }
        lines += &format!("{event}\n");
    }
    lines
}

#[test]
fn an_exchange_is_told_with_its_times_its_octets_and_what_was_done_to_it() {
    let events = [json!({
        "event": "video_proxy_response", "source": "proxy", "t_ms": 5000.0, "request": 7, "connection": 3, "method": "GET",
        "url": "http://h/m/clip.mp4", "host": "h", "status": 206, "range": "bytes=0-", "content_range": "bytes 0-899/900",
        "content_length": "900", "content_type": "video/mp4", "accept_ranges": "bytes", "etag": "\"a\"", "acao": "*",
        "bytes_promised": 900, "bytes_sent": 100, "bytes_received": 100, "ended": "fault", "ttfb_ms": 40.0, "ms": 1500.0,
        "connect_ms": 15.0, "reused": false, "faults": ["cut"], "leg": "browser", "request_span_id": "00112233",
    })];
    let all = archives(&play(&events));
    let [(name, archive)] = all.as_slice() else { panic!("one play") };
    assert_eq!(name, "firefox-video-bad-wifi-1-2.har");
    is_archive(name, archive);
    let entry = &archive["log"]["entries"][0];
    assert_eq!(entry["startedDateTime"], "2026-01-01T00:00:08.500Z", "an exchange is told at its end");
    let timings = &entry["timings"];
    assert_eq!(
        (&timings["connect"], &timings["wait"], &timings["receive"]),
        (&json!(15.0), &json!(25.0), &json!(1460.0))
    );
    assert_eq!((&entry["response"]["bodySize"], &entry["response"]["content"]["size"]), (&json!(100), &json!(100)));
    let own = ["_faults", "_ended", "_request_span_id", "_bytes_promised"].map(|key| entry[key].clone());
    assert_eq!(own, [json!(["cut"]), json!("fault"), json!("00112233"), json!(900)]);
    let header = |of: &str, name: &str| {
        let all = entry[of]["headers"].as_array().expect("headers").clone();
        all.into_iter().find(|h| h["name"] == name).map(|h| h["value"].clone())
    };
    assert_eq!(header("request", "Range"), Some(json!("bytes=0-")));
    assert_eq!(header("response", "Access-Control-Allow-Origin"), Some(json!("*")));
    assert_eq!(entry["pageref"], archive["log"]["pages"][0]["id"]);
}

#[test]
fn what_only_the_browser_told_stands_where_no_proxy_did_and_its_query_keeps_no_secret() {
    let refused = |url: &str| json!({ "event": "response_refused", "source": "browser", "t_ms": 60.0, "url": url, "status": 403 });
    let proxied = json!({
        "event": "proxy_response", "source": "proxy", "t_ms": 50.0, "request": 1, "method": "GET", "url": "http://h/a",
        "host": "h", "status": 403, "ended": "whole", "ms": 9.0, "ttfb_ms": 9.0, "bytes_sent": 0, "leg": "browser",
    });
    let events = [proxied, refused("http://h/a?b=1"), refused("https://far/x?b=1&token=hunter2hunter2")];
    let all = archives(&play(&events));
    is_archive(&all[0].0, &all[0].1);
    let entries = all[0].1["log"]["entries"].as_array().expect("entries");
    let urls: Vec<&str> = entries.iter().filter_map(|e| e["request"]["url"].as_str()).collect();
    assert_eq!(urls, ["http://h/a", "https://far/x?b=1&token=[redacted]"]);
    assert_eq!(entries[1]["request"]["queryString"][0], json!({ "name": "b", "value": "1" }));
    assert!(!all[0].1.to_string().contains("hunter2"));
}
