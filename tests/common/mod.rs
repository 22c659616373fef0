//! What the real-browser tests share: the program as a user runs it, on the stage with a defect, in a folder of its own.
#![allow(dead_code, reason = "every test binary uses a part of it")]

pub mod people;

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

pub const SOUNDCHECK: &str = env!("CARGO_BIN_EXE_soundcheck");
// Named so that the stage is built before these tests run: the app files start it.
pub const STAGE: &str = env!("CARGO_BIN_EXE_soundcheck-stage");
pub const BROWSERS: [&str; 2] = ["chromium", "firefox"];

/// The browsers of a test that takes long in each: one of them, in turns from test to test, or both where everything is asked
/// for (`SOUNDCHECK_TRUTH=all`, `ci/verify truth`).
pub fn in_turns(turn: usize) -> impl Iterator<Item = &'static str> {
    let all = everything();
    BROWSERS.into_iter().enumerate().filter(move |(place, _)| all || *place == turn).map(|(_, browser)| browser)
}

/// Whether everything is asked for, in both browsers.
pub fn everything() -> bool {
    std::env::var("SOUNDCHECK_TRUTH").is_ok_and(|which| which == "all")
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A play's files in a temporary folder.
pub struct Play {
    pub dir: tempfile::TempDir,
    pub journey: String,
    pub app: String,
    pub extra: String,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
}

/// Opens the player, starts the audio, switches four times. Failures are given up on sooner than in the shipped one.
pub const SWITCHES: &str = r#"
question = "Does every switch put a new picture on the screen?"
[[step]]
do = "open the player"
expect = "the page"
[[step]]
do = "start the audio"
expect = "new picture"
[[step]]
do = "next preset"
times = 4
expect = "new picture"
within = "2s"
give_up = "4s"
"#;

impl Play {
    /// The stage, with these defects.
    pub fn on_stage(defects: &[&str]) -> Self {
        let app = std::fs::read_to_string(root().join("journeys/apps/stage.toml")).expect("the stage's file");
        let with: String = defects.iter().map(|d| format!("\"--defect\", \"{d}\", ")).collect();
        let app = app.replace("\"soundcheck-stage\", ", &format!("\"soundcheck-stage\", {with}"));
        Self {
            dir: tempfile::tempdir().expect("a folder"),
            journey: SWITCHES.to_owned(),
            app,
            extra: String::new(),
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    pub fn journey(mut self, journey: &str) -> Self {
        self.journey =
            std::fs::read_to_string(root().join(format!("journeys/{journey}.toml"))).expect("a shipped journey");
        self
    }

    pub fn plan(&self, browser: &str) -> PathBuf {
        let write = |name: &str, text: &str| std::fs::write(self.dir.path().join(name), text).expect("written");
        write("app.toml", &self.app);
        write("play.toml", &self.journey);
        let plan = format!(
            "question = \"?\"\napp = \"app.toml\"\njourneys = [\"play\"]\nbrowsers = [\"{browser}\"]\n\
             objectives = [\"*\"]\njudge = \"refute\"\n{}",
            self.extra
        );
        write("plan.toml", &plan);
        self.dir.path().join("plan.toml")
    }

    pub fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    /// Runs it; the verdict as JSON, and what the program printed.
    pub fn run(&self, browser: &str) -> (Value, Output) {
        let out = self.out();
        let _ = std::fs::remove_dir_all(&out);
        let done = Command::new(SOUNDCHECK)
            .env("SOUNDCHECK_HISTORY", "none")
            .arg("run")
            .arg(self.plan(browser))
            .args(["--json", "--out"])
            .arg(&out)
            .args(&self.args)
            .envs(self.env.iter().cloned())
            .output()
            .expect("runs");
        (serde_json::from_slice(&done.stdout).unwrap_or(Value::Null), done)
    }

    /// Every event it left.
    pub fn events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.out().join("events.jsonl")).expect("events");
        text.lines().map(|l| serde_json::from_str(l).expect("an event")).collect()
    }
}

/// How the first play ended, and why.
pub fn ending(verdict: &Value) -> (String, String) {
    let play = &verdict["plays"][0];
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    (text(&play["ending"]), text(&play["reason"]))
}

/// A server of HTML: `answer` gives to a request's head, by its lines, a status, more lines of a head, and a body. Its port.
pub fn serve<B: Into<String>>(
    answer: impl Fn(&[String]) -> (&'static str, &'static str, B) + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let lines = BufReader::new(&socket).lines().map_while(Result::ok);
                let (status, more, body) = answer(&lines.take_while(|l| !l.is_empty()).collect::<Vec<_>>());
                let body = body.into();
                let text = format!(
                    "HTTP/1.1 {status}\r\n{more}Content-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                // Who has gone meanwhile needs none.
                let _ = (&socket).write_all(text.as_bytes());
            });
        }
    });
    port
}
