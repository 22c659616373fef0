//! How the browser's processes end, as the kernel says it: a signal from outside or a crash of their own. Their parents
//! collect them, so whoever wants to know must look in the moment between: a thread for each does nothing but wait for that.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use super::pidfd::collected_status;
use super::procfs;

/// How often new processes are looked for: a browser starts some for each page. A look costs a few milliseconds.
const LOOK: Duration = Duration::from_secs(1);
/// A thread that only waits needs little.
const STACK: usize = 64 << 10;

/// A process that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its pid.
    pub pid: u32,
    /// What it was: "browser", "driver", "gpu-process", "renderer", "tab", ...
    pub role: String,
    /// How it ended; `None` if its parent collected it before we could look.
    pub how: Option<How>,
    /// When that was seen, a millisecond or so later.
    pub at: Instant,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By itself, with this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl How {
    /// From the status that `wait` gives.
    pub fn from_status(status: i32) -> Self {
        match status & 0x7f {
            0 => How::Code(status >> 8 & 0xff),
            signal => How::Signal(signal),
        }
    }

    /// Whether this is a signal that others send and no program gets for what it did itself. A crash sent from outside
    /// (`kill -SEGV`) cannot be told from a crash, and counts as one.
    pub fn from_outside(self) -> bool {
        let sent = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::KILL, Signal::TERM];
        matches!(self, How::Signal(signal) if sent.iter().any(|s| s.as_raw() == signal))
    }

    /// Whether it was by a signal that a program gets for what it did itself.
    pub fn crashed(self) -> bool {
        matches!(self, How::Signal(_)) && !self.from_outside()
    }

    /// Whether the process was killed, by the kernel or by whoever may.
    pub fn killed(self) -> bool {
        self == How::Signal(Signal::KILL.as_raw())
    }
}

impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            How::Code(code) => write!(f, "exit {code}"),
            How::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// Watches every descendant of a process until dropped.
#[derive(Debug)]
pub struct Exits(Arc<Mutex<Vec<Exit>>>);

impl Exits {
    /// Begins to watch the descendants of `root`. `named`: processes whose role is known, by pid.
    pub fn watch(root: u32, named: HashMap<u32, &'static str>) -> Self {
        let found = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::downgrade(&found);
        start(move || look(root, &named, &told));
        Self(found)
    }

    /// Every process that ended so far, in the order they were seen to.
    pub fn so_far(&self) -> Vec<Exit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

type Told = Weak<Mutex<Vec<Exit>>>;

/// Without a thread nothing is seen, and nothing is said: what came from outside would be taken for the app's.
fn start(work: impl FnOnce() + Send + 'static) {
    if let Err(why) = std::thread::Builder::new().name("exits".to_owned()).stack_size(STACK).spawn(work) {
        tracing::warn!("how the browser's processes end is not watched: {why}");
    }
}

/// Looks for new processes until nobody asks any more, and has each watched by a thread of its own: one that did anything
/// else meanwhile would come too late, and everything on the leash ends with the play.
fn look(root: u32, named: &HashMap<u32, &'static str>, told: &Told) {
    let mut watched = HashSet::new();
    while told.strong_count() > 0 {
        for pid in procfs::descendants(root) {
            if watched.insert(pid)
                && let Some(fd) = open(pid)
            {
                let (role, told) = (role(pid, named), told.clone());
                start(move || wait(pid, role, &fd, &told));
            }
        }
        std::thread::sleep(LOOK);
    }
}

/// Waits for a process's end, and looks at once.
fn wait(pid: u32, role: String, fd: &OwnedFd, told: &Told) {
    while poll(&mut [PollFd::new(fd, PollFlags::IN)], None).is_err() {}
    let at = Instant::now();
    // Before its parent collects it, from /proc; afterwards from the kernel's memory of it, if it has one.
    let how = procfs::exit_status(pid).or_else(|| collected_status(fd)).map(How::from_status);
    if let Some(found) = told.upgrade() {
        found.lock().unwrap_or_else(PoisonError::into_inner).push(Exit { pid, role, how, at });
    }
}

fn open(pid: u32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(pid.cast_signed())?, PidfdFlags::empty()).ok()
}

/// What a process is: Chromium says it as `--type=`, Firefox as a content process's last argument.
fn role(pid: u32, named: &HashMap<u32, &'static str>) -> String {
    if let Some(name) = named.get(&pid) {
        return (*name).to_owned();
    }
    let line = procfs::command_line(pid);
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let said = words.iter().find_map(|w| w.strip_prefix("--type="));
    let last = words.contains(&"-contentproc").then(|| words.last().copied()).flatten();
    let program = words.first().map(|p| p.rsplit('/').next().unwrap_or(p));
    said.or(last).or(program).unwrap_or("gone").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_status_says_who_ended_it() {
        assert_eq!(How::from_status(256), How::Code(1));
        assert!(How::from_status(9).from_outside() && How::from_status(9).killed());
        assert!(How::from_status(15).from_outside() && !How::from_status(15).killed());
        // Core dumped, trapped, aborted: its own doing.
        for own in [139, 5, 134, 6, 256, 0] {
            assert!(!How::from_status(own).from_outside(), "{own}");
            assert_eq!(How::from_status(own).crashed(), own & 0x7f != 0, "{own}");
        }
    }

    #[test]
    fn an_end_is_seen_with_its_signal() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep runs");
        let exits = Exits::watch(std::process::id(), HashMap::from([(child.id(), "sleeper")]));
        std::thread::sleep(Duration::from_millis(300));
        child.kill().expect("killed");
        // Not collected yet: a zombie keeps its status.
        let deadline = Instant::now() + Duration::from_secs(5);
        let own = loop {
            if let Some(own) = exits.so_far().into_iter().find(|e| e.pid == child.id()) {
                break own;
            }
            assert!(Instant::now() < deadline, "never seen");
            std::thread::sleep(Duration::from_millis(10));
        };
        child.wait().expect("collected");
        assert_eq!((own.role.as_str(), own.how), ("sleeper", Some(How::Signal(9))));
    }
}
