//! Requests as OpenTelemetry's conventions for HTTP clients tell them, for metrics and spans alike.

use super::names::text;
use crate::event::Event;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_semantic_conventions::attribute as known;

/// Methods that the conventions know.
const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"];
/// What any other is called.
pub(super) const OTHER: &str = "_OTHER";

/// Whether it is a request of the page or of its app, and its answer, as a proxy told it: nothing that the browser asks for
/// on its own behalf.
pub(super) fn is_request(event: &Event) -> bool {
    matches!(event.event.as_str(), "proxy_response" | "video_proxy_response") && !event.flag("background")
}

/// Its method as the conventions have it, and how it was written where they do not know it.
pub(super) fn method(event: &Event) -> (&'static str, Option<&str>) {
    let said = event.text("method");
    match METHODS.into_iter().find(|known| said == Some(*known)) {
        Some(known) => (known, None),
        None => (OTHER, said),
    }
}

/// Where it went: `server.address` and `server.port`, the scheme's own where the host names none.
pub(super) fn server(event: &Event) -> [KeyValue; 2] {
    let host = event.text("host").unwrap_or_default();
    let named = host.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse::<u16>().ok()?)));
    // The colons of an address in brackets are its own.
    let (name, port) = named.filter(|_| !host.ends_with(']')).map_or((host, None), |(name, port)| (name, Some(port)));
    let tls = event.text("url").is_some_and(|url| url.starts_with("https:"));
    let port = port.unwrap_or(if tls { 443 } else { 80 });
    [
        text(known::SERVER_ADDRESS, name.trim_matches(['[', ']']).to_owned()),
        KeyValue::new(known::SERVER_PORT, i64::from(port)),
    ]
}

/// Its answer's status, where one came.
pub(super) fn status(event: &Event) -> Option<i64> {
    event.number("status").map(|status| status as i64)
}

/// A header: a list, for there may be several of a name.
pub(super) fn header(name: &'static str, value: &str) -> KeyValue {
    KeyValue::new(name, Value::Array(Array::String(vec![value.to_owned().into()])))
}

/// Why it is an error: no answer, a status of 400 and above, or a body that broke off. It is none where nobody waited any
/// more: a player seeks away, a page is left, a play ends. Nor is the end of a socket that was opened.
pub(super) fn error(event: &Event) -> Option<String> {
    let ended = event.text("ended");
    match status(event) {
        Some(101) => None,
        Some(status @ 400..) => Some(status.to_string()),
        Some(_) => ended.filter(|ended| *ended == "upstream_cut").map(str::to_owned),
        None if matches!(ended, Some("client_gone" | "play_over")) => None,
        None => Some(ended.unwrap_or(OTHER).to_owned()),
    }
}

/// The span of another trace that a page says its request is of.
pub(super) fn of_another(event: &Event) -> Option<SpanContext> {
    let mut parts = event.text("traceparent")?.split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok().filter(|id| *id != TraceId::INVALID)?;
    let span = SpanId::from_hex(parts.next()?).ok().filter(|id| *id != SpanId::INVALID)?;
    let flags = u8::from_str_radix(parts.next()?, 16).ok()?;
    Some(SpanContext::new(trace, span, TraceFlags::new(flags), true, TraceState::NONE))
}
