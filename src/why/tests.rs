use super::*;
use crate::error::Result;
use serde_json::{Value, json};

/// A record in the making: events of one clock, plays by their session.
#[derive(Default)]
struct Tape {
    events: Vec<Event>,
    t: f64,
    ids: Value,
}

impl Tape {
    fn new(objectives: Value) -> Self {
        let mut tape = Self { ids: json!({}), ..Self::default() };
        tape.tell("run_start", "monitor", json!({ "judge": "refute", "objectives": objectives }));
        tape
    }

    /// The run is of an app here, which tells of itself there.
    fn of_app(mut self) -> Self {
        let app = json!({ "base": "http://app.example", "hosts": [], "telemetry_path": "/api/telemetry" });
        self.events[0].fields.extend(app.as_object().expect("an object").clone());
        self
    }

    /// A play begins, in chromium.
    fn play(&mut self, number: u32) -> &mut Self {
        let session = format!("s{number}");
        self.ids = json!({ "session_id": session, "browser": "chromium", "journey": "presets" });
        self.tell("journey_start", "monitor", json!({ "profile": "clean", "number": number, "attempt": 1 }))
    }

    fn step(&mut self, name: &str, expect: &str) -> &mut Self {
        (self.ids["step"], self.ids["span_id"]) = (json!(name), json!(format!("span-{}", self.events.len())));
        self.tell("step_start", "monitor", json!({ "expect": expect }))
    }

    /// Half a second later.
    fn tell(&mut self, event: &str, source: &str, fields: Value) -> &mut Self {
        self.t += 500.0;
        let mut whole = json!({
            "v": 1, "event": event, "source": source, "timestamp": "2026-01-01T00:00:00.000Z", "t_ms": self.t,
            "seq": self.events.len(), "run_id": "r",
        });
        for more in [&self.ids, &fields] {
            whole.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        }
        self.events.push(serde_json::from_value(whole).expect("an event"));
        self
    }

    fn seen(&mut self, event: &str, fields: Value) -> &mut Self {
        self.tell(event, "browser", fields)
    }

    fn request(&mut self, url: &str, status: u16, more: Value) -> &mut Self {
        let mut fields = json!({
            "request": self.events.len(), "method": "GET", "url": url, "status": status, "ended": "whole", "ms": 20.0,
            "ttfb_ms": 10.0, "bytes_sent": 5, "faults": [], "leg": "browser",
        });
        fields.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.tell("proxy_response", "proxy", fields)
    }

    fn fails(&mut self, expect: &str, reason: &str) -> &mut Self {
        let step = self.ids["step"].as_str().unwrap_or_default().to_owned();
        let fields = json!({ "expect": expect, "ok": false, "ms": null, "reason": reason, "step_ms": 6000.0 });
        self.tell("step_end", "monitor", fields);
        self.ends("failed", &format!("{step}: {reason}"))
    }

    fn holds(&mut self, expect: &str, ms: f64, slow: bool) -> &mut Self {
        self.tell("step_end", "monitor", json!({ "expect": expect, "ok": true, "ms": ms, "slow": slow }))
    }

    fn ends(&mut self, ending: &str, reason: &str) -> &mut Self {
        (self.ids["step"], self.ids["span_id"]) = (Value::Null, Value::Null);
        let reason = Some(reason).filter(|r| !r.is_empty());
        self.tell("journey_end", "monitor", json!({ "ending": ending, "ms": 60000.0, "reason": reason }))
    }

    fn why(&mut self) -> Answer {
        self.ids = json!({});
        self.tell("run_end", "monitor", json!({ "dropped": 0 }));
        let read = || -> Result<Box<dyn Iterator<Item = Result<Event>>>> {
            Ok(Box::new(self.events.clone().into_iter().map(Ok)))
        };
        let record = Record::fold(read, None).expect("folds");
        Answer::of(&record, &self.events)
    }
}

fn cause(answer: &Answer) -> (Kind, &str) {
    answer.cause().map(|c| (c.kind, c.says.as_str())).expect("a cause")
}

const P1_1: &str =
    r#"[{ "id": "P1.1", "name": "hydra.preset_load", "measure": "preset load", "target": "ratio >= 99 %" }]"#;

#[test]
fn a_page_that_is_refused_is_the_requests_doing() {
    let mut tape = Tape::new(json!([]));
    tape.play(1).step("open the player", "the page");
    tape.request("http://h/favicon.ico", 404, json!({})).request("http://h/app.js", 200, json!({}));
    tape.request("http://h/player", 500, json!({})).seen("console_error", json!({ "text": "Failed to load" }));
    tape.seen("response_refused", json!({ "url": "http://h/player?a=1", "status": 500 }));
    let answer = tape.fails("the page", "the page answered 500").why();
    assert_eq!(cause(&answer), (Kind::Request, "GET http://h/player was answered with 500"));
    assert_eq!(answer.chains[0].also.len(), 1, "the browser's own word for it is not said twice: {answer:#?}");
    let step = answer.chains[0].step.as_ref().expect("a step");
    assert_eq!((step.anchor.as_str(), step.got.as_str()), ("play-1-step-1", "the page answered 500"));
}

#[test]
fn a_request_that_nobody_answered_belongs_to_the_step_it_began_in() {
    let mut tape = Tape::new(json!([]));
    tape.play(1).step("open the player", "the page");
    let span = tape.ids["span_id"].clone();
    tape.fails("the page", "the page did not finish loading in 6.00 s");
    let late = json!({ "status": null, "ended": "client_gone", "ms": 6100.0, "ttfb_ms": null, "span_id": span });
    tape.request("http://h/app.js", 200, late);
    assert_eq!(cause(&tape.why()), (Kind::Request, "GET http://h/app.js got no answer in 6.10 s"));
}

#[test]
fn what_the_failed_expectation_names_outranks_what_came_at_the_same_time() {
    let picture = |line: &str, reason: &str| {
        let mut tape = Tape::new(serde_json::from_str(P1_1).expect("JSON"));
        tape.play(1).step("next preset 3", "new picture").request("http://h/stats", 503, json!({}));
        tape.seen("console_error", json!({ "text": "could not save the play count" }));
        tape.seen("exception", json!({ "text": line, "url": "http://h/app.js", "line": 3.0 }));
        tape.fails("new picture", reason);
        let answer = tape.why();
        (answer.cause().expect("a cause").says.clone(), answer.chains[0].also.len())
    };
    let thrown = ("uncaught exception: Error: the source went away".to_owned(), 2);
    assert_eq!(picture("Error: the source went away", "the old picture stayed for 6.00 s"), thrown);
    let named = "the old picture stayed for 6.00 s; console error: could not save the play count";
    assert_eq!(picture("x", named).0, "console error: could not save the play count");
    let seen = "the wrong preset: it is drawn by a, the screen by b";
    assert_eq!(picture("Error: x", seen).0, seen, "what the monitor itself can tell is no guess");
}

#[test]
fn nothing_that_explains_it_is_said_honestly() {
    let mut tape = Tape::new(json!([]));
    tape.play(1).step("next preset 3", "new picture").request("http://h/app.js", 200, json!({}));
    let answer = tape.fails("new picture", "the old picture stayed for 6.00 s").why();
    let cause = answer.cause().expect("a cause");
    assert!(cause.unexplained && cause.kind == Kind::Seen, "{cause:?}");
    assert!(crate::report::why::write(&answer, "out").contains("nothing else in the record explains it"));
}

#[test]
fn plays_of_one_cause_are_one_chain_with_their_count() {
    let mut tape = Tape::new(json!([]));
    for number in 1..=3 {
        let url = if number == 2 { "http://h/other" } else { "http://h/player" };
        tape.play(number).step("open the player", "the page").request(url, 502, json!({}));
        tape.fails("the page", "the page answered 502");
    }
    let answer = tape.why();
    let counts: Vec<u64> = answer.chains.iter().map(|c| c.plays).collect();
    assert_eq!(counts, [2, 1]);
    let text = crate::report::why::write(&answer, "out");
    assert!(
        text.contains("1 more play for the same cause") && text.contains("out/report.html#play-1-step-1"),
        "{text}"
    );
    assert!(text.lines().count() <= 12, "{text}");
}

#[test]
fn the_media_s_class_names_its_request_and_a_planted_fault_is_told_as_such() {
    let clip = json!({
        "request": 7, "status": 206, "ended": "fault", "cut": "reset", "bytes_promised": 900, "bytes_sent": 100,
        "resource": "media", "range": "bytes=0-", "content_range": "bytes 0-899/900", "content_type": "video/mp4",
    });
    let play = |planted: bool| {
        let mut tape = Tape::new(json!([]));
        tape.play(1).step("start the video", "first video frame");
        if planted {
            let fault =
                json!({ "fault": "cut", "kind": "reset", "request": 7, "method": "GET", "path": "/m/clip.mp4" });
            tape.tell("fault_applied", "proxy", fault);
        }
        let mut own = clip.clone();
        own["ours"] = json!(planted);
        tape.request("http://h/m/clip.mp4", 206, own);
        tape.events.last_mut().expect("one").event = "video_proxy_response".to_owned();
        let video = json!({ "url": "http://h/m/clip.mp4?t=1", "code": 2, "network_state": 3 });
        let failed = json!({ "expect": "first video frame", "ok": false, "reason": "MediaError 2", "video": video });
        tape.tell("step_end", "monitor", failed).ends("failed", "start the video: MediaError 2");
        tape.why()
    };
    for planted in [false, true] {
        let answer = play(planted);
        let (kind, says) = cause(&answer);
        assert_eq!(kind, Kind::Media);
        assert!(says.starts_with("GET http://h/m/clip.mp4 (bytes=0-) was answered with 206: 100 of 900"), "{says}");
        assert!(says.ends_with("(truncated stream)"), "{says}");
        let told = crate::report::why::write(&answer, "out");
        assert_eq!(told.contains("a planted fault did this"), planted, "{told}");
        assert_eq!(
            told.contains("planted   fault cut (reset), applied 1 time, first to GET /m/clip.mp4"),
            planted,
            "{told}"
        );
    }
}

#[test]
fn what_the_page_said_of_a_video_is_an_echo_where_the_class_quotes_it() {
    let said = "SecurityError: The operation is insecure.";
    let play = |undrawable: &str| {
        let mut tape = Tape::new(json!([]));
        tape.play(1).step("start the video", "first video frame");
        let clip = json!({
            "request": 7, "status": 206, "ended": "whole", "bytes_promised": 900, "bytes_sent": 900, "resource": "media",
            "range": "bytes=0-", "content_range": "bytes 0-899/900", "content_type": "video/mp4",
        });
        tape.request("http://h/m/clip.mp4", 206, clip);
        tape.events.last_mut().expect("one").event = "video_proxy_response".to_owned();
        tape.seen("exception", json!({ "text": said }));
        let reason = format!("the preset throws on every tick (\"Error during tick()\": {said})");
        let video = json!({ "url": "http://h/m/clip.mp4", "decoded": true, "undrawable": undrawable });
        let failed = json!({ "expect": "first video frame", "ok": false, "reason": reason, "video": video });
        tape.tell("step_end", "monitor", failed).ends("failed", &format!("start the video: {reason}"));
        tape.why()
    };
    let answer = play(said);
    let (kind, says) = cause(&answer);
    assert!(kind == Kind::Media && says.contains("(blocked by CORS)"), "{says}");
    assert_eq!(cause(&play("another word of it")).0, Kind::Exception, "named by the reason itself");
}

#[test]
fn a_breached_objective_without_a_failed_play_leads_to_its_slowest_sample() {
    let objective = json!([{
        "id": "P1.2", "name": "hydra.first_frame", "measure": "first visualizer frame", "target": "p95 <= 2 s",
    }]);
    let mut tape = Tape::new(objective);
    tape.play(1).step("next preset 1", "new picture").holds("new picture", 90.0, false);
    tape.tell("first_visualizer_frame", "monitor", json!({ "ms": 90.0 })).step("next preset 2", "new picture");
    tape.tell("first_visualizer_frame", "monitor", json!({ "ms": 3400.0 }));
    tape.t += 3000.0;
    tape.request("http://h/shaders.json", 200, json!({ "ms": 3100.0, "ttfb_ms": 3000.0 }));
    let answer = tape.holds("new picture", 3400.0, true).ends("passed", "").why();
    let says = "GET http://h/shaders.json took 3.10 s, 3.00 s of it to its first octet";
    assert_eq!(cause(&answer), (Kind::Request, says));
    let chain = &answer.chains[0];
    assert_eq!(chain.step.as_ref().map(|s| s.name.as_str()), Some("next preset 2"));
    assert_eq!(chain.objectives[0].id, "P1.2");
}

#[test]
fn console_errors_lead_to_the_most_frequent_line() {
    let objective = json!([{
        "id": "P1.4", "name": "hydra.console", "measure": "console errors", "target": "rate <= 0.1 /min",
    }]);
    let mut tape = Tape::new(objective);
    tape.play(1).step("open the player", "the page");
    for line in ["lost 1 of 9", "something else", "lost 2 of 9"] {
        tape.seen("console_error", json!({ "text": line }));
    }
    let answer = tape.holds("the page", 90.0, false).ends("passed", "").why();
    assert_eq!(cause(&answer), (Kind::Console, "console error: lost 1 of 9"));
    assert_eq!(answer.cause().map(|c| c.times), Some(2));
}

#[test]
fn a_lost_page_says_what_was_found_of_its_end() {
    let mut tape = Tape::new(json!([]));
    tape.play(1).step("next preset 3", "new picture").seen("console_error", json!({ "text": "late" }));
    tape.tell("browser_crash", "monitor", json!({ "reason": "the tab crashed" }));
    let found = json!({ "lost": "page", "at_step": "next preset 3", "page_process": "signal 9", "outside": null });
    tape.tell("loss_examined", "monitor", found);
    let answer = tape.fails("new picture", "the browser or its tab crashed").why();
    assert_eq!(cause(&answer), (Kind::Lost, "the page was lost: no cause from outside, page process: signal 9"));
}

#[test]
fn a_run_in_which_nothing_went_wrong_says_so() {
    let mut tape = Tape::new(json!([]));
    tape.play(1).step("open the player", "the page").holds("the page", 90.0, false);
    let answer = tape.ends("passed", "").why();
    assert!(answer.chains.is_empty(), "{answer:#?}");
    assert!(crate::report::why::write(&answer, "out").contains("nothing went wrong in out"));
}

#[test]
fn an_open_tunnel_did_its_part_and_a_refused_one_did_not() {
    let page = |status: Value, error: Value| {
        let mut tape = Tape::new(json!([]));
        tape.play(1).step("open the player", "the page");
        tape.seen("response_refused", json!({ "url": "https://h/player", "status": 500 }));
        let span = tape.ids["span_id"].clone();
        tape.fails("the page", "the page answered 500");
        let tunnel = json!({
            "method": "CONNECT", "status": status, "error": error, "ended": "play_over", "ms": 9000.0, "span_id": span,
        });
        tape.request("http://h:443", 200, tunnel);
        tape.why().cause().expect("a cause").says.clone()
    };
    assert_eq!(page(json!(200), Value::Null), "https://h/player was answered with 500");
    assert_eq!(page(Value::Null, json!("no such host")), "CONNECT http://h:443 got no answer: no such host");
}

/// A play whose second step fails with a symptom: what happens in its first, which holds, and in the second.
fn beside(tape: Tape, first: &dyn Fn(&mut Tape), second: &dyn Fn(&mut Tape)) -> Clue {
    fails_beside(tape, ("applied", "not done in 10.0 s"), first, second)
}

fn fails_beside(
    mut tape: Tape,
    (expect, reason): (&str, &str),
    first: &dyn Fn(&mut Tape),
    second: &dyn Fn(&mut Tape),
) -> Clue {
    tape.play(1).step("open the player", "the page");
    first(&mut tape);
    tape.holds("the page", 90.0, false).step("add to the queue", expect);
    second(&mut tape);
    tape.fails(expect, reason);
    tape.why().cause().expect("a cause").clone()
}

#[test]
fn what_a_step_that_held_bore_is_not_why_another_failed() {
    let ask = |status: u16| {
        move |tape: &mut Tape| {
            tape.request("http://h/api/me", status, json!({}));
        }
    };
    let nothing = |_: &mut Tape| {};
    let new = || Tape::new(json!([]));
    let borne = beside(new(), &ask(401), &ask(401));
    assert!(borne.unexplained && borne.kind == Kind::Seen, "{borne:?}");
    for (first, status) in [(&nothing as &dyn Fn(&mut Tape), 401), (&ask(401) as &dyn Fn(&mut Tape), 500)] {
        let clue = beside(new(), first, &ask(status));
        let says = format!("GET http://h/api/me was answered with {status}");
        assert!(clue.sure && clue.says == says, "{clue:?}");
    }
    // Told by the browser alone.
    let seen = |tape: &mut Tape| {
        tape.seen("request_failed", json!({ "url": "http://h/x?a=1", "error": "net::ERR_FAILED" }));
    };
    assert!(beside(new(), &seen, &seen).unexplained);
    assert!(beside(new(), &nothing, &seen).sure);
    // Another step of the same words, in another play.
    let mut tape = new();
    tape.play(2).step("add to the queue", "applied").request("http://h/api/me", 401, json!({}));
    tape.holds("applied", 90.0, false).ends("passed", "");
    assert!(beside(tape, &nothing, &ask(401)).unexplained);
}

#[test]
fn a_step_that_must_be_refused_or_was_slow_bears_nothing() {
    let ask = |tape: &mut Tape| {
        tape.request("http://h/api/presets", 403, json!({}));
    };
    for (expect, slow) in [("refused", false), ("applied", true)] {
        let mut tape = Tape::new(json!([]));
        tape.play(2).step("save a preset", expect);
        ask(&mut tape);
        tape.holds(expect, 90.0, slow).ends("passed", "");
        let clue = beside(tape, &|_| {}, &ask);
        assert!(clue.sure && clue.says == "GET http://h/api/presets was answered with 403", "{clue:?}");
    }
}

#[test]
fn a_long_poll_is_borne_as_long_as_it_usually_lasts() {
    let failed = |ms: f64| {
        let mut tape = Tape::new(json!([]));
        let url = "http://h/socket.io/";
        tape.play(1).step("open the player", "the page");
        tape.t += 25_000.0;
        tape.request(url, 200, json!({ "ms": 25_000.0, "ttfb_ms": 24_999.0 })).holds("the page", 90.0, false);
        tape.step("open it again", "the page");
        let span = tape.ids["span_id"].clone();
        tape.t += ms;
        tape.fails("the page", "the page did not finish loading in 30.0 s");
        tape.request(url, 200, json!({ "ms": ms, "ttfb_ms": 5.0, "ended": "play_over", "span_id": span }));
        tape.why().cause().expect("a cause").clone()
    };
    let borne = failed(24_000.0);
    assert!(borne.unexplained, "{borne:?}");
    let stuck = failed(60_000.0);
    assert!(stuck.sure && stuck.says.contains("/socket.io/ was answered with 200, and had not ended"), "{stuck:?}");
}

#[test]
fn the_apps_telemetry_and_what_is_not_the_apps_are_no_cause() {
    let nothing = |_: &mut Tape| {};
    let of = |url: &'static str, more: Value| {
        move |tape: &mut Tape| {
            tape.request(url, 429, more.clone());
        }
    };
    let app = || Tape::new(json!([])).of_app();
    let gone = || json!({ "status": null, "error": "no such host" });
    let analytics = "http://www.google-analytics.com/g/collect";
    let own = "http://app.example/api/telemetry/batch";
    assert!(beside(app(), &nothing, &of(own, json!({ "method": "POST" }))).unexplained);
    assert!(beside(app(), &nothing, &of(analytics, gone())).unexplained);
    let tunnel = json!({ "method": "CONNECT", "status": null, "error": "no such host" });
    assert!(beside(app(), &nothing, &of("http://www.google-analytics.com:443", tunnel)).unexplained);
    // The app's own, by its name, by its house, and behind it.
    for (url, more) in [
        ("http://app.example/api/queue", json!({})),
        ("http://api.app.example/queue", json!({})),
        ("http://elsewhere.test/clip", json!({ "leg": "upstream" })),
    ] {
        let clue = beside(app(), &nothing, &of(url, more));
        assert!(clue.sure && clue.says.contains(url), "{clue:?}");
    }
    // A record that does not say what is the app's.
    assert!(beside(Tape::new(json!([])), &nothing, &of(analytics, gone())).sure);
}

#[test]
fn what_is_not_the_apps_is_found_where_something_names_it() {
    let script = "http://cdn.example.net/app.js";
    let gone = |tape: &mut Tape| {
        tape.request(script, 503, json!({}));
    };
    let unloaded = |tape: &mut Tape| {
        tape.request(script, 503, json!({}));
        tape.seen("resource_error", json!({ "url": script, "text": "<script> did not load" }));
    };
    let app = || Tape::new(json!([])).of_app();
    let named = fails_beside(app(), ("applied", "not done in 10.0 s: cdn.example.net is down"), &|_| {}, &gone);
    assert!(named.sure && named.says.contains(script), "{named:?}");
    let page = fails_beside(app(), ("the page", "the page answered 503"), &|_| {}, &gone);
    assert!(page.sure && page.says.contains(script), "{page:?}");
    let perhaps = beside(app(), &|_| {}, &unloaded);
    assert!(!perhaps.sure && !perhaps.unexplained && perhaps.says.contains(script), "{perhaps:?}");
    assert!(beside(app(), &|_| {}, &gone).unexplained);
    // A video is served from wherever it is served from.
    let clip = |tape: &mut Tape| {
        tape.request("http://cdn.example.net/clip.m3u8", 503, json!({}));
        tape.events.last_mut().expect("one").event = "video_proxy_response".to_owned();
    };
    let video = fails_beside(app(), ("first video frame", "the video never played"), &|_| {}, &clip);
    assert!(video.sure && video.says.contains("clip.m3u8"), "{video:?}");
}

#[test]
fn an_apps_event_that_is_called_as_one_of_ours_is_the_apps() {
    let mut tape = Tape::new(json!([]));
    tape.play(1).step("open the player", "the page");
    let own = json!({ "app": {}, "via": "console" });
    for event in ["step_end", "step_start", "prompt", "fault_applied", "proxy_response", "run_end"] {
        tape.tell(event, "app", own.clone());
    }
    tape.request("http://h/player", 500, json!({}));
    let answer = tape.fails("the page", "the page answered 500").why();
    assert_eq!(cause(&answer), (Kind::Request, "GET http://h/player was answered with 500"));
    let chain = &answer.chains[0];
    let step = chain.step.as_ref().expect("a step");
    assert_eq!((step.got.as_str(), step.anchor.as_str()), ("the page answered 500", "play-1-step-1"));
    assert!(chain.planted.is_empty() && chain.also.is_empty(), "{chain:?}");
}

#[test]
fn two_ways_to_fail_at_one_url_are_two_causes() {
    let mut tape = Tape::new(json!([]));
    let hang = |tape: &mut Tape| {
        let span = tape.ids["span_id"].clone();
        tape.fails("the page", "the page did not finish loading in 6.00 s");
        let left = json!({ "status": null, "ended": "client_gone", "ms": 6100.0, "ttfb_ms": null, "span_id": span });
        tape.request("http://h/v.mp4", 200, left);
    };
    let refused = |tape: &mut Tape, status: u16| {
        tape.request("http://h/v.mp4", status, json!({}));
        tape.fails("the page", &format!("the page answered {status}"));
    };
    for number in 1..=6 {
        tape.play(number).step("open the player", "the page");
        match number {
            1 | 5 => refused(&mut tape, 503),
            6 => refused(&mut tape, 404),
            _ => hang(&mut tape),
        }
    }
    let answer = tape.why();
    let chains: Vec<(&str, u64)> = answer.chains.iter().map(|c| (c.cause.says.as_str(), c.plays)).collect();
    let wanted = [
        ("GET http://h/v.mp4 was answered with 503", 2),
        ("GET http://h/v.mp4 got no answer in 6.10 s", 3),
        ("GET http://h/v.mp4 was answered with 404", 1),
    ];
    assert_eq!(chains, wanted);
}

#[test]
fn two_classes_of_one_clip_are_two_causes() {
    let mut tape = Tape::new(json!([]));
    for number in 1..=4 {
        tape.play(number).step("start the video", "first video frame");
        let (status, ended, sent) = if number == 2 { (503, "whole", 900) } else { (206, "upstream_cut", 100) };
        let clip = json!({
            "ended": ended, "bytes_promised": 900, "bytes_sent": sent, "resource": "media", "range": "bytes=0-",
            "content_range": "bytes 0-899/900", "content_type": "video/mp4",
        });
        tape.request("http://h/v.mp4", status, clip);
        tape.events.last_mut().expect("one").event = "video_proxy_response".to_owned();
        let video = json!({ "url": "http://h/v.mp4", "code": 2, "network_state": 3 });
        let failed = json!({ "expect": "first video frame", "ok": false, "reason": "MediaError 2", "video": video });
        tape.tell("step_end", "monitor", failed).ends("failed", "start the video: MediaError 2");
    }
    let answer = tape.why();
    let chains: Vec<(Kind, u64)> = answer.chains.iter().map(|c| (c.cause.kind, c.plays)).collect();
    assert_eq!(chains, [(Kind::Media, 3), (Kind::Media, 1)], "{answer:#?}");
}

#[test]
fn what_is_meant_to_stay_open_is_no_cause_however_long_it_does() {
    let failed = |status: u16, more: Value| {
        let open = move |tape: &mut Tape| {
            tape.t += 9000.0;
            let mut fields = json!({ "ms": 9000.0, "ttfb_ms": 5.0, "ended": "client_gone" });
            fields.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            tape.request("http://h/live", status, fields);
        };
        beside(Tape::new(json!([])), &|_| {}, &open)
    };
    for ended in ["whole", "client_gone"] {
        let socket = failed(101, json!({ "ended": ended }));
        assert!(socket.unexplained && !socket.sure, "{socket:?}");
        let stream = failed(200, json!({ "ended": ended, "content_type": "text/event-stream; charset=utf-8" }));
        assert!(stream.unexplained && !stream.sure, "{stream:?}");
    }
    let slow = failed(200, json!({ "ended": "whole" }));
    assert!(slow.sure && slow.says.contains("/live took 9.00 s"), "{slow:?}");
}
