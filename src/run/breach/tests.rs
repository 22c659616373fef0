//! A real listener, real commands, and a record that is breached.

use super::*;
use crate::record::Ending;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

const SOON: Duration = Duration::from_millis(500);

/// A server that answers so after a while, and what it was sent.
async fn server(status: &'static str, after: Duration) -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("http://{}/services/T0/secret-path", listener.local_addr().expect("an address"));
    let got = Arc::new(Mutex::new(String::new()));
    let heard = got.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            let mut block = [0; 4096];
            loop {
                let read = stream.read(&mut block).await.unwrap_or(0);
                bytes.extend_from_slice(&block[..read]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let head = text.find("\r\n\r\n").map(|at| at + 4);
                let length = text.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                if read == 0 || head.zip(length).is_some_and(|(head, length): (_, usize)| bytes.len() >= head + length)
                {
                    *heard.lock().expect("a lock") = text;
                    break;
                }
            }
            tokio::time::sleep(after).await;
            let _ = stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await;
        }
    });
    (url, got)
}

fn tell(to: &str) -> Tell {
    Tell::new(to, None, &Secrets::default()).expect("good").patience(SOON, SOON)
}

fn record(dir: &Path, name: &str) -> Record {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records").join(name).join("events.jsonl");
    let text = std::fs::read_to_string(from).expect("reads");
    std::fs::write(dir.join("events.jsonl"), crate::event::reseal(&text).expect("sealed")).expect("written");
    super::super::fold(dir).expect("folds")
}

#[tokio::test]
async fn a_url_gets_json_that_a_chat_takes_too() {
    let (url, got) = server("200 OK", Duration::ZERO).await;
    let dir = tempfile::tempdir().expect("a folder");
    let record = record(dir.path(), "failed-play");
    let on_breach = Tell::new(&url, Some("https://ci.example/run/".to_owned()), &Secrets::default()).expect("good");
    let settings = Settings { out: dir.path().to_owned(), on_breach: Some(on_breach.clone()), ..Settings::default() };
    assert_eq!(on_breach.tell(&of_run(&record, &settings)).await, Ok(()));
    let got = got.lock().expect("a lock").clone();
    let (head, body) = got.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("POST /services/T0/secret-path HTTP/1.1") && head.contains("application/json"), "{head}");
    let told: Value = serde_json::from_str(body).expect("JSON");
    for (key, wanted) in [
        ("verdict", "breached"),
        ("app", "stage"),
        ("environment", "stage"),
        ("plan", "smoke"),
        ("run_id", "0011223344556677"),
        ("report", "https://ci.example/run/report.html"),
    ] {
        assert_eq!(told[key], wanted, "{key}");
    }
    let cause = "presets in chromium, step \"next preset 2\": the picture is black";
    assert_eq!(told["first_cause"], cause);
    let text = told["text"].as_str().expect("a text");
    assert!(text.contains("breached") && text.contains(cause) && text.ends_with("/run/report.html"), "{text}");
    assert_eq!(plain("a <b> & c"), "a &lt;b&gt; &amp; c");
}

#[tokio::test]
async fn a_server_that_does_not_take_it_is_said_in_time_and_its_path_is_not() {
    let (refuses, _) = server("500 Internal Server Error", Duration::ZERO).await;
    let (redirects, _) = server("302 Found\r\nlocation: /elsewhere", Duration::ZERO).await;
    let (slow, _) = server("200 OK", Duration::from_secs(60)).await;
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        format!("http://{}/services/T0/secret-path", listener.local_addr().expect("an address"))
    };
    for (url, words) in [
        (refuses, "it answered 500"),
        (redirects, "it answered 302"),
        (slow, "no answer in 500ms"),
        (gone, "onnection refused"),
    ] {
        let begun = Instant::now();
        let tell = tell(&url);
        let why = tell.tell(&json!({ "text": "x" })).await.expect_err("not told");
        assert!(why.contains(words), "{why}");
        assert!(!why.contains("secret-path") && !tell.name().contains("secret-path"), "{why}; {}", tell.name());
        assert!(begun.elapsed() < Duration::from_secs(10), "{words} took {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_command_gets_the_json_and_the_facts() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("told").display().to_string();
    let line = format!("{{ echo \"$SOUNDCHECK_VERDICT $SOUNDCHECK_PLAN: $SOUNDCHECK_FIRST_CAUSE\"; cat; }} > '{file}'");
    let message =
        json!({ "verdict": "breached", "plan": "smoke", "first_cause": "it is 'black'; $(id)\0", "ci": null });
    assert_eq!(tell(&line).patience(SOON, Duration::from_secs(20)).tell(&message).await, Ok(()));
    let said = std::fs::read_to_string(&file).expect("reads");
    let (facts, body) = said.split_once('\n').expect("a line");
    assert_eq!(facts, "breached smoke: it is 'black'; $(id)\u{fffd}");
    assert_eq!(serde_json::from_str::<Value>(body).expect("JSON"), message);
}

#[tokio::test]
async fn a_command_that_fails_is_missing_or_hangs_is_said() {
    let told = |line: &str| {
        let tell = tell(line).patience(SOON, Duration::from_secs(20));
        // Longer than a pipe holds, and none of these reads it.
        async move { tell.tell(&json!({ "text": "x".repeat(1 << 20) })).await }
    };
    assert_eq!(told("exit 0").await, Ok(()));
    for (line, words) in
        [("exit 7", "exit status: 7"), ("/nowhere/tell", "exit status: 127"), ("kill -9 $$", "signal: 9")]
    {
        let why = told(line).await.expect_err("not told");
        assert!(why.contains(words), "{line}: {why}");
    }
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_all_it_started() {
    let dir = tempfile::tempdir().expect("a folder");
    let pids = dir.path().join("pids").display().to_string();
    let line = format!("sleep 600 & echo $! > '{pids}'; echo $$ >> '{pids}'; wait");
    let begun = Instant::now();
    let why = tell(&line).patience(SOON, Duration::from_secs(3)).tell(&json!({})).await.expect_err("not told");
    assert!(why.contains("still ran after 3s and was killed") && begun.elapsed() < Duration::from_secs(15), "{why}");
    let pids = std::fs::read_to_string(&pids).expect("they had begun");
    assert_eq!(pids.lines().count(), 2);
    let runs = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !(stat.is_empty() || stat.contains(") Z "))
    };
    let gone = || !pids.lines().any(runs);
    for _ in 0..100 {
        if gone() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{pids:?} still run");
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn play_starts(&self, _: usize, _: usize, _: &str) {}
    fn step_starts(&self, _: &str) {}
    fn play_ends(&self, _: &str, _: Ending, _: f64, _: Option<&str>) {}
    fn note(&self, text: &str) {
        self.0.lock().expect("a lock").push(text.to_owned());
    }
}

/// What comes of a run of this record: the record, what was said, and whether its listener was told.
async fn of(name: &str, status: &'static str) -> (Record, Vec<String>, String, tempfile::TempDir) {
    let (url, got) = server(status, Duration::ZERO).await;
    let dir = tempfile::tempdir().expect("a folder");
    let before = record(dir.path(), name);
    let secrets = Secrets::default();
    let on_breach = Some(Tell::new(&url, None, &secrets).expect("good"));
    // What the record says in the open is a secret of this run.
    secrets.add("the picture is black");
    let settings = Settings { out: dir.path().to_owned(), on_breach, ..Settings::default() };
    let log = Log::open(&dir.path().join("events.jsonl"), &before.run_id, &secrets).expect("opens");
    let notes = Notes::default();
    let after = told(before, &settings, &log, &secrets, &notes).await.expect("judged");
    let got = got.lock().expect("a lock").clone();
    (after, notes.0.into_inner().expect("a lock"), got, dir)
}

#[tokio::test]
async fn only_a_breach_is_told() {
    for name in ["broken-only", "all-passed-refute", "all-passed-prove", "unfinished", "no-play", "quarantined"] {
        let (record, notes, got, _dir) = of(name, "200 OK").await;
        assert!(record.told.is_none() && notes.is_empty() && got.is_empty(), "{name}: {notes:?} {got}");
    }
    for name in ["failed-play", "breached-outranks-broken", "quarantined-prove"] {
        let (record, notes, got, _dir) = of(name, "200 OK").await;
        assert!(record.told.is_some_and(|told| told.problem.is_none()) && notes.is_empty(), "{name}: {notes:?}");
        assert!(got.starts_with("POST "), "{name}: {got}");
    }
}

#[tokio::test]
async fn what_could_not_be_told_is_in_the_record_and_changes_nothing_else() {
    let (record, notes, got, dir) = of("failed-play", "500 Oh").await;
    assert!(got.contains("next preset 2") && !got.contains("the picture is black"), "{got}");
    assert_eq!((record.exit_code(), record.verdict()), (1, Verdict::Breached));
    let told = record.told.as_ref().expect("recorded");
    assert!(told.to.starts_with("http://127.0.0.1:") && !told.to.contains("secret-path"), "{told:?}");
    assert!(told.problem.as_ref().is_some_and(|why| why.contains("it answered 500")), "{told:?}");
    assert!(
        notes.len() == 1 && notes[0].contains("could not be told") && !notes[0].contains("secret-path"),
        "{notes:?}"
    );
    // Judged again, it is the same.
    let again = write_reports(dir.path()).expect("judged");
    assert_eq!((again.told.as_ref(), again.ms), (record.told.as_ref(), record.ms));
    let verdict = std::fs::read_to_string(dir.path().join("verdict.json")).expect("written");
    assert!(verdict.contains("\"on_breach\"") && verdict.contains("it answered 500"), "{verdict}");
    assert!(!std::fs::read_to_string(dir.path().join("events.jsonl")).expect("reads").contains("secret-path"));
}

#[test]
fn where_to_tell_is_checked_before_anything_is_played() {
    let of = |to: &str| Tell::new(to, None, &Secrets::default());
    assert!(of("http://").is_err_and(|e| e.to_string().contains("--on-breach: no URL")));
    assert!(of("env:SOUNDCHECK_SURELY_UNSET").is_err_and(|e| e.to_string().contains("is not set")));
    assert_eq!(of("./tell --loud").expect("a command").name(), "./tell --loud");
}
