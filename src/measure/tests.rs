//! Playbooks: events in, samples out.

use super::*;
use crate::event::{Ids, Origin};
use crate::table::find;
use serde_json::{Map, Value, json};

const N: f64 = f64::INFINITY;

fn event(at: f64, name: &str, session: &str, fields: &Value) -> Event {
    let source = match fields.get("from").and_then(Value::as_str) {
        Some("app") => Origin::App,
        Some("proxy") => Origin::Proxy,
        _ => Origin::Browser,
    };
    Event {
        v: 1,
        event: name.to_owned(),
        source,
        timestamp: String::new(),
        t_ms: at,
        seq: 0,
        ids: Ids { session_id: Some(session.to_owned()), ..Ids::default() },
        fields: fields.as_object().cloned().unwrap_or_default(),
    }
}

/// What a measure gives for these events of one session, a second apart.
fn of(measure: &str, events: &[(&str, Value)]) -> Samples {
    let mut fold = (find(MEASURES, measure).expect("a measure").fold)();
    for (n, (name, fields)) in events.iter().enumerate() {
        fold.feed(&event(n as f64 * 1000.0, name, "s1", fields));
    }
    fold.samples()
}

fn trials(good: u64, total: u64) -> Samples {
    Samples::Trials { good, total }
}

fn id(id: &str) -> Value {
    json!({ "cmd_id": id })
}

#[test]
fn a_command_is_followed_by_its_id() {
    let (sent, ack, applied) = ("queue_cmd_sent", "queue_cmd_ack", "queue_cmd_applied");
    let rejected = "queue_cmd_rejected";
    let end = ("journey_end", json!({}));
    let all = |events: &[(&str, Value)]| {
        ["command applied", "command applied once", "command kept"].map(|measure| of(measure, events))
    };
    for (why, events, wanted) in [
        ("well", vec![(sent, id("a")), (ack, id("a")), (applied, id("a"))], [(1, 1), (1, 1), (1, 1)]),
        ("sent again, applied once", vec![(sent, id("a")), (sent, id("a")), (applied, id("a"))], [(1, 1); 3]),
        ("applied twice", vec![(sent, id("a")), (applied, id("a")), (applied, id("a"))], [(1, 1), (0, 1), (1, 1)]),
        ("lost after its ack", vec![(sent, id("a")), (ack, id("a"))], [(0, 1), (0, 0), (0, 1)]),
        ("rejected is told, not lost", vec![(sent, id("a")), (rejected, id("a"))], [(0, 1), (0, 0), (1, 1)]),
        ("of another viewer", vec![(applied, id("b"))], [(0, 0), (1, 1), (0, 0)]),
        ("applied before its ack is seen", vec![(applied, id("a")), (sent, id("a"))], [(1, 1); 3]),
        ("without an id", vec![(sent, json!({})), (applied, json!({}))], [(0, 0); 3]),
        (
            "one application seen twice",
            vec![(applied, json!({ "cmd_id": "a", "from": "proxy" })), (applied, id("a"))],
            [(0, 0), (1, 1), (0, 0)],
        ),
        ("the app's own word", vec![(sent, json!({ "cmd_id": "a", "from": "app" }))], [(0, 0); 3]),
        (
            "one application heard on two sockets",
            vec![
                (sent, id("a")),
                (applied, json!({ "cmd_id": "a", "socket": "/ws" })),
                (applied, json!({ "cmd_id": "a", "socket": "/ws 2" })),
            ],
            [(1, 1); 3],
        ),
        ("something was not seen", vec![(sent, id("a")), ("socket_capped", json!({}))], [(0, 0); 3]),
    ] {
        let events = [events, vec![end.clone()]].concat();
        assert_eq!(all(&events), wanted.map(|(good, total)| trials(good, total)), "{why}");
        let open = &events[..events.len() - 1];
        assert!(all(open).iter().all(Samples::is_empty), "{why}: nothing is lost before the session ends");
    }
    let spoilt = ("journey_end", json!({ "ending": "undecided", "busy": { "share": 0.9 } }));
    let busy = [(sent, id("a")), (sent, id("b")), (applied, id("a")), spoilt];
    assert_eq!(all(&busy), [(); 3].map(|()| trials(1, 1)), "nobody knows what would have come");
}

#[test]
fn what_is_begun_and_never_ends_has_failed() {
    let (start, good, bad) = ("auth_login_start", "auth_login_success", "auth_login_failure");
    let login = |names: &[&str]| of("login", &names.iter().map(|n| (*n, json!({}))).collect::<Vec<_>>());
    assert_eq!(login(&[start, good, start, bad, start, "journey_end"]), trials(1, 3));
    assert_eq!(login(&[good, "journey_end"]), trials(1, 1), "its start was not seen");
    assert_eq!(login(&[start]), trials(0, 0), "it may still end");
    let spoilt = [(start, json!({})), (bad, json!({})), (start, json!({})), ("journey_end", json!({ "busy": {} }))];
    assert_eq!(of("login", &spoilt), trials(0, 1), "nobody knows how it would have ended");
    let app = of("login", &[(good, json!({ "from": "app" }))]);
    assert!(app.is_empty(), "the app says so itself");
    let join = of("join room", &[("room_join_start", json!({})), ("room_join_success", json!({}))]);
    assert_eq!(join, trials(1, 1));
}

#[test]
fn a_reconnect_is_over_when_the_queue_is_the_servers() {
    let (down, up, same) = ("socket_disconnect", "socket_reconnect", "socket_resync");
    let ms = |names: &[&str]| match of(
        "reconnect reconciliation",
        &names.iter().map(|n| (*n, json!({}))).collect::<Vec<_>>(),
    ) {
        Samples::Values(ms) => ms,
        other => panic!("{other:?}"),
    };
    assert_eq!(ms(&[down, up, same]), [1000.0]);
    assert_eq!(ms(&[down, up, down, up, same, "journey_end"]), [1000.0], "cut off again, it starts anew");
    assert_eq!(ms(&[down, up, "journey_end"]), [N], "never reconciled");
    assert_eq!(ms(&[down, "journey_end"]), [N], "never back");
    assert_eq!(ms(&[same, "journey_end"]), [] as [f64; 0], "the first one is no reconnect");
    let closed = of("reconnect reconciliation", &[(down, json!({ "clean": true })), ("journey_end", json!({}))]);
    assert!(closed.is_empty(), "closed on purpose");
}

#[test]
fn the_servers_own_time_is_the_headers_before_the_apps() {
    let response = |fields: Value| ("library_response", fields);
    let told = response(json!({ "from": "app", "app": { "server_ms": 9.0 } }));
    let seen = response(json!({ "from": "proxy", "server_ms": 12.0, "status": 200 }));
    let failed = response(json!({ "from": "proxy", "server_ms": 1.0, "status": 503 }));
    let silent = response(json!({ "from": "proxy", "status": 200 }));
    assert_eq!(of("library response", &[told.clone(), silent]), Samples::Values(vec![9.0]));
    assert_eq!(of("library response", &[told, seen, failed]), Samples::Values(vec![12.0, N]));
    let told_of_failure = response(json!({ "from": "app", "app": { "server_ms": 1.0, "status": 503 } }));
    assert_eq!(of("library response", &[told_of_failure]), Samples::Values(vec![N]));
}

#[test]
fn single_events_say_themselves_how_they_went() {
    let refresh = |fields| ("auth_login_refresh", fields);
    let all = [refresh(json!({ "ok": true })), refresh(json!({ "ok": false })), refresh(json!({}))];
    assert_eq!(of("token refresh", &all), trials(1, 3), "one that does not say so did not go well");
    assert_eq!(of("permission", &[("permission_check", json!({ "ok": true }))]), trials(1, 1));
    let answer = |fields: Value| ("video_proxy_response", fields);
    let answers = [
        answer(json!({ "app_proxy": true, "status": 206 })),
        answer(json!({ "app_proxy": true, "status": 413 })),
        answer(json!({ "app_proxy": true, "status": 413, "ours": true })),
        answer(json!({ "app_proxy": true, "status": null })),
        answer(json!({ "status": 413 })),
    ];
    assert_eq!(of("proxy not 413", &answers), trials(1, 2));
    let aborts = [
        json!({ "app_proxy": true, "status": 206, "ended": "whole" }),
        json!({ "app_proxy": true, "status": 206, "ended": "upstream_cut", "silent_ms": 12.0 }),
        json!({ "app_proxy": true, "status": 206, "ended": "upstream_cut", "silent_ms": 60_003.0 }),
        json!({ "app_proxy": true, "status": 206, "ended": "upstream_cut", "silent_ms": 60_003.0, "ours": true }),
        json!({ "app_proxy": true, "status": 206, "ended": "client_gone", "silent_ms": 60_003.0 }),
        json!({ "app_proxy": true, "status": 206, "ended": "play_over" }),
        json!({ "app_proxy": true, "status": null, "ended": "upstream_cut" }),
        json!({ "status": 206, "ended": "upstream_cut", "silent_ms": 60_003.0 }),
    ];
    assert_eq!(of("proxy no idle abort", &aborts.map(answer)), trials(2, 3));
}

#[test]
fn a_play_feeds_every_measure_it_has_events_for() {
    let mut events = vec![
        event(0.0, "hydra_preset_eval_success", "s1", &json!({})),
        event(1.0, "first_visualizer_frame", "s1", &json!({ "ms": 80.0 })),
        event(2.0, "hydra_preset_eval_error", "s1", &json!({ "busy_host": "hogged" })),
        event(60_003.0, "journey_end", "s1", &json!({ "ms": 60_000.0 })),
    ];
    let given = of_play(&events);
    let wanted = [
        ("preset load", trials(1, 1)),
        ("first visualizer frame", Samples::Values(vec![80.0])),
        ("crash-free session", trials(1, 1)),
        ("console errors", Samples::Count { count: 0, minutes: 1.0, lost: 0 }),
    ];
    assert_eq!(given, wanted);
    events.clear();
    assert_eq!(of_play(&events), []);
}

#[test]
fn clocks_that_jump_and_numbers_that_are_none_give_no_good_sample() {
    let up = |at| event(at, "socket_reconnect", "s", &json!({}));
    let same = |at| event(at, "socket_resync", "s", &json!({}));
    let mut fold = (find(MEASURES, "reconnect reconciliation").expect("a measure").fold)();
    for e in [up(5000.0), same(1000.0)] {
        fold.feed(&e);
    }
    assert_eq!(fold.samples(), Samples::Values(vec![NO_TIME]), "a clock that runs back");
    for ms in [json!("soon"), json!(-3.0), json!(f64::NAN)] {
        for (measure, event) in
            [("first visualizer frame", "first_visualizer_frame"), ("first video frame", "video_init_frame_ready")]
        {
            // None of them is lost, and none is a sample.
            let good = (event, json!({ "ms": 80.0 }));
            let shown = of(measure, &[(event, json!({ "ms": ms })), (event, json!({})), good]);
            assert_eq!((shown.len(), shown.lost()), (1, 2), "{measure} {ms}");
        }
        let minutes = of("console errors", &[("console_error", json!({})), ("journey_end", json!({ "ms": ms }))]);
        assert_eq!(minutes, Samples::Count { count: 1, minutes: 0.0, lost: 1 }, "{ms}");
        let cut = json!({ "app_proxy": true, "status": 206, "ended": "upstream_cut", "silent_ms": ms });
        assert_eq!(of("proxy no idle abort", &[("video_proxy_response", cut)]), trials(0, 1), "{ms}");
    }
    let library = |ms: Value| of("library response", &[("library_response", json!({ "server_ms": ms }))]);
    assert_eq!(library(json!(-1.0)), Samples::Values(vec![NO_TIME]));
    assert_eq!(library(json!(null)), Samples::Values(vec![]), "without a header nothing was measured");
    // A play that gave nothing else is still told of.
    let events = [event(0.0, "first_visualizer_frame", "s1", &json!({ "ms": null }))];
    assert_eq!(of_play(&events), [("first visualizer frame", Samples::Values(vec![NO_TIME]))]);
}

#[test]
fn a_growth_of_no_size_is_none() {
    let grown = |sizes: &[(f64, Value)]| {
        let sample = |(n, size): &(f64, Value)| ("memory_sample", json!({ "switches": n, "pss_bytes": size }));
        of("memory growth", &sizes.iter().map(sample).collect::<Vec<_>>())
    };
    let bytes = |bytes: &[f64]| Samples::Bytes(bytes.to_vec());
    assert_eq!(grown(&[(10.0, json!(4e8)), (100.0, json!(4.9e8))]), bytes(&[1e8]));
    assert_eq!(grown(&[(10.0, json!(4e8)), (90.0, json!(4.9e8))]), bytes(&[]), "fewer switches");
    for none in [json!(null), json!(-1.0)] {
        assert_eq!(grown(&[(10.0, none.clone()), (100.0, json!(4e8))]), bytes(&[N]));
        assert_eq!(grown(&[(10.0, json!(4e8)), (100.0, none.clone())]), bytes(&[N]));
        // The next that has one does.
        let next = [(10.0, json!(4e8)), (100.0, none), (110.0, json!(5e8))];
        assert_eq!(grown(&next), bytes(&[1e8]));
    }
}

#[test]
fn plays_folded_one_by_one_and_added_up_are_plays_folded_together() {
    let one = |session: &str, from: f64| {
        let mut at = from;
        let all = [
            ("hydra_preset_eval_success", json!({})),
            ("first_visualizer_frame", json!({ "ms": 80.0 + from })),
            ("console_error", json!({})),
            ("queue_cmd_sent", id("a")),
            ("queue_cmd_ack", id("b")),
            ("queue_cmd_applied", id("a")),
            ("socket_disconnect", json!({})),
            ("socket_reconnect", json!({})),
            ("socket_resync", json!({})),
            ("library_response", json!({ "from": if from > 0.0 { "app" } else { "proxy" }, "server_ms": 7.0 + from })),
            ("auth_login_start", json!({})),
            ("webgl_context_lost", json!({})),
            ("journey_end", json!({ "ms": 60_000.0 })),
        ];
        all.map(|(name, fields)| {
            at += 10.0;
            event(at, name, session, &fields)
        })
    };
    let (first, second) = (one("s1", 0.0), one("s2", 5.0));
    let mut together = [first.clone(), second.clone()].concat();
    together.sort_by(|a, b| a.t_ms.total_cmp(&b.t_ms));
    let mut added = of_play(&first);
    for ((name, sum), (other, more)) in added.iter_mut().zip(of_play(&second)) {
        assert_eq!(*name, other);
        assert!(sum.merge(more), "{name}");
    }
    assert_eq!(added, of_play(&together));
    assert!(added.len() >= 8, "{added:?}");
}

#[test]
fn what_is_not_read_is_no_sample_of_any_measure() {
    let all = json!({
        "ms": 9000.0, "ok": true, "status": 503, "ended": "upstream_cut", "silent_ms": 60_000.0, "app_proxy": true,
        "server_ms": 9.0, "pss_bytes": 1e9, "switches": 100.0, "watched_ms": 9000.0, "cmd_id": "a", "socket": "1",
    });
    for name in ["proxy_response", "browser_response"] {
        let event = event(1.0, name, "s1", &all);
        assert!(!is_read(&event), "{name}");
        assert_eq!(of_play(&[event.clone(), event]), [], "{name}");
    }
    assert!(MEASURES.iter().all(|measure| {
        let mut fold = (measure.fold)();
        let before = fold.samples();
        fold.feed(&event(1.0, "proxy_response", "s1", &all));
        fold.samples() == before
    }));
    assert!(is_read(&event(1.0, "video_proxy_response", "s1", &all)));
}

#[test]
fn what_had_to_fail_is_no_sample() {
    let must = |fields: Value| -> Map<String, Value> {
        let mut fields = fields.as_object().cloned().unwrap_or_default();
        fields.insert("must".to_owned(), "be refused".into());
        fields
    };
    let events = [
        ("queue_cmd_sent", must(id("a"))),
        ("queue_cmd_rejected", must(id("a"))),
        ("auth_login_start", must(json!({}))),
        ("auth_login_failure", must(json!({}))),
        ("console_error", must(json!({}))),
        ("permission_check", json!({ "ok": true }).as_object().cloned().unwrap_or_default()),
        ("journey_end", json!({ "ms": 60_000.0 }).as_object().cloned().unwrap_or_default()),
    ];
    let events = events.into_iter().map(|(name, fields)| event(60_000.0, name, "s1", &Value::Object(fields)));
    let all = of_play(&events.collect::<Vec<_>>());
    let of = |measure: &str| all.iter().find(|(name, _)| *name == measure).map(|(_, samples)| samples.clone());
    assert_eq!((of("command applied"), of("login"), of("permission")), (None, None, Some(trials(1, 1))));
    assert_eq!(of("console errors"), Some(Samples::Count { count: 0, minutes: 1.0, lost: 0 }));
}

#[test]
fn what_feeds_a_measure_is_an_expectation_there_is() {
    for measure in MEASURES {
        let expected = match measure.fed {
            Fed::ByExpecting(expected, _) => expected.to_vec(),
            Fed::ByExpectingOrSaying(expected, _) => vec![expected],
            Fed::Always | Fed::ByDeclaring(..) => Vec::new(),
        };
        assert!(expected.iter().all(|e| find(crate::oracle::EXPECTATIONS, e).is_some()), "{expected:?}");
    }
}
