//! Idle-timeout aborts of the app's own media proxy: it gave up on a stream that it had begun, because nothing came any
//! more from where it fetches. nginx does so after 60 s without an octet (`proxy_read_timeout`), HAProxy after `timeout
//! server`, apps of this kind after 30 s or 120 s; one cut streams after 15 s.
//!
//! From outside that is an answer that broke off before its end, after a silence. A cut comes without one. What cannot be
//! told from here: a stream whose end only the closed connection tells looks whole; a silence shorter than [`IDLE_MS`]
//! counts as a cut, however it was meant; where the play or the viewer ended first, nobody knows what would have come; a
//! proxy that gives up before the head answers 504, which is no abort; and a network that died in between is silent too:
//! profiles with faults are not counted, but the world's own are.

use super::time;
use crate::event::Event;

/// Milliseconds without an octet before the end, from which on it is an idle timeout. Shorter than any that is usual,
/// longer than a lost packet takes to come again.
pub const IDLE_MS: f64 = 10_000.0;

/// An answer of the app's own media proxy (`app_proxy`) that came to an end, and whether that was none of an idle timeout.
pub(super) fn no_abort(event: &Event) -> Option<bool> {
    let own = event.flag("app_proxy") && !event.flag("ours") && event.number("status").is_some();
    match event.text("ended").filter(|_| own)? {
        "whole" => Some(true),
        // After how long a silence nobody knows: that is no answer that came well.
        "upstream_cut" => Some(time(event, "silent_ms").is_some_and(|ms| ms < IDLE_MS)),
        _ => None,
    }
}
