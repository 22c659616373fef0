//! A log of the app's own media proxy, line by line, each by its own stamp. Known lines, in any mixture:
//!
//! | line | time | status |
//! |---|---|---|
//! | Common or Combined Log Format (nginx, Apache, Caddy) | `[22/Nov/2026:19:47:03 +0100]` | after the request |
//! | JSON | a field of [`TIMES`], RFC 3339 or seconds or milliseconds since 1970 | `status` at any depth, or else a field of [`STATUSES`] |
//! | nginx's error log | `2026/11/22 19:47:03`, in the zone that is given | |
//! | any other that begins with a time | RFC 3339 | |
//!
//! Rotated files are given too, be they compressed. A line that two files have is one line.

use super::span::{Heard, Place, Span, Tally};
use super::{Abort, Get, Lacking, Told};
use crate::error::{Error, Operator, Result};
use crate::stats::spike::FEWEST;
use flate2::bufread::MultiGzDecoder;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;

/// Names under which JSON lines have their time, here or one object further in, and their status, at any depth.
const TIMES: [&str; 8] = ["time", "timestamp", "@timestamp", "ts", "time_iso8601", "msec", "date", "datetime"];
const STATUSES: [&[&str]; 2] = [&["status"], &["status_code", "statusCode", "code"]];
/// A line may have so many octets.
const LONGEST: u64 = 64 << 10;
/// Of a hundred lines so many may be unreadable: the aborts may be on those.
const UNREADABLE: u64 = 1;
/// Clocks differ by so much, milliseconds: a line of later has a wrong time, and so have the others.
const AHEAD: i64 = 5 * 60 * 1000;
/// All files of a log together, unpacked.
const MOST: u64 = 4 << 30;

/// A log, as a file names it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Its files, rotated ones too: paths, or URLs.
    pub files: Vec<String>,
    /// What a line holds that is a response of the media proxy; of an access line, its request must.
    pub response: Option<String>,
    /// What a line holds that tells of an idle-timeout abort.
    pub idle: Option<String>,
    /// `false`: no such line was ever written, and its absence is to be believed. Else one must be in the time asked about.
    #[serde(default = "yes")]
    pub idle_seen: bool,
    /// The time zone of stamps that name none; UTC if it is not said.
    #[serde(default, deserialize_with = "zone")]
    pub zone: Option<TimeZone>,
}

fn yes() -> bool {
    true
}

fn zone<'de, D: Deserializer<'de>>(from: D) -> Result<Option<TimeZone>, D::Error> {
    let name = String::deserialize(from)?;
    let unknown = |_| serde::de::Error::custom(format!("`{name}` is no time zone: write a name such as Europe/Berlin"));
    TimeZone::get(&name).map(Some).map_err(unknown)
}

/// What a line says.
struct Line<'l> {
    ms: i64,
    status: Option<u16>,
    /// It names two: which is the response's, nobody can tell.
    unclear: bool,
    /// Where a response is looked for.
    request: &'l str,
}

impl Log {
    /// Reads it.
    pub fn ask(&self, span: &Span, get: Get<'_>) -> Result<Told> {
        let mut reading = Reading::new(self, span);
        for name in &self.files {
            let from: Box<dyn BufRead> = match name.starts_with("http://") || name.starts_with("https://") {
                true => Box::new(Cursor::new(get(name).map_err(Error::operator)?)),
                false => Box::new(BufReader::new(open(name)?)),
            };
            reading.file(name, from)?;
        }
        reading.told()
    }
}

fn open(name: &str) -> Result<File> {
    let path = Path::new(name);
    // A pipe would be waited for without end.
    if path.exists() && !path.is_file() {
        return Err(Error::operator(format!("{name}: no regular file")).remedy("give the log's files, one by one"));
    }
    File::open(path).map_err(|e| Error::operator(format!("{name}: {e}")).remedy("give a file that this user may read"))
}

/// A log under way.
struct Reading<'l> {
    log: &'l Log,
    span: &'l Span,
    zone: TimeZone,
    too_large: Tally<'l>,
    idle: Tally<'l>,
    heard: Heard<'l>,
    octets: u64,
    files: u32,
    lines: u64,
    unreadable: u64,
    /// Of those, what a response or an abort holds.
    telling: u64,
    first_unreadable: Option<String>,
    later: u64,
    ahead: u64,
    now: i64,
    twice: u64,
    responses: u64,
    idles: u64,
    oldest: Option<i64>,
    newest: Option<i64>,
    /// Lines that count, by their hash: the last file that has it, how often that does, and how often one file did at most.
    seen: HashMap<u64, (u32, u32, u32)>,
}

impl<'l> Reading<'l> {
    fn new(log: &'l Log, span: &'l Span) -> Self {
        Self {
            log,
            span,
            zone: log.zone.clone().unwrap_or(TimeZone::UTC),
            too_large: Tally::new(span),
            idle: Tally::new(span),
            heard: Heard::new(span),
            octets: 0,
            files: 0,
            lines: 0,
            unreadable: 0,
            telling: 0,
            first_unreadable: None,
            later: 0,
            ahead: 0,
            now: Timestamp::now().as_millisecond().max(span.until()),
            twice: 0,
            responses: 0,
            idles: 0,
            oldest: None,
            newest: None,
            seen: HashMap::new(),
        }
    }

    fn file(&mut self, name: &str, mut from: Box<dyn BufRead>) -> Result<()> {
        let packed = from.fill_buf().operator(name)?.starts_with(&[0x1f, 0x8b]);
        let mut from: Box<dyn BufRead> =
            if packed { Box::new(BufReader::new(MultiGzDecoder::new(from))) } else { from };
        self.files += 1;
        let (mut line, mut number) = (Vec::new(), 0_u64);
        loop {
            line.clear();
            let n = from.by_ref().take(LONGEST).read_until(b'\n', &mut line).map_err(|e| {
                Error::operator(format!("{name}: {e} after line {number}")).remedy("give the whole file")
            })?;
            if n == 0 {
                return Ok(());
            }
            number += 1;
            self.octets += n as u64;
            if self.octets > MOST {
                return Err(Error::operator(format!("{name}: more than {} GiB of log", MOST >> 30))
                    .remedy("give the files of the days that matter"));
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            self.lines += 1;
            if !self.line(text) {
                self.unreadable += 1;
                let holds = |wanted: &Option<String>| wanted.as_ref().is_some_and(|w| text.contains(w.as_str()));
                self.telling += u64::from(holds(&self.log.response) || holds(&self.log.idle));
                self.first_unreadable.get_or_insert_with(|| format!("{name}:{number}"));
            }
        }
    }

    /// Takes a line; `false`: nobody can tell when it was, or what.
    fn line(&mut self, text: &str) -> bool {
        let Some(line) = read(text, &self.zone) else { return false };
        let place = self.span.place(line.ms);
        if place == Place::Later {
            self.later += 1;
            self.ahead += u64::from(line.ms > self.now + AHEAD);
            return true;
        }
        self.heard.add(line.ms);
        self.oldest = Some(self.oldest.map_or(line.ms, |oldest| oldest.min(line.ms)));
        self.newest = Some(self.newest.map_or(line.ms, |newest| newest.max(line.ms)));
        let holds = |wanted: &Option<String>, text: &str| wanted.as_ref().is_some_and(|w| text.contains(w.as_str()));
        if line.unclear && holds(&self.log.response, line.request) {
            return false;
        }
        let response = line.status.is_some() && holds(&self.log.response, line.request);
        let idle = holds(&self.log.idle, text);
        if !(response || idle) || (place != Place::Elsewhere && self.is_known(text)) {
            return true;
        }
        self.responses += u64::from(response);
        self.idles += u64::from(idle);
        let one = |yes: bool| if yes { 1.0 } else { 0.0 };
        self.too_large.add(line.ms, one(response && line.status == Some(413)), one(response));
        self.idle.add(line.ms, one(idle), one(response));
        true
    }

    /// Whether another file had this line as often already.
    fn is_known(&mut self, text: &str) -> bool {
        if self.log.files.len() < 2 {
            return false;
        }
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let (file, here, most) = self.seen.entry(hasher.finish()).or_insert((self.files, 0, 0));
        if *file != self.files {
            (*file, *here) = (self.files, 0);
        }
        *here += 1;
        let known = *here <= *most;
        *most = (*most).max(*here);
        self.twice += u64::from(known);
        known
    }

    fn told(self) -> Result<Told> {
        let Self { log, lines, unreadable, telling, later, twice, .. } = self;
        let names = log.files.join(", ");
        let (Some(oldest), Some(newest)) = (self.oldest, self.newest) else {
            let why = match lines {
                0 => "there is no line in it",
                _ if later > 0 => "all of its lines are of later",
                _ => "no line of it has a time: it is no log of a known kind",
            };
            return Err(Error::operator(format!("{names}: {why}")).remedy("give the media proxy's own log"));
        };
        if unreadable > lines / 2 {
            let first = self.first_unreadable.unwrap_or_default();
            return Err(Error::operator(format!(
                "{names}: {unreadable} of {lines} lines cannot be read, {first} first"
            ))
            .remedy("give the media proxy's own log"));
        }
        let mut notes = Vec::new();
        let mut note = |wanted: bool, text: String| notes.extend(wanted.then_some(text));
        let first = self.first_unreadable.unwrap_or_default();
        note(unreadable > 0, format!("{unreadable} of {lines} lines cannot be read and were left out, {first} first"));
        note(later > 0, format!("{later} lines are stamped later than the end and were left out"));
        note(twice > 0, format!("{twice} lines are in two files and were counted once"));
        if let Some(wanted) = log.response.as_ref().filter(|_| self.responses == 0) {
            note(true, format!("no line is a response: none with a status holds `{wanted}`"));
        }
        let mut lacks = Vec::new();
        let mut lack = |wanted: bool, what: String, todo| {
            lacks.extend(wanted.then_some(Lacking { abort: None, what, todo }));
        };
        let unread = format!("{unreadable} of {lines} lines cannot be read");
        let many = unreadable > lines * UNREADABLE / 100 || telling >= FEWEST;
        lack(many, unread, "give the media proxy's own log, in a known format");
        let ahead = self.ahead;
        lack(ahead > 0, format!("{ahead} lines are stamped later than now"), "set `zone`, or the clocks, right");
        if let Some(wanted) = log.idle.as_ref().filter(|_| self.idles == 0) {
            let what = format!("no line in all of it holds `{wanted}`");
            match log.idle_seen {
                true => lacks.push(Lacking {
                    abort: Some(Abort::Idle),
                    what,
                    todo: "see that this is how it tells of an idle timeout; if there never was one, write idle_seen = false",
                }),
                false => note(true, what),
            }
        }
        let (of, covers) = (log.response.is_some(), (oldest, newest));
        let mut counts = Vec::new();
        if log.response.is_some() {
            counts.push((Abort::TooLarge, self.too_large.counts(of, covers)));
        }
        if log.idle.is_some() {
            counts.push((Abort::Idle, self.idle.counts(of, covers)));
        }
        Ok(Told { counts, newest: Some(newest), notes, lacks, covers: Some(self.heard.covers()) })
    }
}

/// Reads a line of any kind; `None`: it does not say when it was.
fn read<'l>(text: &'l str, zone: &TimeZone) -> Option<Line<'l>> {
    if text.starts_with('{') {
        return json(text);
    }
    access(text).or_else(|| plain(text, zone))
}

fn json(text: &str) -> Option<Line<'_>> {
    let line: Value = serde_json::from_str(text).ok()?;
    let ms = field(&line, &TIMES, moment)?;
    let mut found = BTreeSet::new();
    for names in STATUSES {
        if found.is_empty() {
            statuses(&line, names, &mut found);
        }
    }
    let status = found.first().copied().filter(|_| found.len() == 1);
    Some(Line { ms, status, unclear: found.len() > 1, request: text })
}

/// All that is a status under these names, at any depth.
fn statuses(value: &Value, names: &[&str], found: &mut BTreeSet<u16>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(name, own)| {
            let number = own.as_u64().or_else(|| own.as_str()?.parse().ok()).filter(|_| names.contains(&name.as_str()));
            found.extend(number.and_then(|n| u16::try_from(n).ok()).filter(|status| (100..600).contains(status)));
            statuses(own, names, found);
        }),
        Value::Array(all) => all.iter().for_each(|own| statuses(own, names, found)),
        _ => {}
    }
}

/// The first field of these names that can be read, here or one object further in.
fn field<T>(line: &Value, names: &[&str], read: impl Fn(&Value) -> Option<T>) -> Option<T> {
    let of = |object: &Value| names.iter().find_map(|name| read(object.get(name)?));
    of(line).or_else(|| line.as_object()?.values().filter(|v| v.is_object()).find_map(of))
}

/// A moment in JSON, milliseconds since 1970.
fn moment(value: &Value) -> Option<i64> {
    if let Some(text) = value.as_str()
        && let Ok(moment) = text.parse::<Timestamp>()
    {
        return Some(moment.as_millisecond());
    }
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    // Seconds, milliseconds, microseconds or nanoseconds: of our time, each is a thousand times the one before.
    let ms = [1e3, 1.0, 1e-3, 1e-6].into_iter().map(|times| number * times).find(|ms| (1e11..1e13).contains(ms))?;
    Some(ms as i64)
}

/// Common or Combined Log Format.
fn access(text: &str) -> Option<Line<'_>> {
    let (_, rest) = text.split_once(" [")?;
    let (stamp, rest) = rest.split_once(']')?;
    let ms = strtime::parse("%d/%b/%Y:%H:%M:%S %z", stamp).ok()?.to_timestamp().ok()?.as_millisecond();
    let rest = rest.trim_start().strip_prefix('"').unwrap_or_default();
    // A quote within the request is escaped by some servers only: its end is where a status follows, and best one that is
    // not escaped.
    let status = |after: &str| {
        let digits = after.get(..3).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
        after[3..]
            .starts_with([' ', '\n'])
            .then(|| digits.parse().ok())
            .or_else(|| (after.len() == 3).then(|| digits.parse().ok()))?
    };
    let escaped = |at: usize| rest[..at].bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1;
    let ends = || rest.match_indices("\" ").filter_map(|(at, quote)| Some((at, status(&rest[at + quote.len()..])?)));
    let end = ends().find(|(at, _)| !escaped(*at)).or_else(|| ends().next());
    Some(match end {
        Some((at, status)) => Line { ms, status: Some(status), unclear: false, request: &rest[..at] },
        None => Line { ms, status: None, unclear: false, request: "" },
    })
}

/// nginx's error log, and whatever begins with a time.
fn plain<'l>(text: &'l str, zone: &TimeZone) -> Option<Line<'l>> {
    let own = text.get(..19).and_then(|stamp| DateTime::strptime("%Y/%m/%d %H:%M:%S", stamp).ok());
    let moment = match own {
        Some(own) => own.to_zoned(zone.clone()).ok()?.timestamp(),
        None => text.split_whitespace().next()?.parse().ok()?,
    };
    Some(Line { ms: moment.as_millisecond(), status: None, unclear: false, request: "" })
}
