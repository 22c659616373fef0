//! JavaScript in the page. Through BiDi: Firefox's classic execute cannot see a page's top-level `const` and `let`.

use super::{Action, Doing, Hand};
use crate::browser::action::ActionError;

pub(super) fn run<'a>(action: &'a Action, hand: &'a Hand<'a>) -> Doing<'a> {
    Box::pin(async move {
        match hand.session.evaluate(&action.main, true, hand.limit).await {
            // It led to another page: that is what it was for.
            Ok(_) | Err(ActionError::Left) => Ok(()),
            Err(e) => Err(e.into()),
        }
    })
}
