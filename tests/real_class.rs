//! Failure classes in real browsers: what is planned goes wrong, and the play says which kind of wrong it was, from the
//! same evidence in both. The profiles that ship say it too; here are those that no browser needs long for.

mod common;

use common::{BROWSERS, Play, SOUNDCHECK, ending};
use serde_json::Value;
use std::process::Command;

/// One fault on the clip, or a defect of the stage, and what its play must be called.
struct Case {
    fault: &'static str,
    defect: Option<&'static str>,
    class: &'static str,
    /// Words of the evidence.
    says: &'static str,
    /// A rule that its answers break.
    rule: Option<&'static str>,
}

const CASES: [Case; 7] = [
    Case {
        fault: "do = \"status\"\ncode = 503",
        defect: None,
        class: "refused by status",
        says: "the answer was 503",
        rule: None,
    },
    Case {
        fault: "do = \"reset\"\nat = \"before_headers\"",
        defect: None,
        class: "truncated stream",
        says: "before an answer",
        rule: None,
    },
    Case {
        fault: "do = \"content_range_shift\"\nby = 1000",
        defect: None,
        class: "upstream response violation",
        says: "Content-Range",
        rule: Some("content_range_elsewhere"),
    },
    Case {
        fault: "do = \"replace\"\nwith = \"html\"",
        defect: None,
        class: "upstream response violation",
        says: "do not decode",
        rule: Some("wrong_type"),
    },
    Case {
        fault: "do = \"stall\"\nat = \"before_headers\"",
        defect: None,
        class: "timed out",
        says: "no answer in",
        rule: None,
    },
    Case {
        fault: "",
        defect: Some("video-codec"),
        class: "codec unsupported",
        says: "none of its streams",
        rule: None,
    },
    Case {
        fault: "",
        defect: Some("video-cors"),
        class: "blocked by CORS",
        says: "without Access-Control-Allow-Origin",
        rule: Some("cors_missing"),
    },
];

fn play(case: &Case) -> Play {
    let mut play = Play::on_stage(case.defect.as_slice()).journey("video");
    // Silence is given up on sooner than in the shipped journey.
    play.journey.push_str("give_up = \"5s\"\n");
    if !case.fault.is_empty() {
        let profile = format!(
            "question = \"?\"\nsource = \"measured\"\n[[fault]]\n{}\nmatch = {{ resource = \"media\" }}\n\
             [[expect]]\noutcome = \"fails\"\nclass = \"{}\"\n",
            case.fault, case.class
        );
        std::fs::write(play.dir.path().join("wrong.toml"), profile).expect("written");
        play.extra = "profiles = [\"wrong.toml\"]\n".to_owned();
    }
    play
}

fn check(case: &Case, browser: &str) {
    let what = format!("{}{} in {browser}", case.fault, case.defect.unwrap_or_default());
    let play = play(case);
    let (verdict, _) = play.run(browser);
    let wanted = if case.fault.is_empty() { "failed" } else { "passed" };
    assert_eq!(ending(&verdict).0, wanted, "{what}: {verdict:#}");
    let found = &verdict["plays"][0];
    assert_eq!(found["class"], case.class, "{what}: {found:#}");
    let says = found["evidence"]["says"].as_str().unwrap_or_default();
    assert!(says.contains(case.says), "{what}: {says}");
    assert_eq!(found["evidence"]["ours"], !case.fault.is_empty(), "{what}: {found:#}");
    let rules: Vec<&Value> = found["violations"].as_array().expect("a list").iter().map(|v| &v["rule"]).collect();
    assert!(case.rule.is_none_or(|rule| rules.iter().any(|r| *r == rule)), "{what}: {rules:?}");
    // The event says the same, and so does the record judged again.
    let events = play.events();
    let failed = events.iter().find(|e| e["event"] == "video_init_error" && e["source"] == "monitor");
    let failed = failed.unwrap_or_else(|| panic!("{what}: no video_init_error"));
    assert_eq!((&failed["class"], &failed["evidence"]), (&found["class"], &found["evidence"]), "{what}");
    let told = events.iter().filter(|e| e["event"] == "media_violation").count();
    assert_eq!(told, rules.len(), "{what}: each rule is told once");
    let again = Command::new(SOUNDCHECK).args(["judge", "--json"]).arg(play.out()).output().expect("judges");
    let again: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    for key in ["class", "evidence", "violations"] {
        assert_eq!(again["plays"][0][key], found[key], "{what}: {key}");
    }
}

/// Every other one here; all of them with `ci/verify classes`: `SOUNDCHECK_CLASSES=all`.
fn check_all(browser: &str) {
    let step = if std::env::var("SOUNDCHECK_CLASSES").is_ok_and(|which| which == "all") { 1 } else { 2 };
    CASES.iter().step_by(step).for_each(|case| check(case, browser));
}

#[test]
fn failures_have_their_classes_in_chromium() {
    check_all(BROWSERS[0]);
}

#[test]
fn failures_have_their_classes_in_firefox() {
    check_all(BROWSERS[1]);
}
