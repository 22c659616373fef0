//! Everything started is ended: however the run ends, within a second no process, folder, socket or X lock is left.
//! `SOUNDCHECK_KILLS=50` in `ci/verify`; a few here.

mod common;

use common::{BROWSERS, Play, SOUNDCHECK};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Processes whose environment or command line names the folder.
fn processes_of(dir: &Path) -> Vec<String> {
    let mark = dir.as_os_str().as_encoded_bytes();
    let holds = |bytes: &[u8]| bytes.windows(mark.len()).any(|w| w == mark);
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let path = entry.path();
        let read = |name: &str| std::fs::read(path.join(name)).unwrap_or_default();
        let line = read("cmdline");
        if path.join("stat").exists() && (holds(&read("environ")) || holds(&line)) {
            found.push(String::from_utf8_lossy(&line).replace('\0', " "));
        }
    }
    found
}

/// X locks whose server is gone.
fn dead_locks() -> Vec<String> {
    let entries = std::fs::read_dir("/tmp").expect("/tmp").flatten();
    let locks = entries.filter(|e| {
        let name = e.file_name().to_string_lossy().into_owned();
        name.starts_with(".X") && name.ends_with("-lock")
    });
    locks
        .filter(|e| {
            let pid = std::fs::read_to_string(e.path()).unwrap_or_default();
            !Path::new("/proc").join(pid.trim()).exists()
        })
        .map(|e| e.path().display().to_string())
        .collect()
}

fn ends_clean(browser: &str, signal: &str, after: Duration) {
    // Short: a Unix socket's path has room for 107 bytes, and the leash then prefers /tmp.
    let tmp = tempfile::Builder::new().prefix("k").tempdir_in("/tmp").expect("a folder");
    let locks = dead_locks();
    let mut play = Play::on_stage(&[]);
    // So that there is an authority of the run's own, too, which a browser's profile trusts.
    play.app = format!("intercept = [\"media.example\"]\n{}", play.app);
    let mut run = Command::new(SOUNDCHECK)
        .env("SOUNDCHECK_HISTORY", "none")
        .arg("run")
        .arg(play.plan(browser))
        .arg("--out")
        .arg(play.out())
        .env("TMPDIR", tmp.path())
        .envs((signal == "PANIC").then_some(("SOUNDCHECK_PANIC", "1")))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("runs");
    if signal != "PANIC" {
        std::thread::sleep(after);
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(run.id().to_string()).status().expect("kill");
        assert!(sent.success(), "the run ended before the signal");
    }
    let status = run.wait().expect("ends");
    let ended = Instant::now();
    let left = loop {
        let dirs: Vec<_> = std::fs::read_dir(tmp.path()).expect("the folder").flatten().map(|e| e.path()).collect();
        let processes = processes_of(tmp.path());
        let new_locks: Vec<_> = dead_locks().into_iter().filter(|l| !locks.contains(l)).collect();
        if dirs.is_empty() && processes.is_empty() && new_locks.is_empty() {
            break None;
        }
        if ended.elapsed() > Duration::from_secs(1) {
            break Some(format!("{dirs:?} {processes:?} {new_locks:?}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(left, None, "{browser}, {signal} after {after:?}: left behind");
    match signal {
        "INT" => assert_eq!(status.code(), Some(130)),
        "TERM" => assert_eq!(status.code(), Some(143)),
        "PANIC" => assert_eq!(status.code(), Some(70)),
        _ => {}
    }
}

#[test]
fn nothing_is_left_after_a_kill_at_a_random_moment() {
    let kills: u32 = std::env::var("SOUNDCHECK_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    // A spread over start-up and play that never repeats a moment: the golden ratio's multiples.
    for browser in BROWSERS {
        for n in 0..kills {
            let share = (f64::from(n) * 0.618_033_988_75).fract();
            ends_clean(browser, "KILL", Duration::from_millis(50 + (share * 4950.0) as u64));
        }
    }
}

#[test]
fn nothing_is_left_after_a_signal_or_a_crash() {
    for browser in BROWSERS {
        for (signal, after) in
            [("INT", 2500), ("TERM", 3500), ("HUP", 1500), ("SEGV", 3000), ("INT", 300), ("PANIC", 0)]
        {
            ends_clean(browser, signal, Duration::from_millis(after));
        }
    }
}
