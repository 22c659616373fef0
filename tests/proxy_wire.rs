//! What clients and servers may not send, sent through a running proxy: it neither falls over nor hangs, no request is
//! smuggled past it, and what one exchange leaves behind is never taken for the next one's. Each case has a time limit.

mod wire;

use soundcheck::proxy::{Proxy, Route};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use wire::Rng;
use wire::net::{self, Reader};

/// What no case may take, and what a quick machine would not need a hundredth of.
const LIMIT: Duration = Duration::from_secs(8);
/// What marks octets that must not be taken for anything else.
const EVIL: &str = "EVIL";

/// An origin that keeps all that came and answers every connection with the same octets, once its first head has come.
struct Origin {
    port: u16,
    came: Arc<Mutex<Vec<u8>>>,
    connections: Arc<AtomicU64>,
}

/// What the origin does after its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// FIN.
    Close,
    /// RST.
    Reset,
    /// It waits for the next request and answers it properly.
    Stay,
}

const PROPER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nproper";

impl Origin {
    /// Answers the first request with these octets.
    fn start(octets: Vec<u8>, then: Then) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let came = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicU64::new(0));
        let (all, count) = (came.clone(), connections.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let first = count.fetch_add(1, Ordering::SeqCst) == 0;
                let (octets, all) = (octets.clone(), all.clone());
                // Wrong only once: whatever comes later asks whether all is well again.
                let (octets, then) = if first { (octets, then) } else { (PROPER.to_vec(), Then::Stay) };
                std::thread::spawn(move || serve(stream, &octets, then, &all));
            }
        });
        Self { port, came, connections }
    }

    fn came(&self) -> Vec<u8> {
        self.came.lock().expect("no panic").clone()
    }
}

fn serve(stream: TcpStream, octets: &[u8], then: Then, all: &Mutex<Vec<u8>>) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(net::PATIENCE));
    let mut reader = Reader::new(&stream);
    let mut answer = octets;
    while let Ok(Some(head)) = reader.head() {
        all.lock().expect("no panic").extend_from_slice(&head);
        // In parts: what is wrong must be seen wherever it is torn.
        for part in answer.chunks(answer.len().div_ceil(3).max(1)) {
            if net::put(&stream, part).is_err() {
                return;
            }
        }
        match then {
            Then::Reset => return net::reset(stream),
            Then::Close => {
                let _ = stream.shutdown(Shutdown::Write);
                let (rest, _) = reader.rest(1 << 20);
                all.lock().expect("no panic").extend_from_slice(&rest);
                return;
            }
            Then::Stay => answer = PROPER,
        }
    }
    let (rest, _) = reader.rest(1 << 20);
    all.lock().expect("no panic").extend_from_slice(&rest);
}

fn reverse(runtime: &tokio::runtime::Runtime, origin: &Origin) -> Proxy {
    wire::proxy(runtime, wire::to(origin.port), None)
}

/// Sends octets, then everything that comes within the limit.
fn exchange(proxy: SocketAddr, octets: &[u8], close: bool) -> Result<Vec<u8>, String> {
    let stream = net::connect(proxy, net::PATIENCE)?;
    stream.set_read_timeout(Some(LIMIT)).map_err(|e| e.to_string())?;
    // The proxy may have refused before all was sent.
    let _ = net::put(&stream, octets);
    if close {
        net::finish(&stream);
    }
    let (came, end) = Reader::new(&stream).rest(1 << 22);
    match end {
        Err(e) if e.contains("nothing came") => Err(format!("no end after {:?}", String::from_utf8_lossy(&came))),
        _ => Ok(came),
    }
}

/// Whether the proxy still serves, whatever happened before.
fn still_serves(proxy: SocketAddr) {
    let request = b"GET /still HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let stream = net::connect(proxy, net::PATIENCE).expect("the proxy still listens");
    net::put(&stream, request).expect("sends");
    let head = Reader::new(&stream).head().expect("an answer").expect("a head");
    assert!(head.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&head));
}

/// Requests that two readers could take differently, or that are none. Whatever follows is marked.
fn refused() -> Vec<(&'static str, Vec<u8>)> {
    let evil = "GET /EVIL HTTP/1.1\r\nHost: a\r\n\r\n";
    let post = |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}").into_bytes();
    let mut all: Vec<(&'static str, Vec<u8>)> = vec![
        ("length and chunks", post("Content-Length: 5\r\nTransfer-Encoding: chunked", &format!("0\r\n\r\n{evil}"))),
        ("chunks and length", post("Transfer-Encoding: chunked\r\nContent-Length: 5", &format!("0\r\n\r\n{evil}"))),
        ("two lengths", post("Content-Length: 0\r\nContent-Length: 36", evil)),
        ("two lengths in one", post("Content-Length: 0, 36", evil)),
        ("a length with a sign", post("Content-Length: +36", evil)),
        ("a negative length", post("Content-Length: -1", evil)),
        ("a length in hex", post("Content-Length: 0x24", evil)),
        ("a length of spaces", post("Content-Length:  ", evil)),
        ("a length and rubbish", post("Content-Length: 3 6", evil)),
        ("a length past 64 bits", post("Content-Length: 18446744073709551652", evil)),
        ("a space before the colon", post("Transfer-Encoding : chunked", &format!("0\r\n\r\n{evil}"))),
        ("a tab before the colon", post("Transfer-Encoding\t: chunked", &format!("0\r\n\r\n{evil}"))),
        ("another coding last", post("Transfer-Encoding: chunked, identity", &format!("0\r\n\r\n{evil}"))),
        ("an unknown coding", post("Transfer-Encoding: xchunked", &format!("0\r\n\r\n{evil}"))),
        (
            "chunked twice",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", &format!("0\r\n\r\n{evil}")),
        ),
        (
            "chunked and another",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", &format!("0\r\n\r\n{evil}")),
        ),
        ("a coding in quotes", post("Transfer-Encoding: \"chunked\"", &format!("0\r\n\r\n{evil}"))),
        ("a vertical tab", post("Transfer-Encoding:\x0bchunked", &format!("0\r\n\r\n{evil}"))),
        ("a folded coding", post("Transfer-Encoding:\r\n chunked", &format!("0\r\n\r\n{evil}"))),
        ("a folded first field", post(" X: y", "")),
        ("NUL in a name", post("Trans\0fer-Encoding: chunked", "")),
        ("NUL in a value", post("X: a\0b", "")),
        ("a field without a colon", post("Transfer-Encoding chunked", "")),
        ("a field without a name", post(": x", "")),
        ("a CR in a value", post("X: a\rTransfer-Encoding: chunked", "")),
        ("LF alone", format!("POST / HTTP/1.1\nHost: a\nContent-Length: 36\n\n{evil}").into_bytes()),
        ("LF alone, once", post("X: y\nTransfer-Encoding: chunked", &format!("0\r\n\r\n{evil}"))),
        ("two spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("a tab in the request line", b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("no version", b"GET /\r\nHost: a\r\n\r\n".to_vec()),
        ("HTTP/0.9", b"GET /\r\n\r\n".to_vec()),
        ("HTTP/2.0", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_vec()),
        ("HTTP/1.10", b"GET / HTTP/1.10\r\nHost: a\r\n\r\n".to_vec()),
        ("http/1.1", b"GET / http/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("no target", b"GET HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("a space in the target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("a method that is no token", b"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("a response", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        ("no text at all", [&[0xff; 300][..], b"\r\n\r\n"].concat()),
        ("a head too long", post(&format!("X: {}", "x".repeat(300 * 1024)), "")),
        ("too many fields", post(&"X: y\r\n".repeat(400), "")),
    ];
    // What is wrong within the body shows when the head has left: then the connection ends, and what follows is lost.
    for (name, body) in CHUNKS {
        all.push((name, post("Transfer-Encoding: chunked", &format!("{body}{evil}"))));
    }
    all
}

const CHUNKS: [(&str, &str); 16] = [
    ("a chunk size with a sign", "+5\r\nhello\r\n0\r\n\r\n"),
    ("a chunk size in C's way", "0x5\r\nhello\r\n0\r\n\r\n"),
    ("a chunk size past 64 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("a chunk size after a space", " 5\r\nhello\r\n0\r\n\r\n"),
    ("no chunk size", "\r\nhello\r\n0\r\n\r\n"),
    ("an extension alone", ";a=b\r\nhello\r\n0\r\n\r\n"),
    ("a chunk size that ends in LF", "5\nhello\r\n0\r\n\r\n"),
    ("a chunk size that ends in CR", "5\rhello\r\n0\r\n\r\n"),
    ("a chunk longer than its size", "3\r\nhello\r\n0\r\n\r\n"),
    ("a chunk that ends in LF", "5\r\nhello\n0\r\n\r\n"),
    ("LF in an extension", "5;a\n\r\nhello\r\n0\r\n\r\n"),
    ("CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
    ("an extension without an end", "5;a=\0\r\nhello\r\n0\r\n\r\n"),
    ("a trailer without a colon", "0\r\nGET /x HTTP/1.1\r\n\r\n"),
    ("a folded trailer", "0\r\nX: y\r\n z\r\n\r\n"),
    ("a trailer that ends in LF", "0\r\nX: y\n\r\n"),
];

#[test]
fn what_two_servers_could_read_differently_goes_to_none() {
    let runtime = wire::runtime();
    let origin = Origin::start(PROPER.to_vec(), Then::Stay);
    let proxy = reverse(&runtime, &origin);
    still_serves(proxy.address());
    let mut wrong = Vec::new();
    for (name, octets) in refused() {
        origin.came.lock().expect("no panic").clear();
        let begun = Instant::now();
        let came = exchange(proxy.address(), &octets, false);
        // What the origin reads, it reads a moment later.
        std::thread::sleep(Duration::from_millis(10));
        let seen = String::from_utf8_lossy(&origin.came()).into_owned();
        let in_body = CHUNKS.iter().any(|(chunk, _)| *chunk == name);
        let answer = came.as_ref().map(|c| String::from_utf8_lossy(c).into_owned());
        let refusals = answer.as_ref().map(|a| a.matches("HTTP/1.1 ").count());
        let good = match &answer {
            Ok(text) if in_body => !text.contains(" 200 ") && !seen.contains(EVIL),
            Ok(text) => {
                let said = text.is_empty() || text.starts_with("HTTP/1.1 400") || text.starts_with("HTTP/1.1 431");
                said && seen.is_empty() && refusals.is_ok_and(|n| n <= 1)
            }
            Err(_) => false,
        };
        if !good {
            wrong.push(format!("{name}: {answer:?} after {:?}, and the origin saw {seen:?}", begun.elapsed()));
        }
    }
    still_serves(proxy.address());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_odd_but_has_one_reading_is_taken() {
    let runtime = wire::runtime();
    let origin = Origin::start(PROPER.to_vec(), Then::Stay);
    let proxy = reverse(&runtime, &origin);
    still_serves(proxy.address());
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "x".repeat(60_000));
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHOST:a\r\nX:\r\nX: \t\r\nCONNECTION: cLoSe\r\n\r\n",
        "DELETE /%00 HTTP/1.1\r\nHost: a\r\nContent-Length: 000\r\nConnection: close\r\n\r\n",
        &long,
    ] {
        let mut came = Vec::new();
        let stream = net::connect(proxy.address(), net::PATIENCE).expect("connects");
        // Octet by octet at the front.
        for octet in &request.as_bytes()[..40.min(request.len())] {
            net::put(&stream, &[*octet]).expect("sends");
        }
        net::put(&stream, &request.as_bytes()[40.min(request.len())..]).expect("sends");
        let mut reader = Reader::new(&stream);
        came.extend(reader.head().expect("an answer").expect("a head"));
        came.extend(reader.some(6).expect("a body"));
        assert_eq!(String::from_utf8_lossy(&came), String::from_utf8_lossy(PROPER), "{:.80}", request);
    }
}

/// What a server may not send, or may and rarely does. What follows the response, if anything does, is marked.
fn answers() -> Vec<(&'static str, Vec<u8>)> {
    let ok = |fields: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}").into_bytes();
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";
    let mut all = vec![
        ("nothing", Vec::new()),
        ("garbage", vec![0xfe; 5000]),
        ("HTTP/0.9", b"<html>hello</html>".to_vec()),
        ("an empty line first", [b"\r\n".as_slice(), &ok("Content-Length: 0", "")].concat()),
        ("half a status line", b"HTTP/1.1 2".to_vec()),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()),
        ("a status of two digits", b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("a status of four digits", b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("a status of letters", b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("a status of 000", b"HTTP/1.1 000 \r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("HTTP/1.2", b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("HTTP/3", b"HTTP/3 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("ICY", b"ICY 200 OK\r\nicy-metaint: 8192\r\n\r\nsound".to_vec()),
        ("LF alone", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello".to_vec()),
        ("a folded field", ok("X: a\r\n b\r\nContent-Length: 5", "hello")),
        ("NUL in a value", ok("X: a\0b\r\nContent-Length: 5", "hello")),
        ("two lengths", ok("Content-Length: 5\r\nContent-Length: 6", "hello!")),
        ("a negative length", ok("Content-Length: -5", "hello")),
        ("a length past 64 bits", ok("Content-Length: 99999999999999999999", "hello")),
        ("a length of nothing", ok("Content-Length:", "hello")),
        ("length and chunks", ok("Content-Length: 5\r\nTransfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")),
        ("another coding", ok("Transfer-Encoding: gzip", "hello")),
        ("an unknown coding last", ok("Transfer-Encoding: chunked, x", "5\r\nhello\r\n0\r\n\r\n")),
        ("a shorter body", ok("Content-Length: 50", "hello")),
        ("a longer body", ok("Content-Length: 5", &format!("hello{evil}"))),
        ("an empty line after a body", ok("Content-Length: 5", "hello\r\n")),
        ("two responses", ok("Content-Length: 5", &format!("hello{evil}{evil}"))),
        ("a body after 204", format!("HTTP/1.1 204 No Content\r\n\r\n{evil}").into_bytes()),
        ("a body after 304", format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nEVIL{evil}").into_bytes()),
        ("chunks that never end", ok("Transfer-Encoding: chunked", "5\r\nhello\r\n")),
        ("a chunk that ends early", ok("Transfer-Encoding: chunked", "50\r\nhello")),
        ("octets after the last chunk", ok("Transfer-Encoding: chunked", &format!("5\r\nhello\r\n0\r\n\r\n{evil}"))),
        (
            "a switch nobody asked for",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nEVIL".to_vec(),
        ),
        ("a thousand times 103", "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n".repeat(1000).into_bytes()),
        ("a head too long", ok(&format!("X: {}", "x".repeat(300 * 1024)), "hello")),
        ("too many fields", ok(&"X: y\r\n".repeat(400), "hello")),
        ("a head without an end", format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(100_000)).into_bytes()),
        ("an endless extension", ok("Transfer-Encoding: chunked", &format!("5;{}", "x".repeat(1 << 20)))),
        ("endless trailers", ok("Transfer-Encoding: chunked", &format!("0\r\n{}", "x: y\r\n".repeat(200_000)))),
    ];
    for (name, body) in CHUNKS {
        all.push((name, ok("Transfer-Encoding: chunked", &format!("{body}EVIL"))));
    }
    all
}

/// Those that a client takes for whole: it asks again on the same connection, and waits for an answer or an end.
const WHOLE: [&str; 6] = [
    "an empty line after a body",
    "a longer body",
    "two responses",
    "a body after 204",
    "a body after 304",
    "octets after the last chunk",
];

/// Asks once, then once more on the same connection if it is still open: what came for each. A client that never got a
/// whole answer leaves then.
fn twice(proxy: SocketAddr, whole: bool) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
    let stream = net::connect(proxy, net::PATIENCE)?;
    net::put(&stream, b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n")?;
    stream.set_read_timeout(Some(Duration::from_millis(300))).map_err(|e| e.to_string())?;
    let (first, end) = Reader::new(&stream).rest(1 << 23);
    if !end.is_err_and(|e| e.contains("nothing came")) {
        return Ok((first, None));
    }
    // Still open: the next request gets its own answer, or none.
    stream.set_read_timeout(Some(LIMIT)).map_err(|e| e.to_string())?;
    let _ = net::put(&stream, b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    if !whole {
        net::finish(&stream);
    }
    let (second, end) = Reader::new(&stream).rest(PROPER.len());
    match end {
        Err(e) if e.contains("nothing came") => Err(format!("no end after {:?}", String::from_utf8_lossy(&second))),
        _ => Ok((first, Some(second))),
    }
}

#[test]
fn what_a_server_may_not_send_hangs_nobody_and_answers_no_other_request() {
    let runtime = wire::runtime();
    let mut wrong = Vec::new();
    let each =
        |(name, octets): (_, Vec<u8>)| [Then::Close, Then::Reset, Then::Stay].map(|then| (name, octets.clone(), then));
    let cases: Vec<(&str, Vec<u8>, Then)> = answers().into_iter().flat_map(each).collect();
    let cases = Mutex::new(cases.into_iter());
    // Several at once: most of a case is waiting.
    std::thread::scope(|scope| {
        let working: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let mut wrong = Vec::new();
                    loop {
                        let case = cases.lock().expect("no panic").next();
                        let Some((name, octets, then)) = case else { return wrong };
                        if let Err(e) = one_answer(&runtime, &octets, then, WHOLE.contains(&name)) {
                            wrong.push(format!("{name}, {then:?}: {e}"));
                        }
                    }
                })
            })
            .collect();
        working.into_iter().for_each(|w| wrong.extend(w.join().expect("no panic")));
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn one_answer(runtime: &tokio::runtime::Runtime, octets: &[u8], then: Then, whole: bool) -> Result<(), String> {
    let origin = Origin::start(octets.to_vec(), then);
    let proxy = reverse(runtime, &origin);
    let begun = Instant::now();
    let (first, second) = twice(proxy.address(), whole)?;
    if begun.elapsed() > LIMIT {
        return Err(format!("took {:?}", begun.elapsed()));
    }
    let shown = |octets: &[u8]| String::from_utf8_lossy(&octets[..octets.len().min(200)]).into_owned();
    // Transparent: what came is what was sent, from its beginning; or the proxy says that the server failed.
    let says = first.starts_with(b"HTTP/1.1 502") || first.is_empty();
    if !says && !octets.starts_with(&first) {
        return Err(format!("{:?} for {:?}", shown(&first), shown(octets)));
    }
    if then == Then::Close && !octets.is_empty() && first.is_empty() {
        return Err("nothing of it was passed on".to_owned());
    }
    // An empty line before a head is passed over by whoever reads it.
    let second = second.map(|s| s.strip_prefix(b"\r\n").map_or(s.clone(), <[u8]>::to_vec));
    match second {
        Some(second) if !second.is_empty() && !PROPER.starts_with(&second) && !octets.ends_with(&second) => {
            Err(format!("the second request got {:?}", shown(&second)))
        }
        // What was left over from the first answer.
        Some(second) if second.windows(4).any(|w| w == EVIL.as_bytes()) && second.starts_with(b"HTTP/1.1 200") => {
            Err(format!("the second request got the first one's: {:?}", shown(&second)))
        }
        _ => Ok(()),
    }?;
    still_serves(proxy.address());
    Ok(())
}

#[test]
fn bytes_at_random_leave_the_proxy_serving() {
    let runtime = wire::runtime();
    let origin = Origin::start(PROPER.to_vec(), Then::Stay);
    let proxy = reverse(&runtime, &origin);
    let forward = wire::proxy(&runtime, Route::Forward, None);
    still_serves(proxy.address());
    let whole: Vec<Vec<u8>> = (0..20)
        .map(|seed| wire::script::conversation(seed, origin.port))
        .flat_map(|talk| talk.exchanges.into_iter().map(|e| e.request.octets()))
        .filter(|octets| octets.len() < 5000)
        .collect();
    for seed in 0..rounds() {
        let mut rng = Rng::new(seed ^ 0xf0_22);
        let octets = spoilt(&whole, &mut rng);
        let to = if rng.chance(50) { proxy.address() } else { forward.address() };
        let came = exchange(to, &octets, true);
        assert!(came.is_ok(), "seed {seed}: {came:?} for {:?}", String::from_utf8_lossy(&octets));
    }
    still_serves(proxy.address());
}

/// `SOUNDCHECK_FUZZ=100000` in `ci/verify fuzz`.
fn rounds() -> u64 {
    wire::number("SOUNDCHECK_FUZZ", 150)
}

/// One of these with a few octets changed, put in or taken out.
fn spoilt(whole: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut octets = whole[rng.below(whole.len())].clone();
    for _ in 0..rng.within(1, 6) {
        let octet = *rng.pick(&[&b'\r', &b'\n', &0, &b' ', &b':', &b';', &0xff, &b'0']);
        let at = rng.below(octets.len());
        match rng.below(3) {
            0 => octets[at] = octet,
            1 => octets.insert(at, octet),
            _ => drop(octets.drain(at..at + 1 + rng.below((octets.len() - at).min(40)))),
        }
        if octets.is_empty() {
            break;
        }
    }
    octets
}

#[test]
fn spoilt_responses_reach_the_client_as_they_are() {
    let whole: Vec<Vec<u8>> = (0..60)
        .flat_map(|seed| wire::script::conversation(seed, 1).exchanges)
        .map(|e| [e.interim.concat(), e.response.octets()].concat())
        // What is of one hop is taken out of a head that can be read; here every octet is to be compared.
        .filter(|octets| octets.len() < 5000 && !names_a_hop(octets))
        .collect();
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (send, next) = std::sync::mpsc::channel::<Vec<u8>>();
    std::thread::spawn(move || {
        for octets in next {
            let stream = net::accept(&listener, LIMIT).expect("a connection");
            let mut reader = Reader::new(&stream);
            // A client that left before is found out at the other end.
            let _ = reader.head().and_then(|_| net::put(&stream, &octets));
            net::finish(&stream);
            let _ = reader.rest(1 << 20);
        }
    });
    let runtime = wire::runtime();
    let proxy = wire::proxy(&runtime, wire::to(port), None);
    for seed in 0..rounds() {
        let mut rng = Rng::new(seed ^ 0xd0_33);
        let octets = spoilt(&whole, &mut rng);
        send.send(octets.clone()).expect("the origin is there");
        let came = exchange(proxy.address(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false);
        // Empty lines after a whole response may be lost.
        let rest = came.as_ref().ok().and_then(|came| octets.strip_prefix(&came[..]));
        let same = rest.is_some_and(|rest| rest.iter().all(|b| b"\r\n".contains(b)));
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        assert!(same, "seed {seed}: {:?}\nfor {:?}", came.map(|c| text(&c)), text(&octets));
    }
}

/// Whether a head of these has a field that is meant for the next hop alone.
fn names_a_hop(octets: &[u8]) -> bool {
    let text = String::from_utf8_lossy(octets).to_ascii_lowercase();
    ["connection:", "keep-alive:", "proxy-connection:", "proxy-authorization:"].iter().any(|name| text.contains(name))
}

#[test]
fn a_head_that_drips_octet_by_octet_costs_no_more_than_its_octets() {
    let runtime = wire::runtime();
    let origin = Origin::start(PROPER.to_vec(), Then::Stay);
    let proxy = reverse(&runtime, &origin);
    let stream = net::connect(proxy.address(), net::PATIENCE).expect("connects");
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(200 * 1024));
    let begun = Instant::now();
    for part in head.as_bytes().chunks(16) {
        net::put(&stream, part).expect("sends");
    }
    let came = Reader::new(&stream).head().expect("an answer").expect("a head");
    assert!(came.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&came));
    assert!(begun.elapsed() < LIMIT, "{:?}: it is read from its beginning every time", begun.elapsed());
    assert_eq!(origin.connections.load(Ordering::SeqCst), 1);
}
