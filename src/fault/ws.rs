//! `ws_close`, `ws_stall`, `ws_drop`: WebSockets that end, fall silent, or lose messages of the server's.

use super::seed::Draw;
use super::steps::{prepare, remove};
use super::{Action, Cut, Fault, Point, Request, Response, Step, at};
use serde::Deserialize;

/// `ws_close`: a close frame with this code, then the connection's end.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Close {
    #[serde(default = "internal_error")]
    code: u16,
    #[serde(default)]
    nth: u64,
}

fn internal_error() -> u16 {
    1011
}

impl Fault for Close {
    fn check(&self) -> Result<(), String> {
        match self.code {
            // RFC 6455, 7.4: what may stand in a frame.
            1004..=1006 | 1015 => Err(format!("`{}` is never sent: for a lost connection use `reset`", self.code)),
            1000..=1014 | 3000..=4999 => Ok(()),
            code => Err(format!("`{code}` is no close code: 1000 to 1014, or 3000 to 4999")),
        }
    }

    fn response(&self, _: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        let [high, low] = self.code.to_be_bytes();
        // FIN and opcode 8; two octets, not masked: it comes from the server.
        let frame = Action::Raw(vec![0x88, 2, high, low]);
        before(response, self.nth, vec![frame, Action::Cut(Cut::Fin)])
    }
}

/// `ws_stall`: from this message on, silence.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stall {
    #[serde(default)]
    nth: u64,
}

impl Fault for Stall {
    fn response(&self, _: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        before(response, self.nth, vec![Action::Cut(Cut::Silence)])
    }
}

/// `ws_drop`: so many messages do not arrive.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    #[serde(default)]
    nth: u64,
    #[serde(default = "one")]
    count: u64,
}

fn one() -> u64 {
    1
}

impl Fault for Lost {
    fn check(&self) -> Result<(), String> {
        if self.count == 0 { Err("`count` is 0: no message is lost".to_owned()) } else { Ok(()) }
    }

    /// Compressed messages build on those before (RFC 7692, 7.1.1): one lost would break all that follow. Without the
    /// offer of an extension there is none.
    fn request(&self, request: &Request, _: &Draw) -> Vec<Step> {
        const OFFER: &str = "Sec-WebSocket-Extensions";
        if request.head.get(OFFER).is_some() { vec![prepare(remove(OFFER))] } else { Vec::new() }
    }

    fn response(&self, _: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        before(response, self.nth, vec![Action::Skip(self.count)])
    }
}

/// Before the server's message of this number, once the WebSocket is open.
fn before(response: &Response, number: u64, actions: Vec<Action>) -> Vec<Step> {
    if response.status != 101 || !response.head.has_token("upgrade", "websocket") {
        return Vec::new();
    }
    actions.into_iter().map(|action| at(Point::Message(number), action)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, on_request, on_response, refused};
    use super::*;

    const OPEN: &str = "GET /ws HTTP/1.1\nUpgrade: websocket\nSec-WebSocket-Extensions: permessage-deflate";
    const OPENED: &str = "HTTP/1.1 101 Switching Protocols\nUpgrade: WebSocket\nConnection: Upgrade";

    #[test]
    fn a_close_frame_carries_its_code() {
        let frame = |code: [u8; 2]| at(Point::Message(3), Action::Raw([&[0x88, 2], &code[..]].concat()));
        let end = at(Point::Message(3), Action::Cut(Cut::Fin));
        assert_eq!(on_response(&fault("ws_close", "nth = 3"), OPEN, OPENED), [frame([0x03, 0xf3]), end.clone()]);
        let custom = fault("ws_close", "code = 4000\nnth = 3");
        assert_eq!(on_response(&custom, OPEN, OPENED), [frame([0x0f, 0xa0]), end]);
    }

    #[test]
    fn silence_and_loss_begin_with_a_message() {
        let silence = at(Point::Message(0), Action::Cut(Cut::Silence));
        assert_eq!(on_response(&fault("ws_stall", ""), OPEN, OPENED), [silence]);
        let lost = at(Point::Message(2), Action::Skip(5));
        let it = fault("ws_drop", "nth = 2\ncount = 5");
        assert_eq!(on_response(&it, OPEN, OPENED), [lost]);
        assert_eq!(on_request(&it, OPEN), [prepare(remove("Sec-WebSocket-Extensions"))]);
        assert_eq!(on_request(&it, "GET /ws HTTP/1.1\nUpgrade: websocket"), []);
    }

    #[test]
    fn what_is_no_websocket_is_left_alone() {
        for name in ["ws_close", "ws_stall", "ws_drop"] {
            for response in ["HTTP/1.1 200 OK\nUpgrade: websocket", "HTTP/1.1 101 x\nUpgrade: h2c", "HTTP/1.1 403 x"] {
                assert_eq!(on_response(&fault(name, ""), OPEN, response), [], "{name} {response}");
            }
        }
    }

    #[test]
    fn codes_that_are_never_sent_and_no_messages_are_refused() {
        for code in [0, 999, 1005, 1006, 1015, 2000, 5000] {
            refused("ws_close", &format!("code = {code}"));
        }
        assert!(refused("ws_close", "code = 1006").contains("use `reset`"));
        assert!(refused("ws_drop", "count = 0").contains("no message"));
        assert!(refused("ws_stall", "count = 1").contains("count"));
    }
}
