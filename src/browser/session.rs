//! A session: one browser, driven by WebDriver classic (fantoccini) and watched by BiDi.
//!
//! Classic is for short work, such as a click. It runs one command at a time, and a caller that gives up does not stop
//! the command; so a classic command that overruns its limit *poisons* the session: later ones fail at once, and
//! closing goes out of band. Whatever waits, waits through BiDi. What can be done with a session is in
//! [`super::action`].

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Kind;
use super::bidi::{Bidi, BidiError, Event, WeakBidi};
use super::exits::How;
use super::notice::{CHANNEL, Notice, SUBSCRIBED, translate};
use super::options::{BasicAuth, Options, capabilities};
use super::out_of_band;
use crate::error::{Error, Result};

/// How long a browser may take to start.
const OPEN: Duration = Duration::from_secs(30);
/// How long a remote one may take: Grids queue.
pub const OPEN_REMOTE: Duration = Duration::from_secs(120);
/// The limit of the short BiDi commands that every session begins with.
const SHORT: Duration = Duration::from_secs(10);

/// Chromium's event for a page whose process ended.
const CRASHED: &str = "goog:cdp.Target.targetCrashed";

/// What runs, for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// "chromium" or "firefox".
    pub browser: String,
    /// As the browser says it.
    pub browser_version: String,
    /// As the driver says it.
    pub driver_version: String,
    /// "linux", "windows", "mac".
    pub platform: String,
    /// The WebDriver session.
    pub session_id: String,
    /// The browser's main process; `None` on another machine.
    pub browser_pid: Option<u32>,
}

/// An open session.
#[derive(Debug)]
pub struct Session {
    pub(super) client: Client,
    pub(super) bidi: Bidi,
    pub(super) poisoned: AtomicBool,
    facts: Facts,
    context: String,
    driver_url: String,
    pub(super) fate: Arc<Fate>,
}

/// Whether the browser and the page live, shared with the session's task; the first cause stays.
#[derive(Debug)]
pub(super) struct Fate {
    cause: Mutex<Option<String>>,
    /// How the page's process ended, where the browser told.
    page: Mutex<Option<How>>,
    /// A BiDi command was not answered in time.
    pub(super) silent: AtomicBool,
    notices: mpsc::UnboundedSender<Notice>,
}

impl Fate {
    pub(super) fn end(&self, what: &str) {
        let mut cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        if cause.is_none() {
            *cause = Some(what.to_owned());
            let _ = self.notices.send(Notice::Gone { what: what.to_owned() });
        }
    }
}

impl Session {
    /// Opens a session and gives it together with what the browser will tell.
    ///
    /// The events are subscribed to and authentication is intercepted before this returns, so nothing is missed.
    pub async fn open(driver_url: &str, options: &Options) -> Result<(Session, mpsc::UnboundedReceiver<Notice>)> {
        if !driver_url.starts_with("http://") {
            return Err(Error::operator(format!("the WebDriver address {driver_url} is not http://"))
                .remedy("use plain HTTP, over a tunnel (ssh -L) where the network is not trusted"));
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut builder = ClientBuilder::new(connector);
        builder.capabilities(capabilities(options));
        let limit = if options.remote { OPEN_REMOTE } else { OPEN };
        let client = match timeout(limit, builder.connect(driver_url)).await {
            Ok(Ok(client)) => client,
            Ok(Err(e)) => return Err(no_session(options, &e.to_string())),
            Err(_) => return Err(no_session(options, &format!("no session in {limit:?}"))),
        };
        let answer = client.session_creation_response().map(|r| (r.session_id().to_owned(), r.capabilities().cloned()));
        let (session_id, given) = answer.unwrap_or_default();
        let given = given.unwrap_or_default();
        let Some(socket) = given.get("webSocketUrl").and_then(Value::as_str) else {
            return Err(Error::operator("the driver opened a session without a BiDi socket")
                .remedy("use chromedriver 115, geckodriver 0.34, Selenium Grid 4.20, or newer ones"));
        };
        let (bidi, events) = Bidi::connect(socket).await.map_err(|e| {
            Error::operator(format!("connecting to the browser's BiDi socket {e}")).remedy(
                "where the browser is on another machine, let the Grid know its outer address (SE_NODE_GRID_URL)",
            )
        })?;
        let (tree, subscribed, intercepted) = tokio::join!(
            bidi.command("browsingContext.getTree", json!({"maxDepth": 0}), SHORT),
            bidi.command("session.subscribe", json!({"events": SUBSCRIBED}), SHORT),
            // Without this an unanswered 401 freezes Firefox for good behind a prompt that nobody sees.
            bidi.command("network.addIntercept", json!({"phases": ["authRequired"]}), SHORT),
        );
        let context = match (tree, subscribed, intercepted) {
            (Ok(tree), Ok(_), Ok(_)) => tree["contexts"][0]["context"].as_str().unwrap_or_default().to_owned(),
            (Err(e), ..) | (_, Err(e), _) | (.., Err(e)) => {
                return Err(no_session(options, &format!("the BiDi socket answered {e}")));
            }
        };
        let facts = facts(&given, session_id, options);
        let (notices, receiver) = mpsc::unbounded_channel();
        if options.kind == Kind::Chromium {
            tell_crashes(&bidi, &context).await;
        }
        let fate = Arc::new(Fate {
            cause: Mutex::new(None),
            page: Mutex::new(None),
            silent: AtomicBool::new(false),
            notices: notices.clone(),
        });
        tokio::spawn(watch(Watch {
            events,
            // Weak, or the task would keep the socket open whose end is its own.
            bidi: bidi.downgrade(),
            notices,
            context: context.clone(),
            basic_auth: options.basic_auth.clone(),
            answered: HashSet::new(),
            fate: fate.clone(),
        }));
        let driver_url = driver_url.trim_end_matches('/').to_owned();
        let poisoned = AtomicBool::new(false);
        Ok((Session { client, bidi, poisoned, facts, context, driver_url, fate }, receiver))
    }

    /// The classic client. Commands given to it directly have no time limit.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The BiDi client.
    pub fn bidi(&self) -> &Bidi {
        &self.bidi
    }

    /// What runs.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The page's top-level browsing context.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// Why the browser or the page is gone, once it is.
    pub fn gone(&self) -> Option<String> {
        self.fate.cause.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How the page's process ended, where the browser told: Chromium does.
    pub fn page_ended(&self) -> Option<How> {
        *self.fate.page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the browser once left a command without an answer.
    pub fn fell_silent(&self) -> bool {
        self.fate.silent.load(Ordering::Relaxed)
    }

    /// Whether a classic command overran its limit: then only BiDi and closing still work.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Relaxed)
    }

    /// Has a function run in every new document before the page's own scripts. It gets one argument: a function that
    /// sends its own argument, a string, as [`Notice::Probe`].
    pub async fn install_probe(&self, function_declaration: &str) -> Result<()> {
        let channel = json!({"type": "channel", "value": {"channel": CHANNEL, "ownership": "none"}});
        let params = json!({"functionDeclaration": function_declaration, "arguments": [channel]});
        self.bidi.command("script.addPreloadScript", params, SHORT).await.map(drop).map_err(|e| match e {
            BidiError::Refused { .. } => Error::us(format!("the browser refused the probe: {e}")),
            _ => Error::operator(format!("installing the probe: {e}")).remedy("run the play again"),
        })
    }

    /// Ends a local session: at once, because the leash ends the browser, and a driver that hangs cannot delay that.
    pub fn close(self) {}

    /// Ends a session on another machine, within the limit, outside the queue of classic commands. The Grid would
    /// keep its browser for minutes otherwise.
    pub async fn close_remote(self, limit: Duration) -> Result<()> {
        let url = format!("{}/session/{}", self.driver_url, self.facts.session_id);
        let failed = |why: String| {
            Error::operator(format!("the remote session {} may still run: {why}", self.facts.session_id))
                .remedy(format!("end it with: curl -X DELETE {url}"))
        };
        let request = out_of_band(limit)?
            .delete(&url)
            // The Grid refuses a missing type, and one without the character set.
            .header("content-type", "application/json; charset=utf-8");
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(failed(format!("DELETE answered {}", answer.status()))),
            Err(e) => Err(failed(e.to_string())),
        }
    }
}

/// Has Chromium tell when the page's process ends, and how: unasked it tells nobody, and the page is only silent. A
/// browser that cannot is watched all the same, by what stays unanswered.
async fn tell_crashes(bidi: &Bidi, context: &str) {
    let told = async {
        bidi.command("session.subscribe", json!({"events": [CRASHED]}), SHORT).await?;
        let session = bidi.command("goog:cdp.getSession", json!({"context": context}), SHORT).await?;
        let params = json!({"discover": true, "filter": [{"type": "page"}]});
        let params = json!({"method": "Target.setDiscoverTargets", "params": params, "session": session["session"]});
        bidi.command("goog:cdp.sendCommand", params, SHORT).await
    };
    if let Err(why) = told.await {
        tracing::debug!("Chromium will not tell how a page's process ended: {why}");
    }
}

fn no_session(options: &Options, why: &str) -> Error {
    let error = Error::operator(format!("{} did not start: {why}", options.kind));
    match (options.remote, options.kind) {
        (true, _) => error.remedy("look at the Grid's own page: is a node with this browser free?"),
        (_, Kind::Chromium) => error.remedy("apt-get install chromium chromium-driver, of one version"),
        (_, Kind::Firefox) => error.remedy("apt-get install firefox-esr; give it 1 GB of free memory"),
    }
}

fn facts(given: &Map<String, Value>, session_id: String, options: &Options) -> Facts {
    let word = |v: Option<&Value>| v.and_then(Value::as_str).unwrap_or_default().to_owned();
    let driver = given.get("moz:geckodriverVersion").or_else(|| given.get("chrome")?.get("chromedriverVersion"));
    let pid = given.get("moz:processID").or_else(|| given.get("goog:processID")).and_then(Value::as_u64);
    Facts {
        browser: options.kind.name().to_owned(),
        browser_version: word(given.get("browserVersion")),
        // chromedriver adds its commit and branch.
        driver_version: word(driver).split(' ').next().unwrap_or_default().to_owned(),
        platform: word(given.get("platformName")),
        session_id,
        browser_pid: pid.and_then(|p| u32::try_from(p).ok()).filter(|_| !options.remote),
    }
}

/// The session's own task: translates events, answers challenges and prompts.
struct Watch {
    events: mpsc::UnboundedReceiver<Event>,
    bidi: WeakBidi,
    notices: mpsc::UnboundedSender<Notice>,
    context: String,
    basic_auth: Option<BasicAuth>,
    answered: HashSet<String>,
    fate: Arc<Fate>,
}

async fn watch(mut w: Watch) {
    while let Some(event) = w.events.recv().await {
        match event.method.as_str() {
            "network.authRequired" => w.authenticate(&event.params),
            "browsingContext.userPromptOpened" => w.answer_prompt(&event.params),
            "browsingContext.contextDestroyed" if event.params["context"] == w.context.as_str() => {
                w.fate.end("the page's tab was closed or its process crashed");
            }
            CRASHED if event.params["params"]["targetId"] == w.context.as_str() => {
                let said = &event.params["params"];
                let how = said["errorCode"].as_i64().and_then(|s| i32::try_from(s).ok()).map(How::from_status);
                *w.fate.page.lock().unwrap_or_else(PoisonError::into_inner) = how;
                let how = how.map_or_else(String::new, |how| format!(" ({how})"));
                w.fate.end(&format!("the page's process {}{how}", said["status"].as_str().unwrap_or("ended")));
            }
            _ => {
                if let Some(notice) = translate(&event) {
                    let _ = w.notices.send(notice);
                }
            }
        }
    }
    w.fate.end("the BiDi socket closed: the browser or its driver ended");
}

impl Watch {
    /// Sends a command without waiting: the events behind this one must not queue up.
    fn command(&self, method: &'static str, params: Value) {
        let Some(bidi) = self.bidi.upgrade() else { return };
        tokio::spawn(async move {
            if let Err(e) = bidi.command(method, params, SHORT).await {
                tracing::debug!("{method}: {e}");
            }
        });
    }

    /// Gives the credentials once per request and to their own origin only; a second challenge says they are wrong.
    fn authenticate(&mut self, params: &Value) {
        let (request, url) = (&params["request"]["request"], params["request"]["url"].as_str().unwrap_or_default());
        let origin = url::Url::parse(url).map(|u| u.origin().ascii_serialization()).unwrap_or_default();
        let from_proxy = params["response"]["status"] == 407;
        let auth = self.basic_auth.as_ref().filter(|a| a.origin == origin && !from_proxy);
        let auth = auth.filter(|_| self.answered.insert(request.as_str().unwrap_or_default().to_owned()));
        let answer = match auth {
            Some(BasicAuth { user, password, .. }) => json!({"request": request, "action": "provideCredentials",
                "credentials": {"type": "password", "username": user, "password": password}}),
            None => json!({"request": request, "action": "cancel"}),
        };
        let answered = auth.is_some();
        self.command("network.continueWithAuth", answer);
        let _ = self.notices.send(Notice::Auth { url: url.to_owned(), answered });
    }

    /// Reports a prompt, and answers it where the browser has not done so by the session's capabilities.
    fn answer_prompt(&self, params: &Value) {
        let kind = params["type"].as_str().unwrap_or_default();
        let accepted = match params["handler"].as_str() {
            Some("accept") => true,
            Some("dismiss") => false,
            _ => {
                let accept = matches!(kind, "alert" | "beforeunload");
                if let Some(bidi) = self.bidi.upgrade() {
                    tokio::spawn(handle_prompt(bidi, json!({"context": params["context"], "accept": accept})));
                }
                accept
            }
        };
        let message = params["message"].as_str().unwrap_or_default().to_owned();
        let _ = self.notices.send(Notice::Prompt { kind: kind.to_owned(), message, accepted });
    }
}

/// Answers a prompt. Again and again, because Chromium under load announces a prompt before it can be answered and
/// then says that there is none; a page whose prompt stays open would stand still for ever.
async fn handle_prompt(bidi: Bidi, answer: Value) {
    for round in 0..40 {
        match bidi.command("browsingContext.handleUserPrompt", answer.clone(), SHORT).await {
            Ok(_) | Err(BidiError::Closed) => return,
            Err(e) => tracing::debug!(round, "a prompt was not answered: {e}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
