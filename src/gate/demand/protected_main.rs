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
    checks: Option<Spanned<Vec<String>>>,
    /// Without it the one that `from` names, or main.
    branch: Option<String>,
    fresh: Option<Time>,
}

impl Demand for ProtectedMain {
    fn check(&self, _app: &str, problems: &mut Vec<Problem>) {
        match (&self.from, &self.token) {
            (Some(from), token) => evidence::check(from, token.as_ref(), problems),
            (None, Some(token)) => problems.push(Problem::at(token.span(), "a token for nothing", "add `from`")),
            (None, None) => {}
        }
        let empty = |own: &&Spanned<Vec<String>>| own.get_ref().iter().all(|name| name.trim().is_empty());
        if let Some(own) = self.checks.as_ref().filter(empty) {
            problems.push(Problem::at(own.span(), "no check is required", "name one, or take the line out"));
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
            Ok((
                protection(&found.json()?, &self.checks(), self.branch(from.get_ref()))
                    .map_err(|why| format!("{}: {why}", found.link))?,
                found,
            ))
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
        let own = self.checks.as_ref().map(|own| own.get_ref().clone());
        own.unwrap_or_else(|| ["typecheck", "test", "smoke"].map(str::to_owned).into())
    }

    fn branch<'a>(&'a self, from: &'a str) -> &'a str {
        self.branch.as_deref().or_else(|| branch(from)).unwrap_or("main")
    }
}

/// The branch of GitHub's address of a protection.
fn branch(address: &str) -> Option<&str> {
    address.split_once("/branches/")?.1.split_once("/protection").map(|(name, _)| name)
}

/// What a protection comes to.
fn protection(value: &Value, wanted: &[String], main: &str) -> Result<(Verdict, String), String> {
    // Of whatever shape GitHub's answer is: this it has.
    let forced = value["allow_force_pushes"]["enabled"].as_bool().ok_or("it is no branch protection")?;
    let required = &value["required_status_checks"];
    let list = |key: &str| required[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let contexts = list("contexts").iter().filter_map(Value::as_str);
    let required: Vec<&str> = contexts.chain(list("checks").iter().filter_map(|c| c["context"].as_str())).collect();
    let missing: Vec<&str> = wanted.iter().map(String::as_str).filter(|name| !required.contains(name)).collect();
    let reviews = if value["required_pull_request_reviews"].is_object() { "and" } else { "but not" };
    let mut open = Vec::new();
    if let Some(other) = value["url"].as_str().filter(|url| branch(url) != Some(main)) {
        open.push(format!("it is of {}, not of {main}", branch(other).unwrap_or(other)));
    }
    if !missing.is_empty() {
        open.push(format!("does not require {}", missing.join(", ")));
    }
    if forced {
        open.push("forced pushes are allowed".to_owned());
    }
    let (deleted, admins) =
        (value["allow_deletions"]["enabled"].as_bool(), value["enforce_admins"]["enabled"].as_bool());
    if deleted == Some(true) {
        open.push("it may be deleted".to_owned());
    }
    if admins == Some(false) {
        open.push("administrators are exempt".to_owned());
    }
    Ok(match (open.as_slice(), deleted, admins) {
        ([], Some(_), Some(_)) => {
            (Verdict::Met, format!("requires {}, {reviews} a pull request; no forced push", wanted.join(", ")))
        }
        ([], None, _) => (Verdict::NotEnoughData, "it does not say whether it may be deleted".to_owned()),
        ([], ..) => (Verdict::NotEnoughData, "it does not say whether administrators are exempt".to_owned()),
        (open, ..) => (Verdict::Breached, open.join("; ")),
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
                               "allow_force_pushes": {"enabled": forced}, "allow_deletions": {"enabled": false},
                               "enforce_admins": {"enabled": true}, "required_pull_request_reviews": {}});
            protection(&value, &wanted, "main").map(|(verdict, _)| verdict)
        };
        assert_eq!(of(json!(["test", "smoke", "more"]), json!(false)), Ok(Verdict::Met));
        assert_eq!(of(json!(["test", "smoke"]), json!(true)), Ok(Verdict::Breached));
        assert_eq!(of(json!(["test"]), json!(false)), Ok(Verdict::Breached));
        assert_eq!(of(json!(null), json!(false)), Ok(Verdict::Breached));
        assert!(of(json!(["test", "smoke"]), json!("no")).is_err());
        assert!(protection(&json!({"message": "Not Found"}), &wanted, "main").is_err());
        assert!(protection(&json!([]), &[], "main").is_err());
        let newer = json!({"required_status_checks": {"checks": [{"context": "test", "app_id": 1}, {"context": "smoke"}]},
                           "allow_force_pushes": {"enabled": false}, "allow_deletions": {"enabled": false},
                           "enforce_admins": {"enabled": true}});
        let (verdict, what) = protection(&newer, &wanted, "main").expect("reads");
        assert_eq!(
            (verdict, what.as_str()),
            (Verdict::Met, "requires test, smoke, but not a pull request; no forced push")
        );
    }

    #[test]
    fn nobody_may_delete_it_or_pass_it_by() {
        let good = json!({"required_status_checks": {"contexts": ["test"]}, "allow_force_pushes": {"enabled": false},
                          "allow_deletions": {"enabled": false}, "enforce_admins": {"enabled": true},
                          "url": "https://api.github.example/repos/o/r/branches/main/protection"});
        let of = |value: &Value| protection(value, &["test".to_owned()], "main").expect("reads");
        assert_eq!(of(&good).0, Verdict::Met);
        let dev = "https://api.github.example/repos/o/r/branches/dev/protection";
        for (key, value, says) in [
            ("allow_deletions", json!({"enabled": true}), "it may be deleted"),
            ("enforce_admins", json!({"enabled": false}), "administrators are exempt"),
            ("url", json!(dev), "it is of dev, not of main"),
        ] {
            let mut bad = good.clone();
            bad[key] = value;
            assert_eq!(of(&bad), (Verdict::Breached, says.to_owned()));
            bad[key] = Value::Null;
            assert_eq!(of(&bad).0 == Verdict::NotEnoughData, key != "url", "{key}");
        }
        let own = ProtectedMain::default();
        assert_eq!((own.branch("protection.json"), own.branch(dev)), ("main", "dev"));
    }

    #[test]
    fn no_checks_are_no_demand() {
        for (own, wrong) in [("[]", true), ("[\" \"]", true), ("[\"test\"]", false)] {
            let main: ProtectedMain = toml::from_str(&format!("checks = {own}")).expect("reads");
            let mut problems = Vec::new();
            main.check("player", &mut problems);
            assert_eq!(!problems.is_empty(), wrong, "{own}");
        }
    }
}
