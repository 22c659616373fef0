//! Waiting for an element, in the page, so that no driver command is held meanwhile. A page that is left for the next
//! one is waited through: the element may be on either.

use super::{Action, Doing, Failed, Hand};
use crate::browser::action::ActionError;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Before a new page is asked: it may not be there yet.
const AGAIN: Duration = Duration::from_millis(50);

pub(super) fn run<'a>(action: &'a Action, hand: &'a Hand<'a>) -> Doing<'a> {
    Box::pin(async move {
        let css = serde_json::Value::from(action.main.as_str());
        let script = format!(
            "new Promise((done) => {{ const look = () => {{ const e = document.querySelector({css}); \
             if (e && e.getClientRects().length) done(true); else setTimeout(look, 50); }}; look(); }})"
        );
        let deadline = Instant::now() + hand.limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match hand.session.evaluate(&script, true, left).await {
                Ok(_) => return Ok(()),
                Err(ActionError::Left) if Instant::now() < deadline => sleep(AGAIN).await,
                Err(ActionError::Left | ActionError::Timeout(_)) => {
                    let limit = hand.limit;
                    return Err(Failed::App(format!("no visible element matches {} within {limit:?}", action.main)));
                }
                Err(e) => return Err(e.into()),
            }
        }
    })
}
