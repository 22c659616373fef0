//! What the app's own telemetry leaves out or gets wrong is found from outside, on the stage, in real browsers; and where it is
//! right nothing is.

mod common;

use common::{BROWSERS, Play, SOUNDCHECK, root};
use std::process::Command;

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

#[test]
fn all_three_ways_are_one_and_batches_lost_and_times_replaced_are_found() {
    let mut play = Play::on_stage(&["telemetry-batch-lost", "telemetry-restamps", "telemetry-first-frame-early"]);
    play.journey = SWITCHES.to_owned();
    let (verdict, done) = play.run("firefox");
    // One that the machine broke is played again.
    let played = verdict["plays"].as_array().and_then(|plays| plays.last()).cloned().unwrap_or_default();
    assert_eq!(played["ending"], "passed", "{verdict:#}{}", String::from_utf8_lossy(&done.stderr));
    let known = &played["reconciliation"];
    assert!(["console", "beacon", "mark"].iter().all(|way| known["ways"][way].as_u64() > Some(0)), "{known:#}");
    let found = known["findings"].as_array().expect("findings");
    for (kind, event) in
        [("lost", "(batch)"), ("restamped", "hydra_preset_eval_success"), ("early", "first_visualizer_frame")]
    {
        assert!(found.iter().any(|f| f["kind"] == kind && f["event"] == event), "{kind} {event}: {known:#}");
    }
}

/// The catalogue's cases about what the app tells, in its order.
fn cases() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("ci/verify-room.toml")).expect("it ships");
    let all: toml::Table = text.parse().expect("TOML");
    let cases = all["case"].as_array().expect("cases").iter().filter(|case| case.get("finds").is_some());
    cases.filter_map(|case| Some(case["id"].as_str()?.to_owned())).collect()
}

#[test]
fn every_defect_of_the_stages_telemetry_is_in_the_catalogue() {
    let listed = Command::new(common::STAGE).arg("--list-defects").output().expect("runs");
    let listed = String::from_utf8(listed.stdout).expect("UTF-8");
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    let own: Vec<&str> =
        names.filter(|name| name.starts_with("telemetry-") || *name == "media-range-past-end").collect();
    assert_eq!(own.len(), 10, "{own:?}");
    let catalogue = std::fs::read_to_string(root().join("ci/verify-room.toml")).expect("it ships");
    let all: toml::Table = catalogue.parse().expect("TOML");
    let planted = |name: &str| {
        let finds = |case: &toml::Value| case.get("finds").and_then(|f| f.as_array()).is_some_and(|f| !f.is_empty());
        let launches = |case: &toml::Value| {
            let words = case.get("launch").and_then(|l| l.as_array()).into_iter().flatten();
            words.into_iter().any(|word| word.as_str() == Some(name))
        };
        all["case"].as_array().expect("cases").iter().any(|case| launches(case) && finds(case))
    };
    let missing: Vec<&str> = own.into_iter().filter(|name| !planted(name)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "nothing asks whether they are found");
}

/// A third of the cases, in one of the browsers each; `ci/verify room` plays all in both.
#[test]
fn each_way_in_which_the_app_tells_wrongly_is_found_and_nothing_where_it_tells_right() {
    let cases = cases();
    assert!(cases.len() > 10, "{cases:?}");
    for (place, browser) in BROWSERS.into_iter().enumerate() {
        let own = cases.iter().skip(3 * place).step_by(3 * BROWSERS.len());
        let dir = tempfile::tempdir().expect("a folder");
        let done = Command::new(SOUNDCHECK)
            .args(["verify", "verify-room", "--browser", browser, "--out"])
            .arg(dir.path())
            .args(own.flat_map(|case| ["--only", case]))
            .env("SOUNDCHECK_HISTORY", "none")
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{browser}: {said}");
        println!("{said}");
    }
}
