//! Sources as they are, and sources that lie.

use super::span::Tally;
use super::*;
use crate::stats::spike::{self, Spike};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::Duration;

const HOUR: i64 = 3_600_000;
const DAY: Duration = Duration::from_secs(86_400);

fn at(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

/// The last day before noon, and the fortnight before it.
fn span() -> Span {
    Span::new(TimeZone::UTC, at("2026-11-22T12:00:00Z"), DAY, 14, None)
}

fn days(span: &Span) -> Vec<String> {
    span.days().map(|d| d.to_string()).collect()
}

fn nowhere(_: &str) -> Result<String, String> {
    Err("nothing is asked".to_owned())
}

fn log(settings: &str) -> Log {
    toml::from_str(settings).expect("settings")
}

/// A log of these lines, one file each text.
fn told(texts: &[&str], settings: &str, span: &Span) -> Result<Told> {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |(n, text): (usize, &&str)| {
        let path = dir.path().join(format!("access.log.{n}"));
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let files: Vec<String> = texts.iter().enumerate().map(write).collect();
    let told = log(&format!("files = {files:?}\n{settings}")).ask(span, &mut nowhere);
    // A path that differs each time is no good to compare.
    let here = format!("{}/", dir.path().display());
    told.map(|mut t| {
        t.notes.iter_mut().for_each(|note| *note = note.replace(&here, ""));
        t
    })
    .map_err(|e| Error::operator(e.what().replace(&here, "")))
}

use crate::error::Error;

const BOTH: &str = "response = \"/api/video-proxy\"\nidle = \"upstream timed out\"";

fn access(day: u32, hour: u32, status: u16) -> String {
    format!(
        "10.0.0.{hour} - - [{day:02}/Nov/2026:{hour:02}:00:00 +0000] \"GET /api/video-proxy?url=x HTTP/1.1\" {status} 512 \"-\" \"Firefox\"\n"
    )
}

fn counted(told: &Told, abort: Abort) -> (u64, Option<u64>, usize) {
    let (_, counts) = told.counts.iter().find(|(own, _)| *own == abort).expect("counted");
    (counts.now.events, counts.now.of, counts.days.len())
}

#[test]
fn a_window_is_never_judged_against_itself() {
    assert_eq!(days(&span()).first().map(String::as_str), Some("2026-11-07"));
    assert_eq!(days(&span()).last().map(String::as_str), Some("2026-11-20"), "of the 21st a part is in the window");
    let zone = || TimeZone::get("Europe/Berlin").expect("a zone");
    let new = |until, since: Option<&str>| Span::new(zone(), at(until), DAY, 3, since.map(|s| at(s).as_millisecond()));
    // Up to midnight there, the day before ends with the window's begin.
    assert_eq!(days(&new("2026-11-21T23:00:00Z", None)), ["2026-11-18", "2026-11-19", "2026-11-20"]);
    assert_eq!(days(&new("2026-11-21T22:59:59Z", None)), ["2026-11-17", "2026-11-18", "2026-11-19"]);
    let early = new("2026-11-21T23:00:00Z", Some("2026-11-12T10:00:00Z"));
    assert_eq!(days(&early), ["2026-11-09", "2026-11-10", "2026-11-11"]);
    assert_eq!(early.from(), at("2026-11-20T23:00:00Z").as_millisecond());
    let late = new("2026-11-21T23:00:00Z", Some("2026-11-21T20:00:00Z"));
    assert_eq!(late.from(), at("2026-11-21T20:00:00Z").as_millisecond());
    assert_eq!(days(&late), ["2026-11-18", "2026-11-19", "2026-11-20"]);
    // The clocks go back: a day of 25 hours.
    let long = Span::new(zone(), at("2026-10-26T23:00:00Z"), DAY, 1, None);
    let counts = Tally::new(&long).counts(false, (i64::MIN / 2, i64::MAX / 2));
    assert_eq!(counts.days.iter().map(|(_, c)| c.hours).collect::<Vec<_>>(), [25.0]);
}

#[test]
fn lines_of_every_kind_are_counted_by_their_own_stamp() {
    let lines = [
        access(22, 3, 206),
        access(22, 4, 413),
        access(22, 5, 413).replace("/api/video-proxy?url=x", "/api/upload"),
        access(22, 6, 206)
            .replace("\"-\"", "\"https://app.example/api/video-proxy\"")
            .replace("GET /api/video-proxy", "GET /x"),
        access(15, 9, 413).replace("?url=x", "?url=\\\"q\\\" 200 "),
        // In Kolkata it is the 22nd, here still the 21st at 11:00: an hour before the window, and in no whole day.
        access(21, 16, 413).replace("16:00:00 +0000", "16:30:00 +0530"),
        "{\"time\":\"2026-11-22T07:00:00+01:00\",\"status\":\"413\",\"uri\":\"/api/video-proxy\"}\n".to_owned(),
        "{\"ts\":1795348799.5,\"request\":{\"uri\":\"/api/video-proxy\"},\"status\":200}\n".to_owned(),
        "{\"timestamp\":1795300000000,\"fields\":{\"path\":\"/api/video-proxy\",\"status\":206}}\n".to_owned(),
        "2026/11/22 09:00:00 [error] 7#7: *9 upstream timed out (110: Connection timed out) while reading upstream\n"
            .to_owned(),
        "2026-11-22T10:00:00.123456Z  WARN proxy: upstream timed out\n".to_owned(),
    ];
    let told = told(&[&lines.concat()], &format!("{BOTH}\nzone = \"America/New_York\""), &span()).expect("reads");
    assert_eq!(counted(&told, Abort::TooLarge), (2, Some(5), 1));
    // New York is five hours behind: the stamp without a zone is of 14:00, after the end.
    assert_eq!(counted(&told, Abort::Idle), (1, Some(5), 1));
    assert_eq!(told.newest, Some(at("2026-11-22T11:59:59.500Z").as_millisecond()));
    assert_eq!(told.notes, ["1 lines are stamped later than the end and were left out"]);
}

#[test]
fn a_status_is_the_responses_own_or_none() {
    let now = |text: &str| {
        let told = told(&[&format!("{text}\n{}", access(22, 1, 206))], BOTH, &span()).expect("reads");
        (counted(&told, Abort::TooLarge).0, counted(&told, Abort::TooLarge).1, told.notes)
    };
    let json = |more: &str| now(&format!("{{\"ts\":1795340000,\"msg\":\"/api/video-proxy\",{more}}}"));
    assert_eq!(json("\"code\":200,\"response\":{\"status\":413}"), (1, Some(2), vec![]));
    assert_eq!(json("\"code\":200,\"a\":{\"b\":[{\"status\":\"413\"}]},\"status\":\"ok\""), (1, Some(2), vec![]));
    assert_eq!(json("\"code\":413"), (1, Some(2), vec![]));
    for two in ["\"status\":200,\"response\":{\"status\":413}", "\"code\":200,\"response\":{\"statusCode\":413}"] {
        let (events, of, notes) = json(two);
        assert_eq!((events, of), (0, Some(1)), "{two}");
        assert!(notes[0].starts_with("1 of 2 lines cannot be read"), "{notes:?}");
    }
    let access = |request: &str| {
        now(&format!("1 - - [22/Nov/2026:03:00:00 +0000] \"GET /api/video-proxy?x={request} HTTP/1.1\" 413 0"))
    };
    assert_eq!(access("\\\" 206 7").0, 1);
    assert_eq!(access("\\\\").0, 1);
}

#[test]
fn order_rotation_and_doubles_change_nothing() {
    let all: Vec<String> =
        (8..=22).flat_map(|day| (0..11).map(move |h| access(day, h, if h == 3 { 413 } else { 206 }))).collect();
    let whole = told(&[&all.concat()], BOTH, &span()).expect("reads");
    assert_eq!(counted(&whole, Abort::TooLarge), (1, Some(11), 13));
    let mut turned = all.clone();
    turned.reverse();
    let (old, new) = all.split_at(80);
    // The newer file begins with a part of the older one, as a copy does that is cut short later.
    let overlapping = [&old[60..], new].concat().concat();
    for texts in [vec![turned.concat()], vec![old.concat(), new.concat()], vec![overlapping, old.concat()]] {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let again = told(&texts, BOTH, &span()).expect("reads");
        assert_eq!((again.counts, again.newest), (whole.counts.clone(), whole.newest));
    }
    // Twice in one file they are two.
    let twice = told(&[&(all.concat() + &all.concat())], BOTH, &span()).expect("reads");
    assert_eq!(counted(&twice, Abort::TooLarge), (2, Some(22), 13));
}

#[test]
fn packed_files_are_read_and_cut_ones_are_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("access.log.1.gz");
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    (8..=22).for_each(|day| packer.write_all(access(day, 3, 413).as_bytes()).expect("packs"));
    let packed = packer.finish().expect("packs");
    let ask = |octets: &[u8]| {
        std::fs::write(&path, octets).expect("written");
        log(&format!("files = [{:?}]\n{BOTH}", path.display().to_string())).ask(&span(), &mut nowhere)
    };
    assert_eq!(counted(&ask(&packed).expect("reads"), Abort::TooLarge), (1, Some(1), 13));
    let cut = ask(&packed[..packed.len() - 9]).expect_err("cut");
    assert!(cut.what().contains("access.log.1.gz: ") && cut.what().contains("after line"), "{cut}");
}

#[test]
fn a_silence_longer_than_any_before_is_a_part_that_is_missing() {
    let hours = |missing: std::ops::Range<u32>| -> String {
        let all = (7..=22).flat_map(|day| (0..24).map(move |h| (day, h)));
        let nights = all.filter(|(_, h)| !(1..5).contains(h));
        let seen = nights.filter(|(day, h)| (*day, *h) < (22, 12) && !(*day == 21 && missing.contains(h)));
        seen.map(|(day, h)| access(day, h, 206)).collect()
    };
    let covers = |missing| told(&[&hours(missing)], BOTH, &span()).expect("reads").covers;
    // A night's silence is as every night's.
    assert_eq!(covers(0..0), Some(24.0));
    assert_eq!(covers(15..19), Some(24.0));
    assert_eq!(covers(13..23), Some(14.0));
    // Only the window's last hour is there: the file before it was not named.
    let cut: String = hours(12..24)
        .lines()
        .filter(|l| !l.contains("22/Nov") || l.contains(":11:"))
        .fold(String::new(), |all, l| all + l + "\n");
    assert_eq!(told(&[&cut], BOTH, &span()).expect("reads").covers, Some(1.0));
}

#[test]
fn a_log_that_lies_is_no_quiet_log() {
    let why = |text: &str| told(&[text], BOTH, &span()).expect_err("no log").what().to_owned();
    assert_eq!(why(""), "access.log.0: there is no line in it");
    assert_eq!(
        why("<html>\n<body>Sign in</body>\n"),
        "access.log.0: no line of it has a time: it is no log of a known kind"
    );
    assert!(why(&"x".repeat(200_000)).contains("no line of it has a time"));
    assert_eq!(why(&access(23, 1, 206)), "access.log.0: all of its lines are of later");
    let mostly = format!("{}{}", access(22, 1, 413), "at Stack.trace (x.js:1)\n".repeat(3));
    assert_eq!(why(&mostly), "access.log.0: 3 of 4 lines cannot be read, access.log.0:2 first");
    let missing = log("files = [\"/nowhere/access.log\"]").ask(&span(), &mut nowhere).expect_err("none");
    assert!(missing.what().starts_with("/nowhere/access.log: No such file"), "{missing}");
    let folder = log("files = [\"/\"]").ask(&span(), &mut nowhere).expect_err("none");
    assert_eq!(folder.what(), "/: no regular file");
    let url = log("files = [\"https://logs.example/x\"]").ask(&span(), &mut nowhere).expect_err("none");
    assert_eq!(url.what(), "nothing is asked");

    // Half readable is read, and said; what ended three days ago has that age.
    let some = format!("{}{}{}torn li\n", access(19, 1, 206), access(19, 2, 206), access(18, 2, 206));
    let told = told(&[&some], BOTH, &span()).expect("reads");
    assert_eq!(told.newest, Some(at("2026-11-19T02:00:00Z").as_millisecond()));
    assert_eq!(told.notes, ["1 of 4 lines cannot be read and were left out, access.log.0:4 first",]);
    // A pattern that nothing ever matched is as likely wrong as the app is well, unless somebody says so.
    let lacking = told.lacks.iter().find(|own| own.abort == Some(Abort::Idle)).expect("lacking");
    assert_eq!(lacking.what, "no line in all of it holds `upstream timed out`");
    let quiet = super::tests::told(&[&some], &format!("{BOTH}\nidle_seen = false"), &span()).expect("reads");
    assert!(quiet.lacks.iter().all(|own| own.abort.is_none()));
    assert_eq!(quiet.notes.last(), Some(&lacking.what));
    assert_eq!(counted(&told, Abort::TooLarge), (0, Some(0), 2));
}

#[test]
fn what_is_unread_or_ahead_may_be_the_aborts() {
    let lines = |n: u32| (0..n).map(|m| access(22, 3, 206).replace("512", &m.to_string())).collect::<String>();
    let idle = "2026/11/22 09:00:00 [error] upstream timed out\n";
    let lacks = |text: &str| {
        let told = told(&[text], BOTH, &span()).expect("reads");
        told.lacks.into_iter().map(|own| own.what).collect::<Vec<_>>()
    };
    assert!(lacks(&format!("{}{idle}torn li\n", lines(98))).is_empty());
    assert_eq!(lacks(&format!("{}{idle}torn li\ntorn again\n", lines(98))), ["2 of 101 lines cannot be read"]);
    // Few of a long log, and yet enough for a spike.
    let undated = |n: usize| format!("{}{idle}{}", lines(900), "\"GET /api/video-proxy\" 413\n".repeat(n));
    assert!(lacks(&undated(4)).is_empty());
    assert_eq!(lacks(&undated(5)), ["5 of 906 lines cannot be read"]);
    // What was written after the moment asked about is no wonder; what will be is.
    let after = |year| format!("{}{idle}{}", lines(98), access(22, 13, 413).replace("2026", year));
    assert!(lacks(&after("2026")).is_empty());
    assert_eq!(lacks(&after("2997")), ["1 lines are stamped later than now"]);
}

#[test]
fn a_log_without_responses_covers_the_time_between_its_lines() {
    let line = |day: u32, hour: u32| format!("2026-11-{day:02}T{hour:02}:00:00Z upstream timed out\n");
    let text = line(9, 12) + &line(12, 1) + &line(22, 6);
    let told = told(&[&text], "idle = \"timed out\"", &span()).expect("reads");
    let [(Abort::Idle, counts)] = told.counts.as_slice() else { panic!("{told:?}") };
    assert_eq!((counts.now.events, counts.now.of, counts.now.hours), (1, None, 18.0));
    let hours: Vec<f64> = counts.days.iter().map(|(_, c)| c.hours).collect();
    assert_eq!((hours.len(), hours[0], hours[1], hours[11]), (12, 12.0, 24.0, 24.0));
}

/// A server of the query API: `of` gives each counter's increase in an hour, by the hour's end in milliseconds.
fn server(of: impl Fn(&str, i64) -> Value) -> impl FnMut(&str) -> Result<String, String> {
    move |url| {
        let url = url::Url::parse(url).expect("a URL");
        let asked = |key: &str| url.query_pairs().find(|(k, _)| k == key).map(|(_, v)| v.to_string());
        let query = asked("query").expect("a query");
        let ms = |key: &str| (asked(key).expect("a moment").parse::<f64>().expect("a number") * 1000.0) as i64;
        let point = |t: i64| json!([t as f64 / 1000.0, of(&query, t)]);
        let series = if url.path().ends_with("query_range") {
            let points: Vec<Value> =
                (ms("start")..=ms("end")).step_by(HOUR as usize).map(point).filter(|p| !p[1].is_null()).collect();
            (!points.is_empty()).then(|| json!({ "metric": {}, "values": points }))
        } else {
            Some(point(ms("time"))).filter(|p| !p[1].is_null()).map(|p| json!({ "metric": {}, "value": p }))
        };
        let result: Vec<Value> = series.into_iter().collect();
        Ok(json!({ "status": "success", "data": { "resultType": "matrix", "result": result } }).to_string())
    }
}

const COUNTERS: &str = "url = \"http://prometheus:9090/\"\nresponses = \"proxy_total\"\n\
                        too_large = 'proxy_total{status=\"413\"}'\nidle = \"aborts_total\"";

fn prometheus(get: impl FnMut(&str) -> Result<String, String>) -> Result<Told> {
    let mut get = get;
    let promql: Promql = toml::from_str(COUNTERS).expect("settings");
    promql.ask(&span(), &mut get)
}

#[test]
fn counters_are_asked_for_by_the_hour_and_the_window() {
    let window = span().until();
    let told = prometheus(server(|query, t| match query {
        q if q.starts_with("max(timestamp") => json!("1795348790.25"),
        q if q.contains("{status") && q.contains("86400s") => json!("12.4"),
        q if q.contains("{status") => Value::Null,
        q if q.contains("aborts") => json!(if t == window { "2" } else { "0.1" }),
        q if q.contains("86400s") => json!("2400"),
        _ => json!("100.25"),
    }))
    .expect("answers");
    assert_eq!(counted(&told, Abort::TooLarge), (12, Some(2400), 14));
    assert_eq!(counted(&told, Abort::Idle), (2, Some(2400), 14));
    let (_, idle) = &told.counts[1];
    assert!(idle.days.iter().all(|(_, day)| (day.events, day.of) == (2, Some(2406))), "{idle:?}");
    assert_eq!((told.newest, told.notes.len()), (Some(1_795_348_790_250), 0));
    let days: Vec<_> = told.counts[0].1.days.iter().map(|(_, c)| *c).collect();
    assert!(matches!(spike::judge(&told.counts[0].1.now, &days), Spike::Yes(_)));
}

#[test]
fn a_server_that_lies_is_not_believed() {
    let why = |get: &mut dyn FnMut(&str) -> Result<String, String>| {
        let refused = prometheus(get).expect_err("a lie");
        let told = refused.what().to_owned();
        told.strip_prefix("http://prometheus:9090: ").map(str::to_owned).unwrap_or(told)
    };
    let says = |text: &'static str| move |_: &str| Ok(text.to_owned());
    assert!(why(&mut says("<html>Sign in</html>")).starts_with("what it says is no answer of the query API"));
    assert!(
        why(&mut says("{\"status\":\"success\",\"data\":{\"result\":[{\"val")).starts_with("what it says is no answer")
    );
    assert!(why(&mut says("[]")).starts_with("what it says is no answer"));
    assert_eq!(why(&mut says("{\"status\":\"error\",\"error\":\"bad query\"}")), "it answered error: bad query");
    assert_eq!(why(&mut says("{\"status\":\"success\"}")), "it answered success: ");
    assert_eq!(why(&mut |_| Err("it answered 500".to_owned())), "it answered 500");
    assert_eq!(why(&mut server(|_, _| Value::Null)), "it has nothing of `proxy_total` in all the time asked about");
    let two = "{\"status\":\"success\",\"data\":{\"result\":[{\"value\":[1,\"1\"]},{\"value\":[1,\"1\"]}]}}";
    assert_eq!(why(&mut says(two)), "it answered a sum with more than one series");
    assert!(why(&mut server(|_, _| json!("-3"))).contains("is -3: that is no increase of a counter"));
    assert!(why(&mut server(|_, _| json!("+Inf"))).contains("is +Inf: that is no number"));
    assert!(why(&mut server(|q, _| json!(if q.contains("1h") { "-3" } else { "3" }))).contains("it is no counter"));
    // A name it does not know is not nought; nor is one that it knows with other labels.
    let unknown = |q: &str, _: i64| if q.contains("aborts") { Value::Null } else { json!("100") };
    assert_eq!(why(&mut server(unknown)), "it knows no counter `aborts_total`");
    let typo = |q: &str, _: i64| if q.contains("{status") { Value::Null } else { json!("1795348700") };
    let told = prometheus(server(typo)).expect("answers");
    let [lacking] = told.lacks.as_slice() else { panic!("{told:?}") };
    assert_eq!(lacking.abort, Some(Abort::TooLarge));
    assert_eq!(lacking.what, "`proxy_total{status=\"413\"}` has never been seen: is its label right?");
    // Points of another time than was asked for: its clock jumped, or it is another server's answer.
    let mut shifted = server(|_, _| json!("5"));
    let mut shifted = move |url: &str| shifted(&url.replace("start=1794013", "start=1793913"));
    assert!(why(&mut shifted).starts_with("its points are not those"), "{}", why(&mut shifted));
    // An answer of some of its stores is none of all.
    for (says, told) in [
        ("\"warnings\":[\"store A\\nis down\"]", "it warns: store A\\nis down"),
        ("\"isPartial\":true", "it warns: the answer is partial"),
    ] {
        let mut whole = server(|_, _| json!("1795348700"));
        let partial = prometheus(move |url| Ok(whole(url)?.replacen('{', &format!("{{{says},"), 1))).expect("answers");
        let [lacking] = partial.lacks.as_slice() else { panic!("{partial:?}") };
        assert_eq!((lacking.abort, lacking.what.as_str()), (None, format!("http://prometheus:9090: {told}").as_str()));
    }
    // Hours that are no numbers are no hours.
    let nan =
        prometheus(server(|q, t| json!(if q.contains("1h") && t % (24 * HOUR) == 0 { "NaN" } else { "1795348700" })))
            .expect("the rest is good");
    assert_eq!(nan.notes[0], "14 hours of `proxy_total` are no numbers and were left out");
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let wrong = |text: &str| toml::from_str::<Promql>(text).expect_err("wrong").message().to_owned();
    let with = |counter: &str| wrong(&format!("url = \"http://p\"\nresponses = '{counter}'"));
    assert_eq!(with("sum(x)"), "`sum(x)` is no counter: write name or name{label=\"value\"}");
    assert!(with("").contains("is no counter") && with("a{b=\"c\"").contains("is no counter"));
    let zone = toml::from_str::<Log>("files = []\nzone = \"Berlin\"").expect_err("wrong");
    assert_eq!(zone.message(), "`Berlin` is no time zone: write a name such as Europe/Berlin");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[\\x00-\\x7fé{}\\[\\]\":/ 0-9\n]{0,400}", settings in 0..2) {
        let settings = [BOTH, "idle = \"a\""][settings as usize];
        if let Ok(told) = told(&[&text], settings, &span()) {
            prop_assert!(told.newest.is_some_and(|ms| ms < span().until()));
        }
    }

    #[test]
    fn every_moment_has_one_place(until in 1_700_000_000_000_i64..1_900_000_000_000, back in -50_i64..1000, window in 1_u64..200, days in 1_usize..40) {
        let until = Timestamp::from_millisecond(until).expect("a moment");
        let span = Span::new(TimeZone::get("Europe/Berlin").expect("a zone"), until, Duration::from_secs(window * 3600), days, None);
        let ms = until.as_millisecond() - back * HOUR;
        let hours = back as u64;
        match span.place(ms) {
            Place::Later => prop_assert!(back <= 0),
            Place::Now => prop_assert!(back > 0 && hours <= window),
            Place::Day(n) => prop_assert!(n < days && hours > window),
            Place::Elsewhere => prop_assert!(hours > window),
        }
        prop_assert_eq!(span.days().count(), days);
        prop_assert!(span.earliest() <= span.from());
    }
}

const METRICS: &str = "# HELP proxy_total Answers.\n# TYPE proxy_total counter\n\
    proxy_total{status=\"206\",host=\"a\\\"b\\\\c\\n\"} 100\nproxy_total{status=\"413\"} 3 1795348800000\n\
    aborts_total 2e1 # {trace_id=\"x\"} 1\n\nother NaN\n# EOF\n";

fn scrape(more: &str) -> Scrape {
    let text = format!(
        "url = \"http://app/metrics\"\nresponses = \"proxy_total\"\ntoo_large = 'proxy_total{{status=\"413\"}}'\n{more}"
    );
    toml::from_str(&text).expect("settings")
}

#[test]
fn metrics_are_read_as_they_are_written() {
    let read = |scrape: &Scrape, text: &str| {
        let values = scrape.read(7, &mut |_| Ok(text.to_owned()));
        values.map(|all| all.into_iter().map(|r| r.value).collect::<Vec<_>>()).map_err(|e| e.what().to_owned())
    };
    assert_eq!(read(&scrape("idle = 'aborts_total{}'"), METRICS).expect("reads"), [103.0, 3.0, 20.0]);
    assert_eq!(read(&scrape("idle = 'aborts_total{why=\"idle\"}'"), METRICS).expect("reads"), [103.0, 3.0]);
    assert_eq!(read(&scrape("idle = 'proxy_total{status!=\"206\", host=\"\"}'"), METRICS).expect("reads")[2], 3.0);
    let why = |idle: &str, text: &str| read(&scrape(&format!("idle = '{idle}'")), text).expect_err("wrong");
    assert_eq!(why("abort_total", METRICS), "http://app/metrics: it has no counter `abort_total`");
    assert_eq!(why("other", METRICS), "http://app/metrics: `other` is NaN: it is no counter");
    assert_eq!(
        why("aborts_total", &METRICS.replace("2e1", "-4")),
        "http://app/metrics: `aborts_total` is -4: it is no counter"
    );
    assert_eq!(
        why("aborts_total", &METRICS.replace("2e1", "+Inf")),
        "http://app/metrics: `aborts_total` is inf: it is no counter"
    );
    assert_eq!(why("aborts_total", "<html>\n"), "http://app/metrics: line 1 is no sample of a metric");
    assert_eq!(why("aborts_total", &METRICS[..150]), "http://app/metrics: line 5 is no sample of a metric");
    assert_eq!(why("aborts_total", ""), "http://app/metrics: it has no counter `proxy_total`");
    let wrong = toml::from_str::<Scrape>("url = \"http://app\"\nresponses = 'a{b=~\"c\"}'").expect_err("wrong");
    assert!(wrong.message().contains("is no counter: write name or name{label=\"value\"}"), "{wrong}");
}

#[test]
fn what_happened_is_between_two_readings() {
    let scrape = scrape("");
    let [of, events] = [0, 1].map(|n| scrape.signals()[n].clone());
    let mut readings = Vec::new();
    let mut look = |moment: &str, responses: f64, too_large: f64| {
        let at = at(moment).as_millisecond();
        readings.push(Reading { signal: of.clone(), at, value: responses });
        readings.push(Reading { signal: events.clone(), at, value: too_large });
    };
    look("2026-11-18T02:00:00Z", 500.0, 3.0);
    look("2026-11-19T02:00:00Z", 900.0, 4.0);
    // It began anew, and counted 70 since, or more.
    look("2026-11-20T02:00:00Z", 70.0, 1.0);
    look("2026-11-20T20:00:00Z", 170.0, 1.0);
    // This reaches from before the window into it.
    look("2026-11-21T14:00:00Z", 400.0, 9.0);
    look("2026-11-22T02:00:00Z", 500.0, 11.0);
    look("2026-11-22T11:00:00Z", 560.0, 11.0);
    // A clock that is wrong.
    look("2026-12-22T11:00:00Z", 9000.0, 900.0);
    let told = scrape.told(&span(), &readings);
    let [(Abort::TooLarge, counts)] = told.counts.as_slice() else { panic!("{told:?}") };
    assert_eq!((counts.now.events, counts.now.of, counts.now.hours), (2, Some(160), 21.0));
    let days: Vec<_> = counts.days.iter().map(|(day, c)| (day.to_string(), c.events, c.of)).collect();
    assert_eq!(days, [("2026-11-19".to_owned(), 1, Some(400)), ("2026-11-20".to_owned(), 1, Some(170))]);
    assert_eq!(told.covers, Some(21.0));
    assert_eq!(told.newest, Some(at("2026-11-22T11:00:00Z").as_millisecond()));
    readings.reverse();
    assert_eq!(scrape.told(&span(), &readings), told);

    assert!(told.lacks.is_empty());
    // The label is there no more, or never was: nobody knows what would have been counted.
    let gone: Vec<_> = readings.iter().filter(|r| r.signal == of || r.at < span().from()).cloned().collect();
    let told = scrape.told(&span(), &gone);
    assert_eq!(told.lacks, [Lacking::unseen(Abort::TooLarge, "proxy_total{status=\"413\"}")]);

    let first = scrape.told(&span(), &readings[readings.len() - 2..]);
    assert_eq!(first.notes, ["a counter tells what happened between two readings: the first is kept now"]);
    assert!(matches!(spike::judge(&first.counts[0].1.now, &[]), Spike::NotEnough(_)));
}
