//! GitHub's check runs of a commit: `GET /repos/{owner}/{repo}/commits/{ref}/check-runs`
//! (docs.github.com/rest/checks/runs). Every run of the name counts: one that failed is not hidden by one that passed.

use super::super::evidence;
use super::{Of, Outcome};
use crate::slo::Verdict;
use jiff::Timestamp;
use serde_json::Value;

pub(super) fn read(value: &Value, name: &str, goes_on: bool) -> Result<Outcome, String> {
    let runs = value["check_runs"].as_array().ok_or("`check_runs` is no list")?;
    let cut = goes_on || evidence::goes_on(value, runs.len())?;
    let of = value["total_count"].as_u64().map_or(String::new(), |total| format!(" of {total}"));
    let text = |run: &Value, key: &str| run[key].as_str().map(str::to_owned);
    let own: Vec<&Value> = runs.iter().filter(|run| run["name"] == name).collect();
    if own.is_empty() {
        let mut names: Vec<String> = runs.iter().filter_map(|run| text(run, "name")).collect();
        names.sort();
        names.dedup();
        return Err(match cut {
            true => format!("no check run `{name}` among the first {}{of}: add per_page=100", runs.len()),
            false => format!("no check run is called `{name}`; there are: {}", names.join(", ")),
        });
    }
    let (mut verdict, mut says) = (Verdict::Met, Vec::new());
    for run in &own {
        let (status, conclusion) = (text(run, "status"), text(run, "conclusion"));
        let (one, said) = match (status.as_deref(), conclusion.as_deref()) {
            (Some("completed"), Some("success")) => (Verdict::Met, "success"),
            (Some("completed"), Some(said @ ("failure" | "timed_out" | "action_required" | "startup_failure"))) => {
                (Verdict::Breached, said)
            }
            // Skipped, cancelled, neutral: it came to no answer.
            (Some("completed"), Some(said)) => (Verdict::NotEnoughData, said),
            (Some(status), _) if status != "completed" => (Verdict::NotEnoughData, status),
            _ => return Err(format!("check run `{name}` has no status and conclusion")),
        };
        verdict = verdict.max(one);
        says.push(said.to_owned());
    }
    let mut shas: Vec<String> = own.iter().filter_map(|run| text(run, "head_sha")).collect();
    shas.dedup();
    if shas.len() > 1 {
        return Err(format!("check runs `{name}` of several commits: {}", shas.join(", ")));
    }
    let mut what = format!("check run `{name}`: {}", says.join(", "));
    if cut && verdict == Verdict::Met {
        verdict = Verdict::NotEnoughData;
        what += &format!("; only {}{of} check runs were read: add per_page=100", runs.len());
    }
    let ended: Vec<Option<Timestamp>> = own.iter().map(|run| text(run, "completed_at")?.parse().ok()).collect();
    // One that tells no end has none.
    let newest = ended.iter().copied().max().flatten();
    let at = ended.into_iter().collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().min());
    Ok(Outcome {
        verdict,
        what,
        at,
        newest,
        undated: at.is_none(),
        unsure: false,
        plan: None,
        of: shas.pop().map(Of::Commit).into_iter().collect(),
        link: own.iter().find_map(|run| text(run, "html_url")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(conclusion: Value) -> Value {
        json!({"name": "test", "head_sha": "abc", "status": "completed", "conclusion": conclusion,
               "completed_at": "2026-11-22T10:00:00Z", "html_url": "https://github.example/1"})
    }

    fn of(runs: &[Value], total: usize) -> Result<Outcome, String> {
        read(&json!({"total_count": total, "check_runs": runs}), "test", false)
    }

    #[test]
    fn only_success_is_met_and_one_failure_is_enough() {
        for (conclusion, verdict) in [
            ("success", Verdict::Met),
            ("failure", Verdict::Breached),
            ("timed_out", Verdict::Breached),
            ("skipped", Verdict::NotEnoughData),
            ("neutral", Verdict::NotEnoughData),
            ("cancelled", Verdict::NotEnoughData),
            ("a word of next year", Verdict::NotEnoughData),
        ] {
            assert_eq!(of(&[run(conclusion.into())], 1).expect("reads").verdict, verdict, "{conclusion}");
            assert_eq!(of(&[run("success".into()), run(conclusion.into())], 2).expect("reads").verdict, verdict);
        }
        let mut queued = run(Value::Null);
        queued["status"] = "queued".into();
        assert_eq!(of(&[queued], 1).expect("reads").what, "check run `test`: queued");
    }

    #[test]
    fn a_page_of_a_longer_list_shows_no_success() {
        let cut = of(&[run("success".into())], 31).expect("reads");
        assert_eq!(cut.verdict, Verdict::NotEnoughData);
        assert!(cut.what.ends_with("only 1 of 31 check runs were read: add per_page=100"), "{}", cut.what);
        assert!(read(&json!({"total_count": 31, "check_runs": []}), "test", false).is_err());
        let told = |key: &str, own: Value| {
            read(&json!({"check_runs": [run("success".into())], key: own}), "test", false).map(|one| one.verdict)
        };
        assert_eq!(told("total_count", json!("250")), Ok(Verdict::NotEnoughData));
        assert_eq!(told("has_more", json!(true)), Ok(Verdict::NotEnoughData));
        assert_eq!(told("total_count", json!("1")), Ok(Verdict::Met));
        assert!(told("total_count", json!("many")).is_err());
        assert!(told("message", json!("rate limit")).is_err());
    }

    #[test]
    fn what_lacks_its_parts_says_nothing() {
        assert!(of(&[], 0).is_err());
        assert!(of(&[json!({"name": "test"})], 1).is_err());
        assert!(read(&json!({"check_runs": {}}), "test", false).is_err());
        let mut undated = run("success".into());
        undated["completed_at"] = Value::Null;
        assert_eq!(of(&[run("success".into()), undated], 2).expect("reads").at, None);
        let mut other = run("success".into());
        other["head_sha"] = "def".into();
        assert!(of(&[run("success".into()), other], 2).is_err());
    }
}
