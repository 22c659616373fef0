//! `soundcheck compare`: two folders, or two lots of a history.

#[path = "history/kept.rs"]
mod kept;
#[path = "common/program.rs"]
mod program;

use kept::{Kept, NOON, golden};
use program::said;
use serde_json::Value;
use soundcheck::history::Play;
use soundcheck::measure::Samples;
use soundcheck::record::Ending;

/// Five runs on the app's own network and five from a full local copy: videos begin sooner, and all else is alike.
fn both(kept: &Kept) {
    for day in 0..5 {
        let first_frame = |play: &mut Play, ms: f64| {
            let values = (0..10).map(|n| ms + f64::from(n * 10) + day as f64).collect();
            play.samples.push(("first video frame".to_owned(), Samples::Values(values)));
        };
        kept.run(("stage", "staging"), day, |play| first_frame(play, 1200.0));
        kept.run(("stage", "staging"), day, |play| {
            first_frame(play, 700.0);
            (play.profile, play.faulted, play.counts) = ("cache-first".to_owned(), true, false);
        });
    }
    // It never came to an answer, and is of neither.
    kept.run(("stage", "staging"), 6, |play| {
        (play.profile, play.faulted, play.counts) = ("cache-first".to_owned(), true, false);
        play.ending = Ending::Undecided;
    });
}

const PROFILES: [&str; 7] = ["compare", "--since", "2026-11-01", "--profile", "clean", "--profile", "cache-first"];

#[test]
fn two_profiles_of_a_history_are_compared() {
    let kept = Kept::new();
    both(&kept);
    let done = kept.soundcheck(&PROFILES);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    golden("compare/profiles.txt", &String::from_utf8_lossy(&done.stdout));
    let done = kept.soundcheck(&[&PROFILES[..], &["--json"]].concat());
    let all: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let of = |measure| all.as_array().expect("a list").iter().find(|c| c["measure"] == measure).expect("compared");
    assert_eq!((&of("first video frame")["differs"], &of("preset load")["differs"]), (&true.into(), &false.into()));
    assert_eq!(of("preset load")["b"]["of"], 200.0);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let kept = Kept::new();
    both(&kept);
    for args in [
        &["compare"][..],
        &["compare", "--profile", "clean"],
        &["compare", "--plan", "a", "--plan", "b", "--plan", "c"],
    ] {
        let done = kept.soundcheck(args);
        assert_eq!(done.status.code(), Some(2), "{}", said(&done));
        assert!(said(&done).contains("two lots are compared"), "{}", said(&done));
    }
    let none = kept.soundcheck(&["compare", "--app-version", "1", "--app-version", "2"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(said(&none).contains("no measure has samples of both"), "{}", said(&none));
    kept.run(("other", "staging"), 1, |play| play.started = NOON);
    let mixed = kept.soundcheck(&PROFILES);
    assert_eq!(mixed.status.code(), Some(2));
    assert!(said(&mixed).contains("other in staging, stage in staging"), "{}", said(&mixed));
    assert_eq!(kept.soundcheck(&[&PROFILES[..], &["--app", "stage"]].concat()).status.code(), Some(0));
}

#[test]
fn two_apps_are_compared_only_where_both_are_named() {
    let kept = Kept::new();
    kept.run(("stage", "staging"), 1, |_| {});
    kept.run(("other", "staging"), 1, |play| play.profile = "wifi".to_owned());
    let profiles = ["compare", "--since", "2026-11-01", "--profile", "clean", "--profile", "wifi"];
    let done = kept.soundcheck(&profiles);
    assert_eq!(done.status.code(), Some(2), "{}", said(&done));
    assert!(said(&done).contains("A is of stage in staging, B of other in staging"), "{}", said(&done));
    let named = kept.soundcheck(&[&profiles[..], &["--app", "stage", "--app", "other"]].concat());
    assert_eq!(named.status.code(), Some(0), "{}", said(&named));
}

#[test]
fn two_folders_of_records_are_compared() {
    let kept = Kept::new();
    let record = |name: &str| program::record(kept.dir.path(), name, name, |text| text).display().to_string();
    let done = kept.soundcheck(&["compare", &record("all-passed-refute"), &record("failed-play")]);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    golden("compare/folders.txt", &String::from_utf8_lossy(&done.stdout));
    assert_eq!(kept.soundcheck(&["compare", &record("failed-play"), "nowhere"]).status.code(), Some(2));
}
