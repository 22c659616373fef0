//! Floor 0. The event: one JSON object a line, the only thing a run leaves that everything else is folded from.
//!
//! Envelope: `v`, `event`, `source`, `timestamp` (RFC 3339, UTC, ms), `t_ms` (one monotonic clock for the whole run),
//! `seq`, `run_id`, `trace_id`, `span_id`, `session_id`, `room_id`, `user_id`, `preset_id`, `media_url_hash`,
//! `browser`, `platform`, `journey`, `step`; then the event's own fields; last `crc`, eight hex digits of CRC32C over
//! the line's bytes from `{` up to the comma before it. An id that is not known is `null`, never missing.

use crate::error::{Error, Operator, Result};
use crate::secret::Secrets;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
    /// 8 bytes in hex: the step.
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
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    Sha256::digest(bare.as_bytes()).iter().take(8).map(|b| format!("{b:02x}")).collect()
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
    let mut body = object.strip_suffix('}').unwrap_or(object).to_owned();
    seal_open(&mut body);
    body
}

/// The same for an object whose end is not written yet.
fn seal_open(body: &mut String) {
    let crc = crc32c::crc32c(body.as_bytes());
    // Writing to memory cannot fail.
    let _ = writeln!(body, ",\"crc\":\"{crc:08x}\"}}");
}

/// JSON of what cannot fail to be JSON.
fn json_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// An object's text without its braces.
fn bare(object: &str) -> &str {
    object.strip_prefix('{').and_then(|o| o.strip_suffix('}')).unwrap_or_default()
}

impl Same {
    /// The text of a time, without the fraction of its second.
    fn second(&mut self, second: i64) -> &str {
        if self.second.0 != second || self.second.1.is_empty() {
            let text = jiff::Timestamp::from_second(second).unwrap_or_default().to_string();
            self.second = (second, text.trim_end_matches('Z').to_owned());
        }
        &self.second.1
    }

    /// The texts of ids before and after their `media_url_hash`.
    fn ids(&mut self, ids: &Arc<Ids>, run_id: &str) -> (&str, &str) {
        const NONE: &str = r#""media_url_hash":null"#;
        if self.ids.as_ref().is_none_or(|(known, ..)| !Arc::ptr_eq(known, ids)) {
            let whole = Ids { run_id: run_id.to_owned(), media_url_hash: None, ..Ids::clone(ids) };
            let text = json_text(&whole);
            let text = bare(&text);
            let at = text.find(NONE).map_or(0, |at| at + NONE.len());
            let before = text[..at].trim_end_matches("null").to_owned();
            self.ids = Some((ids.clone(), before, text[at..].to_owned()));
        }
        self.ids.as_ref().map(|(_, before, after)| (before.as_str(), after.as_str())).unwrap_or_default()
    }
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

/// Events waiting for the disk, at most; past it an event is dropped and counted, and the play is *broken*.
const QUEUE: usize = 1 << 16;

/// The run's log and clock. Clones write to the same file.
#[derive(Clone)]
pub struct Log(Arc<Inner>);

struct Inner {
    run_id: String,
    start: Instant,
    wall: jiff::Timestamp,
    seq: AtomicU64,
    secrets: Secrets,
    /// Texts that many events in a row have in common.
    same: Mutex<Same>,
    queue: Arc<Queue>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.change(|waiting| waiting.closed = true);
    }
}

/// What waits for the disk.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// There is something, or it is closed.
    more: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    text: String,
    lines: usize,
    /// Who waits for all before to be durable.
    syncs: Vec<SyncSender<std::io::Result<()>>>,
    /// The writer sleeps.
    idle: bool,
    /// The disk failed: nothing is written any more.
    failed: bool,
    /// Nothing more will come.
    closed: bool,
}

impl Queue {
    fn change<T>(&self, change: impl FnOnce(&mut Waiting) -> T) -> T {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut waiting);
        if std::mem::take(&mut waiting.idle) {
            self.more.notify_one();
        }
        changed
    }

    /// Adds a line, unless there is no room.
    fn add(&self, line: &str) {
        let added = self.change(|waiting| {
            let fits = !waiting.failed && waiting.lines < QUEUE;
            if fits {
                waiting.text.push_str(line);
                waiting.lines += 1;
            }
            fits
        });
        if !added {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for something: moves it to `batch`, with the number of its lines and who waits. `None` at the end.
    fn take(&self, batch: &mut String) -> Option<(usize, Vec<SyncSender<std::io::Result<()>>>)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.text.is_empty() && waiting.syncs.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting.idle = true;
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut waiting.text, batch);
        Some((std::mem::take(&mut waiting.lines), std::mem::take(&mut waiting.syncs)))
    }
}

/// What one event after the other begins with and has in its middle: made once, not for each.
#[derive(Default)]
struct Same {
    /// A second since the epoch, and its text up to the point.
    second: (i64, String),
    /// Ids, and their texts before and after `media_url_hash`.
    ids: Option<(Arc<Ids>, String, String)>,
}

impl Log {
    /// Opens the log of a run for appending, repairing a torn tail, and starts its clock.
    pub fn open(path: &Path, run_id: &str, secrets: &Secrets) -> Result<Self> {
        let doing = format!("writing {}", path.display());
        let mut file = File::options().create(true).read(true).append(true).open(path).operator(&doing)?;
        repair(&mut file).operator(&doing)?;
        let queue = Arc::new(Queue::default());
        let lines = queue.clone();
        std::thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || write_all(&lines, file))
            .operator(&doing)?;
        Ok(Self(Arc::new(Inner {
            run_id: run_id.to_owned(),
            start: Instant::now(),
            wall: jiff::Timestamp::now(),
            seq: AtomicU64::new(0),
            secrets: secrets.clone(),
            same: Mutex::default(),
            queue,
        })))
    }

    /// Milliseconds since the run's start.
    pub fn now_ms(&self) -> f64 {
        self.0.start.elapsed().as_secs_f64() * 1000.0
    }

    /// The run's clock at a moment of the wall clock, given in milliseconds since the epoch.
    pub fn at_epoch_ms(&self, epoch_ms: f64) -> f64 {
        epoch_ms - self.0.wall.as_microsecond() as f64 / 1000.0
    }

    /// The run.
    pub fn run_id(&self) -> &str {
        &self.0.run_id
    }

    /// Events that did not fit the queue, or came after the disk failed.
    pub fn dropped(&self) -> u64 {
        self.0.queue.dropped.load(Ordering::Relaxed)
    }

    /// Writes an event of now, as [`Log::write`] does, with these ids and this `media_url_hash`: for one of a great many,
    /// in a fraction of the time. `fields` must serialise as an object that is not empty.
    pub fn tell(&self, event: &str, source: Origin, ids: &Arc<Ids>, hash: Option<&str>, fields: &impl Serialize) {
        let t_ms = (self.now_ms() * 1000.0).round() / 1000.0;
        thread_local! {
            static SCRATCH: std::cell::RefCell<(Vec<u8>, String)> = const { std::cell::RefCell::new((Vec::new(), String::new())) };
        }
        SCRATCH.with_borrow_mut(|(text, line)| {
            text.clear();
            // Strings, numbers and maps only: nothing here can fail to serialise.
            let written = serde_json::to_writer(&mut *text, fields).is_ok();
            let text = std::str::from_utf8(text).ok().filter(|_| written).unwrap_or("{}");
            if self.0.secrets.may_be_in(text) {
                // Looked at piece by piece.
                let ids = Ids { media_url_hash: hash.map(str::to_owned), ..Ids::clone(ids) };
                self.write(event, source, t_ms, &ids, serde_json::to_value(fields).unwrap_or_default());
                return;
            }
            let seq = self.0.seq.fetch_add(1, Ordering::Relaxed);
            let micros = self.0.wall.as_microsecond() + (t_ms * 1000.0) as i64;
            let millis = micros.rem_euclid(1_000_000) / 1000;
            let (source, t_ms, hash) = (json_text(&source), json_text(&t_ms), json_text(&hash));
            line.clear();
            {
                let mut same = self.0.same.lock().unwrap_or_else(PoisonError::into_inner);
                let second = same.second(micros.div_euclid(1_000_000));
                // Writing to memory cannot fail.
                let _ = write!(
                    line,
                    r#"{{"v":{VERSION},"event":"{event}","source":{source},"timestamp":"{second}.{millis:03}Z","t_ms":{t_ms},"seq":{seq},"#
                );
                let (before, after) = same.ids(ids, &self.0.run_id);
                for part in [before, &hash, after, ","] {
                    line.push_str(part);
                }
            }
            line.push_str(bare(text));
            seal_open(line);
            self.0.queue.add(line);
        });
    }

    /// Writes an event that happened at `t_ms`; never blocks.
    pub fn write(&self, event: &str, source: Origin, t_ms: f64, ids: &Ids, mut fields: Value) -> Event {
        self.0.secrets.hide_in(&mut fields);
        let wall = self.0.wall.as_microsecond() + (t_ms * 1000.0) as i64;
        let timestamp = jiff::Timestamp::from_microsecond(wall).unwrap_or(self.0.wall);
        let event = Event {
            v: VERSION,
            event: event.to_owned(),
            source,
            timestamp: format!("{timestamp:.3}"),
            t_ms: (t_ms * 1000.0).round() / 1000.0,
            seq: self.0.seq.fetch_add(1, Ordering::Relaxed),
            ids: Ids { run_id: self.0.run_id.clone(), ..ids.clone() },
            fields: match fields {
                Value::Object(map) => map,
                _ => Map::new(),
            },
        };
        self.0.queue.add(&event.line());
        event
    }

    /// Waits until everything written so far is on disk.
    pub fn sync(&self) -> Result<()> {
        let (send, receive) = sync_channel(1);
        self.0.queue.change(|waiting| {
            if !waiting.failed {
                waiting.syncs.push(send)
            }
        });
        match receive.recv() {
            Ok(done) => done.operator("writing the events").map_err(|e| e.remedy("free space on the disk")),
            Err(_) => {
                Err(Error::operator("writing the events: the disk failed earlier").remedy("free space on the disk"))
            }
        }
    }
}

/// Drains whatever is queued into one write: a line when idle, many under load. Ends at the first failed write, so
/// that later events count as dropped.
fn write_all(queue: &Queue, mut file: File) {
    /// After a write, so long: a writer that sleeps must be woken by each event, which costs the proxy more than all the
    /// rest of an event.
    const REST: Duration = Duration::from_millis(2);
    /// What is kept of the memory that a great many took.
    const USUAL: usize = 1 << 20;
    let mut batch = String::new();
    while let Some((lines, syncs)) = queue.take(&mut batch) {
        let mut done = file.write_all(batch.as_bytes());
        batch.clear();
        batch.shrink_to(USUAL);
        let rest = syncs.is_empty();
        if !rest {
            done = done.and_then(|()| file.sync_data());
        }
        if done.is_err() {
            queue.dropped.fetch_add(lines as u64, Ordering::Relaxed);
            queue.change(|waiting| (waiting.failed, waiting.syncs) = (true, Vec::new()));
        }
        for answer in syncs {
            let told = done.as_ref().copied().map_err(|e| std::io::Error::new(e.kind(), e.to_string()));
            let _ = answer.send(told); // nobody waits any more: fine
        }
        if done.is_err() {
            return;
        }
        if rest {
            std::thread::sleep(REST);
        }
    }
}

/// Cuts a last line that has no newline: its writer died within it. What precedes it is never touched.
fn repair(file: &mut File) -> std::io::Result<()> {
    let mut end = file.metadata()?.len();
    let mut block = vec![0; 1 << 16];
    let whole = end;
    while end > 0 {
        let from = end.saturating_sub(block.len() as u64);
        let part = &mut block[..(end - from) as usize];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(part)?;
        if let Some(newline) = part.iter().rposition(|b| *b == b'\n') {
            end = from + newline as u64 + 1;
            break;
        }
        end = from;
    }
    if end < whole { file.set_len(end) } else { Ok(()) }
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
mod tests {
    use super::*;
    use serde_json::json;

    fn write_three(path: &Path) -> Vec<Event> {
        let log = Log::open(path, "r1", &Secrets::default()).expect("opens");
        let ids = Ids { browser: Some("firefox".into()), ..Ids::default() };
        let events =
            ["a", "b", "c"].map(|n| log.write(n, Origin::Monitor, log.now_ms(), &ids, json!({"x": "é\n\"", "n": 1.5})));
        log.sync().expect("syncs");
        events.to_vec()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("events.jsonl");
        let written = write_three(&path);
        let back: Vec<Event> = read(&path).expect("opens").map(|e| e.expect("reads")).collect();
        assert_eq!(written, back);
        assert_eq!(back[0].ids.run_id, "r1");
        assert!(back[0].line().starts_with(r#"{"v":1,"event":"a","source":"monitor","timestamp":""#));
    }

    #[test]
    fn what_is_told_reads_as_what_is_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("events.jsonl");
        let secrets = Secrets::default();
        secrets.add("hunter2");
        let log = Log::open(&path, "r1", &secrets).expect("opens");
        let one = Arc::new(Ids { browser: Some("firefox".into()), step: Some("a \"b\"".into()), ..Ids::default() });
        let two = Arc::new(Ids { run_id: "other".into(), ..Ids::default() });
        let fields = |text: &str| json!({"text": text, "n": 1.5, "none": null});
        let texts = ["plain", "é\n\"", "has hunter2 in it", "http://h/x?token=abc9", "Bearer abcdef", "a@b.example"];
        for text in texts {
            for (ids, hash) in [(&one, None), (&two, Some("0123456789abcdef")), (&two, None)] {
                log.tell("x", Origin::Proxy, ids, hash, &fields(text));
                let ids = Ids { media_url_hash: hash.map(str::to_owned), ..Ids::clone(ids) };
                log.write("x", Origin::Proxy, log.now_ms(), &ids, fields(text));
            }
        }
        log.sync().expect("syncs");
        let events: Vec<Event> = read(&path).expect("opens").map(|e| e.expect("reads")).collect();
        assert_eq!(events.len(), texts.len() * 6);
        for pair in events.chunks(2) {
            let same = |e: &Event| Event { timestamp: String::new(), t_ms: 0.0, seq: 0, ..e.clone() };
            assert_eq!(same(&pair[0]), same(&pair[1]));
            assert!(pair[0].t_ms <= pair[1].t_ms && pair[0].timestamp <= pair[1].timestamp);
            assert_eq!(pair[0].timestamp.len(), pair[1].timestamp.len(), "{} {}", pair[0].timestamp, pair[1].timestamp);
        }
        assert!(!std::fs::read_to_string(&path).expect("reads").contains("hunter2"));
    }

    #[test]
    fn every_truncation_leaves_whole_events_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("events.jsonl");
        let written = write_three(&path);
        let bytes = std::fs::read(&path).expect("reads");
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).expect("writes");
            let whole = bytes[..cut].iter().filter(|b| **b == b'\n').count();
            let back: Vec<Event> = read(&path).expect("opens").map(|e| e.expect("a torn tail is no error")).collect();
            assert_eq!(back, written[..whole]);
            Log::open(&path, "r1", &Secrets::default()).expect("repairs");
            assert_eq!(
                std::fs::metadata(&path).expect("is there").len(),
                back.iter().map(|e| e.line().len() as u64).sum::<u64>()
            );
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("events.jsonl");
        write_three(&path);
        let bytes = std::fs::read(&path).expect("reads");
        let first = bytes.iter().position(|b| *b == b'\n').expect("a line");
        for bit in 0..first * 8 {
            let mut torn = bytes.clone();
            torn[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &torn).expect("writes");
            let all: Result<Vec<Event>> = read(&path).expect("opens").collect();
            assert!(all.is_err(), "bit {bit} went unnoticed");
        }
    }

    #[test]
    fn a_resealed_line_reads() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("events.jsonl");
        write_three(&path);
        let edited = std::fs::read_to_string(&path).expect("reads").replace("firefox", "chromium");
        assert!(Event::read(edited.lines().next().expect("a line")).is_err());
        let sealed = reseal(&edited).expect("seals");
        let event = Event::read(sealed.lines().next().expect("a line")).expect("reads");
        assert_eq!(event.ids.browser.as_deref(), Some("chromium"));
    }

    #[test]
    fn a_full_disk_counts_what_it_loses() {
        let log = Log::open(Path::new("/dev/full"), "r", &Secrets::default()).expect("opens");
        log.write("a", Origin::Monitor, 0.0, &Ids::default(), json!({}));
        let failed = log.sync().expect_err("the disk is full");
        assert_eq!(failed.whose(), crate::error::Whose::Operator);
        log.write("b", Origin::Monitor, 0.0, &Ids::default(), json!({}));
        assert!(log.sync().is_err());
        assert!(log.dropped() >= 1);
    }
}
