//! Waiting for an element, in the page, so that no driver command is held meanwhile.

use super::{Action, Doing, Failed, Hand};
use crate::browser::action::ActionError;

pub(super) fn run<'a>(action: &'a Action, hand: &'a Hand<'a>) -> Doing<'a> {
    Box::pin(async move {
        let css = serde_json::Value::from(action.main.as_str());
        let script = format!(
            "new Promise((done) => {{ const look = () => {{ const e = document.querySelector({css}); \
             if (e && e.getClientRects().length) done(true); else setTimeout(look, 50); }}; look(); }})"
        );
        match hand.session.evaluate(&script, true, hand.limit).await {
            Ok(_) => Ok(()),
            Err(ActionError::Timeout(limit)) => {
                Err(Failed::App(format!("no visible element matches {} within {limit:?}", action.main)))
            }
            Err(e) => Err(e.into()),
        }
    })
}
