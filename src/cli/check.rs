//! `soundcheck check`.

use super::{Done, print};
use serde_json::json;
use soundcheck::app::App;
use soundcheck::error::{Error, Result};
use soundcheck::journey::Journey;
use soundcheck::plan::{Overrides, Plan};
use soundcheck::profile::Profile;
use soundcheck::secret::Secrets;
use soundcheck::slo::Objectives;
use soundcheck::source::Source;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Args {
    /// Plans, apps, journeys, profiles or objectives; what a plan names is checked with it
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print JSON: `{"ok": bool, "files": [{"file", "kind", "question", "problem"}]}`
    #[arg(long)]
    json: bool,
}

pub fn main(args: &Args) -> Done {
    let secrets = Secrets::default();
    let checked: Vec<(&PathBuf, Result<(&str, String)>)> =
        args.files.iter().map(|file| (file, check(file, &secrets))).collect();
    let ok = checked.iter().all(|(_, done)| done.is_ok());
    if args.json {
        let files: Vec<_> = checked
            .iter()
            .map(|(file, done)| match done {
                Ok((kind, question)) => json!({ "file": file, "kind": kind, "question": question, "problem": null }),
                Err(e) => json!({ "file": file, "kind": null, "question": null, "problem": e.to_string() }),
            })
            .collect();
        print(&format!("{:#}\n", json!({ "ok": ok, "files": files })));
        return Ok(if ok { 0 } else { 2 });
    }
    let mut out = String::new();
    let mut problems = Vec::new();
    for (file, done) in checked {
        match done {
            // Writing to a string cannot fail.
            Ok((kind, question)) => drop(writeln!(out, "ok  {kind:<10} {}  {question}", file.display())),
            Err(e) => problems.push(e.to_string()),
        }
    }
    print(&out);
    if problems.is_empty() { Ok(0) } else { Err(Error::author(problems.join("\n\n"))) }
}

/// A file's kind is told by the keys it has, not by where it lies.
fn check(path: &Path, secrets: &Secrets) -> Result<(&'static str, String)> {
    let folders = ["ci", "journeys", "journeys/apps", "proxies"];
    let shipped = folders.iter().find_map(|folder| Source::open(path, folder).ok());
    let source = shipped.map_or_else(|| Source::open(path, "ci"), Ok)?;
    let keys: toml::Table = source.parse()?;
    if keys.contains_key("journeys") || keys.contains_key("judge") {
        let plan = Plan::read(path, &Overrides::default(), secrets)?;
        return Ok(("plan", plan.question));
    }
    if keys.contains_key("objective") {
        let all = Objectives::read(&source)?;
        return Ok(("objectives", format!("{} objectives", all.all().len())));
    }
    if keys.contains_key("step") {
        return Journey::read(&source).map(|j| ("journey", j.question));
    }
    if keys.contains_key("base") || keys.contains_key("word") {
        return App::read(&source, secrets).map(|a| ("app", a.base));
    }
    Profile::read(&source).map(|p| ("profile", p.question))
}
