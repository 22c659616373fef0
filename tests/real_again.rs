//! What failed is played again to diagnose it, a quarantine bears with it, and a breach is told: in a real browser.

mod common;

use common::{Play, ending};
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde_json::{Value, json};

/// A switch that fails each time.
fn failing() -> Play {
    Play::on_stage(&["bad-glsl"])
}

#[test]
fn a_failure_is_diagnosed_and_its_breach_is_told() {
    let mut play = failing();
    let told = play.dir.path().join("told.json");
    let hand = format!("cat > '{}'", told.display());
    play.args = ["--diagnose", "2", "--on-breach", hand.as_str()].map(str::to_owned).to_vec();
    let (verdict, done) = play.run("firefox");
    assert_eq!((done.status.code(), ending(&verdict).0.as_str()), (Some(1), "failed"), "{verdict:#}");
    let plays = verdict["plays"].as_array().expect("plays");
    assert_eq!(plays.len(), 3);
    assert_eq!(plays[0]["repeats"], json!({ "failed": 3, "of": 3 }));
    assert!(plays[1..].iter().all(|play| play["diagnoses"] == true), "{verdict:#}");
    assert_eq!(verdict["on_breach"]["problem"], Value::Null);
    let told: Value = serde_json::from_slice(&std::fs::read(told).expect("told")).expect("JSON");
    assert_eq!((&told["verdict"], &told["first_cause"]), (&"breached".into(), &verdict["first_cause"]));
}

#[test]
fn a_quarantine_bears_with_a_failure_to_its_last_day() {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    for (since, until) in [(-3, 0), (-3, -1)] {
        let play = failing();
        let day = |days: i64| today.checked_add(days.days()).expect("a day");
        let quarantine = format!(
            "question = \"?\"\n[[quarantine]]\njourney = \"play\"\nreason = \"a shader\"\nowner = \"ann\"\n\
             link = \"https://issues.example/42\"\nsince = \"{}\"\nuntil = \"{}\"\n",
            day(since),
            day(until)
        );
        std::fs::write(play.dir.path().join("quarantine.toml"), quarantine).expect("written");
        let (verdict, done) = play.run("firefox");
        let borne = until == 0;
        // Nothing passed: that is no good run, whatever is borne.
        assert_eq!(done.status.code(), Some(1), "{verdict:#}");
        assert_eq!(verdict["verdict"], if borne { "not enough data" } else { "breached" });
        assert_eq!(verdict["plays"][0]["quarantine"].is_object(), borne);
        assert_eq!(verdict["about"]["quarantine"][0]["expired_days"], if borne { 0 } else { 1 });
    }
}
