//! JavaScript in the page. Through BiDi: Firefox's classic execute cannot see a page's top-level `const` and `let`.

use super::{Action, Doing, Hand};

pub(super) fn run<'a>(action: &'a Action, hand: &'a Hand<'a>) -> Doing<'a> {
    Box::pin(async move { Ok(hand.session.evaluate(&action.main, true, hand.limit).await.map(drop)?) })
}
