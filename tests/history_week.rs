//! A week of runs: 10,080 plays, each with samples of 19 measures; as events they would be a million. Both databases must
//! give all of them in 2 s, on a quiet machine and optimised (`ci/verify history`); else there is more time.

#[path = "common/cluster.rs"]
mod cluster;
#[path = "history/synthetic.rs"]
mod synthetic;

use cluster::Cluster;
use soundcheck::history::{Address, Filter, History};
use soundcheck::measure::Samples;
use std::collections::BTreeMap;
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

    // What an evaluation of every objective reads: each measure, by day.
    let begun = Instant::now();
    let mut history = History::open(&address).expect("opens");
    let mut days: BTreeMap<(String, i64), Samples> = BTreeMap::new();
    let filter =
        Filter { app: Some("stage".to_owned()), since: Some(WEEK), until: Some(WEEK + 7 * DAY), ..Filter::default() };
    let mut rows = 0;
    let fold = |sampled: soundcheck::history::Sampled| {
        let day = (sampled.started - WEEK) / DAY;
        for (measure, given) in sampled.samples {
            rows += 1;
            match days.get_mut(&(measure.clone(), day)) {
                Some(samples) => assert!(samples.merge(given)),
                None => _ = days.insert((measure, day), given),
            }
        }
        Ok(())
    };
    history.samples(&[], &filter, fold).expect("samples");
    let read = begun.elapsed();
    println!(
        "{name}: {RUNS} runs, {rows} rows written in {:.1} s, read in {:.2} s, peak {} MB",
        written.as_secs_f64(),
        read.as_secs_f64(),
        peak()
    );
    assert_eq!(rows, RUNS as usize * PLAYS as usize * MEASURES.len());
    assert_eq!(days.len(), 7 * MEASURES.len());
    let limit = if std::env::var_os("SOUNDCHECK_WEEK").is_some() { 2 } else { 20 };
    assert!(read < Duration::from_secs(limit), "read in {read:?}");
    assert!(peak() < 100, "{} MB", peak());
}

#[test]
fn a_week_is_read_in_time_from_both_databases() {
    let dir = tempfile::tempdir().expect("a folder");
    week("sqlite", &dir.path().join("history.db").display().to_string());
    let cluster = Cluster::start();
    week("postgresql", &cluster.url());
}
