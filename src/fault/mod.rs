//! Floor 1, pure. Faults: what may go wrong between a browser and a server. A fault sees a request, and the response's
//! head, and says what is to be done at which point; the proxy carries it out. No sockets, no clock of its own, no
//! state: what it decides depends on the seed and on the request alone, so concurrency cannot change it.
//!
//! A new fault is a leaf file and a row in [`FAULTS`].

pub mod head;
pub mod link;
pub mod rule;
pub mod seed;

mod field;
#[cfg(test)]
mod playbook;
mod steps;

mod auth_challenge;
mod bandwidth;
mod cache_first;
mod chunked;
mod content_encoding;
mod content_length;
mod content_range;
mod corrupt;
mod cors;
mod cut;
mod header;
mod latency;
mod limit;
mod loss;
mod multipart;
mod outage;
mod pace;
mod range_body_shift;
mod range_empty;
mod range_ignored;
mod range_short;
mod redirect;
mod replace;
mod rewrite_range;
mod slot;
mod slow_close;
mod status;
mod trace;
mod truncate;
mod validator_change;
mod wait;
mod ws;

use crate::table::Row;
use head::Head;
use link::Part;
use seed::Draw;
use serde::de::{DeserializeOwned, Error as _};
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

/// A fault of its own keys, or what is wrong with them.
pub type Made = Result<Arc<dyn Fault>, toml::de::Error>;

/// A kind of fault a profile may name.
pub struct Kind {
    name: &'static str,
    about: &'static str,
    /// Its own keys, as a profile writes them: lines of TOML.
    pub example: &'static str,
    /// Makes one of its own keys.
    pub make: fn(toml::Table) -> Made,
}

impl Row for Kind {
    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        self.about
    }
}

const fn row(name: &'static str, about: &'static str, example: &'static str, make: fn(toml::Table) -> Made) -> Kind {
    Kind { name, about, example, make }
}

/// Makes a fault whose fields are its keys.
fn of<F: Fault + DeserializeOwned + 'static>(keys: toml::Table) -> Made {
    let fault: F = keys.try_into()?;
    fault.check().map_err(toml::de::Error::custom)?;
    Ok(Arc::new(fault))
}

/// Every kind of fault.
pub const FAULTS: &[Kind] = &[
    // The link.
    row(
        "bandwidth",
        "the link carries no more than so much; all connections share it",
        "down = \"1600 kbit/s\"\nup = \"750 kbit/s\"\nqueue = \"64 KiB\"",
        of::<bandwidth::Bandwidth>,
    ),
    row(
        "latency",
        "a round trip takes so much longer, with jitter",
        "rtt = \"150 ms\"\njitter = \"20 ms\"\nspread = \"normal\"\ncorrelation = \"25 %\"",
        of::<latency::Latency>,
    ),
    row(
        "loss",
        "segments are lost in runs (modelled; Gilbert-Elliott)",
        "p = \"2.5 %\"\nr = \"50 %\"",
        of::<loss::Loss>,
    ),
    row(
        "outage",
        "no octet passes for a while: held, swallowed, or connections refused",
        "at = \"10s\"\nlasts = \"4s\"\nevery = \"60s\"\nmode = \"hold\"",
        of::<outage::Outage>,
    ),
    row(
        "slot",
        "what is sent arrives in bursts, as on Wi-Fi and mobile networks",
        "min = \"20 ms\"\nmax = \"100 ms\"\nbytes = \"64 KiB\"",
        of::<slot::Slot>,
    ),
    row(
        "trace",
        "the link delivers as a recorded one did: 1500 octets at each of these milliseconds",
        "down = [1, 3, 3, 8, 20]",
        of::<trace::Trace>,
    ),
    // Connections.
    row("reset", "the connection is reset (RST)", "at = \"1 MB\"", cut::reset),
    row("close", "the connection ends too early (FIN)", "at = \"1 MB\"", cut::close),
    row("stall", "no more octets and no end, for ever or for a while", "at = \"1 MB\"\nlasts = \"12s\"", cut::stall),
    row(
        "limit",
        "a connection carries no more than so many octets",
        "bytes = \"200 kB\"\nhow = \"reset\"",
        of::<limit::Limit>,
    ),
    row("slow_close", "the connection's end is told late", "delay = \"3s\"", of::<slow_close::SlowClose>),
    row(
        "slicer",
        "the response comes in small writes",
        "size = \"100 B\"\nvariation = \"20 B\"\ndelay = \"2 ms\"",
        of::<pace::Slicer>,
    ),
    // Requests.
    row(
        "strip_header",
        "a field of the request does not reach the server",
        "name = \"If-Range\"",
        of::<header::StripHeader>,
    ),
    row("delay", "the request is sent on later", "time = \"2s\"", of::<wait::Delay>),
    row(
        "rewrite_range",
        "the server is asked for another part than the client wants",
        "shift = 100",
        of::<rewrite_range::RewriteRange>,
    ),
    // Responses.
    row("status", "an error in the server's place", "code = 503\nretry_after = \"5s\"", of::<status::Status>),
    row("redirect", "go elsewhere; `{url}` alone is a loop", "code = 302\nto = \"{url}\"", of::<redirect::Redirect>),
    row(
        "auth_challenge",
        "who are you? 401 or 407",
        "code = 401\nscheme = \"Basic\"",
        of::<auth_challenge::AuthChallenge>,
    ),
    row("ttfb", "the response begins later", "time = \"2s\"", of::<wait::Ttfb>),
    row(
        "drip_headers",
        "the head comes a few octets at a time",
        "bytes = \"4 B\"\nevery = \"100 ms\"",
        of::<pace::DripHeaders>,
    ),
    row(
        "content_length",
        "the length told is not the length sent: off by octets, missing, conflicting, with_chunked",
        "off = 100",
        of::<content_length::ContentLength>,
    ),
    row("content_type", "another content type, or none", "value = \"text/html\"", of::<header::ContentType>),
    row(
        "content_encoding",
        "said to be compressed and not (gzip_lie), or truly so (gzip)",
        "how = \"gzip_lie\"",
        of::<content_encoding::ContentEncoding>,
    ),
    row("cors", "other origins may no longer read it: strip, wrong", "how = \"strip\"", of::<cors::Cors>),
    row(
        "header",
        "a field of the response is set, added, or removed",
        "name = \"X-Content-Type-Options\"\nset = \"nosniff\"",
        of::<header::Header>,
    ),
    // Ranges.
    row("range_ignored", "200 and the whole file, whatever part was asked for", "", of::<range_ignored::RangeIgnored>),
    row("content_range_missing", "206 that does not say which part it is", "", of::<content_range::Missing>),
    row("content_range_shift", "206 that says another part than it is", "by = 1", of::<content_range::Shift>),
    row(
        "range_body_shift",
        "206 that says the right part and is another",
        "by = 100",
        of::<range_body_shift::RangeBodyShift>,
    ),
    row(
        "range_short",
        "206 with less than was asked for, as a server may",
        "max = \"256 KiB\"",
        of::<range_short::RangeShort>,
    ),
    row("range_empty", "206 without an octet", "", of::<range_empty::RangeEmpty>),
    row("multipart", "206 of several parts where one was asked for", "", of::<multipart::Multipart>),
    row("total", "the whole file's length is wrong, or `*`, in each 206", "off = 100", of::<content_range::Total>),
    row("validator_change", "another ETag with every request", "", of::<validator_change::ValidatorChange>),
    // Bodies.
    row(
        "truncate",
        "the file ends too early, and everything agrees that it does",
        "at = \"40 %\"",
        of::<truncate::Truncate>,
    ),
    row(
        "corrupt",
        "octets of the file are wrong: flip, zero, random, swap",
        "how = \"flip\"\nevery = \"10 kB\"\nfrom = \"100 kB\"\nto = \"2 MB\"",
        of::<corrupt::Corrupt>,
    ),
    row(
        "chunked",
        "chunks that do not end as they should: bad_size, cut, no_terminator",
        "how = \"cut\"\nat = \"1 MB\"",
        of::<chunked::Chunked>,
    ),
    row("gap", "a pause in the body", "at = \"1 MB\"\nlasts = \"6s\"", of::<wait::Gap>),
    row(
        "trickle",
        "the body a few octets at a time",
        "bytes = \"1 B\"\nevery = \"100 ms\"\nat = \"300 kB\"",
        of::<pace::Trickle>,
    ),
    row(
        "replace",
        "something else comes, with 200: html, empty, or a text",
        "with = \"html\"\ntype = \"video/mp4\"",
        of::<replace::Replace>,
    ),
    // WebSockets.
    row("ws_close", "a close frame instead of the server's message", "code = 1011\nnth = 2", of::<ws::Close>),
    row("ws_stall", "silence from the server's message on", "nth = 2", of::<ws::Stall>),
    row("ws_drop", "messages of the server's are lost", "nth = 2\ncount = 3", of::<ws::Lost>),
    // Remedies.
    row("cache_first", "answers come from a full local copy, fetched once", "", of::<cache_first::CacheFirst>),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_has_a_name_of_its_own_and_an_example_that_is_taken() {
        let names: BTreeSet<_> = FAULTS.iter().map(Row::name).collect();
        assert_eq!(names.len(), FAULTS.len());
        for kind in FAULTS {
            let keys = toml::from_str(kind.example).expect("an example is TOML");
            assert!((kind.make)(keys).is_ok(), "{}", kind.name);
        }
    }

    #[test]
    fn no_row_takes_a_key_it_does_not_know() {
        for kind in FAULTS {
            let mut keys: toml::Table = toml::from_str(kind.example).expect("an example is TOML");
            keys.insert("colour".to_owned(), true.into());
            let why = (kind.make)(keys).expect_err(kind.name).to_string();
            assert!(why.contains("unknown field `colour`"), "{}: {why}", kind.name);
        }
    }

    #[test]
    fn what_is_of_the_link_is_of_nothing_else() {
        let link = ["bandwidth", "latency", "loss", "outage", "slot", "trace"];
        for kind in FAULTS {
            let fault = playbook::fault(kind.name, kind.example);
            assert_eq!(fault.link().is_some(), link.contains(&kind.name), "{}", kind.name);
        }
    }
}
