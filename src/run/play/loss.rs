//! Why a play lost its page, its browser or its WebGL context, or got no answers any more: whatever speaks for a cause
//! outside the app is looked for and recorded. What nothing outside explains is the app's.

use super::OnStage;
use crate::browser::driver::Driver;
use crate::browser::exits::{Exit, How};
use crate::browser::leash::{Life, tail};
use crate::browser::{Kind, procfs};
use crate::event::Origin;
use crate::unit::ms;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a browser that is going down may take to say how its processes ended.
const LAST_WORDS: Duration = Duration::from_millis(1500);
/// A file system with less room than this is full: a browser's caches and profile need more at any moment.
const FULL: u64 = 1 << 20;

/// What a play may lose.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// The browser, or the page's process.
    Page,
    /// A WebGL context.
    Context,
    /// Nothing but the answers: a step failed.
    Answers,
}

impl Lost {
    fn name(self) -> Option<&'static str> {
        match self {
            Lost::Page => Some("page"),
            Lost::Context => Some("webgl context"),
            Lost::Answers => None,
        }
    }
}

/// How often the kernel has killed for want of memory.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) struct OomKills {
    machine: Option<u64>,
    group: Option<u64>,
}

impl OomKills {
    /// So far, on this machine and in our control group.
    pub(super) fn now() -> Self {
        let count = |text: &str| text.lines().find_map(|l| l.strip_prefix("oom_kill "))?.trim().parse().ok();
        let read = |path: String| std::fs::read_to_string(path).ok().and_then(|text| count(&text));
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let group = groups.lines().find_map(|line| {
            let (_, named) = line.split_once(':')?;
            match named.split_once(':')? {
                ("", path) => read(format!("/sys/fs/cgroup{path}/memory.events")),
                (which, path) if which.split(',').any(|c| c == "memory") => {
                    read(format!("/sys/fs/cgroup/memory{path}/memory.oom_control"))
                }
                _ => None,
            }
        });
        Self { machine: read("/proc/vmstat".to_owned()), group }
    }

    /// Whether one came since: of our own group, where that is counted.
    fn more_than(self, before: Self) -> bool {
        match (self.group, before.group) {
            (Some(now), Some(then)) => now > then,
            _ => self.machine > before.machine,
        }
    }
}

impl OnStage<'_> {
    /// Looks for a cause outside the app, and records all that speaks for or against one. The cause in words, if any.
    pub(super) async fn outside(&mut self, lost: Lost, reason: &str, driver: Option<&Driver>) -> Option<String> {
        let driver = driver?; // on another machine nothing of this can be seen
        if lost != Lost::Answers {
            self.last_words(lost, driver).await;
        }
        let ended = |life| match life {
            Ok(Life::Ended(how)) => Some(how),
            _ => None,
        };
        let driver_ended = ended(self.leash.alive(driver.pid).await);
        let display_ended = match &self.shared.own_display {
            Some((leash, display)) => ended(leash.alive(display.pid()).await),
            None => None,
        };
        let exits = self.exits.so_far();
        let page = self.page_ended(&driver.log, &exits);
        let browser = exits.iter().find(|e| e.role == "browser");
        let gpu = gpu_ended(&self.leash.dir().join("profile/chrome_debug.log"), &exits);
        let oom = OomKills::now();
        let out_of_memory = oom.more_than(self.oom_before);
        let full = [self.shared.settings.out.as_path(), self.leash.dir()].into_iter().find(|dir| is_full(dir));
        let stopped = self.stopped();

        let sent = |how: &Option<How>| how.filter(|how| how.from_outside());
        let by_signal = match lost {
            Lost::Page => {
                sent(&page).map(|how| format!("the page's process was ended from outside ({how})")).or_else(|| {
                    sent(&browser.and_then(|b| b.how)).map(|h| format!("the browser was ended from outside ({h})"))
                })
            }
            Lost::Context => sent(&gpu).map(|how| format!("the GPU process was ended from outside ({how})")),
            // The tab that speaks BiDi for Chromium is a process like others: without it nothing is answered.
            Lost::Answers => exits
                .iter()
                .find(|e| self.session.fell_silent() && e.how.is_some_and(How::killed))
                .map(|e| format!("a process of the browser ({}) was ended from outside (signal 9)", e.role)),
        };
        // A browser that ended may take its driver with it (chromedriver follows by signal 11): a driver that crashed is a
        // cause only where the browser did not end before, and none where the browser crashed by itself.
        let crashed = browser.and_then(|b| b.how).is_some_and(How::crashed);
        let place = |role| exits.iter().position(|e: &Exit| e.role == role);
        let followed = place("browser").is_some_and(|b| place("driver").is_none_or(|d| b < d))
            && exits.iter().any(|e| e.role == "driver" && e.how.is_none_or(How::crashed));
        // Memory that ran out ends a process by SIGKILL: one that crashed by itself did not die of it, but for a browser that
        // could not go on without those that did.
        let killed = exits.iter().any(|e| e.how.is_some_and(How::killed));
        let may_be_memory = lost != Lost::Answers && (killed || !crashed) && page.or(gpu).is_none_or(How::killed);
        let cause = driver_ended
            .as_ref()
            .filter(|_| !crashed && !followed)
            .map(|how| format!("the driver ended ({how})"))
            .or_else(|| display_ended.as_ref().map(|how| format!("the display ended ({how})")))
            .or_else(|| (out_of_memory && may_be_memory).then(|| "the kernel killed for want of memory".to_owned()))
            .or(by_signal)
            .or_else(|| full.map(|dir| format!("the disk of {} is full", dir.display())))
            .or_else(|| stopped.first().map(|role| format!("the {role} was stopped by a signal and answers nobody")));
        let now = self.shared.log.now_ms();
        let ended_at = self.lost_at(&driver.log, &exits).map(|at| now - ms(at.elapsed()));
        let at_step = self.watch.step_at(ended_at.unwrap_or(now)).map(str::to_owned);
        if lost != Lost::Answers {
            self.lost.clone_from(&at_step);
        }
        let told = |how: &Option<How>| how.map(|how| how.to_string());
        let exits = exits.iter().map(|e| json!({ "pid": e.pid, "what": e.role, "how": told(&e.how) }));
        let fields = json!({
            "lost": lost.name(), "at_step": at_step, "reason": reason, "outside": cause,
            "page_process": told(&page), "gpu_process": told(&gpu), "browser_process": told(&browser.and_then(|b| b.how)),
            "driver": driver_ended.as_deref().unwrap_or("runs"),
            "driver_said": driver_ended.as_ref().map(|_| tail(&driver.log, 3)),
            "display": display_ended.as_deref().unwrap_or("runs"),
            "oom_kills": { "before": counts(self.oom_before), "after": counts(oom) },
            "disk_full": full.is_some(), "stopped": stopped, "exits": exits.collect::<Vec<Value>>(),
        });
        self.watch.write("loss_examined", Origin::Monitor, now, fields);
        cause
    }

    /// Waits until it is known how the lost process ended, or until nobody will say any more.
    async fn last_words(&self, lost: Lost, driver: &Driver) {
        let deadline = Instant::now() + LAST_WORDS;
        while Instant::now() < deadline {
            let exits = self.exits.so_far();
            let known = match lost {
                Lost::Page => {
                    let ended = |role| exits.iter().any(|e| e.role == role);
                    ended("browser") || ended("driver") || self.page_ended(&driver.log, &exits).is_some()
                }
                _ => gpu_ended(&self.leash.dir().join("profile/chrome_debug.log"), &exits).is_some(),
            };
            if known {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// When the lost process ended, where that was seen before its loss was: Firefox takes half a second to tell, and the
    /// next step may have begun.
    fn lost_at(&self, log: &Path, exits: &[Exit]) -> Option<std::time::Instant> {
        let said = firefox_said(&String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()));
        let is_page = |e: &&Exit| e.role == "tab" && said.iter().any(|(pid, _)| *pid == e.pid);
        exits.iter().find(|e| is_page(e) || e.role == "browser").map(|e| e.at)
    }

    /// How the page's process ended: Chromium tells it, Firefox writes it to its log before it ends itself.
    fn page_ended(&self, log: &Path, exits: &[Exit]) -> Option<How> {
        match self.turn.kind {
            Kind::Chromium => self.session.page_ended(),
            Kind::Firefox => {
                let is_tab = |pid: &u32| exits.iter().any(|e| e.pid == *pid && e.role == "tab");
                let log = std::fs::read(log).unwrap_or_default();
                firefox_said(&String::from_utf8_lossy(&log))
                    .into_iter()
                    // Going down, Firefox ends its helpers by SIGTERM: those are no pages.
                    .find(|(pid, how)| how.killed() || is_tab(pid))
                    .map(|(_, how)| how)
                    .or_else(|| {
                        exits.iter().filter(|e| e.role == "tab").find_map(|e| e.how.filter(|h| *h != How::Code(0)))
                    })
            }
        }
    }

    /// What on the leash was stopped: it looks like a page that hangs, and is none.
    fn stopped(&self) -> Vec<&'static str> {
        let role = |pid: u32| match pid {
            _ if Some(pid) == self.driver => "driver",
            _ if Some(pid) == self.session.facts().browser_pid => "browser",
            _ => "browser's helper",
        };
        let mut stopped: Vec<_> = self.leash.pids().into_iter().filter(|p| procfs::is_stopped(*p)).map(role).collect();
        stopped.dedup();
        stopped
    }
}

fn counts(oom: OomKills) -> Value {
    json!({ "machine": oom.machine, "group": oom.group })
}

fn is_full(dir: &Path) -> bool {
    rustix::fs::statvfs(dir).is_ok_and(|fs| fs.f_bavail.saturating_mul(fs.f_frsize) < FULL)
}

/// How Chromium's GPU process ended, by Chromium's own log, or as the kernel said it.
fn gpu_ended(log: &Path, exits: &[Exit]) -> Option<How> {
    let text = std::fs::read(log).unwrap_or_default();
    let said = String::from_utf8_lossy(&text);
    let (_, said) = said.rsplit_once("GPU process exited unexpectedly: exit_code=").unzip();
    let status = said.and_then(|s| s.lines().next()?.trim().parse().ok());
    let seen = || exits.iter().find(|e| e.role == "gpu-process").and_then(|e| e.how);
    status.map(How::from_status).or_else(seen)
}

/// The content processes that ended by a signal, as Firefox's parent says in its log: pid and how.
fn firefox_said(log: &str) -> Vec<(u32, How)> {
    let of = |line: &str| {
        let (pid, signal) = line.split_once("] WARNING: process ")?.1.split_once(" exited on signal ")?;
        let signal: String = signal.chars().take_while(char::is_ascii_digit).collect();
        Some((pid.parse().ok()?, How::Signal(signal.parse().ok()?)))
    };
    log.lines().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_logs_are_read() {
        let log = "x\n[Parent 6128, IPC I/O Parent] WARNING: process 6364 exited on signal 9: file ipc/a.cc:161\n";
        assert_eq!(firefox_said(log), [(6364, How::Signal(9))]);
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("chrome_debug.log");
        let line = "[1:1:1122/1.5:ERROR:content/browser/gpu/gpu_process_host.cc:1044] GPU process exited unexpectedly: exit_code=9\n";
        std::fs::write(&path, line).expect("written");
        assert_eq!(gpu_ended(&path, &[]), Some(How::Signal(9)));
        std::fs::write(&path, line.replace("=9", "=256")).expect("written");
        assert_eq!(gpu_ended(&path, &[]), Some(How::Code(1)));
        assert_eq!(gpu_ended(&dir.path().join("none"), &[]), None);
    }

    #[test]
    fn a_kill_of_our_own_group_counts_where_it_is_counted() {
        let oom = |machine, group| OomKills { machine, group };
        assert!(oom(Some(1), None).more_than(oom(Some(0), None)));
        assert!(!oom(Some(1), Some(0)).more_than(oom(Some(0), Some(0))), "another's");
        assert!(!OomKills::now().more_than(OomKills::now()));
    }
}
