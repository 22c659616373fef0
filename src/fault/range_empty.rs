//! `range_empty`: 206, the right range, and no octet of it. Firefox asks again at once, without end.

use super::seed::Draw;
use super::steps::{length, part, prepare, set, tell};
use super::{Action, ContentRange, Fault, Point, Range, Request, Response, Step, at};
use serde::Deserialize;

/// The server is asked for one octet only, or a storm of requests would fetch the file over and over for nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeEmpty {}

impl Fault for RangeEmpty {
    fn request(&self, request: &Request, _: &Draw) -> Vec<Step> {
        match request.range {
            Some(Range::From(from, _)) => vec![prepare(set("Range", Range::From(from, Some(from))))],
            Some(Range::Last(_)) | None => Vec::new(),
        }
    }

    fn response(&self, request: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        let Some(part) = part(response) else { return Vec::new() };
        let wanted = match request.range {
            Some(Range::From(_, to)) => {
                let ends = [to, part.total.map(|total| total.saturating_sub(1))];
                let last = ends.into_iter().flatten().min().unwrap_or(part.last);
                ContentRange { last: last.max(part.first), ..part }
            }
            Some(Range::Last(_)) | None => part,
        };
        let told = tell(set("Content-Range", wanted));
        let nothing = at(Point::Body(0), Action::Skip(u64::MAX));
        [Some(told), length(response, 0), Some(nothing)].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, on_response, play};

    #[test]
    fn the_right_range_comes_without_an_octet() {
        for (range, asked, told) in [
            ("bytes=500-", "bytes=500-500", "bytes 500-999/1000"),
            ("bytes=500-599", "bytes=500-500", "bytes 500-599/1000"),
            ("bytes=500-5000", "bytes=500-500", "bytes 500-999/1000"),
            ("bytes=-10", "bytes=-10", "bytes 990-999/1000"),
        ] {
            let seen = play(&fault("range_empty", ""), range);
            assert_eq!((seen.asked.as_deref(), seen.status()), (Some(asked), 206), "{range}");
            assert_eq!((seen.field("content-range"), seen.field("content-length")), (told, "0"), "{range}");
            assert_eq!((seen.body, seen.cut), (vec![], None), "{range}");
        }
    }

    #[test]
    fn whole_files_and_what_lies_behind_the_end_are_left_alone() {
        let whole = play(&fault("range_empty", ""), "");
        assert_eq!((whole.status(), whole.body.len()), (200, 1000));
        assert_eq!(play(&fault("range_empty", ""), "bytes=1000-").status(), 416);
        let unknown = "HTTP/1.1 206 Partial Content\nContent-Range: bytes 5-5/*\nTransfer-Encoding: chunked";
        let steps = on_response(&fault("range_empty", ""), "GET / HTTP/1.1\nRange: bytes=5-", unknown);
        assert_eq!(steps.len(), 2, "no length is told where none was: {steps:?}");
    }
}
