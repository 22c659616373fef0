//! How things are named where they go. What OpenTelemetry has a name for bears it: HTTP, exceptions, sessions, tests. It has
//! none for media and none for synthetic monitoring, so those are named in spaces of our own: `synthetic.`, `media.`,
//! `hydra.`, `fault.`.

use opentelemetry::{Key, KeyValue};
use opentelemetry_semantic_conventions::attribute as known;
use std::collections::HashMap;

pub(super) const RUN: &str = "synthetic.run.id";
pub(super) const APP: &str = "synthetic.app";
pub(super) const JOURNEY: &str = "synthetic.journey.id";
pub(super) const STEP: &str = "synthetic.step";
pub(super) const BROWSER: &str = "synthetic.browser";
pub(super) const PROFILE: &str = "synthetic.profile";
pub(super) const ENDING: &str = "synthetic.ending";
pub(super) const OBJECTIVE: &str = "synthetic.objective.id";
pub(super) const VERDICT: &str = "synthetic.verdict";
pub(super) const SOURCE: &str = "synthetic.source";
pub(super) const OUTCOME: &str = "outcome";

/// Names of events by what ours begin with.
const SPACES: &[(&str, &str)] = &[
    ("hydra_preset_", "hydra.preset."),
    ("hydra_", "hydra."),
    ("video_init_", "media.init."),
    ("video_", "media.video."),
    ("media_", "media."),
    ("playback_", "media.playback."),
    ("fault_", "fault."),
    ("queue_cmd_", "queue.command."),
    ("socket_", "socket."),
    ("auth_", "auth."),
    ("journey_", "synthetic.journey."),
    ("step_", "synthetic.step."),
    ("run_", "synthetic.run."),
    ("browser_", "browser."),
    ("webgl_", "browser.webgl."),
    ("console_", "browser.console."),
    ("proxy_", "synthetic.proxy."),
];

/// Names of events that no rule gives.
const EXACT: &[(&str, &str)] = &[
    ("first_visualizer_frame", "hydra.preset.first_frame"),
    ("video_visualizer_frame", "media.visualizer.first_frame"),
    ("fault_applied", "fault.injected"),
    ("exception", "exception"),
];

/// Attributes that have a name of the conventions, by what our events call them.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("method", known::HTTP_REQUEST_METHOD),
    ("status", known::HTTP_RESPONSE_STATUS_CODE),
    ("bytes_sent", known::HTTP_RESPONSE_BODY_SIZE),
    ("url", known::URL_FULL),
    ("session_id", known::SESSION_ID),
    ("user_id", known::USER_ID),
    ("platform", known::BROWSER_PLATFORM),
    ("class", known::ERROR_TYPE),
    ("run_id", RUN),
    ("journey", JOURNEY),
    ("step", STEP),
    ("browser", BROWSER),
    ("profile", PROFILE),
    ("ending", ENDING),
    ("source", SOURCE),
];

/// Names made once each. An app says how its own events are called, so there is an end to how many are kept.
#[derive(Default)]
pub(super) struct Names {
    events: HashMap<String, &'static str>,
    attributes: HashMap<String, Key>,
}

impl Names {
    const MOST: usize = 1000;

    /// An event's name: lower case, dotted, of a space.
    pub(super) fn event(&mut self, event: &str) -> &'static str {
        if let Some(name) = self.events.get(event) {
            return name;
        }
        if self.events.len() >= Self::MOST {
            return "synthetic.event";
        }
        // As long as the program runs, and no more than `MOST` of them.
        let name: &'static str = Box::leak(event_name(event).into_boxed_str());
        self.events.insert(event.to_owned(), name);
        name
    }

    /// An attribute's name: the conventions', or one of our own space.
    pub(super) fn attribute(&mut self, field: &str) -> Key {
        if let Some(key) = self.attributes.get(field) {
            return key.clone();
        }
        let key = match ATTRIBUTES.iter().find(|(ours, _)| *ours == field) {
            Some((_, theirs)) => Key::from_static_str(theirs),
            None => Key::from(std::sync::Arc::<str>::from(format!("synthetic.{}", plain(field)))),
        };
        if self.attributes.len() < Self::MOST {
            self.attributes.insert(field.to_owned(), key.clone());
        }
        key
    }
}

fn event_name(event: &str) -> String {
    if let Some((_, name)) = EXACT.iter().find(|(ours, _)| *ours == event) {
        return (*name).to_owned();
    }
    let event = plain(event);
    let (space, rest) = SPACES
        .iter()
        .find_map(|(prefix, space)| Some((*space, event.strip_prefix(prefix)?)))
        .unwrap_or(("synthetic.", &event));
    format!("{space}{rest}")
}

/// In letters that every backend takes.
fn plain(name: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '_' };
    name.chars().take(80).map(fits).collect()
}

/// An attribute of text.
pub(super) fn text(name: &'static str, value: impl Into<opentelemetry::StringValue>) -> KeyValue {
    KeyValue::new(name, value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_named_lower_case_and_dotted() {
        let mut names = Names::default();
        for (ours, theirs) in [
            ("first_visualizer_frame", "hydra.preset.first_frame"),
            ("hydra_preset_eval_success", "hydra.preset.eval_success"),
            ("playback_stall", "media.playback.stall"),
            ("video_init_frame_ready", "media.init.frame_ready"),
            ("fault_applied", "fault.injected"),
            ("journey_end", "synthetic.journey.end"),
            ("clock_mapped", "synthetic.clock_mapped"),
            ("An App's ÖWN", "synthetic.an_app_s__wn"),
        ] {
            assert_eq!(names.event(ours), theirs);
        }
    }

    #[test]
    fn an_app_that_invents_names_takes_no_memory() {
        let mut names = Names::default();
        for n in 0..5000 {
            names.event(&format!("event {n}"));
            names.attribute(&format!("field {n}"));
        }
        assert_eq!((names.events.len(), names.attributes.len()), (Names::MOST, Names::MOST));
        assert_eq!(names.event("another"), "synthetic.event");
        assert_eq!(names.attribute("another").as_str(), "synthetic.another");
    }

    #[test]
    fn what_the_conventions_name_bears_their_name() {
        let mut names = Names::default();
        assert_eq!(names.attribute("status").as_str(), "http.response.status_code");
        assert_eq!(names.attribute("session_id").as_str(), "session.id");
        assert_eq!(names.attribute("content_range").as_str(), "synthetic.content_range");
    }
}
