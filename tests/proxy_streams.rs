//! Many streams at once cost little memory, whatever holds them up; a storm of requests is told, capped, and costs none.
//! `SOUNDCHECK_STREAMS=1000` in `ci/verify streams`.

mod wire;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::program::Program;
use wire::serve::Origin;

const MIB: u64 = 1 << 20;
/// What the proxy may take: so much, and so much for each stream.
const BASE: u64 = if cfg!(debug_assertions) { 12 * MIB } else { 32 * MIB };
const EACH: u64 = 96 << 10;

const THROTTLED: &str = r#"
question = "?"
[[fault]]
do = "bandwidth"
down = "40 Mbit/s"
up = "40 Mbit/s"
[[expect]]
outcome = "either"
"#;
const STALLED: &str = r#"
question = "?"
[[fault]]
do = "stall"
at = "100 kB"
[[expect]]
outcome = "either"
"#;
const CLEAN: &str = "question = \"?\"\n";

/// What a client does with its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    /// Takes whatever comes.
    Reads,
    /// Asks and takes nothing.
    Sleeps,
    /// Sends without end.
    Sends,
    /// Asks for a little, then keeps the connection.
    Keeps,
}

async fn stream(to: std::net::SocketAddr, client: Client) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(to).await?;
    let head = match client {
        Client::Reads | Client::Sleeps => "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n",
        Client::Sends => "PUT /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000000\r\n\r\n",
        Client::Keeps => "GET /octets/2000 HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    stream.write_all(head.as_bytes()).await?;
    let mut buffer = vec![0; 16 << 10];
    loop {
        match client {
            Client::Reads | Client::Keeps if stream.read(&mut buffer).await? == 0 => return Ok(()),
            Client::Reads | Client::Keeps => {}
            Client::Sends => stream.write_all(&buffer).await?,
            Client::Sleeps => std::future::pending().await,
        }
    }
}

#[test]
fn many_streams_take_little_memory_whatever_holds_them_up() {
    let count = wire::number("SOUNDCHECK_STREAMS", 60);
    let lasts = Duration::from_millis(if count >= 1000 { 8000 } else { 800 });
    let origin = Origin::start();
    let runtime = wire::runtime();
    let mut wrong = Vec::new();
    for (name, profile, client) in [
        ("throttled", THROTTLED, Client::Reads),
        ("stalled", STALLED, Client::Reads),
        ("not read", CLEAN, Client::Sleeps),
        ("throttled, not read", THROTTLED, Client::Sleeps),
        ("uploads, throttled", THROTTLED, Client::Sends),
        ("kept and idle", CLEAN, Client::Keeps),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let program = Program::start(folder.path(), profile, origin.port);
        let before = program.memory();
        let streams: Vec<_> = (0..count).map(|_| runtime.spawn(stream(program.address, client))).collect();
        let (begun, mut most) = (Instant::now(), 0);
        while begun.elapsed() < lasts {
            std::thread::sleep(Duration::from_millis(50));
            most = most.max(program.memory());
        }
        let ended = streams.iter().filter(|s| s.is_finished()).count();
        streams.iter().for_each(|s| s.abort());
        let (_, peak) = program.resident();
        let allowed = BASE + EACH * count;
        let mib = |octets: u64| octets as f64 / MIB as f64;
        println!(
            "{name}: {count} streams, {:.1} MiB before, {:.1} MiB at most ({:.0} KiB each), peak resident {:.1} MiB, \
             allowed {:.1} MiB",
            mib(before),
            mib(most),
            most.saturating_sub(before) as f64 / 1024.0 / count as f64,
            mib(peak),
            mib(allowed),
        );
        if most > allowed || ended > 0 {
            wrong.push(format!("{name}: {most} octets of {allowed}, {ended} of {count} streams ended"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Memory of this process, resident, octets.
fn own_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Firefox asks for an empty 206 again at once, 335 times a second.
#[test]
fn a_storm_of_requests_is_told_once_and_held_to_its_cap() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = folder.path().join("events.jsonl");
    let (runtime, origin, log) = (wire::runtime(), Origin::start(), wire::log(&events));
    let storm = Some(soundcheck::proxy::STORM);
    let proxy = wire::start(
        &runtime,
        soundcheck::proxy::Config { storm, ..wire::config(wire::to(origin.port), Some(log.clone())) },
    );
    let lasts = Duration::from_secs(if wire::number("SOUNDCHECK_STREAMS", 60) >= 1000 { 30 } else { 3 });
    let to = proxy.address();
    let begun = Instant::now();
    let clients: Vec<_> = (0..8)
        .map(|_| {
            runtime.spawn(async move {
                let mut stream = TcpStream::connect(to).await?;
                let mut buffer = vec![0; 4096];
                while begun.elapsed() < lasts {
                    stream.write_all(b"GET /empty HTTP/1.1\r\nHost: a\r\nRange: bytes=0-\r\n\r\n").await?;
                    if stream.read(&mut buffer).await? == 0 {
                        break;
                    }
                }
                Ok::<_, std::io::Error>(())
            })
        })
        .collect();
    std::thread::sleep(Duration::from_secs(1));
    let settled = own_memory();
    let first = origin.asked.load(Ordering::Relaxed);
    std::thread::sleep(lasts.saturating_sub(begun.elapsed()));
    let (seconds, asked) = (begun.elapsed().as_secs_f64() - 1.0, origin.asked.load(Ordering::Relaxed) - first);
    let grown = own_memory().saturating_sub(settled);
    for client in clients {
        runtime.block_on(client).expect("no panic").expect("every request gets its answer, later than it likes");
    }
    log.sync().expect("written");
    let told: Vec<_> = soundcheck::event::read(&events).expect("events").map(|e| e.expect("an event")).collect();
    let storms = told.iter().filter(|e| e.event == "request_storm").count();
    let rate = asked as f64 / seconds;
    println!("{rate:.0} requests/s of a storm passed, {storms} told, memory grew by {} KiB", grown >> 10);
    assert_eq!(storms, 1);
    assert!(rate <= f64::from(soundcheck::proxy::STORM) * 1.1, "{rate:.0} requests a second passed");
    assert!(rate >= f64::from(soundcheck::proxy::STORM) * 0.5, "{rate:.0} requests a second: it is stopped, not held");
    assert!(grown < 2 * MIB, "memory grew by {grown} octets");
    assert_eq!(log.dropped(), 0);
}
