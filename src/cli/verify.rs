//! `soundcheck verify`.

use super::run::watch;
use super::{Done, print};
use soundcheck::browser::Kind;
use soundcheck::error::{Error, Operator, Result};
use soundcheck::fault::rule::glob;
use soundcheck::record::Ending;
use soundcheck::run::Settings;
use soundcheck::secret::Secrets;
use soundcheck::unit::show_ms;
use soundcheck::verify::{Catalogue, Matrix, Setting, Trial, only, program, record, trial, trials};
use std::path::{Path, PathBuf};
use tokio::signal::unix::SignalKind;

#[derive(clap::Args)]
pub struct Args {
    /// A catalogue of planted defects: a path, or the name of a shipped one
    #[arg(default_value = "verify")]
    catalogue: PathBuf,
    /// Only in this browser; repeat it for more
    #[arg(long = "browser", value_name = "chromium|firefox")]
    browsers: Vec<Kind>,
    /// Play everything with this seed; repeat it for more
    #[arg(long = "seed", value_name = "N", default_values_t = [1])]
    seeds: Vec<u64>,
    /// Only cases of this name; `*` stands for any characters; repeat it for more
    #[arg(long = "only", value_name = "NAME")]
    only: Vec<String>,
    /// The folder of the record, by default soundcheck-runs/ and the catalogue's name; one that holds trials already is gone
    /// on with
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Play nothing: print what the record holds, and what is still missing
    #[arg(long)]
    report: bool,
}

pub async fn main(args: Args) -> Done {
    let secrets = Secrets::of_process();
    let catalogue = Catalogue::read(&args.catalogue, &secrets)?;
    let is_named = |id: &str| args.only.iter().any(|name| glob(name, id));
    if !args.only.is_empty() && !catalogue.cases.iter().any(|c| is_named(&c.id)) {
        return Err(Error::author(format!("--only {}: no case is called that", args.only.join(" --only ")))
            .remedy("the catalogue names them: `id = ...`; * stands for any characters"));
    }
    let exe = std::env::current_exe().operator("finding this program")?;
    let of_catalogue = || Path::new("soundcheck-runs").join(args.catalogue.file_stem().unwrap_or_default());
    let out = args.out.unwrap_or_else(of_catalogue);
    std::fs::create_dir_all(&out).operator(format!("making {}", out.display()))?;
    let program = program(&exe)?;
    let setting = Setting { out, program, run: Settings { exe, retries: 1, ..Settings::default() } };
    let all = only(trials(&catalogue, &args.seeds), &args.only, &args.browsers);
    let mut code = 0;
    if !args.report {
        let (mut interrupt, mut terminate, mut hangup) =
            (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?, watch(SignalKind::hangup())?);
        code = tokio::select! {
            played = play(&catalogue, &all, &setting, &secrets) => played.map(|()| 0)?,
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
            _ = hangup.recv() => 129,
        };
    }
    let matrix = Matrix::fold(&catalogue, &all, &record(&setting, &catalogue)?);
    print(&format!("\n{}", matrix.text()));
    Ok(match code {
        0 => u8::from(!matrix.holds()),
        code => code,
    })
}

/// Plays what the record does not hold yet.
async fn play(catalogue: &Catalogue, all: &[Trial<'_>], setting: &Setting, secrets: &Secrets) -> Result<()> {
    let held = record(setting, catalogue)?;
    let counts = |t: &&Trial| held.trials.iter().any(|d| d.key() == t.key() && d.counts(t.case));
    let known: Vec<String> = all.iter().filter(counts).map(Trial::key).collect();
    eprintln!("{} ({} trials, {} of them in the record)", catalogue.question, all.len(), known.len());
    let open: Vec<&Trial> = all.iter().filter(|t| !known.contains(&t.key())).collect();
    for (n, one) in open.iter().enumerate() {
        let done = trial(catalogue, one, setting, secrets).await?;
        let said = match done.ending {
            Ending::Passed => "passed",
            Ending::Failed => "failed",
            Ending::Broken => "broken",
            Ending::Undecided => "undecided",
            Ending::Unfinished => "unfinished",
        };
        let class = done.class.as_deref().map_or(String::new(), |c| format!(" [{c}]"));
        let rang = if done.rang.is_empty() { String::new() } else { format!(" rang {}", done.rang.join(", ")) };
        eprintln!(
            "[{}/{}] {said:9} {} on {}{rang}{class} {}",
            n + 1,
            open.len(),
            done.key(),
            done.app,
            show_ms(done.ms)
        );
        if let Some(reason) = &done.reason {
            eprintln!("        {reason}");
        }
    }
    Ok(())
}
