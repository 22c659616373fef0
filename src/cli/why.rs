//! `soundcheck why`.

use super::records::folders;
use super::{Done, print, print_json};
use soundcheck::error::{Error, Result};
use soundcheck::event::Event;
use soundcheck::report::why;
use soundcheck::run::fold;
use soundcheck::why::Answer;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// A run's folder: its record
    record: PathBuf,
    /// Print every chain as JSON (stable) instead of text
    #[arg(long)]
    json: bool,
}

pub fn main(args: &Args) -> Done {
    let found = folders(&args.record);
    let [folder] = found.as_slice() else {
        return Err(Error::author(format!("{} holds {} runs", args.record.display(), found.len()))
            .remedy("give the folder of one of them"));
    };
    let record = fold(folder)?;
    let events: Vec<Event> = soundcheck::event::read(&folder.join("events.jsonl"))?.collect::<Result<_>>()?;
    let answer = Answer::of(&record, &events);
    match args.json {
        true => print_json(&answer)?,
        false => print(&why::write(&answer, &folder.display().to_string())),
    }
    Ok(0)
}
