//! A link before the client.

use super::*;
use crate::fault::FAULTS;
use crate::fault::rule::{Rule, Scope, When};
use crate::table::Row;
use std::time::Instant;

fn rule(kind: &'static str, keys: &str) -> Rule {
    let row = FAULTS.iter().find(|k| k.name() == kind).expect("a kind");
    Rule {
        id: kind.to_owned(),
        kind,
        leg: Leg::Browser,
        when: When::default(),
        probability: 1.0,
        times: None,
        scope: Scope::Link,
        armed: true,
        fault: (row.make)(toml::from_str(keys).expect("keys")).expect("a fault"),
    }
}

async fn rig(length: usize, rules: Vec<Rule>) -> Rig {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    let body = "x".repeat(length);
    server.always(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"));
    rig.proxy.arm(Armed { rules, seed: 1, journey: "j".into() });
    rig
}

async fn get(client: &mut Peer, length: usize) -> Duration {
    let start = Instant::now();
    client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.head().await;
    client.octets(length).await;
    start.elapsed()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[tokio::test]
async fn a_round_trip_takes_as_long_as_it_says_and_setting_up_one_more() {
    let rig = rig(10, vec![rule("latency", "rtt = \"40 ms\"")]).await;
    let mut client = rig.client().await;
    let first = ms(get(&mut client, 10).await);
    assert!((78.0..400.0).contains(&first), "{first}");
    let mut times = Vec::new();
    for _ in 0..10 {
        times.push(ms(get(&mut client, 10).await));
    }
    let mean = times.iter().sum::<f64>() / 10.0;
    assert!((39.0..200.0).contains(&mean), "{mean}: {times:?}");
    let told = &rig.told("fault_applied", 1).await[0];
    assert_eq!((told.text("fault"), told.text("at")), (Some("latency"), Some("link")));
    assert_eq!(rig.proxy.tally()[0].matched, 11);
    assert_eq!(rig.proxy.tally()[0].applied, 1, "in both directions, and once for the connection");
    get(&mut rig.client().await, 10).await;
    assert_eq!(rig.proxy.tally()[0].applied, 2);
}

#[tokio::test]
async fn connections_share_a_rate() {
    // 400 kbit at 4 Mbit/s: 100 ms, for two connections as for one.
    for connections in [1, 2] {
        let length = 50_000 / connections;
        let rig = rig(length, vec![rule("bandwidth", "down = \"4 Mbit/s\"")]).await;
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push(rig.client().await);
        }
        let start = Instant::now();
        for client in &mut clients {
            client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        }
        for client in &mut clients {
            client.head().await;
            client.octets(length).await;
        }
        let took = ms(start.elapsed());
        assert!((95.0..1000.0).contains(&took), "{connections}: {took}");
    }
}

#[tokio::test]
async fn an_outage_holds_what_is_under_way() {
    let rig = rig(10, vec![rule("outage", "at = \"50 ms\"\nlasts = \"150 ms\"")]).await;
    let armed = Instant::now();
    let mut client = rig.client().await;
    get(&mut client, 10).await;
    tokio::time::sleep(Duration::from_millis(70)).await;
    get(&mut client, 10).await;
    let at = ms(armed.elapsed());
    assert!((190.0..2000.0).contains(&at), "{at}");
}

#[tokio::test]
async fn an_outage_that_refuses_resets_connections_new_and_old_and_idle() {
    let keys = "at = \"500 ms\"\nlasts = \"5s\"\nmode = \"refuse\"";
    let rig = rig(10, vec![rule("outage", keys)]).await;
    let mut idle = rig.client().await;
    get(&mut idle, 10).await;
    assert_eq!(idle.rest().await, (String::new(), Err(std::io::ErrorKind::ConnectionReset)));
    // A new one is reset at once, it may be before it knows that it stands.
    if let Ok(socket) = within(TcpStream::connect(rig.proxy.address())).await {
        let mut new = Peer::new(socket);
        let _ = new.socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(new.rest().await.1.is_err());
    }
}

#[tokio::test]
async fn an_outage_that_swallows_never_answers_and_a_client_may_still_leave() {
    let keys = "at = \"500 ms\"\nlasts = \"500 ms\"\nmode = \"blackhole\"";
    let rig = rig(10, vec![rule("outage", keys)]).await;
    let armed = tokio::time::Instant::now();
    let mut client = rig.client().await;
    get(&mut client, 10).await;
    tokio::time::sleep_until(armed + Duration::from_millis(600)).await;
    client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.silent(Duration::from_millis(100)).await);
    // The outage is over: a new connection works, the old one stays dead.
    tokio::time::sleep_until(armed + Duration::from_millis(1010)).await;
    get(&mut rig.client().await, 10).await;
    client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.silent(Duration::from_millis(30)).await);
}

#[tokio::test]
async fn a_link_that_is_armed_later_holds_for_a_connection_that_is_there() {
    let rig = rig(10, vec![]).await;
    let mut client = rig.client().await;
    let fast = async |client: &mut Peer| {
        // A busy machine may take long once, not each time.
        let mut least = f64::MAX;
        for _ in 0..10 {
            least = least.min(ms(get(client, 10).await));
        }
        least < 50.0
    };
    assert!(fast(&mut client).await);
    rig.proxy.arm(Armed { rules: vec![rule("latency", "rtt = \"60 ms\"")], seed: 1, journey: "j".into() });
    get(&mut client, 10).await;
    let took = ms(get(&mut client, 10).await);
    assert!((58.0..400.0).contains(&took), "{took}");
    rig.proxy.set_armed("latency", false);
    assert!(fast(&mut client).await);
    rig.proxy.set_armed("latency", true);
    assert!(ms(get(&mut client, 10).await) > 50.0);
    rig.proxy.arm(Armed::default());
    assert!(fast(&mut client).await);
}

#[tokio::test]
async fn ends_arrive_behind_what_was_sent() {
    for (keys, end) in [("close", Ok(())), ("reset", Err(std::io::ErrorKind::ConnectionReset))] {
        let rules = vec![rule("latency", "rtt = \"30 ms\""), rule(keys, "at = \"20000 B\"")];
        let rig = rig(50_000, rules).await;
        let mut client = rig.client().await;
        client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        client.head().await;
        let (got, ended) = client.rest().await;
        assert_eq!((got.len(), ended), (20_000, end), "{keys}");
    }
}
