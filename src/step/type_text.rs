//! Typing, through WebDriver.

use super::{Action, Doing, Hand};

pub(super) fn run<'a>(action: &'a Action, hand: &'a Hand<'a>) -> Doing<'a> {
    Box::pin(async move {
        let text = action.more.get("text").map_or("", String::as_str);
        Ok(hand.session.type_text(&action.main, text, hand.limit).await?)
    })
}
