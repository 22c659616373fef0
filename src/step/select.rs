//! Choosing an option: WebDriver clicks it, which opens nothing and fires `input` and `change`.

use super::{Action, Doing, Hand};

pub(super) fn run<'a>(action: &'a Action, hand: &'a Hand<'a>) -> Doing<'a> {
    Box::pin(async move {
        let value = action.more.get("option").map_or("", String::as_str);
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let option = format!("{} option[value=\"{quoted}\"]", action.main);
        Ok(hand.session.click(&option, hand.limit).await?)
    })
}
