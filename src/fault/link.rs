//! The link as a model: when does an octet that is sent now arrive? One [`Way`] for each direction, shared by all the
//! connections of its scope, so that six of them share one cap. Pure: the caller says what time it is.
//!
//! A TCP proxy cannot lose the browser's packets, so loss is modelled by what it does: a lost segment holds up
//! everything behind it for a round trip, or for a retransmission time-out, and the rate is held to what a sender that
//! meets such loss can reach (RFC 9438, Mathis et al. 1997).

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
    /// Gilbert-Elliott loss.
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
    /// Mostly a little more, now and then much.
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

impl Outage {
    /// The outage that time `t` lies in: its begin and end.
    pub fn around(&self, t: Duration) -> Option<(Duration, Duration)> {
        let since = t.checked_sub(self.at)?;
        let into = match self.every {
            Some(every) => Duration::from_nanos((since.as_nanos() % every.as_nanos().max(1)) as u64),
            None => since,
        };
        (into < self.lasts).then(|| (t - into, t - into + self.lasts))
    }
}

impl GilbertElliott {
    /// The share of segments lost in the long run.
    pub fn loss(&self) -> f64 {
        let bad = self.p / (self.p + self.r);
        bad * self.bad + (1.0 - bad) * self.good
    }
}
