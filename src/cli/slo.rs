//! `soundcheck slo`.

use super::chosen::{Whose, calendar, own_or_shipped};
use super::kept::At;
use super::{Done, block_on, print, print_json};
use soundcheck::error::Result;
use soundcheck::history::{Asked, History};
use soundcheck::report::standing;
use soundcheck::run::breach::{Tell, of_standing};
use soundcheck::secret::Secrets;
use soundcheck::slo::{Objectives, Standing, Verdict, openslo, prometheus, zone};
use soundcheck::source::Source;
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(
    after_help = "Each app in each environment that has runs is judged by itself; --app and --environment choose.\n\n\
    Exit code 1: an objective is breached, or an app has no sample at all; with --prove also where not all is met."
)]
pub struct Args {
    /// The objectives [default: slo.toml or ci/slo.toml here, or the shipped ones]
    file: Option<PathBuf>,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    whose: Whose,
    /// As of this moment: 2026-11-01 (its beginning), an RFC 3339 time, or how long ago: 12h, 7d [default: now]
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Whose calendar days, such as Europe/Berlin [default: the file's `time_zone`, or UTC]
    #[arg(long, value_name = "NAME")]
    time_zone: Option<String>,
    /// Not enough data is no answer: exit code 1 unless all is met
    #[arg(long)]
    prove: bool,
    /// Tell of each app that is breached: POST JSON to this URL, or hand it to this command's stdin; env:NAME for one that is
    /// secret
    #[arg(long, value_name = "URL|CMD")]
    on_breach: Option<String>,
    /// Print JSON: a list of `{"app", "environment", "until", "time_zone", "objectives": [], "streak": {"met", "over",
    /// "days": [], "pillars": []}}`
    #[arg(long)]
    json: bool,
    /// Print them for another program: OpenSLO documents, or Prometheus recording and alerting rules
    #[arg(long, conflicts_with_all = ["json", "prove", "until", "time_zone", "app", "environment", "version", "on_breach"])]
    export: Option<Format>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Openslo,
    Prometheus,
}

pub fn main(args: Args) -> Done {
    let objectives = Objectives::read(&Source::open(&args.file.unwrap_or_else(|| own_or_shipped("slo")), "ci")?)?;
    if let Some(format) = args.export {
        print(&match format {
            Format::Openslo => openslo(&objectives),
            Format::Prometheus => prometheus(&objectives),
        });
        return Ok(0);
    }
    let secrets = Secrets::of_process();
    let on_breach = args.on_breach.map(|to| Tell::new(&to, None, &secrets)).transpose()?;
    let zone = args.time_zone.as_deref().map_or_else(|| Ok(objectives.time_zone.clone()), zone)?;
    let calendar = calendar(zone, args.until.as_deref())?;
    let Whose { app, environment, version } = args.whose;
    let asked = Asked { app, environment, version };
    let mut history = History::open(&args.at.address()?)?;
    let standings = history.standings(&objectives, &asked, &calendar)?;
    if args.json {
        print_json(&standings)?;
    } else {
        print(&standings.iter().map(standing::write).collect::<Vec<_>>().join("\n"));
    }
    if let Some(on_breach) = on_breach {
        tell(&on_breach, &standings, &secrets)?;
    }
    Ok(u8::from(!standings.iter().all(|standing| standing.satisfies(args.prove))))
}

/// Whether somebody could be told changes no answer.
fn tell(tell: &Tell, standings: &[Standing], secrets: &Secrets) -> Result<()> {
    let breached = standings.iter().filter(|standing| standing.verdict() == Verdict::Breached);
    let told = async {
        for standing in breached {
            if let Err(why) = tell.tell(&of_standing(standing)).await {
                let said = format!("note: the breach could not be told to {}: {why}", tell.name());
                eprintln!("{}", secrets.hide(&said));
            }
        }
        Ok(0)
    };
    block_on(told).map(drop)
}
