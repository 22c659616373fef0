//! `soundcheck gate`.

use super::chosen::{calendar, own_or_shipped};
use super::kept::At;
use super::{Done, print};
use jiff::{Span, Timestamp};
use soundcheck::error::{Error, Operator};
use soundcheck::gate::report::{FORMS, form, text};
use soundcheck::gate::{Gate, Question, Release};
use soundcheck::slo::zone;
use soundcheck::source::Source;
use soundcheck::table::Row;
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "GO needs every line that is demanded, and PASS by operator and engineering. What is missing, \
    PENDING, expired, stale, unreadable or of another version is never met.\n\n\
    Exit codes: 0 GO; 1 NO-GO; 2 the file is wrong; 3 the history is out of reach and no line is breached: NO-GO too.")]
pub struct Args {
    /// What is released, and where each line's evidence is [default: release.toml or ci/release.toml here, or the shipped one]
    file: Option<PathBuf>,
    /// The version that is judged, instead of the file's
    #[arg(long = "app-version", value_name = "VERSION")]
    version: Option<String>,
    #[command(flatten)]
    at: At,
    /// As of this moment: 2026-11-01 (its beginning), an RFC 3339 time, or how long ago: 12h, 7d [default: now]
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Whose calendar days, such as Europe/Berlin [default: the file's `time_zone`, that of its objectives, or UTC]
    #[arg(long, value_name = "NAME")]
    time_zone: Option<String>,
    /// Write gate.md, gate.json and gate.junit.xml here
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON: `{"format", "answer", "exit_code", "why", "signed", "lines": [{"id", "name", "answer", "demanded",
    /// "evidence", "link", "at", "age_s", "fresh_s", "expires", "by", "missing"}], "sign_off": []}`
    #[arg(long)]
    json: bool,
}

pub fn main(args: &Args) -> Done {
    let file = args.file.clone().unwrap_or_else(|| own_or_shipped("release"));
    let release = Release::read(&Source::open(&file, "ci")?)?;
    let zone = args.time_zone.as_deref().map_or_else(|| Ok(release.time_zone.clone()), zone)?;
    let question = Question {
        version: args.version.clone(),
        calendar: calendar(zone, args.until.as_deref())?,
        history: args.at.address()?,
    };
    // Clocks of two machines differ by so much.
    if question.calendar.until() > Timestamp::now() + Span::new().minutes(5) {
        return Err(Error::author("--until has not come yet").remedy("a release is judged by what was seen"));
    }
    let gate = Gate::judge(&release, &question);
    match form("gate.json").filter(|_| args.json) {
        Some(json) => print(&(json.write)(&gate)),
        None => print(&text::write(&gate)),
    }
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder).operator(format!("making {}", folder.display()))?;
        for form in FORMS {
            let path = folder.join(form.name());
            std::fs::write(&path, (form.write)(&gate)).operator(format!("writing {}", path.display()))?;
        }
    }
    Ok(gate.exit_code())
}
