//! What an app file must declare for a step to expect something.

use super::App;
use crate::traffic::What;

impl App {
    /// Whether the file declares what a measure is fed by, as [`crate::measure::Fed`] names it.
    pub fn declares(&self, what: &str) -> bool {
        match what {
            "media_proxy" => self.media_proxy.is_some(),
            "[library]" => self.traffic.asks(What::Library),
            "[auth] login" => self.traffic.asks(What::Login),
            "[auth] refresh" => self.traffic.asks(What::Refresh),
            "[room] join" => self.traffic.asks(What::Join),
            _ => false,
        }
    }

    /// Why a step's expectation can never hold here, and what to add: it is about what this file does not declare.
    pub fn cannot(&self, expectation: &str) -> Option<(&'static str, &'static str)> {
        let socket = self.traffic.socket.as_ref();
        let signs_in = self.read.user.is_some();
        let (declared, why, help) = match expectation {
            "new picture" | "picture follows the sound" => (
                self.canvas.is_some(),
                "does not say where its picture is",
                "add `canvas` above the first table of the app file, such as canvas = \"#visualizer\"",
            ),
            "it reconnects" => (
                self.reconnect.is_some(),
                "does not say how it reconnects",
                "add [reconnect] to the app file: `status`, and the words of its `states`",
            ),
            "applied" => (
                socket.is_some_and(|s| !s.sent.is_empty()),
                "does not say which messages are commands",
                "add [socket] to the app file: `path`, and the types that are `sent`, `ack` and `applied`",
            ),
            "resync" => (
                socket.is_some_and(|s| !s.resync.is_empty()),
                "does not say what brings its state",
                "add [socket] to the app file: `path`, and the types that `resync`",
            ),
            "allowed" | "refused" => (
                socket.is_some_and(|s| !s.sent.is_empty()) || self.traffic.asks(What::Guarded),
                "does not say what a role may be refused",
                "add [socket] to the app file with the commands that are `sent`, or [permission] with its `requests`",
            ),
            "signed in" | "not signed in" => (
                signs_in,
                "does not say who is signed in",
                "add [read] to the app file: where the page shows the `user`, such as user = \"#account@data-user-id\"",
            ),
            "it falls back" => (
                self.read.fallback.is_some() || self.canvas.is_some(),
                "does not say how it falls back",
                "add `fallback` under [read] of the app file: what the page shows once it did",
            ),
            _ => return None,
        };
        (!declared).then_some((why, help))
    }
}
