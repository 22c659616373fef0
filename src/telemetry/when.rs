//! The run's clock on the wall.

use crate::event::Event;
use std::time::{Duration, SystemTime};

/// When the run began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct When(Option<SystemTime>);

impl When {
    /// Learns it from the first event: one reading of the wall clock for all of a run.
    pub(super) fn learn(&mut self, event: &Event) {
        if self.0.is_some() {
            return;
        }
        let Ok(at) = event.timestamp.parse::<jiff::Timestamp>() else { return };
        self.0 = Some(shifted(SystemTime::from(at), -event.t_ms));
    }

    /// The wall's time at a moment of the run.
    pub(super) fn at(&self, t_ms: f64) -> SystemTime {
        shifted(self.0.unwrap_or(SystemTime::UNIX_EPOCH), t_ms)
    }
}

fn shifted(from: SystemTime, ms: f64) -> SystemTime {
    let by = Duration::from_micros((ms.abs() * 1000.0).round() as u64);
    let to = if ms < 0.0 { from.checked_sub(by) } else { from.checked_add(by) };
    to.unwrap_or(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Origin;

    #[test]
    fn one_event_tells_when_all_others_were() {
        let event = Event {
            v: 1,
            event: "x".into(),
            source: Origin::Monitor,
            timestamp: "2026-01-02T03:04:05.500Z".into(),
            t_ms: 500.0,
            seq: 0,
            ids: Default::default(),
            fields: Default::default(),
        };
        let mut when = When::default();
        when.learn(&event);
        when.learn(&Event { timestamp: "2027-01-02T03:04:05.500Z".into(), ..event });
        let at = |t| jiff::Timestamp::try_from(when.at(t)).expect("a time").to_string();
        assert_eq!(at(0.0), "2026-01-02T03:04:05Z");
        assert_eq!(at(1250.25), "2026-01-02T03:04:06.25025Z");
        assert_eq!(at(-1000.0), "2026-01-02T03:04:04Z");
    }
}
