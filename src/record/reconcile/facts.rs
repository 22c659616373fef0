//! What an app and a monitor may both tell, under which names.

/// What both may tell: the app's name for it, what it is seen as from outside, and what would contradict it.
pub(super) struct Fact {
    pub name: &'static str,
    pub seen: &'static str,
    pub opposite: &'static [&'static str],
    /// The app's own field that says which one it is, where it has one.
    pub key: Option<&'static str>,
}

const fn fact(name: &'static str, opposite: &'static [&'static str]) -> Fact {
    Fact { name, seen: name, opposite, key: None }
}

const fn command(name: &'static str, opposite: &'static [&'static str]) -> Fact {
    Fact { name, seen: name, opposite, key: Some("cmd_id") }
}

/// What an app tells when it gave a preset up, and drew something else.
pub(super) const FALLBACK: &str = "hydra_fallback_applied";
/// What it tells when a preset was drawn for the first time.
pub(super) const FIRST_FRAME: &str = "first_visualizer_frame";

/// All that is compared.
pub(super) const FACTS: &[Fact] = &[
    fact("hydra_preset_eval_success", &["hydra_preset_eval_error"]),
    fact("hydra_preset_eval_error", &["hydra_preset_eval_success"]),
    fact(FIRST_FRAME, &[]),
    fact(FALLBACK, &[]),
    fact("video_init_start", &[]),
    fact("video_init_bound", &[]),
    fact("video_init_frame_ready", &["video_init_error"]),
    fact("video_init_error", &["video_init_frame_ready"]),
    Fact { name: "video_stall", seen: "playback_stall", opposite: &[], key: None },
    command("queue_cmd_sent", &[]),
    command("queue_cmd_ack", &["queue_cmd_rejected"]),
    command("queue_cmd_applied", &["queue_cmd_rejected"]),
    command("queue_cmd_rejected", &["queue_cmd_ack", "queue_cmd_applied"]),
    fact("socket_connect", &[]),
    fact("socket_disconnect", &[]),
    fact("socket_reconnect", &[]),
    fact("socket_resync", &[]),
    fact("auth_login_start", &[]),
    fact("auth_login_success", &["auth_login_failure"]),
    fact("auth_login_failure", &["auth_login_success"]),
    Fact { name: "auth_refresh", seen: "auth_login_refresh", opposite: &[], key: None },
];

/// The kind of thing it is about: an app that tells nothing of queues is not blamed for a command untold.
pub(super) fn family(name: &str) -> &str {
    match name {
        FIRST_FRAME => FIRST_FRAME,
        _ => name.split('_').next().unwrap_or(name),
    }
}

/// The fact of this name.
pub(super) fn fact_of(name: &str) -> Option<&'static Fact> {
    FACTS.iter().find(|fact| fact.name == name)
}
