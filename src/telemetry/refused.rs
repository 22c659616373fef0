//! What a receiver takes a batch without. The exporters say so in their diagnostics alone, on the thread that exports: they
//! are listened to there.

use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// Whose diagnostics.
const EXPORTERS: &str = "opentelemetry-otlp";
/// How the fields begin that say how many: `rejected_spans`.
const REJECTED: &str = "rejected_";
const WHY: &str = "error_message";

/// Exports, and listens: how many things were refused meanwhile, and why.
pub(super) fn during<T>(export: impl FnOnce() -> T) -> (T, Option<(u64, String)>) {
    let heard = Arc::<Mutex<Heard>>::default();
    let done = tracing::dispatcher::with_default(&Dispatch::new(Ear(heard.clone())), export);
    let heard = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
    (done, (heard.many > 0).then_some((heard.many, heard.why)))
}

#[derive(Default)]
struct Heard {
    many: u64,
    why: String,
}

struct Ear(Arc<Mutex<Heard>>);

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target() == EXPORTERS
    }
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }
    fn event(&self, event: &Event<'_>) {
        let refuses = |field: Field| field.name().starts_with(REJECTED);
        if event.metadata().fields().iter().any(refuses) {
            event.record(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
    // Spans are nothing to it.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Visit for Heard {
    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name().starts_with(REJECTED) {
            self.many += u64::try_from(value).unwrap_or(0);
        }
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == WHY {
            value.clone_into(&mut self.why);
        }
    }
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_exporters_say_is_heard_and_nothing_else() {
        let (done, refused) = during(|| {
            tracing::warn!(target: "opentelemetry-otlp", rejected_spans = 2_i64, error_message = "too old");
            tracing::warn!(target: "opentelemetry-otlp", rejected_spans = 1_i64, error_message = "too young");
            tracing::warn!(target: "somebody", rejected_spans = 9_i64, error_message = "no");
            tracing::warn!(target: "opentelemetry-otlp", operation = "x", message = "failed");
            7
        });
        assert_eq!((done, refused), (7, Some((3, "too young".to_owned()))));
        assert_eq!(during(|| ()).1, None);
    }
}
