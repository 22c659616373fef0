//! A network that goes away, in real browsers: a good player passes, and one that is silent or starts anew fails for that.

mod common;

use common::{Play, ending, in_turns, root};
use serde_json::Value;

/// The stage with these defects, interrupted.
fn interrupted(defects: &[&str]) -> Play {
    let mut play = Play::on_stage(defects).journey("reconnect");
    // The profile's expectations name the journey, which is `play` here: what holds for every other one holds for it.
    play.extra = format!("profiles = [\"{}\"]\n", root().join("proxies/cut-off.toml").display());
    play.args = vec!["--retries".into(), "0".into()];
    play
}

fn reconnect(play: &Play) -> Value {
    let events = play.events();
    events.into_iter().find(|e| e["event"] == "playback_reconnect").expect("what came of it")
}

#[test]
fn a_good_player_says_that_it_waits_and_plays_on_where_it_stood() {
    for browser in in_turns(0) {
        let play = interrupted(&[]);
        let (verdict, done) = play.run(browser);
        assert_eq!(ending(&verdict).0, "passed", "{browser}: {verdict:#}");
        assert_eq!(done.status.code(), Some(0), "{browser}");
        let event = reconnect(&play);
        assert!(event["stood_ms"].as_f64().is_some_and(|ms| ms > 3000.0), "{browser}: {event}");
        assert!(event["said_after_ms"].as_f64().is_some_and(|ms| ms < 2000.0), "{browser}: {event}");
        let place = |key: &str| event[key].as_f64().expect("seconds");
        assert!((place("resumed_at_s") - place("stood_at_s")).abs() <= 1.0, "{browser}: {event}");
    }
}

fn fails(defect: &str, browser: &str, words: &str) {
    let (verdict, done) = interrupted(&[defect]).run(browser);
    let (ending, reason) = ending(&verdict);
    assert_eq!(ending, "failed", "{defect} in {browser}: {verdict:#}");
    assert!(reason.contains(words), "{defect} in {browser}: {reason}");
    assert_eq!(done.status.code(), Some(1), "{defect} in {browser}");
}

#[test]
fn silence_fails_as_silence() {
    for browser in in_turns(1) {
        fails("reconnect-silent", browser, "silent: the picture stood for");
    }
}

#[test]
fn one_that_starts_anew_fails_its_policy() {
    fails("reconnect-restarts", "chromium", "resumed elsewhere: at 0");
}

#[test]
fn an_outage_that_the_buffer_hides_is_not_enough_data() {
    let play = interrupted(&[]);
    let profile = std::fs::read_to_string(root().join("proxies/cut-off.toml")).expect("it ships");
    // Twice the bitrate, and a second without a network: there is more than that in the buffer by then.
    let roomy = profile.replace("1.6 Mbit/s", "2.4 Mbit/s").replace("lasts = \"8s\"", "lasts = \"1s\"");
    std::fs::write(play.dir.path().join("roomy.toml"), roomy).expect("written");
    let play = Play { extra: "profiles = [\"roomy.toml\"]\n".to_owned(), ..play };
    let (verdict, _) = play.run("chromium");
    let (ending, reason) = ending(&verdict);
    assert_eq!(ending, "undecided", "{verdict:#}");
    assert!(reason.contains("never reached the picture"), "{reason}");
}
