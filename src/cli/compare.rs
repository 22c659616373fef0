//! `soundcheck compare`.

use super::chosen::When;
use super::kept::At;
use super::records::folders;
use super::{Done, print, print_json};
use soundcheck::browser::Kind;
use soundcheck::compare::{Lot, compare};
use soundcheck::error::{Error, Result};
use soundcheck::history::{Filter, History, Run};
use soundcheck::measure::Samples;
use soundcheck::report::compared;
use std::collections::BTreeSet;
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
    browser: Vec<Kind>,
    /// Under this network profile
    #[arg(long, value_name = "NAME")]
    profile: Vec<String>,
    /// Drawn by this class of renderer: llvmpipe, swiftshader or gpu
    #[arg(long, value_name = "CLASS")]
    renderer: Vec<String>,
    #[command(flatten)]
    when: When,
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
        print_json(&all)?;
    } else {
        print(&compared::write(&names, &all));
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

/// Both lots, each with the options that are its own for a name.
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
    if options.iter().any(|(_, given)| given.len() > 2) || options.iter().all(|(_, given)| given.len() < 2) {
        return Err(Error::author("two lots are compared, neither one nor more").remedy(help));
    }
    let mut history = History::open(&args.at.address()?)?;
    let mut side = |n: usize| {
        let own = options.iter().filter(|(_, given)| given.len() == 2);
        let name = own.map(|(option, given)| format!("{option} {}", given[n])).collect::<Vec<_>>().join(" ");
        let [app, environment, version, plan, browser, profile, renderer] =
            options.map(|(_, given)| given.get(n).or(given.first()).cloned());
        let filter = Filter {
            faulted: profile.is_some(),
            since: Some(args.when.since),
            until: args.when.until,
            app,
            environment,
            version,
            plan,
            browser,
            profile,
            renderer,
        };
        of_filter(&mut history, &filter, &name).map(|(lot, app)| (name, lot, app))
    };
    let ((name_a, a, app_a), (name_b, b, app_b)) = (side(0)?, side(1)?);
    let meant = args.app.len() == 2 || args.environment.len() == 2;
    if let (Some(app_a), Some(app_b), false) = (app_a, app_b, meant)
        && app_a != app_b
    {
        return Err(Error::author(format!("A is of {app_a}, B of {app_b}"))
            .remedy("choose with --app and --environment; to compare them, give the one that differs twice"));
    }
    Ok(([name_a, name_b], [a, b]))
}

/// A lot, and the one app in one environment that it is of.
fn of_filter(history: &mut History, filter: &Filter, name: &str) -> Result<(Lot, Option<String>)> {
    let (mut lot, mut apps) = (Lot::new(), BTreeSet::new());
    history.samples(&[], filter, |sampled| {
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
    Ok((lot, apps.pop_first()))
}
