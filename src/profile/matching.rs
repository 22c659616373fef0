//! The `match` of a fault: which exchanges it is for.

use crate::fault::Resource;
use crate::fault::rule::{METHODS, Nth, Part, When};
use crate::source::Problem;
use crate::table::did_you_mean;
use crate::unit::Time;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use std::fmt;
use std::ops::Range;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table: { path = ... }")]
pub(super) struct MatchFile {
    host: Option<Spanned<String>>,
    path: Option<Spanned<String>>,
    method: Option<Spanned<String>>,
    resource: Option<Spanned<Resource>>,
    range: Option<Spanned<Part>>,
    nth: Option<Spanned<NthFile>>,
    after: Option<Spanned<Time>>,
    until: Option<Spanned<Time>>,
    step: Option<Spanned<String>>,
}

/// `2`, `"2+"`, `"/3"`.
#[derive(Clone, Copy)]
struct NthFile(Nth);

impl<'de> Deserialize<'de> for NthFile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = NthFile;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a number such as 2, \"2+\" or \"/3\"")
            }
            fn visit_i64<E: Error>(self, n: i64) -> Result<NthFile, E> {
                read(&n.to_string()).map_err(E::custom)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<NthFile, E> {
                read(text).map_err(E::custom)
            }
        }
        from.deserialize_any(Written)
    }
}

fn read(text: &str) -> Result<NthFile, String> {
    let (digits, make): (&str, fn(u64) -> Nth) = match (text.strip_prefix('/'), text.strip_suffix('+')) {
        (Some(every), _) => (every, Nth::Every),
        (_, Some(from)) => (from, Nth::From),
        _ => (text, Nth::Is),
    };
    match digits.trim().parse() {
        Ok(n) if n > 0 => Ok(NthFile(make(n))),
        _ => Err(format!(
            "`{text}` is no number of a request: write 2 (the second), \"2+\" (from it on) or \"/2\" (every second)"
        )),
    }
}

impl MatchFile {
    /// The keys it has, and where their values stand.
    pub(super) fn given(&self) -> impl Iterator<Item = (&'static str, Range<usize>)> + use<> {
        let Self { host, path, method, resource, range, nth, after, until, step } = self;
        let all = [
            ("host", host.as_ref().map(Spanned::span)),
            ("path", path.as_ref().map(Spanned::span)),
            ("method", method.as_ref().map(Spanned::span)),
            ("resource", resource.as_ref().map(Spanned::span)),
            ("range", range.as_ref().map(Spanned::span)),
            ("nth", nth.as_ref().map(Spanned::span)),
            ("after", after.as_ref().map(Spanned::span)),
            ("until", until.as_ref().map(Spanned::span)),
            ("step", step.as_ref().map(Spanned::span)),
        ];
        all.into_iter().filter_map(|(key, span)| Some((key, span?)))
    }

    /// The step it names.
    pub(super) fn step(&self) -> Option<&Spanned<String>> {
        self.step.as_ref()
    }

    /// What it says, checked.
    pub(super) fn when(&self, problems: &mut Vec<Problem>) -> When {
        let mut wrong = |at: &Option<Spanned<String>>, why: fn(&str) -> Option<(&'static str, &'static str)>| {
            if let Some(text) = at
                && let Some((what, help)) = why(text.get_ref())
            {
                problems.push(Problem::at(text.span(), format!("`{}` {what}", text.get_ref()), help));
            }
        };
        wrong(&self.host, |host| match host {
            _ if host.trim().is_empty() => Some(("is no host", EMPTY)),
            _ if host.contains('/') => {
                Some(("is no host", "write the host alone, such as \"cdn.example\" or \"*:8080\""))
            }
            _ if host.chars().any(char::is_uppercase) => {
                Some(("never fits: browsers send hosts in lower case", "write it so"))
            }
            _ => None,
        });
        wrong(&self.path, |path| match path {
            _ if path.contains(['?', '#']) => {
                Some(("is no path", "a path is matched without its query; `*` alone stands for any characters"))
            }
            _ if !path.starts_with(['/', '*']) => {
                Some(("never fits: a path begins with /", "write \"/media/*\" or \"*.mp4\""))
            }
            _ => None,
        });
        wrong(&self.step, |step| step.trim().is_empty().then_some(("is no step", EMPTY)));
        if let Some(method) = self.method.as_ref().filter(|own| !METHODS.contains(&own.get_ref().as_str())) {
            let what = format!("`{}` is no HTTP method", method.get_ref());
            problems.push(Problem::at(method.span(), what, did_you_mean(method.get_ref(), METHODS)));
        }
        let time = |at: &Option<Spanned<Time>>| at.as_ref().map(|t| t.get_ref().0);
        if let (Some(after), Some(until)) = (time(&self.after), &self.until)
            && until.get_ref().0 <= after
        {
            let what = format!("`until` is over before `after` ({after:?}) begins");
            problems.push(Problem::at(until.span(), what, "both count from the play's start: write a later `until`"));
        }
        let text = |at: &Option<Spanned<String>>| at.as_ref().map(|t| t.get_ref().clone());
        When {
            host: text(&self.host),
            path: text(&self.path),
            method: text(&self.method),
            resource: self.resource.as_ref().map(|r| *r.get_ref()),
            range: self.range.as_ref().map(|r| *r.get_ref()),
            nth: self.nth.as_ref().map(|n| n.get_ref().0),
            after: time(&self.after),
            until: time(&self.until),
            step: text(&self.step),
        }
    }
}

const EMPTY: &str = "write one, or remove the key; `*` stands for any characters";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_numbered_in_three_ways() {
        let nth = |text| read(text).map(|n| n.0);
        assert_eq!((nth("2"), nth("2+"), nth("/3")), (Ok(Nth::Is(2)), Ok(Nth::From(2)), Ok(Nth::Every(3))));
        for bad in ["", "0", "-1", "0+", "/0", "/", "+", "first", "1.5", "/2+"] {
            assert!(nth(bad).is_err(), "{bad} was taken");
        }
    }
}
