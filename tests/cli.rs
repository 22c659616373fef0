//! The command line, without a browser.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn soundcheck(args: &[&str]) -> Output {
    // The repository's root: where people and workflows call it.
    Command::new(env!("CARGO_BIN_EXE_soundcheck"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("SOUNDCHECK_TEST_UNSET")
        .env("SOUNDCHECK_HISTORY", "none")
        .env_remove("RUST_LOG")
        .output()
        .expect("soundcheck starts")
}

fn json(done: &Output) -> Value {
    serde_json::from_slice(&done.stdout).expect("JSON on stdout")
}

fn complaint(done: &Output) -> String {
    assert_eq!(done.status.code(), Some(2), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(done.stdout.is_empty(), "nothing is answered");
    String::from_utf8(done.stderr.clone()).expect("UTF-8")
}

#[test]
fn list_names_every_table_and_no_row_is_nameless() {
    let done = soundcheck(&["list", "--json"]);
    let all = json(&done);
    let tables: Vec<&String> = all.as_object().expect("an object").keys().collect();
    let known = "words expectations verbs pictures measures faults classes violations reports gate signals objectives catalogues plans journeys apps profiles";
    assert_eq!(tables, known.split(' ').collect::<Vec<_>>());
    for (table, rows) in all.as_object().expect("an object") {
        let rows = rows.as_array().expect("rows");
        assert!(!rows.is_empty(), "{table} is empty");
        for row in rows {
            for key in ["name", "about"] {
                assert!(row[key].as_str().is_some_and(|text| !text.is_empty()), "{table}: {row} has no {key}");
            }
        }
    }
    let verbs = json(&soundcheck(&["list", "verbs", "--json"]));
    assert_eq!((verbs.as_object().expect("an object").len(), &verbs["verbs"]), (1, &all["verbs"]));
}

#[test]
fn list_finds_the_shipped_files_anywhere() {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let done = Command::new(env!("CARGO_BIN_EXE_soundcheck"))
        .args(["check", "smoke", "player", "stage", "clean", "slo", "bad-wifi", "chrome/3g", "streaming-faults"])
        .current_dir(elsewhere.path())
        .output()
        .expect("soundcheck starts");
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn check_answers_in_json() {
    let good = soundcheck(&["check", "--json", "ci/smoke.toml", "journeys/player.toml"]);
    assert_eq!(good.status.code(), Some(0));
    let good = json(&good);
    assert_eq!(good["ok"], true);
    assert_eq!((&good["files"][0]["kind"], &good["files"][1]["kind"]), (&"plan".into(), &"journey".into()));
    assert_eq!(good["files"][0]["question"], "May this change merge?");
    assert_eq!(good["files"][0]["does"][0], "3 journeys x 2 browsers x 1 profile x 1 = 6 plays of stage");
    let player = "open the player (the page), start the audio (picture follows the sound)";
    assert_eq!(good["files"][1]["does"][0], player);
    let profile = json(&soundcheck(&["check", "--json", "proxies/starve.toml"]));
    assert_eq!(profile["files"][0]["kind"], "profile");
    assert_eq!(profile["files"][0]["does"][0], "bandwidth down = \"965 kbit/s\"; the whole link");

    let bad = soundcheck(&["check", "--json", "ci/smoke.toml", "tests/files/app-wrong-verb.toml"]);
    assert_eq!(bad.status.code(), Some(2));
    let bad = json(&bad);
    assert_eq!((&bad["ok"], &bad["files"][0]["problem"]), (&false.into(), &Value::Null));
    assert!(bad["files"][1]["problem"].as_str().expect("a problem").contains("`clik` is no verb"));
}

#[test]
fn an_unknown_plan_is_refused_with_the_names_there_are() {
    let said = complaint(&soundcheck(&["run", "smok"]));
    assert!(said.contains("smok: no such file"), "{said}");
    assert!(said.contains("nightly, proof, proof-watch, "), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_refused_with_the_near_name_of_any_kind() {
    for (said, near) in
        [("smok", "smoke"), ("Smoke", "smoke"), ("vidio", "video"), ("stge", "stage"), ("cleen", "clean")]
    {
        let complaint = complaint(&soundcheck(&["check", said]));
        assert!(complaint.contains(&format!("{said}: no such file")), "{complaint}");
        assert!(complaint.contains(&format!("remedy: did you mean `{near}`? Or write a path")), "{complaint}");
    }
    let far = complaint(&soundcheck(&["check", "zzz"]));
    for known in ["remedy: write a path", "nightly, ", "preset-churn, ", "stage-plain, ", "soundcheck list profiles"] {
        assert!(far.contains(known), "{known}: {far}");
    }
}

#[test]
fn a_folder_is_told_to_be_one_and_hides_no_file_that_ships() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["smoke", "own"] {
        std::fs::create_dir(dir.path().join(name)).expect("made");
    }
    let check = |name: &str| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_soundcheck"));
        program.args(["check", name]).current_dir(dir.path()).output().expect("soundcheck starts")
    };
    assert_eq!(check("smoke").status.code(), Some(0));
    let said = complaint(&check("own"));
    assert!(said.contains("own: it is a folder") && said.contains("remedy: name a file in it"), "{said}");
}

#[test]
fn a_journey_or_a_profile_in_a_plans_place_is_told_how_to_play_it() {
    for (name, remedy) in [
        ("video", "remedy: soundcheck run smoke --journey video, or"),
        ("journeys/video.toml", "remedy: soundcheck run smoke --journey journeys/video.toml, or"),
        ("bad-wifi", "remedy: soundcheck run smoke --profile bad-wifi, or"),
        ("proxies/chrome/3g.toml", "remedy: soundcheck run smoke --profile proxies/chrome/3g.toml, or"),
    ] {
        let said = complaint(&soundcheck(&["run", name]));
        assert!(said.contains("what is played is a plan") && said.contains(remedy), "{said}");
    }
    assert!(complaint(&soundcheck(&["run", "journeys/apps/stage.toml"])).contains("unknown field"), "neither of them");
}

#[test]
fn an_unknown_journey_on_the_command_line_is_refused_with_the_near_name() {
    let said = complaint(&soundcheck(&["run", "smoke", "--journey", "vidio"]));
    assert!(said.contains("--journey vidio: no such file") && said.contains("did you mean `video`?"), "{said}");
}

#[test]
fn arguments_out_of_bounds_are_refused() {
    for args in [
        &["run", "smoke", "--repeat", "0"][..],
        &["run", "smoke", "--diagnose", "-1"],
        &["run", "smoke", "--on-breach", "http://"],
        &["run", "smoke", "--on-breach", "env:SOUNDCHECK_TEST_UNSET"],
        &["run", "smoke", "--report-url", "https://ci.example/1"],
        &["run", "smoke", "--browser", "safari"],
        &["run", "smoke", "--seed", "-1"],
        &["run", "smoke", "--seed", "one"],
        &["run", "smoke", "--headed", "--webdriver", "http://127.0.0.1:1"],
        &["list", "nothing"],
        &["check"],
        &["judge"],
    ] {
        complaint(&soundcheck(args));
    }
}

/// A plan for an app that launches `touch started`: proof that something was started.
fn plan(dir: &Path, password: &str) -> String {
    let app = format!(
        "base = \"http://127.0.0.1:1\"\ncanvas = \"#c\"\nlaunch = [\"/usr/bin/touch\", \"{}\"]\n[word]\n\"open the player\" = [{{ open = \"/\" }}]\n\
         \"start the audio\" = [{{ type = \"#p\", text = \"{password}\" }}]\n",
        dir.join("started").display()
    );
    let plan = "question = \"?\"\napp = \"app.toml\"\njourneys = [\"player\"]\nbrowsers = [\"chromium\"]\n\
                objectives = [\"hydra.*\"]\njudge = \"refute\"\n";
    std::fs::write(dir.join("app.toml"), app).expect("written");
    std::fs::write(dir.join("plan.toml"), plan).expect("written");
    dir.join("plan.toml").display().to_string()
}

#[test]
fn a_missing_secret_ends_a_run_before_anything_starts() {
    let dir = tempfile::tempdir().expect("a folder");
    let plan = plan(dir.path(), "env:SOUNDCHECK_TEST_UNSET");
    let out = dir.path().join("out");
    let said = complaint(&soundcheck(&["run", &plan, "--out", &out.display().to_string()]));
    assert!(said.contains("SOUNDCHECK_TEST_UNSET is not set") && said.contains("export"), "{said}");
    assert!(!out.exists(), "no folder was made");
    assert!(!dir.path().join("started").exists(), "the app was not launched");
}

#[test]
fn a_run_never_writes_over_another() {
    let dir = tempfile::tempdir().expect("a folder");
    let plan = plan(dir.path(), "a password");
    let out = dir.path().join("out");
    std::fs::create_dir(&out).expect("made");
    std::fs::write(out.join("events.jsonl"), "{}\n").expect("written");
    let said = complaint(&soundcheck(&["run", &plan, "--out", &out.display().to_string()]));
    assert!(said.contains("holds a run already") && said.contains("--out"), "{said}");
    assert_eq!(std::fs::read_to_string(out.join("events.jsonl")).expect("reads"), "{}\n");
    assert!(!dir.path().join("started").exists(), "the app was not launched");
}

#[test]
fn a_folder_without_a_run_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    for folder in [dir.path().to_owned(), dir.path().join("nowhere")] {
        let said = complaint(&soundcheck(&["judge", &folder.display().to_string()]));
        assert!(said.contains("events.jsonl") && said.contains("remedy: "), "{said}");
        assert!(!folder.join("verdict.json").exists(), "no verdict without a run");
    }
    std::fs::write(dir.path().join("events.jsonl"), "").expect("written");
    assert!(complaint(&soundcheck(&["judge", &dir.path().display().to_string()])).contains("holds no event"));
}
