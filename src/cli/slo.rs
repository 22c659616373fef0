//! `soundcheck slo`.

use super::{Done, print};
use soundcheck::slo::{Objectives, openslo, prometheus};
use soundcheck::source::Source;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// The objectives
    #[arg(default_value = "slo")]
    file: PathBuf,
    /// Print them for another program: OpenSLO documents, or Prometheus recording and alerting rules
    #[arg(long)]
    export: Format,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Openslo,
    Prometheus,
}

pub fn main(args: &Args) -> Done {
    let objectives = Objectives::read(&Source::open(&args.file, "ci")?)?;
    print(&match args.export {
        Format::Openslo => openslo(&objectives),
        Format::Prometheus => prometheus(&objectives),
    });
    Ok(0)
}
