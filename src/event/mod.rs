//! Floor 0. The event: one JSON object a line, the only thing a run leaves that everything else is folded from.
//!
//! Envelope: `v`, `event`, `source`, `timestamp` (RFC 3339, UTC, ms), `t_ms` (one monotonic clock for the whole run),
//! `seq`, `run_id`, `trace_id`, `span_id`, `session_id`, `room_id`, `user_id`, `preset_id`, `media_url_hash`,
//! `browser`, `platform`, `journey`, `step`; then the event's own fields; last `crc`, eight hex digits of CRC32C over
//! the line's bytes from `{` up to the comma before it. An id that is not known is `null`, never missing.

mod fields;
mod log;

pub use fields::{Field, Fields, Parts, Texts, Thousandths, Word};
pub use log::{Log, Tap};

use crate::error::{Error, Operator, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The envelope's version.
pub const VERSION: u8 = 1;

/// Who saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Soundcheck itself, from outside the page.
    Monitor,
    /// The probe in the page, or the browser through BiDi.
    Browser,
    /// Our proxy.
    Proxy,
    /// The app under test, by its own telemetry.
    App,
}

impl Origin {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Monitor => "monitor",
            Origin::Browser => "browser",
            Origin::Proxy => "proxy",
            Origin::App => "app",
        }
    }
}

/// One event. `source` is who saw it; the ids are what the play knew when it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Version of the envelope.
    pub v: u8,
    /// The playbook's name for it, or one of ours in the same style.
    pub event: String,
    /// Who saw it.
    pub source: Origin,
    /// RFC 3339 in UTC with milliseconds: the run's start on the wall clock plus `t_ms`, so a stepped clock cannot
    /// reorder a run.
    pub timestamp: String,
    /// Milliseconds since the run's start on the monotonic clock.
    pub t_ms: f64,
    /// Order of writing within the run.
    pub seq: u64,
    /// Who, where, in which play and step.
    #[serde(flatten)]
    pub ids: Ids,
    /// The event's own fields.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// The ids every event carries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ids {
    /// The run.
    pub run_id: String,
    /// 16 bytes in hex: the play, as a W3C trace.
    pub trace_id: Option<String>,
    /// 8 bytes in hex: the step; before the first of them, and of the play's own beginning and end, the play.
    pub span_id: Option<String>,
    /// The play's browser session.
    pub session_id: Option<String>,
    /// The room the viewer is in, as the app file says where to read it.
    pub room_id: Option<String>,
    /// The viewer, if signed in.
    pub user_id: Option<String>,
    /// The preset shown.
    pub preset_id: Option<String>,
    /// First 16 hex digits of the SHA-256 of the media URL without its query.
    pub media_url_hash: Option<String>,
    /// `chromium` or `firefox`.
    pub browser: Option<String>,
    /// Operating system of the browser.
    pub platform: Option<String>,
    /// The journey's name.
    pub journey: Option<String>,
    /// The step's words.
    pub step: Option<String>,
}

/// What goes on now: the ids of the play and the step under way. The run writes it; proxy and probe read it.
#[derive(Clone, Debug, Default)]
pub struct Now(Arc<Mutex<Arc<Ids>>>);

impl Now {
    /// Says what goes on from here.
    pub fn set(&self, ids: &Ids) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(ids.clone());
    }

    /// What goes on.
    pub fn get(&self) -> Ids {
        Ids::clone(&self.share())
    }

    /// What goes on, without copying it: for every request, say.
    pub fn share(&self) -> Arc<Ids> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// First 16 hex digits of the SHA-256 of a URL without its query and fragment: `media_url_hash`.
pub fn url_hash(url: &str) -> String {
    short_hash(url.split(['?', '#']).next().unwrap_or_default())
}

/// First 16 hex digits of the SHA-256 of a query: `query_hash`. All of it counts: a query that holds a URL has a `?` of
/// its own.
pub fn query_hash(query: &str) -> String {
    short_hash(query)
}

fn short_hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(8).map(|b| format!("{b:02x}")).collect()
}

impl Event {
    /// A field of the event's own as a number.
    pub fn number(&self, field: &str) -> Option<f64> {
        self.fields.get(field).and_then(Value::as_f64)
    }

    /// A field of the event's own as text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str)
    }

    /// A field of the event's own as yes or no.
    pub fn flag(&self, field: &str) -> bool {
        self.fields.get(field).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The line as it is written, newline included.
    pub fn line(&self) -> String {
        // Strings, numbers and maps only: nothing here can fail to serialise.
        seal(&serde_json::to_string(self).unwrap_or_default())
    }

    /// Reads a line; the check sum is compared with the raw bytes first.
    pub fn read(line: &str) -> Result<Self, String> {
        let body = checked(line)?;
        serde_json::from_str(&format!("{body}}}")).map_err(|e| e.to_string())
    }
}

/// Ends an object's text with its check sum.
fn seal(object: &str) -> String {
    let mut body = object.strip_suffix('}').unwrap_or(object).as_bytes().to_vec();
    seal_open(&mut body);
    String::from_utf8(body).unwrap_or_default() // it was text, and stays one
}

/// The same for an object whose end is not written yet.
fn seal_open(body: &mut Vec<u8>) {
    let crc = crc32c::crc32c(body);
    body.extend_from_slice(br#","crc":""#);
    // Without `format!`: thousands of times a second.
    body.extend((0..8).rev().map(|digit| b"0123456789abcdef"[(crc >> (digit * 4)) as usize & 15]));
    body.extend_from_slice(b"\"}\n");
}

/// JSON of what cannot fail to be JSON.
fn json_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Adds JSON to a text. Strings, numbers and maps only: nothing here can fail to serialise, nor writing to memory.
fn add_json(text: &mut Vec<u8>, value: &impl Serialize) {
    let _ = serde_json::to_writer(text, value);
}

/// An object's text without its braces.
fn bare(object: &str) -> &str {
    object.strip_prefix('{').and_then(|o| o.strip_suffix('}')).unwrap_or_default()
}

fn checked(line: &str) -> Result<&str, String> {
    const TAIL: usize = r#","crc":"00000000"}"#.len();
    let line = line.trim_end_matches('\n');
    let cut = line.len().checked_sub(TAIL).filter(|c| line.is_char_boundary(*c)).ok_or("no check sum")?;
    let (body, tail) = line.split_at(cut);
    let crc = tail.strip_prefix(r#","crc":""#).and_then(|t| t.strip_suffix(r#""}"#)).ok_or("no check sum")?;
    match crc == format!("{:08x}", crc32c::crc32c(body.as_bytes())) {
        true => Ok(body),
        false => Err(format!("the check sum {crc} does not fit the line")),
    }
}

/// Gives every line of hand-made events a fresh check sum (`soundcheck judge --reseal`).
pub fn reseal(text: &str) -> Result<String> {
    let mut sealed = String::new();
    for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let mut object: Map<String, Value> = serde_json::from_str(line)
            .map_err(|e| Error::author(format!("line {}: {e}", n + 1)).remedy("write one JSON object a line"))?;
        object.remove("crc");
        sealed.push_str(&seal(&Value::Object(object).to_string()));
    }
    Ok(sealed)
}

/// Reads a log one event at a time, in the order written. A torn last line is left out; anything else that does not
/// check is an error with its line number.
pub fn read(path: &Path) -> Result<impl Iterator<Item = Result<Event>> + use<>> {
    let name = path.display().to_string();
    let file = File::open(path)
        .map_err(|e| Error::author(format!("{name}: {e}")).remedy("give a run's folder, or its events.jsonl"))?;
    let mut reader = BufReader::new(file);
    let mut number = 0;
    Ok(std::iter::from_fn(move || {
        let mut bytes = Vec::new();
        match reader.read_until(b'\n', &mut bytes) {
            Ok(0) => return None,
            Ok(_) if bytes.last() != Some(&b'\n') => return None, // torn: the writer died within this line
            Ok(_) => number += 1,
            Err(e) => return Some(Err(Error::operator(format!("{name}: {e}")))),
        }
        let event = std::str::from_utf8(&bytes).map_err(|e| e.to_string()).and_then(Event::read);
        Some(event.map_err(|e| {
            Error::author(format!("{name}: line {number}: {e}"))
                .remedy("restore the file; after editing by hand: soundcheck judge --reseal")
        }))
    }))
}

/// Reads again what was written from this octet on: the events whose line is `wanted`. A line that the octet lies in is
/// left out, as is a torn one.
pub fn read_since(path: &Path, octet: u64, wanted: impl Fn(&str) -> bool) -> Result<Vec<Event>> {
    let doing = format!("reading {}", path.display());
    let mut reader = BufReader::new(File::open(path).operator(&doing)?);
    reader.seek(SeekFrom::Start(octet)).operator(&doing)?;
    let mut line = String::new();
    if octet > 0 {
        reader.read_line(&mut line).operator(&doing)?;
    }
    let mut events = Vec::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).operator(&doing)? == 0 || !line.ends_with('\n') {
            return Ok(events);
        }
        if wanted(&line) {
            events.push(Event::read(&line).map_err(|e| Error::operator(format!("{doing}: {e}")))?);
        }
    }
}

/// Random bytes in hex: run, trace and span ids.
pub fn random_hex<const BYTES: usize>() -> String {
    let mut bytes = [0; BYTES];
    // Without the system's randomness an id could repeat; the clock and the process are the next best.
    if getrandom::fill(&mut bytes).is_err() {
        let now = jiff::Timestamp::now().as_nanosecond() as u128 ^ (u128::from(std::process::id()) << 64);
        bytes.iter_mut().zip(now.to_le_bytes().iter().cycle()).for_each(|(b, n)| *b = *n);
    }
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests;
