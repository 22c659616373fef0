//! Delay and jitter. Jitter is drawn by the 10-ms slot of the link, not by the octet: neighbours share it, and the same
//! slot draws the same in every run.

use super::super::seed::Draw;
use super::{Part, Spread};
use std::time::Duration;

/// Jitter is the same for so long.
const SLOT: Duration = Duration::from_millis(10);
/// Correlation reaches back as far as it is more than this,
const NEGLIGIBLE: f64 = 1e-3;
/// and it is no closer to 1 than this: at 0.99 it reaches back 7 s.
const CLOSEST: f64 = 0.99;

/// The delays of a link, which add up.
#[derive(Clone, Debug)]
pub(super) struct Delays(Vec<Delay>);

/// One fault's delay.
#[derive(Clone, Debug)]
struct Delay {
    rule: usize,
    rtt: f64,
    jitter: f64,
    spread: Spread,
    correlation: f64,
    draw: Draw,
    /// The last slot asked for and its round trip.
    last: Option<(u64, Duration)>,
}

impl Delays {
    pub fn new(parts: &[(String, Part)], seed: u64) -> Self {
        let delays = parts.iter().enumerate().filter_map(|(rule, (id, part))| match part {
            Part::Latency { rtt, jitter, spread, correlation } => Some(Delay {
                rule,
                rtt: rtt.as_secs_f64(),
                jitter: jitter.as_secs_f64(),
                spread: *spread,
                correlation: correlation.clamp(0.0, CLOSEST),
                draw: Draw::of_link(seed, id),
                last: None,
            }),
            _ => None,
        });
        Self(delays.collect())
    }

    /// The rules that delay.
    pub fn rules(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|delay| delay.rule)
    }

    /// A whole round trip that begins at `t`.
    pub fn round_trip(&mut self, t: Duration) -> Duration {
        let slot = (t.as_nanos() / SLOT.as_nanos()) as u64;
        self.0.iter_mut().map(|delay| delay.at(slot)).sum()
    }

    /// What passes the bottleneck at `t` takes so long to arrive: half a round trip.
    pub fn one_way(&mut self, t: Duration) -> Duration {
        self.round_trip(t) / 2
    }

    /// The round trip a sender has measured, smoothed, and its mean deviation (RFC 6298); `None` without delay.
    pub fn measured(&self) -> Option<(Duration, Duration)> {
        let sum = |f: fn(&Delay) -> f64| Duration::from_secs_f64(self.0.iter().map(f).sum());
        let mean = |d: &Delay| d.rtt + if d.spread == Spread::Pareto { d.jitter * 0.87 } else { 0.0 };
        let deviation = |d: &Delay| match d.spread {
            Spread::Uniform => d.jitter * 0.5,
            Spread::Normal => d.jitter * 0.8,
            Spread::Pareto => d.jitter * 0.84,
        };
        (!self.0.is_empty()).then(|| (sum(mean), sum(deviation)))
    }
}

impl Delay {
    fn at(&mut self, slot: u64) -> Duration {
        if let Some((last, rtt)) = self.last
            && last == slot
        {
            return rtt;
        }
        let rtt = Duration::from_secs_f64((self.rtt + self.more(slot)).max(0.0));
        self.last = Some((slot, rtt));
        rtt
    }

    /// How much longer a round trip is in this slot, or how much shorter; seconds.
    fn more(&self, slot: u64) -> f64 {
        if self.jitter == 0.0 {
            return 0.0;
        }
        let even = || if self.correlation == 0.0 { self.draw.unit(slot) } else { below(self.bell(slot)) };
        self.jitter
            * match self.spread {
                Spread::Uniform => 2.0 * even() - 1.0,
                Spread::Normal => self.bell(slot),
                Spread::Pareto => (1.2 * ((1.0 - even()).powf(-1.0 / 2.2) - 1.0)).min(5.5),
            }
    }

    /// A normal number for this slot, correlated to those before: a first-order chain, but as a sum over the past, so
    /// that any slot is drawn without those before it.
    fn bell(&self, slot: u64) -> f64 {
        if self.correlation == 0.0 {
            return self.normal(slot);
        }
        let back = (NEGLIGIBLE.ln() / self.correlation.ln()).ceil().max(1.0) as u64;
        let (mut sum, mut weight, mut squares) = (0.0, 1.0, 0.0);
        for n in 0..=back {
            sum += weight * self.normal(slot.wrapping_sub(n));
            squares += weight * weight;
            weight *= self.correlation;
        }
        sum / squares.sqrt()
    }

    /// A normal number of this slot alone (Box and Muller).
    fn normal(&self, slot: u64) -> f64 {
        let (a, b) = (self.draw.unit(slot.wrapping_mul(2)), self.draw.unit(slot.wrapping_mul(2).wrapping_add(1)));
        (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }
}

/// The share of a normal law below `z`, to 1e-7 (Abramowitz and Stegun 26.2.17).
fn below(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series =
        t * (0.319_381_53 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let above = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * series;
    if z < 0.0 { above } else { 1.0 - above }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(jitter_ms: u64, spread: Spread, correlation: f64) -> Delays {
        let (rtt, jitter) = (Duration::from_millis(200), Duration::from_millis(jitter_ms));
        Delays::new(&[("wave".to_owned(), Part::Latency { rtt, jitter, spread, correlation })], 7)
    }

    /// Round trips of consecutive slots beyond 200 ms, in ms.
    fn jitter(spread: Spread, correlation: f64) -> Vec<f64> {
        let mut delays = delays(20, spread, correlation);
        (0..20_000).map(|n| (delays.round_trip(SLOT * n).as_secs_f64() - 0.2) * 1e3).collect()
    }

    fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
        let n = values.len() as f64;
        values.sum::<f64>() / n
    }

    /// Mean, standard deviation, correlation of neighbours.
    fn moments(values: &[f64]) -> (f64, f64, f64) {
        let m = mean(values.iter().copied());
        let variance = mean(values.iter().map(|v| (v - m).powi(2)));
        let neighbours = mean(values.windows(2).map(|pair| (pair[0] - m) * (pair[1] - m)));
        (m, variance.sqrt(), neighbours / variance)
    }

    #[test]
    fn without_jitter_each_way_takes_half_a_round_trip() {
        let mut delays = delays(0, Spread::Normal, 0.5);
        assert_eq!(delays.one_way(Duration::from_secs(3)), Duration::from_millis(100));
        assert_eq!(delays.measured(), Some((Duration::from_millis(200), Duration::ZERO)));
    }

    #[test]
    fn uniform_jitter_is_even_between_less_and_more() {
        let values = jitter(Spread::Uniform, 0.0);
        let (mean, deviation, neighbours) = moments(&values);
        assert!(mean.abs() < 0.4 && (deviation - 20.0 / 3f64.sqrt()).abs() < 0.2 && neighbours.abs() < 0.03);
        assert!(values.iter().all(|v| v.abs() <= 20.0) && values.iter().any(|v| *v > 19.9));
    }

    #[test]
    fn normal_jitter_has_its_standard_deviation() {
        let (mean, deviation, neighbours) = moments(&jitter(Spread::Normal, 0.0));
        assert!(mean.abs() < 0.6 && (deviation - 20.0).abs() < 0.5 && neighbours.abs() < 0.03);
    }

    #[test]
    fn pareto_jitter_is_mostly_little_and_now_and_then_much() {
        let mut values = jitter(Spread::Pareto, 0.0);
        let (mean, ..) = moments(&values);
        assert!((mean - 0.87 * 20.0).abs() < 0.5, "{mean}");
        values.sort_by(f64::total_cmp);
        let share = |q: f64| values[(q * 20_000.0) as usize] / 20.0;
        assert!((share(0.5) - 0.45).abs() < 0.03 && (share(0.9) - 2.2).abs() < 0.15, "{} {}", share(0.5), share(0.9));
        assert!(values[0] >= 0.0 && (values[19_999] - 110.0).abs() < 0.01);
    }

    #[test]
    fn correlation_ties_neighbours_and_leaves_the_spread_as_it_is() {
        for (spread, deviation, tolerance) in [(Spread::Uniform, 11.55, 0.4), (Spread::Normal, 20.0, 1.0)] {
            let (mean, measured, neighbours) = moments(&jitter(spread, 0.75));
            assert!(mean.abs() < 1.2, "{spread:?} {mean}");
            assert!((measured - deviation).abs() < tolerance, "{spread:?} {measured}");
            assert!((neighbours - 0.75).abs() < 0.03, "{spread:?} {neighbours}");
        }
    }

    #[test]
    fn a_slot_draws_the_same_whatever_was_asked_before() {
        let mut one = delays(20, Spread::Pareto, 0.75);
        let mut other = one.clone();
        let there: Vec<Duration> = (0..200).map(|n| one.round_trip(SLOT * n)).collect();
        let mut back: Vec<Duration> = (0..200).rev().map(|n| other.round_trip(SLOT * n)).collect();
        back.reverse();
        assert_eq!(there, back);
    }
}
