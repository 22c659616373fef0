//! The two ends of `ci/bench proxy`: an origin and a load generator on epoll, one thread each, so that what is measured
//! is what lies between them. And the least that can lie there: a relay that reads no head. Not part of what is installed.
//!
//!     wire origin                          prints `wire: listening on 127.0.0.1:PORT`
//!     wire relay ADDRESS [LOG]             the same; octets are passed on unread, by a thread for each processor. With LOG
//!                                          a line as long as an event is written for each answer
//!     wire load ADDRESS PATH CONNECTIONS SECONDS
//!                                          prints a line of JSON: requests and octets counted, requests in
//!                                          all, seconds counted, latencies in us

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Octets of `/small` and `/large`.
const SMALL: usize = 1000;
const LARGE: usize = 8_000_000;
/// What is not counted at a load's beginning.
const WARM_UP: Duration = Duration::from_millis(200);
/// A load goes on until it has so many latencies, but no longer than so.
const ENOUGH: usize = 10;
const PATIENCE: Duration = Duration::from_secs(15);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["origin"] => origin(),
        ["relay", to] | ["relay", to, _] => to.parse().map_or_else(|_| usage(), |to| relay(to, words.get(2).copied())),
        ["load", to, path, connections, seconds] => match (to.parse(), connections.parse(), seconds.parse()) {
            (Ok(to), Ok(connections), Ok(seconds)) => load(to, path, connections, seconds),
            _ => usage(),
        },
        _ => usage(),
    };
    if let Err(e) = done {
        eprintln!("wire: {e}");
        std::process::exit(1);
    }
}

fn usage() -> Result<()> {
    Err(std::io::Error::other("usage: wire origin | relay ADDRESS [LOG] | load ADDRESS PATH CONNECTIONS SECONDS"))
}

/// Sockets and who is ready.
struct Poll {
    epoll: OwnedFd,
    ready: Vec<Event>,
}

impl Poll {
    fn new() -> Result<Self> {
        Ok(Self::of(epoll::create(CreateFlags::CLOEXEC)?))
    }

    fn of(epoll: OwnedFd) -> Self {
        Self { epoll, ready: Vec::with_capacity(256) }
    }

    fn add(&self, stream: &TcpStream, key: u64) -> Result<()> {
        add(&self.epoll, stream, key)
    }

    fn wait(&mut self) -> Result<Vec<u64>> {
        self.ready.clear();
        epoll::wait(&self.epoll, spare_capacity(&mut self.ready), None)?;
        Ok(self.ready.iter().map(|e| e.data.u64()).collect())
    }
}

/// Told once for every change: whoever is told reads and writes until nothing more goes.
fn add(epoll: &OwnedFd, stream: &TcpStream, key: u64) -> Result<()> {
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
    Ok(epoll::add(epoll, stream, EventData::new_u64(key), flags)?)
}

/// What a read or a write came to.
enum Went {
    Octets(usize),
    Later,
    Gone,
}

fn went(done: Result<usize>) -> Went {
    match done {
        Ok(0) => Went::Gone,
        Ok(n) => Went::Octets(n),
        Err(e) if e.kind() == ErrorKind::WouldBlock => Went::Later,
        Err(e) if e.kind() == ErrorKind::Interrupted => Went::Octets(0),
        Err(_) => Went::Gone,
    }
}

/// A client of the origin: what came, what is to be sent.
struct Served {
    stream: TcpStream,
    came: Vec<u8>,
    answers: Vec<(usize, usize)>,
}

fn origin() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("wire: listening on {}", listener.local_addr()?);
    listener.set_nonblocking(true)?;
    let answers = [SMALL, LARGE].map(|length| {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n");
        [head.into_bytes(), vec![b'x'; length]].concat()
    });
    let mut poll = Poll::new()?;
    epoll::add(&poll.epoll, &listener, EventData::new_u64(0), EventFlags::IN)?;
    let (mut clients, mut next) = (HashMap::new(), 1);
    let mut buffer = vec![0; 64 << 10];
    loop {
        for key in poll.wait()? {
            if key == 0 {
                while let Ok((stream, _)) = listener.accept() {
                    poll.add(&stream, next)?;
                    clients.insert(next, Served { stream, came: Vec::new(), answers: Vec::new() });
                    next += 1;
                }
            } else if clients.get_mut(&key).is_some_and(|client| !serve(client, &answers, &mut buffer)) {
                clients.remove(&key);
            }
        }
    }
}

/// Reads and writes all that goes; false when the client is gone.
fn serve(client: &mut Served, answers: &[Vec<u8>; 2], buffer: &mut [u8]) -> bool {
    loop {
        match went(client.stream.read(buffer)) {
            Went::Octets(n) => client.came.extend_from_slice(&buffer[..n]),
            Went::Later => break,
            Went::Gone => return false,
        }
    }
    while let Some(end) = client.came.windows(4).position(|w| w == b"\r\n\r\n") {
        let which = usize::from(client.came[..end].windows(6).any(|w| w == b"/large"));
        client.answers.push((which, 0));
        client.came.drain(..end + 4);
    }
    while let Some((which, at)) = client.answers.first_mut() {
        match went(client.stream.write(&answers[*which][*at..])) {
            Went::Octets(n) => *at += n,
            Went::Later => break,
            Went::Gone => return false,
        }
        if *at == answers[*which].len() {
            client.answers.remove(0);
        }
    }
    true
}

/// One of a relay's two sockets, and what came from the other and did not go yet.
struct End {
    stream: TcpStream,
    waits: Vec<u8>,
}

/// What a relay writes for each answer: as many octets as an event has.
const LINE: usize = 800;
/// Lines are written so many octets at a time.
const LINES: usize = 64 << 10;

fn relay(to: SocketAddr, log: Option<&str>) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("wire: listening on {}", listener.local_addr()?);
    let log = log.map(|path| std::fs::File::options().create(true).append(true).open(path)).transpose()?;
    let threads = std::thread::available_parallelism()?.get();
    let mut workers = Vec::new();
    for _ in 0..threads {
        let (epoll, pairs) = (epoll::create(CreateFlags::CLOEXEC)?, Arc::new(Mutex::new(HashMap::new())));
        let log = log.as_ref().map(|file| file.try_clone()).transpose()?;
        workers.push((epoll.try_clone()?, pairs.clone()));
        std::thread::spawn(move || pass_on(Poll::of(epoll), &pairs, log));
    }
    for key in 0.. {
        let ends = [listener.accept()?.0, TcpStream::connect(to)?].map(|stream| End { stream, waits: Vec::new() });
        let (epoll, pairs) = &workers[key as usize % threads];
        let added = [ends[0].stream.try_clone()?, ends[1].stream.try_clone()?];
        pairs.lock().map_err(|_| std::io::Error::other("a thread panicked"))?.insert(key, ends);
        for (side, stream) in added.iter().enumerate() {
            add(epoll, stream, key * 2 + side as u64)?;
        }
    }
    Ok(())
}

/// Passes on what comes on the pairs of one thread, for ever.
fn pass_on(mut poll: Poll, pairs: &Mutex<HashMap<u64, [End; 2]>>, mut log: Option<std::fs::File>) -> Result<()> {
    let (mut buffer, line, mut lines) = (vec![0; 256 << 10], [b'x'; LINE], Vec::new());
    loop {
        for key in poll.wait()? {
            let mut pairs = pairs.lock().map_err(|_| std::io::Error::other("a thread panicked"))?;
            let Some([client, server]) = pairs.get_mut(&(key / 2)) else { continue };
            // Whichever is ready: there may be something to read from it, and room for what waited for it and stopped the other.
            let (from, to) = if key % 2 == 0 { (client, server) } else { (server, client) };
            let went_on = from.waits.is_empty() || moved(to, from, &mut buffer);
            if !(went_on && moved(from, to, &mut buffer)) {
                pairs.remove(&(key / 2));
                continue;
            }
            if let (Some(log), 1, true) = (&mut log, key % 2, buffer.starts_with(b"HTTP/1.1 ")) {
                buffer[0] = 0; // counted
                lines.extend_from_slice(&line);
                if lines.len() >= LINES {
                    log.write_all(&lines)?;
                    lines.clear();
                }
            }
        }
    }
}

/// Moves what waits and what comes, until no more goes; false when one of them is gone.
fn moved(from: &mut End, to: &mut End, buffer: &mut [u8]) -> bool {
    loop {
        while !to.waits.is_empty() {
            match went(to.stream.write(&to.waits)) {
                Went::Octets(n) => drop(to.waits.drain(..n)),
                Went::Later => return true,
                Went::Gone => return false,
            }
        }
        let n = match went(from.stream.read(buffer)) {
            Went::Octets(n) => n,
            Went::Later => return true,
            Went::Gone => return false,
        };
        let sent = match went(to.stream.write(&buffer[..n])) {
            Went::Octets(sent) => sent,
            Went::Later => 0,
            Went::Gone => return false,
        };
        to.waits.extend_from_slice(&buffer[sent..n]);
        if sent == n && n < buffer.len() {
            return true; // there was no more; what comes is told
        }
    }
}

/// A request under way.
struct Asking {
    stream: TcpStream,
    begun: Instant,
    head: Vec<u8>,
    /// Octets of the body still to come, once the head has come.
    left: Option<usize>,
}

fn load(to: SocketAddr, path: &str, connections: u64, seconds: f64) -> Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: wire\r\nAccept: */*\r\n\r\n");
    let mut poll = Poll::new()?;
    let mut asking = Vec::new();
    for key in 0..connections {
        let stream = TcpStream::connect(to)?;
        poll.add(&stream, key)?;
        asking.push(Asking { stream, begun: Instant::now(), head: Vec::new(), left: None });
    }
    for one in &mut asking {
        one.begun = Instant::now();
        one.stream.write_all(request.as_bytes())?;
    }
    let (start, mut times, mut octets, mut all) = (Instant::now(), Vec::new(), 0, 0);
    let mut buffer = vec![0; 256 << 10];
    let end = start + WARM_UP + Duration::from_secs_f64(seconds);
    let counted = start + WARM_UP;
    while Instant::now() < end || (times.len() < ENOUGH && start.elapsed() < PATIENCE) {
        for key in poll.wait()? {
            let one = &mut asking[key as usize];
            loop {
                let n = match went(one.stream.read(&mut buffer)) {
                    Went::Octets(n) => n,
                    Went::Later => break,
                    Went::Gone => return Err(std::io::Error::other("the server closed the connection")),
                };
                let now = Instant::now();
                if now >= counted {
                    octets += n as u64;
                }
                if one.take(&buffer[..n])? {
                    all += 1;
                    if one.begun >= counted {
                        times.push(now.duration_since(one.begun));
                    }
                    one.left = None;
                    one.begun = Instant::now();
                    one.stream.write_all(request.as_bytes())?;
                }
            }
        }
    }
    let lasted = counted.elapsed().as_secs_f64();
    times.sort();
    let Some(most) = times.len().checked_sub(1) else {
        return Err(std::io::Error::other("not one request was answered"));
    };
    let at = |share: f64| times[(most as f64 * share) as usize].as_secs_f64() * 1e6;
    let (p50, p90, p99) = (at(0.5), at(0.9), at(0.99));
    let requests = times.len();
    println!(
        "{{\"requests\":{requests},\"all\":{all},\"octets\":{octets},\"seconds\":{lasted:.4},\
         \"p50\":{p50:.1},\"p90\":{p90:.1},\"p99\":{p99:.1}}}"
    );
    Ok(())
}

impl Asking {
    /// Takes what came; whether the response is whole with it.
    fn take(&mut self, came: &[u8]) -> Result<bool> {
        let wrong = |what: &str| Err(std::io::Error::other(what.to_owned()));
        let mut body = came.len();
        if self.left.is_none() {
            self.head.extend_from_slice(came);
            let Some(end) = self.head.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(false) };
            let text = String::from_utf8_lossy(&self.head[..end]).to_ascii_lowercase();
            if !text.starts_with("http/1.1 200") {
                return wrong(&text);
            }
            let length =
                text.lines().find_map(|l| l.strip_prefix("content-length:")).and_then(|n| n.trim().parse().ok());
            let Some(length) = length else { return wrong("a response without a length") };
            self.left = Some(length);
            body = self.head.len() - end - 4;
            self.head.clear();
        }
        match self.left.unwrap_or(0).checked_sub(body) {
            Some(left) => {
                self.left = Some(left);
                Ok(left == 0)
            }
            None => wrong("more came than was asked for"),
        }
    }
}
