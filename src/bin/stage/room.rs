//! The rooms' sockets: commands in, acknowledgements out, and the queue to everybody after each change.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use crate::defect::Defects;
use crate::queue::{Command, Outcome, Queue, Rules};
use crate::users::User;
use crate::{Result, Stage, telemetry, users};

/// Bytes that a message may have.
const MOST: usize = 64 << 10;
/// Commands that one socket may send at once, and how many more each second.
const BURST: f64 = 10.0;
const RATE: f64 = 5.0;
/// Refused so often within this time, a socket is hung up on.
const REFUSED: usize = 50;
const REFUSED_IN: Duration = Duration::from_secs(10);
/// Pushes that wait for a slow socket; one that falls further behind is told the queue as it is then.
const BEHIND: usize = 64;

/// What everybody in a room hears.
#[derive(Clone)]
enum Push {
    /// The queue has changed.
    Queue(Utf8Bytes),
    /// The sockets of this user break off.
    Drop(String),
}

/// What the sender of a command hears of it.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Ack,
    Refused(String),
    Nothing,
    HangUp,
}

/// All rooms. One lock: what is pushed comes in the order in which it was applied.
pub struct Rooms(Mutex<Inner>);

struct Inner {
    queue: Queue,
    rooms: HashMap<String, Room>,
}

struct Room {
    pushes: broadcast::Sender<Push>,
    /// Commands so far, of everybody.
    commands: u64,
    /// What each user was told when they first came.
    first: HashMap<String, Utf8Bytes>,
}

impl Default for Room {
    fn default() -> Self {
        Self { pushes: broadcast::channel(BEHIND).0, commands: 0, first: HashMap::new() }
    }
}

impl Rooms {
    /// No rooms yet: each begins when somebody enters it.
    pub fn open() -> Result<Self> {
        Ok(Self(Mutex::new(Inner { queue: Queue::open()?, rooms: HashMap::new() })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets somebody in: what they are told at once, and all that follows.
    fn enter(&self, id: &str, user: &User, defects: &Defects) -> (Option<Utf8Bytes>, broadcast::Receiver<Push>) {
        let mut inner = self.lock();
        let resync = inner.push(id, None);
        let room = inner.rooms.entry(id.to_owned()).or_default();
        let told = match room.first.get(&user.user_id) {
            Some(_) if defects.on("room-no-resync") => None,
            Some(first) if defects.on("room-stale-resync") => Some(first.clone()),
            Some(_) => resync,
            None => {
                room.first.extend(resync.clone().map(|text| (user.user_id.clone(), text)));
                resync
            }
        };
        (told, room.pushes.subscribe())
    }

    /// Obeys a command and tells everybody in the room.
    fn obey(&self, id: &str, cmd_id: &str, command: &Command, by: &User, defects: &Defects) -> Answer {
        let mut inner = self.lock();
        let room = inner.rooms.entry(id.to_owned()).or_default();
        room.commands += 1;
        let strikes = |name| room.commands.is_multiple_of(2) && defects.on(name);
        let (lost, rejects, duplicates) =
            (strikes("queue-lost"), strikes("queue-rejects"), strikes("queue-duplicates"));
        if lost {
            return Answer::Ack;
        }
        if rejects {
            return Answer::Refused("try again later".to_owned());
        }
        let rules = Rules { once: !defects.on("queue-duplicates"), roles: !defects.on("role-missing") };
        let applied = match inner.queue.apply(id, cmd_id, command, by, rules) {
            Ok(Outcome::Applied) => true,
            Ok(Outcome::Known) => false,
            Ok(Outcome::Refused(why)) => return Answer::Refused(why),
            Err(e) => {
                tracing::error!("queue database: {e}");
                return Answer::Refused("Internal server error".to_owned());
            }
        };
        if applied && let Some(text) = inner.push(id, Some(cmd_id)) {
            inner.tell(id, Push::Queue(text));
        }
        match () {
            _ if duplicates => Answer::HangUp,
            _ if defects.on("queue-no-ack") => Answer::Nothing,
            _ => Answer::Ack,
        }
    }

    /// Breaks this user's sockets in a room off, as a network does.
    fn drop_sockets(&self, id: &str, user: &User) {
        self.lock().tell(id, Push::Drop(user.user_id.clone()));
    }
}

impl Inner {
    /// The queue as everybody is told it: after a command, or to who has just come.
    fn push(&mut self, id: &str, command: Option<&str>) -> Option<Utf8Bytes> {
        let payload = self.queue.payload(id).inspect_err(|e| tracing::error!("queue database: {e}")).ok()?;
        let mut push = json!({ "type": "queue/PUSH", "payload": payload, "applied": Vec::from_iter(command) });
        if command.is_none() {
            push["resync"] = json!(true);
        }
        Some(push.to_string().into())
    }

    fn tell(&self, id: &str, push: Push) {
        if let Some(room) = self.rooms.get(id) {
            // It fails only where nobody is in the room.
            let _ = room.pushes.send(push);
        }
    }
}

/// Whether a room can be called so.
pub fn is_room(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The answer where a room cannot be.
pub fn none() -> Response {
    (StatusCode::NOT_FOUND, "No such room").into_response()
}

/// Routes of this module.
pub fn routes() -> Router<Arc<Stage>> {
    Router::new()
        .route("/ws", get(upgrade))
        .route("/api/rooms/{id}/join", post(join))
        .route("/api/room/drop", post(drop_sockets))
}

#[derive(Deserialize)]
struct Asked {
    room: String,
}

async fn join(State(stage): State<Arc<Stage>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    match stage.users.of(&headers) {
        _ if stage.defects.on("join-broken") => users::broken(),
        None => users::nobody(),
        Some(_) if !is_room(&id) => none(),
        Some(user) => Json(json!({ "roomId": id, "user": user })).into_response(),
    }
}

/// A hook for tests and journeys: the asking user's sockets in the room end without a goodbye.
async fn drop_sockets(State(stage): State<Arc<Stage>>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    let Some(user) = stage.users.of(&headers) else { return users::nobody() };
    stage.rooms.drop_sockets(&asked.room, &user);
    StatusCode::NO_CONTENT.into_response()
}

async fn upgrade(
    State(stage): State<Arc<Stage>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    socket: WebSocketUpgrade,
) -> Response {
    let Some(user) = stage.users.of(&headers) else { return users::nobody() };
    if !is_room(&asked.room) {
        return none();
    }
    socket.max_message_size(MOST).on_upgrade(async move |socket| serve(&stage, headers, asked.room, user, socket).await)
}

/// One socket, from the resync to its end. One that is dropped here ends without a close frame.
async fn serve(stage: &Stage, headers: HeaderMap, room: String, user: User, mut socket: WebSocket) {
    let (resync, mut pushes) = stage.rooms.enter(&room, &user, &stage.defects);
    let mut guest = Socket { stage, headers, room, limit: Limit::new(Instant::now()) };
    let mut say = resync;
    loop {
        if let Some(text) = say.take()
            && socket.send(Message::Text(text)).await.is_err()
        {
            return;
        }
        tokio::select! {
            push = pushes.recv() => match push {
                Ok(Push::Queue(text)) => say = Some(text),
                Ok(Push::Drop(who)) if who == user.user_id => return,
                Ok(Push::Drop(_)) => {}
                Err(RecvError::Lagged(_)) => say = stage.rooms.lock().push(&guest.room, None),
                Err(RecvError::Closed) => return,
            },
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => match guest.hear(&text) {
                    Ok(answer) => say = answer,
                    Err(HungUp) => {
                        // What is on its way arrives; only the answer does not.
                        if let Ok(Push::Queue(text)) = pushes.try_recv() {
                            let _ = socket.send(Message::Text(text)).await; // one that is gone needs no telling
                        }
                        return;
                    }
                },
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}

/// The socket is to be broken off.
struct HungUp;

struct Socket<'a> {
    stage: &'a Stage,
    headers: HeaderMap,
    room: String,
    limit: Limit,
}

impl Socket<'_> {
    /// What is said to a message, if anything.
    fn hear(&mut self, text: &str) -> std::result::Result<Option<Utf8Bytes>, HungUp> {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        let (Some(kind), Some(id)) = (message["type"].as_str(), message["meta"]["id"].as_str()) else {
            return Ok(Some(json!({ "type": "server/ERROR", "error": "no type, or no meta.id" }).to_string().into()));
        };
        let said = match self.obey(kind, id, &message["payload"])? {
            Answer::Ack => json!({ "type": format!("{kind}_SUCCESS"), "meta": { "id": id } }),
            Answer::Refused(why) => json!({ "type": format!("{kind}_ERROR"), "meta": { "id": id }, "error": why }),
            Answer::Nothing => return Ok(None),
            Answer::HangUp => return Err(HungUp),
        };
        Ok(Some(said.to_string().into()))
    }

    fn obey(&mut self, kind: &str, id: &str, payload: &Value) -> std::result::Result<Answer, HungUp> {
        let stage = self.stage;
        if !self.limit.allows(Instant::now())? {
            let silent = stage.defects.on("queue-limit-silent");
            return Ok(if silent { Answer::Nothing } else { Answer::Refused("too many commands".to_owned()) });
        }
        // Asked at each command: a login may have ended meanwhile.
        let Some(user) = stage.users.of(&self.headers) else {
            return Ok(Answer::Refused("not logged in".to_owned()));
        };
        let answer = match Command::read(kind, payload) {
            Ok(command) => stage.rooms.obey(&self.room, id, &command, &user, &stage.defects),
            Err(why) => Answer::Refused(why.to_owned()),
        };
        if answer == Answer::Refused("not allowed".to_owned()) {
            let fields = json!({ "room_id": self.room, "user_id": user.user_id, "path": kind });
            telemetry::server_event(stage, "auth_permission_denied", fields);
        }
        Ok(answer)
    }
}

/// A bucket of commands, which fills up again with time.
struct Limit {
    left: f64,
    at: Instant,
    refused: VecDeque<Instant>,
}

impl Limit {
    fn new(at: Instant) -> Self {
        Self { left: BURST, at, refused: VecDeque::new() }
    }

    fn allows(&mut self, now: Instant) -> std::result::Result<bool, HungUp> {
        self.left = (self.left + RATE * (now - self.at).as_secs_f64()).min(BURST);
        self.at = now;
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(true);
        }
        self.refused.retain(|at| now - *at < REFUSED_IN);
        self.refused.push_back(now);
        if self.refused.len() < REFUSED { Ok(false) } else { Err(HungUp) }
    }
}

#[cfg(test)]
mod tests;
