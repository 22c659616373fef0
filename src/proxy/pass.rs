//! A request passed to its server, and the response passed back. Both at once: a server may answer before it has read
//! all, and a client may wait for that.

use super::body::Track;
use super::conn::{Conn, Next};
use super::dial::{BUFFER, Server};
use super::lock;
use super::plan::Plan;
use super::response::{Down, Response};
use super::said::Said;
use super::tap::{Flags, Tap};
use super::told::Told;
use super::wire::{Buf, In, Out};
use crate::fault::Cut;
use crate::fault::head::Body;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;
use tokio::io::AsyncWriteExt;

/// What comes after the response.
pub(super) enum Over {
    Next(Next),
    /// The connection carries something else from now on.
    Upgrade,
}

/// Passes a request on and its response back: the head as it leaves, and whether it lets the connection stay.
pub(super) async fn pass(
    conn: &mut Conn,
    told: &mut Told,
    plan: &mut Plan,
    (lead, keep): (&[u8], bool),
    body: Body,
) -> Over {
    let Conn { input, output, from, server, leads, carried, .. } = conn;
    let Some(Server { input: server_in, output: server_out, buf, .. }) = server.as_mut() else {
        return Over::Next(Next::Close);
    };
    let response_lead = &mut leads.1;
    if body != Body::Empty {
        from.grow(BUFFER);
    }
    let flags = Flags::default();
    let said = told.said.clone();
    let down = {
        let mut up = pin!(upload(input, from, server_out, lead, Track::new(body), said.as_deref(), &flags));
        let mut up_over = false;
        let down = {
            let tap = Tap::new(output, told, &flags, carried);
            let response = Response { input: &mut *server_in, buf: &mut *buf, tap, plan, lead: response_lead, keep };
            let mut down = pin!(response.run());
            poll_fn(|cx| {
                // Mostly the rest of the response is there, and what the client says by now is the next request's.
                let mut over = None;
                if flags.has(Flags::SENT)
                    && let Poll::Ready(down) = down.as_mut().poll(cx)
                {
                    if down == Down::Keep {
                        return Poll::Ready(down);
                    }
                    over = Some(down);
                }
                if !up_over {
                    up_over = up.as_mut().poll(cx).is_ready();
                }
                if flags.has(Flags::MALFORMED) {
                    return Poll::Ready(Down::Malformed);
                }
                if let Some(down) = over {
                    return Poll::Ready(down);
                }
                match down.as_mut().poll(cx) {
                    Poll::Pending if flags.given_up() => Poll::Ready(Down::Gone),
                    polled => polled,
                }
            })
            .await
        };
        if down != Down::Keep || flags.has(Flags::SENT) {
            down
        } else {
            // An early answer: the client may still send what it announced, and the server may read it.
            poll_fn(|cx| {
                if !up_over {
                    up_over = up.as_mut().poll(cx).is_ready();
                }
                if flags.has(Flags::GONE) || flags.has(Flags::MALFORMED) {
                    return Poll::Ready(Down::Close);
                }
                if flags.has(Flags::SENT) {
                    return Poll::Ready(Down::Keep);
                }
                buf.poll_fill(cx, server_in).map(|_| Down::Close)
            })
            .await
        }
    };
    let (ended, next) = match down {
        Down::Keep => ("whole", Next::Again),
        Down::Close => ("whole", Next::Close),
        Down::Upgrade => return Over::Upgrade,
        Down::Short => ("upstream_cut", Next::Close),
        Down::Reset => ("upstream_cut", Next::Reset),
        Down::Gone => ("client_gone", Next::Gone),
        Down::Malformed => ("client_gone", Next::Close),
        Down::Left if flags.has(Flags::SENT) => ("whole", Next::Again),
        Down::Left => ("whole", Next::Close),
        Down::Cut(Cut::Fin) => ("fault", Next::Close),
        Down::Cut(Cut::Rst) => ("fault", Next::Reset),
        Down::Cut(Cut::Silence) => ("fault", Next::Silence),
    };
    if matches!(down, Down::Left | Down::Cut(Cut::Fin | Cut::Rst)) {
        conn.server = None;
    }
    told.ended = ended;
    if flags.has(Flags::HALF) && ended == "upstream_cut" {
        told.ended = "client_gone";
    }
    if matches!(told.ended, "upstream_cut" | "fault") {
        told.cut = next.cut();
    }
    Over::Next(next)
}

/// Sends the request, then reads ahead, to see when the client closes.
async fn upload(
    input: &mut In,
    from: &mut Buf,
    out: &mut Out,
    lead: &[u8],
    mut track: Track,
    said: Option<&Mutex<Said>>,
    flags: &Flags,
) {
    let mut lead = lead;
    loop {
        let Ok(taken) = track.take(from.data()) else { return flags.set(Flags::MALFORMED) };
        if let Some(said) = said {
            lock(said).passes(&from.data()[..taken.wire]);
        }
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
            Ok(1..) => flags.set(Flags::AHEAD),
            Ok(0) => {
                flags.set(Flags::HALF);
                let _ = out.shutdown().await;
                return;
            }
            Err(_) => return flags.set(Flags::GONE),
        }
    }
}
