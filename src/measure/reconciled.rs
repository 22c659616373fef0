//! From a socket that is back (`socket_reconnect`) to the queue as the server has it (`socket_resync`). Cut off again
//! in between, the time starts anew; a session that ends before either came never was reconciled.

use super::{Fold, NO_TIME, Samples};
use crate::event::{Event, Origin};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Reconciled {
    /// Sockets not in step with the server, by session and `socket`: since when they are back.
    behind: BTreeMap<(String, String), Option<f64>>,
    ms: Vec<f64>,
}

impl Fold for Reconciled {
    fn feed(&mut self, event: &Event) {
        if event.source == Origin::App {
            return; // what the app says of itself is no sample
        }
        if event.fields.get("followed").and_then(serde_json::Value::as_bool) == Some(false) {
            return; // nothing says what would bring its state
        }
        let session = event.ids.session_id.clone().unwrap_or_default();
        let socket = (session, event.text("socket").unwrap_or_default().to_owned());
        match event.event.as_str() {
            // `clean`: the page closed it on purpose, or was left.
            "socket_disconnect" if event.flag("clean") => drop(self.behind.remove(&socket)),
            "socket_disconnect" => drop(self.behind.insert(socket, None)),
            "socket_reconnect" => {
                self.behind.insert(socket, Some(event.t_ms));
            }
            "socket_resync" => {
                let since = self.behind.remove(&socket).flatten();
                let ms = |since: f64| Some(event.t_ms - since).filter(|ms| *ms >= 0.0).unwrap_or(NO_TIME);
                self.ms.extend(since.map(ms));
            }
            // What brought it may have been left out.
            "socket_capped" => drop(self.behind.remove(&socket)),
            "journey_end" => {
                let before = self.behind.len();
                self.behind.retain(|(session, _), _| *session != socket.0);
                self.ms.extend(std::iter::repeat_n(f64::INFINITY, before - self.behind.len()));
            }
            _ => {}
        }
    }

    fn samples(&self) -> Samples {
        Samples::Values(self.ms.clone())
    }
}
