//! `soundcheck judge`.

use super::{Done, print};
use soundcheck::error::{Error, Operator};
use soundcheck::report::text;
use soundcheck::run::write_reports;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// A run's folder; its reports are written again
    record: PathBuf,
    /// Give the events fresh check sums first: for hand-made records, never for evidence
    #[arg(long)]
    reseal: bool,
    /// Print the verdict as JSON (verdict.json, stable) instead of text
    #[arg(long)]
    json: bool,
}

pub fn main(args: &Args) -> Done {
    let events = args.record.join("events.jsonl");
    if args.reseal {
        let text = std::fs::read_to_string(&events)
            .map_err(|e| Error::author(format!("{}: {e}", events.display())).remedy("give a run's folder"))?;
        std::fs::write(&events, soundcheck::event::reseal(&text)?).operator("writing the events")?;
    }
    let record = write_reports(&args.record)?;
    if args.json {
        let verdict = args.record.join("verdict.json");
        print(&std::fs::read_to_string(&verdict).operator("reading the verdict")?);
    } else {
        print(&text::write(&record));
    }
    Ok(record.exit_code())
}
