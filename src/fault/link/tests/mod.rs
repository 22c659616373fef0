//! The link as a whole, in virtual time: by subject, and what always holds. Here what all of them are made of.

mod loss;
mod outage;
mod properties;
mod rate;

use super::*;
use std::collections::BTreeSet;

const MS: Duration = Duration::from_millis(1);
const TICK: Duration = Duration::from_millis(5);
const S: Duration = Duration::from_secs(1);

fn link(parts: Vec<Part>, seed: u64) -> Link {
    let named: Vec<(String, Part)> = (0..).map(|n| format!("rule-{n}")).zip(parts).collect();
    Link::new(&named, seed)
}

fn rate(mbit: f64) -> Part {
    Part::Bandwidth { down: Some(mbit * 1e6), up: None, queue: 64 * 1024 }
}

fn latency(rtt: u32, jitter: u32, spread: Spread, correlation: f64) -> Part {
    Part::Latency { rtt: MS * rtt, jitter: MS * jitter, spread, correlation }
}

fn outage(at: u32, lasts: u32, every: Option<u32>, mode: OutageMode) -> Part {
    Part::Outage(Outage { at: S * at, lasts: S * lasts, every: every.map(|s| S * s), mode })
}

fn loss(p: f64, r: f64) -> Part {
    Part::Loss(GilbertElliott { p, r, good: 0.0, bad: 1.0 })
}

fn slot(min: u32, max: u32, bytes: u64) -> Part {
    Part::Slot { every: (MS * min, MS * max), bytes }
}

/// What arrived: when, how much.
type Arrivals = Vec<(Duration, u64)>;

/// So many connections that send without end, as the proxy does: each tick (of `TICK` and, now and then, up to 20 ms)
/// each fills its room, and has no more under way than its window.
fn bulk(way: &mut Way, connections: usize, lasts: Duration) -> Vec<Arrivals> {
    let connection = |_| (way.flow(), Vec::new(), 0, Duration::ZERO);
    let mut flows: Vec<(Flow, Arrivals, usize, Duration)> = (0..connections).map(connection).collect();
    let (mut now, mut tick) = (Duration::ZERO, 0u32);
    while now < lasts {
        for (flow, arrivals, arrived, asks) in flows.iter_mut().filter(|flow| flow.3 <= now) {
            let mut under_way: u64 = arrivals[*arrived..].iter().map(|(_, octets)| octets).sum();
            while arrivals.get(*arrived).is_some_and(|(at, _)| *at <= now) {
                under_way -= arrivals[*arrived].1;
                *arrived += 1;
            }
            loop {
                let octets = match way.room(flow, now) {
                    Room::For(room) => room.min(way.window() - under_way),
                    Room::At(later) => {
                        *asks = later;
                        break;
                    }
                };
                if octets == 0 {
                    break;
                }
                let Fate::Arrives(at) = way.send(flow, now, octets).fate else { panic!("it arrives") };
                under_way += octets;
                arrivals.push((at, octets));
            }
        }
        tick += 1;
        now += if tick % 50 == 0 { TICK * 4 } else { TICK };
    }
    flows.into_iter().map(|(_, arrivals, ..)| arrivals).collect()
}

fn between(arrivals: &[(Duration, u64)], from: Duration, to: Duration) -> u64 {
    arrivals.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, octets)| octets).sum()
}

#[test]
fn the_latency_is_met_in_the_mean() {
    for (spread, correlation) in [(Spread::Uniform, 0.0), (Spread::Normal, 0.0), (Spread::Uniform, 0.5)] {
        let mut link = link(vec![rate(10.0), latency(100, 20, spread, correlation)], 1);
        let (mut there, mut back) = (link.up.flow(), link.down.flow());
        let mut sum = Duration::ZERO;
        for n in 0..10_000 {
            let sent = MS * 150 * n;
            let Fate::Arrives(asked) = link.up.send(&mut there, sent, 100).fate else { panic!("it arrives") };
            let Fate::Arrives(answered) = link.down.send(&mut back, asked, 100).fate else { panic!("it arrives") };
            sum += answered - sent;
        }
        let mean = sum.as_secs_f64() * 1e3 / 10_000.0;
        assert!((mean - 100.0).abs() < 1.0, "{spread:?}: {mean} ms");
    }
}

#[test]
fn a_connection_stands_after_a_round_trip() {
    let mut link = link(vec![latency(80, 0, Spread::Uniform, 0.0), outage(10, 4, None, OutageMode::Hold)], 1);
    let draw = Draw::of_link(1, "connection");
    assert_eq!(link.connect(S, draw), Fate::Arrives(S + MS * 80));
    assert_eq!(link.connect(S * 11, draw), Fate::Arrives(S * 14 + MS * 80));
}

#[test]
fn each_seed_jitters_and_bundles_otherwise() {
    for part in [latency(100, 20, Spread::Uniform, 0.0), slot(20, 60, 1000)] {
        let fates = |seed| -> Vec<Fate> {
            let mut way = link(vec![part.clone()], seed).down;
            let mut flow = way.flow();
            (0..10).map(|n| way.send(&mut flow, S * n, 1000).fate).collect()
        };
        assert!(fates(1) == fates(1) && fates(1) != fates(2), "{part:?}");
    }
}

#[test]
fn rules_are_told_once_a_connection_and_by_name() {
    let mut link = link(vec![rate(1.0), outage(10, 4, None, OutageMode::Hold), loss(0.5, 0.5), slot(1, 2, 100)], 1);
    let mut flow = link.down.flow();
    let told: Vec<usize> = (0..50).flat_map(|n| link.down.send(&mut flow, MS * n, 1460).acted).collect();
    assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len(), "{told:?}");
    let names: Vec<&str> = told.iter().map(|n| link.rule(*n)).collect();
    assert_eq!(names.iter().copied().collect::<BTreeSet<_>>(), ["rule-0", "rule-2", "rule-3"].into());
    assert!(link.down.send(&mut flow, MS * 51, 1).acted.is_empty());
}

/// All kinds at once.
fn everything() -> Vec<Part> {
    vec![
        rate(4.0),
        latency(60, 30, Spread::Pareto, 0.75),
        latency(10, 3, Spread::Normal, 0.0),
        loss(0.025, 0.5),
        outage(2, 1, Some(5), OutageMode::Hold),
        slot(2, 8, 4000),
        Part::Trace { down: vec![1, 2, 2, 5], up: vec![3] },
    ]
}

/// A scripted client of three connections, both ways.
fn scripted(seed: u64) -> Vec<Fate> {
    let mut link = link(everything(), seed);
    let mut flows: Vec<(Flow, Flow)> = (0..3).map(|_| (link.down.flow(), link.up.flow())).collect();
    let mut fates = Vec::new();
    for n in 0..60u32 {
        let (down, up) = &mut flows[n as usize % 3];
        let now = TICK * 12 * n;
        fates.push(link.up.send(up, now, 400).fate);
        fates.push(link.down.send(down, now, 1 + u64::from(n) * 397 % 9000).fate);
        fates.push(link.connect(now, Draw::of_link(seed, "connection").branch(u64::from(n))));
    }
    fates
}

#[test]
fn a_seed_repeats_itself_and_no_other() {
    let runs: Vec<Vec<Fate>> = (0..1000).map(scripted).collect();
    assert!((0..1000).all(|seed| scripted(seed) == runs[seed as usize]));
    let distinct: BTreeSet<String> = runs.iter().map(|run| format!("{run:?}")).collect();
    assert_eq!(distinct.len(), 1000);
}
