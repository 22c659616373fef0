//! Connections to servers, and to what serves in a server's place.

use super::authority::Authority;
use super::files::{self, Served};
use super::reach::{self, Not};
use super::wire::{self, Both, Buf, In, Out};
use super::{Shared, To};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What a server's stream is read into, octets.
pub(super) const BUFFER: usize = 64 * 1024;
/// How long a server may take to accept a connection, at each of its addresses.
const PATIENCE: Duration = Duration::from_secs(20);

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
    /// It is another than the one that was asked for.
    pub mapped: bool,
    /// Serves files, where there is no server at all.
    _task: Option<Task>,
}

/// A task that ends with its handle.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Server {
    fn new(halves: (In, Out), to: &Arc<Authority>, since: Instant) -> Self {
        let (input, output) = halves;
        let connect = Some(since.elapsed());
        Self { input, output, buf: Buf::new(BUFFER), to: to.clone(), connect, mapped: false, _task: None }
    }

    /// A server within this process, that serves files.
    pub(super) fn of(served: Served, to: &Arc<Authority>) -> Self {
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        let task = Task(tokio::spawn(files::serve(theirs, served)));
        Self { mapped: true, _task: Some(task), ..Self::new(wire::pipe(ours), to, Instant::now()) }
    }
}

/// Why there is no connection.
pub(super) enum Failed {
    /// The target may not be reached.
    Refused(String),
    /// Nobody is there, in words.
    Down(String),
}

/// Connects to whom a request names, as far as that is allowed.
pub(super) async fn dial(shared: &Shared, to: &Arc<Authority>) -> Result<Server, Failed> {
    let since = Instant::now();
    let down = |e: io::Error| Failed::Down(format!("{}:{}: {e}", to.host, to.port));
    match shared.mapped(to) {
        Some(To::Folder(folder)) => return Ok(Server::of(Served::Folder(folder.clone()), to)),
        Some(To::Host(other)) => {
            let other = Authority::read(other).map_err(|e| Failed::Down(format!("{other}: {e}")))?;
            let addresses = reach::resolve(&other).await.map_err(down)?;
            let halves = wire::tcp(connect(&addresses).await.map_err(down)?);
            return Ok(Server { mapped: true, ..Server::new(halves, to, since) });
        }
        None => {}
    }
    let addresses = match &shared.reverse {
        Some((_, addresses)) => addresses.clone(),
        None => shared.reached.addresses(to).await.map_err(|not| match not {
            Not::Allowed(why) => Failed::Refused(why),
            Not::Found(why) => Failed::Down(why),
        })?,
    };
    let (input, output) = wire::tcp(connect(&addresses).await.map_err(down)?);
    let Some(tls) = shared.intercept.as_ref().filter(|_| to.tls) else {
        return Ok(Server::new((input, output), to, since));
    };
    let stream = tls.connect(Both::new(&[], input, output), &to.host).await.map_err(down)?;
    Ok(Server::new(wire::tls(stream.into()), to, since))
}

async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(e)) => last = e,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}
