//! The product's main job, in real browsers: the shipped smoke passes, and its record says what it must.

mod common;

use common::{BROWSERS, SOUNDCHECK, STAGE};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

#[test]
fn the_smoke_passes_and_leaves_a_whole_record() {
    assert!(Path::new(STAGE).exists());
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("run");
    let done =
        Command::new(SOUNDCHECK).args(["run", "smoke", "--history", "none", "--out"]).arg(&out).output().expect("runs");
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&done.stdout));

    let verdict: Value =
        serde_json::from_slice(&std::fs::read(out.join("verdict.json")).expect("a verdict")).expect("JSON");
    let plays = verdict["plays"].as_array().expect("plays");
    assert_eq!(plays.len(), 6, "three journeys in two browsers");
    for play in plays {
        assert_eq!(play["ending"], "passed", "{play:#}");
        let environment = &play["environment"];
        for fact in ["browser_version", "driver_version", "renderer", "window"] {
            assert!(!environment[fact].as_str().unwrap_or_default().is_empty(), "{fact} in {environment}");
        }
        assert_ne!(environment["codecs"]["h264"], "", "{environment}");
    }
    let count = |name: &str| {
        let objectives = verdict["objectives"].as_array().expect("objectives");
        objectives.iter().find(|o| o["name"] == name).expect("an objective")["samples"].as_u64().expect("a count")
    };
    // Per browser: the audio preset twice, ten switches, one video.
    assert_eq!(count("hydra.preset_load"), 24);
    assert_eq!(count("hydra.first_frame"), 24, "a video's picture is no preset's first frame");
    assert_eq!(count("video.init"), 2);
    assert_eq!(count("video.init_firefox"), 1);
    assert_eq!(count("hydra.crash_free"), 6);
    for file in ["events.jsonl", "report.html", "junit.xml", "summary.md"] {
        assert!(out.join(file).metadata().is_ok_and(|m| m.len() > 200), "{file}");
    }
    let pictures = std::fs::read_dir(out.join("screenshots")).expect("screenshots").count();
    assert_eq!(pictures, 2 * (2 + 12 + 2), "one at each step's end");

    // The same record judged again, without a browser, gives the same verdict.
    let again = Command::new(SOUNDCHECK).arg("judge").arg(&out).arg("--json").output().expect("runs");
    assert_eq!(serde_json::from_slice::<Value>(&again.stdout).expect("JSON"), verdict);

    // Every event carries the minimum fields of P3, and the two sources are told apart.
    let events = std::fs::read_to_string(out.join("events.jsonl")).expect("events");
    let events: Vec<Value> = events.lines().map(|l| serde_json::from_str(l).expect("an event")).collect();
    let minimum =
        ["session_id", "room_id", "user_id", "preset_id", "media_url_hash", "browser", "platform", "timestamp"];
    for event in &events {
        for field in minimum {
            assert!(event.get(field).is_some(), "{field} in {event}");
        }
    }
    for browser in BROWSERS {
        for source in ["monitor", "app"] {
            for name in [
                "hydra_preset_eval_start",
                "hydra_preset_eval_success",
                "video_init_start",
                "video_init_bound",
                "video_init_frame_ready",
            ] {
                let found =
                    events.iter().find(|e| e["browser"] == browser && e["source"] == source && e["event"] == name);
                assert!(found.is_some(), "{name} by {source} in {browser}");
            }
        }
        let shown = events
            .iter()
            .find(|e| e["browser"] == browser && e["event"] == "first_visualizer_frame" && e["source"] == "monitor");
        let shown = shown.expect("one");
        assert_eq!(shown["room_id"], "main");
        assert_eq!(shown["platform"], "linux");
    }
}
