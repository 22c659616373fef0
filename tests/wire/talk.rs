//! Carries a conversation out, at both ends, and says where they did not get what the other sent.

use super::Rng;
use super::net::{self, Reader};
use super::script::{Conversation, End, Exchange, Message, Via};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::scope;

/// Fields of one hop: they may differ, and in a request they must not arrive.
const HOP: [&str; 3] = ["keep-alive", "proxy-connection", "proxy-authorization"];
/// Fields the proxy may add.
const ADDED: [&str; 2] = ["traceparent", "baggage"];

/// The origin of one client: it plays the server's part of the conversations it is given, one after another.
pub struct Origin {
    pub port: u16,
    talks: Sender<Conversation>,
    done: Receiver<Result<(), String>>,
}

impl Origin {
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (talks, wanted) = channel::<Conversation>();
        let (say, done) = channel();
        std::thread::spawn(move || {
            for talk in wanted {
                if say.send(serve(&listener, &talk)).is_err() {
                    return;
                }
            }
        });
        Self { port, talks, done }
    }

    /// Plays both ends of a conversation through the proxy at `to`.
    pub fn play(&self, to: SocketAddr, talk: &Conversation) -> Result<(), String> {
        self.talks.send(talk.clone()).map_err(|_| "the origin is gone")?;
        let client = client(to, talk, self.port);
        // A client that met nothing leaves the origin waiting for its patience to end.
        let origin = self.done.recv().map_err(|_| "the origin is gone")?;
        match (client, origin) {
            (Ok(()), Ok(())) => Ok(()),
            (client, origin) => {
                let side = |name, end: Result<(), String>| end.err().map(|e| format!("{name}: {e}"));
                let sides = [side("the client", client), side("the origin", origin)];
                Err(sides.into_iter().flatten().collect::<Vec<_>>().join("; "))
            }
        }
    }
}

fn client(to: SocketAddr, talk: &Conversation, port: u16) -> Result<(), String> {
    let stream = net::connect(to, talk.patience)?;
    let mut reader = Reader::new(&stream);
    let mut opening = Vec::new();
    if matches!(talk.via, Via::Connect | Via::Tunnel) {
        let host = super::script::authority(0, port);
        opening = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
        if !talk.hasty {
            net::put(&stream, &opening)?;
            opening.clear();
            opened(&mut reader)?;
        }
    }
    let done = scope(|scope| {
        let (turns, turn) = channel();
        let writer = &stream;
        let asked = scope.spawn(move || write_requests(writer, talk, opening, &turn));
        let read = if talk.hasty { opened(&mut reader) } else { Ok(()) };
        let read = read.and_then(|()| match talk.via {
            Via::Tunnel => read_tunnel(&mut reader, talk),
            _ => read_responses(&mut reader, talk, &turns),
        });
        if read.is_err() || matches!(talk.end, End::Abandoned(_)) {
            // The writer must not wait for what will not come.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        drop(turns);
        let asked = asked.join().map_err(|_| "the writer panicked".to_owned())?;
        read.and(asked)
    });
    done.and_then(|()| match talk.end {
        End::Server => reader.end(false),
        _ => Ok(()),
    })
}

fn opened(reader: &mut Reader) -> Result<(), String> {
    let head = reader.head()?.ok_or("CONNECT was not answered")?;
    match head.starts_with(b"HTTP/1.1 200") {
        true => Ok(()),
        false => Err(format!("CONNECT was answered with {:?}", String::from_utf8_lossy(&head))),
    }
}

/// What the reader tells the writer.
enum Turn {
    /// So many responses have come.
    Answered(usize),
    /// `100 Continue` came.
    Continue,
}

fn write_requests(
    stream: &TcpStream,
    talk: &Conversation,
    opening: Vec<u8>,
    turn: &Receiver<Turn>,
) -> Result<(), String> {
    let mut rng = Rng::new(talk.seed ^ 0xc11e);
    let mut pending = opening;
    let mut answered = 0;
    let gone = "the reader stopped";
    for (n, exchange) in talk.exchanges.iter().enumerate() {
        while answered < n && !exchange.pipelined {
            match turn.recv() {
                Ok(Turn::Answered(count)) => answered = count,
                Ok(Turn::Continue) => {}
                Err(_) => return Err(gone.to_owned()),
            }
        }
        if exchange.asks {
            pending.extend_from_slice(&exchange.request.head);
            net::write(stream, &std::mem::take(&mut pending), &mut rng)?;
            while !matches!(turn.recv().map_err(|_| gone)?, Turn::Continue) {}
            net::write(stream, &Message { head: Vec::new(), ..exchange.request.clone() }.octets(), &mut rng)?;
            continue;
        }
        pending.extend_from_slice(&exchange.request.octets());
        // Several requests in one segment, sometimes.
        let more = talk.exchanges.get(n + 1).is_some_and(|next| next.pipelined);
        if !(more && pending.len() < 64 << 10 && rng.chance(60)) {
            net::write(stream, &std::mem::take(&mut pending), &mut rng)?;
        }
    }
    if talk.via != Via::Tunnel && talk.end != End::Upgraded {
        return Ok(());
    }
    if talk.end == End::Upgraded {
        while answered < talk.exchanges.len() {
            match turn.recv() {
                Ok(Turn::Answered(count)) => answered = count,
                Ok(Turn::Continue) => {}
                Err(_) => return Err(gone.to_owned()),
            }
        }
    }
    for piece in &talk.up {
        net::write(stream, piece.octets(), &mut rng)?;
    }
    if talk.via == Via::Tunnel && talk.half {
        net::finish(stream);
    }
    Ok(())
}

fn read_responses(reader: &mut Reader, talk: &Conversation, turns: &Sender<Turn>) -> Result<(), String> {
    // A writer that failed says so itself.
    let say = |turn| drop(turns.send(turn));
    for (n, exchange) in talk.exchanges.iter().enumerate() {
        let within = |e: String| format!("response {n}: {e}");
        for interim in &exchange.interim {
            let head = reader.head().map_err(within)?.ok_or_else(|| within("no interim response came".to_owned()))?;
            same_head(interim, &head, start_of(interim), false).map_err(within)?;
            if interim.starts_with(b"HTTP/1.1 100") {
                say(Turn::Continue);
            }
        }
        let head = reader.head().map_err(within)?.ok_or_else(|| within("the connection was closed".to_owned()))?;
        same_head(&exchange.response.head, &head, start_of(&exchange.response.head), false).map_err(within)?;
        let body = |e: String| within(format!("body: {e}"));
        match talk.end {
            End::Abandoned(octets) if n + 1 == talk.exchanges.len() => {
                return reader.expect_some(&exchange.response.body, octets).map_err(body);
            }
            _ if talk.respelt && in_chunks(exchange) => {
                let came = reader.chunks().map_err(body)?;
                let sent = Reader::of(&exchange.response.octets()[exchange.response.head.len()..]).chunks()?;
                if came != sent {
                    let text = format!("{} octets for {}, or other trailers", came.0.len(), sent.0.len());
                    return Err(body(text));
                }
            }
            _ => reader.expect(&exchange.response.body).map_err(body)?,
        }
        say(Turn::Answered(n + 1));
    }
    if talk.end == End::Upgraded {
        reader.expect(&talk.down).map_err(|e| format!("after the 101: {e}"))?;
    }
    Ok(())
}

/// Whether a response's body came in chunks.
fn in_chunks(exchange: &Exchange) -> bool {
    let coded = lines(&exchange.response.head).iter().any(|l| name_of(l) == "transfer-encoding");
    coded && !exchange.response.body.is_empty()
}

fn read_tunnel(reader: &mut Reader, talk: &Conversation) -> Result<(), String> {
    reader.expect(&talk.down).map_err(|e| format!("the tunnel: {e}"))?;
    if talk.half { reader.end(false) } else { Ok(()) }
}

/// The server's part.
fn serve(listener: &TcpListener, talk: &Conversation) -> Result<(), String> {
    let mut rng = Rng::new(talk.seed ^ 0x5e4e);
    let mut stream = net::accept(listener, talk.patience)?;
    let mut reader = Reader::new(&stream);
    if talk.via == Via::Tunnel {
        return serve_tunnel(&stream, &mut reader, talk, &mut rng);
    }
    let mut authority = talk.exchanges.first().map_or(0, |e| e.authority);
    for (n, exchange) in talk.exchanges.iter().enumerate() {
        if exchange.authority != authority {
            // One connection to the server at a time: another name is another connection, and this one's end.
            let next = net::accept(listener, talk.patience)?;
            reader.end(true).map_err(|e| format!("before request {n}, on the old connection: {e}"))?;
            stream = next;
            reader = Reader::new(&stream);
            authority = exchange.authority;
        }
        let left = matches!(talk.end, End::Abandoned(_)) && n + 1 == talk.exchanges.len();
        match serve_one(&stream, &mut reader, exchange, talk.via, &mut rng).map_err(|e| format!("request {n}: {e}")) {
            Err(e) if left && e.contains("writing") => return Ok(()),
            done => done?,
        }
        if left {
            return reader.end(true);
        }
    }
    match talk.end {
        End::Server => {
            net::finish(&stream);
            reader.end(true)
        }
        End::Client | End::Abandoned(_) => reader.end(true),
        End::Upgraded => {
            both_ways(&stream, &mut reader, talk, &mut rng).map_err(|e| format!("after the 101: {e}"))?;
            reader.end(true)
        }
    }
}

fn serve_one(
    stream: &TcpStream,
    reader: &mut Reader,
    exchange: &Exchange,
    via: Via,
    rng: &mut Rng,
) -> Result<(), String> {
    let request = &exchange.request;
    let head = reader.head()?.ok_or("the connection was closed")?;
    // In a tunnel the proxy is no hop.
    same_head(&request.head, &head, &exchange.start, via != Via::Connect)?;
    if exchange.early {
        net::write(stream, &answer(exchange), rng)?;
        return reader.expect(&request.body).map_err(|e| format!("body after an early answer: {e}"));
    }
    if exchange.asks {
        net::write(stream, &exchange.interim[0], rng)?;
    }
    reader.expect(&request.body).map_err(|e| format!("body: {e}"))?;
    net::write(stream, &answer(exchange), rng)
}

fn answer(exchange: &Exchange) -> Vec<u8> {
    let mut all = exchange.interim[usize::from(exchange.asks)..].concat();
    all.extend_from_slice(&exchange.response.octets());
    all
}

fn serve_tunnel(stream: &TcpStream, reader: &mut Reader, talk: &Conversation, rng: &mut Rng) -> Result<(), String> {
    if !talk.half {
        both_ways(stream, reader, talk, rng)?;
        return reader.end(true);
    }
    reader.expect(&talk.up)?;
    reader.end(false).map_err(|e| format!("after the client closed its half: {e}"))?;
    talk.down.iter().try_for_each(|piece| net::write(stream, piece.octets(), rng))
}

fn both_ways(stream: &TcpStream, reader: &mut Reader, talk: &Conversation, rng: &mut Rng) -> Result<(), String> {
    scope(|scope| {
        let writer = scope.spawn(|| talk.down.iter().try_for_each(|piece| net::write(stream, piece.octets(), rng)));
        let read = reader.expect(&talk.up);
        writer.join().map_err(|_| "the writer panicked".to_owned())?.and(read)
    })
}

fn start_of(head: &[u8]) -> &[u8] {
    &head[..head.windows(2).position(|w| w == b"\r\n").unwrap_or(head.len())]
}

fn lines(head: &[u8]) -> Vec<&[u8]> {
    let text = head.strip_suffix(b"\r\n\r\n").unwrap_or(head);
    let mut lines = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].windows(2).position(|w| w == b"\r\n") {
        lines.push(&text[from..from + at]);
        from += at + 2;
    }
    lines.push(&text[from..]);
    lines
}

fn name_of(line: &[u8]) -> String {
    let name = line.split(|b| *b == b':').next().unwrap_or_default();
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

/// What the `Connection` fields list.
fn tokens(lines: &[&[u8]]) -> Vec<String> {
    let own = lines.iter().filter(|l| name_of(l) == "connection");
    let values = own.map(|l| String::from_utf8_lossy(&l["connection:".len()..]).to_ascii_lowercase());
    values.flat_map(|v| v.split(',').map(|t| t.trim().to_owned()).collect::<Vec<_>>()).collect()
}

/// Whether a head came as it was sent: start line `start`, and every line that is not of one hop, octet for octet and in
/// order. Whether the connection is to be closed or upgraded must come through.
pub fn same_head(sent: &[u8], came: &[u8], start: &[u8], request: bool) -> Result<(), String> {
    let (sent, came) = (lines(sent), lines(came));
    let show = |line: &[u8]| format!("{:?}", String::from_utf8_lossy(&line[..line.len().min(200)]));
    if came[0] != start {
        return Err(format!("start line {} for {}", show(came[0]), show(start)));
    }
    let named = tokens(&sent);
    let hop = |line: &[u8]| {
        let name = name_of(line);
        HOP.contains(&&*name) || (name != "upgrade" && named.contains(&name))
    };
    let end_to_end = |lines: &[&'_ [u8]]| -> Vec<Vec<u8>> {
        let kept = lines[1..].iter().filter(|l| {
            let name = name_of(l);
            name != "connection" && !ADDED.contains(&&*name) && !hop(l)
        });
        kept.map(|l| l.to_vec()).collect()
    };
    let (must, has) = (end_to_end(&sent), end_to_end(&came));
    if must != has {
        let at = must.iter().zip(&has).position(|(a, b)| a != b).unwrap_or(must.len().min(has.len()));
        let one = |all: &[Vec<u8>]| all.get(at).map_or("nothing".to_owned(), |l| show(l));
        return Err(format!("field {at} of {}: {} for {}", must.len(), one(&has), one(&must)));
    }
    if request && let Some(line) = came[1..].iter().find(|l| hop(l)) {
        return Err(format!("a field of one hop went on: {}", show(line)));
    }
    let passed = tokens(&came);
    match ["close", "upgrade"].into_iter().find(|t| named.iter().any(|n| n == t) != passed.iter().any(|p| p == t)) {
        Some(token) => Err(format!("Connection: {passed:?} came for {named:?}: {token}")),
        None => Ok(()),
    }
}
