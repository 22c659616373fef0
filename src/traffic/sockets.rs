//! WebSockets, from the probe's messages: that they connect, are cut off and come back, and the commands that go through
//! the one that the app file declares.
//!
//! A socket is known by its path, over all the connections it has: one that opens where another of that path is closed
//! on the same page is the same socket, back again. What the page itself closes, or leaves, is closed on purpose.

use super::frame::Frame;
use super::{Declared, Places, Socket, Told, is_one, must};
use crate::browser::probe;
use crate::fault::rule::glob;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Letters kept of what a server says of a rejection.
const REASON: usize = 200;
/// What is cut off so shortly before its page is left was cut off by that, milliseconds.
const LEAVES_MS: f64 = 2000.0;

/// The sockets of one play.
#[derive(Debug, Default)]
pub struct Sockets {
    declared: Option<Socket>,
    places: Places,
    /// By the probe's name for a connection.
    connections: HashMap<String, Connection>,
    /// By name.
    sockets: BTreeMap<String, State>,
    /// How often each command was seen to be applied; those that must be refused.
    applied: BTreeMap<String, u32>,
    refused: BTreeSet<String>,
    /// The newest state that was seen on this page.
    newest: f64,
    /// What is sent now must be refused.
    refusing: bool,
}

#[derive(Debug)]
enum State {
    Open,
    /// Since when, and whether the page closed it.
    Closed(f64, bool),
}

#[derive(Debug)]
struct Connection {
    /// Its path, and once it is open the socket's name.
    path: String,
    socket: Option<String>,
    /// It is the declared one.
    declared: bool,
    /// Nothing has brought the state since it opened.
    fresh: bool,
    /// Commands by the number that socket.io has their answers carry.
    numbered: HashMap<u64, String>,
}

impl Sockets {
    /// Those of an app.
    pub fn new(declared: &Declared, places: &Places) -> Self {
        Self { declared: declared.socket.clone(), places: places.clone(), ..Self::default() }
    }

    /// What is sent from here on must be refused, or must not.
    pub fn refusing(&mut self, refusing: bool) {
        self.refusing = refusing;
    }

    /// The page was left: its sockets are closed on purpose, whether or not they still could say so. A browser may cut
    /// them off a moment before.
    pub fn left(&mut self, t: f64) -> Vec<Told> {
        self.connections.clear();
        self.newest = 0.0;
        let by_leaving = |state: &State| match state {
            State::Open => true,
            State::Closed(at, own) => !own && t - at < LEAVES_MS,
        };
        let left = std::mem::take(&mut self.sockets).into_iter().filter(|(_, state)| by_leaving(state));
        let closed =
            |(socket, _)| Told::new("socket_disconnect", t, json!({ "socket": socket, "clean": true, "by": "page" }));
        left.map(closed).collect()
    }

    /// Takes a message of the probe.
    pub fn take(&mut self, t: f64, message: probe::Socket) -> Vec<Told> {
        let ids = message.ids.clone();
        let mut told = match message.ev.as_str() {
            "new" => {
                self.meet(message);
                Vec::new()
            }
            "open" => self.opened(t, &message.id),
            "close" => self.closed(t, &message),
            "sent" => self.sent(t, &message),
            "got" => self.got(t, &message),
            "capped" => self.name(&message.id).map_or(Vec::new(), |socket| {
                vec![Told::new("socket_capped", t, json!({ "socket": socket, "size": message.size }))]
            }),
            _ => Vec::new(),
        };
        told.iter_mut().for_each(|told| told.ids.clone_from(&ids));
        told
    }

    fn name(&self, id: &str) -> Option<&String> {
        self.connections.get(id)?.socket.as_ref()
    }

    fn meet(&mut self, message: probe::Socket) {
        let url = message.url.unwrap_or_default();
        let path = self.places.path(&url);
        let declared = self.declared.as_ref().zip(path).is_some_and(|(own, path)| glob(&own.path, &path));
        let path = self.places.name(&url);
        let new = Connection { path, socket: None, declared, fresh: true, numbered: HashMap::new() };
        self.connections.insert(message.id, new);
    }

    fn opened(&mut self, t: f64, id: &str) -> Vec<Told> {
        let Some(own) = self.connections.get_mut(id) else { return Vec::new() };
        let mut number = 1;
        let (name, again) = loop {
            let name = if number == 1 { own.path.clone() } else { format!("{} {number}", own.path) };
            match self.sockets.get(&name) {
                Some(State::Open) => number += 1,
                known => break (name, known.is_some()),
            }
        };
        self.sockets.insert(name.clone(), State::Open);
        own.socket = Some(name.clone());
        let followed = own.declared && self.declared.as_ref().is_some_and(|d| !d.resync.is_empty());
        let event = if again { "socket_reconnect" } else { "socket_connect" };
        vec![Told::new(event, t, json!({ "socket": name, "declared": own.declared, "followed": followed }))]
    }

    fn closed(&mut self, t: f64, message: &probe::Socket) -> Vec<Told> {
        let Some(own) = self.connections.remove(&message.id) else { return Vec::new() };
        let by = if message.own { "page" } else { "other" };
        let Some(name) = own.socket else {
            return vec![Told::new("socket_failed", t, json!({ "socket": own.path, "code": message.code, "by": by }))];
        };
        self.sockets.insert(name.clone(), State::Closed(t, message.own));
        if message.own {
            self.newest = 0.0; // what it opens next may be of another room
        }
        let followed = own.declared && self.declared.as_ref().is_some_and(|d| !d.resync.is_empty());
        let fields = json!({
            "socket": name, "clean": message.own, "by": by, "code": message.code, "was_clean": message.clean,
            "declared": own.declared, "followed": followed,
        });
        vec![Told::new("socket_disconnect", t, fields)]
    }

    fn sent(&mut self, t: f64, message: &probe::Socket) -> Vec<Told> {
        let Some((declared, own, frame)) = read(self.declared.as_ref(), &mut self.connections, message) else {
            return Vec::new();
        };
        let kind = kind(declared, &frame);
        if !is_one(&declared.sent, &kind) {
            return Vec::new();
        }
        let numbered = || frame.number.map(|n| format!("{} {n}", message.id));
        let id = declared.id.text(&frame.message).or_else(numbered);
        if let (Some(number), Some(id)) = (frame.number, &id) {
            own.numbered.insert(number, id.clone());
        }
        if self.refusing {
            self.refused.extend(id.clone());
        }
        let fields = json!({ "cmd_id": id, "cmd_type": kind, "socket": own.socket });
        vec![Told::new("queue_cmd_sent", t, must(fields, self.refusing))]
    }

    fn got(&mut self, t: f64, message: &probe::Socket) -> Vec<Told> {
        let Some((declared, own, frame)) = read(self.declared.as_ref(), &mut self.connections, message) else {
            return Vec::new();
        };
        let kind = kind(declared, &frame);
        let socket = own.socket.clone();
        let mut told = Vec::new();
        let version = declared.version.as_ref().and_then(|at| at.of(&frame.message)?.as_f64());
        let old = version.is_some_and(|version| version < self.newest);
        self.newest = version.unwrap_or_default().max(self.newest);
        let brings = own.fresh && !old && is_one(&declared.resync, &kind);
        if brings {
            own.fresh = false;
            told.push(Told::new("socket_resync", t, json!({ "socket": socket, "type": kind })));
        }
        let answered = frame.number.and_then(|number| own.numbered.get(&number).cloned());
        let id = declared.id.text(&frame.message).or(answered);
        let refused = |id: &Option<String>| id.as_ref().is_some_and(|id| self.refused.contains(id));
        let mut applied = declared.applied.as_ref().map_or(Vec::new(), |at| at.texts(&frame.message));
        if is_one(&declared.rejected, &kind) {
            let why = declared.error.of(&frame.message).map(short);
            let fields = json!({ "cmd_id": id, "cmd_type": kind, "socket": socket, "reason": why });
            told.push(Told::new("queue_cmd_rejected", t, must(fields, refused(&id))));
        } else if is_one(&declared.ack, &kind) {
            let fields = json!({ "cmd_id": id, "cmd_type": kind, "socket": socket });
            told.push(Told::new("queue_cmd_ack", t, must(fields, refused(&id))));
            // Nothing else will say so.
            applied.extend(id.filter(|_| declared.applied.is_none()));
        }
        // What a state brings along was applied once, when it was told before.
        applied.retain(|id| !brings || !self.applied.contains_key(id));
        applied.iter().for_each(|id| *self.applied.entry(id.clone()).or_default() += 1);
        let mut entries: BTreeMap<String, u32> = BTreeMap::new();
        for id in declared.entries.iter().flat_map(|at| at.texts(&frame.message)) {
            *entries.entry(id).or_default() += 1;
        }
        for (id, times) in entries.into_iter().filter(|(_, times)| *times > 1) {
            let known = self.applied.entry(id.clone()).or_default();
            applied.extend((*known..times).map(|_| id.clone()));
            *known = times.max(*known);
        }
        for id in applied {
            let must_be = self.refused.contains(&id);
            let fields = json!({ "cmd_id": id, "socket": socket });
            told.push(Told::new("queue_cmd_applied", t, must(fields, must_be)));
        }
        told
    }
}

/// A message of the declared socket, read, with the connection that it is of.
fn read<'d, 'c>(
    declared: Option<&'d Socket>,
    connections: &'c mut HashMap<String, Connection>,
    message: &probe::Socket,
) -> Option<(&'d Socket, &'c mut Connection, Frame)> {
    let own = connections.get_mut(&message.id).filter(|own| own.declared)?;
    Some((declared?, own, Frame::read(message.text.as_deref()?)?))
}

/// What a message is: its own word for it, or the name of socket.io's event.
fn kind(declared: &Socket, frame: &Frame) -> String {
    declared.kind.text(&frame.message).or_else(|| frame.name.clone()).unwrap_or_default()
}

fn short(why: &Value) -> String {
    let text = why.as_str().map_or_else(|| why.to_string(), str::to_owned);
    text.chars().take(REASON).collect()
}
