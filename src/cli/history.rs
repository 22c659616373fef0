//! `soundcheck history`.

use super::chosen::{When, Whose};
use super::kept::At;
use super::records::folders;
use super::{Done, print, print_json};
use soundcheck::browser::Kind;
use soundcheck::history::{Added, Address, Filter, History, Overview, Run};
use soundcheck::report::overview;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    whose: Whose,
    /// Only runs of this plan
    #[arg(long, value_name = "NAME")]
    plan: Option<String>,
    /// Only plays in this browser
    #[arg(long, value_name = "chromium|firefox")]
    browser: Option<Kind>,
    #[command(flatten)]
    when: When,
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

pub fn main(args: Args) -> Done {
    let address = args.at.address()?;
    if let Some(Command::Import { records }) = args.command {
        return import(&address, &records);
    }
    let filter = Filter {
        app: args.whose.app,
        environment: args.whose.environment,
        version: args.whose.version,
        plan: args.plan,
        browser: args.browser.map(|kind| kind.name().to_owned()),
        since: Some(args.when.since),
        until: args.when.until,
        ..Filter::default()
    };
    let found = Overview::of(&mut History::open(&address)?, &filter)?;
    if args.json {
        print_json(&found)?;
    } else {
        print(&overview::write(&found));
    }
    Ok(0)
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
