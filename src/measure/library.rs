//! How long the server took to answer a browse or a search of the library: `library_response`, with `server_ms` as the
//! answer's own `Server-Timing` says (its entry `total`, else the sum of its entries). No clock outside the server can
//! tell: so the app's own event counts too, where nobody saw the header in all the session.

use super::{Fold, NO_TIME, Samples};
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
        let value = |field: &str| told.map_or_else(|| event.fields.get(field), |told| told.get(field));
        let number = |field: &str| value(field).and_then(Value::as_f64);
        // An answer that failed never came, however quick; one that does not say its time is no sample, and one that says
        // what is none is kept as that.
        let failed = number("status").is_some_and(|status| status >= 500.0) || event.text("error").is_some();
        let says = value("server_ms").filter(|says| !says.is_null());
        let ms = says.map(|says| says.as_f64().filter(|ms| *ms >= 0.0).unwrap_or(NO_TIME));
        let session = self.sessions.entry(event.ids.session_id.clone().unwrap_or_default()).or_default();
        let into = if event.source == Origin::App { &mut session.told } else { &mut session.seen };
        into.extend(if failed { Some(f64::INFINITY) } else { ms });
    }

    fn samples(&self) -> Samples {
        let of = |s: &Session| if s.seen.is_empty() { s.told.clone() } else { s.seen.clone() };
        Samples::Values(self.sessions.values().flat_map(of).collect())
    }
}
