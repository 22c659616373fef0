//! A profile in words, for people who wonder what a file does.

use super::expect::{Expect, Outcome};
use crate::browser::Kind;
use crate::fault::Leg;
use crate::fault::rule::{Nth, Part, Rule, Scope, When};
use crate::fault::seed::Draw;

/// A fault: `late: ttfb time = "2s"; every request for media; between the app and its upstream`.
pub(super) fn rule(rule: &Rule, own: &str) -> String {
    let of = if rule.fault.link().is_some() {
        "the whole link"
    } else if rule.when.wants_a_request() || rule.fault.accept(&Draw::of_link(0, "")).is_empty() {
        "every request"
    } else {
        "every connection"
    };
    let name = if rule.id == rule.kind { rule.kind.to_owned() } else { format!("{}: {}", rule.id, rule.kind) };
    let mut parts = vec![format!("{name} {own}").trim().to_owned(), when(&rule.when, of)];
    if rule.probability < 1.0 {
        parts.push(format!("{} % of them", rule.probability * 100.0));
    }
    if let Some(times) = rule.times {
        parts.push(if times == 1 { "once a URL".to_owned() } else { format!("at most {times} times a URL") });
    }
    match rule.scope {
        Scope::Link => {}
        Scope::Client => parts.push("each client by itself".to_owned()),
        Scope::Connection => parts.push("each connection by itself".to_owned()),
    }
    if rule.leg == Leg::Upstream {
        parts.push("between the app and its upstream".to_owned());
    }
    if !rule.armed {
        parts.push("disarmed at first".to_owned());
    }
    parts.join("; ")
}

fn when(when: &When, of: &str) -> String {
    let mut said = of.to_owned();
    let mut say = |words: Option<String>| said.extend(words.iter().flat_map(|w| [" ", w]));
    say(when.resource.map(|r| format!("for {}", format!("{r:?}").to_lowercase())));
    say(when.method.as_ref().map(|m| format!("by {m}")));
    say(when.host.as_ref().map(|h| format!("to {h}")));
    say(when.path.as_ref().map(|p| format!("of {p}")));
    say(when.range.map(|part| match part {
        Part::First => "of the first part".to_owned(),
        Part::Later => "of a later part".to_owned(),
        Part::Any => "with a range".to_owned(),
        Part::None => "without a range".to_owned(),
    }));
    say(when.nth.map(|nth| match nth {
        Nth::Is(n) => format!("(number {n} of each URL)"),
        Nth::From(n) => format!("(from number {n} of each URL on)"),
        Nth::Every(n) => format!("(each {n}. of a URL)"),
    }));
    say(when.after.map(|t| format!("from {t:?} on")));
    say(when.until.map(|t| format!("until {t:?}")));
    say(when.step.as_ref().map(|s| format!("in the step \"{s}\"")));
    said
}

/// An expectation: `video in firefox fails with "MediaError 4"`. The earlier ones took their plays already.
pub(super) fn expect(expect: &Expect, earlier: &[Expect]) -> String {
    let every = if earlier.is_empty() { "every play" } else { "every other play" };
    let taken = |b: Kind| earlier.iter().any(|e| e.journey == expect.journey && e.browser == Some(b));
    let left = match (taken(Kind::Chromium), taken(Kind::Firefox)) {
        (true, false) => Some(Kind::Firefox),
        (false, true) => Some(Kind::Chromium),
        _ => None,
    };
    let who = match (&expect.journey, expect.browser.or(left)) {
        (None, None) => every.to_owned(),
        (None, Some(browser)) => format!("{every} in {browser}"),
        (Some(journey), None) => format!("{journey} in both browsers"),
        (Some(journey), Some(browser)) => format!("{journey} in {browser}"),
    };
    let what = match (expect.outcome, &expect.reason, expect.within) {
        (Outcome::Plays, _, Some(within)) => format!("plays, each expectation within {within:?}"),
        (Outcome::Plays, _, None) => "plays".to_owned(),
        (Outcome::Fails, Some(reason), _) => format!("fails with \"{reason}\""),
        (Outcome::Fails, None, _) => "fails".to_owned(),
        (Outcome::Either, ..) => "plays or fails".to_owned(),
    };
    let recovers = expect.recovers.map(|t| format!(", no stall longer than {t:?}")).unwrap_or_default();
    let class = expect.class.map_or(String::new(), |class| format!(", class `{class}`"));
    format!("expects: {who} {what}{recovers}{class}")
}
