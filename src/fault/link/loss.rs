//! Loss, modelled by what TCP makes of it: what is lost is late.

use super::super::seed::Draw;
use super::delay::Delays;
use super::way::bit;
use super::{DEFAULT_RTT, GilbertElliott, Part, SEGMENT};
use std::time::Duration;

/// Bounds of a retransmission time-out: Linux's `TCP_RTO_MIN`, and RFC 6298's upper one.
const RTO_MIN: Duration = Duration::from_millis(200);
const RTO_MAX: Duration = Duration::from_secs(60);
/// So often a segment is sent again before the connection is given up (Linux, `tcp_retries2`).
const RETRIES: u64 = 15;
/// So many later segments tell a sender that one is missing (RFC 5681).
const DUPLICATES: usize = 3;

/// The loss of one way.
#[derive(Clone, Debug)]
pub(super) struct Loss {
    chains: Vec<Chain>,
    /// Segments so far: the next one's number.
    segments: u64,
    /// The share lost in the long run.
    share: f64,
    rtt: Duration,
    rto: Duration,
    draw: Draw,
}

/// One fault's chain and where it is.
#[derive(Clone, Debug)]
struct Chain {
    rule: usize,
    chain: GilbertElliott,
    bad: bool,
    draw: Draw,
}

/// What loss knows of a connection, one way.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    /// Octets that still fit into the segment begun last.
    pub left: u64,
    /// Whether that one was lost.
    lost: bool,
    /// When the last ones passed the bottleneck.
    recent: [Option<Duration>; DUPLICATES],
}

/// A lost segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    /// How much later it arrives; `None`: never.
    pub late: Option<Duration>,
    /// The rules that lost it, a bit each.
    pub rules: u64,
}

impl Chain {
    /// Whether segment `n` is lost. To be asked of each, in order.
    fn step(&mut self, n: u64) -> bool {
        let turn = if self.bad { self.chain.r } else { self.chain.p };
        self.bad ^= self.draw.unit(2 * n) < turn;
        match if self.bad { self.chain.bad } else { self.chain.good } {
            0.0 => false,
            chance => self.draw.unit(2 * n + 1) < chance,
        }
    }
}

impl Loss {
    /// The loss of these parts; `None` if none loses anything.
    pub fn new(parts: &[(String, Part)], seed: u64, delays: &Delays, up: bool) -> Option<Self> {
        let way = |id: &str| Draw::of_link(seed, id).sub(u64::from(up));
        let chains = parts.iter().enumerate().filter_map(|(rule, (id, part))| match part {
            Part::Loss(chain) if chain.loss() > 0.0 => Some(Chain { rule, chain: *chain, bad: false, draw: way(id) }),
            _ => None,
        });
        let chains: Vec<Chain> = chains.collect();
        let share = 1.0 - chains.iter().map(|c| 1.0 - c.chain.loss()).product::<f64>();
        let (rtt, deviation) = delays.measured().unwrap_or((DEFAULT_RTT, Duration::ZERO));
        let rto = (rtt + 4 * deviation).clamp(RTO_MIN, RTO_MAX);
        (!chains.is_empty()).then(|| Self { chains, segments: 0, share, rtt, rto, draw: way("again") })
    }

    /// The steady-state rate of a connection that meets this loss, bits per second.
    pub fn rate(&self) -> f64 {
        steady_rate(self.rtt, self.share)
    }

    /// The next segment of a connection, sent `now`: it passes the bottleneck at `passes`, and `behind` more of the
    /// connection's are sent with it.
    pub fn segment(&mut self, trail: &mut Trail, now: Duration, passes: Duration, behind: u64) -> Option<Lost> {
        let number = self.segments;
        self.segments += 1;
        let rules =
            self.chains.iter_mut().fold(0, |rules, chain| rules | (bit(chain.rule) * u64::from(chain.step(number))));
        let isolated = !std::mem::replace(&mut trail.lost, rules != 0);
        // Who had three under way before it will have three under way after it; nobody can know yet.
        let under_way = trail.recent.iter().all(|t| t.is_some_and(|t| t + self.rtt > now));
        trail.recent.rotate_left(1);
        trail.recent[DUPLICATES - 1] = Some(passes);
        let seen = isolated && (under_way || behind >= DUPLICATES as u64);
        (rules != 0).then(|| Lost { late: self.late(number, seen), rules })
    }

    /// How much later segment `n` arrives that was lost: sent again once its loss is seen, or after a time-out, and
    /// once more whenever that is lost too.
    fn late(&self, n: u64, seen: bool) -> Option<Duration> {
        let again = self.draw.sub(n);
        let (mut late, mut rto) = if seen { (self.rtt, self.rto) } else { (self.rto, self.rto * 2) };
        for retry in 0..RETRIES {
            if again.unit(retry) >= self.share {
                return Some(late);
            }
            late += rto.min(RTO_MAX);
            rto = (rto * 2).min(RTO_MAX);
        }
        None
    }
}

/// What a sender reaches in the long run where this share of its segments is lost, bits per second: the larger one of
/// Reno's (Mathis et al. 1997) and CUBIC's (RFC 9438, section 5.1).
fn steady_rate(rtt: Duration, loss: f64) -> f64 {
    let rtt = rtt.as_secs_f64().max(0.001);
    let reno = 1.22 / loss.sqrt();
    let cubic = 1.054 * (rtt / loss).powf(0.75);
    SEGMENT as f64 * 8.0 * reno.max(cubic) / rtt
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn loss(p: f64, r: f64, good: f64, bad: f64, rtt_ms: u32) -> Loss {
        let chain = ("ge".to_owned(), Part::Loss(GilbertElliott { p, r, good, bad }));
        let (rtt, jitter) = (MS * rtt_ms, Duration::ZERO);
        let wave = ("wave".to_owned(), Part::Latency { rtt, jitter, spread: Default::default(), correlation: 0.0 });
        let parts = if rtt_ms == 0 { vec![chain] } else { vec![chain, wave] };
        Loss::new(&parts, 1, &Delays::new(&parts, 1), false).expect("it loses")
    }

    /// Over so many segments: what is wrong with the share lost and the mean burst, relative.
    fn errors(chain: GilbertElliott, segments: u64) -> (f64, f64) {
        let mut c = Chain { rule: 0, chain, bad: false, draw: Draw::of_link(1, "ge") };
        let (mut lost, mut bursts, mut last) = (0u64, 0u64, false);
        for n in 0..segments {
            let now = c.step(n);
            lost += u64::from(now);
            bursts += u64::from(now && !last);
            last = now;
        }
        let share = lost as f64 / segments as f64 / chain.loss() - 1.0;
        // A burst goes on while the chain stays bad and loses again (with good = 0).
        let burst = lost as f64 / bursts as f64 * (1.0 - (1.0 - chain.r) * chain.bad) - 1.0;
        println!("{chain:?}: share off by {share:+.4}, mean burst by {burst:+.4}");
        (share, burst)
    }

    #[test]
    fn gilbert_elliott_loses_the_share_and_the_bursts_asked_over_ten_million_segments() {
        for (p, r, bad) in [(0.025, 0.5, 1.0), (0.005, 0.5, 1.0), (0.01, 0.33, 1.0), (0.01, 0.08, 0.9)] {
            let (share, burst) = errors(GilbertElliott { p, r, good: 0.0, bad }, 10_000_000);
            assert!(share.abs() < 0.02 && burst.abs() < 0.02);
        }
    }

    #[test]
    fn even_loss_and_loss_in_the_good_state_are_met_too() {
        let mut even = Chain {
            rule: 0,
            chain: GilbertElliott { p: 0.0, r: 1.0, good: 0.02, bad: 1.0 },
            bad: false,
            draw: Draw::of_link(1, "even"),
        };
        assert_eq!(even.chain.loss(), 0.02);
        let lost = (0..1_000_000).filter(|n| even.step(*n)).count();
        assert!((19_300..20_700).contains(&lost), "{lost}: five standard deviations are 700");
        assert_eq!(GilbertElliott { p: 0.0, r: 0.0, good: 0.0, bad: 1.0 }.loss(), 0.0);
    }

    #[test]
    fn a_lone_loss_costs_a_round_trip_and_another_a_time_out() {
        let mut l = loss(0.0, 1.0, 1e-9, 1.0, 100);
        assert_eq!((l.late(0, true), l.late(0, false)), (Some(MS * 100), Some(MS * 200)));
        l.rto = MS * 300;
        assert_eq!(l.late(0, false), Some(MS * 300));
    }

    #[test]
    fn three_behind_or_three_under_way_show_a_loss() {
        let late = |behind, before: &[u32]| {
            // The first segments pass, then one is lost.
            let mut l = loss(0.0, 1.0, 1e-9, 1.0, 100);
            let mut trail = Trail::default();
            for ms in before {
                assert_eq!(l.segment(&mut trail, MS * *ms, MS * *ms, 0), None);
            }
            l.chains[0].chain.good = 1.0;
            l.segment(&mut trail, MS * 200, MS * 200, behind).and_then(|lost| lost.late)
        };
        assert_eq!(late(3, &[]), Some(MS * 100));
        assert_eq!(late(2, &[]), Some(MS * 200));
        assert_eq!(late(0, &[101, 102, 103]), Some(MS * 100));
        assert_eq!(late(0, &[99, 102, 103]), Some(MS * 200), "one was long acknowledged");
    }

    #[test]
    fn a_second_loss_in_a_row_costs_a_time_out() {
        let mut l = loss(0.0, 1.0, 1e-9, 1.0, 100);
        l.chains[0].chain.good = 1.0;
        let mut trail = Trail::default();
        let late: Vec<_> = (0..3).map(|_| l.segment(&mut trail, MS, MS, 9).and_then(|lost| lost.late)).collect();
        assert_eq!(late, [Some(MS * 100), Some(MS * 200), Some(MS * 200)]);
    }

    #[test]
    fn a_time_out_doubles_while_the_retransmission_is_lost_too() {
        let l = Loss { share: 0.5, ..loss(0.0, 1.0, 1e-9, 1.0, 100) };
        let seen: std::collections::BTreeSet<_> = (0..1000).filter_map(|n| l.late(n, false)).collect();
        let doubling: Vec<_> = [200, 600, 1400, 3000, 6200].map(|ms| MS * ms).into_iter().collect();
        assert_eq!(seen.into_iter().take(5).collect::<Vec<_>>(), doubling);
        assert_eq!(Loss { share: 1.0, ..l }.late(0, false), None, "at last it is given up");
    }

    #[test]
    fn the_longest_time_out_is_a_minute() {
        let l = Loss { share: 0.9, ..loss(0.0, 1.0, 1e-9, 1.0, 100) };
        let longest = (0..10_000).filter_map(|n| l.late(n, false)).max();
        // 0.2 + 0.4 + ... + 51.2 s, then 60 s each.
        assert_eq!(longest, Some(MS * 102_200 + 6 * RTO_MAX));
    }

    #[test]
    fn the_steady_rate_is_the_larger_one_of_reno_and_cubic() {
        // 12.2 segments a round trip.
        assert!((steady_rate(MS * 100, 0.01) / 1.425e6 - 1.0).abs() < 0.001);
        // Long and nearly lossless: CUBIC's 1.054 * (1 s / 1e-5)^0.75 = 5927 segments, Reno's were 386.
        assert!((steady_rate(MS * 1000, 1e-5) / (5927.0 * 11_680.0) - 1.0).abs() < 0.001);
        assert_eq!(loss(0.01, 0.5, 0.0, 1.0, 0).rtt, MS * 20, "none given");
    }
}
