//! `soundcheck proxy` as people start it: what it refuses, what it reaches, how it ends.

mod common;

use common::SOUNDCHECK;
use common::people::{Running, exchange, origin, soon};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

/// Answers 503 for media; and a fault of the other leg.
const DOWN: &str = r#"
question = "Does the player say that its media are not to be had?"
seed = 5
[[fault]]
do = "status"
id = "down"
match = { path = "/media/*" }
code = 503
[[fault]]
do = "status"
id = "far"
leg = "upstream"
code = 502
[[expect]]
outcome = "either"
"#;

/// Refused before anything listens: the exit code, and what it said.
fn refused(args: &[&str]) -> (Option<i32>, String) {
    let done = Command::new(SOUNDCHECK).arg("proxy").args(args).env_remove("RUST_LOG").output().expect("starts");
    assert!(done.stdout.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&done.stdout));
    (done.status.code(), String::from_utf8(done.stderr).expect("UTF-8"))
}

fn profile(dir: &Path) -> String {
    let path = dir.join("down.toml");
    std::fs::write(&path, DOWN).expect("written");
    path.display().to_string()
}

#[test]
fn without_a_target_it_says_what_to_add() {
    let (code, said) = refused(&["clean", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--to http://") && said.contains("--allow HOST:PORT"), "{said}");
}

#[test]
fn what_is_wrong_on_the_command_line_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().expect("a folder");
    let taken = dir.path().join("events.jsonl");
    std::fs::write(&taken, "{}\n").expect("written");
    let taken = taken.display().to_string();
    let to = "http://127.0.0.1:1";
    for (args, word) in [
        (&["--to", "https://127.0.0.1:1"][..], "plain http"),
        (&["--to", "http://127.0.0.1:1/path"], "without a path"),
        (&["--to", "http://user@127.0.0.1:1"], "without a path"),
        (&["--to", "127.0.0.1:1"], "remedy: --to http://127.0.0.1:1\n"),
        (&["--to", "localhost:3000"], "remedy: --to http://localhost:3000\n"),
        (&["--to", to, "--listen", "8080"], "--listen 127.0.0.1:8080\n"),
        (&["--to", to, "--control", "localhost:7"], "--control 127.0.0.1:7\n"),
        (&["--allow", "cdn.example"], "cdn.example:443"),
        (&["--allow", "*:443"], "cdn.example:443"),
        (&["--to", to, "--allow", "127.0.0.1:2"], "cannot be used with"),
        (&["--to", to, "--listen", "0.0.0.0:0"], "--open"),
        (&["--to", to, "--listen", "localhost"], "--listen"),
        (&["--to", to, "--control", "0.0.0.0:0"], "loopback"),
        (&["--to", to, "--leg", "middle"], "browser or upstream"),
        (&["--to", to, "--events", &taken], "holds events already"),
        (&["no-such-profile", "--to", to], "no such file"),
    ] {
        let anywhere = if args.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] };
        let (code, said) = refused(&[args, anywhere].concat());
        assert!(code == Some(2) && said.contains(word), "{args:?}: {code:?} {said}");
    }
    assert_eq!(std::fs::read_to_string(&taken).expect("reads"), "{}\n");
}

#[test]
fn a_port_in_use_is_the_operators_with_a_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for (flag, other) in [("--listen", "--control"), ("--control", "--listen")] {
        let (code, said) = refused(&["--to", "http://127.0.0.1:1", flag, &address, other, "127.0.0.1:0"]);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains(&address) && said.contains(&format!("give another {flag};")), "{said}");
    }
}

#[test]
fn a_reverse_proxy_to_itself_is_its_authors_error() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
    for host in ["127.0.0.1", "localhost", "0.0.0.0"] {
        let to = format!("http://{host}:{}", free.port());
        let (code, said) = refused(&["--to", &to, "--listen", &free.to_string()]);
        assert!(code == Some(2) && said.contains("itself listens there"), "{to}: {code:?} {said}");
    }
}

#[test]
fn a_reverse_proxy_plays_the_profile_and_leaves_events() {
    let dir = tempfile::tempdir().expect("a folder");
    let events = dir.path().join("events.jsonl");
    let (to, file) = (format!("http://{}", origin()), events.display().to_string());
    let running = Running::start(&[&profile(dir.path()), "--to", &to, "--events", &file, "-v"]);
    let start = running.start.clone();
    assert_eq!((&start["to"], &start["profile"], &start["seed"]), (&json!(to), &json!("down"), &json!(5)));
    let fault = &start["faults"][0];
    assert_eq!((&fault["id"], &fault["do"], &fault["armed"]), (&json!("down"), &json!("status"), &json!(true)));
    assert!(fault["says"].as_str().is_some_and(|s| s.contains("503") && s.contains("/media/*")), "{fault}");

    assert_eq!((running.get("/page"), running.get("/media/a")), (200, 503));
    assert_eq!(running.ask("POST /api/faults/down/disarm", "").0, 200);
    assert_eq!(running.get("/media/a"), 200);
    let (status, told) = running.ask("PUT /api/profile", "question = \"?\"\n[[fault]]\ndo = \"stauts\"\n");
    let error = told["error"].as_str().unwrap_or_default();
    assert!(status == 400 && error.contains("^^^") && error.contains("status"), "{status} {error}");
    assert_eq!(running.ask("PUT /api/profile", &DOWN.replace("503", "504").replace("seed = 5", "")).1["seed"], 1);
    assert_eq!(running.get("/media/a"), 504);
    // A line for each request is printed a moment after its end.
    soon("all ended", || {
        let (_, told) = running.ask("GET /api/requests", "");
        told["requests"].as_array().is_some_and(|r| r.len() == 4 && r.iter().all(|r| !r["ended"].is_null()))
    });
    std::thread::sleep(std::time::Duration::from_millis(300));

    let (listen, control) = (running.address(), running.control());
    let (code, said) = running.end(Signal::TERM);
    assert_eq!(code, Some(143), "{said}");
    assert!(said.contains("other leg") && said.contains("--leg upstream"), "{said}");
    assert!(
        said.contains("GET") && said.contains("/media/a") && said.contains("504") && said.contains("[down]"),
        "{said}"
    );
    assert!(said.contains("down: applied 1"), "{said}");
    assert!(TcpStream::connect(listen).is_err() && TcpStream::connect(control).is_err(), "nothing listens");

    let all: Vec<_> = soundcheck::event::read(&events).expect("opens").map(|e| e.expect("an event")).collect();
    let names: Vec<&str> = all.iter().map(|e| e.event.as_str()).collect();
    assert_eq!((names[0], names[1], names[names.len() - 1]), ("proxy_start", "profile_armed", "proxy_end"));
    let count = |name: &str| names.iter().filter(|n| **n == name).count();
    let responses = (count("video_proxy_response"), count("proxy_response"));
    assert_eq!((responses, count("fault_applied"), count("profile_armed")), ((2, 2), 2, 2), "{names:?}");
    assert_eq!(count("fault_disarmed"), 1);
}

#[test]
fn a_fault_may_begin_disarmed_and_a_profile_need_not_say_what_holds() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("late.toml");
    let text = "question = \"?\"\n[[fault]]\ndo = \"status\"\nid = \"down\"\ncode = 503\narmed = false\n";
    std::fs::write(&path, text).expect("written");
    let to = format!("http://{}", origin());
    let running = Running::start(&[&path.display().to_string(), "--to", &to]);
    let fault = &running.start["faults"][0];
    assert_eq!(
        (&fault["armed"], &fault["says"]),
        (&json!(false), &json!("down: status code = 503; every request; disarmed at first"))
    );
    assert_eq!(running.get("/a"), 200);
    assert_eq!(running.ask("POST /api/faults/down/arm", "").0, 200);
    assert_eq!(running.get("/a"), 503);
    // The same text anew: as it says, not as it stood.
    assert_eq!(running.ask("PUT /api/profile", text).0, 200);
    assert_eq!(running.get("/a"), 200);
}

#[test]
fn the_other_leg_is_played_when_asked_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let to = format!("http://{}", origin());
    let running = Running::start(&[&profile(dir.path()), "--to", &to, "--leg", "upstream", "--seed", "9"]);
    assert_eq!(running.start["seed"], 9);
    assert_eq!((running.get("/page"), running.get("/media/a")), (502, 502));
    let (code, _) = running.end(Signal::INT);
    assert_eq!(code, Some(130), "Ctrl-C");
}

#[test]
fn what_a_part_of_the_link_came_to_is_told_in_connections() {
    let to = format!("http://{}", origin());
    let running = Running::start(&["chrome/fast-4g", "--to", &to]);
    for _ in 0..3 {
        assert_eq!(running.get("/a"), 200);
    }
    let (_, said) = running.end(Signal::INT);
    assert!(said.contains("latency: applied to 3 connections; 3 of 3 requests came while it held"), "{said}");
}

#[test]
fn a_forward_proxy_says_its_address_as_a_url_and_as_host_and_port() {
    let mut child = Command::new(SOUNDCHECK)
        .args(["proxy", "--listen", "127.0.0.1:0", "--allow", "cdn.example:80"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("reads");
    let _ = child.kill();
    let _ = child.wait();
    let port = line.split(':').nth(2).and_then(|p| p.split(' ').next()).unwrap_or_default();
    let wanted =
        format!("listening on http://127.0.0.1:{port} (127.0.0.1:{port}), a forward proxy for cdn.example:80\n");
    assert_eq!(line, wanted);
}

#[test]
fn a_forward_proxy_reaches_what_it_was_given_and_nothing_else() {
    let (allowed, other) = (origin(), origin());
    let running = Running::start(&["--allow", &allowed.to_string()]);
    assert_eq!((&running.start["to"], &running.start["faults"]), (&Value::Null, &json!([])));
    let get =
        |target: &str, host: &str| exchange(running.address(), &format!("GET {target} HTTP/1.1\r\nHost: {host}"), "");
    let (status, _, body) = get(&format!("http://{allowed}/a"), &allowed.to_string());
    assert_eq!((status, body.as_str()), (200, "0123456789"));
    let control = running.control();
    for refused in [other.to_string(), control.to_string(), format!("localhost:{}", other.port())] {
        let (status, _, body) = get(&format!("http://{refused}/"), &refused);
        assert!(status == 403 && body != "0123456789", "{refused}: {status} {body}");
        let (status, _, _) = exchange(running.address(), &format!("CONNECT {refused} HTTP/1.1\r\nHost: {refused}"), "");
        assert_eq!(status, 403, "CONNECT {refused}");
    }
    assert_eq!(running.end(Signal::HUP).0, Some(129));
}
