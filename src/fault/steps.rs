//! Short words for steps that many faults take, and what they may ask about a response.

use super::head::Body;
use super::{Action, Answer, ContentRange, Edit, Framing, Point, Request, Response, Step, at};

/// Another request's head is sent on.
pub fn ask(edit: Edit) -> Step {
    at(Point::Request, Action::Edit(edit))
}

/// The same, so that a later step comes out right.
pub fn prepare(edit: Edit) -> Step {
    at(Point::Request, Action::Prepare(edit))
}

/// Another response's head leaves.
pub fn tell(edit: Edit) -> Step {
    at(Point::Head, Action::Edit(edit))
}

/// One field of this name, with this value.
pub fn set(name: &str, value: impl ToString) -> Edit {
    Edit::Set(name.to_owned(), value.to_string())
}

/// No field of this name.
pub fn remove(name: &str) -> Edit {
    Edit::Remove(name.to_owned())
}

/// Our own answer in the server's place. Nothing keeps it: a later request asks again.
pub fn answer<const N: usize>(status: u16, fields: [(&str, String); N], body: impl Into<Vec<u8>>) -> Vec<Step> {
    let own = fields.into_iter().chain([("Cache-Control", "no-store".to_owned())]);
    let fields = own.map(|(name, value)| (name.to_owned(), value)).collect();
    vec![at(Point::Request, Action::Answer(Answer { status, fields, body: body.into() }))]
}

/// What makes a request one for the whole file: a server may ignore `Range`, so what it answers then is consistent.
pub fn whole(edit: fn(Edit) -> Step, request: &Request) -> Vec<Step> {
    let fields = ["Range", "If-Range"].into_iter().filter(|name| request.head.get(name).is_some());
    fields.map(|name| edit(remove(name))).collect()
}

/// How the response's body ends; [`Body::Empty`] also where its head does not tell in one way only.
pub fn body(request: &Request, response: &Response) -> Body {
    response.head.response_body(request.method).unwrap_or(Body::Empty)
}

/// Whether the body may have an octet of this number.
pub fn has_octet(request: &Request, response: &Response, number: u64) -> bool {
    match response.head.response_body(request.method) {
        Ok(Body::Empty) => false,
        Ok(Body::Length(length)) => number < length,
        Ok(Body::Chunked | Body::Close) | Err(_) => true,
    }
}

/// The part that a response of one part says it is.
pub fn part(response: &Response) -> Option<ContentRange> {
    response.range.filter(|_| response.status == 206)
}

/// Whether it carries a file, or one part of it.
pub fn is_file(response: &Response) -> bool {
    response.status == 200 || part(response).is_some()
}

/// Makes the head say this length, where it says one at all.
pub fn length(response: &Response, octets: u64) -> Option<Step> {
    response.head.content_length().ok()??;
    Some(tell(set("Content-Length", octets)))
}

/// Makes the body leave in chunks. Nothing where there is no body, or where HTTP/1.0 is spoken, which knows none.
pub fn chunks(request: &Request, response: &Response, framing: Framing) -> Vec<Step> {
    let old = request.head.request_line().is_none_or(|line| line.minor == 0)
        || response.head.status().is_none_or(|(_, minor)| minor == 0);
    let frame = at(Point::Head, Action::Frame(framing));
    match body(request, response) {
        Body::Empty => Vec::new(),
        _ if old => Vec::new(),
        Body::Chunked => vec![frame],
        Body::Length(_) | Body::Close => {
            vec![tell(remove("Content-Length")), tell(set("Transfer-Encoding", "chunked")), frame]
        }
    }
}
