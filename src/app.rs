//! Floor 3. An app file: the only file that knows one app. It maps the journeys' words to that app's selectors and
//! scripts, and says where ids are read, how to start the app, how to be let in, and what its messages mean.

mod needs;
mod session;
mod shown;
mod traffic;

use crate::error::Result;
use crate::oracle::playback::Counter;
use crate::oracle::{Declared, Picture, Policy, Reconnect};
use crate::proxy::{Host, To};
use crate::secret::{Secrets, in_the_file, is_told_by};
use crate::source::{Problem, Source};
use crate::step::{Action, VERBS};
use crate::table::{Row, did_you_mean, find};
use crate::traffic::Declared as Traffic;
use crate::unit::Time;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use toml::{Spanned, Value};

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

type ActionFile = Spanned<BTreeMap<Spanned<String>, Spanned<Value>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table: { picture = ... }")]
struct PresetFile {
    picture: Option<Spanned<String>>,
    #[serde(default)]
    programs: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReconnectFile {
    status: Spanned<String>,
    states: Spanned<BTreeMap<Spanned<String>, Spanned<String>>>,
    policy: Option<Spanned<String>>,
    within: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TelemetryFile {
    path: Option<Spanned<String>>,
    #[serde(default)]
    marks: Vec<Spanned<String>>,
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

    /// `host:port` or `host:*`.
    fn host(&mut self, host: &Spanned<String>) -> Option<String> {
        let named = host.get_ref().rsplit_once(':').filter(|(name, port)| {
            !name.is_empty() && !name.contains('/') && (*port == "*" || port.parse::<u16>().is_ok_and(|p| p > 0))
        });
        if named.is_none() {
            let help = "write host:port, or host:* for all of its ports";
            self.problem(host, format!("`{}` is no host with a port", host.get_ref()), help);
        }
        named.map(|_| host.get_ref().clone())
    }

    /// `host:port`, or a folder relative to the file.
    fn mapped(&mut self, to: &Spanned<String>) -> Option<To> {
        let folder = self.source.path.parent().unwrap_or(std::path::Path::new("")).join(to.get_ref());
        if folder.is_dir() {
            return Some(To::Folder(folder));
        }
        let port = to.get_ref().rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none() {
            let what = format!("`{}` is neither host:port nor a folder", to.get_ref());
            let neither = || Problem::at(to.span(), what, "write host:port, or a folder relative to this file");
            self.problems.push(self.source.below::<File>(to.span().start).unwrap_or_else(neither));
        }
        port.map(|_| To::Host(to.get_ref().clone()))
    }

    fn secret(&mut self, text: &Spanned<String>) -> String {
        self.secrets.resolve(text.get_ref()).unwrap_or_else(|e| {
            self.problem(text, e.what(), e.fix().unwrap_or_default());
            String::new()
        })
    }

    /// What is sent under a name; where that tells of a secret, the file must name a variable.
    fn sent(&mut self, name: &str, text: &Spanned<String>) -> String {
        if let Some((what, help)) = in_the_file(text.get_ref()).filter(|_| is_told_by(name)) {
            self.problem(text, what, help);
        }
        self.secret(text)
    }

    /// The program that starts the app; it must hear of the port that `base` has chosen for it.
    fn launch(&mut self, launch: Option<Spanned<Vec<String>>>, base: &Spanned<String>) -> Vec<String> {
        let is_free = |text: &String| text.contains("{port}");
        let Some(launch) = launch else {
            if is_free(base.get_ref()) {
                let help = "add `launch`, with {port} among its arguments, or write the port that the app listens on";
                self.problem(base, "{port} is a free port, and no `launch` starts an app there", help);
            }
            return Vec::new();
        };
        let [program, args @ ..] = launch.get_ref().as_slice() else {
            let help = "write the program and its arguments, or remove the line: the app is only visited then";
            self.problem(&launch, "`launch` starts nothing", help);
            return Vec::new();
        };
        if program.trim().is_empty() {
            self.problem(&launch, "`launch` names no program", "write the program first, and then its arguments");
        }
        match (is_free(base.get_ref()), args.iter().any(is_free)) {
            (true, false) => {
                let help = "write {port} among the arguments of `launch`, or the app's own port in `base`";
                self.problem(base, "{port} is a free port, and `launch` does not tell the app which", help);
            }
            (false, true) => {
                let help = "write {port} in `base` too, if that is where the app is visited";
                let problem = Problem::at(launch.span(), "`launch` has a free port that `base` does not visit", help);
                self.notes.push(self.source.note(&problem));
            }
            _ => {}
        }
        launch.into_inner()
    }

    fn preset(&mut self, file: PresetFile) -> Declared {
        let picture = file.picture.and_then(|p| {
            let known = Picture::ALL.iter().find(|k| k.name() == p.get_ref());
            if known.is_none() {
                let help = did_you_mean(p.get_ref(), Picture::ALL.iter().map(|k| k.name()));
                self.problem(&p, format!("unknown picture `{}`", p.get_ref()), help);
            }
            known.copied()
        });
        let is_hash = |text: &str| text.len() == 8 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        for program in file.programs.iter().filter(|program| !is_hash(program.get_ref())) {
            let help = "write its 8 digits, 0 to 9 and a to f, as `programs` of a run's first_visualizer_frame events";
            self.problem(program, format!("`{}` is no program's hash", program.get_ref()), help);
        }
        Declared { picture, programs: file.programs.into_iter().map(Spanned::into_inner).collect() }
    }

    fn telemetry(&mut self, file: TelemetryFile) -> Telemetry {
        if let Some(path) = file.path.as_ref().filter(|p| !p.get_ref().starts_with('/') || p.get_ref().contains('?')) {
            self.problem(path, "`path` is no path", "write the path below the base, such as \"/api/telemetry\"");
        }
        for mark in file.marks.iter().filter(|m| m.get_ref().matches('*').count() > 1) {
            self.problem(mark, "more than one `*`", "write a name, or one `*` where the event's name stands");
        }
        let marks = file.marks.into_iter().map(Spanned::into_inner).filter(|m| !m.is_empty()).collect();
        Telemetry { path: file.path.map(Spanned::into_inner), marks }
    }

    fn reconnect(&mut self, file: ReconnectFile) -> Reconnect {
        if file.status.get_ref().trim().is_empty() {
            self.problem(&file.status, "nothing is selected", "write the CSS selector of the player's status");
        }
        if file.states.get_ref().is_empty() {
            let help = "write the words the player shows, such as states = { buffering = \"Buffering\" }";
            self.problem(&file.states, "a player that says nothing", help);
        }
        let mut states = BTreeMap::new();
        for (state, words) in file.states.into_inner() {
            match Reconnect::STATES.iter().find(|known| **known == state.get_ref()) {
                None => {
                    let help = did_you_mean(state.get_ref(), Reconnect::STATES);
                    self.problem(&state, format!("unknown state `{}`", state.get_ref()), help);
                }
                // Any text holds no words at all.
                Some(_) if words.get_ref().trim().is_empty() => {
                    self.problem(&words, "no words", "write some of the words the player shows in this state");
                }
                Some(known) => drop(states.insert(*known, words.into_inner())),
            }
        }
        let policy = file.policy.map_or(Policy::default(), |policy| {
            let known = Policy::ALL.into_iter().find(|known| known.name() == policy.get_ref());
            known.unwrap_or_else(|| {
                let help = did_you_mean(policy.get_ref(), Policy::ALL.map(Policy::name));
                self.problem(&policy, format!("unknown policy `{}`", policy.get_ref()), help);
                Policy::default()
            })
        });
        let within = file.within.map_or(Duration::from_secs(10), |within| within.0);
        Reconnect { status: file.status.into_inner(), states, policy, within }
    }

    fn action(&mut self, file: &ActionFile) -> Option<Action> {
        let known = || VERBS.iter().map(Row::name);
        let keys = file.get_ref();
        let verbs: Vec<_> = keys.iter().filter(|(k, _)| find(VERBS, k.get_ref()).is_some()).collect();
        let (verb, main) = match verbs.as_slice() {
            [(key, value)] => (find(VERBS, key.get_ref())?, value),
            [] => {
                // Keys come sorted by name: the verb is what stands first.
                let first = keys.keys().min_by_key(|k| k.span().start);
                let said = first.map_or("", |k| k.get_ref());
                let span = first.map_or(file.span(), Spanned::span);
                let what = format!("`{said}` is no verb");
                self.problems.push(Problem::at(span, what, did_you_mean(said, known())));
                return None;
            }
            [_, (second, _), ..] => {
                self.problem(second, "two verbs in one action", "write one action { } for each, in order");
                return None;
            }
        };
        let mut action = Action { verb: verb.name(), main: String::new(), more: BTreeMap::new() };
        for (key, value) in keys {
            let text = match value.get_ref() {
                Value::String(text) => text.clone(),
                other => {
                    let what = format!("`{}` wants a string, this is {}", key.get_ref(), kind(other));
                    self.problem(value, what, format!("write it in quotes, for instance {}", verb.example));
                    continue;
                }
            };
            if key.get_ref() == verb.name() {
                action.main = text;
            } else if verb.more.contains(&key.get_ref().as_str()) {
                let text = self.secret(&Spanned::new(value.span(), text));
                action.more.insert(key.get_ref().clone(), text);
            } else {
                let what = format!("`{}` takes no `{}`", verb.name(), key.get_ref());
                self.problem(key, what, format!("for instance {}", verb.example));
            }
        }
        for missing in verb.more.iter().filter(|m| !keys.keys().any(|k| k.get_ref() == *m)) {
            self.problem(
                main,
                format!("`{}` needs `{missing}`", verb.name()),
                format!("for instance {}", verb.example),
            );
        }
        if verb.name() == "type" && action.main.to_ascii_lowercase().contains("passw") {
            action.more.values().for_each(|typed| self.secrets.add(typed));
        }
        // A value of the wrong type has been told already.
        if let (Value::String(_), Err(why)) = (main.get_ref(), (verb.check)(&action)) {
            self.problem(main, why, format!("for instance {}", verb.example));
        }
        Some(action)
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
