//! What the app's own telemetry leaves out or gets wrong is found from outside, on the stage, in a real browser.

mod common;

use common::Play;
use serde_json::Value;

/// Opens the player and switches, with pauses for the app to send its batches.
const SWITCHES: &str = r#"
question = "Does the app tell of what it does?"
[[step]]
do = "open the player"
expect = "the page"
[[step]]
do = "next preset"
times = 2
expect = "new picture"
stay = "2500ms"
"#;

/// A source that throws in each tick: the picture falls back.
const BROKEN: &str = r#"
question = "Does the app tell that its picture fell back?"
[[step]]
do = "open the player"
expect = "the page"
[[step]]
do = "break the preset"
stay = "3s"
"#;

/// Kinds and events found in the last attempt, and all of the reconciliation.
fn found(defects: &[&str], journey: &str, browser: &str) -> (Vec<(String, String)>, Value) {
    let mut play = Play::on_stage(defects);
    play.journey = journey.to_owned();
    let (verdict, done) = play.run(browser);
    let played = verdict["plays"].as_array().and_then(|plays| plays.last()).cloned().unwrap_or_default();
    assert_eq!(played["ending"], "passed", "{verdict:#}{}", String::from_utf8_lossy(&done.stderr));
    let all = played["reconciliation"]["findings"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let named = all.iter().map(|f| (text(&f["kind"]), text(&f["event"]))).collect();
    (named, played["reconciliation"].clone())
}

#[test]
fn all_three_ways_are_one_and_batches_lost_and_times_replaced_are_found() {
    let (found, known) =
        found(&["telemetry-batch-lost", "telemetry-restamps", "telemetry-first-frame-early"], SWITCHES, "firefox");
    assert!(["console", "beacon", "mark"].iter().all(|way| known["ways"][way].as_u64() > Some(0)), "{known:#}");
    for (kind, event) in
        [("lost", "(batch)"), ("restamped", "hydra_preset_eval_success"), ("early", "first_visualizer_frame")]
    {
        assert!(found.contains(&(kind.to_owned(), event.to_owned())), "{kind} {event}: {known:#}");
    }
}

#[test]
fn a_fallback_that_is_not_told_is_found_and_one_that_is_told_is_not() {
    for (defects, wanted) in [(&[][..], false), (&["telemetry-no-fallback"], true)] {
        let (found, known) = found(defects, BROKEN, "firefox");
        let missing = ("missing".to_owned(), "hydra_fallback_applied".to_owned());
        assert_eq!(found.contains(&missing), wanted, "{known:#}");
    }
}
