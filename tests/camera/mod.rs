//! The camera: what was on the screen, read from the root window of the display that the browsers draw on. It knows
//! nothing of the page, the probe or the oracles; it sees pixels, and says when it could not look.
//!
//! Two lines of pixels are read every 2 ms: one through the row of blocks that holds a clip's frame number
//! ([`row`]), one through the middle of the picture. Where that is, is found by looking for the row.
//!
//! # The clock
//!
//! A camera's time is milliseconds since the epoch by this machine's monotonic clock, set once by its wall clock. The
//! run's `timestamp` and `t_ms` are made the same way, so that [`Zero`] leads from one to the other. That they agree is
//! not assumed: the camera reads the run's events as they are written, and no event may be from its future, nor may
//! even the fastest have come late ([`Film::clock_ms`]).

pub mod freeze;
pub mod row;

use row::{LINE, Place};
use serde_json::Value;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ConnectionExt, ImageFormat};
use x11rb::rust_connection::RustConnection;

/// Between two looks; reading takes some 0.2 ms.
const EVERY: Duration = Duration::from_millis(2);
/// Between two searches for the picture on the whole screen: each takes some 20 ms.
const SEARCH: Duration = Duration::from_millis(60);
/// A picture that was never away for so long stays where it was found.
const LOST_MS: f64 = 2500.0;
/// Something on this machine waited for a processor for more than this share of the time: it did much else besides.
const HOGGED: f64 = 0.6;
/// So long without a look, and the camera was starved.
pub const STARVED_MS: f64 = 20.0;

type Seen<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A picture that differs from the one before it.
#[derive(Clone, Debug)]
pub struct Sight {
    /// When the last look at the picture before it was asked for.
    pub after: f64,
    /// When the first look at it was answered.
    pub at: f64,
    /// The frame number in it.
    pub number: Option<u16>,
    /// Brightness along the two lines, the row's first.
    pub line: [u8; 2 * LINE],
}

impl Sight {
    /// How far it differs from another: the mean over both lines, of 255.
    pub fn step(&self, before: &Sight) -> f64 {
        let sum: u32 = self.line.iter().zip(&before.line).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        f64::from(sum) / (2 * LINE) as f64
    }

    /// The camera did not look between this picture and the one before for so long that its time is not known.
    pub fn starved(&self) -> bool {
        self.at - self.after > STARVED_MS
    }
}

/// What a camera saw.
#[derive(Debug, Default)]
pub struct Film {
    /// Every picture that differed from the one before.
    pub sights: Vec<Sight>,
    /// Times from one look to the end of the next, when longer than [`STARVED_MS`]: from, to.
    pub blind: Vec<(f64, f64)>,
    /// How many times it looked.
    pub looks: usize,
    /// The longest time from one look to the end of the next, milliseconds, and the 99th of a hundred.
    pub worst_ms: f64,
    pub p99_ms: f64,
    /// How long after its time the fastest of the run's events was read: between -1 and a few milliseconds, the clocks agree.
    pub clock_ms: f64,
    /// The share of its time in which something on this machine waited for a processor, of 1: a busy machine shows pictures
    /// late, whatever the browser does.
    pub busy: Option<f64>,
    /// How far wall clock and monotonic clock went apart while it looked, milliseconds.
    pub drift_ms: f64,
}

impl Film {
    /// How well it saw, in words.
    pub fn sight(&self) -> String {
        let busy = self.busy.map_or(String::new(), |share| format!("; machine busy {:.0} %", share * 100.0));
        format!("looks p99 {:.1}, worst {:.0} ms; clock {:.1} ms{busy}", self.p99_ms, self.worst_ms, self.clock_ms)
    }

    /// Whether the machine did so much else that it shows pictures late.
    pub fn hogged(&self) -> bool {
        self.busy.is_some_and(|share| share > HOGGED)
    }

    /// Whether the clocks of camera and run are the same, to within the log's way to the disk.
    pub fn clocks_agree(&self) -> bool {
        (-1.0..20.0).contains(&self.clock_ms) && self.drift_ms.abs() < 2.0
    }

    /// The longest the camera did not look for between two moments.
    pub fn blind_for(&self, from: f64, to: f64) -> f64 {
        let within = self.blind.iter().filter(|(a, b)| *b > from && *a < to);
        within.map(|(a, b)| b - a).fold(0.0, f64::max)
    }
}

/// Where the run's clock began, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub struct Zero(f64);

impl Zero {
    /// From a run's events: `timestamp` is its start and `t_ms`, cut to milliseconds.
    pub fn of(events: &[Value]) -> Self {
        let zeros = events.iter().filter_map(|e| Some(epoch_ms(e)? - e["t_ms"].as_f64()?));
        Self(zeros.fold(f64::NEG_INFINITY, f64::max))
    }

    /// A time of the run on the camera's clock.
    pub fn at(self, t_ms: f64) -> f64 {
        self.0 + t_ms
    }
}

fn epoch_ms(event: &Value) -> Option<f64> {
    let at: jiff::Timestamp = event["timestamp"].as_str()?.parse().ok()?;
    Some(at.as_microsecond() as f64 / 1000.0)
}

/// Monotonic, set by the wall clock once.
struct Clock {
    began: Instant,
    epoch: f64,
}

impl Clock {
    fn new() -> Self {
        Self { began: Instant::now(), epoch: wall_ms() }
    }

    fn now(&self) -> f64 {
        self.epoch + self.began.elapsed().as_secs_f64() * 1000.0
    }
}

fn wall_ms() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64() * 1000.0)
}

/// A camera that runs.
pub struct Camera {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Seen<Film>>>,
}

impl Camera {
    /// Waits for the run that writes its record to `out`, then for its picture, and films it. `keep`: the picture stays
    /// where it was found, also where it shows no number for long.
    pub fn on(out: &Path, keep: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (events, ended) = (out.join("events.jsonl"), stop.clone());
        let thread = std::thread::Builder::new()
            .name("camera".to_owned())
            .spawn(move || film(&events, keep, &ended))
            .expect("a thread");
        Self { stop, thread: Some(thread) }
    }

    /// What it saw until now.
    pub fn stop(mut self) -> Film {
        self.stop.store(true, Ordering::Relaxed);
        let film = self.thread.take().expect("it runs").join().expect("no panic");
        film.unwrap_or_else(|why| panic!("the camera: {why}"))
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn film(events: &Path, keep: bool, stop: &AtomicBool) -> Seen<Film> {
    let clock = Clock::new();
    let mut film = Film { clock_ms: f64::INFINITY, ..Film::default() };
    let mut record = Record { path: events.to_owned(), read: 0, torn: String::new() };
    let display = loop {
        if stop.load(Ordering::Relaxed) {
            return Ok(film);
        }
        let (display, late) = record.read(&clock);
        film.clock_ms = film.clock_ms.min(late);
        match display {
            Some(display) => break display,
            None => std::thread::sleep(EVERY),
        }
    };
    prefer(&display);
    let lens = Lens::open(&display)?;
    let (began, waited) = (clock.now(), waited_ms());
    // The display ends with the run: whatever was seen until then is the film.
    if let Err(why) = lens.roll(&clock, keep, stop, &mut film)
        && film.looks == 0
    {
        return Err(format!("it found no picture on {display}: {why}").into());
    }
    film.busy = waited.zip(waited_ms()).map(|(before, after)| (after - before) / (clock.now() - began));
    film.drift_ms = wall_ms() - clock.now();
    Ok(film)
}

/// Milliseconds in which some task waited for a processor, as Linux counts them.
fn waited_ms() -> Option<f64> {
    let pressure = std::fs::read_to_string("/proc/pressure/cpu").ok()?;
    let total = pressure.lines().next()?.rsplit_once("total=")?.1;
    Some(total.parse::<f64>().ok()? / 1000.0)
}

/// Lets the camera's thread and the display's server go before whatever else runs here, where that is allowed: on a busy
/// machine the camera would be blind most of the time. The browsers stay as they are.
fn prefer(display: &str) {
    let own = std::fs::read_link("/proc/thread-self").ok();
    let own = own.and_then(|task| Some(task.file_name()?.to_str()?.to_owned()));
    for task in server(display).into_iter().chain(own) {
        let _ = Command::new("chrt").args(["--fifo", "--pid", "1", &task]).stderr(Stdio::null()).status();
    }
}

/// The pid of the display's server: the one that holds its socket.
fn server(display: &str) -> Option<String> {
    let name = format!("/.X11-unix/X{}", display.trim_start_matches(':'));
    let sockets = std::fs::read_to_string("/proc/net/unix").ok()?;
    let of = |line: &str| line.split_whitespace().nth(6).map(|inode| format!("socket:[{inode}]"));
    let sockets: Vec<String> = sockets.lines().filter(|line| line.ends_with(&name)).filter_map(of).collect();
    let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path());
    let holds = |process: &PathBuf| {
        std::fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() == "Xvfb")
            && entries(&process.join("fd")).any(|fd| {
                std::fs::read_link(fd).is_ok_and(|to| sockets.iter().any(|socket| to.as_os_str() == socket.as_str()))
            })
    };
    let process = entries(Path::new("/proc")).find(holds)?;
    Some(process.file_name()?.to_str()?.to_owned())
}

/// The run's events, as they are written.
struct Record {
    path: PathBuf,
    read: u64,
    torn: String,
}

impl Record {
    /// The display that a new event names, and how late the fastest of the new events was read.
    fn read(&mut self, clock: &Clock) -> (Option<String>, f64) {
        let mut text = std::mem::take(&mut self.torn);
        let more = std::fs::File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.read))?;
            file.read_to_string(&mut text)
        });
        self.read += more.unwrap_or(0) as u64;
        let now = clock.now();
        let mut late = f64::INFINITY;
        let mut display = None;
        for line in text.split_inclusive('\n') {
            let Some(line) = line.strip_suffix('\n') else {
                self.torn = line.to_owned();
                break;
            };
            let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
            late = epoch_ms(&event).map_or(late, |at| late.min(now - at));
            if event["event"] == "environment" {
                display = event["display"].as_str().map(str::to_owned).or(display);
            }
        }
        (display, late)
    }
}

/// A connection to the display.
struct Lens {
    x: RustConnection,
    root: u32,
    wide: u16,
    high: u16,
}

impl Lens {
    fn open(display: &str) -> Seen<Self> {
        let (x, screen) = x11rb::connect(Some(display))?;
        let screen = &x.setup().roots[screen];
        let (root, wide, high) = (screen.root, screen.width_in_pixels, screen.height_in_pixels);
        Ok(Self { x, root, wide, high })
    }

    fn roll(&self, clock: &Clock, keep: bool, stop: &AtomicBool, film: &mut Film) -> Seen<()> {
        let mut gaps: Vec<f32> = Vec::new();
        let mut place: Option<Place> = None;
        let (mut last, mut numbered) = (None::<f64>, f64::NEG_INFINITY);
        let rolled = loop {
            if stop.load(Ordering::Relaxed) {
                break Ok(());
            }
            let now = clock.now();
            if place.is_none() || !keep && now - numbered > LOST_MS {
                match self.search() {
                    Ok(found) => place = found.or(place),
                    Err(why) => break Err(why),
                }
                numbered = clock.now() - LOST_MS + SEARCH.as_secs_f64() * 1000.0;
                if place.is_none() {
                    std::thread::sleep(SEARCH);
                    continue;
                }
            }
            let Some(at) = &place else { continue };
            let sent = clock.now();
            let (number, line) = match self.look(at) {
                Ok(seen) => seen,
                Err(why) => break Err(why),
            };
            let seen = clock.now();
            if let Some(last) = last {
                gaps.push((seen - last) as f32);
                if seen - last > STARVED_MS {
                    film.blind.push((last, seen));
                }
            }
            film.looks += 1;
            if number.is_some() {
                numbered = seen;
            }
            if film.sights.last().is_none_or(|s| s.number != number || s.line != line) {
                film.sights.push(Sight { after: last.unwrap_or(sent), at: seen, number, line });
            }
            last = Some(sent);
            std::thread::sleep(EVERY);
        };
        gaps.sort_by(f32::total_cmp);
        film.worst_ms = gaps.last().map_or(0.0, |&g| f64::from(g));
        film.p99_ms = gaps.get(gaps.len().saturating_sub(1) * 99 / 100).map_or(0.0, |&g| f64::from(g));
        rolled
    }

    /// Finds the row on the screen.
    fn search(&self) -> Seen<Option<Place>> {
        let (wide, high) = (self.wide, self.high);
        let image = self.x.get_image(ImageFormat::Z_PIXMAP, self.root, 0, 0, wide, high, !0)?.reply()?;
        let lines: Vec<Vec<u8>> = image.data.chunks_exact(usize::from(wide) * 4).map(row::luma).collect();
        Ok(row::find(&lines))
    }

    fn look(&self, at: &Place) -> Seen<(Option<u16>, [u8; 2 * LINE])> {
        let ask = |y| self.x.get_image(ImageFormat::Z_PIXMAP, self.root, at.x, y, at.wide, 1, !0);
        // Both are on their way before the first is waited for.
        let (row, middle) = (ask(at.row)?, ask(at.middle)?);
        let (row, middle) = (row::luma(&row.reply()?.data), row::luma(&middle.reply()?.data));
        let mut line = [0; 2 * LINE];
        for (n, cell) in line.iter_mut().enumerate() {
            let from = if n < LINE { &row } else { &middle };
            *cell = from[(n % LINE * from.len() + from.len() / 2) / LINE];
        }
        Ok((row::number(&row, 0.0, at.block), line))
    }
}
