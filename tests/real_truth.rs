//! Preset and video truth, in real browsers: what the stage plants is noticed, with its reason, and nothing else is.

mod common;

use common::{BROWSERS, Play, ending, everything, in_turns};

/// Plays the stage with each defect; every one must fail with these words in its reason. Each in one of the browsers, in
/// turns; `ci/verify truth` plays each in both: `SOUNDCHECK_TRUTH=all`.
fn noticed(journey: Option<&str>, planted: &[(&str, &str)]) {
    let mut missed = Vec::new();
    let all = everything();
    for (place, browser) in BROWSERS.into_iter().enumerate() {
        for (_, (defect, words)) in planted.iter().enumerate().filter(|(n, _)| all || n % BROWSERS.len() == place) {
            let play = Play::on_stage(&[defect]);
            let mut play = journey.map_or(Play::on_stage(&[defect]), |j| play.journey(j));
            // Nothing is learnt by waiting for a video as long as its journey would.
            play.journey = play.journey.replace("within = \"3s\"", "within = \"3s\"\ngive_up = \"8s\"");
            let (verdict, done) = play.run(browser);
            let (ending, reason) = ending(&verdict);
            if ending != "failed" || !reason.contains(words) || done.status.code() != Some(1) {
                missed.push(format!("{defect} in {browser}: {ending} {:?} \"{reason}\"", done.status.code()));
            }
        }
    }
    assert!(missed.is_empty(), "not noticed, or not for what it is:\n{}", missed.join("\n"));
}

#[test]
fn a_preset_that_fails_is_a_failed_load_with_its_reason() {
    noticed(
        None,
        &[
            ("bad-glsl", "a shader did not compile"),
            ("eval-throw", "ReferenceError"),
            ("missing-out", "no program was linked since the switch"),
            ("tick-throw", "the preset throws on every tick"),
            ("speed-undefined", "poisoned by NaN in the uniform time"),
            ("context-lost", "the WebGL context was lost"),
        ],
    );
}

#[test]
fn a_switch_that_does_nothing_is_a_failed_load() {
    noticed(
        None,
        &[
            ("dead-button", "the app still says `clouds`"),
            ("stale-graph", "shader could not compile"),
            ("wrong-preset", "the wrong preset"),
            ("black-preset", "black"),
            ("frozen-picture", "the render loop stands still"),
            ("eval-throw-silent", "next preset 3"),
        ],
    );
}

#[test]
fn a_picture_passes_only_if_it_follows_the_sound() {
    noticed(
        Some("player"),
        &[
            ("audio-suspended", "the AudioContext is suspended"),
            ("audio-unconnected", "does not follow the sound"),
            ("audio-denied", "never asked for the microphone"),
        ],
    );
}

#[test]
fn a_silent_device_fails_with_that_reason() {
    for browser in in_turns(1) {
        let mut play = Play::on_stage(&[]).journey("player");
        play.extra = "sound = \"silence\"".to_owned();
        let (ending, reason) = ending(&play.run(browser).0);
        assert_eq!(ending, "failed", "{browser}");
        assert!(reason.contains("the device is silent"), "{browser}: {reason}");
    }
}

#[test]
fn a_video_that_fails_is_a_failed_init_with_its_reason() {
    noticed(
        Some("video"),
        &[
            ("video-404", "MediaError 4"),
            ("video-codec", "MediaError 4"),
            ("video-cors", "MediaError 4"),
            ("video-bound-black", "never reached the visualizer"),
            ("video-hushed", "never reached the visualizer"),
            ("video-redirects", "the preset throws on every tick"),
        ],
    );
}

#[test]
fn what_a_film_shows_is_told_from_what_it_says() {
    noticed(
        Some("film"),
        &[
            ("video-covered", "the picture on the screen stood"),
            ("fps-half", "pictures a second, where 30 are declared"),
        ],
    );
}

#[test]
fn a_button_that_leads_elsewhere_than_it_says_is_noticed() {
    noticed(Some("seek"), &[("seek-elsewhere", "the viewer asked for 10 s further on")]);
}

#[test]
fn a_slow_preset_is_a_slow_success() {
    for browser in in_turns(0) {
        let play = Play::on_stage(&["slow-preset"]);
        let (verdict, done) = play.run(browser);
        assert_eq!(done.status.code(), Some(0), "{browser}: {verdict:#}");
        let steps = verdict["plays"][0]["steps"].as_array().expect("steps");
        let slow: Vec<_> = steps.iter().filter(|s| s["slow"] == true).collect();
        assert_eq!(slow.len(), 1, "{browser}: {steps:?}");
        assert!(slow[0]["ms"].as_f64().is_some_and(|ms| (2900.0..5000.0).contains(&ms)), "{browser}: {:?}", slow[0]);
    }
}

#[test]
fn console_noise_breaches_its_budget_though_every_step_holds() {
    for browser in in_turns(1) {
        let mut play = Play::on_stage(&["console-noise"]);
        play.journey.push_str("\n[[step]]\ndo = \"open the player\"\nstay = \"11s\"\n");
        let (verdict, done) = play.run(browser);
        assert_eq!(verdict["plays"][0]["ending"], "passed", "{browser}: {verdict:#}");
        let objectives = verdict["objectives"].as_array().expect("objectives");
        let errors = objectives.iter().find(|o| o["name"] == "hydra.console_errors").expect("the objective");
        assert_eq!(errors["verdict"], "breached", "{browser}: {errors}");
        assert_eq!(done.status.code(), Some(1), "{browser}");
    }
}
