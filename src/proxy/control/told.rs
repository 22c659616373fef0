//! A fault as the API tells it.

use crate::fault::FAULTS;
use crate::fault::rule::{Nth, When};
use crate::proxy::Standing;
use crate::table::{Row as _, find};
use serde::Serialize;
use serde_json::{Value, json};

/// A fault as the API tells it, and the line that `soundcheck proxy --json` begins with.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// Its name within the profile.
    pub id: String,
    /// Its kind, a row of [`FAULTS`].
    #[serde(rename = "do")]
    pub kind: &'static str,
    /// What that kind does.
    pub about: &'static str,
    /// For which exchanges, in words.
    pub when: String,
    /// How likely on each of those, 0 to 1.
    pub probability: f64,
    /// At most so often.
    pub times: Option<u64>,
    /// Whether it can be fired by hand: faults of the link are armed only.
    pub fires: bool,
    /// Whether it is armed.
    pub armed: bool,
    /// Firings by hand that wait for their request.
    pub waiting: u64,
    /// Requests that came while it was armed.
    pub requests: u64,
    /// Those it matched.
    pub matched: u64,
    /// Times it was applied.
    pub applied: u64,
}

impl Told {
    /// A fault as it stands.
    pub fn of(standing: Standing) -> Self {
        let Standing { rule, armed, waiting, tally } = standing;
        let fires = rule.fault.link().is_none();
        Self {
            kind: rule.kind,
            about: find(FAULTS, rule.kind).map_or("", |k| k.about()),
            when: words(&rule.when, fires),
            probability: rule.probability,
            times: rule.times,
            fires,
            armed,
            waiting,
            requests: tally.requests,
            matched: tally.matched,
            applied: tally.applied,
            id: rule.id,
        }
    }
}

/// For which exchanges, in words.
fn words(when: &When, of_requests: bool) -> String {
    let name = |v: Value| v.as_str().unwrap_or_default().to_owned();
    let When { host, path, method, resource, range, nth, after, until, step } = when;
    let of = |word: &str, value: &Option<String>| value.as_ref().map(|v| format!("{word} {v}"));
    let nth = nth.map(|nth| match nth {
        Nth::Is(n) => format!("number {n} for its URL"),
        Nth::From(n) => format!("from number {n} for its URL"),
        Nth::Every(n) => format!("every {n}. for its URL"),
    });
    let parts = [
        method.clone(),
        of("host", host),
        of("path", path),
        resource.map(|r| format!("resource {}", name(json!(r)))),
        range.map(|r| format!("range {}", name(json!(r)))),
        nth,
        after.map(|t| format!("after {t:?}")),
        until.map(|t| format!("until {t:?}")),
        of("step", step),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    match (parts.is_empty(), of_requests) {
        (true, true) => "every request".to_owned(),
        (true, false) => "the whole link".to_owned(),
        _ => parts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Resource;
    use crate::fault::rule::Part;
    use std::time::Duration;

    #[test]
    fn matching_is_said_in_words() {
        assert_eq!(words(&When::default(), true), "every request");
        assert_eq!(words(&When::default(), false), "the whole link");
        let when = When {
            path: Some("/media/*".into()),
            resource: Some(Resource::Media),
            range: Some(Part::Later),
            nth: Some(Nth::From(2)),
            after: Some(Duration::from_secs(10)),
            ..When::default()
        };
        let said = "path /media/*, resource media, range later, from number 2 for its URL, after 10s";
        assert_eq!(words(&when, true), said);
    }
}
