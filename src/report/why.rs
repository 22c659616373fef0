//! Why a run went wrong, in a terminal at two in the morning: what failed, where, because of which request or line, and
//! what to look at.

use crate::record::Ending;
use crate::unit::{many, show_ms};
use crate::why::{Answer, Chain, Clue};
use std::fmt::Write as _;

/// Chains shown in words; the others are counted.
const SHOWN: usize = 2;
/// Longer texts are cut: a line of JSON would hide what stands around it.
const WIDEST: usize = 300;
/// What begins the line of a cause: one that explains what was seen, and one that only came at the same time.
const BECAUSE: [&str; 2] = ["because", "perhaps"];

/// The answer; `folder` is the record's, as the reader named it.
pub fn write(answer: &Answer, folder: &str) -> String {
    let mut out = String::new();
    let verdict = answer.verdict.name();
    // Writing to a string cannot fail.
    if answer.chains.is_empty() {
        let _ = writeln!(out, "{verdict}: nothing went wrong in {folder}");
    }
    for (n, chain) in answer.chains.iter().take(SHOWN).enumerate() {
        let head = if n == 0 { format!("{verdict}: ") } else { "then: ".to_owned() };
        let _ = writeln!(out, "{head}{}", cut(&failed(chain)));
        // The first has all its links; of the next one the cause is enough to know whether it is another story.
        for (label, text) in lines(chain, folder).into_iter().filter(|(label, _)| n == 0 || BECAUSE.contains(label)) {
            let _ = writeln!(out, "  {label:<9} {}", cut(&text));
        }
    }
    let more = answer.chains.len().saturating_sub(SHOWN) as u64;
    if more > 0 {
        let _ = writeln!(out, "and {}: --json has them all", many(more, "more chain", "more chains"));
    }
    if !answer.complete {
        let _ = writeln!(out, "the record has no end: the run was cut short");
    }
    out
}

/// What went wrong, and where.
fn failed(chain: &Chain) -> String {
    let objective = || chain.objectives.first().map(|o| format!("{} {}", o.id, o.name));
    let Some(play) = &chain.play else { return objective().unwrap_or_else(|| "the run".to_owned()) };
    let how = match play.ending {
        Ending::Failed => "failed",
        Ending::Broken => "is broken",
        Ending::Undecided => "says too little",
        Ending::Unfinished => "has no end",
        Ending::Passed => "counts against it",
    };
    let at = chain.step.as_ref().map_or(String::new(), |s| format!(" at \"{}\"", s.name));
    let others = match chain.plays.saturating_sub(1) {
        0 => String::new(),
        n => format!("; {} for the same cause", many(n, "more play", "more plays")),
    };
    let borne = if play.quarantined { ", quarantined" } else { "" };
    let what = match (play.ending, objective()) {
        (Ending::Passed, Some(objective)) => format!("{objective}: {}", play.title),
        _ => play.title.clone(),
    };
    format!("{what} {how}{at}{borne}{others}")
}

/// The chain's links, each with its label.
fn lines(chain: &Chain, folder: &str) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if !chain.objectives.is_empty() {
        let words = |o: &crate::why::Breach| {
            let verdict = o.verdict.map_or("", |v| v.name());
            format!("{} {} {}: {} ({verdict})", o.id, o.name, o.target, o.value)
        };
        let more = match chain.objectives.len() - 1 {
            0 => String::new(),
            n => format!("; and {n} more"),
        };
        lines.push(("counts", format!("against {}{more}", words(&chain.objectives[0]))));
    }
    if let Some(step) = &chain.step {
        let expected = step.expected.as_deref().unwrap_or("that it can be done");
        let after = step.ms.map_or(String::new(), |ms| format!(" after {}", show_ms(ms)));
        let cause = chain.cause.says == step.got;
        let got = if cause { "see below" } else { step.got.as_str() };
        lines.push(("expected", format!("{expected}; got{after}: {got}")));
    }
    let cause = &chain.cause;
    lines.push((if cause.sure || cause.unexplained { BECAUSE[0] } else { BECAUSE[1] }, because(cause)));
    lines.extend(chain.also.iter().map(|clue| ("also", with_times(clue))));
    lines.extend(chain.planted.iter().take(2).map(|fault| ("planted", fault.clone())));
    lines.push(("look at", look_at(chain, folder)));
    lines
}

fn because(clue: &Clue) -> String {
    let ours = if clue.ours { "; a planted fault did this" } else { "" };
    let open = if clue.unexplained { "; nothing else in the record explains it" } else { "" };
    format!("{}{ours}{open}", with_times(clue))
}

fn with_times(clue: &Clue) -> String {
    match clue.times {
        0 | 1 => clue.says.clone(),
        n => format!("{} ({n} times)", clue.says),
    }
}

/// Where more is to be seen: the report at the right place, the picture, the line of the events.
fn look_at(chain: &Chain, folder: &str) -> String {
    let anchor = chain.step.as_ref().map(|s| &s.anchor).or(chain.play.as_ref().map(|p| &p.anchor));
    let anchor = anchor.map_or(String::new(), |a| format!("#{a}"));
    let mut all = vec![format!("{}/report.html{anchor}", folder.trim_end_matches('/'))];
    all.extend(chain.step.as_ref().and_then(|s| s.screenshot.clone()));
    let seq = chain.cause.seq.or(chain.step.as_ref().map(|s| s.seq));
    all.extend(seq.map(|seq| format!("events.jsonl seq {seq}")));
    all.join(", ")
}

fn cut(text: &str) -> String {
    // A page's own text must not steer a terminal.
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.char_indices().nth(WIDEST) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}
