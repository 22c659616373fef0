//! The seam between the history and the databases it is kept in. Both take the same SQL: `$1`, `$2` in order of their
//! first use, TEXT, BIGINT, DOUBLE PRECISION and BOOLEAN.
//!
//! rusqlite and postgres, not sqlx for both: sqlx wants another SQLite than the stage's rusqlite, and a program links one.

use crate::error::Result;

/// A value in a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, without NUL: PostgreSQL has none.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A finite number.
    Real(f64),
    /// Yes or no.
    Flag(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.replace('\0', "\u{fffd}"))
    }
}

impl From<u64> for Value {
    fn from(n: u64) -> Self {
        Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Value::Int(n)
    }
}

impl From<f64> for Value {
    fn from(n: f64) -> Self {
        Value::Real(if n.is_finite() { n } else { 0.0 })
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Value::Flag(yes)
    }
}

/// A row of an answer; columns count from 0.
pub trait Row {
    /// A column of text.
    fn text(&self, column: usize) -> Result<&str>;
    /// A column of whole numbers.
    fn int(&self, column: usize) -> Result<i64>;
    /// A column of numbers.
    fn real(&self, column: usize) -> Result<f64>;
    /// A column of yes or no.
    fn flag(&self, column: usize) -> Result<bool>;
}

/// What is done with each row.
pub type Each<'e> = &'e mut dyn FnMut(&dyn Row) -> Result<()>;

/// A database, open. What is begun and not committed is undone when it closes, however that comes.
pub trait Store: Send {
    /// Begins to write; `alone`: nobody else may change the schema meanwhile.
    fn begin(&mut self, alone: bool) -> Result<()>;
    /// The schema's number; 0: none yet.
    fn version(&mut self) -> Result<i64>;
    /// Sets it.
    fn set_version(&mut self, version: i64) -> Result<()>;
    /// Statements without values.
    fn batch(&mut self, sql: &str) -> Result<()>;
    /// A statement; how many rows it changed.
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64>;
    /// The function that tells where in a text another begins, from 1; 0: nowhere. SQL has no name for it that both know.
    fn find(&self) -> &'static str;
    /// A question. Rows come one at a time, and are never all in memory.
    fn query(&mut self, sql: &str, values: &[Value], each: Each) -> Result<()>;
}
