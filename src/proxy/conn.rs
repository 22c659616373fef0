//! One client's connection: request after request, each passed to its server and back.

use super::answer;
use super::armed::{Asked, Whose};
use super::authority::Authority;
use super::dial::{Failed, Server, dial};
use super::files::Served;
use super::pass;
use super::plan::{Plan, Planned, is_of_connection};
use super::shaped::{Sender, shaped};
use super::storm::{Storm, Storms};
use super::tap::{Carried, Flags, Stop, Tap};
use super::target::{self, Only, Refusal};
use super::told::{Told, applied_to};
use super::wire::{self, Buf, In, Out};
use super::{Shared, tunnel};
use crate::event::Origin;
use crate::fault::head::{Bad, Body, Head, LONGEST};
use crate::fault::{Action, Answer, Cut, Point};
use serde_json::json;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};

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
    last: Option<Arc<Authority>>,
    /// Heads are written here before they leave: the request's, the response's.
    pub leads: (Vec<u8>, Vec<u8>),
    /// What it carried so far, and what is to be done with it as a whole.
    pub carried: Carried,
    /// Sends what is on its way to the client, where a link is before it.
    sender: Option<Sender>,
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
        Self {
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
    fn shape(&mut self, fresh: bool) -> Result<(), Next> {
        if self.sender.is_some() || !self.shared.rules().any_link() {
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
    async fn act(&mut self, action: &Action) -> Result<(), Next> {
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

    async fn exchange(&mut self, head: Head) -> Next {
        if let Err(next) = self.shape(false) {
            return next;
        }
        let only = match (&self.tunnel, &self.shared.reverse) {
            (Some(to), _) => Only::Tunnel(to),
            (None, Some((to, _))) => Only::Reverse(to),
            (None, None) => Only::No,
        };
        let (asked, body) = match target::read(head, only, &mut self.last) {
            Ok(read) => read,
            Err(refusal) => return self.refuse(&refusal).await,
        };
        if let Some(token) = target::canary(&asked) {
            self.shared.see(token);
            let open = ("Access-Control-Allow-Origin".to_owned(), "*".to_owned());
            let fields = vec![open, ("Cache-Control".to_owned(), "no-store".to_owned())];
            return self.answer(&Answer { status: 204, fields, body: Vec::new() }, &asked, body).await;
        }
        let mut told = Told::new(&self.shared, asked, self.whose);
        if told.asked.method == "CONNECT" {
            return tunnel::connect(self, told).await;
        }
        if let Some(storms) = &self.shared.storms
            && let Some(until) = held_by_storm(storms, &told)
            && self.alongside(Half::GiveUp, sleep_until(until)).await.is_none()
        {
            told.ended = "client_gone";
            return Next::Gone;
        }
        // The head that is sent on, where it is another than the one that came.
        let mut edited: Option<Head> = None;
        let mut copy = None;
        let mut plan = Plan::default();
        if !told.background() {
            let fired = self.shared.rules().fire(&told.asked, self.whose, told.step());
            plan = Plan::new(fired, &told.asked);
            self.carried.add(plan.take(is_of_connection));
        }
        for step in plan.take(|at| at == Point::Request) {
            told.applied(&step);
            match &step.action {
                Action::Edit(edit) | Action::Prepare(edit) => {
                    edited.get_or_insert_with(|| told.asked.head.clone()).edit(edit);
                }
                Action::Answer(answer) => return self.instead(&mut told, answer, body).await,
                Action::Cache => {
                    let shared = self.shared.clone();
                    match self.alongside(Half::GiveUp, shared.copies.get(&shared, &told.asked)).await {
                        Some(found) => copy = found,
                        None => {
                            told.ended = "client_gone";
                            return Next::Gone;
                        }
                    }
                }
                action => {
                    if let Err(next) = self.act(action).await {
                        told.ended = if next == Next::Gone { "client_gone" } else { "fault" };
                        self.server = None;
                        return next;
                    }
                }
            }
        }
        if let Some(copy) = copy {
            let head = edited.unwrap_or_else(|| told.asked.head.clone());
            return self.serve_copy(&mut told, &mut plan, &head, copy).await;
        }
        told.trace(&mut edited);
        if let Err(next) = self.reach(&mut told, body).await {
            return next;
        }
        let mut lead = std::mem::take(&mut self.leads.0);
        lead.clear();
        let head = edited.as_ref().unwrap_or(&told.asked.head);
        head.write(&mut lead);
        let keep = target::persists(head, told.asked.minor);
        let over = pass::pass(self, &mut told, &mut plan, (&lead, keep), body).await;
        self.leads.0 = lead;
        match over {
            pass::Over::Next(next) => next,
            pass::Over::Upgrade => tunnel::relay(self, &mut told, &mut plan).await,
        }
    }

    /// Serves a request from a full copy, and leaves the server's connection as it is.
    async fn serve_copy(&mut self, told: &mut Told, plan: &mut Plan, head: &Head, copy: Served) -> Next {
        let before = self.server.replace(Server::of(copy, &told.asked.to));
        told.cached = true;
        let mut lead = Vec::new();
        head.write(&mut lead);
        let over = pass::pass(self, told, plan, (&lead, target::persists(head, 1)), Body::Empty).await;
        self.server = before;
        match over {
            pass::Over::Next(next) => next,
            pass::Over::Upgrade => Next::Close,
        }
    }

    /// A fault's answer in the server's place.
    async fn instead(&mut self, told: &mut Told, answer: &Answer, body: Body) -> Next {
        let (asked, close) =
            (&told.asked, body != Body::Empty || !target::persists(&told.asked.head, told.asked.minor));
        let (head, octets) = answer::compose(answer, &asked.method, close);
        let mut out = Vec::new();
        head.write(&mut out);
        told.answered(head);
        told.ended = "fault";
        let flags = Flags::default();
        let mut tap = Tap::new(&mut self.output, told, &flags, &mut self.carried);
        let sent = async {
            tap.put(&out).await?;
            tap.send(octets, false, true).await
        };
        match sent.await {
            Ok(()) if close => Next::Close,
            Ok(()) => Next::Again,
            Err(Stop::Gone) => Next::Gone,
            Err(Stop::Cut(cut)) => cut.into(),
        }
    }

    /// Makes sure that there is a connection to the request's server.
    pub(super) async fn reach(&mut self, told: &mut Told, body: Body) -> Result<(), Next> {
        let same = |server: &&mut Server| Arc::ptr_eq(&server.to, &told.asked.to) || *server.to == *told.asked.to;
        if let Some(server) = self.server.as_mut().filter(same) {
            told.connect = server.connect.take();
            told.reused = told.connect.is_none();
            return Ok(());
        }
        self.server = None;
        let (shared, to) = (self.shared.clone(), told.asked.to.clone());
        let Some(dialled) = self.alongside(Half::GoOn, dial(&shared, &to)).await else {
            told.ended = "client_gone";
            return Err(Next::Gone);
        };
        let (status, why) = match dialled {
            Ok(mut server) => {
                told.connect = server.connect.take();
                self.server = Some(server);
                return Ok(());
            }
            Err(Failed::Refused(why)) => {
                told.refused(&why);
                (403, format!("this target may not be reached: {why}"))
            }
            Err(Failed::Down(why)) => {
                told.ended = "upstream_cut";
                (502, why)
            }
        };
        let answer = answer::sentence(status, &why);
        told.error = Some(why);
        Err(self.answer(&answer, &told.asked, body).await)
    }

    /// Answers in the server's place.
    async fn answer(&mut self, answer: &Answer, asked: &Asked, body: Body) -> Next {
        // A body that nobody reads cannot be followed by another request.
        let close = body != Body::Empty || !target::persists(&asked.head, asked.minor);
        let mut out = Vec::new();
        answer::write(answer, &asked.method, close, &mut out);
        match self.output.send(&out).await {
            Ok(()) if close => Next::Close,
            Ok(()) => Next::Again,
            Err(_) => Next::Gone,
        }
    }

    /// Refuses what is no request, or none that could be passed on.
    async fn refuse(&mut self, refusal: &Refusal) -> Next {
        let Refusal(status, why) = refusal;
        if let Some(log) = &self.shared.log {
            let fields = json!({ "connection": self.whose.connection, "status": status, "why": why });
            log.write("proxy_refused", Origin::Proxy, log.now_ms(), &self.shared.now.share(), fields);
        }
        let mut out = Vec::new();
        answer::write(&answer::sentence(*status, why), "", true, &mut out);
        match self.output.send(&out).await {
            Ok(()) => Next::Close,
            Err(_) => Next::Gone,
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

/// Until when a request is held because it is one of a storm.
fn held_by_storm(storms: &Storms, told: &Told) -> Option<Instant> {
    let mut hasher = DefaultHasher::new();
    (&told.asked.method, &told.asked.to.name, &told.asked.target).hash(&mut hasher);
    match storms.count(hasher.finish(), Instant::now()) {
        Storm::No => None,
        Storm::Held(until) => Some(until),
        Storm::Begins(until) => {
            told.storm(storms.most());
            Some(until)
        }
    }
}

/// Whether it is time to read a head: its end came, or a line end that it may not have. `searched` is how much was
/// looked at before.
pub(super) fn is_worth_reading(data: &[u8], searched: &mut usize) -> bool {
    let from = std::mem::replace(searched, data.len());
    let ends = |at: usize| at == 0 || data[at - 1] != b'\r' || data[..=at].ends_with(b"\r\n\r\n");
    data[from..].iter().enumerate().any(|(at, b)| *b == b'\n' && ends(from + at))
}
