//! How long the server took to answer a browse or a search of the library: `library_response`, with `server_ms` as the
//! answer's own `Server-Timing` says (its entry `total`, else the sum of its entries). No clock outside the server can
//! tell: so the app's own event counts too, where nobody saw the header.

use super::{Fold, Samples};
use crate::event::{Event, Origin};

#[derive(Default)]
pub(super) struct Library {
    seen: Vec<f64>,
    told: Vec<f64>,
}

impl Fold for Library {
    fn feed(&mut self, event: &Event) {
        if event.event != "library_response" {
            return;
        }
        // An answer that failed never came, however quick; one that does not say its time is no sample.
        let failed = event.number("status").is_some_and(|status| status >= 500.0);
        let ms = event.number("server_ms").filter(|ms| *ms >= 0.0);
        let into = if event.source == Origin::App { &mut self.told } else { &mut self.seen };
        into.extend(if failed { Some(f64::INFINITY) } else { ms });
    }

    fn samples(&self) -> Samples {
        Samples::Values(if self.seen.is_empty() { self.told.clone() } else { self.seen.clone() })
    }
}
