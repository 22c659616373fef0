//! `soundcheck slo` by a history: its answers, its exit codes, and what it prints, held by golden files.

#[path = "history/kept.rs"]
mod kept;
#[path = "common/program.rs"]
mod program;

use kept::{DAY, Kept, NOON, golden};
use program::said;
use serde_json::Value;
use soundcheck::measure::Samples;
use soundcheck::record::Ending;
use std::process::Output;

fn slo(kept: &Kept, args: &[&str]) -> Output {
    let until: &[&str] = if args.contains(&"--until") { &[] } else { &["--until", "2026-11-23"] };
    kept.soundcheck(&[&["slo"], until, args].concat())
}

fn json(kept: &Kept, args: &[&str]) -> (Option<i32>, Value) {
    let done = slo(kept, &[args, &["--json"]].concat());
    (done.status.code(), serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(&done))))
}

const STAGE: (&str, &str) = ("stage", "staging");

fn objective<'v>(standing: &'v Value, name: &str) -> &'v Value {
    standing["objectives"].as_array().expect("a list").iter().find(|o| o["name"] == name).expect("the objective")
}

/// A file of three objectives and a goal: a day of these runs is met by it.
const FILE: &str = r#"
question = "Is the player good enough?"
[[objective]]
id = "P1.1"
name = "hydra.preset_load"
measure = "preset load"
target = "ratio >= 99.5 %"
day_min = 30
[[objective]]
id = "P1.2"
name = "hydra.first_frame"
measure = "first visualizer frame"
target = "p95 <= 2.0 s"
[[objective]]
id = "P1.16"
name = "video.init_firefox"
measure = "video init"
target = "ratio >= 97 %"
browser = "firefox"
[[objective]]
id = "P1.16"
name = "video.init_firefox_goal"
measure = "video init"
target = "ratio >= 99 %"
goal = true
browser = "firefox"
"#;

fn file(kept: &Kept, head: &str) -> String {
    let path = kept.dir.path().join("slo.toml");
    std::fs::write(&path, format!("{head}{FILE}")).expect("written");
    path.display().to_string()
}

#[test]
fn a_good_fortnight_is_met_with_its_streak() {
    let kept = Kept::new();
    (0..14).for_each(|day| kept.run(STAGE, day, |_| {}));
    let file = file(&kept, "");
    let done = slo(&kept, &[&file]);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    golden("slo/good.txt", &String::from_utf8_lossy(&done.stdout));
    // Not all of it is proved, and to prove is another question.
    assert_eq!(slo(&kept, &[&file, "--prove"]).status.code(), Some(1));
}

#[test]
fn a_breach_a_gap_and_a_burning_budget_are_told() {
    let kept = Kept::new();
    for day in (0..14).filter(|day| *day != 3) {
        kept.run(STAGE, day, |play| {
            if day == 0 {
                play.started += DAY / 2 - 600_000;
                play.samples[0].1 = Samples::Trials { good: 20, total: 40 };
                play.samples[5].1 = Samples::Trials { good: 8, total: 10 };
            }
        });
    }
    let file = file(&kept, "");
    let done = slo(&kept, &[&file]);
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    golden("slo/breached.txt", &String::from_utf8_lossy(&done.stdout));
    // Before that it was well.
    let before = slo(&kept, &[&file, "--until", "2026-11-22"]);
    assert_eq!(before.status.code(), Some(0), "{}", said(&before));
}

#[test]
fn the_shipped_objectives_are_told_too() {
    let kept = Kept::new();
    (0..8).for_each(|day| kept.run(STAGE, day, |_| {}));
    let done = slo(&kept, &[]);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    golden("slo/shipped.txt", &String::from_utf8_lossy(&done.stdout));
}

#[test]
fn each_app_and_environment_is_judged_by_itself() {
    let kept = Kept::new();
    kept.run(STAGE, 1, |_| {});
    kept.run(("stage", "production"), 1, |play| play.samples[0].1 = Samples::Trials { good: 0, total: 40 });
    kept.run(("other", "staging"), 1, |_| {});
    let (code, all) = json(&kept, &[]);
    let told: Vec<(&str, &str, &str)> = all
        .as_array()
        .expect("a list")
        .iter()
        .map(|s| (&s["app"], &s["environment"], &objective(s, "hydra.preset_load")["verdict"]))
        .map(|(app, environment, verdict)| {
            (app.as_str().expect("text"), environment.as_str().expect("text"), verdict.as_str().expect("text"))
        })
        .collect();
    let undecided = "not enough data";
    let wanted =
        [("other", "staging", undecided), ("stage", "production", "breached"), ("stage", "staging", undecided)];
    assert_eq!((code, told.as_slice()), (Some(1), &wanted[..]));
    let (code, chosen) = json(&kept, &["--app", "stage", "--environment", "staging"]);
    assert_eq!((code, chosen.as_array().map(Vec::len)), (Some(0), Some(1)));
    assert_eq!(objective(&chosen[0], "hydra.preset_load")["samples"], 40);
}

#[test]
fn no_sample_at_all_is_never_well() {
    let kept = Kept::new();
    // Faulted, of another profile, after the moment asked about: none is a sample.
    kept.run(STAGE, 1, |play| play.counts = false);
    kept.run(STAGE, 2, |play| {
        (play.profile, play.faulted, play.counts) = ("bad-wifi".to_owned(), true, false);
    });
    kept.run(STAGE, -30, |_| {});
    for args in [&[][..], &["--app", "nobody"], &["--app-version", "9"]] {
        let (code, all) = json(&kept, args);
        assert_eq!(code, Some(1), "{args:?}");
        let objectives = all[0]["objectives"].as_array().expect("a list");
        assert!(objectives.iter().all(|o| o["verdict"] == "not enough data" && o["samples"] == 0), "{all}");
        assert_eq!(all[0]["streak"]["met"], 0);
    }
}

#[test]
fn plays_that_are_no_samples_for_their_profiles_sake_are_told() {
    let kept = Kept::new();
    for day in 1..=12 {
        kept.run(STAGE, day, |play| {
            (play.profile, play.faulted, play.counts) = ("bad-wifi".to_owned(), true, false);
        });
    }
    // Too long ago; and one that came to no answer.
    kept.run(STAGE, 30, |play| (play.profile, play.faulted, play.counts) = ("tight".to_owned(), true, false));
    kept.run(STAGE, 20, |play| {
        (play.profile, play.faulted, play.counts) = ("tight".to_owned(), true, false);
        play.ending = Ending::Undecided;
    });
    let shown = said(&slo(&kept, &[]));
    assert!(shown.contains("12 plays under bad-wifi, and none counts: that profile plans faults"), "{shown}");
    assert!(!shown.contains("under tight"), "{shown}");
    let clean = FILE.replacen("day_min = 30\n", "population = { profile = \"clean\" }\n", 1);
    std::fs::write(kept.dir.path().join("own.toml"), clean).expect("written");
    let own = kept.dir.path().join("own.toml").display().to_string();
    // A profile that plans no fault is as good by any name, unless an objective wants a name.
    kept.run(STAGE, 1, |play| play.profile = "office".to_owned());
    let (_, all) = json(&kept, &[&own]);
    assert_eq!(objective(&all[0], "hydra.first_frame")["samples"], 40);
    assert_eq!(objective(&all[0], "hydra.first_frame")["left_out"], serde_json::json!([]));
    let load = objective(&all[0], "hydra.preset_load");
    let wanted = serde_json::json!([
        "1 play under office, and none counts: the population is the profile clean",
        "12 plays under bad-wifi, and none counts: that profile plans faults",
    ]);
    assert_eq!((&load["samples"], &load["left_out"]), (&0.into(), &wanted));
}

/// A command that keeps what it is handed in a file.
fn keeps(file: &std::path::Path) -> String {
    format!("cat >> '{0}'; echo \" $SOUNDCHECK_APP\" >> '{0}'", file.display())
}

#[test]
fn a_breach_is_told_and_nothing_else_is() {
    let kept = Kept::new();
    kept.run(STAGE, 1, |_| {});
    kept.run(("stage", "production"), 1, |play| play.samples[0].1 = Samples::Trials { good: 0, total: 40 });
    let file = kept.dir.path().join("told");
    let none = slo(&kept, &["--environment", "staging", "--on-breach", &keeps(&file)]);
    assert!(none.status.code() == Some(0) && !file.exists(), "{}", said(&none));
    let done = slo(&kept, &["--on-breach", &keeps(&file)]);
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    let told = std::fs::read_to_string(&file).expect("told");
    assert_eq!(told.matches("\"verdict\":\"breached\"").count(), 1, "{told}");
    let told: Value = serde_json::from_str(told.trim().strip_suffix(" stage").expect("the variable")).expect("JSON");
    assert_eq!((&told["environment"], &told["objectives"][0]["id"]), (&"production".into(), &"P1.1".into()));
    assert!(told["text"].as_str().is_some_and(|text| text.contains("0 of 40")), "{told}");
    let failed = slo(&kept, &["--on-breach", "exit 9"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        said(&failed).contains("could not be told to exit 9: the command ended with exit status: 9"),
        "{}",
        said(&failed)
    );
    assert_eq!(slo(&kept, &["--on-breach", "http://"]).status.code(), Some(2));
}

#[test]
fn a_population_takes_its_own_renderer_and_profile() {
    let kept = Kept::new();
    kept.run(STAGE, 1, |play| play.profile = "wifi".to_owned());
    kept.run(STAGE, 2, |play| (play.profile, play.renderer) = ("wifi-2".to_owned(), "gpu".to_owned()));
    let population = "population = { profile = \"wifi*\", renderer = \"gpu\" }\n";
    let own = FILE.replacen("day_min = 30\n", population, 1);
    std::fs::write(kept.dir.path().join("own.toml"), own).expect("written");
    let (_, all) = json(&kept, &[&kept.dir.path().join("own.toml").display().to_string()]);
    assert_eq!(objective(&all[0], "hydra.preset_load")["samples"], 40);
    // No profile is named, and neither of these plans faults.
    assert_eq!(objective(&all[0], "hydra.first_frame")["samples"], 80);
}

#[test]
fn days_are_of_the_time_zone_that_the_file_or_the_flag_names() {
    let kept = Kept::new();
    kept.run(STAGE, 0, |play| play.started = NOON + 11 * 3_600_000 + 1_800_000);
    let zoned = file(&kept, "time_zone = \"Europe/Berlin\"\n");
    // 23:30 UTC is the next day in Berlin: until its 23rd begins, nothing was seen.
    let (code, all) = json(&kept, &[&zoned]);
    assert_eq!(
        (code, &all[0]["time_zone"], &all[0]["until"]),
        (Some(1), &"Europe/Berlin".into(), &"2026-11-22T23:00:00Z".into())
    );
    let (code, all) = json(&kept, &[&zoned, "--time-zone", "UTC"]);
    assert_eq!((code, &all[0]["streak"]["days"][13]["mark"]), (Some(0), &"met".into()));
    let unknown = |head, args: &[&str], words| {
        let done = slo(&kept, &[&[file(&kept, head).as_str()], args].concat());
        assert_eq!(done.status.code(), Some(2));
        assert!(said(&done).contains(words), "{}", said(&done));
    };
    unknown("time_zone = \"Mars/Olympus\"\n", &[], "no time zone is called `Mars/Olympus`");
    unknown("", &["--time-zone", "Mars/Olympus"], "write UTC, or a name such as Europe/Berlin");
    unknown("", &["--until", "yesterday"], "--until is no moment");
}
