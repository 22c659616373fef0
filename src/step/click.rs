//! A real click, through WebDriver.

use super::{Action, Doing, Hand};

pub(super) fn run<'a>(action: &'a Action, hand: &'a Hand<'a>) -> Doing<'a> {
    Box::pin(async move { Ok(hand.session.click(&action.main, hand.limit).await?) })
}
