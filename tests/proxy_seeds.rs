//! The same seed makes the same decisions, in whatever order requests come: eight connections ask at once, faults fire
//! by chance, and what was done where is the same the second time. `SOUNDCHECK_SEEDS=1000` in `ci/verify seeds`.

mod wire;

use soundcheck::event::{self, Log};
use soundcheck::fault::rule::{Part, Rule, Scope, When};
use soundcheck::fault::seed::Draw;
use soundcheck::fault::{Action, Answer, Cut, Edit, Fault, Leg, Mangle, Point, Request, Response, Step, at};
use soundcheck::proxy::{Armed, Proxy};
use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use wire::Rng;
use wire::net::{self, Reader};

const CONNECTIONS: u64 = 8;
const REQUESTS: usize = 8;
const SIZE: u64 = 20_000;

/// Cuts a body at an octet drawn.
#[derive(Debug)]
struct CutSomewhere;

impl Fault for CutSomewhere {
    fn response(&self, _: &Request, _: &Response, draw: &Draw) -> Vec<Step> {
        vec![at(Point::Body(draw.bits(1) % SIZE), Action::Cut(Cut::Fin))]
    }
}

/// Spoils a run of octets drawn.
#[derive(Debug)]
struct Spoil;

impl Fault for Spoil {
    fn response(&self, _: &Request, _: &Response, draw: &Draw) -> Vec<Step> {
        let from = draw.bits(1) % (SIZE / 2);
        vec![at(Point::Body(from), Action::Mangle { to: from + 100, how: Mangle::Random, first: 0 })]
    }
}

/// Answers in the server's place.
#[derive(Debug)]
struct Busy;

impl Fault for Busy {
    fn request(&self, _: &Request, _: &Draw) -> Vec<Step> {
        let answer = Answer { status: 503, fields: Vec::new(), body: b"busy".to_vec() };
        vec![at(Point::Request, Action::Answer(answer))]
    }
}

/// A field more, of a number drawn.
#[derive(Debug)]
struct Mark;

impl Fault for Mark {
    fn response(&self, _: &Request, _: &Response, draw: &Draw) -> Vec<Step> {
        vec![at(Point::Head, Action::Edit(Edit::Add("X-Mark".to_owned(), draw.bits(1).to_string())))]
    }
}

fn armed(seed: u64) -> Armed {
    let rule = |id: &str, probability, times, when, fault: Arc<dyn Fault>| Rule {
        id: id.to_owned(),
        kind: "test",
        leg: Leg::Browser,
        when,
        probability,
        times,
        scope: Scope::Link,
        armed: true,
        fault,
    };
    // `times` counts by URL whatever part is asked for: the first takes it. So it is for files of one connection alone.
    let own = When { path: Some("*/own/*".to_owned()), ..When::default() };
    let later = When { range: Some(Part::Later), ..own.clone() };
    Armed {
        rules: vec![
            rule("busy", 0.2, Some(1), own, Arc::new(Busy)),
            rule("busy-too", 0.1, None, When::default(), Arc::new(Busy)),
            rule("cut", 0.2, None, When::default(), Arc::new(CutSomewhere)),
            rule("spoil", 0.5, Some(2), later, Arc::new(Spoil)),
            rule("mark", 0.5, None, When::default(), Arc::new(Mark)),
        ],
        seed,
        journey: "seeds".to_owned(),
    }
}

/// One connection's requests: files of its own and files all ask for, whole and in ranges; anew after each cut.
fn ask(proxy: SocketAddr, port: u16, connection: u64, bodies: &mut Vec<String>) -> Result<(), String> {
    // What is asked for does not depend on the seed under test, when it is asked for does.
    let mut rng = Rng::new(connection);
    let mut open = None;
    for n in 0..REQUESTS {
        let (path, range) = match rng.below(4) {
            // All ask for these at once, whole and from different octets.
            0 => {
                (format!("/octets/{SIZE}/shared/{}", rng.below(3)), Some(rng.below(3) * 5000).filter(|from| *from > 0))
            }
            1 => (format!("/octets/{SIZE}/own/{connection}/{n}"), None),
            _ => (format!("/octets/{SIZE}/own/{connection}/{}", n / 2), Some(rng.below(SIZE as usize / 2))),
        };
        let (stream, mut reader) = match open.take() {
            Some(open) => open,
            None => {
                let stream = net::connect(proxy, net::PATIENCE)?;
                let reader = Reader::new(&stream);
                (stream, reader)
            }
        };
        let range = range.map_or(String::new(), |from| format!("Range: bytes={from}-\r\n"));
        let head = format!("GET http://127.0.0.1:{port}{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{range}\r\n");
        net::put(&stream, head.as_bytes())?;
        let head = String::from_utf8_lossy(&reader.head()?.ok_or("no answer")?).into_owned();
        let length = wire::serve::field(&head, "content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
        let body = reader.some(length)?;
        let mark = wire::serve::field(&head, "x-mark").unwrap_or_default();
        bodies.push(format!("{path} {range} {} {mark} {} {:08x}", &head[9..12], body.len(), crc32c::crc32c(&body)));
        open = (body.len() == length).then_some((stream, reader));
    }
    Ok(())
}

/// Everything done under a seed: what events say was done, and what the clients got; each with how often.
type Trace = BTreeMap<String, u32>;

fn trace(proxy: &Proxy, port: u16, seed: u64, log: &Log, events: &Path, from: &mut u64) -> Trace {
    proxy.arm(armed(seed));
    let got: Vec<Vec<String>> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..CONNECTIONS)
            .map(|connection| {
                let to = proxy.address();
                scope.spawn(move || {
                    let mut bodies = Vec::new();
                    ask(to, port, connection, &mut bodies).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                    bodies
                })
            })
            .collect();
        asking.into_iter().map(|a| a.join().expect("no panic")).collect()
    });
    log.sync().expect("written");
    let mut file = std::fs::File::open(events).expect("events");
    file.seek(SeekFrom::Start(*from)).expect("seeks");
    let mut text = String::new();
    *from += file.read_to_string(&mut text).expect("reads") as u64;
    let mut trace = Trace::new();
    for event in text.lines().map(|l| event::Event::read(l).expect("an event")) {
        if event.event != "fault_applied" {
            continue;
        }
        // The numbers of requests and connections are the order's; everything else is the decision's.
        let field = |name: &str| event.fields.get(name).map(ToString::to_string).unwrap_or_default();
        let key = ["fault", "method", "path", "at", "offset", "action"].map(field).join(" ");
        *trace.entry(key).or_default() += 1;
    }
    for body in got.into_iter().flatten() {
        *trace.entry(body).or_default() += 1;
    }
    trace
}

#[test]
fn the_same_seed_decides_the_same_whatever_order_requests_come_in() {
    let seeds = wire::number("SOUNDCHECK_SEEDS", 40);
    let folder = tempfile::tempdir().expect("a folder");
    let events = folder.path().join("events.jsonl");
    let (runtime, origin, log) = (wire::runtime(), wire::serve::Origin::start(), wire::log(&events));
    let proxy = wire::proxy(&runtime, soundcheck::proxy::Route::Forward, Some(log.clone()));
    let (mut from, mut fired, mut all) = (0, 0, HashSet::new());
    let mut differing = Vec::new();
    for seed in 0..seeds {
        let mut one = || trace(&proxy, origin.port, seed, &log, &events, &mut from);
        let (first, second) = (one(), one());
        fired += first.iter().filter(|(key, _)| key.starts_with('"')).map(|(_, n)| n).sum::<u32>();
        if first != second {
            let only = |a: &Trace, b: &Trace| -> Vec<String> {
                a.iter().filter(|(k, n)| b.get(*k) != Some(n)).map(|(k, n)| format!("{n} x {k}")).collect()
            };
            differing.push(format!("seed {seed}:\n  {:?}\n  {:?}", only(&first, &second), only(&second, &first)));
        }
        all.insert(first.into_iter().collect::<Vec<_>>());
        if seed % 100 == 99 {
            println!("{} seeds twice, {} differ, {fired} firings", seed + 1, differing.len());
        }
    }
    println!("{seeds} seeds twice, {} differ, {} traces, {fired} firings", differing.len(), all.len());
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert_eq!(all.len() as u64, seeds, "different seeds, different traces");
    assert!(fired as u64 > seeds * 10, "only {fired} firings: nothing was tried");
    assert_eq!(log.dropped(), 0);
}
