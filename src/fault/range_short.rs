//! `range_short`: a server that gives less than was asked for at a time, which it may.

use super::seed::Draw;
use super::steps::{ask, set};
use super::{Fault, Range, Request, Step};
use crate::unit::Size;
use serde::Deserialize;

/// The most octets of one part. The server is asked for no more, so its 206 is consistent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeShort {
    max: Size,
}

impl Fault for RangeShort {
    fn check(&self) -> Result<(), String> {
        if self.max.0 == 0 { Err("parts of 0 octets: use `range_empty`".to_owned()) } else { Ok(()) }
    }

    /// So many at the end are left alone: where they begin is not known.
    fn request(&self, request: &Request, _: &Draw) -> Vec<Step> {
        let Some(Range::From(from, to)) = request.range else { return Vec::new() };
        let last = from.saturating_add(self.max.0 - 1);
        if to.is_some_and(|to| to <= last) {
            Vec::new()
        } else {
            vec![ask(set("Range", Range::From(from, Some(last))))]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, octets, on_request, play, refused};

    #[test]
    fn a_part_is_as_long_as_it_may_be_and_consistent() {
        for (range, to) in [("bytes=0-", 100), ("bytes=300-", 400), ("bytes=300-999", 400), ("bytes=950-", 1000)] {
            let seen = play(&fault("range_short", "max = \"100 B\""), range);
            seen.agrees();
            let from = to - seen.body.len() as u64;
            assert_eq!(seen.body, octets(from, to), "{range}");
            assert_eq!(seen.field("content-range"), format!("bytes {from}-{}/1000", to - 1));
        }
    }

    #[test]
    fn short_parts_ends_and_whole_files_are_left_alone() {
        let it = fault("range_short", "max = \"100 B\"");
        for range in ["bytes=0-99", "bytes=5-6", "bytes=-500", "bytes=0-1,5-"] {
            assert_eq!(on_request(&it, &format!("GET / HTTP/1.1\nRange: {range}")), [], "{range}");
        }
        assert_eq!(on_request(&it, "GET / HTTP/1.1"), []);
        assert!(refused("range_short", "max = \"0 B\"").contains("range_empty"));
    }
}
