//! `truncate`: the file ends too early, and everything agrees that it does: an upload that broke off, a recorder that
//! was killed. Only the player can tell, and on WebM no browser does.

use super::head::Body;
use super::seed::Draw;
use super::steps::{body, length, part, prepare, set, tell, whole};
use super::{Action, ContentRange, Edit, Fault, Point, Range, Request, Response, Step, at};
use crate::unit::{Share, Size};
use serde::Deserialize;

/// Where the file ends now: an octet of the whole file, or a share of its length.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truncate {
    at: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
enum End {
    Octet(u64),
    Share(f64),
}

impl TryFrom<String> for End {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if !text.trim_end().ends_with('%') {
            return Size::parse(&text).map(|size| End::Octet(size.0)).map_err(|e| format!("{e}; or a share: \"40 %\""));
        }
        match Share::parse(&text)?.0 {
            share if share < 1.0 => Ok(End::Share(share)),
            _ => Err(format!("`{text}` is all of it")),
        }
    }
}

impl Truncate {
    /// The shortened file's length, if the file is longer than that or may be. A share of what is not known is not
    /// known.
    fn shortened(&self, total: Option<u64>) -> Option<u64> {
        let end = match self.at {
            End::Octet(octet) => octet,
            End::Share(share) => (total? as f64 * share) as u64,
        };
        total.is_none_or(|total| end < total).then_some(end)
    }
}

impl Fault for Truncate {
    /// So many octets at the end are other ones now, and where they begin is not known: the whole file is asked for,
    /// which a server may give.
    fn request(&self, request: &Request, _: &Draw) -> Vec<Step> {
        if matches!(request.range, Some(Range::Last(_))) { whole(prepare, request) } else { Vec::new() }
    }

    fn response(&self, request: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        match (response.status, part(response)) {
            (206, Some(part)) => self.part(response, part),
            (200, None) => {
                let total = response.head.content_length().ok().flatten();
                let Some(end) = self.shortened(total).filter(|_| total.is_some() || has_body(request, response)) else {
                    return Vec::new();
                };
                [length(response, end), Some(nothing_from(end))].into_iter().flatten().collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Truncate {
    fn part(&self, response: &Response, part: ContentRange) -> Vec<Step> {
        let Some(end) = self.shortened(part.total) else { return Vec::new() };
        if end <= part.first {
            // RFC 9110, 15.5.17: none of what was asked for is there.
            let start = b"HTTP/1.1 416 Range Not Satisfiable".to_vec();
            let told = [tell(Edit::Start(start)), tell(set("Content-Range", format!("bytes */{end}")))];
            return told.into_iter().chain(length(response, 0)).chain([nothing_from(0)]).collect();
        }
        let told = ContentRange { last: part.last.min(end - 1), total: part.total.map(|_| end), ..part };
        if told == part {
            return Vec::new();
        }
        let mut steps = vec![tell(set("Content-Range", told))];
        if told.last < part.last {
            let octets = told.last - told.first + 1;
            steps.extend(length(response, octets));
            steps.push(nothing_from(octets));
        }
        steps
    }
}

fn has_body(request: &Request, response: &Response) -> bool {
    body(request, response) != Body::Empty
}

fn nothing_from(octet: u64) -> Step {
    at(Point::Body(octet), Action::Skip(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, octets, on_response, play, refused};
    use super::*;

    #[test]
    fn a_truncated_file_looks_like_a_shorter_one() {
        for keys in ["at = \"400 B\"", "at = \"40 %\""] {
            for (range, status, told, from, to) in [
                ("", 200, "", 0, 400),
                ("bytes=0-", 206, "bytes 0-399/400", 0, 400),
                ("bytes=100-199", 206, "bytes 100-199/400", 100, 200),
                ("bytes=399-", 206, "bytes 399-399/400", 399, 400),
                ("bytes=-100", 200, "", 0, 400),
                ("bytes=400-", 416, "bytes */400", 0, 0),
                ("bytes=990-", 416, "bytes */400", 0, 0),
            ] {
                let seen = play(&fault("truncate", keys), range);
                seen.agrees();
                assert_eq!((seen.status(), seen.field("content-range")), (status, told), "{keys} {range}");
                assert_eq!(seen.body, octets(from, to), "{keys} {range}");
            }
        }
    }

    #[test]
    fn a_file_that_is_no_longer_is_left_alone() {
        for range in ["", "bytes=0-", "bytes=500-"] {
            let seen = play(&fault("truncate", "at = \"1 kB\""), range);
            seen.agrees();
            assert_eq!(seen.body.last(), octets(0, 1000).last(), "{range}");
        }
        let it = fault("truncate", "at = \"5 B\"");
        for response in ["HTTP/1.1 404 Not Found\nContent-Length: 9", "HTTP/1.1 304 Not Modified\nContent-Length: 9"] {
            assert_eq!(on_response(&it, "GET / HTTP/1.1", response), [], "{response}");
        }
    }

    #[test]
    fn of_an_unknown_length_an_octet_is_known_and_a_share_is_not() {
        for response in ["HTTP/1.1 200 OK\nTransfer-Encoding: chunked", "HTTP/1.1 200 OK"] {
            let steps = |keys: &str| on_response(&fault("truncate", keys), "GET / HTTP/1.1", response);
            assert_eq!(steps("at = \"5 B\""), [at(Point::Body(5), Action::Skip(u64::MAX))], "{response}");
            assert_eq!(steps("at = \"50 %\""), [], "{response}");
        }
        let part = "HTTP/1.1 206 x\nContent-Range: bytes 0-9/*\nContent-Length: 10";
        let steps = on_response(&fault("truncate", "at = \"5 B\""), "GET / HTTP/1.1", part);
        let told = ["bytes 0-4/*", "5"].into_iter().zip(["Content-Range", "Content-Length"]);
        let told: Vec<_> = told.map(|(value, name)| tell(set(name, value))).chain([nothing_from(5)]).collect();
        assert_eq!(steps, told);
    }

    #[test]
    fn a_head_request_hears_the_same_length() {
        let steps =
            on_response(&fault("truncate", "at = \"5 B\""), "HEAD / HTTP/1.1", "HTTP/1.1 200 OK\nContent-Length: 9");
        assert_eq!(steps.first(), Some(&tell(set("Content-Length", 5))));
    }

    #[test]
    fn all_of_it_and_no_unit_are_refused() {
        assert!(refused("truncate", "at = \"100 %\"").contains("all of it"));
        assert!(refused("truncate", "at = \"120 %\"").contains("no share"));
        assert!(refused("truncate", "at = \"5\"").contains("a share"));
        assert!(refused("truncate", "").contains("at"));
    }
}
