//! Floor 2. Verbs: what an app file may make the viewer do. Each is a leaf and a row.

use crate::browser::action::ActionError;
use crate::browser::session::Session;
use crate::table::{Row, find};
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::time::Duration;

mod click;
mod open;
mod press;
mod script;
mod select;
mod type_text;
mod wait;

/// One action of an app file, checked: `{ click = "#next" }`, `{ type = "#name", text = "env:USER" }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// The row in [`VERBS`].
    pub verb: &'static str,
    /// The verb's own value.
    pub main: String,
    /// Its further keys, secrets resolved.
    pub more: BTreeMap<String, String>,
}

/// What a verb works with.
pub struct Hand<'a> {
    /// The browser.
    pub session: &'a Session,
    /// The app's address, without a trailing slash.
    pub base: &'a str,
    /// How long one action may take.
    pub limit: Duration,
}

/// Why an action failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Failed {
    /// The app did not let the viewer do it: a sample.
    App(String),
    /// The browser, its tab or its driver is gone.
    Gone(String),
    /// The tool or the environment could not: no sample.
    Broken(String),
}

impl From<ActionError> for Failed {
    fn from(e: ActionError) -> Self {
        match e {
            ActionError::Gone(why) => Failed::Gone(why),
            ActionError::Unsupported(_) | ActionError::Refused(_) => Failed::Broken(e.to_string()),
            _ => Failed::App(e.to_string()),
        }
    }
}

/// What a verb's work comes to.
pub type Doing<'a> = BoxFuture<'a, Result<(), Failed>>;

/// A verb an app file may use.
pub struct Verb {
    name: &'static str,
    about: &'static str,
    /// How it is written.
    pub example: &'static str,
    /// Keys it needs beside its own.
    pub more: &'static [&'static str],
    /// It ends in a trusted event in the page, which is t0 of what follows.
    pub trusted: bool,
    /// What can be checked without a browser.
    pub check: fn(&Action) -> Result<(), String>,
    run: for<'a> fn(&'a Action, &'a Hand<'a>) -> Doing<'a>,
}

impl Row for Verb {
    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        self.about
    }
}

/// Every verb.
pub const VERBS: &[Verb] = &[
    Verb {
        name: "open",
        about: "go to a path of the app, or to a full address",
        example: "{ open = \"/player\" }",
        more: &[],
        trusted: false,
        check: open::check,
        run: open::run,
    },
    Verb {
        name: "click",
        about: "move the pointer to an element and press, as a person does",
        example: "{ click = \"button[name=start]\" }",
        more: &[],
        trusted: true,
        check: not_empty,
        run: click::run,
    },
    Verb {
        name: "type",
        about: "type text into an element; the text may be env:NAME",
        example: "{ type = \"#password\", text = \"env:APP_PASSWORD\" }",
        more: &["text"],
        trusted: true,
        check: not_empty,
        run: type_text::run,
    },
    Verb {
        name: "press",
        about: "press one key in an element: Enter, Escape, Tab, Space, an arrow, or a letter",
        example: "{ press = \"ArrowRight\", in = \"body\" }",
        more: &["in"],
        trusted: true,
        check: press::check,
        run: press::run,
    },
    Verb {
        name: "select",
        about: "choose an option of a select element by its value",
        example: "{ select = \"select[name=preset]\", option = \"osc\" }",
        more: &["option"],
        trusted: true,
        check: not_empty,
        run: select::run,
    },
    Verb {
        name: "script",
        about: "evaluate JavaScript in the page, and wait for its promise",
        example: "{ script = \"s0.initVideo('/loop.mp4'); src(s0).out()\" }",
        more: &[],
        trusted: false,
        check: not_empty,
        run: script::run,
    },
    Verb {
        name: "wait",
        about: "wait until an element is there and visible",
        example: "{ wait = \"#ready\" }",
        more: &[],
        trusted: false,
        check: not_empty,
        run: wait::run,
    },
];

fn not_empty(action: &Action) -> Result<(), String> {
    if action.main.trim().is_empty() { Err(format!("`{}` of nothing", action.verb)) } else { Ok(()) }
}

impl Action {
    /// Does it.
    pub async fn run(&self, hand: &Hand<'_>) -> Result<(), Failed> {
        match find(VERBS, self.verb) {
            Some(verb) => (verb.run)(self, hand).await,
            None => Err(Failed::Broken(format!("no verb `{}`", self.verb))),
        }
    }

    /// It ends in a trusted event in the page.
    pub fn is_trusted(&self) -> bool {
        find(VERBS, self.verb).is_some_and(|v| v.trusted)
    }
}
