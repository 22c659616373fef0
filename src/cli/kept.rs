//! Where runs are kept: the same for every command that asks a history or adds to it.

use soundcheck::error::{Error, Result};
use soundcheck::history::{Address, History, Run};
use soundcheck::record::Record;
use std::path::Path;
use std::time::Duration;

#[derive(clap::Args)]
pub struct At {
    /// Where every run is kept: a SQLite file, postgres://user:password@host/database, or none
    #[arg(
        long,
        value_name = "FILE|URL|none",
        global = true,
        env = "SOUNDCHECK_HISTORY",
        hide_env_values = true,
        default_value = "soundcheck-runs/history.db"
    )]
    history: String,
}

impl At {
    /// Not clap's to read: it would show a password in a wrong address.
    pub fn address(&self) -> Result<Address> {
        self.history.parse()
    }
}

/// A database that gives no answer holds up the end of a run no longer.
const DEADLINE: Duration = Duration::from_secs(30);

/// Keeps a run. What goes wrong here is said, and is no part of the run's own answer.
pub async fn keep(address: &Address, record: &Record, folder: &Path) {
    if matches!(address, Address::Nowhere) {
        return;
    }
    if let Err(e) = kept(address, record, folder, DEADLINE).await {
        let first = e.fix().map_or(String::new(), |fix| format!("{fix}; then: "));
        let import = format!("soundcheck history import {}", folder.display());
        eprintln!("not kept: {}\n  remedy: {first}{import}, with the same --history", e.what());
    }
}

async fn kept(address: &Address, record: &Record, folder: &Path, deadline: Duration) -> Result<()> {
    let (at, of, from) = (address.clone(), record.clone(), folder.to_owned());
    let work = tokio::task::spawn_blocking(move || History::make(&at)?.add(&Run::of(&of, &from)?));
    match tokio::time::timeout(deadline, work).await {
        Ok(Ok(kept)) => kept.map(drop),
        Ok(Err(e)) => Err(Error::us(format!("history {address}: {e}"))),
        Err(_) => Err(Error::operator(format!("history {address}: no answer in {} s", deadline.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::time::Instant;

    #[tokio::test]
    async fn a_database_that_gives_no_answer_holds_nothing_up() {
        let silent = TcpListener::bind("127.0.0.1:0").expect("listens");
        let port = silent.local_addr().expect("an address").port();
        let url = format!("postgres://me:hunter2@127.0.0.1:{port}/x?connect_timeout=600");
        let (address, begun) = (url.parse::<Address>().expect("an address"), Instant::now());
        let kept = kept(&address, &Record::default(), Path::new("nowhere"), Duration::from_secs(1)).await;
        assert_eq!(kept.expect_err("it says nothing").what(), "history postgres://127.0.0.1/x: no answer in 1 s");
        assert!(begun.elapsed() < Duration::from_secs(10));
        // What still waits for it would be waited for.
        drop(silent);
    }
}
