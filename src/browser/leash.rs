//! The leash: whatever is started on it ends with it, also after `kill -9` of the monitor.
//!
//! One leash holds one play: a private directory, which is HOME and TMPDIR of all that runs on it, and a reaper
//! process (`reaper`) that is told through a pipe what to start. When the pipe closes, because the play is
//! over or because the monitor died, the reaper kills every descendant and removes the directory.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Signal, geteuid};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

pub use super::procfs::{memory_pss, tree_ticks, waits};
pub use super::reaper::{leash_exec_main, leash_main};
use super::{procfs, reaper};
use crate::error::{Error, Operator, Result};

const PREFIX: &str = "soundcheck-";
/// A Unix socket's path has 107 bytes at most, and browsers put sockets some 45 deep below their TMPDIR.
const LONGEST_TMP: usize = 30;

/// A program to start on the leash.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The program's path and its arguments.
    pub argv: Vec<String>,
    /// Variables on top of the leash's own (HOME, TMPDIR and the XDG directories).
    pub env: BTreeMap<String, String>,
    /// The file that takes its stdout and stderr.
    pub log: PathBuf,
    /// Where it runs, with the monitor's own home and environment: the app under test. `None`: in the leash's folder,
    /// with a private home and few variables.
    pub own: Option<PathBuf>,
}

/// Whether a program runs, and how it ended if it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Runs,
    /// It ended: "exit 1", "signal 9".
    Ended(String),
}

type Ask = (Value, oneshot::Sender<Result<Value>>);

/// Holds everything that one play started.
#[derive(Debug)]
pub struct Leash {
    dir: PathBuf,
    reaper: Child,
    reaper_pid: u32,
    orders: mpsc::UnboundedSender<Ask>,
}

impl Leash {
    /// Makes the directory and starts the reaper, `exe leash <dir>`; takes some 10 ms. `label` is for people who look
    /// into the temporary directory.
    pub async fn start(exe: &Path, label: &str) -> Result<Leash> {
        let dir = make_dir(label)?;
        let started = Command::new(exe)
            .arg("leash")
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Not the monitor's stderr: whoever reads that to its end would wait for the reaper too.
            .stderr(Stdio::null())
            .spawn();
        let mut reaper = match started {
            Ok(child) => child,
            Err(e) => {
                let _ = fs::remove_dir_all(&dir);
                return Err(Error::operator(format!("starting the reaper {}: {e}", exe.display()))
                    .remedy("check that the soundcheck binary is executable and that processes are left (ulimit -u)"));
            }
        };
        let (Some(stdin), Some(stdout), Some(reaper_pid)) = (reaper.stdin.take(), reaper.stdout.take(), reaper.id())
        else {
            return Err(Error::us("the reaper was started without its pipes"));
        };
        let (orders, asks) = mpsc::unbounded_channel();
        tokio::spawn(talk(stdin, stdout, asks));
        Ok(Leash { dir, reaper, reaper_pid, orders })
    }

    /// The private directory; HOME and TMPDIR of everything on the leash. It goes when the leash ends.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts a program and gives its pid. A program that cannot be executed shows as ended with "exit 127".
    pub async fn spawn(&self, program: Program) -> Result<u32> {
        let Program { argv, env, log, own } = program;
        let answer = self.ask(json!({"spawn": {"argv": argv, "env": env, "log": log, "dir": own}})).await?;
        answer["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).ok_or_else(|| {
            Error::operator(format!("starting {}: {}", argv.join(" "), answer["error"].as_str().unwrap_or("no pid")))
                .remedy("check free disk space, and that processes and file handles are left (ulimit -u, ulimit -n)")
        })
    }

    /// Whether a program started here still runs.
    pub async fn alive(&self, pid: u32) -> Result<Life> {
        let answer = self.ask(json!({"alive": pid})).await?;
        Ok(match answer["alive"].as_bool() {
            Some(true) => Life::Runs,
            _ => Life::Ended(answer["status"].as_str().unwrap_or("gone").to_owned()),
        })
    }

    /// Kills a program started here together with all its descendants, and waits for their end (2 s at most).
    pub async fn kill(&self, pid: u32) -> Result<()> {
        self.ask(json!({"kill": pid})).await.map(drop)
    }

    /// The pids of everything on the leash, for [`memory_pss`] and for tests.
    pub fn pids(&self) -> Vec<u32> {
        procfs::descendants(self.reaper_pid)
    }

    /// The process that everything on the leash descends from.
    pub fn reaper_pid(&self) -> u32 {
        self.reaper_pid
    }

    /// Ends everything and waits until it is gone, 2 s at most; then the reaper goes on alone, and a process that is left is
    /// an error. Dropping the leash does the same without waiting.
    pub async fn end(mut self) -> Result<()> {
        let (answer, _) = oneshot::channel();
        let _ = self.orders.send((json!("end"), answer));
        if let Ok(ended) = timeout(Duration::from_secs(2), self.reaper.wait()).await {
            return ended.map(drop).operator("waiting for the reaper");
        }
        match procfs::descendants(self.reaper_pid) {
            // Only its folders are still being removed: a slow disk says nothing of the play.
            none if none.is_empty() => Ok(()),
            left => Err(Error::operator(format!(
                "after 2 s processes of the browser were still ending: {left:?} (the reaper keeps at it)"
            ))
            .remedy("a process that survives SIGKILL hangs in the kernel: look at its disk or network mount")),
        }
    }

    async fn ask(&self, order: Value) -> Result<Value> {
        let (answer, answered) = oneshot::channel();
        let gone = || {
            Error::operator("the reaper process is gone, and with it everything it had started")
                .remedy("do not kill `soundcheck leash`; if memory ran out, free some (dmesg names the victim)")
        };
        self.orders.send((order, answer)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// Writes each order and reads its answer. A task of its own, so that a caller who gives up half-way cannot leave an
/// answer behind for the next one. It owns the pipe's only write end: when the leash drops, the pipe closes.
async fn talk(mut stdin: ChildStdin, stdout: ChildStdout, mut asks: mpsc::UnboundedReceiver<Ask>) {
    let mut answers = BufReader::new(stdout).lines();
    while let Some((order, answer)) = asks.recv().await {
        if stdin.write_all(format!("{order}\n").as_bytes()).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
        let Ok(Some(line)) = answers.next_line().await else { return };
        let parsed = serde_json::from_str(&line).map_err(|e| Error::us(format!("the reaper answered `{line}`: {e}")));
        let _ = answer.send(parsed);
    }
}

fn tmp() -> PathBuf {
    let tmp = std::env::temp_dir();
    if tmp.as_os_str().len() > LONGEST_TMP { PathBuf::from("/tmp") } else { tmp }
}

fn make_dir(label: &str) -> Result<PathBuf> {
    let pid = std::process::id();
    let start = procfs::start_ticks(pid).unwrap_or_default();
    let label: String = label.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    let mut random = [0; 4];
    getrandom::fill(&mut random).operator("reading random bytes")?;
    let dir = tmp().join(format!("{PREFIX}{pid}-{start}-{label}-{:08x}", u32::from_be_bytes(random)));
    fs::DirBuilder::new().mode(0o700).create(&dir).map_err(|e| {
        Error::operator(format!("making the directory {}: {e}", dir.display()))
            .remedy("free some disk space, or point TMPDIR to a directory that can be written")
    })?;
    Ok(dir)
}

/// The owner, pid and start ticks, that a directory's name gives.
fn owner(name: &str) -> Option<(u32, u64)> {
    let mut parts = name.strip_prefix(PREFIX)?.split('-');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Removes what monitors left behind that were killed together with their reapers: processes, X locks, directories.
/// Gives the number of directories. Call it once, when the monitor starts.
pub fn sweep() -> usize {
    let Ok(entries) = fs::read_dir(tmp()) else { return 0 };
    let mut swept = 0;
    for entry in entries.flatten() {
        let path = entry.path();
        let Some((pid, start)) = entry.file_name().to_str().and_then(owner) else { continue };
        // Only a real directory of our own user: others could have put a link of that name there.
        let ours = fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir() && m.uid() == geteuid().as_raw());
        if !ours || procfs::start_ticks(pid) == Some(start) {
            continue;
        }
        kill_marked(&path);
        let started: HashSet<u32> = fs::read_to_string(path.join(reaper::PIDS))
            .map(|text| text.lines().filter_map(|l| l.parse().ok()).collect())
            .unwrap_or_default();
        reaper::remove_locks(&started);
        swept += usize::from(fs::remove_dir_all(&path).is_ok());
    }
    swept
}

/// Kills what still carries the mark of a directory whose owner is gone.
fn kill_marked(dir: &Path) {
    let mark = format!("{}={}", reaper::MARK, dir.display());
    let marked: Vec<u32> = procfs::pids()
        .into_iter()
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/environ")).is_ok_and(|e| e.split(|b| *b == 0).any(|v| v == mark.as_bytes()))
        })
        .collect();
    for pid in &marked {
        reaper::signal(*pid, Signal::KILL);
    }
    for _ in 0..100 {
        if !marked.iter().any(|p| procfs::runs(*p)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The end of a log file, for error messages: at most `lines` lines.
pub fn tail(log: &Path, lines: usize) -> String {
    let text = fs::read(log).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_names_its_owner() {
        assert_eq!(owner("soundcheck-12-345-play-0a0b0c0d"), Some((12, 345)));
        assert_eq!(owner("soundcheck-12-play"), None);
        assert_eq!(owner("something-12-345"), None);
    }

    #[test]
    fn a_directory_of_a_living_owner_stays_and_is_private() {
        let dir = make_dir("te/st").expect("a directory");
        assert_eq!(fs::metadata(&dir).expect("there").mode() & 0o777, 0o700);
        sweep();
        assert!(dir.exists());
        fs::remove_dir_all(dir).expect("removed");
    }
}
