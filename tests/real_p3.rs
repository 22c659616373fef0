//! The events that the playbook asks for (P3), read out of its own words in `tests/p3.md`: a run of the stage's journeys
//! holds every one of them as the monitor saw it, with every field that each must have.

mod common;

use common::{BROWSERS, Play, root};
use serde_json::Value;
use std::collections::BTreeSet;

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// `a_b_start|success` as the names it stands for.
fn names(short: &str) -> Vec<String> {
    let mut words = short.split('|');
    let first = words.next().expect("a name");
    let (stem, _) = first.rsplit_once('_').expect("a name of several words");
    std::iter::once(first.to_owned()).chain(words.map(|word| format!("{stem}_{word}"))).collect()
}

/// The events of the requirement, the fields of a proxied response, and the fields that all have.
fn asked() -> (BTreeSet<String>, Vec<String>, Vec<&'static str>) {
    let text: &'static str = include_str!("p3.md");
    let (events, minimum) = text.split_once("Every one carries at least").expect("a minimum");
    let (minimum, _) = minimum.split_once(". ").expect("a sentence");
    let (_, of_proxy) = events.split_once("`video_proxy_response`").expect("it is asked for");
    let (_, of_proxy) = of_proxy.split_once('(').expect("its fields");
    let (of_proxy, _) = of_proxy.split_once(')').expect("its fields");
    let of_proxy = of_proxy.split(',').map(|field| field.trim().replace('-', "_")).collect();
    let mut minimum = quoted(minimum);
    assert!(text.contains("or media URL\nhash"), "the hash is asked for without its name");
    minimum.push("media_url_hash");
    (quoted(events).into_iter().flat_map(names).collect(), of_proxy, minimum)
}

#[test]
fn the_requirement_is_read_as_it_stands() {
    let (events, of_proxy, minimum) = asked();
    assert_eq!(events.len(), 21, "{events:?}");
    for name in ["hydra_preset_eval_error", "video_init_frame_ready", "socket_resync", "auth_login_refresh"] {
        assert!(events.contains(name), "{name} in {events:?}");
    }
    assert_eq!(of_proxy, ["status", "range", "content_range", "content_length", "timings"]);
    let wanted =
        ["session_id", "room_id", "user_id", "preset_id", "browser", "platform", "timestamp", "media_url_hash"];
    assert_eq!(minimum, wanted);
}

/// The stage's journeys in a browser: those that go well, and a video that cannot.
fn events(browser: &str) -> Vec<Value> {
    let text = |name: &str| std::fs::read_to_string(root().join(format!("journeys/{name}.toml"))).expect("it ships");
    let mut play = Play::on_stage(&[]);
    // Three in one play: a browser takes seconds to start.
    let steps =
        |name: &str| text(name).split_once("[[step]]").map(|(_, steps)| format!("[[step]]{steps}")).expect("steps");
    let all = format!("question = \"?\"\n{}", ["login", "player", "video"].map(steps).concat());
    for (name, text) in [("all", all), ("room", text("room")), ("errors", text("telemetry-errors"))] {
        let path = play.dir.path().join(format!("{name}.toml"));
        std::fs::write(&path, text).expect("written");
        play.args.extend(["--journey".to_owned(), path.display().to_string()]);
    }
    let (verdict, done) = play.run(browser);
    let said = String::from_utf8_lossy(&done.stderr);
    // One that the machine broke is played again.
    let plays = verdict["plays"].as_array().expect("plays").iter().filter(|play| play["ending"] != "broken");
    let passed = plays.inspect(|play| assert_eq!(play["ending"], "passed", "{browser}: {play:#} {said}")).count();
    assert_eq!(passed, 3, "{browser}: {said}");
    let mut all = play.events();
    let broken = Play::on_stage(&["video-404"]).journey("video");
    let (verdict, _) = broken.run(browser);
    assert_eq!(verdict["plays"][0]["ending"], "failed", "{verdict:#}");
    all.extend(broken.events());
    all
}

#[test]
fn a_run_of_the_stage_holds_every_event_with_every_field() {
    let (wanted, of_proxy, minimum) = asked();
    // `ci/verify events` asks both: a run takes three quarters of a minute.
    let both = std::env::var_os("SOUNDCHECK_EVENTS_OF").is_some_and(|of| of == "all");
    for browser in BROWSERS.into_iter().filter(|browser| both || *browser == "firefox") {
        let all = events(browser);
        for name in &wanted {
            let seen: Vec<&Value> =
                all.iter().filter(|e| e["event"] == name.as_str() && e["source"] != "app").collect();
            assert!(!seen.is_empty(), "{name} was not seen in {browser}");
            for event in &seen {
                for field in &minimum {
                    assert!(event.get(field).is_some(), "{field} in {event}");
                }
                for field in ["session_id", "browser", "platform", "timestamp"] {
                    assert!(event[field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {event}");
                }
            }
            // Who logs in is in no room yet, and nobody's; a video may be anybody's.
            let (speaks, logs_in) =
                (name.starts_with("queue_") || name.starts_with("socket_"), name.starts_with("auth_login"));
            let some = |field: &str| seen.iter().any(|e| e[field].is_string());
            assert!(some("room_id") || logs_in, "{name} never in a room in {browser}");
            assert!(some("user_id") || !speaks, "{name} never by a viewer in {browser}");
            if name == "video_proxy_response" {
                // Its timings are two.
                let of_proxy = of_proxy.iter().map(|field| if field == "timings" { "ttfb_ms" } else { field });
                for field in of_proxy.chain(["ms"]) {
                    assert!(seen.iter().any(|e| !e[field].is_null()), "{field} in no {name} in {browser}");
                }
            }
        }
    }
}
