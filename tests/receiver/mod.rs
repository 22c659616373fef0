//! A real OTLP receiver: protobuf over HTTP or gRPC, as OpenTelemetry's own definitions have it. It keeps what it gets, or
//! refuses, or takes its time.
#![allow(dead_code, reason = "every test binary uses a part of it")]

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// What it does with what it gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mood {
    Good,
    Refuses,
    Slow(Duration),
    /// Takes all but one of each request.
    Picks,
}

#[derive(Default)]
pub struct Got {
    pub traces: Vec<ExportTraceServiceRequest>,
    pub metrics: Vec<ExportMetricsServiceRequest>,
    pub logs: Vec<ExportLogsServiceRequest>,
    /// Of each request.
    pub headers: Vec<HeaderMap>,
}

/// Serves until the test ends.
#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    got: Arc<Mutex<Got>>,
    mood: Mood,
}

impl Receiver {
    pub fn http(mood: Mood) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("set");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let this = Self { url, got: Arc::default(), mood };
        let state = this.clone();
        std::thread::spawn(move || {
            runtime().block_on(async move {
                let routes = Router::new().route("/v1/{signal}", post(take)).with_state(state);
                let routes = routes.layer(axum::extract::DefaultBodyLimit::disable());
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                axum::serve(listener, routes).await.expect("serves");
            });
        });
        this
    }

    pub fn grpc(mood: Mood) -> Self {
        Self::over("http", Server::builder(), mood)
    }

    /// Over TLS, with this certificate and its key, in PEM.
    pub fn grpc_with_tls(mood: Mood, certificate: &str, key: &str) -> Self {
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
        Self::over("https", Server::builder().tls_config(tls).expect("a certificate"), mood)
    }

    fn over(scheme: &str, mut server: Server, mood: Mood) -> Self {
        let (send, receive) = std::sync::mpsc::channel();
        let this = Self { url: String::new(), got: Arc::default(), mood };
        let state = this.clone();
        std::thread::spawn(move || {
            runtime().block_on(async move {
                let incoming = TcpIncoming::bind("127.0.0.1:0".parse().expect("an address")).expect("binds");
                send.send(incoming.local_addr().expect("an address")).expect("somebody waits");
                let gzip = CompressionEncoding::Gzip;
                server
                    .add_service(TraceServiceServer::new(state.clone()).accept_compressed(gzip))
                    .add_service(MetricsServiceServer::new(state.clone()).accept_compressed(gzip))
                    .add_service(LogsServiceServer::new(state).accept_compressed(gzip))
                    .serve_with_incoming(incoming)
                    .await
                    .expect("serves");
            });
        });
        Self { url: format!("{scheme}://{}", receive.recv().expect("it listens")), ..this }
    }

    pub fn got<T>(&self, look: impl FnOnce(&Got) -> T) -> T {
        look(&self.got.lock().expect("not poisoned"))
    }

    /// Every span, with its resource.
    pub fn spans(&self) -> Vec<(Resource, Span)> {
        self.got(|got| {
            let all = got.traces.iter().flat_map(|request| &request.resource_spans);
            all.flat_map(|of| {
                let resource = of.resource.clone().unwrap_or_default();
                of.scope_spans.iter().flat_map(|s| &s.spans).map(move |span| (resource.clone(), span.clone()))
            })
            .collect()
        })
    }

    pub fn logs(&self) -> Vec<LogRecord> {
        self.got(|got| {
            let all = got.logs.iter().flat_map(|request| &request.resource_logs);
            all.flat_map(|of| &of.scope_logs).flat_map(|of| &of.log_records).cloned().collect()
        })
    }

    /// The metrics of the last export.
    pub fn metrics(&self) -> Vec<Metric> {
        self.got(|got| {
            let last = got.metrics.last().into_iter().flat_map(|request| &request.resource_metrics);
            last.flat_map(|of| &of.scope_metrics).flat_map(|of| &of.metrics).cloned().collect()
        })
    }

    pub fn resource_of_metrics(&self) -> Resource {
        self.got(|got| {
            let first = got.metrics.first().and_then(|request| request.resource_metrics.first());
            first.and_then(|of| of.resource.clone()).expect("a resource")
        })
    }

    fn picks(&self) -> Option<ExportTracePartialSuccess> {
        let said = "one of them I do not like".to_owned();
        (self.mood == Mood::Picks).then_some(ExportTracePartialSuccess { rejected_spans: 1, error_message: said })
    }

    async fn wait(&self) -> bool {
        match self.mood {
            Mood::Slow(time) => tokio::time::sleep(time).await,
            Mood::Refuses => return false,
            Mood::Good | Mood::Picks => {}
        }
        true
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// An attribute as text.
pub fn text(attributes: &[KeyValue], name: &str) -> Option<String> {
    let value = attributes.iter().find(|a| a.key == name)?.value.clone()?;
    Some(match value.value? {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::BoolValue(yes) => yes.to_string(),
        other => format!("{:?}", AnyValue { value: Some(other) }),
    })
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

async fn take(
    State(receiver): State<Receiver>,
    Path(signal): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    if !receiver.wait().await {
        return (StatusCode::SERVICE_UNAVAILABLE, Vec::new());
    }
    let mut plain = Vec::new();
    match headers.get("content-encoding") {
        Some(coding) => {
            assert_eq!(coding, "gzip");
            flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).expect("gzip");
        }
        None => plain.extend_from_slice(&body),
    }
    let mut got = receiver.got.lock().expect("not poisoned");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    match signal.as_str() {
        "traces" => got.traces.push(ExportTraceServiceRequest::decode(&plain[..]).expect("spans")),
        "metrics" => got.metrics.push(ExportMetricsServiceRequest::decode(&plain[..]).expect("metrics")),
        "logs" => got.logs.push(ExportLogsServiceRequest::decode(&plain[..]).expect("logs")),
        _ => return (StatusCode::NOT_FOUND, Vec::new()),
    }
    got.headers.push(headers);
    let response = ExportTraceServiceResponse { partial_success: receiver.picks() };
    // The three signals' answers are the same on the wire.
    (StatusCode::OK, response.encode_to_vec())
}

fn unavailable() -> Status {
    Status::unavailable("not now")
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if !self.wait().await {
            return Err(unavailable());
        }
        let mut got = self.got.lock().expect("not poisoned");
        got.headers.push(request.metadata().clone().into_headers());
        got.traces.push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse { partial_success: self.picks() }))
    }
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        if !self.wait().await {
            return Err(unavailable());
        }
        let mut got = self.got.lock().expect("not poisoned");
        got.headers.push(request.metadata().clone().into_headers());
        got.metrics.push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        if !self.wait().await {
            return Err(unavailable());
        }
        let mut got = self.got.lock().expect("not poisoned");
        got.headers.push(request.metadata().clone().into_headers());
        got.logs.push(request.into_inner());
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}
