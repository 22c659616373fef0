//! The rate, shared and bundled.

use super::*;

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
fn a_trace_is_replayed_exactly() {
    let trace = vec![0, 0, 2, 2, 2, 7, 11, 11, 20];
    let mut way = link(vec![Part::Trace { down: trace.clone(), up: Vec::new() }], 1).down;
    let mut flow = way.flow();
    // Every octet by itself, as mahimahi would: each opportunity takes what is there, up to 1500.
    let script =
        [(0, 100), (0, 4000), (1, 5000), (6, 1), (12, 20_000), (300, 1500), (300, 1), (303, 1500), (341, 1500)];
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
