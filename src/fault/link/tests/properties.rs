//! What holds of any link.

use super::*;
use proptest::prelude::*;

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
