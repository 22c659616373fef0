//! The link is as slow as it was told to be: rate, one cap for all connections, delay. Here short, and sure on a busy
//! machine: never faster than the cap, never sooner than the delay. The figures themselves, which need a quiet machine,
//! are `ci/verify shaping`'s: `SOUNDCHECK_SHAPING=long`.

mod wire;

use soundcheck::fault::link::{Part, Spread};
use soundcheck::fault::rule::{Rule, Scope, When};
use soundcheck::fault::{Fault, Leg};
use soundcheck::proxy::{Armed, Proxy};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use wire::net::{self, Reader};
use wire::serve::Origin;

#[derive(Debug)]
struct Link(Part);

impl Fault for Link {
    fn link(&self) -> Option<Part> {
        Some(self.0.clone())
    }
}

fn arm(proxy: &Proxy, parts: &[Part]) {
    let rule = |(n, part): (usize, &Part)| Rule {
        id: format!("link-{n}"),
        kind: "test",
        leg: Leg::Browser,
        when: When::default(),
        probability: 1.0,
        times: None,
        scope: Scope::Link,
        armed: true,
        fault: Arc::new(Link(part.clone())),
    };
    let rules = parts.iter().enumerate().map(rule).collect();
    proxy.arm(Armed { rules, seed: 1, journey: "shaping".to_owned() });
}

fn rate(down: Option<f64>, up: Option<f64>) -> Part {
    Part::Bandwidth { down, up, queue: 64 << 10 }
}

fn delay(rtt_ms: u64, jitter_ms: u64) -> Part {
    let (rtt, jitter) = (Duration::from_millis(rtt_ms), Duration::from_millis(jitter_ms));
    Part::Latency { rtt, jitter, spread: Spread::Uniform, correlation: 0.0 }
}

/// What arrived when: seconds since the start, octets.
type Arrivals = Vec<(f64, usize)>;

/// Takes an endless body for so long.
fn download(proxy: SocketAddr, port: u16, begun: Instant, lasts: Duration) -> Arrivals {
    let stream = net::connect(proxy, net::PATIENCE).expect("connects");
    let head = format!("GET http://127.0.0.1:{port}/endless HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    net::put(&stream, head.as_bytes()).expect("asks");
    read_for(stream, begun, lasts)
}

fn read_for(mut stream: TcpStream, begun: Instant, lasts: Duration) -> Arrivals {
    let (mut arrivals, mut buffer) = (Arrivals::new(), vec![0; 1 << 20]);
    while begun.elapsed() < lasts {
        match stream.read(&mut buffer) {
            Ok(0) => panic!("an endless body ended"),
            Ok(n) => arrivals.push((begun.elapsed().as_secs_f64(), n)),
            Err(e) => panic!("reading: {e}"),
        }
    }
    arrivals
}

/// Several downloads at once, as one series.
fn downloads(proxy: SocketAddr, port: u16, count: usize, lasts: Duration) -> (Arrivals, Vec<usize>) {
    let begun = Instant::now();
    let each: Vec<Arrivals> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..count).map(|_| scope.spawn(move || download(proxy, port, begun, lasts))).collect();
        all.into_iter().map(|a| a.join().expect("no panic")).collect()
    });
    let shares = each.iter().map(|one| octets(one, 0.0, f64::MAX)).collect();
    let mut all = each.concat();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    (all, shares)
}

/// Sends endless bodies over several connections at once: what arrived at the server when, as one series.
fn uploads(proxy: SocketAddr, origin: &Origin, count: usize, lasts: Duration) -> Arrivals {
    let ended = AtomicBool::new(false);
    let send = || {
        let mut stream = net::connect(proxy, net::PATIENCE).expect("connects");
        let host = format!("127.0.0.1:{}", origin.port);
        let head =
            format!("PUT http://{host}/sink HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n", 1_u64 << 40);
        net::put(&stream, head.as_bytes()).expect("asks");
        // A slow link takes nothing for long: then it is looked whether the time is over.
        stream.set_write_timeout(Some(Duration::from_millis(50))).expect("sets");
        while !ended.load(Ordering::Relaxed) {
            match stream.write(&wire::block()[..16 << 10]) {
                Ok(1..) => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                other => panic!("sending: {other:?}"),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(send);
        }
        let (begun, mut arrivals) = (Instant::now(), Arrivals::new());
        let mut before = origin.taken.load(Ordering::Relaxed);
        while begun.elapsed() < lasts {
            std::thread::sleep(Duration::from_millis(1));
            let taken = origin.taken.load(Ordering::Relaxed);
            if taken > before {
                arrivals.push((begun.elapsed().as_secs_f64(), (taken - before) as usize));
            }
            before = taken;
        }
        ended.store(true, Ordering::Relaxed);
        arrivals
    })
}

fn octets(arrivals: &[(f64, usize)], from: f64, to: f64) -> usize {
    arrivals.iter().filter(|(t, _)| *t > from && *t <= to).map(|(_, n)| n).sum()
}

/// Octets that had come at time `t`, a straight line between arrivals: a window's edge lies within a tick.
fn until(arrivals: &[(f64, usize)], t: f64) -> f64 {
    let (mut sum, mut before) = (0.0, (0.0, 0.0));
    for (at, n) in arrivals {
        sum += *n as f64;
        if *at >= t {
            let share = if *at > before.0 { (t - before.0) / (*at - before.0) } else { 1.0 };
            return before.1 + (sum - before.1) * share;
        }
        before = (*at, sum);
    }
    sum
}

fn long() -> bool {
    std::env::var("SOUNDCHECK_SHAPING").is_ok_and(|how| how == "long")
}

fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

/// Threads that keep the machine's cores busy while this lives.
struct Hogs(Arc<AtomicBool>);

impl Hogs {
    fn start(count: usize) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        for _ in 0..count {
            let end = end.clone();
            std::thread::spawn(move || {
                while !end.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(end)
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_download_is_never_faster_than_its_link() {
    let (runtime, origin) = (wire::runtime(), Origin::start());
    let proxy = wire::proxy(&runtime, soundcheck::proxy::Route::Forward, None);
    for (bits, connections) in [(1e6, 1), (8e6, 6)] {
        arm(&proxy, &[rate(Some(bits), None)]);
        // What was not used is gone: a link at rest saves nothing up.
        std::thread::sleep(Duration::from_millis(200));
        let lasts = Duration::from_millis(1500);
        let (arrivals, shares) = downloads(proxy.address(), origin.port, connections, lasts);
        let mut sum = 0;
        for (at, n) in &arrivals {
            sum += n;
            // One tick of 5 ms may be ahead; heads count too, which makes the link slower, never faster.
            let most = bits / 8.0 * (at + 0.006) + 1500.0;
            assert!(sum as f64 <= most, "{bits} bit/s: {sum} octets after {at:.3} s, at most {most:.0}");
        }
        let must = bits / 8.0 * 1.5;
        assert!(sum as f64 > must * 0.5, "{bits} bit/s: {sum} octets of {must}; a busy machine loses less than half");
        assert!(shares.iter().all(|s| *s > 0), "a connection got nothing: {shares:?}");
    }
}

#[test]
fn an_upload_is_never_faster_than_its_link() {
    let (runtime, origin) = (wire::runtime(), Origin::start());
    let proxy = wire::proxy(&runtime, soundcheck::proxy::Route::Forward, None);
    arm(&proxy, &[rate(None, Some(4e6))]);
    let (stream, begun, length) =
        (net::connect(proxy.address(), net::PATIENCE).expect("connects"), Instant::now(), 500_000);
    let host = format!("127.0.0.1:{}", origin.port);
    let head = format!("PUT http://{host}/sink HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n");
    net::put(&stream, head.as_bytes()).expect("asks");
    net::put(&stream, &wire::block()[..length]).expect("sends");
    let head = Reader::new(&stream).head().expect("answers").expect("a head");
    assert!(head.starts_with(b"HTTP/1.1 200"));
    let took = begun.elapsed().as_secs_f64();
    assert!(took >= length as f64 * 8.0 / 4e6 - 0.006, "{length} octets in {took:.3} s");
    assert!(took < 5.0, "{took:.3} s for one");
    assert_eq!(origin.taken.load(Ordering::Relaxed), length as u64);
}

/// Round trips of small requests on one connection.
fn pings(proxy: SocketAddr, port: u16, count: usize) -> Vec<f64> {
    let stream = net::connect(proxy, net::PATIENCE).expect("connects");
    let mut reader = Reader::new(&stream);
    let head = format!("GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    let mut one = || {
        let begun = Instant::now();
        net::put(&stream, head.as_bytes()).expect("asks");
        reader.head().expect("answers").expect("a head");
        assert_eq!(reader.some(2).expect("a body"), b"ok");
        begun.elapsed().as_secs_f64() * 1000.0
    };
    one();
    (0..count).map(|_| one()).collect()
}

#[test]
fn a_round_trip_is_never_shorter_than_its_links() {
    let (runtime, origin) = (wire::runtime(), Origin::start());
    let proxy = wire::proxy(&runtime, soundcheck::proxy::Route::Forward, None);
    arm(&proxy, &[delay(60, 0)]);
    let mut times = pings(proxy.address(), origin.port, 10);
    let median = percentile(&mut times, 0.5);
    // Each way may be due a tick early, so that it is late by nothing on average.
    assert!(times.iter().all(|t| *t >= 58.0), "{times:?}");
    assert!(median < 120.0, "the median of {times:?}");
}

/// How late a thread that sleeps is woken meanwhile: a machine that wakes sleepers late cannot show when octets were due.
struct Witness(Arc<AtomicBool>, std::thread::JoinHandle<Vec<f64>>);

impl Witness {
    fn start() -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let ended = end.clone();
        let watching = std::thread::spawn(move || {
            let mut late = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                let begun = Instant::now();
                std::thread::sleep(Duration::from_millis(2));
                late.push(begun.elapsed().as_secs_f64() * 1000.0 - 2.0);
            }
            late
        });
        Self(end, watching)
    }

    /// The 99th percentile of its lateness, milliseconds.
    fn late(self) -> f64 {
        self.0.store(true, Ordering::Relaxed);
        percentile(&mut self.1.join().expect("no panic"), 0.99)
    }
}

/// Whether a series keeps its rate, and how far it is off; without the first second: what the queues of the beginning hold is
/// not the link's rate.
fn kept(arrivals: &[(f64, usize)], bits: f64) -> (bool, String) {
    let part = |from: f64, to: f64| (until(arrivals, to) - until(arrivals, from)) * 8.0 / (to - from) / bits - 1.0;
    let windows = (0..=40).map(|n| f64::from(n) / 10.0).map(|t| part(1.0 + t, 2.0 + t));
    let worst = windows.max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0);
    let five = part(1.0, 6.0);
    let mut gaps: Vec<f64> = arrivals.windows(2).map(|w| (w[1].0 - w[0].0) * 1000.0).collect();
    let (p99, most) = (percentile(&mut gaps, 0.99), percentile(&mut gaps, 1.0));
    let text = format!(
        "{:5.1} Mbit/s: 5 s {:+.3} %, worst 1 s {:+.3} %, gaps p99 {p99:.1} ms, longest {most:.1} ms",
        bits / 1e6,
        five * 100.0,
        worst * 100.0,
    );
    (five.abs() <= 0.01 && worst.abs() <= 0.03 && p99 <= 10.0, text)
}

/// A machine that wakes sleepers later than this, milliseconds, is too busy to judge by.
const QUIET: f64 = 2.0;

/// The long form: figures, judged only where the machine was quiet meanwhile.
#[test]
fn rates_and_delays_are_what_was_asked_for() {
    if !long() {
        return;
    }
    let (runtime, origin) = (wire::runtime(), Origin::start());
    let proxy = wire::proxy(&runtime, soundcheck::proxy::Route::Forward, None);
    let (mut wrong, mut judged, mut all, mut unjudged) = (Vec::new(), 0, 0, Vec::new());
    let mut judge = |hogs: usize, late: f64, fits: bool, text: String| {
        let busy = late > QUIET;
        println!("  {text}; sleepers {late:.1} ms late{}", if busy { ": too busy to judge" } else { "" });
        (all, judged) = (all + 1, judged + i32::from(!busy));
        if busy && hogs == 0 {
            unjudged.push(text.clone());
        }
        if !busy && !fits {
            wrong.push(text);
        }
    };
    for hogs in [0, 2] {
        let busy = Hogs::start(hogs);
        println!("with {hogs} busy threads");
        for (bits, connections) in [(0.1e6, 1), (1e6, 1), (10e6, 1), (100e6, 1), (0.6e6, 6), (10e6, 6), (100e6, 6)] {
            arm(&proxy, &[rate(Some(bits), None)]);
            let witness = Witness::start();
            let lasts = Duration::from_millis(6500);
            let (arrivals, shares) = downloads(proxy.address(), origin.port, connections, lasts);
            let late = witness.late();
            let (fits, text) = kept(&arrivals, bits);
            let (low, high) = (shares.iter().min().unwrap_or(&0), shares.iter().max().unwrap_or(&0));
            let share = *low as f64 / (*high).max(1) as f64;
            judge(hogs, late, fits, format!("{text}, over {connections}: least share / largest {share:.2}"));
        }
        for (bits, connections) in [(0.1e6, 1), (1e6, 1), (10e6, 1), (100e6, 1), (10e6, 6)] {
            arm(&proxy, &[rate(None, Some(bits))]);
            let witness = Witness::start();
            let arrivals = uploads(proxy.address(), &origin, connections, Duration::from_millis(6500));
            let late = witness.late();
            let (fits, text) = kept(&arrivals, bits);
            judge(hogs, late, fits, format!("{text}, up over {connections}"));
        }
        arm(&proxy, &[]);
        let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;
        let without = mean(&pings(proxy.address(), origin.port, 100));
        for (rtt, jitter) in [(10, 0), (40, 0), (150, 0), (40, 20)] {
            arm(&proxy, &[delay(rtt, jitter)]);
            let witness = Witness::start();
            // Jitter's own mean wanders by its standard deviation over the root of the count.
            let mut times = pings(proxy.address(), origin.port, if jitter > 0 { 400 } else { 100 });
            let late = witness.late();
            let off = mean(&times) - without - rtt as f64;
            let middle = percentile(&mut times, 0.5) - without - rtt as f64;
            let allowed = if jitter > 0 { 1.0 + 3.0 * jitter as f64 / 3f64.sqrt() / 20.0 } else { 1.0 };
            let text = format!("rtt {rtt} ms, jitter {jitter} ms: mean {off:+.2} ms off, median {middle:+.2} ms off");
            judge(hogs, late, off.abs() <= allowed, text);
        }
        drop(busy);
    }
    println!("{judged} of {all} measurements judged");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(unjudged.is_empty(), "the machine was too busy to judge, without a hog of ours:\n{}", unjudged.join("\n"));
}
