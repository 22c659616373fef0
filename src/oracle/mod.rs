//! Floor 1, pure. Oracles: observations in, outcome out. Each answers one expectation of a journey's step ("a new
//! picture"), from pixels and frames, with every failure since the step began held against it. No browser, no clock
//! of its own: a test feeds it a playbook.

mod applied;
mod fallback;
mod first_video_frame;
mod new_picture;
mod page;
mod permission;
pub mod playback;
mod reconnects;
mod resync;
pub mod screen;
mod sound;
mod viewer;

use crate::browser::probe::{Audio, Frame, Gl, Video};
use crate::table::Row;
use crate::traffic::{Socket, Told};
use permission::{Must, Permission};
pub use reconnects::{Policy, Reconnect};
use serde_json::Value;
use std::time::Duration;

/// An expectation a step may name.
pub struct Expectation {
    name: &'static str,
    about: &'static str,
    /// How long before it has failed, where the step does not say.
    pub give_up: Duration,
    /// The picture must be watched for long, many times a second, with the sound beside it.
    pub listens: bool,
    /// What is tried must fail: it is no sample of what should go well.
    pub must_fail: bool,
    /// Makes the oracle for one step.
    pub oracle: fn(Before) -> Box<dyn Oracle>,
}

impl Row for Expectation {
    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        self.about
    }
}

/// What a step may expect.
pub const EXPECTATIONS: &[Expectation] = &[
    Expectation {
        name: "the page",
        about: "the document answered below 400, loaded, and holds the app's canvas",
        give_up: Duration::from_secs(30),
        listens: false,
        must_fail: false,
        oracle: |before| Box::new(page::Page::new(before)),
    },
    Expectation {
        name: "new picture",
        about: "the screen shows another preset: other programs drawn, pixels as declared, nothing failed meanwhile",
        give_up: Duration::from_secs(10),
        listens: false,
        must_fail: false,
        oracle: |before| Box::new(new_picture::NewPicture::new(before)),
    },
    Expectation {
        name: "picture follows the sound",
        about: "a new picture that changes with the sound the microphone is known to hear",
        give_up: Duration::from_secs(15),
        listens: true,
        must_fail: false,
        oracle: |before| Box::new(sound::FollowsSound::new(before)),
    },
    Expectation {
        name: "first video frame",
        about: "a video decoded a frame, and where the app has a canvas that frame's picture reached it",
        give_up: Duration::from_secs(45),
        listens: false,
        must_fail: false,
        oracle: |before| Box::new(first_video_frame::FirstVideoFrame::new(before)),
    },
    Expectation {
        name: "it reconnects",
        about: "while an outage holds the picture the player says so within 2 s; afterwards it plays on as [reconnect] declares",
        give_up: Duration::from_secs(90),
        listens: false,
        must_fail: false,
        oracle: |before| Box::new(reconnects::Reconnects::new(before)),
    },
    Expectation {
        name: "applied",
        about: "every command the step sends on the app's socket is acknowledged, and applied once",
        give_up: Duration::from_secs(10),
        listens: false,
        must_fail: false,
        oracle: |before| Box::new(applied::Applied::new(before)),
    },
    Expectation {
        name: "resync",
        about: "the app's socket connects, or comes back, and brings the state as the server has it: timed from its return",
        give_up: Duration::from_secs(30),
        listens: false,
        must_fail: false,
        oracle: |before| Box::new(resync::Resync::new(before)),
    },
    Expectation {
        name: "allowed",
        about: "the server lets this role do what the step asks of it",
        give_up: Duration::from_secs(10),
        listens: false,
        must_fail: false,
        oracle: |before| Box::new(Permission::new(before, Must::BeAllowed)),
    },
    Expectation {
        name: "refused",
        about: "the server refuses this role what the step asks of it, and does not do it",
        give_up: Duration::from_secs(10),
        listens: false,
        must_fail: true,
        oracle: |before| Box::new(Permission::new(before, Must::BeRefused)),
    },
    Expectation {
        name: "signed in",
        about: "the page shows who is signed in",
        give_up: Duration::from_secs(15),
        listens: false,
        must_fail: false,
        oracle: |before| Box::new(viewer::Viewer::new(before, true)),
    },
    Expectation {
        name: "not signed in",
        about: "a login is refused: the page goes on showing nobody",
        give_up: Duration::from_secs(15),
        listens: false,
        must_fail: true,
        oracle: |before| Box::new(viewer::Viewer::new(before, false)),
    },
    Expectation {
        name: "it falls back",
        about: "a preset fails, and the app shows another picture in its place, or says that it does",
        give_up: Duration::from_secs(10),
        listens: false,
        must_fail: true,
        oracle: |before| Box::new(fallback::FallsBack::new(before)),
    },
];

/// What is known when a step begins.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// When the step began, on the run's clock: t0 where no trusted input is seen (a script step).
    pub t: f64,
    /// The last frames read before, oldest first.
    pub frames: Vec<(f64, Frame)>,
    /// The preset the app said it showed.
    pub preset: Option<String>,
    /// The app says which preset it shows: wait for its word before a verdict.
    pub names_presets: bool,
    /// The app has a canvas.
    pub has_canvas: bool,
    /// A worker draws on a canvas of the page that is open: what it draws is not seen.
    pub in_worker: bool,
    /// The page that is open has no such canvas: a video on it is looked at itself.
    pub plain: bool,
    /// What the app declares of its player on a bad network.
    pub reconnect: Option<Reconnect>,
    /// When the profile takes the network away: begin and end, on the run's clock.
    pub outages: Vec<(f64, f64)>,
    /// What the app declares of the socket that its commands go through.
    pub socket: Option<Socket>,
}

impl Before {
    /// Whether something told at `t` is of this step: the page's clock and ours agree to some milliseconds.
    fn is_in_it(&self, t: f64) -> bool {
        t + 5.0 >= self.t
    }
}

/// Something seen while a step runs.
#[derive(Clone, Debug)]
pub enum Seen {
    /// The step's actions are done.
    Acted,
    /// A trusted input reached the page: t0.
    Input,
    /// A frame was drawn and read.
    Frame(Frame),
    /// WebGL said something.
    Gl(Gl),
    /// A video reached a texture (`Ok`), or was refused.
    Texture(Result<(), String>),
    /// A media element said something.
    Video(Video),
    /// The audio graph said something.
    Audio(Audio),
    /// A console line at this level ("error", "warn" ...).
    Console(String, String),
    /// An uncaught exception or rejection.
    Exception(String),
    /// The document's HTTP status.
    Document(u16),
    /// The document could not be had.
    Unreachable(String),
    /// The document loaded; whether the app's canvas is in it, where it has one.
    Loaded(bool),
    /// The app says it shows this preset, declared so.
    Preset(Option<String>, Declared),
    /// The app's player, looked at.
    Player(Player),
    /// Page and server said something to each other.
    Told(Told),
    /// Who the page shows to be signed in.
    User(Option<String>),
    /// Nothing: time passes.
    Tick,
}

/// An app's player at a look.
#[derive(Clone, Debug, Default)]
pub struct Player {
    /// The words its status shows; `None`: it is not there, or not seen.
    pub text: Option<String>,
    /// Clock of the largest video in the document, seconds.
    pub place: Option<f64>,
    /// Frames of it so far.
    pub frames: Option<f64>,
}

/// What an app file declares of a preset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declared {
    /// What its picture should look like; `None`: anything but black.
    pub picture: Option<Picture>,
    /// Hashes of the programs that draw it; empty: not known.
    pub programs: Vec<String>,
}

/// What a preset's picture should look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// Black by design.
    Black,
    /// Not black; may stand still.
    Static,
    /// Not black, and changes.
    Moving,
    /// Not black, and drawn from a video's frames.
    Video,
    /// Changes with the sound; may be black in silence.
    Sound,
}

impl Picture {
    /// All, for help texts.
    pub const ALL: [Picture; 5] = [Self::Black, Self::Static, Self::Moving, Self::Video, Self::Sound];

    /// As app files write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Black => "black",
            Self::Static => "static",
            Self::Moving => "moving",
            Self::Video => "video",
            Self::Sound => "sound",
        }
    }

    /// One line for `soundcheck list`.
    pub fn about(self) -> &'static str {
        match self {
            Self::Black => "black by design",
            Self::Static => "not black; may stand still",
            Self::Moving => "not black, and changes",
            Self::Video => "not black, changes, and is drawn from a video's frames",
            Self::Sound => "changes with the sound; may be black in silence",
        }
    }
}

/// Feeds on what is seen, until it knows.
pub trait Oracle: Send {
    /// Takes an observation at `t` on the run's clock; the outcome once there is one.
    fn see(&mut self, t: f64, seen: &Seen) -> Option<Outcome>;

    /// Time is up at `t`: says what was missing.
    fn give_up(&mut self, t: f64) -> Outcome;

    /// The app's player is to be looked at, several times a second.
    fn looks(&self) -> bool {
        false
    }

    /// The page is to be asked until it has loaded.
    fn loads(&self) -> bool {
        false
    }

    /// It must be told that time passes, also while nothing is seen.
    fn ticks(&self) -> bool {
        false
    }
}

impl Outcome {
    /// Neither held nor failed: this event says why.
    fn nothing_to_judge(event: &'static str, t: f64, why: &str) -> Self {
        Self { events: vec![(event, t, serde_json::json!({ "undecided": why }))], ..Self::default() }
    }

    /// Why there was nothing to judge, if there was not.
    pub fn undecided(&self) -> Option<&str> {
        self.events.iter().find_map(|(_, _, fields)| fields.get("undecided")?.as_str())
    }
}

/// What came of an expectation.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// `None`: it held. Otherwise why not, in words for 2 a.m.
    pub failed: Option<String>,
    /// It failed for nothing but what did not come in time: on a machine that others keep busy that says nothing of the app.
    pub late: bool,
    /// Milliseconds from t0 to what was expected.
    pub ms: Option<f64>,
    /// Events to write: name, when on the run's clock, fields. One with `undecided` says why there was nothing to judge.
    pub events: Vec<(&'static str, f64, Value)>,
}

/// Console lines by which Hydra says that a preset failed, and what they mean (hydra-synth 1.4.0 sources).
const HYDRA_FAILURES: [(&str, &str); 4] = [
    ("shader could not compile", "Hydra could not build the preset's shader"),
    ("Error during tick():", "the preset throws on every tick"),
    ("function does not return a number", "a preset's function returns no number"),
    ("ERROR", "a preset's function throws"),
];

/// What failed since the step began, first cause first.
#[derive(Clone, Debug, Default)]
struct Held {
    /// Fails the picture by itself.
    fatal: Option<String>,
    /// Explains a missing picture, but is no failure of it: an unrelated error may come at any time.
    clue: Option<String>,
}

impl Held {
    fn see(&mut self, seen: &Seen) {
        match seen {
            Seen::Gl(gl) => {
                let log = || gl.log.as_deref().map_or(String::new(), |l| format!(": {}", first_line(l)));
                match gl.ev.as_str() {
                    "compile_error" => self.fatal(format!("a shader did not compile{}", log())),
                    "link_error" => self.fatal(format!("a program did not link{}", log())),
                    "lost" => self.fatal("the WebGL context was lost".to_owned()),
                    _ => {}
                }
            }
            Seen::Console(level, text) if level == "warn" || level == "warning" => {
                if let Some((words, meaning)) = HYDRA_FAILURES.iter().find(|(w, _)| text.starts_with(w)) {
                    let rest = text[words.len()..].trim();
                    let rest = if rest.is_empty() { String::new() } else { format!(": {}", first_line(rest)) };
                    self.fatal(format!("{meaning} (\"{}\"{rest})", words.trim_end_matches(':')));
                }
            }
            Seen::Console(level, text) if level == "error" => self.clue(format!("console error: {}", first_line(text))),
            Seen::Exception(text) => self.clue(format!("uncaught: {}", first_line(text))),
            Seen::Texture(Err(why)) => self.clue(format!("the video may not be drawn: {}", first_line(why))),
            _ => {}
        }
    }

    fn fatal(&mut self, why: String) {
        self.fatal.get_or_insert(why);
    }

    fn clue(&mut self, why: String) {
        self.clue.get_or_insert(why);
    }

    /// `why`, with the clue there is.
    fn explain(&self, why: String) -> String {
        match &self.clue {
            Some(clue) => format!("{why}; {clue}"),
            None => why,
        }
    }
}

fn first_line(text: &str) -> String {
    const LONGEST: usize = 200;
    let line = text.lines().find(|l| !l.trim().is_empty()).unwrap_or_default().trim();
    match line.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}...", &line[..cut]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests;
