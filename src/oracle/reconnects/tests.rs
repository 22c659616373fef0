//! Players that an outage reaches: those that say so and play on as declared, and those that do not.

use super::*;

/// The outage of these plays, milliseconds.
const OUTAGE: (f64, f64) = (6000.0, 14_000.0);

fn oracle(policy: Policy) -> Reconnects {
    let words = [("buffering", "Buffering"), ("retrying", "retrying")];
    let reconnect = Reconnect {
        status: "#player".into(),
        states: words.map(|(state, words)| (state, words.to_owned())).into(),
        policy,
        within: Duration::from_secs(10),
    };
    Reconnects::new(Before { reconnect: Some(reconnect), outages: vec![OUTAGE], ..Before::default() })
}

/// Looks at a page four times a second, whose place and words at a time are these, until there is an outcome.
fn play(mut oracle: Reconnects, place: impl Fn(f64) -> f64, text: impl Fn(f64) -> &'static str) -> Outcome {
    for n in 0..200 {
        let t = f64::from(n) * 250.0;
        let place = place(t / 1000.0);
        let player = Player { text: Some(text(t / 1000.0).into()), place: Some(place), frames: Some(place * 30.0) };
        if let Some(outcome) = oracle.see(t, &Seen::Player(player)) {
            return outcome;
        }
    }
    oracle.give_up(50_000.0)
}

/// Plays until 8 s, stands until 15 s, and then plays on from `then`.
fn stands(then: f64) -> impl Fn(f64) -> f64 {
    move |s| {
        if s < 8.0 {
            s
        } else if s < 15.0 {
            8.0
        } else {
            then + s - 15.0
        }
    }
}

fn says(s: f64) -> &'static str {
    if (8.5..15.5).contains(&s) { "Buffering..." } else { "Playing" }
}

#[test]
fn one_that_says_so_and_plays_on_where_it_stood_reconnects() {
    let outcome = play(oracle(Policy::Resume), stands(8.0), says);
    assert_eq!(outcome.failed, None);
    assert!(outcome.ms.is_some_and(|ms| (500.0..1500.0).contains(&ms)), "{outcome:?}");
    let fields = &outcome.events[0].2;
    assert_eq!(fields["said"], "buffering");
    assert!(fields["said_after_ms"].as_f64().is_some_and(|ms| ms < 1000.0), "{fields}");
}

fn fails(outcome: &Outcome, words: &str) {
    assert!(outcome.failed.as_ref().is_some_and(|why| why.contains(words)), "{outcome:?}");
}

#[test]
fn silence_is_a_failure() {
    fails(&play(oracle(Policy::Resume), stands(8.0), |_| ""), "silent");
    fails(&play(oracle(Policy::Resume), stands(8.0), |_| "Playing"), "the page shows \"Playing\"");
    // Said, and then no more.
    let briefly = |s: f64| if (8.5..10.0).contains(&s) { "Buffering..." } else { "Playing" };
    fails(&play(oracle(Policy::Resume), stands(8.0), briefly), "silent");
}

#[test]
fn one_that_plays_on_elsewhere_fails_its_policy() {
    fails(&play(oracle(Policy::Resume), stands(0.0), says), "resumed elsewhere: at 0.0 s");
    fails(&play(oracle(Policy::Live), stands(8.0), says), "resumed elsewhere");
    assert_eq!(play(oracle(Policy::Live), stands(14.5), says).failed, None);
}

#[test]
fn one_that_does_not_play_on_in_time_fails() {
    let never = |s: f64| s.min(8.0);
    fails(&play(oracle(Policy::Resume), never, |s| if s > 8.5 { "retrying (attempt 3)" } else { "" }), "never resumed");
    let late = |s: f64| if s < 8.0 { s } else { (s - 17.5).max(8.0) };
    fails(&play(oracle(Policy::Resume), late, |s| if s > 8.5 { "retrying" } else { "" }), "never resumed");
}

#[test]
fn words_that_stay_when_it_plays_again_are_a_lie() {
    fails(&play(oracle(Policy::Resume), stands(8.0), |s| if s > 8.5 { "Retrying" } else { "" }), "still said to be");
}

#[test]
fn a_running_clock_over_a_frozen_picture_stands() {
    let mut oracle = oracle(Policy::Resume);
    let mut outcome = None;
    for n in 0..80 {
        let t = f64::from(n) * 250.0;
        let player = Player { text: None, place: Some(t / 1000.0), frames: Some((t / 40.0).min(200.0)) };
        outcome = outcome.or(oracle.see(t, &Seen::Player(player)));
    }
    fails(&outcome.expect("an outcome"), "shows no player status");
}

#[test]
fn what_never_reached_the_picture_is_not_judged() {
    let undecided = |outcome: Outcome| outcome.events[0].2["undecided"].as_str().unwrap_or_default().to_owned();
    let through = play(oracle(Policy::Resume), |s| s, |_| "Playing");
    assert_eq!(through.failed, None);
    assert!(undecided(through).contains("never reached the picture"));
    let clean = Reconnects { outage: None, ..oracle(Policy::Resume) };
    assert!(undecided(play(clean, |s| s, |_| "Playing")).contains("never taken away"));
}
