//! `soundcheck gate`: GO is reachable, and every single thing taken away makes it NO-GO with its reason. The answers as
//! they are printed and written are held by golden files.

#[path = "gate/fixture.rs"]
mod fixture;
#[path = "gate/served.rs"]
mod served;

use fixture::{DAY, Fixture, NOON, UNTIL, VERSION, attestations, golden, line, media, open, run};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use served::{cut, endless, serve, silent, whole};
use soundcheck::gate::{Decision, Gate, Signed};
use soundcheck::history::History;
use soundcheck::measure::{NO_TIME, Samples};
use soundcheck::record::Ending;
use soundcheck::slo::Verdict;
use std::process::{Command, Output};

fn soundcheck(fixture: &Fixture, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_soundcheck"))
        .arg("gate")
        .arg(fixture.path("release.toml"))
        .args(args)
        .env("SOUNDCHECK_HISTORY", fixture.path("history.db"))
        .env_remove("RUST_LOG")
        .output()
        .expect("soundcheck starts")
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr)
}

#[test]
fn go_is_reachable_and_written_in_every_form() {
    let fixture = Fixture::good();
    let out = fixture.path("out").display().to_string();
    let args = ["--app-version", VERSION, "--until", UNTIL, "--out", &out];
    let done = soundcheck(&fixture, &args);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    golden("go.txt", &String::from_utf8_lossy(&done.stdout));
    let written = |name: &str| std::fs::read_to_string(fixture.path("out").join(name)).expect("written");
    golden("go.md", &written("gate.md"));
    golden("go.json", &written("gate.json"));
    golden("go.junit.xml", &written("gate.junit.xml"));
    let json = soundcheck(&fixture, &[&args[..4], &["--json"]].concat());
    assert_eq!(String::from_utf8_lossy(&json.stdout), written("gate.json"));
}

#[test]
fn a_release_with_nothing_to_show_is_told_line_by_line() {
    let fixture = Fixture::new();
    History::make(&fixture.history()).expect("opens");
    fixture.write(
        "release.toml",
        "question = \"?\"\napp = \"player\"\nenvironment = \"staging\"\njudge = \"prove\"\n[rollback]\n",
    );
    let out = fixture.path("out").display().to_string();
    let done = soundcheck(&fixture, &["--app-version", VERSION, "--until", UNTIL, "--out", &out]);
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    golden("nothing.txt", &String::from_utf8_lossy(&done.stdout));
    let written = |name: &str| std::fs::read_to_string(fixture.path("out").join(name)).expect("written");
    golden("nothing.md", &written("gate.md"));
    golden("nothing.junit.xml", &written("gate.junit.xml"));
}

#[test]
fn bad_evidence_is_told_line_by_line() {
    let fixture = Fixture::new().played(|day, run| {
        if day < 3 {
            run.app_version = "1.4.1".to_owned();
        }
        if day == 4 {
            run.plays[0].samples[0].1 = Samples::Trials { good: 20, total: 50 };
        }
    });
    fixture.change("typecheck-1.4.2.xml", "2026-11-22T10", "2026-11-20T10");
    fixture.change("test.json", "success", "failure");
    fixture.change("smoke.json", VERSION, "1.4.1");
    fixture.write(
        "sev1.json",
        "[{\"id\": \"R-9\", \"title\": \"no | sound <b>\", \"state\": \"open\", \"severity\": \"sev-1\"}]",
    );
    fixture.change("attestations.toml", "expires = 2026-12-20", "expires = 2026-11-21");
    fixture.change("attestations.toml", "decision = \"PASS\"", "decision = \"HOLD\"");
    let out = fixture.path("out").display().to_string();
    let done = soundcheck(&fixture, &["--app-version", VERSION, "--until", UNTIL, "--out", &out]);
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    golden("bad.txt", &String::from_utf8_lossy(&done.stdout));
    golden("bad.md", &std::fs::read_to_string(fixture.path("out/gate.md")).expect("written"));
    golden("bad.junit.xml", &std::fs::read_to_string(fixture.path("out/gate.junit.xml")).expect("written"));
}

/// What is done to the fixture, which lines are open then, and what the first of them says.
type Case = (&'static str, fn(&Fixture), &'static [&'static str], &'static str);

#[test]
fn every_single_thing_taken_away_is_no_go_with_its_reason() {
    const CASES: &[Case] = &[
        (
            "no result",
            |f| std::fs::remove_file(f.path("test.json")).expect("gone"),
            &["test"],
            "test.json: no such file",
        ),
        (
            "no source",
            |f| f.change("release.toml", "[checks.smoke]\nfrom = \"smoke.json\"\n", ""),
            &["smoke"],
            "the file names no source of it",
        ),
        ("a failed check", |f| f.change("test.json", "success", "timed_out"), &["test"], "check run `test`: timed_out"),
        ("a skipped check", |f| f.change("test.json", "success", "skipped"), &["test"], "check run `test`: skipped"),
        (
            "another commit",
            |f| f.change("test.json", "0123456789abcdef", "fedcba98"),
            &["test"],
            "refused: of fedcba98; this is 0123456789abcdef; check run `test`: success",
        ),
        (
            "another version",
            |f| f.change("smoke.json", "1.4.2", "1.4.1"),
            &["smoke"],
            "refused: of 1.4.1; this is 1.4.2; smoke on staging: met, 1 of 1 plays passed",
        ),
        (
            "another app",
            |f| f.change("smoke.json", "\"player\"", "\"stage\""),
            &["smoke"],
            "smoke.json: a run of the app stage, not of player",
        ),
        (
            "no version told",
            |f| f.change("smoke.json", "\"version\":\"1.4.2\"", "\"ci\":\"7\""),
            &["smoke"],
            "it does not say of which version it is, and its address holds no {version} or {commit}; smoke on staging: met, 1 of 1 plays passed",
        ),
        (
            "a stale check",
            |f| f.change("test.json", "2026-11-22T11", "2026-11-21T11"),
            &["test"],
            "stale: 26 h old, at most 24 h; check run `test`: success",
        ),
        (
            "a check of tomorrow",
            |f| f.change("test.json", "2026-11-22T11", "2026-11-23T11"),
            &["test"],
            "dated 22 h later than is asked about; check run `test`: success",
        ),
        ("an undated check", |f| f.change("test.json", "\"2026-11-22T11:00:00Z\"", "null"), &[], ""),
        (
            "HTML",
            |f| f.write("test.json", "<!doctype html><p>Sign in"),
            &["test"],
            "test.json: it is HTML or XML, and no JUnit",
        ),
        (
            "no JSON",
            |f| f.write("smoke.json", "{\"format\": 1,"),
            &["smoke"],
            "smoke.json: no whole JSON: EOF while parsing a value at line 1 column 13",
        ),
        (
            "JSON of another kind",
            |f| f.write("smoke.json", "{}"),
            &["smoke"],
            "smoke.json: JSON that is neither GitHub's check runs nor the verdict.json of a run",
        ),
        (
            "not UTF-8",
            |f| std::fs::write(f.path("smoke.json"), [0xff, 0xfe]).expect("written"),
            &["smoke"],
            "smoke.json: stream did not contain valid UTF-8",
        ),
        ("a folder", |f| f.change("release.toml", "\"smoke.json\"", "\".\""), &["smoke"], ".: it is no file"),
        (
            "forced pushes",
            |f| f.change("protection.json", "pushes\":{\"enabled\":false", "pushes\":{\"enabled\":true"),
            &["protected main"],
            "forced pushes are allowed",
        ),
        (
            "a check not required",
            |f| f.change("protection.json", "\"smoke\"", "\"lint\""),
            &["protected main"],
            "does not require smoke",
        ),
        (
            "no protection",
            |f| f.write("protection.json", "{\"message\": \"Branch not protected\"}"),
            &["protected main"],
            "protection.json: it is no branch protection",
        ),
        (
            "an open Sev-1",
            |f| f.change("sev1.json", "closed", "open"),
            &["no open Sev-1"],
            "1 open: R-1 black after login (hydra)",
        ),
        (
            "an unreadable list",
            |f| f.write("sev1.json", ""),
            &["no open Sev-1"],
            "sev1.json: no whole JSON: EOF while parsing a value at line 1 column 0",
        ),
        (
            "a list of another shape",
            |f| f.change("sev1.json", "severity", "prio"),
            &["no open Sev-1"],
            "sev1.json: entry 1 has no `severity` such as \"sev-1\"",
        ),
        (
            "a stale list",
            |f| f.change("release.toml", "\"2h\"", "\"30min\""),
            &["no open Sev-1"],
            "stale: 60 min old, at most 30 min; none open in a list of 2, dated by the file's own time",
        ),
        (
            "nobody attests",
            |f| f.write("attestations.toml", &attestations().replace("rollback tested", "protected main")),
            &["rollback tested"],
            "nobody attests it",
        ),
        (
            "documented is not tested",
            |f| {
                f.write(
                    "attestations.toml",
                    &attestations().replacen(
                        "line = \"rollback tested\"\nname = \"Ann Example\"",
                        "line = \"rollback tested\"\nname = \"PENDING\"",
                        1,
                    ),
                )
            },
            &["rollback tested"],
            "PENDING: name",
        ),
        (
            "PENDING",
            |f| {
                f.change(
                    "attestations.toml",
                    "date = 2026-11-20\nevidence = \"https://wiki.example/rollback-documented\"",
                    "date = \"PENDING\"\nevidence = \"\"",
                )
            },
            &["rollback documented"],
            "PENDING: date, evidence",
        ),
        (
            "nothing said",
            |f| f.change("attestations.toml", "https://wiki.example/rollback-documented", "todo."),
            &["rollback documented"],
            "PENDING: evidence",
        ),
        (
            "its own evidence",
            |f| f.change("attestations.toml", "https://wiki.example/rollback-tested", "attestations.toml"),
            &["rollback tested"],
            "its evidence `attestations.toml` is no link, and no such file with something in it is there",
        ),
        (
            "expired",
            |f| {
                f.change(
                    "attestations.toml",
                    "https://wiki.example/rollback-tested\"\nversion = \"1.4.2\"\nexpires = 2026-12-20",
                    "https://wiki.example/x\"\nversion = \"1.4.2\"\nexpires = 2026-11-21",
                )
            },
            &["rollback tested"],
            "expired: it held through 2026-11-21",
        ),
        (
            "dated in the future",
            |f| {
                f.change(
                    "attestations.toml",
                    "date = 2026-11-20\nevidence = \"https://wiki.example/rollback-tested",
                    "date = 2026-11-23\nevidence = \"https://wiki.example/rollback-tested",
                )
            },
            &["rollback tested"],
            "dated 2026-11-23, which is in the future",
        ),
        (
            "attested for another version",
            |f| {
                f.change(
                    "attestations.toml",
                    "rollback-tested\"\nversion = \"1.4.2\"",
                    "rollback-tested\"\nversion = \"1.4.1\"",
                )
            },
            &["rollback tested"],
            "attested for 1.4.1; this is 1.4.2",
        ),
        (
            "evidence that is none",
            |f| f.change("attestations.toml", "https://wiki.example/rollback-tested", "see wiki"),
            &["rollback tested"],
            "its evidence `see wiki` is no link, and no such file with something in it is there",
        ),
        (
            "evidence with nothing in it",
            |f| {
                f.write("drill.md", "");
                f.change("attestations.toml", "https://wiki.example/rollback-tested", "drill.md");
            },
            &["rollback tested"],
            "its evidence `drill.md` is no link, and no such file with something in it is there",
        ),
        (
            "evidence that is a folder",
            |f| {
                std::fs::create_dir(f.path("drill")).expect("made");
                f.change("attestations.toml", "https://wiki.example/rollback-tested", "drill");
            },
            &["rollback tested"],
            "its evidence `drill` is no link, and no such file with something in it is there",
        ),
        (
            "evidence of another version",
            |f| drill(f, "2026-11-20T10:00:00Z", "1.4.1", "<testcase name=\"back\"/>"),
            &["rollback tested"],
            "its evidence `drill.xml` shows it not: refused: of 1.4.1; this is 1.4.2",
        ),
        (
            "evidence that failed",
            |f| drill(f, "2026-11-20T10:00:00Z", VERSION, "<testcase name=\"back\"><failure/></testcase>"),
            &["rollback tested"],
            "its evidence `drill.xml` shows it not: 1 of 1 tests failed",
        ),
        (
            "evidence younger than its attestation",
            |f| drill(f, "2026-11-21T00:00:00Z", VERSION, "<testcase name=\"back\"/>"),
            &["rollback tested"],
            "its evidence `drill.xml` shows it not: it is of 2026-11-21T00:00:00Z, and was attested on 2026-11-20",
        ),
        (
            "evidence of the future",
            |f| drill(f, "2026-11-23T00:00:00Z", VERSION, "<testcase name=\"back\"/>"),
            &["rollback tested"],
            "its evidence `drill.xml` shows it not: it is dated in the future",
        ),
        (
            "evidence that was cut",
            |f| drill(f, "2026-11-20T10:00:00Z", VERSION, "<testcase name=\"back\">"),
            &["rollback tested"],
            "its evidence `drill.xml` shows it not: no whole JUnit: ill-formed document: expected `</testcase>`, but `</testsuite>` was found",
        ),
        (
            "a run of another app as evidence",
            |f| {
                f.write("drill.json", r#"{"format": 1, "verdict": "met", "about": {"app": "stage"}}"#);
                f.change("attestations.toml", "https://wiki.example/rollback-tested", "drill.json");
            },
            &["rollback tested"],
            "its evidence `drill.json` shows it not: a run of the app stage, not of player",
        ),
        (
            "pending, in more words",
            |f| {
                f.change(
                    "attestations.toml",
                    "name = \"Ann Example\"\ndate = 2026-11-20\nevidence = \"https://wiki.example/rollback-tested",
                    "name = \"PENDING: ask Ann\"\ndate = 2026-11-20\nevidence = \"https://wiki.example/rollback-tested",
                )
            },
            &["rollback tested"],
            "PENDING: name",
        ),
        (
            "no attestations",
            |f| f.change("release.toml", "attestations = \"attestations.toml\"\n", ""),
            &["push-protected remotes", "rollback documented", "rollback tested"],
            "nobody attests it",
        ),
        (
            "no production-like environment",
            |f| f.change("release.toml", "[\"staging\"]", "[]"),
            &["Firefox video init"],
            "no environment is declared production-like",
        ),
        (
            "another environment",
            |f| f.change("release.toml", "[\"staging\"]", "[\"production\"]"),
            &["Firefox video init"],
            "no play of it",
        ),
        (
            "another journey",
            |f| f.change("release.toml", "[\"staging\"]", "[\"staging\"]\njourney = \"watch\""),
            &["Firefox video init"],
            "no play of it",
        ),
        (
            "a target not shown",
            |f| f.change("slo.toml", "99.5 %", "99.9 %"),
            &["hydra.preset_load"],
            "ratio >= 99.9 % over 28 d: 700 of 700 [99.454 % .. 100 %]; in 14 sessions",
        ),
        (
            "an objective without a sample",
            |f| {
                f.change("slo.toml", "id = \"P1.1\"", "id = \"P1.8\"\nname = \"queue.lost\"\nmeasure = \"command kept\"\ntarget = \"none in >= 1000\"\n[[objective]]\nid = \"P1.1\"")
            },
            &["queue.lost", "7 days met"],
            "none in >= 1000 over 28 d: no sample",
        ),
        (
            "a stale sample",
            |f| f.change("release.toml", "[sev1]", "[objectives]\nfresh = \"30min\"\n[sev1]"),
            &["hydra.preset_load", "video.init_firefox"],
            "ratio >= 99.5 % over 28 d: 700 of 700 [99.454 % .. 100 %]",
        ),
        ("a gap", |f| f.change("slo.toml", "day_min = 30", "day_min = 51"), &["7 days met"], "0 of 7 days met"),
    ];
    for (what, take, lines, why) in CASES {
        let fixture = Fixture::good();
        take(&fixture);
        let gate = fixture.gate();
        if *what == "an undated check" {
            // The file's own time dates it, and that is said.
            assert!(gate.go() && line(&gate, "test").evidence.ends_with(", dated by the file's own time"), "{gate:?}");
            continue;
        }
        assert_eq!(&open(&gate), lines, "{what}: {gate:?}");
        let evidence = &line(&gate, lines[0]).evidence;
        assert!(
            evidence == why || (what.starts_with("a stale sample") && evidence.contains("stale: ")),
            "{what}: {evidence}"
        );
        assert!(line(&gate, lines[0]).missing.is_some(), "{what}: nobody is told what to do");
        assert!(!gate.go() && gate.answer() == "NO-GO" && gate.exit_code() == 1, "{what}");
    }
}

/// A JUnit of the rollback's drill, as what *rollback tested* is attested by.
fn drill(fixture: &Fixture, at: &str, version: &str, cases: &str) {
    let text = format!(
        "<testsuite name=\"drill\" timestamp=\"{at}\"><properties><property name=\"version\" value=\"{version}\"/>\
         </properties>{cases}</testsuite>"
    );
    fixture.write("drill.xml", &text);
    fixture.change("attestations.toml", "https://wiki.example/rollback-tested", "drill.xml");
}

#[test]
fn evidence_that_shows_it_is_taken_and_so_is_what_nobody_can_judge() {
    let fixture = Fixture::good();
    drill(&fixture, "2026-11-20T23:59:59Z", VERSION, "<testcase name=\"back\"/>");
    assert!(fixture.gate().go(), "{:?}", fixture.gate());
    // Without a zone: it may have been on the day still.
    drill_again(&fixture, "2026-11-21T13:59:59");
    assert!(fixture.gate().go(), "{:?}", fixture.gate());
    drill_again(&fixture, "2026-11-21T14:00:00");
    assert_eq!(open(&fixture.gate()), ["rollback tested"]);
    for text in ["# The drill\nfour minutes", "<!doctype html><title>drill</title>", "{\"minutes\": 4}", "\u{0}\u{1}"] {
        fixture.write("drill.xml", text);
        assert!(fixture.gate().go(), "{text}: {:?}", fixture.gate());
    }
}

fn drill_again(fixture: &Fixture, at: &str) {
    let text = format!("<testsuite name=\"drill\" timestamp=\"{at}\"><testcase name=\"back\"/></testsuite>");
    fixture.write("drill.xml", &text);
}

/// The file was written on 22 November at noon, UTC: in no time zone can its tests have run two days later.
#[test]
fn a_report_dated_after_its_file_was_written_shows_nothing() {
    let later: Timestamp = "2026-11-25T00:00:00Z".parse().expect("a moment");
    for (at, holds) in [("2026-11-23T02:04:59", true), ("2026-11-23T02:06:00", false), ("2026-11-24T12:00:00", false)] {
        let fixture = Fixture::good();
        fixture.change(
            "release.toml",
            "from = \"typecheck-{version}.xml\"",
            "from = \"typecheck-{version}.xml\"\nfresh = \"168h\"",
        );
        fixture.change("typecheck-1.4.2.xml", "2026-11-22T10:00:00", at);
        let gate = fixture.gate_at(later);
        let told = line(&gate, "typecheck");
        assert_eq!(
            (told.holds(), told.evidence.contains("later than its file was written")),
            (holds, !holds),
            "{told:?}"
        );
    }
    // Nor can one that is asked about.
    let fixture = Fixture::good();
    fixture.change("typecheck-1.4.2.xml", "2026-11-22T10:00:00", "2026-11-24T12:00:00");
    let gate = fixture.gate();
    assert_eq!(line(&gate, "typecheck").evidence, "dated 33 h later than is asked about; 2 tests passed");
    // A part of it is enough.
    let fixture = Fixture::good();
    fixture.change(
        "typecheck-1.4.2.xml",
        "</testsuites>",
        "<testsuite name=\"more\" timestamp=\"2026-11-24T12:00:00Z\"><testcase name=\"a\"/></testsuite></testsuites>",
    );
    assert_eq!(open(&fixture.gate()), ["typecheck"]);
}

#[test]
fn plays_of_another_version_are_refused_and_counted() {
    let of = |version: fn(i64) -> &'static str| {
        Fixture::new().played(|day, run| run.app_version = version(day).to_owned()).gate()
    };
    let gate = of(|day| {
        if day == 9 {
            "1.4.1"
        } else if day == 12 {
            ""
        } else {
            VERSION
        }
    });
    assert!(gate.go(), "{gate:?}");
    let told = &line(&gate, "7 days met").evidence;
    assert_eq!(told, "7 of 7 days met; 1 run without a version, 1 run of 1.4.1 refused; this is 1.4.2");
    // The newest is another's: what is left is a day older, and too old.
    let gate = of(|day| if day == 0 { "1.4.1" } else { VERSION });
    assert_eq!(
        open(&gate),
        ["Firefox video init", "hydra.preset_load", "video.init_firefox", "7 days met"],
        "{gate:?}"
    );
    let told = &line(&gate, "Firefox video init").evidence;
    assert_eq!(told, "stale: 25 h old, at most 24 h; it passed then; 1 run of 1.4.1 refused; this is 1.4.2");
    // All of them: no sample is left.
    let gate = Fixture::new().played(|_, run| run.app_version = "1.4.1".to_owned()).gate();
    let told = &line(&gate, "hydra.preset_load").evidence;
    assert!(told.ends_with("; 14 runs of 1.4.1 refused; this is 1.4.2"), "{told}");
    assert_eq!(line(&gate, "hydra.preset_load").answer, Verdict::NotEnoughData);
}

#[test]
fn firefox_counts_on_a_production_like_environment_only() {
    let of = |change: fn(i64, &mut soundcheck::history::Run)| {
        let gate = Fixture::new().played(change).gate();
        let line = line(&gate, "Firefox video init");
        (line.answer, line.evidence.clone())
    };
    let none = Verdict::NotEnoughData;
    assert_eq!(of(|_, run| run.base = "http://127.0.0.1:4700".to_owned()).0, none);
    assert!(
        of(|_, run| run.base = "http://localhost:1".to_owned()).1.ends_with(" of the stage or of this machine refused")
    );
    assert_eq!(of(|_, run| run.environment = "stage".to_owned()).0, none);
    assert_eq!(of(|_, run| run.plays[1].browser = "chromium".to_owned()).0, none);
    assert_eq!(of(|_, run| run.plays[1].profile = "bad-wifi".to_owned()).0, none);
    assert_eq!(of(|_, run| run.plays[1].faulted = true).0, none);
    assert_eq!(of(|_, run| run.plays[1].ending = Ending::Broken).0, none);
    // It passed, and no video was begun in it.
    assert_eq!(of(|_, run| run.plays[1].samples.clear()).0, none);
    assert_eq!(of(|_, run| run.plays[1].samples[0].1 = Samples::Trials { good: 0, total: 10 }).0, Verdict::Breached);
    let (answer, told) = of(|day, run| {
        if day == 0 {
            let mut failed = run.plays[1].clone();
            (failed.ending, failed.reason, failed.number) = (Ending::Failed, "no frame within 45 s".to_owned(), 2);
            failed.samples[0].1 = Samples::Trials { good: 0, total: 1 };
            run.plays.push(failed);
        }
    });
    // One that passed too hides nothing.
    assert_eq!(
        (answer, told.as_str()),
        (Verdict::Breached, "1 of 2 plays passed, 10 of 11 videos begun; no frame within 45 s")
    );
}

#[test]
fn the_people_sign_below_the_machines_answer() {
    for (from, to, holds, signed, code) in [
        ("decision = \"PASS\"", "decision = \"PENDING\"", true, Decision::Pending, 1),
        ("decision = \"PASS\"", "decision = \"HOLD\"", true, Decision::Hold, 1),
        (
            "sign-off-operator\"\nversion = \"1.4.2\"",
            "sign-off-operator\"\nversion = \"1.4.1\"",
            true,
            Decision::Pending,
            1,
        ),
        (
            "sign-off-operator\"\nversion = \"1.4.2\"\nexpires = 2026-12-20",
            "x\"\nversion = \"1.4.2\"\nexpires = 2026-11-21",
            true,
            Decision::Pending,
            1,
        ),
        ("question", "question", true, Decision::Pass, 0),
    ] {
        let fixture = Fixture::good();
        let text = attestations();
        assert!(text.contains(from), "{from}");
        fixture.write("attestations.toml", &text.replacen(from, to, 1));
        let gate = fixture.gate();
        assert_eq!((gate.holds(), gate.signed(), gate.exit_code()), (holds, signed, code), "{to}: {gate:?}");
        assert_eq!(gate.go(), code == 0);
    }
    // Whoever holds need not say more; of another version it is no word on this one.
    let fixture = Fixture::good();
    let held = "[[attestation]]\nline = \"sign-off operator\"\ndecision = \"HOLD\"\nversion = \"1.4.2\"\n";
    let signed = attestations().replacen("line = \"sign-off operator\"", "line = \"protected main\"", 1).replacen(
        "decision = \"PASS\"\n",
        "",
        1,
    );
    fixture.write("attestations.toml", &(signed.clone() + held));
    assert_eq!(fixture.gate().signed(), Decision::Hold);
    fixture.write("attestations.toml", &(signed + &held.replace("1.4.2", "1.4.1")));
    assert_eq!(fixture.gate().signed(), Decision::Pending);
    // Which version it is about may be forgotten, and a PASS beside it says nothing; of another version it is told.
    fixture.write("attestations.toml", &(attestations() + &held.replace("version = \"1.4.2\"\n", "")));
    assert_eq!(fixture.gate().signed(), Decision::Hold);
    fixture.write("attestations.toml", &(attestations() + &held.replace("1.4.2", "1.4.1")));
    let gate = fixture.gate();
    assert_eq!((gate.signed(), gate.sign_off[0].why.as_deref()), (Decision::Pass, Some("1.4.1 was on HOLD")));
    // Whose name is a whole answer is still one line of it.
    fixture.write("attestations.toml", &attestations().replace("Ann Example", "Ann\\n\\u001b[2KGO: signed off\\u202e"));
    let by = fixture.gate().sign_off[0].by.clone().expect("a name");
    assert!(!by.contains(['\n', '\u{1b}', '\u{202e}']), "{by:?}");
}

#[test]
fn to_refute_relaxes_objectives_and_nothing_else() {
    let fixture = Fixture::good();
    fixture.change("slo.toml", "99.5 %", "99.9 %");
    assert!(!fixture.gate().go());
    fixture.change("release.toml", "\"prove\"", "\"refute\"");
    let gate = fixture.gate();
    assert!(gate.go() && !line(&gate, "hydra.preset_load").demanded, "{gate:?}");
    // What is stale is not too little.
    let stale = Fixture::good();
    stale.change("release.toml", "\"prove\"", "\"refute\"");
    let gate = stale.gate_at(UNTIL.parse::<Timestamp>().expect("a moment") + jiff::Span::new().hours(25));
    let load = line(&gate, "hydra.preset_load");
    assert!(!load.holds() && load.evidence.contains("stale"), "{load:?}");
    // A gap is still no GO, and neither is a breach.
    let gap = Fixture::new().played(|day, run| run.plays.truncate(if day == 3 { 0 } else { 2 }));
    gap.change("release.toml", "\"prove\"", "\"refute\"");
    assert_eq!(open(&gap.gate()), ["7 days met"]);
    let bad = Fixture::new().played(|_, run| run.plays[0].samples[0].1 = Samples::Trials { good: 0, total: 50 });
    bad.change("release.toml", "\"prove\"", "\"refute\"");
    assert_eq!(open(&bad.gate()), ["hydra.preset_load", "7 days met"]);
    // No sample never passes.
    let none = Fixture::new().played(|_, run| run.plays.clear());
    none.change("release.toml", "\"prove\"", "\"refute\"");
    assert_eq!(open(&none.gate()), ["Firefox video init", "7 days met"]);
}

#[test]
fn without_a_version_or_a_history_the_rest_is_told_all_the_same() {
    let fixture = Fixture::good();
    let done = soundcheck(&fixture, &["--until", UNTIL]);
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    assert!(said(&done).contains("no version is named: give --app-version"), "{}", said(&done));
    fixture.change("release.toml", "commit = ", "version = \"env:SOUNDCHECK_TEST_UNSET\"\ncommit = ");
    let done = soundcheck(&fixture, &["--until", UNTIL]);
    assert!(said(&done).contains("the environment variable SOUNDCHECK_TEST_UNSET is not set"), "{}", said(&done));

    let away = "postgres://127.0.0.1:1/history";
    let done = soundcheck(&fixture, &["--app-version", VERSION, "--until", UNTIL, "--json", "--history", away]);
    assert_eq!(done.status.code(), Some(3), "{}", said(&done));
    let told: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let broken = |v: &&Value| v["answer"] == "broken";
    let out: Vec<&Value> = told["lines"].as_array().expect("lines").iter().filter(broken).map(|l| &l["name"]).collect();
    let names =
        ["Firefox video init", "no spike of 413", "no spike of idle-timeout aborts", "objectives", "7 days met"];
    let names = names.map(Value::from);
    assert_eq!((out, &told["answer"]), (names.iter().collect::<Vec<_>>(), &json!("NO-GO")));
    // Shown to fail outranks it.
    fixture.change("test.json", "success", "failure");
    let args = ["--app-version", VERSION, "--until", UNTIL, "--history", away];
    assert_eq!(soundcheck(&fixture, &args).status.code(), Some(1));
    // None was ever made: that is too little data, and nothing is out of reach.
    let args = ["--app-version", VERSION, "--until", UNTIL, "--history", "nowhere.db"];
    fixture.change("test.json", "failure", "success");
    assert_eq!(soundcheck(&fixture, &args).status.code(), Some(1));
}

#[test]
fn odd_histories_are_never_met_and_never_a_crash() {
    let never = |change: fn(i64, &mut soundcheck::history::Run), lines: &[&str]| {
        let gate = Fixture::new().played(change).gate();
        assert_eq!(open(&gate), lines, "{gate:?}");
    };
    let history = ["Firefox video init", "hydra.preset_load", "video.init_firefox", "7 days met"];
    // Nothing; a clock that jumped ahead or back; what is no number.
    never(|_, run| run.plays.clear(), &history);
    never(|_, run| run.plays.iter_mut().for_each(|p| p.started += 400 * DAY), &history);
    never(|_, run| run.plays.iter_mut().for_each(|p| p.started = i64::MAX / 2), &history);
    never(|_, run| run.plays.iter_mut().for_each(|p| p.started = i64::MIN / 2), &history);
    // The plays have clocks of their own.
    never(|_, run| run.started = i64::MIN / 2, &["Firefox video init"]);
    never(
        |_, run| run.plays[0].samples[0].1 = Samples::Values(vec![f64::NAN, f64::INFINITY]),
        &["hydra.preset_load", "7 days met"],
    );
    never(
        |_, run| run.plays[1].samples[0].1 = Samples::Trials { good: 0, total: 10 },
        &["Firefox video init", "video.init_firefox", "7 days met"],
    );
    // One sample of all.
    never(
        |day, run| {
            if day > 0 {
                run.plays.clear()
            }
        },
        &["hydra.preset_load", "video.init_firefox", "7 days met"],
    );
    // Taken in twice and in another order: the same answer.
    let fixture = Fixture::new();
    let mut kept = History::make(&fixture.history()).expect("opens");
    media(&mut kept);
    for day in [5, 3, 13, 0, 1, 12, 2, 4, 6, 7, 11, 10, 9, 8, 5, 0, 13] {
        kept.add(&run(day)).expect("kept");
    }
    let (twice, once) = (fixture.gate(), Fixture::good().gate());
    let lines = |gate: &Gate| serde_json::to_string(&gate.lines).expect("JSON");
    assert!(twice.go() && lines(&twice) == lines(&once), "{twice:?}");
}

/// Of 140 quick ones two more could be slow, and not three: what has no time is taken for slow where *met* is asked.
#[test]
fn what_has_no_time_is_told_and_counts_against_met() {
    const FRAME: &str = "id = \"P1.2\"\nname = \"hydra.first_frame\"\nmeasure = \"first visualizer frame\"\ntarget = \"p95 <= 2.0 s\"\n[[objective]]\nid = \"P1.1\"";
    let all = "p95 <= 2.0 s over 28 d: p95 10 ms <= 10 ms; 140 samples; in 14 sessions";
    for (lost, answer, told) in [
        (0, Verdict::Met, ""),
        (1, Verdict::Met, "; 1 measurement without a usable time left out"),
        (2, Verdict::Met, "; 2 measurements without a usable time left out"),
        (3, Verdict::NotEnoughData, "; 3 measurements without a usable time left out"),
    ] {
        let fixture = Fixture::new().played(|day, run| {
            let without = if day == 0 { lost } else { 0 };
            let values = [vec![10.0; 10], vec![NO_TIME; without]].concat();
            run.plays[0].samples.push(("first visualizer frame".to_owned(), Samples::Values(values)));
        });
        fixture.change("slo.toml", "id = \"P1.1\"", FRAME);
        let gate = fixture.gate();
        let line = line(&gate, "hydra.first_frame");
        assert_eq!((line.answer, line.evidence.as_str()), (answer, format!("{all}{told}").as_str()));
    }
}

/// The line of the Sev-1 list that a server gives, as of now.
fn sev1(url: &str, more: &str) -> (Verdict, String, String) {
    let fixture = Fixture::new();
    let head = "question = \"?\"\napp = \"player\"\nenvironment = \"staging\"\njudge = \"prove\"\n[sev1]\n";
    fixture.write("release.toml", &format!("{head}from = \"{url}\"\n{more}"));
    let gate = fixture.gate_at(Timestamp::now());
    let line = line(&gate, "no open Sev-1");
    (line.answer, line.evidence.clone(), line.missing.clone().unwrap_or_default())
}

const OPEN: &str = r#"[{"number": 7, "title": "black screen", "state": "open", "labels": [{"name": "sev-1"}]}]"#;
const NONE: &str = r#"[{"number": 7, "title": "black screen", "state": "closed", "labels": [{"name": "sev-1"}]}]"#;

#[test]
fn a_list_over_http_is_read_and_a_lying_one_is_never_none() {
    let server = serve(|head, socket| match head.split(' ').nth(1).unwrap_or_default() {
        "/none" => whole(socket, "200 OK", NONE),
        "/open" => whole(socket, "200 OK", OPEN),
        "/next" => whole(socket, "200 OK\r\nlink: <http://127.0.0.1/2>; rel=\"next\"", NONE),
        "/page" => whole(socket, "200 OK\r\nx-next-page: 2", NONE),
        "/last-page" => whole(socket, "200 OK\r\nx-next-page: \r\nx-total: 1", NONE),
        "/total" => whole(socket, "200 OK\r\nx-total: 900", NONE),
        "/part" => whole(socket, "206 Partial Content\r\ncontent-range: bytes 0-1/900", NONE),
        "/html" => whole(socket, "200 OK\r\ncontent-type: text/html", "<!doctype html><title>Sign in</title>"),
        "/broken-json" => whole(socket, "200 OK", &NONE[..40]),
        "/object" => whole(socket, "200 OK", r#"{"message": "API rate limit exceeded"}"#),
        "/cut" => cut(socket, NONE),
        "/endless" => endless(socket),
        "/silent" => silent(),
        "/loop" => whole(socket, "302 Found\r\nlocation: /loop", ""),
        "/moved" => whole(socket, "302 Found\r\nlocation: /none", ""),
        "/not-utf8" => {
            use std::io::Write as _;
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xfe");
        }
        _ => whole(socket, "404 Not Found", "[]"),
    });
    for (path, answer, told) in [
        ("/none", Verdict::Met, "none open in a list of 1"),
        ("/moved", Verdict::Met, "none open in a list of 1"),
        ("/open", Verdict::Breached, "1 open: #7 black screen"),
        ("/next", Verdict::NotEnoughData, "none among 1, and the list goes on"),
        ("/page", Verdict::NotEnoughData, "none among 1, and the list goes on"),
        ("/last-page", Verdict::Met, "none open in a list of 1"),
        ("/total", Verdict::NotEnoughData, "none among 1, and the list goes on"),
        ("/part", Verdict::NotEnoughData, "it answered 206 Partial Content"),
        ("/html", Verdict::NotEnoughData, "it is HTML or XML, and no JSON"),
        ("/broken-json", Verdict::NotEnoughData, "no whole JSON: "),
        ("/object", Verdict::NotEnoughData, "it is no list"),
        ("/cut", Verdict::NotEnoughData, "its answer broke off"),
        ("/endless", Verdict::NotEnoughData, "its answer is longer than 4 MB"),
        ("/silent", Verdict::NotEnoughData, "it did not answer within 10 s"),
        ("/loop", Verdict::NotEnoughData, "it redirects without end"),
        ("/not-utf8", Verdict::NotEnoughData, "its answer is not UTF-8"),
        ("/gone", Verdict::NotEnoughData, "it answered 404 Not Found"),
    ] {
        let (got, evidence, todo) = sev1(&format!("{server}{path}"), "");
        assert!(got == answer && evidence.contains(told), "{path}: {got:?} {evidence}");
        assert_eq!(todo.is_empty(), answer == Verdict::Met, "{path}: {todo}");
    }
    let server = serve(|_, socket| whole(socket, "200 OK", &OPEN.replace("black", "\\u001b[2J\\nGO: black")));
    assert_eq!(sev1(&server, "").1, "1 open: #7  [2J GO: black screen", "a title forges nothing");
    let (got, evidence, _) = sev1("http://127.0.0.1:1/", "");
    assert!(got == Verdict::NotEnoughData && evidence.contains("it cannot be reached: "), "{evidence}");
}

#[test]
fn an_address_sent_on_is_named_by_where_it_ends() {
    const OWN: &str = "/0123456789abcdef/junit.xml";
    let now = Timestamp::now();
    let result = format!(
        "<testsuites><testsuite name=\"src\" tests=\"1\" timestamp=\"{now}\"><testcase name=\"a\"/></testsuite></testsuites>"
    );
    let server = serve(move |head, socket| match head.split(' ').nth(1).unwrap_or_default() {
        path if path == format!("/lost{OWN}") => whole(socket, "302 Found\r\nlocation: /latest/junit.xml", ""),
        path if path == format!("/kept{OWN}") => whole(socket, &format!("302 Found\r\nlocation: {OWN}"), ""),
        _ => whole(socket, "200 OK", &result),
    });
    for (from, answer, link) in [("lost", Verdict::NotEnoughData, "/latest/junit.xml"), ("kept", Verdict::Met, OWN)] {
        let fixture = Fixture::good();
        fixture.change("release.toml", "typecheck-{version}.xml", &format!("{server}/{from}/{{commit}}/junit.xml"));
        let gate = fixture.gate_at(Timestamp::now());
        let line = line(&gate, "typecheck");
        assert_eq!((line.answer, line.link.clone()), (answer, Some(format!("{server}{link}"))), "{}", line.evidence);
    }
}

#[test]
fn a_token_goes_to_its_host_and_is_printed_nowhere() {
    let secret = "hunter2-hunter2";
    let server = serve(move |head, socket| match head.contains(&format!("authorization: Bearer {secret}")) {
        true => whole(socket, "200 OK", &OPEN.replace("black screen", secret)),
        false => whole(socket, "401 Unauthorized", ""),
    });
    // Sent on to another host, it stays behind.
    let other = serve(|head, socket| whole(socket, "200 OK", if head.contains("authorization") { OPEN } else { NONE }));
    let away = serve(move |_, socket| whole(socket, &format!("302 Found\r\nlocation: {other}/"), ""));
    assert_eq!(sev1(&away, "token = \"env:PATH\"\n").1, "none open in a list of 1");
    let told = sev1("http://{env:HOME}.example/", "token = \"env:PATH\"\n").1;
    assert!(told.ends_with("a token goes to nobody in the clear"), "{told}");
    let fixture = Fixture::new();
    let head = "question = \"?\"\napp = \"player\"\nenvironment = \"staging\"\njudge = \"prove\"\n[sev1]\n";
    fixture.write("release.toml", &format!("{head}from = \"{server}/\"\ntoken = \"env:GATE_TEST_TOKEN\"\n"));
    let out = fixture.path("out").display().to_string();
    let run = |token: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_soundcheck"));
        command.arg("gate").arg(fixture.path("release.toml")).args(["--history", "none", "--out", &out, "-vv"]);
        command.env_remove("GATE_TEST_TOKEN").envs(token.map(|token| ("GATE_TEST_TOKEN", token)));
        said(&command.output().expect("starts"))
    };
    assert!(run(None).contains("the environment variable GATE_TEST_TOKEN is not set"));
    assert!(run(Some("another-token")).contains("it answered 401 Unauthorized"));
    let told = run(Some(secret));
    assert!(told.contains("1 open: #7 [redacted]") && !told.contains(secret), "{told}");
    for name in ["gate.md", "gate.json", "gate.junit.xml"] {
        let text = std::fs::read_to_string(fixture.path("out").join(name)).expect("written");
        assert!(text.contains("[redacted]") && !text.contains(secret), "{name}: {text}");
    }
}

#[test]
fn remotes_are_read_from_the_clone() {
    let fixture = Fixture::new();
    let git = |args: &[&str]| {
        let done = Command::new("git").arg("-C").arg(fixture.dir.path()).args(args).output().expect("git");
        assert!(done.status.success(), "{}", said(&done));
    };
    fixture.change("release.toml", "[sev1]", "[remotes]\nrepository = \".\"\npush = [\"origin\"]\n[sev1]");
    let told = || {
        let gate = fixture.gate_at(Timestamp::now());
        let line = line(&gate, "push-protected remotes");
        (line.answer, line.evidence.clone())
    };
    let (answer, why) = told();
    assert!(answer == Verdict::NotEnoughData && why.contains("not a git repository"), "{why}");
    git(&["init", "--quiet"]);
    assert_eq!(told().1, "the clone has no remote");
    git(&["remote", "add", "origin", "git@host.example:own.git"]);
    assert_eq!(told().0, Verdict::Met);
    git(&["remote", "add", "upstream", "https://host.example/theirs.git"]);
    assert_eq!(told(), (Verdict::Breached, "can be pushed to: upstream".to_owned()));
    git(&["remote", "set-url", "--push", "upstream", "no_push"]);
    assert_eq!(told().0, Verdict::Met);
}

#[test]
fn what_is_live_says_nothing_of_another_day() {
    let server = serve(|_, socket| whole(socket, "200 OK", NONE));
    let fixture = Fixture::good();
    fixture.change("release.toml", "\"sev1.json\"", &format!("\"{server}/\""));
    let gate = fixture.gate_at(
        (NOON - 30 * DAY)
            .to_string()
            .parse::<i64>()
            .map(|ms| Timestamp::from_millisecond(ms).expect("a moment"))
            .expect("a number"),
    );
    assert!(line(&gate, "no open Sev-1").evidence.contains(" later than is asked about"), "{gate:?}");
}

#[test]
fn the_reference_app_is_never_go() {
    let done = Command::new(env!("CARGO_BIN_EXE_soundcheck"))
        .args(["gate", "ci/release.toml", "--app-version", "0.1.0", "--history", "none", "--json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("GITHUB_REPOSITORY")
        .output()
        .expect("starts");
    let told: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(&done)));
    assert_eq!(told["answer"], "NO-GO");
    let lines = told["lines"].as_array().expect("lines");
    let of = |id: &str| lines.iter().filter(|line| line["id"] == id).count();
    assert_eq!(["P5.1", "P5.2", "P5.3", "P5.5", "P2.2", "P6.4"].map(of), [3, 1, 1, 2, 2, 1]);
    let firefox = lines.iter().find(|line| line["id"] == "P5.3").expect("a line");
    assert_eq!(firefox["evidence"], "no environment is declared production-like");
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    prop::sample::select(vec![Verdict::Met, Verdict::NotEnoughData, Verdict::Broken, Verdict::Breached])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// GO is every demanded line met and both roles' PASS; the exit code says the same.
    #[test]
    fn go_needs_every_line(
        lines in prop::collection::vec((any_verdict(), any::<bool>()), 0..6),
        signed in prop::collection::vec(prop::sample::select(vec![Decision::Pass, Decision::Hold, Decision::Pending]), 0..3),
    ) {
        let made = lines.iter().map(|(answer, demanded)| {
            let line = soundcheck::gate::Line::of("P5", "x").says(*answer, "seen");
            soundcheck::gate::Line { demanded: *demanded, ..line }
        });
        let sign = |decision: &Decision| Signed {
            role: "operator".to_owned(), decision: *decision, by: None, date: None, link: None, why: None,
        };
        let gate = Gate {
            question: String::new(), app: String::new(), environment: String::new(), version: None, until: String::new(),
            judge: soundcheck::plan::Judge::Prove, lines: made.collect(), sign_off: signed.iter().map(sign).collect(),
        };
        let all = lines.iter().all(|(answer, demanded)| !demanded || *answer == Verdict::Met);
        let some = lines.iter().any(|(_, demanded)| *demanded);
        let both = !signed.is_empty() && signed.iter().all(|d| *d == Decision::Pass);
        prop_assert_eq!(gate.go(), all && some && both);
        prop_assert_eq!(gate.exit_code() == 0, gate.go());
        prop_assert_eq!(gate.answer() == "GO", gate.go());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any text of a source that is cut short or spoilt: told, and never met where it was cut.
    #[test]
    fn no_source_that_was_cut_is_met(cut in 0.0..1.0_f64, noise in "[\\[\\]{}\":, a-z0-9<>é]{0,30}") {
        let fixture = Fixture::new();
        for (name, on) in [("typecheck-1.4.2.xml", "typecheck"), ("test.json", "test"), ("smoke.json", "smoke"),
                           ("protection.json", "protected main"), ("sev1.json", "no open Sev-1")] {
            let text = std::fs::read_to_string(fixture.path(name)).expect("reads");
            // The last bracket is within what is cut off.
            let end = (cut * (text.trim_end().len() - 1) as f64) as usize;
            let start = text.char_indices().map(|(at, _)| at).rfind(|at| *at <= end).unwrap_or(0);
            fixture.write(name, &text[..start]);
            let gate = fixture.gate();
            prop_assert!(!line(&gate, on).holds(), "{}: {}", name, &text[..start]);
            fixture.write(name, &format!("{}{noise}", &text[..start]));
            prop_assert!(!fixture.gate().go());
            fixture.write(name, &text);
        }
    }
}
