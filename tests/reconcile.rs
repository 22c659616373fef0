//! What the app told of itself against what was seen: every finding from a stream of events made by hand, and none where
//! there is nothing to find.

use serde_json::{Map, Value, json};
use soundcheck::event::{Event, Origin};
use soundcheck::record::{Kind, Reconciliation, Record};
use soundcheck::report::REPORTS;
use soundcheck::table::Row;

/// The run's beginning on the wall clock.
const START: &str = "2026-03-01T12:00:00.000Z";

fn wall(t_ms: f64) -> String {
    let start: jiff::Timestamp = START.parse().expect("a time");
    format!("{:.3}", start + jiff::SignedDuration::from_millis(t_ms as i64))
}

/// A play under way.
#[derive(Default)]
struct Play(Vec<Event>);

impl Play {
    fn add(&mut self, event: &str, source: Origin, t_ms: f64, fields: Value) {
        let mut event = json!({
            "v": 1, "event": event, "source": source, "timestamp": wall(t_ms), "t_ms": t_ms, "seq": self.0.len(),
            "run_id": "r1", "session_id": "s1", "journey": "play", "browser": "firefox",
        });
        event.as_object_mut().expect("an object").extend(fields.as_object().cloned().unwrap_or_default());
        self.0.push(serde_json::from_value(event).expect("an event"));
    }

    fn new() -> Self {
        let mut play = Self::default();
        play.add("run_start", Origin::Monitor, 0.0, json!({}));
        play.add("journey_start", Origin::Monitor, 1.0, json!({}));
        play
    }

    /// Seen from outside.
    fn seen(mut self, event: &str, t_ms: f64, fields: Value) -> Self {
        self.add(event, Origin::Monitor, t_ms, fields);
        self
    }

    /// Told by one way: it came at `t_ms`, and was at `own` by its own account.
    fn by(mut self, way: &str, event: &str, (t_ms, own): (f64, f64), fields: Value) -> Self {
        let mut app = json!({ "v": 1, "session_id": "page", "timestamp": wall(own) });
        app.as_object_mut().expect("an object").extend(fields.as_object().cloned().unwrap_or_default());
        self.add(event, Origin::App, t_ms, json!({ "app": app, "via": way }));
        self
    }

    /// Told in the console at once.
    fn told(self, event: &str, t_ms: f64, fields: Value) -> Self {
        self.by("console", event, (t_ms, t_ms), fields)
    }

    /// A batch was sent as request `number` at `t_ms`, and ended so; with these events, each at its own time.
    fn batch(mut self, number: u64, t_ms: f64, end: Value, events: &[(&str, f64)]) -> Self {
        let mut sent =
            json!({ "request": number, "events": events.len(), "octets": 100 * events.len(), "ended": "whole" });
        sent.as_object_mut().expect("an object").extend(end.as_object().cloned().unwrap_or_default());
        self.add("app_telemetry_sent", Origin::Proxy, t_ms, sent);
        for (event, own) in events {
            let app = json!({ "v": 1, "session_id": "page", "timestamp": wall(*own) });
            self.add(event, Origin::App, t_ms, json!({ "app": app, "via": "beacon", "request": number }));
        }
        self
    }

    fn record(&self) -> Record {
        let events = || Ok(Box::new(self.0.clone().into_iter().map(Ok)) as Box<dyn Iterator<Item = _>>);
        Record::fold(events, None).expect("a record")
    }

    fn reconciled(&self) -> Reconciliation {
        self.record().plays[0].reconciliation.clone()
    }

    /// The findings: what, of which event, how often.
    fn findings(&self) -> Vec<(Kind, String, u64)> {
        self.reconciled().findings.into_iter().map(|f| (f.kind, f.event, f.times)).collect()
    }
}

fn one(kind: Kind, event: &str) -> Vec<(Kind, String, u64)> {
    vec![(kind, event.to_owned(), 1)]
}

fn preset(id: &str) -> Value {
    json!({ "preset_id": id })
}

#[test]
fn what_was_told_as_it_was_seen_has_no_finding() {
    let play = Play::new()
        .told("hydra_preset_eval_success", 1000.0, preset("waves"))
        .told("first_visualizer_frame", 1080.0, preset("waves"))
        .seen("first_visualizer_frame", 1078.0, preset("waves"))
        .seen("hydra_preset_eval_success", 1078.0, preset("waves"))
        .told("socket_connect", 2000.0, json!({}))
        .seen("socket_connect", 2001.0, json!({}));
    let known = play.reconciled();
    assert_eq!((known.told, known.seen, known.matched, known.findings), (3, 3, 3, vec![]));
}

#[test]
fn a_play_without_telemetry_tells_nothing_and_is_blamed_for_nothing() {
    let play =
        Play::new().seen("hydra_preset_eval_success", 1000.0, preset("waves")).seen("playback_stall", 5.0, json!({}));
    assert!(play.reconciled().is_silent());
    let report = REPORTS.iter().find(|r| r.name() == "reconciliation.md").expect("a row");
    assert!((report.write)(&play.record()).contains("The app tells nothing."));
    assert_eq!(play.record().plays[0].app_events.len(), 0);
}

#[test]
fn of_what_it_never_speaks_of_an_app_need_not_tell() {
    let play = Play::new().told("auth_login_start", 900.0, json!({})).seen("socket_reconnect", 1000.0, json!({}));
    assert_eq!(play.findings(), []);
}

#[test]
fn the_same_event_by_three_ways_is_one() {
    let fields = preset("waves");
    let mut play = Play::new().told("hydra_preset_eval_success", 1000.0, fields.clone()).by(
        "beacon",
        "hydra_preset_eval_success",
        (3000.0, 1000.0),
        fields.clone(),
    );
    // A mark knows neither the session nor the time.
    play.add("hydra_preset_eval_success", Origin::App, 1001.0, json!({ "app": fields, "via": "mark" }));
    let known = play.reconciled();
    assert_eq!((known.told, known.findings.len()), (1, 0), "{known:?}");
    assert_eq!(known.ways.into_iter().collect::<Vec<_>>(), ["beacon", "console", "mark"].map(|w| (w.to_owned(), 1)));
    assert_eq!(play.record().plays[0].app_events["hydra_preset_eval_success"], 1);
}

#[test]
fn presets_shown_twice_are_two_events_however_they_came() {
    let mut play = Play::new();
    for t in [1000.0, 9000.0] {
        play = play.told("hydra_preset_eval_success", t, preset("waves")).seen(
            "hydra_preset_eval_success",
            t + 50.0,
            preset("waves"),
        );
    }
    for t in [1000.0, 9000.0] {
        play = play.by("beacon", "hydra_preset_eval_success", (11000.0, t), preset("waves"));
    }
    assert_eq!((play.reconciled().told, play.findings()), (2, vec![]));
}

#[test]
fn what_was_seen_and_not_told_is_missing() {
    let play = Play::new().told("socket_connect", 1000.0, json!({})).seen("socket_connect", 1000.0, json!({})).seen(
        "socket_reconnect",
        8000.0,
        json!({}),
    );
    assert_eq!(play.findings(), one(Kind::Missing, "socket_reconnect"));
    assert_eq!(play.reconciled().findings[0].says, "the app never tells of it");
}

#[test]
fn a_command_is_known_by_its_id_and_not_by_its_time() {
    let id = |id: &str| json!({ "cmd_id": id });
    let mut play = Play::new();
    for n in ["a", "b"] {
        play = play.told("queue_cmd_sent", 1000.0, id(n)).seen("queue_cmd_sent", 1001.0, id(n));
    }
    play = play.seen("queue_cmd_applied", 1020.0, id("a")).told("queue_cmd_applied", 1030.0, id("b")).seen(
        "queue_cmd_applied",
        1040.0,
        id("b"),
    );
    assert_eq!(play.findings(), one(Kind::Missing, "queue_cmd_applied"));
    assert_eq!(play.reconciled().findings[0].says, "seen, and not told");
}

#[test]
fn a_fallback_that_every_tick_called_for_is_missing() {
    let mut play = Play::new().told("hydra_preset_eval_success", 900.0, preset("waves"));
    for n in 0..40 {
        let text = json!({ "text": "Error: the source went away" });
        play = play.seen("console_warning", 1000.0 + 50.0 * f64::from(n), text);
    }
    assert_eq!(play.findings(), one(Kind::Missing, "hydra_fallback_applied"));
    assert_eq!(play.told("hydra_fallback_applied", 1500.0, preset("waves")).findings(), []);
    let mut seldom = Play::new().told("hydra_preset_eval_success", 900.0, preset("waves"));
    for n in 0..40 {
        seldom = seldom.seen("console_warning", 1000.0 * f64::from(n), json!({ "text": "slow" }));
    }
    assert_eq!(seldom.findings(), []);
}

#[test]
fn what_follows_too_close_is_rate_limited() {
    let mut play = Play::new();
    // A limit of 2 s: of a switch each 0.9 s every third is told.
    for n in 0..9 {
        let t = 1000.0 + 900.0 * f64::from(n);
        play = play.seen("hydra_preset_eval_success", t, preset(&n.to_string()));
        if n % 3 == 0 {
            play = play.told("hydra_preset_eval_success", t - 50.0, preset(&n.to_string()));
        }
    }
    assert_eq!(play.findings(), [(Kind::RateLimited, "hydra_preset_eval_success".to_owned(), 6)]);
    // Far apart it is no limiter.
    let far = Play::new()
        .told("hydra_preset_eval_success", 1000.0, preset("a"))
        .seen("hydra_preset_eval_success", 1000.0, preset("a"))
        .seen("hydra_preset_eval_success", 9000.0, preset("b"));
    assert_eq!(far.findings(), one(Kind::Missing, "hydra_preset_eval_success"));
}

#[test]
fn success_told_where_failure_was_seen_contradicts_and_the_reverse() {
    let black = json!({ "preset_id": "waves", "reason": "the picture is black" });
    let play = Play::new().told("hydra_preset_eval_success", 1000.0, preset("waves")).seen(
        "hydra_preset_eval_error",
        3000.0,
        black,
    );
    assert_eq!(play.findings(), one(Kind::Contradicting, "hydra_preset_eval_error"));
    let says = &play.reconciled().findings[0].says;
    assert_eq!(says, "the app said hydra_preset_eval_success; seen was this (the picture is black)");

    // Taken for terminal before the first frame.
    let play =
        Play::new().told("video_init_error", 1000.0, json!({})).seen("video_init_frame_ready", 1400.0, json!({}));
    assert_eq!(play.findings(), one(Kind::Contradicting, "video_init_frame_ready"));
    let play = Play::new().told("queue_cmd_applied", 1000.0, json!({ "cmd_id": "a" })).seen(
        "queue_cmd_rejected",
        1000.0,
        json!({ "cmd_id": "a" }),
    );
    assert_eq!(play.findings(), one(Kind::Contradicting, "queue_cmd_rejected"));
}

#[test]
fn a_preset_that_fails_while_it_is_drawn_is_told_of_by_its_fallback() {
    let fails = || {
        let error = json!({ "reason": "the source went away" });
        Play::new()
            .told("hydra_preset_eval_success", 1000.0, preset("waves"))
            .seen("hydra_preset_eval_error", 3000.0, error)
            .seen("hydra_fallback_applied", 3200.0, json!({}))
    };
    assert_eq!(fails().told("hydra_fallback_applied", 3200.0, preset("waves")).findings(), []);
    let untold = fails().findings();
    let kinds: Vec<(Kind, &str)> = untold.iter().map(|(kind, event, _)| (*kind, event.as_str())).collect();
    assert_eq!(kinds, [(Kind::Contradicting, "hydra_preset_eval_error"), (Kind::Missing, "hydra_fallback_applied")]);
}

#[test]
fn a_first_frame_told_before_there_is_one_is_early() {
    let told = |at| {
        Play::new()
            .told("first_visualizer_frame", at, preset("waves"))
            .seen("first_visualizer_frame", 1400.0, preset("waves"))
            .findings()
    };
    assert_eq!(told(1010.0), one(Kind::Early, "first_visualizer_frame"));
    assert_eq!(told(1390.0), []);
}

#[test]
fn a_first_frame_that_took_as_long_as_the_code_was_never_looked_at() {
    let told = |frames: [f64; 2]| {
        let mut play = Play::new();
        for (n, frame) in frames.into_iter().enumerate() {
            let (t, id) = (1000.0 + 5000.0 * n as f64, format!("p{n}"));
            let took = |ms: f64| json!({ "preset_id": id, "duration_ms": ms });
            play = play.told("hydra_preset_eval_success", t, took(7.0)).told("first_visualizer_frame", t, took(frame));
        }
        play.findings()
    };
    assert_eq!(told([7.0, 7.3]), [(Kind::Early, "first_visualizer_frame".to_owned(), 2)]);
    assert_eq!(told([7.0, 70.0]), []);
}

#[test]
fn what_is_told_long_after_is_late() {
    let told = |at| {
        Play::new().told("socket_disconnect", at, json!({})).seen("socket_disconnect", 1000.0, json!({})).findings()
    };
    assert_eq!(told(3500.0), one(Kind::Late, "socket_disconnect"));
    assert_eq!(told(2500.0), []);
}

#[test]
fn a_batch_that_comes_late_tells_of_its_time() {
    let play = Play::new().seen("socket_disconnect", 1000.0, json!({})).by(
        "beacon",
        "socket_disconnect",
        (31_000.0, 1003.0),
        json!({}),
    );
    assert_eq!(play.findings(), []);
}

#[test]
fn what_is_told_twice_in_one_way_is_a_duplicate() {
    let play = Play::new().told("socket_connect", 1000.0, json!({})).told("socket_connect", 1000.0, json!({})).seen(
        "socket_connect",
        1000.0,
        json!({}),
    );
    assert_eq!(play.findings(), one(Kind::Duplicate, "socket_connect"));
    assert_eq!(play.reconciled().told, 1);
}

#[test]
fn a_time_replaced_on_the_way_is_told() {
    let play = Play::new()
        .told("socket_connect", 1000.0, json!({}))
        .by("beacon", "socket_connect", (3100.0, 3099.0), json!({}))
        .seen("socket_connect", 1000.0, json!({}));
    assert_eq!(play.findings(), one(Kind::Restamped, "socket_connect"));
    assert_eq!(play.reconciled().told, 1);
}

#[test]
fn a_batch_that_the_server_refuses_is_lost() {
    let batch = |status: u16, events: Value| {
        let sent = json!({ "status": status, "events": events, "octets": 900 });
        Play::new().told("session_start", 900.0, json!({})).seen("app_telemetry_sent", 1000.0, sent).reconciled()
    };
    for status in [400, 413, 429] {
        let findings = batch(status, json!(60)).findings;
        assert_eq!((findings[0].kind, findings.len()), (Kind::Lost, 1));
        assert_eq!(findings[0].says, format!("the server answered {status} to a batch of 60 events"));
    }
    assert!(batch(413, Value::Null).findings[0].says.contains("events that cannot be read"));
    assert_eq!(batch(200, json!(3)).findings, []);
}

#[test]
fn a_part_of_a_file_that_cannot_be_what_its_server_says_contradicts_whoever_tells_of_it() {
    let answer = |rule: &str, ours: bool| {
        let says = "Content-Range: bytes 900-899/900 cannot be";
        let fields =
            json!({ "rule": rule, "says": says, "url": "http://h/a.mp4", "ours": ours, "severity": "violation" });
        Play::new().seen("media_violation", 1000.0, fields)
    };
    for rule in ["content_range_invalid", "content_range_elsewhere", "length_differs", "part_empty"] {
        assert_eq!(answer(rule, false).findings(), one(Kind::Contradicting, "(range)"), "{rule}");
        assert_eq!(answer(rule, true).findings(), [], "{rule}: a fault of ours is no word of the app's");
    }
    assert_eq!(answer("truncated", false).findings(), [], "what broke off said nothing wrong");
    let play = answer("content_range_invalid", false);
    let says = &play.reconciled().findings[0].says;
    assert_eq!(says, "Content-Range: bytes 900-899/900 cannot be (http://h/a.mp4)");
    let report = REPORTS.iter().find(|r| r.name() == "reconciliation.md").expect("a row");
    let text = (report.write)(&play.record());
    assert!(text.contains("The app tells nothing.") && text.contains("| contradicting | `(range)` | 1 |"), "{text}");
}

#[test]
fn a_stall_goes_by_the_apps_own_name() {
    let stall = |event: &str| {
        Play::new()
            .told("video_init_frame_ready", 500.0, json!({}))
            .told(event, 1100.0, json!({}))
            .seen("playback_stall", 1000.0, json!({ "ms": 4000 }))
            .findings()
    };
    let short =
        Play::new().told("video_init_start", 500.0, json!({})).seen("playback_stall", 9.0, json!({ "ms": 400 }));
    assert_eq!(short.findings(), []);
    assert_eq!(stall("video_stall"), []);
    assert_eq!(stall("video_other"), one(Kind::Missing, "video_stall"));
}

#[test]
fn the_verdict_and_the_report_tell_the_findings() {
    let play = Play::new().told("socket_connect", 1000.0, json!({})).seen("socket_reconnect", 8000.0, json!({}));
    let write = |name: &str| {
        let report = REPORTS.iter().find(|r| r.name() == name).expect("a row");
        (report.write)(&play.record())
    };
    let verdict: Map<String, Value> = serde_json::from_str(&write("verdict.json")).expect("JSON");
    let finding = &verdict["plays"][0]["reconciliation"]["findings"][0];
    assert_eq!((&finding["kind"], &finding["event"]), (&json!("missing"), &json!("socket_reconnect")));
    assert!(
        write("reconciliation.md").contains("| missing | `socket_reconnect` | 1 | 8.00 s |"),
        "{}",
        write("reconciliation.md")
    );
    assert!(write("report.html").contains("socket_reconnect"));
}

/// Nobody is there to take a batch.
fn down() -> Value {
    json!({ "status": null, "ended": "upstream_cut", "error": "127.0.0.1:4799: Connection refused" })
}

#[test]
fn what_was_refused_and_came_again_is_neither_lost_nor_a_duplicate() {
    let busy = || json!({ "status": 503 });
    let taken = || json!({ "status": 200 });
    let two = [("socket_connect", 1000.0), ("socket_resync", 1100.0)];
    let seen = || Play::new().seen("socket_connect", 1000.0, json!({})).seen("socket_resync", 1100.0, json!({}));
    let again = seen().batch(1, 2000.0, busy(), &two).batch(2, 4000.0, taken(), &two);
    assert_eq!((again.findings(), again.reconciled().told, again.reconciled().matched), (vec![], 2, 2));
    assert_eq!(again.record().plays[0].app_events["socket_connect"], 1);
    // In two parts, one of which was refused once more.
    let parts = seen().batch(1, 2000.0, down(), &two).batch(2, 4000.0, taken(), &two[..1]);
    let parts = parts.batch(3, 5000.0, busy(), &two[1..]).batch(4, 6000.0, taken(), &two[1..]);
    assert_eq!((parts.findings(), parts.reconciled().told), (vec![], 2));
    // What was taken and comes again is a duplicate, also after a retry.
    let twice = again.batch(3, 6000.0, taken(), &two[..1]);
    assert_eq!(twice.findings(), one(Kind::Duplicate, "socket_connect"));
    // Nobody knows what became of a batch whose page was left.
    let left = json!({ "status": null, "ended": "client_gone" });
    let left = seen().batch(1, 2000.0, left, &two).batch(2, 4000.0, taken(), &two);
    assert_eq!(left.findings(), []);
}

#[test]
fn a_batch_that_never_came_again_is_lost_also_where_nobody_answered() {
    let two = [("socket_connect", 1000.0), ("socket_resync", 1100.0)];
    let seen = || Play::new().seen("socket_connect", 1000.0, json!({})).seen("socket_resync", 1100.0, json!({}));
    let dead = seen().batch(1, 2000.0, down(), &two);
    assert_eq!((dead.findings(), dead.reconciled().told), (one(Kind::Lost, "(batch)"), 2));
    let says = "nobody answered a batch of 2 events: 127.0.0.1:4799: Connection refused";
    assert_eq!(dead.reconciled().findings[0].says, says);
    // Tried for ever it is one batch.
    assert_eq!(dead.batch(2, 4000.0, down(), &two).findings(), one(Kind::Lost, "(batch)"));
    let part =
        seen().batch(1, 2000.0, json!({ "status": 503 }), &two).batch(2, 4000.0, json!({ "status": 200 }), &two[1..]);
    let says = "the server answered 503 to a batch of 2 events, 1 of which never came again";
    assert_eq!(part.reconciled().findings[0].says, says);
    // Of nobody who tells anything else: it is told, and not heard.
    let mut unread = Play::new();
    let sent =
        json!({ "request": 1, "status": null, "ended": "upstream_cut", "error": "x", "events": null, "octets": 0 });
    unread.add("app_telemetry_sent", Origin::Proxy, 1000.0, sent);
    assert!(!unread.reconciled().is_silent());
    for ended in ["play_over", "client_gone"] {
        let left = Play::new().batch(1, 1000.0, json!({ "status": null, "ended": ended }), &two);
        assert_eq!(left.findings(), [], "{ended}");
    }
}

#[test]
fn a_failure_is_as_near_as_what_began_it() {
    let video = |told: &str, t: f64| {
        let play = Play::new().told("video_init_start", 1000.0, json!({})).told(told, t, json!({}));
        play.seen("video_init_start", 1000.0, json!({})).seen(
            "video_init_error",
            46_000.0,
            json!({ "reason": "silent" }),
        )
    };
    assert_eq!(video("video_init_error", 11_000.0).findings(), []);
    let wrong = video("video_init_frame_ready", 2000.0);
    assert_eq!(wrong.findings(), one(Kind::Contradicting, "video_init_error"));
    assert_eq!(wrong.reconciled().findings[0].says, "the app said video_init_frame_ready; seen was this (silent)");
    // Of the video before it says nothing.
    assert_eq!(video("video_init_error", 500.0).findings(), one(Kind::Missing, "video_init_error"));

    let preset = Play::new()
        .told("hydra_preset_eval_error", 2000.0, preset("waves"))
        .seen("hydra_preset_eval_start", 1000.0, json!({}))
        .seen("hydra_preset_eval_error", 31_000.0, preset("waves"));
    assert_eq!(preset.findings(), []);
}

#[test]
fn what_an_app_calls_as_the_playbook_does_is_told() {
    let refresh = Play::new()
        .told("auth_login_refresh", 1000.0, json!({}))
        .seen("auth_login_refresh", 1000.0, json!({}))
        .told("playback_stall", 9000.0, json!({}))
        .seen("playback_stall", 9000.0, json!({ "ms": 4000 }));
    assert_eq!((refresh.findings(), refresh.reconciled().matched), (vec![], 2));
}

#[test]
fn of_sockets_only_the_declared_one_is_compared() {
    let with = |fields: Value| {
        let play = Play::new().told("socket_connect", 1000.0, json!({})).seen("socket_connect", 1000.0, json!({}));
        play.seen("socket_reconnect", 30_000.0, fields).findings()
    };
    assert_eq!(with(json!({ "socket": "wss://live.example/x", "declared": false })), []);
    assert_eq!(with(json!({ "socket": "/hot-reload", "declared": false })), []);
    assert_eq!(with(json!({ "socket": "wss://live.example/x" })), [], "an older record");
    for own in [json!({ "socket": "/ws", "declared": true }), json!({ "socket": "/ws" })] {
        assert_eq!(with(own), one(Kind::Missing, "socket_reconnect"));
    }
}

#[test]
fn what_others_do_in_the_room_need_not_be_told() {
    let id = |id: &str| json!({ "cmd_id": id });
    let play = Play::new().told("queue_cmd_sent", 1000.0, id("a")).seen("queue_cmd_sent", 1000.0, id("a")).seen(
        "queue_cmd_applied",
        1100.0,
        id("theirs"),
    );
    assert_eq!(play.findings(), []);
    assert_eq!(play.seen("queue_cmd_applied", 1200.0, id("a")).findings(), one(Kind::Missing, "queue_cmd_applied"));
}

/// An event whose time is a number, of milliseconds or seconds since 1970; it came at `t_ms`.
fn numbered(mut play: Play, event: &str, (t_ms, time): (f64, Value)) -> Play {
    let app = json!({ "session_id": "page", "timestamp": time });
    play.add(event, Origin::App, t_ms, json!({ "app": app, "via": "beacon" }));
    play
}

/// The run's clock on the wall clock, milliseconds since 1970.
fn epoch_ms(t_ms: f64) -> i64 {
    wall(t_ms).parse::<jiff::Timestamp>().expect("a time").as_millisecond()
}

#[test]
fn a_time_in_numbers_is_read() {
    let (ms, s) = (epoch_ms(1003.0), epoch_ms(1000.0) / 1000);
    for time in [json!(ms), json!(ms as f64 / 1000.0), json!(s)] {
        let seen = Play::new().seen("socket_disconnect", 1000.0, json!({}));
        assert_eq!(numbered(seen, "socket_disconnect", (31_000.0, time.clone())).findings(), [], "{time}");
    }
    // A time since the page began is none.
    let seen = Play::new().seen("socket_disconnect", 1000.0, json!({}));
    let found = numbered(seen, "socket_disconnect", (31_000.0, json!(1234.5))).findings();
    assert_eq!(found, one(Kind::Missing, "socket_disconnect"));
    // Within a second two of a kind are two, and none is early.
    let mut coarse = Play::new();
    for t in [1400.0, 1800.0] {
        coarse = coarse.seen("first_visualizer_frame", t, json!({}));
        coarse = numbered(coarse, "first_visualizer_frame", (t, json!(s)));
    }
    assert_eq!((coarse.findings(), coarse.reconciled().told), (vec![], 2));
    let mut exact = numbered(Play::new(), "first_visualizer_frame", (1400.0, json!(ms)));
    exact = exact.seen("first_visualizer_frame", 1400.0, json!({}));
    assert_eq!(exact.findings(), one(Kind::Early, "first_visualizer_frame"));
}

#[test]
fn the_apps_times_are_the_browsers() {
    // The browser's clock is 20 s behind: what it calls 1 s was at 21 s.
    let clock = |doubt: f64| json!({ "shift_ms": 20_000.0, "uncertainty_ms": doubt });
    let play = |doubt: f64| {
        let play = Play::new().seen("clock_mapped", 10.0, clock(doubt)).seen("socket_disconnect", 21_000.0, json!({}));
        play.by("beacon", "socket_disconnect", (23_000.0, 1000.0), json!({})).findings()
    };
    assert_eq!(play(2.0), []);
    assert_eq!(play(30_000.0), one(Kind::Missing, "socket_disconnect"), "nobody is sure of it");
}

#[test]
fn what_is_not_compared_makes_nobody_deaf() {
    let mut play = Play::new().told("socket_connect", 5.0, json!({})).seen("socket_connect", 5.0, json!({}));
    for n in 0..10_500 {
        play = play.told("heartbeat", 10.0 + f64::from(n), json!({ "n": n }));
    }
    play = play.told("socket_reconnect", 30_000.0, json!({})).seen("socket_reconnect", 30_000.0, json!({}));
    let known = play.reconciled();
    assert_eq!((known.findings, known.until_ms, known.told), (vec![], None, 10_502));
    assert_eq!(play.record().plays[0].app_events["heartbeat"], 10_500);
}

#[test]
fn both_sides_stop_where_one_is_full_and_the_report_says_so() {
    let mut play = Play::new();
    for n in 0..5500 {
        let (t, id) = (1000.0 * f64::from(n), json!({ "n": n }));
        play = play.told("socket_reconnect", t, id.clone()).by("beacon", "socket_reconnect", (t + 20.0, t), id);
        play = play.seen("socket_reconnect", t, json!({}));
    }
    let known = play.reconciled();
    assert_eq!((known.findings, known.until_ms, known.told), (vec![], Some(4_940_000.0), 5500));
    assert_eq!(known.ways.into_iter().collect::<Vec<_>>(), ["beacon", "console"].map(|w| (w.to_owned(), 5500)));
    assert!(known.matched == known.seen && known.seen > 4900, "{} of {}", known.matched, known.seen);
    for report in ["reconciliation.md", "report.html"] {
        let row = REPORTS.iter().find(|r| r.name() == report).expect("a row");
        let text = (row.write)(&play.record());
        assert!(text.contains("ompared until 82.3 min: there was more than is kept."), "{report}");
    }
}
