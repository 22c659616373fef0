//! `soundcheck run`.

use super::address::address;
use super::kept::{At, keep};
use super::progress::Terminal;
use super::{Done, print};
use soundcheck::browser::Kind;
use soundcheck::error::{Operator, Result, Whose};
use soundcheck::history::Address;
use soundcheck::plan::{Overrides, Plan};
use soundcheck::report::text;
use soundcheck::run::breach::Tell;
use soundcheck::run::{Settings, run};
use soundcheck::secret::Secrets;
use soundcheck::telemetry::Ask;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};

#[derive(clap::Args)]
pub struct Args {
    /// A plan: a path, or the name of a shipped one (`soundcheck list plans`)
    plan: PathBuf,
    /// Only this browser; repeat it for more
    #[arg(long = "browser", value_name = "chromium|firefox")]
    browsers: Vec<Kind>,
    /// Play this journey instead of the plan's: a path, or the name of a shipped one; repeat it for more
    #[arg(long = "journey", value_name = "NAME")]
    journeys: Vec<String>,
    /// Another app file: a path, or the name of a shipped one
    #[arg(long, value_name = "FILE")]
    app: Option<String>,
    /// Visit the app at this address; it is not launched
    #[arg(long, value_name = "URL")]
    base: Option<String>,
    /// Play everything this many times
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    repeat: Option<u32>,
    /// Under this network profile; repeat it for more
    #[arg(long = "profile", value_name = "NAME")]
    profiles: Vec<String>,
    /// The seed of every fault's decisions, instead of the profile's own
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The run's folder [default: soundcheck-runs/<time>-<plan>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show the browsers on this desktop
    #[arg(long, conflicts_with = "webdriver")]
    headed: bool,
    /// Use a WebDriver or Selenium Grid that runs elsewhere
    #[arg(long, value_name = "URL")]
    webdriver: Option<String>,
    /// Use this browser program
    #[arg(long, value_name = "FILE", conflicts_with = "webdriver")]
    browser_binary: Option<PathBuf>,
    /// Use this chromedriver or geckodriver
    #[arg(long, value_name = "FILE", conflicts_with = "webdriver")]
    driver: Option<PathBuf>,
    /// Attempts after a broken one; what failed is not replaced by another
    #[arg(long, value_name = "N", default_value_t = 1)]
    retries: u32,
    /// Play what failed so many times more, only to say whether it repeats: no sample, and no part of the verdict
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    diagnose: u32,
    /// When breached, never on broken alone: POST JSON to this URL (its `text` is for a chat), or hand it to this command's stdin;
    /// env:NAME for one that is secret
    #[arg(long, value_name = "URL|CMD")]
    on_breach: Option<String>,
    /// Where the report can be read, for the link that --on-breach sends; ending with /: the folder it lies in
    #[arg(long, value_name = "URL", requires = "on_breach")]
    report_url: Option<String>,
    /// Serve metrics for Prometheus while the run goes on; a port alone is one of loopback. OTLP is asked for by the
    /// standard variables: OTEL_EXPORTER_OTLP_ENDPOINT and the rest
    #[arg(long, value_name = "ADDRESS", value_parser = scrape)]
    metrics: Option<SocketAddr>,
    /// Write metrics for node-exporter's textfile collector at the run's end
    #[arg(long, value_name = "FILE")]
    textfile: Option<PathBuf>,
    #[command(flatten)]
    history: At,
    /// Print the verdict as JSON (verdict.json, stable) instead of text
    #[arg(long)]
    json: bool,
}

/// Where metrics are served: `9464` is a port of loopback.
fn scrape(text: &str) -> std::result::Result<SocketAddr, String> {
    match text.parse() {
        Ok(port) => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        Err(_) => address("--metrics", text, 9464),
    }
}

pub async fn main(args: Args) -> Done {
    let history = args.history.address()?;
    let secrets = Secrets::of_process();
    let on_breach = args.on_breach.map(|to| Tell::new(&to, args.report_url, &secrets)).transpose()?;
    let overrides = Overrides {
        browsers: args.browsers,
        base: args.base,
        app: args.app,
        journeys: args.journeys,
        repeat: args.repeat,
        profiles: args.profiles,
        seed: args.seed,
    };
    let plan = Plan::read(&args.plan, &overrides, &secrets)?;
    let out = args.out.unwrap_or_else(|| {
        let now = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S%.3f").to_string();
        PathBuf::from("soundcheck-runs").join(format!("{now}-{}", plan.name))
    });
    let settings = Settings {
        exe: std::env::current_exe().operator("finding this program")?,
        out: out.clone(),
        headed: args.headed,
        webdriver: args.webdriver,
        browser_binary: args.browser_binary,
        driver: args.driver,
        retries: args.retries,
        diagnose: args.diagnose,
        on_breach,
        strangers: Vec::new(),
        telemetry: Some(Ask { metrics: args.metrics, textfile: args.textfile }),
    };
    let progress = Terminal::new(&plan);
    let (mut interrupt, mut terminate, mut hangup) =
        (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?, watch(SignalKind::hangup())?);
    // Dropping the run ends all it started: the reaper of every leash sees its pipe close.
    let done = tokio::select! {
        done = run(&plan, &settings, &secrets, &progress) => done,
        _ = interrupt.recv() => return Ok(interrupted("interrupted", 130, &history, &out).await),
        _ = terminate.recv() => return Ok(interrupted("terminated", 143, &history, &out).await),
        _ = hangup.recv() => return Ok(interrupted("hung up", 129, &history, &out).await),
    };
    drop(progress);
    let record = match done {
        Ok(record) => record,
        Err(error) => {
            // A run that played nothing is one too, unless there was none: the folder holds another's.
            if error.whose() == Whose::Operator
                && let Ok(record) = soundcheck::run::fold(&out)
            {
                keep(&history, &record, &out).await;
            }
            return Err(error);
        }
    };
    keep(&history, &record, &out).await;
    if args.json {
        print(&std::fs::read_to_string(out.join("verdict.json")).operator("reading the verdict")?);
    } else {
        print(&format!(
            "\n{}\nreport: {}\n{}\n",
            text::write(&record),
            out.join("report.html").display(),
            out.display()
        ));
    }
    Ok(record.exit_code())
}

/// Signals of this kind, from here on.
pub fn watch(kind: SignalKind) -> Result<tokio::signal::unix::Signal> {
    signal(kind).operator("watching for signals")
}

/// What was played so far stays readable: the events are on disk, the reports are written from them.
async fn interrupted(how: &str, code: u8, history: &Address, out: &Path) -> u8 {
    eprintln!("\n{how}: the browsers are being ended");
    match soundcheck::run::write_reports(out) {
        Ok(record) => {
            eprintln!("what was played so far: {}", out.display());
            keep(history, &record, out).await;
        }
        Err(e) => eprintln!("no report: {}", e.what()),
    }
    code
}
