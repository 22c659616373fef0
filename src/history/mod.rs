//! Floor 3. The history: every run is kept, with what each of its plays gave every measure, so that what one run cannot
//! show the runs of a week can. In one SQLite file, or in PostgreSQL for a team whose runners come and go.
//!
//! A run is written in one transaction and is on the disk when [`History::add`] returns; who dies before leaves nothing.
//! Every call blocks: not for a thread that drives a runtime.

mod address;
mod kept;
mod postgres;
mod sqlite;
mod store;
mod trend;

pub use address::Address;
pub use kept::{Play, Run, renderer_class};
pub use trend::{Listed, Overview, Trend, sparkline};

use crate::error::{Error, Result};
use crate::measure::Samples;
use crate::record::Ending;
use jiff::Timestamp;
use std::fmt::Write as _;
use store::{Row, Store, Value};

/// The schema, one step a file: a history made by an older Soundcheck takes the steps that it lacks.
const SCHEMA: &[&str] = &[include_str!("schema/1.sql")];

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
}

/// What one play gave the measures asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// The run.
    pub run_id: String,
    /// The version of the app.
    pub version: String,
    /// Which of the run's plays, from 1.
    pub play: i64,
    /// When the play began, milliseconds since 1970.
    pub started: i64,
    /// The journey.
    pub journey: String,
    /// The browser.
    pub browser: String,
    /// What it gave, by measure.
    pub samples: Vec<(String, Samples)>,
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
            let done = write(store, run).and_then(|added| store.batch("COMMIT").map(|()| added));
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
            runs.push(run(row)?);
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
        self.query(&sql, &values, &mut |row| each(row.text(PLAY.len())?, play(row)?))
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
        for (n, measure) in measures.iter().enumerate() {
            values.push((*measure).into());
            let _ = write!(wanted, "{}${}", if n == 0 { " AND s.measure IN (" } else { ", " }, values.len());
        }
        let end = if measures.is_empty() { "" } else { ")" };
        // A row a play, measures and samples on lines in turn: a row each would take a server three times as long.
        let sql = format!(
            "SELECT p.run_id, r.app_version, p.play, p.started, p.journey, p.browser, \
             string_agg(s.measure || '\n' || s.samples, '\n' ORDER BY s.measure) \
             FROM plays p JOIN runs r ON r.run_id = p.run_id JOIN samples s ON s.run_id = p.run_id AND s.play = p.play \
             WHERE p.counts AND {wanted}{end} GROUP BY r.run_id, p.run_id, p.play ORDER BY p.started, p.run_id, p.play"
        );
        self.query(&sql, &values, &mut |row| {
            let mut lines = row.text(6)?.lines();
            let mut samples = Vec::new();
            while let (Some(measure), Some(text)) = (lines.next(), lines.next()) {
                let given =
                    serde_json::from_str(text).map_err(|e| Error::operator(format!("samples `{text}`: {e}")))?;
                samples.push((measure.to_owned(), given));
            }
            each(Sampled {
                run_id: row.text(0)?.to_owned(),
                version: row.text(1)?.to_owned(),
                play: row.int(2)?,
                started: row.int(3)?,
                journey: row.text(4)?.to_owned(),
                browser: row.text(5)?.to_owned(),
                samples,
            })
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

const RUN: &[&str] = &[
    "run_id",
    "started",
    "ms",
    "app",
    "base",
    "environment",
    "app_version",
    "plan",
    "judge",
    "verdict",
    "ci",
    "soundcheck",
    "folder",
    "complete",
];

const PLAY: &[&str] = &[
    "session",
    "journey",
    "browser",
    "browser_version",
    "profile",
    "faulted",
    "renderer",
    "number",
    "attempt",
    "ending",
    "reason",
    "class",
    "started",
    "ms",
    "busy",
    "counts",
];

fn columns(table: &str, names: &[&str]) -> String {
    names.iter().map(|name| format!("{table}.{name}")).collect::<Vec<_>>().join(", ")
}

fn write(store: &mut dyn Store, run: &Run) -> Result<Added> {
    let id: Value = run.run_id.as_str().into();
    let before = store.execute("DELETE FROM runs WHERE run_id = $1 AND NOT complete", std::slice::from_ref(&id))?;
    let texts = [&run.app, &run.base, &run.environment, &run.app_version, &run.plan, &run.judge, &run.verdict];
    let mut row = vec![id.clone(), run.started.into(), run.ms.into()];
    row.extend(texts.into_iter().chain([&run.ci, &run.soundcheck, &run.folder]).map(|t| t.as_str().into()));
    row.extend([run.complete.into(), Timestamp::now().as_millisecond().into()]);
    if insert(store, "runs", &[RUN, &["imported"]].concat(), &[row], " ON CONFLICT DO NOTHING")? == 0 {
        return Ok(Added::Known);
    }
    let (mut plays, mut samples) = (Vec::new(), Vec::new());
    for (n, play) in (1_i64..).zip(&run.plays) {
        plays.push(vec![
            id.clone(),
            n.into(),
            play.session.as_str().into(),
            play.journey.as_str().into(),
            play.browser.as_str().into(),
            play.browser_version.as_str().into(),
            play.profile.as_str().into(),
            play.faulted.into(),
            play.renderer.as_str().into(),
            play.number.into(),
            play.attempt.into(),
            play.ending.name().into(),
            play.reason.as_str().into(),
            play.class.as_str().into(),
            play.started.into(),
            play.ms.into(),
            play.busy.into(),
            play.counts.into(),
        ]);
        for (measure, given) in &play.samples {
            let text = serde_json::to_string(given).unwrap_or_default();
            samples.push(vec![id.clone(), n.into(), measure.as_str().into(), text.as_str().into()]);
        }
    }
    insert(store, "plays", &[&["run_id", "play"], PLAY].concat(), &plays, "")?;
    insert(store, "samples", &["run_id", "play", "measure", "samples"], &samples, "")?;
    Ok(if before > 0 { Added::Again } else { Added::New })
}

/// Rows in as few statements as both databases take: a server far away is asked seldom.
fn insert(store: &mut dyn Store, table: &str, columns: &[&str], rows: &[Vec<Value>], end: &str) -> Result<u64> {
    const MOST: usize = 500;
    let mut inserted = 0;
    for rows in rows.chunks(MOST) {
        let mut sql = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
        for n in 0..rows.len() {
            let holes: Vec<String> = (1..=columns.len()).map(|c| format!("${}", n * columns.len() + c)).collect();
            let _ = write!(sql, "{}({})", if n == 0 { "" } else { ", " }, holes.join(", "));
        }
        inserted += store.execute(&(sql + end), &rows.concat())?;
    }
    Ok(inserted)
}

fn run(row: &dyn Row) -> Result<Run> {
    let text = |column| row.text(column).map(str::to_owned);
    Ok(Run {
        run_id: text(0)?,
        started: row.int(1)?,
        ms: row.real(2)?,
        app: text(3)?,
        base: text(4)?,
        environment: text(5)?,
        app_version: text(6)?,
        plan: text(7)?,
        judge: text(8)?,
        verdict: text(9)?,
        ci: text(10)?,
        soundcheck: text(11)?,
        folder: text(12)?,
        complete: row.flag(13)?,
        plays: Vec::new(),
    })
}

fn play(row: &dyn Row) -> Result<Play> {
    let text = |column| row.text(column).map(str::to_owned);
    let count = |column| row.int(column).map(|n| u64::try_from(n).unwrap_or_default());
    Ok(Play {
        session: text(0)?,
        journey: text(1)?,
        browser: text(2)?,
        browser_version: text(3)?,
        profile: text(4)?,
        faulted: row.flag(5)?,
        renderer: text(6)?,
        number: count(7)?,
        attempt: count(8)?,
        ending: Ending::named(row.text(9)?),
        reason: text(10)?,
        class: text(11)?,
        started: row.int(12)?,
        ms: row.real(13)?,
        busy: row.flag(14)?,
        counts: row.flag(15)?,
        samples: Vec::new(),
    })
}

impl Filter {
    /// As a condition on runs `r` and, unless only these are asked for, plays `p`; `timed` is whose start is meant.
    fn sql(&self, timed: &str, runs: bool) -> (String, Vec<Value>) {
        let (mut sql, mut values) = ("1 = 1".to_owned(), Vec::new());
        let of_run = [
            ("app", &self.app),
            ("environment", &self.environment),
            ("app_version", &self.version),
            ("plan", &self.plan),
        ];
        for (column, wanted) in of_run.into_iter().filter_map(|(c, w)| Some((c, w.as_deref()?))) {
            values.push(wanted.into());
            let _ = write!(sql, " AND r.{column} = ${}", values.len());
        }
        let of_play = [("browser", &self.browser), ("profile", &self.profile), ("renderer", &self.renderer)];
        for (column, wanted) in of_play.into_iter().filter_map(|(c, w)| Some((c, w.as_deref()?))) {
            values.push(wanted.into());
            let n = values.len();
            let _ = match runs {
                true => {
                    write!(sql, " AND EXISTS (SELECT 1 FROM plays p WHERE p.run_id = r.run_id AND p.{column} = ${n})")
                }
                false => write!(sql, " AND p.{column} = ${n}"),
            };
        }
        for (op, moment) in [(">=", self.since), ("<", self.until)] {
            if let Some(moment) = moment {
                values.push(moment.into());
                let _ = write!(sql, " AND {timed}.started {op} ${}", values.len());
            }
        }
        (sql, values)
    }
}
