//! Records: events in, reports and exit code out. Each folder of `tests/records/` holds `events.jsonl` (without
//! check sums: they are sealed in a copy) and what must come of it; `SOUNDCHECK_BLESS=1` writes the reports anew.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn soundcheck(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_soundcheck"))
        .args(args)
        .env_remove("RUST_LOG")
        .output()
        .expect("soundcheck starts")
}

fn records() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records")
}

/// A copy of a record in a folder of its own, sealed and judged: the folder, and what `judge` said.
fn judged(name: &str) -> (tempfile::TempDir, Output) {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::copy(records().join(name).join("events.jsonl"), dir.path().join("events.jsonl")).expect("copied");
    let done = soundcheck(&["judge", "--reseal", &dir.path().display().to_string()]);
    (dir, done)
}

const REPORTS: [&str; 5] = ["verdict.json", "junit.xml", "summary.md", "report.html", "reconciliation.md"];

/// Exit code by record: what each is there to show.
const RECORDS: [(&str, i32); 23] = [
    ("all-passed-refute", 0),
    ("all-passed-prove", 1),
    // Times that no clock gives are told, and are no samples.
    ("no-usable-time", 1),
    ("failed-play", 1),
    ("failed-video", 1),
    ("broken-only", 3),
    ("breached-outranks-broken", 1),
    ("broken-then-passed", 0),
    ("unfinished", 3),
    ("dropped-events", 3),
    ("no-play", 1),
    ("objectives-by-browser", 1),
    ("stalls", 0),
    ("hostile-text", 1),
    // Killed from outside each time: the app's only where it is the same step again.
    ("lost-twice-at-one-step", 1),
    ("lost-at-two-steps", 3),
    // What diagnoses is no sample: whether it repeats or not, the first failure is the answer.
    ("intermittent", 1),
    ("it-repeats", 1),
    // A failure that is borne is no breach; to prove, without a play that passed, or beside another failure it does not help.
    ("quarantined", 0),
    ("quarantined-prove", 1),
    ("quarantined-only", 1),
    ("quarantined-and-failed", 1),
    ("quarantined-objective", 0),
];

#[test]
fn every_record_gets_its_reports_and_exit_code() {
    let bless = std::env::var_os("SOUNDCHECK_BLESS").is_some();
    let mut wrong = Vec::new();
    for (name, code) in RECORDS {
        let (dir, done) = judged(name);
        if done.status.code() != Some(code) {
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            wrong.push(format!("{name}: exit {:?}, wanted {code}; {said}", done.status.code()));
        }
        for report in REPORTS {
            let said = std::fs::read_to_string(dir.path().join(report)).expect("the report is written");
            let golden = records().join(name).join(report);
            if bless {
                std::fs::write(&golden, &said).expect("blessed");
            }
            if std::fs::read_to_string(&golden).unwrap_or_default() != said {
                wrong.push(format!("{name}/{report} differs; it is now\n{said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_record_says_why() {
    let bless = std::env::var_os("SOUNDCHECK_BLESS").is_some();
    let mut wrong = Vec::new();
    for (name, _) in RECORDS {
        let (dir, _) = judged(name);
        let folder = dir.path().display().to_string();
        let done = soundcheck(&["why", &folder]);
        assert_eq!(done.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&done.stderr));
        let said = String::from_utf8_lossy(&done.stdout).replace(&folder, "RUN");
        assert!(said.lines().count() <= 13, "{name}: nobody reads that at night:\n{said}");
        let golden = records().join(name).join("why.txt");
        if bless {
            std::fs::write(&golden, &said).expect("blessed");
        }
        if std::fs::read_to_string(&golden).unwrap_or_default() != said {
            wrong.push(format!("{name}/why.txt differs; it is now\n{said}"));
        }
        let json = soundcheck(&["why", "--json", &folder]);
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
        // What it leads to is there.
        let report = std::fs::read_to_string(dir.path().join("report.html")).expect("a report");
        for chain in json["chains"].as_array().expect("chains") {
            for link in ["play", "step"] {
                if let Some(anchor) = chain[link]["anchor"].as_str() {
                    assert_eq!(report.matches(&format!(" id=\"{anchor}\"")).count(), 1, "{name}: {anchor}");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn times_that_no_clock_gives_are_told_and_are_no_samples() {
    let text = std::fs::read_to_string(records().join("all-passed-refute/events.jsonl")).expect("there");
    let spoilt = text.lines().map(|line| {
        let mut event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        match event["event"].as_str() {
            Some("first_visualizer_frame") if event["ms"] != 87.5 => event["ms"] = serde_json::json!(-3.0),
            Some("journey_end") => event["ms"] = serde_json::Value::Null,
            _ => {}
        }
        format!("{event}\n")
    });
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("events.jsonl"), spoilt.collect::<String>()).expect("written");
    soundcheck(&["judge", "--reseal", &dir.path().display().to_string()]);
    let text = std::fs::read_to_string(dir.path().join("verdict.json")).expect("the verdict is written");
    let verdict: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for (name, samples, sessions, value) in [
        ("hydra.preset_load", 2, 1, "2 of 2 [34.238 % .. 100 %]; in 1 session"),
        (
            "hydra.first_frame",
            1,
            1,
            "p95 not estimable, median 88 ms, worst 88 ms; 1 sample; 1 measurement without a usable time left out",
        ),
        ("hydra.console_errors", 0, 0, "no sample; 1 measurement without a usable time left out"),
    ] {
        let own = objective(&verdict, name);
        assert_eq!(
            (&own["samples"], &own["sessions"], &own["value"]),
            (&samples.into(), &sessions.into(), &value.into())
        );
        assert_eq!(own["verdict"], "not enough data");
    }
}

#[test]
fn why_without_a_record_is_the_callers_mistake() {
    let dir = tempfile::tempdir().expect("a folder");
    let done = soundcheck(&["why", &dir.path().display().to_string()]);
    assert_eq!(done.status.code(), Some(2), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn every_record_folder_is_judged() {
    let mut folders: Vec<String> = std::fs::read_dir(records())
        .expect("the folder is there")
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    let mut listed: Vec<&str> = RECORDS.iter().map(|(name, _)| *name).collect();
    listed.sort_unstable();
    assert_eq!(folders, listed);
}

fn verdict(name: &str) -> serde_json::Value {
    let (dir, _) = judged(name);
    let text = std::fs::read_to_string(dir.path().join("verdict.json")).expect("the verdict is written");
    serde_json::from_str(&text).expect("JSON")
}

fn objective(verdict: &serde_json::Value, name: &str) -> serde_json::Value {
    let all = verdict["objectives"].as_array().expect("a list");
    all.iter().find(|o| o["name"] == name).cloned().unwrap_or_else(|| panic!("no objective {name} in {all:?}"))
}

#[test]
fn all_passed_is_not_enough_data_and_says_what_a_proof_needs() {
    let refute = verdict("all-passed-refute");
    assert_eq!(refute["verdict"], "not enough data");
    assert_eq!(objective(&refute, "hydra.preset_load")["needs"], "596 more without a failure");
    assert_eq!(verdict("all-passed-prove")["verdict"], "not enough data");
}

#[test]
fn a_failed_play_is_breached_whatever_the_intervals_say() {
    let failed = verdict("failed-play");
    assert_eq!(failed["verdict"], "breached");
    for open in failed["objectives"].as_array().expect("a list") {
        assert_eq!(open["verdict"], "not enough data", "{open}");
    }
    assert!(failed["first_cause"].as_str().expect("a cause").contains("the picture is black"));
}

#[test]
fn a_failed_video_has_its_class_from_the_record_alone() {
    let play = verdict("failed-video")["plays"][0].clone();
    assert_eq!(play["class"], "truncated stream");
    let says = "1,000,000 of 8,828,825 octets came, then the connection was reset";
    assert_eq!((&play["evidence"]["says"], &play["evidence"]["request"]), (&says.into(), &7.into()));
    let rules: Vec<_> =
        play["violations"].as_array().expect("a list").iter().map(|v| (&v["rule"], &v["times"])).collect();
    assert_eq!(rules, [(&"truncated".into(), &2.into())]);
    // What the run told when it happened is what is found again.
    let events = std::fs::read_to_string(records().join("failed-video/events.jsonl")).expect("there");
    let told = events.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).expect("an event"));
    let told = told.filter(|e| e["event"] == "video_init_error").collect::<Vec<_>>();
    assert_eq!((&told[0]["class"], &told[0]["evidence"]), (&play["class"], &play["evidence"]));
}

#[test]
fn a_broken_attempt_is_no_sample() {
    let retried = verdict("broken-then-passed");
    // The broken attempt loaded a preset, failed one and logged an error: none of it counts.
    assert_eq!(objective(&retried, "hydra.preset_load")["samples"], 2);
    assert!(objective(&retried, "hydra.preset_load")["value"].as_str().expect("text").starts_with("2 of 2"));
    assert!(objective(&retried, "hydra.console_errors")["value"].as_str().expect("text").starts_with("0 in"));
    assert_eq!(retried["plays"].as_array().expect("a list").len(), 2, "the retry and the attempt both show");
    assert_eq!(objective(&verdict("broken-only"), "hydra.preset_load")["samples"], 0);
    assert_eq!(objective(&verdict("unfinished"), "hydra.preset_load")["samples"], 1, "of two plays one was cut short");
}

#[test]
fn an_objective_counts_its_own_browser_only() {
    let verdict = verdict("objectives-by-browser");
    assert_eq!(objective(&verdict, "video.init")["samples"], 6);
    let firefox = objective(&verdict, "video.init_firefox");
    assert_eq!((&firefox["samples"], &firefox["verdict"]), (&3.into(), &"breached".into()));
}

/// Opening and closing tags match, and nothing is left open. Not a parser: enough for what our writers can get wrong.
fn well_formed(xml: &str) {
    let mut open = Vec::new();
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>') || open.is_empty() || !rest[..at].contains("]]>"), "a stray `>`");
        rest = &rest[at + 1..];
        let end = rest.find('>').expect("every tag ends");
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "tags nest");
        } else if !tag.starts_with(['?', '!']) && !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().expect("a name"));
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "attributes are closed: {tag}");
    }
    assert_eq!(open, Vec::<&str>::new());
    for (at, _) in xml.match_indices('&') {
        let entity = xml[at + 1..].split(';').next().unwrap_or_default();
        assert!(["amp", "lt", "gt", "quot", "apos"].contains(&entity) || entity.starts_with('#'), "&{entity};");
    }
}

#[test]
fn junit_is_well_formed_and_keeps_broken_breached_and_open_apart() {
    for (name, _) in RECORDS {
        well_formed(&std::fs::read_to_string(records().join(name).join("junit.xml")).expect("there"));
    }
    let junit = |name: &str| std::fs::read_to_string(records().join(name).join("junit.xml")).expect("there");
    assert!(junit("broken-only").contains("<error message=\"the driver ended"));
    assert!(junit("failed-play").contains("<failure message=\"next preset 2: the picture is black"));
    assert!(junit("all-passed-refute").contains("<skipped message=\"not enough data: 2 of 2"));
    assert!(!junit("all-passed-refute").contains("<failure") && !junit("all-passed-refute").contains("<error"));
    assert!(junit("unfinished").contains("<error message=\"the play did not finish"));
}

#[test]
fn the_report_needs_no_network_and_runs_nothing() {
    for (name, _) in RECORDS {
        let html = std::fs::read_to_string(records().join(name).join("report.html")).expect("there");
        let lower = html.to_lowercase();
        assert!(!lower.contains("<script") && !lower.contains("javascript:"), "{name} runs something");
        for attribute in ["src=\"http", "href=\"http", "src=\"//", "href=\"//", "url(", "@import"] {
            assert!(!lower.contains(attribute), "{name} fetches something: {attribute}");
        }
    }
}

#[test]
fn text_from_a_page_cannot_break_out_of_a_report() {
    let read = |report: &str| std::fs::read_to_string(records().join("hostile-text").join(report)).expect("there");
    assert!(read("report.html").contains("&#60;script&#62;") || read("report.html").contains("&lt;script&gt;"));
    let summary = read("summary.md");
    assert!(!summary.contains("<script>") && !summary.contains("<img"), "{summary}");
    // A row that its text cannot split: the columns of every line of a table are those of its head.
    let columns = |line: &str| line.matches('|').count();
    let mut wanted = 0;
    for line in summary.lines() {
        match line.starts_with('|') {
            true if wanted == 0 => wanted = columns(line),
            true => assert_eq!(columns(line), wanted, "{line}"),
            false => wanted = 0,
        }
    }
    assert!(!summary.contains("\n# owned"), "{summary}");
}

#[test]
fn a_torn_log_is_judged_without_its_torn_line() {
    let (dir, _) = judged("all-passed-refute");
    let log = dir.path().join("events.jsonl");
    let text = std::fs::read_to_string(&log).expect("reads");
    std::fs::write(&log, &text[..text.len() - 10]).expect("torn");
    let done = soundcheck(&["judge", &dir.path().display().to_string(), "--json"]);
    // Without its end the run is cut short: broken, never a pass.
    assert_eq!(done.status.code(), Some(3), "{}", String::from_utf8_lossy(&done.stderr));
    let verdict: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!((&verdict["complete"], &verdict["verdict"]), (&false.into(), &"broken".into()));
}

#[test]
fn a_flipped_byte_is_refused_with_its_line() {
    let (dir, _) = judged("all-passed-refute");
    let log = dir.path().join("events.jsonl");
    let text = std::fs::read_to_string(&log).expect("reads");
    let flipped: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(n, l)| if n == 2 { l.replacen("chromium", "chromiun", 1) } else { l.to_owned() })
        .collect();
    assert_ne!(flipped.join("\n") + "\n", text);
    std::fs::write(&log, flipped.join("\n") + "\n").expect("flipped");
    let done = soundcheck(&["judge", &dir.path().display().to_string()]);
    assert_eq!(done.status.code(), Some(2));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("line 3: ") && said.contains("check sum") && said.contains("remedy: "), "{said}");
}

#[test]
fn what_an_app_calls_its_own_events_changes_no_verdict() {
    let (dir, done) = judged("all-passed-prove");
    let log = dir.path().join("events.jsonl");
    let text = std::fs::read_to_string(&log).expect("reads");
    assert!(text.contains("\"preset_shown\""));
    // `run_start` would take the objectives and the judge away, `app_ready` the app's name.
    for name in ["run_start", "app_ready", "journey_start", "journey_end", "run_end"] {
        std::fs::write(&log, text.replace("\"preset_shown\"", &format!("\"{name}\""))).expect("written");
        let again = soundcheck(&["judge", "--reseal", &dir.path().display().to_string()]);
        assert_eq!((again.status.code(), &again.stdout), (done.status.code(), &done.stdout), "{name}");
    }
}

#[test]
fn a_record_that_is_there_twice_is_refused_and_a_copied_line_counts_once() {
    let (dir, _) = judged("all-passed-prove");
    let folder = dir.path().display().to_string();
    let log = dir.path().join("events.jsonl");
    let text = std::fs::read_to_string(&log).expect("reads");
    let once = soundcheck(&["judge", &folder]);
    let shown = |line: &str| line.contains("\"first_visualizer_frame\"");
    assert!(text.lines().any(shown));
    let copied: String = text.lines().map(|line| format!("{line}\n").repeat(1 + usize::from(shown(line)))).collect();
    std::fs::write(&log, copied).expect("written");
    assert_eq!(soundcheck(&["judge", &folder]).stdout, once.stdout);
    std::fs::write(&log, text.repeat(2)).expect("written");
    let twice = soundcheck(&["judge", &folder]);
    assert_eq!(twice.status.code(), Some(2));
    let said = String::from_utf8_lossy(&twice.stderr).into_owned();
    assert!(said.contains("two runs, or one twice"), "{said}");
}

#[test]
fn judging_twice_gives_the_same_reports() {
    let (dir, _) = judged("failed-play");
    let all = || REPORTS.map(|r| std::fs::read_to_string(dir.path().join(r)).expect("there"));
    let first = all();
    soundcheck(&["judge", &dir.path().display().to_string()]);
    assert_eq!(first, all());
}

#[test]
fn what_diagnoses_is_no_sample_and_says_whether_the_failure_repeats() {
    for (name, failed, of, words) in [
        ("intermittent", 2, 3, "presets in chromium on clean #1: failed 2 of 3: intermittent"),
        ("it-repeats", 3, 3, "presets in chromium on clean #1: failed 3 of 3: it repeats"),
    ] {
        let (dir, done) = judged(name);
        let told = verdict(name);
        assert_eq!(told["plays"][0]["repeats"], serde_json::json!({ "failed": failed, "of": of }));
        let samples = objective(&told, "hydra.preset_load")["samples"].as_u64();
        let alone = told["plays"].as_array().expect("a list").iter().filter(|p| p["diagnoses"] != true).count() as u64;
        assert_eq!(samples, Some(2 * alone), "{name}: two switches a play, and none of those that diagnose");
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(text.contains(words) && text.contains("; 2 more to diagnose"), "{text}");
        for report in ["junit.xml", "summary.md", "report.html"] {
            let said = std::fs::read_to_string(dir.path().join(report)).expect("there");
            let short = words.split(": ").skip(1).collect::<Vec<_>>().join(": ");
            assert!(said.contains(&short), "{report} does not say `{short}`");
        }
    }
}

#[test]
fn a_failure_that_is_borne_is_shown_everywhere_and_met_by_none() {
    let (dir, done) = judged("quarantined");
    let told = verdict("quarantined");
    assert_eq!((&told["verdict"], &told["first_cause"]), (&"not enough data".into(), &serde_json::Value::Null));
    let badge = "quarantined until 2026-01-30, owner player team";
    let over = "quarantine expired 3 days ago: video, owner player team";
    let read = |report: &str| std::fs::read_to_string(dir.path().join(report)).expect("there");
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(text.contains("1 failed (1 quarantined)"), "{text}");
    for said in [text, read("summary.md"), read("report.html")] {
        assert!(said.contains(badge) && said.contains(over), "{said}");
    }
    let junit = read("junit.xml");
    assert!(junit.contains("type=\"quarantined\"") && junit.contains(badge) && !junit.contains("<failure"), "{junit}");
    let proves = verdict("quarantined-prove");
    assert_eq!((&proves["verdict"], proves["first_cause"].is_string()), (&"breached".into(), true));
    let other = verdict("quarantined-and-failed");
    assert!(other["first_cause"].as_str().is_some_and(|cause| cause.contains("in firefox")), "{other}");
}

#[test]
fn the_samples_of_a_failure_that_is_borne_are_never_hidden() {
    let borne = verdict("quarantined-objective");
    let load = objective(&borne, "hydra.preset_load");
    assert_eq!((&load["verdict"], &load["quarantined"]), (&"breached".into(), &true.into()), "{load}");
    let value = load["value"].as_str().expect("a value");
    assert!(value.contains("by quarantined plays alone: not enough data without them"), "{value}");
    assert_eq!(borne["verdict"], "not enough data");
}
