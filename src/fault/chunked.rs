//! `chunked`: a body in chunks that do not end as they should (RFC 9112, 7.1 and 8).

use super::seed::Draw;
use super::steps::{chunks, has_octet};
use super::{Action, Cut, Fault, Framing, Point, Request, Response, Step, at};
use crate::unit::Size;
use serde::Deserialize;

/// What is wrong, and before which octet of the body. A body that did not come in chunks leaves in chunks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunked {
    how: How,
    at: Option<Size>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    /// A chunk's length that is no number.
    BadSize,
    /// The end in the middle of a chunk.
    Cut,
    /// Everything, but not the last chunk that says so.
    NoTerminator,
}

impl Fault for Chunked {
    fn check(&self) -> Result<(), String> {
        match (self.how, self.at) {
            (How::NoTerminator, Some(_)) => Err("`no_terminator` is at the body's end: no `at`".to_owned()),
            _ => Ok(()),
        }
    }

    fn response(&self, request: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        if self.how == How::NoTerminator {
            return chunks(request, response, Framing::ChunkedUnended);
        }
        let octet = self.at.map_or(0, |at| at.0);
        let mut steps = chunks(request, response, Framing::Chunked);
        if steps.is_empty() || !has_octet(request, response, octet) {
            return Vec::new();
        }
        // A whole chunk of 4096 octets is promised; none of it comes.
        let line: &[u8] = if self.how == How::BadSize { b"oops\r\n" } else { b"1000\r\n" };
        steps.push(at(Point::Body(octet), Action::Raw(line.to_vec())));
        steps.push(at(Point::Body(octet), Action::Cut(Cut::Fin)));
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, octets, on_response, play, refused};
    use super::*;

    const GET: &str = "GET / HTTP/1.1";

    #[test]
    fn a_body_of_known_length_leaves_in_chunks_that_break() {
        for (how, line) in [("bad_size", &b"oops\r\n"[..]), ("cut", b"1000\r\n")] {
            let seen = play(&fault("chunked", &format!("how = \"{how}\"\nat = \"300 B\"")), "bytes=500-");
            assert_eq!(seen.body, [&octets(500, 800), line].concat(), "{how}");
            assert_eq!((seen.framing, seen.cut), (Some(Framing::Chunked), Some(Cut::Fin)), "{how}");
            assert_eq!((seen.head.get("content-length"), seen.field("transfer-encoding")), (None, "chunked"), "{how}");
            assert_eq!(seen.status(), 206, "{how}");
        }
        let unended = play(&fault("chunked", "how = \"no_terminator\""), "");
        assert_eq!((unended.framing, unended.body), (Some(Framing::ChunkedUnended), octets(0, 1000)));
    }

    #[test]
    fn chunks_keep_their_head() {
        let steps = on_response(&fault("chunked", "how = \"cut\""), GET, "HTTP/1.1 200 OK\nTransfer-Encoding: chunked");
        assert_eq!(
            steps,
            [
                at(Point::Head, Action::Frame(Framing::Chunked)),
                at(Point::Body(0), Action::Raw(b"1000\r\n".to_vec())),
                at(Point::Body(0), Action::Cut(Cut::Fin)),
            ]
        );
    }

    #[test]
    fn empty_short_and_old_responses_are_left_alone() {
        for how in ["bad_size", "cut", "no_terminator"] {
            let it = fault("chunked", &format!("how = \"{how}\""));
            for (request, response) in [
                (GET, "HTTP/1.1 204 No Content"),
                ("HEAD / HTTP/1.1", "HTTP/1.1 200 OK\nContent-Length: 5"),
                ("GET / HTTP/1.0", "HTTP/1.1 200 OK\nContent-Length: 5"),
                (GET, "HTTP/1.0 200 OK\nContent-Length: 5"),
            ] {
                assert_eq!(on_response(&it, request, response), [], "{how} {request} {response}");
            }
        }
        let later = fault("chunked", "how = \"cut\"\nat = \"5 B\"");
        assert_eq!(on_response(&later, GET, "HTTP/1.1 200 OK\nContent-Length: 5"), []);
    }

    #[test]
    fn a_place_for_what_has_none_is_refused() {
        assert!(refused("chunked", "how = \"no_terminator\"\nat = \"5 B\"").contains("no `at`"));
        assert!(refused("chunked", "").contains("how"));
    }
}
