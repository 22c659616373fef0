//! How busy the machine is with what is none of the run's. What did not come in time while others held the processors says
//! nothing of the app: such a failure is *not enough data*, and such a time no sample.

use crate::browser::leash::tree_ticks;
use crate::event::Log;
use crate::unit::thousandths;
use serde_json::{Value, json};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Processors no more idle than this are busy, as a share.
const IDLE: f64 = 0.05;
/// What others take of the processors before the play is held up by them, as a share: two busy threads beside a browser's
/// drawing take 0.3 to 0.6 of two processors, a desktop's background less than 0.1.
const OTHERS: f64 = 0.25;
/// How often it is looked; a look costs 2 ms.
const EVERY: Duration = Duration::from_secs(1);
/// Looks that are kept: the longest step of a play waits for minutes.
const KEPT: usize = 900;

/// A look at the machine: when on the run's clock, and ticks since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Look {
    t: f64,
    all: u64,
    idle: u64,
    own: u64,
}

/// Looks at the machine for as long as it lives. Clones share what was seen.
#[derive(Clone, Default)]
pub(super) struct Host {
    looks: Arc<Mutex<Vec<Look>>>,
    /// Its end is the thread's.
    _alive: Option<Sender<()>>,
}

/// What the processors did for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Load {
    /// Share of the processors that was not idle.
    pub busy: f64,
    /// Share that others had: every process that is none of the run's, and other machines on the same processors (steal).
    pub others: f64,
}

impl Host {
    /// Begins to look. `except`: processes below this one whose trees are none of the run's.
    pub(super) fn watch(log: &Log, except: &[u32]) -> Self {
        let (alive, ended) = channel();
        let host = Self { looks: Arc::default(), _alive: Some(alive) };
        let (looks, log, except) = (host.looks.clone(), log.clone(), except.to_vec());
        std::thread::spawn(move || {
            loop {
                if let Some(look) = look(log.now_ms(), &except) {
                    let mut looks = looks.lock().unwrap_or_else(PoisonError::into_inner);
                    looks.push(look);
                    let over = looks.len().saturating_sub(KEPT);
                    looks.drain(..over);
                }
                if ended.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        host
    }

    /// What kept the machine busy between two times, if it was others; as events write it.
    pub(super) fn busy(&self, from: f64, to: f64) -> Option<Value> {
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let load = load(&looks, from, to)?;
        load.holds_up().then(|| json!({ "busy": thousandths(load.busy), "others": thousandths(load.others) }))
    }
}

/// Says of a failure that a busy machine makes it none.
pub(super) fn say(busy: &Value, why: &str) -> String {
    let percent = |name: &str| (busy[name].as_f64().unwrap_or_default() * 100.0).round();
    format!(
        "busy host: other processes had {} % of the processors, which were {} % busy, when: {why}",
        percent("others"),
        percent("busy")
    )
}

impl Load {
    fn holds_up(self) -> bool {
        self.busy >= 1.0 - IDLE && self.others >= OTHERS
    }
}

/// The load between the last look before `from` and the first after `to`, or the nearest there are.
fn load(looks: &[Look], from: f64, to: f64) -> Option<Load> {
    let first = looks.iter().rev().find(|l| l.t <= from).or(looks.first())?;
    let last = looks.iter().find(|l| l.t >= to).or(looks.last())?;
    let all = last.all.checked_sub(first.all).filter(|all| *all > 0)? as f64;
    let ran = all - last.idle.saturating_sub(first.idle) as f64;
    let own = last.own.saturating_sub(first.own) as f64;
    Some(Load { busy: ran / all, others: (ran - own).max(0.0) / all })
}

fn look(t: f64, except: &[u32]) -> Option<Look> {
    let own = tree_ticks(std::process::id(), except);
    let (all, idle) = processors(&std::fs::read_to_string("/proc/stat").ok()?)?;
    Some(Look { t, all, idle, own })
}

/// Ticks of all processors together, and those of them in which nothing ran, or only what gives way to everything else
/// (proc(5)).
fn processors(stat: &str) -> Option<(u64, u64)> {
    // user nice system idle iowait irq softirq steal; what guests take is within user and nice.
    let line = stat.lines().find_map(|l| l.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().take(8).filter_map(|t| t.parse().ok()).collect();
    Some((ticks.iter().sum(), ticks.get(1)? + ticks.get(3)? + ticks.get(4)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processors_are_read_as_proc_tells_them() {
        let stat = "cpu  100 1 50 800 20 3 4 22 0 0\ncpu0 1 2 3 4\n";
        assert_eq!(processors(stat), Some((1000, 821)));
        assert_eq!(processors("intr 1 2\n"), None);
    }

    #[test]
    fn only_others_hold_a_play_up() {
        let looks = |own: u64, others: u64| {
            [0, 1, 2].map(|n| Look { t: n as f64 * 1000.0, all: n * 200, idle: n * (200 - own - others), own: n * own })
        };
        let holds_up = |own, others| load(&looks(own, others), 900.0, 1900.0).is_some_and(Load::holds_up);
        assert!(holds_up(100, 100) && holds_up(140, 60));
        assert!(!holds_up(200, 0), "its own drawing fills the machine: that is the app");
        assert!(!holds_up(180, 15), "a desktop's background");
        assert!(!holds_up(60, 110), "idle meanwhile: there was room");
        assert_eq!(load(&looks(200, 0)[..1], 0.0, 500.0), None, "one look is no time");
    }

    #[test]
    fn a_busy_thread_of_this_process_is_its_own() {
        let dir = tempfile::tempdir().expect("a folder");
        let log = Log::open(&dir.path().join("events.jsonl"), "r", &Default::default()).expect("opens");
        let before = look(log.now_ms(), &[]).expect("a look");
        let end = std::time::Instant::now() + Duration::from_secs(20);
        let mut after = before;
        while after.own < before.own + 10 && std::time::Instant::now() < end {
            (0..100_000).for_each(|_| std::hint::spin_loop());
            after = look(log.now_ms(), &[]).expect("a look");
        }
        assert!(after.own >= before.own + 10, "{before:?} {after:?}");
        assert!(after.all > before.all && after.t > before.t);
    }
}
