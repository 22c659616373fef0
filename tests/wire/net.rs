//! Sockets read and written by hand.

use super::Rng;
use super::script::Piece;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Nothing on a loopback takes as long: what does hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);
const LONGEST_HEAD: usize = 1 << 20;

pub fn connect(to: SocketAddr, patience: Duration) -> Result<TcpStream, String> {
    let stream = TcpStream::connect_timeout(&to, patience).map_err(|e| format!("connecting: {e}"))?;
    ready(&stream, patience);
    Ok(stream)
}

/// Accepts with a time limit, which the standard library does not know.
pub fn accept(listener: &TcpListener, patience: Duration) -> Result<TcpStream, String> {
    // SO_RCVTIMEO holds for accept(2) too.
    socket2::SockRef::from(listener).set_read_timeout(Some(patience)).map_err(|e| e.to_string())?;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                ready(&stream, patience);
                return Ok(stream);
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(format!("no connection came: {e}")),
        }
    }
}

fn ready(stream: &TcpStream, patience: Duration) {
    // A socket that is gone already says so at the first read.
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(patience));
    let _ = stream.set_write_timeout(Some(patience));
}

/// Reads heads, then exactly what must follow.
pub struct Reader<S = TcpStream> {
    stream: S,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    /// Octets read so far.
    pub count: u64,
}

impl Reader {
    pub fn new(stream: &TcpStream) -> Self {
        Self::of(stream.try_clone().expect("a handle"))
    }
}

impl<S: Read> Reader<S> {
    pub fn of(stream: S) -> Self {
        Self { stream, buffer: vec![0; 64 << 10], from: 0, to: 0, count: 0 }
    }

    fn more(&mut self) -> Result<usize, String> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        }
        if self.to == self.buffer.len() {
            self.buffer.resize(self.to * 2, 0);
        }
        loop {
            match self.stream.read(&mut self.buffer[self.to..]) {
                Ok(n) => {
                    self.to += n;
                    self.count += n as u64;
                    return Ok(n);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err("nothing came any more".to_owned());
                }
                Err(e) => return Err(format!("reading: {e}")),
            }
        }
    }

    /// A head with its empty line; `None` when the stream ended before its first octet.
    pub fn head(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut searched = 0;
        loop {
            let have = &self.buffer[self.from..self.to];
            let at = have[searched..].windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(at) = at {
                let head = have[..searched + at + 4].to_vec();
                self.from += head.len();
                return Ok(Some(head));
            }
            searched = have.len().saturating_sub(3);
            if have.len() > LONGEST_HEAD {
                return Err("a head without an end".to_owned());
            }
            if self.more()? == 0 {
                return match &self.buffer[self.from..self.to] {
                    [] => Ok(None),
                    have => Err(format!("the stream ended within a head: {:?}", String::from_utf8_lossy(have))),
                };
            }
        }
    }

    /// These octets, and in this order.
    pub fn expect(&mut self, pieces: &[Piece]) -> Result<(), String> {
        let mut offset = 0;
        for piece in pieces {
            let mut must = piece.octets();
            while !must.is_empty() {
                if self.from == self.to && self.more()? == 0 {
                    return Err(format!("the stream ended at octet {offset} of {}", length(pieces)));
                }
                let n = must.len().min(self.to - self.from);
                let came = &self.buffer[self.from..self.from + n];
                if came != &must[..n] {
                    let at = came.iter().zip(must).position(|(a, b)| a != b).unwrap_or(0);
                    let show = |octets: &[u8]| String::from_utf8_lossy(&octets[at..n.min(at + 40)]).into_owned();
                    return Err(format!("octet {} differs: {:?} for {:?}", offset + at, show(came), show(must)));
                }
                self.from += n;
                offset += n;
                must = &must[n..];
            }
        }
        Ok(())
    }

    /// A body in chunks, however they are spelt: its octets, and its trailers' lines.
    pub fn chunks(&mut self) -> Result<(Vec<u8>, Vec<u8>), String> {
        let (mut body, mut trailers) = (Vec::new(), Vec::new());
        loop {
            let line = self.line()?;
            let digits = line.split(|b| !b.is_ascii_hexdigit()).next().unwrap_or_default();
            let size = usize::from_str_radix(&String::from_utf8_lossy(digits), 16);
            let size = size.map_err(|e| format!("{:?} is no chunk's size: {e}", String::from_utf8_lossy(&line)))?;
            let data = if size == 0 { Vec::new() } else { self.some(size)? };
            if data.len() != size {
                return Err(format!("the stream ended within a chunk of {size}"));
            }
            body.extend_from_slice(&data);
            if size == 0 {
                break;
            }
            if !self.line()?.is_empty() {
                return Err("a chunk is longer than its size".to_owned());
            }
        }
        loop {
            match &self.line()?[..] {
                [] => return Ok((body, trailers)),
                line => trailers.extend_from_slice(&[line, b"\n"].concat()),
            }
        }
    }

    /// A line without its CRLF.
    fn line(&mut self) -> Result<Vec<u8>, String> {
        let mut line = Vec::new();
        loop {
            match &self.some(1)?[..] {
                [b'\n'] if line.last() == Some(&b'\r') => {
                    line.pop();
                    return Ok(line);
                }
                [octet] => line.push(*octet),
                _ => return Err("the stream ended within a line".to_owned()),
            }
        }
    }

    /// The first so many of these octets, or up to the stream's end.
    pub fn expect_some(&mut self, pieces: &[Piece], most: usize) -> Result<(), String> {
        let mut left = most;
        for piece in pieces {
            let part = &piece.octets()[..piece.octets().len().min(left)];
            self.expect(&[Piece::Text(part.to_vec())])?;
            left -= part.len();
        }
        Ok(())
    }

    /// So many octets, or fewer if the stream ends before.
    pub fn some(&mut self, most: usize) -> Result<Vec<u8>, String> {
        let mut all = Vec::with_capacity(most);
        while all.len() < most && (self.from < self.to || self.more()? > 0) {
            let n = (most - all.len()).min(self.to - self.from);
            all.extend_from_slice(&self.buffer[self.from..self.from + n]);
            self.from += n;
        }
        Ok(all)
    }

    /// The end, and nothing before it. A reset is no end, unless it is allowed.
    pub fn end(&mut self, reset_too: bool) -> Result<(), String> {
        if self.from < self.to {
            let rest = &self.buffer[self.from..self.to.min(self.from + 80)];
            return Err(format!("{} octets too many: {:?}", self.to - self.from, String::from_utf8_lossy(rest)));
        }
        match self.more() {
            Ok(0) => Ok(()),
            Ok(_) => self.end(reset_too),
            Err(e) if reset_too && e.starts_with("reading") => Ok(()),
            Err(e) => Err(format!("no end came: {e}")),
        }
    }

    /// Whatever comes, to the end or the reset; at most `most` octets.
    pub fn rest(&mut self, most: usize) -> (Vec<u8>, Result<(), String>) {
        let mut all = self.buffer[self.from..self.to].to_vec();
        (self.from, self.to) = (0, 0);
        while all.len() < most {
            match self.more() {
                Ok(0) => return (all, Ok(())),
                Ok(_) => all.extend_from_slice(&self.buffer[self.from..self.to]),
                Err(e) => return (all, Err(e)),
            }
            (self.from, self.to) = (0, 0);
        }
        (all, Ok(()))
    }
}

pub fn length(pieces: &[Piece]) -> usize {
    pieces.iter().map(|p| p.octets().len()).sum()
}

/// Writes in pieces of random sizes: heads torn anywhere, now and then octet by octet.
pub fn write(stream: &TcpStream, octets: &[u8], rng: &mut Rng) -> Result<(), String> {
    let mut left = octets;
    let mut torn = if rng.chance(50) { 0 } else { rng.within(1, 6) };
    if rng.chance(2) {
        torn = 100;
    }
    while torn > 0 && left.len() > 1 {
        let most = if torn >= 20 { 3 } else { left.len() - 1 };
        // Near the front mostly: that is where heads and chunk sizes are.
        let most = if rng.chance(70) { most.min(600) } else { most };
        let (now, later) = left.split_at(rng.within(1, most.min(left.len() - 1)));
        put(stream, now)?;
        if rng.chance(3) {
            std::thread::sleep(Duration::from_millis(1));
        }
        left = later;
        torn -= 1;
    }
    put(stream, left)
}

pub fn put(mut stream: &TcpStream, octets: &[u8]) -> Result<(), String> {
    stream.write_all(octets).map_err(|e| format!("writing: {e}"))
}

pub fn finish(stream: &TcpStream) {
    // Gone already: fine.
    let _ = stream.shutdown(Shutdown::Write);
}

/// Closes with a reset.
pub fn reset(stream: TcpStream) {
    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}
