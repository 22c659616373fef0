//! `range_ignored`: a server without ranges: 200 and the whole file, whatever part was asked for.

use super::seed::Draw;
use super::steps::{ask, remove, tell, whole};
use super::{Fault, Request, Response, Step};
use serde::Deserialize;

/// The server never hears of the range, so its own answer is a consistent 200.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeIgnored {}

impl Fault for RangeIgnored {
    fn request(&self, request: &Request, _: &Draw) -> Vec<Step> {
        whole(ask, request)
    }

    fn response(&self, _: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        let offers = response.status == 200 && response.head.get("accept-ranges").is_some();
        if offers { vec![tell(remove("Accept-Ranges"))] } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, octets, on_request, play, refused};
    use super::*;

    #[test]
    fn every_part_becomes_the_whole_and_no_parts_are_offered() {
        for range in ["bytes=0-", "bytes=500-", "bytes=-5", "bytes=0-1,5-6", ""] {
            let seen = play(&fault("range_ignored", ""), range);
            assert_eq!((seen.asked.as_deref(), seen.status()), (None, 200), "{range}");
            assert_eq!((seen.head.get("accept-ranges"), seen.body == octets(0, 1000)), (None, true), "{range}");
            seen.agrees();
        }
    }

    #[test]
    fn a_condition_on_the_part_goes_too() {
        let asked = on_request(&fault("range_ignored", ""), "GET / HTTP/1.1\nIf-Range: \"a\"\nRange: bytes=0-");
        assert_eq!(asked, [ask(remove("Range")), ask(remove("If-Range"))]);
        assert!(refused("range_ignored", "by = 1").contains("by"));
    }
}
