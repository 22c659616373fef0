//! Files people write. Every bad one in `tests/files/` gets the message beside it (`x.toml` + `x.err`), exit 2, and
//! starts nothing; every shipped one is good; every row of a table that files may name is used by one of them.
//! `SOUNDCHECK_BLESS=1` writes the messages anew: read them before you keep them.

use soundcheck::fault::FAULTS;
use soundcheck::measure::MEASURES;
use soundcheck::oracle::EXPECTATIONS;
use soundcheck::plan::{Overrides, Plan};
use soundcheck::secret::Secrets;
use soundcheck::step::VERBS;
use soundcheck::table::Row;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn check(folder: &Path, files: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_soundcheck"))
        .arg("check")
        .args(files)
        .current_dir(folder)
        .env_remove("SOUNDCHECK_TEST_UNSET")
        .env_remove("RUST_LOG")
        .output()
        .expect("soundcheck starts")
}

fn entries(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).expect("the folder is there");
    let mut found: Vec<PathBuf> = all.map(|e| e.expect("an entry").path()).collect();
    found.retain(|p| p.extension().is_some_and(|e| e == ending));
    found.sort();
    found
}

fn stems(folder: &Path) -> BTreeSet<String> {
    let all = entries(folder, "toml").into_iter().chain(entries(folder, "err"));
    all.map(|p| p.file_stem().expect("a stem").to_string_lossy().into_owned()).collect()
}

#[test]
fn every_bad_file_gets_its_message_and_exit_2() {
    let folder = root().join("tests/files");
    let bless = std::env::var_os("SOUNDCHECK_BLESS").is_some();
    let mut wrong = Vec::new();
    // A message without a file is a file that is missing on purpose.
    let stems = stems(&folder);
    assert!(stems.len() > 40, "only {} bad files", stems.len());
    for stem in stems {
        let done = check(&folder, &[&format!("{stem}.toml")]);
        let said = String::from_utf8(done.stderr).expect("the message is UTF-8");
        let golden = folder.join(format!("{stem}.err"));
        if bless {
            std::fs::write(&golden, &said).expect("the message is written");
        }
        let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
        if done.status.code() != Some(2) {
            wrong.push(format!("{stem}: exit {:?}, wanted 2\n{said}", done.status.code()));
        } else if said != wanted {
            wrong.push(format!("{stem}: said\n{said}wanted\n{wanted}"));
        } else if !done.stdout.is_empty() {
            wrong.push(format!("{stem}: a bad file is not announced as ok"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_message_names_the_file_and_a_remedy() {
    for golden in entries(&root().join("tests/files"), "err") {
        let text = std::fs::read_to_string(&golden).expect("the message is there");
        let name = golden.display();
        assert!(text.starts_with("error: "), "{name} does not say that it is an error");
        assert!(text.contains(".toml"), "{name} names no file");
        assert!(text.contains("help: ") || text.contains("remedy: "), "{name} offers no remedy");
        assert!(!text.contains(env!("CARGO_MANIFEST_DIR")), "{name} holds a path of this machine");
    }
}

/// A folder and the folders in it.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let inside = std::fs::read_dir(folder).expect("the folder is there").map(|e| e.expect("an entry").path());
    let mut all = vec![folder.to_owned()];
    all.extend(inside.filter(|p| p.is_dir()));
    all
}

/// The shipped files, as paths from the repository's root.
fn shipped() -> Vec<String> {
    let files: Vec<String> = ["journeys", "proxies", "ci"]
        .iter()
        .flat_map(|folder| folders(&root().join(folder)))
        .flat_map(|folder| entries(&folder, "toml"))
        .map(|p| p.strip_prefix(root()).expect("inside").display().to_string())
        .collect();
    assert!(files.len() >= 10, "only {files:?} ship");
    files
}

#[test]
fn every_shipped_file_is_good() {
    let files = shipped();
    let done = check(root(), &files.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    let said = String::from_utf8(done.stdout).expect("UTF-8");
    assert_eq!(said.lines().filter(|l| l.starts_with("ok ")).count(), files.len(), "{said}");
}

#[test]
fn a_checked_profile_is_told_in_words() {
    let done = check(root(), &["proxies/payload-413.toml"]);
    let said = String::from_utf8(done.stdout).expect("UTF-8");
    let lines: Vec<&str> = said.lines().skip(1).map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "status code = 413; every request for media",
            "content_length off = 600000000; every request for media; between the app and its upstream",
            "expects: video in firefox fails with \"413\", class `refused by status`",
            "expects: video in both browsers fails with \"MediaError 4\", class `refused by status`",
            "expects: preset* in both browsers fails",
            "expects: every other play plays",
        ]
    );
}

#[test]
fn the_good_files_beside_the_bad_ones_are_good() {
    let folder = root().join("tests/files/ok");
    for file in entries(&folder, "toml") {
        let done = check(&folder, &[file.file_name().expect("a name").to_str().expect("UTF-8")]);
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

#[test]
fn the_profile_that_the_readme_shows_is_good() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README is there");
    let shown = readme.split("```toml\n").find(|block| block.starts_with("# flaky.toml")).expect("a profile is shown");
    let dir = tempfile::tempdir().expect("a folder");
    let text = shown.split("```").next().expect("an end");
    std::fs::write(dir.path().join("flaky.toml"), text).expect("written");
    let done = check(dir.path(), &["flaky.toml"]);
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_seed_on_the_command_line_is_that_of_every_profile() {
    let plan = root().join("ci/streaming-faults.toml");
    let seeds = |seed| -> BTreeSet<u64> {
        let overrides = Overrides { seed, ..Overrides::default() };
        let plan = Plan::read(&plan, &overrides, &Secrets::default()).expect("it ships");
        plan.profiles.iter().map(|p| p.seed).collect()
    };
    assert_eq!((seeds(None), seeds(Some(77))), (BTreeSet::from([1]), BTreeSet::from([77])));
}

/// Every string a TOML file holds under `key`, at any depth; and every key above a value.
fn said(value: &toml::Value, key: &str, values: &mut BTreeSet<String>, keys: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (k, v) in table {
                keys.insert(k.clone());
                if let (true, Some(text)) = (k == key, v.as_str()) {
                    values.insert(text.to_owned());
                }
                said(v, key, values, keys);
            }
        }
        toml::Value::Array(items) => items.iter().for_each(|v| said(v, key, values, keys)),
        _ => {}
    }
}

/// What the files say under `key`, and every key they have.
fn all_said(files: &[String], key: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut values, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for file in files {
        let text = std::fs::read_to_string(root().join(file)).expect("the file is there");
        said(&text.parse::<toml::Table>().expect("TOML").into(), key, &mut values, &mut keys);
    }
    (values, keys)
}

fn unused<R: Row>(rows: &[R], used: &BTreeSet<String>) -> Vec<&'static str> {
    rows.iter().map(Row::name).filter(|name| !used.contains(*name)).collect()
}

#[test]
fn every_expectation_and_every_measure_is_used_by_a_shipped_file() {
    let none: Vec<&str> = Vec::new();
    assert_eq!(unused(EXPECTATIONS, &all_said(&shipped(), "expect").0), none);
    assert_eq!(unused(MEASURES, &all_said(&shipped(), "measure").0), none);
}

fn profiles() -> Vec<String> {
    shipped().into_iter().filter(|f| f.starts_with("proxies/")).collect()
}

#[test]
fn every_fault_is_used_by_a_shipped_profile() {
    assert!(FAULTS.len() > 30, "only {} faults", FAULTS.len());
    assert_eq!(unused(FAULTS, &all_said(&profiles(), "do").0), Vec::<&str>::new());
}

#[test]
fn every_shipped_profile_with_faults_says_whose_figures_it_has() {
    let all = profiles();
    assert!(all.len() > 60, "only {} profiles ship", all.len());
    for file in all {
        let text = std::fs::read_to_string(root().join(&file)).expect("the file is there");
        let table: toml::Table = text.parse().expect("TOML");
        let said = |key: &str| table.get(key).and_then(toml::Value::as_str).is_some_and(|text| !text.trim().is_empty());
        assert!(said("question"), "{file} has no question");
        assert!(said("source") || !table.contains_key("fault"), "{file} names no source");
    }
}

#[test]
fn every_verb_is_used_by_a_shipped_app_or_the_documented_plain_one() {
    let apps: Vec<String> = shipped().into_iter().filter(|f| f.starts_with("journeys/apps/")).collect();
    let (_, keys) = all_said(&apps, "");
    // The stage needs no keyboard: `ok/plain.toml` shows that. A new verb belongs in one of them.
    assert_eq!(unused(VERBS, &keys), ["press"]);
    let plain = "tests/files/ok/plain.toml".to_owned();
    let (_, keys) = all_said(&apps.into_iter().chain([plain]).collect::<Vec<_>>(), "");
    assert_eq!(unused(VERBS, &keys), Vec::<&str>::new());
}
