use super::*;
use crate::secret::Secrets;
use serde_json::json;
use std::time::Instant;

fn write_three(path: &Path) -> Vec<Event> {
    let log = Log::open(path, "r1", &Secrets::default()).expect("opens");
    let ids = Ids { browser: Some("firefox".into()), ..Ids::default() };
    let events =
        ["a", "b", "c"].map(|n| log.write(n, Origin::Monitor, log.now_ms(), &ids, json!({"x": "é\n\"", "n": 1.5})));
    log.sync().expect("syncs");
    events.to_vec()
}

#[test]
fn what_is_written_is_read_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("events.jsonl");
    let written = write_three(&path);
    let back: Vec<Event> = read(&path).expect("opens").map(|e| e.expect("reads")).collect();
    assert_eq!(written, back);
    assert_eq!(back[0].ids.run_id, "r1");
    assert!(back[0].line().starts_with(r#"{"v":1,"event":"a","source":"monitor","timestamp":""#));
}

#[test]
fn what_is_told_reads_as_what_is_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("events.jsonl");
    let secrets = Secrets::default();
    secrets.add("hunter2");
    secrets.add("wombat<\"'>\\");
    secrets.learn_cookie("h", "a=quiet-forest-17; HttpOnly");
    let log = Log::open(&path, "r1", &secrets).expect("opens");
    let one = Arc::new(Ids { browser: Some("firefox".into()), step: Some("a \"b\"".into()), ..Ids::default() });
    let two = Arc::new(Ids { run_id: "other".into(), ..Ids::default() });
    let fields =
        |text: &str| json!({ "text": text, "n": 1.5, "none": null, "parts": format!("/{text}"), "list": [text] });
    let texts = [
        "plain",
        "é\n\"",
        "has hunter2 in it",
        "http://h/x?token=abc9",
        "Bearer abcdef",
        "a@b.example",
        "has QUIET-forest-17 in it",
        "wombat<\"'>\\",
        "wombat\\u003c\\u0022\\u0027\\u003e\\\\",
        "wombat&lt;\"&#x27;&gt;\\",
    ];
    for text in texts {
        for (ids, hash) in [(&one, None), (&two, Some("0123456789abcdef")), (&two, None)] {
            log.tell("x", Origin::Proxy, Instant::now(), ids, hash, |to| {
                to.put("text", text).put("n", Thousandths(1.5)).put("none", None::<u64>);
                to.put("parts", Parts(["/", text])).put("list", Texts(&[text.to_owned()]));
            });
            let ids = Ids { media_url_hash: hash.map(str::to_owned), ..Ids::clone(ids) };
            log.write("x", Origin::Proxy, log.now_ms(), &ids, fields(text));
        }
    }
    log.sync().expect("syncs");
    let events: Vec<Event> = read(&path).expect("opens").map(|e| e.expect("reads")).collect();
    assert_eq!(events.len(), texts.len() * 6);
    for pair in events.chunks(2) {
        let same = |e: &Event| Event { timestamp: String::new(), t_ms: 0.0, seq: 0, ..e.clone() };
        assert_eq!(same(&pair[0]), same(&pair[1]));
        assert!(pair[0].t_ms <= pair[1].t_ms && pair[0].timestamp <= pair[1].timestamp);
        assert_eq!(pair[0].timestamp.len(), pair[1].timestamp.len(), "{} {}", pair[0].timestamp, pair[1].timestamp);
    }
    let text = std::fs::read_to_string(&path).expect("reads").to_lowercase();
    assert!(!["hunter2", "wombat", "quiet-forest"].iter().any(|secret| text.contains(secret)));
}

#[test]
fn an_app_has_no_secret_for_a_name_and_we_keep_ours() {
    let dir = tempfile::tempdir().expect("a folder");
    let secrets = Secrets::default();
    secrets.add("text");
    let log = Log::open(&dir.path().join("events.jsonl"), "r1", &secrets).expect("opens");
    let write = |source| log.write("x", source, 0.0, &Ids::default(), json!({ "context": { "text": 1 } })).fields;
    assert_eq!(Value::Object(write(Origin::Browser)), json!({ "context": { "text": 1 } }));
    assert_eq!(Value::Object(write(Origin::App)), json!({ "con[redacted]": { "[redacted]": 1 } }));
}

#[test]
fn every_truncation_leaves_whole_events_only() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("events.jsonl");
    let written = write_three(&path);
    let bytes = std::fs::read(&path).expect("reads");
    for cut in 0..bytes.len() {
        std::fs::write(&path, &bytes[..cut]).expect("writes");
        let whole = bytes[..cut].iter().filter(|b| **b == b'\n').count();
        let back: Vec<Event> = read(&path).expect("opens").map(|e| e.expect("a torn tail is no error")).collect();
        assert_eq!(back, written[..whole]);
        Log::open(&path, "r1", &Secrets::default()).expect("repairs");
        assert_eq!(
            std::fs::metadata(&path).expect("is there").len(),
            back.iter().map(|e| e.line().len() as u64).sum::<u64>()
        );
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("events.jsonl");
    write_three(&path);
    let bytes = std::fs::read(&path).expect("reads");
    let first = bytes.iter().position(|b| *b == b'\n').expect("a line");
    for bit in 0..first * 8 {
        let mut torn = bytes.clone();
        torn[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &torn).expect("writes");
        let all: Result<Vec<Event>> = read(&path).expect("opens").collect();
        assert!(all.is_err(), "bit {bit} went unnoticed");
    }
}

#[test]
fn a_resealed_line_reads() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("events.jsonl");
    write_three(&path);
    let edited = std::fs::read_to_string(&path).expect("reads").replace("firefox", "chromium");
    assert!(Event::read(edited.lines().next().expect("a line")).is_err());
    let sealed = reseal(&edited).expect("seals");
    let event = Event::read(sealed.lines().next().expect("a line")).expect("reads");
    assert_eq!(event.ids.browser.as_deref(), Some("chromium"));
}

#[test]
fn a_full_disk_counts_what_it_loses() {
    let log = Log::open(Path::new("/dev/full"), "r", &Secrets::default()).expect("opens");
    log.write("a", Origin::Monitor, 0.0, &Ids::default(), json!({}));
    let failed = log.sync().expect_err("the disk is full");
    assert_eq!(failed.whose(), crate::error::Whose::Operator);
    log.write("b", Origin::Monitor, 0.0, &Ids::default(), json!({}));
    assert!(log.sync().is_err());
    assert!(log.dropped() >= 1);
}
