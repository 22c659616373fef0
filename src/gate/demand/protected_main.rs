//! P2.2: nothing reaches main unchecked, and nobody rewrites it. GitHub's branch protection,
//! `GET /repos/{owner}/{repo}/branches/{branch}/protection` (docs.github.com/rest/branches/branch-protection); attested
//! where no source is named.

use super::super::evidence;
use super::super::{Context, Demand, Line};
use super::{at_most, fresh};
use crate::slo::Verdict;
use crate::source::Problem;
use crate::unit::Time;
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

/// The line.
pub const NAME: &str = "protected main";

/// The table: where the protection is told, and which checks it must require.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtectedMain {
    from: Option<Spanned<String>>,
    token: Option<Spanned<String>>,
    checks: Option<Vec<String>>,
    fresh: Option<Time>,
}

impl Demand for ProtectedMain {
    fn check(&self, _app: &str, problems: &mut Vec<Problem>) {
        match (&self.from, &self.token) {
            (Some(from), token) => evidence::check(from, token.as_ref(), problems),
            (None, Some(token)) => problems.push(Problem::at(token.span(), "a token for nothing", "add `from`")),
            (None, None) => {}
        }
    }

    fn words(&self) -> Vec<String> {
        vec![match &self.from {
            Some(from) => {
                format!(
                    "{NAME}, requiring {}, by {}, {}",
                    self.checks().join(", "),
                    from.get_ref(),
                    at_most(self.fresh)
                )
            }
            None => format!("{NAME}, attested"),
        }]
    }

    fn judge(&self, asked: &mut Context) -> Vec<Line> {
        let Some(from) = &self.from else { return vec![asked.attestations().line("P2.2", NAME, asked)] };
        let line = Line::of("P2.2", NAME);
        let read = evidence::read(asked, from, self.token.as_ref());
        let told = read.and_then(|found| {
            Ok((protection(&found.json()?, &self.checks()).map_err(|why| format!("{}: {why}", found.link))?, found))
        });
        vec![match told {
            Err(why) => line.lacks(why, "the branch's protection, as GitHub's API tells it"),
            Ok(((verdict, what), found)) => {
                let line = line.link(Some(found.link)).says(verdict, what);
                let line = if line.holds() { line } else { line.todo("protect the branch") };
                line.dated(Some(found.at), fresh(self.fresh), asked.until())
            }
        }]
    }
}

impl ProtectedMain {
    fn checks(&self) -> Vec<String> {
        self.checks.clone().unwrap_or_else(|| ["typecheck", "test", "smoke"].map(str::to_owned).into())
    }
}

/// What a protection comes to.
fn protection(value: &Value, wanted: &[String]) -> Result<(Verdict, String), String> {
    // Of whatever shape GitHub's answer is: this it has.
    let forced = value["allow_force_pushes"]["enabled"].as_bool().ok_or("it is no branch protection")?;
    let required = &value["required_status_checks"];
    let list = |key: &str| required[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let contexts = list("contexts").iter().filter_map(Value::as_str);
    let required: Vec<&str> = contexts.chain(list("checks").iter().filter_map(|c| c["context"].as_str())).collect();
    let missing: Vec<&str> = wanted.iter().map(String::as_str).filter(|name| !required.contains(name)).collect();
    let reviews = if value["required_pull_request_reviews"].is_object() { "and" } else { "but not" };
    Ok(match (missing.as_slice(), forced) {
        ([], false) => {
            (Verdict::Met, format!("requires {}, {reviews} a pull request; no forced push", wanted.join(", ")))
        }
        ([], true) => (Verdict::Breached, "forced pushes are allowed".to_owned()),
        (missing, _) => (Verdict::Breached, format!("does not require {}", missing.join(", "))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_must_require_every_check_and_forbid_forced_pushes() {
        let wanted = ["test".to_owned(), "smoke".to_owned()];
        let of = |contexts: Value, forced: Value| {
            let value = json!({"required_status_checks": {"strict": true, "contexts": contexts},
                               "allow_force_pushes": {"enabled": forced}, "required_pull_request_reviews": {}});
            protection(&value, &wanted).map(|(verdict, _)| verdict)
        };
        assert_eq!(of(json!(["test", "smoke", "more"]), json!(false)), Ok(Verdict::Met));
        assert_eq!(of(json!(["test", "smoke"]), json!(true)), Ok(Verdict::Breached));
        assert_eq!(of(json!(["test"]), json!(false)), Ok(Verdict::Breached));
        assert_eq!(of(json!(null), json!(false)), Ok(Verdict::Breached));
        assert!(of(json!(["test", "smoke"]), json!("no")).is_err());
        assert!(protection(&json!({"message": "Not Found"}), &wanted).is_err());
        assert!(protection(&json!([]), &[]).is_err());
        let newer = json!({"required_status_checks": {"checks": [{"context": "test", "app_id": 1}, {"context": "smoke"}]},
                           "allow_force_pushes": {"enabled": false}});
        let (verdict, what) = protection(&newer, &wanted).expect("reads");
        assert_eq!(
            (verdict, what.as_str()),
            (Verdict::Met, "requires test, smoke, but not a pull request; no forced push")
        );
    }
}
