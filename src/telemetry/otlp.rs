//! What leaves by OTLP: a bounded queue and a thread for each signal, so that a receiver that is slow with one holds up no
//! other, and none of them a play.

use super::background;
use super::counts::{Counts, Signal};
use super::meters::Reader;
use super::queue::Queue;
use super::refused;
use super::wanted::{Protocol, Wanted};
use crate::error::{Operator, Result};
use opentelemetry::InstrumentationScope;
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, SpanExporter, WithExportConfig as _, WithTonicConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter as _, SdkLogRecord};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter as _;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use tokio::runtime::{Handle, Runtime};

/// Is told that a thread has ended.
pub(super) type Ended = Sender<()>;

/// What an export came to: how many things of it the receiver would not have, and why.
type Came = Result<Option<(u64, String)>, String>;

/// How exports are waited for. Protobuf over HTTP goes by a blocking client, which must not be driven by a runtime; gRPC
/// must.
#[derive(Clone)]
pub(super) enum Way {
    Http,
    Grpc(Handle),
}

impl Way {
    /// The way of a protocol; the runtime of gRPC is made once for all signals.
    pub(super) fn new(protocol: Protocol, grpc: &mut Option<Runtime>) -> Result<Self> {
        match protocol {
            Protocol::Http => {
                // A receiver at https needs a provider, even where only plain http is spoken. A second one changes nothing.
                let _ = rustls::crypto::ring::default_provider().install_default();
                Ok(Way::Http)
            }
            Protocol::Grpc => {
                if grpc.is_none() {
                    let mut builder = tokio::runtime::Builder::new_multi_thread();
                    builder.worker_threads(1).thread_name("otlp grpc").on_thread_start(super::yield_to_others);
                    *grpc = Some(builder.enable_all().build().operator("starting the export by gRPC")?);
                }
                let handle = grpc.as_ref().map(|runtime| runtime.handle().clone());
                Ok(handle.map_or(Way::Http, Way::Grpc))
            }
        }
    }

    /// Does something where exporters can be made.
    pub(super) fn within<T>(&self, make: impl FnOnce() -> T) -> T {
        match self {
            Way::Http => make(),
            Way::Grpc(handle) => {
                let _entered = handle.enter();
                make()
            }
        }
    }

    fn wait(&self, export: impl Future<Output = OTelSdkResult>) -> Came {
        let (done, refused) = refused::during(|| match self {
            Way::Http => futures_executor::block_on(export),
            Way::Grpc(handle) => handle.block_on(export),
        });
        done.map(|()| refused).map_err(|why| why.to_string().trim_start_matches("Operation failed: ").to_owned())
    }
}

/// An exporter of this kind, by the protocol that is wanted; what tells of a resource gets it. The kinds' builders have their
/// methods in common, and no trait.
macro_rules! exporter {
    ($kind:ident, $wanted:expr) => {{
        let Wanted { endpoint, protocol, timeout, .. } = $wanted;
        let builder = $kind::builder();
        match protocol {
            Protocol::Http => builder.with_http().with_endpoint(endpoint).with_timeout(*timeout).build(),
            Protocol::Grpc => {
                trusting(builder.with_tonic(), endpoint).with_endpoint(endpoint).with_timeout(*timeout).build()
            }
        }
    }};
    ($kind:ident, $wanted:expr, $resource:expr) => {
        exporter!($kind, $wanted).map(|mut exporter| {
            exporter.set_resource($resource);
            exporter
        })
    };
}

/// gRPC with TLS trusts by itself nobody at all: it is to trust whom this machine does, as HTTP does.
fn trusting<B: WithTonicConfig>(builder: B, endpoint: &str) -> B {
    match endpoint.starts_with("http://") {
        true => builder,
        false => builder.with_tls_config(ClientTlsConfig::new().with_native_roots()),
    }
}

/// The exporter of spans.
pub(super) fn spans(wanted: &Wanted, resource: &Resource) -> Result<SpanExporter, ExporterBuildError> {
    exporter!(SpanExporter, wanted, resource)
}

/// The exporter of log records.
pub(super) fn logs(wanted: &Wanted, resource: &Resource) -> Result<LogExporter, ExporterBuildError> {
    exporter!(LogExporter, wanted, resource)
}

/// The exporter of metrics; its temporality is what the environment prefers.
pub(super) fn metrics(wanted: &Wanted) -> Result<MetricExporter, ExporterBuildError> {
    exporter!(MetricExporter, wanted)
}

/// The temporality of metrics that leave.
pub(super) fn temporality(exporter: Option<&MetricExporter>) -> Temporality {
    exporter.map_or(Temporality::Cumulative, |exporter| exporter.temporality())
}

/// A signal on its way out.
pub(super) struct Outlet<T> {
    queue: Arc<Queue<T>>,
    counts: Arc<Counts>,
}

impl<T: Send + 'static> Outlet<T> {
    /// Starts its thread, which exports batches until the outlet is closed and empty.
    fn start(
        signal: Signal,
        wanted: &Wanted,
        counts: Arc<Counts>,
        ended: Ended,
        export: impl Fn(Vec<T>) -> Came + Send + 'static,
    ) -> Result<Self> {
        let queue = Arc::new(Queue::new(wanted.queue));
        let (taken, counted, wanted) = (queue.clone(), counts.clone(), wanted.clone());
        background(signal.name(), move || {
            while let Some(batch) = taken.take(wanted.batch, wanted.every) {
                let many = batch.len();
                counted.went(many, export(batch).map_err(|why| format!("{}: {why}", wanted.endpoint)));
            }
            drop(export);
            let _ = ended.send(()); // nobody may wait any more
        })?;
        Ok(Self { queue, counts })
    }

    /// Adds what there is room for.
    pub(super) fn offer(&self, things: Vec<T>) {
        if !things.is_empty() {
            let many = things.len();
            self.counts.came(many, self.queue.offer_all(things));
        }
    }

    pub(super) fn close(&self) {
        self.queue.close();
    }
}

impl Outlet<SpanData> {
    /// Spans leave.
    pub(super) fn spans(
        wanted: &Wanted,
        exporter: SpanExporter,
        way: Way,
        counts: Arc<Counts>,
        ended: Ended,
    ) -> Result<Self> {
        Self::start(Signal::Traces, wanted, counts, ended, move |batch| way.wait(exporter.export(batch)))
    }
}

impl Outlet<SdkLogRecord> {
    /// Log records leave.
    pub(super) fn logs(
        wanted: &Wanted,
        exporter: LogExporter,
        (way, scope): (Way, InstrumentationScope),
        counts: Arc<Counts>,
        ended: Ended,
    ) -> Result<Self> {
        Self::start(Signal::Logs, wanted, counts, ended, move |batch| {
            let batch: Vec<_> = batch.iter().map(|record| (record, &scope)).collect();
            way.wait(exporter.export(LogBatch::new(&batch)))
        })
    }
}

/// Metrics leave every so often, and once at the end.
pub(super) fn export_metrics(
    wanted: &Wanted,
    exporter: MetricExporter,
    (way, reader): (Way, Reader),
    counts: Arc<Counts>,
    (over, ended): (Arc<Queue<()>>, Ended),
) -> Result<()> {
    let Wanted { every, endpoint, .. } = wanted.clone();
    background(Signal::Metrics.name(), move || {
        loop {
            let last = over.closed_within(every);
            counts.came(1, 0);
            let came = way.wait(exporter.export(&reader.read())).map_err(|why| format!("{endpoint}: {why}"));
            // A part of them refused is an export that failed.
            counts.went(1, came.map(|refused| refused.map(|(_, why)| (1, why))));
            if last {
                break;
            }
        }
        drop(exporter);
        let _ = ended.send(()); // nobody may wait any more
    })
}
