//! Floor 1, pure. Faults: what may go wrong between a browser and a server. A fault sees a request, and the response's
//! head, and says what is to be done at which point; the proxy carries it out. No sockets, no clock of its own, no
//! state: what it decides depends on the seed and on the request alone, so concurrency cannot change it.
//!
//! A new fault is a leaf file and a row in [`FAULTS`].

pub mod head;
pub mod link;
pub mod rule;
pub mod seed;

use crate::table::Row;
use head::Head;
use link::Part;
use seed::Draw;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// Between whom a fault is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Leg {
    /// Between the browser and the app.
    #[default]
    Browser,
    /// Between the app's own media proxy and where it fetches from.
    Upstream,
}

/// Where in an exchange something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// The client's connection was accepted, nothing of it was read.
    Accept,
    /// The request's head was read, nothing was sent on.
    Request,
    /// The response's head has come, nothing of it was sent to the client.
    Head,
    /// Before the octet of this number of the body (payload, without transfer framing). `Body(0)` comes after the head
    /// was sent.
    Body(u64),
    /// Before the server's WebSocket message of this number, from 0.
    Message(u64),
    /// After the body's last octet, before the end of its transfer framing.
    End,
    /// After this many octets in all were sent to the client on this connection, heads included.
    Sent(u64),
    /// The server's end is known, the client's is about to be closed.
    Close,
}

/// What is done there. The vocabulary is complete: whatever a fault must be able to say is a variant, and the proxy
/// carries out each.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Hold here for so long; what comes later waits behind it.
    Wait(Duration),
    /// At [`Point::Request`]: answer in the server's place; nothing is sent on, and no other fault sees the answer.
    Answer(Answer),
    /// At [`Point::Request`]: answer from a full local copy, fetched when it is first asked for.
    Cache,
    /// Change the head that is about to leave: the request's at [`Point::Request`], the response's at [`Point::Head`].
    Edit(Edit),
    /// At [`Point::Request`]: the same, but only so that a later step comes out right. It is not the fault: a rule that
    /// did no more than this was not applied.
    Prepare(Edit),
    /// At [`Point::Head`]: frame the body so, whatever the head says about it. The head's fields are edited apart.
    Frame(Framing),
    /// At [`Point::Head`] or [`Point::Body`]: from here on no more than `bytes` (give or take `variation`) at once, each
    /// followed by a pause of `every`. A later one takes the place of an earlier; [`Action::FULL_SPEED`] ends it.
    Pace {
        /// Octets at once, at least 1.
        bytes: u64,
        /// How many more or fewer, at most; drawn anew each time.
        variation: u64,
        /// The pause after each.
        every: Duration,
    },
    /// At [`Point::Body`] or [`Point::End`]: put these octets into the body here.
    Insert(Vec<u8>),
    /// At [`Point::Body`]: leave out so many octets from here on ([`u64::MAX`]: all that follow); the body still ends
    /// as its framing says. At [`Point::Message`]: so many messages.
    Skip(u64),
    /// At [`Point::Body`]: spoil the octets from here up to `to` (not included).
    Mangle {
        /// The first octet not spoilt.
        to: u64,
        /// How they are spoilt.
        how: Mangle,
    },
    /// At [`Point::Head`]: the body leaves compressed, truly.
    Gzip,
    /// Put these bytes on the wire as they are, outside all framing: a bad status line, a bad chunk, a WebSocket frame.
    Raw(Vec<u8>),
    /// End it here.
    Cut(Cut),
}

impl Action {
    /// No pace any more.
    pub const FULL_SPEED: Action = Action::Pace { bytes: u64::MAX, variation: 0, every: Duration::ZERO };
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// FIN: what was sent arrives, then the end of the stream.
    #[serde(rename = "close")]
    Fin,
    /// RST: the connection is reset.
    #[serde(rename = "reset")]
    Rst,
    /// Half-open: no more bytes and no end, until the client gives up or the play ends.
    Silence,
}

/// A change of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Take out every field of this name.
    Remove(String),
    /// One field of this name with this value, in the first one's place, else at the end.
    Set(String, String),
    /// One more field at the end.
    Add(String, String),
    /// One more raw line at the end, without its CRLF: what no library would write.
    Line(Vec<u8>),
    /// Another start line, without its CRLF.
    Start(Vec<u8>),
}

/// How a body's end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// As so many octets: the head says so, whatever is sent.
    Length,
    /// In chunks, ended by the last chunk.
    Chunked,
    /// In chunks, and the last chunk never comes: FIN instead.
    ChunkedUnended,
    /// By the connection's end.
    Close,
}

/// How octets are spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mangle {
    /// One bit of every `every`-th octet.
    Flip {
        /// Octets from one spoilt to the next, at least 1.
        every: u64,
    },
    /// All zero.
    Zero,
    /// Random, from the draw: the same for the same seed.
    Random,
    /// Neighbours change places.
    Swap,
}

impl Mangle {
    /// Spoils `bytes`, the first of which is the body's octet `offset`. The same octets come out however they are cut
    /// into pieces, but for [`Mangle::Swap`], which never crosses a piece.
    pub fn spoil(self, bytes: &mut [u8], offset: u64, draw: &Draw) {
        match self {
            Mangle::Flip { every } => {
                let first = (every - offset % every) % every;
                for at in (first..bytes.len() as u64).step_by(every as usize) {
                    bytes[at as usize] ^= 1 << (draw.bits(offset + at) % 8);
                }
            }
            Mangle::Zero => bytes.fill(0),
            Mangle::Random => {
                (offset..).zip(bytes).for_each(|(at, b)| *b = draw.bits(at / 8).to_le_bytes()[(at % 8) as usize]);
            }
            Mangle::Swap => bytes.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1)),
        }
    }
}

/// An answer of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status code, 200 to 599.
    pub status: u16,
    /// Fields besides `Content-Length` and `Date`.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Where.
    pub at: Point,
    /// What.
    pub action: Action,
}

/// Short for one step.
pub fn at(at: Point, action: Action) -> Step {
    Step { at, action }
}

/// What a request asks for, as far as its own head tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// A document, or a frame's.
    Page,
    /// A whole audio or video file.
    Media,
    /// A playlist: HLS or DASH.
    Manifest,
    /// A piece of a stream.
    Segment,
    /// Script, style, image, font.
    Asset,
    /// What scripts fetch.
    Api,
    /// A WebSocket.
    Socket,
}

/// A request, as faults see it.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a str,
    /// Host, and the port unless it is the scheme's own.
    pub host: &'a str,
    /// Path, without the query.
    pub path: &'a str,
    /// Path and query as sent.
    pub target: &'a str,
    /// What it asks for.
    pub resource: Resource,
    /// The range it asks for.
    pub range: Option<Range>,
    /// Its number among those of the same method and URL, from 1.
    pub nth: u64,
    /// Its head.
    pub head: &'a Head,
}

/// A single byte range, as a request asks for it: `bytes=0-`, `bytes=5-9`, `bytes=-500`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// From here to there (included), or to the end.
    From(u64, Option<u64>),
    /// So many at the end.
    Last(u64),
}

impl Range {
    /// Reads a `Range` field. Several ranges, or other units, are none of ours.
    pub fn read(value: &str) -> Option<Self> {
        let (from, to) = value.trim().strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| text.trim().parse::<u64>().ok();
        match (from.trim(), to.trim()) {
            ("", last) => number(last).map(Range::Last),
            (from, "") => Some(Range::From(number(from)?, None)),
            (from, to) => Some(Range::From(number(from)?, Some(number(to)?))),
        }
    }

    /// The first octet asked for, where the range names it.
    pub fn start(self) -> Option<u64> {
        match self {
            Range::From(start, _) => Some(start),
            Range::Last(_) => None,
        }
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Range::From(from, Some(to)) => write!(f, "bytes={from}-{to}"),
            Range::From(from, None) => write!(f, "bytes={from}-"),
            Range::Last(n) => write!(f, "bytes=-{n}"),
        }
    }
}

/// A `Content-Range` of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// First octet.
    pub first: u64,
    /// Last octet, included.
    pub last: u64,
    /// Of so many; `None` for `*`.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Reads `bytes 0-9/100` or `bytes 0-9/*`.
    pub fn read(value: &str) -> Option<Self> {
        let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        Some(Self { first: first.parse().ok()?, last: last.parse().ok()?, total })
    }
}

impl std::fmt::Display for ContentRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "bytes {}-{}/", self.first, self.last)?;
        match self.total {
            Some(total) => write!(f, "{total}"),
            None => write!(f, "*"),
        }
    }
}

/// A response's head, as faults see it: the server's own, before any fault changed it.
#[derive(Clone, Debug)]
pub struct Response<'a> {
    /// Its status code.
    pub status: u16,
    /// Octets of its body, where the head tells.
    pub length: Option<u64>,
    /// The part it says it is.
    pub range: Option<ContentRange>,
    /// Its head.
    pub head: &'a Head,
}

/// A fault, with its parameters. What it returns is empty where it has nothing to do with an exchange: a shifted
/// `Content-Range` where there is none. Then it was not applied, and nothing claims so.
pub trait Fault: Debug + Send + Sync {
    /// Whether its keys make sense together: why not, in words for the profile's author.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
    /// Of a connection that was just accepted; asked only of a rule that matches no request in particular. A fault
    /// that has steps here is one of the whole connection: whether it fired or not, it is not asked again about the
    /// requests on it.
    fn accept(&self, _draw: &Draw) -> Vec<Step> {
        Vec::new()
    }
    /// Of a request that matched.
    fn request(&self, _request: &Request, _draw: &Draw) -> Vec<Step> {
        Vec::new()
    }
    /// Of the response to a request that matched.
    fn response(&self, _request: &Request, _response: &Response, _draw: &Draw) -> Vec<Step> {
        Vec::new()
    }
    /// What it makes of the link, if it is about the link.
    fn link(&self) -> Option<Part> {
        None
    }
}

/// A kind of fault a profile may name.
pub struct Kind {
    name: &'static str,
    about: &'static str,
    /// Its own keys, as a profile writes them.
    pub example: &'static str,
    /// Makes one of its own keys.
    pub make: fn(toml::Table) -> Result<Arc<dyn Fault>, toml::de::Error>,
}

impl Row for Kind {
    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        self.about
    }
}

/// Every kind of fault.
pub const FAULTS: &[Kind] = &[];
