//! The reaper: a process of its own that starts browsers and drivers, and ends them when the monitor is gone.
//!
//! It is this same program under a hidden subcommand. It outlives `kill -9` of the monitor by holding the read end of
//! a pipe: end of file means that the monitor is gone, however it went. It is one thread, because a parent-death
//! signal fires when the parent *thread* ends, and a thread of a tokio pool may end at any time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{self as proc, Pid, Signal, WaitOptions};
use serde::Deserialize;
use serde_json::{Value, json};

use super::procfs;

/// The file in the leash's directory that lists what was started, one pid a line: the sweep after a crash reads it.
pub(super) const PIDS: &str = "pids";

/// The variable that marks every process of a leash with its directory.
pub(super) const MARK: &str = "SOUNDCHECK_LEASH";

/// What children get from the monitor's own environment. A list of what passes and not of what does not: a CI
/// machine's tokens must not reach a page, and `http_proxy` would send the browser round our proxy.
const PASSED: &[&str] = &["PATH", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "LD_LIBRARY_PATH", "FONTCONFIG_FILE"];
const PASSED_BEGINNINGS: &[&str] = &["LC_", "LIBGL_", "MESA_", "GALLIUM_", "LP_"];

/// One line from the monitor.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    Spawn { argv: Vec<String>, env: BTreeMap<String, String>, log: PathBuf, dir: Option<PathBuf> },
    Alive(u32),
    Kill(u32),
    End,
}

/// The hidden subcommand `leash <dir>`: reads orders from stdin until end of file, then ends everything.
pub fn leash_main(args: &[String]) -> ExitCode {
    let [dir] = args else { return ExitCode::from(70) };
    // A session of its own keeps the terminal's Ctrl-C and hang-up away: it must be the last to go, not the first.
    let _ = proc::setsid();
    let _ = proc::set_child_subreaper(Some(proc::getpid()));
    let _ = std::env::set_current_dir("/");
    let _deaf = deaf();
    let mut reaper = Reaper { dir: PathBuf::from(dir), ended: HashMap::new(), started: HashSet::new() };
    let (stdin, stdout) = (io::stdin().lock(), io::stdout());
    for line in stdin.lines() {
        let Ok(line) = line else { break };
        let answer = match serde_json::from_str(&line) {
            Ok(Order::End) => break,
            Ok(order) => reaper.obey(order),
            Err(e) => json!({"error": format!("not an order: {e}")}),
        };
        let mut out = stdout.lock();
        if writeln!(out, "{answer}").and_then(|()| out.flush()).is_err() {
            break;
        }
    }
    reaper.end();
    ExitCode::SUCCESS
}

/// Catches SIGTERM, SIGINT and SIGHUP and does nothing about them. Caught and not ignored: "ignored" would be
/// inherited through `exec` by every browser. tokio is the one safe way to a handler here; its runtime never runs,
/// has no thread, and only has to live as long as the handlers should.
fn deaf() -> Option<tokio::runtime::Runtime> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().ok()?;
    let entered = runtime.enter();
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        let _ = signal(kind);
    }
    drop(entered);
    Some(runtime)
}

struct Reaper {
    dir: PathBuf,
    started: HashSet<u32>,
    ended: HashMap<u32, String>,
}

impl Reaper {
    fn obey(&mut self, order: Order) -> Value {
        match order {
            Order::Spawn { argv, env, log, dir } => match self.spawn(&argv, &env, &log, dir.as_deref()) {
                Ok(pid) => json!({"pid": pid}),
                Err(e) => json!({"error": e.to_string()}),
            },
            Order::Alive(pid) => {
                // In this order: what ends in between is collected, and how it ended is never lost.
                let runs = procfs::runs(pid);
                self.collect();
                match self.ended.get(&pid) {
                    Some(how) => json!({"alive": false, "status": how}),
                    None => json!({"alive": runs}),
                }
            }
            Order::Kill(pid) => {
                // Only what is ours: a pid from outside is never signalled.
                if procfs::descendants(std::process::id()).contains(&pid) {
                    kill_tree(pid);
                }
                self.collect();
                json!({"killed": pid})
            }
            Order::End => Value::Null,
        }
    }

    /// `own`: the folder of a program that keeps its user's home and environment: the app under test.
    fn spawn(
        &mut self,
        argv: &[String],
        env: &BTreeMap<String, String>,
        log: &Path,
        own: Option<&Path>,
    ) -> io::Result<u32> {
        let out = OpenOptions::new().create(true).append(true).open(log)?;
        let dir = &self.dir;
        // /proc/self/exe is this program even when the file on disk was replaced by a newer build.
        let mut command = Command::new("/proc/self/exe");
        command.arg("leash-exec").arg(std::process::id().to_string()).args(argv).env(MARK, dir);
        if own.is_none() {
            command.env_clear().envs(std::env::vars().filter(|(name, _)| passes(name))).envs(
                ["TMPDIR", "HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", MARK]
                    .map(|name| (name, dir)),
            );
        }
        let child = command
            .envs(env)
            .current_dir(own.unwrap_or(dir))
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()?;
        let pid = child.id();
        self.started.insert(pid);
        let mut list = OpenOptions::new().create(true).append(true).open(dir.join(PIDS))?;
        writeln!(list, "{pid}")?;
        Ok(pid)
    }

    /// Collects zombies: our children, and grandchildren whose parents ended (we are their subreaper). Whether any child
    /// is left, running or not: only the kernel knows it surely. A walk through /proc does not find a process whose
    /// parent ends meanwhile.
    fn collect(&mut self) -> bool {
        loop {
            let (pid, status) = match proc::wait(WaitOptions::NOHANG) {
                Ok(Some(ended)) => ended,
                Ok(None) => return true,
                Err(_) => return false,
            };
            let how = match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => format!("exit {code}"),
                (_, Some(signal)) => format!("signal {signal}"),
                _ => continue,
            };
            self.ended.insert(pid.as_raw_nonzero().get().cast_unsigned(), how);
        }
    }

    /// Ends every descendant, then removes what they left: X locks and the directory.
    fn end(&mut self) {
        let me = std::process::id();
        let deadline = Instant::now() + Duration::from_secs(10);
        // A killed parent hands its children to us: the next round finds them.
        while self.collect() && Instant::now() < deadline {
            procfs::descendants(me).into_iter().for_each(|pid| signal(pid, Signal::KILL));
            sleep(Duration::from_millis(2));
        }
        remove_locks(&self.started);
        // A disk that others keep busy takes its time, and what a killed process had begun to write may still appear.
        while fs::remove_dir_all(&self.dir).is_err() && self.dir.exists() && Instant::now() < deadline {
            sleep(Duration::from_millis(5));
        }
    }
}

fn passes(name: &str) -> bool {
    PASSED.contains(&name) || PASSED_BEGINNINGS.iter().any(|b| name.starts_with(b))
}

/// Sends a signal; a process that is already gone is what was wanted.
pub(super) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = proc::kill_process(pid, signal);
    }
}

/// Kills a process and all its descendants. They are stopped first, so that none starts another meanwhile.
fn kill_tree(root: u32) {
    let mut stopped = HashSet::new();
    loop {
        let fresh: Vec<u32> =
            procfs::descendants(root).into_iter().chain([root]).filter(|p| stopped.insert(*p)).collect();
        if fresh.is_empty() {
            break;
        }
        for pid in fresh {
            signal(pid, Signal::STOP);
        }
    }
    for pid in &stopped {
        signal(*pid, Signal::KILL);
    }
    let deadline = Instant::now() + Duration::from_secs(2);
    while stopped.iter().any(|p| procfs::runs(*p)) && Instant::now() < deadline {
        sleep(Duration::from_millis(2));
    }
}

/// Removes the lock and the socket of X servers that were ours and are dead: a killed Xvfb leaves both, and displays
/// run out. The lock names the pid of its server, so nobody else's is touched.
pub(super) fn remove_locks(ours: &HashSet<u32>) {
    let Ok(entries) = fs::read_dir("/tmp") else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(|n| n.strip_prefix(".X")?.strip_suffix("-lock")) else { continue };
        let owner = fs::read_to_string(entry.path()).ok().and_then(|t| t.trim().parse::<u32>().ok());
        if let Some(pid) = owner
            && ours.contains(&pid)
            && !procfs::runs(pid)
        {
            let _ = fs::remove_file(format!("/tmp/.X11-unix/X{number}"));
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The hidden subcommand `leash-exec <reaper pid> <program> <args>…`: asks the kernel to be killed when the reaper
/// ends, then becomes the program. Exit 127 when it cannot, as a shell would.
pub fn leash_exec_main(args: &[String]) -> ExitCode {
    let [reaper, program, rest @ ..] = args else { return ExitCode::from(70) };
    let armed = proc::set_parent_process_death_signal(Some(Signal::KILL));
    // The reaper may have ended before the line above; then nobody is left to send the signal.
    let parent = proc::getppid().map(|p| p.as_raw_nonzero().get());
    if armed.is_err() || parent != reaper.parse().ok() {
        return ExitCode::from(70);
    }
    let failed = Command::new(program).args(rest).exec();
    eprintln!("{program}: {failed}");
    ExitCode::from(127)
}
