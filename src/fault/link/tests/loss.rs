//! Loss: what it costs, whom, and by which seed.

use super::*;

#[test]
fn a_lost_syn_costs_a_second() {
    let mut link = link(vec![loss(0.1, 0.9)], 1);
    let draws: Vec<Draw> = (0..10_000).map(|n| Draw::of_link(1, "connection").branch(n)).collect();
    let stood: Vec<Fate> = draws.into_iter().map(|draw| link.connect(S, draw)).collect();
    let after = |s: u32| stood.iter().filter(|fate| **fate == Fate::Arrives(S * s)).count();
    // SYN or SYN-ACK: 1 - 0.9^2 = 0.19.
    assert!((8000..8200).contains(&after(1)) && (1450..1630).contains(&after(2)), "{} {}", after(1), after(2));
    assert!(after(4) > 200 && after(8) > 30);
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
fn under_loss_a_connection_sends_evenly_without_a_rate_too() {
    // 1 %, 100 ms: 1.425 Mbit/s, 178 octets a millisecond.
    let mut way = link(vec![latency(100, 0, Spread::Uniform, 0.0), loss(0.01, 0.99)], 1).down;
    let mut flow = way.flow();
    let mut sent = 0;
    let later = loop {
        match way.room(&flow, S) {
            Room::For(room) => {
                assert!(room <= 900, "5 ms of it: {room}");
                way.send(&mut flow, S, room);
                sent += room;
            }
            Room::At(later) => break later,
        }
    };
    assert!((8900..9000).contains(&sent), "50 ms of it: {sent}");
    assert!((S + MS * 20..S + MS * 30).contains(&later), "when half of that has passed: {later:?}");
    let other = way.flow();
    assert!(matches!(way.room(&other, S), Room::For(_)), "another connection has its own pace");
}

#[test]
fn one_loss_in_a_burst_costs_a_round_trip_and_in_a_short_message_a_time_out() {
    let arrives = |segments: u64| -> Vec<Fate> {
        let sends = (0..2000).map(|seed| {
            let mut way = link(vec![latency(50, 0, Spread::Uniform, 0.0), loss(0.02, 1.0)], seed).down;
            let mut flow = way.flow();
            way.send(&mut flow, S, segments * SEGMENT)
        });
        sends.filter(|sent| sent.lost == 1).map(|sent| sent.fate).collect()
    };
    // At the connection's own pace, six segments take 29 ms.
    let share = |fates: &[Fate], ms: u32| {
        let then = S + MS * ms..S + MS * (ms + 30);
        let so = fates.iter().filter(|fate| matches!(fate, Fate::Arrives(at) if then.contains(at))).count();
        so as f64 / fates.len() as f64
    };
    let (burst, message) = (arrives(6), arrives(3));
    assert!(burst.len() > 100 && share(&burst, 75) > 0.95, "{} {}", burst.len(), share(&burst, 75));
    assert!(message.len() > 50 && share(&message, 225) > 0.95, "{} {}", message.len(), share(&message, 225));
}

#[test]
fn messages_are_lost_one_by_one() {
    let mut way = link(vec![loss(0.05, 0.95)], 1).down;
    let mut flow = way.flow();
    let lost: u32 = (0..10_000).map(|n| way.send(&mut flow, S * 100 * n, 100).lost).sum();
    // Five standard deviations are 109.
    assert!((391..609).contains(&lost), "{lost}");
}

#[test]
fn each_way_and_each_seed_loses_others() {
    let lost = |seed: u64, up: bool| -> Vec<u32> {
        let mut link = link(vec![loss(0.1, 0.5)], seed);
        let way = if up { &mut link.up } else { &mut link.down };
        let mut flow = way.flow();
        (0..100).map(|n| way.send(&mut flow, S * 100 * n, 100).lost).collect()
    };
    assert_eq!(lost(1, false), lost(1, false));
    assert!(lost(1, false) != lost(1, true) && lost(1, false) != lost(2, false));
}

#[test]
fn total_loss_ends_in_silence() {
    let mut link = link(vec![Part::Loss(GilbertElliott { p: 1.0, r: 0.0, good: 0.0, bad: 1.0 })], 1);
    let mut flow = link.down.flow();
    assert_eq!(link.down.send(&mut flow, S, 1).fate, Fate::Never);
    assert_eq!(link.connect(S, Draw::of_link(1, "c")), Fate::Never);
}
