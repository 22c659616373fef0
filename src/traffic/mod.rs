//! Floor 1, pure. What page and server say to each other: the probe's messages and the browser's notices in, the events
//! of the playbook out. What counts as a command, a login or a join is what the app file declares.

mod asked;
mod frame;
mod owed;
mod places;
mod requests;
mod sockets;

pub use asked::{Asked, What};
pub use frame::Dotted;
pub use owed::Owed;
pub use places::Places;
pub use requests::Requests;
pub use sockets::Sockets;

use crate::browser::probe::PageIds;
use crate::fault::rule::glob;
use serde_json::Value;

/// What an app file declares of it.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// The socket that commands go through.
    pub socket: Option<Socket>,
    /// Requests that mean something.
    pub asked: Vec<Asked>,
}

impl Declared {
    /// Whether requests of this meaning are declared.
    pub fn asks(&self, what: What) -> bool {
        self.asked.iter().any(|asked| asked.what == what)
    }
}

/// The socket that commands go through: JSON in text messages, be it in the frames of socket.io.
#[derive(Clone, Debug, PartialEq)]
pub struct Socket {
    /// Path of its URL; `*` stands for any run of characters.
    pub path: String,
    /// Where a message says what it is.
    pub kind: Dotted,
    /// Where a message names the command that it is or answers.
    pub id: Dotted,
    /// Where a rejection says why.
    pub error: Dotted,
    /// Types of the page's messages that are commands, of the server's that acknowledge one, that reject one, and that,
    /// first after a connect, bring the state as the server has it.
    pub sent: Vec<String>,
    /// See `sent`.
    pub ack: Vec<String>,
    /// See `sent`.
    pub rejected: Vec<String>,
    /// See `sent`.
    pub resync: Vec<String>,
    /// Where a message of the server names the commands that it applied; `None`: an acknowledgement says so.
    pub applied: Option<Dotted>,
    /// Where a message of the server names the command of each entry that there is now: two entries of one command are two
    /// applications, whoever heard of them.
    pub entries: Option<Dotted>,
    /// Where a message of the server numbers the state: an older one than was seen brings no state.
    pub version: Option<Dotted>,
}

/// Whether a type is one of these.
fn is_one(patterns: &[String], kind: &str) -> bool {
    patterns.iter().any(|pattern| glob(pattern, kind))
}

/// Something that was said, as an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The event's name.
    pub event: &'static str,
    /// When, on the run's clock.
    pub t: f64,
    /// Its own fields.
    pub fields: Value,
    /// What the page told of itself then, where it was asked.
    pub ids: Option<PageIds>,
    /// The room it is about, where the request names it.
    pub room: Option<String>,
}

impl Told {
    fn new(event: &'static str, t: f64, fields: Value) -> Self {
        Self { event, t, fields, ids: None, room: None }
    }

    /// A field as text.
    pub fn text(&self, field: &str) -> &str {
        self.fields[field].as_str().unwrap_or_default()
    }
}

/// What is written into an event of something that must be refused: it is no sample of what should go well.
fn must(mut fields: Value, refused: bool) -> Value {
    if refused {
        fields["must"] = Value::from("be refused");
    }
    fields
}

#[cfg(test)]
mod tests;
