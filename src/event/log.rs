//! The log: events reach the file in order, through a queue and a writer of its own; nobody waits for the disk.

use super::fields::{Field, Fields, Thousandths};
use super::{Event, Ids, Origin, VERSION, add_json, bare, json_text, seal_open};
use crate::error::{Error, Operator, Result};
use crate::secret::Secrets;
use crate::unit::{ms, thousandths};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Events waiting for the disk, at most; past it an event is dropped and counted, and the play is *broken*.
const QUEUE: usize = 1 << 16;

/// Is handed every batch of whole lines that is on its way to the disk, and their number. It is called by the writer, so it
/// must not wait.
pub type Tap = Box<dyn FnMut(&[u8], usize) + Send>;

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
    text: Vec<u8>,
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
    fn add(&self, line: &[u8]) {
        let added = self.change(|waiting| {
            let fits = !waiting.failed && waiting.lines < QUEUE;
            if fits {
                waiting.text.extend_from_slice(line);
                waiting.lines += 1;
            }
            fits
        });
        if !added {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for something: moves it to `batch`, with the number of its lines and who waits. `None` at the end.
    fn take(&self, batch: &mut Vec<u8>) -> Option<(usize, Vec<SyncSender<std::io::Result<()>>>)> {
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

impl Log {
    /// Opens the log of a run for appending, repairing a torn tail, and starts its clock.
    pub fn open(path: &Path, run_id: &str, secrets: &Secrets) -> Result<Self> {
        Self::tapped(path, run_id, secrets, None)
    }

    /// The same, with somebody who is handed all that is written.
    pub fn tapped(path: &Path, run_id: &str, secrets: &Secrets, tap: Option<Tap>) -> Result<Self> {
        let doing = format!("writing {}", path.display());
        let mut file = File::options().create(true).read(true).append(true).open(path).operator(&doing)?;
        repair(&mut file).operator(&doing)?;
        let queue = Arc::new(Queue::default());
        let lines = queue.clone();
        std::thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || write_all(&lines, file, tap))
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

    /// What it hides.
    pub fn secrets(&self) -> &Secrets {
        &self.0.secrets
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

    /// Writes an event of this moment, as [`Log::write`] does, with these ids and this `media_url_hash`: for one of a
    /// great many, in a fraction of the time. `fields` adds its own, of which only the texts are looked through for secrets.
    pub fn tell(
        &self,
        event: &str,
        source: Origin,
        at: Instant,
        ids: &Arc<Ids>,
        hash: Option<&str>,
        fields: impl FnOnce(&mut Fields),
    ) {
        let t_ms = thousandths(ms(at.saturating_duration_since(self.0.start)));
        thread_local! {
            static SCRATCH: RefCell<[Vec<u8>; 3]> = const { RefCell::new([Vec::new(), Vec::new(), Vec::new()]) };
        }
        SCRATCH.with_borrow_mut(|[text, said, line]| {
            text.clear();
            said.clear();
            fields(&mut Fields { text, said });
            if self.0.secrets.may_be_in(said) {
                // Looked at piece by piece.
                let ids = Ids { media_url_hash: hash.map(str::to_owned), ..Ids::clone(ids) };
                self.write(event, source, t_ms, &ids, object(text));
                return;
            }
            line.clear();
            self.envelope(line, (event, source, t_ms), ids, hash);
            line.extend_from_slice(text);
            seal_open(line);
            self.0.queue.add(line);
        });
    }

    /// Adds the envelope of an event that is told, without an end.
    fn envelope(&self, line: &mut Vec<u8>, head: (&str, Origin, f64), ids: &Arc<Ids>, hash: Option<&str>) {
        let (event, source, t_ms) = head;
        let seq = self.0.seq.fetch_add(1, Ordering::Relaxed);
        let micros = self.0.wall.as_microsecond() + (t_ms * 1000.0) as i64;
        let millis = (micros.rem_euclid(1_000_000) / 1000) as u16;
        let add = |line: &mut Vec<u8>, text: &str| line.extend_from_slice(text.as_bytes());
        // Without `write!`, which takes as long as all the rest.
        add(line, r#"{"v":"#);
        add_json(line, &VERSION);
        add(line, r#","event":""#);
        add(line, event);
        add(line, r#"","source":""#);
        add(line, source.name());
        add(line, r#"","timestamp":""#);
        let mut same = self.0.same.lock().unwrap_or_else(PoisonError::into_inner);
        add(line, same.second(micros.div_euclid(1_000_000)));
        line.push(b'.');
        line.extend([100, 10, 1].map(|place| b'0' + (millis / place % 10) as u8));
        add(line, r#"Z","t_ms":"#);
        Thousandths(t_ms).add_to(line);
        add(line, r#","seq":"#);
        seq.add_to(line);
        line.push(b',');
        let (before, after) = same.ids(ids, &self.0.run_id);
        add(line, before);
        hash.add_to(line);
        add(line, after);
    }

    /// Writes an event that happened at `t_ms`; never blocks.
    pub fn write(&self, event: &str, source: Origin, t_ms: f64, ids: &Ids, mut fields: Value) -> Event {
        match source {
            Origin::App => self.0.secrets.hide_said(&mut fields),
            Origin::Monitor | Origin::Browser | Origin::Proxy => self.0.secrets.hide_in(&mut fields),
        }
        let wall = self.0.wall.as_microsecond() + (t_ms * 1000.0) as i64;
        let timestamp = jiff::Timestamp::from_microsecond(wall).unwrap_or(self.0.wall);
        let event = Event {
            v: VERSION,
            // An app may call its own as it likes.
            event: if source == Origin::App { self.0.secrets.hide(event) } else { event.to_owned() },
            source,
            timestamp: format!("{timestamp:.3}"),
            t_ms: thousandths(t_ms),
            seq: self.0.seq.fetch_add(1, Ordering::Relaxed),
            ids: Ids { run_id: self.0.run_id.clone(), ..ids.clone() },
            fields: match fields {
                Value::Object(map) => map,
                _ => Map::new(),
            },
        };
        self.0.queue.add(event.line().as_bytes());
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

/// Fields as they were written, read again.
fn object(fields: &[u8]) -> Value {
    let inner = fields.strip_prefix(b",").unwrap_or_default();
    serde_json::from_slice(&[b"{", inner, b"}"].concat()).unwrap_or_default()
}

/// Drains whatever is queued into one write: a line when idle, many under load. Ends at the first failed write, so
/// that later events count as dropped.
fn write_all(queue: &Queue, mut file: File, mut tap: Option<Tap>) {
    /// After a write, so long: a writer that sleeps must be woken by each event, which costs the proxy more than all the
    /// rest of an event.
    const REST: Duration = Duration::from_millis(2);
    /// What is kept of the memory that a great many took.
    const USUAL: usize = 1 << 20;
    let mut batch = Vec::new();
    while let Some((lines, syncs)) = queue.take(&mut batch) {
        let mut done = file.write_all(&batch);
        // What is not in the record is not told elsewhere either.
        if let (Ok(()), Some(tap), 1..) = (&done, &mut tap, lines) {
            tap(&batch, lines);
        }
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
