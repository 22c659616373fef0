//! Floor 0. An error says what is wrong, whose move it is, and what to do about it.
//!
//! A journey that fails is not an error: it is data. An [`Error`] means that Soundcheck could not do what it was
//! asked, because a file is wrong ([`Whose::Author`]), because the machine lacks something ([`Whose::Operator`]),
//! or because Soundcheck itself is at fault ([`Whose::Us`]).

use std::fmt;

/// Whose move it is after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The author of a journey, app, plan or profile file, or of the command line. Exit code 2.
    Author,
    /// The operator of the machine: a missing browser, a full disk, a driver that died. Exit code 3.
    Operator,
    /// Ours: a bug in Soundcheck. Exit code 70 (`EX_SOFTWARE` of sysexits.h).
    Us,
}

impl Whose {
    /// The exit code of the process when this error ends it.
    pub fn exit_code(self) -> u8 {
        match self {
            Whose::Author => 2,
            Whose::Operator => 3,
            Whose::Us => 70,
        }
    }
}

/// What went wrong, whose move it is, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    whose: Whose,
    what: String,
    remedy: Option<String>,
}

/// A result whose error says whose move it is.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A file or an argument is wrong.
    pub fn author(what: impl Into<String>) -> Self {
        Self::new(Whose::Author, what)
    }

    /// The machine lacks something, or something on it died.
    pub fn operator(what: impl Into<String>) -> Self {
        Self::new(Whose::Operator, what)
    }

    /// Soundcheck is at fault.
    pub fn us(what: impl Into<String>) -> Self {
        Self::new(Whose::Us, what)
    }

    fn new(whose: Whose, what: impl Into<String>) -> Self {
        Self { whose, what: what.into(), remedy: None }
    }

    /// Adds what to do about it: a command, or a sentence.
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Puts what was being done in front of what went wrong.
    pub fn during(mut self, doing: impl fmt::Display) -> Self {
        self.what = format!("{doing}: {}", self.what);
        self
    }

    /// Whose move it is.
    pub fn whose(&self) -> Whose {
        self.whose
    }

    /// What went wrong, without the remedy.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do about it, where that is known.
    pub fn fix(&self) -> Option<&str> {
        self.remedy.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(remedy) = &self.remedy {
            write!(f, "\n  remedy: {remedy}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Turns any error into the operator's, saying what was being done.
pub trait Operator<T> {
    /// `doing` is a phrase such as "starting chromedriver".
    fn operator(self, doing: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Operator<T> for std::result::Result<T, E> {
    fn operator(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|e| Error::operator(format!("{doing}: {e}")))
    }
}
