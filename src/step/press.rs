//! One key, through WebDriver: its private-use code points stand for keys without a letter (WebDriver, "keyboard actions").

use super::{Action, Doing, Hand};

const KEYS: [(&str, &str); 9] = [
    ("Enter", "\u{E007}"),
    ("Escape", "\u{E00C}"),
    ("Tab", "\u{E004}"),
    ("Space", "\u{E00D}"),
    ("Backspace", "\u{E003}"),
    ("ArrowLeft", "\u{E012}"),
    ("ArrowUp", "\u{E013}"),
    ("ArrowRight", "\u{E014}"),
    ("ArrowDown", "\u{E015}"),
];

fn key(name: &str) -> Option<&str> {
    let named = KEYS.iter().find(|(known, _)| *known == name).map(|(_, code)| *code);
    named.or_else(|| (name.chars().count() == 1).then_some(name))
}

pub(super) fn check(action: &Action) -> Result<(), String> {
    key(&action.main).map(drop).ok_or_else(|| {
        let names: Vec<&str> = KEYS.iter().map(|(name, _)| *name).collect();
        format!("no key `{}`: {}, or one character", action.main, names.join(", "))
    })
}

pub(super) fn run<'a>(action: &'a Action, hand: &'a Hand<'a>) -> Doing<'a> {
    Box::pin(async move {
        let into = action.more.get("in").map_or("body", String::as_str);
        Ok(hand.session.type_text(into, key(&action.main).unwrap_or_default(), hand.limit).await?)
    })
}
