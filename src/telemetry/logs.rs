//! Events to log records: every event, with its name, its time, its trace and its fields.

use super::names::Names;
use super::spans::trace_id;
use super::when::When;
use crate::event::Event;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::trace::{SpanId, TraceFlags};
use opentelemetry::{InstrumentationScope, Key};
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLogger, SdkLoggerProvider};
use opentelemetry_semantic_conventions::attribute as known;
use serde_json::Value;

/// Folds events to log records.
pub(super) struct Logs {
    logger: SdkLogger,
    names: Names,
}

impl Logs {
    pub(super) fn new(scope: InstrumentationScope) -> Self {
        // It makes records and keeps none: they leave by a queue of ours, where what is dropped is counted.
        let provider = SdkLoggerProvider::builder().build();
        Self { logger: provider.logger_with_scope(scope), names: Names::default() }
    }

    pub(super) fn record(&mut self, event: &Event, when: &When) -> SdkLogRecord {
        let mut record = self.logger.create_log_record();
        record.set_event_name(self.names.event(&event.event));
        record.set_timestamp(when.at(event.t_ms));
        record.set_observed_timestamp(when.at(event.t_ms));
        let severity = severity(&event.event);
        record.set_severity_number(severity);
        record.set_severity_text(severity.name());
        if let Some(trace) = trace_id(event) {
            let span = event.ids.span_id.as_deref().and_then(|id| SpanId::from_hex(id).ok());
            record.set_trace_context(trace, span.unwrap_or(SpanId::INVALID), Some(TraceFlags::SAMPLED));
        }
        let mut put = |name: Key, value: AnyValue| record.add_attribute(name, value);
        put(Key::from_static_str("synthetic.event"), event.event.clone().into());
        put(self.names.attribute("source"), event.source.name().into());
        put(Key::from_static_str("synthetic.seq"), AnyValue::Int(event.seq as i64));
        put(Key::from_static_str("synthetic.t_ms"), event.t_ms.into());
        let ids = &event.ids;
        let all = [
            ("session_id", &ids.session_id),
            ("room_id", &ids.room_id),
            ("user_id", &ids.user_id),
            ("preset_id", &ids.preset_id),
            ("media_url_hash", &ids.media_url_hash),
            ("browser", &ids.browser),
            ("platform", &ids.platform),
            ("journey", &ids.journey),
            ("step", &ids.step),
        ];
        for (name, id) in all {
            if let Some(id) = id {
                put(self.names.attribute(name), id.clone().into());
            }
        }
        let exception = event.event == "exception";
        for (field, value) in &event.fields {
            let Some(value) = any(value) else { continue };
            let name = match field.as_str() {
                "text" if exception => Key::from_static_str(known::EXCEPTION_MESSAGE),
                field => self.names.attribute(field),
            };
            put(name, value);
        }
        record
    }
}

/// How grave it is.
fn severity(event: &str) -> Severity {
    match event {
        "exception" | "browser_crash" | "webgl_context_lost" => Severity::Error,
        _ if event.ends_with("_error") => Severity::Error,
        "playback_stall" | "request_failed" | "response_refused" | "request_storm" => Severity::Warn,
        _ if event.ends_with("_warning") || event.ends_with("_violation") || event.ends_with("_refused") => {
            Severity::Warn
        }
        _ => Severity::Info,
    }
}

/// A field's value; what is null is left out.
fn any(value: &Value) -> Option<AnyValue> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => AnyValue::Int(whole),
            None => AnyValue::Double(number.as_f64()?),
        },
        Value::String(text) => text.clone().into(),
        Value::Array(items) => AnyValue::ListAny(Box::new(items.iter().filter_map(any).collect())),
        Value::Object(map) => {
            let map = map.iter().filter_map(|(name, value)| Some((Key::from(name.clone()), any(value)?)));
            AnyValue::Map(Box::new(map.collect()))
        }
    })
}
