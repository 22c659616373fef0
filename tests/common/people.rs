//! `soundcheck proxy` as people start it, a server behind it, and a client by the letter.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that answers `0123456789`, or the part of it from octet 4 on; its address.
pub fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let head: Vec<String> =
                BufReader::new(&socket).lines().map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
            let ranged = head.iter().any(|l| l.eq_ignore_ascii_case("range: bytes=4-"));
            let (status, more, body) = match ranged {
                true => ("206 Partial Content", "Content-Range: bytes 4-9/10\r\n", "456789"),
                false => ("200 OK", "", "0123456789"),
            };
            // The front page is a page: a browser would take a video for a download.
            let page = head.first().is_some_and(|l| l.starts_with("GET / "));
            let kind = if page { "text/html" } else { "video/mp4" };
            let answer = format!(
                "HTTP/1.1 {status}\r\n{more}Content-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = (&socket).write_all(answer.as_bytes());
        }
    });
    address
}

/// One exchange on a connection of its own: status, head in small letters, and body. To `head` only the body's length
/// and `Connection: close` are added.
pub fn exchange(address: SocketAddr, head: &str, body: &str) -> (u16, String, String) {
    let mut socket = TcpStream::connect(address).expect("connects");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    // A server that has heard enough may close before all was sent: its answer counts.
    let _ = write!(socket, "{head}\r\n{length}Connection: close\r\n\r\n{body}");
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.get(9..12).and_then(|s| s.parse().ok()).unwrap_or(0);
    (status, head.to_ascii_lowercase(), body.to_owned())
}

/// Waits until something holds, 10 s at most.
pub fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A `soundcheck proxy` that runs; killed when dropped.
pub struct Running {
    pub child: Child,
    /// The line it began with.
    pub start: Value,
}

impl Running {
    /// Starts it on free ports and waits for its first line.
    pub fn start(args: &[&str]) -> Self {
        let mut child = Command::new(super::SOUNDCHECK)
            .args(["proxy", "--json", "--listen", "127.0.0.1:0"])
            .args(args)
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("reads");
        let start = serde_json::from_str(&line).unwrap_or(Value::Null);
        let mut this = Self { child, start };
        if this.start.is_null() {
            let _ = this.child.kill();
            panic!("no start: {line} {}", this.said());
        }
        this
    }

    pub fn text(&self, key: &str) -> &str {
        self.start[key].as_str().unwrap_or_default()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.text("listen").parse().expect("an address")
    }

    /// Where its control listens.
    pub fn control(&self) -> SocketAddr {
        let url = self.text("control").trim_start_matches("http://");
        url.split('/').next().and_then(|a| a.parse().ok()).expect("an address")
    }

    /// Asks the API, as its page does.
    pub fn ask(&self, request: &str, body: &str) -> (u16, Value) {
        let head =
            format!("{request} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}", self.control(), self.text("token"));
        let (status, _, body) = exchange(self.control(), &head, body);
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// The status of a request through it.
    pub fn get(&self, path: &str) -> u16 {
        exchange(self.address(), &format!("GET {path} HTTP/1.1\r\nHost: {}", self.address()), "").0
    }

    /// Sends it a signal; its exit code, and what it had said on stderr.
    pub fn end(mut self, signal: rustix::process::Signal) -> (Option<i32>, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("sent");
        let ended = self.child.wait().expect("ends");
        (ended.code(), self.said())
    }

    fn said(&mut self) -> String {
        let mut said = String::new();
        let _ = self.child.stderr.as_mut().expect("a pipe").read_to_string(&mut said);
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
