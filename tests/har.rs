//! Network archives: what `judge` writes for each play is HAR 1.2, as network panels read it, and holds no secret.

mod archive;

use archive::problems;
use serde_json::{Value, json};
use soundcheck::event::Event;
use soundcheck::record::Record;
use soundcheck::report::har::Archives;
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

/// Demands what HAR 1.2 does.
fn is_archive(name: &str, archive: &Value) {
    assert_eq!(problems(archive), Vec::<String>::new(), "{name}");
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
fn what_the_format_does_not_allow_would_be_noticed() {
    let events = [json!({
        "event": "proxy_response", "source": "proxy", "t_ms": 50.0, "request": 1, "method": "GET", "url": "http://h/a",
        "host": "h", "status": 200, "ended": "whole", "ms": 9.0, "ttfb_ms": 5.0, "bytes_sent": 3, "leg": "browser",
    })];
    let all = archives(&play(&events));
    let good = &all[0].1;
    is_archive("as it is", good);
    let entry = "/log/entries/0";
    for (place, value, words) in [
        ("/log", json!(null), "archive.log cannot be"),
        ("/log/version", json!(1.2), "log.version"),
        ("/log/creator/version", json!(1), "creator.version"),
        ("/log/pages/0/startedDateTime", json!("2026-01-01T00:00:10Z"), "page.startedDateTime"),
        ("/log/pages/0/startedDateTime", json!("2026-01-01T00:00:10.000"), "page.startedDateTime"),
        ("/log/pages/0/pageTimings/onLoad", json!(null), "pageTimings.onLoad"),
        ("/log/entries/0/time", json!(-1), "entry.time"),
        ("/log/entries/0/time", json!(10), "timings are 9 of 10 ms"),
        ("/log/entries/0/pageref", json!("gone"), "no page"),
        ("/log/entries/0/connection", json!(3), "entry.connection"),
        ("/log/entries/0/request/url", json!("/a"), "request.url"),
        ("/log/entries/0/request/headers/0/value", json!(7), "request.headers.value"),
        ("/log/entries/0/request/bodySize", json!(1.5), "request.bodySize"),
        ("/log/entries/0/response/status", json!(null), "response.status"),
        ("/log/entries/0/response/content/size", json!(-1), "content.size"),
        ("/log/entries/0/timings/wait", json!(-1), "timings.wait"),
        ("/log/entries/0/timings/ssl", json!(-2), "timings.ssl"),
    ] {
        let mut spoilt = good.clone();
        *spoilt.pointer_mut(place).unwrap_or_else(|| panic!("{place} in {good:#}")) = value;
        let said = problems(&spoilt).join("; ");
        assert!(said.contains(words), "{place}: {said}");
    }
    let mut more = good.clone();
    more.pointer_mut(entry).expect("an entry")["faults"] = json!([]);
    assert_eq!(problems(&more), ["entry.faults is no field of HAR 1.2"], "ours begin with _");
    let mut less = good.clone();
    less.pointer_mut(entry).and_then(Value::as_object_mut).expect("an entry").remove("cache");
    assert!(problems(&less).contains(&"entry.cache is missing".to_owned()), "{:?}", problems(&less));
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

/// What `browser_response` says of a request that was only tunnelled.
fn tunnelled(url: &str, more: &Value) -> Value {
    let mut all = json!({
        "event": "browser_response", "source": "browser", "t_ms": 5000.0, "method": "GET", "url": url, "status": 200,
        "content_type": "application/json", "content_length": 12, "bytes": 345, "from_cache": false, "ended": "whole",
        "ttfb_ms": 40.0, "ms": 100.0,
    });
    all.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    all
}

fn connect() -> Value {
    json!({
        "event": "proxy_response", "source": "proxy", "t_ms": 8000.0, "request": 1, "method": "CONNECT",
        "url": "http://far:443", "host": "far:443", "status": 200, "ended": "whole", "ms": 7000.0, "bytes_sent": 99999,
    })
}

#[test]
fn what_was_only_tunnelled_is_as_the_browser_told_it_each_once_and_the_tunnel_is_none() {
    let told = |event: &str, url: &str, more: Value| {
        let mut all = json!({ "event": event, "source": "browser", "t_ms": 6000.0, "url": url });
        all.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        all
    };
    let (a, b, c) = ("https://far/api/a", "https://far/api/b", "https://far/media/c.mp4");
    let events = [
        connect(),
        // Told at once, and again when it is over.
        told("response_refused", &format!("{a}?x=1"), json!({ "status": 403 })),
        tunnelled(a, &json!({ "status": 403, "method": "POST", "query_hash": "00" })),
        // One that failed, told in both ways.
        tunnelled(
            b,
            &json!({ "status": null, "content_type": null, "content_length": null, "bytes": null, "ttfb_ms": null,
            "ended": "failed", "error": "net::ERR_TIMED_OUT" }),
        ),
        told("request_failed", b, json!({ "error": "net::ERR_TIMED_OUT" })),
        // One that broke off after the browser had said that it was over.
        told("media_response", c, json!({ "status": 206, "content_type": "video/mp4" })),
        tunnelled(c, &json!({ "status": 206, "content_type": "video/mp4", "content_length": 900 })),
        told("request_failed", c, json!({ "error": "net::ERR_CONTENT_LENGTH_MISMATCH" })),
    ];
    let all = archives(&play(&events));
    let (name, archive) = &all[0];
    is_archive(name, archive);
    let entries = archive["log"]["entries"].as_array().expect("entries");
    let of = |url: &str| {
        let own: Vec<&Value> = entries.iter().filter(|e| e["request"]["url"] == url).collect();
        assert_eq!(own.len(), 1, "{url}: {entries:#?}");
        own[0]
    };
    assert_eq!(entries.len(), 3, "{entries:#?}");
    let first = of(a);
    assert_eq!((&first["request"]["method"], &first["response"]["status"]), (&json!("POST"), &json!(403)));
    assert_eq!((&first["timings"]["wait"], &first["timings"]["receive"]), (&json!(40.0), &json!(60.0)));
    assert_eq!((&first["response"]["content"]["size"], &first["_transferSize"]), (&json!(12), &json!(345)));
    assert_eq!(first["response"]["content"]["mimeType"], "application/json");
    assert_eq!(first["pageref"], archive["log"]["pages"][0]["id"]);
    assert_eq!((&of(b)["response"]["status"], &of(b)["_error"]), (&json!(0), &json!("net::ERR_TIMED_OUT")));
    assert_eq!(of(c)["_error"], "net::ERR_CONTENT_LENGTH_MISMATCH");
    let comment = archive["log"]["comment"].as_str().expect("a comment");
    assert!(
        comment.contains("all is as the browser told it") && comment.contains("1 tunnel (CONNECT) left out"),
        "{comment}"
    );
}

#[test]
fn where_not_all_was_told_a_failure_is_of_no_other_request() {
    let url = "https://far/a";
    let capped = json!({ "event": "browser_responses_capped", "source": "browser", "t_ms": 1.0, "most": 1 });
    let failed =
        json!({ "event": "request_failed", "source": "browser", "t_ms": 2.0, "url": url, "error": "net::ERR_FAILED" });
    let all = archives(&play(&[tunnelled(url, &json!({})), capped, failed]));
    is_archive(&all[0].0, &all[0].1);
    assert_eq!(all[0].1["log"]["entries"][0].get("_error"), None);
    assert!(all[0].1["log"]["comment"].as_str().is_some_and(|c| c.contains("asked for more than it told")));
}

#[test]
fn an_apps_own_event_called_as_one_of_ours_is_no_request() {
    let events = ["request_failed", "proxy_response", "browser_response", "step_start"]
        .map(|name| json!({ "event": name, "source": "app", "t_ms": 50.0, "app": { "x": 1 }, "via": "console" }));
    let all = archives(&play(&events));
    let log = &all[0].1["log"];
    assert_eq!(log["entries"], json!([]));
    assert_eq!(log["pages"].as_array().map(Vec::len), Some(1), "the step of the play");
}

#[test]
fn an_archive_is_given_with_its_plays_last_event_and_what_was_late_is_in_it() {
    let event = |session: &str, name: &str, seq: u64, more: Value| {
        let mut all = json!({
            "v": 1, "event": name, "source": "monitor", "timestamp": "2026-01-01T00:00:10.000Z", "t_ms": seq, "seq": seq,
            "run_id": "r", "session_id": session, "browser": "firefox", "journey": session,
        });
        all.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        serde_json::from_value::<Event>(all).expect("an event")
    };
    let upstream = json!({ "method": "GET", "url": "http://h/late", "status": 200, "ms": 1.0, "leg": "upstream" });
    let mut run_start = event("", "run_start", 0, json!({ "objectives": [] }));
    run_start.ids.session_id = None;
    let events = [
        run_start,
        event("one", "journey_start", 1, json!({ "profile": "clean" })),
        event("one", "journey_end", 2, json!({ "ending": "passed" })),
        event("two", "journey_start", 3, json!({ "profile": "clean" })),
        // The app's own proxy goes on with what the first play asked for.
        event("one", "proxy_response", 4, upstream),
        event("two", "journey_end", 5, json!({ "ending": "passed" })),
    ];
    let record = Record::fold(|| Ok(Box::new(events.clone().into_iter().map(Ok))), None).expect("a record");
    let mut archives = Archives::new(&record);
    let mut given = Vec::new();
    for event in &events {
        given.extend(archives.feed(event).map(|(name, archive)| (event.seq, name, archive)));
    }
    let names: Vec<(u64, &str)> = given.iter().map(|(seq, name, _)| (*seq, name.as_str())).collect();
    assert_eq!(names, [(4, "har/firefox-one-clean-1-1.har"), (5, "har/firefox-two-clean-1-1.har")]);
    assert_eq!(given[0].2["log"]["entries"][0]["request"]["url"], "http://h/late");
    assert_eq!(archives.rest().count(), 0);
}
