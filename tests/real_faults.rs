//! Faults in real browsers: what is planned happens, is told, and is judged by what the profile says must hold.

mod common;

use common::{BROWSERS, Play, SOUNDCHECK, ending};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

/// The video journey on the stage under this profile.
fn under(profile: &str) -> Play {
    let mut play = Play::on_stage(&[]).journey("video");
    std::fs::write(play.dir.path().join("broken-net.toml"), profile).expect("written");
    play.extra = "profiles = [\"broken-net.toml\"]\n".to_owned();
    play
}

fn named<'e>(events: &'e [Value], name: &str) -> Vec<&'e Value> {
    events.iter().filter(|e| e["event"] == name).collect()
}

const MISSING: &str = r#"
question = "What if the server's 206 lacks its Content-Range?"
source = "measured"
[[fault]]
do = "content_range_missing"
match = { path = "/media/*" }
[[expect]]
browser = "chromium"
outcome = "fails"
reason = "MediaError 4"
[[expect]]
browser = "firefox"
outcome = "plays"
"#;

#[test]
fn browsers_differ_on_a_missing_content_range_and_the_profile_says_so() {
    for browser in BROWSERS {
        let play = under(MISSING);
        let (verdict, done) = play.run(browser);
        assert_eq!(ending(&verdict).0, "passed", "{browser}: {verdict:#}");
        assert_eq!(done.status.code(), Some(0), "{browser}");
        assert_eq!(verdict["plays"][0]["steps"][1]["ok"], browser == "firefox", "{browser}");
        let events = play.events();
        let applied = named(&events, "fault_applied");
        assert!(!applied.is_empty(), "{browser}: no fault was told");
        for event in applied {
            assert_eq!(event["source"], "proxy");
            assert_eq!(event["fault"], "content_range_missing");
            assert_eq!(event["step"], "start the video", "{browser}: {event}");
        }
        let responses = named(&events, "video_proxy_response");
        let first = responses.first().expect("a media response");
        assert_eq!(first["status"], 206, "{browser}: {first}");
        assert!(first["range"].as_str().is_some_and(|r| r.starts_with("bytes=")), "{browser}: {first}");
        assert_eq!(first["browser"], browser);
        assert!(first["trace_id"].is_string() && first["session_id"].is_string(), "{browser}: {first}");
    }
}

#[test]
fn an_expectation_that_does_not_hold_is_a_breach() {
    let profile = MISSING.replace("outcome = \"fails\"\nreason = \"MediaError 4\"", "outcome = \"plays\"");
    let (verdict, done) = under(&profile).run("chromium");
    let (ending, reason) = ending(&verdict);
    assert_eq!(ending, "failed", "{verdict:#}");
    assert!(reason.contains("MediaError 4"), "{reason}");
    assert_eq!(done.status.code(), Some(1));
}

#[test]
fn a_fault_that_never_fired_is_not_enough_data_with_its_reason() {
    let profile = MISSING.replace("/media/*", "/nowhere/*");
    let (verdict, done) = under(&profile).run("firefox");
    let (ending, reason) = ending(&verdict);
    assert_eq!(ending, "undecided", "{verdict:#}");
    assert!(reason.contains("content_range_missing") && reason.contains("requests matched"), "{reason}");
    assert_eq!(verdict["verdict"], "not enough data");
    assert_eq!(done.status.code(), Some(1), "nothing gave a sample");
}

#[test]
fn an_upstream_fault_reaches_the_app_and_not_the_browser() {
    let profile = r#"
question = "What does the app make of a 503 from where it fetches?"
source = "measured"
[[fault]]
do = "status"
leg = "upstream"
code = 503
[[expect]]
outcome = "fails"
reason = "MediaError 4"
"#;
    for browser in BROWSERS {
        let mut play = under(profile);
        let direct = "\"start the video\" = [{ click = \"button[name=video]\" }]";
        let proxied = "\"start the video\" = [{ select = \"select[name=preset]\", option = \"film-proxy\" }]";
        assert!(play.app.contains(direct));
        play.app = play.app.replace(direct, proxied);
        let (verdict, _) = play.run(browser);
        assert_eq!(ending(&verdict).0, "passed", "{browser}: {verdict:#}");
        let events = play.events();
        assert!(named(&events, "fault_applied").iter().all(|e| e["leg"] == "upstream"));
        // The app answers for its upstream: the browser saw its 502, not the 503.
        let responses = named(&events, "video_proxy_response");
        let of = |leg: &str| responses.iter().find(|e| e["leg"] == leg).map(|e| e["status"].clone());
        assert_eq!(of("upstream"), Some(503.into()), "{browser}");
        assert_eq!(of("browser"), Some(502.into()), "{browser}");
    }
}

#[test]
fn what_ships_for_both_legs_is_met_upstream_too() {
    // `ci/verify profiles` plays all four in both.
    for (profile, browser) in [("payload-413", "chromium"), ("missing-range", "firefox")] {
        let dir = tempfile::tempdir().expect("a folder");
        let out = dir.path().join("out");
        let done = Command::new(SOUNDCHECK)
            .env("SOUNDCHECK_HISTORY", "none")
            .args(["run", "streaming-faults-upstream", "--journey", "video", "--json"])
            .args(["--profile", profile, "--browser", browser, "--out"])
            .arg(&out)
            .output()
            .expect("runs");
        let verdict: Value = serde_json::from_slice(&done.stdout).expect("JSON");
        assert_eq!(ending(&verdict).0, "passed", "{profile} in {browser}: {verdict:#}");
        let text = std::fs::read_to_string(out.join("events.jsonl")).expect("events");
        let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
        let legs = named(&events, "fault_applied").into_iter().map(|e| e["leg"].clone());
        assert!(legs.clone().any(|leg| leg == "upstream"), "{profile} in {browser}: {:?}", legs.collect::<Vec<_>>());
    }
}

#[test]
fn each_planned_fault_must_come_about_and_not_one_of_its_kind() {
    let gap = |at: &str| format!("[[fault]]\ndo = \"gap\"\nid = \"at {at}\"\nat = \"{at}\"\nlasts = \"1s\"\n");
    let profile = format!(
        "question = \"?\"\nsource = \"measured\"\n{}{}[[expect]]\noutcome = \"plays\"\n",
        gap("16 kB"),
        gap("900 MB")
    );
    let (verdict, _) = under(&profile).run("firefox");
    let (ending, reason) = ending(&verdict);
    assert_eq!(ending, "undecided", "{verdict:#}");
    assert!(reason.contains("`at 900 MB` never came about"), "{reason}");
}

/// Which requests a fault was applied to, by path, first octet and how many such there were before.
fn decided(events: &[Value], fault: &str) -> BTreeMap<(String, String, u32), bool> {
    let (mut seen, mut decided) = (BTreeMap::new(), BTreeMap::new());
    let mut responses: Vec<&Value> =
        events.iter().filter(|e| e["event"].as_str().is_some_and(|name| name.ends_with("proxy_response"))).collect();
    responses.sort_by_key(|e| e["request"].as_u64());
    for response in responses {
        let url = url::Url::parse(response["url"].as_str().expect("a URL")).expect("it reads");
        let range = response["range"].as_str().unwrap_or_default();
        let part = (url.path().to_owned(), range.split('-').next().unwrap_or_default().to_owned());
        let nth = seen.entry(part.clone()).and_modify(|n| *n += 1).or_insert(0_u32);
        let faults = response["faults"].as_array().expect("faults");
        decided.insert((part.0, part.1, *nth), faults.iter().any(|f| f == fault));
    }
    decided
}

#[test]
fn a_seed_decides_the_same_of_each_request_in_every_run_and_browser() {
    let profile = r#"
question = "Does a seed decide the same again?"
source = "measured"
seed = 11
[[fault]]
do = "ttfb"
time = "20ms"
probability = "50 %"
match = { method = "GET" }
[[expect]]
outcome = "either"
"#;
    let mut all: BTreeMap<(String, String, u32), Vec<bool>> = BTreeMap::new();
    // The stage has another port in each of them.
    for browser in [BROWSERS[0], BROWSERS[1], BROWSERS[0]] {
        let play = under(profile);
        play.run(browser);
        for (key, applied) in decided(&play.events(), "ttfb") {
            all.entry(key).or_default().push(applied);
        }
    }
    let again: Vec<_> = all.iter().filter(|(_, applied)| applied.len() == 3).collect();
    assert!(again.len() > 5, "requests of every run: {all:?}");
    assert!(again.iter().all(|(_, applied)| applied.iter().all(|a| *a == applied[0])), "{again:?}");
    assert!(again.iter().any(|(_, a)| a[0]) && again.iter().any(|(_, a)| !a[0]), "{again:?}");
}

#[test]
fn a_browser_that_goes_around_the_proxy_is_broken() {
    let mut play = Play::on_stage(&[]).journey("video");
    let wrapper = play.dir.path().join("around");
    std::fs::write(&wrapper, "#!/bin/sh\nexec chromium \"$@\" --no-proxy-server\n").expect("written");
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).expect("executable");
    play.args = vec!["--browser-binary".into(), wrapper.display().to_string(), "--retries".into(), "0".into()];
    let (verdict, done) = play.run("chromium");
    let (ending, reason) = ending(&verdict);
    assert_eq!(ending, "broken", "{SOUNDCHECK}: {verdict:#}");
    assert!(reason.contains("goes around the proxy"), "{reason}");
    assert_eq!(done.status.code(), Some(3));
}
