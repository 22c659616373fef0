//! An origin whose answers its paths tell: `/octets/N` so many, `/endless` until the client leaves, `/sink` takes a
//! body and answers when it had all.

use super::net;
use super::{BLOCK, block};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The origin; its threads end with their connections.
pub struct Origin {
    pub port: u16,
    /// Octets of request bodies taken.
    pub taken: Arc<AtomicU64>,
    /// Requests that came.
    pub asked: Arc<AtomicU64>,
}

impl Origin {
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let taken = Arc::new(AtomicU64::new(0));
        let asked = Arc::new(AtomicU64::new(0));
        let counts = (taken.clone(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (taken, asked) = counts.clone();
                // A thousand of them: a small stack is enough.
                let small = std::thread::Builder::new().stack_size(256 << 10);
                small.spawn(move || converse(stream, &taken, &asked)).expect("a thread");
            }
        });
        Self { port, taken, asked }
    }
}

/// Serves a connection until its client leaves.
fn converse(mut stream: TcpStream, taken: &AtomicU64, asked: &AtomicU64) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Some(head) = next_head(&mut stream, &mut buffer) {
        asked.fetch_add(1, Ordering::Relaxed);
        let text = String::from_utf8_lossy(&head).into_owned();
        let path = text.split(' ').nth(1).unwrap_or_default();
        let length = field(&text, "content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
        if !take(&mut stream, &mut buffer, length, taken) {
            return;
        }
        let done = match path.split(['/', '?']).collect::<Vec<_>>()[..] {
            ["", "octets", n, ..] => octets(&stream, &text, n.parse().unwrap_or(0)),
            ["", "empty", ..] => net::put(&stream, EMPTY),
            ["", "endless", ..] => endless(&mut stream),
            _ => net::put(&stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        };
        if done.is_err() {
            return;
        }
    }
}

/// What makes Firefox ask again and again.
const EMPTY: &[u8] = b"HTTP/1.1 206 Partial Content\r\nContent-Type: video/mp4\r\nAccept-Ranges: bytes\r\n\
                       Content-Range: bytes 0-99/100\r\nContent-Length: 0\r\n\r\n";

fn octets(stream: &TcpStream, head: &str, all: usize) -> Result<(), String> {
    let range = field(head, "range").and_then(|r| {
        let (from, to) = r.strip_prefix("bytes=")?.split_once('-')?;
        let from: usize = from.parse().ok()?;
        Some((from, to.parse::<usize>().map_or(all, |to| (to + 1).min(all))))
    });
    let (from, to) = range.unwrap_or((0, all));
    let mut answer = match range {
        Some(_) => format!("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{all}\r\n", to - 1),
        None => "HTTP/1.1 200 OK\r\n".to_owned(),
    };
    answer += &format!("Accept-Ranges: bytes\r\nContent-Type: video/mp4\r\nContent-Length: {}\r\n\r\n", to - from);
    net::put(stream, answer.as_bytes())?;
    let mut at = from;
    while at < to {
        // The block over and over: octet n is always the same.
        let part = &block()[at % BLOCK..][..(to - at).min(BLOCK - at % BLOCK).min(1 << 18)];
        net::put(stream, part)?;
        at += part.len();
    }
    Ok(())
}

fn endless(stream: &mut TcpStream) -> Result<(), String> {
    net::put(stream, b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n")?;
    while stream.write_all(&block()[..1 << 18]).is_ok() {}
    Err("the client left".to_owned())
}

fn take(stream: &mut TcpStream, buffer: &mut Vec<u8>, length: usize, taken: &AtomicU64) -> bool {
    let at_hand = buffer.len().min(length);
    buffer.drain(..at_hand);
    taken.fetch_add(at_hand as u64, Ordering::Relaxed);
    let (mut left, mut part) = (length - at_hand, vec![0; 1 << 16]);
    while left > 0 {
        let most = part.len().min(left);
        match stream.read(&mut part[..most]) {
            Ok(0) | Err(_) => return false,
            Ok(n) => {
                taken.fetch_add(n as u64, Ordering::Relaxed);
                left -= n;
            }
        }
    }
    true
}

fn next_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            return Some(buffer.drain(..at + 4).collect());
        }
        let mut part = [0; 4096];
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return None,
            Ok(n) => buffer.extend_from_slice(&part[..n]),
        }
    }
}

/// A field's value.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().skip(1).filter_map(|l| l.split_once(':'));
    lines.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim())
}
