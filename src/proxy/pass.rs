//! A request passed to its server, and the response passed back. Both at once: a server may answer before it has read
//! all, and a client may wait for that.

use super::body::Track;
use super::conn::{Conn, Next, is_worth_reading};
use super::dial::{BUFFER, Server};
use super::target;
use super::told::Told;
use super::wire::{Buf, In, Out};
use crate::fault::head::{Bad, Body, Head, LONGEST};
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::task::Poll;
use tokio::io::AsyncWriteExt;

/// What comes after the response.
pub(super) enum Over {
    Next(Next),
    /// The connection carries something else from now on.
    Upgrade,
}

/// How the response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Down {
    /// Whole, and both connections stay.
    Keep,
    /// Whole, and the connections end.
    Close,
    /// Another protocol follows.
    Upgrade,
    /// The server closed before its end.
    Short,
    /// The server reset the connection.
    Reset,
    /// The client does not read any more.
    Gone,
    /// The request's body is malformed.
    Malformed,
}

/// What the two directions tell each other.
#[derive(Default)]
struct Flags(AtomicU8);

impl Flags {
    /// The request was sent to its end.
    const SENT: u8 = 1;
    /// The client closed its half.
    const HALF: u8 = 2;
    /// The client reset the connection.
    const GONE: u8 = 4;
    /// The request's body broke its framing.
    const MALFORMED: u8 = 8;

    fn set(&self, flag: u8) {
        self.0.fetch_or(flag, Relaxed);
    }

    fn has(&self, flag: u8) -> bool {
        self.0.load(Relaxed) & flag != 0
    }
}

/// Passes a request on and its response back.
pub(super) async fn pass(conn: &mut Conn, told: &mut Told, head: &Head, body: Body) -> Over {
    let Conn { input, output, from, server, leads, .. } = conn;
    let Some(Server { input: server_in, output: server_out, buf, .. }) = server.as_mut() else {
        return Over::Next(Next::Close);
    };
    let (lead, response_lead) = (&mut leads.0, &mut leads.1);
    lead.clear();
    head.write(lead);
    if body != Body::Empty {
        from.grow(BUFFER);
    }
    let keep = target::persists(head, told.asked.minor);
    let flags = Flags::default();
    let mut up = pin!(upload(input, from, server_out, lead, Track::new(body), &flags));
    let mut up_over = false;
    let down = {
        let response = Response { input: server_in, buf, out: output, lead: response_lead, told, keep };
        let mut down = pin!(response.run());
        poll_fn(|cx| {
            if !up_over {
                up_over = up.as_mut().poll(cx).is_ready();
            }
            if flags.has(Flags::GONE) {
                return Poll::Ready(Down::Gone);
            }
            if flags.has(Flags::MALFORMED) {
                return Poll::Ready(Down::Malformed);
            }
            down.as_mut().poll(cx)
        })
        .await
    };
    let (ended, next) = match down {
        Down::Keep if !flags.has(Flags::SENT) => {
            // An early answer: the client may still send what it announced, and the server may read it.
            let next = poll_fn(|cx| {
                if !up_over {
                    up_over = up.as_mut().poll(cx).is_ready();
                }
                if flags.has(Flags::GONE) {
                    return Poll::Ready(Next::Gone);
                }
                if flags.has(Flags::SENT) {
                    return Poll::Ready(Next::Again);
                }
                buf.poll_fill(cx, server_in).map(|_| Next::Close)
            });
            ("whole", next.await)
        }
        Down::Keep => ("whole", Next::Again),
        Down::Close => ("whole", Next::Close),
        Down::Upgrade => return Over::Upgrade,
        Down::Short => ("upstream_cut", Next::Close),
        Down::Reset => ("upstream_cut", Next::Reset),
        Down::Gone => ("client_gone", Next::Gone),
        Down::Malformed => ("client_gone", Next::Close),
    };
    told.ended = ended;
    if flags.has(Flags::HALF) && ended == "upstream_cut" {
        told.ended = "client_gone";
    }
    Over::Next(next)
}

/// Sends the request, then reads ahead, to see when the client closes.
async fn upload(input: &mut In, from: &mut Buf, out: &mut Out, lead: &[u8], mut track: Track, flags: &Flags) {
    let mut lead = lead;
    loop {
        let Ok(taken) = track.take(from.data()) else { return flags.set(Flags::MALFORMED) };
        if out.send_both(lead, &from.data()[..taken.wire]).await.is_err() {
            // What it answered before may still be read.
            break;
        }
        lead = &[];
        from.eat(taken.wire);
        if track.done() {
            flags.set(Flags::SENT);
            break;
        }
        match from.fill(input).await {
            Ok(1..) => {}
            Ok(0) => {
                flags.set(Flags::HALF);
                let _ = out.shutdown().await; // a server that is gone needs no telling
                return;
            }
            Err(_) => return flags.set(Flags::GONE),
        }
    }
    loop {
        if from.full() {
            return pending().await;
        }
        match from.fill(input).await {
            Ok(1..) => {}
            Ok(0) => {
                flags.set(Flags::HALF);
                let _ = out.shutdown().await;
                return;
            }
            Err(_) => return flags.set(Flags::GONE),
        }
    }
}

/// A response on its way.
struct Response<'a> {
    input: &'a mut In,
    buf: &'a mut Buf,
    out: &'a mut Out,
    lead: &'a mut Vec<u8>,
    told: &'a mut Told,
    /// Whether the request lets the connection stay.
    keep: bool,
}

/// What a response begins with.
enum Begun {
    /// A head, what the body's end is told by, and the head's length.
    Head(Head, Body, usize),
    /// Nothing that could be framed: what is wrong.
    Wrong(&'static str),
    Over(Down),
}

impl Response<'_> {
    async fn run(mut self) -> Down {
        let (head, body) = loop {
            let (head, body) = match self.begun().await {
                Begun::Head(head, body, length) => {
                    self.buf.eat(length);
                    (head, body)
                }
                Begun::Wrong(what) => return self.raw(what).await,
                Begun::Over(down) => return down,
            };
            match head.status() {
                Some((101, _)) => {
                    return match self.send_head(&head).await {
                        true => Down::Upgrade,
                        false => Down::Gone,
                    };
                }
                Some((100..200, _)) => {
                    self.lead.clear();
                    head.write(self.lead);
                    if self.out.send(self.lead).await.is_err() {
                        return Down::Gone;
                    }
                }
                _ => break (head, body),
            }
        };
        self.body(head, body).await
    }

    async fn send_head(&mut self, head: &Head) -> bool {
        self.lead.clear();
        head.write(self.lead);
        let sent = self.out.send(self.lead).await.is_ok();
        self.told.answered(head);
        sent
    }

    /// Reads a head, and leaves it in the buffer.
    async fn begun(&mut self) -> Begun {
        const VERSION: &[u8] = b"HTTP/1.";
        let mut searched = 0;
        loop {
            let data = self.buf.data();
            let first = &data[..data.len().min(VERSION.len())];
            if is_worth_reading(data, &mut searched) || !VERSION.starts_with(first) {
                match Head::response(data) {
                    Ok(Some((mut head, length))) => {
                        return match (head.response_body(&self.told.asked.method), target::strip(&mut head)) {
                            (Ok(body), Ok(())) => Begun::Head(head, body, length),
                            (Err(Bad::Malformed(what)), _) | (_, Err(what)) => Begun::Wrong(what),
                            (Err(Bad::TooLarge), _) => Begun::Wrong("a head that is too long"),
                        };
                    }
                    Ok(None) => {}
                    Err(Bad::Malformed(what)) => return Begun::Wrong(what),
                    Err(Bad::TooLarge) => return Begun::Wrong("a head that is too long"),
                }
            }
            if self.buf.full() {
                if data.len() > LONGEST {
                    return Begun::Wrong("a head that is too long");
                }
                self.buf.grow(LONGEST + BUFFER);
            }
            match self.buf.fill(self.input).await {
                Ok(1..) => {}
                Ok(0) if self.buf.data().is_empty() => return Begun::Over(Down::Short),
                Ok(0) => return Begun::Wrong("an end within the head"),
                Err(_) => return Begun::Over(Down::Reset),
            }
        }
    }

    /// Passes on what cannot be framed, to the server's end: the client sees what it would see without us.
    async fn raw(&mut self, what: &str) -> Down {
        self.told.violation(what);
        loop {
            let n = self.buf.data().len();
            if self.out.send(self.buf.data()).await.is_err() {
                return Down::Gone;
            }
            self.buf.eat(n);
            self.told.received += n as u64;
            self.told.sent(n as u64);
            match self.buf.fill(self.input).await {
                Ok(1..) => {}
                Ok(0) => return Down::Close,
                Err(_) => return Down::Reset,
            }
        }
    }

    /// Passes the body on as it is.
    async fn body(&mut self, head: Head, body: Body) -> Down {
        let mut track = Track::new(body);
        self.lead.clear();
        head.write(self.lead);
        let mut lead = self.lead.as_slice();
        loop {
            let Ok(taken) = track.take(self.buf.data()) else {
                if self.out.send(lead).await.is_err() {
                    return Down::Gone;
                }
                if !self.told.is_answered() {
                    self.told.answered(&head);
                }
                return self.raw("chunks that are malformed").await;
            };
            self.told.received += taken.payload;
            if self.out.send_both(lead, &self.buf.data()[..taken.wire]).await.is_err() {
                return Down::Gone;
            }
            if !lead.is_empty() {
                self.told.answered(&head);
                lead = &[];
            }
            self.told.sent(taken.payload);
            self.buf.eat(taken.wire);
            if track.done() {
                break;
            }
            match self.buf.fill(self.input).await {
                Ok(1..) => {}
                Ok(0) if track.until_close() => return Down::Close,
                Ok(0) => return Down::Short,
                Err(_) => return Down::Reset,
            }
        }
        if !self.buf.data().is_empty() {
            return self.raw("octets after the response's end").await;
        }
        let minor = head.status().map_or(0, |(_, minor)| minor);
        if self.keep && target::persists(&head, minor) { Down::Keep } else { Down::Close }
    }
}
