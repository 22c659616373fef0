//! A client for WebDriver BiDi: commands with answers, events through a channel, over one WebSocket.
//!
//! Our own, because no crate attaches to the session that fantoccini made without a fault of its own. Commands may
//! overlap, and every one has a time limit; when the socket closes, all pending ones fail at once.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// Screenshots come as base64 in one message; a page's console may be anything.
const LARGEST: usize = 256 << 20;

/// Why a BiDi command gave no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BidiError {
    /// The browser answered with an error: its code, such as "no such frame", and its message.
    Refused {
        /// The error code of the specification.
        error: String,
        /// The browser's own words.
        message: String,
    },
    /// No answer within the limit; the command may still run in the browser.
    Timeout(Duration),
    /// The socket is closed: the browser or the driver is gone.
    Closed,
}

impl fmt::Display for BidiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BidiError::Refused { error, message } => write!(f, "{error}: {message}"),
            BidiError::Timeout(limit) => write!(f, "no answer in {limit:?}"),
            BidiError::Closed => f.write_str("the BiDi socket is closed"),
        }
    }
}

impl std::error::Error for BidiError {}

/// An event as it came: `method` such as "log.entryAdded".
#[derive(Clone, Debug)]
pub struct Event {
    /// The event's name.
    pub method: String,
    /// Its content.
    pub params: Value,
}

type Answer = oneshot::Sender<Result<Value, BidiError>>;

/// The client; clones share one socket, which closes when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Bidi {
    commands: mpsc::UnboundedSender<(&'static str, Value, Answer)>,
}

/// A client that does not keep the socket open: for whoever lives as long as the socket's events do.
#[derive(Clone, Debug)]
pub struct WeakBidi {
    commands: mpsc::WeakUnboundedSender<(&'static str, Value, Answer)>,
}

impl WeakBidi {
    /// The client, as long as someone else still has one.
    pub fn upgrade(&self) -> Option<Bidi> {
        self.commands.upgrade().map(|commands| Bidi { commands })
    }
}

impl Bidi {
    /// A client that does not keep the socket open.
    pub fn downgrade(&self) -> WeakBidi {
        WeakBidi { commands: self.commands.downgrade() }
    }

    /// Connects to the `webSocketUrl` of a session. Events end when the socket does.
    pub async fn connect(ws_url: &str) -> Result<(Bidi, mpsc::UnboundedReceiver<Event>), String> {
        let config = WebSocketConfig::default().max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
        // Without Nagle's delay: commands are small and each is waited for.
        let (socket, _) =
            connect_async_with_config(ws_url, Some(config), true).await.map_err(|e| format!("{ws_url}: {e}"))?;
        let (commands, receiver) = mpsc::unbounded_channel();
        let (events, event_receiver) = mpsc::unbounded_channel();
        tokio::spawn(pump(socket, receiver, events));
        Ok((Bidi { commands }, event_receiver))
    }

    /// Sends a command and waits for its answer.
    pub async fn command(&self, method: &'static str, params: Value, limit: Duration) -> Result<Value, BidiError> {
        let (answer, answered) = oneshot::channel();
        self.commands.send((method, params, answer)).map_err(|_| BidiError::Closed)?;
        match tokio::time::timeout(limit, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(BidiError::Closed),
            Err(_) => Err(BidiError::Timeout(limit)),
        }
    }
}

/// Owns the socket. Ends when it closes or when the last [`Bidi`] is dropped; the pending answers drop with it.
async fn pump(
    mut socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    mut commands: mpsc::UnboundedReceiver<(&'static str, Value, Answer)>,
    events: mpsc::UnboundedSender<Event>,
) {
    let mut pending: HashMap<u64, Answer> = HashMap::new();
    let mut next = 0;
    loop {
        tokio::select! {
            command = commands.recv() => {
                let Some((method, params, answer)) = command else { break };
                next += 1;
                // Those who gave up waiting leave their entry behind; an answer may still come, or never.
                pending.retain(|_, answer| !answer.is_closed());
                pending.insert(next, answer);
                let text = json!({"id": next, "method": method, "params": params}).to_string();
                if socket.send(Message::text(text)).await.is_err() {
                    break;
                }
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let Ok(value) = serde_json::from_str::<Value>(&text) else {
                        tracing::warn!("a BiDi message is not JSON: {:.200}", text.as_str());
                        continue;
                    };
                    receive(value, &mut pending, &events);
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
        }
    }
    let _ = socket.close(None).await;
}

fn receive(mut value: Value, pending: &mut HashMap<u64, Answer>, events: &mpsc::UnboundedSender<Event>) {
    if let Some(id) = value["id"].as_u64() {
        let Some(answer) = pending.remove(&id) else { return };
        let _ = answer.send(match value["type"].as_str() {
            Some("error") => Err(BidiError::Refused {
                error: value["error"].as_str().unwrap_or("unknown error").to_owned(),
                message: value["message"].as_str().unwrap_or_default().to_owned(),
            }),
            _ => Ok(value["result"].take()),
        });
    } else if let Value::String(method) = value["method"].take() {
        let _ = events.send(Event { method, params: value["params"].take() });
    }
}
