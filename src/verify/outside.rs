//! What is done to a play from outside: a process of its browser is ended or stopped at a moment that the seed decides.

use super::Trial;
use super::want::{FullDisk, Memory};
use crate::browser::{Kind, procfs};
use crate::error::Result;
use crate::fault::seed::Draw;
use crate::record::Ending;
use crate::run::Progress;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Outside {
    /// `kill -9` of the page's process.
    #[serde(rename = "kill renderer")]
    Renderer,
    /// `kill -TERM` of the page's process.
    #[serde(rename = "end renderer")]
    EndRenderer,
    /// `kill -9` of Chromium's GPU process.
    #[serde(rename = "kill gpu")]
    Gpu,
    /// `kill -9` of the driver.
    #[serde(rename = "kill driver")]
    Driver,
    /// `kill -9` of the display.
    #[serde(rename = "kill display")]
    Display,
    /// `kill -9` of the browser's main process.
    #[serde(rename = "kill browser")]
    Browser,
    /// `kill -STOP` of the driver.
    #[serde(rename = "stop driver")]
    StopDriver,
    /// `kill -STOP` of the browser's main process.
    #[serde(rename = "stop browser")]
    StopBrowser,
    /// The memory of our control group is taken, and the page's process is the kernel's first choice.
    #[serde(rename = "take the memory")]
    Memory,
    /// The disk of the temporary folder is filled.
    #[serde(rename = "fill the disk")]
    Disk,
}

impl Outside {
    fn signal(self) -> Signal {
        match self {
            Outside::StopDriver | Outside::StopBrowser => Signal::STOP,
            Outside::EndRenderer => Signal::TERM,
            _ => Signal::KILL,
        }
    }

    /// Whether this machine lets it be done.
    pub(super) fn may_be(self) -> Result<()> {
        match self {
            Outside::Memory => Memory::own().map(drop),
            Outside::Disk => FullDisk::may_be(),
            _ => Ok(()),
        }
    }

    /// Does it to this program's own descendants.
    fn strike(self, browser: Kind) -> Result<Option<FullDisk>> {
        if self == Outside::Disk {
            return FullDisk::fill().map(Some);
        }
        let own = procfs::descendants(std::process::id());
        let pids: Vec<(u32, String)> = own.into_iter().map(|pid| (pid, procfs::command_line(pid))).collect();
        let content = |line: &str| line.contains("--type=renderer") || line.trim_end().ends_with(" tab");
        let is = |line: &str| match self {
            Outside::Renderer | Outside::EndRenderer | Outside::Memory => content(line),
            Outside::Gpu => line.contains("--type=gpu-process"),
            Outside::Driver | Outside::StopDriver => program(line).ends_with("driver"),
            Outside::Display => program(line) == "Xvfb",
            Outside::Browser | Outside::StopBrowser => {
                program(line).starts_with(browser.name()) && !line.contains("--type=") && !line.contains("-contentproc")
            }
            Outside::Disk => false,
        };
        let found: Vec<u32> = pids.iter().filter(|(_, line)| is(line)).map(|(pid, _)| *pid).collect();
        // Several are no page's: a spare one, the tab that speaks BiDi. The page's is the one that draws.
        let before: Vec<u64> = found.iter().map(|pid| procfs::cpu_ticks(*pid)).collect();
        if found.len() > 1 {
            sleep(CHOICE);
        }
        let busy = |(pid, before): &(&u32, u64)| {
            let ticks = procfs::cpu_ticks(**pid);
            (ticks.saturating_sub(*before), ticks)
        };
        let struck = found.iter().zip(before).max_by_key(busy).map(|(pid, _)| *pid);
        match (self, struck) {
            (Outside::Memory, Some(pid)) => Memory::own()?.run_out(pid)?,
            // One that ended meanwhile is what was wanted.
            (_, Some(pid)) => drop(Pid::from_raw(pid.cast_signed()).map(|pid| kill_process(pid, self.signal()))),
            (_, None) => {}
        }
        Ok(None)
    }
}

fn program(line: &str) -> &str {
    let first = line.split(' ').next().unwrap_or_default();
    first.rsplit('/').next().unwrap_or_default()
}

/// Steps before which nothing is struck: the page must be there, and draw.
const FIRST: u32 = 3;
/// Among so many steps the seed chooses.
const STEPS: u64 = 4;
/// Within so many milliseconds of the step. A step struck twice must still be the same one: it is struck at its begin.
const WITHIN: u64 = 250;
/// How long processes are watched to find the one that draws.
const CHOICE: Duration = Duration::from_millis(200);

/// Waits for the moment in a trial's play, and strikes. Says nothing, one line for each trial is enough, but why it could
/// not.
pub(super) struct Struck {
    outside: Option<Outside>,
    browser: Kind,
    again: bool,
    at: u32,
    after: Duration,
    steps: AtomicU32,
    plays: AtomicU32,
    /// Stays full until the play has ended.
    full: Arc<Mutex<Option<FullDisk>>>,
}

impl Struck {
    pub(super) fn new(trial: &Trial<'_>) -> Self {
        let draw = Draw::of_link(trial.seed, &trial.key());
        // A disk is full before what must be blamed on it, wherever the seed puts that.
        let steps = if trial.case.outside == Some(Outside::Disk) { 1 } else { STEPS };
        Self {
            outside: trial.case.outside,
            browser: trial.browser,
            again: trial.case.again,
            at: FIRST + (draw.bits(1) % steps) as u32,
            after: Duration::from_millis(if trial.case.again { 0 } else { draw.bits(2) % WITHIN }),
            steps: AtomicU32::new(0),
            plays: AtomicU32::new(0),
            full: Arc::default(),
        }
    }
}

impl Progress for Struck {
    fn play_starts(&self, _: usize, _: usize, _: &str) {
        self.steps.store(0, Ordering::Relaxed);
        self.plays.fetch_add(1, Ordering::Relaxed);
    }

    fn step_starts(&self, _: &str) {
        let step = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
        let now = step == self.at && (self.again || self.plays.load(Ordering::Relaxed) == 1);
        if let Some(outside) = self.outside.filter(|_| now) {
            let (after, browser, full) = (self.after, self.browser, Arc::clone(&self.full));
            std::thread::spawn(move || {
                sleep(after);
                match outside.strike(browser) {
                    Ok(disk) => *full.lock().unwrap_or_else(PoisonError::into_inner) = disk,
                    Err(error) => tracing::error!("{error}"),
                }
            });
        }
    }

    fn play_ends(&self, _: &str, _: Ending, _: f64, _: Option<&str>) {
        *self.full.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn note(&self, _: &str) {}
}
