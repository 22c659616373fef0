//! What lets octets through only so fast: a rate, or chances that come at their own times (a recorded trace, the bursts
//! of a slotted link).

use super::super::seed::Draw;
use super::SEGMENT;
use super::outage::{FOREVER, HOPS, Outages};
use super::queue::{QUANTUM, QUANTUM_TIME, QUEUE_TIME, Room};
use std::time::Duration;

/// A bottleneck of one rate, as a virtual clock. When what was sent has passed is counted from the begin of a busy time
/// over all octets since, so rounding never adds up and it is the same however they are cut into calls.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// Bits per second.
    rate: f64,
    /// When the busy time began, later by the outages since.
    origin: Duration,
    /// Octets since then.
    octets: u64,
    /// When the last of them has passed.
    free: Duration,
}

impl Clock {
    pub fn new(rate: f64) -> Self {
        Self { rate: rate.max(1.0), origin: Duration::ZERO, octets: 0, free: Duration::ZERO }
    }

    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// When the last of `octets` has passed that are sent now. Time in which the link is down does not count.
    pub fn send(&mut self, now: Duration, octets: u64, holds: &Outages) -> Duration {
        if now >= self.free {
            (self.origin, self.octets) = (holds.clear(now), 0);
            self.free = self.origin;
        }
        self.octets += octets;
        // Rounded up: never faster than the rate.
        let time = Duration::from_nanos((self.octets as f64 * 8e9 / self.rate).ceil() as u64);
        let (mut from, mut leaves) = (self.free, self.origin + time);
        for hop in 0.. {
            match holds.next(from) {
                Some(down) if down.begin < leaves => {
                    if hop == HOPS || down.end == FOREVER {
                        leaves = FOREVER;
                        break;
                    }
                    self.origin += down.end - down.begin;
                    leaves += down.end - down.begin;
                    from = down.end;
                }
                _ => break,
            }
        }
        self.free = leaves;
        leaves
    }

    /// How much may be sent at once of the one connection this is the pace of. It saves up no more than a late tick needs:
    /// the rest stays with the sender.
    pub fn room(&self, now: Duration) -> Room {
        let most = self.octets(QUEUE_TIME).max(SEGMENT);
        let backlog = self.octets(self.free.saturating_sub(now).as_secs_f64());
        match most.saturating_sub(backlog) {
            0 => Room::At(self.free.saturating_sub(Duration::from_secs_f64(most as f64 * 4.0 / self.rate))),
            room => Room::For(room.min(self.octets(QUANTUM_TIME).max(QUANTUM.0))),
        }
    }

    /// Octets that pass in so many seconds.
    fn octets(&self, seconds: f64) -> u64 {
        (seconds * self.rate / 8.0) as u64
    }
}

/// Chances to pass, each for some octets. What is not used of one is lost.
#[derive(Clone, Debug)]
pub(super) struct Chances {
    times: Times,
    /// Octets of each.
    size: u64,
    /// The number of the one in use.
    current: u64,
    /// What is left of it.
    left: u64,
}

/// When chances come, by their number from 0.
#[derive(Clone, Debug)]
enum Times {
    /// At these milliseconds, over and over.
    Trace(Vec<u64>),
    /// One in every `mean` ns, up to `spread` after its begin: so neighbours are `mean` apart, give or take `spread`.
    Slot { mean: u64, spread: u64, draw: Draw },
}

/// Octets of one opportunity of a trace.
const OPPORTUNITY: u64 = 1500;
const MS: u64 = 1_000_000;

impl Times {
    fn at(&self, number: u64) -> Duration {
        Duration::from_nanos(match self {
            Times::Trace(ms) => {
                let (round, at) = (number / ms.len() as u64, number % ms.len() as u64);
                (round * length(ms) + ms[at as usize]) * MS
            }
            Times::Slot { mean, spread, draw } => number * mean + (draw.unit(number) * *spread as f64) as u64,
        })
    }

    /// The first at `t` or later.
    fn first(&self, t: Duration) -> u64 {
        match self {
            Times::Trace(ms) => {
                let t = (t.as_nanos() as u64).div_ceil(MS);
                // Rounds end with the last millisecond, which is also the next round's 0.
                let round = t.saturating_sub(1) / length(ms);
                let within = t - round * length(ms);
                round * ms.len() as u64 + ms.partition_point(|at| *at < within) as u64
            }
            Times::Slot { mean, .. } => {
                let number = t.as_nanos() as u64 / mean;
                if self.at(number) < t { number + 1 } else { number }
            }
        }
    }
}

impl Chances {
    /// Delivery as recorded; `None` if the trace says nothing.
    pub fn trace(ms: &[u64]) -> Option<Self> {
        check_trace(ms).ok()?;
        Some(Self { times: Times::Trace(ms.to_vec()), size: OPPORTUNITY, current: 0, left: OPPORTUNITY })
    }

    /// Bursts of `bytes` that are between `every.0` and `every.1` apart. Each lies somewhere in its own span of the mean
    /// distance, so any of them is found without those before.
    pub fn slot(every: (Duration, Duration), bytes: u64, draw: Draw) -> Self {
        let (min, max) = (every.0.min(every.1).as_nanos() as u64, every.0.max(every.1).as_nanos() as u64);
        let times = Times::Slot { mean: ((min + max) / 2).max(1), spread: (max - min) / 2, draw };
        Self { times, size: bytes.max(1), current: 0, left: bytes.max(1) }
    }

    /// Bits per second in the long run.
    pub fn rate(&self) -> f64 {
        let (chances, ns) = match &self.times {
            Times::Trace(ms) => (ms.len(), length(ms) * MS),
            Times::Slot { mean, .. } => (1, *mean),
        };
        chances as f64 * self.size as f64 * 8e9 / ns as f64
    }

    /// When the last of `octets` has passed that are sent now.
    pub fn send(&mut self, now: Duration, octets: u64, holds: &Outages) -> Duration {
        if self.times.at(self.current) < now {
            self.begin(now);
        }
        let mut need = octets;
        // A stretch without outage at a time.
        for _ in 0..HOPS {
            let at = self.times.at(self.current);
            if let Some(down) = holds.next(at) {
                if down.end == FOREVER && down.begin == at {
                    break;
                }
                // Those from the current one on that come before the outage.
                let usable = self.times.first(down.begin).saturating_sub(self.current);
                let capacity = if usable == 0 { 0 } else { self.left + (usable - 1).saturating_mul(self.size) };
                if need > capacity || usable == 0 {
                    need -= capacity;
                    self.begin(down.end);
                    continue;
                }
            }
            if need > self.left {
                need -= self.left;
                let more = need.div_ceil(self.size);
                self.current += more;
                self.left = more * self.size;
            }
            self.left -= need;
            return self.times.at(self.current).max(now);
        }
        FOREVER
    }

    fn begin(&mut self, t: Duration) {
        self.current = self.times.first(t);
        self.left = self.size;
    }
}

/// A trace's length in milliseconds: its last number.
fn length(ms: &[u64]) -> u64 {
    ms.last().copied().unwrap_or(1)
}

/// Whether a trace can be played, and if not, why: it ascends, and is longer than nothing, but no longer than a week.
pub fn check_trace(ms: &[u64]) -> Result<(), String> {
    const WEEK_MS: u64 = 7 * 24 * 3600 * 1000;
    if let Some(pair) = ms.windows(2).find(|pair| pair[1] < pair[0]) {
        return Err(format!("`{}` comes after `{}`: milliseconds of a trace ascend", pair[1], pair[0]));
    }
    match ms.last() {
        None => Err("a trace without a delivery opportunity delivers nothing: use an outage".to_owned()),
        Some(0) => Err("a trace's last millisecond is its length: more than 0".to_owned()),
        Some(last) if *last > WEEK_MS => Err(format!("a trace of {last} ms is longer than a week")),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn none() -> Outages {
        Outages::new(&[], |_| true)
    }

    #[test]
    fn a_rate_is_exact_over_any_number_of_calls() {
        // 3 octets at 7 bit/s are never a whole number of nanoseconds.
        let mut clock = Clock::new(7e6);
        let last = (0..1_000_000).map(|_| clock.send(Duration::ZERO, 3, &none())).last();
        assert_eq!(last, Some(Duration::from_nanos((24e6 * 1e9 / 7e6_f64).ceil() as u64)));
    }

    #[test]
    fn an_idle_rate_saves_nothing_up() {
        let mut clock = Clock::new(8000.0);
        assert_eq!(clock.send(ms(0), 10, &none()), ms(10));
        assert_eq!(clock.send(ms(5000), 10, &none()), ms(5010));
        assert_eq!(clock.send(ms(5005), 10, &none()), ms(5020));
    }

    #[test]
    fn a_trace_that_cannot_be_played_is_none() {
        assert!(Chances::trace(&[0, 3, 3, 10]).is_some());
        for ms in [&[] as &[u64], &[0, 0], &[5, 4], &[u64::MAX]] {
            assert!(Chances::trace(ms).is_none(), "{ms:?}");
        }
    }

    #[test]
    fn chances_are_numbered_without_gap_or_overlap() {
        let slot = Chances::slot((ms(20), ms(60)), 100, Draw::of_link(3, "slot"));
        for chances in [Chances::trace(&[0, 3, 3, 10]).expect("a trace"), slot] {
            for number in 0..500 {
                let (at, next) = (chances.times.at(number), chances.times.at(number + 1));
                assert!(at <= next);
                // The first of a time that is not before it.
                assert_eq!(chances.times.at(chances.times.first(at)), at);
                assert!(chances.times.at(chances.times.first(at + ms(1))) > at);
            }
        }
    }

    #[test]
    fn bursts_are_as_far_apart_as_asked() {
        let slot = Chances::slot((ms(20), ms(60)), 100, Draw::of_link(3, "slot"));
        let gaps: Vec<Duration> = (0..10_000).map(|n| slot.times.at(n + 1) - slot.times.at(n)).collect();
        assert!(gaps.iter().all(|gap| (ms(20)..=ms(60)).contains(gap)));
        assert!(gaps.iter().any(|gap| *gap < ms(25)) && gaps.iter().any(|gap| *gap > ms(55)));
        assert!((slot.times.at(10_000).as_secs_f64() - 400.0).abs() < 0.04, "40 ms in the mean");
    }
}
