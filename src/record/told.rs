//! Whether somebody was told of a breach.

use crate::event::Event;
use serde::Serialize;

/// What came of `--on-breach`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Who: the server's address without its path, or the command.
    pub to: String,
    /// Why not; `None`: it was told.
    pub problem: Option<String>,
}

impl Told {
    pub(super) fn of(event: &Event) -> Self {
        let text = |key| event.text(key).map(str::to_owned);
        Self { to: text("to").unwrap_or_default(), problem: text("problem") }
    }

    /// In words.
    pub fn words(&self) -> String {
        match &self.problem {
            None => format!("the breach was told to {}", self.to),
            Some(why) => format!("the breach could not be told to {}: {why}", self.to),
        }
    }
}
