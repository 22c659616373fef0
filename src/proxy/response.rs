//! A response on its way back: as it is, if nothing is to be done about it.

use super::body::Track;
use super::conn::{SAID, is_worth_reading};
use super::dial::BUFFER;
use super::plan::{Plan, is_of_connection};
use super::tap::{Flags, Stop, Tap};
use super::target;
use super::wire::{Buf, In};
use crate::fault::head::{Bad, Body, Head, LONGEST};
use crate::fault::{ContentRange, Cut};
use std::future::poll_fn;
use std::task::Poll;
use tokio::time::sleep;

/// How the response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Down {
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
    /// Whole for the client, but not read to its end: the server's connection cannot stay.
    Left,
    /// A fault ended it.
    Cut(Cut),
}

impl From<Stop> for Down {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Gone => Down::Gone,
            Stop::Cut(cut) => Down::Cut(cut),
        }
    }
}

/// A response on its way.
pub(super) struct Response<'a> {
    pub input: &'a mut In,
    pub buf: &'a mut Buf,
    pub tap: Tap<'a>,
    pub plan: &'a mut Plan,
    pub lead: &'a mut Vec<u8>,
    /// Whether the request lets the connection stay.
    pub keep: bool,
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
    /// Passes it on to its end.
    pub(super) async fn run(mut self) -> Down {
        let (head, body, status) = loop {
            let (head, body) = match self.begun().await {
                Begun::Head(head, body, length) => {
                    self.buf.eat(length);
                    (head, body)
                }
                Begun::Wrong(what) => return self.raw(what).await,
                Begun::Over(down) => return down,
            };
            match head.status() {
                Some((100 | 102..200, _)) => {
                    self.lead.clear();
                    head.write(self.lead);
                    if let Err(stop) = self.tap.put(self.lead).await {
                        return stop.into();
                    }
                }
                status => break (head, body, status),
            }
        };
        if self.plan.fires() {
            self.ask(&head);
        }
        if !self.plan.is_empty() || !self.tap.carried.steps.is_empty() {
            return self.perform(head, body).await;
        }
        if status.is_some_and(|(status, _)| status == 101) {
            self.lead.clear();
            head.write(self.lead);
            self.tap.told.answered(head);
            return self.tap.put(self.lead).await.map_or_else(Down::from, |()| Down::Upgrade);
        }
        self.body(head, body).await
    }

    /// Asks the rules that fire what they want with the response.
    fn ask(&mut self, head: &Head) {
        let asked = &self.tap.told.asked;
        let response = crate::fault::Response {
            status: head.status().map_or(0, |(status, _)| status),
            length: head.content_length().ok().flatten(),
            range: head.get("content-range").and_then(ContentRange::read),
            head,
        };
        self.plan.respond(asked, &response);
        self.tap.carried.add(self.plan.take(is_of_connection));
    }

    /// Reads a head, and leaves it in the buffer.
    async fn begun(&mut self) -> Begun {
        const VERSION: &[u8] = b"HTTP/1.";
        let mut searched = 0;
        loop {
            // What is left of an empty line after the body before.
            while searched == 0 && self.buf.data().starts_with(b"\r\n") {
                if let Err(stop) = self.tap.put(b"\r\n").await {
                    return Begun::Over(stop.into());
                }
                self.buf.eat(2);
            }
            let data = self.buf.data();
            let first = &data[..data.len().min(VERSION.len())];
            if is_worth_reading(data, &mut searched) || !VERSION.starts_with(first) {
                match Head::response(data) {
                    Ok(Some((mut head, length))) => {
                        return match (head.response_body(&self.tap.told.asked.method), target::strip(&mut head)) {
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
    pub(super) async fn raw(&mut self, what: &str) -> Down {
        self.tap.told.violation(what);
        loop {
            let n = self.buf.data().len();
            if let Err(stop) = self.tap.put(self.buf.data()).await {
                return stop.into();
            }
            self.buf.eat(n);
            self.tap.told.received += n as u64;
            self.tap.told.sent(n as u64);
            match self.more().await {
                Some(Ok(1..)) => {}
                Some(Ok(0)) | None => return Down::Close,
                Some(Err(_)) => return Down::Reset,
            }
        }
    }

    /// Whether no more has come than an empty line, as old servers send it after a body.
    fn is_empty_line(&self) -> bool {
        let data = self.buf.data();
        data.len() <= 4 && data.iter().all(|b| b"\r\n".contains(b))
    }

    /// Reads more of what cannot be framed; `None` when the client waits for something else and the server says no more.
    async fn more(&mut self) -> Option<std::io::Result<usize>> {
        let mut patience = None;
        poll_fn(|cx| {
            if let Poll::Ready(read) = self.buf.poll_fill(cx, self.input) {
                return Poll::Ready(Some(read));
            }
            if !self.tap.flags.has(Flags::AHEAD | Flags::HALF) {
                return Poll::Pending;
            }
            patience.get_or_insert_with(|| Box::pin(sleep(SAID))).as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// Passes the body on as it is.
    async fn body(&mut self, head: Head, body: Body) -> Down {
        let mut track = Track::new(body);
        self.lead.clear();
        head.write(self.lead);
        let mut lead = self.lead.as_slice();
        let stays = self.keep && stays(&head);
        let mut head = Some(head);
        loop {
            let Tap { out, told, carried, .. } = &mut self.tap;
            let Ok(taken) = track.take(self.buf.data()) else {
                if out.send(lead).await.is_err() {
                    return Down::Gone;
                }
                if let Some(head) = head {
                    told.answered(head);
                }
                return self.raw("chunks that are malformed").await;
            };
            told.received += taken.payload;
            if out.send_both(lead, &self.buf.data()[..taken.wire]).await.is_err() {
                return Down::Gone;
            }
            carried.sent += (lead.len() + taken.wire) as u64;
            if let Some(head) = head.take() {
                told.answered(head);
                lead = &[];
            }
            told.passes(&self.buf.data()[..taken.wire], taken.payload != taken.wire as u64);
            told.sent(taken.payload);
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
        if !self.buf.data().is_empty() && !self.is_empty_line() {
            return self.raw("octets after the response's end").await;
        }
        if stays { Down::Keep } else { Down::Close }
    }
}

/// Whether a response lets the connection stay.
pub(super) fn stays(head: &Head) -> bool {
    target::persists(head, head.status().map_or(0, |(_, minor)| minor))
}
