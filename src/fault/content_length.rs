//! `content_length`: the length that is told is not the length that is sent.

use super::head::Body;
use super::seed::Draw;
use super::steps::{body, chunks, remove, set, tell};
use super::{Action, Cut, Edit, Fault, Framing, Point, Request, Response, Step, at};
use serde::Deserialize;

/// By how many octets it is wrong, or what else is wrong with it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentLength {
    off: Option<i64>,
    how: Option<How>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    /// None is told: the connection's end is the body's.
    Missing,
    /// Two that differ.
    Conflicting,
    /// One, and chunks all the same.
    WithChunked,
}

impl Fault for ContentLength {
    fn check(&self) -> Result<(), String> {
        match (self.off, self.how) {
            (Some(0), None) => Err("`off = 0` is the true length".to_owned()),
            (Some(_), None) | (None, Some(_)) => Ok(()),
            _ => Err("give `off`, or `how` (missing, conflicting, with_chunked)".to_owned()),
        }
    }

    /// Only where a length is told: a chunked body has none that could be wrong.
    fn response(&self, request: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        let Body::Length(length) = body(request, response) else { return Vec::new() };
        let told = |told: u64| tell(set("Content-Length", told));
        let frame = |framing| at(Point::Head, Action::Frame(framing));
        // Whoever waits for more, waits in vain.
        let end = at(Point::End, Action::Cut(Cut::Fin));
        match (self.off.unwrap_or_default(), self.how) {
            (_, Some(How::Missing)) => {
                vec![tell(remove("Content-Length")), tell(set("Connection", "close")), frame(Framing::Close)]
            }
            (_, Some(How::Conflicting)) => {
                let second = tell(Edit::Add("Content-Length".to_owned(), (length + 1).to_string()));
                vec![second, frame(Framing::Length), end]
            }
            (_, Some(How::WithChunked)) => {
                let chunked = chunks(request, response, Framing::Chunked);
                chunked.into_iter().filter(|step| *step != tell(remove("Content-Length"))).collect()
            }
            (over @ 1.., None) => vec![told(length.saturating_add_signed(over)), frame(Framing::Length), end],
            (under, None) => match length.checked_add_signed(under) {
                None => Vec::new(),
                Some(less) => {
                    vec![told(less), frame(Framing::Length), at(Point::Body(less), Action::Cut(Cut::Fin))]
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, octets, on_response, play, refused};
    use super::*;

    #[test]
    fn more_is_promised_than_comes() {
        let seen = play(&fault("content_length", "off = 100"), "");
        assert_eq!((seen.field("content-length"), seen.body.len()), ("1100", 1000));
        assert_eq!((seen.framing, seen.cut), (Some(Framing::Length), Some(Cut::Fin)));
    }

    #[test]
    fn less_is_promised_and_no_more_comes() {
        let seen = play(&fault("content_length", "off = -100"), "bytes=500-");
        assert_eq!((seen.field("content-length"), &seen.body), ("400", &octets(500, 900)));
        assert_eq!((seen.head.get("content-range"), seen.cut), (Some("bytes 500-999/1000"), Some(Cut::Fin)));
    }

    #[test]
    fn a_length_is_missing_told_twice_or_beside_chunks() {
        let missing = play(&fault("content_length", "how = \"missing\""), "");
        assert_eq!((missing.head.content_length(), missing.framing), (Ok(None), Some(Framing::Close)));
        let conflicting = play(&fault("content_length", "how = \"conflicting\""), "");
        assert_eq!(conflicting.head.all("content-length").collect::<Vec<_>>(), ["1000", "1001"]);
        assert!(conflicting.head.response_body("GET").is_err());
        let both = play(&fault("content_length", "how = \"with_chunked\""), "");
        assert_eq!((both.field("content-length"), both.field("transfer-encoding")), ("1000", "chunked"));
        assert_eq!(both.framing, Some(Framing::Chunked));
    }

    #[test]
    fn where_no_length_is_told_none_is_wrong() {
        for keys in ["off = 1", "off = -1", "how = \"missing\"", "how = \"conflicting\"", "how = \"with_chunked\""] {
            let it = fault("content_length", keys);
            for response in ["HTTP/1.1 200 OK\nTransfer-Encoding: chunked", "HTTP/1.1 200 OK", "HTTP/1.1 304 x"] {
                assert_eq!(on_response(&it, "GET / HTTP/1.1", response), [], "{keys} {response}");
            }
            assert_eq!(on_response(&it, "HEAD / HTTP/1.1", "HTTP/1.1 200 OK\nContent-Length: 5"), [], "{keys} HEAD");
        }
        let too_much = fault("content_length", "off = -6");
        assert_eq!(on_response(&too_much, "GET / HTTP/1.1", "HTTP/1.1 200 OK\nContent-Length: 5"), []);
    }

    #[test]
    fn a_true_length_and_two_faults_at_once_are_refused() {
        assert!(refused("content_length", "off = 0").contains("true length"));
        assert!(refused("content_length", "").contains("with_chunked"));
        assert!(refused("content_length", "off = 1\nhow = \"missing\"").contains("give `off`, or `how`"));
        assert!(refused("content_length", "how = \"odd\"").contains("odd"));
    }
}
