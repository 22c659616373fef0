//! `soundcheck doctor`: starts each browser once, as a play would, and says what it can do.

use super::{Done, print};
use serde_json::{Value, json};
use soundcheck::browser::Kind;
use soundcheck::error::Operator as _;
use soundcheck::run::examine::{Finding, examine};
use std::fmt::Write as _;

#[derive(clap::Args)]
pub struct Args {
    /// Only this browser; repeat it for more
    #[arg(long = "browser", value_name = "chromium|firefox")]
    browsers: Vec<Kind>,
    /// Print JSON: `{"ok": bool, "findings": [{"part", "ok", "what", "remedy"}]}`
    #[arg(long)]
    json: bool,
}

pub async fn main(args: Args) -> Done {
    let exe = std::env::current_exe().operator("finding this program")?;
    let browsers = if args.browsers.is_empty() { vec![Kind::Chromium, Kind::Firefox] } else { args.browsers };
    let findings = examine(&exe, &browsers).await;
    let ok = findings.iter().all(|f| f.ok);
    if args.json {
        let rows: Vec<Value> = findings.iter().map(|f| json!(f)).collect();
        print(&format!("{:#}\n", json!({ "ok": ok, "findings": rows })));
    } else {
        print(&text(&findings));
    }
    Ok(if ok { 0 } else { 3 })
}

fn text(findings: &[Finding]) -> String {
    let mut out = String::new();
    for f in findings {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{} {:<18} {}", if f.ok { "ok " } else { "BAD" }, f.part, f.what);
        if let Some(remedy) = &f.remedy {
            let _ = writeln!(out, "{:23}{remedy}", "");
        }
    }
    out
}
