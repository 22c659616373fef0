//! The protocol lint: what is wrong with one answer to a request for media, by the rules browsers rely on.
//!
//! Judged is what the client was sent, after any fault of ours: that is what the browser had to make do with.

use super::{Exchange, octets};
use crate::fault::{ContentRange, Range, Resource};
use crate::table::Row;
use serde::Serialize;
use std::collections::BTreeMap;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A rule is broken, or a browser is known to fail on it.
    Violation,
    /// It is allowed, and will cost someone a day.
    Advice,
}

impl Severity {
    /// As events and reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Violation => "violation",
            Self::Advice => "advice",
        }
    }
}

/// A rule of the lint.
#[derive(Debug)]
pub struct Rule {
    name: &'static str,
    about: &'static str,
    /// Who says so.
    pub source: &'static str,
    /// How bad it is.
    pub severity: Severity,
}

impl Row for Rule {
    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        self.about
    }
}

macro_rules! rules {
    ($($id:ident: $name:literal, $about:literal, $source:literal, $severity:ident;)*) => {
        $(#[doc = $about] pub static $id: Rule =
            Rule { name: $name, about: $about, source: $source, severity: Severity::$severity };)*
        /// Every rule.
        pub static RULES: &[&Rule] = &[$(&$id),*];
    };
}

rules! {
    CONTENT_RANGE_MISSING: "content_range_missing", "a 206 without Content-Range: no reader can tell which part it is",
        "RFC 9110, 15.3.7.1", Violation;
    CONTENT_RANGE_INVALID: "content_range_invalid", "a Content-Range that is malformed, ends before it starts, or ends past its total",
        "RFC 9110, 14.4", Violation;
    CONTENT_RANGE_ELSEWHERE: "content_range_elsewhere", "a 206 of another part than the one asked for",
        "RFC 9110, 14.4 and 15.3.7", Violation;
    PARTIAL_UNASKED: "partial_unasked", "a 206 to a request without Range",
        "RFC 9110, 15.3.7", Violation;
    RANGE_IGNORED: "range_ignored", "a 200 to a range from the first octet: the file plays, seeking may not",
        "RFC 9110, 14.2", Advice;
    LATER_RANGE_IGNORED: "later_range_ignored", "a 200 to a later range: the file comes from its beginning again",
        "RFC 9110, 14.2 allows it; HTML, 4.8.11.5 needs ranges to seek", Violation;
    LENGTH_DIFFERS: "length_differs", "a Content-Length that is not as long as the part Content-Range names",
        "RFC 9110, 8.6 and 14.4", Violation;
    TRUNCATED: "truncated", "the connection ended before the body did",
        "RFC 9112, 8", Violation;
    TOO_LONG: "too_long", "more octets than the head promised",
        "RFC 9112, 6.3", Violation;
    UNFRAMED: "unframed", "a head, or chunks, that no reader can tell the end of",
        "RFC 9112, 2.1, 6.3 and 7.1", Violation;
    UNSATISFIABLE_WRONGLY: "unsatisfiable_wrongly", "a 416 for a range that lies within the file",
        "RFC 9110, 15.5.17", Violation;
    UNSATISFIABLE_UNLABELLED: "unsatisfiable_unlabelled", "a 416 without `Content-Range: bytes */length`",
        "RFC 9110, 15.5.17", Advice;
    MULTIPART_UNASKED: "multipart_unasked", "several parts in answer to a single range",
        "RFC 9110, 15.3.7.2", Violation;
    PART_EMPTY: "part_empty", "a 206 without an octet: no range is empty",
        "RFC 9110, 14.1.1 and 15.3.7", Violation;
    TOTAL_CHANGED: "total_changed", "the file's length changed between two answers",
        "RFC 9110, 15.3.7.3: parts of different files cannot be joined", Violation;
    VALIDATOR_CHANGED: "validator_changed", "ETag or Last-Modified changed between two answers",
        "RFC 9110, 8.8.1 and 15.3.7.3", Violation;
    CORS_MISSING: "cors_missing", "an answer from another origin that does not allow the page's",
        "Fetch, 4.10 (CORS check)", Violation;
    WRONG_TYPE: "wrong_type", "HTML, JSON or text where media was asked for",
        "RFC 9110, 8.3; HTML, 4.8.11.3", Violation;
    TYPE_UNKNOWN: "type_unknown", "media as application/octet-stream, or without a type: readers must guess",
        "RFC 9110, 8.3; MIME Sniffing, 6.2", Advice;
    CONTENT_ENCODED: "content_encoded", "a Content-Encoding on media: ranges are then those of the encoded octets",
        "RFC 9110, 8.4 and 14; Chromium refuses it", Violation;
}

/// A rule that an exchange breaks.
#[derive(Clone, Debug)]
pub struct Found {
    /// The rule.
    pub rule: &'static Rule,
    /// What was seen, in a sentence.
    pub says: String,
}

impl Found {
    fn new(rule: &'static Rule, says: impl Into<String>) -> Self {
        Self { rule, says: says.into() }
    }

    /// Whether it is more than advice.
    pub fn violates(&self) -> bool {
        self.rule.severity == Severity::Violation
    }
}

/// Files remembered at most: a query that is a new one each time would make them without end.
const KEPT: usize = 2048;

/// What was last told of a file.
#[derive(Clone, Debug, Default)]
struct Known {
    total: Option<u64>,
    etag: Option<String>,
    modified: Option<String>,
}

/// The lint over a play: answers are also held against earlier ones of the same file.
#[derive(Clone, Debug, Default)]
pub struct Lint(BTreeMap<String, Known>);

impl Lint {
    /// What is wrong with this exchange.
    pub fn feed(&mut self, x: &Exchange) -> Vec<Found> {
        let mut found = alone(x);
        // A preflight brings no file, and a playlist may grow at each reload.
        if x.is_preflight() || x.is_playlist() {
            return found;
        }
        let (leg, url, query) = x.file();
        let file = format!("{leg} {url} {}", query.unwrap_or_default());
        if self.0.len() >= KEPT && !self.0.contains_key(&file) {
            self.0.clear();
        }
        let known = self.0.entry(file).or_default();
        if x.status == Some(416)
            && let (Some(Range::From(first, _)), Some(total)) = (x.asked(), x.unsatisfied_total().or(known.total))
            && first < total
        {
            let says = format!("416 for {}, of {} octets", x.range_text(), octets(total));
            found.push(Found::new(&UNSATISFIABLE_WRONGLY, says));
        }
        if !matches!(x.status, Some(200 | 206)) {
            return found;
        }
        let total = match (x.status, x.part()) {
            (Some(206), part) => part.and_then(|p| p.total),
            _ if x.content_encoding.is_none() && x.method != "HEAD" => x.promised,
            _ => None,
        };
        if let (Some(before), Some(now)) = (known.total, total)
            && before != now
        {
            let says = format!("{} octets in all, {} before", octets(now), octets(before));
            found.push(Found::new(&TOTAL_CHANGED, says));
        }
        for (name, before, now) in
            [("ETag", &known.etag, &x.etag), ("Last-Modified", &known.modified, &x.last_modified)]
        {
            if let (Some(before), Some(now)) = (before, now)
                && before != now
            {
                found.push(Found::new(&VALIDATOR_CHANGED, format!("{name} {now}, {before} before")));
                break;
            }
        }
        known.total = total.or(known.total);
        known.etag = x.etag.clone().or(known.etag.take());
        known.modified = x.last_modified.clone().or(known.modified.take());
        found
    }
}

/// What is wrong with an exchange by itself.
pub fn alone(x: &Exchange) -> Vec<Found> {
    let mut found = Vec::new();
    if let Some(what) = &x.unframed {
        found.push(Found::new(&UNFRAMED, what.clone()));
    }
    let Some(status) = x.status else { return found };
    if !x.is_preflight() {
        media(x, status, &mut found);
    }
    // A redirect is checked as well; an error page without CORS fields is no news: it is the status that refused. Of a
    // copy that a 304 confirms, its own fields count (Fetch, 4.6).
    if matches!(status, 200..400)
        && !x.is_copy_confirmed()
        && let Some(origin) = x.cross_origin()
    {
        match x.acao.as_deref().map(str::trim) {
            Some("*") => {}
            Some(allowed) if allowed == origin => {}
            None => {
                let says = format!("{status} without Access-Control-Allow-Origin, to {origin}");
                found.push(Found::new(&CORS_MISSING, says));
            }
            Some(other) => {
                let says = format!("Access-Control-Allow-Origin: {other}, to {origin}");
                found.push(Found::new(&CORS_MISSING, says));
            }
        }
    }
    found
}

/// Head and body of an answer that should bring media.
fn media(x: &Exchange, status: u16, found: &mut Vec<Found>) {
    match status {
        206 => partial(x, found),
        200 => ignored(x, found),
        416 if x.unsatisfied_total().is_none() => {
            let said = x.content_range.as_deref().map_or("no Content-Range".to_owned(), |v| format!("`{v}`"));
            found.push(Found::new(&UNSATISFIABLE_UNLABELLED, format!("416 with {said}")));
        }
        _ => {}
    }
    length(x, found);
    if matches!(status, 200 | 206) {
        kind(x, found);
    }
}

/// A 206 and the part it says it is.
fn partial(x: &Exchange, found: &mut Vec<Found>) {
    if x.range.is_none() {
        found.push(Found::new(&PARTIAL_UNASKED, "206, and no Range was asked for"));
    }
    if x.is_multipart() {
        if x.asked().is_some() {
            found.push(Found::new(&MULTIPART_UNASKED, format!("multipart/byteranges to {}", x.range_text())));
        }
        return;
    }
    // Whatever it promised: a part that was to come and never did is a truncated one.
    if x.promised == Some(0) {
        found.push(Found::new(&PART_EMPTY, format!("206 without an octet to {}", x.range_text())));
    }
    let Some(text) = &x.content_range else {
        found.push(Found::new(&CONTENT_RANGE_MISSING, format!("206 without Content-Range to {}", x.range_text())));
        return;
    };
    let Some(part) = x.part() else {
        found.push(Found::new(&CONTENT_RANGE_INVALID, format!("Content-Range: {text} says nothing")));
        return;
    };
    if part.last < part.first || part.total.is_some_and(|total| part.last >= total) {
        found.push(Found::new(&CONTENT_RANGE_INVALID, format!("Content-Range: {text} cannot be")));
        return;
    }
    let right = match x.asked() {
        None => true,
        // It may end sooner, never start elsewhere; nor end later than asked.
        Some(Range::From(first, last)) => part.first == first && last.is_none_or(|last| part.last <= last),
        Some(Range::Last(n)) => part.total.is_none_or(|total| part.first == total.saturating_sub(n)),
    };
    if !right {
        found.push(Found::new(&CONTENT_RANGE_ELSEWHERE, format!("Content-Range: {text} to {}", x.range_text())));
    }
    let span = (part.last - part.first).checked_add(1);
    if let Some(length) = x.promised
        && x.content_encoding.is_none()
        && span != Some(length)
    {
        found.push(Found::new(&LENGTH_DIFFERS, format!("Content-Length {}, Content-Range {text}", octets(length))));
    }
}

/// A 200 where a part was asked for.
fn ignored(x: &Exchange, found: &mut Vec<Found>) {
    let asked = format!("200 to {}", x.range_text());
    match x.asked() {
        Some(Range::From(0, _)) => found.push(Found::new(&RANGE_IGNORED, asked)),
        // With If-Range it is the right answer, if the file is another by now.
        Some(_) if !x.if_range => found.push(Found::new(&LATER_RANGE_IGNORED, asked)),
        _ => {}
    }
}

/// The body against the head.
fn length(x: &Exchange, found: &mut Vec<Found>) {
    if x.is_bodiless() {
        return;
    }
    if let Some(how) = x.broke_off() {
        let within = if x.promised.is_none() { " within the body" } else { "" };
        found.push(Found::new(&TRUNCATED, format!("{} came, then {how}{within}", x.came())));
    }
    if let Some(promised) = x.promised
        && x.sent > promised
    {
        found
            .push(Found::new(&TOO_LONG, format!("{} octets where {} were promised", octets(x.sent), octets(promised))));
    }
}

/// Type and coding.
fn kind(x: &Exchange, found: &mut Vec<Found>) {
    // Scripts fetch playlists and segments, and Fetch decodes what they get.
    let decoded = x.is_playlist() || x.resource == Some(Resource::Segment);
    if let Some(coding) = x.content_encoding.as_deref().filter(|c| !decoded && !c.eq_ignore_ascii_case("identity")) {
        found.push(Found::new(&CONTENT_ENCODED, format!("Content-Encoding: {coding}")));
    }
    if !matches!(x.resource, Some(Resource::Media | Resource::Segment)) || x.is_multipart() {
        return;
    }
    let named = x.content_type.as_deref().unwrap_or_default();
    match named.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "" => found.push(Found::new(&TYPE_UNKNOWN, "no Content-Type")),
        "application/octet-stream" | "binary/octet-stream" => {
            found.push(Found::new(&TYPE_UNKNOWN, format!("Content-Type: {named}")));
        }
        // Captions are text, and are asked for beside segments.
        "text/vtt" => {}
        other if other.starts_with("text/") || other.ends_with("json") || other.ends_with("html+xml") => {
            found.push(Found::new(&WRONG_TYPE, format!("Content-Type: {named}")));
        }
        _ => {}
    }
}

impl Exchange {
    /// The one range asked for.
    pub fn asked(&self) -> Option<Range> {
        self.range.as_deref().and_then(Range::read)
    }

    /// The part that the answer says it is.
    pub fn part(&self) -> Option<ContentRange> {
        self.content_range.as_deref().and_then(ContentRange::read)
    }

    fn range_text(&self) -> &str {
        self.range.as_deref().unwrap_or("no range")
    }

    fn unsatisfied_total(&self) -> Option<u64> {
        self.content_range.as_deref()?.trim().strip_prefix("bytes */")?.parse().ok()
    }

    fn is_multipart(&self) -> bool {
        self.content_type.as_deref().is_some_and(|t| t.to_ascii_lowercase().starts_with("multipart/byteranges"))
    }
}
