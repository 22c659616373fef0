//! What `/proc` tells about processes: start times, descendants, memory (Linux, proc(5)).

use std::collections::{HashMap, HashSet};
use std::fs;

use crate::error::{Error, Result};

/// One line of `/proc/<pid>/stat`, as far as it is needed here.
struct Stat {
    state: char,
    parent: u32,
    start: u64,
    /// Processor time of it and of its children that have ended, clock ticks.
    cpu: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name may hold blanks and brackets, so fields are counted from its last bracket.
    let mut fields = text.get(text.rfind(')')? + 2..)?.split(' ');
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let mut cpu = 0;
    let mut times = fields.by_ref().skip(9).take(4);
    times.try_for_each(|t| t.parse::<u64>().ok().map(|t| cpu += t))?;
    let start = fields.nth(4)?.parse().ok()?;
    Some(Stat { state, parent, start, cpu })
}

/// When the process started, in clock ticks since boot; with the pid it names a process for good, because pids are
/// used again and this pair is not. `None` when there is no such process.
pub fn start_ticks(pid: u32) -> Option<u64> {
    stat(pid).map(|s| s.start)
}

/// Whether the process runs; a zombie has ended.
pub fn runs(pid: u32) -> bool {
    stat(pid).is_some_and(|s| !matches!(s.state, 'Z' | 'X'))
}

/// Whether the process was stopped by a signal: it lives, and answers nobody.
pub fn is_stopped(pid: u32) -> bool {
    stat(pid).is_some_and(|s| matches!(s.state, 'T' | 't'))
}

/// The status that `wait` will give for a process that ended and was not collected yet; `None` for any other.
pub fn exit_status(pid: u32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.get(text.rfind(')')? + 2..)?.split_ascii_whitespace();
    let state = fields.next()?;
    // Field 52 of proc(5); the state is field 3.
    fields.nth(48)?.parse().ok().filter(|_| state == "Z")
}

/// The program and its arguments, with blanks between; empty for a process that is gone.
pub fn command_line(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// The processor time it has had, and its children that ended, in clock ticks.
pub fn cpu_ticks(pid: u32) -> u64 {
    stat(pid).map_or(0, |s| s.cpu)
}

/// Every pid in `/proc`.
pub fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}

/// All running descendants of `root`, without `root` itself and without zombies.
///
/// A walk over parents and not over process groups: Firefox's crash helper makes a session of its own.
pub fn descendants(root: u32) -> Vec<u32> {
    tree(root, &[]).into_iter().map(|(pid, _)| pid).collect()
}

/// Processor time of `root` and all below it since they started, those that ended included, in clock ticks; without the
/// trees below `except`.
pub fn tree_ticks(root: u32, except: &[u32]) -> u64 {
    let below: u64 = tree(root, except).into_iter().map(|(_, cpu)| cpu).sum();
    below + cpu_ticks(root)
}

/// For how long each thread of `root` and of all below it has waited for a processor in its life, in nanoseconds, by its
/// id; without the trees below `except`. Empty where the kernel does not tell.
pub fn waits(root: u32, except: &[u32]) -> HashMap<u32, u64> {
    let pids = tree(root, except).into_iter().map(|(pid, _)| pid).chain([root]);
    let threads = pids.filter_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).ok()).flatten().flatten();
    let waited = threads.filter_map(|thread| {
        let id = thread.file_name().to_str()?.parse().ok()?;
        // On the processor, waiting for it, and how often it was: nanoseconds, nanoseconds, a number.
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        Some((id, text.split_whitespace().nth(1)?.parse().ok()?))
    });
    waited.collect()
}

fn tree(root: u32, except: &[u32]) -> Vec<(u32, u64)> {
    let mut children: HashMap<u32, Vec<(u32, u64)>> = HashMap::new();
    for pid in pids() {
        if let Some(s) = stat(pid)
            && !matches!(s.state, 'Z' | 'X')
        {
            children.entry(s.parent).or_default().push((pid, s.cpu));
        }
    }
    let (mut found, mut seen, mut queue) = (Vec::new(), HashSet::from([root]), vec![root]);
    while let Some(parent) = queue.pop() {
        for &(pid, cpu) in children.get(&parent).into_iter().flatten() {
            if !except.contains(&pid) && seen.insert(pid) {
                found.push((pid, cpu));
                queue.push(pid);
            }
        }
    }
    found
}

/// The memory of the processes in bytes, shared pages split among their sharers (PSS of `smaps_rollup`).
///
/// Costs about 50 ms of CPU for a browser of 12 processes, so it is read at marks and never on a timer. Processes
/// that vanish meanwhile count nothing; an error means that none could be read at all.
pub fn memory_pss(pids: &[u32]) -> Result<u64> {
    let (mut bytes, mut read) = (0, 0);
    for pid in pids {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
        if let Some(kib) = pss_kib(&text) {
            bytes += kib * 1024;
            read += 1;
        }
    }
    if read == 0 {
        return Err(Error::operator("no process of the browser could be read in /proc (smaps_rollup)")
            .remedy("run as the user who owns the browser, on Linux 4.14 or newer with /proc mounted"));
    }
    Ok(bytes)
}

fn pss_kib(smaps_rollup: &str) -> Option<u64> {
    smaps_rollup.lines().find_map(|l| l.strip_prefix("Pss:"))?.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found() {
        let me = std::process::id();
        assert!(runs(me) && start_ticks(me).is_some());
        let parent = stat(me).map(|s| s.parent).unwrap_or_default();
        assert!(parent == 0 || descendants(parent).contains(&me));
        assert!(memory_pss(&[me]).is_ok_and(|bytes| bytes > 100_000));
        assert!(memory_pss(&[]).is_err());
    }

    #[test]
    fn pss_is_the_line_of_that_name() {
        assert_eq!(pss_kib("Rss:  900 kB\nPss:                 123 kB\nPss_Anon: 5 kB\n"), Some(123));
        assert_eq!(pss_kib("Rss:  900 kB\n"), None);
    }
}
