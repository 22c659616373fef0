//! The link as a whole, in virtual time.

use super::*;
use proptest::prelude::*;
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

/// Relative errors of the rate: over 5 s, and the worst of the 1-s windows.
fn rate_errors(arrivals: &[(Duration, u64)], mbit: f64) -> (f64, f64) {
    let error = |from: Duration, lasts: Duration| {
        let expected = mbit * 1e6 / 8.0 * lasts.as_secs_f64();
        (between(arrivals, from, from + lasts) as f64 / expected - 1.0).abs()
    };
    let worst = (0..300).map(|n| error(S + MS * 13 * n, S)).fold(0.0, f64::max);
    (error(S, 5 * S), worst)
}

#[test]
fn the_rate_is_met_over_five_seconds_and_in_every_second() {
    for mbit in [0.1, 0.5, 1.638_4, 5.0, 20.0, 100.0] {
        let all = bulk(&mut link(vec![rate(mbit)], 1).down, 1, S * 7);
        let (long, worst) = rate_errors(&all[0], mbit);
        println!("{mbit} Mbit/s: 5 s off by {long:.5}, worst second by {worst:.5}");
        assert!(long < 0.01 && worst < 0.03);
    }
}

#[test]
fn the_rate_is_met_behind_delay_too() {
    let all = bulk(&mut link(vec![rate(20.0), latency(150, 0, Spread::Uniform, 0.0)], 1).down, 1, S * 7);
    let (long, worst) = rate_errors(&all[0], 20.0);
    assert!(long < 0.01 && worst < 0.03, "{long} {worst}");
}

#[test]
fn six_connections_share_one_cap_evenly() {
    for mbit in [0.5, 6.0, 100.0] {
        let all = bulk(&mut link(vec![rate(mbit)], 1).down, 6, S * 9);
        let together: Arrivals = all.iter().flatten().copied().collect();
        let (long, worst) = rate_errors(&together, mbit);
        assert!(long < 0.01 && worst < 0.03, "{mbit} Mbit/s: {long} {worst}");
        // The first one finds the queue empty and fills it: it takes the queue's time, at 0.5 Mbit/s a second, until shares
        // are even.
        for (n, own) in all.iter().enumerate() {
            let share = between(own, S * 3, S * 8) as f64 * 6.0 / between(&together, S * 3, S * 8) as f64;
            assert!((share - 1.0).abs() < 0.03, "{mbit} Mbit/s: connection {n} has {share} of its share");
            let mut gaps: Vec<Duration> = own.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
            gaps = gaps.split_off(gaps.len() / 2);
            gaps.sort_unstable();
            let (p99, longest) = (gaps[gaps.len() * 99 / 100], gaps[gaps.len() - 1]);
            println!(
                "{mbit} Mbit/s: connection {n} has {share:.4} of its share, gaps: p99 {p99:?}, longest {longest:?}"
            );
            // A tick that comes late, and a piece.
            assert!(p99 <= MS * 25);
        }
    }
}

#[test]
fn a_thousand_connections_share_one_cap_evenly() {
    let all = bulk(&mut link(vec![rate(10.0)], 1).down, 1000, S * 7);
    let octets: Vec<u64> = all.iter().map(|own| between(own, S * 2, S * 7)).collect();
    let (least, most) = (octets.iter().min(), octets.iter().max());
    // 6250 octets each, in segments.
    assert!(least >= Some(&4380) && most <= Some(&8760), "{least:?} to {most:?}");
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
fn a_lost_syn_costs_a_second() {
    let mut link = link(vec![loss(0.1, 0.9)], 1);
    let draws: Vec<Draw> = (0..10_000).map(|n| Draw::of_link(1, "connection").sub(n)).collect();
    let stood: Vec<Fate> = draws.into_iter().map(|draw| link.connect(S, draw)).collect();
    let after = |s: u32| stood.iter().filter(|fate| **fate == Fate::Arrives(S * s)).count();
    // SYN or SYN-ACK: 1 - 0.9^2 = 0.19.
    assert!((8000..8200).contains(&after(1)) && (1450..1630).contains(&after(2)), "{} {}", after(1), after(2));
    assert!(after(4) > 200 && after(8) > 30);
}

#[test]
fn an_outage_holds_and_comes_again() {
    let parts = vec![rate(5.0), latency(20, 0, Spread::Uniform, 0.0), outage(10, 4, Some(60), OutageMode::Hold)];
    let all = bulk(&mut link(parts, 1).down, 2, S * 80);
    let both: Arrivals = all.into_iter().flatten().collect();
    for (begin, end) in [(S * 10, S * 14), (S * 70, S * 74)] {
        // What had passed before is still under way for half a round trip.
        assert_eq!(between(&both, begin + MS * 15, end + MS * 10), 0);
        assert!(between(&both, begin - MS * 50, begin) > 28_000, "up to it");
        assert!(between(&both, end + MS * 10, end + MS * 60) > 28_000, "at once after it");
    }
    let error = between(&both, S, S * 79) as f64 / (70.0 * 5e6 / 8.0) - 1.0;
    assert!(error.abs() < 0.001, "70 s of 78 are left: {error}");
}

#[test]
fn an_outage_holds_without_a_rate_too_and_is_told_each_time_it_comes() {
    let mut link = link(vec![latency(40, 0, Spread::Uniform, 0.0), outage(10, 4, Some(60), OutageMode::Hold)], 1);
    let (mut a, mut b) = (link.down.flow(), link.down.flow());
    let mut send = |flow: &mut Flow, at| {
        let sent = link.down.send(flow, at, 1000);
        (sent.fate, sent.acted.collect::<Vec<_>>())
    };
    assert_eq!(send(&mut a, S * 9), (Fate::Arrives(S * 9 + MS * 20), vec![0]));
    assert_eq!(send(&mut a, S * 11), (Fate::Arrives(S * 14 + MS * 20), vec![1]));
    assert_eq!(send(&mut b, S * 12), (Fate::Arrives(S * 14 + MS * 20), vec![0, 1]), "each connection");
    assert_eq!(send(&mut a, S * 13), (Fate::Arrives(S * 14 + MS * 20), vec![]), "told already");
    assert_eq!(send(&mut a, S * 14), (Fate::Arrives(S * 14 + MS * 20), vec![]));
    assert_eq!(send(&mut a, S * 71), (Fate::Arrives(S * 74 + MS * 20), vec![1]), "the next one");
}

#[test]
fn an_outage_that_refuses_resets_and_then_lets_in_again() {
    let mut link = link(vec![outage(10, 4, Some(60), OutageMode::Refuse)], 1);
    let (draw, mut flow, mut idle) = (Draw::of_link(1, "connection"), link.up.flow(), link.up.flow());
    assert_eq!(link.outage_at(S * 9), None);
    assert_eq!(link.next_change(S * 9), Some(S * 10), "then the caller resets what there is");
    assert_eq!(link.outage_at(S * 10).map(|(o, ends)| (o.mode, ends)), Some((OutageMode::Refuse, S * 14)));
    assert_eq!(link.outage_rule(S * 10), Some("rule-0"));
    assert_eq!(link.next_change(S * 10), Some(S * 14));
    assert_eq!(link.next_change(S * 14), Some(S * 70));
    assert_eq!((link.connect(S * 9, draw), link.connect(S * 13, draw)), (Fate::Arrives(S * 9), Fate::Reset));
    let sent = link.up.send(&mut flow, S * 12, 10);
    assert_eq!((sent.fate, sent.acted.collect()), (Fate::Reset, vec![0]));
    assert_eq!(link.up.send(&mut idle, S * 14, 10).fate, Fate::Arrives(S * 14));
}

#[test]
fn a_black_hole_swallows_connections_of_its_time_for_good() {
    let mut link = link(vec![rate(1.0), outage(10, 4, None, OutageMode::Blackhole)], 1);
    let [mut before, mut within, mut across, mut after] = [(); 4].map(|()| link.down.flow());
    assert_eq!(link.down.send(&mut before, S * 9, 125).fate, Fate::Arrives(S * 9 + MS));
    let sent = link.down.send(&mut within, S * 12, 125);
    assert_eq!((sent.fate, sent.acted.collect()), (Fate::Never, vec![1]));
    assert_eq!(link.down.send(&mut within, S * 20, 125).fate, Fate::Never, "for good");
    assert_eq!(link.down.send(&mut after, S * 20, 125).fate, Fate::Arrives(S * 20 + MS));
    assert_eq!(link.down.send(&mut before, S * 21, 125).fate, Fate::Arrives(S * 21 + MS), "it was idle then");
    assert_eq!(link.connect(S * 11, Draw::of_link(1, "c")), Fate::Never);
    // It was sent before and would pass meanwhile.
    let mut other = self::link(vec![rate(1.0), outage(10, 4, None, OutageMode::Blackhole)], 1).down;
    assert_eq!(other.send(&mut across, S * 9, 130_000).fate, Fate::Never);
}

#[test]
fn a_trace_is_replayed_exactly() {
    let trace = vec![0, 0, 2, 2, 2, 7, 11, 11, 20];
    let mut way = link(vec![Part::Trace { down: trace.clone(), up: Vec::new() }], 1).down;
    let mut flow = way.flow();
    // Every octet by itself, as mahimahi would: each opportunity takes what is there, up to 1500.
    let script = [(0, 100), (0, 4000), (1, 5000), (6, 1), (12, 20_000), (300, 1500), (300, 1), (341, 1500)];
    let opportunities = (0..100).flat_map(|round| trace.iter().map(move |at| round * 20 + at));
    let mut chances = opportunities.flat_map(|at| std::iter::repeat_n(at, 1500)).peekable();
    for (ms, octets) in script {
        // What was not used before is lost.
        while chances.next_if(|at| *at < ms).is_some() {}
        let last = (0..octets).filter_map(|_| chances.next()).last().expect("the trace is long enough");
        let sent = way.send(&mut flow, MS * ms as u32, octets);
        assert_eq!(sent.fate, Fate::Arrives(MS * last as u32), "{octets} octets at {ms} ms");
    }
    let mut up = link(vec![Part::Trace { down: trace, up: Vec::new() }], 1).up;
    let mut flow = up.flow();
    assert_eq!(up.send(&mut flow, S, 1 << 20).fate, Fate::Arrives(S), "the other way is not limited");
}

#[test]
fn a_slotted_link_delivers_in_bursts_at_its_rate() {
    let all = bulk(&mut link(vec![slot(20, 60, 20_000)], 1).down, 1, S * 21);
    let times: BTreeSet<Duration> = all[0].iter().map(|(at, _)| *at).collect();
    let times: Vec<Duration> = times.into_iter().collect();
    assert!(times.windows(2).all(|pair| (MS * 20..=MS * 60).contains(&(pair[1] - pair[0]))));
    // What arrived with any burst came with it or with those before.
    assert!((1..).zip(&times).all(|(n, at)| between(&all[0], Duration::ZERO, *at + MS) <= n * 20_000));
    let mbit = between(&all[0], S, S * 21) as f64 * 8.0 / 20e6;
    assert!((mbit - 4.0).abs() < 0.04, "20,000 octets in 40 ms: {mbit}");
}

#[test]
fn what_a_loss_holds_up_is_its_own_connection_only() {
    let mut link = link(vec![latency(100, 0, Spread::Uniform, 0.0), loss(0.01, 0.5)], 1);
    let [mut a, mut b] = [(); 2].map(|()| link.down.flow());
    let lost = (0..1000).find(|n| link.down.send(&mut a, MS * 10 * *n, 1460).lost > 0).expect("one in fifty is lost");
    let now = MS * 10 * lost;
    let Fate::Arrives(held) = link.down.send(&mut a, now, 0).fate else { panic!("it arrives") };
    assert!(held >= now + MS * 150, "half a round trip and a whole one at least");
    assert_eq!(link.down.send(&mut b, now, 0).fate, Fate::Arrives(now + MS * 50));
}

#[test]
fn loss_holds_a_long_transfer_to_the_steady_rate() {
    // 2 %, 100 ms: Reno's 8.6 segments a round trip, about 1.0 Mbit/s. Time-outs cost some more.
    let parts = vec![rate(50.0), latency(100, 0, Spread::Uniform, 0.0), loss(0.02, 0.98)];
    let all = bulk(&mut link(parts, 1).down, 3, S * 60);
    for own in all {
        let mbit = between(&own, S * 5, S * 55) as f64 * 8.0 / 50e6;
        assert!((0.75..1.02).contains(&mbit), "each connection by itself: {mbit}");
    }
}

#[test]
fn total_loss_ends_in_silence() {
    let mut link = link(vec![Part::Loss(GilbertElliott { p: 1.0, r: 0.0, good: 0.0, bad: 1.0 })], 1);
    let mut flow = link.down.flow();
    assert_eq!(link.down.send(&mut flow, S, 1).fate, Fate::Never);
    assert_eq!(link.connect(S, Draw::of_link(1, "c")), Fate::Never);
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
        fates.push(link.connect(now, Draw::of_link(seed, "connection").sub(u64::from(n))));
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

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let spread = prop_oneof![Just(Spread::Uniform), Just(Spread::Normal), Just(Spread::Pareto)];
    let part =
        prop_oneof![
            (1e4..1e8, proptest::option::of(1e4..1e8), 1000u64..100_000)
                .prop_map(|(down, up, queue)| Part::Bandwidth { down: Some(down), up, queue }),
            (1u32..300, 0u32..100, spread, 0.0..1.0).prop_map(|(r, j, s, c)| latency(r, j, s, c)),
            (0.0..0.2, 0.1..1.0, 0.0..0.1, 0.5..1.0).prop_map(|(p, r, good, bad)| Part::Loss(GilbertElliott {
                p,
                r,
                good,
                bad
            })),
            (0u32..5, 1u32..4, proptest::option::of(1u32..9)).prop_map(|(a, l, e)| outage(a, l, e, OutageMode::Hold)),
            (0u32..5, 1u32..4).prop_map(|(a, l)| outage(a, l, None, OutageMode::Blackhole)),
            (1u32..50, 1u32..50, 100u64..50_000).prop_map(|(min, max, bytes)| slot(min, max, bytes)),
            proptest::collection::vec(0u64..50, 1..20).prop_map(|mut down| {
                down.sort_unstable();
                Part::Trace { down, up: vec![5] }
            }),
        ];
    proptest::collection::vec(part, 0..5)
}

proptest! {
    #[test]
    fn nothing_arrives_before_it_was_sent_nor_overtakes(
        parts in parts(),
        seed: u64,
        script in proptest::collection::vec((0u64..200_000, 0usize..4, 0u64..50_000), 1..80),
    ) {
        let mut link = link(parts, seed);
        let way = &mut link.down;
        let mut flows = [(); 4].map(|()| (way.flow(), Duration::ZERO, false));
        let mut now = Duration::ZERO;
        for (micros, which, octets) in script {
            now += Duration::from_micros(micros);
            let (flow, last, dead) = &mut flows[which];
            match way.send(flow, now, octets).fate {
                Fate::Arrives(at) => {
                    prop_assert!(at >= now && at >= *last && !*dead);
                    *last = at;
                }
                _ => *dead = true,
            }
        }
    }

    #[test]
    fn no_more_arrives_than_the_rate_allows_and_all_that_was_sent(
        mbit in 0.05..50.0f64,
        others in parts(),
        script in proptest::collection::vec((0u64..50_000, 0usize..4, 1u64..20_000), 1..80),
    ) {
        let mut parts: Vec<Part> = others.into_iter().filter(|p| matches!(p, Part::Slot { .. } | Part::Trace { .. })).collect();
        let alone = parts.is_empty();
        parts.push(rate(mbit));
        parts.push(outage(1, 2, Some(7), OutageMode::Hold));
        let mut way = link(parts, 1).down;
        let mut flows = [(); 4].map(|()| way.flow());
        let (mut now, mut arrivals) = (Duration::ZERO, Arrivals::new());
        let mut sent = 0;
        for (micros, which, octets) in script {
            now += Duration::from_micros(micros);
            let Fate::Arrives(at) = way.send(&mut flows[which], now, octets).fate else { panic!("it arrives") };
            sent += octets;
            arrivals.push((at, octets));
        }
        arrivals.sort_unstable();
        // Since the start and, where nothing bundles, from any arrival to any later one.
        let starts = std::iter::once((Duration::ZERO, 0)).chain((1..).zip(&arrivals).map(|(n, (at, _))| (*at, n)));
        for (from, n) in starts.take(if alone { usize::MAX } else { 1 }) {
            let mut passed = 0;
            for (to, octets) in &arrivals[n..] {
                passed += octets;
                prop_assert!(passed as f64 * 8.0 <= mbit * 1e6 * (*to - from).as_secs_f64() + 0.1);
            }
        }
        let end = arrivals.last().map(|(at, _)| *at).unwrap_or_default();
        prop_assert_eq!(arrivals.iter().map(|(_, octets)| octets).sum::<u64>(), sent);
        prop_assert_eq!(way.backlog(end), 0, "the queue is empty after the last");
        prop_assert!(matches!(way.room(&flows[0], end), Room::For(_)));
    }

    #[test]
    fn it_is_the_same_however_octets_are_cut_into_calls(
        mbit in 0.05..50.0f64,
        seed: u64,
        script in proptest::collection::vec((0u64..300_000, proptest::collection::vec(11_000u64..20_000, 1..6)), 1..30),
    ) {
        // Of pieces of fewer than six segments, only the call as a whole knows that three are behind a lost one.
        let parts = vec![
            rate(mbit),
            latency(80, 0, Spread::Uniform, 0.0),
            loss(0.02, 0.5),
            outage(1, 1, Some(3), OutageMode::Hold),
            slot(5, 9, 7000),
            Part::Trace { down: vec![1, 2, 2, 5], up: Vec::new() },
        ];
        let (mut whole, mut cut) = (link(parts.clone(), seed).down, link(parts, seed).down);
        let (mut a, mut b) = (whole.flow(), cut.flow());
        let mut now = Duration::ZERO;
        for (micros, pieces) in script {
            now += Duration::from_micros(micros);
            let sent = whole.send(&mut a, now, pieces.iter().sum());
            let last = pieces.iter().map(|piece| cut.send(&mut b, now, *piece)).last();
            prop_assert_eq!(Some(sent.fate), last.map(|sent| sent.fate));
        }
    }

    #[test]
    fn whoever_keeps_to_the_room_never_fills_the_queue_beyond_a_segment_each(
        mbit in 0.05..50.0f64,
        connections in 1usize..40,
        order in proptest::collection::vec(0usize..40, 1..400),
    ) {
        let mut way = link(vec![rate(mbit)], 1).down;
        let mut flows: Vec<Flow> = (0..connections).map(|_| way.flow()).collect();
        let limit = (64 * 1024).max((mbit * 1e6 / 8.0 * 0.05) as u64);
        for (n, which) in (0..).zip(order) {
            let (now, flow) = (MS * n, &mut flows[which % connections]);
            match way.room(flow, now) {
                Room::For(room) => {
                    prop_assert!(room >= 1);
                    way.send(flow, now, room);
                    prop_assert!(way.backlog(now) <= limit + connections as u64 * SEGMENT);
                }
                Room::At(mut later) => {
                    prop_assert!(later > now);
                    // Others may have come before; but each time it asks, something has left.
                    let asks = (0..1000).take_while(|_| match way.clone().room(flow, later) {
                        Room::At(again) => again > std::mem::replace(&mut later, again),
                        Room::For(_) => false,
                    });
                    prop_assert!(asks.count() < 100, "it waits for ever");
                }
            }
        }
    }
}
