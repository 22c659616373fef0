//! Where a history is kept.

use crate::error::{Error, Result};
use postgres::Config;
use postgres::config::Host;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a history is kept.
#[derive(Clone, Debug)]
pub enum Address {
    /// Nowhere.
    Nowhere,
    /// In a SQLite file.
    File(PathBuf),
    /// In PostgreSQL.
    Server(Box<Config>),
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once("://").map(|(kind, _)| kind) {
            Some("postgres" | "postgresql") => {
                let config = text.parse().map_err(|_| {
                    // The text may hold a password: it is not said again.
                    Error::author("this is no address of a PostgreSQL database")
                        .remedy("postgres://user:password@host:5432/database")
                })?;
                Ok(Address::Server(Box::new(config)))
            }
            Some(kind) => Err(Error::author(format!("no history is kept in `{kind}`"))
                .remedy("give a file, postgres://user@host/database, or none")),
            None if text == "none" => Ok(Address::Nowhere),
            None if text.is_empty() => Err(Error::author("the history has no name").remedy("give a file, or none")),
            None => Ok(Address::File(PathBuf::from(text))),
        }
    }
}

/// As it may be shown: without a password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Nowhere => f.write_str("none"),
            Address::File(path) => write!(f, "{}", path.display()),
            Address::Server(config) => {
                let host = match config.get_hosts().first() {
                    Some(Host::Tcp(name)) => name.clone(),
                    Some(Host::Unix(folder)) => folder.display().to_string(),
                    None => "localhost".to_owned(),
                };
                write!(f, "postgres://{host}/{}", config.get_dbname().unwrap_or_default())
            }
        }
    }
}
