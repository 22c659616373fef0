//! Why: on defects of the app and upstream of it, in real browsers, the answer names the request or the line.

mod common;

use common::{Play, SOUNDCHECK};
use serde_json::Value;
use std::process::Command;

/// Plays a journey on the stage with a defect, and asks why: the first chain, and the words.
fn why(defect: &str, journey: &str, browser: &str) -> (Value, String) {
    let mut play = Play::on_stage(&[defect]).journey(journey);
    // Told by the app itself it would be no feat.
    play.app = play.app.replace("\"soundcheck-stage\", ", "\"soundcheck-stage\", \"--telemetry\", \"off\", ");
    let (_, done) = play.run(browser);
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
    let ask = |more: &[&str]| {
        let asked = Command::new(SOUNDCHECK).arg("why").args(more).arg(play.out()).output().expect("runs");
        assert_eq!(asked.status.code(), Some(0), "{}", String::from_utf8_lossy(&asked.stderr));
        String::from_utf8_lossy(&asked.stdout).into_owned()
    };
    let answer: Value = serde_json::from_str(&ask(&["--json"])).expect("JSON");
    let text = ask(&[]);
    let archives: Vec<_> = std::fs::read_dir(play.out().join("har")).expect("archives").collect();
    assert_eq!(archives.len(), 1, "a play, an archive");
    (answer["chains"][0].clone(), text)
}

#[test]
fn a_clip_that_is_gone_is_named_by_its_request() {
    let (chain, text) = why("video-404", "video", "firefox");
    let cause = &chain["cause"];
    assert_eq!(cause["kind"], "media", "{text}");
    let says = cause["says"].as_str().unwrap_or_default();
    assert!(says.contains("/media/") && says.contains("404") && says.contains("refused by status"), "{says}");
    assert!(cause["request"].is_u64() && cause["seq"].is_u64(), "{cause}");
    let ids: Vec<&str> =
        chain["objectives"].as_array().expect("a list").iter().filter_map(|o| o["id"].as_str()).collect();
    assert!(ids.contains(&"P1.15"), "{ids:?}");
    assert!(text.lines().count() <= 12 && text.contains("report.html#play-1-step-"), "{text}");
}

#[test]
fn a_page_that_answers_500_is_named_by_its_request() {
    let (chain, text) = why("page-500", "player", "chromium");
    let says = chain["cause"]["says"].as_str().unwrap_or_default();
    assert!(says.contains("/player was answered with 500"), "{text}");
    assert_eq!(chain["step"]["name"], "open the player", "{text}");
}

#[test]
fn a_source_that_throws_is_named_by_its_line() {
    let (chain, text) = why("tick-throw", "presets", "chromium");
    let says = chain["cause"]["says"].as_str().unwrap_or_default();
    assert!(says.contains("the source went away"), "{text}");
    assert!(chain["step"]["screenshot"].as_str().is_some_and(|s| s.ends_with(".png")), "{text}");
}
