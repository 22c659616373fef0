//! The history in both databases, without a browser: what is kept is found again, once, whole and in order.

#[path = "common/cluster.rs"]
mod cluster;
#[path = "common/program.rs"]
mod program;
#[path = "history/synthetic.rs"]
mod synthetic;

use cluster::Cluster;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use program::{said, soundcheck};
use serde_json::Value;
use soundcheck::history::{Added, Address, Asked, Filter, History, Overview, Play, Run, Sampled};
use soundcheck::measure::Samples;
use soundcheck::record::Ending;
use soundcheck::signal::{Reading, Span};
use soundcheck::stats::spike::{self, Lack, Spike};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use synthetic::{DAY, MEASURES, WEEK, run};

fn file(dir: &Path) -> String {
    dir.join("runs/history.db").display().to_string()
}

fn open(url: &str) -> History {
    History::make(&url.parse::<Address>().expect("an address")).expect("opens")
}

/// A record of `tests/records` as another run, on another day.
fn record(dir: &Path, name: &str, run_id: &str, day: &str) -> PathBuf {
    program::record(dir, name, run_id, |text| text.replace("0011223344556677", run_id).replace("2026-01-02", day))
}

fn plays(history: &mut History, filter: &Filter) -> Vec<(String, Play)> {
    let mut plays = Vec::new();
    let mut each = |id: &str, play: Play| {
        plays.push((id.to_owned(), play));
        Ok(())
    };
    history.plays(filter, &mut each).expect("plays");
    plays
}

fn samples(history: &mut History, measures: &[&str], filter: &Filter) -> Vec<Sampled> {
    let mut all = Vec::new();
    let mut each = |sampled| {
        all.push(sampled);
        Ok(())
    };
    history.samples(measures, filter, &mut each).expect("samples");
    all
}

#[test]
fn what_grows_in_one_browser_is_told_with_its_day() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = file(dir.path());
    let mut history = open(&at);
    let first = Timestamp::now().as_millisecond() - 50 * DAY;
    for day in 0..45 {
        let plays = [("chromium", 1.0), ("firefox", if day < 33 { 1.0 } else { 1.6 })].map(|(browser, times)| {
            // Each play varies by some percent, and within a play values spread far more.
            let middle = 400.0 * times * (1.0 + 0.01 * f64::from(day * 7 % 5));
            let values = (0..11).map(|n| middle * (0.5 + 0.1 * f64::from(n))).collect();
            Play {
                journey: "presets".to_owned(),
                browser: browser.to_owned(),
                attempt: 1,
                ending: Ending::Passed,
                started: first + i64::from(day) * DAY,
                counts: true,
                samples: vec![("first visualizer frame".to_owned(), Samples::Values(values))],
                ..Play::default()
            }
        });
        let run_id = format!("run-{day:02}");
        let run = Run { run_id, started: first + i64::from(day) * DAY, plays: plays.into(), ..Run::default() };
        history.add(&run).expect("kept");
    }
    drop(history);
    let done = soundcheck(&at, &["history", "--since", "60d", "--json"]);
    let all: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let drifts = all["trends"][0]["drifts"].as_array().expect("drifts");
    assert_eq!(drifts.len(), 1, "{drifts:?}");
    assert_eq!(drifts[0]["browser"], "firefox");
    // The day it began, or one a little above the middle right before.
    let on = |day| Timestamp::from_millisecond(first + day * DAY).expect("a time").to_zoned(TimeZone::UTC).date();
    let since = drifts[0]["since"].as_str().expect("a day");
    assert!([on(31), on(32), on(33)].iter().any(|day| day.to_string() == since), "{since}");
    let times = drifts[0]["times"].as_f64().expect("a number");
    assert!((1.5..1.7).contains(&times), "{times}");
    let text = said(&soundcheck(&at, &["history", "--since", "60d"]));
    assert!(text.contains(&format!("in firefox {times:.2} times as much since {since}")), "{text}");
}

#[test]
fn records_are_taken_in_once_in_any_order() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = file(dir.path());
    record(dir.path(), "all-passed-refute", "a3", "2026-01-03");
    record(dir.path(), "broken-then-passed", "b2", "2026-01-02");
    // A machine whose clock was wrong.
    record(dir.path(), "all-passed-refute", "c1", "2071-01-01");
    let folder = dir.path().display().to_string();
    let done = soundcheck(&at, &["history", "import", &folder]);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    assert_eq!(said(&done).matches("kept  ").count(), 3, "{}", said(&done));
    let again = soundcheck(&at, &["history", "import", &format!("{folder}/b2/events.jsonl"), &folder]);
    assert_eq!(said(&again).matches("known  ").count(), 4, "{}", said(&again));

    let done = soundcheck(&at, &["history", "--since", "2026-01-01", "--json"]);
    let all: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let ids: Vec<&str> =
        all["runs"].as_array().expect("runs").iter().map(|r| r["run"]["run_id"].as_str().expect("id")).collect();
    assert_eq!(ids, ["b2", "a3", "c1"]);
    assert_eq!(
        (&all["runs"][0]["retries"], &all["runs"][0]["flaky"], &all["flaky"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(all["runs"][0]["run"]["verdict"], "not enough data");
    let load =
        all["trends"].as_array().expect("trends").iter().find(|t| t["measure"] == "preset load").expect("a trend");
    // The broken attempt gave samples too: they do not count. Nor does the year 2071 push the others aside.
    assert_eq!(load["days"], serde_json::json!({ "2026-01-02": [1.0, 2], "2026-01-03": [1.0, 2] }));

    let shown = said(&soundcheck(&at, &["history", "--since", "2026-01-01", "--until", "2026-02-01"]));
    let first = shown.lines().next().expect("a line");
    assert!(first.starts_with("2026-01-02 03:04Z  smoke  stage") && first.contains("1 retry, 1 flaky"), "{shown}");
    assert!(shown.contains("2 runs; 1 of 2 first attempts flaky") && shown.contains("preset load"), "{shown}");
    let none = said(&soundcheck(&at, &["history", "--app", "another"]));
    assert!(none.starts_with("0 runs; 0 of 0 first attempts flaky [0 % .. 100 %]; 0 retries"), "{none}");
}

#[test]
fn a_broken_attempt_is_kept_and_does_not_count() {
    let dir = tempfile::tempdir().expect("a folder");
    let run = Run::read(&record(dir.path(), "broken-then-passed", "b2", "2026-01-02")).expect("reads");
    let mut history = open(&file(dir.path()));
    assert_eq!(history.add(&run).expect("kept"), Added::New);
    let plays = plays(&mut history, &Filter::default());
    let told: Vec<_> = plays.iter().map(|(_, p)| (p.attempt, p.ending, p.counts, p.renderer.as_str())).collect();
    assert_eq!(told, [(1, Ending::Broken, false, "llvmpipe"), (2, Ending::Passed, true, "llvmpipe")]);
    let samples = samples(&mut history, &["preset load"], &Filter::default());
    assert_eq!(samples.len(), 1);
    let of = ["app", "environment", "version", "journey", "browser", "profile", "renderer", "mood"]
        .map(|key| samples[0].has(key));
    let wanted = ["stage", "stage", "", "presets", "chromium", "clean", "llvmpipe", ""]
        .map(|own| Some(own).filter(|o| !o.is_empty()));
    assert_eq!(of, wanted);
    let (measure, given) = &samples[0].samples[0];
    assert_eq!((samples[0].play, measure.as_str(), given.len()), (2, "preset load", 2));
}

#[test]
fn what_diagnoses_is_kept_is_no_sample_and_makes_a_failure_flaky() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start();
    for url in [file(dir.path()), cluster.url()] {
        let mut history = open(&url);
        for (name, id, day) in [
            // Nothing else of its version passed: only a diagnosis that passes makes a failure flaky.
            ("intermittent", "d1", "2026-01-02"),
            ("it-repeats", "d2", "2026-01-03"),
            ("quarantined", "d3", "2026-01-04"),
        ] {
            let run = Run::read(&record(dir.path(), name, id, day)).expect("reads");
            assert_eq!(history.add(&run).expect("kept"), Added::New);
        }
        let told: Vec<_> = plays(&mut history, &Filter::default())
            .into_iter()
            .map(|(_, p)| (p.attempt, p.counts, p.diagnoses))
            .collect();
        let (first, again) = ((1, true, false), |n| (n, false, true));
        assert_eq!(told, [first, again(2), again(3), first, first, again(2), again(3), first, first, again(2)]);
        // Two switches a play; of what is quarantined too.
        let all = samples(&mut history, &["preset load"], &Filter { faulted: true, ..Filter::default() });
        assert_eq!(all.iter().map(|s| s.samples[0].1.len()).sum::<u64>(), 5 * 2);
        let overview = Overview::of(&mut history, &Filter::default()).expect("an overview");
        assert_eq!((overview.first_attempts, overview.retries, overview.diagnoses), (5, 0, 5));
        let of = |id: &str| overview.runs.iter().find(|l| l.run.run_id == id).expect("listed");
        assert_eq!(["d1", "d2", "d3"].map(|id| of(id).flaky), [1, 0, 1]);
        assert_eq!((of("d1").plays, of("d1").passed, of("d3").quarantined), (2, 1, 1));
        let shown = said(&soundcheck(&url, &["history", "--since", "2026-01-01"]));
        assert!(shown.contains("1 of 2 plays passed, 2 to diagnose, 1 flaky  "), "{shown}");
        assert!(shown.contains("1 of 2 plays passed, 1 to diagnose, 1 flaky, 1 quarantined  "), "{shown}");
    }
}

#[test]
fn a_history_of_an_older_soundcheck_takes_the_steps_that_it_lacks() {
    let dir = tempfile::tempdir().expect("a folder");
    let old = rusqlite::Connection::open(dir.path().join("old.db")).expect("opens");
    old.execute_batch(include_str!("../src/history/schema/1.sql")).expect("made");
    old.execute_batch(
        "INSERT INTO runs VALUES ('r', 1, 2.0, 'stage', '', 'stage', '1', 'smoke', 'refute', 'met', '', '', '', TRUE, 1);
         INSERT INTO plays VALUES ('r', 1, 's', 'video', 'firefox', '', 'clean', FALSE, '', 1, 1, 'passed', '', '', 1, 1.0, \
         FALSE, TRUE);",
    )
    .expect("kept");
    old.pragma_update(None, "user_version", 1).expect("set");
    drop(old);
    let mut history = open(&dir.path().join("old.db").display().to_string());
    let all = plays(&mut history, &Filter::default());
    assert_eq!((all.len(), all[0].1.counts, all[0].1.diagnoses, all[0].1.quarantined), (1, true, false, false));
}

#[test]
fn a_run_that_was_cut_short_is_kept_and_made_whole_later() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start();
    for url in [file(dir.path()), cluster.url()] {
        cut_short_then_whole(dir.path(), open(&url));
    }
}

fn cut_short_then_whole(dir: &Path, mut history: History) {
    let folder = record(dir, "all-passed-refute", "a1", "2026-01-02");
    let whole = std::fs::read(folder.join("events.jsonl")).expect("reads");
    let mut add = |bytes: &[u8]| {
        std::fs::write(folder.join("events.jsonl"), bytes).expect("written");
        let run = Run::read(&folder).expect("reads");
        (history.add(&run).expect("kept"), run.complete)
    };
    // Torn within its last line, as a kill leaves it; then a copy from before its first play.
    assert_eq!(add(&whole[..whole.len() - 10]), (Added::New, false));
    assert_eq!(add(&whole[..whole.iter().position(|b| *b == b'\n').expect("a line") + 1]), (Added::Known, false));
    assert_eq!(add(&whole[..whole.len() - 10]), (Added::Again, false));
    assert_eq!(add(&whole), (Added::Again, true));
    assert_eq!(add(&whole[..whole.len() - 10]), (Added::Known, false));
    let runs = history.runs(&Filter::default()).expect("runs");
    assert_eq!((runs.len(), runs[0].complete), (1, true));
}

#[test]
fn both_databases_answer_alike() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start();
    let (mut sqlite, mut postgres) = (open(&file(dir.path())), open(&cluster.url()));
    let mut strange = run(9, 4);
    strange.plays[0].reason = "it said \"\0' -- \u{1F3B5}".to_owned();
    strange.plays[1].ending = Ending::Broken;
    strange.plays[1].counts = false;
    strange.app_version = "2.0".to_owned();
    // Out of order, and one twice.
    for run in [&run(3, 4), &strange, &run(1, 4), &run(2, 0), &run(3, 4)] {
        assert_eq!(sqlite.add(run).expect("kept"), postgres.add(run).expect("kept"));
    }
    let some = |text: &str| Some(text.to_owned());
    let filters = [
        Filter::default(),
        Filter { version: some("2.0"), ..Filter::default() },
        Filter { browser: some("firefox"), plan: some("nightly"), ..Filter::default() },
        Filter { renderer: some("llvmpipe"), profile: some("clean"), environment: some("stage"), ..Filter::default() },
        Filter { since: Some(WEEK), until: Some(WEEK + 3 * DAY), ..Filter::default() },
        Filter { app: some("stage"), until: Some(WEEK), ..Filter::default() },
        Filter { app: some("' OR 1 = 1 --"), ..Filter::default() },
        Filter { faulted: true, plan: some("nightly"), ..Filter::default() },
    ];
    let mut found = Vec::new();
    for filter in filters {
        // Not `assert_eq!`: what differs would fill pages.
        let runs = sqlite.runs(&filter).expect("runs");
        assert!(runs == postgres.runs(&filter).expect("runs"), "{filter:?}");
        let all = plays(&mut sqlite, &filter);
        assert!(all == plays(&mut postgres, &filter), "{filter:?}");
        for names in [&[][..], &MEASURES[..1], &MEASURES[2..7]] {
            assert!(samples(&mut sqlite, names, &filter) == samples(&mut postgres, names, &filter), "{filter:?}");
        }
        found.push((runs.len(), all.len(), samples(&mut sqlite, &[], &filter).len()));
    }
    assert_eq!(found, [(4, 12, 11), (1, 4, 3), (3, 6, 5), (3, 12, 11), (2, 4, 4), (0, 0, 0), (0, 0, 0), (4, 12, 11)]);
    // What was kept is what was given.
    let kept = samples(&mut postgres, &[], &Filter { until: Some(WEEK + 2 * DAY), ..Filter::default() });
    let given = run(1, 4).plays.into_iter().flat_map(|p| p.samples);
    assert!(given.eq(kept.into_iter().flat_map(|s| s.samples)));
}

#[test]
fn writers_at_once_lose_nothing_and_keep_nothing_twice() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start();
    for url in [file(dir.path()), cluster.url()] {
        // Four make the same new history, and write the same runs into it.
        let new: usize = std::thread::scope(|scope| {
            let writer = || {
                let mut history = open(&url);
                (0..20).filter(|n| history.add(&run(*n, 2)).expect("kept") == Added::New).count()
            };
            let all: Vec<_> = (0..4).map(|_| scope.spawn(writer)).collect();
            all.into_iter().map(|w| w.join().expect("ends well")).sum()
        });
        let mut history = open(&url);
        assert_eq!(new, 20);
        assert_eq!(history.runs(&Filter::default()).expect("runs").len(), 20);
        let all = samples(&mut history, &[], &Filter::default());
        assert!(all.len() == 20 * 2 && all.iter().all(|s| s.samples.len() == MEASURES.len()));
    }
}

#[test]
fn a_history_of_a_newer_soundcheck_is_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    drop(open(&file(dir.path())));
    rusqlite::Connection::open(file(dir.path())).expect("opens").pragma_update(None, "user_version", 99).expect("set");
    let done = soundcheck(&file(dir.path()), &["history"]);
    assert_eq!(done.status.code(), Some(3));
    assert!(said(&done).contains("a newer Soundcheck made it (schema 99"), "{}", said(&done));
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path().join("other.db").display().to_string();
    let other = rusqlite::Connection::open(&at).expect("opens");
    other.execute_batch("CREATE TABLE people (name TEXT)").expect("made");
    for args in [&["history"][..], &["slo"], &["history", "import", "."]] {
        let done = soundcheck(&at, args);
        assert_eq!(done.status.code(), Some(2), "{}", said(&done));
        assert!(said(&done).contains("it is another program's database"), "{}", said(&done));
    }
    let tables: i64 = other.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).expect("counted");
    assert_eq!(tables, 1);
}

#[test]
fn a_wrong_address_is_refused_without_its_password() {
    for (address, words) in [
        ("postgres://me:hunter2@host:no/x", "this is no address"),
        ("mysql://me:hunter2@host/x", "no history is kept in `mysql`"),
        ("", "the history has no name"),
        ("none", "no history is kept"),
        ("/nowhere/history.db", "there is none yet"),
    ] {
        let done = soundcheck(address, &["history"]);
        assert_eq!(done.status.code(), Some(2), "{address}: {}", said(&done));
        assert!(said(&done).contains(words) && !said(&done).contains("hunter2"), "{}", said(&done));
    }
    let refused = soundcheck("postgres://me:hunter2@127.0.0.1:1/x", &["history"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(said(&refused).contains("history postgres://127.0.0.1/x") && !said(&refused).contains("hunter2"));
    assert_eq!(soundcheck("none", &["history", "--since", "yesterday"]).status.code(), Some(2));
}

#[test]
fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("listens");
    let port = silent.local_addr().expect("an address").port();
    let address = format!("postgres://me:hunter2@127.0.0.1:{port}/x?connect_timeout=1");
    for args in
        [&["history"][..], &["slo"], &["compare", "--plan", "a", "--plan", "b"], &["history", "import", "nowhere"]]
    {
        let begun = Instant::now();
        let done = soundcheck(&address, args);
        assert_eq!(done.status.code(), Some(3), "{args:?}: {}", said(&done));
        assert!(said(&done).contains("history postgres://127.0.0.1/x: no answer in 1 s"), "{}", said(&done));
        assert!(begun.elapsed() < Duration::from_secs(10), "{args:?}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_server_on_the_network_is_reached_by_tls_and_password() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = record(dir.path(), "all-passed-refute", "a1", "2026-01-02").display().to_string();
    let mut cluster = Cluster::start();
    let (port, certificate) = cluster.with_tls();
    let import = |password: &str, trusted: bool| {
        Command::new(env!("CARGO_BIN_EXE_soundcheck"))
            .args(["history", "import", &folder])
            .env("SOUNDCHECK_HISTORY", format!("postgres://soundcheck:{password}@127.0.0.1:{port}/postgres"))
            .env("SSL_CERT_FILE", if trusted { certificate.as_path() } else { Path::new("/dev/null") })
            .output()
            .expect("soundcheck starts")
    };
    for (password, trusted, code, words) in [
        ("hunter2", true, 0, "kept"),
        ("hunter2", false, 3, "name the server's authority in SSL_CERT_FILE"),
        ("hunter3", true, 3, "check the user and the password"),
    ] {
        let done = import(password, trusted);
        assert_eq!(done.status.code(), Some(code), "{}", said(&done));
        assert!(said(&done).contains(words) && !said(&done).contains("hunter"), "{}", said(&done));
    }
}

/// Fourteen quiet days of an older version, two bad ones of the version judged, a play of another environment.
#[test]
fn what_plays_met_of_an_abort_is_counted_by_day_and_never_against_itself() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start();
    for url in [file(dir.path()), cluster.url()] {
        let mut history = open(&url);
        for n in 0..16 {
            let mut run = run(n, 4);
            run.app_version = if n < 14 { "1.4.1" } else { "1.4.2" }.to_owned();
            for (number, play) in run.plays.iter_mut().enumerate() {
                let good = if n < 14 || number == 3 { 25 } else { 25 - 3 * number as u64 };
                play.samples = vec![("proxy not 413".to_owned(), Samples::Trials { good, total: 25 })];
            }
            history.add(&run).expect("kept");
        }
        let mut elsewhere = run(15, 4);
        (elsewhere.run_id, elsewhere.environment) = ("e".to_owned(), "production".to_owned());
        history.add(&elsewhere).expect("kept");

        let asked = Asked {
            app: Some("stage".to_owned()),
            environment: Some("stage".to_owned()),
            version: Some("1.4.2".to_owned()),
        };
        let since = history.first_seen(&asked, i64::MAX).expect("asked");
        assert_eq!(since, Some(WEEK + 14 * DAY));
        assert_eq!(history.first_seen(&asked, WEEK + 14 * DAY).expect("asked"), None);
        let until = Timestamp::from_millisecond(WEEK + 16 * DAY).expect("a moment");
        let span = Span::new(TimeZone::UTC, until, Duration::from_secs(86_400), 14, since);
        let [(counts, newest), (none, never)] = history.aborts(&asked, &span).expect("counted");
        assert_eq!(newest, Some(WEEK + 15 * DAY + 3000));
        assert_eq!(counts.days.len(), 14);
        assert!(counts.days.iter().all(|(_, c)| (c.events, c.of) == (0, Some(100))), "{counts:?}");
        assert_eq!((counts.now.events, counts.now.of, counts.now.heaviest), (9, Some(100), 6));
        assert_eq!((counts.now.plays, counts.days[0].1.plays), (4, 4));
        let days: Vec<_> = counts.days.iter().map(|(_, c)| *c).collect();
        // Without the play that met six, three are left: too few.
        let lack = Spike::NotEnough(Lack::OneSource(6, 9));
        assert_eq!(spike::judge(&counts.now, &days), lack, "{url}");
        assert_eq!((none.now.of, none.days.len(), never), (Some(0), 0, None));
    }
}

/// What a play gave once stood in rows of its own.
#[test]
fn an_older_history_is_taken_over_with_all_its_samples() {
    const SCHEMA: [&str; 3] = [
        include_str!("../src/history/schema/1.sql"),
        include_str!("../src/history/schema/2.sql"),
        include_str!("../src/history/schema/3.sql"),
    ];
    const ROWS: &str = r#"
INSERT INTO runs VALUES
  ('old', 1793577600000, 1.0, 'stage', '', 'stage', '', 'nightly', 'refute', 'met', '', '', '', TRUE, 0);
INSERT INTO plays (run_id, play, session, journey, browser, browser_version, profile, faulted, renderer, number, attempt,
  ending, reason, class, started, ms, busy, counts) VALUES
  ('old', 1, 's1', 'presets', 'firefox', '', 'clean', FALSE, '', 1, 1, 'passed', '', '', 1793577600000, 1.0, FALSE, TRUE),
  ('old', 2, 's2', 'presets', 'firefox', '', 'clean', FALSE, '', 2, 1, 'passed', '', '', 1793577600001, 1.0, FALSE, TRUE);
INSERT INTO samples VALUES
  ('old', 1, 'preset load', '{"trials":[9,10]}'), ('old', 1, 'first visualizer frame', '{"ms":[12.5,null]}');
"#;
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path().join("old.db").display().to_string();
    let sqlite = rusqlite::Connection::open(&at).expect("opens");
    let cluster = Cluster::start();
    let mut server = postgres::Client::connect(&cluster.url(), postgres::NoTls).expect("connects");
    for sql in SCHEMA.into_iter().chain([ROWS]) {
        sqlite.execute_batch(sql).expect("made");
        server.batch_execute(sql).expect("made");
    }
    sqlite.pragma_update(None, "user_version", 3).expect("set");
    let version = "CREATE TABLE soundcheck_schema (version BIGINT NOT NULL); INSERT INTO soundcheck_schema VALUES (3)";
    server.batch_execute(version).expect("set");
    drop(sqlite);
    for url in [at, cluster.url()] {
        let mut history = open(&url);
        let frame = ("first visualizer frame".to_owned(), Samples::Values(vec![12.5, f64::INFINITY]));
        let load = ("preset load".to_owned(), Samples::Trials { good: 9, total: 10 });
        let all = samples(&mut history, &[], &Filter::default());
        assert_eq!((all.len(), all[0].play), (1, 1), "{url}: the other play gave nothing");
        assert_eq!(all[0].samples, [frame, load.clone()], "{url}");
        assert_eq!(samples(&mut history, &["preset load"], &Filter::default())[0].samples, [load], "{url}");
        assert!(samples(&mut history, &["preset"], &Filter::default()).is_empty(), "{url}");
        assert_eq!(plays(&mut history, &Filter::default()).len(), 2, "{url}");
        // And goes on as a new one.
        history.add(&run(1, 2)).expect("kept");
        drop(history);
        assert_eq!(samples(&mut open(&url), &[], &Filter::default()).len(), 3, "{url}");
    }
}

#[test]
fn readings_are_kept_once_and_an_older_history_takes_them_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let old = dir.path().join("old.db");
    let made = rusqlite::Connection::open(&old).expect("opens");
    made.execute_batch(include_str!("../src/history/schema/1.sql")).expect("the first schema");
    made.pragma_update(None, "user_version", 1).expect("set");
    drop(made);
    let cluster = Cluster::start();
    for url in [old.display().to_string(), file(dir.path()), cluster.url()] {
        let mut history = open(&url);
        let reading = |at, value| Reading { signal: "http://app/metrics a{b=\"c\"}".to_owned(), at, value };
        history.keep("stage", "stage", &[reading(9, 2.5), reading(7, 1.0)]).expect("kept");
        history.keep("stage", "stage", &[reading(9, 99.0)]).expect("kept already");
        history.keep("stage", "production", &[reading(8, 3.0)]).expect("kept");
        let signal = reading(0, 0.0).signal;
        let kept = history.readings("stage", "stage", &signal, 7).expect("reads");
        assert_eq!(kept, [reading(7, 1.0), reading(9, 2.5)], "{url}");
        assert_eq!(history.readings("stage", "stage", &signal, 8).expect("reads").len(), 1);
        assert_eq!(history.readings("stage", "stage", "a", 0).expect("reads"), []);
    }
}
