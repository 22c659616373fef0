//! What counts in the metrics, and whose series they are.

use super::*;
use crate::telemetry::resource::resource;
use std::collections::BTreeSet;

/// The lines of a metric.
fn lines(events: &[Event], metric: &str) -> Vec<String> {
    let text = prometheus::write(&metered(events).1.read());
    let own = text.lines().filter(|l| l.split(['{', ' ']).next() == Some(metric));
    own.map(str::to_owned).collect()
}

fn app(name: &str, fields: Value) -> Event {
    Event { source: Origin::App, ..event(name, 1600.0, STEP, fields) }
}

#[test]
fn what_had_to_fail_and_what_was_seen_on_a_busy_machine_is_no_failure() {
    for (name, metric) in [
        ("hydra_preset_eval_error", "hydra_preset_loads_total"),
        ("video_init_error", "media_playback_starts_total"),
        ("console_error", "browser_console_errors_total"),
        ("exception", "browser_console_errors_total"),
    ] {
        let of = |fields: Value| lines(&[event(name, 1.0, STEP, fields)], metric);
        assert_eq!(of(json!({ "must": "fail" })), Vec::<String>::new(), "{name}");
        assert_eq!(of(json!({ "busy_host": { "share": 0.9 } })), Vec::<String>::new(), "{name}");
        assert_eq!(of(json!({ "reason": "x" })).len(), 1, "{name}: a failure of the app's");
    }
    let busy = event("first_visualizer_frame", 1.0, STEP, json!({ "ms": 9.0, "busy_host": "hogged" }));
    assert_eq!(lines(&[busy], "hydra_preset_first_frame_duration_seconds_count"), Vec::<String>::new());
}

#[test]
fn a_play_that_only_diagnoses_measures_nothing_and_its_trace_says_so() {
    let mut again = play();
    again[0].fields.insert("diagnoses".to_owned(), true.into());
    for metric in [
        "synthetic_plays_total",
        "synthetic_steps_total",
        "hydra_preset_first_frame_duration_seconds_count",
        "http_client_request_duration_seconds_count",
    ] {
        assert_eq!(lines(&again, metric), Vec::<String>::new());
        assert_eq!(lines(&play(), metric).len(), 1, "{metric}");
    }
    assert_eq!(lines(&again, "synthetic_events_total").len(), 2, "they are events all the same");
    let says = |events: &[Event]| attribute(&folded(events)[2], "synthetic.play.diagnoses");
    assert_eq!([says(&again), says(&play())], [Some("true".to_owned()), Some("false".to_owned())]);
}

#[test]
fn an_app_that_calls_its_events_as_ours_ends_no_play_and_begins_none() {
    let mut events = play();
    let more = [
        app("journey_end", json!({ "app": {}, "ending": "failed" })),
        app("step_end", json!({ "ok": false, "reason": "said the app" })),
        app("journey_start", json!({ "profile": "the app's own", "diagnoses": true })),
        app("proxy_response", json!({ "request_span_id": "00000000000000e1", "status": 500, "ms": 1.0 })),
    ];
    // Within the step, before it ends.
    drop(events.splice(4..4, more));
    assert_eq!(folded(&events), folded(&play()));
    for metric in ["synthetic_plays_total", "synthetic_steps_total", "http_client_request_duration_seconds_count"] {
        assert_eq!(lines(&events, metric), lines(&play(), metric));
    }
}

/// The series of a run: each line without its value.
fn series(plan: &str, environment: &str) -> BTreeSet<String> {
    let about = About {
        run_id: "r1".into(),
        plan: plan.into(),
        app: "stage".into(),
        environment: environment.into(),
        ci: None,
    };
    let (meters, reader) = metered_as(resource(&about), &play());
    meters.judged(&[("hydra.preset_load".into(), "met")], 0, 1.5e9);
    let text = prometheus::write(&reader.read());
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    lines.filter_map(|l| Some(l.rsplit_once(' ')?.0.to_owned())).collect()
}

#[test]
fn the_files_of_two_plans_or_two_environments_have_no_series_in_common() {
    let one = series("smoke", "staging");
    let labels = "{deployment_environment_name=\"staging\",synthetic_app=\"stage\",test_suite_name=\"smoke\"}";
    assert!(one.contains(&format!("synthetic_run_exit_code{labels}")), "{one:#?}");
    let whose = ["test_suite_name=\"smoke\"", "synthetic_app=\"stage\"", "deployment_environment_name=\"staging\""];
    for line in &one {
        assert!(whose.iter().all(|label| line.matches(label).count() == 1), "{line}");
    }
    for other in [series("nightly", "staging"), series("smoke", "production")] {
        assert_eq!(one.intersection(&other).collect::<Vec<_>>(), Vec::<&String>::new());
    }
}
