//! What can be done with a session: go somewhere, evaluate, click, type, take a picture.
//!
//! Every action has a time limit. Failures are data for the step that asked: they say whether the page, the driver or
//! the whole browser is to blame.

use std::fmt;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::Locator;
use fantoccini::error::{CmdError, ErrorStatus};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::bidi::BidiError;
use super::remote_value::to_json;
use super::session::Session;
use crate::error::Error;
use crate::unit::{ms, show_ms};

/// Why an action did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionError {
    /// No element matches the selector.
    NotFound(String),
    /// The selector is no CSS selector.
    BadSelector(String),
    /// The element is there, and cannot be used: hidden, of no size, disabled.
    NotInteractable(String),
    /// Another element lies over it and would get the click; the browser's words name it.
    Intercepted(String),
    /// The page replaced the element between finding and using it.
    Stale(String),
    /// The page's script threw, or its promise was rejected.
    Thrown(String),
    /// The navigation ended without a document; the browser's words, such as `net::ERR_CONNECTION_REFUSED`.
    Navigation(String),
    /// The page was left for another while its answer was awaited.
    Left,
    /// It took longer than the limit.
    Timeout(Duration),
    /// The browser cannot do this.
    Unsupported(String),
    /// The browser, its driver or the tab is gone, or an earlier classic command still blocks the driver.
    Gone(String),
    /// The driver refused for another reason.
    Refused(String),
}

impl ActionError {
    /// A page may be otherwise a moment later.
    fn may_pass(&self) -> bool {
        use ActionError::*;
        matches!(self, NotFound(_) | NotInteractable(_) | Intercepted(_) | Stale(_))
    }
}

impl fmt::Display for ActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ActionError::*;
        match self {
            NotFound(what) => write!(f, "no element matches {what}"),
            BadSelector(what) => write!(f, "not a CSS selector: {what}"),
            NotInteractable(what) => write!(f, "the element cannot be used: {what}"),
            Intercepted(what) => write!(f, "another element would get the click: {what}"),
            Stale(what) => write!(f, "the page replaced the element: {what}"),
            Thrown(what) => write!(f, "the page's script threw: {what}"),
            Navigation(what) => write!(f, "the navigation failed: {what}"),
            Left => write!(f, "the page was left meanwhile"),
            Timeout(limit) => write!(f, "not done in {}", show_ms(ms(*limit))),
            Unsupported(what) => write!(f, "this browser cannot do that: {what}"),
            Gone(what) => write!(f, "the browser is gone: {what}"),
            Refused(what) => write!(f, "the driver refused: {what}"),
        }
    }
}

impl std::error::Error for ActionError {}

impl From<ActionError> for Error {
    fn from(e: ActionError) -> Error {
        Error::operator(e.to_string()).remedy("run the play again; if it persists, look at the browser's log")
    }
}

/// When a navigation counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ready {
    /// As soon as it has begun.
    Begun,
    /// When the document is parsed. A video whose metadata never comes does not hold this up.
    #[default]
    Interactive,
    /// At the `load` event.
    Complete,
}

/// An element that a page has not made yet, or has just made anew, or has something over it, is tried again for so long: as
/// patiently as a viewer looks for it.
const USABLE: Duration = Duration::from_secs(5);
/// How often.
const AGAIN: Duration = Duration::from_millis(50);

const NO_STACK: &str = "unable to build exceptionDetails for exception";

/// A document, as it says itself.
#[derive(Deserialize)]
struct Document {
    /// `performance.timeOrigin`: no other has it.
    origin: f64,
    uri: String,
    ready: String,
}

impl Document {
    /// It is none of the browser's own, such as one that tells an error.
    fn is_of_the_web(&self) -> bool {
        self.uri.starts_with("http://") || self.uri.starts_with("https://")
    }
}

type Done<T = ()> = Result<T, ActionError>;

impl Session {
    /// Goes to an address. After a timeout the page may still come; the session stays usable.
    pub async fn navigate(&self, url: &str, ready: Ready, limit: Duration) -> Done {
        let wait = match ready {
            Ready::Begun => "none",
            Ready::Interactive => "interactive",
            Ready::Complete => "complete",
        };
        let (begun, before) = (Instant::now(), self.document().await);
        let params = json!({"context": self.context(), "url": url, "wait": wait});
        let done = self.ask("browsingContext.navigate", params, limit).await.map(drop).map_err(|e| match e {
            BidiError::Refused { error, message } if error == "unknown error" && !is_gone(&message) => {
                ActionError::Navigation(message)
            }
            e => self.bidi_error(e),
        });
        // Firefox 153 says so too where a frame of the page cannot be had.
        while matches!(done, Err(ActionError::Navigation(_))) && self.facts().browser == "firefox" {
            match (self.document().await, &before) {
                (Some(page), Some(before)) if page.origin != before.origin && page.is_of_the_web() => {
                    match page.ready.as_str() {
                        "loading" if begun.elapsed() + AGAIN < limit => sleep(AGAIN).await,
                        "loading" => return Err(ActionError::Timeout(limit)),
                        _ => return Ok(()),
                    }
                }
                _ => break,
            }
        }
        done
    }

    /// What is open now, in Firefox; `None`: it does not say.
    async fn document(&self) -> Option<Document> {
        const ASKS: &str =
            "JSON.stringify({ origin: performance.timeOrigin, uri: document.documentURI, ready: document.readyState })";
        if self.facts().browser != "firefox" {
            return None;
        }
        let found = self.evaluate(ASKS, false, Duration::from_secs(1)).await.ok()?;
        serde_json::from_str(found.as_str()?).ok()
    }

    /// Evaluates an expression in the page and gives its value as JSON (see [`to_json`]).
    pub async fn evaluate(&self, expression: &str, await_promise: bool, limit: Duration) -> Done<Value> {
        let params = json!({
            "expression": expression,
            "target": {"context": self.context()},
            "awaitPromise": await_promise,
            "serializationOptions": {"maxObjectDepth": 8, "maxDomDepth": 0},
        });
        let answer = match self.ask("script.evaluate", params, limit).await {
            Ok(answer) => answer,
            // Firefox 153 cannot describe a rejection whose error was made outside a function; it is one all the same.
            Err(BidiError::Refused { message, .. }) if message.contains(NO_STACK) => {
                let (_, thrown) = message.split_once(NO_STACK).unwrap_or_default();
                return Err(ActionError::Thrown(thrown.trim_start_matches(": ").to_owned()));
            }
            Err(e) => return Err(self.bidi_error(e)),
        };
        if answer["type"] == "exception" {
            let details = &answer["exceptionDetails"];
            return Err(ActionError::Thrown(details["text"].as_str().unwrap_or("something").to_owned()));
        }
        Ok(to_json(&answer["result"]))
    }

    /// Clicks an element as a person does: scrolls to it, moves the pointer to its middle, presses. The page gets
    /// trusted events and a user activation. Costs 100 to 170 ms. It is waited for as [`USABLE`] says.
    pub async fn click(&self, css: &str, limit: Duration) -> Done {
        self.using(css, None, limit).await
    }

    /// Types into an element, after what is already in it. It is waited for as [`USABLE`] says.
    pub async fn type_text(&self, css: &str, text: &str, limit: Duration) -> Done {
        self.using(css, Some(text), limit).await
    }

    /// Clicks an element or types into it; again, while it is not there or not to be used. None of these errors comes
    /// after the page has seen anything of it (WebDriver, 12.5).
    async fn using(&self, css: &str, text: Option<&str>, limit: Duration) -> Done {
        let begun = Instant::now();
        loop {
            let act = async {
                let element = self.client.find(Locator::Css(css)).await?;
                match text {
                    None => element.click().await,
                    Some(text) => element.send_keys(text).await,
                }
            };
            match self.classic(css, limit.saturating_sub(begun.elapsed()), act).await {
                // The last try has half of the time: one that is broken off would leave the driver at it.
                Err(e) if e.may_pass() && begun.elapsed() < USABLE.min(limit / 2) => sleep(AGAIN).await,
                done => return done,
            }
        }
    }

    /// Takes a picture of the viewport, as PNG. Through BiDi, so that a classic command that hangs does not stop it.
    pub async fn screenshot(&self, limit: Duration) -> Done<Vec<u8>> {
        let params = json!({"context": self.context()});
        let answer =
            self.ask("browsingContext.captureScreenshot", params, limit).await.map_err(|e| self.bidi_error(e))?;
        STANDARD
            .decode(answer["data"].as_str().unwrap_or_default())
            .map_err(|e| ActionError::Refused(format!("the picture is not base64: {e}")))
    }

    /// Has Chromium collect garbage and give back what it only keeps because nobody asked for the room: what remains is
    /// in use. Firefox has nothing like it for a content page. The page cannot tell.
    pub async fn release_memory(&self, limit: Duration) -> Done {
        self.devtools("HeapProfiler.collectGarbage", json!({}), limit).await?;
        self.devtools("Memory.simulatePressureNotification", json!({"level": "critical"}), limit).await
    }

    /// Has Chromium keep no response bodies for us: by default each network event we subscribe to comes with up to
    /// 100 MB of them, which would be measured as the app's memory.
    pub async fn keep_no_bodies(&self, limit: Duration) -> Done {
        let none = json!({"maxTotalBufferSize": 1, "maxResourceBufferSize": 1});
        self.devtools("Network.enable", none.clone(), limit).await?;
        self.devtools("Network.configureDurableMessages", none, limit).await
    }

    /// Sends a DevTools command to the page in Chromium; in Firefox there is nothing to do.
    async fn devtools(&self, method: &str, params: Value, limit: Duration) -> Done {
        if self.facts().browser != "chromium" {
            return Ok(());
        }
        let context = json!({"context": self.context()});
        let session = self.ask("goog:cdp.getSession", context, limit).await.map_err(|e| self.bidi_error(e))?;
        let params = json!({"method": method, "params": params, "session": session["session"]});
        self.ask("goog:cdp.sendCommand", params, limit).await.map(drop).map_err(|e| self.bidi_error(e))
    }

    /// Sets a cookie for a host, before or after going there. The browser's rules for defaults apply.
    pub async fn set_cookie(&self, name: &str, value: &str, domain: &str, path: &str, limit: Duration) -> Done {
        let value = json!({"type": "string", "value": value});
        let params = json!({"cookie": {"name": name, "value": value, "domain": domain, "path": path}});
        self.ask("storage.setCookie", params, limit).await.map(drop).map_err(|e| self.bidi_error(e))
    }

    /// Has the page's requests carry further headers, in place of those of an earlier call.
    pub async fn set_extra_headers(&self, headers: &[(String, String)], limit: Duration) -> Done {
        let header =
            |(name, value): &(String, String)| json!({"name": name, "value": {"type": "string", "value": value}});
        let params = json!({"headers": headers.iter().map(header).collect::<Vec<_>>(), "contexts": [self.context()]});
        self.ask("network.setExtraHeaders", params, limit).await.map(drop).map_err(|e| self.bidi_error(e))
    }

    /// Runs classic work within a limit. Overrunning it poisons the session, because the driver is still at it.
    async fn classic<T>(
        &self,
        what: &str,
        limit: Duration,
        work: impl Future<Output = Result<T, CmdError>>,
    ) -> Done<T> {
        if let Some(why) = self.gone() {
            return Err(ActionError::Gone(why));
        }
        if self.is_poisoned() {
            return Err(ActionError::Gone("an earlier command still blocks the driver".into()));
        }
        let begun = Instant::now();
        let done = timeout(limit, work).await;
        tracing::debug!("classic {what}: {:?}", begun.elapsed());
        match done {
            Ok(done) => done.map_err(|e| self.classic_error(what, &e)),
            Err(_) => {
                self.poisoned.store(true, Ordering::Relaxed);
                self.fate.silent.store(true, Ordering::Relaxed);
                Err(ActionError::Timeout(limit))
            }
        }
    }

    fn classic_error(&self, what: &str, e: &CmdError) -> ActionError {
        // chromedriver's answer for a page whose process crashed is not even in WebDriver's form.
        if let CmdError::NotW3C(Value::String(said)) = e
            && said.contains("tab crashed")
        {
            return ActionError::Gone("the page's process crashed (tab crashed)".into());
        }
        // Its answer where dialog follows dialog: the page lives.
        if let (CmdError::NotW3C(Value::Null), None) = (e, self.gone()) {
            return ActionError::Refused(format!("{what}: the driver's answer was empty"));
        }
        let CmdError::Standard(error) = e else {
            return ActionError::Gone(self.gone().unwrap_or_else(|| e.to_string()));
        };
        let said = error.message.lines().next().unwrap_or_default().to_owned();
        match error.error {
            ErrorStatus::NoSuchElement => ActionError::NotFound(what.to_owned()),
            ErrorStatus::InvalidSelector => ActionError::BadSelector(what.to_owned()),
            ErrorStatus::ElementNotInteractable | ErrorStatus::InvalidElementState => {
                ActionError::NotInteractable(format!("{what}: {said}"))
            }
            ErrorStatus::ElementClickIntercepted => ActionError::Intercepted(said),
            ErrorStatus::StaleElementReference => ActionError::Stale(what.to_owned()),
            ErrorStatus::InvalidSessionId | ErrorStatus::NoSuchWindow => ActionError::Gone(said),
            _ if is_gone(&said) => ActionError::Gone(said),
            _ => ActionError::Refused(format!("{what}: {said}")),
        }
    }

    /// Asks the driver whether the page's process lives, and gives the cause if it does not. Chromium tells a crash of
    /// a page to nobody unasked: BiDi commands to it are never answered, and only a classic one says "tab crashed".
    /// Worth a call when the page has been silent for long. At most `limit`; no answer counts as alive.
    pub async fn check(&self, limit: Duration) -> Option<String> {
        if self.gone().is_none()
            && let Ok(Err(e)) = timeout(limit, self.client.current_url()).await
            && let ActionError::Gone(why) = self.classic_error("the page", &e)
        {
            self.fate.end(&why);
        }
        self.gone()
    }

    /// A BiDi command with a limit. Silence is looked into: it may be a slow page or a crashed one.
    async fn ask(&self, method: &'static str, params: Value, limit: Duration) -> Result<Value, BidiError> {
        let begun = Instant::now();
        let answer = self.bidi.command(method, params, limit).await;
        tracing::debug!("{method}: {:?}", begun.elapsed());
        if matches!(answer, Err(BidiError::Timeout(_))) {
            self.fate.silent.store(true, Ordering::Relaxed);
            if !self.is_poisoned() {
                self.check(Duration::from_secs(1)).await;
            }
        }
        answer
    }

    fn bidi_error(&self, e: BidiError) -> ActionError {
        match e {
            BidiError::Timeout(limit) => match self.gone() {
                Some(why) => ActionError::Gone(why),
                None => ActionError::Timeout(limit),
            },
            BidiError::Closed => ActionError::Gone(self.gone().unwrap_or_else(|| e.to_string())),
            BidiError::Refused { error, message } => match error.as_str() {
                "no such frame" | "no such client window" | "invalid session id" => ActionError::Gone(message),
                // Firefox, in whose tab a page of its own tells of the crash: the app's is no more.
                _ if message.contains("parent process browsing contexts") => {
                    ActionError::Gone("the page's process crashed (Firefox shows a page of its own)".to_owned())
                }
                "unknown command" | "unsupported operation" => ActionError::Unsupported(format!("{error}: {message}")),
                _ if is_gone(&message) => ActionError::Gone(message),
                _ if is_left(&message) => ActionError::Left,
                _ => ActionError::Refused(format!("{error}: {message}")),
            },
        }
    }
}

/// Whether a driver's words say that the document went away under a script: nor for that.
fn is_left(said: &str) -> bool {
    [
        "Inspected target navigated or closed",
        "Execution context was destroyed",
        "Cannot find context",
        "AbortError: Actor",
    ]
    .iter()
    .any(|word| said.contains(word))
}

/// Whether a driver's words say that its browser or tab is gone: there is no error code of its own for that.
fn is_gone(said: &str) -> bool {
    [
        "tab crashed",
        "not reachable",
        "disconnected",
        "target closed",
        "Target closed",
        "session deleted",
        // geckodriver's, when Firefox ended under a command.
        "Failed to decode response from marionette",
    ]
    .iter()
    .any(|word| said.contains(word))
}
