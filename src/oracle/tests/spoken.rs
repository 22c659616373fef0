//! What page and server say to each other, and what a step may make of it.

use super::*;
use serde_json::{Value, json};

fn before() -> Before {
    let list = |kind: &str| vec![kind.to_owned()];
    let place = |text: &str| text.parse().expect("a place");
    let socket = Socket {
        path: "/ws".into(),
        kind: place("type"),
        id: place("id"),
        error: place("error"),
        sent: list("ADD"),
        ack: list("OK"),
        rejected: list("NO"),
        resync: list("PUSH"),
        applied: Some(place("applied")),
        entries: None,
        version: None,
    };
    Before { t: BEGAN, socket: Some(socket), ..Before::default() }
}

/// Something said after the input, so many milliseconds.
fn said(ms: f64, event: &'static str, fields: Value) -> (f64, Seen) {
    (INPUT + ms, Seen::Told(Told { event, t: INPUT + ms, fields, ids: None, room: None }))
}

fn command(ms: f64, event: &'static str) -> (f64, Seen) {
    let name = match event {
        "sent" => "queue_cmd_sent",
        "ack" => "queue_cmd_ack",
        "applied" => "queue_cmd_applied",
        _ => "queue_cmd_rejected",
    };
    said(ms, name, json!({ "cmd_id": "a", "cmd_type": "ADD", "socket": "/ws", "reason": "no place" }))
}

fn link(ms: f64, event: &'static str) -> (f64, Seen) {
    said(ms, event, json!({ "socket": "/ws", "followed": true, "clean": false }))
}

fn tick(ms: f64) -> (f64, Seen) {
    (INPUT + ms, Seen::Tick)
}

/// What came of an expectation, this being seen.
fn came(expectation: &str, seen: Vec<(f64, Seen)>) -> Outcome {
    let book = Book::new(expectation, before()).see(INPUT, Seen::Input);
    seen.into_iter().fold(book, |book, (t, seen)| book.see(t, seen)).end()
}

fn why(outcome: &Outcome) -> &str {
    outcome.failed.as_deref().or(outcome.undecided()).unwrap_or("held")
}

#[test]
fn a_command_is_acknowledged_and_applied_once() {
    let well =
        came("applied", vec![command(10.0, "sent"), command(40.0, "ack"), command(60.0, "applied"), tick(700.0)]);
    assert_eq!((why(&well), well.ms), ("held", Some(60.0)));
    let (sent, ack, applied) = (command(10.0, "sent"), command(40.0, "ack"), command(60.0, "applied"));
    for (seen, wanted) in [
        (vec![], "no command was sent in 10.00 s"),
        (vec![sent.clone()], "ADD was sent, and neither acknowledged nor applied (a)"),
        (vec![sent.clone(), ack.clone()], "ADD was acknowledged, and never applied (a)"),
        (vec![sent.clone(), applied.clone()], "ADD was applied, and never acknowledged (a)"),
        (vec![sent.clone(), command(40.0, "rejected")], "ADD was rejected: no place"),
        (vec![sent.clone(), ack.clone(), applied.clone(), command(300.0, "applied")], "ADD was applied twice (a)"),
        // Somebody else's, and one that was sent before.
        (vec![applied.clone()], "no command was sent"),
        (vec![said(-200.0, "queue_cmd_sent", json!({ "cmd_id": "b" })), tick(900.0)], "no command was sent"),
        (
            vec![sent.clone(), said(20.0, "socket_capped", json!({})), ack.clone(), applied.clone(), tick(900.0)],
            "more than is followed",
        ),
        (vec![said(10.0, "queue_cmd_sent", json!({ "cmd_id": null }))], "without an id"),
    ] {
        let seen: Vec<_> = seen.into_iter().map(|(t, seen)| (t.max(INPUT), seen)).collect();
        let outcome = came("applied", seen.clone());
        assert!(why(&outcome).contains(wanted), "{seen:?}: {}", why(&outcome));
    }
}

#[test]
fn a_socket_comes_back_and_brings_the_state() {
    let (cut, back, state) =
        (link(100.0, "socket_disconnect"), link(900.0, "socket_reconnect"), link(1050.0, "socket_resync"));
    let well = came("resync", vec![cut.clone(), back.clone(), state.clone()]);
    assert_eq!((why(&well), well.ms), ("held", Some(150.0)));
    assert_eq!(well.events[0].2["down_ms"], 800.0);
    let new = came("resync", vec![link(10.0, "socket_connect"), link(30.0, "socket_resync")]);
    assert_eq!((why(&new), new.ms), ("held", Some(20.0)));
    let failed = || said(500.0, "socket_failed", json!({ "socket": "/ws" }));
    for (seen, wanted) in [
        (vec![cut.clone(), back], "the socket came back, and brought no state in 29.10 s"),
        (vec![cut.clone(), failed()], "did not come back in 29.90 s; 1 attempts to connect failed"),
        (vec![failed()], "the socket did not connect in 30.10 s; 1 attempts"),
        (vec![], "no socket was cut off"),
        // The state of a socket that was not cut off.
        (vec![state], "no socket was cut off"),
        (
            vec![said(5.0, "socket_disconnect", json!({ "socket": "wss://other", "followed": false }))],
            "no socket was cut",
        ),
    ] {
        let outcome = came("resync", seen.clone());
        assert!(why(&outcome).contains(wanted), "{seen:?}: {}", why(&outcome));
    }
}

#[test]
fn a_role_is_let_or_refused_what_it_must_be() {
    let check =
        |outcome: &Outcome| outcome.events.iter().find(|(name, ..)| *name == "permission_check").map(|e| e.2.clone());
    let (sent, ack, applied) = (command(10.0, "sent"), command(40.0, "ack"), command(60.0, "applied"));
    let rejected = command(40.0, "rejected");
    let answer = |status: Value| said(30.0, "guarded_response", json!({ "status": status, "path": "/api/rooms/a" }));
    for (expectation, seen, wanted, ok) in [
        ("refused", vec![sent.clone(), rejected.clone(), tick(700.0)], "held", Some(true)),
        ("refused", vec![sent.clone(), ack.clone()], "ADD must be refused, and was acknowledged", Some(false)),
        ("refused", vec![sent.clone(), applied.clone()], "ADD must be refused, and was applied", Some(false)),
        // It said no, and did it.
        ("refused", vec![sent.clone(), rejected.clone(), applied.clone()], "and was applied", Some(false)),
        ("refused", vec![sent.clone()], "ADD was neither let nor refused in 10.10 s", None),
        ("refused", vec![], "nothing was asked of the server", None),
        ("refused", vec![answer(json!(403)), tick(700.0)], "held", Some(true)),
        ("refused", vec![answer(json!(200))], "/api/rooms/a must be refused, and was answered 200", Some(false)),
        ("refused", vec![answer(json!(500)), tick(700.0)], "/api/rooms/a was neither let nor refused", None),
        ("allowed", vec![sent.clone(), ack], "held", Some(true)),
        ("allowed", vec![sent, rejected], "ADD must be allowed, and was rejected: no place", Some(false)),
        ("allowed", vec![answer(json!(401))], "must be allowed, and was answered 401", Some(false)),
    ] {
        let outcome = came(expectation, seen.clone());
        assert!(why(&outcome).contains(wanted), "{expectation} {seen:?}: {}", why(&outcome));
        assert_eq!(check(&outcome).map(|fields| fields["ok"].clone()), ok.map(Value::from), "{expectation} {seen:?}");
    }
}

#[test]
fn a_viewer_is_signed_in_as_the_page_shows() {
    let user = |ms: f64, user: Option<&str>| (INPUT + ms, Seen::User(user.map(str::to_owned)));
    let start = said(50.0, "auth_login_start", json!({}));
    let refused = said(90.0, "auth_login_failure", json!({ "status": 401 }));
    let well = came("signed in", vec![start.clone(), user(60.0, None), user(250.0, Some("u1"))]);
    assert_eq!((why(&well), well.ms), ("held", Some(200.0)));
    for (expectation, seen, wanted) in [
        ("signed in", vec![start.clone(), refused.clone()], "the login was answered 401"),
        ("signed in", vec![user(500.0, None)], "the page showed nobody signed in for 15.10 s"),
        ("not signed in", vec![start.clone(), refused.clone(), user(500.0, None), user(1100.0, None)], "held"),
        ("not signed in", vec![start.clone(), user(500.0, Some("u1"))], "somebody is signed in"),
        ("not signed in", vec![start, refused, user(500.0, None)], "did not say in 15.10 s"),
    ] {
        let outcome = came(expectation, seen.clone());
        assert!(why(&outcome).contains(wanted), "{expectation} {seen:?}: {}", why(&outcome));
    }
}

#[test]
fn a_preset_that_fails_is_replaced() {
    let frame = |ms: f64, program: &str, luma: u8| {
        (
            INPUT + ms,
            Seen::Frame(Frame { programs: vec![program.to_owned()], luma: vec![luma; 64], ..Frame::default() }),
        )
    };
    let breaks = (INPUT + 100.0, Seen::Console("warn".into(), "Error during tick(): gone".into()));
    let page = said(300.0, "hydra_fallback_applied", json!({ "by": "page" }));
    let names = |outcome: &Outcome| outcome.events.iter().map(|(name, ..)| *name).collect::<Vec<_>>();
    let well = came(
        "it falls back",
        vec![frame(50.0, "old", 9), breaks.clone(), frame(150.0, "old", 9), frame(400.0, "new", 9)],
    );
    assert_eq!((why(&well), well.ms), ("held", Some(300.0)));
    assert_eq!(names(&well), ["hydra_preset_eval_start", "hydra_preset_eval_error", "hydra_fallback_applied"]);
    let told = came("it falls back", vec![breaks.clone(), page]);
    assert_eq!((why(&told), names(&told).len()), ("held", 2), "the page's own word is told where it is read");
    for (seen, wanted) in [
        (vec![frame(50.0, "old", 9), breaks.clone(), frame(150.0, "old", 9)], "the preset throws on every tick"),
        (vec![breaks, frame(150.0, "new", 0)], "nothing took its place in 9.90 s"),
        (vec![frame(50.0, "new", 9)], "the preset did not fail"),
    ] {
        let outcome = came("it falls back", seen.clone());
        assert!(why(&outcome).contains(wanted), "{seen:?}: {}", why(&outcome));
    }
}
