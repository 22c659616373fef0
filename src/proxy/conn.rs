//! One client's connection: request after request, each passed to its server and back.

use super::Shared;
use super::armed::Rules;
use super::asked::Whose;
use super::authority::Authority;
use super::dial::Server;
use super::plan::Planned;
use super::shaped::shaped;
use super::tap::Carried;
use super::target::Refusal;
use super::told::applied_to;
use super::under_way::Sender;
use super::wire::{self, Buf, In, Out};
use crate::fault::head::{Bad, Head, LONGEST};
use crate::fault::{Action, Cut, Point};
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// What a client's stream is read into, octets: heads mostly.
const BUFFER: usize = 16 * 1024;
/// How long a client may take to close its half after ours: what it sent is read meanwhile, else the kernel would
/// answer it with a reset, which may overtake our last octets.
const LINGER: Duration = Duration::from_secs(2);

/// A server that has said nothing more for so long, while its client waits, has said what nobody asked for.
pub(super) const SAID: Duration = Duration::from_secs(1);

/// A client's connection.
pub(super) struct Conn {
    pub shared: Arc<Shared>,
    /// What was armed when the last request came, and its number: mostly the same for all of them.
    rules: (u64, Arc<Rules>),
    /// What was armed when it came, by number: then it was decided what is to be done with it as a whole.
    came: (u64, u64),
    pub whose: Whose,
    pub input: In,
    pub output: Out,
    /// What came from the client and was not passed on yet.
    pub from: Buf,
    /// The connection to the server of the last request.
    pub server: Option<Server>,
    /// The one server of a tunnel that carries plain HTTP, or HTTPS that is looked into.
    pub tunnel: Option<Arc<Authority>>,
    /// Whom the last request named.
    pub last: Option<Arc<Authority>>,
    /// Heads are written here before they leave: the request's, the response's.
    pub leads: (Vec<u8>, Vec<u8>),
    /// What it carried so far, and what is to be done with it as a whole.
    pub carried: Carried,
    /// Sends what is on its way to the client, where a link is before it.
    pub sender: Option<Sender>,
}

/// What comes after an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next request.
    Again,
    /// FIN.
    Close,
    /// RST.
    Reset,
    /// Nothing any more, and no end.
    Silence,
    /// There is nobody any more.
    Gone,
}

impl Next {
    /// What a client meets whose response ends so before its end.
    pub(super) fn cut(self) -> Option<&'static str> {
        match self {
            Next::Close => Some("close"),
            Next::Reset => Some("reset"),
            Next::Silence => Some("silence"),
            Next::Again | Next::Gone => None,
        }
    }
}

impl From<Cut> for Next {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Fin => Next::Close,
            Cut::Rst => Next::Reset,
            Cut::Silence => Next::Silence,
        }
    }
}

/// What ends the wait for a request.
enum Idle {
    Head(Head),
    Refused(Refusal),
    Over(Next),
}

/// What to do when the client closes its half while something else is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// It may still want the answer.
    GoOn,
    /// It is gone.
    GiveUp,
}

impl Conn {
    pub(super) fn new(shared: &Arc<Shared>, socket: TcpStream, client: IpAddr) -> Self {
        let connection = shared.connections.fetch_add(1, Relaxed) + 1;
        let (input, output) = wire::tcp(socket);
        let rules = (shared.epoch.load(Acquire), shared.rules());
        Self {
            came: (rules.0, rules.1.switched()),
            rules,
            shared: shared.clone(),
            whose: Whose { connection, client },
            input,
            output,
            from: Buf::new(BUFFER),
            server: None,
            tunnel: None,
            last: None,
            leads: (Vec::new(), Vec::new()),
            carried: Carried::default(),
            sender: None,
        }
    }

    /// What is armed now.
    pub(super) fn rules(&mut self) -> &Arc<Rules> {
        let epoch = self.shared.epoch.load(Acquire);
        if self.rules.0 != epoch {
            self.rules = (epoch, self.shared.rules());
        }
        &self.rules.1
    }

    /// Whether faults of connections as a whole were armed since it came. It ends with its response then, so that the
    /// client's next connection meets them.
    fn is_behind(&mut self) -> bool {
        let (came, rules) = (self.came, self.rules());
        let (whole, switched) = (rules.any_whole(), rules.switched());
        whole && came != (self.rules.0, switched)
    }

    /// Serves it to its end.
    pub(super) async fn serve(mut self) {
        let mut next = match self.shape(true) {
            Ok(()) => self.accepted().await,
            Err(next) => next,
        };
        while next == Next::Again {
            next = match self.head().await {
                Idle::Head(head) => self.exchange(head).await,
                Idle::Refused(refusal) => self.refuse(&refusal).await,
                Idle::Over(next) => next,
            };
            if next == Next::Again && self.is_behind() {
                next = Next::Close;
            }
        }
        let sender = self.sender.take();
        match next {
            Next::Again | Next::Gone => drop(self),
            Next::Close => self.close().await,
            Next::Reset => self.reset().await,
            Next::Silence => self.silence().await,
        }
        if let Some(sender) = sender {
            sender.finish().await;
        }
    }

    /// Puts the link before the client's socket, if there is one and it is not there yet.
    pub(super) fn shape(&mut self, fresh: bool) -> Result<(), Next> {
        if self.sender.is_some() || !self.rules().any_link() {
            return Ok(());
        }
        let (In::Tcp(_), Out::Tcp(_)) = (&self.input, &self.output) else { return Ok(()) };
        let In::Tcp(input) = std::mem::take(&mut self.input) else { return Ok(()) };
        let output = std::mem::take(&mut self.output);
        let (input, output, sender) = shaped(&self.shared, self.whose, fresh, input, output).ok_or(Next::Gone)?;
        self.input = In::Shaped(Box::new(input));
        self.output = Out::Shaped(Box::new(output));
        self.sender = Some(sender);
        Ok(())
    }

    /// What is to be done with it as a whole, from the first moment on.
    async fn accepted(&mut self) -> Next {
        let rules = self.shared.rules();
        if !rules.any_whole() {
            return Next::Again;
        }
        let step = self.shared.now.share().step.clone();
        let (now, later): (Vec<Planned>, Vec<Planned>) =
            rules.accept(self.whose, step.as_deref()).into_iter().partition(|p| p.at == Point::Accept);
        self.carried.add(later);
        for step in now {
            applied_to(&self.shared, self.whose.connection, &step);
            if let Err(next) = self.act(&step.action).await {
                return next;
            }
        }
        Next::Again
    }

    /// Does what can be done while nothing is under way.
    pub(super) async fn act(&mut self, action: &Action) -> Result<(), Next> {
        match action {
            Action::Wait(time) => self.alongside(Half::GiveUp, sleep(*time)).await.ok_or(Next::Gone),
            Action::Raw(raw) => self.output.send(raw).await.map_err(|_| Next::Gone),
            Action::Cut(cut) => Err((*cut).into()),
            _ => Ok(()),
        }
    }

    /// The next request's head. What happens to the server's connection meanwhile happens to the client's.
    async fn head(&mut self) -> Idle {
        let mut searched = 0;
        loop {
            // RFC 9112, 2.2: some send an empty line after a body.
            while searched == 0 && self.from.data().starts_with(b"\r\n") {
                self.from.eat(2);
            }
            if is_worth_reading(self.from.data(), &mut searched) {
                match Head::request(self.from.data()) {
                    Ok(Some((head, length))) => {
                        self.from.eat(length);
                        return Idle::Head(head);
                    }
                    Ok(None) => {}
                    Err(bad) => return Idle::Refused(bad.into()),
                }
            }
            if self.from.full() {
                if self.from.data().len() > LONGEST {
                    return Idle::Refused(Bad::TooLarge.into());
                }
                self.from.grow(LONGEST + BUFFER);
            }
            let (from, input, server) = (&mut self.from, &mut self.input, &mut self.server);
            let event = poll_fn(|cx| {
                if let Poll::Ready(read) = from.poll_fill(cx, input) {
                    return Poll::Ready(Ok(read));
                }
                match server {
                    Some(server) => server.buf.poll_fill(cx, &mut server.input).map(Err),
                    None => Poll::Pending,
                }
            });
            match event.await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => return Idle::Over(Next::Gone),
                Err(Ok(0)) => return Idle::Over(Next::Close),
                Err(Ok(_)) => return Idle::Over(self.unasked().await),
                Err(Err(_)) => return Idle::Over(Next::Reset),
            }
        }
    }

    /// The server sends what nobody asked for, such as a 408: the client sees it as it would without us. An empty line
    /// is nothing; old servers send one after a body.
    async fn unasked(&mut self) -> Next {
        let Some(server) = &mut self.server else { return Next::Close };
        let mut client_waits = false;
        loop {
            let data = server.buf.data();
            let nothing = data.len() <= 4 && data.iter().all(|b| b"\r\n".contains(b));
            if self.output.send(data).await.is_err() {
                return Next::Gone;
            }
            server.buf.eat(data.len());
            if nothing {
                return Next::Again;
            }
            // A client that goes on is not kept waiting: what it says next would be answered by what nobody asked for.
            let event = poll_fn(|cx| {
                if !client_waits && !self.from.full() && self.from.poll_fill(cx, &mut self.input).is_ready() {
                    return Poll::Ready(None);
                }
                server.buf.poll_fill(cx, &mut server.input).map(Some)
            });
            let event = match client_waits {
                true => tokio::time::timeout(SAID, event).await.unwrap_or(Some(Ok(0))),
                false => event.await,
            };
            match event {
                None => client_waits = true,
                Some(Ok(1..)) => {}
                Some(Ok(0)) => return Next::Close,
                Some(Err(_)) => return Next::Reset,
            }
        }
    }

    /// Waits for something else, and reads from the client meanwhile: `None` if it went away.
    pub(super) async fn alongside<T>(&mut self, half: Half, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        let mut ended = false;
        poll_fn(|cx| {
            while !ended && !self.from.full() {
                match self.from.poll_fill(cx, &mut self.input) {
                    Poll::Ready(Ok(1..)) => {}
                    Poll::Ready(Ok(0)) if half == Half::GoOn => ended = true,
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(None),
                    Poll::Pending => break,
                }
            }
            work.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// FIN, and what the client still sends is read until it closes as well.
    async fn close(mut self) {
        self.server = None;
        for step in std::mem::take(&mut self.carried.steps).into_iter().filter(|p| p.at == Point::Close) {
            applied_to(&self.shared, self.whose.connection, &step);
            match self.act(&step.action).await {
                Ok(()) => {}
                Err(Next::Reset) => return self.reset().await,
                Err(Next::Silence) => return self.silence().await,
                Err(_) => return,
            }
        }
        if self.output.shutdown().await.is_err() {
            return;
        }
        poll_fn(|cx| self.output.poll_left(cx)).await;
        let _ = tokio::time::timeout(LINGER, self.silence()).await; // long enough either way
    }

    /// RST, once what was sent has arrived: what the kernel still holds would be lost.
    async fn reset(mut self) {
        self.server = None;
        self.output.arrived().await;
        wire::reset(self.input, self.output);
    }

    /// Sends nothing; ends when the client does.
    async fn silence(mut self) {
        if let Some(server) = &mut self.server {
            server.buf.shrink();
        }
        loop {
            self.from.eat(self.from.data().len());
            match self.from.fill(&mut self.input).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
        }
    }
}

/// Whether it is time to read a head: its end came, or a line end that it may not have. `searched` is how much was
/// looked at before. What comes first is mostly all of it: reading it costs less than to look for its end.
pub(super) fn is_worth_reading(data: &[u8], searched: &mut usize) -> bool {
    let from = std::mem::replace(searched, data.len());
    if from == 0 && data.first().is_some_and(|first| *first != b'\r') {
        return true;
    }
    let ends = |at: usize| at == 0 || data[at - 1] != b'\r' || data[..=at].ends_with(b"\r\n\r\n");
    memchr::memchr_iter(b'\n', &data[from..]).any(|at| ends(from + at))
}
