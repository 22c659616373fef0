//! `soundcheck compare`.

use super::history::{At, folders, moment};
use super::{Done, print};
use soundcheck::compare::{Compared, Lot, Side, compare};
use soundcheck::error::{Error, Operator, Result};
use soundcheck::history::{Filter, History, Run};
use soundcheck::measure::Samples;
use soundcheck::unit::{show_ms, show_percent};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
#[command(after_help = "Two folders of records, or two lots of the history: give at least one of the options twice, \
    the first for A and the second for B; what is given once holds for both. Plays under faults are compared where \
    --profile names them. Samples of one session are taken as independent.\n\n\
    Exit code 1: no measure has samples of both.")]
pub struct Args {
    /// A and B: two runs' folders, or folders of such
    #[arg(num_args = 2, value_names = ["A", "B"],
          conflicts_with_all = ["app", "environment", "version", "plan", "browser", "profile", "renderer", "since", "until"])]
    records: Vec<PathBuf>,
    #[command(flatten)]
    at: At,
    /// Runs of this app file
    #[arg(long, value_name = "NAME")]
    app: Vec<String>,
    /// In this environment
    #[arg(long, value_name = "NAME")]
    environment: Vec<String>,
    /// Of this version of the app
    #[arg(long = "app-version", value_name = "VERSION")]
    version: Vec<String>,
    /// Runs of this plan
    #[arg(long, value_name = "NAME")]
    plan: Vec<String>,
    /// Plays in this browser
    #[arg(long, value_name = "chromium|firefox")]
    browser: Vec<soundcheck::browser::Kind>,
    /// Under this network profile
    #[arg(long, value_name = "NAME")]
    profile: Vec<String>,
    /// Drawn by this class of renderer: llvmpipe, swiftshader or gpu
    #[arg(long, value_name = "CLASS")]
    renderer: Vec<String>,
    /// From this moment on, as `history` takes it
    #[arg(long, value_name = "WHEN", default_value = "30d", value_parser = moment)]
    since: i64,
    /// Before this moment
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<i64>,
    /// Print JSON: a list of `{"measure", "value", "a", "b", "shift", "interval", "p", "differs", "detectable"}`
    #[arg(long)]
    json: bool,
}

pub fn main(args: Args) -> Done {
    let (names, [a, b]) = match args.records.as_slice() {
        [a, b] => (["A", "B"].map(str::to_owned), [of_folder(a)?, of_folder(b)?]),
        _ => of_history(&args)?,
    };
    let all = compare(&a, &b);
    if args.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&all).operator("writing JSON")?));
    } else {
        print(&text(&names, &all));
    }
    // Nothing to compare is no answer.
    Ok(u8::from(all.is_empty()))
}

fn add(lot: &mut Lot, samples: Vec<(String, Samples)>) {
    for (measure, given) in samples {
        match lot.get_mut(&measure) {
            // Of another kind than before: of an older Soundcheck.
            Some(all) => _ = all.merge(given),
            None => _ = lot.insert(measure, given),
        }
    }
}

fn of_folder(folder: &Path) -> Result<Lot> {
    let mut lot = Lot::new();
    for folder in folders(folder) {
        for play in Run::read(&folder)?.plays.into_iter().filter(|play| play.counts || play.is_faulted_sample()) {
            add(&mut lot, play.samples);
        }
    }
    Ok(lot)
}

fn of_history(args: &Args) -> Result<([String; 2], [Lot; 2])> {
    let browsers: Vec<String> = args.browser.iter().map(|kind| kind.name().to_owned()).collect();
    let options = [
        ("--app", &args.app),
        ("--environment", &args.environment),
        ("--app-version", &args.version),
        ("--plan", &args.plan),
        ("--browser", &browsers),
        ("--profile", &args.profile),
        ("--renderer", &args.renderer),
    ];
    let help = "give two folders, or an option twice: --profile clean --profile cache-first";
    if options.iter().any(|(_, own)| own.len() > 2) || options.iter().all(|(_, own)| own.len() < 2) {
        return Err(Error::author("two lots are compared, neither one nor more").remedy(help));
    }
    let mut history = History::open(&args.at.address()?)?;
    let mut side = |n: usize| {
        let pick = |own: &[String]| own.get(n).or(own.first()).cloned();
        let filter = Filter {
            app: pick(&args.app),
            environment: pick(&args.environment),
            version: pick(&args.version),
            plan: pick(&args.plan),
            browser: pick(&browsers),
            profile: pick(&args.profile),
            renderer: pick(&args.renderer),
            since: Some(args.since),
            until: args.until,
            faulted: !args.profile.is_empty(),
        };
        let twice = options.iter().filter(|(_, own)| own.len() == 2);
        let name = twice.map(|(option, own)| format!("{option} {}", own[n])).collect::<Vec<_>>().join(" ");
        let (mut lot, mut apps) = (Lot::new(), BTreeSet::new());
        history.samples(&[], &filter, |sampled| {
            let of = |key| sampled.has(key).unwrap_or_default();
            apps.insert(format!("{} in {}", of("app"), of("environment")));
            add(&mut lot, sampled.samples);
            Ok(())
        })?;
        if apps.len() > 1 {
            let apps: Vec<String> = apps.into_iter().collect();
            return Err(Error::author(format!("`{name}` is of several apps: {}", apps.join(", ")))
                .remedy("choose with --app and --environment"));
        }
        Ok((name, lot))
    };
    let ((name_a, a), (name_b, b)) = (side(0)?, side(1)?);
    Ok(([name_a, name_b], [a, b]))
}

fn text([a, b]: &[String; 2], all: &[Compared]) -> String {
    let mut out = match (a.as_str(), b.as_str()) {
        ("A", "B") => String::new(),
        (a, b) => format!("A: {a}\nB: {b}\n\n"),
    };
    if all.is_empty() {
        return out + "no measure has samples of both\n";
    }
    let wide = all.iter().map(|c| c.measure.chars().count()).max().unwrap_or(0);
    for compared in all {
        let side = |side: &Side| {
            let interval = side
                .interval
                .map_or(String::new(), |(low, high)| format!(" [{} .. {}]", show(compared, low), show(compared, high)));
            let of = if compared.value == "per minute" { format!("{:.1} min", side.of) } else { side.of.to_string() };
            let median = if side.interval.is_none() { "median " } else { "" };
            format!("{median}{}{interval} of {of}", show(compared, side.value))
        };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{:<wide$}  A {}", compared.measure, side(&compared.a));
        let _ = writeln!(out, "{:<wide$}  B {}", "", side(&compared.b));
        let _ = writeln!(out, "{:<wide$}  {}", "", answer(compared));
    }
    out
}

fn answer(compared: &Compared) -> String {
    let signed = |by: f64| match by {
        _ if by.is_infinite() => "unbounded".to_owned(),
        _ => format!("{}{}", if by < 0.0 { '-' } else { '+' }, show(compared, by.abs())),
    };
    if compared.differs {
        let interval =
            compared.interval.map_or(String::new(), |(low, high)| format!(" [{} .. {}]", signed(low), signed(high)));
        let p = if compared.p < 0.0001 { "below 0.0001".to_owned() } else { format!("{:.4}", compared.p) };
        return format!("B differs by {}{interval}, p {p}", signed(compared.shift));
    }
    let least = match (compared.detectable, compared.value) {
        (None, _) => "so few samples show nothing".to_owned(),
        (Some(part), "ms" | "bytes") => format!("the least detectable is {:.0} %", (part * 100.0).ceil().max(1.0)),
        (Some(from), _) => format!("the least detectable is a B of {}", show(compared, from)),
    };
    format!("no difference can be claimed, p {:.2}; {least}", compared.p)
}

fn show(compared: &Compared, value: f64) -> String {
    match compared.value {
        "share" => show_percent(value),
        "ms" => show_ms(value),
        "bytes" => format!("{:.1} MB", value / 1e6),
        _ => format!("{value:.2} /min"),
    }
}
