//! `delay`, `ttfb`, `gap`: what comes, comes later.

use super::seed::Draw;
use super::steps::has_octet;
use super::{Action, Fault, Point, Request, Response, Step, at};
use crate::unit::{Size, Time};
use serde::Deserialize;

/// `delay`: the request is sent on later.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    time: Time,
}

impl Fault for Delay {
    fn request(&self, _: &Request, _: &Draw) -> Vec<Step> {
        vec![at(Point::Request, Action::Wait(self.time.0))]
    }
}

/// `ttfb`: the response begins later than it came.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ttfb {
    time: Time,
}

impl Fault for Ttfb {
    fn response(&self, _: &Request, _: &Response, _: &Draw) -> Vec<Step> {
        vec![at(Point::Head, Action::Wait(self.time.0))]
    }
}

/// `gap`: a pause in the body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    at: Size,
    lasts: Time,
}

impl Fault for Gap {
    fn response(&self, request: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        if !has_octet(request, response, self.at.0) {
            return Vec::new();
        }
        vec![at(Point::Body(self.at.0), Action::Wait(self.lasts.0))]
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, on_request, on_response, refused};
    use super::*;
    use std::time::Duration;

    const GET: &str = "GET /v.mp4 HTTP/1.1";
    const OK: &str = "HTTP/1.1 200 OK\nContent-Length: 1000";

    #[test]
    fn each_waits_at_its_own_place() {
        let wait = Action::Wait(Duration::from_millis(1500));
        let delay = fault("delay", "time = \"1.5s\"");
        assert_eq!(on_request(&delay, GET), [at(Point::Request, wait.clone())]);
        assert_eq!(on_response(&delay, GET, OK), []);
        let ttfb = fault("ttfb", "time = \"1.5s\"");
        assert_eq!(on_response(&ttfb, GET, OK), [at(Point::Head, wait.clone())]);
        let gap = fault("gap", "at = \"999 B\"\nlasts = \"1.5s\"");
        assert_eq!(on_response(&gap, GET, OK), [at(Point::Body(999), wait)]);
    }

    #[test]
    fn a_gap_behind_the_bodys_end_is_none() {
        let gap = fault("gap", "at = \"1 kB\"\nlasts = \"1s\"");
        assert_eq!(on_response(&gap, GET, OK), []);
        assert_eq!(on_response(&gap, "HEAD / HTTP/1.1", "HTTP/1.1 200 OK\nContent-Length: 9999"), []);
    }

    #[test]
    fn no_time_is_refused() {
        assert!(refused("delay", "").contains("time"));
        assert!(refused("ttfb", "time = \"0s\"").contains("out of bounds"));
        assert!(refused("gap", "lasts = \"1s\"").contains("at"));
    }
}
