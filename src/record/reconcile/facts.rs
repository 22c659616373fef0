//! What an app and a monitor may both tell, under which names.

use crate::media::lint;
use crate::table::Row as _;

/// What both may tell: the app's name for it, what it is seen as from outside (which an app may call it as well), and what
/// would contradict it.
pub(super) struct Fact {
    pub name: &'static str,
    pub seen: &'static str,
    pub opposite: &'static [&'static str],
    /// What tells of it as well, under another name.
    pub instead: &'static [&'static str],
    /// The app's own field that says which one it is, where it has one.
    pub key: Option<&'static str>,
    /// Of a failure: what failed. An app may give up, or say that all is well, long before its viewer gives up.
    pub start: Option<&'static str>,
}

const fn fact(name: &'static str, opposite: &'static [&'static str]) -> Fact {
    Fact { name, seen: name, opposite, instead: &[], key: None, start: None }
}

const fn seen_as(seen: &'static str, name: &'static str) -> Fact {
    Fact { seen, ..fact(name, &[]) }
}

const fn failure(start: &'static str, name: &'static str, opposite: &'static [&'static str]) -> Fact {
    Fact { start: Some(start), ..fact(name, opposite) }
}

const fn command(name: &'static str, opposite: &'static [&'static str]) -> Fact {
    Fact { key: Some("cmd_id"), ..fact(name, opposite) }
}

/// What an app tells when it gave a preset up, and drew something else.
pub(super) const FALLBACK: &str = "hydra_fallback_applied";
/// What it tells when a preset was drawn for the first time.
pub(super) const FIRST_FRAME: &str = "first_visualizer_frame";
/// What it tells of a command, whoever in the room sent it.
pub(super) const APPLIED: &str = "queue_cmd_applied";

/// What an answer says of the part that it is, where it is another, or cannot be.
static UNTRUE: [&lint::Rule; 4] =
    [&lint::CONTENT_RANGE_INVALID, &lint::CONTENT_RANGE_ELSEWHERE, &lint::LENGTH_DIFFERS, &lint::PART_EMPTY];

/// Whether a rule of this name is one about what an answer says of itself.
pub(super) fn is_untrue(rule: &str) -> bool {
    UNTRUE.iter().any(|own| own.name() == rule)
}

/// All that is compared.
pub(super) const FACTS: &[Fact] = &[
    fact("hydra_preset_eval_success", &["hydra_preset_eval_error"]),
    // One that fails only while it is drawn has been evaluated well: its fallback says that it did.
    Fact {
        instead: &[FALLBACK],
        ..failure("hydra_preset_eval_start", "hydra_preset_eval_error", &["hydra_preset_eval_success"])
    },
    fact(FIRST_FRAME, &[]),
    fact(FALLBACK, &[]),
    fact("video_init_start", &[]),
    fact("video_init_bound", &[]),
    fact("video_init_frame_ready", &["video_init_error"]),
    failure("video_init_start", "video_init_error", &["video_init_frame_ready"]),
    seen_as("playback_stall", "video_stall"),
    command("queue_cmd_sent", &[]),
    command("queue_cmd_ack", &["queue_cmd_rejected"]),
    command(APPLIED, &["queue_cmd_rejected"]),
    command("queue_cmd_rejected", &["queue_cmd_ack", APPLIED]),
    fact("socket_connect", &[]),
    fact("socket_disconnect", &[]),
    fact("socket_reconnect", &[]),
    fact("socket_resync", &[]),
    fact("auth_login_start", &[]),
    fact("auth_login_success", &["auth_login_failure"]),
    fact("auth_login_failure", &["auth_login_success"]),
    seen_as("auth_login_refresh", "auth_refresh"),
];

/// The kind of thing it is about: an app that tells nothing of queues is not blamed for a command untold.
pub(super) fn family(name: &str) -> &str {
    match told_as(name).map_or(name, |fact| fact.name) {
        FIRST_FRAME => FIRST_FRAME,
        name => name.split('_').next().unwrap_or(name),
    }
}

/// The fact of this name.
pub(super) fn fact_of(name: &str) -> Option<&'static Fact> {
    FACTS.iter().find(|fact| fact.name == name)
}

/// The fact that an app tells by this name.
pub(super) fn told_as(name: &str) -> Option<&'static Fact> {
    fact_of(name).or_else(|| seen_by(name))
}

/// The fact that is seen as an event of this name.
pub(super) fn seen_by(name: &str) -> Option<&'static Fact> {
    FACTS.iter().find(|fact| fact.seen == name)
}

/// Whether something may come of it that fails.
pub(super) fn begins(name: &str) -> bool {
    FACTS.iter().any(|fact| fact.start == Some(name))
}
