//! Floor 2. The proxy: between a browser and an app, or between an app's own media proxy and where it fetches from.
//! It forwards raw heads and streams bodies; where a rule fires it does what the fault says. Every request is an
//! event, every firing too.

pub mod control;
pub mod live;

use crate::error::Result;
use crate::event::{Log, Now};
use crate::fault::Leg;
use crate::fault::rule::Rule;
use live::Live;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What a listener does.
pub struct Config {
    /// Where it listens; port 0 for a free one.
    pub listen: SocketAddr,
    /// To whom it passes requests on.
    pub route: Route,
    /// Which faults are its own.
    pub leg: Leg,
    /// Which targets it may reach.
    pub reach: Reach,
    /// Hosts (`name` or `name:port`) that are served from elsewhere.
    pub map: BTreeMap<String, To>,
    /// Hosts that get `traceparent` and `baggage`: `name`, `name:port`, or `*`.
    pub trace: Vec<String>,
    /// Where its events go.
    pub log: Option<Log>,
    /// What goes on in the play.
    pub now: Now,
}

/// To whom requests are passed on.
pub enum Route {
    /// To whom the request names: absolute form, or CONNECT.
    Forward,
    /// To this server (scheme `http`), whatever the request says. It must be resolvable at the start.
    Reverse(url::Url),
}

/// Which targets may be reached. Names are resolved once and the address is kept, so that a name cannot turn inward
/// between the check and the use.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Named targets, `host:port` or `host:*`: reached wherever they lie, loopback and private addresses too.
    pub named: Vec<String>,
    /// Whether any host at a public address is reached as well.
    pub public: bool,
}

/// What serves a mapped host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Another host, `name:port`.
    Host(String),
    /// The files of a folder; ranges are served.
    Folder(PathBuf),
}

/// The faults of a play, armed.
#[derive(Clone, Debug, Default)]
pub struct Armed {
    /// The faults, in the profile's order.
    pub rules: Vec<Rule>,
    /// The seed of every decision.
    pub seed: u64,
    /// The journey, a key of every decision.
    pub journey: String,
}

/// How often a rule was for something, and fired.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// The rule.
    pub id: String,
    /// Requests that came while it was armed.
    pub requests: u64,
    /// Those it matched.
    pub matched: u64,
    /// Times it was applied: its first action was carried out.
    pub applied: u64,
}

/// An armed fault, as it stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The fault and its matching.
    pub rule: Rule,
    /// Whether it is armed: all are at first, [`Proxy::set_armed`] changes it.
    pub armed: bool,
    /// Firings that were asked for and wait for their request.
    pub waiting: u64,
    /// What it came to so far.
    pub tally: Tally,
}

/// A running proxy. Dropping it ends it.
pub struct Proxy {}

impl Proxy {
    /// Starts to listen.
    pub async fn start(_config: Config) -> Result<Self> {
        unimplemented!()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        unimplemented!()
    }

    /// Arms these faults instead of those before, and starts their clock and their counts anew.
    pub fn arm(&self, _armed: Armed) {
        unimplemented!()
    }

    /// What each armed rule came to so far.
    pub fn tally(&self) -> Vec<Tally> {
        unimplemented!()
    }

    /// Each fault as it stands, in the profile's order.
    pub fn standing(&self) -> Vec<Standing> {
        unimplemented!()
    }

    /// Arms one fault, or disarms it; its counts stay. What it began goes on. False: no such fault.
    pub fn set_armed(&self, _id: &str, _armed: bool) -> bool {
        unimplemented!()
    }

    /// Applies a fault once to the next request it is for ([`When::is_for`]), armed or not, whatever its probability,
    /// times, nth, window and step say; a fault of a connection to the next one. False: no such fault.
    ///
    /// [`When::is_for`]: crate::fault::rule::When::is_for
    pub fn fire(&self, _id: &str) -> bool {
        unimplemented!()
    }

    /// Starts all counts and the faults' clock anew; which are armed stays as it is.
    pub fn reset(&self) {
        unimplemented!()
    }

    /// The last requests; they are kept from the first call on.
    pub fn live(&self) -> Live {
        unimplemented!()
    }

    /// Hosts that were only tunnelled: their requests could not be seen.
    pub fn tunnelled(&self) -> Vec<String> {
        unimplemented!()
    }

    /// Whether a request for a path with this token came by: the canary's proof.
    pub fn saw(&self, _token: &str) -> bool {
        unimplemented!()
    }
}
