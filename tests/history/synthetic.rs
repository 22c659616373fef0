//! Runs that nobody played: hour by hour through a week, each play with samples of 20 measures.

use soundcheck::history::{Play, Run};
use soundcheck::measure::{self, Samples};
use soundcheck::record::Ending;
use soundcheck::table::{Row, find};
use std::array::from_fn;
use std::sync::LazyLock;

pub const DAY: i64 = 86_400_000;
/// When the first day begins: 2 November 2026, UTC.
pub const WEEK: i64 = 1_793_577_600_000;

/// In order: every measure there is, and one of an older Soundcheck.
pub static MEASURES: LazyLock<[&'static str; 20]> = LazyLock::new(|| {
    let mut names = from_fn(|n| measure::MEASURES.get(n).map_or("an older measure", Row::name));
    names.sort_unstable();
    names
});

/// Run `n`, on day `n`, with so many plays: the odd ones in Firefox.
pub fn run(n: i64, plays: u64) -> Run {
    let started = WEEK + n * DAY;
    Run {
        run_id: format!("{n:016x}"),
        started,
        ms: 1000.5,
        app: "stage".to_owned(),
        base: "http://127.0.0.1:4700".to_owned(),
        environment: "stage".to_owned(),
        app_version: "0.1.0".to_owned(),
        plan: "nightly".to_owned(),
        judge: "refute".to_owned(),
        verdict: "met".to_owned(),
        ci: "77".to_owned(),
        soundcheck: "0.1.0".to_owned(),
        folder: format!("/runs/{n}"),
        complete: true,
        plays: (0..plays).map(|p| play(started + p as i64 * 1000, p)).collect(),
    }
}

fn play(started: i64, number: u64) -> Play {
    Play {
        session: format!("s{started}"),
        journey: "presets".to_owned(),
        browser: ["chromium", "firefox"][number as usize % 2].to_owned(),
        browser_version: "firefox 153.7".to_owned(),
        profile: "clean".to_owned(),
        renderer: "llvmpipe".to_owned(),
        number: number + 1,
        attempt: 1,
        ending: Ending::Passed,
        started,
        ms: 9876.5,
        counts: true,
        samples: MEASURES.iter().map(|m| ((*m).to_owned(), samples(m, number))).collect(),
        ..Play::default()
    }
}

fn samples(measure: &str, number: u64) -> Samples {
    let value = |v: u64| (number * 7919 + v * 104_729) as f64 % 3000.0 + 0.5;
    match find(measure::MEASURES, measure).map(|m| (m.fold)().samples()) {
        Some(Samples::Values(_)) => {
            Samples::Values((0..10).map(|v| if v == 9 { f64::INFINITY } else { value(v) }).collect())
        }
        Some(Samples::Bytes(_)) => Samples::Bytes(vec![value(1) * 1e4]),
        Some(Samples::Count { .. }) => Samples::Count { count: number % 2, minutes: 0.25, lost: 0 },
        _ => Samples::Trials { good: 10, total: 10 + number % 2 },
    }
}
