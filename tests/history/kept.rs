//! A history of one play a run, the program's answers by it, and the golden files that hold them: SOUNDCHECK_BLESS=1
//! writes them anew.

use crate::program::soundcheck;
use soundcheck::history::{Address, History, Play, Run};
use soundcheck::measure::Samples;
use soundcheck::record::Ending;
use std::path::Path;
use std::process::Output;

pub const DAY: i64 = 86_400_000;
/// 22 November 2026, noon UTC.
pub const NOON: i64 = 1_795_348_800_000;

pub struct Kept {
    pub dir: tempfile::TempDir,
}

impl Kept {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder") }
    }

    pub fn url(&self) -> String {
        self.dir.path().join("history.db").display().to_string()
    }

    /// Keeps a run of one play: so many days ago at noon.
    pub fn run(&self, (app, environment): (&str, &str), days_ago: i64, change: impl Fn(&mut Play)) {
        let mut history = History::make(&self.url().parse::<Address>().expect("an address")).expect("opens");
        let started = NOON - days_ago * DAY;
        let text = str::to_owned;
        let mut play = Play {
            journey: text("presets"),
            browser: text("firefox"),
            profile: text("clean"),
            renderer: text("llvmpipe"),
            number: 1,
            attempt: 1,
            ending: Ending::Passed,
            started,
            counts: true,
            samples: vec![
                (text("preset load"), Samples::Trials { good: 40, total: 40 }),
                (text("crash-free session"), Samples::Trials { good: 1, total: 1 }),
                (text("first visualizer frame"), Samples::Values((0..40).map(|n| 300.0 + f64::from(n)).collect())),
                (text("long stalls"), Samples::Count { count: 0, minutes: 10.0, lost: 0 }),
                (text("memory growth"), Samples::Bytes(vec![20e6])),
                (text("video init"), Samples::Trials { good: 10, total: 10 }),
            ],
            ..Play::default()
        };
        change(&mut play);
        let id = format!("{app}-{environment}-{days_ago}-{}", play.profile);
        let of = |text: &str| text.to_owned();
        let (app, environment) = (of(app), of(environment));
        let run = Run { run_id: id, started, app, environment, complete: true, plays: vec![play], ..Run::default() };
        history.add(&run).expect("kept");
    }

    pub fn soundcheck(&self, args: &[&str]) -> Output {
        soundcheck(&self.url(), args)
    }
}

pub fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    if std::env::var_os("SOUNDCHECK_BLESS").is_some() {
        std::fs::write(&path, text).expect("written");
    }
    assert_eq!(text, std::fs::read_to_string(&path).expect("there"), "{name}");
}
