//! Connections to servers.

use super::Shared;
use super::authority::Authority;
use super::reach::Not;
use super::wire::{self, Buf, In, Out};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What a server's stream is read into, octets.
pub(super) const BUFFER: usize = 64 * 1024;

/// A connection to a server.
pub(super) struct Server {
    pub input: In,
    pub output: Out,
    /// What came from it and was not passed on yet.
    pub buf: Buf,
    /// Whom it was made for.
    pub to: Arc<Authority>,
    /// How long that took; until somebody has told it.
    pub connect: Option<Duration>,
}

impl Server {
    fn new(halves: (In, Out), to: &Arc<Authority>, since: Instant) -> Self {
        let (input, output) = halves;
        Self { input, output, buf: Buf::new(BUFFER), to: to.clone(), connect: Some(since.elapsed()) }
    }
}

/// Why there is no connection.
pub(super) enum Failed {
    /// The target may not be reached.
    Refused(String),
    /// Nobody is there, in words; and whether waiting for it took too long.
    Down(String),
}

/// How long a server may take to accept a connection. A browser's own limit is longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connects to whom a request names, as far as that is allowed.
pub(super) async fn dial(shared: &Shared, to: &Arc<Authority>) -> Result<Server, Failed> {
    let since = Instant::now();
    let addresses = match &shared.reverse {
        Some((_, addresses)) => addresses.clone(),
        None => shared.reached.addresses(to).await.map_err(|not| match not {
            Not::Allowed(why) => Failed::Refused(why),
            Not::Found(why) => Failed::Down(why),
        })?,
    };
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses.iter() {
        match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => return Ok(Server::new(wire::tcp(socket), to, since)),
            Ok(Err(e)) => last = e,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(Failed::Down(format!("{}:{}: {last}", to.host, to.port)))
}
