//! How long the server took to answer a browse or a search of the library: `library_response`, with `server_ms` as the
//! answer's own `Server-Timing` says (its entry `total`, else the sum of its entries). No clock outside the server can
//! tell: so the app's own event counts too, where nobody saw the header in all the session.

use super::{Fold, Samples};
use crate::event::{Event, Origin};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the header said, and what the app did.
#[derive(Default)]
struct Session {
    seen: Vec<f64>,
    told: Vec<f64>,
}

#[derive(Default)]
pub(super) struct Library {
    sessions: BTreeMap<String, Session>,
}

impl Fold for Library {
    fn feed(&mut self, event: &Event) {
        if event.event != "library_response" {
            return;
        }
        // What the app says of itself is kept as it said it, under `app`.
        let told = event.fields.get("app").filter(|_| event.source == Origin::App);
        let number = |field: &str| match told {
            Some(told) => told.get(field).and_then(Value::as_f64),
            None => event.number(field),
        };
        // An answer that failed never came, however quick; one that does not say its time is no sample.
        let failed = number("status").is_some_and(|status| status >= 500.0) || event.text("error").is_some();
        let ms = number("server_ms").filter(|ms| *ms >= 0.0);
        let session = self.sessions.entry(event.ids.session_id.clone().unwrap_or_default()).or_default();
        let into = if event.source == Origin::App { &mut session.told } else { &mut session.seen };
        into.extend(if failed { Some(f64::INFINITY) } else { ms });
    }

    fn samples(&self) -> Samples {
        let of = |s: &Session| if s.seen.is_empty() { s.told.clone() } else { s.seen.clone() };
        Samples::Values(self.sessions.values().flat_map(of).collect())
    }
}
