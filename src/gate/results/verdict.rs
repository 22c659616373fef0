//! The `verdict.json` of a run: a smoke is a run like any other.

use super::{Of, Outcome};
use crate::slo::Verdict;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub(super) fn read(value: &Value, app: &str) -> Result<Outcome, String> {
    if value["format"] != 1 {
        return Err("no verdict.json of a form that is known here".to_owned());
    }
    let about = |key: &str| value["about"][key].as_str().filter(|text| !text.is_empty());
    if about("app") != Some(app) {
        return Err(format!("a run of the app {}, not of {app}", about("app").unwrap_or("it does not name")));
    }
    let plays = value["plays"].as_array().ok_or("it has no plays")?;
    let ended = |how: &str| plays.iter().filter(|play| play["ending"] == how).count();
    // A broken attempt that another replaced is none of its plays.
    let replaced = |play: &&Value| {
        let same =
            |other: &Value| ["journey", "browser", "profile", "number"].iter().all(|key| other[*key] == play[*key]);
        let later = |other: &Value| other["attempt"].as_u64() > play["attempt"].as_u64() && play["attempt"].is_u64();
        play["ending"] == "broken" && plays.iter().any(|other| same(other) && later(other))
    };
    let (passed, failed, replaced) = (ended("passed"), ended("failed"), plays.iter().filter(replaced).count());
    let objectives = match &value["objectives"] {
        Value::Null => &[],
        Value::Array(all) => all.as_slice(),
        _ => return Err("its objectives are no list".to_owned()),
    };
    let demanded = || objectives.iter().filter(|objective| objective["goal"] != true);
    let missed = demanded().filter(|objective| objective["verdict"] == "breached").count();
    let known =
        |objective: &Value| matches!(objective["verdict"].as_str(), Some("met" | "not enough data" | "breached"));
    let whole = passed + failed + replaced == plays.len() && demanded().all(known);
    let judged = value["verdict"].as_str().ok_or("it has no verdict")?;
    let satisfied =
        value["exit_code"] == 0 && matches!(judged, "met" | "not enough data") && value["dropped_events"] == 0;
    let verdict = match () {
        () if judged == "breached" || failed > 0 || missed > 0 => Verdict::Breached,
        () if satisfied && whole && passed > 0 && value["complete"] == true => Verdict::Met,
        () => Verdict::NotEnoughData,
    };
    let plan = about("plan").unwrap_or("a run of no named plan");
    let on = about("environment").unwrap_or("no named environment");
    let mut what = format!("{plan} on {on}: {judged}, {passed} of {} plays passed", plays.len() - replaced);
    if missed > 0 {
        what += &format!(", {missed} objectives breached");
    }
    if value["complete"] != true {
        what += ", and it was cut short";
    }
    let took = value["ms"].as_f64().filter(|ms| (0.0..1e12).contains(ms)).unwrap_or(0.0);
    let started = value["started"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    let at = started.and_then(|at| at.checked_add(SignedDuration::from_millis(took as i64)).ok());
    Ok(Outcome {
        verdict,
        what,
        at,
        newest: at,
        undated: at.is_none(),
        unsure: false,
        of: about("version").map(|version| Of::Version(version.to_owned())).into_iter().collect(),
        plan: about("plan").map(str::to_owned),
        link: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn verdict() -> Value {
        json!({"format": 1, "verdict": "not enough data", "exit_code": 0, "started": "2026-11-22T10:00:00Z", "ms": 60000.0,
               "about": {"plan": "smoke", "app": "player", "environment": "staging", "version": "1.4.2"}, "complete": true, "dropped_events": 0,
               "plays": [{"ending": "passed"}, {"ending": "passed"}]})
    }

    #[test]
    fn a_run_that_satisfied_its_judge_passes() {
        let good = read(&verdict(), "player").expect("reads");
        assert_eq!(
            (good.verdict, good.what.as_str()),
            (Verdict::Met, "smoke on staging: not enough data, 2 of 2 plays passed")
        );
        assert_eq!(good.at.map(|at| at.to_string()).as_deref(), Some("2026-11-22T10:01:00Z"));
        assert_eq!(good.of, [Of::Version("1.4.2".to_owned())]);
    }

    #[test]
    fn what_was_replaced_or_only_aimed_at_decides_nothing() {
        let mut run = verdict();
        let play =
            |ending: &str, attempt: u64| json!({"journey": "a", "number": 1, "attempt": attempt, "ending": ending});
        run["plays"] = json!([play("broken", 1), play("passed", 2)]);
        run["objectives"] = json!([{"verdict": "breached", "goal": true}, {"verdict": "not enough data"}]);
        let good = read(&run, "player").expect("reads");
        assert_eq!((good.verdict, good.what.ends_with("1 of 1 plays passed")), (Verdict::Met, true));
        run["plays"] = json!([play("broken", 2), play("passed", 1)]);
        assert_eq!(read(&run, "player").expect("reads").verdict, Verdict::NotEnoughData);
    }

    #[test]
    fn anything_less_does_not() {
        for (key, value, wanted) in [
            ("verdict", json!("breached"), Verdict::Breached),
            ("plays", json!([{"ending": "passed"}, {"ending": "failed"}]), Verdict::Breached),
            ("plays", json!([]), Verdict::NotEnoughData),
            ("plays", json!([{"ending": "passed"}, {"ending": "broken"}]), Verdict::NotEnoughData),
            ("plays", json!([{"ending": "passed"}, {"ending": "Failed"}]), Verdict::NotEnoughData),
            ("plays", json!([{"ending": "passed"}, null, 7]), Verdict::NotEnoughData),
            ("objectives", json!([{"verdict": "breached"}]), Verdict::Breached),
            ("objectives", json!([{"verdict": "breached", "quarantined": true}]), Verdict::Breached),
            ("objectives", json!([{"verdict": "broken"}]), Verdict::NotEnoughData),
            ("objectives", json!([7]), Verdict::NotEnoughData),
            ("exit_code", json!(1), Verdict::NotEnoughData),
            ("exit_code", json!(null), Verdict::NotEnoughData),
            ("verdict", json!("broken"), Verdict::NotEnoughData),
            ("complete", json!(false), Verdict::NotEnoughData),
            ("dropped_events", json!(3), Verdict::NotEnoughData),
        ] {
            let mut bad = verdict();
            bad[key] = value;
            assert_eq!(read(&bad, "player").expect("reads").verdict, wanted, "{key}");
        }
        for (key, value) in
            [("format", json!(2)), ("plays", json!("none")), ("objectives", json!("none")), ("about", json!({}))]
        {
            let mut bad = verdict();
            bad[key] = value;
            assert!(read(&bad, "player").is_err(), "{key}");
        }
        assert!(read(&verdict(), "another").is_err());
    }
}
