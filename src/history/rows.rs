//! Rows of the tables, there and back, and what a filter is in SQL.

use super::kept::{Play, Run};
use super::store::{Row, Store, Value};
use super::{Added, Filter};
use crate::error::Result;
use crate::record::Ending;
use jiff::Timestamp;
use std::fmt::Write as _;

pub const RUN: &[&str] = &[
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

pub const PLAY: &[&str] = &[
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
    "diagnoses",
    "quarantined",
];

pub fn columns(table: &str, names: &[&str]) -> String {
    names.iter().map(|name| format!("{table}.{name}")).collect::<Vec<_>>().join(", ")
}

/// Writes a run, within a transaction.
pub fn write(store: &mut dyn Store, run: &Run) -> Result<Added> {
    let id: Value = run.run_id.as_str().into();
    // One whose end was missing gives way to what holds as much, or its end.
    let before = store.execute(
        "DELETE FROM runs WHERE run_id = $1 AND NOT complete \
         AND ($2 OR $3 >= (SELECT count(*) FROM plays p WHERE p.run_id = runs.run_id))",
        &[id.clone(), run.complete.into(), (run.plays.len() as u64).into()],
    )?;
    let texts = [&run.app, &run.base, &run.environment, &run.app_version, &run.plan, &run.judge, &run.verdict];
    let mut row = vec![id.clone(), run.started.into(), run.ms.into()];
    row.extend(texts.into_iter().chain([&run.ci, &run.soundcheck, &run.folder]).map(|t| t.as_str().into()));
    row.extend([run.complete.into(), Timestamp::now().as_millisecond().into()]);
    if insert(store, "runs", &[RUN, &["imported"]].concat(), &[row], " ON CONFLICT DO NOTHING")? == 0 {
        return Ok(Added::Known);
    }
    let row = |(n, play): (i64, &Play)| {
        vec![
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
            play.diagnoses.into(),
            play.quarantined.into(),
            samples(play).as_str().into(),
        ]
    };
    let plays: Vec<_> = (1..).zip(&run.plays).map(row).collect();
    insert(store, "plays", &[&["run_id", "play"], PLAY, &["samples"]].concat(), &plays, "")?;
    Ok(if before > 0 { Added::Again } else { Added::New })
}

/// What a play gave, as its row has it: see `schema/4.sql`.
fn samples(play: &Play) -> String {
    let mut all: Vec<_> = play.samples.iter().collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    let lines = all.into_iter().map(|(measure, given)| {
        let given = serde_json::to_string(given).unwrap_or_default();
        format!("{measure}\n{given}")
    });
    lines.collect::<Vec<_>>().join("\n")
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

pub fn run(row: &dyn Row) -> Result<Run> {
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

pub fn play(row: &dyn Row) -> Result<Play> {
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
        diagnoses: row.flag(16)?,
        quarantined: row.flag(17)?,
        samples: Vec::new(),
    })
}

impl Filter {
    /// As a condition on runs `r` and, unless only these are asked for, plays `p`; `timed` is whose start is meant.
    pub(super) fn sql(&self, timed: &str, runs: bool) -> (String, Vec<Value>) {
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
