//! A history in one file.

use super::store::{Each, Row, Store, Value};
use crate::error::{Error, Result};
use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, params_from_iter};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long another writer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Sqlite(Connection);

impl Sqlite {
    /// Opens the file; with `make`, it is made where there is none.
    pub fn open(path: &Path, make: bool) -> Result<Self> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if make {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(|e| Error::operator(e.to_string()))?;
            }
        } else if !path.exists() {
            return Err(Error::author("there is none yet")
                .remedy("soundcheck run keeps one; soundcheck history import takes in old records"));
        }
        let opened = Connection::open_with_flags(path, flags).map_err(failed)?;
        opened.busy_timeout(PATIENCE).map_err(failed)?;
        let begun = Instant::now();
        // Readers and a writer at once, and what is committed is on the disk. Turning to WAL does not wait for others
        // who do the same, so it is tried again.
        let setup = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";
        while let Err(e) = opened.execute_batch(setup) {
            if e.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) || begun.elapsed() > PATIENCE {
                return Err(failed(e));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self(opened))
    }
}

fn failed(error: rusqlite::Error) -> Error {
    let said = Error::operator(error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => said.remedy("free space on the disk"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => said.remedy("end what else writes to it"),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => said.remedy("see that its folder may be written to"),
        Some(ErrorCode::NotADatabase) => Error::author(error.to_string()).remedy("give another --history FILE"),
        Some(ErrorCode::DatabaseCorrupt) => said.remedy("move it away and import the records anew"),
        _ => said,
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Int(n) => ToSqlOutput::Owned(Stored::Integer(*n)),
            Value::Real(n) => ToSqlOutput::Owned(Stored::Real(*n)),
            Value::Flag(yes) => ToSqlOutput::Owned(Stored::Integer(i64::from(*yes))),
        })
    }
}

impl Row for rusqlite::Row<'_> {
    fn text(&self, column: usize) -> Result<&str> {
        self.get_ref(column).and_then(|v| Ok(v.as_str()?)).map_err(failed)
    }
    fn int(&self, column: usize) -> Result<i64> {
        self.get(column).map_err(failed)
    }
    fn real(&self, column: usize) -> Result<f64> {
        self.get(column).map_err(failed)
    }
    fn flag(&self, column: usize) -> Result<bool> {
        self.get(column).map_err(failed)
    }
}

impl Store for Sqlite {
    fn begin(&mut self, _: bool) -> Result<()> {
        // At once: a lock asked for half-way would not be waited for.
        self.batch("BEGIN IMMEDIATE")
    }

    fn version(&mut self) -> Result<i64> {
        // The tables first: whoever makes a history commits them with their number.
        let tables: i64 =
            self.0.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).map_err(failed)?;
        let version: i64 = self.0.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
        match (tables, version) {
            (1.., 0) => Err(Error::author("it is another program's database").remedy("give another --history FILE")),
            _ => Ok(version),
        }
    }

    fn set_version(&mut self, version: i64) -> Result<()> {
        self.0.pragma_update(None, "user_version", version).map_err(failed)
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        self.0.execute_batch(sql).map_err(failed)
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        let mut statement = self.0.prepare_cached(sql).map_err(failed)?;
        statement.execute(params_from_iter(values)).map(|n| n as u64).map_err(failed)
    }

    fn find(&self) -> &'static str {
        "instr"
    }

    fn query(&mut self, sql: &str, values: &[Value], each: Each) -> Result<()> {
        let mut statement = self.0.prepare(sql).map_err(failed)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            each(row)?;
        }
        Ok(())
    }
}
