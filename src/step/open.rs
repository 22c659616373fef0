//! Go somewhere: done when the document is parsed. A video whose data never comes does not hold that up.

use super::{Action, Doing, Hand};
use crate::browser::action::Ready;

pub(super) fn check(action: &Action) -> Result<(), String> {
    if action.main.starts_with('/') {
        return Ok(());
    }
    url::Url::parse(&action.main).map(drop).map_err(|e| format!("`{}` is no path and no address: {e}", action.main))
}

pub(super) fn run<'a>(action: &'a Action, hand: &'a Hand<'a>) -> Doing<'a> {
    Box::pin(async move {
        let url = match action.main.starts_with('/') {
            true => format!("{}{}", hand.base, action.main),
            false => action.main.clone(),
        };
        Ok(hand.session.navigate(&url, Ready::Interactive, hand.limit).await?)
    })
}
