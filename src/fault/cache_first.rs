//! `cache_first`: a media file comes from a full local copy: the mitigation for a bad upstream, tried before it is
//! built.

use super::seed::Draw;
use super::{Action, Fault, Point, Request, Step, at};
use serde::Deserialize;

/// Answers come from the copy, fetched whole when it is first asked for; ranges are served.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheFirst {}

impl Fault for CacheFirst {
    fn request(&self, request: &Request, _: &Draw) -> Vec<Step> {
        if request.method == "GET" { vec![at(Point::Request, Action::Cache)] } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, on_request, refused};
    use super::*;

    #[test]
    fn only_what_reads_comes_from_the_copy() {
        let it = fault("cache_first", "");
        assert_eq!(on_request(&it, "GET /v.mp4 HTTP/1.1\nRange: bytes=5-"), [at(Point::Request, Action::Cache)]);
        assert_eq!(on_request(&it, "HEAD /v.mp4 HTTP/1.1"), []);
        assert_eq!(on_request(&it, "POST /v.mp4 HTTP/1.1\nContent-Length: 5"), []);
        assert!(refused("cache_first", "size = 1").contains("size"));
    }
}
