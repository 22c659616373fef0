//! CONNECT, and whatever else is passed on without looking into it.

use super::conn::{Conn, Next};
use super::dial::Server;
use super::plan::Plan;
use super::told::Told;
use super::wire::{Buf, In, Out};
use super::{authority::Authority, lock};
use crate::fault::head::{Body, Head};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use tokio::io::AsyncWriteExt;

/// What a tunnel carries, by the client's first octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    /// Too few to tell.
    More,
    /// HTTP in the clear: browsers open one for `ws://`.
    Http,
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
    told.answered(&head);
    let carries = match sniff(conn).await {
        Ok(carries) => carries,
        Err(next) => {
            told.ended = "client_gone";
            return next;
        }
    };
    if carries == Carries::Http {
        let to = Arc::new(Authority::new(told.asked.to.host.clone(), told.asked.to.port, false));
        if let Some(server) = &mut conn.server {
            server.to = to.clone();
            server.connect = told.connect;
        }
        conn.tunnel = Some(to);
        told.leave_out();
        return Next::Again;
    }
    lock(&conn.shared.tunnelled).insert(told.asked.to.name.clone());
    relay(conn, &mut told, &mut Plan::default()).await
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
        _ if method > LONGEST_METHOD => Carries::Other,
        None | Some([]) | Some([b' ']) => Carries::More,
        Some([b' ', b'/' | b'h' | b'*', ..]) if method >= 3 => Carries::Http,
        Some(_) => Carries::Other,
    }
}

/// Passes both ways on until both have ended, or one breaks.
pub(super) async fn relay(conn: &mut Conn, told: &mut Told, _plan: &mut Plan) -> Next {
    let Conn { input, output, from, server, .. } = conn;
    let Some(Server { input: server_in, output: server_out, buf, .. }) = server.as_mut() else { return Next::Close };
    let (up_count, down_count) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut up = pin!(pump(input, from, server_out, &up_count));
    let mut down = pin!(pump(server_in, buf, output, &down_count));
    let (mut up_over, mut down_over) = (None, None);
    let (ended, next) = poll_fn(|cx| {
        if up_over.is_none()
            && let Poll::Ready(end) = up.as_mut().poll(cx)
        {
            up_over = Some(end);
        }
        if down_over.is_none()
            && let Poll::Ready(end) = down.as_mut().poll(cx)
        {
            down_over = Some(end);
        }
        Poll::Ready(match (up_over, down_over) {
            (_, Some(End::Read)) => ("upstream_cut", Next::Reset),
            (Some(End::Write), _) => ("upstream_cut", Next::Reset),
            (Some(End::Read), _) | (_, Some(End::Write)) => ("client_gone", Next::Gone),
            (Some(End::Fin), Some(End::Fin)) => ("whole", Next::Close),
            _ => return Poll::Pending,
        })
    })
    .await;
    told.ended = ended;
    let down = down_count.load(Relaxed);
    told.received += down;
    told.sent(down);
    next
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
}

async fn pump(input: &mut In, buf: &mut Buf, out: &mut Out, count: &AtomicU64) -> End {
    loop {
        let n = buf.data().len();
        if out.send(buf.data()).await.is_err() {
            return End::Write;
        }
        buf.eat(n);
        count.fetch_add(n as u64, Relaxed);
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
