//! `bandwidth`: the link carries no more than so much.

use super::Fault;
use super::link::{Part, SEGMENT};
use crate::unit::{Rate, Size};
use serde::Deserialize;

/// Rates of the link, and how much may wait at its narrow end.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bandwidth {
    down: Option<Rate>,
    up: Option<Rate>,
    #[serde(default = "queue")]
    queue: Size,
}

fn queue() -> Size {
    Size(64 * 1024)
}

impl Fault for Bandwidth {
    fn check(&self) -> Result<(), String> {
        if self.down.is_none() && self.up.is_none() {
            return Err("a bandwidth of nothing: give `down`, `up`, or both".to_owned());
        }
        if self.queue.0 < SEGMENT {
            return Err(format!("`queue` holds not even one segment: at least {SEGMENT} B"));
        }
        Ok(())
    }

    fn link(&self) -> Option<Part> {
        let rate = |rate: Option<Rate>| rate.map(|r| r.0);
        Some(Part::Bandwidth { down: rate(self.down), up: rate(self.up), queue: self.queue.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, refused};
    use super::*;

    #[test]
    fn a_way_without_a_rate_is_not_limited() {
        let part = fault("bandwidth", "down = \"1600 kbit/s\"").link();
        assert_eq!(part, Some(Part::Bandwidth { down: Some(1.6e6), up: None, queue: 65536 }));
        let part = fault("bandwidth", "up = \"1 Mbit/s\"\nqueue = \"30 kB\"").link();
        assert_eq!(part, Some(Part::Bandwidth { down: None, up: Some(1e6), queue: 30_000 }));
    }

    #[test]
    fn no_rate_at_all_and_no_room_for_a_segment_are_refused() {
        assert!(refused("bandwidth", "").contains("give `down`, `up`, or both"));
        assert!(refused("bandwidth", "down = \"1 Mbit/s\"\nqueue = \"1 kB\"").contains("at least 1460 B"));
        assert!(refused("bandwidth", "down = 5").contains("string"));
    }
}
