//! Floor 3. An app file: the only file that knows one app. It maps the journeys' words to that app's selectors and
//! scripts, and says where ids are read, how to start the app, how to be let in, and what its messages mean.

mod keys;
mod needs;
mod session;
mod shown;
mod traffic;

use crate::error::Result;
use crate::oracle::playback::Counter;
use crate::oracle::{Declared, Reconnect};
use crate::proxy::{Host, To};
use crate::secret::Secrets;
use crate::source::{Problem, Source};
use crate::step::Action;
use crate::traffic::Declared as Traffic;
use crate::unit::Time;
use keys::{ActionFile, PresetFile, ReconnectFile, TelemetryFile};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use toml::Spanned;

/// An app, checked. Secrets are resolved, and known to [`Secrets`].
#[derive(Clone, Debug)]
pub struct App {
    /// The file's stem: how plans, events and reports call it.
    pub name: String,
    /// Where it is, without a trailing slash; `{port}` stands for a free port chosen by the run.
    pub base: String,
    /// `stage`, `staging`, `production` ...: recorded with every sample.
    pub environment: String,
    /// Program and arguments that start the app; `{port}` as in `base`, `{proxy}` is the HTTP proxy that the app's own
    /// media proxy must fetch through for upstream faults. Empty: the app is only visited.
    pub launch: Vec<String>,
    /// Path that answers 2xx once the app is ready.
    pub ready: Option<String>,
    /// How long it may take to be.
    pub ready_within: Duration,
    /// The app's own further addresses, `host:port` or `host:*`: the proxy reaches them also where they are loopback or
    /// private, and its trace headers go there.
    pub hosts: Vec<String>,
    /// Path of the app's own media proxy: what it and all below it answers is judged as such.
    pub media_proxy: Option<String>,
    /// Hosts that plays are served from elsewhere: another host, or a folder.
    pub map: BTreeMap<String, To>,
    /// CSS selector of the visualizer's canvas.
    pub canvas: Option<String>,
    /// CSS selectors of what screenshots must not show.
    pub mask: Vec<String>,
    /// Where ids are read: `css`, `css@attribute` or `js:expression`.
    pub read: Read,
    /// What each word means here.
    pub words: BTreeMap<String, Vec<Action>>,
    /// What each preset's picture should be, by preset id.
    pub presets: BTreeMap<String, Declared>,
    /// How its player says that it waits, and how it plays on.
    pub reconnect: Option<Reconnect>,
    /// Its clips whose pictures carry their number.
    pub counter: Option<Counter>,
    /// How far each of these words leads a video from where it is, seconds; back where that is negative.
    pub seeks: BTreeMap<String, f64>,
    /// What its messages and requests mean.
    pub traffic: Traffic,
    /// Where the app tells of itself.
    pub telemetry: Telemetry,
    /// How the browser is let in.
    pub access: Access,
    /// Hosts whose HTTPS the proxy looks into, where a play has one (see [`crate::proxy::tls`]): `name`, `*.name` or an
    /// address. Connections to others are tunnelled, and no fault matches a request in them.
    pub intercept: Vec<String>,
    /// What may be wrong with the file, and may not.
    pub notes: Vec<String>,
}

/// Where the ids of events are read from in the page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// The room the viewer is in.
    pub room: Option<String>,
    /// The signed-in viewer.
    pub user: Option<String>,
    /// The preset the app says it shows.
    pub preset: Option<String>,
    /// What the app shows once it put another picture in the place of a preset that failed; nothing before.
    pub fallback: Option<String>,
}

impl Read {
    /// The ids that nothing says where to read.
    pub fn lacks(&self) -> Vec<&'static str> {
        let all = [("room", &self.room), ("user", &self.user), ("preset", &self.preset)];
        all.into_iter().filter(|(_, at)| at.is_none()).map(|(name, _)| name).collect()
    }
}

/// Where the app tells of itself, beside the console.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    /// Path that it posts its events to, or sends beacons: it and all below it.
    pub path: Option<String>,
    /// Names of `performance.mark` and `performance.measure` that are its events. What a `*` stands for is the event's
    /// name.
    pub marks: Vec<String>,
}

/// How the browser is let in: each value may be `env:NAME`.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Headers added to every request.
    pub headers: Vec<(String, String)>,
    /// Cookies set before the first page.
    pub cookies: Vec<(String, String)>,
    /// A saved session in Playwright's storage-state format: cookies, and local storage by origin.
    pub session: Option<serde_json::Value>,
    /// User and password for HTTP Basic authentication.
    pub basic: Option<(String, String)>,
    /// Take any certificate. Recorded in every run, since it hides the app's own certificate faults.
    pub insecure_certificates: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    #[expect(dead_code, reason = "every file opens with what it is; only people read it here")]
    about: Option<String>,
    base: Spanned<String>,
    environment: Option<String>,
    launch: Option<Spanned<Vec<String>>>,
    ready: Option<Spanned<String>>,
    ready_within: Option<Time>,
    #[serde(default)]
    hosts: Vec<Spanned<String>>,
    media_proxy: Option<Spanned<String>>,
    #[serde(default)]
    map: BTreeMap<String, Spanned<String>>,
    canvas: Option<String>,
    #[serde(default)]
    mask: Vec<String>,
    #[serde(default)]
    read: Read,
    #[serde(default)]
    word: BTreeMap<Spanned<String>, Vec<ActionFile>>,
    #[serde(default)]
    preset: BTreeMap<String, PresetFile>,
    reconnect: Option<ReconnectFile>,
    counter: Option<shown::CounterFile>,
    #[serde(default)]
    seek: shown::SeekFile,
    socket: Option<traffic::SocketFile>,
    auth: Option<traffic::AuthFile>,
    room: Option<traffic::RoomFile>,
    library: Option<traffic::LibraryFile>,
    permission: Option<traffic::PermissionFile>,
    #[serde(default)]
    telemetry: TelemetryFile,
    #[serde(default)]
    headers: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    cookies: BTreeMap<String, Spanned<String>>,
    session: Option<Spanned<String>>,
    basic: Option<Basic>,
    #[serde(default)]
    insecure_certificates: bool,
    #[serde(default)]
    intercept: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Basic {
    user: Spanned<String>,
    password: Spanned<String>,
}

impl App {
    /// Reads and checks an app file, looking secrets up in the environment.
    pub fn read(source: &Source, secrets: &Secrets) -> Result<Self> {
        let file: File = source.parse()?;
        let mut check = Check { source, secrets, problems: Vec::new(), notes: Vec::new() };
        let base = file.base.get_ref().trim_end_matches('/').to_owned();
        let why = match url::Url::parse(&base.replace("{port}", "80")) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => None,
            Ok(url) => Some(format!("`{base}` is no web address: `{}:` is not http or https", url.scheme())),
            Err(e) => Some(format!("`{base}` is no URL: {e}")),
        };
        if let Some(why) = why {
            check.problem(&file.base, why, "write http://host:port or https://host");
        }
        let launch = check.launch(file.launch, &file.base);
        if let Some(ready) = file.ready.as_ref().filter(|r| !r.get_ref().starts_with('/')) {
            check.problem(ready, "`ready` is no path", "write the path that answers 2xx, such as \"/healthz\"");
        }
        if let Some(path) =
            file.media_proxy.as_ref().filter(|p| !p.get_ref().starts_with('/') || p.get_ref().contains('?'))
        {
            check.problem(
                path,
                "`media_proxy` is no path",
                "write the path below the base, such as \"/api/video-proxy\"",
            );
        }
        let hosts = file.hosts.iter().filter_map(|h| check.host(h)).collect();
        let map = file.map.iter().filter_map(|(host, to)| Some((host.clone(), check.mapped(to)?))).collect();
        let words: BTreeMap<String, Vec<Action>> = file
            .word
            .into_iter()
            .map(|(word, actions)| {
                if actions.is_empty() {
                    check.problem(&word, "a word that does nothing", "write one action or more");
                }
                (word.into_inner(), actions.iter().filter_map(|a| check.action(a)).collect())
            })
            .collect();
        let presets = file.preset.into_iter().map(|(id, preset)| (id, check.preset(preset))).collect();
        let reconnect = file.reconnect.map(|reconnect| check.reconnect(reconnect));
        let counter = file.counter.map(|counter| check.counter(counter));
        let seeks = check.seeks(file.seek, &words);
        let traffic = check.traffic(traffic::Tables {
            socket: file.socket,
            auth: file.auth,
            room: file.room,
            library: file.library,
            permission: file.permission,
        });
        let telemetry = check.telemetry(file.telemetry);
        let access = Access {
            headers: file.headers.iter().map(|(k, v)| (k.clone(), check.sent(k, v))).collect(),
            cookies: file.cookies.iter().map(|(k, v)| (k.clone(), check.sent(k, v))).collect(),
            basic: file.basic.as_ref().map(|b| (check.secret(&b.user), check.sent("password", &b.password))),
            session: file.session.as_ref().and_then(|s| check.session(s)),
            insecure_certificates: file.insecure_certificates,
        };
        // A header may have any name.
        let slips = file.headers.values().filter_map(|value| source.below::<File>(value.span().start));
        check.notes.extend(slips.map(|slip| source.note(&slip)));
        for host in &file.intercept {
            if let Err(e) = host.get_ref().parse::<Host>() {
                check.problem(host, e.what(), e.fix().unwrap_or_default());
            }
        }
        if let Some((user, password)) = &access.basic {
            secrets.add(&format!("{user}:{password}"));
        }
        for (_, value) in access.headers.iter().chain(&access.cookies).chain(&access.basic) {
            secrets.add(value);
        }
        for value in access.session.iter().flat_map(session::values) {
            secrets.add(value);
        }
        if !check.problems.is_empty() {
            return Err(source.error(&check.problems));
        }
        let name = source.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self {
            environment: file.environment.unwrap_or_else(|| name.clone()),
            name,
            base,
            launch,
            ready: file.ready.map(Spanned::into_inner),
            ready_within: file.ready_within.map_or(Duration::from_secs(60), |t| t.0),
            hosts,
            media_proxy: file.media_proxy.map(Spanned::into_inner),
            map,
            canvas: file.canvas,
            mask: file.mask,
            read: file.read,
            words,
            presets,
            reconnect,
            counter,
            seeks,
            traffic,
            telemetry,
            access,
            intercept: file.intercept.into_iter().map(Spanned::into_inner).collect(),
            notes: check.notes,
        })
    }
}

/// Collects every problem of one file before it gives up: people mend a file once.
struct Check<'a> {
    source: &'a Source,
    secrets: &'a Secrets,
    problems: Vec<Problem>,
    notes: Vec<String>,
}

impl Check<'_> {
    fn problem<T>(&mut self, at: &Spanned<T>, what: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::at(at.span(), what, help));
    }
}
