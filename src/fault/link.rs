//! The link as a model: when does an octet that is sent now arrive? One [`Way`] for each direction, shared by all the
//! connections of its scope, so that six of them share one cap. Pure: the caller says what time it is, as the time since
//! the faults were armed.
//!
//! # From the sender to the receiver
//! 1. [`Link::connect`]: setting a connection up costs a round trip.
//! 2. [`Way::room`]: how much of a connection may join the queue of the bottleneck. A full queue is no loss here but
//!    back-pressure. Several connections join by turns, each at its share of the rate.
//! 3. [`Way::send`]: the octets pass the bottleneck. Bandwidth is a virtual clock: what is due since the start of a busy
//!    time, never since the last call, so nothing is lost to rounding; an idle link starts anew. Slots and traces let
//!    octets through at their own times. Each holds by itself, and the slowest decides. An outage stops them all.
//! 4. Half of the round trip and its jitter are added.
//! 5. Within a connection nothing overtakes: what was held up holds up all behind it, and nothing of other connections.
//!
//! # Loss (modelled)
//! A TCP proxy cannot lose the browser's packets, so loss is modelled by what it does: a lost segment holds up
//! everything behind it for a round trip, or for a retransmission time-out, and the rate is held to what a sender that
//! meets such loss can reach (RFC 9438, Mathis et al. 1997). See [`Part::Loss`]. Reports call it `loss (modelled)`.
//!
//! # Determinism
//! Every number is drawn by its own number: jitter by the 10-ms slot, loss by the segment's number on its way, bursts
//! by theirs. The same sends at the same times arrive at the same times.

mod delay;
mod loss;
mod outage;
mod pace;
mod queue;
#[cfg(test)]
mod tests;
mod way;

pub use pace::check_trace;
pub use queue::Room;
pub use way::{Acted, Fate, Flow, Sent, Way};

use super::seed::Draw;
use delay::Delays;
use outage::Outages;
use std::time::Duration;

/// Octets of one TCP segment of the modelled link.
pub const SEGMENT: u64 = 1460;

/// What one fault makes of the link.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Rates, bits per second (decimal); `None`: as it is.
    Bandwidth {
        /// Towards the client.
        down: Option<f64>,
        /// From the client.
        up: Option<f64>,
        /// How much may wait in the bottleneck's queue, octets.
        queue: u64,
    },
    /// Delay.
    Latency {
        /// A whole round trip: half of it each way.
        rtt: Duration,
        /// How much more or less a segment takes, at most or typically; see `spread`. Of the whole round trip.
        jitter: Duration,
        /// How the jitter is spread.
        spread: Spread,
        /// How much of a segment's jitter is that of the one before, 0 to 1.
        correlation: f64,
    },
    /// Loss (modelled), each way by a chain of its own. A segment that is lost alone, with three or more of its
    /// connection in flight, costs a round trip; one lost otherwise costs a retransmission time-out: max(200 ms,
    /// SRTT + 4 RTTVAR), twice as long each time the retransmission is lost too (by the chain's share in the long run),
    /// up to 60 s; after 15 of them the connection is dead. And no connection gets more than its steady-state rate,
    /// the larger one of Reno's and CUBIC's. Where no latency is given, the round trip is taken for 20 ms.
    Loss(GilbertElliott),
    /// No octet passes for a while.
    Outage(Outage),
    /// Delivery in bursts.
    Slot {
        /// Shortest and longest time between bursts.
        every: (Duration, Duration),
        /// Octets of a burst, at most.
        bytes: u64,
    },
    /// Delivery as recorded: one opportunity for 1500 octets at each of these milliseconds, over and over (mahimahi's
    /// format).
    Trace {
        /// Ascending; the last is the trace's length.
        down: Vec<u64>,
        /// The same for the other way; empty: not limited.
        up: Vec<u64>,
    },
}

/// How jitter is spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spread {
    /// Evenly, between less and more.
    #[default]
    Uniform,
    /// A bell: `jitter` is its standard deviation.
    Normal,
    /// Mostly a little more, now and then much, never less: half of the time 0.45 times `jitter` or more, a tenth of it
    /// 2.2 times or more, at most 5.5 times, 0.87 times in the mean. (A Lomax law of shape 2.2.)
    Pareto,
}

/// The Gilbert-Elliott chain: a good and a bad state, a step per segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GilbertElliott {
    /// Chance to turn bad, per segment.
    pub p: f64,
    /// Chance to turn good again.
    pub r: f64,
    /// Chance of loss in the good state.
    pub good: f64,
    /// Chance of loss in the bad state.
    pub bad: f64,
}

/// When no octet passes.
#[derive(Clone, Debug, PartialEq)]
pub struct Outage {
    /// The first begins so long after the start.
    pub at: Duration,
    /// How long one lasts.
    pub lasts: Duration,
    /// From one's begin to the next one's; `None`: once.
    pub every: Option<Duration>,
    /// What becomes of what is sent meanwhile.
    pub mode: OutageMode,
}

/// What an outage does to connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutageMode {
    /// It arrives afterwards, as TCP sends it again.
    #[default]
    Hold,
    /// Connections of that time never get another octet, and no end.
    Blackhole,
    /// Connections are reset, new ones too.
    Refuse,
}

impl GilbertElliott {
    /// The share of segments lost in the long run.
    pub fn loss(&self) -> f64 {
        let bad = if self.p > 0.0 { self.p / (self.p + self.r) } else { 0.0 };
        bad * self.bad + (1.0 - bad) * self.good
    }
}

/// The round trip where no latency is given but loss needs one.
const DEFAULT_RTT: Duration = Duration::from_millis(20);
/// SYN: the first is sent again after a second, then after twice as long each time (RFC 6298).
const SYN_RTO: Duration = Duration::from_secs(1);
/// And so often (Linux, `tcp_syn_retries`).
const SYN_RETRIES: u32 = 6;

/// A link: all that the link faults of a profile make of it, in one scope. A narrower scope (each client, each
/// connection) is a link for each, with a seed for each.
#[derive(Clone, Debug)]
pub struct Link {
    /// Towards the client.
    pub down: Way,
    /// From the client.
    pub up: Way,
    rules: Vec<String>,
    outages: Outages,
    delays: Delays,
    /// The chance that a set-up's first packet or its answer is lost.
    syn_loss: f64,
}

impl Link {
    /// A link of these parts, each with the id of its rule. All hold at once: delays add up, the lowest rate decides, a
    /// segment is lost if any loses it, an outage is one of any.
    pub fn new(parts: &[(String, Part)], seed: u64) -> Self {
        let delays = Delays::new(parts, seed);
        let (down, up) = (Way::new(parts, seed, &delays, false), Way::new(parts, seed, &delays, true));
        let kept = parts.iter().fold(1.0, |kept, (_, part)| match part {
            Part::Loss(chain) => kept * (1.0 - chain.loss()),
            _ => kept,
        });
        Self {
            down,
            up,
            rules: parts.iter().map(|(id, _)| id.clone()).collect(),
            outages: Outages::new(parts, |_| true),
            delays,
            syn_loss: 1.0 - kept * kept,
        }
    }

    /// The rule of a number of [`Acted`].
    pub fn rule(&self, number: usize) -> &str {
        &self.rules[number]
    }

    /// What becomes of a connection that is begun now, and when it stands: after a round trip (TLS costs one more by
    /// itself), after lost SYNs were sent again, after the end of an outage that holds. `draw` is the connection's own.
    pub fn connect(&mut self, now: Duration, draw: Draw) -> Fate {
        match self.outages.at(now) {
            Some(down) if down.mode == OutageMode::Refuse => return Fate::Reset,
            Some(down) if down.mode == OutageMode::Blackhole => return Fate::Never,
            _ => {}
        }
        let again = (0..).take_while(|n| *n <= SYN_RETRIES && draw.unit(u64::from(*n)) < self.syn_loss).count() as u32;
        if again > SYN_RETRIES {
            return Fate::Never;
        }
        let sent = now + SYN_RTO * (2u32.pow(again) - 1);
        Fate::arrives(self.down.resumes(sent) + self.delays.round_trip(sent))
    }

    /// The outage of that time, and when it ends. Where several overlap, the one that refuses, else the one that
    /// swallows.
    pub fn outage_at(&self, now: Duration) -> Option<(&Outage, Duration)> {
        let down = self.outages.at(now)?;
        Some((self.outages.get(down.rule)?, down.end))
    }

    /// The rule of the outage of that time.
    pub fn outage_rule(&self, now: Duration) -> Option<&str> {
        Some(self.rule(self.outages.at(now)?.rule))
    }

    /// When the next outage begins or ends, after `now`; `None`: never more.
    pub fn next_change(&self, now: Duration) -> Option<Duration> {
        self.outages.next_change(now)
    }
}
