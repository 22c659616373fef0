//! Floor 3. The history: every run is kept, with what each of its plays gave every measure, so that what one run cannot
//! show the runs of a week can. In one SQLite file, or in PostgreSQL for a team whose runners come and go.
//!
//! A run is written in one transaction and is on the disk when [`History::add`] returns; who dies before leaves nothing.
//! Every call blocks: not for a thread that drives a runtime.

mod aborts;
mod address;
mod kept;
mod postgres;
mod readings;
mod rows;
mod sqlite;
mod standing;
mod store;
mod trend;

pub use address::Address;
pub use kept::{Play, Run, renderer_class};
pub use standing::Asked;
pub use trend::{Drifted, Listed, Overview, Trend};

use crate::error::{Error, Result};
use crate::measure::Samples;
use rows::{PLAY, RUN, columns};
use std::fmt::Write as _;
use store::{Store, Value};

/// The schema, one step a file: a history made by an older Soundcheck takes the steps that it lacks.
const SCHEMA: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
];

/// A history, open.
pub struct History {
    store: Box<dyn Store>,
    name: String,
}

/// What came of adding a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is kept.
    New,
    /// It was there without its end; now it is whole, or as whole as its record.
    Again,
    /// It was there already.
    Known,
}

/// Which runs and plays are asked for. What is not said is not asked.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The app file's name.
    pub app: Option<String>,
    /// The environment.
    pub environment: Option<String>,
    /// The app's version.
    pub version: Option<String>,
    /// The plan.
    pub plan: Option<String>,
    /// The browser.
    pub browser: Option<String>,
    /// The network profile.
    pub profile: Option<String>,
    /// The renderer's class.
    pub renderer: Option<String>,
    /// What began at this moment or later, milliseconds since 1970: the run where runs are asked for, else the play.
    pub since: Option<i64>,
    /// What began before this moment.
    pub until: Option<i64>,
    /// Where samples are asked for: also those of plays under faults that came to an answer. They are none of the app's own.
    pub faulted: bool,
}

/// What one play gave the measures asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// The run.
    pub run_id: String,
    /// Which of the run's plays, from 1.
    pub play: i64,
    /// When the play began, milliseconds since 1970.
    pub started: i64,
    /// What it gave, by measure.
    pub samples: Vec<(String, Samples)>,
    /// They are the app's own: no faults were planned.
    pub counts: bool,
    of: [String; POPULATION.len()],
}

/// What a population may ask of a sample, by key, and where it is kept.
const POPULATION: [(&str, &str); 8] = [
    ("app", "r.app"),
    ("environment", "r.environment"),
    ("version", "r.app_version"),
    ("plan", "r.plan"),
    ("journey", "p.journey"),
    ("browser", "p.browser"),
    ("profile", "p.profile"),
    ("renderer", "p.renderer"),
];

impl Sampled {
    /// What it has under a key of a population: app, environment, version, plan, journey, browser, profile, renderer.
    pub fn has(&self, key: &str) -> Option<&str> {
        let at = POPULATION.iter().position(|(known, _)| *known == key)?;
        Some(self.of[at].as_str()).filter(|own| !own.is_empty())
    }
}

impl History {
    /// Opens one to read; none there is an error.
    pub fn open(address: &Address) -> Result<Self> {
        Self::opened(address, false)
    }

    /// Opens one to write to, and makes it where there is none.
    pub fn make(address: &Address) -> Result<Self> {
        Self::opened(address, true)
    }

    fn opened(address: &Address, make: bool) -> Result<Self> {
        let name = address.to_string();
        let store: Result<Box<dyn Store>> = match address {
            Address::Nowhere => Err(Error::author("no history is kept").remedy("give --history FILE")),
            Address::File(path) => sqlite::Sqlite::open(path, make).map(|s| Box::new(s) as _),
            Address::Server(config) => postgres::Postgres::open(config).map(|s| Box::new(s) as _),
        };
        let mut history = Self { store: store.map_err(|e| e.during(format!("history {name}")))?, name };
        history.doing(|store| migrate(store))?;
        Ok(history)
    }

    /// Keeps a run: on the disk, all of it, when this returns. One that is kept already stays as it is, unless its end is
    /// missing there.
    pub fn add(&mut self, run: &Run) -> Result<Added> {
        self.doing(|store| {
            store.begin(false)?;
            let done = rows::write(store, run).and_then(|added| store.batch("COMMIT").map(|()| added));
            if done.is_err() {
                // Whatever it was that failed, it says more than a failed rollback would.
                let _ = store.batch("ROLLBACK");
            }
            done
        })
    }

    /// The runs, oldest first, without their plays.
    pub fn runs(&mut self, filter: &Filter) -> Result<Vec<Run>> {
        let (wanted, values) = filter.sql("r", true);
        let sql = format!("SELECT {} FROM runs r WHERE {wanted} ORDER BY r.started, r.run_id", columns("r", RUN));
        let mut runs = Vec::new();
        self.query(&sql, &values, &mut |row| {
            runs.push(rows::run(row)?);
            Ok(())
        })?;
        Ok(runs)
    }

    /// The plays, oldest first, each with its run's id; without their samples.
    pub fn plays(&mut self, filter: &Filter, mut each: impl FnMut(&str, Play) -> Result<()>) -> Result<()> {
        let (wanted, values) = filter.sql("p", false);
        let sql = format!(
            "SELECT {}, p.run_id FROM plays p JOIN runs r ON r.run_id = p.run_id WHERE {wanted} \
             ORDER BY p.started, p.run_id, p.play",
            columns("p", PLAY)
        );
        self.query(&sql, &values, &mut |row| each(row.text(PLAY.len())?, rows::play(row)?))
    }

    /// What the plays that count gave these measures (none named: all), in the order of the plays. They are read one at
    /// a time: a year of them takes no more memory than a day.
    pub fn samples(
        &mut self,
        measures: &[&str],
        filter: &Filter,
        mut each: impl FnMut(Sampled) -> Result<()>,
    ) -> Result<()> {
        let (mut wanted, mut values) = filter.sql("p", false);
        // Of one or two, a play without them need not be sent at all.
        if let [first, rest @ ..] = measures
            && rest.len() < 2
        {
            let find = self.store.find();
            for (n, measure) in [first].into_iter().chain(rest).enumerate() {
                values.push(format!("{measure}\n").as_str().into());
                let either = if n == 0 { " AND (" } else { " OR " };
                let _ = write!(wanted, "{either}{find}(p.samples, ${}) > 0", values.len());
            }
            wanted += ")";
        }
        let counts = match filter.faulted {
            true => "(p.counts OR (p.faulted AND NOT p.diagnoses AND p.ending IN ('passed', 'failed')))",
            false => "p.counts",
        };
        let sql = format!(
            "SELECT p.run_id, p.play, p.started, p.samples, p.counts, {} FROM plays p JOIN runs r ON r.run_id = p.run_id \
             WHERE {counts} AND p.samples <> '' AND {wanted} ORDER BY p.started, p.run_id, p.play",
            POPULATION.map(|(_, column)| column).join(", ")
        );
        self.query(&sql, &values, &mut |row| {
            let mut lines = row.text(3)?.lines();
            let mut samples = Vec::new();
            while let (Some(measure), Some(text)) = (lines.next(), lines.next()) {
                if measures.is_empty() || measures.contains(&measure) {
                    let given =
                        serde_json::from_str(text).map_err(|e| Error::operator(format!("samples `{text}`: {e}")))?;
                    samples.push((measure.to_owned(), given));
                }
            }
            if samples.is_empty() {
                return Ok(());
            }
            let mut of = POPULATION.map(|_| String::new());
            for (n, own) in of.iter_mut().enumerate() {
                row.text(5 + n)?.clone_into(own);
            }
            let (run_id, counts) = (row.text(0)?.to_owned(), row.flag(4)?);
            each(Sampled { run_id, play: row.int(1)?, started: row.int(2)?, samples, counts, of })
        })
    }

    fn query(&mut self, sql: &str, values: &[Value], each: store::Each) -> Result<()> {
        self.doing(|store| store.query(sql, values, each))
    }

    fn doing<T>(&mut self, work: impl FnOnce(&mut dyn Store) -> Result<T>) -> Result<T> {
        work(&mut *self.store).map_err(|e| e.during(format!("history {}", self.name)))
    }
}

fn migrate(store: &mut dyn Store) -> Result<()> {
    let newest = SCHEMA.len() as i64;
    if store.version()? == newest {
        return Ok(());
    }
    store.begin(true)?;
    // Another may have been quicker.
    let now = store.version()?;
    if now > newest {
        return Err(Error::operator(format!("a newer Soundcheck made it (schema {now}, known here: {newest})"))
            .remedy("update soundcheck, or give another --history"));
    }
    for step in &SCHEMA[now.max(0) as usize..] {
        store.batch(step)?;
    }
    if now < newest {
        store.set_version(newest)?;
    }
    store.batch("COMMIT")
}
