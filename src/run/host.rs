//! How busy the machine is with what is none of the run's. What did not come in time while others held the processors says
//! nothing of the app: such a failure is *not enough data*, and such a time no sample.
//!
//! Work of low priority gives way to everything else, and where it does, it holds nothing up. It does not where it is in
//! a control group of its own: between those the processors are shared, whatever the priorities within. So it counts only
//! while the run's own threads wait for a processor for a real part of the time (`run_delay` of proc(5)'s `schedstat`).
//! They wait for each other too: without others that take their share, that is the app's own doing.

use crate::browser::leash::{tree_ticks, waits};
use crate::event::Log;
use crate::unit::thousandths;
use rustix::thread::{CpuSet, sched_getaffinity};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Processors no more idle than this are busy, as a share.
const IDLE: f64 = 0.05;
/// What others take of the processors before the play is held up by them, as a share: two busy threads beside a browser's
/// drawing take 0.3 to 0.6 of two processors, a desktop's background less than 0.1.
const OTHERS: f64 = 0.25;
/// How long the run's threads wait for a processor, all together and of all processors' time, before work of low priority
/// holds them up.
const WAITED: f64 = 0.25;
/// Work of low priority that takes less of the processors than this is not looked into.
const LOW: f64 = 0.05;
/// How often it is looked; a look costs 2 ms, and 5 ms more where work of low priority runs.
const EVERY: Duration = Duration::from_secs(1);
/// Looks that are kept: the longest step of a play waits for minutes.
const KEPT: usize = 900;

/// A look at the machine: when on the run's clock, and ticks since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Look {
    t: f64,
    all: u64,
    idle: u64,
    /// What gives way to everything else.
    low: u64,
    own: u64,
    /// For how long the run's own threads waited for a processor while work of low priority ran, milliseconds.
    waited: f64,
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
    /// Share of both that was work of low priority.
    pub low: f64,
    /// For how long the run's own threads waited meanwhile, of all processors' time.
    pub waited: f64,
}

impl Host {
    /// Begins to look. `except`: processes below this one whose trees are none of the run's.
    pub(super) fn watch(log: &Log, except: &[u32]) -> Self {
        let (alive, ended) = channel();
        let host = Self { looks: Arc::default(), _alive: Some(alive) };
        let (looks, log, except) = (host.looks.clone(), log.clone(), except.to_vec());
        std::thread::spawn(move || {
            let mut waiting = Waiting::default();
            loop {
                if let Some(mut look) = look(log.now_ms(), &except) {
                    look.waited = waiting.look(&look, || waits(std::process::id(), &except));
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
        let load = load.holding_up()?;
        Some(json!({
            "busy": thousandths(load.busy), "others": thousandths(load.others), "low": thousandths(load.low),
            "waited": thousandths(load.waited),
        }))
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
    /// The load, if it holds a play up: with the work of low priority only where it must.
    fn holding_up(self) -> Option<Self> {
        let low = if self.waited >= WAITED { self.low } else { 0.0 };
        let with = Self { busy: self.busy + low, others: self.others + low, low, ..self };
        [Self { low: 0.0, ..self }, with].into_iter().find(|l| l.busy >= 1.0 - IDLE && l.others >= OTHERS)
    }
}

/// Adds up how long threads waited while work of low priority ran.
#[derive(Default)]
struct Waiting {
    before: Option<Look>,
    /// Nanoseconds that each thread had waited in its life, at the look before.
    threads: Option<HashMap<u32, u64>>,
    ms: f64,
}

impl Waiting {
    /// Takes a look; the threads are asked only where that is of use. The time waited so far, milliseconds.
    fn look(&mut self, look: &Look, threads: impl FnOnce() -> HashMap<u32, u64>) -> f64 {
        let since =
            |get: fn(&Look) -> u64| self.before.map_or(0, |before| get(look).saturating_sub(get(&before))) as f64;
        let runs = since(|look| look.low) > LOW * since(|look| look.all);
        let now = runs.then(threads);
        if let (Some(before), Some(now)) = (&self.threads, &now) {
            // One that is new has waited since it began; one that ended meanwhile is not known any more.
            let waited = now.iter().map(|(id, ns)| ns.saturating_sub(before.get(id).copied().unwrap_or(0)));
            self.ms += waited.sum::<u64>() as f64 / 1e6;
        }
        (self.before, self.threads) = (Some(*look), now);
        self.ms
    }
}

/// The load between the last look before `from` and the first after `to`, or the nearest there are.
fn load(looks: &[Look], from: f64, to: f64) -> Option<Load> {
    let first = looks.iter().rev().find(|l| l.t <= from).or(looks.first())?;
    let last = looks.iter().find(|l| l.t >= to).or(looks.last())?;
    let all = last.all.checked_sub(first.all).filter(|all| *all > 0)? as f64;
    let (low, own) = (last.low.saturating_sub(first.low) as f64, last.own.saturating_sub(first.own) as f64);
    let ran = all - low - last.idle.saturating_sub(first.idle) as f64;
    // What the run does at a low priority itself is its own.
    let (others, spare) = ((ran - own).max(0.0), (own - ran).max(0.0));
    // As many ticks as the processors had, in milliseconds.
    let waited = (last.waited - first.waited) / ((last.t - first.t).max(1.0) * processors_online());
    Some(Load { busy: ran / all, others: others / all, low: (low - spare).max(0.0) / all, waited })
}

fn processors_online() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64)
}

fn look(t: f64, except: &[u32]) -> Option<Look> {
    let own = tree_ticks(std::process::id(), except);
    // A machine of more processors than the set has room for: all of them are looked at.
    let allowed = sched_getaffinity(None).ok();
    let is_allowed = |number| allowed.is_none_or(|allowed| number < CpuSet::MAX_CPU && allowed.is_set(number));
    let [all, idle, low] = processors(&std::fs::read_to_string("/proc/stat").ok()?, is_allowed)?;
    Some(Look { t, all, idle, low, own, waited: 0.0 })
}

/// Ticks of the processors that may be used, together: a container has a few of a large machine's. Of them those in which
/// nothing ran, and those in which what gives way to everything else did (proc(5)).
fn processors(stat: &str, is_allowed: impl Fn(usize) -> bool) -> Option<[u64; 3]> {
    let mut sum = None;
    for line in stat.lines() {
        let Some((name, ticks)) = line.split_once(' ') else { continue };
        let Some(number) = name.strip_prefix("cpu").and_then(|n| n.parse().ok()) else { continue };
        if !is_allowed(number) {
            continue;
        }
        // user nice system idle iowait irq softirq steal; what guests take is within user and nice.
        let ticks: Vec<u64> = ticks.split_whitespace().take(8).filter_map(|t| t.parse().ok()).collect();
        let own = [ticks.iter().sum(), ticks.get(3)? + ticks.get(4)?, *ticks.get(1)?];
        let so_far = sum.unwrap_or([0; 3]);
        sum = Some(std::array::from_fn(|n| so_far[n] + own[n]));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processors_are_read_as_proc_tells_them() {
        let stat = "cpu  300 6 150 2400 60 9 12 66 0 0\ncpu0 100 1 50 800 20 3 4 22 0 0\n\
                    cpu1 100 2 50 800 20 3 4 22 0 0\ncpu10 100 3 50 800 20 3 4 22 0 0\nintr 1 2\n";
        assert_eq!(processors(stat, |_| true), Some([3003, 2460, 6]));
        assert_eq!(processors(stat, |number| number == 0), Some([1000, 820, 1]), "in a container");
        assert_eq!(processors(stat, |number| [1, 2, 3, 10].contains(&number)), Some([2003, 1640, 5]));
        assert_eq!((processors(stat, |_| false), processors("intr 1 2\n", |_| true)), (None, None));
    }

    #[test]
    fn only_others_hold_a_play_up() {
        let looks = |own: u64, others: u64| {
            [0, 1, 2].map(|n| Look {
                t: n as f64 * 1000.0,
                all: n * 200,
                idle: n * (200 - own - others),
                own: n * own,
                ..Look::default()
            })
        };
        let holds_up = |own, others| load(&looks(own, others), 900.0, 1900.0).and_then(Load::holding_up).is_some();
        assert!(holds_up(100, 100) && holds_up(140, 60));
        assert!(!holds_up(200, 0), "its own drawing fills the machine: that is the app");
        assert!(!holds_up(180, 15), "a desktop's background");
        assert!(!holds_up(60, 110), "idle meanwhile: there was room");
        assert_eq!(load(&looks(200, 0)[..1], 0.0, 500.0), None, "one look is no time");
    }

    #[test]
    fn work_of_low_priority_holds_up_only_whom_it_keeps_waiting() {
        // Of 200 ticks a second of two processors so many each; of the threads' waiting so much of all their time.
        let holds_up = |own: u64, low: u64, waited: f64| {
            let looks = [0, 1, 2].map(|n| Look {
                t: n as f64 * 1000.0,
                all: n * 200,
                idle: n * (200 - own - low),
                low: n * low,
                own: n * own,
                waited: n as f64 * waited * 1000.0 * processors_online(),
            });
            load(&looks, 900.0, 1900.0).and_then(Load::holding_up)
        };
        assert!(holds_up(100, 100, 0.0).is_none(), "it gave way");
        assert!(holds_up(100, 100, 0.1).is_none(), "as threads of one browser wait for each other");
        let held = holds_up(100, 100, 0.5).expect("held up");
        assert_eq!((held.busy, held.others, held.low), (1.0, 0.5, 0.5));
        assert!(holds_up(180, 20, 2.0).is_none(), "nobody else took a real part: the app waits for itself");
        assert!(holds_up(60, 100, 0.5).is_none(), "idle meanwhile: there was room");
        // A run that is of low priority itself: all of that is its own.
        let looks =
            [0, 1].map(|n| Look { t: n as f64 * 1000.0, all: n * 200, low: n * 200, own: n * 200, ..Look::default() });
        assert!(load(&looks, 0.0, 1000.0).and_then(Load::holding_up).is_none());
    }

    #[test]
    fn threads_are_asked_only_where_work_of_low_priority_runs() {
        let mut waiting = Waiting::default();
        let look = |n: u64, low: u64| Look { t: n as f64 * 1000.0, all: n * 200, low, ..Look::default() };
        let never = || -> HashMap<u32, u64> { panic!("not asked") };
        assert_eq!(waiting.look(&look(1, 0), never), 0.0);
        assert_eq!(waiting.look(&look(2, 5), never), 0.0);
        assert_eq!(waiting.look(&look(3, 105), || HashMap::from([(7, 900_000_000), (8, 0)])), 0.0, "a first figure");
        let after = HashMap::from([(7, 1_100_000_000), (9, 50_000_000)]);
        assert_eq!(waiting.look(&look(4, 205), || after), 250.0, "one went on, one is new, one has ended");
        assert_eq!(waiting.look(&look(5, 205), never), 250.0);
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
