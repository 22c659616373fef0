//! Seeded conversations: what a client and a server say to each other over one connection of the client, octet for
//! octet. Legal HTTP/1.1, but spelt as oddly as the grammar allows.

use super::{BLOCK, Rng, block};
use std::fmt::Write as _;
use std::time::Duration;

/// How the client speaks to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// `GET http://host/path`.
    Absolute,
    /// `GET /path`, to a reverse proxy.
    Reverse,
    /// `CONNECT host:port`, then HTTP.
    Connect,
    /// `CONNECT host:port`, then octets that are no HTTP.
    Tunnel,
}

/// A part of a body.
#[derive(Clone, Debug)]
pub enum Piece {
    Text(Vec<u8>),
    /// So many octets of the block, from here.
    Block(usize, usize),
}

impl Piece {
    pub fn octets(&self) -> &[u8] {
        match self {
            Piece::Text(text) => text,
            Piece::Block(from, length) => &block()[*from..from + length],
        }
    }
}

/// A head as sent, its empty line included, and what follows it.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub head: Vec<u8>,
    pub body: Vec<Piece>,
}

impl Message {
    pub fn octets(&self) -> Vec<u8> {
        let mut all = self.head.clone();
        self.body.iter().for_each(|p| all.extend_from_slice(p.octets()));
        all
    }
}

/// A request and what comes back.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Which of the origin's names it is for.
    pub authority: usize,
    pub request: Message,
    /// The request line that must arrive.
    pub start: Vec<u8>,
    /// Whether it is sent before the answer to the one before has come.
    pub pipelined: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub asks: bool,
    /// Whether the server answers before it has read the request's body.
    pub early: bool,
    pub interim: Vec<Vec<u8>>,
    pub response: Message,
}

/// How the conversation ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The client leaves after the last response.
    Client,
    /// The server closes after it: it said so, or the body ends so, or without a word.
    Server,
    /// The client leaves after so many octets of the last body.
    Abandoned(usize),
    /// The last response was a 101: octets both ways.
    Upgraded,
}

/// One connection of a client.
#[derive(Clone, Debug)]
pub struct Conversation {
    pub seed: u64,
    pub via: Via,
    /// Whether the first request follows the CONNECT without waiting for its answer.
    pub hasty: bool,
    pub exchanges: Vec<Exchange>,
    pub end: End,
    /// What goes up and down a tunnel, or after a 101.
    pub up: Vec<Piece>,
    pub down: Vec<Piece>,
    /// In a tunnel: the client closes its half first, the server answers to that.
    pub half: bool,
    /// Whether chunks may be cut anew on their way to the client: their payload and trailers count, not their spelling.
    pub respelt: bool,
    /// How long an end waits for what must come.
    pub patience: Duration,
    /// What is special about it, for the count.
    pub features: Vec<&'static str>,
}

/// The origin's names: two authorities, one server.
pub fn authority(which: usize, port: u16) -> String {
    format!("{}:{port}", ["127.0.0.1", "localhost"][which])
}

/// The conversation of this seed with the origin at `port`.
pub fn conversation(seed: u64, port: u16) -> Conversation {
    conversation_by(None, seed, port)
}

/// One that is spoken so, if that matters.
pub fn conversation_by(via: Option<Via>, seed: u64, port: u16) -> Conversation {
    let mut make = Make { rng: Rng::new(seed), port, features: Vec::new() };
    let drawn = match make.rng.below(100) {
        0..40 => Via::Absolute,
        40..75 => Via::Reverse,
        75..95 => Via::Connect,
        _ => Via::Tunnel,
    };
    let via = via.unwrap_or(drawn);
    make.features.push(match via {
        Via::Absolute => "absolute form",
        Via::Reverse => "reverse",
        Via::Connect => "CONNECT, then HTTP",
        Via::Tunnel => "CONNECT, then no HTTP",
    });
    let mut talk = Conversation {
        seed,
        via,
        hasty: via == Via::Connect && make.rng.chance(10),
        exchanges: Vec::new(),
        end: End::Client,
        up: Vec::new(),
        down: Vec::new(),
        half: make.rng.chance(50),
        respelt: false,
        patience: super::net::PATIENCE,
        features: Vec::new(),
    };
    if via == Via::Tunnel {
        make.tunnel(&mut talk);
    } else {
        make.exchanges(&mut talk);
    }
    talk.features = make.features;
    talk
}

struct Make {
    rng: Rng,
    port: u16,
    features: Vec<&'static str>,
}

/// What a response's head has to say besides its own fields.
struct Framed {
    fields: Vec<String>,
    body: Vec<Piece>,
}

const METHODS: [&str; 10] =
    ["GET", "GET", "GET", "HEAD", "OPTIONS", "DELETE", "PURGE", "M-SEARCH", "PROPFIND", "x-odd_method~1"];
const WITH_BODY: [&str; 5] = ["POST", "PUT", "PATCH", "GET", "REPORT"];
const STATUSES: [&str; 18] = [
    "200 OK",
    "200 OK",
    "200 ",
    "200",
    "201 Created",
    "203 \u{fc}bersetzt",
    "205 Reset Content",
    "206 Partial Content",
    "226 IM Used",
    "299 what? \"so\" (yes)",
    "301 Moved Permanently",
    "400 Bad  Request",
    "404 Not Found",
    "416 Range Not Satisfiable",
    "429 Too Many Requests",
    "500 \t",
    "503 Service Unavailable",
    "599 x",
];
const NAMES: [&str; 22] = [
    "Accept",
    "accept-encoding",
    "User-Agent",
    "COOKIE",
    "Set-Cookie",
    "set-cookie",
    "ETag",
    "If-None-Match",
    "If-Range",
    "Cache-Control",
    "Content-Type",
    "content-encoding",
    "Origin",
    "Referer",
    "sec-fetch-mode",
    "Date",
    "Server",
    "Via",
    "X-Forwarded-For",
    "Authorization",
    "Access-Control-Allow-Origin",
    "Last-Modified",
];
const TOKEN: &[u8] = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SPACES: [&str; 7] = [" ", " ", " ", "", "  ", "\t", " \t "];
const TARGETS: [&str; 14] = [
    "/",
    "/media/clip.mp4",
    "/a/b/../c/./d//e",
    "//host/path",
    "/%7Euser/%zz%0a",
    "/a;b=c,d?x=y&x=y",
    "/?",
    "/p?q=http://other/?r",
    "/q?a[]=1|2^3`4{5}\"<6>",
    "/@:user",
    "/caf%C3%A9?'",
    "/\\back\\slash",
    "/index.m3u8?token=abc.def-ghi~",
    "/..",
];

impl Make {
    fn exchanges(&mut self, talk: &mut Conversation) {
        let mut count = 1;
        while count < 24 && self.rng.chance(88) {
            count += 1;
        }
        let pipelines = self.rng.chance(15);
        for n in 0..count {
            let last = n + 1 == count;
            let switch = talk.via == Via::Absolute && self.rng.chance(4);
            let before = talk.exchanges.last().map_or(0, |e| e.authority);
            let authority = if switch { 1 - before } else { before };
            if switch {
                self.features.push("another authority on the same connection");
            }
            let (exchange, end) = self.exchange(talk.via, authority, last);
            talk.exchanges.push(exchange);
            talk.end = end;
            let [.., one, two] = &mut talk.exchanges[..] else { continue };
            two.pipelined = pipelines && !one.asks && !two.asks && self.rng.chance(80);
            if two.pipelined {
                self.features.push("pipelined");
            }
        }
        if talk.end == End::Upgraded {
            (talk.up, talk.down) = (self.stream(), self.stream());
        }
    }

    fn exchange(&mut self, via: Via, authority: usize, last: bool) -> (Exchange, End) {
        let upgrade = last && self.rng.chance(8);
        let old = last && !upgrade && self.rng.chance(6);
        let bodied = !upgrade && self.rng.chance(30);
        let methods = if bodied { &WITH_BODY[..] } else { &METHODS[..] };
        let method = if upgrade { "GET" } else { self.rng.pick(methods) };
        let range = (method == "GET" && !upgrade && self.rng.chance(25)).then(|| self.range());
        let asks = bodied && !old && self.rng.chance(10);
        let declined = !upgrade && !old && self.rng.chance(2);
        let leaves = last && !upgrade && self.rng.chance(10);

        let mut fields = self.fields();
        let mut framed = if bodied { self.framed(true, !old) } else { self.none(method) };
        fields.append(&mut framed.fields);
        fields.extend(range.as_ref().map(|(field, _)| field.clone()));
        if asks {
            self.features.push("Expect: 100-continue");
            fields.push(self.field("Expect", "100-continue"));
        }
        if upgrade {
            fields.push(self.field("Connection", "Upgrade"));
            fields.push(self.field("Upgrade", "websocket"));
            fields.push("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==".to_owned());
        } else if declined {
            self.features.push("Upgrade that the server declines");
            fields.push(self.field("Connection", "Upgrade"));
            fields.push(self.field("Upgrade", "h2c"));
        } else {
            self.hops(&mut fields, leaves);
        }
        self.shuffle(&mut fields);
        if !old || self.rng.chance(50) {
            let host = self.field("Host", &self::authority(authority, self.port));
            let place = if self.rng.chance(70) { 0 } else { self.rng.below(fields.len() + 1) };
            fields.insert(place, host);
        }
        let version = if old { "HTTP/1.0" } else { "HTTP/1.1" };
        let (sent, seen) = self.target(via, authority);
        let request = Message { head: head(&format!("{method} {sent} {version}"), &fields), body: framed.body };
        let start = format!("{method} {seen} {version}").into_bytes();

        let mut interim = Vec::new();
        if asks {
            interim.push(self.interim("100 Continue"));
        }
        while !old && self.rng.chance(8) {
            let status = self.rng.pick(&["102 Processing", "103 Early Hints", "199 "]);
            interim.push(self.interim(status));
        }
        if upgrade {
            self.features.push("101, then octets both ways");
            let mut fields = self.fields();
            fields.push(self.field("Connection", "upgrade"));
            fields.push(self.field("Upgrade", "websocket"));
            self.shuffle(&mut fields);
            let response = Message { head: head("HTTP/1.1 101 Switching Protocols", &fields), body: Vec::new() };
            let exchange =
                Exchange { authority, request, start, pipelined: false, asks, early: false, interim, response };
            return (exchange, End::Upgraded);
        }
        let (response, end) = self.response(method, range.map(|(_, field)| field), last, old || leaves);
        let small = super::net::length(&response.body) < 32 << 10;
        let early = bodied && !asks && small && end == End::Client && self.rng.chance(10);
        if early {
            self.features.push("answered before the request's body was read");
        }
        (Exchange { authority, request, start, pipelined: false, asks, early, interim, response }, end)
    }

    fn response(&mut self, method: &str, range: Option<String>, last: bool, closing: bool) -> (Message, End) {
        let partial = range.is_some() && self.rng.chance(85);
        let bare = !partial && self.rng.chance(5);
        let mut status = match range {
            Some(_) if partial => "206 Partial Content",
            _ if bare => self.rng.pick(&["204 No Content", "304 Not Modified"]),
            _ => self.rng.pick(&STATUSES),
        };
        let until_end = last && !bare && method != "HEAD" && self.rng.chance(15);
        let silent = last && !closing && self.rng.chance(15);
        let old = last && (until_end || closing) && self.rng.chance(20);
        if old && status == "200" {
            status = "200 OK";
        }
        let mut fields = self.fields();
        if status.starts_with("206") {
            self.features.push("206");
            fields.extend(range);
        }
        let mut framed = if bare || method == "HEAD" {
            self.features.push(if bare { "204 or 304" } else { "HEAD" });
            // It may say what it would have sent.
            let says = !status.starts_with("204") && self.rng.chance(80);
            let fields = if says { self.framed(false, true).fields } else { Vec::new() };
            Framed { fields, body: Vec::new() }
        } else if until_end {
            self.features.push("body until the end of the connection");
            Framed { fields: Vec::new(), body: self.octets() }
        } else {
            self.framed(false, !old)
        };
        fields.append(&mut framed.fields);
        let often = if closing || until_end { 70 } else { 20 };
        let says = last && !silent && self.rng.chance(often);
        self.hops(&mut fields, says && !old);
        self.shuffle(&mut fields);
        if old {
            self.features.push("HTTP/1.0");
        }
        let start = format!("HTTP/1.{} {status}", if old { 0 } else { 1 });
        let response = Message { head: head(&start, &fields), body: framed.body };
        let length = super::net::length(&response.body);
        let end = if until_end || closing || silent || says || old {
            self.features.push("the server closes");
            End::Server
        } else if last && length > 100_000 && self.rng.chance(30) {
            self.features.push("the client leaves within a body");
            End::Abandoned(self.rng.below(length))
        } else {
            End::Client
        };
        (response, end)
    }

    fn tunnel(&mut self, talk: &mut Conversation) {
        let hello: &[u8] = match self.rng.below(4) {
            0 => b"\0\x01\x02",
            1 => b"SSH-2.0-soundcheck\r\n",
            // A TLS record that starts like a ClientHello, of a host that nobody intercepts: it has no name.
            2 => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            _ => b"\xff\xfe\n\r\n\r\n",
        };
        talk.up.push(Piece::Text(hello.to_vec()));
        talk.up.push(self.piece(600));
        let (up, down) = (self.stream(), self.stream());
        talk.up.extend(up);
        talk.down = down;
        if talk.half {
            self.features.push("a tunnel closed by halves");
        }
    }

    /// What goes one way of a tunnel.
    fn stream(&mut self) -> Vec<Piece> {
        let sizes: Vec<usize> = (0..self.rng.within(1, 6)).map(|_| self.size()).collect();
        sizes.into_iter().map(|n| self.piece(n)).collect()
    }

    /// The target as the client sends it, and as the origin must see it.
    fn target(&mut self, via: Via, authority: usize) -> (String, String) {
        let mut seen = self.rng.pick(&TARGETS).to_owned();
        if self.rng.chance(20) {
            let n = self.rng.within(1, 3000);
            let _ = write!(seen, "{}x=", if seen.contains('?') { '&' } else { '?' });
            (0..n).for_each(|_| seen.push(char::from(self.rng.within(0x21, 0x7e) as u8)));
            // A fragment is never sent.
            seen = seen.replace('#', "%23");
        }
        if via != Via::Absolute {
            return (seen.clone(), seen);
        }
        let scheme = if self.rng.chance(5) { "HTTP" } else { "http" };
        let base = format!("{scheme}://{}", self::authority(authority, self.port));
        match self.rng.below(40) {
            0 => (base, "/".to_owned()),
            1 => (format!("{base}?only=query"), "/?only=query".to_owned()),
            _ => (format!("{base}{seen}"), seen),
        }
    }

    /// A `Range` and the `Content-Range` that answers it.
    fn range(&mut self) -> (String, String) {
        self.features.push("Range");
        let total = self.rng.within(1, 9 << 20);
        let first = self.rng.below(total);
        let last = self.rng.within(first, total - 1);
        let value = match self.rng.below(3) {
            0 => format!("bytes={first}-"),
            1 => format!("bytes={first}-{last}"),
            _ => format!("bytes=-{}", total - first),
        };
        (self.field("Range", &value), self.field("Content-Range", &format!("bytes {first}-{last}/{total}")))
    }

    /// Fields that only the next hop may see, and `Connection` itself.
    fn hops(&mut self, fields: &mut Vec<String>, close: bool) {
        let mut tokens = Vec::new();
        if close {
            tokens.push(self.rng.pick(&["close", "Close", "CLOSE"]).to_owned());
        } else if self.rng.chance(20) {
            tokens.push(self.rng.pick(&["keep-alive", "Keep-Alive"]).to_owned());
        }
        if self.rng.chance(8) {
            self.features.push("fields of one hop");
            tokens.push("X-Hop-7".to_owned());
            fields.push(self.field("x-hop-7", "only for you"));
        }
        if self.rng.chance(8) {
            fields.push(self.field("Keep-Alive", "timeout=5, max=100"));
        }
        if self.rng.chance(8) {
            fields.push(self.field("Proxy-Connection", "keep-alive"));
        }
        if self.rng.chance(5) {
            fields.push(self.field("Proxy-Authorization", "Basic dXNlcjpwYXNz"));
        }
        if tokens.is_empty() {
            return;
        }
        if tokens.len() == 2 && self.rng.chance(30) {
            fields.extend(tokens.iter().map(|t| format!("Connection: {t}")));
        } else {
            let list = tokens.join(self.rng.pick(&[", ", ",", " ,\t"]));
            fields.push(self.field("Connection", &list));
        }
    }

    /// A body with fields that frame it.
    fn framed(&mut self, request: bool, chunks: bool) -> Framed {
        if chunks && self.rng.chance(40) {
            self.features.push(if request { "request in chunks" } else { "response in chunks" });
            let coding = self.rng.pick(&["chunked", "chunked", "Chunked", "CHUNKED", "gzip, chunked"]);
            let coding = if request && coding.starts_with("gzip") { "chunked" } else { coding };
            return Framed { fields: vec![self.field("Transfer-Encoding", coding)], body: self.chunks() };
        }
        self.features.push(if request { "request with a length" } else { "response with a length" });
        let body = self.octets();
        let n = super::net::length(&body);
        let fields = match self.rng.below(if request { 9 } else { 12 }) {
            0 => vec![self.field("Content-Length", &format!("000{n}"))],
            9 => vec![self.field("Content-Length", &n.to_string()), self.field("content-length", &n.to_string())],
            10 => vec![self.field("Content-Length", &format!("{n}, {n}"))],
            _ => vec![self.field("Content-Length", &n.to_string())],
        };
        Framed { fields, body }
    }

    fn none(&mut self, method: &str) -> Framed {
        let says = method != "GET" && method != "HEAD" && self.rng.chance(30);
        let fields = if says { vec![self.field("Content-Length", "0")] } else { Vec::new() };
        Framed { fields, body: Vec::new() }
    }

    /// A chunked body: sizes, their spelling, extensions and trailers at random.
    fn chunks(&mut self) -> Vec<Piece> {
        let mut left = self.size();
        let most = match self.rng.below(4) {
            0 if left < 2000 => 8,
            1 => 1000,
            2 => 20_000,
            _ => 1 << 20,
        };
        let extends = self.rng.chance(20);
        let mut body = Vec::new();
        while left > 0 {
            let n = self.rng.within(1, most.min(left));
            body.push(Piece::Text(self.chunk_line(n, extends)));
            body.push(self.piece(n));
            body.push(Piece::Text(b"\r\n".to_vec()));
            left -= n;
        }
        let mut end = self.chunk_line(0, extends);
        if self.rng.chance(20) {
            self.features.push("trailers");
            for _ in 0..self.rng.within(1, 4) {
                end.extend_from_slice(&latin(&self.any_field()));
                end.extend_from_slice(b"\r\n");
            }
        }
        end.extend_from_slice(b"\r\n");
        body.push(Piece::Text(end));
        body
    }

    fn chunk_line(&mut self, n: usize, extends: bool) -> Vec<u8> {
        let mut line = match self.rng.below(4) {
            0 => format!("{n:X}"),
            1 => format!("{n:08x}"),
            _ => format!("{n:x}"),
        };
        if extends && self.rng.chance(50) {
            self.features.push("chunk extensions");
            line += self.rng.pick(&[";a", ";name=value", ";q=\"a;b\\\"c\"", ";x=1;y;z=\"\"", ";sig=0123456789abcdef"]);
        }
        line += "\r\n";
        line.into_bytes()
    }

    fn octets(&mut self) -> Vec<Piece> {
        match self.size() {
            0 => Vec::new(),
            n => vec![self.piece(n)],
        }
    }

    fn piece(&mut self, length: usize) -> Piece {
        Piece::Block(self.rng.below(BLOCK - length), length)
    }

    /// From nothing to 8 MiB, mostly small; now and then just at a power of two.
    fn size(&mut self) -> usize {
        match self.rng.below(1000) {
            0..120 => 0,
            120..620 => self.rng.within(1, 1 << 10),
            620..850 => self.rng.within(1, 16 << 10),
            850..900 => (1 << self.rng.within(10, 17)) + self.rng.below(3) - 1,
            900..965 => self.rng.within(1, 128 << 10),
            965..994 => self.rng.within(1, 1 << 20),
            _ => self.rng.within(1, 8 << 20),
        }
    }

    fn interim(&mut self, status: &str) -> Vec<u8> {
        self.features.push("1xx");
        let mut fields = if self.rng.chance(50) { self.fields() } else { Vec::new() };
        fields.push("Link: </a.css>; rel=preload".to_owned());
        head(&format!("HTTP/1.1 {status}"), &fields)
    }

    /// Random fields, now and then very many.
    fn fields(&mut self) -> Vec<String> {
        let most = if self.rng.chance(2) { 200 } else { 12 };
        let mut fields: Vec<String> = (0..self.rng.below(most)).map(|_| self.any_field()).collect();
        if self.rng.chance(1) {
            fields.push(format!("X-Long: {}", "0123456789abcdef".repeat(self.rng.within(1, 4000))));
        }
        fields
    }

    fn any_field(&mut self) -> String {
        let name = if self.rng.chance(60) {
            self.rng.pick(&NAMES).to_owned()
        } else {
            // The prefix keeps it off every name that means something.
            let mut name = "x-~".to_owned();
            (0..self.rng.below(30)).for_each(|_| name.push(char::from(TOKEN[self.rng.below(TOKEN.len())])));
            name
        };
        let n = if self.rng.chance(5) { self.rng.below(900) } else { self.rng.below(40) };
        let mut value = String::new();
        for _ in 0..n {
            value.push(match self.rng.below(40) {
                0 => ' ',
                1 => '\t',
                2 => char::from(self.rng.within(0x80, 0xff) as u8),
                _ => char::from(self.rng.within(0x21, 0x7e) as u8),
            });
        }
        self.field(&name, value.trim())
    }

    /// A field's line, its name and its spaces spelt at random.
    fn field(&mut self, name: &str, value: &str) -> String {
        let name = match self.rng.below(4) {
            0 => name.to_ascii_lowercase(),
            1 => name.to_ascii_uppercase(),
            2 => name.chars().map(|c| if self.rng.chance(50) { c.to_ascii_uppercase() } else { c }).collect(),
            _ => name.to_owned(),
        };
        let after = if self.rng.chance(10) { self.rng.pick(&[" ", "\t", "   "]) } else { "" };
        format!("{name}:{}{value}{after}", self.rng.pick(&SPACES))
    }

    fn shuffle(&mut self, fields: &mut [String]) {
        (1..fields.len()).for_each(|n| fields.swap(n, self.rng.below(n + 1)));
    }
}

/// A head of these lines; each character is one octet.
fn head(start: &str, fields: &[String]) -> Vec<u8> {
    let mut text = start.to_owned();
    fields.iter().for_each(|f| {
        text += "\r\n";
        text += f;
    });
    text += "\r\n\r\n";
    latin(&text)
}

fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|c| c as u8).collect()
}
