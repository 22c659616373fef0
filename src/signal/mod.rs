//! Floor 2. Signals: what an app and its servers say of themselves, asked from outside. A signal is asked about a
//! [`Span`], and gives counts with the time of the newest thing it knows: a source that ended three days ago is stale,
//! not quiet. Each is a leaf and a row. None of it is believed further than it goes: what cannot be read is an error or
//! is said, never nought.

mod exposition;
mod log;
mod promql;
mod scrape;
mod span;
#[cfg(test)]
mod tests;

pub use log::Log;
pub use promql::Promql;
pub use scrape::{Reading, Scrape};
pub use span::{Place, Span};

use crate::error::Result;
use crate::stats::Counted;
use crate::table::Row;
use jiff::civil::Date;
use serde::Serialize;

/// How a media proxy ends a stream that it should not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Abort {
    /// It refused: 413 Content Too Large.
    TooLarge,
    /// It gave up on a stream in which nothing came any more.
    Idle,
}

impl Abort {
    /// Both.
    pub const ALL: [Abort; 2] = [Abort::TooLarge, Abort::Idle];

    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Abort::TooLarge => "413",
            Abort::Idle => "idle-timeout aborts",
        }
    }

    /// The measure that counts those that the plays met.
    pub fn measure(self) -> &'static str {
        match self {
            Abort::TooLarge => "proxy not 413",
            Abort::Idle => "proxy no idle abort",
        }
    }
}

/// What there was of one abort.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// In the window.
    pub now: Counted,
    /// On the days of the baseline that had exposure, oldest first.
    pub days: Vec<(Date, Counted)>,
}

/// What a source says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Told {
    /// What there was of each abort that it can tell of.
    pub counts: Vec<(Abort, Counts)>,
    /// When the newest thing it knows was, milliseconds since 1970; never after the span's end.
    pub newest: Option<i64>,
    /// What of it could not be used, and why.
    pub notes: Vec<String>,
    /// How many hours of the window it saw, where that can be told.
    pub covers: Option<f64>,
    /// Why it cannot show that nothing happened.
    pub lacks: Vec<Lacking>,
}

/// Why a source cannot show that nothing happened; that something did, it can.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lacking {
    /// Of which abort; `None`: of any.
    pub abort: Option<Abort>,
    /// What is missing.
    pub what: String,
    /// What to do.
    pub todo: &'static str,
}

impl Lacking {
    /// A counter that the source does not have: nought of it says nothing.
    fn unseen(abort: Abort, counter: &str) -> Self {
        let what = format!("`{counter}` has never been seen: is its label right?");
        Self { abort: Some(abort), what, todo: "write the label as the app does, and begin its counters at 0" }
    }
}

/// Gets what a URL answers, within the bounds of who asks, or says why not.
pub type Get<'g> = &'g mut dyn FnMut(&str) -> Result<String, String>;

/// A kind of source.
pub struct Kind {
    name: &'static str,
    about: &'static str,
}

impl Row for Kind {
    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        self.about
    }
}

/// Every kind of source.
pub const SIGNALS: &[Kind] = &[
    Kind {
        name: "log",
        about: "the media proxy's own log: Common or Combined, JSON lines, nginx's error log; also .gz",
    },
    Kind { name: "promql", about: "counters of the media proxy in Prometheus, or what speaks its query API" },
    Kind { name: "metrics", about: "the same as the app's own /metrics says them: each look is kept in the history" },
];
