//! A week of runs: 10,080 plays, each with samples of 20 measures; as events they would be a million. By both databases every
//! objective must be judged in 2 s, and the gate answered, on a quiet machine and optimised (`ci/verify history`); else there is more time.

#[path = "common/cluster.rs"]
mod cluster;
#[path = "history/synthetic.rs"]
mod synthetic;

use cluster::Cluster;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use soundcheck::gate::{Gate, Question, Release};
use soundcheck::history::{Address, Asked, History};
use soundcheck::slo::{Calendar, Mark, Objectives, Verdict};
use soundcheck::source::Source;
use std::path::Path;
use std::time::{Duration, Instant};
use synthetic::{DAY, MEASURES, WEEK, run};

/// Runs in the week, and plays in each.
const RUNS: i64 = 168;
const PLAYS: u64 = 60;

/// The most memory this process ever had, in MB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("reads");
    let line = status.lines().find(|l| l.starts_with("VmHWM")).expect("a peak");
    line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") / 1024
}

fn week(name: &str, url: &str) {
    let address: Address = url.parse().expect("an address");
    let mut history = History::make(&address).expect("opens");
    let begun = Instant::now();
    for n in 0..RUNS {
        let mut run = run(n, PLAYS);
        // An hour each instead of a day.
        let back = n * (DAY - 3_600_000);
        run.started -= back;
        run.plays.iter_mut().for_each(|p| p.started -= back);
        history.add(&run).expect("kept");
    }
    let written = begun.elapsed();
    drop(history);

    let objectives = Objectives::read(&Source::open(Path::new("slo"), "ci").expect("ships")).expect("reads");
    let end = Timestamp::from_millisecond(WEEK + 7 * DAY).expect("a moment");
    let begun = Instant::now();
    let mut history = History::open(&address).expect("opens");
    let calendar = Calendar::new(TimeZone::UTC, end);
    let standings = history.standings(&objectives, &Asked::default(), &calendar).expect("standings");
    let read = begun.elapsed();
    let rows = RUNS as usize * PLAYS as usize * MEASURES.len();
    println!(
        "{name}: {RUNS} runs, {rows} rows written in {:.1} s, judged in {:.2} s, peak {} MB",
        written.as_secs_f64(),
        read.as_secs_f64(),
        peak()
    );
    let [standing] = standings.as_slice() else { panic!("{} standings", standings.len()) };
    assert_eq!(standing.objectives.len(), 20);
    for stands in &standing.objectives {
        assert!(stands.judged.samples > 0 && stands.days.iter().flatten().count() == 7, "{stands:?}");
    }
    // Half of all trials fail.
    assert!(!standing.satisfies(false));
    assert!(standing.streak.days.iter().skip(7).all(|day| day.mark == Mark::Breached), "{:?}", standing.streak);
    let limit = if std::env::var_os("SOUNDCHECK_WEEK").is_some() { 2 } else { 20 };
    assert!(read < Duration::from_secs(limit), "judged in {read:?}");
    assert!(peak() < 100, "{} MB", peak());

    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("release.toml");
    let text = "question = \"?\"\napp = \"stage\"\nenvironment = \"stage\"\njudge = \"prove\"\n[rollback]\n";
    std::fs::write(&file, text).expect("written");
    let release = Release::read(&Source::open(&file, "ci").expect("opens")).expect("reads");
    let begun = Instant::now();
    let gate = Gate::judge(&release, &Question { version: Some("0.1.0".to_owned()), calendar, history: address });
    println!("{name}: gate in {:.2} s, peak {} MB", begun.elapsed().as_secs_f64(), peak());
    assert!(!gate.go() && gate.count(Verdict::Breached) > 5, "{gate:?}");
    assert!(begun.elapsed() < Duration::from_secs(limit), "gate in {:?}", begun.elapsed());
    assert!(peak() < 100, "{} MB", peak());
}

#[test]
fn a_week_is_read_in_time_from_both_databases() {
    let dir = tempfile::tempdir().expect("a folder");
    week("sqlite", &dir.path().join("history.db").display().to_string());
    let cluster = Cluster::start();
    week("postgresql", &cluster.url());
}
