//! The program as a user calls it, without a browser; and records as it leaves them.
#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Calls it, with this history.
pub fn soundcheck(history: &str, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_soundcheck"))
        .args(args)
        .env("SOUNDCHECK_HISTORY", history)
        .env_remove("RUST_LOG")
        .output()
        .expect("soundcheck starts")
}

/// All that it said.
pub fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr)
}

/// A record of `tests/records`, sealed, in a folder of this name.
pub fn record(dir: &Path, name: &str, folder: &str, change: impl Fn(String) -> String) -> PathBuf {
    let of = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records").join(name).join("events.jsonl");
    let text = change(std::fs::read_to_string(of).expect("there"));
    let folder = dir.join(folder);
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("events.jsonl"), soundcheck::event::reseal(&text).expect("seals")).expect("written");
    folder
}
