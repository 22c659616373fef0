//! `multipart`: one part was asked for, and comes wrapped as if there were several (RFC 9110 forbids it, 15.3.7.2).

use super::head::Body;
use super::seed::Draw;
use super::steps::{body, part, remove, set, tell};
use super::{Action, Fault, Point, Request, Response, Step, at};
use serde::Deserialize;

/// A correct `multipart/byteranges` of one part.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Multipart {}

impl Fault for Multipart {
    fn response(&self, request: &Request, response: &Response, draw: &Draw) -> Vec<Step> {
        let framing = body(request, response);
        let (Some(part), false) = (part(response), framing == Body::Empty) else { return Vec::new() };
        let boundary = format!("{:016x}", draw.bits(0));
        let kind =
            response.head.get("content-type").map(|kind| format!("Content-Type: {kind}\r\n")).unwrap_or_default();
        let before = format!("--{boundary}\r\n{kind}Content-Range: {part}\r\n\r\n");
        let after = format!("\r\n--{boundary}--\r\n");
        let mut steps = vec![
            tell(set("Content-Type", format!("multipart/byteranges; boundary={boundary}"))),
            tell(remove("Content-Range")),
        ];
        if let Body::Length(length) = framing {
            steps.push(tell(set("Content-Length", length + (before.len() + after.len()) as u64)));
        }
        steps.push(at(Point::Body(0), Action::Insert(before.into_bytes())));
        steps.push(at(Point::End, Action::Insert(after.into_bytes())));
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, octets, on_response, play, refused};

    #[test]
    fn the_part_lies_between_two_boundaries() {
        let seen = play(&fault("multipart", ""), "bytes=500-599");
        let boundary = seen.field("content-type").strip_prefix("multipart/byteranges; boundary=").expect("a boundary");
        let before = format!("--{boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes 500-599/1000\r\n\r\n");
        let after = format!("\r\n--{boundary}--\r\n");
        assert_eq!(seen.body, [before.as_bytes(), &octets(500, 600), after.as_bytes()].concat());
        assert_eq!(seen.head.content_length(), Ok(Some(seen.body.len() as u64)));
        assert_eq!((seen.status(), seen.head.get("content-range")), (206, None));
    }

    #[test]
    fn whole_files_and_heads_are_left_alone() {
        play(&fault("multipart", ""), "").agrees();
        let part = "HTTP/1.1 206 x\nContent-Range: bytes 0-4/9\nContent-Length: 5";
        assert_eq!(on_response(&fault("multipart", ""), "HEAD / HTTP/1.1", part), []);
        assert!(refused("multipart", "parts = 2").contains("parts"));
    }
}
