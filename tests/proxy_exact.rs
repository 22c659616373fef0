//! Where no fault is active the proxy changes no octet: but for the request target's form, the fields of one hop, and
//! the two trace fields, what one end sends is what the other gets. Seeded conversations between sockets; a few
//! thousand exchanges here, a million by `ci/verify exact`. A conversation that differs says its seed:
//! `SOUNDCHECK_SEED=<seed> SOUNDCHECK_EXCHANGES=1` plays it again.

mod wire;

use soundcheck::event::{Ids, Now};
use soundcheck::fault::link::Part;
use soundcheck::fault::rule::{Rule, Scope, When};
use soundcheck::fault::seed::Draw;
use soundcheck::fault::{Action, Fault, Leg, Point, Request, Response, Step, at};
use soundcheck::proxy::tls::Intercept;
use soundcheck::proxy::{Armed, Config, Proxy, Route};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use wire::script::{Conversation, End, Via, conversation, conversation_by};
use wire::talk::Origin;

/// After so many the run says no more.
const ENOUGH: usize = 10;
/// Conversations under way at once.
const WORKERS: usize = 4;

#[derive(Default)]
struct Tally {
    exchanges: AtomicU64,
    octets: AtomicU64,
    features: Mutex<BTreeMap<&'static str, u64>>,
    mismatches: Mutex<Vec<String>>,
}

impl Tally {
    fn print(&self, since: Instant, next: u64) {
        let exchanges = self.exchanges.load(Ordering::Relaxed);
        let seconds = since.elapsed().as_secs_f64();
        println!(
            "{exchanges} exchanges, {:.1} GB, {} mismatches, {:.0}/s; the next seed is {next}",
            self.octets.load(Ordering::Relaxed) as f64 / 1e9,
            self.mismatches.lock().expect("no panic").len(),
            exchanges as f64 / seconds,
        );
    }
}

/// What a proxy is given before it is talked through.
struct Setting {
    log: Option<soundcheck::event::Log>,
    trace: bool,
    armed: Armed,
    /// Whether chunks may be cut anew.
    respelt: bool,
}

/// Plays conversations from seed `first` on until so many exchanges were made.
fn play(first: u64, exchanges: u64, setting: &Setting) -> Tally {
    let runtime = wire::runtime();
    let start = |route| -> Proxy {
        let now = Now::default();
        let id = |n: usize| Some("0123456789abcdef".repeat(n));
        now.set(&Ids { trace_id: id(2), span_id: id(1), ..Ids::default() });
        let trace = if setting.trace { vec!["*".to_owned()] } else { Vec::new() };
        let proxy = wire::start(&runtime, Config { trace, now, ..wire::config(route, setting.log.clone()) });
        proxy.arm(setting.armed.clone());
        proxy
    };
    let forward = start(Route::Forward);
    let (tally, next, begun) = (Tally::default(), AtomicU64::new(first), Instant::now());
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..if exchanges == 1 { 1 } else { WORKERS })
            .map(|_| {
                let origin = Origin::start();
                let reverse = start(wire::to(origin.port));
                let (tally, next, forward) = (&tally, &next, forward.address());
                scope.spawn(move || {
                    work(tally, next, exchanges, &origin, (forward, reverse.address()), setting.respelt);
                    reverse
                })
            })
            .collect();
        scope.spawn(|| {
            let mut said = Instant::now();
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(50));
                if said.elapsed() > Duration::from_secs(30) {
                    tally.print(begun, next.load(Ordering::Relaxed));
                    said = Instant::now();
                }
            }
        });
        let proxies: Vec<_> = workers.into_iter().map(|w| w.join()).collect();
        ended.store(true, Ordering::Relaxed);
        assert!(proxies.iter().all(Result::is_ok), "a worker panicked");
    });
    tally.print(begun, next.load(Ordering::Relaxed));
    tally
}

fn work(
    tally: &Tally,
    next: &AtomicU64,
    most: u64,
    origin: &Origin,
    (forward, reverse): (SocketAddr, SocketAddr),
    respelt: bool,
) {
    let failed = || tally.mismatches.lock().expect("no panic").len() >= ENOUGH;
    while tally.exchanges.load(Ordering::Relaxed) < most && !failed() {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        let talk = Conversation { respelt, ..conversation(seed, origin.port) };
        let proxy = if talk.via == Via::Reverse { reverse } else { forward };
        if std::env::var_os("SOUNDCHECK_SHOW").is_some() {
            show(&talk);
        }
        if let Err(e) = origin.play(proxy, &talk) {
            let text = format!("seed {seed}, {:?}, {:?}: {e}", talk.via, talk.end);
            println!("{text}");
            tally.mismatches.lock().expect("no panic").push(text);
        }
        tally.exchanges.fetch_add(talk.exchanges.len().max(1) as u64, Ordering::Relaxed);
        let bodies = talk.exchanges.iter().flat_map(|e| [&e.request.body, &e.response.body]);
        let octets: usize = bodies.chain([&talk.up, &talk.down]).map(|b| wire::net::length(b)).sum();
        tally.octets.fetch_add(octets as u64, Ordering::Relaxed);
        let mut features = tally.features.lock().expect("no panic");
        talk.features.iter().for_each(|f| *features.entry(f).or_default() += 1);
    }
}

/// Prints what a conversation is made of.
fn show(talk: &wire::script::Conversation) {
    println!("seed {}: {:?}, hasty {}, half {}, {:?}", talk.seed, talk.via, talk.hasty, talk.half, talk.end);
    for (n, one) in talk.exchanges.iter().enumerate() {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let (up, down) = (wire::net::length(&one.request.body), wire::net::length(&one.response.body));
        println!("{n}: pipelined {}, asks {}, early {}", one.pipelined, one.asks, one.early);
        println!("{}{up} octets\n{}", text(&one.request.head), text(&one.interim.concat()));
        println!("{}{down} octets", text(&one.response.head));
    }
}

fn none_differs(tally: &Tally) {
    let mismatches = tally.mismatches.lock().expect("no panic");
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}

/// A rule over a fault made here, for every exchange.
fn rule(id: &str, fault: impl Fault + 'static) -> Rule {
    Rule {
        id: id.to_owned(),
        kind: "test",
        leg: Leg::Browser,
        when: When::default(),
        probability: 1.0,
        times: None,
        scope: Scope::Link,
        armed: true,
        fault: Arc::new(fault),
    }
}

#[test]
fn without_an_active_fault_no_octet_differs() {
    let folder = tempfile::tempdir().expect("a folder");
    let long = std::env::var_os("SOUNDCHECK_EXCHANGES").is_some();
    // A million exchanges would leave a file of a gigabyte: made, and thrown away.
    let events = if long { "/dev/null".into() } else { folder.path().join("events.jsonl") };
    let log = wire::log(&events);
    let setting = Setting { log: Some(log.clone()), trace: true, armed: Armed::default(), respelt: false };
    let tally = play(wire::number("SOUNDCHECK_SEED", 1), wire::number("SOUNDCHECK_EXCHANGES", 2000), &setting);
    let features = tally.features.lock().expect("no panic").clone();
    println!("{features:#?}");
    none_differs(&tally);
    let (exchanges, dropped) = (tally.exchanges.load(Ordering::Relaxed), log.dropped());
    println!("{dropped} of the events of {exchanges} exchanges were dropped");
    if exchanges >= 2000 {
        assert!(features.len() >= 27, "something was never tried: {features:#?}");
    }
}

/// A rule that fits everything, is asked about everything, and has nothing to do.
#[derive(Debug)]
struct Idle;

impl Fault for Idle {}

#[test]
fn rules_that_do_not_fire_change_no_octet() {
    let mut never = rule("never", Slices);
    never.probability = 0.0;
    let mut elsewhere = rule("elsewhere", Slices);
    elsewhere.when.path = Some("/no/such/path".to_owned());
    let mut later = rule("later", Slices);
    later.when.after = Some(Duration::from_secs(3600));
    let armed = Armed { rules: vec![rule("idle", Idle), never, elsewhere, later], seed: 1, journey: String::new() };
    none_differs(&play(100_000, 600, &Setting { log: None, trace: false, armed, respelt: false }));
}

/// Bodies in small pieces with small pauses: a fault of time, which must change no octet.
#[derive(Debug)]
struct Slices;

impl Fault for Slices {
    fn request(&self, _: &Request, _: &Draw) -> Vec<Step> {
        vec![at(Point::Request, Action::Wait(Duration::from_millis(2)))]
    }
    fn response(&self, _: &Request, _: &Response, draw: &Draw) -> Vec<Step> {
        let bytes = 20_000 + draw.bits(1) % 50_000;
        let pause = Action::Pace { bytes, variation: bytes / 2, every: Duration::from_micros(200) };
        vec![at(Point::Body(draw.bits(2) % 3000), pause), at(Point::End, Action::Wait(Duration::from_millis(1)))]
    }
}

/// A link of its own.
#[derive(Debug)]
struct Link(Part);

impl Fault for Link {
    fn link(&self) -> Option<Part> {
        Some(self.0.clone())
    }
}

#[test]
fn a_slow_link_changes_no_octet() {
    let rate = Some(800e6);
    let spread = soundcheck::fault::link::Spread::Uniform;
    let (rtt, jitter) = (Duration::from_millis(4), Duration::from_millis(2));
    let rules = vec![
        rule("rate", Link(Part::Bandwidth { down: rate, up: rate, queue: 64 << 10 })),
        rule("delay", Link(Part::Latency { rtt, jitter, spread, correlation: 0.0 })),
    ];
    let armed = Armed { rules, seed: 1, journey: String::new() };
    none_differs(&play(200_000, 400, &Setting { log: None, trace: true, armed, respelt: false }));
}

/// Where a body is held up, chunks are cut anew; what is in them stays.
#[test]
fn pauses_within_bodies_change_no_octet_of_them() {
    let armed = Armed { rules: vec![rule("slices", Slices)], seed: 1, journey: String::new() };
    none_differs(&play(300_000, 400, &Setting { log: None, trace: true, armed, respelt: true }));
}

#[test]
fn https_that_is_looked_into_changes_no_octet() {
    let runtime = wire::runtime();
    let (mut origin, mut count, mut wrong) = (Origin::start(), 0, Vec::new());
    let (port, certificate) = wire::tls::before_origin(&runtime, origin.port);
    let intercept = Intercept::new(&["127.0.0.1".to_owned()]).expect("a host");
    let intercept = intercept.with_roots(&[certificate]).expect("a root");
    let trusted = intercept.certificate();
    let config = Config { intercept: Some(intercept), ..wire::config(Route::Forward, None) };
    let proxy = wire::start(&runtime, config);
    let client = wire::tls::before_proxy(&runtime, proxy.address(), &trusted);
    origin.port = port;
    for seed in 400_000.. {
        let talk = conversation_by(Some(Via::Connect), seed, port);
        // In a hurry, what is meant to go within TLS would come before it.
        if talk.hasty {
            continue;
        }
        if let Err(e) = origin.play(client, &talk) {
            wrong.push(format!("seed {seed}, {:?}: {e}", talk.end));
        }
        count += talk.exchanges.len();
        if count > 300 || wrong.len() >= 3 {
            break;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(proxy.tunnelled().is_empty(), "nothing was looked into");
}

/// Passes everything on, but for one bit of what the server sends, or of what the client sends.
fn spoiling(origin: u16, upwards: bool) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", origin)) else { return };
            let (one, two) = (client.try_clone().expect("a handle"), server.try_clone().expect("a handle"));
            std::thread::spawn(move || pass_spoilt(one, two, upwards));
            std::thread::spawn(move || pass_spoilt(server, client, !upwards));
        }
    });
    address
}

fn pass_spoilt(mut from: TcpStream, mut to: TcpStream, spoil: bool) {
    let (mut buffer, mut first) = (vec![0; 4096], spoil);
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        // The last octet of the first piece: of a field, of a line's end, or of a body.
        if std::mem::take(&mut first) {
            buffer[n - 1] ^= 1;
        }
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn a_proxy_that_spoils_one_bit_is_found_out() {
    let mut tried = 0;
    for seed in 0..40 {
        for upwards in [true, false] {
            let origin = Origin::start();
            let mut talk = conversation(seed, origin.port);
            talk.patience = Duration::from_millis(200);
            let ends = matches!(talk.end, End::Client | End::Server);
            if talk.via != Via::Reverse || !ends || talk.exchanges.iter().any(|e| e.authority > 0) {
                continue;
            }
            let found = origin.play(spoiling(origin.port, upwards), &talk);
            assert!(found.is_err(), "seed {seed}, upwards {upwards}: nobody noticed");
            tried += 1;
        }
    }
    assert!(tried > 10, "only {tried} conversations were spoilt");
}
