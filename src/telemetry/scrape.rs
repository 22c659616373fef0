//! The metrics of a run under way, for Prometheus to scrape: `GET /metrics`.

use super::meters::Reader;
use super::{background, prometheus};
use crate::error::{Operator, Result};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use std::net::{SocketAddr, TcpListener};
use tokio::sync::oneshot;

/// Serves until it is dropped.
pub(super) struct Scrape {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Scrape {
    pub(super) fn start(address: SocketAddr, reader: Reader) -> Result<Self> {
        let doing = format!("listening at {address} for scrapes");
        let busy = "end what listens there, or give another --metrics";
        let listener = TcpListener::bind(address).operator(&doing).map_err(|e| e.remedy(busy))?;
        listener.set_nonblocking(true).operator(&doing)?;
        let address = listener.local_addr().operator(&doing)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().operator(&doing)?;
        let (stop, stopped) = oneshot::channel::<()>();
        background("metrics", move || {
            let text = move || async move {
                ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], prometheus::write(&reader.read()))
            };
            let routes = Router::new().route("/metrics", get(text));
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                tokio::select! {
                    ended = async { axum::serve(listener, routes).await } => {
                        if let Err(why) = ended {
                            tracing::warn!("scrapes are not answered any more: {why}");
                        }
                    }
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, _stop: stop })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }
}
