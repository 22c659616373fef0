//! P5.2: no Sev-1 regression is open, in any pillar. A list that cannot be read, is too old, goes on elsewhere or is not
//! understood is never "none open".

use super::super::evidence;
use super::super::{Context, Demand, Line};
use super::at_most;
use crate::slo::Verdict;
use crate::source::Problem;
use crate::unit::Time;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use toml::Spanned;

/// An incident may be opened at any time: the list is asked for when it is wanted.
const HOUR: Time = Time(Duration::from_secs(3600));
/// So many are named.
const SHOWN: usize = 5;
/// States in which an entry is over; in any other it is open.
const OVER: [&str; 4] = ["closed", "resolved", "fixed", "done"];

/// What stands in a label that may mean Sev-1.
const GRAVE: [&str; 3] = ["sev", "critical", "blocker"];
/// The steps of a scale in words, the gravest first.
const SCALE: [&[&str]; 4] = [&["critical", "blocker"], &["high", "major"], &["medium", "moderate"], &["low", "minor"]];

/// The table: where the list is, and the label that means Sev-1 in GitHub's.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sev1 {
    from: Option<Spanned<String>>,
    token: Option<Spanned<String>>,
    label: Option<String>,
    fresh: Option<Time>,
}

impl Demand for Sev1 {
    fn check(&self, _app: &str, problems: &mut Vec<Problem>) {
        match (&self.from, &self.token) {
            (Some(from), token) => evidence::check(from, token.as_ref(), problems),
            (None, Some(token)) => problems.push(Problem::at(token.span(), "a token for nothing", "add `from`")),
            (None, None) => {}
        }
    }

    fn words(&self) -> Vec<String> {
        let label = self.label.as_ref().map_or(String::new(), |label| format!(" (label `{label}`)"));
        vec![match &self.from {
            Some(from) => {
                let fresh = at_most(Some(self.fresh.unwrap_or(HOUR)));
                format!("no open Sev-1{label} in {}, {fresh}", from.get_ref())
            }
            None => "no open Sev-1: no list is named, so it is never met".to_owned(),
        }]
    }

    fn judge(&self, asked: &mut Context) -> Vec<Line> {
        let line = Line::of("P5.2", "no open Sev-1");
        let Some(from) = &self.from else {
            return vec![line.lacks("the file names no list", "[sev1] with from = \"...\"")];
        };
        let read = evidence::read(asked, from, self.token.as_ref());
        let told = read.and_then(|found| {
            let open = open(&found.json()?, self.label.as_deref()).map_err(|why| format!("{}: {why}", found.link))?;
            Ok((found, open))
        });
        let (found, list) = match told {
            Ok(told) => told,
            Err(why) => return vec![line.lacks(why, "a list of the regressions that can be read")],
        };
        let goes_on = found.goes_on(list.of);
        let by_file = if found.live { "" } else { ", dated by the file's own time" };
        let line = line.link(Some(found.link));
        let line = match list {
            Open { sev1, .. } if !sev1.is_empty() => {
                let shown: Vec<&str> = sev1.iter().take(SHOWN).map(String::as_str).collect();
                let more = if sev1.len() > SHOWN { "; ..." } else { "" };
                let what = format!("{} open: {}{more}", sev1.len(), shown.join("; "));
                line.says(Verdict::Breached, what).todo("close them")
            }
            Open { cut, of, .. } if cut || goes_on => {
                let todo = "the whole list: add per_page=100 and labels=";
                line.lacks(format!("none among {of}, and the list goes on"), todo)
            }
            Open { of, .. } => line.says(Verdict::Met, format!("none open in a list of {of}{by_file}")),
        };
        vec![line.dated(Some(found.at), self.fresh.unwrap_or(HOUR).0, asked.until())]
    }
}

/// The open Sev-1 entries of a list.
#[derive(Debug, PartialEq)]
struct Open {
    sev1: Vec<String>,
    of: usize,
    cut: bool,
}

/// Reads `[{"id", "title", "pillar", "state", "severity"}]`, or GitHub's issues: `[{"number", "title", "state", "labels"}]`,
/// also as its search gives them. Either of severity and labels may say Sev-1.
fn open(value: &Value, label: Option<&str>) -> Result<Open, String> {
    let list = value.as_array().or_else(|| value["items"].as_array()).ok_or("it is no list")?;
    let cut = evidence::goes_on(value, list.len())?;
    let mut sev1 = Vec::new();
    for (n, entry) in list.iter().enumerate() {
        let wrong = |what: &str| format!("entry {} {what}", n + 1);
        let text = |key: &str| entry[key].as_str().map(str::trim).filter(|text| !text.is_empty());
        let of_github = entry["number"].is_u64() && entry["html_url"].is_string();
        if of_github && entry["pull_request"].is_object() {
            // GitHub lists them among the issues: it mends one, and is none.
            continue;
        }
        let state = text("state").ok_or_else(|| wrong("has no `state`"))?;
        let over = OVER.contains(&state.to_ascii_lowercase().as_str());
        let labels = entry["labels"].as_array();
        let (labelled, named) = match labels {
            Some(labels) => of_labels(labels, label, over).map_err(|what| wrong(&what))?,
            None => (false, None),
        };
        let severe = match &entry["severity"] {
            Value::Null if labels.is_some() => false,
            own => is_sev1(severity(own).ok_or_else(|| wrong("has no `severity` such as \"sev-1\""))?),
        };
        let pillar = named.or_else(|| text("pillar").map(str::to_owned));
        if (severe || labelled) && !over {
            let id = match &entry["id"] {
                _ if entry["number"].is_u64() => format!("#{}", entry["number"]),
                Value::String(id) => id.clone(),
                id => id.to_string(),
            };
            let pillar = pillar.map_or(String::new(), |pillar| format!(" ({pillar})"));
            sev1.push(format!("{id} {}{pillar}", text("title").unwrap_or("without a title")));
        }
    }
    Ok(Open { sev1, of: list.len(), cut })
}

/// Whether labels mean Sev-1, and the pillar that a `pillar: ...` among them names. An error: one has no name, or may mean
/// Sev-1 where the entry is not over.
fn of_labels(labels: &[Value], wanted: Option<&str>, over: bool) -> Result<(bool, Option<String>), String> {
    let names: Option<Vec<&str>> = labels.iter().map(|l| l.as_str().or_else(|| l["name"].as_str())).collect();
    let names = names.ok_or("has labels without names")?;
    let wanted = wanted.map(|wanted| wanted.trim().to_lowercase());
    let (mut own, mut unclear) = (false, None);
    for name in &names {
        let lower = name.trim().to_lowercase();
        // A label that nobody has must not hide one that says it.
        if wanted.as_ref() == Some(&lower) {
            own = true;
        } else if let Some(number) = severity(&Value::from(*name)) {
            own |= is_sev1(number);
        } else if wanted.as_deref().is_some_and(|wanted| is_lesser(&lower, wanted)) {
        } else if GRAVE.iter().any(|word| lower.contains(word))
            || wanted.as_ref().is_some_and(|wanted| lower.starts_with(wanted.as_str()))
        {
            unclear = Some(format!("has a label `{name}` that is not understood: write sev-1, sev-2, ..."));
        }
    }
    if let Some(unclear) = unclear.filter(|_| !own && !over) {
        return Err(unclear);
    }
    let pillar =
        names.iter().find_map(|name| Some(name.strip_prefix("pillar")?.trim_start_matches([':', '/', ' ']).to_owned()));
    Ok((own, pillar))
}

/// Whether a label is of the same scale as the wanted one, and below it: `severity: high` beside `severity: critical`.
fn is_lesser(label: &str, wanted: &str) -> bool {
    let parts =
        |text: &str| text.rsplit_once([' ', ':', '/', '-']).map(|(scale, step)| (scale.to_owned(), step.to_owned()));
    let at = |step: &str| SCALE.iter().position(|steps| steps.contains(&step));
    match (parts(label), parts(wanted)) {
        (Some((scale, step)), Some((of, own))) => scale == of && at(&own).is_some() && at(&step) > at(&own),
        _ => false,
    }
}

/// Sev-1, or graver.
fn is_sev1(severity: u64) -> bool {
    severity <= 1
}

/// `"sev-1"`, `"Sev 1"`, `"S1"`, `"severity: 1"`, `1`; nothing else is a severity.
fn severity(value: &Value) -> Option<u64> {
    let text = value.as_u64().map(|n| n.to_string()).or_else(|| value.as_str().map(str::to_ascii_lowercase))?;
    let text = text.trim();
    let after = ["severity", "sev", "s"].iter().find_map(|word| text.strip_prefix(word));
    let number = after.map_or(text, |rest| rest.trim_start_matches([' ', ':', '-', '_', '/', '=']));
    // Rust reads "+1" too.
    number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(state: &str, severity: Value) -> Value {
        json!({"id": "R-7", "title": "black screen", "pillar": "hydra", "state": state, "severity": severity})
    }

    fn issue(state: &str, label: &str) -> Value {
        json!({"number": 7, "id": 99, "title": "black screen", "state": state, "labels": [{"name": label}, {"name": "pillar: hydra"}]})
    }

    #[test]
    fn an_open_sev_1_is_found_however_it_is_written() {
        for severity in [json!("sev-1"), json!("Sev 1"), json!("S1"), json!("severity:1"), json!(1), json!("1")] {
            let found = open(&json!([entry("open", severity.clone())]), None).expect("reads");
            assert_eq!(found.sev1, ["R-7 black screen (hydra)"], "{severity}");
        }
        let found = open(&json!([issue("open", "sev-1"), issue("closed", "sev-1"), issue("open", "bug")]), None);
        assert_eq!(found.expect("reads").sev1, ["#7 black screen (hydra)"]);
        let own = open(&json!([issue("open", "Critical")]), Some("critical")).expect("reads");
        assert_eq!(own.sev1.len(), 1);
        let other = open(&json!([issue("open", "Sev1")]), Some("critical")).expect("reads");
        assert_eq!(other.sev1.len(), 1);
        // A state that nobody knows is no closed one.
        assert_eq!(open(&json!([entry("triage", json!(1))]), None).expect("reads").sev1.len(), 1);
    }

    #[test]
    fn either_of_severity_and_labels_says_it() {
        for (severity, labels) in [
            (json!("sev-1"), json!([])),
            (json!("sev-1"), json!(["hydra"])),
            (json!("sev-3"), json!(["sev-1"])),
            (json!("sev-1"), json!("sev-3")),
            (json!(null), json!([{"name": "sev-0"}])),
            (json!("sev-0"), json!(null)),
            (json!(null), json!(["severity: critical", "sev 1"])),
        ] {
            let mut both = entry("open", severity.clone());
            both["labels"] = labels.clone();
            both["pull_request"] = json!({});
            let found = open(&json!([both]), None).unwrap_or_else(|why| panic!("{severity} {labels}: {why}"));
            assert_eq!(found.sev1, ["R-7 black screen (hydra)"], "{severity} {labels}");
        }
    }

    #[test]
    fn a_label_of_the_wanted_scale_is_understood() {
        let of = |label: &str| open(&json!([issue("open", label)]), Some("Severity: critical")).map(|o| o.sev1.len());
        assert_eq!(of("severity: critical"), Ok(1));
        assert_eq!(of("severity: high"), Ok(0));
        assert_eq!(of("severity: Minor"), Ok(0));
        assert!(of("severity: grave").is_err());
        assert!(of("severity: critical?").is_err());
        assert!(of("critical").is_err());
        // What is over needs no telling.
        assert_eq!(open(&json!([issue("closed", "critical")]), None).expect("reads").sev1.len(), 0);
    }

    #[test]
    fn none_is_open_where_all_are_lesser_or_over() {
        let list = json!([entry("open", json!("sev-2")), entry("Resolved", json!("sev-1")), entry("open", json!(3))]);
        assert_eq!(open(&list, None), Ok(Open { sev1: vec![], of: 3, cut: false }));
        assert_eq!(open(&json!([]), None), Ok(Open { sev1: vec![], of: 0, cut: false }));
        let mut mends = issue("open", "sev-1");
        mends["html_url"] = json!("https://github.example/1");
        mends["pull_request"] = json!({"url": "https://github.example/1"});
        assert_eq!(open(&json!([mends]), None), Ok(Open { sev1: vec![], of: 1, cut: false }));
        assert!(open(&json!({"total_count": 2, "items": [issue("open", "bug")]}), None).expect("reads").cut);
    }

    #[test]
    fn what_is_not_understood_is_never_none() {
        for list in [
            json!({"message": "Not Found"}),
            json!("[]"),
            json!(null),
            json!([entry("open", json!("critical"))]),
            json!([entry("open", json!("1.0"))]),
            json!([entry("open", json!("sev 1-2"))]),
            json!([entry("open", json!("+1"))]),
            json!([entry("open", json!(1.5))]),
            json!([issue("open", "Sev-1 regression")]),
            json!([issue("open", "severity: critical")]),
            json!([issue("open", "release-blocker")]),
            json!([{"state": "open", "severity": "grave", "labels": []}]),
            json!([{"id": 1, "severity": "sev-2"}]),
            json!([entry("", json!("sev-2"))]),
            json!([{"state": "open", "labels": [{"colour": "red"}]}]),
            json!([7]),
        ] {
            assert!(open(&list, None).is_err(), "{list}");
        }
    }
}
