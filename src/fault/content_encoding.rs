//! `content_encoding`: a file is said to be compressed and is not, or is compressed where nobody expects it.

use super::head::Body;
use super::seed::Draw;
use super::steps::{body, chunks, prepare, remove, set, tell, whole};
use super::{Action, Fault, Framing, Point, Request, Response, Step, at};
use serde::Deserialize;

/// `gzip_lie` changes one field; `gzip` truly compresses.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentEncoding {
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    GzipLie,
    Gzip,
}

impl Fault for ContentEncoding {
    /// A server that compresses as it sends has no parts to give.
    fn request(&self, request: &Request, _: &Draw) -> Vec<Step> {
        if self.how == How::Gzip { whole(prepare, request) } else { Vec::new() }
    }

    fn response(&self, request: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        if body(request, response) == Body::Empty || response.head.get("content-encoding").is_some() {
            return Vec::new();
        }
        let told = tell(set("Content-Encoding", "gzip"));
        match self.how {
            How::GzipLie => vec![told],
            How::Gzip if response.status == 206 => Vec::new(),
            How::Gzip => {
                let mut steps = vec![told, at(Point::Head, Action::Gzip)];
                let framing = chunks(request, response, Framing::Chunked);
                if framing.is_empty() {
                    steps.extend([tell(remove("Content-Length")), at(Point::Head, Action::Frame(Framing::Close))]);
                }
                steps.extend(framing);
                if response.head.get("accept-ranges").is_some() {
                    steps.push(tell(remove("Accept-Ranges")));
                }
                // RFC 9110, 8.8.3.3: what was encoded on the way is not the same octets.
                if let Some(strong) = response.head.get("etag").filter(|etag| !etag.starts_with("W/")) {
                    steps.push(tell(set("ETag", format!("W/{strong}"))));
                }
                steps
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, on_request, on_response, play, refused};
    use super::*;

    const GET: &str = "GET / HTTP/1.1";

    #[test]
    fn a_lie_changes_nothing_else() {
        let seen = play(&fault("content_encoding", "how = \"gzip_lie\""), "bytes=5-");
        assert_eq!((seen.field("content-encoding"), seen.asked.as_deref()), ("gzip", Some("bytes=5-")));
        seen.agrees();
    }

    #[test]
    fn what_is_truly_compressed_has_no_length_and_no_parts() {
        let it = fault("content_encoding", "how = \"gzip\"");
        let asked = on_request(&it, "GET / HTTP/1.1\nRange: bytes=5-\nIf-Range: \"a\"");
        assert_eq!(asked, [prepare(remove("Range")), prepare(remove("If-Range"))]);
        let response = "HTTP/1.1 200 OK\nContent-Length: 9\nAccept-Ranges: bytes\nETag: \"a\"";
        assert_eq!(
            on_response(&it, GET, response),
            [
                tell(set("Content-Encoding", "gzip")),
                at(Point::Head, Action::Gzip),
                tell(remove("Content-Length")),
                tell(set("Transfer-Encoding", "chunked")),
                at(Point::Head, Action::Frame(Framing::Chunked)),
                tell(remove("Accept-Ranges")),
                tell(set("ETag", "W/\"a\"")),
            ]
        );
        let old = on_response(&it, "GET / HTTP/1.0", "HTTP/1.1 200 OK\nContent-Length: 9");
        assert_eq!(old.last(), Some(&at(Point::Head, Action::Frame(Framing::Close))));
    }

    #[test]
    fn what_is_compressed_already_or_empty_is_left_alone() {
        for how in ["gzip", "gzip_lie"] {
            let it = fault("content_encoding", &format!("how = \"{how}\""));
            for response in ["HTTP/1.1 200 OK\nContent-Length: 9\nContent-Encoding: br", "HTTP/1.1 204 No Content"] {
                assert_eq!(on_response(&it, GET, response), [], "{how} {response}");
            }
        }
        let part = "HTTP/1.1 206 Partial Content\nContent-Length: 1\nContent-Range: bytes 0-0/9";
        assert_eq!(on_response(&fault("content_encoding", "how = \"gzip\""), GET, part), []);
        assert!(refused("content_encoding", "how = \"br\"").contains("br"));
    }
}
