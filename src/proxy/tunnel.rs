//! CONNECT, and whatever else is passed on without looking into it.

use super::authority::Authority;
use super::conn::{Conn, Next};
use super::dial::Server;
use super::plan::{Plan, Planned};
use super::socket::{self, Frames};
use super::tap::{Flags, Stop, Tap};
use super::told::Told;
use super::wire::{self, Both, Buf, In, Out};
use super::{lock, tls};
use crate::fault::head::{Body, Head};
use crate::fault::{Action, Cut, Point};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::io::AsyncWriteExt;

/// What a tunnel carries, by the client's first octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    /// Too few to tell.
    More,
    /// HTTP in the clear: browsers open one for `ws://`.
    Http,
    /// TLS.
    Tls,
    /// Anything else.
    Other,
}

/// Opens a tunnel and finds out what it carries.
pub(super) async fn connect(conn: &mut Conn, mut told: Told) -> Next {
    if let Err(next) = conn.reach(&mut told, Body::Empty).await {
        return next;
    }
    let head = Head::new("HTTP/1.1 200 Connection established", &[]);
    conn.leads.1.clear();
    head.write(&mut conn.leads.1);
    if conn.output.send(&conn.leads.1).await.is_err() {
        told.ended = "client_gone";
        return Next::Gone;
    }
    told.answered(head);
    let carries = match sniff(conn).await {
        Ok(carries) => carries,
        Err(next) => {
            told.ended = "client_gone";
            return next;
        }
    };
    let within = match carries {
        Carries::Http => Some(false),
        Carries::Tls if conn.shared.intercepts(&told.asked.to.host) => match intercept(conn, &mut told).await {
            Ok(within) => within.then_some(true),
            Err(next) => return next,
        },
        Carries::Tls | Carries::Other | Carries::More => None,
    };
    let Some(tls) = within else {
        // No fault is for what a browser asks for on its own behalf.
        if !told.background() {
            lock(&conn.shared.tunnelled).insert(told.asked.to.name.clone());
        }
        return relay(conn, &mut told, &mut Plan::default()).await;
    };
    let to = Arc::new(Authority::new(told.asked.to.host.clone(), told.asked.to.port, tls));
    if let Some(server) = &mut conn.server {
        server.to = to.clone();
        server.connect = told.connect;
    }
    conn.tunnel = Some(to);
    told.leave_out();
    Next::Again
}

/// Puts itself between client and server within TLS. False: the server's certificate is not to be trusted, and the
/// client shall see that for itself, through a plain tunnel.
async fn intercept(conn: &mut Conn, told: &mut Told) -> Result<bool, Next> {
    let (shared, to) = (conn.shared.clone(), told.asked.to.clone());
    let Some(tls) = &shared.intercept else { return Ok(false) };
    let gone = |told: &mut Told, e: std::io::Error| {
        told.ended = "client_gone";
        told.error = Some(format!("TLS: {e}"));
        Next::Gone
    };
    let Some(server) = &mut conn.server else { return Err(Next::Close) };
    if !server.mapped {
        let both = Both::new(&[], std::mem::take(&mut server.input), std::mem::take(&mut server.output));
        match tls.connect(both, &to.host).await {
            Ok(stream) => (server.input, server.output) = wire::tls(stream.into()),
            Err(e) => {
                let fault = tls::certificate_fault(&e);
                told.error = Some(fault.clone().unwrap_or_else(|| format!("TLS: {e}")));
                conn.server = None;
                if fault.is_none() {
                    told.ended = "upstream_cut";
                    return Err(Next::Close);
                }
                conn.reach(told, Body::Empty).await?;
                return Ok(false);
            }
        }
    }
    let both = Both::new(conn.from.data(), std::mem::take(&mut conn.input), std::mem::take(&mut conn.output));
    conn.from.eat(conn.from.data().len());
    match tls.accept(both, &to.host).await {
        Ok(stream) => (conn.input, conn.output) = wire::tls(stream.into()),
        Err(e) => return Err(gone(told, e)),
    }
    Ok(true)
}

/// What the client begins with; a server that speaks first carries something else.
async fn sniff(conn: &mut Conn) -> Result<Carries, Next> {
    loop {
        match carries(conn.from.data()) {
            Carries::More => {}
            known => return Ok(known),
        }
        let Some(Server { input, buf, .. }) = &mut conn.server else { return Err(Next::Close) };
        let event = poll_fn(|cx| {
            if let Poll::Ready(read) = conn.from.poll_fill(cx, &mut conn.input) {
                return Poll::Ready(Ok(read));
            }
            buf.poll_fill(cx, input).map(Err)
        });
        match event.await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0)) if !conn.from.data().is_empty() => return Ok(Carries::Other),
            Ok(Ok(0) | Err(_)) => return Err(Next::Gone),
            Err(Ok(0)) => return Err(Next::Close),
            Err(Ok(_)) => return Ok(Carries::Other),
            Err(Err(_)) => return Err(Next::Reset),
        }
    }
}

/// A method, a space, and a target: no other protocol begins so.
fn carries(data: &[u8]) -> Carries {
    const LONGEST_METHOD: usize = 20;
    let method = data.iter().take_while(|b| b.is_ascii_uppercase() || **b == b'-').count();
    match data.get(method..) {
        // A handshake record of SSL 3 or later.
        _ if data == [0x16] => Carries::More,
        _ if data.starts_with(&[0x16, 3]) => Carries::Tls,
        _ if method > LONGEST_METHOD => Carries::Other,
        None | Some([]) | Some([b' ']) => Carries::More,
        Some([b' ', b'/' | b'h' | b'*', ..]) if method >= 3 => Carries::Http,
        Some(_) => Carries::Other,
    }
}

/// Passes both ways on until both have ended, or one breaks.
pub(super) async fn relay(conn: &mut Conn, told: &mut Told, plan: &mut Plan) -> Next {
    let Conn { input, output, from, server, carried, .. } = conn;
    let Some(Server { input: server_in, output: server_out, buf, .. }) = server.as_mut() else { return Next::Close };
    let flags = Flags::default();
    let down = Down { input: server_in, buf, tap: Tap::new(output, told, &flags, carried), plan };
    let (ended, next) = both(up(input, from, server_out), down.run(), &flags).await;
    told.ended = ended;
    next
}

/// Runs both ways until it is over: how it ended, and what comes of it.
async fn both(up: impl Future<Output = End>, down: impl Future<Output = End>, flags: &Flags) -> (&'static str, Next) {
    let (mut up, mut down) = (pin!(up), pin!(down));
    let (mut up_over, mut down_over) = (None, None);
    poll_fn(|cx| {
        if up_over.is_none()
            && let Poll::Ready(end) = up.as_mut().poll(cx)
        {
            up_over = Some(end);
            flags.set(Flags::HALF);
        }
        if down_over.is_none()
            && let Poll::Ready(end) = down.as_mut().poll(cx)
        {
            down_over = Some(end);
        }
        Poll::Ready(match (up_over, down_over) {
            (_, Some(End::Cut(cut))) => ("fault", cut.into()),
            (_, Some(End::Read)) => ("upstream_cut", Next::Reset),
            (Some(End::Write), _) => ("upstream_cut", Next::Reset),
            (Some(End::Read), _) | (_, Some(End::Write)) => ("client_gone", Next::Gone),
            _ if flags.given_up() => ("client_gone", Next::Gone),
            (Some(End::Fin), Some(End::Fin)) => ("whole", Next::Close),
            _ => return Poll::Pending,
        })
    })
    .await
}

/// How one way ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Its end was passed on.
    Fin,
    /// The side that is read from broke.
    Read,
    /// The side that is written to broke.
    Write,
    /// A fault ended it.
    Cut(Cut),
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Gone => End::Write,
            Stop::Cut(cut) => End::Cut(cut),
        }
    }
}

/// From the client to the server.
async fn up(input: &mut In, buf: &mut Buf, out: &mut Out) -> End {
    loop {
        if out.send(buf.data()).await.is_err() {
            return End::Write;
        }
        buf.eat(buf.data().len());
        match buf.fill(input).await {
            Ok(1..) => {}
            Ok(0) => {
                let _ = out.shutdown().await; // gone already: the other way will say so
                return End::Fin;
            }
            Err(_) => return End::Read,
        }
    }
}

/// From the server to the client.
struct Down<'a> {
    input: &'a mut In,
    buf: &'a mut Buf,
    tap: Tap<'a>,
    plan: &'a mut Plan,
}

impl Down<'_> {
    async fn run(mut self) -> End {
        let mut messages = self.plan.next_message().map(|_| Messages::default());
        loop {
            let n = self.buf.data().len();
            let sent = match &mut messages {
                Some(messages) => messages.pass(&mut self.tap, self.plan, self.buf.data()).await,
                None => self.tap.send(self.buf.data(), false, true).await,
            };
            if let Err(stop) = sent {
                return stop.into();
            }
            self.buf.eat(n);
            self.tap.told.received += n as u64;
            match self.buf.fill(self.input).await {
                Ok(1..) => {}
                Ok(0) => {
                    let _ = self.tap.out.shutdown().await; // gone already: the other way will say so
                    return End::Fin;
                }
                Err(_) => return End::Read,
            }
        }
    }
}

/// A WebSocket whose messages something is to be done about.
#[derive(Default)]
struct Messages {
    frames: Frames,
    /// Messages up to this number, not included, are left out.
    skipped: u64,
}

impl Messages {
    async fn pass(&mut self, tap: &mut Tap<'_>, plan: &mut Plan, mut octets: &[u8]) -> Result<(), Stop> {
        while !octets.is_empty() {
            let (n, message, begins) = match self.frames.next(octets) {
                socket::Next::More(n) => {
                    octets = &octets[n..];
                    continue;
                }
                socket::Next::Octets(n, message, begins) => (n, message, begins),
            };
            let head = self.frames.take_head();
            if let Some(number) = message.filter(|_| begins) {
                for step in plan.take(|at| matches!(at, Point::Message(n) if n <= number)) {
                    self.act(tap, &step, number).await?;
                }
            }
            if message.is_none_or(|m| m >= self.skipped) {
                // A frame's head may have come in pieces that were held back.
                tap.send(if head.is_empty() { &octets[..n] } else { &head }, false, true).await?;
            }
            octets = &octets[n..];
        }
        Ok(())
    }

    async fn act(&mut self, tap: &mut Tap<'_>, step: &Planned, number: u64) -> Result<(), Stop> {
        tap.told.applied(step);
        match &step.action {
            Action::Wait(time) => tap.wait(*time).await,
            Action::Raw(raw) => tap.put(raw).await?,
            Action::Skip(count) => self.skipped = self.skipped.max(number.saturating_add(*count)),
            Action::Pace { bytes, variation, every } => tap.pace(*bytes, *variation, *every, step.by.draw),
            Action::Cut(cut) => return Err(Stop::Cut(*cut)),
            _ => {}
        }
        Ok(())
    }
}
