//! `soundcheck history`.

use super::{Done, print};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use soundcheck::error::{Error, Operator, Result};
use soundcheck::history::{Added, Address, Filter, History, Overview, Run, Trend, sparkline};
use soundcheck::record::Record;
use soundcheck::unit::{show_ms, show_percent};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the history is: the same for every command that uses it.
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

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    at: At,
    /// Only runs of this app file
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// Only in this environment
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Only of this version of the app
    #[arg(long = "app-version", alias = "version", value_name = "VERSION")]
    version: Option<String>,
    /// Only runs of this plan
    #[arg(long, value_name = "NAME")]
    plan: Option<String>,
    /// Only plays in this browser
    #[arg(long, value_name = "chromium|firefox")]
    browser: Option<soundcheck::browser::Kind>,
    /// From this moment on: 2026-11-01 (UTC), an RFC 3339 time, or how long ago: 12h, 7d
    #[arg(long, value_name = "WHEN", default_value = "30d", value_parser = moment)]
    since: i64,
    /// Before this moment
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<i64>,
    /// Print JSON: `{"runs": [], "first_attempts", "flaky", "flake_rate": [low, high], "retries", "diagnoses", "trends": []}`
    #[arg(long)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Take in records: of older runs, of other machines, of a run that was killed. One that is kept already stays
    Import {
        /// A run's folder, or a folder of such
        #[arg(required = true, value_name = "RECORD")]
        records: Vec<PathBuf>,
    },
}

pub fn moment(text: &str) -> Result<i64, String> {
    moment_in(text, &TimeZone::UTC)
}

/// A moment, milliseconds since 1970; a date is when its day begins in this time zone.
pub fn moment_in(text: &str, zone: &TimeZone) -> Result<i64, String> {
    let ago = |unit: char, hours: i64| Some(text.strip_suffix(unit)?.parse::<u32>().ok()? as i64 * hours * 3_600_000);
    if let Some(ago) = ago('h', 1).or_else(|| ago('d', 24)) {
        return Ok(Timestamp::now().as_millisecond() - ago);
    }
    let day = |date: Date| DateTime::from(date).to_zoned(zone.clone()).map(|day| day.timestamp());
    let moment = text.parse::<Timestamp>().or_else(|_| text.parse::<Date>().and_then(day));
    moment.map(Timestamp::as_millisecond).map_err(|_| "write 2026-11-01, 2026-11-01T03:17:00Z, 12h or 7d".to_owned())
}

pub fn main(args: Args) -> Done {
    let address = args.at.address()?;
    if let Some(Command::Import { records }) = args.command {
        return import(&address, &records);
    }
    let filter = Filter {
        app: args.app,
        environment: args.environment,
        version: args.version,
        plan: args.plan,
        browser: args.browser.map(|kind| kind.name().to_owned()),
        since: Some(args.since),
        until: args.until,
        ..Filter::default()
    };
    let overview = Overview::of(&mut History::open(&address)?, &filter)?;
    if args.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&overview).operator("writing JSON")?));
    } else {
        print(&text(&overview));
    }
    Ok(0)
}

fn text(overview: &Overview) -> String {
    let rows: Vec<[String; 6]> = overview
        .runs
        .iter()
        .map(|listed| {
            let run = &listed.run;
            let begun = Timestamp::from_millisecond(run.started).unwrap_or_default();
            let retries = match listed.retries {
                0 => String::new(),
                n => format!(", {}", many(n, "retry", "retries")),
            };
            let more = |n: u64, what: &str| if n > 0 { format!(", {n} {what}") } else { String::new() };
            let (again, borne) = (more(listed.diagnoses, "to diagnose"), more(listed.quarantined, "quarantined"));
            let flaky = if listed.flaky > 0 { format!(", {} flaky", listed.flaky) } else { String::new() };
            let cut = if run.complete { "" } else { ", cut short" };
            [
                begun.strftime("%Y-%m-%d %H:%MZ").to_string(),
                run.plan.clone(),
                format!("{} {}", run.app, run.app_version).trim().to_owned(),
                run.verdict.clone(),
                format!(
                    "{} of {} passed{retries}{again}{flaky}{borne}{cut}",
                    listed.passed,
                    many(listed.plays, "play", "plays")
                ),
                run.run_id.clone(),
            ]
        })
        .collect();
    let mut wide = [0; 6];
    for row in &rows {
        wide.iter_mut().zip(row).for_each(|(wide, cell)| *wide = (*wide).max(cell.chars().count()));
    }
    let mut out = String::new();
    // Writing to a string cannot fail.
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(wide).map(|(cell, wide)| format!("{cell:<wide$}")).collect();
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
    let _ = writeln!(
        out,
        "{}{}; {} of {} first attempts flaky [{} .. {}]; {}",
        if rows.is_empty() { "" } else { "\n" },
        many(rows.len() as u64, "run", "runs"),
        overview.flaky,
        overview.first_attempts,
        show_percent(overview.flake_rate.0),
        show_percent(overview.flake_rate.1),
        many(overview.retries, "retry", "retries")
    );
    out + &trends(&overview.trends)
}

pub fn many(n: u64, one: &str, more: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { more })
}

/// So many days fit a line.
const DAYS: usize = 60;

fn trends(trends: &[Trend]) -> String {
    let all = || trends.iter().flat_map(|t| t.days.keys().copied());
    let (Some(first), Some(last)) = (all().min(), all().max()) else { return String::new() };
    let mut days: Vec<Date> = first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last).collect();
    days.drain(..days.len().saturating_sub(DAYS));
    let mut out = format!("\nby day (UTC), {} .. {last}\n", days[0]);
    let wide = trends.iter().map(|t| t.measure.len()).max().unwrap_or(0);
    for trend in trends {
        let show = |value: f64| match trend.value {
            "share" => show_percent(value),
            "p95 ms" => show_ms(value),
            "most bytes" => format!("{:.0} MB", value / 1e6),
            _ => format!("{value:.2} /min"),
        };
        let values: Vec<Option<f64>> = days.iter().map(|day| trend.days.get(day).map(|(value, _)| *value)).collect();
        let known = || values.iter().flatten().copied();
        let Some(latest) = known().last() else { continue };
        let (least, most) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
        let _ = writeln!(
            out,
            "  {:<wide$}  {}  {} .. {}, last {}",
            trend.measure,
            sparkline(&values),
            show(least),
            show(most),
            show(latest)
        );
    }
    out
}

fn import(address: &Address, records: &[PathBuf]) -> Done {
    let mut history = History::make(address)?;
    let mut code = 0;
    for folder in records.iter().flat_map(|r| folders(r)) {
        let run = match Run::read(&folder) {
            Ok(run) => run,
            // One record that cannot be read keeps none of the others out.
            Err(e) => {
                eprintln!("{}", super::show(&e));
                code = code.max(e.whose().exit_code());
                continue;
            }
        };
        let said = match history.add(&run)? {
            Added::New => "kept",
            Added::Again => "kept again",
            Added::Known => "known",
        };
        print(&format!("{said:<10}  {}  {}\n", run.run_id, folder.display()));
    }
    Ok(code)
}

/// The folder itself, or the records in it.
pub fn folders(record: &Path) -> Vec<PathBuf> {
    let folder = if record.ends_with("events.jsonl") { record.parent().unwrap_or(record) } else { record };
    let mut inside: Vec<PathBuf> = match std::fs::read_dir(folder) {
        Ok(entries) if !folder.join("events.jsonl").exists() => {
            entries.flatten().map(|e| e.path()).filter(|p| p.join("events.jsonl").exists()).collect()
        }
        _ => Vec::new(),
    };
    inside.sort();
    // None: its events.jsonl is missing, and reading it says so.
    if inside.is_empty() { vec![folder.to_owned()] } else { inside }
}

/// A database that gives no answer holds up the end of a run no longer.
const DEADLINE: Duration = Duration::from_secs(30);

/// Keeps a run. What goes wrong here is said, and is no part of the run's own answer.
pub async fn keep(address: &Address, record: &Record, folder: &Path) {
    if matches!(address, Address::Nowhere) {
        return;
    }
    let (at, of, from) = (address.clone(), record.clone(), folder.to_owned());
    let work = tokio::task::spawn_blocking(move || History::make(&at)?.add(&Run::of(&of, &from)?));
    let kept = match tokio::time::timeout(DEADLINE, work).await {
        Ok(Ok(kept)) => kept.map(drop),
        Ok(Err(e)) => Err(Error::us(format!("history {address}: {e}"))),
        Err(_) => Err(Error::operator(format!("history {address}: no answer in {} s", DEADLINE.as_secs()))),
    };
    if let Err(e) = kept {
        let first = e.fix().map_or(String::new(), |fix| format!("{fix}; then: "));
        let import = format!("soundcheck history import {}", folder.display());
        eprintln!("not kept: {}\n  remedy: {first}{import}, with the same --history", e.what());
    }
}
