//! The proxy on real loopback sockets. Servers here are scripts: what they read is compared, what they write is given.

mod actions;
mod framing;
mod link;
mod plain;
mod reach;
mod rules;
mod said;
mod served;
mod smuggling;
mod told;
mod wants;

use super::{Armed, Config, Proxy, Reach, Route};
use crate::event::{Event, Log, Now};
use crate::fault::Leg;
use crate::secret::Secrets;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Nothing here takes as long: what does hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that is told what to do with each connection.
struct Server {
    listener: TcpListener,
    port: u16,
}

impl Server {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        Self { listener, port }
    }

    async fn accept(&self) -> Peer {
        let (socket, _) = within(self.listener.accept()).await.expect("a connection");
        Peer::new(socket)
    }

    /// Answers every request on every connection alike, by the letter.
    fn always(self, answer: impl Into<Vec<u8>>) {
        let answer: Vec<u8> = answer.into();
        tokio::spawn(async move {
            while let Ok((socket, _)) = self.listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut peer = Peer::new(socket);
                    while peer.try_head().await.is_some() && peer.socket.write_all(&answer).await.is_ok() {}
                });
            }
        });
    }
}

/// One end of a connection, read by hand.
struct Peer {
    socket: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    fn new(socket: TcpStream) -> Self {
        socket.set_nodelay(true).expect("sets");
        Self { socket, read: Vec::new() }
    }

    async fn to(address: SocketAddr) -> Self {
        Self::new(within(TcpStream::connect(address)).await.expect("connects"))
    }

    async fn write(&mut self, text: impl AsRef<[u8]>) {
        within(self.socket.write_all(text.as_ref())).await.expect("writes");
    }

    /// A head with its empty line, or `None` at the stream's end.
    async fn try_head(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.read.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = self.read.drain(..at + 4).collect();
                return Some(String::from_utf8(head).expect("text"));
            }
            if self.socket.read_buf(&mut self.read).await.ok()? == 0 {
                return None;
            }
        }
    }

    async fn head(&mut self) -> String {
        within(self.try_head()).await.expect("a head")
    }

    /// So many octets.
    async fn octets(&mut self, n: usize) -> Vec<u8> {
        while self.read.len() < n {
            assert!(
                within(self.socket.read_buf(&mut self.read)).await.expect("reads") > 0,
                "the stream ended: {self:?}"
            );
        }
        self.read.drain(..n).collect()
    }

    async fn text(&mut self, n: usize) -> String {
        String::from_utf8(self.octets(n).await).expect("text")
    }

    /// Everything up to the end, and how it ended.
    async fn rest(&mut self) -> (String, Result<(), std::io::ErrorKind>) {
        loop {
            match within(self.socket.read_buf(&mut self.read)).await {
                Ok(0) => return (self.all(), Ok(())),
                Ok(_) => {}
                Err(e) => return (self.all(), Err(e.kind())),
            }
        }
    }

    fn all(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }

    /// Nothing comes for a while, not even the end.
    async fn silent(&mut self, time: Duration) -> bool {
        self.read.is_empty() && tokio::time::timeout(time, self.socket.read_buf(&mut self.read)).await.is_err()
    }

    fn reset(self) {
        self.socket.set_zero_linger().expect("sets");
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.read))
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("nothing happened for 10 s")
}

/// A proxy and its events.
struct Rig {
    proxy: Proxy,
    now: Now,
    log: Log,
    folder: tempfile::TempDir,
}

impl Rig {
    async fn with(route: Route, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let log = Log::open(&folder.path().join("events.jsonl"), "r", &Secrets::default()).expect("a log");
        let now = Now::default();
        let mut config = Config {
            listen: "127.0.0.1:0".parse().expect("an address"),
            route,
            leg: Leg::Browser,
            reach: Reach { named: vec!["127.0.0.1:*".to_owned()], public: false },
            map: BTreeMap::new(),
            intercept: None,
            trace: Vec::new(),
            storm: None,
            media_proxy: None,
            telemetry: None,
            log: Some(log.clone()),
            now: now.clone(),
        };
        change(&mut config);
        let proxy = Proxy::start(config).await.expect("starts");
        Self { proxy, now, log, folder }
    }

    async fn forward() -> Self {
        Self::with(Route::Forward, |_| {}).await
    }

    async fn reverse(port: u16) -> Self {
        let url = url::Url::parse(&format!("http://127.0.0.1:{port}")).expect("a URL");
        Self::with(Route::Reverse(url), |_| {}).await
    }

    async fn client(&self) -> Peer {
        Peer::to(self.proxy.address()).await
    }

    fn events(&self, name: &str) -> Vec<Event> {
        self.log.sync().expect("syncs");
        let all = crate::event::read(&self.folder.path().join("events.jsonl")).expect("reads");
        all.map(|e| e.expect("an event")).filter(|e| e.event == name).collect()
    }

    /// The events of this name, once there are so many: they are written after the last octet.
    async fn told(&self, name: &str, count: usize) -> Vec<Event> {
        within(async {
            loop {
                let events = self.events(name);
                if events.len() >= count {
                    return events;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await
    }
}
