//! `slot`: what is sent arrives in bursts, as Wi-Fi's power saving and a mobile network's scheduler make it.

use super::Fault;
use super::link::Part;
use crate::unit::{Size, Time};
use serde::Deserialize;

/// Time between bursts, and how much one carries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    min: Time,
    max: Time,
    bytes: Size,
}

impl Fault for Slot {
    fn check(&self) -> Result<(), String> {
        if self.min.0 > self.max.0 {
            return Err("`min` is more than `max`".to_owned());
        }
        if self.bytes.0 == 0 {
            return Err("bursts of 0 octets carry nothing: use an outage".to_owned());
        }
        Ok(())
    }

    fn link(&self) -> Option<Part> {
        Some(Part::Slot { every: (self.min.0, self.max.0), bytes: self.bytes.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, refused};
    use super::*;
    use std::time::Duration;

    #[test]
    fn bursts_come_between_min_and_max() {
        let every = (Duration::from_millis(20), Duration::from_millis(100));
        let part = fault("slot", "min = \"20 ms\"\nmax = \"100 ms\"\nbytes = \"64 KiB\"").link();
        assert_eq!(part, Some(Part::Slot { every, bytes: 65536 }));
    }

    #[test]
    fn empty_bursts_and_ends_that_are_swapped_are_refused() {
        assert!(refused("slot", "min = \"2s\"\nmax = \"1s\"\nbytes = \"1 kB\"").contains("more than `max`"));
        assert!(refused("slot", "min = \"1s\"\nmax = \"1s\"\nbytes = \"0 B\"").contains("outage"));
    }
}
