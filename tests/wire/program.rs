//! `soundcheck proxy` as a process of its own, and what it takes of the machine.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running proxy; it is killed when this is dropped.
pub struct Program {
    pub child: Child,
    pub address: SocketAddr,
    pub control: SocketAddr,
}

impl Program {
    /// Starts it with this profile (TOML), as a reverse proxy to a loopback port. Everything it may write goes below
    /// `folder`.
    pub fn start(folder: &Path, profile: &str, port: u16) -> Self {
        let file = folder.join("profile.toml");
        std::fs::write(&file, profile).expect("written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_soundcheck"))
            .arg("proxy")
            .arg(&file)
            .args(["--to", &format!("http://127.0.0.1:{port}"), "--listen", "127.0.0.1:0", "--json", "--events"])
            .arg(folder.join("events.jsonl"))
            .env("TMPDIR", folder)
            .env("HOME", folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("says where it listens");
        let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        let text = |key: &str| said[key].as_str().unwrap_or_else(|| panic!("no {key}: {line}")).to_owned();
        let control = url::Url::parse(&text("control")).expect("a URL");
        let control = control.socket_addrs(|| None).expect("an address")[0];
        Self { child, address: text("listen").parse().expect("an address"), control }
    }

    /// Memory of the process, octets: what it shares with others counted in part. Unoptimised, the program's own text would
    /// be most of it: there only what it takes while it runs.
    pub fn memory(&self) -> u64 {
        let key = if cfg!(debug_assertions) { "Pss_Anon:" } else { "Pss:" };
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = std::fs::read_to_string(path).expect("it runs");
        let line = text.lines().find_map(|l| l.strip_prefix(key)).expect("a line");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Memory resident, octets, and the most it ever was.
    pub fn resident(&self) -> (u64, u64) {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let of = |key: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(key)).expect("a line");
            line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
        };
        (of("VmRSS:"), of("VmHWM:"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Ended already: fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
