//! Requests and responses, as faults see them.

use super::head::Head;

/// What a request asks for, as far as its own head tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// A document, or a frame's.
    Page,
    /// A whole audio or video file.
    Media,
    /// A playlist: HLS or DASH.
    Manifest,
    /// A piece of a stream.
    Segment,
    /// Script, style, image, font.
    Asset,
    /// What scripts fetch.
    Api,
    /// A WebSocket.
    Socket,
}

/// A request, as faults see it.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a str,
    /// Host, and the port unless it is the scheme's own.
    pub host: &'a str,
    /// Path, without the query.
    pub path: &'a str,
    /// Path and query as sent.
    pub target: &'a str,
    /// What it asks for.
    pub resource: Resource,
    /// The range it asks for.
    pub range: Option<Range>,
    /// Its number among those of the same method and URL, from 1.
    pub nth: u64,
    /// Its head.
    pub head: &'a Head,
}

/// A single byte range, as a request asks for it: `bytes=0-`, `bytes=5-9`, `bytes=-500`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// From here to there (included), or to the end.
    From(u64, Option<u64>),
    /// So many at the end.
    Last(u64),
}

impl Range {
    /// Reads a `Range` field. Several ranges, or other units, are none of ours.
    pub fn read(value: &str) -> Option<Self> {
        let (from, to) = value.trim().strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| text.trim().parse::<u64>().ok();
        match (from.trim(), to.trim()) {
            ("", last) => number(last).map(Range::Last),
            (from, "") => Some(Range::From(number(from)?, None)),
            (from, to) => Some(Range::From(number(from)?, Some(number(to)?))),
        }
    }

    /// The first octet asked for, where the range names it.
    pub fn start(self) -> Option<u64> {
        match self {
            Range::From(start, _) => Some(start),
            Range::Last(_) => None,
        }
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Range::From(from, Some(to)) => write!(f, "bytes={from}-{to}"),
            Range::From(from, None) => write!(f, "bytes={from}-"),
            Range::Last(n) => write!(f, "bytes=-{n}"),
        }
    }
}

/// A `Content-Range` of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// First octet.
    pub first: u64,
    /// Last octet, included.
    pub last: u64,
    /// Of so many; `None` for `*`.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Reads `bytes 0-9/100` or `bytes 0-9/*`.
    pub fn read(value: &str) -> Option<Self> {
        let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        Some(Self { first: first.parse().ok()?, last: last.parse().ok()?, total })
    }
}

impl std::fmt::Display for ContentRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "bytes {}-{}/", self.first, self.last)?;
        match self.total {
            Some(total) => write!(f, "{total}"),
            None => write!(f, "*"),
        }
    }
}

/// A response's head, as faults see it: the server's own, before any fault changed it.
#[derive(Clone, Debug)]
pub struct Response<'a> {
    /// Its status code.
    pub status: u16,
    /// Octets of its body, where the head tells.
    pub length: Option<u64>,
    /// The part it says it is.
    pub range: Option<ContentRange>,
    /// Its head.
    pub head: &'a Head,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_as_they_are_written() {
        for text in ["bytes=0-", "bytes=5-9", "bytes=-500"] {
            assert_eq!(Range::read(text).map(|range| range.to_string()).as_deref(), Some(text));
        }
        for text in ["bytes 0-9/100", "bytes 5-5/*"] {
            assert_eq!(ContentRange::read(text).map(|range| range.to_string()).as_deref(), Some(text));
        }
        for other in ["bytes=0-1,5-6", "items=0-", "bytes=", "bytes=-", "bytes=a-", "5-9"] {
            assert_eq!(Range::read(other), None, "{other}");
        }
        for other in ["bytes */100", "bytes 0-9", "items 0-9/100", "bytes=0-9/100"] {
            assert_eq!(ContentRange::read(other), None, "{other}");
        }
    }
}
