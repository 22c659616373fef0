//! Floor 2. The proxy: between a browser and an app, or between an app's own media proxy and where it fetches from.
//! It forwards raw heads and streams bodies; where a rule fires it does what the fault says. Every request is an
//! event, every firing too.

mod answer;
mod armed;
mod asked;
mod authority;
mod body;
mod ca;
mod cache;
mod conn;
pub mod control;
mod dial;
mod exchange;
mod files;
mod host;
mod kind;
mod listener;
pub mod live;
mod pass;
mod perform;
mod plan;
mod reach;
mod response;
mod said;
mod shape;
mod shaped;
mod socket;
mod storm;
mod tap;
mod target;
pub mod tls;
mod told;
mod tunnel;
mod under_way;
mod wire;

pub use host::Host;

use crate::error::{Error, Operator, Result};
use crate::event::{Log, Now};
use crate::fault::Leg;
use crate::fault::rule::Rule;
use armed::Rules;
use authority::Authority;
use cache::Copies;
use listener::Threads;
use live::Live;
use reach::Reached;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, Release},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use storm::Storms;
use tls::Intercept;
use tokio::net::TcpListener;

/// Requests a second for one method and URL that no player needs. Firefox sends 335 after an empty 206.
pub const STORM: u32 = 50;

/// Canary tokens kept, at most.
const TOKENS: usize = 1000;

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
    /// Hosts whose HTTPS is looked into; all other TLS is passed on unread.
    pub intercept: Option<Intercept>,
    /// Hosts that get `traceparent` and `baggage`: `name`, `name:port`, `name:*`, or `*`.
    pub trace: Vec<String>,
    /// Requests a second for one method and URL from which on they are a storm: told once, and held to that rate from
    /// then on. [`STORM`] in plays; `None`: whatever comes.
    pub storm: Option<u32>,
    /// The app's own media proxy, a URL without query: what it and all below it answers is told as such.
    pub media_proxy: Option<String>,
    /// Where the app sends its own telemetry, a URL without query: what is posted there and below is read on the way.
    pub telemetry: Option<String>,
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
    /// Times it was applied: its first action was carried out; of a part of the link, the connections it changed.
    pub applied: u64,
}

/// An armed fault, as it stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The fault and its matching.
    pub rule: Rule,
    /// Whether it is armed: at first as its rule says, [`Proxy::set_armed`] changes it.
    pub armed: bool,
    /// Firings that were asked for and wait for their request.
    pub waiting: u64,
    /// What it came to so far.
    pub tally: Tally,
}

/// A running proxy. Dropping it ends it, and every connection with it.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    _threads: Threads,
}

/// What all connections of a listener share.
struct Shared {
    leg: Leg,
    trace: Vec<String>,
    map: BTreeMap<String, To>,
    storms: Option<Storms>,
    media_proxy: Option<String>,
    telemetry: Option<String>,
    copies: Copies,
    log: Option<Log>,
    now: Now,
    intercept: Option<Intercept>,
    reached: Reached,
    /// The one server of a reverse proxy, with its addresses.
    reverse: Option<(Arc<Authority>, Arc<[SocketAddr]>)>,
    rules: RwLock<Arc<Rules>>,
    /// Counts what was armed: connections take up what is new.
    epoch: AtomicU64,
    live: Live,
    connections: AtomicU64,
    requests: AtomicU64,
    tokens: Mutex<HashSet<String>>,
    tunnelled: Mutex<BTreeSet<String>>,
}

impl Proxy {
    /// Starts to listen.
    pub async fn start(config: Config) -> Result<Self> {
        let doing = format!("listening at {}", config.listen);
        let busy = "end what listens there, or choose another port";
        let listener = TcpListener::bind(config.listen).await.operator(&doing).map_err(|e| e.remedy(busy))?;
        let listener = listener.into_std().operator(&doing)?;
        let address = listener.local_addr().operator(&doing)?;
        let shared = Arc::new(Shared::new(config, address).await?);
        let threads = Threads::start(&shared, listener)?;
        Ok(Self { shared, address, _threads: threads })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Arms these faults instead of those before, and starts their clock and their counts anew. Faults of another leg
    /// than its own are left out.
    pub fn arm(&self, mut armed: Armed) {
        armed.rules.retain(|r| r.leg == self.shared.leg);
        *self.shared.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Rules::new(armed));
        // Only now: whoever reads the new number finds the new rules.
        self.shared.epoch.fetch_add(1, Release);
    }

    /// What each armed rule came to so far.
    pub fn tally(&self) -> Vec<Tally> {
        self.shared.rules().tally()
    }

    /// Each fault as it stands, in the profile's order.
    pub fn standing(&self) -> Vec<Standing> {
        self.shared.rules().standing()
    }

    /// Arms one fault, or disarms it; its counts stay. What it began goes on. False: no such fault.
    pub fn set_armed(&self, id: &str, armed: bool) -> bool {
        self.shared.rules().set_armed(id, armed)
    }

    /// Applies a fault once to the next request it is for ([`When::is_for`]), armed or not, whatever its probability,
    /// times, nth, window and step say; a fault of a connection to the next one. False: no such fault.
    ///
    /// [`When::is_for`]: crate::fault::rule::When::is_for
    pub fn fire(&self, id: &str) -> bool {
        self.shared.rules().ask_for(id)
    }

    /// Starts all counts and the faults' clock anew; which are armed stays as it is.
    pub fn reset(&self) {
        self.shared.rules().reset();
        self.shared.epoch.fetch_add(1, Relaxed);
    }

    /// The last requests; they are kept from the first call on.
    pub fn live(&self) -> Live {
        self.shared.live.watch();
        self.shared.live.clone()
    }

    /// Hosts that were only tunnelled: their requests could not be seen.
    pub fn tunnelled(&self) -> Vec<String> {
        lock(&self.shared.tunnelled).iter().cloned().collect()
    }

    /// Whether a request for a path with this token came by: the canary's proof. Asked for is any path at the host
    /// `soundcheck.invalid`, or `/.soundcheck/canary/TOKEN` at any host; the token is the path's last part.
    pub fn saw(&self, token: &str) -> bool {
        lock(&self.shared.tokens).contains(token)
    }
}

impl Shared {
    async fn new(config: Config, own: SocketAddr) -> Result<Self> {
        let reverse = match &config.route {
            Route::Forward => None,
            Route::Reverse(url) => Some(reverse(url, own).await?),
        };
        Ok(Self {
            reached: Reached::new(&config.reach, own)?,
            leg: config.leg,
            trace: config.trace,
            intercept: config.intercept,
            map: config.map,
            storms: config.storm.map(Storms::new),
            media_proxy: config.media_proxy,
            telemetry: config.telemetry,
            copies: Copies::default(),
            log: config.log,
            now: config.now,
            reverse,
            rules: RwLock::new(Arc::new(Rules::new(Armed::default()))),
            epoch: AtomicU64::new(0),
            live: Live::default(),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            tokens: Mutex::default(),
            tunnelled: Mutex::default(),
        })
    }

    /// Whether a host's HTTPS is looked into.
    fn intercepts(&self, host: &str) -> bool {
        self.intercept.as_ref().is_some_and(|i| i.intercepts(host))
    }

    /// What serves a host in its place.
    fn mapped(&self, to: &Authority) -> Option<&To> {
        if self.map.is_empty() {
            return None;
        }
        self.map.get(&format!("{}:{}", to.host, to.port)).or_else(|| self.map.get(&to.host))
    }

    /// The canary came by with this token.
    fn see(&self, token: &str) {
        let mut tokens = lock(&self.tokens);
        if tokens.len() < TOKENS {
            tokens.insert(token.to_owned());
        }
    }

    fn rules(&self) -> Arc<Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The server of a reverse proxy that listens at `own`.
async fn reverse(url: &url::Url, own: SocketAddr) -> Result<(Arc<Authority>, Arc<[SocketAddr]>)> {
    let wrong = |why: &str| {
        Error::author(format!("`{url}` cannot be proxied to: {why}"))
            .remedy("give a server such as http://127.0.0.1:3000")
    };
    if url.scheme() != "http" {
        return Err(wrong("its scheme is not http"));
    }
    let host = url.host_str().ok_or_else(|| wrong("it has no host"))?;
    let port = url.port_or_known_default().unwrap_or(authority::HTTP);
    let to = Authority::new(authority::read_host(host).map_err(wrong)?, port, false);
    let addresses = reach::resolve(&to).await.map_err(|e| wrong(&e.to_string()))?;
    if addresses.is_empty() {
        return Err(wrong("its name has no address"));
    }
    if addresses.iter().any(|a| reach::leads_to(*a, own)) {
        return Err(wrong("this proxy itself listens there"));
    }
    Ok((Arc::new(to), addresses.into()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
