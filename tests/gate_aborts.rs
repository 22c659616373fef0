//! The gate's line P5.4: spikes of 413 and idle-timeout aborts, by our plays and by the app's own count. Each source is
//! good once, and then silent, stale, another version's or a lie.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use soundcheck::gate::{Gate, Line, Question, Release};
use soundcheck::history::{Address, History, Play, Run};
use soundcheck::measure::Samples;
use soundcheck::record::Ending;
use soundcheck::slo::{Calendar, Verdict};
use soundcheck::source::Source;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const DAY: i64 = 86_400_000;
const LOG: &str = "[[aborts.log]]\nfiles = [\"access.log\"]\nresponse = \"/api/video-proxy\"\nidle = \"timed out\"\n";

/// A release in a folder of its own, judged at a moment.
struct Fixture {
    dir: tempfile::TempDir,
    until: Timestamp,
}

impl Fixture {
    /// A fortnight of 1.4.1, of 200 responses a day; then a day of 1.4.2 in two plays that met so many 413.
    fn played(until: &str, now: [u64; 2]) -> Self {
        let own = Self { dir: tempfile::tempdir().expect("a folder"), until: until.parse().expect("a moment") };
        let mut history = History::make(&own.history()).expect("opens");
        let last = own.until.as_millisecond() - 23 * 3_600_000;
        for day in 1..=15 {
            history.add(&run("1.4.1", last - day * DAY, &[0, u64::from(day == 9)])).expect("kept");
        }
        history.add(&run("1.4.2", last, &now)).expect("kept");
        own.attest(None);
        own
    }

    fn history(&self) -> Address {
        self.dir.path().join("history.db").display().to_string().parse().expect("an address")
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).expect("written");
    }

    fn attest(&self, version: Option<&str>) {
        self.attest_on("2026-11-22", version);
    }

    fn attest_on(&self, date: &str, version: Option<&str>) {
        let entry = version.map_or(String::new(), |version| {
            format!(
                "[[attestation]]\nline = \"413 spike\"\nname = \"Ann Example\"\ndate = {date}\n\
                 evidence = \"https://wiki.example/limit\"\nversion = \"{version}\"\nexpires = 2026-11-30\n"
            )
        });
        let none = "[[attestation]]\nline = \"rollback tested\"\n";
        self.write("attestations.toml", &format!("question = \"Who answers for it?\"\n{none}{entry}"));
    }

    /// The lines of P5.4, with this in the release file.
    fn lines(&self, aborts: &str) -> Vec<Line> {
        let head = "question = \"?\"\napp = \"player\"\nenvironment = \"staging\"\njudge = \"prove\"\n\
                    attestations = \"attestations.toml\"\n";
        self.write("release.toml", &format!("{head}{aborts}"));
        let source = Source::open(&self.dir.path().join("release.toml"), "ci").expect("opens");
        let release = Release::read(&source).unwrap_or_else(|e| panic!("{e}"));
        let calendar = Calendar::new(TimeZone::UTC, self.until);
        let question = Question { version: Some("1.4.2".to_owned()), calendar, history: self.history() };
        Gate::judge(&release, &question).lines.into_iter().filter(|line| line.id == "P5.4").collect()
    }

    /// A fortnight of 400 responses a day and one idle timeout each, and a last day with so many of either abort.
    fn log(&self, too_large: usize, idle: usize) {
        let mut text = String::new();
        for day in 0..16 {
            for n in 0..400 {
                let back = SignedDuration::from_mins(day * 1440 + 1 + n * 3);
                let at = (self.until - back).strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
                let status = if day == 0 && (n as usize) < too_large { 413 } else { 206 };
                writeln!(text, "10.0.0.1 - - [{at}] \"GET /api/video-proxy HTTP/1.1\" {status} {n}").expect("text");
                if (n as usize) < if day == 0 { idle } else { 1 } {
                    let at = (self.until - back).strftime("%Y/%m/%d %H:%M:%S").to_string();
                    writeln!(text, "{at} [error] 7#7: *{n} upstream timed out").expect("text");
                }
            }
        }
        self.write("access.log", &text);
    }
}

fn run(version: &str, started: i64, met: &[u64]) -> Run {
    let play = |(number, events): (usize, &u64)| Play {
        journey: "video".to_owned(),
        browser: "firefox".to_owned(),
        profile: "clean".to_owned(),
        number: number as u64 + 1,
        attempt: 1,
        ending: Ending::Passed,
        started,
        counts: true,
        samples: ["proxy not 413", "proxy no idle abort"]
            .map(|m| {
                (m.to_owned(), Samples::Trials { good: 100 - if m.contains("413") { *events } else { 0 }, total: 100 })
            })
            .into(),
        ..Play::default()
    };
    Run {
        run_id: format!("{started}"),
        started,
        app: "player".to_owned(),
        environment: "staging".to_owned(),
        app_version: version.to_owned(),
        complete: true,
        plays: met.iter().enumerate().map(play).collect(),
        ..Run::default()
    }
}

fn told<'l>(lines: &'l [Line], name: &str) -> (Verdict, &'l str) {
    let line = lines.iter().find(|line| line.name == name).unwrap_or_else(|| panic!("no line {name}: {lines:?}"));
    (line.answer, line.evidence.as_str())
}

const NOON: &str = "2026-11-22T12:00:00Z";
const OURS: &str = "no spike of 413 in our plays";

#[test]
fn quiet_it_is_met_by_every_count() {
    let fixture = Fixture::played(NOON, [0, 0]);
    fixture.log(0, 1);
    let lines = fixture.lines(LOG);
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let wanted = [
        OURS,
        "no spike of idle-timeout aborts in our plays",
        "no spike of 413 in access.log",
        "no spike of idle-timeout aborts in access.log",
    ];
    assert_eq!(names, wanted);
    assert!(
        lines.iter().all(|line| line.holds() && line.age_s.is_some() && line.fresh_s == Some(86_400)),
        "{lines:#?}"
    );
    let ours = "0 of 200 responses in 2 plays, and 1 of 2800 responses in 28 plays on 14 days before";
    assert_eq!(lines[0].evidence, ours);
    assert_eq!(lines[2].age_s, Some(60));
    assert!(lines[2].evidence.ends_with("days before; covers 23 of 23 h"), "{}", lines[2].evidence);
}

#[test]
fn a_spike_is_no_go_until_somebody_explains_it() {
    let fixture = Fixture::played(NOON, [12, 14]);
    let spike = "26 of 200 responses in 2 plays, and 1 of 2800 responses in 28 plays on 14 days before: at least";
    let lines = fixture.lines("");
    let (answer, evidence) = told(&lines, OURS);
    assert!(answer == Verdict::Breached && evidence.starts_with(spike), "{evidence}");
    assert!(evidence.ends_with("times as often; a spike that nobody explains"), "{evidence}");
    fixture.attest(Some("1.4.1"));
    let lines = fixture.lines("");
    let (answer, evidence) = told(&lines, OURS);
    assert!(
        answer == Verdict::Breached && evidence.ends_with("(by Ann Example: attested for 1.4.1; this is 1.4.2)"),
        "{evidence}"
    );
    // What was written before the window explains nothing in it.
    fixture.attest_on("2026-11-20", Some("1.4.2"));
    let lines = fixture.lines("");
    let (answer, evidence) = told(&lines, OURS);
    let early = "(by Ann Example: attested on 2026-11-20, before the window began on 2026-11-21)";
    assert!(answer == Verdict::Breached && evidence.ends_with(early), "{evidence}");
    fixture.attest_on("2026-11-21", Some("1.4.2"));
    assert_eq!(told(&fixture.lines(""), OURS).0, Verdict::Met);
    fixture.attest(Some("1.4.2"));
    let lines = fixture.lines("");
    let own = lines.iter().find(|line| line.name == OURS).expect("a line");
    assert!(own.holds() && own.evidence.ends_with("; a spike, explained"), "{own:?}");
    assert_eq!((own.by.as_deref(), own.expires.as_deref()), (Some("Ann Example"), Some("2026-11-30")));
    // What explains 413 explains no other.
    let app = "no spike of 413 in the app";
    assert_eq!(told(&lines, app), (Verdict::NotEnoughData, "nobody asks the app's own media proxy"));
}

#[test]
fn one_bad_play_is_no_spike_and_not_its_absence() {
    let fixture = Fixture::played(NOON, [40, 1]);
    let lines = fixture.lines("");
    let (answer, evidence) = told(&lines, OURS);
    assert_eq!(answer, Verdict::NotEnoughData);
    assert!(evidence.starts_with("40 of 41 are of one play: play again, to see whether it repeats"), "{evidence}");
}

#[test]
fn the_apps_own_count_rings_where_our_plays_met_nothing() {
    let fixture = Fixture::played(NOON, [0, 0]);
    fixture.log(3, 40);
    let lines = fixture.lines(LOG);
    assert_eq!(told(&lines, "no spike of 413 in access.log").0, Verdict::Met);
    let (answer, evidence) = told(&lines, "no spike of idle-timeout aborts in access.log");
    assert!(answer == Verdict::Breached && evidence.starts_with("40 of 400 responses, and 14 of 5600"), "{evidence}");
}

#[test]
fn what_is_stale_unseen_or_a_lie_shows_nothing() {
    let fixture = Fixture::played(NOON, [0, 0]);
    let own = "no spike of 413 in access.log";
    let not_enough = |says: &str| {
        let lines = fixture.lines(LOG);
        let (answer, evidence) = told(&lines, own);
        assert!(answer == Verdict::NotEnoughData && evidence.contains(says), "{evidence}");
    };
    not_enough("No such file");
    fixture.write("access.log", "<html>Sign in</html>\n");
    not_enough("it is no log of a known kind");
    // It ended three days ago.
    fixture.log(0, 1);
    let text = std::fs::read_to_string(fixture.dir.path().join("access.log")).expect("reads");
    let old = |line: &&str| ["20/Nov", "21/Nov", "22/Nov", "2026/11/2"].iter().all(|day| !line.contains(day));
    fixture.write("access.log", &text.lines().filter(old).map(|line| format!("{line}\n")).collect::<String>());
    not_enough("the window needs 59 more responses");
    let line = fixture.lines(LOG).into_iter().find(|line| line.name == own).expect("a line");
    assert!(line.age_s.is_some_and(|age| age > 2 * 86_400), "{line:?}");
    // Logs of four days only.
    fixture.log(0, 1);
    let new = |line: &&str| (18..=22).any(|day| line.contains(&format!("{day}/Nov")));
    fixture.write("access.log", &text.lines().filter(new).map(|line| format!("{line}\n")).collect::<String>());
    not_enough("the baseline needs 4 more days with responses; ");

    // The window's first half is in a file that is not named.
    fixture.log(0, 1);
    let text = std::fs::read_to_string(fixture.dir.path().join("access.log")).expect("reads");
    let early = |line: &str| (0..8).any(|h| line.contains(&format!("22/Nov/2026:{h:02}")));
    let lost = |line: &&str| !line.contains("21/Nov") && !early(line);
    fixture.write("access.log", &text.lines().filter(lost).map(|line| format!("{line}\n")).collect::<String>());
    not_enough("parts of the window were not seen: 0 of ");

    // A version that nobody has played: what the log counts is another's.
    let before = "2026-11-21T12:00:00Z".parse().expect("a moment");
    let unseen = Fixture { until: before, ..Fixture::played(NOON, [0, 0]) };
    let lines = unseen.lines(LOG);
    assert!(lines.len() == 2 && lines.iter().all(|line| line.answer == Verdict::NotEnoughData), "{lines:?}");
    assert_eq!(lines[0].evidence, "no run of 1.4.2 in staging: what is counted may be another's");
}

/// A server of metrics: each time it is asked there are so many responses more.
fn metrics(more: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(AtomicU64::new(0));
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.expect("a connection");
            let _ = socket.read(&mut [0; 4096]).expect("a request");
            let n = asked.fetch_add(1, Relaxed) * more;
            let body = format!("responses_total{{status=\"206\"}} {n}\nresponses_total{{status=\"413\"}} 2\n");
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            socket.write_all((head + &body).as_bytes()).expect("sent");
        }
    });
    format!("http://{address}/metrics")
}

#[test]
fn a_look_at_counters_is_kept_until_there_is_another() {
    let now = Timestamp::now();
    let fixture = Fixture { until: now + SignedDuration::from_secs(60), ..Fixture::played(&now.to_string(), [0, 0]) };
    let url = metrics(500);
    let table = format!(
        "[[aborts.metrics]]\nurl = \"{url}\"\nresponses = \"responses_total\"\ntoo_large = 'responses_total{{status=\"413\"}}'\n"
    );
    let own = "no spike of 413 in the metrics of 127.0.0.1";
    let first = fixture.lines(&table);
    let (answer, evidence) = told(&first, own);
    assert_eq!(answer, Verdict::NotEnoughData);
    assert!(evidence.contains("the first is kept now"), "{evidence}");
    let second = fixture.lines(&table);
    // The window has responses now; the days before have none yet.
    let (_, evidence) = told(&second, own);
    assert_eq!(evidence, "the baseline needs 7 more days with responses; 0 of 500 responses, 0 days before");
    let mut history = History::open(&fixture.history()).expect("opens");
    let signal = format!("{url} responses_total");
    let kept = history.readings("player", "staging", &signal, 0).expect("reads");
    assert_eq!(kept.iter().map(|r| r.value).collect::<Vec<_>>(), [2.0, 502.0]);
}

#[test]
fn the_shipped_file_says_what_is_missing() {
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_soundcheck"))
        .args(["gate", "ci/release.toml", "--app-version", "0.1.0", "--json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("SOUNDCHECK_HISTORY", "none")
        .output()
        .expect("soundcheck starts");
    let told: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let lines = told["lines"].as_array().expect("lines");
    assert_eq!(lines.iter().filter(|line| line["id"] == "P5.4").count(), 2, "{told:#}");
}
