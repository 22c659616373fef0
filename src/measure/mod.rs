//! Floor 1, pure. Measures: events in, samples out. Each is a leaf and a row; none knows a target.

use crate::event::Event;
use crate::table::Row;
pub use samples::{NO_TIME, Samples, left_out, times};

mod begun;
mod commands;
mod console;
mod idle;
mod library;
mod memory;
mod reconciled;
mod samples;
mod single;
mod stalls;
#[cfg(test)]
mod tests;

pub use idle::IDLE_MS;
pub use stalls::{LONG_STALL_MS, STUTTERS};

/// A measure an objective may name.
pub struct Measure {
    name: &'static str,
    about: &'static str,
    /// What one sample is, in words: the unit of independence.
    pub unit: &'static str,
    /// Which journeys feed it.
    pub fed: Fed,
    /// Makes an empty fold.
    pub fold: fn() -> Box<dyn Fold>,
}

impl Row for Measure {
    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        self.about
    }
}

/// Which journeys feed a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// Every one.
    Always,
    /// Those that expect one of these so often.
    ByExpecting(&'static [&'static str], u32),
    /// Those that expect this, or say one of these words: what they do is a sample even where nothing is expected of it.
    ByExpectingOrSaying(&'static str, &'static [&'static str]),
    /// Those that say one of these words (none: every one), of an app whose file declares this.
    ByDeclaring(&'static [&'static str], &'static str),
}

/// A fold over the events of the population an objective judges.
pub trait Fold {
    /// Takes one event.
    fn feed(&mut self, event: &Event);
    /// The samples so far.
    fn samples(&self) -> Samples;
}

/// What one play gives every measure that it feeds, in the table's order; also what is no sample for want of a usable time.
/// What was seen while others kept the machine busy is none, nor is what had to fail.
pub fn of_play<'e>(events: impl IntoIterator<Item = &'e Event>) -> Vec<(&'static str, Samples)> {
    let mut folds: Vec<_> = MEASURES.iter().map(|m| (m.name, (m.fold)())).collect();
    for event in events.into_iter().filter(|e| !busy(e) && !in_vain(e)) {
        folds.iter_mut().for_each(|(_, fold)| fold.feed(event));
    }
    let given = folds.iter().map(|(name, fold)| (*name, fold.samples()));
    given.filter(|(_, samples)| !samples.is_empty() || samples.lost() > 0).collect()
}

/// Whether it was seen while others kept the machine busy.
pub(crate) fn busy(event: &Event) -> bool {
    event.fields.contains_key("busy_host")
}

/// A time by a field of its event, milliseconds; `None`: it tells none, or one that no clock gives.
fn time(event: &Event, field: &str) -> Option<f64> {
    event.number(field).filter(|ms| *ms >= 0.0)
}

/// How long something lasted by a field of its event, milliseconds: no longer than the run itself until then, whatever a
/// clock that jumped says. `None` as with [`time`].
fn lasted(event: &Event, field: &str) -> Option<f64> {
    Some(time(event, field)?.min(event.t_ms).max(0.0))
}

/// Whether it is of something that had to fail: a guest's forbidden command, a login with the wrong password.
pub(crate) fn in_vain(event: &Event) -> bool {
    event.fields.contains_key("must")
}

/// Whether there is a measure that reads it: of the requests of a page, which are most of a long record, none does.
pub(crate) fn is_read(event: &Event) -> bool {
    !matches!(event.event.as_str(), "proxy_response" | "browser_response")
}

const PICTURE: &[&str] = &["new picture", "picture follows the sound"];
const VIDEO: &[&str] = &["first video frame"];
const QUEUE: Fed = Fed::ByExpectingOrSaying("applied", &["add many at once"]);
const MEDIA_PROXY: Fed = Fed::ByDeclaring(&[], "media_proxy");

/// Every measure.
pub const MEASURES: &[Measure] = &[
    Measure {
        name: "preset load",
        about: "preset switches that put the declared picture on the screen, of all",
        unit: "preset switch",
        fed: Fed::ByExpecting(PICTURE, 1),
        fold: || single::trials("hydra_preset_eval_success", "hydra_preset_eval_error"),
    },
    Measure {
        name: "first visualizer frame",
        about: "from the viewer's input to the first frame of the new preset; a failed load never came",
        unit: "preset switch",
        fed: Fed::ByExpecting(PICTURE, 1),
        fold: || single::values("first_visualizer_frame", "hydra_preset_eval_error"),
    },
    Measure {
        name: "crash-free session",
        about: "sessions in which no tab, browser or WebGL context was lost, of all",
        unit: "session",
        fed: Fed::Always,
        fold: || Box::new(single::CrashFree::default()),
    },
    Measure {
        name: "console errors",
        about: "console errors and uncaught exceptions per minute of session",
        unit: "minute of session",
        fed: Fed::Always,
        fold: || Box::new(console::ConsoleErrors::default()),
    },
    Measure {
        name: "memory growth",
        about: "growth of the browser's proportional set size over a session's first 100 preset switches",
        unit: "session of 100 switches",
        fed: Fed::ByExpecting(PICTURE, 100),
        fold: || Box::new(memory::MemoryGrowth::default()),
    },
    Measure {
        name: "command applied",
        about: "queue commands a session sent that were applied, of all",
        unit: "command",
        fed: QUEUE,
        fold: commands::applied,
    },
    Measure {
        name: "command applied once",
        about: "queue commands applied once and not again, of all that were applied",
        unit: "command",
        fed: QUEUE,
        fold: commands::once,
    },
    Measure {
        name: "command kept",
        about: "queue commands a session sent that were applied or rejected before it ended, of all",
        unit: "command",
        fed: QUEUE,
        fold: commands::kept,
    },
    Measure {
        name: "reconnect reconciliation",
        about: "from a socket's reconnect to the queue as the server has it; not before the session's end never came",
        unit: "reconnect",
        fed: Fed::ByExpecting(&["resync"], 1),
        fold: || Box::new(reconciled::Reconciled::default()),
    },
    Measure {
        name: "library response",
        about: "the server's own time to answer a browse or a search, as its Server-Timing says, or the app's own event",
        unit: "response",
        fed: Fed::ByDeclaring(&["search the library"], "[library]"),
        fold: || Box::new(library::Library::default()),
    },
    Measure {
        name: "login",
        about: "logins begun that succeeded, of all",
        unit: "login",
        fed: Fed::ByDeclaring(&["log in"], "[auth] login"),
        fold: || begun::begun("auth_login_start", "auth_login_success", "auth_login_failure"),
    },
    Measure {
        name: "token refresh",
        about: "token refreshes that succeeded (`ok`), of all",
        unit: "token refresh",
        fed: Fed::ByDeclaring(&["refresh the login"], "[auth] refresh"),
        fold: || single::flagged("auth_login_refresh", |e| Some(e.flag("ok"))),
    },
    Measure {
        name: "join room",
        about: "rooms that a viewer set out to join and was in, of all",
        unit: "join",
        fed: Fed::ByDeclaring(&["log in as a guest", "open the room"], "[room] join"),
        fold: || begun::begun("room_join_start", "room_join_success", "room_join_failure"),
    },
    Measure {
        name: "permission",
        about: "actions that a role was allowed or refused as it must be (`ok`), of all tried",
        unit: "permission check",
        fed: Fed::ByExpecting(&["allowed", "refused"], 1),
        fold: || single::flagged("permission_check", |e| Some(e.flag("ok"))),
    },
    Measure {
        name: "video init",
        about: "video visualizers that showed a decoded frame, of all",
        unit: "video init",
        fed: Fed::ByExpecting(VIDEO, 1),
        fold: || single::trials("video_init_frame_ready", "video_init_error"),
    },
    Measure {
        name: "first video frame",
        about: "from the viewer's input to the first decoded video frame; a failed init never came",
        unit: "video init",
        fed: Fed::ByExpecting(VIDEO, 1),
        fold: || single::values("video_init_frame_ready", "video_init_error"),
    },
    Measure {
        name: "proxy not 413",
        about: "answers of the app's own media proxy other than 413 Content Too Large, of all",
        unit: "response",
        fed: MEDIA_PROXY,
        fold: || single::flagged("video_proxy_response", single::not_413),
    },
    Measure {
        name: "proxy no idle abort",
        about: "answers of the app's own media proxy that came to an end, other than by an idle timeout, of all",
        unit: "response",
        fed: MEDIA_PROXY,
        fold: || single::flagged("video_proxy_response", idle::no_abort),
    },
    Measure {
        name: "long stalls",
        about: "stalls of more than 3 s per minute watched: pauses and seeks are no watching",
        unit: "minute watched",
        fed: Fed::ByExpecting(VIDEO, 1),
        fold: || Box::new(stalls::LongStalls::default()),
    },
];
