//! Files people write. Every bad one in `tests/files/` gets the message beside it (`x.toml` + `x.err`), exit 2, and
//! starts nothing; every shipped one is good; every row of a table that files may name is used by one of them.
//! `SOUNDCHECK_BLESS=1` writes the messages anew: read them before you keep them.

use soundcheck::fault::FAULTS;
use soundcheck::measure::MEASURES;
use soundcheck::oracle::EXPECTATIONS;
use soundcheck::plan::{Overrides, Plan};
use soundcheck::secret::Secrets;
use soundcheck::signal::Abort;
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
            "expects: video, watch, film in firefox fails with \"413\", class `refused by status`",
            "expects: video, watch, film in chromium fails with \"MediaError 4\", class `refused by status`",
            "expects: preset* in both browsers fails",
            "expects: every other play plays",
        ]
    );
}

#[test]
fn a_checked_plan_tells_what_it_plays_and_what_that_feeds() {
    let told = |plan: &str| {
        let said = String::from_utf8(check(root(), &[plan]).stdout).expect("UTF-8");
        said.lines().skip(1).map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let smoke = told("ci/smoke.toml");
    assert_eq!(
        smoke[..3],
        [
            "3 journeys x 2 browsers x 1 profile x 1 = 6 plays of stage",
            "journeys: player, presets, video",
            "browsers: chromium, firefox; profiles: clean",
        ]
    );
    assert!(smoke[3].starts_with("objectives: hydra.preset_load, ") && smoke[3].ends_with("; judged to refute"));
    // A hundred switches are of another plan.
    assert_eq!(smoke[4..], ["none of its journeys feeds: hydra.memory_growth"]);
    let nightly = told("ci/nightly.toml");
    assert_eq!(nightly[0], "7 journeys, 33 times in all, x 2 browsers x 1 profile = 66 plays of stage");
    assert!(nightly[1].contains("presets, video 15 times, watch 4 times, login, room 10 times"), "{}", nightly[1]);
    assert_eq!(nightly.len(), 4, "all is fed: {nightly:?}");
}

#[test]
fn objectives_that_nothing_in_a_plan_feeds_are_noted() {
    let of = |objectives: &str| {
        let plan = PLAN.replace("objectives = [\"video.init\"]\n", objectives);
        noted(&[("plan.toml", plan.as_str())], &["plan.toml"])
    };
    for fed in ["video.*", "hydra.*", "*", "video.init_firefox"] {
        assert_eq!(of(&format!("objectives = [\"{fed}\"]\n")), "", "{fed}");
    }
    let queue = of("objectives = [\"video.*\", \"queue.*\"]\n");
    assert!(queue.starts_with("note: nothing that this plan plays feeds queue.apply, "), "{queue}");
    assert!(
        queue.contains("plan.toml:5:26")
            && queue.contains("fed by journeys that expect \"applied\", or say \"add many at once\": room, too-quick"),
        "{queue}"
    );
    let login = of("objectives = [\"users.login\"]\n");
    assert!(login.contains("feeds users.login") && login.contains("declares [auth] login: login"), "{login}");
    for none in ["", "objectives = []\n"] {
        assert!(of(none).starts_with("note: no objective: only what the steps expect is judged"), "{none}");
    }
    assert!(of("objectives = []\n").contains("plan.toml:5:14"));
    // What breaks the network says itself what must hold.
    assert_eq!(of("profiles = [\"payload-413\"]\n"), "");
    let chromium = PLAN.replace("firefox", "chromium").replace("video.init", "video.init_firefox");
    let chromium = noted(&[("plan.toml", chromium.as_str())], &["plan.toml"]);
    assert!(chromium.contains("feeds video.init_firefox") && chromium.contains(" in firefox"), "{chromium}");
}

#[test]
fn a_word_that_no_shipped_journey_says_is_noted() {
    let of = |word: &str| {
        let journey = format!("question = \"?\"\n[[step]]\ndo = \"{word}\"\n");
        noted(&[("own.toml", journey.as_str())], &["own.toml"])
    };
    assert_eq!(of("next preset"), "");
    let slip = of("next present");
    assert!(slip.starts_with("note: `next present` is a word of no shipped journey"), "{slip}");
    assert!(slip.contains("own.toml:3:6") && slip.contains("did you mean `next preset`? Or add "), "{slip}");
}

#[test]
fn no_message_names_a_type_of_the_program() {
    let kinds = [
        "ci/smoke.toml",
        "ci/nightly.toml",
        "ci/slo.toml",
        "ci/release.toml",
        "ci/attestations.toml",
        "ci/verify-room.toml",
        "ci/verify-want.toml",
        "journeys/player.toml",
        "journeys/apps/stage.toml",
        "proxies/payload-413.toml",
        "proxies/roam.toml",
        "tests/files/ok/quarantine.toml",
    ];
    let dir = tempfile::tempdir().expect("a folder");
    let mut names = Vec::new();
    for (kind, file) in kinds.iter().enumerate() {
        let text = std::fs::read_to_string(root().join(file)).expect("the file is there");
        let lines: Vec<&str> = text.lines().collect();
        for (n, line) in lines.iter().enumerate() {
            let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.starts_with(['#', ' '])) else {
                continue;
            };
            for (m, wrong) in ["\"x\"", "-3", "true", "[]", "[3]", "{}", "{ a = 1 }"].into_iter().enumerate() {
                let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
                lines[n] = format!("{key} = {wrong}");
                let name = format!("{kind}-{n}-{m}.toml");
                std::fs::write(dir.path().join(&name), lines.join("\n")).expect("written");
                names.push(name);
            }
        }
    }
    assert!(names.len() > 1000, "only {} files", names.len());
    let done = check(dir.path(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    let said = String::from_utf8(done.stderr).expect("UTF-8");
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(said.matches("error: ").count() > 300, "{said}");
    for leak in
        ["struct", "enum", "variant", "visitor", "untagged", "a map", "sequence", "i64", "u64", "u32", "wanted string"]
    {
        let told = said.lines().filter(|line| line.starts_with("error: ") && line.contains(leak)).collect::<Vec<_>>();
        assert!(told.is_empty(), "{leak}: {told:#?}");
    }
}

#[test]
fn the_nineteen_objectives_are_told_with_what_proves_them_and_what_feeds_them() {
    let said = String::from_utf8(check(root(), &["ci/slo.toml"]).stdout).expect("UTF-8");
    let told = |name: &str| {
        let mut lines = said.lines().map(str::trim).skip_while(|l| !l.contains(&format!(" {name}")));
        [(); 3].map(|()| lines.next().unwrap_or_else(|| panic!("{name} is not told: {said}")))
    };
    for id in 1..=19 {
        assert!(said.contains(&format!(" P1.{id} ")), "P1.{id} is not told: {said}");
    }
    for (name, proof, fed) in [
        ("hydra.preset_load:", "needs 598 clean;", "preset-churn, presets"),
        ("hydra.first_frame:", "needs 59 values, all in time;", "preset-churn, presets"),
        ("hydra.crash_free:", "needs 2995 clean;", "fed by every journey"),
        ("hydra.console_errors:", "needs 30 quiet minutes;", "fed by every journey"),
        ("hydra.memory_growth:", "needs 1;", "100 times: preset-churn"),
        (
            "queue.apply:",
            "needs 29956 clean;",
            "fed by journeys that expect \"applied\", or say \"add many at once\": room, too-quick",
        ),
        ("queue.lost:", "needs 1000 clean, which show at most 0.30 %;", "\"add many at once\": room, too-quick"),
        ("queue.reconcile:", "needs 59 values, all in time;", "\"resync\": room"),
        (
            "queue.library:",
            "needs 59 values, all in time;",
            "\"search the library\", of an app whose file declares [library]: room",
        ),
        ("users.login:", "needs 2995 clean;", "of an app whose file declares [auth] login: login"),
        ("users.token_refresh:", "needs 5990 clean;", "[auth] refresh: room"),
        ("users.join_room:", "needs 2995 clean;", "[room] join: room"),
        ("users.permissions:", "needs 100 clean,", "\"allowed\" or \"refused\": room"),
        ("video.init_firefox in firefox:", "needs 99 clean;", "video, watch"),
        ("video.init_firefox_goal in firefox:", "needs 299 clean;", "video, watch"),
        ("video.proxy_413:", "needs 2995 clean;", "fed by every journey, of an app whose file declares media_proxy"),
        ("video.stalls:", "needs 30 quiet minutes;", "video, watch"),
    ] {
        let [_, says_proof, says_fed] = told(name);
        assert!(says_proof.starts_with(proof) && says_fed.contains(fed), "{name} {says_proof} {says_fed}");
    }
    assert!(said.lines().filter(|l| l.contains(" fed by ")).all(|l| !l.ends_with(": ")), "nothing feeds one: {said}");
    assert_eq!(said.matches("a goal: shown, not demanded").count(), 1, "{said}");
}

#[test]
fn a_pattern_names_every_objective_that_begins_so() {
    let chosen = |plan: &str| -> Vec<String> {
        let plan = Plan::read(&root().join(plan), &Overrides::default(), &Secrets::default());
        plan.unwrap_or_else(|e| panic!("{e}")).objectives.into_iter().map(|o| o.name).collect()
    };
    let hydra = ["preset_load", "first_frame", "crash_free", "console_errors", "memory_growth"];
    let mut wanted: Vec<String> = hydra.map(|n| format!("hydra.{n}")).into();
    let video = ["init", "init_firefox", "init_firefox_goal", "first_frame", "proxy_413", "stalls"];
    wanted.extend(video.map(|n| format!("video.{n}")));
    assert_eq!(chosen("ci/smoke.toml"), wanted);
    assert_eq!(chosen("ci/streaming-faults.toml"), ["hydra.crash_free"]);
}

#[test]
fn three_shipped_profiles_are_told_as_they_are() {
    for (profile, wanted) in [
        (
            "roam",
            &[
                "bandwidth down = \"20 Mbit/s\", up = \"5 Mbit/s\"; the whole link",
                "latency rtt = \"40 ms\"; the whole link",
                "outage at = \"15s\", lasts = \"11s\"; the whole link",
                "expects: preset* in both browsers plays or fails",
                "expects: every other play plays, each expectation within 20s, no stall longer than 20s",
            ][..],
        ),
        (
            "range/wrong-total",
            &[
                "total off = 1000000; every request for media",
                "expects: video, watch, film in firefox plays or fails",
                "expects: preset* in firefox plays or fails",
                "expects: every other play plays",
            ],
        ),
        (
            "missing-range",
            &[
                "range_ignored; every request for media",
                "range_ignored-upstream: range_ignored; every request for media; between the app and its upstream",
                "expects: every play plays, no stall longer than 3s",
            ],
        ),
    ] {
        let said = String::from_utf8(check(root(), &[profile]).stdout).expect("UTF-8");
        assert_eq!(said.lines().skip(1).map(str::trim).collect::<Vec<_>>(), wanted, "{profile}");
    }
}

#[test]
fn what_may_be_right_elsewhere_is_noted_and_no_error() {
    let done = check(&root().join("tests/files/ok"), &["profile-of-another-journey.toml", "proxy-only.toml"]);
    let (out, notes) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.status.code(), Some(0), "{notes}");
    assert!(out.contains("so it is for `soundcheck proxy` only"), "{out}");
    assert!(notes.starts_with("note: no journey `vidoe` beside this profile") && notes.contains("^^^^^^^"), "{notes}");
    assert!(notes.contains("did you mean `video`? Or let a plan name it by its path"), "{notes}");
}

/// What `check` notes of files that are good, and says on the side.
fn noted(files: &[(&str, &str)], checked: &[&str]) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).expect("written");
    }
    let done = check(dir.path(), checked);
    let said = String::from_utf8(done.stderr).expect("UTF-8");
    assert_eq!(done.status.code(), Some(0), "{said}");
    said
}

const PLAN: &str = "question = \"?\"\napp = \"stage\"\njourneys = [\"video\", \"presets\"]\nbrowsers = [\"firefox\"]\n\
                    objectives = [\"video.init\"]\njudge = \"refute\"\n";

#[test]
fn a_fault_in_a_step_that_no_journey_of_the_plan_has_is_noted() {
    let plan = format!("{PLAN}profiles = [\"late\"]\n");
    let of = |step: &str| {
        let late = format!(
            "question = \"?\"\n[[fault]]\ndo = \"ttfb\"\ntime = \"2s\"\nmatch = {{ step = \"{step}\" }}\n\
             [[expect]]\noutcome = \"plays\"\n"
        );
        noted(&[("plan.toml", plan.as_str()), ("late.toml", late.as_str())], &["plan.toml"])
    };
    for good in ["start the video", "start*", "next preset 10", "next preset *"] {
        assert_eq!(of(good), "", "{good}");
    }
    let said = of("start teh video");
    assert!(said.starts_with("note: no journey of the plan has the step `start teh video`"), "{said}");
    assert!(said.contains("late.toml:5:") && said.contains("did you mean `start the video`?"), "{said}");
    // Ten switches are called by their numbers.
    assert!(of("next preset").contains("did you mean `next preset *`?"));
}

#[test]
fn a_population_under_a_profile_that_nobody_has_is_noted_by_its_plan_too() {
    let slo = |profile: &str| {
        format!(
            "question = \"?\"\n[[objective]]\nid = \"P1\"\nname = \"video.init\"\nmeasure = \"video init\"\n\
             target = \"ratio >= 97 %\"\npopulation = {{ profile = \"{profile}\" }}\n"
        )
    };
    let of = |profile: &str| {
        let (slo, own) = (slo(profile), "question = \"?\"\nfault = []\n");
        let files = [("plan.toml", PLAN), ("slo.toml", slo.as_str()), ("own.toml", own)];
        noted(&files, &["slo.toml", "plan.toml"])
    };
    for good in ["clean", "chrome/*", "own", "*"] {
        assert_eq!(of(good), "", "{good}");
    }
    let said = of("claen");
    assert!(said.starts_with("note: no profile `claen` ships, or lies beside this file"), "{said}");
    assert!(said.contains("did you mean `clean`?") && said.matches("note: ").count() == 1, "{said}");
}

#[test]
fn an_attestation_that_cannot_be_met_as_it_stands_is_noted() {
    let of = |lines: &str| {
        let text = format!("question = \"?\"\n[[attestation]]\nline = \"rollback tested\"\n{lines}");
        noted(&[("attestations.toml", text.as_str()), ("drill.md", "It works.")], &["attestations.toml"])
    };
    let all = "name = \"Ann\"\ndate = 2026-11-20\nevidence = \"drill.md\"\nversion = \"1\"\nexpires = 2026-12-20\n";
    assert_eq!(of(all), "");
    assert_eq!(of(&all.replace("drill.md", "https://wiki.example/drill")), "");
    assert_eq!(of(&all.replace("drill.md", "PENDING").replace("2026-12-20", "\"PENDING\"")), "");
    let without = of(&all.replace("expires = 2026-12-20\n", ""));
    assert!(without.starts_with("note: without expires it is never met"), "{without}");
    let lost = of(&all.replace("drill.md", "dril.md"));
    assert!(lost.starts_with("note: evidence `dril.md` is no link, and no such file"), "{lost}");
}

#[test]
fn what_an_app_file_hardly_means_is_noted_by_its_plan_too() {
    let plan = PLAN.replace("\"stage\"", "\"app.toml\"").replace("\"presets\"", "\"player\"");
    let of = |head: &str, tail: &str| {
        let app = format!(
            "base = \"http://127.0.0.1:8080\"\n{head}[word]\n\"open the player\" = [{{ open = \"/\" }}]\n\
             \"start the audio\" = [{{ click = \"#a\" }}]\n\"start the video\" = [{{ click = \"#v\" }}]\n\
             [read]\nroom = \"#r\"\nuser = \"#u\"\npreset = \"#p\"\n{tail}"
        );
        noted(&[("plan.toml", plan.as_str()), ("app.toml", app.as_str())], &["app.toml", "plan.toml"])
    };
    assert_eq!(of("canvas = \"#c\"\nlaunch = [\"app\"]\n", "[headers]\nx-canary = \"#c\"\n"), "");
    let below = of("canvas = \"#c\"\n", "[headers]\nready = \"/healthz\"\n");
    assert!(
        below.starts_with("note: `ready` stands below `[headers]`") && below.contains("ready = \"[redacted]\""),
        "{below}"
    );
    assert!(below.matches("note: ").count() == 1 && below.contains("move it above the first table"), "{below}");
    let port = of("canvas = \"#c\"\nlaunch = [\"app\", \"{port}\"]\n", "");
    assert!(port.starts_with("note: `launch` has a free port that `base` does not visit"), "{port}");
}

#[test]
fn an_app_file_that_does_not_say_where_ids_are_read_is_noted_and_no_error() {
    let done = check(root(), &["tests/files/ok/plain.toml", "journeys/apps/stage.toml"]);
    let said = String::from_utf8(done.stderr).expect("UTF-8");
    assert_eq!(done.status.code(), Some(0), "{said}");
    assert!(said.contains("[read] says nothing of room, user, preset: null in every event"), "{said}");
    assert_eq!(said.matches("[read]").count(), 1, "{said}");
}

#[test]
fn a_file_that_several_name_is_wrong_once() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("ci")).expect("made");
    std::fs::write(dir.path().join("app.toml"), "base = \"nowhere\"\n[word]\n").expect("written");
    let plan = "question = \"?\"\napp = \"../app.toml\"\njourneys = [\"player\"]\nbrowsers = [\"firefox\"]\njudge = \"refute\"\n";
    for name in ["one.toml", "two.toml"] {
        std::fs::write(dir.path().join("ci").join(name), plan).expect("written");
    }
    let done = check(dir.path(), &["./app.toml", "ci/one.toml", "ci/two.toml"]);
    let said = String::from_utf8(done.stderr).expect("UTF-8");
    assert_eq!((done.status.code(), said.matches("--> app.toml:1").count()), (Some(2), 1), "{said}");
}

#[test]
fn the_good_files_beside_the_bad_ones_are_good() {
    let folder = root().join("tests/files/ok");
    for file in entries(&folder, "toml") {
        let done = check(&folder, &[file.file_name().expect("a name").to_str().expect("UTF-8")]);
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

/// The TOML that the README shows and begins with its name.
fn shown(name: &str) -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README is there");
    let start = format!("# {name}\n");
    let block = readme.split("```toml\n").find(|block| block.starts_with(&start)).expect("it is shown");
    block.split("```").next().expect("an end").to_owned()
}

#[test]
fn the_files_that_the_readme_shows_are_good_as_pasted() {
    let dir = tempfile::tempdir().expect("a folder");
    let names = [
        "my-app.toml",
        "froze.toml",
        "app.toml",
        "smoke.toml",
        "flaky.toml",
        "video-slo.toml",
        "release.toml",
        "attestations.toml",
        "quarantine.toml",
    ];
    for name in names {
        std::fs::write(dir.path().join(name), shown(name)).expect("written");
    }
    let done = check(dir.path(), &names);
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn what_the_readmes_app_file_has_commented_out_is_good_too() {
    let dir = tempfile::tempdir().expect("a folder");
    // Prose has no `=`; the brackets stand alone.
    let is_toml = |line: &str| line.contains(" = ") || line.starts_with(['[', ']']);
    let whole: Vec<String> = shown("app.toml")
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|bare| is_toml(bare)).unwrap_or(line).to_owned())
        .collect();
    let whole = whole.join("\n");
    let variables = ["APP_USER", "APP_PASSWORD", "CANARY_TOKEN", "BASIC_USER", "BASIC_PASSWORD"];
    assert_eq!(whole.matches("env:").count(), variables.len(), "{whole}");
    assert!(whole.contains("\nsession = ") && whole.contains("\n\"log in\" = "), "{whole}");
    std::fs::write(dir.path().join("app.toml"), whole).expect("written");
    std::fs::write(dir.path().join("session.json"), "{ \"cookies\": [], \"origins\": [] }").expect("written");
    let done = Command::new(env!("CARGO_BIN_EXE_soundcheck"))
        .args(["check", "app.toml"])
        .current_dir(dir.path())
        .envs(variables.map(|name| (name, "said")))
        .output()
        .expect("soundcheck starts");
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_plan_says_how_often_each_journey_is_played_and_the_command_line_says_it_of_all() {
    let times = |plan: &str, overrides: &Overrides| -> Vec<u32> {
        let plan = Plan::read(&root().join(plan), overrides, &Secrets::default()).unwrap_or_else(|e| panic!("{e}"));
        plan.journeys.iter().map(|j| plan.repeat.of(&j.name)).collect()
    };
    let none = Overrides::default();
    assert_eq!(times("ci/smoke.toml", &none), [1, 1, 1]);
    // 600 switches, 150 inits, 30 minutes watched.
    assert_eq!(times("ci/proof.toml", &none), [6, 150]);
    assert_eq!(times("ci/proof-watch.toml", &none), [6]);
    assert_eq!(times("tests/files/ok/repeat.toml", &none), [1, 3]);
    let firefox = Overrides { browsers: vec![soundcheck::browser::Kind::Firefox], ..Overrides::default() };
    assert_eq!(times("ci/proof.toml", &firefox), [6, 150]);
    let overrides = Overrides { repeat: Some(2), ..Overrides::default() };
    assert_eq!(times("ci/proof.toml", &overrides), [2, 2]);
    // A line of the table may be of a journey that the command line leaves out.
    let overrides = Overrides { journeys: vec!["video".to_owned(), "watch".to_owned()], ..Overrides::default() };
    assert_eq!(times("ci/proof.toml", &overrides), [150, 1]);
}

#[test]
fn a_plan_has_the_quarantine_beside_it_or_the_one_it_names() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
    let entry = "question = \"?\"\n[[quarantine]]\njourney = \"video\"\nreason = \"late\"\nowner = \"ann\"\n\
                 link = \"https://issues.example/42\"\nsince = \"2026-11-24\"\nuntil = \"2026-12-24\"\n";
    let plan = "question = \"?\"\napp = \"stage\"\njourneys = [\"own/mine\", \"video\"]\nbrowsers = [\"firefox\"]\njudge = \"refute\"\n";
    std::fs::create_dir(dir.path().join("own")).expect("made");
    write("own/mine.toml", &std::fs::read_to_string(root().join("journeys/player.toml")).expect("it ships"));
    write("p.toml", plan);
    let entries = || {
        let read = Plan::read(&dir.path().join("p.toml"), &Overrides::default(), &Secrets::default());
        read.map(|plan| plan.quarantine.entries.into_iter().map(|e| e.journey).collect::<Vec<_>>())
    };
    assert_eq!(entries().expect("none"), Vec::<String>::new());
    write("quarantine.toml", entry);
    assert_eq!(entries().expect("beside it"), ["video"]);
    // A journey that the plan names by its path is called by its stem.
    write("known.toml", &entry.replace("video", "mine"));
    write("p.toml", &format!("{plan}quarantine = \"known\"\n"));
    assert_eq!(entries().expect("named"), ["mine"]);
    write("known.toml", &entry.replace("video", "gone"));
    assert!(entries().is_err_and(|e| e.to_string().contains("no journey `gone`")));
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

#[test]
fn journeys_on_the_command_line_replace_the_plans() {
    let journeys = |plan: &str, said: &[&str]| -> Vec<String> {
        let journeys = said.iter().map(|s| (*s).to_owned()).collect();
        let overrides = Overrides { journeys, ..Overrides::default() };
        let plan = Plan::read(&root().join(plan), &overrides, &Secrets::default()).unwrap_or_else(|e| panic!("{e}"));
        plan.journeys.iter().map(|j| j.name.clone()).collect()
    };
    assert_eq!(journeys("ci/smoke.toml", &[]), ["player", "presets", "video"]);
    assert_eq!(journeys("ci/smoke.toml", &["video"]), ["video"]);
    assert_eq!(journeys("ci/smoke.toml", &["login", "../journeys/watch.toml"]), ["login", "watch"]);
    // A profile's expectations may be of journeys that the plan has and the command line leaves out.
    assert_eq!(journeys("ci/streaming-faults.toml", &["player"]), ["player"]);
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
    std::fs::create_dir(dir.path().join("own")).expect("made");
    write("own/mine.toml", &std::fs::read_to_string(root().join("journeys/player.toml")).expect("it ships"));
    write(
        "p.toml",
        "question = \"?\"\n[[fault]]\ndo = \"ttfb\"\ntime = \"1s\"\n[[expect]]\njourney = \"mine\"\noutcome = \"fails\"\n\
         [[expect]]\noutcome = \"plays\"\n",
    );
    write(
        "plan.toml",
        "question = \"?\"\napp = \"stage\"\njourneys = [\"own/mine\"]\nbrowsers = [\"firefox\"]\nprofiles = [\"p\"]\n\
         judge = \"refute\"\n",
    );
    let plan = dir.path().join("plan.toml").display().to_string();
    assert_eq!((journeys(&plan, &[]), journeys(&plan, &["video"])), (vec!["mine".into()], vec!["video".into()]));
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
    // The gate judges these for spikes, whatever the objectives are.
    let mut measures = all_said(&shipped(), "measure").0;
    measures.extend(Abort::ALL.map(|abort| abort.measure().to_owned()));
    assert_eq!(unused(MEASURES, &measures), none);
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
        let faults = table.get("fault").and_then(toml::Value::as_array).is_some_and(|all| !all.is_empty());
        assert!(said("source") || !faults, "{file} names no source");
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
