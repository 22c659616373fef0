//! P2.2: only the remotes that are named can be pushed to. Of the others git's push address leads nowhere, as after
//! `git remote set-url --push upstream no_push`. Attested where no repository is named.

use super::super::{Context, Demand, Line};
use super::{at_most, fresh};
use crate::slo::Verdict;
use crate::source::Problem;
use crate::unit::Time;
use jiff::Timestamp;
use serde::Deserialize;
use std::path::Path;
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
        let told = git(&folder, &["remote", "-v"], &[]).and_then(|remotes| {
            // Status 1: nothing of the kind is set.
            Ok((remotes, git(&folder, &["config", "--get-regexp", ELSEWHERE], &[1])?))
        });
        let (told, elsewhere) = match told {
            Ok(told) => told,
            Err(why) => return vec![line.lacks(why, "a clone that git reads")],
        };
        let (verdict, what) = remotes(&told, &elsewhere, &self.push, &folder);
        let line = line.says(verdict, what);
        let line = match verdict {
            Verdict::Met => line,
            Verdict::Breached => line.todo("git remote set-url --push NAME no_push"),
            _ => line.todo("run it in the clone that is released from"),
        };
        vec![line.dated(Some(Timestamp::now()), fresh(self.fresh), asked.until())]
    }
}

/// What else git pushes to: the name of a remote, or an address.
const ELSEWHERE: &str = r"^(remote\.pushdefault|branch\..*\.(pushremote|remote))$";

/// What git says of this clone, whatever clone the environment names.
fn git(folder: &Path, arguments: &[&str], none: &[i32]) -> Result<String, String> {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"GIT_")) {
        command.env_remove(name);
    }
    let told = command.arg("-C").arg(folder).args(arguments).output().map_err(|e| format!("git does not run: {e}"))?;
    if !told.status.success() && !told.status.code().is_some_and(|code| none.contains(&code)) {
        return Err(String::from_utf8_lossy(&told.stderr).lines().next().unwrap_or("git failed").to_owned());
    }
    Ok(String::from_utf8_lossy(&told.stdout).into_owned())
}

/// What `git remote -v` comes to, and what is pushed to beside the remotes.
fn remotes(told: &str, elsewhere: &str, may: &[String], folder: &Path) -> (Verdict, String) {
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    // An address has a host or a path; a word such as `no_push` has neither, unless a folder is called so.
    let leads = |address: &str| {
        let address = address.trim();
        let beside = || ["", ".git"].iter().any(|end| folder.join(format!("{address}{end}")).exists());
        !address.is_empty() && (address.contains(['/', ':', '\\', '.', '~']) || beside())
    };
    for line in told.lines().filter_map(|line| line.strip_suffix("(push)")) {
        let Some((name, address)) = line.split_once('\t') else { continue };
        if leads(address) && !may.iter().any(|own| own == name) { open.push(name) } else { closed.push(name) }
    }
    for (key, target) in elsewhere.lines().filter_map(|line| line.split_once(' ')) {
        // A remote is judged above, and `.` is this clone.
        let remote = open.contains(&target) || closed.contains(&target);
        if !remote && target != "." && leads(target) {
            open.push(key);
        }
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
        let of = |told: &str| remotes(told, "", &["origin".to_owned()], Path::new("/nowhere")).0;
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

    #[test]
    fn a_folder_and_a_push_address_of_a_branch_are_open() {
        let clone = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(clone.path().join("backup")).expect("made");
        let of = |told: &str, elsewhere: &str| remotes(told, elsewhere, &["origin".to_owned()], clone.path());
        let origin = "origin\tgit@host:own.git (push)\n";
        assert_eq!(of(&format!("{origin}spare\tbackup (push)\n"), "").0, Verdict::Breached);
        for (elsewhere, wanted) in [
            ("remote.pushdefault https://h/x\n", Verdict::Breached),
            ("branch.main.pushremote ../x\n", Verdict::Breached),
            ("branch.main.remote origin\nbranch.own.remote .\n", Verdict::Met),
            ("remote.pushdefault no_push\n", Verdict::Met),
        ] {
            assert_eq!(of(origin, elsewhere).0, wanted, "{elsewhere}");
        }
    }
}
