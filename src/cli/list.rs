//! `soundcheck list`: the tables themselves, so that no help can drift from them.

use super::{Done, print};
use serde_json::{Value, json};
use soundcheck::fault::FAULTS;
use soundcheck::gate::KINDS;
use soundcheck::journey::WORDS;
use soundcheck::measure::MEASURES;
use soundcheck::media::class::CLASSES;
use soundcheck::media::lint::RULES;
use soundcheck::oracle::{EXPECTATIONS, Picture};
use soundcheck::report::REPORTS;
use soundcheck::signal::SIGNALS;
use soundcheck::slo::{Objective, Objectives};
use soundcheck::source::{Source, names};
use soundcheck::step::VERBS;
use soundcheck::table::Row;
use soundcheck::unit::{ms, show_ms};
use std::fmt::Write as _;
use std::path::Path;

#[derive(clap::Args)]
pub struct Args {
    /// Only this table
    #[arg(value_parser = TABLES)]
    table: Option<String>,
    /// Print JSON: `{"<table>": [{"name", "about"}]}`
    #[arg(long)]
    json: bool,
}

const TABLES: [&str; 17] = [
    "words",
    "expectations",
    "verbs",
    "pictures",
    "measures",
    "faults",
    "classes",
    "violations",
    "reports",
    "gate",
    "signals",
    "objectives",
    "catalogues",
    "plans",
    "journeys",
    "apps",
    "profiles",
];

/// What lies beside the plans and is none: objectives, the gate's files, and the catalogues of planted defects.
const NO_PLANS: [&str; 4] = ["attestations", "quarantine", "release", "slo"];
const CATALOGUES: [&str; 4] = ["verify", "verify-room", "verify-variants", "verify-want"];

pub fn main(args: &Args) -> Done {
    let wanted = TABLES.iter().filter(|t| args.table.as_deref().is_none_or(|w| w == **t));
    let tables: Vec<(&str, Vec<(String, String)>)> = wanted.map(|t| (*t, rows(t))).collect();
    if args.json {
        let all: serde_json::Map<String, Value> = tables
            .into_iter()
            .map(|(t, rows)| {
                let rows = rows.into_iter().map(|(name, about)| json!({ "name": name, "about": about })).collect();
                (t.to_owned(), Value::Array(rows))
            })
            .collect();
        print(&format!("{:#}\n", Value::Object(all)));
        return Ok(0);
    }
    let mut out = String::new();
    for (table, rows) in tables {
        let wide = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{table}");
        for (name, about) in rows {
            let _ = writeln!(out, "  {name:<wide$}  {about}");
        }
    }
    print(&out);
    Ok(0)
}

fn rows(table: &str) -> Vec<(String, String)> {
    fn of<R: Row>(rows: &[R]) -> Vec<(String, String)> {
        rows.iter().map(|r| (r.name().to_owned(), r.about().to_owned())).collect()
    }
    let shipped = |folder: &str| names(folder).into_iter().map(|n| (n.clone(), question(folder, &n))).collect();
    match table {
        "words" => of(WORDS),
        "expectations" => EXPECTATIONS
            .iter()
            .map(|e| (e.name().to_owned(), format!("{}; given up after {}", e.about(), show_ms(ms(e.give_up)))))
            .collect(),
        "verbs" => VERBS.iter().map(|v| (v.name().to_owned(), format!("{}; {}", v.about(), v.example))).collect(),
        "pictures" => Picture::ALL.iter().map(|p| (p.name().to_owned(), p.about().to_owned())).collect(),
        "measures" => {
            MEASURES.iter().map(|m| (m.name().to_owned(), format!("{}; a sample is a {}", m.about(), m.unit))).collect()
        }
        "faults" => FAULTS
            .iter()
            .map(|f| match f.example {
                "" => (f.name().to_owned(), f.about().to_owned()),
                keys => (f.name().to_owned(), format!("{}; {}", f.about(), keys.replace('\n', ", "))),
            })
            .collect(),
        "classes" => of(CLASSES),
        "violations" => RULES.iter().map(|r| (r.name().to_owned(), format!("{} ({})", r.about(), r.source))).collect(),
        "reports" => of(REPORTS),
        "gate" => of(KINDS),
        "signals" => of(SIGNALS),
        "objectives" => objectives(),
        "catalogues" => CATALOGUES.iter().map(|n| ((*n).to_owned(), question("ci", n))).collect(),
        "plans" => names("ci")
            .into_iter()
            .filter(|n| !NO_PLANS.iter().chain(&CATALOGUES).any(|other| other == n))
            .map(|n| (n.clone(), question("ci", &n)))
            .collect(),
        "journeys" => shipped("journeys"),
        "apps" => shipped("journeys/apps"),
        _ => shipped("proxies"),
    }
}

/// Those that ship, with what must hold.
fn objectives() -> Vec<(String, String)> {
    let all = Source::open(Path::new("slo"), "ci").and_then(|source| Objectives::read(&source));
    let says = |o: &Objective| {
        let browser = o.browser.map_or(String::new(), |browser| format!(" in {}", browser.name()));
        format!("{}: {} {}{browser}", o.id, o.measure, o.target_text)
    };
    all.map(|all| all.all().iter().map(|o| (o.name.clone(), says(o))).collect()).unwrap_or_default()
}

/// The question a shipped file opens with.
fn question(folder: &str, name: &str) -> String {
    let source = Source::open(Path::new(name), folder);
    let keys = source.and_then(|s| s.parse::<toml::Table>()).unwrap_or_default();
    let said = keys.get("question").or_else(|| keys.get("about"));
    said.and_then(|v| v.as_str()).unwrap_or_default().to_owned()
}
