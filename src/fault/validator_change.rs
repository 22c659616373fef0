//! `validator_change`: with every request it is another version of the file. Parts of different versions must not be
//! put together (RFC 9110, 15.3.7.3); browsers do.

use super::seed::Draw;
use super::steps::{is_file, set, tell};
use super::{Fault, Request, Response, Step};
use serde::Deserialize;

/// `ETag` differs with each request of the same URL, and `Last-Modified` where there is one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorChange {}

impl Fault for ValidatorChange {
    fn response(&self, request: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        if !is_file(response) {
            return Vec::new();
        }
        let n = request.nth;
        let mut steps = vec![tell(set("ETag", format!("\"version-{n}\"")))];
        if response.head.get("last-modified").is_some() {
            let (h, m, s) = (n / 3600 % 24, n / 60 % 60, n % 60);
            steps.push(tell(set("Last-Modified", format!("Thu, 01 Jan 2026 {h:02}:{m:02}:{s:02} GMT"))));
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, on_nth_response, refused};
    use super::*;

    fn steps(nth: u64, response: &str) -> Vec<Step> {
        on_nth_response(&fault("validator_change", ""), "GET /v.mp4 HTTP/1.1", nth, response)
    }

    #[test]
    fn every_request_gets_another_version() {
        let part =
            "HTTP/1.1 206 x\nContent-Range: bytes 0-4/9\nETag: \"a\"\nLast-Modified: Fri, 02 Jan 2026 00:00:00 GMT";
        let told = |tag: &str, date: &str| [tell(set("ETag", tag)), tell(set("Last-Modified", date))];
        assert_eq!(steps(1, part), told("\"version-1\"", "Thu, 01 Jan 2026 00:00:01 GMT"));
        assert_eq!(steps(3725, part), told("\"version-3725\"", "Thu, 01 Jan 2026 01:02:05 GMT"));
    }

    #[test]
    fn a_file_without_a_date_gets_none_and_an_error_has_no_version() {
        assert_eq!(steps(2, "HTTP/1.1 200 OK"), [tell(set("ETag", "\"version-2\""))]);
        assert_eq!(steps(2, "HTTP/1.1 404 Not Found\nETag: \"a\""), []);
        assert!(refused("validator_change", "nth = 2").contains("nth"));
    }
}
