//! Traces, as an app of the kind has them: who asks with a `traceparent` finds the stage's spans in the same trace. They are
//! exported where the standard `OTEL_*` variables say, and nowhere without them; the headers are passed on either way.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{SpanExporter, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use opentelemetry_semantic_conventions::attribute as known;
use url::Url;

use crate::Result;

/// What names this program's tracer, and its service where the environment does not.
const NAME: &str = "soundcheck-stage";
/// A stage that a run ends is killed at once: its spans must have left by then.
const EVERY: Duration = Duration::from_millis(200);

/// Starts to export, if the environment asks for it.
pub fn start() -> Result<()> {
    let propagators: Vec<Box<dyn opentelemetry::propagation::TextMapPropagator + Send + Sync>> =
        vec![Box::new(TraceContextPropagator::new()), Box::new(BaggagePropagator::new())];
    global::set_text_map_propagator(TextMapCompositePropagator::new(propagators));
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let off = set("OTEL_SDK_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true"))
        || set("OTEL_TRACES_EXPORTER").is_some_and(|v| v == "none");
    let to = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"].into_iter().find_map(set);
    if off || to.is_none() {
        return Ok(());
    }
    // For a receiver at https. A second install is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let grpc = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"].into_iter().find_map(set);
    let builder = SpanExporter::builder();
    let exporter = match grpc.as_deref() {
        // With TLS it would trust nobody by itself.
        Some("grpc") if to.as_ref().is_some_and(|to| to.starts_with("https:")) => {
            builder.with_tonic().with_tls_config(ClientTlsConfig::new().with_native_roots()).build()
        }
        _ => builder.build(),
    };
    let exporter = exporter.map_err(|e| format!("cannot export traces: {e}"))?;
    let batches = BatchConfigBuilder::default().with_scheduled_delay(EVERY).build();
    let service = set("OTEL_SERVICE_NAME").unwrap_or_else(|| NAME.to_owned());
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new(known::SERVICE_VERSION, env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
        .build();
    global::set_tracer_provider(provider);
    Ok(())
}

/// A span for each request that is served, to its answer's head; what the handler calls is below it.
pub async fn serve(mut request: Request, next: Next) -> Response {
    let parent = context(request.headers());
    let method = request.method().to_string();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let name = route.as_ref().map_or_else(|| method.clone(), |route| format!("{method} {route}"));
    let mut attributes = vec![
        KeyValue::new(known::HTTP_REQUEST_METHOD, method),
        KeyValue::new(known::URL_PATH, request.uri().path().to_owned()),
        KeyValue::new(known::URL_SCHEME, "http"),
    ];
    attributes.extend(route.map(|route| KeyValue::new(known::HTTP_ROUTE, route)));
    let carried = [("soundcheck.session_id", known::SESSION_ID), ("soundcheck.run_id", "synthetic.run.id")];
    for (of, name) in carried {
        attributes.extend(parent.baggage().get(of).map(|value| KeyValue::new(name, value.to_string())));
    }
    let here = begin(name, SpanKind::Server, attributes, &parent);
    inject(&here, request.headers_mut());
    let response = next.run(request).await;
    let status = response.status();
    here.span().set_attribute(KeyValue::new(known::HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16())));
    if status.is_server_error() {
        here.span().set_status(Status::error(""));
    }
    here.span().end();
    response
}

/// A request of the stage's own, for the sake of one it serves.
pub struct Call(Context);

impl Call {
    /// Begins it; `headers` are those of the request that is served, `to` get the trace.
    pub fn begin(url: &Url, headers: &HeaderMap, to: &mut HeaderMap) -> Self {
        let bare = format!("{}{}", url.origin().ascii_serialization(), url.path());
        let attributes = vec![
            KeyValue::new(known::HTTP_REQUEST_METHOD, "GET"),
            KeyValue::new(known::URL_FULL, bare),
            KeyValue::new(known::SERVER_ADDRESS, url.host_str().unwrap_or_default().to_owned()),
            KeyValue::new(known::SERVER_PORT, i64::from(url.port_or_known_default().unwrap_or(80))),
        ];
        let here = begin("GET".to_owned(), SpanKind::Client, attributes, &context(headers));
        inject(&here, to);
        Self(here)
    }

    /// It was answered, or not at all.
    pub fn end(self, answered: std::result::Result<StatusCode, String>) {
        let span = self.0.span();
        match answered {
            Ok(status) => {
                span.set_attribute(KeyValue::new(known::HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16())));
                if status.is_client_error() || status.is_server_error() {
                    span.set_attribute(KeyValue::new(known::ERROR_TYPE, status.as_str().to_owned()));
                    span.set_status(Status::error(""));
                }
            }
            Err(why) => {
                span.set_attribute(KeyValue::new(known::ERROR_TYPE, "_OTHER"));
                span.set_status(Status::error(why));
            }
        }
        span.end();
    }
}

fn begin(name: String, kind: SpanKind, attributes: Vec<KeyValue>, parent: &Context) -> Context {
    let tracer = global::tracer(NAME);
    let span =
        tracer.span_builder(name).with_kind(kind).with_attributes(attributes).start_with_context(&tracer, parent);
    parent.with_span(span)
}

fn context(headers: &HeaderMap) -> Context {
    global::get_text_map_propagator(|known| known.extract_with_context(&Context::new(), &HeaderExtractor(headers)))
}

fn inject(context: &Context, headers: &mut HeaderMap) {
    global::get_text_map_propagator(|known| known.inject_context(context, &mut HeaderInjector(headers)));
}
