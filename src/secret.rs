//! Floor 0. Secrets: files name them only as `env:NAME`, and what they stand for never reaches an event or a report. Nor does
//! what looks like a secret, whoever's it is. Of what the wire shows to be one the newest values are remembered.

mod forms;
mod learnt;
mod shapes;

use crate::error::{Error, Result};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use learnt::Learnt;
use serde_json::{Map, Value};
use std::ops::Range;
use std::sync::{Arc, LazyLock, RwLock};

const HIDDEN: &str = "[redacted]";
/// Shorter secrets are not searched for: `a` would black out every text.
const SHORTEST: usize = 4;

static PROCESS: LazyLock<Secrets> = LazyLock::new(Secrets::default);

/// The values to hide. Clones share one list.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    values: Vec<String>,
    /// Of all forms of these values, whatever the case of their letters.
    finder: Option<AhoCorasick>,
    learnt: Learnt,
}

impl Known {
    fn is_in(&self, text: &[u8]) -> bool {
        self.finder.as_ref().is_some_and(|f| f.is_match(text)) || self.learnt.find(text, 0).is_some()
    }

    /// Where there is one in a text. A value may be a part of another.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        let own = self.finder.iter().flat_map(|finder| finder.find_iter(text)).map(|found| found.range());
        own.chain(self.learnt.find_all(text.as_bytes())).collect()
    }
}

impl Secrets {
    /// The list of this process: what a command resolves is hidden in its own diagnostics too.
    pub fn of_process() -> Self {
        PROCESS.clone()
    }

    /// The text a file means: `env:NAME` is looked up and remembered as secret, anything else is itself.
    pub fn resolve(&self, text: &str) -> Result<String> {
        let Some(name) = text.strip_prefix("env:") else { return Ok(text.to_owned()) };
        let value = std::env::var(name).ok().filter(|v| !v.is_empty()).ok_or_else(|| {
            Error::author(format!("the environment variable {name} is not set"))
                .remedy(format!("export {name}=... before the run, or change `env:{name}`"))
        })?;
        self.add(&value);
        Ok(value)
    }

    /// Remembers a value, as it is and as URLs, forms, headers and pages encode it.
    pub fn add(&self, value: &str) {
        if value.len() < SHORTEST {
            return;
        }
        if let Ok(mut known) = self.0.write()
            && !known.values.iter().any(|v| v == value)
        {
            known.values.push(value.to_owned());
            let all = known.values.iter().flat_map(|v| forms::of(v));
            // The longest where one is in the other. There cannot be too many for one automaton.
            let finder = AhoCorasick::builder()
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .match_kind(MatchKind::LeftmostLongest)
                .ascii_case_insensitive(true)
                .build(all.collect::<Vec<_>>());
            known.finder = finder.ok();
        }
    }

    /// Remembers what the wire shows to be secret, among the newest values that this host has under this name.
    fn learn(&self, host: &str, name: &str, value: &str) {
        let known = self.0.read().map_or(true, |known| known.learnt.has(value.as_bytes()));
        if value.len() < learnt::SHORTEST || known {
            return;
        }
        // Before anybody has to wait.
        let forms = forms::of(value);
        if let Ok(mut known) = self.0.write() {
            known.learnt.add(format!("{host} {name}"), &forms);
        }
    }

    /// Remembers the value that a host's `Set-Cookie` sets, unless it may be a plain word: one that scripts may read, under a
    /// name that tells nothing. Of a cookie that is set anew with every answer the newest values are known, and the others
    /// forgotten.
    pub fn learn_cookie(&self, host: &str, set_cookie: &str) {
        let (pair, attributes) = set_cookie.split_once(';').unwrap_or((set_cookie, ""));
        let Some((name, value)) = pair.split_once('=') else { return };
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        let for_server = attributes.split(';').any(|a| a.trim().eq_ignore_ascii_case("httponly"));
        if for_server || shapes::is_telling(name) || name.to_ascii_lowercase().contains("sess") {
            self.learn(host, name, value);
        }
    }

    /// Remembers the credentials of an `Authorization` that a host is shown: the newest, as of a cookie.
    pub fn learn_authorization(&self, host: &str, value: &str) {
        let credentials = value.split_once(' ').map_or(value, |(_, credentials)| credentials).trim();
        self.learn(host, "authorization", credentials);
    }

    /// The text without secrets: the known ones, and what looks like one.
    pub fn hide(&self, text: &str) -> String {
        let known = self.0.read().map(|known| known.places(text)).unwrap_or_default();
        let out = if known.is_empty() { text.to_owned() } else { without(text, known) };
        if shapes::may_be_in(out.as_bytes()) { shapes::hide(&out) } else { out }
    }

    /// Whether there may be something to hide in a text. It says no only where [`Secrets::hide`] would find nothing.
    pub fn may_be_in(&self, text: &[u8]) -> bool {
        self.0.read().map_or(true, |known| known.is_in(text)) || shapes::may_be_in(text)
    }

    /// Hides secrets in all that we say: in every text, and all that stands under a name that tells of one. The names are
    /// ours: only what looks like a secret whoever's it is stands in none of them.
    pub fn hide_in(&self, value: &mut Value) {
        self.hide_below(value, &|name| shapes::may_be_in(name.as_bytes()).then(|| shapes::hide(name)));
    }

    /// The same of what somebody else says, who may have any secret for a name.
    pub fn hide_said(&self, value: &mut Value) {
        self.hide_below(value, &|name| self.may_be_in(name.as_bytes()).then(|| self.hide(name)));
    }

    /// `renamed`: what a name becomes, if it may become another.
    fn hide_below(&self, value: &mut Value, renamed: &dyn Fn(&str) -> Option<String>) {
        match value {
            Value::String(text) => *text = self.hide(text),
            Value::Array(items) => items.iter_mut().for_each(|v| self.hide_below(v, renamed)),
            Value::Object(map) => {
                for (name, v) in map.iter_mut() {
                    match tells(name, v) {
                        true => *v = HIDDEN.into(),
                        false => self.hide_below(v, renamed),
                    }
                }
                if map.keys().any(|name| renamed(name).is_some_and(|new| new != *name)) {
                    *map = rename(std::mem::take(map), renamed);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Whether a value of this name is a secret.
pub fn is_told_by(name: &str) -> bool {
    shapes::is_telling(name)
}

/// What is wrong with how a file writes a secret, and what to do about it; `None`: it names a variable.
pub fn in_the_file(text: &str) -> Option<(&'static str, &'static str)> {
    let wrong = ("a secret stands in this file", "take it out, and name a variable: \"env:NAME\"");
    (!text.starts_with("env:")).then_some(wrong)
}

/// Whether it is a secret for the name that it stands under.
fn tells(name: &str, value: &Value) -> bool {
    let long = || match value {
        Value::String(text) => text.len() >= SHORTEST,
        Value::Number(number) => number.to_string().len() >= SHORTEST,
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Null | Value::Bool(_) => false,
    };
    // `tokens` are counted, unless they are listed.
    let listed = || value.is_array() && shapes::is_telling(name.trim_end_matches('s'));
    // Telemetry names its session, which opens nothing.
    let session = || name.to_ascii_lowercase().replace(['-', '_'], "") == "sessionid";
    (shapes::is_telling(name) || listed()) && long() && !session()
}

/// An object under other names; what two of them become is told apart.
fn rename(map: Map<String, Value>, renamed: &dyn Fn(&str) -> Option<String>) -> Map<String, Value> {
    let mut out = Map::with_capacity(map.len());
    for (name, value) in map {
        let mut name = renamed(&name).unwrap_or(name);
        if out.contains_key(&name) {
            name = format!("{name} {}", out.len() + 1);
        }
        out.insert(name, value);
    }
    out
}

/// A text without these parts of it, which may overlap.
fn without(text: &str, mut parts: Vec<Range<usize>>) -> String {
    parts.sort_unstable_by_key(|part| part.start);
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for part in parts {
        if part.start >= done {
            out.push_str(&text[done..part.start]);
            out.push_str(HIDDEN);
        }
        done = done.max(part.end);
    }
    out + &text[done..]
}

#[cfg(test)]
mod tests;
