//! `slow_close`: the server has ended the connection, and the client hears of it late.

use super::seed::Draw;
use super::{Action, Fault, Point, Request, Step, at};
use crate::unit::Time;
use serde::Deserialize;

/// How late.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowClose {
    delay: Time,
}

impl SlowClose {
    fn steps(&self) -> Vec<Step> {
        vec![at(Point::Close, Action::Wait(self.delay.0))]
    }
}

impl Fault for SlowClose {
    fn accept(&self, _: &Draw) -> Vec<Step> {
        self.steps()
    }

    fn request(&self, _: &Request, _: &Draw) -> Vec<Step> {
        self.steps()
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{draw, fault, on_request, refused};
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_the_end_waits() {
        let it = fault("slow_close", "delay = \"3s\"");
        assert_eq!(it.accept(&draw()), [at(Point::Close, Action::Wait(Duration::from_secs(3)))]);
        assert_eq!(on_request(&it, "GET / HTTP/1.1"), it.accept(&draw()));
        assert!(refused("slow_close", "delay = \"0s\"").contains("out of bounds"));
    }
}
