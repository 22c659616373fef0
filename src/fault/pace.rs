//! `slicer`, `trickle`, `drip_headers`: a little at a time.

use super::seed::Draw;
use super::steps::has_octet;
use super::{Action, Fault, Point, Request, Response, Step, at};
use crate::unit::{Size, Time};
use serde::Deserialize;

/// `slicer`: the whole response in small writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slicer {
    size: Size,
    #[serde(default = "none")]
    variation: Size,
    delay: Time,
}

fn none() -> Size {
    Size(0)
}

impl Fault for Slicer {
    fn check(&self) -> Result<(), String> {
        if self.variation.0 >= self.size.0 {
            return Err(
                "`size` must be more than `variation` and more than 0: a slice has at least one octet".to_owned()
            );
        }
        Ok(())
    }

    fn response(&self, _: &Request, _: &Response, _: &Draw) -> Vec<Step> {
        let (bytes, variation, every) = (self.size.0, self.variation.0, self.delay.0);
        vec![at(Point::Head, Action::Pace { bytes, variation, every })]
    }
}

/// `trickle`: from some octet of the body on, a few at a time. The stream never falls silent, so browsers do not call
/// it stalled.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trickle {
    bytes: Size,
    every: Time,
    #[serde(default = "none")]
    at: Size,
}

impl Fault for Trickle {
    fn check(&self) -> Result<(), String> {
        some(self.bytes)
    }

    fn response(&self, request: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        if !has_octet(request, response, self.at.0) {
            return Vec::new();
        }
        vec![at(Point::Body(self.at.0), Action::Pace { bytes: self.bytes.0, variation: 0, every: self.every.0 })]
    }
}

/// `drip_headers`: the head a few octets at a time, the body at full speed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DripHeaders {
    bytes: Size,
    every: Time,
}

impl Fault for DripHeaders {
    fn check(&self) -> Result<(), String> {
        some(self.bytes)
    }

    fn response(&self, _: &Request, _: &Response, _: &Draw) -> Vec<Step> {
        let pace = Action::Pace { bytes: self.bytes.0, variation: 0, every: self.every.0 };
        vec![at(Point::Head, pace), at(Point::Body(0), Action::FULL_SPEED)]
    }
}

fn some(bytes: Size) -> Result<(), String> {
    if bytes.0 == 0 { Err("0 octets at a time never arrive: at least 1 B, or use `stall`".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, on_response, refused};
    use super::*;
    use std::time::Duration;

    const GET: &str = "GET /v.mp4 HTTP/1.1";
    const OK: &str = "HTTP/1.1 200 OK\nContent-Length: 1000";

    fn pace(bytes: u64, variation: u64, ms: u64) -> Action {
        Action::Pace { bytes, variation, every: Duration::from_millis(ms) }
    }

    #[test]
    fn a_slicer_cuts_head_and_body() {
        let it = fault("slicer", "size = \"100 B\"\nvariation = \"20 B\"\ndelay = \"2 ms\"");
        assert_eq!(on_response(&it, GET, OK), [at(Point::Head, pace(100, 20, 2))]);
    }

    #[test]
    fn a_trickle_begins_where_the_body_still_goes_on() {
        let it = fault("trickle", "bytes = \"1 B\"\nevery = \"200 ms\"\nat = \"300 B\"");
        assert_eq!(on_response(&it, GET, OK), [at(Point::Body(300), pace(1, 0, 200))]);
        assert_eq!(on_response(&it, GET, "HTTP/1.1 200 OK\nContent-Length: 300"), []);
        let from_the_start = fault("trickle", "bytes = \"1 B\"\nevery = \"200 ms\"");
        assert_eq!(on_response(&from_the_start, GET, "HTTP/1.1 304 Not Modified"), []);
    }

    #[test]
    fn dripping_ends_with_the_head() {
        let it = fault("drip_headers", "bytes = \"4 B\"\nevery = \"100 ms\"");
        let steps = [at(Point::Head, pace(4, 0, 100)), at(Point::Body(0), Action::FULL_SPEED)];
        assert_eq!(on_response(&it, GET, OK), steps);
    }

    #[test]
    fn nothing_at_a_time_is_refused() {
        assert!(refused("trickle", "bytes = \"0 B\"\nevery = \"1s\"").contains("at least 1 B"));
        assert!(refused("drip_headers", "bytes = \"0 B\"\nevery = \"1s\"").contains("at least 1 B"));
        assert!(
            refused("slicer", "size = \"5 B\"\nvariation = \"5 B\"\ndelay = \"1s\"").contains("at least one octet")
        );
        assert!(refused("trickle", "bytes = \"5 B\"\nevery = \"0s\"").contains("out of bounds"));
    }
}
