//! Faults played without sockets: heads in, steps out; and whole exchanges with a server that is a file in memory, so
//! that a test sees what a client would.

use super::head::Head;
use super::seed::Draw;
use super::{
    Action, ContentRange, Cut, FAULTS, Fault, Framing, Mangle, Point, Range, Request, Resource, Response, Step,
};
use crate::table::find;
use std::sync::Arc;

/// Octets of the server's file.
pub const FILE: u64 = 1000;

/// The file's octet of this number.
pub fn octet(number: u64) -> u8 {
    (number % 251) as u8
}

/// The file's octets from there up to here.
pub fn octets(from: u64, to: u64) -> Vec<u8> {
    (from..to).map(octet).collect()
}

/// Makes a fault from its row, or says why not.
pub fn make(name: &str, keys: &str) -> Result<Arc<dyn Fault>, String> {
    let kind = find(FAULTS, name).expect("a row of this name");
    (kind.make)(toml::from_str(keys).expect("keys are TOML")).map_err(|e| e.to_string())
}

/// Makes a fault from its row.
pub fn fault(name: &str, keys: &str) -> Arc<dyn Fault> {
    make(name, keys).expect("keys that fit")
}

/// Why these keys are not taken.
pub fn refused(name: &str, keys: &str) -> String {
    make(name, keys).expect_err("keys that do not fit")
}

/// The draw of every playbook.
pub fn draw() -> Draw {
    Draw::new(1, "f", "j", "GET", "/v.mp4", 0, 1)
}

fn wire(head: &str) -> Vec<u8> {
    format!("{}\r\n\r\n", head.replace('\n', "\r\n")).into_bytes()
}

/// Reads a request's head, lines apart by LF, and gives it to `then` as the `nth`.
pub fn with_request<R>(head: &str, nth: u64, then: impl FnOnce(&Request) -> R) -> R {
    let (head, _) = Head::request(&wire(head)).expect("a request's head").expect("whole");
    let line = head.request_line().expect("a request line");
    let path = line.target.split('?').next().unwrap_or_default();
    let range = head.get("range").and_then(Range::read);
    let (method, target, resource) = (line.method, line.target, Resource::Media);
    then(&Request { method, host: "a:1", path, target, resource, range, nth, head: &head })
}

fn with_response<R>(head: &Head, then: impl FnOnce(&Response) -> R) -> R {
    let status = head.status().expect("a status line").0;
    let length = head.content_length().ok().flatten();
    let range = head.get("content-range").and_then(ContentRange::read);
    then(&Response { status, length, range, head })
}

/// What a fault does about this request.
pub fn on_request(fault: &Arc<dyn Fault>, head: &str) -> Vec<Step> {
    with_request(head, 1, |request| fault.request(request, &draw()))
}

/// What a fault does about this response to that request.
pub fn on_response(fault: &Arc<dyn Fault>, request: &str, response: &str) -> Vec<Step> {
    on_nth_response(fault, request, 1, response)
}

/// The same, of the `nth` request.
pub fn on_nth_response(fault: &Arc<dyn Fault>, request: &str, nth: u64, response: &str) -> Vec<Step> {
    let head = Head::response(&wire(response)).expect("a response's head").expect("whole").0;
    with_request(request, nth, |request| with_response(&head, |response| fault.response(request, response, &draw())))
}

/// What a client saw.
#[derive(Debug)]
pub struct Seen {
    /// The range that the server was asked for.
    pub asked: Option<String>,
    /// The response's head.
    pub head: Head,
    /// The body, without its framing.
    pub body: Vec<u8>,
    /// How the body's end was told, where a fault said so.
    pub framing: Option<Framing>,
    /// How it ended, if not well.
    pub cut: Option<Cut>,
}

impl Seen {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.head.status().expect("a status line").0
    }

    /// A field's value, empty where there is none.
    pub fn field(&self, name: &str) -> &str {
        self.head.get(name).unwrap_or_default()
    }

    /// That its length, its range and its body agree with each other.
    pub fn agrees(&self) {
        let length = self.body.len() as u64;
        assert_eq!(self.head.content_length(), Ok(Some(length)), "{self:?}");
        match (self.status(), ContentRange::read(self.field("content-range"))) {
            (206, Some(range)) => {
                assert_eq!(range.last - range.first + 1, length, "{range}");
                assert!(range.total.is_none_or(|total| range.last < total), "{range}");
            }
            (206, None) => panic!("a part without its range: {self:?}"),
            (_, range) => assert_eq!(range, None),
        }
        assert_eq!(self.cut, None);
    }
}

/// Plays one exchange: `range` is the `Range` field's value, empty for none.
pub fn play(fault: &Arc<dyn Fault>, range: &str) -> Seen {
    let field = if range.is_empty() { String::new() } else { format!("\nRange: {range}") };
    with_request(&format!("GET /v.mp4 HTTP/1.1\nHost: a:1{field}"), 1, |request| {
        let mut sent = request.head.clone();
        for step in fault.request(request, &draw()) {
            match step.action {
                Action::Edit(edit) | Action::Prepare(edit) if step.at == Point::Request => sent.edit(&edit),
                other => panic!("nothing for a playbook: {other:?}"),
            }
        }
        let (head, body) = serve(sent.get("range").and_then(Range::read));
        let asked = sent.get("range").map(str::to_owned);
        let steps = with_response(&head, |response| fault.response(request, response, &draw()));
        carry_out(&steps, Seen { asked, head, body: Vec::new(), framing: None, cut: None }, &body)
    })
}

/// A server as it should be.
fn serve(range: Option<Range>) -> (Head, Vec<u8>) {
    let part = range.map(|range| match range {
        Range::From(from, to) => (from, to.map_or(FILE, |to| FILE.min(to + 1))),
        Range::Last(n) => (FILE.saturating_sub(n), FILE),
    });
    let (status, (from, to), told) = match part {
        None => ("200 OK", (0, FILE), String::new()),
        Some((from, to)) if from < to => {
            ("206 Partial Content", (from, to), format!("\nContent-Range: bytes {from}-{}/{FILE}", to - 1))
        }
        Some(_) => ("416 Range Not Satisfiable", (0, 0), format!("\nContent-Range: bytes */{FILE}")),
    };
    let fields = "Content-Type: video/mp4\nAccept-Ranges: bytes\nETag: \"one\"";
    let head = format!("HTTP/1.1 {status}\n{fields}{told}\nContent-Length: {}", to - from);
    (Head::response(&wire(&head)).expect("a response's head").expect("whole").0, octets(from, to))
}

/// What the proxy does with a response, one octet at a time.
fn carry_out(steps: &[Step], mut seen: Seen, body: &[u8]) -> Seen {
    for step in steps.iter().filter(|step| step.at == Point::Head) {
        match &step.action {
            Action::Edit(edit) => seen.head.edit(edit),
            Action::Frame(framing) => seen.framing = Some(*framing),
            other => panic!("nothing for a playbook: {other:?}"),
        }
    }
    let mut skip_to = 0;
    let mut spoilt: Vec<(u64, Mangle, u64)> = Vec::new();
    let places = (0..(body.len() as u64).max(1)).map(Point::Body).chain([Point::End]);
    for (number, place) in (0u64..).zip(places) {
        for step in steps.iter().filter(|step| step.at == place) {
            match &step.action {
                Action::Insert(bytes) | Action::Raw(bytes) => seen.body.extend(bytes),
                Action::Skip(n) => skip_to = number.saturating_add(*n),
                Action::Mangle { to, how, first } => spoilt.push((*to, *how, *first)),
                Action::Cut(cut) => return Seen { cut: Some(*cut), ..seen },
                other => panic!("nothing for a playbook: {other:?}"),
            }
        }
        if let (Some(octet), true) = (body.get(number as usize).filter(|_| place != Point::End), number >= skip_to) {
            let mut octet = [*octet];
            let due = spoilt.iter().filter(|(to, ..)| number < *to);
            due.for_each(|(_, how, first)| how.spoil(&mut octet, first + number, &draw()));
            seen.body.extend(octet);
        }
    }
    seen
}
