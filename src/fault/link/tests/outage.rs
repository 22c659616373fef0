//! Outages: what they hold, refuse and swallow.

use super::*;

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
    let [mut before, mut within, mut after] = [(); 3].map(|()| link.down.flow());
    assert_eq!(link.down.send(&mut before, S * 9, 125).fate, Fate::Arrives(S * 9 + MS));
    let sent = link.down.send(&mut within, S * 12, 125);
    assert_eq!((sent.fate, sent.acted.collect()), (Fate::Never, vec![1]));
    assert_eq!(link.down.send(&mut within, S * 20, 125).fate, Fate::Never, "for good");
    assert_eq!(link.down.send(&mut after, S * 20, 125).fate, Fate::Arrives(S * 20 + MS));
    assert_eq!(link.down.send(&mut before, S * 21, 125).fate, Fate::Arrives(S * 21 + MS), "it was idle then");
    assert_eq!(link.connect(S * 11, Draw::of_link(1, "c")), Fate::Never);
    // It was sent before and passes until after it; what is behind it passes when all is well again.
    let mut other = self::link(vec![rate(1.0), outage(10, 4, None, OutageMode::Blackhole)], 1).down;
    let [mut across, mut behind] = [(); 2].map(|()| other.flow());
    assert_eq!(other.send(&mut across, S * 9, 637_500).fate, Fate::Never);
    assert_eq!(other.send(&mut behind, S * 9, 12_500).fate, Fate::Arrives(S * 14 + MS * 200));
}

#[test]
fn chances_during_an_outage_are_lost() {
    let trace = Part::Trace { down: vec![10], up: Vec::new() };
    for (octets, arrives) in [(1500, 990), (1501, 2000), (3000, 2000), (3001, 2010), (6000, 2020)] {
        let mut way = link(vec![trace.clone(), outage(1, 1, None, OutageMode::Hold)], 1).down;
        let mut flow = way.flow();
        assert_eq!(way.send(&mut flow, MS * 985, octets).fate, Fate::Arrives(MS * arrives), "{octets} octets");
        assert_eq!(way.send(&mut flow, S * 3, 1).fate, Fate::Arrives(S * 3));
    }
}
