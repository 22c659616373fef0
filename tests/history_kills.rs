//! Nothing acknowledged is lost: writers killed at any moment, a server that crashes, a full disk, and a run whose
//! history fails.

#[path = "common/cluster.rs"]
mod cluster;
#[path = "common/program.rs"]
mod program;
#[path = "history/synthetic.rs"]
mod synthetic;

use cluster::Cluster;
use soundcheck::fault::seed::Dice;
use soundcheck::history::{Address, Filter, History, Run};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use synthetic::{MEASURES, run};

const PLAYS: u64 = 3;

fn open(url: &str) -> History {
    History::make(&url.parse::<Address>().expect("an address")).expect("opens")
}

/// No test by itself: this program again as a writer, which keeps run after run and says each one that is kept.
#[test]
fn writer() {
    let Ok(url) = std::env::var("SOUNDCHECK_WRITER") else { return };
    let first: i64 = std::env::var("SOUNDCHECK_FIRST").expect("given").parse().expect("a number");
    let mut history = open(&url);
    for n in first.. {
        history.add(&run(n, PLAYS)).expect("kept");
        writeln!(std::io::stdout(), "kept {n:016x}").expect("said");
    }
}

/// A writer of the runs from `first` on.
fn start(url: &str, first: i64) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "writer", "--nocapture", "--test-threads=1"])
        .envs([("SOUNDCHECK_WRITER", url), ("SOUNDCHECK_FIRST", &first.to_string())])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the writer starts")
}

/// What a writer said before it was killed, whole lines only.
fn acknowledged(writer: &mut Child) -> Vec<String> {
    let mut said = BufReader::new(writer.stdout.take().expect("piped"));
    let (mut kept, mut line) = (Vec::new(), String::new());
    while said.read_line(&mut line).is_ok_and(|n| n > 0) {
        // The harness writes the test's name before the first.
        if line.ends_with('\n') {
            kept.extend(line.split_once("kept ").map(|(_, id)| id.trim().to_owned()));
        }
        line.clear();
    }
    kept
}

/// Every run that was acknowledged is there, and every run that is there is whole.
fn check(url: &str, acknowledged: &BTreeSet<String>) -> usize {
    let mut history = open(url);
    let kept: BTreeSet<String> =
        history.runs(&Filter::default()).expect("runs").into_iter().map(|r: Run| r.run_id).collect();
    let lost: Vec<_> = acknowledged.difference(&kept).collect();
    assert!(lost.is_empty(), "{url} lost {lost:?}");
    let (mut plays, mut samples) = (0, 0);
    let mut count = |n: usize| {
        plays += 1;
        samples += n;
        Ok(())
    };
    history.samples(&[], &Filter::default(), |sampled| count(sampled.samples.len())).expect("samples");
    let whole = kept.len() * PLAYS as usize;
    assert_eq!((plays, samples), (whole, whole * MEASURES.len()), "{url}: a run is there in part");
    kept.len()
}

/// Kills two writers at once, `kills` times, at any moment of their lives.
fn kill_writers(url: &str, kills: usize) -> String {
    let (mut said, mut killed, mut first) = (BTreeSet::new(), 0, 0);
    let (mut dice, mut life) = (Dice::new(1), 250);
    while killed < kills {
        let mut pair = [start(url, first), start(url, first + 500_000)];
        first += 1_000_000;
        // Most live long enough to write; some are killed while they open the history.
        std::thread::sleep(Duration::from_millis(dice.below(life) as u64));
        let before = said.len();
        for writer in &mut pair {
            writer.kill().expect("killed");
            said.extend(acknowledged(writer));
            writer.wait().expect("ends");
            killed += 1;
        }
        // That takes longer on a busy machine.
        life = if said.len() == before { (life * 5 / 4).min(5000) } else { (life * 9 / 10).max(250) };
    }
    let kept = check(url, &said);
    assert!(said.len() > kills / 4, "only {} runs in {kills} kills: they came too early", said.len());
    format!("{killed} kills, {} runs acknowledged, all of them among the {kept} kept", said.len())
}

fn kills() -> usize {
    std::env::var("SOUNDCHECK_KILLS").map_or(40, |n| n.parse().expect("a number"))
}

#[test]
fn a_killed_writer_loses_nothing_it_acknowledged_in_sqlite() {
    let dir = tempfile::tempdir().expect("a folder");
    let url = dir.path().join("history.db").display().to_string();
    println!("sqlite: {}", kill_writers(&url, kills()));
    let file = rusqlite::Connection::open(&url).expect("opens");
    let sound: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
    assert_eq!(sound, "ok");
}

#[test]
fn a_killed_writer_or_server_loses_nothing_acknowledged_in_postgresql() {
    let mut cluster = Cluster::start();
    println!("postgresql: {}", kill_writers(&cluster.url(), kills()));
    // The server itself, while it writes.
    let mut said = BTreeSet::new();
    for crash in 1..=3_i64 {
        let mut writer = start(&cluster.url(), -crash * 1000);
        std::thread::sleep(Duration::from_millis(400));
        cluster.crash();
        said.extend(acknowledged(&mut writer));
        writer.wait().expect("ends by itself");
        cluster.again();
        check(&cluster.url(), &said);
    }
    assert!(!said.is_empty(), "nothing was written before the crashes");
}

fn shell(history: &str, script: &str, args: &[&str]) -> Output {
    let soundcheck = env!("CARGO_BIN_EXE_soundcheck");
    let script = format!("{script}; exec {soundcheck} \"$@\"");
    Command::new("sh")
        .args(["-c", &script, "sh"])
        .args(args)
        .env("SOUNDCHECK_HISTORY", history)
        .env_remove("RUST_LOG")
        .output()
        .expect("a shell")
}

fn stderr(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// A record of a short run, in a folder of its own.
fn record(dir: &Path) -> String {
    program::record(dir, "all-passed-refute", "record", |text| text).display().to_string()
}

#[test]
fn a_full_disk_is_said_and_spoils_nothing_that_is_kept() {
    let dir = tempfile::tempdir().expect("a folder");
    let url = dir.path().join("history.db").display().to_string();
    let mut history = open(&url);
    for n in 0..20 {
        history.add(&run(n, PLAYS)).expect("kept");
    }
    drop(history);
    let record = record(dir.path());
    // No file may grow beyond 4 KiB: what the file system says is what a full one would.
    let full = shell(&url, "trap '' XFSZ; ulimit -f 8", &["history", "import", &record]);
    assert_eq!(full.status.code(), Some(3), "{}", stderr(&full));
    assert!(stderr(&full).contains("remedy: free space on the disk"), "{}", stderr(&full));
    assert!(!String::from_utf8_lossy(&full.stdout).contains("kept"), "it was acknowledged");
    let mut history = open(&url);
    assert_eq!(history.runs(&Filter::default()).expect("runs").len(), 20);
    drop(history);
    let now = shell(&url, ":", &["history", "import", &record]);
    assert_eq!(now.status.code(), Some(0), "{}", stderr(&now));
}

#[test]
fn a_history_that_another_holds_is_waited_for_and_then_said() {
    let dir = tempfile::tempdir().expect("a folder");
    let url = dir.path().join("history.db").display().to_string();
    drop(open(&url));
    let other = rusqlite::Connection::open(&url).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("held");
    let begun = Instant::now();
    let held = shell(&url, ":", &["history", "import", &record(dir.path())]);
    assert_eq!(held.status.code(), Some(3), "{}", stderr(&held));
    assert!(stderr(&held).contains("locked") && stderr(&held).contains("end what else writes to it"));
    assert!((9.0..25.0).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
}

/// A run of which every play is broken: its WebDriver is nowhere. No browser is started for it.
fn run_without_driver(dir: &Path, history: &str, out: &str) -> Output {
    std::fs::write(
        dir.join("app.toml"),
        "base = \"http://127.0.0.1:1\"\n[word]\n\"open the player\" = [{ open = \"/\" }]\n",
    )
    .expect("written");
    std::fs::write(dir.join("play.toml"), "question = \"?\"\n[[step]]\ndo = \"open the player\"\n").expect("written");
    let plan = "question = \"?\"\napp = \"app.toml\"\njourneys = [\"play\"]\nbrowsers = [\"chromium\"]\n\
                objectives = [\"hydra.*\"]\njudge = \"refute\"\n";
    std::fs::write(dir.join("plan.toml"), plan).expect("written");
    let (plan, out) = (dir.join("plan.toml").display().to_string(), dir.join(out).display().to_string());
    shell(history, ":", &["run", &plan, "--webdriver", "http://127.0.0.1:1", "--out", &out])
}

#[test]
fn a_run_is_kept_and_a_history_that_fails_is_no_part_of_its_answer() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut cluster = Cluster::start();
    let url = dir.path().join("runs/history.db").display().to_string();
    for (n, url) in [&url, &cluster.url()].into_iter().enumerate() {
        let done = run_without_driver(dir.path(), url, &format!("kept-{n}"));
        assert_eq!(done.status.code(), Some(3), "{}", stderr(&done));
        assert!(!stderr(&done).contains("not kept"), "{}", stderr(&done));
        let mut history = open(url);
        let runs = history.runs(&Filter::default()).expect("runs");
        assert_eq!((runs.len(), runs[0].verdict.as_str(), runs[0].complete), (1, "broken", true));
        let mut plays = Vec::new();
        let mut each = |_: &str, play| {
            plays.push(play);
            Ok(())
        };
        history.plays(&Filter::default(), &mut each).expect("plays");
        assert!(plays.len() == 2 && plays.iter().all(|p| !p.counts && !p.reason.is_empty()), "{plays:?}");
    }
    cluster.crash();
    let gone = cluster.url();
    // It accepts, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("listens");
    let mute = format!("postgres://{}/x?connect_timeout=1", silent.local_addr().expect("an address"));
    for (n, history) in ["/dev/null/history.db", &gone, "postgres://127.0.0.1:1/x", &mute].into_iter().enumerate() {
        let done = run_without_driver(dir.path(), history, &format!("failed-{n}"));
        assert_eq!(done.status.code(), Some(3), "{}", stderr(&done));
        let import = format!("soundcheck history import {}/failed-{n}", dir.path().display());
        assert!(stderr(&done).contains("not kept: ") && stderr(&done).contains(&import), "{}", stderr(&done));
        assert!(dir.path().join(format!("failed-{n}/verdict.json")).exists());
    }
    // The remedy mends it.
    cluster.again();
    let import = shell(&gone, ":", &["history", "import", &dir.path().display().to_string()]);
    assert_eq!(import.status.code(), Some(0), "{}", stderr(&import));
    assert_eq!(open(&gone).runs(&Filter::default()).expect("runs").len(), 6);
}
