//! Which exchanges a fault is for: the matching that all faults share.

use super::{Fault, Leg, Request, Resource};
use std::sync::Arc;
use std::time::Duration;

/// A fault of a profile: what, for which exchanges, how often.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name within the profile; events carry it.
    pub id: String,
    /// Its kind: a row of [`super::FAULTS`].
    pub kind: &'static str,
    /// Where it is played.
    pub leg: Leg,
    /// For which exchanges.
    pub when: When,
    /// Among those, how likely: 0 to 1, drawn per request.
    pub probability: f64,
    /// At most so often, counted per [`Rule::scope`]; `None`: without end.
    pub times: Option<u64>,
    /// What shares `times`, `nth`, and the capacity of a link.
    pub scope: Scope,
    /// Whether it is armed from the start; otherwise whoever runs the proxy arms it.
    pub armed: bool,
    /// What happens.
    pub fault: Arc<dyn Fault>,
}

/// What shares a count, or a link's capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Each connection by itself.
    Connection,
    /// All connections from one address.
    Client,
    /// All of them: in a play, the browser.
    #[default]
    Link,
}

/// Which exchanges. Every part that is given must fit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When {
    /// The host, with its port where the URL has one. `*` stands for any run of characters.
    pub host: Option<String>,
    /// The path, without the query. `*` stands for any run of characters.
    pub path: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// What is asked for.
    pub resource: Option<Resource>,
    /// Which part of it.
    pub range: Option<Part>,
    /// Which requests of those for the same method and URL: 1 the first.
    pub nth: Option<Nth>,
    /// Not before so long after the play's start.
    pub after: Option<Duration>,
    /// Not later.
    pub until: Option<Duration>,
    /// While a step of these words goes on. `*` stands for any run of characters.
    pub step: Option<String>,
}

/// Which part of a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// All of it, or a range from its first octet.
    First,
    /// A range from a later octet, or so many at the end.
    Later,
    /// Any range.
    Any,
    /// No range at all.
    None,
}

/// Which of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nth {
    /// This one.
    Is(u64),
    /// From this one on.
    From(u64),
    /// Every so many.
    Every(u64),
}

/// Where and when a request came, besides what it says itself.
#[derive(Clone, Debug, Default)]
pub struct Now<'a> {
    /// Since the play's start, or since the profile was armed.
    pub since: Duration,
    /// The words of the step it started in.
    pub step: Option<&'a str>,
}

impl When {
    /// Whether a request is one of those.
    pub fn fits(&self, request: &Request, now: &Now) -> bool {
        self.is_for(request)
            && self.nth.is_none_or(|nth| match nth {
                Nth::Is(n) => request.nth == n,
                Nth::From(n) => request.nth >= n,
                Nth::Every(n) => request.nth.is_multiple_of(n),
            })
            && self.after.is_none_or(|t| now.since >= t)
            && self.until.is_none_or(|t| now.since < t)
            && self.step.as_ref().is_none_or(|p| now.step.is_some_and(|s| glob(p, s)))
    }

    /// Whether what a request itself says is so, at whatever time and for whichever time it comes.
    pub fn is_for(&self, request: &Request) -> bool {
        let fits = |pattern: &Option<String>, text: &str| pattern.as_ref().is_none_or(|p| glob(p, text));
        let later = request.range.is_some_and(|r| r.start() != Some(0));
        fits(&self.host, request.host)
            && fits(&self.path, request.path)
            && self.method.as_ref().is_none_or(|m| m == request.method)
            && self.resource.is_none_or(|r| r == request.resource)
            && self.range.is_none_or(|part| match part {
                Part::First => !later,
                Part::Later => later,
                Part::Any => request.range.is_some(),
                Part::None => request.range.is_none(),
            })
    }

    /// Whether it asks for anything that only a request can tell: such a fault is none of a connection as a whole.
    pub fn wants_a_request(&self) -> bool {
        let Self { host, path, method, resource, range, nth, .. } = self;
        host.is_some() || path.is_some() || method.is_some() || resource.is_some() || range.is_some() || nth.is_some()
    }
}

/// The methods that requests have: those of HTTP, and of WebDAV.
pub const METHODS: [&str; 19] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "QUERY",
    "SEARCH",
    "REPORT",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
];

/// Whether `text` is what `pattern` says; `*` stands for any run of characters, also an empty one.
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(found) = rest.find(part) else { return false };
        rest = &rest[found + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::{Range, head::Head};
    use super::*;

    fn request<'a>(head: &'a Head, path: &'a str, range: Option<Range>, nth: u64) -> Request<'a> {
        Request { method: "GET", host: "a:1", path, target: path, resource: Resource::Media, range, nth, head }
    }

    #[test]
    fn globs() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("a*", "a"),
            ("*.mp4", "/x.mp4"),
            ("/m/*/b*", "/m/1/2/bc"),
            ("a*a", "aba"),
            ("**", "x"),
        ] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a", "ab"), ("a*a", "a"), ("*.mp4", "/x.mp4?"), ("/m/*/b", "/m/b")] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn every_part_given_must_fit() {
        let head = Head::default();
        let at = |since| Now { since: Duration::from_secs(since), step: Some("init video") };
        let all = When {
            host: Some("a:*".into()),
            path: Some("/m/*".into()),
            method: Some("GET".into()),
            resource: Some(Resource::Media),
            range: Some(Part::Later),
            nth: Some(Nth::From(2)),
            after: Some(Duration::from_secs(5)),
            until: Some(Duration::from_secs(9)),
            step: Some("init*".into()),
        };
        let later = Some(Range::From(7, None));
        assert!(all.fits(&request(&head, "/m/1", later, 2), &at(5)));
        assert!(all.is_for(&request(&head, "/m/1", later, 9)) && !all.is_for(&request(&head, "/n", later, 2)));
        for (path, range, nth, since) in [
            ("/n", later, 2, 5),
            ("/m/1", Some(Range::From(0, None)), 2, 5),
            ("/m/1", later, 1, 5),
            ("/m/1", later, 2, 9),
        ] {
            assert!(!all.fits(&request(&head, path, range, nth), &at(since)), "{path} {range:?} {nth} {since}");
        }
        assert!(When::default().fits(&request(&head, "/", None, 1), &Now::default()));
        assert!(!When::default().wants_a_request() && all.wants_a_request());
    }

    #[test]
    fn a_range_at_the_end_is_a_later_part() {
        let head = Head::default();
        let later = When { range: Some(Part::Later), ..When::default() };
        assert!(later.fits(&request(&head, "/", Some(Range::Last(5)), 1), &Now::default()));
        assert!(!later.fits(&request(&head, "/", None, 1), &Now::default()));
    }
}
