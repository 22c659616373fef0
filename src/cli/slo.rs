//! `soundcheck slo`.

use super::history::{At, many, moment_in};
use super::{Done, block_on, print};
use jiff::{Timestamp, Unit};
use soundcheck::error::{Error, Operator, Result};
use soundcheck::history::{Asked, History, sparkline};
use soundcheck::run::breach::{Tell, of_standing};
use soundcheck::secret::Secrets;
use soundcheck::slo::{
    Calendar, Mark, Objectives, STREAK, Standing, Stands, Streak, Verdict, openslo, prometheus, zone,
};
use soundcheck::source::Source;
use soundcheck::stats::Burning;
use soundcheck::unit::show_percent;
use std::fmt::Write as _;
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(
    after_help = "Each app in each environment that has runs is judged by itself; --app and --environment choose.\n\n\
    Exit code 1: an objective is breached, or an app has no sample at all; with --prove also where not all is met."
)]
pub struct Args {
    /// The objectives
    #[arg(default_value = "slo")]
    file: PathBuf,
    #[command(flatten)]
    at: At,
    /// Only this app file
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// Only this environment
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Only this version of the app
    #[arg(long = "app-version", value_name = "VERSION")]
    version: Option<String>,
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
    /// "days": [], "pillars": [], "waiting": []}}`
    #[arg(long)]
    json: bool,
    /// Print them for another program: OpenSLO documents, or Prometheus recording and alerting rules
    #[arg(long, conflicts_with_all = ["json", "prove", "until", "app", "environment", "version", "on_breach"])]
    export: Option<Format>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Openslo,
    Prometheus,
}

pub fn main(args: Args) -> Done {
    let objectives = Objectives::read(&Source::open(&args.file, "ci")?)?;
    if let Some(format) = args.export {
        print(&match format {
            Format::Openslo => openslo(&objectives),
            Format::Prometheus => prometheus(&objectives),
        });
        return Ok(0);
    }
    let secrets = Secrets::default();
    let on_breach = args.on_breach.map(|to| Tell::new(&to, None, &secrets)).transpose()?;
    let zone = args.time_zone.as_deref().map_or_else(|| Ok(objectives.time_zone.clone()), zone)?;
    let until = match args.until.as_deref().map(|text| moment_in(text, &zone)) {
        None => Timestamp::now().round(Unit::Second).operator("reading the clock")?,
        Some(moment) => {
            let moment = moment.map_err(|why| Error::author("--until is no moment").remedy(why))?;
            Timestamp::from_millisecond(moment).operator("reading the clock")?
        }
    };
    let calendar = Calendar::new(zone, until);
    let asked = Asked { app: args.app, environment: args.environment, version: args.version };
    let standings = History::open(&args.at.address()?)?.standings(&objectives, &asked, &calendar)?;
    if args.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&standings).operator("writing JSON")?));
    } else {
        let texts: Vec<String> = standings.iter().map(text).collect();
        print(&texts.join("\n"));
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

fn text(standing: &Standing) -> String {
    let Standing { app, environment, until, time_zone, objectives, streak } = standing;
    let name = |text: &str| if text.is_empty() { "any".to_owned() } else { text.to_owned() };
    let mut out = format!("{} in {}, until {until}, days of {time_zone}\n", name(app), name(environment));
    let wide = objectives.iter().map(|o| o.judged.name.chars().count()).max().unwrap_or(0);
    let target = |stands: &Stands| format!("{} over {} d", stands.judged.target, stands.window);
    let targets = objectives.iter().map(|o| target(o).chars().count()).max().unwrap_or(0);
    let mut pillar = "";
    for stands in objectives {
        let judged = &stands.judged;
        let own = judged.name.split('.').next().unwrap_or_default();
        if own != pillar {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "\n{own}");
            pillar = own;
        }
        let (verdict, days) = match stands.waits_for {
            Some(_) => ("waits", String::new()),
            None => (judged.verdict.name(), sparkline(&stands.days)),
        };
        let (id, name, target) = (&judged.id, &judged.name, target(stands));
        let line = format!("  {verdict:<16} {id:<5}  {name:<wide$}  {target:<targets$}  {days}");
        let _ = writeln!(out, "{}", line.trim_end());
        for said in told(stands) {
            let _ = writeln!(out, "{:19}{said}", "");
        }
    }
    let _ = write!(out, "\n{}", strips(streak));
    let count = |verdict| objectives.iter().filter(|o| !o.judged.goal && o.judged.verdict == verdict).count();
    let [met, breached, unknown] = [Verdict::Met, Verdict::Breached, Verdict::NotEnoughData].map(count);
    let demanded = many((met + breached + unknown) as u64, "objective", "objectives");
    let _ = writeln!(out, "{demanded}: {met} met, {breached} breached, {unknown} without enough data");
    out
}

/// The lines below an objective: its value, its budget, what a proof needs, what burns.
fn told(stands: &Stands) -> Vec<String> {
    if let Some(events) = stands.waits_for {
        return vec![format!("for events that nothing sees yet: {events}")];
    }
    let judged = &stands.judged;
    let mut said = vec![judged.value.clone()];
    // The other values name theirs.
    if judged.target.starts_with('p') || judged.target.starts_with("max") {
        said[0] += &format!("; {}", many(judged.samples, "sample", "samples"));
    }
    match stands.budget_left {
        Some(left) if left < 0.0 => said[0] += &format!("; budget spent {:.1} times", 1.0 - left),
        Some(left) => said[0] += &format!("; budget left {:.0} %", (left * 100.0).floor()),
        None => {}
    }
    said.extend(stands.left_out.iter().cloned());
    if let Some(needs) = &judged.needs {
        said.push(format!("a proof needs {needs}"));
    }
    // A goal alerts nobody.
    for burns in stands.burns.iter().filter(|_| !judged.goal) {
        let fast = format!(
            "{}: {} of the budget within {} h, {:.1} times too fast",
            burns.severity.name(),
            show_percent(burns.budget),
            burns.within,
            burns.long.unwrap_or_default()
        );
        match burns.burning {
            Burning::Yes => said.push(format!("burns: {fast}")),
            Burning::TooFew => said.push(format!("may burn, of too few samples to tell from chance: {fast}")),
            Burning::No => {}
        }
    }
    said
}

fn strips(streak: &Streak) -> String {
    let (Some(first), Some(last)) = (streak.days.first(), streak.days.last()) else { return String::new() };
    let today = if streak.over { "" } else { ", which is not over" };
    let mut out = format!("days {} .. {}{today}\n", first.day, last.day);
    let wide = streak.pillars.iter().map(|strip| strip.pillar.chars().count()).max().unwrap_or(0).max(3);
    let signs = |marks: &mut dyn Iterator<Item = Mark>| marks.map(Mark::sign).collect::<String>();
    for strip in &streak.pillars {
        let days = match strip.days.iter().all(|mark| *mark == Mark::Waits) {
            true => "waits for events that nothing sees yet".to_owned(),
            false => signs(&mut strip.days.iter().copied()),
        };
        let _ = writeln!(out, "  {:<wide$}  {days}", strip.pillar);
    }
    let all = signs(&mut streak.days.iter().map(|day| day.mark));
    let _ = writeln!(out, "  {:<wide$}  {all}  ■ met, · a gap, ✗ breached", "all");
    let _ = writeln!(out, "streak: {} of {STREAK} days met", streak.met);
    let shown = streak.days.len().saturating_sub(STREAK + usize::from(!streak.over));
    for day in streak.days[shown..].iter().filter(|day| day.mark != Mark::Met) {
        let mut why: Vec<&str> = day.why.iter().map(String::as_str).collect();
        // What breached comes first; the rest is in the JSON.
        why.sort_by_key(|reason| !reason.contains("breached"));
        let more = why.len().saturating_sub(2);
        why.truncate(2);
        let more = if more > 0 { format!("; {more} more") } else { String::new() };
        let mark = if day.mark == Mark::Breached { "breached" } else { "a gap" };
        let _ = writeln!(out, "  {} {mark}: {}{more}", day.day, why.join("; "));
    }
    if !streak.waiting.is_empty() {
        let _ = writeln!(out, "  no part of it, nothing feeds them yet: {}", streak.waiting.join(", "));
    }
    out
}
