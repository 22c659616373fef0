//! One request of a client's connection, from its head to what comes after its response.

use super::answer;
use super::asked::Asked;
use super::conn::{Conn, Half, Next};
use super::dial::{Failed, Server, dial};
use super::files::Served;
use super::pass;
use super::plan::{Plan, is_of_connection};
use super::storm::{Storm, Storms};
use super::tap::{Flags, Stop, Tap};
use super::target::{self, Only, Refusal};
use super::told::Told;
use super::{lock, tunnel};
use crate::event::Origin;
use crate::fault::head::{Body, Head};
use crate::fault::{Action, Answer, Point};
use serde_json::json;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// How long a body is waited for that goes nowhere.
const HEARD: Duration = Duration::from_secs(1);

impl Conn {
    /// Passes one request on, or does what is to be done in its place.
    pub(super) async fn exchange(&mut self, head: Head) -> Next {
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
        if let Some((key, until)) = self.shared.storms.as_ref().and_then(|storms| held_by_storm(storms, &told))
            && self.alongside(Half::GiveUp, sleep_until(until)).await.is_none()
        {
            self.shared.storms.iter().for_each(|storms| storms.give_back(key));
            told.ended = "client_gone";
            return Next::Gone;
        }
        // The head that is sent on, where it is another than the one that came.
        let mut edited: Option<Head> = None;
        let mut copy = None;
        let mut plan = Plan::default();
        if !told.background() {
            let whose = self.whose;
            let fired = self.rules().fire(&told.asked, whose, told.step());
            plan = Plan::new(fired, &told.asked);
            self.carried.add(plan.take(is_of_connection));
        }
        for step in plan.take(|at| at == Point::Request) {
            // Where there can be no copy, nothing was served from one.
            if !matches!(step.action, Action::Cache) {
                told.applied(&step);
            }
            match &step.action {
                Action::Edit(edit) | Action::Prepare(edit) => {
                    edited.get_or_insert_with(|| told.asked.head.clone()).edit(edit);
                }
                Action::Answer(answer) => return self.instead(&mut told, answer, body).await,
                Action::Cache => {
                    let shared = self.shared.clone();
                    match self.alongside(Half::GiveUp, shared.copies.get(&shared, &told.asked)).await {
                        Some(found) => {
                            if found.is_some() {
                                told.applied(&step);
                            }
                            copy = found;
                        }
                        None => {
                            told.ended = "client_gone";
                            return Next::Gone;
                        }
                    }
                }
                action => {
                    if let Err(next) = self.act(action).await {
                        told.ended = if next == Next::Gone { "client_gone" } else { "fault" };
                        told.cut = next.cut();
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
        told.listen(body);
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
            Err(Stop::Cut(cut)) => {
                let next = Next::from(cut);
                told.cut = next.cut();
                next
            }
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
        self.hear(told).await;
        Err(self.answer(&answer, &told.asked, body).await)
    }

    /// Reads what the app says of itself to a server that is not there: nobody else will.
    async fn hear(&mut self, told: &Told) {
        let Some(said) = told.said.as_deref().filter(|said| !lock(said).is_whole()) else { return };
        let heard = async {
            loop {
                lock(said).passes(self.from.data());
                // After a body the connection is closed: what else is there is no other request.
                self.from.eat(self.from.data().len());
                let whole = lock(said).is_whole();
                if whole || !matches!(self.from.fill(&mut self.input).await, Ok(1..)) {
                    break;
                }
            }
        };
        let _ = timeout(HEARD, heard).await; // one that takes longer is told as far as it came
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
    pub(super) async fn refuse(&mut self, refusal: &Refusal) -> Next {
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
}

/// Of what a request is one too many, and until when it is held for that.
fn held_by_storm(storms: &Storms, told: &Told) -> Option<(u64, Instant)> {
    let mut hasher = DefaultHasher::new();
    (&told.asked.method, &told.asked.to.name, &told.asked.target).hash(&mut hasher);
    let key = hasher.finish();
    match storms.count(key, Instant::now()) {
        Storm::No => None,
        Storm::Held(until) => Some((key, until)),
        Storm::Begins(until) => {
            told.storm(storms.most());
            Some((key, until))
        }
    }
}
