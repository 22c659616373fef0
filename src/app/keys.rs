//! What single keys of an app file must be.

use super::{Check, File, Telemetry};
use crate::oracle::{Declared, Picture, Policy, Reconnect};
use crate::proxy::To;
use crate::secret::{in_the_file, is_told_by};
use crate::source::Problem;
use crate::step::{Action, VERBS};
use crate::table::{Row, did_you_mean, find};
use crate::unit::Time;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use toml::{Spanned, Value};

pub(super) type ActionFile = Spanned<BTreeMap<Spanned<String>, Spanned<Value>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table: { picture = ... }")]
pub(super) struct PresetFile {
    picture: Option<Spanned<String>>,
    #[serde(default)]
    programs: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReconnectFile {
    status: Spanned<String>,
    states: Spanned<BTreeMap<Spanned<String>, Spanned<String>>>,
    policy: Option<Spanned<String>>,
    within: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TelemetryFile {
    path: Option<Spanned<String>>,
    #[serde(default)]
    marks: Vec<Spanned<String>>,
}

impl Check<'_> {
    /// `host:port` or `host:*`.
    pub(super) fn host(&mut self, host: &Spanned<String>) -> Option<String> {
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
    pub(super) fn mapped(&mut self, to: &Spanned<String>) -> Option<To> {
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

    pub(super) fn secret(&mut self, text: &Spanned<String>) -> String {
        self.secrets.resolve(text.get_ref()).unwrap_or_else(|e| {
            self.problem(text, e.what(), e.fix().unwrap_or_default());
            String::new()
        })
    }

    /// What is sent under a name; where that tells of a secret, the file must name a variable.
    pub(super) fn sent(&mut self, name: &str, text: &Spanned<String>) -> String {
        if let Some((what, help)) = in_the_file(text.get_ref()).filter(|_| is_told_by(name)) {
            self.problem(text, what, help);
        }
        self.secret(text)
    }

    /// The program that starts the app; it must hear of the port that `base` has chosen for it.
    pub(super) fn launch(&mut self, launch: Option<Spanned<Vec<String>>>, base: &Spanned<String>) -> Vec<String> {
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

    pub(super) fn preset(&mut self, file: PresetFile) -> Declared {
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

    pub(super) fn telemetry(&mut self, file: TelemetryFile) -> Telemetry {
        if let Some(path) = file.path.as_ref().filter(|p| !p.get_ref().starts_with('/') || p.get_ref().contains('?')) {
            self.problem(path, "`path` is no path", "write the path below the base, such as \"/api/telemetry\"");
        }
        for mark in file.marks.iter().filter(|m| m.get_ref().matches('*').count() > 1) {
            self.problem(mark, "more than one `*`", "write a name, or one `*` where the event's name stands");
        }
        let marks = file.marks.into_iter().map(Spanned::into_inner).filter(|m| !m.is_empty()).collect();
        Telemetry { path: file.path.map(Spanned::into_inner), marks }
    }

    pub(super) fn reconnect(&mut self, file: ReconnectFile) -> Reconnect {
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

    pub(super) fn action(&mut self, file: &ActionFile) -> Option<Action> {
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
