//! What the proxy's tests share: seeded conversations, an origin and a client made by hand from sockets, and what
//! counts as equal. Nothing here knows HTTP as a library does: both ends know beforehand every octet that must come.
#![allow(dead_code, reason = "every test binary uses a part of it")]

pub mod net;
pub mod program;
pub mod script;
pub mod serve;
pub mod talk;
pub mod tls;

use soundcheck::event::{Log, Now};
use soundcheck::fault::Leg;
use soundcheck::fault::seed::Dice;
use soundcheck::proxy::{Config, Proxy, Reach, Route};
use soundcheck::secret::Secrets;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;

/// What a seed decides.
pub struct Rng(Dice);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(Dice::new(seed))
    }

    pub fn bits(&mut self) -> u64 {
        self.0.bits()
    }

    /// From 0 up to `n`, which is not reached.
    pub fn below(&mut self, n: usize) -> usize {
        self.0.below(n)
    }

    /// Between these two, both included.
    pub fn within(&mut self, from: usize, to: usize) -> usize {
        from + self.below(to - from + 1)
    }

    /// True so often of a hundred times.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// Random octets that bodies are cut from: comparing is then a matter of slices, even in a build for debugging.
pub const BLOCK: usize = 16 << 20;

pub fn block() -> &'static [u8] {
    static OCTETS: OnceLock<Vec<u8>> = OnceLock::new();
    OCTETS.get_or_init(|| {
        let mut rng = Rng::new(0);
        (0..BLOCK / 8).flat_map(|_| rng.bits().to_le_bytes()).collect()
    })
}

/// The number an environment variable gives, or another.
pub fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

/// A runtime for proxies, with as many threads as a small machine has cores.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// A log of events in a file.
pub fn log(path: &Path) -> Log {
    Log::open(path, "wire", &Secrets::default()).expect("a log")
}

/// A proxy on a free port that reaches loopback only.
pub fn proxy(runtime: &tokio::runtime::Runtime, route: Route, log: Option<Log>) -> Proxy {
    start(runtime, config(route, log))
}

pub fn start(runtime: &tokio::runtime::Runtime, config: Config) -> Proxy {
    runtime.block_on(Proxy::start(config)).expect("the proxy listens")
}

pub fn config(route: Route, log: Option<Log>) -> Config {
    Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        route,
        leg: Leg::Browser,
        reach: Reach { named: vec!["127.0.0.1:*".to_owned(), "localhost:*".to_owned()], public: false },
        map: BTreeMap::new(),
        intercept: None,
        trace: Vec::new(),
        storm: None,
        media_proxy: None,
        telemetry: None,
        log,
        now: Now::default(),
    }
}

/// The route of a reverse proxy to a loopback port.
pub fn to(port: u16) -> Route {
    Route::Reverse(url::Url::parse(&format!("http://127.0.0.1:{port}")).expect("a URL"))
}
