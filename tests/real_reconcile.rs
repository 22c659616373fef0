//! What the app's own telemetry leaves out is found from outside, on the stage, in a real browser.

mod common;

use common::Play;
use serde_json::Value;

/// Opens the player and switches, with a second between.
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

/// Kinds and events found in the first play.
fn findings(verdict: &Value) -> Vec<(String, String)> {
    let found = verdict["plays"][0]["reconciliation"]["findings"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    found.iter().map(|f| (text(&f["kind"]), text(&f["event"]))).collect()
}

fn play(defects: &[&str], journey: &str, browser: &str) -> Value {
    let mut play = Play::on_stage(defects);
    play.journey = journey.to_owned();
    play.run(browser).0
}

#[test]
fn all_three_ways_are_one_and_a_batch_that_is_lost_or_restamped_is_found() {
    let verdict = play(&["telemetry-batch-lost", "telemetry-restamps"], SWITCHES, "firefox");
    let found = findings(&verdict);
    let known = &verdict["plays"][0]["reconciliation"];
    assert!(["console", "beacon", "mark"].iter().all(|way| known["ways"][way].as_u64() > Some(0)), "{known:#}");
    assert_eq!(verdict["plays"][0]["app_events"]["hydra_preset_eval_success"], 3, "{known:#}");
    assert!(found.contains(&("lost".to_owned(), "(batch)".to_owned())), "{known:#}");
    assert!(found.iter().any(|(kind, _)| kind == "restamped"), "{known:#}");
}

#[test]
fn a_fallback_that_is_not_told_is_found() {
    for (defects, wanted) in [(&[][..], false), (&["telemetry-no-fallback"], true)] {
        let verdict = play(defects, BROKEN, "chromium");
        let found = findings(&verdict).contains(&("missing".to_owned(), "hydra_fallback_applied".to_owned()));
        assert_eq!(found, wanted, "{:#}", verdict["plays"][0]["reconciliation"]);
    }
}
