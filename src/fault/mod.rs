//! Floor 1, pure. Faults: what may go wrong between a browser and a server. A fault sees a request, and the response's
//! head, and says what is to be done at which point; the proxy carries it out. No sockets, no clock of its own, no
//! state: what it decides depends on the seed and on the request alone, so concurrency cannot change it.
//!
//! A new fault is a leaf file and a row in [`FAULTS`].

mod action;
mod exchange;
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

pub use action::{Action, Answer, Cut, Edit, Framing, Mangle, Point, Step, at};
pub use exchange::{ContentRange, Range, Request, Resource, Response};

use crate::table::Row;
use link::Part;
use seed::Draw;
use serde::de::{DeserializeOwned, Error as _};
use std::fmt::Debug;
use std::sync::Arc;

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
    row(
        "ws_close",
        "a close frame instead of the server's message `nth`, the first of which is 0",
        "code = 1011\nnth = 2",
        of::<ws::Close>,
    ),
    row(
        "ws_stall",
        "silence, both ways, from the server's message `nth` on, the first of which is 0",
        "nth = 2",
        of::<ws::Stall>,
    ),
    row(
        "ws_drop",
        "`count` messages of the server's are lost from `nth` on, the first of which is 0",
        "nth = 2\ncount = 3",
        of::<ws::Lost>,
    ),
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
