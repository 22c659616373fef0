//! However `soundcheck proxy` ends, while streams go through it: no process, no listener and no file of its own is left.

mod wire;

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use wire::Rng;
use wire::program::Program;
use wire::serve::Origin;

const PROFILE: &str = r#"
question = "?"
[[fault]]
do = "bandwidth"
down = "8 Mbit/s"
[[expect]]
outcome = "either"
"#;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder").flatten() {
        match entry.path() {
            path if path.is_dir() => all.extend(files(&path)),
            path => all.push(path),
        }
    }
    all.sort();
    all
}

/// Ends it by a signal while streams are under way; its exit code, or the signal.
fn ends_by(signal: &str, after: Duration) -> (Option<i32>, Option<i32>) {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = Origin::start();
    let mut program = Program::start(folder.path(), PROFILE, origin.port);
    let streams: Vec<TcpStream> = (0..4)
        .map(|n| {
            let stream = wire::net::connect(program.address, wire::net::PATIENCE).expect("connects");
            let path = if n % 2 == 0 { "/endless" } else { "/octets/100000" };
            wire::net::put(&stream, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).expect("asks");
            stream
        })
        .collect();
    std::thread::sleep(after);
    let sent = Command::new("kill").arg(format!("-{signal}")).arg(program.child.id().to_string()).status();
    assert!(sent.expect("kill").success(), "it ended before the signal");
    let begun = Instant::now();
    let ended = loop {
        match program.child.try_wait().expect("waits") {
            Some(ended) => break ended,
            None if begun.elapsed() > Duration::from_secs(5) => panic!("SIG{signal}: it still runs after 5 s"),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    println!("SIG{signal} after {after:?}: ended in {:?}", begun.elapsed());
    for address in [program.address, program.control] {
        assert!(TcpStream::connect(address).is_err(), "SIG{signal}: something listens at {address}");
        // Where streams were cut the port waits for the kernel, as after any server; SO_REUSEADDR is std's default.
        TcpListener::bind(address).unwrap_or_else(|e| panic!("SIG{signal}: {address} is not free: {e}"));
    }
    drop(streams);
    let left = files(folder.path());
    let own = [folder.path().join("events.jsonl"), folder.path().join("profile.toml")];
    assert_eq!(left, own, "SIG{signal}: files were left");
    // Whole events only, up to the moment it ended.
    for event in soundcheck::event::read(&own[0]).expect("opens") {
        event.unwrap_or_else(|e| panic!("SIG{signal}: {e}"));
    }
    (ended.code(), ended.signal())
}

#[test]
fn nothing_is_left_after_an_interrupt() {
    assert_eq!(ends_by("INT", Duration::from_millis(300)), (Some(130), None));
    assert_eq!(ends_by("TERM", Duration::from_millis(300)), (Some(143), None));
}

/// `SOUNDCHECK_KILLS=50` in `ci/verify kills`.
#[test]
fn nothing_is_left_after_a_kill() {
    let mut rng = Rng::new(wire::number("SOUNDCHECK_SEED", 1));
    for _ in 0..wire::number("SOUNDCHECK_KILLS", 5) {
        let after = Duration::from_micros(rng.below(400_000) as u64);
        assert_eq!(ends_by("KILL", after), (None, Some(9)));
    }
}
