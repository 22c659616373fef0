//! What the events of a play come to.

use super::super::class::Class;
use super::*;

/// A story of these events: name, when, fields.
fn story(events: &[(&str, f64, Value)]) -> Story {
    let mut story = Story::default();
    for (name, t_ms, fields) in events {
        story.feed(&event(name, "start the video", *t_ms, fields));
    }
    story
}

fn event(name: &str, step: &str, t_ms: f64, fields: &Value) -> Event {
    let fields = fields.as_object().cloned().unwrap_or_default();
    let ids = crate::event::Ids { step: Some(step.into()), ..Default::default() };
    let (event, timestamp) = (name.to_owned(), String::new());
    let source = crate::event::Origin::Monitor;
    Event { v: 1, event, source, timestamp, t_ms, seq: 0, ids, fields }
}

/// Fields of a `video_proxy_response`: the whole film, of which so much came.
fn response(sent: u64, more: Value) -> Value {
    let mut fields = json!({
        "request": 3, "leg": "browser", "method": "GET", "url": HOME, "resource": "media", "status": 206, "range": "bytes=0-",
        "content_range": format!("bytes 0-{}/{TOTAL}", TOTAL - 1), "content_type": "video/mp4", "etag": "\"a\"",
        "bytes_promised": TOTAL, "bytes_sent": sent, "bytes_received": sent, "ended": "play_over", "ms": 9000.0,
    });
    for (key, value) in more.as_object().cloned().unwrap_or_default() {
        fields[key] = value;
    }
    fields
}

#[test]
fn a_story_finds_the_cause_of_what_stopped_while_it_played() {
    let stall = json!({
        "url": format!("{HOME}?k=1"), "kind": "freeze", "ms": 12_000.0, "end_ms": 9000.0, "position_s": 6.3, "recovered": false,
        "ready_state": 4, "network_state": 2, "error": null,
    });
    let told = |events: &[(&str, f64, Value)]| story(events).class().map(|c| (c.class, c.evidence.consumed_s));
    let silent = ("video_proxy_response", 9500.0, response(1_000_000, json!({})));
    assert_eq!(told(&[("playback_stall", 1.0, stall.clone()), silent.clone()]), Some((Class::TimedOut, Some(6.3))));
    let short = json!({ "kind": "rebuffering", "ms": 900.0, "recovered": true, "url": HOME });
    assert_eq!(told(&[("playback_stall", 1.0, short), silent]), None, "a short one is no failure");
    for (stalled, class) in [(1400.0, None), (5500.0, Some((Class::TimedOut, None)))] {
        let summary = json!({ "url": HOME, "watched_ms": 15_000.0, "stalled_ms": stalled });
        let slow = ("video_proxy_response", 16_000.0, response(1_000_000, json!({ "ms": 15_000.0 })));
        assert_eq!(told(&[("playback_summary", 15_500.0, summary), slow]), class, "many short ones");
    }
    let whole = ("video_proxy_response", 400.0, response(TOTAL, json!({ "ended": "whole", "ms": 300.0 })));
    let early = json!({ "url": HOME, "premature": true, "position_s": 7.0 });
    assert_eq!(told(&[whole.clone(), ("playback_end", 8000.0, early)]), Some((Class::Truncated, Some(7.0))));
    let error = json!({ "url": HOME, "kind": "freeze", "recovered": false, "error": "MediaError 3 PIPELINE_ERROR_DECODE", "end_ms": 9000.0 });
    assert_eq!(told(&[whole, ("playback_stall", 1.0, error)]), Some((Class::Violation, None)));
}

#[test]
fn of_two_clips_behind_one_path_its_own_answers_count() {
    let x = "video_proxy_response";
    let hash = crate::event::query_hash;
    let a = response(5, json!({ "request": 4, "status": 404, "query_hash": hash("url=a?x=1"), "ms": 5.0 }));
    let b = response(TOTAL, json!({ "request": 5, "ended": "whole", "query_hash": hash("url=b"), "ms": 5.0 }));
    let told = |query: &str| {
        let element =
            json!({ "ok": false, "step_ms": 5000.0, "video": { "url": format!("{HOME}{query}"), "code": 4 } });
        let events = [(x, 9000.0, a.clone()), (x, 9100.0, b.clone()), ("step_end", 9500.0, element)];
        story(&events).class().map(|c| (c.class, c.evidence.request))
    };
    assert_eq!(told("?url=a?x=1#t=3"), Some((Class::Refused, Some(4))));
    for all in ["?url=b", "?url=[redacted]", ""] {
        assert_eq!(told(all), Some((Class::Violation, Some(5))), "{all}");
    }
    // Where its own leads, whatever the query there.
    let to = response(5, json!({ "request": 6, "status": 302, "location": ELSEWHERE, "query_hash": hash("url=c") }));
    let end =
        response(5, json!({ "request": 7, "url": ELSEWHERE, "status": 403, "query_hash": hash("k=9"), "ms": 5.0 }));
    let element = json!({ "ok": false, "step_ms": 5000.0, "video": { "url": format!("{HOME}?url=c"), "code": 4 } });
    let events = [(x, 9000.0, to), (x, 9100.0, end), (x, 9200.0, b), ("step_end", 9500.0, element)];
    let class = story(&events).class().expect("a class");
    assert_eq!((class.class, class.evidence.request), (Class::Refused, Some(7)));
}

#[test]
fn two_files_behind_one_path_break_no_rule_and_two_that_do_are_told_once() {
    let x = "video_proxy_response";
    let clip = |query: &str, more: Value| {
        let mut fields = response(0, json!({ "query_hash": query }));
        more.as_object().expect("fields").iter().for_each(|(key, value)| fields[key] = value.clone());
        fields
    };
    let other = json!({ "etag": "\"b\"", "content_range": "bytes 0-99/100", "bytes_promised": 100 });
    assert_eq!(story(&[(x, 1.0, clip("a", json!({}))), (x, 2.0, clip("b", other))]).violations(), []);
    let wrong = json!({ "content_range": null });
    let all = story(&[(x, 1.0, clip("a", wrong.clone())), (x, 2.0, clip("b", wrong))]);
    let told: Vec<_> = all.violations().iter().map(|v| (v.rule, v.times)).collect();
    assert_eq!(told, [("content_range_missing", 2)]);
}

#[test]
fn a_long_stall_whose_octets_came_at_last_was_a_wait_for_them() {
    let stall = |kind: &str, network: u8| {
        json!({
            "url": HOME, "kind": kind, "start_ms": 9000.0, "end_ms": 21_000.0, "ms": 12_000.0, "recovered": true,
            "ready_state": 2, "network_state": network, "error": null,
        })
    };
    let told = |kind: &str, network: u8| {
        let whole = response(TOTAL, json!({ "ended": "whole", "ms": 22_000.0 }));
        let events = [("video_proxy_response", 22_500.0, whole), ("playback_stall", 23_000.0, stall(kind, network))];
        story(&events).class().expect("a class")
    };
    let found = told("rebuffering", 2);
    assert_eq!(found.class, Class::TimedOut, "{}", found.evidence.says);
    assert!(found.evidence.says.starts_with("it waited 12"), "{}", found.evidence.says);
    assert_eq!(told("freeze", 2).class, Class::Silent);
    assert_eq!(told("rebuffering", 1).class, Class::Silent, "it was not loading");
}

#[test]
fn what_was_open_when_the_waiting_began_feeds_a_blob_too() {
    let told = |ended: f64| {
        let mut story = Story::default();
        let hung = response(1_000_000, json!({ "ended": "client_gone", "silent_ms": 8000.0, "ms": 15_000.0 }));
        story.feed(&event("video_proxy_response", "open the room", ended, &hung));
        let video = json!({ "url": "blob:http://app.example/1", "network_state": 2 });
        let end = json!({ "ok": false, "step_ms": 10_000.0, "video": video });
        story.feed(&event("step_end", "start the video", 30_000.0, &end));
        story.class().map(|c| (c.class, c.evidence.request))
    };
    assert_eq!(told(22_000.0), Some((Class::TimedOut, Some(3))));
    assert_eq!(told(19_000.0), Some((Class::TimedOut, None)), "it was over before");
}

#[test]
fn what_broke_a_source_off_is_its_cause_though_the_next_one_gets_all() {
    let empty = json!({
        "request": 4, "range": "bytes=700000-", "content_range": format!("bytes 700000-{}/{TOTAL}", TOTAL - 1),
        "bytes_promised": 0, "ended": "whole", "ms": 2.0,
    });
    let whole = json!({ "request": 5, "ended": "whole", "ms": 20.0 });
    let stall = |kind: &str| {
        json!({
            "url": HOME, "kind": kind, "start_ms": 8700.0, "end_ms": 14_900.0, "ms": 6200.0, "recovered": false, "error": null,
        })
    };
    let told = |kind: &str| {
        let replaced = json!({ "url": HOME, "premature": false, "reason": "replaced" });
        story(&[
            (
                "video_proxy_response",
                400.0,
                response(700_000, json!({ "ended": "whole", "ms": 100.0, "bytes_promised": 700_000 })),
            ),
            ("video_proxy_response", 8000.0, response(0, empty.clone())),
            ("playback_end", 13_800.0, replaced),
            ("video_proxy_response", 13_900.0, response(TOTAL, whole.clone())),
            ("playback_stall", 15_000.0, stall(kind)),
        ])
        .class()
        .map(|c| (c.class, c.evidence.request))
    };
    assert_eq!(told("interrupted"), Some((Class::Violation, Some(4))));
    assert_eq!(told("freeze"), Some((Class::Silent, Some(5))), "its own octets came");
}

#[test]
fn a_seek_that_led_elsewhere_is_silent_and_says_what_the_server_did() {
    let ignored = response(2_000_000, json!({ "status": 200, "content_range": null }));
    let seek = |ok: bool| json!({ "url": HOME, "wanted_s": 20.0, "landed_s": 0.4, "ok": ok, "error": null });
    let x = ("video_proxy_response", 9500.0, ignored);
    let class = story(&[("playback_seek", 9000.0, seek(false)), x.clone()]).class().expect("a class");
    assert_eq!((class.class, class.evidence.consumed_s), (Class::Silent, Some(0.4)));
    assert_eq!(class.evidence.rule.as_deref(), Some("range_ignored"));
    assert!(class.evidence.says.ends_with("the server answers ranges with the whole file"), "{}", class.evidence.says);
    assert_eq!(story(&[("playback_seek", 9000.0, seek(true)), x]).class(), None, "one that landed is no failure");
}

#[test]
fn a_story_tells_what_the_apps_own_proxy_got() {
    let element = json!({ "ok": false, "step_ms": 5000.0, "video": { "url": HOME, "code": 4 } });
    let own = response(11, json!({ "status": 502, "request": 4, "ms": 900.0, "content_range": null, "promised": 11 }));
    let far = |status: u16| {
        response(0, json!({ "leg": "upstream", "url": ELSEWHERE, "status": status, "request": 1, "ms": 5.0 }))
    };
    let says = |upstream: Value| {
        let x = "video_proxy_response";
        let class =
            story(&[(x, 8500.0, upstream), (x, 9000.0, own.clone()), ("step_end", 9500.0, element.clone())]).class();
        class.expect("a class").evidence.says
    };
    assert!(
        says(far(503)).ends_with(&format!("; behind it, GET {ELSEWHERE}: 503, 0 of 8,828,825 octets")),
        "{}",
        says(far(503))
    );
    assert!(!says(response(TOTAL, json!({ "leg": "upstream", "url": ELSEWHERE }))).contains("behind"));
}

#[test]
fn a_story_follows_redirects_and_tells_each_rule_once() {
    let element = json!({ "ok": false, "step_ms": 5000.0, "video": { "url": HOME, "code": 4 } });
    let to = response(5, json!({ "status": 302, "location": ELSEWHERE, "ended": "whole", "content_range": null }));
    let bare = json!({ "url": ELSEWHERE, "origin": "null", "request": 4, "ms": 5.0 });
    let end = response(0, bare);
    let other = response(5, json!({ "url": "http://app.example/other.mp4", "status": 500, "request": 9, "ms": 1.0 }));
    let x = "video_proxy_response";
    let events = [
        (x, 9100.0, to),
        (x, 9200.0, end.clone()),
        (x, 9300.0, end),
        (x, 9400.0, other),
        ("step_end", 9500.0, element),
    ];
    let story = story(&events);
    let class = story.class().expect("a class");
    assert_eq!((class.class, class.evidence.request), (Class::Cors, Some(4)));
    let broken: Vec<_> = story.violations().iter().map(|v| (v.rule, v.times, v.url.as_str())).collect();
    assert_eq!(broken, [("cors_missing", 2, ELSEWHERE)]);
}

#[test]
fn an_app_that_tells_of_responses_itself_is_not_believed() {
    let mut story = Story::default();
    let fields = response(1, json!({ "content_range": null })).as_object().cloned().unwrap_or_default();
    let source = crate::event::Origin::App;
    let ids = crate::event::Ids::default();
    let event = "video_proxy_response".to_owned();
    story.feed(&Event { v: 1, event, source, timestamp: String::new(), t_ms: 1.0, seq: 0, ids, fields });
    assert_eq!(story.violations(), []);
}
