//! The proxy's own threads: nothing else that the program does delays what is paced here. Each has its share of the
//! connections and keeps them.

use super::Shared;
use super::conn::Conn;
use crate::error::{Operator, Result};
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

/// Threads at most: what one cannot do in time, some others may.
const THREADS: usize = 4;

/// The threads. Dropped, they end, and every connection with them.
pub(super) struct Threads {
    stop: Option<watch::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// A connection on its way to its thread.
type Accepted = (std::net::TcpStream, IpAddr);

impl Threads {
    /// Starts to accept.
    pub(super) fn start(shared: &Arc<Shared>, listener: TcpListener) -> Result<Self> {
        let doing = "starting the proxy";
        let (stop, stopped) = watch::channel(());
        let mut running = Self { stop: Some(stop), threads: Vec::new() };
        let count = std::thread::available_parallelism().map_or(1, |n| n.get().min(THREADS));
        let mut others = Vec::new();
        let mut listener = Some(listener);
        for number in (0..count).rev() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().operator(doing)?;
            let (shared, mut stopped) = (shared.clone(), stopped.clone());
            // The last to start is the one that accepts: it knows the others.
            let accepts = if number == 0 { listener.take().map(|l| (l, std::mem::take(&mut others))) } else { None };
            let (give, take) = unbounded_channel();
            others.push(give);
            let work = async move {
                tokio::select! {
                    // Ends when the sender is dropped.
                    _ = stopped.changed() => {}
                    () = serve(shared, accepts, take) => {}
                }
            };
            let thread = std::thread::Builder::new().name("proxy".to_owned()).spawn(move || {
                runtime.block_on(work);
                // Its connections end here; a file that is just read needs no waiting for.
                runtime.shutdown_background();
            });
            running.threads.push(thread.operator(doing)?);
        }
        Ok(running)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop = None;
        for thread in self.threads.drain(..) {
            // One that panicked has ended as well.
            let _ = thread.join();
        }
    }
}

async fn serve(
    shared: Arc<Shared>,
    accepts: Option<(TcpListener, Vec<UnboundedSender<Accepted>>)>,
    mut given: UnboundedReceiver<Accepted>,
) {
    match accepts {
        Some((listener, others)) => accept(&shared, listener, &others).await,
        None => {
            while let Some((socket, client)) = given.recv().await {
                if let Ok(socket) = TcpStream::from_std(socket) {
                    tokio::spawn(Conn::new(&shared, socket, client).serve());
                }
            }
        }
    }
}

async fn accept(shared: &Arc<Shared>, listener: TcpListener, others: &[UnboundedSender<Accepted>]) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(e) => return tracing::error!("the proxy cannot listen: {e}"),
    };
    for turn in 0.. {
        let (socket, client) = match listener.accept().await {
            Ok((socket, client)) => (socket, client.ip()),
            Err(e) => {
                // Out of files, mostly: some will be closed.
                tracing::warn!("accepting a connection: {e}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        match others.get(turn % (others.len() + 1)) {
            Some(other) => {
                if let Ok(socket) = socket.into_std() {
                    // It ends only with all of them.
                    let _ = other.send((socket, client));
                }
            }
            None => drop(tokio::spawn(Conn::new(shared, socket, client).serve())),
        }
    }
}
