//! `cors`: a response that other origins may read no longer says so.

use super::seed::Draw;
use super::steps::{remove, set, tell};
use super::{Fault, Request, Response, Step};
use serde::Deserialize;

/// Without permission, or with somebody else's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    how: How,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    Strip,
    Wrong,
}

const ALLOW: &str = "Access-Control-Allow-Origin";

impl Fault for Cors {
    fn response(&self, request: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        // Who does not say where it comes from needs no permission (Fetch, 3.2): nothing would be broken.
        if request.head.get("Origin").is_none() || response.head.get(ALLOW).is_none() {
            return Vec::new();
        }
        match self.how {
            How::Strip => vec![tell(remove(ALLOW))],
            // RFC 6761: no such host can ever be.
            How::Wrong => vec![tell(set(ALLOW, "https://other.invalid"))],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, on_response, refused};
    use super::*;

    #[test]
    fn permission_goes_or_becomes_another_ones() {
        let allowed = "HTTP/1.1 200 OK\naccess-control-allow-origin: *";
        let steps = |how: &str, response: &str| {
            on_response(&fault("cors", &format!("how = \"{how}\"")), "GET / HTTP/1.1\nOrigin: http://a", response)
        };
        assert_eq!(steps("strip", allowed), [tell(remove(ALLOW))]);
        assert_eq!(steps("wrong", allowed), [tell(set(ALLOW, "https://other.invalid"))]);
        let same_origin = on_response(&fault("cors", "how = \"strip\""), "GET / HTTP/1.1", allowed);
        assert_eq!(same_origin, [], "who is of the same origin asks for no permission");
        assert_eq!(steps("strip", "HTTP/1.1 200 OK"), []);
        assert_eq!(steps("wrong", "HTTP/1.1 200 OK"), []);
        assert!(refused("cors", "how = \"none\"").contains("none"));
    }
}
