//! `range_body_shift`: the right head, and octets from beside the part that was asked for.

use super::seed::Draw;
use super::steps::{length, part, prepare, set, tell};
use super::{Action, ContentRange, Fault, Point, Range, Request, Response, Step, at};
use serde::Deserialize;

/// By how many octets; the server is asked for the part beside, and the head says what the client asked for. Where the
/// file ends before the shifted part does, zeros make up its length.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeBodyShift {
    by: i64,
}

const MOST: i64 = 1024 * 1024;

impl Fault for RangeBodyShift {
    fn check(&self) -> Result<(), String> {
        match self.by {
            0 => Err("shifted by 0 octets is right".to_owned()),
            by if by.abs() > MOST => Err(format!("`by` is at most {MOST} octets either way")),
            _ => Ok(()),
        }
    }

    /// Octets before the file's first there are none; and where so many at the end begin is not known.
    fn request(&self, request: &Request, _: &Draw) -> Vec<Step> {
        let Some(Range::From(from, to)) = request.range else { return Vec::new() };
        let Some(from) = from.checked_add_signed(self.by) else { return Vec::new() };
        let to = to.map(|to| to.saturating_add_signed(self.by));
        vec![prepare(set("Range", Range::From(from, to)))]
    }

    fn response(&self, request: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        let (Some(Range::From(from, to)), Some(part)) = (request.range, part(response)) else { return Vec::new() };
        if from.checked_add_signed(self.by) != Some(part.first) {
            return Vec::new();
        }
        let Some(end) = part.total.and_then(|total| total.checked_sub(1)).filter(|end| *end >= from) else {
            let last = part.last.saturating_add_signed(-self.by).max(from);
            return vec![tell(set("Content-Range", ContentRange { first: from, last, total: None }))];
        };
        let asked = to.unwrap_or(u64::MAX);
        // A server may give less than it was asked for; then that is what is told, beside.
        let gives_less = part.last < asked.saturating_add_signed(self.by).min(end);
        let last = if gives_less { part.last.saturating_add_signed(-self.by) } else { asked }.min(end);
        let told = ContentRange { first: from, last, total: part.total };
        let (is, says) = (part.last - part.first + 1, last - from + 1);
        let mut steps = vec![tell(set("Content-Range", told))];
        if is != says {
            steps.extend(length(response, says));
        }
        if is < says {
            steps.push(at(Point::End, Action::Insert(vec![0; (says - is) as usize])));
        } else if is > says {
            steps.push(at(Point::Body(says), Action::Skip(u64::MAX)));
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, octets, on_request, on_response, play, refused};

    #[test]
    fn the_head_is_right_and_the_octets_are_those_beside() {
        for (by, range, told, body) in [
            (10, "bytes=100-199", "bytes 100-199/1000", octets(110, 210)),
            (-10, "bytes=100-199", "bytes 100-199/1000", octets(90, 190)),
            (10, "bytes=100-", "bytes 100-999/1000", [octets(110, 1000), vec![0; 10]].concat()),
            (-10, "bytes=100-", "bytes 100-999/1000", octets(90, 990)),
            (10, "bytes=980-5000", "bytes 980-999/1000", [octets(990, 1000), vec![0; 10]].concat()),
            (-10, "bytes=980-5000", "bytes 980-999/1000", octets(970, 990)),
        ] {
            let seen = play(&fault("range_body_shift", &format!("by = {by}")), range);
            seen.agrees();
            assert_eq!((seen.field("content-range"), seen.body == body), (told, true), "{by} {range}");
        }
    }

    #[test]
    fn a_server_that_gives_less_is_believed() {
        let it = fault("range_body_shift", "by = 10");
        let response = "HTTP/1.1 206 Partial Content\nContent-Range: bytes 110-119/1000\nContent-Length: 10";
        let steps = on_response(&it, "GET / HTTP/1.1\nRange: bytes=100-", response);
        assert_eq!(format!("{steps:?}").matches("bytes 100-109/1000").count(), 1, "{steps:?}");
        assert_eq!(steps.len(), 1);
    }

    #[test]
    fn where_nothing_lies_beside_it_is_left_alone() {
        let it = fault("range_body_shift", "by = -10");
        for range in ["bytes=0-", "bytes=9-20", "bytes=-5"] {
            assert_eq!(on_request(&it, &format!("GET / HTTP/1.1\nRange: {range}")), [], "{range}");
            play(&it, range).agrees();
        }
        assert_eq!(play(&it, "").body, octets(0, 1000));
    }

    #[test]
    fn no_shift_and_a_far_one_are_refused() {
        assert!(refused("range_body_shift", "by = 0").contains("is right"));
        assert!(refused("range_body_shift", "by = 1048577").contains("1048576"));
        assert!(refused("range_body_shift", "").contains("by"));
    }
}
