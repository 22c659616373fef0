//! `soundcheck check`.

use super::{Done, print};
use serde_json::json;
use soundcheck::app::App;
use soundcheck::error::{Error, Result};
use soundcheck::gate::{Attestations, KINDS as GATED, Release, attested};
use soundcheck::journey::Journey;
use soundcheck::plan::{Overrides, Plan, fed_by};
use soundcheck::profile::Profile;
use soundcheck::quarantine::{Entry, Known, Quarantine, today};
use soundcheck::secret::Secrets;
use soundcheck::slo::{Objective, Objectives};
use soundcheck::source::{Problem, Source};
use soundcheck::table::{Row, did_you_mean};
use soundcheck::verify::Catalogue;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Args {
    /// Plans, catalogues, apps, journeys, profiles, objectives, quarantine, release or attestation files; what one names is
    /// checked with it
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print JSON: `{"ok": bool, "files": [{"file", "kind", "question", "does", "notes", "problem"}]}`
    #[arg(long)]
    json: bool,
}

pub fn main(args: &Args) -> Done {
    let secrets = Secrets::of_process();
    let checked: Vec<(&PathBuf, Result<Checked>)> =
        args.files.iter().map(|file| (file, check(file, &secrets))).collect();
    let ok = checked.iter().all(|(_, done)| done.is_ok());
    if args.json {
        let files: Vec<_> = checked
            .iter()
            .map(|(file, done)| match done {
                Ok(Checked { kind, question, does, notes }) => json!({
                    "file": file, "kind": kind, "question": question, "does": does,
                    "notes": notes.iter().map(|note| secrets.hide(note)).collect::<Vec<_>>(), "problem": null,
                }),
                Err(e) => json!({
                    "file": file, "kind": null, "question": null, "does": [], "notes": [],
                    "problem": secrets.hide(&e.to_string()),
                }),
            })
            .collect();
        print(&format!("{:#}\n", json!({ "ok": ok, "files": files })));
        return Ok(if ok { 0 } else { 2 });
    }
    let mut out = String::new();
    let (mut said, mut problems) = (Vec::new(), Vec::new());
    for (file, done) in checked {
        match done {
            Ok(Checked { kind, question, does, notes }) => {
                // Writing to a string cannot fail.
                let _ = writeln!(out, "ok  {kind:<10} {}  {question}", file.display());
                for line in does {
                    let _ = writeln!(out, "{:15}{line}", "");
                }
                // What several files name is noted once.
                for note in notes.into_iter().map(|note| secrets.hide(&note)) {
                    if !said.contains(&note) {
                        said.push(note);
                    }
                }
            }
            // A file that two others name is wrong once.
            Err(e) if problems.contains(&e.to_string()) => {}
            Err(e) => problems.push(e.to_string()),
        }
    }
    print(&out);
    for note in said {
        eprintln!("{note}\n");
    }
    if problems.is_empty() { Ok(0) } else { Err(Error::author(problems.join("\n\n"))) }
}

/// A file that is good.
struct Checked {
    kind: &'static str,
    question: String,
    /// What it does, in words: a profile's faults and expectations.
    does: Vec<String>,
    /// What may be wrong with it, and may not.
    notes: Vec<String>,
}

/// The folders of what ships.
const FOLDERS: [&str; 4] = ["ci", "journeys", "journeys/apps", "proxies"];

/// The kinds of files, and the keys that tell them. What a release is gated by has names of its own.
const KINDS: [(&str, &[&str]); 8] = [
    ("catalogue", &["case"]),
    ("attested", &["attestation"]),
    ("plan", &["journeys", "judge"]),
    ("quarantine", &["quarantine"]),
    ("objectives", &["objective", "alert"]),
    ("journey", &["step"]),
    ("app", &["base", "word"]),
    ("profile", &["fault", "expect"]),
];

/// What a file may hold of which nothing tells the kind.
const ANY_KIND: [&str; 3] = ["question", "source", "seed"];

/// A file's kind is told by the keys it has, not by where it lies.
fn check(path: &Path, secrets: &Secrets) -> Result<Checked> {
    let of = |kind, question| Checked { kind, question, does: Vec::new(), notes: Vec::new() };
    let source = Source::open_in(path, &FOLDERS)?;
    let keys = source.keys();
    let told = KINDS.iter().find(|(_, by)| by.iter().any(|key| keys.contains_key(*key))).map(|(kind, _)| *kind);
    if Release::is(&keys) && told != Some("catalogue") {
        let release = Release::read(&source)?;
        let does = release.words();
        return Ok(Checked { does, notes: release.attestations.notes, ..of("gate", release.question) });
    }
    let Some(kind) = told else { return Err(untold(&source)) };
    match kind {
        "catalogue" => Catalogue::read(path, secrets).map(|c| Checked { does: c.words(), ..of(kind, c.question) }),
        "attested" => {
            let all = Attestations::read(&source, &attested())?;
            Ok(Checked { does: all.words(), notes: all.notes, ..of(kind, all.question) })
        }
        "plan" => {
            let plan = Plan::read(path, &Overrides::default(), secrets)?;
            let borne = plan.quarantine.on(today()).entries;
            let borne = borne.iter().map(|entry| format!("quarantine: {}", entry.words()));
            let does = plan.words().into_iter().chain(borne).collect();
            Ok(Checked { does, notes: plan.notes, ..of(kind, plan.question) })
        }
        "quarantine" => {
            let quarantine = Quarantine::read(&source, &Known::default())?.on(today());
            let does = quarantine.entries.iter().map(Entry::words).collect();
            Ok(Checked { does, ..of(kind, quarantine.question) })
        }
        "objectives" => {
            let objectives = Objectives::read(&source)?;
            let journeys = Journey::shipped();
            let does = objectives.all().iter().flat_map(|o| words(o, &journeys)).collect();
            Ok(Checked { does, notes: objectives.notes, ..of(kind, objectives.question) })
        }
        "journey" => {
            let journey = Journey::read(&source)?;
            let notes = journey.unknown_words().iter().map(|problem| source.note(problem)).collect();
            Ok(Checked { does: journey.words(), notes, ..of(kind, journey.question) })
        }
        "app" => {
            let app = App::read(&source, secrets)?;
            let notes = app.notes.iter().cloned().chain(unread(&app, &source)).collect();
            Ok(Checked { notes, ..of(kind, app.base) })
        }
        _ => profile(&source),
    }
}

/// What is wrong with a file of which no key tells the kind: it is taken for a profile.
fn untold(source: &Source) -> Error {
    if let (true, Err(empty)) = (source.text.trim().is_empty(), Profile::read(source)) {
        return empty;
    }
    let keys = match source.parse::<toml::Table>().and_then(|_| source.spanned_keys()) {
        Ok(keys) => keys,
        Err(e) => return e,
    };
    let known = || KINDS.iter().flat_map(|(_, by)| *by).copied().chain(GATED.iter().map(Row::name));
    let of_none = keys.iter().filter(|key| !ANY_KIND.contains(&key.get_ref().as_str()));
    let mut problems: Vec<Problem> = of_none
        .map(|key| {
            let said = key.get_ref().as_str();
            let near = did_you_mean(said, known().filter(|known| *known != said));
            let help = if near.ends_with('?') { near } else { TOLD_BY.to_owned() };
            let what = format!("no key `{said}` in a profile, which this is taken for: nothing tells another kind");
            Problem::at(key.span(), what, help)
        })
        .collect();
    if problems.is_empty() {
        problems.push(Problem::whole("nothing tells what kind of file this is", TOLD_BY));
    }
    source.error(&problems)
}

const TOLD_BY: &str = "a journey has [[step]], a plan `journeys`, an app `base` and [word], objectives [[objective]], \
                       a catalogue [[case]], a profile [[fault]], or fault = []";

/// What an app file does not say of the ids in events.
fn unread(app: &App, source: &Source) -> Option<String> {
    let lacks = app.read.lacks();
    let what = format!("[read] says nothing of {}: null in every event", lacks.join(", "));
    let help = "write where the page shows it: css, css@attribute, or js:expression";
    (!lacks.is_empty()).then(|| source.note(&Problem::whole(what, help)))
}

fn profile(source: &Source) -> Result<Checked> {
    let profile = Profile::read(source)?;
    // No error: a plan may name a journey by a path from anywhere, and calls it by its stem.
    let unknown = profile.unknown_journeys(&[], source, "beside this profile").into_iter();
    let notes = unknown.map(|mut problem| {
        let stop = if problem.help.ends_with('?') { "" } else { "." };
        problem.help += &format!("{stop} Or let a plan name it by its path");
        source.note(&problem)
    });
    Ok(Checked { kind: "profile", does: profile.words(), notes: notes.collect(), question: profile.question })
}

/// An objective in words, with what feeds it.
fn words(objective: &Objective, journeys: &[Journey]) -> [String; 3] {
    let [what, proof] = objective.words();
    [what, format!("  {proof}"), format!("  {}", fed_by(objective, journeys))]
}
