//! Playback in real browsers: a video that stands still, or ends too soon, is noticed whatever the browser says of it,
//! and one that plays, or is paused, is not.

mod common;

use common::{BROWSERS, Play, ending, in_turns};
use serde_json::Value;

/// The stage's VP9 clip of 30 s, over and over, never in the document; watched for so long.
fn film(stay: &str, profile: Option<&str>) -> Play {
    let mut play = Play::on_stage(&[]);
    let shown = "\"start the video\" = [{ click = \"button[name=video]\" }]";
    let vp9 = "\"start the video\" = [{ select = \"select[name=preset]\", option = \"film-vp9\" }]\n\
               \"pause the film\" = [{ script = \"s0.src.pause(); setTimeout(() => s0.src.play(), 2000)\" }]";
    assert!(play.app.contains(shown));
    play.app = play.app.replace(shown, vp9);
    play.journey = format!(
        "question = \"Does it play on?\"\n[[step]]\ndo = \"open the player\"\nexpect = \"the page\"\n[[step]]\n\
         do = \"start the video\"\nexpect = \"first video frame\"\nstay = \"{stay}\"\n"
    );
    if let Some(profile) = profile {
        let text = format!("question = \"?\"\nsource = \"derived\"\n{profile}");
        std::fs::write(play.dir.path().join("net.toml"), text).expect("written");
        play.extra = "profiles = [\"net.toml\"]\n".to_owned();
    }
    play
}

/// The same clip once, as a `<video>` in the page. Nothing is expected of the step: what is noticed is the playback's.
fn plain(stay: &str, profile: &str) -> Play {
    let mut play = film(stay, Some(profile));
    let at = play.app.find("\"start the video\"").expect("the word");
    let words = "\"start the video\" = [{ script = \"window.film = document.createElement('video'); film.muted = true; \
                 film.src = '/media/vp9.webm'; document.body.prepend(film); film.play()\" }]\n\
                 \"go on at 20 s\" = [{ script = \"film.currentTime = 20\" }]\n";
    let end = at + play.app[at..].find('\n').expect("a line");
    play.app.replace_range(at..=end, words);
    play.journey = play.journey.replace("expect = \"first video frame\"\n", "");
    play
}

fn named<'e>(events: &'e [Value], name: &str) -> Vec<&'e Value> {
    events.iter().filter(|e| e["event"] == name).collect()
}

fn number(event: &Value, field: &str) -> f64 {
    event[field].as_f64().unwrap_or(f64::NAN)
}

/// Stalls that a viewer remembers; a busy machine may make short ones.
fn stalls(events: &[Value]) -> Vec<&Value> {
    named(events, "playback_stall").into_iter().filter(|e| number(e, "ms") > 1500.0).collect()
}

#[test]
fn a_film_that_plays_and_is_paused_is_no_stall() {
    for browser in in_turns(0) {
        // One number a second is read here, and in the next step none for sure: reading is dear.
        let mut play = film("5s", None);
        play.journey.push_str("[[step]]\ndo = \"pause the film\"\nstay = \"5s\"\n");
        let (verdict, _) = play.run(browser);
        assert_eq!(ending(&verdict).0, "passed", "{browser}: {verdict:#}");
        let events = play.events();
        assert!(stalls(&events).is_empty(), "{browser}: {:?}", stalls(&events));
        assert!(named(&events, "playback_end").iter().all(|e| e["premature"] == false), "{browser}");
        assert_eq!(named(&events, "playback_start").len(), 1, "{browser}");
        let [summary] = named(&events, "playback_summary")[..] else { panic!("{browser}: one film, one summary") };
        // 5 s and 5 s watched, 2 s of them paused.
        assert!((7000.0..11500.0).contains(&number(summary, "watched_ms")), "{browser}: {summary}");
        assert!(number(summary, "frames") > 60.0, "{browser}: {summary}");
        let numbers = named(&events, "picture_number");
        assert!(numbers.len() > 4, "{browser}: read in what the visualizer draws: {numbers:?}");
        assert!(numbers.iter().all(|e| e["ok"] == true && e["from"] == "canvas"), "{browser}: {numbers:?}");
        assert!(summary["media_url_hash"].is_string() && summary["source"] == "monitor", "{browser}: {summary}");
        let objectives = verdict["objectives"].as_array().expect("objectives");
        let rate = objectives.iter().find(|o| o["name"] == "video.stalls").expect("P1.19");
        assert_eq!((&rate["verdict"], &rate["samples"]), (&"not enough data".into(), &1.into()), "{browser}: {rate}");
    }
}

#[test]
fn the_number_in_the_picture_is_read_on_the_screen() {
    for browser in in_turns(1) {
        let mut play = Play::on_stage(&[]).journey("film");
        play.journey = play.journey.replace("stay = \"15s\"", "stay = \"4s\"");
        let (verdict, _) = play.run(browser);
        assert_eq!(ending(&verdict).0, "passed", "{browser}: {verdict:#}");
        let events = play.events();
        let [number] = named(&events, "picture_number")[..] else { panic!("{browser}: one picture of the film") };
        assert_eq!((&number["ok"], &number["from"]), (&true.into(), &"screen".into()), "{browser}: {number}");
        assert!(number["number"].as_u64().is_some_and(|n| (90..240).contains(&n)), "{browser}: {number}");
    }
}

const GAP: &str = r#"
[[fault]]
do = "gap"
at = "600 kB"
lasts = "11s"
match = { resource = "media" }
[[expect]]
outcome = "plays"
recovers = "15s"
"#;

#[test]
fn a_gap_is_one_stall_with_its_start_and_its_end() {
    for browser in in_turns(1) {
        let play = film("13s", Some(GAP));
        let (verdict, _) = play.run(browser);
        assert_eq!(ending(&verdict).0, "passed", "{browser}: {verdict:#}");
        let events = play.events();
        let [stall] = stalls(&events)[..] else { panic!("{browser}: {:?}", stalls(&events)) };
        let applied = named(&events, "fault_applied");
        let gap_end = number(applied[0], "t_ms") + 11_000.0;
        let (start, end) = (number(stall, "start_ms"), number(stall, "end_ms"));
        assert_eq!(stall["recovered"], true, "{browser}: {stall}");
        assert!((end - start - number(stall, "ms")).abs() < 1.0, "{browser}: {stall}");
        // Its length is what the buffer left of the gap; it cannot end before bytes come again.
        assert!(
            start > gap_end - 11_000.0 && (-300.0..4000.0).contains(&(end - gap_end)),
            "{browser}: {stall} {gap_end}"
        );
        assert!((1.0..7.0).contains(&number(stall, "position_s")), "{browser}: {stall}");
    }
}

#[test]
fn a_stall_without_end_is_a_silent_failure_in_both_browsers() {
    let profile = r#"
[[fault]]
do = "stall"
at = "600 kB"
match = { resource = "media" }
[[expect]]
outcome = "plays"
recovers = "4s"
"#;
    for browser in BROWSERS {
        let (verdict, done) = film("8s", Some(profile)).run(browser);
        let (ending, reason) = ending(&verdict);
        assert_eq!((ending.as_str(), done.status.code()), ("failed", Some(1)), "{browser}: {verdict:#}");
        assert!(
            reason.contains("the video stood still for") && reason.contains("silent: no error"),
            "{browser}: {reason}"
        );
    }
}

#[test]
fn a_truncated_film_ends_too_soon() {
    let profile = r#"
[[fault]]
do = "truncate"
at = "20 %"
match = { resource = "media" }
[[expect]]
outcome = "fails"
reason = "premature end"
"#;
    for browser in in_turns(0) {
        for (reason, play) in [("looped", film("8s", Some(profile))), ("ended", plain("8s", profile))] {
            let (verdict, _) = play.run(browser);
            assert_eq!(ending(&verdict).0, "passed", "{browser}, {reason}: {verdict:#}");
            let events = play.events();
            let ends = named(&events, "playback_end");
            let end = ends.iter().find(|e| e["premature"] == true).expect("told");
            assert_eq!(end["reason"], reason, "{browser}: {end}");
            assert!(number(end, "missing_s") > 15.0 && number(end, "position_s") < 10.0, "{browser}: {end}");
        }
    }
}

#[test]
fn a_seek_that_lands_elsewhere_is_noticed() {
    let profile = r#"
[[fault]]
do = "range_ignored"
match = { resource = "media" }
[[expect]]
browser = "chromium"
outcome = "fails"
reason = "was sent to 00:20.0 and went to"
[[expect]]
outcome = "plays"
"#;
    for browser in BROWSERS {
        let mut play = plain("1s", profile);
        play.journey.push_str("[[step]]\ndo = \"go on at 20 s\"\nstay = \"2s\"\n");
        let (verdict, _) = play.run(browser);
        assert_eq!(ending(&verdict).0, "passed", "{browser}: {verdict:#}");
        let events = play.events();
        let [seek] = named(&events, "playback_seek")[..] else { panic!("{browser}: one seek") };
        assert_eq!(
            (&seek["wanted_s"], &seek["ok"]),
            (&20.0.into(), &(browser == "firefox").into()),
            "{browser}: {seek}"
        );
    }
}
