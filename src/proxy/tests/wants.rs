//! Rules that want what a test says, and requests that meet them.

use super::*;
use crate::fault::rule::{Rule, Scope, When};
use crate::fault::seed::Draw;
use crate::fault::{Fault, Request, Response, Step};
use std::sync::Arc;

/// A fault that wants what it is told.
#[derive(Clone, Debug, Default)]
pub(super) struct Wants {
    pub accept: Vec<Step>,
    pub request: Vec<Step>,
    pub response: Vec<Step>,
}

impl Fault for Wants {
    fn accept(&self, _: &Draw) -> Vec<Step> {
        self.accept.clone()
    }
    fn request(&self, _: &Request, _: &Draw) -> Vec<Step> {
        self.request.clone()
    }
    fn response(&self, _: &Request, _: &Response, _: &Draw) -> Vec<Step> {
        self.response.clone()
    }
}

pub(super) fn rule(id: &str, fault: Wants) -> Rule {
    Rule {
        id: id.to_owned(),
        kind: "test",
        leg: Leg::Browser,
        when: When::default(),
        probability: 1.0,
        times: None,
        scope: Scope::Link,
        armed: true,
        fault: Arc::new(fault),
    }
}

pub(super) fn on_response(steps: Vec<Step>) -> Rule {
    rule("f", Wants { response: steps, ..Wants::default() })
}

pub(super) fn on_request(steps: Vec<Step>) -> Rule {
    rule("f", Wants { request: steps, ..Wants::default() })
}

pub(super) fn on_accept(steps: Vec<Step>) -> Rule {
    rule("f", Wants { accept: steps, ..Wants::default() })
}

/// A proxy before a server that always answers so, with these rules.
pub(super) async fn rig(answer: &str, rules: Vec<Rule>) -> Rig {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    server.always(answer);
    rig.proxy.arm(Armed { rules, seed: 1, journey: "j".into() });
    rig
}

/// Everything that comes back for one request, on a connection that ends after it.
pub(super) async fn get(rig: &Rig) -> (String, Result<(), std::io::ErrorKind>) {
    let mut client = rig.client().await;
    client.write("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.rest().await
}

/// The same, on a connection that stays: head and so many octets.
pub(super) async fn get_of(client: &mut Peer, n: usize) -> (String, String) {
    client.write("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    (client.head().await, client.text(n).await)
}

pub(super) fn ten() -> String {
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789".to_owned()
}
