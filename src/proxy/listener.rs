//! Accepting connections. All of them end with the listener's task.

use super::Shared;
use super::conn::Conn;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Accepts until it is dropped; the connections' tasks are its own.
pub(super) async fn listen(shared: Arc<Shared>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, client)) => drop(connections.spawn(Conn::new(&shared, socket, client.ip()).serve())),
                Err(e) => {
                    // Out of files, mostly: some will be closed.
                    tracing::warn!("accepting a connection: {e}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
