//! A release that is GO: a fortnight of plays, every check passed, nothing open, everything attested. Tests take one thing
//! away at a time.

use jiff::Timestamp;
use serde_json::json;
use soundcheck::gate::{Gate, Line, Question, Release};
use soundcheck::history::{Address, History, Play, Run};
use soundcheck::measure::Samples;
use soundcheck::record::Ending;
use soundcheck::slo::Calendar;
use soundcheck::source::Source;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub const DAY: i64 = 86_400_000;
/// 22 November 2026, noon UTC.
pub const NOON: i64 = 1_795_348_800_000;
/// An hour later it is asked.
pub const UNTIL: &str = "2026-11-22T13:00:00Z";
pub const VERSION: &str = "1.4.2";

pub const RELEASE: &str = r#"
question = "May the player go live?"
app = "player"
environment = "staging"
commit = "0123456789abcdef"
judge = "prove"
attestations = "attestations.toml"

[checks.typecheck]
from = "typecheck-{version}.xml"
[checks.test]
from = "test.json"
[checks.smoke]
from = "smoke.json"
[protected_main]
from = "protection.json"
[sev1]
from = "sev1.json"
fresh = "2h"
[firefox_video]
environments = ["staging"]
[aborts]
baseline = "60 d"
[[aborts.log]]
files = ["access.log"]
response = "/media-proxy"
idle = "timed out"
"#;

pub const SLO: &str = r#"
question = "Is the player good enough?"
[[objective]]
id = "P1.1"
name = "hydra.preset_load"
measure = "preset load"
target = "ratio >= 99.5 %"
day_min = 30
[[objective]]
id = "P1.16"
name = "video.init_firefox"
measure = "video init"
target = "ratio >= 97 %"
browser = "firefox"
[[objective]]
id = "P1.16"
name = "video.init_firefox_goal"
measure = "video init"
target = "ratio >= 99 %"
goal = true
browser = "firefox"
"#;

const TYPECHECK: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="tsc" tests="2"><testsuite name="src" tests="2" timestamp="2026-11-22T10:00:00">
<testcase name="player.ts"/><testcase name="queue.ts"/></testsuite></testsuites>
"#;

pub struct Fixture {
    pub dir: tempfile::TempDir,
}

impl Fixture {
    pub fn new() -> Self {
        let own = Self { dir: tempfile::tempdir().expect("a folder") };
        let check = json!({"total_count": 1, "check_runs": [{
            "name": "test", "head_sha": "0123456789abcdef", "status": "completed", "conclusion": "success",
            "completed_at": "2026-11-22T11:00:00Z", "html_url": "https://github.example/player/runs/7"}]});
        let smoke = json!({"format": 1, "verdict": "met", "exit_code": 0, "complete": true, "dropped_events": 0,
            "started": "2026-11-22T11:30:00Z", "ms": 60000.0, "plays": [{"ending": "passed"}],
            "about": {"plan": "smoke", "app": "player", "environment": "staging", "version": VERSION}});
        let protection = json!({"required_status_checks": {"contexts": ["typecheck", "test", "smoke"]},
            "allow_force_pushes": {"enabled": false}, "allow_deletions": {"enabled": false},
            "enforce_admins": {"enabled": true}, "required_pull_request_reviews": {"dismiss_stale_reviews": true}});
        let sev1 = json!([
            {"id": "R-1", "title": "black after login", "pillar": "hydra", "state": "closed", "severity": "sev-1"},
            {"id": "R-2", "title": "slow search", "pillar": "queue", "state": "open", "severity": "sev-3"}]);
        own.write("release.toml", RELEASE);
        own.write("slo.toml", SLO);
        own.write("typecheck-1.4.2.xml", TYPECHECK);
        own.write("test.json", &check.to_string());
        own.write("smoke.json", &smoke.to_string());
        own.write("protection.json", &protection.to_string());
        own.write("sev1.json", &sev1.to_string());
        own.write("attestations.toml", &attestations());
        own.write("access.log", &access());
        own
    }

    /// With the plays of a fortnight, each changed so; the number is how many days ago.
    pub fn played(self, change: impl Fn(i64, &mut Run)) -> Self {
        let mut history = History::make(&self.history()).expect("opens");
        media(&mut history);
        for day in 0..14 {
            let mut run = run(day);
            change(day, &mut run);
            history.add(&run).expect("kept");
        }
        self
    }

    pub fn good() -> Self {
        Self::new().played(|_, _| {})
    }

    /// A file as if it were written at noon.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        let noon = SystemTime::UNIX_EPOCH + Duration::from_millis(NOON as u64);
        std::fs::File::options().append(true).open(path).and_then(|file| file.set_modified(noon)).expect("dated");
    }

    pub fn change(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).expect("reads");
        assert!(text.contains(from), "{name} has no `{from}`");
        self.write(name, &text.replace(from, to));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn history(&self) -> Address {
        self.path("history.db").display().to_string().parse().expect("an address")
    }

    pub fn release(&self) -> Release {
        let source = Source::open(&self.path("release.toml"), "ci").expect("opens");
        Release::read(&source).unwrap_or_else(|e| panic!("{e}"))
    }

    pub fn gate(&self) -> Gate {
        self.gate_at(UNTIL.parse().expect("a moment"))
    }

    pub fn gate_at(&self, until: Timestamp) -> Gate {
        let calendar = Calendar::new(jiff::tz::TimeZone::UTC, until);
        Gate::judge(&self.release(), &Question { version: Some(VERSION.to_owned()), calendar, history: self.history() })
    }
}

/// Every attestation, given.
pub fn attestations() -> String {
    let lines = [
        "push-protected remotes",
        "rollback documented",
        "rollback tested",
        "sign-off operator",
        "sign-off engineering",
    ];
    let mut text = "question = \"Who answers for it?\"\n".to_owned();
    for line in lines {
        let decision = if line.starts_with("sign-off") { "decision = \"PASS\"\n" } else { "" };
        text += &format!(
            "[[attestation]]\nline = \"{line}\"\n{decision}name = \"Ann Example\"\ndate = 2026-11-20\n\
             evidence = \"https://wiki.example/{}\"\nversion = \"{VERSION}\"\nexpires = 2026-12-20\n",
            line.replace(' ', "-")
        );
    }
    text
}

/// A run of this version whose plays met no abort of the media proxy, and a fortnight of an older one, before all windows.
pub fn media(history: &mut History) {
    for (day, version) in (46..60).map(|day| (day, "1.3.0")).chain([(0, VERSION)]) {
        let mut media = run(day);
        media.run_id = format!("media-{day}");
        media.app_version = version.to_owned();
        media.plays.truncate(1);
        media.plays[0].journey = "media".to_owned();
        let all = Samples::Trials { good: 100, total: 100 };
        media.plays[0].samples = ["proxy not 413", "proxy no idle abort"].map(|m| (m.to_owned(), all.clone())).into();
        history.add(&media).expect("kept");
    }
}

/// The media proxy's own log of two months, sixty responses at each noon.
fn access() -> String {
    let day = |day: i64| {
        let at = Timestamp::from_millisecond(NOON - day * DAY).expect("a moment").strftime("%d/%b/%Y:%H:%M:%S +0000");
        let line = |n: i64| format!("192.0.2.{n} - - [{at}] \"GET /media-proxy HTTP/1.1\" 206 1000\n");
        (0..60).map(line).collect::<String>()
            + &if day == 50 {
                format!("192.0.2.1 - - [{at}] \"GET /media-proxy HTTP/1.1\" 206 9 timed out\n")
            } else {
                String::new()
            }
    };
    (0..60).map(day).collect()
}

/// A run in Firefox so many days ago at noon: presets, and a video.
pub fn run(day: i64) -> Run {
    let text = str::to_owned;
    let started = NOON - day * DAY;
    let play = |journey: &str, samples: Vec<(String, Samples)>| Play {
        journey: text(journey),
        browser: text("firefox"),
        profile: text("clean"),
        renderer: text("gpu"),
        number: 1,
        attempt: 1,
        ending: Ending::Passed,
        started,
        counts: true,
        samples,
        ..Play::default()
    };
    Run {
        run_id: format!("run-{day}"),
        started,
        app: text("player"),
        base: text("https://staging.player.example"),
        environment: text("staging"),
        app_version: text(VERSION),
        plan: text("nightly"),
        folder: format!("runs/{day}"),
        complete: true,
        plays: vec![
            play("presets", vec![(text("preset load"), Samples::Trials { good: 50, total: 50 })]),
            play("video", vec![(text("video init"), Samples::Trials { good: 10, total: 10 })]),
        ],
        ..Run::default()
    }
}

/// The lines that stand in the way, by name.
pub fn open(gate: &Gate) -> Vec<&str> {
    gate.lines.iter().filter(|line| !line.holds()).map(|line| line.name.as_str()).collect()
}

pub fn line<'g>(gate: &'g Gate, name: &str) -> &'g Line {
    gate.lines.iter().find(|line| line.name == name).unwrap_or_else(|| panic!("no line {name}: {gate:?}"))
}

/// Holds a text against the file of this name; SOUNDCHECK_BLESS=1 writes it anew.
pub fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gate").join(name);
    if std::env::var_os("SOUNDCHECK_BLESS").is_some() {
        std::fs::write(&path, text).expect("written");
    }
    assert_eq!(text, std::fs::read_to_string(&path).expect("there"), "{name}");
}
