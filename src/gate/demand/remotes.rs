//! P2.2: only the remotes that are named can be pushed to. Of the others git's push address leads nowhere, as after
//! `git remote set-url --push upstream no_push`. Attested where no repository is named.

use super::super::{Context, Demand, Line};
use super::{at_most, fresh};
use crate::slo::Verdict;
use crate::source::Problem;
use crate::unit::Time;
use jiff::Timestamp;
use serde::Deserialize;
use std::process::Command;
use toml::Spanned;

/// The line.
pub const NAME: &str = "push-protected remotes";

/// The table: the clone, and its remotes that may be pushed to.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remotes {
    repository: Option<Spanned<String>>,
    #[serde(default)]
    push: Vec<String>,
    fresh: Option<Time>,
}

impl Demand for Remotes {
    fn check(&self, _app: &str, problems: &mut Vec<Problem>) {
        if let Some(empty) = self.repository.as_ref().filter(|path| path.get_ref().trim().is_empty()) {
            problems.push(Problem::at(empty.span(), "no repository is named", "write a path relative to this file"));
        }
    }

    fn words(&self) -> Vec<String> {
        let push = if self.push.is_empty() { "none".to_owned() } else { self.push.join(", ") };
        vec![match &self.repository {
            Some(path) => {
                format!("{NAME}: of the clone {} only {push} takes pushes, {}", path.get_ref(), at_most(self.fresh))
            }
            None => format!("{NAME}, attested"),
        }]
    }

    fn judge(&self, asked: &mut Context) -> Vec<Line> {
        let Some(path) = &self.repository else { return vec![asked.attestations().line("P2.2", NAME, asked)] };
        let folder = asked.beside(path.get_ref());
        let line = Line::of("P2.2", NAME).link(Some(folder.display().to_string()));
        let told = Command::new("git").arg("-C").arg(&folder).args(["remote", "-v"]).output();
        let why = match &told {
            Err(e) => format!("git does not run: {e}"),
            Ok(told) => String::from_utf8_lossy(&told.stderr).lines().next().unwrap_or("git failed").to_owned(),
        };
        let Some(told) = told.ok().filter(|told| told.status.success()) else {
            return vec![line.lacks(why, "a clone that git reads")];
        };
        let (verdict, what) = remotes(&String::from_utf8_lossy(&told.stdout), &self.push);
        let line = line.says(verdict, what);
        let line = match verdict {
            Verdict::Met => line,
            Verdict::Breached => line.todo("git remote set-url --push NAME no_push"),
            _ => line.todo("run it in the clone that is released from"),
        };
        vec![line.dated(Some(Timestamp::now()), fresh(self.fresh), asked.until())]
    }
}

/// What `git remote -v` comes to.
fn remotes(told: &str, may: &[String]) -> (Verdict, String) {
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    for line in told.lines().filter_map(|line| line.strip_suffix("(push)")) {
        let Some((name, address)) = line.split_once('\t') else { continue };
        // An address has a host or a path; a word such as `no_push` has neither.
        let leads = address.trim().contains(['/', ':', '\\', '.']);
        if leads && !may.iter().any(|own| own == name) { open.push(name) } else { closed.push(name) }
    }
    match (open.as_slice(), closed.as_slice()) {
        ([], []) => (Verdict::NotEnoughData, "the clone has no remote".to_owned()),
        ([], closed) => {
            (Verdict::Met, format!("nothing but what may be pushed to takes pushes: {}", closed.join(", ")))
        }
        (open, _) => (Verdict::Breached, format!("can be pushed to: {}", open.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_takes_pushes_only_where_it_may() {
        let of = |told: &str| remotes(told, &["origin".to_owned()]).0;
        let origin = "origin\tgit@host:own.git (fetch)\norigin\tgit@host:own.git (push)\n";
        assert_eq!(of(origin), Verdict::Met);
        assert_eq!(of(&format!("{origin}upstream\thttps://h/x (fetch)\nupstream\tno_push (push)\n")), Verdict::Met);
        assert_eq!(
            of(&format!("{origin}upstream\thttps://h/x (fetch)\nupstream\thttps://h/x (push)\n")),
            Verdict::Breached
        );
        assert_eq!(of(&format!("{origin}local\t../x (push)\n")), Verdict::Breached);
        assert_eq!(of(""), Verdict::NotEnoughData);
    }
}
